/* Reads a CSV file of numbers into a tensor. */
#ifndef EXAMPLES_TABLE_H
#define EXAMPLES_TABLE_H

#include <tinygrad.h>

/* Reads the whole file: float64 (rows, columns). Returns NULL, and prints a line on stderr, if that
 * fails. */
tg_tensor *table_read(tg_context *tg, const char *path);

/* Column i of a table, and n columns from `first` on; both are views. */
tg_tensor *table_column(tg_tensor *table, int64_t i);
tg_tensor *table_columns(tg_tensor *table, int64_t first, int64_t n);

/* Standardises the columns of x by those of `like`: subtracts the mean of each column of `like`,
 * and divides by its standard deviation. */
tg_tensor *table_standardize(tg_tensor *x, tg_tensor *like);

#endif
