/* Operations as rows of a table, and the operands that they work on. */
#ifndef BENCH_OPERANDS_H
#define BENCH_OPERANDS_H

#include <tinygrad.h>

/* a and b are normal numbers, positive lies in [0.5, 1.5), and part in (0.01, 0.99), all (rows,
 * columns) and of the dtype that was asked for; mask is bool (rows, columns). row is (columns), and
 * column (rows, 1). order, int64 (rows), is a permutation of the rows, labels, int64 (rows, 1), has
 * the index of a column for each row, and indices, int64 (rows, columns), one for each element. */
typedef struct operands {
    tg_tensor *a, *b, *positive, *part, *mask, *row, *column, *order, *labels, *indices;
} operands;

operands operands_make(tg_context *tg, tg_dtype dtype, int64_t rows, int64_t columns);

typedef struct operation {
    const char *name; /* its name in the table and in rival_torch.py */
    tg_tensor *(*run)(const operands *o);
} operation;

typedef struct job {
    const operation *operation;
    operands operands;
    tg_tensor *gradient;  /* of the result, which backward begins with; NULL: forward alone */
    tg_tensor *leaves[6]; /* those that get a gradient, then NULL */
} job;

/* Makes a job of both ways, forward and backward. */
job job_both_ways(const operation *op, const operands *o);

/* Runs an operation so many times. data is a job. */
void job_run(void *data, long times);

#endif
