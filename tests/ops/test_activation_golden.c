/* Activations and clamp, compared with PyTorch's values and gradients and with central differences.
 */
#include "golden.h"

#define OPS(OP)                                                                                    \
    OP(activations, relu6, tg_relu6(x[0]))                                                         \
    OP(activations, leaky_relu, tg_leaky_relu(x[0], f[0]))                                         \
    OP(activations, elu, tg_elu(x[0], f[0]))                                                       \
    OP(activations, selu, tg_selu(x[0]))                                                           \
    OP(activations, gelu, tg_gelu(x[0], (int)i[0]))                                                \
    OP(activations, silu, tg_silu(x[0]))                                                           \
    OP(activations, mish, tg_mish(x[0]))                                                           \
    OP(activations, logsigmoid, tg_logsigmoid(x[0]))                                               \
    OP(activations, softplus, tg_softplus(x[0], f[0], f[1]))                                       \
    OP(activations, softsign, tg_softsign(x[0]))                                                   \
    OP(activations, hardtanh, tg_hardtanh(x[0], f[0], f[1]))                                       \
    OP(activations, hardsigmoid, tg_hardsigmoid(x[0]))                                             \
    OP(activations, hardswish, tg_hardswish(x[0]))                                                 \
    OP(clamp, clamp, tg_clamp(x[0], f[0], f[1]))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("activation_golden.txt", operations, sizeof operations / sizeof *operations);
}
