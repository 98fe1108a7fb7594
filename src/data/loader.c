/* The data loader, which cuts tensors into batches of rows, and tg_random_split. */
#include "../ops/op.h"
#include "../random/random.h"
#include "../state/exchange.h"

#include <string.h>

struct tg_loader {
    tg_context *tg;
    int64_t depth; /* of the scope in which the loader was made, and to which its batches belong */
    tg_loader_options o;
    int64_t rows;         /* how many rows the tensors have */
    int64_t epoch;        /* how many epochs have begun */
    int64_t next_row;     /* the next entry of `order` to hand out; -1: no epoch has begun */
    int64_t *order;       /* the rows in the order of this epoch */
    int n;                /* how many tensors there are */
    tg_tensor **batch;    /* the tensors of the last batch, which the next one releases; or NULLs */
    tg_tensor *tensors[]; /* the n tensors, and then the n of the batch */
};

tg_loader_options tg_loader_defaults(void)
{
    return (tg_loader_options){TG_LOADER_DEFAULTS};
}

/* The number of rows, which all tensors must share; -1 with the error. */
static int64_t common_rows(const char *name, tg_list tensors)
{
    if (!tg__check_inputs(name, tensors.n, tensors.items)) return -1;
    tg_context *tg = tensors.items[0]->context;
    for (int i = 0; i < tensors.n; i++) {
        if (!tg__any_dtype(name, tensors.items[i]) || !tg__check_rows(name, tensors, i)) return -1;
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
                     .next_row = -1,
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

/* PyTorch first draws a seed for its workers, and then one for the generator that shuffles. */
static void begin_epoch(tg_loader *l)
{
    generator own;
    tg__u64(&l->tg->random);
    l->epoch++;
    l->next_row = 0;
    if (!l->o.shuffle) return;
    tg__seed(&own, tg__u64(&l->tg->random) & INT64_MAX);
    tg__permute(&own, l->rows, l->order);
}

/* Sets the caller's n pointers to NULL, and returns false. */
static bool clear_outputs(int64_t n, tg_tensor **out)
{
    for (int64_t i = 0; i < n; i++) out[i] = NULL;
    return false;
}

static bool select_rows(tg_list tensors, tg_tensor *index, tg_tensor **out)
{
    for (int i = 0; i < tensors.n; i++)
        if (!(out[i] = tg_index_select(tensors.items[i], 0, index))) return false;
    return true;
}

/* Releases the last batch. Its memory serves the next one, unless a graph or a view needs it. */
static void release_batch(tg_loader *l)
{
    for (int i = 0; i < l->n; i++) {
        if (!l->batch[i]) continue;
        priv(l->batch[i])->is_batch = false;
        tg_release(l->batch[i]);
        l->batch[i] = NULL;
    }
}

/* Copies the next rows of t in the order of the epoch, as many as out has, to out. */
static bool fill_batch(const tg_loader *l, tg_tensor *out, tg_tensor *t)
{
    const int64_t rows = out->shape[0], *order = l->order + l->next_row;
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

/* Tensor number i of the next batch. If it needs a graph, so that a gradient can go back to
 * tensors[i], it is the result of an operation and belongs to the current scope, as the graph does.
 * Else it belongs to the loader. */
static tg_tensor *next_tensor(tg_loader *l, int i, int64_t rows)
{
    tg_tensor *t = l->tensors[i];
    if (t->requires_grad && !l->tg->no_grad)
        return tg_index_select(t, 0, tg_from_i64(l->tg, TG_SHAPE(rows), l->order + l->next_row));
    int64_t shape[TG_MAX_DIMS] = {rows};
    for (int d = 1; d < t->ndim; d++) shape[d] = t->shape[d];
    tg_tensor *out = tg__new_at(l->tg, l->depth, t->dtype, t->ndim, shape);
    if (!out) return NULL;
    l->batch[i] = out;
    priv(out)->is_batch = true;
    return fill_batch(l, out, t) ? out : NULL;
}

/* How many bytes were read and written to make a batch. */
static int64_t bytes_copied(int n, tg_tensor *const *batch)
{
    int64_t bytes = 0;
    for (int i = 0; i < n; i++)
        bytes += 2 * batch[i]->numel * (int64_t)tg__dtype_size(batch[i]->dtype);
    return bytes;
}

static bool fill_batches(tg_loader *l, int64_t rows, tg_tensor **batch)
{
    for (int i = 0; i < l->n; i++) {
        if ((batch[i] = next_tensor(l, i, rows))) continue;
        release_batch(l);
        return false;
    }
    return true;
}

/* Makes the next batch of the epoch, or ends the epoch and returns false. */
static bool next_rows(tg_loader *l, tg_tensor **batch)
{
    const int64_t left = l->rows - l->next_row, size = l->o.batch_size,
                  rows = left < size ? left : size;
    clear_outputs(l->n, batch);
    if (left == 0 || (left < size && l->o.drop_last)) {
        l->next_row = -1;
        return false;
    }
    if (!tg__check_inputs("next_batch", l->n, l->tensors)) return false;
    watch *w = l->tg->watch;
    if (w && !w->begin(l->tg, WORK_OPERATION, "next_batch")) return false;
    const bool filled = fill_batches(l, rows, batch);
    if (w) w->end(l->tg, filled ? bytes_copied(l->n, batch) : 0);
    if (!filled) return clear_outputs(l->n, batch);
    l->next_row += rows;
    return true;
}

bool tg_next_batch(tg_loader *loader, tg_tensor **batch)
{
    tg_loader *l = loader;
    if (!l || !tg__ready(l->tg)) return false;
    if (!batch) return tg__fail(l->tg, TG_ERR_ARGUMENT, "next_batch: batch is NULL");
    release_batch(l);
    if (l->next_row >= 0) return next_rows(l, batch);
    const generator before = l->tg->random;
    begin_epoch(l);
    if (next_rows(l, batch)) return true;
    if (tg__ready(l->tg)) return false; /* there are no rows */
    l->tg->random = before;
    l->epoch--;
    l->next_row = -1;
    return false;
}

/* ---- State. */

/* Notes an error if the order in a list that was given does not have each row once, or if the
 * loader does not shuffle and the order is not that of the rows. */
static void check_order(exchange *x, const tg_loader *l, const char *name)
{
    const tg_tensor *t = tg_state_find(x->state, name);
    if (x->phase != CHECKING || !t || tg__is_gone(t) || t->dtype != TG_I64 || t->ndim != 1 ||
        t->numel != l->rows)
        return; /* which tg__exchange_vector tells */
    bool *seen = tg__alloc(l->tg, (size_t)l->rows + 1), right = seen;
    if (seen) memset(seen, 0, (size_t)l->rows);
    for (int64_t i = 0; right && i < l->rows; i++) {
        const int64_t row = ((const int64_t *)t->data)[i * t->strides[0]];
        right = row >= 0 && row < l->rows && !seen[row] && (l->o.shuffle || row == i);
        if (right) seen[row] = true;
    }
    if (seen && !right)
        tg__exchange_note(x, WRONG,
                          l->o.shuffle ? "%s is no order of %lld rows"
                                       : "%s is another order than that of %lld rows that are "
                                         "not shuffled",
                          name, (long long)l->rows);
}

static void walk_loader(exchange *x, void *object)
{
    tg_loader *l = object;
    int64_t epoch = l->epoch, position = l->next_row;
    tg__exchange_number(x, "epoch", TG_I64, &epoch, 0, 0x1p53);
    tg__exchange_number(x, "position", TG_I64, &position, -1, (double)l->rows);
    check_order(x, l, "order");
    tg__exchange_vector(x, "order", TG_I64, l->rows, l->order);
    if (x->phase != TAKING) return;
    l->epoch = epoch;
    l->next_row = position;
}

tg_state *tg_loader_state_dict(const tg_loader *loader)
{
    return loader ? tg__tell_state(loader->tg, "loader_state_dict", walk_loader, loader) : NULL;
}

bool tg_loader_load_state_dict(tg_loader *loader, const tg_state *state)
{
    static const char op[] = "loader_load_state_dict";
    if (loader) return tg__take_state(loader->tg, op, walk_loader, loader, state, TAKE_EXACTLY);
    return state ? tg__fail(state->context, TG_ERR_ARGUMENT, "%s: the loader is NULL", op) : false;
}

bool tg_random_split(tg_list tensors, tg_shape lengths, tg_tensor **parts)
{
    const int64_t n = (int64_t)lengths.ndim * tensors.n;
    if (parts) clear_outputs(n, parts);
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
        if (!select_rows(tensors, tg_narrow(order, 0, at, lengths.dims[i]),
                         parts + (int64_t)i * tensors.n)) {
            tg->random = before;
            return clear_outputs(n, parts);
        }
    return true;
}
