/* The same network in another context. tests/context/test_threads.c runs it in other threads. */
#include "guarded.h"
#include "leaf.h"

static void check_same_values(const tg_tensor *a, const tg_tensor *b)
{
    assert_true(a && b && a->numel == b->numel && a->numel > 0);
    for (int64_t i = 0; i < a->numel; i++) assert_true(element_of(a, i) == element_of(b, i));
}

static tg_tensor *image(tg_context *tg)
{
    return tg_reshape(tg_arange(tg, TG_F32, -32, 32, 1), TG_SHAPE(2, 2, 4, 4));
}

static tg_tensor *scaled_by(tg_tensor *x, void *user)
{
    return tg_mul_scalar(x, *(const double *)user);
}

/* A network of each kind of layer that takes an image. */
static tg_module *image_net(tg_context *tg, double *factor)
{
    tg_module *conv =
        tg_conv2d_layer(tg, 2, 3, TG_SHAPE(3, 3), TG_BIAS, TG_CONV(.padding = {1, 1}));
    tg_module *row = tg_conv1d_layer(tg, 3, 2, TG_SHAPE(4), TG_NO_BIAS, NULL);
    tg_module *body = tg_sequential(TG_MODULES(
        conv, tg_batchnorm2d(tg, 3, NULL), tg_lambda(tg, tg_relu), tg_flatten_layer(tg, 2, -1)));
    tg_module *top = tg_linear(tg, 2 * 13, 5, TG_BIAS);
    return tg_sequential(
        TG_MODULES(body, row, tg_lambda_with(tg, scaled_by, factor),
                   tg_batchnorm1d(tg, 2, TG_NORM(.affine = false)), tg_flatten_layer(tg, 1, -1),
                   tg_layernorm(tg, TG_SHAPE(26), NULL), tg_dropout_layer(tg, 0.5), top));
}

static void test_all_layers_work_in_another_context(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    double factor = 0.5;
    tg_module *net = image_net(tg, &factor);
    assert_non_null(tg_forward(net, image(tg))); /* moves the statistics */
    tg_eval(net);
    tg_module *borrowed = tg_borrow_module(other, net);
    tg_tensor *want = tg_forward(net, image(tg)), *got = tg_forward(borrowed, image(other));
    check_same_values(got, want);
    assert_ptr_equal(got->context, other);
    assert_int_equal(tg_parameters(borrowed).n, tg_parameters(net).n);
    for (int i = 0; i < tg_parameters(net).n; i++) {
        const tg_tensor *p = tg_parameters(net).items[i], *q = tg_parameters(borrowed).items[i];
        assert_string_equal(tg_param_name(borrowed, i), tg_param_name(net, i));
        assert_true(p->data == q->data && q->requires_grad && q->context == other);
    }
    tg_backward(tg_sum(tg_square(want)));
    tg_backward(tg_sum(tg_square(got)));
    for (int i = 0; i < tg_parameters(net).n; i++)
        check_same_values(tg_parameters(borrowed).items[i]->grad,
                          tg_parameters(net).items[i]->grad);
    check_ok(other);
    tg_close(other);
}

static void test_embedding_and_losses(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_module *words = tg_embedding_layer(tg, 5, 3, 1), *mse = tg_mseloss(tg, TG_SUM);
    tg_tensor *weight = tg_from_f32(tg, TG_SHAPE(3), (float[]){1, 2, 4});
    tg_module *loss = tg_criterion(tg, tg_cross_entropy, TG_LOSS(.weight = weight));
    assert_ptr_equal(tg_buffer(loss, "weight"), weight);
    const int64_t labels[] = {4, 0, 1};
    tg_tensor *x = tg_from_i64(tg, TG_SHAPE(3), labels), *y = tg_remainder_scalar(x, 3);
    tg_tensor *x2 = tg_borrow(other, x), *y2 = tg_borrow(other, y);
    tg_tensor *a = tg_forward(words, x), *b = tg_forward(tg_borrow_module(other, words), x2);
    check_same_values(b, a);
    check_same_values(tg_loss(tg_borrow_module(other, loss), b, y2), tg_loss(loss, a, y));
    tg_module *mse2 = tg_borrow_module(other, mse);
    check_same_values(tg_loss(mse2, b, tg_neg(b)), tg_loss(mse, a, tg_neg(a)));
    check_ok(other);
    tg_close(other);
}

static void test_modes_and_sharing_are_those_of_the_original(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_module *shared = tg_linear(tg, 2, 2, TG_BIAS), *tied = tg_module_new(tg, "Tied", NULL, 0);
    tg_register_parameter(tied, "weight", tg_param(shared, "weight"));
    tg_module *drop = tg_eval(tg_dropout_layer(tg, 0.5));
    tg_module *net = tg_sequential(TG_MODULES(shared, drop, shared, tied));
    tg_requires_grad_(tg_param(net, "0.bias"), false);
    tg_module *b = tg_borrow_module(other, net);
    assert_true(tg_is_training(b) && !tg_is_training(tg_submodule(b, "1")));
    assert_ptr_equal(tg_submodule(b, "0"), tg_submodule(b, "2"));
    assert_ptr_equal(tg_param(b, "3.weight"), tg_param(b, "0.weight"));
    assert_int_equal(tg_parameters(b).n, 2);
    assert_true(tg_param(b, "0.weight")->requires_grad && !tg_param(b, "0.bias")->requires_grad);
    assert_string_equal(tg_module_name(tg_submodule(b, "3")), "Tied");
    check_ok(other);
    tg_close(other);
}

static void test_statistics_and_parameters_are_read_only(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_module *norm = tg_batchnorm1d(tg, 2, NULL);
    tg_module *plain = tg_batchnorm1d(tg, 2, TG_NORM(.track_running_stats = false));
    tg_module *net = tg_sequential(TG_MODULES(plain, norm)), *b = tg_borrow_module(other, net);
    tg_tensor *x = tg_from_f32(other, TG_SHAPE(3, 2), (float[]){1, 2, 3, 4, 5, 7});
    assert_null(tg_forward(b, x));
    check_error(other, TG_ERR_ARGUMENT,
                "1 (BatchNorm1d): batchnorm1d: the running statistics are borrowed and cannot be "
                "changed; use tg_eval, or make the module in this context");
    assert_non_null(tg_forward(tg_submodule(b, "0"), x));
    assert_true(tg_backward(tg_sum(tg_square(tg_forward(tg_eval(b), x)))));
    assert_true(tg_is_training(norm));
    assert_null(tg_sgd(b, TG_SGD(.lr = 1)));
    check_error(other, TG_ERR_ARGUMENT, "sgd: 0.weight: the tensor [2] is borrowed and read-only");
    check_values(tg_buffer(net, "1.num_batches_tracked"), 0);
    tg_close(other);
}

/* ---- Modules of the program. */

/* Pointers to all that the tree has, to something else, and numbers between them. */
typedef struct own_data {
    double factor;
    tg_module *linear, *self;
    tg_tensor *offset, *seen;
    int64_t number;
    tg_context *tg;
    const double *table; /* of the program */
    char tail;
} own_data;

static tg_tensor *own_forward(tg_module *m, tg_tensor *x)
{
    const own_data *d = tg_module_data(m);
    assert_ptr_equal(d->self, m);
    assert_ptr_equal(d->tg, x->context);
    x = tg_add(tg_forward(d->linear, x), tg_full(d->tg, TG_F32, TG_SHAPE(2), d->table[1]));
    return tg_mul_scalar(tg_add(tg_add(x, d->offset), d->seen), d->factor);
}

static tg_module *make_own(tg_context *tg, const double *table)
{
    tg_module *m = tg_module_new(tg, "Own", own_forward, sizeof(own_data));
    own_data *d = tg_module_data(m);
    d->factor = 3; /* member by member, which leaves the padding at 0 */
    d->self = m;
    d->number = -1;
    d->tg = tg;
    d->table = table;
    d->tail = 'x';
    d->linear = tg_register_module(m, "linear", tg_linear(tg, 2, 2, TG_BIAS));
    d->offset = tg_register_parameter(m, "offset", tg_ones(tg, TG_F32, TG_SHAPE(2)));
    d->seen = tg_register_buffer(m, "seen", tg_full(tg, TG_F32, TG_SHAPE(2), 7));
    return m;
}

static void test_pointers_in_the_data_lead_to_the_counterparts(void **state)
{
    static const double table[] = {1, 0.25};
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_module *net = tg_sequential(TG_MODULES(make_own(tg, table), tg_lambda(tg, tg_tanh)));
    tg_module *b = tg_borrow_module(other, net);
    const own_data *d = tg_module_data(tg_submodule(b, "0"));
    assert_ptr_equal(d->linear, tg_submodule(b, "0.linear"));
    assert_ptr_equal(d->offset, tg_param(b, "0.offset"));
    assert_ptr_equal(d->seen, tg_buffer(b, "0.seen"));
    assert_true(d->number == -1 && d->table == table && d->tail == 'x');
    check_same_values(tg_forward(b, tg_ones(other, TG_F32, TG_SHAPE(2))),
                      tg_forward(net, tg_ones(tg, TG_F32, TG_SHAPE(2))));
    check_ok(other);
    tg_close(other);
}

static tg_tensor *adds_hidden(tg_module *m, tg_tensor *x)
{
    return tg_add(x, *(tg_tensor **)tg_module_data(m));
}

/* What is not registered stays in the original's context, and is refused when it is used. */
static void test_a_tensor_that_is_not_registered_is_refused(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_module *m = tg_module_new(tg, "Hidden", adds_hidden, sizeof(tg_tensor *));
    *(tg_tensor **)tg_module_data(m) = tg_ones(tg, TG_F32, TG_SHAPE(2));
    assert_null(tg_forward(tg_borrow_module(other, m), tg_ones(other, TG_F32, TG_SHAPE(2))));
    check_error(other, TG_ERR_CONTEXT, "add: tensors of two contexts; tg_borrow makes an alias");
    tg_close(other);
}

static void test_wrong_calls(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_module *net = tg_linear(tg, 2, 1, TG_BIAS);
    assert_null(tg_borrow_module(NULL, net));
    assert_null(tg_borrow_module(other, NULL));
    assert_null(tg_borrow_module(other, net)); /* an error is pending */
    check_error(other, TG_ERR_ARGUMENT, "borrow_module: the module is NULL");
    release_noticed(tg_param(net, "bias"));
    assert_null(tg_borrow_module(other, net));
    check_error(other, TG_ERR_CONTEXT, "borrow_module: bias of Linear was released");
    /* An error of the original's context does not count, and the context may be the same. */
    assert_null(tg_sum(tg_param(net, "bias")));
    tg_module *whole = tg_linear(other, 2, 1, TG_BIAS);
    assert_non_null(tg_borrow_module(other, whole));
    tg_clear_error(tg);
    tg_close(other);
}

static void test_each_allocation(void **state)
{
    double factor = 1;
    tg_module *net = tg_eval(image_net(*state, &factor));
    for (long at = 1, failed = 1; failed; at++) {
        guarded g = {.fail_at = at + 1};
        tg_context *tg = open_on_guarded(&g);
        tg_module *b = tg_borrow_module(tg, net);
        failed = g.failed;
        g.fail_at = 0;
        assert_true((b != NULL) == tg_ok(tg) && tg_ok(tg) == !failed);
        if (failed) check_error(tg, TG_ERR_MEMORY, tg_error(tg));
        assert_non_null(tg_forward(tg_borrow_module(tg, net), image(tg)));
        tg_close(tg);
        assert_true(g.blocks == 0 && !g.damaged && at < 1000);
    }
}

/* A tree of many modules takes time in proportion to it: 20,000 layers are borrowed at once. */
static void test_many_modules(void **state)
{
    enum { MANY = 20000 };
    tg_context *tg = tg_open(NULL), *other = tg_open(NULL);
    (void)state;
    tg_module **layers = malloc(MANY * sizeof(tg_module *));
    for (int i = 0; layers && i < MANY; i++) layers[i] = tg_linear(tg, 1, 1, TG_NO_BIAS);
    tg_module *net = tg_sequential((tg_modules){MANY, layers}), *b = tg_borrow_module(other, net);
    assert_int_equal(tg_parameters(b).n, MANY);
    check_ok(other);
    free(layers);
    tg_close(other);
    tg_close(tg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_layers_work_in_another_context),
        cmocka_unit_test(test_embedding_and_losses),
        cmocka_unit_test(test_modes_and_sharing_are_those_of_the_original),
        cmocka_unit_test(test_statistics_and_parameters_are_read_only),
        cmocka_unit_test(test_pointers_in_the_data_lead_to_the_counterparts),
        cmocka_unit_test(test_a_tensor_that_is_not_registered_is_refused),
        cmocka_unit_test(test_wrong_calls),
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_many_modules),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
