/* How the levels of x86-64 find out what the CPU can do. */
#ifndef TG_X86_H
#define TG_X86_H

#include "kernels.h"

#include <cpuid.h>
#include <immintrin.h>

/* The kinds of registers that the operating system saves when it switches threads: bits of XCR0. */
static inline unsigned tg__saved_registers(void)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* The features of this CPU: bits of ebx in leaf 7 of CPUID, and bits of XCR0; none if it lacks AVX
 * or fma, or if the operating system does not use XSAVE. Every x86-64 CPU has leaf 1 of CPUID, and
 * every CPU with OSXSAVE has leaf 7, since leaf 13 describes XSAVE. A CPUID instruction takes more
 * than 10 microseconds in a virtual machine, and there are only two. The compiler's
 * __builtin_cpu_supports would add 5 KB to a program. */
static inline cpu_features tg__x86_features(void)
{
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
    unsigned a, b, c, d;
    __cpuid(1, a, b, c, d);
    if (~c & (fma | osxsave | avx)) return (cpu_features){0, 0};
    __cpuid_count(7, 0, a, b, c, d);
    return (cpu_features){b, tg__saved_registers()};
}

/* Whether a CPU has all these instructions and registers. */
static inline bool tg__x86_has(const cpu_features *cpu, unsigned instructions, unsigned registers)
{
    return !(~cpu->instructions & instructions) && !(~cpu->registers & registers);
}

/* Each of these functions transposes a block, 16 bytes of each of 8 or 4 columns, for all levels
 * with AVX2: out[l * o0 + j] = a[l + j * a1]. */
static inline __attribute__((target("avx2"))) void tg__transpose_f32(float *out, int64_t o0,
                                                                     const float *a, int64_t a1)
{
#define COLUMNS(j)                                                                                 \
    _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a + (j)*a1)),                         \
                         _mm_loadu_ps(a + ((j) + 4) * a1), 1)
    const __m256 p = COLUMNS(0), q = COLUMNS(1), r = COLUMNS(2), s = COLUMNS(3);
    const __m256 low = _mm256_unpacklo_ps(p, q), low2 = _mm256_unpacklo_ps(r, s);
    const __m256 high = _mm256_unpackhi_ps(p, q), high2 = _mm256_unpackhi_ps(r, s);
    _mm256_storeu_ps(out, _mm256_shuffle_ps(low, low2, 0x44));
    _mm256_storeu_ps(out + o0, _mm256_shuffle_ps(low, low2, 0xee));
    _mm256_storeu_ps(out + 2 * o0, _mm256_shuffle_ps(high, high2, 0x44));
    _mm256_storeu_ps(out + 3 * o0, _mm256_shuffle_ps(high, high2, 0xee));
#undef COLUMNS
}

/* Element k of each of 4 rows becomes column[k], in float64, for 4 elements. */
static inline __attribute__((always_inline, target("avx2"))) void
tg__load_columns_f32(__m256d *column, const float *p, int64_t stride)
{
    const __m128 a = _mm_loadu_ps(p), b = _mm_loadu_ps(p + stride);
    const __m128 c = _mm_loadu_ps(p + 2 * stride), d = _mm_loadu_ps(p + 3 * stride);
    const __m128 low = _mm_unpacklo_ps(a, b), low2 = _mm_unpacklo_ps(c, d);
    const __m128 high = _mm_unpackhi_ps(a, b), high2 = _mm_unpackhi_ps(c, d);
    column[0] = _mm256_cvtps_pd(_mm_movelh_ps(low, low2));
    column[1] = _mm256_cvtps_pd(_mm_movehl_ps(low2, low));
    column[2] = _mm256_cvtps_pd(_mm_movelh_ps(high, high2));
    column[3] = _mm256_cvtps_pd(_mm_movehl_ps(high2, high));
}

static inline __attribute__((always_inline, target("avx2"))) void
tg__load_columns_f64(__m256d *column, const double *p, int64_t stride)
{
#define ROWS(r, k)                                                                                 \
    _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p + (r)*stride + (k))),               \
                         _mm_loadu_pd(p + ((r) + 2) * stride + (k)), 1)
    for (int k = 0; k < 4; k += 2) {
        const __m256d even = ROWS(0, k), odd = ROWS(1, k);
        column[k] = _mm256_unpacklo_pd(even, odd);
        column[k + 1] = _mm256_unpackhi_pd(even, odd);
    }
#undef ROWS
}

#endif
