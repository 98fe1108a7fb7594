/* The SIMD levels that this build has, one row each, the slowest first: ROW(name, others, ...). A
 * CPU that runs a level runs all levels before it.
 *
 * Every level has its own kernels where arithmetic, not memory, bounds the time. The column "made"
 * of elementwise.def and kernels.def tells which kernels these are, and names.h takes their
 * functions from the level. The other kernels are those of the level that the column "others"
 * names, which may be the level itself.
 *
 * To add a level, say "sve", add its row here and write one source file that defines
 * - bool tg__runs_sve(const cpu_features *cpu), which says whether that CPU has the instructions;
 * - the kernels: tg__exp_f32_sve and so on. The linker names those that are missing.
 * The kernels come from floats.inc. Before the file includes it, it defines
 * - LEVEL(name), which makes the name of a function at this level;
 * - ARITHMETIC_ONLY, if the column "others" names another level;
 * - VECTOR_BYTES and the macros that avx2.c defines with it, if the size of a vector is a constant.
 *   Without them the loops are plain C, which the compiler may turn into vectors of any size.
 * The names, the sets of kernels, the choice of a level and the tests follow from the row. */
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
