/* What the shape rules of views share. */
#ifndef TG_VIEW_H
#define TG_VIEW_H

#include "op.h"

/* Dimension `at` of the view is dimension `from` of t. */
static inline void tg__take_dim(spec *s, int at, const tg_tensor *t, int from)
{
    s->shape[at] = t->shape[from];
    s->strides[at] = t->strides[from];
}

/* The view is all of t. */
static inline void tg__take_all(spec *s, const tg_tensor *t)
{
    s->dtype = t->dtype;
    s->ndim = t->ndim;
    s->offset = 0;
    for (int d = 0; d < t->ndim; d++) tg__take_dim(s, d, t, d);
}

#endif
