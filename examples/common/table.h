/* A CSV file of numbers as a tensor. */
#ifndef EXAMPLES_TABLE_H
#define EXAMPLES_TABLE_H

#include <tinygrad.h>

/* The whole file, float64 (rows, columns); NULL, with a line on stderr, if it cannot be read. */
tg_tensor *table_read(tg_context *tg, const char *path);

/* The column i of a table, or n columns from first on, as a view. */
tg_tensor *table_column(tg_tensor *table, int64_t i);
tg_tensor *table_columns(tg_tensor *table, int64_t first, int64_t n);

/* x with the mean and the standard deviation of each column of like taken out. */
tg_tensor *table_standardize(tg_tensor *x, tg_tensor *like);

#endif
