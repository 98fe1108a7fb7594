/* Gradients that are one operation with a kernel of its own, which takes one pass over memory;
 * binary.c defines them. g is the gradient of the result and y the result. */
#ifndef TG_BINARY_H
#define TG_BINARY_H

#include "op.h"

tg_tensor *tg__relu_backward(tg_tensor *g, tg_tensor *y);
tg_tensor *tg__sigmoid_backward(tg_tensor *g, tg_tensor *y);
tg_tensor *tg__tanh_backward(tg_tensor *g, tg_tensor *y);
/* The derivative of atan2(a, b) by a, which is b / (a^2 + b^2). */
tg_tensor *tg__atan2_backward(tg_tensor *a, tg_tensor *b);

#endif
