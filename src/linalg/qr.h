/* QR factorizations of tall matrices, block of rows by block of rows: the matrix is read once, and
 * the memory is that of a block and of the triangle.
 *
 * A block of rows of a and of right-hand sides b is copied, column by column, and folded into the
 * triangle R by Householder's reflections of [R; block]. That of column j is I + w w^T / scale,
 * where w has the entry `first` in row j of R, and the column of the block below:
 *
 *             n      k
 *          +------+-------+
 *        n |  R   | Q^T b |   row-major
 *          +------+-------+
 *     rows |  a   |   b   |   a block, by columns; later the columns of a hold those of w
 *          +------+-------+
 *
 * R begins as zeros, or as the triangle of rows that are already folded. If it begins as zeros, row
 * j of a is moved to row j of R in step j, before the reflection, and leaves zeros behind. Q is
 * then that of a, and its columns are orthonormal; without this, they would be so only as far as
 * the columns of a are independent (Bjorck and Paige, SIAM J. Matrix Anal. Appl. 13, 1992).
 */
#ifndef TG_QR_H
#define TG_QR_H

#include "linalg.h"

/* A matrix of a floating dtype, with any strides. */
typedef struct qr_source {
    tg_dtype dtype;
    const void *data;
    int64_t s0, s1; /* the steps between rows and between columns, in elements */
} qr_source;

typedef struct tall_qr {
    tg_context *tg;
    qr_source a, b;  /* a (m, n), and b (m, k) */
    int64_t m, n, k; /* k may be 0 */
    double *start;   /* NULL, or a triangle (n, n) of rows that are already folded */
    int64_t rows;    /* of a block, a multiple of 16; the last block is filled up with zeros */
    double *r;       /* (n, n + k): R and Q^T b; its lower triangle is 0 */
    double *block;   /* a block that is being worked at, of n + k columns */
    double *kept;    /* NULL, or all blocks of reflections, if tg__qr_apply is to follow */
    double *squares; /* k sums: those of the squares of the columns of b */
    int *powers;     /* NULL, or column j of [a b] is multiplied by 2^powers[j] as it is read */
} tall_qr;

/* The matrix t[index], where index counts the matrices of a batch of any strides. */
qr_source tg__qr_source(const tg_tensor *t, int64_t index);
/* The same matrix with rows and columns exchanged. */
qr_source tg__qr_transposed(qr_source s);

/* Matrix number p->index of input 0 or, if it is wide, its transpose, for tg__qr_begin. */
tall_qr tg__tall_matrix(const problem *p);
/* Sets `rows` and allocates r, block and, if `keep`, kept for the sizes in w. False if there is no
 * memory. */
bool tg__qr_begin(tall_qr *w, bool keep);
/* Copies the rows from row i on to w->block. Returns how many there are, with rows of zeros to make
 * them a multiple of 16. */
int64_t tg__qr_load(const tall_qr *w, int64_t i);
/* Factorizes a. If the squares of a column of a or b would leave the range of a double, it is
 * multiplied by a power of two, which w->powers then tells. Returns false if a has an entry that is
 * not finite, and tells its place; also false, with *row < 0, if there is no memory. */
bool tg__qr_factorize(tall_qr *w, int64_t *row, int64_t *column);
/* The same for a matrix of the problem p, of which a is the matrix or, if it is wide, its
 * transpose. An entry that is not finite is an error. */
bool tg__qr_factorize_matrix(tall_qr *w, const problem *p);
/* The first column j of R that depends on those before it: |R[j][j]| is at most tolerance times the
 * norm of the column. n if there is none. */
int64_t tg__qr_dependent(const tall_qr *w, double tolerance);
/* norms[j] becomes the norm of column j of a, which is that of R. */
void tg__qr_norms(const tall_qr *w, double *norms);
/* Multiplies a vector y, which has an element for each row of all blocks, by Q^T or, with `back`,
 * by Q. Q^T y is kept in two parts: top has its first n elements, and y has n zeros and the others.
 * top must be 0 before Q^T is applied, and is 0 again when Q has been. R must have begun as zeros.
 */
void tg__qr_apply(const tall_qr *w, bool back, double *top, double *y);
/* Makes w->block, by columns, the rows of Q S from row i on, where Q has n columns, and i is the
 * first row of a block. S (n, n) is what `top` has, row-major, before the first call. The blocks
 * must be asked for one after the other, from the last one to the first, with the same `top`, which
 * these calls change. */
void tg__qr_rows_of_q(const tall_qr *w, int64_t i, double *top);
/* The entry [i, j] of the R of a as it was, with signs that make the diagonal positive. */
double tg__qr_entry(const tall_qr *w, int64_t i, int64_t j);
/* x becomes R^-1 x or, transposed, R^-T x. */
void tg__qr_divide(const tall_qr *w, bool transposed, double *x);
/* The rows of all blocks, zeros included. */
int64_t tg__qr_height(const tall_qr *w);

/* ---- Singular values, in svd.c. */

/* The decomposition R 2^power = U S V^T of a triangle. */
typedef struct tall_svd {
    int64_t n;
    double *us;     /* row j is s_j u_j */
    double *v;      /* row j is v_j */
    double *values; /* s_j, from the largest to the smallest */
    int power;      /* 0, unless a was scaled as it was read */
} tall_svd;

/* Computes the decomposition by one-sided rotations (Hestenes, SIAM Journal 6, 1958), by which
 * small values are as exact as large ones. Where the squares of a value would leave the range of a
 * double, because it is 2^-500 of the largest or less, it is 0, and so is its row of us. False if
 * there is no memory. */
bool tg__svd(tall_svd *s, const tall_qr *w);

#endif
