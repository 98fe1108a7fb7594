/* Reads numbers from a CSV file whose first line has the names of the columns. */
#ifndef EXAMPLES_CSV_H
#define EXAMPLES_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The greatest length of a line. Because of it, a file without line ends is not read into
 * memory. */
#define CSV_MAX_LINE (1 << 20)

/* An open file. Callers may read the members up to error, and set drop_missing and counts; the
 * others are for csv.c. */
typedef struct csv {
    const char *path;
    char **names; /* of the columns */
    size_t n_columns;
    bool drop_missing; /* whether csv_read leaves out rows where a chosen value is missing */
    size_t n_rows;     /* how many rows csv_read has read; callers of csv_next count them */
    size_t n_dropped;  /* how many rows were left out */
    bool is_missing;   /* whether the error is a missing value */
    char error[640];   /* the message, one line: "path:line: what is wrong" */

    FILE *stream;
    char ***sorted; /* pointers to the elements of names, sorted by name */
    size_t line;    /* the number of the current line, from 1 */
    char *text;     /* the text of the current line, which is cut into cells */
    char **cells;   /* the cells of the current line */
    size_t text_capacity, n_cells, cell_capacity;
} csv;

/* Opens a file and reads the names. The string path must stay valid. Returns false, with the error,
 * on failure. csv_close must be called in any case. */
bool csv_open(csv *file, const char *path);

/* The index of the column with this name. Returns n_columns, with the error, if there is none. */
size_t csv_find(csv *file, const char *name);

/* Reads the next row into the cells that follow. Returns false at the end of the file and on error.
 */
bool csv_next(csv *file);

/* What a cell of the row holds. A cell is missing if it is empty or is NA, NaN, null, a point or a
 * dash. */
typedef enum csv_kind { CSV_NUMBER, CSV_TEXT, CSV_INFINITE, CSV_MISSING } csv_kind;

/* The kind of a cell. Writes a number to *value. */
csv_kind csv_cell(const csv *file, size_t column, double *value);

/* The text of a cell, without quotes. */
const char *csv_text(const csv *file, size_t column);

/* Sets the error, with the file and the line, and without control characters. Returns false. */
bool csv_fail(csv *file, const char *format, ...);

/* Sets the error of a cell that should be a number. Returns false. */
bool csv_refuse(csv *file, size_t column);

/* Whether all rows were read, after csv_next has returned false, and n_rows is not 0. The error
 * otherwise says what is wrong. */
bool csv_end(csv *file);

/* Reads n columns of every row. Returns an array, row after row, which the caller frees. The other
 * columns may hold any text. Returns NULL, with the error, if a cell is not a finite number, a row
 * has too few or too many cells, or there is no row. */
double *csv_read(csv *file, const size_t *columns, size_t n);

void csv_close(csv *file);

/* Cuts a line into cells at its commas, in place, and removes quotes and the spaces around each
 * cell. Writes at most max cells, and returns how many there are; 0 if a quote is not closed or is
 * followed by text. */
size_t csv_split(char *line, char **cells, size_t max);

/* Writes one cell, in quotes if a comma, quote or space in it needs them. */
void csv_write(FILE *out, const char *cell);

#endif
