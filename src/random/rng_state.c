/* The state of the random stream, as torch.get_rng_state lays it out: CPUGeneratorImplState in
 * PyTorch's aten/src/ATen/CPUGeneratorImpl.cpp. */
#include "random.h"

#include <math.h>
#include <string.h>

/* The words of 64 bits. */
enum {
    SEED,
    LEFT,              /* the words of the generator before the next twist, plus 1; and, in the
                          upper half, whether it was seeded */
    NEXT,              /* the index of the word to hand out next */
    MT,                /* the words of the generator, one in each */
    NORMAL = MT + 624, /* two unused numbers, between which lies the normal sample that waits */
    HAS_NORMAL = NORMAL + 3,
    FLOAT_NORMAL, /* a float32 sample, which PyTorch's CPU code does not use */
    WORDS
};

/* Seeding leaves NEXT as 0, and a twist that is due after the last word leaves it as 624. */
tg_tensor *tg_get_rng_state(tg_context *tg)
{
    const int64_t words = WORDS;
    tg_tensor *t = tg ? tg__new(tg, TG_I64, 1, &words) : NULL;
    if (!t) return NULL;
    tg__seed_now(&tg->random);
    const generator *g = &tg->random;
    int64_t *w = memset(t->data, 0, WORDS * sizeof *w);
    const bool is_new = g->next == TG_MT_WORDS && g->mt[0] == (uint32_t)g->seed;
    w[SEED] = (int64_t)g->seed;
    w[LEFT] = (INT64_C(1) << 32) + TG_MT_WORDS + 1 - g->next;
    w[NEXT] = is_new ? 0 : g->next;
    for (int i = 0; i < TG_MT_WORDS; i++) w[MT + i] = g->mt[i];
    if (g->has_normal) memcpy(&w[NORMAL + 1], &g->normal, sizeof g->normal);
    w[HAS_NORMAL] = g->has_normal;
    return t;
}

/* Word i of a state, which has a number for each word or for each byte. False if a byte is none. */
static bool read_word(const tg_tensor *t, int i, int64_t *word)
{
    const int64_t *from = t->data, step = t->strides[0];
    if (t->shape[0] == WORDS) {
        *word = from[i * step];
        return true;
    }
    uint64_t joined = 0;
    for (int k = 7; k >= 0; k--) {
        const int64_t byte = from[(8 * i + k) * step];
        if (byte < 0 || byte > 255) return false;
        joined = joined << 8 | (uint64_t)byte;
    }
    *word = (int64_t)joined;
    return true;
}

/* Reads the words into g; false if they are no state. */
static bool read_state(const tg_tensor *t, generator *g)
{
    int64_t w[WORDS];
    for (int i = 0; i < WORDS; i++)
        if (!read_word(t, i, &w[i])) return false;
    const int64_t left = (uint32_t)w[LEFT], next = w[NEXT];
    const bool is_due = left == 1; /* for a twist */
    g->seed = (uint64_t)w[SEED];
    g->next = is_due ? TG_MT_WORDS : (int)next;
    g->has_normal = (uint32_t)w[HAS_NORMAL] == 1;
    g->normal = 0;
    if (g->has_normal) memcpy(&g->normal, &w[NORMAL + 1], sizeof g->normal);
    bool right = w[LEFT] >> 32 == 1 && next >= 0 && next <= TG_MT_WORDS &&
                 (is_due || left + next == TG_MT_WORDS + 1);
    for (int i = 0; i < TG_MT_WORDS; i++) {
        g->mt[i] = (uint32_t)w[MT + i];
        right &= w[MT + i] == g->mt[i];
    }
    const bool has_float = w[FLOAT_NORMAL] >> 32 & 1;
    return right && (uint32_t)w[HAS_NORMAL] <= 1 && !has_float && isfinite(g->normal);
}

bool tg_set_rng_state(tg_context *tg, const tg_tensor *state)
{
    static const char op[] = "set_rng_state";
    generator g;
    tg_tensor *t = (tg_tensor *)(uintptr_t)state;
    if (!tg || !tg__ready(tg)) return false;
    if (!t) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: state is NULL", op);
    if (t->context != tg)
        return tg__fail(tg, TG_ERR_CONTEXT, "%s: the tensor %s is of another context", op, SHOW(t));
    if (!tg__check_inputs(op, 1, &t)) return false;
    if (t->dtype != TG_I64) return tg__refuse_dtype(op, t);
    if (t->ndim != 1 || (t->numel != WORDS && t->numel != WORDS * 8))
        return tg__fail(tg, TG_ERR_SHAPE, "%s: the state is %s, not [%d] or [%d]", op, SHOW(t),
                        WORDS, WORDS * 8);
    if (!read_state(t, &g))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the numbers are no state of the generator", op);
    tg__before_draw(tg);
    tg->random = g;
    return true;
}
