/* What regress makes of a fit besides the report: pictures, predictions, saved fits and JSON. */
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
#include <unistd.h>

#include <cmocka.h>

#include "program.h"
#include "report.h"

static char content[1 << 20];

static void expect_in_file(const char *path, const char *part)
{
    program_read(path, content, sizeof content);
    if (!strstr(content, part)) fail_msg("no \"%s\" in %s", part, path);
}

static size_t count_in_file(const char *path, const char *word)
{
    size_t n = 0;
    program_read(path, content, sizeof content);
    for (const char *at = content; (at = strstr(at, word)); at++) n++;
    return n;
}

/* ---- Pictures. */

static void test_pictures_of_one_feature(void **state)
{
    (void)state;
    expect_status("regress $DATA/norris.csv --target y --plots one", 0);
    expect_in_file("one-fit.svg", ">fitted line<");
    expect_in_file("one-fit.svg", ">95 % prediction interval<");
    expect_in_file("one-predicted.svg", ">predicted = target<");
    expect_in_file("one-residuals.svg", ">no error<");
    expect_in_file("one-normal.svg", ">normal distribution<");
    static const char *const names[] = {"one-fit.svg", "one-predicted.svg", "one-residuals.svg",
                                        "one-normal.svg"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(count_in_file(names[i], "<circle cx"), 36);
        assert_int_equal(count_in_file(names[i], "</svg>"), 1);
        assert_int_equal(count_in_file(names[i], "nan"), 0);
    }
}

/* The curve is drawn against x, though the first feature is its square. */
static void test_picture_of_a_curve(void **state)
{
    (void)state;
    write_text("curve.csv", "x,y\n0,1\n1,2\n2,5\n3,10.5\n4,16\n5,26\n");
    expect_status("regress curve.csv --target y --features 'x^2, x' --plot curve.svg", 0);
    expect_in_file("curve.svg", ">fitted curve<");
    expect_in_file("curve.svg", ">x<");
    /* Without x itself, there is no axis for it. */
    expect_status("regress curve.csv --target y --features 'x^2, exp(x)' --plots none", 0);
    assert_int_equal(access("none-fit.svg", F_OK), -1);
    expect_in_file("none-predicted.svg", ">predicted = target<");
}

static void test_pictures_of_many_features(void **state)
{
    (void)state;
    expect_status(
        "regress $DATA/diabetes.csv --target progression --test-fraction 0.25 --plots many", 0);
    assert_int_equal(access("many-fit.svg", F_OK), -1);
    expect_in_file("many-predicted.svg", ">rows held out<");
    assert_int_equal(count_in_file("many-predicted.svg", "<circle cx"), 442);
    assert_int_equal(count_in_file("many-residuals.svg", "<circle cx"), 442);
    assert_int_equal(count_in_file("many-normal.svg", "<circle cx"), 331);
}

static void test_picture_of_many_rows_is_a_sample(void **state)
{
    (void)state;
    expect_status("(echo x,y; seq 9000 | awk '{ print $1 \",\" $1 % 7 }') > rows.csv", 0);
    expect_status("regress rows.csv --target y --plot rows.svg", 0);
    assert_true(count_in_file("rows.svg", "<circle cx") <= 4002);
    expect_in_file("rows.svg", " of 9000 points are shown<");
}

static void test_pictures_that_cannot_be_written(void **state)
{
    (void)state;
    expect_status("regress $DATA/norris.csv --target y --plots no/where 2>&1 >/dev/null", 1);
    assert_string_equal(text, "no/where-fit.svg: No such file or directory\n");
    /* The old picture stays where the new one does not fit. */
    write_text("old.svg", "old");
    expect_status("(trap '' XFSZ; ulimit -f 1; exec regress $DATA/norris.csv --target y --plot "
                  "old.svg) 2>&1 >/dev/null",
                  1);
    assert_string_equal(text, "old.svg: File too large\n");
    program_read("old.svg", content, sizeof content);
    assert_string_equal(content, "old");
    expect_status("ls | grep -c part", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures_of_one_feature),
        cmocka_unit_test(test_picture_of_a_curve),
        cmocka_unit_test(test_pictures_of_many_features),
        cmocka_unit_test(test_picture_of_many_rows_is_a_sample),
        cmocka_unit_test(test_pictures_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
