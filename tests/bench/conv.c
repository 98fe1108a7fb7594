/* Convolutions against PyTorch: forward, the gradient of the input and that of the weight apart. */
#include <stdio.h>

#include <tinygrad.h>

#include "bench.h"
#include "peak.h"

typedef struct shape {
    const char *size;
    int64_t batch, channels, side, out, kernel, stride, padding, groups;
} shape;

static const shape shapes[] = {
    {"28^2 1>6 k5", 64, 1, 28, 6, 5, 1, 0, 1},       {"14^2 6>16 k5", 64, 6, 14, 16, 5, 1, 0, 1},
    {"32^2 3>64 k3", 16, 3, 32, 64, 3, 1, 1, 1},     {"32^2 64>64 k3", 16, 64, 32, 64, 3, 1, 1, 1},
    {"32^2 64>128 s2", 16, 64, 32, 128, 3, 2, 1, 1}, {"32^2 64>64 k1", 16, 64, 32, 64, 1, 1, 0, 1},
    {"32^2 64 depth", 16, 64, 32, 64, 3, 1, 1, 64},  {"14^2 256>256", 16, 256, 14, 256, 3, 1, 1, 1},
    {"224^2 3>64 k7", 2, 3, 224, 64, 7, 2, 3, 1}};

enum { FORWARD, INPUT, WEIGHT, WAYS };
static const char *const ways[] = {"forward", "input", "weight"};

typedef struct work {
    const shape *shape;
    tg_tensor *x, *weight;
    tg_tensor *y, *gradient; /* the result, and its gradient; NULL: forward */
} work;

static tg_tensor *convolve(const work *w)
{
    const int64_t stride = w->shape->stride, padding = w->shape->padding;
    return tg_conv2d(w->x, w->weight,
                     TG_CONV(.stride = {stride, stride}, .padding = {padding, padding},
                             .dilation = {1, 1}, .groups = w->shape->groups));
}

static void run(void *data, long times)
{
    const work *w = data;
    tg_context *tg = w->x->context;
    for (; times > 0; times--) {
        tg_scope_begin(tg);
        if (!w->y) {
            convolve(w);
        } else {
            tg_clear_grad(w->x->requires_grad ? w->x : w->weight);
            tg_backward_with(w->y, w->gradient);
        }
        tg_scope_end(tg);
    }
}

static void measure(const shape *s, int way, tg_dtype dtype)
{
    tg_context *tg = tg_open(NULL);
    work w = {.shape = s};
    w.x = tg_randn(tg, dtype, TG_SHAPE(s->batch, s->channels, s->side, s->side));
    w.weight = tg_randn(tg, dtype, TG_SHAPE(s->out, s->channels / s->groups, s->kernel, s->kernel));
    if (way != FORWARD) {
        tg_requires_grad_(way == INPUT ? w.x : w.weight, true);
        w.y = convolve(&w);
        w.gradient = tg_ones_like(w.y);
    }
    const int64_t side = (s->side + 2 * s->padding - s->kernel) / s->stride + 1;
    const double flops = 2.0 * (double)(s->batch * side * side * s->out) *
                         (double)(s->channels / s->groups * s->kernel * s->kernel);
    contender c[] = {{.name = "libtinygrad", .run = run, .data = &w}, {.name = "PyTorch"}};
    snprintf(c[1].torch, sizeof c[1].torch, "convolution %s %s %d %d %d %d %d %d %d %d", ways[way],
             dtype == TG_F32 ? "float32" : "float64", (int)s->batch, (int)s->channels, (int)s->side,
             (int)s->out, (int)s->kernel, (int)s->stride, (int)s->padding, (int)s->groups);
    bench_measure(c, 2);
    bench_check(tg_ok(tg), tg_error(tg));
    tg_close(tg);
    char name[40];
    snprintf(name, sizeof name, "conv2d %s%s", ways[way], dtype == TG_F64 ? " f64" : "");
    bench_compare(name, s->size, &c[0], &c[1], flops, (bench_target){RATIO_AT_LEAST, 1 / 0.8});
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    for (int d = 0; d < (bench_quick() ? 1 : 2); d++) {
        bench_set_peak(d ? peak_f64() : peak_f32());
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int way = FORWARD; way < WAYS; way++)
                measure(&shapes[i], way, d ? TG_F64 : TG_F32);
    }
    return bench_end();
}
