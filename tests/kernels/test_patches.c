/* The kernel for products of the patches of an image, at each level: its elements are compared with
 * sums in the order that kernels.h promises, bit for bit. Image and scratch memory have not one
 * byte more than the kernel may use, which a sanitizer checks. */
#include "each_level.h"
#include "elements.h"
#include "kernels/product.h"

#include <math.h>

typedef struct patch_case {
    bool patches_first;
    int64_t m, n, k, length, width, pitch;
} patch_case;

/* A number between -0.5 and 0.5 that has many digits. */
static double digits_of(int64_t i)
{
    return fmod((double)(i + 1) * 0.6180339887498949, 1) - 0.5;
}

/* An array of n such numbers, which begins one element behind the address that malloc gives. */
static char *numbers(int type, int64_t n, int64_t seed)
{
    const size_t size = type == K_F32 ? sizeof(float) : sizeof(double);
    char *p = malloc((size_t)(n + 1) * size);
    assert_non_null(p);
    for (int64_t i = 0; i < n; i++) set_element(type, p + size, i, digits_of(i + seed));
    return p + size;
}

static double sum_of(int type, double a, double b)
{
    return type == K_F32 ? (double)((float)a + (float)b) : a + b;
}

/* The sum of n terms in order, from 0 on. */
static double chain(int type, const double *x, const double *y, int64_t n)
{
    double sum = 0;
    for (int64_t l = 0; l < n; l++)
        sum = type == K_F32 ? (double)fmaf((float)x[l], (float)y[l], (float)sum)
                            : fma(x[l], y[l], sum);
    return sum;
}

/* The sum of n terms in lanes, as by the kernel dot, which other tests check. */
static double dot(int type, const double *x, const double *y, int64_t n)
{
    double total;
    char *a = numbers(type, n, 0), *b = numbers(type, n, 0);
    for (int64_t l = 0; l < n; l++) {
        set_element(type, a, l, x[l]);
        set_element(type, b, l, y[l]);
    }
    pick(LEVEL_portable, dot, type)(n, &total, a, b);
    const size_t size = type == K_F32 ? sizeof(float) : sizeof(double);
    free(a - size);
    free(b - size);
    return element(type, &total, 0);
}

/* The sum of more than 1024 and at most 2048 terms, in blocks of 128. */
static double blocks(int type, const double *x, const double *y, int64_t n)
{
    double sum = 0;
    for (int64_t l = 0; l < n; l += 128)
        sum = sum_of(type, sum, chain(type, x + l, y + l, n - l < 128 ? n - l : 128));
    return sum;
}

static double expected(int type, const patch_case *t, double before, const double *x,
                       const double *y)
{
    if (t->patches_first && t->n == 1)
        return t->length ? sum_of(type, before, dot(type, x, y, t->k)) : dot(type, x, y, t->k);
    if (!t->length) return (t->k > 1024 ? blocks : chain)(type, x, y, t->k);
    for (int64_t l = 0; l < t->k; l += t->length)
        before = sum_of(type, before, chain(type, x + l, y + l, t->length));
    return before;
}

/* The terms of element (i, j): x from the patches, and y from the other matrix. */
static void terms_of(int type, const patch_product *p, int64_t i, int64_t j, double *x, double *y)
{
    const patches *of = &p->patches;
    for (int64_t l = 0; l < p->k; l++) {
        const int64_t row = p->patches_first ? i : l, column = p->patches_first ? l : j;
        x[l] = element(type, of->image,
                       of->offset[row] + column / of->width * of->pitch + column % of->width);
        y[l] = element(type, p->other,
                       p->patches_first ? l * p->s0 + j * p->s1 : i * p->s0 + l * p->s1);
    }
}

static void check_case(int level, int type, const patch_case *t)
{
    enum { GAP = 3, MOST_ROWS = 2048 };
    static double x[2048], y[2048];
    static int64_t offset[MOST_ROWS];
    const size_t size = type == K_F32 ? sizeof(float) : sizeof(double);
    const int64_t rows = t->patches_first ? t->m : t->k, columns = t->patches_first ? t->k : t->n;
    const int64_t last = (columns - 1) / t->width * t->pitch + t->width - 1, c0 = t->n + GAP;
    for (int64_t l = 0; l < rows; l++) offset[l] = l * 37 % 101;
    const int64_t used = 101 + last + 63 / (int64_t)size;
    char *image = numbers(type, used, 5), *other = numbers(type, (t->m + t->n) * t->k, 11);
    char *c = numbers(type, t->m * c0, 17), *want = numbers(type, t->m * c0, 17);
    char *scratch = malloc((size_t)tg__patch_scratch(size, t->m, t->n, t->k, t->length) * size);
    const patch_product p = {t->patches_first,
                             {image, offset, t->width, t->pitch},
                             t->m,
                             t->n,
                             t->k,
                             t->length,
                             c,
                             c0,
                             other,
                             t->patches_first ? 1 : t->k,
                             t->patches_first ? t->k : 1,
                             scratch};
    for (int64_t i = 0; i < t->m; i++)
        for (int64_t j = 0; j < t->n; j++) {
            terms_of(type, &p, i, j, x, y);
            set_element(type, want, i * c0 + j,
                        expected(type, t, element(type, c, i * c0 + j), x, y));
        }
    pick(level, patch_product, type)(&p);
    for (int64_t i = 0; i < t->m * c0; i++)
        if (element(type, c, i) != element(type, want, i))
            fail_msg("%s: %d x %d x %d, length %d, width %d, type %d differs at %d",
                     tg__level_name(level), (int)t->m, (int)t->k, (int)t->n, (int)t->length,
                     (int)t->width, type, (int)i);
    free(image - size);
    free(other - size);
    free(c - size);
    free(want - size);
    free(scratch);
}

/* Sizes just below and above those of tiles, vectors, panels and blocks of any level, and runs of
 * columns that are shorter or longer than vectors. */
static void products_are_summed_in_order(int level)
{
    static const int64_t rows[] = {1, 3, 4, 5, 8, 9, 17}, terms[] = {1, 6, 30},
                         columns[] = {1, 7, 17, 49, 100}, widths[] = {1, 5, 16, 33};
    static const patch_case larger[] = {
        {false, 9, 400, 130, 0, 20, 23},    {false, 10, 395, 1100, 0, 31, 40},
        {false, 9, 390, 1200, 300, 20, 22}, {true, 20, 50, 1100, 0, 30, 33},
        {true, 20, 50, 1000, 1000, 30, 33}, {true, 9, 1, 700, 700, 30, 30},
        {true, 11, 1, 700, 0, 31, 31},      {false, 3, 50, 1024, 0, 10, 12},
        {false, 3, 50, 1025, 0, 10, 12},    {true, 70, 400, 129, 0, 7, 9},
        {true, 11, 1, 2048, 2048, 30, 30},  {true, 9, 1, 513, 0, 600, 601},
        {true, 5, 1, 512, 512, 8, 8},       {true, 1, 1, 49, 49, 7, 7},
        {false, 16, 100, 150, 0, 10, 14},   {false, 12, 23, 41, 0, 5, 5},
        {false, 32, 7, 33, 0, 7, 9},        {false, 13, 17, 1024, 0, 3, 4},
        {false, 25, 9, 30, 0, 4, 7},        {false, 15, 1, 40, 0, 1, 1}};
    int turn = 0;
    for (int type = K_F32; type <= K_F64; type++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
                for (size_t l = 0; l < sizeof terms / sizeof *terms; l++)
                    for (int kind = 0; kind < 4; kind++, turn++) {
                        const int64_t width = widths[turn % 4];
                        const int64_t gap = kind & 1 && columns[j] == 1 ? 0 : turn % 3;
                        check_case(level, type,
                                   &(patch_case){kind & 1, rows[i], columns[j], terms[l],
                                                 kind < 2   ? 0
                                                 : kind & 1 ? terms[l]
                                                            : (terms[l] + 1) / 2,
                                                 width, width + gap});
                    }
        for (size_t i = 0; i < sizeof larger / sizeof *larger; i++)
            check_case(level, type, &larger[i]);
    }
}

static void test_products_of_patches_are_summed_in_order(void **state)
{
    (void)state;
    each_level(products_are_summed_in_order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_of_patches_are_summed_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
