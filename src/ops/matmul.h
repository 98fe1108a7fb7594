/* Products of matrices that are not tensors, and the memory they take, for convolution and linear
 * algebra. */
#ifndef TG_MATMUL_H
#define TG_MATMUL_H

#include "../kernels/product.h"
#include "op.h"

typedef struct matrix {
    const void *data;
    int64_t s0, s1; /* the strides between rows and between columns, in elements */
} matrix;
static inline matrix tg__matrix(const tg_tensor *t)
{
    return (matrix){t->data, t->strides[0], t->strides[1]};
}
static inline matrix tg__transposed(const tg_tensor *t)
{
    return (matrix){t->data, t->strides[1], t->strides[0]};
}
/* The bytes of scratch memory that the kernel of such a product needs at any SIMD level. b1 is the
 * stride between the columns of b. */
size_t tg__product_scratch(tg_dtype dtype, int64_t m, int64_t n, int64_t k, int64_t b1);

/* Computes c = a b, where a is (m, k), b is (k, n), and c is (m, n) and row-major. A large product
 * is split among the threads of the context. False if there is no memory to work in. */
bool tg__product_of_any_size(tg_context *tg, tg_dtype dtype, int64_t m, int64_t n, int64_t k,
                             void *c, matrix a, matrix b);
/* The same, with a short way for a product that needs little scratch memory and no threads: one
 * that is small, or whose kernel packs nothing or two terms of each element. There the many
 * arguments are passed on only once, which in a small layer took longer than the sums. */
TG_INLINE bool tg__product(tg_context *tg, tg_dtype dtype, int64_t m, int64_t n, int64_t k, void *c,
                           matrix a, matrix b)
{
    enum { SMALL = 512, FEW = SMALL * (int)sizeof(double) / MATMUL_ROW_BYTES };
    double scratch[SMALL];
    if (k * (m > n ? m : n) > SMALL && (tg->team || (k > FEW && !tg__matmul_is_dots(m, n, k))))
        return tg__product_of_any_size(tg, dtype, m, n, k, c, a, b);
    TG_CHECK(tg__product_scratch(dtype, m, n, k, b.s1) <= sizeof scratch);
    pick(tg->level, matmul, dtype)(m, n, k, c, n, a.data, a.s0, a.s1, b.data, b.s0, b.s1, scratch);
    return true;
}

/* Computes out = a b, where out is 2-d and contiguous, and its elements are sums of k terms. */
TG_INLINE bool tg__product_into(tg_tensor *out, int64_t k, matrix a, matrix b)
{
    if (k == 0) tg__fill(out, 0); /* all sums are empty, and the inputs have no memory */
    if (k == 0 || out->numel == 0) return true;
    return tg__product(out->context, out->dtype, out->shape[0], out->shape[1], k, out->data, a, b);
}

#endif
