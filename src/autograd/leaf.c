/* Whether a tensor requires grad, whether it retains its gradient, and clearing a gradient. */
#include "../ops/op.h"

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
    if (requires_grad && !tg__make_grad_slot(t)) return NULL;
    t->requires_grad = requires_grad;
    return t;
}

tg_tensor *tg_retain_grad(tg_tensor *t)
{
    if (!tg__check_inputs("retain_grad", 1, &t)) return NULL;
    if (!t->requires_grad)
        return tg__fail(t->context, TG_ERR_AUTOGRAD,
                        "retain_grad: the tensor %s does not require grad", SHOW(t));
    if (!tg__make_grad_slot(t)) return NULL;
    priv(t)->wanted = priv(t)->record ? WANTED_ALWAYS : 0;
    return t;
}

bool tg_clear_grad(tg_tensor *t)
{
    if (!t || !tg__ready(t->context)) return false;
    tg__clear_grad(t);
    return true;
}
