/* BatchNorm and LayerNorm of channels whose mean is much larger than their deviations, or whose
 * elements are all equal. */
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

/* 1000 times 12345.6, and others; a constant channel is 0, and its running variance decays to 0. */
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

/* 100 times 1e10, where the running variance came to 105,918. */
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

/* 1 and -1 in turn on a constant come out as 1 and -1, over sqrt(1 + eps). */
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

/* 1e20 and 1e30, whose squares float32 cannot hold, and numbers whose squares vanish, with eps
 * 0. */
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

/* Dense or not, and in whatever order the dimensions lie. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_channels_are_0),
        cmocka_unit_test(test_running_variance_of_a_large_constant),
        cmocka_unit_test(test_small_deviations_from_a_large_mean),
        cmocka_unit_test(test_channels_whose_squares_leave_the_range),
        cmocka_unit_test(test_layouts_of_batchnorm_agree),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
