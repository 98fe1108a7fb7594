#define _GNU_SOURCE /* dlmopen */
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

/* OpenBLAS as it was loaded once. */
typedef struct openblas {
    cblas_sgemm_function *sgemm;
    cblas_dgemm_function *dgemm;
    void (*set_threads)(int);
} openblas;

static openblas usual, avx512;

static bool find_functions(openblas *o, void *library)
{
    if (!library) return false;
    *(void **)&o->set_threads = dlsym(library, "openblas_set_num_threads");
    *(void **)&o->sgemm = dlsym(library, "cblas_sgemm");
    *(void **)&o->dgemm = dlsym(library, "cblas_dgemm");
    if (!o->set_threads || !o->sgemm || !o->dgemm) return false;
    o->set_threads(1);
    return true;
}

bool openblas_find(void)
{
    return find_functions(&usual, dlopen("libopenblas.so.0", RTLD_NOW));
}

void openblas_threads(int n)
{
    usual.set_threads(n);
}

/* OpenBLAS reads OPENBLAS_CORETYPE when it is loaded. In a namespace of its own it is loaded anew.
 */
bool openblas_avx512_find(void)
{
#if defined(__x86_64__) && defined(__GLIBC__)
    if (!__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq")) return false;
    setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
    void *library = dlmopen(LM_ID_NEWLM, "libopenblas.so.0", RTLD_NOW);
    unsetenv("OPENBLAS_CORETYPE");
    return find_functions(&avx512, library);
#else
    return false;
#endif
}

typedef int dnnl_sgemm_function(char transpose_a, char transpose_b, int64_t m, int64_t n, int64_t k,
                                float alpha, const float *a, int64_t lda, const float *b,
                                int64_t ldb, float beta, float *c, int64_t ldc);
static dnnl_sgemm_function *dnnl_sgemm;

bool onednn_find(void)
{
    setenv("OMP_NUM_THREADS", "1", 1);
    void *library = dlopen("libdnnl.so.2", RTLD_NOW);
    if (library) *(void **)&dnnl_sgemm = dlsym(library, "dnnl_sgemm");
    return dnnl_sgemm != NULL;
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

static void multiply(const openblas *o, product *p, long times)
{
    const int ta = p->a_transposed ? TRANSPOSE : NO_TRANSPOSE, lda = p->a_transposed ? p->m : p->k;
    const int tb = p->b_transposed ? TRANSPOSE : NO_TRANSPOSE, ldb = p->b_transposed ? p->k : p->n;
    while (times-- > 0)
        if (p->dtype == TG_F32)
            o->sgemm(ROW_MAJOR, ta, tb, p->m, p->n, p->k, 1, p->a->data, lda, p->b->data, ldb, 0,
                     p->c, p->n);
        else
            o->dgemm(ROW_MAJOR, ta, tb, p->m, p->n, p->k, 1, p->a->data, lda, p->b->data, ldb, 0,
                     p->c, p->n);
}

void openblas_run(void *data, long times)
{
    multiply(&usual, data, times);
}

void openblas_avx512_run(void *data, long times)
{
    multiply(&avx512, data, times);
}

void onednn_run(void *data, long times)
{
    product *p = data;
    const int64_t lda = p->a_transposed ? p->m : p->k, ldb = p->b_transposed ? p->k : p->n;
    while (times-- > 0)
        dnnl_sgemm(p->a_transposed ? 'T' : 'N', p->b_transposed ? 'T' : 'N', p->m, p->n, p->k, 1,
                   p->a->data, lda, p->b->data, ldb, 0, p->c, p->n);
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
