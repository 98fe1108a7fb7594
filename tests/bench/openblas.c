#include "openblas.h"

#include <dlfcn.h>

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };

static void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                     const float *a, int lda, const float *b, int ldb, float beta, float *c,
                     int ldc);
static void (*set_threads)(int n);

bool openblas_find(void)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW);
    if (!library) return false;
    *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
    *(void **)&sgemm = dlsym(library, "cblas_sgemm");
    if (!set_threads || !sgemm) return false;
    set_threads(1);
    return true;
}

void openblas_threads(int n)
{
    set_threads(n);
}

void openblas_product(int m, int n, int k, const float *a, const float *b, float *c)
{
    sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, m, n, k, 1, a, k, b, n, 0, c, n);
}
