/* The minimum of a loss over all lines, by Newton's method in float64, with a bound of how far it
 * is. */
#ifndef EXAMPLES_MINIMUM_H
#define EXAMPLES_MINIMUM_H

#include "least_squares.h"
#include "loss.h"

/* Rows of the model, in float64: their features and their target, as a column. */
typedef struct sample {
    tg_tensor *x, *y;   /* (n, k) and (n, 1) */
    tg_tensor *weights; /* (n, 1), none negative: a factor of each row's loss. NULL: all 1 */
} sample;

typedef enum ending {
    MINIMUM_FOUND,
    MINIMUM_MISSED, /* steps came to an end, and no bound of the distance is known */
    MINIMUM_FLAT,   /* other coefficients have the same loss */
    MINIMUM_NONE,   /* the loss falls without end in a direction: see minimum.direction */
} ending;

/* Coefficients, and all else that is one number for each of them, begin with the intercept, if
 * there is one. */
typedef struct minimum {
    ending ending;
    line line;
    int64_t steps;
    tg_tensor *coefficients;
    /* The roots of the diagonal of the inverse Hessian: standard errors for a likelihood without a
     * penalty. Of huber they are those of Huber (1981), section 7.6; of other losses the scale of
     * the residuals is left out. NULL: there are none. */
    tg_tensor *errors;
    tg_tensor *misses;    /* how far a coefficient may be from the minimum, at most */
    double miss;          /* the largest of them, in its error */
    double loss;          /* the sum of the rows' losses, without the penalty */
    tg_tensor *direction; /* (k) of MINIMUM_NONE, by standardised features; its largest is 1 */
    int64_t certain;      /* the rows whose loss falls in that direction, and not one rises */
} minimum;

/* The features of a sample as the fits see them: a = (1, z), where a feature is center + scale z.
 * Without an intercept, center is 0 and there is no column of ones. */
typedef struct design {
    tg_tensor *a, *center, *scale; /* (n, k + 1) or (n, k), (1, k), (1, k) */
    tg_tensor *plain, *triangle;   /* (1, z) and R, where a is (1, z) R^-1; or NULL */
    tg_tensor *weights;            /* (n, 1) */
    bool intercept;
} design;

/* Standardises the features by their means and mean squares, which are weighted. Without an
 * intercept the mean stays, and the line is 0 where all features are. */
bool make_design(const sample *rows, bool intercept, design *z);

/* Turns the columns to be orthogonal, which leaves the predictions that they can make. False if the
 * library failed. */
bool make_orthogonal(design *z);

/* Sets the line and the coefficients, for coefficients b of the columns of a, (columns, 1). */
void set_coefficients(const design *z, tg_tensor *b, minimum *m);

/* The matrix that makes m->coefficients of b. */
tg_tensor *to_coefficients(const design *z);

/* Minimises a loss that is not the quantile loss. False if the library failed: tg_error. */
bool minimise(const loss *l, const sample *rows, bool intercept, minimum *m);

/* Minimises the quantile loss, exactly. l->l2 is 0. */
bool minimise_quantile(const loss *l, const sample *rows, bool intercept, minimum *m);

#endif
