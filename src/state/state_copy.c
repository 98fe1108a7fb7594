/* Copies of lists of named tensors. */
#include "exchange.h"

tg_state *tg__state_clone(const char *op, const tg_state *s)
{
    tg_state *copy = tg__state_part(op, s, "");
    tg_named *items = copy ? (tg_named *)(uintptr_t)copy->items : NULL;
    for (int64_t i = 0; copy && i < s->n; i++) {
        const tg_tensor *t = s->items[i].tensor;
        if (!(items[i].tensor = tg__new(s->context, t->dtype, t->ndim, t->shape))) return NULL;
        tg__copy(items[i].tensor, t);
    }
    return copy;
}

tg_state *tg_state_clone(const tg_state *s)
{
    return s ? tg__state_clone("state_clone", s) : NULL;
}

static void walk_items(exchange *x, void *object)
{
    const tg_state *s = object;
    for (int64_t i = 0; i < s->n; i++) tg__exchange_tensor(x, s->items[i].name, s->items[i].tensor);
}

bool tg__copy_state(const char *op, tg_state *s, const tg_state *source, unsigned must)
{
    return s && tg__take_state(s->context, op, walk_items, s, source, must);
}

bool tg_state_copy_(tg_state *s, const tg_state *source)
{
    static const char op[] = "state_copy_";
    if (s) return tg__copy_state(op, s, source, TAKE_EXACTLY);
    return source ? tg__fail(source->context, TG_ERR_ARGUMENT, "%s: the list is NULL", op) : false;
}
