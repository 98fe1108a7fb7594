/* Random numbers: bit for bit those of PyTorch 1.13 on the CPU (its AVX2 path) for the same seed
 * and the same sequence of calls. Exact everywhere, save normals of float64 and of fewer than 16
 * elements, which follow the platform's libm.
 *
 * Each context has its own stream. A draw moves it on; two draws must not stand in one expression,
 * where C leaves their order open. While an error is pending nothing is drawn: a draw returns NULL.
 */
#ifndef TINYGRAD_RANDOM_H
#define TINYGRAD_RANDOM_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Restarts the stream of the context, also while an error is pending. Only the low 32 bits of the
 * seed matter; a negative seed is cast, as PyTorch does. */
TG_API bool tg_manual_seed(tg_context *tg, uint64_t seed);

/* The state of the stream, int64 (632): the bytes of PyTorch's torch.get_rng_state() as 64-bit
 * words, which are torch.get_rng_state().view(torch.int64). */
TG_API tg_tensor *tg_get_rng_state(tg_context *tg);

/* Sets the stream to a state of tg_get_rng_state or of PyTorch, whose bytes may also come as an
 * int64 tensor of 5056 numbers from 0 to 255, as a file with its uint8 tensor gives them. What is
 * no state of the generator is TG_ERR_ARGUMENT. PyTorch: torch.set_rng_state(state). */
TG_API bool tg_set_rng_state(tg_context *tg, const tg_tensor *state);

/* A tensor of numbers drawn uniformly from [0, 1). Floating dtypes. */
TG_API tg_tensor *tg_rand(tg_context *tg, tg_dtype dtype, tg_shape shape);

/* A tensor of numbers drawn from the normal distribution with mean 0 and standard deviation 1.
 * Floating dtypes. */
TG_API tg_tensor *tg_randn(tg_context *tg, tg_dtype dtype, tg_shape shape);

/* An int64 tensor of numbers drawn from low, low + 1, ... high - 1. low must be less than high. */
TG_API tg_tensor *tg_randint(tg_context *tg, int64_t low, int64_t high, tg_shape shape);

/* The numbers 0 to n - 1 in random order, int64 (n). */
TG_API tg_tensor *tg_randperm(tg_context *tg, int64_t n);

/* A tensor of p's shape and dtype with 1 where a draw of probability p_i succeeds, else 0. p is
 * floating; a value outside [0, 1] is TG_ERR_ARGUMENT. The result has no gradient. */
TG_API tg_tensor *tg_bernoulli(tg_tensor *p);

/* ---- In place. The draws are not recorded by autograd, as the initialisation of leaves needs. */

/* Fills t with numbers drawn uniformly from [low, high), and returns it. Floating dtypes; low and
 * high must be finite, and low not above high. */
TG_API tg_tensor *tg_uniform_(tg_tensor *t, double low, double high);

/* Fills t with numbers drawn from the normal distribution with this mean and standard deviation,
 * and returns it. Floating dtypes; std must not be negative. */
TG_API tg_tensor *tg_normal_(tg_tensor *t, double mean, double std);

/* Fills t with 1 with probability p, else 0, and returns it. Any dtype; p lies in [0, 1]. */
TG_API tg_tensor *tg_bernoulli_(tg_tensor *t, double p);

/* Fills t with integers drawn uniformly from [0, 2^63), and returns it. int64 alone. */
TG_API tg_tensor *tg_random_(tg_tensor *t);

#ifdef __cplusplus
}
#endif

#endif
