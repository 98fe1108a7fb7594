/* The random generator, MT19937. It knows nothing of tensors, which src/random fills from it. */
#ifndef TG_GENERATOR_H
#define TG_GENERATOR_H

#include "compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum { TG_MT_WORDS = 624 };

typedef struct generator {
    uint64_t seed; /* with which it was seeded last */
    uint32_t mt[TG_MT_WORDS];
    int next;        /* the index of the word to hand out next; 624: mt must be twisted first; 625:
                        it must be seeded before */
    bool has_normal; /* Box-Muller makes two samples, and the second one is still unused */
    double normal;   /* that sample */
} generator;

void tg__seed(generator *g, uint64_t seed);
/* Seeds the generator when it is first drawn from. A generator that draws nothing thus saves the
 * time of filling its words. */
void tg__seed_later(generator *g, uint64_t seed);
/* Seeds a generator that tg__seed_later has left to be seeded. */
static inline void tg__seed_now(generator *g)
{
    if (g->next > TG_MT_WORDS) tg__seed(g, g->seed);
}
uint32_t tg__u32(generator *g);
/* A number of two words; the first word drawn is the high half. */
uint64_t tg__u64(generator *g);
/* The next n words. */
void tg__words(generator *g, int n, uint32_t *out);
/* n uniform samples on [0, 1). A float32 has 24 random bits, the low ones of a word; a float64 has
 * 53, from two words. */
void tg__uniforms_f32(generator *g, int64_t n, float *out);
void tg__uniforms_f64(generator *g, int64_t n, double *out);

#endif
