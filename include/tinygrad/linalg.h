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
 * NaN and infinities in a are TG_ERR_ARGUMENT, with their place; det and solve_triangular, which
 * judge nothing, pass them on. */

/* The lower triangular l with l l^T = a, of whose lower triangle alone is read. TG_ERR_ARGUMENT if
 * a is not positive-definite. */
TG_API tg_tensor *tg_cholesky(tg_tensor *a);

enum { TG_LOWER = 0, TG_UPPER = 1, TG_RIGHT = 2, TG_UNITRIANGULAR = 4 };

/* x with a x = b, or x a = b with TG_RIGHT, where a counts as triangular, and its diagonal as ones
 * with TG_UNITRIANGULAR. */
TG_API tg_tensor *tg_solve_triangular(tg_tensor *a, tg_tensor *b, int flags);

/* x with a x = b. TG_ERR_ARGUMENT if a is singular within the precision of its dtype, where no
 * digit of x would be certain: if its condition, the greatest row sum of |a^-1| |a| (which no
 * scaling of rows changes; columns are scaled first), is 1.7e7 at least in float32, or 4.5e15 / n
 * in float64. PyTorch notices only a pivot that is exactly 0. */
TG_API tg_tensor *tg_solve(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_inv(tg_tensor *a);
/* Of a singular matrix 0, or what rounding leaves in its place, without an error; the gradient, the
 * matrix of cofactors, and the gradient's own exist there, too. What goes beyond that is made with
 * tg_inv, which refuses a singular matrix. */
TG_API tg_tensor *tg_det(tg_tensor *a);

/* The x with the least |a x - b|, for a (*, m, n) with m >= n; for m < n the shortest x with a x =
 * b. By Householder's QR; float64 is then refined with residuals in twice the precision (Bjoerck,
 * BIT 7, 1967), so that what can be told from the numbers in a and b comes out. TG_ERR_ARGUMENT if
 * columns (for m < n: rows) are linearly dependent: if what the columns before leave of one is no
 * more, by its norm, than the rounding of its numbers to float32, or m roundings of float64. */
TG_API tg_tensor *tg_lstsq(tg_tensor *a, tg_tensor *b);

#ifdef __cplusplus
}
#endif

#endif
