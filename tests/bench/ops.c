/* Each operation and loss on 10^3, 10^5 and 10^7 numbers of both dtypes, forward alone and forward
 * and backward, against PyTorch. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "operands.h"

#define BOTH(name, expression)                                                                     \
    static tg_tensor *run_##name(const operands *o)                                                \
    {                                                                                              \
        return expression;                                                                         \
    }
#define FORWARD BOTH
#include "operations.def"
#undef BOTH
#undef FORWARD

static const struct row_of_table {
    operation operation;
    bool both;
} operations[] = {
#define BOTH(name, expression)    {{#name, run_##name}, true},
#define FORWARD(name, expression) {{#name, run_##name}, false},
#include "operations.def"
};

typedef struct shape {
    int64_t rows, columns;
    const char *size;
} shape;

static const shape shapes[] = {{10, 100, "10^3"}, {100, 1000, "10^5"}, {1000, 10000, "10^7"}};
/* Narrow matrices, whose columns are summed as in the gradient of a bias. */
static const shape narrow[] = {
    {1000, 1, "1000x1"}, {100000, 1, "100000x1"}, {10000, 2, "10000x2"}, {100000, 10, "100000x10"}};

static void measure(const job *j, const shape *s)
{
    const bool wide = j->operands.a->dtype == TG_F64;
    contender c[] = {{.name = "libtinygrad", .run = job_run, .data = (void *)j},
                     {.name = "PyTorch"}};
    const char *ways = j->gradient ? "both" : "forward";
    snprintf(c[1].torch, sizeof c[1].torch, "operation %s %lld %lld %s %s", j->operation->name,
             (long long)s->rows, (long long)s->columns, wide ? "float64" : "float32", ways);
    bench_measure(c, 2);
    tg_context *tg = j->operands.a->context;
    bench_check(tg_ok(tg), tg_error(tg));
    tg_clear_error(tg);

    char size[40];
    snprintf(size, sizeof size, "%s%s%s", s->size, wide ? " f64" : "", j->gradient ? " both" : "");
    bench_compare(j->operation->name, size, &c[0], &c[1], 0, (bench_target){RATIO_AT_MOST, 0.8});
}

static void measure_forward(const operation *op, const operands *o, const shape *s)
{
    const job j = {.operation = op, .operands = *o};
    tg_no_grad_begin(o->a->context);
    measure(&j, s);
    tg_no_grad_end(o->a->context);
}

static void measure_shape(const shape *s, tg_dtype dtype)
{
    tg_context *tg = tg_open(NULL);
    const operands o = operands_make(tg, dtype, s->rows, s->columns);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        const operation *op = &operations[i].operation;
        measure_forward(op, &o, s);
        if (!operations[i].both) continue;
        const job j = job_both_ways(op, &o);
        measure(&j, s);
    }
    tg_close(tg);
}

static void measure_narrow(void)
{
    const operation op = {"sum_over_columns", run_sum_over_columns};
    for (size_t k = 0; k < sizeof narrow / sizeof *narrow; k++) {
        tg_context *tg = tg_open(NULL);
        const operands o = operands_make(tg, TG_F32, narrow[k].rows, narrow[k].columns);
        measure_forward(&op, &o, &narrow[k]);
        tg_close(tg);
    }
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        if (bench_quick() && shapes[k].rows != 100) continue;
        measure_shape(&shapes[k], TG_F32);
        measure_shape(&shapes[k], TG_F64);
    }
    measure_narrow();
    return bench_end();
}
