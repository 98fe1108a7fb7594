/* The walk over the outputs of the operations that need means and variances, and what it computes
 * for them. moments.c explains the walk. */
#ifndef TG_MOMENTS_H
#define TG_MOMENTS_H

#include "reduce.h"

enum { AT_ONCE = 256 }; /* the largest number of outputs that are computed together */

/* The outer groups of one kind, and the number of indices that they have together. */
typedef struct outer_dims {
    int groups;
    int64_t size[TG_MAX_DIMS], step[TG_MAX_DIMS]; /* step: the stride, in elements */
    int64_t count;
} outer_dims;

typedef struct moments_walk moments_walk;

/* Computes the n outputs from number `out` on. Element `at` of x is the first term of the first of
 * them. It may be called on any thread. */
typedef void output_visit(const moments_walk *w, int64_t out, int64_t at, int64_t n);

struct moments_walk {
    const call *c;
    const tg_tensor *x; /* contiguous */
    output_visit *visit;
    const void *with;      /* what the visit needs besides the walk */
    int64_t kept, reduced; /* the sizes of the last two groups */
    bool rows; /* whether the last group is reduced; the terms of an output are then a row, else a
                  column */
    outer_dims outer[2]; /* [0]: the kept ones, [1]: the reduced ones */
    int64_t at_once;     /* the number of outputs that are computed together */
    double terms;        /* of each output */
};

/* The part of a matrix that has the terms of n outputs, as a kernel takes it. */
typedef struct matrix_view {
    int64_t rows, columns, stride;
} matrix_view;

/* The walk for an operation on x, which is contiguous, whose dimensions with a bit in REDUCE_BITS
 * are reduced. */
moments_walk tg__moments_walk(const call *c, const tg_tensor *x);
/* Visits all outputs. */
void tg__visit_outputs(moments_walk *w, output_visit *visit, const void *with);
matrix_view tg__matrix_of(const moments_walk *w, int64_t n);
/* The offset, in elements, of index number i of the outer groups. */
int64_t tg__outer_offset(const outer_dims *o, int64_t i);
/* Element `at` of an array of the dtype of x. */
void *tg__element_of(const moments_walk *w, const void *data, int64_t at);
/* Computes the means of the terms of n outputs in `data`, an array of the shape of x. */
void tg__means(const moments_walk *w, const void *data, int64_t at, int64_t n, double *mean);
/* Subtracts the means from these terms, from `data` to `out`, which may be the same array. */
void tg__deviations(const moments_walk *w, void *out, const void *data, int64_t at, int64_t n,
                    const double *mean);
/* square[i] becomes the mean of the squares of the deviations of these terms of x, and inverse[i]
 * becomes 1 / sqrt(square[i] + eps). room is an array of the shape of x in which these terms may be
 * overwritten; or it is that of x itself, if the means are 0. */
void tg__inverse_deviations(const moments_walk *w, void *room, int64_t at, int64_t n,
                            const double *mean, double eps, double *square, double *inverse);

/* tg__center and tg__inverse_deviation with the attributes of an operation: of them REDUCE_BITS,
 * and for the latter REDUCE_OWN, which is eps, and REDUCE_KEEPDIM. */
tg_tensor *tg__centered(tg_tensor *x, const attr *a);
tg_tensor *tg__inverse_of(tg_tensor *x, const attr *a);

#endif
