/* The optimisers that divide the step of each element by an average of its gradients: Adam, AdamW,
 * RMSprop and Adagrad. One kernel, which kernels.h describes, makes the steps of all of them. */
#include "optim.h"

#include <math.h>

typedef struct adapt_work {
    adapt_kernel *kernel;
    size_t size;
    char *p;
    const char *g;
    char *state[OPTIM_STATES];
    const adapt_constants *c;
} adapt_work;

static void adapt_some(void *work, int64_t from, int64_t to)
{
    const adapt_work *w = work;
    const size_t at = (size_t)from * w->size;
    char *state[OPTIM_STATES];
    for (int k = 0; k < OPTIM_STATES; k++) state[k] = w->state[k] ? w->state[k] + at : NULL;
    w->kernel(to - from, w->p + at, w->g + at, state[0], state[1], state[2], w->c);
}

/* Makes the step of a parameter with these states. Another state that it may have is the buffer of
 * a momentum that a schedule has made 0 for a while. This one stays as it is. */
static void adapt(const tg_context *tg, slot *s, unsigned states, const adapt_constants *c)
{
    tg_tensor *p = s->contiguous ? s->contiguous : s->param;
    adapt_work w = {.kernel = pick(tg->level, adapt, p->dtype),
                    .size = tg__dtype_size(p->dtype),
                    .p = p->data,
                    .g = s->param->grad->data,
                    .c = c};
    for (int k = 0; k < OPTIM_STATES; k++) w.state[k] = states & 1u << k ? s->state[k]->data : NULL;
    tg__split(tg, p->numel, TG_GRAIN / 4, adapt_some, &w);
}

/* ---- Adam, and AdamW, whose weight decay shrinks the parameter and leaves the gradient alone. */

static unsigned adam_states(const any_options *o)
{
    return STATE_0 | STATE_1 | (o->adam.amsgrad ? STATE_2 : 0);
}

/* The powers are the library's own, as those of libm differ from machine to machine. */
static adapt_constants adam_constants(const tg_context *tg, const slot *s, const tg_adam_options *o)
{
    const double step = (double)(s->steps + 1);
    double power[2];
    pick(tg->level, pow, TG_F64)(2, power, (double[]){o->beta1, o->beta2}, (double[]){step, step});
    return (adapt_constants){.lr = o->lr / (1 - power[0]),
                             .beta1 = o->beta1,
                             .gradient_weight = 1 - o->beta1,
                             .beta2 = o->beta2,
                             .square_weight = 1 - o->beta2,
                             .root = sqrt(1 - power[1]),
                             .eps = o->eps,
                             .shrink = 1,
                             .maximize = o->maximize,
                             .averages = true,
                             .amsgrad = o->amsgrad};
}

static void adam_update(const tg_context *tg, slot *s, const any_options *o)
{
    adapt_constants c = adam_constants(tg, s, &o->adam);
    c.decay = o->adam.weight_decay;
    adapt(tg, s, adam_states(o), &c);
}

static void adamw_update(const tg_context *tg, slot *s, const any_options *o)
{
    adapt_constants c = adam_constants(tg, s, &o->adam);
    c.shrink = 1 - o->adam.lr * o->adam.weight_decay;
    adapt(tg, s, adam_states(o), &c);
}

/* beta1, beta2 and eps that are all 0 come from options that were not begun with the defaults. */
static bool check_adam(tg_context *tg, const char *name, const any_options *any)
{
    const tg_adam_options *o = &any->adam;
    return o->beta1 != 0 || o->beta2 != 0 || o->eps != 0 ||
           tg__fail(tg, TG_ERR_ARGUMENT,
                    "%s: beta1, beta2 and eps are 0; begin with tg_%s_defaults()", name, name);
}

static const optim_kind adam_kind = {.name = "adam",
                                     .defaults.adam = {TG_ADAM_DEFAULTS},
                                     .size = sizeof(tg_adam_options),
                                     .rules = {{"lr", NOT_NEGATIVE},
                                               {"beta1", BELOW_ONE},
                                               {"beta2", BELOW_ONE},
                                               {"eps", NOT_NEGATIVE},
                                               {"weight_decay", NOT_NEGATIVE}},
                                     .flags = {{"amsgrad", offsetof(tg_adam_options, amsgrad)},
                                               {"maximize", offsetof(tg_adam_options, maximize)}},
                                     .state_names = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
                                     .counts_steps = true,
                                     .momentum = 1,
                                     .check = check_adam,
                                     .states = adam_states,
                                     .update = adam_update};

tg_adam_options tg_adam_defaults(void)
{
    return adam_kind.defaults.adam;
}

tg_optim *tg_adam(tg_module *module, const tg_adam_options *options)
{
    return tg__optim(&adam_kind, module, options);
}

tg_optim *tg_adam_list(tg_list parameters, const tg_adam_options *options)
{
    return tg__optim_list(&adam_kind, parameters, options);
}

bool tg_adam_group(tg_optim *optim, tg_list parameters, const tg_adam_options *options)
{
    return tg__optim_group(&adam_kind, optim, parameters, options);
}

static const optim_kind adamw_kind = {.name = "adamw",
                                      .defaults.adamw = {TG_ADAMW_DEFAULTS},
                                      .size = sizeof(tg_adamw_options),
                                      .rules = {{"lr", NOT_NEGATIVE},
                                                {"beta1", BELOW_ONE},
                                                {"beta2", BELOW_ONE},
                                                {"eps", NOT_NEGATIVE},
                                                {"weight_decay", NOT_NEGATIVE}},
                                      .flags = {{"amsgrad", offsetof(tg_adamw_options, amsgrad)},
                                                {"maximize", offsetof(tg_adamw_options, maximize)}},
                                      .state_names = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
                                      .counts_steps = true,
                                      .momentum = 1,
                                      .check = check_adam,
                                      .states = adam_states,
                                      .update = adamw_update};

tg_adamw_options tg_adamw_defaults(void)
{
    return adamw_kind.defaults.adamw;
}

tg_optim *tg_adamw(tg_module *module, const tg_adamw_options *options)
{
    return tg__optim(&adamw_kind, module, options);
}

tg_optim *tg_adamw_list(tg_list parameters, const tg_adamw_options *options)
{
    return tg__optim_list(&adamw_kind, parameters, options);
}

bool tg_adamw_group(tg_optim *optim, tg_list parameters, const tg_adamw_options *options)
{
    return tg__optim_group(&adamw_kind, optim, parameters, options);
}

/* ---- RMSprop. */

static unsigned rmsprop_states(const any_options *o)
{
    return (o->rmsprop.centered ? STATE_0 : 0) | STATE_1 | (o->rmsprop.momentum != 0 ? STATE_2 : 0);
}

static void rmsprop_update(const tg_context *tg, slot *s, const any_options *any)
{
    const tg_rmsprop_options *o = &any->rmsprop;
    adapt(tg, s, rmsprop_states(any),
          &(adapt_constants){.lr = o->lr,
                             .beta1 = o->alpha,
                             .gradient_weight = 1 - o->alpha,
                             .beta2 = o->alpha,
                             .square_weight = 1 - o->alpha,
                             .root = 1,
                             .eps = o->eps,
                             .decay = o->weight_decay,
                             .shrink = 1,
                             .momentum = o->momentum,
                             .maximize = o->maximize,
                             .centered = o->centered});
}

static bool check_rmsprop(tg_context *tg, const char *name, const any_options *o)
{
    return o->rmsprop.alpha != 0 || o->rmsprop.eps != 0 ||
           tg__fail(tg, TG_ERR_ARGUMENT,
                    "%s: alpha and eps are 0; begin with tg_rmsprop_defaults()", name);
}

static const optim_kind rmsprop_kind = {
    .name = "rmsprop",
    .defaults.rmsprop = {TG_RMSPROP_DEFAULTS},
    .size = sizeof(tg_rmsprop_options),
    .rules = {{"lr", NOT_NEGATIVE},
              {"momentum", NOT_NEGATIVE},
              {"alpha", NOT_NEGATIVE},
              {"eps", NOT_NEGATIVE},
              {"weight_decay", NOT_NEGATIVE}},
    .flags = {{"centered", offsetof(tg_rmsprop_options, centered)},
              {"maximize", offsetof(tg_rmsprop_options, maximize)}},
    .state_names = {"grad_avg", "square_avg", "momentum_buffer"},
    .counts_steps = true,
    .momentum = 1,
    .check = check_rmsprop,
    .states = rmsprop_states,
    .update = rmsprop_update};

tg_rmsprop_options tg_rmsprop_defaults(void)
{
    return rmsprop_kind.defaults.rmsprop;
}

tg_optim *tg_rmsprop(tg_module *module, const tg_rmsprop_options *options)
{
    return tg__optim(&rmsprop_kind, module, options);
}

tg_optim *tg_rmsprop_list(tg_list parameters, const tg_rmsprop_options *options)
{
    return tg__optim_list(&rmsprop_kind, parameters, options);
}

bool tg_rmsprop_group(tg_optim *optim, tg_list parameters, const tg_rmsprop_options *options)
{
    return tg__optim_group(&rmsprop_kind, optim, parameters, options);
}

/* ---- Adagrad. */

static unsigned adagrad_states(const any_options *o)
{
    (void)o;
    return STATE_1;
}

static void adagrad_update(const tg_context *tg, slot *s, const any_options *any)
{
    const tg_adagrad_options *o = &any->adagrad;
    if (s->steps == 0) tg__fill(s->state[1], o->initial_accumulator_value);
    adapt(tg, s, adagrad_states(any),
          &(adapt_constants){.lr = o->lr / (1 + (double)s->steps * o->lr_decay),
                             .beta2 = 1,
                             .square_weight = 1,
                             .root = 1,
                             .eps = o->eps,
                             .decay = o->weight_decay,
                             .shrink = 1,
                             .maximize = o->maximize});
}

static const optim_kind adagrad_kind = {
    .name = "adagrad",
    .defaults.adagrad = {TG_ADAGRAD_DEFAULTS},
    .size = sizeof(tg_adagrad_options),
    .rules = {{"lr", NOT_NEGATIVE},
              {"lr_decay", NOT_NEGATIVE},
              {"weight_decay", NOT_NEGATIVE},
              {"initial_accumulator_value", NOT_NEGATIVE},
              {"eps", NOT_NEGATIVE}},
    .flags = {{"maximize", offsetof(tg_adagrad_options, maximize)}},
    .state_names = {NULL, "sum"},
    .counts_steps = true,
    .states = adagrad_states,
    .update = adagrad_update};

tg_adagrad_options tg_adagrad_defaults(void)
{
    return adagrad_kind.defaults.adagrad;
}

tg_optim *tg_adagrad(tg_module *module, const tg_adagrad_options *options)
{
    return tg__optim(&adagrad_kind, module, options);
}

tg_optim *tg_adagrad_list(tg_list parameters, const tg_adagrad_options *options)
{
    return tg__optim_list(&adagrad_kind, parameters, options);
}

bool tg_adagrad_group(tg_optim *optim, tg_list parameters, const tg_adagrad_options *options)
{
    return tg__optim_group(&adagrad_kind, optim, parameters, options);
}
