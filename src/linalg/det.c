/* Determinants, and their first and second derivatives. */
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

static bool det_one(problem *p)
{
    p->x[0] = tg__eliminate(p, p->a, 0, NULL, 0); /* with no b */
    return true;
}

static bool det_forward(const call *c)
{
    return tg__each_matrix(c, det_one, 0);
}

/* det(a) a^-T, which exists for a singular a, too: as the limit for a pivot that vanishes. */
static bool cofactor_one(problem *p)
{
    const int64_t n = p->n;
    double *unit = p->spare, most = 0;
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
    return tg__each_matrix(c, cofactor_one, a->shape[a->ndim - 1] * a->shape[a->ndim - 1]);
}

static tg_tensor *as_matrix(tg_tensor *t)
{
    return tg_unsqueeze(tg_unsqueeze(t, -1), -1);
}

static void swap_columns(int64_t n, double *a, int64_t i, int64_t j)
{
    for (int64_t r = 0; r < n; r++) tg__swap_rows(1, a + r * n + i, a + r * n + j);
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

/* g becomes l^-1 g u^-1, or l^-T g u^-T. */
static void divide_both_sides(const problem *p, bool across, double *g)
{
    const int64_t n = p->n;
    const double *a = p->a;
    for (int64_t l = 0; l < n; l++) {
        const int64_t i = across ? n - 1 - l : l;
        for (int64_t j = 0; j < i; j++)
            tg__add_multiple(n, g + (across ? j : i) * n, -a[i * n + j], g + (across ? i : j) * n);
    }
    for (int64_t r = 0; r < n; r++)
        for (int64_t l = 0; l < n; l++) {
            double *row = g + r * n;
            const int64_t i = across ? n - 1 - l : l, rest = n - i - 1;
            if (across)
                row[i] -= tg__inner(rest, a + i * n + i + 1, row + i + 1);
            else
                tg__add_multiple(rest, row + i + 1, -row[i], a + i * n + i + 1);
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
        if (row != i) tg__swap_rows(n, p->x + i * n, p->x + row * n);
        if (column != i) swap_columns(n, p->x, i, column);
    }
    for (int64_t i = 0; i < n * n; i++) p->x[i] *= sign;
    return true;
}

static bool second_forward(const call *c)
{
    return tg__each_matrix(c, second_one, 3 * c->in[0]->shape[c->in[0]->ndim - 1]);
}

/* Made where no gradient is recorded. */
static const op_row second_op = {
    .name = "det_backward", .shape = tg__solved_shape, .forward = second_forward};

/* With b = a^-T: det (sum(g b) b - b g^T b). Written so where it is to have a gradient in turn. */
static tg_tensor *cofactor_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[i].t;
    if (g->context->no_grad) return tg__apply(&second_op, 2, (tg_tensor *[]){a, g}, NULL);
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
