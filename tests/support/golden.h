/* Runs records of golden data. A test gives a file of records and a table of operations; each
 * record is run at every SIMD level of this machine and compared with the values that it lists.
 * tests/golden/common.py describes the form of a record and its tolerances. */
#ifndef TEST_GOLDEN_H
#define TEST_GOLDEN_H

#include "check.h"

enum { MAX_INPUTS = 8, MAX_NUMBERS = 16 };

/* One record while it is run. */
typedef struct trial {
    tg_context *tg;
    int line;
    char *at;              /* the text of the record that is not read yet */
    int numbers;           /* how many numbers the operation is given */
    double f[MAX_NUMBERS]; /* these numbers, as double and as int64_t */
    int64_t i[MAX_NUMBERS];
    int n;                                       /* how many inputs it has */
    tg_tensor *leaf[MAX_INPUTS], *x[MAX_INPUTS]; /* input x is a view of its leaf */
    const char *steps[MAX_INPUTS];               /* the views that lead from leaf to x */
    bool marked[MAX_INPUTS];                     /* the record lists a gradient of this leaf */
    const struct golden_op *op;
} trial;

typedef struct golden_op {
    const char *family, *name;
    tg_tensor *(*run)(trial *c);
} golden_op;

/* The numbers of a record from index `from` on, as a list. */
static inline tg_shape rest(const trial *c, int from)
{
    return (tg_shape){c->numbers - from, c->i + from};
}

/* The inputs of a record, as a list. */
static inline tg_list all_inputs(trial *c)
{
    return (tg_list){c->n, c->x};
}

/* A test lists its operations as OPS(OP), with rows OP(family, name, call). The name is that in the
 * records, and the call is an expression that may use the inputs x, the numbers f and i, and the
 * trial c. OPS(GOLDEN_RUN) defines a function for each row, and OPS(GOLDEN_ROW) the rows of
 * golden_op. */
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

/* Runs every record of a file in tests/golden. Each family is a cmocka test, which fails if one of
 * its operations has no record. Returns what main is to return. */
int run_golden(const char *file, const golden_op *ops, int n);

#endif
