/* What a level needs before it names its target: no header may come after. */
#ifndef TG_LEVEL_H
#define TG_LEVEL_H

#if defined(__clang__)
/* Loops that call libm stay scalar, whatever is asked for. It goes by the first time that a table
 * is included, so it stands before kernels.h. */
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

#include "names.h"

#include <math.h>
#include <string.h>
#ifdef TG_X86_KERNELS
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__GNUC__)
/* Without errno a root is one instruction. */
float sqrtf(float) __attribute__((const));
double sqrt(double) __attribute__((const));
#endif

#endif
