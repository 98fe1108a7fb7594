/* A fuzz target for the reader of .npz files, and thereby of zip archives, which tests/fuzz/run.sh
 * builds and runs. The CRC of an entry is compared last: a wrong one does not keep the readers of
 * deflated data and of arrays from what is in it. */
#include <stdlib.h>
#include <string.h>

#include "io/zip.h"

static void check(bool holds)
{
    if (!holds) abort();
}

/* An error has one line without control characters. */
static void check_error(const tg_context *tg)
{
    const char *message = tg_error(tg);
    check(strlen(message) > 20);
    for (; *message; message++) check((unsigned char)*message >= ' ' && *message != 127);
}

/* The entries of an archive do not overlap, and each is found by its name. */
static void check_entries(tg_context *tg, const uint8_t *data, size_t size)
{
    source s;
    zip z;
    uint64_t at = 0;
    tg__source_memory(&s, tg, "load_npz", "a file", data, size);
    if (!tg__zip_open(&z, &s)) return;
    for (int64_t i = 0; i < z.n; i++) {
        const zip_entry *e = &z.entries[i];
        check(e->offset >= at + 30 && e->offset + e->packed <= size);
        check(e->size / INFLATE_RATIO <= e->packed && (e->deflated || e->size == e->packed));
        check(tg__zip_find(&z, e->name) == e);
        at = e->offset + e->packed;
    }
    tg__zip_close(&z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tg_context *tg;
    if (!tg) tg = tg_open(NULL);
    const tg_load_options o = {.convert = true};
    tg_scope_begin(tg);
    check_entries(tg, data, size);
    tg_clear_error(tg);
    const tg_state *state = tg_read_npz(tg, data, size, &o);
    check(tg_ok(tg) == (state != NULL));
    if (!state) check_error(tg);
    tg_clear_error(tg);
    tg_scope_end(tg);
    return 0;
}
