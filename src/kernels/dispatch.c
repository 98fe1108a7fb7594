/* The choice of the SIMD level. */
#include "kernels.h"
#ifdef TG_X86_KERNELS
#include "x86.h"
#endif

#include <string.h>

#define ROW(level, ...) {#level, tg__runs_##level, tg__add_product_##level},
static const struct {
    const char *name;
    bool (*runs)(const cpu_features *cpu);
    double (*add_product)(double a, double b, double c);
} levels[LEVELS] = {TG_LEVELS(ROW, unused)};
#undef ROW

const char *tg__level_name(int level)
{
    return levels[level].name;
}

static cpu_features this_cpu(void)
{
#ifdef TG_X86_KERNELS
    return tg__x86_features();
#else
    return (cpu_features){0, 0};
#endif
}

int tg__level(const char *name)
{
    const cpu_features cpu = this_cpu();
    for (int level = LEVELS - 1; level >= 0; level--)
        if ((!name || strcmp(name, levels[level].name) == 0) && levels[level].runs(&cpu))
            return level;
    return -1;
}

bool tg__rounds_products(int level)
{
    /* The exact product is 1 - 2^-60. Rounded, it is 1, which leaves 0; an fma would leave
     * -2^-60. */
    return levels[level].add_product(1 + 0x1p-30, 1 - 0x1p-30, -1) == 0;
}
