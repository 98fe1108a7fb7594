/* Losses and sums over blocks of rows: their values, the order of the additions, and that no bit
 * depends on the number of threads or on the SIMD level. */
#include "each_level.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_added_in_the_tree),
        cmocka_unit_test_setup_teardown(
            test_gradients_of_tensors_and_of_what_they_were_computed_from, open_context,
            close_context),
        cmocka_unit_test_setup_teardown(test_sums, open_context, close_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
