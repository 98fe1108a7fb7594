/* Which level of the kernels runs. */
#include "kernels.h"

#include <string.h>
#ifdef TG_X86_KERNELS
#include <cpuid.h>
#endif

static const char *const level_names[LEVELS] = {
    [LEVEL_PORTABLE] = "portable",
#ifdef TG_X86_KERNELS
    [LEVEL_AVX2] = "avx2",
    [LEVEL_AVX512] = "avx512",
#endif
};

const char *tg__level_name(int level)
{
    return level_names[level];
}

#ifdef TG_X86_KERNELS
/* The registers that the system saves, by XCR0. */
static unsigned saved_state(void)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* By CPUID, which takes 300 bytes; the compiler's __builtin_cpu_supports brings in 5 KB. A virtual
 * machine spends microseconds on each: leaf 1 is on every x86-64, and leaf 7 wherever OSXSAVE is.
 */
static int best_of_cpu(void)
{
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;      /* leaf 1, ecx */
    const unsigned avx2 = 1u << 5, avx512 = 1u << 16 | 1u << 17 | 3u << 30; /* leaf 7, ebx */
    const unsigned ymm = 6, zmm = 0xe6;
    unsigned a, b, c, d;
    __cpuid(1, a, b, c, d);
    if (~c & (fma | osxsave | avx)) return LEVEL_PORTABLE;
    const unsigned state = saved_state();
    __cpuid_count(7, 0, a, b, c, d);
    if (~b & avx2 || ~state & ymm) return LEVEL_PORTABLE;
    return ~b & avx512 || ~state & zmm ? LEVEL_AVX2 : LEVEL_AVX512;
}
#else
static int best_of_cpu(void)
{
    return LEVEL_PORTABLE;
}
#endif

int tg__level(const char *name)
{
    int level = best_of_cpu();
    while (name && level >= 0 && strcmp(name, level_names[level]) != 0) level--;
    return level;
}
