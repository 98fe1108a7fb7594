/* Finds the operands on the paths in the graph from the outputs of a sweep to the inputs whose
 * gradients are wanted. */
#include "sweep.h"

/* Marks of a tensor. AWAITED: it is reachable from the outputs, and its record has not been visited
 * yet. REACHES: it is one of the inputs or depends on one. */
enum { AWAITED = MARK_AWAITED, REACHES = MARK_REACHES };

/* The number of the oldest record that made an input; -1 if an input is a leaf. */
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

/* Marks p as AWAITED; returns 1 if it was not marked before and a record made it, else 0. */
static int await(tensor_priv *p)
{
    if (p->mark & AWAITED) return 0;
    p->mark = (uint8_t)((p->mark & ~REACHES) | AWAITED);
    return p->record != NULL;
}

/* If a gradient can reach the result of r, marks all operands of r that need one. Returns the
 * change in the number of records that are still to be visited. */
static int64_t visit(const sweep *s, record *r)
{
    const bool visited = priv(r->out)->mark & AWAITED;
    int64_t change = -visited;
    if (visited) priv(r->out)->mark &= (uint8_t)~AWAITED;
    for (int i = 0; i < r->n; i++) {
        operand *in = &r->in[i];
        const bool goes = visited && in->needs_grad;
        in->on_way = (uint8_t)((in->on_way & ~s->way) | (goes ? s->way : 0));
        if (goes) change += await(priv(in->t));
    }
    return change;
}

/* Of the operands that visit has marked, leaves the mark on those that depend on an input. */
static void narrow_down(const sweep *s, record *r)
{
    tensor_priv *out = priv(r->out);
    bool reaches = out->wanted & WANTED_HERE && out->record == r, visited = false;
    for (int i = 0; i < r->n; i++) {
        operand *in = &r->in[i];
        if (!(in->on_way & s->way)) continue;
        priv(in->t)->mark &= (uint8_t)~AWAITED;
        visited = true;
        if (priv(in->t)->mark & REACHES)
            reaches = true;
        else
            in->on_way = (uint8_t)(in->on_way & ~s->way);
    }
    if (visited) out->mark = (uint8_t)((out->mark & ~REACHES) | (reaches ? REACHES : 0));
}

/* One walk back from the outputs marks the operands that a gradient can reach; a second walk, from
 * the oldest of these records forward, drops those that do not depend on an input. The first walk
 * reverses the links of the tape, which the second follows and restores, so that no memory is
 * needed and nothing can fail. */
void tg__mark_ways(sweep *s, tg_list outputs, record *newest)
{
    int64_t to_come = 0;
    record *newer = NULL, *r = newest;
    s->oldest = oldest_of(s->inputs);
    s->way = (uint8_t)(s->number <= 8 ? 1u << (s->number - 1) : 0);
    if (!s->way) return; /* no bit is left for sweeps nested this deep */
    for (int i = 0; i < outputs.n; i++) to_come += await(priv(outputs.items[i]));
    while (r && to_come > 0 && r->number >= s->oldest) {
        record *older = r->prev;
        to_come += visit(s, r);
        r->prev = newer;
        newer = r;
        r = older;
    }
    for (int i = 0; i < outputs.n; i++) priv(outputs.items[i])->mark &= (uint8_t)~AWAITED;
    for (int i = 0; i < s->inputs.n; i++) {
        tensor_priv *p = priv(s->inputs.items[i]);
        if (!p->record) p->mark |= REACHES;
    }
    while (newer) {
        record *older = r;
        r = newer;
        newer = r->prev;
        r->prev = older;
        narrow_down(s, r);
    }
}
