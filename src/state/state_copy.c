/* Copies of lists of named tensors. */
#include "exchange.h"

tg_state *tg_state_clone(const tg_state *s)
{
    tg_state *copy = s ? tg_state_new(s->context) : NULL;
    for (int64_t i = 0; copy && i < s->n; i++) {
        tg_tensor *t = s->items[i].tensor;
        tg_tensor *own = tg__check_inputs("state_clone", 1, &t)
                             ? tg__new(s->context, t->dtype, t->ndim, t->shape)
                             : NULL;
        if (!own) return NULL;
        tg__copy(own, t);
        if (!tg_state_add(copy, s->items[i].name, own)) return NULL;
    }
    for (int64_t i = 0; copy && i < s->n_texts; i++)
        if (!tg_state_set_text(copy, s->texts[i].key, s->texts[i].value)) return NULL;
    return copy;
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
