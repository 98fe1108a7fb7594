/* Matrix products against OpenBLAS, if it is installed, and PyTorch. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <tinygrad.h>

#include "bench.h"

typedef void cblas_sgemm_function(int order, int transpose_a, int transpose_b, int m, int n, int k,
                                  float alpha, const float *a, int lda, const float *b, int ldb,
                                  float beta, float *c, int ldc);
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };

static cblas_sgemm_function *cblas_sgemm; /* NULL when OpenBLAS is not installed */

static void find_openblas(void)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW);
    if (!library) return;
    void (*set_threads)(int);
    *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
    *(void **)&cblas_sgemm = dlsym(library, "cblas_sgemm");
    if (set_threads) set_threads(1);
}

/* (m, k) @ (k, n) */
typedef struct product {
    int m, k, n;
    tg_tensor *a, *b;
    float *c;
} product;

static void run_ours(void *data, long times)
{
    product *p = data;
    while (times-- > 0) {
        tg_scope_begin(p->a->context);
        tg_matmul(p->a, p->b);
        tg_scope_end(p->a->context);
    }
}

static void run_openblas(void *data, long times)
{
    product *p = data;
    const float *a = tg_data_f32(p->a), *b = tg_data_f32(p->b);
    while (times-- > 0)
        cblas_sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, p->m, p->n, p->k, 1, a, p->k, b, p->n, 0,
                    p->c, p->n);
}

/* Each sum of k products of numbers below 1 is within k * k * 2^-24 of the truth. */
static void check_agreement(product *p)
{
    tg_context *tg = p->a->context;
    run_openblas(p, 1);
    tg_scope_begin(tg);
    tg_tensor *theirs = tg_from_f32(tg, TG_SHAPE(p->m, p->n), p->c);
    double worst = tg_item(tg_max(tg_abs(tg_sub(tg_matmul(p->a, p->b), theirs))));
    bench_check(worst <= p->k * 0x1p-23 * p->k, "matmul and OpenBLAS differ");
    tg_scope_end(tg);
}

static void measure_product(int m, int k, int n)
{
    tg_context *tg = tg_open(NULL);
    product p = {.m = m, .k = k, .n = n};
    p.a = tg_rand(tg, TG_F32, TG_SHAPE(m, k));
    p.b = tg_rand(tg, TG_F32, TG_SHAPE(k, n));
    p.c = malloc((size_t)m * (size_t)n * sizeof *p.c);
    if (!p.c) abort();
    if (cblas_sgemm) check_agreement(&p);

    contender c[] = {{.name = "libtinygrad", .run = run_ours, .data = &p},
                     {.name = "OpenBLAS", .run = cblas_sgemm ? run_openblas : NULL, .data = &p},
                     {.name = "PyTorch"}};
    snprintf(c[2].torch, sizeof c[2].torch, "product %d %d %d", m, k, n);
    bench_measure(c, 3);
    bench_check(tg_ok(tg), tg_error(tg));

    const bench_target goal = {RATIO_AT_LEAST, 1}, none = {NO_LIMIT, 0};
    bool large = m >= 128 && k >= 128 && n >= 128;
    char size[40];
    snprintf(size, sizeof size, "%dx%dx%d", m, k, n);
    bench_compare_all("matmul", size, c, 2, 2.0 * m * k * n,
                      large ? (bench_target[]){goal, none} : (bench_target[]){none, goal});
    free(p.c);
    tg_close(tg);
}

int main(int argc, char **argv)
{
    static const int shapes[][3] = {
        {32, 32, 32},       {64, 64, 64},   {128, 128, 128}, {256, 256, 256}, {512, 512, 512},
        {1024, 1024, 1024}, {64, 784, 128}, {64, 128, 10},   {1, 784, 128},   {100, 2, 1}};
    bench_begin(argc, argv);
    find_openblas();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        measure_product(shapes[i][0], shapes[i][1], shapes[i][2]);
    return bench_end();
}
