/* Decimal numbers and the doubles nearest to them. Python's float has read those of the golden
 * file. */
#include "check.h"
#include "io/decimal.h"

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The golden texts with another decimal point are the same numbers. */
static void check_line(char *text, uint64_t bits)
{
    double value = 0;
    const char *end = tg__read_decimal(text, '.', &value);
    if (!end || *end || bits_of(value) != bits) fail_msg("%.60s: %a", text, value);
    char *point = strchr(text, '.');
    if (!point) return;
    *point = ',';
    end = tg__read_decimal(text, ',', &value);
    if (!end || *end || bits_of(value) != bits) fail_msg("%.60s: %a", text, value);
    assert_ptr_equal(tg__read_decimal(text, '.', &value), point == text ? NULL : point);
}

static void test_nearest_double(void **state)
{
    (void)state;
    static char line[4096];
    int n = 0;
    FILE *golden = fopen(TEST_ROOT "/tests/golden/decimals_golden.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden)) {
        line[strcspn(line, "\n")] = 0;
        check_line(line + 17, strtoull(line, NULL, 16));
        n++;
    }
    fclose(golden);
    assert_int_equal(n, 364);
}

/* A million digits, of which the last one decides. */
static void test_long_text(void **state)
{
    (void)state;
    enum { N = 1000000 };
    char *text = malloc(N + 1);
    assert_non_null(text);
    memset(text, '0', N);
    text[N] = 0;
    memcpy(text, "9007199254740993.", 17);
    double value;
    assert_ptr_equal(tg__read_decimal(text, '.', &value), text + N);
    assert_true(value == 9007199254740992);
    text[N - 1] = '1';
    assert_ptr_equal(tg__read_decimal(text, '.', &value), text + N);
    assert_true(value == 9007199254740994);
    free(text);
}

static void test_where_a_number_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        double value;
    } cases[] = {
        {"12,5", 2, 12},    {"1.5.2", 3, 1.5}, {"1e", 1, 1},      {"1e+", 1, 1},
        {"2e3.5", 3, 2000}, {"0x10", 1, 0},    {"1 2", 1, 1},     {"3\t", 1, 3},
        {"-4-", 2, -4},     {"5E-1e", 4, 0.5}, {"1_000", 1, 1},   {"7f", 1, 7},
        {"1.e1", 4, 10},    {"+.5", 3, .5},    {"1e5\n", 3, 1e5}, {"6\xc2\xa0", 1, 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value;
        const char *end = tg__read_decimal(cases[i].text, '.', &value);
        if (end != cases[i].text + cases[i].n || value != cases[i].value)
            fail_msg("%s: %g", cases[i].text, value);
    }
}

static void test_what_is_no_number(void **state)
{
    (void)state;
    static const char *const texts[] = {"",    "-",   "+",   ".",           "-.",  "e5",
                                        ".e5", "nan", "inf", "x1",          "--1", "+-1",
                                        " 1",  "(1)", "$1",  "\xef\xbc\x91"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double value = 7;
        if (tg__read_decimal(texts[i], '.', &value) || value != 7) fail_msg("%s", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_double),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_where_a_number_ends),
        cmocka_unit_test(test_what_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
