/* Variances and standard deviations: their digits, their memory, and the ends of the range. */
#include "leaf.h"

#include "guarded.h"

static bool near(double value, double exact, double relative)
{
    return fabs(value - exact) <= relative * fabs(exact);
}

static void test_variance_of_what_is_the_same_everywhere_is_0(void **state)
{
    tg_context *tg = *state;
    const double values[] = {12345.6, 0.1, 1e10, 1e200, 1.0 / 3};
    for (int i = 0; i < 5; i++)
        for (int64_t n = 3; n < 3000; n = n * 3 + 1) {
            tg_tensor *a = tg_full(tg, TG_F64, TG_SHAPE(n, 3), values[i]);
            assert_true(tg_item(tg_std(a, 1)) == 0 && tg_item(tg_var(a, 0)) == 0);
            assert_true(tg_item(tg_max(tg_var_dims(a, TG_DIMS(0), 1, false))) == 0);
            assert_true(tg_item(tg_max(tg_var_dims(tg_t(a), TG_DIMS(1), 1, false))) == 0);
            if (values[i] > 1e38) continue;
            assert_true(tg_item(tg_std(tg_cast(a, TG_F32), 1)) == 0);
        }
}

/* The deviations are 1, -1, 1, -1 ... on a large constant: exact in either dtype. */
static void test_variance_of_small_deviations(void **state)
{
    tg_context *tg = *state;
    enum { N = 1000, C = 3 };
    for (tg_dtype d = TG_F32; d <= TG_F64; d++) {
        tg_tensor *sign =
            tg_add_scalar(tg_mul_scalar(tg_remainder_scalar(tg_arange(tg, d, 0, N, 1), 2), -2), 1);
        tg_tensor *a = tg_add_scalar(sign, d == TG_F32 ? 8e6 : 1e15);
        assert_true(tg_item(tg_var(a, 0)) == 1 && tg_item(tg_std(a, 0)) == 1);
        a = tg_contiguous(tg_expand(tg_unsqueeze(a, 1), TG_SHAPE(N, C)));
        check_values(tg_var_dims(a, TG_DIMS(0), 0, false), 1, 1, 1);
        check_values(tg_std_dims(tg_t(a), TG_DIMS(-1), 0, false), 1, 1, 1);
        a = tg_reshape(a, TG_SHAPE(10, 5, 20, C));
        check_values(tg_var_dims(tg_permute(a, TG_DIMS(0, 3, 1, 2)), TG_DIMS(0, 2, 3), 0, false), 1,
                     1, 1);
        check_values(tg_var_dims(a, TG_DIMS(0, 2), 0, false), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                     1, 1);
    }
}

/* The variance of a float32 tensor makes no copy of it, neither in float64 nor in float32. */
static void test_variance_needs_no_copy_of_its_input(void **state)
{
    enum { N = 1000 };
    guarded g = {0};
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    (void)state;
    tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(N, N));
    const size_t before = g.held;
    g.peak = g.held;
    assert_non_null(tg_var(x, 1));
    assert_non_null(tg_std_dims(x, TG_DIMS(0), 1, false));
    assert_non_null(tg_var_dims(x, TG_DIMS(1), 1, false));
    assert_non_null(tg_var(tg_reshape(x, TG_SHAPE(10, 100, N)), 1));
    assert_non_null(tg_var_dims(tg_view(x, TG_SHAPE(10, 100, N)), TG_DIMS(0, 2), 1, false));
    assert_true(g.peak - before < N * N * sizeof(float) / 8);
    tg_close(tg);
}

static void test_standard_deviations_at_the_ends_of_the_range(void **state)
{
    tg_context *tg = *state;
    const double sizes[] = {1e200, 1, 1e-200, 1e-310};
    for (int i = 0; i < 4; i++) {
        tg_tensor *x = leaf(tg, sizes[i], 3 * sizes[i]), *y = tg_std(x, 0);
        assert_true(near(tg_item(y), sizes[i], 1e-13));
        if (sizes[i] < 1e-300) continue;
        assert_true(tg_backward(y));
        check_near(x->grad, -0.5, 0.5);
    }
    tg_tensor *x = tg_from_f32(tg, TG_SHAPE(2), (float[]){1e30f, 3e30f});
    assert_true(near(tg_item(tg_std(x, 0)), 1e30, 2e-7));
    x = tg_from_f32(tg, TG_SHAPE(2), (float[]){1e-30f, 3e-30f});
    assert_true(near(tg_item(tg_std(x, 0)), 1e-30, 2e-7));
    check_values(tg_var(constant(tg, 1, 1e200), 0), INFINITY);
    check_values(tg_var(constant(tg, 1, INFINITY), 0), NAN);
    check_values(tg_var(constant(tg, 1), 1), NAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variance_of_what_is_the_same_everywhere_is_0),
        cmocka_unit_test(test_variance_of_small_deviations),
        cmocka_unit_test(test_variance_needs_no_copy_of_its_input),
        cmocka_unit_test(test_standard_deviations_at_the_ends_of_the_range),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
