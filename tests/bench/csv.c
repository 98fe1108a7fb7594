/* Reading a CSV file of numbers, which lies in the page cache of the system, against a loop of
 * strtod and, if it is installed, pandas with the option that rounds correctly, too. The file is in
 * the folder in which the program runs. */
#include <stdio.h>
#include <stdlib.h>
#include <tinygrad.h>

#include "bench.h"

enum { ROWS = 500000, COLUMNS = 4 };

static const char path[] = "bench_csv.csv";

static void read_by_library(void *data, long times)
{
    tg_context *tg = data;
    for (long i = 0; i < times; i++) {
        tg_scope_begin(tg);
        tg_read_csv(tg, path, NULL);
        tg_scope_end(tg);
    }
}

/* Reads the numbers of a file whose size and number of rows are known. */
static void read_by_hand(void *data, long times)
{
    const size_t bytes = *(const size_t *)data;
    for (long i = 0; i < times; i++) {
        char *text = malloc(bytes + 1), *at = text;
        double *values = malloc(sizeof(double) * ROWS * COLUMNS);
        FILE *file = fopen(path, "rb");
        if (!file || !text || !values || fread(text, 1, bytes, file) != bytes) exit(1);
        fclose(file);
        text[bytes] = 0;
        while (*at != '\n') at++;
        for (size_t k = 0; k < ROWS * COLUMNS; k++) values[k] = strtod(at + 1, &at);
        bench_check(*at == '\n' && values[COLUMNS] != 0, "a number of the file was not read");
        free(text);
        free(values);
    }
}

static size_t write_file(void)
{
    FILE *file = fopen(path, "wb");
    if (!file) exit(1);
    fputs("a,b,c,d\n", file);
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        const double value = (double)(random >> 11) / 9007199254740992. * 8 - 4;
        fprintf(file, "%.6f%c", value, (i + 1) % COLUMNS ? ',' : '\n');
    }
    const size_t bytes = (size_t)ftell(file);
    if (fclose(file) != 0) exit(1);
    return bytes;
}

static void report(const contender *ours, const contender *theirs, double megabytes)
{
    char size[32];
    snprintf(size, sizeof size, "%.0f MB", megabytes);
    bench_report(&(row){.name = "read_csv",
                        .size = size,
                        .unit = "MB/s",
                        .rival = theirs->name,
                        .ours = megabytes / ours->median,
                        .ours_best = megabytes / ours->least,
                        .theirs = megabytes / theirs->median,
                        .theirs_best = megabytes / theirs->least,
                        .target = {RATIO_AT_LEAST, 1}});
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    tg_context *tg = tg_open(NULL);
    size_t bytes = write_file();
    contender c[] = {{.name = "libtinygrad", .run = read_by_library, .data = tg},
                     {.name = "strtod", .run = read_by_hand, .data = &bytes},
                     {.name = "pandas"}};
    if (system("\"${BENCH_PYTHON:-python3}\" -c 'import pandas' 2>/dev/null") == 0)
        snprintf(c[2].torch, sizeof c[2].torch, "csv %s", path);
    bench_measure(c, 3);
    bench_check(tg_ok(tg), tg_error(tg));
    for (int i = 1; i < 3; i++) report(&c[0], &c[i], (double)bytes / 1e6);
    remove(path);
    tg_close(tg);
    return bench_end();
}
