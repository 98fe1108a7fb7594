#include "product.h"

#include <dlfcn.h>
#include <stdlib.h>

typedef void cblas_sgemm_function(int order, int transpose_a, int transpose_b, int m, int n, int k,
                                  float alpha, const float *a, int lda, const float *b, int ldb,
                                  float beta, float *c, int ldc);
typedef void cblas_dgemm_function(int order, int transpose_a, int transpose_b, int m, int n, int k,
                                  double alpha, const double *a, int lda, const double *b, int ldb,
                                  double beta, double *c, int ldc);
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE };

static cblas_sgemm_function *cblas_sgemm;
static cblas_dgemm_function *cblas_dgemm;

static void (*set_threads)(int);

bool openblas_find(void)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW);
    if (!library) return false;
    *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
    *(void **)&cblas_sgemm = dlsym(library, "cblas_sgemm");
    *(void **)&cblas_dgemm = dlsym(library, "cblas_dgemm");
    if (!set_threads || !cblas_sgemm || !cblas_dgemm) return false;
    set_threads(1);
    return true;
}

void openblas_threads(int n)
{
    set_threads(n);
}

void product_run(void *data, long times)
{
    product *p = data;
    while (times-- > 0) {
        tg_scope_begin(p->a->context);
        tg_matmul(p->a, p->b);
        tg_scope_end(p->a->context);
    }
}

void openblas_run(void *data, long times)
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

static tg_tensor *make_side(tg_context *tg, tg_dtype dtype, int rows, int columns, bool transposed)
{
    return transposed ? tg_t(tg_rand(tg, dtype, TG_SHAPE(columns, rows)))
                      : tg_rand(tg, dtype, TG_SHAPE(rows, columns));
}

void product_fill(product *p, tg_context *tg)
{
    p->a = make_side(tg, p->dtype, p->m, p->k, p->a_transposed);
    p->b = make_side(tg, p->dtype, p->k, p->n, p->b_transposed);
    p->c = malloc((size_t)p->m * (size_t)p->n * sizeof(double));
    if (!p->c || !tg_ok(tg)) abort();
}

void product_free(product *p)
{
    free(p->c);
}
