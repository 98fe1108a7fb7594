/* Sums of many float64 terms, added one after the other. `rest` adds up what each addition to
 * `sum` rounds away (Knuth's two-sum). With u = 2^-53, S the exact sum of n terms and A that of
 * their absolute values, the value differs from S by at most u |S| + (n u)^2 A (Ogita, Rump and
 * Oishi, SIAM J. Sci. Comput. 26, 2005, algorithm 4.4). Where the terms are themselves sums of at
 * most SUM_BLOCK numbers, which cost one addition each, the bound is SUM_BLOCK u A to first order,
 * and what has no more numbers than that is rounded as if there were no blocks. */
#ifndef TG_LONG_SUM_H
#define TG_LONG_SUM_H

#include "compiler.h"

enum { SUM_BLOCK = 64 };

typedef struct long_sum {
    double sum, rest;
} long_sum;

static inline void tg__add_term(long_sum *s, double x)
{
    const double total = s->sum + x, taken = total - s->sum;
    s->rest += (s->sum - (total - taken)) + (x - taken);
    s->sum = total;
}

/* The rest is NaN, and left out, once the sum is infinite or NaN. */
static inline double tg__value_of_sum(long_sum s)
{
    return s.rest - s.rest == 0 ? s.sum + s.rest : s.sum;
}

#endif
