/* What calls leave in memory besides their result. An operation that is composed of others, such as
 * a loss, must leave none of its intermediate tensors, scratch memory or views, and must keep an
 * input only if a gradient reads its values. */
#include "supported.h"

static const char *const row_text[] = {
#define GROUP(title)          "",
#define ROW(name, expression) #expression,
#include "supported.def"
#undef GROUP
#undef ROW
};

/* Whether the row of supported.def is a single call, so that its result is the only tensor it
 * makes. */
static bool is_one_call(int row)
{
    if (strchr(row_text[row], '.')) return false; /* the row takes one of several results */
    const char *next = strchr(row_text[row], '(');
    for (; next && (next = strstr(next, "tg_")); next++)
        if (strcspn(next, "(") < strcspn(next, " ,)")) return false;
    return true;
}

/* ---- Inputs that are released right after the call. */

enum { INPUTS = 4 };

/* The results of operations on the leaves of o. Unlike leaves, they can be released. */
static operands passed_on(const operands *o)
{
    operands p = *o;
    p.a = tg_mul_scalar(o->a, 1);
    p.b = tg_mul_scalar(o->b, 1);
    p.c = tg_mul_scalar(o->c, 1);
    p.v = tg_mul_scalar(o->v, 1);
    p.mask = tg_clone(o->mask);
    p.index = tg_clone(o->index);
    p.rows = tg_clone(o->rows);
    return p;
}

static void release_inputs(const operands *p, const tg_tensor *out)
{
    tg_tensor *all[] = {p->a, p->b, p->c, p->v, p->mask, p->index, p->rows};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != out) tg_release(all[i]);
}

static tg_tensor *square_sum(tg_tensor *t)
{
    return tg_sum(tg_mul(t, t));
}

/* Fills g with the gradients of the sum of squares of out with respect to the four leaves, and then
 * with those of the sum of squares of these gradients. An element is NULL where there is none. */
static void differentiate(const operands *o, tg_tensor *out, tg_tensor **g)
{
    tg_grad_options how = tg_grad_defaults();
    const tg_list leaves = TG_LIST(o->a, o->b, o->c, o->v);
    tg_tensor *sum = NULL;
    how.create_graph = how.allow_unused = true;
    if (!out->requires_grad) return;
    assert_true(tg_grad(TG_LIST(square_sum(out)), leaves, g, &how));
    for (int i = 0; i < INPUTS; i++)
        if (g[i]) sum = sum ? tg_add(sum, square_sum(g[i])) : square_sum(g[i]);
    if (sum && sum->requires_grad) tg_grad(TG_LIST(sum), leaves, g + INPUTS, &how);
}

static void check_same(const char *name, const char *when, const tg_tensor *a, const tg_tensor *b)
{
    bool same = !a == !b;
    for (int64_t i = 0; same && a && i < a->numel; i++) {
        const double x = element_of(a, i), y = element_of(b, i);
        same = x == y || (isnan(x) && isnan(y));
    }
    if (!same) fail_msg("%s: another gradient %s", name, when);
}

static void inputs_may_be_released_before_backward(void **state)
{
    (void)state;
    int differentiated = 0;
    for (int i = 0; i < ROWS; i++) {
        tg_tensor *g[2][2 * INPUTS];
        tg_context *tg[2];
        if (!table[i].call || is_in_group(i, "Optimisers")) continue;
        for (int release = 0; release < 2; release++) {
            tg[release] = tg_open(NULL);
            const operands o = make_operands(tg[release], TG_F64), p = passed_on(&o);
            tg_tensor *out = table[i].call(&p);
            for (int k = 0; k < 2 * INPUTS; k++) g[release][k] = NULL;
            if (!out) tg_clear_error(tg[release]); /* the operation refuses float64 */
            if (!out) continue;
            if (release) release_inputs(&p, out);
            differentiate(&o, out, g[release]);
            if (!tg_ok(tg[release])) fail_msg("%s: %s", table[i].name, tg_error(tg[release]));
        }
        for (int k = 0; k < 2 * INPUTS; k++)
            check_same(table[i].name, "once the inputs are released", g[0][k], g[1][k]);
        differentiated += g[0][0] || g[0][1];
        for (int k = 0; k < 2; k++) tg_close(tg[k]);
    }
    assert_true(differentiated > 100);
}

/* ---- Writes to a result before its backward. */

/* Whether PyTorch's backward reads the result of this operation, so that a write to the result is
 * an error. tests/golden/written.py has tried it. */
static bool pytorch_needs(const char *wanted)
{
    char name[40], verdict[8] = "";
    FILE *file = fopen(TEST_ROOT "/tests/golden/written_golden.txt", "r");
    assert_non_null(file);
    while (fscanf(file, "%39s %7s", name, verdict) == 2 && strcmp(name, wanted) != 0) continue;
    fclose(file);
    if (strcmp(name, wanted) != 0)
        fail_msg("%s is not in written_golden.txt: add it to tests/golden/supported.py and run "
                 "written.py",
                 wanted);
    return strcmp(verdict, "needed") == 0;
}

/* Whether backward reads the result in this library. The gradients of the operations in `differs`
 * read other values than PyTorch's. */
static bool is_needed(const char *name)
{
    static const char *const differs[] = {"pow",       "prod",    "prod_dim",
                                          "logsumexp", "softmax", "log_softmax",
                                          "det",       "lstsq",   "lstsq_rcond"};
    bool needed = pytorch_needs(name);
    for (size_t i = 0; i < sizeof differs / sizeof *differs; i++)
        if (strcmp(differs[i], name) == 0) needed = !needed;
    return needed;
}

static void check_same_gradients(const char *name, const operands *o, const operands *written)
{
    const char *when = "once the result is written to";
    check_same(name, when, o->a->grad, written->a->grad);
    check_same(name, when, o->b->grad, written->b->grad);
    check_same(name, when, o->c->grad, written->c->grad);
    check_same(name, when, o->v->grad, written->v->grad);
}

/* A result that is no view has memory of its own, without gaps. A program may write to it: the
 * gradients of the inputs stay the same, or, where backward reads the result, backward fails. */
static void only_views_share_memory_with_their_inputs(void **state)
{
    (void)state;
    int written = 0;
    for (int i = 0; i < ROWS; i++) {
        if (!table[i].call || is_in_group(i, "Shapes and views") ||
            strcmp(table[i].name, "flatten_layer") == 0)
            continue;
        tg_context *tg = tg_open(NULL);
        const operands o = make_operands(tg, TG_F64);
        tg_tensor *plain = table[i].call(&o);
        tg_manual_seed(tg, 1);
        const operands again = make_operands(tg, TG_F64);
        tg_tensor *out = table[i].call(&again);
        if (out && !tg_is_contiguous(out)) fail_msg("%s: its result has gaps", table[i].name);
        if (out && plain->requires_grad) {
            tg_tensor *factor = tg_full_like(out, 1.5);
            tg_tensor *product = tg_mul(plain, factor), *changed = tg_mul_(out, factor);
            if (changed != out) fail_msg("%s: %s", table[i].name, tg_error(tg));
            assert_true(tg_backward(tg_sum(product)));
            if (tg_backward(tg_sum(changed)) == is_needed(table[i].name))
                fail_msg("%s: %s", table[i].name, tg_error(tg));
            if (tg_ok(tg)) check_same_gradients(table[i].name, &o, &again);
            written++;
        }
        tg_close(tg);
    }
    assert_true(written > 100);
}

/* ---- Memory. */

static size_t live(const tg_context *tg)
{
    return tg_get_stats(tg).live_bytes;
}

/* Puts a record on the tape, which must not keep the memory of later calls, and then stops
 * recording. */
static void leave_a_record(tg_context *tg)
{
    tg_neg(tg_requires_grad_(tg_ones(tg, TG_F64, TG_SHAPE(4)), true));
    tg_no_grad_begin(tg);
}

/* The memory in use is compared after WARM calls and after TIMES more. If each of these left as
 * little as 64 bytes, they would fill a page of 64 KB, which live_bytes counts. */
enum { WARM = 20, TIMES = 1100 };

static void call_and_release(int row, const operands *o, int times)
{
    for (int i = 0; i < times; i++) {
        tg_tensor *out = table[row].call(o);
        if (out != o->a && out != o->b) tg_release(out);
    }
}

/* Operands of the same shapes, each a view with gaps between its elements. */
static operands make_strided(tg_context *tg, tg_dtype dtype)
{
    operands o = make_operands(tg, dtype);
    o.v = tg_select(o.a, 1, 0);
    o.a = tg_t(o.a);
    o.b = tg_t(o.b);
    o.c = tg_t(o.c);
    o.mask = tg_t(o.mask);
    o.index = tg_t(o.index);
    o.rows = tg_select(tg_stack(TG_LIST(o.rows, o.rows), 1), 1, 0);
    return o;
}

/* Checks that calls of the operation leave nothing but their results, and closes the context.
 * Returns whether the operation takes these operands. */
static bool leaves_nothing(int row, const operands *o, const char *which)
{
    tg_context *tg = o->tg;
    leave_a_record(tg);
    call_and_release(row, o, WARM);
    const size_t before = live(tg);
    call_and_release(row, o, TIMES);
    const bool done = tg_ok(tg);
    if (live(tg) != before)
        fail_msg("%s of %s operands: the calls keep %zu bytes", table[row].name, which,
                 live(tg) - before);
    tg_close(tg);
    return done;
}

/* A call that records no graph leaves its result in memory and nothing else; a call that refuses
 * the dtype leaves nothing. */
static void operations_leave_nothing_but_their_result(void **state)
{
    (void)state;
    int contiguous = 0, strided = 0;
    for (int i = 0; i < ROWS; i++) {
        if (!table[i].call || !is_one_call(i) || is_in_group(i, "Modules")) continue;
        for (tg_dtype d = TG_F32; d <= TG_I64; d++) {
            const operands o = make_operands(tg_open(NULL), d);
            contiguous += leaves_nothing(i, &o, "contiguous");
            const operands s = make_strided(tg_open(NULL), d);
            strided += leaves_nothing(i, &s, "strided");
        }
    }
    assert_true(contiguous > 200);
    assert_true(strided > 200);
}

/* Calls that fail after they have allocated their result. Only the first one succeeds; it copies
 * its operand, which has gaps. */
#define CALLS(CALL)                                                                                \
    CALL(bernoulli, tg_bernoulli(o->a))                                                            \
    CALL(bernoulli_of_two, tg_bernoulli(o->c))                                                     \
    CALL(gather, tg_gather(o->a, 0, o->index))                                                     \
    CALL(index_select, tg_index_select(o->a, 0, o->rows))                                          \
    CALL(embedding, tg_embedding(o->rows, o->a, TG_NO_INDEX))                                      \
    CALL(scatter_add, tg_scatter_add(o->a, 0, o->index, o->a))                                     \
    CALL(cross_entropy, tg_cross_entropy(o->a, o->rows, NULL))                                     \
    CALL(cholesky, tg_cholesky(o->b))                                                              \
    CALL(inv, tg_inv(o->b))                                                                        \
    CALL(remainder, tg_remainder(o->index, o->mask))                                               \
    CALL(from_f32, tg_from_f32(o->tg, TG_SHAPE(8, 8), NULL))
#define CALL(name, expression)                                                                     \
    static tg_tensor *failing_##name(const operands *o)                                            \
    {                                                                                              \
        return expression;                                                                         \
    }
CALLS(CALL)
#undef CALL

static void failed_calls_leave_nothing(void **state)
{
    (void)state;
    static const supported_row calls[] = {
#define CALL(name, expression) {#name, failing_##name},
        CALLS(CALL)
#undef CALL
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        for (int recorded = 0; recorded < 2; recorded++) {
            tg_context *tg = tg_open(NULL);
            operands o = make_strided(tg, TG_F32);
            if (!recorded) tg_no_grad_begin(tg);
            o.b = tg_t(tg_zeros(tg, TG_F32, TG_SHAPE(4, 4)));
            o.c = tg_t(tg_full(tg, TG_F32, TG_SHAPE(4, 4), 2));
            o.mask = tg_zeros(tg, TG_I64, TG_SHAPE(4, 4));
            o.index = tg_t(tg_full(tg, TG_I64, TG_SHAPE(4, 4), 9));
            o.rows = tg_select(o.index, 1, 0);
            size_t before = 0;
            for (int k = 0; k < WARM + TIMES; k++) {
                if (k == WARM) before = live(tg);
                tg_tensor *out = calls[i].call(&o);
                if ((i > 0) != !out || (i > 0) == tg_ok(tg))
                    fail_msg("%s: %s", calls[i].name, tg_error(tg));
                tg_release(out);
                tg_clear_error(tg);
            }
            if (live(tg) != before)
                fail_msg("%s: the calls keep %zu bytes", calls[i].name, live(tg) - before);
            tg_close(tg);
        }
    }
}

static void release_both(tg_indexed t)
{
    tg_release(t.values);
    tg_release(t.indices);
}

/* Calls with two results; and calls on operands that are made before the loop: a, its transpose and
 * a positive matrix (4, 4), rows (4), a batch (1, 4, 4), and kernels (4, 1, 2, 2). */
#define CALLS_ON(CALL)                                                                             \
    CALL(max_indexed, release_both(tg_max_indexed(a, 0, false)))                                   \
    CALL(min_indexed, release_both(tg_min_indexed(a, 0, false)))                                   \
    CALL(sort_indexed, release_both(tg_sort_indexed(a, 0, true, true)))                            \
    CALL(topk, release_both(tg_topk(a, 2, 0, true, true)))                                         \
    CALL(remainder, tg_release(tg_remainder(a, a)))                                                \
    CALL(bmm, tg_release(tg_bmm(batch, batch)))                                                    \
    CALL(cholesky, tg_release(tg_cholesky(positive)))                                              \
    CALL(conv1d, tg_release(tg_conv1d(a, batch, NULL)))                                            \
    CALL(conv2d, tg_release(tg_conv2d(batch, kernels, NULL)))                                      \
    CALL(max_pool2d, tg_release(tg_max_pool2d(batch, TG_POOL(.kernel = {2, 2}))))                  \
    CALL(avg_pool2d, tg_release(tg_avg_pool2d(batch, TG_POOL(.kernel = {2, 2}))))                  \
    CALL(contiguous, tg_release(tg_contiguous(turned)))                                            \
    CALL(l1_loss, tg_release(tg_l1_loss(a, turned, NULL)))                                         \
    CALL(nll_loss, tg_release(tg_nll_loss(a, rows, NULL)))

typedef struct prepared {
    tg_tensor *a, *rows, *batch, *kernels, *turned, *positive;
} prepared;

#define CALL(name, expression)                                                                     \
    static void call_prepared_##name(const prepared *p)                                            \
    {                                                                                              \
        tg_tensor *a = p->a, *rows = p->rows, *batch = p->batch, *kernels = p->kernels;            \
        tg_tensor *turned = p->turned, *positive = p->positive;                                    \
        (void)a, (void)rows, (void)batch, (void)kernels, (void)turned, (void)positive;             \
        expression;                                                                                \
    }
CALLS_ON(CALL)
#undef CALL

static void calls_on_prepared_operands_leave_nothing(void **state)
{
#define CALL(name, expression) {#name, call_prepared_##name},
    static const struct {
        const char *name;
        void (*call)(const prepared *p);
    } calls[] = {CALLS_ON(CALL)};
#undef CALL
    tg_context *tg = *state;
    for (tg_dtype d = TG_F32; d <= TG_F64; d++) {
        const operands o = make_operands(tg, d);
        leave_a_record(tg);
        const prepared p = {.a = o.a,
                            .rows = o.rows,
                            .batch = tg_unsqueeze(o.a, 0),
                            .kernels = tg_reshape(o.b, TG_SHAPE(4, 1, 2, 2)),
                            .turned = tg_t(o.b),
                            .positive = tg_add(tg_matmul(o.a, tg_t(o.a)), tg_eye(tg, d, 4, 4))};
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            size_t before = 0;
            for (int k = 0; k < WARM + TIMES; k++) {
                if (k == WARM) before = live(tg);
                calls[i].call(&p);
            }
            check_ok(tg);
            if (live(tg) != before)
                fail_msg("%s: the calls keep %zu bytes", calls[i].name, live(tg) - before);
        }
        tg_no_grad_end(tg);
    }
}

static void modules_leave_nothing_but_their_result(void **state)
{
    tg_context *tg = *state;
    for (tg_dtype d = TG_F32; d <= TG_F64; d++) {
        const operands o = make_operands(tg, d);
        leave_a_record(tg);
        tg_tensor *image = tg_unsqueeze(o.a, 0), *pixels = tg_reshape(o.a, TG_SHAPE(2, 4, 2, 1));
        const struct {
            tg_module *module;
            tg_tensor *input;
        } all[] = {{tg_linear(tg, 4, 3, TG_BIAS), o.a},
                   {tg_conv1d_layer(tg, 4, 2, TG_SHAPE(2), TG_BIAS, NULL), o.a},
                   {tg_conv2d_layer(tg, 1, 2, TG_SHAPE(2, 2), TG_BIAS, NULL), image},
                   {tg_embedding_layer(tg, 4, 4, TG_NO_INDEX), o.rows},
                   {tg_batchnorm1d(tg, 4, NULL), o.a},
                   {tg_batchnorm2d(tg, 4, NULL), pixels},
                   {tg_layernorm(tg, TG_SHAPE(4), NULL), o.a},
                   {tg_dropout_layer(tg, 0.5), o.a},
                   {tg_flatten_layer(tg, 0, -1), o.a},
                   {tg_lambda(tg, tg_logsigmoid), o.a}};
        tg_module *criterion = tg_criterion(tg, tg_huber_loss, NULL), *mse = tg_mseloss(tg, TG_SUM);
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            size_t before = 0;
            for (int k = 0; k < WARM + TIMES; k++) {
                if (k == WARM) before = live(tg);
                tg_release(tg_forward(all[i].module, all[i].input));
                tg_release(tg_loss(criterion, o.a, o.b));
                tg_release(tg_loss(mse, o.a, o.b));
            }
            check_ok(tg);
            if (live(tg) != before) fail_msg("module %zu: the calls keep memory", i);
        }
        tg_no_grad_end(tg);
    }
}

/* A scope holds a recorded call and its backward. The first scope allocates what they need, and the
 * memory stays at this size in the scopes after it. */
static void recorded_calls_leave_nothing_behind_their_scope(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        if (!table[i].call) continue;
        tg_context *tg = tg_open(NULL);
        const operands o = make_operands(tg, TG_F64);
        size_t before = 0;
        for (int k = 0; k < WARM && tg_ok(tg); k++) {
            tg_scope_begin(tg);
            tg_tensor *out = table[i].call(&o);
            if (out && out->requires_grad) tg_backward(tg_sum(out));
            tg_scope_end(tg);
            if (k == 0) before = live(tg);
            if (live(tg) != before) fail_msg("%s: a step keeps memory", table[i].name);
        }
        tg_close(tg);
    }
}

static tg_list halves(tg_tensor *x, int how)
{
    if (how == 0) return tg_split_sizes(x, TG_SHAPE(2, 2), 0);
    return how == 1 ? tg_split(x, 2, 0) : tg_chunk(x, 2, 0);
}

/* When the parts are released, only the list of them stays. Functions that compute the sizes of the
 * parts leave no more than the one that is given them. */
static void lists_of_parts_leave_the_list_alone(void **state)
{
    (void)state;
    size_t left[3];
    for (int how = 0; how < 3; how++) {
        tg_context *tg = tg_open(NULL);
        tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(4, 4));
        for (int i = 0; i < WARM + TIMES; i++) {
            const tg_list parts = halves(x, how);
            assert_int_equal(parts.n, 2);
            for (int k = 0; k < parts.n; k++) tg_release(parts.items[k]);
        }
        left[how] = live(tg);
        tg_close(tg);
    }
    assert_int_equal(left[1], left[0]);
    assert_int_equal(left[2], left[0]);
}

/* ---- Networks. */

static void sequential_leaves_nothing_but_its_result(void **state)
{
    tg_context *tg = *state;
    tg_module *deep = tg_sequential(TG_MODULES(tg_linear(tg, 4, 8, TG_BIAS), tg_lambda(tg, tg_tanh),
                                               tg_linear(tg, 8, 8, TG_BIAS)));
    tg_module *net =
        tg_sequential(TG_MODULES(tg_flatten_layer(tg, 1, -1), deep, tg_lambda(tg, tg_relu),
                                 tg_dropout_layer(tg, 0.5), tg_linear(tg, 8, 8, TG_BIAS),
                                 tg_lambda(tg, tg_sigmoid), tg_layernorm(tg, TG_SHAPE(8), NULL)));
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(3, 2, 2));
    tg_no_grad_begin(tg);
    for (int training = 0; training < 2; training++) {
        if (!training) tg_eval(net);
        size_t before = 0;
        for (int i = 0; i < WARM + TIMES; i++) {
            if (i == WARM) before = live(tg);
            tg_release(tg_forward(net, x));
        }
        assert_int_equal(live(tg), before);
        tg_train(net);
    }
    assert_true(tg_item(tg_sum(x)) == 12);
    tg_no_grad_end(tg);
}

static void a_failed_sequential_leaves_nothing(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_sequential(TG_MODULES(tg_linear(tg, 4, 8, TG_BIAS), tg_lambda(tg, tg_relu),
                                              tg_linear(tg, 4, 8, TG_BIAS)));
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(3, 4));
    size_t before = 0;
    tg_no_grad_begin(tg);
    for (int i = 0; i < WARM + TIMES; i++) {
        if (i == WARM) before = live(tg);
        assert_null(tg_forward(net, x));
        tg_clear_error(tg);
    }
    assert_int_equal(live(tg), before);
    tg_no_grad_end(tg);
}

/* The tensors that functions of the program saw on their way through a network. */
typedef struct seen {
    int n;
    tg_tensor *tensors[8];
} seen;

static tg_tensor *see(tg_tensor *x, void *user)
{
    seen *s = user;
    return s->tensors[s->n++] = x;
}

static tg_tensor *see_and_turn(tg_tensor *x, void *user)
{
    return tg_t(see(x, user));
}

static tg_tensor *see_and_double(tg_module *self, tg_tensor *x)
{
    seen *s = *(seen **)tg_module_data(self);
    return s->tensors[s->n++] = tg_mul_scalar(see(x, s), 2);
}

static tg_tensor *linear_by_hand(const tg_module *net, const char *weight, tg_tensor *x)
{
    return tg_matmul(x, tg_t(tg_param(net, weight)));
}

static void check_equal(const tg_tensor *a, const tg_tensor *b)
{
    assert_true(a && b && a->numel == b->numel);
    assert_true(tg_is_contiguous(a) && tg_is_contiguous(b));
    assert_memory_equal(a->data, b->data, (size_t)a->numel * sizeof(float));
}

/* Sequential releases the tensors between its layers early, but not those that a function of the
 * program has seen: a program may use a tensor until the scope ends. */
static void sequential_keeps_what_functions_of_the_program_saw(void **state)
{
    tg_context *tg = *state;
    seen s = {0};
    tg_module *own = tg_module_new(tg, "Own", see_and_double, sizeof(seen *));
    *(seen **)tg_module_data(own) = &s;
    tg_module *inner = tg_sequential(TG_MODULES(tg_linear(tg, 4, 4, TG_NO_BIAS), own));
    tg_module *net = tg_sequential(TG_MODULES(
        tg_lambda_with(tg, see, &s), tg_linear(tg, 4, 4, TG_NO_BIAS), tg_lambda_with(tg, see, &s),
        inner, tg_lambda_with(tg, see_and_turn, &s), tg_linear(tg, 4, 4, TG_NO_BIAS)));
    tg_tensor *x = tg_rand(tg, TG_F32, TG_SHAPE(4, 4));
    tg_tensor *y = tg_forward(net, x);
    for (int i = 0; i < 20; i++)
        tg_rand(tg, TG_F32, TG_SHAPE(4, 4)); /* takes the memory of tensors that were released */
    assert_int_equal(s.n, 5);
    assert_ptr_equal(s.tensors[0], x);
    check_equal(s.tensors[1], linear_by_hand(net, "1.weight", x));
    check_equal(s.tensors[2], linear_by_hand(net, "3.0.weight", s.tensors[1]));
    check_equal(s.tensors[3], tg_mul_scalar(s.tensors[2], 2));
    assert_ptr_equal(s.tensors[4], s.tensors[3]);
    check_equal(y, linear_by_hand(net, "5.weight", tg_t(s.tensors[3])));
    assert_true(tg_backward(tg_sum(tg_square(s.tensors[1]))));
}

/* ---- Large operands, with a recorded graph and without one. */

enum { LARGE = 1024, PAGE = 1 << 16 };

static void convolutions_keep_nothing_but_their_outputs(void **state)
{
    tg_context *tg = *state;
    for (int recorded = 0; recorded < 2; recorded++) {
        tg_scope_begin(tg);
        tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(1, 8, 32, 32));
        tg_tensor *w = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2, 8, 3, 3)), recorded);
        const size_t before = live(tg);
        size_t outputs = 0;
        for (int i = 0; i < 50; i++) outputs += (size_t)tg_conv2d(x, w, NULL)->numel * 4;
        assert_true(live(tg) - before <= outputs + outputs / 8 + 2 * PAGE);
        tg_scope_end(tg);
    }
}

static void large_operations_keep_nothing_but_their_results(void **state)
{
    tg_context *tg = *state;
    const size_t bytes = (size_t)LARGE * LARGE * 4;
    tg_scope_begin(tg);
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(LARGE, LARGE)), *y = tg_zeros_like(x);
    size_t before = live(tg);
    tg_var_dims(x, TG_DIMS(0), 1, false);
    tg_mse_loss(tg_t(x), tg_t(y), TG_MEAN);
    assert_true(live(tg) - before <= 2 * PAGE);
    before = live(tg);
    tg_gelu(x, TG_GELU_NONE);
    assert_true(live(tg) - before <= bytes + bytes / 8);
    before = live(tg);
    tg_softmax(x, 0);
    assert_true(live(tg) - before <= bytes + bytes / 8);
    tg_scope_end(tg);
}

enum { SIDE = 128 };

/* Returns how many bytes these operations on x and y leave in their scope, results included. */
static size_t left_by_all(tg_tensor *x, tg_tensor *y)
{
    tg_context *tg = x->context;
    tg_tensor *rows = tg_arange_i64(tg, 0, SIDE, 1);
    const size_t before = live(tg);
    tg_var(x, 1);
    tg_std_dims(x, TG_DIMS(1), 1, false);
    tg_mse_loss(x, y, TG_MEAN);
    tg_huber_loss(x, y, NULL);
    tg_cross_entropy(x, rows, NULL);
    tg_softmax(x, 0);
    tg_log_softmax(x, 1);
    tg_cumsum(x, 1);
    tg_cumprod(x, 0);
    tg_norm_dims(x, 2, TG_DIMS(1), false);
    tg_index_select(x, 0, rows);
    tg_conv1d(x, tg_unsqueeze(tg_narrow(y, 1, 0, 3), 0), NULL);
    tg_max_pool2d(tg_unsqueeze(x, 0), TG_POOL(.kernel = {2, 2}));
    tg_inv(tg_matmul(x, y));
    return live(tg) - before;
}

/* Operations copy inputs with gaps, and free each copy before they return, even if a graph is
 * recorded. */
static void copies_of_inputs_with_gaps_are_freed_at_once(void **state)
{
    tg_context *tg = *state;
    for (int recorded = 0; recorded < 2; recorded++) {
        size_t left[2];
        for (int strided = 0; strided < 2; strided++) {
            tg_scope_begin(tg);
            tg_tensor *x = tg_rand(tg, TG_F32, TG_SHAPE(SIDE, SIDE));
            tg_tensor *y = tg_rand(tg, TG_F32, TG_SHAPE(SIDE, SIDE));
            tg_requires_grad_(x, recorded);
            tg_requires_grad_(y, recorded);
            left[strided] = strided ? left_by_all(tg_t(x), tg_t(y)) : left_by_all(x, y);
            tg_scope_end(tg);
        }
        assert_true(left[0] > SIDE * SIDE * sizeof(float));
        assert_true(left[1] < left[0] + SIDE * SIDE * sizeof(float));
    }
}

/* The gradient of a normalization reads its input, the result of the convolution, and needs no copy
 * of it. These two results are all that is left, called one by one or by Sequential. */
static void a_normalization_keeps_no_copy_of_its_input(void **state)
{
    tg_context *tg = *state;
    tg_module *conv = tg_conv2d_layer(tg, 1, 8, TG_SHAPE(1, 1), TG_NO_BIAS, NULL);
    tg_module *norm = tg_batchnorm2d(tg, 8, NULL), *net = tg_sequential(TG_MODULES(conv, norm));
    tg_tensor *x = tg_rand(tg, TG_F32, TG_SHAPE(2, 1, 64, 64)), *grads[2];
    const size_t result = 2 * 8 * 64 * 64 * sizeof(float);
    for (int by_net = 0; by_net < 2; by_net++) {
        tg_scope_begin(tg);
        const size_t before = live(tg);
        tg_tensor *y = by_net ? tg_forward(net, x) : tg_forward(norm, tg_forward(conv, x));
        assert_true(live(tg) - before <= 2 * result + 2 * PAGE);
        tg_tensor *weight = tg_param(net, "0.weight");
        assert_true(
            tg_grad(TG_LIST(tg_sum(tg_square(tg_tanh(y)))), TG_LIST(weight), grads + by_net, NULL));
        grads[by_net] = tg_keep(grads[by_net]);
        tg_scope_end(tg);
    }
    check_equal(grads[0], grads[1]);
}

/* tg_gaussian_nll_loss is composed of steps. A step whose values no gradient reads is freed,
 * although a record refers to it: what is left are the loss, the difference and the variance. */
static void recorded_steps_are_freed_unless_a_gradient_reads_them(void **state)
{
    tg_context *tg = *state;
    const size_t bytes = (size_t)LARGE * LARGE * 4;
    tg_scope_begin(tg);
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(LARGE, LARGE)), true);
    tg_tensor *target = tg_detach(x);
    const size_t before = live(tg);
    tg_gaussian_nll_loss(x, target, target, TG_LOSS(.reduction = TG_NONE, .full = true));
    assert_true(live(tg) - before <= 3 * bytes + bytes / 4);
    tg_scope_end(tg);
}

/* A program may read the data of a result row by row. */
static void softmax_over_any_dimension_is_contiguous(void **state)
{
    tg_tensor *x = tg_ones(*state, TG_F32, TG_SHAPE(2, 3, 4));
    for (int d = 0; d < 3; d++) {
        assert_true(tg_is_contiguous(tg_softmax(x, d)));
        assert_true(tg_is_contiguous(tg_log_softmax(x, d)));
    }
}

/* Where the two sides of tg_copy_ overlap, the source is copied first, and the copy is freed. */
static void writes_in_place_leave_nothing(void **state)
{
    tg_context *tg = *state;
    tg_scope_begin(tg);
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(8, 8));
    size_t before = 0;
    for (int i = 0; i < 500; i++) {
        if (i == 20) before = live(tg);
        tg_tensor *turned = tg_t(x);
        assert_true(tg_copy_(x, turned) == x);
        tg_release(turned);
    }
    assert_int_equal(live(tg), before);
    tg_scope_end(tg);
}

#define IN_CONTEXT(test) cmocka_unit_test_setup_teardown(test, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_may_be_released_before_backward),
        cmocka_unit_test(only_views_share_memory_with_their_inputs),
        cmocka_unit_test(operations_leave_nothing_but_their_result),
        IN_CONTEXT(calls_on_prepared_operands_leave_nothing),
        IN_CONTEXT(modules_leave_nothing_but_their_result),
        cmocka_unit_test(recorded_calls_leave_nothing_behind_their_scope),
        cmocka_unit_test(failed_calls_leave_nothing),
        cmocka_unit_test(lists_of_parts_leave_the_list_alone),
        IN_CONTEXT(sequential_leaves_nothing_but_its_result),
        IN_CONTEXT(a_failed_sequential_leaves_nothing),
        IN_CONTEXT(sequential_keeps_what_functions_of_the_program_saw),
        IN_CONTEXT(copies_of_inputs_with_gaps_are_freed_at_once),
        IN_CONTEXT(a_normalization_keeps_no_copy_of_its_input),
        IN_CONTEXT(convolutions_keep_nothing_but_their_outputs),
        IN_CONTEXT(large_operations_keep_nothing_but_their_results),
        IN_CONTEXT(softmax_over_any_dimension_is_contiguous),
        IN_CONTEXT(writes_in_place_leave_nothing),
        IN_CONTEXT(recorded_steps_are_freed_unless_a_gradient_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
