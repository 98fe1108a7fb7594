/* Least squares: the accuracy of solutions with many terms or rows, and near the ends of the range
 * of double. */
#include "exact_sum.h"

#include <float.h>

/* The shortest x with a x = b is a^T (a a^T)^-1 b. Here a is one row of n elements 0.1. The sum of
 * its squares has an error of 66 u, its norm therefore one of 34 u, and the square of the norm, by
 * which 0.1 b is divided, one of 68 u. The other roundings add less than 8 u. Element 0 is left
 * out: a Householder reflection makes it as a difference of large numbers, so that its error is
 * small only compared with the norm of x. */
static void test_the_shortest_solution_of_a_long_row(void **state)
{
    tg_context *tg = *state;
    enum { TERMS = 100000 };
    tg_tensor *a = tg_full(tg, TG_F64, TG_SHAPE(1, TERMS), 0.1);
    tg_tensor *x = tg_lstsq(a, tg_full(tg, TG_F64, TG_SHAPE(1, 1), 3));
    check_ok(tg);
    exact_sum want = {3 / (0.1 * TERMS), 0, 3 / (0.1 * TERMS)};
    for (int64_t i = 1; i < TERMS; i += 999)
        check_sum(element_of(x, i), want, unit_of(TG_F64), 2 * (33 + 1) + 8);
}

/* The fit of b by a column of elements 0.1 is ten times the mean of b. The solution of a tall
 * system is refined with residuals whose sums lose almost nothing, so that its error does not grow
 * with the number of rows. */
static void test_the_fit_of_many_rows(void **state)
{
    tg_context *tg = *state;
    enum { ROWS = 100000 };
    tg_tensor *a = tg_full(tg, TG_F64, TG_SHAPE(ROWS, 1), 0.1),
              *b = tg_rand(tg, TG_F64, TG_SHAPE(ROWS, 1));
    exact_sum exact = {0, 0, 0};
    for (int64_t i = 0; i < ROWS; i++) add_exactly(&exact, element_of(b, i), 1);
    check_sum(tg_item(tg_lstsq(a, b)) * (0.1 * ROWS), exact, unit_of(TG_F64), 4);
}

/* ---- Numbers near the ends of the range, in range_golden.txt, whose form golden/range.py tells.
 */

enum { MOST = 6 };

static void read_numbers(FILE *file, double *values, int n)
{
    for (int i = 0; i < n; i++) assert_int_equal(fscanf(file, "%la", &values[i]), 1);
}

/* The error of x is at most `tolerance` times the largest of the exact numbers. */
static void check_solution(const tg_tensor *x, const double *exact, double tolerance)
{
    double most = 0;
    assert_non_null(x);
    for (int i = 0; i < x->numel; i++) most = fmax(most, fabs(exact[i]));
    for (int i = 0; i < x->numel; i++)
        assert_true(fabs(element_of(x, i) - exact[i]) <= tolerance * most);
}

/* A tall system is refined to the last digits. The shortest solution is not: its relative error is
 * the condition times that of the factors, of a dozen epsilon. */
static void test_numbers_near_the_ends_of_the_range(void **state)
{
    tg_context *tg = *state;
    double condition, a[MOST * MOST], b[MOST], exact[MOST];
    int m, n, systems = 0;
    FILE *file = fopen(TEST_ROOT "/tests/golden/range_golden.txt", "r");
    assert_non_null(file);
    while (fscanf(file, " system %d %d %lg", &m, &n, &condition) == 3) {
        assert_true(m <= MOST && n <= MOST);
        for (int i = 0; i < m; i++) {
            read_numbers(file, &b[i], 1);
            read_numbers(file, a + i * n, n);
        }
        assert_int_equal(fscanf(file, " exact"), 0);
        read_numbers(file, exact, n);
        tg_tensor *matrix = tg_from_f64(tg, TG_SHAPE(m, n), a),
                  *right = tg_from_f64(tg, TG_SHAPE(m), b);
        const double tolerance = DBL_EPSILON * (m >= n ? 4 : 12 * condition);
        check_solution(tg_lstsq(matrix, right), exact, tolerance);
        check_solution(tg_lstsq_rcond(matrix, right, -1), exact, tolerance);
        systems++;
    }
    assert_int_equal(systems, 59);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_shortest_solution_of_a_long_row),
        cmocka_unit_test(test_the_fit_of_many_rows),
        cmocka_unit_test(test_numbers_near_the_ends_of_the_range),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
