/* A fuzz target for the reader of safetensors, which tests/fuzz/run.sh builds and runs.
 *
 * The first byte chooses options, and the others are the file. A random file seldom has the length
 * of its header right, so that one of the options corrects it. What is loaded with and without a
 * mapping must be the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tinygrad.h>

enum { CONVERT = 1, CORRECT = 2, MAP = 4 };

/* Sets the first 8 bytes to the length of a header that ends with the last brace. */
static void correct_length(uint8_t *file, size_t n)
{
    size_t end = n;
    while (end > 8 && file[end - 1] != '}') end--;
    for (int i = 0; i < 8 && n >= 8; i++) file[i] = (uint8_t)((uint64_t)(end - 8) >> 8 * i);
}

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

static void check_same(const tg_tensor *a, const tg_tensor *b)
{
    check(a->dtype == b->dtype && a->ndim == b->ndim && a->numel == b->numel);
    for (int i = 0; i < a->ndim; i++) check(a->shape[i] == b->shape[i]);
    if (a->numel > 0) check(!memcmp(a->data, b->data, (size_t)a->numel * tg_dtype_size(a->dtype)));
}

static void check_lists(const tg_state *a, const tg_state *b)
{
    check(a->n == b->n && a->n_texts == b->n_texts);
    for (int64_t i = 0; i < a->n; i++) {
        check(!strcmp(a->items[i].name, b->items[i].name));
        check_same(a->items[i].tensor, b->items[i].tensor);
    }
    for (int64_t i = 0; i < a->n_texts; i++) {
        check(!strcmp(a->texts[i].key, b->texts[i].key));
        check(!strcmp(a->texts[i].value, b->texts[i].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tg_context *tg;
    if (!tg) tg = tg_open(NULL);
    if (size == 0) return 0;
    const size_t n = size - 1;
    uint8_t *file = malloc(n + !n); /* of its exact size, which AddressSanitizer watches */
    memcpy(file, data + 1, n);
    if (data[0] & CORRECT) correct_length(file, n);
    tg_load_options o = {.convert = data[0] & CONVERT, .map = data[0] & MAP};
    tg_scope_begin(tg);
    const tg_state *loaded = tg_read_safetensors(tg, file, n, &o);
    if (loaded) {
        o.map = !o.map;
        const tg_state *again = tg_read_safetensors(tg, file, n, &o);
        check(again && tg_ok(tg));
        check_lists(loaded, again);
    } else {
        check_error(tg);
    }
    tg_scope_end(tg);
    tg_clear_error(tg);
    free(file);
    return 0;
}
