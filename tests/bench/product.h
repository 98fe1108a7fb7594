/* A matrix product, computed by the library and by rivals that are installed. */
#ifndef BENCH_PRODUCT_H
#define BENCH_PRODUCT_H

#include <stdbool.h>

#include <tinygrad.h>

/* The product of a (m, k) and b (k, n). If a_transposed is set, a is the transpose of a contiguous
 * matrix; b_transposed says the same of b. */
typedef struct product {
    tg_dtype dtype;
    int m, k, n;
    bool a_transposed, b_transposed;
    tg_tensor *a, *b;
    void *c; /* the result of a rival */
} product;

/* Makes a, b and c for the sizes in p. */
void product_fill(product *p, tg_context *tg);
void product_free(product *p);

/* Computes the product by the library so many times. data is a product. */
void product_run(void *data, long times);

/* Loads OpenBLAS; returns false if it is not installed. It uses one thread until openblas_threads
 * is called. */
bool openblas_find(void);
void openblas_threads(int n);
void openblas_run(void *data, long times);

/* Loads OpenBLAS a second time, with its kernels for AVX-512, which it does not choose by itself on
 * all CPUs that have it. Returns false if the CPU or OpenBLAS has none. */
bool openblas_avx512_find(void);
void openblas_avx512_run(void *data, long times);

/* Loads oneDNN, whose product is for float32 alone. It runs on one thread. */
bool onednn_find(void);
void onednn_run(void *data, long times);

#endif
