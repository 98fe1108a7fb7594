/* The gradient of a leaf: the tensor that t->grad points to, and its memory. */
#include "lifetime.h"
#include "loops.h"

#include <string.h>

/* t->grad is the same tensor, the slot, in the scope of t, as long as t lives. A large gradient
 * lies in a block: the slot takes over the block in which backward has computed the gradient, and
 * gives it back when the gradient is cleared, unless a view or a record has a claim on it. */

static size_t slot_bytes(const tg_tensor *slot)
{
    return (size_t)slot->numel * tg__dtype_size(slot->dtype);
}

/* Gives the slot a block, or takes its block away if data is NULL. A slot without elements counts
 * as released. */
static void set_block(tg_tensor *slot, void *data)
{
    storage *s = priv(slot)->storage;
    s->block = data ? tg__block_of(data) : NULL;
    s->data = slot->data = data;
    priv(slot)->released = !data;
}

static void free_block_of_slot(tg_tensor *slot)
{
    storage *s = priv(slot)->storage;
    if (!s->block || s->claims > 1) return;
    tg__block_free(slot->context, s->block);
    set_block(slot, NULL);
}

bool tg__make_grad_slot(tg_tensor *t)
{
    tensor_priv *p = priv(t);
    if (p->grad_slot) return true;
    p->grad_slot = tg__new_at(t->context, p->depth, t->dtype, t->ndim, t->shape);
    if (p->grad_slot) priv(p->grad_slot)->is_grad = true;
    return p->grad_slot != NULL;
}

/* Whether g fills a block of the current scope, on which nobody else has a claim. g may be only
 * the first part of something larger; the block is therefore not larger than g by more than
 * rounding. */
static bool owns_whole_block(const tg_tensor *g)
{
    const storage *s = priv(g)->storage;
    const size_t bytes = slot_bytes(g);
    return s->block && s->claims == 1 && s->depth == g->context->depth && s->data == g->data &&
           g->contiguous && tg__block_of(g->data) == s->block &&
           s->block->bytes - bytes <= bytes / 8;
}

bool tg__prepare_grad(const tensor_priv *p, tg_tensor *g)
{
    tg_tensor *slot = p->grad_slot;
    if (!priv(slot)->released || owns_whole_block(g)) return true;
    void *data = tg__alloc_block(slot->context, p->depth, slot_bytes(slot));
    if (data) set_block(slot, data);
    return data;
}

void tg__set_grad(tensor_priv *p, tg_tensor *g)
{
    tg_tensor *slot = p->grad_slot;
    storage *to = priv(slot)->storage, *from = priv(g)->storage;
    p->pub.grad = slot;
    slot->requires_grad = false; /* the history of the last gradient is gone, too */
    priv(slot)->record = NULL;
    if (g == slot) return;
    if (to->claims == 1 && owns_whole_block(g)) {
        if (to->block) tg__block_free(slot->context, to->block);
        tg__block_move(slot->context, from->block, p->depth);
        set_block(slot, from->data);
        from->block = NULL;
    } else if (g->contiguous && slot->numel > 0) {
        memcpy(slot->data, g->data, slot_bytes(slot));
    } else {
        tg__copy(slot, g);
    }
}

void tg__clear_grad(tg_tensor *t)
{
    t->grad = NULL;
    if (priv(t)->grad_slot) free_block_of_slot(priv(t)->grad_slot);
}
