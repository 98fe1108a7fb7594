/* A training program with all kinds of state - buffers of modules, the random stream, a loader,
 * optimisers with clipping and schedules, LBFGS - in which each allocation fails in turn. The call
 * that fails changes nothing. The program calls again, and ends with the numbers of a run without
 * failures. */
#include "guarded.h"
#include "leaf.h"

#include "ops/op.h"

enum { ROWS = 24, IN = 6, HIDDEN = 8, CLASSES = 3, BATCH = 8, STAGES = 128, VALUES = 512 };

typedef struct program {
    tg_context *tg;
    tg_tensor *x, *labels, *batch[2], *out, *loss;
    tg_module *parts[5], *net, *line, *words;
    tg_optim *adam, *lbfgs;
    tg_loader *loader;
    tg_scheduler *waves, *plateau;
    double norm, descent;
} program;

/* A stage of the program is one call, or several calls of which only the last may fail. */
typedef bool stage(program *p);

static bool make_x(program *p)
{
    return (p->x = tg_randn(p->tg, TG_F32, TG_SHAPE(ROWS, IN)));
}

static bool make_labels(program *p)
{
    return (p->labels = tg_randint(p->tg, 0, CLASSES, TG_SHAPE(ROWS)));
}

static bool make_first(program *p)
{
    return (p->parts[0] = tg_linear(p->tg, IN, HIDDEN, TG_BIAS));
}

static bool make_norm(program *p)
{
    return (p->parts[1] = tg_batchnorm1d(p->tg, HIDDEN, NULL));
}

static bool make_relu(program *p)
{
    return (p->parts[2] = tg_lambda(p->tg, tg_relu));
}

static bool make_dropout(program *p)
{
    return (p->parts[3] = tg_dropout_layer(p->tg, 0.25));
}

static bool make_last(program *p)
{
    return (p->parts[4] = tg_linear(p->tg, HIDDEN, CLASSES, TG_BIAS));
}

static bool make_net(program *p)
{
    return (p->net = tg_sequential((tg_modules){5, p->parts}));
}

static bool make_adam(program *p)
{
    return (p->adam = tg_adam(p->net, TG_ADAM(.lr = 0.1, .amsgrad = true)));
}

static bool make_loader(program *p)
{
    p->loader =
        tg_data_loader(TG_LIST(p->x, p->labels), TG_LOADER(.batch_size = BATCH, .shuffle = true));
    return p->loader;
}

static bool make_waves(program *p)
{
    return (p->waves = tg_cosine_annealing_lr(p->adam, 4, 0.01));
}

static bool make_plateau(program *p)
{
    return (p->plateau = tg_reduce_lr_on_plateau(p->adam, TG_PLATEAU(.patience = 0)));
}

static bool make_line(program *p)
{
    return (p->line = tg_linear(p->tg, IN, 1, TG_BIAS));
}

/* This stage draws random numbers. */
static bool make_words(program *p)
{
    return (p->words = tg_embedding_layer(p->tg, 4, 3, 0));
}

static bool make_lbfgs(program *p)
{
    return (p->lbfgs = tg_lbfgs(p->line,
                                TG_LBFGS(.max_iter = 4, .history_size = 2, .strong_wolfe = true)));
}

static bool next_batch(program *p)
{
    return tg_next_batch(p->loader, p->batch);
}

static bool end_epoch(program *p)
{
    return !tg_next_batch(p->loader, p->batch) && tg_ok(p->tg);
}

static bool begin(program *p)
{
    tg_scope_begin(p->tg);
    return true;
}

static bool forward(program *p)
{
    return (p->out = tg_forward(p->net, p->batch[0]));
}

static bool compute_loss(program *p)
{
    return (p->loss = tg_cross_entropy(p->out, p->batch[1], TG_LOSS(.label_smoothing = 0.1)));
}

static bool zero_grad(program *p)
{
    return tg_zero_grad(p->adam);
}

static bool go_back(program *p)
{
    return tg_backward(p->loss);
}

static bool clip(program *p)
{
    p->norm = tg_clip_grad_norm_(tg_parameters(p->net), 0.5, 2, true);
    return !isnan(p->norm);
}

static bool step(program *p)
{
    return tg_step(p->adam);
}

static bool end(program *p)
{
    tg_scope_end(p->tg);
    return true;
}

static bool step_waves(program *p)
{
    return tg_scheduler_step(p->waves);
}

static bool step_plateau(program *p)
{
    return tg_scheduler_step_metric(p->plateau, 1);
}

static tg_tensor *fit_line(void *user)
{
    const program *p = user;
    tg_zero_grad(p->lbfgs);
    tg_tensor *y = tg_cast(tg_unsqueeze(p->labels, 1), TG_F32);
    tg_tensor *loss = tg_mse_loss(tg_forward(p->line, p->x), y, TG_MEAN);
    return tg_backward(loss) ? loss : NULL;
}

static bool descend(program *p)
{
    p->descent = tg_step_closure(p->lbfgs, fit_line, p);
    return !isnan(p->descent);
}

static int plan(stage **stages)
{
    static stage *const before[] = {make_x,       make_labels,  make_first, make_norm,
                                    make_relu,    make_dropout, make_last,  make_net,
                                    make_adam,    make_loader,  make_waves, make_line,
                                    make_plateau, make_words,   make_lbfgs};
    static stage *const round[] = {next_batch, begin, forward, compute_loss, zero_grad,
                                   go_back,    clip,  step,    end};
    static stage *const after[] = {end_epoch, step_waves, step_plateau, descend};
    int n = 0;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) stages[n++] = before[i];
    for (int epoch = 0; epoch < 2; epoch++) {
        for (int b = 0; b < ROWS / BATCH; b++)
            for (size_t i = 0; i < sizeof round / sizeof *round; i++) stages[n++] = round[i];
        for (size_t i = 0; i < sizeof after / sizeof *after; i++) stages[n++] = after[i];
    }
    assert_true(n <= STAGES);
    return n;
}

/* ---- All state of the program that can be observed. */

typedef struct state_of {
    generator random;
    int n;
    double lr, values[VALUES];
} state_of;

static void add_values(state_of *s, const tg_tensor *t)
{
    s->values[s->n++] = t != NULL;
    for (int64_t i = 0; t && i < t->numel; i++) s->values[s->n++] = element_of(t, i);
    assert_true(s->n < VALUES);
}

static void take(const program *p, state_of *s)
{
    static const char *const names[] = {"0.weight", "0.bias",   "1.weight",
                                        "1.bias",   "4.weight", "4.bias"};
    static const char *const buffers[] = {"1.running_mean", "1.running_var",
                                          "1.num_batches_tracked"};
    memset(s, 0, sizeof *s);
    memcpy(s->random.mt, p->tg->random.mt, sizeof s->random.mt);
    s->random.next = p->tg->random.next;
    s->lr = p->adam ? tg_lr(p->adam) : 0;
    for (size_t i = 0; p->net && i < 6; i++) {
        add_values(s, tg_param(p->net, names[i]));
        add_values(s, tg_param(p->net, names[i])->grad);
    }
    for (size_t i = 0; p->net && i < 3; i++) add_values(s, tg_buffer(p->net, buffers[i]));
    if (p->line) add_values(s, tg_param(p->line, "weight"));
    if (p->line) add_values(s, tg_param(p->line, "bias"));
}

/* Runs the program. If a stage fails, checks that nothing has changed and runs the stage again,
 * with enough memory. */
static void run(guarded *g, state_of *last)
{
    program p = {.tg = open_on_guarded(g)};
    stage *stages[STAGES];
    const int n = plan(stages);
    assert_non_null(p.tg);
    for (int i = 0; i < n; i++) {
        state_of before, after;
        take(&p, &before);
        if (stages[i](&p)) {
            check_ok(p.tg);
            continue;
        }
        assert_int_equal(tg_error_code(p.tg), TG_ERR_MEMORY);
        take(&p, &after);
        if (memcmp(&after, &before, sizeof after) != 0)
            fail_msg("allocation %ld: stage %d changed something", g->fail_at, i);
        g->fail_at = 0;
        tg_clear_error(p.tg);
        assert_true(stages[i](&p));
    }
    take(&p, last);
    tg_close(p.tg);
    assert_true(g->blocks == 0 && !g->damaged);
}

static void fail_each(bool for_ever)
{
    guarded undisturbed = {0};
    state_of want, got;
    run(&undisturbed, &want);
    for (long at = 2; at <= undisturbed.asked; at++) { /* the context is the first */
        guarded g = {.fail_at = at, .fail_on = for_ever};
        run(&g, &got);
        if (memcmp(&got, &want, sizeof got) != 0)
            fail_msg("allocation %ld: the program ends otherwise", at);
    }
    print_message("%ld allocations failed\n", undisturbed.asked);
}

static void test_each_allocation_of_training_fails_once(void **state)
{
    (void)state;
    fail_each(false);
}

static void test_all_allocations_of_training_fail_from_one_on(void **state)
{
    (void)state;
    fail_each(true);
}

/* ---- A module fails after modules before it have already changed their state. */

static void check_statistics(const tg_module *m, const char *at, double mean, double var, int n)
{
    char name[64];
    snprintf(name, sizeof name, "%srunning_mean", at);
    check_values(tg_buffer(m, name), mean, mean);
    snprintf(name, sizeof name, "%srunning_var", at);
    check_values(tg_buffer(m, name), var, var);
    snprintf(name, sizeof name, "%snum_batches_tracked", at);
    check_values(tg_buffer(m, name), n);
}

/* The statistics of BatchNorm, and what Dropout drew, are those before the forward. */
static void test_a_layer_that_refuses_undoes_what_those_before_it_did(void **state)
{
    tg_context *tg = *state;
    tg_module *norm = tg_batchnorm1d(tg, 2, NULL), *drop = tg_dropout_layer(tg, 0.5);
    tg_module *last = tg_linear(tg, 3, 1, TG_BIAS);
    tg_module *inner = tg_sequential(TG_MODULES(norm, drop));
    tg_module *net = tg_sequential(TG_MODULES(inner, last));
    tg_tensor *x = tg_from_f32(tg, TG_SHAPE(2, 2), (float[]){1, 1, 3, 3});
    tg_manual_seed(tg, 5);
    const double draw = tg_item(tg_rand(tg, TG_F32, TG_SHAPE()));
    tg_manual_seed(tg, 5);
    assert_null(tg_forward(net, x));
    assert_int_equal(tg_error_code(tg), TG_ERR_SHAPE);
    tg_clear_error(tg);
    check_statistics(net, "0.0.", 0, 1, 0);
    assert_true(tg_item(tg_rand(tg, TG_F32, TG_SHAPE())) == draw);
    assert_non_null(tg_forward(inner, x)); /* mean 2, variance 2, momentum 0.1 */
    check_statistics(norm, "", (double)0.2f, (double)(0.1f * 2 + 0.9f), 1);
}

/* Runs a module of a scope that ends within, and fails if x has not 2 rows. */
static tg_tensor *passing_forward(tg_module *m, tg_tensor *x)
{
    tg_context *tg = x->context;
    tg_tensor *y = NULL;
    TG_SCOPE (tg) {
        y = tg_keep(tg_forward(tg_batchnorm1d(tg, 2, NULL), x));
    }
    y = tg_forward(tg_submodule(m, "norm"), y);
    return tg_add(y, tg_zeros(tg, TG_F32, TG_SHAPE(2, 2)));
}

static void test_a_module_that_ended_in_the_forward_is_left_alone(void **state)
{
    tg_context *tg = *state;
    tg_module *m = tg_module_new(tg, "Passing", passing_forward, 0);
    tg_register_module(m, "norm", tg_batchnorm1d(tg, 2, NULL));
    tg_tensor *mean = tg_buffer(m, "norm.running_mean");
    assert_null(tg_forward(m, tg_rand(tg, TG_F32, TG_SHAPE(3, 2))));
    check_error(tg, TG_ERR_SHAPE, "add: shapes [3, 2] and [2, 2] do not broadcast");
    check_values(mean, 0, 0);
    assert_non_null(tg_forward(m, tg_rand(tg, TG_F32, TG_SHAPE(2, 2))));
    assert_true(tg_item(tg_buffer(m, "norm.num_batches_tracked")) == 1);
}

static tg_tensor *twice_forward(tg_module *m, tg_tensor *x)
{
    tg_tensor *once = tg_forward(tg_submodule(m, "norm"), x);
    tg_tensor *again = tg_forward(tg_submodule(m, "norm"), tg_add_scalar(x, 1));
    return x->shape[0] == 2 ? tg_add(once, again) : NULL;
}

/* A module of one's own, which runs a layer twice and then gives up. */
static void test_a_module_of_ones_own_undoes_its_children(void **state)
{
    tg_context *tg = *state;
    tg_module *own = tg_module_new(tg, "Twice", twice_forward, 0);
    tg_module *norm = tg_register_module(own, "norm", tg_batchnorm1d(tg, 2, NULL));
    tg_tensor *x = tg_from_f32(tg, TG_SHAPE(3, 2), (float[]){1, 1, 3, 3, 5, 5});
    assert_null(tg_forward(own, x));
    check_error(tg, TG_ERR_ARGUMENT, "forward: Twice returned NULL");
    check_statistics(norm, "", 0, 1, 0);
    assert_non_null(tg_forward(own, tg_narrow(x, 0, 0, 2)));
    assert_true(tg_item(tg_buffer(norm, "num_batches_tracked")) == 2);
    assert_non_null(tg_forward(norm, x)); /* by itself: what follows does not undo it */
    assert_null(tg_forward(own, x));
    tg_clear_error(tg);
    assert_true(tg_item(tg_buffer(norm, "num_batches_tracked")) == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_of_training_fails_once),
        cmocka_unit_test(test_all_allocations_of_training_fail_from_one_on),
        cmocka_unit_test(test_a_layer_that_refuses_undoes_what_those_before_it_did),
        cmocka_unit_test(test_a_module_that_ended_in_the_forward_is_left_alone),
        cmocka_unit_test(test_a_module_of_ones_own_undoes_its_children),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
