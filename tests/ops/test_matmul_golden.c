/* Matrix products, compared with PyTorch's values and gradients and with central differences. */
#include "golden.h"

#define OPS(OP)                                                                                    \
    OP(products, matmul, tg_matmul(x[0], x[1]))                                                    \
    OP(products, dot, tg_dot(x[0], x[1]))                                                          \
    OP(products, outer, tg_outer(x[0], x[1]))                                                      \
    OP(products, mm, tg_mm(x[0], x[1]))                                                            \
    OP(products, bmm, tg_bmm(x[0], x[1]))                                                          \
    OP(products, mv, tg_mv(x[0], x[1]))                                                            \
    OP(products, addmm, tg_addmm(x[0], x[1], x[2], f[0], f[1]))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("matmul_golden.txt", operations, sizeof operations / sizeof *operations);
}
