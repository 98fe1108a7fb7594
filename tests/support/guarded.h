/* An allocator that distrusts its user: it counts, fails on demand, fills memory with rubbish
 * before use and after, and looks for writes beyond the ends. */
#ifndef TEST_GUARDED_H
#define TEST_GUARDED_H

#include <tinygrad.h>

typedef struct guarded {
    long fail_at; /* the allocation that fails, counted from 1; 0: none */
    bool fail_on; /* and so do all that follow */
    size_t limit; /* larger requests fail; 0: 1 GiB */

    long asked, failed; /* allocations */
    long calls;         /* of either function */
    long blocks;        /* now held */
    size_t held, peak;  /* bytes */
    bool damaged;       /* a guard was written over, or a wrong size was given back */
} guarded;

/* Options that use g, which starts as all zero. */
tg_options guarded_options(guarded *g);

#endif
