/* Lists of named tensors: names, order, lookup, parts and lifetimes. */
#include "check.h"
#include "guarded.h"
#include "sanitizer.h"

static tg_state *list_of_three(tg_context *tg)
{
    tg_state *s = tg_state_new(tg);
    tg_state_add(s, "model.weight", tg_scalar(tg, TG_F32, 1));
    tg_state_add(s, "model.bias", tg_scalar(tg, TG_F64, 2));
    tg_state_add(s, "step", tg_scalar(tg, TG_I64, 3));
    tg_state_set_text(s, "model.title", "digits");
    check_ok(tg);
    return s;
}

static void test_items_keep_their_order_and_are_the_tensors_themselves(void **state)
{
    tg_context *tg = *state;
    tg_state *s = list_of_three(tg);
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(2));
    char name[] = "t";
    assert_true(tg_state_add(s, name, t));
    name[0] = 'u'; /* the name was copied */
    static const char *const names[] = {"model.weight", "model.bias", "step", "t"};
    assert_int_equal(s->n, 4);
    for (int i = 0; i < 4; i++) assert_string_equal(s->items[i].name, names[i]);
    assert_ptr_equal(s->items[3].tensor, t);
    assert_ptr_equal(tg_state_get(s, "t"), t);
    assert_true(tg_item(tg_state_find(s, "model.bias")) == 2);
    assert_null(tg_state_find(s, "model"));
    assert_null(tg_state_find(s, "model.weight2"));
    check_ok(tg);
}

static void test_texts_are_replaced_by_key(void **state)
{
    tg_context *tg = *state;
    tg_state *s = list_of_three(tg);
    assert_true(tg_state_set_text(s, "date", "line 1\nline 2\t\xc3\xa9"));
    assert_true(tg_state_set_text(s, "model.title", ""));
    assert_int_equal(s->n_texts, 2);
    assert_string_equal(s->texts[0].key, "model.title");
    assert_string_equal(s->texts[0].value, "");
    assert_string_equal(tg_state_text(s, "date"), "line 1\nline 2\t\xc3\xa9");
    assert_null(tg_state_text(s, "model"));
    check_ok(tg);
}

static void test_a_part_has_the_names_after_the_prefix(void **state)
{
    tg_context *tg = *state;
    tg_state *s = list_of_three(tg), *part = tg_state_part(s, "model.");
    assert_int_equal(part->n, 2);
    assert_string_equal(part->items[1].name, "bias");
    assert_ptr_equal(part->items[1].tensor, s->items[1].tensor);
    assert_string_equal(tg_state_text(part, "title"), "digits");
    assert_int_equal(tg_state_part(s, "step")->n, 0); /* nothing is left of the name */
    assert_int_equal(tg_state_part(s, "optim.")->n, 0);

    tg_state *joined = tg_state_new(tg);
    assert_true(tg_state_add_all(joined, "a.", part));
    assert_true(tg_state_add_all(joined, "b.", part));
    assert_int_equal(joined->n, 4);
    assert_string_equal(joined->items[3].name, "b.bias");
    assert_string_equal(tg_state_text(joined, "a.title"), "digits");
    assert_true(tg_state_add_all(joined, "c.", joined));
    assert_int_equal(joined->n, 8);
    assert_true(tg_item(tg_state_get(joined, "c.b.bias")) == 2);
    check_ok(tg);
}

static void test_all_are_added_or_none(void **state)
{
    tg_context *tg = *state;
    tg_state *s = list_of_three(tg), *part = tg_state_new(tg);
    tg_state_add(part, "new", tg_scalar(tg, TG_F32, 1));
    tg_state_add(part, "step", tg_scalar(tg, TG_F32, 1));
    assert_false(tg_state_add_all(s, "", part));
    check_error(tg, TG_ERR_ARGUMENT, "state_add_all: the name step is taken");
    assert_int_equal(s->n, 3);
    assert_null(tg_state_find(s, "new"));
}

/* Each name is found, and no name that differs from one in its last byte. */
static void test_thousands_of_names_are_found(void **state)
{
    enum { MANY = 3000 };
    tg_context *tg = *state;
    tg_state *s = tg_state_new(tg);
    tg_tensor *t = tg_scalar(tg, TG_F32, 1);
    char name[64];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "layers.%d.weight", i * 7919 % MANY);
        assert_true(tg_state_add(s, name, t));
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "layers.%d.weight", i);
        assert_non_null(tg_state_find(s, name));
        assert_false(tg_state_add(s, name, t));
        tg_clear_error(tg);
        name[strlen(name) - 1] ^= 1;
        assert_null(tg_state_find(s, name));
    }
    assert_int_equal(s->n, MANY);
}

static void test_names_that_begin_alike_are_found(void **state)
{
    static const char *const names[] = {"b", "a", "ab", "abc", "\xc3\xa9", "a\xe2\x82\xac", "ac"};
    enum { NAMES = sizeof names / sizeof *names };
    tg_context *tg = *state;
    tg_state *s = tg_state_new(tg);
    for (int i = 0; i < NAMES; i++)
        assert_true(tg_state_add(s, names[i], tg_scalar(tg, TG_I64, i)));
    for (int i = 0; i < NAMES; i++) assert_int_equal(tg_item_i64(tg_state_get(s, names[i])), i);
    assert_null(tg_state_find(s, ""));
    assert_null(tg_state_find(s, "abcd"));
}

/* The forms that RFC 3629 forbids, and control characters. */
static void test_names_are_valid_text(void **state)
{
    static const char *const bad[] = {"\x80",
                                      "a\xc3",
                                      "\xc0\xaf",
                                      "\xe0\x80\xaf",
                                      "\xed\xa0\x80",
                                      "\xf0\x80\x80\xaf",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xe2\x82",
                                      "a\nb",
                                      "a\x7f",
                                      "\xc2\x85"};
    static const char *const good[] = {"a b",          "\xc2\xa0",         "\xed\x9f\xbf",
                                       "\xee\x80\x80", "\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80",
                                       "\\\"/"};
    tg_context *tg = *state;
    tg_state *s = tg_state_new(tg);
    tg_tensor *t = tg_scalar(tg, TG_F32, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(tg_state_add(s, bad[i], t));
        check_error(tg, TG_ERR_ARGUMENT,
                    "state_add: a name has bytes that are not UTF-8, or a control character");
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(tg_state_add(s, good[i], t));
}

static void test_a_tensor_must_outlive_the_list(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_state *s = list_of_three(tg);
    tg_scope_begin(tg);
    assert_false(tg_state_add(s, "short", tg_scalar(tg, TG_F32, 1)));
    check_error(tg, TG_ERR_CONTEXT, "state_add: the tensor short dies before the list does");
    tg_state *inner = tg_state_new(tg);
    assert_true(tg_state_add_all(inner, "", s));
    tg_scope_end(tg);
    assert_true(tg_state_add(s, "long", tg_scalar(tg, TG_F32, 1)));
    assert_false(tg_state_add(s, "foreign", tg_scalar(other, TG_F32, 1)));
    check_error(tg, TG_ERR_CONTEXT, "state_add: the tensor foreign is of another context");
    assert_int_equal(s->n, 4);
    tg_close(other);
}

static void test_texts_outlive_the_list_that_they_come_from(void **state)
{
    tg_context *tg = *state;
    tg_state *s = tg_state_new(tg);
    tg_scope_begin(tg);
    tg_state *part = tg_state_new(tg);
    tg_state_set_text(part, "title", "digits");
    assert_true(tg_state_add_all(s, "model.", part));
    memset((char *)(uintptr_t)tg_state_text(part, "title"), 'x', 6);
    assert_string_equal(tg_state_text(s, "model.title"), "digits");
    tg_scope_end(tg);
    assert_string_equal(tg_state_text(s, "model.title"), "digits");
    check_ok(tg);
}

static void test_making_a_list_in_each_step_takes_no_memory_after_the_first(void **state)
{
#ifdef UNDER_ASAN /* which gives every tensor memory of its own */
    skip();
#endif
    tg_context *tg = *state;
    uint64_t calls = 0;
    for (int step = 0; step < 4; step++) {
        if (step == 1) calls = tg_get_stats(tg).allocator_calls;
        tg_scope_begin(tg);
        tg_state *s = tg_state_new(tg);
        tg_tensor *t = tg_scalar(tg, TG_F32, 1);
        char name[16];
        for (int i = 0; i < 500; i++) {
            snprintf(name, sizeof name, "%d", i);
            tg_state_add(s, name, t);
        }
        tg_scope_end(tg);
    }
    check_ok(tg);
    assert_int_equal(tg_get_stats(tg).allocator_calls, calls);
}

/* Each allocation fails in turn: the list is as before, and the next attempt succeeds. */
static void test_failing_memory_leaves_the_list_as_it_was(void **state)
{
    (void)state;
    for (int after = 0; after < 12; after++) {
        guarded g = {0};
        tg_options o = guarded_options(&g);
        tg_context *tg = tg_open(&o);
        tg_state *s = list_of_three(tg), *part = list_of_three(tg);
        tg_tensor *t = tg_scalar(tg, TG_F32, 1);
        char name[5000];
        memset(name, 'n', sizeof name);
        name[sizeof name - 1] = 0;
        check_ok(tg);
        g.fail_at = g.asked + 1 + after;
        bool done = true;
        for (int i = 0; i < 4 && done; i++) {
            name[0] = (char)('a' + i);
            const int64_t n = s->n;
            done = i % 2 ? tg_state_add(s, name, t) : tg_state_add_all(s, name, part);
            if (!done) assert_int_equal(s->n, n);
        }
        tg_clear_error(tg);
        g.fail_at = 0;
        assert_non_null(tg_state_get(s, "step"));
        name[0] = 'z';
        assert_true(tg_state_add_all(s, name, part));
        tg_close(tg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_keep_their_order_and_are_the_tensors_themselves),
        cmocka_unit_test(test_texts_are_replaced_by_key),
        cmocka_unit_test(test_a_part_has_the_names_after_the_prefix),
        cmocka_unit_test(test_all_are_added_or_none),
        cmocka_unit_test(test_thousands_of_names_are_found),
        cmocka_unit_test(test_names_that_begin_alike_are_found),
        cmocka_unit_test(test_names_are_valid_text),
        cmocka_unit_test(test_a_tensor_must_outlive_the_list),
        cmocka_unit_test(test_texts_outlive_the_list_that_they_come_from),
        cmocka_unit_test(test_making_a_list_in_each_step_takes_no_memory_after_the_first),
        cmocka_unit_test(test_failing_memory_leaves_the_list_as_it_was),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
