/* The program regress: its fits to real data, its options, and its messages for bad data. */
#define _XOPEN_SOURCE 700

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "program.h"
#include "report.h"
#include "sanitizer.h"

/* ---- Real data. A relative difference of 5e-10 leaves 9 significant digits. */

static void test_norris_to_nine_digits(void **state)
{
    (void)state;
    static const char *const methods[] = {"ls", "sgd --float64", "lbfgs --float64"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char command[128];
        snprintf(command, sizeof command,
                 "regress $DATA/norris.csv --target y --digits 13 --method %s", methods[i]);
        expect_status(command, 0);
        expect_number("intercept", -0.262323073774029, 5e-10);
        expect_number("x", 1.00211681802045, 5e-10);
        expect_number("R2", 0.999993745883712, 1e-9);
        expect_number("RMSE", sqrt(26.6173985294224 / 36), 5e-9);
        if (i) expect_text("\nconverged after ");
        expect_text("held out  none");
    }
}

/* NIST's certified standard errors. */
static void test_standard_errors(void **state)
{
    (void)state;
    expect_status("regress $DATA/norris.csv --target y --digits 13", 0);
    expect_cell("intercept", 1, 0.232818234301152, 1e-12);
    expect_cell("x", 1, 0.429796848199937e-03, 1e-12);
}

/* In float32 the slope is good to a few units of 6e-8, and the intercept, which is about 430 times
 * smaller than what cancels in it, to some 1600 of those: 1e-4 of it in all. */
static void test_norris_in_float32(void **state)
{
    (void)state;
    expect_status("regress $DATA/norris.csv --target y --method sgd", 0);
    expect_number("intercept", -0.262323073774029, 1e-3);
    expect_number("x", 1.00211681802045, 1e-6);
    expect_number("R2", 0.999993745883712, 1e-8);
}

static void test_diabetes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double value;
    } exact[] = {
        {"intercept", -334.5671385}, {"age", -0.03636122422}, {"sex", -22.85964809},
        {"bmi", 5.602962092},        {"bp", 1.116807993},     {"s1", -1.089996334},
        {"s2", 0.7464504555},        {"s3", 0.3720047151},    {"s4", 6.533831936},
        {"s5", 68.48312496},         {"s6", 0.2801169893},
    };
    expect_status("regress $DATA/diabetes.csv --target progression --digits 13", 0);
    expect_number("R2", 0.517748422220, 1e-9);
    expect_number("RMSE", 53.4761287640, 5e-9);
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        expect_number(exact[i].name, exact[i].value, 5e-9);

    expect_status("regress $DATA/diabetes.csv --target progression --method sgd", 0);
    expect_number("R2", 0.517748422220, 1e-6);
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        expect_number(exact[i].name, exact[i].value, 1e-3);
}

/* ---- R's data sets: what lm and its summary say of them, to ten digits. */

static void test_agrees_with_r(void **state)
{
    (void)state;
    char line[1024], target[64], command[256];
    int sets = 0;
    FILE *golden = fopen(TEST_ROOT "/tests/golden/regressions_golden.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden)) {
        if (sscanf(line, "set %*s %63s", target) == 1) {
            copy_data(golden, "r.csv");
            snprintf(command, sizeof command, "regress r.csv --target %s --digits 15", target);
            expect_status(command, 0);
            sets++;
        } else if (!strncmp(line, "coefficient ", 12)) {
            expect_golden_coefficient(line + 12);
        } else {
            expect_golden_fit(line + 4);
        }
    }
    fclose(golden);
    assert_int_equal(sets, 30);
}

/* The numbers are those of R. */
static void test_layout(void **state)
{
    (void)state;
    expect_status("regress $DATA/norris.csv --target y", 0);
    expect_text(
        "y ~ x, least squares, float64\n\n"
        "           coefficient  std. error        t   p > |t|  95 % from       to\n"
        "intercept   -0.2623231  0.23282       -1.13    0.2677   -0.73547  0.21082\n"
        "x            1.002117   0.00042980  2331.61  < 2e-16     1.0012   1.0030\n\n"
        "residual standard error 0.8848 on 34 degrees of freedom;  R2 0.999994, adjusted 0.999994\n"
        "F(1, 34) 5.436e+06, p < 2e-16;  log-likelihood -45.6466, AIC 97.2932\n\n");
}

/* The bounds are those of R's confint(lm(dist ~ speed, cars), level = 0.99), and of the minimum of
 * glm(am ~ wt, binomial, mtcars) with the standard errors of its Hessian times qnorm(0.95). */
static void test_level_of_intervals(void **state)
{
    (void)state;
    write_text(
        "cars.csv",
        "speed,dist\n4,2\n4,10\n7,4\n7,22\n8,16\n9,10\n10,18\n10,26\n10,34\n11,17\n11,28\n12,14\n"
        "12,20\n12,24\n12,28\n13,26\n13,34\n13,34\n13,46\n14,26\n14,36\n14,60\n14,80\n15,20\n"
        "15,26\n15,54\n16,32\n16,40\n17,32\n17,40\n17,50\n18,42\n18,56\n18,76\n18,84\n19,36\n"
        "19,46\n19,68\n20,32\n20,48\n20,52\n20,56\n20,64\n22,66\n23,54\n24,70\n24,92\n24,93\n"
        "24,120\n25,85\n");
    expect_status("regress cars.csv --target dist --level 0.99 --digits 13", 0);
    expect_text("99 % from");
    expect_cell("intercept", 4, -35.7066103287220, 1e-12);
    expect_cell("speed", 5, 5.04689880192308, 1e-12);
    write_text(
        "am.csv",
        "wt,am\n2.62,1\n2.875,1\n2.32,1\n3.215,0\n3.44,0\n3.46,0\n3.57,0\n3.19,0\n3.15,0\n"
        "3.44,0\n3.44,0\n4.07,0\n3.73,0\n3.78,0\n5.25,0\n5.424,0\n5.345,0\n2.2,1\n1.615,1\n"
        "1.835,1\n2.465,0\n3.52,0\n3.435,0\n3.84,0\n3.845,0\n1.935,1\n2.14,1\n1.513,1\n3.17,1\n"
        "2.77,1\n3.57,1\n2.78,1\n");
    expect_status("regress am.csv --target am --loss logistic --level 0.9 --digits 13", 0);
    expect_cell("intercept", 4, 4.621970917701, 1e-12);
    expect_cell("wt", 5, -1.661092078054, 1e-12);
    expect_status("regress cars.csv --target dist --level 1 2>&1", 2);
    assert_string_equal(text,
                        "regress: --level: '1' will not do: it takes a number, at least 0.001 "
                        "and less than 1\n");
}

/* A letter of Hangul takes two places of a terminal. */
static void test_wide_letters_align(void **state)
{
    (void)state;
    write_text("wide.csv",
               "\xed\x82\xa4,\xeb\xaa\xb8\xeb\xac\xb4\xea\xb2\x8c\xec\xb8\xa1\xec\xa0\x95,"
               "y\n1,2,1\n2,1,2\n3,5,3\n4,1,9\n");
    expect_status("regress wide.csv --target y", 0);
    expect_text("\nintercept    -1.191589 ");
    expect_text("\n\xed\x82\xa4            2.565421 ");
    expect_text("\n\xeb\xaa\xb8\xeb\xac\xb4\xea\xb2\x8c\xec\xb8\xa1\xec\xa0\x95   -0.6542056 ");
}

static void test_says_when_the_scatter_is_not_known(void **state)
{
    (void)state;
    write_text("two.csv", "x,y\n1,3\n2,5\n");
    expect_status("regress two.csv --target y", 0);
    expect_text("\nno degree of freedom remains: the scatter of the data cannot be told\n");
    expect_number("x", 2, 1e-15);
    write_text("exact.csv", "x,y\n1,0.3\n2,0.5\n3,0.7\n5,1.1\n");
    expect_status("regress exact.csv --target y", 0);
    expect_text(
        "\nthe fit is exact to rounding: standard errors and tests tell of rounding alone\n");
}

/* ---- Options. */

static void test_features(void **state)
{
    (void)state;
    expect_status("regress $DATA/diabetes.csv --target progression --features bmi,s5", 0);
    expect_text("progression ~ bmi + s5, least squares, float64\n");
    expect_number("R2", 0.459485279639, 1e-6);
    assert_null(strstr(text, "\nage"));
    write_text("named.csv", "\"a,b\",note,y\n1,x,3\n2,,5\n4,\"z, \"\"z\",9\n");
    expect_status("regress named.csv --target=y '--features=\"a,b\"' --float64 2>&1", 0);
    expect_number("a,b", 2, 1e-12);
    expect_number("intercept", 1, 1e-12);
}

static void test_held_out_rows(void **state)
{
    (void)state;
    static char first[SIZE];
    const char *command =
        "regress $DATA/diabetes.csv --target progression --test-fraction 0.25 --seed 3 | grep rows";
    expect_status(command, 0);
    expect_number("trained", 331, 0);
    expect_number("held out", 111, 0);
    strcpy(first, text);
    expect_status(command, 0);
    assert_string_equal(first, text);
    expect_status(
        "regress $DATA/diabetes.csv --target progression --test-fraction 0.25 --seed 4 | grep rows",
        0);
    assert_string_not_equal(first, text);
    expect_status("regress $DATA/norris.csv --target y --test-fraction 0.001", 0);
    expect_number("held out", 1, 0);
}

static void test_settings_are_respected(void **state)
{
    (void)state;
    expect_status(
        "regress $DATA/diabetes.csv --target progression --method sgd --epochs 20 --lr 0.05 "
        "--momentum 0.5",
        3);
    expect_text("NOT converged after 20 epochs");
    expect_text("(lr 0.05, momentum 0.5)");
    expect_text("raise --epochs");
    expect_status("regress $DATA/diabetes.csv --target progression --method sgd --batch-size 32 "
                  "--epochs 50",
                  3);
    expect_text("after 50 epochs");
    expect_text("small batches");
    expect_number("R2", 0.5177, 0.01);
    expect_status("regress $DATA/norris.csv --target y --method sgd --batch-size 36", 0);
    expect_status("regress $DATA/diabetes.csv --target progression --method lbfgs --epochs 3", 3);
    expect_text("NOT converged after ");
    expect_status("regress --help", 0);
    expect_text("usage: regress data.csv --target NAME");
    expect_text("exit status: 0 done; 1 ");
}

static void test_divergence(void **state)
{
    (void)state;
    expect_status("regress $DATA/norris.csv --target y --method sgd --lr 3 --momentum 0.5 2>&1", 1);
    expect_text("norris.csv: training diverged in epoch ");
    expect_text(": lr 3 is too large; with momentum 0.5 it is stable below 1.5\n");
    expect_status("regress $DATA/norris.csv --target y --method sgd --lr 1e20 --batch-size 4 2>&1",
                  1);
    expect_text("training diverged in epoch 1: lr 1e+20");
}

static void test_dependent_features_are_named(void **state)
{
    (void)state;
    write_text("same.csv", "a,b,y\n1,2,1\n2,4,2\n3,6,3\n5,10,5\n");
    expect_status("regress same.csv --target y 2>&1", 1);
    assert_string_equal(text, "same.csv:1: column 'b' tells no more than others: it is 2 x 'a'; "
                              "leave one of these features out, or take --dependent drop\n");
    /* Decimals, which no double holds; c and d depend on nothing. */
    write_text("heat.csv",
               "c,celsius,d,fahrenheit,y\n1,20.1,1,68.18,1\n2,21.3,0,70.34,2\n3,19.7,0,67.46,3\n"
               "5,25.9,2,78.62,5\n9,28.2,1,82.76,2\n");
    expect_status("regress heat.csv --target y --method sgd 2>&1", 1);
    assert_string_equal(text, "heat.csv:1: column 'fahrenheit' tells no more than others: it is "
                              "1.8 x 'celsius' + 32; leave one of these features out, or take "
                              "--dependent drop\n");
}

/* As R's lm does. */
static void test_dependent_features_are_dropped(void **state)
{
    (void)state;
    write_text("same.csv",
               "a,b,c,d,y\n1,2,7,8,1\n2,4,1,3,2.5\n3,6,2,5,3\n5,10,0,5,5\n8,16,5,13,7\n");
    write_text("new.csv", "a,b,c,d\n1,2,7,8\n");
    expect_status("regress same.csv --target y --digits 13 --dependent drop --predict new.csv "
                  "--plot same.svg --test-fraction 0 2>&1 >/dev/null",
                  0);
    expect_text("y ~ a + c, least squares, float64\n"
                "left out: b, d (a combination of features before)\n");
    expect_cell("intercept", 0, 0.848542944785276, 1e-11);
    expect_cell("a", 0, 0.828029141104294, 1e-11);
    expect_cell("c", 0, -0.0983512269938649, 1e-11);
}

/* Two features that differ by 1e-4 of what both have, in a direction of its own: their correlation
 * r is 1 / sqrt(1 + 1e-8), and the condition number sqrt((1 + r) / (1 - r)), almost 2e4. */
static void test_warns_of_almost_dependent_features(void **state)
{
    (void)state;
    write_text("near.csv", "a,b,c,y\n-1,-1.0001,1,1\n-1,-0.9999,0,2\n1,0.9999,0,3\n1,1.0001,1,5\n"
                           "-1,-1.0001,1,3\n-1,-0.9999,0,2\n1,0.9999,0,4\n1,1.0001,1,1\n");
    expect_status("regress near.csv --target y --features a,b 2>&1", 0);
    expect_text("warning: features almost depend on each other (condition number 2e+04): a, b\n");
    expect_status("regress $DATA/diabetes.csv --target progression 2>&1", 0);
    assert_null(strstr(text, "warning"));
}

static void test_missing_values(void **state)
{
    (void)state;
    write_text("gaps.csv", "x,note,y\n1,a,3\n,,5\n2,,5\nNA,b,1\n4,,9\n7,c,NaN\n.,c,1\n-,c,1\n"
                           "2,c,null\n");
    expect_status("regress gaps.csv --target y --features x --missing drop", 0);
    expect_text("\n3 of 9 rows (6 left out: a value is missing)\n");
    expect_cell("x", 0, 2, 1e-14);
    expect_cell("intercept", 0, 1, 1e-14);
    expect_number("trained", 3, 0);
    expect_status("regress gaps.csv --target y --features x --missing error 2>&1", 1);
    assert_string_equal(text, "gaps.csv:3: column 'x' is empty; --missing drop leaves such rows "
                              "out\n");
    write_text("none.csv", "x,y\n1,NA\n,2\n");
    expect_status("regress none.csv --target y --missing drop 2>&1", 1);
    assert_string_equal(text, "none.csv: a value is missing in every row\n");
    /* A dash that begins a number, and text that is none of the marks, are what they were. */
    write_text("text.csv", "x,y\n-1,1\n2,2\nnone,3\n");
    expect_status("regress text.csv --target y --missing drop 2>&1", 1);
    assert_string_equal(text, "text.csv:4: column 'x': 'none' is not a number\n");
}

/* A column of names, and one of dates, tell each row from the others. */
static void test_text_that_is_left_out_does_not_matter(void **state)
{
    (void)state;
    write_text("cars.csv", "model,x,day,y,z\nMazda,1,2020-01-01,3,NA\nFiat,2,x,5,1\nVolvo,4,,9,2\n"
                           "Saab,5,,11,1\n");
    expect_status("regress cars.csv --target y --missing drop --exclude model,day", 0);
    expect_text(
        "y ~ x + z, least squares, float64\n3 of 4 rows (1 left out: a value is missing)\n");
    expect_status("regress cars.csv --target y --features x,z --missing drop", 0);
    expect_text(
        "y ~ x + z, least squares, float64\n3 of 4 rows (1 left out: a value is missing)\n");
    expect_status("regress cars.csv --target y --exclude day,z 2>&1", 1);
    assert_string_equal(text,
                        "cars.csv: column 'model' has as many levels as there are rows, 4: it "
                        "can be no factor; leave it out\n");
    expect_status("regress cars.csv --target y --features model 2>&1", 1);
    assert_string_equal(text,
                        "cars.csv: column 'model' has as many levels as there are rows, 4: it "
                        "can be no factor; leave it out\n");
}

/* ---- Fits without scatter, whose coefficients are those that made the data. A value of y is off
 * by half a unit of its last place, 1.1e-16 of it, and a coefficient by no more than 1e4 times that
 * for these powers. */

static void expect_powers(const char *data, size_t n, const double *coefficients)
{
    static const char *const names[] = {"intercept", "x", "x2", "x3", "x4", "x5"};
    char command[1024];
    snprintf(command, sizeof command, "awk '%s' > powers.csv", data);
    expect_status(command, 0);
    expect_status("regress powers.csv --target y --digits 15", 0);
    for (size_t i = 0; i < n; i++) expect_number(names[i], coefficients[i], 1e-11);
    expect_number("R2", 1, 1e-15);

    /* The second is 40 epochs away from all minima, and says so. */
    expect_status("regress powers.csv --target y --method sgd --epochs 40", 3);
    expect_text("NOT converged after 40 epochs");
    expect_text(" standard errors from the least-squares value: raise --epochs");
}

static void test_cubic_far_from_zero(void **state)
{
    (void)state;
    expect_powers("BEGIN { print \"x,x2,x3,y\"; for (x = -300; x <= -200; x++) { "
                  "y = -24200000000 - 234000000 * x - 766000 * x^2 - 1007 * x^3; s = y < 0; "
                  "if (s) y = -y; printf \"%d,%d,%d,%s%d.%08d\\n\", x, x^2, x^3, s ? \"-\" : \"\", "
                  "int(y / 1e8), y % 1e8 } }",
                  4, (const double[]){-242, -2.34, -0.00766, -1.007e-5});
}

static void test_quartic(void **state)
{
    (void)state;
    expect_powers("BEGIN { print \"x,x2,x3,x4,y\"; for (x = 1; x <= 10; x++) printf "
                  "\"%d,%d,%d,%d,%d\\n\", x, x^2, x^3, x^4, 7 - 5 * x + 3 * x^2 - 2 * x^3 + x^4 }",
                  5, (const double[]){7, -5, 3, -2, 1});
}

static void test_wampler1(void **state)
{
    (void)state;
    expect_powers("BEGIN { print \"x,x2,x3,x4,x5,y\"; for (x = 0; x <= 20; x++) printf "
                  "\"%d,%d,%d,%d,%d,%d\\n\", x, x^2, x^3, x^4, x^5, "
                  "1 + x + x^2 + x^3 + x^4 + x^5 }",
                  6, (const double[]){1, 1, 1, 1, 1, 1});
}

/* 3 + (year - 1950) / 2 + (year - 1950)^2 / 4 */
static void test_year_and_its_square(void **state)
{
    (void)state;
    expect_powers("BEGIN { print \"x,x2,y\"; for (x = 1900; x < 2000; x++) printf "
                  "\"%d,%d,%.2f\\n\", x, x^2, 3 + (x - 1950) / 2 + (x - 1950)^2 / 4 }",
                  3, (const double[]){949653, -974.5, 0.25});
}

/* y = i / 2, and a scatter of 0.1 that neither slope nor intercept can explain. A double holds
 * every one of these numbers. */
static void test_long_numbers(void **state)
{
    (void)state;
    expect_status(
        "awk 'BEGIN { print \"id,y\"; for (i = 0; i < 400; i++) printf "
        "\"1234567890%06d,%.1f\\n\", 123456 + i, i / 2 + (i % 4 % 3 ? -0.1 : 0.1) }' > ids.csv;"
        "printf 'id\\n1234567890124456\\n' > id.csv",
        0);
    static const char *const methods[] = {"ls", "sgd", "sgd --float64", "lbfgs --float64"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char command[128];
        snprintf(command, sizeof command,
                 "regress ids.csv --target y --method %s --predict id.csv 2>report", methods[i]);
        expect_status(command, 0);
        assert_true(fabs(strtod(text + 2, NULL) - 500) < (i == 1 ? 1e-3 : 1e-9));
        program_read("report", text, SIZE);
        expect_number("RMSE", 0.1, i == 1 ? 1e-5 : 1e-8);
        expect_number("id", 0.5, 1e-6);
    }
}

/* Nothing is drawn at random where all rows make a step. */
static void test_seed_leaves_a_full_batch_alone(void **state)
{
    (void)state;
    static char first[SIZE];
    expect_status("regress $DATA/diabetes.csv --target progression --method sgd --digits 17 "
                  "--seed 1 | sed 's/, [^,]* s / /'",
                  0);
    strcpy(first, text);
    expect_status("regress $DATA/diabetes.csv --target progression --method sgd --digits 17 "
                  "--seed 2 | sed 's/, [^,]* s / /'",
                  0);
    assert_string_equal(first, text);
}

/* For one standardised feature each epoch of plain SGD leaves 1 - 2 lr of the slope's distance. At
 * first that is the whole slope, which is t standard errors. */
static void test_says_by_how_much_it_misses(void **state)
{
    (void)state;
    expect_status("regress $DATA/norris.csv --target y --method sgd --float64 --lr 0.05 "
                  "--momentum 0 --epochs 20",
                  3);
    expect_text("\n  x is ");
    double t = 1.00211681802045 / 0.429796848199937e-03;
    assert_true(fabs(strtod(strstr(text, "\n  x is ") + 8, NULL) - pow(0.9, 20) * t) < 0.5);
    expect_cell("x", 2, 1.002117, 1e-7);
}

static void test_predictions(void **state)
{
    (void)state;
    write_text("line.csv", "a,b,y\n0,0,1\n1,0,3\n0,1,-2\n1,1,0\n2,5,-10\n");
    write_text("new.csv", "b,a,name\n0,10,x\n10,0,y\n");
    expect_status("regress line.csv --target y --float64 --predict new.csv 2>report", 0);
    double first, second;
    assert_int_equal(sscanf(text, "y\n%lf\n%lf\n", &first, &second), 2);
    assert_true(fabs(first - 21) < 1e-9 && fabs(second + 29) < 1e-9);
    program_read("report", text, SIZE);
    expect_number("intercept", 1, 1e-9);

    write_text("short.csv", "a,name\n0,1\n");
    expect_status("regress line.csv --target y --predict short.csv 2>&1", 1);
    assert_string_equal(text, "short.csv:1: no column 'b'; there is a, name\n");
    write_text("bad.csv", "a,b\n0,1\n0,?\n");
    expect_status("regress line.csv --target y --predict bad.csv 2>&1", 1);
    assert_string_equal(text, "bad.csv:3: column 'b': '?' is not a number\n");
}

static void test_plots(void **state)
{
    (void)state;
    static char svg[1 << 20];
    expect_status("regress $DATA/norris.csv --target y --plot one.svg 2>&1", 0);
    program_read("one.svg", svg, sizeof svg);
    assert_non_null(strstr(svg, ">fitted line<"));
    expect_status(
        "regress $DATA/diabetes.csv --target progression --test-fraction 0.2 --plot many.svg 2>&1",
        0);
    program_read("many.svg", svg, sizeof svg);
    assert_non_null(strstr(svg, ">predicted = target<"));
    assert_non_null(strstr(svg, ">rows held out<"));
    assert_non_null(strstr(svg, "</svg>"));
    write_text("odd.csv", "a<&>b\xff\xed\xa0\x80\xc3\xa9,y\n1,2\n2,3\n4,4\n");
    expect_status("regress odd.csv --target y --plot odd.svg 2>&1", 0);
    program_read("odd.svg", svg, sizeof svg);
    assert_non_null(strstr(svg, ">a&lt;&amp;&gt;b????\xc3\xa9<"));
    expect_status("regress $DATA/norris.csv --target y --plot no/where.svg 2>&1 >/dev/null", 1);
    assert_string_equal(text, "no/where.svg: No such file or directory\n");
    expect_status("regress $DATA/norris.csv --target y --plot /dev/full 2>&1 >/dev/null", 1);
    assert_string_equal(text, "/dev/full: No space left on device\n");
    expect_status("regress $DATA/norris.csv --target y 2>&1 >/dev/full", 1);
    assert_string_equal(text, "regress: standard output: No space left on device\n");
}

static void test_wrong_usage(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "regress: no data file is given; write regress data.csv --target NAME (--help tells "
             "more)"},
        {"x.csv", "regress: no --target is given; write regress data.csv --target NAME (--help "
                  "tells more)"},
        {"x.csv y.csv", "regress: one file at a time: 'y.csv' is too many"},
        {"x.csv --tarket y", "regress: unknown option --tarket (--help lists them)"},
        {"x.csv -t y", "regress: unknown option -t (--help lists them)"},
        {"x.csv --target", "regress: --target needs a value"},
        {"x.csv --target=", "regress: --target: '' will not do"},
        {"x.csv --target y --target y", "regress: --target is given twice"},
        {"x.csv --float64=1", "regress: --float64 takes no value"},
        {"x.csv --target y --decimal ,", "regress: --decimal: ',' is neither point nor comma"},
        {"x.csv --target y --separator ab",
         "regress: --separator: 'ab' is neither tab, space nor a character that can stand between "
         "cells"},
        {"x.csv --target y --decimal comma --separator ,",
         "regress: --separator and --decimal cannot both be a comma"},
        {"x.csv --target y --missing keep", "regress: --missing: 'keep' is neither drop nor error"},
        {"x.csv --target y --method best",
         "regress: --method: 'best' is none of ls, sgd and lbfgs"},
        {"x.csv --target y --lr 1",
         "regress: --lr needs --method sgd; ls takes no steps of that kind"},
        {"x.csv --target y --epochs 5",
         "regress: --epochs needs --method sgd or lbfgs; ls takes no steps of that kind"},
        {"x.csv --target y --method lbfgs --batch-size 5",
         "regress: --batch-size needs --method sgd; lbfgs takes no steps of that kind"},
        {"x.csv --lr fast", "regress: --lr: 'fast' will not do: it takes a number, at least 1e-30 "
                            "and less than 1e+30"},
        {"x.csv --lr=-1",
         "regress: --lr: '-1' will not do: it takes a number, at least 1e-30 and less than 1e+30"},
        {"x.csv --lr nan",
         "regress: --lr: 'nan' will not do: it takes a number, at least 1e-30 and less than 1e+30"},
        {"x.csv --momentum 1",
         "regress: --momentum: '1' will not do: it takes a number, at least 0 and less than 1"},
        {"x.csv --epochs 1.5", "regress: --epochs: '1.5' will not do: it takes a whole number, at "
                               "least 1 and less than 1e+15"},
        {"x.csv --batch-size 0", "regress: --batch-size: '0' will not do: it takes a whole number, "
                                 "at least 1 and less than 1e+15"},
        {"x.csv --seed -1", "regress: --seed: '-1' will not do: it takes a whole number, at least "
                            "0 and less than 4.29497e+09"},
        {"x.csv --test-fraction 1", "regress: --test-fraction: '1' will not do: it takes a number, "
                                    "at least 0 and less than 1"},
        {"$DATA/norris.csv --target y --features x,x",
         "regress: --features: 'x' is named before, or is the target"},
        {"$DATA/norris.csv --target y --features y",
         "regress: --features: 'y' is named before, or is the target"},
        {"$DATA/norris.csv --target y --features x,",
         "regress: --features: a name is missing at the end"},
        {"$DATA/norris.csv --target y --features '\"x'",
         "regress: --features: a quote is not closed before '\"x'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[256], expected[256];
        snprintf(command, sizeof command, "regress %s 2>&1", cases[i][0]);
        snprintf(expected, sizeof expected, "%s\n", cases[i][1]);
        expect_status(command, 2);
        assert_string_equal(text, expected);
    }
    expect_status("\"$(command -v regress)\" --x 2>&1", 2);
    assert_string_equal(text, "regress: unknown option --x (--help lists them)\n");
}

/* ---- Bad data: one line, with the file and the line of it, and exit status 1. */

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *message;
    } cases[] = {
        {"", "1: the file is empty: no header"},
        {"\n\n", "1: the file is empty: no header"},
        {"1,2\n3,4\n5,6\n", "1: no header: the first line must name the columns"},
        {"x,y\n", "2: no rows after the header"},
        {"x,y", "2: no rows after the header"},
        {"x,y\n1,2\n", "2: 1 row to train on, where 1 feature and an intercept need at least 2"},
        {"x,z,y\n1,2,3\n2,3,5\n",
         "3: 2 rows to train on, where 2 features and an intercept need at least 3"},
        {"x,z\n1,2\n2,3\n", "1: no column 'y'; there is x, z"},
        {"y\n1\n2\n", "1: no column to predict 'y' from"},
        {"x,y,x\n1,2,3\n", "1: two columns are named 'x'"},
        {"x,,y\n,1,2\n", "2: column 'x' is empty; --missing drop leaves such rows out"},
        {"x,y\n1,2\n2,three\n", "3: column 'y': 'three' is not a number"},
        {"x,y\n1,2\n0x10,3\n", "3: column 'x': '0x10' is not a number"},
        {"x,y\n1,2\n2 3,3\n", "3: column 'x': '2 3' is not a number"},
        {"x,y\n1,2\n\x1b[2J,3\n", "3: column 'x': '?[2J' is not a number"},
        {"x,y\n1,2\n\n,3\n", "4: column 'x' is empty; --missing drop leaves such rows out"},
        {"x,y\n1,2\n3\n", "3: 1 cell in a row, where the header has 2"},
        {"x,y\n1,2\n3,4,5\n", "3: 3 cells in a row, where the header has 2"},
        {"x,y\n1,2\n3,nan\n",
         "3: column 'y': 'nan' is a missing value; --missing drop leaves such rows out"},
        {"x,y\n1,2\n-inf,3\n", "3: column 'x': '-inf' is not a finite number"},
        {"x,y\n1,2\n1e999,3\n", "3: column 'x': '1e999' is not a finite number"},
        {"x,y\n1,2\n\"3,4\n", "3: the quote that opens here is not closed"},
        {"x,y\n1,2\n\"3\"4,4\n", "3: text follows the closing quote of a cell"},
        {"x,y\n1,2\n2,\"1,234.5\"\n",
         "3: column 'y': '1,234.5' has separators of thousands: write 1234.5"},
        {"x;y\n1,234;2\n",
         "2: column 'x': '1,234' may have separators of thousands: write 1234; --decimal comma "
         "reads numbers with decimal commas"},
        {"x;y\n1,5;2\n1.5;2\n",
         "2: column 'x': '1,5' is not a number, as the decimal point is '.'; --decimal comma reads "
         "numbers with decimal commas"},
        {"\xff\xfex",
         " UTF-16 text: save the file as UTF-8 (iconv -f UTF-16 -t UTF-8 converts it)"},
        {"\x1f\x8b\x08",
         " a file compressed by gzip: unpack it (gunzip), or read what gunzip -c writes"},
        {"x,y\n1,2\n1,3\n1,4\n", "1: column 'x' is constant"},
        {"x,z,y\n1,2,2\n1,3,3\n1,5,4\n",
         "1: column 'x' is constant; leave it out, or take --dependent drop"},
        {"x,y\n1,2\n2,2\n3,2\n", "1: column 'y' is constant"},
        {"x,y\n1e300,2\n2,3\n3,4\n",
         "1: column 'x' has values too large or too close to compute with"},
        {"x,y\n1e-300,2\n2e-300,3\n3e-300,4\n",
         "1: column 'x' has values too large or too close to compute with"},
        {"x,y\n1,2\n2,3\n\"a\tcell that goes on and on without an end, and on and on\",3\n",
         "4: column 'x': 'a?cell that goes on and on without an en...' is not a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[256];
        write_text("bad.csv", cases[i].bytes);
        snprintf(expected, sizeof expected, "bad.csv:%s\n", cases[i].message);
        expect_status("regress bad.csv --target y 2>&1", 1);
        assert_string_equal(text, expected);
    }
}

static void test_bad_paths(void **state)
{
    (void)state;
    expect_status("regress missing.csv --target y 2>&1", 1);
    assert_string_equal(text, "missing.csv: No such file or directory\n");
    expect_status("mkdir folder; regress folder --target y 2>&1", 1);
    assert_string_equal(text, "folder:1: Is a directory\n");
    expect_status("regress /dev/zero --target y 2>&1", 1);
    assert_string_equal(text, "/dev/zero:1: a zero byte: this is not a text file in UTF-8\n");
    program_write("zero.csv", "x,y\n1,2\n1,\0002\n", 13);
    expect_status("regress zero.csv --target y 2>&1", 1);
    assert_string_equal(text, "zero.csv:3: a zero byte: this is not a text file in UTF-8\n");
}

/* A line of a gigabyte, as the header and as a row, is not read to its end. */
static void test_endless_line(void **state)
{
    (void)state;
    expect_status(
        "yes 12345,12345 | tr -d '\\n' | head -c 1073741824 | regress /dev/stdin --target y 2>&1",
        1);
    assert_string_equal(text, "/dev/stdin:1: the line is longer than 1048576 bytes\n");
    expect_status("(echo x,y; yes 12345,12345 | tr -d '\\n' | head -c 1073741824) |"
                  " regress /dev/stdin --target y 2>&1",
                  1);
    assert_string_equal(text, "/dev/stdin:2: the line is longer than 1048576 bytes\n");
}

/* As many columns as fit in a line. */
static void test_wide_file(void **state)
{
    (void)state;
    expect_status("(seq -s , -f 'c%.0f' 140000; seq -s , 140000) > wide.csv; regress wide.csv "
                  "--target c1 2>&1",
                  1);
    assert_string_equal(
        text, "wide.csv:2: 1 row to train on, where 139999 features and an intercept need at least "
              "140000\n");
}

/* Of many features, too, those are named whose combination is almost constant. */
static void test_names_those_of_many_that_almost_depend(void **state)
{
    (void)state;
    enum { FEATURES = 210, ROWS = 300 };
    FILE *file = fopen("many.csv", "w");
    assert_non_null(file);
    uint32_t random = 1;
    for (int i = 0; i < FEATURES; i++) fprintf(file, "x%d,", i);
    fputs("y\n", file);
    for (int r = 0; r < ROWS; r++) {
        double x[FEATURES + 1];
        for (int i = 0; i <= FEATURES; i++) {
            random = random * 1664525u + 1013904223u;
            x[i] = (double)(random >> 8) / (1 << 24) - 0.5;
        }
        x[7] = x[3] - x[90] + 1e-5 * x[7];
        for (int i = 0; i <= FEATURES; i++) fprintf(file, i ? ",%.12f" : "%.12f", x[i]);
        fputc('\n', file);
    }
    fclose(file);
    expect_status("regress many.csv --target y", 0);
    expect_text("\nwarning: features almost depend on each other (condition number ");
    expect_text("): x3, x7, x90\n");
}

static void test_out_of_memory(void **state)
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
    expect_status("(echo x,y; yes 1,2 | head -n 5000000) | (ulimit -v 65536; regress /dev/stdin "
                  "--target y 2>&1)",
                  1);
    const char *message = ": out of memory\n";
    assert_int_equal(strncmp(text, "/dev/stdin:", 11), 0);
    assert_string_equal(text + strlen(text) - strlen(message), message);
}

/* ---- Good data in other clothes. */

static void test_accepted_forms(void **state)
{
    (void)state;
    static const char *const files[] = {
        "x,y\n1,3\n2,5\n4,9\n",
        "x,y\n1,3\n2,5\n4,9",
        "x,y\r\n1,3\r\n2,5\r\n4,9\r\n",
        "x,y\r1,3\r2,5\r4,9",
        "\xEF\xBB\xBFx,y\n1,3\n2,5\n4,9\n",
        "\xEF\xBB\xBF\"x\",\"y\"\n\"1\",\"3\"\n\"2\", \"5\" \n\"4\",\"9\"\n",
        " x , y \n 1 ,\t3\n 2 , 5 \n 4 , 9 \n",
        "x,y\n\n1,3\n  \n2,5\n4,9\n\n\n",
        "x,y\n+1,3.\n2e0,.5E+1\n0004,9\n",
        "x;y\n1,0;3\n2,0;5,0\n4;9\n",
        "sep=;\r\nx;y\r\n1;3\r\n2;5\r\n4;9\r\n;\r\n",
        "x\ty\n1\t3\n2\t5\n4\t9\n",
        "  x   y\n  1   3\n  2   5\n  4   9\n",
        "x,y,\n1,3,\n2,5,\n4,9,\n,,\n",
        ",x,y\n0,1,3\n1,2,5\n2,4,9\n",
        "\"x\" \"y\"\n\"1\" 1 3\n\"2\" 2 5\n\"3\" 4 9\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_text("good.csv", files[i]);
        expect_status("regress good.csv --target y --float64 2>&1", 0);
        expect_number("x", 2, 1e-12);
        expect_number("intercept", 1, 1e-12);
    }
}

/* The report says how a file was read that is written in another way than most. */
static void test_separators(void **state)
{
    (void)state;
    write_text("semicolons.csv", "x;y\n1,5;4\n2,5;6\n4;9\n");
    expect_status("regress semicolons.csv --target y", 0);
    expect_text("\nsemicolons.csv: cells separated by ';', decimal comma\n");
    expect_cell("x", 0, 2, 1e-12);
    write_text("tabs.csv", "x\ty\n1\t1,234\n2\t2,468\n4\t4,936\n");
    expect_status("regress tabs.csv --target y --decimal comma --separator tab", 0);
    expect_text("\ntabs.csv: cells separated by tabs, decimal comma\n");
    expect_cell("x", 0, 1.234, 1e-12);
    write_text("pandas.csv", ",x,y\n7,1,3\n1,2,5\n3,4,9\n");
    expect_status("regress - --target y < pandas.csv", 0);
    expect_text("y ~ x, least squares, float64\nleft out: the first column, which has no name\n");
}

static void test_many_rows(void **state)
{
    (void)state;
    expect_status(
        "(echo x,y; seq 300000 | sed 's/.*/&,&/') > many.csv; regress many.csv --target y 2>&1", 0);
    expect_number("trained", 300000, 0);
    expect_number("x", 1, 1e-6);
}

/* ---- The progress line is for a terminal alone. */

static void run_on_terminal(int terminal)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(terminal, STDERR_FILENO);
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        execlp("regress", "regress", TEST_ROOT "/examples/data/norris.csv", "--target", "y",
               "--method", "sgd", (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_progress(void **state)
{
    (void)state;
    expect_status("regress $DATA/norris.csv --target y 2>&1 >/dev/null", 0);
    assert_string_equal(text, "");

    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    run_on_terminal(terminal);
    ssize_t n = read(master, text, SIZE - 1);
    assert_true(n > 0);
    text[n] = 0;
    close(terminal);
    close(master);
    expect_text("\repoch ");
    expect_text("  loss ");
    expect_text(" rows/s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norris_to_nine_digits),
        cmocka_unit_test(test_norris_in_float32),
        cmocka_unit_test(test_standard_errors),
        cmocka_unit_test(test_diabetes),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_level_of_intervals),
        cmocka_unit_test(test_wide_letters_align),
        cmocka_unit_test(test_says_when_the_scatter_is_not_known),
        cmocka_unit_test(test_agrees_with_r),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_held_out_rows),
        cmocka_unit_test(test_settings_are_respected),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_dependent_features_are_named),
        cmocka_unit_test(test_dependent_features_are_dropped),
        cmocka_unit_test(test_warns_of_almost_dependent_features),
        cmocka_unit_test(test_missing_values),
        cmocka_unit_test(test_text_that_is_left_out_does_not_matter),
        cmocka_unit_test(test_cubic_far_from_zero),
        cmocka_unit_test(test_quartic),
        cmocka_unit_test(test_wampler1),
        cmocka_unit_test(test_year_and_its_square),
        cmocka_unit_test(test_long_numbers),
        cmocka_unit_test(test_seed_leaves_a_full_batch_alone),
        cmocka_unit_test(test_says_by_how_much_it_misses),
        cmocka_unit_test(test_predictions),
        cmocka_unit_test(test_plots),
        cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_bad_paths),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_wide_file),
        cmocka_unit_test(test_names_those_of_many_that_almost_depend),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_accepted_forms),
        cmocka_unit_test(test_separators),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
