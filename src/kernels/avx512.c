/* The kernels for x86-64 with AVX-512: only those whose time arithmetic bounds, which are products
 * and functions. Where memory bounds the time, those for AVX2 are as fast and serve this level too;
 * from the first-level cache, vectors of 64 bytes come faster only where they are aligned, which
 * those of a view may not be. */
#include "level.h"

#ifdef TG_X86_KERNELS
#include "x86.h"

bool tg__runs_avx512(const cpu_features *cpu)
{
    return tg__x86_has(cpu, 1u << 16 | 1u << 17 | 3u << 30,
                       0xe6); /* F, DQ, BW, VL; xmm to zmm, mask registers */
}

#define LEVEL(name) tg__##name##_avx512
#define ARITHMETIC_ONLY
#define VECTOR_BYTES   64
#define VECTOR_FMA_F32 _mm512_fmadd_ps
#define VECTOR_FMA_F64 _mm512_fmadd_pd
#define TILE_ROWS      8

/* Only the first n elements in memory are loaded or stored. */
#define VECTOR_LOAD_F32(n, p)     _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), p)
#define VECTOR_LOAD_F64(n, p)     _mm512_maskz_loadu_pd((__mmask8)((1u << (n)) - 1), p)
#define VECTOR_STORE_F32(n, p, v) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (n)) - 1), v)
#define VECTOR_STORE_F64(n, p, v) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (n)) - 1), v)
#define NARROWER_LEVEL(name)      tg__##name##_avx2
#define TRANSPOSE_F32             tg__transpose_f32

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))),    \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC optimize("O2", "tree-vectorize", "fp-contract=off", "no-math-errno", "no-trapping-math")
#pragma GCC optimize("no-thread-jumps")
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
#endif

#include "floats.inc"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
