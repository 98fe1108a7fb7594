/* What the source file of a level includes first. It must include all headers before it tells the
 * compiler to use the instructions of the level: an inline function of a header that came later
 * would be compiled to these instructions, and might be called on a CPU that lacks them. */
#ifndef TG_LEVEL_H
#define TG_LEVEL_H

#if defined(__clang__)
/* clang warns of a loop that is marked VECTORIZED but calls libm, as it cannot vectorise the call.
 * It obeys the pragma that was in force when the text of the loop, in elementwise.def, was included
 * for the first time, so this pragma stands before all tables. */
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

#include "names.h"
#include "product.h"

#include <math.h>
#include <string.h>
#ifdef TG_X86_KERNELS
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* A sum has LANES lanes. Blocks of LANE_BLOCK elements are summed and then added in a binary tree,
 * as lanes.inc says; TREE_LEVELS levels are enough for every size that a tensor can have. Up to
 * CACHED elements come from the first caches, and the time is that of the additions. */
enum { LANES = SUM_LANES, LANE_BLOCK = SUM_LEAST_PART, TREE_LEVELS = 60, CACHED = 1 << 14 };
_Static_assert(SUM_PART % LANE_BLOCK == 0 && !(SUM_PART & (SUM_PART - 1)),
               "the blocks of a part make a complete binary tree");

/* A float32 function that is computed in double converts WIDE_BLOCK elements at a time. */
enum { WIDE_BLOCK = 128 };

/* The functions of an angle, which reduce a large angle modulo a turn first. QUARTER_sin and
 * QUARTER_cos are the number of quarter turns to add: the function is the sine of the angle
 * plus these turns. QUARTER_tan stands for the tangent, and QUARTER_none for a function whose
 * argument is no angle. */
enum { QUARTER_tan = -1, QUARTER_sin, QUARTER_cos, QUARTER_none };

/* Reduces an angle, |x| >= 2^23 and finite, to r + *low, with |r| at most little more than pi/4.
 * Returns r and sets *n to the number of quarter turns modulo 4, where x = n pi/2 + r + *low. */
double tg__reduce_far_angle(double x, double *low, uint64_t *n);

/* Functions for elements that the vectorised formulas do not serve. As these elements are rare, the
 * functions are compiled once, in portable.c, and all levels call them. The first two compute the
 * sine, cosine or tangent, as `quarter` says, of an angle that is NaN or large: |x| >= 2^23, or
 * 2^50 in float32. tg__signed_power returns pow(x, y) with the sign and the special values that C99
 * asks for, where z is what the formulas give for pow(|x|, y). */
double tg__of_far_angle(double x, int quarter);
double tg__of_huge_angle(float x, int quarter);
double tg__signed_power(double x, double y, double z);

/* Products of int64, c = a b, with the arguments of matmul in kernels.h. Sums that wrap around do
 * not depend on the order of their terms. The first function is plain loops. The second one packs
 * b, and computes c by tiles of WORD_ROWS rows and at most `columns` columns: `tile` writes the
 * sums of k products to `sums`, row after row, for rows of a and a panel of b, which has k rows
 * without gaps.
 */
enum { WORD_ROWS = 4, WORD_COLUMNS = 16, WORD_TERMS = 64 }; /* columns and terms of a panel */
typedef void word_tile(int64_t k, uint64_t *sums, const uint64_t *const *rows, int64_t a1,
                       const uint64_t *panel);
void tg__word_product(int64_t m, int64_t n, int64_t k, uint64_t *c, int64_t c0, const uint64_t *a,
                      int64_t a0, int64_t a1, const uint64_t *b, int64_t b0, int64_t b1);
void tg__word_tiles(int64_t m, int64_t n, int64_t k, uint64_t *c, int64_t c0, const uint64_t *a,
                    int64_t a0, int64_t a1, const uint64_t *b, int64_t b0, int64_t b1,
                    int64_t columns, word_tile *tile);

#if defined(__GNUC__)
/* A square root is a single instruction if it need not set errno, which this promises. */
float sqrtf(float) __attribute__((const));
double sqrt(double) __attribute__((const));
#endif

#endif
