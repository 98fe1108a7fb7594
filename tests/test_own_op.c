/* An operation of one's own: a forward and a backward function. */
#include "leaf.h"

/* ---- x y^n: two inputs, an attribute, gradients written with the library's operations. */

static tg_tensor *forward(tg_list in, const void *attributes)
{
    const double n = *(const double *)attributes;
    return tg_mul(in.items[0], tg_pow_scalar(in.items[1], n));
}

static tg_tensor *backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                           const void *attributes)
{
    const double n = *(const double *)attributes;
    tg_tensor *x = in.items[0], *y = in.items[1];
    assert_int_equal(out->numel, grad->numel);
    if (i == 0) return tg_mul(grad, tg_pow_scalar(y, n));
    return tg_mul(grad, tg_mul_scalar(tg_mul(x, tg_pow_scalar(y, n - 1)), n));
}

static const tg_autograd_function times_power = {"times_power", forward, backward};

static tg_tensor *apply(tg_list in, void *user)
{
    return tg_apply(&times_power, in, user, sizeof(double));
}

static void test_values_and_gradients(void **state)
{
    double n = 3;
    tg_tensor *x = leaf(*state, 2, -1), *y = leaf(*state, 1.5, 2);
    tg_tensor *out = apply(TG_LIST(x, y), &n);
    n = 7; /* the attributes were copied */
    check_near(out, 6.75, -8);
    assert_true(out->requires_grad && !x->grad);
    assert_true(tg_backward(tg_sum(out)));
    check_near(x->grad, 3.375, 8);
    check_near(y->grad, 13.5, -12);
}

static void test_gradient_of_the_gradient(void **state)
{
    double n = 3;
    tg_list in = TG_LIST(leaf(*state, 2, -1), leaf(*state, 1.5, 2));
    assert_true(tg_gradcheck(apply, in, &n, NULL));
    assert_true(tg_gradgradcheck(apply, in, &n, NULL));
}

static void test_printed_as_what_made_it(void **state)
{
    double n = 2;
    char text[200];
    tg_snprint(text, sizeof text, apply(TG_LIST(leaf(*state, 2), leaf(*state, 3)), &n));
    assert_string_equal(text, "tensor([18.], dtype=torch.float64, grad_fn=<times_powerBackward>)");
}

static void test_constants_are_not_recorded(void **state)
{
    double n = 2;
    tg_tensor *x = leaf(*state, 2), *y = constant(*state, 3);
    assert_false(apply(TG_LIST(y, y), &n)->requires_grad);
    tg_no_grad_begin(*state);
    assert_false(apply(TG_LIST(x, y), &n)->requires_grad);
    tg_no_grad_end(*state);
    assert_true(tg_backward(apply(TG_LIST(x, y), &n)));
    assert_null(y->grad);
}

static void test_changes_in_place_are_noticed(void **state)
{
    double n = 2;
    tg_tensor *x = leaf(*state, 2), *y = constant(*state, 3);
    tg_tensor *out = apply(TG_LIST(x, y), &n);
    tg_fill_(y, 4);
    assert_false(tg_backward(out));
    check_error(*state, TG_ERR_AUTOGRAD,
                "backward: the gradient of times_power needs its input 2, a tensor [1], but fill_ "
                "changed it in place");
    assert_null(x->grad);
}

/* ---- More inputs than any operation of the library has, all but one without a gradient. */

static tg_tensor *sum_of_all(tg_list in, const void *attributes)
{
    (void)attributes;
    tg_tensor *sum = tg_clone(in.items[0]);
    for (int i = 1; i < in.n; i++) sum = tg_add(sum, in.items[i]);
    return sum;
}

static tg_tensor *to_the_last(tg_list in, tg_tensor *out, tg_tensor *grad, int i, const void *a)
{
    (void)out, (void)a;
    return i == in.n - 1 ? grad : NULL;
}

static void test_many_inputs(void **state)
{
    static const tg_autograd_function f = {"sum_of_all", sum_of_all, to_the_last};
    tg_tensor *x[20];
    for (int i = 0; i < 20; i++) x[i] = leaf(*state, i, 1);
    tg_tensor *out = tg_apply(&f, (tg_list){20, x}, NULL, 0);
    check_values(out, 190, 20);
    assert_true(tg_backward(tg_sum(out)));
    check_values(x[0]->grad, 0, 0);
    check_values(x[19]->grad, 1, 1);
}

/* ---- What a backward returns is not the sweep's to release. */

static tg_tensor *returns_input(tg_list in, tg_tensor *out, tg_tensor *grad, int i, const void *a)
{
    (void)out, (void)grad, (void)i, (void)a;
    return in.items[1];
}

static void test_backward_may_return_an_input(void **state)
{
    static const tg_autograd_function f = {"sum_of_all", sum_of_all, returns_input};
    tg_tensor *x = leaf(*state, 2, 3), *c = constant(*state, 5, 6);
    tg_tensor *out =
        tg_add(tg_apply(&f, TG_LIST(x, c), NULL, 0), tg_apply(&f, TG_LIST(x, c), NULL, 0));
    assert_true(tg_backward(tg_sum(out)));
    check_values(x->grad, 10, 12);
    check_values(c, 5, 6);
    tg_fill_(x->grad, 0);
    check_values(c, 5, 6);
}

/* ---- What is refused. */

static tg_tensor *nothing(tg_list in, const void *attributes)
{
    (void)in, (void)attributes;
    return NULL;
}

static tg_tensor *first_input(tg_list in, const void *attributes)
{
    (void)attributes;
    return in.items[0];
}

static tg_tensor *view_of_input(tg_list in, const void *attributes)
{
    (void)attributes;
    return tg_unsqueeze(in.items[0], 0);
}

static tg_tensor *failing(tg_list in, const void *attributes)
{
    (void)attributes;
    return tg_matmul(in.items[0], tg_scalar(in.items[0]->context, TG_F64, 1));
}

static void test_forwards_refused(void **state)
{
    static const char text[] = "own: forward must return a tensor that it made in the current "
                               "scope, not NULL, nor an input or a view of one; tg_clone makes one";
    tg_tensor *x = leaf(*state, 1);
    tg_tensor *(*const bad[])(tg_list, const void *) = {nothing, first_input, view_of_input};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        tg_autograd_function f = {"own", bad[k], to_the_last};
        assert_null(tg_apply(&f, TG_LIST(x), NULL, 0));
        check_error(*state, TG_ERR_AUTOGRAD, text);
    }
    assert_true(tg_is_grad_enabled(*state));
    tg_autograd_function f = {"own", failing, to_the_last};
    assert_null(tg_apply(&f, TG_LIST(x), NULL, 0));
    assert_true(strncmp(tg_error(*state), "matmul: ", 8) == 0);
    tg_clear_error(*state);
}

static void test_arguments_refused(void **state)
{
    char big[100] = {0};
    tg_tensor *x = leaf(*state, 1);
    tg_autograd_function f = {"own", sum_of_all, NULL};
    assert_null(tg_apply(&f, TG_LIST(x), big, sizeof big));
    check_error(*state, TG_ERR_ARGUMENT, "own: 100 bytes of attributes, of 72 at most");
    assert_null(tg_apply(&f, TG_LIST(x), NULL, 8));
    check_error(*state, TG_ERR_ARGUMENT, "own: 8 bytes of attributes, of 72 at most");
    assert_null(tg_apply(NULL, TG_LIST(x), NULL, 0));
    check_error(*state, TG_ERR_ARGUMENT, "apply: a function needs a name and a forward");
    assert_null(tg_apply(&f, TG_LIST(x, NULL), NULL, 0));
    check_error(*state, TG_ERR_ARGUMENT, "own: tensor 2 is NULL");
    assert_null(tg_apply(&f, TG_LIST(), NULL, 0));
    check_ok(*state);
    tg_tensor *out = tg_apply(&f, TG_LIST(x), NULL, 0);
    assert_false(tg_backward(out));
    check_error(*state, TG_ERR_AUTOGRAD, "backward: own has no gradient");
}

static tg_tensor *wrong_shape(tg_list in, tg_tensor *out, tg_tensor *grad, int i, const void *a)
{
    (void)in, (void)out, (void)i, (void)a;
    return tg_sum(grad);
}

static void test_a_gradient_of_another_shape(void **state)
{
    static const tg_autograd_function f = {"own", sum_of_all, wrong_shape};
    tg_tensor *x = leaf(*state, 1, 2);
    assert_false(tg_backward(tg_sum(tg_apply(&f, TG_LIST(x), NULL, 0))));
    check_error(*state, TG_ERR_AUTOGRAD,
                "own: the gradient of input 1 is float64 [], the input is float64 [2]");
    assert_null(x->grad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_gradients),
        cmocka_unit_test(test_gradient_of_the_gradient),
        cmocka_unit_test(test_printed_as_what_made_it),
        cmocka_unit_test(test_constants_are_not_recorded),
        cmocka_unit_test(test_changes_in_place_are_noticed),
        cmocka_unit_test(test_many_inputs),
        cmocka_unit_test(test_backward_may_return_an_input),
        cmocka_unit_test(test_forwards_refused),
        cmocka_unit_test(test_arguments_refused),
        cmocka_unit_test(test_a_gradient_of_another_shape),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
