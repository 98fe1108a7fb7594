/* What the benchmarks share: the clock, the rows of the table, and a process that runs PyTorch.
 *
 * A program measures contenders, ways to do the same work, of which the first is this library, and
 * reports rows. Each row is printed. If the program is given a directory as its argument, the row
 * is also appended to the file bench.rows there, as a line of JSON. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>

/* A way to do a piece of work. */
typedef struct contender {
    const char *name;
    void (*run)(void *data, long times); /* does the work so many times; NULL if PyTorch does it */
    void *data;
    char torch[80];       /* the work, as rival_torch.py names it. If it is "" and run is NULL, the
                             contender is not installed on this machine. */
    long times;           /* how often the work is done in one repeat */
    double median, least; /* seconds for doing it once; NaN if the contender is not installed */
} contender;

/* Measures n contenders: sets times, median and least. Their repeats take turns, so that other
 * programs on the machine slow down all of them alike. Each repeat is long enough for the clock. */
void bench_measure(contender *c, int n);

/* Asks rival_torch.py to do the work so many times, and returns its answer: seconds, or KB for
 * memory. NaN if PyTorch is not installed. */
double bench_ask_torch(const char *work, long times);

typedef enum bench_limit { NO_LIMIT, AT_MOST, RATIO_AT_MOST, RATIO_AT_LEAST } bench_limit;

typedef struct bench_target {
    bench_limit limit; /* bounds our value, in the unit of the row, or the ratio ours / theirs */
    double value;
} bench_target;

typedef struct row {
    const char *name, *size, *unit;
    const char *rival; /* NULL if there is none */
    double ours, ours_best;
    double theirs, theirs_best; /* NaN if the rival is not installed */
    bench_target target;
} row;

void bench_report(const row *r);

/* Sets the arithmetic peak in GFLOP/s, which rows that are reported in GFLOP/s are compared with.
 * 0, which it is at the start, means that they are not compared. */
void bench_set_peak(double gflops);

/* Reports a row of two measured contenders: in GFLOP/s if flops, the number of floating-point
 * operations of the work, is not 0; else in ns. */
void bench_compare(const char *name, const char *size, const contender *ours,
                   const contender *theirs, double flops, bench_target target);
/* Reports such a row for each of n rivals. c[0] is this library, and the rivals follow it. */
void bench_compare_all(const char *name, const char *size, const contender *c, int n, double flops,
                       const bench_target *targets);

/* Returns the value in KB of a line of /proc/self/status, such as "VmRSS", or NaN if there is none.
 */
double bench_memory(const char *field);

/* The time in seconds since some fixed point. */
double bench_seconds(void);

/* Returns the directory that was given to the program, or NULL if none was. */
const char *bench_directory(void);

/* Checks a result, not its speed: if ok is false, prints `what`, and bench_end will return 1. */
void bench_check(bool ok, const char *what);

/* Whether only the quick set is asked for, by BENCH_QUICK in the environment: fewer rows, and fewer
 * and shorter repeats. */
bool bench_quick(void);

/* Every program begins with bench_begin, and returns from main what bench_end returns. */
void bench_begin(int argc, char **argv);
int bench_end(void);

#endif
