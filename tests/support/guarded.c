#include "guarded.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The threads of a context allocate at the same time where it computes rows. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* In front of a block lie its size and guard bytes, behind it more guard bytes. The block is
 * aligned as malloc would align it and never more, so that code which relies on more is noticed. */
enum { FRONT = 48, BACK = 32, GUARD = 0xfd, BEFORE_USE = 0xa5, AFTER_USE = 0xdd };

static bool intact(const unsigned char *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (at[i] != GUARD) return false;
    return true;
}

static void *allocate_locked(guarded *g, size_t bytes)
{
    g->calls++;
    g->asked++;
    bool fails = g->fail_at && (g->asked == g->fail_at || (g->fail_on && g->asked > g->fail_at));
    unsigned char *raw = NULL;
    const size_t limit = g->limit ? g->limit : (size_t)1 << 30;
    if (!fails && bytes <= limit && bytes <= SIZE_MAX - FRONT - BACK)
        raw = malloc(FRONT + bytes + BACK);
    if (!raw) {
        g->failed++;
        return NULL;
    }
    memcpy(raw, &bytes, sizeof bytes);
    memset(raw + sizeof bytes, GUARD, FRONT - sizeof bytes);
    memset(raw + FRONT, BEFORE_USE, bytes);
    memset(raw + FRONT + bytes, GUARD, BACK);
    g->blocks++;
    g->held += bytes;
    if (g->held > g->peak) g->peak = g->held;
    return raw + FRONT;
}

static void deallocate_locked(guarded *g, void *memory, size_t bytes)
{
    unsigned char *raw = (unsigned char *)memory - FRONT;
    size_t size;
    g->calls++;
    memcpy(&size, raw, sizeof size);
    if (size != bytes || !intact(raw + sizeof size, FRONT - sizeof size) ||
        !intact(raw + FRONT + size, BACK))
        g->damaged = true;
    memset(memory, AFTER_USE, bytes);
    g->blocks--;
    g->held -= bytes;
    free(raw);
}

static void *guarded_allocate(void *user, size_t bytes)
{
    pthread_mutex_lock(&lock);
    void *memory = allocate_locked(user, bytes);
    pthread_mutex_unlock(&lock);
    return memory;
}

static void guarded_deallocate(void *user, void *memory, size_t bytes)
{
    pthread_mutex_lock(&lock);
    deallocate_locked(user, memory, bytes);
    pthread_mutex_unlock(&lock);
}

tg_options guarded_options(guarded *g)
{
    return (tg_options){.allocate = guarded_allocate, .deallocate = guarded_deallocate, .user = g};
}

tg_context *open_on_guarded(guarded *g)
{
    tg_options options = guarded_options(g);
    options.page_bytes = 4096;
    return tg_open(&options);
}
