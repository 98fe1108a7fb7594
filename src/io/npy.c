/* .npy files (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html):
 *
 *     6 bytes        2         2, or 4 since version 2.0   n bytes
 *     +--------------+---------+-------------------------+---------------------------+----------+
 *     | \x93 N U M P Y | version | n                       | {'descr': '<f4', ...}, | elements |
 *     |              |         |                         | blanks, a line end        |          |
 *     +--------------+---------+-------------------------+---------------------------+----------+
 *
 * The header is a literal of Python's dict. What is read is what programs write: the three keys in
 * any order, texts in quotes of both kinds without escapes, decimal sizes with or without an L,
 * blanks, and a last comma. */
#include "npy.h"

#include <string.h>

enum { NPY_LONGEST = 4096, NPY_DESCR = 16 }; /* in bytes: a header; the text of a type */

/* NumPy's names of the types, without the byte order. */
static const char npy_types[FILE_TYPES][3] = {
    [FILE_F32] = "f4", [FILE_F64] = "f8", [FILE_I64] = "i8", [FILE_BOOL] = "b1",
    [FILE_F16] = "f2", [FILE_U8] = "u1",  [FILE_I8] = "i1",  [FILE_U16] = "u2",
    [FILE_I16] = "i2", [FILE_U32] = "u4", [FILE_I32] = "i4", [FILE_U64] = "u8",
};

/* ---- Reading. */

typedef struct npy_reader {
    source *from;
    const char *at; /* in the header */
    npy_array *array;
} npy_reader;

static bool refuse_header(npy_reader *r, const char *problem)
{
    return tg__source_fail(r->from, "its header: %s", problem);
}

/* Moves behind a character, and the blanks before it, if it comes next. */
static bool skip(npy_reader *r, char c)
{
    while (*r->at && strchr(" \t\r\n", *r->at)) r->at++;
    if (*r->at != c) return false;
    r->at++;
    return true;
}

/* Reads a text in quotes, of less than `room` bytes. */
static bool parse_text(npy_reader *r, char *text, size_t room)
{
    const bool single = skip(r, '\'');
    if (!single && !skip(r, '"')) return refuse_header(r, "a text in quotes is missing");
    size_t n = strcspn(r->at, "'\"\\\n");
    if (r->at[n] != (single ? '\'' : '"')) return refuse_header(r, "a text is no plain one");
    if (n >= room) return refuse_header(r, "a text is too long");
    memcpy(text, r->at, n);
    text[n] = 0;
    r->at += n + 1;
    return true;
}

static bool refuse_type(npy_reader *r, const char *descr, const char *problem)
{
    char shown[NPY_DESCR + 4];
    return tg__source_fail_as(r->from, TG_ERR_DTYPE, "elements of type '%s'%s cannot be read",
                              tg__shorten(descr, strlen(descr), shown, sizeof shown), problem);
}

static bool parse_type(npy_reader *r)
{
    static const char kinds[][24] = {"O (Python objects)",  "U (texts)", "S (texts)", "a (texts)",
                                     "c (complex numbers)", "M (times)", "m (times)", "V (bytes)"};
    char descr[NPY_DESCR];
    if (skip(r, '['))
        return tg__source_fail_as(r->from, TG_ERR_DTYPE,
                                  "elements that are structs cannot be read");
    if (skip(r, '('))
        return tg__source_fail_as(r->from, TG_ERR_DTYPE, "elements that are arrays cannot be read");
    if (!parse_text(r, descr, sizeof descr)) return false;
    const char order = *descr, *name = descr + (order && strchr("<>|=", order) != NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (*name == *kinds[i]) return refuse_type(r, descr, kinds[i] + 1);
    for (int type = 0; type < FILE_TYPES; type++) {
        if (!*npy_types[type] || strcmp(npy_types[type], name) != 0) continue;
        r->array->type = (file_type)type;
        r->array->big_endian = order == '>';
        if (order == '<' || order == '>' || tg__type_size(r->array->type) == 1) return true;
        return refuse_type(r, descr, ", which does not tell its byte order,");
    }
    return refuse_type(r, descr, "");
}

static bool parse_order(npy_reader *r)
{
    skip(r, ' ');
    r->array->fortran = !strncmp(r->at, "True", 4);
    if (!r->array->fortran && strncmp(r->at, "False", 5) != 0)
        return refuse_header(r, "fortran_order is neither True nor False");
    r->at += r->array->fortran ? 4 : 5;
    return true;
}

/* Reads a size, which becomes INT64_MAX if it is larger. */
static bool parse_size(npy_reader *r, int64_t *size)
{
    const char *first = r->at;
    for (*size = 0; *r->at >= '0' && *r->at <= '9'; r->at++)
        *size = tg__plus(tg__times(*size, 10), *r->at - '0');
    if (r->at == first || (*first == '0' && r->at > first + 1))
        return refuse_header(r, "shape has something other than decimal sizes");
    if (*r->at == 'L') r->at++;
    return true;
}

static bool parse_shape(npy_reader *r)
{
    bool comma = true;
    r->array->ndim = 0;
    if (!skip(r, '(')) return refuse_header(r, "shape is no tuple");
    while (!skip(r, ')')) {
        if (!comma) return refuse_header(r, "shape has something other than decimal sizes");
        if (r->array->ndim == TG_MAX_DIMS)
            return tg__source_fail(r->from, "more than 8 dimensions");
        if (!parse_size(r, &r->array->shape[r->array->ndim++])) return false;
        comma = skip(r, ',');
    }
    return r->array->ndim != 1 || comma || refuse_header(r, "shape is no tuple");
}

/* Reads a key and its value. `seen` has a bit for each key. */
static bool parse_member(npy_reader *r, unsigned *seen)
{
    static const struct {
        const char *key;
        bool (*read)(npy_reader *r);
    } members[] = {{"descr", parse_type}, {"fortran_order", parse_order}, {"shape", parse_shape}};
    char key[NPY_DESCR];
    if (!parse_text(r, key, sizeof key)) return false;
    if (!skip(r, ':')) return refuse_header(r, "a colon is missing");
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(key, members[i].key) != 0) continue;
        if (*seen >> i & 1) return refuse_header(r, "a key is there twice");
        *seen |= 1u << i;
        return members[i].read(r);
    }
    return refuse_header(r, "a key is none of descr, fortran_order and shape");
}

static bool parse_dict(npy_reader *r, const char *end)
{
    unsigned seen = 0;
    if (!skip(r, '{')) return refuse_header(r, "no dict");
    for (bool comma = true; !skip(r, '}'); comma = skip(r, ',')) {
        if (!comma) return refuse_header(r, "a comma or the closing brace is missing");
        if (!parse_member(r, &seen)) return false;
    }
    if (seen != 7) return refuse_header(r, "descr, fortran_order or shape is missing");
    skip(r, 0);
    return r->at > end || refuse_header(r, "more follows the dict");
}

bool tg__read_npy_header(source *s, npy_array *a)
{
    unsigned char head[12];
    char text[NPY_LONGEST + 1];
    npy_reader r = {s, text, a};
    if (s->size < 10) return tg__source_fail(s, "it is too short for an array of NumPy");
    if (!tg__source_read(s, 0, head, 10)) return false;
    if (memcmp(head, "\x93NUMPY", 6) != 0)
        return tg__source_fail(s, "it is no array of NumPy: it does not begin with \\x93NUMPY");
    if (head[6] < 1 || head[6] > 3 || head[7])
        return tg__source_fail(s, "its version is %d.%d; 1.0, 2.0 and 3.0 can be read", head[6],
                               head[7]);
    const bool wide = head[6] > 1;
    if (wide && !tg__source_read(s, 10, head + 10, 2)) return false;
    const uint64_t n = tg__little(head + 8, wide ? 4 : 2);
    a->start = (wide ? 12 : 10) + n;
    if (n > NPY_LONGEST)
        return tg__source_fail(s, "its header has %llu bytes; at most %d are read",
                               (unsigned long long)n, NPY_LONGEST);
    if (!tg__source_read(s, a->start - n, text, (size_t)n)) return false;
    text[n] = 0;
    return parse_dict(&r, text + n);
}

bool tg__check_npy_size(source *s, const npy_array *a)
{
    const int64_t n = tg__numel(a->ndim, a->shape);
    const int64_t bytes = tg__times(n, (int64_t)tg__type_size(a->type));
    const uint64_t rest = s->size - a->start;
    return (uint64_t)bytes == rest ||
           tg__source_fail(s, "%s of %s needs %lld bytes of elements, and there are %llu",
                           tg__show_sizes(s->tg, a->ndim, a->shape), tg__type_name(a->type),
                           (long long)bytes, (unsigned long long)rest);
}

static bool check_in_memory(source *s, const npy_array *a)
{
    return tg__sizes_fit(a->ndim, a->shape) ||
           tg__source_fail(s, "%s of %s has more elements than memory can hold",
                           tg__show_sizes(s->tg, a->ndim, a->shape), tg__type_name(a->type));
}

tg_tensor *tg__load_array(source *s, const tg_load_options *o)
{
    npy_array a;
    int64_t reversed[TG_MAX_DIMS], dims[TG_MAX_DIMS];
    if (!tg__read_npy_header(s, &a) || !tg__check_type(s, NULL, a.type, o) ||
        !check_in_memory(s, &a) || !tg__check_npy_size(s, &a))
        return NULL;
    tg_shape shape = {a.ndim, a.shape};
    for (int i = 0; i < a.ndim; i++) {
        dims[i] = a.ndim - 1 - i;
        reversed[i] = a.shape[dims[i]];
    }
    if (!a.fortran || a.ndim < 2)
        return tg__load_elements(s, NULL, a.start, a.type, a.big_endian, shape, o->map);
    shape.dims = reversed;
    tg_tensor *t = tg__load_elements(s, NULL, a.start, a.type, a.big_endian, shape, o->map);
    tg_tensor *view = tg_permute(t, (tg_shape){a.ndim, dims});
    tg_release(t);
    return view;
}

tg_tensor *tg_load_npy(tg_context *tg, const char *path, const tg_load_options *options)
{
    const tg_load_options o = options ? *options : tg_load_defaults();
    source s;
    if (!tg || !tg__ready(tg) || !tg__source_open(&s, tg, "load_npy", path, o.map)) return NULL;
    tg_tensor *t = tg__load_array(&s, &o);
    if (t && !tg__source_keep(&s)) {
        tg_release(t);
        t = NULL;
    }
    tg__source_close(&s);
    return t;
}

tg_tensor *tg_read_npy(tg_context *tg, const void *bytes, size_t n, const tg_load_options *options)
{
    static const char op[] = "read_npy";
    const tg_load_options o = options ? *options : tg_load_defaults();
    source s;
    if (!tg || !tg__ready(tg)) return NULL;
    if (!bytes) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: bytes is NULL", op);
    tg__source_memory(&s, tg, op, "memory", bytes, n);
    return tg__load_array(&s, &o);
}

/* ---- Writing. */

bool tg__check_npy(const char *op, const char *name, const tg_tensor *t, file_type type)
{
    if (tg__is_gone(t))
        return tg__fail(t->context, TG_ERR_CONTEXT, "%s: the tensor%s%s was released", op,
                        name ? " " : "", name ? name : "");
    return *npy_types[type] ||
           tg__fail(t->context, TG_ERR_ARGUMENT, "%s: NumPy has no %s", op, tg__type_name(type));
}

/* As NumPy does since 1.24, leaves room in the header for a first size of 21 digits. */
bool tg__write_npy(sink *s, const char *name, file_type type, tg_tensor *t)
{
    enum { BEGIN = 10, ALIGN = 64, DIGITS = 21 };
    char head[BEGIN + 6 * ALIGN] = "\x93NUMPY\1";
    int n = BEGIN, spare = t->ndim ? DIGITS : 0;
    n += sprintf(head + n, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                 tg__type_size(type) > 1 ? '<' : '|', npy_types[type]);
    for (int i = 0; i < t->ndim; i++) {
        const int digits = sprintf(head + n, "%lld", (long long)t->shape[i]);
        if (i == 0) spare -= digits;
        n += digits;
        n += sprintf(head + n, i < t->ndim - 1 ? ", " : i == 0 ? "," : "");
    }
    n += sprintf(head + n, "), }");
    const int end = (n + spare + 1) / ALIGN * ALIGN + ALIGN - 1; /* of the header */
    memset(head + n, ' ', (size_t)(end - n));
    head[end] = '\n';
    head[8] = (char)(end + 1 - BEGIN);
    head[9] = (char)((end + 1 - BEGIN) >> 8);
    return tg__sink_write(s, head, (size_t)end + 1) && tg__write_elements(s, name, type, t);
}

bool tg_save_npy(tg_tensor *t, const char *path, const tg_save_options *options)
{
    static const char op[] = "save_npy";
    const tg_save_options o = options ? *options : tg_save_defaults();
    sink to;
    if (!t || !tg__ready(t->context) || !tg__check_stored(t->context, op, &o)) return false;
    const file_type type = tg__stored_type(t->dtype, &o);
    return tg__check_npy(op, NULL, t, type) && tg__sink_open(&to, t->context, op, path) &&
           tg__write_npy(&to, NULL, type, t) && tg__sink_commit(&to);
}
