/* Plots: what the axes show, and that a sample of the points is called one. */
#define _XOPEN_SOURCE 700

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../examples/common/plot.c"
#include "../../examples/common/utf8.c"
#include "../../examples/common/whole_file.c"

#define PATH "test_plot.svg"

static char svg[1 << 20];

/* Saves the plot, and reads the file into svg. */
static void save(plot *p)
{
    assert_true(plot_save(p, PATH));
    FILE *file = fopen(PATH, "r");
    assert_non_null(file);
    svg[fread(svg, 1, sizeof svg - 1, file)] = 0;
    fclose(file);
    remove(PATH);
}

static size_t count(const char *word)
{
    size_t n = 0;
    for (const char *at = svg; (at = strstr(at, word)); at++) n++;
    return n;
}

/* The labels of the y axis stand at the right of their text, from the least to the greatest. */
static void read_labels(double *first, double *last, size_t *n)
{
    *n = 0;
    for (const char *at = svg; (at = strstr(at, "text-anchor=\"end\">")); at++) {
        *last = strtod(strchr(at, '>') + 1, NULL);
        if (!(*n)++) *first = *last;
    }
}

static void test_logarithmic_axis_has_a_tick_at_both_ends(void **state)
{
    (void)state;
    static const struct {
        double low, high, first, last;
    } cases[] = {
        {15.3, 8600, 10, 10000},      {15.3, 11000, 10, 20000}, {1, 1000, 1, 1000},
        {15.32, 16.07, 15.3, 16.1},   {0.02, 7, 0.02, 10},      {3e-9, 4e4, 1e-10, 1e6},
        {2e-300, 5e290, 0, INFINITY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double first = NAN, last = NAN;
        size_t n = 0;
        plot *p = plot_new("t", "x", "y", true);
        plot_line(p, NULL, PLOT_BLUE, 2, (double[]){0, 1}, (double[]){cases[i].high, cases[i].low});
        save(p);
        read_labels(&first, &last, &n);
        assert_in_range(n, 4, 18);
        assert_true(first <= cases[i].low && cases[i].high <= last);
        if (isinf(cases[i].last)) continue;
        if (fabs(first - cases[i].first) > 1e-9 * first || fabs(last - cases[i].last) > 1e-9 * last)
            fail_msg("ticks from %g to %g, not from %g to %g", first, last, cases[i].first,
                     cases[i].last);
    }
}

static void scatter(size_t n, double outlier)
{
    static double x[100000], y[100000];
    for (size_t i = 0; i < n; i++) x[i] = (double)i, y[i] = (double)(i * i % 101);
    y[n / 3] = outlier;
    plot *p = plot_new("t", "x", "y", false);
    plot_points(p, "data", PLOT_BLUE, n, x, y);
    save(p);
}

static void test_all_points_are_drawn_up_to_a_limit(void **state)
{
    (void)state;
    scatter(PLOT_MAX_POINTS, 50);
    assert_int_equal(count("<circle cx"), PLOT_MAX_POINTS);
    assert_null(strstr(svg, "points are shown"));
}

static void test_says_when_it_shows_a_sample(void **state)
{
    (void)state;
    char note[64];
    scatter(100000, 50);
    const size_t shown = count("<circle cx");
    assert_in_range(shown, PLOT_MAX_POINTS, PLOT_MAX_POINTS + 2);
    snprintf(note, sizeof note, ">%zu of 100000 points are shown<", shown);
    assert_non_null(strstr(svg, note));
}

/* The outlier makes the axis reach 1000. */
static void test_a_sample_has_the_outliers(void **state)
{
    (void)state;
    scatter(100000, 1000);
    assert_non_null(strstr(svg, ">1000<"));
    scatter(100000, -1000);
    assert_non_null(strstr(svg, ">-1000<"));
}

static void test_says_when_points_cannot_be_shown(void **state)
{
    (void)state;
    plot *p = plot_new("t", "x", "y", true);
    plot_points(p, NULL, PLOT_BLUE, 3, (double[]){0, 1, 2}, (double[]){0, 1, 2});
    save(p);
    assert_non_null(strstr(svg, ">2 of 3 points are shown<"));
}

/* A Hangul letter takes the place of two others, and the longest label is cut to the frame. */
static void test_long_labels_are_cut(void **state)
{
    (void)state;
    char name[3 * 100 + 1] = "";
    for (int i = 0; i < 100; i++) strcat(name, "\xed\x82\xa4");
    plot *p = plot_new("t", name, name, false);
    plot_points(p, name, PLOT_BLUE, 2, (double[]){0, 1}, (double[]){0, 1});
    save(p);
    assert_int_equal(count("...</text>"), 3);
    assert_in_range(count("\xed\x82\xa4"), 14 + 23 + 23, 14 + 23 + 37);
}

static void test_failures_of_files_are_told(void **state)
{
    (void)state;
    assert_false(plot_save(plot_new("t", "x", "y", false), "no/where.svg"));
    assert_int_equal(errno, ENOENT);
    assert_false(plot_save(NULL, PATH));
    assert_null(fopen(PATH, "r"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logarithmic_axis_has_a_tick_at_both_ends),
        cmocka_unit_test(test_all_points_are_drawn_up_to_a_limit),
        cmocka_unit_test(test_says_when_it_shows_a_sample),
        cmocka_unit_test(test_a_sample_has_the_outliers),
        cmocka_unit_test(test_says_when_points_cannot_be_shown),
        cmocka_unit_test(test_long_labels_are_cut),
        cmocka_unit_test(test_failures_of_files_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
