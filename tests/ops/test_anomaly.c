/* tg_detect_anomaly: the operation that makes the first value that is not finite is the error. */
#include "guarded.h"
#include "sanitizer.h"
#include "supported.h"

static tg_tensor *vector(tg_context *tg, float a, float b, float c)
{
    return tg_from_f32(tg, TG_SHAPE(3), (float[]){a, b, c});
}

static int open_detecting(void **state)
{
    return open_context(state) || !tg_detect_anomaly(*state, true);
}

/* ---- Results. */

static void test_the_operation_is_named_with_its_shapes_and_values(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_from_f32(tg, TG_SHAPE(2, 3), (float[]){1, 2, 3, 4, 0, 6});
    assert_null(tg_log(x));
    check_error(tg, TG_ERR_ARGUMENT,
                "log: the result [2, 3] is -inf at [1, 1], for the finite inputs [2, 3] (0 there)");
    assert_null(tg_div(x, tg_t(tg_from_f32(tg, TG_SHAPE(3, 1), (float[]){1, 0, 3}))));
    check_error(tg, TG_ERR_ARGUMENT,
                "div: the result [2, 3] is inf at [0, 1], for the finite inputs [2, 3] (2 there), "
                "[1, 3] (0 there)");
    assert_null(tg_matmul(tg_mul_scalar(x, 1e30), tg_mul_scalar(tg_t(x), 1e30)));
    check_error(tg, TG_ERR_ARGUMENT,
                "matmul: the result [2, 2] is inf at [0, 0], for the finite inputs [2, 3], [3, 2]");
    assert_null(tg_cast(tg_full(tg, TG_F64, TG_SHAPE(), 1e300), TG_F32));
    check_error(tg, TG_ERR_ARGUMENT, "cast: the result [] is inf at [], for the finite inputs []");
    assert_null(tg_sqrt(tg_full(tg, TG_F64, TG_SHAPE(1), -1)));
    check_error(tg, TG_ERR_ARGUMENT,
                "sqrt: the result [1] is nan at [0], for the finite inputs [1] (-1 there)");
}

static void test_off_and_on(void **state)
{
    tg_context *tg = *state;
    tg_tensor *zero = tg_zeros(tg, TG_F32, TG_SHAPE(1));
    assert_true(tg_detect_anomaly(tg, false));
    check_values(tg_log(zero), -INFINITY);
    assert_true(tg_detect_anomaly(tg, true) && tg_detect_anomaly(tg, true));
    assert_null(tg_log(zero));
    tg_clear_error(tg);
    assert_false(tg_detect_anomaly(NULL, true));
}

/* A sum that overflows makes no element infinite. */
static void test_large_values_are_finite(void **state)
{
    tg_context *tg = *state;
    check_values(tg_mul_scalar(vector(tg, 3e38f, 3e38f, -3e38f), 1), 3e38f, 3e38f, -3e38f);
    check_values(tg_square(tg_full(tg, TG_F64, TG_SHAPE(2), 1e154)), 1e308, 1e308);
    assert_non_null(tg_mul_scalar(tg_zeros(tg, TG_F32, TG_SHAPE(0, 3)), 2));
}

/* An operation that passes on a value that was not finite before, or a number of the caller that is
 * not, is no error. */
static void test_what_was_not_finite_before_passes(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = vector(tg, NAN, 1, INFINITY), *y = vector(tg, 1, 2, 3);
    check_values(tg_add(x, y), NAN, 3, INFINITY);
    check_values(tg_sum(tg_sub(x, x)), NAN);
    check_values(tg_mul_scalar(y, INFINITY), INFINITY, INFINITY, INFINITY);
    check_values(tg_add_scalar(y, NAN), NAN, NAN, NAN);
    tg_tensor *mask = tg_gt_scalar(y, 1);
    check_values(tg_masked_fill(y, mask, -INFINITY), 1, -INFINITY, -INFINITY);
    check_values(tg_softmax(tg_masked_fill(y, mask, -INFINITY), 0), 1, 0, 0);
    check_values(tg_fill_(tg_clone(y), INFINITY), INFINITY, INFINITY, INFINITY);
    check_values(tg_copy_(tg_clone(y), x), NAN, 1, INFINITY);
    check_values(tg_cat(TG_LIST(x, y), 0), NAN, 1, INFINITY, 1, 2, 3);
    assert_null(tg_log(tg_sub(tg_narrow(x, 0, 1, 1), tg_narrow(y, 0, 0, 1))));
    check_error(tg, TG_ERR_ARGUMENT,
                "log: the result [1] is -inf at [0], for the finite inputs [1] (0 there)");
}

/* An infinity that a composed operation makes on the way to a finite result is no error, since the
 * caller does not see it. Where the result is not finite, either, the message names the part that
 * made the infinity. */
static void test_composed_operations_count_as_one(void **state)
{
    tg_context *tg = *state;
    tg_tensor *large = vector(tg, 1e30f, 2e30f, -3e30f), *ends = vector(tg, 0, 1, 0);
    assert_non_null(tg_norm(large, 2));
    assert_non_null(tg_logsumexp(large, TG_DIMS(0), false));
    assert_non_null(tg_softplus(large, 1, 20));
    assert_non_null(tg_kl_div(tg_neg(ends), ends, NULL));
    assert_non_null(tg_binary_cross_entropy(ends, ends, NULL));
    check_ok(tg);
    assert_null(tg_gaussian_nll_loss(large, ends, vector(tg, 1, 1, 1), NULL));
    assert_non_null(strstr(tg_error(tg), "gaussian_nll_loss: in square, the result [3] is inf at "
                                         "[0], for the finite inputs [3] (1e+30 there)"));
    tg_clear_error(tg);
    check_values(tg_sign(large), 1, 1, -1);
}

static void test_an_operation_in_place_is_undone(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_from_f32(tg, TG_SHAPE(2, 2), (float[]){1, 2, 3, 4});
    assert_null(tg_div_(tg_t(t), tg_from_f32(tg, TG_SHAPE(2), (float[]){1, 0})));
    check_error(tg, TG_ERR_ARGUMENT,
                "div_: the result [2, 2] is inf at [0, 1], for the finite inputs [2, 2] (3 there), "
                "[2] (0 there)");
    check_values(t, 1, 2, 3, 4);
    assert_null(tg_mul_scalar_(t, 3e38));
    assert_non_null(strstr(tg_error(tg), "mul_scalar_: the result [2, 2] is inf at [0, 1]"));
    tg_clear_error(tg);
    check_values(t, 1, 2, 3, 4);
    check_values(tg_div_(t, t), 1, 1, 1, 1);
    tg_tensor *large = tg_full(tg, TG_F32, TG_SHAPE(1), 1e30);
    assert_null(tg_mul_(large, large));
    check_error(tg, TG_ERR_ARGUMENT,
                "mul_: the result [1] is inf at [0], for the finite inputs [1] (1e+30 there), [1] "
                "(1e+30 there)");
    check_values(large, 1e30f);
    /* The gradient of the other factor needs the old values, which are copied. */
    tg_tensor *factor = tg_requires_grad_(tg_full(tg, TG_F32, TG_SHAPE(2), 3e38), true);
    tg_tensor *product = tg_mul_scalar(tg_full(tg, TG_F32, TG_SHAPE(2), 5), 2);
    assert_null(tg_mul_(product, factor));
    assert_non_null(strstr(tg_error(tg),
                           "mul_: the result [2] is inf at [0], for the finite inputs "
                           "[2] (10 there), [2] (3e+38 there)"));
    tg_clear_error(tg);
    check_values(product, 10, 10);
}

static void test_operations_go_on_while_an_error_is_pending(void **state)
{
    tg_context *tg = *state;
    assert_null(tg_reshape(vector(tg, 1, 2, 3), TG_SHAPE(2)));
    check_values(tg_log(vector(tg, 0, 1, 1)), -INFINITY, 0, 0);
    tg_clear_error(tg);
}

/* ---- Modules. */

static tg_module *overflowing_net(tg_context *tg)
{
    tg_module *inner = tg_sequential(
        TG_MODULES(tg_lambda(tg, tg_tanh), tg_linear(tg, 3, 2, TG_BIAS), tg_lambda(tg, tg_exp)));
    return tg_sequential(TG_MODULES(tg_linear(tg, 3, 3, TG_BIAS), inner));
}

static void test_the_module_is_named(void **state)
{
    tg_context *tg = *state;
    tg_module *net = overflowing_net(tg);
    tg_no_grad_begin(tg);
    tg_fill_(tg_param(net, "0.weight"), 1);
    tg_fill_(tg_param(net, "1.1.weight"), 1000);
    tg_no_grad_end(tg);
    assert_null(tg_forward(net, tg_full(tg, TG_F32, TG_SHAPE(4, 3), 50)));
    assert_non_null(strstr(tg_error(tg), "1.2 (Lambda): exp: the result [4, 2] is inf at [0, 0], "
                                         "for the finite inputs [4, 2] ("));
    tg_clear_error(tg);
}

static tg_tensor *root_of(tg_tensor *x)
{
    return tg_sqrt(tg_relu(x));
}

/* The gradient of a root at 0 is infinite. Backward names the module in which the root was taken,
 * and changes no gradient. */
static void test_backward_names_the_operation_and_the_module(void **state)
{
    tg_context *tg = *state;
    tg_module *first = tg_linear(tg, 2, 2, TG_BIAS),
              *net = tg_sequential(TG_MODULES(
                  first,
                  tg_sequential(TG_MODULES(tg_lambda(tg, root_of), tg_linear(tg, 2, 1, TG_BIAS)))));
    tg_no_grad_begin(tg);
    tg_fill_(tg_param(net, "0.weight"), -1);
    tg_fill_(tg_param(net, "0.bias"), 0);
    tg_no_grad_end(tg);
    tg_tensor *loss = tg_sum(tg_forward(net, tg_ones(tg, TG_F32, TG_SHAPE(3, 2))));
    assert_non_null(loss);
    assert_false(tg_backward(loss));
    assert_non_null(strstr(tg_error(tg), "1.0 (Lambda): backward of sqrt: the gradient of input 1, "
                                         "[3, 2], is "));
    assert_non_null(
        strstr(tg_error(tg), "inf at [0, 0], for a finite gradient of the result, [3, 2]"));
    tg_clear_error(tg);
    for (int i = 0; i < tg_parameters(net).n; i++) assert_null(tg_parameters(net).items[i]->grad);
    tg_tensor *x = leaf(tg, 0, 1);
    assert_false(tg_backward(tg_sum(tg_log1p(tg_sqrt(x)))));
    check_error(tg, TG_ERR_ARGUMENT,
                "backward of sqrt: the gradient of input 1, [2], is inf at [0], for a finite "
                "gradient of the result, [2]");
    tg_tensor *g[1];
    assert_false(
        tg_grad(TG_LIST(tg_sum(tg_sqrt(x))), TG_LIST(x), g, TG_GRAD(.create_graph = true)));
    assert_true(strncmp(tg_error(tg), "backward of sqrt: ", 18) == 0);
    tg_clear_error(tg);
}

/* The two gradients are finite, and their sum is not. */
static void test_sums_of_gradients(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 0.5), *first = tg_mul_scalar(x, 1e308);
    tg_tensor *second = tg_mul_scalar(x, 1.5e308);
    assert_false(tg_backward(tg_sum(tg_add(first, second))));
    check_error(tg, TG_ERR_ARGUMENT,
                "backward of add: the result [1] is inf at [0], for the finite inputs [1] "
                "(1.5e+308 there), [1] (1e+308 there)");
}

/* A gradient that is infinite because of a value that was infinite before is no error. */
static void test_gradients_of_what_was_not_finite_pass(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 1, 2), *inf = tg_full(tg, TG_F64, TG_SHAPE(2), INFINITY);
    assert_true(tg_backward(tg_sum(tg_mul(x, inf))));
    check_values(x->grad, INFINITY, INFINITY);
}

/* ---- Operations of the program. */

static tg_tensor *inverse_in_c(tg_list inputs, const void *attributes)
{
    tg_tensor *y = tg_empty_like(inputs.items[0]);
    (void)attributes;
    for (int64_t i = 0; i < y->numel; i++)
        ((double *)y->data)[i] = 1 / ((const double *)inputs.items[0]->data)[i];
    return y;
}

static tg_tensor *nan_gradient(tg_list inputs, tg_tensor *output, tg_tensor *grad, int i,
                               const void *attributes)
{
    (void)output, (void)grad, (void)attributes;
    return tg_full_like(inputs.items[i], NAN);
}

static void test_operations_of_the_program(void **state)
{
    static const tg_autograd_function inverse = {"inverse", inverse_in_c, nan_gradient};
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 2, 4);
    assert_null(tg_apply(&inverse, TG_LIST(leaf(tg, 1, 0)), NULL, 0));
    check_error(tg, TG_ERR_ARGUMENT,
                "inverse: the result [2] is inf at [1], for the finite inputs [2]");
    assert_false(tg_backward(tg_sum(tg_apply(&inverse, TG_LIST(x), NULL, 0))));
    check_error(tg, TG_ERR_ARGUMENT,
                "backward of inverse: the gradient of input 1, [2], is nan at [0], for a finite "
                "gradient of the result, [2]");
}

/* Adam without eps divides 0 by 0 where the gradient is 0. */
static void test_a_step(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 1, 2), *y = leaf(tg, 3);
    tg_optim *adam = tg_adam_list(TG_LIST(x, y), TG_ADAM(.eps = 0));
    tg_backward(tg_sum(tg_square(tg_mul(x, tg_from_f64(tg, TG_SHAPE(2), (double[]){1, 0})))));
    tg_backward(tg_sum(y));
    assert_false(tg_step(adam));
    check_error(
        tg, TG_ERR_ARGUMENT,
        "step: adam has made a parameter, [2], nan at [1]; before, it and its gradient were "
        "finite");
    assert_true(isnan(tg_get(x, TG_INDEX(1))));
    assert_true(tg_item(y) < 3); /* the step is made for all parameters */
    assert_true(tg_step(adam));  /* what is not finite already is no error */
}

/* ---- All operations. */

typedef struct outcome {
    double values[64], gradients[64];
    int64_t n, n_gradients;
} outcome;

static void read_outcome(const supported_row *row, tg_context *tg, outcome *r)
{
    const operands o = make_operands(tg, strcmp(row->name, "one_hot") ? TG_F64 : TG_I64);
    const tg_tensor *out = row->call(&o);
    memset(r, 0, sizeof *r);
    if (!out) {
        fail_msg("%s: %s", row->name, tg_error(tg));
        return;
    }
    r->n = out->numel < 64 ? out->numel : 64;
    for (int64_t i = 0; i < r->n; i++) r->values[i] = element_of(out, i);
    if (out->requires_grad && !tg_backward(tg_sum((tg_tensor *)(uintptr_t)out)))
        fail_msg("%s: %s", row->name, tg_error(tg));
    if (!o.a->grad) return;
    r->n_gradients = o.a->grad->numel;
    for (int64_t i = 0; i < r->n_gradients; i++) r->gradients[i] = element_of(o.a->grad, i);
}

/* Looking changes no bit: each operation has the same values and gradients with and without. */
static void test_no_result_changes(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        if (!table[i].call) continue;
        outcome plain, looked_at;
        tg_context *tg = tg_open(NULL), *other = tg_open(NULL);
        assert_true(tg_detect_anomaly(other, true) && tg_profile(other, true));
        read_outcome(&table[i], tg, &plain);
        read_outcome(&table[i], other, &looked_at);
        if (memcmp(&plain, &looked_at, sizeof plain) != 0) fail_msg("%s differs", table[i].name);
        tg_close(tg);
        tg_close(other);
    }
}

/* ---- Memory. */

static double train(tg_context *tg, tg_module *net, tg_optim *adam, int steps)
{
    double last = NAN;
    for (int i = 0; i < steps; i++) {
        tg_scope_begin(tg);
        tg_tensor *x = tg_rand(tg, TG_F32, TG_SHAPE(8, 3));
        tg_tensor *loss =
            tg_mse_loss(tg_forward(net, x), tg_zeros(tg, TG_F32, TG_SHAPE(8, 2)), TG_MEAN);
        tg_zero_grad(adam);
        tg_backward(loss);
        last = tg_step(adam) ? tg_item(loss) : NAN;
        tg_scope_end(tg);
    }
    return last;
}

static void test_nothing_is_allocated_after_the_first_steps(void **state)
{
    tg_context *tg = *state;
    tg_module *net = overflowing_net(tg);
    tg_optim *adam = tg_adam(net, NULL);
    assert_true(tg_profile(tg, true));
    assert_true(train(tg, net, adam, 3) > 0);
    const tg_stats before = tg_get_stats(tg);
    assert_true(train(tg, net, adam, 50) > 0);
#ifndef UNDER_ASAN /* which gives every tensor memory of its own */
    assert_true(tg_get_stats(tg).allocator_calls == before.allocator_calls);
#endif
    assert_true(tg_get_stats(tg).live_bytes == before.live_bytes);
}

/* Each allocation of a step fails in turn: the step fails, or is that of a context in which none
 * does. */
static void test_each_allocation(void **state)
{
    double want = 0;
    (void)state;
    for (long at = 0, failed = 1; failed; at++) {
        guarded g = {0};
        tg_context *tg = open_on_guarded(&g);
        tg_module *net = overflowing_net(tg);
        tg_optim *adam = tg_adam(net, NULL);
        g.asked = 0;
        g.fail_at = at;
        const bool on = tg_detect_anomaly(tg, true) && tg_profile(tg, true);
        const double loss = train(tg, net, adam, 1);
        failed = at == 0 || g.failed;
        g.fail_at = 0;
        if (at == 0) want = loss;
        assert_true(tg_ok(tg) ? loss == want && on : isnan(loss));
        if (!tg_ok(tg)) check_error(tg, TG_ERR_MEMORY, tg_error(tg));
        assert_true(train(tg, net, adam, 1) > 0);
        tg_close(tg);
        assert_true(g.blocks == 0 && !g.damaged && at < 1000);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, open_detecting, close_context)
    const struct CMUnitTest tests[] = {
        TEST(the_operation_is_named_with_its_shapes_and_values),
        TEST(off_and_on),
        TEST(large_values_are_finite),
        TEST(what_was_not_finite_before_passes),
        TEST(composed_operations_count_as_one),
        TEST(an_operation_in_place_is_undone),
        TEST(operations_go_on_while_an_error_is_pending),
        TEST(the_module_is_named),
        TEST(backward_names_the_operation_and_the_module),
        TEST(sums_of_gradients),
        TEST(gradients_of_what_was_not_finite_pass),
        TEST(operations_of_the_program),
        TEST(a_step),
        TEST(no_result_changes),
        TEST(nothing_is_allocated_after_the_first_steps),
        TEST(each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
