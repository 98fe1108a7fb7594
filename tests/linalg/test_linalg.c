/* Linear algebra: NIST's certified regressions, gradients at singular matrices, matrices that are
 * nearly singular, and wrong arguments. */
#include "each_level.h"
#include "leaf.h"

/* ---- NIST's linear regressions, in certified.txt, whose form golden/certified.py tells. */

enum { MOST_ROWS = 82, MOST_COLUMNS = 11 };

static void read_row(FILE *file, double *values, int n)
{
    for (int i = 0; i < n; i++) assert_int_equal(fscanf(file, "%lf", &values[i]), 1);
}

/* The number of correct digits of the least accurate coefficient. */
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
    FILE *file = fopen(TEST_ROOT "/tests/golden/certified.txt", "r");
    assert_non_null(file);
    while (fscanf(file, " set %31s %d %d", name, &rows, &columns) == 3) {
        assert_true(rows > 0 && rows <= MOST_ROWS && columns > 0 && columns <= MOST_COLUMNS);
        double b[MOST_ROWS], exact[MOST_COLUMNS], a[MOST_ROWS * MOST_COLUMNS],
            row[MOST_COLUMNS + 1];
        for (int i = 0; i < rows; i++) {
            read_row(file, row, columns + 1);
            b[i] = row[0];
            for (int j = 0; j < columns; j++) a[i * columns + j] = row[j + 1];
        }
        assert_int_equal(fscanf(file, " exact"), 0);
        read_row(file, exact, columns);
        assert_int_equal(fscanf(file, " certified"), 0);
        /* Only tests/bench/nist compares with the certified numbers and with their errors. */
        read_row(file, row, columns);
        assert_int_equal(fscanf(file, " errors"), 0);
        read_row(file, row, columns);
        tg_scope_begin(tg);
        const tg_tensor *x = tg_lstsq(tg_from_f64(tg, TG_SHAPE(rows, columns), a),
                                      tg_from_f64(tg, TG_SHAPE(rows), b));
        assert_non_null(x);
        const double digits = digits_of(x, exact);
        if (getenv("TG_PRINT_DIGITS")) printf("%s %.1f\n", name, digits);
        if (digits < 13) fail_msg("%s: %.1f digits", name, digits);
        tg_scope_end(tg);
        sets++;
    }
    assert_int_equal(sets, 11);
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
    /* The gradient of det is the matrix of cofactors. */
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

/* The gradient for a of the sum of x times the cofactors of a. By the formula that sums over
 * permutations, the second derivative of det for a[i][j] and a[r][c] is plus or minus the one
 * element that lies in no row or column of these two. */
static void test_second_gradients_of_singular_determinants(void **state)
{
    tg_context *tg = *state;
    const double matrices[][9] = {{1, 2, 3, 4, 5, 6, 7, 8, 9},
                                  {1, 2, 3, 2, 4, 6, -1, -2, -3},
                                  {0, 0, 0, 0, 0, 0, 0, 0, 0},
                                  {0, 2, 0, 0, 0, 3, 0, 0, 0},
                                  {2, 1, 0, 1, 3, 1, 0, 1, 4}};
    const double x[9] = {0.3, -1, 2, 0.5, 1.5, -0.7, 1, 0.2, -2};
    tg_grad_options how = tg_grad_defaults();
    how.create_graph = true;
    for (int m = 0; m < 5; m++) {
        tg_tensor *a = leaf_of(tg, TG_SHAPE(3, 3), matrices[m]), *y = tg_det(a), *first, *second;
        assert_true(tg_grad(TG_LIST(y), TG_LIST(a), &first, &how));
        y = tg_sum(tg_mul(first, tg_from_f64(tg, TG_SHAPE(3, 3), x)));
        assert_true(tg_grad(TG_LIST(y), TG_LIST(a), &second, NULL));
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                double want = 0;
                for (int k = 1; k < 3; k++)
                    for (int l = 1; l < 3; l++) {
                        const int r = (i + k) % 3, c = (j + l) % 3;
                        const double other = matrices[m][(i + 3 - k) % 3 * 3 + (j + 3 - l) % 3];
                        want += (k == l ? 1 : -1) * x[r * 3 + c] * other;
                    }
                assert_true(fabs(element_of(second, i * 3 + j) - want) < 1e-13);
            }
    }
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

/* ---- Matrices that are singular or nearly singular. */

enum { LARGEST = 6 };

/* The exact determinant of a matrix of integers, by Bareiss' fraction-free elimination. */
static int64_t integer_det(int n, const double *a)
{
    int64_t m[LARGEST][LARGEST], before = 1, sign = 1;
    for (int i = 0; i < n * n; i++) m[i / n][i % n] = (int64_t)a[i];
    for (int k = 0; k < n - 1; before = m[k][k], k++) {
        int at = k;
        while (at < n && m[at][k] == 0) at++;
        if (at == n) return 0;
        for (int j = 0; j < n && at != k; j++) {
            const int64_t swapped = m[k][j];
            m[k][j] = m[at][j];
            m[at][j] = swapped;
        }
        if (at != k) sign = -sign;
        for (int i = k + 1; i < n; i++)
            for (int j = k + 1; j < n; j++)
                m[i][j] = (m[i][j] * m[k][k] - m[i][k] * m[k][j]) / before;
    }
    return sign * m[n - 1][n - 1];
}

/* Draws a matrix of integers from -9 to 9. If dependent, one row is a combination of the others. */
static void draw_integers(uint32_t *seed, int n, bool dependent, double *a)
{
    for (int i = 0; i < n * n; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        a[i] = (double)(*seed >> 16) - 19 * floor((double)(*seed >> 16) / 19) - 9;
    }
    const int r = (int)(*seed >> 8) % n;
    for (int j = 0; j < n && dependent; j++) {
        a[r * n + j] = 0;
        for (int i = 0; i < n; i++)
            if (i != r) a[r * n + j] += a[i * n + j] * (i % 2 ? 2 : -1);
    }
}

/* Exactly singular matrices of whole numbers, of size 3 to 6, whose pivots rounding keeps from
 * 0. */
static void test_singular_integer_matrices_are_noticed(void **state)
{
    tg_context *tg = *state;
    uint32_t seed = 1;
    int singular = 0, regular = 0;
    for (int trial = 0; trial < 2000; trial++) {
        const int n = 3 + trial % 4;
        const tg_dtype dtype = trial / 4 % 2 ? TG_F32 : TG_F64;
        double a[LARGEST * LARGEST];
        draw_integers(&seed, n, trial / 8 % 2, a);
        const bool is_singular = integer_det(n, a) == 0;
        tg_scope_begin(tg);
        tg_tensor *m = tg_cast(tg_from_f64(tg, TG_SHAPE(n, n), a), dtype);
        assert_true((tg_inv(m) == NULL) == is_singular);
        if (is_singular) assert_int_equal(tg_error_code(tg), TG_ERR_ARGUMENT);
        tg_clear_error(tg);
        assert_true((tg_solve(m, tg_ones(tg, dtype, TG_SHAPE(n))) == NULL) == is_singular);
        tg_clear_error(tg);
        const double det = tg_item(tg_det(m)), exact = (double)integer_det(n, a);
        assert_true(fabs(det - exact) < (dtype == TG_F32 ? 1e-6 * fabs(exact) : 0) + 1e-7);
        is_singular ? singular++ : regular++;
        tg_scope_end(tg);
    }
    assert_true(singular > 900 && regular > 900);
}

/* Checks the beginning of the message. The condition at its end depends on how the factors were
 * rounded. */
static void check_singular(tg_context *tg, const char *message)
{
    if (strncmp(tg_error(tg), message, strlen(message)) != 0)
        fail_msg("%s, not %s", tg_error(tg), message);
    assert_int_equal(tg_error_code(tg), TG_ERR_ARGUMENT);
    tg_clear_error(tg);
}

static void test_one_to_nine_is_singular(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_reshape(tg_arange(tg, TG_F64, 1, 10, 1), TG_SHAPE(3, 3));
    assert_null(tg_inv(a));
    check_singular(tg, "inv: matrix 0 of [3, 3] is singular in float64: its condition is ");
    assert_null(tg_solve(tg_cast(a, TG_F32), tg_ones(tg, TG_F32, TG_SHAPE(3))));
    check_singular(tg, "solve: matrix 0 of [3, 3] is singular in float32: its condition is ");
    /* Rows that are dependent but for the rounding of their numbers to float32. */
    tg_tensor *b = tg_from_f32(tg, TG_SHAPE(2, 2), (float[]){0.1f, 0.2f, 0.7f, 1.4f});
    tg_tensor *rounded = tg_add(b, tg_from_f32(tg, TG_SHAPE(2, 2), (float[]){0, 0, 0, 1.2e-7f}));
    assert_null(tg_inv(rounded));
    check_singular(tg, "inv: matrix 0 of [2, 2] is singular in float32: its condition is ");
}

/* The element of the inverse of a Hilbert matrix, (-1)^(i + j) (i + j + 1) C(n + i, n - j - 1) C(n
 * + j, n - i - 1) C(i + j, i)^2 with binomial coefficients C, which is a whole number. */
static double inverse_of_hilbert(int n, int i, int j)
{
    double c[3] = {1, 1, 1};
    for (int k = 1; k <= n - j - 1; k++) c[0] = c[0] * (i + j + 1 + k) / k;
    for (int k = 1; k <= n - i - 1; k++) c[1] = c[1] * (i + j + 1 + k) / k;
    for (int k = 1; k <= i; k++) c[2] = c[2] * (j + k) / k;
    return ((i + j) % 2 ? -1 : 1) * (i + j + 1) * c[0] * c[1] * c[2] * c[2];
}

static void test_ill_conditioned_matrices_are_solved(void **state)
{
    enum { N = 8 };
    tg_context *tg = *state;
    double h[N * N], exact[N * N];
    for (int i = 0; i < N * N; i++) {
        h[i] = 1.0 / (i / N + i % N + 1);
        exact[i] = inverse_of_hilbert(N, i / N, i % N);
    }
    assert_true(exact[0] == 64 && exact[1] == -2016);
    tg_tensor *a = leaf_of(tg, TG_SHAPE(N, N), h), *inverse = tg_inv(a);
    assert_non_null(inverse);
    /* The condition is 3.4e10, and epsilon 2.2e-16. */
    for (int i = 0; i < N * N; i++)
        assert_true(fabs(element_of(inverse, i) - exact[i]) < 3.4e10 * 2.2e-16 * fabs(exact[63]));
    assert_true(tg_backward(tg_sum(tg_solve(a, tg_ones(tg, TG_F64, TG_SHAPE(N))))));
    /* Scales of rows and columns make no matrix singular. */
    const double scaled[][4] = {{1e-20, 0, 0, 1e20}, {1, 2, 1e-30, 3e-30}, {1e20, 1, 1, 2e-20}};
    const double inverses[][4] = {{1e20, 0, 0, 1e-20}, {3, -2e30, -1, 1e30}, {2e-20, -1, -1, 1e20}};
    for (int k = 0; k < 3; k++) {
        inverse = tg_inv(tg_from_f64(tg, TG_SHAPE(2, 2), scaled[k]));
        for (int i = 0; i < 4; i++)
            assert_true(fabs(element_of(inverse, i) - inverses[k][i]) <=
                        1e-15 * fabs(inverses[k][i]));
    }
}

static void test_cofactors_of_a_small_singular_matrix(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = leaf_of(tg, TG_SHAPE(2, 2), (double[]){1e-100, 0, 0, 0});
    assert_true(tg_backward(tg_det(a)));
    check_near(tg_select(tg_flatten(a->grad, 0, -1), 0, 3), 1e-100);
    for (int i = 0; i < 3; i++) assert_true(fabs(element_of(a->grad, i)) < 1e-150);
}

/* 1, u, v and 0.1 u + 0.7 v, dependent but for the rounding of float32. */
static void test_float32_columns_that_rounding_alone_keeps_apart(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 1);
    for (int n = 4; n < 400; n += 7) {
        const tg_shape shape = TG_SHAPE(n);
        tg_tensor *u = tg_randn(tg, TG_F32, shape), *v = tg_rand(tg, TG_F32, shape);
        tg_tensor *w = tg_add(tg_mul_scalar(u, 0.1), tg_mul_scalar(v, 0.7));
        tg_tensor *columns = tg_t(tg_vstack(TG_LIST(tg_ones(tg, TG_F32, shape), u, v, w)));
        assert_null(tg_lstsq(columns, tg_ones(tg, TG_F32, shape)));
        assert_non_null(strstr(tg_error(tg), "has linearly dependent columns"));
        tg_clear_error(tg);
        assert_non_null(tg_lstsq(tg_narrow(columns, 1, 0, 3), tg_ones(tg, TG_F32, shape)));
    }
}

/* Columns, and then rows, whose squares are out of the range of float64. */
static void test_lstsq_at_the_ends_of_the_range(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_from_f64(tg, TG_SHAPE(3, 2), (double[]){1e200, 1e-200, 0, 1e-200, 1e200, 0});
    tg_tensor *x = tg_from_f64(tg, TG_SHAPE(2), (double[]){3e-200, 5e200});
    check_near(tg_lstsq(a, tg_matmul(a, x)), 3e-200, 5e200);
    /* The rows are 1e200 and 1e-200 times (1, 1, 0) and (0, 1, 1). */
    tg_tensor *wide =
        tg_from_f64(tg, TG_SHAPE(2, 3), (double[]){1e200, 1e200, 0, 0, 1e-200, 1e-200});
    check_near(tg_lstsq(wide, constant(tg, 3e200, 3e-200)), 1, 2, 1);
}

/* Polynomials of whole numbers, whose values are exact: x is right to its last digit at any
 * condition, for one block of rows and for many, whatever the strides, and for several right-hand
 * sides. */
static void check_polynomial(tg_context *tg, int64_t rows, double from, int degree)
{
    tg_tensor *z = tg_arange(tg, TG_F64, from, from + (double)rows, 1), *columns[5];
    for (int p = 0; p <= degree; p++) columns[p] = tg_pow_scalar(z, p);
    tg_tensor *a = tg_t(tg_vstack((tg_list){degree + 1, columns}));
    tg_tensor *numbers = tg_arange(tg, TG_F64, 1, 2 * degree + 3, 1);
    tg_tensor *x = tg_reshape(numbers, TG_SHAPE(-1, 2)), *b = tg_matmul(a, x);
    if (tg_item(tg_max(b)) > 0x1p53) return; /* b is rounded beyond 2^53 */
    tg_tensor *off = tg_div(tg_abs(tg_sub(tg_lstsq(a, b), x)), x);
    assert_true(tg_item(tg_max(off)) < 3e-16);
    tg_tensor *second = tg_select(x, 1, 1), *alone = tg_lstsq(tg_contiguous(a), tg_select(b, 1, 1));
    off = tg_div(tg_abs(tg_sub(alone, second)), second);
    assert_true(tg_item(tg_max(off)) < 3e-16);
}

static void test_exact_solutions_in_any_number_of_blocks(void **state)
{
    tg_context *tg = *state;
    const int64_t rows[] = {12, 300, 4099};
    for (int degree = 1; degree <= 4; degree++)
        for (int i = 0; i < 6; i++) {
            tg_scope_begin(tg);
            check_polynomial(tg, rows[i / 2], i % 2 ? 10000 : 0, degree);
            tg_scope_end(tg);
        }
}

/* b has a part that is orthogonal to the columns and 10^6 times larger than the rest. */
static void test_large_residuals(void **state)
{
    enum { ROWS = 4000 };
    tg_context *tg = *state;
    double a[ROWS * 2], b[ROWS];
    for (int i = 0; i < ROWS; i++) {
        a[2 * i] = 1;
        a[2 * i + 1] = 1000 + i / 4; /* the same in each four rows */
        b[i] = 3 + 5 * a[2 * i + 1] + (i % 2 ? 1e9 : -1e9);
    }
    tg_tensor *x =
        tg_lstsq(tg_from_f64(tg, TG_SHAPE(ROWS, 2), a), tg_from_f64(tg, TG_SHAPE(ROWS), b));
    check_near(x, 3, 5);
}

/* The solutions have the same bits at each level: of a system that the normal equations refine, of
 * an ill-conditioned one, and of a wide one. */
static void check_bits_at(int level)
{
    tg_context *tg = open_at(tg__level_name(level)), *portable = open_at("portable");
    for (int kind = 0; kind < 3; kind++) {
        tg_tensor *x[2];
        for (int i = 0; i < 2; i++) {
            tg_context *at = i ? portable : tg;
            tg_manual_seed(at, 5);
            tg_tensor *a = tg_rand(at, TG_F64, TG_SHAPE(900, 7));
            tg_tensor *noise = tg_mul_scalar(tg_rand(at, TG_F64, TG_SHAPE(900, 7)), 1e-8);
            if (kind == 1) a = tg_cat(TG_LIST(a, tg_add(a, noise)), 1);
            x[i] = tg_lstsq(kind == 2 ? tg_t(a) : a,
                            tg_rand(at, TG_F64, TG_SHAPE(kind == 2 ? 7 : 900)));
            assert_non_null(x[i]);
        }
        assert_memory_equal(x[0]->data, x[1]->data, (size_t)x[0]->numel * sizeof(double));
    }
    tg_close(tg), tg_close(portable);
}

static void test_the_same_bits_at_each_level(void **state)
{
    (void)state;
    each_level(check_bits_at);
}

/* ---- Conditions, and systems without full rank. */

/* The conditions of Hilbert matrices, computed with mpmath to 40 digits. */
static void test_conditions(void **state)
{
    tg_context *tg = *state;
    const double exact[] = {1,
                            19.281470067903971,
                            524.05677758606082,
                            15513.738738932588,
                            476607.25024256081,
                            14951058.640131217};
    for (int n = 1; n <= 6; n++) {
        double h[36];
        for (int i = 0; i < n * n; i++) h[i] = 1.0 / (i / n + i % n + 1);
        const double condition = tg_item(tg_cond(tg_from_f64(tg, TG_SHAPE(n, n), h)));
        assert_true(fabs(condition / exact[n - 1] - 1) < 1e-9);
    }
    tg_tensor *zeros = tg_zeros(tg, TG_F64, TG_SHAPE(3, 2));
    assert_true(isinf(tg_item(tg_cond(zeros))));
    tg_tensor *wide = tg_from_f64(tg, TG_SHAPE(2, 3), (double[]){3e200, 0, 4e200, 0, 1e200, 0});
    assert_true(fabs(tg_item(tg_cond(wide)) - 5) < 1e-14);
    assert_true(fabs(tg_item(tg_cond(tg_mul_scalar(wide, 1e-300))) - 5) < 1e-14);
    assert_true(tg_item(tg_cond(tg_reshape(tg_arange(tg, TG_F64, 1, 10, 1), TG_SHAPE(3, 3)))) >
                1e15);
    tg_tensor *both = tg_stack(TG_LIST(wide, tg_full(tg, TG_F64, TG_SHAPE(2, 3), NAN)), 0);
    assert_null(tg_cond(both));
    check_error(tg, TG_ERR_ARGUMENT, "cond: matrix 1 of [2, 2, 3] has NaN at [0, 0]");
    assert_false(tg_cond(leaf_of(tg, TG_SHAPE(1, 1), (double[]){2}))->requires_grad);
}

/* The shortest of the best x for columns of which the third is the sum of the others; and for a
 * wide matrix with two equal rows. */
static void test_shortest_solutions_without_full_rank(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_from_f64(tg, TG_SHAPE(4, 3), (double[]){1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0});
    tg_tensor *x = tg_lstsq_rcond(a, constant(tg, 3, 6, 1, 2), -1);
    const double want[] = {0, 3, 3}; /* x + z = 3, y + z = 6 */
    for (int i = 0; i < 3; i++) assert_true(fabs(element_of(x, i) - want[i]) < 1e-14);
    tg_tensor *wide = tg_from_f64(tg, TG_SHAPE(2, 3), (double[]){2, 0, 1, 2, 0, 1});
    x = tg_lstsq_rcond(wide, constant(tg, 4, 6), -1);
    const double shortest[] = {2, 0, 1}; /* 2 x + z = 5, the mean */
    for (int i = 0; i < 3; i++) assert_true(fabs(element_of(x, i) - shortest[i]) < 1e-14);
    x = tg_lstsq_rcond(tg_mul_scalar(wide, 1e250), constant(tg, 4e250, 6e250), -1);
    for (int i = 0; i < 3; i++) assert_true(fabs(element_of(x, i) - shortest[i]) < 1e-14);
    x = tg_lstsq_rcond(tg_zeros(tg, TG_F64, TG_SHAPE(3, 2)), constant(tg, 1, 2, 3), -1);
    check_values(x, 0, 0);
    assert_null(tg_lstsq_rcond(a, constant(tg, 1, 1, 1, 1), NAN));
    check_error(tg, TG_ERR_ARGUMENT, "lstsq_rcond: rcond is nan, but must be less than 1");
}

/* ---- What is refused. */

static void test_what_is_no_number_is_named(void **state)
{
    tg_context *tg = *state;
    tg_tensor *nan = tg_from_f64(tg, TG_SHAPE(2, 2), (double[]){2, 0, NAN, 1});
    tg_tensor *inf = tg_from_f64(tg, TG_SHAPE(2, 2), (double[]){2, 0, -INFINITY, 0});
    tg_tensor *b = tg_ones(tg, TG_F64, TG_SHAPE(2));
    assert_null(tg_lstsq(nan, b));
    check_error(tg, TG_ERR_ARGUMENT, "lstsq: matrix 0 of [2, 2] has NaN at [1, 0]");
    assert_null(tg_lstsq(inf, b));
    check_error(tg, TG_ERR_ARGUMENT, "lstsq: matrix 0 of [2, 2] has an infinity at [1, 0]");
    assert_null(tg_solve(inf, b));
    check_error(tg, TG_ERR_ARGUMENT, "solve: matrix 0 of [2, 2] has an infinity at [1, 0]");
    assert_null(tg_inv(nan));
    check_error(tg, TG_ERR_ARGUMENT, "inv: matrix 0 of [2, 2] has NaN at [1, 0]");
    assert_null(tg_cholesky(nan));
    check_error(tg, TG_ERR_ARGUMENT, "cholesky: matrix 0 of [2, 2] has NaN at [1, 0]");
    assert_true(isnan(tg_item(tg_det(nan))));
    /* cholesky does not read what is above the diagonal. */
    check_values(tg_cholesky(tg_t(nan)), sqrt(2), 0, 0, 1);
    assert_true(isnan(element_of(tg_solve_triangular(nan, tg_unsqueeze(b, 1), TG_LOWER), 1)));
    check_ok(tg);
}

/* The gradient of inv reads only the inverse, so that the input can be freed. */
static void test_inv_lets_go_of_its_input(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = leaf_of(tg, TG_SHAPE(2, 2), (double[]){2, 0, 0, 4});
    tg_tensor *b = tg_clone(a), *inverse = tg_inv(b);
    assert_non_null(tg_zero_(b));
    assert_true(tg_backward(tg_sum(inverse)));
    check_near(a->grad, -0.25, -0.125, -0.125, -0.0625);
}

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
    check_error(tg, TG_ERR_SHAPE, "cholesky: a is [2, 3], but its matrices must be square");
    assert_null(tg_det(b));
    check_error(tg, TG_ERR_SHAPE, "det: a is [2], which is neither a matrix nor a batch of them");
    assert_null(tg_inv(wide));
    assert_int_equal(tg_error_code(tg), TG_ERR_SHAPE);
    tg_clear_error(tg);
    assert_null(tg_lstsq(tg_t(singular), b));
    check_error(tg, TG_ERR_ARGUMENT,
                "lstsq: matrix 0 of [2, 2] has linearly dependent columns: column 1 is a "
                "combination of those before it");
    assert_null(tg_lstsq(tg_ones(tg, TG_F64, TG_SHAPE(2, 3)), b));
    check_error(tg, TG_ERR_ARGUMENT,
                "lstsq: matrix 0 of [2, 3] has linearly dependent rows: row 1 is a combination of "
                "those before it");
    assert_null(tg_lstsq(wide, tg_ones(tg, TG_F64, TG_SHAPE(3, 1))));
    check_error(tg, TG_ERR_SHAPE,
                "lstsq: a is [2, 3] and b is [3, 1], but b must have 2 rows, not 3");
    assert_null(tg_lstsq(wide, tg_ones(tg, TG_F32, TG_SHAPE(2))));
    check_error(tg, TG_ERR_DTYPE,
                "lstsq: float64 [2, 3] and float32 [2]: dtypes differ; use tg_cast");
    assert_null(
        tg_solve(tg_ones(tg, TG_F64, TG_SHAPE(2, 3, 3)), tg_ones(tg, TG_F64, TG_SHAPE(3, 3, 1))));
    check_error(tg, TG_ERR_SHAPE,
                "solve: the batches of a [2, 3, 3] and b [3, 3, 1] do not broadcast");
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
        cmocka_unit_test(test_second_gradients_of_singular_determinants),
        cmocka_unit_test(test_shortest_solution),
        cmocka_unit_test(test_closed_form_and_pieces_agree),
        cmocka_unit_test(test_singular_integer_matrices_are_noticed),
        cmocka_unit_test(test_one_to_nine_is_singular),
        cmocka_unit_test(test_ill_conditioned_matrices_are_solved),
        cmocka_unit_test(test_cofactors_of_a_small_singular_matrix),
        cmocka_unit_test(test_float32_columns_that_rounding_alone_keeps_apart),
        cmocka_unit_test(test_lstsq_at_the_ends_of_the_range),
        cmocka_unit_test(test_exact_solutions_in_any_number_of_blocks),
        cmocka_unit_test(test_large_residuals),
        cmocka_unit_test(test_the_same_bits_at_each_level),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_shortest_solutions_without_full_rank),
        cmocka_unit_test(test_what_is_no_number_is_named),
        cmocka_unit_test(test_inv_lets_go_of_its_input),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
