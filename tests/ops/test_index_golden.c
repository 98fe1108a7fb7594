/* Selection by index or mask, and sums by index, compared with PyTorch's values and gradients and
 * with central differences. */
#include "golden.h"

static int64_t padding(const trial *c)
{
    return c->i[0] == INT64_MAX ? TG_NO_INDEX : c->i[0];
}

#define OPS(OP)                                                                                    \
    OP(sums_by_index, scatter_add, tg_scatter_add(x[0], (int)i[0], x[1], x[2]))                    \
    OP(selection, index_select, tg_index_select(x[0], (int)i[0], x[1]))                            \
    OP(selection, gather, tg_gather(x[0], (int)i[0], x[1]))                                        \
    OP(selection, take_along_dim, tg_take_along_dim(x[0], x[1], (int)i[0]))                        \
    OP(selection, masked_select, tg_masked_select(x[0], x[1]))                                     \
    OP(selection, nonzero, tg_nonzero(x[0]))                                                       \
    OP(selection, embedding, tg_embedding(x[1], x[0], padding(c)))                                 \
    OP(selection, one_hot, tg_one_hot(x[0], i[0]))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("index_golden.txt", operations, sizeof operations / sizeof *operations);
}
