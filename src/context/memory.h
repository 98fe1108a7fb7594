/* The memory of a context: blocks from the allocator, and the scopes that use them.
 *
 * A scope has a list of blocks. A large thing has a block of its own; small things are cut from the
 * front of a page, which is a block for many of them. When a scope ends, its blocks go to the free
 * lists of the context, from which the next step takes them again.
 *
 * A scope struct is made by the first allocation at its depth, because tg_scope_begin may not fail
 * and only counts. If the scope around it, the host, has room in its current page, the struct lies
 * there, and the host lends the free part of that page to the inner scope:
 *
 *     a page: a block in the list of the outer scope (the host)
 *     +--------------+-------+-----------+-------+-----------+---------------------+
 *     | block header | outer | pieces of | inner | pieces of | free                |
 *     |              | scope | the outer | scope | the inner |                     |
 *     +--------------+-------+-----------+-------+-----------+---------------------+
 *                                        ^                   ^                     ^
 *                                outer->top           inner->top   inner->end = outer->end
 *
 * The end of the inner scope costs nothing here: outer->top has not moved, and the host clears
 * `lent`. When the inner scope has filled the page, it takes a page of its own. When the host needs
 * memory while its page is lent, it takes another page for itself, and what is left of the old one
 * serves the inner scope alone and is lost after that. Such a host would lose a part of a page in
 * each round of a loop; lends_no_more therefore makes later inner scopes start with their own page.
 *
 * Three lists of a scope concern tensors that are released or that outlive it:
 * - spares: small pieces of this scope that were given back, to be used again before it ends;
 * - claims: what views and records of this scope need of the storages of outer scopes;
 * - deferred: tensors of outer scopes that were released in this one. Records of this scope may
 *   still point to such a tensor, so its memory is given back when the scope has ended. */
#ifndef TG_MEMORY_H
#define TG_MEMORY_H

#include "context.h"

/* A piece of memory from the allocator: a page, or one large thing such as the elements of a
 * tensor. The header is followed by the payload. */
typedef struct block {
    struct block *next, *prev; /* neighbours in the list of the scope; next also in a free list */
    struct scope *owner;       /* the scope in whose list the block is */
    size_t bytes;              /* size of the payload */
    void *raw;                 /* the address from the allocator, which may not be aligned */
    size_t raw_bytes;
    bool is_elements; /* the payload is the elements of one tensor */
    uint32_t loans;   /* how many loans go on after the end of the scope; see loan */
} block;

/* A queue of small pieces of memory of one size that were given back. It needs no memory of its
 * own: the first piece of a size holds the head of the queue and is never used again; each further
 * piece holds a link. */
typedef struct spare_link {
    struct spare_link *next;
    void *memory; /* the piece in which the link lies */
} spare_link;
typedef struct spares {
    struct spares *next; /* the queue of another size */
    size_t bytes;
    spare_link *oldest, *newest;
    int64_t n; /* the number of links */
} spares;
/* Room for a head or a link, in a piece of memory that can be given back. */
typedef union spare_room {
    spare_link link;
    spares head;
} spare_room;

/* A call that the end of a scope makes; see tg__at_scope_end. */
typedef struct scope_call {
    struct scope_call *next;
    void (*function)(void *user);
    void *user;
} scope_call;

typedef struct scope {
    struct scope *outer; /* the next scope outwards that has memory */
    struct scope *host;  /* the scope in whose page this struct lies; NULL: its own page */
    int64_t depth;
    char *top, *end;     /* the free part of the current page */
    struct record *tape; /* the newest record when the scope was made; its end restores it */
    int64_t newest;      /* the number of that record */
    block *blocks;       /* all blocks of the scope, pages included, the newest first */
    spares *spares;      /* a queue for each size; NULL if nothing was given back */
    /* Gives claims and deferred tensors back when the scope ends. A function of the layer of
     * tensors, which sets it with the first of them; NULL if there are none. */
    void (*at_end)(tg_context *tg, struct scope *s);
    struct claim *claims;         /* see above; struct claim is in tensor.h */
    struct tensor_priv *deferred; /* see above */
    scope_call *calls;            /* to be made when the scope ends, the newest first */
    bool lent;                    /* an inner scope uses the free part of the current page */
    bool lends_no_more;           /* the scope has needed memory while its page was lent */
} scope;

/* Memory of a tensor that is lent to another library until tg__end_loan (lifetime.h). If the scope
 * of the memory ends before, the block that contains the memory leaves the scope and the context,
 * and the last of its loans frees it. */
typedef struct loan {
    struct loan *next, **link; /* in the list of the context, as long as the scope lasts */
    const void *memory;
    int64_t depth;           /* of the scope whose end concerns the loan */
    struct storage *storage; /* on which the loan has a claim; NULL if the tensor is gone */
    block *block;            /* that the loan keeps after the end of the scope, else NULL */
    void (*deallocate)(void *user, void *memory, size_t bytes); /* of the context, which may be */
    void *user;                                                 /* closed when the loan ends */
} loan;

enum {
    TG_ALIGN = 64,  /* the alignment of all memory: a cache line, and the widest vector */
    TG_HEADER = 64, /* the size of the header of a block */
#ifdef TG_ASAN
    TG_SMALL = 0, /* each thing has a block of its own, which is really freed, so that ASan reports
                     every stale pointer */
#else
    TG_SMALL = 4096, /* things of up to this many bytes are cut from a page */
#endif
};

/* Takes memory from the allocator of the context and counts it; tg__give gives it back. If the
 * allocator has none or the cap would be passed, the free blocks are given back first. Returns NULL
 * if that does not help, and leaves it to the caller to record the error. */
void *tg__take(tg_context *tg, size_t bytes);
void tg__give(tg_context *tg, void *memory, size_t bytes);

/* Whether a thing of that size is cut from a page. */
static inline bool tg__is_small(size_t bytes)
{
    return bytes <= TG_SMALL;
}
/* The bytes that such a thing takes in the page, which leave what follows aligned. */
static inline size_t tg__round_up(size_t bytes)
{
    return (bytes + TG_ALIGN - 1) & ~(size_t)(TG_ALIGN - 1);
}

/* The bytes that a scope struct takes in a page, and those that are free in the current page of s.
 */
enum { TG_SCOPE = (sizeof(scope) + TG_ALIGN - 1) / TG_ALIGN * TG_ALIGN };
static inline size_t tg__room_in(const scope *s)
{
    TG_CHECK(s->top <= s->end);
    return (size_t)(s->end - s->top);
}

/* Sets all members but top, end, tape and newest. Setting them one by one takes less time than
 * clearing the whole struct. */
static inline void tg__init_scope(scope *s, scope *outer, scope *host, int64_t depth)
{
    s->outer = outer;
    s->host = host;
    s->depth = depth;
    s->blocks = NULL;
    s->spares = NULL;
    s->at_end = NULL;
    s->claims = NULL;
    s->deferred = NULL;
    s->calls = NULL;
    s->lent = s->lends_no_more = false;
}

/* Makes the scope of that depth, inside all others, in the page of the innermost one. NULL if that
 * has no room or lends no more; the scope then needs a page of its own. */
static inline scope *tg__scope_in_host(tg_context *tg, int64_t depth)
{
    scope *host = tg->scope;
    if (!TG_SMALL || !host || host->lends_no_more || tg__room_in(host) < TG_SCOPE) return NULL;
    TG_CHECK(!host->lent && host->depth < depth && depth <= tg->depth);
    scope *s = (scope *)(void *)host->top;
    tg__init_scope(s, host, host, depth);
    s->top = host->top + TG_SCOPE;
    s->end = host->end;
    s->tape = tg->tape;
    s->newest = tg->newest;
    host->lent = true;
    return tg->scope = s;
}

/* The innermost scope, if it has that depth and no spares that may serve; else NULL. */
static inline scope *tg__scope_at_hand(const tg_context *tg, int64_t depth)
{
    scope *s = tg->scope;
    return s && s->depth == depth && !s->spares ? s : NULL;
}

/* The short path of tg__alloc_at: cuts memory from the current page of the scope at hand. NULL if
 * there is no such scope or its page has too little room. */
static inline void *tg__carve(tg_context *tg, int64_t depth, size_t bytes)
{
    scope *s = tg__scope_at_hand(tg, depth);
    const size_t size = tg__round_up(bytes);
    if (!s || !tg__is_small(bytes) || tg__room_in(s) < size) return NULL;
    void *memory = s->top;
    s->top += size;
    return memory;
}

/* Memory that lives until the scope of that depth ends, aligned to TG_ALIGN. The scope must be
 * open; tg__alloc takes the current one. NULL with the error recorded. */
void *tg__alloc_slowly(tg_context *tg, int64_t depth, size_t bytes);
static inline void *tg__alloc_at(tg_context *tg, int64_t depth, size_t bytes)
{
    void *memory = tg__carve(tg, depth, bytes);
    return memory ? memory : tg__alloc_slowly(tg, depth, bytes);
}
static inline void *tg__alloc(tg_context *tg, size_t bytes)
{
    return tg__alloc_at(tg, tg->depth, bytes);
}
/* Gives a small piece of memory back to the scope of that depth. *room lies in the piece and
 * becomes the head or a link of its queue. */
void tg__give_back(tg_context *tg, int64_t depth, void *memory, size_t bytes, spare_room *room);

/* Lets the end of the current scope, or tg_close, call function(user), when no tensor of the scope
 * is used any more: it frees what the scope's tensors have borrowed from elsewhere, such as the
 * mapping of a file. The newest call is made first. The memory of the scope is still there, and the
 * function must not make anything in the context. False, with the error recorded, if there is no
 * memory. */
bool tg__at_scope_end(tg_context *tg, void (*function)(void *user), void *user);

/* Memory for the elements of a tensor, as the payload of a block of the scope of that depth; NULL
 * with the error recorded. */
void *tg__alloc_block(tg_context *tg, int64_t depth, size_t bytes);
/* The block that has this payload. */
static inline block *tg__block_of(void *payload)
{
    return (block *)(void *)((char *)payload - TG_HEADER);
}
/* Takes a block out of its scope and puts it into the free lists. */
void tg__block_free(tg_context *tg, block *b);
/* Hands a block over to the scope of that depth, whose struct must exist. */
void tg__block_move(tg_context *tg, block *b, int64_t depth);
/* The block that the current scope took last; NULL if it has none. */
static inline const block *tg__newest_block(const tg_context *tg)
{
    return tg->scope && tg->scope->depth == tg->depth ? tg->scope->blocks : NULL;
}
/* Frees all blocks of elements that the current scope took after the block `newest_then`, but for
 * `kept`. The tensors whose elements are freed must not be used again. */
void tg__free_elements(tg_context *tg, const block *newest_then, const block *kept);

/* Takes a loan out of the list of the context. */
static inline void tg__unlist_loan(loan *l)
{
    *l->link = l->next;
    if (l->next) l->next->link = l->link;
    l->link = NULL;
}

/* Gives the blocks of the free lists back to the allocator; returns whether there were any. */
bool tg__trim(tg_context *tg);
/* Ends all scopes, the outermost included, for tg_close. */
void tg__end_all_scopes(tg_context *tg);

#endif
