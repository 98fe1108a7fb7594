/* A fuzz target for the CSV reader, which tests/fuzz/run.sh builds and runs.
 *
 * The first byte chooses options, and the others are the file. It is read by rows and by blocks,
 * which must give the same values and the same error. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tinygrad.h>

enum { COLUMNS = 16, ROWS = 64 };

/* What reading a file has given: the rows, a sum over the bits of the values, and the error. */
typedef struct outcome {
    int64_t rows, dropped, line;
    uint64_t sum;
    char error[300];
} outcome;

static void choose(tg_csv *csv, unsigned text)
{
    for (int64_t i = 0; i < csv->n_columns && i < COLUMNS; i++)
        tg_csv_choose(csv, i, csv->is_text[i] != (text >> i % 3 & 1) ? TG_CSV_TEXT : TG_CSV_NUMBER);
}

/* Checks that the values of text are numbers of levels. */
static void check_levels(const tg_csv *csv)
{
    for (int64_t i = 0; i < csv->n_columns; i++) {
        int64_t n;
        const char *const *names = tg_csv_levels(csv, i, &n);
        for (int64_t k = 1; k < n; k++)
            if (!strcmp(names[k], names[k - 1])) abort();
    }
}

static void read_file(const uint8_t *data, size_t size, int64_t block, outcome *out)
{
    static double values[COLUMNS * ROWS];
    memset(out, 0, sizeof *out);
    tg_csv_options o = tg_csv_defaults();
    o.missing = (tg_missing)(data[0] % 3);
    o.max_levels = data[0] & 4 ? 3 : 0;
    o.file = size > 1 ? fmemopen((void *)(uintptr_t)(data + 1), size - 1, "rb") : tmpfile();
    tg_context *tg = tg_open(NULL);
    tg_csv *csv = tg_csv_open(tg, "file", &o);
    if (csv) choose(csv, data[0] >> 3);
    const int64_t width = csv && csv->n_columns < COLUMNS ? csv->n_columns : COLUMNS;
    for (int64_t n; (n = tg_csv_read(csv, block, values)) > 0;)
        for (int64_t i = 0; i < n * width; i++) {
            uint64_t bits = 1;
            if (values[i] == values[i]) memcpy(&bits, &values[i], sizeof bits);
            out->sum = out->sum * 31 + bits;
        }
    snprintf(out->error, sizeof out->error, "%s", tg_error(tg));
    if (csv) {
        check_levels(csv);
        out->rows = csv->rows;
        out->dropped = csv->dropped;
        out->line = csv->line;
    }
    tg_csv_close(csv);
    tg_close(tg);
    fclose(o.file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    outcome rows, blocks;
    if (size == 0) return 0;
    read_file(data, size, 1, &rows);
    read_file(data, size, ROWS, &blocks);
    if (memcmp(&rows, &blocks, sizeof rows) != 0) abort();
    return 0;
}
