/* Which records a sweep backward visits: those on a path from the outputs to the inputs that are
 * asked for, and no others. Its time grows linearly with the number of inputs, outputs and
 * records. */
#include "leaf.h"
#include "sum_all.h"

/* ---- An operation, x^2, that counts how often its gradient is asked for. */

static tg_tensor *count_forward(tg_list in, const void *attributes)
{
    (void)attributes;
    return tg_square(in.items[0]);
}

static tg_tensor *count_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                 const void *attributes)
{
    (void)out, (void)i;
    ++**(int *const *)attributes;
    return tg_mul(grad, tg_mul_scalar(in.items[0], 2));
}

static const tg_autograd_function counted_op = {"counted", count_forward, count_backward};

static tg_tensor *counted(tg_tensor *x, int *count)
{
    return tg_apply(&counted_op, TG_LIST(x), &count, sizeof count);
}

static tg_tensor *gradient(tg_tensor *of, tg_tensor *by)
{
    tg_tensor *g = NULL;
    return tg_grad(TG_LIST(of), TG_LIST(by), &g, NULL) ? g : NULL;
}

/* d/dx of sum(x) + (y^2)^2, of which the second part is no function of x. */
static void test_grad_leaves_other_branches_alone(void **state)
{
    int count = 0;
    tg_tensor *x = leaf(*state, 1, 2), *y = leaf(*state, 3);
    tg_tensor *loss = tg_add(tg_sum(x), tg_sum(counted(counted(y, &count), &count)));
    check_values(gradient(loss, x), 1, 1);
    assert_int_equal(count, 0);
    check_values(gradient(loss, y), 4 * 27);
    assert_int_equal(count, 2);
    assert_true(tg_backward(loss));
    check_values(x->grad, 1, 1);
    check_values(y->grad, 4 * 27);
    assert_int_equal(count, 4);
}

/* The gradient of an input in the middle of one branch: what lies before this input, and the
 * branches beside it, are not visited. */
static void test_grad_stops_at_the_inputs(void **state)
{
    int before = 0, beside = 0, after = 0;
    tg_tensor *x = leaf(*state, 2), *y = leaf(*state, 3), *older = counted(y, &beside);
    tg_tensor *middle = counted(x, &before), *newer = counted(y, &beside);
    tg_tensor *loss = counted(tg_add(tg_add(older, middle), newer), &after);
    check_values(gradient(loss, middle), 2 * (9 + 4 + 9));
    assert_int_equal(before, 0);
    assert_int_equal(beside, 0);
    assert_int_equal(after, 1);
}

static void test_grad_of_two_outputs_and_two_inputs(void **state)
{
    int a_count = 0, b_count = 0, c_count = 0;
    tg_tensor *x = leaf(*state, 2), *y = leaf(*state, 3), *z = leaf(*state, 5), *g[2];
    tg_tensor *a = counted(x, &a_count), *b = counted(tg_mul(a, y), &b_count);
    tg_tensor *c = counted(z, &c_count);
    assert_true(tg_grad(TG_LIST(b, c), TG_LIST(a, y), g, NULL));
    check_values(g[0], 2 * 12 * 3);
    check_values(g[1], 2 * 12 * 4);
    assert_int_equal(a_count, 0);
    assert_int_equal(b_count, 1);
    assert_int_equal(c_count, 0);
    assert_true(tg_grad(TG_LIST(c, b, a), TG_LIST(x, z), g, NULL));
    check_values(g[0], (2 * 12 * 3 + 1) * 4);
    check_values(g[1], 10);
}

static void test_grad_forgives_changes_elsewhere(void **state)
{
    tg_tensor *x = leaf(*state, 1, 2), *y = leaf(*state, 3, 4), *c = constant(*state, 5, 6);
    tg_tensor *loss = tg_sum(tg_add(tg_mul(x, x), tg_mul(y, c)));
    assert_true(tg_set(c, TG_INDEX(0), 7));
    check_values(gradient(loss, x), 2, 4);
    assert_null(gradient(loss, y));
    check_error(*state, TG_ERR_AUTOGRAD,
                "backward: the gradient of mul needs its input 2, a tensor [2], but set changed it "
                "in place");
}

/* A tensor changed in place has several records, of which the newest made what it is. */
static void test_grad_through_writes_in_place(void **state)
{
    int count = 0;
    tg_tensor *x = leaf(*state, 2), *y = leaf(*state, 3), *h = tg_clone(counted(y, &count));
    tg_tensor *early = tg_mul_scalar(h, 10);
    tg_mul_(h, x);
    tg_tensor *loss = tg_add(tg_sum(early), tg_sum(h));
    check_values(gradient(loss, x), 9);
    assert_int_equal(count, 0);
    check_values(gradient(loss, h), 1);
    check_values(gradient(loss, y), 60 + 12);
    tg_copy_(h, x);
    check_values(gradient(tg_sum(h), x), 1);
    tg_grad_options o = tg_grad_defaults();
    o.allow_unused = true;
    tg_tensor *g = NULL;
    assert_true(tg_grad(TG_LIST(tg_sum(h)), TG_LIST(y), &g, &o));
    check_values(g, 0);
}

static void test_gradient_of_a_gradient_by_some(void **state)
{
    tg_grad_options o = tg_grad_defaults();
    o.create_graph = true;
    tg_tensor *x = leaf(*state, 2), *y = leaf(*state, 3), *g[2];
    tg_tensor *loss = tg_add(tg_mul(tg_mul(x, x), tg_mul(x, y)), tg_pow_scalar(y, 3));
    assert_true(tg_grad(TG_LIST(loss), TG_LIST(x), g, &o));
    check_values(g[0], 3 * 4 * 3);
    assert_true(tg_grad(TG_LIST(g[0]), TG_LIST(x, y), g, &o));
    check_values(g[0], 6 * 2 * 3);
    check_values(g[1], 3 * 4);
}

/* ---- A sweep in the backward of an operation, over records of the same graph. */

typedef struct within {
    tg_tensor *of, *by;
    double found;
} within;

static tg_tensor *ask_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                               const void *attributes)
{
    within *w = *(within *const *)attributes;
    tg_tensor *g = gradient(w->of, w->by);
    (void)out, (void)i;
    w->found = tg_item(g);
    return tg_mul(grad, tg_mul_scalar(in.items[0], 2));
}

static const tg_autograd_function asking_op = {"asking", count_forward, ask_backward};

/* The inner sweep is asked for y and the outer one for x. Neither visits records for the other. */
static void test_sweep_within_a_sweep_goes_its_own_way(void **state)
{
    int x_count = 0, y_count = 0;
    tg_tensor *x = leaf(*state, 2), *y = leaf(*state, 3);
    tg_tensor *a = counted(x, &x_count), *b = counted(y, &y_count), *sum = tg_add(a, b);
    within w = {sum, y, 0}, *user = &w;
    tg_tensor *loss = tg_apply(&asking_op, TG_LIST(sum), &user, sizeof user);
    check_values(gradient(loss, x), 2 * (4 + 9) * 4);
    assert_true(w.found == 6);
    assert_int_equal(x_count, 1);
    assert_int_equal(y_count, 1);
    assert_true(tg_backward_inputs(loss, TG_LIST(x)));
    check_values(x->grad, 2 * (4 + 9) * 4);
    assert_null(y->grad);
    assert_int_equal(x_count, 2);
    assert_int_equal(y_count, 2);
    assert_true(tg_backward(loss));
    check_values(x->grad, 4 * (4 + 9) * 4);
    check_values(y->grad, 2 * (4 + 9) * 6);
}

enum { LEVELS = 12 };

typedef struct levels {
    tg_tensor *x, *y, *product, *squares[LEVELS + 1];
} levels;

typedef struct level {
    levels *all;
    int number;
} level;

/* 2 xy, found from the square one level down, by x and by y in turn. */
static tg_tensor *level_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                 const void *attributes)
{
    const level *l = attributes;
    const levels *all = l->all;
    const bool by_x = l->number % 2 != 0;
    (void)out, (void)i;
    if (l->number == 0) return tg_mul(grad, tg_mul_scalar(in.items[0], 2));
    tg_tensor *g = gradient(all->squares[l->number - 1], by_x ? all->x : all->y);
    return tg_mul(grad, tg_div(g, by_x ? all->y : all->x));
}

static const tg_autograd_function level_op = {"level", count_forward, level_backward};

/* All of them go through the record of the one product. */
static void test_sweeps_twelve_deep(void **state)
{
    levels all = {.x = leaf(*state, 2), .y = leaf(*state, 3)};
    all.product = tg_mul(all.x, all.y);
    for (int i = 0; i <= LEVELS; i++)
        all.squares[i] =
            tg_apply(&level_op, TG_LIST(all.product), &(level){&all, i}, sizeof(level));
    check_values(gradient(all.squares[LEVELS], all.x), 2 * 6 * 3);
    check_values(gradient(all.squares[LEVELS], all.y), 2 * 6 * 2);
}

/* ---- backward for some inputs: Tensor.backward(inputs=...). */

static void test_backward_inputs(void **state)
{
    int count = 0;
    tg_tensor *x = leaf(*state, 1, 2), *y = leaf(*state, 3, 4), *h = tg_mul(x, x);
    tg_tensor *loss = tg_sum(tg_add(tg_mul(h, y), counted(y, &count)));
    assert_true(tg_backward_inputs(loss, TG_LIST(x)));
    check_values(x->grad, 6, 16);
    assert_null(y->grad);
    assert_null(h->grad);
    assert_int_equal(count, 0);
    assert_true(tg_backward_inputs(loss, TG_LIST(x, h)));
    check_values(x->grad, 12, 32);
    check_values(h->grad, 3, 4);
    assert_null(y->grad);
    assert_true(tg_backward_inputs(loss, TG_LIST(y, y)));
    check_values(y->grad, 1 + 6, 4 + 8);
    check_values(x->grad, 12, 32);
}

/* As in PyTorch, a tensor on the way that retains its gradient gets it. */
static void test_backward_inputs_passes_what_retains_its_gradient(void **state)
{
    tg_tensor *x = leaf(*state, 3), *y = leaf(*state, 1), *h = tg_retain_grad(tg_mul(x, x));
    tg_tensor *aside = tg_retain_grad(tg_mul(y, y)), *loss = tg_mul(tg_mul(h, h), aside);
    assert_true(tg_backward_inputs(loss, TG_LIST(x)));
    check_values(h->grad, 18);
    check_values(x->grad, 2 * 9 * 6);
    assert_null(aside->grad);
}

/* An input that the loss does not depend on keeps its grad, as in PyTorch; a loss that is a leaf
 * itself is an output and an input. */
static void test_backward_inputs_at_the_edges(void **state)
{
    tg_tensor *x = leaf(*state, 3), *y = leaf(*state, 4), *c = constant(*state, 1);
    assert_true(tg_backward_inputs(tg_mul(x, x), TG_LIST(y)));
    assert_null(x->grad);
    assert_null(y->grad);
    assert_true(tg_backward_inputs(x, TG_LIST(y)));
    assert_null(x->grad);
    assert_true(tg_backward_inputs(x, TG_LIST(x)));
    check_values(x->grad, 1);
    assert_false(tg_backward_inputs(tg_mul(x, x), TG_LIST()));
    check_error(*state, TG_ERR_ARGUMENT, "backward: there are no inputs");
    assert_false(tg_backward_inputs(tg_mul(x, x), TG_LIST(x, NULL)));
    check_error(*state, TG_ERR_ARGUMENT, "backward: input 2 is NULL");
    assert_false(tg_backward_inputs(tg_mul(x, x), TG_LIST(x, c)));
    check_error(*state, TG_ERR_AUTOGRAD, "backward: input 2, [1], does not require grad");
    assert_false(tg_backward_inputs(NULL, TG_LIST(x)));
    assert_true(tg_ok(*state));
}

/* AccumulateGrad: a leaf is an output of itself, and gradients of another context are borrowed. */
static void test_backward_with_adds_to_the_grad_of_a_leaf(void **state)
{
    tg_tensor *w = leaf(*state, 1, 2);
    tg_context *other = tg_open(NULL);
    tg_tensor *alias = tg_borrow(other, w);
    assert_true(tg_backward(tg_sum(tg_mul(alias, alias))));
    assert_true(tg_backward_with(w, constant(*state, 10, 20)));
    assert_true(tg_backward_with(w, tg_borrow(*state, alias->grad)));
    check_values(w->grad, 12, 24);
    tg_close(other);
}

/* ---- Growth. These take a fraction of a second in linear time, and 12 seconds to a minute in
 * quadratic time. */

enum { MANY = 100000 };

static tg_tensor **many_leaves(tg_context *tg, int n)
{
    tg_tensor **leaves = malloc((size_t)n * sizeof(tg_tensor *));
    assert_non_null(leaves);
    for (int i = 0; i < n; i++)
        leaves[i] = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(1), i % 7), true);
    return leaves;
}

/* grad of leaf i is scale * (i % 7). */
static void check_grads(tg_tensor *const *leaves, int n, double scale)
{
    for (int i = 0; i < n; i++)
        if (!leaves[i]->grad || tg_item(leaves[i]->grad) != scale * (i % 7))
            fail_msg("the grad of leaf %d is wrong", i);
}

static void test_cat_of_100000(void **state)
{
    tg_tensor **x = many_leaves(*state, MANY), *all = tg_cat((tg_list){MANY, x}, 0);
    assert_true(tg_backward(tg_sum(tg_mul(all, all))));
    check_grads(x, MANY, 2);
    assert_true(tg_backward(tg_sum(tg_mul(all, all))));
    check_grads(x, MANY, 4);
    free(x);
}

static void test_stack_and_vstack_of_100000(void **state)
{
    tg_tensor **x = many_leaves(*state, MANY), *all = tg_stack((tg_list){MANY, x}, 0);
    assert_true(tg_backward(tg_sum(tg_mul(all, all))));
    check_grads(x, MANY, 2);
    all = tg_vstack((tg_list){MANY, x});
    assert_true(tg_backward(tg_sum(tg_mul(all, all))));
    check_grads(x, MANY, 4);
    free(x);
}

/* Empty tensors may stand anywhere among those that are joined, and have no effect. */
static void test_cat_gradient_with_empty_ones(void **state)
{
    tg_tensor *none = leaf_of(*state, TG_SHAPE(0), NULL), *x = leaf(*state, 1, 2);
    tg_tensor *y = leaf(*state, 3, 4, 5), *c = constant(*state, 1, 2, 3, 4, 5);
    tg_tensor *all = tg_cat(TG_LIST(none, x, none, y), 0);
    for (int i = 1; i <= 2; i++) {
        assert_true(tg_backward(tg_sum(tg_mul(all, c))));
        check_values(x->grad, i, 2 * i);
        check_values(y->grad, 3 * i, 4 * i, 5 * i);
    }
    check_values(gradient(tg_sum(tg_mul(all, c)), y), 3, 4, 5);
    check_values(gradient(tg_sum(tg_mul(all, c)), x), 1, 2);
}

static void test_split_into_100000(void **state)
{
    tg_tensor *x = tg_requires_grad_(tg_ones(*state, TG_F32, TG_SHAPE(MANY)), true);
    tg_tensor *all = tg_cat(tg_split(x, 1, 0), 0);
    assert_true(tg_backward(tg_sum(tg_mul(all, all))));
    assert_true(tg_item(tg_max(x->grad)) == 2 && tg_item(tg_min(x->grad)) == 2);
}

/* The gradient of a part is added to its place: 4,000 rows of 8 KB are 32 MB, not 4,000 times
 * that. */
static void test_rows_of_a_matrix_cost_what_they_have(void **state)
{
    enum { ROWS = 4000, COLUMNS = 2000 };
    tg_tensor *x = tg_requires_grad_(tg_ones(*state, TG_F32, TG_SHAPE(ROWS, COLUMNS)), true);
    tg_tensor *sum = tg_zeros(*state, TG_F32, TG_SHAPE());
    for (int i = 0; i < ROWS; i++)
        sum = tg_add(sum, tg_mul_scalar(tg_sum(tg_select(x, 0, i)), i % 5));
    assert_true(tg_backward(sum));
    for (int i = 0; i < ROWS; i++) assert_true(tg_get(x->grad, TG_INDEX(i, i % COLUMNS)) == i % 5);
}

/* The gradient of a tensor of which parts of every kind are used: they overlap, backward runs
 * twice, and in the end the whole tensor is used, too. */
static void test_parts_that_overlap(void **state)
{
    tg_tensor *x = leaf_of(*state, TG_SHAPE(3, 3), (double[]){1, 2, 3, 4, 5, 6, 7, 8, 9});
    tg_tensor *h = tg_mul_scalar(x, 2), *w = constant(*state, 1, 10, 100);
    tg_tensor *loss = tg_sum(tg_mul(tg_select(h, 0, 1), w));
    loss = tg_add(loss, tg_sum(tg_mul(tg_select(h, 1, 2), w)));
    loss = tg_add(loss, tg_sum(tg_mul(tg_diagonal(h, 0, 0, 1), w)));
    loss = tg_add(loss, tg_sum(tg_slice(h, 1, 0, TG_END, 2)));
    loss = tg_add(loss, tg_sum(tg_narrow(tg_t(h), 0, 1, 1)));
    for (int i = 1; i <= 2; i++) {
        assert_true(tg_backward(loss));
        check_values(x->grad, i * 4, i * 2, i * 4, i * 4, i * 42, i * 222, i * 2, i * 2, i * 402);
    }
    tg_tensor *all = tg_add(loss, tg_sum(h));
    check_values(gradient(all, h), 3, 2, 3, 3, 22, 112, 2, 2, 202);
    check_values(gradient(loss, h), 2, 1, 2, 2, 21, 111, 1, 1, 201);
}

/* The gradient of x has first collected that of a reshape that copies, whose memory belongs to the
 * sweep, when that of the part is added. */
static void test_a_part_beside_a_reshape_that_copies(void **state)
{
    tg_tensor *x = leaf_of(*state, TG_SHAPE(3, 2), (double[]){1, 2, 3, 4, 5, 6});
    tg_tensor *part = tg_sum(tg_narrow(x, 0, 1, 2));
    tg_tensor *t = tg_t(tg_reshape(x, TG_SHAPE(2, 3)));
    assert_true(tg_backward(tg_add(tg_sum(tg_mul(t, t)), part)));
    check_values(x->grad, 2, 4, 7, 9, 11, 13);
}

static tg_tensor *parts(tg_list in, void *user)
{
    tg_tensor *a = in.items[0];
    (void)user;
    tg_tensor *rows = tg_mul(tg_select(a, 0, 0), tg_select(a, 0, 1));
    return tg_add(tg_mul(rows, tg_slice(tg_select(a, 1, 0), 0, 0, 2, 1)),
                  tg_mul(tg_diagonal(a, 0, 0, 1), tg_select(a, 0, 1)));
}

static void test_parts_against_differences(void **state)
{
    tg_tensor *a = leaf_of(*state, TG_SHAPE(2, 2), (double[]){1, 2, 3, 4});
    assert_true(tg_gradcheck(parts, TG_LIST(a), NULL, NULL));
    assert_true(tg_gradgradcheck(parts, TG_LIST(a), NULL, NULL));
}

/* If the list of inputs were made again for the gradient of each of them, the lists would take 80
 * GB. */
static void test_own_operation_with_100000_inputs(void **state)
{
    tg_tensor **x = many_leaves(*state, MANY);
    tg_tensor *sum = tg_apply(&sum_all, (tg_list){MANY, x}, NULL, 0);
    assert_true(tg_backward(sum));
    for (int i = 0; i < MANY; i++) assert_true(tg_item(x[i]->grad) == 1);
    free(x);
}

static void grad_to_many(tg_context *tg, bool create_graph)
{
    tg_tensor **h = malloc(MANY * sizeof(tg_tensor *)), **g = malloc(MANY * sizeof(tg_tensor *));
    tg_grad_options o = tg_grad_defaults();
    assert_true(h && g);
    h[0] = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(1)), true);
    for (int i = 1; i < MANY; i++) h[i] = tg_mul_scalar(h[i - 1], i % 2 ? 2 : 0.5);
    o.create_graph = create_graph;
    assert_true(tg_grad(TG_LIST(h[MANY - 1]), (tg_list){MANY, h}, g, &o));
    for (int i = 0; i < MANY; i++) assert_true(tg_item(g[i]) == (i % 2 ? 1 : 2));
    free(h);
    free(g);
}

static void test_grad_to_100000_intermediates(void **state)
{
    grad_to_many(*state, false);
    grad_to_many(*state, true);
}

/* If several inputs have the same gradient, tg_grad returns a tensor for each of them. */
static void test_results_of_grad_can_be_released_one_by_one(void **state)
{
    tg_grad_options o = tg_grad_defaults();
    o.create_graph = true;
    tg_tensor *x = leaf(*state, 1, 2), *y = leaf(*state, 3, 4), *g[3];
    assert_true(tg_grad(TG_LIST(tg_sum(tg_add(x, y))), TG_LIST(x, y, x), g, &o));
    assert_true(g[0] != g[1] && g[1] != g[2] && g[0] != g[2]);
    tg_release(g[0]);
    check_values(g[1], 1, 1);
    tg_release(g[1]);
    check_values(g[2], 1, 1);
}

/* A backward function that runs a sweep of its own. If each of these saved what the outer sweep has
 * collected, a long chain would take quadratic time. */
static tg_tensor *sweeping_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                    const void *attributes)
{
    tg_tensor *x = tg_requires_grad_(tg_clone(tg_detach(in.items[0])), true);
    (void)out, (void)i, (void)attributes;
    return tg_mul(grad, gradient(x, x));
}

static tg_tensor *clone_forward(tg_list in, const void *attributes)
{
    (void)attributes;
    return tg_clone(in.items[0]);
}

static void test_chain_of_10000_sweeps_within_a_sweep(void **state)
{
    static const tg_autograd_function sweeping = {"sweeping", clone_forward, sweeping_backward};
    tg_tensor *x = leaf(*state, 3), *h = x;
    for (int i = 0; i < MANY / 10; i++) h = tg_apply(&sweeping, TG_LIST(h), NULL, 0);
    assert_true(tg_backward(h));
    check_values(x->grad, 1);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)
    const struct CMUnitTest tests[] = {
        test(grad_leaves_other_branches_alone),
        test(grad_stops_at_the_inputs),
        test(grad_of_two_outputs_and_two_inputs),
        test(grad_forgives_changes_elsewhere),
        test(grad_through_writes_in_place),
        test(gradient_of_a_gradient_by_some),
        test(sweep_within_a_sweep_goes_its_own_way),
        test(sweeps_twelve_deep),
        test(backward_inputs),
        test(backward_inputs_passes_what_retains_its_gradient),
        test(backward_inputs_at_the_edges),
        test(backward_with_adds_to_the_grad_of_a_leaf),
        test(cat_of_100000),
        test(stack_and_vstack_of_100000),
        test(cat_gradient_with_empty_ones),
        test(split_into_100000),
        test(rows_of_a_matrix_cost_what_they_have),
        test(parts_that_overlap),
        test(a_part_beside_a_reshape_that_copies),
        test(parts_against_differences),
        test(own_operation_with_100000_inputs),
        test(grad_to_100000_intermediates),
        test(results_of_grad_can_be_released_one_by_one),
        test(chain_of_10000_sweeps_within_a_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
