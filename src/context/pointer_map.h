/* A map from addresses to pointers, by which a walk through shared structures remembers what it has
 * met, without a mark in them: another thread may be reading them. */
#ifndef TG_POINTER_MAP_H
#define TG_POINTER_MAP_H

#include "memory.h"

typedef struct pointer_pair {
    const void *key; /* NULL: the slot is empty */
    void *value;
} pointer_pair;

/* All 0 at first, but for tg. Its memory is the allocator's, until tg__map_free. */
typedef struct pointer_map {
    tg_context *tg;
    size_t n, slots; /* how many keys there are, and how many slots: a power of 2, or 0 */
    pointer_pair *pairs;
} pointer_map;

/* The value of a key; NULL if the key is not in the map. */
void *tg__map_get(const pointer_map *m, const void *key);
/* The place of the value of a key, which is added with the value NULL if it is not in the map yet.
 * The place is good until the next key is added. NULL, with the error recorded, if there is no
 * memory. */
void **tg__map_at(pointer_map *m, const void *key);
void tg__map_free(pointer_map *m);

#endif
