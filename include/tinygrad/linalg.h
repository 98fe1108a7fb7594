/* Linear algebra, as torch.linalg. Matrices are the last two dimensions; the others are a batch,
 * and those of two arguments broadcast. The dtypes are the floating ones; float32, too, is worked
 * out in float64. Each function returns a new tensor in the current scope.
 *
 * A NaN or an infinity in a is TG_ERR_ARGUMENT, and the message tells where it is. tg_det and
 * tg_solve_triangular do not check a: there it goes into the result. */
#ifndef TINYGRAD_LINALG_H
#define TINYGRAD_LINALG_H

#include "options.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The lower triangular l with l l^T = a, for a symmetric positive-definite a (*, n, n), of which
 * only the lower triangle is read. TG_ERR_ARGUMENT if a is not positive-definite. The gradient of a
 * is symmetric. */
TG_API tg_tensor *tg_cholesky(tg_tensor *a);

/* The flags of tg_solve_triangular, to be joined by |. */
enum {
    TG_LOWER = 0,        /* the lower triangle of a is read */
    TG_UPPER = 1,        /* the upper triangle of a is read */
    TG_RIGHT = 2,        /* a stands at the right of x */
    TG_UNITRIANGULAR = 4 /* the diagonal counts as ones and is not read */
};

/* The x with a x = b, or with x a = b if flags has TG_RIGHT, where only one triangle of a (*, n, n)
 * is read. b and x are (*, n, k), with TG_RIGHT (*, k, n). The gradient of a is 0 outside of what
 * is read. */
TG_API tg_tensor *tg_solve_triangular(tg_tensor *a, tg_tensor *b, int flags);

/* The x with a x = b, for a (*, n, n). If b has the shape of a without its last size, (*, n), or is
 * 1-d, it is one vector for each matrix, and x is (*, n); else b and x are (*, n, k).
 *
 * TG_ERR_ARGUMENT if a is singular within the precision of its dtype, where no digit of x would be
 * certain: if its condition is at least 1.7e7 in float32, or 4.5e15 / n in float64. The condition
 * is the greatest row sum of |a^-1| |a|, after each column of a is divided by its size; scaling the
 * rows does not change it. PyTorch reports only a pivot that is exactly 0. */
TG_API tg_tensor *tg_solve(tg_tensor *a, tg_tensor *b);

/* The inverse of a (*, n, n). A singular matrix is TG_ERR_ARGUMENT, by the rule of tg_solve. */
TG_API tg_tensor *tg_inv(tg_tensor *a);

/* The determinants (*) of a (*, n, n). For a singular matrix it is 0, or what rounding leaves in
 * place of 0, and no error. Its gradient (the matrix of cofactors) and its second gradient exist
 * for a singular matrix, too. A second gradient that is itself recorded, for a third, is computed
 * with tg_inv, which refuses a singular matrix. */
TG_API tg_tensor *tg_det(tg_tensor *a);

/* The least-squares solution: the x with the least |a x - b|, for a (*, m, n) with m >= n; for m <
 * n the shortest x with a x = b. If b has the shape of a without its last size, (*, m), or is 1-d,
 * it is one vector for each matrix, and x is (*, n); else b is (*, m, k) and x is (*, n, k).
 * PyTorch: torch.linalg.lstsq(a, b).solution.
 *
 * It works by Householder's QR, which takes the rows in blocks; float64 is then refined with
 * residuals in twice the precision (Bjoerck, BIT 7, 1967), so that x is accurate to the last digits
 * that a and b determine. As a rule a is read twice, and the memory is that of a block of rows; if
 * a is ill-conditioned, a is read more often, and is copied.
 * TG_ERR_ARGUMENT if the columns (for m < n: the rows) are linearly dependent: if the part of one
 * that is orthogonal to those before it has a norm of at most eps times its whole norm, where eps
 * is 2^-24 for float32 and max(m, n) * 2^-52 for float64. */
TG_API tg_tensor *tg_lstsq(tg_tensor *a, tg_tensor *b);

/* The same for an a whose columns or rows may be dependent: of all x with the least |a x - b|, the
 * one with the least |x|. Singular values of a that are at most rcond times the largest count as 0.
 * rcond is less than 1; if it is negative, eps * max(m, n) takes its place, where eps is 2^-23 for
 * float32 and 2^-52 for float64. The gradient is that for matrices of the same rank. An a of full
 * rank gives what tg_lstsq gives; else x is not refined. PyTorch: torch.linalg.lstsq(a, b, rcond,
 * driver="gelsd").solution. */
TG_API tg_tensor *tg_lstsq_rcond(tg_tensor *a, tg_tensor *b, double rcond);

/* What tg_least_squares does if columns of x are linearly dependent. */
typedef enum tg_dependent {
    TG_DEPENDENT_ERROR,   /* TG_ERR_ARGUMENT, with a message that names a column */
    TG_DEPENDENT_DROP,    /* a column that depends on those before it is left out, as in R's lm */
    TG_DEPENDENT_SHORTEST /* of all best coefficients, those with the least sum of squares, as
                             tg_lstsq_rcond gives them with rcond -1 */
} tg_dependent;

/* The options of tg_least_squares. */
typedef struct tg_least_squares_options {
    tg_tensor *weights; /* NULL: all are 1; the weights of the rows, of y's shape and dtype. None is
                           negative, and a row of weight 0 does not count. */
    tg_dependent dependent; /* TG_DEPENDENT_ERROR */
} tg_least_squares_options;

/* Internal: the defaults with which TG_LEAST_SQUARES begins in C; see options.h. */
#define TG_LEAST_SQUARES_DEFAULTS .dependent = TG_DEPENDENT_ERROR
/* A pointer to options of tg_least_squares, of which these are changed: TG_LEAST_SQUARES(.weights =
 * w). */
#define TG_LEAST_SQUARES(...)                                                                      \
    TG_BEGIN_OPTIONS(tg_least_squares_options, tg_least_squares_defaults(),                        \
                     TG_LEAST_SQUARES_DEFAULTS, __VA_ARGS__)
/* The default options of tg_least_squares, which stand beside the members. */
TG_API tg_least_squares_options tg_least_squares_defaults(void);

/* A linear fit. After a failure the tensors are NULL, and all else is 0. */
typedef struct tg_least_squares_result {
    tg_tensor *coefficients;  /* (n); 0 for a column that is left out */
    tg_tensor *std_errors;    /* (n), the standard errors: the roots of the covariance's diagonal */
    tg_tensor *covariance;    /* (n, n), residual_variance * (x^T w x)^-1, where w are the weights;
                                 infinities where the data do not determine it: for a column that is
                                 left out, and without degrees of freedom. For the shortest
                                 coefficients it has the pseudo-inverse. */
    tg_tensor *residuals;     /* (m), y - x coefficients */
    tg_tensor *leverages;     /* (m), the diagonal of the hat matrix, which sums up to the rank */
    double sum_of_squares;    /* of the residuals, times the weights */
    double residual_variance; /* sum_of_squares / degrees_of_freedom; infinite if these are 0 */
    int64_t degrees_of_freedom; /* rows that count less rank, but not less than 0 */
    int64_t rank;               /* the number of independent columns of x */
} tg_least_squares_result;

/* Fits y (m) by the columns of x (m, n) with the least sum of squared residuals, and tells how
 * certain the coefficients are. An intercept is a column of ones in x. It computes in float64 and
 * solves as tg_lstsq does, by whose rule columns are dependent, too. The tensors of the result are
 * new, without history, and have the dtype of x; float32 gives as few digits as it holds. NaN and
 * infinities in x, y or the weights are TG_ERR_ARGUMENT. R: lm, summary, vcov, hatvalues. */
TG_API tg_least_squares_result tg_least_squares(tg_tensor *x, tg_tensor *y,
                                                const tg_least_squares_options *options);

/* The condition numbers (*) of a (*, m, n) in the 2-norm: the largest singular value divided by the
 * smallest. It is infinite for a matrix of zeros, and 0 for one without elements. With condition c,
 * a relative error e in a or b can become up to about c e in the x of tg_solve or tg_lstsq; in a
 * singular matrix, rounding makes it 1 / eps or so, or infinity. The singular values are computed
 * by rotations, in a time that grows as min(m, n)^3. It has no gradient. PyTorch:
 * torch.linalg.cond(a). */
TG_API tg_tensor *tg_cond(tg_tensor *a);

/* The factors of a reduced QR factorization; NULL if it failed. */
typedef struct tg_qr_factors {
    tg_tensor *q; /* (*, m, k), with orthonormal columns */
    tg_tensor *r; /* (*, k, n), upper triangular */
} tg_qr_factors;

/* The reduced QR factorization a = q r of a (*, m, n), where k is the lesser of m and n. The
 * diagonal of r is not negative, which makes the factors unique; PyTorch's may have other signs.
 * The gradient needs the first k columns to be independent. PyTorch: torch.linalg.qr(a). */
TG_API tg_qr_factors tg_qr(tg_tensor *a);

/* The factors of a reduced singular value decomposition; NULL if it failed. */
typedef struct tg_svd_factors {
    tg_tensor *u;  /* (*, m, k), with orthonormal columns */
    tg_tensor *s;  /* (*, k), the singular values, from the largest to the smallest */
    tg_tensor *vh; /* (*, k, n), with orthonormal rows */
} tg_svd_factors;

/* The reduced singular value decomposition a = u diag(s) vh of a (*, m, n), where k is the lesser
 * of m and n. The signs of a column of u and of its row of vh are undetermined, and PyTorch's may
 * be others. It works by Householder's QR and one-sided rotations, in a time that grows as max(m,
 * n) k^2 + k^3. A small value is as exact as a large one, unless columns of a (for m < n: rows)
 * that have norm 1 are nearly dependent: the relative error is about their condition times eps. A
 * value that is 2^-500 of the largest or less is 0.
 *
 * The gradient of u and vh needs values that differ and are not 0; that of s alone has no such
 * condition. PyTorch: torch.linalg.svd(a, full_matrices=False). */
TG_API tg_svd_factors tg_svd(tg_tensor *a);

/* The eigenvalues and eigenvectors of symmetric matrices; NULL if the call failed. */
typedef struct tg_eigenpairs {
    tg_tensor *values;  /* (*, n), from the smallest to the largest */
    tg_tensor *vectors; /* (*, n, n), whose columns are orthonormal */
} tg_eigenpairs;

/* The eigenvalues and eigenvectors of symmetric a (*, n, n), a = vectors diag(values) vectors^T, of
 * which only the lower triangle is read. The signs of eigenvectors are undetermined, and PyTorch's
 * may be others. It works by Jacobi's rotations, in a time that grows as n^3. An error is small
 * compared with the largest value; in a positive-definite matrix even compared with the value
 * itself, as far as the matrix with its diagonal scaled to 1 is well-conditioned.
 *
 * The gradient of a is symmetric. That of the vectors needs values that differ; that of the values
 * alone does not. PyTorch: torch.linalg.eigh(a). */
TG_API tg_eigenpairs tg_eigh(tg_tensor *a);

/* The pseudo-inverse (*, n, m) of a (*, m, n): that of the matrix in which singular values of at
 * most rcond times the largest are 0. rcond and the gradient are as in tg_lstsq_rcond. PyTorch:
 * torch.linalg.pinv(a, rtol=rcond). */
TG_API tg_tensor *tg_pinv(tg_tensor *a, double rcond);

/* The ranks (*), in int64, of a (*, m, n): how many singular values are greater than rcond times
 * the largest. rcond is as in tg_lstsq_rcond. PyTorch: torch.linalg.matrix_rank(a, rtol=rcond). */
TG_API tg_tensor *tg_matrix_rank(tg_tensor *a, double rcond);

/* Adds rows to a QR factorization, in place: the triangle r (n, n) of some matrix becomes that of
 * the matrix with these rows (m, n) below it, the R of [r; rows] = Q R. Only the upper triangle of
 * r is read; what is below it becomes 0, and the diagonal is not negative. Returns r.
 *
 * A table that is larger than memory is factorized by blocks of rows, in any memory that holds a
 * block: begin with r = tg_zeros(tg, TG_F64, TG_SHAPE(n, n)) and add one block after the other.
 * After that r^T r is the sum of products of the columns, without the loss of digits that forming
 * these would have. If the last column is the target y of a regression, r = [R c; 0 s] has all that
 * the fit needs: the coefficients solve R x = c (tg_solve_triangular), and s^2 is the sum of the
 * squared residuals. Blocks of 100 rows and more are fast.
 *
 * NaN and infinities are TG_ERR_ARGUMENT, and r is then as before. It has no gradient. */
TG_API tg_tensor *tg_qr_add_rows_(tg_tensor *r, tg_tensor *rows);

#ifdef __cplusplus
}
#endif

#endif
