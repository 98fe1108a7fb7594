/* tg_export_c: the program of a network is compiled with all warnings as errors, and its outputs
 * have the bits of tg_forward. */
#define _DEFAULT_SOURCE 1 /* declares dlopen with -std=c11 everywhere */
#include "check.h"
#include "guarded.h"
#include "program.h"

#include <dlfcn.h>

/* How the compiler of the build is called: with all warnings as errors and, where the machine has
 * fused multiply-add, with the option that lets the compiler use it. */
#define COMPILE                                                                                    \
    TEST_CC " -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -O1 -fPIC -shared "

static const char *fma_option(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    return __builtin_cpu_supports("fma") ? "-mfma " : "";
#else
    return "";
#endif
}

/* Whether programs that are compiled so have fused multiply-add, by the macros that they test. */
static bool has_fma(void)
{
    char text[256], command[512];
    snprintf(command, sizeof command,
             "echo 'FP_FAST __FP_FAST_FMAF FMA __FMA__ ARM __ARM_FEATURE_FMA' | " TEST_CC " %s-E -",
             fma_option());
    assert_int_equal(program_run(text, sizeof text, command), 0);
    return !strstr(text, "__FP_FAST_FMAF") || !strstr(text, "__FMA__") ||
           !strstr(text, "__ARM_FEATURE_FMA");
}

typedef void prediction(const float *in, float *out);

typedef struct compiled {
    void *library;
    prediction *predict;
} compiled;

/* Writes the program of net and compiles it with the options. */
static compiled compile(tg_module *net, tg_tensor *x, const char *options)
{
    static int number; /* dlopen would return the old library for an old name */
    char command[1024], text[4096], path[64];
    compiled c;
    FILE *file = fopen("model.c", "w");
    assert_non_null(file);
    tg_export_c(net, x, file, NULL);
    assert_int_equal(fclose(file), 0);
    check_ok(x->context);
    snprintf(path, sizeof path, "./model%d.so", number++);
    snprintf(command, sizeof command, COMPILE "%s -o %s model.c -lm 2>&1", options, path);
    if (program_run(text, sizeof text, command)) fail_msg("%s\n%s", command, text);
    c.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!c.library) fail_msg("%s", dlerror());
    void *symbol = dlsym(c.library, "model_predict");
    assert_non_null(symbol);
    memcpy(&c.predict, &symbol, sizeof symbol);
    return c;
}

/* Checks that the program gives for x what net does: the same bits, any NaN for NaN; or without
 * fused multiply-add numbers that differ by at most `tolerance` times the greater of 1 and their
 * size. */
static void check_prediction(const compiled *c, tg_module *net, tg_tensor *x, double tolerance)
{
    const tg_tensor *y = tg_forward(net, x);
    check_ok(x->context);
    tg_tensor *in = tg_contiguous(x), *out = tg_full(x->context, TG_F32, TG_SHAPE(y->numel), 77);
    c->predict(in->data, out->data);
    for (int64_t i = 0; i < y->numel; i++) {
        const double want = element_of(y, i), got = (double)((const float *)out->data)[i];
        if (isnan(want) && isnan(got)) continue;
        const bool same = got == want && signbit(got) == signbit(want);
        const double size = fabs(want) > 1 ? fabs(want) : 1;
        if (!same && !(tolerance > 0 && fabs(got - want) <= tolerance * size))
            fail_msg("element %lld is %a, not %a", (long long)i, got, want);
    }
}

/* Compiles net with and without fused multiply-add, and checks the outputs for x. */
static void check_network(tg_module *net, tg_tensor *x)
{
    const char *const options[] = {fma_option(), ""};
    check_ok(x->context);
    for (int i = 0; i < 2; i++) {
        const compiled c = compile(net, x, options[i]);
        check_prediction(&c, net, x, i == 0 && has_fma() ? 0 : 1e-6);
        dlclose(c.library);
    }
}

/* ---- The networks. */

typedef tg_tensor *function(tg_tensor *x);

static tg_module *apply(tg_context *tg, function *f)
{
    return tg_lambda(tg, f);
}

/* A network of one function of x, which has rows of numbers of many sizes and both signs, with
 * zeros, subnormals, infinities and NaN among them. */
static void check_function(void **state, function *f, int64_t rows, int64_t columns)
{
    static const float special[] = {0.0f,     -0.0f,     0x1p-149f, -0x1p-140f, 0x1p-126f,
                                    INFINITY, -INFINITY, NAN,       1e-20f,     -1e-5f,
                                    3e38f,    -3e38f,    88.5f,     -87.5f,     -103.5f,
                                    90.0f,    -1.0f,     1.0f,      0.5f,       0x1.fffffep-1f};
    enum { SPECIAL = sizeof special / sizeof *special };
    tg_context *tg = *state;
    tg_module *net = apply(tg, f);
    tg_tensor *ordinary = tg_randn(tg, TG_F32, TG_SHAPE(rows, columns)), *x = tg_clone(ordinary);
    float *values = x->data;
    for (int64_t i = 0; i < x->numel; i++)
        values[i] =
            i % 3 == 0 ? special[i / 3 % SPECIAL] : values[i] * ldexpf(1, (int)(i % 17) - 8);
    const compiled exact = compile(net, ordinary, fma_option());
    if (has_fma()) check_prediction(&exact, net, x, 0);
    check_prediction(&exact, net, ordinary, has_fma() ? 0 : 1e-6);
    dlclose(exact.library);
    const compiled plain = compile(net, ordinary, "");
    check_prediction(&plain, net, ordinary, 1e-6);
    dlclose(plain.library);
}

static tg_tensor *leaky(tg_tensor *x)
{
    return tg_leaky_relu(x, 0.1);
}
static tg_tensor *elu(tg_tensor *x)
{
    return tg_elu(x, 1.5);
}
static tg_tensor *plain_elu(tg_tensor *x)
{
    return tg_elu(x, 1);
}

static tg_tensor *softplus(tg_tensor *x)
{
    return tg_softplus(x, 2, 20);
}
static tg_tensor *gelu(tg_tensor *x)
{
    return tg_gelu(x, TG_GELU_NONE);
}
static tg_tensor *gelu_tanh(tg_tensor *x)
{
    return tg_gelu(x, TG_GELU_TANH);
}
static tg_tensor *hardtanh(tg_tensor *x)
{
    return tg_hardtanh(x, -0.5, 2);
}
static tg_tensor *softmax(tg_tensor *x)
{
    return tg_softmax(x, -1);
}
static tg_tensor *log_softmax(tg_tensor *x)
{
    return tg_log_softmax(x, -1);
}
static tg_tensor *softmax_of_columns(tg_tensor *x)
{
    return tg_softmax(x, 0);
}

static void activations_have_the_bits_of_the_library(void **state)
{
    static function *const all[] = {
        tg_relu,       tg_relu6, leaky,       hardtanh,       tg_sigmoid,  tg_tanh,
        elu,           tg_selu,  gelu,        gelu_tanh,      tg_silu,     tg_mish,
        tg_logsigmoid, softplus, tg_softsign, tg_hardsigmoid, tg_hardswish};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_function(state, all[i], 3, 67);
}

/* The sign of the zero remains: infinities of the sign of -x. */
static tg_tensor *over_minus_zero(tg_tensor *x)
{
    return tg_reciprocal(tg_mul_scalar(x, -0.0));
}

static void numbers_keep_their_bits(void **state)
{
    check_function(state, over_minus_zero, 2, 60);
}

static void softmax_has_the_bits_of_the_library(void **state)
{
    static function *const all[] = {softmax, log_softmax, softmax_of_columns};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        check_function(state, all[i], 2, 10);
        check_function(state, all[i], 1, 1);
        check_function(state, all[i], 3, 1000);
    }
}

/* All elementwise operations that are no activations, in one expression. */
static tg_tensor *arithmetic(tg_tensor *x)
{
    tg_tensor *y = tg_add_scalar(tg_square(x), 0.25), *z = tg_sqrt(y);
    y = tg_sub(tg_mul_scalar(z, 3), tg_div(x, tg_rsub_scalar(tg_neg(z), 1)));
    y = tg_maximum(tg_minimum(y, tg_abs(x)), tg_sign(x));
    z = tg_add(tg_rsqrt(tg_exp(x)), tg_reciprocal(tg_add_scalar(tg_abs(x), 2)));
    y = tg_add(y, tg_mul(z, tg_log(tg_add_scalar(tg_abs(x), 1))));
    z = tg_add(tg_floor(x), tg_add(tg_ceil(y), tg_add(tg_round(z), tg_trunc(x))));
    z = tg_where(tg_ge(x, y), tg_sub_scalar(z, 2), tg_masked_fill(x, tg_le_scalar(y, 0.5), -1));
    z = tg_add(z, tg_cast(tg_logical_and(tg_lt(x, z), tg_ne_scalar(y, 0)), TG_F32));
    z = tg_add(z, tg_add(tg_pow_scalar(x, 3), tg_pow_scalar(tg_abs(x), -0.5)));
    y = tg_add(tg_expm1(tg_clamp(x, -2, 2)), tg_add(tg_log1p(tg_abs(x)), tg_erf(y)));
    return tg_add(tg_div_scalar(z, 7), tg_add_alpha(y, tg_eq_scalar(x, 1) ? x : x, 0.5));
}

static void arithmetic_has_the_bits_of_the_library(void **state)
{
    check_function(state, arithmetic, 5, 41);
}

/* ---- Perceptrons. */

static tg_module *perceptron(tg_context *tg, int n, const int64_t *sizes, function *f)
{
    tg_module *items[16];
    int count = 0;
    for (int i = 0; i + 1 < n; i++) {
        if (i) items[count++] = apply(tg, f);
        items[count++] = tg_linear(tg, sizes[i], sizes[i + 1], i % 2 ? TG_NO_BIAS : TG_BIAS);
    }
    return tg_sequential((tg_modules){count, items});
}

#define SIZES(...)                                                                                 \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                         \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void check_perceptron(tg_context *tg, int n, const int64_t *sizes, function *f)
{
    tg_module *net = perceptron(tg, n, sizes, f);
    check_network(net, tg_randn(tg, TG_F32, TG_SHAPE(1, sizes[0])));
    check_network(net, tg_randn(tg, TG_F32, TG_SHAPE(sizes[0])));
    check_network(net, tg_randn(tg, TG_F32, TG_SHAPE(5, sizes[0])));
}

static void perceptrons_have_the_bits_of_the_library(void **state)
{
    tg_context *tg = *state;
    check_perceptron(tg, SIZES(1, 1), tg_relu);
    check_perceptron(tg, SIZES(2, 3, 1), tg_tanh);
    check_perceptron(tg, SIZES(15, 16, 17, 5), tg_sigmoid);
    check_perceptron(tg, SIZES(64, 32, 10), tg_relu);
    check_perceptron(tg, SIZES(100, 9, 1), gelu);
    check_perceptron(tg, SIZES(513, 8, 2), tg_silu);
    check_perceptron(tg, SIZES(1025, 3, 1), tg_tanh);
    check_perceptron(tg, SIZES(4400, 2, 4), tg_tanh);
}

/* ---- Images. */

static tg_tensor *halve(tg_tensor *x)
{
    return tg_max_pool2d(x, TG_POOL(.kernel = {2, 2}));
}
static tg_tensor *overlapping_max(tg_tensor *x)
{
    return tg_max_pool2d(x, TG_POOL(.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1},
                                    .dilation = {1, 2}, .ceil_mode = true));
}
static tg_tensor *max_of_permuted(tg_tensor *x)
{
    return halve(tg_permute(x, TG_DIMS(0, 3, 1, 2)));
}

static tg_tensor *mean_pool(tg_tensor *x)
{
    return tg_avg_pool2d(x, TG_POOL(.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}));
}
static tg_tensor *mean_pool_inside(tg_tensor *x)
{
    return tg_avg_pool2d(x, TG_POOL(.kernel = {2, 3}, .padding = {1, 1}, .ceil_mode = true,
                                    .count_include_pad = false));
}
static tg_tensor *global_mean(tg_tensor *x)
{
    return tg_mean_dims(x, TG_DIMS(-2, -1), false);
}

/* Gives BatchNorm statistics and parameters as training does. */
static tg_module *trained(tg_context *tg, tg_module *net)
{
    const tg_list buffers = tg_buffers(net), parameters = tg_parameters(net);
    tg_no_grad_begin(tg);
    for (int i = 0; i < buffers.n; i++)
        if (buffers.items[i]->dtype == TG_F32) tg_uniform_(buffers.items[i], 0.25, 1.5);
    for (int i = 0; i < parameters.n; i++)
        if (parameters.items[i]->ndim == 1) tg_uniform_(parameters.items[i], -1, 1);
    tg_no_grad_end(tg);
    return tg_eval(net);
}

static void convolutions_have_the_bits_of_the_library(void **state)
{
    tg_context *tg = *state;
    tg_module *a = tg_conv2d_layer(tg, 1, 6, TG_SHAPE(5, 5), TG_BIAS, NULL);
    tg_module *b = tg_conv2d_layer(tg, 6, 16, TG_SHAPE(3, 3), TG_NO_BIAS,
                                   TG_CONV(.padding = {1, 0}, .stride = {1, 2}));
    tg_module *top = tg_linear(tg, 16 * 4 * 2, 10, TG_BIAS);
    tg_module *lenet = tg_sequential(
        TG_MODULES(a, tg_batchnorm2d(tg, 6, NULL), apply(tg, tg_relu), apply(tg, halve), b,
                   tg_batchnorm2d(tg, 16, NULL), apply(tg, tg_tanh), tg_dropout_layer(tg, 0.5),
                   tg_flatten_layer(tg, 1, -1), top, apply(tg, softmax)));
    trained(tg, lenet);
    check_network(lenet, tg_randn(tg, TG_F32, TG_SHAPE(1, 1, 12, 14)));
    check_network(lenet, tg_randn(tg, TG_F32, TG_SHAPE(3, 1, 12, 14)));

    /* Groups, dilation, one output, a kernel as large as the image, and many terms. */
    tg_module *c = tg_conv2d_layer(tg, 4, 6, TG_SHAPE(3, 2), TG_BIAS,
                                   TG_CONV(.groups = 2, .dilation = {2, 1}, .padding = {2, 2}));
    tg_module *d = tg_conv2d_layer(tg, 6, 1, TG_SHAPE(3, 3), TG_BIAS, NULL);
    tg_module *e = tg_conv2d_layer(tg, 1, 5, TG_SHAPE(4, 5), TG_BIAS, NULL);
    check_network(tg_sequential(TG_MODULES(c, d, e)), tg_randn(tg, TG_F32, TG_SHAPE(2, 4, 6, 5)));
    tg_module *f = tg_conv2d_layer(tg, 120, 9, TG_SHAPE(3, 3), TG_BIAS, NULL);
    check_network(f, tg_randn(tg, TG_F32, TG_SHAPE(120, 4, 5)));
    tg_module *h = tg_conv2d_layer(tg, 16, 1, TG_SHAPE(1, 1), TG_BIAS, NULL);
    check_network(h, tg_randn(tg, TG_F32, TG_SHAPE(1, 16, 2, 3)));
}

static void conv1d_and_batchnorm1d_have_the_bits_of_the_library(void **state)
{
    tg_context *tg = *state;
    tg_module *a = tg_conv1d_layer(tg, 2, 5, TG_SHAPE(3), TG_BIAS, TG_CONV(.padding[0] = 1));
    tg_module *b = tg_linear(tg, 5 * 9, 4, TG_BIAS);
    tg_module *net =
        tg_sequential(TG_MODULES(a, tg_batchnorm1d(tg, 5, NULL), apply(tg, leaky),
                                 tg_flatten_layer(tg, 1, -1), b, tg_batchnorm1d(tg, 4, NULL)));
    check_network(trained(tg, net), tg_randn(tg, TG_F32, TG_SHAPE(2, 2, 9)));
}

static void pooling_has_the_bits_of_the_library(void **state)
{
    tg_context *tg = *state;
    static function *const all[] = {halve,     max_of_permuted,  overlapping_max,
                                    mean_pool, mean_pool_inside, global_mean};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(2, 3, 7, 6));
        tg_module *net = apply(tg, all[i]);
        check_network(net, x);
        const compiled c = compile(net, x, fma_option());
        tg_set(x, TG_SHAPE(0, 1, 2, 3), NAN);
        tg_set(x, TG_SHAPE(1, 1, 2, 3), INFINITY);
        tg_set(x, TG_SHAPE(1, 2, 0, 0), -INFINITY);
        check_prediction(&c, net, x, 0);
        dlclose(c.library);
    }
}

/* ---- Other shapes of networks. */

/* x + f(x): a residual block, whose layers share a weight. */
static tg_tensor *residual(tg_module *self, tg_tensor *x)
{
    tg_module *f = tg_submodule(self, "f");
    return tg_relu(tg_add(x, tg_forward(f, tg_relu(tg_forward(f, x)))));
}

static void residual_blocks_have_the_bits_of_the_library(void **state)
{
    tg_context *tg = *state;
    tg_module *block = tg_module_new(tg, "Residual", residual, 0);
    tg_register_module(block, "f", tg_linear(tg, 24, 24, TG_BIAS));
    check_network(tg_sequential(TG_MODULES(block, tg_layernorm(tg, TG_SHAPE(24), NULL))),
                  tg_randn(tg, TG_F32, TG_SHAPE(1, 24)));
}

/* Attention of one head: products of activations, their transposes, and a mask of constants. */
static tg_tensor *attention(tg_module *self, tg_tensor *x)
{
    tg_tensor *q = tg_forward(tg_submodule(self, "q"), x),
              *k = tg_forward(tg_submodule(self, "k"), x);
    tg_tensor *future = tg_triu(tg_ones(x->context, TG_F32, TG_SHAPE(x->shape[1], x->shape[1])), 1);
    tg_tensor *scores = tg_mul_scalar(tg_matmul(q, tg_transpose(k, -2, -1)), 0.25);
    scores = tg_masked_fill(scores, tg_eq_scalar(future, 1), -INFINITY);
    return tg_matmul(tg_softmax(scores, -1), x);
}

static void attention_has_the_bits_of_the_library(void **state)
{
    tg_context *tg = *state;
    tg_module *a = tg_module_new(tg, "Attention", attention, 0);
    tg_register_module(a, "q", tg_linear(tg, 16, 16, TG_BIAS));
    tg_register_module(a, "k", tg_linear(tg, 16, 16, TG_NO_BIAS));
    tg_module *norm = tg_layernorm(tg, TG_SHAPE(16), TG_NORM(.eps = 1e-3));
    check_network(tg_sequential(TG_MODULES(a, norm)), tg_randn(tg, TG_F32, TG_SHAPE(2, 5, 16)));
    check_network(a, tg_randn(tg, TG_F32, TG_SHAPE(1, 1, 16)));
}

/* Views of all kinds, joined tensors, and products of vectors with constants on either side. */
static tg_tensor *shapes(tg_tensor *x)
{
    tg_context *tg = x->context;
    tg_tensor *grid = tg_reshape(x, TG_SHAPE(4, 6));
    tg_tensor *left = tg_narrow(grid, 1, 1, 3), *right = tg_slice(grid, 1, 0, 6, 2);
    tg_tensor *sum = tg_add(left, right);
    tg_tensor *both = tg_cat(TG_LIST(sum, tg_t(tg_view(tg_clone(sum), TG_SHAPE(3, 4))), left), 1);
    tg_tensor *w = tg_linspace(tg, TG_F32, 0, 1, 36);
    tg_tensor *a = tg_matmul(tg_view(w, TG_SHAPE(9, 4)), both),
              *b = tg_matmul(both, tg_narrow(w, 0, 3, 9));
    tg_tensor *c = tg_matmul(tg_select(both, 1, 2), both);
    tg_tensor *d = tg_expand(tg_unsqueeze(b, 1), TG_SHAPE(4, 9));
    tg_tensor *e = tg_stack(
        TG_LIST(tg_add(d, c), tg_sub(both, tg_permute(tg_narrow(a, 0, 0, 4), TG_DIMS(0, 1)))), 1);
    return tg_sum_dims(tg_squeeze(tg_movedim(e, TG_DIMS(0), TG_DIMS(2))), TG_DIMS(1), false);
}

static void views_and_products_have_the_bits_of_the_library(void **state)
{
    tg_context *tg = *state;
    check_network(apply(tg, shapes), tg_randn(tg, TG_F32, TG_SHAPE(24)));
}

/* Operands in which a dimension is repeated, with stride 0: constants and activations, on the left
 * and on the right of products, beside other tensors, and under sums. */
static tg_tensor *repeated(tg_tensor *x)
{
    tg_context *tg = x->context;
    tg_tensor *token = tg_expand(tg_linspace(tg, TG_F32, 1, 2, 4), TG_SHAPE(3, 4));
    tg_tensor *column = tg_linspace(tg, TG_F32, 2, 3, 4), *row = tg_narrow(x, 0, 1, 1);
    tg_tensor *wide = tg_expand(tg_unsqueeze(column, 1), TG_SHAPE(4, 5));
    tg_tensor *same = tg_expand(tg_t(row), TG_SHAPE(4, 5));
    tg_tensor *a = tg_sum(tg_cat(TG_LIST(x, token), 0)),
              *b = tg_sum(tg_stack(TG_LIST(token, x, tg_expand(row, TG_SHAPE(3, 4))), 1));
    tg_tensor *c = tg_matmul(x, wide), *d = tg_matmul(x, same), *e = tg_matmul(token, same);
    tg_tensor *f = tg_matmul(tg_t(wide), tg_t(x)), *g = tg_matmul(tg_t(same), tg_t(token));
    tg_tensor *far = tg_reshape(tg_t(x), TG_SHAPE(3, 4));
    tg_tensor *h = tg_sum_dims(tg_expand(tg_unsqueeze(tg_t(far), 2), TG_SHAPE(4, 3, 5)), TG_DIMS(2),
                               TG_KEEPDIM);
    tg_tensor *flat[] = {c, d, e, f, g, h, a, b};
    for (int i = 0; i < 8; i++) flat[i] = tg_flatten(flat[i], 0, -1);
    return tg_cat((tg_list){8, flat}, 0);
}

static void repeated_dimensions_have_the_bits_of_the_library(void **state)
{
    tg_context *tg = *state;
    check_network(apply(tg, repeated), tg_randn(tg, TG_F32, TG_SHAPE(3, 4)));
}

/* Writes over its own results, and uses constants that are made in the forward. */
static tg_tensor *in_place(tg_tensor *x)
{
    tg_tensor *y = tg_mul_scalar(x, 2), *z = tg_zeros_like(x);
    tg_add_(y, tg_full(x->context, TG_F32, TG_SHAPE(), 0.1));
    tg_mul_scalar_(y, 3);
    tg_copy_(z, y);
    return tg_add(tg_detach(y), tg_mul(z, tg_linspace(x->context, TG_F32, 0, 1, x->shape[1])));
}

/* Products of one row with weights that the forward makes: the strides of a weight decide in which
 * order the terms are added. */
static tg_tensor *made_weights(tg_tensor *x)
{
    tg_tensor *w = tg_mul_scalar(tg_linspace(x->context, TG_F32, -1, 2, 2 * 17 * 40), 0.7);
    tg_tensor *columns = tg_t(tg_view(tg_narrow(w, 0, 0, 17 * 40), TG_SHAPE(17, 40)));
    tg_tensor *apart = tg_t(tg_slice(tg_view(w, TG_SHAPE(17, 80)), 1, 0, 80, 2));
    return tg_add(tg_matmul(x, columns), tg_matmul(x, apart));
}

static void products_with_weights_made_in_the_forward_have_the_bits_of_the_library(void **state)
{
    tg_context *tg = *state;
    check_network(apply(tg, made_weights), tg_randn(tg, TG_F32, TG_SHAPE(1, 40)));
}

/* Replaces its results, of which the old values do not count. */
static tg_tensor *replacing(tg_tensor *x)
{
    tg_tensor *constant = tg_linspace(x->context, TG_F32, 0, 1, x->shape[1]);
    tg_tensor *y = tg_relu(x), *z = tg_exp(x), *u = tg_neg(x), *v = tg_square(x);
    tg_copy_(y, tg_sigmoid(x));
    tg_copy_(z, constant);
    tg_add_(z, x);
    tg_zero_(u);
    tg_fill_(v, 3);
    return tg_add(tg_mul(y, z), tg_add(u, v));
}

static void writes_in_place_have_the_bits_of_the_library(void **state)
{
    tg_context *tg = *state;
    check_network(apply(tg, replacing), tg_randn(tg, TG_F32, TG_SHAPE(2, 5)));
    check_network(apply(tg, in_place), tg_randn(tg, TG_F32, TG_SHAPE(2, 5)));
}

static tg_tensor *itself(tg_tensor *x)
{
    return x;
}
static tg_tensor *its_transpose(tg_tensor *x)
{
    return tg_t(x);
}

/* Looks at its input and at an operation that has no form, but does not compute with them. */
static tg_tensor *watchful(tg_tensor *x)
{
    if (tg_item(tg_max(tg_sort(x, 0))) > 1e30) printf("a large number");
    return tg_neg(x);
}

static void networks_may_do_little(void **state)
{
    tg_context *tg = *state;
    check_network(apply(tg, itself), tg_randn(tg, TG_F32, TG_SHAPE(2, 5)));
    check_network(apply(tg, its_transpose), tg_randn(tg, TG_F32, TG_SHAPE(2, 5)));
    check_network(apply(tg, watchful), tg_randn(tg, TG_F32, TG_SHAPE(2, 5)));
}

/* The network of tests/golden/export.py, with PyTorch's parameters because of the same seed. The
 * program's probabilities differ from those of PyTorch's float64 by roundings of 6e-8 each. */
static void a_program_predicts_what_pytorch_predicts(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 7);
    tg_module *conv =
        tg_conv2d_layer(tg, 1, 4, TG_SHAPE(3, 3), TG_BIAS, TG_CONV(.padding = {1, 1}));
    tg_module *norm = tg_batchnorm2d(tg, 4, NULL);
    tg_module *first = tg_linear(tg, 64, 24, TG_BIAS), *second = tg_linear(tg, 24, 10, TG_BIAS);
    tg_module *third = tg_linear(tg, 10, 5, TG_BIAS);
    tg_uniform_(tg_buffer(norm, "running_mean"), -1, 1);
    tg_uniform_(tg_buffer(norm, "running_var"), 0.5, 2);
    tg_tensor *images = tg_randn(tg, TG_F32, TG_SHAPE(4, 1, 8, 8));
    tg_module *net = tg_eval(tg_sequential(
        TG_MODULES(conv, norm, apply(tg, gelu), apply(tg, halve), tg_flatten_layer(tg, 1, -1),
                   first, tg_layernorm(tg, TG_SHAPE(24), NULL), apply(tg, tg_silu), second,
                   apply(tg, plain_elu), third, apply(tg, softmax))));
    FILE *golden = fopen(TEST_ROOT "/tests/golden/export_golden.txt", "r");
    assert_non_null(golden);
    const compiled c = compile(net, tg_narrow(images, 0, 0, 1), fma_option());
    for (int i = 0; i < 4; i++) {
        float out[5];
        c.predict((const float *)images->data + 64 * i, out);
        for (int j = 0; j < 5; j++) {
            double want;
            assert_int_equal(fscanf(golden, "%lf", &want), 1);
            if (!(fabs((double)out[j] - want) <= 1e-6))
                fail_msg("image %d, output %d: %g, not %g", i, j, (double)out[j], want);
        }
    }
    dlclose(c.library);
    fclose(golden);
}

/* ---- What is refused. The messages name the module and the operation, and nothing is written. */

static tg_tensor *sorted(tg_tensor *x)
{
    return tg_sort(x, -1);
}

static tg_tensor *scaled_by_its_maximum(tg_tensor *x)
{
    return tg_mul_scalar(x, 1 / tg_item(tg_max(tg_contiguous(x))));
}

static tg_tensor *other_way_for_positive(tg_tensor *x)
{
    return tg_get(x, TG_SHAPE(0, 0)) > 0 ? tg_relu(x) : tg_neg(x);
}

static tg_tensor *constant(tg_tensor *x)
{
    return tg_ones_like(x);
}

static tg_tensor *wide(tg_tensor *x)
{
    return tg_cast(tg_cast(x, TG_F64), TG_F32);
}

static tg_tensor *truths(tg_tensor *x)
{
    return tg_gt_scalar(x, 0);
}

static tg_tensor *sum_of_columns(tg_tensor *x)
{
    return tg_sum_dims(x, TG_DIMS(0), false);
}

static tg_tensor *mean_of_distances(tg_tensor *x)
{
    return tg_l1_loss(x, tg_zeros_like(x), NULL);
}

static tg_tensor *padded(tg_tensor *x)
{
    return tg_pad(x, TG_SHAPE(1, 1), 0);
}

/* The library adds these terms as those of columns, since their sums are made of neighbours. */
static tg_tensor *repeated_terms(tg_tensor *x)
{
    tg_tensor *flat = tg_flatten(x, 0, -1);
    return tg_sum_dims(tg_expand(tg_unsqueeze(flat, 1), TG_SHAPE(flat->numel, 5)), TG_DIMS(1),
                       false);
}

static tg_tensor *cube_root(tg_tensor *x)
{
    return tg_pow_scalar(x, 1.0 / 3);
}

static tg_tensor *partly_overwritten(tg_tensor *x)
{
    tg_tensor *y = tg_neg(x);
    tg_copy_(tg_narrow(y, 0, 0, 1), tg_narrow(x, 0, 0, 1));
    return y;
}

static tg_tensor *empty(tg_tensor *x)
{
    return tg_exp(tg_narrow(x, 0, 0, 0));
}

static tg_tensor *dropped(tg_tensor *x)
{
    return tg_dropout(x, 0.5, true);
}

/* Adds 1 to a buffer at each call. */
static tg_tensor *counting(tg_module *self, tg_tensor *x)
{
    return tg_add(x, tg_add_scalar_(tg_buffer(self, "count"), 1));
}

/* Checks that net is refused with this message, without a change of the context. */
static void check_refused(tg_module *net, tg_tensor *x, tg_status code, const char *message)
{
    tg_context *tg = x->context;
    FILE *file = tmpfile();
    assert_non_null(file);
    check_ok(tg);
    assert_false(tg_export_c(net, x, file, NULL));
    assert_int_equal(ftell(file), 0);
    fclose(file);
    check_error(tg, code, message);
}

static void functions_without_a_form_are_refused(void **state)
{
    tg_context *tg = *state;
    static const struct {
        function *f;
        const char *message;
    } all[] = {
        {sorted, "export_c: sort has no form in C"},
        {tg_sin, "export_c: sin has no form in C"},
        {padded, "export_c: pad has no form in C"},
        {mean_of_distances, "export_c: l1_loss as a sum or mean has no form in C; use TG_NONE, "
                            "then tg_sum or tg_mean"},
        {repeated_terms,
         "export_c: sum over elements that do not lie side by side has no form in C; sum over the "
         "last dimensions, of a tg_contiguous tensor"},
        {cube_root,
         "export_c: pow_scalar has a form in C for the exponents 1, 2, 3, -1, -2, 0.5 and "
         "-0.5 alone"},
        {scaled_by_its_maximum,
         "export_c: the forward computes with numbers that it has read from its input, or takes "
         "other steps for another input; use operations on tensors, as tg_where"},
        {other_way_for_positive, "export_c: the forward computes with numbers that it has read "
                                 "from its input, or takes other "
                                 "steps for another input; use operations on tensors, as tg_where"},
        {constant, "export_c: the output does not depend on the input"},
        {wide, "export_c: cast to another dtype than float32 has no form in C"},
        {truths, "export_c: the output is bool, but must be float32; use tg_cast"},
        {sum_of_columns,
         "export_c: sum over elements that do not lie side by side has no form in C; sum over the "
         "last dimensions, of a tg_contiguous tensor"},
        {partly_overwritten, "export_c: copy_ writes to a part of a tensor"},
        {empty, "export_c: exp has a result without elements, or one that is too large"},
        {dropped,
         "export_c: dropout follows a draw of random numbers; tg_eval lets Dropout do nothing"},
    };
    tg_tensor *x = tg_full(tg, TG_F32, TG_SHAPE(2, 3), 0.25);
    tg_set(x, TG_SHAPE(0, 0), -0.125);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char message[400];
        check_refused(apply(tg, all[i].f), x, TG_ERR_ARGUMENT, all[i].message);
        snprintf(message, sizeof message, "1 (Lambda): %s", all[i].message);
        tg_module *net = tg_sequential(TG_MODULES(apply(tg, tg_neg), apply(tg, all[i].f)));
        const bool whole = strstr(message, "the forward") || strstr(message, "the output");
        if (all[i].f != constant)
            check_refused(net, x, TG_ERR_ARGUMENT, whole ? all[i].message : message);
    }
}

static void networks_that_train_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(4, 3)),
              *image = tg_randn(tg, TG_F32, TG_SHAPE(1, 2, 3, 3));
    tg_module *dropout =
        tg_sequential(TG_MODULES(tg_dropout_layer(tg, 0.5), tg_linear(tg, 3, 2, TG_BIAS)));
    check_refused(dropout, x, TG_ERR_ARGUMENT,
                  "0 (Dropout): export_c: dropout follows a draw of random numbers; tg_eval lets "
                  "Dropout do nothing");
    check_refused(tg_batchnorm1d(tg, 3, NULL), x, TG_ERR_ARGUMENT,
                  "export_c: batchnorm1d writes to a tensor that was there before the forward; "
                  "tg_eval stops BatchNorm from changing its statistics");
    tg_module *norm2d = tg_sequential(TG_MODULES(tg_batchnorm2d(tg, 2, NULL)));
    check_refused(norm2d, image, TG_ERR_ARGUMENT,
                  "0 (BatchNorm2d): export_c: batchnorm2d writes to a tensor that was there before "
                  "the forward; tg_eval stops BatchNorm from changing its statistics");
    tg_module *of_batch = tg_batchnorm1d(tg, 3, TG_NORM(.track_running_stats = false));
    check_refused(tg_eval(of_batch), x, TG_ERR_ARGUMENT,
                  "export_c: batchnorm1d normalizes over the batch, as BatchNorm without running "
                  "statistics does; that has no form in C");
    check_values(tg_buffer(norm2d, "0.running_mean"), 0, 0);
    check_values(tg_buffer(norm2d, "0.num_batches_tracked"), 0);
    check_network(tg_eval(norm2d), image);

    tg_module *counts = tg_module_new(tg, "Counts", counting, 0);
    tg_register_buffer(counts, "count", tg_zeros(tg, TG_F32, TG_SHAPE(1)));
    check_refused(counts, x, TG_ERR_ARGUMENT,
                  "export_c: add_scalar_ writes to a tensor that was there before the forward; "
                  "tg_eval stops BatchNorm from changing its statistics");
    check_values(tg_buffer(counts, "count"), 0);
}

static void the_random_stream_is_left_alone(void **state)
{
    tg_context *tg = *state;
    tg_module *net = apply(tg, dropped);
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(3));
    tg_manual_seed(tg, 5);
    const double want = tg_item(tg_rand(tg, TG_F64, TG_SHAPE()));
    tg_manual_seed(tg, 5);
    FILE *file = tmpfile();
    assert_false(tg_export_c(net, x, file, NULL));
    fclose(file);
    tg_clear_error(tg);
    assert_true(tg_item(tg_rand(tg, TG_F64, TG_SHAPE())) == want);
}

static void wrong_arguments_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_linear(tg, 3, 2, TG_BIAS);
    tg_tensor *x = tg_zeros(tg, TG_F32, TG_SHAPE(1, 3));
    FILE *file = tmpfile();
    assert_false(tg_export_c(NULL, x, file, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "export_c: the module is NULL");
    assert_false(tg_export_c(net, NULL, file, NULL));
    check_ok(tg); /* NULL for the tensor that knows the context */
    assert_false(tg_export_c(net, x, NULL, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "export_c: the file is NULL");
    check_refused(net, tg_zeros(tg, TG_F32, TG_SHAPE(1, 4)), TG_ERR_SHAPE,
                  "linear: input [1, 4], weight [2, 3]: the last size of the input must be "
                  "in_features, 3");
    check_refused(net, tg_zeros(tg, TG_F32, TG_SHAPE(0, 3)), TG_ERR_SHAPE,
                  "export_c: the example [0, 3] has no elements, or too many");
    check_refused(net, tg_zeros(tg, TG_F64, TG_SHAPE(1, 3)), TG_ERR_DTYPE,
                  "export_c: the example is float64, but only float32 is written as C; make the "
                  "example and the module float32 (tg_cast, tg_set_default_dtype)");
    check_refused(tg_mseloss(tg, TG_MEAN), x, TG_ERR_ARGUMENT,
                  "forward: MSELoss is a loss and takes two tensors; use tg_loss");
    static const char *const names[] = {"",       "1st",
                                        "_net",   "a-b",
                                        "a b",    "int",
                                        "double", "class",
                                        "inline", "n\xc3\xa9t",
                                        "while",  "*/",
                                        "a;",     "a_name_that_is_far_too_long_for_it"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char message[400];
        snprintf(message, sizeof message,
                 "export_c: the name '%s' is no identifier of at most 31 letters, digits and "
                 "underscores, of which the first is a letter, or is a word of C or C++",
                 names[i]);
        assert_false(tg_export_c(net, x, file, TG_EXPORT(.name = names[i])));
        check_error(tg, TG_ERR_ARGUMENT, message);
    }
    assert_false(tg_export_c(net, x, file, &(tg_export_options){NULL}));
    assert_non_null(strstr(tg_error(tg), "the name NULL is no identifier"));
    tg_clear_error(tg);
    assert_true(tg_export_c(net, x, file, TG_EXPORT(.name = "integer")));
    fclose(file);
}

static void a_full_disk_is_an_error(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_linear(tg, 300, 200, TG_BIAS);
    tg_tensor *x = tg_zeros(tg, TG_F32, TG_SHAPE(1, 300));
    FILE *file = fopen("/dev/full", "w");
    if (!file) skip(); /* not on Linux */
    assert_false(tg_export_c(net, x, file, NULL));
    fclose(file);
    check_error(tg, TG_ERR_IO, "export_c: the file could not be written");
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (long at = 1;; at++) {
        guarded g = {0};
        tg_context *tg = open_on_guarded(&g);
        tg_module *conv = tg_conv2d_layer(tg, 1, 2, TG_SHAPE(3, 3), TG_BIAS, NULL);
        tg_module *net = tg_sequential(TG_MODULES(conv, tg_batchnorm2d(tg, 2, NULL),
                                                  apply(tg, tg_relu), tg_flatten_layer(tg, 1, -1)));
        tg_eval(net);
        tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(1, 1, 40, 40));
        check_ok(tg);
        g.fail_at = g.asked + at;
        FILE *file = tmpfile();
        const bool done = tg_export_c(net, x, file, NULL);
        fclose(file);
        const bool failed = g.failed > 0;
        if (!done) assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
        assert_true(done || failed);
        tg_close(tg);
        assert_int_equal(g.blocks, 0);
        assert_false(g.damaged);
        if (!failed) break;
    }
}

/* ---- What may be done with the file. */

static void weights_that_are_not_finite_are_written(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_linear(tg, 2, 4, TG_BIAS);
    tg_no_grad_begin(tg);
    tg_copy_from_f32(tg_param(net, "weight"),
                     (float[]){INFINITY, 1, -INFINITY, 2, NAN, 0, 0x1p-149f, -0.0f});
    tg_no_grad_end(tg);
    check_network(net, tg_ones(tg, TG_F32, TG_SHAPE(1, 2)));
}

static void fast_math_is_refused(void **state)
{
    char text[4096];
    tg_context *tg = *state;
    FILE *file = fopen("fast.c", "w");
    assert_true(tg_export_c(apply(tg, tg_tanh), tg_zeros(tg, TG_F32, TG_SHAPE(2)), file, NULL));
    assert_int_equal(fclose(file), 0);
    assert_int_not_equal(program_run(text, sizeof text, TEST_CC " -ffast-math -c fast.c 2>&1"), 0);
    assert_non_null(strstr(text, "cannot be compiled with -ffast-math"));
}

/* Two networks in one program, one by its declarations, the other one whole; and in C++. */
static void a_program_includes_two_networks(void **state)
{
    static const char program[] =
        "#include <stdio.h>\n"
        "#define one_DECLARE\n"
        "#include \"one.c\"\n"
        "#include \"two.c\"\n"
        "#include \"two.c\"\n" /* twice */
        "int main(void)\n"
        "{\n"
        "    float in[one_INPUT] = {1, 2}, middle[one_OUTPUT], out[two_OUTPUT];\n"
        "    one_predict(in, middle);\n"
        "    two_predict(middle, out);\n"
        "    printf(\"%d %d %g\\n\", one_INPUT, two_INPUT, (double)out[0]);\n"
        "    return one_WORK_BYTES < 0;\n"
        "}\n";
    tg_context *tg = *state;
    char text[4096];
    for (int i = 0; i < 2; i++) {
        tg_module *net = tg_linear(tg, i ? 3 : 2, i ? 1 : 3, TG_NO_BIAS);
        tg_no_grad_begin(tg);
        tg_fill_(tg_param(net, "weight"), 0.5);
        tg_no_grad_end(tg);
        FILE *file = fopen(i ? "two.c" : "one.c", "w");
        assert_true(tg_export_c(net, tg_zeros(tg, TG_F32, TG_SHAPE(i ? 3 : 2)), file,
                                TG_EXPORT(.name = i ? "two" : "one")));
        assert_int_equal(fclose(file), 0);
    }
    program_write("main.c", program, sizeof program - 1);
    assert_int_equal(program_run(text, sizeof text,
                                 TEST_CC " -std=c99 -Wall -Wextra -Werror main.c one.c -o both -lm "
                                         "2>&1 && ./both"),
                     0);
    assert_string_equal(text, "2 3 2.25\n");
}

static void the_same_network_gives_the_same_file(void **state)
{
    static char text[2][65536];
    tg_context *tg = *state;
    tg_module *net = perceptron(tg, SIZES(5, 7, 3), tg_tanh);
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen("same.c", "w");
        assert_true(tg_export_c(net, tg_randn(tg, TG_F32, TG_SHAPE(1, 5)), file, NULL));
        fclose(file);
        program_read("same.c", text[i], sizeof text[i]);
    }
    assert_string_equal(text[0], text[1]);
}

/* A network whose layers live in an outer scope, with an example that requires grad: the export
 * leaves no tensor and no record behind. */
static void nothing_is_left_behind(void **state)
{
    tg_context *tg = *state;
    tg_module *net = perceptron(tg, SIZES(5, 7, 3), tg_tanh);
    tg_tensor *x = tg_requires_grad_(tg_randn(tg, TG_F32, TG_SHAPE(1, 5)), true);
    size_t live[2];
    for (int i = 0; i < 2; i++) {
        FILE *file = tmpfile();
        assert_true(tg_export_c(net, x, file, NULL));
        fclose(file);
        live[i] = tg_get_stats(tg).live_bytes;
    }
    assert_int_equal(live[0], live[1]);
    assert_true(tg_backward(tg_sum(tg_forward(net, x))));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_context, close_context)
    const struct CMUnitTest tests[] = {
        TEST(activations_have_the_bits_of_the_library),
        TEST(numbers_keep_their_bits),
        TEST(softmax_has_the_bits_of_the_library),
        TEST(arithmetic_has_the_bits_of_the_library),
        TEST(perceptrons_have_the_bits_of_the_library),
        TEST(convolutions_have_the_bits_of_the_library),
        TEST(conv1d_and_batchnorm1d_have_the_bits_of_the_library),
        TEST(pooling_has_the_bits_of_the_library),
        TEST(residual_blocks_have_the_bits_of_the_library),
        TEST(attention_has_the_bits_of_the_library),
        TEST(views_and_products_have_the_bits_of_the_library),
        TEST(repeated_dimensions_have_the_bits_of_the_library),
        TEST(products_with_weights_made_in_the_forward_have_the_bits_of_the_library),
        TEST(writes_in_place_have_the_bits_of_the_library),
        TEST(networks_may_do_little),
        TEST(a_program_predicts_what_pytorch_predicts),
        TEST(functions_without_a_form_are_refused),
        TEST(networks_that_train_are_refused),
        TEST(the_random_stream_is_left_alone),
        TEST(wrong_arguments_are_refused),
        TEST(a_full_disk_is_an_error),
        cmocka_unit_test(any_allocation_may_fail),
        TEST(weights_that_are_not_finite_are_written),
        TEST(fast_math_is_refused),
        TEST(a_program_includes_two_networks),
        TEST(the_same_network_gives_the_same_file),
        TEST(nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
