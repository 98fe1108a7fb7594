/* BatchNorm and LayerNorm of channels whose mean is much larger than their deviations, whose
 * elements are all equal, or whose squares leave the range; running statistics; and gradients. */
#include "each_level.h"
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

/* ---- Gradients. */

static tg_tensor *normalized(tg_list inputs, void *module)
{
    return tg_forward(module, inputs.items[0]);
}

/* The gradients of x, weight and bias, and the gradients of these, against central differences. */
static void test_gradients_agree_with_differences(void **state)
{
    tg_context *tg = *state;
    tg_norm_options o = tg_norm_defaults();
    o.track_running_stats = false; /* a forward must change nothing */
    tg_set_default_dtype(tg, TG_F64);
    tg_module *modules[] = {tg_batchnorm1d(tg, 3, &o), tg_batchnorm1d(tg, 33, &o),
                            tg_batchnorm2d(tg, 2, &o), tg_layernorm(tg, TG_SHAPE(5), &o),
                            tg_layernorm(tg, TG_SHAPE(3, 11), &o)};
    const tg_shape shapes[] = {TG_SHAPE(5, 3), TG_SHAPE(3, 33), TG_SHAPE(2, 2, 3, 2),
                               TG_SHAPE(4, 5), TG_SHAPE(2, 3, 11)};
    tg_set_default_dtype(tg, TG_F32);
    for (int i = 0; i < 5; i++) {
        tg_tensor *x = tg_requires_grad_(tg_randn(tg, TG_F64, shapes[i]), true);
        tg_tensor *w = tg_param(modules[i], "weight"), *b = tg_param(modules[i], "bias");
        tg_no_grad_begin(tg);
        tg_normal_(w, 0, 1);
        tg_no_grad_end(tg);
        assert_true(tg_gradcheck(normalized, TG_LIST(x, w, b), modules[i], NULL));
        if (x->numel > 40) continue;
        assert_true(tg_gradgradcheck(normalized, TG_LIST(x, w, b), modules[i], NULL));
    }
}

/* A layer of `kind` on an input of `shape`, whose elements are normal numbers but for one, `odd`. g
 * is the gradient of the result, which is multiplied by `size`. */
typedef struct norm_case {
    int kind;
    tg_shape shape;
    double odd, size;
} norm_case;

/* The shapes lie around the blocks of 32 rows and of 512 terms in which sums are added up, and
 * around the 33 columns from which on no two rows are added side by side. A gradient of 1e-42 in
 * float32 makes slopes subnormal. */
static const norm_case cases[] = {{2, {2, (int64_t[]){1, 2}}, 0, 1},
                                  {2, {2, (int64_t[]){33, 5}}, 0, 1},
                                  {2, {2, (int64_t[]){31, 32}}, 0, 1e-42},
                                  {2, {2, (int64_t[]){32, 33}}, 0, 1},
                                  {2, {3, (int64_t[]){5, 13, 64}}, INFINITY, 1},
                                  {2, {2, (int64_t[]){3, 513}}, 1e30, 1},
                                  {2, {2, (int64_t[]){2, 2049}}, 0, 0},
                                  {0, {2, (int64_t[]){2, 3}}, 0, 1},
                                  {0, {2, (int64_t[]){64, 1}}, 0, 1},
                                  {0, {2, (int64_t[]){131, 31}}, 0, 1},
                                  {0, {2, (int64_t[]){64, 32}}, NAN, 1},
                                  {0, {2, (int64_t[]){33, 33}}, 0, 1e-42},
                                  {0, {2, (int64_t[]){65, 257}}, 1e30, 1},
                                  {0, {3, (int64_t[]){4, 3, 7}}, 0, -1},
                                  {1, {4, (int64_t[]){1, 3, 5, 7}}, 0, 1},
                                  {1, {4, (int64_t[]){5, 1, 3, 1}}, 0, 1},
                                  {1, {4, (int64_t[]){7, 2, 8, 64}}, 0, 0},
                                  {1, {4, (int64_t[]){3, 70, 3, 3}}, INFINITY, 1},
                                  {1, {4, (int64_t[]){2, 2, 30, 35}}, 0, 1e-42}};

/* Writes the result and the gradients of x, weight and bias to out. With `moved`, x is not
 * contiguous. With `by_operations` the gradients have a history. */
static void run_case(tg_context *tg, const norm_case *c, tg_dtype d, bool moved, bool by_operations,
                     tg_tensor **out)
{
    tg_manual_seed(tg, 3);
    const int64_t *dims = c->shape.dims, last = c->shape.ndim - 1;
    tg_module *m = of_dtype(tg, d, c->kind, dims[c->kind == 2 ? last : 1]);
    tg_tensor *x = tg_randn(tg, d, c->shape), *g = tg_randn(tg, d, c->shape);
    tg_tensor *w = tg_param(m, "weight"), *b = tg_param(m, "bias");
    tg_no_grad_begin(tg);
    tg_normal_(w, 0, 1), tg_normal_(b, 0, 1);
    if (c->odd != 0) tg_fill_(tg_narrow(tg_flatten(x, 0, -1), 0, x->numel / 2, 1), c->odd);
    g = tg_mul_scalar(g, c->size);
    if (moved) x = tg_transpose(tg_contiguous(tg_transpose(x, 0, 1)), 0, 1);
    tg_no_grad_end(tg);
    tg_tensor *y = out[0] = tg_forward(m, tg_requires_grad_(x, true));
    assert_true(tg_grad(TG_LIST(y), TG_LIST(x, w, b), out + 1,
                        TG_GRAD(.grad_outputs = TG_LIST(g), .create_graph = by_operations)));
}

/* All NaN count as equal. */
static bool are_same(const tg_tensor *a, const tg_tensor *b)
{
    for (int64_t i = 0; i < a->numel; i++) {
        const double x = element_of(a, i), y = element_of(b, i);
        if ((x != y || signbit(x) != signbit(y)) && !(isnan(x) && isnan(y))) return false;
    }
    return a->numel == b->numel;
}

static void check_level(int level)
{
    tg_context *plain = open_at("portable"), *tg = open_at(tg__level_name(level));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 8; k++) {
            const tg_dtype d = k % 2 ? TG_F64 : TG_F32;
            tg_tensor *want[4], *have[4];
            tg_scope_begin(plain), tg_scope_begin(tg);
            tg_set_num_threads(tg, k < 4 ? 1 : 3);
            run_case(plain, &cases[i], d, k / 2 % 2, true, want);
            run_case(tg, &cases[i], d, k / 2 % 2, false, have);
            for (int n = 0; n < 4; n++)
                if (!are_same(want[n], have[n]))
                    fail_msg("case %d of variant %d differs in result %d", (int)i, k, n);
            tg_scope_end(tg), tg_scope_end(plain);
        }
    check_ok(plain);
    check_ok(tg);
    tg_close(tg), tg_close(plain);
}

/* The gradients that are computed in one walk, on any level and number of threads, have the bits of
 * those that operations compute one by one. */
static void test_gradients_have_the_bits_of_operations(void **state)
{
    (void)state;
    each_level(check_level);
}

/* Backward needs the values of the input, which PyTorch refuses to see changed, too. */
static void test_input_may_not_change_before_backward(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(4, 3));
    tg_tensor *y = tg_forward(of_dtype(tg, TG_F32, 2, 3), x);
    tg_zero_(x);
    assert_false(tg_backward(tg_sum(y)));
    check_error(tg, TG_ERR_AUTOGRAD,
                "backward: the gradient of layer_norm needs its input 1, a tensor [4, 3], but "
                "zero_ changed it in place");
}

/* The gradients of weight and bias are sums over no rows. */
static void test_an_empty_batch_gives_parameters_gradients_of_0(void **state)
{
    tg_context *tg = *state;
    tg_module *layers[] = {tg_batchnorm1d(tg, 2, NULL), tg_batchnorm2d(tg, 2, NULL),
                           tg_batchnorm1d(tg, 2, TG_NORM(.track_running_stats = false))};
    const tg_shape shapes[] = {TG_SHAPE(0, 2), TG_SHAPE(3, 2, 0, 4), TG_SHAPE(3, 2, 0)};
    for (int i = 0; i < 3; i++) {
        tg_tensor *x = tg_requires_grad_(tg_zeros(tg, TG_F32, shapes[i]), true);
        assert_true(tg_backward(tg_sum(tg_forward(layers[i], x))));
        check_values(tg_param(layers[i], "weight")->grad, 0, 0);
        check_values(tg_param(layers[i], "bias")->grad, 0, 0);
        assert_int_equal(x->grad->numel, 0);
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
        cmocka_unit_test(test_gradients_agree_with_differences),
        cmocka_unit_test(test_gradients_have_the_bits_of_operations),
        cmocka_unit_test(test_input_may_not_change_before_backward),
        cmocka_unit_test(test_an_empty_batch_gives_parameters_gradients_of_0),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
