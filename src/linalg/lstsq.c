/* Least squares, by a QR factorization. */
#include "linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A factorization, and vectors to work with it. Columns of length m stand one after the other in q:
 * Householder's vectors from the diagonal down, r above, and r's diagonal apart. */
typedef struct qr {
    int64_t m, n; /* of what was factorized, m >= n */
    double *q, *diagonal, *x, *r, *f, *u;
} qr;

/* Makes the columns in q that. The number of the first one of which the columns before it leave no
 * more than tolerance by its norm, and n if all are independent. */
static int64_t householder(const qr *w, double tolerance)
{
    const int64_t m = w->m;
    for (int64_t j = 0; j < w->n; j++) {
        double *v = w->q + j * m;
        const double whole = sqrt(tg__inner(m, v, v)), norm = sqrt(tg__inner(m - j, v + j, v + j));
        if (!(norm > tolerance * whole)) return j;
        w->diagonal[j] = v[j] > 0 ? -norm : norm;
        v[j] -= w->diagonal[j];
        for (int64_t l = j + 1; l < w->n; l++) {
            double *y = w->q + l * m + j;
            tg__add_multiple(m - j, y, tg__inner(m - j, v + j, y) / (v[j] * w->diagonal[j]), v + j);
        }
    }
    return w->n;
}

/* y becomes Q^T y, or Q y. */
static void apply_q(const qr *w, bool back, double *y)
{
    for (int64_t l = 0; l < w->n; l++) {
        const int64_t j = back ? w->n - 1 - l : l;
        const double *v = w->q + j * w->m + j;
        tg__add_multiple(w->m - j, y + j, tg__inner(w->m - j, v, y + j) / (v[0] * w->diagonal[j]),
                         v);
    }
}

/* y becomes R^-1 y, or R^-T y. */
static void divide_by_r(const qr *w, bool across, double *y)
{
    for (int64_t l = 0; l < w->n; l++) {
        const int64_t j = across ? l : w->n - 1 - l;
        if (across) y[j] -= tg__inner(j, w->q + j * w->m, y);
        y[j] /= w->diagonal[j];
        if (!across) tg__add_multiple(j, y, -y[j], w->q + j * w->m);
    }
}

/* sum[0] + sum[1] += x y, without loss. */
static void add_product(double *sum, double x, double y)
{
    const double product = x * y, high = sum[0] + product, z = high - sum[0];
    sum[1] += TG_FMA64(x, y, -product) + ((sum[0] - (high - z)) + (product - z));
    sum[0] = high;
}

/* x and what it leaves of b, r, become those of the augmented system r + a x = b, a^T r = 0, by one
 * round of refinement. */
static void refine_lstsq(const problem *p, const qr *w, const double *b)
{
    const int64_t m = w->m, n = w->n;
    for (int64_t i = 0; i < m; i++) {
        double sum[] = {b[i * p->k], 0};
        add_product(sum, -1, w->r[i]);
        for (int64_t j = 0; j < n; j++) add_product(sum, -p->a[i * n + j], w->x[j]);
        w->f[i] = sum[0] + sum[1];
    }
    for (int64_t j = 0; j < n; j++) {
        double sum[] = {0, 0};
        for (int64_t i = 0; i < m; i++) add_product(sum, -p->a[i * n + j], w->r[i]);
        w->u[j] = sum[0] + sum[1];
    }
    divide_by_r(w, true, w->u);
    apply_q(w, false, w->f);
    for (int64_t j = 0; j < n; j++) {
        const double across = w->u[j];
        w->u[j] = w->f[j] - across;
        w->f[j] = across;
    }
    divide_by_r(w, false, w->u);
    apply_q(w, true, w->f);
    tg__add_multiple(n, w->x, 1, w->u);
    tg__add_multiple(m, w->r, 1, w->f);
}

enum { REFINEMENTS = 4 };

/* Multiplies a column of a, or a row and its right hand sides, by a power of two, if the squares of
 * its numbers would leave the range. The power. */
static int bring_into_range(const problem *p, bool tall, int64_t l)
{
    const int64_t terms = tall ? p->m : p->n, first = tall ? l : l * p->n, step = tall ? p->n : 1;
    double most = 0;
    for (int64_t i = 0; i < terms; i++) most = fmax(most, fabs(p->a[first + i * step]));
    if (most == 0 || (most < 0x1p400 && most > 0x1p-400)) return 0;
    const int power = -ilogb(most);
    for (int64_t i = 0; i < terms; i++)
        p->a[first + i * step] = ldexp(p->a[first + i * step], power);
    for (int64_t j = 0; j < p->k && !tall; j++)
        p->b[l * p->k + j] = ldexp(p->b[l * p->k + j], power);
    return power;
}

/* w->x for column l of b. */
static void solve_by_qr(const problem *p, const qr *w, bool tall, int64_t l)
{
    const int rounds = p->c->out->dtype == TG_F64 ? REFINEMENTS : 1;
    memset(w->x, 0, (size_t)(2 * w->m) * sizeof(double)); /* r, too */
    for (int round = 0; round < rounds && tall; round++) refine_lstsq(p, w, p->b + l);
    if (tall) return;
    for (int64_t i = 0; i < p->m; i++) w->x[i] = p->b[i * p->k + l];
    divide_by_r(w, true, w->x);
    apply_q(w, true, w->x);
}

static bool fail_dependent(const problem *p, const char *what, int64_t number)
{
    char name[MATRIX_NAME];
    return tg__fail(p->c->tg, TG_ERR_ARGUMENT, "%s: %s has linearly dependent %ss: %s %lld %s",
                    p->c->op->name, tg__name_matrix(p, name), what, what, (long long)number,
                    number == 0 ? "is zero" : "is a combination of those before it");
}

static bool lstsq_one(problem *p)
{
    if (!tg__is_finite_matrix(p, false)) return false;
    const bool tall = p->m >= p->n;
    const int64_t m = p->m, n = p->n, most = tall ? m : n, least_of = tall ? n : m;
    qr w = {most, least_of, p->spare, p->spare + m * n, 0, 0, 0, 0};
    w.x = w.diagonal + least_of;
    w.r = w.x + most;
    w.f = w.r + most;
    w.u = w.f + most;
    double *powers = w.u + most;
    for (int64_t l = 0; l < least_of; l++) powers[l] = bring_into_range(p, tall, l);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) w.q[tall ? j * m + i : i * n + j] = p->a[i * n + j];
    const int64_t independent = householder(&w, tg__precision(p, most));
    if (independent < least_of) return fail_dependent(p, tall ? "column" : "row", independent);
    for (int64_t l = 0; l < p->k; l++) {
        solve_by_qr(p, &w, tall, l);
        for (int64_t j = 0; j < n; j++)
            p->x[j * p->k + l] = tall ? ldexp(w.x[j], (int)powers[j]) : w.x[j];
    }
    return true;
}

static bool lstsq_forward(const call *c)
{
    const tg_tensor *a = c->in[0];
    const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
    return tg__each_matrix(c, lstsq_one, m * n + 6 * (m > n ? m : n));
}

/* With a+ the pseudo-inverse, z = a+^T g and x = a+ b: the gradient of b is z, that of a
 * (b - a x) (a+ z)^T + a+^T x (g - a^T z)^T - z x^T, where the second is 0 for a tall a, and the
 * first for a wide one (Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973). */
static tg_tensor *lstsq_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[0].t, *b = r->in[1].t, *x = r->out, *up = tg__matrix_transpose(a),
              *z = tg_lstsq(up, g);
    if (i == 1 || !z) return z;
    tg_tensor *rest;
    if (a->shape[a->ndim - 2] >= a->shape[a->ndim - 1])
        rest = tg_matmul(tg_sub(b, tg_matmul(a, x)), tg__matrix_transpose(tg_lstsq(a, z)));
    else
        rest = tg_matmul(tg_lstsq(up, x), tg__matrix_transpose(tg_sub(g, tg_matmul(up, z))));
    return tg_sub(rest, tg_matmul(z, tg__matrix_transpose(x)));
}

static const op_row lstsq_op = {
    .name = "lstsq",
    .grad_name = "LinalgLstsqBackward0",
    .shape = tg__solved_shape,
    .forward = lstsq_forward,
    .grad = lstsq_grad,
    .reads = {READS_0 | READS_1 | READS_OUT, READS_0},
};

tg_tensor *tg_lstsq(tg_tensor *a, tg_tensor *b)
{
    return tg__check_inputs("lstsq", 2, (tg_tensor *[]){a, b}) ? tg__solve_for(&lstsq_op, a, b)
                                                               : NULL;
}
