/* OpenBLAS, if it is installed. */
#ifndef BENCH_OPENBLAS_H
#define BENCH_OPENBLAS_H

#include <stdbool.h>

/* Looks for it; false when it is not there. It starts with one thread. */
bool openblas_find(void);
void openblas_threads(int n);

/* c = a b, row-major float32: (m, k) @ (k, n). */
void openblas_product(int m, int n, int k, const float *a, const float *b, float *c);

#endif
