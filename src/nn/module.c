#include "module.h"

#include <string.h>

bool tg_set_default_dtype(tg_context *tg, tg_dtype dtype)
{
    if (!tg) return false;
    if (!tg__is_float(dtype))
        return tg__fail(tg, TG_ERR_DTYPE, "set_default_dtype: %s is not a floating dtype",
                        tg_dtype_name(dtype));
    tg->default_dtype = dtype;
    return true;
}

tg_module *tg__new_module(tg_context *tg, const module_kind *kind)
{
    tg_module *m = tg__alloc(tg, sizeof *m);
    if (m) *m = (tg_module){.tg = tg, .kind = kind};
    return m;
}

bool tg__add_param(tg_module *m, const char *name, tg_shape shape)
{
    tg_tensor *p = tg_requires_grad_(tg_empty(m->tg, m->tg->default_dtype, shape), true);
    m->params[m->n] = p;
    m->names[m->n++] = name;
    return p != NULL;
}

tg_tensor *tg_forward(tg_module *module, tg_tensor *x)
{
    if (!module) return NULL;
    if (!module->kind->forward)
        return tg__fail(module->tg, TG_ERR_ARGUMENT,
                        "forward: %s is a loss and takes two tensors; use tg_loss",
                        module->kind->name);
    if (!x)
        return tg__fail(module->tg, TG_ERR_ARGUMENT, "forward: the input of %s is NULL",
                        module->kind->name);
    if (x->context != module->tg)
        return tg__fail(module->tg, TG_ERR_CONTEXT, "forward: %s and its input are of two contexts",
                        module->kind->name);
    return module->kind->forward(module, x);
}

tg_tensor *tg_loss(tg_module *loss, tg_tensor *input, tg_tensor *target)
{
    if (!loss) return NULL;
    if (!loss->kind->loss)
        return tg__fail(loss->tg, TG_ERR_ARGUMENT, "loss: %s is not a loss; use tg_forward",
                        loss->kind->name);
    if (!input || !target)
        return tg__fail(loss->tg, TG_ERR_ARGUMENT, "loss: the %s of %s is NULL",
                        input ? "target" : "input", loss->kind->name);
    if (input->context != loss->tg)
        return tg__fail(loss->tg, TG_ERR_CONTEXT, "loss: %s and its input are of two contexts",
                        loss->kind->name);
    return loss->kind->loss(loss, input, target);
}

tg_list tg_parameters(const tg_module *module)
{
    return module ? (tg_list){module->n, module->params} : (tg_list){0, NULL};
}

tg_tensor *tg_param(const tg_module *module, const char *name)
{
    if (!module) return NULL;
    for (int i = 0; name && i < module->n; i++)
        if (!strcmp(module->names[i], name)) return module->params[i];
    return tg__fail(module->tg, TG_ERR_ARGUMENT, "param: %s has no parameter named %s",
                    module->kind->name, name ? name : "NULL");
}

const char *tg_param_name(const tg_module *module, int i)
{
    return module && i >= 0 && i < module->n ? module->names[i] : NULL;
}
