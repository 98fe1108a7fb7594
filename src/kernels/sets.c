/* The sets of kernels by level and element type. */
#include "kernels.h"

#ifdef TG_X86_KERNELS
#define KERNEL(kind, name, types)                                                                  \
    const kind##_set tg__##name##_kernel = {{{AT_LEVEL(types, name, portable)},                    \
                                             {AT_LEVEL(types, name, avx2)},                        \
                                             {AT_LEVEL(types, name, WIDEST_##types)}}};
#else
#define KERNEL(kind, name, types)                                                                  \
    const kind##_set tg__##name##_kernel = {{{AT_LEVEL(types, name, portable)}}};
#endif
#include "kernels.def"
#undef KERNEL
