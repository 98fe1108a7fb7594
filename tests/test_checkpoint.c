/* Checkpoints: a run that is resumed after any step, inside an epoch, at another SIMD level and
 * with another number of threads, or by another process after this one was killed, ends with the
 * bits of one that was not interrupted. */
#define _DEFAULT_SOURCE 1 /* declares fork and mkdtemp */
#include "guarded.h"
#include "sanitizer.h"
#include "states.h"

#include "kernels/kernels.h"

#ifndef _WIN32
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

enum { ROWS = 40, BATCH = 9, STEPS = 12, OPTIMISERS = 6 };

/* A training program, whose parts are all that a checkpoint holds. */
typedef struct program {
    tg_context *tg;
    tg_module *net;
    tg_optim *optim;
    tg_scheduler *schedule;
    tg_loader *loader;
} program;

static tg_optim *make_optim(tg_module *net, int kind)
{
    switch (kind) {
    case 0: return tg_sgd(net, TG_SGD(.lr = 0.1, .momentum = 0.9, .nesterov = true));
    case 1: return tg_adam(net, TG_ADAM(.amsgrad = true));
    case 2: return tg_adamw(net, NULL);
    case 3: return tg_rmsprop(net, TG_RMSPROP(.centered = true, .momentum = 0.5));
    case 4: return tg_adagrad(net, TG_ADAGRAD(.lr_decay = 0.1));
    default: return tg_lbfgs(net, TG_LBFGS(.max_iter = 2, .history_size = 3));
    }
}

/* The weights and data are drawn from the stream, whose state a checkpoint then replaces. */
static program make_program(tg_context *tg, int kind)
{
    program p = {.tg = tg};
    tg_manual_seed(tg, 5);
    tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(ROWS, 3)),
              *y = tg_randn(tg, TG_F32, TG_SHAPE(ROWS, 2));
    tg_module *first = tg_linear(tg, 3, 70, TG_BIAS), *last = tg_linear(tg, 70, 2, TG_BIAS);
    p.net = tg_sequential(TG_MODULES(first, tg_batchnorm1d(tg, 70, NULL), tg_lambda(tg, tg_tanh),
                                     tg_dropout_layer(tg, 0.2), last));
    p.optim = make_optim(p.net, kind);
    p.schedule = tg_cosine_annealing_lr(p.optim, 8, 1e-3);
    p.loader = tg_data_loader(TG_LIST(x, y), TG_LOADER(.batch_size = BATCH, .shuffle = true));
    check_ok(tg);
    return p;
}

static tg_state *checkpoint(const program *p)
{
    tg_state *s = tg_state_new(p->tg);
    tg_state_add_all(s, "model.", tg_state_dict(p->net));
    tg_state_add_all(s, "optim.", tg_optim_state_dict(p->optim));
    tg_state_add_all(s, "schedule.", tg_scheduler_state_dict(p->schedule));
    tg_state_add_all(s, "loader.", tg_loader_state_dict(p->loader));
    tg_state_add(s, "rng", tg_get_rng_state(p->tg));
    return s;
}

static bool resume(program *p, const tg_state *s)
{
    return tg_load_state_dict(p->net, tg_state_part(s, "model."), TG_STRICT) &&
           tg_optim_load_state_dict(p->optim, tg_state_part(s, "optim.")) &&
           tg_scheduler_load_state_dict(p->schedule, tg_state_part(s, "schedule.")) &&
           tg_loader_load_state_dict(p->loader, tg_state_part(s, "loader.")) &&
           tg_set_rng_state(p->tg, tg_state_get(s, "rng"));
}

typedef struct batch {
    const program *p;
    tg_tensor *t[2];
} batch;

static tg_tensor *closure(void *user)
{
    batch *b = user;
    tg_zero_grad(b->p->optim);
    tg_tensor *loss = tg_mse_loss(tg_forward(b->p->net, b->t[0]), b->t[1], TG_MEAN);
    tg_backward(loss);
    return loss;
}

static void train(const program *p, int steps)
{
    batch b = {.p = p};
    for (int i = 0; i < steps; i++) {
        while (!tg_next_batch(p->loader, b.t)) check_ok(p->tg);
        tg_step_closure(p->optim, closure, &b);
        tg_scheduler_step(p->schedule);
        check_ok(p->tg);
    }
}

/* A copy of a state in another context, as a file would carry it. */
static tg_state *carry(tg_context *to, const tg_state *s)
{
    tg_state *copy = tg_state_new(to);
    for (int64_t i = 0; i < s->n; i++)
        tg_state_add(copy, s->items[i].name, tg_borrow(to, s->items[i].tensor));
    for (int64_t i = 0; i < s->n_texts; i++)
        tg_state_set_text(copy, s->texts[i].key, s->texts[i].value);
    copy = tg_state_clone(copy);
    check_ok(to);
    return copy;
}

/* Contexts that differ in all that must not matter. */
static tg_context *open_number(int i)
{
    tg_context *tg = open_at(tg__level_name(i % (tg__level(NULL) + 1)));
    tg_set_num_threads(tg, 1 + i % 3);
    return tg;
}

/* The program moves to a new context after each step. */
static void test_a_run_that_moves_after_each_step(void **state)
{
    (void)state;
    for (int kind = 0; kind < OPTIMISERS; kind++) {
        program whole = make_program(tg_open(NULL), kind);
        train(&whole, STEPS);
        program p = make_program(open_number(0), kind);
        for (int i = 1; i <= STEPS; i++) {
            train(&p, 1);
            program next = make_program(open_number(i), kind);
            assert_true(resume(&next, carry(next.tg, checkpoint(&p))));
            check_same_states(checkpoint(&next), checkpoint(&p));
            tg_close(p.tg);
            p = next;
        }
        check_same_states(checkpoint(&p), checkpoint(&whole));
        tg_close(p.tg);
        tg_close(whole.tg);
    }
}

static void test_a_run_that_is_resumed_once_after_any_step(void **state)
{
    (void)state;
    program whole = make_program(tg_open(NULL), 1);
    train(&whole, STEPS);
    for (int i = 0; i <= STEPS; i++) {
        program p = make_program(open_number(i), 1), q = make_program(open_number(i + 1), 1);
        train(&p, i);
        assert_true(resume(&q, carry(q.tg, checkpoint(&p))));
        train(&p, 2); /* what goes on does not change what was carried */
        train(&q, STEPS - i);
        check_same_states(checkpoint(&q), checkpoint(&whole));
        tg_close(p.tg);
        tg_close(q.tg);
    }
    tg_close(whole.tg);
}

static void test_a_checkpoint_in_each_step_takes_no_memory_after_the_first_ones(void **state)
{
#ifdef UNDER_ASAN /* which gives every tensor memory of its own */
    skip();
#endif
    (void)state;
    program p = make_program(tg_open(NULL), 1);
    uint64_t calls = 0;
    for (int i = 0; i < STEPS; i++) {
        if (i == STEPS / 2) calls = tg_get_stats(p.tg).allocator_calls;
        tg_scope_begin(p.tg);
        train(&p, 1);
        assert_true(resume(&p, tg_state_clone(checkpoint(&p))));
        tg_scope_end(p.tg);
    }
    assert_int_equal(tg_get_stats(p.tg).allocator_calls, calls);
    tg_close(p.tg);
}

/* ---- Failing memory: each part is then as it was before. */

typedef bool take(program *p, const tg_state *s);

static bool take_model(program *p, const tg_state *s)
{
    return tg_load_state_dict(p->net, tg_state_part(s, "model."), TG_STRICT);
}

static bool take_optim(program *p, const tg_state *s)
{
    return tg_optim_load_state_dict(p->optim, tg_state_part(s, "optim."));
}

static bool take_schedule(program *p, const tg_state *s)
{
    return tg_scheduler_load_state_dict(p->schedule, tg_state_part(s, "schedule."));
}

static bool take_loader(program *p, const tg_state *s)
{
    return tg_loader_load_state_dict(p->loader, tg_state_part(s, "loader."));
}

static bool take_copy(program *p, const tg_state *s)
{
    (void)p;
    return tg_state_clone(s);
}

/* Makes the takes with an allocator whose allocation number `after` fails; returns whether one
 * did. The scopes that held memory before are gone, so that memory is asked for. */
static bool take_with_failure(take *t, int kind, long after)
{
    guarded g = {0};
    program p = make_program(open_on_guarded(&g), kind);
    tg_tensor *frozen = tg_param(p.net, "0.weight");
    train(&p, 3);
    const tg_state *s = tg_state_clone(checkpoint(&p));
    train(&p, 1);
    const tg_state *before = tg_state_clone(checkpoint(&p));
    g.fail_at = g.asked + after;
    tg_scope_begin(p.tg);
    const bool done = t(&p, s);
    tg_scope_end(p.tg);
    assert_int_equal(done, tg_ok(p.tg));
    if (!done) assert_int_equal(tg_error_code(p.tg), TG_ERR_MEMORY);
    tg_clear_error(p.tg);
    const bool failed = g.failed > 0;
    g.fail_at = 0;
    if (!done) {
        check_same_states(checkpoint(&p), before);
        assert_true(t(&p, s));
    }
    assert_true(resume(&p, s));
    check_same_states(checkpoint(&p), s);
    assert_true(frozen->requires_grad);
    tg_close(p.tg);
    assert_true(!g.damaged && g.blocks == 0);
    return failed;
}

static void test_a_failing_allocation_leaves_each_part_as_it_was(void **state)
{
    static take *const takes[] = {take_model, take_optim, take_schedule, take_loader, take_copy};
    (void)state;
    int failures = 0;
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++)
        for (int kind = 1; kind < OPTIMISERS; kind += 4)
            for (long after = 1; take_with_failure(takes[i], kind, after); after++) failures++;
    print_message("%d allocations failed\n", failures);
    assert_true(failures > 0);
}

#ifndef _WIN32
/* ---- A process that saves after each step and is killed again and again. */

enum { KILLS = 50, MOST = 2, LONG = KILLS * MOST + 10 };

/* Goes on from the file, if there is one, by as many steps, or to the end if that is nearer. Writes
 * a byte before each step, and one before each time it saves. Returns whether all went well. */
static bool train_and_save(const char *path, int64_t steps, int report)
{
    program p = make_program(tg_open(NULL), 1);
    if (access(path, F_OK) == 0 && !resume(&p, tg_load_safetensors(p.tg, path, NULL))) return false;
    const tg_state *s = tg_scheduler_state_dict(p.schedule);
    const int64_t first = tg_item_i64(tg_state_get(s, "last_epoch"));
    for (int64_t i = first; i < LONG && i < first + steps && tg_ok(p.tg); i++) {
        tg_scope_begin(p.tg);
        if (write(report, "", 1) != 1) return false;
        train(&p, 1);
        if (write(report, "", 1) != 1) return false;
        tg_save_safetensors(checkpoint(&p), path, NULL);
        tg_scope_end(p.tg);
    }
    const bool right = tg_ok(p.tg);
    tg_close(p.tg);
    return right;
}

/* Starts such a process, reads as many bytes from it, and kills it at once. It makes at most MOST
 * steps and waits, so that it cannot reach the end where the machine lets this process sleep. */
static void run_and_kill(const char *path, int bytes)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        while (train_and_save(path, MOST, ends[1])) pause();
        _exit(1);
    }
    close(ends[1]);
    for (char byte; bytes > 0; bytes--) assert_int_equal(read(ends[0], &byte, 1), 1);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ends[0]);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_a_run_that_is_killed_50_times(void **state)
{
    (void)state;
    char folder[] = "/tmp/tinygrad-checkpoint-XXXXXX", path[64], command[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/run.safetensors", folder);
    uint32_t random = 1;
    for (int kills = 0; kills < KILLS; kills++) {
        random = random * 1664525 + 1013904223;
        run_and_kill(path, 1 + (int)(random >> 30));
    }
    const int nowhere = open("/dev/null", O_WRONLY);
    assert_true(train_and_save(path, LONG, nowhere));
    close(nowhere);

    program whole = make_program(tg_open(NULL), 1);
    train(&whole, LONG);
    const tg_state *want = checkpoint(&whole), *got = tg_load_safetensors(whole.tg, path, NULL);
    assert_true(got && got->n == want->n);
    for (int64_t i = 0; i < want->n; i++)
        assert_true(same_bits(tg_state_get(got, want->items[i].name), want->items[i].tensor));
    tg_close(whole.tg);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_that_moves_after_each_step),
        cmocka_unit_test(test_a_run_that_is_resumed_once_after_any_step),
        cmocka_unit_test(test_a_checkpoint_in_each_step_takes_no_memory_after_the_first_ones),
        cmocka_unit_test(test_a_failing_allocation_leaves_each_part_as_it_was),
#ifndef _WIN32
        cmocka_unit_test(test_a_run_that_is_killed_50_times),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
