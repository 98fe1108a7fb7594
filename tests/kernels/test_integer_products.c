/* Products of int64: every level computes them modulo 2^64, whatever the strides, and writes
 * nothing but the elements of c. AddressSanitizer and valgrind
 * notice what lies outside of these. */
#include "each_level.h"

#include <stdlib.h>

typedef struct layout {
    int64_t s0, s1;
} layout;

enum { LAYOUTS = 4, GAP = 3 };

/* Contiguous rows, contiguous columns, and both with gaps. */
static layout layout_of(int i, int64_t rows, int64_t columns)
{
    const layout all[LAYOUTS] = {{columns, 1}, {1, rows}, {2 * columns + GAP, 2}, {1, rows + GAP}};
    return all[i];
}

static int64_t count(int64_t rows, int64_t columns, layout l)
{
    return rows == 0 || columns == 0 ? 0 : (rows - 1) * l.s0 + (columns - 1) * l.s1 + 1;
}

static uint64_t *random_words(int64_t n)
{
    static uint64_t state = 1;
    uint64_t *words = malloc((size_t)n * sizeof *words + 1); /* so that n may be 0 */
    assert_non_null(words);
    for (int64_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        words[i] = state ^ state >> 31;
    }
    return words;
}

static void check_product(int level, int64_t m, int64_t n, int64_t k, int left, int right)
{
    const layout p = layout_of(left, m, k), q = layout_of(right, k, n);
    const int64_t c0 = n + (left == right ? 0 : GAP), written = count(m, n, (layout){c0, 1});
    uint64_t *a = random_words(count(m, k, p)), *b = random_words(count(k, n, q));
    uint64_t *c = random_words(written), *want = random_words(written);
    for (int64_t i = 0; i < written; i++) want[i] = c[i];
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            uint64_t sum = 0;
            for (int64_t l = 0; l < k; l++) sum += a[i * p.s0 + l * p.s1] * b[l * q.s0 + j * q.s1];
            want[i * c0 + j] = sum;
        }
    pick(level, matmul, K_I64)(m, n, k, c, c0, a, p.s0, p.s1, b, q.s0, q.s1, NULL);
    for (int64_t i = 0; i < written; i++)
        if (c[i] != want[i])
            fail_msg("%s: %d x %d x %d, layouts %d and %d: element %d", tg__level_name(level),
                     (int)m, (int)k, (int)n, left, right, (int)i);
    free(a), free(b), free(c), free(want);
}

/* Sizes just below and above those of tiles and panels of any level. */
static void products_are_exact(int level)
{
    static const int64_t rows[] = {0, 1, 2, 3, 4, 5, 8, 9}, terms[] = {0, 1, 2, 63, 64, 65, 129},
                         columns[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 33};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            for (size_t l = 0; l < sizeof terms / sizeof *terms; l++)
                for (int layouts = 0; layouts < LAYOUTS * LAYOUTS; layouts++)
                    check_product(level, rows[i], columns[j], terms[l], layouts % LAYOUTS,
                                  layouts / LAYOUTS);
}

static void test_integer_products_are_exact_modulo_2_64(void **state)
{
    (void)state;
    each_level(products_are_exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integer_products_are_exact_modulo_2_64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
