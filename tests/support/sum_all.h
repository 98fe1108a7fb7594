/* A user-defined operation for tg_apply with any number of inputs: the sum of all their
 * elements. */
#ifndef TEST_SUM_ALL_H
#define TEST_SUM_ALL_H

#include <tinygrad.h>

static tg_tensor *sum_all_forward(tg_list in, const void *attributes)
{
    (void)attributes;
    return tg_sum(tg_cat(in, 0));
}

static tg_tensor *sum_all_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                   const void *attributes)
{
    (void)out, (void)attributes;
    return tg_expand(grad, TG_SHAPE(in.items[i]->shape[0]));
}

static const tg_autograd_function sum_all = {"sum_all", sum_all_forward, sum_all_backward};

#endif
