/* Walking through a tree of modules, and its text, compared with PyTorch, which
 * tests/golden/modules.py has asked; and a function applied to each module. */
#include "foreign_locale.h"
#include "guarded.h"
#include "printed.h"

/* ---- The models of modules.py. */

static tg_module *list_of(int n, tg_module **modules)
{
    return tg_sequential((tg_modules){n, modules});
}

static tg_module *activations(tg_context *tg)
{
    tg_tensor *(*const functions[])(tg_tensor *) = {
        tg_relu, tg_sigmoid,    tg_tanh,     tg_relu6,       tg_selu,     tg_silu,
        tg_mish, tg_logsigmoid, tg_softsign, tg_hardsigmoid, tg_hardswish};
    enum { N = sizeof functions / sizeof *functions };
    tg_module *modules[N];
    for (int i = 0; i < N; i++) modules[i] = tg_lambda(tg, functions[i]);
    return list_of(N, modules);
}

static tg_module *nested(tg_context *tg)
{
    tg_module *shared = tg_linear(tg, 2, 2, TG_BIAS);
    tg_module *inner = tg_sequential(TG_MODULES(shared, tg_lambda(tg, tg_tanh)));
    tg_module *deep = tg_sequential(TG_MODULES(tg_sequential(TG_MODULES(inner))));
    return tg_sequential(TG_MODULES(shared, inner, deep, tg_dropout_layer(tg, 0.25), shared));
}

static tg_module *own(tg_context *tg)
{
    tg_module *m = tg_module_new(tg, "Scaled", NULL, 0), *first = tg_linear(tg, 4, 3, TG_BIAS);
    tg_register_module(m, "encoder", tg_sequential(TG_MODULES(first, tg_lambda(tg, tg_relu))));
    tg_register_module(m, "head", tg_linear(tg, 3, 1, TG_NO_BIAS));
    tg_register_module(m, "again", first);
    return m;
}

static tg_module *digits(tg_context *tg)
{
    tg_module *conv =
        tg_conv2d_layer(tg, 1, 8, TG_SHAPE(3, 3), TG_NO_BIAS, TG_CONV(.padding = {1, 1}));
    tg_module *top = tg_linear(tg, 512, 10, TG_BIAS);
    return tg_sequential(TG_MODULES(conv, tg_batchnorm2d(tg, 8, NULL), tg_lambda(tg, tg_relu),
                                    tg_flatten_layer(tg, 1, -1), top));
}

#define MODELS(X)                                                                                  \
    X(linear, tg_linear(tg, 2, 1, TG_NO_BIAS))                                                     \
    X(conv1d, tg_conv1d_layer(tg, 4, 6, TG_SHAPE(5), TG_BIAS, TG_CONV(.stride = {2})))             \
    X(conv1d_padded,                                                                               \
      tg_conv1d_layer(tg, 1, 2, TG_SHAPE(3), TG_BIAS, TG_CONV(.padding = {4}, .dilation = {2})))   \
    X(conv2d, tg_conv2d_layer(tg, 3, 16, TG_SHAPE(3, 5), TG_BIAS, NULL))                           \
    X(conv2d_options, tg_conv2d_layer(tg, 4, 8, TG_SHAPE(3, 3), TG_NO_BIAS,                        \
                                      TG_CONV(.stride = {2, 1}, .padding = {0, 2},                 \
                                              .dilation = {1, 3}, .groups = 2)))                   \
    X(batchnorm1d, tg_batchnorm1d(tg, 10, NULL))                                                   \
    X(batchnorm2d_options, tg_batchnorm2d(tg, 3,                                                   \
                                          TG_NORM(.eps = 0.001, .momentum = NAN, .affine = false,  \
                                                  .track_running_stats = false)))                  \
    X(layernorm, tg_layernorm(tg, TG_SHAPE(7), NULL))                                              \
    X(layernorm_options,                                                                           \
      tg_layernorm(tg, TG_SHAPE(2, 3, 4), TG_NORM(.eps = 2.5e-7, .affine = false)))                \
    X(embedding, tg_embedding_layer(tg, 10, 3, TG_NO_INDEX))                                       \
    X(embedding_padded, tg_embedding_layer(tg, 10, 3, -2))                                         \
    X(dropout, tg_dropout_layer(tg, 0.5))                                                          \
    X(dropout_third, tg_dropout_layer(tg, 1.0 / 3))                                                \
    X(dropout_all, tg_dropout_layer(tg, 1))                                                        \
    X(dropout_few, tg_dropout_layer(tg, 0.00012))                                                  \
    X(flatten, tg_flatten_layer(tg, 0, -2))                                                        \
    X(mseloss, tg_mseloss(tg, TG_MEAN))                                                            \
    X(activations, activations(tg))                                                                \
    X(nested, nested(tg))                                                                          \
    X(own, own(tg))                                                                                \
    X(digits, digits(tg))

#define MODEL(name, expression)                                                                    \
    static tg_module *name##_model(tg_context *tg)                                                 \
    {                                                                                              \
        return expression;                                                                         \
    }
MODELS(MODEL)

static tg_module *make_model(tg_context *tg, const char *name)
{
#define FIND(model, expression)                                                                    \
    if (strcmp(name, #model) == 0) return model##_model(tg);
    MODELS(FIND)
    fail_msg("there is no model %s", name);
    return NULL;
}

/* ---- What the golden file has of a model. */

static void write_module(FILE *file, const tg_module *m)
{
    FILE *print = tmpfile();
    assert_true(print && tg_print_module(print, m));
    char line[512];
    rewind(print);
    while (fgets(line, sizeof line, print)) fprintf(file, "|%s", line);
    fclose(print);
}

static void write_name(tg_module *m, void *user)
{
    fprintf(user, " %s", tg_module_name(m));
}

/* Writes a case as modules.py does. */
static const char *describe(tg_module *m)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    write_module(file, m);
    fprintf(file, "modules");
    for (int i = 0; i < tg_all_modules(m).n; i++) {
        const char *path = tg_module_path(m, i);
        fprintf(file, " %s", *path ? path : ".");
        assert_ptr_equal(tg_all_modules(m).items[i], *path ? tg_submodule(m, path) : m);
    }
    fprintf(file, "\nchildren");
    for (int i = 0; i < tg_children(m).n; i++) {
        fprintf(file, " %s", tg_child_name(m, i));
        assert_ptr_equal(tg_children(m).items[i], tg_submodule(m, tg_child_name(m, i)));
    }
    fprintf(file, "\napply");
    assert_ptr_equal(tg_module_apply(m, write_name, file), m);
    fprintf(file, "\n");
    return read_printed(file);
}

static void check_models(tg_context *tg)
{
    static char golden[1 << 15];
    FILE *file = fopen(TEST_ROOT "/tests/golden/modules_golden.txt", "r");
    assert_non_null(file);
    golden[fread(golden, 1, sizeof golden - 1, file)] = 0;
    fclose(file);
    int cases = 0;
    for (char *at = golden, *next; *at; at = next, cases++) {
        char name[64];
        assert_int_equal(sscanf(at, "= %63s", name), 1);
        char *body = strchr(at, '\n') + 1;
        next = strstr(body, "\n= ");
        next = next ? next + 1 : strchr(body, 0);
        const char end = *next;
        *next = 0;
        assert_string_equal(describe(make_model(tg, name)), body);
        *next = end;
    }
    assert_int_equal(cases, 21);
}

static void test_models_print_and_walk_as_in_pytorch(void **state)
{
    check_models(*state);
}

static void test_numbers_have_a_point_in_every_locale(void **state)
{
    if (!enter_locale("de_DE")) skip();
    check_models(*state);
    leave_locale();
}

/* ---- The rest. */

static void test_modules_registered_later_are_listed(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_module_new(tg, "Net", NULL, 0);
    assert_int_equal(tg_children(net).n, 0);
    assert_int_equal(tg_all_modules(net).n, 1);
    tg_module *a = tg_register_module(net, "a", tg_module_new(tg, "A", NULL, 0));
    tg_register_module(a, "b", tg_module_new(tg, "B", NULL, 0));
    assert_int_equal(tg_children(net).n, 1);
    assert_int_equal(tg_all_modules(net).n, 3);
    assert_string_equal(tg_module_path(net, 2), "a.b");
    assert_string_equal(tg_module_name(tg_all_modules(net).items[2]), "B");
    const tg_modules before = tg_all_modules(net);
    assert_ptr_equal(tg_all_modules(net).items, before.items);
}

/* A class with arguments of its own and children prints the arguments in the first line of its
 * block, as PyTorch does. */
static void test_a_layer_with_a_child_prints_both(void **state)
{
    tg_module *m = tg_linear(*state, 2, 3, TG_BIAS);
    tg_register_module(m, "gate", tg_dropout_layer(*state, 0));
    FILE *file = tmpfile();
    assert_true(tg_print_module(file, m));
    assert_string_equal(read_printed(file), "Linear(\n"
                                            "  in_features=2, out_features=3, bias=True\n"
                                            "  (gate): Dropout(p=0.0, inplace=False)\n"
                                            ")\n");
}

static void test_wrong_calls(void **state)
{
    tg_context *tg = *state;
    tg_module *m = tg_linear(tg, 2, 1, TG_BIAS);
    assert_true(tg_children(NULL).n == 0 && !tg_children(NULL).items[0]);
    assert_true(tg_all_modules(NULL).n == 0 && !tg_all_modules(NULL).items[0]);
    assert_true(!tg_module_name(NULL) && !tg_child_name(NULL, 0) && !tg_module_path(NULL, 0));
    assert_true(!tg_child_name(m, 0) && !tg_child_name(m, -1) && !tg_module_path(m, 1));
    assert_string_equal(tg_module_path(m, 0), "");
    assert_null(tg_module_apply(NULL, write_name, NULL));
    assert_null(tg_module_apply(m, NULL, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "module_apply: the function is NULL");
    check_bad_files(tg, "print_module", tg_print_module(file, m));
    assert_false(tg_print_module(stdout, NULL));
}

/* A list that has no memory fails, and is right the next time. */
static void test_each_allocation_of_a_list(void **state)
{
    (void)state;
    for (long at = 1, failed = 1; failed; at++) {
        guarded g = {0};
        tg_context *tg = open_on_guarded(&g);
        tg_module *modules[40];
        for (int i = 0; i < 40; i++) modules[i] = tg_lambda(tg, tg_relu);
        tg_module *net = list_of(40, modules);
        check_ok(tg);
        g.asked = 0;
        g.fail_at = at;
        const tg_modules all = tg_all_modules(net), children = tg_children(net);
        failed = g.failed;
        g.fail_at = 0;
        if (failed) check_error(tg, TG_ERR_MEMORY, tg_error(tg));
        assert_true(all.n == 41 || (failed && all.n == 0 && !all.items[0]));
        assert_true(children.n == 40 || (failed && children.n == 0));
        assert_true(tg_all_modules(net).n == 41 && tg_children(net).n == 40);
        tg_close(tg);
        assert_true(g.blocks == 0 && !g.damaged && at < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_print_and_walk_as_in_pytorch),
        cmocka_unit_test(test_numbers_have_a_point_in_every_locale),
        cmocka_unit_test(test_modules_registered_later_are_listed),
        cmocka_unit_test(test_a_layer_with_a_child_prints_both),
        cmocka_unit_test(test_wrong_calls),
        cmocka_unit_test(test_each_allocation_of_a_list),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
