/* The sets of kernels. Each is an object of its own, so that a program links the kernels of the
 * operations that it uses. */
#include "names.h"

#define AT_LEVEL(level, others, name, dtypes, made)                                                \
    [LEVEL_##level] = {FUNCTIONS(level, others, name, dtypes, made)},
#define KERNEL(kind, name, dtypes, made)                                                           \
    const kind##_set tg__##name##_kernel = {{TG_LEVELS(AT_LEVEL, name, dtypes, made)}};
#include "kernels.def"
