/* The sets of kernels by level and element type. */
#include "kernels.h"

#ifdef TG_X86_KERNELS
#define KERNEL(kind, name, types)                                                                  \
    const kind##_set tg__##name##_kernel = {{{TYPES_##types(name, portable)},                      \
                                             {TYPES_##types(name, avx2)},                          \
                                             {TYPES_##types(name, avx512)}}};
#else
#define KERNEL(kind, name, types)                                                                  \
    const kind##_set tg__##name##_kernel = {{{TYPES_##types(name, portable)}}};
#endif
#include "kernels.def"
#undef KERNEL
