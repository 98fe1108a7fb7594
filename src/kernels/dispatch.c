/* Which level of the kernels runs. */
#include "kernels.h"

#include <string.h>

static const char *const level_names[LEVELS] = {
    [LEVEL_PORTABLE] = "portable",
#ifdef TG_X86_KERNELS
    [LEVEL_AVX2] = "avx2",
    [LEVEL_AVX512] = "avx512",
#endif
};

const char *tg__level_name(int level)
{
    return level_names[level];
}

static bool level_runs(int level)
{
    if (level == LEVEL_PORTABLE) return true;
#ifdef TG_X86_KERNELS
    __builtin_cpu_init();
    if (level == LEVEL_AVX2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

int tg__level(const char *name)
{
    int level = LEVELS - 1;
    while (level >= 0 && !((!name || strcmp(name, level_names[level]) == 0) && level_runs(level)))
        level--;
    return level;
}
