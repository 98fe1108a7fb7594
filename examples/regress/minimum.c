#include "minimum.h"

#include <float.h>
#include <math.h>

#include "twofold.h"

/* The most steps of Newton's method; it needs about 10, or 30 to see that there is no minimum. */
#define STEPS 100

/* The size of eta from which on the loss of a row may be so small that rounding hides its slope. */
#define CERTAIN 30

/* The state of Newton's method at the coefficients b (p, 1) of the columns of a. */
typedef struct newton {
    tg_context *tg;
    const loss *loss;
    const design *z;
    tg_tensor *y, *b, *eta;
    double value;                  /* the value is the loss of all rows and the penalty */
    tg_tensor *slope, *curve;      /* of each row's loss by eta: (n, 1) */
    tg_tensor *gradient, *inverse; /* (p, 1), and the inverse of the Hessian's triangle */
    tg_tensor *step;               /* to the minimum of the quadratic with both */
    tg_tensor *leverage;           /* (n, 1): see find_leverage */
    double decrement, rounding;    /* the length of the step, and of its error by rounding */
    double distance;               /* from the minimum, at most, in the same measure */
    bool damped;                   /* whether the Hessian is singular, and something is added */
} newton;

/* Hands tensors out of the current scope, and ends it. */
static void end_scope(tg_context *tg, tg_tensor ***kept, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (*kept[i]) *kept[i] = tg_keep(*kept[i]);
    tg_scope_end(tg);
}

bool make_design(const sample *rows, bool intercept, design *z)
{
    tg_tensor *x = rows->x, **kept[] = {&z->a, &z->center, &z->scale, &z->weights};
    if (!x) return false;
    const int64_t n = x->shape[0];
    tg_scope_begin(x->context);
    *z = (design){.intercept = intercept};
    z->weights =
        rows->weights ? tg_contiguous(rows->weights) : tg_ones(x->context, TG_F64, TG_SHAPE(n, 1));
    tg_tensor *share = tg_div(z->weights, tg_sum(z->weights));
    tg_tensor *mean = tg_sum_dims(tg_mul(x, share), TG_DIMS(0), TG_KEEPDIM);
    z->center = intercept ? mean : tg_zeros_like(mean);
    tg_tensor *d = tg_sub(x, z->center);
    z->scale = tg_sqrt(tg_sum_dims(tg_mul(tg_square(d), share), TG_DIMS(0), TG_KEEPDIM));
    z->a = tg_div(d, z->scale);
    if (intercept) z->a = tg_cat(TG_LIST(tg_ones(x->context, TG_F64, TG_SHAPE(n, 1)), z->a), 1);
    z->a = tg_contiguous(z->a);
    end_scope(x->context, kept, sizeof kept / sizeof *kept);
    return z->a != NULL;
}

bool make_orthogonal(design *z)
{
    tg_tensor **kept[] = {&z->a, &z->triangle};
    tg_context *tg = z->a->context;
    tg_scope_begin(tg);
    tg_tensor *share = tg_div(z->weights, tg_sum(z->weights));
    z->triangle = triangle(tg_contiguous(tg_mul(z->a, tg_sqrt(share))));
    z->plain = z->a;
    z->a = tg_contiguous(tg_solve_triangular(z->triangle, z->plain, TG_UPPER | TG_RIGHT));
    end_scope(tg, kept, sizeof kept / sizeof *kept);
    return z->a != NULL;
}

/* The coefficients of (1, z), for those of a. */
static tg_tensor *turn_back(const design *z, tg_tensor *b)
{
    return z->triangle ? tg_solve_triangular(z->triangle, b, TG_UPPER) : b;
}

void set_coefficients(const design *z, tg_tensor *b, minimum *m)
{
    b = turn_back(z, b);
    if (!b) return;
    const int64_t first = z->intercept;
    m->line.center = z->center;
    m->line.slope = tg_div(tg_narrow(b, 0, first, b->shape[0] - first), tg_t(z->scale));
    m->line.level = first ? tg_get(b, TG_INDEX(0, 0)) : 0;
    tg_tensor *slopes = tg_flatten(m->line.slope, 0, -1);
    tg_tensor *intercept = tg_full(b->context, TG_F64, TG_SHAPE(1), line_intercept(&m->line));
    m->coefficients = first ? tg_cat(TG_LIST(intercept, slopes), 0) : slopes;
}

tg_tensor *to_coefficients(const design *z)
{
    const int64_t p = z->a ? z->a->shape[1] : 0;
    if (!p) return NULL;
    tg_tensor *one = tg_ones(z->a->context, TG_F64, TG_SHAPE(1, 1)), *slopes = z->scale;
    tg_tensor *factors = tg_reciprocal(z->intercept ? tg_cat(TG_LIST(one, slopes), 1) : slopes);
    tg_tensor *map = tg_mul(tg_eye(z->a->context, TG_F64, p, p), factors);
    if (z->intercept) {
        tg_tensor *shift = tg_mul(tg_neg(z->center), tg_narrow(factors, 1, 1, p - 1));
        map = tg_cat(TG_LIST(tg_cat(TG_LIST(one, shift), 1), tg_narrow(map, 0, 1, p - 1)), 0);
    }
    return z->triangle ? tg_solve_triangular(z->triangle, map, TG_UPPER | TG_RIGHT) : map;
}

/* ---- One step. */

/* The gradient of the penalty at b, a column or several: l2 b, but 0 for the intercept. */
static tg_tensor *penalised(const newton *s, tg_tensor *b)
{
    tg_tensor *all = tg_mul_scalar(b, s->loss->l2);
    if (!s->z->intercept || !all) return all;
    tg_tensor *slopes = tg_narrow(all, 0, 1, all->shape[0] - 1);
    return tg_cat(TG_LIST(tg_zeros_like(tg_narrow(all, 0, 0, 1)), slopes), 0);
}

/* Moves to the coefficients b. */
static void move(newton *s, tg_tensor *b)
{
    s->b = b;
    s->eta = tg_matmul(s->z->a, b);
    tg_scope_begin(s->tg);
    tg_tensor *rows = tg_mul(loss_of_rows(s->loss, s->eta, s->y), s->z->weights);
    const double penalty = tg_item(tg_sum(tg_mul(b, penalised(s, b)))) / 2;
    s->value = tg_item(tg_sum(rows)) + penalty;
    tg_scope_end(s->tg);
}

/* Sets the slope and the curvature of each row's loss by differentiating the library's loss twice.
 * A row's slope depends on its own eta alone, and the gradient of the sum of all slopes is for this
 * reason the curvature of each. */
static bool differentiate(newton *s)
{
    tg_tensor **kept[] = {&s->slope, &s->curve};
    s->slope = s->curve = NULL;
    tg_scope_begin(s->tg);
    tg_tensor *eta = tg_requires_grad_(tg_detach(s->eta), true);
    tg_tensor *sum = tg_sum(tg_mul(loss_of_rows(s->loss, eta, s->y), s->z->weights));
    tg_tensor *slope, *curve;
    if (tg_grad(TG_LIST(sum), TG_LIST(eta), &slope, TG_GRAD(.create_graph = true)) &&
        tg_grad(TG_LIST(tg_sum(slope)), TG_LIST(eta), &curve, NULL)) {
        s->slope = tg_detach(slope);
        s->curve = tg_relu(curve);
    }
    end_scope(s->tg, kept, sizeof kept / sizeof *kept);
    return s->slope && s->curve;
}

/* The gradient by b. Its sums are formed in twice the precision, because their terms cancel. */
static void find_gradient(newton *s)
{
    const double *a = tg_data_f64(s->z->a), *slope = tg_data_f64(s->slope);
    const int64_t n = s->z->a->shape[0], p = s->z->a->shape[1];
    tg_tensor *sums = tg_zeros(s->tg, TG_F64, TG_SHAPE(p, 1));
    for (int64_t j = 0; sums && j < p; j++) {
        twofold sum = {0, 0};
        for (int64_t i = 0; i < n; i++) add_product(&sum, a[i * p + j], slope[i]);
        ((double *)sums->data)[j] = sum.high + sum.low;
    }
    s->gradient = tg_add(sums, penalised(s, s->b));
}

/* The inverse of the triangle R with R^T R = a^T diag(curve) a + penalty + damping; NULL if it is
 * singular to rounding. */
static tg_tensor *invert(const newton *s, tg_tensor *curve, double damping)
{
    const int64_t p = s->z->a->shape[1];
    tg_tensor *inverse = NULL, **kept[] = {&inverse};
    tg_scope_begin(s->tg);
    tg_tensor *eye = tg_eye(s->tg, TG_F64, p, p), *rows = tg_mul(s->z->a, tg_sqrt(curve));
    if (s->loss->l2 > 0)
        rows = tg_cat(TG_LIST(rows, penalised(s, tg_div_scalar(eye, sqrt(s->loss->l2)))), 0);
    if (damping > 0) rows = tg_cat(TG_LIST(rows, tg_mul_scalar(eye, sqrt(damping))), 0);
    tg_tensor *r = triangle(tg_contiguous(rows));
    tg_tensor *pivots = tg_abs(tg_diagonal(r, 0, 0, 1));
    tg_tensor *lengths = tg_sqrt(tg_sum_dims(tg_square(r), TG_DIMS(0), false));
    if (tg_item(tg_min(tg_sub(pivots, tg_mul_scalar(lengths, 1e-12)))) > 0)
        inverse = tg_solve_triangular(r, eye, TG_UPPER);
    end_scope(s->tg, kept, 1);
    return inverse;
}

static double length_of(tg_tensor *t)
{
    return sqrt(tg_item(tg_sum(tg_square(t))));
}

/* For each row, the most that a step of length 1, as the Hessian measures it, can change eta by. */
static tg_tensor *find_leverage(const newton *s, tg_tensor *inverse)
{
    tg_scope_begin(s->tg);
    tg_tensor *leverage =
        tg_keep(tg_norm_dims(tg_matmul(s->z->a, inverse), 2, TG_DIMS(1), TG_KEEPDIM));
    tg_scope_end(s->tg);
    return leverage;
}

/* The sum over the rows of the rounding error of a slope times the leverage. A slope is the
 * difference of a prediction and y, and is moved by the rounding of eta, which is that of the
 * features times their coefficients, before they were turned. */
static double find_rounding(const newton *s, tg_tensor *leverage)
{
    const double p = (double)s->z->a->shape[1];
    tg_scope_begin(s->tg);
    tg_tensor *sizes = tg_add(tg_abs(loss_prediction(s->loss, s->eta)), tg_abs(s->y));
    tg_tensor *plain = s->z->triangle ? s->z->plain : s->z->a;
    tg_tensor *moved = tg_matmul(tg_abs(plain), tg_abs(turn_back(s->z, s->b)));
    tg_tensor *errors = tg_add(tg_mul(tg_mul_scalar(sizes, 2), s->z->weights),
                               tg_mul(tg_mul_scalar(moved, p + 2), s->curve));
    const double sum = tg_item(tg_sum(tg_mul(errors, leverage)));
    tg_scope_end(s->tg);
    return DBL_EPSILON * sum;
}

static bool find_step(newton *s)
{
    if (!differentiate(s)) return false;
    find_gradient(s);
    s->inverse = invert(s, s->curve, 0);
    s->damped = !s->inverse && s->loss->kind == LOSS_HUBER;
    if (s->damped) s->inverse = invert(s, s->curve, 1e-8 * tg_item(tg_sum(s->z->weights)));
    if (!s->inverse) return false;
    tg_tensor *along = tg_matmul(tg_t(s->inverse), s->gradient);
    s->step = tg_neg(tg_matmul(s->inverse, along));
    s->decrement = length_of(along);
    s->leverage = find_leverage(s, s->inverse);
    s->rounding = find_rounding(s, s->leverage);
    return tg_ok(s->tg);
}

/* The slope of Huber's loss, which is linear but for its corners, after a part of the step. */
static double slope_after(const newton *s, const double *change, double part)
{
    const double *eta = tg_data_f64(s->eta), *y = tg_data_f64(s->y);
    const double *w = tg_data_f64(s->z->weights), delta = s->loss->number;
    double sum = 0;
    for (int64_t i = 0; i < s->y->numel; i++)
        sum += w[i] * change[i] * fmax(-delta, fmin(delta, eta[i] + part * change[i] - y[i]));
    tg_tensor *b = tg_add(s->b, tg_mul_scalar(s->step, part));
    return sum + tg_item(tg_sum(tg_mul(penalised(s, b), s->step)));
}

/* The part of the step at which Huber's loss is least: the whole step, if no row passes a corner on
 * the way, and else the 0 of the slope, by bisection. */
static double lowest_part(const newton *s)
{
    const double *change = tg_data_f64(tg_matmul(s->z->a, s->step));
    if (!change) return 1;
    const double first = slope_after(s, change, 0), last = slope_after(s, change, 1);
    double low = 0, high = 1;
    if (fabs(last) <= 1e-9 * fabs(first)) return 1;
    while (high < 1e15 && slope_after(s, change, high) < 0) low = high, high *= 2;
    for (int i = 0; i < 100 && high - low > 1e-9 * high; i++) {
        const double middle = (low + high) / 2;
        if (slope_after(s, change, middle) < 0)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Takes the step, or the first of its halves that lowers the loss. False if none does. */
static bool take_step(newton *s)
{
    if (s->loss->kind == LOSS_HUBER) s->step = tg_mul_scalar(s->step, lowest_part(s));
    const double least = s->value + 4 * DBL_EPSILON * fabs(s->value);
    const newton from = *s;
    for (double part = 1; part > 1e-10; part /= 2) {
        move(s, tg_add(from.b, tg_mul_scalar(from.step, part)));
        if (s->value <= least - 1e-4 * part * from.decrement * from.decrement ||
            (part == 1 && s->value <= least))
            return true;
    }
    move(s, from.b);
    return false;
}

/* ---- How far the minimum is. */

/* Of a likelihood. Where eta changes by d, the curvature of a row falls to no less than e^-|d| of
 * what it was: it is m (1 - m) for the probability m of logistic, and the mean m of poisson. On a
 * way of length t, as the Hessian measures it, no eta changes by more than t times the largest
 * leverage. The gradient therefore falls to 0 on a way that is no longer than the number below. If
 * there is no such number, there may be no minimum. (Bach, Electronic Journal of Statistics 4,
 * 2010, proposition 2.) */
static double distance_of_likelihood(const newton *s)
{
    const double reach = tg_item(tg_max(s->leverage)), length = s->decrement + s->rounding;
    return reach * length < 0.5 ? -log1p(-reach * length) / reach : INFINITY;
}

/* Of Huber's loss: the rows that are nearer than delta by more than a margin stay there within the
 * distance that they alone give, if no eta changes by more than the margin. */
static double distance_within(newton *s, double margin)
{
    tg_tensor *near = tg_lt_scalar(tg_abs(tg_sub(s->eta, s->y)), s->loss->number - margin);
    tg_tensor *inverse = invert(s, tg_mul(s->z->weights, tg_cast(near, TG_F64)), 0);
    if (!inverse) return INFINITY;
    tg_tensor *leverage = find_leverage(s, inverse);
    const double length =
        length_of(tg_matmul(tg_t(inverse), s->gradient)) + find_rounding(s, leverage);
    return tg_item(tg_max(leverage)) * length < margin ? length : INFINITY;
}

static double distance_of_huber(newton *s)
{
    double distance = INFINITY;
    for (double part = 1e-7; part < 1 && distance == INFINITY; part *= 10) {
        tg_scope_begin(s->tg);
        distance = distance_within(s, part * s->loss->number);
        tg_scope_end(s->tg);
    }
    return distance;
}

static void find_distance(newton *s)
{
    s->distance = s->damped                     ? INFINITY
                  : loss_is_likelihood(s->loss) ? distance_of_likelihood(s)
                  : s->loss->kind == LOSS_HUBER ? distance_of_huber(s)
                                                : s->decrement + s->rounding;
}

/* Whether the loss falls without end in the direction of the step: no row's loss rises, and some
 * rows' falls. For y = 1 of logistic it falls as eta rises, for y = 0 as it falls; a count of 0
 * falls as eta does, and any other has a best eta. */
static bool falls_without_end(newton *s, minimum *m)
{
    if (!loss_is_likelihood(s->loss) || s->loss->l2 > 0) return false;
    if (tg_item(tg_max(tg_abs(s->eta))) < CERTAIN) return false;
    tg_tensor *change = tg_matmul(s->z->a, s->step);
    const double most = tg_item(tg_max(tg_abs(change)));
    const double *d = tg_data_f64(change), *y = tg_data_f64(tg_contiguous(s->y));
    const double *w = tg_data_f64(tg_contiguous(s->z->weights));
    m->certain = 0;
    for (int64_t i = 0; d && y && w && i < change->numel; i++) {
        const double fall = (y[i] > 0 ? d[i] : -d[i]) / most;
        const bool fixed = s->loss->kind == LOSS_POISSON && y[i] > 0;
        if (w[i] > 0 && (fall < -1e-8 || (fixed && fall > 1e-8))) return false;
        m->certain += w[i] > 0 && fall > 1e-8;
    }
    const int64_t first = s->z->intercept;
    tg_tensor *slopes = tg_narrow(turn_back(s->z, s->step), 0, first, s->step->shape[0] - first);
    m->direction = tg_flatten(tg_div(slopes, tg_max(tg_abs(slopes))), 0, -1);
    return m->certain > 0;
}

/* ---- The way there. */

/* Hands the state out of the scope of a step. */
static void keep(newton *s, minimum *m)
{
    tg_tensor **all[] = {&s->b, &s->eta, &s->slope, &s->inverse, &m->direction};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (*all[i]) *all[i] = tg_keep(*all[i]);
}

/* Takes a step, unless an end is reached, and sets the ending. */
static bool go_on(newton *s, minimum *m, double *best)
{
    if (!find_step(s)) {
        m->ending = MINIMUM_MISSED;
        return false;
    }
    find_distance(s);
    const bool settled = (*best < INFINITY && !(s->distance < *best / 2)) ||
                         (s->decrement <= s->rounding && s->distance < INFINITY);
    m->ending = falls_without_end(s, m)  ? MINIMUM_NONE
                : s->distance < INFINITY ? MINIMUM_FOUND
                : s->loss->kind == LOSS_HUBER && s->decrement <= 1e-6 * sqrt(s->value)
                    ? MINIMUM_FLAT
                    : MINIMUM_MISSED;
    *best = s->distance;
    return !settled && m->ending != MINIMUM_NONE && take_step(s);
}

/* Steps until the bound of the distance is found and falls no further. */
static void descend(newton *s, minimum *m)
{
    const int64_t steps = m->steps + STEPS;
    double best = INFINITY;
    for (bool more = true; more && m->steps < steps; m->steps++) {
        tg_scope_begin(s->tg);
        more = go_on(s, m, &best);
        keep(s, m);
        tg_scope_end(s->tg);
    }
}

/* Takes up to so many steps for the current loss. */
static void walk(newton *s, minimum *m, int steps)
{
    for (bool more = true; more && steps > 0; steps--, m->steps++) {
        tg_scope_begin(s->tg);
        move(s, s->b);
        more = find_step(s) && s->decrement > s->rounding && take_step(s);
        keep(s, m);
        tg_scope_end(s->tg);
    }
}

/* Begins Huber's loss at the least-squares line, and then with a large delta, which is divided by 8
 * until it is the wanted one: with a small delta the loss is a valley with many bends, in which
 * steps from far away would be short. */
static void approach(newton *s, minimum *m)
{
    const loss *wanted = s->loss;
    loss wide = {LOSS_MSE, 0, wanted->l2};
    s->loss = &wide;
    walk(s, m, 1);
    wide.kind = LOSS_HUBER;
    wide.number = tg_item(tg_max(tg_abs(tg_sub(s->eta, s->y)))) / 8;
    for (; wide.number > wanted->number && tg_ok(s->tg); wide.number /= 8) walk(s, m, 4);
    s->loss = wanted;
    walk(s, m, STEPS);
}

/* Without features the best logit, or logarithm of a mean, of all rows. */
static double level_of(const newton *s)
{
    const double mean = tg_item(tg_div(tg_sum(tg_mul(s->y, s->z->weights)), tg_sum(s->z->weights)));
    return s->loss->kind == LOSS_LOGISTIC  ? log(mean / (1 - mean))
           : s->loss->kind == LOSS_POISSON ? log(mean)
                                           : mean;
}

/* The standard deviation of the residuals, cut off at delta for Huber's loss, which the errors are
 * measured in; 1 for a likelihood. Where the residuals are no more than rounding leaves, it is
 * raised to be large against that. */
static double scale_of(const newton *s)
{
    if (loss_is_likelihood(s->loss)) return 1;
    const double freedom = (double)s->y->numel - (double)s->b->numel;
    tg_tensor *squares = tg_div(tg_square(s->slope), tg_clamp(s->z->weights, DBL_MIN, INFINITY));
    return fmax(sqrt(tg_item(tg_sum(squares)) / fmax(freedom, 1)), 1e4 * s->rounding);
}

static void set_errors(newton *s, minimum *m)
{
    const double scale = scale_of(s);
    tg_tensor *rows = tg_matmul(to_coefficients(s->z), s->inverse);
    tg_tensor *units = tg_sqrt(tg_sum_dims(tg_square(rows), TG_DIMS(1), false));
    m->errors = tg_mul_scalar(units, scale);
    m->misses = tg_mul_scalar(units, s->distance);
    m->miss = s->distance / scale;
}

bool minimise(const loss *l, const sample *rows, bool intercept, minimum *m)
{
    design z;
    *m = (minimum){0};
    if (!make_design(rows, intercept, &z)) return false;
    if (l->l2 == 0 && !make_orthogonal(&z)) return false;
    tg_context *tg = z.a->context;
    newton s = {.tg = tg, .loss = l, .z = &z, .y = tg_contiguous(rows->y)};
    s.b = tg_zeros(tg, TG_F64, TG_SHAPE(z.a->shape[1], 1));
    if (s.b && z.intercept) tg_set(s.b, TG_INDEX(0, 0), level_of(&s));
    if (z.triangle) s.b = tg_matmul(z.triangle, s.b);
    if (l->kind == LOSS_HUBER) approach(&s, m);
    move(&s, s.b);
    descend(&s, m);
    if (!tg_ok(tg)) return false;
    set_coefficients(&z, s.b, m);
    m->loss = tg_item(tg_sum(tg_mul(loss_of_rows(l, s.eta, s.y), z.weights)));
    if (m->ending == MINIMUM_FOUND) set_errors(&s, m);
    return tg_ok(tg);
}
