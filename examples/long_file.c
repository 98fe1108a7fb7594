/* Least squares on a CSV file of any length, in memory that does not grow with it: the rows are
 * read in blocks, and each block is added to the triangle of a QR factorization. The last column is
 * the target. A file of a hundred million rows can come from a pipe:
 *
 *     zcat rows.csv.gz | long_file - */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tinygrad.h>

enum { BLOCK = 4096 }; /* rows that are read at a time */

/* The columns of a file, of which the last is the target. */
typedef struct table {
    tg_csv *file;
    int64_t columns;
    double *cells;  /* of a block of rows */
    double *center; /* the first row, which is subtracted from all others: columns that are far from
                       0 keep their digits */
    double *block;  /* the same rows as (1, cells - center) */
} table;

static bool table_open(table *t, tg_context *tg, const char *path)
{
    t->file = tg_csv_open(tg, path, NULL);
    if (!t->file) return false;
    t->columns = t->file->n_columns;
    for (int64_t i = 0; i < t->columns; i++) tg_csv_choose(t->file, i, TG_CSV_NUMBER);
    const size_t row = (size_t)(t->columns + 1) * sizeof(double);
    t->cells = malloc(BLOCK * row);
    t->center = calloc(1, row);
    t->block = malloc(BLOCK * row);
    return t->cells && t->center && t->block;
}

static void table_close(table *t)
{
    tg_csv_close(t->file);
    free(t->cells);
    free(t->center);
    free(t->block);
}

/* Reads the next rows as a tensor, which is valid until the next call. NULL at the end. */
static tg_tensor *table_next(table *t)
{
    const bool first = t->file->rows == 0;
    const int64_t k = t->columns, n = tg_csv_read(t->file, BLOCK, t->cells);
    if (n == 0) return NULL;
    if (first) memcpy(t->center, t->cells, (size_t)k * sizeof *t->cells);
    for (int64_t i = 0; i < n; i++) {
        double *row = t->block + i * (k + 1);
        row[0] = 1;
        for (int64_t j = 0; j < k; j++) row[j + 1] = t->cells[i * k + j] - t->center[j];
    }
    return tg_wrap_f64(t->file->context, TG_SHAPE(n, k + 1), TG_CONTIGUOUS, t->block);
}

/* The matrix that takes coefficients of (1, x - center) to those of (1, x): the intercept moves to
 * where all features are 0. */
static tg_tensor *table_shift(const table *t)
{
    tg_tensor *shift = tg_eye(t->file->context, TG_F64, t->columns, t->columns);
    for (int64_t j = 1; shift && j < t->columns; j++)
        ((double *)shift->data)[j] = -t->center[j - 1];
    return shift;
}

/* Whether a column of (1, x) is a combination of those before it, or there are too few rows. */
static bool is_dependent(tg_tensor *r)
{
    tg_tensor *rest = tg_abs(tg_diagonal(r, 0, 0, 1)),
              *whole = tg_norm_dims(r, 2, TG_DIMS(0), false);
    return tg_item(tg_any(tg_le(rest, tg_mul_scalar(whole, 1e-14)))) != 0;
}

/* Prints coefficients and standard errors. The triangle is [r c; 0 s] for (1, x, y): the
 * coefficients are r^-1 c, and s^2 is the sum of the squared residuals. */
static bool report(const table *t, tg_tensor *triangle)
{
    const int64_t k = t->columns, rows = t->file->rows;
    tg_context *tg = t->file->context;
    tg_tensor *top = tg_narrow(triangle, 0, 0, k), *shift = table_shift(t);
    tg_tensor *r = tg_narrow(top, 1, 0, k), *c = tg_narrow(top, 1, k, 1);
    tg_tensor *b = tg_matmul(shift, tg_solve_triangular(r, c, TG_UPPER));
    tg_tensor *root = tg_matmul(shift, tg_solve_triangular(r, tg_eye(tg, TG_F64, k, k), TG_UPPER));
    tg_tensor *lengths = tg_norm_dims(root, 2, TG_DIMS(1), false);
    const double s = tg_get(triangle, TG_INDEX(k, k)), error = s / sqrt((double)(rows - k));
    if (!tg_ok(tg)) return false;
    if (is_dependent(r) || rows <= k) {
        fprintf(stderr, "%s: a column is a combination of others, or there are too few rows\n",
                t->file->path);
        return false;
    }
    printf("%lld rows, residual standard error %.10g\n\n", (long long)rows, error);
    for (int64_t j = 0; j < k; j++) {
        const double value = tg_get(b, TG_INDEX(j, 0)) + (j ? 0 : t->center[k - 1]);
        printf("%-16s %22.15g  +- %.6g\n", j ? t->file->names[j - 1] : "intercept", value,
               error * tg_get(lengths, TG_INDEX(j)));
    }
    return true;
}

/* Adds all rows of the file to a triangle of zeros. */
static tg_tensor *factorize(table *t)
{
    tg_context *tg = t->file->context;
    tg_tensor *r = tg_zeros(tg, TG_F64, TG_SHAPE(t->columns + 1, t->columns + 1));
    for (bool more = true; more;) {
        tg_scope_begin(tg);
        tg_tensor *rows = table_next(t);
        more = rows && tg_qr_add_rows_(r, rows);
        tg_scope_end(tg);
    }
    return r;
}

int main(int argc, char **argv)
{
    table t = {0};
    tg_context *tg = tg_open(NULL);
    const bool opened = table_open(&t, tg, argc > 1 ? argv[1] : EXAMPLES_DATA "/diabetes.csv");
    const bool done = opened && report(&t, factorize(&t));
    if (!tg_ok(tg)) fprintf(stderr, "%s\n", tg_error(tg));
    if (tg_ok(tg) && !opened) fputs("long_file: out of memory\n", stderr);
    table_close(&t);
    tg_close(tg);
    return !done;
}
