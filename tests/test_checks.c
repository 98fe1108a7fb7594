/* TG_CHECK, by which a debug build checks the invariants between the folders of src. Each case
 * breaks an invariant in a child process, which must print the invariant and abort. */
#define _XOPEN_SOURCE 700

#include "check.h"
#include "ops/op.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE = 4096, LARGE = 1 << 16 };

/* Runs f with a context in a child process. `said` gets its standard error. Returns its status. */
static int run_in_child(void (*f)(tg_context *tg), char *said)
{
    int ends[2], status = 0;
    size_t size = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        f(tg_open(NULL));
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], said + size, MESSAGE - 1 - size)) > 0;) size += (size_t)n;
    said[size] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Checks that f aborts, and that the message contains `condition`, a part of the broken
 * invariant. */
static void expect_abort(void (*f)(tg_context *tg), const char *condition)
{
#ifdef TG_DEBUG
    static char said[MESSAGE];
    const int status = run_in_child(f, said);
    const char *broken = strstr(said, "broken: ");
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !broken ||
        !strstr(broken, condition))
        fail_msg("wanted an abort by \"%s\": status %d, %s", condition, status, said);
#else
    (void)f, (void)condition, (void)run_in_child;
    print_message(
        "Not tested: this build has no checks; they are in debug and sanitizer builds.\n");
    skip();
#endif
}

#define BREAKS(name, condition)                                                                    \
    static void break_##name(tg_context *tg);                                                      \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        expect_abort(break_##name, condition);                                                     \
    }                                                                                              \
    static void break_##name(tg_context *tg)

BREAKS(private_half_of_a_tensor_on_the_stack, "t->grad != t")
{
    stack_tensor on_stack;
    priv(tg__scalar(&on_stack, tg_ones(tg, TG_F32, TG_SHAPE(2)), 1))->released = true;
}

BREAKS(no_such_dtype, "tg__is_dtype(dtype)")
{
    tg__new(tg, (tg_dtype)TG_DTYPES, 0, NULL);
}

BREAKS(no_kernel_for_a_dtype, "f.unary")
{
    tg_tensor *t = tg_ones(tg, TG_BOOL, TG_SHAPE(2));
    tg__elementwise((loop){.unary = pick(0, exp, TG_BOOL)}, t, 1, &t);
}

BREAKS(more_releases_than_claims, "s->claims > 0")
{
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(2));
    priv(t)->storage->claims = 0;
    tg_release(t);
}

BREAKS(claim_given_back_twice, "*c->link == c")
{
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(2));
    claim c;
    tg_scope_begin(tg);
    tg_zeros(tg, TG_F32, TG_SHAPE(2));
    tg__claim(tg, &c, priv(t)->storage);
    tg__unclaim(tg, tg->depth, &c, priv(t)->storage);
    tg__unclaim(tg, tg->depth, &c, priv(t)->storage);
}

BREAKS(claim_on_an_inner_scope, "on->depth <= tg->depth")
{
    claim c;
    tg_scope_begin(tg);
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(2));
    tg->depth--;
    tg__claim(tg, &c, priv(t)->storage);
}

static void do_nothing(void *work, int64_t from, int64_t to)
{
    (void)work, (void)from, (void)to;
}

BREAKS(range_without_grain, "grain > 0")
{
    tg__split(tg, 10, 0, do_nothing, NULL);
}

BREAKS(range_of_less_than_nothing, "n >= 0")
{
    tg__split(tg, -1, 1, do_nothing, NULL);
}

BREAKS(page_used_beyond_its_end, "s->top <= s->end")
{
    tg_ones(tg, TG_F32, TG_SHAPE(2));
    tg->scope->top = tg->scope->end + TG_ALIGN;
    tg_ones(tg, TG_F32, TG_SHAPE(2));
}

BREAKS(scope_that_ends_before_an_inner_one, "!s->lent")
{
    tg_scope_begin(tg);
    tg_ones(tg, TG_F32, TG_SHAPE(2));
    tg->scope->lent = true;
    tg_scope_end(tg);
}

BREAKS(memory_of_a_scope_that_is_not_open, "depth <= tg->depth")
{
    tg__alloc_at(tg, 1, 64);
}

BREAKS(block_freed_twice, "== b")
{
    tg_ones(tg, TG_F32, TG_SHAPE(2));
    block *first = tg__block_of(tg__alloc_block(tg, 0, LARGE));
    tg__alloc_block(tg, 0, LARGE);
    first->next = NULL; /* ASan has freed what a block that was freed twice would be */
    first->prev = NULL;
    tg__block_free(tg, first);
}

BREAKS(record_out_of_order, "tg->newest < tg->records")
{
    tg_tensor *t = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true);
    tg_exp(t);
    tg->tape->number = tg->newest = tg->records + 1;
    tg_exp(t);
}

BREAKS(tape_that_goes_forward, "r->prev->number < r->number")
{
    tg_tensor *t = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE()), true);
    tg_tensor *loss = tg_exp(tg_exp(t));
    tg->tape->prev->number = tg->newest + 1;
    tg_backward(loss);
}

BREAKS(frames_closed_in_the_wrong_order, "f->tg->frame == f")
{
    frame outer, inner;
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(2));
    tg__enter(&outer, "outer", t);
    tg__enter(&inner, "inner", t);
    tg__leave(&outer, t);
}

BREAKS(scope_left_open_in_a_frame, "f->tg->depth == f->depth")
{
    frame f;
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(2));
    tg__enter(&f, "outer", t);
    tg_scope_begin(tg);
    tg__leave(&f, t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_half_of_a_tensor_on_the_stack),
        cmocka_unit_test(no_such_dtype),
        cmocka_unit_test(no_kernel_for_a_dtype),
        cmocka_unit_test(more_releases_than_claims),
        cmocka_unit_test(claim_given_back_twice),
        cmocka_unit_test(claim_on_an_inner_scope),
        cmocka_unit_test(range_without_grain),
        cmocka_unit_test(range_of_less_than_nothing),
        cmocka_unit_test(page_used_beyond_its_end),
        cmocka_unit_test(scope_that_ends_before_an_inner_one),
        cmocka_unit_test(memory_of_a_scope_that_is_not_open),
        cmocka_unit_test(block_freed_twice),
        cmocka_unit_test(record_out_of_order),
        cmocka_unit_test(tape_that_goes_forward),
        cmocka_unit_test(frames_closed_in_the_wrong_order),
        cmocka_unit_test(scope_left_open_in_a_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
