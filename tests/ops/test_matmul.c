/* The accuracy of matrix products with a large inner size, and of operations that are computed by
 * them; and their bits at every level, in every layout, and with any number of threads. */
#include "each_level.h"
#include "exact_sum.h"

/* Long sums take minutes under valgrind. */
static int64_t longest(int64_t usual)
{
    return getenv("TG_TEST_QUICK") && usual > 100000 ? 100000 : usual;
}

/* The bound that src/kernels/matmul.inc derives for the error of a product with inner size k, in u
 * of the sum of its absolute terms. Terms of second order are below a thousandth of it. */
static double product_units(tg_dtype dtype, int64_t k)
{
    return (k <= 1024 ? (double)k : 145 + (double)k * unit_of(dtype)) * 1.001;
}

/* ---- Sums of equal terms. Their additions round in the same direction for long, so that errors
 * add up. */

static void test_ones_times_a_tenth_at_any_inner_size(void **state)
{
    (void)state;
    for (int dtype = TG_F32; dtype <= TG_F64; dtype++)
        for (int64_t k = 1000; k <= longest(10000000); k *= 10) {
            tg_context *tg = tg_open(NULL);
            const double tenth = dtype == TG_F32 ? (double)0.1f : 0.1;
            tg_tensor *ones = tg_ones(tg, (tg_dtype)dtype, TG_SHAPE(2, k));
            tg_tensor *b = tg_full(tg, (tg_dtype)dtype, TG_SHAPE(k, 2), 0.1);
            tg_tensor *c = tg_matmul(ones, b);
            check_ok(tg);
            for (int64_t i = 0; i < 4; i++)
                check_sum(element_of(c, i), n_times((double)k, tenth), unit_of((tg_dtype)dtype),
                          product_units((tg_dtype)dtype, k));
            tg_close(tg);
        }
}

static void test_weight_gradient_of_linear_over_many_rows(void **state)
{
    tg_context *tg = *state;
    const int64_t rows = longest(2000000);
    tg_module *net = tg_linear(tg, 3, 2, TG_BIAS);
    tg_tensor *x = tg_full(tg, TG_F32, TG_SHAPE(rows, 3), 0.3);
    assert_true(tg_backward(tg_sum(tg_forward(net, x))));
    tg_tensor *g = tg_param(net, "weight")->grad;
    for (int64_t i = 0; i < 6; i++)
        check_sum(element_of(g, i), n_times((double)rows, (double)0.3f), unit_of(TG_F32),
                  product_units(TG_F32, rows));
    assert_true(element_of(tg_param(net, "bias")->grad, 0) == (double)rows);
}

/* The 4000 images are worked on in four blocks. Each image is one panel, whose product adds 4
 * terms. The results of 32 panels are added one after the other, and these sums are added up with
 * compensation. To first order, the error is (4 + 32 + 1 + 3) u, of which 3 u are for adding the
 * four blocks. */
static void test_weight_gradient_of_conv_over_many_images(void **state)
{
    tg_context *tg = *state;
    enum { IMAGES = 4000 };
    for (int dtype = TG_F32; dtype <= TG_F64; dtype++) {
        const double tenth = dtype == TG_F32 ? (double)0.1f : 0.1;
        tg_tensor *x = tg_full(tg, (tg_dtype)dtype, TG_SHAPE(IMAGES, 2, 3, 3), 0.1);
        tg_tensor *w = tg_requires_grad_(tg_zeros(tg, (tg_dtype)dtype, TG_SHAPE(1, 2, 2, 2)), true);
        assert_true(tg_backward(tg_sum(tg_conv2d(x, w, NULL))));
        for (int64_t i = 0; i < 8; i++)
            check_sum(element_of(w->grad, i), n_times(4 * IMAGES, tenth), unit_of((tg_dtype)dtype),
                      40 * 1.001);
    }
}

/* ---- Products of all shapes and layouts, at all levels. */

enum { LAYOUTS = 4 };

/* The product of a and b, of which the layout may have either side in memory as its transpose. */
static tg_tensor *product_in(int layout, tg_tensor *a, tg_tensor *b)
{
    if (layout & 1) a = tg_t(tg_contiguous(tg_t(a)));
    if (layout & 2) b = tg_t(tg_contiguous(tg_t(b)));
    return tg_matmul(a, b);
}

static double value_at(const tg_tensor *t, int64_t i)
{
    return t->dtype == TG_F32 ? (double)((const float *)t->data)[i] : ((const double *)t->data)[i];
}

static void check_product(tg_tensor *a, tg_tensor *b, tg_tensor *c)
{
    const int64_t m = a->shape[0], k = a->shape[1], n = b->shape[1];
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            exact_sum exact = {0, 0, 0};
            for (int64_t l = 0; l < k; l++)
                add_exactly(&exact, value_at(a, i * k + l), value_at(b, l * n + j));
            check_sum(value_at(c, i * n + j), exact, unit_of(a->dtype), product_units(a->dtype, k));
        }
}

static void check_same_bits(tg_tensor *a, tg_tensor *b)
{
    const size_t size = a->dtype == TG_F32 ? sizeof(float) : sizeof(double);
    assert_memory_equal(a->data, b->data, (size_t)a->numel * size);
}

/* Checks a product of random matrices (m, k) and (k, n) in all layouts. The first product is
 * compared with exact sums and becomes *want; the bits of all others must be those of *want. */
static void check_layouts(tg_context *tg, tg_dtype dtype, const int64_t *mnk, bool positive,
                          tg_tensor **want)
{
    const tg_shape as = TG_SHAPE(mnk[0], mnk[2]), bs = TG_SHAPE(mnk[2], mnk[1]);
    tg_tensor *a = positive ? tg_rand(tg, dtype, as) : tg_randn(tg, dtype, as);
    tg_tensor *b = positive ? tg_rand(tg, dtype, bs) : tg_randn(tg, dtype, bs);
    for (int layout = 0; layout < LAYOUTS; layout++) {
        tg_tensor *c = product_in(layout, a, b);
        check_ok(tg);
        if (!*want) check_product(a, b, *want = c);
        check_same_bits(c, *want);
    }
}

/* The shapes have few and many rows and columns, which the library multiplies in place or from
 * packed blocks. Their inner sizes are so small that there is one block of terms, or so large that
 * there are several, or that the sums of blocks are compensated. */
static void test_products_of_every_shape_at_every_level(void **state)
{
    static const int64_t shapes[][3] = {{2, 2, 1000},    {2, 3, 20011},  {5, 70, 1025},
                                        {3, 1100, 2049}, {33, 40, 5000}, {17, 16, 2048},
                                        {20, 390, 1300}};
    const size_t all = sizeof shapes / sizeof *shapes, n = getenv("TG_TEST_QUICK") ? 3 : all;
    tg_context *first = *state;
    if (n < all) print_message("TG_TEST_QUICK: %zu shapes of %zu\n", n, all);
    for (size_t s = 0; s < n; s++)
        for (int kind = 0; kind < 4; kind++) {
            tg_tensor *want = NULL;
            tg_scope_begin(first);
            for (int l = -1; l < LEVELS; l++) {
                tg_context *tg = l < 0 ? first : open_at(tg__level_name(l));
                tg_manual_seed(tg, s);
                if (tg_ok(tg)) {
                    assert_true(tg_set_num_threads(tg, l + 2));
                    check_layouts(tg, kind & 1 ? TG_F64 : TG_F32, shapes[s], kind & 2, &want);
                }
                if (l >= 0) tg_close(tg);
            }
            tg_scope_end(first);
        }
}

/* A row of a product has the same bits as the product of this row alone. */
static void test_bits_do_not_depend_on_the_other_rows(void **state)
{
    tg_context *tg = *state;
    for (int dtype = TG_F32; dtype <= TG_F64; dtype++) {
        tg_tensor *a = tg_randn(tg, (tg_dtype)dtype, TG_SHAPE(70, 3000));
        tg_tensor *b = tg_randn(tg, (tg_dtype)dtype, TG_SHAPE(3000, 1200));
        tg_tensor *all = tg_matmul(a, b), *few = tg_matmul(tg_narrow(a, 0, 40, 2), b);
        tg_tensor *narrow = tg_matmul(a, tg_narrow(b, 1, 600, 3));
        check_same_bits(few, tg_contiguous(tg_narrow(all, 0, 40, 2)));
        check_same_bits(narrow, tg_contiguous(tg_narrow(all, 1, 600, 3)));
        tg_tensor *one = tg_matmul(tg_narrow(a, 0, 40, 1), b);
        check_same_bits(one, tg_contiguous(tg_narrow(all, 0, 40, 1)));
    }
}

static void test_batches_have_the_bits_of_products(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_randn(tg, TG_F32, TG_SHAPE(6, 5, 2500));
    tg_tensor *b = tg_randn(tg, TG_F32, TG_SHAPE(6, 2500, 20));
    for (int threads = 1; threads <= 3; threads++) {
        assert_true(tg_set_num_threads(tg, threads));
        tg_tensor *c = tg_bmm(a, b);
        for (int64_t i = 0; i < 6; i++)
            check_same_bits(tg_contiguous(tg_select(c, 0, i)),
                            tg_matmul(tg_select(a, 0, i), tg_select(b, 0, i)));
    }
}

/* ---- The compensation of long sums must not turn infinities into NaN. */

static void test_long_products_of_infinities(void **state)
{
    tg_context *tg = *state;
    tg_tensor *ones = tg_ones(tg, TG_F32, TG_SHAPE(2, 9000));
    tg_tensor *b = tg_ones(tg, TG_F32, TG_SHAPE(9000, 4));
    tg_set(b, TG_INDEX(100, 0), INFINITY);
    tg_set(b, TG_INDEX(2047, 1), -INFINITY);
    tg_set(b, TG_INDEX(100, 2), INFINITY);
    tg_set(b, TG_INDEX(8000, 2), -INFINITY);
    tg_set(b, TG_INDEX(3000, 3), NAN);
    tg_tensor *c = tg_matmul(ones, b);
    check_values(c, INFINITY, -INFINITY, NAN, NAN, INFINITY, -INFINITY, NAN, NAN);
    tg_tensor *huge = tg_full(tg, TG_F32, TG_SHAPE(9000, 2), 1e35);
    check_values(tg_matmul(ones, huge), INFINITY, INFINITY, INFINITY, INFINITY);
}

int main(void)
{
#define IN_CONTEXT(test) cmocka_unit_test_setup_teardown(test, open_context, close_context)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ones_times_a_tenth_at_any_inner_size),
        IN_CONTEXT(test_weight_gradient_of_linear_over_many_rows),
        IN_CONTEXT(test_weight_gradient_of_conv_over_many_images),
        IN_CONTEXT(test_products_of_every_shape_at_every_level),
        IN_CONTEXT(test_bits_do_not_depend_on_the_other_rows),
        IN_CONTEXT(test_batches_have_the_bits_of_products),
        IN_CONTEXT(test_long_products_of_infinities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
