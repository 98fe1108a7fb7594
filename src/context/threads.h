/* Work split between the threads of a context. */
#ifndef TG_THREADS_H
#define TG_THREADS_H

#include "context.h"

/* Work on the elements [from, to) of a range. It may run on another thread than the context's, and
 * uses only what it was given: it makes no tensors and records no errors. */
typedef void portion(void *work, int64_t from, int64_t to);

/* The threads of a context that has more than one. */
typedef struct team {
    int threads;
    bool (*is_here)(const struct team *t); /* false for threads that were lost in a fork */
    void (*split)(struct team *t, int64_t n, int64_t grain, portion *f, void *work);
    void (*disband)(tg_context *tg, struct team *t);
} team;

/* Elements that are worth a block of their own when work is split. */
enum { TG_GRAIN = 1 << 16 };

/* How many rows of so many elements make a grain. */
static inline int64_t tg__grain_of(int64_t elements)
{
    return elements < TG_GRAIN ? TG_GRAIN / (elements > 0 ? elements : 1) : 1;
}

/* Runs f over [0, n): in one go, or, if that makes two blocks of grain at least, in such blocks on
 * all threads. */
static inline void tg__split(const tg_context *tg, int64_t n, int64_t grain, portion *f, void *work)
{
    if (tg->team && n >= 2 * grain)
        tg->team->split(tg->team, n, grain, f, work);
    else if (n > 0)
        f(work, 0, n);
}

#endif
