/* From the file to rows: which terms the model has, their features, and which rows are held out. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/utf8.h"
#include "names.h"
#include "regress.h"
#include "stream.h"

/* Whether a column of the file, or some, have a name. */
static bool has_name(const tg_csv *file, const char *name)
{
    for (int64_t i = 0; i < file->n_columns; i++)
        if (!strcmp(file->names[i], name)) return true;
    return false;
}

/* Makes terms of all columns but the target, the weights and those that --exclude names. */
static int take_all_columns(job *j, char *text, const char **names, size_t room)
{
    size_t n = 0;
    names[0] = j->set.target;
    names[1] = j->set.weights ? j->set.weights : j->set.target;
    if (j->set.exclude) {
        strcpy(text, j->set.exclude);
        n = names_cut(text, (char **)names + 2, room - 2);
        if (!n) {
            fprintf(stderr, "regress: --exclude: '%.60s' is no list of names\n", j->set.exclude);
            return USAGE;
        }
    }
    for (size_t i = 2; i < n + 2; i++)
        if (!has_name(j->file, names[i]) && tg_csv_find(j->file, names[i]) < 0)
            return file_complain(j->tg, false);
    return terms_of_all_columns(&j->terms, j->file, names, n + 2);
}

static int choose_features(job *j)
{
    if (j->set.features)
        return terms_parse(&j->terms, "regress: --features", j->set.features, j->set.target);
    const size_t room = (j->set.exclude ? strlen(j->set.exclude) : 0) + 3;
    const char **names = calloc(room, sizeof *names);
    char *text = malloc(room);
    int status =
        names && text ? take_all_columns(j, text, names, room) : complain("regress: out of memory");
    free(names);
    free(text);
    return status;
}

const variable *target_variable(const job *j)
{
    return &j->terms.variables[j->terms.n_inputs];
}

/* Chooses the variables to read: those of the terms, the target and the weight. */
static int choose_terms(job *j)
{
    int status = choose_features(j);
    if (status != DONE) return status;
    const loss_kind kind = j->set.loss.kind;
    terms_append(&j->terms, j->set.target,
                 kind == LOSS_LOGISTIC  ? CLASS
                 : kind == LOSS_POISSON ? COUNT
                                        : TARGET);
    if (j->set.weights) terms_append(&j->terms, j->set.weights, WEIGHT);
    status = terms_find_columns(&j->terms, j->file, j->terms.n_variables);
    if (status != DONE || j->terms.n) return status;
    char shown[SHOWN];
    fprintf(stderr, "%s:1: no column to predict '%s' from\n", j->set.data,
            utf8_show(j->set.target, shown, SHOWN));
    return FAILED;
}

/* Checks that factors tell groups apart, but not each row from the others. */
static int check_levels(const job *j)
{
    for (size_t i = 0; i < j->terms.n_inputs; i++) {
        const variable *v = &j->terms.variables[i];
        if (v->how != FACTOR || (v->levels.n > 1 && (int64_t)v->levels.n < j->n_rows)) continue;
        char shown[SHOWN];
        fprintf(stderr, "%s: column '%s' has ", j->set.data, utf8_show(v->column, shown, SHOWN));
        if (v->levels.n == 1)
            fprintf(stderr, "one level alone, '%s': it is constant\n",
                    utf8_show(v->levels.sorted->name, shown, SHOWN));
        else
            fprintf(stderr,
                    "as many levels as there are rows, %zu: it can be no factor; leave it out\n",
                    v->levels.n);
        return FAILED;
    }
    return DONE;
}

/* Checks that a target of text has two levels. */
static int check_classes(const job *j)
{
    const variable *v = target_variable(j);
    if (v->how != FACTOR || v->levels.n == 2) return DONE;
    fprintf(stderr, "%s: column '%.60s' has %zu level%s, where --loss logistic takes two\n",
            j->set.data, v->column, v->levels.n, v->levels.n == 1 ? "" : "s");
    return FAILED;
}

int settle_terms(job *j)
{
    int status = check_levels(j);
    if (status == DONE) status = check_classes(j);
    return status == DONE ? terms_expand(&j->terms, !j->set.no_intercept) : status;
}

int read_data(job *j)
{
    j->file = file_open(j->tg, j->set.data, &j->set,
                        j->set.drop_missing ? TG_MISSING_DROP : TG_MISSING_ERROR);
    int status = j->file ? choose_terms(j) : FAILED;
    if (status != DONE) return status;
    const double most = settings_need_rows(&j->set) ? INFINITY : j->set.memory * 1e6;
    const size_t n = j->terms.n_variables;
    if (!terms_read(&j->terms, j->file, n, false, most, &j->rows)) return FAILED;
    if (j->rows.crowded) return stream_rows(j);
    terms_sort_codes(&j->terms, n, &j->rows);
    j->n_rows = (int64_t)j->rows.n;
    return settle_terms(j);
}

tg_tensor *make_features(const job *j, const double *variables, size_t n, size_t stride)
{
    const size_t k = j->terms.n_features;
    tg_tensor *x = tg_empty(j->tg, TG_F64, TG_SHAPE((int64_t)n, (int64_t)k));
    for (size_t i = 0; x && i < n; i++)
        terms_fill_row(&j->terms, variables + i * stride, (double *)x->data + i * k);
    return x;
}

sample take_rows(const sample *all, tg_tensor *numbers)
{
    if (!all->x || !numbers) return (sample){0};
    return (sample){.x = tg_index_select(all->x, 0, numbers),
                    .y = tg_index_select(all->y, 0, numbers),
                    .weights = all->weights ? tg_index_select(all->weights, 0, numbers) : NULL};
}

sample find_range(const sample *rows)
{
    const tg_shape down = TG_DIMS(0);
    tg_tensor *x = rows->x, *y = rows->y;
    return (sample){.x = tg_cat(TG_LIST(tg_amin(x, down, true), tg_amax(x, down, true)), 0),
                    .y = tg_cat(TG_LIST(tg_amin(y, down, true), tg_amax(y, down, true)), 0)};
}

double size_of(tg_tensor *range, int64_t column)
{
    return fmax(fabs(tg_get(range, TG_INDEX(0, column))), fabs(tg_get(range, TG_INDEX(1, column))));
}

/* Whether a column of the rows to train on can be computed with: its values must not be too large,
 * and they must differ, unless a constant column is allowed. Beside an intercept a constant column
 * says nothing; without an intercept it only must not be zero. The message about such a column ends
 * with the cure. */
static bool column_is_good(const job *j, const char *name, tg_tensor *range, int64_t column,
                           bool may_be_constant, const char *cure)
{
    double least = tg_get(range, TG_INDEX(0, column)), size = size_of(range, column);
    double spread = tg_get(range, TG_INDEX(1, column)) - least;
    double contrast = j->set.no_intercept ? size : spread;
    bool constant_is_good = may_be_constant && spread == 0;
    if (((contrast > 1e-100 || constant_is_good) && size < TOO_LARGE) || !tg_ok(j->tg)) return true;
    char shown[SHOWN];
    const bool varies = contrast > 0 || constant_is_good;
    fprintf(stderr, "%s:1: column '%s' %s%s%s\n", j->set.data, utf8_show(name, shown, SHOWN),
            varies                ? "has values too large or too close to compute with"
            : j->set.no_intercept ? "is zero"
                                  : "is constant",
            j->held.x ? " in the rows to train on" : "", varies ? "" : cure);
    return false;
}

/* Whether the target has enough digits to tell which rows are within delta of a line. */
static bool delta_is_good(const job *j)
{
    const double size = size_of(j->range.y, 0);
    if (j->set.loss.kind != LOSS_HUBER || j->set.loss.number > 8 * DBL_EPSILON * size) return true;
    char shown[SHOWN];
    fprintf(stderr,
            "%s:1: column '%s' has values up to %.3g, whose last digits are larger than delta; "
            "give a larger one, as in --loss huber:%.3g\n",
            j->set.data, utf8_show(j->set.target, shown, SHOWN), size, size / 100);
    return false;
}

int check_columns(const job *j)
{
    for (size_t i = 0; tg_ok(j->tg) && i < j->terms.n_features; i++)
        if (!column_is_good(j, j->terms.features[i].name, j->range.x, (int64_t)i,
                            j->set.drop_dependent || j->set.minimum_norm,
                            j->terms.n_features > 1 ? "; leave it out, or take --dependent drop"
                                                    : ""))
            return FAILED;
    const loss_kind kind = j->set.loss.kind;
    const bool flat = kind == LOSS_HUBER || kind == LOSS_QUANTILE ||
                      (kind == LOSS_POISSON && size_of(j->range.y, 0) > 0);
    const bool good = column_is_good(j, j->set.target, j->range.y, 0, flat, "") && delta_is_good(j);
    return good ? DONE : FAILED;
}

/* Whether there are as many rows to train on as coefficients, unless dependent ones are allowed,
 * and two for a line. */
static bool rows_suffice(const job *j, int64_t n)
{
    const int64_t features = (int64_t)j->terms.n_features;
    const int64_t least = features + !j->set.no_intercept;
    const bool fewer = j->set.minimum_norm || j->set.drop_dependent;
    if ((n >= least || fewer) && n >= 1 + !j->set.no_intercept) return true;
    fprintf(stderr,
            "%s:%" PRId64 ": %" PRId64 " %s to train on, where %" PRId64
            " %s%s need at least %" PRId64 "\n",
            j->set.data, j->file->line, n, n == 1 ? "row" : "rows", features,
            features == 1 ? "feature" : "features", j->set.no_intercept ? "" : " and an intercept",
            least);
    return false;
}

/* All rows that were read. */
static sample make_sample(const job *j)
{
    const int64_t n = j->n_rows, wide = (int64_t)j->terms.n_variables;
    const int64_t inputs = (int64_t)j->terms.n_inputs;
    tg_tensor *values = tg_wrap_f64(j->tg, TG_SHAPE(n, wide), TG_CONTIGUOUS, j->rows.values);
    return (sample){.x = make_features(j, j->rows.values, j->rows.n, j->terms.n_variables),
                    .y = tg_narrow(values, 1, inputs, 1),
                    .weights = j->set.weights ? tg_narrow(values, 1, inputs + 1, 1) : NULL};
}

/* Makes the rows to train on, and holds so many out. */
static void take_sample(job *j, int64_t n_held)
{
    j->train = make_sample(j);
    if (n_held) {
        sample all = j->train;
        tg_tensor *order = tg_randperm(j->tg, j->n_rows);
        j->held = take_rows(&all, tg_narrow(order, 0, 0, n_held));
        j->train = take_rows(&all, tg_narrow(order, 0, n_held, j->n_rows - n_held));
    }
    j->range = find_range(&j->train);
}

int split_rows(job *j)
{
    const int64_t n = j->n_rows;
    int64_t n_held = (int64_t)floor(j->set.test_fraction * (double)n + 0.5);
    if (n_held == 0 && j->set.test_fraction > 0) n_held = 1;
    if (!rows_suffice(j, n - n_held)) return FAILED;
    if (j->rows.values) take_sample(j, n_held);
    return check_columns(j);
}
