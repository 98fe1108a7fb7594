/* Factorizations, one matrix of a batch after the other, in float64. */
#include "../context/long_sum.h"
#include "op.h"
#include "matmul.h"
#include "../kernels/product.h"

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

/* The attributes of an operation on two batches, which are expanded to a common shape: what the
 * caller's a has of it. Messages show that shape. */
enum { SOLVE_FLAGS, GIVEN_NDIM, GIVEN_ONES /* a bit for each dimension of size 1 */ };
enum { MATRIX_NAME = 32 + TG_SIZES };

/* "matrix 2 of [4, 3, 3]", the one of a that p is about, for a message. */
static const char *name_matrix(const problem *p, char *text)
{
    const tg_tensor *a = p->c->in[0];
    const bool expanded = p->c->n > 1;
    const int n = expanded ? (int)p->c->a[GIVEN_NDIM].i : a->ndim;
    const int64_t ones = expanded ? p->c->a[GIVEN_ONES].i : 0;
    int64_t shape[TG_MAX_DIMS], number = 0, step = 1, at = p->at;
    for (int d = n - 1; d >= 0; d--) {
        const int64_t size = a->shape[a->ndim - n + d];
        shape[d] = ones >> d & 1 ? 1 : size;
        if (d >= n - 2) continue;
        number += at % size % shape[d] * step;
        at /= size;
        step *= shape[d];
    }
    snprintf(text, MATRIX_NAME, "matrix %lld of %s", (long long)number,
             tg__show_sizes(p->c->tg, n, shape));
    return text;
}

static bool fail_matrix(const problem *p, const char *what)
{
    char name[MATRIX_NAME];
    return tg__fail(p->c->tg, TG_ERR_ARGUMENT, "%s: %s %s", p->c->op->name, name_matrix(p, name),
                    what);
}

/* Of float32, what rounding has moved the entries by; and what elimination in float64 moves them
 * by, which grows with the number of terms. */
static double precision(const problem *p, int64_t terms)
{
    double rounding = DBL_EPSILON;
    switch (p->c->out->dtype) {
    case TG_F32: rounding = FLT_EPSILON / 2; break;
    case TG_F64:
    case TG_I64:
    case TG_BOOL: break;
    }
    return fmax(rounding, (double)terms * DBL_EPSILON);
}

static bool fail_entry(const problem *p, double entry, int64_t i, int64_t j)
{
    char name[MATRIX_NAME];
    return tg__fail(p->c->tg, TG_ERR_ARGUMENT, "%s: %s has %s at [%lld, %lld]", p->c->op->name,
                    name_matrix(p, name), isnan(entry) ? "NaN" : "an infinity", (long long)i,
                    (long long)j);
}

/* Whether the entries are numbers, those of the lower triangle or all; else the error. */
static bool is_finite_matrix(const problem *p, bool lower)
{
    for (int64_t i = 0; i < p->m; i++) {
        const double *row = p->a + i * p->n;
        const int64_t n = lower ? i + 1 : p->n;
        int bad = 0;
        for (int64_t j = 0; j < n; j++) bad |= !(fabs(row[j]) <= DBL_MAX);
        for (int64_t j = 0; j < n && bad; j++)
            if (!isfinite(row[j])) return fail_entry(p, row[j], i, j);
    }
    return true;
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
    tg_tensor *a = tg__contiguous(c->in[0]), *b = c->n > 1 && a ? tg__contiguous(c->in[1]) : a;
    if (!a || !b) return false;
    if (c->out->numel == 0) return true;
    problem p = {.c = c, .m = a->shape[a->ndim - 2], .n = a->shape[a->ndim - 1]};
    if (c->n > 1) p.k = b->shape[b->ndim - 1];
    const int64_t batch = tg__numel(a->ndim - 2, a->shape);
    const int64_t of_x = batch ? c->out->numel / batch : 0, of_a = p.m * p.n, of_b = p.m * p.k;
    const int64_t doubles = tg__plus(tg__plus(of_a, of_b), tg__plus(of_x, spare));
    p.a = tg__alloc(c->tg, tg__bytes(doubles, sizeof(double)));
    if (!p.a) return false;
    for (; p.at < batch; p.at++) {
        p.b = load_matrix(a, p.at, of_a, p.a);
        p.x = c->n > 1 ? load_matrix(b, p.at, of_b, p.b) : p.b;
        p.spare = p.x + of_x;
        if (!solve(&p)) return false;
        const tg_dtype d = c->out->dtype;
        char *out = (char *)c->out->data + (size_t)(p.at * of_x) * tg__dtype_size(d);
        switch (d) {
        case TG_F32: pick(0, to_f32, TG_F64)(of_x, out, p.x); break;
        case TG_F64: memcpy(out, p.x, (size_t)of_x * sizeof(double)); break;
        case TG_I64:
        case TG_BOOL: break;
        }
    }
    return true;
}

static double inner_in_order(int64_t n, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static double inner_in_blocks(int64_t n, const double *a, const double *b)
{
    long_sum sum = {0, 0};
    for (; n > 0; n -= SUM_BLOCK, a += SUM_BLOCK, b += SUM_BLOCK)
        tg__add_term(&sum, inner_in_order(n < SUM_BLOCK ? n : SUM_BLOCK, a, b));
    return tg__value_of_sum(sum);
}

static double inner(int64_t n, const double *a, const double *b)
{
    return n > MATMUL_WHOLE ? inner_in_blocks(n, a, b) : inner_in_order(n, a, b);
}

/* y += a x */
static void add_multiple(int64_t n, double *restrict y, double a, const double *restrict x)
{
    for (int64_t i = 0; i < n; i++) y[i] += a * x[i];
}

/* ---- Shapes. */

static bool check_matrices(const char *name, const char *which, const tg_tensor *t)
{
    return t->ndim >= 2 || tg__fail(t->context, TG_ERR_SHAPE,
                                    "%s: %s is %s, which is neither a matrix nor a batch of them",
                                    name, which, SHOW(t));
}

static bool check_square(const char *name, const tg_tensor *a)
{
    return check_matrices(name, "a", a) &&
           (a->shape[a->ndim - 1] == a->shape[a->ndim - 2] ||
            tg__fail(a->context, TG_ERR_SHAPE, "%s: a is %s, but its matrices must be square", name,
                     SHOW(a)));
}

static bool square_shape(const call *c, spec *s)
{
    return check_square(c->op->name, c->in[0]) &&
           tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && tg__same_shape(c, s);
}

/* x of b's shape but for the rows, which are a's columns. check_system has passed, and both batches
 * are of one shape. */
static bool solved_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0];
    tg__shape_of_second(c, s);
    s->shape[s->ndim - 2] = a->shape[a->ndim - 1];
    return tg__check_dtype(c, a, tg__is_float(a->dtype)) &&
           tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

/* Whether a x = b, or with `right` x a = b, can be solved as far as shapes and dtypes tell. In
 * messages b has the shape that the caller gave; here, vectors are matrices of one column. */
static bool check_system(const char *name, const tg_tensor *a, const tg_tensor *b,
                         const tg_tensor *given, bool right)
{
    tg_context *tg = a->context;
    int64_t shape[TG_MAX_DIMS];
    int n;
    if (!check_matrices(name, "a", a) || !check_matrices(name, "b", b)) return false;
    if (a->dtype != b->dtype)
        return tg__fail(tg, TG_ERR_DTYPE, "%s: %s %s and %s %s: dtypes differ; use tg_cast", name,
                        tg_dtype_name(a->dtype), SHOW(a), tg_dtype_name(b->dtype), SHOW(given));
    const int64_t of_a = a->shape[a->ndim - 2], of_b = b->shape[b->ndim - (right ? 1 : 2)];
    if (of_a != of_b)
        return tg__fail(tg, TG_ERR_SHAPE,
                        "%s: a is %s and b is %s, but b must have %lld %s, not %lld", name, SHOW(a),
                        SHOW(given), (long long)of_a, right ? "columns" : "rows", (long long)of_b);
    return tg__broadcast(a->ndim - 2, a->shape, b->ndim - 2, b->shape, &n, shape) ||
           tg__fail(tg, TG_ERR_SHAPE, "%s: the batches of a %s and b %s do not broadcast", name,
                    SHOW(a), SHOW(given));
}

/* The operation on a and b, which check_system has passed, expanded to one batch. */
static tg_tensor *apply_expanded(const op_row *o, tg_tensor *a, tg_tensor *b, int flags)
{
    attr attrs[TG_ATTRS] = {[SOLVE_FLAGS] = {.i = flags}, [GIVEN_NDIM] = {.i = a->ndim}};
    spec s;
    int n = 0;
    for (int d = 0; d < a->ndim; d++) attrs[GIVEN_ONES].i |= (int64_t)(a->shape[d] == 1) << d;
    tg__broadcast(a->ndim - 2, a->shape, b->ndim - 2, b->shape, &n, s.shape);
    tg_tensor *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        for (int d = 0; d < 2; d++) s.shape[n + d] = both[i]->shape[both[i]->ndim - 2 + d];
        both[i] = tg_expand(both[i], (tg_shape){n + 2, s.shape});
        if (!both[i]) return NULL;
    }
    return tg__apply(o, 2, both, attrs);
}

/* The same in a frame of its own, for a and b that are there. */
static tg_tensor *solve_expanded(const op_row *o, tg_tensor *a, tg_tensor *b, int flags)
{
    frame f;
    tg__enter(&f, o->name, a);
    return tg__leave(&f, apply_expanded(o, a, b, flags));
}

static bool is_vector(const tg_tensor *a, const tg_tensor *b)
{
    return b->ndim == 1 ||
           (a->ndim - 1 == b->ndim && tg__same_sizes(b->ndim, a->shape, b->ndim, b->shape));
}

/* An operation on a and b, of which b may hold vectors. */
static tg_tensor *solve_for(const op_row *o, tg_tensor *a, tg_tensor *b)
{
    frame f;
    const bool vector = is_vector(a, b);
    tg_tensor *x = NULL, *columns = b;
    tg__enter(&f, o->name, a);
    if (vector) columns = tg_unsqueeze(b, -1);
    if (columns && check_system(o->name, a, columns, b, false))
        x = apply_expanded(o, a, columns, 0);
    return tg__leave(&f, vector ? tg_squeeze_dim(x, -1) : x);
}

static tg_tensor *transpose_of(tg_tensor *a)
{
    return tg_transpose(a, -2, -1);
}

/* ---- Triangular systems. Flags: TG_UPPER, TG_UNITRIANGULAR. */

static bool solve_triangle(problem *p)
{
    const int64_t n = p->n, k = p->k, flags = p->c->a[SOLVE_FLAGS].i;
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

static bool solve_triangular_forward(const call *c)
{
    return each_matrix(c, solve_triangle, 0);
}

static tg_tensor *solve_triangular_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[0].t;
    const int flags = (int)r->a[SOLVE_FLAGS].i, inside = flags & TG_UNITRIANGULAR ? 1 : 0;
    tg_tensor *b = tg_solve_triangular(transpose_of(a), g, flags ^ TG_UPPER);
    if (i == 1) return b;
    tg_tensor *full = tg_neg(tg_matmul(b, transpose_of(r->out)));
    return flags & TG_UPPER ? tg_triu(full, inside) : tg_tril(full, -inside);
}

static const op_row solve_triangular_op = {
    .name = "solve_triangular",
    .grad_name = "LinalgSolveTriangularBackward0",
    .shape = solved_shape,
    .forward = solve_triangular_forward,
    .grad = solve_triangular_grad,
    .reads = {READS_0 | READS_OUT, READS_0},
};

tg_tensor *tg_solve_triangular(tg_tensor *a, tg_tensor *b, int flags)
{
    if (a && flags & ~(TG_UPPER | TG_RIGHT | TG_UNITRIANGULAR))
        return tg__fail(a->context, TG_ERR_ARGUMENT,
                        "solve_triangular: there are no flags %d; use TG_LOWER or TG_UPPER, with "
                        "TG_RIGHT and TG_UNITRIANGULAR added as needed",
                        flags);
    if (!tg__check_inputs("solve_triangular", 2, (tg_tensor *[]){a, b}) ||
        !check_square("solve_triangular", a) ||
        !check_system("solve_triangular", a, b, b, flags & TG_RIGHT))
        return NULL;
    if (flags & TG_RIGHT) {
        frame f;
        tg__enter(&f, "solve_triangular", a);
        flags = (flags ^ TG_UPPER) & ~TG_RIGHT;
        tg_tensor *x = tg_solve_triangular(transpose_of(a), transpose_of(b), flags);
        return tg__leave(&f, transpose_of(x));
    }
    return solve_expanded(&solve_triangular_op, a, b, flags);
}

/* ---- Cholesky. */

static bool factorize(problem *p)
{
    const int64_t n = p->n;
    if (!is_finite_matrix(p, true)) return false;
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

static bool cholesky_forward(const call *c)
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

static const op_row cholesky_op = {
    .name = "cholesky",
    .grad_name = "LinalgCholeskyExBackward0",
    .shape = square_shape,
    .forward = cholesky_forward,
    .grad = cholesky_grad,
    .reads = {READS_OUT},
};

tg_tensor *tg_cholesky(tg_tensor *a)
{
    return tg__apply(&cholesky_op, 1, &a, NULL);
}

/* ---- General systems. */

static void swap_rows(int64_t n, double *a, double *b)
{
    for (int64_t j = 0; j < n; j++) {
        const double swapped = a[j];
        a[j] = b[j];
        b[j] = swapped;
    }
}

/* Gauss' elimination with partial pivoting of a, which becomes its factors l (but for the ones on
 * the diagonal) and u, and of b (n, k) with it; the numbers in rows, if there are any, follow the
 * exchange of rows. The determinant; a pivot of 0 becomes tiny. */
static double eliminate(problem *p, double *b, int64_t k, double *rows, double tiny)
{
    const int64_t n = p->n;
    double det = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t most = i;
        for (int64_t r = i + 1; r < n; r++)
            if (fabs(p->a[r * n + i]) > fabs(p->a[most * n + i])) most = r;
        if (most != i) {
            swap_rows(n, p->a + i * n, p->a + most * n);
            swap_rows(k, b + i * k, b + most * k);
            if (rows) swap_rows(1, rows + i, rows + most);
        }
        double *row = p->a + i * n;
        if (row[i] == 0) row[i] = tiny;
        det *= most == i ? row[i] : -row[i];
        for (int64_t r = i + 1; r < n && row[i] != 0; r++) {
            double *below = p->a + r * n, factor = below[i] / row[i];
            below[i] = factor;
            add_multiple(n - i - 1, below + i + 1, -factor, row + i + 1);
            add_multiple(k, b + r * k, -factor, b + i * k);
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

/* Of sizes if that is so; in four sums, for estimates, which may round as they like. */
static double quick_inner(int64_t n, const double *a, const double *b, bool sizes)
{
    double sum[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int l = 0; l < 4; l++) sum[l] += (sizes ? fabs(a[i + l]) : a[i + l]) * b[i + l];
    for (; i < n; i++) sum[0] += (sizes ? fabs(a[i]) : a[i]) * b[i];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

/* v becomes u^-1 l^-1 v, or l^-T u^-T v. */
static void divide_by_factors(const problem *p, bool across, double *v)
{
    const int64_t n = p->n;
    const double *a = p->a;
    for (int64_t i = 0; i < n; i++) {
        const double *row = a + i * n;
        v[i] = across ? v[i] / row[i] : v[i] - quick_inner(i, row, v, false);
        if (across) add_multiple(n - i - 1, v + i + 1, -v[i], row + i + 1);
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        const double *row = a + i * n;
        if (across)
            add_multiple(i, v, -v[i], row);
        else
            v[i] = (v[i] - quick_inner(n - i - 1, row + i + 1, v + i + 1, false)) / row[i];
    }
}

static double greater(double a, double b)
{
    return a > b ? a : b;
}

/* The sizes of a's columns, relative to the rows; and the sums of the rows of |a| once its columns
 * are divided by them. */
static void scales_of(const problem *p, double *rows, double *columns, double *inverse)
{
    const int64_t n = p->n;
    memset(columns, 0, (size_t)n * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        const double *row = p->a + i * n;
        double most = DBL_MIN;
        for (int64_t j = 0; j < n; j++) most = greater(fabs(row[j]), most);
        for (int64_t j = 0; j < n; j++) columns[j] = greater(fabs(row[j]) * (1 / most), columns[j]);
    }
    for (int64_t j = 0; j < n; j++) inverse[j] = 1 / columns[j];
    for (int64_t i = 0; i < n; i++) rows[i] = quick_inner(n, p->a + i * n, inverse, true);
}

/* v becomes diag(rows) a^-T diag(columns) v, whose 1-norm is wanted; the sum of its sizes. */
static double apply_condition(const problem *p, const double *rows, const double *columns,
                              double *v)
{
    double sum = 0;
    for (int64_t j = 0; j < p->n; j++) v[j] *= columns[j];
    divide_by_factors(p, true, v);
    for (int64_t j = 0; j < p->n; j++) sum += fabs(v[j] *= rows[j]);
    return sum;
}

/* The greatest row sum of |a^-1| |a|, from below: Bauer and Skeel's condition of a, which scaling
 * the rows of a does not change, with columns divided by their sizes. It is the 1-norm of
 * diag(rows) a^-T diag(columns), which Hager and Higham estimate by a few products with it and its
 * transpose (Higham, Accuracy and Stability of Numerical Algorithms, 2002, algorithm 15.1). */
static double condition_of(const problem *p, const double *rows, const double *columns, double *v)
{
    enum { ROUNDS = 5 };
    const int64_t n = p->n;
    double most = 0;
    for (int64_t j = 0; j < n; j++) v[j] = 1 / (double)n;
    for (int64_t round = 0, last = -1, at = 0; round < ROUNDS; round++, last = at) {
        const double sum = apply_condition(p, rows, columns, v);
        if (!(sum > most)) break;
        most = sum;
        for (int64_t i = 0; i < n; i++) v[i] = copysign(rows[i], v[i]);
        divide_by_factors(p, false, v);
        at = 0;
        for (int64_t j = 0; j < n; j++)
            if (fabs(v[j] *= columns[j]) > fabs(v[at])) at = j;
        if (at == last) break;
        memset(v, 0, (size_t)n * sizeof(double));
        v[at] = 1;
    }
    for (int64_t j = 0; j < n && n > 1; j++)
        v[j] = (j % 2 ? -1 : 1) * (1 + (double)j / (double)(n - 1));
    return n > 1 ? fmax(most, 2 * apply_condition(p, rows, columns, v) / (3 * (double)n)) : most;
}

/* The same from above, where no term of a triangle's inverse cancels another: often it is far too
 * much, and often it is enough to know. */
static double bound_of_condition(const problem *p, const double *rows, const double *columns,
                                 double *v)
{
    const int64_t n = p->n;
    double most = 0;
    for (int64_t i = 0; i < n; i++) v[i] = rows[i] + quick_inner(i, p->a + i * n, v, true);
    for (int64_t i = n - 1; i >= 0; i--) {
        const double *row = p->a + i * n;
        v[i] = (v[i] + quick_inner(n - i - 1, row + i + 1, v + i + 1, true)) / fabs(row[i]);
        most = greater(v[i] * columns[i], most);
    }
    return most;
}

enum { KNOWN_REGULAR = 1 }; /* by an elimination before; a flag */

/* The factors that elimination finds are those of a matrix whose entries differ from a's by some n
 * epsilon of float64 at most, and float32 has rounded the entries before. With a condition of one
 * by that, a singular matrix may be among those that are told as a. */
static bool is_regular(const problem *p, const double *rows, const double *columns, double *v)
{
    const double most = 1 / precision(p, p->n);
    if (bound_of_condition(p, rows, columns, v) < most) return true;
    const double condition = condition_of(p, rows, columns, v);
    if (!(condition >= most)) return true;
    char name[MATRIX_NAME];
    return tg__fail(p->c->tg, TG_ERR_ARGUMENT, "%s: %s is singular in %s: its condition is %.2g",
                    p->c->op->name, name_matrix(p, name), tg_dtype_name(p->c->out->dtype),
                    condition);
}

static bool solve_one(problem *p)
{
    const bool known = p->c->a[SOLVE_FLAGS].i & KNOWN_REGULAR;
    double *rows = p->spare, *columns = rows + p->n;
    if (!known) {
        if (!is_finite_matrix(p, false)) return false;
        scales_of(p, rows, columns, columns + p->n);
    }
    eliminate(p, p->b, p->k, known ? NULL : rows, 0);
    for (int64_t i = 0; i < p->n; i++)
        if (p->a[i * p->n + i] == 0) return fail_matrix(p, "is singular");
    if (!known && !is_regular(p, rows, columns, columns + p->n)) return false;
    substitute(p, p->b, p->k);
    return true;
}

static bool solve_forward(const call *c)
{
    return each_matrix(c, solve_one, 3 * c->in[0]->shape[c->in[0]->ndim - 1]);
}

static tg_tensor *solve_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *up = transpose_of(r->in[0].t);
    tg_tensor *b = up && g ? solve_expanded(r->op, up, g, KNOWN_REGULAR) : NULL;
    return i == 1 ? b : tg_neg(tg_matmul(b, transpose_of(r->out)));
}

static const op_row solve_op = {
    .name = "solve",
    .grad_name = "LinalgSolveExBackward0",
    .shape = solved_shape,
    .forward = solve_forward,
    .grad = solve_grad,
    .reads = {READS_0 | READS_OUT, READS_0},
};

tg_tensor *tg_solve(tg_tensor *a, tg_tensor *b)
{
    if (!tg__check_inputs("solve", 2, (tg_tensor *[]){a, b}) || !check_square("solve", a))
        return NULL;
    return solve_for(&solve_op, a, b);
}

static tg_tensor *inv_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *up = transpose_of(r->out);
    (void)i;
    return tg_neg(tg_matmul(tg_matmul(up, g), up));
}

static const op_row inv_op = {
    .name = "inv",
    .grad_name = "LinalgInvExBackward0",
    .shape = solved_shape,
    .forward = solve_forward,
    .grad = inv_grad,
    .reads = {READS_OUT},
};

tg_tensor *tg_inv(tg_tensor *a)
{
    frame f;
    if (!tg__check_inputs("inv", 1, &a) || !check_square("inv", a)) return NULL;
    const int64_t n = a->shape[a->ndim - 1];
    tg__enter(&f, "inv", a);
    tg_tensor *one = tg_eye(a->context, a->dtype, n, n);
    return tg__leave(&f, one ? apply_expanded(&inv_op, a, one, 0) : NULL);
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
    p->x[0] = eliminate(p, p->a, 0, NULL, 0); /* with no b */
    return true;
}

static bool det_forward(const call *c)
{
    return each_matrix(c, det_one, 0);
}

/* det(a) a^-T, which exists for a singular a, too: as the limit for a pivot that vanishes. */
static bool cofactor_one(problem *p)
{
    const int64_t n = p->n;
    double *unit = p->spare, most = 0;
    for (int64_t i = 0; i < n * n; i++) most = fmax(most, fabs(p->a[i]));
    memset(unit, 0, (size_t)(n * n) * sizeof(double));
    for (int64_t i = 0; i < n; i++) unit[i * n + i] = 1;
    const double det = eliminate(p, unit, n, NULL, (most > 0 ? most : 1) * 0x1p-200);
    substitute(p, unit, n);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) unit[j * n + i] = det * p->x[i * n + j];
    memcpy(p->x, unit, (size_t)(n * n) * sizeof(double));
    return true;
}

static bool cofactor_forward(const call *c)
{
    const tg_tensor *a = c->in[0];
    return each_matrix(c, cofactor_one, a->shape[a->ndim - 1] * a->shape[a->ndim - 1]);
}

static tg_tensor *as_matrix(tg_tensor *t)
{
    return tg_unsqueeze(tg_unsqueeze(t, -1), -1);
}

static void swap_columns(int64_t n, double *a, int64_t i, int64_t j)
{
    for (int64_t r = 0; r < n; r++) swap_rows(1, a + r * n + i, a + r * n + j);
}

/* a becomes l d u, both triangles with ones on their diagonals, by elimination with complete
 * pivoting: what is left when a pivot is 0 is 0. swaps: of rows and columns, which g takes part in.
 * The sign of the permutations. */
static double factorize_completely(const problem *p, double *g, double *d, double *swaps)
{
    const int64_t n = p->n;
    double *a = p->a, sign = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i * n + i;
        for (int64_t r = i; r < n; r++)
            for (int64_t j = i; j < n; j++)
                if (fabs(a[r * n + j]) > fabs(a[at])) at = r * n + j;
        const int64_t row = at / n, column = at % n;
        for (double *m = a;; m = g) {
            swap_rows(row != i ? n : 0, m + i * n, m + row * n);
            if (column != i) swap_columns(n, m, i, column);
            if (m == g) break;
        }
        if ((row != i) != (column != i)) sign = -sign;
        swaps[2 * i] = (double)row;
        swaps[2 * i + 1] = (double)column;
        d[i] = a[i * n + i];
        for (int64_t r = i + 1; r < n && d[i] != 0; r++) {
            const double factor = a[r * n + i] /= d[i];
            add_multiple(n - i - 1, a + r * n + i + 1, -factor, a + i * n + i + 1);
        }
        for (int64_t j = i + 1; j < n && d[i] != 0; j++) a[i * n + j] /= d[i];
    }
    return sign;
}

/* g becomes l^-1 g u^-1, or l^-T g u^-T. */
static void divide_both_sides(const problem *p, bool across, double *g)
{
    const int64_t n = p->n;
    const double *a = p->a;
    for (int64_t l = 0; l < n; l++) {
        const int64_t i = across ? n - 1 - l : l;
        for (int64_t j = 0; j < i; j++)
            add_multiple(n, g + (across ? j : i) * n, -a[i * n + j], g + (across ? i : j) * n);
    }
    for (int64_t r = 0; r < n; r++)
        for (int64_t l = 0; l < n; l++) {
            double *row = g + r * n;
            const int64_t i = across ? n - 1 - l : l, rest = n - i - 1;
            if (across)
                row[i] -= inner(rest, a + i * n + i + 1, row + i + 1);
            else
                add_multiple(rest, row + i + 1, -row[i], a + i * n + i + 1);
        }
}

/* How the cofactors of d change with h: with the products of all but two of d, on the diagonal the
 * sum of those times the other h[j][j]; beside it minus that of i and j times h[j][i]. */
static void change_of_cofactors(int64_t n, const double *d, const double *h, double *x)
{
    memset(x, 0, (size_t)(n * n) * sizeof(double));
    double before = 1;
    for (int64_t i = 0; i < n; before *= d[i++]) {
        double between = before;
        for (int64_t j = i + 1; j < n; between *= d[j++]) {
            double others = between;
            for (int64_t k = j + 1; k < n; k++) others *= d[k];
            x[i * n + i] += others * h[j * n + j];
            x[j * n + j] += others * h[i * n + i];
            x[i * n + j] = -others * h[j * n + i];
            x[j * n + i] = -others * h[i * n + j];
        }
    }
}

/* The second derivative of det, by g: with a = l d u, the cofactors of a are l^-T c u^-T with c
 * those of d, and nothing is divided by a pivot. */
static bool second_one(problem *p)
{
    const int64_t n = p->n;
    double *d = p->spare, *swaps = d + n;
    const double sign = factorize_completely(p, p->b, d, swaps);
    divide_both_sides(p, false, p->b);
    change_of_cofactors(n, d, p->b, p->x);
    divide_both_sides(p, true, p->x);
    for (int64_t i = n - 1; i >= 0; i--) {
        const int64_t row = (int64_t)swaps[2 * i], column = (int64_t)swaps[2 * i + 1];
        if (row != i) swap_rows(n, p->x + i * n, p->x + row * n);
        if (column != i) swap_columns(n, p->x, i, column);
    }
    for (int64_t i = 0; i < n * n; i++) p->x[i] *= sign;
    return true;
}

static bool second_forward(const call *c)
{
    return each_matrix(c, second_one, 3 * c->in[0]->shape[c->in[0]->ndim - 1]);
}

/* Made where no gradient is recorded. */
static const op_row second_op = {
    .name = "det_backward", .shape = solved_shape, .forward = second_forward};

/* With b = a^-T: det (sum(g b) b - b g^T b). Written so where it is to have a gradient in turn. */
static tg_tensor *cofactor_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[i].t;
    if (g->context->no_grad) return tg__apply(&second_op, 2, (tg_tensor *[]){a, g}, NULL);
    tg_tensor *b = transpose_of(tg_inv(a));
    tg_tensor *sum = tg_sum_dims(tg_mul(g, b), TG_DIMS(-2, -1), TG_KEEPDIM);
    tg_tensor *both = tg_sub(tg_mul(sum, b), tg_matmul(tg_matmul(b, transpose_of(g)), b));
    return tg_mul(as_matrix(tg_det(a)), both);
}

static const op_row cofactor_op = {
    .name = "det_backward",
    .grad_name = "LinalgDetBackwardBackward0",
    .shape = square_shape,
    .forward = cofactor_forward,
    .grad = cofactor_grad,
    .reads = {READS_0},
};

static tg_tensor *det_grad(const record *r, int i, tg_tensor *g)
{
    return tg_mul(as_matrix(g), tg__apply(&cofactor_op, 1, &r->in[i].t, NULL));
}

static const op_row det_op = {
    .name = "det",
    .grad_name = "LinalgDetBackward0",
    .shape = det_shape,
    .forward = det_forward,
    .grad = det_grad,
    .reads = {READS_0},
};

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

/* Makes the columns in q that. The number of the first one of which the columns before it leave no
 * more than tolerance by its norm, and n if all are independent. */
static int64_t householder(const qr *w, double tolerance)
{
    const int64_t m = w->m;
    for (int64_t j = 0; j < w->n; j++) {
        double *v = w->q + j * m;
        const double whole = sqrt(inner(m, v, v)), norm = sqrt(inner(m - j, v + j, v + j));
        if (!(norm > tolerance * whole)) return j;
        w->diagonal[j] = v[j] > 0 ? -norm : norm;
        v[j] -= w->diagonal[j];
        for (int64_t l = j + 1; l < w->n; l++) {
            double *y = w->q + l * m + j;
            add_multiple(m - j, y, inner(m - j, v + j, y) / (v[j] * w->diagonal[j]), v + j);
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
    add_multiple(n, w->x, 1, w->u);
    add_multiple(m, w->r, 1, w->f);
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
                    p->c->op->name, name_matrix(p, name), what, what, (long long)number,
                    number == 0 ? "is zero" : "is a combination of those before it");
}

static bool lstsq_one(problem *p)
{
    if (!is_finite_matrix(p, false)) return false;
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
    const int64_t independent = householder(&w, precision(p, most));
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
    return each_matrix(c, lstsq_one, m * n + 6 * (m > n ? m : n));
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

static const op_row lstsq_op = {
    .name = "lstsq",
    .grad_name = "LinalgLstsqBackward0",
    .shape = solved_shape,
    .forward = lstsq_forward,
    .grad = lstsq_grad,
    .reads = {READS_0 | READS_1 | READS_OUT, READS_0},
};

tg_tensor *tg_lstsq(tg_tensor *a, tg_tensor *b)
{
    return tg__check_inputs("lstsq", 2, (tg_tensor *[]){a, b}) ? solve_for(&lstsq_op, a, b) : NULL;
}
