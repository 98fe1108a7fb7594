/* An allocator for tests. It counts calls and bytes, fails on demand, fills memory with rubbish
 * before it is used and after it is freed, and notices writes beyond both ends of a block. */
#ifndef TEST_GUARDED_H
#define TEST_GUARDED_H

#include <tinygrad.h>

typedef struct guarded {
    long fail_at; /* the number of the allocation that fails, from 1; 0 if none is to fail */
    bool fail_on; /* whether all allocations after that one fail, too */
    size_t limit; /* larger requests fail; 0 means 1 GiB */

    long asked, failed; /* how many allocations were asked for, and how many of them failed */
    long calls;         /* how often memory was allocated or freed */
    long blocks;        /* how many blocks are allocated and not freed */
    size_t held, peak;  /* the bytes in these blocks, and the most there have been */
    bool damaged;       /* a guard was overwritten, or a block was freed with a wrong size */
} guarded;

/* Options for tg_open whose allocator is g. All members of g must be 0 at first. */
tg_options guarded_options(guarded *g);
/* A context with these options and pages of 4 KB, so that it asks for memory often. */
tg_context *open_on_guarded(guarded *g);

#endif
