/* Losses and sums over blocks of rows: their values, the order of the additions, and that no bit
 * depends on the number of threads. test_rows_training.c has whole runs. */
#include "leaf.h"

static const int thread_counts[] = {1, 2, 3, 7, 16};

/* A network and data, of which all is drawn with one seed. */
typedef struct stage {
    tg_context *tg;
    tg_tensor *X, *y;
    tg_module *net;
} stage;

static stage make_stage(tg_context *tg, int64_t rows)
{
    tg_manual_seed(tg, 5);
    stage s = {.tg = tg};
    s.X = tg_randn(tg, TG_F32, TG_SHAPE(rows, 6));
    s.y = tg_randn(tg, TG_F32, TG_SHAPE(rows, 1));
    tg_module *first = tg_linear(tg, 6, 9, TG_BIAS), *last = tg_linear(tg, 9, 1, TG_BIAS);
    s.net = tg_sequential(TG_MODULES(first, tg_lambda(tg, tg_tanh), last));
    return s;
}

static tg_tensor *squared_error(const tg_block *b, void *user)
{
    (void)user;
    return tg_mse_loss(tg_forward(b->module, b->data.items[0]), b->data.items[1], TG_SUM);
}

/* ---- The tree, by hand: the loss and the gradients of the blocks from `from` on. */

enum { PARAMETERS = 4, MOST = 64 };

typedef struct by_hand {
    float loss, grads[PARAMETERS][MOST];
} by_hand;

static by_hand block_by_hand(const stage *s, int64_t from, int64_t n)
{
    by_hand h = {0};
    TG_SCOPE (s->tg) {
        tg_tensor *x = tg_narrow(s->X, 0, from, n), *y = tg_narrow(s->y, 0, from, n);
        tg_tensor *loss = tg_mse_loss(tg_forward(s->net, x), y, TG_SUM);
        assert_true(tg_backward(loss));
        h.loss = (float)tg_item(loss);
        for (int i = 0; i < PARAMETERS; i++) {
            tg_tensor *p = tg_parameters(s->net).items[i];
            assert_true(tg_copy_to_f32(p->grad, h.grads[i]) && tg_clear_grad(p));
        }
    }
    return h;
}

static by_hand sum_by_hand(by_hand a, by_hand b)
{
    a.loss += b.loss;
    for (int i = 0; i < PARAMETERS; i++)
        for (int k = 0; k < MOST; k++) a.grads[i][k] += b.grads[i][k];
    return a;
}

/* The aligned run of 2^level blocks. */
static by_hand node_by_hand(const stage *s, int64_t block_rows, int64_t first, int level)
{
    const int64_t from = first * block_rows, left = s->X->shape[0] - from;
    if (level == 0) return block_by_hand(s, from, left < block_rows ? left : block_rows);
    return sum_by_hand(node_by_hand(s, block_rows, first, level - 1),
                       node_by_hand(s, block_rows, first + (1 << (level - 1)), level - 1));
}

/* The largest aligned run from block `first` on, plus all that is to the right of it. */
static by_hand tree_by_hand(const stage *s, int64_t block_rows, int64_t first)
{
    const int64_t left = (s->X->shape[0] + block_rows - 1) / block_rows - first;
    int level = 0;
    while ((int64_t)2 << level <= left) level++;
    const by_hand node = node_by_hand(s, block_rows, first, level);
    if ((int64_t)1 << level == left) return node;
    return sum_by_hand(node, tree_by_hand(s, block_rows, first + (1 << level)));
}

static void check_tree(const stage *s, int64_t block_rows, int threads)
{
    const by_hand want = tree_by_hand(s, block_rows, 0);
    assert_true(tg_set_num_threads(s->tg, threads));
    TG_SCOPE (s->tg) {
        tg_rows *rows =
            tg_rows_new(TG_LIST(s->X, s->y), TG_ROWS(.module = s->net, .block_rows = block_rows));
        assert_int_equal(tg_rows_count(rows), s->X->shape[0]);
        assert_int_equal(tg_rows_per_block(rows), block_rows);
        tg_tensor *loss = tg_backward_rows(rows, squared_error, NULL);
        check_ok(s->tg);
        assert_true(tg_item(loss) == (double)want.loss && !loss->requires_grad);
        for (int i = 0; i < PARAMETERS; i++) {
            tg_tensor *p = tg_parameters(s->net).items[i];
            for (int64_t k = 0; k < p->numel; k++)
                assert_true(element_of(p->grad, k) == (double)want.grads[i][k]);
            tg_clear_grad(p);
        }
    }
}

static void test_blocks_are_added_in_the_tree(void **state)
{
    for (size_t t = 0; t < sizeof thread_counts / sizeof *thread_counts; t++)
        for (int64_t rows = 1; rows <= 23; rows += 1 + rows / 8) {
            tg_context *tg = tg_open(NULL);
            const stage s = make_stage(tg, rows);
            for (int64_t block = 1; block <= 5; block++) check_tree(&s, block, thread_counts[t]);
            check_tree(&s, 1000, thread_counts[t]);
            tg_close(tg);
        }
    (void)state;
}

/* ---- Values that are exact, so that the order of additions does not matter. */

static tg_tensor *weighted_sum(const tg_block *b, void *user)
{
    (void)user;
    return tg_sum(tg_mul(b->data.items[0], b->tensors.items[0]));
}

static void test_gradients_of_tensors_and_of_what_they_were_computed_from(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_arange(tg, TG_F64, 0, 100, 1), *a = leaf(tg, 3), *b = leaf(tg, 5);
    tg_tensor *product = tg_mul(a, b);
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.tensors = TG_LIST(product), .block_rows = 7));
    tg_rows *mean = tg_rows_new(TG_LIST(x), TG_ROWS(.tensors = TG_LIST(a, product, a, b),
                                                    .block_rows = 7, .reduction = TG_MEAN));
    check_values(tg_backward_rows(rows, weighted_sum, NULL), 4950 * 15);
    check_values(a->grad, 4950 * 5);
    check_values(b->grad, 4950 * 3);
    check_values(tg_backward_rows(mean, weighted_sum, NULL), 49.5 * 3);
    check_values(a->grad, 4950 * 5 + 49.5);
    check_values(b->grad, 4950 * 3); /* no block has used b */
    check_ok(tg);
}

static tg_tensor *data_itself(const tg_block *b, void *user)
{
    (void)user;
    return b->data.items[0];
}

static tg_tensor *tensor_itself(const tg_block *b, void *user)
{
    (void)user;
    return b->tensors.items[0];
}

static tg_tensor *sum_of_all(const tg_block *b, void *user)
{
    (void)user;
    return tg_add(tg_sum(b->tensors.items[0]), tg_sum(b->data.items[0]));
}

/* Tensors and rows without elements, and results without elements. */
static void test_nothing(void **state)
{
    tg_context *tg = *state;
    tg_tensor *empty = tg_requires_grad_(tg_zeros(tg, TG_F64, TG_SHAPE(0, 3)), true);
    tg_tensor *x = tg_zeros(tg, TG_F64, TG_SHAPE(10, 0));
    tg_rows *rows = tg_rows_new(
        TG_LIST(x), TG_ROWS(.tensors = TG_LIST(empty), .block_rows = 3, .reduction = TG_MEAN));
    check_values(tg_backward_rows(rows, sum_of_all, NULL), 0);
    assert_true(empty->grad && empty->grad->numel == 0);
    const tg_tensor *same = tg_map_rows(rows, data_itself, NULL);
    assert_true(same && same->numel == 0 && same->shape[0] == 10);
    const tg_tensor *none = tg_sum_rows(rows, tensor_itself, NULL);
    assert_true(none && none->numel == 0 && none->ndim == 2);
    check_ok(tg);
}

static tg_tensor *both_moments(const tg_block *b, void *user)
{
    (void)user;
    tg_tensor *x = b->data.items[0];
    return tg_stack(TG_LIST(tg_sum(x), tg_sum(tg_square(x))), 0);
}

static tg_tensor *count_of_odd(const tg_block *b, void *user)
{
    (void)user;
    assert_int_equal(b->data.items[0]->shape[0], b->n);
    assert_true(tg_get(b->data.items[0], TG_SHAPE(0)) == (double)b->first);
    return tg_sum(tg_cast(tg_eq_scalar(tg_remainder_scalar(b->data.items[0], 2), 1), TG_I64));
}

static void test_sums(void **state)
{
    tg_context *tg = *state;
    tg_set_num_threads(tg, 3);
    tg_tensor *x = tg_arange(tg, TG_F64, 0, 101, 1);
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.block_rows = 4));
    tg_rows *mean = tg_rows_new(TG_LIST(x), TG_ROWS(.block_rows = 4, .reduction = TG_MEAN));
    check_values(tg_sum_rows(rows, both_moments, NULL), 5050, 338350);
    check_values(tg_sum_rows(mean, both_moments, NULL), 50, 3350);
    check_values(tg_sum_rows(rows, count_of_odd, NULL), 50);
    assert_int_equal(tg_sum_rows(rows, count_of_odd, NULL)->dtype, TG_I64);
    tg_tensor *strided = tg_slice(x, 0, 0, TG_END, 2); /* 0, 2, ... 100 */
    check_values(
        tg_sum_rows(tg_rows_new(TG_LIST(strided), TG_ROWS(.block_rows = 4)), both_moments, NULL),
        2550, 171700);
    check_ok(tg);
}

/* ---- Rows of results. */

static tg_tensor *output(const tg_block *b, void *user)
{
    (void)user;
    return tg_forward(b->module, b->data.items[0]);
}

static tg_tensor *labels(const tg_block *b, void *user)
{
    (void)user;
    return tg_transpose(tg_stack(TG_LIST(b->data.items[1], b->data.items[1]), 0), 0, 1);
}

static void test_rows_of_results(void **state)
{
    tg_context *tg = *state;
    const stage s = make_stage(tg, 53);
    const tg_tensor *want = tg_forward(s.net, s.X);
    tg_tensor *y = tg_arange(tg, TG_I64, 0, 53, 1);
    for (size_t i = 0; i < sizeof thread_counts / sizeof *thread_counts; i++) {
        tg_set_num_threads(tg, thread_counts[i]);
        for (int64_t block = 1; block <= 64; block *= 2) {
            tg_rows *rows =
                tg_rows_new(TG_LIST(s.X, y), TG_ROWS(.module = s.net, .block_rows = block));
            const tg_tensor *got = tg_map_rows(rows, output, NULL);
            assert_true(got && got->ndim == 2 && got->shape[0] == 53 && got->shape[1] == 1);
            assert_false(got->requires_grad);
            assert_memory_equal(got->data, want->data, 53 * sizeof(float));
            const tg_tensor *twice = tg_map_rows(rows, labels, NULL);
            assert_true(twice && twice->dtype == TG_I64 && twice->numel == 106);
            for (int64_t k = 0; k < 106; k++) assert_true(element_of(twice, k) == (double)(k / 2));
        }
    }
    check_ok(tg);
}

/* ---- What may change between two calls. */

static void test_batches_of_a_loader(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_arange(tg, TG_F64, 0, 50, 1), *w = leaf(tg, 2), *batch[1];
    tg_loader *loader = tg_data_loader(TG_LIST(x), TG_LOADER(.batch_size = 12, .shuffle = true));
    tg_rows *rows = NULL;
    double sum = 0;
    int64_t count = 0;
    tg_set_num_threads(tg, 2);
    while (tg_next_batch(loader, batch)) {
        if (!rows)
            rows = tg_rows_new(TG_LIST(batch[0]), TG_ROWS(.tensors = TG_LIST(w), .block_rows = 5));
        assert_true(tg_rows_set_data(rows, TG_LIST(batch[0])));
        count += tg_rows_count(rows);
        sum += tg_item(tg_backward_rows(rows, weighted_sum, NULL));
    }
    assert_true(sum == 2 * 1225 && count == 50);
    check_values(w->grad, 1225);
    check_ok(tg);
}

static void test_modes_and_frozen_parameters(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(40, 3));
    tg_module *drop = tg_dropout_layer(tg, 0.5), *linear = tg_linear(tg, 3, 1, TG_BIAS);
    tg_module *net = tg_sequential(TG_MODULES(drop, linear));
    tg_tensor *weight = tg_param(linear, "weight"), *bias = tg_param(linear, "bias");
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.module = net, .block_rows = 8));
    tg_fill_(tg_detach(weight), 1);
    tg_zero_(tg_detach(bias));
    const tg_tensor *dropped = tg_map_rows(rows, output, NULL);
    bool differ = false;
    for (int64_t i = 0; i < 40; i++) differ |= element_of(dropped, i) != 3;
    assert_true(differ);
    tg_eval(net);
    check_values(tg_sum(tg_map_rows(rows, output, NULL)), 120);
    tg_fill_(tg_detach(weight), 2);
    check_values(tg_sum(tg_map_rows(rows, output, NULL)), 240);
    tg_requires_grad_(weight, false);
    tg_tensor *zero = tg_zeros(tg, TG_F32, TG_SHAPE(40, 1));
    tg_rows *pairs = tg_rows_new(TG_LIST(x, zero), TG_ROWS(.module = net, .block_rows = 8));
    check_values(tg_backward_rows(pairs, squared_error, NULL), 36 * 40);
    assert_null(weight->grad);
    check_values(bias->grad, 12 * 40);
    tg_requires_grad_(weight, true);
    check_values(tg_backward_rows(pairs, squared_error, NULL), 36 * 40);
    check_values(weight->grad, 12 * 40, 12 * 40, 12 * 40);
    check_values(bias->grad, 24 * 40);
    check_ok(tg);
}

/* A function may ask for a gradient of a tensor that is frozen in the caller's context. It gets one
 * there, for uses of its own, but the caller's tensor gets none. */
static tg_tensor *thaw(const tg_block *b, void *user)
{
    (void)user;
    tg_requires_grad_(b->tensors.items[0], true);
    return tg_add(tg_sum(b->tensors.items[0]), tg_sum(b->tensors.items[1]));
}

static void test_a_frozen_tensor_that_requires_grad_in_the_function(void **state)
{
    tg_context *tg = *state;
    tg_tensor *frozen = tg_ones(tg, TG_F64, TG_SHAPE(1000)),
              *w = tg_requires_grad_(tg_ones(tg, TG_F64, TG_SHAPE(2)), true);
    tg_rows *rows = tg_rows_new(TG_LIST(tg_zeros(tg, TG_F64, TG_SHAPE(5))),
                                TG_ROWS(.tensors = TG_LIST(frozen, w), .block_rows = 2));
    check_values(tg_backward_rows(rows, thaw, NULL), 3 * 1002);
    check_values(w->grad, 3, 3);
    assert_null(frozen->grad);
    check_ok(tg);
}

/* In the first block, the function lets a module evaluate, freezes a tensor, and makes float64 the
 * default dtype. No other block sees that, whichever thread computes it. */
static tg_tensor *changes_settings(const tg_block *b, void *user)
{
    (void)user;
    const bool was = tg_is_training(b->module) && b->tensors.items[0]->requires_grad &&
                     tg_is_grad_enabled(b->context) &&
                     tg_param(tg_linear(b->context, 1, 1, TG_BIAS), "weight")->dtype == TG_F32;
    tg_eval(b->module);
    tg_requires_grad_(b->tensors.items[0], b->first > 0);
    tg_set_default_dtype(b->context, TG_F64);
    tg_no_grad_begin(b->context);
    tg_tensor *seen = tg_full(b->context, TG_F64, TG_SHAPE(), was);
    tg_no_grad_end(b->context);
    return tg_add(seen, tg_mul_scalar(tg_sum(tg_add(b->tensors.items[0], b->tensors.items[1])), 0));
}

static void test_what_a_function_changes_holds_for_its_block(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_zeros(tg, TG_F32, TG_SHAPE(40));
    tg_module *dropout = tg_dropout_layer(tg, 0.5);
    tg_tensor *a = leaf(tg, 1), *b = leaf(tg, 1);
    tg_rows *rows = tg_rows_new(
        TG_LIST(x), TG_ROWS(.module = dropout, .tensors = TG_LIST(a, b), .block_rows = 4));
    for (int threads = 1; threads <= 3; threads++) {
        tg_set_num_threads(tg, threads);
        check_values(tg_backward_rows(rows, changes_settings, NULL), 10);
    }
    check_ok(tg);
}

static tg_tensor *times_factor(tg_module *m, tg_tensor *x)
{
    return tg_mul_scalar(x, *(const double *)tg_module_data(m));
}

static void test_the_data_of_a_module_of_the_program(void **state)
{
    tg_context *tg = *state;
    tg_module *m = tg_module_new(tg, "Times", times_factor, sizeof(double));
    double *factor = tg_module_data(m);
    tg_rows *rows = tg_rows_new(TG_LIST(tg_ones(tg, TG_F64, TG_SHAPE(10))),
                                TG_ROWS(.module = m, .block_rows = 3));
    for (*factor = 1; *factor < 4; *factor += 1)
        check_values(tg_sum(tg_map_rows(rows, output, NULL)), 10 * *factor);
    check_ok(tg);
}

/* ---- Draws. */

static tg_tensor *draws(const tg_block *b, void *user)
{
    (void)user;
    return tg_rand(b->context, TG_F64, TG_SHAPE(b->n));
}

/* The streams of blocks differ, do not depend on the threads, and move the caller's by one number
 * a call, which tg_randperm of two numbers draws, too. */
static void test_each_block_has_a_stream_of_its_own(void **state)
{
    (void)state;
    double first[60];
    for (size_t i = 0; i < sizeof thread_counts / sizeof *thread_counts; i++) {
        tg_context *tg = tg_open(NULL);
        tg_set_num_threads(tg, thread_counts[i]);
        tg_rows *rows =
            tg_rows_new(TG_LIST(tg_zeros(tg, TG_F32, TG_SHAPE(60))), TG_ROWS(.block_rows = 4));
        tg_manual_seed(tg, 1);
        tg_tensor *drawn = tg_map_rows(rows, draws, NULL), *next = tg_rand(tg, TG_F32, TG_SHAPE(1));
        tg_manual_seed(tg, 1);
        tg_rand(tg, TG_F32, TG_SHAPE(1));
        assert_true(tg_item(next) == tg_item(tg_rand(tg, TG_F32, TG_SHAPE(1))));
        if (i == 0) tg_copy_to_f64(drawn, first);
        for (int64_t k = 0; k < 60; k++) {
            assert_true(element_of(drawn, k) == first[k]);
            for (int64_t other = 0; i == 0 && other < k; other++)
                assert_true(first[k] != first[other]);
        }
        assert_true(element_of(tg_map_rows(rows, draws, NULL), 0) != first[0]);
        check_ok(tg);
        tg_close(tg);
    }
}

/* A stream that has drawn nothing yet has a state, too. */
static tg_tensor *state_of_stream(const tg_block *b, void *user)
{
    (void)user;
    tg_tensor *before = tg_get_rng_state(b->context),
              *drawn = tg_rand(b->context, TG_F64, TG_SHAPE());
    assert_true(tg_set_rng_state(b->context, before));
    return tg_sub(drawn, tg_rand(b->context, TG_F64, TG_SHAPE()));
}

static void test_the_state_of_a_stream_of_a_block(void **state)
{
    tg_rows *rows =
        tg_rows_new(TG_LIST(tg_zeros(*state, TG_F32, TG_SHAPE(6))), TG_ROWS(.block_rows = 4));
    check_values(tg_sum_rows(rows, state_of_stream, NULL), 0);
}

/* ---- Looking. */

static tg_tensor *divides(const tg_block *b, void *user)
{
    (void)user;
    return tg_sum(tg_reciprocal(b->data.items[0]));
}

static void test_anomalies_and_profiles(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_arange(tg, TG_F64, -5, 5, 1);
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.block_rows = 4));
    assert_true(isinf(tg_item(tg_sum_rows(rows, divides, NULL))));
    tg_detect_anomaly(tg, true);
    assert_null(tg_sum_rows(rows, divides, NULL));
    check_error(tg, TG_ERR_ARGUMENT,
                "sum_rows: rows 4 to 7: reciprocal: the result [4] is inf at [1], for the finite "
                "inputs [4] (0 there)");
    tg_detect_anomaly(tg, false);
    tg_profile(tg, true);
    assert_non_null(tg_sum_rows(rows, divides, NULL));
    tg_profile(tg, false);
    const tg_profile_rows profile = tg_get_profile(tg);
    assert_true(profile.n == 1 && profile.items[0].calls == 1);
    assert_string_equal(profile.items[0].name, "sum_rows");
}

/* ---- The size of a block follows from shapes alone. */

static void test_block_sizes(void **state)
{
    tg_context *tg = *state;
    const stage s = make_stage(tg, 10);
    tg_tensor *wide = tg_zeros(tg, TG_F32, TG_SHAPE(3, 100000));
    const int64_t narrow = tg_rows_per_block(tg_rows_new(TG_LIST(s.X), NULL));
    assert_int_equal(narrow, 16384);
    assert_int_equal(tg_rows_per_block(tg_rows_new(TG_LIST(wide), NULL)), 32);
    tg_set_num_threads(tg, 4);
    tg_tensor *more = tg_zeros(tg, TG_F32, TG_SHAPE(100000, 6));
    assert_int_equal(tg_rows_per_block(tg_rows_new(TG_LIST(more), NULL)), narrow);
    assert_int_equal(tg_rows_per_block(tg_rows_new(TG_LIST(wide), TG_ROWS(.block_rows = 1000))),
                     1000);
    check_ok(tg);
}

/* All rows are in one block, however many more it could have. */
static void test_blocks_larger_than_the_data(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_arange(tg, TG_F64, 0, 101, 1);
    const int64_t sizes[] = {101, 102, INT64_MAX - 100, INT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.block_rows = sizes[i]));
        check_values(tg_sum_rows(rows, both_moments, NULL), 5050, 338350);
    }
    check_ok(tg);
}

/* There may be more threads than blocks, their number may change between calls, and the rows may
 * end before the context does. */
static void test_numbers_of_threads(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_arange(tg, TG_F64, 0, 101, 1);
    tg_scope_begin(tg);
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.block_rows = 20));
    const int counts[] = {1, 256, 2, 9, 1, 3};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (!tg_set_num_threads(tg, counts[i])) tg_clear_error(tg); /* a container may give fewer */
        check_values(tg_sum_rows(rows, both_moments, NULL), 5050, 338350);
    }
    assert_false(tg_set_num_threads(tg, 1000000));
    check_error(tg, TG_ERR_ARGUMENT, "set_num_threads: 1000000 threads; 1 to 256 are allowed");
    assert_false(tg_set_num_threads(tg, 0));
    tg_clear_error(tg);
    tg_scope_end(tg);
    check_values(tg_sum(x), 5050);
}

/* A block function may itself sum over rows of its block. */
static tg_tensor *moments_of_moments(const tg_block *b, void *user)
{
    tg_rows *rows = tg_rows_new(b->data, TG_ROWS(.block_rows = 3));
    return tg_sum_rows(rows, both_moments, user);
}

static void test_rows_in_a_block(void **state)
{
    tg_context *tg = *state;
    tg_set_num_threads(tg, 2);
    tg_rows *rows =
        tg_rows_new(TG_LIST(tg_arange(tg, TG_F64, 0, 101, 1)), TG_ROWS(.block_rows = 20));
    check_values(tg_sum_rows(rows, moments_of_moments, NULL), 5050, 338350);
}

#define IN_CONTEXT(test) cmocka_unit_test_setup_teardown(test, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_added_in_the_tree),
        IN_CONTEXT(test_gradients_of_tensors_and_of_what_they_were_computed_from),
        IN_CONTEXT(test_nothing),
        IN_CONTEXT(test_sums),
        IN_CONTEXT(test_rows_of_results),
        IN_CONTEXT(test_batches_of_a_loader),
        IN_CONTEXT(test_modes_and_frozen_parameters),
        IN_CONTEXT(test_a_frozen_tensor_that_requires_grad_in_the_function),
        IN_CONTEXT(test_what_a_function_changes_holds_for_its_block),
        IN_CONTEXT(test_the_data_of_a_module_of_the_program),
        cmocka_unit_test(test_each_block_has_a_stream_of_its_own),
        IN_CONTEXT(test_the_state_of_a_stream_of_a_block),
        IN_CONTEXT(test_anomalies_and_profiles),
        IN_CONTEXT(test_block_sizes),
        IN_CONTEXT(test_blocks_larger_than_the_data),
        IN_CONTEXT(test_numbers_of_threads),
        IN_CONTEXT(test_rows_in_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
