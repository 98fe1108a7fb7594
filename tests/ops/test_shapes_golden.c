/* Products, joining, views, copies and indexing, compared with PyTorch and with central
 * differences. */
#include "golden.h"

/* The numbers of a record from one on, in two halves. */
static tg_shape half(const trial *c, int which)
{
    const int n = c->numbers / 2;
    return (tg_shape){n, c->i + which * n};
}

static tg_tensor *part(const trial *c, tg_list parts)
{
    return c->i[0] < parts.n ? parts.items[c->i[0]] : NULL;
}

static int64_t padding(const trial *c)
{
    return c->i[0] == INT64_MAX ? TG_NO_INDEX : c->i[0];
}

#define OPS(OP)                                                                                    \
    OP(products, matmul, tg_matmul(x[0], x[1]))                                                    \
    OP(products, dot, tg_dot(x[0], x[1]))                                                          \
    OP(products, outer, tg_outer(x[0], x[1]))                                                      \
    OP(joining, cat, tg_cat(all_inputs(c), (int)i[0]))                                             \
    OP(joining, stack, tg_stack(all_inputs(c), (int)i[0]))                                         \
    OP(joining, vstack, tg_vstack(all_inputs(c)))                                                  \
    OP(joining, hstack, tg_hstack(all_inputs(c)))                                                  \
    OP(by_index, scatter_add, tg_scatter_add(x[0], (int)i[0], x[1], x[2]))                         \
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
    OP(views, chunk, part(c, tg_chunk(x[0], i[1], (int)i[2])))                                     \
    OP(picking, index_select, tg_index_select(x[0], (int)i[0], x[1]))                              \
    OP(picking, gather, tg_gather(x[0], (int)i[0], x[1]))                                          \
    OP(picking, take_along_dim, tg_take_along_dim(x[0], x[1], (int)i[0]))                          \
    OP(picking, masked_select, tg_masked_select(x[0], x[1]))                                       \
    OP(picking, nonzero, tg_nonzero(x[0]))                                                         \
    OP(picking, embedding, tg_embedding(x[1], x[0], padding(c)))                                   \
    OP(picking, one_hot, tg_one_hot(x[0], i[0]))                                                   \
    OP(products, mm, tg_mm(x[0], x[1]))                                                            \
    OP(products, bmm, tg_bmm(x[0], x[1]))                                                          \
    OP(products, mv, tg_mv(x[0], x[1]))                                                            \
    OP(products, addmm, tg_addmm(x[0], x[1], x[2], f[0], f[1]))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("shapes_golden.txt", operations, sizeof operations / sizeof *operations);
}
