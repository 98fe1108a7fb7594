/* Norms of vectors, with their gradients, at the ends of the range. */
#include "leaf.h"

static bool near(double value, double exact, double relative)
{
    return fabs(value - exact) <= relative * fabs(exact);
}

static void test_norms_whose_squares_leave_the_range(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_from_f32(tg, TG_SHAPE(3), (float[]){1e20f, 1, 1}), *y;
    assert_true(tg_item(tg_norm(a, 2)) == (double)1e20f);
    y = tg_norm(constant(tg, 3e200, 4e200), 2);
    assert_true(near(tg_item(y), 5e200, 4e-16));
    y = tg_norm(constant(tg, 3e-200, -4e-200), 2);
    assert_true(near(tg_item(y), 5e-200, 4e-16));
    y = tg_norm(tg_from_f32(tg, TG_SHAPE(2), (float[]){3e-23f, 4e-23f}), 2);
    assert_true(near(tg_item(y), 5e-23, 2e-7));
    y = tg_norm(tg_from_f32(tg, TG_SHAPE(2), (float[]){3e-44f, 4e-44f}), 2); /* subnormal */
    assert_true(near(tg_item(y), 5e-44, 1.5e-45 / 5e-44));
    /* 3 (1 + (2/3)^100 + (1/3)^100)^(1/100), whose powers are 2.5e-18 and less. */
    y = tg_norm(tg_from_f32(tg, TG_SHAPE(3), (float[]){3, 2, 1}), 100);
    assert_true(tg_item(y) == 3);
    y = tg_norm(constant(tg, 1e-200, 2e-200), -3); /* (1 + 1/8)^(-1/3) 1e-200 */
    assert_true(near(tg_item(y), 1e-200 / cbrt(1.125), 1e-15));
    /* Each output is scaled by itself, and outputs within the range are not. */
    tg_tensor *rows =
        tg_from_f32(tg, TG_SHAPE(4, 2), (float[]){3e20f, 4e20f, 3, 4, 0, 0, 3e-30f, 4e-30f});
    y = tg_norm_dims(rows, 2, TG_DIMS(1), false);
    assert_true(near(element_of(y, 0), 5e20, 2e-7) && element_of(y, 1) == 5);
    assert_true(element_of(y, 2) == 0 && near(element_of(y, 3), 5e-30, 2e-7));
    y = tg_norm_dims(tg_t(rows), 2, TG_DIMS(0), TG_KEEPDIM);
    assert_true(y->ndim == 2 && element_of(y, 1) == 5 && near(element_of(y, 3), 5e-30, 2e-7));
    /* The norm of infinity is infinity, and that of NaN is NaN. */
    check_values(tg_norm(constant(tg, INFINITY, 1), 2), INFINITY);
    check_values(tg_norm(constant(tg, NAN, 1), 2), NAN);
    check_values(tg_norm(tg_full(tg, TG_F32, TG_SHAPE(4), 3e38), 2), INFINITY);
    check_values(tg_norm(tg_zeros(tg, TG_F32, TG_SHAPE(0)), 2), 0);
    assert_int_equal(
        tg_norm_dims(tg_zeros(tg, TG_F32, TG_SHAPE(0, 2)), 2, TG_DIMS(1), false)->numel, 0);
}

/* The gradient is x / norm, whatever the size of x, times the gradient of the norm. */
static void test_gradients_of_norms_at_the_ends_of_the_range(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = leaf(tg, 3e200, 4e200), *b = leaf(tg, 3e-200, 4e-200),
              *c = leaf(tg, 3e-200, 4e-200);
    assert_true(tg_backward(tg_norm(a, 2)) && tg_backward(tg_norm(b, 2)));
    check_near(a->grad, 0.6, 0.8);
    check_near(b->grad, 0.6, 0.8);
    assert_true(tg_backward_with(tg_norm(c, 2), tg_scalar(tg, TG_F64, 1e200)));
    check_near(c->grad, 6e199, 8e199);
    a = leaf(tg, 2e200, 1e200);
    assert_true(tg_backward(tg_norm(a, 3)));
    check_near(a->grad, 4 / (cbrt(9) * cbrt(9)), 1 / (cbrt(9) * cbrt(9)));
    tg_tensor *single =
        tg_requires_grad_(tg_from_f32(tg, TG_SHAPE(3), (float[]){1e20f, 1, 1}), true);
    assert_true(tg_backward(tg_norm(single, 2)));
    assert_true(element_of(single->grad, 0) == 1 && near(element_of(single->grad, 1), 1e-20, 1e-6));
    tg_tensor *zero = leaf(tg, 0, 0);
    assert_true(tg_backward(tg_norm(zero, 2)));
    check_values(zero->grad, 0, 0);
}

/* With p < 0 a single 0 among the elements makes the norm 0, and the gradients with it. */
static void test_gradients_of_norms_of_negative_order_are_0_at_0(void **state)
{
    tg_context *tg = *state;
    const double orders[] = {-1, -2, -0.5};
    for (int i = 0; i < 3; i++) {
        tg_tensor *x = leaf(tg, 2, 0), *y = tg_norm(x, orders[i]), *first, *second;
        assert_true(tg_item(y) == 0);
        assert_true(tg_grad(TG_LIST(y), TG_LIST(x), &first, TG_GRAD(.create_graph = true)));
        check_values(first, 0, 0);
        y = tg_sum(first);
        assert_true(tg_grad(TG_LIST(y), TG_LIST(x), &second, NULL));
        check_values(second, 0, 0);
    }
}

/* The gradient of the norm y of x is u = x / y, here (0.6, 0.8). The gradient of the sum of u is (1
 * - u (0.6 + 0.8)) / y. */
static void test_second_gradients_of_norms_at_the_ends_of_the_range(void **state)
{
    tg_context *tg = *state;
    tg_grad_options how = tg_grad_defaults();
    how.create_graph = true;
    const double sizes[] = {1e200, 1, 1e-200};
    for (int i = 0; i < 3; i++) {
        const double size = sizes[i];
        tg_tensor *x = leaf(tg, 3 * size, 4 * size), *y = tg_norm(x, 2), *first, *second;
        assert_true(tg_grad(TG_LIST(y), TG_LIST(x), &first, &how));
        y = tg_sum(first);
        assert_true(tg_grad(TG_LIST(y), TG_LIST(x), &second, NULL));
        assert_true(near(element_of(second, 0), (1 - 0.6 * 1.4) / 5 / size, 1e-14));
        assert_true(near(element_of(second, 1), (1 - 0.8 * 1.4) / 5 / size, 1e-14));
    }
    tg_tensor *zero = leaf(tg, 0, 0), *y = tg_norm(zero, 2), *first, *second;
    assert_true(tg_grad(TG_LIST(y), TG_LIST(zero), &first, &how));
    y = tg_sum(first);
    assert_true(tg_grad(TG_LIST(y), TG_LIST(zero), &second, NULL));
    check_values(second, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norms_whose_squares_leave_the_range),
        cmocka_unit_test(test_gradients_of_norms_at_the_ends_of_the_range),
        cmocka_unit_test(test_second_gradients_of_norms_at_the_ends_of_the_range),
        cmocka_unit_test(test_gradients_of_norms_of_negative_order_are_0_at_0),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
