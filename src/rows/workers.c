/* The contexts in which blocks are computed. */
#include "rows.h"
#include "../ops/watch.h"

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
    return tg__ready(w->tg); /* the list of parameters may have found no memory */
}

/* A worker has the settings of the caller's context, but one thread. on_error is called by the
 * caller's context alone, when the call has failed. */
static bool open_worker(const tg_rows *r, row_worker *w)
{
    tg_options o = r->tg->options;
    o.on_error = NULL;
    *w = (row_worker){.tg = tg_open(&o)};
    if (!w->tg) return false;
    tg_clear_error(w->tg); /* of a SIMD level, which r->tg has reported */
    w->tg->level = r->tg->level;
    w->tg->has_block = true;
    return true;
}

/* ---- What may have changed since a worker borrowed it. */

/* Compares the data that the program's own modules have with what r->seen has of them, or copies
 * the data there. Returns whether all are equal. */
static bool see_data(tg_rows *r, bool compare)
{
    const tg_modules all = tg_all_modules(r->o.module);
    char *seen = r->seen;
    for (int i = 0; i < all.n; i++) {
        const tg_module *m = all.items[i];
        if (!m->is_foreign || m->data_bytes == 0) continue;
        if (compare && memcmp(seen, m->data, m->data_bytes) != 0) return false;
        if (!compare) memcpy(seen, m->data, m->data_bytes);
        seen += m->data_bytes;
    }
    return true;
}

size_t tg__seen_bytes(const tg_module *module)
{
    const tg_modules all = tg_all_modules(module);
    size_t bytes = 0;
    for (int i = 0; i < all.n; i++)
        if (all.items[i]->is_foreign) bytes += all.items[i]->data_bytes;
    return bytes;
}

/* Lets the counterpart of t require grad as t does, and show its elements. */
static bool update_tensor(tg_tensor *alias, const tg_tensor *t)
{
    if (!tg__same_sizes(alias->ndim, alias->shape, t->ndim, t->shape) || alias->dtype != t->dtype)
        return tg__fail(alias->context, TG_ERR_SHAPE,
                        "a shared tensor was %s %s, and is %s %s; make the rows again",
                        tg_dtype_name(alias->dtype), SHOW(alias), tg_dtype_name(t->dtype),
                        tg__show_sizes(alias->context, t->ndim, t->shape));
    alias->data = priv(alias)->own.data = t->data;
    priv(alias)->own.lender = tg__origin(t);
    return alias->requires_grad == t->requires_grad || tg_requires_grad_(alias, t->requires_grad);
}

static void update_modes(tg_module *borrowed, const tg_module *original)
{
    const tg_modules to = tg_all_modules(borrowed), from = tg_all_modules(original);
    for (int i = 0; i < to.n && i < from.n; i++) to.items[i]->training = from.items[i]->training;
}

static bool detects_anomalies(const tg_context *tg)
{
    return tg->watcher && tg->watcher->detects;
}

bool tg__update_worker(const tg_rows *r, row_worker *w)
{
    const bool detects = detects_anomalies(r->tg);
    w->tg->default_dtype = r->tg->default_dtype;
    if (w->module) update_modes(w->module, r->o.module);
    for (int i = 0; i < r->shared_n; i++)
        if (!update_tensor(w->shared[i], r->shared[i])) return false;
    return tg__ready(w->tg) &&
           (detects_anomalies(w->tg) == detects || tg_detect_anomaly(w->tg, detects));
}

/* Records the error of a worker in the caller's context. */
static bool fail_like_worker(const tg_rows *r, row_worker *w, const char *name)
{
    tg__fail(r->tg, tg_error_code(w->tg), "%s: %s", name, tg_error(w->tg));
    tg_clear_error(w->tg);
    return false;
}

bool tg__prepare_workers(tg_rows *r, const char *name, int n)
{
    if (r->workers_n > 0 && !see_data(r, true)) tg__close_workers(r);
    if (r->workers_n == 0) see_data(r, false);
    for (; r->workers_n < n; r->workers_n++) {
        row_worker *w = &r->workers[r->workers_n];
        if (!open_worker(r, w)) return tg__fail(r->tg, TG_ERR_MEMORY, "%s: no memory", name);
        if (borrow_all(r, w)) continue;
        fail_like_worker(r, w, name);
        close_worker(w);
        return false;
    }
    for (int i = 0; i < n; i++)
        if (!tg__update_worker(r, &r->workers[i])) return fail_like_worker(r, &r->workers[i], name);
    return tg__ready(r->tg); /* the lists of modules may have found no memory */
}
