/* Views, copies, and cat and stack, compared with PyTorch's values and gradients and with central
 * differences. */
#include "golden.h"

/* The first half of the numbers of a case, or the second. */
static tg_shape half(const trial *c, int which)
{
    const int n = c->numbers / 2;
    return (tg_shape){n, c->i + which * n};
}

/* The part that the first number of the case names. */
static tg_tensor *part(const trial *c, tg_list parts)
{
    return c->i[0] < parts.n ? parts.items[c->i[0]] : NULL;
}

#define OPS(OP)                                                                                    \
    OP(joining, cat, tg_cat(all_inputs(c), (int)i[0]))                                             \
    OP(joining, stack, tg_stack(all_inputs(c), (int)i[0]))                                         \
    OP(joining, vstack, tg_vstack(all_inputs(c)))                                                  \
    OP(joining, hstack, tg_hstack(all_inputs(c)))                                                  \
    OP(views, view, tg_view(x[0], rest(c, 0)))                                                     \
    OP(views, reshape, tg_reshape(x[0], rest(c, 0)))                                               \
    OP(views, flatten, tg_flatten(x[0], (int)i[0], (int)i[1]))                                     \
    OP(views, transpose, tg_transpose(x[0], (int)i[0], (int)i[1]))                                 \
    OP(views, t, tg_t(x[0]))                                                                       \
    OP(views, permute, tg_permute(x[0], rest(c, 0)))                                               \
    OP(views, squeeze, tg_squeeze(x[0]))                                                           \
    OP(views, squeeze_dim, tg_squeeze_dim(x[0], (int)i[0]))                                        \
    OP(views, unsqueeze, tg_unsqueeze(x[0], (int)i[0]))                                            \
    OP(views, expand, tg_expand(x[0], rest(c, 0)))                                                 \
    OP(views, select, tg_select(x[0], (int)i[0], i[1]))                                            \
    OP(views, narrow, tg_narrow(x[0], (int)i[0], i[1], i[2]))                                      \
    OP(views, slice, tg_slice(x[0], (int)i[0], i[1], i[2], i[3]))                                  \
    OP(views, diagonal, tg_diagonal(x[0], (int)i[0], (int)i[1], (int)i[2]))                        \
    OP(copies, clone, tg_clone(x[0]))                                                              \
    OP(copies, contiguous, tg_contiguous(x[0]))                                                    \
    OP(copies, cast, tg_cast(x[0], (tg_dtype)i[0]))                                                \
    OP(copies, repeat, tg_repeat(x[0], rest(c, 0)))                                                \
    OP(copies, tile, tg_tile(x[0], rest(c, 0)))                                                    \
    OP(copies, flip, tg_flip(x[0], rest(c, 0)))                                                    \
    OP(copies, roll, tg_roll(x[0], half(c, 0), half(c, 1)))                                        \
    OP(copies, roll_all, tg_roll(x[0], rest(c, 0), TG_DIMS()))                                     \
    OP(copies, tril, tg_tril(x[0], i[0]))                                                          \
    OP(copies, triu, tg_triu(x[0], i[0]))                                                          \
    OP(copies, pad, tg_pad(x[0], rest(c, 0), 0))                                                   \
    OP(copies, pad_value, tg_pad(x[0], rest(c, 1), f[0]))                                          \
    OP(views, movedim, tg_movedim(x[0], half(c, 0), half(c, 1)))                                   \
    OP(views, broadcast_to, tg_broadcast_to(x[0], rest(c, 0)))                                     \
    OP(views, split, part(c, tg_split(x[0], i[1], (int)i[2])))                                     \
    OP(views, split_sizes, part(c, tg_split_sizes(x[0], rest(c, 2), (int)i[1])))                   \
    OP(views, chunk, part(c, tg_chunk(x[0], i[1], (int)i[2])))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("shapes_golden.txt", operations, sizeof operations / sizeof *operations);
}
