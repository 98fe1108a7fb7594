/* Functions of two tensors: gradients at the ends of the range, and at infinities as in
 * PyTorch 1.13.
 */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_of_atan2_at_the_ends_of_the_range),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
