/* A matrix product, done by the library and by OpenBLAS, if that is installed. */
#ifndef BENCH_PRODUCT_H
#define BENCH_PRODUCT_H

#include <stdbool.h>

#include <tinygrad.h>

/* (m, k) @ (k, n); a transposed side lies in memory as its transpose. */
typedef struct product {
    tg_dtype dtype;
    int m, k, n;
    bool a_transposed, b_transposed;
    tg_tensor *a, *b;
    void *c; /* OpenBLAS's result */
} product;

/* Makes the sides and room for the result. */
void product_fill(product *p, tg_context *tg);
void product_free(product *p);

/* Does it so many times; data is a product. */
void product_run(void *data, long times);

/* Looks for OpenBLAS; false when it is not there. It runs with one thread until told. */
bool openblas_find(void);
void openblas_threads(int n);
void openblas_run(void *data, long times);

#endif
