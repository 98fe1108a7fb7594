/* Conversion of elements between the types of files and dtypes, src/io/convert.h. */
#include "check.h"

#include "io/convert.h"

#include <float.h>

/* The value of a float of 16 bits by its definition. */
static double value_of(int bits, int fraction, int bias)
{
    const int exponent = (bits & 0x7fff) >> fraction, f = bits & ((1 << fraction) - 1);
    const int all = 0x7fff >> fraction;
    double value = exponent == all ? (f ? NAN : INFINITY)
                   : exponent      ? ldexp((1 << fraction) + f, exponent - bias - fraction)
                                   : ldexp(f, 1 - bias - fraction);
    return bits >> 15 ? -value : value;
}

static bool same(double a, double b)
{
    return isnan(a) ? isnan(b) : a == b && signbit(a) == signbit(b);
}

static void check_all_values(file_type type, int fraction, int bias)
{
    static uint16_t bits[1 << 16];
    static double values[1 << 16];
    static float floats[1 << 16];
    for (int i = 0; i < 1 << 16; i++) bits[i] = (uint16_t)i;
    assert_int_equal(tg__convert(type, bits, FILE_F64, values, 1 << 16), 1 << 16);
    assert_int_equal(tg__convert(type, bits, FILE_F32, floats, 1 << 16), 1 << 16);
    for (int i = 0; i < 1 << 16; i++) {
        assert_true(same(values[i], value_of(i, fraction, bias)));
        assert_true(same(floats[i], values[i]));
    }
    memset(bits, 0, sizeof bits);
    assert_int_equal(tg__convert(FILE_F32, floats, type, bits, 1 << 16), 1 << 16);
    for (int i = 0; i < 1 << 16; i++)
        assert_true(isnan(values[i]) ? isnan(value_of(bits[i], fraction, bias)) : bits[i] == i);
}

static int rounded(file_type type, double value)
{
    uint16_t bits = 0;
    return tg__convert(FILE_F64, &value, type, &bits, 1) == 1 ? bits : -1;
}

/* Between two neighbours, what is nearer to one of them becomes that one, and the middle becomes
 * the even one. */
static void check_rounding(file_type type, int fraction, int bias)
{
    const int infinity = 0x7fff >> fraction << fraction;
    for (int i = 0; i < infinity; i++) {
        const double below = value_of(i, fraction, bias);
        const double above = i + 1 < infinity ? value_of(i + 1, fraction, bias)
                                              : ldexp(1, 1 + bias); /* would come next */
        const double middle = below + (above - below) / 2;
        const int over = i + 1 < infinity ? i + 1 : -1, even = i % 2 ? over : i;
        assert_int_equal(rounded(type, nextafter(middle, 0)), i);
        assert_int_equal(rounded(type, nextafter(middle, INFINITY)), over);
        assert_int_equal(rounded(type, middle), even);
        assert_int_equal(rounded(type, -middle), even < 0 ? -1 : even | 0x8000);
    }
    assert_int_equal(rounded(type, DBL_MAX), -1);
    assert_int_equal(rounded(type, INFINITY), infinity);
    assert_int_equal(rounded(type, DBL_TRUE_MIN), 0);
}

static void test_float16(void **state)
{
    (void)state;
    check_all_values(FILE_F16, 10, 15);
    check_rounding(FILE_F16, 10, 15);
}

static void test_bfloat16(void **state)
{
    (void)state;
    check_all_values(FILE_BF16, 7, 127);
    check_rounding(FILE_BF16, 7, 127);
}

static void test_integers_between_their_bounds(void **state)
{
    static const struct {
        file_type type;
        int64_t least, most;
    } types[] = {
        {FILE_BOOL, 0, 1},
        {FILE_U8, 0, 255},
        {FILE_I8, -128, 127},
        {FILE_U16, 0, 65535},
        {FILE_I16, -32768, 32767},
        {FILE_U32, 0, 4294967295},
        {FILE_I32, INT32_MIN, INT32_MAX},
        {FILE_U64, 0, INT64_MAX},
        {FILE_I64, INT64_MIN, INT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const int64_t least = types[i].least, most = types[i].most, ends[] = {least, most};
        int64_t stored[2], back[2];
        assert_int_equal(tg__convert(FILE_I64, ends, types[i].type, stored, 2), 2);
        assert_int_equal(tg__convert(types[i].type, stored, FILE_I64, back, 2), 2);
        assert_memory_equal(back, ends, sizeof ends);
        if (least == INT64_MIN) continue;
        const int64_t below[] = {least, least - 1},
                      above[] = {most, most == INT64_MAX ? -1 : most + 1};
        assert_int_equal(tg__convert(FILE_I64, below, types[i].type, stored, 2), 1);
        assert_int_equal(tg__convert(FILE_I64, above, types[i].type, stored, 2), 1);
    }
    const uint64_t large[] = {INT64_MAX, (uint64_t)INT64_MAX + 1};
    int64_t out[2];
    assert_int_equal(tg__convert(FILE_U64, large, FILE_I64, out, 2), 1);
}

static void test_integers_and_floats(void **state)
{
    (void)state;
    const double whole[] = {-0x1p63, 0x1p53 + 2, 3, -0.0, 0.5}, far[] = {0x1p63}, nan[] = {NAN};
    int64_t integers[5];
    assert_int_equal(tg__convert(FILE_F64, whole, FILE_I64, integers, 5), 4);
    assert_true(integers[0] == INT64_MIN && integers[1] == 9007199254740994 && integers[2] == 3);
    assert_int_equal(tg__convert(FILE_F64, far, FILE_I64, integers, 1), 0);
    assert_int_equal(tg__convert(FILE_F64, nan, FILE_I64, integers, 1), 0);
    const int64_t odd[] = {-5, ((int64_t)1 << 53) + 1}, most[] = {INT64_MAX};
    double floats[2];
    assert_int_equal(tg__convert(FILE_I64, odd, FILE_F64, floats, 2), 1);
    assert_true(floats[0] == -5);
    assert_int_equal(tg__convert(FILE_I64, most, FILE_F64, floats, 1), 0);
    const uint8_t bytes[] = {0, 1, 2, 255};
    float singles[4];
    assert_int_equal(tg__convert(FILE_U8, bytes, FILE_F32, singles, 4), 4);
    assert_true(singles[2] == 2 && singles[3] == 255);
}

static void test_float32_from_float64(void **state)
{
    (void)state;
    const double v[] = {1 + 0x1p-24, 1 + 0x1p-24 + 0x1p-50, -INFINITY, FLT_MAX, 0x1.ffffffp127};
    float f[5];
    assert_int_equal(tg__convert(FILE_F64, v, FILE_F32, f, 5), 4);
    assert_true(f[0] == 1 && f[1] == 1 + 0x1p-23f && f[2] == -INFINITY && f[3] == FLT_MAX);
}

/* A byte of a bool in a file may have any value. */
static void test_bools_become_0_or_1(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0, 1, 2, 255};
    uint8_t bools[4];
    assert_int_equal(tg__convert(FILE_BOOL, bytes, FILE_BOOL, bools, 4), 4);
    assert_memory_equal(bools, ((uint8_t[]){0, 1, 1, 1}), 4);
}

/* The number of the element that fails is right beyond the first block, too. */
static void test_long_arrays(void **state)
{
    (void)state;
    static int64_t in[1000];
    static uint8_t out[1000];
    for (int i = 0; i < 1000; i++) in[i] = i % 256;
    assert_int_equal(tg__convert(FILE_I64, in, FILE_U8, out, 1000), 1000);
    for (int i = 0; i < 1000; i++) assert_int_equal(out[i], i % 256);
    in[777] = 256;
    assert_int_equal(tg__convert(FILE_I64, in, FILE_U8, out, 1000), 777);
}

static void test_byte_order(void **state)
{
    (void)state;
    uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
    tg__swap_bytes(bytes, 2, 2);
    assert_memory_equal(bytes, ((uint8_t[]){2, 1, 4, 3, 5, 6, 7, 8}), 8);
    tg__swap_bytes(bytes, 8, 1);
    assert_memory_equal(bytes, ((uint8_t[]){8, 7, 6, 5, 3, 4, 1, 2}), 8);
}

/* 1, 2 and 3 as int16, in either byte order and not aligned. */
static void test_elements_are_read_in_either_byte_order(void **state)
{
    static const uint8_t little[] = {9, 1, 0, 2, 0, 3, 0}, big[] = {9, 0, 1, 0, 2, 0, 3};
    for (int is_big = 0; is_big < 2; is_big++) {
        source s;
        tg__source_memory(&s, *state, "load", "memory", is_big ? big : little, sizeof big);
        tg_tensor *t = tg_empty(*state, TG_I64, TG_SHAPE(3));
        assert_true(tg__read_elements(&s, "t", 1, FILE_I16, is_big, t));
        check_values(t, 1, 2, 3);
    }
}

static void test_a_dtype_is_read_in_either_byte_order(void **state)
{
    static const uint8_t little[] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0},
                         big[] = {0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0};
    for (int is_big = 0; is_big < 2; is_big++) {
        source s;
        tg__source_memory(&s, *state, "load", "memory", is_big ? big : little, sizeof big);
        tg_tensor *t = tg_empty(*state, TG_F32, TG_SHAPE(2));
        assert_true(tg__read_elements(&s, NULL, 0, FILE_F32, is_big, t));
        check_values(t, 1, -2);
    }
}

static void test_an_element_that_does_not_fit_is_named(void **state)
{
    static uint64_t elements[400];
    source s;
    memset(&elements[300], 255, 8);
    tg__source_memory(&s, *state, "load", "a.file", elements, sizeof elements);
    tg_tensor *t = tg_empty(*state, TG_I64, TG_SHAPE(400));
    assert_false(tg__read_elements(&s, "ids", 0, FILE_U64, tg__is_big_endian(), t));
    check_error(*state, TG_ERR_IO,
                "load: a.file: tensor 'ids': element 300, of type uint64, is no int64");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_float16),
        TEST(test_bfloat16),
        TEST(test_integers_between_their_bounds),
        TEST(test_integers_and_floats),
        TEST(test_float32_from_float64),
        TEST(test_bools_become_0_or_1),
        TEST(test_long_arrays),
        TEST(test_byte_order),
        TEST(test_elements_are_read_in_either_byte_order),
        TEST(test_a_dtype_is_read_in_either_byte_order),
        TEST(test_an_element_that_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
