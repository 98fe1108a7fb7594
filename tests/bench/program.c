/* Whole programs: how long the lecture's program takes from start to end, how large it and the
 * library are, and how long the library takes to build. */
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* Runs a program to its end and discards its output. */
static void run_program(void *path, long times)
{
    char *const arguments[] = {path, NULL};
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    while (times-- > 0) {
        pid_t child;
        int status = 1;
        if (posix_spawn(&child, path, &quiet, NULL, arguments, (char *[]){NULL}) == 0)
            waitpid(child, &status, 0);
        bench_check(status == 0, path);
    }
    posix_spawn_file_actions_destroy(&quiet);
}

static void measure_start(void)
{
    enum { STATIC, SHARED, ALL_STATIC, EMPTY, EMPTY_STATIC };
    contender c[] = {
        [STATIC] = {.run = run_program, .data = BENCH_LECTURE},
        [SHARED] = {.run = run_program, .data = BENCH_LECTURE_SHARED},
        [ALL_STATIC] = {.run = run_program, .data = BENCH_LECTURE_STATIC},
        [EMPTY] = {.name = "empty C program", .run = run_program, .data = BENCH_EMPTY},
        [EMPTY_STATIC] = {.name = "empty, all static",
                          .run = run_program,
                          .data = BENCH_EMPTY_STATIC},
    };
    const bench_target goal = {RATIO_AT_MOST, 1.2}, none = {NO_LIMIT, 0};
    bench_measure(c, 5);
    bench_compare("lecture, whole program", "libtinygrad.a", &c[STATIC], &c[EMPTY], 0, goal);
    bench_compare("lecture, whole program", "libtinygrad.so", &c[SHARED], &c[EMPTY], 0, none);
    bench_compare("lecture, whole program", "all static", &c[ALL_STATIC], &c[EMPTY_STATIC], 0,
                  none);
}

static double kilobytes(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 ? (double)s.st_size / 1024 : NAN;
}

static void report_size(const char *name, double kb, double limit)
{
    bench_check(!isnan(kb), name);
    bench_report(&(row){
        .name = name, .size = "stripped", .unit = "KB", .ours = kb, .target = {AT_MOST, limit}});
}

/* Configures and builds the library alone, as a static and as a shared one. */
static void measure_build(void)
{
    double start = bench_seconds();
    bench_check(system("rm -rf " BENCH_BUILD " && cmake -S " BENCH_SOURCE " -B " BENCH_BUILD
                       " -DTINYGRAD_BUILD_TESTS=OFF -DTINYGRAD_BUILD_EXAMPLES=OFF"
                       " >/dev/null && cmake --build " BENCH_BUILD " --parallel 2 >/dev/null") == 0,
                "the library does not build");
    bench_report(&(row){.name = "build of the library",
                        .size = "2 cores",
                        .unit = "s",
                        .ours = bench_seconds() - start,
                        .target = {AT_MOST, 20}});
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    measure_start();
    report_size("libtinygrad.so", kilobytes(BENCH_STRIPPED), 512);
    report_size("static lecture less empty",
                kilobytes(BENCH_LECTURE_STATIC) - kilobytes(BENCH_EMPTY_STATIC), 100);
    measure_build();
    return bench_end();
}
