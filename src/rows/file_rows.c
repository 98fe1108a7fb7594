/* Rows of files: .npy files, and files of nothing but numbers. */
#include "../context/threads.h"
#include "../io/npy.h"
#include "rows.h"

#include <string.h>

/* A file, whose rows become one of the tensors of a block. */
typedef struct row_file {
    source from;
    uint64_t start; /* where the first row begins */
    file_type type;
    bool big_endian;
    int64_t rows;
    int64_t row_numel; /* the elements of a row */
    int ndim;          /* of a row */
    int64_t shape[TG_MAX_DIMS];
} row_file;

/* ---- Reading, in the threads that compute the blocks, so that the rows are in the cache of the
 * thread that needs them. The system reads ahead. */

/* Reads n rows of a file to t. The bytes are first read to the end of the memory of t. From there
 * they are converted to its dtype, from its first element on: an element of the file is never
 * larger than one of t. */
static bool read_row_file(row_file *f, int64_t first, tg_tensor *t)
{
    const size_t size = tg__type_size(f->type);
    const int64_t before = first * f->row_numel;
    void *end = (char *)t->data + (size_t)t->numel * (tg__dtype_size(t->dtype) - size);
    const char *path = tg__path_end(f->from.path);
    const char *problem = tg__source_read_at(&f->from, f->start + (uint64_t)before * size, end,
                                             (size_t)t->numel * size);
    if (problem) return tg__fail(t->context, TG_ERR_IO, "%s: %s", path, problem);
    const int64_t done = tg__widen(f->type, f->big_endian, t->data, t->numel);
    return done == t->numel ||
           tg__fail(t->context, TG_ERR_IO, "%s: element %lld, of type %s, is no %s", path,
                    (long long)(before + done), tg__type_name(f->type), tg_dtype_name(t->dtype));
}

/* Asks the system to read the rows that follow those which are computed meanwhile. For small blocks
 * it does not ask: systems read these ahead on their own, and asking would add a fifth to the time
 * that a block in the page cache takes. */
static void ask_ahead(const row_files *all, row_file *f, int64_t first, int64_t n)
{
    enum { SMALL_BLOCK = 1 << 18 };
    const uint64_t row = (uint64_t)f->row_numel * tg__type_size(f->type);
    const uint64_t offset = f->start + (uint64_t)(first + all->ahead) * row;
    if ((uint64_t)n * row > SMALL_BLOCK) tg__source_ahead(&f->from, offset, (uint64_t)n * row);
}

/* Where two threads may not read one file at the same time, a lock lets them read one after the
 * other. */
bool tg__read_files(const tg_rows *r, row_worker *w, int64_t first, int64_t n)
{
    bool done = true;
    for (int i = 0; i < r->n && done; i++) {
        row_file *f = &r->files->items[i];
        const tg_tensor *like = r->data[i];
        int64_t shape[TG_MAX_DIMS];
        memcpy(shape, like->shape, (size_t)like->ndim * sizeof *shape);
        shape[0] = n;
        tg_tensor *t = w->data[i] = tg__new(w->tg, like->dtype, like->ndim, shape);
        if (!t) return false;
        priv(t)->storage->lender = priv(t)->storage;
        ask_ahead(r->files, f, first, n);
        if (!tg__source_is_shared()) tg__lock(r->tg);
        done = read_row_file(f, first, t);
        if (!tg__source_is_shared()) tg__unlock(r->tg);
    }
    return done;
}

/* ---- Opening. */

/* Opens a file, of whose path it makes a copy, since messages show it later. */
static bool open_row_file(tg_context *tg, const char *name, const char *path, row_file *f)
{
    if (!tg__source_open(&f->from, tg, name, path, false)) return false;
    char *copy = tg__alloc(tg, strlen(path) + 1);
    if (copy)
        f->from.path = strcpy(copy, path);
    else
        tg__source_close(&f->from);
    return copy != NULL;
}

static bool read_npy_rows(row_file *f)
{
    npy_array a;
    if (!tg__read_npy_header(&f->from, &a) || !tg__check_npy_size(&f->from, &a)) return false;
    if (a.ndim == 0) return tg__source_fail_as(&f->from, TG_ERR_SHAPE, "[] has no rows");
    if (a.fortran && a.ndim > 1)
        return tg__source_fail(&f->from,
                               "it is in Fortran order, in which a row does not lie together: "
                               "numpy.ascontiguousarray makes C order");
    f->start = a.start;
    f->type = a.type;
    f->big_endian = a.big_endian;
    f->rows = a.shape[0];
    f->row_numel = tg__numel(a.ndim - 1, a.shape + 1);
    f->ndim = a.ndim - 1;
    for (int d = 1; d < a.ndim; d++) f->shape[d - 1] = a.shape[d];
    return true;
}

/* Whether a row of a raw file has elements of a type that can be read. */
static bool check_raw(row_file *f, const tg_raw_rows *raw)
{
    const int type = (int)raw->type - 1;
    if (type < 0 || type >= FILE_TYPES || type == FILE_BOOL)
        return tg__source_fail_as(&f->from, TG_ERR_ARGUMENT, "there is no type %d of elements; %s",
                                  (int)raw->type, "TG_STORED_F32 is one");
    f->type = (file_type)type;
    f->ndim = raw->shape.ndim;
    if (raw->shape.ndim < 0 || raw->shape.ndim >= TG_MAX_DIMS ||
        (raw->shape.ndim > 0 && !raw->shape.dims))
        return tg__source_fail_as(&f->from, TG_ERR_SHAPE,
                                  "a row has %d dimensions; 0 to %d are allowed, with their sizes",
                                  raw->shape.ndim, TG_MAX_DIMS - 1);
    for (int d = 0; d < f->ndim; d++)
        if ((f->shape[d] = raw->shape.dims[d]) < 1)
            return tg__source_fail_as(&f->from, TG_ERR_SHAPE, "size %lld of a row is not positive",
                                      (long long)f->shape[d]);
    return true;
}

static bool read_raw_rows(row_file *f, const tg_raw_rows *raw)
{
    if (!check_raw(f, raw)) return false;
    f->row_numel = tg__numel(f->ndim, f->shape);
    f->start = raw->offset;
    f->big_endian = false;
    const uint64_t row = (uint64_t)tg__times(f->row_numel, (int64_t)tg__type_size(f->type));
    if (raw->offset > f->from.size)
        return tg__source_fail(&f->from, "it has %llu bytes, and its rows begin at byte %llu",
                               (unsigned long long)f->from.size, (unsigned long long)raw->offset);
    const uint64_t bytes = f->from.size - raw->offset;
    f->rows = (int64_t)(bytes / row);
    return bytes % row == 0 ||
           tg__source_fail(&f->from, "%llu bytes are no whole number of rows of %llu",
                           (unsigned long long)bytes, (unsigned long long)row);
}

/* Whether the last file has the number of rows that the first has. */
static bool check_rows(const row_files *all, source *last, bool empty)
{
    const row_file *f = &all->items[all->n - 1], *first = all->items;
    if (f->rows == 0 && !empty) return tg__source_fail_as(last, TG_ERR_SHAPE, "it has no rows");
    return f->rows == first->rows ||
           tg__source_fail_as(last, TG_ERR_SHAPE, "it has %lld rows, and %s has %lld",
                              (long long)f->rows, tg__path_end(first->from.path),
                              (long long)first->rows);
}

static void close_row_files(void *user)
{
    row_files *all = user;
    for (int i = 0; i < all->n; i++) tg__source_close(&all->items[i].from);
    all->n = 0;
}

/* Opens all files: those of raw, or, if this is NULL, the .npy files with these paths. */
static bool open_all(tg_context *tg, const char *name, row_files *all, int n,
                     const char *const *paths, const tg_raw_rows *raw, bool empty)
{
    for (int i = 0; i < n; i++) {
        row_file *f = &all->items[i];
        if (!open_row_file(tg, name, raw ? raw[i].path : paths[i], f)) return false;
        all->n = i + 1;
        tg__source_stream(&f->from);
        if (!(raw ? read_raw_rows(f, &raw[i]) : read_npy_rows(f)) ||
            !check_rows(all, &f->from, empty))
            return false;
    }
    return true;
}

static tg_rows *rows_of_files(tg_context *tg, const char *name, row_files *all,
                              const tg_rows_options *options)
{
    tg_row_type *types = tg__alloc(tg, tg__bytes(all->n, sizeof *types));
    if (!types) return NULL;
    for (int i = 0; i < all->n; i++) {
        row_file *f = &all->items[i];
        types[i] = (tg_row_type){tg__type_dtype(f->type), {f->ndim, f->shape}};
    }
    tg_rows *r = tg__rows_of(tg, name, all->n, types, all->items->rows, options);
    if (r) r->files = all;
    return r;
}

static tg_rows *open_rows(tg_context *tg, const char *name, int n, const char *const *paths,
                          const tg_raw_rows *raw, const tg_rows_options *options)
{
    if (!tg || !tg__ready(tg)) return NULL;
    if (n < 1 || (!paths && !raw))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: no file is given", name);
    row_files *all = tg__alloc(tg, sizeof *all);
    row_file *items = tg__alloc(tg, tg__bytes(n, sizeof *items));
    if (!all || !items) return NULL;
    *all = (row_files){.items = items};
    tg_rows *r = open_all(tg, name, all, n, paths, raw, tg__may_be_empty(options))
                     ? rows_of_files(tg, name, all, options)
                     : NULL;
    if (r && tg__at_scope_end(tg, close_row_files, all)) return r;
    close_row_files(all);
    return NULL;
}

tg_rows *tg_rows_from_npy(tg_context *tg, int n, const char *const *paths,
                          const tg_rows_options *options)
{
    return open_rows(tg, "rows_from_npy", n, paths, NULL, options);
}

tg_rows *tg_rows_from_raw(tg_context *tg, int n, const tg_raw_rows *files,
                          const tg_rows_options *options)
{
    return open_rows(tg, "rows_from_raw", n, NULL, files, options);
}
