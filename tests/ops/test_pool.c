/* Pooling: wrong arguments. */
#include "leaf.h"

static void test_pools_refused(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pools_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
