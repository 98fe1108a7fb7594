/* Convolution refuses wrong arguments; the number of threads changes neither its bits nor those of
 * pooling. */
#include "leaf.h"

static void test_wrong_arguments_of_convolutions_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(1, 2, 3, 3)),
              *w = tg_ones(tg, TG_F32, TG_SHAPE(2, 2, 4, 1));
    tg_conv_options o = tg_conv_defaults();
    assert_null(tg_conv2d(x, w, NULL));
    check_error(tg, TG_ERR_SHAPE,
                "conv2d: the kernel of weight [2, 2, 4, 1] spans 4 elements of dimension 2 of the "
                "input [1, 2, 3, 3], which has only 3 with its padding");
    o.groups = 3;
    assert_null(tg_conv2d(x, w, &o));
    check_error(
        tg, TG_ERR_SHAPE,
        "conv2d: the weight [2, 2, 4, 1] has 2 out_channels, which is not a multiple of groups 3");
    o = tg_conv_defaults();
    o.stride[1] = 0;
    assert_null(tg_conv2d(x, w, &o));
    check_error(tg, TG_ERR_ARGUMENT,
                "conv2d: stride[1] is 0, but must be at least 1; TG_CONV and tg_conv_defaults() "
                "set it to 1");
    o = tg_conv_defaults();
    o.padding[0] = INT64_MAX;
    assert_null(tg_conv2d(x, w, &o));
    check_error(tg, TG_ERR_ARGUMENT,
                "conv2d: padding[0] is 9223372036854775807, but must be at most 2147483647");
    assert_null(tg_conv1d(x, w, NULL));
    check_error(tg, TG_ERR_SHAPE, "conv1d: the input [1, 2, 3, 3] is not (C, L) or (N, C, L)");
    assert_null(tg_conv2d(x, tg_cast(w, TG_F64), NULL));
    check_error(tg, TG_ERR_DTYPE, "conv2d: the input is float32, the weight float64; use tg_cast");
    o = tg_conv_defaults();
    o.padding[0] = 1;
    o.bias = tg_ones(tg, TG_F32, TG_SHAPE(3));
    assert_null(tg_conv2d(x, w, &o));
    check_error(tg, TG_ERR_SHAPE, "conv2d: the bias is float32 [3], not float32 [2]");
    o.bias = tg_ones(tg, TG_F64, TG_SHAPE(2));
    assert_null(tg_conv2d(x, w, &o));
    check_error(tg, TG_ERR_DTYPE, "conv2d: the bias is float64 [2], not float32 [2]");
    assert_true(!tg_conv2d(NULL, NULL, NULL) && !tg_conv1d(NULL, w, NULL));
    tg_clear_error(tg);
}

static void test_wrong_arguments_of_layers_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_conv_options o = tg_conv_defaults();
    o.groups = 2;
    assert_null(tg_conv2d_layer(tg, 3, 4, TG_SHAPE(2, 2), TG_BIAS, &o));
    check_error(tg, TG_ERR_SHAPE,
                "conv2d_layer: in_channels is 3, but must be a multiple of groups 2");
    assert_null(tg_conv1d_layer(tg, 3, 4, TG_SHAPE(2, 2), TG_BIAS, NULL));
    check_error(tg, TG_ERR_SHAPE, "conv1d_layer: kernel_size [2, 2] must have length 1, not 2");
    assert_null(tg_conv2d_layer(NULL, 1, 1, TG_SHAPE(1, 1), TG_BIAS, NULL));
}

/* Returns a hash (64-bit FNV-1a) of the outputs and gradients of a net that is large enough to be
 * split among threads. */
static uint64_t train(int threads, bool wide)
{
    tg_context *tg = tg_open(NULL);
    assert_true(tg_set_num_threads(tg, threads));
    tg_set_default_dtype(tg, wide ? TG_F64 : TG_F32);
    tg_manual_seed(tg, 5);
    tg_pool_options pool = tg_pool_defaults(2);
    tg_conv_options o = tg_conv_defaults();
    o.padding[0] = 1;
    tg_module *conv = tg_conv2d_layer(tg, 3, 8, TG_SHAPE(3, 3), TG_BIAS, &o);
    tg_tensor *x =
        tg_requires_grad_(tg_randn(tg, wide ? TG_F64 : TG_F32, TG_SHAPE(10, 3, 48, 48)), true);
    tg_tensor *y = tg_max_pool2d(tg_avg_pool2d(tg_forward(conv, x), &pool), &pool);
    assert_true(tg_backward(tg_sum(tg_square(y))));
    tg_tensor *all[] = {y, x->grad, tg_param(conv, "weight")->grad, tg_param(conv, "bias")->grad};
    uint64_t hash = 14695981039346656037u;
    for (int i = 0; i < 4; i++) {
        tg_tensor *t = tg_contiguous(all[i]);
        const unsigned char *bytes = t->data;
        for (int64_t k = 0; k < t->numel * (wide ? 8 : 4); k++)
            hash = (hash ^ bytes[k]) * 1099511628211u;
    }
    tg_close(tg);
    return hash;
}

static void test_threads_give_the_same_bits(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        const uint64_t alone = train(1, wide);
        assert_true(train(2, wide) == alone);
        assert_true(train(5, wide) == alone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_arguments_of_convolutions_are_refused),
        cmocka_unit_test(test_wrong_arguments_of_layers_are_refused),
        cmocka_unit_test(test_threads_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
