/* General systems, by elimination with partial pivoting, and the inverse. */
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
        if (across) tg__add_multiple(n - i - 1, v + i + 1, -v[i], row + i + 1);
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        const double *row = a + i * n;
        if (across)
            tg__add_multiple(i, v, -v[i], row);
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
    const double most = 1 / tg__precision(p, p->n);
    if (bound_of_condition(p, rows, columns, v) < most) return true;
    const double condition = condition_of(p, rows, columns, v);
    if (!(condition >= most)) return true;
    char name[MATRIX_NAME];
    return tg__fail(p->c->tg, TG_ERR_ARGUMENT, "%s: %s is singular in %s: its condition is %.2g",
                    p->c->op->name, tg__name_matrix(p, name), tg_dtype_name(p->c->out->dtype),
                    condition);
}

static bool solve_one(problem *p)
{
    const bool known = p->c->a[SOLVE_FLAGS].i & KNOWN_REGULAR;
    double *rows = p->spare, *columns = rows + p->n;
    if (!known) {
        if (!tg__is_finite_matrix(p, false)) return false;
        scales_of(p, rows, columns, columns + p->n);
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
    return tg__each_matrix(c, solve_one, 3 * c->in[0]->shape[c->in[0]->ndim - 1]);
}

static tg_tensor *solve_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *up = tg__matrix_transpose(r->in[0].t);
    tg_tensor *b = up && g ? tg__solve_expanded(r->op, up, g, KNOWN_REGULAR) : NULL;
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
    return tg__solve_for(&solve_op, a, b);
}

static tg_tensor *inv_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *up = tg__matrix_transpose(r->out);
    (void)i;
    return tg_neg(tg_matmul(tg_matmul(up, g), up));
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
    tg_tensor *one = tg_eye(a->context, a->dtype, n, n);
    return tg__leave(&f, one ? tg__apply_expanded(&inv_op, a, one, 0) : NULL);
}
