/* What the operations on batches of matrices share. Each operation computes one matrix of the batch
 * after the other, in float64, whatever the dtype of the tensors. */
#ifndef TG_LINALG_H
#define TG_LINALG_H

#include "../ops/op.h"

/* One matrix of a batch: a of (m, n), the right-hand sides b of (m, k), and the result x, all
 * row-major. An operation reads a and b, which it may overwrite, and fills x. It may use scratch as
 * it likes. */
typedef struct problem {
    const call *c;
    int64_t index; /* of the matrix in the batch */
    int64_t m, n, k;
    double *a, *b, *x, *scratch;
} problem;

/* The attributes of an operation on two batches. The batches are expanded to a common shape before
 * the operation is applied; messages show the shape that the caller's a had, which the last two
 * attributes tell. */
enum { SOLVE_FLAGS, GIVEN_NDIM, GIVEN_ONES /* a bit for each dimension of size 1 */ };
enum { MATRIX_NAME = 32 + TG_SIZES };

/* Writes the name of the matrix a to text, such as "matrix 2 of [4, 3, 3]", and returns text, which
 * has room for MATRIX_NAME characters. */
const char *tg__name_matrix(const problem *p, char *text);
/* The exponent of the power of two by which numbers are to be multiplied, of which `most` is the
 * largest, to bring them near 1. It is 0 if most lies between 1 / limit and limit, where products
 * of the numbers stay in the range of a double, and if most is 0 or not finite. */
int tg__power(double most, double limit);
/* The limit for numbers of which only squares are taken. */
#define TG_SQUARES_FIT 0x1p400
/* Records the error that the matrix a is `what`, and returns false. */
bool tg__fail_matrix(const problem *p, const char *what);
/* The relative error that the entries of a matrix of that dtype must be assumed to have: the
 * rounding to float32, if that is the dtype, or the error that elimination in float64 is equivalent
 * to, which grows with the number of terms in its sums; the larger of the two. */
double tg__precision(tg_dtype dtype, int64_t terms);
/* The share of the largest singular value of an (m, n) matrix up to which other singular values
 * count as 0, where the caller gives none: epsilon of the dtype times the larger size, as in
 * PyTorch. */
double tg__rcond(tg_dtype dtype, int64_t m, int64_t n);
/* Checks that rcond, which the caller gives for a, is less than 1. */
bool tg__check_rcond(const char *name, const tg_tensor *a, double rcond);
/* Records the error that the entry [i, j] of the matrix a is not finite, and returns false. */
bool tg__fail_entry(const problem *p, double entry, int64_t i, int64_t j);
/* Checks that all entries of a, or those of its lower triangle, are finite. */
bool tg__check_finite(const problem *p, bool lower);
/* Calls solve for each matrix of the batch, with so many doubles of scratch memory, and stores each
 * x in the result. False if solve returned false or there is no memory. */
bool tg__for_each_matrix(const call *c, bool (*solve)(problem *p), int64_t scratch);
/* Calls f in a scope of its own for each matrix of the batch in input 0, if the result has
 * elements; p tells the matrix's number and sizes, and has no memory. False if f returned false. */
bool tg__for_each_index(const call *c, bool (*f)(const problem *p));

/* Returns the inner product of two vectors. */
double tg__inner(int64_t n, const double *a, const double *b);
/* y += a x. */
void tg__add_multiple(int64_t n, double *restrict y, double a, const double *restrict x);

/* The tangent of the lesser of the two angles whose doubles have the cotangent zeta: Jacobi's
 * rotation by it makes an element 0. */
double tg__tangent(double zeta);
/* Rotates two vectors by an angle with that tangent: a becomes a cos - b sin, and b becomes a sin +
 * b cos. */
void tg__rotate(int level, int64_t n, double *a, double *b, double tangent);

/* ---- Checks, shape rules and calls. */

/* Checks that t, which messages call `which`, is a matrix or a batch of them. */
bool tg__check_matrices(const char *name, const char *which, const tg_tensor *t);
/* Checks that a is not NULL, and is a matrix of a floating dtype or a batch of them. */
bool tg__check_to_factorize(const char *name, tg_tensor *a);
/* Checks that a is a square matrix or a batch of them. */
bool tg__check_square(const char *name, const tg_tensor *a);
/* The shape rule of an operation on a batch of square matrices, and that of the solutions x of a x
 * = b. */
bool tg__square_shape(const call *c, spec *s);
bool tg__solved_shape(const call *c, spec *s);
/* Checks the dtypes and shapes of a system a x = b or, with `right`, x a = b. In b, vectors are
 * matrices of one column; `given` is the b of the caller, whose shape messages show. */
bool tg__check_system(const char *name, const tg_tensor *a, const tg_tensor *b,
                      const tg_tensor *given, bool right);
/* Applies o to a and b, expanded to one batch, with the attribute SOLVE_FLAGS. tg__check_system has
 * passed them. */
tg_tensor *tg__apply_expanded(const op_row *o, tg_tensor *a, tg_tensor *b, attr how);
/* The same in a frame of its own. a and b are not NULL. */
tg_tensor *tg__apply_expanded_in_frame(const op_row *o, tg_tensor *a, tg_tensor *b, int flags);
/* Checks the system a x = b and applies o to it. b may be a vector or a batch of vectors. */
tg_tensor *tg__apply_to_system(const op_row *o, tg_tensor *a, tg_tensor *b, attr how);

/* An operation with several factors has them in one result, whose last dimension holds the elements
 * of one after the other. Returns a view of the factor of `rows` rows and n columns that begins at
 * element `from` there. */
tg_tensor *tg__factor(tg_tensor *all, int64_t from, int64_t rows, int64_t n);

/* ---- What the gradients of singular values and eigenvalues share. */

/* t - t^T. */
tg_tensor *tg__skew(tg_tensor *t);
/* a / b, where 0 / 0 counts as 0. b broadcasts to the shape of a. */
tg_tensor *tg__quotient(tg_tensor *a, tg_tensor *b);
/* The diagonal matrices (*, n, n) of the vectors t (*, n). */
tg_tensor *tg__diagonal_matrix(tg_tensor *t);

/* ---- Gaussian elimination, in solve.c. */

/* Exchanges n numbers of a and b. */
void tg__swap_rows(int64_t n, double *a, double *b);
/* Gaussian elimination with partial pivoting. a becomes its factors: l below the diagonal, without
 * its ones, and u from the diagonal up. b (n, k) becomes l^-1 b with the rows exchanged as those of
 * a, and the n numbers in rows, unless it is NULL, are exchanged likewise. A pivot of 0 is replaced
 * by tiny. Returns the determinant of a. */
double tg__eliminate(problem *p, double *b, int64_t k, double *rows, double tiny);
/* Back substitution: x becomes u^-1 b, with the u that elimination has left in a. */
void tg__substitute(problem *p, const double *b, int64_t k);

#endif
