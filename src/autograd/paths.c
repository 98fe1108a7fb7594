/* Finds the operands that lie on a path in the graph from the outputs of a sweep to the inputs
 * whose gradients are wanted. The sweep then computes no gradient for any other operand. */
#include "sweep.h"

/* Marks of a tensor. DISCOVERED: a gradient can reach the tensor, whose record has not been visited
 * yet. DEPENDS: the tensor is one of the inputs or depends on one. */
enum { DISCOVERED = MARK_DISCOVERED, DEPENDS = MARK_DEPENDS };

/* The number of the oldest record that made one of the inputs; -1 if an input is a leaf, as the
 * walk may then have to go to the end of the tape. */
static int64_t oldest_of(tg_list inputs)
{
    int64_t oldest = INT64_MAX;
    for (int i = 0; i < inputs.n; i++) {
        const record *r = priv(inputs.items[i])->record;
        if (!r) return -1;
        if (r->number < oldest) oldest = r->number;
    }
    return oldest;
}

/* Marks p as DISCOVERED. Returns how many records this adds to those still to visit: 1, or 0 if
 * p was marked before or is a leaf. */
static int discover(tensor_priv *p)
{
    if (p->mark & DISCOVERED) return 0;
    p->mark = (uint8_t)((p->mark & ~DEPENDS) | DISCOVERED);
    return p->record != NULL;
}

/* The first walk at a record: if a gradient can reach its result, sets the path bit of all operands
 * that require one, and else clears it. Returns the change in the number of records to visit. */
static int64_t visit(const sweep *s, record *r)
{
    const bool in_reach = priv(r->out)->mark & DISCOVERED;
    int64_t change = -in_reach;
    if (in_reach) priv(r->out)->mark &= (uint8_t)~DISCOVERED;
    for (int i = 0; i < r->n; i++) {
        operand *in = &r->in[i];
        const bool reached = in_reach && in->needs_grad;
        in->on_path = (uint8_t)((in->on_path & ~s->path_bit) | (reached ? s->path_bit : 0));
        if (reached) change += discover(priv(in->t));
    }
    return change;
}

/* The second walk at a record: leaves the path bit set for the operands that depend on an input. */
static void keep_dependent(const sweep *s, record *r)
{
    tensor_priv *out = priv(r->out);
    bool out_depends = out->wanted & WANTED_HERE && out->record == r, in_reach = false;
    for (int i = 0; i < r->n; i++) {
        operand *in = &r->in[i];
        if (!(in->on_path & s->path_bit)) continue;
        priv(in->t)->mark &= (uint8_t)~DISCOVERED;
        in_reach = true;
        if (priv(in->t)->mark & DEPENDS)
            out_depends = true;
        else
            in->on_path = (uint8_t)(in->on_path & ~s->path_bit);
    }
    if (in_reach) out->mark = (uint8_t)((out->mark & ~DEPENDS) | (out_depends ? DEPENDS : 0));
}

/* One walk along the tape, from the outputs back, marks the operands that a gradient can reach. A
 * second walk goes forward over the same records and clears the mark of those that do not depend on
 * an input. The tape is linked backward only: the first walk reverses its links, and the second
 * follows and restores them. This takes no memory, and nothing can fail. */
void tg__mark_paths(sweep *s, tg_list outputs, record *newest)
{
    int64_t to_visit = 0;
    record *newer = NULL, *r = newest;
    s->oldest = oldest_of(s->inputs);
    s->path_bit = (uint8_t)(s->number <= 8 ? 1u << (s->number - 1) : 0);
    if (!s->path_bit) return; /* on_path has no bit for a sweep nested this deep */
    for (int i = 0; i < outputs.n; i++) to_visit += discover(priv(outputs.items[i]));
    while (r && to_visit > 0 && r->number >= s->oldest) {
        record *older = r->prev;
        to_visit += visit(s, r);
        r->prev = newer;
        newer = r;
        r = older;
    }
    for (int i = 0; i < outputs.n; i++) priv(outputs.items[i])->mark &= (uint8_t)~DISCOVERED;
    for (int i = 0; i < s->inputs.n; i++) {
        tensor_priv *p = priv(s->inputs.items[i]);
        if (!p->record) p->mark |= DEPENDS;
    }
    while (newer) {
        record *older = r;
        r = newer;
        newer = r->prev;
        r->prev = older;
        keep_dependent(s, r);
    }
}
