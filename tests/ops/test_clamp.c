/* clamp_tensors: gradients at NaN and at its bounds, as in PyTorch 1.13 unless a comment says
 * otherwise.
 */
#include "leaf.h"

static void test_clamp_tensors_sends_no_gradient_to_nan(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, NAN, 0, 2, 0, -2), *min = leaf(tg, -1, NAN, NAN, -1, -1);
    tg_tensor *max = leaf(tg, 1, 1, 1, NAN, NAN), *y = tg_clamp_tensors(x, min, max);
    check_values(y, NAN, NAN, NAN, NAN, NAN);
    assert_true(tg_backward(tg_sum(y)));
    check_values(x->grad, 0, 0, 0, 0, 0);
    check_values(min->grad, 0, 0, 0, 0, 0);
    check_values(max->grad, 0, 0, 1, 0, 0);
}

/* Where min equals max, the gradient of an element below both goes to min; PyTorch loses it. */
static void test_clamp_tensors_at_bounds(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 0, 1, 2, -1, 1, -2, 2, 1.5),
              *min = leaf(tg, 1, 1, 1, -1, -1, -1, -1, 2);
    tg_tensor *max = leaf(tg, 1, 1, 1, 1, 1, 1, 1, 1), *y = tg_clamp_tensors(x, min, max);
    check_values(y, 1, 1, 1, -1, 1, -1, 1, 1);
    assert_true(tg_backward(tg_sum(y)));
    check_values(x->grad, 0, 1, 0, 1, 1, 0, 0, 0);
    check_values(min->grad, 1, 0, 0, 0, 0, 1, 0, 0);
    check_values(max->grad, 0, 0, 1, 0, 0, 0, 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clamp_tensors_sends_no_gradient_to_nan),
        cmocka_unit_test(test_clamp_tensors_at_bounds),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
