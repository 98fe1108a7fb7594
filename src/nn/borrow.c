/* A network in another context: the same tree of modules, whose parameters and buffers are
 * borrowed. The original is only read. */
#include "module.h"
#include "../context/pointer_map.h"

#include <string.h>

/* Notes what is the counterpart of `of`. Returns it; NULL if there is none, or no memory. */
static void *note_counterpart(pointer_map *counterparts, const void *of, void *counterpart)
{
    void **place = counterpart ? tg__map_at(counterparts, of) : NULL;
    if (place) *place = counterpart;
    return place ? counterpart : NULL;
}

static tg_tensor *borrow_tensor(pointer_map *counterparts, const tg_module *m, const part *p)
{
    tg_tensor *known = tg__map_get(counterparts, p->tensor);
    if (known) return known;
    if (priv(p->tensor)->released)
        return tg__fail(counterparts->tg, TG_ERR_CONTEXT, "borrow_module: %s of %s was released",
                        p->name, m->name);
    return note_counterpart(counterparts, p->tensor, tg_borrow(counterparts->tg, p->tensor));
}

/* Makes the counterpart of m and of all in it, whose data still have the pointers of m. */
static tg_module *borrow_tree(pointer_map *counterparts, const tg_module *m)
{
    tg_module *known = tg__map_get(counterparts, m);
    if (known) return known;
    tg_module *made = tg__module_new(counterparts->tg, m->name, m->forward, m->data_bytes);
    if (!note_counterpart(counterparts, m, made)) return NULL;
    made->loss = m->loss;
    made->describe = m->describe;
    made->training = m->training;
    made->is_foreign = m->is_foreign;
    made->pointers_at = m->pointers_at;
    made->pointers_end = m->pointers_end;
    memcpy(made->data, m->data, m->data_bytes);
    for (const part *p = m->parts; p; p = p->next) {
        part own = {.kind = p->kind};
        if (p->kind == CHILD)
            own.child = borrow_tree(counterparts, p->child);
        else
            own.tensor = borrow_tensor(counterparts, m, p);
        if ((!own.child && !own.tensor) || !tg__append_part(made, &own, p->name)) return NULL;
    }
    return made;
}

/* Replaces each pointer in the data that points to a module or tensor of the original tree, or to
 * its context, by one to the counterpart. */
static void replace_pointers(const pointer_map *counterparts, const tg_module *m)
{
    char *data = m->data;
    for (size_t at = m->pointers_at; at + sizeof(void *) <= m->pointers_end; at += sizeof(void *)) {
        void *pointer;
        memcpy(&pointer, data + at, sizeof pointer);
        pointer = tg__map_get(counterparts, pointer);
        if (pointer) memcpy(data + at, &pointer, sizeof pointer);
    }
}

tg_module *tg_borrow_module(tg_context *tg, const tg_module *module)
{
    if (!tg || !tg__ready(tg)) return NULL;
    if (!module) return tg__fail(tg, TG_ERR_ARGUMENT, "borrow_module: the module is NULL");
    pointer_map counterparts = {.tg = tg};
    const bool noted = note_counterpart(&counterparts, module->tg, tg) != NULL;
    tg_module *made = noted ? borrow_tree(&counterparts, module) : NULL;
    const tg_modules all = tg_all_modules(made);
    for (int i = 0; i < all.n; i++) replace_pointers(&counterparts, all.items[i]);
    tg__map_free(&counterparts);
    return all.n ? made : NULL;
}
