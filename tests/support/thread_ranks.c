#define _DEFAULT_SOURCE 1
#include "ranks.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What a rank has brought to a call of the exchange. */
typedef struct offer {
    const void *out;
    const size_t *out_bytes; /* for each rank; NULL: all get the same */
    size_t bytes;            /* those that all get */
} offer;

/* Where the ranks wait for each other. */
typedef struct place {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int size, arrived, ended;
    bool broken; /* a rank has waited in vain; all later calls fail */
    bool failed; /* a rank has found something wrong */
    unsigned round;
    offer offers[MOST_RANKS];
} place;

typedef struct rank {
    tg_exchange exchange;
    place *place;
    rank_function *f;
    void *user;
    char message[80];
} rank;

/* Waits until all ranks are here; false if one does not come. */
static bool wait_for_all(place *p)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += RANKS_SECONDS;
    pthread_mutex_lock(&p->lock);
    const unsigned round = p->round;
    if (!p->broken && ++p->arrived == p->size) {
        p->arrived = 0;
        p->round++;
        pthread_cond_broadcast(&p->changed);
    }
    while (p->round == round && !p->broken)
        if (p->ended > 0 || pthread_cond_timedwait(&p->changed, &p->lock, &deadline)) {
            p->broken = true;
            pthread_cond_broadcast(&p->changed);
        }
    const bool here = p->round != round;
    pthread_mutex_unlock(&p->lock);
    return here;
}

static const char *const lost = "a rank has ended or does not answer";

/* Ends a call in which the rank `wrong` has sent another number of bytes; -1 if none has. What a
 * rank has brought must stay until all have read it, so that all wait here, whatever they have
 * found. */
static const char *end_call(rank *r, int wrong)
{
    place *p = r->place;
    if (wrong >= 0) {
        pthread_mutex_lock(&p->lock);
        p->failed = true;
        pthread_mutex_unlock(&p->lock);
    }
    const bool here = wait_for_all(p);
    if (here && !p->failed) return NULL;
    if (wrong < 0) return lost;
    snprintf(r->message, sizeof r->message, "rank %d sent another number of bytes", wrong);
    return r->message;
}

static const char *allgather(void *user, const void *own, size_t bytes, void *all)
{
    rank *r = user;
    place *p = r->place;
    p->offers[r->exchange.rank] = (offer){own, NULL, bytes};
    if (p->failed || !wait_for_all(p)) return lost;
    for (int q = 0; q < p->size; q++) {
        const offer *o = &p->offers[q];
        if (o->out_bytes || o->bytes != bytes) return end_call(r, q);
        memcpy((char *)all + (size_t)q * bytes, o->out, bytes);
    }
    return end_call(r, -1);
}

static const char *alltoall(void *user, const void *out, const size_t *out_bytes, void *in,
                            const size_t *in_bytes)
{
    rank *r = user;
    place *p = r->place;
    char *to = in;
    p->offers[r->exchange.rank] = (offer){out, out_bytes, 0};
    if (p->failed || !wait_for_all(p)) return lost;
    for (int q = 0; q < p->size; q++) {
        const offer *o = &p->offers[q];
        const char *from = o->out;
        if (!o->out_bytes || o->out_bytes[r->exchange.rank] != in_bytes[q]) return end_call(r, q);
        for (int s = 0; s < r->exchange.rank; s++) from += o->out_bytes[s];
        if (in_bytes[q] > 0) memcpy(to, from, in_bytes[q]);
        to += in_bytes[q];
    }
    return end_call(r, -1);
}

static void *run(void *arg)
{
    rank *r = arg;
    r->f(&r->exchange, r->user);
    pthread_mutex_lock(&r->place->lock);
    r->place->ended++;
    pthread_cond_broadcast(&r->place->changed);
    pthread_mutex_unlock(&r->place->lock);
    return NULL;
}

void ranks_on_threads(int size, rank_function *f, void *user)
{
    place p = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .size = size};
    rank ranks[MOST_RANKS];
    pthread_t threads[MOST_RANKS];
    for (int r = 0; r < size; r++) {
        ranks[r] = (rank){{&ranks[r], r, size, allgather, alltoall, NULL}, &p, f, user, ""};
        pthread_create(&threads[r], NULL, run, &ranks[r]);
    }
    for (int r = 0; r < size; r++) pthread_join(threads[r], NULL);
}
