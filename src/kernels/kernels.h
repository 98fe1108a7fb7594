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

/* Whether the CPU has the instructions of a level: tg__runs_avx2() and so on. */
#define ROW(level, ...) bool tg__runs_##level(void);
TG_LEVELS(ROW, )
#undef ROW

/* The fastest level that this CPU runs, or the one named; -1 if there is none of that name or the
 * CPU cannot. */
int tg__level(const char *name);
const char *tg__level_name(int level);

/* Element types index the sets in the order of tg_dtype. */
enum { K_F32, K_F64, K_I64, K_BOOL, K_TYPES };

/* The kernels of one name; NULL for the dtypes that it does not take. */
#define KERNEL_SET(set, kernel)                                                                    \
    typedef struct set {                                                                           \
        kernel *at[LEVELS][K_TYPES];                                                               \
    } set
#define kernel_at(set, level, type) ((set)->at[level][type])
#define pick(level, name, type)     kernel_at(&tg__##name##_kernel, level, type)

/* ---- The kinds of kernels. */

/* Arrays of n side by side; out may be one of the inputs. */
typedef void unary_kernel(int64_t n, void *out, const void *a);
KERNEL_SET(unary_set, unary_kernel);
typedef void binary_kernel(int64_t n, void *out, const void *a, const void *b);
KERNEL_SET(binary_set, binary_kernel);
/* The same, but that out is of bool. */
typedef binary_kernel compare_kernel;
KERNEL_SET(compare_set, compare_kernel);
typedef void where_kernel(int64_t n, void *out, const void *condition, const void *a,
                          const void *b);
KERNEL_SET(where_set, where_kernel);
/* out[i * o0 + j * o1] = a[i * a0 + j * a1]; strides in elements. */
typedef void copy_kernel(int64_t n0, int64_t n1, void *out, int64_t o0, int64_t o1, const void *a,
                         int64_t a0, int64_t a1);
KERNEL_SET(copy_set, copy_kernel);
/* out[i] from the n values a[i * stride ...], for each of the rows i. */
typedef void reduce_kernel(int64_t rows, int64_t n, void *out, const void *a, int64_t stride);
KERNEL_SET(reduce_set, reduce_kernel);
/* out[j] from a[i * stride + j] over the rows i, for the columns j. */
typedef void reduce_columns_kernel(int64_t rows, int64_t columns, void *out, const void *a,
                                   int64_t stride);
KERNEL_SET(reduce_columns_set, reduce_columns_kernel);
/* *out from two contiguous arrays of n. */
typedef void reduce_pair_kernel(int64_t n, void *out, const void *a, const void *b);
KERNEL_SET(reduce_pair_set, reduce_pair_kernel);
/* sum[i] += part[i]; part[i] becomes what rounding lost. */
typedef void accumulate_kernel(int64_t n, void *part, void *sum);
KERNEL_SET(accumulate_set, accumulate_kernel);
/* out[i] = scale * (a[i] - b[i]) * *g, rounded in that order. */
typedef void difference_kernel(int64_t n, void *out, const void *a, const void *b, double scale,
                               const void *g);
KERNEL_SET(difference_set, difference_kernel);
/* For each of the outputs i: sum[i] grows by n terms made of a[i * stride ...] and mean[i], rest[i]
 * by what rounding took from it. Of double, but for the squares, whose blocks are added as they
 * are. */
enum {
    MOMENT_SUM,
    MOMENT_SQUARES,
    MOMENT_DEVIATIONS,
    MOMENT_VARIANCE /* of scale times each */
};
typedef void moments_kernel(int what, int64_t rows, int64_t n, double *sum, double *rest,
                            const void *a, int64_t stride, const double *mean, double scale);
KERNEL_SET(moments_set, moments_kernel);
/* out[i * stride + j] = a[i * stride + j] - mean[i], or mean[j]. */
typedef void deviations_kernel(bool by_row, int64_t rows, int64_t n, void *out, const void *a,
                               int64_t stride, const double *mean);
KERNEL_SET(deviations_set, deviations_kernel);
/* The same for the greatest or the least, n >= 1 or rows >= 1: its value and its place, either may
 * be NULL. NaN wins; the first one of equals. */
typedef void extreme_kernel(bool greatest, int64_t rows, int64_t n, void *values, int64_t *places,
                            const void *a, int64_t stride);
KERNEL_SET(extreme_set, extreme_kernel);
/* c[i * c0 + j] = sum over l of a[i * a0 + l * a1] * b[l * b0 + j * b1]; with memory of
 * tg__matmul_scratch bytes. */
typedef void matmul_kernel(int64_t m, int64_t n, int64_t k, void *c, int64_t c0, const void *a,
                           int64_t a0, int64_t a1, const void *b, int64_t b0, int64_t b1,
                           void *scratch);
KERNEL_SET(matmul_set, matmul_kernel);
/* How products are cut. Up to MATMUL_WHOLE terms are added one after the other; more of them in
 * blocks, whose sums are added up to MATMUL_SUMMED terms, and then with compensation. */
enum {
    MATMUL_WHOLE = 1024,
    MATMUL_BLOCK = 128,
    MATMUL_SUMMED = 2048,
    MATMUL_PANEL = 1536,  /* bytes in a row of b that is packed, of which there is a block */
    MATMUL_SUMS = 1 << 20 /* elements of c that are worked on together where there are blocks */
};
/* Whether a product is a few dots that are long enough for lanes, in any layout. */
static inline bool tg__matmul_is_dots(int64_t m, int64_t n, int64_t k)
{
    enum { FEW = 8, LONG = 16 };
    return k >= LONG && ((m == 1 && n <= FEW) || (n == 1 && m <= FEW));
}
/* Whether a product takes b as it lies, for tiles of so many rows (at least 4 at any level); else
 * it packs b. */
static inline bool tg__matmul_in_place(size_t size, int tile_rows, int64_t m, int64_t n, int64_t k,
                                       int64_t b1)
{
    enum { SMALL = 65536 };
    return k == 0 || (b1 == 1 && (m <= 2 * tile_rows ||
                                  (n <= SMALL && k <= SMALL && n * k <= SMALL / (int64_t)size)));
}

typedef struct sgd_constants {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize;
    bool first; /* the buffer holds nothing yet */
} sgd_constants;
/* p and buf (NULL without momentum) change. */
typedef void sgd_kernel(int64_t n, void *p, const void *g, void *buf, const sgd_constants *c);
KERNEL_SET(sgd_set, sgd_kernel);

/* With d the gradient, its sign changed to maximize, plus decay p: first = beta1 first + taken1 d,
 * second = beta2 second + taken2 d^2; and p = shrink p - lr (averages ? first : d) / (sqrt(x) /
 * root + eps), where x is second; less first^2 if centered; the greatest so far, which third keeps,
 * with amsgrad. With momentum third = momentum third + d / (...), and p -= lr third. */
typedef struct adapt_constants {
    double lr, beta1, taken1, beta2, taken2, root, eps, decay, shrink, momentum;
    bool maximize, averages, centered, amsgrad;
} adapt_constants;
typedef void adapt_kernel(int64_t n, void *p, const void *g, void *first, void *second, void *third,
                          const adapt_constants *c);
KERNEL_SET(adapt_set, adapt_kernel);

/* Normal samples from n uniform ones, n a multiple of 16, in place. */
typedef void normal_kernel(int64_t n, float *values, float mean, float std);
KERNEL_SET(normal_set, normal_kernel);
/* values[i] = from + width * values[i], fused. */
typedef void affine_kernel(int64_t n, void *values, double from, double width);
KERNEL_SET(affine_set, affine_kernel);

/* ---- The sets. */

#define KERNEL(kind, name, dtypes, made) extern const kind##_set tg__##name##_kernel;
#include "kernels.def"
#undef KERNEL

#endif
