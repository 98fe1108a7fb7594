#include "least_squares.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "twofold.h"

tg_tensor *line_predict(const line *l, tg_tensor *x)
{
    return tg_add_scalar(tg_matmul(tg_sub(x, l->center), l->slope), l->level);
}

double line_intercept(const line *l)
{
    const double *center = tg_data_f64(tg_contiguous(l->center));
    const double *slope = tg_data_f64(tg_contiguous(l->slope));
    if (!center || !slope) return NAN;
    twofold sum = {l->level, 0};
    for (int64_t j = 0; j < l->slope->numel; j++) add_product(&sum, -center[j], slope[j]);
    return sum.high + sum.low;
}

tg_tensor *line_coefficients(const line *l, bool intercept)
{
    tg_tensor *slope = tg_flatten(l->slope, 0, -1);
    if (!slope || !intercept) return slope;
    tg_tensor *constant = tg_full(slope->context, TG_F64, TG_SHAPE(1), line_intercept(l));
    return tg_cat(TG_LIST(constant, slope), 0);
}

tg_tensor *near_means(tg_tensor *x)
{
    if (!x) return NULL;
    tg_scope_begin(x->context);
    tg_tensor *far = tg_abs(tg_sub(x, tg_mean_dims(x, TG_DIMS(0), TG_KEEPDIM)));
    tg_tensor *near = tg_keep(tg_gather(x, 0, tg_argmin_dim(far, 0, true)));
    tg_scope_end(x->context);
    return near;
}

/* ---- The triangle R of the QR factorization, k x k, row by row. */

tg_tensor *triangle(tg_tensor *a)
{
    if (!a) return NULL;
    tg_tensor *r = tg_zeros(a->context, TG_F64, TG_SHAPE(a->shape[1], a->shape[1]));
    return r ? tg_qr_add_rows_(r, a) : NULL;
}

/* The inverse of R, where 1 stands in place of a 0 on its diagonal. */
static tg_tensor *inverse_of(tg_tensor *r)
{
    tg_tensor *regular = tg_clone(r);
    double *diagonal = regular ? regular->data : NULL;
    const int64_t k = r->shape[0];
    for (int64_t i = 0; diagonal && i < k; i++)
        if (!(fabs(diagonal[i * k + i]) > DBL_MIN)) diagonal[i * k + i] = 1;
    return tg_solve_triangular(regular, tg_eye(r->context, TG_F64, k, k), TG_UPPER);
}

/* Whether column j of R is, to within rounding, the combination w of those before it, which column
 * j of the inverse tells, divided by minus its diagonal. The entries of x are known to half a unit
 * of their last place, which is that of sizes before the centers were taken away; elimination adds
 * some units of the centered values. */
static bool depends(const least_squares *fit, const double *r, const double *inverse,
                    const double *lengths, int64_t j, double *w)
{
    const int64_t k = least_squares_size(fit);
    const double *center = tg_data_f64(fit->line.center);
    double doubt = 0;
    for (int64_t i = 0; i <= j; i++) {
        const int64_t feature = i - fit->intercept;
        const double shift = feature < 0 ? 0 : fabs(center[feature]) * sqrt(fit->weight);
        w[i] = -inverse[i * k + j] / inverse[j * k + j];
        doubt += fabs(w[i]) * (shift + 16 * (double)k * lengths[i]);
    }
    const double rest = fabs(r[j * k + j]);
    return !(rest > DBL_EPSILON * doubt && rest > (double)fit->rows * DBL_EPSILON * lengths[j]);
}

static bool find_dependent(least_squares *fit, tg_tensor *r, tg_tensor *inverse)
{
    tg_tensor *w = tg_zeros(r->context, TG_F64, TG_SHAPE(1, fit->features + 1));
    const double *center = tg_data_f64(fit->line.center);
    const double *lengths = tg_data_f64(tg_norm_dims(r, 2, TG_DIMS(0), false));
    for (int64_t j = 0; w && lengths && inverse && j < fit->features; j++) {
        double *factors = w->data;
        if (!depends(fit, r->data, inverse->data, lengths, j + fit->intercept,
                     factors + 1 - fit->intercept))
            continue;
        factors[0] += center[j];
        for (int64_t i = 0; i < j; i++) factors[0] -= factors[i + 1] * center[i];
        fit->dependent = j;
        fit->combination = tg_narrow(tg_flatten(w, 0, -1), 0, 0, j + 1);
        break;
    }
    return tg_ok(r->context);
}

/* The standard errors are the lengths of the rows of R^-1. The intercept is taken from the center
 * to where all features are 0. */
static void find_errors(least_squares *fit, tg_tensor *inverse)
{
    if (fit->intercept) {
        tg_tensor *rest = tg_narrow(inverse, 0, 1, fit->features);
        tg_sub_(tg_narrow(inverse, 0, 0, 1), tg_matmul(fit->line.center, rest));
    }
    fit->unit_errors = tg_norm_dims(inverse, 2, TG_DIMS(1), false);
}

/* The largest eigenvalue of u^T u or, by the inverse, the smallest, with its eigenvector, by
 * iteration. If it is near others, it is mixed with these, and known to few digits. */
static double iterate(tg_tensor *u, bool inverse, tg_tensor **vector)
{
    enum { LEAST = 20, MOST = 200 };
    tg_context *tg = u->context;
    const int64_t k = u->shape[0];
    tg_tensor *v = tg_sin(tg_unsqueeze(tg_arange(tg, TG_F64, 1, (double)k + 1, 1), 1));
    double value = 0, before = INFINITY;
    for (int i = 0; i < LEAST || (i < MOST && fabs(value - before) > 1e-4 * value); i++) {
        tg_scope_begin(tg);
        v = tg_div(v, tg_norm(v, 2));
        tg_tensor *w = inverse ? tg_solve_triangular(tg_t(u), v, TG_LOWER) : tg_matmul(u, v);
        v = tg_keep(inverse ? tg_solve_triangular(u, w, TG_UPPER) : tg_matmul(tg_t(u), w));
        before = value;
        value = pow(tg_item(tg_norm(w, 2)), inverse ? -2 : 2);
        tg_scope_end(tg);
    }
    *vector = tg_flatten(tg_div(v, tg_norm(v, 2)), 0, -1);
    return value;
}

/* The eigenvalues of the correlation matrix are the squares of the singular values of the columns
 * of R below the intercept's row, of length 1. Those of very many columns would take longer than
 * the fit. */
static void find_eigenvalues(least_squares *fit, tg_tensor *r)
{
    enum { MANY = 200 };
    const int64_t k = fit->features, o = fit->intercept;
    tg_tensor *columns = tg_narrow(tg_narrow(r, 0, o, k), 1, o, k);
    tg_tensor *unit = tg_div(columns, tg_norm_dims(columns, 2, TG_DIMS(0), TG_KEEPDIM));
    if (!unit) return;
    if (k > MANY) {
        fit->largest = iterate(unit, false, &fit->flattest);
        fit->smallest = iterate(unit, true, &fit->flattest);
        return;
    }
    const tg_svd_factors svd = tg_svd(unit);
    fit->largest = pow(tg_item(tg_max(svd.s)), 2);
    fit->smallest = pow(tg_item(tg_min(svd.s)), 2);
    fit->flattest = tg_select(svd.vh, 0, k - 1);
}

/* ---- The fit. */

/* The sum of squares of y - (1, x) b, where each difference is formed in twice the precision. */
static double sum_squares(const least_squares *fit, const double *b)
{
    const double *x = tg_data_f64(fit->x), *y = tg_data_f64(fit->y);
    const double *w = fit->w ? tg_data_f64(fit->w) : NULL;
    const int64_t k = fit->features, o = fit->intercept;
    twofold squares = {0, 0};
    for (int64_t i = 0; i < fit->rows; i++) {
        twofold rest = {y[i], 0};
        if (o) add(&rest, -b[0]);
        for (int64_t j = 0; j < k; j++) add_product(&rest, -b[j + o], x[i * k + j]);
        const double residual = rest.high + rest.low;
        add(&squares, w ? w[i] * residual * residual : residual * residual);
    }
    return squares.high + squares.low;
}

/* The weighted sum over the rows of a column. */
static tg_tensor *weighted_sum(const least_squares *fit, tg_tensor *column)
{
    return tg_sum(fit->w ? tg_mul(column, fit->w) : column);
}

/* The sum of squares that an intercept alone leaves, or no coefficient at all. */
static double total_squares(const least_squares *fit)
{
    tg_tensor *y = fit->y;
    if (fit->intercept) y = tg_sub(y, tg_div_scalar(weighted_sum(fit, y), fit->weight));
    return tg_item(weighted_sum(fit, tg_square(y)));
}

/* Sets the line and the coefficients, where the solution (intercept + features) is that for the
 * data less their centers. */
static void set_solution(least_squares *fit, tg_tensor *b)
{
    if (!b) return;
    fit->solution = b;
    fit->line.slope = tg_unsqueeze(tg_narrow(b, 0, fit->intercept, fit->features), 1);
    fit->line.level = fit->y_center + (fit->intercept ? tg_get(b, TG_INDEX(0)) : 0);
    fit->coefficients = line_coefficients(&fit->line, fit->intercept);
}

/* Finds what the triangle R tells of the features. */
static bool analyse(least_squares *fit, tg_tensor *r)
{
    tg_tensor *inverse = r ? inverse_of(r) : NULL;
    if (!inverse || !find_dependent(fit, r, inverse)) return false;
    if (fit->dependent >= 0) return true;
    fit->triangle = r;
    find_errors(fit, inverse);
    find_eigenvalues(fit, r);
    return tg_ok(r->context);
}

/* For each column, the value in it that is nearest to its mean; 0 if the difference of some value
 * from this one would be rounded. In data that are far from 0 and vary little no difference is
 * rounded (Sterbenz), and other data would gain nothing from a center. */
static tg_tensor *exact_centers(tg_tensor *x)
{
    tg_tensor *centers = tg_contiguous(near_means(x)), *all = tg_contiguous(x);
    if (!centers || !all) return NULL;
    double *center = centers->data;
    const double *from = all->data;
    const int64_t n = x->shape[0], k = x->shape[1];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++)
            if (difference(from[i * k + j], center[j]).low != 0) center[j] = 0;
    return centers;
}

/* Sets the data less their centers. */
static void take_centers(tg_tensor *x, tg_tensor *y, least_squares *fit)
{
    fit->line.center = fit->intercept ? exact_centers(x)
                                      : tg_zeros(x->context, TG_F64, TG_SHAPE(1, fit->features));
    fit->x = tg_contiguous(tg_sub(x, fit->line.center));
    tg_tensor *y_center = fit->intercept ? exact_centers(y) : NULL;
    fit->y = tg_contiguous(y_center ? tg_sub(y, y_center) : y);
    fit->y_center = y_center ? tg_item(y_center) : 0;
}

bool least_squares_fit(tg_tensor *x, tg_tensor *y, tg_tensor *weights, bool intercept,
                       least_squares *fit)
{
    *fit = (least_squares){.dependent = -1, .intercept = intercept};
    if (!x || !y) return false;
    tg_context *tg = x->context;
    fit->rows = x->shape[0];
    fit->features = x->shape[1];
    fit->w = weights ? tg_contiguous(weights) : NULL;
    fit->weight = weights ? tg_item(tg_sum(weights)) : (double)fit->rows;
    fit->log_weights = weights ? tg_item(tg_sum(tg_log(weights))) : 0;
    take_centers(x, y, fit);
    tg_tensor *a = fit->x, *root = weights ? tg_sqrt(weights) : NULL;
    if (intercept) a = tg_cat(TG_LIST(tg_ones(tg, TG_F64, TG_SHAPE(fit->rows, 1)), fit->x), 1);
    if (weights) a = tg_mul(a, root);
    if (!analyse(fit, triangle(a))) return false;
    if (fit->dependent >= 0) return true;
    set_solution(fit, tg_flatten(tg_lstsq(a, weights ? tg_mul(fit->y, root) : fit->y), 0, -1));
    if (!tg_ok(tg)) return false;
    fit->squares = sum_squares(fit, tg_data_f64(fit->solution));
    fit->total = total_squares(fit);
    return tg_ok(tg);
}

/* ---- The fit of rows that are not kept. */

/* The condition number of the features, each divided by its scatter, and of the constant. */
static double condition_of_all(const least_squares *fit)
{
    return sqrt((double)least_squares_size(fit)) * least_squares_condition(fit);
}

/* What the relative rounding errors of a column of the triangle are at most. */
static double error_of_triangle(const least_squares *fit)
{
    return 4 * DBL_EPSILON * (double)least_squares_size(fit) * (2 + log2((double)fit->joins));
}

/* The coefficients solve a problem whose columns are off by these rounding errors. To first order
 * this changes predictions by no more than the errors of y and of the terms, and by the condition
 * times the errors of the residuals (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
 * section 20.1). */
static double bound_doubt(const least_squares *fit, tg_tensor *c)
{
    tg_tensor *lengths = tg_norm_dims(fit->triangle, 2, TG_DIMS(0), false);
    const double terms = tg_item(tg_sum(tg_mul(lengths, tg_abs(fit->solution))));
    const double size = tg_item(tg_norm(c, 2)), rest = sqrt(fit->squares);
    return error_of_triangle(fit) * (size + terms + condition_of_all(fit) * rest);
}

bool least_squares_of_sums(const row_sums *sums, bool intercept, least_squares *fit)
{
    if (!sums->triangle) return false;
    const int64_t k = sums->triangle->shape[1] - 1, o = intercept;
    *fit = (least_squares){.dependent = -1,
                           .intercept = intercept,
                           .rows = sums->rows,
                           .joins = sums->joins,
                           .features = k - o,
                           .weight = sums->weight,
                           .log_weights = sums->log_weights,
                           .line.center = sums->center,
                           .y_center = sums->y_center};
    tg_tensor *top = tg_narrow(sums->triangle, 0, 0, k), *c = tg_narrow(sums->triangle, 1, k, 1);
    if (!analyse(fit, tg_contiguous(tg_narrow(top, 1, 0, k)))) return false;
    if (fit->dependent >= 0) return true;
    set_solution(
        fit,
        tg_flatten(tg_solve_triangular(fit->triangle, tg_narrow(c, 0, 0, k), TG_UPPER), 0, -1));
    fit->squares = pow(tg_get(c, TG_INDEX(k, 0)), 2);
    fit->total = tg_item(tg_sum(tg_square(tg_narrow(c, 0, o, k + 1 - o))));
    fit->doubt = bound_doubt(fit, c);
    return tg_ok(c->context);
}

/* The share of its error that a correction leaves is at most the rounding error of the triangle
 * times the square of the condition number (Bjorck, Linear Algebra and its Applications 88, 1987).
 * This is far more than most corrections leave: from the second on they show it themselves, but
 * for a factor, as the first one may have little of the direction that converges most slowly. */
bool least_squares_correct(tg_tensor *gradient, double squares, least_squares *fit)
{
    tg_tensor *moved = tg_solve_triangular(tg_t(fit->triangle), gradient, TG_LOWER);
    tg_tensor *change = tg_solve_triangular(fit->triangle, moved, TG_UPPER);
    const double size = tg_item(tg_norm(moved, 2)), shown = 10 * size / fit->correction;
    const double bound = error_of_triangle(fit) * pow(condition_of_all(fit), 2);
    const double rate = fit->correction > 0 ? fmin(bound, shown) : bound;
    set_solution(fit, tg_add(fit->solution, tg_flatten(change, 0, -1)));
    fit->squares = fmax(squares - size * size, 0);
    fit->doubt = rate < 0.5 ? size * rate / (1 - rate) : INFINITY;
    fit->correction = size;
    return tg_ok(gradient->context);
}

/* The intercept is computed from a level and slopes that are rounded. */
tg_tensor *least_squares_misses(const least_squares *fit)
{
    tg_tensor *misses = tg_mul_scalar(fit->unit_errors, fit->doubt);
    if (misses && fit->intercept)
        ((double *)misses->data)[0] +=
            DBL_EPSILON * (fabs(fit->line.level) +
                           tg_item(tg_matmul(tg_abs(fit->line.center), tg_abs(fit->line.slope))));
    return misses;
}

int64_t least_squares_size(const least_squares *fit)
{
    return fit->features + fit->intercept;
}

int64_t least_squares_freedom(const least_squares *fit)
{
    return fit->rows - least_squares_size(fit);
}

double least_squares_error(const least_squares *fit)
{
    const int64_t freedom = least_squares_freedom(fit);
    return freedom > 0 ? sqrt(fit->squares / (double)freedom) : NAN;
}

double least_squares_condition(const least_squares *fit)
{
    return sqrt(fit->largest / fit->smallest);
}
