/* tg_backward and tg_grad: their gradients are compared with closed forms. */
#include "leaf.h"

#include <pthread.h>

#include "ops/op.h"

/* ---- Backward. */

static void test_scalar(void **state)
{
    tg_tensor *w = leaf(*state, 1, -2, 0.5), *c = constant(*state, 3, 5, 7);
    tg_tensor *loss = tg_sum(tg_mul(tg_mul(w, w), c));
    assert_true(loss->requires_grad && w->requires_grad && !c->requires_grad);
    assert_null(w->grad);
    assert_true(tg_backward(loss));
    check_values(w->grad, 6, -20, 7);
    assert_null(c->grad);
    assert_null(loss->grad);
    assert_false(w->grad->requires_grad);
}

static void test_not_scalar(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2, 3), *c = constant(*state, 1);
    assert_false(tg_backward(tg_neg(w)));
    check_error(*state, TG_ERR_SHAPE,
                "backward: the output [3] has 3 elements, not one; use tg_backward_with, or a sum "
                "or mean");
    assert_false(tg_backward(c));
    check_error(*state, TG_ERR_AUTOGRAD,
                "backward: the tensor [1] does not require grad: it depends on no leaf that does, "
                "or was made after tg_no_grad_begin");
    assert_null(w->grad);
    assert_false(tg_backward(NULL));
    assert_true(tg_ok(*state));
}

static void test_given_gradient(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2, 3), *y = tg_mul_scalar(w, 2);
    assert_true(tg_backward_with(y, constant(*state, 1, 10, 100)));
    check_values(w->grad, 2, 20, 200);
    assert_false(tg_backward_with(y, constant(*state, 1, 10)));
    check_error(*state, TG_ERR_SHAPE,
                "backward: the gradient is float64 [2], the output float64 [3]");
    assert_false(tg_backward_with(y, tg_ones(*state, TG_F32, TG_SHAPE(3))));
    check_error(*state, TG_ERR_DTYPE,
                "backward: the gradient is float32 [3], the output float64 [3]");
    assert_false(tg_backward_with(y, NULL));
    check_error(*state, TG_ERR_ARGUMENT, "backward: gradient is NULL");
    assert_false(tg_backward_with(NULL, y));
    check_error(*state, TG_ERR_ARGUMENT, "backward: output is NULL");
    check_values(w->grad, 2, 20, 200);
}

/* The gradient that is given to backward may be the grad that the result is added to. */
static void test_given_gradient_is_a_grad(void **state)
{
    tg_tensor *w = leaf_of(*state, TG_SHAPE(2, 2), (double[]){1, 2, 3, 4});
    tg_tensor *v = leaf_of(*state, TG_SHAPE(2, 2), (double[]){0, 0, 0, 0});
    tg_tensor *weight = tg_from_f64(*state, TG_SHAPE(2, 2), (double[]){1, 10, 100, 1000});
    assert_true(tg_backward_with(tg_clone(w), weight));
    assert_true(tg_backward_with(tg_t(w), w->grad));
    check_values(w->grad, 2, 110, 110, 2000);
    assert_true(tg_backward_with(tg_add(w, v), w->grad));
    check_values(w->grad, 4, 220, 220, 4000);
    check_values(v->grad, 2, 110, 110, 2000);
    assert_true(tg_backward_with(tg_add(v, w), w->grad));
    check_values(v->grad, 6, 330, 330, 6000);
    assert_true(tg_backward_with(w, w->grad));
    check_values(w->grad, 16, 880, 880, 16000);
}

/* Backward reads the gradient that it is given, or a view of a grad, where it lies. */
static void test_given_gradient_is_a_view(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *weight = constant(*state, 3, 5);
    assert_true(tg_backward_with(w, weight));
    assert_true(tg_backward_with(tg_add(w, w), weight));
    check_values(w->grad, 9, 15);
    check_values(weight, 3, 5);
    tg_copy_from_f64(weight, (double[]){0, 0});
    check_values(w->grad, 9, 15);
    tg_tensor *column = tg_reshape(w->grad, TG_SHAPE(2, 1));
    assert_true(tg_backward_with(tg_t(tg_unsqueeze(tg_flip(w, TG_DIMS(0)), 0)), column));
    check_values(w->grad, 24, 24);
}

static void test_accumulation(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *v = leaf(*state, 5, 5);
    assert_true(tg_backward(tg_sum(tg_square(w))));
    assert_true(tg_backward(tg_sum(tg_mul(w, v))));
    check_values(w->grad, 7, 9);
    check_values(v->grad, 1, 2);
    assert_true(tg_clear_grad(w));
    assert_null(w->grad);
    assert_true(tg_backward(tg_sum(w)));
    check_values(w->grad, 1, 1);
    check_values(v->grad, 1, 2);
    assert_false(tg_clear_grad(NULL));
}

static void check_twice(tg_context *tg, tg_dtype dtype)
{
    enum { N = 7 };
    double once[N];
    tg_tensor *w = tg_requires_grad_(tg_linspace(tg, dtype, -1.7, 2.3, N), true);
    tg_tensor *loss = tg_mean(tg_mul(tg_sigmoid(tg_exp(w)), tg_tanh(tg_div_scalar(w, 3))));
    assert_true(tg_backward(loss));
    for (int64_t i = 0; i < N; i++) once[i] = tg_get(w->grad, TG_INDEX(i));
    assert_true(tg_backward(loss));
    assert_int_equal(w->grad->dtype, dtype);
    for (int64_t i = 0; i < N; i++) assert_true(tg_get(w->grad, TG_INDEX(i)) == 2 * once[i]);
}

static void test_twice(void **state)
{
    check_twice(*state, TG_F32);
    check_twice(*state, TG_F64);
}

static void test_dtypes_in_one_graph(void **state)
{
    tg_tensor *w = tg_requires_grad_(tg_from_f32(*state, TG_SHAPE(2), (float[]){3, 4}), true);
    tg_tensor *v = leaf(*state, 0.5, 0.25);
    assert_true(tg_backward(tg_sum(tg_mul(tg_cast(w, TG_F64), v))));
    assert_int_equal(w->grad->dtype, TG_F32);
    check_values(w->grad, 0.5, 0.25);
    check_values(v->grad, 3, 4);
}

static void test_many_uses(void **state)
{
    enum { USES = 1000 };
    tg_tensor *w = leaf(*state, 3), *y = tg_square(w), *sum = y;
    for (int i = 1; i < USES; i++) sum = tg_add(sum, y);
    assert_true(tg_backward(sum));
    check_values(w->grad, 6 * USES);
    tg_clear_grad(w);
    assert_true(tg_backward(tg_mul(tg_mul(y, y), y))); /* w^6 */
    check_values(w->grad, 6 * 243);
}

/* A chain of sixty diamonds has 2^60 paths, but backward visits each record once. */
static void test_diamonds(void **state)
{
    tg_tensor *w = leaf(*state, 1), *y = w;
    for (int i = 0; i < 60; i++) y = tg_add(tg_neg(y), tg_mul_scalar(y, 3));
    assert_true(tg_backward(y));
    check_values(w->grad, 0x1p60);
}

static void test_unequal_branches(void **state)
{
    tg_tensor *w = leaf(*state, 2), *a = tg_square(w);
    tg_tensor *b = tg_mul_scalar(tg_neg(tg_neg(a)), 3), *c = tg_add_scalar(a, 1);
    assert_true(tg_backward(tg_mul(b, c))); /* 3 w^4 + 3 w^2 */
    check_values(w->grad, 12 * 8 + 6 * 2);
}

enum { CHAIN = 100000, SMALL_STACK = 1 << 18 };

static void *run_chain(void *arg)
{
    tg_context *tg = arg;
    tg_tensor *w = leaf(tg, 1), *y = w;
    for (int i = 0; i < CHAIN; i++) y = tg_add_scalar(y, 1);
    return y && tg_backward(y) && tg_item(y) == CHAIN + 1 ? w->grad : NULL;
}

/* A chain so long that recursion would overflow the stack. */
static void test_long_chain(void **state)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void *grad;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, SMALL_STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run_chain, *state), 0);
    assert_int_equal(pthread_join(thread, &grad), 0);
    pthread_attr_destroy(&attributes);
    check_values((tg_tensor *)grad, 1);
}

/* The gradient function of a record that is made to look as if a gradient waited at its result. A
 * walk that came as far as this record would call the function. */
static tg_tensor *never_called(const record *r, int i, tg_tensor *g)
{
    (void)i, (void)g;
    return tg__fail(r->out->context, TG_ERR_AUTOGRAD, "the walk went too far");
}

/* Without scopes the tape grows for ever, but backward visits only the records of its own step. */
static void test_steps_without_scopes(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *x = constant(*state, 3, 4), *old = tg_neg(w);
    op_row trap = {.name = "trap", .grad = never_called};
    record *oldest = priv(old)->record;
    oldest->op = &trap;
    priv(old)->pending = old;
    for (int step = 0; step < 100; step++) {
        tg_clear_grad(w);
        assert_true(tg_backward(tg_sum(tg_mul(w, x))));
        assert_true(tg_backward(w->requires_grad ? tg_mean(w) : w));
    }
    priv(old)->pending = NULL;
    check_values(w->grad, 3.5, 4.5);
}

static void test_loss_is_a_leaf(void **state)
{
    tg_tensor *w = leaf(*state, 5), *s = leaf_of(*state, TG_SHAPE(), (double[]){2});
    assert_true(tg_backward(w));
    assert_true(tg_backward(w));
    assert_true(tg_backward(s));
    check_values(w->grad, 2);
    check_values(s->grad, 1);
}

static void test_views_as_outputs(void **state)
{
    tg_tensor *w = leaf_of(*state, TG_SHAPE(2, 3), (double[]){1, 2, 3, 4, 5, 6});
    assert_true(tg_backward(tg_select(tg_select(w, 0, 1), 0, 2)));
    check_values(w->grad, 0, 0, 0, 0, 0, 1);
    tg_clear_grad(w);
    tg_tensor *column = tg_narrow(w, 1, 0, 1), *wide = tg_expand(column, TG_SHAPE(2, 4));
    tg_tensor *weight = tg_arange(*state, TG_F64, 0, 8, 1);
    assert_true(tg_backward_with(wide, tg_view(weight, TG_SHAPE(2, 4))));
    check_values(w->grad, 6, 0, 0, 22, 0, 0);
    tg_clear_grad(w);
    assert_true(tg_backward_with(tg_t(w), tg_expand(constant(*state, 1, 2), TG_SHAPE(3, 2))));
    check_values(w->grad, 1, 1, 1, 2, 2, 2);
}

static void test_empty(void **state)
{
    tg_tensor *none = tg_requires_grad_(tg_zeros(*state, TG_F64, TG_SHAPE(0, 3)), true);
    tg_tensor *w = leaf(*state, 1, 2, 3);
    assert_true(tg_backward(tg_sum(tg_mul(none, w))));
    assert_int_equal(none->grad->numel, 0);
    assert_int_equal(none->grad->shape[1], 3);
    check_values(w->grad, 0, 0, 0);
    assert_true(tg_backward(tg_sum(tg_slice(w, 0, 2, 2, 1))));
    check_values(w->grad, 0, 0, 0);
    tg_tensor *product = tg_matmul(tg_zeros(*state, TG_F64, TG_SHAPE(3, 0)), none);
    assert_true(tg_backward(tg_sum(tg_mul(product, w))));
    check_values(w->grad, 0, 0, 0);
    assert_true(tg_backward_with(tg_neg(none), none));
}

/* ---- Where gradients stop. */

static void test_no_grad(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2);
    assert_true(tg_is_grad_enabled(*state));
    tg_no_grad_begin(*state);
    tg_no_grad_begin(*state);
    assert_false(tg_square(w)->requires_grad);
    tg_no_grad_end(*state);
    assert_false(tg_is_grad_enabled(*state));
    tg_scope_begin(*state);
    tg_no_grad_end(*state);
    assert_true(tg_square(w)->requires_grad);
    tg_no_grad_begin(*state);
    tg_scope_end(*state);
    assert_false(tg_square(w)->requires_grad);
    tg_item(w); /* an error is pending */
    tg_no_grad_end(*state);
    tg_clear_error(*state);
    assert_true(tg_is_grad_enabled(*state));
    tg_no_grad_end(*state);
    check_error(*state, TG_ERR_CONTEXT, "no_grad_end: no no_grad was begun");
    tg_no_grad_begin(NULL);
    tg_no_grad_end(NULL);
    assert_false(tg_is_grad_enabled(NULL));
}

static void test_backward_inside_no_grad(void **state)
{
    tg_tensor *w = leaf(*state, 3), *loss = tg_square(w);
    tg_no_grad_begin(*state);
    assert_true(tg_backward(loss));
    check_values(w->grad, 6);
    assert_false(tg_backward(tg_square(w)));
    tg_no_grad_end(*state);
    check_error(*state, TG_ERR_AUTOGRAD,
                "backward: the tensor [1] does not require grad: it depends on no leaf that does, "
                "or was made after tg_no_grad_begin");
}

static void test_detach(void **state)
{
    tg_tensor *w = leaf(*state, 3, 4), *y = tg_square(w), *d = tg_detach(y);
    assert_false(d->requires_grad);
    assert_ptr_equal(d->data, y->data);
    assert_true(tg_backward(tg_sum(tg_mul(y, d)))); /* 9 w0^2 + 16 w1^2 */
    check_values(w->grad, 54, 128);
    assert_null(tg_detach(NULL));
}

static void test_requires_grad(void **state)
{
    tg_tensor *w = constant(*state, 1), *y, *whole = tg_zeros(*state, TG_I64, TG_SHAPE(2));
    assert_ptr_equal(tg_requires_grad_(w, true), w);
    y = tg_neg(w);
    assert_ptr_equal(tg_requires_grad_(y, true), y);
    assert_null(tg_requires_grad_(y, false));
    check_error(*state, TG_ERR_AUTOGRAD,
                "requires_grad_: the tensor [1] is not a leaf; use tg_detach");
    assert_null(tg_requires_grad_(whole, true));
    check_error(*state, TG_ERR_DTYPE, "requires_grad_: a tensor of int64 has no gradient");
    assert_ptr_equal(tg_requires_grad_(whole, false), whole);
    assert_null(tg_requires_grad_(NULL, true));
}

/* An operation records which inputs required grad when it ran. Backward adds a gradient to a leaf
 * only if it still requires grad. */
static void test_requires_grad_changes(void **state)
{
    tg_tensor *w = leaf(*state, 1), *v = leaf(*state, 2), *late = constant(*state, 3);
    tg_tensor *loss = tg_mul(tg_mul(w, v), late);
    tg_requires_grad_(w, false);
    tg_requires_grad_(late, true);
    assert_true(tg_backward(loss));
    assert_null(w->grad);
    assert_null(late->grad);
    check_values(v->grad, 3);
    tg_requires_grad_(w, true);
    assert_true(tg_backward(loss));
    check_values(w->grad, 6);
}

static void test_integers_and_bools(void **state)
{
    tg_tensor *w = leaf(*state, -1.5, 2.5);
    assert_false(tg_gt_scalar(w, 0)->requires_grad);
    assert_false(tg_cast(w, TG_I64)->requires_grad);
    assert_false(tg_argsort(w, 0)->requires_grad);
    tg_tensor *through = tg_cast(tg_cast(w, TG_I64), TG_F64);
    assert_false(tg_backward(tg_sum(through)));
    check_error(*state, TG_ERR_AUTOGRAD,
                "backward: the tensor [] does not require grad: it depends on no leaf that does, "
                "or was made after tg_no_grad_begin");
}

static bool copy_forward(const call *c)
{
    tg__copy(c->out, c->in[0]);
    return true;
}

static void test_op_without_gradient(void **state)
{
    const op_row hash = {.name = "hash", .shape = tg__same_shape, .forward = copy_forward};
    tg_tensor *w = leaf(*state, 1), *y = tg__apply(&hash, 1, &w, NULL);
    assert_true(y->requires_grad);
    assert_false(tg_backward(tg_add(y, w)));
    check_error(*state, TG_ERR_AUTOGRAD, "backward: hash has no gradient");
    assert_null(w->grad);
}

/* ---- Gradients of tensors that are not leaves. */

static void test_retain_grad(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *y = tg_square(w), *loss = tg_sum(tg_mul_scalar(y, 3));
    assert_ptr_equal(tg_retain_grad(y), y);
    assert_ptr_equal(tg_retain_grad(w), w);
    assert_true(tg_backward(loss));
    check_values(y->grad, 3, 3);
    check_values(w->grad, 6, 12);
    assert_true(tg_backward(loss));
    check_values(y->grad, 6, 6);
    tg_retain_grad(loss);
    tg_clear_grad(y);
    assert_true(tg_backward(loss));
    check_values(y->grad, 3, 3);
    check_values(loss->grad, 1);
    assert_null(tg_retain_grad(constant(*state, 1)));
    check_error(*state, TG_ERR_AUTOGRAD, "retain_grad: the tensor [1] does not require grad");
    assert_null(tg_retain_grad(NULL));
}

/* As in PyTorch, the gradient is that of the value that the tensor has at last, and none if the
 * loss depends on an earlier value. */
static void test_retain_grad_in_place(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *y = tg_mul_scalar(w, 2);
    tg_retain_grad(y);
    tg_tensor *before = tg_sum(y);
    tg_mul_(y, constant(*state, 3, 3));
    assert_true(tg_backward(before));
    assert_null(y->grad);
    check_values(w->grad, 2, 2);
    assert_true(tg_backward(tg_sum(y)));
    check_values(y->grad, 1, 1);
    check_values(w->grad, 8, 8);
}

static void test_retain_grad_of_outer_scope(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *y = tg_square(w);
    tg_scope_begin(*state);
    tg_retain_grad(y);
    assert_true(tg_backward(tg_sum(tg_neg(y))));
    tg_scope_end(*state);
    check_values(y->grad, -1, -1);
    check_values(w->grad, -2, -4);
    assert_true(tg_backward(tg_sum(y)));
    check_values(y->grad, 0, 0);
    check_values(w->grad, 0, 0);
}

/* ---- grad. */

static tg_tensor *grad_of(tg_tensor *y, tg_tensor *x, bool create_graph)
{
    tg_grad_options o = tg_grad_defaults();
    tg_tensor *g = NULL;
    o.create_graph = create_graph;
    tg_grad(TG_LIST(y), TG_LIST(x), &g, &o);
    return g;
}

static void test_grad(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *v = leaf(*state, 3, 4), *grads[2];
    tg_tensor *y = tg_mul(w, v), *loss = tg_sum(tg_square(y));
    assert_true(tg_grad(TG_LIST(loss), TG_LIST(v, y), grads, NULL));
    check_values(grads[0], 6, 32);
    check_values(grads[1], 6, 16);
    assert_false(grads[0]->requires_grad);
    assert_true(!w->grad && !v->grad && !y->grad);
    assert_true(tg_grad(TG_LIST(loss), TG_LIST(w, w), grads, NULL));
    check_values(grads[0], 18, 64);
    check_values(grads[1], 18, 64);
    assert_ptr_not_equal(grads[0], grads[1]);
    assert_true(tg_grad(TG_LIST(loss, loss), TG_LIST(loss, w), grads, NULL));
    check_values(grads[0], 2);
    check_values(grads[1], 36, 128);
    tg_tensor *one = leaf(*state, 9);
    assert_true(tg_grad(TG_LIST(one), TG_LIST(one), grads, NULL));
    check_values(grads[0], 1);
}

/* The gradients belong to the scope of the caller, and live on after that of the sweep. */
static void test_grad_in_scope(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *loss = tg_sum(tg_square(w)), *g, *kept;
    tg_scope_begin(*state);
    assert_true(tg_grad(TG_LIST(loss), TG_LIST(w), &g, NULL));
    tg_scope_begin(*state);
    tg_zeros(*state, TG_F64, TG_SHAPE(1000));
    tg_scope_end(*state);
    check_values(g, 2, 4);
    kept = tg_keep(g);
    tg_scope_end(*state);
    check_values(kept, 2, 4);
}

static void test_grad_outputs(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *a = tg_mul_scalar(w, 2), *b = tg_square(w), *g;
    tg_grad_options o = tg_grad_defaults();
    tg_tensor *weights[] = {constant(*state, 1, 10), constant(*state, 3, 4)};
    o.grad_outputs = (tg_list){2, weights};
    assert_true(tg_grad(TG_LIST(a, b), TG_LIST(w), &g, &o));
    check_values(g, 2 + 6, 20 + 16);
    o.create_graph = true;
    assert_true(tg_grad(TG_LIST(b, a), TG_LIST(w), &g, &o));
    check_values(g, 2 + 6, 40 + 8);
    /* The weights may themselves be differentiated. */
    tg_tensor *u = leaf(*state, 5, 6);
    o.grad_outputs = (tg_list){1, &u};
    assert_true(tg_grad(TG_LIST(b), TG_LIST(w), &g, &o));
    check_values(grad_of(tg_sum(g), u, false), 2, 4);
}

static void test_grad_refusals(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *v = leaf(*state, 3), *c = constant(*state, 1);
    tg_tensor *loss = tg_sum(tg_square(w)), *sentinel = c, *grads[2] = {sentinel, sentinel};
    tg_grad_options o = tg_grad_defaults();
    assert_false(tg_grad(TG_LIST(loss), TG_LIST(w, v), grads, NULL));
    check_error(*state, TG_ERR_AUTOGRAD,
                "grad: the outputs do not depend on input 2, [1]; allow_unused gives NULL");
    assert_true(!grads[0] && !grads[1]);
    o.allow_unused = true;
    assert_true(tg_grad(TG_LIST(loss), TG_LIST(w, v), grads, &o));
    check_values(grads[0], 2, 4);
    assert_null(grads[1]);
    assert_false(tg_grad(TG_LIST(loss), TG_LIST(c), grads, NULL));
    check_error(*state, TG_ERR_AUTOGRAD, "grad: input 1, [1], does not require grad");
    assert_false(tg_grad(TG_LIST(c), TG_LIST(w), grads, NULL));
    check_error(*state, TG_ERR_AUTOGRAD,
                "grad: the tensor [1] does not require grad: it depends on no leaf that does, or "
                "was made after tg_no_grad_begin");
    assert_false(tg_grad(TG_LIST(tg_neg(w)), TG_LIST(w), grads, NULL));
    check_error(*state, TG_ERR_SHAPE,
                "grad: the output [2] has 2 elements, not one; give grad_outputs in the options");
    o.grad_outputs = (tg_list){1, &c};
    assert_false(tg_grad(TG_LIST(loss, loss), TG_LIST(w), grads, &o));
    check_error(*state, TG_ERR_ARGUMENT, "grad: 1 grad_outputs for 2 outputs");
    assert_false(tg_grad(TG_LIST(loss), TG_LIST(w), grads, &o));
    check_error(*state, TG_ERR_SHAPE, "grad: the gradient is float64 [1], the output float64 []");
    assert_false(tg_grad(TG_LIST(loss), TG_LIST(w), NULL, NULL));
    check_error(*state, TG_ERR_ARGUMENT, "grad: grads is NULL");
}

static void test_higher_derivatives(void **state)
{
    tg_tensor *x = leaf(*state, 2, -0.5), *y = tg_sum(tg_square(tg_square(x)));
    tg_tensor *first = grad_of(y, x, true);
    check_values(first, 32, -0.5);
    tg_tensor *second = grad_of(tg_sum(first), x, true);
    check_values(second, 48, 3);
    tg_tensor *third = grad_of(tg_sum(second), x, true);
    check_values(third, 48, -12);
    tg_tensor *fourth = grad_of(tg_sum(third), x, true);
    check_values(fourth, 24, 24);
    assert_null(x->grad);

    /* exp(2x): 2^n exp(2x). */
    tg_tensor *e = tg_exp(tg_mul_scalar(x, 2));
    first = grad_of(tg_sum(e), x, true);
    second = grad_of(tg_sum(first), x, true);
    third = grad_of(tg_sum(second), x, false);
    check_near(third, 8 * exp(4), 8 * exp(-1));
    assert_false(third->requires_grad);
}

static void test_mixed_derivatives(void **state)
{
    tg_tensor *x = leaf(*state, 2), *y = leaf(*state, 3);
    tg_tensor *dx = grad_of(tg_mul(tg_square(x), y), x, true); /* 2xy */
    check_values(grad_of(dx, y, false), 4);
    check_values(grad_of(dx, x, false), 6);
    assert_true(tg_backward(tg_square(dx))); /* 4 x^2 y^2 */
    check_values(x->grad, 8 * 2 * 9);
    check_values(y->grad, 8 * 4 * 3);
}

/* As in PyTorch, create_graph records a graph even where gradients are turned off. */
static void test_create_graph_inside_no_grad(void **state)
{
    tg_tensor *x = leaf(*state, 2), *y = tg_mul(tg_square(x), x);
    tg_no_grad_begin(*state);
    tg_tensor *first = grad_of(y, x, true);
    assert_false(tg_is_grad_enabled(*state));
    tg_no_grad_end(*state);
    assert_true(tg_is_grad_enabled(*state));
    check_values(grad_of(first, x, false), 12);
}

/* If one gradient goes to two inputs, tg_grad returns two tensors. */
static void test_gradients_do_not_share(void **state)
{
    tg_tensor *a = leaf(*state, 1), *b = leaf(*state, 2), *c = constant(*state, 7), *grads[2];
    tg_grad_options o = tg_grad_defaults();
    o.create_graph = true;
    o.grad_outputs = (tg_list){1, &c};
    assert_true(tg_grad(TG_LIST(tg_add(a, b)), TG_LIST(a, b), grads, &o));
    tg_zero_(grads[0]);
    tg_release(grads[0]);
    check_values(grads[1], 7);
    check_values(c, 7);
}

/* For an input that was overwritten, only paths to its last value count. */
static void test_grad_of_overwritten_input(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *y = tg_mul_scalar(w, 2), *loss = tg_sum(y), *g;
    tg_add_(y, constant(*state, 1, 1));
    assert_false(tg_grad(TG_LIST(loss), TG_LIST(y), &g, NULL));
    check_error(*state, TG_ERR_AUTOGRAD,
                "grad: the outputs do not depend on input 1, [2]; allow_unused gives NULL");
    check_values(grad_of(loss, w, false), 2, 2);
    check_values(grad_of(tg_sum(y), y, false), 1, 1);
}

/* ---- Failure. */

static void test_pending_error(void **state)
{
    tg_tensor *w = leaf(*state, 1), *loss = tg_neg(w), *g = w;
    tg_item(leaf(*state, 1, 2));
    assert_false(tg_backward(loss));
    assert_false(tg_backward_with(loss, w));
    assert_false(tg_grad(TG_LIST(loss), TG_LIST(w), &g, NULL));
    assert_null(g);
    assert_false(tg_clear_grad(w));
    check_error(*state, TG_ERR_SHAPE, "item: [2] has 2 elements, not one");
    assert_null(w->grad);
}

static void test_two_contexts(void **state)
{
    tg_context *other = tg_open(NULL);
    tg_tensor *w = leaf(*state, 1), *theirs = leaf(other, 1), *g;
    const char *text = "backward: tensors of two contexts; tg_borrow makes an alias";
    assert_false(tg_backward_with(w, theirs));
    check_error(*state, TG_ERR_CONTEXT, text);
    check_ok(other);
    assert_false(tg_grad(TG_LIST(w), TG_LIST(theirs), &g, NULL));
    check_error(*state, TG_ERR_CONTEXT, "grad: tensors of two contexts; tg_borrow makes an alias");
    check_ok(other);
    tg_close(other);
}

/* The error is found when backward has already passed a valid part of the graph. */
static void test_failure_commits_nothing(void **state)
{
    tg_tensor *w = leaf(*state, 0.1, 0.2), *v = leaf(*state, 0.3, 0.7), *fresh = leaf(*state, 1, 2);
    tg_tensor *kept = tg_neg(w);
    tg_retain_grad(kept);
    assert_true(tg_backward(tg_sum(tg_mul(tg_exp(kept), v))));
    double before[2][2];
    tg_copy_to_f64(w->grad, before[0]);
    tg_copy_to_f64(kept->grad, before[1]);
    tg_tensor *spoilt = tg_exp(v), *sum = tg_sum(tg_mul_scalar(spoilt, 2));
    tg_tensor *loss = tg_add(sum, tg_sum(tg_mul(fresh, tg_mul(kept, w))));
    tg_set(spoilt, TG_INDEX(0), 9);
    assert_false(tg_backward(loss));
    check_error(*state, TG_ERR_AUTOGRAD,
                "backward: the gradient of exp needs its result, a tensor [2], but set changed it "
                "in place");
    check_values(w->grad, before[0][0], before[0][1]);
    check_values(kept->grad, before[1][0], before[1][1]);
    assert_null(fresh->grad);
    assert_true(tg_backward(tg_sum(fresh))); /* nothing is left over */
    check_values(fresh->grad, 1, 1);
}

/* An allocator that fails after this many allocations; never, if it is -1. */
static void *allocate_some(void *user, size_t bytes)
{
    int *left = user;
    if (*left == 0) return NULL;
    if (*left > 0) (*left)--;
    return malloc(bytes);
}

static void deallocate(void *user, void *memory, size_t bytes)
{
    (void)user, (void)bytes;
    free(memory);
}

/* A recorded write to a grad gives it a history, which it loses at the next backward. */
static void test_a_gradient_made_again_has_no_history(void **state)
{
    tg_tensor *x = leaf(*state, 3), *factor = leaf(*state, 2);
    assert_true(tg_backward(tg_square(x)));
    assert_non_null(tg_mul_(x->grad, factor));
    assert_true(x->grad->requires_grad);
    tg_clear_grad(x);
    assert_true(tg_backward(tg_square(x)));
    check_values(x->grad, 6);
    assert_false(x->grad->requires_grad);
    assert_false(tg_backward(x->grad));
    assert_null(factor->grad);
    assert_int_equal(tg_error_code(*state), TG_ERR_AUTOGRAD);
    tg_clear_error(*state);
}

/* Runs backward with so many allocations. Returns whether they were enough. */
static bool backward_within(int allocations)
{
    enum { N = 5000 };
    int left = -1;
    tg_options how = {.allocate = allocate_some, .deallocate = deallocate, .user = &left};
    tg_context *tg = tg_open(&how);
    tg_tensor *w = tg_requires_grad_(tg_full(tg, TG_F64, TG_SHAPE(N), 0.5), true);
    tg_tensor *v = tg_requires_grad_(tg_full(tg, TG_F64, TG_SHAPE(N), 2), true);
    assert_true(tg_backward(tg_sum(w)));
    tg_tensor *loss = tg_sum(tg_tanh(tg_mul(tg_square(w), tg_exp(v))));
    left = allocations;
    bool done = tg_backward(loss);
    left = -1;
    assert_int_equal(tg_error_code(tg), done ? TG_OK : TG_ERR_MEMORY);
    double g = tg_get(w->grad, TG_INDEX(N - 1));
    assert_true(done ? g != 1 && v->grad : g == 1 && !v->grad);
    tg_clear_error(tg);
    if (!done) assert_true(tg_backward(loss));
    assert_true(tg_get(w->grad, TG_INDEX(N - 1)) != 1);
    tg_close(tg);
    return done;
}

static void test_memory_failure_commits_nothing(void **state)
{
    (void)state;
    int allocations = 0;
    while (!backward_within(allocations)) allocations++;
    assert_true(allocations > 2);
}

/* ---- tg_release keeps the values that backward needs. */

static tg_tensor *chain_of_releases(tg_tensor *w, bool release)
{
    tg_tensor *a = tg_exp(w), *b = tg_sigmoid(a), *c = tg_mul(a, b), *d = tg_slice(c, 0, 1, -1, 1);
    tg_tensor *e = tg_max(d), *f = tg_mul_scalar(e, 2), *g = tg_matmul(a, c), *h = tg_sort(b, 0);
    tg_tensor *i = tg_pow(h, a), *j = tg_sum(i), *k = tg_add(f, g), *loss = tg_mul(j, k);
    tg_tensor *all[] = {a, b, c, d, e, f, g, h, i, j, k};
    for (int n = 0; release && n < 11; n++) tg_release(all[n]);
    return loss;
}

static void check_release(tg_context *tg, int64_t n)
{
    tg_tensor *w = tg_requires_grad_(tg_linspace(tg, TG_F64, -1, 1, n), true), *grads[2];
    for (int release = 0; release < 2; release++) {
        tg_scope_begin(tg);
        tg_clear_grad(w);
        tg_tensor *loss = chain_of_releases(w, release);
        for (int i = 0; i < 20; i++) tg_fill_(tg_empty_like(w), NAN); /* takes freed memory */
        assert_true(tg_backward(loss));
        tg_tensor *second = grad_of(tg_sum(grad_of(loss, w, true)), w, false);
        grads[release] = tg_keep(tg_add(tg_mul_scalar(w->grad, 3), second));
        tg_scope_end(tg);
    }
    assert_int_equal(tg_item(tg_sum(tg_ne(grads[0], grads[1]))), 0);
    assert_true(isfinite(tg_item(tg_sum(grads[0]))));
}

static void test_release_before_backward(void **state)
{
    check_release(*state, 5);
    check_release(*state, 3000); /* blocks of their own */
}

/* Two branches use one gradient: the branch that is done first must not free its memory. */
static void test_shared_gradient(void **state)
{
    enum { N = 3000 };
    tg_tensor *w = tg_requires_grad_(tg_full(*state, TG_F64, TG_SHAPE(N), 0), true);
    tg_tensor *v = tg_requires_grad_(tg_full(*state, TG_F64, TG_SHAPE(N), 2), true);
    tg_tensor *first = tg_exp(w), *second = tg_mul_scalar(tg_mul_scalar(v, 3), 5);
    assert_true(tg_backward(tg_sum(tg_square(tg_add(first, second))))); /* (e^w + 15 v)^2 */
    for (int64_t i = 0; i < N; i++) {
        assert_true(tg_get(w->grad, TG_INDEX(i)) == 2 * 31);
        assert_true(tg_get(v->grad, TG_INDEX(i)) == 2 * 31 * 15);
    }
}

/* The gradient of a mean over nothing has no elements, so nothing can depend on what it was
 * given. */
static void test_second_derivative_of_empty_mean(void **state)
{
    tg_tensor *x = tg_requires_grad_(tg_empty(*state, TG_F64, TG_SHAPE(0)), true);
    tg_tensor *weight = tg_requires_grad_(tg_scalar(*state, TG_F64, 1), true);
    tg_tensor *mean = tg_mean(x), *gradient, *second;
    tg_grad_options o = {.grad_outputs = {1, &weight}, .create_graph = true};
    assert_true(tg_grad(TG_LIST(mean), TG_LIST(x), &gradient, &o));
    assert_true(tg_grad(TG_LIST(tg_sum(gradient)), TG_LIST(weight), &second, NULL));
    assert_true(tg_item(second) == 0);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(scalar),
        test(not_scalar),
        test(given_gradient),
        test(given_gradient_is_a_grad),
        test(given_gradient_is_a_view),
        test(accumulation),
        test(twice),
        test(dtypes_in_one_graph),
        test(many_uses),
        test(diamonds),
        test(unequal_branches),
        test(long_chain),
        test(steps_without_scopes),
        test(loss_is_a_leaf),
        test(views_as_outputs),
        test(empty),
        test(no_grad),
        test(backward_inside_no_grad),
        test(detach),
        test(requires_grad),
        test(requires_grad_changes),
        test(integers_and_bools),
        test(op_without_gradient),
        test(retain_grad),
        test(retain_grad_in_place),
        test(retain_grad_of_outer_scope),
        test(grad),
        test(grad_in_scope),
        test(grad_outputs),
        test(grad_refusals),
        test(higher_derivatives),
        test(mixed_derivatives),
        test(create_graph_inside_no_grad),
        test(gradients_do_not_share),
        test(grad_of_overwritten_input),
        test(pending_error),
        test(two_contexts),
        test(failure_commits_nothing),
        test(memory_failure_commits_nothing),
        test(release_before_backward),
        test(shared_gradient),
        test(a_gradient_made_again_has_no_history),
        test(second_derivative_of_empty_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
