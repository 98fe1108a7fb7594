/* Elementary functions of float64: at every level, each differs by less than 1 ulp from the exact
 * result, as MPFR computes it. tests/golden/functions.c describes the cases. */
#include "each_level.h"

#include <inttypes.h>

enum { MOST_CASES = 1024 };

/* The cases of one function, as columns. */
typedef struct cases {
    char name[16];
    int n;
    double x[2][MOST_CASES], nearest[MOST_CASES], other[MOST_CASES];
} cases;

static const struct {
    const char *name;
    const unary_set *unary;
    const binary_set *binary;
} functions[] = {
#define UNARY(name)                                                                                \
    {                                                                                              \
#name, &tg__##name##_kernel, NULL                                                          \
    }
#define BINARY(name)                                                                               \
    {                                                                                              \
#name, NULL, &tg__##name##_kernel                                                          \
    }
    UNARY(exp),  UNARY(expm1), UNARY(log),  UNARY(log1p),   UNARY(log2), UNARY(log10), UNARY(sinh),
    UNARY(cosh), UNARY(tanh),  UNARY(erf),  UNARY(sigmoid), UNARY(sin),  UNARY(cos),   UNARY(tan),
    UNARY(asin), UNARY(acos),  UNARY(atan), BINARY(atan2),  BINARY(pow)};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static bool same_number(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && !signbit(a) == !signbit(b));
}

static const cases *now;
static int index_now;

static void check_at(int level)
{
    static double y[MOST_CASES];
    if (functions[index_now].unary)
        kernel_at(functions[index_now].unary, level, K_F64)(now->n, y, now->x[0]);
    else
        kernel_at(functions[index_now].binary, level, K_F64)(now->n, y, now->x[0], now->x[1]);
    for (int i = 0; i < now->n; i++)
        if (!same_number(y[i], now->nearest[i]) && !same_number(y[i], now->other[i]))
            fail_msg("%s(%a, %a) at %s: %a, not %a or %a", now->name, now->x[0][i], now->x[1][i],
                     tg__level_name(level), y[i], now->nearest[i], now->other[i]);
}

static void check(const cases *c)
{
    for (index_now = 0; index_now < FUNCTIONS; index_now++)
        if (strcmp(c->name, functions[index_now].name) == 0) break;
    if (index_now == FUNCTIONS) fail_msg("%s is not a function of the test", c->name);
    now = c;
    each_level(check_at);
}

/* Reads one line and adds it to the cases. */
static void add_case(cases *c, const char *line)
{
    char name[16];
    uint64_t bits[4] = {0};
    const int read = sscanf(line, "%15s %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64, name,
                            &bits[0], &bits[1], &bits[2], &bits[3]);
    assert_true(read == 4 || read == 5);
    assert_true(c->n < MOST_CASES);
    if (read == 4) memcpy(&bits[1], (uint64_t[]){0, bits[1], bits[2]}, sizeof *bits * 3);
    double *const columns[] = {c->x[0], c->x[1], c->nearest, c->other};
    for (int i = 0; i < 4; i++) memcpy(&columns[i][c->n], &bits[i], sizeof *bits);
    c->n++;
}

static void test_functions_are_within_an_ulp(void **state)
{
    (void)state;
    static cases c;
    char line[128];
    int checked = 0;
    FILE *file = fopen(TEST_ROOT "/tests/golden/functions_golden.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        const size_t length = strcspn(line, " ");
        if (strncmp(line, c.name, length) != 0 || c.name[length]) {
            if (c.n) check(&c), checked++;
            assert_true(length < sizeof c.name);
            memcpy(c.name, line, length);
            c.name[length] = 0;
            c.n = 0;
        }
        add_case(&c, line);
    }
    check(&c);
    assert_int_equal(checked + 1, FUNCTIONS);
    assert_int_equal(fclose(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_functions_are_within_an_ulp)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
