/* Helpers for the shape rules of views. */
#ifndef TG_VIEW_H
#define TG_VIEW_H

#include "op.h"

/* Makes dimension `at` of the view the same as dimension `from` of t. */
static inline void tg__take_dim(spec *s, int at, const tg_tensor *t, int from)
{
    s->shape[at] = t->shape[from];
    s->strides[at] = t->strides[from];
}

/* Makes the view the same as t, as a beginning: the shape rule then changes what differs. */
static inline void tg__take_all(spec *s, const tg_tensor *t)
{
    s->dtype = t->dtype;
    s->ndim = t->ndim;
    s->offset = 0;
    for (int d = 0; d < t->ndim; d++) tg__take_dim(s, d, t, d);
}

#endif
