/* From the file to rows: which columns regress uses, their values, and which rows are held out. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regress.h"

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

int read_data(job *j)
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

/* The rows with the numbers in `rows`. */
static sample take_rows(sample all, tg_tensor *rows)
{
    if (!all.x || !rows) return (sample){NULL, NULL};
    tg_tensor *index = tg_unsqueeze(rows, 1);
    tg_tensor *wide = tg_expand(index, TG_SHAPE(rows->numel, all.x->shape[1]));
    return (sample){.x = tg_gather(all.x, 0, wide), .y = tg_gather(all.y, 0, index)};
}

/* Whether a column of the rows to train on varies, but not beyond what can be computed with. */
static bool column_is_good(const job *j, const char *name, tg_tensor *column)
{
    double least = tg_item(tg_min(column)), spread = tg_item(tg_max(column)) - least;
    double size = fmax(fabs(least), fabs(least + spread));
    if ((spread > 1e-100 && size < 1e100) || !tg_ok(j->tg)) return true;
    fprintf(stderr, "%s:1: column '%.60s' %s%s\n", j->set.data, name,
            spread > 0 ? "has values too large or too close to compute with" : "is constant",
            j->held.x ? " in the rows to train on" : "");
    return false;
}

static bool columns_are_good(const job *j)
{
    const int64_t k = (int64_t)j->columns.n_features;
    for (int64_t i = 0; tg_ok(j->tg) && i < k; i++)
        if (!column_is_good(j, j->columns.names[i], tg_select(j->train.x, 1, i))) return false;
    return column_is_good(j, j->set.target, j->train.y);
}

int split_rows(job *j)
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
    tg_tensor *values = tg_wrap_f64(j->tg, TG_SHAPE(n, width), TG_CONTIGUOUS, j->values);
    j->train.x = tg_narrow(values, 1, 0, width - 1);
    j->train.y = tg_narrow(values, 1, width - 1, 1);
    if (n_held) {
        sample all = j->train;
        tg_tensor *order = tg_randperm(j->tg, n);
        j->held = take_rows(all, tg_narrow(order, 0, 0, n_held));
        j->train = take_rows(all, tg_narrow(order, 0, n_held, n - n_held));
    }
    return columns_are_good(j) ? DONE : FAILED;
}
