/* The terms of regress: powers, functions, products, factors; compared with R. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "program.h"
#include "report.h"

/* ---- R's data sets: what lm and its summary say of them, to ten digits. */

static void test_agrees_with_r(void **state)
{
    (void)state;
    char line[1024], command[1100];
    int models = 0;
    FILE *golden = fopen(TEST_ROOT "/tests/golden/terms_golden.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden)) {
        if (!strncmp(line, "set ", 4)) {
            copy_data(golden, "r.csv");
        } else if (!strncmp(line, "model ", 6)) {
            line[strcspn(line, "\n")] = 0;
            snprintf(command, sizeof command, "regress r.csv --digits 15 %s", line + 6);
            expect_status(command, 0);
            models++;
        } else if (!strncmp(line, "coefficient ", 12)) {
            expect_golden_coefficient(line + 12);
        } else {
            expect_golden_fit(line + 4);
        }
    }
    fclose(golden);
    assert_int_equal(models, 42);
}

/* ---- How terms are written. */

static void test_spaces_are_free(void **state)
{
    (void)state;
    write_text("a.csv", "u v,x,y\n1,2,3\n2,3,5\n3,4,4\n4,2.5,8\n5,7,1\n");
    expect_status("regress a.csv --target y --features ' u v ,x ^ 2,  u v*x,log( x )^ (-1) '", 0);
    expect_text("y ~ u v + x^2 + u v*x + log(x)^-1, ");
    expect_status("regress a.csv --target y --features 'u v,x^2,u v*x,log(x)^-1'", 0);
    expect_text("y ~ u v + x^2 + u v*x + log(x)^-1, ");
}

/* y = 2 + 3 a*b, where a*b is the name of a column. */
static void test_names_with_operators_are_quoted(void **state)
{
    (void)state;
    write_text("quoted.csv", "a*b,\"c,\"\"d\",log(x),y\n1,1,4,5\n2,1,4,8\n4,3,1,14\n7,1,1,23\n");
    expect_status("regress quoted.csv --target y --features '\"a*b\"'", 0);
    expect_cell("a*b", 0, 3, 1e-12);
    expect_status("regress quoted.csv --target y --features '\"a*b\", \"c,\"\"d\"' 2>&1", 0);
    expect_text("y ~ a*b + c,\"d, ");
    expect_status("regress quoted.csv --target y --features 'log(\"log(x)\"), \"a*b\"^2'", 0);
    expect_text("y ~ log(log(x)) + a*b^2, ");
    expect_status("regress quoted.csv --target y --exclude '\"c,\"\"d\"'", 0);
    expect_text("y ~ a*b + log(x), ");
}

static void test_wrong_terms(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"x,,z", "a name is missing before ',z'"},
        {"", "'' will not do"},
        {" ", "a name is missing at the end"},
        {"x*", "a name is missing at the end"},
        {"*x", "a name is missing before '*x'"},
        {"x^", "a power is missing at the end"},
        {"x^z", "a power is missing before 'z'"},
        {"x^nan", "a power is missing before 'nan'"},
        {"x^0", "a power is 0, which makes a constant, before '0'"},
        {"x^(2", "a ) is missing at the end"},
        {"x^2 z", "an operator is missing before 'z'"},
        {"x)", "an operator is missing before ')'"},
        {"log(x", "a ) is missing at the end"},
        {"log()", "a name is missing before ')'"},
        {"tan(x)", "there is no such function, only log, sqrt, exp and factor, before 'tan(x)'"},
        {"(x)", "a name is missing before '(x)'"},
        {"x,\"z", "a quote is not closed before '\"z'"},
        {"factor(g)^2", "a factor has no power before '2'"},
        {"x*x*x*x*x*x*x*x*x", "a product has more than 8 variables before 'x'"},
        {"x*z, z*x", "'z*x' is named before, or is the target"},
        {"x, x^2, x ^ 2.0", "'x^2' is named before, or is the target"},
        {"x, log(y)", "'log(y)' is named before, or is the target"},
    };
    write_text("b.csv", "x,z,g,y\n1,2,a,3\n2,1,b,5\n3,4,a,4\n4,2,b,8\n5,7,a,1\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[256], expected[256];
        snprintf(command, sizeof command, "regress b.csv --target y --features '%s' 2>&1",
                 cases[i][0]);
        snprintf(expected, sizeof expected, "regress: --features: %s\n", cases[i][1]);
        expect_status(command, 2);
        assert_string_equal(text, expected);
    }
    expect_status("regress b.csv --target y --features 'x, w^2' 2>&1", 1);
    assert_string_equal(text, "b.csv:1: no column 'w'; there is x, z, g, y\n");
    expect_status("regress b.csv --target y --exclude w 2>&1", 1);
    assert_string_equal(text, "b.csv:1: no column 'w'; there is x, z, g, y\n");
    expect_status("regress b.csv --target y --exclude '\"x' 2>&1", 2);
    assert_string_equal(text, "regress: --exclude: '\"x' is no list of names\n");
    expect_status("regress b.csv --target y --exclude x --features z 2>&1", 2);
    assert_string_equal(text, "regress: --exclude leaves out of all columns, and --features takes "
                              "some: give one of them\n");
}

/* Columns with the same name matter only where one of them is used. */
static void test_columns_with_the_same_name(void **state)
{
    (void)state;
    write_text("twice.csv", "x,z,y,z\n1,7,3,a\n2,1,5,b\n3,2,7,c\n");
    expect_status("regress twice.csv --target y 2>&1", 1);
    assert_string_equal(text, "twice.csv:1: two columns are named 'z'\n");
    expect_status("regress twice.csv --target y --features x", 0);
    expect_cell("x", 0, 2, 1e-14);
    expect_status("regress twice.csv --target y --exclude z", 0);
    expect_cell("x", 0, 2, 1e-14);
}

/* ---- Values that a term cannot take. */

static void test_values_outside_a_function(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"log(x)", "c.csv:3: column 'x': log(x) is not finite where it is 0"},
        {"x^-1", "c.csv:3: column 'x': x^-1 is not finite where it is 0"},
        {"sqrt(z)", "c.csv:4: column 'z': sqrt(z) is not finite where it is -4"},
        {"z^0.5", "c.csv:4: column 'z': z^0.5 is not finite where it is -4"},
        {"exp(w)", "c.csv:2: column 'w': exp(w) is not finite where it is 1000"},
        {"log(g)", "c.csv:2: column 'g': 'a' is not a number"},
        {"g^2", "c.csv:2: column 'g': 'a' is not a number"},
        {"g^2, x", "c.csv:2: column 'g': 'a' is not a number"},
    };
    write_text("c.csv", "x,z,w,g,y\n1,2,1000,a,3\n0,1,1,b,5\n3,-4,2,a,4\n4,2,3,b,8\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[256], expected[256];
        snprintf(command, sizeof command, "regress c.csv --target y --features '%s' 2>&1",
                 cases[i][0]);
        snprintf(expected, sizeof expected, "%s\n", cases[i][1]);
        expect_status(command, 1);
        assert_string_equal(text, expected);
    }
    write_text("d.csv", "x,y\n1,2\n2,3\n3,5\n");
    expect_status("regress d.csv --target y --predict c.csv --features 'log(x)' 2>&1", 1);
    assert_string_equal(text, "c.csv:3: column 'x': log(x) is not finite where it is 0\n");
}

/* ---- Factors. */

static void test_report_names_the_level_left_out(void **state)
{
    (void)state;
    write_text("f.csv", "g,x,y\nb,1,3\nc,2,5\na,3,4\nb,4,8\na,5,1\nB,6,2\nc,1,1\n");
    expect_status("regress f.csv --target y", 0);
    expect_text("y ~ g + x, least squares, float64\n"
                "g: 4 levels, compared with B, which is left out\n");
    expect_text("\ng=a ");
    expect_text("\ng=c ");
    expect_status("regress f.csv --target y --features 'g*x'", 0);
    expect_text("g: 4 levels, each with features of its own\n");
    expect_text("\ng=B*x ");
    expect_status("regress f.csv --target y --features 'g*x*g' 2>&1", 1);
    assert_string_equal(text,
                        "regress: --features: 'g*x*g' has a factor twice, which is the factor "
                        "itself\n");
    write_text("f2.csv", "g,h,y\na,p,2\nb,q,3\na,p,5\nb,q,5\n");
    expect_status("regress f2.csv --target y --dependent drop", 0);
    expect_text("left out: h=q (a combination of features before)\n"
                "g: 2 levels, compared with a, which is left out\n"
                "h: 2 levels, compared with p, which is left out\n");
}

/* The texts NA and "" are missing values, and no levels; a level that is only in rows left out is
 * none.
 */
static void test_missing_levels(void **state)
{
    (void)state;
    write_text("m.csv", "x,g,y\n1,,3\n2,NA,5\n,d,1\n3,a,4\n4,b,8\n5,a,1\n6,b,2\n");
    expect_status("regress m.csv --target y --missing drop", 0);
    expect_text("4 of 7 rows (3 left out: a value is missing)\n"
                "g: 2 levels, compared with a, which is left out\n");
    expect_status("regress m.csv --target y 2>&1", 1);
    assert_string_equal(text,
                        "m.csv:2: column 'g' is empty; --missing drop leaves such rows out\n");
}

/* 4 and 4.0 are one number, and one level; 10 comes after 4. */
static void test_numbers_as_levels(void **state)
{
    (void)state;
    write_text("n.csv", "k,y\n10,1\n4,2\n4.0,3\n10,5\n4e0,1\n7,4\n7,5\n");
    expect_status("regress n.csv --target y --features 'factor(k)'", 0);
    expect_text("factor(k): 3 levels, compared with 4, which is left out\n");
    expect_cell("intercept", 0, 2, 1e-12);
    expect_cell("factor(k)=7", 0, 2.5, 1e-12);
    expect_cell("factor(k)=10", 0, 1, 1e-12);
    write_text("t.csv", "k,y\n10,1\n4,2\nx,3\n");
    expect_status("regress t.csv --target y --features 'factor(k)' 2>&1", 1);
    assert_string_equal(text, "t.csv:4: column 'k': 'x' is not a number\n");
}

static void test_too_many_levels(void **state)
{
    (void)state;
    expect_status("(echo g,y; seq 600 | awk '{ print \"v\" $1 % 300 \",\" $1 % 7 }') > v.csv; "
                  "regress v.csv --target y 2>&1",
                  1);
    assert_string_equal(text, "v.csv:258: column 'g' has more than 256 levels, too many for a "
                              "factor; leave it out\n");
    write_text("w.csv", "g,y\na,1\na,2\na,4\n");
    expect_status("regress w.csv --target y 2>&1", 1);
    assert_string_equal(text, "w.csv: column 'g' has one level alone, 'a': it is constant\n");
    expect_status("awk 'BEGIN { print \"a,b,c,y\"; for (i = 0; i < 100; i++) print i % 41 \",\" "
                  "i % 42 \",\" i % 43 \",\" i }' > u.csv; regress u.csv --target y --features "
                  "'factor(a)*factor(b)*factor(c)' 2>&1",
                  1);
    assert_string_equal(text, "regress: --features: 'factor(a)*factor(b)*factor(c)' makes 65536 "
                              "features or more, which is too many\n");
    expect_status("regress v.csv --target g --features y 2>&1", 1);
    assert_string_equal(text, "v.csv:2: column 'g': 'v1' is not a number\n");
}

static void test_predicts_with_the_same_terms(void **state)
{
    (void)state;
    write_text("p.csv", "g,x,y\na,1,1\na,2,4\na,3,9\nb,1,6\nb,2,9\nb,3,14\n");
    write_text("q.csv", "x,g\n5,b\n6,a\n");
    expect_status("regress p.csv --target y --features 'x^2, g' --predict q.csv 2>report", 0);
    double first = 0, second = 0;
    assert_int_equal(sscanf(text, "y\n%lf\n%lf\n", &first, &second), 2);
    assert_true(fabs(first - 30) < 1e-12 && fabs(second - 36) < 1e-12);
    write_text("q.csv", "x,g\n5,b\n6,c\n");
    expect_status("regress p.csv --target y --features 'x^2, g' --predict q.csv 2>&1", 1);
    assert_string_equal(text, "q.csv:3: column 'g': 'c' is no level of the data: a, b\n");
    expect_status("regress p.csv --target y --features 'x, factor(x)*g' --dependent drop --predict "
                  "q.csv 2>&1",
                  1);
    assert_string_equal(text, "q.csv:2: column 'x': '5' is no level of the data: 1, 2, 3\n");
}

/* ---- Weights, and no intercept. */

static void test_report_says_what_is_left_out(void **state)
{
    (void)state;
    write_text("k.csv", "x,w,y\n1,1,3\n2,0,50\n3,2,4\n4,0,8\n5,1,1\n,0,2\n7,1,3\n,1,2\n");
    expect_status("regress k.csv --target y --weights w --missing drop", 0);
    expect_text("y ~ x, weighted by w, least squares, float64\n"
                "6 of 8 rows (2 left out: a value is missing)\n"
                "4 of 6 rows (2 left out: their weight is 0)\n");
    expect_status("regress k.csv --target y --features x --no-intercept --missing drop", 0);
    expect_text("y ~ x, no intercept, least squares, float64\n");
    assert_null(strstr(text, "intercept "));
}

/* A column of ones is an intercept of another name. */
static void test_column_of_ones(void **state)
{
    (void)state;
    write_text("o.csv", "one,x,y\n1,1,3\n1,2,5\n1,4,9\n");
    expect_status("regress o.csv --target y --no-intercept", 0);
    expect_cell("one", 0, 1, 1e-12);
    expect_cell("x", 0, 2, 1e-12);
    expect_status("regress o.csv --target y 2>&1", 1);
    assert_string_equal(text, "o.csv:1: column 'one' is constant; leave it out, or take "
                              "--dependent drop\n");
    write_text("z.csv", "zero,x,y\n0,1,3\n0,2,5\n0,4,9\n");
    expect_status("regress z.csv --target y --no-intercept 2>&1", 1);
    assert_string_equal(text, "z.csv:1: column 'zero' is zero; leave it out, or take "
                              "--dependent drop\n");
    write_text("s.csv", "a,b,y\n1,2,3\n2,4,5\n4,8,9\n");
    expect_status("regress s.csv --target y --no-intercept 2>&1", 1);
    assert_string_equal(text, "s.csv:1: column 'b' tells no more than others: it is 2 x 'a'; leave "
                              "one of these features out, or take --dependent drop\n");
}

static void test_training_agrees_with_least_squares(void **state)
{
    (void)state;
    static const char *const options[] = {"", "--weights w", "--no-intercept",
                                          "--weights w --no-intercept"};
    write_text("l.csv", "x,z,w,y\n1,4,1,3\n2,-1,3,5\n3,2,2,4\n4,0,1,8\n5,1,1.5,1\n6,-3,1,7\n");
    for (size_t i = 0; i < 4; i++) {
        char command[256];
        snprintf(command, sizeof command, "regress l.csv --target y --features x,z %s", options[i]);
        expect_status(command, 0);
        const double x = cell_of("x", 0), z = cell_of("z", 0), r2 = number_after("R2");
        static const char *const methods[] = {"sgd --float64", "lbfgs --float64"};
        for (size_t k = 0; k < 2; k++) {
            snprintf(command, sizeof command,
                     "regress l.csv --target y --features x,z %s --method %s", options[i],
                     methods[k]);
            expect_status(command, 0);
            expect_text("\nconverged after ");
            expect_cell("x", 0, x, 1e-6);
            expect_cell("z", 0, z, 1e-6);
            expect_number("R2", r2, 1e-6);
        }
    }
}

static void test_wrong_weights(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *message;
    } cases[] = {
        {"x,w,y\n1,1,2\n2,-1,3\n3,1,5\n",
         "h.csv:3: column 'w': a weight must not be negative, as -1 is"},
        {"x,w,y\n1,1,2\n2,a,3\n3,1,5\n", "h.csv:3: column 'w': 'a' is not a number"},
        {"x,w,y\n1,a,2\n2,1,3\n3,1,5\n", "h.csv:2: column 'w': 'a' is not a number"},
        {"x,w,y\n1,0,2\n2,0,3\n3,0,5\n", "h.csv:5: the weight of every row is 0"},
        {"x,w,y\n1,1,2\n2,0,3\n3,0,5\n",
         "h.csv:4: 1 row to train on, where 1 feature and an intercept need at least 2"},
        {"x,w,y\n1,1,2\n2,1e-200,3\n3,1,5\n",
         "h.csv:3: column 'w': 1e-200 is too large or too small a weight to compute with"},
        {"x,w,y\n1,1,2\n2,1,3\n3,1e300,5\n",
         "h.csv:4: column 'w': 1e+300 is too large or too small a weight to compute with"},
        {"x,v,y\n1,1,2\n", "h.csv:1: no column 'w'; there is x, v, y"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[256];
        write_text("h.csv", cases[i].bytes);
        snprintf(expected, sizeof expected, "%s\n", cases[i].message);
        expect_status("regress h.csv --target y --weights w 2>&1", 1);
        assert_string_equal(text, expected);
    }
    expect_status("regress h.csv --target y --weights y 2>&1", 2);
    assert_string_equal(text, "regress: --weights: 'y' is the target\n");
    write_text("h.csv", "x,z,y\n1,1,2\n");
    expect_status("regress h.csv --target y --no-intercept 2>&1", 1);
    assert_string_equal(text, "h.csv:2: 1 row to train on, where 2 features need at least 2\n");
}

/* Copies a data set of R's from the golden file. */
static void copy_set(const char *name, const char *path)
{
    char line[1024], wanted[64];
    snprintf(wanted, sizeof wanted, "set %s \n", name);
    FILE *golden = fopen(TEST_ROOT "/tests/golden/terms_golden.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden) && strcmp(line, wanted) != 0) continue;
    copy_data(golden, path);
    fclose(golden);
}

/* R: glm(vs ~ 0 + wt + hp, binomial, mtcars) and glm(carb ~ hp, poisson, mtcars, weights = gear),
 * fitted again from the coefficients that they find, as R takes standard errors from the step
 * before the last. */
static void test_other_losses_agree_with_r(void **state)
{
    (void)state;
    copy_set("mtcars", "r.csv");
    expect_status("regress r.csv --target vs --features wt,hp --no-intercept --loss logistic "
                  "--digits 12",
                  0);
    expect_cell("wt", 0, 3.0835586461757600, 1e-9);
    expect_cell("wt", 1, 1.3326430462225365, 1e-9);
    expect_cell("hp", 0, -0.0798122822199575, 1e-9);
    expect_text("null deviance 44.3614195558 on 32 degrees of freedom;  residual deviance "
                "26.3183119523 on 30\n");
    expect_text(", AIC 30.3183119523\n");
    expect_status("regress r.csv --target carb --features hp --weights gear --loss poisson "
                  "--digits 12",
                  0);
    expect_cell("intercept", 0, 0.19485973849987795, 1e-9);
    expect_cell("intercept", 1, 0.128920199150631021, 1e-9);
    expect_cell("hp", 0, 0.00542593720591773, 1e-9);
    expect_text("null deviance 109.934841507 on 31 degrees of freedom;  residual deviance "
                "47.9095282274 on 30\n");
    expect_text(", AIC 383.701698805\n");
}

static void expect_prediction(const char *line, const double *expected)
{
    char *end = (char *)(uintptr_t)line;
    for (int i = 0; i < 3; i++) {
        const double got = strtod(end, &end);
        end += *end == ',';
        if (!(fabs(got - expected[i]) <= 1e-11 * fabs(expected[i])))
            fail_msg("%.15g, not %.15g:\n%s", got, expected[i], text);
    }
}

/* R: predict(fit, data.frame(wt = 3, hp = 100), interval = "prediction") for lm(mpg ~ 0 + wt + hp,
 * mtcars), and for lm(mpg ~ wt, mtcars, weights = hp). */
static void test_intervals_agree_with_r(void **state)
{
    (void)state;
    copy_set("mtcars", "r.csv");
    write_text("new.csv", "wt,hp\n3,100\n");
    static const struct {
        const char *options;
        double expected[3];
    } cases[] = {
        {"--features wt,hp --no-intercept",
         {17.1278239218401, -6.45693752521926, 40.7125853688995}},
        {"--features wt --weights hp", {20.2984465467873, -52.0482518755172, 92.6451449690918}},
    };
    for (size_t i = 0; i < 2; i++) {
        char command[256];
        snprintf(command, sizeof command,
                 "regress r.csv --target mpg %s --predict new.csv --interval --save f.csv "
                 "2>report && regress --load f.csv --predict new.csv --interval",
                 cases[i].options);
        expect_status(command, 0);
        expect_text("mpg,lower,upper\n");
        const char *first = strchr(text, '\n') + 1, *second = strstr(first, "upper\n") + 6;
        expect_prediction(first, cases[i].expected);
        expect_prediction(second, cases[i].expected);
    }
}

/* R gives NA for what no row has, and for what is constant beside the intercept. */
static void test_constant_features_are_dropped(void **state)
{
    (void)state;
    write_text("e.csv", "g,h,c,y\na,p,2,2\nb,p,2,3\nb,q,2,5\na,p,2,4\nb,q,2,1\n");
    expect_status("regress e.csv --target y --features 'g, h, g*h, c' --dependent drop", 0);
    expect_text("y ~ g + h, least squares, float64\n"
                "left out: g=b*h=q, c (a combination of features before)\n");
    expect_status("regress e.csv --target y --features 'g*h' --no-intercept --dependent drop", 0);
    expect_text("left out: g=a*h=q (a combination of features before)\n");
    expect_status("regress e.csv --target y --features 'g*h' --no-intercept 2>&1", 1);
    assert_string_equal(text, "e.csv:1: column 'g=a*h=q' is zero; leave it out, or take "
                              "--dependent drop\n");
    static const char *const rules[] = {"drop", "minimum-norm"};
    for (size_t i = 0; i < 2; i++) {
        char command[128];
        snprintf(command, sizeof command,
                 "regress e.csv --target y --features c --dependent %s 2>&1", rules[i]);
        expect_status(command, 1);
        assert_string_equal(text, "e.csv:1: column 'c' tells no more than others: it is 2; no "
                                  "other feature is left\n");
    }
}

/* ---- Coefficients of minimum norm. */

static void expect_coefficients(const char *command, const char *const *names, const double *values,
                                int n)
{
    expect_status(command, 0);
    for (int i = 0; i < n; i++) expect_cell(names[i], 0, values[i], 1e-10);
}

/* NumPy: lstsq(A, y, rcond=1e-10), where the first column of A is 1 unless there is no intercept,
 * and rows are multiplied by the roots of their weights. b is 2 a, and d is a + c. */
static void test_minimum_norm_agrees_with_numpy(void **state)
{
    (void)state;
    static const char *const names[] = {"intercept", "a", "b", "c", "d"};
    write_text("same.csv", "a,b,c,d,w,y\n1,2,7,8,1,1\n2,4,1,3,2,2.5\n3,6,2,5,3,3\n5,10,0,5,4,5\n"
                           "8,16,5,13,5,7\n");
    expect_coefficients("regress same.csv --target y --features a,b,c,d --dependent minimum-norm "
                        "--digits 15",
                        names,
                        (const double[]){0.8485429447852736, 0.15949177356385885,
                                         0.31898354712771904, -0.12892150027886212,
                                         0.03057027328499737},
                        5);
    expect_text("\n2 of 4 features are combinations of the others: of all coefficients that fit "
                "equally well,\nthese have the minimum norm. Single coefficients are not "
                "determined, and have no standard errors\n");
    assert_null(strstr(text, "std. error"));
    expect_number("residual standard error", 0.118099404423364, 1e-10);
    expect_coefficients("regress same.csv --target y --features a,b,c,d --dependent minimum-norm "
                        "--no-intercept --digits 15",
                        names + 1,
                        (const double[]){0.17234848484848483, 0.34469696969696967,
                                         -0.09385225494380407, 0.07849622990468072},
                        4);
    expect_coefficients("regress same.csv --target y --features a,b,c,d --dependent minimum-norm "
                        "--weights w --digits 15",
                        names,
                        (const double[]){0.8184197628705807, 0.160588965243962, 0.32117793048791843,
                                         -0.12987893260477335, 0.0307100326391852},
                        5);
    expect_status("regress same.csv --target y --features a,c --dependent minimum-norm", 0);
    expect_text("std. error");
}

/* NumPy: lstsq(A, y, rcond=1e-10), of three rows for five coefficients, and of a constant column
 * beside the intercept. */
static void test_minimum_norm_of_few_rows(void **state)
{
    (void)state;
    static const char *const names[] = {"intercept", "a", "b", "c", "d"};
    write_text("few.csv", "a,b,c,d,y\n1,2,7,8,1\n2,3,1,3,2.5\n3,6,2,5,4\n");
    expect_coefficients("regress few.csv --target y --dependent minimum-norm --digits 15", names,
                        (const double[]){0.33200636942675205, 0.4745222929936306,
                                         0.3065286624203818, -0.28105095541401265,
                                         0.19347133757961807},
                        5);
    expect_text("no degree of freedom remains");
    write_text("one.csv", "a,b,y\n1,2,1\n2,2,2.5\n3,2,3\n5,2,6\n");
    expect_coefficients(
        "regress one.csv --target y --dependent minimum-norm --digits 15", names,
        (const double[]){-0.042857142857143, 1.2142857142857149, -0.08571428571428574}, 3);
}

/* R leaves c and d out, too: lm(y ~ a + b + c + d) has 1.5 for a, and 0 for b. */
static void test_drops_features_of_few_rows(void **state)
{
    (void)state;
    write_text("few.csv", "a,b,c,d,y\n1,2,7,8,1\n2,3,1,3,2.5\n3,6,2,5,4\n");
    expect_status("regress few.csv --target y --dependent drop", 0);
    expect_text("left out: c, d (a combination of features before)\n");
    assert_true(fabs(cell_of("intercept", 0) + 0.5) < 1e-14);
    assert_true(fabs(cell_of("a", 0) - 1.5) < 1e-14 && fabs(cell_of("b", 0)) < 1e-14);
    expect_text("no degree of freedom remains");
}

static void test_minimum_norm_predicts(void **state)
{
    (void)state;
    write_text("same.csv",
               "a,b,c,d,y\n1,2,7,8,1\n2,4,1,3,2.5\n3,6,2,5,3\n5,10,0,5,5\n8,16,5,13,7\n");
    write_text("new.csv", "a,b,c,d\n4,8,2,6\n7,14,7,14\n");
    static const char *const options[] = {
        "same.csv --target y --dependent drop --interval",
        "same.csv --target y --dependent minimum-norm --interval --save norm.csv --folds 5",
        "--load norm.csv"};
    double first[6] = {0}, value;
    for (int i = 0; i < 3; i++) {
        char command[256];
        snprintf(command, sizeof command, "regress %s --predict new.csv 2>report | tail -n +2",
                 options[i]);
        expect_status(command, 0);
        char *at = text;
        for (int k = 0; k < (i < 2 ? 6 : 2); k++) {
            value = strtod(at, &at);
            at += *at == ',';
            if (i == 0) first[k] = value;
            assert_true(fabs(value - first[i < 2 ? k : 3 * k]) < 1e-11);
        }
    }
    expect_status("regress --load norm.csv --predict new.csv --interval 2>&1", 1);
    assert_string_equal(text, "norm.csv: this fit has no prediction intervals: only least squares "
                              "of independent features has them\n");
}

static void test_wrong_rules_for_dependent_features(void **state)
{
    (void)state;
    expect_status("regress x.csv --target y --dependent keep 2>&1", 2);
    assert_string_equal(text,
                        "regress: --dependent: 'keep' is none of error, drop and minimum-norm\n");
    static const char *const options[] = {"--method sgd", "--loss huber", "--l2 1"};
    for (size_t i = 0; i < 3; i++) {
        char command[128];
        snprintf(command, sizeof command,
                 "regress x.csv --target y --dependent minimum-norm %s 2>&1", options[i]);
        expect_status(command, 2);
        assert_string_equal(text,
                            "regress: --dependent minimum-norm is a form of least squares: it "
                            "goes without --method, --loss and --l2\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_r),
        cmocka_unit_test(test_spaces_are_free),
        cmocka_unit_test(test_names_with_operators_are_quoted),
        cmocka_unit_test(test_wrong_terms),
        cmocka_unit_test(test_columns_with_the_same_name),
        cmocka_unit_test(test_values_outside_a_function),
        cmocka_unit_test(test_report_names_the_level_left_out),
        cmocka_unit_test(test_missing_levels),
        cmocka_unit_test(test_numbers_as_levels),
        cmocka_unit_test(test_too_many_levels),
        cmocka_unit_test(test_predicts_with_the_same_terms),
        cmocka_unit_test(test_report_says_what_is_left_out),
        cmocka_unit_test(test_column_of_ones),
        cmocka_unit_test(test_training_agrees_with_least_squares),
        cmocka_unit_test(test_wrong_weights),
        cmocka_unit_test(test_other_losses_agree_with_r),
        cmocka_unit_test(test_intervals_agree_with_r),
        cmocka_unit_test(test_constant_features_are_dropped),
        cmocka_unit_test(test_minimum_norm_agrees_with_numpy),
        cmocka_unit_test(test_minimum_norm_of_few_rows),
        cmocka_unit_test(test_drops_features_of_few_rows),
        cmocka_unit_test(test_minimum_norm_predicts),
        cmocka_unit_test(test_wrong_rules_for_dependent_features),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
