/* Linear algebra, compared with PyTorch and with central differences. */
#include "golden.h"

static tg_tensor *symmetric(tg_tensor *x)
{
    return tg_mul_scalar(tg_add(x, tg_transpose(x, -2, -1)), 0.5);
}

#define OPS(OP)                                                                                    \
    OP(positive, cholesky, tg_cholesky(symmetric(x[0])))                                           \
    OP(positive, cholesky_lower, tg_cholesky(x[0]))                                                \
    OP(systems, solve_triangular, tg_solve_triangular(x[0], x[1], (int)i[0]))                      \
    OP(systems, solve, tg_solve(x[0], x[1]))                                                       \
    OP(systems, inv, tg_inv(x[0]))                                                                 \
    OP(determinants, det, tg_det(x[0]))                                                            \
    OP(least_squares, lstsq, tg_lstsq(x[0], x[1]))                                                 \
    OP(ranks, lstsq_rcond, tg_lstsq_rcond(x[0], x[1], f[0]))                                       \
    OP(factors, qr_q, tg_qr(x[0]).q)                                                               \
    OP(factors, qr_r, tg_qr(x[0]).r)                                                               \
    OP(conditions, cond, tg_cond(x[0]))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("linalg_golden.txt", operations, sizeof operations / sizeof *operations);
}
