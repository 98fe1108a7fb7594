/* Limited-memory BFGS with torch.optim.LBFGS's rules (Nocedal and Wright, Numerical Optimization,
 * algorithms 7.4, 3.5 and 3.6), in float64. */
#include "optim.h"

#include <math.h>
#include <string.h>

/* A trial of the line search: its step t, and the loss f, slope and gradient there. */
typedef struct trial {
    double t, f, slope;
    double *g;
    bool finite; /* whether the loss and the gradient are finite */
} trial;

/* The approximation of the curvature: pairs of a change of the gradient and a change of the
 * parameters, each in a row of `changes` and `steps`. order holds the row numbers of the pairs, the
 * oldest first, and after these the numbers of the free rows. */
typedef struct curvature {
    int64_t *order, used;
    double scale; /* of the first approximation of the inverse Hessian */
    int64_t iterations;
} curvature;

typedef struct lbfgs {
    int64_t n;               /* elements of the parameters */
    int64_t history, rows;   /* most pairs in use, and pairs there is room for */
    curvature now, begun;    /* begun: before the step under way; undo_step restores it */
    int64_t fresh;           /* pairs stored since the step under way began */
    double t;                /* the last step */
    bool left;               /* the last step ended at x + t d without evaluating the loss there */
    double *x, *d;           /* where the iteration begins, and its direction */
    double *g, *before;      /* the gradient, and that at the begin of the previous iteration */
    double *start;           /* the parameters before the step under way */
    double *ends[3];         /* the gradients of trials of the line search */
    double *changes, *steps; /* of the gradient, of the parameters: a row for each pair */
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
    bool went_back; /* go_back has reported a loss or gradient that is not finite */
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

/* Copies all parameters, or their gradients, to out as one vector of doubles. A parameter that was
 * frozen when the optimiser was made has a slot that is not filled, and no place in the vectors. */
static bool read_all(const descent *r, bool gradients, double *out)
{
    const group *g = r->optim->groups;
    tg_scope_begin(r->optim->tg);
    for (int i = 0; i < g->n; i++) {
        if (!g->slots[i].filled) continue;
        tg_tensor *p = g->slots[i].param, *t = !gradients ? p : p->requires_grad ? p->grad : NULL;
        const tg_tensor *contiguous = t ? tg__contiguous(t) : NULL;
        if (contiguous)
            pick(0, to_f64, t->dtype)(p->numel, out, contiguous->data);
        else
            memset(out, 0, (size_t)p->numel * sizeof *out);
        out += p->numel;
    }
    tg_scope_end(r->optim->tg);
    return tg__ready(r->optim->tg);
}

/* Element k of x + t d (of x if d is NULL), rounded to the dtype of p. */
static double place_at(const tg_tensor *p, const double *x, const double *d, double t, int64_t k)
{
    const double value = d ? x[k] + t * d[k] : x[k];
    return tg__rounded(p->dtype, value);
}

static void write_one(const slot *s, const double *x, const double *d, double t)
{
    const tg_tensor *to = s->contiguous ? s->contiguous : s->param;
    for (int64_t k = 0; k < to->numel; k++)
        tg__store(to->dtype, to->data, k, place_at(to, x, d, t, k));
    if (s->contiguous) tg__copy(s->param, s->contiguous);
    tg__written(s->param, "step");
}

/* The parameters become x + t d; d NULL: x. */
static void write_all(const descent *r, const double *x, const double *d, double t)
{
    const group *g = r->optim->groups;
    for (int i = 0; i < g->n; i++) {
        const slot *s = &g->slots[i];
        if (!s->filled) continue;
        if (s->param->requires_grad) write_one(s, x, d, t);
        x += s->param->numel;
        if (d) d += s->param->numel;
    }
}

/* The loss and its gradient with the parameters as they are. */
static bool evaluate_here(descent *r, double *loss, double *g)
{
    *loss = tg__evaluate(r->optim, r->closure, r->user);
    r->evaluations++;
    return read_all(r, true, g);
}

static bool is_finite(const lbfgs *l, double loss, const double *g)
{
    return isfinite(loss) && isfinite(largest(l, g));
}

static bool evaluate_at(descent *r, double t, trial *p)
{
    write_all(r, r->l->x, r->l->d, t);
    p->t = t;
    const bool done = evaluate_here(r, &p->f, p->g);
    p->slope = vector_dot(r->l, p->g, r->l->d);
    p->finite = is_finite(r->l, p->f, p->g);
    return done;
}

/* ---- The line search. A trial whose loss or gradient is not finite counts as a step that was too
 * long. */

/* The minimum within [low, high] of the cubic that has the values and slopes of a and b; the middle
 * of the interval if the cubic has no minimum. */
static double interpolate(const trial *a, const trial *b, double low, double high)
{
    const double d1 = a->slope + b->slope - 3 * (a->f - b->f) / (a->t - b->t);
    const double square = d1 * d1 - a->slope * b->slope;
    if (!(square >= 0 && square < INFINITY)) return (low + high) / 2;
    const double d2 = sqrt(square);
    const double at =
        a->t <= b->t
            ? b->t - (b->t - a->t) * ((b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2))
            : a->t - (a->t - b->t) * ((a->slope + d2 - d1) / (a->slope - b->slope + 2 * d2));
    return fmin(fmax(at, low), high);
}

static bool falls_enough(const trial *start, const trial *p)
{
    return p->finite && p->f <= start->f + 1e-4 * p->t * start->slope;
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
    double *g = a->g; /* no bracket was found: it becomes [0, t] */
    vector_copy(r->l, g, start->g);
    *a = *start;
    a->g = g;
    return trials;
}

/* A step between the ends by interpolation. If it falls on an end, or near one for the second time
 * in a row, it is moved to a tenth of the interval from that end. */
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

/* The index of the end with the lower loss; an end that is not finite counts as the higher one. */
static int lower_of(const trial *ends)
{
    return ends[1].finite && !(ends[0].finite && ends[0].f <= ends[1].f);
}

/* Shrinks the bracket until a trial meets the strong Wolfe conditions or the bracket is tiny. */
static bool zoom(descent *r, const trial *start, trial *ends, int trials)
{
    const double width = largest(r->l, r->l->d);
    bool done = ends[0].g == ends[1].g, crowded = false;
    int low = lower_of(ends);
    trial p = {.g = r->l->ends[2]};
    for (; !done && trials < MOST_TRIALS; trials++) {
        if (fabs(ends[1].t - ends[0].t) * width < 1e-9) break;
        if (!evaluate_at(r, next_trial(&ends[0], &ends[1], &crowded), &p)) return false;
        trial *lowest = &ends[low], *highest = &ends[1 - low], *replaced = lowest;
        if (!falls_enough(start, &p) || p.f >= lowest->f) {
            replaced = highest;
        } else if (is_flat_enough(start, &p)) {
            done = true;
        } else if (p.slope * (highest->t - lowest->t) >= 0) {
            double *g = highest->g;
            *highest = *lowest;
            lowest->g = g;
        }
        const trial old = *replaced;
        *replaced = p;
        p.g = old.g;
        if (replaced == highest) low = lower_of(ends);
    }
    return true;
}

/* Searches from x along d, where the loss is f and the gradient l->g; replaces t, f and the
 * gradient by those of the best trial, or, if no trial was finite, by those of one that was not.
 * The parameters are left at the last trial. */
static bool line_search(descent *r, double *t, double *f, double slope)
{
    lbfgs *l = r->l;
    const trial start = {0, *f, slope, l->g, true};
    trial ends[2];
    const int trials = bracket_minimum(r, &start, *t, &ends[0], &ends[1]);
    if (trials < 0 || !zoom(r, &start, ends, trials)) return false;
    const int low = lower_of(ends);
    const trial *end = ends[low].t == 0 && !ends[1 - low].finite ? &ends[1 - low] : &ends[low];
    *t = end->t;
    *f = end->f;
    vector_copy(l, l->g, end->g);
    return true;
}

/* ---- The direction. */

/* Drops the oldest pair. If the step under way has stored it, its row becomes the first free one;
 * else the row becomes the last free one, which is not reused before the step has ended, because
 * there are enough other rows, and undo_step can still restore the pair. */
static void forget_oldest(lbfgs *l)
{
    curvature *c = &l->now;
    const int64_t oldest = c->order[0], last = (l->fresh >= c->used ? c->used : l->rows) - 1;
    memmove(c->order, c->order + 1, (size_t)last * sizeof *c->order);
    c->order[last] = oldest;
    c->used--;
}

/* Stores the last change of the gradient and of the parameters as a pair. */
static void remember_step(lbfgs *l)
{
    if (l->now.used == l->history) forget_oldest(l);
    const int64_t row = l->now.order[l->now.used++];
    double *y = l->changes + row * l->n, *s = l->steps + row * l->n;
    for (int64_t i = 0; i < l->n; i++) {
        y[i] = l->g[i] - l->before[i];
        s[i] = l->d[i] * l->t;
    }
    const double ys = vector_dot(l, y, s);
    l->rho[row] = 1 / ys;
    l->now.scale = ys / vector_dot(l, y, y);
    l->fresh++;
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
    const curvature *c = &l->now;
    double *d = l->d;
    if (c->iterations > 1 && is_curved(l)) remember_step(l);
    for (int64_t i = 0; i < l->n; i++) d[i] = -l->g[i];
    if (c->iterations == 1) return;
    for (int64_t k = c->used - 1; k >= 0; k--) {
        const int64_t row = c->order[k];
        l->alpha[k] = vector_dot(l, l->steps + row * l->n, d) * l->rho[row];
        vector_add(l, d, -l->alpha[k], l->changes + row * l->n);
    }
    for (int64_t i = 0; i < l->n; i++) d[i] *= c->scale;
    for (int64_t k = 0; k < c->used; k++) {
        const int64_t row = c->order[k];
        const double beta = vector_dot(l, l->changes + row * l->n, d) * l->rho[row];
        vector_add(l, d, l->alpha[k] - beta, l->steps + row * l->n);
    }
}

static double first_step(const lbfgs *l)
{
    double sum = 0;
    for (int64_t i = 0; i < l->n; i++) sum += fabs(l->g[i]);
    return fmin(1, 1 / sum);
}

/* ---- Going back. */

static void copy_curvature(const lbfgs *l, curvature *to, const curvature *from)
{
    int64_t *order = to->order;
    memcpy(order, from->order, (size_t)l->rows * sizeof *order);
    *to = *from;
    to->order = order;
}

/* Restores the parameters and the curvature to what they were before the step. The pair that the
 * previous step ended with stays stored. */
static void undo_step(const descent *r)
{
    lbfgs *l = r->l;
    write_all(r, l->start, NULL, 0);
    copy_curvature(l, &l->now, &l->begun);
    l->t = 0; /* so that is_curved finds no step to store */
}

/* Whether the parameters are at x + t d, where the previous step left them. */
static bool are_where_left(const descent *r)
{
    const lbfgs *l = r->l;
    const group *g = r->optim->groups;
    double *here = l->ends[0];
    int64_t at = 0;
    if (!l->left || !read_all(r, false, here)) return false;
    for (int i = 0; i < g->n; i++) {
        if (!g->slots[i].filled) continue;
        const tg_tensor *p = g->slots[i].param;
        for (int64_t k = 0; k < p->numel; k++, at++)
            if (here[at] != place_at(p, l->x, l->d, l->t, at)) return false;
    }
    return true;
}

/* Records the error for a loss or gradient that is not finite, and moves the parameters back to x
 * if they came from there. */
static bool go_back(descent *r, double loss, bool moved_here)
{
    lbfgs *l = r->l;
    r->went_back = true;
    if (moved_here) {
        write_all(r, l->x, NULL, 0);
        l->now.iterations--;
        l->t = 0;
        l->left = false;
    }
    return tg__fail(r->optim->tg, TG_ERR_ARGUMENT, "lbfgs: the loss is %g%s; %s",
                    isnan(loss) ? (double)NAN : loss,
                    isfinite(loss) ? ", its gradient not finite" : "",
                    moved_here ? "the parameters are back where both were finite; try a smaller "
                                 "lr, or strong_wolfe"
                               : "the parameters are as they were");
}

/* One iteration; whether another may follow. */
static bool one_iteration(descent *r, double *loss, int64_t number)
{
    lbfgs *l = r->l;
    const double before = *loss;
    const bool wolfe = r->o->strong_wolfe, last = number == r->o->max_iter;
    l->now.iterations++;
    find_direction(l);
    if (number == 1) {
        copy_curvature(l, &l->begun, &l->now);
        l->begun.iterations--;
        l->fresh = 0;
    }
    vector_copy(l, l->before, l->g);
    l->t = (l->now.iterations == 1 ? first_step(l) : 1) * r->o->lr;
    const double slope = vector_dot(l, l->g, l->d);
    if (slope > -r->o->tolerance_change || !read_all(r, false, l->x)) return false;
    if (wolfe && !line_search(r, &l->t, loss, slope)) return false;
    write_all(r, l->x, l->d, l->t);
    l->left = !wolfe && last;
    if (!wolfe && !last && !evaluate_here(r, loss, l->g)) return false;
    if (!l->left && !is_finite(l, *loss, l->g)) return go_back(r, *loss, true);
    const int64_t most = r->o->max_eval ? r->o->max_eval : r->o->max_iter * 5 / 4;
    return !last && r->evaluations < most && !(largest(l, l->g) <= r->o->tolerance_grad) &&
           !(fabs(l->t) * largest(l, l->d) <= r->o->tolerance_change) &&
           !(fabs(*loss - before) < r->o->tolerance_change);
}

/* ---- The optimiser. */

/* The number of rows: those of the pairs in use, and those of pairs that one step may drop and need
 * again if it is undone. */
static int64_t count_rows(const tg_lbfgs_options *o)
{
    return o->history_size + (o->max_iter <= o->history_size ? o->max_iter - 1 : o->history_size);
}

static bool make_vectors(const tg_optim *optim, lbfgs *l)
{
    const int64_t vectors = 8 + 2 * l->rows;
    if (!tg__check_shape(optim->tg, "lbfgs", TG_SHAPE(vectors + 1, l->n + 2))) return false;
    const size_t size = (size_t)(vectors * l->n + l->rows + l->history) * sizeof(double);
    double *next = tg__alloc_at(optim->tg, optim->depth, size);
    if (!next) return false;
    double **const own[] = {&l->x,     &l->d,       &l->g,       &l->before,
                            &l->start, &l->ends[0], &l->ends[1], &l->ends[2]};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++, next += l->n) *own[i] = next;
    l->changes = next;
    l->steps = next + l->rows * l->n;
    l->rho = l->steps + l->rows * l->n;
    l->alpha = l->rho + l->rows;
    return true;
}

static bool make_state(tg_optim *optim)
{
    tg_context *tg = optim->tg;
    const group *g = optim->groups;
    lbfgs *l = tg__alloc_at(tg, optim->depth, sizeof *l);
    if (!l) return false;
    *l = (lbfgs){.history = g->o.lbfgs.history_size, .rows = count_rows(&g->o.lbfgs)};
    for (int i = 0; i < g->n; i++)
        if (g->slots[i].filled) l->n += g->slots[i].param->numel;
    const size_t rows = (size_t)l->rows * sizeof(int64_t);
    l->now = (curvature){.order = tg__alloc_at(tg, optim->depth, rows), .scale = 1};
    l->begun = (curvature){.order = tg__alloc_at(tg, optim->depth, rows)};
    if (!l->now.order || !l->begun.order || !make_vectors(optim, l)) return false;
    for (int64_t i = 0; i < l->rows; i++) l->now.order[i] = i;
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
    lbfgs *l = r.l;
    double first;
    const group *g = optim->groups;
    for (int i = 0; i < g->n; i++)
        if (g->slots[i].filled && !tg__writable(g->slots[i].param, "step")) return NAN;
    if (!evaluate_here(&r, &first, l->g)) return NAN;
    if (!is_finite(l, first, l->g)) return go_back(&r, first, are_where_left(&r)), NAN;
    if (!read_all(&r, false, l->start)) return NAN;
    l->left = false;
    double loss = first;
    bool on = !(largest(l, l->g) <= r.o->tolerance_grad);
    for (int64_t i = 1; on && i <= r.o->max_iter; i++) on = one_iteration(&r, &loss, i);
    if (tg__ready(optim->tg)) return first;
    if (!r.went_back) undo_step(&r);
    return NAN;
}

static bool check_counts(tg_context *tg, const char *name, const any_options *o)
{
    const tg_lbfgs_options *l = &o->lbfgs;
    static const char begin[] = "TG_LBFGS and tg_lbfgs_defaults() set it";
    return tg__check_number(tg, name, "max_iter", l->max_iter, 1, INT32_MAX, begin) &&
           tg__check_number(tg, name, "max_eval", l->max_eval, 0, INT64_MAX, NULL) &&
           tg__check_number(tg, name, "history_size", l->history_size, 1, INT32_MAX, begin);
}

static unsigned no_states(const any_options *o)
{
    (void)o;
    return 0;
}

static const optim_kind lbfgs_kind = {.name = "lbfgs",
                                      .defaults.lbfgs = {TG_LBFGS_DEFAULTS},
                                      .size = sizeof(tg_lbfgs_options),
                                      .rules = {{"lr", NOT_NEGATIVE},
                                                {"tolerance_grad", NOT_NEGATIVE},
                                                {"tolerance_change", NOT_NEGATIVE}},
                                      .check = check_counts,
                                      .states = no_states,
                                      .prepare = make_state,
                                      .minimize = lbfgs_minimize};

tg_lbfgs_options tg_lbfgs_defaults(void)
{
    return lbfgs_kind.defaults.lbfgs;
}

tg_optim *tg_lbfgs(tg_module *module, const tg_lbfgs_options *options)
{
    return tg__optim(&lbfgs_kind, module, options);
}

tg_optim *tg_lbfgs_list(tg_list parameters, const tg_lbfgs_options *options)
{
    return tg__optim_list(&lbfgs_kind, parameters, options);
}
