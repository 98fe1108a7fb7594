/* Reading blocks of rows ahead. */
#define _DEFAULT_SOURCE 1 /* for posix_threads.h */
#include "reader.h"

#include "../context/memory.h"

/* ---- The lock. Where there are no threads, a block that is needed is read at once, and nobody
 * waits. */

#ifdef TG_THREADS
static bool make_lock(reader *r)
{
    if (pthread_mutex_init(&r->lock, NULL)) return false;
    if (!pthread_cond_init(&r->changed, NULL)) return true;
    pthread_mutex_destroy(&r->lock);
    return false;
}

static void destroy_lock(reader *r)
{
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

static void lock(reader *r)
{
    pthread_mutex_lock(&r->lock);
}

static void unlock(reader *r)
{
    pthread_mutex_unlock(&r->lock);
}

static void wait_for_change(reader *r)
{
    r->waiting++;
    pthread_cond_wait(&r->changed, &r->lock);
    r->waiting--;
}

static void tell_change(reader *r)
{
    if (r->waiting) pthread_cond_broadcast(&r->changed);
}
#else
static bool make_lock(reader *r)
{
    (void)r;
    return true;
}

static void destroy_lock(reader *r)
{
    (void)r;
}

static void lock(reader *r)
{
    (void)r;
}

static void unlock(reader *r)
{
    (void)r;
}

static void wait_for_change(reader *r)
{
    TG_CHECK(!r);
}

static void tell_change(reader *r)
{
    (void)r;
}
#endif

/* ---- The ring. */

static int part_of(const reader *r, int64_t k)
{
    return (int)(k / r->part_blocks % READER_PARTS);
}

/* Whether the next block has a place. Must be called with the lock. */
static bool ring_has_room(const reader *r)
{
    return r->read % r->part_blocks != 0 || r->left[part_of(r, r->read)] == 0;
}

void *tg__block_rows(const reader *r, int64_t k, int i)
{
    const int64_t place = k % (r->part_blocks * READER_PARTS);
    size_t at = (size_t)place * r->block_bytes;
    for (int before = 0; before < i; before++)
        at += tg__round_up((size_t)r->block_rows * r->row_bytes[before]);
    return r->ring + at;
}

/* Reads block k. Only one thread may do that at a time. */
static const char *read_to_ring(reader *r, int64_t k)
{
    const int64_t first = k * r->block_rows, rest = r->rows - first;
    for (int i = 0; i < r->source.n; i++) r->to[i] = tg__block_rows(r, k, i);
    return r->source.read(r->source.user, r->first_row + first,
                          rest < r->block_rows ? rest : r->block_rows, r->to);
}

/* Notes that the next block was read, or the problem. Must be called with the lock. Threads that
 * sleep are woken when the whole part is there, as waking one takes longer than reading a block. */
static void note_block(reader *r, const char *problem)
{
    r->problem = problem;
    if (!problem && r->read % r->part_blocks == 0) {
        const int64_t rest = r->blocks - r->read;
        r->left[part_of(r, r->read)] = rest < r->part_blocks ? rest : r->part_blocks;
    }
    if (!problem) r->read++;
    if (problem || r->read % r->part_blocks == 0 || r->read == r->blocks) tell_change(r);
}

const char *tg__await_block(reader *r, int64_t k)
{
    lock(r);
    while (k >= r->read && !r->problem && !r->stop)
        if (r->ahead || !ring_has_room(r))
            wait_for_change(r);
        else
            note_block(r, read_to_ring(r, r->read));
    const char *problem = k < r->read ? NULL : r->problem ? r->problem : "reading has ended";
    unlock(r);
    return problem;
}

void tg__leave_block(reader *r, int64_t k)
{
    lock(r);
    if (--r->left[part_of(r, k)] == 0) tell_change(r);
    unlock(r);
}

void tg__stop_reading(reader *r)
{
    lock(r);
    r->stop = true;
    tell_change(r);
    unlock(r);
}

/* ---- The thread that reads. */

#ifdef TG_THREADS
static void *read_ahead(void *work)
{
    reader *r = work;
    lock(r);
    while (r->read < r->blocks && !r->problem && !r->stop) {
        if (!ring_has_room(r)) {
            wait_for_change(r);
            continue;
        }
        const int64_t k = r->read;
        unlock(r);
        const char *problem = read_to_ring(r, k);
        lock(r);
        note_block(r, problem);
    }
    unlock(r);
    return NULL;
}

/* If the system gives no thread, the blocks are read when they are needed. */
static void start_thread(reader *r)
{
    r->ahead = r->blocks > 1 && tg__start_threads(1, &r->thread, read_ahead, r) == 1;
}

static void end_thread(reader *r)
{
    if (r->ahead) pthread_join(r->thread, NULL);
}
#else
static void start_thread(reader *r)
{
    r->ahead = false;
}

static void end_thread(reader *r)
{
    (void)r;
}
#endif

/* ---- Making a reader, and the calls. */

/* The bytes of a block in the ring, at most INT64_MAX. */
static int64_t bytes_of_block(const reader *r)
{
    int64_t bytes = 0;
    for (int i = 0; i < r->source.n; i++) {
        const int64_t rows = tg__times(r->block_rows, (int64_t)r->row_bytes[i]);
        const bool fits = rows <= PTRDIFF_MAX - TG_ALIGN;
        bytes = tg__plus(bytes, fits ? (int64_t)tg__round_up((size_t)rows) : INT64_MAX);
    }
    return bytes;
}

reader *tg__make_reader(tg_context *tg, const tg_row_source *source)
{
    const int n = source->n;
    reader *r = tg__alloc(tg, sizeof *r);
    size_t *row_bytes = tg__alloc(tg, tg__bytes(n, sizeof *row_bytes));
    void **to = tg__alloc(tg, tg__bytes(n, sizeof *to));
    if (!r || !row_bytes || !to) return NULL;
    for (int i = 0; i < n; i++) {
        const tg_row_type *type = &source->types[i];
        row_bytes[i] =
            tg__bytes(tg__numel(type->shape.ndim, type->shape.dims), tg__dtype_size(type->dtype));
    }
    *r =
        (reader){.tg = tg, .depth = tg->depth, .source = *source, .row_bytes = row_bytes, .to = to};
    r->source.types = NULL;
    return r;
}

/* Makes the ring as large as this call needs. A block of the context is larger than TG_SMALL. */
static bool make_ring(reader *r, int64_t bytes)
{
    enum { LEAST = 1 << 13 };
    if (r->ring && (int64_t)r->ring_bytes >= bytes) return true;
    if (r->ring) tg__block_free(r->tg, tg__block_of(r->ring));
    r->ring_bytes = tg__bytes(bytes > LEAST ? bytes : LEAST, 1);
    r->ring = tg__alloc_block(r->tg, r->depth, r->ring_bytes);
    return r->ring != NULL;
}

bool tg__begin_reading(reader *r, int64_t first_row, int64_t rows, int64_t block_rows,
                       int64_t at_a_time)
{
    r->first_row = first_row;
    r->rows = rows;
    r->block_rows = block_rows < rows ? block_rows : rows;
    r->blocks = (rows - 1) / r->block_rows + 1;
    const int64_t bytes = bytes_of_block(r), in_part = READER_PART_BYTES / tg__plus(bytes, 1);
    r->part_blocks = in_part > at_a_time ? in_part : at_a_time;
    if (r->part_blocks > r->blocks) r->part_blocks = r->blocks;
    const int64_t parts = (r->blocks - 1) / r->part_blocks + 1;
    const int64_t places = tg__times(r->part_blocks, parts < READER_PARTS ? parts : READER_PARTS);
    if (!make_ring(r, tg__times(places, bytes))) return false;
    r->block_bytes = (size_t)bytes;
    r->read = 0;
    r->problem = NULL;
    r->stop = false;
    r->waiting = 0;
    for (int i = 0; i < READER_PARTS; i++) r->left[i] = 0;
    if (!make_lock(r)) {
        tg__fail(r->tg, TG_ERR_MEMORY, "the system gives no lock");
        return false;
    }
    start_thread(r);
    return true;
}

void tg__end_reading(reader *r)
{
    tg__stop_reading(r);
    end_thread(r);
    destroy_lock(r);
}
