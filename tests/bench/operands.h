/* Operations as rows of a table, and the operands that they work on. */
#ifndef BENCH_OPERANDS_H
#define BENCH_OPERANDS_H

#include <tinygrad.h>

/* a, b and positive are float32 (rows, columns), and mask is bool (rows, columns). row is float32
 * (columns), and column float32 (rows, 1). order, int64 (rows), is a permutation of the rows, and
 * labels, int64 (rows, 1), has the index of a column for each row. */
typedef struct operands {
    tg_tensor *a, *b, *positive, *mask, *row, *column, *order, *labels;
} operands;

operands operands_make(tg_context *tg, int64_t rows, int64_t columns);

typedef struct operation {
    const char *name; /* its name in the table and in rival_torch.py */
    tg_tensor *(*run)(const operands *o);
} operation;

typedef struct job {
    const operation *operation;
    operands operands;
} job;

/* Runs an operation so many times. data is a job. */
void job_run(void *data, long times);

#endif
