/* Running sums: the accuracy of sums of many terms, their bits, and infinities and NaN in them. */
#include "exact_sum.h"

/* The error of a running sum is at most 64 u for the additions within a block of 64 terms, and one
 * u for the addition to the sum of the blocks before; src/context/long_sum.h derives this. */
static void test_running_sums_and_their_gradients_of_many_terms(void **state)
{
    tg_context *tg = *state;
    enum { TERMS = 100000, STRIDE = 2 };
    for (int kind = 0; kind < KINDS_OF_TERMS; kind++) {
        tg_tensor *a = tg_requires_grad_(terms_of(tg, kind, TG_SHAPE(TERMS, STRIDE)), true);
        tg_tensor *y = tg_cumsum(a, 0), *g = terms_of(tg, kind, TG_SHAPE(TERMS, STRIDE));
        assert_true(tg_backward_with(y, g));
        const double *in = a->data, *out = y->data, *up = g->data, *back = a->grad->data;
        for (int64_t j = 0; j < STRIDE; j++) {
            exact_sum sum = {0, 0, 0}, rest = {0, 0, 0};
            for (int64_t i = 0; i < TERMS; i++) {
                const int64_t at = i * STRIDE + j, end = (TERMS - 1 - i) * STRIDE + j;
                add_exactly(&sum, in[at], 1);
                check_sum(out[at], sum, unit_of(TG_F64), 65.001);
                add_exactly(&rest, up[end], 1);
                check_sum(back[end], rest, unit_of(TG_F64), 65.001);
            }
        }
    }
}

/* Within the first block, each addition rounds as in PyTorch, which adds one term after the other.
 */
static void test_short_running_sums_have_the_bits_of_additions_in_order(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_randn(tg, TG_F64, TG_SHAPE(64)), *y = tg_cumsum(a, 0);
    const double *in = a->data, *out = y->data;
    double sum = 0;
    for (int64_t i = 0; i < 64; i++) {
        sum += in[i];
        assert_true(out[i] == sum);
    }
}

/* Checks the running sums of 200 ones of which element 100 is replaced by x and element 150 by y.
 * In PyTorch, the sums from 100 to 149 are `between`, and those from 150 on are `last`. */
static void check_special(tg_context *tg, double x, double y, double between, double last)
{
    tg_tensor *a = tg_ones(tg, TG_F64, TG_SHAPE(200));
    tg_set(a, TG_INDEX(100), x);
    tg_set(a, TG_INDEX(150), y);
    tg_tensor *sums = tg_cumsum(a, 0);
    const double *s = sums->data;
    check_values(tg_narrow(sums, 0, 99, 1), 100);
    for (int64_t i = 100; i < 200; i++) {
        const double want = i < 150 ? between : last;
        assert_true(s[i] == want || (isnan(s[i]) && isnan(want)));
    }
}

static void test_running_sums_of_infinities_and_nan(void **state)
{
    tg_context *tg = *state;
    check_special(tg, INFINITY, 1, INFINITY, INFINITY);
    check_special(tg, -INFINITY, 1, -INFINITY, -INFINITY);
    check_special(tg, INFINITY, -INFINITY, INFINITY, NAN);
    check_special(tg, NAN, INFINITY, NAN, NAN);
    check_special(tg, 1.7e308, 1.7e308, 1.7e308, INFINITY);
    check_special(tg, 1.7e308, INFINITY, 1.7e308, INFINITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running_sums_and_their_gradients_of_many_terms),
        cmocka_unit_test(test_short_running_sums_have_the_bits_of_additions_in_order),
        cmocka_unit_test(test_running_sums_of_infinities_and_nan),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
