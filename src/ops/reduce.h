/* Reductions over dimensions: how one is called, its shape rule, its forward and its gradient. An
 * output of a reduction is made of all elements with the same indices along the other, kept
 * dimensions; these elements are its terms. */
#ifndef TG_REDUCE_H
#define TG_REDUCE_H

#include "op.h"

/* The attributes of a reduction: a bit for each dimension that is reduced, whether these stay with
 * a size of 1, and a number that the operation itself defines. */
enum { REDUCE_BITS, REDUCE_KEEPDIM, REDUCE_OWN };

/* ---- Calling a reduction. */

/* Applies o over all dimensions of a, or over dims; an empty list of dims means all. `own` is the
 * attribute that the operation defines. */
tg_tensor *tg__reduce_all(const op_row *o, tg_tensor *a);
tg_tensor *tg__reduce_dims(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim);
tg_tensor *tg__reduce_dims_with(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim,
                                attr own);

/* Returns a or, if it is of bool, an int64 copy: products and running sums of bool are int64, as in
 * PyTorch. a may be NULL. */
static inline tg_tensor *tg__bool_to_int64(tg_tensor *a)
{
    return a && a->dtype == TG_BOOL ? tg_cast(a, TG_I64) : a;
}

/* ---- Shape rule and forward. */

static inline bool tg__is_reduced(const attr *a, int dim)
{
    return ((uint64_t)a[REDUCE_BITS].i >> dim) & 1;
}
/* Sets the sizes of the result, but not its dtype. */
void tg__reduced_shape(const call *c, spec *s);
/* The number of terms that each output has in a reduction of t. */
int64_t tg__count_terms(const tg_tensor *t, const attr *a);
/* Whether the elements along dimensions [first, last), in row-major order, lie at one stride, which
 * is then stored. It is 1 for a single element. */
bool tg__lie_at_one_stride(const int64_t *shape, const int64_t *strides, int first, int last,
                           int64_t *stride);
/* Computes each output from its terms by one of two kernels, which take rows and columns; `none` is
 * the value without terms. False if there is no memory. */
bool tg__reduce_into(const call *c, const reduce_set *rows, const reduce_columns_set *columns,
                     tg_tensor *out, double none);
/* Computes the sums of the terms. Those of int64 and bool are int64; the others have the dtype of
 * the input. The order of the additions does not depend on the number of threads. False if there is
 * no memory. */
bool tg__sum_into(const call *c, tg_tensor *sum);
/* Whether threads share the sum of n elements, which they do by tg__share_sum. */
static inline bool tg__shares_sum(const tg_context *tg, int64_t n)
{
    return tg->team && n >= 2 * SUM_PART;
}
/* *out = the sum over n elements that `what` says, such as LANES_DOT, which threads share. The bits
 * are those of the kernels sum, dot and squared_distance. False if there is no memory. */
bool tg__share_sum(tg_context *tg, tg_dtype dtype, int what, int64_t n, void *out, const void *a,
                   const void *b);
/* Adds rows of n sums, those of the parts of a sum over columns, to the first of them, in the order
 * in which the kernel sum_columns adds its blocks. */
void tg__join_sums(const tg_context *tg, tg_dtype dtype, int64_t parts, int64_t n, char *sums);
/* Finds the greatest or the least term of each output, and which of the terms it is, counted from
 * 0; either array may be NULL. Values of outputs without terms become 0. False if there is no
 * memory. */
bool tg__extreme_into(const call *c, bool greatest, tg_tensor *values, int64_t *indices);

/* ---- Gradient. */

/* Reshapes t, which has the shape of the result, to the dimensions of the input, where each reduced
 * one has size 1. */
tg_tensor *tg__restore_dims(const record *r, tg_tensor *t);
/* The same, expanded to the shape of the input. */
tg_tensor *tg__expand_to_input(const record *r, tg_tensor *t);
/* Returns the sum of t over the dimensions that r reduced, which keep a size of 1. */
tg_tensor *tg__sum_same_dims(const record *r, tg_tensor *t);
/* Sums g over the dimensions in which `like` was broadcast to the shape of g. The result has the
 * shape of `like`. */
tg_tensor *tg__sum_to(tg_tensor *g, const tg_tensor *like);

/* ---- Operations that others are composed of. */

/* The two steps of a normalization, in src/ops/moments.c, for a floating x. tg__center returns x -
 * mean(x) over dims, with a mean computed in float64. tg__inverse_deviation takes such a centered
 * tensor and returns 1 / sqrt(var + eps), where var is the mean of its squares; here dims keep a
 * size of 1. *mean and *var, unless the pointers are NULL, become tensors of that shape without a
 * history. */
tg_tensor *tg__center(tg_tensor *x, tg_shape dims, tg_tensor **mean);
tg_tensor *tg__inverse_deviation(tg_tensor *x, tg_shape dims, double eps, tg_tensor **var);

/* Normalizations in one walk, in src/ops/normalize.c, of tensors of one floating dtype.
 * tg__layer_norm returns c / sqrt(var + eps) weight + bias with c = x - mean, where dims are the
 * last dimensions of x and the shape of weight and bias; there must be more than one element in
 * them. tg__batch_norm returns c (weight / sqrt(var + eps)) + bias, where dims are all dimensions
 * but number 1, for which weight and bias have an element each. *mean and *var become tensors of
 * the shape of these, without a history. */
tg_tensor *tg__layer_norm(tg_tensor *x, tg_shape dims, tg_tensor *weight, tg_tensor *bias,
                          double eps);
tg_tensor *tg__batch_norm(tg_tensor *x, tg_shape dims, tg_tensor *weight, tg_tensor *bias,
                          double eps, tg_tensor **mean, tg_tensor **var);
/* (x - center) scale + shift, where the last three have an element for each index of dimension 1 of
 * x and broadcast to it. */
tg_tensor *tg__normalize_channels(tg_tensor *x, tg_tensor *center, tg_tensor *scale,
                                  tg_tensor *shift);

/* Returns g times the product of the other elements of x along dim, for each element; along dim g
 * has size 1, and x at least that. In src/ops/scan.c. */
tg_tensor *tg__times_others(tg_tensor *g, tg_tensor *x, int dim);

/* Returns x g / y, and 0 where y is 0, for g and y that broadcast to x. With a norm y of x this is
 * the gradient of the norm. |y| must be at least |x|; the result is then right even where the
 * product x g or the quotient g/y would overflow or underflow. In src/ops/norm.c. */
tg_tensor *tg__norm_backward(tg_tensor *x, tg_tensor *g, tg_tensor *y);

#endif
