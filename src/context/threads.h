/* How a loop is divided between the threads of a context. */
#ifndef TG_THREADS_H
#define TG_THREADS_H

#include "context.h"

/* A function that does the part [from, to) of the work. It may run on another thread than the
 * context's. It therefore uses nothing but `work`, makes no tensors and records no errors. */
typedef void portion(void *work, int64_t from, int64_t to);

/* The threads of a context that has more than one. context.c calls them by these pointers, so that
 * a static program has the code of threads.c only if it calls tg_set_num_threads. */
typedef struct team {
    int threads;
    bool (*has_threads)(const struct team *t); /* false in a child of fork, where they do not run */
    void (*split)(struct team *t, int64_t n, int64_t grain, portion *f, void *work);
    void (*lock)(struct team *t, bool lock); /* false: unlocks */
    void (*disband)(tg_context *tg, struct team *t);
} team;

/* How many elements of an elementwise loop are worth a block of their own when work is split. */
enum { TG_GRAIN = 1 << 16 };

/* How many rows of that many elements have TG_GRAIN elements together; at least 1. */
static inline int64_t tg__grain_of(int64_t elements)
{
    return elements < TG_GRAIN ? TG_GRAIN / (elements > 0 ? elements : 1) : 1;
}

/* Runs f over [0, n). If the context has several threads and [0, n) has at least two blocks of
 * `grain`, the threads share these blocks, and each call of f does one; else one call does all. In
 * a child of fork, where the other threads do not run, the only thread does all blocks. */
static inline void tg__split(const tg_context *tg, int64_t n, int64_t grain, portion *f, void *work)
{
    TG_CHECK(n >= 0 && grain > 0 && grain <= INT64_MAX / 2);
    if (tg->team && n >= 2 * grain)
        tg->team->split(tg->team, n, grain, f, work);
    else if (n > 0)
        f(work, 0, n);
}

/* Of the threads that run portions, only one at a time is between tg__lock and tg__unlock. What the
 * portions share is changed there. */
static inline void tg__lock(const tg_context *tg)
{
    if (tg->team) tg->team->lock(tg->team, true);
}
static inline void tg__unlock(const tg_context *tg)
{
    if (tg->team) tg->team->lock(tg->team, false);
}

#endif
