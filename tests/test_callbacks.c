/* Callbacks, the functions of a program that the library calls: what they are given, and what
 * happens to the context when one leaves by longjmp. */
#include "guarded.h"
#include "leaf.h"

/* ---- The arguments of callbacks. */

static int times_called;

static tg_tensor *counting(tg_tensor *x)
{
    times_called++;
    assert_non_null(x);
    return tg_neg(x);
}

static tg_tensor *counting_forward(tg_module *self, tg_tensor *x)
{
    assert_non_null(self);
    return counting(x);
}

static tg_tensor *counting_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    assert_true(input && target && options);
    return counting(input);
}

static tg_tensor *counting_apply(tg_list inputs, const void *attributes)
{
    (void)attributes;
    return counting(inputs.items[inputs.n - 1]);
}

static tg_tensor *counting_function(tg_list inputs, void *user)
{
    (void)user;
    return counting(inputs.items[0]);
}

static void test_no_forward_is_called_with_null(void **state)
{
    static const tg_autograd_function own = {"own", counting_apply, NULL};
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 1, 2), *failed, *grads[1];
    tg_module *module = tg_module_new(tg, "Own", counting_forward, 0);
    tg_module *lambda = tg_lambda(tg, counting), *loss = tg_criterion(tg, counting_loss, NULL);
    tg_module *net = tg_sequential(TG_MODULES(tg_linear(tg, 3, 3, TG_BIAS), module, lambda));
    failed = tg_view(x, TG_SHAPE(5));
    tg_clear_error(tg);
    times_called = 0;
    tg_tensor *const results[] = {tg_forward(module, failed),
                                  tg_forward(lambda, failed),
                                  tg_loss(loss, failed, x),
                                  tg_loss(loss, x, failed),
                                  tg_apply(&own, TG_LIST(failed), NULL, 0),
                                  tg_apply(&own, TG_LIST(x, failed), NULL, 0),
                                  tg_forward(net, x)};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) assert_null(results[i]);
    assert_false(tg_gradcheck(counting_function, TG_LIST(failed), NULL, NULL));
    assert_false(tg_jacobian(counting_function, TG_LIST(failed), NULL, grads));
    assert_null(tg_curve_fit(counting_function, x, failed, x, NULL, NULL).parameters);
    assert_null(tg_jvp(counting_function, TG_LIST(x), NULL, TG_LIST(failed), grads));
    assert_int_equal(times_called, 0);
    check_error(tg, TG_ERR_ARGUMENT, "forward: the input of Own is NULL");
    assert_non_null(tg_forward(lambda, tg_forward(module, x)));
    assert_int_equal(times_called, 2);
}

/* A function that returns a list returns one whose items can be read, even after a failure. */
static void test_items_of_a_failed_list_are_null(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(4, 6)), *failed = tg_view(x, TG_SHAPE(5));
    const tg_list lists[] = {tg_chunk(failed, 2, 0),
                             tg_split(failed, 2, 0),
                             tg_split_sizes(failed, TG_SHAPE(2, 2), 0),
                             tg_chunk(x, 0, 0),
                             tg_chunk(x, 2, 7),
                             tg_split(x, -1, 0),
                             tg_split(x, 2, 7),
                             tg_split_sizes(x, TG_SHAPE(2, 3), 0),
                             tg_split_sizes(x, (tg_shape){2, NULL}, 0),
                             tg_parameters(NULL),
                             tg_buffers(NULL)};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_int_equal(lists[i].n, 0);
        for (int k = 0; k < TG_READABLE; k++) assert_null(lists[i].items[k]);
    }
    assert_null(tg_add(lists[0].items[0], lists[0].items[1]));
    check_error(tg, TG_ERR_SHAPE, "view: [4, 6] has 24 elements and cannot become [5]");
}

/* ---- Callbacks that leave by longjmp. The context can still be closed, and frees all its
 * memory. */

static jmp_buf outside;

static tg_tensor *jump(tg_tensor *x)
{
    tg_scope_begin(x->context);
    tg_mul(x, x);
    longjmp(outside, 1);
}

static tg_tensor *jump_from_forward(tg_module *self, tg_tensor *x)
{
    return self ? jump(x) : NULL;
}

static tg_tensor *jump_from_loss(tg_tensor *input, tg_tensor *target,
                                 const tg_loss_options *options)
{
    return options ? jump(target) : input;
}

static tg_tensor *jump_from_apply(tg_list inputs, const void *attributes)
{
    (void)attributes;
    return jump(inputs.items[0]);
}

static tg_tensor *cloned(tg_list inputs, const void *attributes)
{
    (void)attributes;
    return tg_clone(inputs.items[0]);
}

static tg_tensor *jump_from_backward(tg_list inputs, tg_tensor *output, tg_tensor *grad, int i,
                                     const void *attributes)
{
    (void)inputs, (void)output, (void)i, (void)attributes;
    return jump(grad);
}

static tg_tensor *jump_from_function(tg_list inputs, void *user)
{
    (void)user;
    return jump(inputs.items[0]);
}

static tg_tensor *jump_from_closure(void *user)
{
    return jump(user);
}

static void jump_from_on_error(void *user, tg_status code, const char *message)
{
    (void)user, (void)code, (void)message;
    longjmp(outside, 1);
}

static const tg_autograd_function jumps_forward = {"jumps", jump_from_apply, NULL};
static const tg_autograd_function jumps_backward = {"jumps", cloned, jump_from_backward};

typedef void scene(tg_context *tg, tg_tensor *x);

static void forward_scene(tg_context *tg, tg_tensor *x)
{
    tg_module *own = tg_module_new(tg, "Own", jump_from_forward, 0);
    tg_forward(tg_sequential(TG_MODULES(own)), x);
}

static void lambda_scene(tg_context *tg, tg_tensor *x)
{
    tg_forward(tg_lambda(tg, jump), x);
}

static void loss_scene(tg_context *tg, tg_tensor *x)
{
    tg_loss(tg_criterion(tg, jump_from_loss, NULL), x, x);
}

static void apply_scene(tg_context *tg, tg_tensor *x)
{
    tg_scope_begin(tg);
    tg_apply(&jumps_forward, TG_LIST(x), NULL, 0);
}

static void backward_scene(tg_context *tg, tg_tensor *x)
{
    tg_scope_begin(tg);
    tg_backward(tg_sum(tg_apply(&jumps_backward, TG_LIST(tg_square(x)), NULL, 0)));
}

static void grad_scene(tg_context *tg, tg_tensor *x)
{
    tg_tensor *grads[1];
    tg_grad_options o = tg_grad_defaults();
    o.create_graph = tg != NULL;
    tg_grad(TG_LIST(tg_sum(tg_apply(&jumps_backward, TG_LIST(x), NULL, 0))), TG_LIST(x), grads, &o);
}

static void gradcheck_scene(tg_context *tg, tg_tensor *x)
{
    (void)tg;
    tg_gradgradcheck(jump_from_function, TG_LIST(x), NULL, NULL);
}

static void jacobian_scene(tg_context *tg, tg_tensor *x)
{
    tg_tensor *jacobian;
    tg_no_grad_begin(tg);
    tg_jacobian(jump_from_function, TG_LIST(x), NULL, &jacobian);
}

static bool jump_from_progress(const tg_curve_fit_progress *progress, void *user)
{
    return progress->n == 2 && jump(user);
}

static tg_tensor *second(tg_list inputs, void *user)
{
    (void)user;
    return tg_neg(inputs.items[1]);
}

static void curve_fit_scene(tg_context *tg, tg_tensor *x)
{
    (void)tg;
    tg_curve_fit(second, x, x, x, x, TG_CURVE_FIT(.callback = jump_from_progress));
}

static void closure_scene(tg_context *tg, tg_tensor *x)
{
    (void)tg;
    tg_step_closure(tg_lbfgs_list(TG_LIST(x), NULL), jump_from_closure, x);
}

typedef struct problem {
    tg_optim *optim;
    tg_tensor *x;
} problem;

static bool jump_from_descent(const tg_lbfgs_progress *progress, void *user)
{
    const problem *q = user;
    return progress->iteration == 0 || jump(q->x);
}

static tg_tensor *squares(void *user)
{
    const problem *q = user;
    tg_zero_grad(q->optim);
    tg_tensor *loss = tg_sum(tg_square(q->x));
    return tg_backward(loss) ? loss : NULL;
}

static void descent_scene(tg_context *tg, tg_tensor *x)
{
    (void)tg;
    problem q = {tg_lbfgs_list(TG_LIST(x), TG_LBFGS(.callback = jump_from_descent)), x};
    tg_step_closure(q.optim, squares, &q);
}

static void on_error_scene(tg_context *tg, tg_tensor *x)
{
    tg_scope_begin(tg);
    tg_var_dims(x, TG_DIMS(3), 1, false);
}

static void check_scene(scene *play)
{
    guarded g = {0};
    tg_options o = guarded_options(&g);
    o.on_error = play == on_error_scene ? jump_from_on_error : NULL;
    tg_context *volatile tg = tg_open(&o);
    tg_tensor *volatile x = leaf(tg, 1, 2);
    if (setjmp(outside) == 0) {
        play(tg, x);
        fail_msg("it has returned");
    }
    assert_int_equal(tg_ok(tg), !o.on_error);
    assert_int_equal(tg_error_code(tg), o.on_error ? TG_ERR_INDEX : TG_OK);
    assert_non_null(tg_error(tg));
    tg_close(tg);
    assert_int_equal(g.blocks, 0);
    assert_false(g.damaged);
}

static void test_a_context_that_was_jumped_out_of_can_be_closed(void **state)
{
    static scene *const scenes[] = {forward_scene,   lambda_scene,   loss_scene,
                                    apply_scene,     backward_scene, grad_scene,
                                    gradcheck_scene, jacobian_scene, curve_fit_scene,
                                    closure_scene,   descent_scene,  on_error_scene};
    (void)state;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) check_scene(scenes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_forward_is_called_with_null),
        cmocka_unit_test(test_items_of_a_failed_list_are_null),
        cmocka_unit_test(test_a_context_that_was_jumped_out_of_can_be_closed),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
