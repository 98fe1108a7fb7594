/* clamp_tensors, lerp, masked_fill, and add and sub with alpha, compared with PyTorch's values and
 * gradients and with central differences. */
#include "golden.h"

#define OPS(OP)                                                                                    \
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
    return run_golden("choice_golden.txt", operations, sizeof operations / sizeof *operations);
}
