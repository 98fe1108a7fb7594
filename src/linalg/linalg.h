/* Operations on batches of matrices: each works on one matrix of the batch after the other, in
 * float64. */
#ifndef TG_LINALG_H
#define TG_LINALG_H

#include "../ops/op.h"

/* What is worked out for one element of a batch: row-major a (m, n), b (m, k) and the result x,
 * which the functions below fill. spare is for what they please. */
typedef struct problem {
    const call *c;
    int64_t at; /* the number of the element */
    int64_t m, n, k;
    double *a, *b, *x, *spare;
} problem;

/* The attributes of an operation on two batches, which are expanded to a common shape: what the
 * caller's a has of it. Messages show that shape. */
enum { SOLVE_FLAGS, GIVEN_NDIM, GIVEN_ONES /* a bit for each dimension of size 1 */ };
enum { MATRIX_NAME = 32 + TG_SIZES };

/* "matrix 2 of [4, 3, 3]", the one of a that p is about, for a message. */
const char *tg__name_matrix(const problem *p, char *text);
/* The error that this matrix is `what`. */
bool tg__fail_matrix(const problem *p, const char *what);
/* The relative error of the entries that has to be reckoned with: of float32, what rounding has
 * moved them by; and what elimination in float64 moves them by, which grows with the number of
 * terms. */
double tg__precision(const problem *p, int64_t terms);
/* Whether the entries are finite, those of the lower triangle or all; else the error. */
bool tg__is_finite_matrix(const problem *p, bool lower);
/* Runs solve for each matrix of the batch, with so many doubles to work in. */
bool tg__each_matrix(const call *c, bool (*solve)(problem *p), int64_t spare);

/* The inner product of two vectors, and y += a x. */
double tg__inner(int64_t n, const double *a, const double *b);
void tg__add_multiple(int64_t n, double *restrict y, double a, const double *restrict x);

/* ---- Shapes. */

bool tg__check_square(const char *name, const tg_tensor *a);
/* The shape rules of an operation on one batch of square matrices, and of the solutions x of a x =
 * b.
 */
bool tg__square_shape(const call *c, spec *s);
bool tg__solved_shape(const call *c, spec *s);
/* Whether a x = b, or with `right` x a = b, can be solved as far as shapes and dtypes tell. In
 * messages b has the shape that the caller gave; here, vectors are matrices of one column. */
bool tg__check_system(const char *name, const tg_tensor *a, const tg_tensor *b,
                      const tg_tensor *given, bool right);
/* The operation on a and b, which tg__check_system has passed, expanded to one batch. */
tg_tensor *tg__apply_expanded(const op_row *o, tg_tensor *a, tg_tensor *b, int flags);
/* The same in a frame of its own, for a and b that are there. */
tg_tensor *tg__solve_expanded(const op_row *o, tg_tensor *a, tg_tensor *b, int flags);
/* An operation on a and b, of which b may hold vectors. */
tg_tensor *tg__solve_for(const op_row *o, tg_tensor *a, tg_tensor *b);
/* ---- Gaussian elimination, in solve.c. */

void tg__swap_rows(int64_t n, double *a, double *b);
/* Eliminates a by partial pivoting: a becomes its factors l (but for the ones on the diagonal) and
 * u, and b (n, k) is taken along; the numbers in rows, if there are any, follow the exchange of
 * rows. Returns the determinant; a pivot of 0 becomes tiny. */
double tg__eliminate(problem *p, double *b, int64_t k, double *rows, double tiny);
/* x from the triangle that elimination leaves. */
void tg__substitute(problem *p, const double *b, int64_t k);

#endif
