/* The kernels for x86-64 with AVX-512. */
#include "level.h"

#ifdef TG_X86_KERNELS
#define LEVEL(name)    tg__##name##_avx512
#define VECTOR_BYTES   64
#define VECTOR_FMA_F32 _mm512_fmadd_ps
#define VECTOR_FMA_F64 _mm512_fmadd_pd
#define VECTOR_MAX_F32 _mm512_max_ps /* the second where one is NaN */
#define VECTOR_MAX_F64 _mm512_max_pd
#define TILE_ROWS      12
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))),    \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC optimize("O2", "tree-vectorize", "fp-contract=off", "no-math-errno", "no-trapping-math")
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
#endif

#include "floats.inc"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
