/* Training of a line, as the lecture trains it, towards a least-squares fit that is known. */
#ifndef EXAMPLES_FIT_H
#define EXAMPLES_FIT_H

#include "least_squares.h"

typedef enum fit_method { FIT_LS, FIT_SGD, FIT_LBFGS } fit_method;

/* 0 epochs or batch_size, lr 0 or momentum -1: chosen by fit_train. */
typedef struct fit_options {
    fit_method method; /* FIT_SGD or FIT_LBFGS */
    tg_dtype dtype;    /* to train in */
    double lr, momentum;
    int64_t epochs;     /* at most; with FIT_LBFGS, evaluations of the loss */
    int64_t batch_size; /* 0: all rows */
    bool progress;      /* a line on stderr that is kept up to date */
} fit_options;

typedef struct fit {
    line line;
    tg_tensor *coefficients; /* (features + 1): the intercept, and the slopes */
    tg_tensor *misses;       /* (features + 1): how far they are from the least-squares ones */
    double miss;             /* the largest one, in standard errors of its coefficient */
    bool converged;          /* miss is at most FIT_CLOSE */
    bool resting;            /* training stopped because the gradient or loss fell no further */
    bool diverged;           /* the loss grew out of bounds */
    int64_t epochs;          /* taken */
    double lr, momentum, seconds;
    double stable_lr; /* at this momentum, a greater lr diverges */
} fit;

/* A coefficient that is off by this part of its standard error says the same of the data. */
#define FIT_CLOSE 0.001

/* The result of least squares itself, which misses nothing. */
fit fit_exact(const least_squares *exact);

/* Trains from 0 on the standardised data of exact. False when the library failed: tg_error. Only
 * small batches draw from the context's stream. Where the data have no scatter, the standard errors
 * are those that rounding the target to the dtype makes. */
bool fit_train(const least_squares *exact, const fit_options *options, fit *result);

#endif
