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
    tg_tensor *x, *y;  /* the data less the center of each column, if they are kept */
    tg_tensor *w;      /* (n, 1), or NULL */
    double y_center;
    tg_tensor *solution;     /* (intercept + features): level less y_center, and the slopes */
    tg_tensor *coefficients; /* (intercept + features) */
    tg_tensor *unit_errors;  /* the same: standard errors where the residual one is 1 */
    tg_tensor *triangle;     /* R of the QR factorization of the rows (1, x), or x without an
                                intercept, as x is here, times the roots of their weights */
    double weight;           /* the sum of the weights, or the number of rows */
    double log_weights;      /* the sum of their logarithms; 0 without weights */
    /* Of rows that are not kept: in how many blocks they came, by how many unit errors each
     * coefficient may be off at most, and by how many the last correction has moved them. */
    int64_t joins;
    double doubt, correction;
    double squares; /* the sum of squared residuals */
    double total;   /* the sum of squares of y, less its mean if there is an intercept */

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

/* What is known of rows that are not kept. */
typedef struct row_sums {
    int64_t rows, joins; /* how many there are, and in how many blocks they came, of which pairs
                            were joined, and pairs of pairs */
    tg_tensor *triangle; /* R of the QR factorization of the rows (1, x - center, y - y_center), or
                            of these without the 1, times the roots of their weights */
    tg_tensor *center;   /* (1, k) */
    double y_center, weight, log_weights;
} row_sums;

/* As least_squares_fit, from sums. */
bool least_squares_of_sums(const row_sums *sums, bool intercept, least_squares *fit);

/* Corrects the solution of such a fit by the gradient (k, 1), the sums of the weighted residuals
 * and of their products with each x - center, and by the sum of their squares, which were computed
 * in twice the precision from all rows. */
bool least_squares_correct(tg_tensor *gradient, double squares, least_squares *fit);

/* How far coefficients may be from the exact ones, at most. */
tg_tensor *least_squares_misses(const least_squares *fit);

/* For each column, its value next to its mean. */
tg_tensor *near_means(tg_tensor *x);

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
