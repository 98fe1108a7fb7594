/* Reads the variables of a model from the rows of a file. */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "regress.h"
#include "terms.h"

double variable_value(const variable *v, double x)
{
    switch (v->how) {
    case LOG: x = log(x); break;
    case SQRT: x = sqrt(x); break;
    case EXP: x = exp(x); break;
    case PLAIN:
    case FACTOR: break;
    }
    return v->power == 1 ? x : pow(x, v->power);
}

/* The text of a factor in the current row, of which x is the number. */
static const char *text_of(const tg_csv *file, const variable *v, double x)
{
    int64_t n;
    return tg_csv_levels(file, v->index, &n)[(int64_t)x];
}

/* Checks that a number suits its role. Returns false, with the error, if it does not. */
static bool check_role(const tg_csv *file, const variable *v, double x)
{
    if (v->role == WEIGHT && x < 0)
        return file_refuse(file, "column '%.40s': a weight must not be negative, as %.15g is",
                           v->column, x);
    if (v->role == WEIGHT && x != 0 && !(x >= 1e-100 && x <= 1e100))
        return file_refuse(
            file, "column '%.40s': %.15g is too large or too small a weight to compute with",
            v->column, x);
    if (v->role == CLASS && x != 0 && x != 1)
        return file_refuse(file,
                           "column '%.40s': %.15g is neither 0 nor 1, as --loss logistic needs",
                           v->column, x);
    if (v->role == COUNT && (x < 0 || x != floor(x)))
        return file_refuse(file, "column '%.40s': %.15g is no count, as --loss poisson needs",
                           v->column, x);
    return true;
}

/* Prints that the data did not have a level. Returns false. */
static bool refuse_level(const tg_csv *file, const variable *v, const char *text, double x)
{
    char all[160] = "", number[32];
    size_t n = 0, i = 0;
    for (; i < v->levels.n && n < sizeof all - 48; i++)
        n += (size_t)sprintf(all + n, i ? ", %.40s" : "%.40s", v->levels.sorted[i].name);
    snprintf(number, sizeof number, "%.15g", x);
    return file_refuse(file, "column '%.40s': '%.40s' is no level of the data: %s%s", v->column,
                       text ? text : number, all, i < v->levels.n ? ", ..." : "");
}

/* Sets the value of a factor to the place of its level, or, as long as there may be more levels to
 * come, to the level's code. */
static bool set_level(const tg_csv *file, variable *v, double *value, bool known)
{
    const char *text = v->is_text ? text_of(file, v, *value) : NULL;
    size_t i = levels_find(&v->levels, text, *value);
    if (i == v->levels.n) {
        if (known) return refuse_level(file, v, text, *value);
        if (i == MAX_LEVELS)
            return file_refuse(file,
                               "column '%.40s' has more than %d levels, too many for a factor; "
                               "leave it out",
                               v->column, MAX_LEVELS);
        if (!levels_add(&v->levels, text, *value)) return file_refuse(file, "out of memory");
        i = levels_find(&v->levels, text, *value);
    }
    *value = known ? (double)i : (double)v->levels.sorted[i].code;
    return true;
}

/* Sets the variables of a row from its cells. A row whose weight is 0 is not used, and adds no
 * levels. */
static bool set_row(terms *t, const tg_csv *file, size_t n, bool known, const double *cells,
                    double *row, bool *used)
{
    bool weightless = false;
    for (size_t i = 0; i < n; i++) {
        const variable *v = &t->variables[i];
        const double x = cells[v->place];
        row[i] = v->how == FACTOR ? x : variable_value(v, x);
        if (v->how != FACTOR && !check_role(file, v, x)) return false;
        if (v->how != FACTOR && !isfinite(row[i]))
            return file_refuse(file, "column '%.40s': %.60s is not finite where it is %.15g",
                               v->column, v->name, x);
        weightless |= v->role == WEIGHT && x == 0;
    }
    t->n_weightless += weightless;
    *used = !weightless;
    for (size_t i = 0; i < n && *used; i++)
        if (t->variables[i].how == FACTOR && !set_level(file, &t->variables[i], &row[i], known))
            return false;
    return true;
}

/* Decides for a variable whether its column is read as text. */
static void decide(variable *v, const tg_csv *file)
{
    const bool text = file->is_text[v->index];
    if (!v->decided && text && v->how == PLAIN && v->power == 1 &&
        (v->role == INPUT || v->role == CLASS))
        v->how = FACTOR;
    if (!v->decided) v->levels.numbers = !text;
    v->decided = true;
    v->is_text = v->how == FACTOR && !v->levels.numbers;
}

/* What the variables want of a column. */
typedef struct use {
    size_t place; /* of its cells among those that are read, from 1; 0: it is not yet chosen */
    bool numbers;
} use;

/* A column is read as text if no variable needs its numbers. */
bool terms_choose(terms *t, tg_csv *file, size_t n)
{
    size_t chosen = 0;
    use *uses = calloc((size_t)file->n_columns, sizeof *uses);
    bool fine = uses || file_refuse(file, "out of memory");
    for (size_t i = 0; i < n && fine; i++) {
        decide(&t->variables[i], file);
        uses[t->variables[i].index].numbers |= !t->variables[i].is_text;
    }
    for (size_t i = 0; i < n && fine; i++) {
        variable *v = &t->variables[i];
        use *u = &uses[v->index];
        if (!u->place) {
            fine = tg_csv_choose(file, v->index, u->numbers ? TG_CSV_NUMBER : TG_CSV_TEXT);
            u->place = ++chosen;
        }
        v->place = u->place - 1;
    }
    free(uses);
    return fine;
}

void terms_sort_codes(const terms *t, size_t n, row_values *all)
{
    for (size_t v = 0; v < n; v++) {
        const levels *from = &t->variables[v].levels;
        double places[MAX_LEVELS] = {0}, *at = all->values + v;
        if (t->variables[v].how != FACTOR) continue;
        for (size_t i = 0; i < from->n; i++) places[from->sorted[i].code] = (double)i;
        for (size_t i = 0; i < all->n; i++) at[i * n] = places[(size_t)at[i * n]];
    }
}

/* Reads the next rows, at most so many, whose cells are read to `cells`. */
static bool read_rows(terms *t, tg_csv *file, size_t n, bool known, size_t most, double *cells,
                      double *values, size_t *rows)
{
    for (*rows = 0; *rows < most && tg_csv_read(file, 1, cells) > 0;) {
        bool used = false;
        if (!set_row(t, file, n, known, cells, values + *rows * n, &used)) return false;
        *rows += used;
    }
    if (tg_ok(file->context)) return true;
    file_complain(file->context, !known); /* each row of --predict gets a prediction */
    return false;
}

size_t terms_block(size_t n)
{
    const size_t rows = ((size_t)1 << 20) / n;
    return rows > 4096 ? 4096 : rows < 16 ? 16 : rows;
}

bool terms_read_block(terms *t, tg_csv *file, size_t n, bool known, double *values, size_t *rows)
{
    double *cells = malloc(n * sizeof *cells);
    const bool fine = cells ? read_rows(t, file, n, known, terms_block(n), cells, values, rows)
                            : file_refuse(file, "out of memory");
    free(cells);
    return fine;
}

/* Makes room for a block of rows, each of n values. */
static bool reserve(row_values *all, size_t n)
{
    const size_t block = terms_block(n), room = all->room ? 2 * all->room : block;
    if (all->room - all->n >= block) return true;
    double *more = room <= SIZE_MAX / 2 / sizeof *more / n
                       ? realloc(all->values, room * n * sizeof *more)
                       : NULL;
    if (!more) return false;
    all->values = more;
    all->room = room;
    return true;
}

/* Prints why there are no rows. Returns false. */
static bool refuse_empty(const terms *t, const tg_csv *file)
{
    const char *what =
        t->n_weightless ? "the weight of every row is 0" : "no rows after the header";
    if (file->dropped && !t->n_weightless)
        fprintf(stderr, "%s: a value is missing in every row\n", file->path);
    else
        fprintf(stderr, "%s:%" PRId64 ": %s\n", file->path, file->line + 1, what);
    return false;
}

bool terms_read(terms *t, tg_csv *file, size_t n, bool known, double most, row_values *all)
{
    size_t rows = terms_block(n);
    if (!terms_choose(t, file, n)) return false;
    for (; rows == terms_block(n) && !all->crowded; all->n += rows) {
        if (!reserve(all, n)) return file_refuse(file, "out of memory");
        if (!terms_read_block(t, file, n, known, all->values + all->n * n, &rows)) return false;
        const double features = (double)terms_width(t);
        all->crowded = (double)(all->n + rows) * features * sizeof(double) > most;
    }
    return all->n > 0 || refuse_empty(t, file);
}
