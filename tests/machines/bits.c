/* Prints hashes of results that have the same bits on every machine: everything but normal samples
 * of float64, which follow the C library. */
#include <stdio.h>
#include <string.h>
#include <tinygrad.h>

/* FNV-1a over the elements as numbers, so that the order of bytes does not matter. */
static uint64_t hash_of(uint64_t hash, const tg_tensor *t)
{
    double values[4096];
    t = tg_cast(tg_reshape((tg_tensor *)(uintptr_t)t, TG_SHAPE(-1)), TG_F64);
    for (int64_t at = 0, n; t && at < t->numel; at += n) {
        n = t->numel - at < 4096 ? t->numel - at : 4096;
        tg_copy_to_f64(tg_narrow((tg_tensor *)(uintptr_t)t, 0, at, n), values);
        for (int64_t i = 0; i < n; i++) {
            uint64_t bits;
            memcpy(&bits, &values[i], sizeof bits);
            hash = (hash ^ bits) * 0x100000001b3;
        }
    }
    return hash;
}

static void print_hash(const char *name, tg_tensor *t)
{
    printf("%-24s %016llx\n", name, (unsigned long long)hash_of(0xcbf29ce484222325, t));
}

static void print_draws(tg_context *tg)
{
    print_hash("rand", tg_rand(tg, TG_F32, TG_SHAPE(3001)));
    print_hash("randn", tg_randn(tg, TG_F32, TG_SHAPE(3001)));
    print_hash("randint", tg_randint(tg, -5, 1000, TG_SHAPE(501)));
    print_hash("randperm", tg_randperm(tg, 501));
    print_hash("rand float64", tg_rand(tg, TG_F64, TG_SHAPE(501)));
}

#define F(name)                                                                                    \
    {                                                                                              \
#name, tg_##name                                                                           \
    }

static void print_functions(tg_context *tg, tg_dtype dtype)
{
    static const struct {
        const char *name;
        tg_tensor *(*f)(tg_tensor *x);
    } functions[] = {F(exp),   F(log),       F(tanh),       F(sigmoid), F(expm1), F(log1p), F(log2),
                     F(log10), F(sin),       F(cos),        F(tan),     F(asin),  F(acos),  F(atan),
                     F(sinh),  F(cosh),      F(erf),        F(sqrt),    F(rsqrt), F(silu),  F(mish),
                     F(selu),  F(hardswish), F(logsigmoid), F(round)};
    tg_tensor *x = tg_uniform_(tg_empty(tg, dtype, TG_SHAPE(41, 53)), 0.01, 0.99);
    tg_requires_grad_(x, true);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        print_hash(functions[i].name, functions[i].f(x));
    tg_tensor *turned = tg_sub_scalar(tg_t(tg_narrow(x, 1, 0, 41)), 0.5);
    tg_tensor *square = tg_narrow(x, 1, 12, 41);
    print_hash("pow", tg_pow(square, tg_mul_scalar(turned, 20)));
    print_hash("atan2", tg_atan2(turned, square));
    /* One operation after the other: C leaves the order of arguments open, and gradients are added
     * in the order of the tape. */
    tg_tensor *log_soft = tg_log_softmax(x, 1), *soft = tg_softmax(x, 0);
    tg_tensor *sums = tg_cumsum(x, 0), *vars = tg_var_dims(x, TG_DIMS(1), 1, true);
    tg_tensor *soft_log = tg_mul(log_soft, soft);
    tg_tensor *rows = tg_add(soft_log, tg_mul(sums, vars));
    tg_backward(tg_sum(rows));
    print_hash("rows", rows);
    print_hash("rows, gradient", x->grad);
}

static void print_arithmetic(tg_context *tg, tg_dtype dtype)
{
    tg_tensor *a = tg_rand(tg, dtype, TG_SHAPE(67, 139));
    tg_tensor *b = tg_rand(tg, dtype, TG_SHAPE(139, 31));
    print_hash("product", tg_matmul(a, b));
    print_hash("transposed", tg_matmul(tg_t(b), tg_t(a)));
    print_hash("vector", tg_matmul(a, tg_select(b, 1, 7)));
    print_hash("sum", tg_sum(a));
    print_hash("means", tg_mean_dims(a, TG_DIMS(0), false));
    print_hash("singular values", tg_svd(a).s);
    print_hash("eigenvectors", tg_eigh(tg_matmul(tg_t(b), b)).vectors);
    print_hash("quotient", tg_div(tg_select(b, 1, 7), tg_sqrt(tg_select(b, 1, 8))));
}

/* Trains a linear model by some steps of SGD. */
static void print_descent(tg_context *tg, tg_dtype dtype)
{
    tg_set_default_dtype(tg, dtype);
    tg_module *net = tg_linear(tg, 5, 2, TG_BIAS);
    tg_tensor *x = tg_rand(tg, dtype, TG_SHAPE(33, 5)), *y = tg_rand(tg, dtype, TG_SHAPE(33, 2));
    tg_sgd_options how = tg_sgd_defaults();
    how.lr = 0.1;
    how.momentum = 0.9;
    tg_optim *sgd = tg_sgd(net, &how);
    for (int step = 0; step < 20; step++) {
        tg_scope_begin(tg);
        tg_zero_grad(sgd);
        tg_backward(tg_mse_loss(tg_forward(net, x), y, TG_MEAN));
        tg_step(sgd);
        tg_scope_end(tg);
    }
    print_hash("descent", tg_param(net, "weight"));
    tg_set_default_dtype(tg, TG_F32);
}

/* Trains a small convolutional network by some steps of Adam. */
static void print_network(tg_context *tg, tg_dtype dtype)
{
    tg_set_default_dtype(tg, dtype);
    tg_module *conv = tg_conv2d_layer(tg, 1, 4, TG_SHAPE(3, 3), TG_BIAS, NULL);
    tg_module *top = tg_linear(tg, 4 * 6 * 6, 3, TG_BIAS);
    tg_module *net =
        tg_sequential(TG_MODULES(conv, tg_batchnorm2d(tg, 4, NULL), tg_lambda(tg, tg_relu),
                                 tg_flatten_layer(tg, 1, -1), tg_dropout_layer(tg, 0.25), top));
    tg_optim *adam = tg_adam(net, NULL);
    tg_tensor *images = tg_cast(tg_randn(tg, TG_F32, TG_SHAPE(9, 1, 8, 8)), dtype);
    tg_tensor *labels = tg_randint(tg, 0, 3, TG_SHAPE(9));
    for (int step = 0; step < 5; step++) {
        tg_scope_begin(tg);
        tg_zero_grad(adam);
        tg_backward(tg_cross_entropy(tg_forward(net, images), labels, NULL));
        tg_step(adam);
        tg_scope_end(tg);
    }
    const tg_list parameters = tg_parameters(net);
    for (int i = 0; i < parameters.n; i++) print_hash(tg_param_name(net, i), parameters.items[i]);
    tg_set_default_dtype(tg, TG_F32);
}

int main(void)
{
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, 7);
    print_draws(tg);
    for (int i = 0; i < 2; i++) {
        const tg_dtype dtype = i ? TG_F64 : TG_F32;
        puts(tg_dtype_name(dtype));
        print_functions(tg, dtype);
        print_arithmetic(tg, dtype);
        print_descent(tg, dtype);
        print_network(tg, dtype);
    }
    const int failed = !tg_ok(tg);
    if (failed) puts(tg_error(tg));
    tg_close(tg);
    return failed;
}
