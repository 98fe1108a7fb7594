/* Linear algebra, as torch.linalg. */
#ifndef TINYGRAD_LINALG_H
#define TINYGRAD_LINALG_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Matrices are the last two dimensions; the others are a batch, and those of two arguments
 * broadcast. float32 and float64, worked out in float64. In solve and lstsq b is (*, n), one vector
 * for each matrix, if that is a's shape without its last size, else (*, n, k). */

/* The lower triangular l with l l^T = a, of whose lower triangle alone is read. TG_ERR_ARGUMENT if
 * a is not positive-definite. */
TG_API tg_tensor *tg_cholesky(tg_tensor *a);

enum { TG_LOWER = 0, TG_UPPER = 1, TG_RIGHT = 2, TG_UNITRIANGULAR = 4 };

/* x with a x = b, or x a = b with TG_RIGHT, where a counts as triangular, and its diagonal as ones
 * with TG_UNITRIANGULAR. */
TG_API tg_tensor *tg_solve_triangular(tg_tensor *a, tg_tensor *b, int flags);

/* x with a x = b. TG_ERR_ARGUMENT if a is singular. */
TG_API tg_tensor *tg_solve(tg_tensor *a, tg_tensor *b);
TG_API tg_tensor *tg_inv(tg_tensor *a);
/* 0 for a singular matrix, with its gradient; the gradient's own wants a regular one. */
TG_API tg_tensor *tg_det(tg_tensor *a);

/* The x with the least |a x - b|, for a (*, m, n) with m >= n; for m < n the shortest x with a x =
 * b. By Householder's QR; float64 is then refined with residuals in twice the precision (Bjoerck,
 * BIT 7, 1967), so that what can be told from the numbers in a and b comes out. TG_ERR_ARGUMENT if
 * rows or columns are linearly dependent. */
TG_API tg_tensor *tg_lstsq(tg_tensor *a, tg_tensor *b);

#ifdef __cplusplus
}
#endif

#endif
