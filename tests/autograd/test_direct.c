/* Gradients that backward computes without a history, by a shorter way, have the bits of those that
 * are composed of operations: tg_grad with create_graph composes them. */
#include "bits.h"
#include "check.h"

enum { MOST_LEAVES = 3 };

/* A function of leaves, whose gradients are compared. */
typedef struct problem {
    tg_context *tg;
    tg_dtype dtype;
    int leaves;
    tg_tensor *leaf[MOST_LEAVES];
} problem;

static tg_tensor *add_leaf(problem *p, tg_shape shape)
{
    tg_tensor *t = tg_randn(p->tg, p->dtype, shape);
    assert_non_null(t);
    return p->leaf[p->leaves++] = tg_requires_grad_(t, true);
}

/* A loss with another gradient for each element of y. */
static tg_tensor *weighted_sum(tg_tensor *y)
{
    tg_tensor *weights = tg_randn(y->context, y->dtype, (tg_shape){y->ndim, y->shape});
    return tg_sum(tg_mul(y, weights));
}

static void compare_gradients(problem *p, tg_tensor *loss)
{
    tg_tensor *composed[MOST_LEAVES];
    const tg_list leaves = {p->leaves, p->leaf};
    assert_true(tg_grad((tg_list){1, &loss}, leaves, composed, TG_GRAD(.create_graph = true)));
    assert_true(tg_backward(loss));
    for (int i = 0; i < p->leaves; i++) {
        const tg_tensor *g = p->leaf[i]->grad, *other = tg_contiguous(composed[i]);
        assert_non_null(g);
        assert_int_equal(g->numel, other->numel);
        for (int64_t k = 0; k < g->numel; k++)
            if (bits_at(g, k) != bits_at(other, k))
                fail_msg("element %d of the gradient of leaf %d differs", (int)k, i);
    }
    check_ok(p->tg);
}

/* Runs `test` with both dtypes and a few sizes: none, one, a few, and more than a page holds. */
static void for_sizes(void **state, void (*test)(problem p, int64_t m, int64_t n, int64_t k))
{
    static const int64_t sizes[][3] = {{1, 1, 1},      {100, 1, 2}, {5, 3, 4},
                                       {0, 3, 2},      {2, 0, 3},   {40, 50, 60},
                                       {1100, 9, 130}, {7, 8, 1},   {3, 1200, 2}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int d = 0; d < 2; d++) {
            tg_scope_begin(*state);
            test((problem){.tg = *state, .dtype = d ? TG_F64 : TG_F32}, sizes[i][0], sizes[i][1],
                 sizes[i][2]);
            tg_scope_end(*state);
        }
}

static void multiply(problem p, int64_t m, int64_t n, int64_t k)
{
    tg_tensor *a = add_leaf(&p, TG_SHAPE(m, k)), *b = add_leaf(&p, TG_SHAPE(k, n));
    compare_gradients(&p, weighted_sum(tg_matmul(a, b)));
}

static void multiply_transposed(problem p, int64_t m, int64_t n, int64_t k)
{
    tg_tensor *a = add_leaf(&p, TG_SHAPE(k, m)), *b = add_leaf(&p, TG_SHAPE(n, k));
    compare_gradients(&p, weighted_sum(tg_matmul(tg_t(a), tg_t(b))));
}

/* One tensor is both operands, and the gradient of the result has strides of 0. */
static void multiply_by_itself(problem p, int64_t m, int64_t n, int64_t k)
{
    (void)n;
    tg_tensor *a = add_leaf(&p, TG_SHAPE(m, k));
    compare_gradients(&p, tg_sum(tg_matmul(a, tg_t(a))));
}

static void layer(problem p, int64_t m, int64_t n, int64_t k)
{
    if (n == 0) return; /* there is no such layer */
    assert_true(tg_set_default_dtype(p.tg, p.dtype));
    for (int bias = 0; bias < 2; bias++) {
        tg_module *net = tg_linear(p.tg, k, n, bias ? TG_BIAS : TG_NO_BIAS);
        p.leaves = 0;
        tg_tensor *x = add_leaf(&p, TG_SHAPE(m, k));
        p.leaf[p.leaves++] = tg_param(net, "weight");
        if (bias) p.leaf[p.leaves++] = tg_param(net, "bias");
        compare_gradients(&p, weighted_sum(tg_forward(net, x)));
    }
}

/* The input of the layer is a vector, or has three dimensions. */
static void layer_of_other_shapes(problem p, int64_t m, int64_t n, int64_t k)
{
    if (n == 0) return;
    assert_true(tg_set_default_dtype(p.tg, p.dtype));
    for (int ndim = 1; ndim < 4; ndim += 2) {
        tg_module *net = tg_linear(p.tg, k, n, TG_BIAS);
        p.leaves = 0;
        tg_tensor *x = add_leaf(&p, ndim == 1 ? TG_SHAPE(k) : TG_SHAPE(m, 2, k));
        p.leaf[p.leaves++] = tg_param(net, "weight");
        p.leaf[p.leaves++] = tg_param(net, "bias");
        compare_gradients(&p, weighted_sum(tg_forward(net, x)));
    }
}

static void squared_error(problem p, int64_t m, int64_t n, int64_t k)
{
    static const int reductions[] = {TG_MEAN, TG_SUM, TG_NONE};
    (void)k;
    for (int i = 0; i < 3; i++) {
        p.leaves = 0;
        tg_tensor *x = add_leaf(&p, TG_SHAPE(m, n)), *y = add_leaf(&p, TG_SHAPE(n, m));
        tg_tensor *loss = tg_mse_loss(x, tg_t(y), reductions[i]);
        compare_gradients(&p, tg_mul_scalar(weighted_sum(loss), 0.3));
    }
}

/* The target is a row, which is expanded. */
static void squared_error_of_unlike(problem p, int64_t m, int64_t n, int64_t k)
{
    (void)k;
    tg_tensor *x = add_leaf(&p, TG_SHAPE(m, n)), *y = add_leaf(&p, TG_SHAPE(n));
    compare_gradients(&p, tg_mse_loss(x, y, TG_SUM | TG_BROADCAST));
}

/* Backward writes the gradient of relu over that of its result, unless something else needs the
 * latter: another operation, retain_grad, or, as it is a view, what it is a view of. */
static void rectify(problem p, int64_t m, int64_t n, int64_t k)
{
    (void)k;
    for (int kind = 0; kind < 4; kind++) {
        p.leaves = 0;
        tg_tensor *x = add_leaf(&p, TG_SHAPE(m, n)), *other = add_leaf(&p, TG_SHAPE(n, m));
        tg_tensor *y = tg_relu(kind ? tg_mul(x, tg_t(other)) : tg_t(other));
        if (kind == 2) y = tg_mul(y, tg_add(y, x));
        if (kind == 3) tg_retain_grad(y);
        tg_tensor *sum = kind == 1 ? tg_add(y, x) : tg_add(tg_relu(y), x);
        tg_tensor *g = kind == 3 ? tg_randn(p.tg, p.dtype, TG_SHAPE(m, n)) : NULL;
        compare_gradients(&p, g ? tg_sum(tg_mul(sum, g)) : weighted_sum(sum));
        for (int64_t i = 0; g && i < g->numel; i++)
            assert_true(element_of(y->grad, i) == (element_of(y, i) > 0 ? element_of(g, i) : 0));
    }
}

/* The loss is the result of an operation whose operands are leaves. */
static void end_with_a_leaf(problem p, int64_t m, int64_t n, int64_t k)
{
    for (int i = 0; i < 5; i++) {
        p.leaves = 0;
        tg_tensor *x = add_leaf(&p, i < 3 ? TG_SHAPE() : TG_SHAPE(m, n)), *y = NULL;
        if (i != 1 && i != 2) y = add_leaf(&p, (tg_shape){x->ndim, x->shape});
        compare_gradients(&p, i == 0   ? tg_mse_loss(x, y, TG_MEAN)
                              : i == 1 ? tg_mul_scalar(x, 0.3)
                              : i == 2 ? tg_relu(tg_mul_scalar(x, -2))
                              : i == 3
                                  ? tg_mse_loss(x, y, TG_SUM)
                                  : tg_mse_loss(tg_matmul(x, tg_t(y)),
                                                tg_zeros(p.tg, p.dtype, TG_SHAPE(m, m)), TG_SUM));
    }
    p.leaves = 0;
    tg_tensor *square = add_leaf(&p, TG_SHAPE(k, k));
    tg_tensor *product = tg_matmul(square, square);
    compare_gradients(&p, tg_mse_loss(product, tg_zeros_like(product), TG_SUM));
}

static void test_losses_of_leaves(void **state)
{
    for_sizes(state, end_with_a_leaf);
}

/* A gradient that was cleared but that a recorded operation reads is not overwritten unnoticed, and
 * neither is one to which backward adds. The gradient of sum((a w)^2) for w is 2 a^2 w. */
static void test_gradients_in_use_stay(void **state)
{
    tg_context *tg = *state;
    tg_tensor *w = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(1, 1), 3), true);
    tg_tensor *a = tg_full(tg, TG_F32, TG_SHAPE(1, 1), 2), *zero = tg_zeros_like(a);
    tg_tensor *loss = tg_mse_loss(tg_matmul(a, w), zero, TG_SUM);
    assert_true(tg_backward(loss));
    check_values(w->grad, 24);
    tg_tensor *reads = tg_mul(w, w->grad);
    assert_true(tg_backward(loss) && tg_backward(loss));
    check_values(w->grad, 72);
    assert_true(tg_clear_grad(w) && tg_backward(loss));
    check_values(w->grad, 24);
    assert_false(tg_backward(reads));
    check_error(tg, TG_ERR_AUTOGRAD,
                "backward: the gradient of mul needs its input 2, a tensor [1, 1], but backward "
                "changed it in place");
    check_values(w->grad, 24);
}

static tg_tensor *double_forward(tg_list in, const void *loss)
{
    (void)loss;
    return tg_mul_scalar(in.items[0], 2);
}

static tg_tensor *double_backward(tg_list in, tg_tensor *out, tg_tensor *g, int i, const void *loss)
{
    (void)in, (void)out, (void)i;
    return tg_backward(*(tg_tensor *const *)loss) ? tg_mul_scalar(g, 2) : NULL;
}

/* The gradient of an operation of the program runs backward itself, which adds to the grad of a
 * leaf whose gradient the outer backward has computed. That of a (2 b) for a is 2 b, and that of 3
 * a is 3. */
static void test_gradients_stay_in_a_nested_backward(void **state)
{
    static const tg_autograd_function f = {"double", double_forward, double_backward};
    tg_context *tg = *state;
    tg_tensor *a = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(1, 1), 7), true);
    tg_tensor *b = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(1, 1), 5), true);
    tg_tensor *inner = tg_sum(tg_mul_scalar(a, 3));
    assert_true(tg_backward(tg_sum(tg_matmul(a, tg_apply(&f, TG_LIST(b), &inner, sizeof inner)))));
    check_values(a->grad, 13);
    check_values(b->grad, 14);
    check_ok(tg);
}

static void test_relu(void **state)
{
    for_sizes(state, rectify);
}

/* The gradients of softmax and mul_scalar take the place of those of their results. */
static void soften(problem p, int64_t m, int64_t n, int64_t k)
{
    (void)k;
    for (int i = 0; i < 4; i++) {
        p.leaves = 0;
        tg_set_num_threads(p.tg, i % 2 ? 3 : 1);
        tg_tensor *scaled = tg_mul_scalar(add_leaf(&p, TG_SHAPE(m, n)), -0.7);
        tg_tensor *y = i < 2 ? tg_softmax(scaled, 1) : tg_log_softmax(scaled, 1);
        compare_gradients(&p, weighted_sum(tg_mul_scalar(y, 3)));
    }
}

static void test_products(void **state)
{
    for_sizes(state, multiply);
    for_sizes(state, multiply_transposed);
    for_sizes(state, multiply_by_itself);
}

static void test_linear_layers(void **state)
{
    for_sizes(state, layer);
    for_sizes(state, layer_of_other_shapes);
}

static void test_mse_loss(void **state)
{
    for_sizes(state, squared_error);
    for_sizes(state, squared_error_of_unlike);
}

static void test_softmax(void **state)
{
    for_sizes(state, soften);
}

/* A gradient is not overwritten if it is wanted, or if the program has given it. */
static void test_wanted_gradients_stay(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_randn(tg, TG_F32, TG_SHAPE(3, 5)), true);
    tg_tensor *g = tg_randn(tg, TG_F32, TG_SHAPE(3, 5)), *before = tg_clone(g);
    tg_tensor *twice = tg_retain_grad(tg_mul_scalar(x, 2)), *y = tg_softmax(twice, 1);
    tg_tensor *z = tg_retain_grad(tg_mul_scalar(tg_mul_scalar(y, 4), 0.25));
    assert_true(tg_backward_with(z, g));
    for (int64_t i = 0; i < g->numel; i++) {
        assert_int_equal(bits_at(g, i), bits_at(before, i));
        assert_int_equal(bits_at(z->grad, i), bits_at(before, i));
        assert_true(element_of(x->grad, i) == 2 * element_of(twice->grad, i));
    }
    check_ok(tg);
}

/* Both inputs of a sum have its gradient, which neither may overwrite: with w = 3 (x + 2 x) and a
 * gradient g of w, that of x is 9 g. */
static void test_shared_gradients_stay(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_randn(tg, TG_F32, TG_SHAPE(7)), true);
    tg_tensor *sum = tg_add(tg_mul_scalar(x, 1), tg_mul_scalar(x, 2));
    assert_true(tg_backward_with(tg_mul_scalar(sum, 3), tg_arange(tg, TG_F32, 0, 7, 1)));
    check_values(x->grad, 0, 9, 18, 27, 36, 45, 54);
}

/* Softmax needs memory for the gradient of its input; the other operations need none. */
static void test_gradients_take_the_place_of_others(void **state)
{
    tg_context *tg = *state;
    const int64_t n = 1 << 18, bytes = n * (int64_t)sizeof(float);
    tg_tensor *x = tg_requires_grad_(tg_randn(tg, TG_F32, TG_SHAPE(512, n / 512)), true);
    tg_tensor *y = tg_softmax(tg_mul_scalar(tg_mul_scalar(x, 2), 3), 1), *g = tg_ones_like(y);
    const int64_t before = (int64_t)tg_get_stats(tg).peak_bytes;
    assert_int_equal(before, tg_get_stats(tg).live_bytes);
    assert_true(tg_backward_with(y, g));
    assert_true((int64_t)tg_get_stats(tg).peak_bytes - before < bytes * 3 / 2);
}

/* The shorter way notices, too, that a value which the gradient reads was changed. */
static void test_a_changed_value_is_an_error(void **state)
{
    problem p = {.tg = *state, .dtype = TG_F32};
    tg_tensor *a = add_leaf(&p, TG_SHAPE(2, 3)), *b = add_leaf(&p, TG_SHAPE(3, 2));
    tg_tensor *c = tg_mul_scalar(b, 2), *loss = tg_sum(tg_matmul(a, c));
    tg_no_grad_begin(*state);
    tg_add_scalar_(c, 1);
    tg_no_grad_end(*state);
    assert_false(tg_backward(loss));
    check_error(*state, TG_ERR_AUTOGRAD,
                "backward: the gradient of matmul needs its input 2, a tensor [3, 2], but "
                "add_scalar_ changed it in place");
    assert_null(a->grad);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)
    const struct CMUnitTest tests[] = {
        test(products),
        test(linear_layers),
        test(mse_loss),
        test(relu),
        test(softmax),
        test(losses_of_leaves),
        test(gradients_in_use_stay),
        test(gradients_stay_in_a_nested_backward),
        test(wanted_gradients_stay),
        test(shared_gradients_stay),
        test(gradients_take_the_place_of_others),
        test(a_changed_value_is_an_error),
    };
    return cmocka_run_group_tests_name("direct", tests, NULL, NULL);
}
