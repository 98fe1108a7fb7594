/* scatter_add and the like, where many float32 terms go to one element: a plain sum of ones would
 * stop at 2^24, as 2^24 + 1 is rounded to 2^24. */
#include "check.h"

enum { TERMS = 100000 };

/* 0.1, as a float, so many times; rounded once. */
static double tenths(double terms)
{
    return (double)(float)(terms * (double)0.1f);
}

static tg_tensor *places(tg_context *tg, int64_t n)
{
    return tg_expand(tg_zeros(tg, TG_I64, TG_SHAPE(1)), TG_SHAPE(n));
}

static void test_scatter_add_passes_2_to_the_24(void **state)
{
    tg_context *tg = *state;
    const int64_t n = (1 << 24) + 1024;
    tg_tensor *a = tg_zeros(tg, TG_F32, TG_SHAPE(3));
    tg_tensor *terms = tg_expand(tg_ones(tg, TG_F32, TG_SHAPE(1)), TG_SHAPE(n));
    check_values(tg_scatter_add(a, 0, places(tg, n), terms), (double)n, 0, 0);
}

/* The gradient of sum(f(x)) / 10, where f takes x[0] so many times. */
static double gradient_of(tg_tensor *x, tg_tensor *y)
{
    tg_tensor *weight = tg_full_like(y, 0.1);
    assert_true(tg_backward_with(y, weight));
    check_ok(x->context);
    return tg_get(x->grad, (tg_shape){x->ndim, (int64_t[]){0, 0}});
}

static void test_gradients_of_what_is_taken_many_times(void **state)
{
    tg_context *tg = *state;
    tg_tensor *index = places(tg, TERMS);
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true);
    assert_true(gradient_of(x, tg_gather(x, 0, index)) == tenths(TERMS));
    x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true);
    assert_true(gradient_of(x, tg_index_select(x, 0, index)) == tenths(TERMS));
    x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2, 3)), true);
    assert_true(gradient_of(x, tg_embedding(index, x, TG_NO_INDEX)) == tenths(TERMS));
}

static void test_scatter_add_begins_with_what_is_there(void **state)
{
    tg_context *tg = *state;
    const float start[] = {0.25f, -3, 7};
    const int64_t at[] = {0, 2, 2, 0, 2, 2, 2, 2, 0, 0, 2, 2};
    tg_tensor *a = tg_from_f32(tg, TG_SHAPE(3), start), *index = tg_from_i64(tg, TG_SHAPE(12), at);
    check_values(tg_scatter_add(a, 0, index, tg_full(tg, TG_F32, TG_SHAPE(12), 0.5)), 2.25, -3, 11);
}

/* Added one after the other in float32, the sum is 100958. The sum and the quotient round once
 * each. */
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
        cmocka_unit_test(test_scatter_add_passes_2_to_the_24),
        cmocka_unit_test(test_gradients_of_what_is_taken_many_times),
        cmocka_unit_test(test_scatter_add_begins_with_what_is_there),
        cmocka_unit_test(test_avg_pool2d_of_a_large_window),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
