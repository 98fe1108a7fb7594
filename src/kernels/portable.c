/* The kernels in plain C, for any machine. */
#include "level.h"

#define LEVEL(name) tg__##name##_portable
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("O2", "fp-contract=off", "no-math-errno", "no-trapping-math")
#ifndef TG_X86_KERNELS /* there it is for old machines alone, and better small */
#pragma GCC optimize("tree-vectorize")
#endif
#else
#pragma STDC FP_CONTRACT OFF
#endif

#include "floats.inc"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
