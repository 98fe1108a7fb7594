/* The sets of kernels. Each set is a variable of its own, so that the linker can leave out the
 * kernels of operations that a program does not use. */
#include "names.h"

/* The first dtype of those that a word of the column "dtypes" stands for. */
enum {
    FIRST_F32 = K_F32,
    FIRST_F64 = K_F64,
    FIRST_FLOATS = K_F32,
    FIRST_NUMBERS = K_F32,
    FIRST_BOOL = K_BOOL,
    FIRST_ALL = K_F32
};
#define AT_LEVEL(level, others, name, dtypes, made)                                                \
    [LEVEL_##level] = {[FIRST_##dtypes] = FUNCTIONS(level, others, name, dtypes, made)},
#define KERNEL(kind, name, dtypes, made)                                                           \
    const kind##_set tg__##name##_kernel = {{TG_LEVELS(AT_LEVEL, name, dtypes, made)}};
#include "kernels.def"
