/* cholesky: the lower triangular l with l l^T = a. */
#include "linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Row by row: an entry of a is the inner product of two rows of l, of which all but one factor is
 * known. */
static bool factorize(problem *p)
{
    const int64_t n = p->n;
    if (!tg__check_finite(p, true)) return false;
    memset(p->x, 0, (size_t)(n * n) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        double *row = p->x + i * n;
        for (int64_t j = 0; j <= i; j++) {
            const double remainder = p->a[i * n + j] - tg__inner(j, row, p->x + j * n);
            if (j < i)
                row[j] = remainder / p->x[j * n + j];
            else if (remainder > 0)
                row[j] = sqrt(remainder);
            else
                return tg__fail_matrix(p, "is not positive-definite");
        }
    }
    return true;
}

static bool cholesky_forward(const call *c)
{
    return tg__for_each_matrix(c, factorize, 0);
}

/* The gradient is the symmetric part of l^-T phi l^-1, where phi is the lower triangle of l^T g
 * with a halved diagonal (Murray, Differentiation of the Cholesky decomposition, 2016). */
static tg_tensor *cholesky_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *l = r->out, *l_transposed = tg__matrix_transpose(l),
              *product = tg_matmul(l_transposed, g);
    tg_tensor *phi = tg_mul_scalar(tg_add(tg_tril(product, 0), tg_tril(product, -1)), 0.5);
    tg_tensor *s = tg_solve_triangular(l_transposed, phi, TG_UPPER);
    s = tg_solve_triangular(l, s, TG_LOWER | TG_RIGHT);
    (void)i;
    return tg_mul_scalar(tg_add(s, tg__matrix_transpose(s)), 0.5);
}

static const op_row cholesky_op = {
    .name = "cholesky",
    .grad_name = "LinalgCholeskyExBackward0",
    .shape = tg__square_shape,
    .forward = cholesky_forward,
    .grad = cholesky_grad,
    .reads = {READS_OUT},
};

tg_tensor *tg_cholesky(tg_tensor *a)
{
    return tg__apply(&cholesky_op, 1, &a, NULL);
}
