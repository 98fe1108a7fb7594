/* Arithmetic, comparison, new tensors, and writes in place, compared with PyTorch. */
#include "golden.h"

/* The leaf whose view was written to, so that a write beside the view shows. */
static tg_tensor *base_of(const trial *c, const tg_tensor *written)
{
    return written ? c->leaf[0] : NULL;
}

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
    OP(making, full, tg_full(c->tg, (tg_dtype)i[0], rest(c, 2), f[1]))                             \
    OP(making, zeros, tg_zeros(c->tg, (tg_dtype)i[0], rest(c, 1)))                                 \
    OP(making, ones, tg_ones(c->tg, (tg_dtype)i[0], rest(c, 1)))                                   \
    OP(making, eye, tg_eye(c->tg, (tg_dtype)i[0], i[1], i[2]))                                     \
    OP(making, arange, tg_arange(c->tg, (tg_dtype)i[0], f[1], f[2], f[3]))                         \
    OP(making, linspace, tg_linspace(c->tg, (tg_dtype)i[0], f[1], f[2], i[3]))                     \
    OP(making, zeros_like, tg_zeros_like(x[0]))                                                    \
    OP(making, ones_like, tg_ones_like(x[0]))                                                      \
    OP(making, full_like, tg_full_like(x[0], f[0]))                                                \
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
    return run_golden("ops_golden.txt", operations, sizeof operations / sizeof *operations);
}
