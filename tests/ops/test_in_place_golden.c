/* Writes in place, compared with PyTorch. */
#include "golden.h"

/* The leaf whose view was written to, so that a write beside the view shows. */
static tg_tensor *base_of(const trial *c, const tg_tensor *written)
{
    return written ? c->leaf[0] : NULL;
}

#define OPS(OP)                                                                                    \
    OP(in_place, add_, base_of(c, tg_add_(x[0], x[1])))                                            \
    OP(in_place, sub_, base_of(c, tg_sub_(x[0], x[1])))                                            \
    OP(in_place, mul_, base_of(c, tg_mul_(x[0], x[1])))                                            \
    OP(in_place, add_scalar_, tg_add_scalar_(tg_clone(x[0]), f[0]))                                \
    OP(in_place, sub_scalar_, tg_sub_scalar_(tg_clone(x[0]), f[0]))                                \
    OP(in_place, mul_scalar_, tg_mul_scalar_(tg_clone(x[0]), f[0]))                                \
    OP(in_place, div_scalar_, tg_div_scalar_(tg_clone(x[0]), f[0]))                                \
    OP(in_place, clone_div_, tg_div_(tg_clone(x[0]), x[1]))                                        \
    OP(in_place, copy_, base_of(c, tg_copy_(x[0], x[1])))                                          \
    OP(in_place, fill_, base_of(c, tg_fill_(x[0], f[0])))                                          \
    OP(in_place, zero_, base_of(c, tg_zero_(x[0])))                                                \
    OP(in_place, clone_add_, tg_add_(tg_clone(x[0]), x[1]))                                        \
    OP(in_place, clone_sub_, tg_sub_(tg_clone(x[0]), x[1]))                                        \
    OP(in_place, clone_mul_, tg_mul_(tg_clone(x[0]), x[1]))                                        \
    OP(in_place, clone_copy_, tg_copy_(tg_clone(x[0]), x[1]))                                      \
    OP(in_place, clone_fill_, tg_fill_(tg_clone(x[0]), f[0]))                                      \
    OP(in_place, clone_zero_, tg_zero_(tg_clone(x[0])))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("in_place_golden.txt", operations, sizeof operations / sizeof *operations);
}
