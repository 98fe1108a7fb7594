/* Operations in place: which writes are refused, which are recorded, and which make a later
 * backward fail. */
#include "leaf.h"

#include "ops/op.h"

static uint32_t version(const tg_tensor *t)
{
    return priv(t)->storage->version;
}

/* ---- Numbers. */

/* 2 x, plus 3, times 5, minus 1, divided by 2: the gradient is 5. */
static void test_scalars_in_place(void **state)
{
    tg_tensor *x = leaf(*state, 1, -2), *h = tg_mul_scalar(x, 2);
    assert_ptr_equal(tg_add_scalar_(h, 3), h);
    assert_ptr_equal(tg_mul_scalar_(h, 5), h);
    assert_ptr_equal(tg_sub_scalar_(h, 1), h);
    assert_ptr_equal(tg_div_scalar_(h, 2), h);
    check_values(h, 12, -3);
    assert_int_equal(version(h), 4);
    assert_true(tg_backward(tg_sum(h)));
    check_values(x->grad, 5, 5);
    tg_tensor *n = tg_from_i64(*state, TG_SHAPE(2), (int64_t[]){INT64_MAX, 7});
    check_values(tg_select(tg_mul_scalar_(tg_add_scalar_(n, 1), 2), 0, 1), 16);
    assert_true(tg_data_i64(n)[0] == 0);
    tg_tensor *square = tg_square(x);
    assert_null(tg_add_scalar_(x, 1));
    check_error(*state, TG_ERR_AUTOGRAD,
                "add_scalar_: the tensor [2] is a leaf that requires grad; write to it after "
                "tg_no_grad_begin");
    tg_no_grad_begin(*state);
    tg_mul_scalar_(x, 10);
    tg_no_grad_end(*state);
    check_values(x, 10, -20);
    assert_false(tg_backward(tg_sum(square)));
    check_error(*state, TG_ERR_AUTOGRAD,
                "backward: the gradient of square needs its input 1, a tensor [2], but mul_scalar_ "
                "changed it in place");
}

/* x^2 / y: d/dx 2 x / y, d/dy -x^2 / y^2. */
static void test_division_in_place(void **state)
{
    tg_tensor *x = leaf(*state, 1, -4), *y = leaf(*state, 2, 8), *h = tg_square(x);
    assert_ptr_equal(tg_div_(h, y), h);
    check_values(h, 0.5, 2);
    assert_true(tg_backward(tg_sum(h)));
    check_values(x->grad, 1, -1);
    check_values(y->grad, -0.25, -0.25);
}

/* ---- Writes that are refused. */

static void test_leaf(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *c = constant(*state, 5, 6);
    assert_null(tg_add_(w, c));
    check_error(
        *state, TG_ERR_AUTOGRAD,
        "add_: the tensor [2] is a leaf that requires grad; write to it after tg_no_grad_begin");
    tg_sub_(w, c);
    check_error(
        *state, TG_ERR_AUTOGRAD,
        "sub_: the tensor [2] is a leaf that requires grad; write to it after tg_no_grad_begin");
    tg_mul_(w, c);
    check_error(
        *state, TG_ERR_AUTOGRAD,
        "mul_: the tensor [2] is a leaf that requires grad; write to it after tg_no_grad_begin");
    tg_copy_(w, c);
    check_error(
        *state, TG_ERR_AUTOGRAD,
        "copy_: the tensor [2] is a leaf that requires grad; write to it after tg_no_grad_begin");
    tg_fill_(w, 3);
    check_error(
        *state, TG_ERR_AUTOGRAD,
        "fill_: the tensor [2] is a leaf that requires grad; write to it after tg_no_grad_begin");
    tg_zero_(w);
    check_error(
        *state, TG_ERR_AUTOGRAD,
        "zero_: the tensor [2] is a leaf that requires grad; write to it after tg_no_grad_begin");
    check_values(w, 1, 2);
    assert_int_equal(version(w), 0);
}

static void test_leaf_inside_no_grad(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *c = constant(*state, 5, 6);
    tg_no_grad_begin(*state);
    assert_ptr_equal(tg_add_(w, c), w);
    check_values(w, 6, 8);
    tg_sub_(w, tg_scalar(*state, TG_F64, 1));
    tg_mul_(w, w);
    check_values(w, 25, 49);
    tg_fill_(tg_select(w, 0, 1), 3);
    check_values(w, 25, 3);
    tg_copy_(w, c);
    tg_zero_(tg_slice(w, 0, 0, 1, 1));
    tg_no_grad_end(*state);
    check_values(w, 0, 6);
    assert_true(w->requires_grad && !priv(w)->record);
    assert_true(tg_backward(tg_sum(tg_square(w))));
    check_values(w->grad, 0, 12);
}

static void test_view(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *y = tg_square(w),
              *plain = tg_zeros(*state, TG_F64, TG_SHAPE(2));
    const char *text = "fill_: the tensor [] is a view, and a gradient goes through the write; "
                       "write to its base or to a clone";
    assert_null(tg_fill_(tg_select(y, 0, 0), 7));
    check_error(*state, TG_ERR_AUTOGRAD, text);
    assert_null(tg_copy_(tg_slice(plain, 0, 0, 1, 1), tg_slice(w, 0, 0, 1, 1)));
    check_error(*state, TG_ERR_AUTOGRAD,
                "copy_: the tensor [1] is a view, and a gradient goes through the write; write to "
                "its base or to a clone");
    assert_null(tg_add_(tg_detach(plain), w));
    check_error(*state, TG_ERR_AUTOGRAD,
                "add_: the tensor [2] is a view, and a gradient goes through the write; write to "
                "its base or to a clone");
    check_values(y, 1, 4);
    check_values(plain, 0, 0);
    tg_add_(tg_slice(plain, 0, 1, 2, 1), constant(*state, 5)); /* without a gradient: fine */
    check_values(plain, 0, 5);
    tg_mul_(tg_clone(tg_select(y, 0, 1)), tg_select(y, 0, 0));
}

static void test_outer_scope(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *total = tg_zeros(*state, TG_F64, TG_SHAPE(2));
    tg_tensor *y = tg_neg(w);
    tg_scope_begin(*state);
    assert_null(tg_add_(total, w));
    check_error(
        *state, TG_ERR_AUTOGRAD,
        "add_: the tensor [2] is of an outer scope and would outlive the graph of this one; "
        "tg_detach what is written, or use tg_no_grad_begin");
    assert_null(tg_mul_(y, constant(*state, 2, 2)));
    check_error(
        *state, TG_ERR_AUTOGRAD,
        "mul_: the tensor [2] is of an outer scope and would outlive the graph of this one; "
        "tg_detach what is written, or use tg_no_grad_begin");
    tg_add_(total, tg_detach(w));
    tg_no_grad_begin(*state);
    tg_add_(total, w);
    tg_no_grad_end(*state);
    tg_scope_end(*state);
    check_values(total, 2, 4);
    check_values(y, -1, -2);
    assert_false(total->requires_grad);
}

static void test_overlap(void **state)
{
    tg_tensor *wide = tg_expand(constant(*state, 1), TG_SHAPE(3));
    assert_null(tg_fill_(wide, 2));
    check_error(*state, TG_ERR_ARGUMENT,
                "fill_: elements of the tensor [3] share memory, so it cannot be written to; use "
                "tg_clone first");
    tg_tensor *t = constant(*state, 1, 2, 3, 4);
    tg_copy_(tg_slice(t, 0, 1, TG_END, 1), tg_slice(t, 0, 0, -1, 1));
    check_values(t, 1, 1, 2, 3);
    tg_tensor *m = tg_from_f64(*state, TG_SHAPE(2, 2), (double[]){1, 2, 3, 4});
    tg_add_(m, tg_t(m));
    check_values(m, 2, 5, 5, 8);
}

static void test_shapes_and_dtypes(void **state)
{
    tg_tensor *t = constant(*state, 1, 2);
    assert_null(tg_add_(t, tg_zeros(*state, TG_F64, TG_SHAPE(3, 2))));
    check_error(*state, TG_ERR_SHAPE, "add_: [3, 2] does not broadcast to [2]");
    assert_null(tg_copy_(t, constant(*state, 1, 2, 3)));
    check_error(*state, TG_ERR_SHAPE, "copy_: shapes [2] and [3] do not broadcast");
    assert_null(tg_mul_(t, tg_ones(*state, TG_F32, TG_SHAPE(2))));
    check_error(*state, TG_ERR_DTYPE,
                "mul_: float64 [2] and float32 [2]: dtypes differ; use tg_cast");
    assert_null(tg_fill_(tg_zeros(*state, TG_I64, TG_SHAPE(2)), 0.5));
    check_error(*state, TG_ERR_ARGUMENT, "fill_: 0.5 is not a value of int64");
    assert_null(tg_add_(t, NULL));
    check_error(*state, TG_ERR_ARGUMENT, "add_: other is NULL");
    assert_null(tg_fill_(NULL, 1));
    assert_null(tg_copy_(NULL, NULL));
    check_values(t, 1, 2);
    assert_int_equal(version(t), 0);
}

static void test_pending_error(void **state)
{
    tg_tensor *t = constant(*state, 1, 2), *c = constant(*state, 5, 6);
    tg_item(t);
    assert_true(!tg_add_(t, c) && !tg_copy_(t, c) && !tg_fill_(t, 3) && !tg_zero_(t));
    assert_false(tg_set(t, TG_INDEX(0), 9));
    assert_false(tg_copy_from_f64(t, (double[]){7, 8}));
    check_error(*state, TG_ERR_SHAPE, "item: [2] has 2 elements, not one");
    check_values(t, 1, 2);
}

static void test_borrowed(void **state)
{
    tg_context *other = tg_open(NULL);
    tg_tensor *alias = tg_borrow(other, leaf(*state, 1, 2));
    tg_no_grad_begin(other);
    assert_null(tg_zero_(alias));
    check_error(other, TG_ERR_ARGUMENT, "zero_: the tensor [2] is borrowed and read-only");
    assert_null(tg_zero_(tg_select(tg_detach(alias), 0, 1)));
    check_error(other, TG_ERR_ARGUMENT, "zero_: the tensor [] is borrowed and read-only");
    assert_false(tg_set(alias, TG_INDEX(0), 3));
    check_error(other, TG_ERR_ARGUMENT, "set: the tensor [2] is borrowed and read-only");
    check_values(alias, 1, 2);
    tg_close(other);
}

/* ---- Writes that are recorded: each gradient is that of the values when its operation ran. */

static void test_rewrites(void **state)
{
    tg_tensor *a = leaf(*state, 1, 2), *b = leaf(*state, 3, 4), *c = leaf(*state, 10, 20);
    tg_tensor *d = leaf(*state, 5), *e = constant(*state, 7, 8);
    tg_tensor *y = tg_mul(a, b);
    assert_ptr_equal(tg_add_(y, c), y);
    tg_tensor *between = tg_mul_scalar(y, 100);
    tg_mul_(y, e);
    tg_sub_(y, d);
    check_values(y, 13 * 7 - 5, 28 * 8 - 5);
    /* y = (ab + c) e - d, and 100 (ab + c). */
    assert_true(tg_backward(tg_add(tg_sum(y), tg_sum(between))));
    check_values(a->grad, 3 * 107, 4 * 108);
    check_values(b->grad, 1 * 107, 2 * 108);
    check_values(c->grad, 107, 108);
    check_values(d->grad, -2);
}

/* The factor's gradient needs the value that the write destroys. */
static void test_mul_by_a_leaf(void **state)
{
    tg_tensor *a = leaf(*state, 1, 2), *d = leaf(*state, 3), *y = tg_mul_scalar(a, 2);
    tg_mul_(y, d);
    tg_mul_(y, d);
    check_values(y, 18, 36); /* 2 a d^2 */
    assert_true(tg_backward(tg_sum(y)));
    check_values(a->grad, 18, 18);
    check_values(d->grad, 12 * 1 + 12 * 2);
}

static void test_write_of_itself(void **state)
{
    tg_tensor *a = leaf(*state, 1, 2), *y = tg_mul_scalar(a, 3);
    tg_mul_(y, y);
    tg_add_(y, y);
    tg_add_(y, tg_slice(y, 0, 1, 2, 1));
    check_values(y, 18 + 72, 72 + 72); /* 18 a0^2 + 18 a1^2, 36 a1^2 */
    assert_true(tg_backward(tg_sum(y)));
    check_values(a->grad, 36, 36 * 2 + 72 * 2);
}

static void test_copy_and_fill(void **state)
{
    tg_tensor *a = leaf(*state, 1, 2), *b = leaf(*state, 3), *y = tg_square(a), *z = tg_square(a);
    tg_copy_(y, b);
    tg_fill_(z, 4);
    assert_true(z->requires_grad);
    assert_true(tg_backward(tg_sum(tg_add(y, z))));
    check_values(a->grad, 0, 0);
    check_values(b->grad, 2);
    tg_tensor *x = tg_square(a), *sum = tg_sum(x);
    tg_zero_(x);
    assert_true(tg_backward(sum));
    check_values(a->grad, 2, 4);
}

static void test_constant_gets_a_history(void **state)
{
    tg_tensor *w = leaf(*state, 2, 3), *t = tg_ones(*state, TG_F64, TG_SHAPE(2, 2));
    tg_tensor *before = tg_mul(t, constant(*state, 4, 4));
    for (int i = 0; i < 3; i++) tg_mul_(t, w);
    assert_true(t->requires_grad && !before->requires_grad);
    assert_true(tg_backward(tg_sum(t)));
    check_values(w->grad, 2 * 3 * 4, 2 * 3 * 9);
}

static void test_inside_inner_scope(void **state)
{
    tg_tensor *w = leaf(*state, 2, 3);
    for (int step = 0; step < 3; step++) {
        tg_scope_begin(*state);
        tg_clear_grad(w);
        tg_tensor *y = tg_neg(w);
        tg_mul_(y, w);
        assert_true(tg_backward(tg_sum(y)));
        check_values(w->grad, -4, -6);
        tg_scope_end(*state);
    }
}

static tg_tensor *writes(tg_list in, void *user)
{
    tg_tensor *y = tg_mul(in.items[0], in.items[1]), *z = tg_exp(in.items[0]);
    (void)user;
    tg_mul_(y, z);
    tg_add_(y, in.items[1]);
    tg_mul_(y, y);
    tg_sub_(y, tg_square(z));
    return y;
}

static void test_gradcheck(void **state)
{
    tg_tensor *a = leaf_of(*state, TG_SHAPE(2, 1), (double[]){0.5, -0.25});
    tg_tensor *b = leaf(*state, 1.5, 0.75, -1),
              *wide = tg_requires_grad_(tg_clone(tg_detach(tg_expand(a, TG_SHAPE(2, 3)))), true);
    assert_true(tg_gradcheck(writes, TG_LIST(wide, b), NULL, NULL));
    assert_true(tg_gradgradcheck(writes, TG_LIST(wide, b), NULL, NULL));
}

/* ---- Writes that make a later backward fail. */

static void check_spoilt(tg_tensor *loss, const char *text)
{
    assert_false(tg_backward(loss));
    check_error(loss->context, TG_ERR_AUTOGRAD, text);
}

static void test_changed_input(void **state)
{
    tg_tensor *a = leaf(*state, 1, 2), *x = tg_neg(a), *c = constant(*state, 3, 4);
    tg_tensor *product = tg_sum(tg_mul(a, c));
    tg_set(c, TG_INDEX(1), 5);
    check_spoilt(product, "backward: the gradient of mul needs its input 2, a tensor [2], but set "
                          "changed it in place");
    tg_tensor *log = tg_sum(tg_log(x));
    tg_add_(x, c);
    check_spoilt(log, "backward: the gradient of log needs its input 1, a tensor [2], but add_ "
                      "changed it in place");
    tg_tensor *matmul = tg_matmul(x, c);
    tg_copy_from_f64(c, (double[]){0, 0});
    check_spoilt(matmul, "backward: the gradient of matmul needs its input 2, a tensor [2], but "
                         "copy_from_f64 changed it in place");
    tg_tensor *mse = tg_mse_loss(a, c, TG_MEAN);
    tg_uniform_(c, 0, 1);
    check_spoilt(mse, "backward: the gradient of mse_loss needs its input 2, a tensor [2], but "
                      "uniform_ changed it in place");
    assert_null(a->grad);
}

static void test_changed_result(void **state)
{
    tg_tensor *a = leaf(*state, 1, 2), *y = tg_exp(a), *z = tg_sqrt(a);
    tg_add_(y, constant(*state, 1, 1));
    check_spoilt(tg_sum(y), "backward: the gradient of exp needs its result, a tensor [2], but "
                            "add_ changed it in place");
    tg_zero_(tg_detach(z));
    check_spoilt(tg_sum(z), "backward: the gradient of sqrt needs its result, a tensor [2], but "
                            "zero_ changed it in place");
    assert_null(a->grad);
}

/* A write through any view or alias counts for all that share the memory. */
static void test_changed_through_a_view(void **state)
{
    tg_tensor *a = leaf(*state, 1, 2), *c = tg_ones(*state, TG_F64, TG_SHAPE(2, 2));
    tg_tensor *row = tg_select(c, 0, 1), *loss = tg_sum(tg_mul(a, row));
    tg_zero_(tg_t(tg_narrow(c, 0, 0, 1)));
    check_spoilt(loss, "backward: the gradient of mul needs its input 2, a tensor [2], but zero_ "
                       "changed it in place");
}

static void test_changed_parameter(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2);
    tg_optim *sgd = tg_sgd_list(TG_LIST(w), NULL);
    tg_tensor *loss = tg_sum(tg_square(w));
    assert_true(tg_backward(loss));
    assert_true(tg_step(sgd));
    check_spoilt(loss, "backward: the gradient of square needs its input 1, a tensor [2], but step "
                       "changed it in place");
}

/* A gradient's memory is written again by the next backward. */
static void test_changed_grad(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *v = leaf(*state, 3, 4);
    assert_true(tg_backward(tg_sum(tg_square(w))));
    tg_tensor *loss = tg_sum(tg_mul(v, w->grad));
    assert_true(tg_backward(tg_sum(w)));
    check_spoilt(loss, "backward: the gradient of mul needs its input 2, a tensor [2], but "
                       "backward changed it in place");
}

/* A tensor whose values no gradient reads may be written to. */
static void test_changed_without_harm(void **state)
{
    tg_tensor *a = leaf(*state, 1, 2), *c = constant(*state, 3, 4), *y = tg_mul_scalar(a, 2);
    tg_tensor *loss = tg_add(tg_sum(tg_add(y, c)), tg_sum(tg_mul(c, c)));
    tg_zero_(c);
    tg_add_(y, c);
    assert_true(tg_backward(loss));
    check_values(a->grad, 2, 2);
}

static void test_versions(void **state)
{
    tg_tensor *t = constant(*state, 1, 2, 3), *view = tg_slice(t, 0, 1, 3, 1), *other = tg_clone(t);
    tg_zero_(t);
    assert_int_equal(version(view), 1);
    tg_add_(view, view);
    tg_set(view, TG_INDEX(0), 2);
    tg_copy_from_f64(tg_detach(t), (double[]){1, 2, 3});
    assert_int_equal(version(t), 4);
    assert_string_equal(priv(t)->storage->writer, "copy_from_f64");
    assert_int_equal(version(other), 0);
    tg_get(t, TG_INDEX(0));
    tg_set(t, TG_INDEX(3), 0);
    check_error(*state, TG_ERR_INDEX, "set: index 3 of dimension 0 is out of range for [3]");
    assert_int_equal(version(t), 4);
}

/* ---- Views older than a recorded write. */

static void test_stale_view(void **state)
{
    tg_tensor *a = leaf(*state, 1, 2), *y = tg_mul_scalar(a, 2), *old = tg_select(y, 0, 0);
    tg_tensor *older = tg_unsqueeze(old, 0), *g;
    tg_add_(y, constant(*state, 5, 5));
    assert_null(tg_exp(old));
    check_error(*state, TG_ERR_AUTOGRAD,
                "exp: the tensor [] is a view whose base was changed by add_ since: make the view "
                "again");
    assert_null(tg_sum(older));
    check_error(*state, TG_ERR_AUTOGRAD,
                "sum: the tensor [1] is a view whose base was changed by add_ since: make the view "
                "again");
    assert_null(tg_sort_indexed(older, 0, false, true).values);
    check_error(*state, TG_ERR_AUTOGRAD,
                "sort: the tensor [1] is a view whose base was changed by add_ since: make the "
                "view again");
    assert_false(tg_backward(old));
    check_error(*state, TG_ERR_AUTOGRAD,
                "backward: the tensor [] is a view whose base was changed by add_ since: make the "
                "view again");
    assert_false(tg_grad(TG_LIST(tg_sum(y)), TG_LIST(old), &g, NULL));
    check_error(*state, TG_ERR_AUTOGRAD,
                "grad: the tensor [] is a view whose base was changed by add_ since: make the view "
                "again");
    check_values(old, 7);
    assert_true(tg_backward(tg_square(tg_select(y, 0, 0))));
    check_values(a->grad, 2 * 7 * 2, 0);
}

/* A view of a tensor that gets a history later must not be taken for a constant. */
static void test_stale_view_without_history(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2), *t = tg_zeros(*state, TG_F64, TG_SHAPE(2));
    tg_tensor *view = tg_select(t, 0, 0), *same = tg_detach(t), *part = tg_select(same, 0, 1);
    tg_add_(t, w);
    assert_null(tg_mul_scalar(view, 2));
    check_error(
        *state, TG_ERR_AUTOGRAD,
        "mul_scalar: the tensor [] is a view whose base was changed by add_ since: make the "
        "view again");
    assert_null(tg_fill_(view, 0));
    check_error(*state, TG_ERR_AUTOGRAD,
                "fill_: the tensor [] is a view whose base was changed by add_ since: make the "
                "view again");
    tg_no_grad_begin(*state);
    check_values(tg_mul_scalar(view, 2), 2);
    tg_no_grad_end(*state);
    check_values(tg_neg(same), -1, -2); /* detached: values are all it promises */
    check_values(tg_neg(part), -2);
}

/* tg_fill_ and the like leave no memory in the scope. */
static void test_filling_takes_no_memory(void **state)
{
    tg_tensor *t = tg_zeros(*state, TG_F32, TG_SHAPE(3));
    const size_t before = tg_get_stats(*state).live_bytes;
    for (int i = 0; i < 1000; i++) assert_true(tg_fill_(t, 2) && tg_zero_(t));
    assert_true(tg_get_stats(*state).live_bytes == before);
}

/* Even a copy that has the values of its source has memory of its own: a write to it does not
 * change the source. */
static void test_copies_have_memory_of_their_own(void **state)
{
    tg_tensor *x = constant(*state, 1, 2);
    tg_tensor *const copies[] = {
        tg_repeat(x, TG_SHAPE(1)),
        tg_repeat(x, TG_SHAPE(1, 1)),
        tg_tile(x, TG_DIMS()),
        tg_tile(x, TG_DIMS(1)),
        tg_flip(x, TG_DIMS()),
        tg_roll(x, TG_SHAPE(0), TG_DIMS(0)),
        tg_roll(x, TG_SHAPE(2), TG_DIMS()),
        tg_pad(x, TG_SHAPE(0, 0), 0),
        tg_cat(TG_LIST(x), 0),
        tg_vstack(TG_LIST(x)),
        tg_hstack(TG_LIST(x)),
        tg_clone(x),
        tg_tril(tg_unsqueeze(x, 0), 1),
        tg_triu(tg_unsqueeze(x, 0), 0),
    };
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
        assert_non_null(tg_mul_scalar_(copies[i], 3));
        check_values(x, 1, 2);
    }
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(scalars_in_place),
        test(division_in_place),
        test(leaf),
        test(leaf_inside_no_grad),
        test(view),
        test(outer_scope),
        test(overlap),
        test(shapes_and_dtypes),
        test(pending_error),
        test(borrowed),
        test(rewrites),
        test(mul_by_a_leaf),
        test(write_of_itself),
        test(copy_and_fill),
        test(constant_gets_a_history),
        test(inside_inner_scope),
        test(gradcheck),
        test(changed_input),
        test(changed_result),
        test(changed_through_a_view),
        test(changed_parameter),
        test(changed_grad),
        test(changed_without_harm),
        test(versions),
        test(stale_view),
        test(stale_view_without_history),
        test(filling_takes_no_memory),
        test(copies_have_memory_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
