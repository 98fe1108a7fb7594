/* New tensors, compared with PyTorch. */
#include "golden.h"

#define OPS(OP)                                                                                    \
    OP(new_tensors, full, tg_full(c->tg, (tg_dtype)i[0], rest(c, 2), f[1]))                        \
    OP(new_tensors, zeros, tg_zeros(c->tg, (tg_dtype)i[0], rest(c, 1)))                            \
    OP(new_tensors, ones, tg_ones(c->tg, (tg_dtype)i[0], rest(c, 1)))                              \
    OP(new_tensors, eye, tg_eye(c->tg, (tg_dtype)i[0], i[1], i[2]))                                \
    OP(new_tensors, arange, tg_arange(c->tg, (tg_dtype)i[0], f[1], f[2], f[3]))                    \
    OP(new_tensors, linspace, tg_linspace(c->tg, (tg_dtype)i[0], f[1], f[2], i[3]))                \
    OP(new_tensors, zeros_like, tg_zeros_like(x[0]))                                               \
    OP(new_tensors, ones_like, tg_ones_like(x[0]))                                                 \
    OP(new_tensors, full_like, tg_full_like(x[0], f[0]))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("make_golden.txt", operations, sizeof operations / sizeof *operations);
}
