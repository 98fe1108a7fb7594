/* Files of safetensors (https://github.com/huggingface/safetensors):
 *
 *     8 bytes: n   n bytes: the header, in JSON         the elements of the tensors
 *     +-----------+------------------------------------+-----------------------------------+
 *     | n         | {"w":{"dtype":"F32","shape":[2,3], | w, row-major   | the next | ...   |
 *     |           | "data_offsets":[0,24]}, ...}       |                | tensor   |       |
 *     +-----------+------------------------------------+-----------------------------------+
 *                                                      offset 0         offset 24
 *
 * Numbers have their least significant byte first. The tensors fill the file without holes. */
#include "../state/state.h"
#include "convert.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_HEADER = 100000000 }; /* in bytes; the official reader takes no longer one, either */

/* The types, by the order in which their tensors are written: the widest come first, and each
 * tensor is therefore aligned. */
static const struct {
    char name[5];
    uint8_t type;
} safe_types[] = {
    {"U64", FILE_U64},   {"I64", FILE_I64}, {"F64", FILE_F64},   {"F32", FILE_F32},
    {"U32", FILE_U32},   {"I32", FILE_I32}, {"BF16", FILE_BF16}, {"F16", FILE_F16},
    {"U16", FILE_U16},   {"I16", FILE_I16}, {"I8", FILE_I8},     {"U8", FILE_U8},
    {"BOOL", FILE_BOOL},
};
enum { SAFE_TYPES = sizeof safe_types / sizeof *safe_types };

/* ---- Reading. */

/* A tensor of the header. */
typedef struct safe_tensor {
    const char *name;
    const char *dtype; /* as the file calls it */
    uint64_t begin, end;
    file_type type;
    int ndim;
    int64_t shape[TG_MAX_DIMS];
} safe_tensor;

typedef struct safe_reader {
    source file;
    tg_load_options o;
    json json;
    char *header;
    size_t header_bytes;
    safe_tensor *tensors;
    int64_t n, room;
    tg_state *state; /* with the texts and, in the end, the tensors */
} safe_reader;

enum { SAFE_SHOWN = 100 }; /* the room for a name in a message */

static const char *show_name(const char *name, char *shown)
{
    return tg__shorten(name, strlen(name), shown, SAFE_SHOWN);
}

static bool fail_tensor(safe_reader *r, const safe_tensor *t, const char *problem)
{
    char shown[SAFE_SHOWN];
    return tg__source_fail(&r->file, "tensor '%s': %s", show_name(t->name, shown), problem);
}

static bool fail_json(safe_reader *r)
{
    return tg__source_fail(&r->file, "byte %llu of the header: %s",
                           (unsigned long long)(r->json.at - r->header), r->json.problem);
}

/* Reads a list of numbers, and sets *n to how many there are; only the first `room` are stored. */
static bool read_numbers(json *j, uint64_t *numbers, int room, int64_t *n)
{
    *n = 0;
    if (!tg__json_need(j, '[')) return false;
    if (tg__json_skip(j, ']')) return true;
    do {
        uint64_t number;
        if (!tg__json_number(j, &number)) return false;
        if (*n < room) numbers[*n] = number;
        ++*n;
    } while (tg__json_skip(j, ','));
    return tg__json_need(j, ']');
}

static bool read_shape(safe_reader *r, safe_tensor *t)
{
    uint64_t sizes[TG_MAX_DIMS] = {0};
    int64_t ndim;
    if (!read_numbers(&r->json, sizes, TG_MAX_DIMS, &ndim)) return fail_json(r);
    if (ndim > TG_MAX_DIMS) return fail_tensor(r, t, "it has more than 8 dimensions");
    t->ndim = (int)ndim;
    for (int i = 0; i < t->ndim; i++) {
        if (sizes[i] > INT64_MAX) return fail_tensor(r, t, "its shape is too large");
        t->shape[i] = (int64_t)sizes[i];
    }
    return true;
}

static bool read_offsets(safe_reader *r, safe_tensor *t)
{
    uint64_t offsets[2] = {0};
    int64_t n;
    if (!read_numbers(&r->json, offsets, 2, &n)) return fail_json(r);
    if (n != 2) return fail_tensor(r, t, "data_offsets must be two numbers");
    t->begin = offsets[0];
    t->end = offsets[1];
    return true;
}

/* Reads what the header says of one tensor. */
static bool read_members(safe_reader *r, safe_tensor *t)
{
    json *j = &r->json;
    unsigned seen = 0;
    if (!tg__json_need(j, '{')) return fail_json(r);
    do {
        const char *key = tg__json_text(j, false);
        if (!key || !tg__json_need(j, ':')) return fail_json(r);
        const unsigned member = !strcmp(key, "dtype")          ? 1
                                : !strcmp(key, "shape")        ? 2
                                : !strcmp(key, "data_offsets") ? 4
                                                               : 0;
        if (!member || seen & member) {
            char shown[SAFE_SHOWN], of[SAFE_SHOWN];
            return tg__source_fail(
                &r->file, "tensor '%s': '%s' is %s", show_name(t->name, of), show_name(key, shown),
                member ? "there twice" : "none of dtype, shape and data_offsets");
        }
        seen |= member;
        if (member == 1 && !(t->dtype = tg__json_text(j, false))) return fail_json(r);
        if (member == 2 && !read_shape(r, t)) return false;
        if (member == 4 && !read_offsets(r, t)) return false;
    } while (tg__json_skip(j, ','));
    if (!tg__json_need(j, '}')) return fail_json(r);
    return seen == 7 || fail_tensor(r, t, "dtype, shape or data_offsets is missing");
}

/* Reads the texts, which the format calls metadata. */
static bool read_texts(safe_reader *r)
{
    json *j = &r->json;
    if (!tg__json_need(j, '{')) return fail_json(r);
    if (tg__json_skip(j, '}')) return true;
    do {
        const char *key = tg__json_text(j, false);
        if (!key || !tg__json_need(j, ':')) return fail_json(r);
        const char *value = tg__json_text(j, true);
        if (!value) return fail_json(r);
        char shown[SAFE_SHOWN];
        if (!*key || tg_state_text(r->state, key))
            return tg__source_fail(&r->file, "__metadata__: '%s' is %s", show_name(key, shown),
                                   *key ? "there twice" : "no key");
        if (!tg_state_set_text(r->state, key, value)) return false;
    } while (tg__json_skip(j, ','));
    return tg__json_need(j, '}') || fail_json(r);
}

/* Makes room for one more tensor, and returns it. */
static safe_tensor *room_for_entry(safe_reader *r)
{
    tg_context *tg = r->file.tg;
    if (r->n == r->room) {
        const int64_t room = r->room ? 2 * r->room : 16;
        safe_tensor *larger = tg__take(tg, tg__bytes(room, sizeof *larger));
        if (!larger) return tg__fail(tg, TG_ERR_MEMORY, "%s: out of memory", r->file.op);
        if (r->n > 0) memcpy(larger, r->tensors, (size_t)r->n * sizeof *larger);
        if (r->room) tg__give(tg, r->tensors, tg__bytes(r->room, sizeof *larger));
        r->tensors = larger;
        r->room = room;
    }
    return &r->tensors[r->n];
}

static bool read_entries(safe_reader *r)
{
    json *j = &r->json;
    bool has_texts = false;
    if (!tg__json_need(j, '{')) return fail_json(r);
    if (tg__json_skip(j, '}')) return true;
    do {
        const char *name = tg__json_text(j, false);
        if (!name || !tg__json_need(j, ':')) return fail_json(r);
        if (!strcmp(name, "__metadata__")) {
            if (has_texts) return tg__source_fail(&r->file, "__metadata__ is there twice");
            has_texts = true;
            if (!read_texts(r)) return false;
            continue;
        }
        if (!*name) return tg__source_fail(&r->file, "a tensor has the name ''");
        safe_tensor *t = room_for_entry(r);
        if (!t) return false;
        *t = (safe_tensor){.name = name};
        if (!read_members(r, t)) return false;
        r->n++;
    } while (tg__json_skip(j, ','));
    return tg__json_need(j, '}') || fail_json(r);
}

static bool read_header(safe_reader *r)
{
    unsigned char length[8] = {0};
    if (r->file.size < 8) return tg__source_fail(&r->file, "a file of less than 8 bytes");
    if (!tg__source_read(&r->file, 0, length, 8)) return false;
    const uint64_t n = tg__little(length, 8);
    if (n > LONGEST_HEADER || n > r->file.size - 8)
        return tg__source_fail(&r->file, "no safetensors: the header would have %llu bytes, %s",
                               (unsigned long long)n,
                               n > LONGEST_HEADER ? "more than 100000000" : "more than the file");
    r->header = tg__take(r->file.tg, (size_t)n + 1);
    if (!r->header) return tg__fail(r->file.tg, TG_ERR_MEMORY, "%s: out of memory", r->file.op);
    r->header_bytes = (size_t)n + 1;
    if (!tg__source_read(&r->file, 8, r->header, (size_t)n)) return false;
    r->header[n] = 0;
    r->json.at = r->header;
    if (!read_entries(r)) return false;
    if (tg__json_skip(&r->json, 0) && r->json.at == r->header + n + 1) return true;
    r->json.problem = "more follows the last '}'";
    return fail_json(r);
}

static int by_offset(const void *a, const void *b)
{
    const safe_tensor *s = a, *t = b;
    if (s->begin != t->begin) return s->begin < t->begin ? -1 : 1;
    if (s->end != t->end) return s->end < t->end ? -1 : 1;
    return s->name < t->name ? -1 : s->name > t->name; /* their order in the header */
}

/* Sets *type to the type of that name. */
static bool find_type(const char *name, file_type *type)
{
    for (int i = 0; i < SAFE_TYPES; i++)
        if (!strcmp(safe_types[i].name, name)) {
            *type = (file_type)safe_types[i].type;
            return true;
        }
    return false;
}

/* Checks that a tensor has a type that can be read, and the size of its shape. */
static bool check_entry(safe_reader *r, safe_tensor *t)
{
    char shown[SAFE_SHOWN], dtype[24];
    if (!find_type(t->dtype, &t->type))
        return tg__source_fail_as(&r->file, TG_ERR_DTYPE,
                                  "tensor '%s': the type '%s' cannot be read",
                                  show_name(t->name, shown),
                                  tg__shorten(t->dtype, strlen(t->dtype), dtype, sizeof dtype));
    if (!tg__check_type(&r->file, t->name, t->type, &r->o)) return false;
    if (!tg__sizes_fit(t->ndim, t->shape)) return fail_tensor(r, t, "its shape is too large");
    const int64_t bytes = tg__times(tg__numel(t->ndim, t->shape), (int64_t)tg__type_size(t->type));
    return t->end - t->begin == (uint64_t)bytes ||
           fail_tensor(r, t, "its shape and type do not give the bytes between its offsets");
}

/* Sorts the tensors by their places, and checks that they fill the file from `start` on. */
static bool check_places(safe_reader *r, uint64_t start)
{
    uint64_t at = 0;
    if (r->n > 1) qsort(r->tensors, (size_t)r->n, sizeof *r->tensors, by_offset);
    for (int64_t i = 0; i < r->n; i++) {
        safe_tensor *t = &r->tensors[i];
        if (t->begin > t->end || t->end > r->file.size - start)
            return fail_tensor(r, t, "it ends behind the file, or before it begins");
        if (t->begin != at)
            return fail_tensor(r, t,
                               t->begin < at ? "it overlaps another" : "there is a hole before it");
        if (!check_entry(r, t)) return false;
        at = t->end;
    }
    return at == r->file.size - start ||
           tg__source_fail(&r->file, "%llu bytes follow the last tensor",
                           (unsigned long long)(r->file.size - start - at));
}

static bool make_tensors(safe_reader *r, uint64_t start)
{
    for (int64_t i = 0; i < r->n; i++) {
        const safe_tensor *t = &r->tensors[i];
        if (tg_state_find(r->state, t->name)) return fail_tensor(r, t, "the name is there twice");
        tg_tensor *made = tg__load_elements(&r->file, t->name, start + t->begin, t->type, false,
                                            (tg_shape){t->ndim, t->shape}, r->o.map);
        if (!made) return false;
        if (!tg_state_add(r->state, t->name, made)) {
            tg_release(made);
            return false;
        }
    }
    return true;
}

static bool read_file(safe_reader *r)
{
    r->state = tg_state_new(r->file.tg);
    if (!r->state || !read_header(r)) return false;
    const uint64_t start = 7 + r->header_bytes;
    return check_places(r, start) && make_tensors(r, start) && tg__source_keep(&r->file);
}

/* Reads the file that is open in `r`, and closes it. */
static tg_state *load_file(safe_reader *r)
{
    tg_context *tg = r->file.tg;
    const bool read = read_file(r);
    for (int64_t i = 0; !read && r->state && i < r->state->n; i++)
        tg_release(r->state->items[i].tensor);
    if (r->header) tg__give(tg, r->header, r->header_bytes);
    if (r->room) tg__give(tg, r->tensors, tg__bytes(r->room, sizeof *r->tensors));
    tg__source_close(&r->file);
    return read ? r->state : NULL;
}

tg_state *tg_load_safetensors(tg_context *tg, const char *path, const tg_load_options *options)
{
    safe_reader r = {.o = options ? *options : tg_load_defaults()};
    if (!tg || !tg__ready(tg)) return NULL;
    return tg__source_open(&r.file, tg, "load_safetensors", path, r.o.map) ? load_file(&r) : NULL;
}

tg_state *tg_read_safetensors(tg_context *tg, const void *bytes, size_t n,
                              const tg_load_options *options)
{
    static const char op[] = "read_safetensors";
    safe_reader r = {.o = options ? *options : tg_load_defaults()};
    if (!tg || !tg__ready(tg)) return NULL;
    if (!bytes) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: bytes is NULL", op);
    tg__source_memory(&r.file, tg, op, "memory", bytes, n);
    return load_file(&r);
}

/* ---- Writing. */

/* A tensor of a list, as it will be written. */
typedef struct safe_item {
    const tg_named *named;
    int rank; /* among safe_types */
} safe_item;

/* What is written of the header. Without a sink, it is only measured. */
typedef struct safe_header {
    sink *to;
    uint64_t n;
    bool ok;
} safe_header;

static void put(safe_header *h, const char *text, size_t n)
{
    h->n += n;
    if (h->to && h->ok) h->ok = tg__sink_write(h->to, text, n);
}

static void put_string(safe_header *h, const char *text)
{
    put(h, text, strlen(text));
}

static void put_number(safe_header *h, const char *before, uint64_t number)
{
    char text[40];
    put(h, text, (size_t)snprintf(text, sizeof text, "%s%llu", before, (unsigned long long)number));
}

/* Writes a text in quotes, with the escapes that serde_json, and thus the official package, uses.
 */
static void put_quoted(safe_header *h, const char *text)
{
    static const char controls[] = "\b\t\n\f\r", letters[] = "btnfr";
    put_string(h, "\"");
    for (;; text++) {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= ' ' && !strchr("\"\\", text[plain])) plain++;
        put(h, text, plain);
        text += plain;
        if (!*text) break;
        const char *control = strchr(controls, *text);
        char escape[8] = {'\\', control ? letters[control - controls] : *text};
        if (!control && (unsigned char)*text < ' ')
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*text);
        put_string(h, escape);
    }
    put_string(h, "\"");
}

static void put_texts(safe_header *h, const tg_state *s)
{
    for (int64_t i = 0; i < s->n_texts; i++) {
        put_string(h, i ? "," : "\"__metadata__\":{");
        put_quoted(h, s->texts[i].key);
        put_string(h, ":");
        put_quoted(h, s->texts[i].value);
    }
    if (s->n_texts) put_string(h, s->n ? "}," : "}");
}

static uint64_t bytes_of(const safe_item *i)
{
    return (uint64_t)i->named->tensor->numel * tg__type_size((file_type)safe_types[i->rank].type);
}

/* Writes the header with its length before it. The length is that of a first call, which only
 * measures. */
static void put_header(safe_header *h, const tg_state *s, const safe_item *items)
{
    uint64_t at = 0;
    put_string(h, "{");
    put_texts(h, s);
    for (int64_t i = 0; i < s->n; i++) {
        const tg_tensor *t = items[i].named->tensor;
        if (i) put_string(h, ",");
        put_quoted(h, items[i].named->name);
        put_string(h, ":{\"dtype\":\"");
        put_string(h, safe_types[items[i].rank].name);
        put_string(h, "\",\"shape\":[");
        for (int d = 0; d < t->ndim; d++) put_number(h, d ? "," : "", (uint64_t)t->shape[d]);
        put_number(h, "],\"data_offsets\":[", at);
        put_number(h, ",", at += bytes_of(&items[i]));
        put_string(h, "]}");
    }
    put_string(h, "}");
    while (h->n % 8) put_string(h, " ");
}

static int by_rank_and_name(const void *a, const void *b)
{
    const safe_item *s = a, *t = b;
    return s->rank != t->rank ? s->rank - t->rank : strcmp(s->named->name, t->named->name);
}

/* The place of a type among safe_types. */
static int rank_of(file_type type)
{
    int rank = 0;
    while (safe_types[rank].type != type) rank++;
    return rank;
}

/* Checks the tensors of the list, and sorts them by the order in which they are written. */
static bool list_items(const tg_state *s, const char *op, const tg_save_options *o,
                       safe_item *items)
{
    char shown[SAFE_SHOWN];
    for (int64_t i = 0; i < s->n; i++) {
        const tg_named *named = &s->items[i];
        if (tg__is_gone(named->tensor))
            return tg__fail(s->context, TG_ERR_CONTEXT, "%s: tensor '%s' was released", op,
                            show_name(named->name, shown));
        if (!strcmp(named->name, "__metadata__"))
            return tg__fail(s->context, TG_ERR_ARGUMENT,
                            "%s: a tensor must not be called __metadata__", op);
        items[i] = (safe_item){named, rank_of(tg__stored_type(named->tensor->dtype, o))};
    }
    if (s->n > 1) qsort(items, (size_t)s->n, sizeof *items, by_rank_and_name);
    return true;
}

static bool write_file(const tg_state *s, const safe_item *items, sink *to)
{
    safe_header measured = {.n = 0}, written = {.to = to, .ok = true};
    unsigned char length[8];
    put_header(&measured, s, items);
    if (measured.n > LONGEST_HEADER) {
        tg__fail(s->context, TG_ERR_ARGUMENT, "%s: the names and texts are too long", to->op);
        tg__sink_abandon(to);
        return false;
    }
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(measured.n >> 8 * i);
    if (!tg__sink_write(to, length, 8)) return false;
    put_header(&written, s, items);
    if (!written.ok) return false;
    for (int64_t i = 0; i < s->n; i++)
        if (!tg__write_elements(to, items[i].named->name, (file_type)safe_types[items[i].rank].type,
                                items[i].named->tensor))
            return false;
    return tg__sink_commit(to);
}

bool tg_save_safetensors(const tg_state *s, const char *path, const tg_save_options *options)
{
    static const char op[] = "save_safetensors";
    const tg_save_options o = options ? *options : tg_save_defaults();
    sink to;
    if (!s || !tg__ready(s->context)) return false;
    tg_context *tg = s->context;
    if (!tg__check_stored(tg, op, &o)) return false;
    const size_t bytes = tg__bytes(tg__plus(s->n, 1), sizeof(safe_item));
    safe_item *items = tg__take(tg, bytes);
    if (!items) return tg__fail(tg, TG_ERR_MEMORY, "%s: out of memory", op);
    const bool saved = list_items(s, op, &o, items) && tg__sink_open(&to, tg, op, path) &&
                       write_file(s, items, &to);
    tg__give(tg, items, bytes);
    return saved;
}
