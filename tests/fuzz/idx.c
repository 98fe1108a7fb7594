/* A fuzz target for the reader of IDX files, which tests/fuzz/run.sh builds and runs.
 *
 * The first byte chooses the dtype, and the others are the file. As no fuzzer guesses a CRC, one of
 * the options lets them be compressed by gzip first, with the flags of the second byte; the result
 * must be the same as without. */
#include <stdlib.h>
#include <string.h>

#include <tinygrad.h>

#include "io/zip.h"

enum { DTYPE = 3, COMPRESS = 4, MOST = 1 << 12 };

/* Reads a file, and returns a sum over its tensor; 0 if it is refused. */
static uint64_t read_file(tg_context *tg, const uint8_t *bytes, size_t n, tg_dtype dtype)
{
    uint64_t sum = 0;
    tg_scope_begin(tg);
    const tg_tensor *t = tg_read_idx(tg, bytes, n, dtype);
    if (!t == tg_ok(tg) ||
        (!t && tg_error_code(tg) != TG_ERR_IO && tg_error_code(tg) != TG_ERR_MEMORY))
        abort();
    for (size_t i = 0; t && i < (size_t)t->numel * tg_dtype_size(dtype); i++)
        sum = sum * 31 + ((const uint8_t *)t->data)[i];
    for (int i = 0; t && i < t->ndim; i++) sum = sum * 31 + (uint64_t)t->shape[i];
    tg_clear_error(tg);
    tg_scope_end(tg);
    return t ? sum | 1 : 0;
}

static void put(uint8_t *out, size_t *n, uint64_t number, int width)
{
    for (int i = 0; i < width; i++) out[(*n)++] = (uint8_t)(number >> 8 * i);
}

/* Writes a member of gzip with one stored block. Returns its length. */
static size_t compress(const uint8_t *bytes, size_t n, int flags, uint8_t *out)
{
    static crc_table table;
    size_t at = 0;
    static bool made;
    if (!made) tg__crc_begin(&table);
    made = true;
    put(out, &at, 0x00088b1f | (uint32_t)flags << 24, 4);
    put(out, &at, 0, 6);
    if (flags & 4) put(out, &at, 'x' << 16 | 1, 3);
    if (flags & 8) put(out, &at, 'x', 2);
    if (flags & 16) put(out, &at, 'x', 2);
    if (flags & 2) put(out, &at, 0, 2);
    put(out, &at, 1 | n << 8 | (n ^ 0xffff) << 24, 5);
    if (n > 0) memcpy(out + at, bytes, n);
    at += n;
    put(out, &at, tg__crc(&table, 0, bytes, n), 4);
    put(out, &at, n, 4);
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t member[MOST + 64];
    static tg_context *tg;
    if (!tg) {
        tg_options o = tg_defaults();
        o.max_bytes = (size_t)64 << 20;
        tg = tg_open(&o);
    }
    if (size < 2 || size > MOST) return 0;
    const tg_dtype dtype = (tg_dtype)(data[0] & DTYPE);
    if (!(data[0] & COMPRESS)) {
        read_file(tg, data + 1, size - 1, dtype);
        return 0;
    }
    const size_t n = compress(data + 2, size - 2, data[1] & 31, member);
    const uint64_t plain = read_file(tg, data + 2, size - 2, dtype);
    const bool is_member = size >= 4 && data[2] == 0x1f && data[3] == 0x8b; /* of a member */
    if (!is_member && read_file(tg, member, n, dtype) != plain) abort();
    return 0;
}
