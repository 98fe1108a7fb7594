/* The state of optimisers, as PyTorch's optimizer.state_dict() has it: parameters are numbered
 * through all groups. */
#include "../state/exchange.h"
#include "lbfgs.h"
#include "optim.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char *group_name(exchange *x, int number, const char *name)
{
    return tg__exchange_name(x, "param_groups.%d.%s", number, name);
}

static const char *slot_name(exchange *x, int number, const char *name)
{
    return tg__exchange_name(x, "state.%d.%s", number, name);
}

/* Whether the list that was given has a state of the parameter. */
static bool has_slot(exchange *x, const optim_kind *kind, int number)
{
    bool has = tg__exchange_has(x, slot_name(x, number, "step"));
    for (int k = 0; k < OPTIM_STATES; k++)
        if (kind->state_names[k])
            has |= tg__exchange_has(x, slot_name(x, number, kind->state_names[k]));
    return has;
}

/* The states that are exchanged: those that the options ask for, and the buffer of a momentum that
 * a schedule has made 0 for a while, which PyTorch keeps, too. */
static unsigned states_of(exchange *x, const optim_kind *kind, const any_options *o, const slot *s,
                          int number)
{
    unsigned states = kind->states(o);
    for (int k = 0; k < OPTIM_STATES; k++) {
        const char *name = kind->state_names[k];
        if (!name || strcmp(name, "momentum_buffer") != 0) continue;
        if (x->phase == TELLING ? s->state[k] != NULL
                                : tg__exchange_has(x, slot_name(x, number, name)))
            states |= 1u << k;
    }
    return states;
}

/* Exchanges the number of updates, as a floating scalar, to which PyTorch's optimisers can add 1.
 * PyTorch's SGD does not count updates: a state of it only tells that there was one, and 1 is
 * returned. */
static int64_t exchange_steps(exchange *x, const optim_kind *kind, const slot *s, int number)
{
    double steps = (double)s->steps;
    if (!kind->counts_steps) return 1;
    const char *name = slot_name(x, number, "step");
    tg__exchange_number(x, name, TG_F64, &steps, 0, 0x1p53);
    if (steps != floor(steps)) tg__exchange_note(x, WRONG, "%s is not whole", name);
    return (int64_t)steps;
}

/* A parameter that has not been updated has no state; where the list has none, the state becomes
 * what it is before the first update. */
static void exchange_slot(exchange *x, const tg_optim *optim, const any_options *o, slot *s,
                          int number)
{
    const optim_kind *kind = optim->kind;
    const unsigned states = states_of(x, kind, o, s, number);
    const bool exists = x->phase == TELLING ? s->steps > 0 : has_slot(x, kind, number);
    if ((exists || s->filled) && x->phase == CHECKING && !tg__fill_slot(optim, s, states)) return;
    const int64_t steps = exists ? exchange_steps(x, kind, s, number) : 0;
    for (int k = 0; k < OPTIM_STATES; k++) {
        if (!s->state[k]) continue;
        if (exists && states & 1u << k)
            tg__exchange_tensor(x, slot_name(x, number, kind->state_names[k]), s->state[k]);
        else if (x->phase == TAKING)
            tg__fill(s->state[k], 0);
    }
    if (x->phase == TAKING) s->steps = steps;
}

/* Options that only newer versions of PyTorch have, or only its schedules. None changes a step
 * here. */
static void ignore_options(exchange *x, int number)
{
    static const char *const names[] = {"foreach", "fused",  "capturable",   "differentiable",
                                        "max_lr",  "min_lr", "max_momentum", "base_momentum"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        tg__exchange_ignores(x, group_name(x, number, names[i]));
}

/* As PyTorch does, stores the number that a max_eval of 0 stands for. PyTorch's line_search_fn is
 * the text strong_wolfe or None; as None is left out of a file, a list without the text leaves the
 * option as it is. */
static void exchange_lbfgs_options(exchange *x, tg_lbfgs_options *o, int number)
{
    const char *name = group_name(x, number, "line_search_fn");
    const char *search = "strong_wolfe";
    if (x->phase != TELLING || o->strong_wolfe) tg__exchange_text(x, name, search);
    if (tg_state_text(x->state, name)) o->strong_wolfe = true;
    if (o->max_eval == 0) o->max_eval = o->max_iter * 5 / 4;
    tg__exchange_number(x, group_name(x, number, "max_iter"), TG_I64, &o->max_iter, 1, INT32_MAX);
    tg__exchange_number(x, group_name(x, number, "max_eval"), TG_I64, &o->max_eval, 0, 0x1p63);
    tg__exchange_number(x, group_name(x, number, "history_size"), TG_I64, &o->history_size, 1,
                        INT32_MAX);
}

/* From version 2.7 on, PyTorch's AdamW is an Adam with this flag. */
static void check_decoupled(exchange *x, const optim_kind *kind, int number)
{
    const char *name = group_name(x, number, "decoupled_weight_decay");
    const bool is_adamw = !strcmp(kind->name, "adamw");
    bool decoupled = is_adamw;
    if (x->phase != CHECKING || !tg__exchange_has(x, name)) return;
    tg__exchange_number(x, name, TG_BOOL, &decoupled, 0, 1);
    if (decoupled != is_adamw)
        tg__exchange_note(x, WRONG, "%s is of the other one of adam and adamw", name);
}

static void exchange_options(exchange *x, const optim_kind *kind, any_options *o, int number)
{
    for (int i = 0; i < OPTIM_NUMBERS && kind->rules[i].name; i++) {
        const char *name = kind->rules[i].name;
        if (!strcmp(name, "beta1")) name = "betas.0";
        if (!strcmp(name, "beta2")) name = "betas.1";
        tg__exchange_number(x, group_name(x, number, name), TG_F64, &o->number[i], -INFINITY,
                            INFINITY);
    }
    for (int i = 0; i < OPTIM_FLAGS && kind->flags[i].name; i++)
        tg__exchange_number(x, group_name(x, number, kind->flags[i].name), TG_BOOL,
                            (bool *)((char *)o + kind->flags[i].offset), 0, 1);
    if (kind->minimize) exchange_lbfgs_options(x, &o->lbfgs, number);
}

/* The numbers of the parameters, from `first` on, which PyTorch needs, and their names. A list that
 * was given may lack either. Names that differ are an error, since parameters would be mixed up. */
static void exchange_parameters(exchange *x, const group *g, int number, int first)
{
    const char *name = group_name(x, number, "params");
    tg_tensor *numbers = x->phase == TELLING ? tg__new_at(x->tg, tg__state_depth(x->state), TG_I64,
                                                          1, (int64_t[]){g->n})
                                             : NULL;
    if (numbers) tg__state_add(x->op, x->state, name, numbers);
    tg__exchange_ignores(x, name);
    for (int i = 0; i < g->n; i++) {
        if (numbers) ((int64_t *)numbers->data)[i] = first + i;
        tg__exchange_ignores(x, tg__exchange_name(x, "param_groups.%d.params.%d", number, i));
        tg__exchange_text(x, tg__exchange_name(x, "param_groups.%d.param_names.%d", number, i),
                          g->names ? g->names[i] : NULL);
    }
}

static void exchange_group(exchange *x, const tg_optim *optim, group *g, int number, int first)
{
    const optim_kind *kind = optim->kind;
    const char *name = group_name(x, number, "initial_lr");
    any_options o = g->o;
    double initial_lr = g->initial_lr;
    if (x->phase == TELLING ? !isnan(initial_lr) : tg__exchange_has(x, name))
        tg__exchange_number(x, name, TG_F64, &initial_lr, -DBL_MAX, DBL_MAX);
    else
        initial_lr = NAN;
    exchange_options(x, kind, &o, number);
    exchange_parameters(x, g, number, first);
    ignore_options(x, number);
    check_decoupled(x, kind, number);
    if (x->phase == CHECKING && x->found[WRONG].n == 0 && x->found[MISSING].n == 0 &&
        !tg__check_options(x->tg, x->op, kind, &o))
        return;
    for (int i = 0; i < g->n; i++) exchange_slot(x, optim, &o, &g->slots[i], first + i);
    if (kind->minimize) tg__exchange_lbfgs(x, (tg_optim *)(uintptr_t)optim, &o.lbfgs);
    if (x->phase != TAKING) return;
    g->o = o;
    g->initial_lr = initial_lr;
}

static void walk_optim(exchange *x, void *object)
{
    const tg_optim *optim = object;
    int number = 0, first = 0;
    for (group *g = optim->groups; g; first += g->n, g = g->next)
        exchange_group(x, optim, g, number++, first);
}

tg_state *tg_optim_state_dict(const tg_optim *optim)
{
    return optim ? tg__tell_state(optim->tg, "optim_state_dict", walk_optim, optim) : NULL;
}

bool tg_optim_load_state_dict(tg_optim *optim, const tg_state *state)
{
    static const char op[] = "optim_load_state_dict";
    if (optim) return tg__take_state(optim->tg, op, walk_optim, optim, state, TAKE_EXACTLY);
    return state ? tg__fail(state->context, TG_ERR_ARGUMENT, "%s: the optimiser is NULL", op)
                 : false;
}
