/* Activations: gradients at infinities, far from 0, and where products overflow. The expected
 * numbers are those of PyTorch 1.13, unless a comment says otherwise. */
#include "leaf.h"

#define TWO_PI 6.28318530717958647693

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

/* Far below 0, 1 + erf(x / sqrt(2)) has no digits left, but the distribution function, half of
 * erfc(-x / sqrt(2)), has all of them. Its error counts in units of 2^-24, and so does that of the
 * gradient, whose terms cancel near -0.75. Values of
 * erfc far below are multiples of 2^-149, whose error is multiplied by x. */
static void test_gelu_of_float32_loses_no_digits_below_0(void **state)
{
    tg_context *tg = *state;
    for (double x = -15; x < 2; x += 0.0625) {
        const double phi = 0.5 * erfc(-x * sqrt(0.5)), slope = x * exp(-0.5 * x * x) / sqrt(TWO_PI);
        const double value = tg_item(tg_gelu(tg_full(tg, TG_F32, TG_SHAPE(1), x), TG_GELU_NONE));
        const double gradient = gradient_at(tg, gelu, TG_F32, x, 1);
        if (fabs(value - x * phi) > 50 * 0x1p-24 * fabs(x * phi) + 0x1p-146)
            fail_msg("gelu at %g: %a, not %a", x, value, x * phi);
        if (fabs(gradient - (phi + slope)) > 5 * 0x1p-24 * (phi + fabs(slope)) + 0x1p-146)
            fail_msg("gradient of gelu at %g: %a, not %a", x, gradient, phi + slope);
    }
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

static tg_tensor *leaky_relu(tg_tensor *a)
{
    return tg_leaky_relu(a, -0.3);
}

static tg_tensor *elu(tg_tensor *a)
{
    return tg_elu(a, 1.7);
}

static tg_tensor *softplus(tg_tensor *a)
{
    return tg_softplus(a, 2.5, 3);
}

static tg_tensor *clamp(tg_tensor *a)
{
    return tg_clamp(a, -1, 2);
}

/* 3000 numbers, which are more than the kernels take at once, with special ones among them. They do
 * not lie side by side. */
static tg_tensor *numbers(tg_context *tg, tg_dtype dtype)
{
    const double special[] = {0,   -0.0, -1,     2,         3,        -3,     6,
                              NAN, 1e30, -1e-42, -INFINITY, INFINITY, 1e-310, -1e30};
    const int64_t n = sizeof special / sizeof *special;
    tg_tensor *x = tg_mul_scalar(tg_randn(tg, dtype, TG_SHAPE(3000, 2)), 3);
    for (int64_t i = 0; i < n; i++) tg_set(x, TG_SHAPE(i * 211, 1), special[i]);
    return tg_select(x, 1, 1);
}

/* The gradient of x with and without a history. The first is computed by operations, the second by
 * kernels of its own. */
static void test_gradients_with_and_without_a_history_have_the_same_bits(void **state)
{
    function *const f[] = {tg_relu6,    clamp,      tg_silu,        tg_mish,       gelu,
                           gelu_tanh,   elu,        tg_selu,        tg_logsigmoid, softplus,
                           tg_softsign, leaky_relu, tg_hardsigmoid, tg_hardswish};
    tg_context *tg = *state;
    for (tg_dtype d = TG_F32; d <= TG_F64; d++)
        for (size_t i = 0; i < sizeof f / sizeof *f; i++) {
            tg_tensor *x = tg_requires_grad_(numbers(tg, d), true), *g = numbers(tg, d), *grad[2];
            for (int history = 0; history < 2; history++) {
                tg_grad_options how = {.grad_outputs = TG_LIST(g), .create_graph = history};
                assert_true(tg_grad(TG_LIST(f[i](x)), TG_LIST(x), &grad[history], &how));
            }
            for (int64_t j = 0; j < x->numel; j++) {
                const double by_kernel = element_of(grad[0], j),
                             by_operations = element_of(grad[1], j);
                if (memcmp(&by_kernel, &by_operations, sizeof by_kernel) &&
                    !(isnan(by_kernel) && isnan(by_operations)))
                    fail_msg("function %d at %g: %a, not %a", (int)i, element_of(x, j), by_kernel,
                             by_operations);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_with_and_without_a_history_have_the_same_bits),
        cmocka_unit_test(test_gelu_of_float32_loses_no_digits_below_0),
        cmocka_unit_test(test_infinite_gradients_of_gated_activations),
        cmocka_unit_test(test_large_gradients_of_large_values),
        cmocka_unit_test(test_gradient_of_gelu_tanh_far_out),
        cmocka_unit_test(test_second_gradient_of_mish_far_out_is_0),
        cmocka_unit_test(test_second_gradients_of_elu_and_selu_at_0),
        cmocka_unit_test(test_gradient_of_elu_far_below_0_is_exp),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
