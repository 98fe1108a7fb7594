/* States of optimisers and schedules: those of PyTorch are taken and gone on from, ours have
 * PyTorch's names and numbers, a run that is resumed has the bits of one that was not, and what is
 * no state is refused. */
#include "each_level.h"
#include "sanitizer.h"
#include "states.h"

#include "context/context.h"

enum { MIDDLE = 4, STEPS = 9 };

static const char *const kinds[] = {"sgd", "momentum", "adam", "adamw", "rmsprop", "adagrad"};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* The parameters, in two groups, of golden/states.py. */
typedef struct run {
    tg_context *tg;
    tg_tensor *p[3];
    tg_optim *optim;
} run;

/* An optimiser with the options of golden/states.py, or with others that a state must replace. */
static tg_optim *make_optim(const char *kind, const run *r, bool with_its_options)
{
    const tg_list first = TG_LIST(r->p[0], r->p[1]), second = TG_LIST(r->p[2]);
    const bool own = with_its_options;
    tg_optim *o = NULL;
    if (!strcmp(kind, "sgd") || !strcmp(kind, "momentum")) {
        tg_sgd_options s = {.lr = 0.1};
        if (kind[0] == 'm')
            s = (tg_sgd_options){.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true};
        if (!own) s = (tg_sgd_options){.lr = 1, .momentum = kind[0] == 's' ? 0.9 : 0};
        o = tg_sgd_list(first, &s);
        s.lr /= 2;
        tg_sgd_group(o, second, &s);
    }
    if (!strcmp(kind, "adam")) {
        tg_adam_options s = tg_adam_defaults();
        if (own) s = (tg_adam_options){0.1, 0.8, 0.95, 1e-8, 0, .amsgrad = true};
        o = tg_adam_list(first, &s);
        s.lr /= 2;
        tg_adam_group(o, second, &s);
    }
    if (!strcmp(kind, "adamw")) {
        tg_adamw_options s = tg_adamw_defaults();
        s.maximize = own;
        s.amsgrad = !own;
        s.lr = 0.1;
        o = tg_adamw_list(first, &s);
        s.lr /= 2;
        tg_adamw_group(o, second, &s);
    }
    if (!strcmp(kind, "rmsprop")) {
        tg_rmsprop_options s = tg_rmsprop_defaults();
        if (own) s = (tg_rmsprop_options){0.1, 0.5, 0.99, 1e-8, 0, .centered = true};
        o = tg_rmsprop_list(first, &s);
        s.lr /= 2;
        tg_rmsprop_group(o, second, &s);
    }
    if (!strcmp(kind, "adagrad")) {
        tg_adagrad_options s = tg_adagrad_defaults();
        if (own) s = (tg_adagrad_options){0.1, 0.1, 0, 0.5, 1e-10, false};
        o = tg_adagrad_list(first, &s);
        s.lr /= 2;
        tg_adagrad_group(o, second, &s);
    }
    check_ok(r->tg);
    return o;
}

static tg_state *golden_part(tg_context *tg, const char *kind, const char *dtype, const char *what)
{
    char label[64];
    snprintf(label, sizeof label, "%s.%s.%s", kind, dtype, what);
    return golden_state(tg, label);
}

/* A run whose parameters are those of a golden state. The second one is a transpose. */
static run begin(tg_context *tg, const char *kind, const char *dtype, const char *where, bool own)
{
    const tg_state *s = golden_part(tg, kind, dtype, where);
    run r = {.tg = tg};
    for (int i = 0; i < 3; i++) {
        r.p[i] = tg_clone(s->items[i].tensor);
        if (i == 1) r.p[i] = tg_t(tg_contiguous(tg_t(r.p[i])));
        tg_requires_grad_(r.p[i], true);
    }
    r.optim = make_optim(kind, &r, own);
    return r;
}

/* Makes the steps from `from` on with the golden gradients, and lowers the rates as the script
 * does. */
static void make_steps(run *r, const tg_state *grads, int from, int to)
{
    char name[16];
    for (int step = from; step < to; step++) {
        tg_scope_begin(r->tg);
        tg_zero_grad(r->optim);
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "%d.%d", step, i);
            tg_tensor *g = tg_state_find(grads, name);
            if (g) tg_backward(tg_sum(tg_mul(r->p[i], g)));
        }
        tg_step(r->optim);
        for (int g = 0; g < 2; g++) tg_set_group_lr(r->optim, g, tg_group_lr(r->optim, g) * 0.9);
        tg_scope_end(r->tg);
    }
    check_ok(r->tg);
}

static void check_parameters(const run *r, const tg_state *want)
{
    for (int i = 0; i < 3; i++)
        if (!same_bits(r->p[i], want->items[i].tensor)) fail_msg("parameter %d differs", i);
}

/* Calls check for each kind of optimiser and both dtypes, in a context of that level. */
static void each_kind(int level, void (*check)(tg_context *tg, const char *kind, const char *dtype))
{
    for (int i = 0; i < KINDS; i++)
        for (int wide = 0; wide < 2; wide++) {
            tg_context *tg = tg_open(NULL);
            tg->level = level;
            check(tg, kinds[i], wide ? "f64" : "f32");
            check_ok(tg);
            tg_close(tg);
        }
}

static void go_on_from_pytorch(tg_context *tg, const char *kind, const char *dtype)
{
    run r = begin(tg, kind, dtype, "middle", false);
    assert_true(tg_optim_load_state_dict(r.optim, golden_part(tg, kind, dtype, "optim")));
    make_steps(&r, golden_part(tg, kind, dtype, "grads"), MIDDLE, STEPS);
    check_parameters(&r, golden_part(tg, kind, dtype, "end"));
}

static void go_on_from_pytorch_at(int level)
{
    each_kind(level, go_on_from_pytorch);
}

static void test_a_state_of_pytorch_goes_on_to_its_bits(void **state)
{
    (void)state;
    each_level(go_on_from_pytorch_at);
}

/* Names that PyTorch has and this library has not: options without a meaning here, and the state of
 * an Adagrad before its first step. The numbers of the parameters have one name here. */
static bool is_only_pytorchs(const char *name)
{
    return strstr(name, "differentiable") || strstr(name, "foreach") ||
           strstr(name, "capturable") || strstr(name, "fused") || strstr(name, ".params.") ||
           !strncmp(name, "state.2.", 8);
}

static double value_of(const tg_state *s, const char *name)
{
    return tg_item(tg_state_get(s, name));
}

/* Numbers are equal; tensors have the same bits. */
static void check_entry(const tg_state *ours, const tg_state *theirs, const char *name)
{
    const tg_tensor *a = tg_state_find(ours, name), *b = tg_state_find(theirs, name);
    if (!a || !b) fail_msg("%s is missing", name);
    if (b->ndim == 0 ? value_of(ours, name) != value_of(theirs, name) : !same_bits(a, b))
        fail_msg("%s differs", name);
}

static void tell_as_pytorch(tg_context *tg, const char *kind, const char *dtype)
{
    run r = begin(tg, kind, dtype, "start", true);
    make_steps(&r, golden_part(tg, kind, dtype, "grads"), 0, MIDDLE);
    const tg_state *ours = tg_optim_state_dict(r.optim),
                   *theirs = golden_part(tg, kind, dtype, "optim");
    int same = 0;
    for (int64_t i = 0; i < theirs->n; i++) {
        if (is_only_pytorchs(theirs->items[i].name)) continue;
        check_entry(ours, theirs, theirs->items[i].name);
        same++;
    }
    assert_int_equal(ours->n, same + 2); /* the numbers of the parameters of each group */
    assert_true(tg_get_i64(tg_state_get(ours, "param_groups.0.params"), TG_INDEX(1)) == 1);
    assert_true(tg_get_i64(tg_state_get(ours, "param_groups.1.params"), TG_INDEX(0)) == 2);
}

static void test_the_state_has_pytorchs_names_and_bits(void **state)
{
    (void)state;
    each_kind(0, tell_as_pytorch);
}

/* At each step the state moves to a new optimiser with other options, which makes the next step. */
static void resume_at_each_step(tg_context *tg, const char *kind, const char *dtype)
{
    run r = begin(tg, kind, dtype, "start", true);
    const tg_state *grads = golden_part(tg, kind, dtype, "grads");
    for (int step = 0; step < STEPS; step++) {
        const tg_state *s = tg_optim_state_dict(r.optim);
        r.optim = make_optim(kind, &r, false);
        assert_true(tg_optim_load_state_dict(r.optim, s));
        make_steps(&r, grads, step, step + 1);
    }
    check_parameters(&r, golden_part(tg, kind, dtype, "end"));
}

static void test_a_run_may_be_resumed_at_each_step(void **state)
{
    (void)state;
    each_kind(0, resume_at_each_step);
}

/* An optimiser takes its state back as it was when it was cloned. */
static void go_back(tg_context *tg, const char *kind, const char *dtype)
{
    run r = begin(tg, kind, dtype, "start", true);
    const tg_state *grads = golden_part(tg, kind, dtype, "grads");
    const tg_state *start = tg_state_clone(tg_optim_state_dict(r.optim));
    make_steps(&r, grads, 0, STEPS);
    const tg_state *end = tg_state_clone(tg_optim_state_dict(r.optim));
    assert_true(tg_optim_load_state_dict(r.optim, start));
    check_same_states(tg_optim_state_dict(r.optim), start);
    const tg_state *first = golden_part(tg, kind, dtype, "start");
    for (int i = 0; i < 3; i++) {
        const size_t bytes = (size_t)r.p[i]->numel * tg_dtype_size(r.p[i]->dtype);
        assert_true(tg_copy_from(r.p[i], first->items[i].tensor->data, bytes));
    }
    make_steps(&r, grads, 0, STEPS);
    check_same_states(tg_optim_state_dict(r.optim), end);
    check_parameters(&r, golden_part(tg, kind, dtype, "end"));
}

static void test_an_optimiser_goes_back_to_a_state(void **state)
{
    (void)state;
    each_kind(0, go_back);
}

/* ---- What is refused. A copy of the state with one change, and the message for it. */

static const tg_state *changed(const tg_state *s, const char *name, tg_tensor *t)
{
    tg_state *copy = tg_state_new(s->context);
    for (int64_t i = 0; i < s->n; i++)
        if (strcmp(s->items[i].name, name) != 0)
            tg_state_add(copy, s->items[i].name, s->items[i].tensor);
    if (t) tg_state_add(copy, name, t);
    return copy;
}

static void test_what_is_no_state_is_refused_and_changes_nothing(void **state)
{
    tg_context *tg = *state;
    run r = begin(tg, "adam", "f32", "start", true);
    make_steps(&r, golden_part(tg, "adam", "f32", "grads"), 0, STEPS);
    const tg_state *s = tg_optim_state_dict(r.optim), *before = tg_state_clone(s);
    tg_tensor *one = tg_scalar(tg, TG_F64, 1), *two = tg_ones(tg, TG_F64, TG_SHAPE(2));
    const struct {
        const char *name;
        tg_tensor *value;
        const char *message;
    } wrong[] = {
        {"state.0.step", NULL, "missing state.0.step"},
        {"state.0.exp_avg", NULL, "missing state.0.exp_avg"},
        {"state.3.step", one, "not expected state.3.step"},
        {"param_groups.2.lr", one, "not expected param_groups.2.lr"},
        {"param_groups.0.momentum", one, "not expected param_groups.0.momentum"},
        {"param_groups.0.betas.1", NULL, "missing param_groups.0.betas.1"},
        {"state.0.step", two, "state.0.step is float64 [2], not one number"},
        {"state.0.step", tg_scalar(tg, TG_F64, NAN), "state.0.step is nan, which is out of range"},
        {"state.0.step", tg_scalar(tg, TG_I64, -1), "state.0.step is -1, which is out of range"},
        {"state.0.step", tg_scalar(tg, TG_F64, 0.5), "state.0.step is not whole"},
        {"state.0.step", tg_scalar(tg, TG_F64, 1e300),
         "state.0.step is 1e+300, which is out of range"},
        {"state.1.exp_avg", two, "state.1.exp_avg is float64 [2], not float32 [3, 2]"},
        {"param_groups.0.amsgrad", tg_scalar(tg, TG_F64, 2),
         "param_groups.0.amsgrad is 2, which is out of range"},
        {"param_groups.1.lr", tg_scalar(tg, TG_F64, -1), "lr -1 is not a finite number >= 0"},
        {"param_groups.1.lr", tg_scalar(tg, TG_F64, NAN),
         "param_groups.1.lr is nan, which is out of range"},
        {"param_groups.0.betas.0", one, "beta1 1 does not lie in [0, 1)"},
        {"param_groups.0.decoupled_weight_decay", tg_scalar(tg, TG_BOOL, 1),
         "param_groups.0.decoupled_weight_decay is of the other one of adam and adamw"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char message[256];
        snprintf(message, sizeof message, "optim_load_state_dict: %s", wrong[i].message);
        assert_false(tg_optim_load_state_dict(r.optim, changed(s, wrong[i].name, wrong[i].value)));
        check_error(tg, TG_ERR_ARGUMENT, message);
        check_same_states(tg_optim_state_dict(r.optim), before);
    }
    assert_true(tg_optim_load_state_dict(
        r.optim, changed(s, "param_groups.1.decoupled_weight_decay", tg_scalar(tg, TG_BOOL, 0))));
    check_same_states(tg_optim_state_dict(r.optim), before);
}

static void test_a_state_of_another_kind_is_refused(void **state)
{
    tg_context *tg = *state;
    for (int i = 0; i < KINDS; i++) {
        run r = begin(tg, kinds[i], "f32", "start", true);
        make_steps(&r, golden_part(tg, kinds[i], "f32", "grads"), 0, STEPS);
        const tg_state *s = tg_optim_state_dict(r.optim);
        for (int k = 0; k < KINDS; k++) {
            const bool same = !strcmp(kinds[i], kinds[k]) || (i < 2 && k < 2) ||
                              (i / 2 == 1 && k / 2 == 1); /* Adam and AdamW have the same names */
            run other = begin(tg, kinds[k], "f32", "start", true);
            assert_int_equal(tg_optim_load_state_dict(other.optim, s), same);
            tg_clear_error(tg);
        }
    }
}

static void test_names_of_parameters_that_differ_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_module *a = tg_module_new(tg, "A", NULL, 0), *b = tg_module_new(tg, "B", NULL, 0);
    for (int i = 0; i < 2; i++) {
        static const char *const names[] = {"x", "y"};
        tg_register_parameter(a, names[i], tg_ones(tg, TG_F32, TG_SHAPE(2)));
        tg_register_parameter(b, names[1 - i], tg_ones(tg, TG_F32, TG_SHAPE(2)));
    }
    const tg_state *s = tg_optim_state_dict(tg_adam(a, NULL));
    assert_string_equal(tg_state_text(s, "param_groups.0.param_names.1"), "y");
    assert_false(tg_optim_load_state_dict(tg_adam(b, NULL), s));
    check_error(tg, TG_ERR_ARGUMENT,
                "optim_load_state_dict: param_groups.0.param_names.0 is x, not y, "
                "param_groups.0.param_names.1 is y, not x");
    assert_true(tg_optim_load_state_dict(tg_adam_list(tg_parameters(b), NULL), s));
    check_ok(tg);
}

/* A frozen parameter has no state, and one that is frozen later keeps it. */
static void test_frozen_parameters_have_no_state(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_linear(tg, 2, 1, TG_BIAS);
    tg_tensor *weight = tg_param(net, "weight"), *bias = tg_param(net, "bias");
    tg_requires_grad_(weight, false);
    tg_optim *adam = tg_adam(net, NULL);
    const double before = tg_get(weight, TG_INDEX(0, 0));
    tg_backward(tg_sum(tg_square(tg_forward(net, tg_ones(tg, TG_F32, TG_SHAPE(1, 2))))));
    tg_step(adam);
    const tg_state *s = tg_optim_state_dict(adam);
    assert_null(tg_state_find(s, "state.0.step"));
    assert_true(value_of(s, "state.1.step") == 1);
    assert_true(tg_get(weight, TG_INDEX(0, 0)) == before);

    tg_requires_grad_(weight, true);
    tg_requires_grad_(bias, false);
    tg_optim *other = tg_adam(net, NULL);
    assert_true(tg_optim_load_state_dict(other, s));
    check_same_states(tg_optim_state_dict(other), s);
    tg_requires_grad_(bias, true);
    tg_zero_grad(other);
    tg_backward(tg_sum(tg_square(tg_forward(net, tg_ones(tg, TG_F32, TG_SHAPE(1, 2))))));
    tg_step(other);
    s = tg_optim_state_dict(other);
    assert_true(value_of(s, "state.0.step") == 1 && value_of(s, "state.1.step") == 2);
    check_ok(tg);
}

static void test_telling_and_loading_in_each_step_allocates_nothing_after_the_first(void **state)
{
#ifdef UNDER_ASAN /* which gives every tensor memory of its own */
    skip();
#endif
    (void)state;
    tg_context *tg = tg_open(NULL);
    run r = begin(tg, "adam", "f32", "start", true);
    const tg_state *grads = golden_part(tg, "adam", "f32", "grads");
    uint64_t calls = 0;
    for (int step = 0; step < STEPS; step++) {
        if (step == MIDDLE + 2) calls = tg_get_stats(tg).allocator_calls;
        make_steps(&r, grads, step, step + 1);
        tg_scope_begin(tg);
        assert_true(tg_optim_load_state_dict(r.optim, tg_optim_state_dict(r.optim)));
        tg_scope_end(tg);
    }
    assert_int_equal(tg_get_stats(tg).allocator_calls, calls);
    tg_close(tg);
}

/* The file has a network and its Adam after two steps, and the weights after a third one. The
 * gradients are sums of six products that are added in another order here, which moves a weight by
 * some units of the rate's last digit; a weight itself is rounded, too. */
static void test_a_checkpoint_of_pytorch_is_trained_on(void **state)
{
    tg_context *tg = *state;
    const tg_state *s = tg_load_pt(tg, TEST_ROOT "/tests/golden/pt/adam.pt", NULL);
    tg_module *first = tg_linear(tg, 3, 4, TG_BIAS), *last = tg_linear(tg, 4, 1, TG_BIAS);
    tg_module *net = tg_sequential(TG_MODULES(first, tg_lambda(tg, tg_tanh), last));
    tg_optim *adam = tg_adam(net, NULL);
    assert_true(tg_load_state_dict(net, tg_state_part(s, "model."), TG_STRICT));
    assert_true(tg_optim_load_state_dict(adam, tg_state_part(s, "optimizer.")));
    tg_tensor *x = tg_state_get(s, "x"), *y = tg_state_get(s, "y");
    tg_backward(tg_mse_loss(tg_forward(net, x), y, TG_MEAN));
    assert_true(tg_step(adam));
    const tg_state *then = tg_state_part(s, "then."), *now = tg_state_dict(net);
    assert_int_equal(then->n, 4);
    for (int64_t i = 0; i < then->n; i++) {
        const tg_tensor *want = then->items[i].tensor;
        const tg_tensor *got = tg_state_get(now, then->items[i].name);
        for (int64_t k = 0; k < want->numel; k++)
            assert_true(fabs(element_of(got, k) - element_of(want, k)) <
                        0x1p-24 * fabs(element_of(want, k)) + 0.01 * 64 * 0x1p-24);
    }
    check_ok(tg);
}

/* ---- LBFGS. */

typedef struct valley {
    tg_tensor *p;
    tg_optim *optim;
} valley;

/* (1 - x)^2 + 5 (y - x^2)^2 */
static tg_tensor *valley_loss(void *user)
{
    valley *v = user;
    tg_zero_grad(v->optim);
    tg_tensor *x = tg_select(v->p, 0, 0), *y = tg_select(v->p, 0, 1);
    tg_tensor *loss = tg_add(tg_square(tg_rsub_scalar(x, 1)),
                             tg_mul_scalar(tg_square(tg_sub(y, tg_square(x))), 5));
    tg_backward(loss);
    return loss;
}

static valley make_valley(tg_context *tg, double x, double y, bool wolfe)
{
    valley v = {.p = tg_requires_grad_(tg_from_f64(tg, TG_SHAPE(2), (double[]){x, y}), true)};
    v.optim = tg_lbfgs_list(TG_LIST(v.p), TG_LBFGS(.lr = wolfe ? 1 : 0.5, .max_iter = 4,
                                                   .history_size = 3, .strong_wolfe = wolfe));
    return v;
}

/* PyTorch sums dot products in another order, so that digits differ. */
static void test_lbfgs_goes_on_from_pytorch(void **state)
{
    tg_context *tg = *state;
    for (int wolfe = 0; wolfe < 2; wolfe++) {
        const char *name = wolfe ? "lbfgs_wolfe" : "lbfgs";
        char label[32];
        snprintf(label, sizeof label, "%s.middle", name);
        const tg_tensor *p = golden_state(tg, label)->items[0].tensor;
        valley v = make_valley(tg, tg_get(p, TG_INDEX(0)), tg_get(p, TG_INDEX(1)), wolfe);
        snprintf(label, sizeof label, "%s.optim", name);
        assert_true(tg_optim_load_state_dict(v.optim, golden_state(tg, label)));
        for (int i = 0; i < 2; i++) tg_step_closure(v.optim, valley_loss, &v);
        snprintf(label, sizeof label, "%s.end", name);
        p = golden_state(tg, label)->items[0].tensor;
        for (int i = 0; i < 2; i++)
            assert_true(fabs(tg_get(v.p, TG_INDEX(i)) - tg_get(p, TG_INDEX(i))) < 1e-9);
    }
    check_ok(tg);
}

static void test_lbfgs_has_pytorchs_names(void **state)
{
    tg_context *tg = *state;
    for (int wolfe = 0; wolfe < 2; wolfe++) {
        const tg_state *theirs = golden_state(tg, wolfe ? "lbfgs_wolfe.optim" : "lbfgs.optim");
        valley v = make_valley(tg, -1.5, 1, wolfe);
        for (int i = 0; i < 3; i++) tg_step_closure(v.optim, valley_loss, &v);
        const tg_state *ours = tg_optim_state_dict(v.optim);
        for (int64_t i = 0; i < theirs->n; i++) {
            const char *name = theirs->items[i].name;
            const tg_tensor *want = theirs->items[i].tensor;
            if (strstr(name, ".params.") || strstr(name, ".al.") || strstr(name, "func_evals") ||
                strstr(name, "prev_loss"))
                continue;
            const tg_tensor *got = tg_state_get(ours, name);
            assert_non_null(got);
            assert_int_equal(got->numel, want->numel);
            for (int64_t k = 0; k < want->numel; k++) {
                const double w = element_of(want, k);
                if (fabs(element_of(got, k) - w) > 1e-9 * (1 + fabs(w)))
                    fail_msg("%s: %.17g, not %.17g", name, element_of(got, k), w);
            }
        }
        const char *search = tg_state_text(ours, "param_groups.0.line_search_fn");
        assert_true(wolfe ? search && !strcmp(search, "strong_wolfe") : !search);
    }
    check_ok(tg);
}

/* Before each step the state moves to another optimiser. */
static void test_lbfgs_may_be_resumed_at_each_step(void **state)
{
    tg_context *tg = *state;
    for (int wolfe = 0; wolfe < 2; wolfe++) {
        valley whole = make_valley(tg, -1.5, 1, wolfe), v = make_valley(tg, -1.5, 1, wolfe);
        for (int step = 0; step < 6; step++) {
            const tg_state *s = tg_optim_state_dict(v.optim);
            v = make_valley(tg, tg_get(v.p, TG_INDEX(0)), tg_get(v.p, TG_INDEX(1)), wolfe);
            assert_true(tg_optim_load_state_dict(v.optim, s));
            check_same_states(tg_optim_state_dict(v.optim), s);
            const double loss = tg_step_closure(whole.optim, valley_loss, &whole);
            assert_true(tg_step_closure(v.optim, valley_loss, &v) == loss);
            assert_true(same_bits(v.p, whole.p));
        }
    }
    check_ok(tg);
}

/* The same optimiser goes back, where the pairs lie in other rows. */
static void test_lbfgs_goes_back_to_a_state(void **state)
{
    tg_context *tg = *state;
    valley v = make_valley(tg, -1.5, 1, true);
    const tg_state *fresh = tg_optim_state_dict(v.optim);
    for (int i = 0; i < 2; i++) tg_step_closure(v.optim, valley_loss, &v);
    const tg_state *s = tg_optim_state_dict(v.optim);
    const double x = tg_get(v.p, TG_INDEX(0)), y = tg_get(v.p, TG_INDEX(1));
    double loss[2];
    for (int i = 0; i < 2; i++) {
        assert_true(tg_optim_load_state_dict(v.optim, s));
        tg_copy_from_f64(v.p, (double[]){x, y});
        tg_step_closure(v.optim, valley_loss, &v);
        loss[i] = tg_step_closure(v.optim, valley_loss, &v);
    }
    assert_true(loss[0] == loss[1]);
    assert_true(tg_optim_load_state_dict(v.optim, fresh));
    check_same_states(tg_optim_state_dict(v.optim), fresh);
    check_ok(tg);
}

static void test_a_wrong_state_of_lbfgs_is_refused(void **state)
{
    tg_context *tg = *state;
    valley v = make_valley(tg, -1.5, 1, false);
    tg_step_closure(v.optim, valley_loss, &v);
    const tg_state *s = tg_optim_state_dict(v.optim), *before = tg_state_clone(s);
    tg_tensor *one = tg_scalar(tg, TG_F64, 1);
    const struct {
        const char *name;
        tg_tensor *value;
        const char *message;
    } wrong[] = {
        {"state.0.d", NULL, "missing state.0.d"},
        {"state.0.d", one, "state.0.d is float64 [], not float64 [2]"},
        {"state.0.old_stps.0", NULL, "missing state.0.old_stps.0"},
        {"state.0.old_dirs.0", NULL,
         "not expected state.0.old_stps.0, state.0.ro.0, state.0.old_dirs.1, state.0.old_stps.1, "
         "state.0.ro.1, state.0.old_dirs.2, state.0.old_stps.2, state.0.ro.2"},
        {"state.0.n_iter", tg_scalar(tg, TG_I64, -1),
         "state.0.n_iter is -1, which is out of range"},
        {"state.0.H_diag", tg_scalar(tg, TG_F64, INFINITY),
         "state.0.H_diag is inf, which is out of range"},
        {"param_groups.0.history_size", tg_scalar(tg, TG_I64, 4),
         "history_size 4 with max_iter 4 needs an optimiser that was made with them"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char message[256];
        snprintf(message, sizeof message, "optim_load_state_dict: %s", wrong[i].message);
        assert_false(tg_optim_load_state_dict(v.optim, changed(s, wrong[i].name, wrong[i].value)));
        check_error(tg, TG_ERR_ARGUMENT, message);
        check_same_states(tg_optim_state_dict(v.optim), before);
    }
}

/* ---- Schedules. */

typedef struct scheduled {
    tg_optim *optim;
    tg_scheduler *s;
} scheduled;

static scheduled make_schedule(tg_context *tg, const char *name)
{
    tg_tensor *p[2];
    for (int i = 0; i < 2; i++) p[i] = tg_requires_grad_(tg_zeros(tg, TG_F32, TG_SHAPE(1)), true);
    scheduled c = {.optim = tg_sgd_list(TG_LIST(p[0]), TG_SGD(.lr = 0.2, .momentum = 0.9))};
    tg_sgd_group(c.optim, TG_LIST(p[1]), TG_SGD(.lr = 0.5, .momentum = 0.9));
    if (!strcmp(name, "step")) c.s = tg_step_lr(c.optim, 3, 0.5);
    if (!strcmp(name, "exponential")) c.s = tg_exponential_lr(c.optim, 0.9);
    if (!strcmp(name, "cosine")) c.s = tg_cosine_annealing_lr(c.optim, 7, 0.01);
    if (!strcmp(name, "one_cycle"))
        c.s = tg_one_cycle_lr(c.optim, TG_ONE_CYCLE(.max_lr = 0.4, .total_steps = 20));
    if (!strcmp(name, "plateau"))
        c.s = tg_reduce_lr_on_plateau(c.optim,
                                      TG_PLATEAU(.patience = 1, .cooldown = 2, .threshold = 1e-3));
    check_ok(tg);
    return c;
}

static void step_schedule(const scheduled *c, const char *name, int i)
{
    assert_true(strcmp(name, "plateau") == 0
                    ? tg_scheduler_step_metric(c->s, 1.0 / (1 + (i < 3 ? i : 3)))
                    : tg_scheduler_step(c->s));
}

static const char *const schedules[] = {"step", "exponential", "cosine", "one_cycle", "plateau"};
enum { SCHEDULES = sizeof schedules / sizeof *schedules };

/* Each step rounds a few times, and libm's cos may differ in its last bit. */
static void test_a_schedule_goes_on_from_pytorch(void **state)
{
    tg_context *tg = *state;
    for (int k = 0; k < SCHEDULES; k++) {
        char label[32], name[16];
        const scheduled c = make_schedule(tg, schedules[k]);
        snprintf(label, sizeof label, "%s.optim", schedules[k]);
        assert_true(tg_optim_load_state_dict(c.optim, golden_state(tg, label)));
        snprintf(label, sizeof label, "%s.schedule", schedules[k]);
        assert_true(tg_scheduler_load_state_dict(c.s, golden_state(tg, label)));
        snprintf(label, sizeof label, "%s.rates", schedules[k]);
        const tg_state *rates = golden_state(tg, label);
        for (int i = 0; i < 8; i++) {
            step_schedule(&c, schedules[k], 6 + i);
            for (int g = 0; g < 2; g++) {
                snprintf(name, sizeof name, "%d.%d", i, g);
                const double want = value_of(rates, name);
                if (fabs(tg_group_lr(c.optim, g) - want) > 1e-12 * want)
                    fail_msg("%s: %s: %.17g, not %.17g", schedules[k], name,
                             tg_group_lr(c.optim, g), want);
            }
        }
    }
    check_ok(tg);
}

static void test_a_schedule_may_be_resumed_at_each_step(void **state)
{
    tg_context *tg = *state;
    for (int k = 0; k < SCHEDULES; k++) {
        const scheduled whole = make_schedule(tg, schedules[k]);
        scheduled c = make_schedule(tg, schedules[k]);
        for (int i = 0; i < 14; i++) {
            const tg_state *o = tg_optim_state_dict(c.optim), *s = tg_scheduler_state_dict(c.s);
            c = make_schedule(tg, schedules[k]);
            assert_true(tg_scheduler_load_state_dict(c.s, s));
            assert_true(tg_optim_load_state_dict(c.optim, o));
            check_same_states(tg_scheduler_state_dict(c.s), s);
            step_schedule(&whole, schedules[k], i);
            step_schedule(&c, schedules[k], i);
            check_same_states(tg_optim_state_dict(c.optim), tg_optim_state_dict(whole.optim));
        }
    }
    check_ok(tg);
}

/* An optimiser of p with the rate 1, whose momentum goes from one number to the other and back in
 * three steps. */
static scheduled make_cycle(tg_tensor *p, bool rmsprop, double from, double to)
{
    const tg_sgd_options sgd = {.lr = 1, .momentum = 0.5, .dampening = 0.5};
    const tg_rmsprop_options squares = {.lr = 1, .momentum = 0.5, .alpha = 0, .eps = 1};
    scheduled c;
    c.optim = rmsprop ? tg_rmsprop_list(TG_LIST(p), &squares) : tg_sgd_list(TG_LIST(p), &sgd);
    c.s = tg_one_cycle_lr(c.optim,
                          TG_ONE_CYCLE(.max_lr = 1, .total_steps = 4, .div_factor = 1,
                                       .final_div_factor = 1, .pct_start = 0.5, .linear = true,
                                       .max_momentum = from, .base_momentum = to));
    return c;
}

/* Makes four steps with the gradient 1, and compares p after each. With `resumes`, each is made by
 * an optimiser that begins with the state of the one before. */
static void check_cycle(tg_context *tg, bool resumes, bool rmsprop, double from, double to,
                        const double *want)
{
    tg_tensor *p = tg_requires_grad_(tg_zeros(tg, TG_F64, TG_SHAPE(1)), true);
    scheduled c = make_cycle(p, rmsprop, from, to);
    for (int i = 0; i < 4; i++) {
        if (i && resumes) {
            const tg_state *o = tg_optim_state_dict(c.optim), *s = tg_scheduler_state_dict(c.s);
            c = make_cycle(p, rmsprop, from, to);
            assert_true(tg_optim_load_state_dict(c.optim, o));
            assert_true(tg_scheduler_load_state_dict(c.s, s));
        }
        tg_zero_grad(c.optim);
        tg_backward(tg_sum(p));
        tg_step(c.optim);
        tg_scheduler_step(c.s);
        check_ok(tg);
        assert_true(element_of(p, 0) == want[i]);
    }
}

/* PyTorch begins the average of the momentum at the first step that has a momentum, and leaves it
 * as it is in a step where the momentum is 0. All numbers are exact. SGD, with its dampening of
 * 1/2: from 1/2 down, the averages are 1, 1, 1/4 + 1/2 and 3/8 + 1/2, and the second step is the
 * gradient itself; from 0 up, they are none, 1, 1/4 + 1/2 and 3/4, and the first and last steps are
 * the gradient. RMSprop, which here halves the gradient: 1/2, 1/2, 1/8 + 1/2 and 5/16 + 1/2. */
static void test_a_schedule_may_make_the_momentum_0(void **state)
{
    static const double down[] = {-1, -2, -2.75, -3.625}, up[] = {-1, -2, -2.75, -3.75},
                        squares[] = {-0.5, -1, -1.625, -2.4375};
    for (int resumes = 0; resumes < 2; resumes++) {
        check_cycle(*state, resumes, false, 0.5, 0, down);
        check_cycle(*state, resumes, false, 0, 0.5, up);
        check_cycle(*state, resumes, true, 0.5, 0, squares);
    }
}

static void test_a_schedule_refuses_another_kind_and_wrong_numbers(void **state)
{
    tg_context *tg = *state;
    for (int i = 0; i < SCHEDULES; i++)
        for (int k = 0; k < SCHEDULES; k++) {
            const tg_state *s = tg_scheduler_state_dict(make_schedule(tg, schedules[k]).s);
            const scheduled c = make_schedule(tg, schedules[i]);
            assert_int_equal(tg_scheduler_load_state_dict(c.s, s), i == k);
            tg_clear_error(tg);
        }
    const scheduled c = make_schedule(tg, "one_cycle");
    const tg_state *s = tg_scheduler_state_dict(c.s), *before = tg_state_clone(s);
    assert_false(
        tg_scheduler_load_state_dict(c.s, changed(s, "last_epoch", tg_scalar(tg, TG_I64, 21))));
    check_error(tg, TG_ERR_ARGUMENT,
                "scheduler_load_state_dict: last_epoch is 21, which is out of range");
    assert_false(
        tg_scheduler_load_state_dict(c.s, changed(s, "base_lrs.1", tg_scalar(tg, TG_F64, NAN))));
    check_error(tg, TG_ERR_ARGUMENT,
                "scheduler_load_state_dict: base_lrs.1 is nan, which is out of range");
    check_same_states(tg_scheduler_state_dict(c.s), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_state_of_pytorch_goes_on_to_its_bits),
        cmocka_unit_test(test_the_state_has_pytorchs_names_and_bits),
        cmocka_unit_test(test_a_run_may_be_resumed_at_each_step),
        cmocka_unit_test(test_an_optimiser_goes_back_to_a_state),
        cmocka_unit_test(test_what_is_no_state_is_refused_and_changes_nothing),
        cmocka_unit_test(test_a_state_of_another_kind_is_refused),
        cmocka_unit_test(test_names_of_parameters_that_differ_are_refused),
        cmocka_unit_test(test_frozen_parameters_have_no_state),
        cmocka_unit_test(test_telling_and_loading_in_each_step_allocates_nothing_after_the_first),
        cmocka_unit_test(test_a_checkpoint_of_pytorch_is_trained_on),
        cmocka_unit_test(test_lbfgs_goes_on_from_pytorch),
        cmocka_unit_test(test_lbfgs_has_pytorchs_names),
        cmocka_unit_test(test_lbfgs_may_be_resumed_at_each_step),
        cmocka_unit_test(test_lbfgs_goes_back_to_a_state),
        cmocka_unit_test(test_a_wrong_state_of_lbfgs_is_refused),
        cmocka_unit_test(test_a_schedule_goes_on_from_pytorch),
        cmocka_unit_test(test_a_schedule_may_be_resumed_at_each_step),
        cmocka_unit_test(test_a_schedule_may_make_the_momentum_0),
        cmocka_unit_test(test_a_schedule_refuses_another_kind_and_wrong_numbers),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
