/* The kernels for products of the patches and of the planes of an image, at each level: their
 * elements are compared with sums in the order that kernels.h promises, bit for bit. Image and
 * scratch memory have not one byte more than the kernel may use, which a sanitizer checks. */
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

/* ---- Products of planes. */

enum { PLANES = 3, MOST_OFFSET = 30, MOST_TAPS = 33 };

/* Any pattern. Hidden positions lie alone and in runs. */
static bool is_seen(int64_t tap, int64_t position)
{
    return (position * 7 + tap * 5) % 11 < 8;
}

/* Sets element `at` of c to what it must become: the sum of a tap for PLANE_DOTS, else that of a
 * position. `image` and `other` begin with the plane. */
static void expect_sum(int type, const plane_product *p, int64_t at, const char *image,
                       const char *other, char *c)
{
    static double x[2048], y[2048];
    const bool dots = p->kind == PLANE_DOTS;
    const int64_t terms = dots ? p->n : p->taps;
    double sum = dots ? element(type, c, at) : 0;
    for (int64_t l = 0; l < terms; l++) {
        const int64_t t = dots ? at : l, i = dots ? l : at;
        x[l] = is_seen(t, i) ? element(type, image, p->tap[t].offset + i) : 0;
        y[l] = element(type, other, dots ? i : p->tap[t].weight);
    }
    if (dots)
        sum = sum_of(type, sum, dot(type, x, y, terms));
    else if (p->kind == PLANE_CHAIN)
        sum = chain(type, x, y, terms);
    else
        for (int64_t l = 0; l < terms; l++) sum = sum_of(type, sum, chain(type, x + l, y + l, 1));
    set_element(type, c, at, sum);
}

static void check_planes(int level, int type, plane_kind kind, int64_t n, int64_t taps)
{
    static plane_tap tap[MOST_TAPS];
    const size_t size = type == K_F32 ? sizeof(float) : sizeof(double);
    const bool dots = kind == PLANE_DOTS;
    const int64_t read = (n + PLANE_STEP - 1) / PLANE_STEP * PLANE_STEP, count = dots ? taps : n;
    const int64_t image_step = n + MOST_OFFSET, other_step = dots ? n : taps, c_step = count + 2;
    char *image = numbers(type, (PLANES - 1) * image_step + MOST_OFFSET + read, 5);
    char *other = numbers(type, PLANES * other_step, 11);
    const int64_t used = (PLANES - 1) * c_step + count;
    char *c = numbers(type, used, 17), *want = numbers(type, used, 17);
    char *mask = calloc((size_t)(taps * read), size);
    assert_non_null(mask);
    for (int64_t i = PLANES * image_step; i < (PLANES - 1) * image_step + MOST_OFFSET + read; i++)
        set_element(type, image, i, NAN);
    for (int64_t t = 0; t < taps; t++) {
        const int64_t place = (dots ? t : taps - 1 - t) * read;
        tap[t] = (plane_tap){t * 17 % (MOST_OFFSET + 1), taps - 1 - t, place};
        for (int64_t i = 0; i < n; i++)
            memset(mask + (size_t)(place + i) * size, is_seen(t, i) ? -1 : 0, size);
    }
    const plane_product p = {kind,  PLANES, n, taps,       tap,        mask,  read,
                             image, other,  c, image_step, other_step, c_step};
    for (size_t q = 0; q < PLANES; q++)
        for (int64_t i = 0; i < count; i++)
            expect_sum(type, &p, i, image + q * (size_t)image_step * size,
                       other + q * (size_t)other_step * size, want + q * (size_t)c_step * size);
    pick(level, plane_product, type)(&p);
    for (int64_t i = 0; i < used; i++)
        if (i % c_step < count && element(type, c, i) != element(type, want, i))
            fail_msg("%s: kind %d, n %d, taps %d, type %d differs at %d", tg__level_name(level),
                     kind, (int)n, (int)taps, type, (int)i);
    free(image - size);
    free(other - size);
    free(c - size);
    free(want - size);
    free(mask);
}

/* Sizes around those of vectors, tiles, and blocks of lanes of any level. */
static void planes_are_summed_in_order(int level)
{
    static const int64_t sizes[] = {1,  2,  7,  15,  16,  17,  31,  32,   33,   49,  63,
                                    64, 65, 97, 196, 511, 512, 513, 1024, 1025, 1700},
                         taps[] = {1, 2, 9, 16, 17, 33};
    for (int type = K_F32; type <= K_F64; type++)
        for (int kind = PLANE_CHAIN; kind <= PLANE_DOTS; kind++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                for (size_t t = 0; t < sizeof taps / sizeof *taps; t++)
                    check_planes(level, type, (plane_kind)kind, sizes[i], taps[t]);
}

static void test_products_of_planes_are_summed_in_order(void **state)
{
    (void)state;
    each_level(planes_are_summed_in_order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_of_patches_are_summed_in_order),
        cmocka_unit_test(test_products_of_planes_are_summed_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
