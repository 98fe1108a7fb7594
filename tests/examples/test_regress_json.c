/* regress --json: what it writes is JSON, and has the numbers of the report with all digits. */
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

/* ---- A strict reader of JSON (RFC 8259), which moves s behind what it reads. */

static bool read_value(const char **s, int depth);

static void skip_blanks(const char **s)
{
    *s += strspn(*s, " \t\r\n");
}

static bool take(const char **s, const char *word)
{
    const size_t n = strlen(word);
    if (strncmp(*s, word, n) != 0) return false;
    *s += n;
    return true;
}

static bool read_string(const char **s)
{
    if (!take(s, "\"")) return false;
    while (**s && **s != '"') {
        if ((unsigned char)**s < ' ') return false;
        if (take(s, "\\u")) {
            if (strspn(*s, "0123456789abcdefABCDEF") < 4) return false;
            *s += 4;
        } else if (take(s, "\\")) {
            if (!**s || !strchr("\"\\/bfnrt", *(*s)++)) return false;
        } else {
            ++*s;
        }
    }
    return take(s, "\"");
}

static bool read_digits(const char **s)
{
    const size_t n = strspn(*s, "0123456789");
    *s += n;
    return n > 0;
}

static bool read_json_number(const char **s)
{
    take(s, "-");
    if (!take(s, "0") && !read_digits(s)) return false;
    if (take(s, ".") && !read_digits(s)) return false;
    if (!take(s, "e") && !take(s, "E")) return true;
    if (!take(s, "+")) take(s, "-");
    return read_digits(s);
}

/* A list, or an object, whose items have keys. */
static bool read_items(const char **s, bool object, int depth)
{
    const char *close = object ? "}" : "]";
    ++*s;
    skip_blanks(s);
    if (take(s, close)) return true;
    do {
        skip_blanks(s);
        if (object) {
            if (!read_string(s)) return false;
            skip_blanks(s);
            if (!take(s, ":")) return false;
        }
        if (!read_value(s, depth + 1)) return false;
    } while (take(s, ","));
    return take(s, close);
}

/* Reads a value and the blanks around it. */
static bool read_value(const char **s, int depth)
{
    skip_blanks(s);
    const bool read = depth < 8 && (**s == '{' || **s == '[' ? read_items(s, **s == '{', depth)
                                    : **s == '"'             ? read_string(s)
                                    : **s == '-' || (**s >= '0' && **s <= '9')
                                        ? read_json_number(s)
                                        : take(s, "true") || take(s, "false") || take(s, "null"));
    skip_blanks(s);
    return read;
}

/* Runs regress with these options, which must write one JSON object and a line end. */
static void run_json(const char *options)
{
    char command[512];
    snprintf(command, sizeof command, "regress %s --json 2>/dev/null", options);
    expect_status(command, 0);
    const char *s = text;
    if (*s != '{' || !read_value(&s, 0) || *s || strcmp(s - 2, "}\n") != 0)
        fail_msg("%s: no JSON at %.60s of\n%s", options, s, text);
}

/* The number, or NaN for null, after a key that comes after `where`. */
static double json_number(const char *where, const char *key)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    const char *at = strstr(text, where);
    at = at ? strstr(at, quoted) : NULL;
    if (!at) fail_msg("no %s after %s in\n%s", key, where, text);
    at += strlen(quoted);
    return strncmp(at, "null", 4) ? strtod(at, NULL) : NAN;
}

static void expect_number_at(const char *where, const char *key, double value, double relative)
{
    const double got = json_number(where, key);
    if (!(fabs(got - value) <= relative * fabs(value)))
        fail_msg("%s %s: %.17g, not %.17g", where, key, got, value);
}

/* ---- The tests. */

/* NIST's certified values, and R's of the rest. */
static void test_numbers_have_all_digits(void **state)
{
    (void)state;
    run_json("$DATA/norris.csv --target y");
    expect_text("\n \"target\": \"y\",\n");
    expect_text("\n \"method\": \"least squares\",\n");
    expect_text("\n \"converged\": true,\n");
    static const char *const intercept = "\"name\": \"intercept\"", *const x = "\"name\": \"x\"";
    expect_number_at(intercept, "value", -0.262323073774029, 1e-12);
    expect_number_at(intercept, "standard_error", 0.232818234301152, 1e-13);
    expect_number_at(x, "value", 1.00211681802045, 1e-14);
    expect_number_at(x, "standard_error", 0.429796848199937e-03, 1e-13);
    expect_number_at("", "degrees_of_freedom", 34, 0);
    expect_number_at("", "residual_standard_error", 0.884796396144373, 1e-13);
    expect_number_at("", "r2", 0.999993745883712, 1e-14);
    expect_number_at("", "f", 5436385.54079785, 1e-13);
    expect_number_at("trained", "rows", 36, 0);
    expect_number_at("trained", "rmse", sqrt(26.6173985294224 / 36), 1e-13);
}

/* Each number of the report, printed with 17 digits, is that of the JSON. */
static void test_has_the_numbers_of_the_report(void **state)
{
    (void)state;
    static const char *const options =
        "$DATA/diabetes.csv --target progression --test-fraction 0.2 --folds 4";
    static const char *const phrases[][3] = {
        {"standard error ", "", "residual_standard_error"},
        {"R2 ", "", "r2"},
        {"adjusted ", "", "adjusted_r2"},
        {"F(10, 343) ", "", "f"},
        {"p = ", "", "f_p"},
        {"log-likelihood ", "", "log_likelihood"},
        {"AIC ", "", "aic"},
        {"\ntrained   354 rows, RMSE ", "trained", "rmse"},
        {"\nheld out  88 rows, RMSE ", "held_out", "rmse"},
        {"\n4 folds   354 rows, RMSE ", "folds", "rmse"},
    };
    enum { N = sizeof phrases / sizeof *phrases };
    double values[N], cells[6];
    char command[256];
    snprintf(command, sizeof command, "regress %s --digits 17", options);
    expect_status(command, 0);
    for (size_t i = 0; i < N; i++) {
        const char *at = strstr(text, phrases[i][0]);
        assert_non_null(at);
        values[i] = strtod(at + strlen(phrases[i][0]), NULL);
    }
    for (int i = 0; i < 6; i++) cells[i] = cell_of("bmi", i);
    run_json(options);
    /* RMSE is printed with nine digits. */
    for (size_t i = 0; i < N; i++)
        expect_number_at(phrases[i][1], phrases[i][2], values[i], i < 7 ? 1e-15 : 1e-8);
    static const char *const keys[] = {"value", "standard_error", "t", "p", "lower", "upper"};
    for (int i = 0; i < 6; i++) expect_number_at("\"name\": \"bmi\"", keys[i], cells[i], 1e-15);
}

static void test_names_are_escaped(void **state)
{
    (void)state;
    write_text("names.csv", "\"a\"\"\\\t\x01\",\"b\xff\xc3\xa9\xed\xa0\x80\",y\n"
                            "1,2,1\n2,1,2\n3,5,3\n4,1,9\n");
    run_json("names.csv --target y");
    expect_text("{\"name\": \"a\\\"\\\\\\u0009\\u0001\", ");
    expect_text("{\"name\": \"b\\ufffd\xc3\xa9\\ufffd\\ufffd\\ufffd\", ");
}

static void test_unknown_numbers_are_null(void **state)
{
    (void)state;
    write_text("two.csv", "x,y\n1,3\n2,5\n");
    run_json("two.csv --target y --predict two.csv --interval");
    assert_true(isnan(json_number("\"name\": \"x\"", "standard_error")));
    assert_true(isnan(json_number("\"name\": \"x\"", "p")));
    assert_true(isnan(json_number("", "residual_standard_error")));
    expect_text("\n  {\"value\": 3, \"lower\": null, \"upper\": null},\n");
}

static void test_predictions(void **state)
{
    (void)state;
    write_text("line.csv", "x,y\n0,1\n1,3\n2,5.5\n3,7\n");
    run_json("line.csv --target y --predict line.csv --save fit.csv");
    expect_text(" \"predictions\": [\n  1.05");
    run_json("--load fit.csv --predict line.csv --interval");
    expect_text(
        "{\n \"regress\": 1,\n \"target\": \"y\",\n \"predictions\": [\n  {\"value\": 1.05");
    assert_null(strstr(text, "coefficients"));
}

static void test_other_fits(void **state)
{
    (void)state;
    write_text("mixed.csv",
               "x,g,n,b,y\n1,red,4,0,1.5\n2,blue,6,1,2.25\n3,red,8,0,2\n4,red,4,0,4.5\n"
               "5,blue,6,1,5.75\n6,blue,8,0,5.5\n7,red,4,1,7.25\n8,red,6,1,8.75\n");
    run_json("mixed.csv --target y --features 'x, x^2, g, factor(g)' --dependent drop");
    expect_text("\n \"dropped_features\": [\n  \"factor(g)=red\"],\n");
    run_json("mixed.csv --target y --features x --method sgd --float64");
    assert_true(json_number("", "steps") > 0 && json_number("", "largest_miss") < 0.001);
    run_json("mixed.csv --target y --features x --loss huber:0.5");
    expect_number_at("", "loss_number", 0.5, 0);
    run_json("mixed.csv --target y --features 'x, n' --loss quantile:0.25 --test-fraction 0.2");
    expect_text("\n \"method\": \"simplex\",\n");
    run_json("mixed.csv --target b --features x --loss logistic");
    assert_true(json_number("\"name\": \"x\"", "z") > 0 && json_number("", "null_deviance") > 0);
    run_json("mixed.csv --target g --features 'x, n' --loss logistic");
    expect_text("\n \"classes\": [\n  \"blue\",\n  \"red\"],\n");
    run_json("mixed.csv --target n --features x --loss poisson");
    assert_true(json_number("trained", "mean_deviance") > 0);
    run_json("mixed.csv --target y --features x --l2 0.5");
    assert_true(isnan(json_number("\"name\": \"x\"", "standard_error")));
}

static void test_streams_of_json(void **state)
{
    (void)state;
    write_text("line.csv", "x,y\n0,1\n1,3\n2,5.5\n3,7\n");
    expect_status("regress line.csv --target y --json 2>&1 >/dev/null | head -1", 0);
    assert_string_equal(text, "y ~ x, least squares, float64\n");
    expect_status("regress line.csv --target y --json --save - 2>&1", 2);
    assert_string_equal(text, "regress: --json, --save - and --plot -: only one of them can have "
                              "standard output\n");
    expect_status("regress line.csv --target z --json 2>/dev/null", 1);
    assert_string_equal(text, "");
    expect_status("regress line.csv --target y --json 2>&1 >/dev/full | tail -1", 0);
    assert_string_equal(text, "regress: standard output: No space left on device\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_have_all_digits),
        cmocka_unit_test(test_has_the_numbers_of_the_report),
        cmocka_unit_test(test_names_are_escaped),
        cmocka_unit_test(test_unknown_numbers_are_null),
        cmocka_unit_test(test_predictions),
        cmocka_unit_test(test_other_fits),
        cmocka_unit_test(test_streams_of_json),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
