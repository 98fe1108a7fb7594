/* A training loop after its first steps: the allocator calls and resident memory that further steps
 * take, and how the time of a step grows with the number of rows. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"
#include "model.h"

static void measure_memory(void)
{
    const long steps = 1000000;
    tg_context *tg = tg_open(NULL);
    model m = model_lecture(tg, 100);
    model_train(&m, 1000);
    double calls = (double)tg_get_stats(tg).allocator_calls;
    bench_memory("VmRSS"); /* takes the memory that reading the file needs */
    double before = bench_memory("VmRSS");
    model_train(&m, steps);
    double grown = bench_memory("VmRSS") - before;
    calls = (double)tg_get_stats(tg).allocator_calls - calls;
    bench_check(tg_ok(tg), tg_error(tg));
    tg_close(tg);
    bench_report(&(row){.name = "allocator calls a step",
                        .size = "10^6 steps",
                        .unit = "calls",
                        .ours = calls / (double)steps,
                        .target = {AT_MOST, 0}});
    bench_report(&(row){.name = "resident memory grows by",
                        .size = "10^6 steps",
                        .unit = "KB",
                        .ours = grown,
                        .target = {AT_MOST, 0}});
}

enum { POINTS = 4 };

/* Chooses numbers of rows for which a step works on a quarter, a half, three quarters and all of
 * `bytes`. A row takes five float32 numbers. */
static void choose_sizes(double bytes, long n[POINTS])
{
    for (int i = 0; i < POINTS; i++) n[i] = (long)(bytes / 20 * (1 + (double)i) / POINTS);
}

/* Returns by how many percent the times differ at most from the straight line through the first and
 * the last. The least time of each contender is used, as other programs have disturbed it least. */
static double distance_from_line(const long *n, const contender *c)
{
    double worst = 0, first = c[0].least, last = c[POINTS - 1].least;
    for (int i = 1; i < POINTS - 1; i++) {
        double part = (double)(n[i] - n[0]) / (double)(n[POINTS - 1] - n[0]);
        double line = first + part * (last - first);
        worst = fmax(worst, 100 * fabs(c[i].least / line - 1));
    }
    return worst;
}

/* Measures steps whose data take up to `bytes`: a part of a level of the cache or, for main memory,
 * a multiple of the last level. */
static void measure_level(const char *level, double bytes)
{
    long n[POINTS];
    tg_context *tg = tg_open(NULL);
    model models[POINTS];
    contender c[POINTS];
    choose_sizes(bytes, n);
    for (int i = 0; i < POINTS; i++) {
        models[i] = model_lecture(tg, n[i]);
        c[i] = (contender){.name = level, .run = model_train, .data = &models[i]};
    }
    bench_measure(c, POINTS);
    bench_check(tg_ok(tg), tg_error(tg));
    tg_close(tg);

    char size[32];
    snprintf(size, sizeof size, "in %s", level);
    bench_report(&(row){.name = "step, off a line in n by",
                        .size = size,
                        .unit = "%",
                        .ours = distance_from_line(n, c),
                        .target = {AT_MOST, 15}});
}

static double cache_bytes(int level, double otherwise)
{
    long bytes = sysconf(level);
    return bytes > 0 ? (double)bytes : otherwise;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    measure_memory();
    double l1 = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32e3);
    double l2 = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 1e6);
    double l3 = cache_bytes(_SC_LEVEL3_CACHE_SIZE, 32e6);
    measure_level("L1", 0.7 * l1);
    measure_level("L2", 0.7 * l2);
    measure_level("L3", 0.7 * l3);
    measure_level("memory", 4 * l3);
    return bench_end();
}
