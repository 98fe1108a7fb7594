/* Runs a test at each SIMD level of src/kernels/levels.h. */
#ifndef TEST_EACH_LEVEL_H
#define TEST_EACH_LEVEL_H

#include "check.h"
#include "kernels/kernels.h"

/* Calls `test` for each level that this CPU can run, and prints which levels it cannot. */
static inline void each_level(void (*test)(int level))
{
    const int best = tg__level(NULL);
    for (int level = 0; level < LEVELS; level++)
        if (level <= best)
            test(level);
        else
            print_message("%s: not on this machine\n", tg__level_name(level));
}

#endif
