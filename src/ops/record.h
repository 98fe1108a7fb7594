/* Running a forward and recording it, for the two ways of applying an operation. */
#ifndef TG_RECORD_H
#define TG_RECORD_H

#include "op.h"

static inline bool tg__needs_grad(int n, tg_tensor *const *in)
{
    for (int i = 0; i < n; i++)
        if (in[i]->requires_grad) return true;
    return false;
}

/* The record of a call, not yet on the tape, with the versions that its inputs have. */
record *tg__make_record(const call *c);

/* Makes r, whose forward has run, the newest record, and what made out. */
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

/* Runs the forward in a scope of its own, at whose end its work memory is freed. An op with an
 * elementwise kernel needs no such memory and gets no scope. */
static inline bool tg__forward_in_own_scope(const call *c)
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

#endif
