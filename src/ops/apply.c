/* tg__apply: checks the inputs of an operation, makes its result, runs its forward and records
 * it. */
#include "record.h"

static inline tg_tensor *make_result(tg_context *tg, const op_row *o, const call *c, const spec *s)
{
    if (o->flags & OP_VIEW) return tg__new_view(c->in[0], s->ndim, s->shape, s->strides, s->offset);
    return tg__new_at(tg, tg->depth, s->dtype, s->ndim, s->shape);
}

/* The operation has failed, and nothing refers to its result yet. */
static TG_NOINLINE tg_tensor *release_result(tg_tensor *out)
{
    tg_release(out);
    return NULL;
}

tg_tensor *tg__apply(const op_row *o, int n, tg_tensor *const *in, const attr *a)
{
    bool needs_grad;
    const bool plain = tg__are_plain(n, in, &needs_grad);
    if (!plain) {
        if (!tg__check_inputs(o->name, n, in)) return NULL;
        needs_grad = tg__needs_grad(n, in);
    }
    tg_context *tg = in[0]->context;
    call c = {.op = o, .tg = tg, .n = n, .in = in, .a = a};
    spec s;
    if (!o->shape(&c, &s)) return NULL;
    const bool differentiable = !tg->no_grad && tg__is_float(s.dtype);
    if (differentiable && !plain && !tg__check_history(o->name, n, in)) return NULL;
    tg_tensor *out = c.out = make_result(tg, o, &c, &s);
    if (!out || (o->forward && !tg__forward_in_own_scope(&c))) return release_result(out);
    if (!differentiable || !needs_grad) return out;
    record *r = tg__make_record(&c);
    if (!r) return release_result(out);
    tg__put_on_tape(r, out);
    return out;
}
