/* SGD, the smallest complete optimiser. Its parts stand in this order: the check of options that
 * the rules cannot say; the state vectors that a parameter needs; the update, which gives a kernel
 * the memory of the parameter, of its gradient and of its states; the row that names all these; and
 * the public functions. The kernel is in kernels/optim.inc, the options and their defaults are in
 * tinygrad/optim.h. */
#include "optim.h"

static bool check_nesterov(tg_context *tg, const char *name, const any_options *o)
{
    if (o->sgd.nesterov && o->sgd.momentum == 0)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: nesterov needs a momentum, but it is 0", name);
    return !o->sgd.nesterov || o->sgd.dampening == 0 ||
           tg__fail(tg, TG_ERR_ARGUMENT, "%s: nesterov needs a dampening of 0, but it is %g", name,
                    o->sgd.dampening);
}

static unsigned sgd_states(const any_options *o)
{
    return o->sgd.momentum != 0 ? STATE_0 : 0;
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

static void sgd_update(const tg_context *tg, slot *s, const any_options *any)
{
    const tg_sgd_options *o = &any->sgd;
    tg_tensor *p = s->contiguous ? s->contiguous : s->param;
    sgd_work w = {.kernel = pick(tg->level, sgd, p->dtype),
                  .size = tg__dtype_size(p->dtype),
                  .p = p->data,
                  .g = s->param->grad->data,
                  .momentum = o->momentum != 0 ? s->state[0]->data : NULL,
                  .c = {o->lr, o->momentum, o->dampening, o->weight_decay, o->nesterov, o->maximize,
                        s->steps == 0}};
    tg__split(tg, p->numel, TG_GRAIN, update_some, &w);
}

static const optim_kind sgd_kind = {.name = "sgd",
                                    .defaults.sgd = {TG_SGD_DEFAULTS},
                                    .size = sizeof(tg_sgd_options),
                                    .rules = {{"lr", NOT_NEGATIVE},
                                              {"momentum", NOT_NEGATIVE},
                                              {"dampening", FINITE},
                                              {"weight_decay", NOT_NEGATIVE}},
                                    .flags = {{"nesterov", offsetof(tg_sgd_options, nesterov)},
                                              {"maximize", offsetof(tg_sgd_options, maximize)}},
                                    .state_names = {"momentum_buffer"},
                                    .momentum = 1,
                                    .check = check_nesterov,
                                    .states = sgd_states,
                                    .update = sgd_update};

tg_sgd_options tg_sgd_defaults(void)
{
    return sgd_kind.defaults.sgd;
}

tg_optim *tg_sgd(tg_module *module, const tg_sgd_options *options)
{
    return tg__optim(&sgd_kind, module, options);
}

tg_optim *tg_sgd_list(tg_list parameters, const tg_sgd_options *options)
{
    return tg__optim_list(&sgd_kind, parameters, options);
}

bool tg_sgd_group(tg_optim *optim, tg_list parameters, const tg_sgd_options *options)
{
    return tg__optim_group(&sgd_kind, optim, parameters, options);
}
