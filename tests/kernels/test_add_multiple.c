/* The kernel that adds a multiple of a vector to another: it rounds the product and then the sum,
 * at every level. */
#include "each_level.h"

enum { MOST = 70 };

/* A number between 0 and 1 that has many digits. */
static double digits_of(int64_t i)
{
    return fmod((double)(i + 1) * 0.6180339887498949, 1);
}

static void adds_multiples(int level)
{
    const double a = digits_of(1000);
    for (int64_t n = 0; n <= MOST; n++) {
        float narrow_y[MOST + 1], narrow_x[MOST + 1];
        double y[MOST + 1], x[MOST + 1];
        for (int64_t i = 0; i <= n; i++) {
            y[i] = digits_of(i) - 0.5;
            x[i] = digits_of(i + MOST);
            narrow_y[i] = (float)y[i];
            narrow_x[i] = (float)x[i];
        }
        pick(level, add_multiple, K_F64)(n, y, a, x);
        pick(level, add_multiple, K_F32)(n, narrow_y, (float)a, narrow_x);
        for (int64_t i = 0; i <= n; i++) {
            const double before = digits_of(i) - 0.5;
            const volatile double product = i < n ? a * x[i] : 0;
            const volatile float narrow = i < n ? (float)a * narrow_x[i] : 0;
            assert_true(y[i] == before + product);
            assert_true(narrow_y[i] == (float)before + narrow);
        }
    }
}

static void test_products_and_sums_are_rounded(void **state)
{
    (void)state;
    each_level(adds_multiples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_and_sums_are_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
