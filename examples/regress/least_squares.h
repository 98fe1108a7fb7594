/* The exact least-squares fit of a straight line or plane, in float64. */
#ifndef EXAMPLES_LEAST_SQUARES_H
#define EXAMPLES_LEAST_SQUARES_H

#include <tinygrad.h>

/* y = level + (x - center) slope. A prediction in this form loses no digits where x is far from 0
 * and varies little, as years and long numbers of customers do. */
typedef struct line {
    tg_tensor *center, *slope; /* (1, features) and (features, 1) */
    double level;
} line;

/* y for each row of x, as a column. */
tg_tensor *line_predict(const line *l, tg_tensor *x);

/* y where all features are 0. The sum is formed in twice the precision, because its terms often
 * cancel. */
double line_intercept(const line *l);

/* The intercept, if there is one, and the slopes. */
tg_tensor *line_coefficients(const line *l, bool intercept);

/* Coefficients, and all else that is one number for each of them, begin with the intercept, if
 * there is one. Sums over the rows are weighted, if there are weights. */
typedef struct least_squares {
    line line;
    int64_t rows, features;
    int64_t intercept; /* 1, or 0 if there is none, and center is 0 */
    tg_tensor *x, *y;  /* the data less the center of each column */
    tg_tensor *w;      /* (n, 1), or NULL */
    double y_center;
    tg_tensor *coefficients; /* (intercept + features) */
    tg_tensor *unit_errors;  /* the same: standard errors where the residual one is 1 */
    tg_tensor *triangle;     /* R of the QR factorization of the rows (1, x), or x without an
                                intercept, as x is here, times the roots of their weights */
    double weight;           /* the sum of the weights, or the number of rows */
    double squares;          /* the sum of squared residuals */
    double total;            /* the sum of squares of y, less its mean if there is an intercept */

    double largest, smallest; /* eigenvalues of the features' correlation matrix */
    tg_tensor *flattest;      /* (features): the smallest one's eigenvector */

    int64_t dependent; /* the first feature that is a linear combination of those before it; -1 */
    tg_tensor *combination; /* (1 + dependent): its constant, and the factors of those */
} least_squares;

/* Fits y (n, 1) from x (n, k), both float64. The weights (n, 1), which are greater than 0, may be
 * NULL. With an intercept no column may be constant. There must be as many rows as coefficients.
 * Where a feature depends on those before it, only dependent and combination are meant. False when
 * the library failed: tg_error. */
bool least_squares_fit(tg_tensor *x, tg_tensor *y, tg_tensor *weights, bool intercept,
                       least_squares *fit);

/* The triangle R (k, k) of the QR factorization of a contiguous a (n, k), in float64. */
tg_tensor *triangle(tg_tensor *a);

/* The number of coefficients. */
int64_t least_squares_size(const least_squares *fit);

/* The rows less the coefficients, and the residual standard error, which is NaN when no degree of
 * freedom remains. */
int64_t least_squares_freedom(const least_squares *fit);
double least_squares_error(const least_squares *fit);

/* The condition number of the standardised features. */
double least_squares_condition(const least_squares *fit);

#endif
