/* The random generator, MT19937, which knows nothing of tensors. What is drawn from it for tensors
 * is in src/random. */
#ifndef TG_GENERATOR_H
#define TG_GENERATOR_H

#include "compiler.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct generator {
    uint32_t mt[624];
    int next;        /* the word to hand out; 624: the state has to be twisted first */
    bool has_normal; /* the second one of a pair of normal samples waits in normal */
    double normal;
} generator;

void tg__seed(generator *g, uint64_t seed);
uint32_t tg__u32(generator *g);
/* Two words, the first one high. */
uint64_t tg__u64(generator *g);
/* n uniform samples on [0, 1): of 24 bits, from one word each, or of 53 bits, from two words. */
void tg__units_f32(generator *g, int64_t n, float *out);
void tg__units_f64(generator *g, int64_t n, double *out);

#endif
