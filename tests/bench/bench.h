/* What the benchmarks share: timing, the rows of the table, and PyTorch on the other end of a pipe.
 *
 * A program measures contenders, of which the first is the library, and reports rows. Each row goes
 * to standard output, and as a line of JSON to bench.rows in the directory that is the program's
 * one optional argument. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>

/* A way to do a piece of work. */
typedef struct contender {
    const char *name;
    void (*run)(void *data, long times); /* does the work so many times; NULL: PyTorch does it, */
    void *data;
    char torch[80]; /* named in the words of rival_torch.py; "": the contender is not there */
    long times;
    double median, least; /* seconds for doing it once; NaN when the contender is not there */
} contender;

/* Fills in the times, from interleaved repeats, each long enough for the clock. */
void bench_measure(contender *c, int n);

/* The answer of rival_torch.py; NaN when PyTorch is not installed. */
double bench_ask_torch(const char *work, long times);

typedef enum bench_limit { NO_LIMIT, AT_MOST, RATIO_AT_MOST, RATIO_AT_LEAST } bench_limit;

typedef struct bench_target {
    bench_limit limit; /* of our value in the row's unit, or of ours / theirs */
    double value;
} bench_target;

typedef struct row {
    const char *name, *size, *unit;
    const char *rival; /* NULL: none */
    double ours, ours_best;
    double theirs, theirs_best; /* NaN: not installed */
    bench_target target;
} row;

void bench_report(const row *r);

/* The row of two measured contenders, in ns or, where flops are given, in GFLOP/s. */
void bench_compare(const char *name, const char *size, const contender *ours,
                   const contender *theirs, double flops, bench_target target);
/* The same for each of the n rivals that follow ours in c. */
void bench_compare_all(const char *name, const char *size, const contender *c, int n, double flops,
                       const bench_target *targets);

/* A size or a peak of /proc/self/status in KB, such as "VmRSS"; NaN where there is none. */
double bench_memory(const char *field);

double bench_seconds(void);

/* The directory for files; NULL when none was given. */
const char *bench_directory(void);

/* Something is wrong, other than slow, when ok is false: says what, and bench_end returns 1. */
void bench_check(bool ok, const char *what);

void bench_begin(int argc, char **argv);
int bench_end(void);

#endif
