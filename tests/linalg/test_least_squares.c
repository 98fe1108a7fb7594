/* Linear fits, compared with R's lm in least_squares_golden.txt, whose form golden/least_squares.R
 * tells, and with closed forms. */
#include "guarded.h"
#include "leaf.h"

enum { WORD = 64 };

/* Reads n numbers; NA, which R has for a column that is left out, becomes NaN. */
static void read_numbers(FILE *file, int64_t n, double *to)
{
    char word[WORD];
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(fscanf(file, "%63s", word), 1);
        to[i] = strcmp(word, "NA") == 0 ? NAN : strtod(word, NULL);
    }
}

static tg_tensor *read_vector(tg_context *tg, FILE *file, int64_t n)
{
    tg_tensor *t = tg_empty(tg, TG_F64, TG_SHAPE(n));
    read_numbers(file, n, t->data);
    return t;
}

/* All of got are near what R has: to ten digits of the largest. */
static void check_like_r(const char *set, const char *what, const tg_tensor *got,
                         const tg_tensor *want)
{
    double most = 0;
    assert_int_equal(got->numel, want->numel);
    for (int64_t i = 0; i < want->numel; i++) most = fmax(most, fabs(element_of(want, i)));
    for (int64_t i = 0; i < want->numel; i++) {
        const double g = element_of(got, i), w = element_of(want, i);
        if (!(fabs(g - w) <= 1e-10 * most))
            fail_msg("%s: %s [%lld] is %.17g, not %.17g", set, what, (long long)i, g, w);
    }
}

/* A coefficient and its standard error are near R's to ten digits of their own. Where R drops a
 * column, they are 0 and infinite. Returns the kept rows and columns of the covariance. */
static tg_tensor *check_columns(const char *set, const tg_least_squares_result *fit,
                                const tg_tensor *coefficients, const tg_tensor *errors)
{
    tg_context *tg = coefficients->context;
    int64_t kept[8], n = 0;
    for (int64_t j = 0; j < coefficients->numel; j++) {
        const double x = element_of(fit->coefficients, j), want = element_of(coefficients, j);
        const double error = element_of(fit->std_errors, j), wanted = element_of(errors, j);
        if (isnan(want)) {
            assert_true(x == 0 && isinf(error));
            assert_true(isinf(tg_get(fit->covariance, TG_INDEX(j, 0))));
            continue;
        }
        kept[n++] = j;
        if (!(fabs(x / want - 1) < 1e-10 && fabs(error / wanted - 1) < 1e-10))
            fail_msg("%s: column %lld: %.17g +- %.17g, not %.17g +- %.17g", set, (long long)j, x,
                     error, want, wanted);
    }
    tg_tensor *which = tg_from_i64(tg, TG_SHAPE(n), kept);
    return tg_index_select(tg_index_select(fit->covariance, 0, which), 1, which);
}

static void check_set(tg_context *tg, FILE *file, const char *name, int64_t m, int64_t n)
{
    tg_tensor *rows = tg_reshape(read_vector(tg, file, m * (n + 2)), TG_SHAPE(m, n + 2));
    tg_tensor *x = tg_narrow(rows, 1, 2, n), *y = tg_select(rows, 1, 1), *w = tg_select(rows, 1, 0);
    const bool weighted = tg_item(tg_max(tg_abs(tg_sub_scalar(w, 1)))) > 0;
    const tg_least_squares_result fit = tg_least_squares(
        x, y, TG_LEAST_SQUARES(.weights = weighted ? w : NULL, .dependent = TG_DEPENDENT_DROP));
    check_ok(tg);
    tg_tensor *coefficients = read_vector(tg, file, n), *errors = read_vector(tg, file, n);
    tg_tensor *covariance = check_columns(name, &fit, coefficients, errors);
    check_like_r(name, "covariance", covariance, read_vector(tg, file, covariance->numel));
    check_like_r(name, "leverages", fit.leverages, read_vector(tg, file, m));
    check_like_r(name, "residuals", fit.residuals, read_vector(tg, file, m));
    double last[3];
    read_numbers(file, 3, last);
    assert_true(fabs(fit.residual_variance / last[0] - 1) < 1e-10);
    assert_true(fabs(fit.sum_of_squares / last[0] / last[1] - 1) < 1e-10);
    assert_int_equal(fit.degrees_of_freedom, (int64_t)last[1]);
    assert_int_equal(fit.rank, (int64_t)last[2]);
}

static void test_as_r_fits(void **state)
{
    tg_context *tg = *state;
    char name[WORD];
    int rows, columns, sets = 0;
    FILE *file = fopen(TEST_ROOT "/tests/golden/least_squares_golden.txt", "r");
    assert_non_null(file);
    for (; fscanf(file, " set %63s %d %d", name, &rows, &columns) == 3; sets++) {
        assert_true(columns <= 8);
        tg_scope_begin(tg);
        check_set(tg, file, name, rows, columns);
        tg_scope_end(tg);
    }
    assert_int_equal(sets, 10);
    fclose(file);
}

/* The columns x, y and z = x + y have the rows (1, 0, 1) and (0, 1, 1), each twice, for which the
 * values of the fit are the means 2 and 5. Of all coefficients with x + z = 2 and y + z = 5, (-1,
 * 8, 7) / 3 are the shortest. */
static void test_shortest_coefficients(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_from_f64(tg, TG_SHAPE(4, 3), (double[]){1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1});
    const tg_least_squares_result fit = tg_least_squares(
        x, constant(tg, 1, 3, 4, 6), TG_LEAST_SQUARES(.dependent = TG_DEPENDENT_SHORTEST));
    const double want[] = {-1.0 / 3, 8.0 / 3, 7.0 / 3};
    for (int i = 0; i < 3; i++)
        assert_true(fabs(element_of(fit.coefficients, i) - want[i]) < 1e-14);
    /* The squares of the errors are the variance 2 times the diagonal of the pseudo-inverse of x^T
     * x, which is 5 / 18, 5 / 18 and 1 / 9. */
    const double errors[] = {5.0 / 9, 5.0 / 9, 2.0 / 9};
    for (int i = 0; i < 3; i++) {
        const double error = element_of(fit.std_errors, i);
        assert_true(fabs(error * error - errors[i]) < 1e-14);
    }
    for (int i = 0; i < 4; i++) assert_true(fabs(element_of(fit.leverages, i) - 0.5) < 1e-14);
    assert_true(fabs(fit.residual_variance - 2) < 1e-14);
    assert_true(fit.rank == 2 && fit.degrees_of_freedom == 2);
}

static void test_without_degrees_of_freedom(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_from_f64(tg, TG_SHAPE(2, 2), (double[]){1, 1, 1, 2});
    const tg_least_squares_result fit = tg_least_squares(x, constant(tg, 3, 5), NULL);
    check_near(fit.coefficients, 1, 2);
    assert_true(isinf(element_of(fit.std_errors, 0)) && isinf(fit.residual_variance));
    assert_int_equal(fit.degrees_of_freedom, 0);
    const tg_least_squares_result none =
        tg_least_squares(tg_zeros(tg, TG_F64, TG_SHAPE(2, 2)), constant(tg, 3, 5),
                         TG_LEAST_SQUARES(.dependent = TG_DEPENDENT_DROP));
    check_values(none.coefficients, 0, 0);
    check_values(none.residuals, 3, 5);
    check_values(none.leverages, 0, 0);
    assert_int_equal(none.rank, 0);
}

/* y = 2 x + 3 with the errors 1, -1, -1, 1, where the columns are 1 and x = 1 to 4. The columns and
 * y are multiplied by powers of two, so that products of them leave the range of double; the
 * coefficients and their standard errors must follow. */
static void test_far_from_1(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    static const int powers[][3] = {{900, 0, 0},     {-1000, -1000, -1000}, {900, -1050, -100},
                                    {0, 1000, 1000}, {-500, -500, 500},     {1000, 1000, 1000}};
    tg_tensor *near = tg_from_f64(tg, TG_SHAPE(4, 2), (double[]){1, 1, 1, 2, 1, 3, 1, 4});
    tg_tensor *y_near = tg_from_f64(tg, TG_SHAPE(4), (double[]){6, 6, 8, 12});
    for (size_t c = 0; c < sizeof powers / sizeof *powers; c++)
        for (int how = TG_DEPENDENT_ERROR; how <= TG_DEPENDENT_SHORTEST; how++) {
            const int *p = powers[c];
            if (how == TG_DEPENDENT_SHORTEST && p[0] != p[1]) continue;
            tg_tensor *x = tg_clone(near), *y = tg_clone(y_near);
            for (int i = 0; i < 8; i++)
                ((double *)x->data)[i] = ldexp(element_of(near, i), p[i % 2]);
            for (int i = 0; i < 4; i++) ((double *)y->data)[i] = ldexp(element_of(y_near, i), p[2]);
            const tg_least_squares_result fit =
                tg_least_squares(x, y, TG_LEAST_SQUARES(.dependent = (tg_dependent)how));
            check_ok(tg);
            assert_int_equal(fit.rank, 2);
            /* The residual variance is 4 / 2, and (x^T x)^-1 has 30 / 20 and 4 / 20. */
            const double wanted[][2] = {{3, sqrt(3)}, {2, sqrt(0.4)}};
            for (int j = 0; j < 2; j++) {
                const double b = ldexp(wanted[j][0], p[2] - p[j]),
                             e = ldexp(wanted[j][1], p[2] - p[j]);
                assert_true(fabs(element_of(fit.coefficients, j) - b) <= 1e-13 * b);
                assert_true(fabs(element_of(fit.std_errors, j) - e) <= 1e-13 * e || e == INFINITY);
            }
            assert_true(fabs(tg_item(tg_sum(fit.leverages)) - 2) < 1e-13);
            assert_true(fabs(element_of(fit.residuals, 1) + ldexp(1, p[2])) <= ldexp(1e-13, p[2]));
            assert_true(fit.sum_of_squares == ldexp(4, 2 * p[2]) ||
                        fabs(fit.sum_of_squares / ldexp(4, 2 * p[2]) - 1) < 1e-13);
        }
    tg_close(tg);
}

/* Of three float32 columns, the third is a combination of the others but for rounding. The results
 * have the dtype of x. */
static void test_float32(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 2);
    tg_tensor *u = tg_randn(tg, TG_F32, TG_SHAPE(50)), *v = tg_rand(tg, TG_F32, TG_SHAPE(50));
    tg_tensor *w = tg_add(tg_mul_scalar(u, 0.1), tg_mul_scalar(v, 0.7));
    tg_tensor *x = tg_t(tg_vstack(TG_LIST(u, v, w))), *y = tg_add(u, tg_mul_scalar(v, 2));
    assert_null(tg_least_squares(x, y, NULL).coefficients);
    check_error(tg, TG_ERR_ARGUMENT,
                "least_squares: the columns of x [50, 3] are linearly dependent: column 2 is a "
                "combination of those before it; TG_DEPENDENT_DROP leaves it out");
    tg_least_squares_result fit =
        tg_least_squares(x, y, TG_LEAST_SQUARES(.dependent = TG_DEPENDENT_DROP));
    assert_int_equal(fit.rank, 2);
    assert_int_equal(fit.leverages->dtype, TG_F32);
    assert_true(fabs(element_of(fit.coefficients, 0) - 1) < 1e-6);
    assert_true(fabs(element_of(fit.coefficients, 1) - 2) < 1e-6);
    assert_true(element_of(fit.coefficients, 2) == 0);
    fit = tg_least_squares(x, y, TG_LEAST_SQUARES(.dependent = TG_DEPENDENT_SHORTEST));
    assert_int_equal(fit.rank, 2);
    assert_true(tg_item(tg_max(tg_abs(fit.residuals))) < 1e-5);
}

/* Each allocation fails once: either the library gets the memory otherwise, or the result is
 * empty. No memory is lost. */
static void test_failed_allocations(void **state)
{
    (void)state;
    enum { ROWS = 600, COLUMNS = 60 };
    for (int how = 0; how < 3; how++)
        for (long at = 1, failed = 1; failed; at++) {
            guarded g = {0};
            const tg_options options = guarded_options(&g);
            tg_context *tg = tg_open(&options);
            tg_tensor *x = tg_rand(tg, TG_F64, TG_SHAPE(ROWS, COLUMNS));
            tg_tensor *y = tg_rand(tg, TG_F64, TG_SHAPE(ROWS));
            assert_true(tg_ok(tg));
            g.fail_at = g.asked + at;
            const tg_least_squares_result fit = tg_least_squares(
                x, y, TG_LEAST_SQUARES(.weights = y, .dependent = (tg_dependent)how));
            failed = g.failed;
            assert_true((fit.leverages == NULL) == !tg_ok(tg));
            assert_true((fit.coefficients == NULL) == !tg_ok(tg));
            if (!tg_ok(tg)) assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
            tg_close(tg);
            assert_true(g.blocks == 0 && !g.damaged);
        }
}

static void test_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_from_f64(tg, TG_SHAPE(3, 2), (double[]){1, 1, 1, 2, 1, 4});
    tg_tensor *y = constant(tg, 3, 5, 8), *bad = constant(tg, 1, 2, NAN);
    assert_null(tg_least_squares(x, constant(tg, 1, 2), NULL).coefficients);
    check_error(tg, TG_ERR_SHAPE,
                "least_squares: y is float64 [2], but must be float64 [3], as x is [3, 2]");
    assert_null(tg_least_squares(y, y, NULL).coefficients);
    check_error(tg, TG_ERR_SHAPE, "least_squares: x is [3], but must be a matrix [m, n]");
    assert_null(tg_least_squares(x, bad, NULL).coefficients);
    check_error(tg, TG_ERR_ARGUMENT, "least_squares: y has nan at element 2, but must be finite");
    assert_null(
        tg_least_squares(x, y, TG_LEAST_SQUARES(.weights = constant(tg, 1, -1, 1))).residuals);
    check_error(tg, TG_ERR_ARGUMENT,
                "least_squares: weights has -1 at element 1, but must be 0 or more");
    assert_null(tg_least_squares(tg_t(tg_vstack(TG_LIST(y, bad))), y, NULL).coefficients);
    check_error(tg, TG_ERR_ARGUMENT,
                "least_squares: rows [3, 2] have NaN or an infinity at [2, 1]");
    tg_tensor *leaf = tg_requires_grad_(tg_clone(x), true);
    assert_false(tg_least_squares(leaf, y, NULL).coefficients->requires_grad);
}

/* The columns 1 and 1 + 2^-40 z are nearly dependent. The leverage of row i is 1 / m + (z[i] -
 * mean)^2 / S, where S is the sum of these squares, as for the columns 1 and z. */
static void test_leverages_of_nearly_dependent_columns(void **state)
{
    tg_context *tg = *state;
    enum { ROWS = 9 };
    for (int how = TG_DEPENDENT_ERROR; how <= TG_DEPENDENT_SHORTEST; how++) {
        tg_tensor *x = tg_ones(tg, TG_F64, TG_SHAPE(ROWS, 2)),
                  *y = tg_ones(tg, TG_F64, TG_SHAPE(ROWS));
        for (int i = 0; i < ROWS; i++) tg_set(x, TG_INDEX(i, 1), 1 + 0x1p-40 * (i - ROWS / 2));
        const tg_least_squares_result fit =
            tg_least_squares(x, y, TG_LEAST_SQUARES(.dependent = (tg_dependent)how));
        check_ok(tg);
        assert_int_equal(fit.rank, 2);
        for (int i = 0; i < ROWS; i++)
            assert_true(fabs(element_of(fit.leverages, i) - 1.0 / ROWS -
                             pow(i - ROWS / 2, 2) / 60) < 1e-15);
    }
}

/* One row is a combination of the others, and there are fewer rows than columns. The leverages are
 * the diagonal of the projection on the span of (1, 0, 1) and (0, 1, 1): 2/3 each. */
static void test_leverages_of_the_shortest_coefficients(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_from_f64(tg, TG_SHAPE(3, 4), (double[]){1, 0, 2, 1, 0, 1, 1, 3, 1, 1, 3, 4});
    const tg_least_squares_result fit = tg_least_squares(
        x, constant(tg, 1, 2, 3), TG_LEAST_SQUARES(.dependent = TG_DEPENDENT_SHORTEST));
    check_ok(tg);
    assert_int_equal(fit.rank, 2);
    check_near(fit.leverages, 2.0 / 3, 2.0 / 3, 2.0 / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_r_fits),
        cmocka_unit_test(test_shortest_coefficients),
        cmocka_unit_test(test_without_degrees_of_freedom),
        cmocka_unit_test(test_far_from_1),
        cmocka_unit_test(test_float32),
        cmocka_unit_test(test_leverages_of_nearly_dependent_columns),
        cmocka_unit_test(test_leverages_of_the_shortest_coefficients),
        cmocka_unit_test(test_failed_allocations),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
