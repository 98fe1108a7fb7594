/* A training program in which each allocation fails in turn: that one alone, that one and all that
 * follow, or those above the limit of the context's memory. Nothing crashes, leaks or is written
 * out of bounds, and the call that fails changes nothing. The program goes on, and ends with the
 * numbers of a run without failures. */
#include "check.h"
#include "guarded.h"

#include "ops/op.h"

enum { ROWS = 2000, IN = 3, OUT = 2, EPOCHS = 3, SAMPLES = 8, STAGES = 64 };

/* The objects that live from one stage to the next. */
typedef struct program {
    tg_context *tg;
    tg_tensor *x, *y, *yhat, *loss, *kept, *sorted, *joined, *product, *drawn;
    tg_module *net, *criterion;
    tg_optim *sgd;
    char text[128];
} program;

/* A stage makes one change, or leaves everything as it was. */
typedef bool stage(program *p);

static bool make_x(program *p)
{
    p->x = tg_randn(p->tg, TG_F32, TG_SHAPE(ROWS, IN));
    return p->x;
}

static bool make_y(program *p)
{
    p->y = tg_randn(p->tg, TG_F32, TG_SHAPE(ROWS, OUT));
    return p->y;
}

static bool make_net(program *p)
{
    p->net = tg_linear(p->tg, IN, OUT, TG_BIAS);
    return p->net;
}

static bool make_loss(program *p)
{
    p->criterion = tg_mseloss(p->tg, TG_MEAN);
    return p->criterion;
}

static bool make_sgd(program *p)
{
    tg_sgd_options how = tg_sgd_defaults();
    how.lr = 0.1;
    how.momentum = 0.9;
    p->sgd = tg_sgd(p->net, &how);
    return p->sgd;
}

static bool begin(program *p)
{
    tg_scope_begin(p->tg);
    return true;
}

static bool forward(program *p)
{
    p->yhat = tg_forward(p->net, p->x);
    return p->yhat;
}

static bool noise(program *p)
{
    tg_tensor *noisy = tg_dropout(p->yhat, 0.25, true);
    if (noisy) p->yhat = noisy;
    return noisy;
}

static bool compute_loss(program *p)
{
    p->loss = tg_loss(p->criterion, p->yhat, p->y);
    return p->loss;
}

static bool zero_grad(program *p)
{
    return tg_zero_grad(p->sgd);
}

static bool go_back(program *p)
{
    return tg_backward(p->loss);
}

static bool step(program *p)
{
    return tg_step(p->sgd);
}

static bool keep_loss(program *p)
{
    p->kept = tg_keep(p->loss);
    return p->kept;
}

static bool end(program *p)
{
    tg_scope_end(p->tg);
    return true;
}

static bool sort_x(program *p)
{
    p->sorted = tg_sort(p->x, 0);
    return p->sorted;
}

static bool join(program *p)
{
    p->joined = tg_cat(TG_LIST(p->sorted, p->x, p->sorted), 1);
    return p->joined;
}

static bool multiply(program *p)
{
    p->product = tg_matmul(tg_t(p->joined), p->joined);
    return p->product;
}

static bool write_in_place(program *p)
{
    return tg_add_(p->product, tg_t(p->product));
}

static bool draw(program *p)
{
    p->drawn = tg_bernoulli(tg_sigmoid(p->x));
    return p->drawn;
}

static bool print(program *p)
{
    return tg_snprint(p->text, sizeof p->text, tg_param(p->net, "weight"));
}

/* Writes the stages in order, and returns how many there are. */
static int plan(stage **stages)
{
    static stage *const before[] = {make_x, make_y, make_net, make_loss, make_sgd};
    static stage *const epoch[] = {begin,   forward, noise,     compute_loss, zero_grad,
                                   go_back, step,    keep_loss, end};
    static stage *const after[] = {sort_x, join, multiply, write_in_place, draw, print};
    int n = 0;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) stages[n++] = before[i];
    for (int e = 0; e < EPOCHS; e++)
        for (size_t i = 0; i < sizeof epoch / sizeof *epoch; i++) stages[n++] = epoch[i];
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) stages[n++] = after[i];
    assert_true(n <= STAGES);
    return n;
}

/* ---- The state that a failure must not change. */

typedef struct snapshot {
    generator random;
    bool trained, has_grad[2];
    float param[2][IN * OUT], grad[2][IN * OUT];
    double lr;
} snapshot;

static void take(const program *p, snapshot *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->random.mt, p->tg->random.mt, sizeof s->random.mt);
    s->random.next = p->tg->random.next;
    s->random.has_normal = p->tg->random.has_normal;
    s->random.normal = p->tg->random.normal;
    s->lr = p->sgd ? tg_lr(p->sgd) : 0;
    s->trained = p->net != NULL;
    for (int i = 0; i < 2 && p->net; i++) { /* tg_parameters may need memory */
        const tg_tensor *t = tg_param(p->net, i ? "bias" : "weight");
        assert_true(tg_copy_to_f32(t, s->param[i]));
        s->has_grad[i] = t->grad;
        if (t->grad) assert_true(tg_copy_to_f32(t->grad, s->grad[i]));
    }
}

static void check_unchanged(const program *p, const snapshot *before)
{
    snapshot after;
    take(p, &after);
    assert_memory_equal(&after, before, sizeof after);
}

/* ---- The results of a run. */

typedef struct outcome {
    snapshot state;
    float loss, sorted[SAMPLES], product[SAMPLES], drawn[SAMPLES];
    char text[128];
} outcome;

static void sample(const tg_tensor *t, float *values)
{
    for (int i = 0; i < SAMPLES; i++) values[i] = (float)element_of(t, t->numel - 1 - i);
}

static void report(const program *p, outcome *o)
{
    memset(o, 0, sizeof *o);
    take(p, &o->state);
    o->loss = (float)tg_item(p->kept);
    sample(p->sorted, o->sorted);
    sample(p->product, o->product);
    sample(p->drawn, o->drawn);
    memcpy(o->text, p->text, sizeof o->text);
}

static void check_failure(const program *p, const snapshot *before)
{
    assert_int_equal(tg_error_code(p->tg), TG_ERR_MEMORY);
    assert_int_equal(strncmp(tg_error(p->tg), "out of memory: ", 15), 0);
    check_unchanged(p, before);
}

/* Runs the remaining stages while the error is pending, on a copy of the program. They change
 * nothing, except that scopes begin and end, and the message stays. */
static void run_pending(const program *p, stage *const *stages, int n, const snapshot *before)
{
    char message[TG_MESSAGE];
    program rest = *p;
    int64_t depth = p->tg->depth;
    strcpy(message, tg_error(p->tg));
    for (int i = 0; i < n; i++)
        if (stages[i] != begin && stages[i] != end) stages[i](&rest);
    assert_string_equal(tg_error(p->tg), message);
    assert_int_equal(p->tg->depth, depth);
    check_unchanged(p, before);
}

/* Runs the program. When a stage fails, checks that nothing has changed; if `pending`, runs the
 * remaining stages while the error is pending; then lets allocations succeed again and goes on with
 * the stage that failed. Returns false if the context could not be opened, or if a stage fails
 * because of the cap, under which it would fail again. */
static bool run(guarded *g, size_t cap, bool pending, outcome *o)
{
    tg_options options = guarded_options(g);
    options.max_bytes = cap;
    program p = {.tg = tg_open(&options)};
    if (!p.tg) return false;
    stage *stages[STAGES];
    int n = plan(stages);
    bool finished = true;
    tg_manual_seed(p.tg, 3);
    for (int i = 0; i < n && finished; i++) {
        snapshot before;
        take(&p, &before);
        if (stages[i](&p)) {
            check_ok(p.tg);
            continue;
        }
        check_failure(&p, &before);
        if (pending) run_pending(&p, stages + i, n - i, &before);
        finished = cap == 0;
        g->fail_at = 0;
        tg_clear_error(p.tg);
        if (finished) assert_true(stages[i](&p));
    }
    if (finished) report(&p, o);
    tg_close(p.tg);
    return finished;
}

static void check_clean(const guarded *g)
{
    assert_int_equal(g->blocks, 0);
    assert_int_equal(g->held, 0);
    assert_false(g->damaged);
}

static void undisturbed(guarded *g, outcome *o)
{
    *g = (guarded){0};
    assert_true(run(g, 0, false, o));
    check_clean(g);
    assert_int_equal(g->failed, 0);
}

/* Runs the program once for each of its allocations, which fails. Returns how many there are. */
static long each_allocation(bool fail_on, bool pending)
{
    outcome expected, got;
    guarded clean;
    undisturbed(&clean, &expected);
    for (long at = 1;; at++) {
        guarded g = {.fail_at = at, .fail_on = fail_on};
        bool opened = run(&g, 0, pending, &got);
        check_clean(&g);
        assert_true(opened || at == 1);
        if (opened) assert_memory_equal(&got, &expected, sizeof got);
        if (g.failed == 0) return at - 1;
    }
}

static void test_fail_once(void **state)
{
    (void)state;
    guarded clean;
    outcome o;
    undisturbed(&clean, &o);
    assert_int_equal(each_allocation(false, false), clean.asked);
}

static void test_fail_for_ever(void **state)
{
    (void)state;
    guarded clean;
    outcome o;
    undisturbed(&clean, &o);
    assert_int_equal(each_allocation(true, false), clean.asked);
}

static void test_rest_runs_pending(void **state)
{
    (void)state;
    each_allocation(true, true);
}

/* The caps range from less than a context needs to the peak of the whole program. */
static void test_caps(void **state)
{
    (void)state;
    outcome expected, got;
    guarded clean;
    int finished = 0;
    enum { CAPS = 100 };
    undisturbed(&clean, &expected);
    for (size_t i = 1; i <= CAPS; i++) {
        guarded g = {0};
        bool done = run(&g, clean.peak * i / CAPS, true, &got);
        check_clean(&g);
        assert_true(g.peak <= clean.peak * i / CAPS);
        if (done) assert_memory_equal(&got, &expected, sizeof got);
        finished += done;
        if (i == 1) assert_false(done);
        if (i == CAPS) assert_true(done);
    }
    print_message("%d of %d caps were enough, %zu bytes at most.\n", finished, CAPS, clean.peak);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_once),
        cmocka_unit_test(test_fail_for_ever),
        cmocka_unit_test(test_rest_runs_pending),
        cmocka_unit_test(test_caps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
