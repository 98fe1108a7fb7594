/* Each operation, on 10^2 to 10^7 numbers, against PyTorch. No gradients are recorded. */
#include <stdio.h>

#include "bench.h"
#include "operands.h"

/* Each operation is a line here and a line of the same name in rival_torch.py. The result of
 * "over_rows" has an element for each row, and that of "over_columns" one for each column. */
#define OPERATIONS(OP)                                                                             \
    OP(add, tg_add(o->a, o->b))                                                                    \
    OP(mul, tg_mul(o->a, o->b))                                                                    \
    OP(sqrt, tg_sqrt(o->positive))                                                                 \
    OP(relu, tg_relu(o->a))                                                                        \
    OP(exp, tg_exp(o->a))                                                                          \
    OP(log, tg_log(o->positive))                                                                   \
    OP(tanh, tg_tanh(o->a))                                                                        \
    OP(sigmoid, tg_sigmoid(o->a))                                                                  \
    OP(less_than, tg_lt(o->a, o->b))                                                               \
    OP(where, tg_where(o->mask, o->a, o->b))                                                       \
    OP(add_row, tg_add(o->a, o->row))                                                              \
    OP(add_column, tg_add(o->a, o->column))                                                        \
    OP(transposed_copy, tg_contiguous(tg_t(o->a)))                                                 \
    OP(sum, tg_sum(o->a))                                                                          \
    OP(sum_over_rows, tg_sum_dims(o->a, TG_DIMS(1), false))                                        \
    OP(sum_over_columns, tg_sum_dims(o->a, TG_DIMS(0), false))                                     \
    OP(mean, tg_mean(o->a))                                                                        \
    OP(mean_over_rows, tg_mean_dims(o->a, TG_DIMS(1), false))                                      \
    OP(mean_over_columns, tg_mean_dims(o->a, TG_DIMS(0), false))                                   \
    OP(max, tg_max(o->a))                                                                          \
    OP(max_over_rows, tg_max_dim(o->a, 1, false))                                                  \
    OP(max_over_columns, tg_max_dim(o->a, 0, false))                                               \
    OP(argmax, tg_argmax(o->a))                                                                    \
    OP(argmax_over_rows, tg_argmax_dim(o->a, 1, false))                                            \
    OP(argmax_over_columns, tg_argmax_dim(o->a, 0, false))

/* Operations that are measured at two sizes only. */
#define MORE_OPERATIONS(OP)                                                                        \
    OP(sin, tg_sin(o->a))                                                                          \
    OP(log1p, tg_log1p(o->positive))                                                               \
    OP(erf, tg_erf(o->a))                                                                          \
    OP(gelu, tg_gelu(o->a, TG_GELU_NONE))                                                          \
    OP(softmax, tg_softmax(o->a, 1))                                                               \
    OP(log_softmax, tg_log_softmax(o->a, 1))                                                       \
    OP(cumsum, tg_cumsum(o->a, 1))                                                                 \
    OP(var_over_rows, tg_var_dims(o->a, TG_DIMS(1), 1, false))                                     \
    OP(sort_rows, tg_sort(o->a, 1))                                                                \
    OP(index_select, tg_index_select(o->a, 0, o->order))                                           \
    OP(gather, tg_gather(o->a, 1, o->labels))

#define DEFINE_RUN(name, expression)                                                               \
    static tg_tensor *run_##name(const operands *o)                                                \
    {                                                                                              \
        return expression;                                                                         \
    }
#define TABLE_ROW(name, expression) {#name, run_##name},

OPERATIONS(DEFINE_RUN)
MORE_OPERATIONS(DEFINE_RUN)

static const operation operations[] = {OPERATIONS(TABLE_ROW)};
static const operation more_operations[] = {MORE_OPERATIONS(TABLE_ROW)};

enum { SIZES = 6, NARROW = 4, SMALL = 2, LARGE = 4 /* indices in shapes, for more_operations */ };

typedef struct shape {
    int64_t rows, columns;
} shape;

static const shape shapes[SIZES] = {{10, 10},    {10, 100},    {100, 100},
                                    {100, 1000}, {1000, 1000}, {1000, 10000}};
/* Narrow matrices, whose columns are summed as in the gradient of a bias. */
static const shape narrow[NARROW] = {{1000, 1}, {100000, 1}, {10000, 2}, {100000, 10}};

/* The target is 1.5 times PyTorch's speed up to 10^4 numbers and, for exp and tanh, at any size;
 * else it is 0.95 times PyTorch's speed. more_operations have no target. */
static bench_target target_of(const operation *op, int64_t n)
{
    if (op >= more_operations && op < more_operations + sizeof more_operations / sizeof *op)
        return (bench_target){NO_LIMIT, 0};
    bool slow = op->run == run_exp || op->run == run_tanh;
    return (bench_target){RATIO_AT_MOST, 1 / (n <= 10000 || slow ? 1.5 : 0.95)};
}

static void measure_operation(const operation *op, const operands *o, const char *size)
{
    int64_t n = o->a->numel;
    job j = {op, *o};
    contender c[] = {{.name = "libtinygrad", .run = job_run, .data = &j}, {.name = "PyTorch"}};
    snprintf(c[1].torch, sizeof c[1].torch, "operation %s %lld %lld", op->name,
             (long long)o->a->shape[0], (long long)o->a->shape[1]);
    bench_measure(c, 2);
    bench_check(tg_ok(o->a->context), tg_error(o->a->context));

    bench_compare(op->name, size, &c[0], &c[1], 0, target_of(op, n));
}

static void measure_sizes(tg_context *tg)
{
    operands inputs[SIZES];
    for (int k = 0; k < SIZES; k++)
        inputs[k] = operands_make(tg, shapes[k].rows, shapes[k].columns);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        for (int k = 0; k < SIZES; k++) {
            char size[32];
            snprintf(size, sizeof size, "%lld", (long long)inputs[k].a->numel);
            measure_operation(&operations[i], &inputs[k], size);
        }
    for (size_t i = 0; i < sizeof more_operations / sizeof *more_operations; i++)
        for (int k = SMALL; k <= LARGE; k += LARGE - SMALL) {
            char size[32];
            snprintf(size, sizeof size, "%lld", (long long)inputs[k].a->numel);
            measure_operation(&more_operations[i], &inputs[k], size);
        }
}

static void measure_narrow(tg_context *tg)
{
    for (int k = 0; k < NARROW; k++) {
        const shape s = narrow[k];
        const operation op = {"sum_over_columns", run_sum_over_columns};
        const operands o = operands_make(tg, s.rows, s.columns);
        char size[48];
        snprintf(size, sizeof size, "%lldx%lld", (long long)s.rows, (long long)s.columns);
        measure_operation(&op, &o, size);
    }
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    tg_context *tg = tg_open(NULL);
    measure_sizes(tg);
    measure_narrow(tg);
    tg_close(tg);
    return bench_end();
}
