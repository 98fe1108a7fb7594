/* Schedules of the learning rate, step by step as torch.optim.lr_scheduler computes them. */
#include "optim.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

struct tg_scheduler {
    tg_optim *optim;
    /* The rate of a group, from what it is and what it was at first. */
    double (*rate)(const tg_scheduler *s, double lr, double first);
    int64_t step;
    union {
        struct {
            int64_t period;
            double number; /* gamma, or eta_min */
        };
        tg_one_cycle_options cycle;
        tg_plateau_options plateau;
    };
    double best; /* reduce_lr_on_plateau */
    int64_t bad, cooling;
    int groups;     /* when this was made */
    double first[]; /* rate of each of them, before any schedule */
};

static bool apply(tg_scheduler *s)
{
    int i = 0;
    for (group *g = s->optim->groups; g; g = g->next, i++)
        g->o.number[0] = s->rate(s, g->o.number[0], i < s->groups ? s->first[i] : g->o.number[0]);
    return true;
}

static tg_scheduler *make_scheduler(tg_optim *optim,
                                    double (*rate)(const tg_scheduler *s, double lr, double first))
{
    if (!optim || !tg__ready(optim->tg)) return NULL;
    const size_t firsts = tg__bytes(tg_groups(optim), sizeof(double));
    tg_scheduler *s = tg__alloc(optim->tg, sizeof *s + firsts);
    if (!s) return NULL;
    *s = (tg_scheduler){.optim = optim, .rate = rate};
    for (const group *g = optim->groups; g; g = g->next)
        s->first[s->groups++] = isnan(g->initial_lr) ? g->o.number[0] : g->initial_lr;
    return s;
}

static bool check_finite(tg_context *tg, const char *op, const char *what, double number)
{
    return isfinite(number) ||
           tg__fail(tg, TG_ERR_ARGUMENT, "%s: %s is %g, but must be finite", op, what, number);
}

static tg_scheduler *make_periodic(tg_optim *optim, int64_t period, double number,
                                   double (*rate)(const tg_scheduler *s, double lr, double first))
{
    tg_scheduler *s = make_scheduler(optim, rate);
    if (!s) return NULL;
    const double *first = s->first;
    for (group *g = optim->groups; g; g = g->next) g->initial_lr = *first++;
    s->period = period;
    s->number = number;
    return s;
}

static double step_rate(const tg_scheduler *s, double lr, double first)
{
    (void)first;
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

/* From the rate before, so that it can be changed from outside. */
static double cosine_rate(const tg_scheduler *s, double lr, double first)
{
    const double period = (double)s->period, step = (double)s->step, least = s->number;
    if ((s->step - 1 - s->period) % (2 * s->period) == 0)
        return lr + (first - least) * (1 - cos(pi / period)) / 2;
    return (1 + cos(pi * step / period)) / (1 + cos(pi * (step - 1) / period)) * (lr - least) +
           least;
}

/* At eta_min, where another such schedule may have ended, the recursion in cosine_rate would stay,
 * so the rate starts from the one before the first schedule. */
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

static double anneal(const tg_one_cycle_options *o, double start, double end, double share)
{
    if (o->linear) return (end - start) * share + start;
    return end + (start - end) / 2 * (cos(pi * share) + 1);
}

/* The phase that the step is in, and how far. */
static int phase_of(const tg_scheduler *s, double *share)
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
    *share = ends[phase] > start ? (step - start) / (ends[phase] - start) : 1;
    return phase;
}

static double cycle_rate(const tg_scheduler *s, double lr, double first)
{
    const tg_one_cycle_options *o = &s->cycle;
    const double low = o->max_lr / o->div_factor, least = low / o->final_div_factor;
    double share;
    const int phase = phase_of(s, &share);
    (void)lr, (void)first;
    if (phase == 0) return anneal(o, low, o->max_lr, share);
    if (phase == 1) return anneal(o, o->max_lr, low, share);
    return anneal(o, o->three_phase ? low : o->max_lr, least, share);
}

static void cycle_momentum(const tg_scheduler *s)
{
    const tg_one_cycle_options *o = &s->cycle;
    double share, value = o->max_momentum;
    const int phase = phase_of(s, &share);
    if (!o->cycle_momentum) return;
    if (phase == 0) value = anneal(o, o->max_momentum, o->base_momentum, share);
    if (phase == 1 || (phase == 2 && !o->three_phase))
        value = anneal(o, o->base_momentum, o->max_momentum, share);
    for (group *g = s->optim->groups; g; g = g->next) g->o.number[s->optim->kind->momentum] = value;
}

/* Whether this member is positive and finite; 0 has a cure. */
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
    return apply(s) ? s : NULL;
}

/* ---- Plateaus. */

tg_plateau_options tg_plateau_defaults(void)
{
    return (tg_plateau_options){TG_PLATEAU_DEFAULTS};
}

static double plateau_rate(const tg_scheduler *s, double lr, double first)
{
    const double lower = fmax(lr * s->plateau.factor, s->plateau.min_lr);
    (void)first;
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
    s->bad = better ? 0 : s->bad + 1;
    if (s->cooling > 0) {
        s->cooling--;
        s->bad = 0;
    }
    if (s->bad <= s->plateau.patience) return true;
    s->cooling = s->plateau.cooldown;
    s->bad = 0;
    return apply(s);
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
    return apply(s);
}
