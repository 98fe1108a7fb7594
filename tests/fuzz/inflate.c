/* A fuzz target for the decoder of deflated data, which tests/fuzz/run.sh builds and runs. Decoding
 * in one piece and in small ones must give the same bytes, or the same problem. */
#include <stdlib.h>
#include <string.h>

#include "io/inflate.h"

enum { MOST = 1 << 17 };

static void check(bool holds)
{
    if (!holds) abort();
}

/* Decodes at most that many bytes. */
static size_t decode(inflater *f, source *s, size_t most, size_t piece, uint8_t *out)
{
    size_t done = 0, n = piece;
    tg__inflate_begin(f, s, 0, s->size);
    for (; n == piece && done < most; done += n) {
        if (piece > most - done) piece = most - done;
        n = tg__inflate(f, out + done, piece);
    }
    return done;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tg_context *tg;
    static inflater f;
    static uint8_t whole[MOST], pieces[MOST];
    source s;
    if (!tg) tg = tg_open(NULL);
    tg__source_memory(&s, tg, "inflate", "a file", data, size);
    /* To decode so much that the window moves takes long, and is done for one input of 16. */
    const size_t most = size % 16 ? 1 << 12 : MOST, n = decode(&f, &s, most, most, whole);
    const char *problem = f.problem;
    check(n <= (size + 1) * INFLATE_RATIO);
    check(decode(&f, &s, most, 1000, pieces) == n && f.problem == problem);
    check(!memcmp(whole, pieces, n) && tg_ok(tg));
    return 0;
}
