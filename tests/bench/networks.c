/* A training step of networks that people build, in both dtypes, against PyTorch: its time, and the
 * peak memory of its tensors. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <tinygrad.h>

#include "bench.h"

/* ---- Networks. rival_torch.py builds the same. */

static tg_tensor *halved(tg_tensor *x)
{
    const tg_pool_options two = tg_pool_defaults(2);
    return tg_max_pool2d(x, &two);
}

static tg_module *relu(tg_context *tg)
{
    return tg_lambda(tg, tg_relu);
}

static tg_module *make_mlp(tg_context *tg, const int64_t *sizes)
{
    return tg_sequential(TG_MODULES(tg_linear(tg, sizes[1], 512, TG_BIAS), relu(tg),
                                    tg_linear(tg, 512, 512, TG_BIAS), relu(tg),
                                    tg_linear(tg, 512, 512, TG_BIAS)));
}

static tg_module *make_lenet(tg_context *tg, const int64_t *sizes)
{
    (void)sizes;
    tg_module *features = tg_sequential(TG_MODULES(
        tg_conv2d_layer(tg, 1, 6, TG_SHAPE(5, 5), TG_BIAS, TG_CONV(.padding = {2, 2})), relu(tg),
        tg_lambda(tg, halved), tg_conv2d_layer(tg, 6, 16, TG_SHAPE(5, 5), TG_BIAS, NULL), relu(tg),
        tg_lambda(tg, halved), tg_flatten_layer(tg, 1, -1)));
    return tg_sequential(TG_MODULES(features, tg_linear(tg, 400, 120, TG_BIAS), relu(tg),
                                    tg_linear(tg, 120, 84, TG_BIAS), relu(tg),
                                    tg_linear(tg, 84, 10, TG_BIAS)));
}

/* Gives back what only a recorded operation may still need, as Python does when a temporary result
 * goes out of use. */
static void release(tg_list temporary)
{
    for (int i = 0; i < temporary.n; i++) tg_release(temporary.items[i]);
}

static tg_tensor *forward_residual(tg_module *self, tg_tensor *x)
{
    tg_tensor *y = tg_forward(tg_submodule(self, "path"), x), *sum = tg_add(y, x);
    tg_tensor *result = tg_relu(sum);
    release(TG_LIST(y, sum));
    return result;
}

static tg_module *make_residual(tg_context *tg, const int64_t *sizes)
{
    const int64_t n = sizes[1];
    tg_module *m = tg_module_new(tg, "Residual", forward_residual, 0);
    tg_conv_options same = tg_conv_defaults();
    same.padding[0] = same.padding[1] = 1;
    tg_register_module(
        m, "path",
        tg_sequential(TG_MODULES(tg_conv2d_layer(tg, n, n, TG_SHAPE(3, 3), TG_NO_BIAS, &same),
                                 tg_batchnorm2d(tg, n, NULL), relu(tg),
                                 tg_conv2d_layer(tg, n, n, TG_SHAPE(3, 3), TG_NO_BIAS, &same),
                                 tg_batchnorm2d(tg, n, NULL))));
    return m;
}

/* An LSTM of one layer, made of slices. x is (steps, batch, inputs). */
static tg_tensor *forward_lstm(tg_module *self, tg_tensor *x)
{
    tg_module *input = tg_submodule(self, "input"), *hidden = tg_submodule(self, "hidden");
    const int64_t size = tg_param(hidden, "weight")->shape[1];
    tg_tensor *h = tg_zeros(x->context, x->dtype, TG_SHAPE(x->shape[1], size)), *c = h;
    for (int64_t t = 0; t < x->shape[0]; t++) {
        tg_tensor *a = tg_forward(input, tg_select(x, 0, t)), *b = tg_forward(hidden, h);
        tg_tensor *sum = tg_add(a, b);
        release(TG_LIST(a, b));
        const tg_list gates = tg_chunk(sum, 4, 1);
        if (gates.n != 4) return NULL;
        tg_tensor *kept = tg_mul(tg_sigmoid(gates.items[1]), c),
                  *taken = tg_mul(tg_sigmoid(gates.items[0]), tg_tanh(gates.items[2]));
        c = tg_add(kept, taken);
        h = tg_mul(tg_sigmoid(gates.items[3]), tg_tanh(c));
        release(TG_LIST(kept, taken, sum));
        release(gates);
    }
    return h;
}

static tg_module *make_lstm(tg_context *tg, const int64_t *sizes)
{
    tg_module *m = tg_module_new(tg, "LSTM", forward_lstm, 0);
    tg_register_module(m, "input", tg_linear(tg, sizes[2], 4 * sizes[2], TG_BIAS));
    tg_register_module(m, "hidden", tg_linear(tg, sizes[2], 4 * sizes[2], TG_BIAS));
    return m;
}

enum { HEADS = 8 };

/* Makes of (batch, length, width) the parts of all heads, (batch * HEADS, length, width / HEADS).
 */
static tg_tensor *split_heads(tg_tensor *t, int64_t batch, int64_t length)
{
    tg_tensor *apart = tg_view(t, TG_SHAPE(batch, length, HEADS, -1));
    tg_tensor *moved = tg_permute(apart, TG_DIMS(0, 2, 1, 3));
    tg_tensor *heads = tg_reshape(moved, TG_SHAPE(batch * HEADS, length, -1));
    release(TG_LIST(apart, moved));
    return heads;
}

/* Makes of the heads the tensor of the given shape, (batch, length, width), again. */
static tg_tensor *join_heads(tg_tensor *heads, tg_shape shape)
{
    const int64_t batch = shape.dims[0], length = shape.dims[1];
    tg_tensor *apart = tg_view(heads, TG_SHAPE(batch, HEADS, length, -1));
    tg_tensor *moved = tg_permute(apart, TG_DIMS(0, 2, 1, 3));
    tg_tensor *t = tg_reshape(moved, shape);
    release(TG_LIST(apart, moved, heads));
    return t;
}

/* Self-attention with HEADS heads. x is (batch, length, width). */
static tg_tensor *forward_attention(tg_module *self, tg_tensor *x)
{
    const int64_t batch = x->shape[0], length = x->shape[1], width = x->shape[2];
    tg_tensor *projected = tg_forward(tg_submodule(self, "project"), x);
    const tg_list parts = tg_chunk(projected, 3, 2);
    if (parts.n != 3) return NULL;
    tg_tensor *q = split_heads(parts.items[0], batch, length),
              *k = split_heads(parts.items[1], batch, length),
              *v = split_heads(parts.items[2], batch, length);
    release(parts);
    tg_release(projected);
    const double scale = 1 / sqrt((double)width / HEADS);
    tg_tensor *products = tg_bmm(q, tg_transpose(k, 1, 2));
    tg_tensor *scores = tg_mul_scalar(products, (float)scale);
    tg_release(products);
    tg_tensor *weights = tg_softmax(scores, 2);
    tg_release(scores);
    tg_tensor *y = join_heads(tg_bmm(weights, v), (tg_shape){3, x->shape});
    return tg_forward(tg_submodule(self, "out"), y);
}

static tg_module *make_attention(tg_context *tg, const int64_t *sizes)
{
    tg_module *m = tg_module_new(tg, "Attention", forward_attention, 0);
    tg_register_module(m, "project", tg_linear(tg, sizes[2], 3 * sizes[2], TG_BIAS));
    tg_register_module(m, "out", tg_linear(tg, sizes[2], sizes[2], TG_BIAS));
    return m;
}

/* ---- Measuring. */

typedef struct network {
    const char *name;
    tg_module *(*make)(tg_context *tg, const int64_t *sizes);
    tg_shape shape; /* of the input */
} network;

static const network networks[] = {{"mlp", make_mlp, {2, (int64_t[]){64, 512}}},
                                   {"lenet", make_lenet, {4, (int64_t[]){64, 1, 28, 28}}},
                                   {"residual", make_residual, {4, (int64_t[]){16, 64, 32, 32}}},
                                   {"lstm", make_lstm, {3, (int64_t[]){8, 32, 128}}},
                                   {"lstm", make_lstm, {3, (int64_t[]){32, 32, 128}}},
                                   {"lstm", make_lstm, {3, (int64_t[]){128, 32, 128}}},
                                   {"attention", make_attention, {3, (int64_t[]){8, 128, 256}}}};

typedef struct work {
    tg_module *net;
    tg_tensor *x;
    tg_optim *sgd;
} work;

static void train(void *data, long times)
{
    const work *w = data;
    tg_context *tg = w->x->context;
    for (; times > 0; times--) {
        tg_scope_begin(tg);
        tg_zero_grad(w->sgd);
        tg_tensor *y = tg_forward(w->net, w->x), *squares = tg_square(y), *loss = tg_mean(squares);
        release(TG_LIST(y, squares));
        tg_backward(loss);
        tg_step(w->sgd);
        tg_scope_end(tg);
    }
}

static work make_work(tg_context *tg, const network *n, tg_dtype dtype)
{
    tg_set_default_dtype(tg, dtype);
    work w = {.net = n->make(tg, n->shape.dims), .x = tg_randn(tg, dtype, n->shape)};
    w.sgd = tg_sgd(w.net, TG_SGD(.lr = 1e-3));
    return w;
}

/* Returns the peak in KB of what a context lends to tensors in three steps. */
static double peak_memory(const network *n, tg_dtype dtype)
{
    tg_context *tg = tg_open(NULL);
    work w = make_work(tg, n, dtype);
    train(&w, 3);
    const double kb = tg_ok(tg) ? (double)tg_get_stats(tg).peak_bytes / 1024 : NAN;
    tg_close(tg);
    return kb;
}

/* The network, as rival_torch.py names it, and its size in the table. */
typedef struct label {
    char work[80], size[48];
} label;

static label label_of(const network *n, tg_dtype dtype)
{
    label l;
    const bool wide = dtype == TG_F64;
    int end =
        snprintf(l.work, sizeof l.work, "network %s %s", n->name, wide ? "float64" : "float32");
    int at = 0;
    for (int i = 0; i < n->shape.ndim; i++) {
        const long long side = n->shape.dims[i];
        at += snprintf(l.size + at, sizeof l.size - (size_t)at, "%s%lld", i ? "x" : "", side);
        end += snprintf(l.work + end, sizeof l.work - (size_t)end, " %lld", side);
    }
    if (wide) snprintf(l.size + at, sizeof l.size - (size_t)at, " f64");
    return l;
}

static void measure_time(const network *n, tg_dtype dtype)
{
    tg_context *tg = tg_open(NULL);
    const label l = label_of(n, dtype);
    work w = make_work(tg, n, dtype);
    contender c[] = {{.name = "libtinygrad", .run = train, .data = &w}, {.name = "PyTorch"}};
    memcpy(c[1].torch, l.work, sizeof l.work);
    bench_measure(c, 2);
    bench_check(tg_ok(tg), tg_error(tg));
    tg_close(tg);
    char name[40];
    snprintf(name, sizeof name, "step of %s", n->name);
    bench_compare(name, l.size, &c[0], &c[1], 0, (bench_target){RATIO_AT_MOST, 0.7});
}

static void measure_memory(const network *n, tg_dtype dtype)
{
    const label l = label_of(n, dtype);
    char name[40], tight[120];
    snprintf(name, sizeof name, "peak memory of %s", n->name);
    snprintf(tight, sizeof tight, "tight_memory %s", l.work);
    bench_report(&(row){.name = name,
                        .size = l.size,
                        .unit = "KB",
                        .rival = "PyTorch, exact malloc",
                        .ours = peak_memory(n, dtype),
                        .theirs = bench_ask_torch(tight, 1),
                        .target = {RATIO_AT_MOST, 1}});
}

static void measure_all(void (*measure)(const network *n, tg_dtype dtype))
{
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        measure(&networks[i], TG_F32);
        if (!bench_quick()) measure(&networks[i], TG_F64);
    }
}

/* Memory comes first: a process that has made steps has free memory, which the next ones would use
 * without growing. */
int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    measure_all(measure_memory);
    measure_all(measure_time);
    return bench_end();
}
