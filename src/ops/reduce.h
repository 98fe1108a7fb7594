/* Reductions over dimensions. Their attributes: a bit for each dimension that is reduced; keepdim;
 * and one that each operation defines. */
#ifndef TG_REDUCE_H
#define TG_REDUCE_H

#include "op.h"

/* ---- The call of a reduction. */

/* o over all of a, or over these dims, of which none are all; with a third attribute, or without.
 */
tg_tensor *tg__over_all(const op_row *o, tg_tensor *a);
tg_tensor *tg__over_dims(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim);
tg_tensor *tg__over_dims_with(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim,
                              attr last);

/* ---- Its shape rule and forward. */

static inline bool tg__is_reduced(const call *c, int dim)
{
    return ((uint64_t)c->a[0].i >> dim) & 1;
}
void tg__reduced_shape(const call *c, spec *s);
/* How many terms of t an output has. */
int64_t tg__terms(const tg_tensor *t, const attr *a);
/* The sums of the input's elements, which may have another dtype. */
bool tg__sum_into(const call *c, tg_tensor *sum);
/* The greatest or the least of the input's elements, and their indices along the reduced
 * dimensions; either may be NULL. Where there is nothing to choose from, values become 0. */
bool tg__extreme_into(const call *c, bool greatest, tg_tensor *values, int64_t *places);

/* ---- Its gradient. */

/* t, which has the shape of the result, with a size of 1 where a dimension was reduced; and
 * expanded to the shape of the input. */
tg_tensor *tg__with_dims(const record *r, tg_tensor *t);
tg_tensor *tg__spread(const record *r, tg_tensor *t);
/* The sum of t over the dims that r reduced, which keep a size of 1. */
tg_tensor *tg__sum_as(const record *r, tg_tensor *t);
/* g summed down to like's shape, differentiably. */
tg_tensor *tg__sum_to(tg_tensor *g, const tg_tensor *like);

/* ---- What other operations are made of. */

/* For normalization, in src/ops/moments.c: x, floating, less its mean over dims, which is worked
 * out in float64; and of such a tensor 1 / sqrt(var + eps), var being the mean of squares. The mean
 * and var come without a history where they are wanted; all have the dims with size 1. */
tg_tensor *tg__center(tg_tensor *x, tg_shape dims, tg_tensor **mean);
tg_tensor *tg__inverse_deviation(tg_tensor *x, tg_shape dims, double eps, tg_tensor **var);

/* x g / y for g and y that broadcast to x, where |y| is |x| at least; 0 where y is. Nothing leaves
 * the range on the way. In src/ops/norm.c. */
tg_tensor *tg__over_norm(tg_tensor *x, tg_tensor *g, tg_tensor *y);

#endif
