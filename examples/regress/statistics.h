/* The numbers of a report, which report.c and summary.c print, and json.c writes. A number that the
 * fit does not have is NaN. */
#ifndef EXAMPLES_STATISTICS_H
#define EXAMPLES_STATISTICS_H

#include "regress.h"

/* The test of a coefficient: t, or z where the loss is that of a likelihood; the probability of one
 * at least so far from 0; and the interval of --level. */
typedef struct test {
    double t, p, lower, upper;
} test;

test test_coefficient(const job *j, double value, double error);

/* The fit as a whole. The deviances are those of a likelihood. */
typedef struct statistics {
    double freedom, error; /* the residual degrees of freedom and standard error */
    double r2, adjusted_r2;
    double f, f_freedom, f_p; /* the F test against no feature, and its numerator's freedom */
    double null_deviance, null_freedom, deviance;
    double log_likelihood, aic;
    double loss; /* the sum of the rows' losses, where the fit is not that of least squares */
} statistics;

statistics find_statistics(const job *j);

/* How well rows are predicted. */
typedef struct quality {
    double rmse, r2;                 /* of mse */
    double mean_loss, mean_deviance; /* of other losses, and of poisson */
    double above, right; /* the share of rows above a quantile, or on the right side of 1/2 */
} quality;

/* Of rows to train on that are not kept, x is NULL. */
quality find_quality(const job *j, const sample *rows);

#endif
