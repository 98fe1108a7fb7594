/* Functions of two tensors: gradients at the ends of the range, and at infinities as in
 * PyTorch 1.13; and sums, differences and products with a column or a number, which must round as
 * C's do.
 */
#include "each_level.h"
#include "leaf.h"

/* With y = s and x = 2 s, the gradients x / (x^2 + y^2) and -y / (x^2 + y^2) are 0.4 / s and
 * -0.2 / s. The squares overflow or underflow for the largest and smallest s. */
static void test_gradients_of_atan2_at_the_ends_of_the_range(void **state)
{
    tg_context *tg = *state;
    const double sizes[][4] = {{1e-30, 1, 1e15, 1e30}, {1e-200, 1e-300, 1e150, 1e300}};
    for (tg_dtype d = TG_F32; d <= TG_F64; d++)
        for (int i = 0; i < 4; i++) {
            const double size = sizes[d][i], bound = d == TG_F32 ? 4e-7 : 8e-16;
            tg_tensor *y = tg_requires_grad_(tg_full(tg, d, TG_SHAPE(1), size), true);
            tg_tensor *x = tg_requires_grad_(tg_full(tg, d, TG_SHAPE(1), 2 * size), true);
            assert_true(tg_backward(tg_atan2(y, x)));
            assert_true(fabs(tg_item(y->grad) * size - 0.4) < bound);
            assert_true(fabs(tg_item(x->grad) * size + 0.2) < bound);
        }
    tg_tensor *y = leaf(tg, 0, INFINITY, 1, 0), *x = leaf(tg, 1, 1, INFINITY, 0);
    assert_true(tg_backward(tg_sum(tg_atan2(y, x))));
    check_values(y->grad, 1, 0, NAN, NAN);
    check_values(x->grad, 0, NAN, 0, NAN);
}

static const double some[] = {0,     -0.0,      INFINITY, -INFINITY, NAN,   1,      -1,
                              0.1,   -0x1p-149, 0x1p-130, 1e38,      -3e38, 1e-30,  0x1p-1074,
                              1e308, -1.7e308,  1e-300,   2.5,       1e9,   -7e-46, 3};
enum { SOME = sizeof some / sizeof *some, MOST_COLUMNS = 900 };

/* sum, difference, reversed difference or product, rounded to the dtype. */
static double rounded_result(tg_dtype d, int what, double x, double y)
{
    const float a = (float)x, b = (float)y;
    if (d == TG_F32)
        return (double)(what == 0 ? a + b : what == 1 ? a - b : what == 2 ? b - a : a * b);
    return what == 0 ? x + y : what == 1 ? x - y : what == 2 ? y - x : x * y;
}

static tg_tensor *call(int what, tg_tensor *x, tg_tensor *y)
{
    return what == 0   ? tg_add(x, y)
           : what == 1 ? tg_sub(x, y)
           : what == 2 ? tg_sub(y, x)
                       : tg_mul(x, y);
}

/* Compares every element of t with the result for the same element of x and an element of the
 * column: the one in the same row, or, if `one` is not negative, number `one`. */
static void check_results(const tg_tensor *t, int what, const tg_tensor *x, const tg_tensor *column,
                          int one)
{
    assert_non_null(t);
    const int64_t columns = x->shape[1];
    for (int64_t k = 0; k < x->numel; k++) {
        const double a = element_of(x, k), b = element_of(column, one < 0 ? k / columns : one);
        const double got = element_of(t, k), want = rounded_result(t->dtype, what, a, b);
        if (!(isnan(got) && isnan(want)) && (got != want || !signbit(got) != !signbit(want)))
            fail_msg("function %d of %a and %a is %a, not %a, %d columns", what, a, b, got, want,
                     (int)columns);
    }
}

static void columns_and_numbers_round_alike(int level)
{
    static const int64_t widths[] = {3, 63, 64, 65, 223, 300, MOST_COLUMNS};
    static double values[SOME * MOST_COLUMNS];
    for (int64_t i = 0; i < SOME * MOST_COLUMNS; i++) values[i] = some[i % SOME];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (tg_dtype d = TG_F32; d <= TG_F64; d++) {
            tg_context *tg = open_at(tg__level_name(level));
            tg_tensor *x = tg_cast(tg_from_f64(tg, TG_SHAPE(SOME, widths[w]), values), d);
            tg_tensor *column = tg_cast(tg_from_f64(tg, TG_SHAPE(SOME, 1), some), d);
            for (int what = 0; what < 4; what++) {
                check_results(call(what, x, column), what, x, column, -1);
                for (int i = 0; i < SOME; i++)
                    check_results(call(what, x, tg_select(column, 0, i)), what, x, column, i);
            }
            check_results(tg_add_(tg_clone(x), column), 0, x, column, -1);
            check_results(tg_sub_(tg_clone(x), column), 1, x, column, -1);
            check_results(tg_mul_(tg_clone(x), column), 3, x, column, -1);
            check_ok(tg);
            tg_close(tg);
        }
}

static void test_columns_and_numbers_round_as_in_c(void **state)
{
    (void)state;
    each_level(columns_and_numbers_round_alike);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_and_numbers_round_as_in_c),
        cmocka_unit_test(test_gradients_of_atan2_at_the_ends_of_the_range),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
