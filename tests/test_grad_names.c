/* What print calls the grad_fn of results and of gradients, compared with PyTorch's names, which
 * tests/golden/grad_names.py has asked for. */
#include "supported.h"

static tg_tensor *batch(tg_tensor *t)
{
    return tg_unsqueeze(t, 0);
}

static tg_tensor *image(tg_tensor *t)
{
    return tg_reshape(t, TG_SHAPE(1, 1, 4, 4));
}

static tg_tensor *first(tg_tensor *t)
{
    return tg_narrow(t, 0, 0, 1);
}

/* The calls of grad_names.py beside those of supported.def. */
#define MORE(name, expression)                                                                     \
    static tg_tensor *call_##name(const operands *o)                                               \
    {                                                                                              \
        return expression;                                                                         \
    }
#define EACH_MORE(ROW)                                                                             \
    ROW(sort_unstable, tg_sort_indexed(o->a, 0, true, false).values)                               \
    ROW(nll_loss_rows, tg_nll_loss(o->a, o->rows, TG_LOSS(.reduction = TG_NONE)))                  \
    ROW(nll_loss_weighted,                                                                         \
        tg_nll_loss(o->a, o->rows, TG_LOSS(.weight = tg_detach(o->v), .reduction = TG_SUM)))       \
    ROW(cross_entropy_2d, tg_cross_entropy(tg_reshape(o->a, TG_SHAPE(1, 4, 2, 2)),                 \
                                           tg_reshape(o->rows, TG_SHAPE(1, 2, 2)), NULL))          \
    ROW(cross_entropy_2d_each,                                                                     \
        tg_cross_entropy(tg_reshape(o->a, TG_SHAPE(1, 4, 2, 2)),                                   \
                         tg_reshape(o->rows, TG_SHAPE(1, 2, 2)), TG_LOSS(.reduction = TG_NONE)))   \
    ROW(cross_entropy_1d, tg_cross_entropy(batch(o->a), batch(o->rows), NULL))                     \
    ROW(cross_entropy_1d_each,                                                                     \
        tg_cross_entropy(batch(o->a), batch(o->rows), TG_LOSS(.reduction = TG_NONE)))              \
    ROW(nll_loss_3d_each,                                                                          \
        tg_nll_loss(tg_reshape(o->a, TG_SHAPE(1, 4, 2, 2, 1)),                                     \
                    tg_reshape(o->rows, TG_SHAPE(1, 2, 2, 1)), TG_LOSS(.reduction = TG_NONE)))     \
    ROW(cross_entropy_smoothed, tg_cross_entropy(o->a, o->rows, TG_LOSS(.label_smoothing = 0.1)))  \
    ROW(cross_entropy_smoothed_each,                                                               \
        tg_cross_entropy(o->a, o->rows, TG_LOSS(.label_smoothing = 0.1, .reduction = TG_NONE)))    \
    ROW(cross_entropy_smoothed_weighted,                                                           \
        tg_cross_entropy(                                                                          \
            o->a, o->rows,                                                                         \
            TG_LOSS(.weight = tg_detach(o->v), .label_smoothing = 0.1, .reduction = TG_SUM)))      \
    ROW(cross_entropy_of_probabilities, tg_cross_entropy(o->a, tg_detach(o->b), NULL))             \
    ROW(cross_entropy_of_probabilities_each,                                                       \
        tg_cross_entropy(o->a, tg_detach(o->b), TG_LOSS(.reduction = TG_NONE)))                    \
    ROW(huber_loss_sum, tg_huber_loss(o->a, o->b, TG_LOSS(.reduction = TG_SUM)))                   \
    ROW(smooth_l1_loss_each, tg_smooth_l1_loss(o->a, o->b, TG_LOSS(.reduction = TG_NONE)))         \
    ROW(binary_cross_entropy_sum,                                                                  \
        tg_binary_cross_entropy(o->a, o->b, TG_LOSS(.reduction = TG_SUM)))                         \
    ROW(softmax_last, tg_softmax(o->a, -1))                                                        \
    ROW(log_softmax_last, tg_log_softmax(o->a, -1))                                                \
    ROW(softplus_beta, tg_softplus(o->a, 2, 20))                                                   \
    ROW(max_keepdim, tg_max_indexed(o->a, 0, true).values)                                         \
    ROW(max_pool2d_batch, tg_max_pool2d(image(o->a), TG_POOL(.kernel = {2, 2})))                   \
    ROW(avg_pool2d_batch, tg_avg_pool2d(image(o->a), TG_POOL(.kernel = {2, 2})))                   \
    ROW(conv1d_batch, tg_conv1d(batch(o->a), batch(o->b), TG_CONV(.bias = first(o->v))))           \
    ROW(conv2d_batch, tg_conv2d(image(o->a), image(o->b), TG_CONV(.bias = first(o->v))))           \
    ROW(matmul_rows, tg_matmul(batch(o->a), o->b))                                                 \
    ROW(matmul_batch, tg_matmul(batch(o->a), batch(o->b)))                                         \
    ROW(matmul_of_vector, tg_matmul(batch(o->a), o->v))                                            \
    ROW(matmul_of_matrix_and_batch, tg_matmul(o->a, batch(o->b)))                                  \
    ROW(matmul_of_constant_and_batch, tg_matmul(tg_detach(o->b), batch(o->a)))                     \
    ROW(matmul_of_vector_and_batch, tg_matmul(o->v, batch(o->a)))                                  \
    ROW(linear_of_batch, tg_forward(tg_linear(o->tg, 4, 3, TG_BIAS), batch(o->a)))                 \
    ROW(linear_of_vector, tg_forward(tg_linear(o->tg, 4, 3, TG_BIAS), o->v))                       \
    ROW(linear_without_bias, tg_forward(tg_linear(o->tg, 4, 3, TG_NO_BIAS), o->a))                 \
    ROW(linear_of_batch_without_bias, tg_forward(tg_linear(o->tg, 4, 3, TG_NO_BIAS), batch(o->a))) \
    ROW(linear_of_vector_without_bias, tg_forward(tg_linear(o->tg, 4, 3, TG_NO_BIAS), o->v))       \
    ROW(norm_1, tg_norm(o->a, 1))                                                                  \
    ROW(norm_inf, tg_norm_dims(o->a, INFINITY, TG_DIMS(0), false))                                 \
    ROW(pad_nothing, tg_pad(o->a, TG_SHAPE(0, 0), 0))                                              \
    ROW(fill_, tg_fill_(tg_mul_scalar(o->a, 1), 2))                                                \
    ROW(zero_, tg_zero_(tg_mul_scalar(o->a, 1)))                                                   \
    ROW(copy_, tg_copy_(tg_mul_scalar(o->a, 1), o->b))                                             \
    ROW(linear_of_rows, tg_addmm(o->v, o->a, tg_t(o->b), 1, 1))
EACH_MORE(MORE)
#define ENTRY(name, expression) {#name, call_##name},
static const supported_row more[] = {EACH_MORE(ENTRY)};

static const supported_row *row_named(const char *name)
{
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (strcmp(more[i].name, name) == 0) return &more[i];
    for (int i = 0; i < ROWS; i++)
        if (table[i].call && strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

/* The gradient of a for a gradient of the result that requires grad in turn. */
static tg_tensor *gradient_of(const operands *o, tg_tensor *out)
{
    tg_tensor *g = NULL, *ones = tg_requires_grad_(tg_ones_like(out), true);
    tg_grad(TG_LIST(out), TG_LIST(o->a), &g,
            TG_GRAD(.grad_outputs = TG_LIST(ones), .create_graph = true));
    return g;
}

enum { TEXT = 4096, NAME = 64 };

/* Copies what print shows as the grad_fn of t. */
static void grad_name_of(tg_tensor *t, char *name)
{
    char text[TEXT];
    tg_snprint(text, sizeof text, t);
    const char *at = strstr(text, "grad_fn=<");
    if (!at || sscanf(at, "grad_fn=<%63[^>]", name) != 1) fail_msg("no grad_fn: %s", text);
}

static void check_name(const char *of, const char *row_name, const char *want)
{
    const supported_row *row = row_named(row_name);
    char got[NAME];
    if (!row) fail_msg("%s: there is no such row", row_name);
    tg_context *tg = tg_open(NULL);
    operands o = make_operands(tg, TG_F64);
    tg_tensor *out = row->call(&o);
    grad_name_of(strcmp(of, "gradient") == 0 ? gradient_of(&o, out) : out, got);
    if (!tg_ok(tg)) fail_msg("%s %s: %s", of, row_name, tg_error(tg));
    tg_close(tg);
    if (strcmp(got, want) != 0) fail_msg("%s %s: %s, not %s", of, row_name, got, want);
}

/* The result of a row that PyTorch was not asked for has no gradient, or does not take floats. */
static void check_no_grad(const supported_row *row)
{
    tg_context *tg = tg_open(NULL);
    operands o = make_operands(tg, TG_F64);
    const tg_tensor *out = row->call(&o);
    if (out && out->requires_grad)
        fail_msg("%s is not in grad_names_golden.txt: add it to tests/golden/supported.py and run "
                 "grad_names.py",
                 row->name);
    tg_close(tg);
}

static void grad_names_are_those_of_pytorch(void **state)
{
    (void)state;
    char of[NAME], name[NAME], want[NAME];
    bool seen[ROWS] = {false};
    FILE *file = fopen(TEST_ROOT "/tests/golden/grad_names_golden.txt", "r");
    assert_non_null(file);
    while (fscanf(file, "%63s %63s %63s", of, name, want) == 3) {
        check_name(of, name, want);
        for (int i = 0; i < ROWS; i++)
            if (strcmp(table[i].name, name) == 0) seen[i] = true;
    }
    fclose(file);
    for (int i = 0; i < ROWS; i++)
        if (table[i].call && !seen[i] && !is_in_group(i, "Optimisers")) check_no_grad(&table[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grad_names_are_those_of_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
