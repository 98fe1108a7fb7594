/* Products of many terms, in whichever order they are multiplied, with their gradients. */
#include "leaf.h"

enum { MANY = 1000 };

/* The fractions 2/1, 3/2, 4/3 ..., whose product is their number plus 1. */
static tg_tensor *fractions(tg_context *tg, tg_dtype dtype, tg_shape shape)
{
    tg_tensor *k = tg_add_scalar(tg_arange(tg, TG_F64, 0, MANY, 1), 1);
    tg_tensor *t = tg_div(tg_add_scalar(k, 1), k);
    return tg_cast(tg_reshape(t, shape), dtype);
}

/* Each factor is off by at most 2^-53 relative, or 2^-24 in float32, and each product in double by
 * 2^-53. */
static void test_a_product_of_many_terms(void **state)
{
    tg_context *tg = *state;
    const double exact = MANY + 1;
    for (tg_dtype dtype = TG_F32; dtype <= TG_F64; dtype++) {
        const double bound = exact * (MANY + 1) * (dtype == TG_F32 ? 0x1p-24 : 0x1p-52);
        tg_tensor *row = fractions(tg, dtype, TG_SHAPE(1, MANY));
        const double values[] = {
            tg_item(tg_prod(row)), tg_item(tg_prod_dim(row, 1, false)),
            tg_item(tg_prod_dim(tg_t(row), 0, false)),
            tg_item(tg_prod(tg_prod_dim(fractions(tg, dtype, TG_SHAPE(MANY / 10, 10)), 0, false)))};
        for (int i = 0; i < 4; i++) assert_true(fabs(values[i] - exact) <= bound);
    }
}

/* The product of every other term leaves the range of double; that of all of them is 1. */
static void test_a_product_in_the_range_whose_parts_leave_it(void **state)
{
    tg_context *tg = *state;
    for (tg_dtype dtype = TG_F32; dtype <= TG_F64; dtype++) {
        tg_tensor *pair = tg_cast(constant(tg, 0x1p100, 0x1p-100), dtype);
        tg_tensor *pairs = tg_expand(pair, TG_SHAPE(MANY, 2));
        check_values(tg_prod(pairs), 1);
        check_values(tg_prod_dim(tg_contiguous(pairs), 0, false), INFINITY, 0);
    }
}

/* Two terms that lie 16 apart have a product below the normal numbers of double, which keeps few of
 * its bits; that of the terms up to any one is exact. */
static void test_a_product_in_the_range_whose_pairs_lose_bits(void **state)
{
    tg_context *tg = *state;
    const double term[] = {0x1.8000001p-530, 0x1p-530, 0x1p500, 0x1p500};
    const double next[] = {0x1p510, 0x1p510, 0x1p-500, 0x1p-500};
    tg_tensor *t = tg_ones(tg, TG_F64, TG_SHAPE(MANY));
    for (int i = 0; i < 4; i++) {
        assert_true(tg_set(t, TG_SHAPE(7 + 16 * i), term[i]));
        assert_true(tg_set(t, TG_SHAPE(8 + 16 * i), next[i]));
    }
    check_values(tg_prod(t), 0x1.8000001p-40);
}

/* Infinities, NaN and zeros among many terms. */
static void test_a_product_with_special_terms(void **state)
{
    tg_context *tg = *state;
    const double term[] = {0, -0.0, INFINITY, -INFINITY, NAN};
    for (tg_dtype dtype = TG_F32; dtype <= TG_F64; dtype++)
        for (int i = 0; i < 5; i++) {
            tg_tensor *t = tg_ones(tg, dtype, TG_SHAPE(MANY));
            tg_fill_(tg_select(t, 0, 777), term[i]);
            const double y = tg_item(tg_prod(t));
            assert_true(isnan(term[i]) ? isnan(y) : y == term[i] && signbit(y) == signbit(term[i]));
        }
}

/* The product is infinite, or 0, long before a last term that changes it. */
static void test_a_product_beyond_the_range_and_one_more_term(void **state)
{
    tg_context *tg = *state;
    static const double last[] = {-1, 1, 0, NAN, INFINITY};
    static const double after_2[] = {-INFINITY, INFINITY, NAN, NAN, INFINITY};
    static const double after_half[] = {-0.0, 0, 0, NAN, NAN};
    for (tg_dtype dtype = TG_F32; dtype <= TG_F64; dtype++)
        for (int i = 0; i < 10; i++) {
            tg_tensor *t = tg_full(tg, dtype, TG_SHAPE(5 * MANY), i < 5 ? 2 : 0.5);
            tg_fill_(tg_select(t, 0, 4500), last[i % 5]);
            const double y = tg_item(tg_prod(t)), want = i < 5 ? after_2[i] : after_half[i - 5];
            assert_true(isnan(want) ? isnan(y) : y == want && signbit(y) == signbit(want));
        }
}

/* 0.9^10000 is less than 2^-1500. The products up to a term reach the least subnormal number, which
 * these terms do not reduce further. */
static void test_a_product_that_underflows_is_0(void **state)
{
    tg_context *tg = *state;
    for (tg_dtype dtype = TG_F32; dtype <= TG_F64; dtype++)
        for (int negative = 0; negative <= 1; negative++) {
            tg_tensor *pair = tg_cast(constant(tg, 0.6, 1.5), dtype);
            tg_tensor *t = tg_flatten(tg_repeat(pair, TG_SHAPE(10 * MANY, 1)), 0, -1);
            if (negative) tg_fill_(tg_select(t, 0, 15 * MANY), -1.5);
            const double y = tg_item(tg_prod(t));
            assert_true(y == 0 && signbit(y) == negative);
        }
}

/* Kinds of factors: near 1; of products that leave the range of float32, of double, or of neither
 * but only in between; and special ones. */
static double factor(int kind, int64_t i)
{
    static const double special[] = {0, -0.0, INFINITY, -INFINITY, NAN, 0x1p-149, 0x1p127, -1};
    const double fraction = 1 + (double)(i * 37 % 101 - 50) / 128;
    if (kind == 1) return ldexp(fraction, (int)(i * 53 % 41) - 20);
    if (kind == 2) return ldexp(fraction, (int)(i * 53 % 241) - 120);
    if (kind == 3) return ldexp(fraction, i / 40 % 2 ? 60 : -60);
    if (kind == 4 && i * 7 % 1013 < 8) return special[i * 7 % 1013];
    return i % 3 ? fraction : -fraction;
}

/* Rows that are multiplied together have the bits of rows that are multiplied alone. */
static void test_products_of_many_rows_are_those_of_each_row(void **state)
{
    tg_context *tg = *state;
    static const int64_t terms[] = {1, 3, 4, 5, 6, 7, 8, 100, 127, 128, 131, 316, 511, 512};
    enum { ROWS = 53, SIZES = sizeof terms / sizeof *terms };
    for (int i = 0; i < 2 * 5 * SIZES; i++) {
        const tg_dtype dtype = i % 2 ? TG_F64 : TG_F32;
        const int64_t n = terms[i / 10];
        tg_scope_begin(tg);
        tg_tensor *t = tg_empty(tg, TG_F64, TG_SHAPE(ROWS, n + 1));
        for (int64_t j = 0; j < t->numel; j++) ((double *)t->data)[j] = factor(i / 2 % 5, j);
        t = tg_narrow(tg_cast(t, dtype), 1, 0, n);
        tg_tensor *products = tg_prod_dim(t, 1, false);
        for (int64_t r = 0; r < ROWS; r++) {
            const double y = element_of(products, r), alone = tg_item(tg_prod(tg_select(t, 0, r)));
            assert_true(isnan(alone) ? isnan(y) : y == alone && signbit(y) == signbit(alone));
        }
        tg_scope_end(tg);
    }
}

/* Row r has the fractions (r + 1)/(r + 2), (r + 2)/(r + 3) ... up to r + n, whose product is
 * (r + 1)/(r + n + 1). The bound is that of one product of many terms. */
static void test_products_of_many_rows_of_fractions(void **state)
{
    tg_context *tg = *state;
    static const int64_t terms[] = {24, 30, 100, 200, 316};
    enum { ROWS = 40 };
    for (int i = 0; i < 10; i++) {
        const tg_dtype dtype = i % 2 ? TG_F64 : TG_F32;
        const int64_t n = terms[i / 2];
        tg_tensor *t = tg_empty(tg, TG_F64, TG_SHAPE(ROWS, n));
        for (int64_t j = 0; j < t->numel; j++)
            ((double *)t->data)[j] = (double)(j / n + j % n + 1) / (double)(j / n + j % n + 2);
        tg_tensor *products = tg_prod_dim(tg_cast(t, dtype), 1, false);
        for (int64_t r = 0; r < ROWS; r++) {
            const double exact = (double)(r + 1) / (double)(r + n + 1);
            const double bound = exact * (double)(n + 1) * (dtype == TG_F32 ? 0x1p-24 : 0x1p-52);
            assert_true(fabs(element_of(products, r) - exact) <= bound);
        }
    }
}

/* The gradient of a term is the product of the others: with one 0 that of the 0 alone, with two
 * none. */
static void test_gradients_of_products_with_zeros(void **state)
{
    tg_context *tg = *state;
    for (int zeros = 0; zeros <= 2; zeros++) {
        tg_tensor *x = tg_full(tg, TG_F64, TG_SHAPE(MANY), 1);
        tg_fill_(tg_select(x, 0, 3), zeros > 0 ? 0 : 2);
        tg_fill_(tg_select(x, 0, 900), zeros > 1 ? 0 : 4);
        assert_true(tg_backward(tg_prod(tg_requires_grad_(x, true))));
        for (int i = 0; i < MANY; i++) {
            const double of_3 = zeros > 1 ? 0 : 4, of_900 = zeros > 0 ? 0 : 2;
            const double others = zeros > 0 ? 0 : 8;
            assert_true(element_of(x->grad, i) == (i == 3 ? of_3 : i == 900 ? of_900 : others));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_product_of_many_terms),
        cmocka_unit_test(test_a_product_in_the_range_whose_parts_leave_it),
        cmocka_unit_test(test_a_product_in_the_range_whose_pairs_lose_bits),
        cmocka_unit_test(test_a_product_with_special_terms),
        cmocka_unit_test(test_a_product_beyond_the_range_and_one_more_term),
        cmocka_unit_test(test_a_product_that_underflows_is_0),
        cmocka_unit_test(test_products_of_many_rows_are_those_of_each_row),
        cmocka_unit_test(test_products_of_many_rows_of_fractions),
        cmocka_unit_test(test_gradients_of_products_with_zeros),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
