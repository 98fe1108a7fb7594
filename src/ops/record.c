/* Making the records of operations. The tape is the list of these records. */
#include "record.h"

#include <string.h>

/* Claims the memory of the values that gradients will read (`reads` has READS_* bits), so that
 * tg_release does not give it back to the pool before backward has run. */
static inline void claim_values(tg_context *tg, record *r, unsigned reads, const tg_tensor *out)
{
    unsigned bit = READS_0;
    for (operand *in = r->in, *end = in + r->n; in < end && bit <= reads; in++) {
        if (reads & bit) tg__claim(tg, &in->claim, priv(in->t)->storage);
        if (bit < READS_3) bit <<= 1;
    }
    /* out and the record are of one scope and end together; no scope need list this claim. */
    if (reads & READS_OUT) priv(out)->storage->claims++;
}

record *tg__make_record(const call *c)
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
    if (reads) claim_values(tg, r, reads, c->out);
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
