/* Layers, forward in evaluation and both ways in training, and steps of the optimisers, against
 * PyTorch, in both dtypes. */
#include <stdio.h>

#include <tinygrad.h>

#include "bench.h"

static const bench_target faster = {RATIO_AT_MOST, 0.8};

/* ---- Layers. */

typedef struct work {
    tg_module *net;
    tg_tensor *x, *gradient; /* gradient is that of the result; NULL: forward in evaluation */
} work;

static void run(void *data, long times)
{
    const work *w = data;
    tg_context *tg = w->x->context;
    const tg_list parameters = tg_parameters(w->net);
    for (; times > 0; times--) {
        tg_scope_begin(tg);
        if (w->gradient) {
            if (w->x->requires_grad) tg_clear_grad(w->x);
            for (int i = 0; i < parameters.n; i++) tg_clear_grad(parameters.items[i]);
            tg_backward_with(tg_forward(w->net, w->x), w->gradient);
        } else {
            tg_no_grad_begin(tg);
            tg_forward(w->net, w->x);
            tg_no_grad_end(tg);
        }
        tg_scope_end(tg);
    }
}

static tg_tensor *max_pool(tg_tensor *x)
{
    const tg_pool_options two = tg_pool_defaults(2);
    return tg_max_pool2d(x, &two);
}

static tg_tensor *avg_pool(tg_tensor *x)
{
    const tg_pool_options two = tg_pool_defaults(2);
    return tg_avg_pool2d(x, &two);
}

/* The layers, and the shapes of their inputs. rival_torch.py has a line of the same name for each.
 */
typedef enum kind {
    LINEAR,
    EMBEDDING,
    BATCHNORM1D,
    BATCHNORM2D,
    LAYERNORM,
    MAX_POOL,
    AVG_POOL
} kind;
static const char *const names[] = {"linear",    "embedding",  "batchnorm1d", "batchnorm2d",
                                    "layernorm", "max_pool2d", "avg_pool2d"};
static const struct layer {
    kind kind;
    tg_shape shape;
} layers[] = {{LINEAR, {2, (int64_t[]){64, 256}}},
              {EMBEDDING, {2, (int64_t[]){64, 100}}},
              {BATCHNORM1D, {2, (int64_t[]){64, 16}}},
              {BATCHNORM1D, {2, (int64_t[]){1024, 128}}},
              {BATCHNORM2D, {4, (int64_t[]){64, 8, 28, 28}}},
              {BATCHNORM2D, {4, (int64_t[]){16, 64, 32, 32}}},
              {LAYERNORM, {2, (int64_t[]){16, 64}}},
              {LAYERNORM, {2, (int64_t[]){1024, 128}}},
              {LAYERNORM, {2, (int64_t[]){1024, 1024}}},
              {MAX_POOL, {4, (int64_t[]){64, 8, 28, 28}}},
              {AVG_POOL, {4, (int64_t[]){64, 8, 28, 28}}}};

static tg_module *make_layer(tg_context *tg, const struct layer *l)
{
    const int64_t size = l->shape.dims[1];
    switch (l->kind) {
    case LINEAR: return tg_linear(tg, size, size, TG_BIAS);
    case EMBEDDING: return tg_embedding_layer(tg, 1000, 64, TG_NO_INDEX);
    case BATCHNORM1D: return tg_batchnorm1d(tg, size, NULL);
    case BATCHNORM2D: return tg_batchnorm2d(tg, size, NULL);
    case LAYERNORM: return tg_layernorm(tg, TG_SHAPE(size), NULL);
    case MAX_POOL: return tg_lambda(tg, max_pool);
    default: return tg_lambda(tg, avg_pool);
    }
}

static void measure_layer(const struct layer *l, tg_dtype dtype, bool both)
{
    tg_context *tg = tg_open(NULL);
    tg_set_default_dtype(tg, dtype);
    work w = {.net = make_layer(tg, l)};
    w.x = l->kind == EMBEDDING ? tg_randint(tg, 0, 1000, l->shape) : tg_randn(tg, dtype, l->shape);
    if (both) {
        if (l->kind != EMBEDDING) tg_requires_grad_(w.x, true);
        tg_scope_begin(tg);
        w.gradient = tg_keep(tg_ones_like(tg_forward(w.net, w.x)));
        tg_scope_end(tg);
    } else {
        tg_eval(w.net);
    }
    contender c[] = {{.name = "libtinygrad", .run = run, .data = &w}, {.name = "PyTorch"}};
    int end = snprintf(c[1].torch, sizeof c[1].torch, "layer %s %s %s", names[l->kind],
                       both ? "both" : "forward", dtype == TG_F32 ? "float32" : "float64");
    char size[48];
    int at = 0;
    for (int i = 0; i < l->shape.ndim; i++) {
        end += snprintf(c[1].torch + end, sizeof c[1].torch - (size_t)end, " %lld",
                        (long long)l->shape.dims[i]);
        at += snprintf(size + at, sizeof size - (size_t)at, "%s%lld", i ? "x" : "",
                       (long long)l->shape.dims[i]);
    }
    snprintf(size + at, sizeof size - (size_t)at, "%s%s", dtype == TG_F64 ? " f64" : "",
             both ? " both" : "");
    bench_measure(c, 2);
    bench_check(tg_ok(tg), tg_error(tg));
    bench_compare(names[l->kind], size, &c[0], &c[1], 0, faster);
    tg_close(tg);
}

/* ---- Optimisers. */

static void run_steps(void *data, long times)
{
    for (; times > 0; times--) tg_step(data);
}

static const char *const optimisers[] = {"sgd",   "sgd_momentum", "adam",
                                         "adamw", "rmsprop",      "adagrad"};

static tg_optim *make_optimiser(int i, tg_tensor *p)
{
    switch (i) {
    case 0: return tg_sgd_list(TG_LIST(p), TG_SGD(.lr = 0.01));
    case 1: return tg_sgd_list(TG_LIST(p), TG_SGD(.lr = 0.01, .momentum = 0.9));
    case 2: return tg_adam_list(TG_LIST(p), NULL);
    case 3: return tg_adamw_list(TG_LIST(p), NULL);
    case 4: return tg_rmsprop_list(TG_LIST(p), NULL);
    default: return tg_adagrad_list(TG_LIST(p), NULL);
    }
}

static void measure_optimiser(int i, int64_t n, const char *count, tg_dtype dtype)
{
    tg_context *tg = tg_open(NULL);
    tg_tensor *p = tg_requires_grad_(tg_randn(tg, dtype, TG_SHAPE(n)), true);
    tg_backward_with(p, tg_randn(tg, dtype, TG_SHAPE(n)));
    contender c[] = {{.name = "libtinygrad", .run = run_steps, .data = make_optimiser(i, p)},
                     {.name = "PyTorch"}};
    snprintf(c[1].torch, sizeof c[1].torch, "optimiser %s %lld %s", optimisers[i], (long long)n,
             dtype == TG_F32 ? "float32" : "float64");
    bench_measure(c, 2);
    bench_check(tg_ok(tg), tg_error(tg));
    char name[40], size[32];
    snprintf(name, sizeof name, "step of %s", optimisers[i]);
    snprintf(size, sizeof size, "%s%s", count, dtype == TG_F64 ? " f64" : "");
    bench_compare(name, size, &c[0], &c[1], 0, faster);
    tg_close(tg);
}

int main(int argc, char **argv)
{
    static const char *const counts[] = {"10^3", "10^5", "10^7"};
    static const int64_t numbers[] = {1000, 100000, 10000000};
    bench_begin(argc, argv);
    for (int d = 0; d < 2; d++) {
        const tg_dtype dtype = d ? TG_F64 : TG_F32;
        for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
            measure_layer(&layers[i], dtype, false);
            measure_layer(&layers[i], dtype, true);
        }
        for (int i = 0; i < 6; i++)
            for (int k = 0; k < (bench_quick() ? 2 : 3); k++)
                measure_optimiser(i, numbers[k], counts[k], dtype);
    }
    return bench_end();
}
