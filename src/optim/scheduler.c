/* Schedules of the learning rate. Each computes the next rate from the rate before, as
 * torch.optim.lr_scheduler does, so that the digits are the same. */
#include "optim.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

struct tg_scheduler {
    tg_optim *optim;
    /* The next learning rate of a group, from its present rate and its rate before any schedule. */
    double (*rate)(const tg_scheduler *s, double lr, double base_lr);
    int64_t step; /* how many steps were taken */
    union {
        struct {
            int64_t period; /* step_size, 1 or T_max */
            double number;  /* gamma, or eta_min of cosine_annealing_lr */
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
static tg_scheduler *make_periodic(tg_optim *optim, int64_t period, double number,
                                   double (*rate)(const tg_scheduler *s, double lr, double base_lr))
{
    tg_scheduler *s = make_scheduler(optim, rate);
    if (!s) return NULL;
    const double *base_lr = s->base_lr;
    for (group *g = optim->groups; g; g = g->next) g->initial_lr = *base_lr++;
    s->period = period;
    s->number = number;
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
    return make_periodic(optim, step_size, gamma, step_rate);
}

tg_scheduler *tg_exponential_lr(tg_optim *optim, double gamma)
{
    if (!optim || !check_finite(optim->tg, "exponential_lr", "gamma", gamma)) return NULL;
    return make_periodic(optim, 1, gamma, step_rate);
}

/* The recursion of PyTorch's CosineAnnealingLR. It continues from the present rate, which the
 * program may have changed. */
static double cosine_rate(const tg_scheduler *s, double lr, double base_lr)
{
    const double period = (double)s->period, step = (double)s->step, least = s->number;
    if ((s->step - 1 - s->period) % (2 * s->period) == 0)
        return lr + (base_lr - least) * (1 - cos(pi / period)) / 2;
    return (1 + cos(pi * step / period)) / (1 + cos(pi * (step - 1) / period)) * (lr - least) +
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
    tg_scheduler *s = make_periodic(optim, T_max, eta_min, cosine_rate);
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
static double anneal(const tg_one_cycle_options *o, double start, double end, double fraction)
{
    if (o->linear) return (end - start) * fraction + start;
    return end + (start - end) / 2 * (cos(pi * fraction) + 1);
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
    if (phase == 0) return anneal(o, low, o->max_lr, fraction);
    if (phase == 1) return anneal(o, o->max_lr, low, fraction);
    return anneal(o, o->three_phase ? low : o->max_lr, least, fraction);
}

/* Sets the momentum, which falls while the rate rises and rises while it falls. */
static void cycle_momentum(const tg_scheduler *s)
{
    const tg_one_cycle_options *o = &s->cycle;
    double fraction, value = o->max_momentum;
    const int phase = phase_of(s, &fraction);
    if (!o->cycle_momentum) return;
    if (phase == 0) value = anneal(o, o->max_momentum, o->base_momentum, fraction);
    if (phase == 1 || (phase == 2 && !o->three_phase))
        value = anneal(o, o->base_momentum, o->max_momentum, fraction);
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
