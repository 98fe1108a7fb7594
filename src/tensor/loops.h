/* Loops over tensors of any strides. */
#ifndef TG_LOOPS_H
#define TG_LOOPS_H

#include "../context/threads.h"
#include "tensor.h"

/* A kernel for one, two or three inputs. */
typedef union loop {
    unary_kernel *unary;
    binary_kernel *binary;
    where_kernel *where;
} loop;

/* out = f(in...), inputs broadcast to out, any strides. */
void tg__elementwise(loop f, tg_tensor *out, int inputs, tg_tensor *const *in);
/* out = a broadcast to out; same dtype, no overlap. */
void tg__copy(tg_tensor *out, const tg_tensor *a);
void tg__fill(tg_tensor *t, double value);
/* t, or a contiguous copy without history. */
tg_tensor *tg__dense(tg_tensor *t);

typedef union scalar {
    float f32;
    double f64;
    int64_t i64;
    bool b;
} scalar;

/* Tensors on the stack, for loops alone: they are of no scope, and of what is private they have
 * nothing but dense. */
typedef struct scalar_tensor {
    tensor_priv as;
    scalar value;
} scalar_tensor;

/* A 0-d tensor of like's dtype. */
tg_tensor *tg__scalar(scalar_tensor *s, const tg_tensor *like, double value);
/* Elements of like's dtype that stand at data. */
tg_tensor *tg__array(tensor_priv *p, const tg_tensor *like, void *data, int ndim,
                     const int64_t *shape, const int64_t *strides);

#endif
