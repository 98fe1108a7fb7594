/* A kernel is a loop over raw pointers, for one dtype. It knows nothing of tensors.
 *
 * One portable source (the .inc files) is compiled once for each SIMD level, and a context picks
 * the level at run time. All levels give the same bits: elementwise formulas round where they are
 * written to round, fma stands where it is meant, and reductions have one order.
 *
 * kernels.def lists the kernels. For each of its rows, tg__NAME_kernel is the set of the kernels of
 * that name by level and dtype. */
#ifndef TG_KERNELS_H
#define TG_KERNELS_H

#include "arithmetic.h"
#include "levels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Levels and sets. */

#define ROW(level, ...) LEVEL_##level,
enum { TG_LEVELS(ROW, ) LEVELS };
#undef ROW

/* tg__runs_avx2() and so on: whether the CPU has the instructions of a level.
 * tg__add_product_avx2() and so on: a * b + c as the kernels of the level compute it. */
#define ROW(level, ...)                                                                            \
    bool tg__runs_##level(void);                                                                   \
    double tg__add_product_##level(double a, double b, double c);
TG_LEVELS(ROW, )
#undef ROW

/* The fastest level that this CPU runs, or the one named; -1 if no level has that name or the CPU
 * lacks its instructions. */
int tg__level(const char *name);
const char *tg__level_name(int level);
/* Whether a * b + c is rounded twice, as it is written, in the kernels of a level. A compiler that
 * was not told -ffp-contract=off, and that ignores the pragmas, rounds once. */
bool tg__rounds_products(int level);

/* The dtypes that index the sets, in the order of tg_dtype. */
enum { K_F32, K_F64, K_I64, K_BOOL, K_TYPES };

/* A set has the kernels of one name, and NULL for the dtypes that they do not take. */
#define KERNEL_SET(set, kernel)                                                                    \
    typedef struct set {                                                                           \
        kernel *at[LEVELS][K_TYPES];                                                               \
    } set
#define kernel_at(set, level, type) ((set)->at[level][type])
#define pick(level, name, type)     kernel_at(&tg__##name##_kernel, level, type)

/* ---- The kinds of kernels. Arrays are contiguous where no stride is given, and strides count
 * elements. */

/* out[i] = f(a[i]) and so on, for n elements; out may be one of the inputs. */
typedef void unary_kernel(int64_t n, void *out, const void *a);
KERNEL_SET(unary_set, unary_kernel);
typedef void binary_kernel(int64_t n, void *out, const void *a, const void *b);
KERNEL_SET(binary_set, binary_kernel);
/* out is of bool. */
typedef binary_kernel compare_kernel;
KERNEL_SET(compare_set, compare_kernel);
/* condition is of bool. */
typedef void where_kernel(int64_t n, void *out, const void *condition, const void *a,
                          const void *b);
KERNEL_SET(where_set, where_kernel);

/* out[i * o0 + j * o1] = a[i * a0 + j * a1] for n0 times n1 elements. */
typedef void copy_kernel(int64_t n0, int64_t n1, void *out, int64_t o0, int64_t o1, const void *a,
                         int64_t a0, int64_t a1);
KERNEL_SET(copy_set, copy_kernel);

/* out[i] is made of the n values a[i * stride], a[i * stride + 1] ..., for each of the rows i. */
typedef void reduce_kernel(int64_t rows, int64_t n, void *out, const void *a, int64_t stride);
KERNEL_SET(reduce_set, reduce_kernel);
/* out[j] is made of the values a[i * stride + j] of all rows i, for each of the columns j. */
typedef void reduce_columns_kernel(int64_t rows, int64_t columns, void *out, const void *a,
                                   int64_t stride);
KERNEL_SET(reduce_columns_set, reduce_columns_kernel);
/* *out is made of two arrays of n. */
typedef void reduce_pair_kernel(int64_t n, void *out, const void *a, const void *b);
KERNEL_SET(reduce_pair_set, reduce_pair_kernel);

/* sum[i] += part[i], and part[i] becomes what rounding took from sum[i]. */
typedef void accumulate_kernel(int64_t n, void *part, void *sum);
KERNEL_SET(accumulate_set, accumulate_kernel);

/* out[i] = scale * (a[i] - b[i]) * *g, rounded in that order. */
typedef void difference_kernel(int64_t n, void *out, const void *a, const void *b, double scale,
                               const void *g);
KERNEL_SET(difference_set, difference_kernel);

/* What a moment adds up, of the terms x of an output and their mean. Each term is computed in
 * double, but for the squares: a block of these is added up in the dtype of the terms. */
enum {
    MOMENT_SUM,        /* x */
    MOMENT_SQUARES,    /* x^2 */
    MOMENT_DEVIATIONS, /* x - mean */
    MOMENT_VARIANCE    /* (scale (x - mean))^2 */
};
/* sum[i] grows by what n terms come to, and rest[i] by what rounding took from sum[i]. The terms of
 * output i are a[i * stride], a[i * stride + 1] ..., or, in the kernel of columns, a[j * stride +
 * i] for all j; rows and n are the sizes of a. mean[i] is the mean. */
typedef void moments_kernel(int what, int64_t rows, int64_t n, double *sum, double *rest,
                            const void *a, int64_t stride, const double *mean, double scale);
KERNEL_SET(moments_set, moments_kernel);

/* out[i * stride + j] = a[i * stride + j] - mean[i], or mean[j] unless by_row. */
typedef void deviations_kernel(bool by_row, int64_t rows, int64_t n, void *out, const void *a,
                               int64_t stride, const double *mean);
KERNEL_SET(deviations_set, deviations_kernel);

/* The greatest or the least value of a row, or in the kernel of columns of a column, and its place;
 * values or places may be NULL. There is a term at least. NaN counts as the extreme, and of equal
 * values the first has the place. */
typedef void extreme_kernel(bool greatest, int64_t rows, int64_t n, void *values, int64_t *places,
                            const void *a, int64_t stride);
KERNEL_SET(extreme_set, extreme_kernel);

/* c[i * c0 + j] is the sum over l of a[i * a0 + l * a1] * b[l * b0 + j * b1]. The kernel works in
 * scratch, of tg__product_scratch bytes; product.h says how it cuts a product. */
typedef void matmul_kernel(int64_t m, int64_t n, int64_t k, void *c, int64_t c0, const void *a,
                           int64_t a0, int64_t a1, const void *b, int64_t b0, int64_t b1,
                           void *scratch);
KERNEL_SET(matmul_set, matmul_kernel);

typedef struct sgd_constants {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize;
    bool first; /* the buffer holds nothing yet */
} sgd_constants;
/* A step of SGD changes p and buf, which is NULL without momentum. */
typedef void sgd_kernel(int64_t n, void *p, const void *g, void *buf, const sgd_constants *c);
KERNEL_SET(sgd_set, sgd_kernel);

/* A step of Adam and its kin. With d = (maximize ? -g : g) + decay p,
 *   first = beta1 first + taken1 d,
 *   second = beta2 second + taken2 d^2,
 *   x = second, or with amsgrad the greatest second so far, which third keeps,
 *   x = x - first^2 if centered,
 *   step = (averages ? first : d) / (sqrt(x) / root + eps),
 *   with momentum step = third = momentum third + step,
 *   p = shrink p - lr step. */
typedef struct adapt_constants {
    double lr, beta1, taken1, beta2, taken2, root, eps, decay, shrink, momentum;
    bool maximize, averages, centered, amsgrad;
} adapt_constants;
typedef void adapt_kernel(int64_t n, void *p, const void *g, void *first, void *second, void *third,
                          const adapt_constants *c);
KERNEL_SET(adapt_set, adapt_kernel);

/* Turns n uniform samples into normal ones in place; n is a multiple of 16. */
typedef void normal_kernel(int64_t n, float *values, float mean, float std);
KERNEL_SET(normal_set, normal_kernel);
/* values[i] = from + width * values[i], rounded once. */
typedef void affine_kernel(int64_t n, void *values, double from, double width);
KERNEL_SET(affine_set, affine_kernel);

/* ---- The sets. */

#define KERNEL(kind, name, dtypes, made) extern const kind##_set tg__##name##_kernel;
#include "kernels.def"
#undef KERNEL

#endif
