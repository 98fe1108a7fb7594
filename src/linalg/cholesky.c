/* The Cholesky factorization. */
#include "linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

static bool factorize(problem *p)
{
    const int64_t n = p->n;
    if (!tg__is_finite_matrix(p, true)) return false;
    memset(p->x, 0, (size_t)(n * n) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        double *row = p->x + i * n;
        for (int64_t j = 0; j <= i; j++) {
            const double rest = p->a[i * n + j] - tg__inner(j, row, p->x + j * n);
            if (j < i)
                row[j] = rest / p->x[j * n + j];
            else if (rest > 0)
                row[j] = sqrt(rest);
            else
                return tg__fail_matrix(p, "is not positive-definite");
        }
    }
    return true;
}

static bool cholesky_forward(const call *c)
{
    return tg__each_matrix(c, factorize, 0);
}

/* With phi the lower triangle of l^T g, its diagonal halved: l^-T phi l^-1, made symmetric. */
static tg_tensor *cholesky_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *l = r->out, *up = tg__matrix_transpose(l), *full = tg_matmul(up, g);
    tg_tensor *phi = tg_mul_scalar(tg_add(tg_tril(full, 0), tg_tril(full, -1)), 0.5);
    tg_tensor *s = tg_solve_triangular(up, phi, TG_UPPER);
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
