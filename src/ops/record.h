/* Running the forward of an operation and putting its record on the tape. tg__apply and
 * tg__apply_in_place share these steps. */
#ifndef TG_RECORD_H
#define TG_RECORD_H

#include "op.h"

static inline bool tg__needs_grad(int n, tg_tensor *const *in)
{
    for (int i = 0; i < n; i++)
        if (in[i]->requires_grad) return true;
    return false;
}

/* Makes the record of a call, with the present versions of its inputs. The record is not on the
 * tape yet. NULL if there is no memory. */
record *tg__make_record(const call *c);

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
