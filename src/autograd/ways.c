/* Which records lie between the outputs of a sweep and the inputs it is asked for. */
#include "sweep.h"

/* Marks of tensors: a gradient would come to it; it depends on an input. */
enum { AWAITED = MARK_AWAITED, REACHES = MARK_REACHES };

/* The number of the oldest record that made an input; -1 if one of them is a leaf. */
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

/* Returns how many records are to come for it. */
static int await(tensor_priv *p)
{
    if (p->mark & AWAITED) return 0;
    p->mark = (uint8_t)((p->mark & ~REACHES) | AWAITED);
    return p->record != NULL;
}

/* Sees the record as a gradient would that goes everywhere; returns the change in what is to come.
 */
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

/* Keeps of the operands that were visited those that depend on an input. */
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

/* Back from the outputs, and forth again. On the way back the links of the tape are turned round,
 * as the walk forth needs them, which turns them back: no memory is needed, and nothing can fail.
 */
void tg__mark_ways(sweep *s, tg_list outputs, record *newest)
{
    int64_t to_come = 0;
    record *newer = NULL, *r = newest;
    s->oldest = oldest_of(s->inputs);
    s->way = (uint8_t)(s->number <= 8 ? 1u << (s->number - 1) : 0);
    if (!s->way) return; /* so deep within each other, sweeps go all ways */
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
