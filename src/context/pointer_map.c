/* A hash table of addresses, with linear probing. */
#include "pointer_map.h"

#include <string.h>

/* The slot of the key, or the empty one where it belongs. */
static pointer_pair *find_slot(const pointer_map *m, const void *key)
{
    /* Fibonacci hashing: the upper bits of the product depend on all bits of the address. */
    const uint64_t hash = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(hash >> 32) & (m->slots - 1);
    while (m->pairs[i].key && m->pairs[i].key != key) i = (i + 1) & (m->slots - 1);
    return &m->pairs[i];
}

static bool grow_map(pointer_map *m)
{
    pointer_map wider = {.tg = m->tg, .n = m->n, .slots = m->slots ? 2 * m->slots : 64};
    wider.pairs = tg__take(m->tg, wider.slots * sizeof *wider.pairs);
    if (!wider.pairs) return tg__fail(m->tg, TG_ERR_MEMORY, "no memory for %zu addresses", m->n);
    memset(wider.pairs, 0, wider.slots * sizeof *wider.pairs);
    for (size_t i = 0; i < m->slots; i++)
        if (m->pairs[i].key) *find_slot(&wider, m->pairs[i].key) = m->pairs[i];
    tg__map_free(m);
    *m = wider;
    return true;
}

void *tg__map_get(const pointer_map *m, const void *key)
{
    return m->slots && key ? find_slot(m, key)->value : NULL;
}

void **tg__map_at(pointer_map *m, const void *key)
{
    if (2 * m->n >= m->slots && !grow_map(m)) return NULL;
    pointer_pair *p = find_slot(m, key);
    m->n += !p->key;
    p->key = key;
    return &p->value;
}

void tg__map_free(pointer_map *m)
{
    if (m->pairs) tg__give(m->tg, m->pairs, m->slots * sizeof *m->pairs);
    *m = (pointer_map){.tg = m->tg};
}
