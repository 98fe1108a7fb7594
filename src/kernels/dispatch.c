/* Which level of the kernels runs. */
#include "kernels.h"

#include <string.h>

static bool level_runs(const kernels *k)
{
    if (k == &tg__kernels_portable) return true;
#ifdef TG_X86_KERNELS
    __builtin_cpu_init();
    if (k == &tg__kernels_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

const kernels *tg__kernels(const char *level)
{
    static const kernels *const fastest_first[] = {
#ifdef TG_X86_KERNELS
        &tg__kernels_avx512,
        &tg__kernels_avx2,
#endif
        &tg__kernels_portable,
    };
    for (size_t i = 0; i < sizeof fastest_first / sizeof *fastest_first; i++) {
        const kernels *k = fastest_first[i];
        if ((!level || strcmp(level, k->level) == 0) && level_runs(k)) return k;
    }
    return NULL;
}
