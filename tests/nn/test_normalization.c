/* BatchNorm and LayerNorm of channels whose mean is much larger than their deviations, whose
 * elements are all equal, or whose squares leave the range; and running statistics. */
#include "exact_sum.h"
#include "leaf.h"

static tg_module *of_dtype(tg_context *tg, tg_dtype dtype, int kind, int64_t features)
{
    const tg_dtype before = TG_F32;
    tg_set_default_dtype(tg, dtype);
    tg_module *m = kind == 0   ? tg_batchnorm1d(tg, features, NULL)
                   : kind == 1 ? tg_batchnorm2d(tg, features, NULL)
                               : tg_layernorm(tg, TG_SHAPE(features), NULL);
    tg_set_default_dtype(tg, before);
    return m;
}

static double greatest(tg_tensor *t)
{
    return tg_item(tg_max(tg_abs(t)));
}

/* Channels whose elements are all equal, such as 1000 times 12345.6, are normalized to 0, and their
 * running variance decays to 0. */
static void test_constant_channels_are_0(void **state)
{
    tg_context *tg = *state;
    const double values[] = {12345.6, 1e10, -0.1, 1e30, 1.0 / 3};
    for (tg_dtype d = TG_F32; d <= TG_F64; d++)
        for (int i = 0; i < 5; i++) {
            tg_tensor *x = tg_requires_grad_(tg_full(tg, d, TG_SHAPE(1000, 2), values[i]), true),
                      *y;
            tg_module *m = of_dtype(tg, d, 0, 2);
            assert_true(greatest(y = tg_forward(m, x)) == 0);
            assert_true(tg_backward(tg_sum(tg_mul_scalar(y, 3))) && greatest(x->grad) < 1e-2);
            check_values(
                tg_sub_scalar(tg_buffer(m, "running_var"), d == TG_F32 ? (double)0.9f : 0.9), 0, 0);
            assert_true(greatest(tg_forward(m, tg_reshape(x, TG_SHAPE(20, 2, 50)))) == 0);
            m = of_dtype(tg, d, 1, 4);
            assert_true(greatest(tg_forward(m, tg_reshape(x, TG_SHAPE(5, 4, 10, 10)))) == 0);
            m = of_dtype(tg, d, 2, 1000);
            assert_true(greatest(tg_forward(m, tg_reshape(x, TG_SHAPE(2, 1000)))) == 0);
        }
}

/* The channel has 100 elements 1e10. Without care for rounding, its variance would be 105,918. */
static void test_running_variance_of_a_large_constant(void **state)
{
    tg_context *tg = *state;
    tg_norm_options o = tg_norm_defaults();
    o.momentum = 1;
    tg_module *m = tg_batchnorm1d(tg, 1, &o);
    assert_true(greatest(tg_forward(m, tg_full(tg, TG_F32, TG_SHAPE(100, 1), 1e10))) == 0);
    check_values(tg_buffer(m, "running_var"), 0);
    check_values(tg_buffer(m, "running_mean"), 1e10);
}

/* A channel of a large constant plus 1 and -1 in turn is normalized to 1 and -1 over sqrt(1 + eps).
 */
static void test_small_deviations_from_a_large_mean(void **state)
{
    tg_context *tg = *state;
    enum { N = 600 };
    for (tg_dtype d = TG_F32; d <= TG_F64; d++) {
        tg_tensor *turn = tg_remainder_scalar(tg_arange(tg, d, 0, N, 1), 2);
        tg_tensor *sign = tg_add_scalar(tg_mul_scalar(turn, -2), 1);
        tg_tensor *x = tg_add_scalar(sign, d == TG_F32 ? 8e6 : 1e15);
        tg_tensor *want = tg_mul_scalar(sign, 1 / sqrt(1 + 1e-5));
        const double bound = d == TG_F32 ? 2e-7 : 4e-16;
        const tg_shape shapes[] = {TG_SHAPE(N, 1), TG_SHAPE(6, 1, 10, 10), TG_SHAPE(1, N)};
        for (int kind = 0; kind < 3; kind++) {
            tg_module *m = of_dtype(tg, d, kind, kind == 2 ? N : 1);
            tg_tensor *y = tg_flatten(tg_forward(m, tg_reshape(x, shapes[kind])), 0, -1);
            assert_true(greatest(tg_sub(y, want)) <= bound);
        }
    }
}

/* The squares of 1e20 and 1e30 overflow in float32, and those of small numbers vanish. eps is 0. */
static void test_channels_whose_squares_leave_the_range(void **state)
{
    tg_context *tg = *state;
    tg_norm_options o = tg_norm_defaults();
    o.eps = 0;
    o.track_running_stats = false;
    const double sizes[] = {1e-30, 1e20, 1e30};
    for (int i = 0; i < 3; i++) {
        tg_tensor *x = tg_from_f32(tg, TG_SHAPE(4, 1), (float[]){0, 2, 0, 2});
        x = tg_requires_grad_(tg_mul_scalar(x, sizes[i]), true);
        tg_tensor *y = tg_forward(tg_batchnorm1d(tg, 1, &o), x);
        tg_tensor *z = tg_forward(tg_layernorm(tg, TG_SHAPE(4), &o), tg_t(x));
        for (int k = 0; k < 4; k++) {
            assert_true(fabs(element_of(y, k) - (k % 2 ? 1 : -1)) < 3e-7);
            assert_true(fabs(element_of(z, k) - (k % 2 ? 1 : -1)) < 3e-7);
        }
        /* With g = (1, 0, 0, 0) and y: (g - mean(g) - y mean(g y)) / size. */
        assert_true(tg_backward(tg_sum(tg_narrow(y, 0, 0, 1))));
        const double want[] = {0.5, 0, -0.5, 0};
        for (int k = 0; k < 4; k++)
            assert_true(fabs(element_of(x->grad, k) * sizes[i] - want[k]) < 3e-7);
    }
}

/* Inputs of the same values, contiguous or with gaps and with dimensions in any order, give the
 * same.
 */
static void test_layouts_of_batchnorm_agree(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 1);
    tg_tensor *x = tg_randn(tg, TG_F64, TG_SHAPE(6, 5, 4, 3));
    tg_tensor *moved =
        tg_permute(tg_contiguous(tg_permute(x, TG_DIMS(3, 1, 0, 2))), TG_DIMS(2, 1, 3, 0));
    tg_tensor *rows = tg_reshape(tg_permute(x, TG_DIMS(0, 2, 3, 1)), TG_SHAPE(72, 5));
    tg_module *m = of_dtype(tg, TG_F64, 1, 5), *m1 = of_dtype(tg, TG_F64, 0, 5);
    tg_tensor *y = tg_forward(m, x), *y1 = tg_forward(m1, rows);
    assert_true(greatest(tg_sub(y, tg_forward(m, moved))) < 1e-14);
    y = tg_reshape(tg_permute(y, TG_DIMS(0, 2, 3, 1)), TG_SHAPE(72, 5));
    assert_true(greatest(tg_sub(y, y1)) < 1e-14);
    assert_true(greatest(tg_mean_dims(y, TG_DIMS(0), false)) < 1e-15);
}

/* Batch k has the mean x and moves the running mean m to x p + m (1 - p) with p = 1 / k, which
 * turns an error e of m into (1 - 1 / k) e. Let M be the greatest mean. The roundings of x, p,
 * 1 - p, both products and the sum add at most 4 u M to the error. Each batch therefore adds at
 * most 4 u M k to k e, and after k batches e is at most 2 (k + 1) u M. With a constant p, the error
 * is at most 4 u M / p. */
static void check_running_mean(tg_context *tg, double momentum, double units)
{
    enum { BATCHES = 500, ROWS = 4 };
    tg_norm_options o = tg_norm_defaults();
    o.momentum = momentum;
    tg_module *norm = tg_batchnorm1d(tg, 1, &o);
    double mean = 0;
    for (int64_t k = 1; k <= BATCHES; k++) {
        tg_scope_begin(tg);
        tg_tensor *x = tg_add_scalar(tg_rand(tg, TG_F32, TG_SHAPE(ROWS, 1)), 1);
        tg_forward(norm, x);
        double sum = 0;
        for (int64_t i = 0; i < ROWS; i++) sum += element_of(x, i);
        mean += (sum / ROWS - mean) * (isnan(momentum) ? 1 / (double)k : momentum);
        tg_scope_end(tg);
    }
    assert_true(fabs(element_of(tg_buffer(norm, "running_mean"), 0) - mean) <=
                units * unit_of(TG_F32) * 2);
}

static void test_running_mean_of_many_batches(void **state)
{
    tg_context *tg = *state;
    check_running_mean(tg, NAN, 2 * 501);
    check_running_mean(tg, 0.1, 4 / 0.1);
}

/* No gradient reads the bias. Backward works after a write to it, and finds the same gradients. */
static void test_bias_may_change_before_backward(void **state)
{
    tg_context *tg = *state;
    for (int kind = 0; kind < 3; kind++) {
        tg_tensor *x = tg_randn(tg, TG_F32, kind == 1 ? TG_SHAPE(4, 3, 2, 2) : TG_SHAPE(4, 3));
        tg_module *m = of_dtype(tg, TG_F32, kind, 3);
        if (kind < 2) tg_eval(m);
        tg_tensor *w = tg_parameters(m).items[0], *b = tg_parameters(m).items[1], *grads[2][3];
        tg_tensor *loss = tg_sum(tg_square(tg_forward(m, tg_requires_grad_(x, true))));
        assert_true(tg_grad(TG_LIST(loss), TG_LIST(x, w, b), grads[0], NULL));
        tg_no_grad_begin(tg);
        tg_add_scalar_(b, 1);
        tg_no_grad_end(tg);
        assert_true(tg_grad(TG_LIST(loss), TG_LIST(x, w, b), grads[1], NULL));
        for (int i = 0; i < 3; i++)
            assert_true(tg_item(tg_all(tg_eq(grads[0][i], grads[1][i]))) == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_channels_are_0),
        cmocka_unit_test(test_running_variance_of_a_large_constant),
        cmocka_unit_test(test_small_deviations_from_a_large_mean),
        cmocka_unit_test(test_channels_whose_squares_leave_the_range),
        cmocka_unit_test(test_layouts_of_batchnorm_agree),
        cmocka_unit_test(test_running_mean_of_many_batches),
        cmocka_unit_test(test_bias_may_change_before_backward),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
