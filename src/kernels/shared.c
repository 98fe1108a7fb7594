/* The kernels that are compiled once and serve all levels: those of int64 and bool, and those that
 * move or convert elements. Also the loops around the tiles of products of int64. */
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

/* ---- Products of int64. */

void tg__word_product(int64_t m, int64_t n, int64_t k, uint64_t *c, int64_t c0, const uint64_t *a,
                      int64_t a0, int64_t a1, const uint64_t *b, int64_t b0, int64_t b1)
{
    if (n == 1 && m > 1 && c0 == 1) { /* the transpose, b^T a^T, has a single row */
        tg__word_product(1, m, k, c, m, b, b1, b0, a, a1, a0);
        return;
    }
    for (int64_t i = 0; i < m; i++, a += a0, c += c0) {
#ifdef TG_X86_KERNELS /* on other machines, small code counts more than speed */
        const bool dots = a1 == 1 && b0 == 1;
        for (int64_t j = 0; j < n && dots; j++) {
            uint64_t sum = 0;
            for (int64_t l = 0; l < k; l++) sum += a[l] * b[l + j * b1];
            c[j] = sum;
        }
        if (dots) continue;
#endif
        for (int64_t j = 0; j < n; j++) c[j] = 0;
        for (int64_t l = 0; l < k; l++) {
            const uint64_t x = a[l * a1];
            for (int64_t j = 0; j < n; j++) c[j] += x * b[l * b0 + j * b1];
        }
    }
}

#ifdef TG_X86_KERNELS
/* Adds the sums of a tile to c, or stores them if they are the first. */
static void store_sums(bool first, int64_t rows, int64_t columns, uint64_t *c, int64_t c0,
                       const uint64_t *sums, int64_t step)
{
    for (int64_t r = 0; r < rows; r++, c += c0, sums += step) VECTORIZED
    for (int64_t j = 0; j < columns; j++) c[j] = first ? sums[j] : c[j] + sums[j];
}

/* Where fewer rows of a are left than a tile has, the last one stands in for the others, and where
 * columns of b are missing, zeros or columns of another panel do. Their sums are not stored. */
void tg__word_tiles(int64_t m, int64_t n, int64_t k, uint64_t *c, int64_t c0, const uint64_t *a,
                    int64_t a0, int64_t a1, const uint64_t *b, int64_t b0, int64_t b1,
                    int64_t columns, word_tile *tile)
{
    uint64_t panel[WORD_TERMS * WORD_COLUMNS] = {0}, sums[WORD_ROWS * WORD_COLUMNS];
    for (int64_t j = 0; j < n; j += columns)
        for (int64_t l = 0; l < k; l += WORD_TERMS) {
            const int64_t width = n - j < columns ? n - j : columns;
            const int64_t terms = k - l < WORD_TERMS ? k - l : WORD_TERMS;
            tg__copy_8(terms, width, panel, columns, 1, b + l * b0 + j * b1, b0, b1);
            for (int64_t i = 0; i < m; i += WORD_ROWS) {
                const int64_t left = m - i < WORD_ROWS ? m - i : WORD_ROWS;
                const uint64_t *rows[WORD_ROWS], *row = a + i * a0 + l * a1;
                for (int r = 0; r < WORD_ROWS; r++) {
                    rows[r] = row;
                    if (r + 1 < left) row += a0;
                }
                tile(terms, sums, rows, a1, panel);
                store_sums(l == 0, left, width, c + i * c0 + j, c0, sums, columns);
            }
        }
}
#endif

#include "end.inc"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
