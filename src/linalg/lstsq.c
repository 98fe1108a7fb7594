/* lstsq: least squares, by a QR factorization. */
#include "linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A QR factorization of an (m, n) matrix, column by column. Column j of q holds the Householder
 * vector j from the diagonal down and the entries of R above it; `diagonal` holds the diagonal of
 * R. The other members are vectors to work with: the solution x, the residual r, and the right-hand
 * sides f and u of its refinement. */
typedef struct qr {
    int64_t m, n; /* m >= n */
    double *q, *diagonal, *x, *r, *f, *u;
} qr;

/* Factorizes the columns in q. Returns the index of the first one that depends on those before it:
 * of its norm, no more than the fraction `tolerance` is independent of them. Returns n if there is
 * none. */
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

/* y becomes Q^T y or, with `back`, Q y. */
static void apply_q(const qr *w, bool back, double *y)
{
    for (int64_t l = 0; l < w->n; l++) {
        const int64_t j = back ? w->n - 1 - l : l;
        const double *v = w->q + j * w->m + j;
        tg__add_multiple(w->m - j, y + j, tg__inner(w->m - j, v, y + j) / (v[0] * w->diagonal[j]),
                         v);
    }
}

/* y becomes R^-1 y or, transposed, R^-T y. */
static void divide_by_r(const qr *w, bool transposed, double *y)
{
    for (int64_t l = 0; l < w->n; l++) {
        const int64_t j = transposed ? l : w->n - 1 - l;
        if (transposed) y[j] -= tg__inner(j, w->q + j * w->m, y);
        y[j] /= w->diagonal[j];
        if (!transposed) tg__add_multiple(j, y, -y[j], w->q + j * w->m);
    }
}

/* Adds x y to the unevaluated sum sum[0] + sum[1], without rounding the product: an fma finds what
 * its rounding takes (Dekker, Knuth). */
static void add_product(double *sum, double x, double y)
{
    const double product = x * y, high = sum[0] + product, z = high - sum[0];
    sum[1] += TG_FMA64(x, y, -product) + ((sum[0] - (high - z)) + (product - z));
    sum[0] = high;
}

/* One round of iterative refinement of x and the residual r, which solve the augmented system r + a
 * x = b, a^T r = 0. Its residuals are f = b - r - a x and u = -a^T r; Q and R solve it for the
 * corrections (Bjorck, BIT 7, 1967). */
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
        const double u = w->u[j];
        w->u[j] = w->f[j] - u;
        w->f[j] = u;
    }
    divide_by_r(w, false, w->u);
    apply_q(w, true, w->f);
    tg__add_multiple(n, w->x, 1, w->u);
    tg__add_multiple(m, w->r, 1, w->f);
}

enum { REFINEMENTS = 4 }; /* rounds for float64; float32 takes one */

/* If the squares of its numbers would overflow or underflow, multiplies column l of a tall a, or
 * row l of a wide a and its right-hand sides, by a power of two. Returns the exponent. */
static int scale_into_range(const problem *p, bool tall, int64_t l)
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

/* Fills w->x with the solution for column l of b. A tall system starts from x = r = 0, where the
 * first refinement is the solution itself. A wide system has the solution of the least norm, Q R^-T
 * b, by the factors of a^T. */
static void solve_by_qr(const problem *p, const qr *w, bool tall, int64_t l)
{
    const int rounds = p->c->out->dtype == TG_F64 ? REFINEMENTS : 1;
    memset(w->x, 0, (size_t)(2 * w->m) * sizeof(double)); /* also clears r, which follows x */
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

/* A tall a (m >= n) is factorized itself, a wide one transposed. The vectors w.x, w.r, w.f and w.u
 * lie one after the other in the scratch memory. */
static bool compute_lstsq(problem *p)
{
    if (!tg__check_finite(p, false)) return false;
    const bool tall = p->m >= p->n;
    const int64_t m = p->m, n = p->n, most = tall ? m : n, least = tall ? n : m;
    qr w = {most, least, p->scratch, p->scratch + m * n, 0, 0, 0, 0};
    w.x = w.diagonal + least;
    w.r = w.x + most;
    w.f = w.r + most;
    w.u = w.f + most;
    double *powers = w.u + most;
    for (int64_t l = 0; l < least; l++) powers[l] = scale_into_range(p, tall, l);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) w.q[tall ? j * m + i : i * n + j] = p->a[i * n + j];
    const int64_t independent = householder(&w, tg__precision(p, most));
    if (independent < least) return fail_dependent(p, tall ? "column" : "row", independent);
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
    return tg__for_each_matrix(c, compute_lstsq, m * n + 6 * (m > n ? m : n));
}

/* Let a+ be the pseudo-inverse, x = a+ b, and z = a+^T g. The gradient for b is z, and that for a
 * is (b - a x) (a+ z)^T + a+^T x (g - a^T z)^T - z x^T. The second term is 0 for a tall a, and the
 * first for a wide one (Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973). */
static tg_tensor *lstsq_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[0].t, *b = r->in[1].t, *x = r->out,
              *a_transposed = tg__matrix_transpose(a), *z = tg_lstsq(a_transposed, g);
    if (i == 1 || !z) return z;
    tg_tensor *correction;
    if (a->shape[a->ndim - 2] >= a->shape[a->ndim - 1])
        correction = tg_matmul(tg_sub(b, tg_matmul(a, x)), tg__matrix_transpose(tg_lstsq(a, z)));
    else
        correction = tg_matmul(tg_lstsq(a_transposed, x),
                               tg__matrix_transpose(tg_sub(g, tg_matmul(a_transposed, z))));
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

tg_tensor *tg_lstsq(tg_tensor *a, tg_tensor *b)
{
    return tg__check_inputs("lstsq", 2, (tg_tensor *[]){a, b})
               ? tg__apply_to_system(&lstsq_op, a, b)
               : NULL;
}
