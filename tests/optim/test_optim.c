/* Optimisers apart from their arithmetic: parameter groups, frozen parameters, and wrong
 * arguments. */
#include "leaf.h"
#include "optimisers.h"

typedef tg_optim *maker(tg_list parameters);

#define OF_A_LIST(name)                                                                            \
    static tg_optim *make_##name(tg_list p)                                                        \
    {                                                                                              \
        return tg_##name##_list(p, NULL);                                                          \
    }
OF_A_LIST(adam)
OF_A_LIST(adamw)
OF_A_LIST(rmsprop)
OF_A_LIST(adagrad)

/* ---- None is forgotten. */

enum { PAGE = 1 << 17 };

static void read_file(const char *name, char *text)
{
    FILE *file = fopen(name, "r");
    if (!file) fail_msg("%s cannot be read", name);
    const size_t size = fread(text, 1, PAGE - 1, file);
    fclose(file);
    assert_true(size > 0 && size < PAGE - 1);
    text[size] = 0;
}

/* The programs that are installed cannot include optimisers.h; they show each option by name. */
static void test_every_optimiser_is_in_the_list(void **state)
{
#define NAME(name) #name,
    static const char *const list[] = {EACH_OPTIMISER(NAME)};
    static char header[PAGE], shown[PAGE];
    (void)state;
    read_file(TEST_ROOT "/include/tinygrad/optim.h", header);
    read_file(TEST_ROOT "/tests/install/options.c", shown);
    for (const char *at = header; (at = strstr(at, "TG_API tg_optim *tg_")); at++) {
        char name[40] = "", wanted[64];
        bool listed = false;
        sscanf(at, "TG_API tg_optim *tg_%39[a-z0-9_](tg_module", name);
        if (strstr(name, "_list")) continue;
        for (size_t i = 0; i < sizeof list / sizeof *list; i++)
            if (strcmp(list[i], name) == 0) listed = true;
        if (!listed) fail_msg("tests/support/optimisers.h lacks %s", name);
        snprintf(wanted, sizeof wanted, "tg_%s_options", name);
        if (!strstr(shown, wanted)) fail_msg("tests/install/options.c lacks %s", wanted);
    }
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

static tg_optim *momentum_of(tg_module *m)
{
    return tg_sgd(m, &(tg_sgd_options){.lr = 0.1, .momentum = 0.9});
}

#define OF_A_MODULE(name)                                                                          \
    static tg_optim *name##_of(tg_module *m)                                                       \
    {                                                                                              \
        return tg_##name(m, NULL);                                                                 \
    }
EACH_OPTIMISER(OF_A_MODULE)

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
#define MAKER_OF(name) name##_of,
    static tg_optim *(*const makers[])(tg_module *) = {EACH_OPTIMISER(MAKER_OF) momentum_of};
    tg_context *tg = *state;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
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
    static maker *const makers[] = {make_adam, make_rmsprop, make_adagrad, make_adamw};
    for (int kind = 0; kind < 4; kind++)
        for (int i = 0; i < 4; i++) {
            tg_scope_begin(tg);
            tg_tensor *p = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(1)), true);
            const tg_list list = {1, &p};
            tg_optim *o = makers[kind](list);
            for (int step = 0; step < 3; step++) {
                tg_zero_grad(o);
                assert_true(tg_backward(tg_sum(tg_mul_scalar(p, gradients[i]))) && tg_step(o));
            }
            assert_true(fabs(tg_item(p) - want[kind][i]) < 1e-7);
            tg_scope_end(tg);
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
        cmocka_unit_test(test_every_optimiser_is_in_the_list),
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
        cmocka_unit_test(test_adaptive_optimisers_at_the_ends_of_the_range),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
