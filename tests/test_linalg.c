/* Linear algebra: certified regressions, gradients at singular matrices, and what is refused. */
#include "leaf.h"

/* ---- NIST's linear regressions, in certified.txt, whose form golden/certified.py tells. */

enum { LINE = 512, MOST = 64 };

static void read_row(FILE *file, double *values, int n)
{
    for (int i = 0; i < n; i++) assert_int_equal(fscanf(file, "%lf", &values[i]), 1);
}

/* How many digits of the worst coefficient are right. */
static double digits_of(const tg_tensor *x, const double *exact)
{
    double worst = 16;
    for (int64_t i = 0; i < x->numel; i++) {
        const double off = fabs(tg_get(x, TG_INDEX(i)) - exact[i]) / fabs(exact[i]);
        if (off > 0 && -log10(off) < worst) worst = -log10(off);
    }
    return worst;
}

static void test_certified_regressions(void **state)
{
    tg_context *tg = *state;
    char name[32];
    int rows, columns, sets = 0;
    FILE *file = fopen(TEST_DATA "/certified.txt", "r");
    assert_non_null(file);
    while (fscanf(file, " set %31s %d %d", name, &rows, &columns) == 3) {
        assert_true(rows > 0 && rows <= MOST && columns > 0 && columns <= 8);
        double b[MOST], exact[MOST], a[MOST * 8], row[MOST];
        for (int i = 0; i < rows; i++) {
            read_row(file, row, columns + 1);
            b[i] = row[0];
            for (int j = 0; j < columns; j++) a[i * columns + j] = row[j + 1];
        }
        assert_int_equal(fscanf(file, " exact"), 0);
        read_row(file, exact, columns);
        tg_scope_begin(tg);
        const tg_tensor *x = tg_lstsq(tg_from_f64(tg, TG_SHAPE(rows, columns), a),
                                      tg_from_f64(tg, TG_SHAPE(rows), b));
        assert_non_null(x);
        const double digits = digits_of(x, exact);
        if (getenv("TG_PRINT_DIGITS")) printf("%s %.1f\n", name, digits);
        if (digits < 10) fail_msg("%s: %.1f digits", name, digits);
        tg_scope_end(tg);
        sets++;
    }
    assert_int_equal(sets, 10);
    fclose(file);
}

/* ---- Closed forms. */

static void test_singular_determinants_have_gradients(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = leaf_of(tg, TG_SHAPE(3, 3), (double[]){1, 2, 3, 4, 5, 6, 7, 8, 9});
    tg_tensor *det = tg_det(a);
    assert_true(fabs(tg_item(det)) < 1e-14);
    assert_true(tg_backward(det));
    /* The cofactors. */
    const double want[] = {-3, 6, -3, 6, -12, 6, -3, 6, -3};
    for (int i = 0; i < 9; i++) assert_true(fabs(element_of(a->grad, i) - want[i]) < 1e-12);

    tg_tensor *zero = leaf_of(tg, TG_SHAPE(2, 2), (double[]){0, 0, 0, 0});
    assert_true(tg_backward(tg_det(zero)));
    for (int i = 0; i < 4; i++) assert_true(fabs(element_of(zero->grad, i)) < 1e-50);
    tg_tensor *half = leaf_of(tg, TG_SHAPE(2, 2), (double[]){0, 0, 0, 5});
    assert_true(tg_backward(tg_det(half)));
    check_near(tg_select(tg_flatten(half->grad, 0, -1), 0, 0), 5);
    for (int i = 1; i < 4; i++) assert_true(fabs(element_of(half->grad, i)) < 1e-50);
}

static void test_shortest_solution(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_from_f64(tg, TG_SHAPE(1, 2), (double[]){3, 4});
    check_near(tg_lstsq(a, constant(tg, 50)), 6, 8);
}

static void test_closed_form_and_pieces_agree(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 4);
    tg_tensor *a = tg_randn(tg, TG_F64, TG_SHAPE(30, 30)), *eye = tg_eye(tg, TG_F64, 30, 30);
    tg_tensor *square = tg_add(tg_matmul(a, tg_t(a)), eye), *l = tg_cholesky(square);
    tg_tensor *b = tg_randn(tg, TG_F64, TG_SHAPE(30, 2)), *x = tg_solve(square, b);
    tg_tensor *y = tg_solve_triangular(l, b, TG_LOWER);
    y = tg_solve_triangular(tg_t(l), y, TG_UPPER);
    assert_true(tg_item(tg_max(tg_abs(tg_sub(x, y)))) < 1e-12);
    assert_true(tg_item(tg_max(tg_abs(tg_sub(tg_matmul(square, tg_inv(square)), eye)))) < 1e-11);
    assert_true(tg_item(tg_max(tg_abs(tg_sub(tg_lstsq(square, b), x)))) < 1e-12);
    const double log_det = log(tg_item(tg_det(square)));
    const double by_l = 2 * tg_item(tg_sum(tg_log(tg_diagonal(l, 0, 0, 1))));
    assert_true(fabs(log_det - by_l) < 1e-10);
}

/* ---- What is refused. */

static void test_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *singular = tg_from_f64(tg, TG_SHAPE(2, 2), (double[]){1, 2, 2, 4});
    tg_tensor *wide = tg_ones(tg, TG_F64, TG_SHAPE(2, 3)), *b = tg_ones(tg, TG_F64, TG_SHAPE(2));
    assert_null(tg_solve(singular, b));
    check_error(tg, TG_ERR_ARGUMENT, "solve: matrix 0 of [2, 2] is singular");
    assert_null(tg_inv(singular));
    check_error(tg, TG_ERR_ARGUMENT, "inv: matrix 0 of [2, 2] is singular");
    tg_tensor *batch = tg_stack(TG_LIST(tg_eye(tg, TG_F64, 2, 2), tg_neg(singular)), 0);
    assert_null(tg_cholesky(batch));
    check_error(tg, TG_ERR_ARGUMENT, "cholesky: matrix 1 of [2, 2, 2] is not positive-definite");
    assert_null(tg_cholesky(wide));
    check_error(tg, TG_ERR_SHAPE, "cholesky: [2, 3] are no square matrices");
    assert_null(tg_det(b));
    check_error(tg, TG_ERR_SHAPE, "det: [2] are no square matrices");
    assert_null(tg_inv(wide));
    assert_int_equal(tg_error_code(tg), TG_ERR_SHAPE);
    tg_clear_error(tg);
    assert_null(tg_lstsq(tg_t(singular), b));
    check_error(tg, TG_ERR_ARGUMENT, "lstsq: matrix 0 of [2, 2] has linearly dependent columns");
    assert_null(tg_lstsq(tg_ones(tg, TG_F64, TG_SHAPE(2, 3)), b));
    check_error(tg, TG_ERR_ARGUMENT, "lstsq: matrix 0 of [2, 3] has linearly dependent rows");
    assert_null(tg_lstsq(wide, tg_ones(tg, TG_F64, TG_SHAPE(3, 1))));
    check_error(tg, TG_ERR_SHAPE, "lstsq: [2, 3] and [3, 1] have not the same number of rows");
    assert_null(tg_lstsq(wide, tg_ones(tg, TG_F32, TG_SHAPE(2))));
    check_error(tg, TG_ERR_DTYPE,
                "lstsq: float64 [2, 3] and float32 [2, 1]: dtypes differ; use tg_cast");
    assert_null(
        tg_solve(tg_ones(tg, TG_F64, TG_SHAPE(2, 3, 3)), tg_ones(tg, TG_F64, TG_SHAPE(3, 3, 1))));
    check_error(
        tg, TG_ERR_SHAPE,
        "solve: [2, 3, 3] and [3, 3, 1] are no matrices, or their batches do not broadcast");
    assert_null(tg_det(tg_ones(tg, TG_I64, TG_SHAPE(2, 2))));
    check_error(tg, TG_ERR_DTYPE, "det: not for int64; use tg_cast");
    assert_true(!tg_cholesky(NULL) && !tg_solve(NULL, NULL) && !tg_inv(NULL) && !tg_det(NULL) &&
                !tg_lstsq(NULL, NULL) && !tg_solve_triangular(NULL, NULL, 0));
    check_ok(tg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certified_regressions),
        cmocka_unit_test(test_singular_determinants_have_gradients),
        cmocka_unit_test(test_shortest_solution),
        cmocka_unit_test(test_closed_form_and_pieces_agree),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
