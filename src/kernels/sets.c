/* The sets of kernels. Each set is a variable of its own, so that the linker can leave out the
 * kernels of operations that a program does not use. */
#include "names.h"

#define AT_LEVEL(level, others, name, dtypes, made)                                                \
    [LEVEL_##level] = {FUNCTIONS(level, others, name, dtypes, made)},
#define KERNEL(kind, name, dtypes, made)                                                           \
    const kind##_set tg__##name##_kernel = {{TG_LEVELS(AT_LEVEL, name, dtypes, made)}};
#include "kernels.def"
