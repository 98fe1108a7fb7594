#include "peak.h"

#include "bench.h"

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
/* The number of independent sums. A core that begins two instructions in each cycle, whose latency
 * is 4 to 6 cycles, needs 8 to 12 of them to be busy all the time. */
#define CHAINS 12

/* What a chain multiplies by and adds. Both are 1 when the program runs, which a compiler cannot
 * know: after n steps each sum is then n more than at first, if no step was left out. */
static volatile double factor = 1, term = 1;

/* Defines NAME(done, times), which makes so many steps of all chains and adds to *done by how much
 * the sums have grown together. This file is compiled without -fassociative-math, which allows the
 * steps to be rewritten without fused operations. */
#define DEFINE_CHAINS(NAME, T)                                                                     \
    typedef T NAME##_lanes __attribute__((vector_size(WIDTH)));                                    \
    static void NAME(void *done, long times)                                                       \
    {                                                                                              \
        NAME##_lanes sum[CHAINS], a = (T)factor - (NAME##_lanes){0}, b = a;                        \
        for (int k = 0; k < CHAINS; k++) sum[k] = (T)(k * term) - (NAME##_lanes){0};               \
        for (long i = 0; i < times; i++)                                                           \
            for (int k = 0; k < CHAINS; k++) sum[k] = sum[k] * a + b;                              \
        for (int k = 0; k < CHAINS; k++)                                                           \
            for (unsigned i = 0; i < WIDTH / sizeof(T); i++)                                       \
                *(double *)done += (double)sum[k][i] - k;                                          \
    }

DEFINE_CHAINS(chains_f32, float)
DEFINE_CHAINS(chains_f64, double)

/* Checks that the sums have counted the steps. Beyond 2^24, a float32 counts no further. */
static void check_steps(void (*run)(void *, long), double lanes)
{
    const long steps = 10000;
    double done = 0;
    run(&done, steps);
    bench_check(done == (double)steps * CHAINS * lanes, "the peak does not count its steps");
}

static double measure(void (*run)(void *, long), double lanes)
{
    double done = 0;
    contender c = {.name = "peak", .run = run, .data = &done};
    check_steps(run, lanes);
    bench_measure(&c, 1);
    return 2 * CHAINS * lanes / c.least * 1e-9;
}

double peak_f32(void)
{
    static double peak;
    if (peak == 0) peak = measure(chains_f32, WIDTH / sizeof(float));
    return peak;
}

double peak_f64(void)
{
    static double peak;
    if (peak == 0) peak = measure(chains_f64, WIDTH / sizeof(double));
    return peak;
}
