/* Operations as table rows: what they read, and how they run. */
#ifndef BENCH_OPERANDS_H
#define BENCH_OPERANDS_H

#include <tinygrad.h>

/* Matrices of one shape, save row (columns) and column (rows, 1); and int64, rows in some order,
 * and a column for each row (rows, 1). */
typedef struct operands {
    tg_tensor *a, *b, *positive, *mask, *row, *column, *order, *labels;
} operands;

operands operands_make(tg_context *tg, int64_t rows, int64_t columns);

typedef struct operation {
    const char *name; /* here and in rival_torch.py */
    tg_tensor *(*run)(const operands *o);
} operation;

typedef struct job {
    const operation *operation;
    operands operands;
} job;

/* Runs a job so many times, some in each scope; data is a job. */
void job_run(void *data, long times);

#endif
