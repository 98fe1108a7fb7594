/* The accuracy of sums whose terms are added one after the other, such as those of cumsum, for any
 * number of terms. src/context/long_sum.h has the error bounds. */
#include "check.h"

static tg_context *tg;

static const double unit[] = {[TG_F32] = 0x1p-24, [TG_F64] = 0x1p-53};

static int open_for_all(void **state)
{
    const int failed = open_context(state);
    tg = *state;
    return failed;
}

/* A sum of products nearly without rounding, in two parts; and the sum of their absolute values. */
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

/* The error of value is at most so many u of the absolute terms. */
static void check_sum(double value, exact_sum exact, double u, double units)
{
    const double error = fabs((value - exact.high) - exact.low);
    if (!(error <= units * u * exact.size))
        fail_msg("%.17g is %.3g u off, more than %.3g", value, error / u / exact.size, units);
}

/* Terms of a float64 tensor: 0.1 each, or random numbers about 0. */
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

/* ---- Running sums: 64 u for the terms of a block, one for the addition to the blocks before. */

static void test_running_sums(void **state)
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

/* Rows of at most a block are rounded as by PyTorch, which adds one term after the other. */
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

/* Element `at` of 200 ones is x, and element 150 is y; PyTorch's sums then begin and end so. */
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

/* ---- Sums in one slot. (n u)^2 is below a thousandth of u. */

enum { TAKEN = 100000 };

static void test_slots_of_float64(void **state)
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

static void check_gradient(tg_tensor *x, tg_tensor *y)
{
    assert_true(tg_backward_with(y, tg_full_like(y, 0.1)));
    check_sum(element_of(x->grad, 0), n_times(TAKEN, 0.1), unit[TG_F64], 1.001);
}

static void test_gradients_of_what_is_taken_many_times(void **state)
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

static void test_slots_of_infinities_and_nan(void **state)
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

/* As in PyTorch, a slot that holds -0 keeps its sign, whether nothing or only -0 is added. */
static void test_slots_of_negative_zeros(void **state)
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

/* 64 u for a block, one for the sum and one for the quotient. */
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

/* The gradient of the image by its definition, each element a sum over the windows that hold it. */
static void check_spread(const tg_pool_options *o, tg_tensor *x, tg_tensor *y, tg_tensor *g)
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
            /* two sums of at most 512 terms, over 16 lanes that 4 additions fold, and a quotient */
            check_sum(element_of(x->grad, i * w + j), exact, u, 2 * (32 + 4) + 2);
        }
}

/* Two sums of few terms, with windows that overlap, that reach over the edge, and that leave
 * elements out. */
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
            check_spread(&all[k], x, y, g);
        }
}

/* The element in the middle is in KERNEL^2 windows, whose equal parts round in one direction for
 * long; each of the two sums has less than 512 terms, as above. */
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

/* Where element (i, j) of the kernel meets the output (r, c); whether that is in the image. */
static bool meets(const conv_case *k, int64_t r, int64_t c, int64_t i, int64_t j, int64_t *at)
{
    const int64_t y = r * k->stride - k->padding + i * k->dilation;
    const int64_t x = c * k->stride - k->padding + j * k->dilation;
    *at = y * k->w + x;
    return y >= 0 && y < k->h && x >= 0 && x < k->w;
}

/* An output is a product with an inner size of all its terms; see tg_matmul for the bound. */
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

/* The exact gradient of the image, where g is that of the result. */
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
    /* the product over out; 128 terms, or all; the addition to a total and that of what is lost */
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

/* Kernels just below and above 1024 elements, in whole rows and in parts of rows. */
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

/* The element in the middle has an equal term for each element of the kernel, and these round in
 * one direction for long. */
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

/* The gradients, with several images, groups and threads, are the same at every level. */
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

/* The shortest x with a x = b is a^T (a a^T)^-1 b: here of one row of n times 0.1. The sum of its
 * squares has an error of 66 u, the norm one of 34 u and its square, by which 0.1 b is divided, one
 * of 68 u; to which the other roundings add less than 8 u. Element 0 is left out: a reflection
 * makes it a difference of large numbers, so that it is as near as the others only beside the
 * norm. */
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

/* A tall system is refined with products that lose nothing: the mean of n numbers. */
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

/* The mean of losses of 0.1 weighs 0.1 each: the sum of weights is rounded once, that of the losses
 * is one of a tree, over 32 terms in 16 lanes and 11 levels, and a product and the quotient round
 * once each. */
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

/* ---- What is fine as it is. */

/* Batch k moves the running mean m to x p + m (1 - p) with p = 1 / k. An error e of m becomes
 * (1 - 1 / k) e. The roundings of x, p, 1 - p, both products and the sum add at most 4 u of the
 * greatest mean. So k e grows by at most 4 u k of it with each batch, and e is at most 2 (k + 1) u
 * of it after k batches. With a constant p it is at most 4 u / p of it. */
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

static void test_running_statistics(void **state)
{
    (void)state;
    check_running_mean(NAN, 2 * 501);
    check_running_mean(0.1, 4 / 0.1);
}

/* The norm of n norms: n additions of squares, each of which rounds once more; the root halves
 * that. */
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

/* ---- Sums of many float32 terms in one place: added one after the other, a 1 changes nothing from
 * 2^24 on. */

/* 0.1, as a float, so many times; rounded once. */
static double tenths(double terms)
{
    return (double)(float)(terms * (double)0.1f);
}

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

/* The gradient of sum(f(x)) / 10, where f takes x[0] so many times. */
static double gradient_of(tg_tensor *x, tg_tensor *y)
{
    tg_tensor *weight = tg_full_like(y, 0.1);
    assert_true(tg_backward_with(y, weight));
    check_ok(x->context);
    return tg_get(x->grad, (tg_shape){x->ndim, (int64_t[]){0, 0}});
}

static void test_float32_gradients_of_what_is_taken_many_times(void **state)
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

static void test_scatter_add_begins_with_what_is_there(void **state)
{
    (void)state;
    const float start[] = {0.25f, -3, 7};
    const int64_t at[] = {0, 2, 2, 0, 2, 2, 2, 2, 0, 0, 2, 2};
    tg_tensor *a = tg_from_f32(tg, TG_SHAPE(3), start), *index = tg_from_i64(tg, TG_SHAPE(12), at);
    check_values(tg_scatter_add(a, 0, index, tg_full(tg, TG_F32, TG_SHAPE(12), 0.5)), 2.25, -3, 11);
}

/* Added one after the other in float32, the sum is 100958. The sum and the quotient round once
 * each. */
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
        cmocka_unit_test(test_running_sums),
        cmocka_unit_test(test_short_running_sums_have_the_bits_of_additions_in_order),
        cmocka_unit_test(test_running_sums_of_infinities_and_nan),
        cmocka_unit_test(test_slots_of_float64),
        cmocka_unit_test(test_gradients_of_what_is_taken_many_times),
        cmocka_unit_test(test_slots_of_infinities_and_nan),
        cmocka_unit_test(test_slots_of_negative_zeros),
        cmocka_unit_test(test_means_of_large_windows),
        cmocka_unit_test(test_gradient_of_means_of_windows_that_overlap),
        cmocka_unit_test(test_gradient_of_means_of_many_windows),
        cmocka_unit_test(test_convolutions_of_many_terms),
        cmocka_unit_test(test_gradient_of_the_image_of_a_large_kernel),
        cmocka_unit_test(test_gradients_have_the_same_bits_at_every_level_on_any_threads),
        cmocka_unit_test(test_the_shortest_solution_of_a_long_row),
        cmocka_unit_test(test_the_fit_of_many_rows),
        cmocka_unit_test(test_weighted_means_of_many_rows),
        cmocka_unit_test(test_running_statistics),
        cmocka_unit_test(test_the_norm_of_many_gradients),
        cmocka_unit_test(test_scatter_add_passes_2_to_the_24),
        cmocka_unit_test(test_float32_gradients_of_what_is_taken_many_times),
        cmocka_unit_test(test_scatter_add_begins_with_what_is_there),
        cmocka_unit_test(test_avg_pool2d_of_a_large_window),
    };
    return cmocka_run_group_tests(tests, open_for_all, close_context);
}
