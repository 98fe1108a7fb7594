/* The threads of a context. The thread that calls the library is helped by the others, which work
 * on one piece of work at a time and sleep in between. */
#define _DEFAULT_SOURCE 1 /* declares sigfillset, pthread_sigmask and sysconf */
#include "memory.h"
#include "posix_threads.h"
#include "threads.h"

#ifdef TG_THREADS
#include <sched.h>
#include <signal.h>
#include <string.h>

enum {
    STACK = 1 << 18,     /* kernels need less than 32 KB, but a libc may put thread data there */
    MOST_SPINS = 1 << 14 /* how often a thread polls before it sleeps, which takes some 200 us */
};

/* The caller and its helpers take blocks of the work by an atomic counter, next_block, until none
 * is left. The caller then closes the work and waits for the helpers that are active. A helper that
 * wakes up too late finds the work closed, and nobody waits for it. The lock and the condition
 * variables serve threads that sleep; a helper that polls sees the work without them. */
typedef struct posix_team {
    team base;
    pid_t process; /* the one that started the helpers; in a child made by fork they do not run */
    int helpers;   /* how many were started */
    int spins;     /* MOST_SPINS; 0 if there are more threads than processors */
    pthread_mutex_t lock;
    pthread_cond_t work_there, helpers_done;
    pthread_mutex_t portions_lock; /* of tg__lock */
    atomic_uint posted;        /* how often work was posted so far, the order to stop included */
    atomic_int active;         /* how many helpers may be taking blocks */
    atomic_bool open;          /* helpers may take blocks of the work below */
    atomic_bool stop;          /* helpers must end */
    atomic_bool caller_sleeps; /* the last active helper must wake the caller */
    atomic_llong next_block;   /* the number of the first block that nobody has taken */
    int64_t n, grain;          /* the work, as tg__split gets it */
    portion *f;
    void *work;
    pthread_t threads[];
} posix_team;

/* A pause in the poll number i of a thread. From time to time the thread offers its processor to
 * others, as the thread whose work it waits for may share the processor with it. */
static void pause_polling(int i)
{
    enum { PAUSES = 64 };
    if (i % PAUSES == PAUSES - 1) sched_yield();
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ volatile("yield");
#endif
}

static void take_blocks(posix_team *c)
{
    const int64_t blocks = (c->n + c->grain - 1) / c->grain;
    for (int64_t i;
         (i = atomic_fetch_add_explicit(&c->next_block, 1, memory_order_relaxed)) < blocks;) {
        const int64_t from = i * c->grain, left = c->n - from;
        c->f(c->work, from, from + (left < c->grain ? left : c->grain));
    }
}

static void wait_for_work(posix_team *c, unsigned seen)
{
    for (int i = 0; i < c->spins && atomic_load(&c->posted) == seen; i++) pause_polling(i);
    if (atomic_load(&c->posted) != seen) return;
    pthread_mutex_lock(&c->lock);
    while (atomic_load(&c->posted) == seen) pthread_cond_wait(&c->work_there, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

static void *help(void *arg)
{
    posix_team *c = arg;
    for (unsigned seen = 0; !atomic_load(&c->stop);) {
        wait_for_work(c, seen);
        seen = atomic_load(&c->posted);
        /* The helper counts as active before it looks at `open`: a caller that closes the work
         * after that look waits for the helper. */
        atomic_fetch_add(&c->active, 1);
        if (atomic_load(&c->open)) take_blocks(c);
        if (atomic_fetch_sub(&c->active, 1) == 1 && atomic_load(&c->caller_sleeps)) {
            pthread_mutex_lock(&c->lock);
            pthread_cond_signal(&c->helpers_done);
            pthread_mutex_unlock(&c->lock);
        }
    }
    return NULL;
}

static void call_helpers(posix_team *c)
{
    atomic_fetch_add(&c->posted, 1);
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->work_there);
    pthread_mutex_unlock(&c->lock);
}

static void wait_for_helpers(posix_team *c)
{
    for (int i = 0; i < c->spins && atomic_load(&c->active) > 0; i++) pause_polling(i);
    if (atomic_load(&c->active) == 0) return;
    atomic_store(&c->caller_sleeps, true);
    pthread_mutex_lock(&c->lock);
    while (atomic_load(&c->active) > 0) pthread_cond_wait(&c->helpers_done, &c->lock);
    pthread_mutex_unlock(&c->lock);
    atomic_store(&c->caller_sleeps, false);
}

static bool has_threads(const team *t)
{
    return ((const posix_team *)t)->process == getpid();
}

static void split_between(team *t, int64_t n, int64_t grain, portion *f, void *work)
{
    posix_team *c = (posix_team *)t;
    c->n = n;
    c->grain = grain;
    c->f = f;
    c->work = work;
    atomic_store(&c->next_block, 0);
    if (!has_threads(t)) {
        take_blocks(c);
        return;
    }
    atomic_store(&c->open, true);
    call_helpers(c);
    take_blocks(c);
    atomic_store(&c->open, false);
    wait_for_helpers(c);
}

static void lock_portions(team *t, bool lock)
{
    pthread_mutex_t *m = &((posix_team *)t)->portions_lock;
    if (lock)
        pthread_mutex_lock(m);
    else
        pthread_mutex_unlock(m);
}

static size_t team_bytes(int helpers)
{
    return sizeof(posix_team) + (size_t)helpers * sizeof(pthread_t);
}

static void stop_helpers(posix_team *c)
{
    atomic_store(&c->stop, true);
    call_helpers(c);
    for (int i = 0; i < c->helpers; i++) pthread_join(c->threads[i], NULL);
}

static bool make_conditions(posix_team *c)
{
    if (pthread_cond_init(&c->work_there, NULL)) return false;
    if (!pthread_cond_init(&c->helpers_done, NULL)) return true;
    pthread_cond_destroy(&c->work_there);
    return false;
}

static bool make_locks(posix_team *c)
{
    if (pthread_mutex_init(&c->lock, NULL)) return false;
    if (!pthread_mutex_init(&c->portions_lock, NULL)) {
        if (make_conditions(c)) return true;
        pthread_mutex_destroy(&c->portions_lock);
    }
    pthread_mutex_destroy(&c->lock);
    return false;
}

static void destroy_locks(posix_team *c)
{
    pthread_cond_destroy(&c->helpers_done);
    pthread_cond_destroy(&c->work_there);
    pthread_mutex_destroy(&c->portions_lock);
    pthread_mutex_destroy(&c->lock);
}

/* Ends the helpers and frees the memory. In a child made by fork only the memory can be freed: no
 * helper exists there, and the lock may be held by a thread that does not exist. */
static void disband(tg_context *tg, team *t)
{
    posix_team *c = (posix_team *)t;
    if (has_threads(t)) {
        stop_helpers(c);
        destroy_locks(c);
    }
    tg__give(tg, c, team_bytes(t->threads - 1));
}

#ifdef _WIN32 /* Windows does not deliver signals to threads. */
typedef int signals;

static bool block_signals(signals *before)
{
    *before = 0;
    return true;
}

static void allow_signals(const signals *before)
{
    (void)before;
}

static bool has_processors(int n)
{
    return n <= pthread_num_processors_np();
}
#else
typedef sigset_t signals;

static bool block_signals(signals *before)
{
    sigset_t all;
    return !sigfillset(&all) && !pthread_sigmask(SIG_SETMASK, &all, before);
}

static void allow_signals(const signals *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

static bool has_processors(int n)
{
    return n <= sysconf(_SC_NPROCESSORS_ONLN);
}
#endif

int tg__start_threads(int n, pthread_t *threads, void *(*f)(void *work), void *work)
{
    int started = 0;
    signals before;
    pthread_attr_t how;
    if (pthread_attr_init(&how)) return 0;
    if (!pthread_attr_setstacksize(&how, STACK) && block_signals(&before)) {
        while (started < n && !pthread_create(&threads[started], &how, f, work)) started++;
        allow_signals(&before);
    }
    pthread_attr_destroy(&how);
    return started;
}

static team *gather_team(tg_context *tg, int threads)
{
    posix_team *c = tg__take(tg, team_bytes(threads - 1));
    if (!c) return NULL;
    memset(c, 0, sizeof *c);
    c->base = (team){threads, has_threads, split_between, lock_portions, disband};
    c->process = getpid();
    c->spins = has_processors(threads) ? MOST_SPINS : 0;
    if (!make_locks(c)) {
        tg__give(tg, c, team_bytes(threads - 1));
        return NULL;
    }
    c->helpers = tg__start_threads(threads - 1, c->threads, help, c);
    if (c->helpers == threads - 1) return &c->base;
    disband(tg, &c->base);
    return NULL;
}
#else
static team *gather_team(tg_context *tg, int threads)
{
    (void)tg;
    (void)threads;
    return NULL;
}
#endif

bool tg_set_num_threads(tg_context *tg, int n)
{
    enum { MOST_THREADS = 256 };
    if (!tg) return false;
    if (n < 1 || n > MOST_THREADS)
        return tg__fail(tg, TG_ERR_ARGUMENT, "set_num_threads: %d threads; 1 to %d are allowed", n,
                        MOST_THREADS);
    if (n == tg_get_num_threads(tg)) return true;
    team *gathered = n > 1 ? gather_team(tg, n) : NULL;
    if (n > 1 && !gathered)
        return tg__fail(tg, TG_ERR_MEMORY, "set_num_threads: the system does not give %d threads",
                        n);
    if (tg->team) tg->team->disband(tg, tg->team);
    tg->team = gathered;
    return true;
}
