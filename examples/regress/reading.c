/* Reads the variables of a model from the rows of a file. */
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

/* Learns from the first value of a column whether it is text. */
static void decide(variable *v, csv_kind kind)
{
    if (v->decided || kind == CSV_MISSING) return;
    v->decided = true;
    if (v->how == PLAIN && v->power == 1 && kind == CSV_TEXT &&
        (v->role == INPUT || v->role == CLASS))
        v->how = FACTOR;
    v->levels.numbers = kind == CSV_NUMBER;
}

/* Checks that a number suits its role. Returns false, with the error, if it does not. */
static bool check_role(csv *file, const variable *v, double x)
{
    if (v->role == WEIGHT && x < 0)
        return csv_fail(file, "column '%.40s': a weight must not be negative, as %.15g is",
                        v->column, x);
    if (v->role == CLASS && x != 0 && x != 1)
        return csv_fail(file, "column '%.40s': %.15g is neither 0 nor 1, as --loss logistic needs",
                        v->column, x);
    if (v->role == COUNT && (x < 0 || x != floor(x)))
        return csv_fail(file, "column '%.40s': %.15g is no count, as --loss poisson needs",
                        v->column, x);
    return true;
}

/* Reads a variable of the current row. A factor's value is set later, by set_level. Returns false,
 * with the error, if the cell is not what it must be. */
static bool read_cell(csv *file, variable *v, double *value, bool *missing)
{
    const csv_kind kind = csv_cell(file, v->index, value);
    decide(v, kind);
    if (kind == CSV_MISSING && file->drop_missing) {
        *missing = true;
        return true;
    }
    const bool text = v->how == FACTOR && !v->levels.numbers;
    if (kind == CSV_MISSING || (kind != CSV_NUMBER && !text)) return csv_refuse(file, v->index);
    if (v->how == FACTOR) return true;
    const double x = *value;
    if (!check_role(file, v, x)) return false;
    *value = variable_value(v, x);
    return isfinite(*value) ||
           csv_fail(file, "column '%.40s': %.60s is not finite where it is %.15g", v->column,
                    v->name, x);
}

/* Sets the error of a level that the data did not have. Returns false. */
static bool refuse_level(csv *file, const variable *v)
{
    char all[160] = "";
    size_t n = 0, i = 0;
    for (; i < v->levels.n && n < sizeof all - 48; i++)
        n += (size_t)sprintf(all + n, i ? ", %.40s" : "%.40s", v->levels.sorted[i].name);
    return csv_fail(file, "column '%.40s': '%.40s' is no level of the data: %s%s", v->column,
                    csv_text(file, v->index), all, i < v->levels.n ? ", ..." : "");
}

/* Sets the value of a factor to the place of its level, or, as long as there may be more levels to
 * come, to the level's code. */
static bool set_level(csv *file, variable *v, double *value, bool known)
{
    const char *text = csv_text(file, v->index);
    size_t i = levels_find(&v->levels, text, *value);
    if (i == v->levels.n) {
        if (known) return refuse_level(file, v);
        if (i == MAX_LEVELS)
            return csv_fail(file,
                            "column '%.40s' has more than %d levels, too many for a factor; leave "
                            "it out",
                            v->column, MAX_LEVELS);
        if (!levels_add(&v->levels, text, *value)) return csv_fail(file, "out of memory");
        i = levels_find(&v->levels, text, *value);
    }
    *value = known ? (double)i : (double)v->levels.sorted[i].code;
    return true;
}

/* Reads the current row. A row that is left out adds no levels. */
static bool read_row(terms *t, csv *file, size_t n, bool known, double *row)
{
    bool missing = false, weightless = false;
    for (size_t i = 0; i < n; i++) {
        if (!read_cell(file, &t->variables[i], &row[i], &missing)) return false;
        weightless |= t->variables[i].role == WEIGHT && row[i] == 0;
    }
    file->n_dropped += missing;
    t->n_weightless += weightless && !missing;
    if (missing || weightless) return true;
    file->n_rows++;
    for (size_t i = 0; i < n; i++)
        if (t->variables[i].how == FACTOR && !set_level(file, &t->variables[i], &row[i], known))
            return false;
    return true;
}

/* Replaces the codes of a factor's levels by their places. */
static void sort_codes(const levels *all, double *values, size_t rows, size_t stride)
{
    double places[MAX_LEVELS] = {0};
    for (size_t i = 0; i < all->n; i++) places[all->sorted[i].code] = (double)i;
    for (size_t i = 0; i < rows; i++) values[i * stride] = places[(size_t)values[i * stride]];
}

double *terms_read(terms *t, csv *file, size_t n, bool known)
{
    double *values = NULL;
    for (size_t room = 0; csv_next(file);) {
        if (file->n_rows == room) {
            room = room ? 2 * room : 16;
            double *more = room <= SIZE_MAX / 2 / sizeof *values / n
                               ? realloc(values, room * n * sizeof *values)
                               : NULL;
            if (!more && csv_fail(file, "out of memory")) break;
            if (!more) break;
            values = more;
        }
        if (!read_row(t, file, n, known, values + file->n_rows * n)) break;
    }
    if (!*file->error && !file->n_rows && t->n_weightless)
        csv_fail(file, "the weight of every row is 0");
    if (!csv_end(file)) {
        free(values);
        return NULL;
    }
    for (size_t i = 0; i < n && !known; i++)
        if (t->variables[i].how == FACTOR)
            sort_codes(&t->variables[i].levels, values + i, file->n_rows, n);
    return values;
}
