/* regress fits a line, or a plane, to a CSV file, by least squares or by training as in the
 * lecture. See --help. */
#define _POSIX_C_SOURCE 200809L /* isatty */

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tinygrad.h>

#include "common/columns.h"
#include "common/csv.h"
#include "common/distributions.h"
#include "common/fit.h"
#include "common/options.h"
#include "common/plot.h"

enum { DONE, FAILED, USAGE, NOT_CONVERGED };

static const char help[] =
    "usage: regress data.csv --target NAME [option ...]\n"
    "\n"
    "Fits target = intercept + coefficient x feature + ... to a CSV file whose first line names "
    "the\n"
    "columns, by least squares, and reports the coefficients in the data's own units.\n"
    "\n"
    "  --target NAME          column to predict\n"
    "  --features A,B,...     columns to predict it from; all others that begin with a number, "
    "unless\n"
    "                         given\n"
    "  --missing drop         leave out rows where a value is missing: an empty cell, NA, NaN, "
    "null,\n"
    "                         a point or a dash; error, unless given, refuses them\n"
    "  --dependent drop       leave out features that are a combination of those before them; "
    "error,\n"
    "                         unless given, names the first one\n"
    "  --test-fraction P      part of the rows, drawn at random, to hold out and test on; 0\n"
    "  --seed N               for that draw and the order of batches; 0\n"
    "  --digits N             significant digits to print, at most 17; 7 of coefficients and fewer "
    "of\n"
    "                         all else. Of a trained coefficient only known digits are printed\n"
    "  --plot FILE.svg        draw the fit, or predictions against the target\n"
    "  --predict FILE.csv     write predictions for these rows to standard output, as a column "
    "named\n"
    "                         like the target; the report goes to standard error\n"
    "  --method NAME          ls, the exact least squares, in double precision, unless given; sgd "
    "or\n"
    "                         lbfgs, to train as the lecture does\n"
    "  --help                 this text\n"
    "\n"
    "With --method sgd or lbfgs:\n"
    "  --float64              train in double precision\n"
    "  --epochs N             passes over the data at most; 50000, or 100 with --batch-size\n"
    "with --method sgd alone:\n"
    "  --batch-size N         rows a step; all\n"
    "  --lr X                 step size; from the largest eigenvalue of the features' "
    "correlations.\n"
    "                         With --batch-size, where not given, it falls to 0 over the epochs\n"
    "  --momentum X           from the smallest one; 0 with --batch-size\n"
    "\n"
    "Features and target are standardised for training. It has converged when each coefficient is\n"
    "within 0.001 of its standard error from the exact one.\n"
    "\n"
    "exit status: 0 done; 1 bad data, diverged, or another failure; 2 wrong usage; 3 training "
    "ended\n"
    "before it converged (everything is reported and written nevertheless).\n";

typedef struct settings {
    const char *data, *target, *features, *plot, *predict, *method_name, *missing, *dependent;
    double lr, momentum, epochs, batch_size, seed, test_fraction, digits;
    fit_method method;
    bool float64, help, drop_missing, drop_dependent;
} settings;

/* The columns of the file in use: the features, then the target. */
typedef struct variables {
    const char **names;
    size_t n_features;
} variables;

/* One run of the program. end_job frees what its members point to. */
typedef struct job {
    settings set;
    csv file;
    char *feature_text; /* a copy of --features, which is cut into names */
    variables columns;
    const char **text, **dropped; /* names of columns that are not used, as text or dependent */
    size_t n_text, n_dropped;
    size_t *indices; /* of the columns, in the file */
    double *values, *new_values;
    size_t n_new;
    tg_tensor *new_rows; /* their features */
    tg_context *tg;
    tg_tensor *train, *held; /* the rows to train on, and those held out or NULL */
    least_squares exact;
    fit fit;
    FILE *report;
} job;

/* Sets the method. Returns false, and prints a line on stderr, if there is none of that name, or if
 * an option was given that the method does not use. */
static bool choose_method(settings *set, const option *options, int n)
{
    static const char *const names[] = {"ls", "sgd", "lbfgs"};
    while (set->method_name && strcmp(set->method_name, names[set->method])) {
        if (set->method++ < FIT_LBFGS) continue;
        fprintf(stderr, "regress: --method: '%.60s' is none of ls, sgd and lbfgs\n",
                set->method_name);
        return false;
    }
    for (int i = 0; i < n; i++) {
        bool sgd_only = options[i].value == &set->lr || options[i].value == &set->momentum ||
                        options[i].value == &set->batch_size;
        bool training = sgd_only || options[i].value == &set->epochs;
        if (!options[i].given || !training || set->method == FIT_SGD) continue;
        if (set->method == FIT_LBFGS && !sgd_only) continue;
        fprintf(stderr, "regress: %s needs --method sgd%s; %s takes no steps of that kind\n",
                options[i].name, sgd_only ? "" : " or lbfgs", names[set->method]);
        return false;
    }
    return true;
}

/* Sets *drop from the value of an option. Returns false, and prints a line on stderr, if the value
 * is wrong. */
static bool choose_drop(const char *name, const char *value, bool *drop)
{
    *drop = value && !strcmp(value, "drop");
    if (!value || *drop || !strcmp(value, "error")) return true;
    fprintf(stderr, "regress: %s: '%.60s' is neither drop nor error\n", name, value);
    return false;
}

static bool read_settings(settings *set, int argc, char **argv)
{
    *set = (settings){.momentum = -1};
    option options[] = {
        {"--method", OPTION_TEXT, &set->method_name, 0, 0, false},
        {"--missing", OPTION_TEXT, &set->missing, 0, 0, false},
        {"--dependent", OPTION_TEXT, &set->dependent, 0, 0, false},
        {"--digits", OPTION_WHOLE, &set->digits, 1, 18, false},
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
    const int n = (int)(sizeof options / sizeof *options);
    if (!options_read(options, n, argc, argv, &set->data)) return false;
    if (set->help) return true;
    if (!set->data || !set->target) {
        fprintf(stderr,
                "%s: no %s is given; write regress data.csv --target NAME (--help tells more)\n",
                argv[0], set->data ? "--target" : "data file");
        return false;
    }
    return choose_method(set, options, n) &&
           choose_drop("--missing", set->missing, &set->drop_missing) &&
           choose_drop("--dependent", set->dependent, &set->drop_dependent);
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
    j->text = calloc(room, sizeof *j->text);
    j->dropped = calloc(room, sizeof *j->dropped);
    if (!j->columns.names || !j->indices || !j->feature_text || !j->text || !j->dropped)
        return complain("regress: out of memory");

    if (j->set.features) {
        strcpy(j->feature_text, j->set.features);
        if (!cut_features(j)) return USAGE;
    } else {
        for (size_t i = 0; i < j->file.n_columns; i++)
            if (!strcmp(j->file.names[i], j->set.target))
                continue;
            else if (csv_is_text(&j->file, i))
                j->text[j->n_text++] = j->file.names[i];
            else
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
    j->file.drop_missing = j->set.drop_missing;
    j->values = csv_read(&j->file, j->indices, j->columns.n_features + 1);
    if (j->values) return DONE;
    fprintf(stderr, "%s%s\n", j->file.error,
            j->file.is_missing ? "; --missing drop leaves such rows out" : "");
    return FAILED;
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

/* ---- The fit. */

/* The largest value of a column of the data, by its absolute value. */
static double size_of(const job *j, int64_t column)
{
    return tg_item(tg_max(tg_abs(tg_select(j->train, 1, column))));
}

/* Prints which column is a combination of others, without terms that are only rounding. */
static int report_dependent(const job *j)
{
    const int64_t dependent = j->exact.dependent;
    const double least = 1e-9 * size_of(j, dependent);
    const double constant = tg_get(j->exact.combination, TG_INDEX(0));
    const char *sign = "";
    fprintf(stderr, "%s:1: column '%.60s' tells no more than others: it is ", j->set.data,
            j->columns.names[dependent]);
    for (int64_t i = 0; i < dependent; i++) {
        double factor = tg_get(j->exact.combination, TG_INDEX(i + 1));
        if (fabs(factor) * size_of(j, i) <= least) continue;
        fprintf(stderr, "%s%.6g x '%.60s'", sign, factor, j->columns.names[i]);
        sign = " + ";
    }
    if (fabs(constant) > least) fprintf(stderr, "%s%.6g", sign, constant);
    fprintf(stderr, "; leave one of these features out, or take --dependent drop\n");
    return FAILED;
}

static tg_tensor *without_column(tg_tensor *rows, int64_t column)
{
    if (!rows) return NULL;
    tg_tensor *before = tg_narrow(rows, 1, 0, column);
    return tg_cat(TG_LIST(before, tg_narrow(rows, 1, column + 1, rows->shape[1] - column - 1)), 1);
}

/* Removes the feature that is a combination of those before it from all that is left to do. */
static void drop_dependent(job *j)
{
    const int64_t column = j->exact.dependent;
    const char **name = j->columns.names + column;
    j->dropped[j->n_dropped++] = *name;
    memmove(name, name + 1, (j->columns.n_features - (size_t)column) * sizeof *name);
    j->columns.n_features--;
    j->train = without_column(j->train, column);
    j->held = without_column(j->held, column);
    j->new_rows = without_column(j->new_rows, column);
}

static int train(job *j)
{
    fit_options how = {
        .method = j->set.method,
        .dtype = j->set.float64 ? TG_F64 : TG_F32,
        .lr = j->set.lr,
        .momentum = j->set.momentum,
        .epochs = (int64_t)j->set.epochs,
        .progress = isatty(STDERR_FILENO),
    };
    if (j->set.batch_size >= (double)j->exact.rows) j->set.batch_size = 0;
    how.batch_size = (int64_t)j->set.batch_size;
    if (!fit_train(&j->exact, &how, &j->fit)) return FAILED;
    if (!j->fit.diverged) return DONE;
    fprintf(stderr,
            "%s: training diverged in epoch %" PRId64
            ": lr %g is too large; with momentum %g it is stable below %.3g\n",
            j->set.data, j->fit.epochs, j->fit.lr, j->fit.momentum, j->fit.stable_lr);
    return FAILED;
}

static int find_fit(job *j)
{
    for (;;) {
        if (!least_squares_fit(features_of(j->train), target_of(j->train), &j->exact))
            return FAILED;
        if (j->exact.dependent < 0) break;
        if (!j->set.drop_dependent) return report_dependent(j);
        drop_dependent(j);
    }
    j->fit = fit_exact(&j->exact);
    return j->set.method == FIT_LS ? DONE : train(j);
}

/* ---- The report. */

static const char *name_of(const job *j, int64_t coefficient)
{
    return coefficient ? j->columns.names[coefficient - 1] : "intercept";
}

/* Prints a list of columns, with text before and after. Prints nothing if n is 0. */
static void report_names(const job *j, const char *before, const char **names, size_t n,
                         const char *after)
{
    if (!n) return;
    fputs(before, j->report);
    for (size_t i = 0; i < n && i < 12; i++) fprintf(j->report, i ? ", %s" : "%s", names[i]);
    fprintf(j->report, "%s%s\n", n > 12 ? ", ..." : "", after);
}

/* Prints which rows and columns of the file are left out. */
static void report_omissions(const job *j)
{
    if (j->file.n_dropped)
        fprintf(j->report, "%zu of %zu rows (%zu left out: a value is missing)\n", j->file.n_rows,
                j->file.n_rows + j->file.n_dropped, j->file.n_dropped);
    report_names(j, "left out: ", j->text, j->n_text, " (text)");
    report_names(j, "left out: ", j->dropped, j->n_dropped, " (a combination of features before)");
}

/* Warns if the features almost depend on each other. Names those with a large element in the
 * eigenvector of the smallest eigenvalue, because their combination is almost constant. */
static void report_condition(const job *j)
{
    const double condition = least_squares_condition(&j->exact);
    if (condition < 1000) return;
    const char *names[12];
    size_t n = 0;
    for (int64_t i = 0; i < j->exact.features && n < 12; i++)
        if (fabs(tg_get(j->exact.flattest, TG_INDEX(i))) > 0.2) names[n++] = j->columns.names[i];
    fprintf(j->report, "warning: features almost depend on each other (condition number %.2g)",
            condition);
    report_names(j, ": ", names, n, "");
    if (!n) fputc('\n', j->report);
}

/* Prints the model, the method and the dtype. More than 12 features are only counted. */
static void report_model(const job *j)
{
    static const char *const methods[] = {"least squares", "trained by SGD", "trained by LBFGS"};
    fprintf(j->report, "%s ~ ", j->set.target);
    for (size_t i = 0; i < j->columns.n_features && j->columns.n_features <= 12; i++)
        fprintf(j->report, i ? " + %s" : "%s", j->columns.names[i]);
    if (j->columns.n_features > 12) fprintf(j->report, "%zu features", j->columns.n_features);
    fprintf(j->report, ", %s, %s\n", methods[j->set.method],
            j->set.float64 || j->set.method == FIT_LS ? "float64" : "float32");
}

/* Why training ended before it converged, and what to do. */
static const char *advice(const job *j)
{
    if (j->set.batch_size > 0)
        return "small batches stay near the minimum; without --batch-size it is reached";
    if (!j->fit.resting) return "raise --epochs, or take --method ls";
    return j->set.float64 ? "training gets no closer; take --method ls"
                          : "float32 gets no closer; take --float64 or --method ls";
}

/* The coefficient whose miss is the largest in its standard errors. */
static int64_t worst_of(const job *j)
{
    return (int64_t)tg_item(tg_argmax(tg_div(j->fit.misses, j->exact.unit_errors)));
}

static void report_training(const job *j)
{
    const fit *f = &j->fit;
    fprintf(j->report, "%s after %" PRId64 " %s, %.3g s",
            f->converged ? "converged" : "NOT converged", f->epochs,
            j->set.method == FIT_SGD ? "epochs" : "evaluations", f->seconds);
    if (j->set.method == FIT_SGD)
        fprintf(j->report, " (lr %.6g, momentum %.6g)", f->lr, f->momentum);
    if (f->converged)
        fprintf(j->report, ": each coefficient is within %.1g standard errors of the exact one\n",
                f->miss);
    else
        fprintf(j->report, "\n  %s is %.3g standard errors from the least-squares value: %s\n",
                name_of(j, worst_of(j)), f->miss, advice(j));
}

/* Puts a number with this many significant digits. If it has more digits before the decimal point,
 * the others become zeros. */
static void put_digits(columns *table, int digits, double value)
{
    char text[40];
    const double size = value == 0 ? 0 : floor(log10(fabs(value)));
    if (size >= digits && size < 15) {
        const double unit = pow(10, size + 1 - digits);
        columns_put(table, "%.0f", rint(value / unit) * unit);
        return;
    }
    int n = snprintf(text, sizeof text, "%#.*g", digits, value);
    if (n > 0 && text[n - 1] == '.') text[n - 1] = 0;
    columns_put(table, "%s", text);
}

/* Puts a coefficient that is off by `miss`, with the digits that are certain. */
static void put_known(const job *j, columns *table, double value, double miss)
{
    int digits = j->set.digits > 0 ? (int)j->set.digits : 7;
    if (miss > 0) {
        double known = floor(log10(fabs(value))) + 1 - log10(miss);
        if (known < digits) digits = known > 1 ? (int)known : 1;
    }
    put_digits(table, digits, value);
}

/* Puts a number with this many significant digits, unless --digits was given. */
static void put(const job *j, columns *table, int digits, double value)
{
    if (isnan(value))
        columns_put(table, "-");
    else
        put_digits(table, j->set.digits > 0 ? (int)j->set.digits : digits, value);
}

/* Puts a number with this many decimals, unless --digits was given. */
static void put_decimals(const job *j, columns *table, int decimals, double value)
{
    if (j->set.digits > 0 || isnan(value))
        put(j, table, 0, value);
    else
        columns_put(table, fabs(value) < 1e6 ? "%.*f" : "%.*e", decimals, value);
}

/* Writes a probability as text. Below 2e-16 only that is said, unless --digits was given. */
static const char *show_probability(const job *j, double p, char text[32])
{
    if (isnan(p))
        strcpy(text, "-");
    else if (j->set.digits > 0)
        snprintf(text, 32, "%.*g", (int)j->set.digits, p);
    else if (p < 2e-16)
        strcpy(text, "< 2e-16");
    else
        snprintf(text, 32, p < 1e-4 ? "%.1e" : "%.4f", p);
    return text;
}

/* Puts t, p and the 95 % interval of a coefficient. */
static void put_test(const job *j, columns *table, double value, double error)
{
    const double freedom = (double)least_squares_freedom(&j->exact);
    const double bound = freedom > 0 ? student_t_bound(0.05, freedom) * error : NAN;
    char p[32];
    put_decimals(j, table, 2, value / error);
    columns_put(table, "%s", show_probability(j, student_t_two_sided(value / error, freedom), p));
    put(j, table, 5, value - bound);
    put(j, table, 5, value + bound);
}

static void report_coefficients(const job *j)
{
    static const char *const tests[] = {"",        "coefficient", "std. error", "t",
                                        "p > |t|", "95 % from",   "to"};
    static const char *const misses[] = {"", "coefficient", "std. error", "least squares"};
    columns *table = j->fit.converged ? columns_new(7, tests) : columns_new(4, misses);
    for (int64_t i = 0; i <= j->exact.features; i++) {
        const double value = tg_get(j->fit.coefficients, TG_INDEX(i));
        const double error =
            least_squares_error(&j->exact) * tg_get(j->exact.unit_errors, TG_INDEX(i));
        columns_put(table, "%s", name_of(j, i));
        put_known(j, table, value, tg_get(j->fit.misses, TG_INDEX(i)));
        put(j, table, 5, error);
        if (j->fit.converged)
            put_test(j, table, value, error);
        else
            put_known(j, table, tg_get(j->exact.coefficients, TG_INDEX(i)), 0);
    }
    fputc('\n', j->report);
    columns_write(table, j->report);
    fputc('\n', j->report);
}

/* Whether the residuals are no more than what rounding of y leaves. */
static bool without_scatter(const least_squares *exact, double size)
{
    return sqrt(exact->squares / (double)exact->rows) <= 4 * DBL_EPSILON * size;
}

/* Prints the statistics of the whole fit. The log-likelihood is that of normal errors whose
 * variance is the mean square of the residuals, and AIC counts that variance as a parameter, as R
 * does. */
static void report_statistics(const job *j)
{
    const least_squares *exact = &j->exact;
    const int64_t freedom = least_squares_freedom(exact);
    if (freedom == 0) {
        fputs("no degree of freedom remains: the scatter of the data cannot be told\n\n",
              j->report);
        return;
    }
    if (without_scatter(exact, size_of(j, exact->features)))
        fputs("the fit is exact to rounding: standard errors and tests tell of rounding alone\n",
              j->report);
    const double n = (double)exact->rows, k = (double)exact->features, df = (double)freedom;
    const double f = (exact->total - exact->squares) / k / (exact->squares / df);
    const double likelihood = -n / 2 * (log(2 * acos(-1) * exact->squares / n) + 1);
    const int digits = j->set.digits > 0 ? (int)j->set.digits : 4;
    const int decimals = j->set.digits > 0 ? digits : 6;
    char p[32];
    fprintf(j->report, "residual standard error %.*g on %" PRId64 " %s of freedom;  ", digits,
            least_squares_error(exact), freedom, freedom == 1 ? "degree" : "degrees");
    fprintf(j->report, "R2 %.*f, adjusted %.*f\n", decimals, 1 - exact->squares / exact->total,
            decimals, 1 - exact->squares / df / (exact->total / (n - 1)));
    show_probability(j, f_upper(f, k, df), p);
    fprintf(j->report, "F(%.0f, %.0f) %.*g, p %s%s;  ", k, df, digits, f, *p == '<' ? "" : "= ", p);
    fprintf(j->report, "log-likelihood %.*g, AIC %.*g\n\n", digits + 2, likelihood, digits + 2,
            2 * (k + 2) - 2 * likelihood);
}

/* A line of how well the fit predicts rows. */
static void report_rows(const job *j, const char *name, tg_tensor *rows)
{
    if (!rows) {
        fprintf(j->report, "%-9s none (--test-fraction 0.2 holds out a fifth)\n", name);
        return;
    }
    tg_tensor *y = target_of(rows);
    double error =
        tg_item(tg_sum(tg_square(tg_sub(y, line_predict(&j->fit.line, features_of(rows))))));
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
    tg_tensor *y = single ? target_of(rows) : line_predict(&j->fit.line, features_of(rows));
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
    double x[] = {tg_item(tg_min(along)), tg_item(tg_max(along))};
    tg_tensor *ends = tg_from_f64(j->tg, TG_SHAPE(2, 1), x);
    const double *y = single ? values_of(line_predict(&j->fit.line, ends)) : NULL;
    if (y) plot_line(p, "fitted line", PLOT_BLACK, 2, x, y);
    if (!single) plot_dashes(p, "predicted = target", PLOT_BLACK, 2, x, x);
    if (plot_save(p, j->set.plot)) return DONE;
    fprintf(stderr, "%s: %s\n", j->set.plot, strerror(errno));
    return FAILED;
}

static void write_predictions(job *j)
{
    const double *y = values_of(line_predict(&j->fit.line, j->new_rows));
    if (!y) return;
    const int digits = j->set.digits > 0                           ? (int)j->set.digits
                       : j->set.float64 || j->set.method == FIT_LS ? 15
                                                                   : 9;
    csv_write(stdout, j->set.target);
    putchar('\n');
    for (size_t i = 0; i < j->n_new; i++) printf("%.*g\n", digits, y[i]);
}

static int work(job *j)
{
    int status = read_data(j);
    if (status == DONE && j->set.predict) status = read_new(j);
    if (status != DONE) return status;

    j->tg = tg_open(NULL);
    tg_manual_seed(j->tg, (uint64_t)j->set.seed);
    if (j->new_values)
        j->new_rows =
            tg_wrap_f64(j->tg, TG_SHAPE((int64_t)j->n_new, (int64_t)j->columns.n_features),
                        TG_CONTIGUOUS, j->new_values);
    status = split_rows(j);
    if (status == DONE) status = find_fit(j);
    if (status == DONE && tg_ok(j->tg)) {
        report_model(j);
        report_omissions(j);
        report_condition(j);
        if (j->set.method != FIT_LS) report_training(j);
        report_coefficients(j);
        if (j->fit.converged) report_statistics(j);
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
    free(j->text);
    free(j->dropped);
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
