/* det: determinants, and their first and second derivatives. */
#include "linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

static bool det_shape(const call *c, spec *s)
{
    if (!tg__square_shape(c, s)) return false;
    s->ndim -= 2;
    return true;
}

static bool compute_det(problem *p)
{
    p->x[0] = tg__eliminate(p, p->a, 0, NULL, 0); /* with no right-hand sides */
    return true;
}

static bool det_forward(const call *c)
{
    return tg__for_each_matrix(c, compute_det, 0);
}

/* The derivative of det(a) is the matrix of cofactors, det(a) a^-T (Jacobi). A singular a has
 * cofactors, too: a pivot of 0 is replaced by a tiny number, which cancels in the product of det(a)
 * and a^-T. */
static bool compute_cofactors(problem *p)
{
    const int64_t n = p->n;
    double *unit = p->scratch, most = 0;
    for (int64_t i = 0; i < n * n; i++) most = fmax(most, fabs(p->a[i]));
    memset(unit, 0, (size_t)(n * n) * sizeof(double));
    for (int64_t i = 0; i < n; i++) unit[i * n + i] = 1;
    const double det = tg__eliminate(p, unit, n, NULL, (most > 0 ? most : 1) * 0x1p-200);
    tg__substitute(p, unit, n);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) unit[j * n + i] = det * p->x[i * n + j];
    memcpy(p->x, unit, (size_t)(n * n) * sizeof(double));
    return true;
}

static bool cofactor_forward(const call *c)
{
    const tg_tensor *a = c->in[0];
    return tg__for_each_matrix(c, compute_cofactors, a->shape[a->ndim - 1] * a->shape[a->ndim - 1]);
}

static tg_tensor *as_matrix(tg_tensor *t)
{
    return tg_unsqueeze(tg_unsqueeze(t, -1), -1);
}

static void swap_columns(int64_t n, double *a, int64_t i, int64_t j)
{
    for (int64_t r = 0; r < n; r++) tg__swap_rows(1, a + r * n + i, a + r * n + j);
}

/* Factorizes a, with its rows and columns exchanged, as l d u, where l and u have ones on their
 * diagonals. l and u replace a. Pivoting is complete; when a pivot is 0, all that is left of a is
 * 0. The rows and columns of g are exchanged likewise, and swaps tells the exchanges. Returns the
 * sign of the permutations. */
static double factorize_ldu(const problem *p, double *g, double *d, double *swaps)
{
    const int64_t n = p->n;
    double *a = p->a, sign = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t largest = i * n + i;
        for (int64_t r = i; r < n; r++)
            for (int64_t j = i; j < n; j++)
                if (fabs(a[r * n + j]) > fabs(a[largest])) largest = r * n + j;
        const int64_t row = largest / n, column = largest % n;
        for (double *m = a;; m = g) {
            tg__swap_rows(row != i ? n : 0, m + i * n, m + row * n);
            if (column != i) swap_columns(n, m, i, column);
            if (m == g) break;
        }
        if ((row != i) != (column != i)) sign = -sign;
        swaps[2 * i] = (double)row;
        swaps[2 * i + 1] = (double)column;
        d[i] = a[i * n + i];
        for (int64_t r = i + 1; r < n && d[i] != 0; r++) {
            const double factor = a[r * n + i] /= d[i];
            tg__add_multiple(n - i - 1, a + r * n + i + 1, -factor, a + i * n + i + 1);
        }
        for (int64_t j = i + 1; j < n && d[i] != 0; j++) a[i * n + j] /= d[i];
    }
    return sign;
}

/* g becomes l^-1 g u^-1 or, transposed, l^-T g u^-T. */
static void divide_by_ldu_factors(const problem *p, bool transposed, double *g)
{
    const int64_t n = p->n;
    const double *a = p->a;
    for (int64_t l = 0; l < n; l++) {
        const int64_t i = transposed ? n - 1 - l : l;
        for (int64_t j = 0; j < i; j++)
            tg__add_multiple(n, g + (transposed ? j : i) * n, -a[i * n + j],
                             g + (transposed ? i : j) * n);
    }
    for (int64_t r = 0; r < n; r++)
        for (int64_t l = 0; l < n; l++) {
            double *row = g + r * n;
            const int64_t i = transposed ? n - 1 - l : l, rest = n - i - 1;
            if (transposed)
                row[i] -= tg__inner(rest, a + i * n + i + 1, row + i + 1);
            else
                tg__add_multiple(rest, row + i + 1, -row[i], a + i * n + i + 1);
        }
}

/* x becomes the derivative of the cofactors of the diagonal matrix d in the direction h. Let D(i,
 * j) be the product of all d but those of i and j. Then x[i][i] is the sum of D(i, j) h[j][j] over
 * all other j, and x[i][j] is -D(i, j) h[j][i]. */
static void differentiate_cofactors(int64_t n, const double *d, const double *h, double *x)
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

/* The derivative of the cofactors of a in the direction g, which is the second derivative of det.
 * With a = l d u, the cofactors of a are l^-T c u^-T, where c are the cofactors of d. Nothing is
 * divided by a pivot, and a may be singular. */
static bool second_derivative(problem *p)
{
    const int64_t n = p->n;
    double *d = p->scratch, *swaps = d + n;
    const double sign = factorize_ldu(p, p->b, d, swaps);
    divide_by_ldu_factors(p, false, p->b);
    differentiate_cofactors(n, d, p->b, p->x);
    divide_by_ldu_factors(p, true, p->x);
    for (int64_t i = n - 1; i >= 0; i--) {
        const int64_t row = (int64_t)swaps[2 * i], column = (int64_t)swaps[2 * i + 1];
        if (row != i) tg__swap_rows(n, p->x + i * n, p->x + row * n);
        if (column != i) swap_columns(n, p->x, i, column);
    }
    for (int64_t i = 0; i < n * n; i++) p->x[i] *= sign;
    return true;
}

static bool second_derivative_forward(const call *c)
{
    return tg__for_each_matrix(c, second_derivative, 3 * c->in[0]->shape[c->in[0]->ndim - 1]);
}

/* This operation has no gradient; cofactor_grad applies it where none is recorded. */
static const op_row second_derivative_op = {
    .name = "det_backward", .shape = tg__solved_shape, .forward = second_derivative_forward};

/* By the product rule on det(a) b, where b = a^-T and db = -b da^T b, the gradient is det(a) (sum(g
 * b) b - b g^T b). This form, which takes a regular a, is used where the gradient is to have a
 * gradient in turn. */
static tg_tensor *cofactor_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[i].t;
    if (g->context->no_grad)
        return tg__apply(&second_derivative_op, 2, (tg_tensor *[]){a, g}, NULL);
    tg_tensor *b = tg__matrix_transpose(tg_inv(a));
    tg_tensor *sum = tg_sum_dims(tg_mul(g, b), TG_DIMS(-2, -1), TG_KEEPDIM);
    tg_tensor *both = tg_sub(tg_mul(sum, b), tg_matmul(tg_matmul(b, tg__matrix_transpose(g)), b));
    return tg_mul(as_matrix(tg_det(a)), both);
}

static const op_row cofactor_op = {
    .name = "det_backward",
    .grad_name = "LinalgDetBackwardBackward0",
    .shape = tg__square_shape,
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
