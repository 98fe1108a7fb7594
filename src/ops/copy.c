/* Copies that autograd knows of. */
#include "op.h"

static tg_tensor *clone_grad(const record *r, int i, tg_tensor *g)
{
    (void)r, (void)i;
    return g;
}

static bool clone_forward(const call *c)
{
    tg__copy(c->out, c->in[0]);
    return true;
}

static const op_row clone_op = {
    .name = "clone",
    .grad_name = "CloneBackward0",
    .shape = tg__same_shape,
    .forward = clone_forward,
    .grad = clone_grad,
};

tg_tensor *tg_clone(tg_tensor *t)
{
    return tg__apply(&clone_op, 1, &t, NULL);
}

tg_tensor *tg_contiguous(tg_tensor *t)
{
    return !t || tg_is_contiguous(t) ? t : tg_clone(t);
}

static bool cast_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->dtype = (tg_dtype)c->a[0].i;
    return true;
}

static bool cast_forward(const call *c)
{
    static const unary_set *const casts[] = {&tg__to_f32_kernel, &tg__to_f64_kernel,
                                             &tg__to_i64_kernel, &tg__to_bool_kernel};
    _Static_assert(sizeof casts / sizeof *casts == TG_DTYPES, "a cast to each dtype");
    loop f = {.unary = kernel_at(casts[c->out->dtype], c->tg->level, c->in[0]->dtype)};
    tg__elementwise(f, c->out, 1, c->in);
    return true;
}

static tg_tensor *cast_grad(const record *r, int i, tg_tensor *g)
{
    return tg_cast(g, r->in[i].t->dtype);
}

static const op_row cast_op = {
    .name = "cast",
    .grad_name = "ToCopyBackward0",
    .shape = cast_shape,
    .forward = cast_forward,
    .grad = cast_grad,
};

tg_tensor *tg_cast(tg_tensor *t, tg_dtype dtype)
{
    if (!t || t->dtype == dtype) return t;
    if (!tg__is_dtype(dtype))
        return tg__fail(t->context, TG_ERR_DTYPE, "cast: there is no dtype %d", (int)dtype);
    return tg__apply(&cast_op, 1, &t, (attr[TG_ATTRS]){{.i = (int64_t)dtype}});
}
