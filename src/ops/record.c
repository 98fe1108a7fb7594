/* Making the records of operations. The tape is the list of these records. */
#include "record.h"

#include <string.h>

/* Claims the memory of the values that gradients will read (`reads` has READS_* bits), so that
 * tg_release does not give it back to the pool before backward has run. */
static void claim_values(const call *c, record *r, unsigned reads)
{
    for (int i = 0; i < r->n; i++)
        if (reads & tg__reads_input(i))
            tg__claim(c->tg, &r->in[i].claim, priv(r->in[i].t)->storage);
    /* out and the record are of one scope and end together; no scope need list this claim. */
    if (reads & READS_OUT) priv(c->out)->storage->claims++;
}

record *tg__make_record(const call *c)
{
    record *r = tg__alloc(c->tg, sizeof *r + tg__bytes(c->n, sizeof r->in[0]));
    if (!r) return NULL;
    r->op = c->op;
    r->grad_name = c->op->grad_name;
    r->place = c->tg->watch ? c->tg->watch->place(c->tg) : NULL;
    r->n = c->n;
    if (c->a) memcpy(r->a, c->a, sizeof r->a);
    unsigned reads = 0;
    for (int i = 0; i < c->n; i++) {
        tg_tensor *t = c->in[i];
        r->in[i].t = t;
        r->in[i].version = tg__version(t);
        r->in[i].needs_grad = t->requires_grad;
        r->in[i].on_path = 0;
        if (t->requires_grad) reads |= c->op->reads[i < 2 ? i : 2];
    }
    if (reads) claim_values(c, r, reads);
    return r;
}

bool tg__is_recorded(const tg_context *tg, tg_dtype result, int n, tg_tensor *const *in)
{
    return !tg->no_grad && tg__is_float(result) && tg__needs_grad(n, in);
}

tg_tensor *tg__name_grad_fn(tg_tensor *t, const char *grad_name)
{
    if (t && priv(t)->record) priv(t)->record->grad_name = grad_name;
    return t;
}

bool tg__record(const call *c)
{
    if (!tg__is_recorded(c->tg, c->out->dtype, c->n, c->in)) return true;
    record *r = tg__make_record(c);
    if (r) tg__put_on_tape(r, c->out);
    return r != NULL;
}
