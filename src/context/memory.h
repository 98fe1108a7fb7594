/* Memory: the pool of blocks that a context owns, and the scopes that they are lent to. */
#ifndef TG_MEMORY_H
#define TG_MEMORY_H

#include "context.h"

/* One piece of memory from the allocator: a page that a scope carves small things from, or the
 * elements of one large tensor. */
typedef struct block {
    struct block *next, *prev; /* in the scope that has it, or in a free list */
    struct scope *owner;
    size_t bytes; /* of the payload, which follows the header */
    void *raw;    /* as the allocator gave it */
    size_t raw_bytes;
    bool is_elements; /* of a tensor, and nothing else */
} block;

/* Small pieces of memory of one size that were given back, in a queue: they serve again. The lists
 * lie in the pieces themselves: the first piece of a size holds the head of the queue and stays,
 * each further one a link. */
typedef struct spare_link {
    struct spare_link *next;
    void *memory;
} spare_link;
typedef struct spares {
    struct spares *next; /* of another size */
    size_t bytes;
    spare_link *oldest, *newest;
    int64_t n;
} spares;
/* Room for either, in a piece of memory that can be given back. */
typedef union spare_room {
    spare_link link;
    spares head;
} spare_room;

/* A scope is made by the first thing that is allocated at its depth, in its own first page or in
 * the page of the scope around it: that is why a scope's begin cannot fail. */
typedef struct scope {
    struct scope *outer;
    int64_t depth;
    block *blocks;       /* all that the scope has, pages included */
    char *top, *end;     /* free part of the current page */
    struct record *tape; /* newest record when the scope was made */
    int64_t newest;      /* its number */
    spares *spares;      /* NULL: nothing was given back */
    /* What the layer of tensors has to do when the scope ends; NULL: nothing. */
    void (*at_end)(tg_context *tg, struct scope *s);
    struct claim *claims;     /* see tensor.h */
    struct tensor_priv *late; /* released in it, of outer scopes: its records may refer to them */
    struct scope *landlord;   /* the outer scope in whose page this one lies, if it does */
    bool lent;                /* the free part of the page serves an inner scope */
    bool keeps_pages;         /* it needed memory while lent, so it lends no more */
} scope;

enum {
    TG_ALIGN = 64,  /* a cache line, and the widest vector */
    TG_HEADER = 64, /* of a block, before its payload */
#ifdef TG_ASAN
    TG_SMALL = 0, /* each thing gets memory that is freed for good, so that ASan sees every stale
                     pointer */
#else
    TG_SMALL = 4096, /* the most that is part of a page */
#endif
};

/* Takes memory from the context's allocator, within its cap and counted, and gives it back; NULL
 * without an error. */
void *tg__take(tg_context *tg, size_t bytes);
void tg__give(tg_context *tg, void *memory, size_t bytes);

/* Whether so much is part of a page, and the size it takes there. */
static inline bool tg__is_small(size_t bytes)
{
    return bytes <= TG_SMALL;
}
static inline size_t tg__round_up(size_t bytes)
{
    return (bytes + TG_ALIGN - 1) & ~(size_t)(TG_ALIGN - 1);
}

/* What the current page has room for, if it is of the scope of that depth; else NULL. */
static inline void *tg__carve(tg_context *tg, int64_t depth, size_t bytes)
{
    scope *s = tg->scope;
    const size_t size = tg__round_up(bytes);
    if (!s || s->depth != depth || s->spares || !tg__is_small(bytes) ||
        (size_t)(s->end - s->top) < size)
        return NULL;
    void *memory = s->top;
    s->top += size;
    return memory;
}

/* Memory of the scope of that depth, which is open, or of the current one; 64-byte aligned; NULL
 * with the error recorded. */
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
/* Gives a small piece of the scope of that depth back, in which *room is free for the links. */
void tg__give_back(tg_context *tg, int64_t depth, void *memory, size_t bytes, spare_room *room);

/* A block for elements in the scope of that depth, and the block of such a payload. */
void *tg__alloc_block(tg_context *tg, int64_t depth, size_t bytes);
static inline block *tg__block_of(void *payload)
{
    return (block *)(void *)((char *)payload - TG_HEADER);
}
void tg__block_free(tg_context *tg, block *b);
/* Hands a block to the scope of that depth, which has memory. */
void tg__block_move(tg_context *tg, block *b, int64_t depth);
/* The block that the current scope took last, if it has one. */
const block *tg__newest_block(const tg_context *tg);
/* Frees the elements that it took since then, but for one block; their tensors are of no more use.
 */
void tg__free_elements(tg_context *tg, const block *newest_then, const block *kept);

/* Gives cached blocks back to the allocator; whether there were any. */
bool tg__trim(tg_context *tg);
void tg__end_all_scopes(tg_context *tg);

#endif
