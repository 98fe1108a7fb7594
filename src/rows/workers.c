/* The contexts in which blocks are computed. */
#include "rows.h"

#include <string.h>

static void close_worker(row_worker *w)
{
    tg_close(w->tg);
    *w = (row_worker){.tg = NULL};
}

void tg__close_workers(tg_rows *r)
{
    while (r->workers_n > 0) close_worker(&r->workers[--r->workers_n]);
}

/* Borrows the module and all shared tensors. A tensor that is a parameter of the module is borrowed
 * once, with it. */
static bool borrow_all(const tg_rows *r, row_worker *w)
{
    const size_t each = sizeof(tg_tensor *);
    w->shared = tg__alloc(w->tg, tg__bytes(r->shared_n, each));
    w->tensors = tg__alloc(w->tg, tg__bytes(r->o.tensors.n, each));
    w->data = tg__alloc(w->tg, tg__bytes(r->n, each));
    if (!w->shared || !w->tensors || !w->data) return false;
    if (r->o.module && !(w->module = tg_borrow_module(w->tg, r->o.module))) return false;
    const tg_list own = tg_parameters(w->module);
    for (int i = 0; i < r->shared_n; i++)
        if (!(w->shared[i] = i < own.n ? own.items[i] : tg_borrow(w->tg, r->shared[i])))
            return false;
    for (int i = 0; i < r->o.tensors.n; i++) w->tensors[i] = w->shared[r->tensor_at[i]];
    return true;
}

/* A worker has the settings of the caller's context, but one thread. on_error is called by the
 * caller's context alone, when the call has failed. */
static bool open_worker(tg_rows *r, row_worker *w)
{
    tg_options o = r->tg->options;
    o.on_error = NULL;
    *w = (row_worker){.tg = tg_open(&o)};
    if (!w->tg) return tg__fail(r->tg, TG_ERR_MEMORY, "out of memory: no context for a block");
    w->tg->level = r->tg->level;
    tg_clear_error(w->tg); /* of a SIMD level that r->tg has reported */
    if (borrow_all(r, w)) return true;
    tg__fail(r->tg, tg_error_code(w->tg), "%s", tg_error(w->tg));
    close_worker(w);
    return false;
}

bool tg__prepare_workers(tg_rows *r, int n)
{
    for (; r->workers_n < n; r->workers_n++)
        if (!open_worker(r, &r->workers[r->workers_n])) return false;
    return true;
}
