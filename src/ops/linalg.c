/* Factorizations, one matrix of a batch after the other, in float64. */
#include "../internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* What is worked out for one element of a batch: row-major a (m, n), b (m, k) and the result x,
 * which the functions below fill. spare is for what they please. */
typedef struct problem {
    const call *c;
    int64_t at; /* the number of the element */
    int64_t m, n, k;
    double *a, *b, *x, *spare;
} problem;

static bool fail_matrix(const problem *p, const char *what)
{
    return tg__fail(p->c->tg, TG_ERR_ARGUMENT, "%s: matrix %lld of %s %s", p->c->op->name,
                    (long long)p->at, SHOW(p->c->in[0]), what);
}

static double *load_matrix(const tg_tensor *t, int64_t at, int64_t numel, double *to)
{
    if (numel == 0) return to;
    const char *from = (const char *)t->data + (size_t)(at * numel) * tg__dtype_size(t->dtype);
    pick(0, to_f64, t->dtype)(numel, to, from);
    return to + numel;
}

/* Runs solve for each element; spare: the doubles it needs. */
static bool each_matrix(const call *c, bool (*solve)(problem *p), int64_t spare)
{
    tg_tensor *a = tg__dense(c->in[0]), *b = c->n > 1 && a ? tg__dense(c->in[1]) : a;
    if (!a || !b) return false;
    if (c->out->numel == 0) return true;
    problem p = {.c = c, .m = a->shape[a->ndim - 2], .n = a->shape[a->ndim - 1]};
    if (c->n > 1) p.k = b->shape[b->ndim - 1];
    const int64_t batch = tg__numel(a->ndim - 2, a->shape);
    const int64_t of_x = batch ? c->out->numel / batch : 0, of_a = p.m * p.n, of_b = p.m * p.k;
    p.a = tg__alloc(c->tg, (size_t)(of_a + of_b + of_x + spare) * sizeof(double));
    if (!p.a) return false;
    for (; p.at < batch; p.at++) {
        p.b = load_matrix(a, p.at, of_a, p.a);
        p.x = c->n > 1 ? load_matrix(b, p.at, of_b, p.b) : p.b;
        p.spare = p.x + of_x;
        if (!solve(&p)) return false;
        const tg_dtype d = c->out->dtype;
        char *out = (char *)c->out->data + (size_t)(p.at * of_x) * tg__dtype_size(d);
        if (d == TG_F32)
            tg__to_f32_f64(of_x, out, p.x);
        else
            memcpy(out, p.x, (size_t)of_x * sizeof(double));
    }
    return true;
}

static double inner(int64_t n, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* y += a x */
static void add_multiple(int64_t n, double *restrict y, double a, const double *restrict x)
{
    for (int64_t i = 0; i < n; i++) y[i] += a * x[i];
}

/* ---- Shapes. */

static bool square_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0];
    if (a->ndim < 2 || a->shape[a->ndim - 1] != a->shape[a->ndim - 2])
        return tg__fail(c->tg, TG_ERR_SHAPE, "%s: %s are no square matrices", c->op->name, SHOW(a));
    return tg__check_dtype(c, a, tg__is_float(a->dtype)) && tg__same_shape(c, s);
}

/* x of b's shape but for the rows, which are a's columns. Batches were expanded to be the same. */
static bool solved_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0], *b = c->in[1];
    call of_b = *c;
    of_b.in = c->in + 1;
    tg__same_shape(&of_b, s);
    if (a->dtype != b->dtype)
        return tg__fail(c->tg, TG_ERR_DTYPE, "%s: %s %s and %s %s: dtypes differ; use tg_cast",
                        c->op->name, tg_dtype_name(a->dtype), SHOW(a), tg_dtype_name(b->dtype),
                        SHOW(b));
    if (a->shape[a->ndim - 2] != b->shape[b->ndim - 2])
        return tg__fail(c->tg, TG_ERR_SHAPE, "%s: %s and %s have not the same number of rows",
                        c->op->name, SHOW(a), SHOW(b));
    s->shape[b->ndim - 2] = a->shape[a->ndim - 1];
    return tg__check_dtype(c, a, tg__is_float(a->dtype));
}

static bool square_solved_shape(const call *c, spec *s)
{
    return square_shape(c, s) && solved_shape(c, s);
}

/* An operation on a and b, whose batches broadcast; b may hold vectors if that is allowed. */
static tg_tensor *apply_to_both(const op_row *o, tg_tensor *a, tg_tensor *b, bool vectors, int flag)
{
    if (!tg__check_inputs(o->name, 2, (tg_tensor *[]){a, b})) return NULL;
    const bool vector =
        vectors && (b->ndim == 1 || (a->ndim - 1 == b->ndim &&
                                     tg__same_sizes(b->ndim, a->shape, b->ndim, b->shape)));
    if (vector) b = tg_unsqueeze(b, -1);
    if (!b) return NULL;
    spec s;
    int n = 0;
    if (a->ndim < 2 || b->ndim < 2 ||
        !tg__broadcast(a->ndim - 2, a->shape, b->ndim - 2, b->shape, &n, s.shape))
        return tg__fail(a->context, TG_ERR_SHAPE,
                        "%s: %s and %s are no matrices, or their batches "
                        "do not broadcast",
                        o->name, SHOW(a), SHOW(b));
    const tg_shape full = {n + 2, s.shape};
    tg_tensor *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        for (int d = 0; d < 2; d++) s.shape[n + d] = both[i]->shape[both[i]->ndim - 2 + d];
        both[i] = tg_expand(both[i], full);
        if (!both[i]) return NULL;
    }
    tg_tensor *x = tg__apply(o, 2, both, (attr[TG_ATTRS]){{.i = flag}});
    return vector ? tg_squeeze_dim(x, -1) : x;
}

static tg_tensor *transpose_of(tg_tensor *a)
{
    return tg_transpose(a, -2, -1);
}

/* ---- Triangular systems. a[0]: TG_UPPER, TG_UNITRIANGULAR. */

static bool solve_triangle(problem *p)
{
    const int64_t n = p->n, k = p->k, flags = p->c->a[0].i;
    memcpy(p->x, p->b, (size_t)(n * k) * sizeof(double));
    for (int64_t l = 0; l < n; l++) {
        const int64_t i = flags & TG_UPPER ? n - 1 - l : l;
        double *x = p->x + i * k;
        for (int64_t j = flags & TG_UPPER ? i + 1 : 0; j < (flags & TG_UPPER ? n : i); j++)
            add_multiple(k, x, -p->a[i * n + j], p->x + j * k);
        for (int64_t j = 0; j < k && !(flags & TG_UNITRIANGULAR); j++) x[j] /= p->a[i * n + i];
    }
    return true;
}

static bool solve_triangular_run(const call *c)
{
    return each_matrix(c, solve_triangle, 0);
}

static tg_tensor *solve_triangular_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[0].t;
    const int flags = (int)r->a[0].i, inside = flags & TG_UNITRIANGULAR ? 1 : 0;
    tg_tensor *b = tg_solve_triangular(transpose_of(a), g, flags ^ TG_UPPER);
    if (i == 1) return b;
    tg_tensor *full = tg_neg(tg_matmul(b, transpose_of(r->out)));
    return flags & TG_UPPER ? tg_triu(full, inside) : tg_tril(full, -inside);
}

static const op_row solve_triangular_op = {"solve_triangular",
                                           "LinalgSolveTriangularBackward0",
                                           square_solved_shape,
                                           solve_triangular_run,
                                           solve_triangular_grad,
                                           {READS_0 | READS_OUT, READS_0},
                                           0,
                                           0};

tg_tensor *tg_solve_triangular(tg_tensor *a, tg_tensor *b, int flags)
{
    if (flags & TG_RIGHT) {
        flags = (flags ^ TG_UPPER) & ~TG_RIGHT;
        return transpose_of(tg_solve_triangular(transpose_of(a), transpose_of(b), flags));
    }
    return apply_to_both(&solve_triangular_op, a, b, false, flags);
}

/* ---- Cholesky. */

static bool factorize(problem *p)
{
    const int64_t n = p->n;
    memset(p->x, 0, (size_t)(n * n) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        double *row = p->x + i * n;
        for (int64_t j = 0; j <= i; j++) {
            const double rest = p->a[i * n + j] - inner(j, row, p->x + j * n);
            if (j < i)
                row[j] = rest / p->x[j * n + j];
            else if (rest > 0)
                row[j] = sqrt(rest);
            else
                return fail_matrix(p, "is not positive-definite");
        }
    }
    return true;
}

static bool cholesky_run(const call *c)
{
    return each_matrix(c, factorize, 0);
}

/* With phi the lower triangle of l^T g, its diagonal halved: l^-T phi l^-1, made symmetric. */
static tg_tensor *cholesky_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *l = r->out, *up = transpose_of(l), *full = tg_matmul(up, g);
    tg_tensor *phi = tg_mul_scalar(tg_add(tg_tril(full, 0), tg_tril(full, -1)), 0.5);
    tg_tensor *s = tg_solve_triangular(up, phi, TG_UPPER);
    s = tg_solve_triangular(l, s, TG_LOWER | TG_RIGHT);
    (void)i;
    return tg_mul_scalar(tg_add(s, transpose_of(s)), 0.5);
}

static const op_row cholesky_op = {"cholesky",
                                   "LinalgCholeskyExBackward0",
                                   square_shape,
                                   cholesky_run,
                                   cholesky_grad,
                                   {READS_OUT},
                                   0,
                                   0};

tg_tensor *tg_cholesky(tg_tensor *a)
{
    return tg__apply(&cholesky_op, 1, &a, NULL);
}

/* ---- General systems. */

/* Gauss' elimination with partial pivoting of a, and of b (n, k) with it. The determinant; a pivot
 * of 0 becomes tiny. */
static double eliminate(problem *p, double *b, int64_t k, double tiny)
{
    const int64_t n = p->n;
    double det = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t most = i;
        for (int64_t r = i + 1; r < n; r++)
            if (fabs(p->a[r * n + i]) > fabs(p->a[most * n + i])) most = r;
        for (int64_t j = i; j < n && most != i; j++) {
            const double swapped = p->a[i * n + j];
            p->a[i * n + j] = p->a[most * n + j];
            p->a[most * n + j] = swapped;
        }
        for (int64_t j = 0; j < k && most != i; j++) {
            const double swapped = b[i * k + j];
            b[i * k + j] = b[most * k + j];
            b[most * k + j] = swapped;
        }
        double *row = p->a + i * n;
        if (row[i] == 0) row[i] = tiny;
        det *= most == i ? row[i] : -row[i];
        for (int64_t r = i + 1; r < n && row[i] != 0; r++) {
            const double factor = -p->a[r * n + i] / row[i];
            add_multiple(n - i, p->a + r * n + i, factor, row + i);
            add_multiple(k, b + r * k, factor, b + i * k);
        }
    }
    return det;
}

/* x from the triangle that elimination leaves. */
static void substitute(problem *p, const double *b, int64_t k)
{
    const int64_t n = p->n;
    memcpy(p->x, b, (size_t)(n * k) * sizeof(double));
    for (int64_t i = n - 1; i >= 0; i--) {
        double *x = p->x + i * k;
        for (int64_t j = i + 1; j < n; j++) add_multiple(k, x, -p->a[i * n + j], p->x + j * k);
        for (int64_t j = 0; j < k; j++) x[j] /= p->a[i * n + i];
    }
}

static bool solve_one(problem *p)
{
    eliminate(p, p->b, p->k, 0);
    for (int64_t i = 0; i < p->n; i++)
        if (p->a[i * p->n + i] == 0) return fail_matrix(p, "is singular");
    substitute(p, p->b, p->k);
    return true;
}

static bool solve_run(const call *c)
{
    return each_matrix(c, solve_one, 0);
}

static tg_tensor *solve_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *b = tg_solve(transpose_of(r->in[0].t), g);
    return i == 1 ? b : tg_neg(tg_matmul(b, transpose_of(r->out)));
}

static const op_row solve_op = {"solve",
                                "LinalgSolveExBackward0",
                                square_solved_shape,
                                solve_run,
                                solve_grad,
                                {READS_0 | READS_OUT, READS_0},
                                0,
                                0};

tg_tensor *tg_solve(tg_tensor *a, tg_tensor *b)
{
    return apply_to_both(&solve_op, a, b, true, 0);
}

static const op_row inv_op = {"inv",
                              "LinalgInvExBackward0",
                              square_solved_shape,
                              solve_run,
                              solve_grad,
                              {READS_0 | READS_OUT, READS_0},
                              0,
                              0};

tg_tensor *tg_inv(tg_tensor *a)
{
    if (!a) return NULL;
    const int64_t n = a->ndim > 1 ? a->shape[a->ndim - 1] : 0;
    return apply_to_both(&inv_op, a, tg_eye(a->context, a->dtype, n, n), false, 0);
}

/* ---- Determinants. */

static bool det_shape(const call *c, spec *s)
{
    if (!square_shape(c, s)) return false;
    s->ndim -= 2;
    return true;
}

static bool det_one(problem *p)
{
    p->x[0] = eliminate(p, p->a, 0, 0); /* with no b */
    return true;
}

static bool det_run(const call *c)
{
    return each_matrix(c, det_one, 0);
}

/* det(a) a^-T, which exists for a singular a, too: as the limit for a pivot that vanishes. */
static bool cofactor_one(problem *p)
{
    const int64_t n = p->n;
    double *unit = p->spare;
    memset(unit, 0, (size_t)(n * n) * sizeof(double));
    for (int64_t i = 0; i < n; i++) unit[i * n + i] = 1;
    const double det = eliminate(p, unit, n, 0x1p-200);
    substitute(p, unit, n);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) unit[j * n + i] = det * p->x[i * n + j];
    memcpy(p->x, unit, (size_t)(n * n) * sizeof(double));
    return true;
}

static bool cofactor_run(const call *c)
{
    const tg_tensor *a = c->in[0];
    return each_matrix(c, cofactor_one, a->shape[a->ndim - 1] * a->shape[a->ndim - 1]);
}

static tg_tensor *as_matrix(tg_tensor *t)
{
    return tg_unsqueeze(tg_unsqueeze(t, -1), -1);
}

/* With b = a^-T: det (sum(g b) b - b g^T b). */
static tg_tensor *cofactor_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[0].t, *b = transpose_of(tg_inv(a));
    tg_tensor *sum = tg_sum_dims(tg_mul(g, b), TG_DIMS(-2, -1), TG_KEEPDIM);
    tg_tensor *both = tg_sub(tg_mul(sum, b), tg_matmul(tg_matmul(b, transpose_of(g)), b));
    (void)i;
    return tg_mul(as_matrix(tg_det(a)), both);
}

static const op_row cofactor_op = {"det_backward",
                                   "LinalgDetBackwardBackward0",
                                   square_shape,
                                   cofactor_run,
                                   cofactor_grad,
                                   {READS_0},
                                   0,
                                   0};

static tg_tensor *det_grad(const record *r, int i, tg_tensor *g)
{
    return tg_mul(as_matrix(g), tg__apply(&cofactor_op, 1, &r->in[i].t, NULL));
}

static const op_row det_op = {
    "det", "LinalgDetBackward0", det_shape, det_run, det_grad, {READS_0}, 0, 0};

tg_tensor *tg_det(tg_tensor *a)
{
    return tg__apply(&det_op, 1, &a, NULL);
}

/* ---- Least squares. */

/* A factorization, and vectors to work with it. Columns of length m stand one after the other in q:
 * Householder's vectors from the diagonal down, r above, and r's diagonal apart. */
typedef struct qr {
    int64_t m, n; /* of what was factorized, m >= n */
    double *q, *diagonal, *x, *r, *f, *u;
} qr;

/* Makes the columns in q that; whether they are independent. */
static bool householder(const qr *w)
{
    const int64_t m = w->m;
    for (int64_t j = 0; j < w->n; j++) {
        double *v = w->q + j * m;
        const double whole = sqrt(inner(m, v, v)), norm = sqrt(inner(m - j, v + j, v + j));
        if (!(norm > (double)m * DBL_EPSILON * whole)) return false;
        w->diagonal[j] = v[j] > 0 ? -norm : norm;
        v[j] -= w->diagonal[j];
        for (int64_t l = j + 1; l < w->n; l++) {
            double *y = w->q + l * m + j;
            add_multiple(m - j, y, inner(m - j, v + j, y) / (v[j] * w->diagonal[j]), v + j);
        }
    }
    return true;
}

/* y becomes Q^T y, or Q y. */
static void apply_q(const qr *w, bool back, double *y)
{
    for (int64_t l = 0; l < w->n; l++) {
        const int64_t j = back ? w->n - 1 - l : l;
        const double *v = w->q + j * w->m + j;
        add_multiple(w->m - j, y + j, inner(w->m - j, v, y + j) / (v[0] * w->diagonal[j]), v);
    }
}

/* y becomes R^-1 y, or R^-T y. */
static void divide_by_r(const qr *w, bool across, double *y)
{
    for (int64_t l = 0; l < w->n; l++) {
        const int64_t j = across ? l : w->n - 1 - l;
        if (across) y[j] -= inner(j, w->q + j * w->m, y);
        y[j] /= w->diagonal[j];
        if (!across) add_multiple(j, y, -y[j], w->q + j * w->m);
    }
}

/* sum[0] + sum[1] += x y, without loss. */
static void add_product(double *sum, double x, double y)
{
    const double product = x * y, high = sum[0] + product, z = high - sum[0];
    sum[1] += fma(x, y, -product) + ((sum[0] - (high - z)) + (product - z));
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
    add_multiple(n, w->x, 1, w->u);
    add_multiple(m, w->r, 1, w->f);
}

enum { REFINEMENTS = 4 };

static bool lstsq_one(problem *p)
{
    const bool tall = p->m >= p->n;
    const int64_t m = p->m, n = p->n, most = tall ? m : n, least_of = tall ? n : m;
    qr w = {most, least_of, p->spare, p->spare + m * n, 0, 0, 0, 0};
    w.x = w.diagonal + least_of;
    w.r = w.x + most;
    w.f = w.r + most;
    w.u = w.f + most;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) w.q[tall ? j * m + i : i * n + j] = p->a[i * n + j];
    if (!householder(&w))
        return fail_matrix(p,
                           tall ? "has linearly dependent columns" : "has linearly dependent rows");
    for (int64_t l = 0; l < p->k; l++) {
        memset(w.x, 0, (size_t)(2 * most) * sizeof(double)); /* r, too */
        for (int round = 0; round < (p->c->out->dtype == TG_F64 ? REFINEMENTS : 1) && tall; round++)
            refine_lstsq(p, &w, p->b + l);
        for (int64_t i = 0; i < m && !tall; i++) w.x[i] = p->b[i * p->k + l];
        if (!tall) {
            divide_by_r(&w, true, w.x);
            apply_q(&w, true, w.x);
        }
        for (int64_t j = 0; j < n; j++) p->x[j * p->k + l] = w.x[j];
    }
    return true;
}

static bool lstsq_run(const call *c)
{
    const tg_tensor *a = c->in[0];
    const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
    return each_matrix(c, lstsq_one, m * n + 5 * (m > n ? m : n));
}

/* With a+ the pseudo-inverse, z = a+^T g and x = a+ b: the gradient of b is z, that of a
 * (b - a x) (a+ z)^T + a+^T x (g - a^T z)^T - z x^T, where the second is 0 for a tall a, and the
 * first for a wide one (Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973). */
static tg_tensor *lstsq_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[0].t, *b = r->in[1].t, *x = r->out, *up = transpose_of(a),
              *z = tg_lstsq(up, g);
    if (i == 1 || !z) return z;
    tg_tensor *rest;
    if (a->shape[a->ndim - 2] >= a->shape[a->ndim - 1])
        rest = tg_matmul(tg_sub(b, tg_matmul(a, x)), transpose_of(tg_lstsq(a, z)));
    else
        rest = tg_matmul(tg_lstsq(up, x), transpose_of(tg_sub(g, tg_matmul(up, z))));
    return tg_sub(rest, tg_matmul(z, transpose_of(x)));
}

static const op_row lstsq_op = {"lstsq",
                                "LinalgLstsqBackward0",
                                solved_shape,
                                lstsq_run,
                                lstsq_grad,
                                {READS_0 | READS_1 | READS_OUT, READS_0},
                                0,
                                0};

tg_tensor *tg_lstsq(tg_tensor *a, tg_tensor *b)
{
    return apply_to_both(&lstsq_op, a, b, true, 0);
}
