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
typedef void cblas_dgemm_function(int order, int transpose_a, int transpose_b, int m, int n, int k,
                                  double alpha, const double *a, int lda, const double *b, int ldb,
                                  double beta, double *c, int ldc);
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE };

/* NULL when OpenBLAS is not installed. */
static cblas_sgemm_function *cblas_sgemm;
static cblas_dgemm_function *cblas_dgemm;

static void find_openblas(void)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW);
    if (!library) return;
    void (*set_threads)(int);
    *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
    *(void **)&cblas_sgemm = dlsym(library, "cblas_sgemm");
    *(void **)&cblas_dgemm = dlsym(library, "cblas_dgemm");
    if (set_threads) set_threads(1);
}

/* (m, k) @ (k, n); a transposed side lies in memory as its transpose. */
typedef struct product {
    tg_dtype dtype;
    int m, k, n;
    bool a_transposed, b_transposed;
    tg_tensor *a, *b;
    void *c;
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
    const int ta = p->a_transposed ? TRANSPOSE : NO_TRANSPOSE, lda = p->a_transposed ? p->m : p->k;
    const int tb = p->b_transposed ? TRANSPOSE : NO_TRANSPOSE, ldb = p->b_transposed ? p->k : p->n;
    while (times-- > 0)
        if (p->dtype == TG_F32)
            cblas_sgemm(ROW_MAJOR, ta, tb, p->m, p->n, p->k, 1, p->a->data, lda, p->b->data, ldb, 0,
                        p->c, p->n);
        else
            cblas_dgemm(ROW_MAJOR, ta, tb, p->m, p->n, p->k, 1, p->a->data, lda, p->b->data, ldb, 0,
                        p->c, p->n);
}

/* Each sum of k products of numbers below 1 is within k * k * 2^-24 of the truth. */
static void check_agreement(product *p)
{
    tg_context *tg = p->a->context;
    const tg_shape shape = TG_SHAPE(p->m, p->n);
    run_openblas(p, 1);
    tg_scope_begin(tg);
    tg_tensor *theirs =
        p->dtype == TG_F32 ? tg_from_f32(tg, shape, p->c) : tg_from_f64(tg, shape, p->c);
    double worst = tg_item(tg_max(tg_abs(tg_sub(tg_matmul(p->a, p->b), theirs))));
    const double unit = p->dtype == TG_F32 ? 0x1p-23 : 0x1p-52;
    bench_check(worst <= p->k * unit * p->k, "matmul and OpenBLAS differ");
    tg_scope_end(tg);
}

static tg_tensor *make_side(tg_context *tg, tg_dtype dtype, int rows, int columns, bool transposed)
{
    return transposed ? tg_t(tg_rand(tg, dtype, TG_SHAPE(columns, rows)))
                      : tg_rand(tg, dtype, TG_SHAPE(rows, columns));
}

static void measure_product(product p, bool with_torch)
{
    tg_context *tg = tg_open(NULL);
    p.a = make_side(tg, p.dtype, p.m, p.k, p.a_transposed);
    p.b = make_side(tg, p.dtype, p.k, p.n, p.b_transposed);
    p.c = malloc((size_t)p.m * (size_t)p.n * sizeof(double));
    if (!p.c || !tg_ok(tg)) abort();
    if (cblas_sgemm) check_agreement(&p);

    contender c[] = {{.name = "libtinygrad", .run = run_ours, .data = &p},
                     {.name = "OpenBLAS", .run = cblas_sgemm ? run_openblas : NULL, .data = &p},
                     {.name = "PyTorch"}};
    const int contenders = with_torch ? 3 : 2;
    snprintf(c[2].torch, sizeof c[2].torch, "product %d %d %d", p.m, p.k, p.n);
    bench_measure(c, contenders);
    bench_check(tg_ok(tg), tg_error(tg));

    const bench_target goal = {RATIO_AT_LEAST, 1}, none = {NO_LIMIT, 0};
    bool large = p.m >= 128 && p.k >= 128 && p.n >= 128;
    char name[40], size[40];
    snprintf(name, sizeof name, "matmul%s%s%s", p.dtype == TG_F64 ? "_f64" : "",
             p.a_transposed ? "_at" : "", p.b_transposed ? "_bt" : "");
    snprintf(size, sizeof size, "%dx%dx%d", p.m, p.k, p.n);
    bench_compare_all(name, size, c, contenders - 1, 2.0 * p.m * p.k * p.n,
                      large ? (bench_target[]){goal, none} : (bench_target[]){none, goal});
    free(p.c);
    tg_close(tg);
}

int main(int argc, char **argv)
{
    static const int shapes[][3] = {
        {32, 32, 32},       {64, 64, 64},       {128, 128, 128}, {256, 256, 256}, {512, 512, 512},
        {1024, 1024, 1024}, {2048, 2048, 2048}, {64, 784, 128},  {64, 128, 10},   {1, 784, 128},
        {100, 2, 1},        {10000, 2, 1},      {1000000, 2, 1}};
    static const product others[] = {
        {TG_F64, 256, 256, 256, .a_transposed = false},
        {TG_F64, 1024, 1024, 1024, .a_transposed = false},
        {TG_F32, 1024, 1024, 1024, .a_transposed = true},
        {TG_F32, 1024, 1024, 1024, .b_transposed = true},
        {TG_F32, 1024, 1024, 1024, .a_transposed = true, .b_transposed = true},
        {TG_F32, 64, 784, 128, .b_transposed = true},
        {TG_F32, 128, 64, 784, .a_transposed = true},
        {TG_F32, 1, 784, 128, .b_transposed = true},
        {TG_F32, 10000, 2, 1, .a_transposed = true},
        {TG_F32, 1000000, 2, 1, .a_transposed = true},
        {TG_F32, 1, 1000000, 2, .b_transposed = true}};
    bench_begin(argc, argv);
    find_openblas();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        measure_product((product){.m = shapes[i][0], .k = shapes[i][1], .n = shapes[i][2]}, true);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) measure_product(others[i], false);
    return bench_end();
}
