/* The context: its options, errors and statistics, the limit of its memory, and the allocator. */
#include "check.h"
#include "foreign_locale.h"
#include "guarded.h"
#include "each_level.h"

/* Memory that a context takes before anything is made in it. */
static size_t empty_context(void)
{
    tg_context *tg = tg_open(NULL);
    size_t bytes = tg_get_stats(tg).held_bytes;
    tg_close(tg);
    return bytes;
}

static void *refuse(void *user, size_t bytes)
{
    (void)user, (void)bytes;
    return NULL;
}

static void ignore(void *user, void *memory, size_t bytes)
{
    (void)user, (void)memory, (void)bytes;
}

static void test_open(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    assert_non_null(tg);
    assert_true(tg_ok(tg));
    assert_int_equal(tg_error_code(tg), TG_OK);
    check_ok(tg);
    assert_true(tg_is_grad_enabled(tg));
    assert_string_equal(tg_simd_level(tg), tg__level_name(tg__level(tg_simd_level(tg))));
    tg_close(tg);
    tg_close(NULL);
}

static void test_options(void **state)
{
    (void)state;
    tg_options o = tg_defaults();
    assert_non_null(o.allocate);
    assert_non_null(o.deallocate);
    assert_int_equal(o.max_bytes, 0);
    tg_close(tg_open(&o));
    o = (tg_options){0};
    o.allocate = refuse;
    assert_null(tg_open(&o));
    o.deallocate = ignore;
    assert_null(tg_open(&o));
    o.allocate = NULL;
    assert_null(tg_open(&o));
    o = tg_defaults();
    o.max_bytes = empty_context() - 1;
    assert_null(tg_open(&o));
    o.max_bytes++;
    tg_context *tg = tg_open(&o);
    assert_non_null(tg);
    assert_null(tg_scalar(tg, TG_F32, 1));
    assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
    tg_close(tg);
}

static void test_options_of_a_plain_literal_have_malloc(void **state)
{
    (void)state;
    tg_context *tg = tg_open(&(tg_options){.max_bytes = 1 << 20});
    assert_true(tg_item(tg_ones(tg, TG_F32, TG_SHAPE())) == 1);
    tg_close(tg);
}

static void test_null_context(void **state)
{
    (void)state;
    tg_scope_begin(NULL);
    tg_scope_end(NULL);
    tg_clear_error(NULL);
    assert_false(tg_ok(NULL));
    assert_int_equal(tg_error_code(NULL), TG_ERR_CONTEXT);
    assert_string_equal(tg_error(NULL), "no context: tg_open failed or NULL was given");
    tg_stats stats = tg_get_stats(NULL);
    assert_int_equal(stats.live_bytes + stats.peak_bytes + stats.held_bytes, 0);
    assert_int_equal(stats.allocator_calls, 0);
    assert_null(tg_simd_level(NULL));
}

static void test_first_error_stays(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    tg_tensor *a = tg_ones(tg, TG_F32, TG_SHAPE(2, 3)), *b = tg_ones(tg, TG_F32, TG_SHAPE(2));
    const char *first = "add: shapes [2, 3] and [2] do not broadcast";
    assert_null(tg_add(a, b));
    assert_string_equal(tg_error(tg), first);
    assert_null(tg_exp(tg_sub(a, tg_add(a, b))));
    assert_null(tg_zeros(tg, TG_F32, TG_SHAPE(-1)));
    tg_scope_end(tg);
    assert_string_equal(tg_error(tg), first);
    assert_int_equal(tg_error_code(tg), TG_ERR_SHAPE);
    tg_clear_error(tg);
    assert_true(tg_ok(tg));
    check_ok(tg);
    check_values(tg_sum(a), 6);
    tg_close(tg);
}

/* While an error is pending, calls that would change something do nothing, and all others work. */
static void test_pending_error(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    tg_tensor *t = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(2), 3), true);
    tg_tensor *plain = tg_full(tg, TG_F32, TG_SHAPE(2), 3);
    tg_tensor *loss = tg_sum(tg_square(t));
    tg_sgd_options how = tg_sgd_defaults();
    tg_optim *sgd = tg_sgd_list(TG_LIST(t), &how);
    assert_true(tg_backward(loss));
    tg_manual_seed(tg, 7);
    assert_null(tg_select(t, 0, 2));
    const char *first = "select: index 2 of dimension 0 is out of range for [2]";

    assert_false(tg_set(plain, TG_INDEX(0), 1));
    assert_false(tg_copy_from_f32(plain, (float[]){1, 2}));
    assert_null(tg_copy_(plain, plain));
    assert_null(tg_fill_(plain, 1));
    assert_null(tg_zero_(plain));
    assert_null(tg_add_(plain, plain));
    assert_null(tg_sub_(plain, plain));
    assert_null(tg_mul_(plain, plain));
    assert_null(tg_uniform_(plain, 0, 1));
    assert_null(tg_normal_(plain, 0, 1));
    assert_null(tg_bernoulli_(plain, 1));
    assert_null(tg_random_(tg_zeros(tg, TG_I64, TG_SHAPE(2))));
    assert_null(tg_rand(tg, TG_F32, TG_SHAPE(2)));
    assert_null(tg_randn(tg, TG_F32, TG_SHAPE(2)));
    assert_null(tg_randint(tg, 0, 5, TG_SHAPE(2)));
    assert_null(tg_randperm(tg, 5));
    assert_null(tg_bernoulli(plain));
    assert_null(tg_dropout(plain, 0.5, true));
    assert_null(tg_linear(tg, 1, 1, TG_BIAS));
    assert_false(tg_backward(loss));
    assert_false(tg_backward_with(loss, tg_ones_like(loss)));
    tg_tensor *grad = t;
    assert_false(tg_grad(TG_LIST(loss), TG_LIST(t), &grad, NULL));
    assert_null(grad);
    assert_false(tg_step(sgd));
    assert_false(tg_zero_grad(sgd));
    assert_false(tg_set_lr(sgd, 5));
    assert_false(tg_clear_grad(t));

    tg_scope_begin(tg);
    assert_true(tg_item(tg_sum(plain)) == 6);
    assert_true(tg_get(plain, TG_INDEX(1)) == 3);
    float out[2];
    assert_true(tg_copy_to_f32(plain, out));
    assert_true(tg_data_f32(plain) == plain->data);
    assert_non_null(tg_keep(plain));
    tg_no_grad_begin(tg);
    tg_no_grad_end(tg);
    tg_release(tg_ones_like(plain));
    tg_scope_end(tg);

    check_error(tg, TG_ERR_INDEX, first);
    check_values(plain, 3, 3);
    check_values(t, 3, 3);
    check_values(t->grad, 6, 6);
    assert_true(tg_lr(sgd) == 0.01);
    tg_tensor *drawn = tg_rand(tg, TG_F64, TG_SHAPE(4));
    tg_manual_seed(tg, 7);
    tg_tensor *again = tg_rand(tg, TG_F64, TG_SHAPE(4));
    assert_memory_equal(drawn->data, again->data, 4 * sizeof(double));
    tg_close(tg);
}

/* Messages are cut, not overrun: eight sizes of twenty digits each do not come near the end. */
static void test_long_message(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    int64_t low = INT64_MIN;
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(1));
    assert_null(tg_view(t, TG_SHAPE(low, low, low, low, low, low, low, low)));
    check_error(tg, TG_ERR_SHAPE,
                "view: [1] has 1 elements and cannot become "
                "[-9223372036854775808, -9223372036854775808, -9223372036854775808, "
                "-9223372036854775808, -9223372036854775808, -9223372036854775808, "
                "-9223372036854775808, -9223372036854775808]");
    tg_close(tg);
}

static void check_books(const tg_context *tg, const guarded *g)
{
    tg_stats stats = tg_get_stats(tg);
    assert_int_equal(stats.held_bytes, g->held);
    assert_int_equal(stats.allocator_calls, g->calls);
    assert_true(stats.live_bytes <= stats.held_bytes);
    assert_true(stats.live_bytes <= stats.peak_bytes);
    assert_true(stats.peak_bytes <= g->peak);
}

/* The statistics agree with what the allocator has counted, through scopes, early release and
 * failure. */
static void test_statistics(void **state)
{
    (void)state;
    guarded g = {0};
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    check_books(tg, &g);
    size_t empty = tg_get_stats(tg).live_bytes;
    size_t before = tg_get_stats(tg).live_bytes;
    for (int i = 0; i < 5; i++) {
        tg_scope_begin(tg);
        tg_tensor *large = tg_zeros(tg, TG_F64, TG_SHAPE(10000 + 1000 * i));
        check_books(tg, &g);
        size_t with = tg_get_stats(tg).live_bytes;
        assert_true(with >= before + (size_t)large->numel * sizeof(double));
        const size_t bytes = (size_t)large->numel * sizeof(double);
        tg_release(large);
        assert_true(tg_get_stats(tg).live_bytes + bytes <= with);
        check_books(tg, &g);
        tg_scope_end(tg);
        check_books(tg, &g);
        assert_int_equal(tg_get_stats(tg).live_bytes, empty);
    }
    g.limit = 1000;
    assert_null(tg_zeros(tg, TG_F64, TG_SHAPE(1 << 20)));
    check_books(tg, &g);
    assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
    tg_close(tg);
    assert_int_equal(g.blocks, 0);
    assert_int_equal(g.held, 0);
    assert_false(g.damaged);
}

static void test_peak(void **state)
{
    (void)state;
    guarded g = {0};
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    tg_scalar(tg, TG_F32, 0);
    size_t base = tg_get_stats(tg).live_bytes;
    for (int i = 1; i <= 3; i++) {
        tg_scope_begin(tg);
        for (int j = 0; j < i; j++) tg_zeros(tg, TG_F32, TG_SHAPE(1 << 16));
        assert_true(tg_get_stats(tg).peak_bytes >= base + (size_t)i * 4 * (1 << 16));
        assert_int_equal(tg_get_stats(tg).peak_bytes, tg_get_stats(tg).live_bytes);
        tg_scope_end(tg);
    }
    assert_int_equal(tg_get_stats(tg).peak_bytes, g.peak); /* nothing else was ever held */
    tg_close(tg);
}

/* The cap holds to the byte, whatever is asked; and what a scope gave back can be had again. */
static void test_cap(void **state)
{
    (void)state;
    guarded g = {0};
    tg_options o = guarded_options(&g);
    o.max_bytes = 1 << 20;
    tg_context *tg = tg_open(&o);
    tg_scalar(tg, TG_F32, 0);
    for (int64_t n = 1; n < (int64_t)1 << 40; n *= 3) {
        tg_scope_begin(tg);
        tg_tensor *t = tg_empty(tg, TG_BOOL, TG_SHAPE(n));
        assert_true(g.peak <= o.max_bytes);
        assert_true(t ? (size_t)n < o.max_bytes : (size_t)n > o.max_bytes / 2);
        if (!t) assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
        tg_clear_error(tg);
        tg_scope_end(tg);
    }
    int64_t room = (int64_t)(o.max_bytes - tg_get_stats(tg).live_bytes);
    assert_null(tg_empty(tg, TG_BOOL, TG_SHAPE(room)));
    tg_clear_error(tg);
    /* Blocks come in sizes at most an eighth apart. */
    assert_non_null(tg_empty(tg, TG_BOOL, TG_SHAPE(room - room / 8 - 256)));
    assert_true(g.peak > o.max_bytes - o.max_bytes / 4);
    tg_close(tg);
}

static void test_cap_message(void **state)
{
    (void)state;
    tg_options o = tg_defaults();
    o.max_bytes = 1 << 20;
    tg_context *tg = tg_open(&o);
    tg_scalar(tg, TG_F32, 0);
    assert_null(tg_empty(tg, TG_F32, TG_SHAPE(1024, 1024)));
    char expected[200];
    snprintf(expected, sizeof expected, "out of memory: %d bytes asked for, %zu held, cap 1048576",
             1 << 22, tg_get_stats(tg).held_bytes);
    check_error(tg, TG_ERR_MEMORY, expected);
    tg_close(tg);
}

/* Contexts side by side know nothing of each other. */
static void test_two_contexts(void **state)
{
    (void)state;
    tg_context *one = tg_open(NULL), *two = tg_open(NULL);
    assert_null(tg_zeros(one, TG_F32, TG_SHAPE(-1)));
    assert_false(tg_ok(one));
    assert_true(tg_ok(two));
    tg_clear_error(one);
    tg_scope_begin(one);
    tg_no_grad_begin(one);
    assert_true(tg_is_grad_enabled(two));
    tg_no_grad_end(one);
    tg_scope_end(two);
    check_error(two, TG_ERR_CONTEXT, "scope_end: no scope was begun");
    tg_scope_end(one);
    check_ok(one);
    tg_manual_seed(one, 1);
    tg_manual_seed(two, 1);
    tg_rand(one, TG_F32, TG_SHAPE(5));
    tg_tensor *a = tg_rand(two, TG_F64, TG_SHAPE(3));
    tg_manual_seed(one, 1);
    tg_tensor *b = tg_rand(one, TG_F64, TG_SHAPE(3));
    assert_memory_equal(a->data, b->data, 3 * sizeof(double));
    tg_tensor *x = tg_ones(one, TG_F32, TG_SHAPE(2)), *y = tg_ones(two, TG_F32, TG_SHAPE(2));
    assert_null(tg_add(x, y));
    check_error(one, TG_ERR_CONTEXT, "add: tensors of two contexts; tg_borrow makes an alias");
    check_ok(two);
    tg_close(one);
    check_values(y, 1, 1);
    tg_close(two);
}

/* In these locales, printf writes another decimal point, as in "0,5". */
static void test_messages_do_not_follow_the_locale(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    static const char *const names[] = {"de_DE", "ps_AF"}; /* ",", and two bytes */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!enter_locale(names[i])) skip();
        assert_null(tg_full(tg, TG_I64, TG_SHAPE(2), 0.5));
        check_error(tg, TG_ERR_ARGUMENT, "full: 0.5 is not a value of int64");
        assert_null(tg_full(tg, TG_I64, TG_SHAPE(2), -1e300));
        check_error(tg, TG_ERR_ARGUMENT, "full: -1e+300 is not a value of int64");
        assert_null(tg_full(tg, TG_I64, TG_SHAPE(2), -INFINITY));
        check_error(tg, TG_ERR_ARGUMENT, "full: -inf is not a value of int64");
        assert_null(tg_arange(tg, TG_F32, 0, 2.25, -1.5e-7));
        check_error(tg, TG_ERR_ARGUMENT,
                    "arange: no float32 numbers go from 0 to 2.25 in steps of -1.5e-07");
        leave_locale();
    }
    tg_close(tg);
}

/* ---- on_error. */

typedef struct heard {
    int times;
    tg_status code;
    char message[100];
} heard;

static void listen(void *user, tg_status code, const char *message)
{
    heard *h = user;
    h->times++;
    h->code = code;
    snprintf(h->message, sizeof h->message, "%s", message);
}

static void test_on_error_hears_the_first_failure(void **state)
{
    (void)state;
    heard h = {0};
    tg_options o = tg_defaults();
    assert_null(o.on_error);
    o.on_error = listen;
    o.user = &h;
    tg_context *tg = tg_open(&o);
    tg_tensor *a = tg_ones(tg, TG_F32, TG_SHAPE(2, 3)), *b = tg_ones(tg, TG_F32, TG_SHAPE(2));
    assert_int_equal(h.times, 0);
    assert_null(tg_matmul(tg_exp(tg_add(a, b)), b));
    assert_int_equal(h.times, 1);
    assert_int_equal(h.code, TG_ERR_SHAPE);
    assert_string_equal(h.message, "add: shapes [2, 3] and [2] do not broadcast");
    assert_string_equal(h.message, tg_error(tg));
    tg_clear_error(tg);
    assert_null(tg_select(b, 0, 2));
    assert_int_equal(h.times, 2);
    assert_int_equal(h.code, TG_ERR_INDEX);
    tg_close(tg);
}

static void test_on_error_hears_why_open_fails(void **state)
{
    (void)state;
    heard h = {0};
    tg_options o = tg_defaults();
    o.on_error = listen;
    o.user = &h;
    o.max_bytes = 1;
    assert_null(tg_open(&o));
    assert_int_equal(h.code, TG_ERR_MEMORY);
    assert_string_equal(h.message, "open: no memory for the context");
    o.allocate = NULL;
    assert_null(tg_open(&o));
    assert_int_equal(h.code, TG_ERR_ARGUMENT);
    assert_string_equal(h.message, "open: allocate or deallocate is NULL");
    o = tg_defaults();
    o.on_error = listen;
    o.user = &h;
    o.simd_level = "none";
    tg_context *tg = tg_open(&o);
    assert_string_equal(h.message, tg_error(tg));
    assert_int_equal(h.times, 3);
    tg_close(tg);
}

typedef struct reader {
    tg_context *tg;
    tg_tensor *t;
    double item;
    int times;
    char text[100];
} reader;

/* on_error may read and print tensors. If it makes a call that fails, it is not called again for
 * that. */
static void read_only(void *user, tg_status code, const char *message)
{
    reader *r = user;
    r->times++;
    r->item = tg_item(r->t);
    if (code == tg_error_code(r->tg) && message == tg_error(r->tg))
        tg_snprint(r->text, sizeof r->text, r->t);
    tg_get(r->t, TG_INDEX(1, 2, 3));
}

static void test_on_error_may_read_and_print(void **state)
{
    (void)state;
    reader r = {0};
    tg_options o = tg_defaults();
    o.on_error = read_only;
    o.user = &r;
    tg_context *tg = r.tg = tg_open(&o);
    r.t = tg_full(tg, TG_F32, TG_SHAPE(1), 7);
    assert_null(tg_view(r.t, TG_SHAPE(2)));
    assert_int_equal(r.times, 1);
    assert_true(r.item == 7);
    assert_string_equal(r.text, "tensor([7.])");
    check_error(tg, TG_ERR_SHAPE, "view: [1] has 1 elements and cannot become [2]");
    tg_close(tg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_options_of_a_plain_literal_have_malloc),
        cmocka_unit_test(test_null_context),
        cmocka_unit_test(test_first_error_stays),
        cmocka_unit_test(test_pending_error),
        cmocka_unit_test(test_long_message),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_peak),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_cap_message),
        cmocka_unit_test(test_two_contexts),
        cmocka_unit_test(test_messages_do_not_follow_the_locale),
        cmocka_unit_test(test_on_error_hears_the_first_failure),
        cmocka_unit_test(test_on_error_hears_why_open_fails),
        cmocka_unit_test(test_on_error_may_read_and_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
