/* The lecture's training step, on 10^2 to 10^7 rows, against C written by hand and PyTorch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../examples/common/plot.h"
#include "bench.h"
#include "hand_written.h"
#include "model.h"

enum { OURS, FUSED, FIVE, NINE, TORCH, CONTENDERS };
enum { SIZES = 6 };

static const struct {
    long n;
    bench_target fused, five, torch;
} sizes[SIZES] = {
    {100, {RATIO_AT_MOST, 8}, {NO_LIMIT, 0}, {RATIO_AT_MOST, 1.0 / 200}},
    {1000, {NO_LIMIT, 0}, {RATIO_AT_MOST, 1.3}, {NO_LIMIT, 0}},
    {10000, {NO_LIMIT, 0}, {RATIO_AT_MOST, 1.3}, {NO_LIMIT, 0}},
    {100000, {NO_LIMIT, 0}, {RATIO_AT_MOST, 1.3}, {NO_LIMIT, 0}},
    {1000000, {NO_LIMIT, 0}, {RATIO_AT_MOST, 1.3}, {NO_LIMIT, 0}},
    {10000000, {NO_LIMIT, 0}, {RATIO_AT_MOST, 1.1}, {NO_LIMIT, 0}},
};

static double nanoseconds[CONTENDERS][SIZES];

/* The data of the model for the rivals written by hand, with memory for intermediate results. */
static hand hand_of(const model *m)
{
    hand h = {.n = (long)m->y->numel, .lr = (float)tg_lr(m->sgd)};
    h.x0 = tg_data_f32(m->x);
    h.x1 = h.x0 + m->x->strides[1];
    h.y = tg_data_f32(m->y);
    h.arena = aligned_alloc(64, (hand_arena_bytes(h.n) + 63) / 64 * 64);
    if (!h.arena) abort();
    return h;
}

/* Checks that three steps of each contender lead from the same weights to the same weights. */
static void check_agreement(const contender *c, const model *m)
{
    float first[2], weights[2];
    tg_tensor *parameter = tg_param(m->layers[0], "weight");
    tg_copy_to_f32(parameter, first);
    c[OURS].run(c[OURS].data, 3);
    tg_copy_to_f32(parameter, weights);
    for (int i = FUSED; i <= NINE; i++) {
        hand *h = c[i].data;
        memcpy(h->w, first, sizeof first);
        c[i].run(h, 3);
        for (int k = 0; k < 2; k++)
            bench_check(fabsf(h->w[k] - weights[k]) < 1e-3f * (1 + fabsf(weights[k])), c[i].name);
    }
}

static void measure_size(int k)
{
    tg_context *tg = tg_open(NULL);
    model m = model_lecture(tg, sizes[k].n);
    hand fused = hand_of(&m), five = fused, nine = fused;
    contender c[CONTENDERS] = {
        [OURS] = {.name = "libtinygrad", .run = model_train, .data = &m},
        [FUSED] = {.name = "C, one fused pass", .run = hand_fused, .data = &fused},
        [FIVE] = {.name = "C, five loops", .run = hand_five, .data = &five},
        [NINE] = {.name = "C, with malloc", .run = hand_nine, .data = &nine},
        [TORCH] = {.name = "PyTorch"},
    };
    snprintf(c[TORCH].torch, sizeof c[TORCH].torch, "lecture %ld", sizes[k].n);
    check_agreement(c, &m);
    bench_measure(c, CONTENDERS);
    bench_check(tg_ok(tg), tg_error(tg));

    char size[32];
    snprintf(size, sizeof size, "%ld", sizes[k].n);
    bench_compare_all(
        "lecture step", size, c, CONTENDERS - 1, 0,
        (bench_target[]){sizes[k].fused, sizes[k].five, {NO_LIMIT, 0}, sizes[k].torch});
    for (int i = 0; i < CONTENDERS; i++) nanoseconds[i][k] = 1e9 * c[i].median;
    free(fused.arena);
    tg_close(tg);
}

static void draw(const char *path)
{
    static const struct {
        const char *label, *color;
    } lines[CONTENDERS] = {
        [OURS] = {"libtinygrad", PLOT_RED},    [FUSED] = {"C, one fused pass", PLOT_BLACK},
        [FIVE] = {"C, five loops", PLOT_BLUE}, [NINE] = {"C, with malloc", PLOT_SKY},
        [TORCH] = {"PyTorch", PLOT_ORANGE},
    };
    double x[SIZES];
    for (int k = 0; k < SIZES; k++) x[k] = log10((double)sizes[k].n);
    plot *p = plot_new("A step of the lecture", "log10 of the rows", "nanoseconds", true);
    for (int i = 0; i < CONTENDERS; i++)
        if (isfinite(nanoseconds[i][0]))
            plot_line(p, lines[i].label, lines[i].color, SIZES, x, nanoseconds[i]);
    bench_check(plot_save(p, path), "the plot could not be written");
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    for (int k = 0; k < SIZES; k++) measure_size(k);
    if (bench_directory()) {
        char path[4096];
        snprintf(path, sizeof path, "%s/bench.svg", bench_directory());
        draw(path);
    }
    return bench_end();
}
