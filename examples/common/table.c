#include "table.h"

#include <stdio.h>

tg_tensor *table_read(tg_context *tg, const char *path)
{
    tg_tensor *t = tg_read_csv(tg, path, NULL);
    if (!t) fprintf(stderr, "%s\n", tg_error(tg));
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
