/* The kernels that every CPU of the target runs. They use vectors where all these CPUs have them,
 * as those of AArch64 have NEON; elsewhere they are plain C. */
#include "level.h"

bool tg__runs_portable(const cpu_features *cpu)
{
    (void)cpu;
    return true;
}

#if defined(__aarch64__) && defined(__GNUC__)
#define VECTOR_BYTES            16
#define VECTOR_FMA_F32(a, b, c) vfmaq_f32(c, a, b)
#define VECTOR_FMA_F64(a, b, c) vfmaq_f64(c, a, b)
#define VECTOR_MAX_F32          vmaxq_f32
#define VECTOR_MAX_F64          vmaxq_f64
#define TILE_ROWS               8
#endif

#define LEVEL(name)    tg__##name##_portable
#define RARE_FUNCTIONS /* what level.h calls rare is compiled here, for all levels */
#ifdef TG_X86_KERNELS  /* only CPUs from before AVX2 run this level: size counts more than speed */
#define SMALL_CODE
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#ifdef SMALL_CODE
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif
#elif defined(__GNUC__)
#pragma GCC push_options
#ifdef SMALL_CODE
#pragma GCC optimize("Os", "fp-contract=off", "no-math-errno", "no-trapping-math")
#pragma GCC optimize("no-thread-jumps")
#else
#pragma GCC optimize("O2", "tree-vectorize", "fp-contract=off", "no-math-errno", "no-trapping-math")
#pragma GCC optimize("no-thread-jumps")
#endif
#else
#pragma STDC FP_CONTRACT OFF
#endif

#include "floats.inc"

#if defined(__clang__)
#ifdef SMALL_CODE
#pragma clang attribute pop
#endif
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#undef SMALL_CODE
#undef RARE_FUNCTIONS
