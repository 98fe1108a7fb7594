/* Least squares of regress on rows that are not kept, which --memory 0 asks for: it tells the same
 * as on rows that are. */
#define _XOPEN_SOURCE 700

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "program.h"
#include "report.h"
#include "sanitizer.h"

/* ---- R's data sets: what lm and its summary say of them, to ten digits. */

/* Fits all models of a golden file. Returns how many there are. */
static int expect_r(const char *name)
{
    char line[1024], target[64], command[1200];
    int models = 0;
    snprintf(line, sizeof line, TEST_ROOT "/tests/golden/%s", name);
    FILE *golden = fopen(line, "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden)) {
        line[strcspn(line, "\n")] = 0;
        const bool set = sscanf(line, "set %*s %63s", target) == 1;
        if (!strncmp(line, "set ", 4)) {
            copy_data(golden, "r.csv");
        } else if (!strncmp(line, "coefficient ", 12)) {
            expect_golden_coefficient(line + 12);
        } else if (!strncmp(line, "fit ", 4)) {
            expect_golden_fit(line + 4);
        }
        if (!set && strncmp(line, "model ", 6) != 0) continue;
        snprintf(command, sizeof command, "regress r.csv --digits 15 --memory 0 %s%s",
                 set ? "--target " : line + 6, set ? target : "");
        expect_status(command, 0);
        models++;
    }
    fclose(golden);
    return models;
}

static void test_agrees_with_r(void **state)
{
    (void)state;
    assert_int_equal(expect_r("regressions_golden.txt"), 30);
    assert_int_equal(expect_r("terms_golden.txt"), 42);
}

/* ---- Several blocks of rows. */

/* Writes rows of several blocks. The level "a" of the factor g, which sorts first, comes in the
 * last block alone, the number 3 of the factor h in all but the first; c is constant, s is x + z,
 * and v overflows late. */
static void write_rows(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("x,z,g,h,w,c,s,v,y\n", file);
    uint32_t random = 1;
    for (int i = 0; i < 15000; i++) {
        int part[5];
        for (int k = 0; k < 5; k++) {
            random = random * 1664525u + 1013904223u;
            part[k] = (int)(random >> 16) % 1000;
        }
        const char *g = i > 13000 && part[0] < 400 ? "a" : part[0] < 700 ? "b" : "c";
        const int h = i > 5000 && part[0] % 3 == 0 ? 3 : part[0] % 2;
        const int y = part[1] - 2 * part[2] + (*g == 'a' ? 500 : 0) + 100 * h + part[3];
        fprintf(file, "%d,%d,%s,%d,%d,7,%d,%s,", part[1], part[2], g, h, part[4] % 5,
                part[1] + part[2], i > 9000 ? "1e60" : "1");
        fprintf(file, i % 100 == 7 ? "NA\n" : "%d\n", y);
    }
    assert_int_equal(fclose(file), 0);
}

static void test_tells_the_same_as_of_kept_rows(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        int status;
    } cases[] = {
        {"--features x,z", 0},
        {"--features 'x,g,z,factor(h)'", 0},
        {"--features 'x,g,x*g,g*factor(h),z*g'", 0},
        {"--features 'x*g*factor(h)' --no-intercept", 0},
        {"--features 'z,x,g' --weights w", 0},
        {"--features 'x,z^2' --no-intercept --weights w", 0},
        {"--features 'c,x,s,z,g' --dependent drop", 0},
        {"--features 'x,z,s' --dependent minimum-norm", 0},
        {"--features 'x,z,g' --folds 3", 0},
        {"--features 'x,z,g' --test-fraction 0.1", 0},
        {"--features 'x,z,g' --plot - | cksum", 0},
        {"--features 'x,z,g' --loss huber:100", 0},
        {"--features 'x,g,z' --predict rows.csv --interval --digits 9 | cksum", 0},
        {"--features 'x,z,g,s'", 1},
        {"--features 'x,c'", 1},
        {"--features 'x,v^2'", 1},
        {"--features 'x,log(z)'", 1},
        {"--features 'factor(x)'", 1},
    };
    static char kept[SIZE];
    write_rows("rows.csv");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const char *const ways[] = {"rows.csv --memory 1000", "rows.csv --memory 0",
                                           "/dev/stdin --memory 0"};
        for (size_t how = 0; how < 3; how++) {
            char command[256];
            snprintf(command, sizeof command,
                     "cat rows.csv | regress %s --target y --missing drop 2>&1 %s", ways[how],
                     cases[i].options);
            expect_status(command, cases[i].status);
            for (char *at; (at = strstr(text, "/dev/stdin"));) {
                memmove(at + 8, at + 10, strlen(at + 10) + 1);
                memcpy(at, "rows.csv", 8);
            }
            if (how)
                assert_string_equal(text, kept);
            else
                strcpy(kept, text);
        }
    }
}

/* Where x is i and y is i^2, for i from 0 to n - 1, the line is (n - 1) x - (n - 1)(n - 2) / 6, and
 * the sum of squared residuals n (n^2 - 1)(n^2 - 4) / 180. */
static void test_a_line_to_a_parabola(void **state)
{
    (void)state;
    expect_status("(echo x,y; seq 0 19999 | awk '{printf \"%d,%d\\n\", $1, $1 * $1}') > p.csv", 0);
    const double n = 20000, rest = n * (n * n - 1) * (n * n - 4) / 180;
    for (int piped = 0; piped < 2; piped++) {
        expect_status(piped ? "cat p.csv | regress - --target y --memory 0 --digits 15"
                            : "regress p.csv --target y --memory 0 --digits 15",
                      0);
        expect_cell("x", 0, 19999, piped ? 1e-12 : 1e-15);
        expect_cell("intercept", 0, -66656667, piped ? 1e-12 : 2e-15);
        expect_number("residual standard error", sqrt(rest / (n - 2)), 1e-12);
        expect_number("RMSE", sqrt(rest / n), 5e-9);
    }
}

/* ---- Digits. */

/* All coefficients of NIST's Wampler1 are 1. */
static void test_prints_the_digits_that_one_reading_leaves(void **state)
{
    (void)state;
    const char *command = "(echo x,y; for i in 1 2 3 4 5 6 7 8 9; do seq 0 20; done | "
                          "awk '{x = $1; printf \"%d,%d\\n\", x, "
                          "1+x+x*x+x*x*x+x*x*x*x+x*x*x*x*x}') > w.csv";
    expect_status(command, 0);
    const char *const terms = "--target y --features x,x^2,x^3,x^4,x^5 --memory 0 --digits 15";
    static const char *const rows[] = {"intercept", "x", "x^2", "x^3", "x^4", "x^5"};
    char line[256];
    for (int piped = 0; piped < 2; piped++) {
        snprintf(line, sizeof line, "cat w.csv | regress %s %s", piped ? "-" : "w.csv", terms);
        expect_status(line, 0);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            expect_cell(rows[i], 0, 1, piped ? 0 : 1e-12);
    }
    assert_null(strstr(text, "\nintercept  1.000000000"));
    expect_text("read once, from a pipe: ");
}

/* The difference of columns whose mean is far from their scatter must not be rounded: the slopes
 * are those of the numbers in the file. z is x and a part of 2^-30, and y = x + 2 z. */
static void test_centers_lose_no_digits(void **state)
{
    (void)state;
    expect_status("(echo x,z,y; seq 1 300 | awk '{x = ($1 * 7919 % 1009 - 500) / 512; z = x + "
                  "($1 * 104729 % 997) / 2^41; printf \"%.17g,%.17g,%.17g\\n\", x, z, x + 2 * z}') "
                  "> z.csv",
                  0);
    expect_status("regress z.csv --target y --digits 15", 0);
    expect_cell("x", 0, 1, 1e-14);
    expect_cell("z", 0, 2, 1e-14);
}

/* ---- Memory. */

static void test_memory_does_not_grow_with_the_rows(void **state)
{
    (void)state;
#ifdef UNDER_ASAN
    print_message("AddressSanitizer needs more address space than the limit of this test\n");
    skip();
#endif
    if (getenv("TG_TEST_EMULATED")) {
        print_message("TG_TEST_EMULATED: the emulator itself needs more than the limit\n");
        skip();
    }
    expect_status("(echo x,y; yes '1,2\n3,7\n4,-1\n9,1' | head -n 2000000) | (ulimit -v 32768; "
                  "regress - --target y --memory 1)",
                  0);
    expect_number("trained", 2000000, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_r),
        cmocka_unit_test(test_tells_the_same_as_of_kept_rows),
        cmocka_unit_test(test_a_line_to_a_parabola),
        cmocka_unit_test(test_prints_the_digits_that_one_reading_leaves),
        cmocka_unit_test(test_centers_lose_no_digits),
        cmocka_unit_test(test_memory_does_not_grow_with_the_rows),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
