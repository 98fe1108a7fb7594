#include "table.h"

#include <stdio.h>
#include <stdlib.h>

#include "csv.h"

static tg_tensor *read_all(tg_context *tg, csv *file)
{
    tg_tensor *t = NULL;
    size_t *columns = malloc(file->n_columns * sizeof *columns);
    for (size_t i = 0; columns && i < file->n_columns; i++) columns[i] = i;
    double *values = columns ? csv_read(file, columns, file->n_columns) : NULL;
    if (values)
        t = tg_from_f64(tg, TG_SHAPE((int64_t)file->n_rows, (int64_t)file->n_columns), values);
    free(values);
    free(columns);
    return t;
}

tg_tensor *table_read(tg_context *tg, const char *path)
{
    csv file;
    tg_tensor *t = csv_open(&file, path) ? read_all(tg, &file) : NULL;
    if (!t) fprintf(stderr, "%s\n", tg_ok(tg) ? file.error : tg_error(tg));
    csv_close(&file);
    return t;
}

tg_tensor *table_column(tg_tensor *table, int64_t i)
{
    return tg_select(table, 1, i);
}

tg_tensor *table_columns(tg_tensor *table, int64_t first, int64_t n)
{
    return tg_narrow(table, 1, first, n);
}

tg_tensor *table_standardize(tg_tensor *x, tg_tensor *like)
{
    tg_tensor *mean = tg_mean_dims(like, TG_DIMS(0), TG_KEEPDIM);
    return tg_div(tg_sub(x, mean), tg_std_dims(like, TG_DIMS(0), 1, TG_KEEPDIM));
}
