/* Trees of modules: the names of parameters and buffers, training and evaluation mode, user-defined
 * modules, the path in messages, and wrong arguments. */
#include "guarded.h"
#include "leaf.h"

static tg_module *small_net(tg_context *tg)
{
    tg_module *inner =
        tg_sequential(TG_MODULES(tg_linear(tg, 3, 3, TG_BIAS), tg_dropout_layer(tg, 0.5)));
    return tg_sequential(TG_MODULES(tg_linear(tg, 2, 3, TG_BIAS), tg_lambda(tg, tg_relu), inner,
                                    tg_batchnorm1d(tg, 3, NULL)));
}

static void test_parameters_and_submodules_are_found_by_their_paths(void **state)
{
    static const char *const paths[] = {"0.weight", "0.bias",   "2.0.weight",
                                        "2.0.bias", "3.weight", "3.bias"};
    tg_module *net = small_net(*state);
    const tg_list all = tg_parameters(net);
    assert_int_equal(all.n, 6);
    for (int i = 0; i < all.n; i++) {
        assert_string_equal(tg_param_name(net, i), paths[i]);
        assert_ptr_equal(tg_param(net, paths[i]), all.items[i]);
    }
    assert_true(!tg_param_name(net, 6) && !tg_param_name(net, -1));
    assert_ptr_equal(tg_parameters(net).items, all.items);
    assert_ptr_equal(tg_param(tg_submodule(net, "2.0"), "bias"), all.items[3]);
    check_values(tg_buffer(net, "3.running_var"), 1, 1, 1);

    static const char *const wrong[] = {"0", "2.0", "weight",     "",
                                        ".", "0.",  "0.weight.x", "00.weight"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_null(tg_param(net, wrong[i]));
        tg_clear_error(*state);
    }
    assert_null(tg_param(net, "1.weight"));
    check_error(*state, TG_ERR_ARGUMENT, "param: Sequential has no parameter named 1.weight");
    assert_null(tg_buffer(net, "0.weight"));
    check_error(*state, TG_ERR_ARGUMENT, "buffer: Sequential has no buffer named 0.weight");
    assert_null(tg_submodule(net, NULL));
    check_error(*state, TG_ERR_ARGUMENT, "submodule: Sequential has no submodule named NULL");
}

/* Buffers are listed in the order of PyTorch's named_buffers. */
static void test_buffers_are_listed_in_pytorchs_order(void **state)
{
    static const char *const paths[] = {"0.running_mean", "0.running_var", "0.num_batches_tracked",
                                        "1.0.running_mean"};
    tg_module *norm = tg_batchnorm1d(*state, 2, NULL), *other = tg_batchnorm1d(*state, 2, NULL);
    tg_module *net = tg_sequential(TG_MODULES(norm, tg_sequential(TG_MODULES(other)), norm));
    const tg_list all = tg_buffers(net);
    assert_int_equal(all.n, 6);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(tg_buffer_name(net, i), paths[i]);
        assert_ptr_equal(tg_buffer(net, paths[i]), all.items[i]);
    }
    assert_int_equal(tg_parameters(net).n, 4);
    assert_int_equal(tg_buffers(tg_linear(*state, 1, 1, TG_BIAS)).n, 0);
    assert_true(!tg_buffer_name(net, 6) && !tg_buffer_name(NULL, 0) && tg_buffers(NULL).n == 0);
}

static void test_children_are_numbered_beyond_ten(void **state)
{
    tg_module *layers[12];
    for (int i = 0; i < 12; i++) layers[i] = tg_linear(*state, 1, 1, TG_NO_BIAS);
    tg_module *net = tg_sequential((tg_modules){12, layers});
    assert_string_equal(tg_param_name(net, 11), "11.weight");
    assert_ptr_equal(tg_param(net, "10.weight"), tg_param(layers[10], "weight"));
    assert_ptr_equal(tg_param(net, "1.weight"), tg_param(layers[1], "weight"));
}

static void test_a_shared_module_is_listed_once(void **state)
{
    tg_module *shared = tg_linear(*state, 2, 2, TG_BIAS);
    tg_module *net = tg_sequential(TG_MODULES(shared, tg_lambda(*state, tg_tanh), shared));
    assert_int_equal(tg_parameters(net).n, 2);
    assert_ptr_equal(tg_param(net, "2.bias"), tg_param(net, "0.bias"));
    assert_true(tg_backward(tg_sum(tg_forward(net, tg_ones(*state, TG_F32, TG_SHAPE(1, 2))))));
    assert_non_null(tg_param(net, "0.bias")->grad);
}

static void test_parameters_registered_later_are_listed(void **state)
{
    tg_module *net = tg_module_new(*state, "Net", NULL, 0);
    assert_int_equal(tg_parameters(net).n, 0);
    tg_module *child = tg_register_module(net, "child", tg_module_new(*state, "Child", NULL, 0));
    tg_register_parameter(child, "late", tg_zeros(*state, TG_F32, TG_SHAPE(2)));
    assert_int_equal(tg_parameters(net).n, 1);
    tg_register_parameter(net, "own", tg_zeros(*state, TG_F64, TG_SHAPE(1)));
    assert_int_equal(tg_parameters(net).n, 2);
    assert_string_equal(tg_param_name(net, 0), "own");
    assert_string_equal(tg_param_name(net, 1), "child.late");
}

static void test_train_and_eval_set_the_mode_of_the_whole_tree(void **state)
{
    tg_context *tg = *state;
    tg_module *net = small_net(tg);
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(4, 2));
    assert_true(tg_is_training(net) && tg_is_training(tg_submodule(net, "2.1")));
    assert_ptr_equal(tg_eval(net), net);
    assert_false(tg_is_training(net) || tg_is_training(tg_submodule(net, "2.1")));
    tg_tensor *first = tg_forward(net, x), *second = tg_forward(net, x);
    for (int64_t i = 0; i < first->numel; i++)
        assert_true(element_of(first, i) == element_of(second, i));
    assert_true(tg_item(tg_buffer(net, "3.num_batches_tracked")) == 0);
    assert_ptr_equal(tg_train(net), net);
    tg_forward(net, x);
    assert_true(tg_item(tg_buffer(net, "3.num_batches_tracked")) == 1);
    assert_true(!tg_train(NULL) && !tg_eval(NULL) && !tg_is_training(NULL));
}

static void test_dropout_layer_drops_in_training_alone(void **state)
{
    tg_context *tg = *state;
    tg_module *layer = tg_dropout_layer(tg, 0.25);
    tg_tensor *x = tg_ones(tg, TG_F64, TG_SHAPE(50));
    tg_manual_seed(tg, 3);
    tg_tensor *y = tg_forward(layer, x);
    tg_manual_seed(tg, 3);
    tg_tensor *same = tg_dropout(x, 0.25, true);
    for (int64_t i = 0; i < 50; i++) assert_true(element_of(y, i) == element_of(same, i));
    assert_ptr_equal(tg_forward(tg_eval(layer), x), x);
    assert_null(tg_dropout_layer(tg, 1.5));
    check_error(tg, TG_ERR_ARGUMENT, "dropout_layer: p 1.5 must lie in [0, 1]");
}

/* ---- User-defined modules. */

static tg_tensor *returns_null(tg_tensor *x)
{
    (void)x;
    return NULL;
}

/* The forward of a module whose only child is named by 400 letters n. */
static tg_tensor *forward_child(tg_module *self, tg_tensor *x)
{
    char name[401] = "";
    memset(name, 'n', sizeof name - 1);
    return tg_forward(tg_submodule(self, name), x);
}

/* A user-defined module: a Linear whose result is multiplied by a parameter. */
typedef struct scaled {
    tg_tensor *factor;
    tg_module *linear;
} scaled;

static tg_tensor *scaled_forward(tg_module *self, tg_tensor *x)
{
    const scaled *s = tg_module_data(self);
    return tg_mul(s->factor, tg_forward(s->linear, x));
}

static tg_module *make_scaled(tg_context *tg)
{
    tg_module *m = tg_module_new(tg, "Scaled", scaled_forward, sizeof(scaled));
    scaled *s = tg_module_data(m);
    assert_true(!s->factor && !s->linear);
    s->factor = tg_register_parameter(m, "factor", tg_scalar(tg, TG_F32, 2));
    s->linear = tg_register_module(m, "linear", tg_linear(tg, 2, 1, TG_NO_BIAS));
    return m;
}

static void test_a_user_defined_module_trains_its_parameters(void **state)
{
    tg_context *tg = *state;
    tg_module *m = tg_sequential(TG_MODULES(make_scaled(tg), tg_lambda(tg, tg_neg)));
    assert_string_equal(tg_param_name(m, 0), "0.factor");
    assert_string_equal(tg_param_name(m, 1), "0.linear.weight");
    tg_copy_from_f32(tg_param(m, "0.linear.weight"), (float[]){3, 4});
    tg_tensor *y = tg_forward(m, tg_ones(tg, TG_F32, TG_SHAPE(1, 2)));
    check_values(y, -14);
    assert_true(tg_backward(tg_sum(y)));
    check_values(tg_param(m, "0.factor")->grad, -7);
    check_values(tg_param(m, "0.linear.weight")->grad, -2, -2);
    tg_optim *sgd = tg_sgd(m, &(tg_sgd_options){.lr = 1});
    assert_true(tg_step(sgd));
    check_values(tg_param(m, "0.factor"), 9);
    check_values(tg_param(m, "0.linear.weight"), 5, 6);
}

/* ---- The path of the module in a message. */

/* A user-defined module that calls parts of its submodules, and the module `alone`, which is not
 * registered in it. */
static tg_tensor *calls_its_parts(tg_module *self, tg_tensor *x)
{
    tg_module *body = tg_submodule(self, "body"), *alone = *(tg_module **)tg_module_data(self);
    x = tg_forward(tg_submodule(body, "1"), tg_forward(tg_submodule(self, "body.0"), x));
    return tg_loss(tg_submodule(self, "loss"), tg_forward(alone, x), x);
}

static tg_module *make_own(tg_context *tg, tg_module *body, tg_module *alone)
{
    tg_module *m = tg_module_new(tg, "Own", calls_its_parts, sizeof(tg_module *));
    tg_register_module(m, "body", body);
    tg_register_module(m, "loss", tg_mseloss(tg, TG_MEAN));
    *(tg_module **)tg_module_data(m) = alone;
    return m;
}

static void test_a_message_begins_with_the_path_of_the_module(void **state)
{
    tg_context *tg = *state;
    const int64_t few = 2, many = 3;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(4, few));
    tg_module *fits = tg_linear(tg, few, few, TG_BIAS), *wide = tg_linear(tg, many, few, TG_BIAS);
    tg_module *relu = tg_lambda(tg, tg_relu), *conv;
    conv = tg_conv2d_layer(tg, 1, 1, TG_SHAPE(2, 2), TG_BIAS, NULL);
    const char *linear = "linear: input [4, 2], weight [2, 3]: the last size of the input must be "
                         "in_features, 3";
    char text[200];
    assert_null(tg_forward(wide, x)); /* wide is in no tree, and has no path */
    check_error(tg, TG_ERR_SHAPE, linear);
    assert_null(tg_forward(tg_sequential(TG_MODULES(fits, relu, wide)), x));
    snprintf(text, sizeof text, "2 (Linear): %s", linear);
    check_error(tg, TG_ERR_SHAPE, text);
    tg_module *inner = tg_sequential(TG_MODULES(conv, relu));
    assert_null(tg_forward(tg_sequential(TG_MODULES(fits, inner)), x));
    check_error(tg, TG_ERR_SHAPE,
                "1.0 (Conv2d): conv2d: the input [4, 2] is not (C, H, W) or (N, C, H, W)");
    tg_module *square = tg_linear(tg, many, many, TG_BIAS);
    tg_module *twice = tg_sequential(
        TG_MODULES(square, tg_linear(tg, many, few, TG_BIAS), square)); /* the first call fits */
    assert_null(tg_forward(twice, tg_ones(tg, TG_F32, TG_SHAPE(1, many))));
    check_error(tg, TG_ERR_SHAPE,
                "2 (Linear): linear: input [1, 2], weight [3, 3]: the last size of the input must "
                "be in_features, 3");
    assert_null(tg_forward(tg_sequential(TG_MODULES(relu, tg_lambda(tg, returns_null))), x));
    check_error(tg, TG_ERR_ARGUMENT, "1 (Lambda): forward: the module returned NULL");
    assert_null(tg_forward(tg_sequential(TG_MODULES(relu, tg_batchnorm1d(tg, 3, NULL))), x));
    check_error(tg, TG_ERR_SHAPE,
                "1 (BatchNorm1d): batchnorm1d: the input [4, 2] has 2 channels in dimension 1, but "
                "num_features is 3");
    assert_null(tg_add(x, tg_ones(tg, TG_F32, TG_SHAPE(5))));
    check_error(tg, TG_ERR_SHAPE, "add: shapes [4, 2] and [5] do not broadcast");
}

static void test_the_path_goes_through_user_defined_modules(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(4, 2));
    tg_module *fits = tg_linear(tg, 2, 2, TG_BIAS), *wide = tg_linear(tg, 3, 2, TG_BIAS);
    tg_module *relu = tg_lambda(tg, tg_relu), *sum = tg_lambda(tg, tg_sum);
    const char *linear = "linear: input [4, 2], weight [2, 3]: the last size of the input must be "
                         "in_features, 3";
    char text[200];
    tg_module *own = make_own(tg, tg_sequential(TG_MODULES(fits, wide)), relu);
    assert_null(tg_forward(own, x));
    snprintf(text, sizeof text, "body.1 (Linear): %s", linear);
    check_error(tg, TG_ERR_SHAPE, text);
    assert_null(tg_forward(tg_sequential(TG_MODULES(relu, own)), x));
    snprintf(text, sizeof text, "1.body.1 (Linear): %s", linear);
    check_error(tg, TG_ERR_SHAPE, text);
    tg_module *body = tg_sequential(TG_MODULES(fits, relu));
    /* The path ends at the module that called the one that is not registered. */
    own = make_own(tg, body, tg_sequential(TG_MODULES(wide)));
    assert_null(tg_forward(tg_sequential(TG_MODULES(own)), x));
    snprintf(text, sizeof text, "0 (Own): %s", linear);
    check_error(tg, TG_ERR_SHAPE, text);
    own = make_own(tg, body, sum);
    assert_null(tg_forward(tg_sequential(TG_MODULES(own)), x));
    check_error(tg, TG_ERR_SHAPE,
                "0.loss (MSELoss): mse_loss: input [] and target [4, 2] differ in shape and would "
                "broadcast to [4, 2]: they have 1 and 8 elements");
}

/* A name may have any length, but a message has a limit, and keeps room for what failed. */
static void test_a_long_path_is_cut(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_linear(tg, 3, 2, TG_BIAS);
    char name[401] = "";
    memset(name, 'n', sizeof name - 1);
    for (int i = 0; i < 4; i++) {
        tg_module *outer = tg_module_new(tg, name, forward_child, 0);
        tg_register_module(outer, name, net);
        net = outer;
    }
    assert_null(tg_forward(net, tg_ones(tg, TG_F32, TG_SHAPE(2))));
    assert_memory_equal(tg_error(tg), name, sizeof name - 1);
    assert_non_null(strstr(tg_error(tg), "linear: input [2]"));
    tg_clear_error(tg);
}

/* ---- Failures. */

/* A forward of BatchNorm that fails, here at each of its allocations in turn, leaves the running
 * statistics as they were. */
static void test_a_failed_batchnorm_leaves_its_statistics(void **state)
{
    enum { FEATURES = 20000 };
    guarded g = {0};
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    (void)state;
    tg_module *norm = tg_batchnorm1d(tg, FEATURES, NULL);
    tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(4, FEATURES)), *y = NULL;
    long failed = 0;
    for (; !y; failed++) {
        const double mean = element_of(tg_buffer(norm, "running_mean"), 0);
        tg_scope_begin(tg);
        g.asked = 0;
        g.fail_at = failed + 1;
        y = tg_forward(norm, x);
        g.fail_at = 0;
        tg_clear_error(tg);
        tg_scope_end(tg);
        assert_true(y || mean == element_of(tg_buffer(norm, "running_mean"), 0));
    }
    assert_true(failed > 2 && element_of(tg_buffer(norm, "running_mean"), 0) != 0);
    assert_true(element_of(tg_buffer(norm, "num_batches_tracked"), 0) == 1);
    tg_close(tg);
}

/* The list of parameters takes memory once, when it is asked for, and not again with each of them.
 */
static void test_many_parameters_take_memory_once(void **state)
{
    tg_context *tg = *state;
    tg_module *m = tg_module_new(tg, "Wide", NULL, 0);
    const size_t before = tg_get_stats(tg).live_bytes;
    for (int i = 0; i < 500; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        assert_non_null(tg_register_parameter(m, name, tg_ones(tg, TG_F32, TG_SHAPE())));
    }
    assert_int_equal(tg_parameters(m).n, 500);
    assert_true(tg_get_stats(tg).live_bytes - before < 500 * 2000);
}

/* As in nn.Embedding, padding_idx -1 is the last row. TG_NO_INDEX means that no row is padding. */
static void test_padding_idx_minus_1_of_an_embedding_layer_is_its_last_row(void **state)
{
    tg_context *tg = *state;
    tg_tensor *all = tg_arange(tg, TG_I64, 0, 3, 1);
    const int64_t indices[] = {-1, 2, TG_NO_INDEX};
    for (int i = 0; i < 3; i++) {
        tg_module *m = tg_embedding_layer(tg, 3, 2, indices[i]);
        tg_tensor *weight = tg_param(m, "weight");
        assert_true(tg_backward(tg_sum(tg_forward(m, all))));
        const bool none = indices[i] == TG_NO_INDEX;
        check_values(weight->grad, 1, 1, 1, 1, none, none);
        assert_true((tg_get(weight, TG_INDEX(2, 0)) != 0) == none);
    }
}

/* ---- Wrong arguments. */

static void test_wrong_registrations_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_module *m = tg_module_new(tg, "Net", NULL, 0), *child = tg_linear(tg, 1, 1, TG_BIAS);
    tg_tensor *t = tg_zeros(tg, TG_F32, TG_SHAPE(2));
    assert_ptr_equal(tg_register_module(m, "child", child), child);
    assert_null(tg_register_buffer(m, "child", t));
    check_error(tg, TG_ERR_ARGUMENT, "register: child in Net: the name is taken");
    assert_null(tg_register_buffer(m, "a.b", t));
    check_error(tg, TG_ERR_ARGUMENT,
                "register: a.b in Net: the name has a dot, which separates names in a path");
    assert_null(tg_register_buffer(m, "", t));
    check_error(tg, TG_ERR_ARGUMENT, "register:  in Net: the name is empty");
    assert_null(tg_register_buffer(m, NULL, t));
    check_error(tg, TG_ERR_ARGUMENT, "register: NULL in Net: a part needs a name");
    assert_null(tg_register_module(m, "self", m));
    check_error(tg, TG_ERR_ARGUMENT, "register: Net in Net would contain itself");
    assert_null(tg_register_module(child, "parent", m));
    check_error(tg, TG_ERR_ARGUMENT, "register: Net in Linear would contain itself");
    assert_null(tg_register_parameter(m, "whole", tg_zeros(tg, TG_I64, TG_SHAPE(2))));
    check_error(tg, TG_ERR_DTYPE, "register: parameter whole, int64 [2], is not a floating leaf");
    assert_null(tg_register_parameter(m, "made", tg_mul_scalar(tg_param(child, "bias"), 2)));
    check_error(tg, TG_ERR_ARGUMENT,
                "register: parameter made, float32 [1], is not a floating leaf");
    assert_null(tg_register_parameter(m, "a.b", t));
    tg_clear_error(tg);
    assert_false(t->requires_grad);
    tg_scope_begin(tg);
    assert_null(tg_register_buffer(m, "brief", tg_zeros(tg, TG_F32, TG_SHAPE(2))));
    check_error(tg, TG_ERR_ARGUMENT,
                "register: brief in Net: its scope ends before that of the module");
    tg_scope_end(tg);
    tg_context *other = tg_open(NULL);
    assert_null(tg_register_module(m, "foreign", tg_lambda(other, tg_relu)));
    check_error(tg, TG_ERR_ARGUMENT, "register: foreign in Net: it is of another context");
    tg_close(other);
    assert_int_equal(tg_parameters(m).n, 2);
    assert_null(tg_register_buffer(m, "a", NULL));
    check_error(tg, TG_ERR_ARGUMENT, "register: a in Net: the tensor is NULL");
    assert_null(tg_loss(NULL, t, t));
    check_error(tg, TG_ERR_ARGUMENT, "loss: the module is NULL");
    assert_null(tg_register_module(m, "a", NULL));
    check_error(tg, TG_ERR_ARGUMENT, "register: a in Net: the module is NULL");
    assert_null(tg_register_module(NULL, "a", m));
    assert_true(!tg_register_buffer(NULL, "a", t) && !tg_register_parameter(NULL, "a", t));
    check_ok(tg);
}

static void test_wrong_arguments_of_new_modules_and_of_forward_are_refused(void **state)
{
    tg_context *tg = *state;
    assert_null(tg_module_new(tg, NULL, NULL, 0));
    check_error(tg, TG_ERR_ARGUMENT, "module_new: the name is NULL");
    assert_null(tg_module_new(tg, "Huge", NULL, SIZE_MAX));
    check_error(tg, TG_ERR_MEMORY, "module_new: no memory for Huge");
    assert_null(tg_forward(tg_module_new(tg, "Net", NULL, 0), tg_ones(tg, TG_F32, TG_SHAPE(1))));
    check_error(tg, TG_ERR_ARGUMENT, "forward: Net has no forward function");
    assert_null(tg_sequential(TG_MODULES(NULL, tg_lambda(tg, tg_relu))));
    check_error(tg, TG_ERR_ARGUMENT, "sequential: 0 in Sequential: the module is NULL");
    assert_null(tg_forward(NULL, tg_ones(tg, TG_F32, TG_SHAPE(1))));
    check_error(tg, TG_ERR_ARGUMENT, "forward: the module is NULL");
    assert_null(tg_forward(tg_lambda(tg, returns_null), tg_ones(tg, TG_F32, TG_SHAPE(1))));
    check_error(tg, TG_ERR_ARGUMENT, "forward: Lambda returned NULL");
    assert_null(tg_lambda(tg, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "lambda: the function is NULL");
    assert_true(!tg_sequential((tg_modules){0, NULL}) && !tg_sequential(TG_MODULES(NULL)));
    assert_true(!tg_module_new(NULL, "Net", NULL, 0) && !tg_module_data(NULL));
    assert_true(!tg_lambda(NULL, tg_relu) && !tg_flatten_layer(NULL, 0, 1));
    check_ok(tg);
    assert_null(tg_sequential(TG_MODULES(tg_lambda(tg, tg_relu), tg_linear(tg, 0, 1, TG_BIAS))));
    check_error(tg, TG_ERR_SHAPE, "linear: in_features is 0, but must be at least 1");
}

static void test_normalization_refuses_inputs_that_do_not_fit(void **state)
{
    tg_context *tg = *state;
    tg_module *norm = tg_batchnorm1d(tg, 3, NULL);
    assert_null(tg_forward(norm, tg_ones(tg, TG_F32, TG_SHAPE(4, 2))));
    check_error(
        tg, TG_ERR_SHAPE,
        "batchnorm1d: the input [4, 2] has 2 channels in dimension 1, but num_features is 3");
    assert_null(tg_forward(norm, tg_ones(tg, TG_F32, TG_SHAPE(1, 3))));
    check_error(tg, TG_ERR_SHAPE,
                "batchnorm1d: the input [1, 3] has one value for each channel, which is too few to "
                "train with; use tg_eval, or a larger batch");
    check_values(tg_buffer(norm, "running_mean"), 0, 0, 0);
    assert_non_null(tg_forward(tg_eval(norm), tg_ones(tg, TG_F32, TG_SHAPE(1, 3))));
    assert_null(tg_forward(norm, tg_ones(tg, TG_F64, TG_SHAPE(4, 3))));
    check_error(tg, TG_ERR_DTYPE,
                "batchnorm1d: float64 [4, 3] and float32 [1, 3]: dtypes differ; use tg_cast");
    assert_null(tg_forward(tg_batchnorm2d(tg, 2, NULL), tg_ones(tg, TG_F32, TG_SHAPE(4, 2))));
    check_error(tg, TG_ERR_SHAPE, "batchnorm2d: the input [4, 2] is not (N, C, H, W)");
    tg_norm_options bad = {.eps = -1};
    assert_null(tg_batchnorm2d(tg, 2, &bad));
    check_error(tg, TG_ERR_ARGUMENT, "batchnorm2d: eps -1 must not be negative");
    assert_null(tg_layernorm(tg, TG_SHAPE(), NULL));
    check_error(tg, TG_ERR_SHAPE, "layernorm: normalized_shape is empty");
    assert_null(
        tg_forward(tg_layernorm(tg, TG_SHAPE(2, 3), NULL), tg_ones(tg, TG_F32, TG_SHAPE(3))));
    check_error(tg, TG_ERR_SHAPE, "layernorm: the input [3] does not end in [2, 3]");
    tg_tensor *one =
        tg_forward(tg_layernorm(tg, TG_SHAPE(1), NULL), tg_full(tg, TG_F32, TG_SHAPE(2, 1), 7));
    check_values(one, 0, 0); /* each row has one element, which is its own mean */
    assert_true(!tg_batchnorm1d(NULL, 1, NULL) && !tg_layernorm(NULL, TG_SHAPE(1), NULL));
}

static void test_embedding_layer_refuses_indices_out_of_range(void **state)
{
    tg_context *tg = *state;
    assert_null(tg_embedding_layer(tg, 3, 2, 3));
    check_error(tg, TG_ERR_INDEX,
                "embedding_layer: padding_idx 3 is out of range for 3 embeddings");
    tg_module *m = tg_embedding_layer(tg, 3, 2, -1);
    assert_null(tg_forward(m, tg_from_i64(tg, TG_SHAPE(2), (int64_t[]){1, 3})));
    check_error(tg, TG_ERR_INDEX, "embedding: index 3 is out of range for dimension 0 of [3, 2]");
    assert_null(tg_embedding_layer(NULL, 3, 2, 0));
}

static tg_tensor *times(tg_tensor *x, void *user)
{
    return tg_mul_scalar(x, *(const double *)user);
}

static void test_lambda_with_passes_user_data(void **state)
{
    tg_context *tg = *state;
    double two = 2, three = 3;
    tg_module *net = tg_sequential(
        TG_MODULES(tg_lambda_with(tg, times, &two), tg_lambda_with(tg, times, &three)));
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F64, TG_SHAPE(1)), true);
    check_values(tg_forward(net, x), 6);
    three = 5;
    tg_tensor *y = tg_forward(net, x);
    assert_true(tg_backward(y));
    check_values(x->grad, 10);
    assert_null(tg_lambda_with(tg, NULL, &two));
    check_error(tg, TG_ERR_ARGUMENT, "lambda_with: the function is NULL");
    assert_null(tg_lambda_with(NULL, times, &two));
}

/* The time for n parts must grow about as n. If each part looked at all others, 100000 of them
 * would take minutes. */
static void check_chain(tg_context *tg, int n)
{
    tg_module **parts = malloc((size_t)n * sizeof(tg_module *));
    assert_non_null(parts);
    for (int i = 0; i < n; i++) {
        parts[i] = tg_module_new(tg, "Part", NULL, 0);
        tg_register_parameter(parts[i], "weight", tg_zeros(tg, TG_F32, TG_SHAPE(1)));
    }
    tg_module *net = tg_sequential((tg_modules){n, parts});
    free(parts);
    assert_int_equal(tg_parameters(net).n, n);
    for (int i = 0; i < n; i++) assert_non_null(tg_param_name(net, i));
    assert_string_equal(tg_param_name(net, n - 1), "99999.weight");
    assert_non_null(tg_adam(net, NULL));
    tg_tensor *scale = tg_register_parameter(net, "scale", tg_zeros(tg, TG_F32, TG_SHAPE(1)));
    assert_int_equal(tg_parameters(net).n, n + 1);
    assert_string_equal(tg_param_name(net, 0), "scale");
    assert_null(tg_adam_list(TG_LIST(scale, scale), NULL));
    check_error(tg, TG_ERR_ARGUMENT, "adam: parameters 1 and 2 are the same tensor");
    assert_non_null(tg_adam_list(TG_LIST(scale), NULL));
}

static void test_a_chain_of_100000_modules(void **state)
{
    tg_context *tg = *state;
    TG_SCOPE (tg) check_chain(tg, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_of_100000_modules),
        cmocka_unit_test(test_lambda_with_passes_user_data),
        cmocka_unit_test(test_parameters_and_submodules_are_found_by_their_paths),
        cmocka_unit_test(test_buffers_are_listed_in_pytorchs_order),
        cmocka_unit_test(test_children_are_numbered_beyond_ten),
        cmocka_unit_test(test_a_shared_module_is_listed_once),
        cmocka_unit_test(test_parameters_registered_later_are_listed),
        cmocka_unit_test(test_train_and_eval_set_the_mode_of_the_whole_tree),
        cmocka_unit_test(test_dropout_layer_drops_in_training_alone),
        cmocka_unit_test(test_a_user_defined_module_trains_its_parameters),
        cmocka_unit_test(test_a_message_begins_with_the_path_of_the_module),
        cmocka_unit_test(test_the_path_goes_through_user_defined_modules),
        cmocka_unit_test(test_a_long_path_is_cut),
        cmocka_unit_test(test_a_failed_batchnorm_leaves_its_statistics),
        cmocka_unit_test(test_many_parameters_take_memory_once),
        cmocka_unit_test(test_padding_idx_minus_1_of_an_embedding_layer_is_its_last_row),
        cmocka_unit_test(test_wrong_registrations_are_refused),
        cmocka_unit_test(test_wrong_arguments_of_new_modules_and_of_forward_are_refused),
        cmocka_unit_test(test_normalization_refuses_inputs_that_do_not_fit),
        cmocka_unit_test(test_embedding_layer_refuses_indices_out_of_range),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
