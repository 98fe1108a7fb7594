/* A compensated sum of many float64 terms, added one after the other. `rest` adds up what each
 * addition to `sum` rounds away. Let u = 2^-53, S the exact sum of n terms, and A the sum of their
 * absolute values: the value differs from S by at most u |S| + (n u)^2 A (Ogita, Rump and Oishi,
 * SIAM J. Sci. Comput. 26, 2005, algorithm 4.4).
 *
 * A caller may first add up to SUM_BLOCK numbers in the usual way, at one addition each, and make
 * each such sum a term. The error is then at most SUM_BLOCK u A to first order, and a sum of at
 * most SUM_BLOCK numbers has the same bits as without compensation. */
#ifndef TG_LONG_SUM_H
#define TG_LONG_SUM_H

#include "../kernels/arithmetic.h"
#include "compiler.h"

enum { SUM_BLOCK = 64 };

typedef struct long_sum {
    double sum, rest;
} long_sum;

static inline void tg__add_term(long_sum *s, double x)
{
    const double before = s->sum, total = before + x;
    s->rest += TG_ROUNDING_ERROR(before, x, total);
    s->sum = total;
}

/* Once the sum is infinite or NaN, the rest is NaN and must be left out. A rest of 0 is left out,
 * too, because -0 + 0 is 0. */
static inline double tg__value_of_sum(long_sum s)
{
    return s.rest != 0 && s.rest - s.rest == 0 ? s.sum + s.rest : s.sum;
}

#endif
