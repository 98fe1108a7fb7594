/* A fuzz target for the reader of .npy files, which tests/fuzz/run.sh builds and runs.
 *
 * What is loaded with and without a mapping must be the same, and so must be what is saved and
 * loaded again. */
#include <stdlib.h>
#include <string.h>

#include "io/npy.h"

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

static void check_same(tg_tensor *a, tg_tensor *b)
{
    check(a && b && a->dtype == b->dtype && a->ndim == b->ndim);
    for (int i = 0; i < a->ndim; i++) check(a->shape[i] == b->shape[i]);
    a = tg_contiguous(a);
    b = tg_contiguous(b);
    if (a->numel > 0) check(!memcmp(a->data, b->data, (size_t)a->numel * tg_dtype_size(a->dtype)));
}

/* Where a file is saved to. */
typedef struct saved {
    unsigned char *at;
    size_t n;
} saved;

static void append(void *user, const void *bytes, size_t n)
{
    saved *s = user;
    s->at = realloc(s->at, s->n + n + 1);
    if (n > 0) memcpy(s->at + s->n, bytes, n);
    s->n += n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tg_context *tg;
    if (!tg) tg = tg_open(NULL);
    tg_load_options o = {.convert = true};
    saved s = {NULL, 0};
    sink to = {.tg = tg, .op = "save_npy", .path = "a file", .instead = append, .user = &s};
    tg_scope_begin(tg);
    tg_tensor *t = tg_read_npy(tg, data, size, &o);
    if (t) {
        o.map = true;
        check_same(t, tg_read_npy(tg, data, size, &o));
        check(tg__write_npy(&to, NULL, (file_type)t->dtype, t));
        check_same(t, tg_read_npy(tg, s.at, s.n, &o));
        check(tg_ok(tg));
    } else {
        check_error(tg);
    }
    tg_clear_error(tg);
    tg_scope_end(tg);
    free(s.at);
    return 0;
}
