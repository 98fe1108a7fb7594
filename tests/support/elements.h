/* Elements of arrays of float32 or float64, as double. */
#ifndef TEST_ELEMENTS_H
#define TEST_ELEMENTS_H

#include "kernels/kernels.h"

static inline double element(int type, const void *p, int64_t i)
{
    return type == K_F32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static inline void set_element(int type, void *p, int64_t i, double x)
{
    if (type == K_F32)
        ((float *)p)[i] = (float)x;
    else
        ((double *)p)[i] = x;
}

#endif
