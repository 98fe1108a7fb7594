/* lstsq: least squares, by a QR factorization that takes the rows in blocks (qr.h), and by
 * iterative refinement with residuals in twice the precision.
 *
 * Let the columns of a be divided by their norms. If the condition kappa of a is so small that
 * kappa^2 epsilon is, too, the corrections are those of the normal equations, R^T R d = a^T (b - a
 * x), for which a round reads a once and needs no memory (Bjorck, Linear Algebra and its
 * Applications 88, 1987). Otherwise the corrections are those of the augmented system r + a x = b,
 * a^T r = 0, which need Q, too, and converge as kappa epsilon does (Bjorck, BIT 7, 1967). */
#include "linalg.h"
#include "qr.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

enum { MOST_ROUNDS = 8 };

/* A system of one matrix and its k right-hand sides. The tall matrix is a or, if a is wide, its
 * transpose. */
typedef struct lstsq_system {
    problem p;
    bool tall;
    double rcond; /* NAN for tg_lstsq, which refuses dependent columns */
    qr_source a, b;
    tall_qr w;
    tall_svd svd; /* of R, if by_svd, where singular values of at most `least` count as 0 */
    double least;
    bool by_svd;
    double *x;    /* the solutions one after the other, each of p.n numbers */
    double *norm; /* the norms of the tall matrix's columns */
    double *work; /* scratch memory: two numbers for each column of the tall matrix */
    double *low;  /* two blocks of rows, for the rounding errors of residuals */
} lstsq_system;

static double norm_of_products(int64_t n, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += a[j] * b[j] * (a[j] * b[j]);
    return sqrt(sum);
}

/* An upper bound of kappa^2: the product of the squared Frobenius norms of R and R^-1, where the
 * columns of R are divided by their norms. */
static double bound_squared_condition(const lstsq_system *s)
{
    const int64_t n = s->w.n, columns = n + s->w.k;
    double sum = 0, *x = s->work;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = j; i >= 0; i--) {
            const double *row = s->w.r + i * columns;
            x[i] = i == j;
            for (int64_t l = i + 1; l <= j; l++) x[i] -= row[l] * x[l];
            x[i] /= row[i];
        }
        const double norm = norm_of_products(j + 1, x, s->norm);
        sum += norm * norm;
    }
    return (double)n * sum;
}

/* Reads a once. `sums` becomes a^T (b - a x) for each right-hand side l, n numbers, each of them an
 * unevaluated sum of two. */
static void compute_gradients(const lstsq_system *s, double *sums)
{
    const tall_qr *w = &s->w;
    const int level = w->tg->level;
    memset(sums, 0, (size_t)(2 * w->n * w->k) * sizeof *sums);
    for (int64_t i = 0; i < w->m; i += w->rows) {
        const int64_t rows = tg__qr_load(w, i);
        for (int64_t l = 0; l < w->k; l++) {
            double *high = w->block + (w->n + l) * w->rows;
            memset(s->low, 0, (size_t)rows * sizeof *s->low);
            pick(level, subtract_product, TG_F64)(rows, w->n, high, s->low, w->block, w->rows,
                                                  s->x + l * w->n);
            pick(level, add_products, TG_F64)(rows, w->n, sums + 2 * l * w->n, w->block, w->rows,
                                              high, s->low);
        }
    }
}

/* Whether an error in x of that norm, where each x is multiplied by the norm of its column, is too
 * small to change the last digit of any x. An x that is less than 2^-40 of their norm counts as
 * being that large. */
static bool is_beyond_digits(const lstsq_system *s, const double *x, double error)
{
    const double least = norm_of_products(s->w.n, x, s->norm) * 0x1p-40;
    for (int64_t j = 0; j < s->w.n; j++)
        if (error > DBL_EPSILON / 8 * fmax(fabs(x[j]) * s->norm[j], least)) return false;
    return true;
}

/* Refines x by the normal equations. A correction leaves at most the share `rate` of the error. */
static bool refine_by_normal_equations(const lstsq_system *s, double rate)
{
    const tall_qr *w = &s->w;
    const int64_t n = w->n;
    double *sums = tg__alloc(w->tg, tg__bytes(tg__times(w->k, 2 * n), sizeof *sums));
    if (!sums) return false;
    bool done = false;
    for (int round = 0; round < MOST_ROUNDS && !done; round++) {
        compute_gradients(s, sums);
        done = true;
        for (int64_t l = 0; l < w->k; l++) {
            double *x = s->x + l * n, *d = s->work;
            for (int64_t j = 0; j < n; j++)
                d[j] = sums[2 * (l * n + j)] + sums[2 * (l * n + j) + 1];
            tg__qr_divide(w, true, d);
            tg__qr_divide(w, false, d);
            tg__add_multiple(n, x, 1, d);
            done = done && is_beyond_digits(s, x, rate * norm_of_products(n, d, s->norm));
        }
    }
    return true;
}

/* The residuals of the augmented system for right-hand side l: f = b - r - a x, and u = -a^T r. */
static void compute_residuals(const lstsq_system *s, int64_t l, const double *r, double *f,
                              double *u)
{
    const tall_qr *w = &s->w;
    const int level = w->tg->level;
    const double one = 1, *zeros = s->low + w->rows;
    double *sums = s->work;
    memset(sums, 0, (size_t)(2 * w->n) * sizeof *sums);
    memset(s->low, 0, (size_t)(2 * w->rows) * sizeof *s->low);
    for (int64_t i = 0; i < w->m; i += w->rows) {
        const int64_t rows = tg__qr_load(w, i);
        double *high = w->block + (w->n + l) * w->rows;
        memset(s->low, 0, (size_t)rows * sizeof *s->low);
        pick(level, subtract_product, TG_F64)(rows, 1, high, s->low, r + i, 0, &one);
        pick(level, subtract_product, TG_F64)(rows, w->n, high, s->low, w->block, w->rows,
                                              s->x + l * w->n);
        for (int64_t q = 0; q < rows; q++) f[i + q] = high[q] + s->low[q];
        pick(level, add_products, TG_F64)(rows, w->n, sums, w->block, w->rows, r + i, zeros);
    }
    for (int64_t j = 0; j < w->n; j++) u[j] = -(sums[2 * j] + sums[2 * j + 1]);
}

/* Solves the augmented system for right-hand side l from x = 0 and r = 0, where the first
 * correction is the solution itself. Ends when a correction does not change x, or has not become
 * smaller. */
static void refine_augmented(const lstsq_system *s, int64_t l, double *r, double *f, double *u,
                             double *top)
{
    const tall_qr *w = &s->w;
    const int64_t n = w->n, height = tg__qr_height(w);
    double *x = s->x + l * n, before = INFINITY;
    memset(x, 0, (size_t)n * sizeof *x);
    memset(r, 0, (size_t)height * sizeof *r);
    for (int round = 0; round < MOST_ROUNDS; round++) {
        compute_residuals(s, l, r, f, u);
        tg__qr_divide(w, true, u);
        memset(top, 0, (size_t)n * sizeof *top);
        tg__qr_apply(w, false, top, f);
        for (int64_t j = 0; j < n; j++) {
            const double d = top[j] - u[j];
            top[j] = u[j];
            u[j] = d;
        }
        tg__qr_divide(w, false, u);
        tg__qr_apply(w, true, top, f);
        tg__add_multiple(n, x, 1, u);
        tg__add_multiple(height, r, 1, f);
        const double norm = norm_of_products(n, u, s->norm);
        if (!(norm < before / 2) || is_beyond_digits(s, x, norm / 4)) return;
        before = norm;
    }
}

static bool solve_augmented(lstsq_system *s)
{
    tall_qr *w = &s->w;
    int64_t row, column;
    if (!tg__qr_begin(w, true) || !tg__qr_factorize(w, &row, &column)) return false;
    const int64_t height = tg__qr_height(w);
    double *r = tg__alloc(w->tg, tg__bytes(tg__plus(tg__times(height, 2), 2 * w->n), sizeof *r));
    for (int64_t l = 0; l < w->k && r; l++)
        refine_augmented(s, l, r, r + height, r + 2 * height, r + 2 * height + w->n);
    return r != NULL;
}

/* The power of two by which column j of the tall matrix is multiplied in R, or in its SVD. */
static int power_of_column(const lstsq_system *s, int64_t j)
{
    return s->by_svd ? s->svd.power : s->w.powers ? s->w.powers[j] : 0;
}

/* x becomes R^-1 x or, for a wide a, R^-T x. If there is an SVD, R has the pseudo-inverse V S^-1
 * U^T, where singular values of at most `least` count as 0. */
static void invert_triangle(const lstsq_system *s, double *x)
{
    const tall_svd *svd = &s->svd;
    const int64_t n = s->w.n;
    if (!s->by_svd) {
        tg__qr_divide(&s->w, !s->tall, x);
        return;
    }
    const double *from = s->tall ? svd->us : svd->v, *to = s->tall ? svd->v : svd->us;
    double *y = s->work + n;
    memset(y, 0, (size_t)n * sizeof *y);
    for (int64_t j = 0; j < n; j++) {
        const double value = svd->values[j];
        if (value > s->least)
            tg__add_multiple(n, y, tg__inner(n, from + j * n, x) / value / value, to + j * n);
    }
    memcpy(x, y, (size_t)n * sizeof *x);
}

/* x = R^-1 Q^T b, refined if it is of float64 and a has full rank. */
static bool solve_tall(lstsq_system *s)
{
    const tall_qr *w = &s->w;
    const int64_t n = w->n, columns = n + w->k;
    for (int64_t l = 0; l < w->k; l++) {
        for (int64_t j = 0; j < n; j++) s->x[l * n + j] = w->r[j * columns + n + l];
        invert_triangle(s, s->x + l * n);
    }
    if (s->a.dtype != TG_F64 || s->by_svd) return true;
    /* R^T R has an error of some dozens of epsilon relative to the norms of the columns. */
    const double rate = 64 * DBL_EPSILON * bound_squared_condition(s);
    return rate < 0x1p-10 ? refine_by_normal_equations(s, rate) : solve_augmented(s);
}

/* Copies the right-hand side l, whose equations are multiplied as the rows of a are, and by a power
 * of two that brings them near 1. Returns this power. */
static int load_right_hand_side(const lstsq_system *s, int64_t l, double *b)
{
    int most = INT_MIN;
    for (int64_t i = 0; i < s->w.n; i++) {
        b[i] = tg__load(s->b.dtype, s->b.data, i * s->b.s0 + l * s->b.s1);
        const bool counts = b[i] != 0 && isfinite(b[i]);
        const int size = counts ? ilogb(b[i]) + power_of_column(s, i) : most;
        most = size > most ? size : most;
    }
    const int power = most == INT_MIN ? 0 : -most;
    for (int64_t i = 0; i < s->w.n; i++) b[i] = ldexp(b[i], power_of_column(s, i) + power);
    return power;
}

/* The x of the least norm is Q R^-T b, by the factors of a^T. */
static bool solve_wide(const lstsq_system *s)
{
    const tall_qr *w = &s->w;
    const int64_t height = tg__qr_height(w);
    double *y = tg__alloc(w->tg, tg__bytes(height, sizeof *y)), *top = s->work;
    for (int64_t l = 0; l < s->p.k && y; l++) {
        const int power = load_right_hand_side(s, l, top);
        invert_triangle(s, top);
        memset(y, 0, (size_t)height * sizeof *y);
        tg__qr_apply(w, true, top, y);
        for (int64_t j = 0; j < s->p.n; j++) s->x[l * s->p.n + j] = ldexp(y[j], -power);
    }
    return y != NULL;
}

static bool fail_dependent(const problem *p, const char *what, int64_t number)
{
    char name[MATRIX_NAME];
    return tg__fail(p->c->tg, TG_ERR_ARGUMENT, "%s: %s has linearly dependent %ss: %s %lld %s",
                    p->c->op->name, tg__name_matrix(p, name), what, what, (long long)number,
                    number == 0 ? "is zero" : "is a combination of those before it");
}

/* Finds out whether a has full rank. If it has not, the SVD takes the place of R for
 * tg_lstsq_rcond, and an error is recorded for tg_lstsq. */
static bool find_rank(lstsq_system *s)
{
    tall_qr *w = &s->w;
    const int64_t dependent = tg__qr_dependent(w, tg__precision(s->a.dtype, w->m));
    s->by_svd = false;
    if (isnan(s->rcond))
        return dependent == w->n || fail_dependent(&s->p, s->tall ? "column" : "row", dependent);
    if (!tg__svd(&s->svd, w)) return false;
    s->least = w->n > 0 ? s->rcond * s->svd.values[0] : 0;
    s->by_svd = dependent < w->n || (w->n > 0 && s->svd.values[w->n - 1] <= s->least);
    return true;
}

static bool solve_system(lstsq_system *s)
{
    const int64_t m = s->p.m, n = s->p.n, k = s->p.k;
    s->tall = m >= n;
    s->w = (tall_qr){.tg = s->p.c->tg,
                     .a = s->tall ? s->a : tg__qr_transposed(s->a),
                     .b = s->b,
                     .m = s->tall ? m : n,
                     .n = s->tall ? n : m,
                     .k = s->tall ? k : 0};
    if (!tg__qr_begin(&s->w, !s->tall) || !tg__qr_factorize_matrix(&s->w, &s->p) || !find_rank(s))
        return false;
    const int64_t of_x = tg__times(n, k);
    s->x = tg__alloc(s->w.tg, tg__bytes(tg__plus(of_x, 3 * s->w.n + 2 * s->w.rows), sizeof *s->x));
    if (!s->x) return false;
    s->norm = s->x + of_x;
    s->work = s->norm + s->w.n;
    s->low = s->work + 2 * s->w.n;
    tg__qr_norms(&s->w, s->norm);
    return s->tall ? solve_tall(s) : solve_wide(s);
}

static void store_solution(const lstsq_system *s)
{
    const tg_tensor *out = s->p.c->out;
    const int64_t n = s->p.n, k = s->p.k;
    const int *powers = s->tall ? s->w.powers : NULL;
    for (int64_t j = 0; j < n; j++)
        for (int64_t l = 0; l < k; l++) {
            const double x = s->x[l * n + j];
            const int power = powers ? power_of_column(s, j) - powers[s->w.n + l] : 0;
            tg__store(out->dtype, out->data, (s->p.index * n + j) * k + l, ldexp(x, power));
        }
}

static bool lstsq_forward(const call *c)
{
    const tg_tensor *a = c->in[0], *b = c->in[1];
    lstsq_system s = {.p = {.c = c,
                            .m = a->shape[a->ndim - 2],
                            .n = a->shape[a->ndim - 1],
                            .k = b->shape[b->ndim - 1]},
                      .rcond = c->a[SOLVE_FLAGS].f};
    const int64_t batch = c->out->numel > 0 ? tg__numel(a->ndim - 2, a->shape) : 0;
    bool done = true;
    for (; s.p.index < batch && done; s.p.index++) {
        tg_scope_begin(c->tg);
        s.a = tg__qr_source(a, s.p.index);
        s.b = tg__qr_source(b, s.p.index);
        done = solve_system(&s);
        if (done) store_solution(&s);
        tg_scope_end(c->tg);
    }
    return done;
}

/* An rcond below 0 stands for epsilon times the larger size of a matrix. */
static attr cutoff_of(const tg_tensor *a, double rcond)
{
    const bool given = !(rcond < 0) || a->ndim < 2;
    return (attr){.f = given ? rcond
                             : tg__rcond(a->dtype, a->shape[a->ndim - 2], a->shape[a->ndim - 1])};
}

static tg_tensor *lstsq(const op_row *o, tg_tensor *a, tg_tensor *b, double rcond)
{
    return tg__check_inputs(o->name, 2, (tg_tensor *[]){a, b})
               ? tg__apply_to_system(o, a, b, cutoff_of(a, rcond))
               : NULL;
}

/* Let a+ be the pseudo-inverse, x = a+ b, and z = a+^T g. The gradient for b is z, and that for a
 * is (b - a x) (a+ z)^T + a+^T x (g - a^T z)^T - z x^T. If a has full rank, the second term is 0
 * for a tall a, and the first for a wide one (Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973). */
static tg_tensor *lstsq_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[0].t, *b = r->in[1].t, *x = r->out,
              *a_transposed = tg__matrix_transpose(a), *correction = NULL;
    const double rcond = r->a[SOLVE_FLAGS].f;
    const bool tall = a->shape[a->ndim - 2] >= a->shape[a->ndim - 1];
    tg_tensor *z = lstsq(r->op, a_transposed, g, rcond);
    if (i == 1 || !z) return z;
    if (tall || !isnan(rcond))
        correction =
            tg_matmul(tg_sub(b, tg_matmul(a, x)), tg__matrix_transpose(lstsq(r->op, a, z, rcond)));
    if (!tall || !isnan(rcond)) {
        tg_tensor *second = tg_matmul(lstsq(r->op, a_transposed, x, rcond),
                                      tg__matrix_transpose(tg_sub(g, tg_matmul(a_transposed, z))));
        correction = correction ? tg_add(correction, second) : second;
    }
    return tg_sub(correction, tg_matmul(z, tg__matrix_transpose(x)));
}

static const op_row lstsq_op = {
    .name = "lstsq",
    .grad_name = "LinalgLstsqBackward0",
    .shape = tg__solved_shape,
    .forward = lstsq_forward,
    .grad = lstsq_grad,
    .reads = {READS_0 | READS_1 | READS_OUT, READS_0},
};
static const op_row lstsq_rcond_op = {
    .name = "lstsq_rcond",
    .grad_name = "LinalgLstsqBackward0",
    .shape = tg__solved_shape,
    .forward = lstsq_forward,
    .grad = lstsq_grad,
    .reads = {READS_0 | READS_1 | READS_OUT, READS_0},
};

static const op_row pinv_op = {
    .name = "pinv",
    .grad_name = "LinalgPinvBackward0",
    .shape = tg__solved_shape,
    .forward = lstsq_forward,
    .grad = lstsq_grad,
    .reads = {READS_0 | READS_1 | READS_OUT},
};

tg_tensor *tg_lstsq(tg_tensor *a, tg_tensor *b)
{
    return lstsq(&lstsq_op, a, b, NAN);
}

tg_tensor *tg_lstsq_rcond(tg_tensor *a, tg_tensor *b, double rcond)
{
    if (a && !tg__check_rcond("lstsq_rcond", a, rcond)) return NULL;
    return lstsq(&lstsq_rcond_op, a, b, rcond);
}

tg_tensor *tg_pinv(tg_tensor *a, double rcond)
{
    if (!tg__check_to_factorize("pinv", a) || !tg__check_rcond("pinv", a, rcond)) return NULL;
    frame f;
    tg__enter(&f, "pinv", a);
    const int64_t m = a->shape[a->ndim - 2];
    tg_tensor *identity = tg_eye(a->context, a->dtype, m, m);
    return tg__leave(&f, identity ? tg__apply_expanded(&pinv_op, a, identity, cutoff_of(a, rcond))
                                  : NULL);
}
