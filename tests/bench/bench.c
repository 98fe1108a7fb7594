#include "bench.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REPEAT_SECONDS  4e-3 /* the least time of a repeat, which the clock resolves well */
#define QUICK_SECONDS   1e-3 /* that of the quick set */
#define MOST_REPEATS    15
#define FEW_REPEATS     7 /* the number of repeats if one takes longer than LONG_SECONDS */
#define LONG_SECONDS    20e-3
#define LEAST_REPEATS   3 /* if one takes longer than LONGEST_SECONDS */
#define LONGEST_SECONDS 200e-3

static const char *directory;
static FILE *rows;
static bool failed;
static double peak; /* in GFLOP/s; 0: none */
static FILE *torch_questions, *torch_answers;

double bench_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- PyTorch. */

/* Starts rival_torch.py, which answers "ready" if it could import torch. */
static void start_torch(void)
{
    int to[2], from[2];
    if (pipe(to) || pipe(from)) return;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        for (int i = 0; i < 2; i++) close(to[i]), close(from[i]);
        const char *python = getenv("BENCH_PYTHON");
        if (!python) python = "python3";
        execlp(python, python, BENCH_TORCH, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    torch_questions = fdopen(to[1], "w");
    torch_answers = fdopen(from[0], "r");
}

static bool read_answer(char line[64])
{
    return torch_answers && fgets(line, 64, torch_answers);
}

double bench_ask_torch(const char *work, long times)
{
    static enum { UNKNOWN, ABSENT, PRESENT } torch;
    char line[64];
    if (torch == UNKNOWN) {
        start_torch();
        torch = read_answer(line) && strcmp(line, "ready\n") == 0 ? PRESENT : ABSENT;
    }
    if (torch == ABSENT) return NAN;
    fprintf(torch_questions, "%s %ld\n", work, times);
    fflush(torch_questions);
    if (read_answer(line)) return strtod(line, NULL);
    bench_check(false, "the PyTorch script stopped");
    torch = ABSENT;
    return NAN;
}

/* ---- Timing. */

static double time_once(const contender *c)
{
    if (!c->run) return *c->torch ? bench_ask_torch(c->torch, c->times) : NAN;
    c->run(c->data, 1); /* fills the caches, which another contender has used */
    double start = bench_seconds();
    c->run(c->data, c->times);
    return bench_seconds() - start;
}

/* Sets how many times the work is done in one repeat. Returns the seconds that a repeat takes, or
 * NaN if the contender is not installed. */
static double calibrate(contender *c)
{
    const double least = bench_quick() ? QUICK_SECONDS : REPEAT_SECONDS;
    double seconds;
    c->times = 1;
    time_once(c);
    while ((seconds = time_once(c)) < least) {
        double factor = 1.2 * least / fmax(seconds, 1e-9);
        c->times = (long)ceil((double)c->times * fmin(factor, 10));
    }
    return seconds;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_repeats(contender *c, int n, int repeats, double (*seconds)[MOST_REPEATS])
{
    for (int r = 0; r < repeats; r++)
        for (int i = 0; i < n; i++) seconds[i][r] = time_once(&c[i]) / (double)c[i].times;
}

void bench_measure(contender *c, int n)
{
    double seconds[8][MOST_REPEATS], longest = 0;
    for (int i = 0; i < n; i++) longest = fmax(longest, calibrate(&c[i])); /* NaN is left out */
    const int repeats = longest > LONGEST_SECONDS                 ? LEAST_REPEATS
                        : longest > LONG_SECONDS || bench_quick() ? FEW_REPEATS
                                                                  : MOST_REPEATS;
    measure_repeats(c, n, repeats, seconds);
    for (int i = 0; i < n; i++) {
        qsort(seconds[i], (size_t)repeats, sizeof(double), compare_doubles);
        c[i].least = seconds[i][0];
        c[i].median = seconds[i][repeats / 2];
    }
}

/* ---- Rows. */

/* Writes a value with its unit. A time in ns is shown in ns, us, ms or s, whichever suits its
 * size. */
static const char *show(char out[32], double value, const char *unit)
{
    if (isnan(value)) return strcpy(out, "-");
    if (strcmp(unit, "ns") == 0) {
        static const char *const names[] = {"ns", "us", "ms", "s"};
        int i = 0;
        for (; i < 3 && value >= 999.5; i++) value /= 1000;
        unit = names[i];
    }
    snprintf(out, 32, value >= 1000 ? "%.0f %s" : "%.3g %s", value, unit);
    return out;
}

static const char *show_target(char out[32], bench_target t, const char *unit)
{
    if (t.limit == NO_LIMIT) return strcpy(out, "-");
    if (t.limit == AT_MOST) {
        char value[32];
        snprintf(out, 32, "<= %.24s", show(value, t.value, unit));
    } else {
        snprintf(out, 32, "%s %.3gx", t.limit == RATIO_AT_MOST ? "<=" : ">=", t.value);
    }
    return out;
}

/* Whether the target is met, in JSON: "true", "false", or "null" if there is no target or the rival
 * is not installed. */
static const char *met(const row *r, double ratio)
{
    bench_target t = r->target;
    if (t.limit == NO_LIMIT || (t.limit != AT_MOST && isnan(ratio))) return "null";
    bool reached = t.limit == AT_MOST         ? r->ours <= t.value
                   : t.limit == RATIO_AT_MOST ? ratio <= t.value
                                              : ratio >= t.value;
    return reached ? "true" : "false";
}

static void put_number(const char *key, double value)
{
    if (isfinite(value))
        fprintf(rows, ", \"%s\": %.6g", key, value);
    else
        fprintf(rows, ", \"%s\": null", key);
}

static void put_text(const char *key, const char *value)
{
    if (value)
        fprintf(rows, ", \"%s\": \"%s\"", key, value);
    else
        fprintf(rows, ", \"%s\": null", key);
}

/* Our time as a share of the rival's: "leads" below 0.9, "lags" above 1.1, else "ties"; NULL if
 * nothing was compared. A rate is the other way round. */
static const char *standing(const row *r, double ratio)
{
    const double share = strchr(r->unit, '/') ? 1 / ratio : ratio;
    return isnan(share) ? NULL : share < 0.9 ? "leads" : share > 1.1 ? "lags" : "ties";
}

/* The share of the arithmetic peak in percent, or NaN if the row is not compared with it. */
static double percent_of_peak(const row *r)
{
    return peak > 0 && !strcmp(r->unit, "GFLOP/s") ? 100 * r->ours / peak : NAN;
}

static void put_row(const row *r, double ratio)
{
    char goal[32];
    fprintf(rows, "{\"name\": \"%s\"", r->name);
    put_text("size", r->size);
    put_number("ours", r->ours);
    put_text("unit", r->unit);
    put_text("rival", r->rival);
    put_number("theirs", r->rival ? r->theirs : NAN);
    put_number("ratio", ratio);
    put_text("standing", standing(r, ratio));
    put_number("percent_of_peak", percent_of_peak(r));
    put_text("target", r->target.limit ? show_target(goal, r->target, r->unit) : NULL);
    fprintf(rows, ", \"met\": %s", met(r, ratio));
    if (r->ours_best > 0) put_number("ours_best", r->ours_best);
    if (r->theirs_best > 0) put_number("theirs_best", r->theirs_best);
    fprintf(rows, "}\n");
    fflush(rows);
}

void bench_report(const row *r)
{
    char ours[32], theirs[32] = "-", goal[32], shown_ratio[32] = "-", of_peak[32] = "-";
    double ratio = r->rival ? r->ours / r->theirs : NAN;
    if (r->rival && isnan(r->theirs)) strcpy(theirs, "not installed");
    if (!isnan(ratio)) {
        show(theirs, r->theirs, r->unit);
        snprintf(shown_ratio, sizeof shown_ratio, "%.3g", ratio);
    }
    if (!isnan(percent_of_peak(r)))
        snprintf(of_peak, sizeof of_peak, "%.0f %%", percent_of_peak(r));
    const char *judged = met(r, ratio);
    printf("%-26s %-16s %12s %6s  %-22s %13s %8s  %-10s %s\n", r->name, r->size,
           show(ours, r->ours, r->unit), of_peak, r->rival ? r->rival : "-", theirs, shown_ratio,
           show_target(goal, r->target, r->unit),
           *judged == 't'   ? "yes"
           : *judged == 'f' ? "NO"
                            : "-");
    fflush(stdout);
    if (rows) put_row(r, ratio);
}

static double value_of(double seconds, double flops)
{
    return flops > 0 ? flops / seconds * 1e-9 : seconds * 1e9;
}

void bench_compare(const char *name, const char *size, const contender *ours,
                   const contender *theirs, double flops, bench_target target)
{
    bench_report(&(row){.name = name,
                        .size = size,
                        .unit = flops > 0 ? "GFLOP/s" : "ns",
                        .rival = theirs->name,
                        .ours = value_of(ours->median, flops),
                        .ours_best = value_of(ours->least, flops),
                        .theirs = value_of(theirs->median, flops),
                        .theirs_best = value_of(theirs->least, flops),
                        .target = target});
}

void bench_compare_all(const char *name, const char *size, const contender *c, int n, double flops,
                       const bench_target *targets)
{
    for (int i = 0; i < n; i++) bench_compare(name, size, c, &c[i + 1], flops, targets[i]);
}

double bench_memory(const char *field)
{
    char line[256];
    double kb = NAN;
    size_t length = strlen(field);
    FILE *f = fopen("/proc/self/status", "r");
    while (f && isnan(kb) && fgets(line, sizeof line, f))
        if (strncmp(line, field, length) == 0 && line[length] == ':')
            kb = strtod(line + length + 1, NULL);
    if (f) fclose(f);
    return kb;
}

/* ---- The program. */

void bench_set_peak(double gflops)
{
    peak = gflops;
}

bool bench_quick(void)
{
    const char *asked = getenv("BENCH_QUICK");
    return asked && *asked;
}

const char *bench_directory(void)
{
    return directory;
}

void bench_check(bool ok, const char *what)
{
    if (ok) return;
    failed = true;
    fprintf(stderr, "bench: %s\n", what);
}

void bench_begin(int argc, char **argv)
{
    /* A write to a PyTorch script that has stopped must not end this program; bench_ask_torch then
     * notices that the answer is missing. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) return;
    char path[4096];
    directory = argv[1];
    snprintf(path, sizeof path, "%s/bench.rows", directory);
    rows = fopen(path, "a");
    bench_check(rows != NULL, "bench.rows cannot be written");
}

int bench_end(void)
{
    if (rows && fclose(rows)) bench_check(false, "bench.rows could not be written");
    if (torch_questions) fclose(torch_questions);
    if (torch_answers) fclose(torch_answers);
    return failed;
}
