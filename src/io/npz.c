/* .npz files: zip archives in which each entry NAME.npy is an array. */
#include "../state/state.h"
#include "npy.h"
#include "zip.h"

#include <string.h>

enum { NPZ_SHOWN = 100, NPZ_PATH = 256 }; /* the room for a name and a path in messages */

static const char suffix[] = ".npy";
enum { SUFFIX = sizeof suffix - 1 };

/* ---- Reading. */

/* Adds the array of an entry to the list. */
static bool add_array(zip *z, zip_entry *e, tg_state *state, const tg_load_options *o)
{
    char path[NPZ_PATH + NPZ_SHOWN], shown[NPZ_SHOWN];
    const source *file = z->from;
    source array;
    const size_t n = strlen(e->name), path_n = strlen(file->path);
    if (n <= SUFFIX || strcmp(e->name + n - SUFFIX, suffix) != 0)
        return tg__zip_fail(z, e, "it is no array, as its name does not end in .npy");
    e->name[n - SUFFIX] = 0;
    snprintf(path, sizeof path, "%s: tensor '%s'",
             file->path + (path_n > NPZ_PATH ? path_n - NPZ_PATH : 0),
             tg__shorten(e->name, n - SUFFIX, shown, sizeof shown));
    tg_tensor *t = NULL;
    if (tg__zip_begin_source(z, e, &array)) {
        array.path = path;
        t = tg__load_array(&array, o);
    }
    if (t && tg__zip_end(z) && tg_state_add(state, e->name, t)) return true;
    tg_release(t);
    return false;
}

static tg_state *load_archive(source *s, const tg_load_options *options)
{
    const tg_load_options o = options ? *options : tg_load_defaults();
    zip z;
    tg_state *state = tg_state_new(s->tg);
    if (!state || !tg__zip_open(&z, s)) return NULL;
    int64_t done = 0;
    while (done < z.n && add_array(&z, &z.entries[done], state, &o)) done++;
    const bool read = done == z.n;
    for (int64_t i = 0; !read && i < state->n; i++) tg_release(state->items[i].tensor);
    tg__zip_close(&z);
    return read ? state : NULL;
}

tg_state *tg_load_npz(tg_context *tg, const char *path, const tg_load_options *options)
{
    source s;
    if (!tg || !tg__ready(tg) || !tg__source_open(&s, tg, "load_npz", path, false)) return NULL;
    tg_state *state = load_archive(&s, options);
    tg__source_close(&s);
    return state;
}

tg_state *tg_read_npz(tg_context *tg, const void *bytes, size_t n, const tg_load_options *options)
{
    static const char op[] = "read_npz";
    source s;
    if (!tg || !tg__ready(tg)) return NULL;
    if (!bytes) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: bytes is NULL", op);
    tg__source_memory(&s, tg, op, "memory", bytes, n);
    return load_archive(&s, options);
}

/* ---- Writing. The bytes are those of numpy.savez, which puts ZIP64 numbers into each local header
 * and gives every entry the first day that the format knows, 1980-01-01. */

/* From here on, numpy.savez writes a number of the directory with 64 bits. */
#define NPZ_WIDE (UINT64_C(1) << 31)

typedef struct npz_entry {
    uint64_t size, at; /* of the array; where the local header lies */
    uint32_t crc;
} npz_entry;

typedef struct npz_writer {
    sink to;
    const tg_state *state;
    crc_table table;
    npz_entry *entry;     /* that is being written */
    npz_entry entries[1]; /* one for each tensor, and one more */
} npz_writer;

/* A header while it is made. */
typedef struct npz_record {
    unsigned char bytes[80];
    size_t n;
} npz_record;

static void npz_put(npz_record *r, uint64_t number, int width)
{
    for (int i = 0; i < width; i++) r->bytes[r->n++] = (unsigned char)(number >> 8 * i);
}

/* Puts what a local header and an entry of the directory have in common: from the version of the
 * format to the length of the name. */
static void put_common(npz_record *r, const npz_entry *e, const char *name, uint64_t size)
{
    uint64_t n = 0, utf8 = 0;
    for (; name[n]; n++) utf8 |= (unsigned char)name[n] >> 7;
    npz_put(r, 45, 2);
    npz_put(r, utf8 << 11, 2);
    npz_put(r, 0, 4); /* stored, at 0:00 */
    npz_put(r, 0x21, 2);
    npz_put(r, e->crc, 4);
    npz_put(r, size, 4);
    npz_put(r, size, 4);
    npz_put(r, n + SUFFIX, 2);
}

static bool write_record(npz_writer *w, const npz_record *r)
{
    return tg__sink_write(&w->to, r->bytes, r->n);
}

static bool write_name(npz_writer *w, const char *name)
{
    return tg__sink_write(&w->to, name, strlen(name)) && tg__sink_write(&w->to, suffix, SUFFIX);
}

static void add_to_crc(void *user, const void *bytes, size_t n)
{
    npz_writer *w = user;
    w->entry->crc = tg__crc(&w->table, w->entry->crc, bytes, n);
    w->entry->size += n;
}

/* Writes an entry of the archive. The array is written twice, first to nowhere: this gives its CRC
 * and size, which stand in the header before it. */
static bool write_array(npz_writer *w, const tg_named *named, file_type type)
{
    npz_entry *e = w->entry;
    sink nowhere = {.tg = w->to.tg, .op = w->to.op, .path = w->to.path};
    nowhere.instead = add_to_crc;
    nowhere.user = w;
    *e = (npz_entry){.at = w->to.at};
    if (!tg__write_npy(&nowhere, named->name, type, named->tensor)) {
        tg__sink_abandon(&w->to);
        return false;
    }
    npz_record head = {.n = 0}, extra = {.n = 0};
    npz_put(&head, 0x04034b50, 4);
    put_common(&head, e, named->name, UINT32_MAX);
    npz_put(&head, 20, 2);
    npz_put(&extra, 1, 2);
    npz_put(&extra, 16, 2);
    npz_put(&extra, e->size, 8);
    npz_put(&extra, e->size, 8);
    return write_record(w, &head) && write_name(w, named->name) && write_record(w, &extra) &&
           tg__write_npy(&w->to, named->name, type, named->tensor);
}

/* Writes an entry of the directory. */
static bool write_entry(npz_writer *w, const npz_entry *e, const char *name)
{
    const bool wide = e->size >= NPZ_WIDE, far = e->at >= NPZ_WIDE;
    npz_record head = {.n = 0}, extra = {.n = 0};
    npz_put(&head, 0x02014b50, 4);
    npz_put(&head, 45 | 3 << 8, 2); /* made on Unix */
    put_common(&head, e, name, wide ? UINT32_MAX : e->size);
    if (wide || far) {
        npz_put(&extra, 1, 2);
        npz_put(&extra, (wide ? 16u : 0) + (far ? 8u : 0), 2);
    }
    if (wide) {
        npz_put(&extra, e->size, 8);
        npz_put(&extra, e->size, 8);
    }
    if (far) npz_put(&extra, e->at, 8);
    npz_put(&head, extra.n, 2);
    npz_put(&head, 0, 6);
    npz_put(&head, UINT32_C(0600) << 16, 4); /* the permissions */
    npz_put(&head, far ? UINT32_MAX : e->at, 4);
    return write_record(w, &head) && write_name(w, name) && write_record(w, &extra);
}

static uint64_t npz_limited(uint64_t number, uint64_t limit)
{
    return number < limit ? number : limit;
}

/* Writes the end of the directory, which begins at `at`. */
static bool write_end(npz_writer *w, uint64_t at)
{
    const uint64_t n = (uint64_t)w->state->n, bytes = w->to.at - at, end = w->to.at;
    npz_record r = {.n = 0};
    if (n > UINT16_MAX || at >= NPZ_WIDE || bytes >= NPZ_WIDE) {
        npz_put(&r, 0x06064b50, 4);
        npz_put(&r, 44, 8);
        npz_put(&r, 45 | 45 << 16, 4);
        npz_put(&r, 0, 8);
        npz_put(&r, n, 8);
        npz_put(&r, n, 8);
        npz_put(&r, bytes, 8);
        npz_put(&r, at, 8);
        npz_put(&r, 0x07064b50, 4);
        npz_put(&r, 0, 4);
        npz_put(&r, end, 8);
        npz_put(&r, 1, 4);
        if (!write_record(w, &r)) return false;
        r.n = 0;
    }
    npz_put(&r, 0x06054b50, 4);
    npz_put(&r, 0, 4);
    npz_put(&r, npz_limited(n, UINT16_MAX), 2);
    npz_put(&r, npz_limited(n, UINT16_MAX), 2);
    npz_put(&r, npz_limited(bytes, UINT32_MAX), 4);
    npz_put(&r, npz_limited(at, UINT32_MAX), 4);
    npz_put(&r, 0, 2);
    return write_record(w, &r);
}

static bool write_archive(npz_writer *w, const tg_save_options *o)
{
    const tg_state *s = w->state;
    for (int64_t i = 0; i < s->n; i++) {
        w->entry = &w->entries[i];
        if (!write_array(w, &s->items[i], tg__stored_type(s->items[i].tensor->dtype, o)))
            return false;
    }
    const uint64_t at = w->to.at;
    for (int64_t i = 0; i < s->n; i++)
        if (!write_entry(w, &w->entries[i], s->items[i].name)) return false;
    return write_end(w, at) && tg__sink_commit(&w->to);
}

static bool check_npz(const tg_state *s, const char *op, const tg_save_options *o)
{
    if (!tg__check_stored(s->context, op, o)) return false;
    if (s->n_texts > 0)
        return tg__fail(s->context, TG_ERR_ARGUMENT,
                        "%s: a .npz file cannot hold the texts of the list; "
                        "tg_save_safetensors can",
                        op);
    for (int64_t i = 0; i < s->n; i++) {
        const tg_named *named = &s->items[i];
        if (strlen(named->name) > UINT16_MAX - SUFFIX)
            return tg__fail(s->context, TG_ERR_ARGUMENT, "%s: a name has more than %d bytes", op,
                            UINT16_MAX - SUFFIX);
        if (!tg__check_npy(op, named->name, named->tensor,
                           tg__stored_type(named->tensor->dtype, o)))
            return false;
    }
    return true;
}

bool tg_save_npz(const tg_state *s, const char *path, const tg_save_options *options)
{
    static const char op[] = "save_npz";
    const tg_save_options o = options ? *options : tg_save_defaults();
    if (!s || !tg__ready(s->context) || !check_npz(s, op, &o)) return false;
    tg_context *tg = s->context;
    const size_t bytes = sizeof(npz_writer) + tg__bytes(s->n, sizeof(npz_entry));
    npz_writer *w = tg__take(tg, bytes);
    if (!w) return tg__fail(tg, TG_ERR_MEMORY, "%s: out of memory", op);
    w->state = s;
    tg__crc_begin(&w->table);
    const bool saved = tg__sink_open(&w->to, tg, op, path) && write_archive(w, &o);
    tg__give(tg, w, bytes);
    return saved;
}
