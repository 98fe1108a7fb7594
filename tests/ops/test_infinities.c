/* Values and gradients of elementwise operations at infinities, at NaN and where products overflow.
 * The expected numbers are those of PyTorch 1.13, unless a comment says otherwise. */
#include "leaf.h"

typedef tg_tensor *function(tg_tensor *a);

static tg_tensor *gelu(tg_tensor *a)
{
    return tg_gelu(a, TG_GELU_NONE);
}

static tg_tensor *gelu_tanh(tg_tensor *a)
{
    return tg_gelu(a, TG_GELU_TANH);
}

/* Returns the gradient of x through f, where that of f(x) is g. */
static double gradient_at(tg_context *tg, function *f, tg_dtype dtype, double x, double g)
{
    tg_tensor *a = tg_requires_grad_(tg_full(tg, dtype, TG_SHAPE(1), x), true);
    assert_true(tg_backward_with(f(a), tg_full(tg, dtype, TG_SHAPE(1), g)));
    return tg_item(a->grad);
}

/* An infinite gradient times the slope of the function is infinite, with the sign of the slope. */
static void test_infinite_gradients_of_gated_activations(void **state)
{
    tg_context *tg = *state;
    const struct {
        function *f;
        double at[7]; /* the signs of the slope at the elements of x */
    } rows[] = {{gelu, {-1, -1, 1, 1, 1, 1, 1}},
                {gelu_tanh, {-1, -1, 1, 1, 1, 1, 1}},
                {tg_silu, {-1, 1, 1, 1, 1, 1, 1}},
                {tg_mish, {-1, 1, 1, 1, 1, 1, 1}},
                {tg_hardswish, {-1, 1, 1, 1, 1, 1, 1}}};
    const double x[] = {-3, -1, 0, 1, 3, 40, 200};
    for (tg_dtype d = TG_F32; d <= TG_F64; d++)
        for (int k = 0; k < 5; k++)
            for (int i = 0; i < 7; i++)
                for (int sign = -1; sign <= 1; sign += 2) {
                    const double got =
                        gradient_at(tg, rows[k].f, d, x[i], copysign(INFINITY, sign));
                    if (got != copysign(INFINITY, sign * rows[k].at[i]))
                        fail_msg("function %d at %g: %g", k, x[i], got);
                }
    assert_true(gradient_at(tg, tg_hardswish, TG_F32, -40, INFINITY) == 0);
    assert_true(gradient_at(tg, tg_hardswish, TG_F32, -INFINITY, INFINITY) == 0);
    assert_true(gradient_at(tg, tg_hardswish, TG_F32, 3, 1) == 1.5);
}

/* The slope of these functions is 1 far above 0, and 0 far below. The product of the large value
 * and the large gradient would overflow. */
static void test_large_gradients_of_large_values(void **state)
{
    tg_context *tg = *state;
    function *const f[] = {gelu, tg_silu, tg_mish, tg_hardswish};
    const double large = (double)1e30f;
    for (int k = 0; k < 4; k++) {
        assert_true(gradient_at(tg, f[k], TG_F32, 1e30, 1e30) == large);
        assert_true(gradient_at(tg, f[k], TG_F32, -1e30, 1e30) == 0);
        assert_true(gradient_at(tg, f[k], TG_F64, 1e30, 1e300) == 1e300);
    }
    assert_true(gradient_at(tg, gelu_tanh, TG_F32, 1e10, 1e30) == large);
}

/* The slope is 1 above 0, and 0 below, also where the square of the value overflows; there PyTorch
 * has NaN. */
static void test_gradient_of_gelu_tanh_far_out(void **state)
{
    tg_context *tg = *state;
    for (double x = 1e2; x <= 1e38; x *= 10) {
        assert_true(gradient_at(tg, gelu_tanh, TG_F32, x, 2) == 2);
        assert_true(gradient_at(tg, gelu_tanh, TG_F32, -x, 2) == 0);
    }
    assert_true(gradient_at(tg, gelu_tanh, TG_F64, 1e300, 2) == 2);
    assert_true(gradient_at(tg, gelu_tanh, TG_F64, -1e300, 2) == 0);
}

/* Returns the gradient, with respect to x, of the sum of the gradient of the sum of y. */
static tg_tensor *second_gradient(tg_tensor *y, tg_tensor *x)
{
    tg_tensor *first, *second;
    tg_grad_options how = tg_grad_defaults();
    how.create_graph = true;
    assert_true(tg_grad(TG_LIST(tg_sum(y)), TG_LIST(x), &first, &how));
    assert_true(tg_grad(TG_LIST(tg_sum(first)), TG_LIST(x), &second, NULL));
    return second;
}

static void test_second_gradient_of_mish_far_out_is_0(void **state)
{
    tg_tensor *x = leaf(*state, -1000, -100, 100, 1e30), *second = second_gradient(tg_mish(x), x);
    for (int i = 0; i < 4; i++) assert_true(fabs(element_of(second, i)) < 1e-40);
}

/* At 0, the first and second gradients are those of the side below, where elu(x) is
 * alpha (exp(x) - 1). In PyTorch, the second gradient at 0 is 0. */
static void test_second_gradients_of_elu_and_selu_at_0(void **state)
{
    const double alpha = 1.6732632423543772848170429916717,
                 scale = 1.0507009873554804934193349852946;
    tg_tensor *x = leaf(*state, 0, -0.0, 1e-9, -1);
    check_near(second_gradient(tg_elu(x, 1.7), x), 1.7, 1.7, 0, 1.7 * exp(-1));
    check_near(second_gradient(tg_selu(x), x), scale * alpha, scale * alpha, 0,
               scale * alpha * exp(-1));
}

/* The gradient of expm1 reads the result alone, so that the input may be overwritten. */
static void test_input_of_expm1_may_be_overwritten_before_backward(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = leaf(tg, 0, 1), *b = tg_clone(a), *y = tg_expm1(b);
    assert_non_null(tg_zero_(b));
    assert_true(tg_backward(tg_sum(y)));
    check_near(a->grad, 1, exp(1));
}

/* The gradient of elu below 0 is alpha exp(x). Computed from the result, as expm1(x) + 1, it would
 * be 0 far below 0; the library computes it from the input. */
static void test_gradient_of_elu_far_below_0_is_exp(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, -40, 2, NAN);
    assert_true(tg_backward(tg_sum(tg_elu(x, 3))));
    check_near(tg_narrow(x->grad, 0, 0, 2), 3 * exp(-40), 1);
    assert_true(element_of(x->grad, 2) == 1);
}

/* ---- atan2. */

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

/* ---- lerp. For a weight below 0.5 it is start + weight (end - start), else
 * end - (end - start) (1 - weight). */

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

/* ---- clamp_tensors. */

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
        cmocka_unit_test(test_infinite_gradients_of_gated_activations),
        cmocka_unit_test(test_large_gradients_of_large_values),
        cmocka_unit_test(test_gradient_of_gelu_tanh_far_out),
        cmocka_unit_test(test_second_gradient_of_mish_far_out_is_0),
        cmocka_unit_test(test_second_gradients_of_elu_and_selu_at_0),
        cmocka_unit_test(test_input_of_expm1_may_be_overwritten_before_backward),
        cmocka_unit_test(test_gradient_of_elu_far_below_0_is_exp),
        cmocka_unit_test(test_gradients_of_atan2_at_the_ends_of_the_range),
        cmocka_unit_test(test_lerp_to_infinity),
        cmocka_unit_test(test_gradients_of_lerp_at_infinities),
        cmocka_unit_test(test_clamp_tensors_sends_no_gradient_to_nan),
        cmocka_unit_test(test_clamp_tensors_at_bounds),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
