/* What a tensor says of its gradient. */
#include "../internal.h"

/* The memory of t->grad, in t's own scope. */
static bool make_slot(tg_tensor *t)
{
    tensor_priv *p = priv(t);
    if (p->grad_slot) return true;
    p->grad_slot = tg__new_at(t->context, p->depth, t->dtype, t->ndim, t->shape);
    if (p->grad_slot) priv(p->grad_slot)->is_grad = true;
    return p->grad_slot != NULL;
}

tg_tensor *tg_requires_grad_(tg_tensor *t, bool requires_grad)
{
    if (!tg__check_inputs("requires_grad_", 1, &t)) return NULL;
    if (requires_grad && !tg__is_float(t->dtype))
        return tg__fail(t->context, TG_ERR_DTYPE, "requires_grad_: a tensor of %s has no gradient",
                        tg_dtype_name(t->dtype));
    if (priv(t)->record)
        return requires_grad
                   ? t
                   : tg__fail(t->context, TG_ERR_AUTOGRAD,
                              "requires_grad_: the tensor %s is not a leaf; use tg_detach",
                              SHOW(t));
    if (requires_grad && !make_slot(t)) return NULL;
    t->requires_grad = requires_grad;
    return t;
}

tg_tensor *tg_detach(tg_tensor *t)
{
    if (!tg__check_inputs("detach", 1, &t)) return NULL;
    tg_tensor *view = tg__new_view(t, t->ndim, t->shape, t->strides, 0);
    if (view) priv(view)->detached = true;
    return view;
}

tg_tensor *tg_retain_grad(tg_tensor *t)
{
    if (!tg__check_inputs("retain_grad", 1, &t)) return NULL;
    if (!t->requires_grad)
        return tg__fail(t->context, TG_ERR_AUTOGRAD,
                        "retain_grad: the tensor %s does not require grad", SHOW(t));
    if (!make_slot(t)) return NULL;
    priv(t)->retains = priv(t)->wanted = priv(t)->record != NULL;
    return t;
}

bool tg_clear_grad(tg_tensor *t)
{
    if (!t || !tg__ready(t->context)) return false;
    t->grad = NULL;
    return true;
}
