/* cast: copies of another dtype. a[0] is the dtype. */
#include "op.h"

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
