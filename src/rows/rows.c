/* Making rows: the data, what their functions share, and the size of a block. */
#include "rows.h"

#include <string.h>

enum { MOST_WORKERS = 256 }; /* as tg_set_num_threads allows */

tg_rows_options tg_rows_defaults(void)
{
    return (tg_rows_options){TG_ROWS_DEFAULTS};
}

int64_t tg_rows_count(const tg_rows *rows)
{
    return rows ? rows->count : 0;
}

int64_t tg_rows_per_block(const tg_rows *rows)
{
    return rows ? rows->block_rows : 0;
}

/* Whether the tensors have the same number of rows, of which there is one at least unless other
 * ranks may have some, and require no grad. */
static bool check_data(const char *name, tg_list data, bool may_be_empty)
{
    if (!tg__check_inputs(name, data.n, data.items)) return false;
    tg_context *tg = data.items[0]->context;
    const tg_tensor *first = data.items[0];
    for (int i = 0; i < data.n; i++) {
        const tg_tensor *t = data.items[i];
        if (!tg__check_rows(name, data, i)) return false;
        if (t->requires_grad)
            return tg__fail(tg, TG_ERR_AUTOGRAD,
                            "%s: tensor %d, %s, requires grad, which rows do not get; use "
                            "tg_detach, or pass it in options.tensors",
                            name, i + 1, SHOW(t));
    }
    return may_be_empty || first->shape[0] > 0 ||
           tg__fail(tg, TG_ERR_SHAPE, "%s: the tensor %s has no rows", name, SHOW(first));
}

static bool check_rows_options(tg_context *tg, const char *name, const tg_rows_options *o)
{
    if (o->block_rows < 0)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: block_rows %lld is negative", name,
                        (long long)o->block_rows);
    if (o->reduction != TG_SUM && o->reduction != TG_MEAN)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: there is no reduction %d; use TG_SUM or TG_MEAN",
                        name, o->reduction);
    if (o->exchange && !tg__check_exchange(tg, name, o->exchange)) return false;
    if (o->module && o->module->tg != tg)
        return tg__fail(tg, TG_ERR_CONTEXT, "%s: the module is of another context", name);
    if (o->tensors.n < 0 || (o->tensors.n > 0 && !o->tensors.items))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: options.tensors is NULL", name);
    for (int i = 0; i < o->tensors.n; i++) {
        tg_tensor *t = o->tensors.items[i];
        if (!t)
            return tg__fail(tg, TG_ERR_ARGUMENT, "%s: options.tensors: tensor %d is NULL", name,
                            i + 1);
        if (t->context != tg)
            return tg__fail(tg, TG_ERR_CONTEXT,
                            "%s: options.tensors: tensor %d is of another context; "
                            "tg_borrow makes an alias",
                            name, i + 1);
        if (!tg__check_inputs(name, 1, &t)) return false;
    }
    return true;
}

static value_form form_of_row(const tg_tensor *t)
{
    value_form form = {.dtype = t->dtype, .ndim = t->ndim - 1};
    memcpy(form.shape, t->shape + 1, (size_t)form.ndim * sizeof *form.shape);
    return form;
}

/* The bytes of a row of all tensors, and how many elements that is. */
static size_t row_bytes(tg_list data, int64_t *elements)
{
    size_t bytes = 0;
    *elements = 0;
    for (int i = 0; i < data.n; i++) {
        const tg_tensor *t = data.items[i];
        const int64_t each = tg__numel(t->ndim - 1, t->shape + 1);
        *elements = tg__plus(*elements, each);
        bytes += (size_t)each * tg__dtype_size(t->dtype);
    }
    return bytes;
}

/* The bytes of the results that a layer computes for a row with a weight of that shape, (out, in,
 * ...), and of their gradients. It is a guess, by the lesser of out and in: the weight of an
 * embedding has many rows, of which one is read for each row of data. */
static size_t result_bytes(const tg_tensor *t)
{
    if (t->ndim < 2 || t->numel == 0) return 0;
    const int64_t out = t->shape[0], in = t->numel / out;
    return 2 * (size_t)(out < in ? out : in) * tg__dtype_size(t->dtype);
}

/* Chooses the number of rows of a block: a power of 2, such that their data, results and gradients
 * stay in the cache of a core. More rows would not save time, and with fewer the time of the calls
 * and of adding gradients would matter. */
static void choose_block(tg_rows *r, tg_list data)
{
    enum { CACHE = 1 << 19, LEAST = 32, MOST = 1 << 14 };
    int64_t elements, parameters = 0, rows = MOST;
    size_t bytes = row_bytes(data, &elements);
    for (int i = 0; i < r->shared_n; i++) {
        bytes += result_bytes(r->shared[i]);
        parameters = tg__plus(parameters, r->shared[i]->numel);
    }
    while (rows > LEAST && (size_t)rows * bytes > CACHE) rows /= 2;
    r->block_rows = r->o.block_rows > 0 ? r->o.block_rows : rows;
    r->work = tg__times(r->block_rows, tg__plus(elements, parameters));
}

/* The place of t among what is shared, to which it is added if it is not there. */
static int place_of(tg_rows *r, tg_tensor *t)
{
    int i = 0;
    while (i < r->shared_n && r->shared[i] != t) i++;
    if (i == r->shared_n) r->shared[r->shared_n++] = t;
    return i;
}

/* Takes the memory of r, in the current scope, and lists in it what the functions use. */
static bool set_up_rows(tg_rows *r, tg_list data, const tg_rows_options *o)
{
    tg_context *tg = r->tg;
    const tg_list parameters = tg_parameters(o->module);
    const int64_t most = (int64_t)parameters.n + o->tensors.n;
    r->o = *o;
    r->n = data.n;
    r->data = tg__alloc(tg, tg__bytes(data.n, sizeof *r->data));
    r->row_forms = tg__alloc(tg, tg__bytes(data.n, sizeof *r->row_forms));
    r->shared = tg__alloc(tg, tg__bytes(most, sizeof *r->shared));
    r->gradient_at = tg__alloc(tg, tg__bytes(most, sizeof *r->gradient_at));
    r->tensor_at = tg__alloc(tg, tg__bytes(o->tensors.n, sizeof *r->tensor_at));
    r->seen = tg__alloc(tg, tg__seen_bytes(o->module));
    r->workers = tg__alloc(tg, MOST_WORKERS * sizeof *r->workers);
    if (!tg__ready(tg)) return false;
    r->parts = o->module ? tg__count_parts(o->module) : 0;
    for (int i = 0; i < data.n; i++) {
        r->data[i] = data.items[i];
        r->row_forms[i] = form_of_row(data.items[i]);
    }
    for (int i = 0; i < parameters.n; i++) place_of(r, parameters.items[i]);
    for (int i = 0; i < o->tensors.n; i++) r->tensor_at[i] = place_of(r, o->tensors.items[i]);
    return tg__ready(tg);
}

static void free_rows(void *rows)
{
    tg__close_workers(rows);
    tg__free_nodes(rows);
    tg__free_messages(rows);
}

tg_rows *tg__make_rows(const char *name, tg_list data, int64_t count,
                       const tg_rows_options *options)
{
    const tg_rows_options o = options ? *options : tg_rows_defaults();
    tg_context *tg = data.items[0]->context;
    if (!tg__ready(tg) || !check_rows_options(tg, name, &o)) return NULL;
    tg_rows *r = tg__alloc(tg, sizeof *r);
    if (!r) return NULL;
    *r = (tg_rows){.tg = tg};
    if (!set_up_rows(r, data, &o) || (o.exchange && !tg__prepare_exchange(r))) return NULL;
    choose_block(r, data);
    tg__take_share(r, count);
    return tg__at_scope_end(tg, free_rows, r) ? r : NULL;
}

tg_rows *tg_rows_new(tg_list data, const tg_rows_options *options)
{
    static const char name[] = "rows_new";
    return check_data(name, data, tg__may_be_empty(options))
               ? tg__make_rows(name, data, data.items[0]->shape[0], options)
               : NULL;
}

bool tg_rows_set_data(tg_rows *rows, tg_list data)
{
    static const char name[] = "rows_set_data";
    tg_rows *r = rows;
    if (!r || !tg__ready(r->tg)) return false;
    tg_context *tg = r->tg;
    if (r->reader || r->files)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "%s: the rows come from a source, in whose place no tensors can be put",
                        name);
    if (data.n != r->n)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: %d tensors in place of %d", name, data.n, r->n);
    for (int i = 0; i < r->n; i++)
        if (!data.items || !data.items[i])
            return tg__fail(tg, TG_ERR_ARGUMENT, "%s: tensor %d is NULL", name, i + 1);
    if (data.items[0]->context != tg)
        return tg__fail(tg, TG_ERR_CONTEXT,
                        "%s: a tensor of another context; tg_borrow makes an alias", name);
    if (!check_data(name, data, r->o.exchange && !r->o.share)) return false;
    for (int i = 0; i < r->n; i++) {
        const value_form form = form_of_row(data.items[i]), *known = &r->row_forms[i];
        if (tg__same_form(&form, known)) continue;
        return tg__fail(tg, form.dtype == known->dtype ? TG_ERR_SHAPE : TG_ERR_DTYPE,
                        "%s: tensor %d has rows of %s %s, not %s %s", name, i + 1,
                        tg_dtype_name(form.dtype), tg__show_sizes(tg, form.ndim, form.shape),
                        tg_dtype_name(known->dtype), tg__show_sizes(tg, known->ndim, known->shape));
    }
    for (int i = 0; i < r->n; i++) r->data[i] = data.items[i];
    tg__take_share(r, data.items[0]->shape[0]);
    return true;
}

/* The rows are read-only: a write to them is refused as one to a borrowed tensor. */
bool tg__read_block(const tg_rows *r, row_worker *w, int64_t first, int64_t n)
{
    w->held = -1;
    if (r->reader) return tg__read_source(r, w, first, n);
    if (r->files) return tg__read_files(r, w, first, n);
    for (int i = 0; i < r->n; i++) {
        const tg_tensor *t = r->data[i];
        int64_t shape[TG_MAX_DIMS];
        memcpy(shape, t->shape, (size_t)t->ndim * sizeof *shape);
        shape[0] = n;
        char *data = t->data;
        if (t->numel > 0) data += first * t->strides[0] * (int64_t)tg__dtype_size(t->dtype);
        tg_tensor *rows = tg__new_external(w->tg, w->tg->depth, t->dtype,
                                           (tg_shape){t->ndim, shape}, t->strides, data);
        if (!rows) return false;
        priv(rows)->own.lender = tg__origin(t);
        w->data[i] = rows;
    }
    return true;
}
