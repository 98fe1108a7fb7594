/* What is drawn from the random stream for other layers. */
#ifndef TG_RANDOM_H
#define TG_RANDOM_H

#include "../tensor/lifetime.h"
#include "../tensor/loops.h"

/* 0 to n - 1 in random order. */
void tg__permute(generator *g, int64_t n, int64_t *out);
/* n normal samples side by side, float32 or float64. */
void tg__normals(tg_context *tg, tg_dtype dtype, int64_t n, void *out, double mean, double std);

#endif
