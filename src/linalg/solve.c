/* solve: general systems, by Gaussian elimination with partial pivoting; and inv, whose right-hand
 * sides are the identity. A matrix is singular if its condition is not smaller than 1 /
 * tg__precision. */
#include "linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

void tg__swap_rows(int64_t n, double *a, double *b)
{
    for (int64_t j = 0; j < n; j++) {
        const double swapped = a[j];
        a[j] = b[j];
        b[j] = swapped;
    }
}

double tg__eliminate(problem *p, double *b, int64_t k, double *rows, double tiny)
{
    const int64_t n = p->n;
    double det = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t most = i;
        for (int64_t r = i + 1; r < n; r++)
            if (fabs(p->a[r * n + i]) > fabs(p->a[most * n + i])) most = r;
        if (most != i) {
            tg__swap_rows(n, p->a + i * n, p->a + most * n);
            tg__swap_rows(k, b + i * k, b + most * k);
            if (rows) tg__swap_rows(1, rows + i, rows + most);
        }
        double *row = p->a + i * n;
        if (row[i] == 0) row[i] = tiny;
        det *= most == i ? row[i] : -row[i];
        for (int64_t r = i + 1; r < n && row[i] != 0; r++) {
            double *below = p->a + r * n, factor = below[i] / row[i];
            below[i] = factor;
            tg__add_multiple(n - i - 1, below + i + 1, -factor, row + i + 1);
            tg__add_multiple(k, b + r * k, -factor, b + i * k);
        }
    }
    return det;
}

void tg__substitute(problem *p, const double *b, int64_t k)
{
    const int64_t n = p->n;
    memcpy(p->x, b, (size_t)(n * k) * sizeof(double));
    for (int64_t i = n - 1; i >= 0; i--) {
        double *x = p->x + i * k;
        for (int64_t j = i + 1; j < n; j++) tg__add_multiple(k, x, -p->a[i * n + j], p->x + j * k);
        for (int64_t j = 0; j < k; j++) x[j] /= p->a[i * n + i];
    }
}

/* The inner product of a, or of |a|, with b. It is for estimates, whose order of additions does not
 * matter, and adds four sums side by side for speed. */
static double quick_inner(int64_t n, const double *a, const double *b, bool absolute)
{
    double sum[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int l = 0; l < 4; l++) sum[l] += (absolute ? fabs(a[i + l]) : a[i + l]) * b[i + l];
    for (; i < n; i++) sum[0] += (absolute ? fabs(a[i]) : a[i]) * b[i];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

/* v becomes u^-1 l^-1 v or, transposed, l^-T u^-T v. */
static void divide_by_factors(const problem *p, bool transposed, double *v)
{
    const int64_t n = p->n;
    const double *a = p->a;
    for (int64_t i = 0; i < n; i++) {
        const double *row = a + i * n;
        v[i] = transposed ? v[i] / row[i] : v[i] - quick_inner(i, row, v, false);
        if (transposed) tg__add_multiple(n - i - 1, v + i + 1, -v[i], row + i + 1);
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        const double *row = a + i * n;
        if (transposed)
            tg__add_multiple(i, v, -v[i], row);
        else
            v[i] = (v[i] - quick_inner(n - i - 1, row + i + 1, v + i + 1, false)) / row[i];
    }
}

/* Unlike fmax, which must treat NaN, this is one instruction. */
static double greater(double a, double b)
{
    return a > b ? a : b;
}

/* columns[j] becomes the size of column j: its largest entry, each entry taken relative to the
 * largest of its row. rows[i] becomes the sum of row i of |a| once each column is divided by its
 * size. inverse is scratch memory. */
static void compute_scales(const problem *p, double *rows, double *columns, double *inverse)
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

/* v becomes diag(rows) a^-T diag(columns) v. Returns the 1-norm of v. */
static double apply_condition_matrix(const problem *p, const double *rows, const double *columns,
                                     double *v)
{
    double sum = 0;
    for (int64_t j = 0; j < p->n; j++) v[j] *= columns[j];
    divide_by_factors(p, true, v);
    for (int64_t j = 0; j < p->n; j++) sum += fabs(v[j] *= rows[j]);
    return sum;
}

/* A lower bound, and usually a close one, of the condition of a: the largest row sum of |a^-1| |a|
 * (Bauer and Skeel), with the columns of a divided by their sizes. Scaling the rows of a does not
 * change it. It is the 1-norm of diag(rows) a^-T diag(columns), which Hager and Higham estimate by
 * a few products of vectors with this matrix and its transpose (Higham, Accuracy and Stability of
 * Numerical Algorithms, 2002, algorithm 15.1). v is scratch memory. */
static double estimate_condition(const problem *p, const double *rows, const double *columns,
                                 double *v)
{
    enum { ROUNDS = 5 };
    const int64_t n = p->n;
    double most = 0;
    for (int64_t j = 0; j < n; j++) v[j] = 1 / (double)n;
    for (int64_t round = 0, last = -1, largest = 0; round < ROUNDS; round++, last = largest) {
        const double sum = apply_condition_matrix(p, rows, columns, v);
        if (!(sum > most)) break;
        most = sum;
        for (int64_t i = 0; i < n; i++) v[i] = copysign(rows[i], v[i]);
        divide_by_factors(p, false, v);
        largest = 0;
        for (int64_t j = 0; j < n; j++)
            if (fabs(v[j] *= columns[j]) > fabs(v[largest])) largest = j;
        if (largest == last) break;
        memset(v, 0, (size_t)n * sizeof(double));
        v[largest] = 1;
    }
    for (int64_t j = 0; j < n && n > 1; j++)
        v[j] = (j % 2 ? -1 : 1) * (1 + (double)j / (double)(n - 1));
    return n > 1 ? fmax(most, 2 * apply_condition_matrix(p, rows, columns, v) / (3 * (double)n))
                 : most;
}

/* An upper bound of the same condition: all terms in the inverses of l and u are taken as positive,
 * and none cancels another. The bound is often far too large, but where it is small enough, it
 * saves the estimate. */
static double bound_condition(const problem *p, const double *rows, const double *columns,
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

/* A flag of SOLVE_FLAGS: the forward has found the matrix to be regular. */
enum { KNOWN_REGULAR = 1 };

/* Elimination finds the factors of a matrix whose entries differ from those of a by at most about n
 * epsilon of float64, relatively; and a float32 tensor holds entries that were rounded before. If
 * the condition is the inverse of this error or more, a may be a singular matrix but for these
 * errors. */
static bool is_regular(const problem *p, const double *rows, const double *columns, double *v)
{
    const double most = 1 / tg__precision(p->c->out->dtype, p->n);
    if (bound_condition(p, rows, columns, v) < most) return true;
    const double condition = estimate_condition(p, rows, columns, v);
    if (!(condition >= most)) return true;
    char name[MATRIX_NAME];
    return tg__fail(p->c->tg, TG_ERR_ARGUMENT, "%s: %s is singular in %s: its condition is %.2g",
                    p->c->op->name, tg__name_matrix(p, name), tg_dtype_name(p->c->out->dtype),
                    condition);
}

static bool compute_solution(problem *p)
{
    const bool known = p->c->a[SOLVE_FLAGS].i & KNOWN_REGULAR;
    double *rows = p->scratch, *columns = rows + p->n;
    if (!known) {
        if (!tg__check_finite(p, false)) return false;
        compute_scales(p, rows, columns, columns + p->n);
    }
    tg__eliminate(p, p->b, p->k, known ? NULL : rows, 0);
    for (int64_t i = 0; i < p->n; i++)
        if (p->a[i * p->n + i] == 0) return tg__fail_matrix(p, "is singular");
    if (!known && !is_regular(p, rows, columns, columns + p->n)) return false;
    tg__substitute(p, p->b, p->k);
    return true;
}

static bool solve_forward(const call *c)
{
    return tg__for_each_matrix(c, compute_solution, 3 * c->in[0]->shape[c->in[0]->ndim - 1]);
}

/* x = a^-1 b has the gradient a^-T g for b and -(a^-T g) x^T for a. */
static tg_tensor *solve_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a_transposed = tg__matrix_transpose(r->in[0].t);
    tg_tensor *b = a_transposed && g
                       ? tg__apply_expanded_in_frame(r->op, a_transposed, g, KNOWN_REGULAR)
                       : NULL;
    return i == 1 ? b : tg_neg(tg_matmul(b, tg__matrix_transpose(r->out)));
}

static const op_row solve_op = {
    .name = "solve",
    .grad_name = "LinalgSolveExBackward0",
    .shape = tg__solved_shape,
    .forward = solve_forward,
    .grad = solve_grad,
    .reads = {READS_0 | READS_OUT, READS_0},
};

tg_tensor *tg_solve(tg_tensor *a, tg_tensor *b)
{
    if (!tg__check_inputs("solve", 2, (tg_tensor *[]){a, b}) || !tg__check_square("solve", a))
        return NULL;
    return tg__apply_to_system(&solve_op, a, b, (attr){.i = 0});
}

/* y = a^-1 has the gradient -y^T g y^T. */
static tg_tensor *inv_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *y_transposed = tg__matrix_transpose(r->out);
    (void)i;
    return tg_neg(tg_matmul(tg_matmul(y_transposed, g), y_transposed));
}

static const op_row inv_op = {
    .name = "inv",
    .grad_name = "LinalgInvExBackward0",
    .shape = tg__solved_shape,
    .forward = solve_forward,
    .grad = inv_grad,
    .reads = {READS_OUT},
};

tg_tensor *tg_inv(tg_tensor *a)
{
    frame f;
    if (!tg__check_inputs("inv", 1, &a) || !tg__check_square("inv", a)) return NULL;
    const int64_t n = a->shape[a->ndim - 1];
    tg__enter(&f, "inv", a);
    tg_tensor *identity = tg_eye(a->context, a->dtype, n, n);
    return tg__leave(&f,
                     identity ? tg__apply_expanded(&inv_op, a, identity, (attr){.i = 0}) : NULL);
}
