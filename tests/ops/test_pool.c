/* Pooling: wrong arguments, the choice of the greatest elements, and the accuracy of means of many
 * elements. */
#include "exact_sum.h"
#include "leaf.h"

static void test_wrong_arguments_of_pooling_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(2, 3, 3));
    tg_pool_options o = tg_pool_defaults(4);
    assert_null(tg_max_pool2d(x, &o));
    check_error(tg, TG_ERR_SHAPE,
                "max_pool2d: the window spans 4 elements of dimension 1 of the input [2, 3, 3], "
                "which has only 3 with its padding");
    o = tg_pool_defaults(2);
    o.padding[1] = 2;
    assert_null(tg_avg_pool2d(x, &o));
    check_error(tg, TG_ERR_ARGUMENT,
                "avg_pool2d: padding[1] is 2, but must be at most 1, half of kernel[1] 2");
    o = tg_pool_defaults(1);
    o.kernel[1] = o.dilation[1] = 2;
    o.stride[0] = o.stride[1] = o.padding[1] = 1;
    assert_null(tg_max_pool2d(tg_ones(tg, TG_F32, TG_SHAPE(1, 3, 1)), &o));
    check_error(tg, TG_ERR_SHAPE,
                "max_pool2d: a window holds no element of the input [1, 3, 1] but padding alone; "
                "padding[1] 1 or dilation[1] 2 is too large");
    o = tg_pool_defaults(INT64_MAX);
    assert_null(tg_max_pool2d(x, &o));
    assert_int_equal(tg_error_code(tg), TG_ERR_ARGUMENT);
    tg_clear_error(tg);
    assert_null(tg_avg_pool2d(x, NULL));
    check_error(tg, TG_ERR_ARGUMENT,
                "avg_pool2d: the options are NULL, but the kernel has no default; give "
                "TG_POOL(.kernel = {2, 2})");
    o = tg_pool_defaults(2);
    assert_null(tg_max_pool2d(tg_ones(tg, TG_I64, TG_SHAPE(2, 3, 3)), &o));
    check_error(tg, TG_ERR_DTYPE, "max_pool2d: not for int64; use tg_cast");
    assert_null(tg_max_pool2d(tg_ones(tg, TG_F32, TG_SHAPE(3, 3)), &o));
    check_error(tg, TG_ERR_SHAPE,
                "max_pool2d: the input [3, 3] is no image (C, H, W) or (N, C, H, W)");
    assert_true(!tg_max_pool2d(NULL, &o) && !tg_avg_pool2d(NULL, NULL));
    check_ok(tg);
}

/* ---- The greatest elements. */

/* The place of the greatest element of window c of a row, by definition: the first one of equal
 * elements, but the last one of NaNs. */
static int64_t place_of_greatest(const tg_tensor *row, const tg_pool_options *o, int64_t c)
{
    int64_t place = -1;
    for (int64_t j = 0; j < o->kernel[1]; j++) {
        const int64_t at = c * o->stride[1] - o->padding[1] + j * o->dilation[1];
        if (at < 0 || at >= row->numel) continue;
        const double value = element_of(row, at);
        if (place < 0 || isnan(value) || value > element_of(row, place)) place = at;
    }
    return place;
}

/* The gradient tells which element of a window was chosen, also among equal ones. */
static void check_greatest(tg_tensor *row, const tg_pool_options *o)
{
    double gradient[300] = {0};
    tg_tensor *y = tg_max_pool2d(row, o);
    check_ok(row->context);
    for (int64_t c = 0; c < y->numel; c++) {
        const int64_t place = place_of_greatest(row, o, c);
        const double most = element_of(row, place), found = element_of(y, c);
        assert_true(found == most || (isnan(found) && isnan(most)));
        gradient[place] += 1;
    }
    tg_clear_grad(row);
    assert_true(tg_backward_with(y, tg_ones(row->context, row->dtype, (tg_shape){3, y->shape})));
    for (int64_t i = 0; i < row->numel; i++) assert_true(element_of(row->grad, i) == gradient[i]);
}

static void test_max_pool2d_of_long_rows(void **state)
{
    tg_context *tg = *state;
    const tg_pool_options all[] = {
        {.kernel = {1, 2}, .stride = {1, 2}, .dilation = {1, 1}},
        {.kernel = {1, 3}, .stride = {1, 1}, .padding = {0, 1}, .dilation = {1, 1}},
        {.kernel = {1, 3}, .stride = {1, 2}, .dilation = {1, 4}, .ceil_mode = true},
        {.kernel = {1, 50}, .stride = {1, 1}, .padding = {0, 25}, .dilation = {1, 1}}};
    const double special[] = {NAN, INFINITY, -INFINITY, 0, -0.0};
    for (int dtype = TG_F32; dtype <= TG_F64; dtype++)
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
            tg_tensor *row = tg_randint(tg, -4, 4, TG_SHAPE(1, 1, 300));
            row = tg_cast(row, (tg_dtype)dtype);
            for (int64_t i = 0; i < row->numel; i += 7)
                tg_set(row, TG_INDEX(0, 0, i), special[i % 5]);
            check_greatest(tg_requires_grad_(row, true), &all[k]);
        }
}

/* ---- The accuracy of means of many elements, and of their gradients. */

/* The error is at most 64 u for the additions within a block, one u for the sum of the blocks, one
 * for the quotient, and one for the product with SIZE in this test. */
static void test_means_of_large_windows(void **state)
{
    tg_context *tg = *state;
    enum { SIZE = 300 };
    const tg_pool_options o = tg_pool_defaults(SIZE);
    for (int kind = 0; kind < KINDS_OF_TERMS; kind++) {
        tg_tensor *x = terms_of(tg, kind, TG_SHAPE(1, SIZE, SIZE));
        exact_sum exact = {0, 0, 0};
        for (int64_t i = 0; i < x->numel; i++) add_exactly(&exact, element_of(x, i), 1);
        check_sum(tg_item(tg_avg_pool2d(x, &o)) * SIZE * SIZE, exact, unit_of(TG_F64), 67.001);
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
    const double u = unit_of(x->dtype), count = (double)(o->kernel[0] * o->kernel[1]);
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
    tg_context *tg = *state;
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

/* Small windows, of which a row has many: they touch, overlap, reach into the padding, or leave
 * some elements out. */
static void test_gradient_of_means_of_small_windows(void **state)
{
    tg_context *tg = *state;
    static const int64_t sizes[][6] = {/* kernel, stride and padding */
                                       {2, 2, 2, 2, 0, 0},  {2, 2, 2, 2, 1, 1}, {3, 3, 2, 2, 1, 1},
                                       {3, 3, 1, 1, 1, 1},  {2, 3, 3, 5, 0, 1}, {1, 2, 2, 1, 0, 1},
                                       {7, 150, 7, 1, 0, 0}};
    for (int dtype = TG_F32; dtype <= TG_F64; dtype++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            const int64_t *s = sizes[k];
            const tg_pool_options o = {.kernel = {s[0], s[1]},
                                       .stride = {s[2], s[3]},
                                       .padding = {s[4], s[5]},
                                       .dilation = {1, 1},
                                       .count_include_pad = true};
            tg_tensor *x =
                tg_requires_grad_(tg_zeros(tg, (tg_dtype)dtype, TG_SHAPE(1, 7, 150)), true);
            tg_tensor *y = tg_avg_pool2d(x, &o);
            check_ok(tg);
            tg_tensor *g = tg_randn(tg, (tg_dtype)dtype, TG_SHAPE(1, y->shape[1], y->shape[2]));
            assert_true(tg_backward_with(y, g));
            check_image_of_means(&o, x, y, g);
        }
}

/* The element in the middle lies in KERNEL^2 windows, whose gradients are equal. Additions of equal
 * terms round in the same direction for long, so that errors add up. Each of the two sums has less
 * than 512 terms, as above. */
static void test_gradient_of_means_of_many_windows(void **state)
{
    tg_context *tg = *state;
    enum { KERNEL = 100, SIZE = 2 * KERNEL - 1 };
    tg_pool_options o = tg_pool_defaults(KERNEL);
    o.stride[0] = o.stride[1] = 1;
    for (int dtype = TG_F32; dtype <= TG_F64; dtype++) {
        tg_tensor *x = tg_zeros(tg, (tg_dtype)dtype, TG_SHAPE(1, SIZE, SIZE));
        tg_requires_grad_(x, true);
        assert_true(tg_backward(tg_sum(tg_avg_pool2d(x, &o))));
        check_sum(element_of(x->grad, x->numel / 2), n_times(1, 1), unit_of((tg_dtype)dtype),
                  2 * (32 + 4) + 2);
    }
}

/* The sum of a million elements 0.1, added one after the other in float32, would be 100958. The
 * library rounds the sum and the quotient once each. */
static void test_avg_pool2d_of_a_large_window(void **state)
{
    tg_context *tg = *state;
    const tg_pool_options o = tg_pool_defaults(1000);
    tg_tensor *x = tg_full(tg, TG_F32, TG_SHAPE(1, 1000, 1000), 0.1);
    assert_true(fabs(tg_item(tg_avg_pool2d(x, &o)) - (double)0.1f) <= 2 * 0x1p-24 * 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_arguments_of_pooling_are_refused),
        cmocka_unit_test(test_max_pool2d_of_long_rows),
        cmocka_unit_test(test_means_of_large_windows),
        cmocka_unit_test(test_gradient_of_means_of_windows_that_overlap),
        cmocka_unit_test(test_gradient_of_means_of_small_windows),
        cmocka_unit_test(test_gradient_of_means_of_many_windows),
        cmocka_unit_test(test_avg_pool2d_of_a_large_window),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
