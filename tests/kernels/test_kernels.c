/* The kernels of every SIMD level that this CPU runs: their values are compared with long double or
 * libm, and all levels give the same bits. */
#include "each_level.h"
#include "elements.h"
#include "ops/matmul.h"

#include <float.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const size_t element_size[] = {4, 8, 8, 1};
_Static_assert(COUNT(element_size) == K_TYPES, "a size for each dtype");

static int best_level; /* this CPU runs it, and all levels below it */

/* Whether this runs in valgrind, whose vfnmadd gives -0 for an exact 0. Bits, or the signs of
 * zeros, are not compared then, as valgrind is there to check the use of memory. */
static bool emulated;

static int look_at_machine(void **state)
{
    (void)state;
    best_level = tg__level(NULL);
    emulated = getenv("TG_TEST_QUICK") != NULL;
    return 0;
}

static uint64_t random_state = 1;

static uint64_t random_bits(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = random_state;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return x ^ x >> 32;
}

/* A random number, uniform on [-1, 1). */
static double random_value(void)
{
    return (double)(int64_t)random_bits() * 0x1p-63;
}

/* Fills out with random elements of a type. If specials, every eighth is NaN, infinite, 0 or the
 * like. */
static void fill(int type, int64_t n, void *out, bool specials)
{
    static const double special[] = {0,       -0.0,    1,        -1,   INFINITY, -INFINITY, NAN,
                                     FLT_MAX, FLT_MIN, 0x1p-149, 2,    -3,       0.5,       1e300,
                                     100.5,   -104.25, DBL_MIN,  1e19, -9.3e18,  4e-320};
    for (int64_t i = 0; i < n; i++) {
        const bool take = specials && random_bits() % 8 == 0;
        const double x = take ? special[random_bits() % COUNT(special)] : 4 * random_value();
        const int64_t integer = take ? (random_bits() & 1 ? INT64_MIN : INT64_MAX)
                                     : (int64_t)random_bits() >> random_bits() % 64;
        if (type == K_F32) ((float *)out)[i] = (float)x;
        if (type == K_F64) ((double *)out)[i] = x;
        if (type == K_I64) ((int64_t *)out)[i] = integer;
        if (type == K_BOOL) ((uint8_t *)out)[i] = random_bits() & 1;
    }
}

static bool is_nan(int type, const void *p)
{
    if (type == K_F32) return isnan(*(const float *)p);
    return type == K_F64 && isnan(*(const double *)p);
}

/* Whether the elements have equal bits; all NaN count as equal. */
static bool same(int type, int64_t n, const void *a, const void *b)
{
    const size_t size = element_size[type];
    if (memcmp(a, b, (size_t)n * size) == 0) return true;
    for (size_t i = 0; i < (size_t)n; i++) {
        const char *x = (const char *)a + i * size, *y = (const char *)b + i * size;
        if (memcmp(x, y, size) != 0 && !(is_nan(type, x) && is_nan(type, y))) return false;
    }
    return true;
}

/* ---- The same bits: each kernel of each level is compared with that of the portable level. */

#define MOST 5000

/* Inputs and outputs of one comparison. They are unaligned by an element on purpose. The first two
 * inputs have special values. */
typedef struct {
    int64_t space[4][2 * MOST + 8];
} arrays;

static arrays *given, *expected, *found;

static void *nth(arrays *s, int i, int type)
{
    return (char *)s->space[i] + element_size[type];
}

/* How many elements are filled and compared. They are more than n, to notice what a kernel writes
 * behind the end, and to have room for rows with gaps. */
static int64_t reach;

static void copy_nth(arrays *to, int i, const arrays *from, int j)
{
    memcpy(to->space[i], from->space[j], (size_t)(reach + 1) * sizeof **to->space);
}

static void prepare(int type, int64_t n)
{
    reach = 3 * n + 64 < MOST ? 3 * n + 64 : MOST;
    for (int i = 0; i < 4; i++) {
        fill(type, reach, nth(given, i, type), i < 2);
        copy_nth(expected, i, given, i);
        copy_nth(found, i, given, i);
    }
}

static void check_same(int type, int64_t n, const char *what, int k)
{
    if (emulated || same(type, n, nth(expected, 2, type), nth(found, 2, type))) return;
    fail_msg("%s of type %d differs at %s for n = %d", what, type, tg__level_name(k), (int)n);
}

enum { KIND_unary, KIND_binary, KIND_compare, KIND_map1, KIND_map2, KIND_map3 };
static const struct {
    int kind;
    const char *name;
    const void *kernel;
} elementwise[] = {
#define ELEMENTWISE(kind, name, dtypes, made, value) {KIND_##kind, #name, &tg__##name##_kernel},
#include "kernels/elementwise.def"
#undef ELEMENTWISE
};

static void same_unary(const unary_set *set, const char *name, int k, int type, int64_t n)
{
    unary_kernel *a = kernel_at(set, k, type), *b = kernel_at(set, LEVEL_portable, type);
    assert_true(!a == !b);
    if (!a) return;
    b(n, nth(expected, 2, type), nth(given, 0, type));
    a(n, nth(found, 2, type), nth(given, 0, type));
    check_same(type, reach, name, k);
    memcpy(nth(found, 2, type), nth(given, 0, type), (size_t)n * element_size[type]);
    a(n, nth(found, 2, type), nth(found, 2, type));
    check_same(type, reach, name, k);
}

static void same_binary(const binary_set *set, const char *name, int out, int k, int type,
                        int64_t n)
{
    binary_kernel *a = kernel_at(set, k, type), *b = kernel_at(set, LEVEL_portable, type);
    assert_true(!a == !b);
    if (!a) return;
    b(n, nth(expected, 2, out), nth(given, 0, type), nth(given, 1, type));
    a(n, nth(found, 2, out), nth(given, 0, type), nth(given, 1, type));
    check_same(out, reach, name, k);
    if (out != type) return;
    copy_nth(found, 2, given, 0);
    a(n, nth(found, 2, type), nth(found, 2, type), nth(given, 1, type));
    check_same(type, n, name, k);
    copy_nth(found, 2, given, 1);
    a(n, nth(found, 2, type), nth(given, 0, type), nth(found, 2, type));
    check_same(type, n, name, k);
    copy_nth(found, 2, expected, 2);
}

/* The numbers s and t are different each time. */
static void same_map(const map_set *set, const char *name, int k, int type, int64_t n)
{
    static const double special[] = {0, -0.0, 1, -1, 2.5, -3.25, INFINITY, -INFINITY, NAN};
    map_kernel *a = kernel_at(set, k, type), *b = kernel_at(set, LEVEL_portable, type);
    assert_true(!a == !b);
    if (!a) return;
    const size_t some = type == K_I64 ? 8 : COUNT(special); /* an int64 is never NaN */
    const double numbers[] = {special[random_bits() % some], special[random_bits() % some]};
    const double whole[] = {trunc(numbers[0]), trunc(numbers[1])};
    const double *with = type == K_I64 ? whole : numbers;
    const void *in[] = {nth(given, 0, type), nth(given, 1, type), nth(given, 3, type)};
    b(n, nth(expected, 2, type), in, with);
    a(n, nth(found, 2, type), in, with);
    check_same(type, reach, name, k);
    for (int i = 0; i < 2; i++) { /* the result takes the place of an input */
        copy_nth(found, 2, given, i);
        const void *self[] = {in[0], in[1], in[2]};
        self[i] = nth(found, 2, type);
        a(n, nth(found, 2, type), self, with);
        check_same(type, n, name, k);
    }
    copy_nth(found, 2, expected, 2);
}

static void same_elementwise(int k, int type, int64_t n)
{
    for (size_t row = 0; row < COUNT(elementwise); row++) {
        const int kind = elementwise[row].kind, out = kind == KIND_compare ? K_BOOL : type;
        if (kind == KIND_unary)
            same_unary(elementwise[row].kernel, elementwise[row].name, k, type, n);
        else if (kind >= KIND_map1)
            same_map(elementwise[row].kernel, elementwise[row].name, k, type, n);
        else
            same_binary(elementwise[row].kernel, elementwise[row].name, out, k, type, n);
    }
}

static void same_moves(int k, int type, int64_t n)
{
    uint8_t condition[MOST];
    fill(K_BOOL, reach, condition, false);
    pick(LEVEL_portable, where, type)(n, nth(expected, 2, type), condition, nth(given, 0, type),
                                      nth(given, 1, type));
    pick(k, where, type)(n, nth(found, 2, type), condition, nth(given, 0, type),
                         nth(given, 1, type));
    check_same(type, reach, "where", k);
    const unary_set *const casts[] = {&tg__to_f32_kernel, &tg__to_f64_kernel, &tg__to_i64_kernel,
                                      &tg__to_bool_kernel};
    _Static_assert(COUNT(casts) == K_TYPES, "a cast to each dtype");
    for (int to = 0; to < K_TYPES; to++) {
        kernel_at(casts[to], LEVEL_portable, type)(n, nth(expected, 2, to), nth(given, 0, type));
        kernel_at(casts[to], k, type)(n, nth(found, 2, to), nth(given, 0, type));
        check_same(to, n, "cast", k);
    }
}

static void same_pair(int k, int type, int64_t n, reduce_pair_kernel *portable,
                      reduce_pair_kernel *pair)
{
    assert_true(!portable == !pair);
    if (!pair) return;
    const int at = n % 2 ? 0 : 2;
    portable(n, nth(expected, 2, type), nth(given, at, type), nth(given, at + 1, type));
    pair(n, nth(found, 2, type), nth(given, at, type), nth(given, at + 1, type));
    check_same(type, 1, "pair", k);
}

/* The lanes of a sum, and the sum that they make, cut into parts or not. */
static void same_lanes(int k, int type, int64_t n)
{
    if (!pick(k, lane_sums, type)) return;
    const void *a = nth(given, 0, type), *b = nth(given, 1, type);
    for (int what = LANES_SUM; what <= LANES_DISTANCE; what++) {
        pick(LEVEL_portable, lane_sums, type)(what, n, nth(expected, 2, type), a, b);
        pick(k, lane_sums, type)(what, n, nth(found, 2, type), a, b);
        check_same(type, SUM_LANES, "lane_sums", k);
        for (int64_t parts = 1; parts <= n / SUM_LANES && parts < 20; parts++) {
            pick(LEVEL_portable, join_lanes, type)(parts, nth(expected, 2, type), a);
            pick(k, join_lanes, type)(parts, nth(found, 2, type), a);
            check_same(type, 1, "join_lanes", k);
        }
    }
}

/* The sum of all elements of a matrix. Without gaps between its rows they are those of one row. */
static void same_runs(int k, int type, int64_t n, const void *a)
{
    if (!pick(k, sum_runs, type)) return;
    const int64_t gap = n % 3;
    for (int64_t columns = SUM_LANES; columns <= n; columns += columns < 40 ? 1 : columns / 3) {
        const int64_t rows = n / columns;
        if (gap == 0)
            pick(LEVEL_portable, sum, type)(1, rows * columns, nth(expected, 2, type), a, 0);
        else
            pick(LEVEL_portable, sum_runs, type)(rows, columns, nth(expected, 2, type), a,
                                                 columns + gap);
        pick(k, sum_runs, type)(rows, columns, nth(found, 2, type), a, columns + gap);
        check_same(type, 1, "sum_runs", k);
    }
}

static int64_t first_extreme(int k, int type, bool greatest, int64_t n, const void *a)
{
    int64_t place;
    pick(k, extreme, type)(greatest, 1, n, NULL, &place, a, n);
    return place;
}

/* `total` is the dtype of the sums or products, of rows and of columns. */
static void same_rows_by(int k, int type, int total, int64_t n, const void *a,
                         const reduce_set *rows_set, const reduce_columns_set *columns_set)
{
    if (!kernel_at(rows_set, k, type)) return;
    for (int64_t columns = 1; columns < 200; columns += columns < 20 ? 1 : 43) {
        const int64_t rows = n / columns, stride = columns + n % 3;
        kernel_at(rows_set, LEVEL_portable, type)(rows, columns, nth(expected, 2, total), a,
                                                  stride);
        kernel_at(rows_set, k, type)(rows, columns, nth(found, 2, total), a, stride);
        check_same(total, rows, "reduction of rows", k);
        kernel_at(columns_set, LEVEL_portable, type)(rows, columns, nth(expected, 2, total), a,
                                                     stride);
        kernel_at(columns_set, k, type)(rows, columns, nth(found, 2, total), a, stride);
        check_same(total, columns, "reduction of columns", k);
    }
}

static void same_rows(int k, int type, int total, int64_t n, const void *a)
{
    same_rows_by(k, type, total, n, a, &tg__sum_kernel, &tg__sum_columns_kernel);
    if (type == K_BOOL) return;
    same_rows_by(k, type, total, n, a, &tg__prod_kernel, &tg__prod_columns_kernel);
    if (type != K_I64)
        same_rows_by(k, type, total, n, a, &tg__sum_squares_kernel,
                     &tg__sum_squares_columns_kernel);
}

static void same_reductions(int k, int type, int64_t n)
{
    const void *a = nth(given, n % 2 ? 0 : 2, type);
    const int total = type == K_BOOL ? K_I64 : type;
    pick(LEVEL_portable, sum, type)(1, n, nth(expected, 2, total), a, n);
    pick(k, sum, type)(1, n, nth(found, 2, total), a, n);
    check_same(total, 1, "sum", k);
    same_rows(k, type, total, n, a);
    same_pair(k, type, n, pick(LEVEL_portable, dot, type), pick(k, dot, type));
    same_pair(k, type, n, pick(LEVEL_portable, squared_distance, type),
              pick(k, squared_distance, type));
    same_lanes(k, type, n);
    same_runs(k, type, n, a);
}

/* Runs a kernel of normalization: number 0 is its forward, 1 the terms of sums, 2 its gradient. */
static void run_normalize(int number, int level, int type, int form, int64_t rows, int64_t columns,
                          int64_t stride, arrays *to)
{
    const void *a = nth(given, 0, type), *g = nth(given, 3, type);
    void *out = nth(to, 2, type);
    const normalize_numbers m = {.mean = nth(given, 2, type),
                                 .rest = nth(given, 3, type),
                                 .scale = nth(given, 1, type),
                                 .weight = nth(given, 2, type),
                                 .shift = nth(given, 3, type),
                                 .slope = nth(given, 2, type)};
    if (number == 0) pick(level, normalize, type)(form, rows, columns, stride, out, a, &m);
    if (number == 1)
        pick(level, normalize_sums, type)(form, rows, columns, stride, out, g, a, &m,
                                          nth(to, 0, type), nth(to, 1, type));
    if (number == 2)
        pick(level, normalize_backward, type)(form, rows, columns, stride, out, g, a, &m);
}

/* If n is odd, the rows have gaps between them, which must not change. */
static void same_normalize(int k, int type, int64_t n)
{
    static const char *const names[] = {"normalize", "normalize_sums", "normalize_backward"};
    if (!pick(k, normalize, type)) return;
    for (int form = NORMALIZE_ROWS; form <= NORMALIZE_LAYER; form++)
        for (int64_t stride = 2; stride <= 41; stride += 13)
            for (int i = 0; i < 3; i++) {
                run_normalize(i, LEVEL_portable, type, form, n / stride, stride - n % 2, stride,
                              expected);
                run_normalize(i, k, type, form, n / stride, stride - n % 2, stride, found);
                check_same(type, reach, names[i], k);
                for (int j = 0; j < 2; j++)
                    assert_true(same(type, reach, nth(expected, j, type), nth(found, j, type)));
            }
}

/* The bits of `flags` choose the options. */
static void same_sgd_with(int flags, int k, int type, int64_t n)
{
    const sgd_constants c = {.lr = 0.1,
                             .momentum = 0.9,
                             .dampening = flags & 1 ? 0.25 : 0,
                             .weight_decay = flags & 2 ? 0.01 : 0,
                             .nesterov = flags & 4,
                             .maximize = flags & 8,
                             .first = n % 2};
    for (int i = 1; i <= 2; i++) {
        copy_nth(expected, i, given, i);
        copy_nth(found, i, given, i);
    }
    void *buffers[] = {NULL, NULL};
    if (flags & 16) {
        buffers[0] = nth(expected, 1, type);
        buffers[1] = nth(found, 1, type);
    }
    void *grad = nth(given, 0, type);
    pick(LEVEL_portable, sgd, type)(n, nth(expected, 2, type), grad, buffers[0], &c);
    pick(k, sgd, type)(n, nth(found, 2, type), grad, buffers[1], &c);
    check_same(type, reach, "sgd", k);
    assert_true(same(type, reach, nth(expected, 1, type), nth(found, 1, type)));
}

static void same_sgd(int k, int type, int64_t n)
{
    if (!pick(k, sgd, type)) return;
    for (int flags = 0; flags < 32; flags++) same_sgd_with(flags, k, type, n);
}

static void same_sequence(int k, int type, int64_t n)
{
    if (!pick(k, sequence, type)) return;
    for (int by = -1; by <= 1; by += 2) {
        const double start = 4 * random_value(), step = random_value(), first = (double)(3 * n);
        for (int64_t i = 0; i < n; i++) {
            const double x = start + step * (first + (double)(by * i));
            if (type == K_F32) ((float *)nth(expected, 2, type))[i] = (float)x;
            if (type == K_F64) ((double *)nth(expected, 2, type))[i] = x;
        }
        pick(k, sequence, type)(n, nth(found, 2, type), start, step, first, by);
        check_same(type, n, "sequence", k);
    }
}

static void same_as_portable(int k)
{
    if (k == LEVEL_portable) return;
    static const int64_t larger[] = {511, 512, 513, 1023, 1024, 1025, MOST};
    for (int type = 0; type < K_TYPES; type++)
        for (int64_t i = 0; i <= 70 + (int64_t)COUNT(larger); i++) {
            const int64_t n = i <= 70 ? i : larger[i - 71];
            prepare(type, n);
            same_elementwise(k, type, n);
            same_moves(k, type, n);
            same_reductions(k, type, n);
            same_sgd(k, type, n);
            same_normalize(k, type, n);
            same_sequence(k, type, n);
        }
}

static void test_levels_agree(void **state)
{
    (void)state;
    given = calloc(1, sizeof *given);
    expected = calloc(1, sizeof *given);
    found = calloc(1, sizeof *given);
    assert_true(given && expected && found);
    if (emulated) print_message("TG_TEST_QUICK: the bits of the levels are not compared\n");
    each_level(same_as_portable);
    free(given), free(expected), free(found);
}

static void test_levels_exist(void **state)
{
    (void)state;
    assert_true(tg__level(NULL) >= LEVEL_portable);
    assert_int_equal(tg__level("portable"), LEVEL_portable);
    assert_int_equal(tg__level("abacus"), -1);
}

/* ---- float32 functions. */

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double rsqrt(double x)
{
    return 1 / sqrt(x);
}

/* The distance of x from y, in units of the last place of floats near y. */
static double ulps(float x, double y)
{
    const float rounded = (float)y;
    int exponent;
    if (isnan(y) || isinf(y) || y == 0)
        return (isnan(x) && isnan(y)) || (x == rounded && !signbit(x) == !signbit(y)) ? 0
                                                                                      : INFINITY;
    frexp(y, &exponent);
    if (isinf(x)) return isinf(rounded) && !signbit(x) == !signbit(y) ? 0 : INFINITY;
    return fabs((double)x - y) / ldexp(1, (exponent < -125 ? -125 : exponent) - FLT_MANT_DIG);
}

/* The largest error over every step-th of the 2^32 floats. */
static double worst_error(unary_kernel *f, double (*exact)(double), uint64_t step)
{
    enum { AT_ONCE = 1024 };
    double worst = 0;
    float x[AT_ONCE], y[AT_ONCE];
    for (uint64_t bits = 0; bits <= UINT32_MAX;) {
        for (int i = 0; i < AT_ONCE; i++, bits += step) {
            const uint32_t low = bits <= UINT32_MAX ? (uint32_t)bits : 0x80000000;
            memcpy(&x[i], &low, sizeof low);
        }
        f(AT_ONCE, y, x);
        for (int i = 0; i < AT_ONCE; i++) {
            const double want = exact((double)x[i]);
            if (y[i] != (float)want || y[i] == 0) worst = fmax(worst, ulps(y[i], want));
        }
    }
    return worst;
}

/* With TG_TEST_EXHAUSTIVE in the environment, this tests all floats at the best level, which takes
 * some minutes. The other levels have the same bits. */
static void float_functions(int k)
{
    static const struct {
        const char *name;
        const unary_set *kernel;
        double (*exact)(double);
        double most; /* functions that are computed in float64 are hardly ever more than half an ulp
                        off */
    } functions[] = {
        {"exp", &tg__exp_kernel, exp, 1},          {"log", &tg__log_kernel, log, 1},
        {"tanh", &tg__tanh_kernel, tanh, 1},       {"sigmoid", &tg__sigmoid_kernel, sigmoid, 1},
        {"rsqrt", &tg__rsqrt_kernel, rsqrt, 1.5},  {"expm1", &tg__expm1_kernel, expm1, 0.51},
        {"log1p", &tg__log1p_kernel, log1p, 0.51}, {"log2", &tg__log2_kernel, log2, 0.51},
        {"log10", &tg__log10_kernel, log10, 0.51}, {"sin", &tg__sin_kernel, sin, 0.51},
        {"cos", &tg__cos_kernel, cos, 0.51},       {"tan", &tg__tan_kernel, tan, 0.51},
        {"asin", &tg__asin_kernel, asin, 0.63},    {"acos", &tg__acos_kernel, acos, 0.51},
        {"atan", &tg__atan_kernel, atan, 0.51},    {"sinh", &tg__sinh_kernel, sinh, 0.51},
        {"cosh", &tg__cosh_kernel, cosh, 0.51},    {"erf", &tg__erf_kernel, erf, 1}};
    const bool exhaustive = getenv("TG_TEST_EXHAUSTIVE") != NULL;
    if (exhaustive && k != tg__level(NULL)) return;
    for (size_t f = 0; f < COUNT(functions); f++) {
        const double worst =
            worst_error(kernel_at(functions[f].kernel, k, K_F32), functions[f].exact,
                        exhaustive               ? 1
                        : functions[f].most == 1 ? 8193
                                                 : 65537);
        if (exhaustive) print_message("%s: %.3f ulp at most\n", functions[f].name, worst);
        if (worst > functions[f].most)
            fail_msg("%s at %s: %g ulp", functions[f].name, tg__level_name(k), worst);
    }
}

/* Whether the floats have equal bits, but for the sign of a zero in valgrind. */
static bool same_floats(size_t n, const float *a, const float *b)
{
    for (size_t i = 0; i < n; i++) {
        const bool zeros = emulated && a[i] == 0 && b[i] == 0;
        if (!zeros && !same(K_F32, 1, &a[i], &b[i])) return false;
    }
    return true;
}

static void special_values(int k)
{
    const float x[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, -1.0f, 0x1p-149f, 1.0f};
    const struct {
        const char *name;
        const unary_set *kernel;
        float y[COUNT(x)];
    } rows[] = {
        {"exp", &tg__exp_kernel, {1, 1, INFINITY, 0, NAN, 0x1.78b564p-2f, 1, 0x1.5bf0a8p1f}},
        {"log", &tg__log_kernel, {-INFINITY, -INFINITY, INFINITY, NAN, NAN, NAN, -0x1.9d1dap6f, 0}},
        {"relu", &tg__relu_kernel, {0, -0.0f, INFINITY, 0, NAN, 0, 0x1p-149f, 1}},
        {"sign", &tg__sign_kernel, {0, 0, 1, -1, 0, -1, 1, 1}},
        {"sqrt", &tg__sqrt_kernel, {0, -0.0f, INFINITY, NAN, NAN, NAN, 0x1.6a09e6p-75f, 1}},
        {"tanh",
         &tg__tanh_kernel,
         {0, -0.0f, 1, -1, NAN, -0x1.85efacp-1f, 0x1p-149f, 0x1.85efacp-1f}},
        {"erf",
         &tg__erf_kernel,
         {0, -0.0f, 1, -1, NAN, -0x1.af767ap-1f, 0x1p-149f, 0x1.af767ap-1f}},
        {"gelu",
         &tg__gelu_kernel,
         {0, -0.0f, INFINITY, NAN, NAN, -0x1.44ed0cp-3f, 0, 0x1.aec4bcp-1f}},
        {"sigmoid",
         &tg__sigmoid_kernel,
         {0.5f, 0.5f, 1, 0, NAN, 0x1.136562p-2f, 0.5f, 0x1.764d5p-1f}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        float y[COUNT(x)];
        kernel_at(rows[i].kernel, k, K_F32)(COUNT(x), y, x);
        if (!same_floats(COUNT(x), y, rows[i].y))
            fail_msg("%s at %s", rows[i].name, tg__level_name(k));
    }
}

/* Powers in float32 are rounded correctly. */
static void powers(int k)
{
    float x[100], y[100], exponent[100];
    for (int i = 0; i < 100; i++) x[i] = 3 * (float)random_value();
    const float exponents[] = {2, 0.5f, 1, 3, -1, -2, 2.5f, 0};
    for (size_t e = 0; e < COUNT(exponents); e++) {
        for (int i = 0; i < 100; i++) exponent[i] = exponents[e];
        pick(k, pow, K_F32)(100, y, x, exponent);
        for (int i = 0; i < 100; i++) {
            const double v = (double)x[i]; /* whose square is exact in double */
            const double want[] = {v * v,   sqrt(v),       v,           v * v * v,
                                   1.0 / v, 1.0 / (v * v), pow(v, 2.5), 1};
            const float rounded = (float)want[e];
            assert_true(same(K_F32, 1, &y[i], &rounded));
        }
    }
}

static void test_float_functions(void **state)
{
    (void)state;
    each_level(float_functions);
    each_level(special_values);
    each_level(powers);
}

/* ---- Integers and casts. */

static void integers_wrap(int k)
{
    const int64_t x[] = {INT64_MIN, INT64_MAX, -1, 3}, ones[] = {1, 1, 1, 1};
    const int64_t negative[] = {INT64_MIN, -INT64_MAX, 1, -3}, square[] = {0, 1, 1, 9};
    const int64_t magnitude[] = {INT64_MIN, INT64_MAX, 1, 3},
                  more[] = {INT64_MIN + 1, INT64_MIN, 0, 4};
    int64_t y[4];
    pick(k, neg, K_I64)(4, y, x);
    assert_memory_equal(y, negative, sizeof y);
    pick(k, abs, K_I64)(4, y, x);
    assert_memory_equal(y, magnitude, sizeof y);
    pick(k, square, K_I64)(4, y, x);
    assert_memory_equal(y, square, sizeof y);
    pick(k, add, K_I64)(4, y, x, ones);
    assert_memory_equal(y, more, sizeof y);
    pick(k, sum, K_I64)(1, 4, y, x, 4);
    assert_int_equal(y[0], 1);
    pick(k, dot, K_I64)(4, y, x, x);
    assert_int_equal(y[0], 11);
    pick(k, matmul, K_I64)(1, 1, 4, y, 1, x, 4, 1, x, 1, 1, NULL);
    assert_int_equal(y[0], 11);
}

static void casts(int k)
{
    const double x[] = {2.7, -2.7, NAN, INFINITY, 1e19, -0x1p63, 0x1p63, -0.0, 0x1p-1074};
    const int64_t integer[] = {2, -2, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, 0, 0};
    const bool truth[] = {1, 1, 1, 1, 1, 1, 1, 0, 1};
    int64_t y[COUNT(x)];
    bool t[COUNT(x)];
    pick(k, to_i64, K_F64)(COUNT(x), y, x);
    assert_memory_equal(y, integer, sizeof y);
    pick(k, to_bool, K_F64)(COUNT(x), t, x);
    assert_memory_equal(t, truth, sizeof t);
    const float large = 0x1.fffffep62f;
    pick(k, to_i64, K_F32)(1, y, &large);
    assert_int_equal(y[0], 0x7fffff8000000000);
}

static void test_integers(void **state)
{
    (void)state;
    each_level(integers_wrap);
    each_level(casts);
}

/* ---- Sums. */

static void ones_are_counted(int k)
{
    enum { N = 10000000 };
    float *ones = malloc(N * sizeof *ones), total, columns[3];
    assert_non_null(ones);
    for (int i = 0; i < N; i++) ones[i] = 1;
    pick(k, sum, K_F32)(1, N, &total, ones, N);
    assert_true(total == N);
    pick(k, dot, K_F32)(N, &total, ones, ones);
    assert_true(total == N);
    for (int gap = 0; gap < 2; gap++)
        for (int n = 1; n <= 3; n++) {
            pick(k, sum_columns, K_F32)(N / 4, n, columns, ones, n + gap);
            for (int j = 0; j < n; j++) assert_true(columns[j] == N / 4);
        }
    free(ones);
}

/* Every element passes through at most 32 + 4 additions in its block, and through 6 that add blocks
 * to one another. The error is therefore below 42 u times the sum of the absolute terms. */
static void sums_are_close(int k)
{
    enum { N = 20000 };
    float *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y), got[3];
    assert_true(x && y);
    fill(K_F32, N, x, false);
    fill(K_F32, N, y, false);
    const int64_t sizes[] = {0, 1, 2, 15, 16, 17, 100, 511, 512, 513, 1000, 5000, 10001, N};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        long double exact[3] = {0}, scale[3] = {0};
        for (int64_t i = 0; i < sizes[s]; i++) {
            const long double d = (long double)x[i] - y[i];
            const long double terms[3] = {x[i], (long double)x[i] * y[i], d * d};
            for (int t = 0; t < 3; t++) {
                exact[t] += terms[t];
                scale[t] += fabsl(terms[t]);
            }
        }
        pick(k, sum, K_F32)(1, sizes[s], &got[0], x, 0);
        pick(k, dot, K_F32)(sizes[s], &got[1], x, y);
        pick(k, squared_distance, K_F32)(sizes[s], &got[2], x, y);
        /* Each difference of the squared distance is rounded before it is squared, which counts
         * twice. */
        for (int t = 0; t < 3; t++)
            assert_true(fabsl(got[t] - exact[t]) <= 44 * 0x1p-24L * scale[t]);
    }
    free(x);
    free(y);
}

/* An element of a column passes through at most 32 additions in its block, and then through one for
 * each doubling of the number of blocks. Where narrow rows are first added side by side, it passes
 * through as many once more. */
static void columns_are_close(int k)
{
    enum { ROWS = 700, COLUMNS = 137, STRIDE = 140 };
    float *x = malloc(ROWS * STRIDE * sizeof *x), got[COLUMNS];
    assert_non_null(x);
    fill(K_F32, ROWS * STRIDE, x, false);
    for (int columns = 1; columns <= COLUMNS; columns += columns < 34 ? 3 : 34)
        for (int rows = 0; rows <= ROWS; rows += rows < 70 ? 1 : 315)
            for (int stride = columns; stride <= STRIDE; stride += STRIDE - columns) {
                pick(k, sum_columns, K_F32)(rows, columns, got, x, stride);
                for (int j = 0; j < columns; j++) {
                    long double exact = 0, scale = 0;
                    for (int i = 0; i < rows; i++) {
                        exact += x[i * stride + j];
                        scale += fabsf(x[i * stride + j]);
                    }
                    const int additions = stride == columns && columns <= 32 ? 2 * 38 : 38;
                    assert_true(fabsl(got[j] - exact) <= additions * 0x1p-24L * scale);
                }
            }
    free(x);
}

/* The sum of each row of a matrix has the bits that it has alone. */
static void rows_are_alone(int k)
{
    enum { ROWS = 7, MOST_COLUMNS = 1100 };
    static float x[ROWS * (MOST_COLUMNS + 3)];
    float got[ROWS], alone;
    fill(K_F32, ROWS * (MOST_COLUMNS + 3), x, false);
    for (int n = 0; n <= MOST_COLUMNS; n += n < 40 ? 1 : 53) {
        pick(k, sum, K_F32)(ROWS, n, got, x, n + 3);
        for (int i = 0; i < ROWS; i++) {
            pick(k, sum, K_F32)(1, n, &alone, x + i * (n + 3), 0);
            assert_true(same(K_F32, 1, &alone, &got[i]));
        }
    }
}

/* Sums of integers wrap around, and those of bool count the true ones; for rows and for columns. */
static void whole_numbers_are_summed(int k)
{
    enum { ROWS = 600, COLUMNS = 9, STRIDE = 11 };
    static int64_t x[ROWS * STRIDE], got[ROWS];
    static bool t[ROWS * STRIDE];
    fill(K_I64, ROWS * STRIDE, x, true);
    fill(K_BOOL, ROWS * STRIDE, t, false);
    for (int type = K_I64; type <= K_BOOL; type++)
        for (int by_columns = 0; by_columns < 2; by_columns++) {
            const void *in = type == K_I64 ? (const void *)x : t;
            const int outputs = by_columns ? COLUMNS : ROWS, terms = by_columns ? ROWS : COLUMNS;
            reduce_kernel *sum = by_columns ? pick(k, sum_columns, type) : pick(k, sum, type);
            sum(ROWS, COLUMNS, got, in, STRIDE);
            for (int o = 0; o < outputs; o++) {
                uint64_t want = 0;
                for (int i = 0; i < terms; i++) {
                    const int at = by_columns ? i * STRIDE + o : o * STRIDE + i;
                    want += type == K_I64 ? (uint64_t)x[at] : t[at];
                }
                assert_true((uint64_t)got[o] == want);
            }
        }
}

static void test_sums(void **state)
{
    (void)state;
    each_level(ones_are_counted);
    each_level(sums_are_close);
    each_level(columns_are_close);
    each_level(rows_are_alone);
    each_level(whole_numbers_are_summed);
}

/* ---- Extremes: the first of equal ones gives the index. */

static void first_extremes(int k)
{
    float x[2000];
    for (int i = 0; i < 2000; i++) x[i] = -0.0f;
    assert_int_equal(first_extreme(k, K_F32, true, 2000, x), 0);
    x[700] = 0.0f; /* equal to -0 */
    assert_int_equal(first_extreme(k, K_F32, true, 2000, x), 0);
    x[1999] = x[1500] = 2, x[3] = x[1998] = -INFINITY;
    assert_int_equal(first_extreme(k, K_F32, true, 2000, x), 1500);
    assert_int_equal(first_extreme(k, K_F32, false, 2000, x), 3);
    x[1700] = x[1800] = NAN;
    assert_int_equal(first_extreme(k, K_F32, true, 2000, x), 1700);
    assert_int_equal(first_extreme(k, K_F32, false, 2000, x), 1700);
    x[0] = NAN;
    assert_int_equal(first_extreme(k, K_F32, false, 2000, x), 0);

    const int64_t y[] = {3, INT64_MIN, INT64_MAX, INT64_MAX, INT64_MIN};
    assert_int_equal(first_extreme(k, K_I64, true, 5, y), 2);
    assert_int_equal(first_extreme(k, K_I64, false, 5, y), 1);
    const bool z[] = {false, true, true, false};
    assert_int_equal(first_extreme(k, K_BOOL, true, 4, z), 1);
    assert_int_equal(first_extreme(k, K_BOOL, false, 4, z), 0);
}

static bool is_beyond(int type, bool greatest, const void *x, const void *y)
{
    if (is_nan(type, x) || is_nan(type, y)) return !is_nan(type, y);
    int order = 0;
#define ORDER(T) order = (*(const T *)x > *(const T *)y) - (*(const T *)x < *(const T *)y)
    if (type == K_F32) ORDER(float);
    if (type == K_F64) ORDER(double);
    if (type == K_I64) ORDER(int64_t);
    if (type == K_BOOL) ORDER(bool);
#undef ORDER
    return greatest ? order > 0 : order < 0;
}

enum { EXTREME_SPACE = 40000 };

/* A matrix of which each row, or each column, has an extreme. */
typedef struct {
    int type;
    bool greatest, by_columns;
    int64_t rows, columns, stride;
    const char *in;
} extremes;

/* Element i of the row or column of output o. */
static const char *term_of(const extremes *e, int64_t o, int64_t i)
{
    return e->in +
           (size_t)(e->by_columns ? i * e->stride + o : o * e->stride + i) * element_size[e->type];
}

static int64_t outputs_of(const extremes *e)
{
    return e->by_columns ? e->columns : e->rows;
}

/* Finds the index of each extreme by a plain search. */
static void search(const extremes *e, int64_t *places)
{
    const int64_t terms = e->by_columns ? e->rows : e->columns;
    for (int64_t o = 0; o < outputs_of(e); o++) {
        places[o] = 0;
        for (int64_t i = 1; i < terms; i++)
            if (is_beyond(e->type, e->greatest, term_of(e, o, i), term_of(e, o, places[o])))
                places[o] = i;
    }
}

/* Checks the bits and the index of every extreme, when both are asked for and when only one is. */
static void check_extremes(int k, const extremes *e, const int64_t *want)
{
    static int64_t values[300], alone[300], places[300];
    const size_t size = element_size[e->type], n = (size_t)outputs_of(e);
    extreme_kernel *extreme =
        e->by_columns ? pick(k, extreme_columns, e->type) : pick(k, extreme, e->type);
    extreme(e->greatest, e->rows, e->columns, values, places, e->in, e->stride);
    extreme(e->greatest, e->rows, e->columns, alone, NULL, e->in, e->stride);
    assert_memory_equal(places, want, n * sizeof *places);
    assert_true(same(e->type, (int64_t)n, values, alone));
    for (size_t o = 0; o < n; o++)
        assert_true(
            same(e->type, 1, (const char *)values + o * size, term_of(e, (int64_t)o, want[o])));
    extreme(e->greatest, e->rows, e->columns, NULL, alone, e->in, e->stride);
    assert_memory_equal(alone, want, n * sizeof *places);
}

static void check_extremes_at_each_level(const extremes *e)
{
    int64_t want[300];
    search(e, want);
    for (int k = 0; k <= best_level; k++) check_extremes(k, e, want);
}

/* Fills out with few different values, so that many are equal; or with special ones such as NaN. */
static void fill_with_ties(int type, int64_t n, void *out, bool specials)
{
    fill(type, n, out, specials);
    for (int64_t i = 0; i < n && !specials; i++) {
        const int x = (int)(random_bits() % 5) - 2;
        const float zero = random_bits() & 1 ? -0.0f : 0;
        if (type == K_F32) ((float *)out)[i] = x ? (float)x : zero;
        if (type == K_F64) ((double *)out)[i] = x ? x : (double)zero;
        if (type == K_I64) ((int64_t *)out)[i] = x;
    }
}

static void extremes_everywhere(void)
{
    static const int64_t shapes[][2] = {{1, 1},    {3, 1},    {1, 3},     {5, 7},    {4, 16},
                                        {6, 31},   {9, 64},   {3, 65},    {2, 100},  {130, 3},
                                        {257, 5},  {128, 20}, {129, 129}, {66, 201}, {3, 1023},
                                        {2, 1024}, {5, 1025}, {1, 3000}};
    char *in = malloc(EXTREME_SPACE * sizeof(double));
    assert_non_null(in);
    for (int type = 0; type < K_TYPES; type++)
        for (size_t s = 0; s < COUNT(shapes); s++)
            for (int flags = 0; flags < 16; flags++) {
                const int64_t rows = shapes[s][0], columns = shapes[s][1];
                const int64_t stride = columns + (flags & 8 ? 3 : 0);
                const bool by_columns = flags & 1;
                if (by_columns && columns > 300) continue;
                assert_true(rows * stride <= EXTREME_SPACE);
                fill_with_ties(type, rows * stride, in, flags & 2);
                check_extremes_at_each_level(
                    &(extremes){type, flags & 4, by_columns, rows, columns, stride, in});
            }
    free(in);
}

/* A NaN is found at any place, the first one if there are two. Infinities of both signs are not
 * taken for one. */
static void lone_nans(int k)
{
    enum { N = 1500, ROWS = 150, COLUMNS = N / ROWS };
    static float x[N];
    for (int i = 0; i < N; i++) x[i] = i % 3 == 1 ? INFINITY : i % 3 ? -INFINITY : (float)i;
    for (int greatest = 0; greatest < 2; greatest++) {
        const extremes e = {K_F32, greatest, true, ROWS, COLUMNS, COLUMNS, (const char *)x};
        int64_t want[COLUMNS];
        search(&e, want);
        check_extremes(k, &e, want);
    }
    for (int i = 0; i < N; i += 7) {
        const float before = x[i];
        int64_t places[COLUMNS];
        x[i] = x[N - 1] = NAN;
        assert_int_equal(first_extreme(k, K_F32, i % 2, N, x), i);
        pick(k, extreme_columns, K_F32)(i % 2, ROWS, COLUMNS, NULL, places, x, COLUMNS);
        assert_int_equal(places[i % COLUMNS], i / COLUMNS);
        x[i] = before;
    }
}

static void test_extremes(void **state)
{
    (void)state;
    each_level(first_extremes);
    extremes_everywhere();
    each_level(lone_nans);
}

/* ---- Products. */

enum { ROWS, COLUMNS, APART, LAYOUTS, PRODUCT_SPACE = 500000 };

static double left[2][PRODUCT_SPACE], right[2][PRODUCT_SPACE]; /* by type */

/* The strides of a matrix. */
typedef struct {
    int64_t row, column;
} strides;

static strides layout(int how, int64_t rows, int64_t columns, int64_t gap)
{
    return how == ROWS      ? (strides){columns + gap, 1}
           : how == COLUMNS ? (strides){1, rows + gap}
                            : (strides){2 * columns + gap, 2};
}

typedef struct {
    int64_t m, n, k;
    strides a, b;
    int64_t c0;
} product;

/* Whether the elements of a product are dot products over lanes, as matmul.inc says. */
static bool in_order_of_dot(const product *p)
{
    return p->k >= 16 && (p->m == 1 || p->n == 1) &&
           (p->m * p->n <= 8 || (p->a.column == 1 && p->b.row == 1));
}

/* Adds part to total; part becomes the rounding error of that (Dekker's fast two-sum). */
static void add_part(int type, double *total, double *part)
{
    const double sum = type == K_F32 ? (double)((float)*total + (float)*part) : *total + *part;
    const bool ordered = fabs(*total) >= fabs(*part);
    *part = ordered ? *part - (sum - *total) : *total - (sum - *part);
    *total = sum;
}

/* One element of the product, added in the order that matmul.inc promises. */
static double ordered_product(int type, const product *p, bool as_dot, const void *a, const void *b)
{
    if (as_dot) {
        static double x[PRODUCT_SPACE], y[PRODUCT_SPACE], total;
        for (int64_t l = 0; l < p->k; l++) {
            set_element(type, x, l, element(type, a, l * p->a.column));
            set_element(type, y, l, element(type, b, l * p->b.row));
        }
        pick(LEVEL_portable, dot, type)(p->k, &total, x, y);
        return element(type, &total, 0);
    }
    const bool blocks = p->k > 1024;
    double total = 0, sum = 0, acc = 0;
    for (int64_t l = 0; l < p->k; l++) {
        const double x = element(type, a, l * p->a.column), y = element(type, b, l * p->b.row);
        acc = type == K_F32 ? (double)fmaf((float)x, (float)y, (float)acc) : fma(x, y, acc);
        const int64_t done = l + 1;
        if (!blocks || (done % 128 && done < p->k)) continue;
        sum = type == K_F32 ? (double)((float)sum + (float)acc) : sum + acc;
        acc = 0;
        if (done % 2048 == 0 || done == p->k) add_part(type, &total, &sum);
    }
    return blocks ? total : acc;
}

/* Of up to 1024 products and sums each is rounded at most once; for more there are blocks of 128
 * and sums of 16 blocks, see src/kernels/matmul.inc. To first order |error| <= (k or 145 + k u) u *
 * sum |a| |b|. */
static void check_rounding(int type, const product *p, const void *a, const void *b, double sum)
{
    const long double u = type == K_F32 ? 0x1p-24L : 0x1p-53L;
    long double exact = 0, scale = 0;
    for (int64_t l = 0; l < p->k; l++) {
        const long double term =
            (long double)element(type, a, l * p->a.column) * element(type, b, l * p->b.row);
        exact += term;
        scale += fabsl(term);
    }
    const long double steps = p->k > 1024 ? 145 + (long double)p->k * u : (long double)p->k;
    assert_true(fabsl(sum - exact) <= steps * u * (1 + 0x1p-10L) * scale);
}

/* The matrix (rows, columns) of in, with these strides. */
static void lay_out(int type, int64_t rows, int64_t columns, const void *in, void *out, strides to)
{
    assert_true((rows - 1) * to.row + (columns - 1) * to.column < PRODUCT_SPACE - 1);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            set_element(type, out, i * to.row + j * to.column, element(type, in, i * columns + j));
}

/* The product of left and right, contiguous here, in one of the two orders. */
static void expect_product(int type, product p, bool as_dot, double *want)
{
    const size_t size = element_size[type];
    p.a = layout(ROWS, p.m, p.k, 0), p.b = layout(ROWS, p.k, p.n, 0);
    for (int64_t i = 0; i < p.m; i++)
        for (int64_t j = 0; j < p.n; j++) {
            const char *row = (const char *)left[type] + (size_t)(i * p.a.row) * size;
            const char *column = (const char *)right[type] + (size_t)j * size;
            want[i * p.n + j] = ordered_product(type, &p, as_dot, row, column);
            check_rounding(type, &p, row, column, want[i * p.n + j]);
        }
}

/* Checks the product at each level. The elements in the gaps between rows of the result must
 * stay 7. */
static void check_product(int type, const product *p, const double *want)
{
    static double laid_left[PRODUCT_SPACE], laid_right[PRODUCT_SPACE], got[PRODUCT_SPACE];
    const size_t size = element_size[type];
    void *a = (char *)laid_left + size, *b = (char *)laid_right + size; /* unaligned */
    lay_out(type, p->m, p->k, left[type], a, p->a);
    lay_out(type, p->k, p->n, right[type], b, p->b);
    assert_true(p->m * p->c0 <= PRODUCT_SPACE);
    void *scratch = malloc(
        tg__product_scratch(type == K_F32 ? TG_F32 : TG_F64, p->m, p->n, p->k, p->b.column) + 1);
    assert_non_null(scratch);
    for (int k = 0; k <= best_level; k++) {
        for (int64_t i = 0; i < p->m * p->c0; i++) set_element(type, got, i, 7);
        pick(k, matmul, type)(p->m, p->n, p->k, got, p->c0, a, p->a.row, p->a.column, b, p->b.row,
                              p->b.column, scratch);
        for (int64_t i = 0; i < p->m * p->c0; i++) {
            const int64_t row = i / p->c0, column = i % p->c0;
            const double x = column < p->n ? want[row * p->n + column] : 7,
                         y = element(type, got, i);
            if (!same(K_F64, 1, &x, &y))
                fail_msg("%d x %d x %d, strides %d %d and %d %d, type %d differs at %s", (int)p->m,
                         (int)p->k, (int)p->n, (int)p->a.row, (int)p->a.column, (int)p->b.row,
                         (int)p->b.column, type, tg__level_name(k));
        }
    }
    free(scratch);
}

/* All layouts of a and b, with and without elements between rows; every step-th of them. */
static void check_layouts(int64_t m, int64_t n, int64_t k, int first, int step)
{
    static double want[2][PRODUCT_SPACE]; /* by order */
    for (int type = K_F32; type <= K_F64; type++) {
        bool known[2] = {false};
        for (int i = first; i < 2 * LAYOUTS * LAYOUTS; i += step) {
            const int64_t gap = i % 2 ? 3 : 0;
            const product p = {m,
                               n,
                               k,
                               layout(i / 2 % LAYOUTS, m, k, gap),
                               layout(i / 2 / LAYOUTS, k, n, gap),
                               n + gap};
            const bool as_dot = in_order_of_dot(&p);
            if (!known[as_dot]) expect_product(type, p, as_dot, want[as_dot]);
            known[as_dot] = true;
            check_product(type, &p, want[as_dot]);
        }
    }
}

/* Products of integers, which are exact in double as well, so that both dtypes have one result. */
static void exact_products(int k)
{
    enum { M = 15, N = 37, K = 41 };
    int64_t a[M * K], b[K * N], c[M * N];
    double x[M * K], y[K * N], z[M * N], scratch[K * N];
    for (int i = 0; i < M * K; i++) x[i] = (double)(a[i] = (int64_t)(random_bits() % 2001) - 1000);
    for (int i = 0; i < K * N; i++) y[i] = (double)(b[i] = (int64_t)(random_bits() % 2001) - 1000);
    for (int transposed = 0; transposed < 2; transposed++) {
        const int64_t b0 = transposed ? 1 : N, b1 = transposed ? K : 1;
        pick(k, matmul, K_I64)(M, N, K, c, N, a, K, 1, b, b0, b1, scratch);
        pick(k, matmul, K_F64)(M, N, K, z, N, x, K, 1, y, b0, b1, scratch);
        for (int i = 0; i < M * N; i++) {
            int64_t want = 0;
            for (int l = 0; l < K; l++) want += a[i / N * K + l] * b[l * b0 + i % N * b1];
            assert_true(c[i] == want && z[i] == (double)want);
        }
    }
}

/* Sizes just below and above those of the tiles, vectors, panels and blocks of any level. */
static void test_products(void **state)
{
    (void)state;
    static const int64_t m[] = {1, 2, 3, 5, 8, 9, 17}, k[] = {1, 2, 8, 9, 15, 16, 17};
    static const int64_t n[] = {1,  2,  3,  7,  8,  9,  15, 16, 17, 23, 24,
                                25, 31, 33, 47, 48, 49, 63, 65, 71, 129};
    static const int64_t larger[][3] = {
        {4, 4, 0},       {0, 3, 2},     {0, 1100, 2},  {2, 0, 2},     {1, 1, 600},    {1, 70, 300},
        {70, 1, 300},    {1, 8, 4200},  {1, 9, 4200},  {1, 2, 9000},  {3, 1, 9000},   {9000, 1, 2},
        {1, 1100, 19},   {5, 1030, 41}, {25, 67, 300}, {17, 191, 90}, {19, 193, 87},  {40, 33, 511},
        {130, 100, 257}, {2, 3, 1024},  {2, 3, 1025},  {3, 7, 5000},  {20, 20, 1300}, {1, 15, 3000},
        {18, 17, 2048},  {9, 33, 1281}, {1, 40, 1025}, {1, 1, 19000}, {17, 400, 200}, {9, 380, 257},
        {12, 93, 513},   {60, 775, 280}};
    int turn = 0;
    for (int type = K_F32; type <= K_F64; type++) {
        fill(type, PRODUCT_SPACE, left[type], false);
        fill(type, PRODUCT_SPACE, right[type], false);
    }
    for (size_t i = 0; i < COUNT(m); i++)
        for (size_t j = 0; j < COUNT(n); j++)
            for (size_t l = 0; l < COUNT(k); l++) check_layouts(m[i], n[j], k[l], turn++ % 7, 7);
    for (size_t i = 0; i < COUNT(larger); i++) {
        const bool few = larger[i][0] * larger[i][1] * larger[i][2] > 200000;
        check_layouts(larger[i][0], larger[i][1], larger[i][2], few ? (int)i % 5 : 0, few ? 5 : 1);
    }
    each_level(exact_products);
}

/* ---- Copies. */

static void copies(int k)
{
    enum { SPACE = 40 * 45 * 2 };
    static const int64_t layouts[][2] = {{45, 1}, {1, 40}, {90, 2}, {0, 1},
                                         {1, 0},  {0, 0},  {2, 80}};
    static char in[SPACE * 8], out[SPACE * 8], want[SPACE * 8];
    for (size_t i = 0; i < sizeof in; i++) in[i] = (char)random_bits();
    for (int type = 0; type < K_TYPES; type++)
        for (size_t ol = 0; ol < 3; ol++)
            for (size_t al = 0; al < COUNT(layouts); al++)
                for (int shape = 0; shape < 4; shape++) {
                    const int64_t n0 = shape & 1 ? 40 : 1, n1 = shape & 2 ? 45 : 1;
                    const int64_t o0 = layouts[ol][0], o1 = layouts[ol][1];
                    const int64_t a0 = layouts[al][0], a1 = layouts[al][1];
                    const size_t size = element_size[type];
                    memset(out, 0, sizeof out);
                    memset(want, 0, sizeof want);
                    pick(k, copy, type)(n0, n1, out, o0, o1, in, a0, a1);
                    for (int64_t i = 0; i < n0; i++)
                        for (int64_t j = 0; j < n1; j++)
                            memcpy(want + (size_t)(i * o0 + j * o1) * size,
                                   in + (size_t)(i * a0 + j * a1) * size, size);
                    assert_memory_equal(out, want, sizeof out);
                }
}

/* Long rows, to places a few bytes behind and before those of the input modulo a page. */
static void long_rows(int k)
{
    enum { PAGE = 4096, STRIDE = 3 * 1024 };
    static _Alignas(PAGE) char memory[4 * PAGE];
    static char want[2 * STRIDE];
    char *in = memory, *out = memory + 2 * PAGE;
    for (int type = 0; type < K_TYPES; type++)
        for (int64_t at = -8; at <= 72; at += 8)
            for (int64_t bytes = 960; bytes <= 1400; bytes += 8) {
                const int64_t size = (int64_t)element_size[type];
                for (int i = 0; i < 2 * PAGE; i++) in[i] = (char)(i * 7 + i / 251);
                memset(out - 8, 0, sizeof want);
                memset(want, 0, sizeof want);
                for (int i = 0; i < 2; i++)
                    memcpy(want + 8 + at + i * 2000, in + i * STRIDE, (size_t)bytes);
                pick(k, copy, type)(2, bytes / size, out + at, 2000 / size, 1, in, STRIDE / size,
                                    1);
                assert_memory_equal(out - 8, want, sizeof want);
            }
}

static void test_copies(void **state)
{
    (void)state;
    each_level(copies);
    each_level(long_rows);
}

/* ---- One step of the optimiser, compared with the formula. */

static void one_step(int k)
{
    const sgd_constants c = {
        .lr = 0.1, .momentum = 0.9, .dampening = 0, .weight_decay = 0.01, .nesterov = true};
    float p = 2, g = 0.5f, buf = 0.25f;
    const float d = fmaf(0.01f, p, g), b = fmaf(1, d, 0.9f * buf);
    const float q = fmaf(-0.1f, fmaf(0.9f, b, d), p);
    pick(k, sgd, K_F32)(1, &p, &g, &buf, &c);
    assert_true(p == q && buf == b);
}

static void test_sgd(void **state)
{
    (void)state;
    each_level(one_step);
}

/* ---- Terms that are added to compensated sums. */

/* Whole numbers, whose sums with 2^60 are rounded: what is rounded away is kept. */
static void keep_rounding_errors(int k)
{
    enum { TERMS = 35 };
    for (int64_t n = 0; n < TERMS; n++) {
        double sums[2 * TERMS], terms[TERMS];
        for (int64_t i = 0; i < TERMS; i++) {
            terms[i] = (double)(i % 2 ? 1001 * i + 1 : -777 * i - 5);
            sums[2 * i] = 0x1p60;
            sums[2 * i + 1] = 3;
        }
        pick(k, add_terms, K_F64)(n, sums, terms);
        for (int64_t i = 0; i < TERMS; i++) {
            const int64_t term = i < n ? (int64_t)terms[i] : 0, exact = (INT64_C(1) << 60) + term;
            assert_true(sums[2 * i] == (double)exact);
            assert_true(sums[2 * i + 1] == (double)(exact - (int64_t)sums[2 * i] + 3));
        }
    }
}

static void test_add_terms(void **state)
{
    (void)state;
    each_level(keep_rounding_errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_exist),
        cmocka_unit_test(test_levels_agree),
        cmocka_unit_test(test_float_functions),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_add_terms),
    };
    return cmocka_run_group_tests(tests, look_at_machine, NULL);
}
