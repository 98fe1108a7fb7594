/* Schedules beyond their rates: wrong arguments, and schedules beside or after one another. */
#include "leaf.h"

/* A group without momentum that was added after the schedule gets the momentum of the cycle. Its
 * two steps, with gradients of 1, move p by lr and then by lr (1 + momentum). */
static void test_a_cycle_gives_momentum_to_a_group_that_had_none(void **state)
{
    tg_context *tg = *state;
    tg_tensor *p = leaf(tg, 0), *q = leaf(tg, 0);
    tg_optim *sgd = tg_sgd_list(TG_LIST(p), TG_SGD(.lr = 1, .momentum = 0.5));
    tg_scheduler *s = tg_one_cycle_lr(sgd, TG_ONE_CYCLE(.max_lr = 1, .total_steps = 4));
    assert_true(tg_sgd_group(sgd, TG_LIST(q), TG_SGD(.lr = 1)));
    double want = 0, buffer = 0;
    for (int i = 0; i < 2; i++) {
        assert_true(tg_scheduler_step(s) && tg_zero_grad(sgd) && tg_backward(tg_sum(q)));
        const tg_state *told = tg_optim_state_dict(sgd);
        buffer = 1 + buffer * tg_item(tg_state_get(told, "param_groups.1.momentum"));
        want -= tg_group_lr(sgd, 1) * buffer;
        assert_true(tg_step(sgd));
    }
    assert_true(fabs(tg_item(q) - want) < 1e-14);
    check_ok(tg);
}

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

/* A schedule takes the rate before the first schedule as its base. The values are those of PyTorch.
 */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cycle_gives_momentum_to_a_group_that_had_none),
        cmocka_unit_test(test_schedules_refused),
        cmocka_unit_test(test_a_group_added_under_a_schedule),
        cmocka_unit_test(test_a_schedule_after_another),
        cmocka_unit_test(test_a_new_cosine_schedule_on_a_used_optimiser),
        cmocka_unit_test(test_two_schedules_at_once),
        cmocka_unit_test(test_one_cycle_of_few_steps),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
