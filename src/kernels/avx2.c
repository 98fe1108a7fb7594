/* The kernels for x86-64 with AVX2 and fused multiply-add. */
#include "level.h"

#ifdef TG_X86_KERNELS
#define LEVEL(name)    tg__##name##_avx2
#define VECTOR_BYTES   32
#define VECTOR_FMA_F32 _mm256_fmadd_ps
#define VECTOR_FMA_F64 _mm256_fmadd_pd
#define VECTOR_MAX_F32 _mm256_max_ps /* the second where one is NaN */
#define VECTOR_MAX_F64 _mm256_max_pd
#define TILE_ROWS      6
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC optimize("O2", "tree-vectorize", "fp-contract=off", "no-math-errno", "no-trapping-math")
#pragma GCC target("avx2,fma")
#endif

#include "floats.inc"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
