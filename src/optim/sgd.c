#include "../nn/module.h"

#include <math.h>

/* A parameter and what the optimiser keeps beside it. */
typedef struct slot {
    tg_tensor *param;
    tg_tensor *momentum; /* contiguous; NULL without momentum */
    tg_tensor *dense;    /* to work in when the parameter is not contiguous */
    bool moved;          /* momentum holds something */
} slot;

struct tg_optim {
    tg_context *tg;
    tg_sgd_options o;
    int n;
    slot slots[];
};

tg_sgd_options tg_sgd_defaults(void)
{
    return (tg_sgd_options){.lr = 0.01};
}

static bool check_sgd_options(tg_context *tg, const tg_sgd_options *o)
{
    if (!(o->lr >= 0) || isinf(o->lr))
        return tg__fail(tg, TG_ERR_ARGUMENT, "sgd: lr %g is not a finite number >= 0", o->lr);
    if (!(o->momentum >= 0) || isinf(o->momentum))
        return tg__fail(tg, TG_ERR_ARGUMENT, "sgd: momentum %g is not a finite number >= 0",
                        o->momentum);
    if (!(o->weight_decay >= 0) || isinf(o->weight_decay))
        return tg__fail(tg, TG_ERR_ARGUMENT, "sgd: weight_decay %g is not a finite number >= 0",
                        o->weight_decay);
    if (!isfinite(o->dampening))
        return tg__fail(tg, TG_ERR_ARGUMENT, "sgd: dampening %g is not finite", o->dampening);
    if (o->nesterov && (o->momentum == 0 || o->dampening != 0))
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "sgd: nesterov needs a momentum and no dampening, not %g and %g",
                        o->momentum, o->dampening);
    return true;
}

static bool check_parameter(tg_list parameters, int i)
{
    tg_tensor *p = parameters.items[i];
    if (!p->requires_grad || priv(p)->record)
        return tg__fail(p->context, TG_ERR_ARGUMENT,
                        "sgd: parameter %d, %s, is not a leaf that requires grad", i + 1, SHOW(p));
    for (int j = 0; j < i; j++)
        if (parameters.items[j] == p)
            return tg__fail(p->context, TG_ERR_ARGUMENT,
                            "sgd: parameters %d and %d are the same tensor", j + 1, i + 1);
    return tg__writable(p, "sgd");
}

static bool fill_slot(slot *s, tg_tensor *param, bool momentum)
{
    *s = (slot){.param = param};
    if (momentum && !(s->momentum = tg_empty_like(param))) return false;
    return tg_is_contiguous(param) || (s->dense = tg_empty_like(param));
}

tg_optim *tg_sgd_list(tg_list parameters, const tg_sgd_options *options)
{
    tg_sgd_options o = options ? *options : tg_sgd_defaults();
    if (parameters.n < 1 || !tg__check_inputs("sgd", parameters.n, parameters.items)) return NULL;
    tg_context *tg = parameters.items[0]->context;
    if (!check_sgd_options(tg, &o)) return NULL;
    for (int i = 0; i < parameters.n; i++)
        if (!check_parameter(parameters, i)) return NULL;
    tg_optim *optim = tg__alloc(tg, sizeof *optim + (size_t)parameters.n * sizeof optim->slots[0]);
    if (!optim) return NULL;
    *optim = (tg_optim){.tg = tg, .o = o, .n = parameters.n};
    for (int i = 0; i < optim->n; i++)
        if (!fill_slot(&optim->slots[i], parameters.items[i], o.momentum != 0)) return NULL;
    return optim;
}

tg_optim *tg_sgd(tg_module *module, const tg_sgd_options *options)
{
    if (module && module->parts == NULL)
        return tg__fail(module->tg, TG_ERR_ARGUMENT, "sgd: %s has no parameters", module->name);
    return tg_sgd_list(tg_parameters(module), options);
}

typedef struct sgd_work {
    sgd_kernel *kernel;
    size_t size;
    char *p;
    const char *g;
    char *momentum;
    sgd_constants c;
} sgd_work;

static void update_some(void *work, int64_t from, int64_t to)
{
    const sgd_work *w = work;
    const size_t at = (size_t)from * w->size;
    w->kernel(to - from, w->p + at, w->g + at, w->momentum ? w->momentum + at : NULL, &w->c);
}

static void update(slot *s, const tg_sgd_options *o, const tg_context *tg)
{
    tg_tensor *p = s->dense ? s->dense : s->param;
    sgd_work w = {.kernel = pick(tg->level, sgd, p->dtype),
                  .size = tg__dtype_size(p->dtype),
                  .p = p->data,
                  .g = s->param->grad->data,
                  .momentum = s->momentum ? s->momentum->data : NULL,
                  .c = {o->lr, o->momentum, o->dampening, o->weight_decay, o->nesterov, o->maximize,
                        !s->moved}};
    if (s->dense) tg__copy(s->dense, s->param);
    tg__split(tg, p->numel, TG_GRAIN, update_some, &w);
    if (s->dense) tg__copy(s->param, s->dense);
    s->moved = true;
    tg__written(s->param, "step");
}

bool tg_step(tg_optim *optim)
{
    if (!optim || !tg__ready(optim->tg)) return false;
    for (int i = 0; i < optim->n; i++)
        if (!tg__writable(optim->slots[i].param, "step")) return false;
    for (int i = 0; i < optim->n; i++)
        if (optim->slots[i].param->grad) update(&optim->slots[i], &optim->o, optim->tg);
    return true;
}

bool tg_zero_grad(tg_optim *optim)
{
    if (!optim || !tg__ready(optim->tg)) return false;
    for (int i = 0; i < optim->n; i++) tg__clear_grad(optim->slots[i].param);
    return true;
}

double tg_lr(const tg_optim *optim)
{
    return optim ? optim->o.lr : NAN;
}

bool tg_set_lr(tg_optim *optim, double lr)
{
    if (!optim || !tg__ready(optim->tg)) return false;
    tg_sgd_options o = optim->o;
    o.lr = lr;
    if (!check_sgd_options(optim->tg, &o)) return false;
    optim->o = o;
    return true;
}
