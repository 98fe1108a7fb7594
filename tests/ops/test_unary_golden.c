/* Functions of one tensor, compared with PyTorch's values and gradients and with central
 * differences. */
#include "golden.h"

#define OPS(OP)                                                                                    \
    OP(functions, neg, tg_neg(x[0]))                                                               \
    OP(functions, abs, tg_abs(x[0]))                                                               \
    OP(functions, sign, tg_sign(x[0]))                                                             \
    OP(functions, square, tg_square(x[0]))                                                         \
    OP(functions, sqrt, tg_sqrt(x[0]))                                                             \
    OP(functions, exp, tg_exp(x[0]))                                                               \
    OP(functions, log, tg_log(x[0]))                                                               \
    OP(functions, relu, tg_relu(x[0]))                                                             \
    OP(functions, sigmoid, tg_sigmoid(x[0]))                                                       \
    OP(functions, tanh, tg_tanh(x[0]))                                                             \
    OP(functions, reciprocal, tg_reciprocal(x[0]))                                                 \
    OP(functions, rsqrt, tg_rsqrt(x[0]))                                                           \
    OP(functions, expm1, tg_expm1(x[0]))                                                           \
    OP(functions, log1p, tg_log1p(x[0]))                                                           \
    OP(functions, log2, tg_log2(x[0]))                                                             \
    OP(functions, log10, tg_log10(x[0]))                                                           \
    OP(functions, sin, tg_sin(x[0]))                                                               \
    OP(functions, cos, tg_cos(x[0]))                                                               \
    OP(functions, tan, tg_tan(x[0]))                                                               \
    OP(functions, asin, tg_asin(x[0]))                                                             \
    OP(functions, acos, tg_acos(x[0]))                                                             \
    OP(functions, atan, tg_atan(x[0]))                                                             \
    OP(functions, sinh, tg_sinh(x[0]))                                                             \
    OP(functions, cosh, tg_cosh(x[0]))                                                             \
    OP(functions, erf, tg_erf(x[0]))                                                               \
    OP(rounding, floor, tg_floor(x[0]))                                                            \
    OP(rounding, ceil, tg_ceil(x[0]))                                                              \
    OP(rounding, round, tg_round(x[0]))                                                            \
    OP(rounding, trunc, tg_trunc(x[0]))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("unary_golden.txt", operations, sizeof operations / sizeof *operations);
}
