/* Operations: arithmetic, functions, reductions, products, convolution, joining, sorting, indices.
 *
 * Each takes tensors of any strides and returns a new, row-major tensor in the current scope. Where
 * nothing else is said, the work is done element by element, two tensors broadcast and have one
 * dtype, the result has that dtype, a number s must be a value of it (else TG_ERR_ARGUMENT), and
 * the gradient is that of the formula, which can be differentiated again. int64 wraps around. The
 * float32 functions are the library's own and give the same bits on every machine. */
#ifndef TINYGRAD_OPS_H
#define TINYGRAD_OPS_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Arithmetic. */

/* The sums a + b; a and b broadcast. Floating dtypes and int64. */
TG_API tg_tensor *tg_add(tg_tensor *a, tg_tensor *b);

/* The differences a - b; a and b broadcast. Floating dtypes and int64. */
TG_API tg_tensor *tg_sub(tg_tensor *a, tg_tensor *b);

/* The products a * b, element by element; a and b broadcast. Floating dtypes and int64. */
TG_API tg_tensor *tg_mul(tg_tensor *a, tg_tensor *b);

/* The quotients a / b, element by element; a and b broadcast. Floating dtypes. */
TG_API tg_tensor *tg_div(tg_tensor *a, tg_tensor *b);

/* The sums a + alpha b; a and b broadcast. Floating dtypes and int64. PyTorch: torch.add(a, b,
 * alpha=alpha). */
TG_API tg_tensor *tg_add_alpha(tg_tensor *a, tg_tensor *b, double alpha);

/* The differences a - alpha b; a and b broadcast. Floating dtypes and int64. PyTorch: torch.sub(a,
 * b, alpha=alpha). */
TG_API tg_tensor *tg_sub_alpha(tg_tensor *a, tg_tensor *b, double alpha);

/* a + s. Floating dtypes and int64. */
TG_API tg_tensor *tg_add_scalar(tg_tensor *a, double s);

/* a - s. Floating dtypes and int64. */
TG_API tg_tensor *tg_sub_scalar(tg_tensor *a, double s);

/* s - a. Floating dtypes and int64. PyTorch: torch.rsub(a, s). */
TG_API tg_tensor *tg_rsub_scalar(tg_tensor *a, double s);

/* a * s. Floating dtypes and int64. */
TG_API tg_tensor *tg_mul_scalar(tg_tensor *a, double s);

/* a / s. Floating dtypes. */
TG_API tg_tensor *tg_div_scalar(tg_tensor *a, double s);

/* The powers a^b, element by element; a and b broadcast. Floating dtypes. The error is below 1 unit
 * of the last place; nearly all results in float32 are rounded correctly. NaN for a negative a and
 * a b that is not whole. The gradient of a is 0 where b is 0, and that of b is 0 where a is 0 and b
 * is not negative. */
TG_API tg_tensor *tg_pow(tg_tensor *a, tg_tensor *b);

/* a^s. Floating dtypes. For s = 2, 3, -1, -2, 0.5 and -0.5 the power is computed by products,
 * divisions and square roots, as in PyTorch, each of which rounds: a^3 is a * a * a. NaN for a
 * negative a and an s that is not whole. For s = 0 the gradient is 0. */
TG_API tg_tensor *tg_pow_scalar(tg_tensor *a, double s);

/* The greater of a and b, element by element; a and b broadcast. NaN where either is NaN. Floating
 * dtypes and int64. Where they are equal, half the gradient goes to each. */
TG_API tg_tensor *tg_maximum(tg_tensor *a, tg_tensor *b);

/* The lesser of a and b, element by element; a and b broadcast. NaN where either is NaN. Floating
 * dtypes and int64. Where they are equal, half the gradient goes to each. */
TG_API tg_tensor *tg_minimum(tg_tensor *a, tg_tensor *b);

/* ---- Elementwise functions. The error of exp, log, sin and the like is below 1 unit of the last
 * place in both dtypes, and their results have the same bits on every machine. */

/* -a. Floating dtypes and int64. */
TG_API tg_tensor *tg_neg(tg_tensor *a);

/* |a|. Floating dtypes and int64. The gradient at 0 is 0. */
TG_API tg_tensor *tg_abs(tg_tensor *a);

/* -1, 0 or 1, as a is negative, 0 or positive; 0 for NaN. Floating dtypes and int64. The gradient
 * is 0. */
TG_API tg_tensor *tg_sign(tg_tensor *a);

/* a^2. Floating dtypes and int64. */
TG_API tg_tensor *tg_square(tg_tensor *a);

/* The square root of a; NaN for negative numbers. Floating dtypes. The gradient at 0 is infinite.
 */
TG_API tg_tensor *tg_sqrt(tg_tensor *a);

/* e^a. Floating dtypes. */
TG_API tg_tensor *tg_exp(tg_tensor *a);

/* The natural logarithm of a; -infinity for 0, NaN for negative numbers. Floating dtypes. */
TG_API tg_tensor *tg_log(tg_tensor *a);

/* max(a, 0). Floating dtypes and int64. The gradient at 0 is 0. */
TG_API tg_tensor *tg_relu(tg_tensor *a);

/* 1 / (1 + e^-a). Floating dtypes. */
TG_API tg_tensor *tg_sigmoid(tg_tensor *a);

/* The hyperbolic tangent of a. Floating dtypes. */
TG_API tg_tensor *tg_tanh(tg_tensor *a);

/* 1 / a. Floating dtypes. */
TG_API tg_tensor *tg_reciprocal(tg_tensor *a);

/* 1 / sqrt(a). Floating dtypes. */
TG_API tg_tensor *tg_rsqrt(tg_tensor *a);

/* e^a - 1, precise near 0, too. Floating dtypes. */
TG_API tg_tensor *tg_expm1(tg_tensor *a);

/* log(1 + a), precise near 0, too. Floating dtypes. */
TG_API tg_tensor *tg_log1p(tg_tensor *a);

/* The logarithm of a to the base 2. Floating dtypes. */
TG_API tg_tensor *tg_log2(tg_tensor *a);

/* The logarithm of a to the base 10. Floating dtypes. */
TG_API tg_tensor *tg_log10(tg_tensor *a);

/* The sine of a, an angle in radians. Floating dtypes. */
TG_API tg_tensor *tg_sin(tg_tensor *a);

/* The cosine of a, an angle in radians. Floating dtypes. */
TG_API tg_tensor *tg_cos(tg_tensor *a);

/* The tangent of a, an angle in radians. Floating dtypes. */
TG_API tg_tensor *tg_tan(tg_tensor *a);

/* The angle in [-pi/2, pi/2] whose sine is a; NaN outside [-1, 1]. Floating dtypes. */
TG_API tg_tensor *tg_asin(tg_tensor *a);

/* The angle in [0, pi] whose cosine is a; NaN outside [-1, 1]. Floating dtypes. */
TG_API tg_tensor *tg_acos(tg_tensor *a);

/* The angle in [-pi/2, pi/2] whose tangent is a. Floating dtypes. */
TG_API tg_tensor *tg_atan(tg_tensor *a);

/* The hyperbolic sine of a. Floating dtypes. */
TG_API tg_tensor *tg_sinh(tg_tensor *a);

/* The hyperbolic cosine of a. Floating dtypes. */
TG_API tg_tensor *tg_cosh(tg_tensor *a);

/* The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to a. Floating dtypes. */
TG_API tg_tensor *tg_erf(tg_tensor *a);

/* The greatest whole number that is not above a; int64 as it is. Floating dtypes and int64. The
 * gradient is 0. */
TG_API tg_tensor *tg_floor(tg_tensor *a);

/* The least whole number that is not below a; int64 as it is. Floating dtypes and int64. The
 * gradient is 0. */
TG_API tg_tensor *tg_ceil(tg_tensor *a);

/* The whole number nearest to a, halves to the even one; int64 as it is. Floating dtypes and int64.
 * The gradient is 0. */
TG_API tg_tensor *tg_round(tg_tensor *a);

/* a without its fraction, which is a rounded towards 0; int64 as it is. Floating dtypes and int64.
 * The gradient is 0. */
TG_API tg_tensor *tg_trunc(tg_tensor *a);

/* The angle, in [-pi, pi], of the point with x = b and y = a; a and b broadcast. Floating dtypes.
 */
TG_API tg_tensor *tg_atan2(tg_tensor *a, tg_tensor *b);

/* a - b floor(a / b), which has the sign of b, as Python's a % b; a and b broadcast. Floating
 * dtypes and int64. A divisor of 0 gives NaN, and is TG_ERR_ARGUMENT for int64. The gradient of b
 * is -floor(a / b). */
TG_API tg_tensor *tg_remainder(tg_tensor *a, tg_tensor *b);

/* a - s floor(a / s), which has the sign of s, as Python's a % s. Floating dtypes and int64. An s
 * of 0 gives NaN, and is TG_ERR_ARGUMENT for int64. */
TG_API tg_tensor *tg_remainder_scalar(tg_tensor *a, double s);

/* ---- Activations. PyTorch has them in torch.nn.functional. */

/* min(max(a, 0), 6). Floating dtypes and int64. The gradient at 0 and at 6 is 0. */
TG_API tg_tensor *tg_relu6(tg_tensor *a);

/* a where a > 0, else negative_slope a. Floating dtypes and int64. The gradient at 0 is
 * negative_slope. */
TG_API tg_tensor *tg_leaky_relu(tg_tensor *a, double negative_slope);

/* a where a > 0, else alpha (e^a - 1). Floating dtypes. */
TG_API tg_tensor *tg_elu(tg_tensor *a, double alpha);

/* scale (a where a > 0, else alpha (e^a - 1)) with scale = 1.0507009873554805 and alpha =
 * 1.6732632423543772. Floating dtypes. */
TG_API tg_tensor *tg_selu(tg_tensor *a);

/* Which formula tg_gelu computes. */
enum {
    TG_GELU_NONE, /* the exact one: PyTorch's approximate="none" */
    TG_GELU_TANH  /* the one with tanh: approximate="tanh" */
};

/* a Phi(a), where Phi is the distribution function of the standard normal distribution; with
 * TG_GELU_TANH, a (1 + tanh(sqrt(2 / pi) (a + 0.044715 a^3))) / 2. Floating dtypes. */
TG_API tg_tensor *tg_gelu(tg_tensor *a, int approximate);

/* a sigmoid(a). Floating dtypes. */
TG_API tg_tensor *tg_silu(tg_tensor *a);

/* a tanh(log(1 + e^a)). Floating dtypes. */
TG_API tg_tensor *tg_mish(tg_tensor *a);

/* log(1 / (1 + e^-a)), without overflow. Floating dtypes. */
TG_API tg_tensor *tg_logsigmoid(tg_tensor *a);

/* log(1 + e^(beta a)) / beta, without overflow; a itself where beta a is above threshold. Floating
 * dtypes. PyTorch's defaults are 1 and 20; a threshold of INFINITY means the formula everywhere. */
TG_API tg_tensor *tg_softplus(tg_tensor *a, double beta, double threshold);

/* a / (1 + |a|). Floating dtypes. */
TG_API tg_tensor *tg_softsign(tg_tensor *a);

/* min(max(a, min_val), max_val). Floating dtypes and int64. The gradient is 0 at the bounds, unlike
 * that of tg_clamp. */
TG_API tg_tensor *tg_hardtanh(tg_tensor *a, double min_val, double max_val);

/* relu6(a + 3) / 6. Floating dtypes. The gradient at -3 and at 3 is 0, and so is that of NaN. */
TG_API tg_tensor *tg_hardsigmoid(tg_tensor *a);

/* a relu6(a + 3) / 6. Floating dtypes. The gradient at -3 is -1/2, and at 3 it is 3/2. */
TG_API tg_tensor *tg_hardswish(tg_tensor *a);

/* ---- Comparison, of any dtype: the result is bool and has no gradient. Every comparison with NaN
 * is false, but for ne. */

/* Whether a = b, element by element, as bool; a and b broadcast. */
TG_API tg_tensor *tg_eq(tg_tensor *a, tg_tensor *b);

/* Whether a != b, element by element, as bool; a and b broadcast. */
TG_API tg_tensor *tg_ne(tg_tensor *a, tg_tensor *b);

/* Whether a < b, element by element, as bool; a and b broadcast. */
TG_API tg_tensor *tg_lt(tg_tensor *a, tg_tensor *b);

/* Whether a <= b, element by element, as bool; a and b broadcast. */
TG_API tg_tensor *tg_le(tg_tensor *a, tg_tensor *b);

/* Whether a > b, element by element, as bool; a and b broadcast. */
TG_API tg_tensor *tg_gt(tg_tensor *a, tg_tensor *b);

/* Whether a >= b, element by element, as bool; a and b broadcast. */
TG_API tg_tensor *tg_ge(tg_tensor *a, tg_tensor *b);

/* Whether a = s, as bool. s is rounded to a's dtype; for a bool a it must be 0 or 1. */
TG_API tg_tensor *tg_eq_scalar(tg_tensor *a, double s);

/* Whether a != s, as bool. s is rounded to a's dtype; for a bool a it must be 0 or 1. */
TG_API tg_tensor *tg_ne_scalar(tg_tensor *a, double s);

/* Whether a < s, as bool. s is rounded to a's dtype; for a bool a it must be 0 or 1. */
TG_API tg_tensor *tg_lt_scalar(tg_tensor *a, double s);

/* Whether a <= s, as bool. s is rounded to a's dtype; for a bool a it must be 0 or 1. */
TG_API tg_tensor *tg_le_scalar(tg_tensor *a, double s);

/* Whether a > s, as bool. s is rounded to a's dtype; for a bool a it must be 0 or 1. */
TG_API tg_tensor *tg_gt_scalar(tg_tensor *a, double s);

/* Whether a >= s, as bool. s is rounded to a's dtype; for a bool a it must be 0 or 1. */
TG_API tg_tensor *tg_ge_scalar(tg_tensor *a, double s);

/* Whether a and b are both true; they broadcast. Any dtype, where all but 0 is true; the result is
 * bool. */
TG_API tg_tensor *tg_logical_and(tg_tensor *a, tg_tensor *b);

/* Whether a or b or both are true; they broadcast. Any dtype, where all but 0 is true; the result
 * is bool. */
TG_API tg_tensor *tg_logical_or(tg_tensor *a, tg_tensor *b);

/* Whether one of a and b is true, and the other not; they broadcast. Any dtype, where all but 0 is
 * true; the result is bool. */
TG_API tg_tensor *tg_logical_xor(tg_tensor *a, tg_tensor *b);

/* Whether a is 0. Any dtype; the result is bool. */
TG_API tg_tensor *tg_logical_not(tg_tensor *a);

/* Whether a is NaN. Any dtype; the result is bool. */
TG_API tg_tensor *tg_isnan(tg_tensor *a);

/* Whether a is infinity or -infinity. Any dtype; the result is bool. */
TG_API tg_tensor *tg_isinf(tg_tensor *a);

/* Whether a is neither NaN nor infinite, as integers always are. Any dtype; the result is bool. */
TG_API tg_tensor *tg_isfinite(tg_tensor *a);

/* a where condition is true, else b. condition is bool, a and b of any dtype; all three broadcast.
 * The gradient goes to the one that was chosen. */
TG_API tg_tensor *tg_where(tg_tensor *condition, tg_tensor *a, tg_tensor *b);

/* value where mask is true, else a. mask is bool, a of any dtype; both broadcast. No gradient
 * passes where mask is true. */
TG_API tg_tensor *tg_masked_fill(tg_tensor *a, tg_tensor *mask, double value);

/* min(max(a, min), max). Floating dtypes and int64. A bound may be -INFINITY or INFINITY, which
 * means none, for int64, too; min > max gives max. The gradient passes where a was not cut off,
 * bounds included. */
TG_API tg_tensor *tg_clamp(tg_tensor *a, double min, double max);

/* min(max(a, min), max). All three broadcast. Any dtype; min > max gives max. The gradient goes to
 * a where a was not cut off, bounds included, else to the bound that was taken. PyTorch:
 * torch.clamp with tensors. */
TG_API tg_tensor *tg_clamp_tensors(tg_tensor *a, tg_tensor *min, tg_tensor *max);

/* start + weight (end - start). All three broadcast. Floating dtypes. Weight 0 gives exactly start,
 * and weight 1 exactly end. */
TG_API tg_tensor *tg_lerp(tg_tensor *start, tg_tensor *end, tg_tensor *weight);

/* start + weight (end - start). Floating dtypes. PyTorch: torch.lerp with a number for weight. */
TG_API tg_tensor *tg_lerp_scalar(tg_tensor *start, tg_tensor *end, double weight);

/* ---- Reductions: over all elements to a 0-d tensor, or over the dimensions named, which go, or
 * stay with size 1 if keepdim is true. An empty list of dims means all dimensions. A dimension
 * named twice is TG_ERR_INDEX. float32 sums are pairwise: the error grows with log n, and the order
 * never depends on the machine. */

/* As the argument keepdim: dimensions that are reduced stay with size 1. */
#define TG_KEEPDIM true

/* The sum of all elements; 0 for none. Any dtype; that of int64 and bool is int64. */
TG_API tg_tensor *tg_sum(tg_tensor *a);

/* The sums over dims, or over all dimensions if dims is empty; 0 for no elements. Any dtype; those
 * of int64 and bool are int64. */
TG_API tg_tensor *tg_sum_dims(tg_tensor *a, tg_shape dims, bool keepdim);

/* The mean of all elements; NaN for none. Floating dtypes. */
TG_API tg_tensor *tg_mean(tg_tensor *a);

/* The means over dims, or over all dimensions if dims is empty; NaN for no elements. Floating
 * dtypes. */
TG_API tg_tensor *tg_mean_dims(tg_tensor *a, tg_shape dims, bool keepdim);

/* The greatest element; NaN if there is one. Any dtype; of no elements: TG_ERR_SHAPE. The gradient
 * is shared evenly by the elements that are equal to it. */
TG_API tg_tensor *tg_max(tg_tensor *a);

/* The least element; NaN if there is one. Any dtype; of no elements: TG_ERR_SHAPE. The gradient is
 * shared evenly by the elements that are equal to it. */
TG_API tg_tensor *tg_min(tg_tensor *a);

/* The greatest elements along dim; NaN if there is one. Any dtype; of no elements: TG_ERR_SHAPE.
 * The gradient goes to the element that tg_argmax_dim names. PyTorch: torch.max(a, dim).values. */
TG_API tg_tensor *tg_max_dim(tg_tensor *a, int dim, bool keepdim);

/* The least elements along dim; NaN if there is one. Any dtype; of no elements: TG_ERR_SHAPE. The
 * gradient goes to the element that tg_argmin_dim names. PyTorch: torch.min(a, dim).values. */
TG_API tg_tensor *tg_min_dim(tg_tensor *a, int dim, bool keepdim);

/* The index of the first greatest element, or of the first NaN if there is one, counted row-major
 * over all elements: a 0-d int64. Any dtype; of no elements: TG_ERR_SHAPE. */
TG_API tg_tensor *tg_argmax(tg_tensor *a);

/* The index of the first least element, or of the first NaN if there is one, counted row-major over
 * all elements: a 0-d int64. Any dtype; of no elements: TG_ERR_SHAPE. */
TG_API tg_tensor *tg_argmin(tg_tensor *a);

/* The indices along dim, int64, of the first greatest elements, or of the first NaN where there is
 * one. Any dtype; of no elements: TG_ERR_SHAPE. */
TG_API tg_tensor *tg_argmax_dim(tg_tensor *a, int dim, bool keepdim);

/* The indices along dim, int64, of the first least elements, or of the first NaN where there is
 * one. Any dtype; of no elements: TG_ERR_SHAPE. */
TG_API tg_tensor *tg_argmin_dim(tg_tensor *a, int dim, bool keepdim);

/* The greatest elements over dims, or over all dimensions if dims is empty. Any dtype; of no
 * elements: TG_ERR_SHAPE. The gradient is shared evenly by the elements that are equal to the
 * greatest. */
TG_API tg_tensor *tg_amax(tg_tensor *a, tg_shape dims, bool keepdim);

/* The least elements over dims, or over all dimensions if dims is empty. Any dtype; of no elements:
 * TG_ERR_SHAPE. The gradient is shared evenly by the elements that are equal to the least. */
TG_API tg_tensor *tg_amin(tg_tensor *a, tg_shape dims, bool keepdim);

/* Values with the places at which they stood; both NULL on failure. */
typedef struct tg_indexed {
    tg_tensor *values;  /* of the operand's dtype; their gradient goes to these places */
    tg_tensor *indices; /* int64, along the dimension that was given */
} tg_indexed;

/* The values of tg_max_dim with the indices of tg_argmax_dim, as torch.max(a, dim). */
TG_API tg_indexed tg_max_indexed(tg_tensor *a, int dim, bool keepdim);

/* The values of tg_min_dim with the indices of tg_argmin_dim, as torch.min(a, dim). */
TG_API tg_indexed tg_min_indexed(tg_tensor *a, int dim, bool keepdim);

/* The product of all elements; 1 for none. Any dtype; that of int64 and bool is int64. Elements of
 * float32 are multiplied in float64. The gradient is right where elements are 0, too. */
TG_API tg_tensor *tg_prod(tg_tensor *a);

/* The products along dim; 1 for no elements. Any dtype; those of int64 and bool are int64.
 * Elements of float32 are multiplied in float64. The gradient is right where elements are 0, too.
 */
TG_API tg_tensor *tg_prod_dim(tg_tensor *a, int dim, bool keepdim);

/* Running sums along dim: out_i = a_0 + ... + a_i, of a's shape. Any dtype; those of int64 and bool
 * are int64. float32 is summed in float64. A sum of float64 differs from the exact one by at most
 * 65 * 2^-53 times |a_0| + ... + |a_i|, however long it is; the first 64 are rounded as PyTorch's.
 */
TG_API tg_tensor *tg_cumsum(tg_tensor *a, int dim);

/* Running products along dim: out_i = a_0 ... a_i, of a's shape. Any dtype; those of int64 and bool
 * are int64. float32 is multiplied in float64. The gradient is right where elements are 0, too. */
TG_API tg_tensor *tg_cumprod(tg_tensor *a, int dim);

/* The variance of all n elements, sum (a - mean)^2 / (n - correction), worked out in float64;
 * exactly 0 where all are equal. With correction 1, PyTorch's default, it is the unbiased estimate.
 * Floating dtypes. */
TG_API tg_tensor *tg_var(tg_tensor *a, int64_t correction);

/* The variances over dims, or over all dimensions if dims is empty, by the formula of tg_var.
 * Floating dtypes. */
TG_API tg_tensor *tg_var_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim);

/* The standard deviation of all elements: the square root of tg_var. Floating dtypes. The gradient
 * is 0 where the deviation is 0. */
TG_API tg_tensor *tg_std(tg_tensor *a, int64_t correction);

/* The standard deviations over dims, or over all dimensions if dims is empty: the square root of
 * tg_var_dims. Floating dtypes. The gradient is 0 where the deviation is 0. */
TG_API tg_tensor *tg_std_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim);

/* (sum |a|^p)^(1/p) over all elements, right also where |a|^p leaves the range of the dtype, as
 * long as the norm does not. With p INFINITY it is the greatest |a|, with -INFINITY the least, and
 * with 0 the number of elements that are not 0. Floating dtypes. The gradient is 0 where the norm
 * is 0. */
TG_API tg_tensor *tg_norm(tg_tensor *a, double p);

/* The norms over dims, or over all dimensions if dims is empty, by the formula of tg_norm. Floating
 * dtypes. The gradient is 0 where the norm is 0. */
TG_API tg_tensor *tg_norm_dims(tg_tensor *a, double p, tg_shape dims, bool keepdim);

/* log(sum e^a) over dims, or over all dimensions if dims is empty, without overflow; -infinity for
 * no elements. Floating dtypes. */
TG_API tg_tensor *tg_logsumexp(tg_tensor *a, tg_shape dims, bool keepdim);

/* Whether some element is not 0: a 0-d bool; false for none. Any dtype. */
TG_API tg_tensor *tg_any(tg_tensor *a);

/* Whether no element is 0: a 0-d bool; true for none. Any dtype. */
TG_API tg_tensor *tg_all(tg_tensor *a);

/* Whether some element along dim is not 0, as bool; false for none. Any dtype. */
TG_API tg_tensor *tg_any_dim(tg_tensor *a, int dim, bool keepdim);

/* Whether no element along dim is 0, as bool; true for none. Any dtype. */
TG_API tg_tensor *tg_all_dim(tg_tensor *a, int dim, bool keepdim);

/* e^(a_i) / sum_j e^(a_j) along dim, without overflow, of a's shape. Floating dtypes. */
TG_API tg_tensor *tg_softmax(tg_tensor *a, int dim);

/* The logarithm of tg_softmax, a_i - log(sum_j e^(a_j)), of a's shape. Floating dtypes. */
TG_API tg_tensor *tg_log_softmax(tg_tensor *a, int dim);

/* ---- Products. With k the inner size and u = 2^-24 for float32 or 2^-53 for float64,
 * an element of a product of matrices differs from the exact one by at most k u for k up to 1024,
 * and (145 + k u) u beyond, times the sum of |a b| over its terms. Its bits depend neither on the
 * machine nor on the number of threads. */

/* The matrix product, by the rules of torch.matmul: (n) and (n) give a scalar, (m, k) and (k) a
 * vector (m), (k) and (k, n) a vector (n), (m, k) and (k, n) a matrix (m, n). With more dimensions,
 * (*, m, k) and (*, k, n) are batches of matrices, which broadcast, and give (*, m, n). Floating
 * dtypes and int64. */
TG_API tg_tensor *tg_matmul(tg_tensor *a, tg_tensor *b);

/* The scalar product sum a_i b_i: (n) and (n) give a scalar. Floating dtypes and int64. */
TG_API tg_tensor *tg_dot(tg_tensor *a, tg_tensor *b);

/* The product of two matrices: (m, k) and (k, n) give (m, n); no other shapes. Floating dtypes and
 * int64. */
TG_API tg_tensor *tg_mm(tg_tensor *a, tg_tensor *b);

/* The products of two batches of matrices of one size: (N, m, k) and (N, k, n) give (N, m, n); no
 * other shapes. Floating dtypes and int64. */
TG_API tg_tensor *tg_bmm(tg_tensor *a, tg_tensor *b);

/* The product of a matrix and a vector: (m, k) and (k) give (m); no other shapes. Floating dtypes
 * and int64. */
TG_API tg_tensor *tg_mv(tg_tensor *a, tg_tensor *b);

/* beta input + alpha a b, with the product of the matrices (m, k) and (k, n); input broadcasts to
 * (m, n). With beta 0 its values are not read. Floating dtypes and int64. */
TG_API tg_tensor *tg_addmm(tg_tensor *input, tg_tensor *a, tg_tensor *b, double beta, double alpha);

/* out_ij = a_i b_j: (n) and (m) give (n, m). Floating dtypes and int64. */
TG_API tg_tensor *tg_outer(tg_tensor *a, tg_tensor *b);

/* ---- Convolution and pooling. PyTorch has them in torch.nn.functional. */

/* The options of tg_conv1d and tg_conv2d. An array has a number for each spatial dimension; conv1d
 * reads the first alone. */
typedef struct tg_conv_options {
    tg_tensor *bias;     /* (out_channels), added to each channel; NULL: none */
    int64_t stride[2];   /* 1: steps of the kernel over the input */
    int64_t padding[2];  /* 0: zeros on both sides of the input */
    int64_t dilation[2]; /* 1: steps between the elements that the kernel sees */
    int64_t groups;      /* 1: parts of the channels, each with its own part of the kernels */
} tg_conv_options;

/* Internal: the defaults with which TG_CONV begins in C; see options.h. */
#define TG_CONV_DEFAULTS .stride = {1, 1}, .dilation = {1, 1}, .groups = 1
/* A pointer to options of a convolution, of which these are changed: TG_CONV(.padding = {1, 1}); in
 * C++, where the elements of an array are set one by one, TG_CONV(.padding[0] = 1, .padding[1] =
 * 1). */
#define TG_CONV(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_conv_options, tg_conv_defaults(), TG_CONV_DEFAULTS, __VA_ARGS__)
/* The default options of a convolution: those that stand beside the members, and no bias. */
TG_API tg_conv_options tg_conv_defaults(void);

/* Convolution in one dimension: input (N, C, L) or (C, L), weight (out_channels, C / groups,
 * kernel), result (N, out_channels, L') or (out_channels, L') with L' = floor((L + 2 padding -
 * dilation (kernel - 1) - 1) / stride) + 1. Floating dtypes and int64. A kernel larger than the
 * padded input is TG_ERR_SHAPE. */
TG_API tg_tensor *tg_conv1d(tg_tensor *input, tg_tensor *weight, const tg_conv_options *options);

/* Convolution in two dimensions: input (N, C, H, W) or (C, H, W), weight (out_channels, C / groups,
 * kernel height, kernel width), result (N, out_channels, H', W') or (out_channels, H', W'), where
 * H' and W' follow from H and W as L' does from L in tg_conv1d. Floating dtypes and int64. A kernel
 * larger than the padded input is TG_ERR_SHAPE.
 *
 * An element of the result is a product of inner size C / groups * kernel height * kernel width,
 * with the error bound of tg_matmul. The gradient of input adds up a product over the output
 * channels for each element of the kernel, which adds u for each element to the bound, or 130 u if
 * they are more than 1024. */
TG_API tg_tensor *tg_conv2d(tg_tensor *input, tg_tensor *weight, const tg_conv_options *options);

/* The options of tg_max_pool2d and tg_avg_pool2d. An array has a number for the height and one for
 * the width. */
typedef struct tg_pool_options {
    int64_t kernel[2];        /* the window; it has no default */
    int64_t stride[2];        /* 0, which means the kernel: steps of the window */
    int64_t padding[2];       /* 0: rows and columns on both sides, half of the kernel at most */
    int64_t dilation[2];      /* 1: steps between the elements of a window; max_pool2d alone */
    bool ceil_mode;           /* false; true: sizes of the result are rounded up */
    bool count_include_pad;   /* true: padding counts in the mean; avg_pool2d alone */
    int64_t divisor_override; /* 0: none; else what avg_pool2d divides the sum by */
} tg_pool_options;

/* Internal: the defaults with which TG_POOL begins in C; see options.h. */
#define TG_POOL_DEFAULTS .dilation = {1, 1}, .count_include_pad = true, .divisor_override = 0
/* A pointer to options of pooling, of which these are changed: TG_POOL(.kernel = {2, 2}, .ceil_mode
 * = true); in C++, where the elements of an array are set one by one, TG_POOL(.kernel[0] = 2,
 * .kernel[1] = 2, .ceil_mode = true). */
#define TG_POOL(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_pool_options, tg_pool_defaults(0), TG_POOL_DEFAULTS, __VA_ARGS__)
/* The options of pooling with a square kernel of this size, and the defaults that stand beside the
 * other members. */
TG_API tg_pool_options tg_pool_defaults(int64_t kernel);

/* The greatest element of each window: input (N, C, H, W) or (C, H, W), result (N, C, H', W') or
 * (C, H', W') with H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, and W'
 * likewise; with ceil_mode rounded up, but for windows that would begin beyond the input and its
 * left padding. Floating dtypes. NaN is greater than all; the gradient goes to the first of several
 * greatest elements.
 *
 * Reads all options but count_include_pad and divisor_override. The kernel has no default, and
 * options that are NULL are therefore TG_ERR_ARGUMENT. A window that holds padding alone, which
 * dilation can make, is TG_ERR_SHAPE. */
TG_API tg_tensor *tg_max_pool2d(tg_tensor *input, const tg_pool_options *options);

/* The mean of each window, summed in float64: input and result as in tg_max_pool2d, with
 * dilation 1. Floating dtypes. A mean of float64 has an error of at most 67 * 2^-53 times the mean
 * of |input|. The gradient is added up in the dtype of input: window by window where an element is
 * in at most 64 of them, else along rows and then columns, each time as tg_sum does. Reads all
 * options but dilation, which must be positive all the same. Options that are NULL are
 * TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_avg_pool2d(tg_tensor *input, const tg_pool_options *options);

/* ---- Joining. The tensors, of which there must be one at least, have one dtype, which may be any.
 */

/* The tensors joined along dim; all other sizes must be equal. 1-d tensors without elements may
 * stand among them, and are skipped. */
TG_API tg_tensor *tg_cat(tg_list tensors, int dim);

/* The tensors, all of one shape, joined along a new dimension, which becomes dimension dim of the
 * result. */
TG_API tg_tensor *tg_stack(tg_list tensors, int dim);

/* The tensors joined along their first dimension, row by row: (n, k) and (m, k) give (n + m, k). A
 * 1-d tensor counts as a row, a scalar as a row of one element. */
TG_API tg_tensor *tg_vstack(tg_list tensors);

/* The tensors joined along their second dimension, side by side: (n, k) and (n, m) give (n, k + m).
 * 1-d tensors and scalars give one longer vector. */
TG_API tg_tensor *tg_hstack(tg_list tensors);

/* ---- Rearranging. The results are copies, of any dtype. */

/* t repeated repeats[i] times along dimension i of the result. There is a number for each dimension
 * of t, and there may be more before them, which make new leading dimensions. */
TG_API tg_tensor *tg_repeat(tg_tensor *t, tg_shape repeats);

/* t repeated along its dimensions: the last number of dims counts for the last dimension, the one
 * before it for the one before, and so on. Dimensions without a number stay as they are, and
 * numbers without a dimension make new leading ones. */
TG_API tg_tensor *tg_tile(tg_tensor *t, tg_shape dims);

/* t with the order of its elements reversed along these dimensions. */
TG_API tg_tensor *tg_flip(tg_tensor *t, tg_shape dims);

/* t with its elements moved by shifts[i] places along dims[i]: what leaves at one end comes in at
 * the other. With no dims, one shift moves all elements in row-major order. A copy for every dtype,
 * also where nothing moves. */
TG_API tg_tensor *tg_roll(tg_tensor *t, tg_shape shifts, tg_shape dims);

/* The lower triangle of the last two dimensions: t (*, n, m) where j - i <= diagonal, and 0
 * elsewhere. */
TG_API tg_tensor *tg_tril(tg_tensor *t, int64_t diagonal);

/* The upper triangle of the last two dimensions: t (*, n, m) where j - i >= diagonal, and 0
 * elsewhere. */
TG_API tg_tensor *tg_triu(tg_tensor *t, int64_t diagonal);

/* t with value around: pad has how many elements come before and after the last dimension, then the
 * one before it, and so on; negative numbers cut elements off. PyTorch: torch.nn.functional.pad
 * with a constant. */
TG_API tg_tensor *tg_pad(tg_tensor *t, tg_shape pad, double value);

/* ---- Order and index. The operand a may be of any dtype. An index is int64 and counts from 0; one
 * that is out of range, negative ones included, is TG_ERR_INDEX. */

/* a sorted along dim, ascending, NaN last. The gradient goes back to where the elements stood.
 * PyTorch: torch.sort(a, dim).values. */
TG_API tg_tensor *tg_sort(tg_tensor *a, int dim);

/* The indices that sort a along dim, int64, ascending, NaN last. Equal elements stand in the order
 * of PyTorch 1.13's default sort, which is not stable above 16 elements. */
TG_API tg_tensor *tg_argsort(tg_tensor *a, int dim);

/* a sorted along dim, and the indices of tg_argsort. If descending is true the greatest comes
 * first, and NaN before it; if stable is true equal elements keep their order. PyTorch: torch.sort.
 */
TG_API tg_indexed tg_sort_indexed(tg_tensor *a, int dim, bool descending, bool stable);

/* The k largest elements along dim, or the k smallest if largest is false, and their places; in
 * order if sorted is true, else in some order. NaN counts as the largest. A k beyond the size of
 * dim is TG_ERR_ARGUMENT. */
TG_API tg_indexed tg_topk(tg_tensor *a, int64_t k, int dim, bool largest, bool sorted);

/* Elements of a picked along dim: out[i][j] = a[index[i][j]][j] for dim 0, out[i][j] =
 * a[i][index[i][j]] for dim 1, and so on. index has as many dimensions as a, and is nowhere larger
 * than a except along dim; the result has its shape. */
TG_API tg_tensor *tg_gather(tg_tensor *a, int dim, tg_tensor *index);

/* A copy of a to which source is added at places along dim: out[index[i][j]][j] += source[i][j] for
 * dim 0, and so on, in row-major order of index. Floating dtypes and int64. index has as many
 * dimensions as a and source, and is nowhere larger than source, nor than a except along dim.
 *
 * If index has at least four times as many elements as a, float32 is summed in float64, and float64
 * with what its additions round away added up as well, so that a sum has little more error than one
 * rounding. Else each addition rounds: k terms in one place have an error of up to k roundings, and
 * a sum of equal terms in float32 stops growing at 2^24 of them. The same holds for the gradients
 * of gather, index_select and embedding, which add in the same way. */
TG_API tg_tensor *tg_scatter_add(tg_tensor *a, int dim, tg_tensor *index, tg_tensor *source);

/* The slices of a along dim that a 1-d index names, in its order: the size of dim becomes that of
 * index. */
TG_API tg_tensor *tg_index_select(tg_tensor *a, int dim, tg_tensor *index);

/* tg_gather of a and index after they are broadcast to each other in all dimensions but dim. */
TG_API tg_tensor *tg_take_along_dim(tg_tensor *a, tg_tensor *index, int dim);

/* The elements of a where mask (bool) is true, in row-major order, 1-d; a and mask broadcast. */
TG_API tg_tensor *tg_masked_select(tg_tensor *a, tg_tensor *mask);

/* The indices of the n elements that are not 0, in row-major order: int64 (n, ndim). */
TG_API tg_tensor *tg_nonzero(tg_tensor *a);

/* For each label in index, int64 (*), a row with 1 at the label and 0 elsewhere: int64 (*,
 * num_classes). num_classes -1 means as many as the labels need. */
TG_API tg_tensor *tg_one_hot(tg_tensor *index, int64_t num_classes);

/* As padding_idx of an embedding: no row; PyTorch's None. */
#define TG_NO_INDEX INT64_MIN

/* The rows of weight (n, width) that input, int64 (*), names: (*, width). No gradient goes to row
 * padding_idx; -1 is the last row, as in PyTorch, and TG_NO_INDEX means no row. PyTorch:
 * torch.nn.functional.embedding. */
TG_API tg_tensor *tg_embedding(tg_tensor *input, tg_tensor *weight, int64_t padding_idx);

#ifdef __cplusplus
}
#endif

#endif
