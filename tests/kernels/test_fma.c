/* Fused multiply-add: both our own functions and what the kernels of this machine use, compared
 * with rational arithmetic, by which tests/golden/fma.py has made the cases. */
#include "check.h"

#include "bits.h"
#include "kernels/kernels.h"

#include <inttypes.h>

static double ours(tg_dtype dtype, double a, double b, double c)
{
    return dtype == TG_F32 ? (double)tg__fused_f32((float)a, (float)b, (float)c)
                           : tg__fused_f64(a, b, c);
}

static double used(tg_dtype dtype, double a, double b, double c)
{
    return dtype == TG_F32 ? (double)TG_FMA32((float)a, (float)b, (float)c) : TG_FMA64(a, b, c);
}

static void check_cases(double (*fma_of)(tg_dtype dtype, double a, double b, double c))
{
    enum { CASES = 3000 };
    FILE *file = fopen(TEST_ROOT "/tests/golden/fma_golden.txt", "r");
    assert_non_null(file);
    char name[4];
    uint64_t x[4];
    int cases = 0;
    for (; fscanf(file, "%3s %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64, name, &x[0], &x[1],
                  &x[2], &x[3]) == 5;
         cases++) {
        const tg_dtype dtype = strcmp(name, "f32") == 0 ? TG_F32 : TG_F64;
        const double a = value_of(dtype, x[0]), b = value_of(dtype, x[1]);
        const double c = value_of(dtype, x[2]), right = value_of(dtype, x[3]);
        const double got = fma_of(dtype, a, b, c);
        if (got != right || signbit(got) != signbit(right))
            fail_msg("%s: %a * %a + %a is %a, not %a", name, a, b, c, got, right);
    }
    fclose(file);
    assert_int_equal(cases, CASES);
}

static void test_our_fma_rounds_once(void **state)
{
    (void)state;
    check_cases(ours);
}

static void test_the_fma_of_the_kernels_rounds_once(void **state)
{
    (void)state;
    check_cases(used);
}

/* The results are those that IEEE 754 asks for. */
static void test_our_fma_of_zeros_infinities_and_nan(void **state)
{
    (void)state;
    static const double special[] = {0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 0x1p-1074, 0x1p1000};
    enum { N = sizeof special / sizeof *special };
    for (int i = 0; i < N * N * N; i++) {
        const double a = special[i / N / N], b = special[i / N % N], c = special[i % N];
        const bool finite = isfinite(a) && isfinite(b);
        /* Where the product is exact, so is the plain formula; a finite product does not count
         * beside an infinity. */
        const bool exact = !finite || a == 0 || b == 0 || fabs(a) == 1 || fabs(b) == 1;
        if (!exact && isfinite(c)) continue;
        const double right = finite && !isfinite(c) ? c : a * b + c;
        const double got = ours(TG_F64, a, b, c);
        if (isnan(right))
            assert_true(isnan(got));
        else
            assert_true(got == right && signbit(got) == signbit(right));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_our_fma_rounds_once),
                                       cmocka_unit_test(test_the_fma_of_the_kernels_rounds_once),
                                       cmocka_unit_test(test_our_fma_of_zeros_infinities_and_nan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
