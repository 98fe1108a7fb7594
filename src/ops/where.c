/* where: each element from one of two tensors, as a condition tells. */
#include "op.h"

static bool where_shape(const call *c, spec *s)
{
    const tg_tensor *condition = c->in[0];
    if (condition->dtype != TG_BOOL)
        return tg__fail(c->tg, TG_ERR_DTYPE, "where: the condition is %s, not bool",
                        tg_dtype_name(condition->dtype));
    if (!tg__broadcast_shape(c, s)) return false;
    if (!tg__check_dtype(c, c->in[1], pick(c->tg->level, where, s->dtype))) return false;
    if (!tg__broadcast(condition->ndim, condition->shape, s->ndim, s->shape, &s->ndim, s->shape))
        return tg__fail(c->tg, TG_ERR_SHAPE,
                        "where: condition %s does not broadcast with %s and %s", SHOW(condition),
                        SHOW(c->in[1]), SHOW(c->in[2]));
    return tg__check_shape(c->tg, "where", (tg_shape){s->ndim, s->shape});
}

static bool where_forward(const call *c)
{
    loop f = {.where = pick(c->tg->level, where, c->out->dtype)};
    tg__elementwise(f, c->out, 3, c->in);
    return true;
}

tg_tensor *tg__zero(const tg_tensor *like)
{
    return tg_scalar(like->context, like->dtype, 0);
}

/* The gradient of each element goes to the tensor that the element was taken from. */
static tg_tensor *where_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *condition = r->in[0].t, *zero = tg__zero(g);
    return i == 1 ? tg_where(condition, g, zero) : tg_where(condition, zero, g);
}

static const op_row where_op = {.name = "where",
                                .grad_name = "WhereBackward0",
                                .shape = where_shape,
                                .forward = where_forward,
                                .grad = where_grad,
                                .reads = {READS_NOTHING, READS_0, READS_0},
                                .flags = OP_BROADCAST};

tg_tensor *tg_where(tg_tensor *condition, tg_tensor *a, tg_tensor *b)
{
    return tg__apply(&where_op, 3, (tg_tensor *[]){condition, a, b}, NULL);
}
