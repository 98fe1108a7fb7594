/* The sets of kernels by level and element type. */
#include "kernels.h"

const uint8_t tg__slots[LEVELS][K_TYPES] = {
    {0, LEVELS, SLOTS - 2, SLOTS - 1},
#ifdef TG_X86_KERNELS
    {1, LEVELS + 1, SLOTS - 2, SLOTS - 1},
    {2, LEVELS + 1, SLOTS - 2, SLOTS - 1},
#endif
};

#define KERNEL(kind, name, types) const kind##_set tg__##name##_kernel = {{SLOTS_##types(name)}};
#include "kernels.def"
#undef KERNEL
