#include "../ops/op.h"
#include "../random/random.h"

#include <string.h>

struct tg_loader {
    tg_context *tg;
    int64_t depth; /* of the scope it belongs to */
    tg_loader_options o;
    int64_t rows, at; /* the next row of the epoch; -1: it has not begun */
    int64_t *order;
    int n;
    tg_tensor **batch;    /* what it has handed out, and takes back; NULL: nothing */
    tg_tensor *tensors[]; /* n, and then the batch */
};

tg_loader_options tg_loader_defaults(void)
{
    return (tg_loader_options){TG_LOADER_DEFAULTS};
}

/* The number of rows of all; -1 with the error. */
static int64_t common_rows(const char *name, tg_list tensors)
{
    if (!tg__check_inputs(name, tensors.n, tensors.items)) return -1;
    tg_context *tg = tensors.items[0]->context;
    for (int i = 0; i < tensors.n; i++) {
        const tg_tensor *t = tensors.items[i], *first = tensors.items[0];
        if (t->ndim > 0 && t->shape[0] == first->shape[0]) continue;
        if (t->ndim == 0)
            tg__fail(tg, TG_ERR_SHAPE, "%s: tensor %d is [], which has no rows", name, i + 1);
        else
            tg__fail(tg, TG_ERR_SHAPE, "%s: tensors %s and %s have not the same number of rows",
                     name, SHOW(first), SHOW(t));
        return -1;
    }
    return tg__ready(tg) ? tensors.items[0]->shape[0] : -1;
}

tg_loader *tg_data_loader(tg_list tensors, const tg_loader_options *options)
{
    const tg_loader_options o = options ? *options : tg_loader_defaults();
    const int64_t rows = common_rows("data_loader", tensors);
    if (rows < 0) return NULL;
    tg_context *tg = tensors.items[0]->context;
    if (!tg__check_number(tg, "data_loader", "batch_size", o.batch_size, 1, INT64_MAX,
                          "TG_LOADER and tg_loader_defaults() set it to 1"))
        return NULL;
    const size_t lists = tg__bytes(2 * (int64_t)tensors.n, sizeof(tg_tensor *));
    tg_loader *l = tg__alloc(tg, sizeof *l + lists);
    int64_t *order = l ? tg__alloc(tg, tg__bytes(rows, sizeof *order)) : NULL;
    if (!order) return NULL;
    *l = (tg_loader){.tg = tg,
                     .depth = tg->depth,
                     .o = o,
                     .rows = rows,
                     .at = -1,
                     .order = order,
                     .n = tensors.n,
                     .batch = l->tensors + tensors.n};
    for (int i = 0; i < l->n; i++) {
        l->tensors[i] = tensors.items[i];
        l->batch[i] = NULL;
    }
    for (int64_t i = 0; i < rows; i++) order[i] = i;
    return l;
}

int64_t tg_batches(const tg_loader *loader)
{
    if (!loader) return 0;
    const int64_t size = loader->o.batch_size;
    return loader->rows / size + (loader->rows % size > 0 && !loader->o.drop_last);
}

/* PyTorch draws a seed for its workers first, and then one for a generator of the order. */
static void begin_epoch(tg_loader *l)
{
    generator own;
    tg__u64(&l->tg->random);
    l->at = 0;
    if (!l->o.shuffle) return;
    tg__seed(&own, tg__u64(&l->tg->random) & INT64_MAX);
    tg__permute(&own, l->rows, l->order);
}

/* What a failure leaves. */
static bool no_rows(int64_t n, tg_tensor **out)
{
    for (int64_t i = 0; i < n; i++) out[i] = NULL;
    return false;
}

static bool take_rows(tg_list tensors, tg_tensor *index, tg_tensor **out)
{
    for (int i = 0; i < tensors.n; i++)
        if (!(out[i] = tg_index_select(tensors.items[i], 0, index))) return false;
    return true;
}

/* The memory of the batch before serves the next one, unless a graph or a view needs it. */
static void take_back(tg_loader *l)
{
    for (int i = 0; i < l->n; i++) {
        if (!l->batch[i]) continue;
        priv(l->batch[i])->is_batch = false;
        tg_release(l->batch[i]);
        l->batch[i] = NULL;
    }
}

/* Those rows of t become out's. */
static bool fill_batch(const tg_loader *l, tg_tensor *out, tg_tensor *t)
{
    const int64_t rows = out->shape[0], *order = l->order + l->at;
    const size_t size = (size_t)(t->numel / t->shape[0]) * tg__dtype_size(t->dtype);
    if (t->contiguous && t->numel > 0) {
        for (int64_t i = 0; i < rows; i++)
            memcpy((char *)out->data + (size_t)i * size,
                   (const char *)t->data + (size_t)order[i] * size, size);
        return true;
    }
    tg_scope_begin(l->tg);
    tg_no_grad_begin(l->tg);
    tg_tensor *copy = tg_index_select(t, 0, tg_from_i64(l->tg, TG_SHAPE(rows), order));
    if (copy) tg__copy(out, copy);
    tg_no_grad_end(l->tg);
    tg_scope_end(l->tg);
    return copy != NULL;
}

/* A tensor of the loader's. A gradient goes back to t through an operation only, of which the
 * current scope has the graph and so the result. */
static tg_tensor *next_of(tg_loader *l, int i, int64_t rows)
{
    tg_tensor *t = l->tensors[i];
    if (t->requires_grad && !l->tg->no_grad)
        return tg_index_select(t, 0, tg_from_i64(l->tg, TG_SHAPE(rows), l->order + l->at));
    int64_t shape[TG_MAX_DIMS] = {rows};
    for (int d = 1; d < t->ndim; d++) shape[d] = t->shape[d];
    tg_tensor *out = tg__new_at(l->tg, l->depth, t->dtype, t->ndim, shape);
    if (!out) return NULL;
    l->batch[i] = out;
    priv(out)->is_batch = true;
    return fill_batch(l, out, t) ? out : NULL;
}

static bool next_rows(tg_loader *l, tg_tensor **batch)
{
    const int64_t left = l->rows - l->at, size = l->o.batch_size, rows = left < size ? left : size;
    no_rows(l->n, batch);
    if (left == 0 || (left < size && l->o.drop_last)) {
        l->at = -1;
        return false;
    }
    if (!tg__check_inputs("next_batch", l->n, l->tensors)) return false;
    for (int i = 0; i < l->n; i++) {
        if ((batch[i] = next_of(l, i, rows))) continue;
        take_back(l);
        return no_rows(l->n, batch);
    }
    l->at += rows;
    return true;
}

bool tg_next_batch(tg_loader *loader, tg_tensor **batch)
{
    tg_loader *l = loader;
    if (!l || !tg__ready(l->tg)) return false;
    if (!batch) return tg__fail(l->tg, TG_ERR_ARGUMENT, "next_batch: batch is NULL");
    take_back(l);
    if (l->at >= 0) return next_rows(l, batch);
    const generator before = l->tg->random;
    begin_epoch(l);
    if (next_rows(l, batch)) return true;
    if (tg__ready(l->tg)) return false; /* there are no rows */
    l->tg->random = before;
    l->at = -1;
    return false;
}

bool tg_random_split(tg_list tensors, tg_shape lengths, tg_tensor **parts)
{
    const int64_t n = (int64_t)lengths.ndim * tensors.n;
    if (parts) no_rows(n, parts);
    const int64_t rows = common_rows("random_split", tensors);
    if (rows < 0) return false;
    tg_context *tg = tensors.items[0]->context;
    if (!tg__check_parts(tg, "random_split", "length", lengths)) return false;
    if (!parts) return tg__fail(tg, TG_ERR_ARGUMENT, "random_split: parts is NULL");
    if (!tg__adds_up(lengths, rows))
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "random_split: the lengths %s do not add up to %lld rows",
                        tg__show_sizes(tg, lengths.ndim, lengths.dims), (long long)rows);
    const generator before = tg->random;
    tg_tensor *order = tg_randperm(tg, rows);
    int64_t at = 0;
    for (int i = 0; i < lengths.ndim; at += lengths.dims[i++])
        if (!take_rows(tensors, tg_narrow(order, 0, at, lengths.dims[i]),
                       parts + (int64_t)i * tensors.n)) {
            tg->random = before;
            return no_rows(n, parts);
        }
    return true;
}
