/* Comparison, where, and logical functions, compared with PyTorch. */
#include "golden.h"

#define OPS(OP)                                                                                    \
    OP(comparison, eq, tg_eq(x[0], x[1]))                                                          \
    OP(comparison, ne, tg_ne(x[0], x[1]))                                                          \
    OP(comparison, lt, tg_lt(x[0], x[1]))                                                          \
    OP(comparison, le, tg_le(x[0], x[1]))                                                          \
    OP(comparison, gt, tg_gt(x[0], x[1]))                                                          \
    OP(comparison, ge, tg_ge(x[0], x[1]))                                                          \
    OP(comparison, eq_scalar, tg_eq_scalar(x[0], f[0]))                                            \
    OP(comparison, ne_scalar, tg_ne_scalar(x[0], f[0]))                                            \
    OP(comparison, lt_scalar, tg_lt_scalar(x[0], f[0]))                                            \
    OP(comparison, le_scalar, tg_le_scalar(x[0], f[0]))                                            \
    OP(comparison, gt_scalar, tg_gt_scalar(x[0], f[0]))                                            \
    OP(comparison, ge_scalar, tg_ge_scalar(x[0], f[0]))                                            \
    OP(comparison, where, tg_where(x[0], x[1], x[2]))                                              \
    OP(logical, isnan, tg_isnan(x[0]))                                                             \
    OP(logical, isinf, tg_isinf(x[0]))                                                             \
    OP(logical, isfinite, tg_isfinite(x[0]))                                                       \
    OP(logical, logical_not, tg_logical_not(x[0]))                                                 \
    OP(logical, logical_and, tg_logical_and(x[0], x[1]))                                           \
    OP(logical, logical_or, tg_logical_or(x[0], x[1]))                                             \
    OP(logical, logical_xor, tg_logical_xor(x[0], x[1]))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("compare_golden.txt", operations, sizeof operations / sizeof *operations);
}
