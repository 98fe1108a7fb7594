/* How a context chooses its SIMD level, and that all levels give the same bits through the public
 * functions. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "each_level.h"

/* ---- The choice of the level. */

static void test_an_option_forces_a_level(void **state)
{
    (void)state;
    tg_context *tg = open_at("portable");
    assert_true(tg_ok(tg));
    assert_string_equal(tg_simd_level(tg), "portable");
    tg_close(tg);
}

static void test_the_environment_forces_a_level(void **state)
{
    (void)state;
    tg_context *usual = tg_open(NULL);
    setenv("TINYGRAD_SIMD", "portable", 1);
    tg_context *forced = tg_open(NULL), *chosen = open_at(tg_simd_level(usual));
    setenv("TINYGRAD_SIMD", "", 1);
    tg_context *empty = tg_open(NULL);
    unsetenv("TINYGRAD_SIMD");
    assert_string_equal(tg_simd_level(forced), "portable");
    assert_string_equal(tg_simd_level(chosen), tg_simd_level(usual));
    assert_string_equal(tg_simd_level(empty), tg_simd_level(usual));
    assert_true(tg_ok(forced) && tg_ok(chosen) && tg_ok(empty));
    tg_close(usual), tg_close(forced), tg_close(chosen), tg_close(empty);
}

static void check_refused(tg_context *tg, const char *name)
{
    assert_non_null(tg);
    assert_int_equal(tg_error_code(tg), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_error(tg), name));
    assert_non_null(strstr(tg_error(tg), tg_simd_level(tg)));
    assert_null(tg_linear(tg, 2, 1, TG_BIAS));
    tg_clear_error(tg); /* the context goes on with the best level */
    assert_non_null(tg_linear(tg, 2, 1, TG_BIAS));
    tg_close(tg);
}

static void test_a_level_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    check_refused(open_at("abacus"), "\"abacus\"");
    setenv("TINYGRAD_SIMD", "slide rule", 1);
    check_refused(tg_open(NULL), "\"slide rule\"");
    unsetenv("TINYGRAD_SIMD");
}

/* ---- The bits. */

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t n) /* FNV-1a */
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t hash_tensor(uint64_t hash, tg_tensor *t)
{
    size_t size = t->dtype == TG_F32 ? sizeof(float) : sizeof(double);
    return hash_bytes(hash, t->data, (size_t)t->numel * size);
}

typedef struct network {
    tg_module *layers[3];
    tg_optim *optim;
    bool classify;
} network;

static tg_tensor *predict(const network *net, tg_tensor *x)
{
    x = tg_tanh(tg_forward(net->layers[0], x));
    x = tg_relu(tg_dropout(tg_forward(net->layers[1], x), 0.25, true));
    x = tg_forward(net->layers[2], x);
    return net->classify ? tg_sigmoid(x) : x;
}

/* Trains a network of three layers for some steps. Returns a hash of all losses, gradients and
 * parameters. */
static uint64_t train(tg_context *tg, tg_dtype dtype, int64_t rows, int64_t inputs, int64_t hidden,
                      bool classify, int steps)
{
    network net = {.classify = classify};
    tg_tensor *x = tg_randn(tg, dtype, TG_SHAPE(rows, inputs));
    tg_tensor *y = tg_rand(tg, dtype, TG_SHAPE(rows, 3));
    tg_set_default_dtype(tg, dtype);
    net.layers[0] = tg_linear(tg, inputs, hidden, TG_BIAS);
    net.layers[1] = tg_linear(tg, hidden, hidden, TG_BIAS);
    net.layers[2] = tg_linear(tg, hidden, 3, TG_NO_BIAS);
    tg_tensor *p[5];
    for (int i = 0; i < 5; i++) p[i] = tg_param(net.layers[i / 2], i % 2 ? "bias" : "weight");
    tg_sgd_options how = tg_sgd_defaults();
    how.lr = 0.05;
    how.momentum = 0.9;
    how.weight_decay = 1e-3;
    net.optim = tg_sgd_list((tg_list){5, p}, &how);
    uint64_t hash = 0xcbf29ce484222325u;
    for (int step = 0; step < steps; step++) {
        tg_scope_begin(tg);
        tg_tensor *loss = tg_mse_loss(predict(&net, x), y, TG_MEAN);
        tg_zero_grad(net.optim);
        tg_backward(loss);
        for (int i = 0; i < 5 && tg_ok(tg); i++) hash = hash_tensor(hash, p[i]->grad);
        tg_step(net.optim);
        hash = hash_tensor(hash, loss);
        tg_scope_end(tg);
    }
    for (int i = 0; i < 5; i++) hash = hash_tensor(hash, p[i]);
    tg_set_default_dtype(tg, TG_F32);
    if (!tg_ok(tg)) fail_msg("%s", tg_error(tg));
    return hash;
}

/* Running sums, products and norms, along both dimensions of a matrix. */
static uint64_t reduce(uint64_t hash, tg_tensor *a)
{
    for (int dim = 0; dim < 2; dim++) {
        hash = hash_tensor(hash, tg_cumsum(a, dim));
        hash = hash_tensor(hash, tg_cumprod(a, dim));
        hash = hash_tensor(hash, tg_prod_dim(a, dim, false));
        hash = hash_tensor(hash, tg_norm_dims(a, 2, TG_DIMS(dim), false));
    }
    return hash;
}

/* The operations that a network leaves out, on odd sizes and through views, in float64 too. They
 * are large enough to be split among threads. */
static uint64_t calculate(tg_context *tg, tg_dtype dtype)
{
    uint64_t hash = 0xcbf29ce484222325u;
    tg_tensor *a = tg_rand(tg, dtype, TG_SHAPE(211, 1237)), *t = tg_t(a);
    tg_tensor *wide = tg_rand(tg, dtype, TG_SHAPE(1237, 400));
    tg_tensor *b = tg_add_scalar(tg_narrow(wide, 1, 3, 211), 0.5);
    hash = hash_tensor(hash, tg_div(tg_exp(t), tg_sqrt(b)));
    hash = hash_tensor(hash, tg_mul(tg_log(b), tg_sigmoid(t)));
    hash = hash_tensor(hash, tg_sum(tg_tanh(b)));
    hash = hash_tensor(hash, tg_mean_dims(a, TG_DIMS(0), false));
    hash = hash_tensor(hash, tg_mean_dims(a, TG_DIMS(1), false));
    hash = hash_tensor(hash, tg_sum_dims(t, TG_DIMS(1), false));
    tg_tensor *rows = tg_narrow(a, 0, 0, 67), *columns = tg_narrow(b, 1, 0, 83);
    hash = hash_tensor(hash, tg_matmul(rows, columns));
    hash = hash_tensor(hash, tg_matmul(tg_t(columns), tg_t(rows)));
    hash = hash_tensor(hash, tg_matmul(a, tg_select(b, 1, 7)));
    hash = hash_tensor(hash, tg_max_dim(t, 0, false));
    hash = hash_tensor(hash, tg_min_dim(t, 1, false));
    hash = reduce(reduce(hash, b), tg_t(b));
    tg_tensor *tall = tg_reshape(tg_narrow(wide, 0, 0, 1200), TG_SHAPE(48000, 10));
    hash = hash_tensor(hash, tg_sum_dims(tall, TG_DIMS(0), false));
    hash = hash_tensor(hash, tg_sum_dims(tall, TG_DIMS(1), false));
    tg_tensor *batch = tg_reshape(tall, TG_SHAPE(30, 160, 100));
    hash = hash_tensor(hash, tg_sum_dims(batch, TG_DIMS(1), false));
    batch = tg_narrow(batch, 1, 0, 48);
    hash = hash_tensor(hash, tg_matmul(batch, tg_transpose(batch, 1, 2)));
    if (!tg_ok(tg)) fail_msg("%s", tg_error(tg));
    return hash;
}

static tg_tensor *gelu(tg_tensor *x)
{
    return tg_gelu(x, TG_GELU_NONE);
}

/* Functions and activations of the numbers in (0, 1). */
static uint64_t evaluate(tg_context *tg, tg_dtype dtype)
{
    static tg_tensor *(*const functions[])(tg_tensor *) = {
        tg_expm1, tg_log1p, tg_log2, tg_log10, tg_sin,  tg_cos,       tg_tan,        tg_asin,
        tg_acos,  tg_atan,  tg_sinh, tg_cosh,  tg_erf,  tg_rsqrt,     tg_reciprocal, tg_floor,
        tg_round, gelu,     tg_silu, tg_mish,  tg_selu, tg_hardswish, tg_logsigmoid, tg_sign};
    uint64_t hash = 0xcbf29ce484222325u;
    tg_tensor *x = tg_uniform_(tg_empty(tg, dtype, TG_SHAPE(20011)), 0.01, 0.99);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        hash = hash_tensor(hash, functions[i](x));
    if (!tg_ok(tg)) fail_msg("%s", tg_error(tg));
    return hash;
}

/* Rows, scans and their gradients, and a small convolutional network that learns by AdamW. */
static uint64_t learn(tg_context *tg, tg_dtype dtype)
{
    uint64_t hash = 0xcbf29ce484222325u;
    tg_tensor *x =
        tg_requires_grad_(tg_uniform_(tg_empty(tg, dtype, TG_SHAPE(131, 1031)), 0.01, 0.99), true);
    tg_tensor *rows = tg_mul(tg_log_softmax(x, 1), tg_softmax(x, 0));
    rows = tg_add(rows, tg_mul(tg_cumsum(x, 0), tg_var_dims(x, TG_DIMS(1), 1, true)));
    assert_true(tg_backward(tg_sum(rows)));
    hash = hash_tensor(hash_tensor(hash, rows), x->grad);

    tg_set_default_dtype(tg, dtype);
    tg_module *conv = tg_conv2d_layer(tg, 2, 5, TG_SHAPE(3, 3), TG_BIAS, NULL);
    tg_module *top = tg_linear(tg, 5 * 18 * 18, 7, TG_BIAS);
    tg_module *net = tg_sequential(TG_MODULES(
        conv, tg_batchnorm2d(tg, 5, NULL), tg_lambda(tg, gelu), tg_flatten_layer(tg, 1, -1), top));
    tg_optim *adam = tg_adamw(net, NULL);
    tg_tensor *images = tg_randn(tg, dtype, TG_SHAPE(33, 2, 20, 20));
    tg_tensor *labels = tg_randint(tg, 0, 7, TG_SHAPE(33));
    for (int step = 0; step < 3; step++) {
        tg_zero_grad(adam);
        tg_backward(tg_cross_entropy(tg_forward(net, images), labels, NULL));
        tg_step(adam);
    }
    for (int i = 0; i < tg_parameters(net).n; i++)
        hash = hash_tensor(hash, tg_parameters(net).items[i]);
    tg_set_default_dtype(tg, TG_F32);
    if (!tg_ok(tg)) fail_msg("%s", tg_error(tg));
    return hash;
}

/* Operations that rearrange elements, large enough to be split among threads. */
static uint64_t rearrange(tg_context *tg, tg_dtype dtype)
{
    uint64_t hash = 0xcbf29ce484222325u;
    tg_tensor *a = tg_round(tg_mul_scalar(tg_randn(tg, dtype, TG_SHAPE(307, 911)), 1000));
    tg_tensor *index = tg_randint(tg, 0, 307, TG_SHAPE(307, 911));
    tg_tensor *row = tg_linspace(tg, dtype, -3, 7, 911);
    hash = hash_tensor(hash, tg_argsort(a, 1));
    hash = hash_tensor(hash, tg_sort(tg_add(a, row), 0));
    hash = hash_tensor(hash, tg_topk(a, 9, 1, true, true).indices);
    hash = hash_tensor(hash, tg_topk(tg_t(a), 40, 1, false, true).indices);
    hash = hash_tensor(hash, tg_gather(a, 0, index));
    hash = hash_tensor(hash, tg_gather(a, 1, index));
    hash = hash_tensor(hash, tg_scatter_add(a, 0, index, a));
    hash = hash_tensor(hash, tg_scatter_add(a, 1, index, a));
    hash = hash_tensor(hash, tg_index_select(a, 1, tg_select(index, 0, 5)));
    hash = hash_tensor(hash, tg_nonzero(tg_gt_scalar(a, 500)));
    hash = hash_tensor(hash, tg_flip(tg_pad(a, TG_SHAPE(1, 2, 3, 0), 0.5), TG_DIMS(0)));
    hash = hash_tensor(hash, tg_dropout(a, 0.25, true));
    if (!tg_ok(tg)) fail_msg("%s", tg_error(tg));
    return hash;
}

/* The number of hashes of what is split among threads, and that of all hashes. */
enum { SPLIT = 10, ALL = SPLIT + 2 };

static void run_all(tg_context *tg, uint64_t hashes[ALL])
{
    tg_manual_seed(tg, 7);
    hashes[0] = train(tg, TG_F32, 150, 37, 69, false, 3);
    hashes[1] = train(tg, TG_F32, 64, 784, 40, true, 3);
    hashes[2] = train(tg, TG_F32, 1, 5, 3, true, 3);
    hashes[3] = train(tg, TG_F64, 150, 37, 69, true, 3);
    hashes[4] = calculate(tg, TG_F32);
    hashes[5] = calculate(tg, TG_F64);
    hashes[6] = learn(tg, TG_F32);
    hashes[7] = learn(tg, TG_F64);
    hashes[8] = rearrange(tg, TG_F32);
    hashes[9] = rearrange(tg, TG_F64);
    if (tg_get_num_threads(tg) > 1) return;
    hashes[SPLIT] = evaluate(tg, TG_F32);
    hashes[SPLIT + 1] = evaluate(tg, TG_F64);
}

/* Skips the test in valgrind, where it would take minutes, and where vfnmadd gives -0 for an exact
 * 0. */
static void skip_if_quick(void)
{
    if (!getenv("TG_TEST_QUICK")) return;
    print_message("TG_TEST_QUICK: whole training runs are not compared\n");
    skip();
}

/* Computes all hashes at a level with so many threads. Returns false if the CPU lacks the level. */
static bool run_at(const char *level, int threads, uint64_t hashes[ALL])
{
    tg_context *tg = open_at(level);
    const bool there = tg_ok(tg);
    if (there) {
        assert_true(tg_set_num_threads(tg, threads));
        run_all(tg, hashes);
    } else {
        print_message("%s\n", tg_error(tg));
    }
    tg_close(tg);
    return there;
}

/* The hashes of the best level on one thread. */
static uint64_t expected[ALL];

static int run_the_best(void **state)
{
    (void)state;
    unsetenv("TINYGRAD_SIMD"); /* which the tests set themselves */
    if (!getenv("TG_TEST_QUICK")) assert_true(run_at(NULL, 1, expected));
    return 0;
}

static void test_training_has_the_same_bits_at_every_level(void **state)
{
    (void)state;
    skip_if_quick();
    const int best = tg__level(NULL);
    for (int level = 0; level < LEVELS; level++) {
        uint64_t found[ALL];
        if (level != best && run_at(tg__level_name(level), 1, found))
            assert_memory_equal(found, expected, sizeof expected);
    }
}

static void test_training_has_the_same_bits_on_any_number_of_threads(void **state)
{
    (void)state;
    skip_if_quick();
    static const int threads[] = {2, 3, 7, 16};
    uint64_t found[ALL], large = 0;
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        assert_true(run_at(NULL, threads[i], found));
        assert_memory_equal(found, expected, SPLIT * sizeof *found);
    }
    for (int n = 1; n <= 7; n += n == 1 ? 1 : 5) {
        tg_context *tg = tg_open(NULL);
        assert_true(tg_set_num_threads(tg, n));
        const uint64_t hash = train(tg, TG_F32, 300, 700, 512, true, 2);
        if (n > 1) assert_int_equal(hash, large);
        large = hash;
        tg_close(tg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_option_forces_a_level),
        cmocka_unit_test(test_the_environment_forces_a_level),
        cmocka_unit_test(test_a_level_that_is_not_there_is_an_error),
        cmocka_unit_test(test_training_has_the_same_bits_at_every_level),
        cmocka_unit_test(test_training_has_the_same_bits_on_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, run_the_best, NULL);
}
