/* Numbers from a CSV file that begins with a line of column names. */
#ifndef EXAMPLES_CSV_H
#define EXAMPLES_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* No line may be longer: a file without line ends is not read into memory. */
#define CSV_MAX_LINE (1 << 20)

/* An open file. Read names, n_columns, n_rows and error; the rest is the reader's. */
typedef struct csv {
    const char *path;
    char **names; /* of the columns */
    size_t n_columns;
    size_t n_rows;   /* that csv_read has read */
    char error[640]; /* one line: path:line: what */

    FILE *stream;
    char ***sorted; /* pointers into names, by name */
    size_t line;    /* the number of the line at hand, from 1 */
    char *text;     /* that line, cut into */
    char **cells;   /* these */
    size_t text_capacity, n_cells, cell_capacity;
} csv;

/* Opens path, which must stay valid, and reads the names. False with the error; csv_close either
 * way. */
bool csv_open(csv *file, const char *path);

/* The index of a column; n_columns, with the error, when there is none of that name. */
size_t csv_find(csv *file, const char *name);

/* The chosen columns of every row, one row after the other, for the caller to free. Other columns
 * may hold anything. NULL with the error when a cell is not a finite number, a row is ragged or
 * there is no row. */
double *csv_read(csv *file, const size_t *columns, size_t n);

void csv_close(csv *file);

/* Cuts a line at its commas, in place: quotes and the spaces around a cell go. At most max cells
 * are written; returns how many there are, 0 when a quote is not closed or followed by text. */
size_t csv_split(char *line, char **cells, size_t max);

/* Writes one cell, in quotes where it needs them. */
void csv_write(FILE *out, const char *cell);

#endif
