/* Operations: arithmetic, comparison, reductions, products, joining and sorting. Each takes any
 * strides, returns a new tensor in the current scope and, where dtypes are floating, has a gradient
 * that has a gradient. Two tensors broadcast as in NumPy and must have one dtype: nothing is
 * promoted silently (tg_cast). A scalar must be a value of the tensor's dtype. */
#ifndef TINYGRAD_OPS_H
#define TINYGRAD_OPS_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Arithmetic. add, sub, mul also on int64, which wraps; div on floating dtypes. */
TG_API tg_tensor *tg_add(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_sub(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_mul(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_div(tg_tensor *a, tg_tensor *b);
/* a + alpha b, a - alpha b. */
TG_API tg_tensor *tg_add_alpha(tg_tensor *a, tg_tensor *b, double alpha);
TG_API tg_tensor *tg_sub_alpha(tg_tensor *a, tg_tensor *b, double alpha);
TG_API tg_tensor *tg_add_scalar(tg_tensor *a, double s);
TG_API tg_tensor *tg_sub_scalar(tg_tensor *a, double s);
/* s - a, as torch.rsub. */
TG_API tg_tensor *tg_rsub_scalar(tg_tensor *a, double s);
TG_API tg_tensor *tg_mul_scalar(tg_tensor *a, double s);
TG_API tg_tensor *tg_div_scalar(tg_tensor *a, double s);
/* a to the power of b or s, floating. */
TG_API tg_tensor *tg_pow(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_pow_scalar(tg_tensor *a, double s);

/* The greater or the lesser; NaN where either is NaN. At equality half the gradient goes to each.
 */
TG_API tg_tensor *tg_maximum(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_minimum(tg_tensor *a, tg_tensor *b);

/* ---- Elementwise functions. neg, square, abs, relu also on int64. The float32 functions are the
 * library's own and give the same bits on every machine. */
TG_API tg_tensor *tg_neg(tg_tensor *a);
TG_API tg_tensor *tg_abs(tg_tensor *a);
TG_API tg_tensor *tg_sign(tg_tensor *a);
TG_API tg_tensor *tg_square(tg_tensor *a);
TG_API tg_tensor *tg_sqrt(tg_tensor *a);
TG_API tg_tensor *tg_exp(tg_tensor *a);
TG_API tg_tensor *tg_log(tg_tensor *a);
TG_API tg_tensor *tg_relu(tg_tensor *a);
TG_API tg_tensor *tg_sigmoid(tg_tensor *a);
TG_API tg_tensor *tg_tanh(tg_tensor *a);

TG_API tg_tensor *tg_reciprocal(tg_tensor *a);
TG_API tg_tensor *tg_rsqrt(tg_tensor *a);
TG_API tg_tensor *tg_expm1(tg_tensor *a);
TG_API tg_tensor *tg_log1p(tg_tensor *a);
TG_API tg_tensor *tg_log2(tg_tensor *a);
TG_API tg_tensor *tg_log10(tg_tensor *a);
TG_API tg_tensor *tg_sin(tg_tensor *a);
TG_API tg_tensor *tg_cos(tg_tensor *a);
TG_API tg_tensor *tg_tan(tg_tensor *a);
TG_API tg_tensor *tg_asin(tg_tensor *a);
TG_API tg_tensor *tg_acos(tg_tensor *a);
TG_API tg_tensor *tg_atan(tg_tensor *a);
TG_API tg_tensor *tg_sinh(tg_tensor *a);
TG_API tg_tensor *tg_cosh(tg_tensor *a);
TG_API tg_tensor *tg_erf(tg_tensor *a);
/* To a whole number: down, up, to the nearest (halves to even), towards 0. int64 as it is. */
TG_API tg_tensor *tg_floor(tg_tensor *a);
TG_API tg_tensor *tg_ceil(tg_tensor *a);
TG_API tg_tensor *tg_round(tg_tensor *a);
TG_API tg_tensor *tg_trunc(tg_tensor *a);
/* The angle of the point (b, a), in [-pi, pi]. */
TG_API tg_tensor *tg_atan2(tg_tensor *a, tg_tensor *b);
/* a - b floor(a / b), with the sign of b; also int64, where a divisor of 0 is TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_remainder(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_remainder_scalar(tg_tensor *a, double s);

/* ---- Activations, by PyTorch's formulas. relu6 and hardtanh also on int64. */
TG_API tg_tensor *tg_relu6(tg_tensor *a);
TG_API tg_tensor *tg_leaky_relu(tg_tensor *a, double negative_slope);
TG_API tg_tensor *tg_elu(tg_tensor *a, double alpha);
TG_API tg_tensor *tg_selu(tg_tensor *a);
/* a Phi(a), Phi being the normal distribution function, or its approximation by tanh. */
enum { TG_GELU_NONE, TG_GELU_TANH };
TG_API tg_tensor *tg_gelu(tg_tensor *a, int approximate);
TG_API tg_tensor *tg_silu(tg_tensor *a);
TG_API tg_tensor *tg_mish(tg_tensor *a);
TG_API tg_tensor *tg_logsigmoid(tg_tensor *a);
/* log(1 + exp(beta a)) / beta; a itself where beta a is above threshold. */
TG_API tg_tensor *tg_softplus(tg_tensor *a, double beta, double threshold);
TG_API tg_tensor *tg_softsign(tg_tensor *a);
/* No gradient passes at the bounds. */
TG_API tg_tensor *tg_hardtanh(tg_tensor *a, double min_val, double max_val);
TG_API tg_tensor *tg_hardsigmoid(tg_tensor *a);
TG_API tg_tensor *tg_hardswish(tg_tensor *a);

/* ---- Comparison: bool tensors, without a gradient. */
TG_API tg_tensor *tg_eq(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_ne(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_lt(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_le(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_gt(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_ge(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_eq_scalar(tg_tensor *a, double s);
TG_API tg_tensor *tg_ne_scalar(tg_tensor *a, double s);
TG_API tg_tensor *tg_lt_scalar(tg_tensor *a, double s);
TG_API tg_tensor *tg_le_scalar(tg_tensor *a, double s);
TG_API tg_tensor *tg_gt_scalar(tg_tensor *a, double s);
TG_API tg_tensor *tg_ge_scalar(tg_tensor *a, double s);

/* Of two tensors of one dtype, where what is not 0 is true. */
TG_API tg_tensor *tg_logical_and(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_logical_or(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_logical_xor(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_logical_not(tg_tensor *a);
/* Of any dtype; integers are finite. */
TG_API tg_tensor *tg_isnan(tg_tensor *a);
TG_API tg_tensor *tg_isinf(tg_tensor *a);
TG_API tg_tensor *tg_isfinite(tg_tensor *a);

/* a where condition (bool) is true, else b; all three broadcast. */
TG_API tg_tensor *tg_where(tg_tensor *condition, tg_tensor *a, tg_tensor *b);
/* value where mask (bool) is true, else a; they broadcast. */
TG_API tg_tensor *tg_masked_fill(tg_tensor *a, tg_tensor *mask, double value);
/* Between min and max, which may be infinite: no bound. min > max gives max. The gradient passes
 * where nothing was cut off, bounds included; with tensors, which broadcast, else to the bound. */
TG_API tg_tensor *tg_clamp(tg_tensor *a, double min, double max);
TG_API tg_tensor *tg_clamp_tensors(tg_tensor *a, tg_tensor *min, tg_tensor *max);
/* start + weight (end - start). */
TG_API tg_tensor *tg_lerp(tg_tensor *start, tg_tensor *end, tg_tensor *weight);
TG_API tg_tensor *tg_lerp_scalar(tg_tensor *start, tg_tensor *end, double weight);

/* ---- Reductions: over all elements, or over the dimensions named, which go or stay with size 1
 * (keepdim). An empty list of dims means all. Sums of int64 and bool are int64. float32 sums are
 * pairwise: the error grows with log n, and the order never depends on the machine. */
#define TG_KEEPDIM true
TG_API tg_tensor *tg_sum(tg_tensor *a);
TG_API tg_tensor *tg_sum_dims(tg_tensor *a, tg_shape dims, bool keepdim);
/* Floating; NaN for nothing. */
TG_API tg_tensor *tg_mean(tg_tensor *a);
TG_API tg_tensor *tg_mean_dims(tg_tensor *a, tg_shape dims, bool keepdim);

/* The greatest and the least; NaN if there is one. Of nothing: TG_ERR_SHAPE. Over all, the gradient
 * is shared evenly by equal elements; over a dim it goes to the element that argmax and argmin
 * name. */
TG_API tg_tensor *tg_max(tg_tensor *a);
TG_API tg_tensor *tg_min(tg_tensor *a);
TG_API tg_tensor *tg_max_dim(tg_tensor *a, int dim, bool keepdim);
TG_API tg_tensor *tg_min_dim(tg_tensor *a, int dim, bool keepdim);
/* int64 index of the first greatest or least (first NaN if there is one); over all: in row-major
 * order. */
TG_API tg_tensor *tg_argmax(tg_tensor *a);
TG_API tg_tensor *tg_argmin(tg_tensor *a);
TG_API tg_tensor *tg_argmax_dim(tg_tensor *a, int dim, bool keepdim);
TG_API tg_tensor *tg_argmin_dim(tg_tensor *a, int dim, bool keepdim);

/* Shared evenly by equal elements; the empty list of dims means all. */
TG_API tg_tensor *tg_amax(tg_tensor *a, tg_shape dims, bool keepdim);
TG_API tg_tensor *tg_amin(tg_tensor *a, tg_shape dims, bool keepdim);

/* Values with their places (int64); both NULL on failure. */
typedef struct tg_indexed {
    tg_tensor *values, *indices;
} tg_indexed;
/* As max_dim and argmax_dim. */
TG_API tg_indexed tg_max_indexed(tg_tensor *a, int dim, bool keepdim);
TG_API tg_indexed tg_min_indexed(tg_tensor *a, int dim, bool keepdim);

/* Products; of int64 and bool in int64, which wraps. */
TG_API tg_tensor *tg_prod(tg_tensor *a);
TG_API tg_tensor *tg_prod_dim(tg_tensor *a, int dim, bool keepdim);
/* Running sums and products along dim. */
TG_API tg_tensor *tg_cumsum(tg_tensor *a, int dim);
TG_API tg_tensor *tg_cumprod(tg_tensor *a, int dim);
/* The variance, sum (a - mean)^2 / (n - correction), and its square root, worked out in float64;
 * exactly 0 where all elements are equal. correction 1 is the unbiased estimate. The gradient of
 * std is 0 where std is 0. */
TG_API tg_tensor *tg_var(tg_tensor *a, int64_t correction);
TG_API tg_tensor *tg_var_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim);
TG_API tg_tensor *tg_std(tg_tensor *a, int64_t correction);
TG_API tg_tensor *tg_std_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim);
/* (sum |a|^p)^(1/p), right also where |a|^p leaves the range of the dtype, as long as the norm does
 * not. p INFINITY or -INFINITY: the greatest or least |a|; 0: how many elements are not 0. The
 * gradient is 0 where the norm is 0. */
TG_API tg_tensor *tg_norm(tg_tensor *a, double p);
TG_API tg_tensor *tg_norm_dims(tg_tensor *a, double p, tg_shape dims, bool keepdim);
TG_API tg_tensor *tg_logsumexp(tg_tensor *a, tg_shape dims, bool keepdim);
/* Of any dtype, to bool: whether some or all are not 0. */
TG_API tg_tensor *tg_any(tg_tensor *a);
TG_API tg_tensor *tg_all(tg_tensor *a);
TG_API tg_tensor *tg_any_dim(tg_tensor *a, int dim, bool keepdim);
TG_API tg_tensor *tg_all_dim(tg_tensor *a, int dim, bool keepdim);
/* exp(a) over its sum along dim, and the logarithm of that. Floating. */
TG_API tg_tensor *tg_softmax(tg_tensor *a, int dim);
TG_API tg_tensor *tg_log_softmax(tg_tensor *a, int dim);

/* ---- Products, of float32, float64 or int64. With k the inner size and u = 2^-24 for float32 or
 * 2^-53 for float64, an element of a product of matrices differs from the exact one by at most k u
 * for k up to 1024, and (145 + k u) u beyond, times the sum of |a b| over its terms. Its bits
 * depend neither on the machine nor on the number of threads. */

/* PyTorch's matmul: (n)@(n) a scalar; (m, k)@(k) and (k)@(k, n) a vector; (m, k)@(k, n) a matrix;
 * with more dimensions, batches of matrices that broadcast. */
TG_API tg_tensor *tg_matmul(tg_tensor *a, tg_tensor *b);
/* (n), (n) -> (). */
TG_API tg_tensor *tg_dot(tg_tensor *a, tg_tensor *b);
/* Of matrices, of batches of one size, of a matrix and a vector: no other shapes. */
TG_API tg_tensor *tg_mm(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_bmm(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_mv(tg_tensor *a, tg_tensor *b);
/* beta input + alpha a b; input broadcasts, and with beta 0 is not read. */
TG_API tg_tensor *tg_addmm(tg_tensor *input, tg_tensor *a, tg_tensor *b, double beta, double alpha);
/* (n), (m) -> (n, m). */
TG_API tg_tensor *tg_outer(tg_tensor *a, tg_tensor *b);

/* ---- Convolution of numbers, and pooling of float32 and float64. */

typedef struct tg_conv_options {
    tg_tensor *bias;                            /* (out_channels); NULL: none */
    int64_t stride[2], padding[2], dilation[2]; /* of each spatial dimension; 1, 0, 1 */
    int64_t groups;                             /* 1 */
} tg_conv_options;

/* TG_CONV(.padding = {1, 1}); in C++, where the elements of an array are set one by one,
 * TG_CONV(.padding[0] = 1, .padding[1] = 1). */
#define TG_CONV_DEFAULTS .stride = {1, 1}, .dilation = {1, 1}, .groups = 1
#define TG_CONV(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_conv_options, tg_conv_defaults(), TG_CONV_DEFAULTS, __VA_ARGS__)
TG_API tg_conv_options tg_conv_defaults(void);

/* input (N, C, L) or (C, L), weight (out_channels, C / groups, kernel); and with (H, W) in place of
 * L. A size becomes (size + 2 padding - dilation (kernel - 1) - 1) / stride + 1. options NULL:
 * tg_conv_defaults(). A kernel larger than the padded input is TG_ERR_SHAPE. */
TG_API tg_tensor *tg_conv1d(tg_tensor *input, tg_tensor *weight, const tg_conv_options *options);
TG_API tg_tensor *tg_conv2d(tg_tensor *input, tg_tensor *weight, const tg_conv_options *options);

typedef struct tg_pool_options {
    int64_t kernel[2];
    int64_t stride[2];        /* 0: the kernel */
    int64_t padding[2];       /* half of the kernel at most */
    int64_t dilation[2];      /* 1; of max_pool2d */
    bool ceil_mode;           /* sizes are rounded up */
    bool count_include_pad;   /* true: avg_pool2d divides by the padding, too */
    int64_t divisor_override; /* 0: none */
} tg_pool_options;

/* The defaults for a square kernel, all other members as noted above. TG_POOL(.kernel = {2, 2},
 * .ceil_mode = true) names the kernel itself; in C++, where the elements of an array are set one by
 * one, it is TG_POOL(.kernel[0] = 2, .kernel[1] = 2, .ceil_mode = true). */
#define TG_POOL_DEFAULTS .dilation = {1, 1}, .count_include_pad = true, .divisor_override = 0
#define TG_POOL(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_pool_options, tg_pool_defaults(0), TG_POOL_DEFAULTS, __VA_ARGS__)
TG_API tg_pool_options tg_pool_defaults(int64_t kernel);

/* Of each window in input (N, C, H, W) or (C, H, W): max_pool2d is the greatest element, to which
 * (to the first of several) the gradient goes, NaN being greater than all; avg_pool2d is the mean,
 * summed in float64, whose gradient is added up window by window in the dtype of input. A window
 * that holds padding alone, which dilation can make, is TG_ERR_SHAPE. The kernel has no default,
 * and options that are NULL are therefore TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_max_pool2d(tg_tensor *input, const tg_pool_options *options);
TG_API tg_tensor *tg_avg_pool2d(tg_tensor *input, const tg_pool_options *options);

/* ---- Joining. At least one tensor, one dtype; a list that is empty fails without a message,
 * having no context. */
TG_API tg_tensor *tg_cat(tg_list tensors, int dim);
TG_API tg_tensor *tg_stack(tg_list tensors, int dim);
/* Row by row, or side by side; 1-d tensors become the rows of a matrix, or one longer vector. */
TG_API tg_tensor *tg_vstack(tg_list tensors);
TG_API tg_tensor *tg_hstack(tg_list tensors);

/* ---- Rearranging. Copies. */

/* One number a dimension, and leading ones for new dimensions; tile takes fewer, too. */
TG_API tg_tensor *tg_repeat(tg_tensor *t, tg_shape repeats);
TG_API tg_tensor *tg_tile(tg_tensor *t, tg_shape dims);
TG_API tg_tensor *tg_flip(tg_tensor *t, tg_shape dims);
/* What leaves at one end comes in at the other. No dims: of all elements in a row. */
TG_API tg_tensor *tg_roll(tg_tensor *t, tg_shape shifts, tg_shape dims);
/* The elements [i, j] with j - i <= diagonal, or >= diagonal; 0 elsewhere. */
TG_API tg_tensor *tg_tril(tg_tensor *t, int64_t diagonal);
TG_API tg_tensor *tg_triu(tg_tensor *t, int64_t diagonal);
/* value around: before and after the last dimension, then the one before it, and so on; negative
 * numbers cut off. */
TG_API tg_tensor *tg_pad(tg_tensor *t, tg_shape pad, double value);

/* ---- Order and index. */

/* Ascending, NaN last. Equal elements stand in the order of PyTorch 1.13's default sort (which is
 * not stable above 16 elements): argsort gives its indices, sort the values, whose gradient goes
 * back along them. */
TG_API tg_tensor *tg_sort(tg_tensor *a, int dim);
TG_API tg_tensor *tg_argsort(tg_tensor *a, int dim);
/* Values and their places; descending: NaN first; stable: equal elements keep their order. */
TG_API tg_indexed tg_sort_indexed(tg_tensor *a, int dim, bool descending, bool stable);
/* The k largest (or smallest) along dim, in order if sorted, else in some order. */
TG_API tg_indexed tg_topk(tg_tensor *a, int64_t k, int dim, bool largest, bool sorted);

/* out[i][j] = a[index[i][j]][j] for dim 0, and so on; index is int64, of a's ndim, and nowhere
 * larger than a except along dim. The result has index's shape. Out of range is TG_ERR_INDEX. */
TG_API tg_tensor *tg_gather(tg_tensor *a, int dim, tg_tensor *index);
/* A copy of a with a[index[i][j]][j] += source[i][j] for dim 0, and so on; in row-major order.
 * float32 is summed in float64 if index has at least four times as many elements as a. Else each
 * addition rounds to float32, and a sum of equal terms stops growing at 2^24 of them. The same
 * holds for the gradients of gather, index_select and embedding, which are computed by this
 * operation. */
TG_API tg_tensor *tg_scatter_add(tg_tensor *a, int dim, tg_tensor *index, tg_tensor *source);
/* The slices of dim that a 1-d index names. */
TG_API tg_tensor *tg_index_select(tg_tensor *a, int dim, tg_tensor *index);
/* gather with a and index broadcast but for dim. */
TG_API tg_tensor *tg_take_along_dim(tg_tensor *a, tg_tensor *index, int dim);
/* The elements where mask (bool) is true, 1-d; a and mask broadcast. */
TG_API tg_tensor *tg_masked_select(tg_tensor *a, tg_tensor *mask);
/* int64 (n, ndim): the indices of what is not 0, in row-major order. */
TG_API tg_tensor *tg_nonzero(tg_tensor *a);
/* int64 (*, num_classes), 1 at the label, else 0. num_classes -1: as many as the labels need. */
TG_API tg_tensor *tg_one_hot(tg_tensor *index, int64_t num_classes);
/* The rows of weight (n, width) that input (int64, *) names: (*, width). No gradient goes to row
 * padding_idx; -1 is the last row, as in PyTorch, and TG_NO_INDEX means no row. */
#define TG_NO_INDEX INT64_MIN
TG_API tg_tensor *tg_embedding(tg_tensor *input, tg_tensor *weight, int64_t padding_idx);

#ifdef __cplusplus
}
#endif

#endif
