/* The distributions that regress tests with, against mpmath. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../examples/regress/distributions.c"

static double value_of(const char *name, const double *x)
{
    if (!strcmp(name, "t")) return student_t_two_sided(x[0], x[1]);
    if (!strcmp(name, "f")) return f_upper(x[0], x[1], x[2]);
    if (!strcmp(name, "normal")) return normal_quantile(x[0]);
    return student_t_bound(x[0], x[1]);
}

static void test_twelve_digits(void **state)
{
    (void)state;
    FILE *file = fopen(TEST_ROOT "/tests/golden/distributions_golden.txt", "r");
    assert_non_null(file);
    char line[256], name[16];
    int lines = 0;
    for (; fgets(line, sizeof line, file); lines++) {
        double x[4];
        int n = sscanf(line, "%15s %lf %lf %lf %lf", name, &x[0], &x[1], &x[2], &x[3]) - 1;
        assert_true(n >= 2);
        double exact = x[n - 1], got = value_of(name, x);
        if (!(fabs(got - exact) <= 1e-12 * fabs(exact))) fail_msg("%.17g for %s", got, line);
    }
    fclose(file);
    assert_true(lines > 400);
}

static void test_ends(void **state)
{
    (void)state;
    assert_true(student_t_two_sided(0, 5) == 1 && f_upper(0, 2, 5) == 1);
    assert_true(student_t_two_sided(INFINITY, 5) == 0 && f_upper(INFINITY, 2, 5) == 0);
    assert_true(isnan(student_t_two_sided(NAN, 5)) && isnan(f_upper(NAN, 2, 5)));
    assert_true(student_t_two_sided(-2, 5) == student_t_two_sided(2, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twelve_digits),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
