/* Gradients of functions of one tensor, computed in one pass over memory; see binary.c. */
#ifndef TG_BINARY_H
#define TG_BINARY_H

#include "op.h"

tg_tensor *tg__relu_backward(tg_tensor *g, tg_tensor *y);
tg_tensor *tg__sigmoid_backward(tg_tensor *g, tg_tensor *y);
tg_tensor *tg__tanh_backward(tg_tensor *g, tg_tensor *y);
tg_tensor *tg__atan2_backward(tg_tensor *a, tg_tensor *b);

#endif
