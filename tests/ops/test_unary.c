/* Functions of one tensor: what their gradients read. */
#include "leaf.h"

/* The gradient of expm1 reads the result alone, so that the input may be overwritten. */
static void test_input_of_expm1_may_be_overwritten_before_backward(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = leaf(tg, 0, 1), *b = tg_clone(a), *y = tg_expm1(b);
    assert_non_null(tg_zero_(b));
    assert_true(tg_backward(tg_sum(y)));
    check_near(a->grad, 1, exp(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input_of_expm1_may_be_overwritten_before_backward),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
