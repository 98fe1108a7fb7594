/* Each operation, forwards and backwards, with each of its allocations failing in turn. What fails
 * returns NULL or false, with the error, and has changed nothing; what does not has the right
 * values. In a build with AddressSanitizer each thing is an allocation of its own. */
#include "guarded.h"
#include "leaf.h"

#include "ops/op.h"

typedef struct operands {
    tg_context *tg;
    tg_dtype dtype;
    tg_tensor *a, *b, *c, *v, *mask, *index, *rows;
} operands;

#define GROUP(title)
#define ROW(name, expression)                                                                      \
    static tg_tensor *call_##name(const operands *o)                                               \
    {                                                                                              \
        tg_context *tg = o->tg;                                                                    \
        tg_dtype dtype = o->dtype;                                                                 \
        tg_tensor *a = o->a, *b = o->b, *c = o->c, *v = o->v;                                      \
        tg_tensor *mask = o->mask, *index = o->index, *rows = o->rows;                             \
        (void)tg, (void)dtype, (void)a, (void)b, (void)c, (void)v;                                 \
        (void)mask, (void)index, (void)rows;                                                       \
        return expression;                                                                         \
    }
/* Rows of optimisers call several functions; test_failing_training.c has them. */
#define stepped(o, optim)  ((void)(optim), tg_clone((o)->a))
#define searched(o, optim) ((void)(optim), tg_clone((o)->a))
#include "supported.def"
#undef GROUP
#undef ROW

/* In place, on a copy. */
#define WRITES(WRITE)                                                                              \
    WRITE(add_, tg_add_(t, tg_t(b)))                                                               \
    WRITE(sub_, tg_sub_(t, tg_exp(tg_t(b))))                                                       \
    WRITE(mul_, tg_mul_(t, tg_t(t)))                                                               \
    WRITE(div_, tg_div_(t, b))                                                                     \
    WRITE(copy_, tg_copy_(t, tg_narrow(b, 0, 0, 1)))                                               \
    WRITE(mul_scalar_, tg_mul_scalar_(t, 2))
#define WRITE(name, expression)                                                                    \
    static tg_tensor *call_##name(const operands *o)                                               \
    {                                                                                              \
        tg_tensor *t = tg_clone(o->a), *b = o->b;                                                  \
        (void)b;                                                                                   \
        return expression;                                                                         \
    }
WRITES(WRITE)
#undef WRITE

typedef struct supported {
    const char *name;
    tg_tensor *(*call)(const operands *o);
} supported;

static const supported table[] = {
#define WRITE(name, expression) {#name, call_##name},
    WRITES(WRITE)
#undef WRITE
#define GROUP(title)
#define ROW(name, expression) {#name, call_##name},
#include "supported.def"
#undef GROUP
#undef ROW
};
enum { ROWS = sizeof table / sizeof *table, INPUTS = 4, MOST = 256 };

static tg_tensor *values_of(tg_context *tg, tg_dtype dtype, tg_shape shape)
{
    tg_tensor *t = tg_rand(tg, TG_F64, shape);
    if (dtype == TG_I64) return tg_cast(tg_gt_scalar(t, 0.5), dtype);
    return tg_requires_grad_(tg_add_scalar(tg_mul_scalar(t, 0.8), 0.1), true);
}

static void make_operands(operands *o, tg_context *tg, tg_dtype dtype)
{
    const int64_t rows[] = {0, 3, 1, 2};
    *o = (operands){.tg = tg, .dtype = dtype};
    tg_manual_seed(tg, 1);
    tg_set_default_dtype(tg, TG_F64);
    o->a = values_of(tg, dtype, TG_SHAPE(4, 4));
    o->b = values_of(tg, dtype, TG_SHAPE(4, 4));
    o->c = values_of(tg, dtype, TG_SHAPE(4, 4));
    o->v = values_of(tg, dtype, TG_SHAPE(4));
    o->mask = tg_eq(o->a, o->a);
    o->index = tg_zeros(tg, TG_I64, TG_SHAPE(4, 4));
    o->rows = tg_from_i64(tg, TG_SHAPE(4), rows);
    check_ok(tg);
}

/* What a call and its backward came to; the gradients are those of the inputs that have one. */
typedef struct outcome {
    tg_tensor *out;
    bool back; /* went */
    int n, grads;
    double out_values[MOST], grad_values[INPUTS][16];
    generator random;
} outcome;

static int read_tensor(const tg_tensor *t, double *values)
{
    assert_true(t->numel <= MOST);
    for (int64_t i = 0; i < t->numel; i++) values[i] = element_of(t, i);
    return (int)t->numel;
}

static void read_generator(const tg_context *tg, generator *g)
{
    memset(g, 0, sizeof *g);
    memcpy(g->mt, tg->random.mt, sizeof g->mt);
    g->next = tg->random.next;
    g->has_normal = tg->random.has_normal;
    g->normal = tg->random.normal;
}

static void run_call(const supported *row, const operands *o, outcome *r)
{
    memset(r, 0, sizeof *r);
    r->out = row->call(o);
    tg_tensor *loss = r->out && r->out->requires_grad ? tg_sum(tg_square(r->out)) : NULL;
    r->back = loss && tg_backward(loss);
}

static void read_outcome(const operands *o, outcome *r)
{
    tg_tensor *const inputs[INPUTS] = {o->a, o->b, o->c, o->v};
    if (r->out) r->n = read_tensor(r->out, r->out_values);
    for (int i = 0; i < INPUTS; i++) {
        if (!inputs[i]->grad) continue;
        read_tensor(inputs[i]->grad, r->grad_values[i]);
        r->grads++;
    }
    read_generator(o->tg, &r->random);
    r->out = NULL; /* pointers differ */
}

static void check_operands(const operands *o, const operands *as, const char *name)
{
    tg_tensor *const now[] = {o->a, o->b, o->c, o->v}, *const want[] = {as->a, as->b, as->c, as->v};
    for (int i = 0; i < INPUTS; i++)
        for (int64_t k = 0; k < now[i]->numel; k++)
            if (element_of(now[i], k) != element_of(want[i], k)) fail_msg("%s wrote to", name);
}

static bool same_values(const outcome *a, const outcome *b)
{
    return a->n == b->n && memcmp(a->out_values, b->out_values, sizeof a->out_values) == 0;
}

/* One failure, at that allocation; then the same again without one. */
static void check_failure(const supported *row, const outcome *want, const operands *as, long at,
                          bool makes_modules)
{
    guarded g = {0};
    tg_options options = guarded_options(&g);
    options.page_bytes = 4096;
    tg_context *tg = tg_open(&options);
    operands o;
    outcome got;
    generator before, after;
    make_operands(&o, tg, as->dtype);
    read_generator(tg, &before);
    g.asked = 0;
    g.fail_at = at;
    run_call(row, &o, &got);
    g.fail_at = 0;
    const bool had_result = got.out != NULL, went = got.back || (had_result && want->grads == 0);
    if (went != tg_ok(tg)) fail_msg("%s, allocation %ld: %s", row->name, at, tg_error(tg));
    if (!tg_ok(tg)) assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
    tg_clear_error(tg);
    read_generator(tg, &after);
    if (!had_result && !makes_modules && memcmp(&after, &before, sizeof after) != 0)
        fail_msg("%s, allocation %ld: it drew", row->name, at);
    read_outcome(&o, &got);
    if (had_result && !same_values(&got, want))
        fail_msg("%s, allocation %ld: other values", row->name, at);
    if (got.grads != (went ? want->grads : 0))
        fail_msg("%s, allocation %ld: %d gradients", row->name, at, got.grads);
    if (went && memcmp(got.grad_values, want->grad_values, sizeof got.grad_values) != 0)
        fail_msg("%s, allocation %ld: other gradients", row->name, at);
    check_operands(&o, as, row->name);
    if (!had_result && !makes_modules) {
        run_call(row, &o, &got);
        read_outcome(&o, &got);
        if (!same_values(&got, want)) fail_msg("%s, allocation %ld: not again", row->name, at);
    }
    tg_close(tg);
    assert_true(g.blocks == 0 && !g.damaged);
}

static long fail_each(const supported *row, bool makes_modules)
{
    guarded g = {0};
    tg_options options = guarded_options(&g);
    options.page_bytes = 4096;
    tg_context *tg = tg_open(&options);
    operands o;
    outcome want;
    tg_dtype dtype = strcmp(row->name, "one_hot") ? TG_F64 : TG_I64;
    make_operands(&o, tg, dtype);
    g.asked = 0;
    run_call(row, &o, &want);
    if (!tg_ok(tg)) fail_msg("%s: %s", row->name, tg_error(tg));
    const long asked = g.asked;
    read_outcome(&o, &want);
    for (long at = 1; at <= asked; at++) check_failure(row, &want, &o, at, makes_modules);
    tg_close(tg);
    return asked;
}

static void test_each_allocation_of_each_operation(void **state)
{
    long failures = 0;
    bool makes_modules = false;
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        makes_modules |= strcmp(table[i].name, "linear") == 0; /* from there on */
        failures += fail_each(&table[i], makes_modules);
    }
    print_message("%ld allocations failed in %d operations\n", failures, (int)ROWS);
    assert_true(failures >= ROWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_of_each_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
