/* Blocks, their free lists, and the scopes that use them; memory.h explains the structure. */
#include "memory.h"

#include <string.h>

_Static_assert(sizeof(block) <= TG_HEADER, "the header holds a block");

static void *block_payload(block *b)
{
    return (char *)b + TG_HEADER;
}

static unsigned log2_of(size_t bytes)
{
#if defined(__GNUC__)
    return 63 - (unsigned)__builtin_clzll(bytes | 1);
#else
    unsigned log = 0;
    for (size_t b = bytes; b > 1; b >>= 1) log++;
    return log;
#endif
}

/* Rounds up to one of 16 sizes per power of two. All blocks of a free list have the same size, and
 * a step that asks for what the step before asked for finds a free block for each request. */
static size_t block_size(size_t bytes)
{
#ifdef TG_ASAN
    return bytes; /* no slack that would hide an overrun */
#else
    unsigned log = log2_of(bytes);
    size_t step = log > 4 ? (size_t)1 << (log - 4) : 1;
    return (bytes + step - 1) & ~(step - 1);
#endif
}

/* The list of free blocks of a size that block_size has returned. */
static block **free_list(tg_context *tg, size_t size)
{
    enum { LEAST = 11 }; /* log2 of the smallest size with a list; pages are larger */
    unsigned log = log2_of(size);
    if (log < LEAST) return &tg->free_blocks[0]; /* only under ASan, where the lists stay empty */
    return &tg->free_blocks[(log - LEAST) * 16 + (size >> (log - 4) & 15)];
}

/* Takes memory from the allocator; NULL if it has none or the cap would be passed. */
static void *take(tg_context *tg, size_t bytes)
{
    size_t cap = tg->options.max_bytes;
    if (cap && (bytes > cap || tg->stats.held_bytes > cap - bytes)) return NULL;
    tg->stats.allocator_calls++;
    void *memory = tg->options.allocate(tg->options.user, bytes);
    if (memory) tg->stats.held_bytes += bytes;
    return memory;
}

void *tg__take(tg_context *tg, size_t bytes)
{
    void *memory = take(tg, bytes);
    return memory || !tg__trim(tg) ? memory : take(tg, bytes);
}

void tg__give(tg_context *tg, void *memory, size_t bytes)
{
    TG_CHECK(tg->stats.held_bytes >= bytes);
    tg->stats.held_bytes -= bytes;
    tg->stats.allocator_calls++;
    tg->options.deallocate(tg->options.user, memory, bytes);
}

bool tg__trim(tg_context *tg)
{
    bool any = false;
    for (int i = 0; i < TG_FREE_LISTS; i++) {
        while (tg->free_blocks[i]) {
            block *b = tg->free_blocks[i];
            tg->free_blocks[i] = b->next;
            tg__give(tg, b->raw, b->raw_bytes);
            any = true;
        }
    }
    return any;
}

static void *fail_to_take(tg_context *tg, size_t bytes)
{
    if (block_size(bytes) + TG_HEADER + TG_ALIGN > PTRDIFF_MAX)
        return tg__fail(tg, TG_ERR_MEMORY, "out of memory: %zu bytes asked for", bytes);
    if (tg->options.max_bytes)
        return tg__fail(tg, TG_ERR_MEMORY, "out of memory: %zu bytes asked for, %zu held, cap %zu",
                        bytes, tg->stats.held_bytes, tg->options.max_bytes);
    return tg__fail(tg, TG_ERR_MEMORY, "out of memory: %zu bytes asked for, %zu held", bytes,
                    tg->stats.held_bytes);
}

/* A block from the allocator; NULL if it gives none. This function and those below that return NULL
 * do not record the error; tg__alloc_slowly and tg__alloc_block do. */
static block *fresh_block(tg_context *tg, size_t bytes)
{
    size_t size = block_size(bytes), raw_bytes = size + TG_HEADER + TG_ALIGN;
    if (raw_bytes > PTRDIFF_MAX) return NULL;
    char *raw = tg__take(tg, raw_bytes);
    if (!raw) return NULL;
    block *b = (block *)(void *)(raw + (TG_ALIGN - (uintptr_t)raw % TG_ALIGN));
    b->raw = raw;
    b->raw_bytes = raw_bytes;
    b->bytes = size;
    return b;
}

static block *take_block(tg_context *tg, size_t bytes)
{
    block **list = free_list(tg, block_size(bytes)), *b = *list;
    if (b)
        *list = b->next;
    else if (!(b = fresh_block(tg, bytes)))
        return NULL;
    tg->stats.live_bytes += b->raw_bytes;
    if (tg->stats.live_bytes > tg->stats.peak_bytes) tg->stats.peak_bytes = tg->stats.live_bytes;
    return b;
}

/* A page with room for at least that many bytes. Under ASan it has room for no more, since each
 * thing gets a block of its own. */
static block *take_page(tg_context *tg, size_t least)
{
    const size_t page = TG_SMALL > 0 ? tg->options.page_bytes : 0;
    return take_block(tg, page > least ? page : least);
}

static void drop_block(tg_context *tg, block *b)
{
    TG_CHECK(tg->stats.live_bytes >= b->raw_bytes);
    tg->stats.live_bytes -= b->raw_bytes;
#ifdef TG_DEBUG
    memset(block_payload(b), 0xdd, b->bytes);
#endif
#ifdef TG_ASAN
    tg__give(tg, b->raw, b->raw_bytes);
#else
    block **list = free_list(tg, b->bytes);
    b->next = *list;
    *list = b;
#endif
}

static void link_block(scope *s, block *b)
{
    b->owner = s;
    b->is_elements = false;
    b->loans = 0;
    b->prev = NULL;
    b->next = s->blocks;
    if (s->blocks) s->blocks->prev = b;
    s->blocks = b;
}

static void unlink_block(block *b)
{
    TG_CHECK((b->prev ? b->prev->next : b->owner->blocks) == b);
    TG_CHECK(!b->next || (b->next->prev == b && b->next->owner == b->owner));
    if (b->prev)
        b->prev->next = b->next;
    else
        b->owner->blocks = b->next;
    if (b->next) b->next->prev = b->prev;
}

void tg__block_free(tg_context *tg, block *b)
{
    unlink_block(b);
    drop_block(tg, b);
}

static void open_page(scope *s, block *page, size_t used)
{
    link_block(s, page);
    s->top = (char *)block_payload(page) + used;
    s->end = (char *)block_payload(page) + page->bytes;
}

void tg__free_elements(tg_context *tg, const block *newest_then, const block *kept)
{
    if (!tg__newest_block(tg)) return;
    for (block *b = tg->scope->blocks, *next; b && b != newest_then; b = next) {
        next = b->next;
        if (b->is_elements && b != kept) tg__block_free(tg, b);
    }
}

/* The scope of that depth, which is made if it has no memory yet. A new scope between two others
 * gets its own page, because the free part of the outer one's page may be lent already. */
static scope *scope_at(tg_context *tg, int64_t depth)
{
    scope **link = &tg->scope, *inner = NULL;
    for (; *link && (*link)->depth > depth; link = &inner->outer) inner = *link;
    scope *s = *link;
    if (s && s->depth == depth) return s;
    TG_CHECK(depth >= 0 && depth <= tg->depth && (!s || s->depth < depth));
    s = inner ? NULL : tg__scope_in_host(tg, depth);
    if (s) return s;
    block *page = take_page(tg, TG_SCOPE);
    if (!page) return NULL;
    s = block_payload(page);
    tg__init_scope(s, *link, NULL, depth);
    s->tape = inner ? inner->tape : tg->tape;
    s->newest = inner ? inner->newest : tg->newest;
    open_page(s, page, TG_SCOPE);
    return *link = s;
}

void tg__block_move(tg_context *tg, block *b, int64_t depth)
{
    unlink_block(b);
    link_block(scope_at(tg, depth), b);
}

static void *block_in(tg_context *tg, scope *s, size_t bytes)
{
    block *b = take_block(tg, bytes);
    if (!b) return NULL;
    link_block(s, b);
    return block_payload(b);
}

/* Cuts a small piece from the current page of s, or from a new page if that one is lent or full. */
static void *piece_in(tg_context *tg, scope *s, size_t bytes)
{
    if (s->lent || tg__room_in(s) < tg__round_up(bytes)) {
        block *page = take_page(tg, bytes);
        if (!page) return NULL;
        open_page(s, page, 0);
        s->lends_no_more |= s->lent;
        s->lent = false;
    }
    void *memory = s->top;
    s->top += tg__round_up(bytes);
    return memory;
}

/* ---- Spares: small pieces of memory that were given back to their scope, for the next request of
 * the same size. A loop that releases what it makes therefore needs no more memory than its first
 * rounds did. The WAITING newest pieces of a size are not used again yet: a use after the release
 * still finds a tensor that is marked as released. */

enum { WAITING = 3 };

/* The queue of that size, which is moved to the front of the list; NULL if there is none. */
static TG_NOINLINE spares *find_spares(scope *s, size_t bytes)
{
    spares **link = &s->spares;
    while (*link && (*link)->bytes != bytes) link = &(*link)->next;
    spares *found = *link;
    if (!found) return NULL;
    *link = found->next;
    found->next = s->spares;
    s->spares = found;
    return found;
}

/* The same, fast for the queue at the front: the size that was used last. */
static inline spares *spares_of(scope *s, size_t bytes)
{
    return s->spares && s->spares->bytes == bytes ? s->spares : find_spares(s, bytes);
}

/* The piece of that size that was given back first; NULL if none is ready to be used again. */
static inline void *take_spare(scope *s, size_t bytes)
{
    spares *same = spares_of(s, tg__round_up(bytes));
    if (!same || same->n <= WAITING) return NULL;
    spare_link *oldest = same->oldest;
    same->oldest = oldest->next;
    same->n--;
    return oldest->memory;
}

void tg__give_back(tg_context *tg, int64_t depth, void *memory, size_t bytes, spare_room *room)
{
    scope *s = tg->scope;
    bytes = tg__round_up(bytes);
    while (s->depth > depth) s = s->outer;
    TG_CHECK(s->depth == depth);
    spares *same = spares_of(s, bytes);
    if (!same) {
        room->head = (spares){.next = s->spares, .bytes = bytes};
        s->spares = &room->head;
        return;
    }
    spare_link *last = &room->link;
    last->memory = memory;
    if (same->n++ == 0)
        same->oldest = last;
    else
        same->newest->next = last;
    same->newest = last;
}

/* ---- Allocation. */

void *tg__alloc_slowly(tg_context *tg, int64_t depth, size_t bytes)
{
    scope *s = tg->scope && tg->scope->depth == depth ? tg->scope : scope_at(tg, depth);
    const bool small = tg__is_small(bytes);
    void *memory = s && s->spares && small ? take_spare(s, bytes) : NULL;
    if (s && !memory) memory = small ? piece_in(tg, s, bytes) : block_in(tg, s, bytes);
    return memory ? memory : fail_to_take(tg, small ? tg->options.page_bytes : bytes);
}

void *tg__alloc_block(tg_context *tg, int64_t depth, size_t bytes)
{
    scope *s = tg->scope && tg->scope->depth == depth ? tg->scope : scope_at(tg, depth);
    void *memory = s ? block_in(tg, s, bytes) : NULL;
    if (!memory) return fail_to_take(tg, bytes);
    tg__block_of(memory)->is_elements = true;
    return memory;
}

bool tg__at_scope_end(tg_context *tg, void (*function)(void *user), void *user)
{
    scope_call *c = tg__alloc(tg, sizeof *c);
    if (!c) return false;
    *c = (scope_call){tg->scope->calls, function, user};
    tg->scope->calls = c;
    return true;
}

/* Takes the changes of modules that die with the scope of that depth out of the list: they need not
 * be put back. */
static TG_NOINLINE void forget_changes(undo *u, int64_t depth)
{
    state_change **link = &u->changes;
    while (*link) {
        if ((*link)->depth < depth)
            link = &(*link)->next;
        else
            *link = (*link)->next;
    }
}

/* ---- Loans. */

/* The block of the scope that contains the memory; NULL if none does. */
static block *block_around(const scope *s, const void *memory)
{
    block *b = s->blocks;
    while (b && (uintptr_t)memory - (uintptr_t)block_payload(b) >= b->bytes) b = b->next;
    return b;
}

/* Lets the loans of a scope that ends keep the blocks that contain their memory. If the memory lies
 * in the page of the host, no block of the scope contains it: the loan then passes to the host,
 * whose end concerns it from then on, and the host does not take that part of the page back. */
static TG_NOINLINE void outlive(tg_context *tg, scope *s)
{
    for (loan *l = tg->loans, *next; l; l = next) {
        next = l->next;
        if (l->depth != s->depth) continue;
        l->storage = NULL;
        l->block = block_around(s, l->memory);
        if (l->block) {
            l->block->loans++;
            tg__unlist_loan(l);
        } else {
            scope *host = s->host;
            l->depth = host->depth;
            if (host->lent) host->top = s->end == host->end ? s->top : host->end;
        }
    }
}

static void end_block(tg_context *tg, block *b)
{
    if (b->loans == 0) {
        drop_block(tg, b);
        return;
    }
    b->owner = NULL;
    tg->stats.live_bytes -= b->raw_bytes;
    tg->stats.held_bytes -= b->raw_bytes;
}

static void end_scope(tg_context *tg, scope *s)
{
    TG_CHECK(s == tg->scope && !s->lent && (!s->outer || s->outer->depth < s->depth));
    TG_CHECK(!s->host || s->host->lent || s->host->lends_no_more);
    if (tg->undo) forget_changes(tg->undo, s->depth);
    tg->tape = s->tape;
    tg->newest = s->newest;
    tg->scope = s->outer;
    if (tg->loans) outlive(tg, s);
    if (s->at_end) s->at_end(tg, s);
    for (const scope_call *c = s->calls; c; c = c->next) c->function(c->user);
    scope *host = s->host;
    for (block *b = s->blocks, *next; b; b = next) {
        next = b->next;
        end_block(tg, b);
    }
    if (!host) return;
    host->lent = false;
#ifdef TG_DEBUG
    if (!host->lends_no_more) memset(host->top, 0xdd, tg__room_in(host));
#endif
}

/* If a callback has jumped out of a call, the context still points to local variables of that call,
 * which are gone; these pointers are cleared first. */
void tg__end_all_scopes(tg_context *tg)
{
    tg->undo = NULL;
    tg->frame = NULL;
    tg->sweep = NULL;
    tg->running = NULL;
    while (tg->scope) end_scope(tg, tg->scope);
}

void tg_scope_begin(tg_context *tg)
{
    if (tg) tg->depth++;
}

void tg_scope_end(tg_context *tg)
{
    if (!tg) return;
    if (tg->depth == 0) {
        tg__fail(tg, TG_ERR_CONTEXT, "scope_end: no scope was begun");
        return;
    }
    if (tg->scope && tg->scope->depth == tg->depth) end_scope(tg, tg->scope);
    tg->depth--;
}
