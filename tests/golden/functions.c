/* Measures the errors of the library's elementary functions by MPFR, and writes
 * tests/golden/functions_golden.txt.
 *
 *     cc -O2 -Iinclude tests/golden/functions.c build/libtinygrad.a -lmpfr -lgmp -lm -pthread
 *     ./a.out f64 1000000 [NAME...]   prints the largest error of each function, or of those named,
 *                                     over so many random arguments of a dtype, in ulp
 *     ./a.out golden 1000000          writes the golden data, and the largest errors to stderr
 *
 * A line of the golden data has the name of a function and, in hexadecimal, the bits of one or two
 * arguments in float64, of the correctly rounded result, and of the number on the other side of the
 * exact result. A function with an error below 1 ulp gives one of the two. The arguments are
 * special values, borders between the ways to compute a function, numbers next to multiples of
 * pi/2, and those of so many random ones at which the library's errors are largest. */
#include <float.h>
#include <math.h>
#include <mpfr.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tinygrad.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { PRECISION = 160, BLOCK = 4096, RANGES = 3, WORST = 24 };

/* ---- The functions. */

static int sigmoid(mpfr_ptr y, mpfr_srcptr x, mpfr_rnd_t rounding)
{
    mpfr_neg(y, x, rounding);
    mpfr_exp(y, y, rounding);
    mpfr_add_ui(y, y, 1, rounding); /* exp(-x) below 2^-PRECISION is lost, which is right */
    return mpfr_ui_div(y, 1, y, rounding);
}

/* A function has one argument or two. Besides arguments from these ranges, all are tried whose bits
 * are random. */
typedef struct function {
    const char *name;
    tg_tensor *(*ours)(tg_tensor *x);
    int (*exact)(mpfr_ptr y, mpfr_srcptr x, mpfr_rnd_t rounding);
    tg_tensor *(*ours_of_two)(tg_tensor *a, tg_tensor *b);
    int (*exact_of_two)(mpfr_ptr y, mpfr_srcptr a, mpfr_srcptr b, mpfr_rnd_t rounding);
    double ranges[RANGES][2], other[RANGES][2];
} function;

#define ONE(name) #name, tg_##name, mpfr_##name, NULL, NULL
#define TWO(name) #name, NULL, NULL, tg_##name, mpfr_##name
static const function functions[] = {
    {ONE(exp), {{-1, 1}, {-746, 710}, {-0.01, 0.01}}, {{0}}},
    {ONE(expm1), {{-1, 1}, {-50, 710}, {-0.01, 0.01}}, {{0}}},
    {ONE(log), {{0, 3}, {0.7, 1.42}, {0.99, 1.01}}, {{0}}},
    {ONE(log1p), {{-1, 3}, {-0.3, 0.42}, {-0.01, 0.01}}, {{0}}},
    {ONE(log2), {{0, 3}, {0.7, 1.42}, {0.99, 1.01}}, {{0}}},
    {ONE(log10), {{0, 3}, {0.7, 1.42}, {0.99, 1.01}}, {{0}}},
    {ONE(sinh), {{-1, 1}, {-711, 711}, {-25, 25}}, {{0}}},
    {ONE(cosh), {{-1, 1}, {-711, 711}, {-25, 25}}, {{0}}},
    {ONE(tanh), {{-1, 1}, {-20, 20}, {-0.01, 0.01}}, {{0}}},
    {"sigmoid", tg_sigmoid, sigmoid, NULL, NULL, {{-5, 5}, {-746, 40}, {-0.01, 0.01}}, {{0}}},
    {ONE(erf), {{-1, 1}, {-6, 6}, {-2, 2}}, {{0}}},
    {ONE(sin), {{-4, 4}, {-1e3, 1e3}, {-1e9, 1e9}}, {{0}}},
    {ONE(cos), {{-4, 4}, {-1e3, 1e3}, {-1e9, 1e9}}, {{0}}},
    {ONE(tan), {{-4, 4}, {-1e3, 1e3}, {-1e9, 1e9}}, {{0}}},
    {ONE(asin), {{-1, 1}, {-0.01, 0.01}, {0.99, 1}}, {{0}}},
    {ONE(acos), {{-1, 1}, {-0.01, 0.01}, {0.99, 1}}, {{0}}},
    {ONE(atan), {{-1, 1}, {-10, 10}, {-0.01, 0.01}}, {{0}}},
    {TWO(atan2), {{-1, 1}, {-10, 10}, {-0.01, 0.01}}, {{-1, 1}, {-10, 10}, {-3, 3}}},
    {TWO(pow), {{0, 2}, {0, 1e3}, {0.99, 1.01}}, {{-20, 20}, {-100, 100}, {-7e4, 7e4}}}};

/* Special values, and borders: where a result overflows, underflows or is rounded to 1; halves of
 * ln2, where exponentials change the power of two, and quarters of pi; square roots of 2, where
 * logarithms do; and where the approximation of erf changes. All are tried with both signs. */
static const double borders[] = {
    0,
    INFINITY,
    NAN,
    0x1p-1074,
    0x1p-1073,
    DBL_MIN,
    DBL_MAX,
    0x1p-28,
    0x1p-54,
    0x1p-53,
    0x1p-52,
    1,
    2,
    3,
    10,
    0.5,
    1e-10,
    0.1,
    100,
    1e22,
    0x1p1023,
    709.78271289338397,
    745.13321910194122,
    708.396418532264079,
    710.475860073943863,
    37.42994775023705,
    36.7368005696771,
    19.0615474653985,
    18.714973875118524,
    5.9215871957945083,
    0.34657359027997264,
    1.0397207708399179,
    354.89135644669199,
    0.70710678118654757,
    1.4142135623730951,
    0.8,
    5.95,
    20,
    0.78539816339744828,
    1.5707963267948966,
    3.1415926535897931,
    2.3561944901923448,
    102943.70807216603,
    0x1.6ac5b262ca1ffp849,
    0x1p50,
    0x1p30,
    0.41421356237309503,
    2.4142135623730949,
    0x1p53,
    1e300,
    1.5,
    33,
};

/* ---- Random arguments. */

static uint64_t state = 1;

static uint64_t random_bits(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = state;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return x ^ x >> 32;
}

static double argument(const double ranges[RANGES][2])
{
    const uint64_t bits = random_bits() % (RANGES + 1);
    const uint64_t any = random_bits();
    double x;
    memcpy(&x, &any, sizeof x);
    if (bits == RANGES) return x;
    const double low = ranges[bits][0], high = ranges[bits][1];
    return low + (high - low) * ((double)(any >> 11) * 0x1p-53);
}

/* ---- Errors. */

static mpfr_t arguments[2], exact;

static void find_exact(const function *f, const double x[2])
{
    for (int i = 0; i < 2; i++) mpfr_set_d(arguments[i], x[i], MPFR_RNDN);
    if (f->exact)
        f->exact(exact, arguments[0], MPFR_RNDN);
    else
        f->exact_of_two(exact, arguments[0], arguments[1], MPFR_RNDN);
}

/* The distance of y from the exact result in units of the last place, for a dtype of so many bits
 * whose least number is 2^least. */
static double error_of(double y, int bits, int least)
{
    const double rounded =
        bits == 53 ? mpfr_get_d(exact, MPFR_RNDN) : (double)mpfr_get_flt(exact, MPFR_RNDN);
    if (isnan(rounded) || isnan(y)) return isnan(rounded) && isnan(y) ? 0 : INFINITY;
    if (isinf(rounded) || isinf(y) || mpfr_zero_p(exact))
        return rounded == y && !signbit(rounded) == !signbit(y) ? 0 : INFINITY;
    mpfr_t distance;
    mpfr_init2(distance, PRECISION);
    mpfr_sub_d(distance, exact, y, MPFR_RNDN);
    const long place = (long)mpfr_get_exp(exact) - bits;
    mpfr_mul_2si(distance, distance, -(place < least ? least : place), MPFR_RNDN);
    const double error = fabs(mpfr_get_d(distance, MPFR_RNDN));
    mpfr_clear(distance);
    return error;
}

typedef struct found {
    double x[2], error;
} found;

static int by_error(const void *a, const void *b)
{
    const found *p = a, *q = b;
    return (p->error < q->error) - (p->error > q->error);
}

/* Computes the function of n random arguments, and lists the largest errors. */
static void search(tg_context *tg, const function *f, tg_dtype dtype, long n, found worst[WORST])
{
    static double x[2][BLOCK], y[BLOCK];
    memset(worst, 0, WORST * sizeof *worst);
    for (long done = 0; done < n; done += BLOCK) {
        tg_scope_begin(tg);
        tg_tensor *in[2];
        for (int i = 0; i < 2; i++) {
            for (int j = 0; j < BLOCK; j++) {
                x[i][j] = argument(i ? f->other : f->ranges);
                if (dtype == TG_F32) x[i][j] = (double)(float)x[i][j];
            }
            in[i] = tg_cast(tg_from_f64(tg, TG_SHAPE(BLOCK), x[i]), dtype);
        }
        tg_copy_to_f64(tg_cast(f->ours ? f->ours(in[0]) : f->ours_of_two(in[0], in[1]), TG_F64), y);
        tg_scope_end(tg);
        for (int j = 0; j < BLOCK; j++) {
            found now = {{x[0][j], x[1][j]}, 0};
            find_exact(f, now.x);
            now.error = dtype == TG_F32 ? error_of(y[j], 24, -149) : error_of(y[j], 53, -1074);
            if (!(now.error > worst[WORST - 1].error)) continue;
            worst[WORST - 1] = now;
            qsort(worst, WORST, sizeof *worst, by_error);
        }
    }
}

/* ---- Golden data. */

static void print_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    printf(" %016llx", isnan(x) ? 0x7ff8000000000000 : (unsigned long long)bits);
}

static void print_case(const function *f, double a, double b)
{
    find_exact(f, (double[]){a, b});
    const double nearest = mpfr_get_d(exact, MPFR_RNDN);
    const double below = mpfr_get_d(exact, MPFR_RNDD), above = mpfr_get_d(exact, MPFR_RNDU);
    printf("%s", f->name);
    print_bits(a);
    if (f->exact_of_two) print_bits(b);
    print_bits(nearest);
    print_bits(nearest == below ? above : below);
    puts("");
}

/* Whether the numbers beside a border are tried, too. */
static bool has_neighbours(double x)
{
    return x > 0.03 && x < 1e6;
}

/* Prints the cases of the borders with either sign. */
static void print_borders(const function *f)
{
    for (size_t i = 0; i < COUNT(borders); i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            const double x = borders[i];
            print_case(f, x * sign, 0);
            if (!has_neighbours(x)) continue;
            print_case(f, nextafter(x, 0) * sign, 0);
            print_case(f, nextafter(x, INFINITY) * sign, 0);
        }
}

/* Prints the cases of the numbers nearest to multiples of pi/2, of which the reduction of an angle
 * cancels nearly all digits. */
static void print_multiples(const function *f)
{
    mpfr_t x;
    mpfr_init2(x, PRECISION);
    for (double n = 1; n < 0x1p60; n *= 3) {
        mpfr_const_pi(x, MPFR_RNDN);
        mpfr_mul_d(x, x, 0.5 * n, MPFR_RNDN);
        print_case(f, mpfr_get_d(x, MPFR_RNDN), 0);
    }
    mpfr_clear(x);
}

/* Prints the cases of all pairs of some borders with either sign. */
static void print_pairs(const function *f)
{
    static const double some[] = {0, INFINITY, NAN, 0x1p-1074, DBL_MIN, DBL_MAX, 1, 0.5, 10, 33};
    for (size_t i = 0; i < 2 * COUNT(some); i++)
        for (size_t j = 0; j < 2 * COUNT(some); j++)
            print_case(f, some[i / 2] * (i % 2 ? -1 : 1), some[j / 2] * (j % 2 ? -1 : 1));
}

int main(int argc, char **argv)
{
    const bool golden = argc > 2 && strcmp(argv[1], "golden") == 0;
    const tg_dtype dtype = argc > 2 && strcmp(argv[1], "f32") == 0 ? TG_F32 : TG_F64;
    const long n = argc > 2 ? atol(argv[2]) : 0;
    if (n <= 0) return 2;
    mpfr_inits2(DBL_MANT_DIG, arguments[0], arguments[1], (mpfr_ptr)0);
    mpfr_init2(exact, PRECISION);
    tg_context *tg = tg_open(NULL);
    for (size_t i = 0; i < COUNT(functions); i++) {
        const function *f = &functions[i];
        bool wanted = argc == 3;
        for (int k = 3; k < argc; k++) wanted |= strcmp(argv[k], f->name) == 0;
        if (!wanted) continue;
        found worst[WORST];
        search(tg, f, dtype, n, worst);
        FILE *out = golden ? stderr : stdout;
        fprintf(out, "%-8s %.3f ulp at %a", f->name, worst[0].error, worst[0].x[0]);
        f->exact_of_two ? fprintf(out, ", %a\n", worst[0].x[1]) : fprintf(out, "\n");
        fflush(out);
        if (!golden) continue;
        f->exact ? print_borders(f) : print_pairs(f);
        if (f->exact == mpfr_sin || f->exact == mpfr_cos || f->exact == mpfr_tan)
            print_multiples(f);
        for (int k = 0; k < WORST; k++) print_case(f, worst[k].x[0], worst[k].x[1]);
    }
    mpfr_clears(arguments[0], arguments[1], exact, (mpfr_ptr)0);
    const int failed = !tg_ok(tg);
    if (failed) fprintf(stderr, "%s\n", tg_error(tg));
    tg_close(tg);
    return failed;
}
