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
    assert_int_equal(models, 29);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_r),
        cmocka_unit_test(test_spaces_are_free),
        cmocka_unit_test(test_names_with_operators_are_quoted),
        cmocka_unit_test(test_wrong_terms),
        cmocka_unit_test(test_values_outside_a_function),
        cmocka_unit_test(test_report_names_the_level_left_out),
        cmocka_unit_test(test_missing_levels),
        cmocka_unit_test(test_numbers_as_levels),
        cmocka_unit_test(test_too_many_levels),
        cmocka_unit_test(test_predicts_with_the_same_terms),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
