/* Trains a line as the lecture does, and compares it with the exact least-squares fit. */
#ifndef EXAMPLES_FIT_H
#define EXAMPLES_FIT_H

#include "least_squares.h"

typedef enum fit_method { FIT_LS, FIT_SGD, FIT_LBFGS } fit_method;

/* fit_train chooses epochs, batch_size and lr if they are 0, and momentum if it is -1. */
typedef struct fit_options {
    fit_method method; /* FIT_SGD or FIT_LBFGS */
    tg_dtype dtype;    /* of the training */
    double lr, momentum;
    int64_t epochs;     /* the most epochs; with FIT_LBFGS, the most evaluations of the loss */
    int64_t batch_size; /* chosen: all rows */
    bool progress;      /* whether a line on stderr shows the progress */
} fit_options;

typedef struct fit {
    line line;
    tg_tensor *coefficients; /* as those of least_squares */
    tg_tensor *misses;       /* how far they are from the least-squares ones */
    tg_tensor *errors;       /* their standard errors; NULL: none are given */
    double miss;             /* the largest one, in standard errors of its coefficient */
    bool converged;          /* miss is at most FIT_CLOSE */
    bool resting;            /* training stopped because the gradient or loss fell no further */
    bool diverged;           /* the loss grew out of bounds */
    int64_t epochs;          /* how many it took */
    double lr, momentum, seconds;
    double stable_lr; /* the greatest lr that does not diverge at this momentum */
} fit;

/* The largest miss, in standard errors, that counts as converged. The data cannot tell two
 * coefficients apart that are this close. */
#define FIT_CLOSE 0.001

/* The exact fit itself as a result of training. */
fit fit_exact(const least_squares *exact);

/* Trains on the standardised data of `exact`; all weights begin with 0. If the data have less
 * scatter than rounding the target to the dtype makes, misses are measured in standard errors for
 * that much scatter. Returns false if the library failed, and tg_error says why. Draws random
 * numbers from the context only if there is a batch_size. */
bool fit_train(const least_squares *exact, const fit_options *options, fit *result);

#endif
