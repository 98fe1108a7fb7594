/* Optimisers apart from their arithmetic: parameter groups, closures, clipping, schedules, and
 * wrong arguments. */
#include "leaf.h"

typedef tg_optim *maker(tg_list parameters);

static tg_optim *make_adam(tg_list p)
{
    return tg_adam_list(p, NULL);
}

static tg_optim *make_rmsprop(tg_list p)
{
    return tg_rmsprop_list(p, NULL);
}

static tg_optim *make_adagrad(tg_list p)
{
    return tg_adagrad_list(p, NULL);
}

static void step_towards(tg_optim *optim, tg_tensor *p, double g)
{
    tg_zero_grad(optim);
    assert_true(tg_backward(tg_mul_scalar(tg_sum(p), g)));
    assert_true(tg_step(optim));
}

/* The first step of each is lr in the direction of the sign, whatever the size of the gradient (but
 * for eps, and a tenth of the square in RMSprop's average). */
static void test_first_steps(void **state)
{
    static maker *const makers[] = {make_adam, make_rmsprop, make_adagrad};
    const double far[] = {0.001, 0.1, 0.01};
    for (int i = 0; i < 3; i++) {
        tg_tensor *p = leaf(*state, 1);
        step_towards(makers[i](TG_LIST(p)), p, 1e6);
        assert_true(fabs(tg_item(p) - (1 - far[i])) < 1e-12);
    }
}

static void test_a_missing_gradient_is_skipped(void **state)
{
    tg_tensor *p = leaf(*state, 1), *q = leaf(*state, 1);
    tg_optim *optim = tg_adam_list(TG_LIST(p, q), NULL);
    step_towards(optim, p, 1);
    check_values(q, 1);
    step_towards(optim, q, 1); /* q's first step, whatever p's count */
    assert_true(fabs(tg_item(q) - 0.999) < 1e-10);
}

/* ---- Groups. */

static void test_groups(void **state)
{
    tg_tensor *p = leaf(*state, 1), *q = leaf(*state, 1);
    tg_optim *sgd = tg_sgd_list(TG_LIST(p), &(tg_sgd_options){.lr = 0.5});
    assert_true(tg_sgd_group(sgd, TG_LIST(q), &(tg_sgd_options){.lr = 0.25, .momentum = 0.9}));
    assert_int_equal(tg_groups(sgd), 2);
    assert_true(tg_lr(sgd) == 0.5 && tg_group_lr(sgd, 1) == 0.25);
    assert_true(isnan(tg_group_lr(sgd, 2)) && isnan(tg_group_lr(sgd, -1)));
    assert_true(tg_backward(tg_sum(tg_add(p, q))) && tg_step(sgd));
    check_values(p, 0.5);
    check_values(q, 0.75);
    assert_true(tg_set_group_lr(sgd, 1, 1));
    assert_true(tg_lr(sgd) == 0.5 && tg_group_lr(sgd, 1) == 1);
    assert_true(tg_set_lr(sgd, 2));
    assert_true(tg_lr(sgd) == 2 && tg_group_lr(sgd, 1) == 2);
    assert_true(tg_groups(NULL) == 0 && isnan(tg_group_lr(NULL, 0)) && !tg_set_lr(NULL, 1));

    assert_false(tg_set_group_lr(sgd, 2, 1));
    check_error(*state, TG_ERR_INDEX, "set_group_lr: there is no group 2 in 2");
    assert_false(tg_sgd_group(sgd, TG_LIST(p), NULL));
    check_error(*state, TG_ERR_ARGUMENT, "sgd: parameter 1, [1], is in a group already");
    assert_false(tg_adam_group(sgd, TG_LIST(leaf(*state, 1)), NULL));
    check_error(*state, TG_ERR_ARGUMENT, "adam: the optimiser is sgd");
    tg_scope_begin(*state);
    assert_false(tg_sgd_group(sgd, TG_LIST(leaf(*state, 1)), NULL));
    check_error(*state, TG_ERR_CONTEXT,
                "sgd: the scope of parameter 1, [1], ends before that of the optimiser");
    tg_scope_end(*state);
    assert_int_equal(tg_groups(sgd), 2);
    assert_false(tg_sgd_group(NULL, TG_LIST(p), NULL));
}

static void test_a_group_of_another_context_is_refused(void **state)
{
    tg_context *other = tg_open(NULL);
    tg_optim *adam = tg_adam_list(TG_LIST(leaf(*state, 1)), NULL);
    assert_false(tg_adam_group(adam, TG_LIST(leaf(other, 1)), NULL));
    check_error(*state, TG_ERR_CONTEXT,
                "adam: parameter 1, [1], is of another context than the optimiser");
    assert_false(tg_adam_group(adam, TG_LIST(NULL), NULL));
    check_error(*state, TG_ERR_ARGUMENT, "adam: parameter 1 is NULL");
    assert_int_equal(tg_groups(adam), 1);
    tg_close(other);
}

/* ---- Frozen parameters, which no optimiser changes. */

static tg_optim *adam_of(tg_module *m)
{
    return tg_adam(m, NULL);
}

static tg_optim *adamw_of(tg_module *m)
{
    return tg_adamw(m, NULL);
}

static tg_optim *rmsprop_of(tg_module *m)
{
    return tg_rmsprop(m, NULL);
}

static tg_optim *adagrad_of(tg_module *m)
{
    return tg_adagrad(m, NULL);
}

static tg_optim *sgd_of(tg_module *m)
{
    return tg_sgd(m, &(tg_sgd_options){.lr = 0.1, .momentum = 0.9});
}

static tg_optim *lbfgs_of(tg_module *m)
{
    return tg_lbfgs(m, NULL);
}

typedef struct tuning {
    tg_module *net;
    tg_tensor *x;
    tg_optim *optim;
} tuning;

static tg_tensor *tune(void *user)
{
    const tuning *t = user;
    tg_zero_grad(t->optim);
    tg_tensor *loss = tg_sum(tg_square(tg_forward(t->net, t->x)));
    tg_backward(loss);
    return loss;
}

static void test_a_frozen_parameter_is_passed_over(void **state)
{
    static tg_optim *(*const makers[])(tg_module *) = {sgd_of,     adam_of,    adamw_of,
                                                       rmsprop_of, adagrad_of, lbfgs_of};
    tg_context *tg = *state;
    for (int i = 0; i < 6; i++) {
        tg_module *first = tg_linear(tg, 3, 4, TG_BIAS), *second = tg_linear(tg, 4, 2, TG_BIAS);
        tuning t = {tg_sequential(TG_MODULES(first, second)), tg_ones(tg, TG_F32, TG_SHAPE(5, 3)),
                    NULL};
        tg_tensor *frozen = tg_param(first, "weight"), *moves = tg_param(second, "weight");
        tg_requires_grad_(frozen, false);
        tg_tensor *before = tg_clone(frozen), *was = tg_clone(moves);
        t.optim = makers[i](t.net);
        assert_true(isfinite(tg_step_closure(t.optim, tune, &t)));
        assert_true(tg_item(tg_all(tg_eq(frozen, before))) == 1);
        assert_true(tg_item(tg_any(tg_eq(moves, was))) == 0);
        check_ok(tg);
    }
}

/* A parameter that was frozen begins with Adam's first step, however many steps the others have
 * made. */
static void test_a_parameter_moves_once_it_is_no_longer_frozen(void **state)
{
    tg_tensor *p = leaf(*state, 1), *q = tg_requires_grad_(leaf(*state, 1), false);
    tg_optim *adam = tg_adam_list(TG_LIST(p, q), NULL);
    step_towards(adam, p, 1);
    check_values(q, 1);
    tg_requires_grad_(q, true);
    step_towards(adam, q, 1);
    assert_true(fabs(element_of(q, 0) - 0.999) < 1e-10);
    tg_requires_grad_(q, false); /* its gradient is still there */
    assert_true(tg_step(adam));
    assert_true(fabs(element_of(q, 0) - 0.999) < 1e-10);
}

/* An optimiser keeps no state for a frozen parameter, as in a large model of which only the last
 * layer is trained. */
static void test_a_frozen_parameter_takes_no_memory(void **state)
{
    tg_context *tg = *state;
    tg_tensor *p = leaf(tg, 1), *large = tg_zeros(tg, TG_F32, TG_SHAPE(1 << 20));
    tg_requires_grad_(tg_requires_grad_(large, true), false);
    const size_t before = tg_get_stats(tg).live_bytes;
    tg_adam_list(TG_LIST(p, large), NULL);
    assert_true(tg_get_stats(tg).live_bytes - before < 1 << 20);
    tg_lbfgs_list(TG_LIST(p, large), NULL);
    assert_true(tg_get_stats(tg).live_bytes - before < 1 << 20);
}

static void test_messages_name_a_parameter_by_its_path(void **state)
{
    tg_context *tg = *state;
    tg_context *lender = tg_open(NULL);
    tg_tensor *lent = leaf(lender, 1, 2);
    tg_module *own = tg_module_new(tg, "Own", NULL, 0);
    tg_register_parameter(own, "weight", tg_borrow(tg, lent));
    tg_module *net = tg_sequential(TG_MODULES(own));
    assert_null(tg_adam(net, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "adam: 0.weight: the tensor [2] is borrowed and read-only");
    tg_requires_grad_(tg_param(net, "0.weight"), false);
    assert_non_null(tg_adam(net, NULL));
    tg_requires_grad_(tg_param(net, "0.weight"), true);
    release_noticed(tg_param(net, "0.weight"));
    assert_null(tg_adam(net, NULL));
    check_error(tg, TG_ERR_CONTEXT, "adam: 0.weight: the tensor [2] was released");
    tg_close(lender);
}

/* The values are those of torch.optim in float64. */
static void test_an_infinite_parameter_stays(void **state)
{
    static maker *const makers[] = {make_adam, make_rmsprop, make_adagrad};
    const double left[] = {0.99900000001, 0.9000000099999991, 0.990000000001};
    for (int i = 0; i < 3; i++) {
        tg_tensor *p = leaf(*state, -INFINITY, 1);
        tg_optim *optim = makers[i](TG_LIST(p));
        assert_true(
            tg_backward(tg_sum(tg_mul(p, tg_masked_fill(constant(*state, 0, 1), tg_isinf(p), 0)))));
        assert_true(tg_step(optim));
        assert_true(element_of(p, 0) == -INFINITY && fabs(element_of(p, 1) - left[i]) < 1e-15);
    }
}

static void test_options_refused(void **state)
{
    tg_context *tg = *state;
    tg_list p = TG_LIST(leaf(tg, 1));
    tg_adam_options adam = tg_adam_defaults();
    adam.beta2 = 1;
    assert_null(tg_adam_list(p, &adam));
    check_error(tg, TG_ERR_ARGUMENT, "adam: beta2 1 does not lie in [0, 1)");
    assert_null(tg_adamw_list(p, &adam));
    check_error(tg, TG_ERR_ARGUMENT, "adamw: beta2 1 does not lie in [0, 1)");
    adam = tg_adam_defaults();
    adam.eps = -1;
    assert_null(tg_adam_list(p, &adam));
    check_error(tg, TG_ERR_ARGUMENT, "adam: eps -1 is not a finite number >= 0");
    tg_rmsprop_options rmsprop = tg_rmsprop_defaults();
    rmsprop.alpha = NAN;
    assert_null(tg_rmsprop_list(p, &rmsprop));
    check_error(tg, TG_ERR_ARGUMENT, "rmsprop: alpha nan is not a finite number >= 0");
    tg_adagrad_options adagrad = tg_adagrad_defaults();
    adagrad.lr_decay = -0.5;
    assert_null(tg_adagrad_list(p, &adagrad));
    check_error(tg, TG_ERR_ARGUMENT, "adagrad: lr_decay -0.5 is not a finite number >= 0");
    tg_lbfgs_options lbfgs = tg_lbfgs_defaults();
    lbfgs.history_size = 0;
    assert_null(tg_lbfgs_list(p, &lbfgs));
    check_error(tg, TG_ERR_ARGUMENT,
                "lbfgs: history_size is 0, but must be at least 1; TG_LBFGS and "
                "tg_lbfgs_defaults() set it");
    lbfgs.history_size = 1;
    lbfgs.max_iter = INT64_MAX;
    assert_null(tg_lbfgs_list(p, &lbfgs));
    check_error(tg, TG_ERR_ARGUMENT,
                "lbfgs: max_iter is 9223372036854775807, but must be at most 2147483647");
    assert_null(tg_adam_list(p, &(tg_adam_options){.lr = 0.01}));
    check_error(tg, TG_ERR_ARGUMENT,
                "adam: beta1, beta2 and eps are 0; begin with tg_adam_defaults()");
    assert_null(tg_rmsprop_list(p, &(tg_rmsprop_options){.lr = 0.01}));
    check_error(tg, TG_ERR_ARGUMENT,
                "rmsprop: alpha and eps are 0; begin with tg_rmsprop_defaults()");
    assert_null(tg_adam(tg_mseloss(tg, TG_MEAN), NULL));
    check_error(tg, TG_ERR_ARGUMENT, "adam: MSELoss has no parameters");
    assert_true(!tg_adam(NULL, NULL) && !tg_lbfgs(NULL, NULL) && !tg_adam_list(TG_LIST(), NULL));
    check_ok(tg);
}

static void test_nothing_moves_while_an_error_is_pending(void **state)
{
    tg_context *tg = *state;
    tg_tensor *p = leaf(tg, 1);
    tg_optim *adam = tg_adam_list(TG_LIST(p), NULL);
    tg_scheduler *s = tg_exponential_lr(adam, 0.5);
    assert_true(tg_backward(tg_sum(p)));
    assert_null(tg_matmul(p, tg_scalar(tg, TG_F64, 1)));
    assert_false(tg_step(adam) || tg_zero_grad(adam) || tg_scheduler_step(s));
    assert_true(isnan(tg_clip_grad_norm_(TG_LIST(p), 0.1, 2, false)));
    assert_false(tg_clip_grad_value_(TG_LIST(p), 0.1) || tg_set_lr(adam, 1));
    assert_null(tg_sgd_list(TG_LIST(p), NULL));
    tg_clear_error(tg);
    check_values(p, 1);
    check_values(p->grad, 1);
    assert_true(tg_lr(adam) == 0.001);
}

/* ---- Closures. */

typedef struct problem {
    tg_optim *optim;
    tg_tensor *p;
    int calls;
    int fails; /* the number of the call that fails */
    double by; /* with what the loss of steep is multiplied */
} problem;

/* (p - 3)^2, summed. */
static tg_tensor *distance(void *user)
{
    problem *q = user;
    tg_zero_grad(q->optim);
    if (++q->calls == q->fails) return tg_matmul(q->p, tg_scalar(q->p->context, TG_F64, 1));
    tg_tensor *loss = tg_sum(tg_square(tg_sub_scalar(q->p, 3)));
    tg_backward(loss);
    return loss;
}

static tg_tensor *steep(void *user)
{
    problem *q = user;
    tg_zero_grad(q->optim);
    if (++q->calls == q->fails) return tg_matmul(q->p, tg_scalar(q->p->context, TG_F64, 1));
    tg_tensor *loss = tg_sum(tg_mul_scalar(tg_square(q->p), q->by));
    tg_backward(loss);
    return loss;
}

/* p^2 - log p, summed. */
static tg_tensor *with_log(void *user)
{
    problem *q = user;
    tg_zero_grad(q->optim);
    q->calls++;
    tg_tensor *loss = tg_sum(tg_sub(tg_square(q->p), tg_log(q->p)));
    tg_backward(loss);
    return loss;
}

static tg_tensor *nothing(void *user)
{
    (void)user;
    return NULL;
}

static void test_step_closure(void **state)
{
    tg_tensor *p = leaf(*state, 1);
    problem q = {tg_sgd_list(TG_LIST(p), &(tg_sgd_options){.lr = 0.5}), p, 0, 0, 1};
    assert_true(tg_step_closure(q.optim, distance, &q) == 4);
    assert_int_equal(q.calls, 1);
    check_values(p, 3);
    assert_true(isnan(tg_step_closure(q.optim, NULL, NULL)));
    check_error(*state, TG_ERR_ARGUMENT, "step_closure: the closure is NULL");
    assert_true(isnan(tg_step_closure(NULL, distance, &q)));
    assert_true(isnan(tg_step_closure(q.optim, nothing, &q)));
    check_error(*state, TG_ERR_ARGUMENT, "step_closure: the closure returned NULL");
    q.fails = 2;
    assert_true(isnan(tg_step_closure(q.optim, distance, &q)));
    assert_int_equal(tg_error_code(*state), TG_ERR_SHAPE);
    tg_clear_error(*state);
    check_values(p, 3);
}

/* A quadratic in one dimension: two evaluations find its minimum, a third that it is one. */
static void test_lbfgs(void **state)
{
    tg_tensor *p = leaf(*state, 1, -5);
    tg_lbfgs_options o = tg_lbfgs_defaults();
    o.strong_wolfe = true;
    problem q = {tg_lbfgs_list(TG_LIST(p), &o), p, 0, 0, 1};
    assert_true(tg_step_closure(q.optim, distance, &q) == 68);
    assert_true(fabs(tg_get(p, TG_INDEX(0)) - 3) < 1e-9 && fabs(tg_get(p, TG_INDEX(1)) - 3) < 1e-9);
    const int calls = q.calls;
    assert_true(tg_step_closure(q.optim, distance, &q) < 1e-16);
    assert_int_equal(q.calls, calls + 1);
    assert_false(tg_step(q.optim));
    check_error(*state, TG_ERR_ARGUMENT,
                "step: lbfgs evaluates the loss more than once; use tg_step_closure");
}

/* A step that fails puts the parameters back to where its line search began. */
static void test_lbfgs_after_a_failure(void **state)
{
    for (int wolfe = 0; wolfe < 2; wolfe++) {
        tg_tensor *p = leaf(*state, 1, -5);
        tg_lbfgs_options o = tg_lbfgs_defaults();
        o.strong_wolfe = wolfe;
        problem q = {tg_lbfgs_list(TG_LIST(p), &o), p, 0, 2, 1};
        assert_true(isnan(tg_step_closure(q.optim, distance, &q)));
        assert_int_equal(tg_error_code(*state), TG_ERR_SHAPE);
        tg_clear_error(*state);
        check_values(p, 1, -5);
    }
}

/* After a failure, the next step is a first step again. The values are PyTorch's. */
static void test_lbfgs_is_stepped_again_after_a_failure(void **state)
{
    tg_tensor *p = leaf(*state, 3, 4);
    tg_lbfgs_options o = tg_lbfgs_defaults();
    o.max_iter = 2;
    problem q = {.optim = tg_lbfgs_list(TG_LIST(p), &o), .p = p, .fails = 2, .by = 100};
    assert_true(isnan(tg_step_closure(q.optim, steep, &q)));
    tg_clear_error(*state);
    assert_true(tg_step_closure(q.optim, steep, &q) == 2500);
    check_near(p, 2.5714285714285716, 3.4285714285714284);
}

/* (p0 - by)^2 + 10 (p1 - by)^2. */
static tg_tensor *valley(void *user)
{
    problem *q = user;
    tg_zero_grad(q->optim);
    if (++q->calls == q->fails) return NULL;
    tg_tensor *square = tg_square(tg_sub_scalar(q->p, q->by));
    tg_tensor *loss = tg_dot(square, constant(q->p->context, 1, 10));
    tg_backward(loss);
    return loss;
}

/* What was undone tells nothing of the curvature: with another loss, the next step goes where the
 * pair before it, and only that, turns the gradient (Nocedal and Wright, algorithm 7.4). */
static void test_lbfgs_forgets_a_step_that_was_undone(void **state)
{
    tg_tensor *p = leaf(*state, 3, 4);
    tg_lbfgs_options o = tg_lbfgs_defaults();
    o.max_iter = 1;
    o.strong_wolfe = true;
    problem q = {.optim = tg_lbfgs_list(TG_LIST(p), &o), .p = p};
    assert_true(!isnan(tg_step_closure(q.optim, valley, &q)));
    const double x[] = {element_of(p, 0), element_of(p, 1)}, s[] = {x[0] - 3, x[1] - 4};
    q.fails = q.calls + 2;
    assert_true(isnan(tg_step_closure(q.optim, valley, &q)));
    tg_clear_error(*state);
    check_values(p, x[0], x[1]);
    q.by = 1;
    assert_true(!isnan(tg_step_closure(q.optim, valley, &q)));
    const double y[] = {2 * s[0], 20 * s[1]}, g[] = {2 * (x[0] - 1), 20 * (x[1] - 1)};
    const double ys = y[0] * s[0] + y[1] * s[1], scale = ys / (y[0] * y[0] + y[1] * y[1]);
    const double alpha = -(s[0] * g[0] + s[1] * g[1]) / ys;
    double d[2];
    for (int i = 0; i < 2; i++) d[i] = scale * (-g[i] - alpha * y[i]);
    const double beta = (y[0] * d[0] + y[1] * d[1]) / ys;
    for (int i = 0; i < 2; i++) d[i] += (alpha - beta) * s[i];
    const double gone[] = {element_of(p, 0) - x[0], element_of(p, 1) - x[1]};
    assert_true(fabs(gone[0] * d[1] - gone[1] * d[0]) < 1e-12 && fabs(gone[0]) > 0.01);
}

static void test_lbfgs_along_an_infinite_gradient(void **state)
{
    tg_tensor *p = leaf(*state, 3, 4);
    problem q = {.optim = tg_lbfgs_list(TG_LIST(p), NULL), .p = p, .fails = 2, .by = INFINITY};
    assert_true(isnan(tg_step_closure(q.optim, steep, &q)));
    tg_clear_error(*state);
    check_values(p, 3, 4);
}

/* ---- Losses that are not finite. */

#define BACK "the parameters are back where both were finite; try a smaller lr, or strong_wolfe"

static void test_lbfgs_stops_where_the_loss_was_last_finite(void **state)
{
    tg_tensor *p = leaf(*state, 0.5, 2);
    tg_lbfgs_options o = tg_lbfgs_defaults();
    o.lr = 50;
    problem q = {.optim = tg_lbfgs_list(TG_LIST(p), &o), .p = p};
    assert_true(isnan(tg_step_closure(q.optim, with_log, &q)));
    check_error(*state, TG_ERR_ARGUMENT, "lbfgs: the loss is nan; " BACK);
    assert_int_equal(q.calls, 2);
    check_values(p, 0.5, 2);
}

/* A step of one iteration does not evaluate the loss where it arrives; the next step does. */
static void test_lbfgs_goes_back_to_where_the_step_before_began(void **state)
{
    tg_tensor *p = leaf(*state, 0.5, 2);
    tg_lbfgs_options o = tg_lbfgs_defaults();
    o.lr = 50;
    o.max_iter = 1;
    problem q = {.optim = tg_lbfgs_list(TG_LIST(p), &o), .p = p};
    assert_true(tg_step_closure(q.optim, with_log, &q) == 4.25);
    assert_true(isnan(tg_step_closure(q.optim, with_log, &q)));
    check_error(*state, TG_ERR_ARGUMENT, "lbfgs: the loss is nan; " BACK);
    check_values(p, 0.5, 2);
    assert_true(tg_step_closure(q.optim, with_log, &q) == 4.25);
}

/* Parameters that the program has changed since are not put back. */
static void test_lbfgs_leaves_parameters_of_a_loss_that_is_not_finite_at_first(void **state)
{
    tg_tensor *p = leaf(*state, -1, 0);
    tg_lbfgs_options o = tg_lbfgs_defaults();
    o.max_iter = 1;
    problem q = {.optim = tg_lbfgs_list(TG_LIST(p), &o), .p = p};
    assert_true(isnan(tg_step_closure(q.optim, with_log, &q)));
    check_error(*state, TG_ERR_ARGUMENT, "lbfgs: the loss is nan; the parameters are as they were");
    check_values(p, -1, 0);
    tg_copy_from_f64(p, (double[]){1, 2});
    assert_true(isfinite(tg_step_closure(q.optim, with_log, &q)));
    tg_copy_from_f64(p, (double[]){0, 2});
    assert_true(isnan(tg_step_closure(q.optim, with_log, &q)));
    check_error(*state, TG_ERR_ARGUMENT, "lbfgs: the loss is inf; the parameters are as they were");
    check_values(p, 0, 2);
}

/* sqrt(p), summed. */
static tg_tensor *root(void *user)
{
    problem *q = user;
    tg_zero_grad(q->optim);
    tg_tensor *loss = tg_sum(tg_sqrt(q->p));
    tg_backward(loss);
    return loss;
}

static void test_lbfgs_of_a_gradient_that_is_not_finite(void **state)
{
    tg_tensor *p = leaf(*state, 4, 0);
    problem q = {.optim = tg_lbfgs_list(TG_LIST(p), NULL), .p = p};
    assert_true(isnan(tg_step_closure(q.optim, root, &q)));
    check_error(*state, TG_ERR_ARGUMENT,
                "lbfgs: the loss is 2, its gradient not finite; the parameters are as they were");
    check_values(p, 4, 0);
}

/* The line search takes a loss that is not finite for a step that is too long. The minimum of p^2 -
 * log p is at the square root of 1 / 2. */
static void test_a_line_search_comes_back_from_a_loss_that_is_not_finite(void **state)
{
    const double lrs[] = {1, 50, 1e6};
    for (int i = 0; i < 3; i++) {
        tg_tensor *p = leaf(*state, 0.5, 2);
        tg_lbfgs_options o = tg_lbfgs_defaults();
        o.lr = lrs[i];
        o.strong_wolfe = true;
        o.max_iter = 100;
        problem q = {.optim = tg_lbfgs_list(TG_LIST(p), &o), .p = p};
        assert_true(tg_step_closure(q.optim, with_log, &q) == 4.25);
        check_ok(*state);
        for (int k = 0; k < 2; k++) assert_true(fabs(element_of(p, k) - sqrt(0.5)) < 1e-5);
    }
}

/* A loss that is finite where the search begins, and nowhere else. */
static tg_tensor *pit(void *user)
{
    problem *q = user;
    tg_tensor *loss = distance(user);
    return q->calls == 1 ? loss : tg_mul_scalar(loss, NAN);
}

static void test_a_line_search_that_finds_nothing_finite(void **state)
{
    tg_tensor *p = leaf(*state, 1, -5);
    tg_lbfgs_options o = tg_lbfgs_defaults();
    o.strong_wolfe = true;
    problem q = {.optim = tg_lbfgs_list(TG_LIST(p), &o), .p = p};
    assert_true(isnan(tg_step_closure(q.optim, pit, &q)));
    check_error(*state, TG_ERR_ARGUMENT, "lbfgs: the loss is nan; " BACK);
    check_values(p, 1, -5);
}

/* ---- Closures that fail. */

enum { FEW = 5 };

/* sum (i + 1) (p[i] - 1)^2 + (sum p - 3)^2 + (p[0] p[1])^2 */
static tg_tensor *bowl(void *user)
{
    problem *q = user;
    tg_zero_grad(q->optim);
    if (++q->calls == q->fails) return NULL;
    tg_tensor *d = tg_square(tg_sub_scalar(q->p, 1));
    tg_tensor *both = tg_mul(tg_select(q->p, 0, 0), tg_select(q->p, 0, 1));
    tg_tensor *loss = tg_add(tg_dot(d, tg_arange(q->p->context, TG_F64, 1, FEW + 1, 1)),
                             tg_add(tg_square(tg_sub_scalar(tg_sum(q->p), 3)), tg_square(both)));
    tg_backward(loss);
    return loss;
}

enum { RUNS = 4 };

/* Some steps, in which one call of the closure fails; what failed has changed nothing and is done
 * again. Returns whether it came to that call. */
static bool descend(tg_context *tg, const tg_lbfgs_options *o, int fails, double *out)
{
    tg_tensor *p = leaf(tg, 0, 0, 0, 0, 0);
    problem q = {.optim = tg_lbfgs_list(TG_LIST(p), o), .p = p, .fails = fails};
    for (int run = 0; run < RUNS; run++) {
        double before[FEW], after[FEW];
        assert_true(tg_copy_to_f64(p, before));
        if (!isnan(tg_step_closure(q.optim, bowl, &q))) continue;
        check_error(tg, TG_ERR_ARGUMENT, "step_closure: the closure returned NULL");
        assert_true(tg_copy_to_f64(p, after));
        assert_memory_equal(after, before, sizeof after);
        run--;
    }
    assert_true(tg_copy_to_f64(p, out));
    return q.calls >= fails;
}

/* 0 became 1.42: what the iterations before the one that failed had done stayed. */
static void test_lbfgs_step_whose_closure_fails_changes_nothing(void **state)
{
    const int64_t histories[] = {1, 2, 3, 100}, iterations[] = {1, 2, 3, 7};
    int failures = 0;
    for (int i = 0; i < 32; i++) {
        double want[FEW], got[FEW];
        tg_lbfgs_options o = tg_lbfgs_defaults();
        o.history_size = histories[i % 4];
        o.max_iter = iterations[i / 4 % 4];
        o.strong_wolfe = i >= 16;
        o.lr = o.strong_wolfe ? 1 : 0.5;
        descend(*state, &o, 0, want);
        for (int fails = 1; descend(*state, &o, fails, got); fails++, failures++)
            assert_memory_equal(got, want, sizeof got);
    }
    assert_true(failures > 300);
}

/* Of two dtypes, one of them not contiguous: the sum of both distances. */
static tg_tensor *distances(void *user)
{
    problem *q = user;
    tg_tensor **p = (tg_tensor **)(void *)q->p;
    tg_zero_grad(q->optim);
    tg_tensor *near = tg_sum(tg_square(tg_sub_scalar(p[0], 3)));
    tg_tensor *loss = tg_add(near, tg_cast(tg_sum(tg_square(tg_add_scalar(p[1], 2))), TG_F64));
    tg_backward(loss);
    return loss;
}

static void test_lbfgs_of_several_parameters(void **state)
{
    tg_context *tg = *state;
    tg_tensor *turned = tg_t(tg_zeros(tg, TG_F32, TG_SHAPE(2, 3)));
    tg_tensor *p[] = {leaf(tg, 1, -5), tg_requires_grad_(turned, true)};
    tg_lbfgs_options o = tg_lbfgs_defaults();
    o.strong_wolfe = true;
    problem q = {tg_lbfgs_list((tg_list){2, p}, &o), (tg_tensor *)(void *)p, 0, 0, 1};
    assert_true(tg_step_closure(q.optim, distances, &q) == 68 + 24);
    assert_true(fabs(tg_get(p[0], TG_INDEX(1)) - 3) < 1e-6);
    for (int i = 0; i < 6; i++) assert_true(fabs(element_of(p[1], i) + 2) < 1e-6);
}

/* ---- Clipping. */

static void test_clip_grad_norm(void **state)
{
    tg_context *tg = *state;
    tg_tensor *p = leaf(tg, 0, 0), *q = leaf(tg, 0), *none = leaf(tg, 0);
    tg_list all = TG_LIST(p, q, none);
    tg_backward(tg_add(tg_sum(tg_mul(p, constant(tg, 3, -4))), tg_mul_scalar(tg_sum(q), 12)));
    assert_true(tg_clip_grad_norm_(all, 100, 2, false) == 13);
    check_values(p->grad, 3, -4);
    assert_true(tg_clip_grad_norm_(all, 100, INFINITY, false) == 12);
    assert_true(tg_clip_grad_norm_(all, 100, 1, false) == 19);
    assert_true(tg_clip_grad_norm_(all, 1, 2, false) == 13);
    const double f = 1 / (13 + 1e-6);
    check_near(p->grad, 3 * f, -4 * f);
    check_near(q->grad, 12 * f);
    assert_true(tg_clip_grad_norm_(TG_LIST(none), 1, 2, false) == 0);
    assert_true(isnan(tg_clip_grad_norm_(all, -1, 2, false)));
    check_error(tg, TG_ERR_ARGUMENT, "clip_grad_norm_: the bound -1 is negative");
    assert_true(isnan(tg_clip_grad_norm_(all, 1, 0, false)));
    check_error(tg, TG_ERR_ARGUMENT, "clip_grad_norm_: norm_type 0 is not positive");
}

/* PyTorch's parameters after three steps from 1 with a constant gradient: squares that vanish count
 * as 0, and those that are infinite let nothing move. */
static void test_adaptive_optimisers_at_the_ends_of_the_range(void **state)
{
    tg_context *tg = *state;
    const double gradients[] = {1e-30, 1e-20, 1e20, 1e30};
    const double want[][4] = {
        {1, 1, 0.9970000386238098, 1},
        {1, 1, 0.7710869908332825, 1},
        {1, 1, 1, 1},
        {0.9999699592590332, 0.9999699592590332, 0.996969997882843, 0.9999699592590332}};
    for (int kind = 0; kind < 4; kind++)
        for (int i = 0; i < 4; i++) {
            tg_scope_begin(tg);
            tg_tensor *p = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(1)), true);
            const tg_list list = {1, &p};
            tg_optim *o = kind == 0   ? tg_adam_list(list, NULL)
                          : kind == 1 ? tg_rmsprop_list(list, NULL)
                          : kind == 2 ? tg_adagrad_list(list, NULL)
                                      : tg_adamw_list(list, NULL);
            for (int step = 0; step < 3; step++) {
                tg_zero_grad(o);
                assert_true(tg_backward(tg_sum(tg_mul_scalar(p, gradients[i]))) && tg_step(o));
            }
            assert_true(fabs(tg_item(p) - want[kind][i]) < 1e-7);
            tg_scope_end(tg);
        }
}

/* torch.nn.utils.clip_grad_norm_([], 1) is 0. */
static void test_clipping_an_empty_list_gives_0(void **state)
{
    assert_true(tg_clip_grad_norm_(TG_LIST(), 1, 2, true) == 0);
    assert_true(tg_clip_grad_value_(TG_LIST(), 1));
    check_ok(*state);
}

/* The gradients stay as they are; unasked, they become 0 or NaN, as in PyTorch. */
static void test_clip_grad_norm_error_if_nonfinite(void **state)
{
    tg_context *tg = *state;
    tg_tensor *p = leaf(tg, 0, 0);
    tg_backward(tg_sum(tg_mul(p, constant(tg, INFINITY, 2))));
    assert_true(isnan(tg_clip_grad_norm_(TG_LIST(p), 1, 2, true)));
    check_error(tg, TG_ERR_ARGUMENT, "clip_grad_norm_: the norm of the gradients is inf");
    check_values(p->grad, INFINITY, 2);
    assert_true(tg_clip_grad_norm_(TG_LIST(p), 1, 2, false) == INFINITY);
    check_values(p->grad, NAN, 0);
    assert_true(isnan(tg_clip_grad_norm_(TG_LIST(p), 1, 2, true)));
    check_error(tg, TG_ERR_ARGUMENT, "clip_grad_norm_: the norm of the gradients is nan");
    check_values(p->grad, NAN, 0);
}

static void test_clip_grad_value(void **state)
{
    tg_context *tg = *state;
    tg_tensor *p = leaf(tg, 0, 0, 0), *none = leaf(tg, 0);
    tg_backward(tg_sum(tg_mul(p, constant(tg, 3, -4, 0.5))));
    assert_true(tg_clip_grad_value_(TG_LIST(p, none), 2));
    check_values(p->grad, 2, -2, 0.5);
    assert_false(tg_clip_grad_value_(TG_LIST(p), NAN));
    check_error(tg, TG_ERR_ARGUMENT, "clip_grad_value_: the bound nan is negative");
}

/* ---- Schedules. */

static void test_schedules_refused(void **state)
{
    tg_context *tg = *state;
    tg_list p = TG_LIST(leaf(tg, 1));
    tg_optim *sgd = tg_sgd_list(p, NULL);
    assert_null(tg_step_lr(sgd, 0, 0.1));
    check_error(tg, TG_ERR_ARGUMENT, "step_lr: step_size is 0, but must be at least 1");
    assert_null(tg_cosine_annealing_lr(sgd, INT64_MAX, 0));
    check_error(
        tg, TG_ERR_ARGUMENT,
        "cosine_annealing_lr: T_max is 9223372036854775807, but must be at most 2147483647");
    tg_one_cycle_options o = tg_one_cycle_defaults(1, 10);
    assert_null(tg_one_cycle_lr(sgd, &o));
    check_error(tg, TG_ERR_ARGUMENT,
                "one_cycle_lr: sgd has no momentum to cycle; set cycle_momentum false");
    o.total_steps = 0;
    assert_null(tg_one_cycle_lr(sgd, &o));
    check_error(
        tg, TG_ERR_ARGUMENT,
        "one_cycle_lr: total_steps is 0, but must be at least 1; it has no default, so set it");
    o = tg_one_cycle_defaults(1, 2);
    o.cycle_momentum = false;
    tg_scheduler *s = tg_one_cycle_lr(sgd, &o);
    assert_true(tg_scheduler_step(s) && tg_scheduler_step(s));
    assert_false(tg_scheduler_step(s));
    check_error(tg, TG_ERR_ARGUMENT, "scheduler_step: one_cycle_lr has only 2 steps");
    assert_false(tg_scheduler_step_metric(s, 1));
    check_error(tg, TG_ERR_ARGUMENT,
                "scheduler_step_metric: this schedule takes no metric; use tg_scheduler_step");
    s = tg_reduce_lr_on_plateau(sgd, NULL);
    assert_false(tg_scheduler_step(s));
    check_error(tg, TG_ERR_ARGUMENT,
                "scheduler_step: reduce_lr_on_plateau wants a metric; use "
                "tg_scheduler_step_metric");
    tg_plateau_options bad = tg_plateau_defaults();
    bad.factor = 1;
    assert_null(tg_reduce_lr_on_plateau(sgd, &bad));
    check_error(tg, TG_ERR_ARGUMENT, "reduce_lr_on_plateau: the factor 1 does not lie in [0, 1)");
    assert_null(tg_one_cycle_lr(sgd, NULL));
    check_error(tg, TG_ERR_ARGUMENT,
                "one_cycle_lr: the options are NULL, but max_lr and total_steps have no default; "
                "give TG_ONE_CYCLE(.max_lr = 0.1, .total_steps = 500)");
    assert_true(!tg_exponential_lr(NULL, 0.5) && !tg_scheduler_step(NULL) &&
                !tg_one_cycle_lr(NULL, &o) && !tg_reduce_lr_on_plateau(NULL, NULL));
    check_ok(tg);
}

static void test_a_group_added_under_a_schedule(void **state)
{
    tg_optim *sgd = tg_sgd_list(TG_LIST(leaf(*state, 1)), &(tg_sgd_options){.lr = 1});
    tg_scheduler *steps = tg_exponential_lr(sgd, 0.5);
    tg_scheduler *waves = tg_cosine_annealing_lr(sgd, 4, 0);
    assert_true(tg_sgd_group(sgd, TG_LIST(leaf(*state, 1)), &(tg_sgd_options){.lr = 8}));
    assert_true(tg_scheduler_step(steps));
    assert_true(tg_lr(sgd) == 0.5 && tg_group_lr(sgd, 1) == 4);
    for (int i = 0; i < 12; i++) assert_true(tg_scheduler_step(waves));
    assert_true(isfinite(tg_group_lr(sgd, 1)));
}

/* A schedule starts from the rate before the first one. PyTorch's values. */
static void test_a_schedule_after_another(void **state)
{
    const double rates[] = {0.0005, 0, 0.5, 1, 0.5, 0};
    tg_optim *sgd = tg_sgd_list(TG_LIST(leaf(*state, 1)), &(tg_sgd_options){.lr = 1});
    tg_scheduler *steps = tg_exponential_lr(sgd, 0.1);
    for (int i = 0; i < 3; i++) assert_true(tg_scheduler_step(steps));
    tg_scheduler *waves = tg_cosine_annealing_lr(sgd, 2, 0);
    for (int i = 0; i < 6; i++)
        assert_true(tg_scheduler_step(waves) && fabs(tg_lr(sgd) - rates[i]) < 1e-15);
}

/* 1 .854 .5 .146 0, again and again, where PyTorch stays at 0. By hand: (1 + cos(pi i / 4)) / 2. */
static void test_a_new_cosine_schedule_on_a_used_optimiser(void **state)
{
    const double pi = acos(-1), least = 0.25;
    for (int above = 0; above < 2; above++) {
        tg_optim *sgd = tg_sgd_list(TG_LIST(leaf(*state, 1)), &(tg_sgd_options){.lr = 1});
        for (int round = 0; round < 3; round++) {
            const double low = above ? least : 0;
            tg_scheduler *waves = tg_cosine_annealing_lr(sgd, 4, low);
            for (int i = 0; i < 5; i++) {
                const double want = low + (1 - low) * (1 + cos(pi * i / 4)) / 2;
                assert_true(fabs(tg_lr(sgd) - want) < 1e-15);
                if (i < 4) assert_true(tg_scheduler_step(waves));
            }
        }
    }
}

/* Each schedule starts from the rate that it has found. The values are PyTorch's. */
static void test_two_schedules_at_once(void **state)
{
    const double rates[] = {0.78, 0.666666666666667, 0, 1.648491307899526, 3.667572131617739};
    tg_optim *sgd =
        tg_sgd_list(TG_LIST(leaf(*state, 1)), &(tg_sgd_options){.lr = 0.1, .momentum = 0.9});
    tg_scheduler *waves = tg_cosine_annealing_lr(sgd, 3, 0);
    const tg_one_cycle_options o = tg_one_cycle_defaults(2, 10);
    tg_scheduler *cycle = tg_one_cycle_lr(sgd, &o);
    for (int i = 0; i < 5; i++) {
        assert_true(tg_scheduler_step(cycle) && tg_scheduler_step(waves));
        assert_true(fabs(tg_lr(sgd) - rates[i]) < 1e-14);
    }
}

/* A first phase of no steps is skipped. */
static void test_one_cycle_of_few_steps(void **state)
{
    tg_optim *sgd = tg_sgd_list(TG_LIST(leaf(*state, 1)), NULL);
    tg_one_cycle_options o = tg_one_cycle_defaults(1, 10);
    o.pct_start = 0.1;
    o.cycle_momentum = false;
    tg_scheduler *s = tg_one_cycle_lr(sgd, &o);
    assert_true(tg_lr(sgd) == 1);
    for (int i = 0; i < 9; i++) assert_true(tg_scheduler_step(s) && tg_lr(sgd) < 1);
    assert_true(fabs(tg_lr(sgd) - 1 / 25e4) < 1e-12);
}

/* Each parameter is a group of its own. */
static void test_100000_groups(void **state)
{
    enum { MANY = 100000 };
    tg_context *tg = *state;
    TG_SCOPE (tg) {
        tg_tensor *first = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(1)), true), *p = first;
        tg_optim *sgd = tg_sgd_list(TG_LIST(p), NULL);
        for (int i = 1; i < MANY; i++) {
            p = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(1)), true);
            assert_true(tg_sgd_group(sgd, TG_LIST(p), NULL));
        }
        assert_int_equal(tg_groups(sgd), MANY);
        assert_true(tg_set_lr(sgd, 0.5) && tg_group_lr(sgd, MANY - 1) == 0.5);
        assert_false(tg_sgd_group(sgd, TG_LIST(first), NULL));
        check_error(tg, TG_ERR_ARGUMENT, "sgd: parameter 1, [1], is in a group already");
        assert_non_null(tg_sgd_list(TG_LIST(first, p), NULL)); /* of another optimiser */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_steps),
        cmocka_unit_test(test_a_missing_gradient_is_skipped),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_100000_groups),
        cmocka_unit_test(test_a_group_of_another_context_is_refused),
        cmocka_unit_test(test_a_frozen_parameter_is_passed_over),
        cmocka_unit_test(test_a_parameter_moves_once_it_is_no_longer_frozen),
        cmocka_unit_test(test_a_frozen_parameter_takes_no_memory),
        cmocka_unit_test(test_messages_name_a_parameter_by_its_path),
        cmocka_unit_test(test_an_infinite_parameter_stays),
        cmocka_unit_test(test_options_refused),
        cmocka_unit_test(test_nothing_moves_while_an_error_is_pending),
        cmocka_unit_test(test_step_closure),
        cmocka_unit_test(test_lbfgs),
        cmocka_unit_test(test_lbfgs_after_a_failure),
        cmocka_unit_test(test_lbfgs_is_stepped_again_after_a_failure),
        cmocka_unit_test(test_lbfgs_forgets_a_step_that_was_undone),
        cmocka_unit_test(test_lbfgs_along_an_infinite_gradient),
        cmocka_unit_test(test_lbfgs_stops_where_the_loss_was_last_finite),
        cmocka_unit_test(test_lbfgs_goes_back_to_where_the_step_before_began),
        cmocka_unit_test(test_lbfgs_leaves_parameters_of_a_loss_that_is_not_finite_at_first),
        cmocka_unit_test(test_lbfgs_of_a_gradient_that_is_not_finite),
        cmocka_unit_test(test_a_line_search_comes_back_from_a_loss_that_is_not_finite),
        cmocka_unit_test(test_a_line_search_that_finds_nothing_finite),
        cmocka_unit_test(test_lbfgs_step_whose_closure_fails_changes_nothing),
        cmocka_unit_test(test_lbfgs_of_several_parameters),
        cmocka_unit_test(test_clip_grad_norm),
        cmocka_unit_test(test_adaptive_optimisers_at_the_ends_of_the_range),
        cmocka_unit_test(test_clipping_an_empty_list_gives_0),
        cmocka_unit_test(test_clip_grad_norm_error_if_nonfinite),
        cmocka_unit_test(test_clip_grad_value),
        cmocka_unit_test(test_schedules_refused),
        cmocka_unit_test(test_a_group_added_under_a_schedule),
        cmocka_unit_test(test_a_schedule_after_another),
        cmocka_unit_test(test_a_new_cosine_schedule_on_a_used_optimiser),
        cmocka_unit_test(test_two_schedules_at_once),
        cmocka_unit_test(test_one_cycle_of_few_steps),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
