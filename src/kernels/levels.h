/* The SIMD levels that this build has, a row each, the slowest first: ROW(name, others, ...). A
 * CPU that runs a level runs those before it.
 *
 * A level has kernels of its own for float32 where arithmetic bounds the time: those of the table
 * that are made by LANES or PRODUCT. Its other kernels are those of the level that the column
 * "others" names, which may be the level itself.
 *
 * To add a level, say "sve", add its row here and one source file that defines
 * - bool tg__runs_sve(void), which asks the CPU;
 * - the kernels: tg__exp_f32_sve and so on. The linker names those that are missing.
 * The file gets its kernels by floats.inc, before which it defines
 * - LEVEL(name), the name of a function at this level;
 * - ARITHMETIC_ONLY if its other kernels are those of another level;
 * - VECTOR_BYTES and what avx2.c defines with it, if vectors have a size that the compiler knows.
 *   Without them the loops are plain, and the compiler may make vectors of any length of them.
 * Names, sets of kernels, the choice of a level and the tests follow from the row. */
#ifndef TG_LEVELS_H
#define TG_LEVELS_H

#if defined(__x86_64__) && defined(__GNUC__)
#define TG_X86_KERNELS 1
#define TG_LEVELS(ROW, ...)                                                                        \
    ROW(portable, portable, __VA_ARGS__)                                                           \
    ROW(avx2, avx2, __VA_ARGS__)                                                                   \
    ROW(avx512, avx2, __VA_ARGS__)
#else
#define TG_LEVELS(ROW, ...) ROW(portable, portable, __VA_ARGS__)
#endif

#endif
