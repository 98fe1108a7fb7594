/* A training step of the perceptron 784-128-10 against PyTorch, and against the time that its
 * matrix products would take at the arithmetic peak of a core. */
#include <stdio.h>

#include "bench.h"
#include "model.h"
#include "peak.h"

static const int64_t widths[] = {784, 128, 10};

/* The floating-point operations of the matrix products in a step: those of forward, and those of
 * the gradients of both weights and of the hidden layer. */
static double flops(double batch)
{
    double first = 784 * 128, second = 128 * 10;
    return batch * (4 * first + 6 * second);
}

static contender measure_batch(long batch, bench_target against_torch)
{
    tg_context *tg = tg_open(NULL);
    model m = model_perceptron(tg, batch, 2, widths);
    contender c[] = {{.name = "libtinygrad", .run = model_train, .data = &m}, {.name = "PyTorch"}};
    snprintf(c[1].torch, sizeof c[1].torch, "perceptron %ld 784 128 10", batch);
    bench_measure(c, 2);
    bench_check(tg_ok(tg), tg_error(tg));
    tg_close(tg);

    char size[32];
    snprintf(size, sizeof size, "batch %ld", batch);
    bench_compare("MLP 784-128-10 step", size, &c[0], &c[1], 0, against_torch);
    return c[0];
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    double peak = peak_f32();
    bench_report(&(row){.name = "FMA peak", .size = "1 core", .unit = "GFLOP/s", .ours = peak});

    contender ours = measure_batch(64, (bench_target){RATIO_AT_MOST, 0.65});
    double seconds = flops(64) / peak * 1e-9;
    contender floor = {.name = "products at FMA peak", .median = seconds, .least = seconds};
    bench_compare("MLP 784-128-10 step", "batch 64", &ours, &floor, 0,
                  (bench_target){RATIO_AT_MOST, 1.35});

    ours = measure_batch(1, (bench_target){NO_LIMIT, 0});
    bench_report(&(row){.name = "MLP 784-128-10 step",
                        .size = "batch 1",
                        .unit = "ns",
                        .ours = 1e9 * ours.median,
                        .ours_best = 1e9 * ours.least,
                        .target = {AT_MOST, 25e3}});
    return bench_end();
}
