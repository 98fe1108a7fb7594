/* Pooling, compared with PyTorch's values and gradients and with central differences.
 * tests/golden/pool.py says what the numbers of a case are. */
#include "golden.h"

static tg_tensor *pool(trial *c, tg_tensor *(*function)(tg_tensor *, const tg_pool_options *))
{
    const int64_t *i = c->i;
    const tg_pool_options o = {{i[0], i[1]}, {i[2], i[3]}, {i[4], i[5]}, {i[6], i[7]},
                               i[8] != 0,    i[9] != 0,    i[10]};
    /* cppcheck-suppress returnDanglingLifetime; it is a tensor, not the options */
    return function(c->x[0], &o);
}

#define OPS(OP)                                                                                    \
    OP(pooling, max_pool2d, pool(c, tg_max_pool2d))                                                \
    OP(pooling, avg_pool2d, pool(c, tg_avg_pool2d))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("pool_golden.txt", operations, sizeof operations / sizeof *operations);
}
