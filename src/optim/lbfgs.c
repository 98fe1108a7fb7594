/* Limited-memory BFGS with the rules of torch.optim.LBFGS, in float64. The direction is that of
 * algorithm 7.4 in Nocedal and Wright, Numerical Optimization; the line search follows their
 * algorithms 3.5 and 3.6.
 *
 * Here x is the vector of all parameters, d the direction and t the step size of an iteration,
 * which moves the parameters to x + t d. A step is one call of tg_step_closure, with up to max_iter
 * iterations. */
#include "lbfgs.h"

#include <math.h>
#include <string.h>

/* A trial of the line search. */
typedef struct trial {
    double t;     /* the step size */
    double f;     /* the loss at x + t d */
    double slope; /* the derivative of the loss by t there: the product of gradient and direction */
    double *g;    /* the gradient there */
    bool finite;  /* whether the loss and the gradient are finite */
} trial;

/* A step under way. */
typedef struct descent {
    tg_optim *optim;
    lbfgs *l;
    const tg_lbfgs_options *o;
    tg_tensor *(*closure)(void *user);
    void *user;
    int64_t evaluations; /* how often the step has called closure */
    bool reported;       /* fail_not_finite has recorded the error; undo_step must not be called */
} descent;

/* ---- Vectors. */

static double vector_dot(const lbfgs *l, const double *a, const double *b)
{
    double sum;
    pick(l->level, dot, TG_F64)(l->n, &sum, a, b);
    return sum;
}

/* y = y + a x */
static void vector_add(const lbfgs *l, double *y, double a, const double *x)
{
    pick(l->level, add_multiple, TG_F64)(l->n, y, a, x);
}

static void vector_copy(const lbfgs *l, double *y, const double *x)
{
    memcpy(y, x, (size_t)l->n * sizeof *y);
}

/* The greatest |x[i]|; NaN if one is NaN. */
static double max_abs(const lbfgs *l, const double *x)
{
    double most = 0, least = 0;
    if (l->n == 0) return 0;
    pick(l->level, extreme, TG_F64)(true, 1, l->n, &most, NULL, x, l->n);
    pick(l->level, extreme, TG_F64)(false, 1, l->n, &least, NULL, x, l->n);
    return fmax(most, -least);
}

/* ---- Parameters as one vector, and back. */

/* Copies all parameters, or all their gradients, to out. A parameter that was frozen when the
 * optimiser was made has a slot that is not filled, and is no part of the vectors. */
static bool read_all(const descent *r, bool gradients, double *out)
{
    const group *g = r->optim->groups;
    tg_scope_begin(r->optim->tg);
    for (int i = 0; i < g->n; i++) {
        if (!g->slots[i].filled) continue;
        tg_tensor *p = g->slots[i].param, *t = !gradients ? p : p->requires_grad ? p->grad : NULL;
        const tg_tensor *contiguous = t ? tg__contiguous(t) : NULL;
        if (contiguous)
            pick(r->l->level, to_f64, t->dtype)(p->numel, out, contiguous->data);
        else
            memset(out, 0, (size_t)p->numel * sizeof *out);
        out += p->numel;
    }
    tg_scope_end(r->optim->tg);
    return tg__ready(r->optim->tg);
}

static void write_one(const lbfgs *l, const slot *s, const double *x)
{
    const tg_tensor *to = s->contiguous ? s->contiguous : s->param;
    unary_kernel *convert =
        to->dtype == TG_F32 ? pick(l->level, to_f32, TG_F64) : pick(l->level, to_f64, TG_F64);
    convert(to->numel, to->data, x);
    if (s->contiguous) tg__copy(s->param, s->contiguous);
    tg__written(s->param, "step");
}

/* Writes x to the parameters. */
static void write_all(const descent *r, const double *x)
{
    const group *g = r->optim->groups;
    for (int i = 0; i < g->n; i++) {
        const slot *s = &g->slots[i];
        if (!s->filled) continue;
        if (s->param->requires_grad) write_one(r->l, s, x);
        x += s->param->numel;
    }
}

/* Moves the parameters to x + t d. */
static void move(const descent *r, double t)
{
    lbfgs *l = r->l;
    vector_copy(l, l->point, l->x);
    vector_add(l, l->point, t, l->d);
    write_all(r, l->point);
}

/* Computes the loss and its gradient for the parameters as they are. */
static bool evaluate_here(descent *r, double *loss, double *g)
{
    *loss = tg__evaluate(r->optim, r->closure, r->user);
    r->evaluations++;
    return read_all(r, true, g);
}

static bool is_finite(const lbfgs *l, double loss, const double *g)
{
    return isfinite(loss) && isfinite(max_abs(l, g));
}

/* Moves the parameters to x + t d and computes the trial p there. */
static bool evaluate_trial(descent *r, double t, trial *p)
{
    move(r, t);
    p->t = t;
    const bool done = evaluate_here(r, &p->f, p->g);
    p->slope = vector_dot(r->l, p->g, r->l->d);
    p->finite = is_finite(r->l, p->f, p->g);
    return done;
}

/* ---- The line search, for a step size that meets the strong Wolfe conditions. If the loss or the
 * gradient of a trial is not finite, its step size counts as too large. */

/* The minimum, clamped to [low, high], of the cubic that has the losses and slopes of a and b; the
 * middle of the interval if the cubic has no minimum. */
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

/* The first Wolfe condition. */
static bool decreases_enough(const trial *start, const trial *p)
{
    return p->finite && p->f <= start->f + 1e-4 * p->t * start->slope;
}

/* The second, strong Wolfe condition. */
static bool meets_curvature_condition(const trial *start, const trial *p)
{
    return fabs(p->slope) <= -0.9 * start->slope;
}

enum { MOST_TRIALS = 25 };

/* Tries larger and larger step sizes, from t on, until a and b bracket a minimum. If b meets both
 * Wolfe conditions before that, a becomes the same trial as b. Returns the number of trials, or -1
 * if one fails. The gradients of a and b lie in trial_g[0] and trial_g[1]. */
static int bracket_minimum(descent *r, const trial *start, double t, trial *a, trial *b)
{
    int trials = 0;
    *a = *start;
    vector_copy(r->l, r->l->trial_g[0], start->g);
    a->g = r->l->trial_g[0];
    b->g = r->l->trial_g[1];
    for (;; trials++) {
        if (!evaluate_trial(r, t, b)) return -1;
        if (trials == MOST_TRIALS) break;
        if (!decreases_enough(start, b) || (trials > 1 && b->f >= a->f)) return trials;
        if (meets_curvature_condition(start, b)) {
            *a = *b;
            return trials;
        }
        if (b->slope >= 0) return trials;
        const double next = interpolate(a, b, t + 0.01 * (t - a->t), t * 10);
        double *g = a->g; /* its memory serves the next trial */
        *a = *b;
        b->g = g;
        t = next;
    }
    double *g = a->g; /* no bracket was found, so that [0, t] becomes the bracket */
    vector_copy(r->l, g, start->g);
    *a = *start;
    a->g = g;
    return trials;
}

/* The next step size to try in the bracket [a, b], by interpolation. If it falls on an end of the
 * bracket, or near an end for the second time in a row, it is moved a tenth of the interval away
 * from that end. */
static double next_trial(const trial *a, const trial *b, bool *was_near_end)
{
    const double low = fmin(a->t, b->t), high = fmax(a->t, b->t), margin = 0.1 * (high - low);
    double t = interpolate(a, b, low, high);
    if (!(fmin(high - t, t - low) < margin)) {
        *was_near_end = false;
    } else if (*was_near_end || t >= high || t <= low) {
        t = fabs(t - high) < fabs(t - low) ? high - margin : low + margin;
        *was_near_end = false;
    } else {
        *was_near_end = true;
    }
    return t;
}

/* The index of the end of a bracket that has the lower loss. An end that is not finite counts as
 * the higher one. */
static int lower_of(const trial *ends)
{
    return ends[1].finite && !(ends[0].finite && ends[0].f <= ends[1].f);
}

/* Shrinks the bracket until a trial meets the strong Wolfe conditions, the bracket is tiny, or
 * there were MOST_TRIALS trials. Returns false if a trial fails. */
static bool zoom(descent *r, const trial *start, trial *ends, int trials)
{
    const double width = max_abs(r->l, r->l->d);
    bool done = ends[0].g == ends[1].g, was_near_end = false;
    int low = lower_of(ends);
    trial p = {.g = r->l->trial_g[2]};
    for (; !done && trials < MOST_TRIALS; trials++) {
        if (fabs(ends[1].t - ends[0].t) * width < 1e-9) break;
        if (!evaluate_trial(r, next_trial(&ends[0], &ends[1], &was_near_end), &p)) return false;
        trial *lowest = &ends[low], *highest = &ends[1 - low], *replaced = lowest;
        if (!decreases_enough(start, &p) || p.f >= lowest->f) {
            replaced = highest;
        } else if (meets_curvature_condition(start, &p)) {
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

/* Searches from x along d, beginning with the step size *t. On entry *f, l->g and slope are the
 * loss, gradient and slope at x; on return *t, *f and l->g are those of the best trial, or of a
 * trial that is not finite if none is. The parameters are left where the last trial was. */
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

/* Drops the oldest pair. Its row becomes the last free one: if an earlier step has stored the pair,
 * undo_step may have to restore it, and tg__count_rows makes enough rows that this step does not
 * reach it. But once this step has stored all pairs, the row serves the next pair. */
static void drop_oldest_pair(lbfgs *l)
{
    curvature *c = &l->now;
    const bool is_new = l->new_pairs >= c->used;
    c->first = (c->first + 1) % l->rows;
    c->used--;
    if (!is_new) return;
    int64_t *next = tg__row_of(l, c->used), *last = tg__row_of(l, l->rows - 1);
    const int64_t dropped = *last;
    *last = *next;
    *next = dropped;
}

/* Stores the changes of the gradient and of the parameters in the last iteration as a pair, if
 * their product is large enough: the approximation of the inverse Hessian stays positive definite
 * only if y . s is positive. The changes replace previous_g and d, which nothing reads after that.
 */
static void store_pair(lbfgs *l)
{
    double *y = l->previous_g, *s = l->d;
    for (int64_t i = 0; i < l->n; i++) {
        y[i] = l->g[i] - y[i];
        s[i] *= l->t;
    }
    const double ys = vector_dot(l, y, s);
    if (!(ys > 1e-10)) return;
    if (l->now.used == l->history) drop_oldest_pair(l);
    const int64_t row = *tg__row_of(l, l->now.used++);
    vector_copy(l, l->changes + row * l->n, y);
    vector_copy(l, l->steps + row * l->n, s);
    l->rho[row] = 1 / ys;
    l->now.scale = ys / vector_dot(l, y, y);
    l->new_pairs++;
}

/* Sets d to minus the approximate inverse Hessian times g, by the two loops of algorithm 7.4. */
static void find_direction(lbfgs *l)
{
    const curvature *c = &l->now;
    double *d = l->d;
    if (c->iterations > 1) store_pair(l);
    pick(l->level, neg, TG_F64)(l->n, d, l->g);
    if (c->iterations == 1) return;
    for (int64_t k = c->used - 1; k >= 0; k--) {
        const int64_t row = *tg__row_of(l, k);
        l->alpha[k] = vector_dot(l, l->steps + row * l->n, d) * l->rho[row];
        vector_add(l, d, -l->alpha[k], l->changes + row * l->n);
    }
    for (int64_t i = 0; i < l->n; i++) d[i] *= c->scale;
    for (int64_t k = 0; k < c->used; k++) {
        const int64_t row = *tg__row_of(l, k);
        const double beta = vector_dot(l, l->changes + row * l->n, d) * l->rho[row];
        vector_add(l, d, l->alpha[k] - beta, l->steps + row * l->n);
    }
}

/* The first iteration has no curvature yet: its step size is min(1, 1 / sum |g|), as PyTorch has
 * it. */
static double first_step_size(const lbfgs *l)
{
    double sum = 0;
    for (int64_t i = 0; i < l->n; i++) sum += fabs(l->g[i]);
    return fmin(1, 1 / sum);
}

/* Whether the callback lets the step go on after that many iterations. */
static bool may_go_on(const descent *r, double loss, int64_t iterations)
{
    if (!r->o->callback) return true;
    const tg_lbfgs_progress progress = {iterations, r->evaluations, loss, max_abs(r->l, r->l->g)};
    tg_scope_begin(r->optim->tg);
    const bool goes_on = r->o->callback(&progress, r->user);
    tg_scope_end(r->optim->tg);
    return goes_on && tg__ready(r->optim->tg);
}

/* ---- Going back. */

static void copy_curvature(const lbfgs *l, curvature *to, const curvature *from)
{
    int64_t *ring = to->ring;
    memcpy(ring, from->ring, (size_t)l->rows * sizeof *ring);
    *to = *from;
    to->ring = ring;
}

/* Restores the parameters and the pairs from before the step. The pair of the last iteration of the
 * previous step was stored in this one, and stays. */
static void undo_step(const descent *r)
{
    lbfgs *l = r->l;
    write_all(r, l->start_x);
    copy_curvature(l, &l->now, &l->at_start);
    l->t = 0; /* the next step must not store the iteration that was undone as a pair */
}

/* Whether the previous step ended without evaluating the loss at x + t d, and the parameters are
 * still there. */
static bool are_where_step_ended(const descent *r)
{
    const lbfgs *l = r->l;
    const group *g = r->optim->groups;
    double *here = l->trial_g[0];
    int64_t at = 0;
    if (!l->unevaluated || !read_all(r, false, here)) return false;
    for (int i = 0; i < g->n; i++) {
        if (!g->slots[i].filled) continue;
        const tg_tensor *p = g->slots[i].param;
        for (int64_t k = 0; k < p->numel; k++, at++)
            if (here[at] != tg__rounded(p->dtype, l->point[at])) return false;
    }
    return true;
}

/* Records the error that the loss or the gradient is not finite. If can_move_back is true, the
 * parameters have come from x by the last iteration, and are moved back there. */
static bool fail_not_finite(descent *r, double loss, bool can_move_back)
{
    lbfgs *l = r->l;
    r->reported = true;
    if (can_move_back) {
        write_all(r, l->x);
        l->now.iterations--;
        l->t = 0;
        l->unevaluated = false;
    }
    return tg__fail(r->optim->tg, TG_ERR_ARGUMENT, "lbfgs: the loss is %g%s; %s",
                    isnan(loss) ? (double)NAN : loss,
                    isfinite(loss) ? ", its gradient not finite" : "",
                    can_move_back ? "the parameters are back where both were finite; try a smaller "
                                    "lr, or strong_wolfe"
                                  : "the parameters are as they were");
}

/* Makes iteration `number` of the step, and replaces *loss. Returns whether another iteration may
 * follow. */
static bool iterate(descent *r, double *loss, int64_t number)
{
    lbfgs *l = r->l;
    const double last_loss = *loss;
    const bool wolfe = r->o->strong_wolfe, last = number == r->o->max_iter;
    l->now.iterations++;
    find_direction(l);
    if (number == 1) {
        copy_curvature(l, &l->at_start, &l->now);
        l->at_start.iterations--;
        l->new_pairs = 0;
    }
    vector_copy(l, l->previous_g, l->g);
    l->t = (l->now.iterations == 1 ? first_step_size(l) : 1) * r->o->lr;
    const double slope = vector_dot(l, l->g, l->d);
    if (slope > -r->o->tolerance_change || !read_all(r, false, l->x)) return false;
    if (wolfe && !line_search(r, &l->t, loss, slope)) return false;
    move(r, l->t);
    l->unevaluated = !wolfe && last;
    if (!wolfe && !last && !evaluate_here(r, loss, l->g)) return false;
    if (!l->unevaluated && !is_finite(l, *loss, l->g)) return fail_not_finite(r, *loss, true);
    if (!l->unevaluated && !may_go_on(r, *loss, number)) return false;
    const int64_t max_eval = r->o->max_eval ? r->o->max_eval : r->o->max_iter * 5 / 4;
    return !last && r->evaluations < max_eval && !(max_abs(l, l->g) <= r->o->tolerance_grad) &&
           !(fabs(l->t) * max_abs(l, l->d) <= r->o->tolerance_change) &&
           !(fabs(*loss - last_loss) < r->o->tolerance_change);
}

/* ---- The optimiser. */

/* Takes the memory of all vectors in one piece. */
static bool make_vectors(const tg_optim *optim, lbfgs *l)
{
    const int64_t vectors = 9 + 2 * l->rows;
    if (!tg__check_shape(optim->tg, "lbfgs", TG_SHAPE(vectors + 1, l->n + 2))) return false;
    const size_t size = (size_t)(vectors * l->n + l->rows + l->history) * sizeof(double);
    double *next = tg__alloc_at(optim->tg, optim->depth, size);
    if (!next) return false;
    double **const own[] = {&l->x,       &l->d,          &l->g,          &l->previous_g, &l->point,
                            &l->start_x, &l->trial_g[0], &l->trial_g[1], &l->trial_g[2]};
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
    *l = (lbfgs){.level = tg->level,
                 .history = g->o.lbfgs.history_size,
                 .rows = tg__count_rows(&g->o.lbfgs)};
    for (int i = 0; i < g->n; i++)
        if (g->slots[i].filled) l->n += g->slots[i].param->numel;
    const size_t rows = (size_t)l->rows * sizeof(int64_t);
    l->now = (curvature){.ring = tg__alloc_at(tg, optim->depth, rows), .scale = 1};
    l->at_start = (curvature){.ring = tg__alloc_at(tg, optim->depth, rows)};
    if (!l->now.ring || !l->at_start.ring || !make_vectors(optim, l)) return false;
    for (int64_t i = 0; i < l->rows; i++) l->now.ring[i] = i;
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
    if (!is_finite(l, first, l->g))
        return fail_not_finite(&r, first, are_where_step_ended(&r)), NAN;
    if (!read_all(&r, false, l->start_x)) return NAN;
    l->unevaluated = false;
    double loss = first;
    bool go_on = may_go_on(&r, first, 0) && !(max_abs(l, l->g) <= r.o->tolerance_grad);
    for (int64_t i = 1; go_on && i <= r.o->max_iter; i++) go_on = iterate(&r, &loss, i);
    if (tg__ready(optim->tg)) return first;
    if (!r.reported) undo_step(&r);
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
