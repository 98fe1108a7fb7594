/* A sum as high + low, to about 32 digits (Dekker, Numerische Mathematik 18, 1971). */
#ifndef EXAMPLES_TWOFOLD_H
#define EXAMPLES_TWOFOLD_H

#include <math.h>

typedef struct twofold {
    double high, low;
} twofold;

static inline void add(twofold *sum, double value)
{
    const double high = sum->high + value, back = high - sum->high;
    sum->low += (sum->high - (high - back)) + (value - back);
    sum->high = high;
}

static inline void add_product(twofold *sum, double a, double b)
{
    const double product = a * b;
    add(sum, product);
    sum->low += fma(a, b, -product);
}

/* a - b, exactly. */
static inline twofold difference(double a, double b)
{
    twofold d = {a, 0};
    add(&d, -b);
    return d;
}

#endif
