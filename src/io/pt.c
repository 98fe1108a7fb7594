/* Checkpoints of PyTorch (https://pytorch.org/docs/stable/notes/serialization.html):
 *
 *     a zip archive, of stored entries:
 *     NAME/data.pkl    a pickle of dicts, lists, numbers, texts and tensors; a tensor is the key of
 *                      a storage, an offset in it, a shape and strides
 *     NAME/byteorder   "little" or "big"; little if it is not there
 *     NAME/data/0      the elements of the storage with key "0"
 *     NAME/data/1      and so on
 *
 * Other entries, such as NAME/version, are not needed. */
#include "../state/state.h"
#include "convert.h"
#include "pickle.h"
#include "zip.h"

#include <string.h>

enum {
    PT_NESTED = 32,   /* how deep dicts and lists may be nested; those that contain themselves end
                         here, too */
    PT_NAME = 500,    /* the longest name of a tensor, in bytes */
    PT_VALUES = 4096, /* how many values there may be, besides one for each 8 bytes of the file */
    PT_TEXT = 64      /* a text counts as one more value for each that many bytes */
};

/* What is known of an entry once a tensor has needed it. */
typedef struct storage_entry {
    tg_tensor *base; /* all its elements, as the first tensor or in one dimension */
    file_type type;
} storage_entry;

typedef struct pt_reader {
    source *file;
    tg_load_options o;
    zip archive;
    const char *folder; /* the first part of all names in the archive */
    int folder_length;
    bool big_endian;
    pickle pickle;
    unsigned char *bytes; /* of the pickle */
    size_t n_bytes;
    storage_entry *storages; /* one for each entry of the archive */
    int64_t values_left;
    tg_state *state;
    size_t length; /* of the name */
    char name[PT_NAME + 1];
} pt_reader;

/* Where the elements of a tensor lie in its storage. */
typedef struct placement {
    int ndim;
    int64_t offset, numel;
    int64_t shape[TG_MAX_DIMS], strides[TG_MAX_DIMS];
} placement;

static bool fail_value(pt_reader *r, const char *problem)
{
    char shown[100];
    return tg__source_fail(r->file, "'%s': %s",
                           tg__shorten(r->name, r->length, shown, sizeof shown), problem);
}

/* ---- Entries. */

/* The entry that the folder of the archive has at path and a key of n bytes; NULL if there is
 * none. */
static const zip_entry *find_in_folder(const pt_reader *r, const char *path, const char *key,
                                       size_t n)
{
    char name[256];
    const size_t length =
        (size_t)snprintf(name, sizeof name, "%.*s/%s", r->folder_length, r->folder, path);
    if (length >= sizeof name || n >= sizeof name - length || memchr(key, 0, n)) return NULL;
    memcpy(name + length, key, n);
    name[length + n] = 0;
    return tg__zip_find(&r->archive, name);
}

/* Finds the folder, which is that of the first entry. */
static bool find_folder(pt_reader *r)
{
    const char *slash = r->archive.n > 0 ? strchr(r->archive.entries[0].name, '/') : NULL;
    if (slash) {
        r->folder = r->archive.entries[0].name;
        r->folder_length = (int)(slash - r->folder);
        if (find_in_folder(r, "data.pkl", "", 0)) return true;
    }
    return tg__source_fail(r->file, "the archive has no data.pkl, as one of torch.save has");
}

static bool read_byte_order(pt_reader *r)
{
    const zip_entry *e = find_in_folder(r, "byteorder", "", 0);
    char order[8] = "little";
    if (!e) return true;
    if (e->size >= sizeof order) return tg__zip_fail(&r->archive, e, "it is no byte order");
    if (!tg__zip_load(&r->archive, e, order)) return false;
    order[e->size] = 0;
    r->big_endian = !strcmp(order, "big");
    return r->big_endian || !strcmp(order, "little") ||
           tg__zip_fail(&r->archive, e, "it is no byte order");
}

static bool read_pickle(pt_reader *r, pickle_value *root)
{
    const zip_entry *e = find_in_folder(r, "data.pkl", "", 0);
    tg_context *tg = r->file->tg;
    if (e->deflated)
        return tg__zip_fail(&r->archive, e, "it is compressed, which PyTorch never does");
    r->n_bytes = (size_t)e->size;
    r->bytes = tg__take(tg, r->n_bytes + 1);
    if (!r->bytes) return tg__fail(tg, TG_ERR_MEMORY, "%s: out of memory", r->file->op);
    return tg__zip_load(&r->archive, e, r->bytes) &&
           tg__pickle_read(&r->pickle, r->file, r->bytes, r->n_bytes, root);
}

/* ---- Storages. */

/* Makes a tensor of all elements of an entry. The CRC of one that is mapped is not checked, since
 * that would read all of it. */
static tg_tensor *load_storage(pt_reader *r, const zip_entry *e, file_type type, tg_shape shape)
{
    source content;
    if (r->o.map && r->file->memory && !e->deflated)
        return tg__load_elements(r->file, NULL, e->offset, type, r->big_endian, shape, true);
    if (!tg__zip_begin_source(&r->archive, e, &content)) return NULL;
    tg_tensor *t = tg__load_elements(&content, NULL, 0, type, r->big_endian, shape, false);
    if (t && tg__zip_end(&r->archive)) return t;
    tg_release(t);
    return NULL;
}

/* Copies the first n values of a box; false if there are fewer. */
static bool take_values(const pickle *p, pickle_value box, pickle_value *values, uint32_t n)
{
    uint32_t number = tg__pickle_first(p, box);
    if (tg__pickle_count(p, box) < n) return false;
    for (uint32_t i = 0; i < n; i++) {
        const pickle_cell cell = tg__pickle_cell(p, number);
        values[i] = cell.value;
        number = cell.next;
    }
    return true;
}

/* Finds the entry of a storage, its type, and the number of its elements. */
static const zip_entry *find_storage(pt_reader *r, pickle_value v, file_type *type, int64_t *numel)
{
    pickle_value about[5]; /* "storage", the class, the key, the device, the number of elements */
    if (v.kind != PICKLE_STORAGE || !take_values(&r->pickle, v, about, 5) ||
        about[1].kind != PICKLE_GLOBAL || about[1].integer < 0 || about[2].kind != PICKLE_TEXT ||
        about[4].kind != PICKLE_INTEGER) {
        fail_value(r, "its storage is not described as PyTorch does it");
        return NULL;
    }
    *type = (file_type)about[1].integer;
    *numel = about[4].integer;
    const char *key = (const char *)r->bytes + about[2].at;
    const zip_entry *e = find_in_folder(r, "data/", key, about[2].n);
    if (e && *numel >= 0 && *numel <= TG_MOST_ELEMENTS &&
        e->size == (uint64_t)*numel * tg__type_size(*type))
        return e;
    fail_value(r, e ? "its storage has not the size that data.pkl says"
                    : "its storage is not in the archive");
    return NULL;
}

/* ---- Tensors. */

/* Reads a tuple of numbers, none of them negative, and returns how many there are. If these are
 * more than TG_MAX_DIMS, none is read; -1 means another mistake. */
static int read_sizes(const pickle *p, pickle_value v, int64_t *sizes)
{
    pickle_value values[TG_MAX_DIMS];
    if (v.kind != PICKLE_TUPLE) return -1;
    const uint32_t n = tg__pickle_count(p, v);
    if (n > TG_MAX_DIMS) return TG_MAX_DIMS + 1;
    take_values(p, v, values, n);
    for (uint32_t i = 0; i < n; i++) {
        if (values[i].kind != PICKLE_INTEGER || values[i].integer < 0) return -1;
        sizes[i] = values[i].integer;
    }
    return (int)n;
}

/* Reads where the elements of a tensor lie. Strides that no element needs become those of a
 * row-major tensor. */
static bool read_placement(pt_reader *r, const pickle_value *arguments, placement *p)
{
    int64_t given[TG_MAX_DIMS];
    p->ndim = read_sizes(&r->pickle, arguments[2], p->shape);
    p->offset = arguments[1].integer;
    if (p->ndim > TG_MAX_DIMS) return fail_value(r, "it has more than 8 dimensions");
    if (arguments[1].kind != PICKLE_INTEGER || p->offset < 0 || p->ndim < 0 ||
        read_sizes(&r->pickle, arguments[3], given) != p->ndim)
        return fail_value(r, "its offset, shape or strides are wrong");
    if (!tg__sizes_fit(p->ndim, p->shape)) return fail_value(r, "its shape is too large");
    p->numel = tg__numel(p->ndim, p->shape);
    tg__strides(p->ndim, p->shape, p->strides);
    for (int i = 0; i < p->ndim; i++)
        if (p->numel > 0 && p->shape[i] > 1) p->strides[i] = given[i];
    return true;
}

/* Whether the elements lie within the first n of a storage. */
static bool lies_within(const placement *p, int64_t n)
{
    int64_t last = p->offset;
    for (int i = 0; i < p->ndim; i++)
        if (p->shape[i] > 1) last = tg__plus(last, tg__times(p->shape[i] - 1, p->strides[i]));
    return p->numel == 0 || last < n;
}

/* Whether the elements are those of t, and in its order. */
static bool is_placed_as(const placement *p, const tg_tensor *t)
{
    const size_t bytes = (size_t)p->ndim * sizeof *p->shape;
    return p->offset == 0 && p->ndim == t->ndim && memcmp(p->shape, t->shape, bytes) == 0 &&
           memcmp(p->strides, t->strides, bytes) == 0;
}

/* Makes a tensor on a storage that has n elements. The first tensor that is a whole storage in its
 * order owns the elements; others are views, which share them as in PyTorch, but no history. */
static tg_tensor *make_tensor_on(pt_reader *r, const zip_entry *e, file_type type, int64_t n,
                                 const placement *p)
{
    storage_entry *s = &r->storages[e - r->archive.entries];
    int64_t row_major[TG_MAX_DIMS];
    tg__strides(p->ndim, p->shape, row_major);
    const bool is_whole = p->offset == 0 && p->numel == n &&
                          memcmp(row_major, p->strides, (size_t)p->ndim * sizeof *row_major) == 0;
    if (!s->base) {
        s->type = type;
        s->base = load_storage(r, e, type, is_whole ? (tg_shape){p->ndim, p->shape} : TG_SHAPE(n));
        if (!s->base) return NULL;
    }
    if (s->type != type) {
        fail_value(r, "its storage has another type in another tensor");
        return NULL;
    }
    if (is_placed_as(p, s->base)) return s->base;
    tg_tensor *view = tg__new_view(s->base, p->ndim, p->shape, p->strides, p->offset);
    if (view) priv(view)->detached = true;
    return view;
}

/* Whether a tensor has the seventh argument, which PyTorch adds since version 2.0 to one that is
 * stored without its sign, or without its complex conjugation. */
static bool has_metadata(const pickle *p, pickle_value tensor)
{
    pickle_value arguments[7];
    if (!take_values(p, tensor, arguments, 7)) return false;
    const pickle_value last = arguments[6];
    return last.kind != PICKLE_NONE &&
           !(last.kind == PICKLE_DICT && tg__pickle_count(p, last) == 0);
}

static tg_tensor *read_pt_tensor(pt_reader *r, pickle_value v)
{
    pickle_value arguments[4]; /* the storage, the offset, the shape, the strides */
    placement p;
    file_type type;
    int64_t n;
    if (!take_values(&r->pickle, v, arguments, 4)) {
        fail_value(r, "it is not described as PyTorch does it");
        return NULL;
    }
    if (has_metadata(&r->pickle, v)) {
        fail_value(r, "it is stored with its sign or conjugation apart; save its clone() instead");
        return NULL;
    }
    const zip_entry *e = find_storage(r, arguments[0], &type, &n);
    if (!e || !read_placement(r, arguments, &p)) return NULL;
    const bool inside = lies_within(&p, n);
    if (!inside || (p.numel > n && (uint64_t)p.numel > r->file->size)) {
        fail_value(r, inside ? "it repeats elements, and has more than the file has bytes"
                             : "it reaches beyond its storage");
        return NULL;
    }
    return tg__check_type(r->file, r->name, type, &r->o) ? make_tensor_on(r, e, type, n, &p) : NULL;
}

/* ---- Values and their names. */

static tg_tensor *make_number(pt_reader *r, pickle_value v)
{
    const tg_dtype dtype = v.kind == PICKLE_BOOL     ? TG_BOOL
                           : v.kind == PICKLE_NUMBER ? TG_F64
                                                     : TG_I64;
    tg_tensor *t = tg_empty(r->file->tg, dtype, TG_SHAPE());
    if (!t) return NULL;
    if (v.kind == PICKLE_BOOL)
        *(uint8_t *)t->data = v.integer != 0;
    else if (v.kind == PICKLE_NUMBER)
        *(double *)t->data = v.number;
    else
        *(int64_t *)t->data = v.integer;
    return t;
}

/* Copies a text, which must be UTF-8 without a byte 0, to `out`. */
static bool copy_text(pt_reader *r, pickle_value v, char *out)
{
    memcpy(out, r->bytes + v.at, v.n);
    out[v.n] = 0;
    return (strlen(out) == v.n && tg__utf8_length(out, true) >= 0) ||
           fail_value(r, "the text is not UTF-8, or has a byte 0");
}

static bool add_pt_text(pt_reader *r, pickle_value v)
{
    tg_context *tg = r->file->tg;
    char *text = tg__take(tg, (size_t)v.n + 1);
    if (!text) return tg__fail(tg, TG_ERR_MEMORY, "%s: out of memory", r->file->op);
    const bool added = tg_state_text(r->state, r->name)
                           ? fail_value(r, "the name is there twice")
                           : copy_text(r, v, text) && tg_state_set_text(r->state, r->name, text);
    tg__give(tg, text, (size_t)v.n + 1);
    return added;
}

/* A view has a claim on the elements of its storage, which stay until it is released. */
static void release_view(tg_tensor *t)
{
    if (priv(t)->storage != &priv(t)->own) tg_release(t);
}

static bool add_pt_tensor(pt_reader *r, pickle_value v)
{
    if (tg_state_find(r->state, r->name)) return fail_value(r, "the name is there twice");
    tg_tensor *t = v.kind == PICKLE_TENSOR ? read_pt_tensor(r, v) : make_number(r, v);
    if (!t || tg_state_add(r->state, r->name, t)) return t;
    release_view(t);
    return false;
}

/* Adds what is no list or dict under the name at hand. */
static bool add_value(pt_reader *r, pickle_value v)
{
    switch (v.kind) {
    case PICKLE_NONE: return true;
    case PICKLE_TEXT: return add_pt_text(r, v);
    case PICKLE_BOOL:
    case PICKLE_INTEGER:
    case PICKLE_NUMBER:
    case PICKLE_TENSOR: return add_pt_tensor(r, v);
    case PICKLE_LARGE: return fail_value(r, "the number is too large for int64");
    default: return fail_value(r, "it is no tensor, number, text, list or dict");
    }
}

/* Appends the key of a dict, or the place in a list, to the name, behind a point. */
static bool append_key(pt_reader *r, pickle_value key)
{
    char *at = r->name + r->length;
    const size_t room = PT_NAME - r->length;
    char number[24];
    if (key.kind == PICKLE_INTEGER) snprintf(number, sizeof number, "%lld", (long long)key.integer);
    const char *text = key.kind == PICKLE_TEXT ? (const char *)r->bytes + key.at : number;
    const size_t n = key.kind == PICKLE_TEXT ? key.n : strlen(number);
    if (key.kind != PICKLE_TEXT && key.kind != PICKLE_INTEGER)
        return fail_value(r, "a key is neither a text nor an integer");
    if (n + 1 > room) return fail_value(r, "a name has more than 500 bytes");
    if (r->length > 0) *at++ = '.';
    memcpy(at, text, n);
    at[n] = 0;
    r->length = (size_t)(at - r->name) + n;
    return (n > 0 && strlen(at) == n && tg__utf8_length(at, false) >= 0) ||
           fail_value(r, "a key is empty, is not UTF-8, or has a control character");
}

/* A dict or list whose values are being added. */
typedef struct pt_level {
    uint32_t next; /* the number of the next cell; 0: there is none */
    int64_t index; /* of the next value of a list; -1 in a dict */
    size_t length; /* of its name */
} pt_level;

static bool is_box(pickle_value v)
{
    return v.kind == PICKLE_DICT || v.kind == PICKLE_LIST || v.kind == PICKLE_TUPLE;
}

static pt_level enter_level(const pt_reader *r, pickle_value v)
{
    return (pt_level){tg__pickle_first(&r->pickle, v), v.kind == PICKLE_DICT ? -1 : 0, r->length};
}

/* Takes the next value of a level, and sets the name to its own. */
static bool next_value(pt_reader *r, pt_level *l, pickle_value *v)
{
    pickle_cell cell = tg__pickle_cell(&r->pickle, l->next);
    pickle_value key = {.kind = PICKLE_INTEGER, .integer = l->index};
    r->length = l->length;
    if (l->index < 0) {
        key = cell.value;
        cell = tg__pickle_cell(&r->pickle, cell.next);
    } else {
        l->index++;
    }
    *v = cell.value;
    l->next = cell.next;
    return append_key(r, key);
}

/* Adds all values in the tree of dicts and lists. A file can refer to one of them many times; its
 * size therefore bounds how many values there may be. */
static bool add_values(pt_reader *r, pickle_value root)
{
    pt_level levels[PT_NESTED] = {enter_level(r, root)};
    for (int depth = 1; depth > 0;) {
        pt_level *l = &levels[depth - 1];
        pickle_value v;
        if (l->next == 0) {
            depth--;
            continue;
        }
        if (!next_value(r, l, &v)) return false;
        r->values_left -= 1 + (v.kind == PICKLE_TEXT ? v.n / PT_TEXT : 0);
        if (r->values_left < 0)
            return fail_value(r, "these are too many values for a file of this size; tensors "
                                 "should hold them");
        if (!is_box(v)) {
            if (!add_value(r, v)) return false;
        } else if (depth == PT_NESTED) {
            return fail_value(r, "dicts and lists are nested more than 32 deep, or contain "
                                 "themselves");
        } else {
            levels[depth++] = enter_level(r, v);
        }
    }
    return true;
}

static bool add_root(pt_reader *r, pickle_value root)
{
    if (is_box(root)) return add_values(r, root);
    r->length = (size_t)snprintf(r->name, sizeof r->name, "tensor");
    return root.kind == PICKLE_TENSOR
               ? add_pt_tensor(r, root)
               : tg__source_fail(r->file, "data.pkl has no tensor, dict or list");
}

/* ---- Files. */

static bool check_is_checkpoint(source *file)
{
    unsigned char first[2] = {0};
    if (file->size >= 2 && !tg__source_read(file, 0, first, 2)) return false;
    if (first[0] == 'P' && first[1] == 'K') return true;
    if (first[0] == 0x80)
        return tg__source_fail(file, "it has the format of PyTorch before 1.6; load it there and "
                                     "save it again by torch.save(state, path)");
    return tg__source_fail(file, "it is no checkpoint of torch.save, which is a zip archive");
}

static bool read_checkpoint(pt_reader *r)
{
    tg_context *tg = r->file->tg;
    pickle_value root;
    r->state = tg_state_new(tg);
    if (!r->state || !find_folder(r) || !read_byte_order(r) || !read_pickle(r, &root)) return false;
    const size_t bytes = (size_t)r->archive.n * sizeof *r->storages;
    r->storages = tg__take(tg, bytes);
    if (!r->storages) return tg__fail(tg, TG_ERR_MEMORY, "%s: out of memory", r->file->op);
    memset(r->storages, 0, bytes);
    r->values_left = PT_VALUES + (int64_t)(r->file->size / 8);
    return add_root(r, root) && tg__source_keep(r->file);
}

/* Gives back all memory but that of the tensors, and theirs too if the file was not read. */
static void close_checkpoint(pt_reader *r, bool read)
{
    tg_context *tg = r->file->tg;
    for (int64_t i = 0; r->state && !read && i < r->state->n; i++)
        release_view(r->state->items[i].tensor);
    for (int64_t i = 0; r->storages && !read && i < r->archive.n; i++)
        tg_release(r->storages[i].base);
    if (r->storages) tg__give(tg, r->storages, (size_t)r->archive.n * sizeof *r->storages);
    if (r->pickle.from) tg__pickle_close(&r->pickle);
    if (r->bytes) tg__give(tg, r->bytes, r->n_bytes + 1);
    tg__zip_close(&r->archive);
}

/* Reads the file, and closes it. */
static tg_state *load_checkpoint(source *file, const tg_load_options *options)
{
    pt_reader r = {.file = file, .o = options ? *options : tg_load_defaults()};
    bool read = false;
    if (check_is_checkpoint(file) && tg__zip_open(&r.archive, file)) {
        read = read_checkpoint(&r);
        close_checkpoint(&r, read);
    }
    tg__source_close(file);
    return read ? r.state : NULL;
}

tg_state *tg_load_pt(tg_context *tg, const char *path, const tg_load_options *options)
{
    source file;
    if (!tg || !tg__ready(tg)) return NULL;
    return tg__source_open(&file, tg, "load_pt", path, options && options->map)
               ? load_checkpoint(&file, options)
               : NULL;
}

tg_state *tg_read_pt(tg_context *tg, const void *bytes, size_t n, const tg_load_options *options)
{
    source file;
    if (!tg || !tg__ready(tg)) return NULL;
    if (!bytes) return tg__fail(tg, TG_ERR_ARGUMENT, "read_pt: bytes is NULL");
    tg__source_memory(&file, tg, "read_pt", "memory", bytes, n);
    return load_checkpoint(&file, options);
}
