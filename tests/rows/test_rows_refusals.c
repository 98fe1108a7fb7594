/* What rows refuse, with one message for any number of threads, and that a call that fails has
 * changed nothing. tests/support/calls.def has the wrong arguments of each function. */
#include "leaf.h"
#include "sanitizer.h"

typedef struct stage {
    tg_context *tg;
    tg_tensor *x;
    tg_module *net;
    tg_rows *rows;
} stage;

static int64_t asked; /* the row in whose block the functions below fail */

static stage set_stage(int threads)
{
    stage s = {.tg = tg_open(NULL)};
    tg_set_num_threads(s.tg, threads);
    s.x = tg_reshape(tg_arange(s.tg, TG_F32, 0, 200, 1), TG_SHAPE(100, 2));
    s.net = tg_linear(s.tg, 2, 1, TG_BIAS);
    s.rows = tg_rows_new(TG_LIST(s.x), TG_ROWS(.module = s.net, .block_rows = 8));
    return s;
}

static tg_tensor *output(const tg_block *b, void *user)
{
    (void)user;
    return tg_forward(b->module, b->data.items[0]);
}

static tg_tensor *sum(const tg_block *b, void *user)
{
    return tg_sum(output(b, user));
}

/* Calls tg_backward_rows with the function; checks its error, and that grads and the random stream
 * are as they were. */
static void check_refused(tg_block_function f, void *user, tg_status code, const char *message)
{
    for (int threads = 1; threads <= 4; threads++) {
        stage s = set_stage(threads);
        tg_tensor *weight = tg_param(s.net, "weight"), *before = tg_get_rng_state(s.tg);
        assert_non_null(tg_backward_rows(s.rows, sum, NULL));
        const double grad = element_of(weight->grad, 0);
        tg_set_rng_state(s.tg, before);
        assert_null(tg_backward_rows(s.rows, f, user ? user : &s));
        check_error(s.tg, code, message);
        assert_true(element_of(weight->grad, 0) == grad);
        tg_tensor *after = tg_get_rng_state(s.tg);
        assert_memory_equal(before->data, after->data, 632 * sizeof(int64_t));
        assert_non_null(tg_backward_rows(s.rows, sum, NULL));
        assert_true(element_of(weight->grad, 0) == 2 * grad);
        tg_close(s.tg);
    }
}

static bool is_asked(const tg_block *b)
{
    return b->first + b->n > asked;
}

/* From one row on, each block fails in a way of its own. */
static tg_tensor *narrows_too_far(const tg_block *b, void *user)
{
    tg_tensor *x = b->data.items[0];
    if (is_asked(b)) tg_narrow(x, 0, b->first, b->n);
    return sum(b, user);
}

static void test_the_first_block_that_fails_gives_the_error(void **state)
{
    (void)state;
    asked = 20;
    check_refused(
        narrows_too_far, NULL, TG_ERR_INDEX,
        "backward_rows: rows 16 to 23: narrow: start 16 and length 8 are out of range for "
        "dimension 0 of [8, 2]");
    asked = 99;
    check_refused(
        narrows_too_far, NULL, TG_ERR_INDEX,
        "backward_rows: rows 96 to 99: narrow: start 96 and length 4 are out of range for "
        "dimension 0 of [4, 2]");
}

static tg_tensor *null(const tg_block *b, void *user)
{
    return is_asked(b) ? NULL : sum(b, user);
}

static tg_tensor *mean(const tg_block *b, void *user)
{
    return tg_mean(output(b, user));
}

static tg_tensor *theirs(const tg_block *b, void *user)
{
    (void)b;
    return tg_detach(((stage *)user)->x);
}

static tg_tensor *released(const tg_block *b, void *user)
{
    tg_tensor *loss = sum(b, user);
    release_noticed(loss);
    return loss;
}

static tg_tensor *without_gradient(const tg_block *b, void *user)
{
    (void)user;
    return tg_sum(b->data.items[0]);
}

static tg_tensor *ends_its_scope(const tg_block *b, void *user)
{
    tg_tensor *loss = sum(b, user);
    tg_scope_end(b->context);
    return loss;
}

static tg_tensor *writes_to_the_data(const tg_block *b, void *user)
{
    tg_zero_(b->data.items[0]);
    return sum(b, user);
}

static tg_tensor *whole_numbers(const tg_block *b, void *user)
{
    return is_asked(b) ? tg_cast(sum(b, user), TG_F64) : sum(b, user);
}

static void test_what_a_loss_must_not_be(void **state)
{
    (void)state;
    asked = 50;
    check_refused(null, NULL, TG_ERR_ARGUMENT,
                  "backward_rows: rows 48 to 55: the function returned NULL");
    check_refused(output, NULL, TG_ERR_SHAPE,
                  "backward_rows: rows 0 to 7: the loss [8, 1] has 8 elements, not one; return the "
                  "sum of its rows");
    check_refused(mean, NULL, TG_ERR_ARGUMENT,
                  "backward_rows: rows 0 to 7: the loss is a mean, which would be that of a block; "
                  "return the sum (TG_SUM), and use TG_ROWS(.reduction = TG_MEAN) for the mean of "
                  "all rows");
    check_refused(released, NULL, TG_ERR_CONTEXT,
                  "backward_rows: rows 0 to 7: the function returned a tensor that was released");
    check_refused(without_gradient, NULL, TG_ERR_AUTOGRAD,
                  "backward_rows: rows 0 to 7: backward: the tensor [] does not require grad: it "
                  "depends on no leaf that does, or was made after tg_no_grad_begin");
    check_refused(ends_its_scope, NULL, TG_ERR_CONTEXT,
                  "backward_rows: rows 0 to 7: the function ended a scope that it had not begun");
    check_refused(writes_to_the_data, NULL, TG_ERR_ARGUMENT,
                  "backward_rows: rows 0 to 7: zero_: the tensor [8, 2] is borrowed and read-only");
    check_refused(whole_numbers, NULL, TG_ERR_DTYPE,
                  "backward_rows: rows 48 to 55: the function returned float64 [], and float32 [] "
                  "before");
}

static void test_a_tensor_of_the_callers_context(void **state)
{
    (void)state;
    stage s = set_stage(1);
    assert_null(tg_backward_rows(s.rows, theirs, &s));
    check_error(s.tg, TG_ERR_CONTEXT,
                "backward_rows: rows 0 to 7: the function returned a tensor of another context "
                "than the block's; use the module, the tensors and the data of the block");
    tg_close(s.tg);
}

/* ---- Means, which each loss makes in its own way. */

static tg_tensor *mean_number(const tg_block *b, void *user)
{
    tg_tensor *x = b->data.items[0], *y = tg_square(x), *w = b->tensors.items[0];
    tg_tensor *p = tg_sigmoid(tg_mul(x, w)), *labels = tg_zeros(b->context, TG_I64, TG_SHAPE(b->n));
    tg_tensor *scores = tg_mul(x, w);
    switch (*(const int *)user) {
    case 0: return tg_mse_loss(scores, y, TG_MEAN);
    case 1: return tg_l1_loss(scores, y, NULL);
    case 2: return tg_huber_loss(scores, y, NULL);
    case 3: return tg_smooth_l1_loss(scores, y, NULL);
    case 4: return tg_binary_cross_entropy(p, tg_zeros_like(p), NULL);
    case 5: return tg_binary_cross_entropy_with_logits(scores, tg_zeros_like(p), NULL);
    case 6: return tg_kl_div(scores, p, NULL);
    case 7: return tg_gaussian_nll_loss(scores, y, p, NULL);
    case 8: return tg_poisson_nll_loss(scores, y, NULL);
    case 9: return tg_cross_entropy(scores, labels, NULL);
    case 10: return tg_cross_entropy(scores, labels, TG_LOSS(.label_smoothing = 0.1));
    case 11: return tg_cross_entropy(scores, p, NULL);
    case 12: return tg_nll_loss(scores, labels, NULL);
    case 13: return tg_mean(scores);
    case 14: return tg_mean_dims(scores, TG_DIMS(0, 1), false);
    case 15: return tg_smooth_l1_loss(scores, y, TG_LOSS(.beta = 0));
    case 16: return tg_kl_div(scores, p, TG_LOSS(.reduction = TG_BATCHMEAN));
    case 17: return tg_mul_scalar(tg_mse_loss(scores, y, TG_MEAN), 0.25);
    case 18: return tg_add(tg_sum(tg_square(w)), tg_neg(tg_mean(scores)));
    case 19: return tg_reshape(tg_sqrt(tg_mse_loss(scores, y, TG_MEAN)), TG_SHAPE(1));
    case 20: return tg_mul(tg_cross_entropy(scores, labels, NULL), tg_mean(w));
    case 21: return tg_add_(tg_sum(scores), tg_mean(scores));
    case 22: return tg_add_scalar_(tg_mul_scalar_(tg_mul_scalar(tg_mean(scores), 0.1), 0.1), 1);
    default: return NULL;
    }
}

static tg_tensor *sum_number(const tg_block *b, void *user)
{
    tg_tensor *x = b->data.items[0], *y = tg_square(x), *w = b->tensors.items[0];
    tg_tensor *p = tg_sigmoid(tg_mul(x, w)), *labels = tg_zeros(b->context, TG_I64, TG_SHAPE(b->n));
    tg_tensor *scores = tg_mul(x, w);
    const tg_loss_options *o = TG_LOSS(.reduction = TG_SUM);
    switch (*(const int *)user) {
    case 0: return tg_mse_loss(scores, y, TG_SUM);
    case 1: return tg_l1_loss(scores, y, o);
    case 2: return tg_huber_loss(scores, y, o);
    case 3: return tg_smooth_l1_loss(scores, y, o);
    case 4: return tg_binary_cross_entropy(p, tg_zeros_like(p), o);
    case 5: return tg_binary_cross_entropy_with_logits(scores, tg_zeros_like(p), o);
    case 6: return tg_kl_div(scores, p, o);
    case 7: return tg_gaussian_nll_loss(scores, y, p, o);
    case 8: return tg_poisson_nll_loss(scores, y, o);
    case 9: return tg_cross_entropy(scores, labels, o);
    case 10:
        return tg_cross_entropy(scores, labels,
                                TG_LOSS(.reduction = TG_SUM, .label_smoothing = 0.1));
    case 11: return tg_cross_entropy(scores, p, o);
    case 12: return tg_nll_loss(scores, labels, o);
    case 13: return tg_div_scalar(tg_sum(scores), 2);
    case 14: return tg_mul_scalar(tg_mean(scores), (double)b->n);
    case 15: return tg_smooth_l1_loss(scores, y, TG_LOSS(.reduction = TG_SUM, .beta = 0));
    case 16:
        return tg_mul_scalar(tg_kl_div(scores, p, TG_LOSS(.reduction = TG_BATCHMEAN)),
                             (double)b->n);
    case 17: return tg_mul_scalar(tg_mse_loss(scores, y, TG_MEAN), 0.5 * (double)b->n);
    case 18: return tg_add(tg_sum(tg_square(w)), tg_neg(tg_sum(scores)));
    case 19: return tg_sum(tg_mean_dims(scores, TG_DIMS(1), false));
    case 20: return tg_mul(tg_cross_entropy(scores, labels, o), tg_mean(tg_square(w)));
    case 21: return tg_mul(tg_full(b->context, TG_F64, TG_SHAPE(), (double)b->n), tg_mean(scores));
    case 22: return tg_mul_scalar_(tg_mul_scalar(tg_mean(scores), 0.1), (double)b->n);
    default: return NULL;
    }
}

static void test_means_of_a_block_are_refused_and_sums_are_not(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_rand(tg, TG_F64, TG_SHAPE(10, 3)), *w = leaf(tg, 1, 2, 3);
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.tensors = TG_LIST(w), .block_rows = 4));
    for (int i = 0; i < 23; i++) {
        if (tg_backward_rows(rows, mean_number, &i)) fail_msg("%d is no mean", i);
        if (!strstr(tg_error(tg), "the loss is a mean")) fail_msg("%d: %s", i, tg_error(tg));
        tg_clear_error(tg);
        if (!tg_backward_rows(rows, sum_number, &i)) fail_msg("%d: %s", i, tg_error(tg));
    }
}

/* The sum of means of features, which have lost their dimension or kept it. */
static tg_tensor *means_of_features(const tg_block *b, void *user)
{
    tg_tensor *scores = tg_mul(b->data.items[0], b->tensors.items[0]);
    return tg_sum(tg_mean_dims(scores, TG_DIMS(1), *(const bool *)user));
}

/* Of nine rows, the last block has one, whose mean is a single number. */
static void test_means_of_features_of_a_single_row_are_no_means_of_rows(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F64, TG_SHAPE(9, 2)), *w = leaf(tg, 2, 3);
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.tensors = TG_LIST(w), .block_rows = 4));
    for (int keeps = 0; keeps < 2; keeps++) {
        check_values(tg_backward_rows(rows, means_of_features, &(bool){keeps}), 22.5);
        check_values(w->grad, 4.5, 4.5);
        tg_clear_grad(w);
    }
}

/* ---- Other functions, and other calls. */

static tg_tensor *growing(const tg_block *b, void *user)
{
    (void)user;
    return tg_zeros(b->context, TG_F32, TG_SHAPE(is_asked(b) ? b->first : 3));
}

static tg_tensor *truths(const tg_block *b, void *user)
{
    (void)user;
    return tg_gt_scalar(b->data.items[0], 3);
}

static tg_tensor *count(const tg_block *b, void *user)
{
    (void)user;
    return tg_from_i64(b->context, TG_SHAPE(), &b->n);
}

static tg_tensor *one_row_less(const tg_block *b, void *user)
{
    (void)user;
    return tg_narrow(b->data.items[0], 0, 0, b->n - is_asked(b));
}

static tg_tensor *wider_rows(const tg_block *b, void *user)
{
    (void)user;
    return tg_zeros(b->context, TG_F32, TG_SHAPE(b->n, is_asked(b) ? 70 : 2));
}

static void test_sums_and_rows_of_other_forms(void **state)
{
    (void)state;
    asked = 50;
    for (int threads = 1; threads <= 4; threads++) {
        stage s = set_stage(threads);
        assert_null(tg_sum_rows(s.rows, growing, NULL));
        check_error(s.tg, TG_ERR_SHAPE,
                    "sum_rows: rows 48 to 55: the function returned float32 [48], and float32 [3] "
                    "before");
        assert_null(tg_sum_rows(s.rows, truths, NULL));
        check_error(s.tg, TG_ERR_DTYPE,
                    "sum_rows: rows 0 to 7: the function returned bool; use tg_cast");
        tg_rows *mean_of = tg_rows_new(TG_LIST(s.x), TG_ROWS(.reduction = TG_MEAN));
        assert_null(tg_sum_rows(mean_of, count, NULL));
        check_error(s.tg, TG_ERR_DTYPE,
                    "sum_rows: rows 0 to 99: a mean of int64 does not exist; use tg_cast");
        assert_null(tg_map_rows(s.rows, one_row_less, NULL));
        check_error(s.tg, TG_ERR_SHAPE,
                    "map_rows: rows 48 to 55: the function returned [7, 2] for 8 rows");
        assert_null(tg_map_rows(s.rows, wider_rows, NULL));
        check_error(s.tg, TG_ERR_SHAPE,
                    "map_rows: rows 48 to 55: the function returned float32 [100, 70], and float32 "
                    "[100, 2] before");
        assert_int_equal(tg_item_i64(tg_sum_rows(s.rows, count, NULL)), 100);
        tg_close(s.tg);
    }
}

/* The blocks above the one that has failed are too many to count through. */
static void test_very_many_blocks_of_which_one_fails(void **state)
{
    tg_context *tg = *state;
    const int64_t n = INT64_C(1) << 50;
    asked = 0;
    tg_tensor *x = tg_expand(tg_zeros(tg, TG_F32, TG_SHAPE(1)), TG_SHAPE(n));
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.block_rows = 1));
    for (int threads = 1; threads <= 3; threads++) {
        tg_set_num_threads(tg, threads);
        assert_null(tg_sum_rows(rows, null, NULL));
        check_error(tg, TG_ERR_ARGUMENT, "sum_rows: rows 0 to 0: the function returned NULL");
    }
}

/* A BatchNorm would normalize over a block. It may evaluate. */
static void test_batchnorm(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_rand(tg, TG_F32, TG_SHAPE(9, 2));
    tg_module *norm = tg_batchnorm1d(tg, 2, NULL), *last = tg_linear(tg, 2, 1, TG_BIAS);
    tg_module *net = tg_sequential(TG_MODULES(norm, last));
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.module = net, .block_rows = 4));
    assert_null(tg_backward_rows(rows, sum, NULL));
    check_error(tg, TG_ERR_ARGUMENT,
                "backward_rows: rows 0 to 3: 0 (BatchNorm1d): batchnorm1d: the statistics would be "
                "those of a block, not of all rows; use tg_eval with running statistics, or "
                "tg_layernorm");
    tg_eval(norm);
    assert_non_null(tg_backward_rows(rows, sum, NULL));
    tg_train(norm);
    assert_null(tg_map_rows(rows, output, NULL));
    tg_clear_error(tg);
    assert_true(tg_is_training(norm) && tg_item(tg_buffer(norm, "num_batches_tracked")) == 0);
    check_ok(tg);
}

static void test_data_that_does_not_fit(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_zeros(tg, TG_F32, TG_SHAPE(9, 2)), *y = tg_zeros(tg, TG_I64, TG_SHAPE(9));
    tg_rows *rows = tg_rows_new(TG_LIST(x, y), NULL);
    assert_false(tg_rows_set_data(rows, TG_LIST(x)));
    check_error(tg, TG_ERR_ARGUMENT, "rows_set_data: 1 tensors in place of 2");
    assert_false(tg_rows_set_data(rows, TG_LIST(x, NULL)));
    check_error(tg, TG_ERR_ARGUMENT, "rows_set_data: tensor 2 is NULL");
    assert_false(tg_rows_set_data(rows, TG_LIST(x, tg_zeros(tg, TG_I64, TG_SHAPE(8)))));
    check_error(tg, TG_ERR_SHAPE,
                "rows_set_data: tensors [9, 2] and [8] have not the same number of rows");
    assert_false(tg_rows_set_data(rows, TG_LIST(x, tg_scalar(tg, TG_F32, 1))));
    check_error(tg, TG_ERR_SHAPE, "rows_set_data: tensor 2 is [], which has no rows");
    assert_false(tg_rows_set_data(rows, TG_LIST(tg_zeros(tg, TG_F32, TG_SHAPE(9, 3)), y)));
    check_error(tg, TG_ERR_SHAPE,
                "rows_set_data: tensor 1 has rows of float32 [3], not float32 [2]");
    assert_false(tg_rows_set_data(rows, TG_LIST(x, tg_zeros(tg, TG_F32, TG_SHAPE(9)))));
    check_error(tg, TG_ERR_DTYPE, "rows_set_data: tensor 2 has rows of float32 [], not int64 []");
    assert_true(tg_rows_set_data(rows, TG_LIST(x, y)));
    release_noticed(x);
    assert_null(tg_sum_rows(rows, count, NULL));
    check_error(tg, TG_ERR_CONTEXT, "sum_rows: the tensor [9, 2] was released");
}

static tg_tensor *times_tensor(const tg_block *b, void *user)
{
    (void)user;
    return tg_sum(tg_mul(b->data.items[0], b->tensors.items[0]));
}

/* The gradient would go through what the view was before the write. Values are right. */
static void test_a_view_whose_base_was_changed(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = leaf(tg, 3), *base = tg_mul_scalar(a, 2), *view = tg_view(base, TG_SHAPE(1));
    tg_tensor *plain = tg_ones(tg, TG_F64, TG_SHAPE(9)), *x = tg_view(plain, TG_SHAPE(9, 1));
    tg_rows *of_view = tg_rows_new(TG_LIST(x), TG_ROWS(.tensors = TG_LIST(view), .block_rows = 4));
    tg_rows *of_data = tg_rows_new(TG_LIST(x), TG_ROWS(.tensors = TG_LIST(a), .block_rows = 4));
    check_values(tg_backward_rows(of_view, times_tensor, NULL), 54);
    check_values(a->grad, 18);
    tg_mul_scalar_(base, 10);
    assert_null(tg_backward_rows(of_view, times_tensor, NULL));
    check_error(tg, TG_ERR_AUTOGRAD,
                "backward_rows: the tensor [1] is a view whose base was changed by mul_scalar_ "
                "since: make the view again");
    check_values(tg_sum_rows(of_view, times_tensor, NULL), 540);
    tg_mul_(plain, a);
    assert_null(tg_backward_rows(of_data, times_tensor, NULL));
    check_error(tg, TG_ERR_AUTOGRAD,
                "backward_rows: the tensor [9, 1] is a view whose base was changed by mul_ since: "
                "make the view again");
    check_values(a->grad, 18);
}

/* A tensor of another shape may have taken the place of one that was released, which a sanitizer
 * does not let a program do. */
static void test_a_shared_tensor_that_has_another_shape(void **state)
{
#ifndef UNDER_ASAN
    tg_context *tg = *state;
    tg_tensor *x = tg_zeros(tg, TG_F32, TG_SHAPE(9, 2)), *w = tg_zeros(tg, TG_F32, TG_SHAPE(2));
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.tensors = TG_LIST(w)));
    assert_non_null(tg_sum_rows(rows, count, NULL));
    tg_release(tg_zeros(tg, TG_F32, TG_SHAPE(2)));
    tg_release(w);
    assert_null(tg_sum_rows(rows, count, NULL));
    check_error(tg, TG_ERR_CONTEXT, "sum_rows: the tensor [2] was released");
    for (int i = 0; i < 100; i++) {
        tg_tensor *other = tg_zeros(tg, TG_F32, TG_SHAPE(3));
        if (other != w) {
            tg_release(other);
            continue;
        }
        assert_null(tg_sum_rows(rows, count, NULL));
        check_error(tg, TG_ERR_SHAPE,
                    "sum_rows: a shared tensor was float32 [2], and is float32 [3]; make the rows "
                    "again");
        return;
    }
    fail_msg("no tensor has taken the place");
#else
    (void)state;
#endif
}

static void test_a_module_with_another_part(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_zeros(tg, TG_F32, TG_SHAPE(9, 2));
    tg_module *own = tg_module_new(tg, "Own", NULL, 0);
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.module = own));
    assert_non_null(tg_sum_rows(rows, count, NULL));
    tg_register_parameter(own, "weight", tg_zeros(tg, TG_F32, TG_SHAPE(2)));
    assert_null(tg_sum_rows(rows, count, NULL));
    check_error(tg, TG_ERR_ARGUMENT,
                "sum_rows: the module has other parts than before; make the rows again");
}

static int errors;

static void count_error(void *user, tg_status code, const char *message)
{
    (void)user, (void)code, (void)message;
    errors++;
}

static void test_on_error_is_called_once(void **state)
{
    (void)state;
    tg_options o = tg_defaults();
    o.on_error = count_error;
    tg_context *tg = tg_open(&o);
    tg_set_num_threads(tg, 3);
    asked = 0;
    tg_rows *rows =
        tg_rows_new(TG_LIST(tg_zeros(tg, TG_F32, TG_SHAPE(100))), TG_ROWS(.block_rows = 1));
    errors = 0;
    assert_null(tg_sum_rows(rows, narrows_too_far, NULL));
    assert_int_equal(errors, 1);
    tg_close(tg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_block_that_fails_gives_the_error),
        cmocka_unit_test(test_what_a_loss_must_not_be),
        cmocka_unit_test(test_a_tensor_of_the_callers_context),
        cmocka_unit_test_setup_teardown(test_means_of_a_block_are_refused_and_sums_are_not,
                                        open_context, close_context),
        cmocka_unit_test_setup_teardown(test_means_of_features_of_a_single_row_are_no_means_of_rows,
                                        open_context, close_context),
        cmocka_unit_test(test_sums_and_rows_of_other_forms),
        cmocka_unit_test_setup_teardown(test_very_many_blocks_of_which_one_fails, open_context,
                                        close_context),
        cmocka_unit_test_setup_teardown(test_batchnorm, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_data_that_does_not_fit, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_a_view_whose_base_was_changed, open_context,
                                        close_context),
        cmocka_unit_test_setup_teardown(test_a_shared_tensor_that_has_another_shape, open_context,
                                        close_context),
        cmocka_unit_test_setup_teardown(test_a_module_with_another_part, open_context,
                                        close_context),
        cmocka_unit_test(test_on_error_is_called_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
