/* lerp: values and gradients at infinities, as in PyTorch 1.13. */
#include "leaf.h"

static void test_lerp_to_infinity(void **state)
{
    tg_context *tg = *state;
    const double weights[] = {-1, -0.5, -0.3, 0.3, 2};
    const double to_inf[] = {-INFINITY, -INFINITY, -INFINITY, INFINITY, INFINITY};
    const double from_inf[] = {INFINITY, INFINITY, INFINITY, NAN, -INFINITY};
    tg_tensor *zero = constant(tg, 0), *inf = constant(tg, INFINITY);
    for (int i = 0; i < 5; i++) {
        tg_tensor *weight = constant(tg, weights[i]);
        check_values(tg_lerp(zero, inf, weight), to_inf[i]);
        check_values(tg_lerp_scalar(zero, inf, weights[i]), to_inf[i]);
        check_values(tg_lerp(inf, zero, weight), from_inf[i]);
        check_values(tg_lerp_scalar(inf, zero, weights[i]), from_inf[i]);
    }
}

static void test_gradients_of_lerp_at_infinities(void **state)
{
    tg_context *tg = *state;
    tg_tensor *start = leaf(tg, 0, 1, 1), *end = leaf(tg, INFINITY, 2, 2);
    tg_tensor *weight = leaf(tg, 0.25, 0.25, 0.75), *g = constant(tg, 1, INFINITY, INFINITY);
    assert_true(tg_backward_with(tg_lerp(start, end, weight), g));
    check_values(start->grad, 0.75, INFINITY, INFINITY);
    check_values(end->grad, 0.25, INFINITY, INFINITY);
    check_values(weight->grad, INFINITY, INFINITY, INFINITY);
    start = leaf(tg, 0);
    assert_true(tg_backward_with(tg_lerp_scalar(start, constant(tg, INFINITY), 0.25),
                                 constant(tg, INFINITY)));
    check_values(start->grad, INFINITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lerp_to_infinity),
        cmocka_unit_test(test_gradients_of_lerp_at_infinities),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
