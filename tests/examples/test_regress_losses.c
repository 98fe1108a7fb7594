/* The fits of regress by other losses than squared error: beside those of R, where there is no
 * minimum or more than one, and the messages for a loss that does not go with the data. */
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

static void expect_close(const char *what, double got, double value, double relative)
{
    if (!(fabs(got - value) <= relative * fabs(value)))
        fail_msg("%s: %.15g, not %.15g:\n%s", what, got, value, text);
}

/* The number after a phrase, wherever it stands. */
static double number_at(const char *phrase)
{
    const char *at = strstr(text, phrase);
    if (!at) fail_msg("no \"%s\" in\n%s", phrase, text);
    return strtod(at + strlen(phrase), NULL);
}

/* ---- R. Its numbers and those of regress agree to a relative 1e-10, and p to 1e-8, since a
 * difference of z by 1e-10 z moves p by z^2 times as much. */

static void expect_coefficient(const char *line)
{
    char name[64];
    int used = 0;
    assert_int_equal(sscanf(line, "%63s%n", name, &used), 1);
    char *end = (char *)(uintptr_t)(line + used);
    for (int i = 0; i < 6; i++) {
        char *from = end;
        const double value = strtod(from, &end);
        if (end == from) break;
        expect_close(name, cell_of(name, i), value, i == 3 ? 1e-8 : 1e-10);
    }
}

/* Of a line "PHRASE|number". */
static void expect_phrase(char *line)
{
    char *bar = strchr(line, '|'), phrase[64];
    assert_non_null(bar);
    *bar = 0;
    snprintf(phrase, sizeof phrase, "%.60s ", line);
    expect_close(phrase, number_at(phrase), strtod(bar + 1, NULL), 1e-10);
}

static void test_agrees_with_r(void **state)
{
    (void)state;
    char line[1024], command[1200];
    int runs = 0;
    FILE *golden = fopen(TEST_ROOT "/tests/golden/losses_of_regress_golden.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "set ", 4)) {
            copy_data(golden, "r.csv");
        } else if (!strncmp(line, "run ", 4)) {
            snprintf(command, sizeof command, "regress r.csv --digits 15 %s", line + 4);
            expect_status(command, 0);
            runs++;
        } else if (!strncmp(line, "coefficient ", 12)) {
            expect_coefficient(line + 12);
        } else {
            expect_phrase(line + 6);
        }
    }
    fclose(golden);
    assert_int_equal(runs, 46);
}

/* ---- No minimum, and more than one. */

static void test_says_that_classes_are_separated(void **state)
{
    (void)state;
    write_text("apart.csv", "x,z,y\n1,4,0\n2,1,0\n3,3,0\n4,2,1\n5,5,1\n6,1,1\n");
    expect_status("regress apart.csv --target y --features x --loss logistic 2>&1", 1);
    assert_string_equal(text, "apart.csv: the logistic loss has no minimum: 'x' tells 0 from 1 "
                              "without an error in 6 of 6 rows, and the fit gets better without "
                              "end (complete separation); leave it out, or keep coefficients small "
                              "with --l2 0.1\n");
    expect_status("regress apart.csv --target y --features x --loss logistic --l2 0.1", 0);
    expect_text("\nconverged after ");
    write_text("edge.csv", "x,y\n1,0\n2,0\n3,0\n3,1\n4,1\n5,1\n6,1\n");
    expect_status("regress edge.csv --target y --loss logistic 2>&1", 1);
    expect_text("'x' tells 0 from 1 without an error in 5 of 7 rows");
    expect_text("(quasi-complete separation)");
}

/* One row on the wrong side, and there is a minimum, however steep. */
static void test_one_row_makes_a_minimum(void **state)
{
    (void)state;
    FILE *file = fopen("steep.csv", "w");
    assert_non_null(file);
    fputs("x,y\n", file);
    for (int i = 0; i < 2000; i++) fprintf(file, "%d,%d\n", i, i == 997 || i > 999);
    fclose(file);
    expect_status("regress steep.csv --target y --loss logistic", 0);
    expect_text("\nconverged after ");
}

static void test_says_that_counts_have_no_least_mean(void **state)
{
    (void)state;
    write_text("zero.csv", "g,x,y\n1,3,0\n1,1,0\n1,2,0\n0,1,3\n0,2,0\n0,5,4\n0,4,1\n");
    expect_status("regress zero.csv --target y --loss poisson 2>&1", 1);
    expect_text("zero.csv: the poisson loss has no minimum: 'g' tells exactly where 0 is counted, "
                "in 3 of 7 rows");
}

/* Between 2 and 3, all medians are alike. */
static void test_says_that_a_quantile_is_not_unique(void **state)
{
    (void)state;
    write_text("flat.csv", "g,y\n0,1\n0,2\n0,3\n0,9\n1,5\n1,6\n1,7\n");
    expect_status("regress flat.csv --target y --loss quantile:0.5", 0);
    expect_text(": the minimum is not unique, other coefficients have the same loss\n");
    expect_close("sum", number_at("sum of the losses of 7 rows "), 5.5, 1e-14);
}

/* Ties, which most edges would end at, do not make the method walk in circles. By hand: the line
 * y = x misses 3 of 12 rows by 1 each, and no line misses less in sum. */
static void test_quantile_with_many_ties(void **state)
{
    (void)state;
    write_text("ties.csv", "x,y\n1,1\n1,1\n1,2\n2,2\n2,2\n2,1\n3,3\n3,3\n3,4\n4,4\n4,4\n4,4\n");
    expect_status("regress ties.csv --target y --loss quantile:0.5 --digits 15", 0);
    expect_close("x", cell_of("x", 0), 1, 1e-14);
    expect_close("sum", number_at("sum of the losses of 12 rows "), 1.5, 1e-14);
}

/* x, x^2 and x^3 of such an x differ from each other by little more than rounding, and no vertex
 * can be told from its neighbours. By rq of R, x^2, x and h=ja alone reach a sum of 515.043. */
static void test_a_quantile_fit_that_rounding_hides_is_not_called_a_minimum(void **state)
{
    (void)state;
    write_text("blurred.csv", "x,h,y\n10004.704,n,1.742081139961\n10000.572,j,3.438298954208\n"
                              "10001.389,j,4.176317052579\n10001.5,j,-1.64\n"
                              "10004.812,j,1001.640015899202\n10004.50990831,j,1.37\n"
                              "10003.579,n,-3.805372857211\n10003.29431184,j,0.05\n"
                              "10004.485,n,1.596521774081\n10001.7,n,3.868152144221\n"
                              "10001.805,j,-9.192131484636\n10001.49706833,j,1004.325022514101\n");
    expect_status("regress blurred.csv --target y --features 'x^2, x, h, x^3' --no-intercept "
                  "--loss quantile:0.25 --digits 9",
                  3);
    expect_text(": how far the minimum is cannot be told\n");
}

/* With 8 rows and 4 coefficients few rows are nearer than delta, and the quadratic of the others is
 * no measure for the length of a step. By iterated weighted least squares of R, lm(weights =
 * pmin(1, 0.1 / abs(e))), where the slopes of the loss are 0 to 3e-15. */
static void test_a_huber_fit_of_few_near_rows(void **state)
{
    (void)state;
    write_text("near.csv", "x,z,g,y\n10002,2,a,0\n10002,5,b,0\n10005,6,C,1\n10003,1,a,1\n"
                           "10006,6,b,1\n10002,2,C,1\n10003,3,b,1\n10006,6,C,1\n");
    expect_status("regress near.csv --target y --features 'g, log(x)*z^-1' --loss huber:0.1 "
                  "--digits 15",
                  0);
    expect_close("intercept", cell_of("intercept", 0), 0.665548055712015, 1e-12);
    expect_close("g=a", cell_of("g=a", 0), -1.445542446377712, 1e-12);
    expect_close("g=b", cell_of("g=b", 0), -0.234436509857785, 1e-12);
    expect_close("log(x)*z^-1", cell_of("log(x)*z^-1", 0), 0.185292802872472, 1e-12);
    expect_close("sum", number_at("sum of the losses of 8 rows "), 0.1504518818450861, 1e-12);
}

/* Where rows that are nearer than delta do not tell a coefficient, none is said to be known. */
static void test_says_that_a_huber_fit_is_not_unique(void **state)
{
    (void)state;
    write_text("far.csv", "g,y\n0,0\n0,0.5\n0,1\n1,10\n1,20\n");
    expect_status("regress far.csv --target y --loss huber:1", 3);
    expect_text("\nNOT converged after ");
    expect_text(": the minimum is not unique, other coefficients have the same loss\n");
}

static void test_exact_fits_converge(void **state)
{
    (void)state;
    write_text("exact.csv", "x,z,y\n1,4,6\n2,1,5\n3,3,9\n4,2,10\n5,5,15\n6,1,13\n");
    static const char *const names[] = {"huber:1", "huber:1e-3", "quantile:0.3"};
    for (int i = 0; i < 3; i++) {
        char command[128];
        snprintf(command, sizeof command, "regress exact.csv --target y --digits 15 --loss %s",
                 names[i]);
        expect_status(command, 0);
        expect_text("\nconverged after ");
        expect_close("x", cell_of("x", 0), 2, 1e-12);
        expect_close("z", cell_of("z", 0), 1, 1e-12);
    }
}

/* Of z = 2 x, standardised, both coefficients are sum(z y) / (2 n + l2), by symmetry. */
static void test_a_penalty_tells_dependent_features_apart(void **state)
{
    (void)state;
    write_text("twice.csv", "x,z,y\n1,2,3\n2,4,1\n3,6,4\n4,8,6\n");
    expect_status("regress twice.csv --target y --l2 2 --digits 15", 0);
    expect_text(
        "\nfeatures depend on each other: the penalty alone tells their coefficients apart\n");
    const double scale = sqrt(1.25), standard = 6 / scale / (2 * 4 + 2);
    expect_close("x", cell_of("x", 0), standard / scale, 1e-13);
    expect_close("z", cell_of("z", 0), standard / scale / 2, 1e-13);
    expect_status("regress twice.csv --target y --l2 2 --json 2>/dev/null", 0);
    expect_text("\"condition_number\": null");
    expect_status("regress twice.csv --target y --l2 2 --dependent drop", 0);
    expect_text("\nleft out: z (a combination of features before)\n");
}

/* ---- What is printed and written. */

/* The numbers are those of R. */
static void test_layout_of_a_likelihood(void **state)
{
    (void)state;
    write_text("cars.csv",
               "mpg,vs\n21,0\n21,0\n22.8,1\n21.4,1\n18.7,0\n18.1,1\n14.3,0\n24.4,1\n"
               "22.8,1\n19.2,1\n17.8,1\n16.4,0\n17.3,0\n15.2,0\n10.4,0\n10.4,0\n14.7,0\n"
               "32.4,1\n30.4,1\n33.9,1\n21.5,1\n15.5,0\n15.2,0\n13.3,0\n19.2,0\n27.3,1\n"
               "26,0\n30.4,1\n15.8,0\n19.7,0\n15,0\n21.4,1\n");
    expect_status("regress cars.csv --target vs --loss logistic", 0);
    expect_text("vs ~ mpg, logistic loss, Newton's method, float64\nconverged after ");
    expect_text(" standard errors of the minimum\n\n"
                "           coefficient  std. error      z  p > |z|  95 % from        to\n"
                "intercept   -8.833073      3.1623   -2.79   0.0052  -15.031    -2.6351\n"
                "mpg          0.4304135     0.15842   2.72   0.0066    0.11991   0.74091\n\n"
                "null deviance 43.8601 on 31 degrees of freedom;  residual deviance 25.5333 on 30\n"
                "log-likelihood -12.7667, AIC 29.5333\n\n"
                "trained   32 rows, mean loss 0.398958362, 0.8125 of the rows on the right side of "
                "1/2\n");
}

static void test_says_why_there_are_no_standard_errors(void **state)
{
    (void)state;
    write_text("few.csv", "x,y\n1,1\n2,0\n3,1\n4,1\n5,0\n6,3\n");
    expect_status("regress few.csv --target y --loss huber:0.5", 0);
    expect_text("y ~ x, huber loss with delta 0.5, Newton's method, float64\n");
    expect_text("\nstandard errors are not given, since this loss tells nothing of the "
                "distribution of the errors\n");
    expect_text("\n3 rows are further than delta from the fit\n");
    assert_null(strstr(text, "std. error"));
    expect_status("regress few.csv --target y --loss quantile:0.4", 0);
    expect_text("y ~ x, quantile loss for the quantile 0.4, simplex method, float64\n");
    expect_text(" edges: the minimum is exact\n");
    assert_null(strstr(text, "std. error"));
    expect_status("regress few.csv --target y --loss poisson --l2 2", 0);
    expect_text("y ~ x, poisson loss with l2 2, Newton's method, float64\n");
    expect_text("\nstandard errors are not given, since the penalty biases the coefficients\n");
    assert_null(strstr(text, "std. error"));
    assert_null(strstr(text, "AIC"));
}

/* By hand: two groups of two rows, where the fit is the share, or the mean, of each group. */
static void test_predicts_probabilities_and_means(void **state)
{
    (void)state;
    write_text("groups.csv", "g,y\n0,0\n0,1\n0,0\n0,0\n1,1\n1,0\n");
    write_text("new.csv", "g\n0\n1\n");
    expect_status("regress groups.csv --target y --loss logistic --predict new.csv --digits 9 "
                  "2>/dev/null",
                  0);
    assert_string_equal(text, "y\n0.25\n0.5\n");
    write_text("counts.csv", "g,y\n0,5\n0,2\n1,0\n1,4\n");
    expect_status("regress counts.csv --target y --loss poisson --predict new.csv --digits 9 "
                  "2>/dev/null",
                  0);
    assert_string_equal(text, "y\n3.5\n2\n");
    expect_status("regress counts.csv --target y --loss poisson --digits 12", 0);
    const double unit = 5 * log(5 / 3.5) + 2 * log(2 / 3.5) + 4 * log(2.);
    expect_close("deviance", number_at("mean deviance "), 2 * unit / 4, 1e-8);
}

static void test_rows_held_out_are_measured_by_the_loss(void **state)
{
    (void)state;
    static const char *const losses[] = {"logistic", "poisson", "quantile:0.7", "huber:2"};
    static const char *const wanted[] = {" rows, mean loss 0", " rows, mean deviance ",
                                         " of the rows above\n", " rows, mean loss "};
    FILE *file = fopen("many.csv", "w");
    assert_non_null(file);
    fputs("x,y\n", file);
    for (int i = 0; i < 100; i++) fprintf(file, "%d,%d\n", i, (i * 7 + i * i) % 11 < 5);
    fclose(file);
    for (int i = 0; i < 4; i++) {
        char command[128];
        snprintf(command, sizeof command,
                 "regress many.csv --target y --test-fraction 0.25 --loss %s", losses[i]);
        expect_status(command, 0);
        const char *held = strstr(text, "held out  25 rows, ");
        if (!held || !strstr(held, wanted[i])) fail_msg("%s:\n%s", command, text);
    }
}

static void test_folds(void **state)
{
    (void)state;
    write_text("six.csv", "x,y\n1,0\n2,0\n3,1\n4,0\n5,1\n6,1\n");
    expect_status("regress six.csv --target y --folds 3", 0);
    expect_text("\n3 folds   6 rows, RMSE 0.");
    expect_status("regress six.csv --target y --folds 3 --loss huber:0.3", 0);
    expect_text("\n3 folds   6 rows, mean loss 0.");
    expect_status("regress six.csv --target y --folds 3 --loss quantile:0.3", 0);
    expect_status("regress six.csv --target y --folds 6 --loss logistic 2>&1 >/dev/null", 1);
    expect_text("six.csv: the logistic loss has no minimum for the rows to train on: 'x' tells ");
    expect_status("regress six.csv --target y --folds 7 2>&1 >/dev/null", 1);
    assert_string_equal(text, "six.csv: --folds 7: 6 rows are too few\n");
    expect_status("regress six.csv --target y --folds 7 2>/dev/null", 1);
    assert_string_equal(text, "");
    write_text("one.csv", "g,x,y\n0,1,2\n0,2,3\n1,3,5\n0,5,1\n0,3,3\n");
    expect_status("regress one.csv --target y --folds 5 2>&1 >/dev/null", 1);
    assert_string_equal(text, "one.csv:1: column 'g' is constant in the rows to train on; leave "
                              "it out, or take --dependent drop\n");
}

/* R: the root of the mean square of what lm(y ~ g + x) without row i predicts of row i, where
 * without row 3 there is no coefficient of g. */
static void test_folds_drop_what_depends_in_them_alone(void **state)
{
    (void)state;
    write_text("one.csv", "g,x,y\n0,1,2\n0,2,3\n1,3,5\n0,5,1\n0,3,3\n");
    expect_status("regress one.csv --target y --folds 5 --dependent drop", 0);
    expect_text("y ~ g + x, ");
    expect_text("\ng  ");
    const char *found = strstr(text, "5 folds   5 rows, RMSE ");
    assert_non_null(found);
    assert_true(fabs(atof(found + 23) - 2.18335416021062) < 1e-8);
}

/* The minimum in exact arithmetic: the rows within delta and the signs of the others give a linear
 * system, whose solution has the same rows and signs. z is x and some units of 2^-24. */
static void test_huber_of_nearly_dependent_features(void **state)
{
    (void)state;
    FILE *file = fopen("near.csv", "w");
    assert_non_null(file);
    fputs("x,z,y\n", file);
    for (int i = 0; i < 24; i++) {
        const double x = (i * 7 % 13 - 6) / 4., z = x + ldexp(i * 5 % 11 - 5, -24);
        const double y = x + (i * 3 % 7 - 3) / 8. + (i == 4 ? 40 : 0) + i * i % 5 / 16.;
        fprintf(file, "%.17g,%.17g,%.17g\n", x, z, y);
    }
    fclose(file);
    expect_status("regress near.csv --target y --loss huber:0.05", 0);
    expect_cell("intercept", 0, 0.158028203859475, 5e-7);
    expect_cell("x", 0, -828724.934553851, 1e-7);
    expect_cell("z", 0, 828726.121853868, 1e-7);
}

/* Of numbers whose last digits are larger than delta, none is known to be nearer than delta. */
static void test_delta_below_rounding(void **state)
{
    (void)state;
    write_text("huge.csv", "x,y\n1,1e90\n2,3e90\n3,2e90\n4,5e90\n");
    expect_status("regress huge.csv --target y --loss huber 2>&1", 1);
    assert_string_equal(text,
                        "huge.csv:1: column 'y' has values up to 5e+90, whose last digits are "
                        "larger than delta; give a larger one, as in --loss huber:5e+88\n");
    expect_status("regress huge.csv --target y --loss huber:5e+88 2>&1", 0);
    expect_text("\nconverged after ");
}

/* The best line is level, and the deviance of R's glm is 0. */
static void test_constant_target(void **state)
{
    (void)state;
    write_text("three.csv", "x,y\n1,3\n2,3\n4,3\n5,3\n7,3\n");
    static const char *const losses[] = {"huber", "quantile:0.3", "poisson", "poisson --l2 0.1"};
    for (int i = 0; i < 4; i++) {
        char command[128];
        snprintf(command, sizeof command, "regress three.csv --target y --loss %s", losses[i]);
        expect_status(command, 0);
        assert_true(fabs(cell_of("intercept", 0) - (i < 2 ? 3 : log(3))) < 1e-6);
        assert_true(fabs(cell_of("x", 0)) < 1e-9);
    }
    write_text("zero.csv", "x,y\n1,0\n2,0\n4,0\n");
    expect_status("regress zero.csv --target y --loss poisson 2>&1", 1);
    assert_string_equal(text, "zero.csv:1: column 'y' is constant\n");
}

/* A fit that gives each count exactly has the deviance 0, from which rounding must not take. */
static void test_deviance_is_not_negative(void **state)
{
    (void)state;
    for (int a = 1; a < 8; a++) {
        char rows[64];
        snprintf(rows, sizeof rows, "g,y\na,%d\nb,%d\nc,5\nc,5\n", a, 3 * a + 1);
        write_text("exact.csv", rows);
        expect_status("regress exact.csv --target y --loss poisson", 0);
        assert_null(strstr(text, "deviance -"));
    }
}

/* The curve of a logistic fit is drawn by more than the two points of a line. */
static void test_draws_a_curve(void **state)
{
    (void)state;
    write_text("curve.csv", "x,y\n1,0\n2,0\n3,1\n4,0\n5,1\n6,1\n");
    expect_status("regress curve.csv --target y --loss logistic --plot curve.svg && "
                  "grep -c polyline curve.svg",
                  0);
    static char svg[SIZE];
    program_read("curve.svg", svg, SIZE);
    const char *line = strstr(svg, "<polyline");
    assert_non_null(line);
    int commas = 0;
    for (; *line && *line != '>'; line++) commas += *line == ',';
    assert_int_equal(commas, 201);
}

/* ---- Bad input. */

static void test_targets_that_do_not_suit_the_loss(void **state)
{
    (void)state;
    static const struct {
        const char *rows, *options, *message;
    } cases[] = {
        {"1,0\n2,1\n3,2\n4,1\n", "--loss logistic",
         "bad.csv:4: column 'y': 2 is neither 0 nor 1, as --loss logistic needs\n"},
        {"1,0\n2,1.5\n3,2\n4,1\n", "--loss poisson",
         "bad.csv:3: column 'y': 1.5 is no count, as --loss poisson needs\n"},
        {"1,0\nNA,5\n2,-1\n3,2\n4,1\n", "--loss poisson --missing drop",
         "bad.csv:4: column 'y': -1 is no count, as --loss poisson needs\n"},
        {"1,a\n2,b\n3,c\n4,a\n", "--loss logistic",
         "bad.csv: column 'y' has 3 levels, where --loss logistic takes two\n"},
        {"1,a\n2,a\n3,a\n4,a\n", "--loss logistic",
         "bad.csv: column 'y' has 1 level, where --loss logistic takes two\n"},
        {"1,a\n2,b\n3,a\n4,a\n", "--loss poisson", "bad.csv:2: "},
        {"1,0\n2,1\n3,b\n4,0\n", "--loss logistic", "bad.csv:4: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char data[128], command[128];
        snprintf(data, sizeof data, "x,y\n%s", cases[i].rows);
        write_text("bad.csv", data);
        snprintf(command, sizeof command, "regress bad.csv --target y %s 2>&1", cases[i].options);
        expect_status(command, 1);
        if (strncmp(text, cases[i].message, strlen(cases[i].message)) != 0)
            expect_text(cases[i].message);
        if (strchr(text, '\n') != text + strlen(text) - 1) fail_msg("not one line:\n%s", text);
    }
}

static void test_classes_may_be_words(void **state)
{
    (void)state;
    write_text("words.csv", "x,y\n1,no\n2,no\n3,yes\n4,no\n5,yes\n6,yes\n");
    write_text("numbers.csv", "x,y\n1,0\n2,0\n3,1\n4,0\n5,1\n6,1\n");
    expect_status("regress numbers.csv --target y --loss logistic --digits 15", 0);
    const double slope = cell_of("x", 0);
    expect_status("regress words.csv --target y --loss logistic --digits 15", 0);
    expect_text("\ny: 0 is no, 1 is yes\n");
    assert_true(cell_of("x", 0) == slope);
}

static void test_losses_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *options, *message;
    } cases[] = {
        {"--loss quantile:1", "'quantile:1' needs a probability between 0 and 1, as in "},
        {"--loss quantile:0", "'quantile:0' needs a probability between 0 and 1, as in "},
        {"--loss quantile:-0.5", "'quantile:-0.5' needs a probability between 0 and 1"},
        {"--loss quantile:nan", "'quantile:nan' needs a probability between 0 and 1"},
        {"--loss quantile", "'quantile' needs a probability between 0 and 1, as in quantile:0.9"},
        {"--loss quantile:0.5x", "'quantile:0.5x' needs a probability between 0 and 1"},
        {"--loss huber:0", "'huber:0' needs a positive number, as in huber:1.5"},
        {"--loss huber:", "'huber:' needs a positive number, as in huber:1.5"},
        {"--loss hub", "'hub' is none of mse, huber:DELTA, quantile:P, logistic and poisson"},
        {"--loss logistic:2", "'logistic:2' is none of mse, "},
        {"--l2 -1", "--l2: '-1' will not do"},
        {"--l2 nan", "--l2: 'nan' will not do"},
        {"--loss quantile:0.5 --l2 1", "--l2 does not go with --loss quantile"},
        {"--loss logistic --method sgd", "--method sgd trains with the squared error alone"},
        {"--l2 1 --method lbfgs", "--method lbfgs trains with the squared error alone"},
    };
    write_text("good.csv", "x,y\n1,0\n2,1\n3,0\n4,1\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[256];
        snprintf(command, sizeof command, "regress good.csv --target y %s 2>&1", cases[i].options);
        expect_status(command, 2);
        expect_text(cases[i].message);
        if (strchr(text, '\n') != text + strlen(text) - 1) fail_msg("not one line:\n%s", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_r),
        cmocka_unit_test(test_says_that_classes_are_separated),
        cmocka_unit_test(test_one_row_makes_a_minimum),
        cmocka_unit_test(test_says_that_counts_have_no_least_mean),
        cmocka_unit_test(test_says_that_a_quantile_is_not_unique),
        cmocka_unit_test(test_quantile_with_many_ties),
        cmocka_unit_test(test_a_quantile_fit_that_rounding_hides_is_not_called_a_minimum),
        cmocka_unit_test(test_a_huber_fit_of_few_near_rows),
        cmocka_unit_test(test_says_that_a_huber_fit_is_not_unique),
        cmocka_unit_test(test_exact_fits_converge),
        cmocka_unit_test(test_a_penalty_tells_dependent_features_apart),
        cmocka_unit_test(test_layout_of_a_likelihood),
        cmocka_unit_test(test_says_why_there_are_no_standard_errors),
        cmocka_unit_test(test_predicts_probabilities_and_means),
        cmocka_unit_test(test_rows_held_out_are_measured_by_the_loss),
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_folds_drop_what_depends_in_them_alone),
        cmocka_unit_test(test_huber_of_nearly_dependent_features),
        cmocka_unit_test(test_delta_below_rounding),
        cmocka_unit_test(test_constant_target),
        cmocka_unit_test(test_deviance_is_not_negative),
        cmocka_unit_test(test_draws_a_curve),
        cmocka_unit_test(test_targets_that_do_not_suit_the_loss),
        cmocka_unit_test(test_classes_may_be_words),
        cmocka_unit_test(test_losses_that_are_none),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
