/* Linear algebra, as torch.linalg. */
#ifndef TINYGRAD_LINALG_H
#define TINYGRAD_LINALG_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Matrices are the last two dimensions; the others are a batch, and those of two arguments
 * broadcast. float32 and float64, worked out in float64. In solve and lstsq b is (*, n), one vector
 * for each matrix, if that is a's shape without its last size, else (*, n, k).
 *
 * A NaN or an infinity in a is TG_ERR_ARGUMENT, and the message tells where it is. det and
 * solve_triangular do not check a: there it goes into the result. */

/* The lower triangular l with l l^T = a, of whose lower triangle alone is read. TG_ERR_ARGUMENT if
 * a is not positive-definite. */
TG_API tg_tensor *tg_cholesky(tg_tensor *a);

enum { TG_LOWER = 0, TG_UPPER = 1, TG_RIGHT = 2, TG_UNITRIANGULAR = 4 };

/* x with a x = b, or x a = b with TG_RIGHT, where a counts as triangular, and its diagonal as ones
 * with TG_UNITRIANGULAR. */
TG_API tg_tensor *tg_solve_triangular(tg_tensor *a, tg_tensor *b, int flags);

/* x with a x = b. TG_ERR_ARGUMENT if a is singular within the precision of its dtype, where no
 * digit of x would be certain: if its condition is at least 1.7e7 in float32, or 4.5e15 / n in
 * float64. The condition is the greatest row sum of |a^-1| |a|, after each column of a is divided
 * by its size; scaling the rows does not change it. PyTorch reports only a pivot that is exactly 0.
 */
TG_API tg_tensor *tg_solve(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_inv(tg_tensor *a);
/* The determinant. For a singular matrix it is 0, or what rounding leaves in place of 0, and no
 * error. Its gradient (the matrix of cofactors) and its second gradient exist for a singular
 * matrix, too. A second gradient that is itself recorded, for a third, is computed with tg_inv,
 * which refuses a singular matrix. */
TG_API tg_tensor *tg_det(tg_tensor *a);

/* The x with the least |a x - b|, for a (*, m, n) with m >= n; for m < n the shortest x with a x =
 * b. By Householder's QR; float64 is then refined with residuals in twice the precision (Bjoerck,
 * BIT 7, 1967), so that x is accurate to the last digits that a and b determine. TG_ERR_ARGUMENT if
 * the columns (for m < n: the rows) are linearly dependent: if the part of one that is orthogonal
 * to those before it has a norm of at most eps times its whole norm, where eps is 2^-24 for float32
 * and max(m, n) * 2^-52 for float64. */
TG_API tg_tensor *tg_lstsq(tg_tensor *a, tg_tensor *b);

#ifdef __cplusplus
}
#endif

#endif
