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
/* out = f(a, value) for each element; value becomes one of out's dtype. */
void tg__elementwise_number(binary_kernel *f, tg_tensor *out, tg_tensor *a, double value);
/* out = a broadcast to out; same dtype, no overlap. */
void tg__copy(tg_tensor *out, const tg_tensor *a);
void tg__fill(tg_tensor *t, double value);
/* t, or a contiguous copy without history. */
tg_tensor *tg__contiguous(tg_tensor *t);

/* A tensor on the stack, for loops alone. It belongs to no scope and has no private half, so that
 * it may not reach anything that calls priv(). It is known by its grad, which is the tensor itself.
 */
typedef struct stack_tensor {
    tg_tensor as;
    union {
        double f64;
        int64_t i64;
    } value; /* of a scalar: room for any dtype */
} stack_tensor;

/* A 0-d tensor of like's dtype. */
tg_tensor *tg__scalar(stack_tensor *s, const tg_tensor *like, double value);
/* Elements of like's dtype that stand at data. */
tg_tensor *tg__array(stack_tensor *s, const tg_tensor *like, void *data, int ndim,
                     const int64_t *shape, const int64_t *strides);

#endif
