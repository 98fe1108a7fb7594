/* Loops over raw pointers. They know nothing of tensors.
 *
 * One portable source (the .inc files) is compiled once per SIMD level and picked at run time. All
 * levels give the same bits: elementwise formulas round where they are written to round, fma stands
 * where it is meant, and reductions have one order. */
#ifndef TG_KERNELS_H
#define TG_KERNELS_H

#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Formulas are written for floats that are rounded to their type after each operation, and for NaN,
 * infinities and signed zeros. */
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 /* 16: as 0 for all but _Float16 */
#error "Floats are computed in a wider type: use -msse2 -mfpmath=sse or -fexcess-precision=fast."
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) ||     \
    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "libtinygrad cannot be compiled with -ffast-math or a part of it."
#endif

/* a * b + c, rounded once: by the instruction where the target has it, else by our own functions in
 * fma.c; in float64 by glibc, which is right and knows more instructions. Other libms may round
 * twice. */
float tg__fused_f32(float a, float b, float c);
double tg__fused_f64(double a, double b, double c);
#if defined(__FP_FAST_FMAF) || defined(__ARM_FEATURE_FMA)
#define TG_FMA32(a, b, c) fmaf(a, b, c)
#else
#define TG_FMA32(a, b, c) tg__fused_f32(a, b, c)
#endif
#if defined(__FP_FAST_FMA) || defined(__aarch64__) || defined(__GLIBC__)
#define TG_FMA64(a, b, c) fma(a, b, c)
#else
#define TG_FMA64(a, b, c) tg__fused_f64(a, b, c)
#endif

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
/* sum[i] += part[i]; part[i] becomes what rounding lost. */
typedef void accumulate_kernel(int64_t n, void *part, void *sum);
/* out[i] = scale * (a[i] - b[i]) * *g, rounded in that order. */
typedef void difference_kernel(int64_t n, void *out, const void *a, const void *b, double scale,
                               const void *g);
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
/* out[i * stride + j] = a[i * stride + j] - mean[i], or mean[j]. */
typedef void deviations_kernel(bool by_row, int64_t rows, int64_t n, void *out, const void *a,
                               int64_t stride, const double *mean);
/* The same for the greatest or the least, n >= 1 or rows >= 1: its value and its place, either may
 * be NULL. NaN wins; the first one of equals. */
typedef void extreme_kernel(bool greatest, int64_t rows, int64_t n, void *values, int64_t *places,
                            const void *a, int64_t stride);
/* c[i * c0 + j] = sum over l of a[i * a0 + l * a1] * b[l * b0 + j * b1]; with memory of
 * tg__matmul_scratch bytes. */
typedef void matmul_kernel(int64_t m, int64_t n, int64_t k, void *c, int64_t c0, const void *a,
                           int64_t a0, int64_t a1, const void *b, int64_t b0, int64_t b1,
                           void *scratch);
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

/* Normal samples from n uniform ones, n a multiple of 16, in place. */
typedef void normal_kernel(int64_t n, float *values, float mean, float std);
/* values[i] = from + width * values[i], fused. */
typedef void affine_kernel(int64_t n, void *values, double from, double width);

/* The levels that this build has, the slowest first. */
enum {
    LEVEL_PORTABLE,
#if defined(__x86_64__) && defined(__GNUC__)
#define TG_X86_KERNELS 1
    LEVEL_AVX2,
    LEVEL_AVX512,
#endif
    LEVELS
};

/* The fastest level that this CPU runs, or the one named; -1 if there is none of that name or the
 * CPU cannot. */
int tg__level(const char *name);
const char *tg__level_name(int level);

/* tg__NAME_kernel has the kernels by level and element type, NULL for the types that it does not
 * take. Each is an object of its own, so that a program links the kernels of the operations it
 * uses. It is short: only float32 has kernels for every level, float64 has up to AVX2, and integers
 * have the same on all. */
enum {
#ifdef TG_X86_KERNELS
    F64_LEVELS = 2,
#else
    F64_LEVELS = 1,
#endif
    SLOTS = LEVELS + F64_LEVELS + 2
};
extern const uint8_t tg__slots[LEVELS][K_TYPES];
#define kernel_at(set, level, type) ((set)->at[tg__slots[level][type]])
#define pick(level, name, type)     kernel_at(&tg__##name##_kernel, level, type)

#define KINDS(KIND)                                                                                \
    KIND(unary)                                                                                    \
    KIND(binary)                                                                                   \
    KIND(where)                                                                                    \
    KIND(copy)                                                                                     \
    KIND(reduce)                                                                                   \
    KIND(reduce_columns)                                                                           \
    KIND(reduce_pair)                                                                              \
    KIND(accumulate)                                                                               \
    KIND(difference)                                                                               \
    KIND(extreme)                                                                                  \
    KIND(moments)                                                                                  \
    KIND(deviations)                                                                               \
    KIND(matmul)                                                                                   \
    KIND(sgd)                                                                                      \
    KIND(adapt)                                                                                    \
    KIND(normal)                                                                                   \
    KIND(affine)
#define KIND(name)                                                                                 \
    typedef struct name##_set {                                                                    \
        name##_kernel *at[SLOTS];                                                                  \
    } name##_set;
KINDS(KIND)
#undef KIND
#undef KINDS

/* The functions in the slots. Integers, moves and casts gain too little from wide vectors to be
 * compiled for each, and loops of libm nothing. AVX-512 has kernels of its own in float32 where
 * arithmetic, not memory, is the limit. */
#ifdef TG_X86_KERNELS
#define F32_WIDEST(fn) fn##_portable, fn##_avx2, fn##_avx512
#define F32_WIDE(fn)   fn##_portable, fn##_avx2, fn##_avx2
#define F32_SAME(fn)   fn, fn, fn
#define F64_WIDE(fn)   fn##_portable, fn##_avx2
#define F64_SAME(fn)   fn, fn
#else
#define F32_WIDEST(fn) fn##_portable
#define F32_WIDE(fn)   fn##_portable
#define F32_SAME(fn)   fn
#define F64_WIDE(fn)   fn##_portable
#define F64_SAME(fn)   fn
#endif
#define SLOTS_F32(name)       F32_WIDE(tg__##name)
#define SLOTS_FLOATS(name)    F32_WIDE(tg__##name##_f32), F64_WIDE(tg__##name##_f64)
#define SLOTS_FUNCTIONS(name) F32_WIDEST(tg__##name##_f32), F64_SAME(tg__##name##_f64_portable)
#define SLOTS_WIDE(name)      F32_WIDE(tg__##name##_f32), F64_SAME(tg__##name##_f64_portable)
#define SLOTS_LIBM(name)      F32_SAME(tg__##name##_f32_portable), F64_SAME(tg__##name##_f64_portable)
#define SLOTS_MODULO(name)    SLOTS_LIBM(name), tg__##name##_i64
#define SLOTS_TURNS(name)     SLOTS_WIDE(name)
#define SLOTS_NUMBERS(name)   SLOTS_FLOATS(name), tg__##name##_i64
#define SLOTS_PRODUCTS(name)                                                                       \
    F32_WIDEST(tg__##name##_f32), F64_WIDE(tg__##name##_f64), tg__##name##_i64
#define SLOTS_ALL(name)      SLOTS_NUMBERS(name), tg__##name##_bool
#define SLOTS_COMPARED(name) SLOTS_WIDE(name), tg__##name##_i64, tg__##name##_bool
#define SLOTS_SIZES(name)                                                                          \
    F32_SAME(tg__##name##_4), F64_SAME(tg__##name##_8), tg__##name##_8, tg__##name##_1
#define SLOTS_CASTS(name)                                                                          \
    F32_SAME(tg__##name##_f32), F64_SAME(tg__##name##_f64), tg__##name##_i64, tg__##name##_bool

#define KERNEL(kind, name, types)                                                                  \
    extern const kind##_set tg__##name##_kernel;                                                   \
    kind##_kernel SLOTS_##types(name);
#include "kernels.def"
#undef KERNEL

#endif
