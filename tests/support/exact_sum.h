/* Exact sums, with which tests compare the sums of the library, and checks of their errors. In each
 * bound, u is half the distance from 1 to the next number: 2^-24 for float32, 2^-53 for float64. */
#ifndef TEST_EXACT_SUM_H
#define TEST_EXACT_SUM_H

#include "check.h"

static inline double unit_of(tg_dtype dtype)
{
    return dtype == TG_F32 ? 0x1p-24 : 0x1p-53;
}

/* A sum of products as high + low, which loses almost nothing; and size, the sum of the products'
 * absolute values. */
typedef struct exact_sum {
    double high, low, size;
} exact_sum;

static inline void add_exactly(exact_sum *s, double x, double y)
{
    const double product = x * y, high = s->high + product, z = high - s->high;
    s->low += fma(x, y, -product) + ((s->high - (high - z)) + (product - z));
    s->high = high;
    s->size += fabs(product);
}

/* Checks that value differs from the exact sum by at most units * u * (sum of absolute values). */
static inline void check_sum(double value, exact_sum exact, double u, double units)
{
    const double error = fabs((value - exact.high) - exact.low);
    if (!(error <= units * u * exact.size))
        fail_msg("%.17g is %.3g u off, more than %.3g", value, error / u / exact.size, units);
}

enum { KINDS_OF_TERMS = 2 };

/* Makes a float64 tensor of terms: kind 0 makes each 0.1, whose roundings add up, and kind 1 draws
 * normal numbers, whose sum nearly cancels. */
static inline tg_tensor *terms_of(tg_context *tg, int kind, tg_shape shape)
{
    return kind ? tg_randn(tg, TG_F64, shape) : tg_full(tg, TG_F64, shape, 0.1);
}

/* The exact sum of n terms x. */
static inline exact_sum n_times(double n, double x)
{
    exact_sum s = {0, 0, 0};
    add_exactly(&s, n, x);
    return s;
}

#endif
