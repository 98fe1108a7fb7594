/* Loops over raw pointers. They know nothing of tensors.
 *
 * One portable source (the .inc files) is compiled once per SIMD level and picked at run time. All
 * levels give the same bits: elementwise formulas round where they are written to round, fma stands
 * where it is meant, and reductions have one order. */
#ifndef TG_KERNELS_H
#define TG_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The formulas stand beside the gradients, in the tables of src/ops. */
#define UNARY(name, ...)   UNARY_##name,
#define BINARY(name, ...)  BINARY_##name,
#define COMPARE(name, ...) COMPARE_##name,
enum {
#include "../ops/unary.def"
    UNARY_COUNT
};
enum {
#include "../ops/binary.def"
    BINARY_COUNT
};
enum {
#include "../ops/compare.def"
    COMPARE_COUNT
};
#undef UNARY
#undef BINARY
#undef COMPARE

/* Element types index the tables in the order of tg_dtype. */
enum { K_F32, K_F64, K_I64, K_BOOL, K_TYPES };

/* Arrays of n side by side; out may be one of the inputs. */
typedef void unary_kernel(int64_t n, void *out, const void *a);
typedef void binary_kernel(int64_t n, void *out, const void *a, const void *b);
typedef void where_kernel(int64_t n, void *out, const void *condition, const void *a,
                          const void *b);
/* out[i * o0 + j * o1] = a[i * a0 + j * a1]; strides in elements. */
typedef void copy_kernel(int64_t n0, int64_t n1, void *out, int64_t o0, int64_t o1, const void *a,
                         int64_t a0, int64_t a1);
/* out[i] from the n values a[i * stride ...], for each of the rows i. */
typedef void reduce_kernel(int64_t rows, int64_t n, void *out, const void *a, int64_t stride);
/* out[j] from a[i * stride + j] over the rows i, for the columns j. */
typedef void reduce_columns_kernel(int64_t rows, int64_t columns, void *out, const void *a,
                                   int64_t stride);
/* *out from two contiguous arrays of n. */
typedef void reduce_pair_kernel(int64_t n, void *out, const void *a, const void *b);
/* out[i] = scale * (a[i] - b[i]) * *g, rounded in that order. */
typedef void difference_kernel(int64_t n, void *out, const void *a, const void *b, double scale,
                               const void *g);
/* The same for the greatest or the least, n >= 1 or rows >= 1: its value and its place, either may
 * be NULL. NaN wins; the first one of equals. */
typedef void extreme_kernel(bool greatest, int64_t rows, int64_t n, void *values, int64_t *places,
                            const void *a, int64_t stride);
/* c[i * c0 + j] = sum over l of a[i * a0 + l * a1] * b[l * b0 + j * b1]. */
typedef void matmul_kernel(int64_t m, int64_t n, int64_t k, void *c, int64_t c0, const void *a,
                           int64_t a0, int64_t a1, const void *b, int64_t b0, int64_t b1);

typedef struct sgd_constants {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize;
    bool first; /* the buffer holds nothing yet */
} sgd_constants;
/* p and buf (NULL without momentum) change. */
typedef void sgd_kernel(int64_t n, void *p, const void *g, void *buf, const sgd_constants *c);

typedef struct kernels {
    const char *level;
    /* By op and element type; NULL where the op does not take the type. */
    unary_kernel *unary[UNARY_COUNT][K_TYPES];
    binary_kernel *binary[BINARY_COUNT][K_TYPES];
    binary_kernel *compare[COMPARE_COUNT][K_TYPES]; /* out is bool */
    where_kernel *where[K_TYPES];
    unary_kernel *cast[K_TYPES][K_TYPES]; /* [from][to] */
    copy_kernel *copy[K_TYPES];
    /* Sums over 16 lanes, in blocks, added pairwise; bool and int64 sum to int64. */
    reduce_kernel *sum[K_TYPES];
    reduce_columns_kernel *sum_columns[K_TYPES];
    reduce_pair_kernel *dot[K_TYPES];
    reduce_pair_kernel *squared_distance[K_TYPES]; /* sum of (a - b)^2; floating */
    difference_kernel *scaled_difference[K_TYPES]; /* floating */
    extreme_kernel *extreme[K_TYPES], *extreme_columns[K_TYPES];
    matmul_kernel *matmul[K_TYPES];
    sgd_kernel *sgd[K_TYPES];
    /* Normal samples from n uniform ones, n a multiple of 16, in place; float32. */
    void (*normal_blocks)(int64_t n, float *values, float mean, float std);
    /* values[i] = from + width * values[i], fused; floating. */
    void (*affine[2])(int64_t n, void *values, double from, double width);
} kernels;

/* The levels. */
extern const kernels tg__kernels_portable;
#if defined(__x86_64__) && defined(__GNUC__)
#define TG_X86_KERNELS 1
extern const kernels tg__kernels_avx2, tg__kernels_avx512;
#endif

/* The fastest level that this CPU runs, or the one named, NULL if it cannot. */
const kernels *tg__kernels(const char *level);

#endif
