/* The kernels of qr.inc, at every level that this CPU runs. With whole numbers that are small
 * enough, they have to be exact, which int64 arithmetic checks; with other numbers, all levels have
 * to give the same bits. */
#include "each_level.h"

#include <string.h>

/* The block has a few elements more than its columns need, which must not change. */
enum { ROWS = 128, COLUMNS = 19, STRIDE = ROWS + 3, BLOCK = COLUMNS * STRIDE };

static uint64_t random_state = 1;

/* A whole number below 2^bits in size. */
static int64_t whole(int bits)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return ((int64_t)random_state >> (63 - bits)) | 1;
}

static void fill_whole(int64_t n, double *out, int bits)
{
    for (int64_t i = 0; i < n; i++) out[i] = (double)whole(bits);
}

static void fill_between_minus_one_and_one(int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) out[i] = (double)whole(53) * 0x1p-53;
}

/* ---- reflect: y += v f and top += first f, where f = (first top + v^T y) / scale. The scale is
 * 1/8, so that f is a whole number. */

static void check_exact_reflection(int level, int64_t rows, int64_t columns)
{
    double v[ROWS], top[COLUMNS + 1], y[BLOCK], old_top[COLUMNS + 1], old[BLOCK];
    const int64_t first = whole(10);
    fill_whole(ROWS, v, 10);
    fill_whole(COLUMNS + 1, top, 10);
    fill_whole(BLOCK, y, 10);
    memcpy(old_top, top, sizeof top);
    memcpy(old, y, sizeof y);
    pick(level, reflect, K_F64)(rows, columns, v, (double)first, 0.125, top, y, STRIDE);
    for (int64_t l = 0; l < columns; l++) {
        int64_t factor = first * (int64_t)old_top[l];
        for (int64_t i = 0; i < rows; i++) factor += (int64_t)v[i] * (int64_t)old[l * STRIDE + i];
        factor *= 8;
        assert_true((int64_t)top[l] == (int64_t)old_top[l] + first * factor);
        for (int64_t i = 0; i < rows; i++) old[l * STRIDE + i] += v[i] * (double)factor;
    }
    assert_true(top[columns] == old_top[columns]);
    assert_memory_equal(y, old, sizeof y);
}

/* ---- subtract_product: high + low has all digits of the difference, of which high has 53. */

static void check_exact_difference(int level, int64_t rows, int64_t columns)
{
    double a[BLOCK], x[COLUMNS], high[ROWS + 1], low[ROWS + 1], old[ROWS + 1];
    fill_whole(BLOCK, a, 30);
    fill_whole(COLUMNS, x, 27);
    fill_whole(ROWS + 1, high, 50);
    fill_whole(ROWS + 1, low, 10);
    memcpy(old, high, sizeof high);
    for (int64_t i = 0; i < rows; i++) old[i] += low[i];
    const double behind = low[rows];
    pick(level, subtract_product, K_F64)(rows, columns, high, low, a, STRIDE, x);
    for (int64_t i = 0; i < rows; i++) {
        int64_t want = (int64_t)old[i];
        for (int64_t j = 0; j < columns; j++) want -= (int64_t)a[j * STRIDE + i] * (int64_t)x[j];
        assert_true((int64_t)high[i] + (int64_t)low[i] == want);
    }
    assert_true(high[rows] == old[rows] && low[rows] == behind);
}

/* ---- add_products: the sums have all digits, too. */

static void check_exact_products(int level, int64_t rows, int64_t columns)
{
    double a[BLOCK], high[ROWS], low[ROWS], sums[2 * COLUMNS + 2], old[2 * COLUMNS + 2];
    fill_whole(BLOCK, a, 27);
    fill_whole(ROWS, high, 27);
    fill_whole(ROWS, low, 10);
    fill_whole(2 * COLUMNS + 2, sums, 40);
    memcpy(old, sums, sizeof sums);
    pick(level, add_products, K_F64)(rows, columns, sums, a, STRIDE, high, low);
    for (int64_t j = 0; j < columns; j++) {
        int64_t want = (int64_t)old[2 * j] + (int64_t)old[2 * j + 1];
        for (int64_t i = 0; i < rows; i++)
            want += (int64_t)a[j * STRIDE + i] * ((int64_t)high[i] + (int64_t)low[i]);
        assert_true((int64_t)sums[2 * j] + (int64_t)sums[2 * j + 1] == want);
    }
    assert_true(sums[2 * columns] == old[2 * columns]);
}

/* ---- rotate: a becomes cosine a - sine b, and b becomes sine a + cosine b. */

static void check_exact_rotation(int level, int64_t n)
{
    double a[ROWS + 1], b[ROWS + 1], old_a[ROWS + 1], old_b[ROWS + 1];
    fill_whole(ROWS + 1, a, 20);
    fill_whole(ROWS + 1, b, 20);
    memcpy(old_a, a, sizeof a);
    memcpy(old_b, b, sizeof b);
    pick(level, rotate, K_F64)(n, a, b, 3, 5);
    for (int64_t i = 0; i < n; i++)
        assert_true(a[i] == 3 * old_a[i] - 5 * old_b[i] && b[i] == 5 * old_a[i] + 3 * old_b[i]);
    assert_true(a[n] == old_a[n] && b[n] == old_b[n]);
}

static void exact_at(int level)
{
    for (int64_t rows = 16; rows <= ROWS; rows *= 2)
        for (int64_t columns = 0; columns <= COLUMNS; columns++) {
            check_exact_reflection(level, rows, columns);
            check_exact_difference(level, rows, columns);
            check_exact_products(level, rows, columns);
        }
    for (int64_t n = 0; n <= ROWS; n++) check_exact_rotation(level, n);
}

static void test_whole_numbers(void **state)
{
    (void)state;
    each_level(exact_at);
}

/* ---- The same bits. */

typedef struct results {
    double v[ROWS], top[COLUMNS], y[BLOCK], high[ROWS], low[ROWS], sums[2 * COLUMNS];
} results;

/* Runs the kernels one after the other on numbers that are the same each time. */
static void run_all(int level, results *r)
{
    random_state = 7;
    fill_between_minus_one_and_one(sizeof *r / sizeof(double), (double *)r);
    pick(level, reflect, K_F64)(ROWS, COLUMNS, r->v, 0.7, 0.3, r->top, r->y, STRIDE);
    pick(level, subtract_product, K_F64)(ROWS, COLUMNS, r->high, r->low, r->y, STRIDE, r->top);
    pick(level, add_products, K_F64)(ROWS, COLUMNS, r->sums, r->y, STRIDE, r->high, r->low);
    pick(level, rotate, K_F64)(ROWS - 5, r->y, r->y + STRIDE, 0.8, 0.6);
}

static void same_bits_at(int level)
{
    static results portable, found;
    run_all(LEVEL_portable, &portable);
    run_all(level, &found);
    assert_memory_equal(&found, &portable, sizeof found);
}

static void test_same_bits(void **state)
{
    (void)state;
    each_level(same_bits_at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
