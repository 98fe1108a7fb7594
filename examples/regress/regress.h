/* The parts of regress, and the job that goes through them: from the command line (settings.c) to
 * the terms of the model (terms.c, features.c) and rows (reading.c, rows.c), a fit (model.c), and
 * what is made of the fit (report.c, summary.c, pictures.c, predictions.c). Functions that return
 * int return one of the exit statuses below, and have printed a line on stderr if that is not DONE.
 */
#ifndef EXAMPLES_REGRESS_H
#define EXAMPLES_REGRESS_H

#include <stdio.h>

#include <tinygrad.h>

#include "../common/csv.h"
#include "fit.h"
#include "settings.h"
#include "terms.h"

enum { DONE, FAILED, USAGE, NOT_CONVERGED };

/* Rows of the model: their features and their target, as a column. */
typedef struct sample {
    tg_tensor *x, *y;
} sample;

/* One run of the program. end_job frees what its members point to. */
typedef struct job {
    settings set;
    csv file;
    terms terms;
    double *values, *new_values; /* variables of the rows, and of those to predict */
    size_t n_new;
    tg_tensor *new_rows; /* the features of those */
    tg_context *tg;
    sample train, held; /* the rows to train on, and those held out, whose tensors may be NULL */
    least_squares exact;
    fit fit;
    FILE *report;
} job;

/* ---- main.c */

/* Prints a line on stderr, and returns FAILED. */
int complain(const char *what);

/* The values of t as a contiguous array of doubles. */
const double *values_of(tg_tensor *t);

/* ---- rows.c */

/* Chooses the terms, and reads the values of their variables. */
int read_data(job *j);

/* The features of n rows with these variables. */
tg_tensor *make_features(const job *j, const double *variables, size_t n, size_t stride);

/* Splits the rows into train and held, and checks that a line can be fitted to those in train. */
int split_rows(job *j);

/* ---- model.c */

/* Fits the model to the rows to train on. */
int find_fit(job *j);

/* The largest absolute value in a column of x. */
double size_of(tg_tensor *x, int64_t column);

/* ---- report.c and summary.c */

void report(const job *j);

/* Prints the table of coefficients, and below it, if the fit has converged, its statistics. */
void summarise(const job *j);

/* The name of a coefficient, of which the first is the intercept. */
const char *name_of(const job *j, int64_t coefficient);

/* ---- pictures.c */

/* Draws the rows as points, with the fitted line. */
int draw(const job *j);

/* ---- predictions.c */

/* Reads the features of the rows whose target is to be predicted. */
int read_new(job *j);

/* Writes the predictions to standard output. */
void write_predictions(job *j);

#endif
