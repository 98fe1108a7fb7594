/* How the levels of x86-64 ask the CPU. */
#ifndef TG_X86_H
#define TG_X86_H

#include <cpuid.h>
#include <stdbool.h>

/* The registers that the operating system saves, by XCR0. */
static inline unsigned tg__saved_registers(void)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Whether the CPU has AVX, fma and what leaf 7 of CPUID tells by these bits of ebx, and the system
 * saves the registers. Leaf 1 is on every x86-64, and leaf 7 wherever OSXSAVE is. A virtual machine
 * spends microseconds on each. The compiler's __builtin_cpu_supports would bring in 5 KB. */
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
