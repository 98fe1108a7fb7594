/* Random draws that other folders use. */
#ifndef TG_RANDOM_H
#define TG_RANDOM_H

#include "../tensor/lifetime.h"
#include "../tensor/loops.h"

/* Fills out with the numbers from 0 to n - 1 in random order, as torch.randperm does. */
void tg__permute(generator *g, int64_t n, int64_t *out);
/* Fills n contiguous elements, float32 or float64, with normal samples. */
void tg__normals(tg_context *tg, tg_dtype dtype, int64_t n, void *out, double mean, double std);

#endif
