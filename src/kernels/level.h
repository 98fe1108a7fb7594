/* What the file of a level includes before it names its target. Functions of a header that came
 * after would be compiled for that target. */
#ifndef TG_LEVEL_H
#define TG_LEVEL_H

#if defined(__clang__)
/* Loops that call libm stay scalar although they are VECTORIZED. clang asks what was set where
 * elementwise.def, the table of such loops, was first included, so this stands before all tables.
 */
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

/* A sum has 16 lanes. Blocks of 512 elements are summed, and then added in a tree. */
enum { LANES = 16, LANE_BLOCK = 512, TREE_LEVELS = 60 };
enum { LANES_SUM, LANES_DOT, LANES_DISTANCE };

/* Functions of float32 that are computed in double take a block of elements at a time, and in that
 * a step of elements, which vectors hold. */
enum { WIDE_STEP = 4, WIDE_BLOCK = 128 };

/* How a function of an angle uses the turns that are taken off a far angle: the sine of this many
 * quarter turns more; QUARTER_tan is the tangent, and QUARTER_none a function of something else. */
enum { QUARTER_tan = -1, QUARTER_sin, QUARTER_cos, QUARTER_none };

#if defined(__GNUC__)
/* A root is one instruction if it need not set errno. */
float sqrtf(float) __attribute__((const));
double sqrt(double) __attribute__((const));
#endif

#endif
