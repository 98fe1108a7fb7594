/* Layers and losses, forward and backward, and a step of Adam, against PyTorch. */
#include <stdio.h>

#include <tinygrad.h>

#include "bench.h"

typedef struct work {
    tg_tensor *x, *y; /* the input; and labels for cross_entropy, or NULL if the sum is the loss */
    tg_module *net;   /* NULL if only the loss is measured */
    tg_optim *optim;  /* NULL if only forward and backward are measured */
} work;

static void run(void *data, long times)
{
    const work *w = data;
    tg_context *tg = w->x->context;
    for (; times > 0; times--) {
        if (w->optim) {
            tg_step(w->optim);
            continue;
        }
        tg_scope_begin(tg);
        tg_clear_grad(w->x);
        tg_tensor *y = w->net ? tg_forward(w->net, w->x) : w->x;
        tg_backward(w->y ? tg_cross_entropy(y, w->y, NULL) : tg_sum(y));
        tg_scope_end(tg);
    }
}

static void measure(const char *name, const char *sizes, const work *w, bench_target target)
{
    contender c[] = {{.name = "libtinygrad", .run = run, .data = (void *)w}, {.name = "PyTorch"}};
    snprintf(c[1].torch, sizeof c[1].torch, "layer %s %s", name, sizes);
    bench_measure(c, 2);
    bench_check(tg_ok(w->x->context), tg_error(w->x->context));
    bench_compare(name, sizes, &c[0], &c[1], 0, target);
}

static tg_tensor *leaf(tg_context *tg, tg_shape shape)
{
    return tg_requires_grad_(tg_randn(tg, TG_F32, shape), true);
}

static tg_tensor *pool(tg_tensor *x)
{
    const tg_pool_options two = tg_pool_defaults(2);
    return tg_max_pool2d(x, &two);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    const bench_target none = {NO_LIMIT, 0}, faster = {RATIO_AT_MOST, 1 / 1.5};
    tg_context *tg = tg_open(NULL);
    tg_conv_options same = tg_conv_defaults();
    same.padding[0] = same.padding[1] = 1;
    work w = {.x = leaf(tg, TG_SHAPE(64, 10)), .y = tg_randint(tg, 0, 10, TG_SHAPE(64))};
    measure("cross_entropy", "64 10", &w, faster);
    w = (work){.x = leaf(tg, TG_SHAPE(64, 1000)), .y = tg_randint(tg, 0, 1000, TG_SHAPE(64))};
    measure("cross_entropy", "64 1000", &w, faster);
    w = (work){.x = leaf(tg, TG_SHAPE(64, 1, 28, 28)),
               .net = tg_conv2d_layer(tg, 1, 8, TG_SHAPE(3, 3), TG_BIAS, &same)};
    measure("conv2d", "64 1 28 28 8", &w, none);
    w = (work){.x = leaf(tg, TG_SHAPE(64, 8, 14, 14)),
               .net = tg_conv2d_layer(tg, 8, 16, TG_SHAPE(3, 3), TG_BIAS, &same)};
    measure("conv2d", "64 8 14 14 16", &w, none);
    w = (work){.x = leaf(tg, TG_SHAPE(16, 32, 32, 32)),
               .net = tg_conv2d_layer(tg, 32, 32, TG_SHAPE(3, 3), TG_BIAS, &same)};
    measure("conv2d", "16 32 32 32 32", &w, none);
    w = (work){.x = leaf(tg, TG_SHAPE(64, 8, 28, 28)), .net = tg_lambda(tg, pool)};
    measure("max_pool2d", "64 8 28 28", &w, none);
    w = (work){.x = leaf(tg, TG_SHAPE(64, 8, 28, 28)), .net = tg_batchnorm2d(tg, 8, NULL)};
    measure("batchnorm2d", "64 8 28 28", &w, none);
    w = (work){.x = leaf(tg, TG_SHAPE(100000))};
    tg_backward(tg_sum(w.x));
    w.optim = tg_adam_list(TG_LIST(w.x), NULL);
    measure("adam", "100000", &w, faster);
    tg_close(tg);
    return bench_end();
}
