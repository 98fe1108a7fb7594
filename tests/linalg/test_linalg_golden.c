/* Linear algebra, compared with PyTorch and with central differences. */
#include "golden.h"

static tg_tensor *symmetric(tg_tensor *x)
{
    return tg_mul_scalar(tg_add(x, tg_transpose(x, -2, -1)), 0.5);
}

/* The signs of singular vectors and eigenvectors are undetermined; these do not depend on them. */
static tg_tensor *of_singular_values(tg_tensor *a)
{
    const tg_svd_factors f = tg_svd(a);
    return tg_matmul(tg_mul(f.u, tg_unsqueeze(tg_cos(f.s), -2)), f.vh);
}

static tg_tensor *of_eigenvalues(tg_tensor *a)
{
    const tg_eigenpairs p = tg_eigh(a);
    return tg_matmul(tg_mul(p.vectors, tg_unsqueeze(tg_cos(p.values), -2)),
                     tg_transpose(p.vectors, -2, -1));
}

#define OPS(OP)                                                                                    \
    OP(positive, cholesky, tg_cholesky(symmetric(x[0])))                                           \
    OP(positive, cholesky_lower, tg_cholesky(x[0]))                                                \
    OP(systems, solve_triangular, tg_solve_triangular(x[0], x[1], (int)i[0]))                      \
    OP(systems, solve, tg_solve(x[0], x[1]))                                                       \
    OP(systems, inv, tg_inv(x[0]))                                                                 \
    OP(determinants, det, tg_det(x[0]))                                                            \
    OP(least_squares, lstsq, tg_lstsq(x[0], x[1]))                                                 \
    OP(ranks, lstsq_rcond, tg_lstsq_rcond(x[0], x[1], f[0]))                                       \
    OP(factors, qr_q, tg_qr(x[0]).q)                                                               \
    OP(factors, qr_r, tg_qr(x[0]).r)                                                               \
    OP(conditions, cond, tg_cond(x[0]))                                                            \
    OP(singular, svd_u, tg_square(tg_svd(x[0]).u))                                                 \
    OP(singular, svd_s, tg_svd(x[0]).s)                                                            \
    OP(singular, svd_vh, tg_square(tg_svd(x[0]).vh))                                               \
    OP(singular, svd_of, of_singular_values(x[0]))                                                 \
    OP(singular, pinv, tg_pinv(x[0], f[0]))                                                        \
    OP(singular, matrix_rank, tg_matrix_rank(x[0], f[0]))                                          \
    OP(eigen, eigh_values, tg_eigh(symmetric(x[0])).values)                                        \
    OP(eigen, eigh_vectors, tg_square(tg_eigh(symmetric(x[0])).vectors))                           \
    OP(eigen, eigh_of, of_eigenvalues(symmetric(x[0])))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("linalg_golden.txt", operations, sizeof operations / sizeof *operations);
}
