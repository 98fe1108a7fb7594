/* Data loaders and random splits: the order of the rows is PyTorch's, which loader_golden.txt lists
 * in the form that golden/loader.py describes; memory in the loop over batches; and wrong
 * arguments. */
#include "guarded.h"
#include "leaf.h"
#include "sanitizer.h"

enum { LINE = 1024, MOST = 64 };

static FILE *golden;
static char line[LINE];

static bool next_line(void)
{
    return fgets(line, sizeof line, golden) != NULL;
}

static int read_numbers(const char *text, int64_t *numbers)
{
    int n = 0;
    for (char *end; n < MOST; text = end) {
        numbers[n] = strtoll(text, &end, 10);
        if (end == text) break;
        n++;
    }
    return n;
}

/* Checks that t has the rows that the line lists after `word`, and the second column of `twice`
 * their doubles. */
static void check_rows(const char *word, const tg_tensor *t, const tg_tensor *twice)
{
    int64_t want[MOST];
    assert_int_equal(strncmp(line, word, strlen(word)), 0);
    const int n = read_numbers(line + strlen(word), want);
    assert_true(t && twice && t->shape[0] == n && twice->shape[0] == n && twice->ndim == 2);
    for (int i = 0; i < n; i++) {
        assert_true(tg_get(t, TG_INDEX(i)) == (double)want[i]);
        assert_true(tg_get(twice, TG_INDEX(i, 1)) == (double)(2 * want[i]));
    }
}

static void check_stream(tg_context *tg)
{
    long long want;
    assert_true(next_line());
    assert_int_equal(sscanf(line, "next %lld", &want), 1);
    assert_true(tg_item(tg_randint(tg, 0, INT64_C(1) << 31, TG_SHAPE())) == (double)want);
}

/* Row numbers, and twice them in the second of two columns, which is a transpose. */
static void make_rows(tg_context *tg, int64_t rows, tg_tensor **out)
{
    out[0] = tg_arange(tg, TG_I64, 0, (double)rows, 1);
    out[1] = tg_t(tg_stack(TG_LIST(out[0], tg_mul_scalar(out[0], 2)), 0));
}

static void check_loader(tg_context *tg, const int64_t *n)
{
    const tg_loader_options o = {n[2], n[3] != 0, n[4] != 0};
    tg_tensor *rows[2], *batch[2];
    make_rows(tg, n[1], rows);
    tg_loader *loader = tg_data_loader((tg_list){2, rows}, &o);
    tg_manual_seed(tg, (uint64_t)n[0]);
    for (int64_t epoch = 0; epoch < n[5]; epoch++) {
        int64_t seen = 0;
        for (; tg_next_batch(loader, batch); seen++) {
            assert_true(next_line());
            check_rows("batch", batch[0], batch[1]);
        }
        assert_true(next_line() && strcmp(line, "end\n") == 0);
        assert_int_equal(seen, tg_batches(loader));
        assert_true(!batch[0] && !batch[1]);
        check_stream(tg);
    }
}

static void check_split(tg_context *tg, const int64_t *n, int count)
{
    int64_t total = 0;
    for (int i = 1; i < count; i++) total += n[i];
    tg_tensor *rows[2], *parts[2 * MOST];
    make_rows(tg, total, rows);
    tg_manual_seed(tg, (uint64_t)n[0]);
    assert_true(tg_random_split((tg_list){2, rows}, (tg_shape){count - 1, n + 1}, parts));
    for (int i = 0; i < count - 1; i++) {
        assert_true(next_line());
        check_rows("part", parts[2 * i], parts[2 * i + 1]);
    }
    check_stream(tg);
}

static void test_orders(void **state)
{
    int64_t n[MOST];
    int loaders = 0, splits = 0;
    golden = fopen(TEST_ROOT "/tests/golden/loader_golden.txt", "r");
    assert_non_null(golden);
    while (next_line()) {
        tg_scope_begin(*state);
        if (strncmp(line, "loader", 6) == 0) {
            assert_int_equal(read_numbers(line + 6, n), 6);
            check_loader(*state, n);
            loaders++;
        } else {
            assert_int_equal(strncmp(line, "split", 5), 0);
            check_split(*state, n, read_numbers(line + 5, n));
            splits++;
        }
        tg_scope_end(*state);
    }
    assert_true(loaders == 9 && splits == 4);
    fclose(golden);
}

static void test_batches_are_copies(void **state)
{
    tg_tensor *x = tg_ones(*state, TG_F32, TG_SHAPE(2)), *batch;
    tg_loader *loader = tg_data_loader(TG_LIST(x), NULL);
    assert_true(tg_next_batch(loader, &batch));
    tg_fill_(batch, 5);
    check_values(x, 1, 1);
}

/* The gradient goes to the rows that the batch was made of, even after the loader has shuffled
 * again. */
static void test_a_gradient_goes_to_the_rows_of_its_batch(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_arange(tg, TG_F64, 0, 6, 1), true), *batch;
    tg_loader *loader = tg_data_loader(TG_LIST(x), &(tg_loader_options){3, true, false});
    assert_true(tg_next_batch(loader, &batch));
    tg_tensor *first = batch, *rows = tg_zeros(tg, TG_F64, TG_SHAPE(6));
    for (int i = 0; i < 3; i++) tg_set(rows, TG_INDEX((int64_t)element_of(first, i)), 1);
    for (int i = 0; i < 5; i++) tg_next_batch(loader, &batch);
    assert_true(tg_backward(tg_sum(first)));
    for (int i = 0; i < 6; i++) assert_true(element_of(x->grad, i) == element_of(rows, i));
}

static void test_the_steady_state_allocates_nothing(void **state)
{
#ifdef UNDER_ASAN /* which gives every tensor memory of its own */
    (void)state;
    skip();
#else
    tg_context *tg = *state;
    tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(50, 3)), *batch;
    tg_loader *loader = tg_data_loader(TG_LIST(x), &(tg_loader_options){8, true, false});
    uint64_t calls = 0;
    for (int epoch = 0; epoch < 4; epoch++) {
        if (epoch == 1) calls = tg_get_stats(tg).allocator_calls;
        tg_scope_begin(tg);
        while (tg_next_batch(loader, &batch)) tg_release(batch);
        tg_scope_end(tg);
    }
    assert_true(tg_get_stats(tg).allocator_calls == calls);
#endif
}

/* ---- The plain training loop, in which each batch is asked for outside of the scope of its
 * step. */

/* If every batch stayed in the scope around the loop, 100 epochs of 2.6 MB would take 283 MB. */
static void test_a_plain_loop_takes_the_memory_of_one_batch(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(10000, 64)), *batch[2];
    tg_tensor *y = tg_randint(tg, 0, 10, TG_SHAPE(10000)), *w = tg_randn(tg, TG_F32, TG_SHAPE(64));
    tg_loader *loader = tg_data_loader(TG_LIST(x, y), TG_LOADER(.batch_size = 1000));
    const size_t before = tg_get_stats(tg).live_bytes, one = 1000 * (64 * 4 + 8);
    for (int epoch = 0; epoch < 100; epoch++)
        while (tg_next_batch(loader, batch)) {
            tg_scope_begin(tg);
            assert_true(isfinite(tg_item(tg_sum(tg_matmul(batch[0], w)))));
            tg_scope_end(tg);
        }
    check_ok(tg);
    assert_true(tg_get_stats(tg).peak_bytes - before < 4 * one);
    assert_true(tg_get_stats(tg).live_bytes - before < one);
}

/* Whatever the batch's size, the second epoch and all that follow allocate nothing. */
static void test_a_plain_loop_allocates_nothing_in_the_steady_state(void **state)
{
    const int64_t widths[] = {1, 30, 100, 3000};
    tg_context *tg = *state;
    for (int i = 0; i < 4; i++) {
        tg_scope_begin(tg);
        tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(50, widths[i])), *batch;
        tg_loader *loader = tg_data_loader(TG_LIST(x), TG_LOADER(.batch_size = 8, .shuffle = true));
        size_t live = 0;
        for (int epoch = 0; epoch < 40; epoch++) {
            while (tg_next_batch(loader, &batch)) {
                tg_scope_begin(tg);
                tg_square(batch);
                tg_scope_end(tg);
            }
            if (epoch == 1) live = tg_get_stats(tg).live_bytes;
        }
        assert_int_equal(tg_get_stats(tg).live_bytes, live);
        tg_scope_end(tg);
    }
}

static void test_a_batch_kept_for_too_long_is_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_arange(tg, TG_F64, 0, 6, 1), *batch, *copy;
    tg_loader *loader = tg_data_loader(TG_LIST(x), TG_LOADER(.batch_size = 2));
    assert_true(tg_next_batch(loader, &batch));
    tg_tensor *first = batch, *part = tg_narrow(batch, 0, 1, 1);
    copy = tg_clone(first);
    tg_release(first); /* does nothing, as the batch belongs to the loader */
    check_values(first, 0, 1);
    assert_true(tg_next_batch(loader, &batch));
    check_values(batch, 2, 3);
    assert_null(tg_square(first));
    check_error(tg, TG_ERR_CONTEXT, "square: the tensor [2] was released");
    assert_true(isnan(tg_get(first, TG_INDEX(0))));
    check_error(tg, TG_ERR_CONTEXT, "get: the tensor [2] was released");
    check_values(copy, 0, 1);
    check_values(part, 1);
    while (tg_next_batch(loader, &batch)) tg_square(batch);
    check_values(part, 1);
    assert_null(batch);
}

/* Gradients are accumulated over batches, and come from the rows of each of them. */
static void test_a_graph_keeps_the_values_of_its_batch(void **state)
{
    tg_context *tg = *state;
    const int64_t widths[] = {3, 2000};
    for (int i = 0; i < 2; i++) {
        tg_scope_begin(tg);
        tg_tensor *x = tg_randn(tg, TG_F64, TG_SHAPE(6, widths[i])), *batch;
        tg_tensor *w = tg_requires_grad_(tg_zeros(tg, TG_F64, TG_SHAPE(widths[i])), true);
        tg_tensor *total = tg_zeros(tg, TG_F64, TG_SHAPE());
        tg_loader *loader = tg_data_loader(TG_LIST(x), TG_LOADER(.batch_size = 2, .shuffle = true));
        for (int epoch = 0; epoch < 2; epoch++)
            while (tg_next_batch(loader, &batch)) {
                tg_tensor *near = tg_mul(tg_square(batch), tg_exp(w));
                total = tg_add(total, tg_sum(tg_mul(near, batch)));
            }
        assert_true(tg_backward(total));
        tg_tensor *cubes = tg_sum_dims(tg_mul(tg_square(x), x), TG_DIMS(0), false);
        for (int k = 0; k < 3; k++)
            assert_true(fabs(element_of(w->grad, k) - 2 * element_of(cubes, k)) < 1e-12);
        tg_scope_end(tg);
    }
}

/* The memory of earlier batches of a scope is used again, even if a graph refers to them but does
 * not need their values. */
static void test_several_batches_in_one_scope_take_the_memory_of_some(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F64, TG_SHAPE(8, 3)), *batch;
    tg_tensor *w = tg_requires_grad_(tg_zeros(tg, TG_F64, TG_SHAPE(3)), true);
    tg_loader *loader = tg_data_loader(TG_LIST(x), TG_LOADER(.batch_size = 2));
    size_t before = 0;
    for (int epoch = 0; epoch < 500; epoch++) {
        if (epoch == 10) before = tg_get_stats(tg).live_bytes;
        tg_scope_begin(tg);
        while (tg_next_batch(loader, &batch)) assert_true(tg_backward(tg_sum(tg_add(batch, w))));
        tg_scope_end(tg);
    }
    assert_int_equal(tg_get_stats(tg).live_bytes, before);
    check_values(w->grad, 4000, 4000, 4000);
}

/* A batch lives on when the scope ends in which it was asked for. */
static void test_a_batch_outlives_the_scope_it_was_asked_for_in(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_arange(tg, TG_F32, 0, 4, 1), *batch;
    tg_loader *loader = tg_data_loader(TG_LIST(x), TG_LOADER(.batch_size = 3));
    tg_scope_begin(tg);
    tg_scope_begin(tg);
    assert_true(tg_next_batch(loader, &batch));
    tg_scope_end(tg);
    tg_scope_end(tg);
    check_values(batch, 0, 1, 2);
    assert_true(tg_next_batch(loader, &batch));
    check_values(batch, 3);
}

static void test_no_rows_are_split_into_no_rows(void **state)
{
    tg_context *tg = *state;
    tg_tensor *parts[2], *none = tg_ones(tg, TG_F32, TG_SHAPE(0, 2));
    assert_true(tg_random_split(TG_LIST(none), TG_SHAPE(0, 0), parts));
    for (int i = 0; i < 2; i++) assert_true(parts[i]->shape[0] == 0 && parts[i]->shape[1] == 2);
    check_ok(tg);
}

/* A split that finds no memory draws nothing. */
static void test_a_failed_split_leaves_the_stream(void **state)
{
    guarded g = {0};
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    (void)state;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(1 << 18)), *parts[2] = {NULL, NULL};
    tg_manual_seed(tg, 7);
    const double draw = tg_item(tg_rand(tg, TG_F32, TG_SHAPE()));
    tg_manual_seed(tg, 7);
    long failed = 0;
    for (; !parts[1]; failed++) {
        tg_scope_begin(tg);
        tg_manual_seed(tg, 7);
        g.asked = 0;
        g.fail_at = failed + 1;
        const bool done = tg_random_split(TG_LIST(x), TG_SHAPE(1 << 17, 1 << 17), parts);
        g.fail_at = 0;
        tg_clear_error(tg);
        if (!done) assert_true(tg_item(tg_rand(tg, TG_F32, TG_SHAPE())) == draw);
        tg_scope_end(tg);
    }
    assert_true(failed > 1);
    tg_close(tg);
}

static void test_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(3, 2)), *y = tg_ones(tg, TG_F32, TG_SHAPE(2));
    tg_tensor *parts[9] = {x, x, x, x};
    assert_null(tg_data_loader(TG_LIST(x, y), NULL));
    check_error(tg, TG_ERR_SHAPE,
                "data_loader: tensors [3, 2] and [2] have not the same number of rows");
    assert_null(tg_data_loader(TG_LIST(tg_scalar(tg, TG_F32, 1)), NULL));
    check_error(tg, TG_ERR_SHAPE, "data_loader: tensor 1 is [], which has no rows");
    assert_null(tg_data_loader(TG_LIST(x), &(tg_loader_options){.batch_size = 0}));
    check_error(tg, TG_ERR_ARGUMENT,
                "data_loader: batch_size is 0, but must be at least 1; TG_LOADER and "
                "tg_loader_defaults() set it to 1");
    tg_loader *loader = tg_data_loader(TG_LIST(x), NULL);
    assert_false(tg_next_batch(loader, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "next_batch: batch is NULL");
    assert_false(tg_random_split(TG_LIST(x, x), TG_SHAPE(2, 2), parts));
    check_error(tg, TG_ERR_ARGUMENT, "random_split: the lengths [2, 2] do not add up to 3 rows");
    assert_true(!parts[0] && !parts[3]);
    assert_false(tg_random_split(TG_LIST(x), TG_SHAPE(3), NULL));
    check_error(tg, TG_ERR_ARGUMENT, "random_split: parts is NULL");
    assert_false(tg_random_split(TG_LIST(x), TG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, INT64_MAX), parts));
    check_error(tg, TG_ERR_ARGUMENT,
                "random_split: the lengths [1, 1, 1, 1, 1, 1, 1, 1, ...] do not add up to 3 rows");
    parts[0] = parts[1] = x;
    assert_false(tg_random_split(TG_LIST(x), TG_SHAPE(4, -1), parts));
    assert_true(parts[0] == NULL && parts[1] == NULL);
    tg_clear_error(tg);
    assert_true(!tg_data_loader(TG_LIST(), NULL) && !tg_next_batch(NULL, parts) &&
                tg_batches(NULL) == 0 && !tg_random_split(TG_LIST(), TG_SHAPE(1), parts));
    check_ok(tg);
}

/* ---- State. */

enum { RESUMED_ROWS = 10, RESUMED_BATCHES = 11 };

/* The numbers of the rows of the next batch, or an end of the epoch, as text. */
static void next_rows_of(tg_loader *l, char *text, size_t size)
{
    tg_tensor *batch = NULL;
    snprintf(text, size, "end");
    if (!tg_next_batch(l, &batch)) return;
    *text = 0;
    for (int64_t i = 0; i < batch->numel; i++)
        snprintf(text + strlen(text), size - strlen(text), "%lld ",
                 (long long)tg_get_i64(batch, TG_INDEX(i)));
}

/* Two epochs of batches, with their ends. After each call the state may move to a loader in another
 * context, as to another process. */
static void test_a_loader_is_resumed_after_any_batch(void **state)
{
    (void)state;
    char whole[RESUMED_BATCHES][64], text[64];
    for (int shuffle = 0; shuffle < 2; shuffle++)
        for (int moved = 0; moved <= RESUMED_BATCHES; moved++) {
            tg_context *tg = tg_open(NULL);
            tg_manual_seed(tg, 3);
            const tg_loader_options o = {.batch_size = 3, .shuffle = shuffle};
            tg_loader *l = tg_data_loader(TG_LIST(tg_arange_i64(tg, 0, RESUMED_ROWS, 1)), &o);
            for (int i = 0; i < RESUMED_BATCHES; i++) {
                if (i + 1 == moved) {
                    tg_context *other = tg_open(NULL);
                    tg_loader *m =
                        tg_data_loader(TG_LIST(tg_arange_i64(other, 0, RESUMED_ROWS, 1)), &o);
                    const tg_state *s = tg_loader_state_dict(l);
                    tg_state *copy = tg_state_new(other);
                    for (int64_t k = 0; k < s->n; k++)
                        tg_state_add(copy, s->items[k].name, tg_borrow(other, s->items[k].tensor));
                    assert_true(tg_loader_load_state_dict(m, copy));
                    assert_true(tg_set_rng_state(other, tg_borrow(other, tg_get_rng_state(tg))));
                    check_ok(other);
                    tg_close(tg);
                    tg = other;
                    l = m;
                }
                next_rows_of(l, moved ? text : whole[i], sizeof text);
                if (moved) assert_string_equal(text, whole[i]);
            }
            assert_int_equal(tg_item_i64(tg_state_get(tg_loader_state_dict(l), "epoch")), 3);
            check_ok(tg);
            tg_close(tg);
        }
}

static void test_a_wrong_state_of_a_loader_is_refused(void **state)
{
    static const int64_t twice[] = {0, 1, 1}, beyond[] = {0, 1, 3}, negative[] = {0, -1, 2},
                         shuffled[] = {2, 0, 1};
    static const struct {
        bool shuffle;
        const int64_t *order;
        int64_t rows;
        double position;
        const char *message;
    } wrong[] = {
        {true, twice, 3, 0, "order is no order of 3 rows"},
        {true, beyond, 3, 0, "order is no order of 3 rows"},
        {true, negative, 3, 0, "order is no order of 3 rows"},
        {false, shuffled, 3, 0, "order is another order than that of 3 rows that are not shuffled"},
        {true, shuffled, 2, 0, "order is int64 [2], not int64 [3]"},
        {true, shuffled, 3, 4, "position is 4, which is out of range"},
        {true, shuffled, 3, -2, "position is -2, which is out of range"},
        {true, shuffled, 3, 0.5, "position is 0.5, which is out of range"},
        {true, shuffled, 3, NAN, "position is nan, which is out of range"}};
    tg_context *tg = *state;
    tg_tensor *x = tg_arange_i64(tg, 0, 3, 1), *zero = tg_scalar(tg, TG_I64, 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char message[128];
        tg_loader *l = tg_data_loader(TG_LIST(x), TG_LOADER(.shuffle = wrong[i].shuffle));
        tg_state *s = tg_state_new(tg);
        tg_state_add(s, "epoch", zero);
        tg_state_add(s, "position", tg_scalar(tg, TG_F64, wrong[i].position));
        tg_state_add(s, "order", tg_from_i64(tg, TG_SHAPE(wrong[i].rows), wrong[i].order));
        snprintf(message, sizeof message, "loader_load_state_dict: %s", wrong[i].message);
        assert_false(tg_loader_load_state_dict(l, s));
        check_error(tg, TG_ERR_ARGUMENT, message);
        s = tg_loader_state_dict(l);
        assert_int_equal(tg_item_i64(tg_state_get(s, "position")), -1);
        check_values(tg_state_get(s, "order"), 0, 1, 2);
    }
    tg_loader *l = tg_data_loader(TG_LIST(x), TG_LOADER(.shuffle = true));
    tg_state *s = tg_state_new(tg);
    tg_state_add(s, "epoch", zero);
    tg_state_add(s, "position", zero);
    tg_state_add(s, "order", tg_from_i64(tg, TG_SHAPE(1, 3), shuffled));
    assert_false(tg_loader_load_state_dict(l, s));
    check_error(tg, TG_ERR_ARGUMENT,
                "loader_load_state_dict: order is int64 [1, 3], not int64 [3]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_batches_are_copies),
        cmocka_unit_test(test_a_gradient_goes_to_the_rows_of_its_batch),
        cmocka_unit_test(test_the_steady_state_allocates_nothing),
        cmocka_unit_test(test_a_plain_loop_takes_the_memory_of_one_batch),
        cmocka_unit_test(test_a_plain_loop_allocates_nothing_in_the_steady_state),
        cmocka_unit_test(test_a_batch_kept_for_too_long_is_refused),
        cmocka_unit_test(test_a_graph_keeps_the_values_of_its_batch),
        cmocka_unit_test(test_several_batches_in_one_scope_take_the_memory_of_some),
        cmocka_unit_test(test_a_batch_outlives_the_scope_it_was_asked_for_in),
        cmocka_unit_test(test_no_rows_are_split_into_no_rows),
        cmocka_unit_test(test_a_failed_split_leaves_the_stream),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_a_loader_is_resumed_after_any_batch),
        cmocka_unit_test(test_a_wrong_state_of_a_loader_is_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
