/* The kernels that are compiled once and serve all levels: those of int64 and bool, and those that
 * move or convert elements. */
#include "level.h"

#define LEVEL(name) tg__##name
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("O2", "tree-vectorize", "fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif

#include "begin.inc"

/* The int64 that is nearest to x, which is whole or infinite. */
static int64_t nearest_int64(double x)
{
    return x < 0x1p63 ? x > -0x1p63 ? (int64_t)x : INT64_MIN : INT64_MAX;
}

#define FLOATING            0
#define NUMERIC             1
#define T                   int64_t
#define W                   uint64_t
#define TOTAL               int64_t
#define TYPED(name)         LEVEL(name##_i64)
#define VECTOR_FMA(a, b, c) ((a) * (b) + (c))
#define ABS(x)              (x < 0 ? -WRAP(x) : WRAP(x))
#define WHOLE(name, x)      (x)
#define NUMBER(x)           nearest_int64(x)
#include "typed.inc"

#define FLOATING    0
#define NUMERIC     0
#define T           uint8_t
#define W           uint64_t
#define TOTAL       int64_t
#define TYPED(name) LEVEL(name##_bool)
#include "typed.inc"

#define U           uint8_t
#define SIZED(name) LEVEL(name##_1)
#include "move.inc"

#define U           uint32_t
#define SIZED(name) LEVEL(name##_4)
#include "move.inc"

#define U           uint64_t
#define SIZED(name) LEVEL(name##_8)
#include "move.inc"

/* Converts n elements from T to OUT. The arrays do not overlap: their elements differ in size. */
#define CAST(name, OUT, T, read, value)                                                            \
    void name(int64_t n, void *out, const void *in)                                                \
    {                                                                                              \
        OUT *restrict o = out;                                                                     \
        const T *p = in;                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T x = (T)(read);                                                                 \
            o[i] = value;                                                                          \
        }                                                                                          \
    }
#define CASTS(from, T, read, integer)                                                              \
    CAST(tg__to_f32_##from, float, T, read, (float)x)                                              \
    CAST(tg__to_f64_##from, double, T, read, (double)x)                                            \
    CAST(tg__to_i64_##from, int64_t, T, read, integer)                                             \
    CAST(tg__to_bool_##from, uint8_t, T, read, x != 0)
/* Rounds towards 0. NaN and what is out of range become the least int64, as on x86. */
#define TRUNCATED                                                                                  \
    (x >= -9223372036854775808.0f && x < 9223372036854775808.0f ? (int64_t)x : INT64_MIN)
CASTS(f32, float, p[i], TRUNCATED)
CASTS(f64, double, p[i], TRUNCATED)
CASTS(i64, int64_t, p[i], x)
CASTS(bool, uint8_t, p[i] != 0, x)
#undef CAST
#undef CASTS
#undef TRUNCATED

#include "end.inc"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
