#include "operands.h"

operands operands_make(tg_context *tg, tg_dtype dtype, int64_t rows, int64_t columns)
{
    const tg_shape shape = TG_SHAPE(rows, columns);
    operands o;
    o.a = tg_randn(tg, dtype, shape);
    o.b = tg_randn(tg, dtype, shape);
    o.positive = tg_add_scalar_(tg_rand(tg, dtype, shape), 0.5);
    o.part = tg_uniform_(tg_empty(tg, dtype, shape), 0.01, 0.99);
    o.mask = tg_gt(o.a, o.b);
    o.row = tg_randn(tg, dtype, TG_SHAPE(columns));
    o.column = tg_randn(tg, dtype, TG_SHAPE(rows, 1));
    o.order = tg_randperm(tg, rows);
    o.labels = tg_randint(tg, 0, columns, TG_SHAPE(rows, 1));
    o.indices = tg_randint(tg, 0, columns, shape);
    return o;
}

job job_both_ways(const operation *op, const operands *o)
{
    tg_tensor *floats[] = {o->a, o->b, o->positive, o->part, o->row, o->column};
    tg_context *tg = o->a->context;
    job j = {.operation = op, .operands = *o};
    for (int i = 0; i < 6; i++) {
        tg_clear_grad(floats[i]);
        tg_requires_grad_(floats[i], true);
    }
    tg_scope_begin(tg);
    tg_tensor *y = op->run(o);
    j.gradient = tg_keep(tg_ones_like(y));
    tg_backward_with(y, j.gradient);
    tg_scope_end(tg);
    for (int i = 0, n = 0; i < 6; i++)
        if (floats[i]->grad) j.leaves[n++] = floats[i];
    return j;
}

static void run_both_ways(const job *j, long times)
{
    tg_context *tg = j->gradient->context;
    while (times-- > 0) {
        tg_scope_begin(tg);
        for (int i = 0; i < 6 && j->leaves[i]; i++) tg_clear_grad(j->leaves[i]);
        tg_backward_with(j->operation->run(&j->operands), j->gradient);
        tg_scope_end(tg);
    }
}

/* If the operands are small, several calls share a scope, as beginning and ending one for each call
 * would take a good part of the time. */
void job_run(void *data, long times)
{
    const job *j = data;
    if (j->gradient) {
        run_both_ways(j, times);
        return;
    }
    tg_context *tg = j->operands.a->context;
    long together = j->operands.a->numel < 1000 ? 32 : 1;
    while (times > 0) {
        tg_scope_begin(tg);
        for (long i = 0; i < together && times > 0; i++, times--) j->operation->run(&j->operands);
        tg_scope_end(tg);
    }
}
