/* A fuzz target for the reader of PyTorch's checkpoints, which tests/fuzz/run.sh builds and runs.
 *
 * What begins with 'P' is a file. All else is a pickle, for which an archive with two storages and
 * the right CRC is made, since no fuzzer guesses a CRC. What is loaded with and without a mapping
 * must be the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tinygrad.h>

#include "io/zip.h"

enum { MOST = 1 << 14 };

/* An archive while it is made: its entries, and its directory. */
typedef struct archive {
    unsigned char bytes[MOST + 1024], directory[512];
    size_t n, n_directory;
} archive;

static void put(unsigned char *bytes, size_t *n, uint64_t number, int width)
{
    for (int i = 0; i < width; i++) bytes[(*n)++] = (unsigned char)(number >> 8 * i);
}

static void put_bytes(unsigned char *bytes, size_t *n, const void *from, size_t count)
{
    memcpy(bytes + *n, from, count);
    *n += count;
}

/* What the local header of an entry and its place in the directory have in common. */
static void put_common(unsigned char *b, size_t *n, uint32_t crc, size_t size, size_t name)
{
    put(b, n, 20, 2);
    put(b, n, 0, 8);
    put(b, n, crc, 4);
    put(b, n, size, 4);
    put(b, n, size, 4);
    put(b, n, name, 2);
    put(b, n, 0, 2);
}

static void add_entry(archive *a, const char *name, const void *content, size_t size)
{
    static crc_table table;
    static bool made;
    if (!made) tg__crc_begin(&table);
    made = true;
    const uint32_t crc = tg__crc(&table, 0, content, size);
    const size_t at = a->n;
    put(a->bytes, &a->n, 0x04034b50, 4);
    put_common(a->bytes, &a->n, crc, size, strlen(name));
    put_bytes(a->bytes, &a->n, name, strlen(name));
    put_bytes(a->bytes, &a->n, content, size);
    put(a->directory, &a->n_directory, 0x02014b50, 4);
    put(a->directory, &a->n_directory, 20, 2);
    put_common(a->directory, &a->n_directory, crc, size, strlen(name));
    put(a->directory, &a->n_directory, 0, 6);
    put(a->directory, &a->n_directory, 0, 4);
    put(a->directory, &a->n_directory, at, 4);
    put_bytes(a->directory, &a->n_directory, name, strlen(name));
}

static void make_archive(archive *a, const uint8_t *pickle, size_t size)
{
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    static const uint8_t flags[8] = {0, 1, 1, 0, 1, 2};
    a->n = a->n_directory = 0;
    add_entry(a, "x/data.pkl", pickle, size);
    add_entry(a, "x/data/0", values, sizeof values);
    add_entry(a, "x/data/1", flags, sizeof flags);
    const size_t at = a->n;
    put_bytes(a->bytes, &a->n, a->directory, a->n_directory);
    put(a->bytes, &a->n, 0x06054b50, 4);
    put(a->bytes, &a->n, 0, 4);
    put(a->bytes, &a->n, 3, 2);
    put(a->bytes, &a->n, 3, 2);
    put(a->bytes, &a->n, a->n_directory, 4);
    put(a->bytes, &a->n, at, 4);
    put(a->bytes, &a->n, 0, 2);
}

/* A sum over the bits of all elements, which must be there to be read. */
static uint64_t sum_of(const tg_tensor *t)
{
    const size_t size = tg_dtype_size(t->dtype);
    uint64_t sum = (uint64_t)t->dtype;
    for (int64_t i = 0; i < t->numel && i < 1000; i++) {
        const char *at = t->data;
        uint64_t bits = 0;
        for (int64_t d = t->ndim - 1, rest = i; d >= 0; rest /= t->shape[d--])
            at += (size_t)(rest % t->shape[d] * t->strides[d]) * size;
        memcpy(&bits, at, size);
        sum = sum * 31 + bits;
    }
    return sum;
}

/* Reads a file, and returns a sum over all that is in it, or a sum over the message. */
static uint64_t read_file(tg_context *tg, const unsigned char *bytes, size_t n, bool map)
{
    uint64_t sum = 0;
    tg_scope_begin(tg);
    const tg_state *s = tg_read_pt(tg, bytes, n, TG_LOAD(.convert = true, .map = map));
    if (!s == tg_ok(tg)) abort();
    for (const char *c = tg_error(tg); *c; c++) sum = sum * 31 + (unsigned char)*c;
    for (int64_t i = 0; s && i < s->n; i++) {
        if (tg_state_find(s, s->items[i].name) != s->items[i].tensor) abort();
        sum = sum * 31 + sum_of(s->items[i].tensor);
    }
    for (int64_t i = 0; s && i < s->n_texts; i++)
        sum = sum * 31 + strlen(s->texts[i].key) + strlen(s->texts[i].value);
    if (!s && tg_error_code(tg) != TG_ERR_IO) abort();
    tg_clear_error(tg);
    tg_scope_end(tg);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static archive a;
    static tg_context *tg;
    if (!tg) {
        tg_options o = tg_defaults();
        o.max_bytes = (size_t)16 << 20; /* more than a file of MOST bytes may need */
        tg = tg_open(&o);
    }
    if (size == 0 || size > MOST) return 0;
    if (*data == 'P') {
        read_file(tg, data, size, false);
    } else {
        make_archive(&a, data, size);
        if (read_file(tg, a.bytes, a.n, false) != read_file(tg, a.bytes, a.n, true)) abort();
    }
    if (tg_get_stats(tg).live_bytes > (size_t)1 << 20) abort(); /* all was given back */
    return 0;
}
