/* Least squares by gradient descent, with the step chosen from the data. */
#ifndef EXAMPLES_FIT_H
#define EXAMPLES_FIT_H

#include <tinygrad.h>

/* 0 epochs or batch_size, lr 0 or momentum -1: chosen by fit_line. */
typedef struct fit_options {
    tg_dtype dtype; /* to train in */
    double lr, momentum;
    int64_t epochs;     /* at most */
    int64_t batch_size; /* 0: all rows */
    bool progress;      /* a line on stderr that is kept up to date */
} fit_options;

typedef struct fit {
    tg_tensor *slope; /* (features, 1), float64, in the data's units */
    double intercept;

    bool converged; /* the gradient is at most tolerance, and in full batches falls no further */
    bool diverged;  /* the loss grew out of bounds */
    int64_t epochs; /* taken */
    double lr, momentum, seconds;
    double stable_lr; /* at this momentum, a greater lr diverges */
    double gradient,
        tolerance; /* norm, with features and target standardised; and what rounding leaves of it */
    double condition; /* of the features' correlation matrix; INFINITY when they are linearly
                         dependent */
} fit;

/* Fits y (n, 1) = x (n, k) slope + intercept. x and y are float64 and no column is constant. False
 * when the library failed: tg_error. Draws from the context's stream. */
bool fit_line(tg_tensor *x, tg_tensor *y, const fit_options *options, fit *result);

#endif
