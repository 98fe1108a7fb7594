/* Threads: contexts that run side by side, workers that share parameters by tg_borrow, and the
 * helper threads of one context. */
#define _DEFAULT_SOURCE 1 /* fork */
#include "child.h"
#include "leaf.h"

#include "guarded.h"
#include "context/threads.h"
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

/* A worker: computes the gradient of half the data in a context of its own, and has an error
 * there. */
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

/* ---- Threads that share a network. */

enum { SERVED = 50 };

typedef struct server {
    const tg_module *net;
    int first;
    bool ok;
} server;

static tg_tensor *request(tg_context *tg, int number)
{
    tg_tensor *x = tg_arange(tg, TG_F32, 0, 8, 1);
    return tg_reshape(tg_mul_scalar(x, number), TG_SHAPE(2, 4));
}

/* A thread of a server: it borrows the network, and answers requests while others do. */
static void *serve(void *arg)
{
    server *s = arg;
    tg_context *tg = tg_open(NULL);
    tg_module *net = tg_borrow_module(tg, s->net);
    s->ok = true;
    for (int i = s->first; i < s->first + SERVED; i++) {
        tg_scope_begin(tg);
        tg_tensor *y = tg_forward(net, request(tg, i));
        tg_backward(tg_sum(y));
        /* The mean is 0 and the variance 1. Each side rounds three times. */
        tg_tensor *h = tg_relu(tg_matmul(request(tg, i), tg_t(tg_param(net, "0.weight"))));
        tg_tensor *want = tg_div_scalar(h, sqrt(1 + 1e-5));
        s->ok = s->ok && tg_item(tg_max(tg_abs(tg_sub(y, want)))) <= 4e-7 * tg_item(tg_max(want));
        tg_scope_end(tg);
    }
    s->ok = s->ok && tg_ok(tg) && tg_param(net, "0.weight")->grad;
    tg_close(tg);
    return NULL;
}

static void test_threads_share_a_network(void **state)
{
    tg_context *tg = *state;
    tg_module *hidden = tg_linear(tg, 4, 3, TG_NO_BIAS), *norm = tg_batchnorm1d(tg, 3, NULL);
    tg_module *net = tg_eval(tg_sequential(TG_MODULES(hidden, tg_lambda(tg, tg_relu), norm)));
    pthread_t threads[WORKERS];
    server servers[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        servers[i] = (server){.net = net, .first = 1 + i * SERVED};
        assert_int_equal(pthread_create(&threads[i], NULL, serve, &servers[i]), 0);
    }
    for (int i = 0; i < SERVED; i++) {
        tg_scope_begin(tg);
        assert_non_null(tg_forward(net, request(tg, i))); /* the owner evaluates, too */
        tg_scope_end(tg);
    }
    for (int i = 0; i < WORKERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(servers[0].ok && servers[1].ok);
    assert_null(tg_param(net, "0.weight")->grad);
}

/* A gradient that a worker has computed comes back to the owner as a borrowed tensor. */
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
    check_ok(other);
    tg_close(other);
}

/* A borrowed tensor shares the version of its storage with the lender. Backward notices by it that
 * a value has changed and the gradient would be wrong: 10 instead of 2. */
static void test_write_by_the_owner_is_noticed_by_the_borrower(void **state)
{
    tg_context *other = tg_open(NULL);
    tg_tensor *weight = leaf(*state, 1), *alias = tg_borrow(other, tg_squeeze(weight));
    tg_tensor *loss = tg_square(alias), *again = tg_borrow(*state, alias);
    assert_true(tg_set(weight, TG_INDEX(0), 5));
    assert_false(tg_backward(loss));
    check_error(other, TG_ERR_AUTOGRAD,
                "backward: the gradient of square needs its input 1, a tensor [], but set changed "
                "it in place");
    assert_null(alias->grad);
    loss = tg_square(alias);
    assert_true(tg_backward(loss));
    check_values(alias->grad, 10);
    loss = tg_square(again); /* an alias of the alias */
    assert_true(tg_set(weight, TG_INDEX(0), 6));
    assert_false(tg_backward(loss));
    check_error(*state, TG_ERR_AUTOGRAD,
                "backward: the gradient of square needs its input 1, a tensor [], but set changed "
                "it in place");
    tg_close(other);
}

/* The owner steps while no worker runs. In each round the workers read the new values and
 * version. */
static void test_owner_steps_between_rounds(void **state)
{
    tg_tensor *weight = leaf(*state, 0.5, -1, 2);
    worker w = {.weight = weight, .first = 0};
    pthread_t thread;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(pthread_create(&thread, NULL, work, &w), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(w.ok);
        assert_true(tg_set(weight, TG_INDEX(0), round));
    }
}

enum { MISTAKES = 200 };

typedef struct mistaken {
    const tg_tensor *foreign;
    tg_context *tg;
    bool ok;
} mistaken;

/* Calls that are refused because a tensor is of another thread's context. */
static void *make_mistakes(void *arg)
{
    mistaken *m = arg;
    tg_context *tg = m->tg;
    tg_tensor *own = tg_ones(tg, TG_F64, TG_SHAPE(3)),
              *foreign = (tg_tensor *)(uintptr_t)m->foreign;
    tg_module *module = tg_module_new(tg, "Own", NULL, 0);
    tg_optim *sgd = tg_sgd_list(TG_LIST(tg_requires_grad_(own, true)), NULL);
    m->ok = true;
    for (int i = 0; i < MISTAKES; i++) {
        const bool done = tg_add(own, foreign) || tg_lerp(own, foreign, foreign) ||
                          tg_cat(TG_LIST(own, foreign), 0) || tg_mse_loss(own, foreign, TG_MEAN) ||
                          tg_register_parameter(module, "weight", foreign) ||
                          tg_add_(own, foreign) || tg_sgd_group(sgd, TG_LIST(foreign), NULL) ||
                          tg_backward_with(tg_exp(own), foreign);
        m->ok = m->ok && !done && tg_error_code(tg) == TG_ERR_CONTEXT;
        tg_clear_error(tg);
    }
    return NULL;
}

static void test_mistakes_do_not_reach_another_threads_context(void **state)
{
    tg_tensor *x = tg_ones(*state, TG_F64, TG_SHAPE(3));
    mistaken m = {.foreign = x, .tg = tg_open(NULL)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, make_mistakes, &m), 0);
    for (int i = 0; i < MISTAKES; i++) {
        assert_null(tg_add(x, tg_ones(*state, TG_F64, TG_SHAPE(2))));
        assert_int_equal(tg_error_code(*state), TG_ERR_SHAPE);
        tg_clear_error(*state);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(m.ok);
    tg_close(m.tg);
}

/* To borrow a tensor writes nothing in the context of the lender, not even its buffer for
 * messages. */
static void test_borrow_only_reads_the_lender(void **state)
{
    tg_context *lender = tg_open(NULL), before;
    tg_tensor *gone = tg_ones(lender, TG_F32, TG_SHAPE(2, 3));
    tg_tensor *kept = tg_requires_grad_(tg_ones(lender, TG_F32, TG_SHAPE(2)), true);
    release_noticed(gone);
    memcpy(&before, lender, sizeof before);
    assert_null(tg_borrow(*state, gone));
    check_error(*state, TG_ERR_CONTEXT, "borrow: the tensor [2, 3] was released");
    assert_true(tg_backward(tg_sum(tg_square(tg_borrow(*state, kept)))));
    assert_memory_equal(&before, lender, sizeof before);
    tg_close(lender);
}

/* ---- The helper threads of a context. */

/* How many threads this process has; -1 if the system does not tell. */
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

/* Sanitizers and emulators have threads of their own, which may start together with our first
 * helper. `others` counts all threads besides that helper. */
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

/* Sums, means and copies of so many elements, one after the other in a list. */
static tg_tensor *sums_and_copies(tg_context *tg, tg_dtype dtype, int64_t n)
{
    tg_manual_seed(tg, 1);
    tg_tensor *x = tg_randn(tg, dtype, TG_SHAPE(n)), *y = tg_randn(tg, dtype, TG_SHAPE(n));
    tg_tensor *sums[] = {tg_sum(x), tg_mean(y), tg_mse_loss(x, y, TG_SUM),
                         tg_mse_loss(x, y, TG_MEAN)};
    return tg_cat(TG_LIST(tg_stack((tg_list){4, sums}, 0), tg_clone(x), y), 0);
}

static void test_sums_and_copies_do_not_depend_on_threads(void **state)
{
    static const int64_t sizes[] = {2 * SUM_PART - 1, 2 * SUM_PART,       2 * SUM_PART + 1,
                                    3 * SUM_PART + 8, 4 * SUM_PART + 513, 7 * SUM_PART};
    for (int i = 0; i < 12; i++) {
        const tg_dtype dtype = i % 2 ? TG_F64 : TG_F32;
        tg_scope_begin(*state);
        assert_true(tg_set_num_threads(*state, 1));
        tg_tensor *expected = sums_and_copies(*state, dtype, sizes[i / 2]);
        for (int threads = 2; threads <= 5; threads += 3) {
            assert_true(tg_set_num_threads(*state, threads));
            tg_tensor *found = sums_and_copies(*state, dtype, sizes[i / 2]);
            assert_memory_equal(found->data, expected->data,
                                (size_t)found->numel * tg_dtype_size(dtype));
        }
        tg_scope_end(*state);
    }
}

/* Multiplies ones, with rows or columns of the second matrix that are contiguous: each element of
 * the product is the number of terms. */
static bool multiplies_right(tg_context *tg, int64_t m, int64_t n, bool rows)
{
    enum { TERMS = 250 };
    tg_scope_begin(tg);
    tg_tensor *a = tg_ones(tg, TG_F32, TG_SHAPE(m, TERMS));
    tg_tensor *b = rows ? tg_ones(tg, TG_F32, TG_SHAPE(TERMS, n))
                        : tg_t(tg_ones(tg, TG_F32, TG_SHAPE(n, TERMS)));
    tg_tensor *c = tg_matmul(a, b);
    const bool right = tg_item(tg_min(c)) == TERMS && tg_item(tg_max(c)) == TERMS;
    tg_scope_end(tg);
    return right;
}

/* The number of 16 rows or columns that a product has decides into how many parts it is cut. */
static void test_products_of_any_size_stay_in_their_memory(void **state)
{
    guarded g = {0};
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    (void)state;
    for (int threads = 2; threads <= 5; threads++) {
        assert_true(tg_set_num_threads(tg, threads));
        for (int64_t large = 47; large < 400; large += 16) {
            assert_true(multiplies_right(tg, 44, large, false));
            assert_true(multiplies_right(tg, large, 44, false));
        }
    }
    tg_close(tg);
    assert_false(g.damaged);
}

/* What a forked child does with the context of two threads that it has from its parent. Returns
 * whether all of it was right. */
typedef bool life(tg_context *tg);

static bool adds_right(tg_context *tg)
{
    enum { LARGE = 4 * TG_GRAIN };
    tg_tensor *sum = tg_add_scalar(tg_ones(tg, TG_F32, TG_SHAPE(LARGE)), 1);
    return tg_item(tg_min(sum)) == 2 && tg_item(tg_max(sum)) == 2;
}

static bool works_on_alone(tg_context *tg)
{
    return tg_get_num_threads(tg) == 1 && adds_right(tg) && multiplies_right(tg, 160, 2000, true) &&
           tg_set_num_threads(tg, 1) && adds_right(tg);
}

static bool gathers_a_team(tg_context *tg)
{
    return tg_set_num_threads(tg, 2) && tg_get_num_threads(tg) == 2 && adds_right(tg);
}

static bool forks_again(tg_context *tg)
{
    if (!gathers_a_team(tg)) return false;
    const pid_t child = fork();
    if (child == 0) end_child(works_on_alone(tg));
    int status;
    return waitpid(child, &status, 0) == child && status == 0 && adds_right(tg);
}

static bool only_closes(tg_context *tg)
{
    return tg != NULL;
}

/* Checks that a forked child is right. An alarm ends a child that hangs. */
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
        end_child(right && g.blocks == 0 && !g.damaged);
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
    if (getenv("TG_TEST_EMULATED")) {
        print_message("TG_TEST_EMULATED: qemu-user cannot start threads in a forked child\n");
        skip();
    }
    check_child(gathers_a_team);
    check_child(forks_again);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {test(shared_parameters),
                                       test(threads_share_a_network),
                                       test(gradient_comes_home),
                                       test(write_by_the_owner_is_noticed_by_the_borrower),
                                       test(owner_steps_between_rounds),
                                       test(mistakes_do_not_reach_another_threads_context),
                                       test(borrow_only_reads_the_lender),
                                       test(no_helper_outlives_its_context),
                                       test(impossible_counts_are_refused),
                                       test(without_memory_the_number_stays),
                                       test(each_block_is_done_once),
                                       test(small_work_stays_in_one_piece),
                                       test(sums_and_copies_do_not_depend_on_threads),
                                       test(products_of_any_size_stay_in_their_memory),
                                       test(a_forked_child_closes_its_context),
                                       test(a_forked_child_works_with_one_thread),
                                       test(a_forked_child_may_have_threads_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
