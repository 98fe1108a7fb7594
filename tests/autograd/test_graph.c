/* tg_graph: the graph behind a tensor, compared with PyTorch's, which tests/golden/graphs.py has
 * written; as DOT and as text. */
#include "guarded.h"
#include "leaf.h"
#include "printed.h"

static const char *graph_of(const tg_tensor *t, const tg_graph_options *options)
{
    FILE *file = tmpfile();
    assert_true(file && tg_graph(file, t, options));
    return read_printed(file);
}

/* ---- The cases of graphs.py. */

typedef struct given {
    tg_tensor *a, *b, *x;
} given;

static tg_tensor *shared(given g)
{
    tg_tensor *h = tg_relu(tg_matmul(g.a, g.b)), *s = tg_mul(h, tg_sigmoid(h));
    return tg_sum(tg_add(s, tg_mul(h, tg_rsub_scalar(tg_sigmoid(h), 1))));
}

static tg_tensor *in_place(given g)
{
    tg_tensor *y = tg_exp(tg_mul_scalar(g.a, 2)), *h = tg_clone(tg_mul_scalar(g.a, 2));
    tg_tensor *z = tg_sin(h);
    tg_add_(h, g.b);
    return tg_mean(tg_add(tg_add(y, z), h));
}

static tg_tensor *views(given g)
{
    tg_tensor *h = tg_reshape(tg_matmul(tg_t(g.a), g.x), TG_SHAPE(4));
    return tg_sum(tg_cat(TG_LIST(tg_slice(h, 0, 1, 3, 1), tg_narrow(h, 0, 0, 2)), 0));
}

static tg_tensor *case_named(const char *name, given g)
{
    if (!strcmp(name, "chain"))
        return tg_mean(tg_div(tg_exp(tg_sin(tg_add_scalar(tg_mul(g.a, g.x), 1))), g.b));
    if (!strcmp(name, "loss")) return tg_mse_loss(tg_sub(tg_matmul(g.x, g.a), g.b), g.x, TG_MEAN);
    if (!strcmp(name, "square")) return tg_sum(tg_mul(g.a, g.a));
    if (!strcmp(name, "shared")) return shared(g);
    if (!strcmp(name, "in_place")) return in_place(g);
    if (!strcmp(name, "views")) return views(g);
    if (!strcmp(name, "frozen")) return tg_sum(tg_tanh(tg_add(tg_mul(tg_detach(g.a), g.b), g.x)));
    fail_msg("there is no case %s", name);
    return NULL;
}

/* ---- A DOT file, read back. */

enum { NODES = 32 };

typedef struct picture {
    char label[NODES][64];
    bool is_constant[NODES], seen[NODES];
    int n, edges, from[NODES], to[NODES];
} picture;

static void read_picture(const char *dot, picture *p)
{
    memset(p, 0, sizeof *p);
    for (const char *line = dot; line; line = strchr(line, '\n')) {
        int id = 0, to = 0;
        line += *line == '\n';
        if (sscanf(line, " n%d -> n%d", &id, &to) == 2) {
            p->from[p->edges] = id;
            p->to[p->edges++] = to;
        } else if (sscanf(line, " n%d [", &id) == 1) {
            sscanf(strchr(line, '"'), "\"%63[^\\\"]", p->label[id]);
            p->is_constant[id] = strcspn(line, "\n") > (size_t)(strstr(line, "gray92") - line);
            p->n++;
        }
        assert_true(id < NODES && p->n < NODES && p->edges < NODES);
    }
}

/* Appends the graph below a node as graphs.py writes it. */
static void describe(picture *p, int id, char *text)
{
    const bool is_operation = strstr(p->label[id], "Backward") != NULL;
    if (p->seen[id] && is_operation) {
        strcat(text, "#");
        return;
    }
    p->seen[id] = true;
    strcat(text, p->label[id]);
    if (!is_operation) return;
    strcat(text, "(");
    const char *between = "";
    for (int e = 0; e < p->edges; e++) {
        if (p->to[e] != id || p->is_constant[p->from[e]]) continue;
        strcat(text, between);
        between = ",";
        describe(p, p->from[e], text);
    }
    strcat(text, ")");
}

static void test_graphs_are_those_of_pytorch(void **state)
{
    tg_context *tg = *state;
    char name[32], want[512], got[1024];
    int cases = 0;
    FILE *file = fopen(TEST_ROOT "/tests/golden/graphs_golden.txt", "r");
    assert_non_null(file);
    for (; fscanf(file, "%31s %511s", name, want) == 2; cases++) {
        const given g = {.a = tg_requires_grad_(tg_full(tg, TG_F64, TG_SHAPE(2, 2), 0.5), true),
                         .b = tg_requires_grad_(tg_full(tg, TG_F64, TG_SHAPE(2, 2), 1.5), true),
                         .x = tg_full(tg, TG_F64, TG_SHAPE(2, 2), 2)};
        tg_state *names = tg_state_new(tg);
        assert_true(tg_state_add(names, "a", g.a) && tg_state_add(names, "b", g.b));
        picture p;
        read_picture(graph_of(case_named(name, g), TG_GRAPH(.names = names)), &p);
        *got = 0;
        describe(&p, 1, got);
        if (strcmp(got, want) != 0) fail_msg("%s is %s, not %s", name, got, want);
    }
    fclose(file);
    assert_int_equal(cases, 7);
}

/* ---- Both forms, in full. */

static tg_tensor *perceptron_loss(tg_context *tg, tg_state **names)
{
    tg_module *hidden = tg_linear(tg, 2, 32, TG_BIAS), *top = tg_linear(tg, 32, 1, TG_BIAS);
    tg_module *net = tg_sequential(TG_MODULES(hidden, tg_lambda(tg, tg_relu), top));
    *names = tg_state_dict(net);
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(64, 2)), *y = tg_ones(tg, TG_F32, TG_SHAPE(64, 1));
    return tg_mse_loss(tg_forward(net, x), y, TG_MEAN);
}

/* This is the example in autograd.h. */
static void test_text(void **state)
{
    tg_state *names;
    tg_tensor *loss = perceptron_loss(*state, &names);
    assert_string_equal(graph_of(loss, TG_GRAPH(.text = true, .names = names)),
                        "MseLossBackward0 [] (..., [64, 1])\n"
                        "AddmmBackward0 [64, 1] (..., 2.weight [1, 32], 2.bias [1])\n"
                        "ReluBackward0 [64, 32] (...)\n"
                        "AddmmBackward0 [64, 32] ([64, 2], 0.weight [32, 2], 0.bias [32])\n");
    const given g = {leaf(*state, 1, 2), leaf(*state, 3, 4), tg_ones(*state, TG_I64, TG_SHAPE(1))};
    tg_tensor *h = tg_exp(g.a), *s = tg_sin(h), *picked = tg_gather(s, 0, g.x);
    assert_string_equal(graph_of(tg_add(tg_mul(tg_cos(s), s), tg_mul(picked, tg_mul(h, h))),
                                 TG_GRAPH(.text = true)),
                        "AddBackward0 [2] float64 (..., ...)\n"
                        "- MulBackward0 [2] float64 (..., ...)\n"
                        "  - CosBackward0 [2] float64 (...)\n"
                        "    SinBackward0 [2] float64 #1 (...)\n"
                        "    ExpBackward0 [2] float64 #2 (leaf [2] float64)\n"
                        "  - #1\n"
                        "- MulBackward0 [2] float64 (..., ...)\n"
                        "  - GatherBackward0 [1] float64 (#1, [1] int64)\n"
                        "  - MulBackward0 [2] float64 (#2, #2)\n");
}

static void test_dot(void **state)
{
    tg_tensor *x = leaf(*state, 1, 2), *y = tg_mul(x, tg_ones(*state, TG_F64, TG_SHAPE(1)));
    assert_string_equal(graph_of(tg_sum(y), NULL),
                        "digraph {\n"
                        "    ordering=in\n"
                        "    ranksep=0.3\n"
                        "    edge [arrowsize=0.7]\n"
                        "    node [shape=box, style=filled, fillcolor=white, "
                        "fontname=\"sans-serif\", fontsize=11]\n"
                        "    n1 [label=\"SumBackward0\\n[] float64\", fillcolor=palegreen]\n"
                        "    n2 -> n1\n"
                        "    n2 [label=\"MulBackward0\\n[2] float64\"]\n"
                        "    n3 -> n2\n"
                        "    n4 -> n2\n"
                        "    n3 [label=\"leaf\\n[2] float64\", fillcolor=lightblue]\n"
                        "    n4 [label=\"[1] float64\", fillcolor=gray92, color=gray60]\n"
                        "}\n");
}

static void test_a_tensor_without_a_graph(void **state)
{
    tg_context *tg = *state;
    tg_state *names = tg_state_new(tg);
    tg_tensor *x = leaf(tg, 1, 2), *c = tg_ones(tg, TG_F32, TG_SHAPE(3, 4));
    tg_state_add(names, "pixels", c);
    assert_string_equal(graph_of(x, TG_GRAPH(.text = true)), "leaf [2] float64\n");
    assert_string_equal(graph_of(c, TG_GRAPH(.text = true, .names = names)), "pixels [3, 4]\n");
    tg_no_grad_begin(tg);
    tg_tensor *y = tg_exp(x);
    tg_no_grad_end(tg);
    assert_string_equal(graph_of(y, TG_GRAPH(.text = true)), "[2] float64\n");
}

static tg_tensor *twice(tg_list inputs, const void *attributes)
{
    (void)attributes;
    return tg_mul_scalar(inputs.items[0], 2);
}

static void test_names_are_escaped(void **state)
{
    static const tg_autograd_function odd = {"a\"b\\c\n\td<&>", twice, NULL};
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 1);
    tg_state *names = tg_state_new(tg);
    tg_state_add(names, "\"w\\n\" \xc3\xa9", x);
    tg_tensor *y = tg_apply(&odd, TG_LIST(x), NULL, 0);
    const char *dot = graph_of(y, TG_GRAPH(.names = names));
    assert_non_null(strstr(dot, "[label=\"a\\\"b\\\\c?\?d<&>Backward\\n[1] float64\", fill"));
    assert_non_null(strstr(dot, "[label=\"\\\"w\\\\n\\\" \xc3\xa9\\n[1] float64\", fill"));
    assert_string_equal(graph_of(y, TG_GRAPH(.text = true, .names = names)),
                        "a\"b\\c?\?d<&>Backward [1] float64 (\"w\\n\" \xc3\xa9 [1] float64)\n");
}

/* ---- Large graphs, and what does not belong to one. */

/* The walk ends at the oldest operation of the graph; others on the tape are not shown, and what is
 * released still has its shape. */
static void test_only_what_the_tensor_comes_from(void **state)
{
    tg_tensor *x = leaf(*state, 1, 2), *first = tg_exp(x), *y = tg_sin(x), *z = tg_relu(y);
    tg_cos(first);
    tg_release(y);
    assert_string_equal(graph_of(z, TG_GRAPH(.text = true)),
                        "ReluBackward0 [2] float64 (...)\n"
                        "SinBackward0 [2] float64 (leaf [2] float64)\n");
}

static size_t length_of_graph(const tg_tensor *t, bool text)
{
    FILE *file = tmpfile();
    assert_true(file && tg_graph(file, t, TG_GRAPH(.text = text)));
    fseek(file, 0, SEEK_END);
    const long n = ftell(file);
    fclose(file);
    return (size_t)n;
}

/* 100,000 operations in a chain, in a tree whose depth grows by one with each, and as operands of
 * one: no recursion, and no more than some 200 bytes for each. */
static void test_deep_graphs(void **state)
{
    enum { DEEP = 100000 };
    tg_tensor *x = leaf(*state, 1), *chain = x, *tree = x;
    for (int i = 0; i < DEEP; i++) chain = tg_neg(chain);
    for (int i = 0; i < DEEP / 2; i++) tree = tg_add(tree, tg_neg(x));
    tg_tensor **parts = malloc(DEEP * sizeof(tg_tensor *));
    for (int i = 0; parts && i < DEEP; i++) parts[i] = i % 2 ? x : tg_neg(x);
    tg_tensor *wide = tg_cat((tg_list){DEEP, parts}, 0);
    free(parts);
    assert_true(length_of_graph(wide, true) < 200 * DEEP);
    assert_true(length_of_graph(wide, false) < 200 * DEEP);
    assert_true(length_of_graph(chain, true) < 200 * DEEP);
    assert_true(length_of_graph(chain, false) < 200 * DEEP);
    assert_true(length_of_graph(tree, true) < 200 * DEEP);
    assert_true(length_of_graph(tree, false) < 200 * DEEP);
}

/* ---- Wrong calls. */

static void test_wrong_calls(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 1, 2), *y = tg_exp(x);
    check_bad_files(tg, "graph", tg_graph(file, y, NULL));
    check_bad_files(tg, "graph", tg_graph(file, y, TG_GRAPH(.text = true)));
    assert_false(tg_graph(stdout, NULL, NULL));
    tg_tensor *gone = tg_exp(x);
    release_noticed(gone);
    assert_false(tg_graph(stdout, gone, NULL));
    assert_non_null(strstr(tg_error(tg), "graph: "));
    assert_string_equal(graph_of(y, TG_GRAPH(.text = true)), /* while an error is pending */
                        "ExpBackward0 [2] float64 (leaf [2] float64)\n");
    tg_clear_error(tg);
}

static void test_each_allocation(void **state)
{
    (void)state;
    for (long at = 1, failed = 1; failed; at++) {
        guarded g = {0};
        tg_context *tg = open_on_guarded(&g);
        tg_state *names;
        tg_tensor *loss = perceptron_loss(tg, &names);
        FILE *file = tmpfile();
        g.asked = 0;
        g.fail_at = at;
        const bool dot = tg_graph(file, loss, TG_GRAPH(.names = names));
        const bool text = tg_graph(file, loss, TG_GRAPH(.names = names, .text = true));
        failed = g.failed;
        g.fail_at = 0;
        assert_true((dot && text) == tg_ok(tg));
        if (!tg_ok(tg)) check_error(tg, TG_ERR_MEMORY, tg_error(tg));
        fclose(file);
        tg_close(tg);
        assert_true(g.blocks == 0 && !g.damaged && at < 1000);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)
    const struct CMUnitTest tests[] = {
        TEST(graphs_are_those_of_pytorch),
        TEST(text),
        TEST(dot),
        TEST(a_tensor_without_a_graph),
        TEST(names_are_escaped),
        TEST(only_what_the_tensor_comes_from),
        TEST(deep_graphs),
        TEST(wrong_calls),
        TEST(each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
