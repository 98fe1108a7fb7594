/* Extremes: what their gradients keep, and how equals share them. */
#include "leaf.h"

/* The gradient reads the indices of the extremes, not the input, which can be freed. */
static void test_max_dim_and_min_dim_let_go_of_their_input(void **state)
{
    tg_context *tg = *state;
    for (int keepdim = 0; keepdim < 2; keepdim++) {
        tg_tensor *a = leaf_of(tg, TG_SHAPE(2, 3), (double[]){1, 3, 3, -2, NAN, 0});
        tg_tensor *b = tg_clone(a), *c = tg_transpose(tg_clone(tg_t(a)), 0, 1);
        tg_tensor *most = tg_max_dim(b, 1, keepdim), *least = tg_min_dim(c, 0, keepdim);
        check_values(most, 3, NAN);
        check_values(least, -2, NAN, 0);
        assert_non_null(tg_zero_(b));
        tg_release(c);
        assert_true(tg_backward(tg_add(tg_sum(most), tg_sum(tg_mul_scalar(least, 10)))));
        check_values(a->grad, 0, 1, 0, 10, 11, 10);
    }
    tg_tensor *scalar = tg_requires_grad_(tg_scalar(tg, TG_F64, 5), true);
    assert_true(tg_backward(tg_max_dim(scalar, 0, false)));
    check_values(scalar->grad, 1);
}

/* The values are PyTorch's. */
static void test_max_and_min_share_their_gradient_among_equals(void **state)
{
    tg_context *tg = *state;
    const double with_nan[] = {1, NAN, 3, NAN};
    tg_tensor *a = leaf(tg, 1, 3, 3, 2), *b = leaf_of(tg, TG_SHAPE(2, 2), with_nan);
    tg_tensor *c = leaf(tg, 3, 1, 1);
    assert_true(tg_backward(tg_mul_scalar(tg_max(a), 3)));
    check_values(a->grad, 0, 1.5, 1.5, 0);
    assert_true(tg_backward(tg_min(c)));
    check_values(c->grad, 0, 0.5, 0.5);
    assert_true(tg_backward(tg_max(b)));
    assert_true(tg_backward(tg_min(b)));
    check_values(b->grad, 0, 1, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_max_dim_and_min_dim_let_go_of_their_input),
        cmocka_unit_test(test_max_and_min_share_their_gradient_among_equals),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
