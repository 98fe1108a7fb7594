/* Linear, MSELoss and dropout; and the numbers of the lecture that README follows. */
#include "leaf.h"

/* ---- Linear. */

/* A Linear of float64 with 3 inputs, 2 outputs and known parameters. */
static tg_module *linear_of(tg_context *tg, tg_bias bias)
{
    tg_set_default_dtype(tg, TG_F64);
    tg_module *m = tg_linear(tg, 3, 2, bias);
    tg_copy_from_f64(tg_param(m, "weight"), (double[]){1, 2, 3, -4, 5, 6});
    if (bias == TG_BIAS) tg_copy_from_f64(tg_param(m, "bias"), (double[]){10, 20});
    return m;
}

static void test_parameters(void **state)
{
    tg_module *m = tg_linear(*state, 3, 2, TG_BIAS);
    tg_list p = tg_parameters(m);
    assert_int_equal(p.n, 2);
    assert_ptr_equal(p.items[0], tg_param(m, "weight"));
    assert_ptr_equal(p.items[1], tg_param(m, "bias"));
    assert_string_equal(tg_param_name(m, 0), "weight");
    assert_string_equal(tg_param_name(m, 1), "bias");
    assert_true(!tg_param_name(m, 2) && !tg_param_name(m, -1) && !tg_param_name(NULL, 0));
    const tg_tensor *weight = p.items[0], *bias = p.items[1];
    assert_true(weight->ndim == 2 && weight->shape[0] == 2 && weight->shape[1] == 3);
    assert_true(bias->ndim == 1 && bias->shape[0] == 2);
    for (int i = 0; i < 2; i++) {
        assert_true(p.items[i]->requires_grad && p.items[i]->dtype == TG_F32 && !p.items[i]->grad);
        for (int64_t k = 0; k < p.items[i]->numel; k++)
            assert_true(fabs(element_of(p.items[i], k)) <= 1 / sqrt(3));
    }
    m = tg_linear(*state, 3, 2, TG_NO_BIAS);
    assert_int_equal(tg_parameters(m).n, 1);
    assert_null(tg_param(m, "bias"));
    check_error(*state, TG_ERR_ARGUMENT, "param: Linear has no parameter named bias");
    assert_null(tg_param(m, NULL));
    check_error(*state, TG_ERR_ARGUMENT, "param: Linear has no parameter named NULL");
    assert_true(!tg_param(NULL, "weight") && tg_parameters(NULL).n == 0);
}

static void test_default_dtype(void **state)
{
    assert_false(tg_set_default_dtype(*state, TG_I64));
    check_error(*state, TG_ERR_DTYPE, "set_default_dtype: int64 is not a floating dtype");
    assert_false(tg_set_default_dtype(NULL, TG_F32));
    assert_true(tg_set_default_dtype(*state, TG_F64));
    tg_module *wide = tg_linear(*state, 3, 2, TG_BIAS);
    assert_int_equal(tg_param(wide, "weight")->dtype, TG_F64);
    assert_int_equal(tg_param(wide, "bias")->dtype, TG_F64);
    assert_true(tg_set_default_dtype(*state, TG_F32));
    assert_int_equal(tg_param(tg_linear(*state, 3, 2, TG_BIAS), "bias")->dtype, TG_F32);
    assert_null(tg_forward(wide, tg_ones(*state, TG_F32, TG_SHAPE(1, 3))));
    check_error(*state, TG_ERR_DTYPE,
                "linear: the input is float32, the weight float64; use tg_cast");
}

static void test_forward(void **state)
{
    tg_module *m = linear_of(*state, TG_BIAS), *bare = linear_of(*state, TG_NO_BIAS);
    tg_tensor *x = tg_from_f64(*state, TG_SHAPE(2, 3), (double[]){1, 0, 2, 0, 1, -1});
    check_values(tg_forward(m, x), 17, 28, 9, 19);
    check_values(tg_forward(bare, x), 7, 8, -1, -1);
    check_values(tg_forward(m, tg_t(tg_contiguous(tg_t(x)))), 17, 28, 9, 19);
    assert_true(tg_backward(tg_sum(tg_forward(m, x))));
    check_values(tg_param(m, "weight")->grad, 1, 1, 1, 1, 1, 1);
    check_values(tg_param(m, "bias")->grad, 2, 2);
}

static void test_leading_dimensions(void **state)
{
    tg_module *m = linear_of(*state, TG_BIAS);
    tg_tensor *y = tg_forward(m, constant(*state, 1, 0, 2));
    assert_int_equal(y->ndim, 1);
    check_values(y, 17, 28);
    assert_true(tg_backward(tg_sum(y)));
    check_values(tg_param(m, "weight")->grad, 1, 0, 2, 1, 0, 2);
    check_values(tg_param(m, "bias")->grad, 1, 1);

    tg_clear_grad(tg_param(m, "bias"));
    tg_tensor *x = tg_expand(constant(*state, 1, 0, 2), TG_SHAPE(2, 1, 4, 3));
    y = tg_forward(m, x);
    assert_true(y->ndim == 4 && y->shape[0] == 2 && y->shape[1] == 1 && y->shape[2] == 4 &&
                y->shape[3] == 2);
    assert_true(tg_get(y, TG_INDEX(1, 0, 3, 0)) == 17 && tg_get(y, TG_INDEX(0, 0, 0, 1)) == 28);
    assert_true(tg_backward(tg_sum(y)));
    check_values(tg_param(m, "bias")->grad, 8, 8);

    y = tg_forward(m, tg_zeros(*state, TG_F64, TG_SHAPE(2, 0, 3)));
    assert_true(y->ndim == 3 && y->numel == 0 && y->shape[2] == 2);
}

static void test_leading_dimensions_of_a_released_input(void **state)
{
    tg_module *net = tg_linear(*state, 4, 2, TG_BIAS);
    tg_tensor *x = tg_ones(*state, TG_F32, TG_SHAPE(50, 50, 4));
    release_noticed(x);
    assert_null(tg_forward(net, x));
    assert_int_equal(tg_error_code(*state), TG_ERR_CONTEXT);
    tg_clear_error(*state);
}

/* ---- MSELoss. */

static void test_mse(void **state)
{
    tg_tensor *i = leaf(*state, 1, 2, 4), *t = leaf(*state, 0.5, 1.5, -1);
    check_near(tg_mse_loss(i, t, TG_MEAN), 25.5 / 3);
    check_values(tg_mse_loss(i, t, TG_SUM), 25.5);
    check_values(tg_mse_loss(i, t, TG_NONE), 0.25, 0.25, 25);
    assert_true(tg_backward(tg_mse_loss(i, t, TG_MEAN)));
    check_near(i->grad, 1. / 3, 1. / 3, 10. / 3);
    check_near(t->grad, -1. / 3, -1. / 3, -10. / 3);
    tg_clear_grad(i);
    assert_true(tg_backward_with(tg_mse_loss(i, t, TG_NONE), constant(*state, 1, 10, 100)));
    check_values(i->grad, 1, 10, 1000);
    const int reductions[] = {TG_MEAN, TG_SUM, TG_NONE};
    for (int k = 0; k < 3; k++) {
        tg_module *m = tg_mseloss(*state, reductions[k]);
        assert_int_equal(tg_parameters(m).n, 0);
        tg_tensor *same = tg_eq(tg_loss(m, i, t), tg_mse_loss(i, t, reductions[k]));
        assert_true(tg_item(tg_sum(same)) == (double)same->numel);
    }
    tg_tensor *nothing = tg_zeros(*state, TG_F64, TG_SHAPE(0));
    assert_true(isnan(tg_item(tg_mse_loss(nothing, nothing, TG_MEAN))));
    check_values(tg_mse_loss(nothing, nothing, TG_SUM), 0);
}

/* The expected numbers are those of PyTorch for i = [[1.], [2.], [4.]] and t = [0.5, 1.5, -1.]:
 *     l = torch.nn.functional.mse_loss(i, t, reduction=r); l.backward() */
static void test_mse_broadcast(void **state)
{
    tg_tensor *i = leaf_of(*state, TG_SHAPE(3, 1), (double[]){1, 2, 4}),
              *t = leaf(*state, 0.5, 1.5, -1);
    tg_tensor *mean = tg_mse_loss(i, t, TG_MEAN | TG_BROADCAST);
    check_near(mean, 6.611111111111111);
    assert_true(tg_backward(mean));
    check_near(i->grad, 0.4444444444444444, 1.1111111111111112, 2.4444444444444446);
    check_near(t->grad, -1.222222222222222, -0.5555555555555556, -2.2222222222222223);
    tg_clear_grad(i);
    tg_clear_grad(t);
    tg_tensor *sum = tg_loss(tg_mseloss(*state, TG_SUM | TG_BROADCAST), i, t);
    check_values(sum, 59.5);
    assert_true(tg_backward(sum));
    check_values(i->grad, 4, 10, 22);
    check_values(t->grad, -11, -5, -20);
    check_values(tg_mse_loss(i, t, TG_NONE | TG_BROADCAST), 0.25, 0.25, 4, 2.25, 0.25, 9, 12.25,
                 6.25, 25);
}

/* The lecture compares yhat (N, 1) with y (N), which PyTorch broadcasts to all N^2 pairs. Here x is
 * -1 and 1 in turn, and yhat = -5 + 10 x is -15 and 5 in turn; y is -2 and 6 in turn. A pair then
 * has one of four squared differences. */
static void test_shape_trap(void **state)
{
    enum { N = 100 };
    tg_tensor *yhat = tg_empty(*state, TG_F64, TG_SHAPE(N, 1));
    tg_tensor *y = tg_empty(*state, TG_F64, TG_SHAPE(N));
    for (int64_t i = 0; i < N; i++) {
        tg_set(yhat, TG_INDEX(i, 0), i % 2 ? 5 : -15);
        tg_set(y, TG_INDEX(i), i % 2 ? 6 : -2);
    }
    assert_null(tg_mse_loss(yhat, y, TG_MEAN));
    check_error(*state, TG_ERR_SHAPE,
                "mse_loss: input [100, 1] and target [100] differ in shape and would broadcast to "
                "[100, 100]: use tg_flatten(input, 0, -1), or tg_reshape(target, TG_SHAPE(100, "
                "1))");
    check_near(tg_mse_loss(tg_flatten(yhat, 0, -1), y, TG_MEAN), (1 + 169) / 2.);
    check_near(tg_mse_loss(yhat, tg_reshape(y, TG_SHAPE(100, 1)), TG_MEAN), (1 + 169) / 2.);
    /* (5 - 6)^2, (5 + 2)^2, (-15 - 6)^2, (-15 + 2)^2 */
    check_near(tg_mse_loss(yhat, y, TG_MEAN | TG_BROADCAST), (1 + 49 + 441 + 169) / 4.);
    assert_null(tg_mse_loss(y, yhat, TG_SUM));
    check_error(*state, TG_ERR_SHAPE,
                "mse_loss: input [100] and target [100, 1] differ in shape and would broadcast to "
                "[100, 100]: use tg_reshape(target, TG_SHAPE(100))");
}

/* The lecture's random numbers: the loss is 109.8145, and broadcasting makes it 187.0950. */
static void test_lecture(void **state)
{
    tg_manual_seed(*state, 202150754);
    tg_tensor *ones = tg_ones(*state, TG_F32, TG_SHAPE(100));
    tg_tensor *x = tg_sort(tg_randn(*state, TG_F32, TG_SHAPE(100)), 0);
    tg_tensor *X = tg_t(tg_vstack(TG_LIST(ones, x)));
    tg_tensor *W = tg_from_f32(*state, TG_SHAPE(2), (float[]){2.5f, 4.0f});
    tg_tensor *e = tg_mul_scalar(tg_randn(*state, TG_F32, TG_SHAPE(100)), 0.4);
    tg_tensor *y = tg_add(tg_matmul(X, W), e);
    tg_module *net = tg_linear(*state, 2, 1, TG_NO_BIAS);
    tg_copy_from_f32(tg_param(net, "weight"), (float[]){-5.0f, 10.0f});
    tg_tensor *yhat = tg_forward(net, X), *flat = tg_flatten(yhat, 0, -1);
    const double half =
        0.00005; /* half a unit of the fourth decimal, to which the lecture rounds */
    assert_true(fabs(tg_item(tg_mse_loss(flat, y, TG_MEAN)) - 109.8145) <= half);
    assert_true(fabs(tg_item(tg_mse_loss(yhat, y, TG_BROADCAST)) - 187.0950) <= half);
    assert_true(fabs(tg_item(tg_mean(tg_square(tg_sub(y, yhat)))) - 187.0950) <= half);
    assert_null(tg_mse_loss(yhat, y, TG_MEAN));
    assert_int_equal(tg_error_code(*state), TG_ERR_SHAPE);
    tg_clear_error(*state);
}

/* ---- Dropout. */

static void test_dropout(void **state)
{
    enum { N = 10000 };
    tg_tensor *x = tg_requires_grad_(tg_full(*state, TG_F64, TG_SHAPE(N), 3), true);
    assert_ptr_equal(tg_dropout(x, 0.25, false), x);
    assert_ptr_equal(tg_dropout(x, 0, true), x);
    check_values(tg_sum(tg_dropout(x, 1, true)), 0);
    tg_tensor *y = tg_dropout(x, 0.25, true);
    double kept = 0;
    for (int64_t i = 0; i < N; i++) {
        double value = tg_get(y, TG_INDEX(i));
        assert_true(value == 0 || value == 3 / 0.75);
        kept += value != 0;
    }
    /* Five standard deviations of the binomial distribution are 5 sqrt(N 0.25 0.75), less than 217.
     */
    assert_true(fabs(kept - 0.75 * N) < 217);
    assert_true(tg_backward(tg_sum(y)));
    tg_tensor *scaled = tg_mul_scalar(x->grad, 3);
    assert_int_equal(tg_item(tg_sum(tg_eq(scaled, y))), N);
    tg_manual_seed(*state, 5);
    y = tg_dropout(x, 0.5, true);
    tg_manual_seed(*state, 5);
    assert_int_equal(tg_item(tg_sum(tg_eq(y, tg_dropout(x, 0.5, true)))), N);
}

/* The differences are 0, 1/1000, ... 999/1000, repeated. The mean of their squares is
 * (999 * 1000 * 1999 / 6) / 1000^3 = 0.3328335. Additions one after the other in float32 would give
 * 0.3295. */
static void test_mse_of_ten_million_rows(void **state)
{
    enum { N = 10000000 };
    tg_tensor *x = tg_zeros(*state, TG_F32, TG_SHAPE(N)), *y = tg_zeros_like(x);
    float *values = x->data;
    for (int i = 0; i < N; i++) values[i] = (float)(i % 1000) / 1000;
    assert_true(fabs(tg_item(tg_mse_loss(x, y, TG_MEAN)) / 0.3328335 - 1) < 5e-7);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(parameters),
        test(default_dtype),
        test(forward),
        test(leading_dimensions),
        test(mse),
        test(mse_broadcast),
        test(shape_trap),
        test(lecture),
        test(dropout),
        test(mse_of_ten_million_rows),
        test(leading_dimensions_of_a_released_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
