/* Steps by a closure, and LBFGS, which makes all its steps in this way: where it stops, and in
 * which state a failure leaves it. */
#include "leaf.h"

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

/* If the iterations before the one that failed were not undone, a parameter would be 1.42 and not
 * 0. */
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

/* ---- The callback. */

typedef struct watched {
    problem q; /* what the closure is given: it must stand first */
    tg_lbfgs_progress last;
    int reports;
    int most; /* the callback stops the step after that many iterations */
} watched;

static bool watch(const tg_lbfgs_progress *progress, void *user)
{
    watched *w = user;
    w->last = *progress;
    w->reports++;
    return progress->iteration < w->most;
}

/* The loss and its gradient are those of distance, for the parameters as they are. */
static bool check_progress(const tg_lbfgs_progress *progress, void *user)
{
    const watched *w = user;
    const double d[] = {element_of(w->q.p, 0) - 3, element_of(w->q.p, 1) - 3};
    assert_int_equal(progress->iteration, w->reports);
    assert_int_equal(progress->evaluations, w->q.calls);
    assert_true(fabs(progress->loss - (d[0] * d[0] + d[1] * d[1])) <= 1e-12);
    assert_true(fabs(progress->max_grad - 2 * fmax(fabs(d[0]), fabs(d[1]))) <= 1e-12);
    return watch(progress, user);
}

static void test_the_callback_of_lbfgs_is_told_where_each_iteration_ends(void **state)
{
    for (int wolfe = 0; wolfe < 2; wolfe++) {
        tg_tensor *p = leaf(*state, 1, -5);
        watched w = {.q.p = p, .most = 100};
        w.q.optim =
            tg_lbfgs_list(TG_LIST(p), TG_LBFGS(.max_iter = 3, .tolerance_change = 0, .lr = 0.2,
                                               .strong_wolfe = wolfe, .callback = check_progress));
        assert_true(tg_step_closure(w.q.optim, distance, &w) == 68);
        check_ok(*state);
        assert_int_equal(w.last.iteration, w.reports - 1);
        if (!wolfe) assert_int_equal(w.reports, 3); /* before the first iteration, and after two */
    }
}

static void test_the_callback_of_lbfgs_stops_a_step_before_its_first_iteration(void **state)
{
    tg_tensor *p = leaf(*state, 1, -5);
    watched w = {.q.p = p};
    w.q.optim = tg_lbfgs_list(TG_LIST(p), TG_LBFGS(.callback = watch));
    for (int i = 1; i <= 2; i++) {
        assert_true(tg_step_closure(w.q.optim, distance, &w) == 68);
        assert_int_equal(w.reports, i);
        assert_int_equal(w.q.calls, i);
        check_values(p, 1, -5);
    }
    check_ok(*state);
}

/* A step that the callback ends goes on in the next step: many short steps and one long step have
 * the same bits. */
static void test_lbfgs_goes_on_where_the_callback_stopped(void **state)
{
    enum { ITERATIONS = 8 };
    double want[FEW], got[FEW];
    for (int most = 1; most <= ITERATIONS; most *= 2) {
        tg_tensor *p = leaf(*state, 0, 0, 0, 0, 0);
        watched w = {.q.p = p, .most = most};
        w.q.optim = tg_lbfgs_list(TG_LIST(p), TG_LBFGS(.strong_wolfe = true, .history_size = 3,
                                                       .max_iter = ITERATIONS, .callback = watch));
        for (int i = 0; i < ITERATIONS; i += most) {
            assert_true(!isnan(tg_step_closure(w.q.optim, bowl, &w)));
            assert_int_equal(w.last.iteration, most);
        }
        assert_true(tg_copy_to_f64(p, most == 1 ? want : got));
        if (most > 1) assert_memory_equal(got, want, sizeof got);
    }
}

static bool fail_at_the_second(const tg_lbfgs_progress *progress, void *user)
{
    const watched *w = user;
    if (progress->iteration == 2) tg_view(w->q.p, TG_SHAPE(5));
    return true;
}

static void test_an_error_in_the_callback_of_lbfgs_undoes_the_step(void **state)
{
    tg_tensor *p = leaf(*state, 3, 4);
    watched w = {.q.p = p, .q.by = 100};
    w.q.optim = tg_lbfgs_list(TG_LIST(p), TG_LBFGS(.callback = fail_at_the_second));
    assert_true(isnan(tg_step_closure(w.q.optim, steep, &w)));
    check_error(*state, TG_ERR_SHAPE, "view: [2] has 2 elements and cannot become [5]");
    check_values(p, 3, 4);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(test_the_callback_of_lbfgs_is_told_where_each_iteration_ends),
        cmocka_unit_test(test_the_callback_of_lbfgs_stops_a_step_before_its_first_iteration),
        cmocka_unit_test(test_lbfgs_goes_on_where_the_callback_stopped),
        cmocka_unit_test(test_an_error_in_the_callback_of_lbfgs_undoes_the_step),
        cmocka_unit_test(test_lbfgs_of_several_parameters),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
