/* QR factorizations that take rows, block by block. */
#include "each_level.h"
#include "leaf.h"

/* Adds the rows of a to a triangle of zeros, `rows` of them at a time. */
static tg_tensor *triangle_of(tg_tensor *a, int64_t rows)
{
    const int64_t n = a->shape[1];
    tg_tensor *r = tg_zeros(a->context, a->dtype, TG_SHAPE(n, n));
    for (int64_t i = 0; i < a->shape[0]; i += rows) {
        const int64_t left = a->shape[0] - i;
        assert_ptr_equal(tg_qr_add_rows_(r, tg_narrow(a, 0, i, left < rows ? left : rows)), r);
    }
    return r;
}

/* The columns are (3, 4, 0, 0), (6, 8, 5, 12) and (9, 12, 10, 24, 7): 5 e1, 10 e1 + 13 e2, ... */
static void test_triangle_of_whole_numbers(void **state)
{
    tg_context *tg = *state;
    const double a[] = {3, 6, 9, 4, 8, 12, 0, 5, 10, 0, 12, 24, 0, 0, 7};
    const double want[] = {5, 10, 15, 0, 13, 26, 0, 0, 7};
    for (int rows = 1; rows <= 5; rows++) {
        tg_tensor *r = triangle_of(tg_from_f64(tg, TG_SHAPE(5, 3), a), rows);
        for (int i = 0; i < 9; i++) assert_true(fabs(element_of(r, i) - want[i]) < 1e-14);
        r = triangle_of(tg_cast(tg_from_f64(tg, TG_SHAPE(5, 3), a), TG_F32), rows);
        for (int i = 0; i < 9; i++) assert_true(fabs(element_of(r, i) - want[i]) < 1e-5);
    }
}

/* r^T r is the sum of the products of columns, which is exact for integers, whatever the number of
 * rows in a block and the strides. */
static void test_products_of_columns(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 8);
    const int64_t sizes[][2] = {{1, 1}, {15, 4}, {16, 4}, {17, 21}, {700, 3}, {3000, 1}, {300, 70}};
    for (int s = 0; s < 7; s++) {
        tg_tensor *a = tg_floor(
            tg_uniform_(tg_empty(tg, TG_F64, TG_SHAPE(sizes[s][0], sizes[s][1])), -50, 50));
        tg_tensor *want = tg_matmul(tg_t(a), a);
        const double size = tg_item(tg_max(tg_abs(want)));
        for (int64_t rows = 1; rows <= 4096; rows *= 8) {
            tg_tensor *r = triangle_of(rows % 64 ? a : tg_t(tg_contiguous(tg_t(a))), rows);
            tg_tensor *off = tg_sub(tg_matmul(tg_t(r), r), want);
            assert_true(tg_item(tg_max(tg_abs(off))) < 1e-12 * size);
            assert_true(tg_item(tg_min(tg_diagonal(r, 0, 0, 1))) >= 0);
            assert_true(tg_item(tg_sum(tg_abs(tg_tril(r, -1)))) == 0);
        }
    }
}

/* A regression from the triangle of [x y] alone: y = 2 + 3 x with residuals of 1, -1, -1, 1 in each
 * four rows, which are orthogonal to both columns. */
static void test_regression_in_blocks(void **state)
{
    enum { ROWS = 4000 };
    tg_context *tg = *state;
    tg_tensor *a = tg_empty(tg, TG_F64, TG_SHAPE(ROWS, 3));
    for (int i = 0; i < ROWS; i++) {
        double *row = (double *)a->data + 3 * i;
        row[0] = 1;
        row[1] = i;
        row[2] = 2 + 3 * row[1] + (i % 4 == 0 || i % 4 == 3 ? 1 : -1);
    }
    tg_tensor *r = triangle_of(a, 256), *upper = tg_narrow(r, 0, 0, 2);
    tg_tensor *x =
        tg_solve_triangular(tg_narrow(upper, 1, 0, 2), tg_narrow(upper, 1, 2, 1), TG_UPPER);
    assert_true(fabs(element_of(x, 0) - 2) < 1e-11 && fabs(element_of(x, 1) - 3) < 1e-14);
    const double s = tg_get(r, TG_INDEX(2, 2));
    assert_true(fabs(s * s - ROWS) < 1e-9);
}

static void test_columns_at_the_ends_of_the_range(void **state)
{
    tg_context *tg = *state;
    const double sizes[] = {1e-200, 1e200, 1e-320, 1e300};
    for (int i = 0; i < 4; i++) {
        tg_tensor *a = tg_from_f64(tg, TG_SHAPE(4, 2),
                                   (double[]){3 * sizes[i], 1, 4 * sizes[i], 2, 0, 3, 0, 0});
        for (int rows = 1; rows <= 4; rows *= 2) {
            tg_tensor *r = triangle_of(a, rows);
            assert_true(fabs(tg_get(r, TG_INDEX(0, 0)) / sizes[i] - 5) < 2e-3);
            assert_true(fabs(tg_get(r, TG_INDEX(0, 1)) - 2.2) < 1e-3);
        }
    }
}

/* The reduced factors of matrices of many blocks, in batches, and at the ends of the range. */
static void test_factors(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 9);
    const int64_t sizes[][2] = {{3000, 3}, {700, 40}, {33, 33}, {20, 50}, {1, 1}};
    for (int i = 0; i < 5; i++) {
        tg_tensor *a = tg_randn(tg, TG_F64, TG_SHAPE(2, sizes[i][0], sizes[i][1]));
        if (i == 0) a = tg_mul(a, constant(tg, 1, 1e300, 1e-300));
        const tg_qr_factors f = tg_qr(a);
        const int64_t k = f.r->shape[1];
        tg_tensor *off = tg_sub(tg_matmul(tg_transpose(f.q, 1, 2), f.q), tg_eye(tg, TG_F64, k, k));
        assert_true(tg_item(tg_max(tg_abs(off))) < 1e-13);
        off = tg_div(tg_sub(tg_matmul(f.q, f.r), a), tg_norm_dims(a, 2, TG_DIMS(1), true));
        assert_true(tg_item(tg_max(tg_abs(off))) < 1e-14);
        assert_true(tg_item(tg_sum(tg_abs(tg_tril(f.r, -1)))) == 0);
        assert_true(tg_item(tg_min(tg_diagonal(f.r, 0, 1, 2))) >= 0);
        assert_non_null(tg_zero_(f.r));
        assert_true(tg_item(tg_sum(tg_abs(f.q))) > 0);
    }
    const tg_qr_factors none = tg_qr(tg_zeros(tg, TG_F64, TG_SHAPE(4, 0)));
    assert_true(none.q->shape[0] == 4 && none.q->shape[1] == 0 && none.r->numel == 0);
    assert_null(tg_qr(constant(tg, 1, 2)).r);
    check_error(tg, TG_ERR_SHAPE, "qr: a is [2], which is neither a matrix nor a batch of them");
}

/* Columns that are nearly or exactly dependent have orthonormal q, too. Each of the k reflections
 * rounds sums of m terms. */
static void test_factors_of_dependent_columns(void **state)
{
    tg_context *tg = *state;
    enum { N = 14 };
    tg_tensor *hilbert = tg_empty(tg, TG_F64, TG_SHAPE(N, N));
    for (int i = 0; i < N * N; i++) ((double *)hilbert->data)[i] = 1.0 / (i / N + i % N + 1);
    tg_tensor *all[] = {hilbert,
                        tg_cat(TG_LIST(hilbert, tg_mul_scalar(hilbert, 3)), 0),
                        tg_zeros(tg, TG_F64, TG_SHAPE(4, 3)),
                        tg_ones(tg, TG_F64, TG_SHAPE(5, 4)),
                        tg_ones(tg, TG_F64, TG_SHAPE(400, 200)),
                        tg_from_f64(tg, TG_SHAPE(3, 2), (double[]){1, 1, 0, 1e-160, 0, 1e-160})};
    for (int i = 0; i < 6; i++) {
        const tg_qr_factors f = tg_qr(all[i]);
        const int64_t k = f.r->shape[1];
        tg_tensor *off = tg_sub(tg_matmul(tg_t(f.q), f.q), tg_eye(tg, TG_F64, k, k));
        const double error = DBL_EPSILON * (double)(all[i]->shape[0] + k);
        assert_true(tg_item(tg_max(tg_abs(off))) <= error);
        off = tg_sub(tg_matmul(f.q, f.r), all[i]);
        assert_true(tg_item(tg_max(tg_abs(off))) <= error * tg_item(tg_norm(all[i], 2)));
        assert_true(tg_item(tg_min(tg_diagonal(f.r, 0, 0, 1))) >= 0);
    }
}

static void test_same_bits_at(int level)
{
    tg_context *tg = open_at(tg__level_name(level)), *portable = open_at("portable");
    tg_tensor *r[2];
    for (int i = 0; i < 2; i++) {
        tg_context *at = i ? portable : tg;
        tg_manual_seed(at, 3);
        r[i] = triangle_of(tg_rand(at, TG_F64, TG_SHAPE(1000, 9)), 400);
    }
    assert_memory_equal(r[0]->data, r[1]->data, 81 * sizeof(double));
    assert_true(tg_ok(tg) && tg_ok(portable));
    tg_close(tg), tg_close(portable);
}

static void test_same_bits(void **state)
{
    (void)state;
    each_level(test_same_bits_at);
}

static void test_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *r = tg_eye(tg, TG_F64, 2, 2);
    assert_null(tg_qr_add_rows_(r, constant(tg, 1, 2)));
    check_error(tg, TG_ERR_SHAPE, "qr_add_rows_: rows are [2], but must be [m, 2], as r is [2, 2]");
    assert_null(tg_qr_add_rows_(tg_ones(tg, TG_F64, TG_SHAPE(2, 3)), r));
    check_error(tg, TG_ERR_SHAPE, "qr_add_rows_: r is [2, 3], but must be a square matrix");
    assert_null(tg_qr_add_rows_(r, tg_ones(tg, TG_F32, TG_SHAPE(4, 2))));
    check_error(tg, TG_ERR_DTYPE, "qr_add_rows_: r is float64 and rows are float32; use tg_cast");
    tg_tensor *bad = tg_from_f64(tg, TG_SHAPE(2, 2), (double[]){1, 2, 3, NAN});
    assert_null(tg_qr_add_rows_(r, bad));
    check_error(tg, TG_ERR_ARGUMENT, "qr_add_rows_: rows [2, 2] have NaN or an infinity at [1, 1]");
    check_values(r, 1, 0, 0, 1);
    assert_null(tg_qr_add_rows_(bad, r));
    check_error(tg, TG_ERR_ARGUMENT, "qr_add_rows_: r [2, 2] has NaN or an infinity at [1, 1]");
    assert_non_null(tg_qr_add_rows_(r, tg_zeros(tg, TG_F64, TG_SHAPE(0, 2))));
    check_values(r, 1, 0, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_triangle_of_whole_numbers),
        cmocka_unit_test(test_products_of_columns),
        cmocka_unit_test(test_regression_in_blocks),
        cmocka_unit_test(test_columns_at_the_ends_of_the_range),
        cmocka_unit_test(test_factors),
        cmocka_unit_test(test_factors_of_dependent_columns),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
