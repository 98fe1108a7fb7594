/* Elementwise functions, activations, where and the like, compared with PyTorch and with central
 * differences. */
#include "golden.h"

#define UNARY(OP, family, name) OP(family, name, tg_##name(x[0]))

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
    UNARY(OP, functions, reciprocal)                                                               \
    UNARY(OP, functions, rsqrt)                                                                    \
    UNARY(OP, functions, expm1)                                                                    \
    UNARY(OP, functions, log1p)                                                                    \
    UNARY(OP, functions, log2)                                                                     \
    UNARY(OP, functions, log10)                                                                    \
    UNARY(OP, functions, sin)                                                                      \
    UNARY(OP, functions, cos)                                                                      \
    UNARY(OP, functions, tan)                                                                      \
    UNARY(OP, functions, asin)                                                                     \
    UNARY(OP, functions, acos)                                                                     \
    UNARY(OP, functions, atan)                                                                     \
    UNARY(OP, functions, sinh)                                                                     \
    UNARY(OP, functions, cosh)                                                                     \
    UNARY(OP, functions, erf)                                                                      \
    UNARY(OP, to_a_whole_number, floor)                                                            \
    UNARY(OP, to_a_whole_number, ceil)                                                             \
    UNARY(OP, to_a_whole_number, round)                                                            \
    UNARY(OP, to_a_whole_number, trunc)                                                            \
    UNARY(OP, tests, isnan)                                                                        \
    UNARY(OP, tests, isinf)                                                                        \
    UNARY(OP, tests, isfinite)                                                                     \
    UNARY(OP, tests, logical_not)                                                                  \
    OP(pairs, atan2, tg_atan2(x[0], x[1]))                                                         \
    OP(pairs, remainder, tg_remainder(x[0], x[1]))                                                 \
    OP(pairs, remainder_scalar, tg_remainder_scalar(x[0], f[0]))                                   \
    OP(pairs, logical_and, tg_logical_and(x[0], x[1]))                                             \
    OP(pairs, logical_or, tg_logical_or(x[0], x[1]))                                               \
    OP(pairs, logical_xor, tg_logical_xor(x[0], x[1]))                                             \
    UNARY(OP, activations, relu6)                                                                  \
    OP(activations, leaky_relu, tg_leaky_relu(x[0], f[0]))                                         \
    OP(activations, elu, tg_elu(x[0], f[0]))                                                       \
    UNARY(OP, activations, selu)                                                                   \
    OP(activations, gelu, tg_gelu(x[0], (int)i[0]))                                                \
    UNARY(OP, activations, silu)                                                                   \
    UNARY(OP, activations, mish)                                                                   \
    UNARY(OP, activations, logsigmoid)                                                             \
    OP(activations, softplus, tg_softplus(x[0], f[0], f[1]))                                       \
    UNARY(OP, activations, softsign)                                                               \
    OP(activations, hardtanh, tg_hardtanh(x[0], f[0], f[1]))                                       \
    UNARY(OP, activations, hardsigmoid)                                                            \
    UNARY(OP, activations, hardswish)                                                              \
    OP(choice, clamp, tg_clamp(x[0], f[0], f[1]))                                                  \
    OP(choice, clamp_tensors, tg_clamp_tensors(x[0], x[1], x[2]))                                  \
    OP(choice, lerp, tg_lerp(x[0], x[1], x[2]))                                                    \
    OP(choice, lerp_scalar, tg_lerp_scalar(x[0], x[1], f[0]))                                      \
    OP(choice, masked_fill, tg_masked_fill(x[0], x[1], f[0]))                                      \
    OP(choice, add_alpha, tg_add_alpha(x[0], x[1], f[0]))                                          \
    OP(choice, sub_alpha, tg_sub_alpha(x[0], x[1], f[0]))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("functions_golden.txt", operations, sizeof operations / sizeof *operations);
}
