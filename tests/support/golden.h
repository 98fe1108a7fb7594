/* Records of golden data, whose form and tolerances golden/common.py describes: a test gives a
 * table of operations, and each record of its file is run at every SIMD level of this machine. */
#ifndef TEST_GOLDEN_H
#define TEST_GOLDEN_H

#include "check.h"

enum { MAX_INPUTS = 8, MAX_NUMBERS = 16 };

/* One record as it is run: the numbers given to the operation, its inputs, and their leaves. */
typedef struct trial {
    tg_context *tg;
    int line;
    char *at; /* what is still to be read of the record */
    int numbers;
    double f[MAX_NUMBERS]; /* the numbers, as both types */
    int64_t i[MAX_NUMBERS];
    int n;
    tg_tensor *leaf[MAX_INPUTS], *x[MAX_INPUTS];
    const char *steps[MAX_INPUTS]; /* from leaf to input */
    bool marked[MAX_INPUTS];       /* a gradient is expected */
    const struct golden_op *op;
} trial;

typedef struct golden_op {
    const char *family, *name;
    tg_tensor *(*run)(trial *c);
} golden_op;

/* The numbers of a record from one on, as a list; its inputs, as a list. */
static inline tg_shape rest(const trial *c, int from)
{
    return (tg_shape){c->numbers - from, c->i + from};
}

static inline tg_list all_inputs(trial *c)
{
    return (tg_list){c->n, c->x};
}

/* For a table OPS(OP) of rows OP(family, name in the records, call), where the call may use the
 * inputs x, the numbers f and i, and the trial c: a function each, and the rows of golden_op. */
#define GOLDEN_RUN(family, name, call)                                                             \
    static tg_tensor *run_##name(trial *c)                                                         \
    {                                                                                              \
        tg_tensor **x = c->x;                                                                      \
        const double *f = c->f;                                                                    \
        const int64_t *i = c->i;                                                                   \
        (void)x, (void)f, (void)i;                                                                 \
        return call;                                                                               \
    }
#define GOLDEN_ROW(family, name, call) {#family, #name, run_##name},

/* Every record of a file, with at least one for each operation; each family is a test of its own.
 * Returns what main does. */
int run_golden(const char *file, const golden_op *ops, int n);

#endif
