/* The memory of the gradient of a leaf. */
#include "lifetime.h"
#include "loops.h"

#include <string.h>

/* t->grad is one tensor in t's own scope for as long as t lives. A large one takes over the block
 * in which backward has computed the gradient, and gives it back when it is cleared, unless a view
 * or a record has a claim on it. */

static size_t slot_bytes(const tg_tensor *slot)
{
    return (size_t)slot->numel * tg__dtype_size(slot->dtype);
}

static void set_block(tg_tensor *slot, void *data)
{
    storage *s = priv(slot)->storage;
    s->block = data ? tg__block_of(data) : NULL;
    s->data = slot->data = data;
    priv(slot)->released = !data;
}

static void give_block_back(tg_tensor *slot)
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

/* Whether all of a block of the current scope is g, of which nobody else knows. It is larger than g
 * by rounding alone: g may be the first part of something joined. */
static bool has_block_alone(const tg_tensor *g)
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
    if (!priv(slot)->released || has_block_alone(g)) return true;
    void *data = tg__alloc_block(slot->context, p->depth, slot_bytes(slot));
    if (data) set_block(slot, data);
    return data;
}

void tg__set_grad(tensor_priv *p, tg_tensor *g)
{
    tg_tensor *slot = p->grad_slot;
    storage *to = priv(slot)->storage, *from = priv(g)->storage;
    p->pub.grad = slot;
    slot->requires_grad = false; /* nor a history of the gradient before */
    priv(slot)->record = NULL;
    if (to->claims == 1 && has_block_alone(g)) {
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
    if (priv(t)->grad_slot) give_block_back(priv(t)->grad_slot);
}
