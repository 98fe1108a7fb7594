/* Extremes: what their gradients keep, and how equals share them. */
#include "leaf.h"

/* The gradient reads the indices of the extremes, not the input, which can be freed. */
static void test_max_dim_and_min_dim_let_go_of_their_input(void **state)
{
    tg_context *tg = *state;
    for (int keepdim = 0; keepdim < 2; keepdim++) {
        tg_tensor *a = leaf_of(tg, TG_SHAPE(2, 3), (double[]){1, 3, 3, -2, NAN, 0});
        tg_tensor *b = tg_clone(a), *c = tg_transpose(tg_clone(tg_t(a)), 0, 1);
        tg_tensor *most = tg_max_dim(b, 1, keepdim), *least = tg_min_dim(c, 0, keepdim);
        check_values(most, 3, NAN);
        check_values(least, -2, NAN, 0);
        assert_non_null(tg_zero_(b));
        tg_release(c);
        assert_true(tg_backward(tg_add(tg_sum(most), tg_sum(tg_mul_scalar(least, 10)))));
        check_values(a->grad, 0, 1, 0, 10, 11, 10);
    }
    tg_tensor *scalar = tg_requires_grad_(tg_scalar(tg, TG_F64, 5), true);
    assert_true(tg_backward(tg_max_dim(scalar, 0, false)));
    check_values(scalar->grad, 1);
}

/* The values are PyTorch's. */
static void test_max_and_min_share_their_gradient_among_equals(void **state)
{
    tg_context *tg = *state;
    const double with_nan[] = {1, NAN, 3, NAN};
    tg_tensor *a = leaf(tg, 1, 3, 3, 2), *b = leaf_of(tg, TG_SHAPE(2, 2), with_nan);
    tg_tensor *c = leaf(tg, 3, 1, 1);
    assert_true(tg_backward(tg_mul_scalar(tg_max(a), 3)));
    check_values(a->grad, 0, 1.5, 1.5, 0);
    assert_true(tg_backward(tg_min(c)));
    check_values(c->grad, 0, 0.5, 0.5);
    assert_true(tg_backward(tg_max(b)));
    assert_true(tg_backward(tg_min(b)));
    check_values(b->grad, 0, 1, 0, 1);
}

/* No kernel takes such elements as they lie in memory, and they are too many to be copied as a
 * whole: the element (a, b, c) is 100 * b + (a + c) % 5. */
static void test_reductions_of_large_tensors_whose_terms_are_far_apart(void **state)
{
    tg_context *tg = *state;
    enum { A = 41, B = 4, C = 430 };
    for (tg_dtype d = TG_F32; d <= TG_F64; d++) {
        tg_tensor *x = tg_empty(tg, d, TG_SHAPE(A, B, 2 * C));
        for (int64_t i = 0; i < x->numel; i++) {
            const double value =
                (double)(100 * (i / (2 * C) % B) + (i / (2 * C * B) + i % (2 * C) / 2) % 5);
            if (d == TG_F32)
                ((float *)x->data)[i] = (float)value;
            else
                ((double *)x->data)[i] = value;
        }
        x = tg_slice(x, 2, 0, 2 * C, 2);
        tg_tensor *sum = tg_sum_dims(x, TG_DIMS(0, 2), false);
        tg_tensor *by_b = tg_permute(x, TG_DIMS(1, 0, 2)); /* (B, A, C) */
        tg_tensor *most = tg_max_dim(by_b, 2, false), *at = tg_argmax_dim(by_b, 2, false);
        for (int64_t b = 0; b < B; b++) {
            double total = 0;
            for (int64_t a = 0; a < A; a++) {
                for (int64_t c = 0; c < C; c++) total += (double)(100 * b + (a + c) % 5);
                assert_true(element_of(most, b * A + a) == (double)(100 * b + 4));
                assert_true(element_of(at, b * A + a) == (double)((4 - a % 5 + 5) % 5));
            }
            assert_true(element_of(sum, b) == total);
        }
        check_ok(tg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_max_dim_and_min_dim_let_go_of_their_input),
        cmocka_unit_test(test_max_and_min_share_their_gradient_among_equals),
        cmocka_unit_test(test_reductions_of_large_tensors_whose_terms_are_far_apart),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
