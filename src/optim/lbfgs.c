/* Limited-memory BFGS with torch.optim.LBFGS's rules (Nocedal and Wright, Numerical Optimization,
 * algorithms 7.4, 3.5 and 3.6), in float64. */
#include "optim.h"

#include <math.h>
#include <string.h>

/* A trial on the line of the line_search: the step, the loss there, its slope and its gradient. */
typedef struct trial {
    double t, f, slope;
    double *g;
} trial;

typedef struct lbfgs {
    int64_t n;             /* elements of all parameters */
    int64_t history, used; /* pairs that there is room for, and pairs there are, oldest first */
    int64_t iterations;
    double t, scale; /* the last step, and of the first approximation of the inverse Hessian */
    double *x, *d, *g,
        *before;     /* where a line_search begins, its direction; the gradient, there before */
    double *ends[3]; /* gradients that a line_search compares */
    double *changes, *steps; /* of the gradient, of the parameters: history rows */
    double *rho, *alpha;
} lbfgs;

/* What one step works with. */
typedef struct descent {
    tg_optim *optim;
    lbfgs *l;
    const tg_lbfgs_options *o;
    tg_tensor *(*closure)(void *user);
    void *user;
    int64_t evaluations;
} descent;

/* ---- Vectors. */

static double vector_dot(const lbfgs *l, const double *a, const double *b)
{
    double sum;
    pick(0, dot, TG_F64)(l->n, &sum, a, b);
    return sum;
}

/* y += a x */
static void vector_add(const lbfgs *l, double *y, double a, const double *x)
{
    for (int64_t i = 0; i < l->n; i++) y[i] += a * x[i];
}

static void vector_copy(const lbfgs *l, double *y, const double *x)
{
    memcpy(y, x, (size_t)l->n * sizeof *y);
}

static double largest(const lbfgs *l, const double *x)
{
    double most = 0;
    for (int64_t i = 0; i < l->n && !isnan(most); i++)
        if (!(fabs(x[i]) <= most)) most = fabs(x[i]);
    return most;
}

/* ---- Parameters as one vector, and back. */

static bool read_all(const descent *r, bool gradients, double *out)
{
    const group *g = r->optim->groups;
    tg_scope_begin(r->optim->tg);
    for (int i = 0; i < g->n; i++) {
        tg_tensor *p = g->slots[i].param, *t = gradients ? p->grad : p;
        const tg_tensor *dense = t ? tg__dense(t) : NULL;
        if (dense)
            pick(0, to_f64, t->dtype)(p->numel, out, dense->data);
        else
            memset(out, 0, (size_t)p->numel * sizeof *out);
        out += p->numel;
    }
    tg_scope_end(r->optim->tg);
    return tg__ready(r->optim->tg);
}

/* The parameters become x + t d; d NULL: x. */
static void write_all(const descent *r, const double *d, double t)
{
    const lbfgs *l = r->l;
    const group *g = r->optim->groups;
    int64_t at = 0;
    for (int i = 0; i < g->n; i++) {
        const slot *s = &g->slots[i];
        const tg_tensor *to = s->dense ? s->dense : s->param;
        for (int64_t k = 0; k < to->numel; k++, at++) {
            const double value = d ? l->x[at] + t * d[at] : l->x[at];
            if (to->dtype == TG_F32)
                ((float *)to->data)[k] = (float)value;
            else
                ((double *)to->data)[k] = value;
        }
        if (s->dense) tg__copy(s->param, s->dense);
        tg__written(s->param, "step");
    }
}

/* The loss and its gradient with the parameters as they are. */
static bool evaluate_here(descent *r, double *loss, double *g)
{
    *loss = tg__evaluate(r->optim, r->closure, r->user);
    r->evaluations++;
    return read_all(r, true, g);
}

static bool evaluate_at(descent *r, double t, trial *p)
{
    write_all(r, r->l->d, t);
    p->t = t;
    const bool done = evaluate_here(r, &p->f, p->g);
    p->slope = vector_dot(r->l, p->g, r->l->d);
    return done;
}

/* ---- The line line_search. */

/* Where the cubic that has these values and slopes at a and b is least, within bounds. */
static double interpolate(const trial *a, const trial *b, double low, double high)
{
    const double d1 = a->slope + b->slope - 3 * (a->f - b->f) / (a->t - b->t);
    const double square = d1 * d1 - a->slope * b->slope;
    if (!(square >= 0)) return (low + high) / 2;
    const double d2 = sqrt(square);
    const double at =
        a->t <= b->t
            ? b->t - (b->t - a->t) * ((b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2))
            : a->t - (a->t - b->t) * ((a->slope + d2 - d1) / (a->slope - b->slope + 2 * d2));
    return fmin(fmax(at, low), high);
}

static bool falls_enough(const trial *start, const trial *p)
{
    return !(p->f > start->f + 1e-4 * p->t * start->slope);
}

static bool is_flat_enough(const trial *start, const trial *p)
{
    return fabs(p->slope) <= -0.9 * start->slope;
}

enum { MOST_TRIALS = 25 };

/* Takes steps until the minimum is bracketed by a and b, or b will do (then a is b too). start's
 * gradient is kept apart. Trials counts on; -1 on failure. */
static int bracket_minimum(descent *r, const trial *start, double t, trial *a, trial *b)
{
    int trials = 0;
    double *spare = r->l->ends[2];
    *a = *start;
    vector_copy(r->l, r->l->ends[0], start->g);
    a->g = r->l->ends[0];
    b->g = r->l->ends[1];
    for (;; trials++) {
        if (!evaluate_at(r, t, b)) return -1;
        if (trials == MOST_TRIALS) break;
        if (!falls_enough(start, b) || (trials > 1 && b->f >= a->f)) return trials;
        if (is_flat_enough(start, b)) {
            *a = *b;
            return trials;
        }
        if (b->slope >= 0) return trials;
        const double next = interpolate(a, b, t + 0.01 * (t - a->t), t * 10);
        double *old = a->g == r->l->ends[0] || a->g == r->l->ends[1] ? a->g : spare;
        *a = *b;
        b->g = old;
        t = next;
    }
    a->t = 0; /* nothing was found: from the start to here */
    a->f = start->f;
    a->slope = start->slope;
    vector_copy(r->l, a->g, start->g);
    return trials;
}

/* A trial next_trial the ends that is not too near to one of them twice. */
static double next_trial(const trial *a, const trial *b, bool *crowded)
{
    const double low = fmin(a->t, b->t), high = fmax(a->t, b->t), margin = 0.1 * (high - low);
    double t = interpolate(a, b, low, high);
    if (!(fmin(high - t, t - low) < margin)) {
        *crowded = false;
    } else if (*crowded || t >= high || t <= low) {
        t = fabs(t - high) < fabs(t - low) ? high - margin : low + margin;
        *crowded = false;
    } else {
        *crowded = true;
    }
    return t;
}

/* From the gradient g and the loss f at x along d: the step, with g and f as they are there. The
 * parameters are left at the last trial. */
static bool line_search(descent *r, double *t, double *f, double slope)
{
    lbfgs *l = r->l;
    const double width = largest(l, l->d);
    const trial start = {0, *f, slope, l->g};
    trial ends[2];
    int trials = bracket_minimum(r, &start, *t, &ends[0], &ends[1]);
    bool done = ends[0].g == ends[1].g, crowded = false;
    int low = !(ends[0].f <= ends[1].f);
    trial p = {.g = l->ends[2]};
    if (trials < 0) return false;
    while (!done && trials < MOST_TRIALS) {
        if (fabs(ends[1].t - ends[0].t) * width < 1e-9) break;
        if (!evaluate_at(r, next_trial(&ends[0], &ends[1], &crowded), &p)) return false;
        trials++;
        trial *lowest = &ends[low], *highest = &ends[1 - low], *replaced = lowest;
        if (!falls_enough(&start, &p) || p.f >= lowest->f) {
            replaced = highest;
        } else if (is_flat_enough(&start, &p)) {
            done = true;
        } else if (p.slope * (highest->t - lowest->t) >= 0) {
            double *g = highest->g;
            *highest = *lowest;
            lowest->g = g;
        }
        const trial old = *replaced;
        *replaced = p;
        p.g = old.g;
        if (replaced == highest) low = !(ends[0].f <= ends[1].f);
    }
    *t = ends[low].t;
    *f = ends[low].f;
    vector_copy(l, l->g, ends[low].g);
    return true;
}

/* ---- The direction. */

/* Keeps the last change of the gradient, and of the parameters, unless the curvature is lost. */
static void remember_step(lbfgs *l)
{
    if (l->used == l->history) { /* the oldest pair makes room */
        const size_t rest = (size_t)(l->used - 1);
        memmove(l->changes, l->changes + l->n, rest * (size_t)l->n * sizeof(double));
        memmove(l->steps, l->steps + l->n, rest * (size_t)l->n * sizeof(double));
        memmove(l->rho, l->rho + 1, rest * sizeof(double));
        l->used--;
    }
    double *y = l->changes + l->used * l->n, *s = l->steps + l->used * l->n;
    for (int64_t i = 0; i < l->n; i++) {
        y[i] = l->g[i] - l->before[i];
        s[i] = l->d[i] * l->t;
    }
    const double ys = vector_dot(l, y, s);
    l->rho[l->used++] = 1 / ys;
    l->scale = ys / vector_dot(l, y, y);
}

/* Whether the last step tells something of the curvature. */
static bool is_curved(const lbfgs *l)
{
    double ys = 0;
    for (int64_t i = 0; i < l->n; i++) ys += (l->g[i] - l->before[i]) * (l->d[i] * l->t);
    return ys > 1e-10;
}

/* d = - the approximate inverse Hessian times g. */
static void find_direction(lbfgs *l)
{
    double *d = l->d;
    if (l->iterations > 1 && is_curved(l)) remember_step(l);
    for (int64_t i = 0; i < l->n; i++) d[i] = -l->g[i];
    if (l->iterations == 1) return;
    for (int64_t k = l->used - 1; k >= 0; k--) {
        l->alpha[k] = vector_dot(l, l->steps + k * l->n, d) * l->rho[k];
        vector_add(l, d, -l->alpha[k], l->changes + k * l->n);
    }
    for (int64_t i = 0; i < l->n; i++) d[i] *= l->scale;
    for (int64_t k = 0; k < l->used; k++) {
        const double beta = vector_dot(l, l->changes + k * l->n, d) * l->rho[k];
        vector_add(l, d, l->alpha[k] - beta, l->steps + k * l->n);
    }
}

static double first_step(const lbfgs *l)
{
    double sum = 0;
    for (int64_t i = 0; i < l->n; i++) sum += fabs(l->g[i]);
    return fmin(1, 1 / sum);
}

/* One iteration; whether another may follow. */
static bool one_iteration(descent *r, double *loss, bool last)
{
    lbfgs *l = r->l;
    const double before = *loss;
    l->iterations++;
    find_direction(l);
    vector_copy(l, l->before, l->g);
    l->t = (l->iterations == 1 ? first_step(l) : 1) * r->o->lr;
    const double slope = vector_dot(l, l->g, l->d);
    if (slope > -r->o->tolerance_change || !read_all(r, false, l->x)) return false;
    const bool found = !r->o->strong_wolfe || line_search(r, &l->t, loss, slope);
    if (found) write_all(r, l->d, l->t);
    if (!found || (!r->o->strong_wolfe && !last && !evaluate_here(r, loss, l->g))) {
        write_all(r, NULL, 0);
        l->iterations--;
        l->t = 0; /* nothing to remember */
        return false;
    }
    const int64_t most = r->o->max_eval ? r->o->max_eval : r->o->max_iter * 5 / 4;
    return !last && r->evaluations < most && !(largest(l, l->g) <= r->o->tolerance_grad) &&
           !(fabs(l->t) * largest(l, l->d) <= r->o->tolerance_change) &&
           !(fabs(*loss - before) < r->o->tolerance_change);
}

/* ---- The optimiser. */

static bool make_state(tg_optim *optim)
{
    tg_context *tg = optim->tg;
    const group *g = optim->groups;
    const int64_t history = g->o.lbfgs.history_size;
    lbfgs *l = tg__alloc_at(tg, optim->depth, sizeof *l);
    if (!l) return false;
    *l = (lbfgs){.history = history, .scale = 1};
    for (int i = 0; i < g->n; i++) l->n += g->slots[i].param->numel;
    const int64_t vectors = 7 + 2 * history;
    if (!tg__check_shape(tg, "lbfgs", TG_SHAPE(vectors + 1, l->n + 2))) return false;
    const size_t size = (size_t)(vectors * l->n + 2 * history) * sizeof(double);
    double *next = tg__alloc_at(tg, optim->depth, size);
    if (!next) return false;
    double **const own[] = {&l->x, &l->d, &l->g, &l->before, &l->ends[0], &l->ends[1], &l->ends[2]};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++, next += l->n) *own[i] = next;
    l->changes = next;
    l->steps = next + history * l->n;
    l->rho = l->steps + history * l->n;
    l->alpha = l->rho + history;
    optim->extra = l;
    return true;
}

static double lbfgs_minimize(tg_optim *optim, tg_tensor *(*closure)(void *user), void *user)
{
    descent r = {.optim = optim,
                 .l = optim->extra,
                 .o = &optim->groups->o.lbfgs,
                 .closure = closure,
                 .user = user};
    double first;
    const group *g = optim->groups;
    for (int i = 0; i < g->n; i++)
        if (!tg__writable(g->slots[i].param, "step")) return NAN;
    if (!evaluate_here(&r, &first, r.l->g)) return NAN;
    double loss = first;
    bool on = !(largest(r.l, r.l->g) <= r.o->tolerance_grad);
    for (int64_t i = 1; on && i <= r.o->max_iter; i++)
        on = one_iteration(&r, &loss, i == r.o->max_iter);
    return tg__ready(optim->tg) ? first : NAN;
}

static bool check_counts(tg_context *tg, const any_options *o)
{
    const tg_lbfgs_options *l = &o->lbfgs;
    return (l->max_iter > 0 && l->max_iter <= INT32_MAX && l->max_eval >= 0 &&
            l->history_size > 0 && l->history_size <= INT32_MAX) ||
           tg__fail(tg, TG_ERR_ARGUMENT,
                    "lbfgs: max_iter %lld, history_size %lld, max_eval %lld: they must be 1 to "
                    "2147483647, the last not negative",
                    (long long)l->max_iter, (long long)l->history_size, (long long)l->max_eval);
}

static unsigned no_states(const any_options *o)
{
    (void)o;
    return 0;
}

static const optim_kind lbfgs_kind = {.name = "lbfgs",
                                      .defaults.lbfgs = {.lr = 1,
                                                         .tolerance_grad = 1e-7,
                                                         .tolerance_change = 1e-9,
                                                         .max_iter = 20,
                                                         .history_size = 100},
                                      .size = sizeof(tg_lbfgs_options),
                                      .rules = {{"lr", NOT_NEGATIVE},
                                                {"tolerance_grad", NOT_NEGATIVE},
                                                {"tolerance_change", NOT_NEGATIVE}},
                                      .check = check_counts,
                                      .states = no_states,
                                      .prepare = make_state,
                                      .minimize = lbfgs_minimize};
OPTIMISER(lbfgs)
