/* Convolution: wrong arguments, and the accuracy of sums of many terms. The number of threads and
 * the SIMD level change neither its bits nor those of pooling. */
#include "exact_sum.h"
#include "leaf.h"

static void test_wrong_arguments_of_convolutions_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(1, 2, 3, 3)),
              *w = tg_ones(tg, TG_F32, TG_SHAPE(2, 2, 4, 1));
    tg_conv_options o = tg_conv_defaults();
    assert_null(tg_conv2d(x, w, NULL));
    check_error(tg, TG_ERR_SHAPE,
                "conv2d: the kernel of weight [2, 2, 4, 1] spans 4 elements of dimension 2 of the "
                "input [1, 2, 3, 3], which has only 3 with its padding");
    o.groups = 3;
    assert_null(tg_conv2d(x, w, &o));
    check_error(
        tg, TG_ERR_SHAPE,
        "conv2d: the weight [2, 2, 4, 1] has 2 out_channels, which is not a multiple of groups 3");
    o = tg_conv_defaults();
    o.stride[1] = 0;
    assert_null(tg_conv2d(x, w, &o));
    check_error(tg, TG_ERR_ARGUMENT,
                "conv2d: stride[1] is 0, but must be at least 1; TG_CONV and tg_conv_defaults() "
                "set it to 1");
    o = tg_conv_defaults();
    o.padding[0] = INT64_MAX;
    assert_null(tg_conv2d(x, w, &o));
    check_error(tg, TG_ERR_ARGUMENT,
                "conv2d: padding[0] is 9223372036854775807, but must be at most 2147483647");
    assert_null(tg_conv1d(x, w, NULL));
    check_error(tg, TG_ERR_SHAPE, "conv1d: the input [1, 2, 3, 3] is not (C, L) or (N, C, L)");
    assert_null(tg_conv2d(x, tg_cast(w, TG_F64), NULL));
    check_error(tg, TG_ERR_DTYPE, "conv2d: the input is float32, the weight float64; use tg_cast");
    o = tg_conv_defaults();
    o.padding[0] = 1;
    o.bias = tg_ones(tg, TG_F32, TG_SHAPE(3));
    assert_null(tg_conv2d(x, w, &o));
    check_error(tg, TG_ERR_SHAPE, "conv2d: the bias is float32 [3], not float32 [2]");
    o.bias = tg_ones(tg, TG_F64, TG_SHAPE(2));
    assert_null(tg_conv2d(x, w, &o));
    check_error(tg, TG_ERR_DTYPE, "conv2d: the bias is float64 [2], not float32 [2]");
    assert_true(!tg_conv2d(NULL, NULL, NULL) && !tg_conv1d(NULL, w, NULL));
    tg_clear_error(tg);
}

static void test_wrong_arguments_of_layers_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_conv_options o = tg_conv_defaults();
    o.groups = 2;
    assert_null(tg_conv2d_layer(tg, 3, 4, TG_SHAPE(2, 2), TG_BIAS, &o));
    check_error(tg, TG_ERR_SHAPE,
                "conv2d_layer: in_channels is 3, but must be a multiple of groups 2");
    assert_null(tg_conv1d_layer(tg, 3, 4, TG_SHAPE(2, 2), TG_BIAS, NULL));
    check_error(tg, TG_ERR_SHAPE, "conv1d_layer: kernel_size [2, 2] must have length 1, not 2");
    assert_null(tg_conv2d_layer(NULL, 1, 1, TG_SHAPE(1, 1), TG_BIAS, NULL));
}

/* Returns a hash (64-bit FNV-1a) of the outputs and gradients of a net that is large enough to be
 * split among threads. */
static uint64_t train(int threads, bool wide)
{
    tg_context *tg = tg_open(NULL);
    assert_true(tg_set_num_threads(tg, threads));
    tg_set_default_dtype(tg, wide ? TG_F64 : TG_F32);
    tg_manual_seed(tg, 5);
    tg_pool_options pool = tg_pool_defaults(2);
    tg_conv_options o = tg_conv_defaults();
    o.padding[0] = 1;
    tg_module *conv = tg_conv2d_layer(tg, 3, 8, TG_SHAPE(3, 3), TG_BIAS, &o);
    tg_tensor *x =
        tg_requires_grad_(tg_randn(tg, wide ? TG_F64 : TG_F32, TG_SHAPE(10, 3, 48, 48)), true);
    tg_tensor *y = tg_max_pool2d(tg_avg_pool2d(tg_forward(conv, x), &pool), &pool);
    assert_true(tg_backward(tg_sum(tg_square(y))));
    tg_tensor *all[] = {y, x->grad, tg_param(conv, "weight")->grad, tg_param(conv, "bias")->grad};
    uint64_t hash = 14695981039346656037u;
    for (int i = 0; i < 4; i++) {
        tg_tensor *t = tg_contiguous(all[i]);
        const unsigned char *bytes = t->data;
        for (int64_t k = 0; k < t->numel * (wide ? 8 : 4); k++)
            hash = (hash ^ bytes[k]) * 1099511628211u;
    }
    tg_close(tg);
    return hash;
}

static void test_threads_give_the_same_bits(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        const uint64_t alone = train(1, wide);
        assert_true(train(2, wide) == alone);
        assert_true(train(5, wide) == alone);
    }
}

/* ---- The accuracy of convolutions of many terms, and of the gradient of the image. */

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
                check_sum(element_of(y, (o * oh + r) * ow + c), exact, unit_of(x->dtype),
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
        check_sum(element_of(x->grad, i), exact[i], unit_of(x->dtype), units * 1.01);
    free(exact);
}

/* Checks the gradient of the weight. It is a sum over at most oh panels, each of which is the sum
 * of some rows of the result: term after term, or in lanes or blocks, which round less. */
static void check_weight(const conv_case *k, tg_tensor *x, tg_tensor *w, tg_tensor *y, tg_tensor *g)
{
    const int64_t area = k->kh * k->kw, oh = y->shape[1], ow = y->shape[2], n = oh * ow;
    int64_t at;
    for (int64_t o = 0; o < k->out; o++)
        for (int64_t i = 0; i < k->channels * area; i++) {
            exact_sum exact = {0, 0, 0};
            for (int64_t r = 0; r < oh; r++)
                for (int64_t c = 0; c < ow; c++)
                    if (meets(k, r, c, i / k->kw % k->kh, i % k->kw, &at))
                        add_exactly(&exact, element_of(g, o * n + r * ow + c),
                                    element_of(x, i / area * k->h * k->w + at));
            check_sum(element_of(w->grad, o * k->channels * area + i), exact, unit_of(x->dtype),
                      (n <= 1024 ? (double)n : 1024) + (double)oh);
        }
}

static void check_conv(tg_context *tg, const conv_case *k, tg_dtype dtype, bool positive)
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
    tg_requires_grad_(w, true);
    tg_tensor *y = tg_conv2d(x, w, &o);
    check_ok(tg);
    const tg_shape ys = {y->ndim, (int64_t[]){y->shape[0], y->shape[1], y->shape[2]}};
    tg_tensor *g = positive ? tg_rand(tg, dtype, ys) : tg_randn(tg, dtype, ys);
    assert_true(tg_backward_with(y, g));
    check_forward(k, x, w, y);
    check_image(k, x, w, y, g);
    check_weight(k, x, w, y, g);
}

/* The terms of a kernel of more than 1024 elements are added in parts. These kernels have fewer, as
 * many and more elements; a part has several rows of the kernel, or a row has several parts. */
static void test_convolutions_of_many_terms(void **state)
{
    tg_context *tg = *state;
    static const conv_case cases[] = {
        {130, 5, 6, 2, 3, 3, 1, 1, 1},     {2, 34, 40, 2, 32, 32, 1, 0, 1},
        {2, 40, 44, 2, 33, 35, 1, 2, 1},   {1, 50, 41, 2, 40, 30, 2, 11, 1},
        {1, 1, 2000, 2, 1, 1500, 3, 0, 1}, {1, 3, 1400, 1, 3, 600, 1, 1, 2},
        {40, 30, 31, 20, 3, 3, 2, 1, 1},   {24, 26, 24, 9, 3, 3, 1, 1, 2},
        {5, 23, 22, 17, 4, 3, 3, 2, 1},    {4, 40, 9, 4, 1, 1, 1, 0, 1},
        {1, 14, 14, 6, 5, 5, 1, 0, 1},     {1, 40, 41, 5, 5, 4, 1, 2, 1},
        {6, 14, 14, 16, 5, 5, 1, 0, 1},    {1, 30, 33, 1, 4, 3, 3, 2, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int kind = 0; kind < 4; kind++)
            check_conv(tg, &cases[i], kind & 1 ? TG_F64 : TG_F32, kind & 2);
}

/* The gradient of the element in the middle is a sum of equal terms, one for each element of the
 * kernel. Additions of equal terms round in the same direction for long, so that errors add up. */
static void test_gradient_of_the_image_of_a_large_kernel(void **state)
{
    tg_context *tg = *state;
    enum { KERNEL = 64, SIZE = 2 * KERNEL - 1 };
    for (int dtype = TG_F32; dtype <= TG_F64; dtype++) {
        const double tenth = dtype == TG_F32 ? (double)0.1f : 0.1;
        tg_tensor *x = tg_zeros(tg, (tg_dtype)dtype, TG_SHAPE(1, SIZE, SIZE));
        tg_tensor *w = tg_full(tg, (tg_dtype)dtype, TG_SHAPE(1, 1, KERNEL, KERNEL), 0.1);
        tg_requires_grad_(x, true);
        assert_true(tg_backward(tg_sum(tg_conv2d(x, w, NULL))));
        check_sum(element_of(x->grad, x->numel / 2), n_times(KERNEL * KERNEL, tenth),
                  unit_of((tg_dtype)dtype), 131.1);
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
    tg_context *tg = *state;
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

/* The result of a convolution and its gradients. */
typedef struct convolved {
    tg_tensor *y, *x, *w;
} convolved;

static convolved convolved_at(tg_context *c, tg_dtype dtype, const conv_case *k, int64_t groups)
{
    const tg_conv_options o = {.stride = {k->stride, k->stride},
                               .padding = {k->padding, k->padding},
                               .dilation = {k->dilation, k->dilation},
                               .groups = groups};
    tg_manual_seed(c, 8);
    tg_tensor *x = tg_randn(c, dtype, TG_SHAPE(5, groups * k->channels, k->h, k->w));
    tg_tensor *w = tg_randn(c, dtype, TG_SHAPE(groups * k->out, k->channels, k->kh, k->kw));
    tg_tensor *y = tg_conv2d(tg_requires_grad_(x, true), tg_requires_grad_(w, true), &o);
    assert_true(tg_backward_with(y, tg_randn(c, dtype, (tg_shape){y->ndim, y->shape})));
    return (convolved){y, x->grad, w->grad};
}

static void check_same_bits(const tg_tensor *got, const tg_tensor *want)
{
    const size_t size = want->dtype == TG_F32 ? sizeof(float) : sizeof(double);
    assert_memory_equal(got->data, want->data, (size_t)want->numel * size);
}

/* Few and many channels, one channel for each group, strides that sort the elements of the kernel,
 * and images that take several panels. */
static void test_convolutions_have_the_same_bits_at_every_level_on_any_threads(void **state)
{
    tg_context *tg = *state;
    static const char *const levels[] = {"portable", "avx2", "avx512"};
    static const struct {
        conv_case k;
        int64_t groups;
    } cases[] = {{{5, 14, 19, 6, 3, 3, 1, 1, 1}, 1},   {{9, 15, 14, 10, 5, 3, 2, 2, 1}, 2},
                 {{1, 16, 33, 1, 3, 3, 1, 1, 1}, 7},   {{1, 17, 18, 1, 3, 3, 2, 1, 2}, 5},
                 {{20, 24, 40, 17, 3, 3, 1, 1, 1}, 1}, {{12, 9, 8, 11, 1, 1, 1, 0, 1}, 1},
                 {{3, 40, 41, 9, 7, 7, 2, 3, 1}, 1},   {{9, 7, 1, 130, 3, 1, 1, 1, 1}, 1},
                 {{1, 40, 41, 6, 5, 5, 1, 2, 1}, 1},   {{6, 14, 14, 16, 5, 5, 1, 0, 1}, 1},
                 {{1, 3, 4, 1, 2, 3, 1, 1, 1}, 150},   {{1, 5, 6, 2, 3, 3, 1, 0, 1}, 3},
                 {{1, 7, 7, 1, 3, 3, 1, 1, 1}, 40},    {{1, 15, 15, 1, 5, 5, 2, 2, 1}, 6},
                 {{1, 28, 28, 1, 3, 3, 1, 2, 2}, 3},   {{1, 12, 10, 1, 3, 3, 2, 1, 1}, 9},
                 {{1, 1, 9, 1, 1, 3, 2, 1, 1}, 5},     {{1, 6, 5, 1, 3, 3, 1, 60, 60}, 4}};
    for (size_t i = 0; i < 6 * (sizeof cases / sizeof *cases); i++) {
        tg_context *other = open_at(levels[i % 3]);
        const tg_dtype dtype = i / 3 % 2 ? TG_F64 : TG_F32;
        if (tg_ok(other)) {
            assert_true(tg_set_num_threads(other, 1 + (int)(i % 4)));
            const convolved want = convolved_at(tg, dtype, &cases[i / 6].k, cases[i / 6].groups);
            const convolved got = convolved_at(other, dtype, &cases[i / 6].k, cases[i / 6].groups);
            check_same_bits(got.y, want.y);
            check_same_bits(got.x, want.x);
            check_same_bits(got.w, want.w);
        }
        tg_close(other);
    }
}

/* The last row and the last column of the image do not see the first element of the kernel. */
static void test_an_infinite_weight_reaches_only_the_elements_that_see_it(void **state)
{
    tg_context *tg = *state;
    enum { CHANNELS = 5, SIZE = 9 };
    tg_conv_options o = tg_conv_defaults();
    o.padding[0] = o.padding[1] = 1;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(1, CHANNELS, SIZE, SIZE));
    tg_tensor *w = tg_ones(tg, TG_F32, TG_SHAPE(2, CHANNELS, 3, 3));
    ((float *)w->data)[0] = INFINITY;
    tg_requires_grad_(x, true);
    assert_true(tg_backward(tg_sum(tg_conv2d(x, w, &o))));
    for (int64_t i = 0; i < x->numel; i++) {
        const int64_t column = i % SIZE, row = i / SIZE % SIZE;
        const int rows = row == 0 || row == SIZE - 1 ? 2 : 3;
        const int columns = column == 0 || column == SIZE - 1 ? 2 : 3;
        const bool sees = i < SIZE * SIZE && row < SIZE - 1 && column < SIZE - 1;
        assert_true(element_of(x->grad, i) == (sees ? (double)INFINITY : 2 * rows * columns));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_arguments_of_convolutions_are_refused),
        cmocka_unit_test(test_wrong_arguments_of_layers_are_refused),
        cmocka_unit_test(test_threads_give_the_same_bits),
        cmocka_unit_test(test_convolutions_of_many_terms),
        cmocka_unit_test(test_gradient_of_the_image_of_a_large_kernel),
        cmocka_unit_test(test_gradients_have_the_same_bits_at_every_level_on_any_threads),
        cmocka_unit_test(test_convolutions_have_the_same_bits_at_every_level_on_any_threads),
        cmocka_unit_test(test_an_infinite_weight_reaches_only_the_elements_that_see_it),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
