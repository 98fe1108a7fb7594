/* How long tensors live: keep, borrow, release, and the frames that release the intermediate
 * tensors of composed operations. */
#include "lifetime.h"
#include "loops.h"

#include <string.h>

tg_tensor *tg_keep(tg_tensor *t)
{
    if (!tg__check_inputs("keep", 1, &t)) return NULL;
    int64_t depth = t->context->depth;
    tg_tensor *kept =
        tg__new_at(t->context, depth > 0 ? depth - 1 : 0, t->dtype, t->ndim, t->shape);
    if (kept) tg__copy(kept, t);
    return kept;
}

tg_tensor *tg_borrow(tg_context *tg, const tg_tensor *t)
{
    if (!tg) return NULL;
    if (!t) return tg__fail(tg, TG_ERR_ARGUMENT, "borrow: the tensor is NULL");
    /* The shape is printed by tg, as another thread may use the context of t. */
    if (priv(t)->released)
        return tg__fail(tg, TG_ERR_CONTEXT, "borrow: the tensor %s was released",
                        tg__show_sizes(tg, t->ndim, t->shape));
    tg_tensor *alias = tg__new_external(tg, tg->depth, t->dtype, (tg_shape){t->ndim, t->shape},
                                        t->strides, t->data);
    if (!alias) return NULL;
    priv(alias)->own.lender = tg__origin(t);
    alias->requires_grad = t->requires_grad;
    return !t->requires_grad || tg__make_grad_slot(alias) ? alias : NULL;
}

/* ---- Release. The memory of the elements is freed when the last claim on it is given back. The
 * memory of the tensor itself is freed when, besides, the tape has no record that is newer than the
 * tensor, because only newer records can refer to it. */

/* Whether the tape has a record that is newer than the tensor. */
static inline bool may_be_recorded(const tensor_priv *p)
{
    return p->pub.context->newest >= p->birth;
}

static void release(tensor_priv *p);

/* Returns the memory of a released tensor, and that of its gradient, to its scope. */
static inline void reclaim(tensor_priv *p)
{
    const bool has_elements = p->storage == &p->own && p->own.data == (char *)p + TG_TENSOR;
    const size_t bytes = has_elements ? (size_t)p->pub.numel * tg__dtype_size(p->pub.dtype) : 0;
    TG_CHECK(p->released && (p->storage != &p->own || p->own.claims == 0));
    if (p->grad_slot) release(priv(p->grad_slot));
    if (!tg__is_small(TG_TENSOR + bytes)) {
        tg__block_free(p->pub.context, tg__block_of(p));
        return;
    }
#ifdef TG_DEBUG
    memset((char *)p + TG_TENSOR, 0xdd, bytes);
#endif
    tg__give_back(p->pub.context, p->depth, p, TG_TENSOR + bytes, &p->spare_room);
}

static void give_claims_back(tg_context *tg, scope *s);

/* Frees a released tensor on which there are no claims. If a record may still refer to it, and
 * belongs to an inner scope, the tensor is put off until that scope ends, which calls this function
 * again. If the scope of such records is that of the tensor, its end frees the tensor in any case.
 */
static void retire(tensor_priv *p)
{
    scope *s = p->pub.context->scope;
    if (!may_be_recorded(p)) {
        reclaim(p);
    } else if (p->depth < s->depth) {
        p->next_in_list = s->deferred;
        s->deferred = p;
        s->at_end = give_claims_back;
    }
}

/* Gives a claim back. The last one frees the elements. */
static inline void give_claim_back(tg_context *tg, storage *s)
{
    tensor_priv *owner = tg__owner(s);
    TG_CHECK(s->claims > 0);
    if (--s->claims > 0) return;
    if (s->block) {
        tg__block_free(tg, s->block);
        s->block = NULL;
        s->data = NULL;
    }
    if (owner->released && !owner->is_intermediate) retire(owner);
}

/* What the end of a scope does: gives back the claims of its views and records, and frees the
 * tensors whose release was deferred to it. */
static void give_claims_back(tg_context *tg, scope *s)
{
    for (claim *c = s->claims; c; c = c->next) give_claim_back(tg, c->on);
    for (tensor_priv *p = s->deferred, *next; p; p = next) {
        next = p->next_in_list;
        retire(p);
    }
}

void tg__list_claim(scope *s, claim *c, storage *on)
{
    TG_CHECK(s->depth > on->depth);
    *c = (claim){.next = s->claims, .link = &s->claims, .on = on};
    if (c->next) c->next->link = &c->next;
    s->claims = c;
    s->at_end = give_claims_back;
}

void tg__unclaim(tg_context *tg, int64_t depth, claim *c, storage *on)
{
    if (on->depth != depth) {
        TG_CHECK(*c->link == c && c->on == on && (!c->next || c->next->link == &c->next));
        *c->link = c->next;
        if (c->next) c->next->link = c->link;
    }
    give_claim_back(tg, on);
}

bool tg__owns_elements(const tg_tensor *t)
{
    const storage *s = priv(t)->storage;
    return t->numel == 0 || s->block ||
           s->data == (const char *)tg__owner(priv(t)->storage) + TG_TENSOR;
}

void tg__lend(tg_tensor *t, loan *l)
{
    tg_context *tg = t->context;
    *l = (loan){.deallocate = tg->options.deallocate, .user = tg->options.user};
    if (t->numel == 0) return;
    storage *s = l->storage = priv(t)->storage;
    TG_CHECK(tg__owns_elements(t));
    s->claims++;
    l->memory = s->data;
    l->depth = s->depth;
    l->next = tg->loans;
    l->link = &tg->loans;
    if (l->next) l->next->link = &l->next;
    tg->loans = l;
}

void tg__end_loan(loan *l)
{
    block *b = l->block;
    if (l->link) tg__unlist_loan(l);
    if (l->storage) give_claim_back(tg__owner(l->storage)->pub.context, l->storage);
    if (b && --b->loans == 0 && !b->owner) l->deallocate(l->user, b->raw, b->raw_bytes);
}

/* Marks a tensor as released and gives back its claim on the elements, its own or those of its
 * base. */
static void release(tensor_priv *p)
{
    tg_context *tg = p->pub.context;
    p->released = true;
    if (p->storage == &p->own) {
        give_claim_back(tg, p->storage);
        return;
    }
    tg__unclaim(tg, p->depth, &p->claim, p->storage);
    if (!p->is_intermediate) retire(p);
}

void tg_release(tg_tensor *t)
{
    if (t && !priv(t)->released && !priv(t)->is_grad && !priv(t)->is_batch) release(priv(t));
}

/* ---- Frames. */

void tg__enter(frame *f, const char *name, const tg_tensor *a)
{
    f->tg = a ? a->context : NULL;
    if (!a) return;
    f->outer = f->tg->frame;
    f->name = name;
    f->depth = f->tg->depth;
    f->ready = tg__ready(f->tg);
    f->intermediates = NULL;
    f->tg->frame = f;
}

/* Makes p an intermediate of the outer frame `to`, if there is one in the scope at depth. */
static void add_to_frame(tensor_priv *p, frame *to, int64_t depth)
{
    p->is_intermediate = to && to->depth == depth;
    if (!p->is_intermediate) return;
    p->next_in_list = to->intermediates;
    to->intermediates = p;
}

/* If the result r is a view of the intermediate p, which the frame releases, r becomes the owner of
 * the memory and is a view no more. */
static void own_memory_of(tensor_priv *r, const tensor_priv *p)
{
    if (p->is_view || r->storage != p->storage) return;
    r->is_view = r->detached = false;
    r->rewrites = r->storage->rewrites;
}

/* Releases an intermediate of a frame that closes. If it was released before, its memory is freed
 * now. */
static void release_intermediate(tensor_priv *p)
{
    const bool has_claims = p->storage == &p->own && p->own.claims > 0;
    p->is_intermediate = false;
    if (!p->released)
        release(p);
    else if (!has_claims)
        retire(p);
}

static void close_frame(frame *f, int n, tg_tensor *const *results)
{
    TG_CHECK(f->tg->frame == f && f->tg->depth == f->depth);
    f->tg->frame = f->outer;
    for (tensor_priv *p = f->intermediates, *next; p; p = next) {
        bool handed_out = false;
        next = p->next_in_list;
        for (int i = 0; i < n && !handed_out; i++) {
            handed_out = results[i] == &p->pub;
            if (results[i] && priv(results[i])->is_view) own_memory_of(priv(results[i]), p);
        }
        if (handed_out)
            add_to_frame(p, f->outer, f->depth);
        else
            release_intermediate(p);
    }
}

void tg__leave_with(frame *f, int n, tg_tensor *const *results)
{
    if (!f->tg) return;
    if (f->tg->watch) f->tg->watch->leave(f, NULL);
    close_frame(f, n, results);
}

tg_tensor *tg__leave(frame *f, tg_tensor *result)
{
    if (!f->tg) return result;
    if (f->tg->watch) f->tg->watch->leave(f, result);
    if (f->ready && !tg__ready(f->tg)) result = NULL;
    close_frame(f, 1, &result);
    return result;
}
