/* The terms of a model: what is computed from the columns of a file, and the features that this
 * makes.
 *
 * A term is a variable or a product of some. A variable is a column, a power of it, a function of
 * it, or a factor: a column of text, or of numbers that only tell groups apart. A term makes one
 * feature, and a term with factors makes one for each of their levels, or for each but the first.
 */
#ifndef EXAMPLES_TERMS_H
#define EXAMPLES_TERMS_H

#include <tinygrad.h>

#include "levels.h"

/* A term with so many features is refused. */
#define MAX_FEATURES 65536

/* The most variables in a product. */
#define MAX_PRODUCT 8

typedef enum transform { PLAIN, LOG, SQRT, EXP, FACTOR } transform;

/* Of the targets a CLASS is 0 or 1, or text with two levels, and a COUNT is 0, 1, 2, ... */
typedef enum role { INPUT, TARGET, CLASS, COUNT, WEIGHT } role;

/* A column without transform or power becomes a FACTOR if the file says that it has text and its
 * role is INPUT or CLASS. */
typedef struct variable {
    const char *column;
    char *name;    /* as it is written: log(x)^2 */
    int64_t index; /* of the column, in the file that is read */
    size_t place;  /* of its value, in the rows of that file */
    bool is_text;  /* whether these have the numbers of texts */
    transform how;
    double power;
    role role;
    bool decided;  /* whether it is known if the column is text */
    levels levels; /* of a FACTOR */
} variable;

typedef struct term {
    char *name;
    size_t n, variables[MAX_PRODUCT];
    bool full[MAX_PRODUCT]; /* of a FACTOR: whether its first level has features, too */
} term;

/* The product of a term's variables, where a factor is 1 for the given level and 0 for others. */
typedef struct feature {
    char *name;
    size_t term, levels[MAX_PRODUCT];
} feature;

/* The variables that terms use are the first n_inputs; the target follows, and the weight, if rows
 * have one. */
typedef struct terms {
    variable *variables;
    size_t n_inputs, n_variables;
    term *all;
    size_t n;
    feature *features; /* the first n_features are in use, the others were found dependent */
    size_t n_features, n_made;
    char *text;          /* the names of columns that were parsed */
    size_t n_weightless; /* how many rows were left out because their weight is 0 */
} terms;

/* ---- parse.c */

/* Reads terms from text such as "x, x^2, x*z, log(x)". A message about them begins with `where`. */
int terms_parse(terms *t, const char *where, const char *text, const char *target);

/* The text that terms_parse reads these terms from, which the caller frees. NULL if memory fails.
 */
char *terms_text(const terms *t);

/* ---- terms.c */

/* The functions, as terms write them; NULL for PLAIN. */
extern const char *const transform_names[];

/* Makes room for n terms, and for the target and the weights among the variables. */
bool terms_reserve(terms *t, size_t n);

/* Adds a variable to a term, and to all variables unless it is one of them. */
bool terms_add_variable(terms *t, const variable *v, term *in);

/* Sets the name of a term from those of its variables. */
bool terms_write_name(const terms *t, term *named);

/* Makes a term of each column of the file that has a name, but for these. */
int terms_of_all_columns(terms *t, const tg_csv *file, const char *const *without,
                         size_t n_without);

/* Appends a variable that is no part of a term. */
void terms_append(terms *t, const char *column, role role);

/* Finds the columns of the first n variables in a file. */
int terms_find_columns(terms *t, tg_csv *file, size_t n);

void terms_free(terms *t);

/* Text in memory that the caller frees. NULL if memory fails. */
char *make_text(const char *format, ...);

/* ---- reading.c */

/* The value of a variable, which is no factor, where its column holds x. */
double variable_value(const variable *v, double x);

/* The variables of rows, row after row. Of a factor they are the place of its level, or, as long
 * as there may be more levels to come, the level's code. */
typedef struct row_values {
    double *values;
    size_t n, room; /* how many rows there are, and how many fit */
    bool crowded;   /* whether their features take more memory than they may */
} row_values;

/* Chooses the columns of the first n variables in a file, before rows are read. Like those below,
 * it returns false when it has printed what is wrong. */
bool terms_choose(terms *t, tg_csv *file, size_t n);

/* How many rows, of n variables, are read at a time. */
size_t terms_block(size_t n);

/* Reads the next block of rows of the first n variables, for which `values` has room, and sets
 * *rows to how many there were; the last block of a file is not full. Levels that were not there
 * before are added, with values that are codes, or are an error if `known` is true. */
bool terms_read_block(terms *t, tg_csv *file, size_t n, bool known, double *values, size_t *rows);

/* Chooses the columns of the first n variables, and reads rows until the file ends or they are
 * crowded, for their features take more than so many bytes. The caller frees all->values. */
bool terms_read(terms *t, tg_csv *file, size_t n, bool known, double most, row_values *all);

/* Replaces the codes of levels, of the first n variables, by places. */
void terms_sort_codes(const terms *t, size_t n, row_values *all);

/* ---- features.c */

/* Makes the features of rows whose levels are known. */
int terms_expand(terms *t, bool intercept);

/* Makes the features, without names, of all levels that are known so far, with none left out. Their
 * levels are codes. */
int terms_expand_codes(terms *t);

/* How many features terms_expand_codes makes. */
size_t terms_width(const terms *t);

/* The number of the feature with these codes, among those that terms_expand_codes makes of a term.
 */
size_t terms_code(const terms *t, const term *of, const size_t *codes);

bool terms_has_factor(const terms *t, const term *of);

/* Writes the features of a row, from its variables. */
void terms_fill_row(const terms *t, const double *variables, double *row);

/* Moves a feature to those that are not in use. */
void terms_drop(terms *t, size_t feature);

#endif
