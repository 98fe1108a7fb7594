/* A kernel is a loop over arrays of one dtype, which it takes as pointers. Kernels know nothing of
 * tensors: shapes, strides and dtypes are checked by their callers.
 *
 * The same source, the .inc files, is compiled once for each SIMD level, such as AVX2, and each
 * context picks a level at run time. All levels give the same bits, for three reasons: every
 * operation of a formula rounds as it is written, since the compiler must not contract a * b + c; a
 * fused multiply-add is written out where it is wanted; and a sum has one order of additions.
 *
 * kernels.def lists the kernels. For each of its rows, tg__NAME_kernel is a set: the kernels of
 * that name, by level and dtype. */
#ifndef TG_KERNELS_H
#define TG_KERNELS_H

#include "arithmetic.h"
#include "levels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TG_UNROLLED_BY_4 stands in front of a loop whose body is so short that counting its rounds would
 * take as much time. */
#if defined(__clang__)
#define TG_UNROLLED_BY_4 _Pragma("clang loop unroll_count(4)")
#elif defined(__GNUC__)
#define TG_UNROLLED_BY_4 _Pragma("GCC unroll 4")
#else
#define TG_UNROLLED_BY_4
#endif

/* ---- Levels and sets. */

#define ROW(level, ...) LEVEL_##level,
enum { TG_LEVELS(ROW, unused) LEVELS };
#undef ROW

/* The features of a CPU, by which tg__runs_LEVEL decides. On x86-64 they are read by x86.h; on
 * other CPUs, where no level asks for them, all are 0. */
typedef struct cpu_features {
    unsigned instructions;
    unsigned registers; /* those that the operating system saves when it switches threads */
} cpu_features;

/* Two functions for each level. tg__runs_avx2() says whether a CPU has the instructions of AVX2.
 * tg__add_product_avx2() computes a * b + c as compiled for AVX2, for tg__rounds_products. */
#define ROW(level, ...)                                                                            \
    bool tg__runs_##level(const cpu_features *cpu);                                                \
    double tg__add_product_##level(double a, double b, double c);
TG_LEVELS(ROW, unused)
#undef ROW

/* The level of that name, or for NULL the fastest one that this CPU runs. Returns -1 if no level
 * has the name or the CPU lacks its instructions. */
int tg__level(const char *name);
const char *tg__level_name(int level);
/* Whether the kernels of a level round both operations of a * b + c, as they must. A compiler that
 * was not given -ffp-contract=off and that ignores the pragmas in the source contracts them to one
 * fma, which rounds once. */
bool tg__rounds_products(int level);

/* The dtypes that index the sets, in the order of tg_dtype. */
enum { K_F32, K_F64, K_I64, K_BOOL, K_TYPES };

/* A set holds the kernels of one name. Its entry is NULL for a dtype that has no such kernel. The
 * shape rule of an operation asks for NULL first and refuses the dtype; what runs after it, such as
 * the forward, calls the kernel without asking. copy and the casts have a kernel for every dtype.
 */
#define KERNEL_SET(set, kernel)                                                                    \
    typedef struct set {                                                                           \
        kernel *at[LEVELS][K_TYPES];                                                               \
    } set
#define kernel_at(set, level, type) ((set)->at[level][type])
#define pick(level, name, type)     kernel_at(&tg__##name##_kernel, level, type)

/* ---- The kinds of kernels, by the arguments they take. Strides count elements. An array for which
 * no stride is given is contiguous. */

/* Elementwise: out[i] = f(a[i]), or f(a[i], b[i]), for n elements. out may be one of the inputs. */
typedef void unary_kernel(int64_t n, void *out, const void *a);
KERNEL_SET(unary_set, unary_kernel);
typedef void binary_kernel(int64_t n, void *out, const void *a, const void *b);
KERNEL_SET(binary_set, binary_kernel);
/* out[i] = whether the comparison holds, such as a[i] < b[i]. out is of bool. */
typedef binary_kernel compare_kernel;
KERNEL_SET(compare_set, compare_kernel);
/* out[i] = f(in[0][i], in[1][i], ...; s, t) with one, two or three inputs, where s and t are two
 * doubles at `numbers`, converted to the dtype. out may be one of the inputs. */
typedef void map_kernel(int64_t n, void *out, const void *const *in, const void *numbers);
KERNEL_SET(map_set, map_kernel);
typedef map_kernel map1_kernel, map2_kernel, map3_kernel;
typedef map_set map1_set, map2_set, map3_set;
/* out[i] = condition[i] ? a[i] : b[i]. condition is of bool. */
typedef void where_kernel(int64_t n, void *out, const void *condition, const void *a,
                          const void *b);
KERNEL_SET(where_set, where_kernel);

/* out[i * o0 + j * o1] = a[i * a0 + j * a1] for n0 times n1 elements. */
typedef void copy_kernel(int64_t n0, int64_t n1, void *out, int64_t o0, int64_t o1, const void *a,
                         int64_t a0, int64_t a1);
KERNEL_SET(copy_set, copy_kernel);

/* A line of n elements of which each is chosen by an index: element i is number index[i *
 * index_step] of `size` elements, which begin at i * line_step and are `step` apart. Another array
 * has an element for each index, `other_step` apart. */
typedef struct chosen_line {
    int64_t n, size, step, line_step, index_step, other_step;
} chosen_line;
/* Copies the chosen elements of a to out. Returns n; or i, if index number i is the first that is
 * out of range, after the elements before it are copied. */
typedef int64_t take_kernel(const chosen_line *l, void *out, const void *a, const int64_t *index);
KERNEL_SET(take_set, take_kernel);

/* Reduces rows: out[i] is made of the n values a[i * stride], a[i * stride + 1] ..., for each row
 * i. */
typedef void reduce_kernel(int64_t rows, int64_t n, void *out, const void *a, int64_t stride);
KERNEL_SET(reduce_set, reduce_kernel);
/* Reduces columns: out[j] is made of the values a[i * stride + j] of all rows i, for each column
 * j. */
typedef void reduce_columns_kernel(int64_t rows, int64_t columns, void *out, const void *a,
                                   int64_t stride);
KERNEL_SET(reduce_columns_set, reduce_columns_kernel);
/* Reduces two arrays of n elements to the one value *out, as a dot product does. */
typedef void reduce_pair_kernel(int64_t n, void *out, const void *a, const void *b);
KERNEL_SET(reduce_pair_set, reduce_pair_kernel);

/* What a sum adds up: a, a^2 rounded before it is added, a * b, or (a - b)^2. */
enum { LANES_SUM, LANES_SQUARES, LANES_DOT, LANES_DISTANCE };
/* A sum can be cut into parts, which are computed apart: of SUM_PART elements, so that a part is
 * worth a thread, or of SUM_LEAST_PART elements, the fewest possible. The last part may be smaller.
 * The kernel lane_sums gives SUM_LANES sums for each part, one for each lane, and join_lanes adds
 * up those of all parts. The result has the bits of a sum that is not cut. */
enum { SUM_LANES = 16, SUM_PART = 1 << 16, SUM_LEAST_PART = 512 };
/* A sum over columns can be cut into parts of rows: all but the last have the same number of rows,
 * SUM_BLOCK_ROWS times a power of two. The sums of the parts are added in pairs, the sums of pairs
 * in pairs, and so on, as in a binary tree; the subtrees that are left at the end are added from
 * the smallest to the largest. Where rows have no gaps between them, SUM_WIDE / columns rows are
 * treated as one row, if there are at least twice as many, so that narrow rows fill vectors. The
 * sums of this row are then cut into rows again, and summed together with the rows that were left
 * over. */
enum { SUM_BLOCK_ROWS = 32, SUM_WIDE = 64 };
/* How many rows of a matrix without gaps are treated as one. */
static inline int64_t tg__rows_together(int64_t rows, int64_t columns)
{
    const int64_t together = SUM_WIDE / columns;
    return together > 1 && rows >= 2 * together ? together : 1;
}
/* Computes the lanes of the sum that `what` says, such as LANES_DOT, over n elements of a and b. b
 * is not read for LANES_SUM and LANES_SQUARES. */
typedef void lane_sums_kernel(int what, int64_t n, void *lanes, const void *a, const void *b);
KERNEL_SET(lane_sums_set, lane_sums_kernel);
/* Computes the lanes of the sum of the n results that f computes from the arrays in[0] to in[inputs
 * - 1]. `with` is the last argument of f. */
typedef void map_lane_sums_kernel(int64_t n, void *lanes, int inputs, const void *const *in,
                                  map_kernel *f, const void *with);
KERNEL_SET(map_lane_sums_set, map_lane_sums_kernel);
/* *out = the sum whose parts have these lanes, SUM_LANES for each part, one part after the other.
 */
typedef void join_lanes_kernel(int64_t parts, void *out, const void *lanes);
KERNEL_SET(join_lanes_set, join_lanes_kernel);
/* *out = the sum of all elements of `runs` rows of n elements, n >= SUM_LANES, with the bits of the
 * sum of one row that has all of them. */
typedef void sum_runs_kernel(int64_t runs, int64_t n, void *out, const void *a, int64_t stride);
KERNEL_SET(sum_runs_set, sum_runs_kernel);

/* sum[i] += part[i], and part[i] becomes the rounding error of that addition: the exact sum is
 * sum[i] + part[i]. */
typedef void accumulate_kernel(int64_t n, void *part, void *sum);
KERNEL_SET(accumulate_set, accumulate_kernel);

/* out[i] = scale * (a[i] - b[i]) * g[0], rounded after each operation from left to right. */
typedef void difference_kernel(int64_t n, void *out, const void *a, const void *b, double scale,
                               const void *g);
KERNEL_SET(difference_set, difference_kernel);

/* What a moments kernel adds up over the elements x of a row or column. Each term is computed and
 * added in double, except for MOMENT_SQUARES, where a block of them is added in the dtype of x. */
enum {
    MOMENT_SUM,        /* x */
    MOMENT_SQUARES,    /* (x - mean)^2 */
    MOMENT_DEVIATIONS, /* x - mean */
    MOMENT_VARIANCE    /* (scale (x - mean))^2 */
};
/* Adds the terms of output i to sum[i], and the rounding errors of these additions to rest[i]. a
 * has `rows` rows of n elements. Output i is made of row i, or in the kernel moments_columns of
 * column i. mean[i] is its mean, which MOMENT_SUM does not read; scale is for MOMENT_VARIANCE
 * alone. */
typedef void moments_kernel(int what, int64_t rows, int64_t n, double *sum, double *rest,
                            const void *a, int64_t stride, const double *mean, double scale);
KERNEL_SET(moments_set, moments_kernel);

/* out[i * stride + j] = a[i * stride + j] - mean[i] if by_row, else a[i * stride + j] - mean[j]. */
typedef void deviations_kernel(bool by_row, int64_t rows, int64_t n, void *out, const void *a,
                               int64_t stride, const double *mean);
KERNEL_SET(deviations_set, deviations_kernel);

/* Normalization of the elements a of a matrix whose rows begin `stride` elements apart. Arrays of
 * numbers of the dtype, mean to slope, belong to its rows or to its columns, as the form says, and
 * c = (a - mean) - rest is a centered element: mean + rest is the mean in twice the precision. Each
 * operation of the formulas rounds.
 *   NORMALIZE_ROWS     c scale[row] + shift[row]
 *   NORMALIZE_COLUMNS  c scale[column] + shift[column]
 *   NORMALIZE_LAYER    c scale[row] weight[column] + shift[column], with the mean of the row */
enum { NORMALIZE_ROWS, NORMALIZE_COLUMNS, NORMALIZE_LAYER };
typedef struct normalize_numbers {
    const void *mean, *rest, *scale, *weight, *shift, *slope;
} normalize_numbers;
typedef void normalize_kernel(int form, int64_t rows, int64_t n, int64_t stride, void *out,
                              const void *a, const normalize_numbers *numbers);
KERNEL_SET(normalize_set, normalize_kernel);
/* Computes terms of the sums that the gradient of a normalization needs, where g is the gradient of
 * its result. The terms of sums over rows are stored in out. Those of sums over columns are added
 * to weight_sums[column] and shift_sums[column], row after row.
 *
 *                      out               weight_sums        shift_sums
 *   NORMALIZE_ROWS     g c
 *   NORMALIZE_COLUMNS                    g c                g
 *   NORMALIZE_LAYER    g weight c        g (c scale)        g */
typedef void normalize_sums_kernel(int form, int64_t rows, int64_t n, int64_t stride, void *out,
                                   const void *g, const void *a, const normalize_numbers *numbers,
                                   void *weight_sums, void *shift_sums);
KERNEL_SET(normalize_sums_set, normalize_sums_kernel);
/* The gradient of the centered elements: g scale + c slope, or g weight scale + c slope for
 * NORMALIZE_LAYER. slope belongs to what scale belongs to. */
typedef void normalize_backward_kernel(int form, int64_t rows, int64_t n, int64_t stride, void *out,
                                       const void *g, const void *a,
                                       const normalize_numbers *numbers);
KERNEL_SET(normalize_backward_set, normalize_backward_kernel);

/* The greatest or the least value of each row, or in the kernel extreme_columns of each column, and
 * its index there. If values or places is NULL, it is not written. A row or column has at least one
 * element. NaN counts as the extreme, and of equal values the first one gives the index. */
typedef void extreme_kernel(bool greatest, int64_t rows, int64_t n, void *values, int64_t *places,
                            const void *a, int64_t stride);
KERNEL_SET(extreme_set, extreme_kernel);

/* Matrix product: c[i * c0 + j] is the sum over l < k of a[i * a0 + l * a1] * b[l * b0 + j * b1],
 * for i < m and j < n. scratch is memory for the kernel to work in. tg__product_scratch in
 * ops/matmul.c says how many bytes it needs, which follows from the sizes in product.h. */
typedef void matmul_kernel(int64_t m, int64_t n, int64_t k, void *c, int64_t c0, const void *a,
                           int64_t a0, int64_t a1, const void *b, int64_t b0, int64_t b1,
                           void *scratch);
KERNEL_SET(matmul_set, matmul_kernel);

/* The patches of an image as a matrix, for convolutions: row l, column j is the element
 * offset[l] + j / width * pitch + j % width of the image. Up to 63 bytes behind the last of these
 * elements are read, too. */
typedef struct patches {
    const void *image;
    const int64_t *offset;
    int64_t width, pitch;
} patches;
/* A product of patches and another matrix, whose strides are s0 between rows and s1 between
 * columns: c[i * c0 + j] is the sum over l < k of patch(i, l) * other(l, j) if patches_first, else
 * of other(i, l) * patch(l, j), for i < m and j < n. The terms are added as in matmul. If length is
 * not 0, the sum of each `length` terms is added to c[i * c0 + j] instead; length divides k, and is
 * k if patches_first. If patches_first and n is 1, sums are dot products in lanes, and neighbouring
 * patches must be neighbours in memory: k is at most width, or pitch is width. scratch has as many
 * elements as tg__patch_scratch in product.h says. */
typedef struct patch_product {
    bool patches_first;
    patches patches;
    int64_t m, n, k, length;
    void *c;
    int64_t c0;
    const void *other;
    int64_t s0, s1;
    void *scratch;
} patch_product;
typedef void patch_product_kernel(const patch_product *p);
KERNEL_SET(patch_product_set, patch_product_kernel);

/* Products for convolutions whose groups have one channel, a plane, each. Position i of a plane
 * sees, through tap t, the element image[tap[t].offset + i] of the plane, or 0 where
 * mask[tap[t].mask + i], which is as wide as an element, has no bit set; elsewhere all its bits are
 * set. `seen` below is what the position sees. Elements that the mask hides are read, too, and so
 * are those behind the n positions, and their masks, up to a multiple of PLANE_STEP in product.h.
 * Each plane of the image has a plane of `other` and of c. What lies between the planes of c may be
 * overwritten.
 *
 *   PLANE_CHAIN  c[i] is the sum of other[tap[t].weight] * seen over all taps: fma after fma
 *   PLANE_SUMS   the same, but each product is rounded before it is added
 *   PLANE_DOTS   c[t] += the sum of other[i] * seen over all positions, in lanes as dot adds it */
typedef enum plane_kind { PLANE_CHAIN, PLANE_SUMS, PLANE_DOTS } plane_kind;
typedef struct plane_tap {
    int64_t offset, weight, mask;
} plane_tap;
typedef struct plane_product {
    plane_kind kind;
    int64_t planes, n, taps; /* n positions; for PLANE_DOTS, at most PLANE_MOST */
    const plane_tap *tap;
    const void *mask;
    int64_t mask_step; /* for PLANE_DOTS: between the masks of taps */
    const void *image, *other;
    void *c;
    int64_t image_step, other_step, c_step; /* between planes */
} plane_product;
typedef void plane_product_kernel(const plane_product *p);
KERNEL_SET(plane_product_set, plane_product_kernel);

/* y[i] += a * x[i], rounded after each operation. a is a number of the dtype. */
typedef void add_multiple_kernel(int64_t n, void *y, double a, const void *x);
KERNEL_SET(add_multiple_set, add_multiple_kernel);

typedef struct sgd_constants {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize;
    bool first; /* whether this is the first step, and buf holds nothing yet */
} sgd_constants;
/* A step of SGD: changes the parameters p by their gradients g, and the momentum buffer buf, which
 * is NULL if there is no momentum. */
typedef void sgd_kernel(int64_t n, void *p, const void *g, void *buf, const sgd_constants *c);
KERNEL_SET(sgd_set, sgd_kernel);

/* A step of Adam, AdamW, RMSprop or Adagrad, which differ in these constants. It changes the
 * parameters p by their gradients g, and the state of the optimiser, which is first, second and
 * third. first or third is NULL if the optimiser has no such state: third then counts as 0, and the
 * optimiser without a first one neither averages nor centers, and its root is 1. In this order:
 *   d      = (maximize ? -g : g) + decay p
 *   first  = beta1 first + gradient_weight d
 *   second = beta2 second + square_weight d^2
 *   x      = second; with amsgrad, x = third = the greatest `second` of all steps
 *   x      = x - first^2, if centered
 *   step   = (averages ? first : d) / (sqrt(x) / root + eps)
 *   third  = step = momentum third + step, if momentum is not 0
 *   p      = shrink p - lr step */
typedef struct adapt_constants {
    double lr, beta1, gradient_weight, beta2, square_weight, root, eps, decay, shrink, momentum;
    bool maximize, averages, centered, amsgrad;
} adapt_constants;
typedef void adapt_kernel(int64_t n, void *p, const void *g, void *first, void *second, void *third,
                          const adapt_constants *c);
KERNEL_SET(adapt_set, adapt_kernel);

/* Turns n uniform samples from [0, 1) into normal ones, in place. n is a multiple of 16. */
typedef void normal_kernel(int64_t n, float *values, float mean, float std);
KERNEL_SET(normal_set, normal_kernel);
/* values[i] = from + width * values[i], rounded once. */
typedef void affine_kernel(int64_t n, void *values, double from, double width);
KERNEL_SET(affine_set, affine_kernel);
/* out[i] = start + step * (first + by * i), computed in double and then rounded to the dtype. first
 * is whole, and by is 1 or -1. */
typedef void sequence_kernel(int64_t n, void *out, double start, double step, double first,
                             double by);
KERNEL_SET(sequence_set, sequence_kernel);

/* For QR factorizations of float64: a block of rows is stored by columns, which begin `stride`
 * elements apart; the number of rows is a multiple of 16, as rows of zeros may fill the block.
 *
 * Applies Householder's reflection I + w w^T / scale, where w is `first` followed by v, to columns:
 * each is top[l] followed by the column l of the block y. */
typedef void reflect_kernel(int64_t rows, int64_t columns, const double *v, double first,
                            double scale, double *top, double *y, int64_t stride);
KERNEL_SET(reflect_set, reflect_kernel);
/* Subtracts a x from the vector high + low, of which each element is kept as an unevaluated sum of
 * two numbers and has twice the precision. a is a block of `columns` columns, and x has a number
 * for each of them. */
typedef void subtract_product_kernel(int64_t rows, int64_t columns, double *high, double *low,
                                     const double *a, int64_t stride, const double *x);
KERNEL_SET(subtract_product_set, subtract_product_kernel);
/* Adds the inner product of column j of a and the vector high + low to sums[2 * j] + sums[2 * j +
 * 1], an unevaluated sum of two numbers, for each of the columns. */
typedef void add_products_kernel(int64_t rows, int64_t columns, double *sums, const double *a,
                                 int64_t stride, const double *high, const double *low);
KERNEL_SET(add_products_set, add_products_kernel);
/* Rotates two vectors: a becomes cosine a - sine b, and b becomes sine a + cosine b, rounded after
 * each operation. */
typedef void rotate_kernel(int64_t n, double *a, double *b, double cosine, double sine);
KERNEL_SET(rotate_set, rotate_kernel);

/* ---- The set of each kernel, which sets.c defines. */

#define KERNEL(kind, name, dtypes, made) extern const kind##_set tg__##name##_kernel;
#include "kernels.def"
#undef KERNEL

#endif
