/* What all optimisers have in common: groups of parameters, their state, and steps. */
#include "optim.h"

#include <math.h>
#include <string.h>

bool tg__check_options(tg_context *tg, const char *name, const optim_kind *kind,
                       const any_options *o)
{
    static const char *const musts[] = {"is not a finite number >= 0", "is not finite",
                                        "does not lie in [0, 1)"};
    for (int i = 0; i < OPTIM_NUMBERS && kind->rules[i].name; i++) {
        const double x = o->number[i];
        const number_rule *r = &kind->rules[i];
        bool right =
            isfinite(x) && (r->must == FINITE || x >= 0) && (r->must != BELOW_ONE || x < 1);
        if (!right)
            return tg__fail(tg, TG_ERR_ARGUMENT, "%s: %s %g %s", name, r->name, x, musts[r->must]);
    }
    return !kind->check || kind->check(tg, kind->name, o);
}

static bool is_in(const group *g, const tg_tensor *p)
{
    for (; g; g = g->next)
        for (int i = 0; i < g->n; i++)
            if (g->slots[i].param == p) return true;
    return false;
}

/* Checks that the parameters are of the optimiser's context. This must come first, because the
 * other checks record their errors in the context of the parameter. */
static bool check_contexts(const tg_optim *optim, tg_list parameters)
{
    for (int i = 0; i < parameters.n; i++) {
        const tg_tensor *p = parameters.items[i];
        if (!p)
            return tg__fail(optim->tg, TG_ERR_ARGUMENT, "%s: parameter %d is NULL",
                            optim->kind->name, i + 1);
        if (p->context != optim->tg)
            return tg__fail(optim->tg, TG_ERR_CONTEXT,
                            "%s: parameter %d, %s, is of another context than the optimiser",
                            optim->kind->name, i + 1, tg__show_sizes(optim->tg, p->ndim, p->shape));
    }
    return true;
}

/* Where the parameters come from: a list of the caller's, or a module, which knows their paths. */
typedef struct parameter_source {
    tg_list list;
    const tg_module *module; /* NULL: the list is the caller's */
} parameter_source;

enum { LABEL = 128 };

/* What messages call parameter i: its path in the module, or its number in the list, from 1. */
static const char *label_of(const parameter_source *from, int i, char *text)
{
    if (from->module) return tg_param_name(from->module, i);
    snprintf(text, LABEL, "%d", i + 1);
    return text;
}

/* Whether p is frozen: a leaf whose requires_grad was set to false. It needs no state until it
 * requires grad again. */
static bool is_frozen(const tg_tensor *p)
{
    return !p->requires_grad && priv(p)->grad_slot && !priv(p)->record;
}

static bool check_parameter(const tg_optim *optim, const parameter_source *from, int i)
{
    tg_tensor *p = from->list.items[i];
    const char *name = optim->kind->name;
    char number[LABEL], prefix[LABEL];
    const char *label = label_of(from, i, number);
    if (!label) return false;
    snprintf(prefix, sizeof prefix, from->module ? "%s: %s" : "%s", name, label);
    if ((!p->requires_grad || priv(p)->record) && !is_frozen(p))
        return tg__fail(p->context, TG_ERR_ARGUMENT,
                        "%s: parameter %s, %s, is not a leaf that requires grad", name, label,
                        SHOW(p));
    if (priv(p)->mark & MARK_LISTED) {
        int j = 0;
        while (from->list.items[j] != p) j++;
        return tg__fail(p->context, TG_ERR_ARGUMENT, "%s: parameters %d and %d are the same tensor",
                        name, j + 1, i + 1);
    }
    /* The mark says that p is in a group of some optimiser, which saves most searches. */
    if (priv(p)->mark & MARK_GROUPED && is_in(optim->groups, p))
        return tg__fail(p->context, TG_ERR_ARGUMENT, "%s: parameter %s, %s, is in a group already",
                        name, label, SHOW(p));
    if (priv(p)->depth > optim->depth)
        return tg__fail(p->context, TG_ERR_CONTEXT,
                        "%s: the scope of parameter %s, %s, ends before that of the optimiser",
                        name, label, SHOW(p));
    return tg__check_inputs(prefix, 1, &p) && (is_frozen(p) || tg__writable(p, prefix));
}

/* Checks that each parameter may belong to optim, and that none is listed twice, by a mark. */
static bool check_parameters(const tg_optim *optim, const parameter_source *from)
{
    bool right = true;
    int n = 0;
    for (; n < from->list.n && right; n++) {
        right = check_parameter(optim, from, n);
        priv(from->list.items[n])->mark |= MARK_LISTED;
    }
    while (n-- > 0) priv(from->list.items[n])->mark &= (uint8_t)~MARK_LISTED;
    return right;
}

bool tg__fill_slot(const tg_optim *optim, slot *s, unsigned states)
{
    const tg_tensor *p = s->param;
    for (int i = 0; i < OPTIM_STATES; i++) {
        if (!(states & 1u << i) || s->state[i]) continue;
        s->state[i] = tg__new_at(optim->tg, optim->depth, p->dtype, p->ndim, p->shape);
        if (!s->state[i]) return false;
        tg__fill(s->state[i], 0);
    }
    if (!tg_is_contiguous(p) && !s->contiguous)
        s->contiguous = tg__new_at(optim->tg, optim->depth, p->dtype, p->ndim, p->shape);
    return s->filled = s->contiguous || tg_is_contiguous(p);
}

static bool add_group(tg_optim *optim, const parameter_source *from, const void *options)
{
    const optim_kind *kind = optim->kind;
    const tg_list parameters = from->list;
    any_options o = kind->defaults;
    if (options) memcpy(&o, options, kind->size);
    if (parameters.n < 1 || !parameters.items)
        return tg__fail(optim->tg, TG_ERR_ARGUMENT, "%s: the list of parameters is empty",
                        kind->name);
    if (!check_contexts(optim, parameters) ||
        (!from->module && !tg__check_inputs(kind->name, parameters.n, parameters.items)) ||
        !tg__check_options(optim->tg, kind->name, kind, &o) || !check_parameters(optim, from))
        return false;
    const size_t size = sizeof(group) + tg__bytes(parameters.n, sizeof(slot));
    group *g = tg__alloc_at(optim->tg, optim->depth, size);
    if (!g) return false;
    *g = (group){.o = o, .initial_lr = NAN, .n = parameters.n};
    if (from->module) g->names = from->module->named[PARAMETER].paths;
    for (int i = 0; i < g->n; i++) {
        g->slots[i] = (slot){.param = parameters.items[i]};
        if (!is_frozen(parameters.items[i]) &&
            !tg__fill_slot(optim, &g->slots[i], kind->states(&o)))
            return false;
    }
    for (int i = 0; i < g->n; i++) priv(parameters.items[i])->mark |= MARK_GROUPED;
    *optim->end = g;
    optim->end = &g->next;
    return true;
}

static tg_optim *make_optim(const optim_kind *kind, const parameter_source *from,
                            const void *options)
{
    tg_context *tg = NULL;
    for (int i = 0; from->list.items && i < from->list.n && !tg; i++)
        if (from->list.items[i]) tg = from->list.items[i]->context;
    if (!tg || !tg__ready(tg)) return NULL;
    tg_optim *optim = tg__alloc(tg, sizeof *optim);
    if (!optim) return NULL;
    *optim = (tg_optim){.tg = tg, .depth = tg->depth, .kind = kind};
    optim->end = &optim->groups;
    if (!add_group(optim, from, options)) return NULL;
    return !kind->prepare || kind->prepare(optim) ? optim : NULL;
}

tg_optim *tg__optim_list(const optim_kind *kind, tg_list parameters, const void *options)
{
    return make_optim(kind, &(parameter_source){parameters, NULL}, options);
}

tg_optim *tg__optim(const optim_kind *kind, tg_module *module, const void *options)
{
    const parameter_source from = {tg_parameters(module), module};
    if (module && from.list.n == 0)
        return tg__fail(module->tg, TG_ERR_ARGUMENT, "%s: %s has no parameters", kind->name,
                        module->name);
    return make_optim(kind, &from, options);
}

bool tg__optim_group(const optim_kind *kind, tg_optim *optim, tg_list parameters,
                     const void *options)
{
    if (!optim || !tg__ready(optim->tg)) return false;
    if (optim->kind != kind)
        return tg__fail(optim->tg, TG_ERR_ARGUMENT, "%s: the optimiser is %s", kind->name,
                        optim->kind->name);
    return add_group(optim, &(parameter_source){parameters, NULL}, options);
}

/* ---- Steps. */

/* Whether a step updates the parameter. A frozen one is not updated, even if it has a gradient from
 * before it was frozen. */
static bool is_due(const slot *s)
{
    return s->param->grad && s->param->requires_grad;
}

/* Checks that the parameter can be updated, and takes the memory that the update needs: that of a
 * parameter which was frozen before, or of a momentum that was 0. A step prepares all parameters
 * before it updates the first one, and can then not fail half-way. */
static bool prepare_step(const tg_optim *optim, const group *g, slot *s)
{
    return tg__writable(s->param, "step") && tg__fill_slot(optim, s, optim->kind->states(&g->o));
}

static void update(const tg_optim *optim, slot *s, const any_options *o)
{
    if (s->contiguous) tg__copy(s->contiguous, s->param);
    optim->kind->update(optim->tg, s, o);
    if (s->contiguous) tg__copy(s->param, s->contiguous);
    if (optim->kind->counts_steps || optim->kind->states(o)) s->steps++;
    tg__written(s->param, "step");
}

/* How many bytes the update of a parameter reads and writes. */
static int64_t bytes_of_update(const slot *s)
{
    int arrays = 3; /* the parameter twice, and the gradient */
    for (int i = 0; i < OPTIM_STATES; i++) arrays += s->state[i] ? 2 : 0;
    return arrays * s->param->numel * (int64_t)tg__dtype_size(s->param->dtype);
}

/* Updates the parameters in a context that has a watch. False if that finds an update which has
 * made a parameter other than finite. */
TG_NOINLINE static bool update_watched(const tg_optim *optim)
{
    const watch *w = optim->tg->watch;
    bool finite = true;
    int64_t bytes = 0;
    if (!w->begin(optim->tg, WORK_STEP, optim->kind->name)) return false;
    for (group *g = optim->groups; g; g = g->next)
        for (int i = 0; i < g->n; i++) {
            slot *s = &g->slots[i];
            if (!is_due(s)) continue;
            const bool was_finite = w->is_finite(s->param);
            update(optim, s, &g->o);
            finite &= !was_finite || w->check_update(s->param, optim->kind->name);
            bytes += bytes_of_update(s);
        }
    w->end(optim->tg, bytes);
    return finite;
}

bool tg_step(tg_optim *optim)
{
    if (!optim || !tg__ready(optim->tg)) return false;
    if (!optim->kind->update)
        return tg__fail(optim->tg, TG_ERR_ARGUMENT,
                        "step: %s evaluates the loss more than once; use tg_step_closure",
                        optim->kind->name);
    for (group *g = optim->groups; g; g = g->next)
        for (int i = 0; i < g->n; i++)
            if (is_due(&g->slots[i]) && !prepare_step(optim, g, &g->slots[i])) return false;
    if (optim->tg->watch) return update_watched(optim);
    for (group *g = optim->groups; g; g = g->next)
        for (int i = 0; i < g->n; i++)
            if (is_due(&g->slots[i])) update(optim, &g->slots[i], &g->o);
    return true;
}

bool tg_zero_grad(tg_optim *optim)
{
    if (!optim || !tg__ready(optim->tg)) return false;
    for (const group *g = optim->groups; g; g = g->next)
        for (int i = 0; i < g->n; i++) tg__clear_grad(g->slots[i].param);
    return true;
}

double tg__evaluate(tg_optim *optim, tg_tensor *(*closure)(void *user), void *user)
{
    tg_scope_begin(optim->tg);
    tg_tensor *loss = closure(user);
    if (!loss || loss->context != optim->tg)
        loss = tg__fail(optim->tg, TG_ERR_ARGUMENT, "step_closure: the closure returned %s",
                        loss ? "a tensor of another context" : "NULL");
    const double value = tg_item(loss);
    tg_scope_end(optim->tg);
    return tg__ready(optim->tg) ? value : NAN;
}

double tg_step_closure(tg_optim *optim, tg_tensor *(*closure)(void *user), void *user)
{
    if (!optim || !tg__ready(optim->tg)) return NAN;
    if (!closure)
        return tg__fail(optim->tg, TG_ERR_ARGUMENT, "step_closure: the closure is NULL"), NAN;
    if (optim->kind->minimize) return optim->kind->minimize(optim, closure, user);
    const double loss = tg__evaluate(optim, closure, user);
    return tg_step(optim) ? loss : NAN;
}

/* ---- Groups and learning rates. */

int tg_groups(const tg_optim *optim)
{
    int n = 0;
    for (const group *g = optim ? optim->groups : NULL; g; g = g->next) n++;
    return n;
}

static group *find_group(const tg_optim *optim, int number)
{
    group *g = optim ? optim->groups : NULL;
    for (int i = number; g && i > 0; i--) g = g->next;
    return number < 0 ? NULL : g;
}

double tg_group_lr(const tg_optim *optim, int number)
{
    const group *g = find_group(optim, number);
    return g ? g->o.number[0] : NAN;
}

double tg_lr(const tg_optim *optim)
{
    return tg_group_lr(optim, 0);
}

static bool change_lr(const char *name, tg_optim *optim, group *g, double lr)
{
    any_options o = g->o;
    o.number[0] = lr;
    if (!tg__check_options(optim->tg, name, optim->kind, &o)) return false;
    g->o = o;
    return true;
}

bool tg_set_group_lr(tg_optim *optim, int number, double lr)
{
    if (!optim || !tg__ready(optim->tg)) return false;
    group *g = find_group(optim, number);
    if (!g)
        return tg__fail(optim->tg, TG_ERR_INDEX, "set_group_lr: there is no group %d in %d", number,
                        tg_groups(optim));
    return change_lr("set_group_lr", optim, g, lr);
}

bool tg_set_lr(tg_optim *optim, double lr)
{
    if (!optim || !tg__ready(optim->tg)) return false;
    bool done = optim->groups != NULL;
    for (group *g = optim->groups; g && done; g = g->next) done = change_lr("set_lr", optim, g, lr);
    return done;
}
