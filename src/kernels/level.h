/* What a level needs before it names its target: no header may come after. */
#ifndef TG_LEVEL_H
#define TG_LEVEL_H

#if defined(__clang__)
/* Loops that call libm stay scalar, whatever is asked for. It goes by the first time that a table
 * is included, so it stands before kernels.h. */
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

/* Sums have 16 lanes, in blocks of elements, which are added in a tree of so many levels. */
enum { LANES = 16, LANE_BLOCK = 512, TREE_LEVELS = 60 };
enum { LANES_SUM, LANES_DOT, LANES_DISTANCE };

/* Functions that are computed in double take so many elements at a time, in steps of so many. */
enum { WIDE_STEP = 4, WIDE_BLOCK = 128 };

/* How a function of an angle uses the turns that are taken off a far angle: the sine of this many
 * quarter turns more; QUARTER_tan is the tangent, and QUARTER_none a function of something else. */
enum { QUARTER_tan = -1, QUARTER_sin, QUARTER_cos, QUARTER_none };

#if defined(__GNUC__)
/* Without errno a root is one instruction. */
float sqrtf(float) __attribute__((const));
double sqrt(double) __attribute__((const));
#endif

#endif
