/* Running the forward of an operation, making its record, and putting that on the tape. tg__apply
 * and tg__apply_in_place share these steps. */
#ifndef TG_RECORD_H
#define TG_RECORD_H

#include "op.h"

#include <string.h>

static inline bool tg__needs_grad(int n, tg_tensor *const *in)
{
    for (int i = 0; i < n; i++)
        if (in[i]->requires_grad) return true;
    return false;
}

/* Claims the memory of the values that gradients will read (`reads` has READS_* bits), so that
 * tg_release does not give it back to the pool before backward has run. */
static inline void tg__claim_values(tg_context *tg, record *r, unsigned reads, const tg_tensor *out)
{
    unsigned bit = READS_0;
    for (operand *in = r->in, *end = in + r->n; in < end && bit <= reads; in++) {
        if (reads & bit) tg__claim(tg, &in->claim, priv(in->t)->storage);
        if (bit < READS_3) bit <<= 1;
    }
    /* out and the record are of one scope and end together; no scope need list this claim. */
    if (reads & READS_OUT) priv(out)->storage->claims++;
}

/* Makes the record of a call, with the present versions of its inputs. The record is not on the
 * tape yet. NULL if there is no memory. */
static inline record *tg__make_record(const call *c)
{
    tg_context *tg = c->tg;
    const op_row *o = c->op;
    const int n = c->n;
    record *r = tg__alloc(tg, sizeof *r + tg__bytes(n, sizeof r->in[0]));
    if (!r) return NULL;
    r->op = o;
    r->grad_name = o->grad_name;
    r->place = tg->watch ? tg->watch->place(tg) : NULL;
    r->n = n;
    if (c->a) memcpy(r->a, c->a, sizeof r->a);
    tg_tensor *const *t = c->in;
    const uint8_t *its_reads = o->reads, *last = its_reads + 2;
    unsigned reads = 0;
    for (operand *in = r->in, *end = in + n; in < end; in++, t++) {
        in->t = *t;
        in->version = tg__version(*t);
        in->needs_grad = (*t)->requires_grad;
        in->on_path = 0;
        if (in->needs_grad) reads |= *its_reads;
        if (its_reads < last) its_reads++;
    }
    r->reads = reads;
    if (reads) tg__claim_values(tg, r, reads, c->out);
    return r;
}

/* Makes r the newest record of the tape and the history of `out`. The forward has run. */
static inline void tg__put_on_tape(record *r, tg_tensor *out)
{
    tg_context *tg = out->context;
    r->out = out;
    r->out_version = tg__version(out);
    TG_CHECK(tg->newest == (tg->tape ? tg->tape->number : -1) && tg->newest < tg->records);
    r->prev = tg->tape;
    r->number = tg->newest = tg->records++;
    tg->tape = r;
    out->requires_grad = true;
    priv(out)->record = r;
    priv(out)->rewrites = priv(out)->storage->rewrites;
}

/* Runs the forward in a scope of its own, whose end frees the memory that the forward allocated to
 * work in. An operation with an elementwise kernel allocates none and gets no scope. Until the
 * forward allocates something, the scope exists only as a depth in the context, which makes it
 * cheap. */
static inline bool tg__run_forward(const call *c)
{
    tg_context *tg = c->tg;
    if (c->op->kernel) return c->op->forward(c);
    tg->depth++;
    const bool done = c->op->forward(c);
    if (tg->scope->depth == tg->depth)
        tg_scope_end(tg);
    else
        tg->depth--;
    return done;
}

/* Runs the forward, by way of the watch if the context has one. */
static inline bool tg__forward_in_own_scope(const call *c)
{
    return c->tg->watch ? c->tg->watch->run(c) : tg__run_forward(c);
}

#endif
