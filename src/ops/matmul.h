/* Products of matrices that are not tensors, for convolution and linear algebra. */
#ifndef TG_MATMUL_H
#define TG_MATMUL_H

#include "op.h"

/* c = a b, row-major with c0 = n, on all threads if it is large; strides as a kernel takes them.
 * false without memory to work in. */
typedef struct matrix {
    const void *data;
    int64_t s0, s1;
} matrix;
bool tg__product(tg_context *tg, tg_dtype dtype, int64_t m, int64_t n, int64_t k, void *c, matrix a,
                 matrix b);
/* Bytes that the kernel of such a product works in. */
size_t tg__product_scratch(tg_dtype dtype, int64_t m, int64_t n, int64_t k, int64_t b1);

#endif
