/* tg_least_squares: a linear fit with all that statistics says of it. It is composed of the
 * library's operations, in float64. */
#include "qr.h"

#include <float.h>
#include <math.h>
#include <string.h>

tg_least_squares_options tg_least_squares_defaults(void)
{
    return (tg_least_squares_options){TG_LEAST_SQUARES_DEFAULTS};
}

/* A fit. Of the n columns of x, `rank` are kept: those with the numbers in `columns`. The rows of
 * a and b are those of x and y times the roots of the weights. */
typedef struct linear_fit {
    tg_context *tg;
    tg_dependent dependent;
    double tolerance, rcond;
    tg_tensor *x, *y, *weights, *a, *b;
    tg_tensor *numbers;  /* the numbers of the columns */
    int64_t *powers;     /* n: x has 2^powers[j] times the column j of the caller */
    int64_t power;       /* y has 2^power times that of the caller */
    tg_tensor *triangle; /* R of a = Q R */
    tg_tensor *basis;    /* Q with Q Q^T the projection on the columns of a */
    tg_tensor *root;     /* Z with Z Z^T = (a^T a)^-1, or the pseudo-inverse of a^T a */
    tg_tensor *solution, *residuals, *leverages;
    int64_t m, n, kept, rank, rows; /* rows whose weight is not 0 */
    int64_t *columns;               /* n numbers, of which the first `kept` count */
    double sum;
} linear_fit;

static bool fail_shape(const tg_tensor *t, const char *name, const tg_tensor *x)
{
    return tg__fail(x->context, TG_ERR_SHAPE,
                    "least_squares: %s is %s %s, but must be %s [%lld], as x is %s", name,
                    tg_dtype_name(t->dtype), SHOW(t), tg_dtype_name(x->dtype),
                    (long long)x->shape[0], SHOW(x));
}

static bool check_vector(const tg_tensor *t, const char *name, const tg_tensor *x)
{
    return (t->ndim == 1 && t->shape[0] == x->shape[0] && t->dtype == x->dtype) ||
           fail_shape(t, name, x);
}

static bool check_fit(tg_tensor *x, tg_tensor *y, const tg_least_squares_options *o)
{
    tg_context *tg = x->context;
    if (!tg__is_float(x->dtype)) return tg__refuse_dtype("least_squares", x);
    if (x->ndim != 2 || x->numel == 0)
        return tg__fail(tg, TG_ERR_SHAPE, "least_squares: x is %s, but must be a matrix [m, n]",
                        SHOW(x));
    if (!check_vector(y, "y", x) || (o->weights && !check_vector(o->weights, "weights", x)))
        return false;
    return tg__check_number(tg, "least_squares", "dependent", (int64_t)o->dependent,
                            TG_DEPENDENT_ERROR, TG_DEPENDENT_SHORTEST, NULL);
}

/* Checks that the elements of a vector are finite and, with `positive`, not below 0. */
static bool check_elements(const tg_tensor *t, const char *name, bool positive)
{
    const double *values = t->data;
    for (int64_t i = 0; i < t->numel; i++)
        if (!isfinite(values[i]) || (positive && values[i] < 0))
            return tg__fail(t->context, TG_ERR_ARGUMENT,
                            "least_squares: %s has %g at element %lld, but must be %s", name,
                            values[i], (long long)i, positive ? "0 or more" : "finite");
    return true;
}

/* A contiguous float64 copy of t without its history, or t itself. */
static tg_tensor *as_doubles(tg_tensor *t)
{
    return tg_contiguous(tg_cast(tg_detach(t), TG_F64));
}

/* Multiplies column j of t (m, n) by 2^powers[j], which rounds nothing. Returns t if all are 0. */
static tg_tensor *shift(tg_tensor *t, int64_t m, int64_t n, const int64_t *powers)
{
    bool any = false;
    for (int64_t j = 0; j < n; j++) any = any || powers[j] != 0;
    tg_tensor *shifted = any && t ? tg_empty_like(t) : t;
    if (!any || !shifted) return shifted;
    const double *from = t->data;
    double *to = shifted->data;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) to[i * n + j] = ldexp(from[i * n + j], (int)powers[j]);
    return shifted;
}

/* Chooses the powers, and multiplies x and y by them. One power serves all columns where the
 * shortest coefficients are looked for. */
static bool shift_range(linear_fit *f)
{
    const double limit = 0x1p150; /* products of four numbers are taken */
    tg_tensor *sizes = tg_zeros(f->tg, TG_F64, TG_SHAPE(f->n)),
              *powers = tg_zeros(f->tg, TG_I64, TG_SHAPE(f->n));
    if (!sizes || !powers) return false;
    double *most = sizes->data, all = 0, most_y = 0;
    const double *x = f->x->data, *y = f->y->data;
    for (int64_t i = 0; i < f->m; i++) {
        most_y = fmax(most_y, fabs(y[i]));
        for (int64_t j = 0; j < f->n; j++) most[j] = fmax(most[j], fabs(x[i * f->n + j]));
    }
    for (int64_t j = 0; j < f->n; j++) all = fmax(all, most[j]);
    f->powers = powers->data;
    for (int64_t j = 0; j < f->n; j++)
        f->powers[j] = tg__power(f->dependent == TG_DEPENDENT_SHORTEST ? all : most[j], limit);
    f->power = tg__power(most_y, limit);
    f->x = shift(f->x, f->m, f->n, f->powers);
    f->y = shift(f->y, f->m, 1, &f->power);
    return f->x && f->y;
}

static bool weigh(linear_fit *f)
{
    f->a = f->x, f->b = f->y;
    f->rows = f->m;
    if (!f->weights) return true;
    if (!check_elements(f->weights, "weights", true)) return false;
    const double *w = f->weights->data;
    for (int64_t i = 0; i < f->m; i++) f->rows -= w[i] == 0;
    tg_tensor *root = tg_sqrt(f->weights);
    f->a = tg_mul(f->x, tg_unsqueeze(root, 1));
    f->b = tg_mul(f->y, root);
    return f->a && f->b;
}

/* The triangle of the rows of a, which has n columns. */
static tg_tensor *triangle_of(tg_tensor *a, int64_t n)
{
    tg_tensor *r = tg_zeros(a->context, TG_F64, TG_SHAPE(n, n));
    return r ? tg_qr_add_rows_(r, a) : NULL;
}

/* Leaves column j out of the columns that are kept, and out of the triangle. */
static bool drop_column(linear_fit *f, int64_t j)
{
    f->kept--;
    for (int64_t i = j; i < f->kept; i++) f->columns[i] = f->columns[i + 1];
    tg_tensor *left = tg_narrow(f->triangle, 1, 0, j),
              *right = tg_narrow(f->triangle, 1, j + 1, f->kept - j);
    f->triangle = triangle_of(tg_cat(TG_LIST(left, right), 1), f->kept);
    return f->triangle != NULL;
}

/* Finds the columns that are kept: all, unless dependent ones are to be dropped. */
static bool find_columns(linear_fit *f)
{
    f->kept = f->n;
    f->numbers = tg_arange(f->tg, TG_I64, 0, (double)f->n, 1);
    if (!f->numbers) return false;
    f->columns = f->numbers->data;
    if (f->dependent == TG_DEPENDENT_SHORTEST) return true;
    f->triangle = triangle_of(f->a, f->n);
    while (f->triangle && f->kept > 0) {
        const tall_qr w = {.n = f->kept, .r = f->triangle->data};
        const int64_t j = tg__qr_dependent(&w, f->tolerance);
        if (j == f->kept) break;
        if (f->dependent == TG_DEPENDENT_ERROR)
            return tg__fail(f->tg, TG_ERR_ARGUMENT,
                            "least_squares: the columns of x %s are linearly dependent: column "
                            "%lld is %s; TG_DEPENDENT_DROP leaves it out",
                            SHOW(f->x), (long long)j,
                            j == 0 ? "zero" : "a combination of those before it");
        if (!drop_column(f, j)) return false;
    }
    f->rank = f->kept;
    if (f->kept < f->n) {
        tg_tensor *which = tg_narrow(f->numbers, 0, 0, f->kept);
        f->x = tg_index_select(f->x, 1, which);
        f->a = f->weights ? tg_index_select(f->a, 1, which) : f->x;
    }
    return f->triangle && f->x && f->a;
}

/* The basis is U, and Z = V S^-1, both without the columns of singular values that count as 0. */
static bool solve_with_rank(linear_fit *f)
{
    const tg_svd_factors d = tg_svd(f->a);
    f->solution = tg_lstsq_rcond(f->a, f->b, f->rcond);
    if (!d.s) return false;
    const double *values = d.s->data;
    for (f->rank = 0; f->rank < d.s->numel && values[f->rank] > f->rcond * values[0];) f->rank++;
    f->basis = tg_narrow(d.u, 1, 0, f->rank);
    f->root = tg_div(tg_t(tg_narrow(d.vh, 0, 0, f->rank)), tg_narrow(d.s, 0, 0, f->rank));
    return f->solution && f->basis && f->root;
}

static bool solve_fit(linear_fit *f)
{
    if (f->dependent == TG_DEPENDENT_SHORTEST) return solve_with_rank(f);
    if (f->kept == 0) return true;
    tg_tensor *eye = tg_eye(f->tg, TG_F64, f->kept, f->kept);
    f->solution = tg_lstsq(f->a, f->b);
    f->basis = tg_qr(f->a).q;
    f->root = eye ? tg_solve_triangular(f->triangle, eye, TG_UPPER) : NULL;
    return f->solution && f->basis && f->root;
}

/* Computes what the result tells of each row, and the sum of squares. */
static bool describe_rows(linear_fit *f)
{
    tg_tensor *r = f->residuals =
        f->solution ? tg_sub(f->y, tg_mv(f->x, f->solution)) : tg_clone(f->y);
    f->leverages = f->basis ? tg_sum_dims(tg_square(f->basis), TG_DIMS(1), false)
                            : tg_zeros(f->tg, TG_F64, TG_SHAPE(f->m));
    tg_tensor *squares = f->weights ? tg_mul(tg_square(r), f->weights) : tg_square(r);
    f->sum = tg_item(tg_sum(squares));
    return f->residuals && f->leverages && tg__ready(f->tg);
}

/* Writes what is known of the columns that are kept; the others have the coefficient 0 and an
 * infinite variance. */
static bool fill_result(const linear_fit *f, double variance, tg_least_squares_result *out)
{
    const int64_t n = f->n, kept = f->kept;
    tg_tensor *c = f->root ? tg_matmul(f->root, tg_t(f->root)) : NULL;
    out->coefficients = tg_zeros(f->tg, TG_F64, TG_SHAPE(n));
    out->std_errors = tg_full(f->tg, TG_F64, TG_SHAPE(n), INFINITY);
    out->covariance = tg_full(f->tg, TG_F64, TG_SHAPE(n, n), INFINITY);
    if ((!c && f->root) || !out->coefficients || !out->std_errors || !out->covariance) return false;
    double *x = out->coefficients->data, *errors = out->std_errors->data,
           *covariance = out->covariance->data;
    for (int64_t i = 0; i < kept; i++) {
        const double *row = (const double *)c->data + i * kept;
        const int64_t to = f->columns[i], power = f->powers[to] - f->power;
        x[to] = ldexp(((const double *)f->solution->data)[i], (int)power);
        if (variance == INFINITY) continue;
        errors[to] = ldexp(sqrt(row[i] * variance), (int)power);
        for (int64_t j = 0; j < kept; j++)
            covariance[to * n + f->columns[j]] =
                ldexp(row[j] * variance, (int)(power + f->powers[f->columns[j]] - f->power));
    }
    return true;
}

static bool compute_fit(linear_fit *f, tg_least_squares_result *out)
{
    if (!f->x || !f->y || !check_elements(f->y, "y", false) || !shift_range(f) || !weigh(f) ||
        !find_columns(f) || !solve_fit(f) || !describe_rows(f))
        return false;
    const int64_t freedom = f->rows - f->rank;
    const double variance = freedom > 0 ? f->sum / (double)freedom : INFINITY;
    const int64_t back = -f->power;
    out->residuals = shift(f->residuals, f->m, 1, &back);
    out->leverages = f->leverages;
    out->sum_of_squares = ldexp(f->sum, (int)(2 * back));
    out->residual_variance = ldexp(variance, (int)(2 * back));
    out->degrees_of_freedom = freedom > 0 ? freedom : 0;
    out->rank = f->rank;
    return out->residuals && fill_result(f, variance, out);
}

tg_least_squares_result tg_least_squares(tg_tensor *x, tg_tensor *y,
                                         const tg_least_squares_options *options)
{
    tg_least_squares_result out = {0}, none = {0};
    const tg_least_squares_options o = options ? *options : tg_least_squares_defaults();
    tg_tensor *inputs[] = {x, y, o.weights};
    if (!tg__check_inputs("least_squares", o.weights ? 3 : 2, inputs) || !tg__ready(x->context) ||
        !check_fit(x, y, &o))
        return none;
    const tg_dtype dtype = x->dtype;
    frame f;
    tg__enter(&f, "least_squares", x);
    linear_fit fit = {.tg = x->context,
                      .dependent = o.dependent,
                      .tolerance = tg__precision(dtype, x->shape[0]),
                      .rcond = tg__rcond(dtype, x->shape[0], x->shape[1]),
                      .x = as_doubles(x),
                      .y = as_doubles(y),
                      .weights = o.weights ? as_doubles(o.weights) : NULL,
                      .m = x->shape[0],
                      .n = x->shape[1]};
    const bool done = compute_fit(&fit, &out);
    tg_tensor **results[] = {&out.coefficients, &out.std_errors, &out.covariance, &out.residuals,
                             &out.leverages};
    tg_tensor *all[5] = {NULL};
    for (int i = 0; i < 5 && done; i++) all[i] = *results[i] = tg_cast(*results[i], dtype);
    tg__leave_with(&f, 5, all);
    return done && tg__ready(fit.tg) ? out : none;
}
