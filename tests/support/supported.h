/* The rows of supported.def as a table of functions. */
#ifndef TEST_SUPPORTED_H
#define TEST_SUPPORTED_H

#include "leaf.h"

typedef struct operands {
    tg_context *tg;
    tg_dtype dtype;
    tg_tensor *a, *b, *c, *v, *mask, *index, *rows;
} operands;

/* Makes one step of an optimiser on the parameter o->a. Returns NULL if the step did not change
 * it. */
static tg_tensor *stepped(const operands *o, tg_optim *optim)
{
    tg_tensor *before = tg_clone(tg_detach(o->a));
    tg_backward(tg_sum(tg_add(tg_mul(o->a, o->a), o->b)));
    return tg_step(optim) && tg_item(tg_max(tg_abs(tg_sub(o->a, before)))) > 0 ? before : NULL;
}

static tg_tensor *loss_of(void *user)
{
    const operands *o = user;
    tg_tensor *loss = tg_sum(tg_add(tg_mul(o->a, o->a), o->b));
    tg_backward(loss);
    return loss;
}

/* The same for an optimiser that evaluates the loss itself, by tg_step_closure. */
static tg_tensor *searched(const operands *o, tg_optim *optim)
{
    tg_tensor *before = tg_clone(tg_detach(o->a));
    tg_step_closure(optim, loss_of, (void *)(uintptr_t)o);
    return optim && tg_item(tg_max(tg_abs(tg_sub(o->a, before)))) > 0 ? before : NULL;
}

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
#include "supported.def"
#undef GROUP
#undef ROW

/* A row of the table. If call is NULL, the row is the title of a group, and name that title. */
typedef struct supported_row {
    const char *name;
    tg_tensor *(*call)(const operands *o);
} supported_row;

static const supported_row table[] = {
#define GROUP(title)          {title, NULL},
#define ROW(name, expression) {#name, call_##name},
#include "supported.def"
#undef GROUP
#undef ROW
};
enum { ROWS = sizeof table / sizeof *table };

/* Whether the row belongs to the group of that title. */
static inline bool is_in_group(int row, const char *title)
{
    while (table[row].call) row--;
    return strcmp(table[row].name, title) == 0;
}

/* Random operands: in (0, 1), or 0 and 1 for bool and int64. Floating ones require grad. */
static tg_tensor *values_of(tg_context *tg, tg_dtype dtype, tg_shape shape)
{
    tg_tensor *t = tg_rand(tg, TG_F64, shape);
    bool floating = dtype == TG_F32 || dtype == TG_F64;
    t = tg_cast(floating ? tg_add_scalar(tg_mul_scalar(t, 0.8), 0.1) : tg_gt_scalar(t, 0.5), dtype);
    return floating ? tg_requires_grad_(t, true) : t;
}

static operands make_operands(tg_context *tg, tg_dtype dtype)
{
    const int64_t rows[] = {0, 3, 1, 2};
    operands o = {.tg = tg, .dtype = dtype};
    tg_manual_seed(tg, 1);
    tg_set_default_dtype(tg, dtype == TG_F64 ? TG_F64 : TG_F32);
    o.a = values_of(tg, dtype, TG_SHAPE(4, 4));
    o.b = values_of(tg, dtype, TG_SHAPE(4, 4));
    o.c = values_of(tg, dtype, TG_SHAPE(4, 4));
    o.v = values_of(tg, dtype, TG_SHAPE(4));
    o.mask = tg_ones(tg, TG_BOOL, TG_SHAPE(4, 4));
    o.index = tg_zeros(tg, TG_I64, TG_SHAPE(4, 4));
    o.rows = tg_from_i64(tg, TG_SHAPE(4), rows);
    return o;
}

#endif
