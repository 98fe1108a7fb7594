/* Elementwise loops and copies over tensors of any strides, and tensors on the stack for them. */
#ifndef TG_LOOPS_H
#define TG_LOOPS_H

#include "../context/threads.h"
#include "tensor.h"

/* The kernel of an elementwise loop: unary, binary and where take one, two and three inputs; map
 * takes any of these numbers of inputs, and `with` besides. */
typedef struct loop {
    union {
        unary_kernel *unary;
        binary_kernel *binary;
        where_kernel *where;
        map_kernel *map;
    };
    const void *with; /* the last argument of map; NULL for the other kernels */
} loop;

/* out = f(in[0], ...), element by element, with a kernel that is not NULL. The inputs broadcast to
 * the shape of out, and all strides are allowed. An input may be out itself. */
void tg__elementwise(loop f, tg_tensor *out, int inputs, tg_tensor *const *in);
/* The same for a sum, a difference or a product of two inputs. Where one input has a single value
 * for many elements x of the other, it is computed as x s + t by the kernel `scale`, which reads
 * one array and gives the same bits. `scale` is NULL for int64, which has no such kernel. */
typedef enum linear_form { LINEAR_SUM, LINEAR_DIFFERENCE, LINEAR_PRODUCT } linear_form;
typedef struct linear_map {
    map_kernel *scale;
    linear_form form;
} linear_map;
void tg__elementwise_linear(linear_map l, binary_kernel *f, tg_tensor *out, tg_tensor *const *in);
/* out = f(a, value), element by element. The value is rounded to the dtype of out. */
void tg__elementwise_number(binary_kernel *f, tg_tensor *out, tg_tensor *a, double value);
/* out = a, broadcast to the shape of out. Both have one dtype and no memory in common. */
void tg__copy(tg_tensor *out, const tg_tensor *a);
/* Each element of t becomes value. */
void tg__fill(tg_tensor *t, double value);
/* Returns t if it is contiguous, else a contiguous copy without a history. NULL if there is no
 * memory. */
tg_tensor *tg__contiguous_copy(const tg_tensor *t);
TG_INLINE tg_tensor *tg__contiguous(tg_tensor *t)
{
    return t->contiguous ? t : tg__contiguous_copy(t);
}

/* A tensor on the stack, for loops alone. It belongs to no scope and has no private half; functions
 * that call priv() must not get it. Debug builds recognise it by its grad, which is the tensor
 * itself. */
typedef struct stack_tensor {
    tg_tensor tensor;
    union {
        double f64;
        int64_t i64;
    } value; /* the element of a scalar, of any dtype */
} stack_tensor;

/* Makes *s a 0-d tensor with the dtype of `like`, and returns it. */
tg_tensor *tg__scalar(stack_tensor *s, const tg_tensor *like, double value);
/* Makes *s a tensor whose elements, with the dtype of `like`, are at data, and returns it. */
tg_tensor *tg__array(stack_tensor *s, const tg_tensor *like, void *data, int ndim,
                     const int64_t *shape, const int64_t *strides);

#endif
