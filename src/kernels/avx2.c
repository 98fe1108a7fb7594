/* The kernels for x86-64 with AVX2 and fused multiply-add. */
#include "level.h"

#ifdef TG_X86_KERNELS
#include "x86.h"

bool tg__runs_avx2(const cpu_features *cpu)
{
    return tg__x86_has(cpu, 1u << 5, 0x6); /* AVX2; the registers xmm and ymm */
}

#define LEVEL(name)    tg__##name##_avx2
#define VECTOR_BYTES   32
#define VECTOR_FMA_F32 _mm256_fmadd_ps
#define VECTOR_FMA_F64 _mm256_fmadd_pd
#define VECTOR_MAX_F32 _mm256_max_ps /* the second operand where one is NaN */
#define VECTOR_MAX_F64 _mm256_max_pd
#define TILE_ROWS      4

/* FIRST_F32(n) is a mask of the first n lanes. With it, only the first n elements in memory are
 * loaded or stored. */
#define FIRST_F32(n)                                                                               \
    _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define FIRST_F64(n)              _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3))
#define VECTOR_LOAD_F32(n, p)     _mm256_maskload_ps(p, FIRST_F32(n))
#define VECTOR_LOAD_F64(n, p)     _mm256_maskload_pd(p, FIRST_F64(n))
#define VECTOR_STORE_F32(n, p, v) _mm256_maskstore_ps(p, FIRST_F32(n), v)
#define VECTOR_STORE_F64(n, p, v) _mm256_maskstore_pd(p, FIRST_F64(n), v)
#define TRANSPOSE_F32             tg__transpose_f32
#define LOAD_COLUMNS_F32          tg__load_columns_f32
#define LOAD_COLUMNS_F64          tg__load_columns_f64

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC optimize("O2", "tree-vectorize", "fp-contract=off", "no-math-errno", "no-trapping-math")
#pragma GCC optimize("no-thread-jumps")
#pragma GCC optimize("align-functions=32") /* so that a short loop lies in one cache line */
#pragma GCC target("avx2,fma")
#endif

#include "floats.inc"

#undef FIRST_F32
#undef FIRST_F64

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
