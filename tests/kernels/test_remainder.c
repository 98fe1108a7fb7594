/* The kernels of remainder at every SIMD level, against fmod of libm, which is exact, and % of C.
 */
#include "each_level.h"

#include <float.h>
#include <math.h>

enum { PAIRS = 3000 };

/* From here on, the kernel divides integers instead of doubles. */
#define LIMIT (INT64_C(1) << 51)

static uint64_t random_state = 1;

static uint64_t random_bits(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state ^ random_state >> 29;
}

/* A number of either sign with an exponent in [-range, range]. */
static double random_number(int range)
{
    const double size = 1 + (double)(random_bits() >> 12) * 0x1p-52;
    const int exponent = (int)(random_bits() % (uint64_t)(2 * range + 1)) - range;
    return ldexp(random_bits() & 1 ? size : -size, exponent);
}

/* Pairs of special numbers, then random ones: quotients near an integer, and from tiny to huge. */
static void make_pairs(double *a, double *b)
{
    static const double special[] = {0,    -0.0,    1,        -1,        3,     -3,       0.5,
                                     -2.5, 0x1p24,  0x1p53,   1e30,      NAN,   INFINITY, -INFINITY,
                                     0.1f, FLT_MAX, -FLT_MAX, 0x1p-149f, 7e-45f};
    const int count = sizeof special / sizeof *special;
    for (int i = 0; i < PAIRS; i++) {
        const bool specials = i < count * count, multiple = i % 3 == 0;
        const float y = (float)(specials ? special[i % count] : random_number(i % 2 ? 4 : 40));
        const float x = (float)(specials   ? special[i / count]
                                : multiple ? rint(random_number(12)) * (double)y
                                           : random_number(i % 2 ? 4 : 40));
        a[i] = x, b[i] = y;
    }
}

static double remainder_of(double a, double b)
{
    const double m = fmod(a, b);
    return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}

static void check_number(double found, double expected)
{
    if (isnan(expected))
        assert_true(isnan(found));
    else
        assert_true(found == expected && !signbit(found) == !signbit(expected));
}

static void floats_agree_with_fmod(int k)
{
    static double a[PAIRS], b[PAIRS], r[PAIRS];
    static float x[PAIRS], y[PAIRS], s[PAIRS];
    make_pairs(a, b);
    for (int i = 0; i < PAIRS; i++) x[i] = (float)a[i], y[i] = (float)b[i];
    pick(k, remainder, K_F64)(PAIRS, r, a, b);
    pick(k, remainder, K_F32)(PAIRS, s, x, y);
    for (int i = 0; i < PAIRS; i++) {
        const float m = fmodf(x[i], y[i]);
        check_number(r[i], remainder_of(a[i], b[i]));
        check_number((double)s[i], (double)(m != 0 && (m < 0) != (y[i] < 0) ? m + y[i] : m));
    }
    memcpy(r, b, sizeof b); /* in place, where the divisor is overwritten */
    pick(k, remainder, K_F64)(PAIRS, r, a, r);
    for (int i = 0; i < PAIRS; i++) check_number(r[i], remainder_of(a[i], b[i]));
}

static void integers_agree_with_c(int k)
{
    static const int64_t special[] = {0,         1,         -1,         2,        -7,
                                      INT64_MIN, INT64_MAX, 1000003,    -1000003, LIMIT,
                                      LIMIT - 1, -LIMIT,    -LIMIT - 1, 2 * LIMIT};
    const int count = sizeof special / sizeof *special;
    static int64_t a[PAIRS], b[PAIRS], r[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        const bool specials = i < count * count;
        const int shift = i > PAIRS / 2 ? 14 : 0; /* these all lie below 2^50 */
        a[i] =
            specials ? special[i / count] : (int64_t)random_bits() >> shift >> random_bits() % 50;
        b[i] =
            specials ? special[i % count] : (int64_t)random_bits() >> shift >> random_bits() % 50;
        if (b[i] == 0) b[i] = 5;
    }
    pick(k, remainder, K_I64)(PAIRS, r, a, b);
    for (int i = 0; i < PAIRS; i++) {
        const int64_t m = b[i] == -1 ? 0 : a[i] % b[i];
        assert_true(r[i] == (m != 0 && (m < 0) != (b[i] < 0) ? m + b[i] : m));
    }
}

static void test_remainder_is_exact_and_has_the_sign_of_the_divisor(void **state)
{
    (void)state;
    each_level(floats_agree_with_fmod);
    each_level(integers_agree_with_c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remainder_is_exact_and_has_the_sign_of_the_divisor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
