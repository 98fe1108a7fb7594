/* Usage: ours fit ROWS COLUMNS, or ours csv ROWS COLUMNS FILE. Makes normal random numbers in
 * float64: features, and a target that is their sum and noise. "fit" solves by tg_lstsq, and prints
 * the processor time in seconds, and by how many KB the resident set grew meanwhile; "csv" writes
 * the numbers to a file with the columns y, x1, x2, ... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tinygrad.h>

static void write_csv(const char *path, const tg_tensor *x, const tg_tensor *y)
{
    const int64_t rows = x->shape[0], columns = x->shape[1];
    const double *from = x->data, *target = y->data;
    FILE *file = fopen(path, "w");
    if (!file) exit(1);
    fprintf(file, "y");
    for (int64_t k = 1; k <= columns; k++) fprintf(file, ",x%lld", (long long)k);
    for (int64_t i = 0; i < rows; i++) {
        fprintf(file, "\n%.6f", target[i]);
        for (int64_t k = 0; k < columns; k++) fprintf(file, ",%.6f", from[i * columns + k]);
    }
    fprintf(file, "\n");
    if (fclose(file) != 0) exit(1);
}

/* The value in KB of a line of /proc/self/status. */
static long status(const char *field)
{
    char line[256];
    long value = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (!file) exit(1);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0) value = atol(line + strlen(field) + 1);
    fclose(file);
    return value;
}

static void begin_peak_again(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file || fputs("5", file) < 0 || fclose(file) != 0) exit(1);
}

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    const int64_t rows = atoll(argv[2]), columns = atoll(argv[3]);
    tg_context *tg = tg_open(NULL);
    tg_tensor *x = tg_randn(tg, TG_F64, TG_SHAPE(rows, columns));
    tg_tensor *y = tg_add(tg_sum_dims(x, TG_DIMS(1), false), tg_randn(tg, TG_F64, TG_SHAPE(rows)));
    if (y && argc > 4) {
        write_csv(argv[4], x, y);
    } else {
        begin_peak_again();
        const long before = status("VmRSS");
        const clock_t begin = clock();
        tg_lstsq(x, y);
        printf("%g ", (double)(clock() - begin) / CLOCKS_PER_SEC);
        printf("%ld\n", status("VmHWM") - before);
    }
    const bool done = tg_ok(tg);
    if (!done) fprintf(stderr, "%s\n", tg_error(tg));
    tg_close(tg);
    return done ? 0 : 1;
}
