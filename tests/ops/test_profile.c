/* tg_profile: calls, time and bytes by operation. */
#include "guarded.h"
#include "leaf.h"
#include "printed.h"

static int open_profiling(void **state)
{
    return open_context(state) || !tg_profile(*state, true);
}

static tg_profile_row row_named(tg_context *tg, const char *name)
{
    const tg_profile_rows rows = tg_get_profile(tg);
    int i = 0;
    while (i < rows.n && strcmp(rows.items[i].name, name) != 0) i++;
    if (i == rows.n) fail_msg("there is no row %s", name);
    return rows.items[i];
}

static void check_row(tg_context *tg, const char *name, int64_t calls, int64_t bytes)
{
    const tg_profile_row r = row_named(tg, name);
    if (r.calls != calls || r.bytes != bytes || r.nanoseconds < 0)
        fail_msg("%s: %lld calls, %lld bytes, %lld ns", name, (long long)r.calls,
                 (long long)r.bytes, (long long)r.nanoseconds);
}

/* An operation reads its inputs and writes its result: for float32, 4 bytes an element. */
static void test_calls_and_bytes(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_ones(tg, TG_F32, TG_SHAPE(10, 20)),
              *b = tg_ones(tg, TG_F32, TG_SHAPE(20, 30));
    for (int i = 0; i < 3; i++) tg_matmul(a, b);
    tg_exp(tg_t(a));
    tg_add_(a, tg_select(b, 1, 0));
    assert_int_equal(tg_get_profile(tg).n, 3);
    check_row(tg, "matmul", 3, 3 * 4 * (200 + 600 + 300));
    check_row(tg, "exp", 1, 4 * (200 + 200));
    check_row(tg, "add_", 1, 4 * (200 + 200 + 20));
}

/* A composed operation is one call, under its name, with the bytes of what it is made of. */
static void test_composed_operations(void **state)
{
    tg_context *tg = *state;
    tg_module *norm = tg_batchnorm1d(tg, 3, NULL);
    tg_profile(tg, false);
    tg_profile(tg, true);
    for (int i = 0; i < 4; i++) tg_forward(norm, tg_ones(tg, TG_F32, TG_SHAPE(5, 3)));
    tg_any(tg_ones(tg, TG_BOOL, TG_SHAPE(8)));
    assert_int_equal(tg_get_profile(tg).n, 2);
    assert_int_equal(row_named(tg, "batchnorm1d").calls, 4);
    assert_true(row_named(tg, "batchnorm1d").bytes > 4 * 2 * 4 * 15);
    assert_int_equal(row_named(tg, "any").calls, 1);
}

static tg_tensor *cube(tg_list inputs, const void *attributes)
{
    tg_tensor *x = inputs.items[0];
    (void)attributes;
    return tg_mul(tg_mul(x, x), x);
}

static tg_tensor *cube_gradient(tg_list inputs, tg_tensor *output, tg_tensor *grad, int i,
                                const void *attributes)
{
    (void)output, (void)attributes;
    return tg_mul(grad, tg_mul_scalar(tg_square(inputs.items[i]), 3));
}

/* What an operation of the program, a gradient or a step runs counts for it, and for nothing
 * else. */
static void test_backward_steps_draws_and_batches(void **state)
{
    static const tg_autograd_function function = {"cube", cube, cube_gradient};
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 1, 2, 3), *batch[1];
    tg_optim *adam = tg_adam_list(TG_LIST(x), NULL), *sgd = tg_sgd_list(TG_LIST(x), NULL);
    tg_loader *loader =
        tg_data_loader(TG_LIST(tg_randn(tg, TG_F64, TG_SHAPE(6, 2))), TG_LOADER(.batch_size = 3));
    tg_backward(tg_sum(tg_apply(&function, TG_LIST(x), NULL, 0)));
    for (int i = 0; i < 2; i++) assert_true(tg_step(adam));
    tg_step(sgd);
    while (tg_next_batch(loader, batch)) continue;
    check_row(tg, "randn", 1, 8 * 12);
    check_row(tg, "cube", 1, 2 * 8 * 9);
    check_row(tg, "sum", 1, 8 * 4);
    check_row(tg, "backward of sum", 1, 0);
    check_row(tg, "backward of cube", 1, 8 * (6 + 6 + 9));
    check_row(tg, "step of adam", 2, 2 * 8 * 3 * 7);
    check_row(tg, "step of sgd", 1, 8 * 3 * 3);
    check_row(tg, "next_batch", 2, 2 * 8 * 12);
    assert_int_equal(tg_get_profile(tg).n, 8);
}

static void test_off_and_on(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 1, 2);
    tg_exp(x);
    assert_true(tg_profile(tg, true)); /* it is on already, and goes on */
    tg_exp(x);
    assert_true(tg_profile(tg, false));
    tg_exp(x);
    check_row(tg, "exp", 2, 2 * 32);
    assert_true(tg_profile(tg, true));
    assert_int_equal(tg_get_profile(tg).n, 0);
    tg_exp(x);
    check_row(tg, "exp", 1, 32);
    assert_false(tg_profile(NULL, true));
    assert_int_equal(tg_get_profile(NULL).n, 0);
}

static tg_tensor *turns_it_off_and_on(tg_tensor *x)
{
    tg_profile(x->context, false);
    tg_profile(x->context, true);
    return tg_neg(x);
}

static tg_tensor *turns_in_forward(tg_list inputs, const void *attributes)
{
    (void)attributes;
    return turns_it_off_and_on(inputs.items[0]);
}

static tg_tensor *turns_in_backward(tg_list inputs, tg_tensor *output, tg_tensor *grad, int i,
                                    const void *attributes)
{
    (void)inputs, (void)output, (void)i, (void)attributes;
    return turns_it_off_and_on(grad);
}

/* Functions of the program may turn counting on and off, in the middle of what is counted. */
static void test_turning_in_the_middle(void **state)
{
    static const tg_autograd_function function = {"turn", turns_in_forward, turns_in_backward};
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 1, 2), *y = tg_apply(&function, TG_LIST(x), NULL, 0);
    check_row(tg, "neg", 1, 32);
    assert_true(tg_backward(tg_sum(y)));
    check_values(x->grad, -1, -1);
    tg_exp(x);
    check_row(tg, "exp", 1, 32);
    tg_profile(tg, false);
    assert_true(tg_backward(tg_sum(tg_apply(&function, TG_LIST(x), NULL, 0))));
    tg_exp(x);
    check_row(tg, "exp", 1, 32);
}

static void test_rows_are_sorted_and_time_adds_up(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_ones(tg, TG_F32, TG_SHAPE(100, 100));
    for (int i = 0; i < 20; i++) tg_matmul(tg_exp(a), a);
    const tg_profile_rows rows = tg_get_profile(tg);
    assert_true(rows.n == 2 && rows.items[0].nanoseconds >= rows.items[1].nanoseconds);
    assert_true(rows.items[0].nanoseconds > 0);
}

static void test_the_table(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 1, 2);
    for (int i = 0; i < 1234; i++) tg_exp(x);
    tg_profile(tg, false);
    FILE *file = tmpfile();
    assert_true(tg_print_profile(file, tg));
    const char *text = read_printed(file), *line = strchr(text, '\n') + 1;
    double ms, share, each, clock;
    assert_true(strstr(text, "operation        calls          ms    share   us a call") == text);
    assert_int_equal(sscanf(line, "exp 1,234 %lf %lf %% %lf 0.0", &ms, &share, &each), 3);
    assert_true(share == 100 && ms > 0);
    const char *sum = strstr(text, "\ntogether "), *last = sum ? strstr(sum, "\nin ") : NULL;
    assert_true(last && sscanf(sum, "\ntogether 1,234 %lf", &clock) == 1 && clock == ms);
    assert_int_equal(sscanf(last, "\nin %lf ms of the clock\n", &clock), 1);
    assert_true(clock >= ms);
}

static void test_wrong_files(void **state)
{
    tg_context *tg = *state;
    tg_exp(leaf(tg, 1));
    check_bad_files(tg, "print_profile", tg_print_profile(file, tg));
    assert_false(tg_print_profile(stdout, NULL));
    tg_context *other = tg_open(NULL);
    FILE *file = tmpfile();
    assert_true(tg_print_profile(file, other)); /* nothing was ever counted */
    assert_non_null(strstr(read_printed(file), "together"));
    tg_close(other);
}

/* A table that has no memory for its rows fails. */
static void test_each_allocation(void **state)
{
    (void)state;
    for (long at = 1, failed = 1; failed; at++) {
        guarded g = {0};
        tg_context *tg = open_on_guarded(&g);
        assert_true(tg_profile(tg, true));
        for (int i = 0; i < 40; i++) tg_exp(tg_scalar(tg, TG_F32, i));
        FILE *file = tmpfile();
        g.asked = 0;
        g.fail_at = at;
        g.fail_on = true;
        const bool printed = tg_print_profile(file, tg);
        failed = g.failed;
        assert_true(printed == tg_ok(tg) && printed == !failed);
        fclose(file);
        tg_close(tg);
        assert_true(g.blocks == 0 && !g.damaged && at < 1000);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, open_profiling, close_context)
    const struct CMUnitTest tests[] = {
        TEST(calls_and_bytes), TEST(composed_operations),   TEST(backward_steps_draws_and_batches),
        TEST(off_and_on),      TEST(turning_in_the_middle), TEST(rows_are_sorted_and_time_adds_up),
        TEST(the_table),       TEST(wrong_files),           cmocka_unit_test(test_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
