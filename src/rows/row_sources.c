/* Rows from a source that is read block by block. */
#include "reader.h"
#include "rows.h"

#include <string.h>

/* ---- What the calls of backward_rows.c need of a reader. */

static bool has_reader(const tg_rows *r)
{
    return r->reader && r->count > 0;
}

bool tg__begin_rows(tg_rows *r, int64_t at_a_time)
{
    if (r->files) r->files->ahead = tg__times(at_a_time, r->block_rows);
    return !has_reader(r) ||
           tg__begin_reading(r->reader, r->data_first, r->count, r->block_rows, at_a_time);
}

/* The rows of tensor i in the block that the worker holds, as a tensor in the worker's scope. */
static tg_tensor *wrap_rows(const tg_rows *r, const row_worker *w, int i, int64_t n)
{
    const tg_tensor *like = r->data[i];
    int64_t shape[TG_MAX_DIMS];
    memcpy(shape, like->shape, (size_t)like->ndim * sizeof *shape);
    shape[0] = n;
    return tg_wrap_const(w->tg, like->dtype, (tg_shape){like->ndim, shape}, TG_CONTIGUOUS,
                         tg__block_rows(r->reader, w->held, i));
}

bool tg__read_source(const tg_rows *r, row_worker *w, int64_t first, int64_t n)
{
    const int64_t k = (first - r->data_first) / r->block_rows;
    const char *problem = tg__await_block(r->reader, k);
    if (problem) return tg__fail(w->tg, TG_ERR_IO, "%s", problem);
    w->held = k;
    for (int i = 0; i < r->n; i++)
        if (!(w->data[i] = wrap_rows(r, w, i, n))) return false;
    return true;
}

void tg__leave_rows(const tg_rows *r, row_worker *w)
{
    if (w->held >= 0) tg__leave_block(r->reader, w->held);
    w->held = -1;
}

void tg__stop_rows(const tg_rows *r)
{
    if (has_reader(r)) tg__stop_reading(r->reader);
}

void tg__end_rows(const tg_rows *r)
{
    if (has_reader(r)) tg__end_reading(r->reader);
}

/* ---- Making the rows. */

static bool check_row_type(tg_context *tg, const char *name, int i, const tg_row_type *type)
{
    const tg_shape s = type->shape;
    if (!tg__is_dtype(type->dtype))
        return tg__fail(tg, TG_ERR_DTYPE, "%s: tensor %d: there is no dtype %d", name, i + 1,
                        (int)type->dtype);
    if (s.ndim < 0 || s.ndim >= TG_MAX_DIMS || (s.ndim > 0 && !s.dims))
        return tg__fail(tg, TG_ERR_SHAPE, "%s: tensor %d: a row has %d dimensions; 0 to %d are %s",
                        name, i + 1, s.ndim, TG_MAX_DIMS - 1, "allowed, with their sizes");
    for (int d = 0; d < s.ndim; d++)
        if (s.dims[d] < 0)
            return tg__fail(tg, TG_ERR_SHAPE, "%s: tensor %d: size %lld of a row is negative", name,
                            i + 1, (long long)s.dims[d]);
    return tg__sizes_fit(s.ndim, s.dims) ||
           tg__fail(tg, TG_ERR_SHAPE, "%s: tensor %d: a row has more elements than memory can hold",
                    name, i + 1);
}

static bool check_row_source(tg_context *tg, const char *name, const tg_row_source *s, bool empty)
{
    if (!s) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the source is NULL", name);
    if (!s->read) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the source has no function read", name);
    if (s->n < 1 || !s->types)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the source has no tensors", name);
    if (s->rows < !empty)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: the source has %lld rows", name, (long long)s->rows);
    return true;
}

/* A tensor without rows, which tells what a row is. */
static tg_tensor *form_of_rows(tg_context *tg, const tg_row_type *type)
{
    int64_t shape[TG_MAX_DIMS] = {0};
    for (int d = 0; d < type->shape.ndim; d++) shape[d + 1] = type->shape.dims[d];
    return tg__new(tg, type->dtype, type->shape.ndim + 1, shape);
}

tg_rows *tg__rows_of(tg_context *tg, const char *name, int n, const tg_row_type *types,
                     int64_t rows, const tg_rows_options *options)
{
    for (int i = 0; i < n; i++)
        if (!check_row_type(tg, name, i, &types[i])) return NULL;
    tg_tensor **forms = tg__alloc(tg, tg__bytes(n, sizeof *forms));
    for (int i = 0; forms && i < n; i++) forms[i] = form_of_rows(tg, &types[i]);
    return tg__ready(tg) ? tg__make_rows(name, (tg_list){n, forms}, rows, options) : NULL;
}

tg_rows *tg_rows_from_source(tg_context *tg, const tg_row_source *source,
                             const tg_rows_options *options)
{
    static const char name[] = "rows_from_source";
    if (!tg || !tg__ready(tg) || !check_row_source(tg, name, source, tg__may_be_empty(options)))
        return NULL;
    tg_rows *r = tg__rows_of(tg, name, source->n, source->types, source->rows, options);
    if (r) r->reader = tg__make_reader(tg, source);
    return r && r->reader ? r : NULL;
}
