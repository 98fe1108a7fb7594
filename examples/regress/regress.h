/* The parts of regress, and the job that goes through them: from the command line (settings.c) to
 * the terms of the model (terms.c, parse.c, features.c) and rows (reading.c, rows.c), a fit
 * (model.c), and what is made of the fit (report.c, summary.c, pictures.c, predictions.c).
 * Functions that return int return one of the exit statuses below, and have printed a line on
 * stderr if that is not DONE.
 */
#ifndef EXAMPLES_REGRESS_H
#define EXAMPLES_REGRESS_H

#include <stdio.h>

#include <tinygrad.h>

#include "file.h"
#include "fit.h"
#include "minimum.h"
#include "settings.h"
#include "terms.h"

enum { DONE, FAILED, USAGE, NOT_CONVERGED };

/* What cross-validation has found: how well all rows were predicted by fits without them, and the
 * worst and the best of the folds. */
typedef struct folds {
    int64_t n;              /* 0: there was none */
    double mean, low, high; /* RMSE, mean deviance or mean loss */
    int missed;             /* folds whose fit has not converged */
} folds;

/* One run of the program. end_job frees what its members point to. */
typedef struct job {
    settings set;
    tg_csv *file;
    terms terms;
    int64_t n_rows;
    row_values rows;       /* all of them, or none, if the fit is that of `sums` */
    row_sums sums;         /* of the rows, if they are not kept */
    bool once;             /* whether digits are missing since these rows can be read only once */
    row_values to_predict; /* the variables of the rows to predict */
    tg_tensor *new_rows;   /* their features */
    tg_context *tg;
    sample train, held; /* the rows to train on, and those held out, whose tensors may be NULL */
    sample range;       /* the least and the greatest values of the rows to train on, as two rows */
    least_squares exact;
    fit fit;
    tg_tensor *kept; /* where dependent features have coefficients of minimum norm, the numbers of
                        the others, in the order of `exact`, which has only those; or NULL */
    minimum minimum; /* of a loss that is not exact, in the sense of loss_is_exact */
    folds folds;
    char *loaded_target; /* the name that a saved fit has */
    FILE *report;
} job;

/* The room that messages have for a name: see utf8_show. */
#define SHOWN 61

/* ---- main.c */

/* Prints a line on stderr, and returns FAILED. */
int complain(const char *what);

/* The values of t as a contiguous array of doubles. */
const double *values_of(tg_tensor *t);

/* ---- rows.c */

/* Chooses the terms, and reads the values of their variables. */
int read_data(job *j);

/* Checks the levels of factors, when all rows are read, and makes the features of the model. */
int settle_terms(job *j);

/* The variable that is predicted, of a model that was fitted and not loaded. */
const variable *target_variable(const job *j);

/* The features of n rows with these variables. */
tg_tensor *make_features(const job *j, const double *variables, size_t n, size_t stride);

/* The rows with these numbers. */
sample take_rows(const sample *all, tg_tensor *numbers);

/* The least and the greatest values of rows, as two rows. */
sample find_range(const sample *rows);

/* The largest absolute value in a column of a range. */
double size_of(tg_tensor *range, int64_t column);

/* Numbers of this size are not computed with, as the squares of larger ones would be infinite. */
#define TOO_LARGE 1e100

/* Checks that each column of the rows to train on varies, but not beyond what can be computed with.
 */
int check_columns(const job *j);

/* Splits the rows into train and held, and checks that a line can be fitted to those in train. */
int split_rows(job *j);

/* ---- model.c */

/* Fits the model to the rows to train on. */
int find_fit(job *j);

/* Prints that a feature is a combination of others, and which. Returns FAILED. */
int report_dependent(const job *j);

/* t without the entry at index of that dimension; NULL for a t that is NULL. */
tg_tensor *without(tg_tensor *t, int dim, int64_t index);

/* ---- norm.c */

/* Fits by least squares. Where features depend on each other, the coefficients are those of minimum
 * norm, and have no standard errors. */
int find_minimum_norm(job *j);

/* ---- objective.c */

/* Fits by a loss that is not exact. */
int find_minimum(job *j);

/* What is predicted for rows with these features. */
tg_tensor *predict(const job *j, tg_tensor *x);

/* The weighted sum of the losses of rows, without a penalty, where the line has the values eta;
 * the sum of the least losses that any eta gives; and the sum of the weights. */
double sum_losses(const job *j, const sample *rows, tg_tensor *eta);
double sum_floors(const job *j, const sample *rows);
double sum_weights(const sample *rows);

/* ---- folds.c */

/* Checks that there are enough rows for the folds that the user has asked for, if any. */
int check_folds(const job *j);

/* Reports how well rows are predicted that the fit has not seen, if the user has asked for folds.
 */
int cross_validate(job *j);

/* ---- report.c and summary.c */

void report(const job *j);

/* Prints the table of coefficients, and below it, if the fit has converged, its statistics. */
void summarise(const job *j);

/* The name of a coefficient, of which the first is the intercept. */
const char *name_of(const job *j, int64_t coefficient);

/* ---- pictures.c */

/* Draws the pictures of --plot and --plots. */
int draw(const job *j);

/* ---- intervals.c */

/* Half the width of the prediction interval of each row of x; NULL if the fit has none.
 * They are NaN if no degree of freedom remains. */
tg_tensor *interval_margins(const job *j, tg_tensor *x);

/* ---- predictions.c */

/* Reads the features of the rows whose target is to be predicted. */
int read_new(job *j);

/* Writes the predictions to standard output. */
void write_predictions(const job *j);

/* ---- json.c */

/* Writes the report and the predictions to standard output. */
void write_json(const job *j);

/* ---- save.c and load.c */

/* Writes the fit to the file of --save, or reads that of --load: see saved.h. */
int save_fit(const job *j);
int load_fit(job *j);

#endif
