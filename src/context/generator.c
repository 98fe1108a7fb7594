/* MT19937 (Matsumoto and Nishimura, 1998), seeded as its authors' init_genrand does. */
#include "generator.h"

#if defined(__GNUC__) && !defined(__clang__) /* so that loops over words become vectors */
#pragma GCC push_options
#pragma GCC optimize("tree-vectorize", "vect-cost-model=dynamic")
#endif

enum {
    MT_WORDS = TG_MT_WORDS,
    MT_SHIFT = 397,
    SAMPLES = 256 /* samples that are made at a time */
};

void tg__seed(generator *g, uint64_t seed)
{
    g->seed = seed;
    g->mt[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < MT_WORDS; i++) {
        uint32_t last = g->mt[i - 1];
        g->mt[i] = 1812433253u * (last ^ (last >> 30)) + i;
    }
    g->next = MT_WORDS;
    g->has_normal = false;
    g->normal = 0;
}

void tg__seed_later(generator *g, uint64_t seed)
{
    g->seed = seed;
    g->next = MT_WORDS + 1;
    g->has_normal = false;
    g->normal = 0;
}

static inline uint32_t mt_mix(uint32_t high, uint32_t low)
{
    uint32_t word = (high & 0x80000000u) | (low & 0x7fffffffu);
    return (word >> 1) ^ ((0u - (low & 1u)) & 0x9908b0dfu);
}

static void mt_twist(generator *g)
{
    uint32_t *mt = g->mt, first = MT_WORDS - MT_SHIFT;
    tg__seed_now(g);
    for (uint32_t i = 0; i < first; i++) mt[i] = mt[i + MT_SHIFT] ^ mt_mix(mt[i], mt[i + 1]);
    for (uint32_t i = first; i < MT_WORDS - 1; i++)
        mt[i] = mt[i - first] ^ mt_mix(mt[i], mt[i + 1]);
    mt[MT_WORDS - 1] = mt[MT_SHIFT - 1] ^ mt_mix(mt[MT_WORDS - 1], mt[0]);
    g->next = 0;
}

static inline uint32_t mt_temper(uint32_t word)
{
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c5680u;
    word ^= (word << 15) & 0xefc60000u;
    return word ^ (word >> 18);
}

uint32_t tg__u32(generator *g)
{
    if (g->next >= MT_WORDS) mt_twist(g);
    return mt_temper(g->mt[g->next++]);
}

uint64_t tg__u64(generator *g)
{
    uint64_t high = tg__u32(g);
    return high << 32 | tg__u32(g);
}

void tg__words(generator *g, int n, uint32_t *out)
{
    for (int run; n > 0; n -= run, out += run) {
        if (g->next >= MT_WORDS) mt_twist(g);
        run = n < MT_WORDS - g->next ? n : MT_WORDS - g->next;
        const uint32_t *word = g->mt + g->next;
        for (int i = 0; i < run; i++) out[i] = mt_temper(word[i]);
        g->next += run;
    }
}

void tg__uniforms_f32(generator *g, int64_t n, float *out)
{
    uint32_t word[SAMPLES];
    for (int some; n > 0; n -= some, out += some) {
        some = n < SAMPLES ? (int)n : SAMPLES;
        tg__words(g, some, word);
        for (int i = 0; i < some; i++) out[i] = (float)(int32_t)(word[i] & 0xffffffu) * 0x1p-24f;
    }
}

/* The 53 bits of a sample are the low 21 of the first word and all of the second. Each half becomes
 * a double by way of int32, for which processors have an instruction, and all sums are exact. */
void tg__uniforms_f64(generator *g, int64_t n, double *out)
{
    uint32_t word[2 * SAMPLES];
    for (int some; n > 0; n -= some, out += some) {
        some = n < SAMPLES ? (int)n : SAMPLES;
        tg__words(g, 2 * some, word);
        for (int i = 0; i < some; i++) {
            const int32_t high = (int32_t)(word[2 * i] & 0x1fffffu);
            const int32_t low = (int32_t)(word[2 * i + 1] >> 1),
                          last = (int32_t)(word[2 * i + 1] & 1);
            out[i] = ((double)high * 0x1p32 + ((double)low * 2 + (double)last)) * 0x1p-53;
        }
    }
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
