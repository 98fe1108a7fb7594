/* The table of a model's layers. */
#include "guarded.h"
#include "printed.h"

static tg_module *digits_net(tg_context *tg)
{
    tg_module *conv =
        tg_conv2d_layer(tg, 1, 8, TG_SHAPE(3, 3), TG_BIAS, TG_CONV(.padding = {1, 1}));
    tg_module *body = tg_sequential(TG_MODULES(conv, tg_batchnorm2d(tg, 8, NULL),
                                               tg_lambda(tg, tg_relu), tg_dropout_layer(tg, 0.5)));
    tg_module *top = tg_linear(tg, 8 * 28 * 28, 10, TG_NO_BIAS);
    return tg_sequential(TG_MODULES(body, tg_flatten_layer(tg, 1, -1), top));
}

static const char *summary_of(tg_module *m, tg_tensor *example)
{
    FILE *file = tmpfile();
    assert_true(file && tg_summary(file, m, example));
    return read_printed(file);
}

/* 80 = 8 * (1 * 3 * 3 + 1), 16 = 8 weights and 8 biases, 62,720 = 8 * 28 * 28 * 10; the buffers
 * have two means or variances of 8 float32 and one int64. The batch is of one, on which a BatchNorm
 * cannot train after a flatten. */
static void test_the_table_of_a_network(void **state)
{
    tg_context *tg = *state;
    tg_module *net = digits_net(tg);
    tg_requires_grad_(tg_param(net, "0.0.bias"), false);
    assert_string_equal(summary_of(net, tg_zeros(tg, TG_F32, TG_SHAPE(1, 1, 28, 28))),
                        "layer              output shape        parameters           bytes\n"
                        "Sequential         [1, 10]                      0               0\n"
                        "0 (Sequential)     [1, 8, 28, 28]               0               0\n"
                        "0.0 (Conv2d)       [1, 8, 28, 28]              80             320\n"
                        "0.1 (BatchNorm2d)  [1, 8, 28, 28]              16             136\n"
                        "0.2 (ReLU)         [1, 8, 28, 28]               0               0\n"
                        "0.3 (Dropout)      [1, 8, 28, 28]               0               0\n"
                        "1 (Flatten)        [1, 6272]                    0               0\n"
                        "2 (Linear)         [1, 10]                 62,720         250,880\n"
                        "62,816 parameters in 251,264 bytes, of which 8 are frozen; buffers in 72 "
                        "bytes\n");
}

/* A tensor that two modules have counts in the first, and a module that is not called has no output
 * shape. */
static tg_tensor *first_twice(tg_module *m, tg_tensor *x)
{
    tg_module *first = tg_submodule(m, "first");
    return tg_forward(first, tg_forward(first, x));
}

static void test_shared_and_unused_modules(void **state)
{
    tg_context *tg = *state;
    tg_module *m = tg_module_new(tg, "Own", first_twice, 0), *first = tg_linear(tg, 3, 3, TG_BIAS);
    tg_module *tied = tg_module_new(tg, "Tied", NULL, 0);
    tg_register_parameter(m, "scale", tg_ones(tg, TG_F64, TG_SHAPE(1000)));
    tg_register_module(m, "first", first);
    tg_register_module(m, "again", first);
    tg_register_module(m, "tied", tied);
    tg_register_parameter(tied, "weight", tg_param(first, "weight"));
    tg_register_parameter(tied, "own", tg_ones(tg, TG_F32, TG_SHAPE(2)));
    assert_string_equal(summary_of(m, tg_zeros(tg, TG_F32, TG_SHAPE(3))),
                        "layer           output shape      parameters           bytes\n"
                        "Own             [3]                    1,000           8,000\n"
                        "first (Linear)  [3]                       12              48\n"
                        "tied (Tied)     -                          2               8\n"
                        "1,014 parameters in 8,056 bytes\n");
}

/* A module that notes in which mode and whether with a graph it runs, and draws. */
static tg_tensor *notes_mode(tg_module *m, tg_tensor *x)
{
    int *seen = tg_module_data(m);
    seen[0] = tg_is_training(m);
    seen[1] = tg_is_grad_enabled(x->context);
    return tg_add(x, tg_randn(x->context, TG_F32, TG_SHAPE(40)));
}

static void test_a_summary_changes_nothing(void **state)
{
    tg_context *tg = *state;
    tg_module *norm = tg_batchnorm1d(tg, 40, NULL), *frozen = tg_batchnorm1d(tg, 40, NULL);
    tg_module *noted = tg_module_new(tg, "Noted", notes_mode, 2 * sizeof(int));
    tg_module *drop = tg_dropout_layer(tg, 0.5);
    tg_module *net = tg_sequential(TG_MODULES(norm, tg_eval(frozen), noted, drop));
    int *seen = tg_module_data(noted);
    seen[0] = seen[1] = 7;
    tg_manual_seed(tg, 9);
    tg_randn(tg, TG_F64, TG_SHAPE(3)); /* an odd number, which leaves a normal draw over */
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(2, 40));
    const size_t live = tg_get_stats(tg).live_bytes;
    summary_of(net, x); /* makes the list of modules, which stays */
    const size_t with_list = tg_get_stats(tg).live_bytes;
    summary_of(net, x);
    assert_true(with_list >= live && tg_get_stats(tg).live_bytes == with_list);
    assert_true(seen[0] == 0 && seen[1] == 0);
    assert_true(tg_is_training(norm) && tg_is_training(drop) && !tg_is_training(frozen));
    assert_true(tg_is_grad_enabled(tg));
    check_values(tg_sum(tg_buffer(norm, "running_mean")), 0);
    check_values(tg_buffer(norm, "num_batches_tracked"), 0);
    tg_tensor *after = tg_randn(tg, TG_F64, TG_SHAPE(3));
    tg_manual_seed(tg, 9);
    tg_randn(tg, TG_F64, TG_SHAPE(3));
    tg_tensor *want = tg_randn(tg, TG_F64, TG_SHAPE(3));
    for (int64_t i = 0; i < 3; i++) assert_true(element_of(after, i) == element_of(want, i));
}

static void test_wrong_calls(void **state)
{
    tg_context *tg = *state;
    tg_module *net = digits_net(tg);
    tg_tensor *x = tg_zeros(tg, TG_F32, TG_SHAPE(1, 1, 28, 28));
    check_bad_files(tg, "summary", tg_summary(file, net, x));
    assert_false(tg_summary(stdout, NULL, x));
    FILE *file = tmpfile();
    assert_false(tg_summary(file, net, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "forward: the input of Sequential is NULL");
    assert_false(tg_summary(file, net, tg_zeros(tg, TG_F32, TG_SHAPE(1, 2, 28, 28))));
    assert_non_null(strstr(tg_error(tg), "0.0 (Conv2d): conv2d: the input [1, 2, 28, 28]"));
    tg_clear_error(tg);
    assert_true(tg_is_training(tg_submodule(net, "0.1")));
    assert_false(tg_summary(file, tg_mseloss(tg, TG_MEAN), x));
    check_error(tg, TG_ERR_ARGUMENT,
                "forward: MSELoss is a loss and takes two tensors; use tg_loss");
    assert_string_equal(read_printed(file), "");
}

/* A summary whose memory fails writes nothing, and has changed nothing. */
static void test_each_allocation(void **state)
{
    (void)state;
    for (long at = 1, failed = 1; failed; at++) {
        guarded g = {0};
        tg_context *tg = open_on_guarded(&g);
        tg_module *net = digits_net(tg);
        tg_tensor *x = tg_zeros(tg, TG_F32, TG_SHAPE(1, 1, 28, 28));
        FILE *file = tmpfile();
        g.asked = 0;
        g.fail_at = at;
        const bool done = tg_summary(file, net, x);
        failed = g.failed;
        g.fail_at = 0;
        assert_true(done == tg_ok(tg));
        if (!done) check_error(tg, TG_ERR_MEMORY, tg_error(tg));
        const char *text = read_printed(file);
        assert_true(done ? strstr(text, "62,816 parameters") != NULL : !*text);
        assert_true(tg_is_training(net) && tg_is_training(tg_submodule(net, "0.1")));
        tg_close(tg);
        assert_true(g.blocks == 0 && !g.damaged && at < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_of_a_network),
        cmocka_unit_test(test_shared_and_unused_modules),
        cmocka_unit_test(test_a_summary_changes_nothing),
        cmocka_unit_test(test_wrong_calls),
        cmocka_unit_test(test_each_allocation),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
