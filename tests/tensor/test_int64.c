/* int64 beyond 2^53, where not every integer is a double: a function computes it exactly or refuses
 * it. */
#include "check.h"

#define ODD 9007199254740993 /* 2^53 + 1, the first integer that is no double */

static tg_tensor *one(tg_context *tg, int64_t value)
{
    return tg_from_i64(tg, TG_SHAPE(), &value);
}

#define check_integers(t, ...)                                                                     \
    check_integers_at(t, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                       \
                      (int64_t[]){__VA_ARGS__})

static void check_integers_at(const tg_tensor *t, size_t n, const int64_t *values)
{
    assert_true(t && t->dtype == TG_I64 && (size_t)t->numel == n);
    check_ok(t->context);
    for (size_t i = 0; i < n; i++) assert_true(tg_get_i64(t, TG_INDEX((int64_t)i)) == values[i]);
}

static void test_arange_from_2_to_the_53_by_1(void **state)
{
    tg_context *tg = *state;
    check_integers(tg_arange(tg, TG_I64, 0x1p53, 0x1p53 + 4, 1), ODD - 1, ODD, ODD + 1, ODD + 2);
    check_integers(tg_arange(tg, TG_I64, -0x1p53, -0x1p53 - 4, -1), 1 - ODD, -ODD, -ODD - 1,
                   -ODD - 2);
}

static void test_arange_from_1_7e18_by_1234567(void **state)
{
    tg_context *tg = *state;
    const int64_t start = 1700000000000000000, step = 1234567, n = 100000;
    const tg_tensor *t = tg_arange(tg, TG_I64, 1.7e18, 1.7e18 + 1234567.0 * 100000, 1234567);
    /* the end is rounded to double, so that one number more or less is right */
    assert_true(t && t->numel >= n - 1 && t->numel <= n + 1);
    for (int64_t i = 0; i < t->numel; i++) assert_true(tg_data_i64(t)[i] == start + i * step);
}

static void test_arange_of_what_only_int64_holds(void **state)
{
    tg_context *tg = *state;
    check_integers(tg_arange_i64(tg, ODD, ODD + 3, 1), ODD, ODD + 1, ODD + 2);
    check_integers(tg_arange_i64(tg, INT64_MAX - 2, INT64_MAX, 1), INT64_MAX - 2, INT64_MAX - 1);
    check_integers(tg_arange_i64(tg, INT64_MIN, INT64_MAX, INT64_MAX), INT64_MIN, -1,
                   INT64_MAX - 1);
    check_integers(tg_arange_i64(tg, INT64_MAX, INT64_MIN, INT64_MIN), INT64_MAX, -1);
    assert_int_equal(tg_arange_i64(tg, INT64_MIN, INT64_MIN, 1)->numel, 0);
    assert_int_equal(tg_arange_i64(tg, INT64_MAX, INT64_MAX, -1)->numel, 0);
    assert_null(tg_arange_i64(tg, INT64_MIN, INT64_MAX, 1));
    check_error(tg, TG_ERR_SHAPE,
                "arange_i64: [9223372036854775807] has more elements than memory can hold");
    assert_null(tg_arange_i64(tg, 0, 1, 0));
    check_error(tg, TG_ERR_ARGUMENT, "arange_i64: no numbers go from 0 to 1 in steps of 0");
    assert_null(tg_arange_i64(tg, 0, 1, -1));
    check_error(tg, TG_ERR_ARGUMENT, "arange_i64: no numbers go from 0 to 1 in steps of -1");
    assert_null(tg_arange_i64(NULL, 0, 1, 1));
}

static void test_arange_away_from_its_end(void **state)
{
    tg_context *tg = *state;
    const tg_dtype dtypes[] = {TG_F32, TG_F64, TG_I64};
    const char *const names[] = {"float32", "float64", "int64"};
    for (int i = 0; i < 3; i++) {
        char text[100];
        snprintf(text, sizeof text, "arange: no %s numbers go from 0 to -5 in steps of 10",
                 names[i]);
        assert_null(tg_arange(tg, dtypes[i], 0, -5, 10));
        check_error(tg, TG_ERR_ARGUMENT, text);
        assert_int_equal(tg_arange(tg, dtypes[i], 2, 2, -1)->numel, 0);
    }
    assert_null(tg_arange(tg, TG_F32, 0, -0.5, 1));
    check_error(tg, TG_ERR_ARGUMENT, "arange: no float32 numbers go from 0 to -0.5 in steps of 1");
}

static void test_reading_what_is_no_double_is_refused(void **state)
{
    tg_context *tg = *state;
    const int64_t values[] = {ODD - 1, ODD, ODD + 1, -ODD, INT64_MIN, INT64_MAX};
    const tg_tensor *t = tg_from_i64(tg, TG_SHAPE(6), values);
    assert_true(tg_get(t, TG_INDEX(0)) == 0x1p53);
    assert_true(tg_get(t, TG_INDEX(2)) == 0x1p53 + 2);
    assert_true(tg_get(t, TG_INDEX(4)) == -0x1p63);
    assert_true(isnan(tg_get(t, TG_INDEX(1))));
    check_error(tg, TG_ERR_ARGUMENT,
                "get: 9007199254740993 is not a value of double; use tg_get_i64");
    assert_true(isnan(tg_get(t, TG_INDEX(3))));
    check_error(tg, TG_ERR_ARGUMENT,
                "get: -9007199254740993 is not a value of double; use tg_get_i64");
    assert_true(isnan(tg_item(one(tg, INT64_MAX))));
    check_error(tg, TG_ERR_ARGUMENT,
                "item: 9223372036854775807 is not a value of double; use tg_item_i64");
    for (int64_t i = 0; i < 6; i++) {
        assert_true(tg_get_i64(t, TG_INDEX(i)) == values[i]);
        assert_true(tg_item_i64(one(tg, values[i])) == values[i]);
    }
}

static void test_writing_what_is_no_double(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_zeros(tg, TG_I64, TG_SHAPE(2, 2)), *b = tg_zeros(tg, TG_BOOL, TG_SHAPE(2));
    assert_true(tg_set_i64(t, TG_INDEX(1, -1), ODD));
    assert_true(tg_set_i64(tg_t(t), TG_INDEX(1, 0), INT64_MIN));
    check_integers(tg_flatten(t, 0, -1), 0, INT64_MIN, 0, ODD);
    assert_true(tg_set_i64(b, TG_INDEX(0), 256));
    assert_true(tg_get_i64(b, TG_INDEX(0)) == 1 && tg_get_i64(b, TG_INDEX(1)) == 0);
    assert_true(tg_set_i64(b, TG_INDEX(0), 0));
    assert_true(tg_get_i64(b, TG_INDEX(0)) == 0);
}

static void test_refusals_of_the_whole_number_doors(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(2)), *i = tg_ones(tg, TG_I64, TG_SHAPE(2));
    assert_true(tg_item_i64(NULL) == 0 && tg_get_i64(NULL, TG_INDEX(0)) == 0);
    assert_false(tg_set_i64(NULL, TG_INDEX(0), 1));
    assert_true(tg_item_i64(x) == 0);
    check_error(tg, TG_ERR_DTYPE, "item_i64: not for float32; use tg_cast");
    assert_true(tg_get_i64(x, TG_INDEX(0)) == 0);
    check_error(tg, TG_ERR_DTYPE, "get_i64: not for float32; use tg_cast");
    assert_false(tg_set_i64(x, TG_INDEX(0), 1));
    check_error(tg, TG_ERR_DTYPE, "set_i64: not for float32; use tg_cast");
    assert_true(tg_item_i64(i) == 0);
    check_error(tg, TG_ERR_SHAPE, "item_i64: [2] has 2 elements, not one");
    assert_true(tg_get_i64(i, TG_INDEX(2)) == 0);
    check_error(tg, TG_ERR_INDEX, "get_i64: index 2 of dimension 0 is out of range for [2]");
    assert_false(tg_set_i64(i, TG_INDEX(0, 0), 1));
    check_error(tg, TG_ERR_INDEX,
                "set_i64: [2] is 1-d and needs an index of that length, not of length 2");
    assert_false(tg_set_i64(tg_expand(tg_t(one(tg, 1)), TG_SHAPE(2)), TG_INDEX(0), 1));
    check_error(tg, TG_ERR_ARGUMENT,
                "set_i64: elements of the tensor [2] share memory, so it cannot be written to; use "
                "tg_clone first");
}

/* A scalar that is an integer is used exactly, and any other double is refused. */
static void test_scalars_are_exact_or_refused(void **state)
{
    tg_context *tg = *state;
    const double even = 0x1p53 + 2;
    const int64_t e = ODD + 1;
    tg_tensor *t = tg_reshape(one(tg, ODD), TG_SHAPE(1));
    check_integers(tg_full(tg, TG_I64, TG_SHAPE(1), even), e);
    check_integers(tg_full_like(t, even), e);
    check_integers(tg_fill_(tg_clone(t), even), e);
    check_integers(tg_add_scalar(t, even), 2 * ODD + 1);
    check_integers(tg_sub_scalar(t, even), -1);
    check_integers(tg_mul_scalar(t, 512), ODD * 512);
    check_integers(tg_remainder_scalar(t, even), ODD);
    check_integers(tg_add_alpha(t, t, 3), 4 * ODD);
    check_integers(tg_clamp(t, -INFINITY, 0x1p53), ODD - 1);
    check_integers(tg_clamp(t, even, INFINITY), e);
    check_integers(tg_masked_fill(t, tg_eq(t, t), even), e);
    check_integers(tg_pad(t, TG_SHAPE(0, 1), even), ODD, e);
    check_values(tg_eq_scalar(t, 0x1p53), 0);
    check_values(tg_gt_scalar(t, 0x1p53), 1);
    check_values(tg_lt_scalar(t, even), 1);
    assert_null(tg_full(tg, TG_I64, TG_SHAPE(1), 0x1p63));
    check_error(tg, TG_ERR_ARGUMENT, "full: 9.22337e+18 is not a value of int64");
    assert_null(tg_add_scalar(t, 0.5));
    check_error(tg, TG_ERR_ARGUMENT, "add_scalar: 0.5 is not a value of int64");
}

/* A 0-d int64 tensor serves in the place of a scalar that no double can hold. */
static void test_0d_tensors_are_scalars_of_any_value(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_arange_i64(tg, ODD, ODD + 2, 1);
    check_integers(tg_add(t, one(tg, ODD)), 2 * ODD, 2 * ODD + 1);
    check_integers(tg_clone(tg_expand(one(tg, ODD), TG_SHAPE(2))), ODD, ODD);
    check_integers(tg_copy_(tg_clone(t), one(tg, ODD)), ODD, ODD);
    check_integers(tg_maximum(t, one(tg, ODD + 1)), ODD + 1, ODD + 1);
    check_values(tg_eq(t, one(tg, ODD)), 1, 0);
}

static void test_sums_and_products_are_exact(void **state)
{
    tg_context *tg = *state;
    const int64_t values[] = {ODD - 1, 1, 2, INT64_MAX};
    tg_tensor *t = tg_from_i64(tg, TG_SHAPE(4), values), *three = tg_narrow(t, 0, 0, 3);
    assert_true(tg_item_i64(tg_sum(three)) == ODD + 2);
    assert_true(tg_item_i64(tg_sum(tg_narrow(t, 0, 0, 2))) == ODD);
    assert_true(tg_item_i64(tg_prod(tg_narrow(t, 0, 1, 3))) == -2); /* wraps */
    assert_true(tg_item_i64(tg_max(t)) == INT64_MAX);
    check_integers(tg_cumsum(three, 0), ODD - 1, ODD, ODD + 2);
    check_integers(tg_sort(tg_sub(t, one(tg, 1)), 0), 0, 1, ODD - 2, INT64_MAX - 1);
}

static void test_one_hot_of_the_greatest_label(void **state)
{
    tg_context *tg = *state;
    assert_null(tg_one_hot(one(tg, INT64_MAX), -1));
    check_error(tg, TG_ERR_SHAPE,
                "one_hot: [9223372036854775807] has more elements than memory can hold");
    assert_null(tg_one_hot(one(tg, ODD), 3));
    check_error(tg, TG_ERR_INDEX, "one_hot: label 9007199254740993 is not one of 3 classes");
    assert_null(tg_one_hot(one(tg, -ODD), 3));
    check_error(tg, TG_ERR_INDEX, "one_hot: label -9007199254740993 is negative");
    check_integers(tg_one_hot(one(tg, 1), -1), 0, 1);
}

/* ---- Numbers that a dtype cannot hold, in other functions. */

static void test_linspace_to_what_float32_cannot_hold(void **state)
{
    tg_context *tg = *state;
    assert_null(tg_linspace(tg, TG_F32, 0, 1e300, 3));
    check_error(tg, TG_ERR_ARGUMENT, "linspace: 1e+300 is not a value of float32");
    assert_null(tg_linspace(tg, TG_F32, -1e300, 0, 3));
    check_error(tg, TG_ERR_ARGUMENT, "linspace: -1e+300 is not a value of float32");
    check_values(tg_linspace(tg, TG_F32, -0x1.8p127, 0x1.8p127, 5), -0x1.8p127, -0x1.8p126, 0,
                 0x1.8p126, 0x1.8p127);
    check_values(tg_linspace(tg, TG_F64, -0x1.8p1023, 0x1.8p1023, 5), -0x1.8p1023, -0x1.8p1022, 0,
                 0x1.8p1022, 0x1.8p1023);
}

static void test_addmm_of_another_dtype_where_beta_is_0(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(2, 2)), *i = tg_ones(tg, TG_I64, TG_SHAPE(2, 2));
    for (int beta = 0; beta < 2; beta++) {
        assert_null(tg_addmm(i, x, x, beta, 1));
        check_error(tg, TG_ERR_DTYPE,
                    "addmm: int64 [2, 2] and float32 [2, 2]: dtypes differ; use tg_cast");
    }
    check_values(tg_addmm(x, x, x, 0, 1), 2, 2, 2, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arange_from_2_to_the_53_by_1),
        cmocka_unit_test(test_arange_from_1_7e18_by_1234567),
        cmocka_unit_test(test_arange_of_what_only_int64_holds),
        cmocka_unit_test(test_arange_away_from_its_end),
        cmocka_unit_test(test_reading_what_is_no_double_is_refused),
        cmocka_unit_test(test_writing_what_is_no_double),
        cmocka_unit_test(test_refusals_of_the_whole_number_doors),
        cmocka_unit_test(test_scalars_are_exact_or_refused),
        cmocka_unit_test(test_0d_tensors_are_scalars_of_any_value),
        cmocka_unit_test(test_sums_and_products_are_exact),
        cmocka_unit_test(test_one_hot_of_the_greatest_label),
        cmocka_unit_test(test_linspace_to_what_float32_cannot_hold),
        cmocka_unit_test(test_addmm_of_another_dtype_where_beta_is_0),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
