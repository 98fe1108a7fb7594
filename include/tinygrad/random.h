/* Random numbers: bit for bit those of PyTorch 1.13 on the CPU (its AVX2 path) for the same seed
 * and the same sequence of calls. Exact everywhere, save normals of float64 and of fewer than 16
 * elements, which follow the platform's libm.
 *
 * Each context has its own stream. A draw moves it on; two draws must not stand in one expression,
 * where C leaves their order open. While an error is pending nothing is drawn. */
#ifndef TINYGRAD_RANDOM_H
#define TINYGRAD_RANDOM_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Restarts the stream. Only the low 32 bits matter; a negative seed is cast, as PyTorch does. */
TG_API bool tg_manual_seed(tg_context *tg, uint64_t seed);

/* Uniform on [0, 1). float32 or float64. */
TG_API tg_tensor *tg_rand(tg_context *tg, tg_dtype dtype, tg_shape shape);
/* Normal, mean 0 and standard deviation 1. float32 or float64. */
TG_API tg_tensor *tg_randn(tg_context *tg, tg_dtype dtype, tg_shape shape);
/* int64 in [low, high). */
TG_API tg_tensor *tg_randint(tg_context *tg, int64_t low, int64_t high, tg_shape shape);
/* The numbers 0 to n - 1 in random order, int64 (n). */
TG_API tg_tensor *tg_randperm(tg_context *tg, int64_t n);
/* 1 with probability p[i], else 0; shape and dtype of p, which is floating and in [0, 1]. No
 * gradient. */
TG_API tg_tensor *tg_bernoulli(tg_tensor *p);

/* In place, not recorded by autograd, as initialisation of leaves needs; return t. */

/* Uniform on [low, high); floating. */
TG_API tg_tensor *tg_uniform_(tg_tensor *t, double low, double high);
/* Normal; floating; std >= 0. */
TG_API tg_tensor *tg_normal_(tg_tensor *t, double mean, double std);
/* 1 with probability p, else 0; any dtype. */
TG_API tg_tensor *tg_bernoulli_(tg_tensor *t, double p);
/* Uniform over [0, 2^63); int64. */
TG_API tg_tensor *tg_random_(tg_tensor *t);

#ifdef __cplusplus
}
#endif

#endif
