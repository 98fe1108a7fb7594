/* Training on rows: whole runs of optimisers end with the same bits for any number of threads and
 * at any SIMD level, a run takes no memory after its first step, and any allocation may fail. */
#define _DEFAULT_SOURCE 1 /* declares sched_yield */
#include "each_level.h"
#include "guarded.h"
#include "sanitizer.h"

#include <sched.h>
#include <stdatomic.h>

static const int thread_counts[] = {1, 2, 3, 7, 16};
enum { COUNTS = sizeof thread_counts / sizeof *thread_counts, ROWS = 300, IN = 5 };

/* A classifier with dropout, and its data. */
typedef struct stage {
    tg_context *tg;
    tg_tensor *x, *labels, *decay;
    tg_module *net;
    tg_rows *rows;
} stage;

static bool set_stage(stage *s, int64_t block_rows)
{
    tg_context *tg = s->tg;
    tg_manual_seed(tg, 11);
    s->x = tg_randn(tg, TG_F32, TG_SHAPE(ROWS, IN));
    s->labels = tg_randint(tg, 0, 3, TG_SHAPE(ROWS));
    tg_module *first = tg_linear(tg, IN, 16, TG_BIAS), *last = tg_linear(tg, 16, 3, TG_BIAS);
    s->net =
        tg_sequential(TG_MODULES(first, tg_lambda(tg, tg_relu), tg_dropout_layer(tg, 0.3), last));
    s->decay = tg_requires_grad_(tg_scalar(tg, TG_F32, 0.5), true);
    s->rows = tg_rows_new(TG_LIST(s->x, s->labels),
                          TG_ROWS(.module = s->net, .tensors = TG_LIST(s->decay),
                                  .block_rows = block_rows, .reduction = TG_MEAN));
    return s->rows;
}

static tg_tensor *loss_of_block(const tg_block *b, void *user)
{
    (void)user;
    tg_tensor *scores = tg_mul(tg_forward(b->module, b->data.items[0]), b->tensors.items[0]);
    return tg_cross_entropy(scores, b->data.items[1], TG_LOSS(.reduction = TG_SUM));
}

static tg_tensor *hits_of_block(const tg_block *b, void *user)
{
    (void)user;
    tg_tensor *guess = tg_argmax_dim(tg_forward(b->module, b->data.items[0]), 1, false);
    return tg_sum(tg_cast(tg_eq(guess, b->data.items[1]), TG_I64));
}

static tg_tensor *outputs(const tg_block *b, void *user)
{
    (void)user;
    return tg_forward(b->module, b->data.items[0]);
}

static tg_tensor *closure(void *user)
{
    stage *s = user;
    return tg_backward_rows(s->rows, loss_of_block, NULL);
}

/* FNV-1a of the elements of a float32 tensor, which continues a hash. */
static uint64_t hash_of(uint64_t hash, const tg_tensor *t)
{
    assert_true(t && t->dtype == TG_F32 && t->contiguous);
    const unsigned char *bytes = t->data;
    for (int64_t i = 0; i < 4 * t->numel; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

typedef enum kind { SGD, ADAM, LBFGS, KINDS } kind;

static tg_optim *make_optimiser(const stage *s, kind k)
{
    switch (k) {
    case SGD: return tg_sgd(s->net, TG_SGD(.lr = 0.1, .momentum = 0.9));
    case ADAM: return tg_adam(s->net, TG_ADAM(.lr = 0.01));
    default: return tg_lbfgs(s->net, TG_LBFGS(.max_iter = 3, .strong_wolfe = true));
    }
}

/* The hash of all losses and, in the end, of all parameters, of the number of right labels, of the
 * outputs and of the random stream. */
static uint64_t hash_of_run(const tg_options *options, kind k, int threads)
{
    stage s = {.tg = tg_open(options)};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    assert_true(set_stage(&s, 16) && tg_set_num_threads(s.tg, threads));
    tg_optim *optim = make_optimiser(&s, k);
    for (int step = 0; step < 8; step++)
        TG_SCOPE (s.tg) {
            tg_zero_grad(optim);
            if (k == LBFGS) {
                tg_step_closure(optim, closure, &s);
            } else {
                hash = hash_of(hash, tg_backward_rows(s.rows, loss_of_block, NULL));
                tg_step(optim);
            }
        }
    for (int i = 0; i < tg_parameters(s.net).n; i++)
        hash = hash_of(hash, tg_parameters(s.net).items[i]);
    tg_eval(s.net);
    tg_rows *sums = tg_rows_new(TG_LIST(s.x, s.labels), TG_ROWS(.module = s.net, .block_rows = 16));
    hash ^= (uint64_t)tg_item_i64(tg_sum_rows(sums, hits_of_block, NULL));
    hash = hash_of(hash, tg_rand(s.tg, TG_F32, TG_SHAPE(2)));
    check_ok(s.tg);
    tg_close(s.tg);
    return hash;
}

static uint64_t wanted[KINDS];

static void check_level(int level)
{
    tg_options o = tg_defaults();
    o.simd_level = tg__level_name(level);
    for (kind k = 0; k < KINDS; k++)
        for (int i = 0; i < COUNTS; i++)
            assert_true(hash_of_run(&o, k, thread_counts[i]) == wanted[k]);
}

static void test_runs_have_the_same_bits(void **state)
{
    (void)state;
    for (kind k = 0; k < KINDS; k++) {
        wanted[k] = hash_of_run(NULL, k, 1);
        for (kind other = 0; other < k; other++) assert_true(wanted[other] != wanted[k]);
    }
    each_level(check_level);
}

/* ---- A curve, by the steps of Gauss and Newton, of which each needs sums over all rows alone. */

static tg_tensor *saturation(tg_list in, void *user)
{
    tg_tensor *x = in.items[0], *p = in.items[1];
    (void)user;
    return tg_mul(tg_select(p, 0, 0), tg_neg(tg_expm1(tg_neg(tg_mul(tg_select(p, 0, 1), x)))));
}

static tg_tensor *saturation_of_p(tg_list in, void *x)
{
    return saturation(TG_LIST(x, in.items[0]), NULL);
}

/* J^T [J r] for the Jacobian J and the residuals r. */
static tg_tensor *normal_equations(const tg_block *b, void *user)
{
    tg_tensor *x = b->data.items[0], *p = b->tensors.items[0], *J = NULL;
    tg_jacobian(saturation_of_p, TG_LIST(p), x, &J);
    tg_tensor *r = tg_sub(saturation(TG_LIST(x, p), user), b->data.items[1]);
    return tg_matmul(tg_t(J), tg_cat(TG_LIST(J, tg_unsqueeze(r, 1)), 1));
}

static void test_a_curve_is_fitted_by_sums_over_rows(void **state)
{
    enum { N = 1000 };
    (void)state;
    tg_context *tg = tg_open(NULL);
    tg_set_num_threads(tg, 2);
    tg_tensor *x = tg_rand(tg, TG_F64, TG_SHAPE(N)),
              *p = tg_from_f64(tg, TG_SHAPE(2), (double[]){2, 3});
    tg_tensor *noise = tg_mul_scalar(tg_randn(tg, TG_F64, TG_SHAPE(N)), 0.1);
    tg_tensor *y = tg_add(saturation(TG_LIST(x, p), NULL), noise), *p0 = tg_clone(p), *sums = NULL;
    tg_rows *rows = tg_rows_new(TG_LIST(x, y), TG_ROWS(.tensors = TG_LIST(p), .block_rows = 64));
    for (int step = 0; step < 10; step++) {
        sums = tg_sum_rows(rows, normal_equations, NULL);
        tg_tensor *d = tg_solve(tg_narrow(sums, 1, 0, 2), tg_narrow(sums, 1, 2, 1));
        tg_sub_(p, tg_flatten(d, 0, -1));
    }
    const tg_curve_fit_result fit = tg_curve_fit(saturation, x, y, p0, NULL, NULL);
    tg_tensor *covariance =
        tg_mul_scalar(tg_inv(tg_narrow(sums, 1, 0, 2)), pow(fit.residual_std, 2));
    check_ok(tg);
    assert_true(fit.converged);
    for (int64_t i = 0; i < 2; i++) {
        const double off = element_of(p, i) - element_of(fit.parameters, i);
        const double error = element_of(fit.std_errors, i);
        assert_true(fabs(off) < 1e-6 * error);
        assert_true(fabs(sqrt(tg_get(covariance, TG_SHAPE(i, i))) - error) < 1e-6 * error);
    }
    tg_close(tg);
}

/* ---- Memory. */

/* On one thread, since with several the system decides when each has its first block. */
static void test_the_allocator_rests_after_the_first_step(void **state)
{
    (void)state;
    guarded g = {0};
    const tg_options options = guarded_options(&g);
    stage s = {.tg = tg_open(&options)};
    assert_true(set_stage(&s, 4));
    tg_optim *adam = tg_adam(s.net, NULL);
    long calls = 0;
    for (int step = 0; step < 20; step++) {
        if (step == 2) calls = g.calls;
        TG_SCOPE (s.tg) {
            tg_zero_grad(adam);
            tg_backward_rows(s.rows, loss_of_block, NULL);
            tg_step(adam);
            tg_sum_rows(s.rows, loss_of_block, NULL);
            tg_map_rows(s.rows, outputs, NULL);
        }
    }
#ifdef UNDER_ASAN /* where all memory is freed at the end of its scope */
    assert_true(g.calls > calls);
#else
    assert_int_equal(g.calls, calls);
#endif
    check_ok(s.tg);
    tg_close(s.tg);
    assert_true(g.blocks == 0 && !g.damaged);
}

/* A block that waits until all others are done, which leaves the most nodes of the tree. */
typedef struct late_block {
    int64_t first; /* of its rows; -1: none waits */
    int64_t others;
    atomic_llong done;
} late_block;

static tg_tensor *wait_for_others(const tg_block *b, void *user)
{
    late_block *late = user;
    while (b->first == late->first && atomic_load(&late->done) < late->others) sched_yield();
    atomic_fetch_add(&late->done, 1);
    return tg_sum(tg_mul(b->data.items[0], b->tensors.items[0]));
}

/* The allocator must not be called, whichever thread computes a block, and whichever block is late.
 * Rows are wide because a thread takes several blocks of narrow ones at a time: it might then wait
 * for blocks that it has taken itself. */
static void check_allocator(int threads)
{
    enum { BLOCKS = 45, WIDE = 1 << 16 };
    guarded g = {0};
    const tg_options options = guarded_options(&g);
    tg_context *tg = tg_open(&options);
    assert_true(tg_set_num_threads(tg, threads));
    tg_tensor *x = tg_expand(tg_ones(tg, TG_F32, TG_SHAPE(1, WIDE)), TG_SHAPE(BLOCKS, WIDE));
    tg_tensor *w = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(1)), true);
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.tensors = TG_LIST(w), .block_rows = 1));
    long calls = 0;
    for (int step = 0; step < 2 + BLOCKS; step++) {
        if (step == 2) calls = g.calls;
        late_block late = {.first = step - 2, .others = BLOCKS - 1};
        TG_SCOPE (tg) tg_backward_rows(rows, wait_for_others, &late);
    }
    assert_int_equal(g.calls, calls);
    check_values(w->grad, (double)(2 + BLOCKS) * BLOCKS * WIDE);
    tg_close(tg);
    assert_true(g.blocks == 0 && !g.damaged);
}

static void test_the_allocator_rests_for_several_threads(void **state)
{
    (void)state;
#ifdef UNDER_ASAN
    skip(); /* where all memory is freed at the end of its scope */
#endif
    check_allocator(2);
    check_allocator(3);
    check_allocator(7);
}

/* Each allocation fails in turn, in the contexts of the threads, too. The calls go on from there
 * and give the bits of a run without failures. */
static void check_each_allocation(int threads)
{
    uint64_t want = 0;
    for (long at = 0, failed = 1; failed; at++) {
        guarded g = {0};
        stage s = {.tg = open_on_guarded(&g)};
        assert_true(tg_set_num_threads(s.tg, threads));
        g.fail_at = at > 0 ? g.asked + at : 0;
        for (bool done = false; !done; done = s.rows || set_stage(&s, 16)) tg_clear_error(s.tg);
        tg_manual_seed(s.tg, 3);
        uint64_t hash = 0;
        for (int call = 0; call < 2; call++) {
            tg_tensor *result = NULL;
            for (int tries = 0; !result; tries++) {
                tg_clear_error(s.tg);
                result = call == 0 ? tg_backward_rows(s.rows, loss_of_block, NULL)
                                   : tg_map_rows(s.rows, outputs, NULL);
                assert_true(tries < 2 && (result != NULL) == tg_ok(s.tg));
                if (!result) assert_int_equal(tg_error_code(s.tg), TG_ERR_MEMORY);
                if (!result && call == 0) assert_null(tg_param(s.net, "0.weight")->grad);
            }
            hash = hash_of(hash, result);
        }
        for (int i = 0; i < tg_parameters(s.net).n; i++)
            hash = hash_of(hash, tg_parameters(s.net).items[i]->grad);
        if (at == 0) want = hash;
        assert_true(hash == want);
        failed = at == 0 || g.failed > 0;
        tg_close(s.tg);
        assert_true(g.blocks == 0 && !g.damaged && at < 2000);
    }
}

static void test_each_allocation_may_fail(void **state)
{
    (void)state;
    check_each_allocation(1);
    check_each_allocation(3);
}

/* ---- Memory for nodes that a call may need, but did not. */

static tg_tensor *sum_of_many(const tg_block *b, void *user)
{
    (void)user;
    return tg_mul_scalar(tg_sum(b->tensors.items[0]), (double)b->n);
}

/* Calls once on two threads. Returns the memory of the context, and whether it has as much again as
 * the gradient takes. */
static size_t held_behind_a_call(size_t cap, bool *has_more)
{
    enum { MANY = 1 << 18 };
    tg_options o = tg_defaults();
    o.max_bytes = cap;
    tg_context *tg = tg_open(&o);
    tg_set_num_threads(tg, 2);
    tg_tensor *x = tg_zeros(tg, TG_F32, TG_SHAPE(4)), *w = tg_zeros(tg, TG_F32, TG_SHAPE(MANY));
    tg_requires_grad_(w, true);
    tg_rows *rows = tg_rows_new(TG_LIST(x), TG_ROWS(.tensors = TG_LIST(w), .block_rows = 1));
    assert_non_null(tg_backward_rows(rows, sum_of_many, NULL));
    const size_t held = tg_get_stats(tg).held_bytes;
    *has_more = tg_zeros(tg, TG_F32, TG_SHAPE(MANY)) != NULL;
    tg_close(tg);
    return held;
}

static void test_a_call_leaves_memory_that_it_does_not_need(void **state)
{
    (void)state;
    bool has_more;
    const size_t held = held_behind_a_call(0, &has_more);
    assert_true(has_more);
    held_behind_a_call(held - (3 << 20), &has_more);
    assert_true(has_more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_have_the_same_bits),
        cmocka_unit_test(test_a_curve_is_fitted_by_sums_over_rows),
        cmocka_unit_test(test_the_allocator_rests_after_the_first_step),
        cmocka_unit_test(test_the_allocator_rests_for_several_threads),
        cmocka_unit_test(test_a_call_leaves_memory_that_it_does_not_need),
        cmocka_unit_test(test_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
