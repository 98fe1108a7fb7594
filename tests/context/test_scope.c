/* Scopes: how long tensors live, what tg_keep, tg_release and tg_borrow do, and how memory is used
 * again. */
#include "check.h"
#include "guarded.h"
#include "sanitizer.h"

#include "context/memory.h"

#ifdef UNDER_ASAN
#include <sys/wait.h>
#include <unistd.h>
#endif

/* How often a loop runs: n times, or n / 50 where each round takes long, as under valgrind. */
static int rounds(int n)
{
    if (!getenv("TG_TEST_QUICK")) return n;
    print_message("TG_TEST_QUICK: %d rounds of %d.\n", n / 50, n);
    return n / 50;
}

/* A scope as a block: how often it is entered, and that it has ended after each way out that C
 * sees. */
static void test_scope_block(void **state)
{
    tg_context *tg = *state;
    int entered = 0, passed = 0;
    const size_t before = tg_get_stats(tg).live_bytes;
    for (int i = 0; i < 6; i++) {
        TG_SCOPE (tg) {
            tg_zeros(tg, TG_F32, TG_SHAPE(10000));
            entered++;
            if (i % 3 == 0) break;
            if (i % 3 == 1) continue;
            TG_SCOPE (tg) {
                tg_zeros(tg, TG_F32, TG_SHAPE(10000));
                if (i == 5) break;
            }
            passed++;
        }
        assert_int_equal(tg_get_stats(tg).live_bytes, before);
    }
    assert_int_equal(entered, 6);
    assert_int_equal(passed, 2);
    if (entered)
        TG_SCOPE (tg) entered++;
    else
        fail();
    assert_int_equal(entered, 7);
    check_ok(tg);
    tg_scope_end(tg);
    check_error(tg, TG_ERR_CONTEXT, "scope_end: no scope was begun");
    TG_SCOPE ((tg_context *)NULL) entered++;
    assert_int_equal(entered, 8);
}

static void test_balance(void **state)
{
    tg_context *tg = *state;
    tg_scope_end(tg);
    check_error(tg, TG_ERR_CONTEXT, "scope_end: no scope was begun");
    tg_scope_begin(tg);
    tg_scope_end(tg);
    check_ok(tg);
    tg_scope_end(tg);
    check_error(tg, TG_ERR_CONTEXT, "scope_end: no scope was begun");
    tg_no_grad_end(tg);
    check_error(tg, TG_ERR_CONTEXT, "no_grad_end: no no_grad was begun");
}

/* no_grad is independent of scopes. */
static void test_no_grad_across_scopes(void **state)
{
    tg_context *tg = *state;
    tg_scope_begin(tg);
    tg_no_grad_begin(tg);
    tg_scope_end(tg);
    assert_false(tg_is_grad_enabled(tg));
    tg_no_grad_end(tg);
    assert_true(tg_is_grad_enabled(tg));
}

enum { DEPTH = 10000 };

/* A tensor at each depth, made on the way down, or on the way up from one kept below. */
static void test_nested(void **state)
{
    tg_context *tg = *state;
    tg_tensor *sum = tg_zeros(tg, TG_F32, TG_SHAPE(3));
    int depth = rounds(DEPTH);
    for (int i = 0; i < depth; i++) {
        tg_scope_begin(tg);
        sum = tg_add_scalar(sum, 1);
    }
    check_values(sum, depth, depth, depth);
    for (int i = 0; i < depth; i++) {
        tg_tensor *kept = tg_keep(tg_mul_scalar(sum, 1));
        tg_scope_end(tg);
        sum = tg_add_scalar(kept, 1);
    }
    check_values(sum, 2 * depth, 2 * depth, 2 * depth);
    check_ok(tg);
}

/* Scopes without memory cost nothing and one in the middle may get its memory last. */
static void test_nested_lazily(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(2), 3), true);
    for (int i = 0; i < DEPTH; i++) tg_scope_begin(tg);
    tg_tensor *y = tg_sum(tg_square(x));
    tg_tensor *kept = tg_keep(y);
    tg_scope_end(tg);
    assert_true(tg_item(kept) == 18);
    tg_tensor *z = tg_sum(tg_mul_scalar(tg_square(x), 2));
    tg_scope_begin(tg);
    tg_exp(z);
    tg_scope_end(tg);
    assert_true(tg_backward(z));
    check_values(x->grad, 12, 12);
    for (int i = 1; i < DEPTH; i++) tg_scope_end(tg);
    check_values(x->grad, 12, 12);
    check_ok(tg);
}

static void test_many(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true), *kept = NULL;
    int n = rounds(100000);
    for (int i = 0; i < n; i++) {
        tg_scope_begin(tg);
        tg_tensor *y = tg_mul_scalar(x, i);
        if (i % 1000 == 999) kept = tg_keep(y);
        tg_scope_end(tg);
    }
    check_values(kept, n - 1, n - 1);
    check_ok(tg);
}

static void test_keep(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_arange(tg, TG_F32, 0, 6, 1), true);
    tg_scope_begin(tg);
    tg_scope_begin(tg);
    tg_tensor *view = tg_t(tg_reshape(tg_mul_scalar(x, 2), TG_SHAPE(2, 3)));
    tg_tensor *kept = tg_keep(view);
    assert_ptr_not_equal(kept->data, view->data);
    assert_false(kept->requires_grad);
    assert_null(kept->grad);
    tg_scope_end(tg);
    check_values(kept, 0, 6, 2, 8, 4, 10);
    kept = tg_keep(kept);
    tg_scope_end(tg);
    check_values(kept, 0, 6, 2, 8, 4, 10);
    assert_true(tg_is_contiguous(kept));
    tg_tensor *here = tg_keep(kept); /* in the outermost scope: there */
    assert_ptr_not_equal(here, kept);
    check_values(here, 0, 6, 2, 8, 4, 10);
    assert_null(tg_keep(NULL));
    check_ok(tg);
    tg_scope_begin(tg);
    tg_tensor *scalar = tg_keep(tg_scalar(tg, TG_I64, 7)),
              *empty = tg_keep(tg_zeros(tg, TG_BOOL, TG_SHAPE(2, 0))),
              *spread = tg_keep(tg_expand(tg_scalar(tg, TG_F64, 0.5), TG_SHAPE(3)));
    tg_scope_end(tg);
    assert_true(tg_item(scalar) == 7);
    assert_int_equal(empty->numel, 0);
    assert_int_equal(empty->shape[0], 2);
    check_values(spread, 0.5, 0.5, 0.5);
    assert_int_equal(spread->strides[0], 1);
}

/* The graph dies with its scope; the leaf's gradient does not. */
static void test_graph_lives_in_scope(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(2), 3), true);
    for (int i = 1; i <= 3; i++) {
        tg_scope_begin(tg);
        assert_true(tg_backward(tg_sum(tg_square(x))));
        tg_scope_end(tg);
        check_values(x->grad, 6 * i, 6 * i);
    }
    tg_scope_begin(tg);
    tg_tensor *inner = tg_keep(tg_square(x));
    tg_scope_end(tg);
    assert_false(tg_backward(tg_sum(inner)));
    check_error(tg, TG_ERR_AUTOGRAD,
                "backward: the tensor [] does not require grad: it depends on no leaf that does, "
                "or was made after tg_no_grad_begin");
}

/* A leaf of an outer scope that starts to require grad in an inner one keeps its gradient. */
static void test_gradient_of_outer_leaf(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_full(tg, TG_F64, TG_SHAPE(1000), 2);
    tg_scope_begin(tg);
    tg_scope_begin(tg);
    assert_non_null(tg_requires_grad_(x, true));
    assert_true(tg_backward(tg_sum(tg_square(x))));
    tg_scope_end(tg);
    tg_scope_end(tg);
    tg_zeros(tg, TG_F64, TG_SHAPE(1000));
    assert_true(tg_get(x->grad, TG_INDEX(999)) == 4);
}

static size_t live(const tg_context *tg)
{
    return tg_get_stats(tg).live_bytes;
}

enum { LARGE = 100000 }; /* elements: far more than fit a page */
static const size_t LARGE_BYTES = LARGE * sizeof(float);

static void test_release(void **state)
{
    tg_context *tg = *state;
    tg_release(NULL);
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(LARGE));
    size_t with = live(tg);
    tg_release(t);
    assert_true(live(tg) + LARGE_BYTES <= with);
    t = tg_ones(tg, TG_F32, TG_SHAPE(LARGE));
    release_noticed(t);
    size_t without = live(tg);
    tg_release(t);
    assert_int_equal(live(tg), without);
    assert_null(tg_exp(t));
    check_error(tg, TG_ERR_CONTEXT, "exp: the tensor [100000] was released");
    tg_release(tg_scalar(tg, TG_F32, 1));
    tg_release(tg_zeros(tg, TG_F32, TG_SHAPE(0, 3)));
    check_ok(tg);
}

/* Views share the memory: the last one to go returns it, in whatever order they go. */
static void test_release_views(void **state)
{
    tg_context *tg = *state;
    for (int order = 0; order < 6; order++) {
        tg_scope_begin(tg);
        tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(LARGE)), *a = tg_narrow(t, 0, 1, 2),
                  *b = tg_narrow(a, 0, 1, 1), *all[] = {t, a, b};
        int first = order % 3, second = (first + 1 + order / 3) % 3, third = 3 - first - second;
        tg_release(all[first]);
        assert_true(tg_item(tg_sum(all[third])) > 0);
        tg_release(all[second]);
        assert_true(tg_item(tg_sum(all[third])) > 0);
        size_t with = live(tg);
        tg_release(all[third]);
        assert_true(live(tg) + LARGE_BYTES <= with);
        tg_scope_end(tg);
    }
    check_ok(tg);
}

/* The view of an outer tensor in an inner scope holds the memory until it is released as well, or
 * until its scope ends. */
static void test_release_across_scopes(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(LARGE));
    size_t with = live(tg);
    tg_scope_begin(tg);
    tg_tensor *view = tg_narrow(t, 0, 5, 3);
    tg_release(view);
    check_values(tg_narrow(t, 0, 0, 2), 1, 1);
    tg_scope_end(tg);
    assert_int_equal(live(tg), with);
    tg_scope_begin(tg);
    view = tg_narrow(t, 0, 5, 3);
    tg_release(t);
    check_values(view, 1, 1, 1);
    tg_release(view);
    assert_true(live(tg) + LARGE_BYTES <= with);
    tg_scope_end(tg);
    t = tg_ones(tg, TG_F32, TG_SHAPE(LARGE));
    with = live(tg);
    tg_scope_begin(tg);
    view = tg_narrow(t, 0, 5, 3);
    tg_release(t);
    check_values(view, 1, 1, 1);
    tg_scope_end(tg);
    assert_true(live(tg) + LARGE_BYTES <= with);
    tg_scope_begin(tg);
    tg_tensor *fresh = tg_zeros(tg, TG_F32, TG_SHAPE(LARGE));
    tg_scope_end(tg);
    (void)fresh;
    check_ok(tg);
}

/* Operations free their scratch memory when they return, so that a loop needs no scope around
 * them. */
static void test_operations_return_what_they_work_in(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_eye(tg, TG_F32, 6, 6), *image = tg_ones(tg, TG_F32, TG_SHAPE(2, 3, 8, 8));
    tg_tensor *kernel = tg_ones(tg, TG_F32, TG_SHAPE(4, 3, 3, 3));
    tg_tensor *vector = tg_ones(tg, TG_F32, TG_SHAPE(6));
    tg_tensor *label = tg_zeros(tg, TG_I64, TG_SHAPE(6));
    size_t before = 0;
    for (int i = 0; i < 500; i++) {
        if (i == 20) before = live(tg);
        tg_release(tg_conv2d(image, kernel, NULL));
        tg_release(tg_det(a));
        tg_release(tg_inv(a));
        tg_release(tg_solve(a, vector));
        tg_release(tg_cross_entropy(a, label, NULL));
    }
    check_ok(tg);
    assert_int_equal(live(tg), before);
}

/* ---- A loop that carries a state from step to step, as recurrent networks do. */

typedef tg_tensor *step_function(tg_tensor *h);

static tg_tensor *plain_step(tg_tensor *h)
{
    return tg_tanh(tg_add_scalar(h, 0.5));
}

/* Makes the next state through a graph, which ends with the step. */
static tg_tensor *trained_step(tg_tensor *h)
{
    tg_tensor *w = tg_requires_grad_(tg_ones_like(h), true), *y = tg_sigmoid(tg_mul(h, w));
    tg_backward(tg_sum(tg_narrow(y, 0, 0, h->shape[0] / 2)));
    return y;
}

/* Makes the next state as a view of a base that is released; the view is released in the next
 * step. */
static tg_tensor *viewed_step(tg_tensor *h)
{
    tg_tensor *view = tg_view(h, TG_SHAPE(-1, 1));
    tg_tensor *y = tg_squeeze(tg_neg(view));
    tg_release(view);
    return y;
}

static tg_tensor *carry(tg_tensor *h, int steps, step_function *step, bool is_leaf)
{
    tg_context *tg = h->context;
    for (int i = 0; i < steps; i++) {
        tg_scope_begin(tg);
        tg_tensor *next = tg_keep(step(h));
        tg_scope_end(tg);
        if (is_leaf) tg_requires_grad_(next, true);
        tg_release(h);
        h = next;
    }
    return h;
}

/* Checks that steps after the first ones take no more memory and do not call the allocator. */
static void check_carried(tg_tensor *h, int steps, step_function *step, bool is_leaf)
{
    tg_context *tg = h->context;
    h = carry(h, 10, step, is_leaf);
    const tg_stats before = tg_get_stats(tg);
    h = carry(h, steps, step, is_leaf);
    const tg_stats after = tg_get_stats(tg);
    check_ok(tg);
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_int_equal(after.held_bytes, before.held_bytes);
#ifndef UNDER_ASAN /* under ASan, memory is really freed */
    assert_int_equal(after.allocator_calls, before.allocator_calls);
#endif
    tg_release(h);
}

static void test_a_million_steps_with_a_state_of_128_floats(void **state)
{
#ifdef UNDER_ASAN
    const int steps = 20000;
#else
    const int steps = rounds(1000000);
#endif
    check_carried(tg_zeros(*state, TG_F32, TG_SHAPE(128)), steps, plain_step, false);
}

static void test_states_of_all_kinds(void **state)
{
    static step_function *const steps[] = {plain_step, trained_step, viewed_step};
    static const int64_t sizes[] = {2, 100, 900, 944, 945, 1000, 1024, 1025, 5000};
    for (size_t i = 0; i < 9; i++)
        for (int leaf = 0; leaf < 2; leaf++)
            for (int k = 0; k < 3; k++)
                check_carried(tg_zeros(*state, TG_F32, TG_SHAPE(sizes[i])), 200, steps[k], leaf);
}

static void release_all_sizes(tg_context *tg)
{
    for (int64_t bytes = 0; bytes <= 4200; bytes++)
        for (int i = 0; i < 6; i++) tg_release(tg_empty(tg, TG_BOOL, TG_SHAPE(bytes)));
}

static void test_released_memory_of_each_small_size_serves_again(void **state)
{
    tg_context *tg = *state;
    tg_scope_begin(tg);
    release_all_sizes(tg);
    const size_t before = live(tg);
    release_all_sizes(tg);
    assert_int_equal(live(tg), before);
    tg_scope_end(tg);
}

/* A loop that releases, in an inner scope, a tensor of the outer one takes no more memory than its
 * first rounds. */
static void test_released_from_within(void **state)
{
    tg_context *tg = *state;
    tg_tensor *h = tg_zeros(tg, TG_F32, TG_SHAPE(128));
    size_t before = 0;
    for (int i = 0; i < 2000; i++) {
        if (i == 20) before = live(tg);
        tg_scope_begin(tg);
        tg_tensor *next = tg_keep(tg_add_scalar(h, 1)), *view = tg_narrow(h, 0, 1, 2);
        tg_release(h);
        assert_true(tg_get(view, TG_INDEX(0)) == i);
        h = next;
        tg_scope_end(tg);
    }
    assert_int_equal(live(tg), before);
    assert_true(tg_get(h, TG_INDEX(127)) == 2000);
    check_ok(tg);
}

/* A record that reads no values refers to what the step releases before its scope ends. */
static void test_released_within_a_step_that_recorded_it(void **state)
{
    tg_context *tg = *state;
    tg_tensor *w = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(128)), true);
    tg_tensor *h = tg_zeros(tg, TG_F32, TG_SHAPE(128));
    size_t before = 0;
    for (int i = 0; i < 2000; i++) {
        if (i == 20) before = live(tg);
        tg_tensor *view = tg_narrow(h, 0, 0, 64);
        tg_scope_begin(tg);
        tg_tensor *sum = tg_add(h, w);
        tg_scope_begin(tg);
        assert_true(tg_backward(tg_sum(tg_add(tg_narrow(sum, 0, 0, 64), view))));
        tg_release(view);
        tg_release(h);
        tg_scope_end(tg);
        h = tg_keep(sum);
        tg_scope_end(tg);
    }
    assert_int_equal(live(tg), before);
    assert_true(tg_get(h, TG_INDEX(127)) == 2000);
    assert_true(tg_get(w->grad, TG_INDEX(63)) == 2000);
    assert_true(tg_get(w->grad, TG_INDEX(64)) == 0);
    check_ok(tg);
}

/* The memory of a released tensor is not used again while a newer record may refer to it. */
static void test_released_before_backward_by_a_loop(void **state)
{
    tg_context *tg = *state;
    tg_scope_begin(tg);
    tg_tensor *x = tg_requires_grad_(tg_full(tg, TG_F64, TG_SHAPE(3), 2), true), *y = x;
    for (int i = 0; i < 50; i++) {
        tg_tensor *a = tg_add_scalar(y, i), *b = tg_mul_scalar(a, 1), *c = tg_full_like(b, 3);
        if (i > 0) tg_release(y);
        y = tg_sub(tg_mul(b, c), b);
        tg_release(a);
        tg_release(b);
        tg_release(c);
    }
    assert_true(tg_backward(tg_sum(y)));
    check_values(x->grad, 0x1p50, 0x1p50, 0x1p50);
    tg_scope_end(tg);
}

/* The values of a released tensor stay if a recorded operation needs them; else their memory is
 * freed. */
static void test_release_before_backward(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(LARGE), 3), true);
    tg_scope_begin(tg);
    tg_tensor *square = tg_square(x), *root = tg_sqrt(square), *shifted = tg_add_scalar(root, 1);
    tg_tensor *product = tg_mul(shifted, root), *loss = tg_sum(product);
    size_t with = live(tg);
    tg_release(product); /* sum needs its shape only */
    assert_true(live(tg) + LARGE_BYTES <= with);
    with = live(tg);
    tg_release(square); /* sqrt needs its result only, add_scalar nothing */
    assert_true(live(tg) + LARGE_BYTES <= with);
    with = live(tg);
    tg_release(shifted);
    tg_release(root);
    assert_int_equal(live(tg), with);
    tg_zeros(tg, TG_F32, TG_SHAPE(LARGE)); /* takes the memory that came back */
    tg_zeros(tg, TG_F32, TG_SHAPE(LARGE));
    assert_true(tg_backward(loss));
    tg_scope_end(tg);
    assert_true(element_of(x->grad, 0) == 7); /* the gradient of (x + 1) x is 2 x + 1 */
    assert_true(element_of(x->grad, LARGE - 1) == 7);
    check_ok(tg);
}

/* Tensors between the layers of a network: relu needs only its result, and a layer only its
 * input. */
static void test_release_between_layers(void **state)
{
    tg_context *tg = *state;
    tg_module *first = tg_linear(tg, 3, 50, TG_BIAS), *second = tg_linear(tg, 50, 1, TG_NO_BIAS);
    tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(2000, 3)), *w = tg_param(first, "weight");
    float gradients[2][150];
    for (int release = 0; release < 2; release++) {
        tg_scope_begin(tg);
        tg_tensor *z = tg_forward(first, x), *h = tg_relu(z);
        size_t with = live(tg);
        if (release) {
            tg_release(z);
            assert_true(live(tg) + LARGE_BYTES <= with);
        }
        tg_tensor *yhat = tg_forward(second, h);
        with = live(tg);
        if (release) tg_release(h); /* which two gradients need */
        assert_int_equal(live(tg), with);
        tg_zeros(tg, TG_F32, TG_SHAPE(LARGE));
        tg_zeros(tg, TG_F32, TG_SHAPE(LARGE));
        tg_clear_grad(w);
        assert_true(tg_backward(tg_mean(tg_square(yhat))));
        assert_true(tg_copy_to_f32(w->grad, gradients[release]));
        tg_scope_end(tg);
    }
    assert_memory_equal(gradients[0], gradients[1], sizeof gradients[0]);
    check_ok(tg);
}

/* A view stays in the graph when its base is released. */
static void test_release_base_before_backward(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_arange(tg, TG_F64, 0, 2000, 1), true);
    tg_tensor *base = tg_mul_scalar(x, 2), *view = tg_slice(base, 0, 1, TG_END, 2);
    tg_tensor *loss = tg_sum(tg_square(view));
    tg_release(base);
    tg_release(view);
    tg_zeros(tg, TG_F64, TG_SHAPE(2000));
    assert_true(tg_backward(loss));
    assert_true(element_of(x->grad, 4) == 0);
    assert_true(element_of(x->grad, 1999) == 8 * 1999);
}

/* The memory of a gradient belongs to the leaf: to release t->grad does not free it. */
static void test_release_gradient(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(LARGE)), true);
    assert_true(tg_backward(tg_sum(x)));
    size_t with = live(tg);
    tg_release(x->grad);
    assert_int_equal(live(tg), with);
    tg_tensor *other = tg_zeros(tg, TG_F32, TG_SHAPE(LARGE));
    tg_clear_grad(x);
    assert_true(tg_backward(tg_sum(tg_mul_scalar(x, 5))));
    assert_true(element_of(other, 7) == 0);
    assert_true(element_of(x->grad, 7) == 5);
    check_ok(tg);
}

/* Temporary tensors in the gradient of one operation are freed before backward goes on. */
static void test_temporaries_of_gradients(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(LARGE), 1), true);
    tg_tensor *y = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(LARGE), 2), true), *h = x;
    for (int i = 0; i < 20; i++) h = tg_div(tg_pow(h, y), tg_maximum(h, y));
    tg_tensor *loss = tg_sum(h);
    size_t with = live(tg);
    assert_true(tg_backward(loss));
    assert_true(tg_get_stats(tg).peak_bytes < with + 15 * LARGE_BYTES);
    check_ok(tg);
}

/* A large gradient takes no memory while it is none, and its tensor stays the same. */
static void test_cleared_gradient(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(LARGE), 3), true);
    tg_sgd_options how = tg_sgd_defaults();
    tg_optim *sgd = tg_sgd_list(TG_LIST(x), &how);
    size_t with = live(tg);
    tg_tensor *grad = NULL;
    for (int i = 0; i < 3; i++) {
        assert_true(i == 1 ? tg_clear_grad(x) : tg_zero_grad(sgd));
        assert_null(x->grad);
        assert_true(live(tg) + LARGE_BYTES <= with);
        if (grad) assert_null(tg_neg(grad));
        if (grad) check_error(tg, TG_ERR_CONTEXT, "neg: the tensor [100000] was released");
        tg_scope_begin(tg);
        assert_true(tg_backward(tg_sum(tg_square(x))));
        tg_scope_end(tg);
        assert_int_equal(live(tg), with);
        if (grad) assert_ptr_equal(x->grad, grad);
        grad = x->grad;
        assert_true(element_of(grad, 0) == 6);
        assert_true(element_of(grad, LARGE - 1) == 6);
    }
    check_ok(tg);
}

/* The gradient of the first of some joined tensors starts the block of the whole. */
static void test_gradient_of_a_joined_tensor(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(1, 2000), 3), true);
    size_t with = live(tg);
    tg_scope_begin(tg);
    tg_tensor *rest = tg_ones(tg, TG_F32, TG_SHAPE(100, 2000));
    assert_true(tg_backward(tg_sum(tg_square(tg_cat(TG_LIST(x, rest), 0)))));
    tg_scope_end(tg);
    assert_true(element_of(x->grad, 1999) == 6);
    assert_int_equal(live(tg), with);
}

/* A view of a gradient stays valid, and shows the next gradient. */
static void test_view_of_gradient(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(LARGE), 3), true);
    assert_true(tg_backward(tg_sum(tg_square(x))));
    tg_scope_begin(tg);
    tg_tensor *view = tg_narrow(x->grad, 0, LARGE - 2, 2);
    assert_true(tg_clear_grad(x));
    check_values(view, 6, 6);
    assert_true(tg_backward(tg_sum(tg_mul_scalar(x, 5))));
    check_values(view, 5, 5);
    assert_ptr_equal(view->data, (float *)x->grad->data + LARGE - 2);
    tg_scope_end(tg);
    assert_true(tg_clear_grad(x));
    assert_true(tg_backward(tg_sum(tg_mul_scalar(x, 7))));
    assert_true(element_of(x->grad, LARGE - 1) == 7);
    check_ok(tg);
}

/* Two leaves whose gradients are one tensor, and one whose gradient has strides of its own: each
 * gets memory of its own, or none gets a gradient. */
static void test_gradients_apart(void **state)
{
    (void)state;
    for (long at = 1, failed = 1; failed; at++) {
        guarded g = {0};
        tg_options o = guarded_options(&g);
        tg_context *tg = tg_open(&o);
        tg_tensor *a = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(200, 100)), true);
        tg_tensor *b = tg_requires_grad_(tg_ones_like(a), true);
        tg_tensor *c = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(100, 200)), true);
        tg_tensor *weight = tg_reshape(tg_arange(tg, TG_F32, 0, 20000, 1), TG_SHAPE(200, 100));
        tg_clear_grad(a), tg_clear_grad(b), tg_clear_grad(c);
        tg_tensor *out = tg_add(tg_add(a, b), tg_t(c));
        g.fail_at = g.asked + at;
        bool done = tg_backward_with(out, weight);
        failed = g.failed;
        g.fail_at = 0;
        assert_true(done == !failed);
        if (failed) {
            assert_true(!a->grad && !b->grad && !c->grad);
            tg_clear_error(tg);
            assert_true(tg_backward_with(out, weight));
        }
        assert_true(a->grad->data != b->grad->data);
        assert_true(tg_get(a->grad, TG_INDEX(1, 2)) == 102);
        assert_true(tg_get(b->grad, TG_INDEX(199, 99)) == 19999);
        assert_true(tg_get(c->grad, TG_INDEX(2, 1)) == 102);
        assert_true(tg_is_contiguous(c->grad));
        assert_true(tg_backward_with(out, weight));
        assert_true(tg_get(a->grad, TG_INDEX(1, 2)) == 204);
        assert_true(tg_get(c->grad, TG_INDEX(2, 1)) == 204);
        check_ok(tg);
        tg_close(tg);
        assert_int_equal(g.blocks, 0);
        assert_false(g.damaged);
    }
}

static void test_borrow(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_tensor *x = tg_requires_grad_(tg_arange(tg, TG_F32, 0, 6, 1), true);
    tg_tensor *matrix = tg_t(tg_reshape(x, TG_SHAPE(2, 3)));
    tg_tensor *a = tg_borrow(other, x), *b = tg_borrow(other, matrix);
    assert_ptr_equal(a->context, other);
    assert_ptr_equal(a->data, x->data);
    assert_true(a->requires_grad);
    assert_null(a->grad);
    assert_ptr_equal(b->data, x->data);
    assert_true(b->requires_grad);
    check_values(b, 0, 3, 1, 4, 2, 5);
    assert_true(tg_backward(tg_sum(tg_mul_scalar(a, 2))));
    assert_true(tg_backward(tg_sum(tg_square(b))));
    check_values(a->grad, 2, 2, 2, 2, 2, 2);
    check_values(b->grad, 0, 6, 2, 8, 4, 10);
    assert_null(x->grad);
    assert_false(tg_set(a, TG_INDEX(0), 1));
    check_error(other, TG_ERR_ARGUMENT, "set: the tensor [6] is borrowed and read-only");
    assert_null(tg_zero_(tg_detach(tg_narrow(a, 0, 1, 2))));
    check_error(other, TG_ERR_ARGUMENT, "zero_: the tensor [2] is borrowed and read-only");
    assert_true(tg_set(x, TG_INDEX(0), 9));
    assert_true(tg_get(a, TG_INDEX(0)) == 9);
    tg_tensor *plain = tg_borrow(tg, tg_ones(other, TG_I64, TG_SHAPE()));
    assert_false(plain->requires_grad);
    assert_true(tg_item(plain) == 1);
    tg_tensor *again = tg_borrow(tg, a);
    assert_ptr_equal(again->data, x->data);
    tg_release(a);
    check_values(tg_narrow(x, 0, 1, 2), 1, 2);
    assert_null(tg_borrow(tg, a));
    check_error(tg, TG_ERR_CONTEXT, "borrow: the tensor [6] was released");
    tg_close(other);
    check_values(x, 9, 1, 2, 3, 4, 5);
    check_ok(tg);
}

/* A write whose source is a borrowed alias of the memory that is written to. */
static void test_borrow_as_source(void **state)
{
    tg_context *tg = *state;
    enum { N = 100 };
    tg_tensor *t = tg_view(tg_arange(tg, TG_F32, 0, N * N, 1), TG_SHAPE(N, N));
    assert_non_null(tg_add_(t, tg_t(tg_borrow(tg, t))));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) assert_true(tg_get(t, TG_INDEX(i, j)) == (N + 1) * (i + j));
}

/* ---- Use after scope. */

#ifdef UNDER_ASAN
/* Whether f dies with a report of AddressSanitizer. */
static bool dies(float (*f)(tg_context *tg), tg_context *tg)
{
    char text[4096] = "";
    int ends[2], status = 0;
    size_t n = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        _exit(f(tg) > 0 ? 10 : 11);
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], text + n, sizeof text - 1 - n)) > 0; n += (size_t)got)
        if (n + (size_t)got == sizeof text - 1) break;
    close(ends[0]);
    waitpid(child, &status, 0);
    bool exited = WIFEXITED(status) && (WEXITSTATUS(status) == 10 || WEXITSTATUS(status) == 11);
    return !exited && strstr(text, "AddressSanitizer: heap-use-after-free");
}

static float data_after_scope(tg_context *tg)
{
    tg_scope_begin(tg);
    const volatile float *data = tg_data_f32(tg_ones(tg, TG_F32, TG_SHAPE(4)));
    tg_scope_end(tg);
    return data[2];
}

static float struct_after_scope(tg_context *tg)
{
    tg_scope_begin(tg);
    const volatile tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(4));
    tg_scope_end(tg);
    return (float)t->ndim;
}

static float previous_step(tg_context *tg)
{
    const volatile float *previous = NULL;
    for (int step = 0; step < 2; step++) {
        tg_scope_begin(tg);
        tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(10000));
        if (step == 0) previous = t->data;
        if (step == 1 && previous[5000] > 0) return 1;
        tg_scope_end(tg);
    }
    return 0;
}

static float after_release(tg_context *tg)
{
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(4));
    const volatile float *data = t->data;
    tg_release(t);
    return data[0];
}

static float sum_after_scope(tg_context *tg)
{
    tg_scope_begin(tg);
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(4));
    tg_scope_end(tg);
    return (float)tg_item(tg_sum(t));
}

static float kept(tg_context *tg)
{
    tg_scope_begin(tg);
    tg_tensor *t = tg_keep(tg_ones(tg, TG_F32, TG_SHAPE(4)));
    tg_scope_end(tg);
    return tg_data_f32(t)[2];
}
#endif

static void test_use_after_scope(void **state)
{
#ifdef UNDER_ASAN
    tg_context *tg = *state;
    assert_true(dies(data_after_scope, tg));
    assert_true(dies(struct_after_scope, tg));
    assert_true(dies(previous_step, tg));
    assert_true(dies(after_release, tg));
    assert_true(dies(sum_after_scope, tg));
    assert_false(dies(kept, tg));
#else
    (void)state;
    print_message("Not applicable: use after scope is caught under AddressSanitizer only.\n");
    skip();
#endif
}

/* ---- Steady state. */

#ifndef UNDER_ASAN
typedef struct trainer {
    tg_tensor *x, *y;
    tg_module *net, *loss;
    tg_optim *sgd;
} trainer;

static trainer make_trainer(tg_context *tg, int64_t rows, int64_t columns)
{
    trainer t;
    tg_sgd_options how = tg_sgd_defaults();
    how.momentum = 0.9;
    t.x = tg_randn(tg, TG_F32, TG_SHAPE(rows, columns));
    t.y = tg_randn(tg, TG_F32, TG_SHAPE(rows, 1));
    t.net = tg_linear(tg, columns, 1, TG_BIAS);
    t.loss = tg_mseloss(tg, TG_MEAN);
    t.sgd = tg_sgd(t.net, &how);
    return t;
}

static void train_step(tg_context *tg, trainer *t, int64_t first, int64_t rows)
{
    tg_scope_begin(tg);
    tg_tensor *x = tg_narrow(t->x, 0, first, rows), *y = tg_narrow(t->y, 0, first, rows);
    tg_tensor *yhat = tg_forward(t->net, x), *loss = tg_loss(t->loss, yhat, y);
    tg_zero_grad(t->sgd);
    tg_backward(loss);
    tg_step(t->sgd);
    assert_true(isfinite(tg_item(loss)) != 0);
    tg_scope_end(tg);
}
#endif

/* After the first step, a training loop makes no allocator call, and holds and lends no byte
 * more. */
static void test_steady_state(void **state)
{
    (void)state;
#ifndef UNDER_ASAN
    static const int64_t sizes[][2] = {{100, 2}, {4000, 3}, {5000, 50}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        guarded g = {0};
        tg_options o = guarded_options(&g);
        tg_context *tg = tg_open(&o);
        trainer t = make_trainer(tg, sizes[s][0], sizes[s][1]);
        train_step(tg, &t, 0, sizes[s][0]);
        long calls = g.calls;
        size_t bytes = live(tg), held = tg_get_stats(tg).held_bytes;
        for (int i = rounds(200); i > 0; i--) {
            train_step(tg, &t, 0, sizes[s][0]);
            assert_int_equal(live(tg), bytes);
        }
        assert_int_equal(g.calls, calls);
        assert_int_equal(tg_get_stats(tg).held_bytes, held);
        check_ok(tg);
        tg_close(tg);
        assert_int_equal(g.blocks, 0);
        assert_false(g.damaged);
    }
#else
    print_message("Not applicable: under AddressSanitizer the end of a scope frees for real.\n");
    skip();
#endif
}

/* Pages of other sizes than the usual one: the same loop, the same numbers, in less memory. */
static void test_small_pages_take_little_memory(void **state)
{
    (void)state;
#ifndef UNDER_ASAN
    static const size_t pages[] = {0, 1, 4096, 4097, 6000, 16384, 1000000};
    double loss = 0;
    size_t usual = 0;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        guarded g = {0};
        tg_options o = guarded_options(&g);
        o.page_bytes = pages[i];
        tg_context *tg = tg_open(&o);
        const size_t bare = g.held;
        assert_non_null(tg_scalar(tg, TG_F32, 1));
        const size_t page = pages[i] == 0 ? 65536 : pages[i] < 4096 ? 4096 : pages[i];
        assert_in_range(g.held - bare, page, page + page / 16 + 128); /* rounded up, and a header */
        trainer t = make_trainer(tg, 20, 3);
        train_step(tg, &t, 0, 20);
        const long calls = g.calls;
        for (int step = 0; step < 20; step++) train_step(tg, &t, 0, 20);
        assert_int_equal(g.calls, calls);
        const double now = tg_item(tg_mse_loss(tg_forward(t.net, t.x), t.y, TG_MEAN));
        if (i == 0) loss = now, usual = g.peak;
        assert_true(now == loss);
        if (page < 65536) assert_true(g.peak < usual);
        check_ok(tg);
        tg_close(tg);
        assert_int_equal(g.blocks, 0);
        assert_false(g.damaged);
    }
#else
    print_message("Not applicable: under AddressSanitizer each thing has memory of its own.\n");
    skip();
#endif
}

/* A loop over batches, of which the last is smaller, calls the allocator in its first epoch only.
 */
static void test_steady_batches(void **state)
{
    (void)state;
#ifndef UNDER_ASAN
    guarded g = {0};
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    trainer t = make_trainer(tg, 4100, 20);
    long calls = 0;
    for (int epoch = 0; epoch < 20; epoch++) {
        for (int64_t at = 0; at < 4100; at += 1000)
            train_step(tg, &t, at, at + 1000 <= 4100 ? 1000 : 4100 - at);
        if (epoch == 0) calls = g.calls;
    }
    assert_int_equal(g.calls, calls);
    check_ok(tg);
    tg_close(tg);
#else
    print_message("Not applicable: under AddressSanitizer the end of a scope frees for real.\n");
    skip();
#endif
}

/* Deep graphs with tensors of many sizes, which all go back to one pool. */
static void test_steady_many_sizes(void **state)
{
    (void)state;
#ifndef UNDER_ASAN
    guarded g = {0};
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    tg_tensor *weights[40];
    for (int i = 0; i < 40; i++) {
        int64_t in = 30 + i * 37 % 90, out = 30 + (i + 1) * 37 % 90;
        weights[i] =
            tg_requires_grad_(tg_mul_scalar(tg_randn(tg, TG_F32, TG_SHAPE(in, out)), 0.1), true);
    }
    tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(20, weights[0]->shape[0]));
    long calls = 0;
    for (int step = 0; step < 5; step++) {
        tg_scope_begin(tg);
        tg_tensor *h = x;
        for (int i = 0; i < 40; i++) h = tg_tanh(tg_matmul(h, weights[i]));
        assert_true(tg_backward(tg_mean(h)));
        tg_scope_end(tg);
        if (step == 0) calls = g.calls;
    }
    assert_int_equal(g.calls, calls);
    tg_close(tg);
#else
    print_message("Not applicable: under AddressSanitizer the end of a scope frees for real.\n");
    skip();
#endif
}

/* Three calls that a scope's end makes, and what they have written. */
typedef struct written {
    char text[8];
    size_t n;
} written;
typedef struct letter {
    written *to;
    char c;
} letter;

static void write_letter(void *user)
{
    const letter *l = user;
    l->to->text[l->to->n++] = l->c;
}

static void test_a_scope_calls_at_its_end_the_newest_first(void **state)
{
    tg_context *tg = *state;
    written w = {{0}, 0};
    letter l[] = {{&w, 'a'}, {&w, 'b'}, {&w, 'c'}};
    tg_scope_begin(tg);
    assert_true(tg__at_scope_end(tg, write_letter, &l[0]));
    tg_scope_begin(tg);
    assert_true(tg__at_scope_end(tg, write_letter, &l[1]));
    assert_true(tg__at_scope_end(tg, write_letter, &l[2]));
    tg_scope_end(tg);
    assert_string_equal(w.text, "cb");
    tg_scope_end(tg);
    assert_string_equal(w.text, "cba");
}

static void test_closing_a_context_makes_the_calls_of_its_scopes(void **state)
{
    (void)state;
    written w = {{0}, 0};
    letter outer = {&w, 'o'}, inner = {&w, 'i'};
    tg_context *tg = tg_open(NULL);
    assert_true(tg__at_scope_end(tg, write_letter, &outer));
    tg_scope_begin(tg);
    assert_true(tg__at_scope_end(tg, write_letter, &inner));
    tg_close(tg);
    assert_string_equal(w.text, "io");
}

#define IN_CONTEXT(test) cmocka_unit_test_setup_teardown(test, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_CONTEXT(test_scope_block),
        IN_CONTEXT(test_balance),
        IN_CONTEXT(test_no_grad_across_scopes),
        IN_CONTEXT(test_nested),
        IN_CONTEXT(test_nested_lazily),
        IN_CONTEXT(test_many),
        IN_CONTEXT(test_keep),
        IN_CONTEXT(test_graph_lives_in_scope),
        IN_CONTEXT(test_gradient_of_outer_leaf),
        IN_CONTEXT(test_release),
        IN_CONTEXT(test_release_views),
        IN_CONTEXT(test_release_across_scopes),
        IN_CONTEXT(test_a_million_steps_with_a_state_of_128_floats),
        IN_CONTEXT(test_states_of_all_kinds),
        IN_CONTEXT(test_released_memory_of_each_small_size_serves_again),
        IN_CONTEXT(test_operations_return_what_they_work_in),
        IN_CONTEXT(test_released_from_within),
        IN_CONTEXT(test_released_within_a_step_that_recorded_it),
        IN_CONTEXT(test_released_before_backward_by_a_loop),
        IN_CONTEXT(test_release_before_backward),
        IN_CONTEXT(test_release_between_layers),
        IN_CONTEXT(test_release_base_before_backward),
        IN_CONTEXT(test_release_gradient),
        IN_CONTEXT(test_temporaries_of_gradients),
        IN_CONTEXT(test_cleared_gradient),
        IN_CONTEXT(test_gradient_of_a_joined_tensor),
        IN_CONTEXT(test_view_of_gradient),
        cmocka_unit_test(test_gradients_apart),
        IN_CONTEXT(test_borrow),
        IN_CONTEXT(test_borrow_as_source),
        IN_CONTEXT(test_use_after_scope),
        IN_CONTEXT(test_a_scope_calls_at_its_end_the_newest_first),
        cmocka_unit_test(test_closing_a_context_makes_the_calls_of_its_scopes),
        cmocka_unit_test(test_steady_state),
        cmocka_unit_test(test_small_pages_take_little_memory),
        cmocka_unit_test(test_steady_batches),
        cmocka_unit_test(test_steady_many_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
