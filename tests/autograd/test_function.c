/* User-defined operations, which tg_apply makes from a forward and a backward function. */
#include "leaf.h"
#include "sanitizer.h"

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

/* ---- The sweep must not release a tensor that a backward function returns. */

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

/* ---- All gradients at once, of which one is handed out later. */

typedef struct later {
    tg_tensor *second;
} later;

static tg_tensor *product_forward(tg_list in, const void *attributes)
{
    (void)attributes;
    return tg_mul(in.items[0], in.items[1]);
}

static tg_tensor *product_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                   const void *attributes)
{
    later *l = *(later *const *)attributes;
    (void)out;
    if (i == 0) l->second = tg_mul(grad, in.items[0]);
    return i == 0 ? tg_mul(grad, in.items[1]) : l->second;
}

static tg_tensor *copy_of_first(tg_list in, const void *attributes)
{
    (void)attributes;
    return tg_clone(in.items[0]);
}

static tg_tensor *same_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                const void *attributes)
{
    later *l = *(later *const *)attributes;
    (void)in, (void)out;
    if (i == 0) l->second = tg_mul_scalar(grad, 7);
    return l->second;
}

static void test_gradients_made_together(void **state)
{
    static const tg_autograd_function product = {"product", product_forward, product_backward};
    static const tg_autograd_function same = {"same", product_forward, same_backward};
    later l, *at = &l;
    for (int64_t n = 10; n <= 10000; n *= 1000) {
        tg_tensor *x = tg_requires_grad_(tg_full(*state, TG_F32, TG_SHAPE(n), 3), true);
        tg_tensor *y = tg_requires_grad_(tg_full(*state, TG_F32, TG_SHAPE(n), 5), true);
        assert_true(tg_backward(tg_sum(tg_apply(&product, TG_LIST(x, y), &at, sizeof at))));
        assert_true(element_of(x->grad, n - 1) == 5 && element_of(y->grad, n - 1) == 3);
        tg_tensor *sum = tg_sum(tg_apply(&same, TG_LIST(tg_neg(x), tg_neg(y)), &at, sizeof at));
        assert_true(tg_backward(sum));
        assert_true(element_of(x->grad, n - 1) == -2 && element_of(y->grad, n - 1) == -4);
    }
}

/* ---- Released tensors, which a sweep reads where a record has kept them. */

typedef struct freed {
    tg_tensor *held;
} freed;

static tg_tensor *forgetful_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                     const void *attributes)
{
    const freed *f = *(freed *const *)attributes;
    (void)in, (void)out, (void)i;
    return tg_mul(grad, f->held);
}

static void test_what_no_record_kept_is_gone(void **state)
{
    static const tg_autograd_function forgetful = {"forgetful", copy_of_first, forgetful_backward};
    tg_tensor *x = tg_requires_grad_(tg_full(*state, TG_F64, TG_SHAPE(3000), 1), true);
    freed f = {tg_full(*state, TG_F64, TG_SHAPE(3000), 5)}, *at = &f;
    tg_tensor *y = tg_apply(&forgetful, TG_LIST(x), &at, sizeof at);
    release_noticed(f.held);
    assert_false(tg_backward(tg_sum(tg_add(y, x))));
    check_error(*state, TG_ERR_CONTEXT, "mul: the tensor [3000] was released");
    assert_null(x->grad);
}

#ifndef UNDER_ASAN /* which stops at the use of what was released */
static tg_tensor *releasing_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                     const void *attributes)
{
    tg_tensor *own = tg_mul(grad, in.items[0]);
    (void)out, (void)i, (void)attributes;
    tg_release(own);
    return own;
}

static void test_a_gradient_that_was_released(void **state)
{
    static const tg_autograd_function releasing = {"releasing", copy_of_first, releasing_backward};
    tg_tensor *x = tg_requires_grad_(tg_full(*state, TG_F64, TG_SHAPE(3000), 1), true);
    assert_false(tg_backward(tg_sum(tg_apply(&releasing, TG_LIST(x), NULL, 0))));
    check_error(*state, TG_ERR_CONTEXT, "releasing: the tensor [3000] was released");
    assert_null(x->grad);
}
#endif

/* ---- Gradients taken within a backward. */

typedef struct inner {
    tg_tensor *loss, *w, *g;
} inner;

static tg_tensor *asking_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                  const void *attributes)
{
    inner *a = *(inner *const *)attributes;
    tg_tensor *g;
    (void)in, (void)out, (void)i;
    assert_true(tg_grad(TG_LIST(a->loss), TG_LIST(a->w), &g, NULL) && tg_backward(a->loss));
    a->g = tg_copy_(a->g, g);
    return grad;
}

static void test_a_gradient_within_a_backward(void **state)
{
    static const tg_autograd_function asking = {"asking", copy_of_first, asking_backward};
    tg_tensor *w = leaf(*state, 2, 2);
    inner a = {tg_sum(tg_square(w)), w, tg_zeros(*state, TG_F64, TG_SHAPE(2))}, *at = &a;
    tg_tensor *y = tg_apply(&asking, TG_LIST(tg_mul_scalar(w, 3)), &at, sizeof at);
    assert_true(tg_backward(tg_add(tg_sum(y), tg_sum(tg_mul_scalar(w, 10)))));
    check_values(a.g, 4, 4);
    check_values(w->grad, 13 + 4, 13 + 4); /* and what the backward within has added */
}

static tg_tensor *failing_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                   const void *attributes)
{
    (void)out, (void)i, (void)attributes;
    tg_matmul(in.items[0], tg_scalar(grad->context, TG_F64, 1));
    return grad;
}

static void test_a_failure_within_a_backward(void **state)
{
    static const tg_autograd_function f = {"failing", copy_of_first, failing_backward};
    tg_tensor *w = leaf(*state, 2);
    assert_false(tg_backward(tg_apply(&f, TG_LIST(w), NULL, 0)));
    assert_int_equal(tg_error_code(*state), TG_ERR_SHAPE);
    tg_clear_error(*state);
    assert_null(w->grad);
}

static tg_tensor *counting_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                    const void *attributes)
{
    (void)in, (void)out, (void)i;
    ++**(int *const *)attributes;
    return grad;
}

/* A sweep does not run records behind its inputs, even if their values were overwritten or they
 * have no gradient. */
static void test_a_gradient_ends_at_its_inputs(void **state)
{
    static const tg_autograd_function counting = {"counting", copy_of_first, counting_backward};
    static const tg_autograd_function without = {"without", copy_of_first, NULL};
    int calls = 0, *at = &calls;
    tg_tensor *x = leaf(*state, 3), *g[2], *y = tg_mul_scalar(x, 2), *h = tg_mul(y, y);
    tg_fill_(y, 1);
    assert_true(tg_grad(TG_LIST(tg_square(h)), TG_LIST(h), g, NULL));
    check_values(g[0], 72);
    h = tg_apply(&without, TG_LIST(x), NULL, 0);
    assert_true(tg_grad(TG_LIST(tg_square(h)), TG_LIST(h), g, NULL));
    check_values(g[0], 6);
    y = tg_apply(&counting, TG_LIST(x), &at, sizeof at);
    h = tg_square(y);
    tg_tensor *loss = tg_mul(h, y); /* x^3, through both */
    assert_true(tg_grad(TG_LIST(loss), TG_LIST(h, y), g, NULL));
    check_values(g[0], 3);
    check_values(g[1], 27);
    assert_int_equal(calls, 0);
    assert_true(tg_grad(TG_LIST(loss), TG_LIST(h, x), g, NULL));
    check_values(g[1], 27);
    assert_int_equal(calls, 1);
}

/* A backward that computes its forward again, with a graph, as checkpointing does. */
static tg_tensor *again_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                 const void *attributes)
{
    tg_tensor *x = in.items[0], *g = NULL;
    tg_grad_options o = tg_grad_defaults();
    (void)out, (void)i, (void)attributes;
    o.grad_outputs = (tg_list){1, &grad};
    tg_no_grad_end(x->context);
    x = tg_requires_grad_(tg_detach(x), true);
    assert_true(tg_grad(TG_LIST(tg_square(x)), TG_LIST(x), &g, &o));
    tg_no_grad_begin(x->context);
    return g;
}

static tg_tensor *square_forward(tg_list in, const void *attributes)
{
    (void)attributes;
    return tg_square(in.items[0]);
}

static void test_a_checkpoint_of_released_tensors(void **state)
{
    static const tg_autograd_function again = {"again", square_forward, again_backward};
    tg_tensor *w = leaf(*state, 3, 3);
    tg_tensor *h = tg_square(w), *square = tg_mul(h, h);
    tg_tensor *y = tg_apply(&again, TG_LIST(square), NULL, 0);
    tg_release(square);
    tg_release(h);
    assert_true(tg_backward(tg_sum(y)));
    check_values(w->grad, 8 * 2187, 8 * 2187); /* of w^8 */
}

static void test_forwards_refused(void **state)
{
    static const char input[] =
        "own: forward returned inputs.items[0] or a view of it; return a tg_clone of that";
    static const char *const texts[] = {"own: forward returned NULL", input, input};
    tg_tensor *x = leaf(*state, 1);
    tg_tensor *(*const bad[])(tg_list, const void *) = {nothing, first_input, view_of_input};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        tg_autograd_function f = {"own", bad[k], to_the_last};
        assert_null(tg_apply(&f, TG_LIST(x), NULL, 0));
        check_error(*state, TG_ERR_AUTOGRAD, texts[k]);
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
    check_error(*state, TG_ERR_ARGUMENT,
                "own: the attributes have 100 bytes, but at most 72 are allowed");
    assert_null(tg_apply(&f, TG_LIST(x), NULL, 8));
    check_error(*state, TG_ERR_ARGUMENT, "own: attributes is NULL, but bytes is 8");
    assert_null(tg_apply(NULL, TG_LIST(x), NULL, 0));
    check_error(*state, TG_ERR_ARGUMENT, "apply: the function is NULL");
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
                "own: the gradient of inputs.items[0] is float64 [], the input is float64 [2]");
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
        cmocka_unit_test(test_gradients_made_together),
        cmocka_unit_test(test_what_no_record_kept_is_gone),
#ifndef UNDER_ASAN
        cmocka_unit_test(test_a_gradient_that_was_released),
#endif
        cmocka_unit_test(test_a_gradient_within_a_backward),
        cmocka_unit_test(test_a_failure_within_a_backward),
        cmocka_unit_test(test_a_gradient_ends_at_its_inputs),
        cmocka_unit_test(test_a_checkpoint_of_released_tensors),
        cmocka_unit_test(test_forwards_refused),
        cmocka_unit_test(test_arguments_refused),
        cmocka_unit_test(test_a_gradient_of_another_shape),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
