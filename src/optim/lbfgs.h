/* What LBFGS remembers from step to step. */
#ifndef TG_LBFGS_H
#define TG_LBFGS_H

#include "../state/exchange.h"
#include "optim.h"

/* The approximation of the inverse Hessian: pairs of a change y of the gradient and a change s of
 * the parameters. The rows of `changes` (y) and `steps` (s) that hold the pairs are listed in a
 * ring: the row of the oldest pair is ring[first], those of the younger pairs follow, and then the
 * free rows. After the last element of the ring comes element 0. */
typedef struct curvature {
    int64_t *ring;
    int64_t first;
    int64_t used;       /* how many pairs there are */
    double scale;       /* the initial approximation is this number times the identity */
    int64_t iterations; /* how many iterations there were in all steps so far */
} curvature;

typedef struct lbfgs {
    int level;               /* the SIMD level of the context */
    int64_t n;               /* how many elements all parameters have */
    int64_t history, rows;   /* the most pairs that are used, and the pairs there is room for */
    curvature now, at_start; /* at_start is from before the step under way, for undo_step */
    int64_t new_pairs;       /* how many pairs the step under way has stored */
    double t;         /* the step size of the last iteration; 0: it has left no pair to store */
    bool unevaluated; /* the last step ended at x + t d without evaluating the loss there */
    double *x, *d;    /* the parameters where the last iteration began, and its direction */
    double *g, *previous_g;  /* the gradient, and the gradient where the last iteration began */
    double *point;           /* x + t d, before it is rounded to the dtypes of the parameters */
    double *start_x;         /* the parameters before the step under way */
    double *trial_g[3];      /* memory for the gradients of the trials of the line search */
    double *changes, *steps; /* the vectors y and s of the pairs, a row for each pair */
    double *rho;             /* 1 / (y . s) of each row */
    double *alpha;           /* the numbers alpha of algorithm 7.4, one for each pair */
} lbfgs;

/* The row of pair k, of which pair 0 is the oldest. */
static inline int64_t *tg__row_of(const lbfgs *l, int64_t k)
{
    return &l->now.ring[(l->now.first + k) % l->rows];
}

/* How many rows there are: one for each pair in use, and one for each older pair that a step may
 * drop and needs again if it is undone. */
static inline int64_t tg__count_rows(const tg_lbfgs_options *o)
{
    return o->history_size + (o->max_iter <= o->history_size ? o->max_iter - 1 : o->history_size);
}

/* Exchanges what an optimiser of that kind remembers; o are its options. */
void tg__exchange_lbfgs(exchange *x, tg_optim *optim, const tg_lbfgs_options *o);

#endif
