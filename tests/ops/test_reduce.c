/* Reductions: which inputs their gradients keep in memory, and norms and variances near overflow
 * and underflow. */
#include "leaf.h"

#include "guarded.h"

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

/* ---- Norms at the ends of the range. */

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

/* x / norm, whatever the size of x; and times a gradient that is not 1. */
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

/* With u = (0.6, 0.8): of the sum of u the gradient is (sum of u) of 1 - u u^T, over the norm. */
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

/* One gradient of 1e20 among others, and norms whose squares leave float64's range. */
static void test_clip_grad_norm_at_the_ends_of_the_range(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_requires_grad_(tg_zeros(tg, TG_F32, TG_SHAPE(2)), true);
    tg_tensor *b = tg_requires_grad_(tg_zeros(tg, TG_F32, TG_SHAPE(1)), true);
    tg_tensor *g = tg_from_f32(tg, TG_SHAPE(2), (float[]){1e20f, 1e15f});
    assert_true(tg_backward_with(tg_mul_scalar(a, 1), g));
    assert_true(tg_backward(tg_sum(tg_mul_scalar(b, 1e10))));
    assert_true(near(tg_clip_grad_norm_(TG_LIST(a, b), 1, 2, true), 1e20, 1e-6));
    assert_true(near(element_of(a->grad, 0), 1, 1e-6) && near(element_of(a->grad, 1), 1e-5, 1e-6));
    assert_true(near(element_of(b->grad, 0), 1e-10, 1e-6));

    tg_tensor *c = leaf(tg, 0), *d = leaf(tg, 0);
    assert_true(tg_backward(tg_sum(tg_mul_scalar(c, 3e200))));
    assert_true(tg_backward(tg_sum(tg_mul_scalar(d, 4e200))));
    assert_true(near(tg_clip_grad_norm_(TG_LIST(c, d), 1, 2, true), 5e200, 1e-15));
    check_near(c->grad, 0.6);
    check_near(d->grad, 0.8);
    tg_tensor *e = leaf(tg, 0), *f = leaf(tg, 0);
    assert_true(tg_backward(tg_sum(tg_mul_scalar(e, 3e-200))));
    assert_true(tg_backward(tg_sum(tg_mul_scalar(f, 4e-200))));
    assert_true(near(tg_clip_grad_norm_(TG_LIST(e, f), 1, 2, true), 5e-200, 1e-15));
    assert_true(near(tg_clip_grad_norm_(TG_LIST(e, f), 1, 100, true), 4e-200, 1e-14));
}

/* ---- Variances. */

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
        cmocka_unit_test(test_max_dim_and_min_dim_let_go_of_their_input),
        cmocka_unit_test(test_max_and_min_share_their_gradient_among_equals),
        cmocka_unit_test(test_norms_whose_squares_leave_the_range),
        cmocka_unit_test(test_gradients_of_norms_at_the_ends_of_the_range),
        cmocka_unit_test(test_second_gradients_of_norms_at_the_ends_of_the_range),
        cmocka_unit_test(test_clip_grad_norm_at_the_ends_of_the_range),
        cmocka_unit_test(test_variance_of_what_is_the_same_everywhere_is_0),
        cmocka_unit_test(test_variance_of_small_deviations),
        cmocka_unit_test(test_variance_needs_no_copy_of_its_input),
        cmocka_unit_test(test_standard_deviations_at_the_ends_of_the_range),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
