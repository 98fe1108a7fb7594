/* IDX files, in which MNIST comes (http://yann.lecun.com/exdb/mnist). Numbers have their most
 * significant byte first:
 *
 *     4 bytes           4 bytes each: ndim sizes     row-major
 *     +-----------------+--------------------------+-------------------------+
 *     | 0 0 type ndim   | sizes                    | elements                |
 *     +-----------------+--------------------------+-------------------------+
 *
 * A file may be compressed by gzip (RFC 1952). It then has a header, deflated data, their CRC, and
 * their size: an entry of an archive, as it were. */
#include "convert.h"
#include "zip.h"

#include <string.h>

/* ---- Files compressed by gzip. */

/* Moves *at behind a text, which ends with a byte 0. */
static bool skip_gzip_text(source *s, uint64_t *at)
{
    char c;
    do
        if (!tg__source_read(s, (*at)++, &c, 1)) return false;
    while (c);
    return true;
}

/* Finds the deflated data, and what the end of the file says of them. */
static bool find_gzip_data(source *s, zip_entry *e)
{
    enum { CRC = 2, EXTRA = 4, NAME = 8, COMMENT = 16, UNKNOWN = 0xe0, HEADER = 10, END = 8 };
    unsigned char head[HEADER + 2], end[END];
    if (s->size < HEADER + END) return tg__source_fail(s, "the file is cut");
    if (!tg__source_read(s, 0, head, sizeof head) || !tg__source_read(s, s->size - END, end, END))
        return false;
    const int flags = head[3];
    if (head[2] != 8 || flags & UNKNOWN)
        return tg__source_fail(s, "it is compressed in a way that gzip does not know");
    e->offset = HEADER;
    if (flags & EXTRA) e->offset += 2 + tg__little(head + HEADER, 2);
    if (flags & NAME && !skip_gzip_text(s, &e->offset)) return false;
    if (flags & COMMENT && !skip_gzip_text(s, &e->offset)) return false;
    if (flags & CRC) e->offset += 2;
    if (e->offset > s->size - END) return tg__source_fail(s, "the file is cut");
    e->packed = s->size - END - e->offset;
    e->crc = (uint32_t)tg__little(end, 4);
    e->size = tg__little(end + 4, 4);
    e->deflated = true;
    return e->size / INFLATE_RATIO <= e->packed ||
           tg__source_fail(s, "the compressed data are too short for their size");
}

static tg_tensor *read_plain_idx(source *s, tg_dtype dtype);

static tg_tensor *read_gzip_idx(source *s, tg_dtype dtype)
{
    char name[] = "gzip";
    zip_entry e = {.name = name};
    zip z = {.from = s};
    source content;
    tg_tensor *t = NULL;
    if (find_gzip_data(s, &e) && tg__zip_begin_source(&z, &e, &content))
        t = read_plain_idx(&content, dtype);
    if (t && !tg__zip_end(&z)) {
        tg_release(t);
        t = NULL;
    }
    tg__zip_close(&z);
    return t;
}

/* ---- The format. */

/* The type that a code stands for; FILE_TYPES for none. */
static file_type idx_type(int code)
{
    switch (code) {
    case 0x08: return FILE_U8;
    case 0x09: return FILE_I8;
    case 0x0b: return FILE_I16;
    case 0x0c: return FILE_I32;
    case 0x0d: return FILE_F32;
    case 0x0e: return FILE_F64;
    default: return FILE_TYPES;
    }
}

static tg_tensor *read_plain_idx(source *s, tg_dtype dtype)
{
    unsigned char head[4] = {1}, size[4];
    int64_t shape[TG_MAX_DIMS];
    if (s->size >= sizeof head && !tg__source_read(s, 0, head, sizeof head)) return NULL;
    const file_type type = idx_type(head[2]);
    const int ndim = head[3];
    if (head[0] || head[1] || type == FILE_TYPES) {
        tg__source_fail(s, "it is no IDX file, which begins with 0, 0 and a type");
        return NULL;
    }
    if (ndim > TG_MAX_DIMS) {
        tg__source_fail(s, "it has %d dimensions; at most 8 are allowed", ndim);
        return NULL;
    }
    for (int i = 0; i < ndim; i++) {
        if (!tg__source_read(s, 4 + 4 * (uint64_t)i, size, sizeof size)) return NULL;
        tg__swap_bytes(size, sizeof size, 1);
        shape[i] = (int64_t)tg__little(size, 4);
    }
    const uint64_t start = 4 + 4 * (uint64_t)ndim;
    const int64_t bytes = tg__times(tg__numel(ndim, shape), (int64_t)tg__type_size(type));
    if ((uint64_t)bytes != s->size - start || !tg__sizes_fit(ndim, shape)) {
        tg__source_fail(s, "%s of %s needs %lld bytes of elements, and there are %llu",
                        tg__show_sizes(s->tg, ndim, shape), tg__type_name(type), (long long)bytes,
                        (unsigned long long)(s->size - start));
        return NULL;
    }
    tg_tensor *t = tg_empty(s->tg, dtype, (tg_shape){ndim, shape});
    if (!t || tg__read_elements(s, NULL, start, type, true, t)) return t;
    tg_release(t);
    return NULL;
}

/* Reads the file, and closes it. */
static tg_tensor *load_idx(source *s, tg_dtype dtype)
{
    unsigned char head[2] = {0};
    tg_tensor *t = NULL;
    if (!tg__is_dtype(dtype))
        tg__fail(s->tg, TG_ERR_DTYPE, "%s: there is no dtype %d", s->op, (int)dtype);
    else if (s->size < sizeof head || tg__source_read(s, 0, head, sizeof head))
        t = head[0] == 0x1f && head[1] == 0x8b ? read_gzip_idx(s, dtype) : read_plain_idx(s, dtype);
    tg__source_close(s);
    return t;
}

tg_tensor *tg_load_idx(tg_context *tg, const char *path, tg_dtype dtype)
{
    source s;
    if (!tg || !tg__ready(tg)) return NULL;
    return tg__source_open(&s, tg, "load_idx", path, false) ? load_idx(&s, dtype) : NULL;
}

tg_tensor *tg_read_idx(tg_context *tg, const void *bytes, size_t n, tg_dtype dtype)
{
    source s;
    if (!tg || !tg__ready(tg)) return NULL;
    if (!bytes) return tg__fail(tg, TG_ERR_ARGUMENT, "read_idx: bytes is NULL");
    tg__source_memory(&s, tg, "read_idx", "memory", bytes, n);
    return load_idx(&s, dtype);
}
