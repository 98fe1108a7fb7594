/* Frames: what an operation that is said with others leaves behind. */
#include "../internal.h"

void tg__enter(frame *f, const char *name, const tg_tensor *a)
{
    f->tg = a ? a->context : NULL;
    if (!a) return;
    f->outer = f->tg->frame;
    f->name = name;
    f->depth = f->tg->depth;
    f->ready = tg__ready(f->tg);
    f->steps = NULL;
    f->tg->frame = f;
}

/* Hands a tensor to the frame around, if there is one that watches its scope. */
static void hand_over(tensor_priv *p, frame *to, int64_t depth)
{
    p->is_step = to && to->depth == depth;
    if (!p->is_step) return;
    p->next_step = to->steps;
    to->steps = p;
}

/* Makes r, which may be a view of a step that goes, the one that has the memory. */
static void take_from(tensor_priv *r, const tensor_priv *step)
{
    if (!r->is_view || step->is_view || r->storage != step->storage) return;
    r->is_view = r->detached = false;
    r->rewrites = r->storage->rewrites;
}

void tg__leave_with(frame *f, int n, tg_tensor *const *results)
{
    if (!f->tg) return;
    f->tg->frame = f->outer;
    for (tensor_priv *p = f->steps, *next; p; p = next) {
        bool handed_out = false;
        next = p->next_step;
        for (int i = 0; i < n && !handed_out; i++) handed_out = results[i] == &p->pub;
        if (handed_out) {
            hand_over(p, f->outer, f->depth);
            continue;
        }
        p->is_step = false;
        for (int i = 0; i < n; i++)
            if (results[i]) take_from(priv(results[i]), p);
        tg_release(&p->pub);
    }
}

tg_tensor *tg__leave(frame *f, tg_tensor *result)
{
    if (f->tg && f->ready && !tg__ready(f->tg)) result = NULL;
    tg__leave_with(f, 1, &result);
    return result;
}
