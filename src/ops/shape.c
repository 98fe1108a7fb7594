/* The shape rules that several operations share, as op.h lists them. */
#include "op.h"

#include <string.h>

bool tg__same_shape(const call *c, spec *s)
{
    tg__copy_shape(s, c->in[0]);
    return true;
}

bool tg__shape_of_second(const call *c, spec *s)
{
    tg__copy_shape(s, c->in[1]);
    return true;
}

void *tg__fail_dtypes(const char *op, const tg_tensor *a, const tg_tensor *b)
{
    return tg__fail(a->context, TG_ERR_DTYPE, "%s: %s %s and %s %s: dtypes differ; use tg_cast", op,
                    tg_dtype_name(a->dtype), SHOW(a), tg_dtype_name(b->dtype), SHOW(b));
}

/* The general case of tg__broadcast_shape, and its errors. It is not inlined, because most calls
 * have two inputs of one shape. */
static TG_NOINLINE bool broadcast_unlike(const call *c, const tg_tensor *a, const tg_tensor *b,
                                         spec *s)
{
    if (a->dtype != b->dtype) return tg__fail_dtypes(c->op->name, a, b);
    if (!tg__broadcast(a->ndim, a->shape, b->ndim, b->shape, &s->ndim, s->shape))
        return tg__fail(c->tg, TG_ERR_SHAPE, "%s: shapes %s and %s do not broadcast", c->op->name,
                        SHOW(a), SHOW(b));
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

bool tg__broadcast_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[c->n - 2], *b = c->in[c->n - 1];
    tg__copy_shape(s, a);
    bool alike = a->dtype == b->dtype && tg__same_sizes(a->ndim, a->shape, b->ndim, b->shape);
    return alike || broadcast_unlike(c, a, b, s);
}

bool tg__broadcast_three(const call *c, spec *s)
{
    call pair = {.op = c->op, .tg = c->tg, .n = 2, .in = c->in + 1, .a = c->a};
    if (!tg__broadcast_shape(&pair, s)) return false;
    pair.in = c->in;
    if (!tg__broadcast_shape(&pair, s)) return false;
    const tg_tensor *last = c->in[2];
    int64_t two[TG_MAX_DIMS];
    const int n = s->ndim;
    memcpy(two, s->shape, sizeof two);
    return tg__broadcast(n, two, last->ndim, last->shape, &s->ndim, s->shape) ||
           tg__fail(c->tg, TG_ERR_SHAPE, "%s: shapes %s and %s do not broadcast", c->op->name,
                    tg__show_sizes(c->tg, n, two), SHOW(last));
}

bool tg__write_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    if (!tg__broadcast_shape(c, s)) return false;
    if (tg__same_sizes(s->ndim, s->shape, t->ndim, t->shape)) return true;
    return tg__fail(c->tg, TG_ERR_SHAPE, "%s: %s does not broadcast to %s", c->op->name,
                    SHOW(c->in[1]), SHOW(t));
}
