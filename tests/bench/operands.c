#include "operands.h"

operands operands_make(tg_context *tg, int64_t rows, int64_t columns)
{
    operands o;
    o.a = tg_randn(tg, TG_F32, TG_SHAPE(rows, columns));
    o.b = tg_randn(tg, TG_F32, TG_SHAPE(rows, columns));
    o.positive = tg_add_scalar(tg_rand(tg, TG_F32, TG_SHAPE(rows, columns)), 0.5);
    o.mask = tg_gt(o.a, o.b);
    o.row = tg_randn(tg, TG_F32, TG_SHAPE(columns));
    o.column = tg_randn(tg, TG_F32, TG_SHAPE(rows, 1));
    o.order = tg_randperm(tg, rows);
    o.labels = tg_randint(tg, 0, columns, TG_SHAPE(rows, 1));
    return o;
}

/* If the operands are small, several calls share a scope, as beginning and ending one for each call
 * would take a good part of the time. */
void job_run(void *data, long times)
{
    const job *j = data;
    tg_context *tg = j->operands.a->context;
    long together = j->operands.a->numel < 1000 ? 32 : 1;
    while (times > 0) {
        tg_scope_begin(tg);
        for (long i = 0; i < together && times > 0; i++, times--) j->operation->run(&j->operands);
        tg_scope_end(tg);
    }
}
