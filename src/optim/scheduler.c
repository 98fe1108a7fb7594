/* Schedules of the learning rate. Each computes the next rate from the rate before, as
 * torch.optim.lr_scheduler does, so that the digits are the same. */
#include "../state/exchange.h"
#include "optim.h"

#include <float.h>
#include <math.h>

static const double pi = 3.14159265358979323846;

struct tg_scheduler {
    tg_optim *optim;
    /* The next learning rate of a group, from its present rate and its rate before any schedule. */
    double (*rate)(const tg_scheduler *s, double lr, double base_lr);
    int64_t step; /* how many steps were taken */
    union {
        struct {
            int64_t period;                        /* step_size, 1 or T_max */
            double number;                         /* gamma, or eta_min of cosine_annealing_lr */
            const char *period_name, *number_name; /* PyTorch's, in a state; a period of 1 that the
                                                      caller did not give has none */
        };
        tg_one_cycle_options cycle;
        tg_plateau_options plateau;
    };
    double best; /* the best metric so far; this and the next line are for reduce_lr_on_plateau */
    int64_t num_bad_epochs, cooldown_counter; /* as PyTorch calls them */
    int groups;       /* how many groups the optimiser had when the schedule was made */
    double base_lr[]; /* for each of these groups, the rate before any schedule */
};

static bool set_rates(tg_scheduler *s)
{
    int i = 0;
    for (group *g = s->optim->groups; g; g = g->next, i++)
        g->o.number[0] = s->rate(s, g->o.number[0], i < s->groups ? s->base_lr[i] : g->o.number[0]);
    return true;
}

static tg_scheduler *make_scheduler(tg_optim *optim, double (*rate)(const tg_scheduler *s,
                                                                    double lr, double base_lr))
{
    if (!optim || !tg__ready(optim->tg)) return NULL;
    const size_t bytes = tg__bytes(tg_groups(optim), sizeof(double));
    tg_scheduler *s = tg__alloc(optim->tg, sizeof *s + bytes);
    if (!s) return NULL;
    *s = (tg_scheduler){.optim = optim, .rate = rate};
    for (const group *g = optim->groups; g; g = g->next)
        s->base_lr[s->groups++] = isnan(g->initial_lr) ? g->o.number[0] : g->initial_lr;
    return s;
}

static bool check_finite(tg_context *tg, const char *op, const char *what, double number)
{
    return isfinite(number) ||
           tg__fail(tg, TG_ERR_ARGUMENT, "%s: %s is %g, but must be finite", op, what, number);
}

/* A schedule with a period. It also makes base_lr the rate that later schedules begin from. */
static tg_scheduler *make_periodic(tg_optim *optim, const char *period_name, int64_t period,
                                   const char *number_name, double number,
                                   double (*rate)(const tg_scheduler *s, double lr, double base_lr))
{
    tg_scheduler *s = make_scheduler(optim, rate);
    if (!s) return NULL;
    const double *base_lr = s->base_lr;
    for (group *g = optim->groups; g; g = g->next) g->initial_lr = *base_lr++;
    s->period = period;
    s->number = number;
    s->period_name = period_name;
    s->number_name = number_name;
    return s;
}

static double step_rate(const tg_scheduler *s, double lr, double base_lr)
{
    (void)base_lr;
    return s->step % s->period ? lr : lr * s->number;
}

tg_scheduler *tg_step_lr(tg_optim *optim, int64_t step_size, double gamma)
{
    const char op[] = "step_lr";
    if (!optim || !tg__check_number(optim->tg, op, "step_size", step_size, 1, INT32_MAX, NULL) ||
        !check_finite(optim->tg, op, "gamma", gamma))
        return NULL;
    return make_periodic(optim, "step_size", step_size, "gamma", gamma, step_rate);
}

tg_scheduler *tg_exponential_lr(tg_optim *optim, double gamma)
{
    if (!optim || !check_finite(optim->tg, "exponential_lr", "gamma", gamma)) return NULL;
    return make_periodic(optim, NULL, 1, "gamma", gamma, step_rate);
}

/* The library's own cosine, as that of libm differs from machine to machine. */
static double cosine(const tg_scheduler *s, double angle)
{
    pick(s->optim->tg->level, cos, TG_F64)(1, &angle, &angle);
    return angle;
}

/* The recursion of PyTorch's CosineAnnealingLR. It continues from the present rate, which the
 * program may have changed. */
static double cosine_rate(const tg_scheduler *s, double lr, double base_lr)
{
    const double period = (double)s->period, step = (double)s->step, least = s->number;
    if ((s->step - 1 - s->period) % (2 * s->period) == 0)
        return lr + (base_lr - least) * (1 - cosine(s, pi / period)) / 2;
    return (1 + cosine(s, pi * step / period)) / (1 + cosine(s, pi * (step - 1) / period)) *
               (lr - least) +
           least;
}

/* A rate that is eta_min already, as after another such schedule, would stay there for ever,
 * because cosine_rate multiplies its distance from eta_min. Such a rate is set to the one before
 * the first schedule. */
tg_scheduler *tg_cosine_annealing_lr(tg_optim *optim, int64_t T_max, double eta_min)
{
    const char op[] = "cosine_annealing_lr";
    if (!optim || !tg__check_number(optim->tg, op, "T_max", T_max, 1, INT32_MAX, NULL) ||
        !check_finite(optim->tg, op, "eta_min", eta_min))
        return NULL;
    tg_scheduler *s = make_periodic(optim, "T_max", T_max, "eta_min", eta_min, cosine_rate);
    for (group *g = s ? optim->groups : NULL; g; g = g->next)
        if (g->o.number[0] == eta_min) g->o.number[0] = g->initial_lr;
    return s;
}

/* ---- One cycle. */

tg_one_cycle_options tg_one_cycle_defaults(double max_lr, int64_t total_steps)
{
    return (tg_one_cycle_options){TG_ONE_CYCLE_DEFAULTS, .max_lr = max_lr,
                                  .total_steps = total_steps};
}

/* The value after that fraction of a phase, in which it moves from start to end on half a wave of a
 * cosine or on a line. */
static double anneal(const tg_scheduler *s, double start, double end, double fraction)
{
    if (s->cycle.linear) return (end - start) * fraction + start;
    return end + (start - end) / 2 * (cosine(s, pi * fraction) + 1);
}

/* The phase of the cycle that the step is in: 0 rises to max_lr, 1 (with three_phase only) falls
 * back to the rate at the start, and 2 falls to the least rate. *fraction becomes the part of the
 * phase that has passed. */
static int phase_of(const tg_scheduler *s, double *fraction)
{
    const tg_one_cycle_options *o = &s->cycle;
    const double total = (double)o->total_steps, step = (double)s->step;
    const double ends[] = {o->pct_start * total - 1, 2 * o->pct_start * total - 2, total - 1};
    int phase = 0;
    double start = 0;
    while (phase < 2 && step > ends[phase]) {
        start = ends[phase];
        phase += phase == 0 && !o->three_phase ? 2 : 1;
    }
    *fraction = ends[phase] > start ? (step - start) / (ends[phase] - start) : 1;
    return phase;
}

static double cycle_rate(const tg_scheduler *s, double lr, double base_lr)
{
    const tg_one_cycle_options *o = &s->cycle;
    const double low = o->max_lr / o->div_factor, least = low / o->final_div_factor;
    double fraction;
    const int phase = phase_of(s, &fraction);
    (void)lr, (void)base_lr;
    if (phase == 0) return anneal(s, low, o->max_lr, fraction);
    if (phase == 1) return anneal(s, o->max_lr, low, fraction);
    return anneal(s, o->three_phase ? low : o->max_lr, least, fraction);
}

/* Sets the momentum, which falls while the rate rises and rises while it falls. */
static void cycle_momentum(const tg_scheduler *s)
{
    const tg_one_cycle_options *o = &s->cycle;
    double fraction, value = o->max_momentum;
    const int phase = phase_of(s, &fraction);
    if (!o->cycle_momentum) return;
    if (phase == 0) value = anneal(s, o->max_momentum, o->base_momentum, fraction);
    if (phase == 1 || (phase == 2 && !o->three_phase))
        value = anneal(s, o->base_momentum, o->max_momentum, fraction);
    for (group *g = s->optim->groups; g; g = g->next) g->o.number[s->optim->kind->momentum] = value;
}

/* Whether this member of the options is positive and finite; else records the error. If the member
 * is 0, as one that was left out of a literal, the message ends with `cure`. */
static bool check_positive(tg_context *tg, const char *member, double x, const char *cure)
{
    return (isfinite(x) && x > 0) ||
           tg__fail(tg, TG_ERR_ARGUMENT, "one_cycle_lr: %s is %g, but must be positive%s%s%s",
                    member, x, isfinite(x) ? "" : " and finite", x == 0 ? "; " : "",
                    x == 0 ? cure : "");
}

static bool check_momentum(tg_context *tg, const char *member, double x)
{
    return (x >= 0 && x < 1) ||
           tg__fail(tg, TG_ERR_ARGUMENT, "one_cycle_lr: %s is %g, but must lie in [0, 1)", member,
                    x);
}

static bool check_cycle(const tg_optim *optim, const tg_one_cycle_options *o)
{
    static const char set[] = "it has no default, so set it",
                      begin[] = "TG_ONE_CYCLE and tg_one_cycle_defaults() set it";
    tg_context *tg = optim->tg;
    if (!check_positive(tg, "max_lr", o->max_lr, set) ||
        !tg__check_number(tg, "one_cycle_lr", "total_steps", o->total_steps, 1, INT64_MAX, set) ||
        !check_positive(tg, "div_factor", o->div_factor, begin) ||
        !check_positive(tg, "final_div_factor", o->final_div_factor, begin))
        return false;
    if (!(o->pct_start >= 0 && o->pct_start <= 1))
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "one_cycle_lr: pct_start is %g, but must lie in [0, 1]", o->pct_start);
    if (!o->cycle_momentum) return true;
    if (!check_momentum(tg, "base_momentum", o->base_momentum) ||
        !check_momentum(tg, "max_momentum", o->max_momentum))
        return false;
    for (const group *g = optim->groups; g; g = g->next)
        if (!optim->kind->momentum || g->o.number[optim->kind->momentum] == 0)
            return tg__fail(tg, TG_ERR_ARGUMENT,
                            "one_cycle_lr: %s has no momentum to cycle; set cycle_momentum false",
                            optim->kind->name);
    return true;
}

tg_scheduler *tg_one_cycle_lr(tg_optim *optim, const tg_one_cycle_options *options)
{
    if (!optim) return NULL;
    if (!options)
        return tg__fail(optim->tg, TG_ERR_ARGUMENT,
                        "one_cycle_lr: the options are NULL, but max_lr and total_steps have no "
                        "default; give TG_ONE_CYCLE(.max_lr = 0.1, .total_steps = 500)");
    tg_scheduler *s = check_cycle(optim, options) ? make_scheduler(optim, cycle_rate) : NULL;
    if (!s) return NULL;
    s->cycle = *options;
    for (group *g = optim->groups; g; g = g->next)
        g->initial_lr = options->max_lr / options->div_factor;
    cycle_momentum(s);
    return set_rates(s) ? s : NULL;
}

/* ---- Plateaus. */

tg_plateau_options tg_plateau_defaults(void)
{
    return (tg_plateau_options){TG_PLATEAU_DEFAULTS};
}

static double plateau_rate(const tg_scheduler *s, double lr, double base_lr)
{
    const double lower = fmax(lr * s->plateau.factor, s->plateau.min_lr);
    (void)base_lr;
    return lr - lower > s->plateau.eps ? lower : lr;
}

tg_scheduler *tg_reduce_lr_on_plateau(tg_optim *optim, const tg_plateau_options *options)
{
    const tg_plateau_options o = options ? *options : tg_plateau_defaults();
    if (optim && !(o.factor >= 0 && o.factor < 1))
        return tg__fail(optim->tg, TG_ERR_ARGUMENT,
                        "reduce_lr_on_plateau: the factor %g does not lie in [0, 1)", o.factor);
    tg_scheduler *s = make_scheduler(optim, plateau_rate);
    if (!s) return NULL;
    s->plateau = o;
    s->best = o.max ? -INFINITY : INFINITY;
    return s;
}

static bool is_better(const tg_scheduler *s, double metric)
{
    const tg_plateau_options *o = &s->plateau;
    const double by = o->max ? o->threshold : -o->threshold;
    const double bound = o->absolute ? s->best + by : s->best * (1 + by);
    return o->max ? metric > bound : metric < bound;
}

bool tg_scheduler_step_metric(tg_scheduler *s, double metric)
{
    if (!s || !tg__ready(s->optim->tg)) return false;
    if (s->rate != plateau_rate)
        return tg__fail(s->optim->tg, TG_ERR_ARGUMENT,
                        "scheduler_step_metric: this schedule takes no metric; use "
                        "tg_scheduler_step");
    const bool better = is_better(s, metric);
    s->step++;
    if (better) s->best = metric;
    s->num_bad_epochs = better ? 0 : s->num_bad_epochs + 1;
    if (s->cooldown_counter > 0) {
        s->cooldown_counter--;
        s->num_bad_epochs = 0;
    }
    if (s->num_bad_epochs <= s->plateau.patience) return true;
    s->cooldown_counter = s->plateau.cooldown;
    s->num_bad_epochs = 0;
    return set_rates(s);
}

bool tg_scheduler_step(tg_scheduler *s)
{
    if (!s || !tg__ready(s->optim->tg)) return false;
    tg_context *tg = s->optim->tg;
    if (s->rate == plateau_rate)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "scheduler_step: reduce_lr_on_plateau wants a metric; use "
                        "tg_scheduler_step_metric");
    if (s->rate == cycle_rate && s->step >= s->cycle.total_steps)
        return tg__fail(tg, TG_ERR_ARGUMENT, "scheduler_step: one_cycle_lr has only %lld steps",
                        (long long)s->cycle.total_steps);
    s->step++;
    if (s->rate == cycle_rate) cycle_momentum(s);
    return set_rates(s);
}

/* ---- State, under the names of PyTorch. */

/* Ignores what PyTorch's schedules remember and those of the library do not need. */
static void ignore_bookkeeping(exchange *x, int groups)
{
    static const char *const names[] = {"verbose",
                                        "_step_count",
                                        "_get_lr_called_within_step",
                                        "_is_initial",
                                        "use_beta1",
                                        "mode_worse",
                                        "cycle_momentum",
                                        "_schedule_phases.0.end_step",
                                        "_schedule_phases.1.end_step",
                                        "_schedule_phases.2.end_step"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) tg__exchange_ignores(x, names[i]);
    for (int i = 0; i < groups; i++) {
        tg__exchange_ignores(x, tg__exchange_name(x, "_last_lr.%d", i));
        tg__exchange_ignores(x, tg__exchange_name(x, "min_lrs.%d", i + 1));
    }
}

static void exchange_plateau(exchange *x, tg_scheduler *s)
{
    tg_plateau_options *o = &s->plateau;
    tg__exchange_number(x, "factor", TG_F64, &o->factor, 0, 1 - DBL_EPSILON / 2);
    tg__exchange_number(x, "min_lrs.0", TG_F64, &o->min_lr, -DBL_MAX, DBL_MAX);
    tg__exchange_number(x, "patience", TG_I64, &o->patience, -0x1p63, 0x1p63);
    tg__exchange_number(x, "cooldown", TG_I64, &o->cooldown, -0x1p63, 0x1p63);
    tg__exchange_number(x, "threshold", TG_F64, &o->threshold, -DBL_MAX, DBL_MAX);
    tg__exchange_number(x, "eps", TG_F64, &o->eps, -DBL_MAX, DBL_MAX);
    tg__exchange_text(x, "mode", o->max ? "max" : "min");
    tg__exchange_text(x, "threshold_mode", o->absolute ? "abs" : "rel");
    tg__exchange_number(x, "best", TG_F64, &s->best, -INFINITY, INFINITY);
    tg__exchange_number(x, "num_bad_epochs", TG_I64, &s->num_bad_epochs, 0, 0x1p53);
    tg__exchange_number(x, "cooldown_counter", TG_I64, &s->cooldown_counter, -0x1p63, 0x1p63);
}

static void exchange_base_rates(exchange *x, tg_scheduler *s)
{
    for (int i = 0; i < s->groups; i++) {
        double rate = s->base_lr[i];
        tg__exchange_number(x, tg__exchange_name(x, "base_lrs.%d", i), TG_F64, &rate, -DBL_MAX,
                            DBL_MAX);
        if (x->phase == TAKING) s->base_lr[i] = rate;
    }
}

static void walk_scheduler(exchange *x, void *object)
{
    tg_scheduler *s = object, next = *s;
    double most = 0x1p53; /* of a step, to which one can be added */
    if (s->rate == plateau_rate) {
        exchange_plateau(x, &next);
    } else if (s->rate == cycle_rate) {
        tg__exchange_number(x, "total_steps", TG_I64, &next.cycle.total_steps, 1, 0x1p63);
        most = fmin(most, (double)next.cycle.total_steps);
    } else {
        if (s->period_name)
            tg__exchange_number(x, s->period_name, TG_I64, &next.period, 1, INT32_MAX);
        tg__exchange_number(x, s->number_name, TG_F64, &next.number, -DBL_MAX, DBL_MAX);
    }
    tg__exchange_number(x, "last_epoch", TG_I64, &next.step, 0, most);
    if (s->rate != plateau_rate) exchange_base_rates(x, s);
    ignore_bookkeeping(x, s->groups);
    if (x->phase == TAKING) *s = next;
}

tg_state *tg_scheduler_state_dict(const tg_scheduler *scheduler)
{
    return scheduler ? tg__tell_state(scheduler->optim->tg, "scheduler_state_dict", walk_scheduler,
                                      scheduler)
                     : NULL;
}

bool tg_scheduler_load_state_dict(tg_scheduler *scheduler, const tg_state *state)
{
    static const char op[] = "scheduler_load_state_dict";
    if (scheduler)
        return tg__take_state(scheduler->optim->tg, op, walk_scheduler, scheduler, state,
                              TAKE_EXACTLY);
    return state ? tg__fail(state->context, TG_ERR_ARGUMENT, "%s: the schedule is NULL", op)
                 : false;
}
