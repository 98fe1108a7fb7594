/* Contexts side by side, workers that share parameters by borrowing them, and the threads that help
 * one context. */
#define _DEFAULT_SOURCE 1 /* fork */
#include "leaf.h"

#include "guarded.h"
#include "internal.h"
#include "sanitizer.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, BATCH = 64, FEATURES = 3, STEPS = 20 };

static double feature(int64_t row, int64_t column)
{
    return sin(0.7 * (double)row + 1.3 * (double)column);
}

/* The rows [first, first + rows) of the data. */
static void make_data(tg_context *tg, int64_t first, int64_t rows, tg_tensor **x, tg_tensor **y)
{
    *x = tg_empty(tg, TG_F64, TG_SHAPE(rows, FEATURES));
    *y = tg_empty(tg, TG_F64, TG_SHAPE(rows));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < FEATURES; j++) tg_set(*x, TG_INDEX(i, j), feature(first + i, j));
        tg_set(*y, TG_INDEX(i), cos(0.4 * (double)(first + i)));
    }
}

static tg_tensor *loss_of(tg_tensor *weight, tg_tensor *x, tg_tensor *y)
{
    return tg_mse_loss(tg_matmul(x, weight), y, TG_SUM);
}

typedef struct worker {
    const tg_tensor *weight;
    int64_t first;
    double grad[FEATURES];
    bool ok;
} worker;

/* The gradient of half the data, in a context of its own; an error of its own on the way. */
static void *work(void *arg)
{
    worker *w = arg;
    tg_context *tg = tg_open(NULL);
    tg_tensor *weight = tg_borrow(tg, w->weight), *x, *y;
    make_data(tg, w->first, BATCH / WORKERS, &x, &y);
    for (int step = 0; step < STEPS; step++) {
        tg_scope_begin(tg);
        tg_clear_grad(weight);
        bool refused = !tg_mse_loss(weight, tg_unsqueeze(weight, 1), TG_MEAN);
        w->ok = refused && tg_error_code(tg) == TG_ERR_SHAPE;
        tg_clear_error(tg);
        w->ok = w->ok && tg_backward(loss_of(weight, x, y));
        tg_scope_end(tg);
    }
    w->ok = w->ok && tg_copy_to_f64(weight->grad, w->grad);
    tg_close(tg);
    return NULL;
}

static void test_shared_parameters(void **state)
{
    pthread_t threads[WORKERS];
    worker workers[WORKERS];
    tg_tensor *weight = leaf(*state, 0.5, -1, 2), *x, *y;
    make_data(*state, 0, BATCH, &x, &y);
    assert_true(tg_backward(loss_of(weight, x, y)));
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (worker){.weight = weight, .first = i * (BATCH / WORKERS)};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int64_t j = 0; j < FEATURES; j++) {
        double whole = tg_get(weight->grad, TG_INDEX(j)), parts = 0;
        for (int i = 0; i < WORKERS; i++) parts += workers[i].grad[j];
        /* Sums of 64 terms below 16, in two orders: 64 * 16 * 2^-53 and some to spare. */
        assert_true(fabs(whole - parts) <= 1e-12);
        assert_true(parts != 0);
    }
    assert_true(workers[0].ok && workers[1].ok);
}

/* A gradient found elsewhere comes back as a borrowed tensor. */
static void test_gradient_comes_home(void **state)
{
    tg_context *other = tg_open(NULL);
    tg_tensor *weight = leaf(*state, 3, 4), *alias = tg_borrow(other, weight);
    assert_true(alias->requires_grad && alias->data == weight->data);
    assert_true(tg_backward(tg_sum(tg_square(alias))));
    assert_null(weight->grad);
    tg_tensor *gradient = tg_borrow(*state, alias->grad);
    assert_false(gradient->requires_grad);
    assert_true(tg_backward_with(weight, gradient));
    check_values(weight->grad, 6, 8);
    assert_null(tg_add(weight, alias));
    check_error(*state, TG_ERR_CONTEXT, "add: tensors of two contexts; tg_borrow makes an alias");
    check_error(other, TG_ERR_CONTEXT, "add: tensors of two contexts");
    tg_close(other);
}

/* ---- Threads that help. */

/* -1 where the system does not tell. */
static int threads_of_this_process(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = 0;
    if (!tasks) return -1;
    for (struct dirent *d; (d = readdir(tasks));) n += d->d_name[0] != '.';
    closedir(tasks);
    return n;
}

/* Linux lists a thread that has been joined for a moment more, until it is gone from the kernel. */
static void check_threads(int wanted)
{
    enum { LOOKS = 100000 };
    for (int i = 0; i < LOOKS && threads_of_this_process() != wanted; i++) sched_yield();
    assert_int_equal(threads_of_this_process(), wanted);
}

/* Sanitizers and emulators have threads of their own, which may start with the first of ours: they
 * are what is there beside the first helper. */
static void test_no_helper_outlives_its_context(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    assert_int_equal(tg_get_num_threads(tg), 1);
    assert_true(tg_set_num_threads(tg, 2));
    const int others = threads_of_this_process() - 1;
    if (others < 0) skip();
    static const int counts[] = {2, 7, 7, 3, 1, 2};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        assert_true(tg_set_num_threads(tg, counts[i]));
        assert_int_equal(tg_get_num_threads(tg), counts[i]);
        check_threads(others + counts[i] - 1);
    }
    tg_close(tg);
    check_threads(others);
}

static void test_impossible_counts_are_refused(void **state)
{
    tg_context *tg = *state;
    assert_true(tg_set_num_threads(tg, 2));
    assert_false(tg_set_num_threads(tg, 0));
    check_error(tg, TG_ERR_ARGUMENT, "set_num_threads: 0 threads; 1 to 256 are allowed");
    assert_false(tg_set_num_threads(tg, -3));
    check_error(tg, TG_ERR_ARGUMENT, "set_num_threads: -3 threads; 1 to 256 are allowed");
    assert_false(tg_set_num_threads(tg, 1000000));
    check_error(tg, TG_ERR_ARGUMENT, "set_num_threads: 1000000 threads; 1 to 256 are allowed");
    assert_int_equal(tg_get_num_threads(tg), 2);
    assert_false(tg_set_num_threads(NULL, 2));
    assert_int_equal(tg_get_num_threads(NULL), 0);
}

static void test_without_memory_the_number_stays(void **state)
{
    (void)state;
    guarded g = {0};
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    assert_true(tg_set_num_threads(tg, 2));
    g.fail_at = g.asked + 1;
    assert_false(tg_set_num_threads(tg, 3));
    check_error(tg, TG_ERR_MEMORY, "set_num_threads: the system does not give 3 threads");
    assert_int_equal(tg_get_num_threads(tg), 2);
    tg_close(tg);
    assert_int_equal(g.blocks, 0);
    assert_false(g.damaged);
}

enum { RANGE = 1000, GRAIN = 7 };

typedef struct tally {
    atomic_int times[RANGE];
    atomic_int misplaced;
} tally;

static void count_elements(void *work, int64_t from, int64_t to)
{
    tally *t = work;
    if (from % GRAIN != 0 || (to - from != GRAIN && to != RANGE))
        atomic_fetch_add(&t->misplaced, 1);
    for (int64_t i = from; i < to; i++) atomic_fetch_add(&t->times[i], 1);
}

static void test_each_block_is_done_once(void **state)
{
    static tally t;
    enum { TIMES = 500 };
    assert_true(tg_set_num_threads(*state, 7));
    for (int i = 0; i < TIMES; i++) tg__split(*state, RANGE, GRAIN, count_elements, &t);
    for (int i = 0; i < RANGE; i++) assert_int_equal(atomic_load(&t.times[i]), TIMES);
    assert_int_equal(atomic_load(&t.misplaced), 0);
}

static void test_small_work_stays_in_one_piece(void **state)
{
    static tally t;
    assert_true(tg_set_num_threads(*state, 2));
    tg__split(*state, GRAIN, GRAIN, count_elements, &t);
    tg__split(*state, 0, GRAIN, count_elements, &t);
    for (int i = 0; i < GRAIN; i++) assert_int_equal(atomic_load(&t.times[i]), 1);
}

/* What a child does with the context of two threads that it has from its parent, and whether all
 * of it was right. */
typedef bool life(tg_context *tg);

static bool adds_right(tg_context *tg)
{
    enum { LARGE = 4 * TG_GRAIN };
    tg_tensor *sum = tg_add_scalar(tg_ones(tg, TG_F32, TG_SHAPE(LARGE)), 1);
    return tg_item(tg_min(sum)) == 2 && tg_item(tg_max(sum)) == 2;
}

static bool works_on_alone(tg_context *tg)
{
    return tg_get_num_threads(tg) == 1 && adds_right(tg) && tg_set_num_threads(tg, 1) &&
           adds_right(tg);
}

static bool gathers_a_team(tg_context *tg)
{
    return tg_set_num_threads(tg, 2) && tg_get_num_threads(tg) == 2 && adds_right(tg);
}

static bool forks_again(tg_context *tg)
{
    if (!gathers_a_team(tg)) return false;
    const pid_t child = fork();
    if (child == 0) _exit(!works_on_alone(tg));
    int status;
    return waitpid(child, &status, 0) == child && status == 0 && adds_right(tg);
}

static bool only_closes(tg_context *tg)
{
    return tg != NULL;
}

/* A child that hangs is ended by the alarm. */
static void check_child(life *of_child)
{
    enum { LONG_ENOUGH = 120 };
    guarded g = {0};
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    assert_true(tg_set_num_threads(tg, 2));
    assert_true(adds_right(tg));
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(LONG_ENOUGH);
        const bool right = of_child(tg);
        tg_close(tg);
        _exit(!right || g.blocks != 0 || g.damaged);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(tg_get_num_threads(tg), 2);
    assert_true(adds_right(tg));
    tg_close(tg);
}

static void test_a_forked_child_closes_its_context(void **state)
{
    (void)state;
    check_child(only_closes);
}

static void test_a_forked_child_works_with_one_thread(void **state)
{
    (void)state;
    check_child(works_on_alone);
}

static void test_a_forked_child_may_have_threads_again(void **state)
{
    (void)state;
#ifdef UNDER_TSAN /* it ends a child that starts a thread */
    skip();
#endif
    check_child(gathers_a_team);
    check_child(forks_again);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {test(shared_parameters),
                                       test(gradient_comes_home),
                                       test(no_helper_outlives_its_context),
                                       test(impossible_counts_are_refused),
                                       test(without_memory_the_number_stays),
                                       test(each_block_is_done_once),
                                       test(small_work_stays_in_one_piece),
                                       test(a_forked_child_closes_its_context),
                                       test(a_forked_child_works_with_one_thread),
                                       test(a_forked_child_may_have_threads_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
