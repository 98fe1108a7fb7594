/* The cost of calling a function, measured on matrices so small that the arithmetic does not
 * count. */
#include <stdio.h>

#include "bench.h"
#include "operands.h"

static tg_tensor *run_add(const operands *o)
{
    return tg_add(o->a, o->b);
}

static tg_tensor *run_exp(const operands *o)
{
    return tg_exp(o->a);
}

static tg_tensor *run_sum(const operands *o)
{
    return tg_sum(o->a);
}

static tg_tensor *run_view(const operands *o)
{
    return tg_view(o->a, TG_SHAPE(-1));
}

static tg_tensor *run_matmul(const operands *o)
{
    return tg_matmul(o->a, o->b);
}

/* The calls that are measured, the side of the square matrices that they work on, and their targets
 * in ns while a gradient is recorded (on) and while none is (off). */
static const struct {
    operation operation;
    int64_t side;
    bench_target on, off;
} calls[] = {
    {{"add", run_add}, 4, {AT_MOST, 40}, {AT_MOST, 25}},
    {{"exp", run_exp}, 4, {AT_MOST, 40}, {AT_MOST, 25}},
    {{"sum", run_sum}, 4, {NO_LIMIT, 0}, {NO_LIMIT, 0}},
    {{"view", run_view}, 4, {NO_LIMIT, 0}, {NO_LIMIT, 0}},
    {{"matmul", run_matmul}, 2, {NO_LIMIT, 0}, {NO_LIMIT, 0}},
};

static void measure_call(const operation *op, int64_t side, bool tape, bench_target target)
{
    tg_context *tg = tg_open(NULL);
    job j = {.operation = op, .operands = operands_make(tg, TG_F32, side, side)};
    tg_requires_grad_(j.operands.a, tape);
    contender c[] = {{.name = "libtinygrad", .run = job_run, .data = &j}, {.name = "PyTorch"}};
    snprintf(c[1].torch, sizeof c[1].torch, "%s %s %d %d", tape ? "recorded" : "operation",
             op->name, (int)side, (int)side);
    bench_measure(c, 2);
    bench_check(tg_ok(tg), tg_error(tg));
    tg_close(tg);

    char name[64], size[32];
    snprintf(name, sizeof name, "%s, tape %s", op->name, tape ? "on" : "off");
    snprintf(size, sizeof size, "%dx%d", (int)side, (int)side);
    bench_compare(name, size, &c[0], &c[1], 0, target);
}

static void run_scopes(void *data, long times)
{
    while (times-- > 0) {
        tg_scope_begin(data);
        tg_scope_end(data);
    }
}

static void measure_scope(void)
{
    tg_context *tg = tg_open(NULL);
    contender c = {.name = "libtinygrad", .run = run_scopes, .data = tg};
    bench_measure(&c, 1);
    bench_report(&(row){.name = "empty scope",
                        .size = "-",
                        .unit = "ns",
                        .ours = 1e9 * c.median,
                        .ours_best = 1e9 * c.least});
    tg_close(tg);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        measure_call(&calls[i].operation, calls[i].side, true, calls[i].on);
        measure_call(&calls[i].operation, calls[i].side, false, calls[i].off);
    }
    measure_scope();
    return bench_end();
}
