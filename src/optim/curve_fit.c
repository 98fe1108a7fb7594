/* Curve fits by Levenberg and Marquardt's method in the form of More (The Levenberg-Marquardt
 * algorithm: implementation and theory, Lecture Notes in Mathematics 630, 1978): the step s is the
 * one with the least |r + J s| among those with |D s| <= radius, where r are the residuals, J is
 * their Jacobian, and D scales each parameter by the greatest size that its column of J has had.
 * The step solves (J^T J + lambda D^2) s = -J^T r for a number lambda that is found by Newton's
 * method on the secular equation |D s| = radius, and is 0 if the Gauss-Newton step is short enough.
 *
 * A parameter at a bound which the gradient pushes outwards is held there for one iteration; the
 * steps of the others are cut at their bounds (a projected method, whose short steps descend since
 * D is diagonal). */
#include "optim.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The QR factorization of the columns of J that belong to parameters which are not held at a bound,
 * each divided by its norm. Its R is a triangle. */
typedef struct r_factor {
    int64_t m, n, rank; /* of J; rank is the number of independent columns */
    int64_t *order;     /* column k of R is that of parameter order[k] */
    double *a;          /* columns of length m: R, and below it what nobody reads */
    double *b;          /* Q^T r, of length m */
    double *size;       /* the norm of each column, by k; 1 for a column of zeros */
} r_factor;

typedef struct fit {
    tg_context *tg;
    tg_function f;
    tg_tensor *x, *y; /* x without its history */
    void *user;
    tg_curve_fit_options o;
    tg_dtype dtype;        /* of the parameters */
    double eps;            /* of the coarser of the two dtypes */
    int64_t m, n;          /* data and parameters */
    double *data, *sigma;  /* y, and its standard errors or NULL */
    double *lower, *upper; /* the bounds or NULL */
    double *p, *r, *j;     /* the parameters, their residuals and Jacobian, in columns */
    double *trial, *trial_r, *trial_j; /* the same for a trial */
    double *model;                     /* J s */
    double *gradient;                  /* J^T r */
    double *scale;                     /* D */
    double *step;                      /* s, by parameter */
    double *z, *d, *w;                 /* step, scale and work in the variables of the triangle */
    double *inverse;                   /* R^-1, in columns of length n */
    double *damped;     /* 6 n^2 numbers to work in: at most 2 n + 1 columns of length 2 n */
    double *curvature;  /* sum_i r_i f_i'', by parameter */
    tg_tensor *weights; /* r / sigma, while curvature is computed */
    r_factor t;
    double sum, size_of_f; /* |r|^2, and the norm of f / sigma */
    double radius, lambda;
    double off;       /* the step to the minimum of the model, in units of what is tolerated */
    double distance;  /* the same in units of the standard errors */
    double least_off; /* the least `off` so far */
    int64_t idle;     /* how many steps since the least `off` were too small for the sum to tell */
    int64_t nfev, njev, iterations;
} fit;

tg_curve_fit_options tg_curve_fit_defaults(void)
{
    return (tg_curve_fit_options){TG_CURVE_FIT_DEFAULTS};
}

/* ---- Vectors and triangles. */

static double product_of(int64_t n, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* The norm of a, whose squares may leave the range. */
static double norm_of(int64_t n, const double *a)
{
    double sum = product_of(n, a, a), most = 0;
    if (sum > 0x1p-900 && sum < 0x1p900) return sqrt(sum);
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(a[i]));
    if (most == 0 || !isfinite(most)) return most;
    sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] / most * (a[i] / most);
    return most * sqrt(sum);
}

static double norm_of_scaled(int64_t n, const double *d, const double *z)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += d[i] * z[i] * d[i] * z[i];
    return sqrt(sum);
}

/* y becomes H y, where H is Householder's reflection with the vector v, which makes `diagonal` the
 * first element of the column that v came from, and the others 0. */
static void reflect(int64_t n, const double *v, double diagonal, double *y)
{
    const double factor = product_of(n, v, y) / (v[0] * diagonal);
    for (int64_t i = 0; i < n; i++) y[i] += factor * v[i];
}

static void exchange_columns(r_factor *t, int64_t a, int64_t b)
{
    const int64_t order = t->order[a];
    const double size = t->size[a];
    for (int64_t i = 0; i < t->m && a != b; i++) {
        const double value = t->a[a * t->m + i];
        t->a[a * t->m + i] = t->a[b * t->m + i];
        t->a[b * t->m + i] = value;
    }
    t->order[a] = t->order[b];
    t->size[a] = t->size[b];
    t->order[b] = order;
    t->size[b] = size;
}

/* The column, among those from column j on, whose part from row j on has the greatest norm. */
static int64_t find_pivot(const r_factor *t, int64_t j)
{
    int64_t best = j;
    double most = -1;
    for (int64_t k = j; k < t->n; k++) {
        const double left = norm_of(t->m - j, t->a + k * t->m + j);
        if (left > most) best = k, most = left;
    }
    return best;
}

/* Replaces a by the triangle R of a = Q R, and b by Q^T b, by Householder's reflections. With an
 * order, columns are exchanged such that the norms of what is left of them decrease. The rank is
 * the number of columns before the first one of which no more than the tolerance is left. */
static void triangularize(r_factor *t, double tolerance)
{
    t->rank = t->n;
    for (int64_t j = 0; j < t->n; j++) {
        if (t->order) exchange_columns(t, j, find_pivot(t, j));
        const int64_t rows = t->m - j;
        double *v = t->a + j * t->m + j;
        const double norm = norm_of(rows, v), diagonal = v[0] > 0 ? -norm : norm;
        if (!(norm > tolerance) && t->rank == t->n) t->rank = j;
        if (norm == 0) continue;
        v[0] -= diagonal;
        for (int64_t k = j + 1; k < t->n; k++) reflect(rows, v, diagonal, t->a + k * t->m + j);
        reflect(rows, v, diagonal, t->b + j);
        v[0] = diagonal; /* what is below it is not read again */
    }
}

/* z becomes the solution of R z = z for the first n columns of the triangle, or of R^T z = z. */
static void divide(const r_factor *t, int64_t n, bool across, double *z)
{
    for (int64_t l = 0; l < n; l++) {
        const int64_t k = across ? l : n - 1 - l;
        const double *column = t->a + k * t->m;
        if (across) z[k] -= product_of(k, column, z);
        z[k] /= column[k];
        for (int64_t i = 0; i < k && !across; i++) z[i] -= z[k] * column[i];
    }
}

/* ---- The function, its residuals and its Jacobian. */

/* f(x, p) for the parameters of that tensor, whose shape and dtype are those of y. */
static tg_tensor *call_f(const fit *w, tg_tensor *p)
{
    tg_tensor *f = w->f(TG_LIST(w->x, p), w->user);
    if (!tg__ready(w->tg)) return NULL;
    if (!f || f->context != w->tg)
        return tg__fail(w->tg, TG_ERR_ARGUMENT, "curve_fit: the function returned %s",
                        f ? "a tensor of another context" : "NULL");
    if (!tg__check_inputs("curve_fit", 1, &f)) return NULL;
    if (f->dtype != w->y->dtype || !tg__same_sizes(f->ndim, f->shape, w->y->ndim, w->y->shape))
        return tg__fail(w->tg, TG_ERR_SHAPE,
                        "curve_fit: the function returned %s %s, but y is %s %s",
                        tg_dtype_name(f->dtype), SHOW(f), tg_dtype_name(w->y->dtype), SHOW(w->y));
    return f;
}

static tg_tensor *make_parameters(const fit *w, const double *p)
{
    tg_tensor *t = tg__new(w->tg, w->dtype, 1, &w->n);
    for (int64_t k = 0; t && k < w->n; k++) tg__store(w->dtype, t->data, k, p[k]);
    return t;
}

/* Computes the residuals (f - y) / sigma at p, the sum of their squares, and the norm of f / sigma.
 */
static bool evaluate_residuals(fit *w, const double *p, double *r, double *sum, double *size_of_f)
{
    tg_scope_begin(w->tg);
    tg_no_grad_begin(w->tg);
    tg_tensor *t = make_parameters(w, p), *f = t ? call_f(w, t) : NULL;
    f = f ? tg__contiguous(f) : NULL;
    double squares = 0;
    for (int64_t i = 0; f && i < w->m; i++) {
        const double value = tg__load(f->dtype, f->data, i), by = w->sigma ? w->sigma[i] : 1;
        r[i] = (value - w->data[i]) / by;
        squares += value / by * (value / by);
    }
    tg_no_grad_end(w->tg);
    tg_scope_end(w->tg);
    w->nfev++;
    *sum = product_of(w->m, r, r);
    *size_of_f = sqrt(squares);
    return f != NULL;
}

static tg_tensor *flat_f(tg_list inputs, void *user)
{
    return tg_reshape(call_f(user, inputs.items[0]), TG_SHAPE(-1));
}

/* Computes the Jacobian of the residuals at p in w->trial_j. *finite becomes whether all its
 * elements are finite. */
static bool evaluate_jacobian(fit *w, const double *p, bool *finite)
{
    tg_scope_begin(w->tg);
    tg_tensor *t = make_parameters(w, p), *j = NULL;
    const bool done = t && tg_jacobian(flat_f, TG_LIST(t), w, &j);
    *finite = true;
    for (int64_t i = 0; done && i < w->m; i++)
        for (int64_t k = 0; k < w->n; k++) {
            const double slope = tg__load(j->dtype, j->data, i * w->n + k);
            *finite = *finite && isfinite(slope);
            w->trial_j[k * w->m + i] = slope / (w->sigma ? w->sigma[i] : 1);
        }
    tg_scope_end(w->tg);
    w->njev++;
    return done;
}

/* ---- The step. */

/* Whether parameter k is at a bound which the gradient pushes it against. */
static bool is_held(const fit *w, int64_t k)
{
    return (w->lower && w->p[k] <= w->lower[k] && w->gradient[k] > 0) ||
           (w->upper && w->p[k] >= w->upper[k] && w->gradient[k] < 0);
}

/* Factorizes the columns of J: those of the parameters that are not held at a bound, or all. */
static void factorize_jacobian(fit *w, bool all)
{
    r_factor *t = &w->t;
    t->m = w->m;
    t->n = 0;
    for (int64_t k = 0; k < w->n; k++) {
        if (!all && is_held(w, k)) continue;
        const double *column = w->j + k * w->m, norm = norm_of(w->m, column);
        const double size = norm > 0 ? norm : 1;
        for (int64_t i = 0; i < w->m; i++) t->a[t->n * w->m + i] = column[i] / size;
        t->order[t->n] = k;
        t->size[t->n++] = size;
    }
    memcpy(t->b, w->r, (size_t)w->m * sizeof *t->b);
    triangularize(t, w->eps > DBL_EPSILON ? w->eps : (double)w->m * DBL_EPSILON);
}

/* z becomes the step to the least |b + R z|, in which a column that depends on those before it has
 * the step 0. */
static void gauss_newton(const r_factor *t, double *z)
{
    for (int64_t k = 0; k < t->n; k++) z[k] = k < t->rank ? -t->b[k] : 0;
    divide(t, t->rank, false, z);
}

/* The triangle for R with the rows sqrt(lambda) D below it; w->z becomes its step. */
static r_factor damp(fit *w, double lambda)
{
    const int64_t n = w->t.n, rows = 2 * n;
    r_factor s = {.m = rows, .n = n, .a = w->damped, .b = w->damped + n * rows};
    memset(s.a, 0, (size_t)((n + 1) * rows) * sizeof *s.a);
    for (int64_t k = 0; k < n; k++) {
        memcpy(s.a + k * rows, w->t.a + k * w->m, (size_t)(k + 1) * sizeof *s.a);
        s.a[k * rows + n + k] = sqrt(lambda) * w->d[k];
        s.b[k] = w->t.b[k];
    }
    triangularize(&s, 0);
    gauss_newton(&s, w->z);
    return s;
}

/* What Newton's method adds to lambda, where s is the triangle that belongs to lambda, and `length`
 * is the length |D z| of its step. */
static double newton_correction(fit *w, const r_factor *s, double length)
{
    for (int64_t k = 0; k < s->n; k++) w->w[k] = w->d[k] * w->d[k] * w->z[k] / length;
    divide(s, s->n, true, w->w);
    return (length - w->radius) / w->radius / product_of(s->n, w->w, w->w);
}

/* |D^-1 R^T b|, the size of the gradient in the norm that goes with D. */
static double gradient_size(const fit *w)
{
    double sum = 0;
    for (int64_t k = 0; k < w->t.n; k++) {
        const double g = product_of(k + 1, w->t.a + k * w->m, w->t.b) / w->d[k];
        sum += g * g;
    }
    return sqrt(sum);
}

enum { LAMBDAS = 10 }; /* the most that are tried for one step; two or three do as a rule */

/* w->z becomes the step whose length |D z| is the radius within a tenth, or the Gauss-Newton step
 * if that is not longer. Lambda is kept between bounds as in More's algorithm 5.5. */
static void find_step(fit *w)
{
    const r_factor *t = &w->t;
    gauss_newton(t, w->z);
    double length = norm_of_scaled(t->n, w->d, w->z), least = 0;
    if (length <= 1.1 * w->radius) {
        w->lambda = 0;
        return;
    }
    if (t->rank == t->n) least = newton_correction(w, t, length);
    const double slope = gradient_size(w);
    double most = slope / w->radius;
    w->lambda = fmin(fmax(w->lambda, least), most);
    if (w->lambda == 0) w->lambda = slope / length;
    for (int i = 0; i < LAMBDAS; i++) {
        if (w->lambda == 0) w->lambda = fmax(DBL_MIN, 0.001 * most);
        const r_factor s = damp(w, w->lambda);
        const double before = length;
        length = norm_of_scaled(t->n, w->d, w->z);
        if (fabs(length - w->radius) <= 0.1 * w->radius ||
            (least == 0 && length <= before && before < w->radius))
            return;
        if (length > w->radius)
            least = fmax(least, w->lambda);
        else
            most = fmin(most, w->lambda);
        if (i + 1 < LAMBDAS) w->lambda = fmax(least, w->lambda + newton_correction(w, &s, length));
    }
}

/* The trial becomes p + s, rounded to the dtype and within the bounds, and s the step to it.
 * Whether it is another point. */
static bool make_trial(fit *w)
{
    const r_factor *t = &w->t;
    bool moves = false;
    memset(w->step, 0, (size_t)w->n * sizeof *w->step);
    for (int64_t k = 0; k < t->n; k++) w->step[t->order[k]] = w->z[k] / t->size[k];
    for (int64_t k = 0; k < w->n; k++) {
        double to = tg__rounded(w->dtype, w->p[k] + w->step[k]);
        if (w->lower && to < w->lower[k]) to = w->lower[k];
        if (w->upper && to > w->upper[k]) to = w->upper[k];
        w->trial[k] = to;
        w->step[k] = to - w->p[k];
        moves = moves || w->step[k] != 0;
    }
    return moves;
}

/* ---- How near the optimum is. */

/* Computes R^-1 in w->inverse, and the norms of its rows in w->w. The norms, multiplied by the
 * standard deviation of the residuals, are the standard errors of the variables of the triangle. */
static void invert(fit *w)
{
    const r_factor *t = &w->t;
    for (int64_t l = 0; l < t->n; l++) {
        double *column = w->inverse + l * t->n;
        memset(column, 0, (size_t)t->n * sizeof *column);
        column[l] = 1;
        divide(t, l + 1, false, column);
    }
    for (int64_t k = 0; k < t->n; k++) {
        double sum = 0;
        for (int64_t l = k; l < t->n; l++)
            sum += w->inverse[l * t->n + k] * w->inverse[l * t->n + k];
        w->w[k] = sqrt(sum);
    }
}

/* The variance of a residual. */
static double variance_of(const fit *w)
{
    return w->m > w->n ? w->sum / (double)(w->m - w->n) : 0;
}

enum { ROUNDINGS = 2 }; /* that an element of f may have, in units of eps |f| */

/* Sets w->distance and w->off by the step w->z, which leads to the minimum of a model. w->distance
 * is its length in standard errors. w->off is its length in units of the longest step that counts
 * as converged: the tolerance times the standard error, plus what rounding in f makes of the step.
 * A change of r by eps |f| changes parameter k by at most eps |f| times the norm of row k of J's
 * pseudo-inverse, and w->w has the norms of these rows. */
static void measure_step(fit *w)
{
    const r_factor *t = &w->t;
    const double deviation = sqrt(variance_of(w)), rounding = ROUNDINGS * w->eps * w->size_of_f;
    w->off = w->distance = 0;
    for (int64_t k = 0; k < t->n; k++) {
        const double step = fabs(w->z[k]), error = deviation * w->w[k],
                     floor = rounding * w->w[k] + w->eps * fabs(w->p[t->order[k]]) * t->size[k];
        if (step == 0) continue;
        w->off = fmax(w->off, step / (w->o.tolerance * error + floor));
        w->distance = fmax(w->distance, step / error);
    }
}

/* Measures the Gauss-Newton step in this way. It is infinitely far off if columns are dependent. */
static void measure_distance(fit *w)
{
    w->off = w->distance = INFINITY;
    if (w->t.rank < w->t.n) return;
    gauss_newton(&w->t, w->z);
    invert(w);
    measure_step(w);
}

/* Computes all that follows from p, r and J: the gradient, the triangle, the scales, and how far
 * the minimum is. */
static void look_around(fit *w)
{
    for (int64_t k = 0; k < w->n; k++) w->gradient[k] = product_of(w->m, w->j + k * w->m, w->r);
    factorize_jacobian(w, false);
    for (int64_t k = 0; k < w->n; k++) {
        const double size = norm_of(w->m, w->j + k * w->m);
        w->scale[k] = fmax(w->scale[k], size);
        if (w->scale[k] == 0) w->scale[k] = 1;
    }
    for (int64_t k = 0; k < w->t.n; k++) w->d[k] = w->scale[w->t.order[k]] / w->t.size[k];
    measure_distance(w);
}

/* ---- The curvature of f, which the Gauss-Newton step leaves out. */

static tg_tensor *weighted_f(tg_list inputs, void *user)
{
    const fit *w = user;
    return tg_sum(tg_mul(call_f(w, inputs.items[0]), w->weights));
}

/* Computes sum_i r_i f_i'' in w->curvature. */
static bool evaluate_curvature(fit *w)
{
    tg_scope_begin(w->tg);
    tg_tensor *t = make_parameters(w, w->p), *h = NULL;
    w->weights = tg_empty_like(w->y);
    for (int64_t i = 0; w->weights && i < w->m; i++)
        tg__store(w->y->dtype, w->weights->data, i, w->r[i] / (w->sigma ? w->sigma[i] : 1));
    const bool done = t && w->weights && tg_hessian(weighted_f, TG_LIST(t), w, &h);
    for (int64_t i = 0; done && i < w->n * w->n; i++)
        w->curvature[i] = tg__load(h->dtype, h->data, i);
    tg_scope_end(w->tg);
    return done;
}

/* M, in columns of length n, becomes I + Z^T S Z, where Z is R^-1 and S the curvature in the
 * variables of the triangle: R^T M R is the Hessian of half the sum of squares. */
static void transform_curvature(const fit *w, double *M, double *product)
{
    const r_factor *t = &w->t;
    const int64_t n = t->n;
    for (int64_t l = 0; l < n; l++)
        for (int64_t k = 0; k < n; k++) {
            double sum = 0;
            for (int64_t i = 0; i <= l; i++)
                sum += w->curvature[t->order[k] * w->n + t->order[i]] / t->size[k] / t->size[i] *
                       w->inverse[l * n + i];
            product[l * n + k] = sum;
        }
    for (int64_t l = 0; l < n; l++)
        for (int64_t k = 0; k < n; k++)
            M[l * n + k] = (k == l) + product_of(k + 1, w->inverse + k * n, product + l * n);
}

/* The triangle becomes L^T, where M = L L^T is the matrix in its place, by Cholesky's method.
 * Whether M is positive definite. */
static bool factorize_curvature(const r_factor *s)
{
    for (int64_t k = 0; k < s->n; k++) {
        double *column = s->a + k * s->m;
        for (int64_t l = 0; l <= k; l++) {
            column[l] -= product_of(l, s->a + l * s->m, column);
            if (l < k) column[l] /= s->a[l * s->m + l];
        }
        if (!(column[k] > 0)) return false;
        column[k] = sqrt(column[k]);
    }
    return true;
}

/* Measures the distance once more, by Newton's step, which knows the curvature of f. *minimum:
 * whether the Hessian is positive definite, as it is at a minimum. */
static bool look_at_curvature(fit *w, bool *minimum)
{
    const int64_t n = w->t.n;
    r_factor s = {.m = n, .n = n, .rank = n, .a = w->damped};
    if (!evaluate_curvature(w)) return false;
    transform_curvature(w, s.a, s.a + n * n);
    *minimum = factorize_curvature(&s);
    if (!*minimum) return true;
    for (int64_t k = 0; k < n; k++) w->z[k] = -w->t.b[k];
    divide(&s, n, true, w->z);
    divide(&s, n, false, w->z);
    divide(&w->t, n, false, w->z);
    measure_step(w);
    return true;
}

/* ---- The search. */

/* Adapts the radius to how well the model has foretold the sum of squares. */
static void adapt_radius(fit *w, double ratio, double actual, double slope, double length)
{
    if (ratio <= 0.25) {
        double shrink = actual >= 0 ? 0.5 : 0.5 * slope / (slope + 0.5 * actual);
        if (!(shrink >= 0.1) || actual <= -1) shrink = 0.1;
        w->radius = shrink * fmin(w->radius, 10 * length);
        w->lambda /= shrink;
    } else if (w->lambda == 0 || ratio >= 0.75) {
        w->radius = 2 * length;
        w->lambda *= 0.5;
    }
}

static void accept_trial(fit *w, double sum, double size_of_f)
{
    double *p = w->p, *r = w->r, *j = w->j;
    w->p = w->trial, w->r = w->trial_r, w->j = w->trial_j;
    w->trial = p, w->trial_r = r, w->trial_j = j;
    w->sum = sum;
    w->size_of_f = size_of_f;
    w->iterations++;
}

/* Evaluates the trial at p + s. Accepts it if the sum of squares decreases by at least 1e-4 of what
 * the model foretells, or if what it foretells and what happens are both too small for the rounding
 * of the sum: the step follows from the gradient, which is known better than the sum. */
static bool evaluate_trial_point(fit *w, bool *accepted)
{
    double sum, size_of_f, ratio = 0;
    memset(w->model, 0, (size_t)w->m * sizeof *w->model);
    for (int64_t k = 0; k < w->n; k++)
        for (int64_t i = 0; i < w->m; i++) w->model[i] += w->j[k * w->m + i] * w->step[k];
    const double length = norm_of_scaled(w->n, w->scale, w->step),
                 slope = product_of(w->m, w->r, w->model) / w->sum,
                 foretold = -2 * slope - product_of(w->m, w->model, w->model) / w->sum,
                 noise = fmin(4 * w->eps * w->size_of_f / sqrt(w->sum), 0.5);
    if (w->iterations == 0) w->radius = fmin(w->radius, length);
    if (!evaluate_residuals(w, w->trial, w->trial_r, &sum, &size_of_f)) return false;
    double actual = sum < 100 * w->sum ? 1 - sum / w->sum : -1;
    const bool idle = fabs(actual) <= noise && fabs(foretold) <= noise;
    if (idle || foretold > 0) ratio = idle ? 1 : actual / foretold;
    bool finite = ratio >= 1e-4;
    if (finite && !evaluate_jacobian(w, w->trial, &finite)) return false;
    if (ratio >= 1e-4 && !finite) ratio = 0, actual = -1;
    adapt_radius(w, ratio, actual, slope, length);
    *accepted = ratio >= 1e-4;
    if (!*accepted) return true;
    w->idle = idle ? w->idle + 1 : 0;
    accept_trial(w, sum, size_of_f);
    return true;
}

/* Tries steps until one is accepted, and then returns TG_FIT_CONVERGED, which the caller still has
 * to check. Any other value is the reason why the search ends. */
static tg_fit_reason find_better_point(fit *w)
{
    for (bool accepted = false; !accepted;) {
        find_step(w);
        if (!make_trial(w)) return TG_FIT_NO_PROGRESS;
        if (w->nfev >= w->o.max_nfev) return TG_FIT_MAX_NFEV;
        if (!evaluate_trial_point(w, &accepted)) return TG_FIT_FAILED;
        if (!accepted && w->radius <= DBL_EPSILON * norm_of_scaled(w->n, w->scale, w->p))
            return TG_FIT_NO_PROGRESS;
    }
    return TG_FIT_CONVERGED;
}

/* Whether the callback lets the search go on. */
static bool report(const fit *w)
{
    if (!w->o.callback) return true;
    const tg_curve_fit_progress progress = {w->iterations, w->nfev, w->sum,
                                            w->distance,   w->n,    w->p};
    tg_scope_begin(w->tg);
    const bool goes_on = w->o.callback(&progress, w->user);
    tg_scope_end(w->tg);
    return goes_on;
}

/* After so many steps in a row that change the sum by less than its rounding, none of which comes
 * nearer to the minimum, the search ends. */
enum { IDLE = 8 };

static tg_fit_reason search(fit *w)
{
    for (;;) {
        look_around(w);
        if (w->iterations == 0) {
            w->radius =
                norm_of_scaled(w->n, w->scale, w->p); /* no step is longer than p at first */
            if (w->radius == 0) w->radius = 1;
        }
        const bool goes_on = report(w);
        if (!tg__ready(w->tg)) return TG_FIT_FAILED;
        if (w->off <= 1) {
            bool minimum;
            if (!look_at_curvature(w, &minimum)) return TG_FIT_FAILED;
            if (!minimum) return TG_FIT_SADDLE;
            if (w->off <= 1) return TG_FIT_CONVERGED;
        }
        if (!goes_on) return TG_FIT_STOPPED;
        if (w->off < w->least_off) w->least_off = w->off, w->idle = 0;
        tg_fit_reason reason = w->idle < IDLE ? find_better_point(w) : TG_FIT_NO_PROGRESS;
        if (reason == TG_FIT_NO_PROGRESS && w->t.rank < w->t.n) reason = TG_FIT_UNDETERMINED;
        if (reason != TG_FIT_CONVERGED) return reason;
    }
}

/* ---- From the caller, and back. */

/* Puts the elements of t, which must have the shape and dtype of `like`, in *values; NULL if there
 * is no t. */
static bool read_option(fit *w, tg_tensor *t, const char *name, const tg_tensor *like,
                        const char *of, double **values)
{
    *values = NULL;
    if (!t) return true;
    if (!tg__check_inputs("curve_fit", 2, (tg_tensor *[]){w->y, t})) return false;
    if (t->dtype != like->dtype || !tg__same_sizes(t->ndim, t->shape, like->ndim, like->shape))
        return tg__fail(w->tg, TG_ERR_SHAPE, "curve_fit: %s is %s %s, but %s is %s %s", name,
                        tg_dtype_name(t->dtype), SHOW(t), of, tg_dtype_name(like->dtype),
                        SHOW(like));
    tg_tensor *contiguous = tg__contiguous(t);
    *values = contiguous ? tg__alloc(w->tg, tg__bytes(t->numel, sizeof **values)) : NULL;
    for (int64_t i = 0; *values && i < t->numel; i++)
        (*values)[i] = tg__load(t->dtype, contiguous->data, i);
    return *values != NULL;
}

static bool check_sigma(const fit *w)
{
    for (int64_t i = 0; w->sigma && i < w->m; i++)
        if (!(w->sigma[i] > 0 && w->sigma[i] < INFINITY))
            return tg__fail(w->tg, TG_ERR_ARGUMENT,
                            "curve_fit: sigma has %g at element %lld, but must be positive",
                            w->sigma[i], (long long)i);
    return true;
}

/* Checks that p0 lies within the bounds. */
static bool check_bounds(const fit *w)
{
    for (int64_t k = 0; k < w->n; k++) {
        const double low = w->lower ? w->lower[k] : -INFINITY,
                     high = w->upper ? w->upper[k] : INFINITY;
        if (!(low < high && low <= w->p[k] && w->p[k] <= high))
            return tg__fail(w->tg, TG_ERR_ARGUMENT,
                            "curve_fit: p0 has %g at element %lld, where the bounds are %g and %g",
                            w->p[k], (long long)k, low, high);
    }
    return true;
}

static bool check_curve_fit(const fit *w, tg_tensor *p0)
{
    const tg_curve_fit_options *o = &w->o;
    if (!w->f) return tg__fail(w->tg, TG_ERR_ARGUMENT, "curve_fit: the function is NULL");
    if (!tg__is_float(w->y->dtype)) return tg__refuse_dtype("curve_fit", w->y);
    if (!tg__is_float(p0->dtype)) return tg__refuse_dtype("curve_fit", p0);
    if (p0->ndim != 1 || p0->numel == 0)
        return tg__fail(w->tg, TG_ERR_SHAPE,
                        "curve_fit: p0 is %s, but must be a list of parameters, [n]", SHOW(p0));
    if (w->m < w->n)
        return tg__fail(w->tg, TG_ERR_SHAPE, "curve_fit: y %s has fewer elements than p0 %s",
                        SHOW(w->y), SHOW(p0));
    if (!(o->tolerance > 0 && o->tolerance < 1))
        return tg__fail(w->tg, TG_ERR_ARGUMENT,
                        "curve_fit: tolerance is %g, but must be between 0 and 1", o->tolerance);
    return tg__check_number(w->tg, "curve_fit", "max_nfev", o->max_nfev, 1, INT64_MAX,
                            "begin with TG_CURVE_FIT or tg_curve_fit_defaults");
}

/* Takes all memory of the search. */
static bool make_fit_vectors(fit *w)
{
    const int64_t m = w->m, n = w->n, table = tg__times(m, n), square = tg__times(n, n);
    const struct {
        double **to;
        int64_t size;
    } vectors[] = {
        {&w->p, n},
        {&w->trial, n},
        {&w->r, m},
        {&w->trial_r, m},
        {&w->j, table},
        {&w->trial_j, table},
        {&w->model, m},
        {&w->gradient, n},
        {&w->scale, n},
        {&w->step, n},
        {&w->z, n},
        {&w->d, n},
        {&w->w, n},
        {&w->inverse, square},
        {&w->curvature, square},
        {&w->damped, tg__times(square, 6)},
        {&w->t.a, table},
        {&w->t.b, m},
        {&w->t.size, n},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        *vectors[i].to = tg__alloc(w->tg, tg__bytes(vectors[i].size, sizeof(double)));
        if (!*vectors[i].to) return false;
    }
    memset(w->scale, 0, (size_t)n * sizeof *w->scale);
    w->t.order = tg__alloc(w->tg, tg__bytes(n, sizeof *w->t.order));
    return w->t.order != NULL;
}

static bool begin_fit(fit *w, tg_tensor *p0)
{
    double *start;
    if (!make_fit_vectors(w) || !read_option(w, w->y, "y", w->y, "y", &w->data) ||
        !read_option(w, p0, "p0", p0, "p0", &start) ||
        !read_option(w, w->o.sigma, "sigma", w->y, "y", &w->sigma) ||
        !read_option(w, w->o.lower, "lower", p0, "p0", &w->lower) ||
        !read_option(w, w->o.upper, "upper", p0, "p0", &w->upper))
        return false;
    memcpy(w->p, start, (size_t)w->n * sizeof *start);
    if (!check_sigma(w) || !check_bounds(w)) return false;
    bool finite;
    if (!evaluate_residuals(w, w->p, w->r, &w->sum, &w->size_of_f) ||
        !evaluate_jacobian(w, w->p, &finite))
        return false;
    double *j = w->j;
    w->j = w->trial_j, w->trial_j = j;
    if (finite && isfinite(w->sum) && isfinite(w->size_of_f)) return true;
    return tg__fail(w->tg, TG_ERR_ARGUMENT, "curve_fit: %s is not finite at p0: %s",
                    isfinite(w->sum) ? "the Jacobian" : "the sum of squares",
                    "begin elsewhere, or look for NaN in x and y");
}

/* Computes the covariance, an n by n matrix. All its elements are infinite if the data do not
 * determine the parameters. */
static void compute_covariance(fit *w, double *covariance)
{
    const int64_t n = w->n;
    factorize_jacobian(w, true);
    const bool known = w->t.rank == n && (w->o.absolute_sigma || w->m > n);
    const double variance = w->o.absolute_sigma ? 1 : variance_of(w);
    if (known) invert(w);
    for (int64_t k = 0; k < n; k++)
        for (int64_t l = 0; l < n; l++) {
            double sum = 0;
            for (int64_t i = k > l ? k : l; known && i < n; i++)
                sum += w->inverse[i * n + k] * w->inverse[i * n + l];
            covariance[w->t.order[k] * n + w->t.order[l]] =
                known ? sum / w->t.size[k] / w->t.size[l] * variance : INFINITY;
        }
}

static const char *const reasons[] = {
    [TG_FIT_FAILED] = "the fit failed",
    [TG_FIT_CONVERGED] = "the parameters are at a minimum",
    [TG_FIT_MAX_NFEV] = "max_nfev evaluations were not enough",
    [TG_FIT_STOPPED] = "the callback stopped the fit",
    [TG_FIT_NO_PROGRESS] = "no step makes the sum of squares less, though it is not at a minimum",
    [TG_FIT_SADDLE] = "the gradient is 0, but this is not a minimum",
    [TG_FIT_UNDETERMINED] = "the data do not determine all parameters",
};

/* The result, with its tensors in the scope around the current one. */
static tg_curve_fit_result make_fit_result(fit *w, tg_fit_reason reason)
{
    tg_curve_fit_result result = {
        .sum_of_squares = w->sum,
        .residual_std = w->m > w->n ? sqrt(variance_of(w)) : INFINITY,
        .distance = w->distance,
        .converged = reason == TG_FIT_CONVERGED,
        .reason = reason,
        .message = reasons[reason],
        .nfev = w->nfev,
        .njev = w->njev,
        .iterations = w->iterations,
    };
    double *covariance = w->damped; /* which has the room */
    compute_covariance(w, covariance);
    tg_tensor *c = tg__new(w->tg, w->dtype, 2, (int64_t[]){w->n, w->n}),
              *e = tg__new(w->tg, w->dtype, 1, &w->n), *p = make_parameters(w, w->p);
    for (int64_t k = 0; c && e && k < w->n; k++) {
        tg__store(w->dtype, e->data, k, sqrt(covariance[k * w->n + k]));
        for (int64_t l = 0; l < w->n; l++)
            tg__store(w->dtype, c->data, k * w->n + l, covariance[k * w->n + l]);
    }
    result.parameters = p && c && e ? tg_keep(p) : NULL;
    result.covariance = result.parameters ? tg_keep(c) : NULL;
    result.std_errors = result.covariance ? tg_keep(e) : NULL;
    return result;
}

/* What a call that fails returns; what it has handed out is released. */
static tg_curve_fit_result no_result(tg_curve_fit_result r)
{
    if (r.parameters) tg_release(r.parameters);
    if (r.covariance) tg_release(r.covariance);
    return (tg_curve_fit_result){.message = reasons[TG_FIT_FAILED]};
}

tg_curve_fit_result tg_curve_fit(tg_function f, tg_tensor *x, tg_tensor *y, tg_tensor *p0,
                                 void *user, const tg_curve_fit_options *options)
{
    tg_curve_fit_result result = {0};
    if (!tg__check_inputs("curve_fit", 3, (tg_tensor *[]){x, y, p0}) || !tg__ready(y->context) ||
        !tg__check_history("curve_fit", 3, (tg_tensor *[]){x, y, p0}))
        return no_result(result);
    fit w = {.tg = y->context, .f = f, .y = y, .user = user};
    w.o = options ? *options : tg_curve_fit_defaults();
    w.dtype = p0->dtype;
    w.eps = y->dtype == TG_F64 && p0->dtype == TG_F64 ? DBL_EPSILON : FLT_EPSILON;
    w.m = y->numel;
    w.n = p0->numel;
    w.least_off = INFINITY;
    if (!check_curve_fit(&w, p0)) return no_result(result);
    tg_scope_begin(w.tg);
    w.x = tg_detach(x);
    if (w.x && begin_fit(&w, p0)) {
        const tg_fit_reason reason = search(&w);
        if (reason != TG_FIT_FAILED) result = make_fit_result(&w, reason);
    }
    tg_scope_end(w.tg);
    return result.std_errors ? result : no_result(result);
}
