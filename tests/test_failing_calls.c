/* Each operation, forward and backward, is called again and again while another one of its
 * allocations fails. A call that fails returns NULL or false, records the error and has changed
 * nothing; a call that does not fail has the right values. In a build with AddressSanitizer the
 * context allocates each tensor by itself, so that there are more allocations to fail. */
#include "guarded.h"
#include "supported.h"

#include "ops/op.h"

/* Operations in place, which are called on a copy t of the operand. */
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

static const supported_row writes[] = {
#define WRITE(name, expression) {#name, call_##name},
    WRITES(WRITE)
#undef WRITE
};

enum { INPUTS = 4, MOST = 256 };

/* The result of a call and of its backward. The gradients are those of the inputs that have one. */
typedef struct outcome {
    tg_tensor *out;
    bool back; /* whether backward succeeded */
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

static void run_call(const supported_row *row, const operands *o, outcome *r)
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

/* Calls the operation while allocation number `at` fails, and then again while none fails. */
static void check_failure(const supported_row *row, const outcome *want, const operands *as,
                          long at, bool makes_modules)
{
    guarded g = {0};
    tg_context *tg = open_on_guarded(&g);
    const operands o = make_operands(tg, as->dtype);
    outcome got;
    generator before, after;
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

static long fail_each(const supported_row *row, bool makes_modules)
{
    guarded g = {0};
    tg_context *tg = open_on_guarded(&g);
    const operands o = make_operands(tg, strcmp(row->name, "one_hot") ? TG_F64 : TG_I64);
    outcome want;
    g.asked = 0;
    run_call(row, &o, &want);
    if (!tg_ok(tg)) fail_msg("%s: %s", row->name, tg_error(tg));
    const long asked = g.asked;
    read_outcome(&o, &want);
    for (long at = 1; at <= asked; at++) check_failure(row, &want, &o, at, makes_modules);
    tg_close(tg);
    return asked;
}

/* The rows of optimisers are left out, since each calls several functions; test_failing_training.c
 * tests optimisers. */
static void test_each_allocation_of_each_operation(void **state)
{
    long failures = 0;
    int calls = 0;
    (void)state;
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++, calls++)
        failures += fail_each(&writes[i], false);
    for (int i = 0; i < ROWS; i++) {
        if (!table[i].call || is_in_group(i, "Optimisers")) continue;
        failures += fail_each(&table[i], is_in_group(i, "Modules"));
        calls++;
    }
    print_message("%ld allocations failed in %d operations\n", failures, calls);
    assert_true(calls > 200 && failures >= calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_of_each_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
