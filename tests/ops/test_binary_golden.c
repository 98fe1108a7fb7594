/* Arithmetic of two tensors, or of a tensor and a number, compared with PyTorch's values and
 * gradients and with central differences. */
#include "golden.h"

#define OPS(OP)                                                                                    \
    OP(arithmetic, add, tg_add(x[0], x[1]))                                                        \
    OP(arithmetic, sub, tg_sub(x[0], x[1]))                                                        \
    OP(arithmetic, mul, tg_mul(x[0], x[1]))                                                        \
    OP(arithmetic, div, tg_div(x[0], x[1]))                                                        \
    OP(arithmetic, pow, tg_pow(x[0], x[1]))                                                        \
    OP(arithmetic, maximum, tg_maximum(x[0], x[1]))                                                \
    OP(arithmetic, minimum, tg_minimum(x[0], x[1]))                                                \
    OP(with_a_number, add_scalar, tg_add_scalar(x[0], f[0]))                                       \
    OP(with_a_number, sub_scalar, tg_sub_scalar(x[0], f[0]))                                       \
    OP(with_a_number, rsub_scalar, tg_rsub_scalar(x[0], f[0]))                                     \
    OP(with_a_number, mul_scalar, tg_mul_scalar(x[0], f[0]))                                       \
    OP(with_a_number, div_scalar, tg_div_scalar(x[0], f[0]))                                       \
    OP(with_a_number, pow_scalar, tg_pow_scalar(x[0], f[0]))                                       \
    OP(arithmetic, atan2, tg_atan2(x[0], x[1]))                                                    \
    OP(arithmetic, remainder, tg_remainder(x[0], x[1]))                                            \
    OP(arithmetic, remainder_scalar, tg_remainder_scalar(x[0], f[0]))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("binary_golden.txt", operations, sizeof operations / sizeof *operations);
}
