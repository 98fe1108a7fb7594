/* The accuracy of sums of many terms that lie within other operations, such as cumsum, gradients of
 * gather, convolution and pooling. Plain additions one after the other lose more with each term;
 * the bounds here do not grow with the number of terms. src/context/long_sum.h derives most of
 * them. In each bound, u is half the distance from 1 to the next number: 2^-24 for float32, 2^-53
 * for float64. */
#include "check.h"

static tg_context *tg;

static const double unit[] = {[TG_F32] = 0x1p-24, [TG_F64] = 0x1p-53};

static int open_for_all(void **state)
{
    const int failed = open_context(state);
    tg = *state;
    return failed;
}

/* A sum of products as high + low, which loses almost nothing; and size, the sum of the products'
 * absolute values. */
typedef struct exact_sum {
    double high, low, size;
} exact_sum;

static void add_exactly(exact_sum *s, double x, double y)
{
    const double product = x * y, high = s->high + product, z = high - s->high;
    s->low += fma(x, y, -product) + ((s->high - (high - z)) + (product - z));
    s->high = high;
    s->size += fabs(product);
}

/* Checks that value differs from the exact sum by at most units * u * (sum of absolute values). */
static void check_sum(double value, exact_sum exact, double u, double units)
{
    const double error = fabs((value - exact.high) - exact.low);
    if (!(error <= units * u * exact.size))
        fail_msg("%.17g is %.3g u off, more than %.3g", value, error / u / exact.size, units);
}

/* Makes a float64 tensor of terms: kind 0 makes each 0.1, whose roundings add up, and kind 1 draws
 * normal numbers, whose sum nearly cancels. */
enum { KINDS = 2 };
static tg_tensor *terms_of(int kind, tg_shape shape)
{
    return kind ? tg_randn(tg, TG_F64, shape) : tg_full(tg, TG_F64, shape, 0.1);
}

static exact_sum n_times(double n, double x)
{
    exact_sum s = {0, 0, 0};
    add_exactly(&s, n, x);
    return s;
}

/* ---- Running sums. Their error is at most 64 u for the additions within a block of 64 terms, and
 * one u for the addition to the sum of the blocks before. */

static void test_running_sums_and_their_gradients_of_many_terms(void **state)
{
    (void)state;
    enum { TERMS = 100000, STRIDE = 2 };
    for (int kind = 0; kind < KINDS; kind++) {
        tg_tensor *a = tg_requires_grad_(terms_of(kind, TG_SHAPE(TERMS, STRIDE)), true);
        tg_tensor *y = tg_cumsum(a, 0), *g = terms_of(kind, TG_SHAPE(TERMS, STRIDE));
        assert_true(tg_backward_with(y, g));
        const double *in = a->data, *out = y->data, *up = g->data, *back = a->grad->data;
        for (int64_t j = 0; j < STRIDE; j++) {
            exact_sum sum = {0, 0, 0}, rest = {0, 0, 0};
            for (int64_t i = 0; i < TERMS; i++) {
                const int64_t at = i * STRIDE + j, end = (TERMS - 1 - i) * STRIDE + j;
                add_exactly(&sum, in[at], 1);
                check_sum(out[at], sum, unit[TG_F64], 65.001);
                add_exactly(&rest, up[end], 1);
                check_sum(back[end], rest, unit[TG_F64], 65.001);
            }
        }
    }
}

/* Within the first block, each addition rounds as in PyTorch, which adds one term after the other.
 */
static void test_short_running_sums_have_the_bits_of_additions_in_order(void **state)
{
    (void)state;
    tg_tensor *a = tg_randn(tg, TG_F64, TG_SHAPE(64)), *y = tg_cumsum(a, 0);
    const double *in = a->data, *out = y->data;
    double sum = 0;
    for (int64_t i = 0; i < 64; i++) {
        sum += in[i];
        assert_true(out[i] == sum);
    }
}

/* Checks the running sums of 200 ones of which element 100 is replaced by x and element 150 by y.
 * In PyTorch, the sums from 100 to 149 are `between`, and those from 150 on are `last`. */
static void check_special(double x, double y, double between, double last)
{
    tg_tensor *a = tg_ones(tg, TG_F64, TG_SHAPE(200));
    tg_set(a, TG_INDEX(100), x);
    tg_set(a, TG_INDEX(150), y);
    tg_tensor *sums = tg_cumsum(a, 0);
    const double *s = sums->data;
    check_values(tg_narrow(sums, 0, 99, 1), 100);
    for (int64_t i = 100; i < 200; i++) {
        const double want = i < 150 ? between : last;
        assert_true(s[i] == want || (isnan(s[i]) && isnan(want)));
    }
}

static void test_running_sums_of_infinities_and_nan(void **state)
{
    (void)state;
    check_special(INFINITY, 1, INFINITY, INFINITY);
    check_special(-INFINITY, 1, -INFINITY, -INFINITY);
    check_special(INFINITY, -INFINITY, INFINITY, NAN);
    check_special(NAN, INFINITY, NAN, NAN);
    check_special(1.7e308, 1.7e308, 1.7e308, INFINITY);
    check_special(1.7e308, INFINITY, 1.7e308, INFINITY);
}

/* ---- Sums of many terms in one element. With n terms, the error is at most u + (n u)^2 relative
 * to the sum of absolute values, and (n u)^2 is below a thousandth of u here. */

enum { TAKEN = 100000 };

static void test_scatter_add_of_many_terms_into_one_element(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        tg_tensor *source = terms_of(kind, TG_SHAPE(TAKEN)),
                  *a = tg_full(tg, TG_F64, TG_SHAPE(3), 7);
        tg_tensor *index = tg_expand(tg_ones(tg, TG_I64, TG_SHAPE(1)), TG_SHAPE(TAKEN));
        tg_tensor *sums = tg_scatter_add(a, 0, index, source);
        exact_sum exact = {0, 0, 0};
        add_exactly(&exact, 7, 1);
        for (int64_t i = 0; i < TAKEN; i++) add_exactly(&exact, element_of(source, i), 1);
        check_sum(element_of(sums, 1), exact, unit[TG_F64], 1.001);
        check_values(tg_narrow(sums, 0, 2, 1), 7);
    }
}

/* Checks the gradient of x[0], which y takes TAKEN times; each of these elements has gradient 0.1.
 */
static void check_gradient(tg_tensor *x, tg_tensor *y)
{
    assert_true(tg_backward_with(y, tg_full_like(y, 0.1)));
    check_sum(element_of(x->grad, 0), n_times(TAKEN, 0.1), unit[TG_F64], 1.001);
}

static void test_gradients_of_an_element_that_is_taken_many_times(void **state)
{
    (void)state;
    tg_tensor *index = tg_expand(tg_zeros(tg, TG_I64, TG_SHAPE(1)), TG_SHAPE(TAKEN));
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F64, TG_SHAPE(2)), true);
    check_gradient(x, tg_gather(x, 0, index));
    x = tg_requires_grad_(tg_ones(tg, TG_F64, TG_SHAPE(2)), true);
    check_gradient(x, tg_index_select(x, 0, index));
    x = tg_requires_grad_(tg_ones(tg, TG_F64, TG_SHAPE(2, 3)), true);
    check_gradient(x, tg_embedding(index, x, TG_NO_INDEX));
}

static void test_scatter_add_of_infinities_and_nan(void **state)
{
    (void)state;
    const double terms[] = {INFINITY, 1, INFINITY, -INFINITY, NAN, 1, 1.7e308, 1.7e308,
                            INFINITY, 1, 1,        1,         1,   1, 1,       1};
    const int64_t at[] = {0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 2, 3, 3};
    tg_tensor *source = tg_from_f64(tg, TG_SHAPE(16), terms);
    tg_tensor *index = tg_from_i64(tg, TG_SHAPE(16), at);
    check_values(tg_scatter_add(tg_zeros(tg, TG_F64, TG_SHAPE(4)), 0, index, source), INFINITY, NAN,
                 NAN, INFINITY);
}

/* As in PyTorch, an element that is -0 stays -0, whether nothing or only -0 is added to it. */
static void test_scatter_add_of_negative_zeros_keeps_their_sign(void **state)
{
    (void)state;
    tg_tensor *index = tg_expand(tg_ones(tg, TG_I64, TG_SHAPE(1)), TG_SHAPE(16));
    for (tg_dtype d = TG_F32; d <= TG_F64; d++) {
        tg_tensor *a = tg_full(tg, d, TG_SHAPE(2), -0.0);
        tg_tensor *sums = tg_scatter_add(a, 0, index, tg_full(tg, d, TG_SHAPE(16), -0.0));
        check_values(tg_reciprocal(sums), -INFINITY, -INFINITY);
    }
}

/* ---- Pooling. */

/* The error is at most 64 u for the additions within a block, one u for the sum of the blocks, one
 * for the quotient, and one for the product with SIZE in this test. */
static void test_means_of_large_windows(void **state)
{
    (void)state;
    enum { SIZE = 300 };
    const tg_pool_options o = tg_pool_defaults(SIZE);
    for (int kind = 0; kind < KINDS; kind++) {
        tg_tensor *x = terms_of(kind, TG_SHAPE(1, SIZE, SIZE));
        exact_sum exact = {0, 0, 0};
        for (int64_t i = 0; i < x->numel; i++) add_exactly(&exact, element_of(x, i), 1);
        check_sum(tg_item(tg_avg_pool2d(x, &o)) * SIZE * SIZE, exact, unit[TG_F64], 67.001);
    }
    tg_tensor *infinite = tg_full(tg, TG_F64, TG_SHAPE(1, SIZE, SIZE), 1);
    tg_set(infinite, TG_INDEX(0, 0, 1), INFINITY);
    assert_true(tg_item(tg_avg_pool2d(infinite, &o)) == INFINITY);
}

/* Checks the gradient of the image x, given that of the means y, against its definition: that of an
 * element is the sum, over the windows that contain it, of the window's gradient over its size. */
static void check_image_of_means(const tg_pool_options *o, tg_tensor *x, tg_tensor *y, tg_tensor *g)
{
    const int64_t h = x->shape[1], w = x->shape[2], oh = y->shape[1], ow = y->shape[2];
    const double u = unit[x->dtype], count = (double)(o->kernel[0] * o->kernel[1]);
    for (int64_t i = 0; i < h; i++)
        for (int64_t j = 0; j < w; j++) {
            exact_sum exact = {0, 0, 0};
            for (int64_t r = 0; r < oh; r++)
                for (int64_t c = 0; c < ow; c++) {
                    const int64_t y0 = i - r * o->stride[0] + o->padding[0];
                    const int64_t x0 = j - c * o->stride[1] + o->padding[1];
                    if (y0 < 0 || y0 >= o->kernel[0] || x0 < 0 || x0 >= o->kernel[1]) continue;
                    add_exactly(&exact, element_of(g, r * ow + c) / count, 1);
                }
            /* The library sums along one dimension and then along the other. Each sum has at most
             * 512 terms: 32 in each of 16 lanes, which 4 more additions combine. A quotient ends
             * it, and this test rounds one, too. */
            check_sum(element_of(x->grad, i * w + j), exact, u, 2 * (32 + 4) + 2);
        }
}

/* The windows overlap, reach over the edge into the padding, or leave some elements out. */
static void test_gradient_of_means_of_windows_that_overlap(void **state)
{
    (void)state;
    const tg_pool_options all[] = {
        {.kernel = {20, 18}, .stride = {1, 1}, .dilation = {1, 1}, .count_include_pad = true},
        {.kernel = {24, 25},
         .stride = {2, 1},
         .padding = {12, 3},
         .dilation = {1, 1},
         .count_include_pad = true},
        {.kernel = {1, 30},
         .stride = {2, 1},
         .padding = {0, 15},
         .dilation = {1, 1},
         .count_include_pad = true},
        {.kernel = {40, 30},
         .stride = {3, 1},
         .padding = {0, 15},
         .dilation = {1, 1},
         .count_include_pad = true}};
    for (int dtype = TG_F32; dtype <= TG_F64; dtype++)
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
            tg_tensor *x =
                tg_requires_grad_(tg_zeros(tg, (tg_dtype)dtype, TG_SHAPE(1, 45, 37)), true);
            tg_tensor *y = tg_avg_pool2d(x, &all[k]);
            check_ok(tg);
            tg_tensor *g = tg_randn(tg, (tg_dtype)dtype, TG_SHAPE(1, y->shape[1], y->shape[2]));
            assert_true(tg_backward_with(y, g));
            check_image_of_means(&all[k], x, y, g);
        }
}

/* The element in the middle lies in KERNEL^2 windows, whose gradients are equal. Additions of equal
 * terms round in the same direction for long, so that errors add up. Each of the two sums has less
 * than 512 terms, as above. */
static void test_gradient_of_means_of_many_windows(void **state)
{
    (void)state;
    enum { KERNEL = 100, SIZE = 2 * KERNEL - 1 };
    tg_pool_options o = tg_pool_defaults(KERNEL);
    o.stride[0] = o.stride[1] = 1;
    for (int dtype = TG_F32; dtype <= TG_F64; dtype++) {
        tg_tensor *x = tg_zeros(tg, (tg_dtype)dtype, TG_SHAPE(1, SIZE, SIZE));
        tg_requires_grad_(x, true);
        assert_true(tg_backward(tg_sum(tg_avg_pool2d(x, &o))));
        check_sum(element_of(x->grad, x->numel / 2), n_times(1, 1), unit[dtype], 2 * (32 + 4) + 2);
    }
}

/* ---- Convolution. */

typedef struct conv_case {
    int64_t channels, h, w, out, kh, kw;
    int64_t stride, padding, dilation;
} conv_case;

/* Sets *at to the number of the pixel that element (i, j) of the kernel multiplies for the output
 * (r, c), and returns whether that pixel lies in the image. */
static bool meets(const conv_case *k, int64_t r, int64_t c, int64_t i, int64_t j, int64_t *at)
{
    const int64_t y = r * k->stride - k->padding + i * k->dilation;
    const int64_t x = c * k->stride - k->padding + j * k->dilation;
    *at = y * k->w + x;
    return y >= 0 && y < k->h && x >= 0 && x < k->w;
}

/* Checks the outputs against exact sums. An output is an element of a matrix product whose inner
 * size is the number of its terms; its error is bounded as tg_matmul says. */
static void check_forward(const conv_case *k, tg_tensor *x, tg_tensor *w, tg_tensor *y)
{
    const int64_t area = k->kh * k->kw, oh = y->shape[1], ow = y->shape[2];
    const double terms = (double)(k->channels * area);
    int64_t at;
    for (int64_t o = 0; o < k->out; o++)
        for (int64_t r = 0; r < oh; r++)
            for (int64_t c = 0; c < ow; c++) {
                exact_sum exact = {0, 0, 0};
                for (int64_t i = 0; i < k->channels * area; i++)
                    if (meets(k, r, c, i / k->kw % k->kh, i % k->kw, &at))
                        add_exactly(&exact, element_of(w, o * k->channels * area + i),
                                    element_of(x, i / area * k->h * k->w + at));
                check_sum(element_of(y, (o * oh + r) * ow + c), exact, unit[x->dtype],
                          terms <= 1024 ? terms : 145.2);
            }
}

/* Checks the gradient of the image, where g is that of the result, against exact sums. */
static void check_image(const conv_case *k, tg_tensor *x, tg_tensor *w, tg_tensor *y, tg_tensor *g)
{
    const int64_t area = k->kh * k->kw, oh = y->shape[1], ow = y->shape[2];
    exact_sum *exact = calloc((size_t)x->numel, sizeof *exact);
    int64_t at;
    assert_non_null(exact);
    for (int64_t o = 0; o < k->out; o++)
        for (int64_t r = 0; r < oh; r++)
            for (int64_t c = 0; c < ow; c++) {
                const double up = element_of(g, (o * oh + r) * ow + c);
                for (int64_t i = 0; i < k->channels * area; i++)
                    if (meets(k, r, c, i / k->kw % k->kh, i % k->kw, &at))
                        add_exactly(exact + i / area * k->h * k->w + at, up,
                                    element_of(w, o * k->channels * area + i));
            }
    /* A product sums over the output channels. Its results are then summed over the elements of the
     * kernel: all of them, or, in large kernels, parts of 128 that a compensated sum adds up, which
     * rounds twice more. */
    const double units = (double)k->out + (area > 1024 ? 128 + 2 : (double)area);
    for (int64_t i = 0; i < x->numel; i++)
        check_sum(element_of(x->grad, i), exact[i], unit[x->dtype], units * 1.01);
    free(exact);
}

static void check_conv(const conv_case *k, tg_dtype dtype, bool positive)
{
    const tg_shape xs = TG_SHAPE(k->channels, k->h, k->w);
    const tg_shape ws = TG_SHAPE(k->out, k->channels, k->kh, k->kw);
    tg_tensor *x = positive ? tg_rand(tg, dtype, xs) : tg_randn(tg, dtype, xs);
    tg_tensor *w = positive ? tg_rand(tg, dtype, ws) : tg_randn(tg, dtype, ws);
    const tg_conv_options o = {.stride = {k->stride, k->stride},
                               .padding = {k->padding, k->padding},
                               .dilation = {k->dilation, k->dilation},
                               .groups = 1};
    tg_requires_grad_(x, true);
    tg_tensor *y = tg_conv2d(x, w, &o);
    check_ok(tg);
    const tg_shape ys = {y->ndim, (int64_t[]){y->shape[0], y->shape[1], y->shape[2]}};
    tg_tensor *g = positive ? tg_rand(tg, dtype, ys) : tg_randn(tg, dtype, ys);
    assert_true(tg_backward_with(y, g));
    check_forward(k, x, w, y);
    check_image(k, x, w, y, g);
}

/* The terms of a kernel of more than 1024 elements are added in parts. These kernels have fewer, as
 * many and more elements; a part has several rows of the kernel, or a row has several parts. */
static void test_convolutions_of_many_terms(void **state)
{
    (void)state;
    static const conv_case cases[] = {
        {130, 5, 6, 2, 3, 3, 1, 1, 1},     {2, 34, 40, 2, 32, 32, 1, 0, 1},
        {2, 40, 44, 2, 33, 35, 1, 2, 1},   {1, 50, 41, 2, 40, 30, 2, 11, 1},
        {1, 1, 2000, 2, 1, 1500, 3, 0, 1}, {1, 3, 1400, 1, 3, 600, 1, 1, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int kind = 0; kind < 4; kind++)
            check_conv(&cases[i], kind & 1 ? TG_F64 : TG_F32, kind & 2);
}

/* The gradient of the element in the middle is a sum of equal terms, one for each element of the
 * kernel. Additions of equal terms round in the same direction for long, so that errors add up. */
static void test_gradient_of_the_image_of_a_large_kernel(void **state)
{
    (void)state;
    enum { KERNEL = 64, SIZE = 2 * KERNEL - 1 };
    for (int dtype = TG_F32; dtype <= TG_F64; dtype++) {
        const double tenth = dtype == TG_F32 ? (double)0.1f : 0.1;
        tg_tensor *x = tg_zeros(tg, (tg_dtype)dtype, TG_SHAPE(1, SIZE, SIZE));
        tg_tensor *w = tg_full(tg, (tg_dtype)dtype, TG_SHAPE(1, 1, KERNEL, KERNEL), 0.1);
        tg_requires_grad_(x, true);
        assert_true(tg_backward(tg_sum(tg_conv2d(x, w, NULL))));
        check_sum(element_of(x->grad, x->numel / 2), n_times(KERNEL * KERNEL, tenth), unit[dtype],
                  131.1);
    }
}

/* Returns the gradient of a batch of images through pooling, or through a convolution with groups;
 * both are large enough to be split among threads. */
static tg_tensor *gradients_at(tg_context *c, tg_dtype dtype, const char *what)
{
    tg_manual_seed(c, 3);
    tg_tensor *x = tg_requires_grad_(tg_randn(c, dtype, TG_SHAPE(40, 2, 40, 38)), true), *y;
    if (strcmp(what, "pool") == 0) {
        tg_pool_options o = tg_pool_defaults(16);
        o.stride[0] = o.stride[1] = 1;
        y = tg_avg_pool2d(x, &o);
    } else {
        tg_conv_options o = tg_conv_defaults();
        o.groups = 2;
        y = tg_conv2d(x, tg_randn(c, dtype, TG_SHAPE(2, 1, 36, 34)), &o);
    }
    assert_true(tg_backward_with(y, tg_randn(c, dtype, (tg_shape){y->ndim, y->shape})));
    return x->grad;
}

static void test_gradients_have_the_same_bits_at_every_level_on_any_threads(void **state)
{
    (void)state;
    static const char *const levels[] = {"portable", "avx2", "avx512"}, *const what[] = {"pool",
                                                                                         "conv"};
    for (int i = 0; i < 12; i++) {
        tg_context *other = open_at(levels[i % 3]);
        const tg_dtype dtype = i / 3 % 2 ? TG_F64 : TG_F32;
        if (tg_ok(other)) {
            assert_true(tg_set_num_threads(other, 1 + i % 3));
            tg_tensor *want = gradients_at(tg, dtype, what[i / 6]);
            tg_tensor *got = gradients_at(other, dtype, what[i / 6]);
            const size_t size = dtype == TG_F32 ? sizeof(float) : sizeof(double);
            assert_memory_equal(got->data, want->data, (size_t)want->numel * size);
        }
        tg_close(other);
    }
}

/* ---- Systems. */

/* The shortest x with a x = b is a^T (a a^T)^-1 b. Here a is one row of n elements 0.1. The sum of
 * its squares has an error of 66 u, its norm therefore one of 34 u, and the square of the norm, by
 * which 0.1 b is divided, one of 68 u. The other roundings add less than 8 u. Element 0 is left
 * out: a Householder reflection makes it as a difference of large numbers, so that its error is
 * small only compared with the norm of x. */
static void test_the_shortest_solution_of_a_long_row(void **state)
{
    (void)state;
    enum { TERMS = 100000 };
    tg_tensor *a = tg_full(tg, TG_F64, TG_SHAPE(1, TERMS), 0.1);
    tg_tensor *x = tg_lstsq(a, tg_full(tg, TG_F64, TG_SHAPE(1, 1), 3));
    check_ok(tg);
    exact_sum want = {3 / (0.1 * TERMS), 0, 3 / (0.1 * TERMS)};
    for (int64_t i = 1; i < TERMS; i += 999)
        check_sum(element_of(x, i), want, unit[TG_F64], 2 * (33 + 1) + 8);
}

/* The fit of b by a column of elements 0.1 is ten times the mean of b. The solution of a tall
 * system is refined with residuals whose sums lose almost nothing, so that its error does not grow
 * with the number of rows. */
static void test_the_fit_of_many_rows(void **state)
{
    (void)state;
    enum { ROWS = 100000 };
    tg_tensor *a = tg_full(tg, TG_F64, TG_SHAPE(ROWS, 1), 0.1),
              *b = tg_rand(tg, TG_F64, TG_SHAPE(ROWS, 1));
    exact_sum exact = {0, 0, 0};
    for (int64_t i = 0; i < ROWS; i++) add_exactly(&exact, element_of(b, i), 1);
    check_sum(tg_item(tg_lstsq(a, b)) * (0.1 * ROWS), exact, unit[TG_F64], 4);
}

/* ---- Losses. */

/* Each row has the loss 0.1 and the weight 0.1; the weighted mean is 0.1. The compensated sum of
 * the weights rounds once. The losses are summed pairwise: 32 terms in each of 16 lanes, and then
 * 11 levels of a tree. The product of loss and weight and the quotient round once each. */
static void test_weighted_means_of_many_rows(void **state)
{
    (void)state;
    enum { ROWS = 100000 };
    tg_tensor *x = tg_full(tg, TG_F64, TG_SHAPE(ROWS, 2), -0.1);
    tg_tensor *labels = tg_zeros(tg, TG_I64, TG_SHAPE(ROWS));
    tg_loss_options o = tg_loss_defaults();
    o.weight = tg_full(tg, TG_F64, TG_SHAPE(2), 0.1);
    exact_sum want = {0.1, 0, 0.1};
    check_sum(tg_item(tg_nll_loss(x, labels, &o)), want, unit[TG_F64], 32 + 11 + 4);
}

/* ---- Long sums that need no compensation, as their errors stay small. */

/* Batch k has the mean x and moves the running mean m to x p + m (1 - p) with p = 1 / k, which
 * turns an error e of m into (1 - 1 / k) e. Let M be the greatest mean. The roundings of x, p,
 * 1 - p, both products and the sum add at most 4 u M to the error. Each batch therefore adds at
 * most 4 u M k to k e, and after k batches e is at most 2 (k + 1) u M. With a constant p, the error
 * is at most 4 u M / p. */
static void check_running_mean(double momentum, double units)
{
    enum { BATCHES = 500, ROWS = 4 };
    tg_norm_options o = tg_norm_defaults();
    o.momentum = momentum;
    tg_module *norm = tg_batchnorm1d(tg, 1, &o);
    double mean = 0;
    for (int64_t k = 1; k <= BATCHES; k++) {
        tg_scope_begin(tg);
        tg_tensor *x = tg_add_scalar(tg_rand(tg, TG_F32, TG_SHAPE(ROWS, 1)), 1);
        tg_forward(norm, x);
        double sum = 0;
        for (int64_t i = 0; i < ROWS; i++) sum += element_of(x, i);
        mean += (sum / ROWS - mean) * (isnan(momentum) ? 1 / (double)k : momentum);
        tg_scope_end(tg);
    }
    assert_true(fabs(element_of(tg_buffer(norm, "running_mean"), 0) - mean) <=
                units * unit[TG_F32] * 2);
}

static void test_running_mean_of_many_batches(void **state)
{
    (void)state;
    check_running_mean(NAN, 2 * 501);
    check_running_mean(0.1, 4 / 0.1);
}

/* The norm of n gradients is the root of the sum of their squared norms. The squares and their n
 * additions have errors of at most about n u, of which the root leaves half. */
static void test_the_norm_of_many_gradients(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    tg_tensor *p[MANY];
    for (int i = 0; i < MANY; i++) {
        p[i] = tg_requires_grad_(tg_zeros(tg, TG_F64, TG_SHAPE(1)), true);
        assert_true(tg_backward(tg_sum(tg_mul_scalar(p[i], 0.1))));
    }
    const double norm = tg_clip_grad_norm_((tg_list){MANY, p}, 1e9, 2, false);
    assert_true(fabs(norm - 0.1 * sqrt(MANY)) <= norm * (MANY / 2 + 4) * unit[TG_F64]);
}

/* ---- Sums of many float32 terms in one element. Plain additions in float32 stop at 2^24, where
 * adding 1 changes nothing. */

/* The float nearest to the exact sum of so many terms, each of which is the float 0.1. */
static double tenths(double terms)
{
    return (double)(float)(terms * (double)0.1f);
}

/* An index of n zeros, which takes element 0 n times. */
static tg_tensor *places(int64_t n)
{
    return tg_expand(tg_zeros(tg, TG_I64, TG_SHAPE(1)), TG_SHAPE(n));
}

static void test_scatter_add_passes_2_to_the_24(void **state)
{
    (void)state;
    const int64_t n = (1 << 24) + 1024;
    tg_tensor *a = tg_zeros(tg, TG_F32, TG_SHAPE(3));
    tg_tensor *terms = tg_expand(tg_ones(tg, TG_F32, TG_SHAPE(1)), TG_SHAPE(n));
    check_values(tg_scatter_add(a, 0, places(n), terms), (double)n, 0, 0);
}

/* Returns element 0 of the gradient of x, where each element of y has the gradient 0.1. */
static double gradient_of(tg_tensor *x, tg_tensor *y)
{
    tg_tensor *weight = tg_full_like(y, 0.1);
    assert_true(tg_backward_with(y, weight));
    check_ok(x->context);
    return tg_get(x->grad, (tg_shape){x->ndim, (int64_t[]){0, 0}});
}

static void test_float32_gradients_of_an_element_that_is_taken_many_times(void **state)
{
    (void)state;
    enum { TERMS = 100000 };
    tg_tensor *index = places(TERMS);
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true);
    assert_true(gradient_of(x, tg_gather(x, 0, index)) == tenths(TERMS));
    x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true);
    assert_true(gradient_of(x, tg_index_select(x, 0, index)) == tenths(TERMS));
    x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2, 3)), true);
    assert_true(gradient_of(x, tg_embedding(index, x, TG_NO_INDEX)) == tenths(TERMS));
}

static void test_scatter_add_adds_to_the_values_that_are_there(void **state)
{
    (void)state;
    const float start[] = {0.25f, -3, 7};
    const int64_t at[] = {0, 2, 2, 0, 2, 2, 2, 2, 0, 0, 2, 2};
    tg_tensor *a = tg_from_f32(tg, TG_SHAPE(3), start), *index = tg_from_i64(tg, TG_SHAPE(12), at);
    check_values(tg_scatter_add(a, 0, index, tg_full(tg, TG_F32, TG_SHAPE(12), 0.5)), 2.25, -3, 11);
}

/* The sum of a million elements 0.1, added one after the other in float32, would be 100958. The
 * library rounds the sum and the quotient once each. */
static void test_avg_pool2d_of_a_large_window(void **state)
{
    (void)state;
    const tg_pool_options o = tg_pool_defaults(1000);
    tg_tensor *x = tg_full(tg, TG_F32, TG_SHAPE(1, 1000, 1000), 0.1);
    assert_true(fabs(tg_item(tg_avg_pool2d(x, &o)) - (double)0.1f) <= 2 * 0x1p-24 * 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running_sums_and_their_gradients_of_many_terms),
        cmocka_unit_test(test_short_running_sums_have_the_bits_of_additions_in_order),
        cmocka_unit_test(test_running_sums_of_infinities_and_nan),
        cmocka_unit_test(test_scatter_add_of_many_terms_into_one_element),
        cmocka_unit_test(test_gradients_of_an_element_that_is_taken_many_times),
        cmocka_unit_test(test_scatter_add_of_infinities_and_nan),
        cmocka_unit_test(test_scatter_add_of_negative_zeros_keeps_their_sign),
        cmocka_unit_test(test_means_of_large_windows),
        cmocka_unit_test(test_gradient_of_means_of_windows_that_overlap),
        cmocka_unit_test(test_gradient_of_means_of_many_windows),
        cmocka_unit_test(test_convolutions_of_many_terms),
        cmocka_unit_test(test_gradient_of_the_image_of_a_large_kernel),
        cmocka_unit_test(test_gradients_have_the_same_bits_at_every_level_on_any_threads),
        cmocka_unit_test(test_the_shortest_solution_of_a_long_row),
        cmocka_unit_test(test_the_fit_of_many_rows),
        cmocka_unit_test(test_weighted_means_of_many_rows),
        cmocka_unit_test(test_running_mean_of_many_batches),
        cmocka_unit_test(test_the_norm_of_many_gradients),
        cmocka_unit_test(test_scatter_add_passes_2_to_the_24),
        cmocka_unit_test(test_float32_gradients_of_an_element_that_is_taken_many_times),
        cmocka_unit_test(test_scatter_add_adds_to_the_values_that_are_there),
        cmocka_unit_test(test_avg_pool2d_of_a_large_window),
    };
    return cmocka_run_group_tests(tests, open_for_all, close_context);
}
