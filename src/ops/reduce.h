/* Reductions over dimensions. Their attributes: a bit for each dimension that is reduced; keepdim;
 * and one that each operation defines. */
#ifndef TG_REDUCE_H
#define TG_REDUCE_H

#include "op.h"

/* Over these dims, of which none are all. */
tg_tensor *tg__over_dims(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim, attr last);
void tg__reduced_shape(const call *c, spec *s);
/* How many terms of t an output has. */
int64_t tg__terms(const tg_tensor *t, const attr *a);
/* t, which has the shape of the result, with a size of 1 where a dimension was reduced. */
tg_tensor *tg__with_dims(const record *r, tg_tensor *t);

/* g summed down to like's shape, differentiably. */
tg_tensor *tg__sum_to(tg_tensor *g, const tg_tensor *like);

/* For normalization, in src/ops/moments.c: x, floating, less its mean over dims, which is worked
 * out in float64; and of such a tensor 1 / sqrt(var + eps), var being the mean of squares. The mean
 * and var come without a history where they are wanted; all have the dims with size 1. */
tg_tensor *tg__center(tg_tensor *x, tg_shape dims, tg_tensor **mean);
tg_tensor *tg__inverse_deviation(tg_tensor *x, tg_shape dims, double eps, tg_tensor **var);

/* x g / y for g and y that broadcast to x, where |y| is |x| at least; 0 where y is. Nothing leaves
 * the range on the way. In src/ops/statistics.c. */
tg_tensor *tg__over_norm(tg_tensor *x, tg_tensor *g, tg_tensor *y);

#endif
