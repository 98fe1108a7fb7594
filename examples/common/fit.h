/* Linear least squares by gradient descent, with a step size that is chosen from the data. */
#ifndef EXAMPLES_FIT_H
#define EXAMPLES_FIT_H

#include <tinygrad.h>

/* fit_line chooses epochs, batch_size and lr if they are 0, and momentum if it is -1. */
typedef struct fit_options {
    tg_dtype dtype; /* of the training */
    double lr, momentum;
    int64_t epochs;     /* the most epochs */
    int64_t batch_size; /* chosen: all rows */
    bool progress;      /* whether a line on stderr shows the progress */
} fit_options;

typedef struct fit {
    tg_tensor *slope; /* (features, 1), float64, in the data's units */
    double intercept;

    bool converged; /* the gradient is at most tolerance, and in full batches falls no further */
    bool diverged;  /* the loss grew out of bounds */
    int64_t epochs; /* how many it took */
    double lr, momentum, seconds;
    double stable_lr;           /* the greatest lr that does not diverge at this momentum */
    double gradient, tolerance; /* its norm, with features and target standardised, and the norm
                                   that rounding leaves */
    double condition;           /* of the correlation matrix of the features; INFINITY if they are
                                   linearly dependent */
} fit;

/* Fits y (n, 1) = x (n, k) slope + intercept. x and y are float64, and none of their columns is
 * constant. Returns false if the library failed, and tg_error says why. Draws random numbers from
 * the context. */
bool fit_line(tg_tensor *x, tg_tensor *y, const fit_options *options, fit *result);

#endif
