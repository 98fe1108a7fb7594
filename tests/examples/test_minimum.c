/* The minimum of each loss: with weights, and without an intercept. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_weight_counts_as_repeated_rows),
        cmocka_unit_test(test_lines_without_intercept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
