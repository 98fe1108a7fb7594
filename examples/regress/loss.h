/* The losses that regress can minimise. A line gives each row a value eta, from which a loss takes
 * its prediction: eta itself, a probability (logistic), or a mean count (poisson). */
#ifndef EXAMPLES_LOSS_H
#define EXAMPLES_LOSS_H

#include <tinygrad.h>

typedef enum loss_kind {
    LOSS_MSE,
    LOSS_HUBER,
    LOSS_QUANTILE,
    LOSS_LOGISTIC,
    LOSS_POISSON,
} loss_kind;

typedef struct loss {
    loss_kind kind;
    double number; /* huber: delta, where it changes its form; quantile: the probability */
    double l2;     /* of each fit: l2 / 2 times the sum of the squares of the coefficients of
                      standardised features is added; 0 */
} loss;

/* Reads the name of a loss, with :NUMBER after huber and quantile; mse if text is NULL. Prints a
 * line on stderr, which begins with `where`, and returns false, if it is wrong. */
bool loss_read(const char *where, const char *text, loss *l);

const char *loss_name(const loss *l);

/* Whether the fit is that of least squares, which has a closed form. */
bool loss_is_exact(const loss *l);

/* Whether the loss is minus the logarithm of a likelihood, which has no scale to estimate. */
bool loss_is_likelihood(const loss *l);

/* The loss of each row, for columns eta and y: half the squared error, Huber's loss, the quantile
 * loss, or minus the log-likelihood (for poisson without the term log(y!), which is constant). */
tg_tensor *loss_of_rows(const loss *l, tg_tensor *eta, tg_tensor *y);

/* The prediction of each row. */
tg_tensor *loss_prediction(const loss *l, tg_tensor *eta);

/* The least loss that a row of y can have, for any eta: what the deviance is measured from. */
tg_tensor *loss_floor(const loss *l, tg_tensor *y);

#endif
