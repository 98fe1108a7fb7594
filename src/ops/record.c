/* The records of operations: their names, and those that no call of tg__apply makes. */
#include "record.h"

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
