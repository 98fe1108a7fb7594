/* State dicts of modules: PyTorch's names, order and bits, and what loading refuses. */
#include "sanitizer.h"
#include "states.h"

#include "state/state.h"

/* The module Own of golden/states.py. PyTorch draws in the order in which the layers are made. */
static tg_module *make_own(tg_context *tg)
{
    tg_manual_seed(tg, 11);
    tg_module *own = tg_module_new(tg, "Own", NULL, 0);
    tg_register_buffer(own, "seen", tg_from_i64(tg, TG_SHAPE(2), (int64_t[]){1, 2}));
    tg_module *conv = tg_conv2d_layer(tg, 1, 2, TG_SHAPE(2, 2), TG_BIAS, NULL);
    tg_register_module(
        own, "encoder",
        tg_sequential(TG_MODULES(conv, tg_batchnorm2d(tg, 2, NULL), tg_lambda(tg, tg_relu),
                                 tg_flatten_layer(tg, 1, -1))));
    tg_module *linear = tg_linear(tg, 3, 2, TG_BIAS);
    tg_register_module(own, "head",
                       tg_sequential(TG_MODULES(linear, tg_layernorm(tg, TG_SHAPE(2), NULL))));
    tg_register_parameter(own, "scale", tg_full(tg, TG_F32, TG_SHAPE(2), 0.5));
    tg_register_module(own, "tied", linear);
    tg_register_module(own, "table", tg_embedding_layer(tg, 3, 2, TG_NO_INDEX));
    check_ok(tg);
    return own;
}

static void test_names_order_and_bits_are_pytorchs(void **state)
{
    tg_module *own = make_own(*state);
    check_same_states(tg_state_dict(own), golden_state(*state, "module"));
    check_ok((tg_context *)*state);
}

static void test_items_are_the_tensors_of_the_module(void **state)
{
    tg_module *own = make_own(*state);
    tg_state *s = tg_state_dict(own);
    assert_ptr_equal(tg_state_get(s, "head.0.weight"), tg_param(own, "head.0.weight"));
    assert_ptr_equal(tg_state_get(s, "tied.weight"), tg_param(own, "head.0.weight"));
    assert_ptr_equal(tg_state_get(s, "encoder.1.running_var"),
                     tg_buffer(own, "encoder.1.running_var"));
}

static void test_a_clone_keeps_the_best_weights(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_linear(tg, 2, 1, TG_BIAS);
    tg_state *best = tg_state_clone(tg_state_dict(net));
    const double before = tg_get(tg_param(net, "weight"), TG_INDEX(0, 0));
    assert_false(tg_state_get(best, "weight")->requires_grad);
    tg_copy_from_f32(tg_param(net, "weight"), (float[]){1, 2});
    tg_copy_from_f32(tg_param(net, "bias"), (float[]){3});
    assert_true(tg_get(tg_state_get(best, "weight"), TG_INDEX(0, 0)) == before);
    assert_true(tg_state_copy_(best, tg_state_dict(net)));
    tg_copy_from_f32(tg_param(net, "weight"), (float[]){5, 6});
    assert_true(tg_load_state_dict(net, best, TG_STRICT));
    check_values(tg_param(net, "weight"), 1, 2);
    check_values(tg_param(net, "bias"), 3);
    check_ok(tg);
}

static tg_state *without(tg_context *tg, const tg_state *s, const char *name)
{
    tg_state *rest = tg_state_new(tg);
    for (int64_t i = 0; i < s->n; i++)
        if (strcmp(s->items[i].name, name) != 0)
            tg_state_add(rest, s->items[i].name, s->items[i].tensor);
    return rest;
}

static void test_one_message_names_all_that_is_wrong(void **state)
{
    tg_context *tg = *state;
    tg_module *own = make_own(tg);
    const tg_state *before = tg_state_clone(tg_state_dict(own));
    tg_state *s = without(tg, without(tg, before, "seen"), "tied.bias");
    s = without(tg, without(tg, s, "scale"), "head.1.bias");
    tg_state_add(s, "scale", tg_ones(tg, TG_F32, TG_SHAPE(3)));
    tg_state_add(s, "head.1.bias", tg_ones(tg, TG_F64, TG_SHAPE(2)));
    tg_state_add(s, "extra", tg_ones(tg, TG_F32, TG_SHAPE(3)));
    tg_state_add(s, "tied.scale", tg_ones(tg, TG_F32, TG_SHAPE(3)));
    tg_fill_(tg_state_get(s, "table.weight"), 7);
    assert_false(tg_load_state_dict(own, s, TG_STRICT));
    check_error(tg, TG_ERR_ARGUMENT,
                "load_state_dict: scale is float32 [3], not float32 [2], head.1.bias is float64 "
                "[2], not float32 [2]; missing seen, tied.bias; not expected extra, tied.scale");
    assert_false(tg_load_state_dict(own, s, TG_NOT_STRICT));
    check_error(tg, TG_ERR_ARGUMENT,
                "load_state_dict: scale is float32 [3], not float32 [2], head.1.bias is float64 "
                "[2], not float32 [2]");
    assert_true(tg_get(tg_param(own, "table.weight"), TG_INDEX(0, 0)) != 7);
}

static void test_not_strict_takes_what_fits(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_linear(tg, 2, 1, TG_BIAS);
    tg_state *s = tg_state_new(tg);
    tg_state_add(s, "weight", tg_from_f32(tg, TG_SHAPE(1, 2), (float[]){1, 2}));
    tg_state_add(s, "extra", tg_ones(tg, TG_F32, TG_SHAPE(3)));
    const double bias = tg_item(tg_param(net, "bias"));
    assert_true(tg_load_state_dict(net, s, TG_NOT_STRICT));
    check_values(tg_param(net, "weight"), 1, 2);
    check_values(tg_param(net, "bias"), bias);
    assert_true(tg_load_state_dict(net, tg_state_new(tg), TG_NOT_STRICT));
    check_ok(tg);
}

/* A part whose prefix is misspelt is empty. */
static void test_a_state_without_tensors_is_called_so(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_linear(tg, 2, 1, TG_BIAS);
    tg_state *s = tg_state_new(tg);
    tg_state_add_all(s, "model.", tg_state_dict(net));
    assert_false(tg_load_state_dict(net, tg_state_part(s, "modle."), TG_STRICT));
    check_error(tg, TG_ERR_ARGUMENT,
                "load_state_dict: the state has no tensors; missing weight, bias");
}

/* A message has room for some hundred names, and says how many are left. */
static void test_many_names_are_counted(void **state)
{
    tg_context *tg = *state;
    tg_state *s = tg_state_new(tg);
    char name[32];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "layer.%d.weight", i);
        tg_state_add(s, name, tg_scalar(tg, TG_F32, 0));
    }
    assert_false(tg_load_state_dict(tg_linear(tg, 1, 1, TG_NO_BIAS), s, TG_STRICT));
    const char *text = tg_error(tg), *more = strstr(text, " and ");
    assert_non_null(strstr(text, "missing weight; not expected layer.0.weight, layer.1.weight, "));
    assert_non_null(more);
    int named = 0;
    for (const char *at = text; (at = strstr(at, "layer.")); at++) named++;
    assert_int_equal(named + atoi(more + 5), 200);
    tg_clear_error(tg);
}

/* A name that is too long for a message is cut between two characters. */
static void test_a_long_name_is_cut(void **state)
{
    tg_context *tg = *state;
    for (size_t before = 0; before < 2; before++) {
        char name[802] = "a";
        for (size_t at = before; at + 2 < sizeof name; at += 2) memcpy(name + at, "\xc3\xa9", 2);
        tg_state *s = tg_state_new(tg);
        assert_true(tg_state_add(s, name, tg_scalar(tg, TG_F32, 0)));
        tg_state_add(s, "short", tg_scalar(tg, TG_F32, 0));
        assert_false(tg_load_state_dict(tg_linear(tg, 1, 1, TG_NO_BIAS), s, TG_STRICT));
        assert_non_null(strstr(tg_error(tg), "\xc3\xa9\xc3\xa9... and 1 more"));
        assert_true(tg__utf8_length(tg_error(tg), false) > 200);
        tg_clear_error(tg);
    }
}

/* The room for names is 300 bytes, of which this name may leave any number. */
static void test_a_name_may_fill_a_message(void **state)
{
    tg_context *tg = *state;
    for (size_t n = 280; n < 310; n++) {
        tg_state *s = tg_state_new(tg);
        char name[400] = "";
        memset(name, 'n', n);
        tg_state_add(s, name, tg_scalar(tg, TG_F32, 0));
        for (int i = 0; i < 3; i++) {
            name[0] = (char)('a' + i);
            tg_state_add(s, name, tg_scalar(tg, TG_F32, 0));
        }
        assert_false(tg_load_state_dict(tg_linear(tg, 1, 1, TG_NO_BIAS), s, TG_STRICT));
        const char *text = strstr(tg_error(tg), "not expected n");
        assert_non_null(text);
        assert_non_null(strstr(text, "nnnn"));
        assert_string_equal(text + strlen(text) - 11, " and 3 more");
        assert_in_range(strlen(text), 280, 330);
        tg_clear_error(tg);
    }
}

static void test_a_module_takes_its_own_state(void **state)
{
    tg_context *tg = *state;
    tg_module *own = make_own(tg);
    tg_state *before = tg_state_clone(tg_state_dict(own));
    assert_true(tg_load_state_dict(own, tg_state_dict(own), TG_STRICT));
    check_same_states(tg_state_dict(own), before);
    tg_module *square = tg_linear(tg, 2, 2, TG_NO_BIAS);
    tg_state *s = tg_state_new(tg);
    tg_state_add(s, "weight", tg_t(tg_detach(tg_param(square, "weight"))));
    assert_false(tg_load_state_dict(square, s, TG_STRICT));
    check_error(tg, TG_ERR_ARGUMENT,
                "load_state_dict: weight shares memory with what it would replace");
}

static void test_loading_is_noticed_by_backward(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_linear(tg, 2, 1, TG_NO_BIAS);
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(1, 2)), true);
    tg_tensor *loss = tg_sum(tg_forward(net, x));
    tg_state *s = tg_state_clone(tg_state_dict(net));
    assert_true(tg_load_state_dict(net, s, TG_STRICT));
    assert_false(tg_backward(loss));
    assert_non_null(strstr(tg_error(tg), "load_state_dict"));
    tg_clear_error(tg);
}

static void test_a_state_of_another_context_and_read_only_parameters_are_refused(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_module *net = tg_linear(tg, 1, 1, TG_NO_BIAS), *far = tg_linear(other, 1, 1, TG_NO_BIAS);
    assert_false(tg_load_state_dict(net, tg_state_dict(far), TG_STRICT));
    check_error(tg, TG_ERR_CONTEXT, "load_state_dict: the state is of another context");
    tg_module *borrower = tg_module_new(other, "Borrower", NULL, 0);
    tg_register_buffer(borrower, "weight", tg_borrow(other, tg_param(net, "weight")));
    tg_state *s = tg_state_clone(tg_state_dict(far));
    assert_false(tg_load_state_dict(borrower, s, TG_STRICT));
    check_error(other, TG_ERR_ARGUMENT,
                "load_state_dict: the tensor [1, 1] is borrowed and read-only");
    tg_close(other);
}

static void test_telling_and_loading_in_each_step_allocates_nothing_after_the_first(void **state)
{
#ifdef UNDER_ASAN /* which gives every tensor memory of its own */
    skip();
#endif
    tg_context *tg = tg_open(NULL);
    (void)state;
    tg_module *own = make_own(tg);
    tg_state *kept = tg_state_clone(tg_state_dict(own));
    uint64_t calls = 0;
    for (int step = 0; step < 5; step++) {
        if (step == 2) calls = tg_get_stats(tg).allocator_calls;
        tg_scope_begin(tg);
        assert_true(tg_state_copy_(kept, tg_state_dict(own)));
        assert_non_null(tg_state_clone(tg_state_dict(own)));
        assert_true(tg_load_state_dict(own, kept, TG_STRICT));
        tg_scope_end(tg);
    }
    assert_int_equal(tg_get_stats(tg).allocator_calls, calls);
    check_ok(tg);
    tg_close(tg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_order_and_bits_are_pytorchs),
        cmocka_unit_test(test_items_are_the_tensors_of_the_module),
        cmocka_unit_test(test_a_clone_keeps_the_best_weights),
        cmocka_unit_test(test_one_message_names_all_that_is_wrong),
        cmocka_unit_test(test_not_strict_takes_what_fits),
        cmocka_unit_test(test_a_state_without_tensors_is_called_so),
        cmocka_unit_test(test_many_names_are_counted),
        cmocka_unit_test(test_a_long_name_is_cut),
        cmocka_unit_test(test_a_name_may_fill_a_message),
        cmocka_unit_test(test_a_module_takes_its_own_state),
        cmocka_unit_test(test_loading_is_noticed_by_backward),
        cmocka_unit_test(test_a_state_of_another_context_and_read_only_parameters_are_refused),
        cmocka_unit_test(test_telling_and_loading_in_each_step_allocates_nothing_after_the_first),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
