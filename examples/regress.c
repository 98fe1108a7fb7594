/* regress fits a line, or a plane, to a CSV file by the four steps of the lecture. See --help. */
#define _POSIX_C_SOURCE 200809L /* isatty */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tinygrad.h>

#include "common/csv.h"
#include "common/fit.h"
#include "common/options.h"
#include "common/plot.h"

enum { DONE, FAILED, USAGE, NOT_CONVERGED };

static const char help[] =
    "usage: regress data.csv --target NAME [option ...]\n"
    "\n"
    "Fits target = intercept + coefficient x feature + ... to a CSV file whose first line names "
    "the\n"
    "columns, by gradient descent on the mean squared error, and reports the coefficients in the\n"
    "data's own units.\n"
    "\n"
    "  --target NAME          column to predict\n"
    "  --features A,B,...     columns to predict it from; all others unless given\n"
    "  --test-fraction P      part of the rows, drawn at random, to hold out and test on; 0\n"
    "  --seed N               for that draw and the order of batches; 0\n"
    "  --float64              train in double precision\n"
    "  --plot FILE.svg        draw the fit, or predictions against the target\n"
    "  --predict FILE.csv     write predictions for these rows to standard output, as a column "
    "named\n"
    "                         like the target; the report goes to standard error\n"
    "\n"
    "  --epochs N             passes over the data at most; 50000, or 100 with --batch-size\n"
    "  --batch-size N         rows a step; all\n"
    "  --lr X                 step size; from the largest eigenvalue of the features' "
    "correlations.\n"
    "                         With --batch-size, where not given, it falls to 0 over the epochs\n"
    "  --momentum X           from the smallest one; 0 with --batch-size\n"
    "  --help                 this text\n"
    "\n"
    "Features and target are standardised for training. It has converged when the gradient is no\n"
    "more than rounding leaves of it.\n"
    "\n"
    "exit status: 0 done; 1 bad data, diverged, or another failure; 2 wrong usage; 3 the epochs\n"
    "ended before it converged (everything is reported and written nevertheless).\n";

typedef struct settings {
    const char *data, *target, *features, *plot, *predict;
    double lr, momentum, epochs, batch_size, seed, test_fraction;
    bool float64, help;
} settings;

/* The columns in use: the features, then the target. */
typedef struct columns {
    const char **names;
    size_t n_features;
} columns;

/* One run of the program. end_job frees what its members point to. */
typedef struct job {
    settings set;
    csv file;
    char *feature_text; /* a copy of --features, which is cut into names */
    columns columns;
    size_t *indices; /* of the columns, in the file */
    double *values, *new_values;
    size_t n_new;
    tg_context *tg;
    tg_tensor *train, *held; /* the rows to train on, and those held out or NULL */
    fit fit;
    FILE *report;
} job;

static bool read_settings(settings *set, int argc, char **argv)
{
    *set = (settings){.momentum = -1};
    option options[] = {
        {"--target", OPTION_TEXT, &set->target, 0, 0, false},
        {"--features", OPTION_TEXT, &set->features, 0, 0, false},
        {"--plot", OPTION_TEXT, &set->plot, 0, 0, false},
        {"--predict", OPTION_TEXT, &set->predict, 0, 0, false},
        {"--lr", OPTION_REAL, &set->lr, 1e-30, 1e30, false},
        {"--momentum", OPTION_REAL, &set->momentum, 0, 1, false},
        {"--epochs", OPTION_WHOLE, &set->epochs, 1, 1e15, false},
        {"--batch-size", OPTION_WHOLE, &set->batch_size, 1, 1e15, false},
        {"--seed", OPTION_WHOLE, &set->seed, 0, 4294967296, false},
        {"--test-fraction", OPTION_REAL, &set->test_fraction, 0, 1, false},
        {"--float64", OPTION_FLAG, &set->float64, 0, 0, false},
        {"--help", OPTION_FLAG, &set->help, 0, 0, false},
    };
    if (!options_read(options, (int)(sizeof options / sizeof *options), argc, argv, &set->data))
        return false;
    if (set->help) return true;
    if (!set->data || !set->target) {
        fprintf(stderr,
                "%s: no %s is given; write regress data.csv --target NAME (--help tells more)\n",
                argv[0], set->data ? "--target" : "data file");
        return false;
    }
    return true;
}

static int complain(const char *what)
{
    fprintf(stderr, "%s\n", what);
    return FAILED;
}

/* ---- Columns and rows. */

/* Cuts --features, which is written like a line of a CSV file, into names. Returns false if it is
 * wrong. */
static bool cut_features(job *j)
{
    size_t n = csv_split(j->feature_text, (char **)j->columns.names, strlen(j->set.features) + 1);
    for (size_t i = 0; i < n; i++) {
        bool twice = !strcmp(j->columns.names[i], j->set.target);
        for (size_t k = 0; k < i; k++) twice |= !strcmp(j->columns.names[i], j->columns.names[k]);
        if (!*j->columns.names[i]) n = 0;
        if (!twice) continue;
        fprintf(stderr, "regress: --features: '%.60s' is named before, or is the target\n",
                j->columns.names[i]);
        return false;
    }
    if (!n) fprintf(stderr, "regress: --features: '%.60s' is no list of names\n", j->set.features);
    j->columns.n_features = n;
    return n > 0;
}

/* Chooses the columns to read: the features that were named, or else all columns but the target;
 * and then the target. */
static int choose_columns(job *j)
{
    size_t room = j->file.n_columns + 1;
    if (j->set.features) room += strlen(j->set.features) + 1;
    j->columns.names = calloc(room, sizeof *j->columns.names);
    j->indices = calloc(room, sizeof *j->indices);
    j->feature_text = calloc(room, 1);
    if (!j->columns.names || !j->indices || !j->feature_text)
        return complain("regress: out of memory");

    if (j->set.features) {
        strcpy(j->feature_text, j->set.features);
        if (!cut_features(j)) return USAGE;
    } else {
        for (size_t i = 0; i < j->file.n_columns; i++)
            if (strcmp(j->file.names[i], j->set.target))
                j->columns.names[j->columns.n_features++] = j->file.names[i];
    }
    j->columns.names[j->columns.n_features] = j->set.target;
    for (size_t i = 0; i <= j->columns.n_features; i++) {
        j->indices[i] = csv_find(&j->file, j->columns.names[i]);
        if (j->indices[i] == j->file.n_columns) return complain(j->file.error);
    }
    if (j->columns.n_features) return DONE;
    fprintf(stderr, "%s:1: no column to predict '%.60s' from\n", j->set.data, j->set.target);
    return FAILED;
}

static int read_data(job *j)
{
    if (!csv_open(&j->file, j->set.data)) return complain(j->file.error);
    int status = choose_columns(j);
    if (status != DONE) return status;
    j->values = csv_read(&j->file, j->indices, j->columns.n_features + 1);
    return j->values ? DONE : complain(j->file.error);
}

/* Reads the features of the rows whose target is to be predicted. */
static int read_new(job *j)
{
    csv file;
    bool found = csv_open(&file, j->set.predict);
    for (size_t i = 0; found && i < j->columns.n_features; i++) {
        j->indices[i] = csv_find(&file, j->columns.names[i]);
        found = j->indices[i] < file.n_columns;
    }
    if (found) j->new_values = csv_read(&file, j->indices, j->columns.n_features);
    j->n_new = file.n_rows;
    if (!j->new_values) complain(file.error);
    csv_close(&file);
    return j->new_values ? DONE : FAILED;
}

/* The rows of a matrix with the numbers in `rows`. */
static tg_tensor *take_rows(tg_tensor *matrix, tg_tensor *rows)
{
    if (!matrix || !rows) return NULL;
    return tg_gather(matrix, 0,
                     tg_expand(tg_unsqueeze(rows, 1), TG_SHAPE(rows->numel, matrix->shape[1])));
}

/* Splits the rows into train and held, and checks that a line can be fitted to those in train. */
static int split_rows(job *j)
{
    int64_t n = (int64_t)j->file.n_rows, width = (int64_t)j->columns.n_features + 1;
    int64_t n_held = (int64_t)floor(j->set.test_fraction * (double)n + 0.5);
    if (n_held == 0 && j->set.test_fraction > 0) n_held = 1;
    if (n - n_held < width || n - n_held < 2) {
        fprintf(stderr,
                "%s:%zu: %" PRId64 " %s to train on, where %zu %s need at least %" PRId64 "\n",
                j->set.data, j->file.line - 1, n - n_held, n - n_held == 1 ? "row" : "rows",
                j->columns.n_features,
                width == 2 ? "feature and an intercept" : "features and an intercept", width);
        return FAILED;
    }
    j->train = tg_wrap_f64(j->tg, TG_SHAPE(n, width), TG_CONTIGUOUS, j->values);
    if (n_held) {
        tg_tensor *all = j->train, *order = tg_randperm(j->tg, n);
        j->held = take_rows(all, tg_narrow(order, 0, 0, n_held));
        j->train = take_rows(all, tg_narrow(order, 0, n_held, n - n_held));
    }
    tg_tensor *low = tg_min_dim(j->train, 0, false), *high = tg_max_dim(j->train, 0, false);
    for (int64_t i = 0; tg_ok(j->tg) && i < width; i++) {
        double least = tg_get(low, TG_INDEX(i)), spread = tg_get(high, TG_INDEX(i)) - least;
        double size = fmax(fabs(least), fabs(least + spread));
        if (spread > 1e-100 && size < 1e100) continue;
        fprintf(stderr, "%s:1: column '%.60s' %s%s\n", j->set.data, j->columns.names[i],
                spread > 0 ? "has values too large or too close to compute with" : "is constant",
                n_held ? " in the rows to train on" : "");
        return FAILED;
    }
    return DONE;
}

static tg_tensor *features_of(tg_tensor *rows)
{
    return rows ? tg_narrow(rows, 1, 0, rows->shape[1] - 1) : NULL;
}

static tg_tensor *target_of(tg_tensor *rows)
{
    return tg_narrow(rows, 1, rows ? rows->shape[1] - 1 : 0, 1);
}

/* Predicts the target, (n, 1), from the features, (n, features). */
static tg_tensor *predict(const fit *f, tg_tensor *features)
{
    return tg_add_scalar(tg_matmul(features, f->slope), f->intercept);
}

/* ---- The report. */

static int train(job *j)
{
    fit_options how = {
        .dtype = j->set.float64 ? TG_F64 : TG_F32,
        .lr = j->set.lr,
        .momentum = j->set.momentum,
        .epochs = (int64_t)j->set.epochs,
        .progress = isatty(STDERR_FILENO),
    };
    if (j->set.batch_size >= (double)j->file.n_rows) j->set.batch_size = 0;
    how.batch_size = (int64_t)j->set.batch_size;
    if (!fit_line(features_of(j->train), target_of(j->train), &how, &j->fit)) return FAILED;
    if (!j->fit.diverged) return DONE;
    fprintf(stderr,
            "%s: training diverged in epoch %" PRId64
            ": lr %g is too large; with momentum %g it is stable below %.3g\n",
            j->set.data, j->fit.epochs, j->fit.lr, j->fit.momentum, j->fit.stable_lr);
    return FAILED;
}

static void report_training(const job *j)
{
    const fit *f = &j->fit;
    fprintf(j->report, "%s: %s from %zu %s, %s\n", j->set.data, j->set.target,
            j->columns.n_features, j->columns.n_features == 1 ? "feature" : "features",
            j->set.float64 ? "float64" : "float32");
    fprintf(j->report, "%s after %" PRId64 " epochs, %.3g s (lr %.6g, momentum %.6g)\n",
            f->converged ? "converged" : "NOT converged", f->epochs, f->seconds, f->lr,
            f->momentum);
    if (!f->converged)
        fprintf(j->report, "  the gradient is %.2g, at convergence it is at most %.2g: %s\n",
                f->gradient, f->tolerance,
                j->set.batch_size > 0
                    ? "small batches stay near the minimum; without --batch-size it is reached"
                    : "raise --epochs");
    if (isinf(f->condition))
        fprintf(j->report,
                "  the features depend on each other: other coefficients fit as well as these\n");
    else if (f->condition * f->tolerance > 1)
        fprintf(j->report,
                "  the features almost depend on each other (condition %.2g): the coefficients are "
                "uncertain\n",
                f->condition);
}

static void report_coefficients(const job *j)
{
    int digits = j->set.float64 ? 13 : 7, width = 9;
    for (size_t i = 0; i < j->columns.n_features; i++)
        if ((int)strlen(j->columns.names[i]) > width) width = (int)strlen(j->columns.names[i]);
    if (width > 40) width = 40;
    fprintf(j->report, "\n%-*s  % .*g\n", width, "intercept", digits, j->fit.intercept);
    for (size_t i = 0; i < j->columns.n_features; i++)
        fprintf(j->report, "%-*s  % .*g\n", width, j->columns.names[i], digits,
                tg_get(j->fit.slope, TG_INDEX((int64_t)i, 0)));
}

/* Prints a line that says how well the fit predicts these rows. */
static void report_rows(const job *j, const char *name, tg_tensor *rows)
{
    if (!rows) {
        fprintf(j->report, "%-9s none (--test-fraction 0.2 holds out a fifth)\n", name);
        return;
    }
    tg_tensor *y = target_of(rows);
    double error = tg_item(tg_sum(tg_square(tg_sub(y, predict(&j->fit, features_of(rows))))));
    double spread = tg_item(tg_sum(tg_square(tg_sub(y, tg_mean(y)))));
    fprintf(j->report, "%-9s %" PRId64 " rows, RMSE %.9g", name, rows->shape[0],
            sqrt(error / (double)rows->shape[0]));
    if (spread > 0) fprintf(j->report, ", R2 %.9f", 1 - error / spread);
    fputc('\n', j->report);
}

/* The values of t as a contiguous array of doubles, for the plot. */
static const double *values_of(tg_tensor *t)
{
    return tg_data_f64(tg_contiguous(t));
}

/* Draws the rows as points: the target against the feature if there is one, else the predictions
 * against the target. */
static void plot_rows(plot *p, const job *j, const char *label, const char *color, tg_tensor *rows)
{
    bool single = j->columns.n_features == 1;
    tg_tensor *x = single ? features_of(rows) : target_of(rows);
    tg_tensor *y = single ? target_of(rows) : predict(&j->fit, features_of(rows));
    const double *xs = values_of(x), *ys = values_of(y);
    if (xs && ys) plot_points(p, label, color, (size_t)rows->shape[0], xs, ys);
}

static int draw(const job *j)
{
    bool single = j->columns.n_features == 1;
    const char *target = j->set.target;
    plot *p = plot_new(single ? "Data and fitted line" : "Predictions against the target",
                       single ? j->columns.names[0] : target, single ? target : "predicted", false);
    plot_rows(p, j, j->held ? "rows trained on" : "data", PLOT_BLUE, j->train);
    if (j->held) plot_rows(p, j, "rows held out", PLOT_ORANGE, j->held);

    tg_tensor *along = single ? features_of(j->train) : target_of(j->train);
    double x[] = {tg_item(tg_min(along)), tg_item(tg_max(along))}, y[] = {x[0], x[1]};
    for (int i = 0; single && i < 2; i++) y[i] = j->fit.intercept + tg_item(j->fit.slope) * x[i];
    if (single)
        plot_line(p, "fitted line", PLOT_BLACK, 2, x, y);
    else
        plot_dashes(p, "predicted = target", PLOT_BLACK, 2, x, y);
    if (plot_save(p, j->set.plot)) return DONE;
    fprintf(stderr, "%s: %s\n", j->set.plot, strerror(errno));
    return FAILED;
}

static void write_predictions(job *j)
{
    tg_tensor *x = tg_wrap_f64(j->tg, TG_SHAPE((int64_t)j->n_new, (int64_t)j->columns.n_features),
                               TG_CONTIGUOUS, j->new_values);
    const double *y = values_of(predict(&j->fit, x));
    if (!y) return;
    csv_write(stdout, j->set.target);
    putchar('\n');
    for (size_t i = 0; i < j->n_new; i++) printf("%.*g\n", j->set.float64 ? 15 : 9, y[i]);
}

static int work(job *j)
{
    int status = read_data(j);
    if (status == DONE && j->set.predict) status = read_new(j);
    if (status != DONE) return status;

    j->tg = tg_open(NULL);
    tg_manual_seed(j->tg, (uint64_t)j->set.seed);
    status = split_rows(j);
    if (status == DONE) status = train(j);
    if (status == DONE && tg_ok(j->tg)) {
        report_training(j);
        report_coefficients(j);
        fputc('\n', j->report);
        report_rows(j, "trained", j->train);
        report_rows(j, "held out", j->held);
        if (j->set.predict) write_predictions(j);
        if (j->set.plot) status = draw(j);
    }
    if (!tg_ok(j->tg)) {
        fprintf(stderr, "regress: %s\n", j->tg ? tg_error(j->tg) : "out of memory");
        return FAILED;
    }
    return status == DONE && !j->fit.converged ? NOT_CONVERGED : status;
}

static void end_job(job *j)
{
    tg_close(j->tg);
    csv_close(&j->file);
    free(j->feature_text);
    free(j->columns.names);
    free(j->indices);
    free(j->values);
    free(j->new_values);
}

int main(int argc, char **argv)
{
    job j = {0};
    if (!read_settings(&j.set, argc, argv)) return USAGE;
    int status = DONE;
    if (j.set.help) {
        fputs(help, stdout);
    } else {
        j.report = j.set.predict ? stderr : stdout;
        status = work(&j);
        end_job(&j);
    }
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "regress: standard output: %s\n", strerror(errno));
        return FAILED;
    }
    return status;
}
