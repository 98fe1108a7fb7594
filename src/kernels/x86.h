/* How the levels of x86-64 find out what the CPU can do. */
#ifndef TG_X86_H
#define TG_X86_H

#include <cpuid.h>
#include <stdbool.h>

/* The kinds of registers that the operating system saves when it switches threads: bits of XCR0. */
static inline unsigned tg__saved_registers(void)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Whether the CPU has AVX, fma and all `features`, which are bits of ebx in leaf 7 of CPUID, and
 * the operating system saves all `registers`, which are bits of XCR0. Every x86-64 CPU has leaf 1
 * of CPUID, and every CPU with OSXSAVE has leaf 7, since leaf 13 describes XSAVE. A CPUID
 * instruction takes microseconds in a virtual machine, so there are only two. The compiler's
 * __builtin_cpu_supports would add 5 KB to a program. */
static inline bool tg__x86_has(unsigned features, unsigned registers)
{
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
    unsigned a, b, c, d;
    __cpuid(1, a, b, c, d);
    if (~c & (fma | osxsave | avx) || ~tg__saved_registers() & registers) return false;
    __cpuid_count(7, 0, a, b, c, d);
    return !(~b & features);
}

#endif
