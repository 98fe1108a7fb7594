#include "zip.h"

#include "../state/state.h"

#include <stdlib.h>
#include <string.h>

enum {
    ZIP_LOCAL = 30,   /* the bytes of a local header, without name and extra data */
    ZIP_ENTRY = 46,   /* of an entry of the directory, without name, extra data and comment */
    ZIP_END = 22,     /* of the end, without the comment */
    ZIP_LOCATOR = 20, /* of what stands before the end and tells where the end of ZIP64 is */
    ZIP_END_64 = 56,  /* of that end */
    ZIP_ENCRYPTED = 1,
    ZIP_DESCRIBED = 8, /* sizes and CRC follow the data */
    ZIP_UTF8 = 1 << 11,
    ZIP_KNOWN_FLAGS = 6 | ZIP_DESCRIBED | ZIP_UTF8, /* 6: how well the data was deflated */
    ZIP_SHOWN = 80,                                 /* the most bytes of a name in a message */
    ZIP_PIECE = 1 << 17 /* how much is read before its CRC is computed: what the cache holds */
};

/* What reading the content of entries needs. */
typedef struct zip_work {
    crc_table table;
    inflater inflate;
} zip_work;

/* ---- CRC-32. */

void tg__crc_begin(crc_table *table)
{
    uint32_t(*const last)[256] = &table->here[7];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
        (*last)[i] = crc;
    }
    for (int i = 0; i < 256; i++) {
        uint32_t crc = (*last)[i];
        for (int k = 30; k >= 0; k--) { /* one more byte follows */
            crc = crc >> 8 ^ (*last)[crc & 255];
            if (k >= 24) table->here[k - 24][i] = crc;
            if (k < 8) table->ahead[k][i] = crc;
        }
    }
}

static uint32_t crc_of_word(const uint32_t (*rows)[256], uint64_t word)
{
    return rows[0][word & 255] ^ rows[1][word >> 8 & 255] ^ rows[2][word >> 16 & 255] ^
           rows[3][word >> 24 & 255] ^ rows[4][word >> 32 & 255] ^ rows[5][word >> 40 & 255] ^
           rows[6][word >> 48 & 255] ^ rows[7][word >> 56];
}

/* Four CRCs run side by side, since each step needs the one before: that of words 0, 4, 8 ..., that
 * of words 1, 5, 9 ..., and so on. The last four words join them. */
uint32_t tg__crc(const crc_table *table, uint32_t crc, const void *bytes, size_t n)
{
    enum { LANES = 4, STEP = 8 * LANES };
    const unsigned char *p = bytes;
    uint32_t lanes[LANES] = {~crc};
    crc = ~crc;
    if (n >= STEP) {
        for (; n >= 2 * STEP; n -= STEP, p += STEP)
            for (int i = 0; i < LANES; i++)
                lanes[i] = crc_of_word(table->ahead, tg__little64(p + 8 * i) ^ lanes[i]);
        crc = 0;
        for (int i = 0; i < LANES; i++, n -= 8, p += 8)
            crc = crc_of_word(table->here, tg__little64(p) ^ lanes[i] ^ crc);
    }
    for (; n > 0; n--) crc = crc >> 8 ^ table->here[7][(crc ^ *p++) & 255];
    return ~crc;
}

/* ---- Messages. */

bool tg__zip_fail(zip *z, const zip_entry *e, const char *problem)
{
    char shown[ZIP_SHOWN];
    return tg__source_fail(z->from, "entry '%s': %s",
                           tg__shorten(e->name, strlen(e->name), shown, sizeof shown), problem);
}

static bool refuse_archive(zip *z, const char *problem)
{
    return tg__source_fail(z->from, "%s", problem);
}

static bool lack_memory(zip *z)
{
    return tg__fail(z->from->tg, TG_ERR_MEMORY, "%s: out of memory", z->from->op);
}

/* ---- The end of the file. */

/* The directory: how many entries it has, and where it lies. */
typedef struct directory {
    uint64_t n, at, bytes;
} directory;

/* Finds the last signature of an end. Its comment must reach to the end of the file: a comment that
 * has another signature in it would be read differently by different programs. */
static bool find_end(zip *z, unsigned char *end, uint64_t *at)
{
    tg_context *tg = z->from->tg;
    const uint64_t size = z->from->size;
    const size_t n = size < ZIP_END + UINT16_MAX ? (size_t)size : ZIP_END + UINT16_MAX;
    if (n < ZIP_END) return refuse_archive(z, "it is too short for a zip archive");
    unsigned char *tail = tg__take(tg, n);
    if (!tail) return lack_memory(z);
    size_t i = 0;
    if (tg__source_read(z->from, size - n, tail, n)) {
        for (i = n - ZIP_END + 1; i > 0 && memcmp(tail + i - 1, "PK\5\6", 4) != 0;) i--;
        if (i == 0)
            refuse_archive(z, "it is no zip archive, or it is cut: there is no end of a directory");
        else
            memcpy(end, tail + i - 1, ZIP_END);
    }
    tg__give(tg, tail, n);
    if (i == 0) return false;
    *at = size - n + i - 1;
    if (tg__little(end + 20, 2) != size - *at - ZIP_END)
        return refuse_archive(z, "the comment at its end has another length than it should have");
    return true;
}

/* Reads the end of ZIP64, if there is one before the end that lies at *at; *at is then where that
 * one begins. Each number of the end must be the same, or all ones. */
static bool read_end_64(zip *z, const directory *d, uint64_t *at, directory *wide)
{
    unsigned char locator[ZIP_LOCATOR], end[ZIP_END_64];
    *wide = *d;
    if (*at < ZIP_LOCATOR) return true;
    *at -= ZIP_LOCATOR;
    if (!tg__source_read(z->from, *at, locator, ZIP_LOCATOR)) return false;
    if (memcmp(locator, "PK\6\7", 4) != 0) {
        *at += ZIP_LOCATOR;
        return true;
    }
    const uint64_t begin = tg__little(locator + 8, 8);
    if (begin > *at || *at - begin < ZIP_END_64)
        return refuse_archive(z, "the end of ZIP64 is not where it should be");
    if (!tg__source_read(z->from, begin, end, ZIP_END_64)) return false;
    *wide = (directory){tg__little(end + 32, 8), tg__little(end + 48, 8), tg__little(end + 40, 8)};
    if (memcmp(end, "PK\6\6", 4) != 0 || tg__little(end + 4, 8) != *at - begin - 12)
        return refuse_archive(z, "the end of ZIP64 is not where it should be");
    if (tg__little(end + 16, 8) || tg__little(locator + 4, 4) || tg__little(locator + 16, 4) > 1 ||
        tg__little(end + 24, 8) != wide->n)
        return refuse_archive(z, "it is a part of an archive in several files");
    if ((d->n != UINT16_MAX && d->n != wide->n) || (d->at != UINT32_MAX && d->at != wide->at) ||
        (d->bytes != UINT32_MAX && d->bytes != wide->bytes))
        return refuse_archive(z, "its two ends tell different directories");
    *at = begin;
    return true;
}

static bool find_directory(zip *z, directory *d)
{
    unsigned char end[ZIP_END];
    uint64_t at = 0;
    if (!find_end(z, end, &at)) return false;
    if (tg__little(end + 4, 4) || tg__little(end + 8, 2) != tg__little(end + 10, 2))
        return refuse_archive(z, "it is a part of an archive in several files");
    const directory narrow = {tg__little(end + 10, 2), tg__little(end + 16, 4),
                              tg__little(end + 12, 4)};
    if (!read_end_64(z, &narrow, &at, d)) return false;
    if (d->bytes > at || d->at != at - d->bytes || d->n > d->bytes / ZIP_ENTRY)
        return refuse_archive(z, "its directory is not where it should be");
    return true;
}

/* ---- The entries. */

/* Reads the numbers of ZIP64, which lie at `at`. Either only those of the fields have a number
 * there that are all ones, or all n fields have one; a field that is not all ones must then be
 * equal to its number. */
static bool read_numbers_64(zip *z, const zip_entry *e, uint64_t at, uint64_t bytes,
                            uint64_t *const *fields, int n)
{
    unsigned char number[8];
    const bool all = bytes >= 8 * (uint64_t)n;
    for (int i = 0; i < n; i++) {
        if (!all && *fields[i] != UINT32_MAX) continue;
        if (bytes < 8) return tg__zip_fail(z, e, "a number of ZIP64 is missing");
        if (!tg__source_read(z->from, at, number, 8)) return false;
        if (*fields[i] != UINT32_MAX && *fields[i] != tg__little(number, 8))
            return tg__zip_fail(z, e, "its numbers of ZIP64 and the others disagree");
        *fields[i] = tg__little(number, 8);
        at += 8;
        bytes -= 8;
    }
    return true;
}

/* Goes through the extra data of an entry, which lies at `at` and may have numbers of ZIP64 for
 * these n fields. */
static bool read_extra(zip *z, const zip_entry *e, uint64_t at, uint64_t bytes,
                       uint64_t *const *fields, int n)
{
    unsigned char head[4];
    bool found = false;
    while (bytes >= sizeof head) {
        if (!tg__source_read(z->from, at, head, sizeof head)) return false;
        const uint64_t kind = tg__little(head, 2), length = tg__little(head + 2, 2);
        at += sizeof head;
        bytes -= sizeof head;
        if (length > bytes) return tg__zip_fail(z, e, "its extra data is cut");
        if (kind == 0x7075) return tg__zip_fail(z, e, "it has a second name");
        if (kind == 1) {
            if (found) return tg__zip_fail(z, e, "it has two sets of numbers of ZIP64");
            found = true;
            if (!read_numbers_64(z, e, at, length, fields, n)) return false;
        }
        at += length;
        bytes -= length;
    }
    return true;
}

static bool check_kind(zip *z, const zip_entry *e, unsigned method)
{
    if (e->flags & ZIP_ENCRYPTED) return tg__zip_fail(z, e, "it is encrypted");
    if (e->flags & ~ZIP_KNOWN_FLAGS) return tg__zip_fail(z, e, "its flags are of no known meaning");
    if (method != 0 && method != 8)
        return tg__zip_fail(z, e, "it is compressed by a method other than deflate");
    if (e->deflated ? e->size / INFLATE_RATIO > e->packed : e->size != e->packed)
        return tg__zip_fail(z, e, "its size does not fit its data");
    return true;
}

/* Reads the entry of the directory at *at, before `end`, and its name to `name`; e->offset becomes
 * the place of its local header. *at is moved behind it. */
static bool read_entry(zip *z, zip_entry *e, char *name, uint64_t *at, uint64_t end)
{
    unsigned char h[ZIP_ENTRY];
    if (end < ZIP_ENTRY + *at || !tg__source_read(z->from, *at, h, ZIP_ENTRY) ||
        memcmp(h, "PK\1\2", 4))
        return refuse_archive(z, "its directory is damaged");
    const size_t n = (size_t)tg__little(h + 28, 2);
    const uint64_t extra = tg__little(h + 30, 2), comment = tg__little(h + 32, 2);
    if (n + extra + comment > end - *at - ZIP_ENTRY)
        return refuse_archive(z, "its directory is damaged");
    *at += ZIP_ENTRY;
    if (!tg__source_read(z->from, *at, name, n)) return false;
    name[n] = 0;
    const unsigned method = (unsigned)tg__little(h + 10, 2);
    *e = (zip_entry){.name = name,
                     .offset = tg__little(h + 42, 4),
                     .packed = tg__little(h + 20, 4),
                     .size = tg__little(h + 24, 4),
                     .crc = (uint32_t)tg__little(h + 16, 4),
                     .flags = (uint16_t)tg__little(h + 8, 2),
                     .deflated = method == 8};
    if (strlen(name) != n || tg__utf8_length(name, false) < 0)
        return tg__zip_fail(z, e, "its name is not UTF-8, or has a control character");
    uint64_t *const fields[] = {&e->size, &e->packed, &e->offset};
    if (!read_extra(z, e, *at + n, extra, fields, 3)) return false;
    *at += n + extra + comment;
    if (tg__little(h + 34, 2) != 0)
        return refuse_archive(z, "it is a part of an archive in several files");
    return check_kind(z, e, method);
}

/* The length of the data descriptor behind the data of an entry: a signature or none, the CRC and
 * the sizes, of 4 or 8 bytes each. 0 if there is none with the right values before `end`. */
static uint64_t find_descriptor(zip *z, const zip_entry *e, uint64_t end)
{
    unsigned char d[24];
    const uint64_t at = e->offset + e->packed;
    const size_t room = end - at < sizeof d ? (size_t)(end - at) : sizeof d;
    if (!tg__source_read(z->from, at, d, room)) return 0;
    for (int width = 8; width >= 4; width -= 4)
        for (size_t begin = 0; begin <= 4; begin += 4) {
            const size_t length = begin + 4 + 2 * (size_t)width;
            const unsigned char *p = d + begin;
            if (length <= room && (begin == 0 || memcmp(d, "PK\7\10", 4) == 0) &&
                tg__little(p, 4) == e->crc && tg__little(p + 4, width) == e->packed &&
                tg__little(p + 4 + width, width) == e->size)
                return length;
        }
    return 0;
}

/* Whether the name at `at` is that of the entry. */
static bool is_name(zip *z, const zip_entry *e, uint64_t at, size_t n)
{
    char piece[64];
    if (n != strlen(e->name)) return false;
    for (size_t i = 0, k; i < n; i += k) {
        k = n - i < sizeof piece ? n - i : sizeof piece;
        if (!tg__source_read(z->from, at + i, piece, k)) return false;
        if (memcmp(piece, e->name + i, k) != 0) return false;
    }
    return true;
}

/* Checks the local header of an entry, which must lie at *at, and e->offset becomes the place of
 * the data. *at is moved behind the entry, which lies before `end`. */
static bool check_local(zip *z, zip_entry *e, uint64_t *at, uint64_t end)
{
    unsigned char h[ZIP_LOCAL];
    if (e->offset != *at)
        return tg__zip_fail(
            z, e, e->offset < *at ? "it overlaps the one before it" : "there is a hole before it");
    if (end - *at < ZIP_LOCAL || !tg__source_read(z->from, *at, h, ZIP_LOCAL) ||
        memcmp(h, "PK\3\4", 4))
        return tg__zip_fail(z, e, "it is not where the directory says");
    uint64_t packed = tg__little(h + 18, 4), size = tg__little(h + 22, 4);
    const uint32_t crc = (uint32_t)tg__little(h + 14, 4);
    const size_t n = (size_t)tg__little(h + 26, 2);
    const uint64_t extra = tg__little(h + 28, 2);
    if (n + extra > end - *at - ZIP_LOCAL) return tg__zip_fail(z, e, "it is cut");
    uint64_t *const fields[] = {&size, &packed};
    if (!read_extra(z, e, *at + ZIP_LOCAL + n, extra, fields, 2)) return false;
    const bool later = e->flags & ZIP_DESCRIBED;
    if (tg__little(h + 6, 2) != e->flags || tg__little(h + 8, 2) != (e->deflated ? 8 : 0) ||
        !((later && crc == 0) || crc == e->crc) || !((later && size == 0) || size == e->size) ||
        !((later && packed == 0) || packed == e->packed) || !is_name(z, e, *at + ZIP_LOCAL, n))
        return tg__zip_fail(z, e, "its local header and the directory disagree");
    e->offset = *at + ZIP_LOCAL + n + extra;
    if (e->packed > end - e->offset) return tg__zip_fail(z, e, "it is cut");
    *at = e->offset + e->packed;
    if (!later) return true;
    const uint64_t descriptor = find_descriptor(z, e, end);
    *at += descriptor;
    return descriptor || tg__zip_fail(z, e, "its descriptor and the directory disagree");
}

/* Compares two elements of by_name, for qsort and bsearch. */
static int compare_entries(const void *a, const void *b)
{
    return strcmp((*(const zip_entry *const *)a)->name, (*(const zip_entry *const *)b)->name);
}

static bool sort_names(zip *z)
{
    for (int64_t i = 0; i < z->n; i++) z->by_name[i] = &z->entries[i];
    qsort(z->by_name, (size_t)z->n, sizeof *z->by_name, compare_entries);
    for (int64_t i = 1; i < z->n; i++)
        if (compare_entries(&z->by_name[i - 1], &z->by_name[i]) == 0)
            return tg__zip_fail(z, z->by_name[i], "two entries have this name");
    return true;
}

/* Takes memory for the entries, and for their names, which have at most d->bytes - ZIP_ENTRY * d->n
 * bytes together. */
static bool take_entries(zip *z, const directory *d)
{
    const uint64_t each = sizeof *z->entries + sizeof *z->by_name + 1;
    if (d->bytes > PTRDIFF_MAX / each) return lack_memory(z);
    z->bytes = (size_t)(d->n * each + d->bytes - d->n * ZIP_ENTRY + 1);
    z->memory = tg__take(z->from->tg, z->bytes);
    if (!z->memory) return lack_memory(z);
    z->n = (int64_t)d->n;
    z->entries = z->memory;
    z->by_name = (const zip_entry **)(void *)(z->entries + z->n);
    return true;
}

static bool read_directory(zip *z)
{
    directory d = {0};
    if (!find_directory(z, &d) || !take_entries(z, &d)) return false;
    char *names = (char *)(z->by_name + z->n);
    uint64_t at = d.at, local = 0;
    for (int64_t i = 0; i < z->n; i++) { /* each entry leaves room for those that follow */
        const uint64_t end = d.at + d.bytes - ZIP_ENTRY * (uint64_t)(z->n - 1 - i);
        if (!read_entry(z, &z->entries[i], names, &at, end)) return false;
        names += strlen(names) + 1;
    }
    if (at != d.at + d.bytes)
        return refuse_archive(z, "its directory has more entries than it tells");
    for (int64_t i = 0; i < z->n; i++)
        if (!check_local(z, &z->entries[i], &local, d.at)) return false;
    if (local != d.at) return refuse_archive(z, "there is a hole before its directory");
    return sort_names(z);
}

bool tg__zip_open(zip *z, source *from)
{
    *z = (zip){.from = from};
    if (read_directory(z)) return true;
    tg__zip_close(z);
    return false;
}

void tg__zip_close(zip *z)
{
    tg_context *tg = z->from->tg;
    if (z->memory) tg__give(tg, z->memory, z->bytes);
    if (z->work) tg__give(tg, z->work, sizeof *z->work);
    *z = (zip){.from = z->from};
}

const zip_entry *tg__zip_find(const zip *z, const char *name)
{
    const zip_entry wanted = {.name = (char *)(uintptr_t)name}, *key = &wanted, **found;
    if (z->n == 0) return NULL;
    found = bsearch(&key, z->by_name, (size_t)z->n, sizeof *z->by_name, compare_entries);
    return found ? *found : NULL;
}

/* ---- The content of an entry. */

bool tg__zip_begin(zip *z, const zip_entry *e)
{
    if (!z->work) {
        z->work = tg__take(z->from->tg, sizeof *z->work);
        if (!z->work) return lack_memory(z);
        tg__crc_begin(&z->work->table);
    }
    z->entry = e;
    z->left = e->size;
    z->crc = 0;
    if (e->deflated) tg__inflate_begin(&z->work->inflate, z->from, e->offset, e->packed);
    return true;
}

/* Decodes n more bytes of a deflated entry. */
static bool read_deflated(zip *z, void *out, size_t n)
{
    inflater *f = &z->work->inflate;
    if (tg__inflate(f, out, n) == n) return true;
    return tg__zip_fail(z, z->entry, f->problem ? f->problem : "it is shorter than it should be");
}

/* Whether the deflated data ends where the content does. */
static bool ends(zip *z)
{
    inflater *f = &z->work->inflate;
    char more;
    if (tg__inflate(f, &more, 1) == 0 && !f->problem) return true;
    return tg__zip_fail(z, z->entry, f->problem ? f->problem : "it is longer than it should be");
}

bool tg__zip_read(zip *z, void *out, size_t n)
{
    const zip_entry *e = z->entry;
    if (n > z->left) return tg__zip_fail(z, e, "it ends too early");
    for (size_t k; n > 0; n -= k) {
        k = n < ZIP_PIECE ? n : ZIP_PIECE;
        if (e->deflated ? !read_deflated(z, out, k)
                        : !tg__source_read(z->from, e->offset + e->size - z->left, out, k))
            return false;
        z->crc = tg__crc(&z->work->table, z->crc, out, k);
        z->left -= k;
        out = (char *)out + k;
    }
    return true;
}

bool tg__zip_end(zip *z)
{
    const zip_entry *e = z->entry;
    if (z->left > 0) return tg__zip_fail(z, e, "it has more bytes than its content needs");
    if (e->deflated && !ends(z)) return false;
    return z->crc == e->crc || tg__zip_fail(z, e, "its bytes are damaged: they have another CRC");
}

static bool read_in_order(void *user, void *out, size_t n)
{
    return tg__zip_read(user, out, n);
}

bool tg__zip_begin_source(zip *z, const zip_entry *e, source *content)
{
    const source *file = z->from;
    *content = (source){.tg = file->tg, .op = file->op, .path = file->path, .size = e->size};
    content->read = read_in_order;
    content->user = z;
    return tg__zip_begin(z, e);
}

bool tg__zip_load(zip *z, const zip_entry *e, void *out)
{
    return tg__zip_begin(z, e) && tg__zip_read(z, out, (size_t)e->size) && tg__zip_end(z);
}
