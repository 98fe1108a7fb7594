/* The minimum of each loss: with weights, without an intercept, and of random small data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../examples/regress/least_squares.c"
#include "../../examples/regress/loss.c"
#include "../../examples/regress/minimum.c"
#include "../../examples/regress/quantile.c"

static void expect_close(const char *what, double got, double value, double relative)
{
    if (!(fabs(got - value) <= relative * fabs(value)))
        fail_msg("%s: %.15g, not %.15g", what, got, value);
}

static double drawn(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed / 4294967296.;
}

/* Makes rows (n, 2) of features, a target that suits every loss, and weights 0, 1 and 2. */
static sample make_rows(tg_context *tg, int64_t n)
{
    uint32_t seed = 5;
    sample rows = {tg_zeros(tg, TG_F64, TG_SHAPE(n, 2)), tg_zeros(tg, TG_F64, TG_SHAPE(n, 1)),
                   tg_zeros(tg, TG_F64, TG_SHAPE(n, 1))};
    for (int64_t i = 0; i < n; i++) {
        const double x = drawn(&seed), z = 100 + drawn(&seed);
        tg_set(rows.x, TG_INDEX(i, 0), x);
        tg_set(rows.x, TG_INDEX(i, 1), z);
        tg_set(rows.y, TG_INDEX(i, 0), x + z - 100.5 + drawn(&seed) > 1);
        tg_set(rows.weights, TG_INDEX(i, 0), (double)(i % 3));
    }
    return rows;
}

static sample repeat_rows(sample rows)
{
    const int64_t n = rows.y->numel;
    tg_tensor *index = tg_arange(rows.y->context, TG_I64, 0, (double)n, 1);
    tg_tensor *once = tg_masked_select(index, tg_gt_scalar(tg_flatten(rows.weights, 0, -1), 0));
    tg_tensor *twice = tg_masked_select(index, tg_gt_scalar(tg_flatten(rows.weights, 0, -1), 1));
    tg_tensor *all = tg_cat(TG_LIST(once, twice), 0);
    return (sample){tg_index_select(rows.x, 0, all), tg_index_select(rows.y, 0, all), NULL};
}

static void expect_same(tg_tensor *a, tg_tensor *b, double relative)
{
    assert_true(a && b && a->numel == b->numel);
    for (int64_t i = 0; i < a->numel; i++)
        expect_close("weighted", tg_get(a, TG_INDEX(i)), tg_get(b, TG_INDEX(i)), relative);
}

static void test_a_weight_counts_as_repeated_rows(void **state)
{
    (void)state;
    static const loss losses[] = {{LOSS_MSE, 1, 3},      {LOSS_HUBER, 0.4, 0},
                                  {LOSS_HUBER, 0.2, 1},  {LOSS_QUANTILE, 0.61, 0},
                                  {LOSS_LOGISTIC, 1, 0}, {LOSS_LOGISTIC, 1, 0.5},
                                  {LOSS_POISSON, 1, 0},  {LOSS_POISSON, 1, 2}};
    tg_context *tg = tg_open(NULL);
    sample rows = make_rows(tg, 60), repeated = repeat_rows(rows);
    for (size_t i = 0; i < 2 * sizeof losses / sizeof *losses; i++) {
        const loss *l = &losses[i / 2];
        minimum a, b;
        bool (*fit)(const loss *, const sample *, bool, minimum *) =
            l->kind == LOSS_QUANTILE ? minimise_quantile : minimise;
        assert_true(fit(l, &rows, i % 2, &a) && fit(l, &repeated, i % 2, &b));
        assert_true(a.ending == MINIMUM_FOUND && b.ending == MINIMUM_FOUND);
        expect_same(a.coefficients, b.coefficients, 1e-9);
        expect_close("loss", a.loss, b.loss, 1e-12);
        if (loss_is_likelihood(l)) expect_same(a.errors, b.errors, 1e-9);
    }
    assert_string_equal(tg_error(tg), "");
    tg_close(tg);
}

/* Beside closed forms: the mean of y weighted by x, y / x in the middle, and log(mean(y)) for the
 * same x. */
static void test_lines_without_intercept(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    const double x[] = {1, 2, 4, 5, 10}, y[] = {3, 1, 7, 2, 4}, two[] = {2, 2, 2, 2, 2};
    sample rows = {tg_from_f64(tg, TG_SHAPE(5, 1), x), tg_from_f64(tg, TG_SHAPE(5, 1), y), NULL};
    minimum m;
    assert_true(minimise(&(loss){LOSS_MSE, 1, 0}, &rows, false, &m));
    expect_close("mse", tg_get(m.coefficients, TG_INDEX(0)), 83. / 146, 1e-14);
    assert_true(minimise_quantile(&(loss){LOSS_QUANTILE, 0.5, 0}, &rows, false, &m));
    expect_close("median", tg_get(m.coefficients, TG_INDEX(0)), 0.4, 1e-14);
    rows.x = tg_from_f64(tg, TG_SHAPE(5, 1), two);
    assert_true(minimise(&(loss){LOSS_POISSON, 1, 0}, &rows, false, &m));
    expect_close("poisson", tg_get(m.coefficients, TG_INDEX(0)), log(3.4) / 2, 1e-14);
    expect_close("error", tg_get(m.errors, TG_INDEX(0)), 1 / sqrt(17 * 4), 1e-14);
    tg_close(tg);
}

/* ---- Random small data, with many ties, beside what must hold of a minimum. */

/* Rows with whole numbers: x in [0, 4), y in [0, range). */
static sample draw_rows(tg_context *tg, int64_t n, int range, uint32_t *seed)
{
    sample rows = {tg_zeros(tg, TG_F64, TG_SHAPE(n, 1)), tg_zeros(tg, TG_F64, TG_SHAPE(n, 1)),
                   NULL};
    for (int64_t i = 0; i < n; i++) {
        tg_set(rows.x, TG_INDEX(i, 0), i < 2 ? (double)i : floor(4 * drawn(seed)));
        tg_set(rows.y, TG_INDEX(i, 0), i < 2 ? (double)i : floor(range * drawn(seed)));
    }
    return rows;
}

static double loss_of_line(const sample *rows, double p, double slope, double level)
{
    const double *x = tg_data_f64(rows->x), *y = tg_data_f64(rows->y);
    double sum = 0;
    for (int64_t i = 0; i < rows->y->numel; i++) {
        const double above = y[i] - level - slope * x[i];
        sum += above > 0 ? p * above : (p - 1) * above;
    }
    return sum;
}

/* The least quantile loss of all lines through two of the rows. A minimum is one of those. */
static double least_of_pairs(const sample *rows, double p)
{
    const double *x = tg_data_f64(rows->x), *y = tg_data_f64(rows->y);
    double least = INFINITY;
    for (int64_t i = 0; i < rows->y->numel; i++)
        for (int64_t k = 0; k < i; k++) {
            if (x[i] == x[k]) continue;
            const double slope = (y[i] - y[k]) / (x[i] - x[k]);
            least = fmin(least, loss_of_line(rows, p, slope, y[i] - slope * x[i]));
        }
    return least;
}

static void test_no_line_through_two_rows_has_a_lower_quantile_loss(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int trial = 0; trial < 300; trial++) {
        tg_context *tg = tg_open(NULL);
        const loss l = {LOSS_QUANTILE, (1 + trial % 9) / 10., 0};
        const sample rows = draw_rows(tg, 3 + trial % 20, 6, &seed);
        minimum m;
        assert_true(minimise_quantile(&l, &rows, true, &m));
        assert_true(m.ending == MINIMUM_FOUND || m.ending == MINIMUM_FLAT);
        const double least = least_of_pairs(&rows, l.number);
        if (!(m.loss <= least + 1e-13)) fail_msg("%d: %.15g, not %.15g", trial, m.loss, least);
        tg_close(tg);
    }
}

/* Where the slope of the loss is 0, and only there, a convex loss is least. */
static void test_a_huber_fit_has_slope_0(void **state)
{
    (void)state;
    static const double deltas[] = {1e-3, 0.05, 1, 3};
    uint32_t seed = 2;
    int found = 0;
    for (int trial = 0; trial < 400; trial++) {
        tg_context *tg = tg_open(NULL);
        const double delta = deltas[trial % 4];
        const sample rows = draw_rows(tg, 4 + trial % 20, 8, &seed);
        minimum m;
        assert_true(minimise(&(loss){LOSS_HUBER, delta, 0}, &rows, true, &m));
        assert_true(m.ending == MINIMUM_FOUND || m.ending == MINIMUM_FLAT);
        const double *x = tg_data_f64(rows.x), *y = tg_data_f64(rows.y);
        double by_level = 0, by_slope = 0;
        for (int64_t i = 0; i < rows.y->numel; i++) {
            const double r = y[i] - tg_get(m.coefficients, TG_INDEX(0)) -
                             tg_get(m.coefficients, TG_INDEX(1)) * x[i];
            by_level += fmax(-delta, fmin(delta, r));
            by_slope += x[i] * fmax(-delta, fmin(delta, r));
        }
        if (!(fabs(by_level) < 1e-6 * delta && fabs(by_slope) < 1e-6 * delta))
            fail_msg("%d: slopes %g and %g", trial, by_level, by_slope);
        found += m.ending == MINIMUM_FOUND;
        tg_close(tg);
    }
    assert_true(found > 300);
}

/* With one feature, 0 and 1 are separated if and only if one of them has no x beyond the least, or
 * the greatest, x of the other. */
static bool are_separated(const sample *rows)
{
    const double *x = tg_data_f64(rows->x), *y = tg_data_f64(rows->y);
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (int64_t i = 0; i < rows->y->numel; i++) {
        const int k = y[i] > 0;
        low[k] = fmin(low[k], x[i]);
        high[k] = fmax(high[k], x[i]);
    }
    return high[0] <= low[1] || high[1] <= low[0];
}

static void test_a_logistic_fit_has_no_minimum_just_if_the_classes_are_separated(void **state)
{
    (void)state;
    uint32_t seed = 3;
    int separated = 0;
    for (int trial = 0; trial < 300; trial++) {
        tg_context *tg = tg_open(NULL);
        const sample rows = draw_rows(tg, 4 + trial % 9, 2, &seed);
        minimum m;
        assert_true(minimise(&(loss){LOSS_LOGISTIC, 1, 0}, &rows, true, &m));
        assert_int_equal(m.ending, are_separated(&rows) ? MINIMUM_NONE : MINIMUM_FOUND);
        separated += are_separated(&rows);
        tg_close(tg);
    }
    assert_true(separated > 20 && separated < 280);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_weight_counts_as_repeated_rows),
        cmocka_unit_test(test_lines_without_intercept),
        cmocka_unit_test(test_no_line_through_two_rows_has_a_lower_quantile_loss),
        cmocka_unit_test(test_a_huber_fit_has_slope_0),
        cmocka_unit_test(test_a_logistic_fit_has_no_minimum_just_if_the_classes_are_separated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
