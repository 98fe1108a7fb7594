#include "hand_written.h"

#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* Kernels must not be inlined: like those of a library, they are called, and work for any n. */
#define KERNEL static __attribute__((noinline)) void

/* ---- Kernels. */

KERNEL predict(long n, const float *x0, const float *x1, const float *w, float *restrict out)
{
    float w0 = w[0], w1 = w[1];
    for (long i = 0; i < n; i++) out[i] = w0 * x0[i] + w1 * x1[i];
}

KERNEL mean_squared_error(long n, const float *a, const float *b, float *restrict out)
{
    float sum = 0;
    for (long i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    *out = sum / (float)n;
}

KERNEL scaled_difference(long n, float s, const float *a, const float *b, float *restrict out)
{
    for (long i = 0; i < n; i++) out[i] = s * (a[i] - b[i]);
}

KERNEL two_dots(long n, const float *x0, const float *x1, const float *d, float *restrict out)
{
    float g0 = 0, g1 = 0;
    for (long i = 0; i < n; i++) {
        g0 += x0[i] * d[i];
        g1 += x1[i] * d[i];
    }
    out[0] = g0;
    out[1] = g1;
}

KERNEL update(float *w, const float *g, float lr)
{
    for (int i = 0; i < 2; i++) w[i] -= lr * g[i];
}

KERNEL subtract(long n, const float *a, const float *b, float *restrict out)
{
    for (long i = 0; i < n; i++) out[i] = a[i] - b[i];
}

KERNEL square(long n, const float *a, float *restrict out)
{
    for (long i = 0; i < n; i++) out[i] = a[i] * a[i];
}

KERNEL mean(long n, const float *a, float *restrict out)
{
    float sum = 0;
    for (long i = 0; i < n; i++) sum += a[i];
    *out = sum / (float)n;
}

KERNEL fill(long n, float value, float *restrict out)
{
    for (long i = 0; i < n; i++) out[i] = value;
}

KERNEL square_backward(long n, const float *a, const float *g, float *restrict out)
{
    for (long i = 0; i < n; i++) out[i] = 2 * a[i] * g[i];
}

KERNEL copy(long n, const float *a, float *restrict out)
{
    memcpy(out, a, (size_t)n * sizeof *out);
}

/* ---- hand_fused: one pass. */

KERNEL fused_pass(hand *h)
{
    const float *x0 = h->x0, *x1 = h->x1, *y = h->y;
    float w0 = h->w[0], w1 = h->w[1], sum = 0, g0 = 0, g1 = 0;
    for (long i = 0; i < h->n; i++) {
        float d = w0 * x0[i] + w1 * x1[i] - y[i];
        sum += d * d;
        g0 += d * x0[i];
        g1 += d * x1[i];
    }
    float scale = 2 * h->lr / (float)h->n;
    h->loss = sum / (float)h->n;
    h->w[0] = w0 - scale * g0;
    h->w[1] = w1 - scale * g1;
}

void hand_fused(void *data, long times)
{
    while (times-- > 0) fused_pass(data);
}

/* ---- hand_five: five kernels. */

typedef struct record {
    struct record *previous;
    enum { PREDICT, LOSS } op;
    long n;
    const float *in[3];
    float *out;
} record;

size_t hand_arena_bytes(long n)
{
    return 2 * ((size_t)n * sizeof(float) + 64) + 1024;
}

static void *take(hand *h, size_t bytes)
{
    void *memory = h->arena + h->used;
    h->used += (bytes + 63) / 64 * 64;
    return memory;
}

static record *make_record(hand *h, record *previous, long results)
{
    record *r = take(h, sizeof *r);
    r->previous = previous;
    r->n = h->n;
    r->out = take(h, (size_t)results * sizeof(float));
    return r;
}

static record *forward(hand *h)
{
    record *p = make_record(h, NULL, h->n);
    p->op = PREDICT;
    p->in[0] = h->x0;
    p->in[1] = h->x1;
    p->in[2] = h->w;
    predict(p->n, p->in[0], p->in[1], p->in[2], p->out);

    record *l = make_record(h, p, 1);
    l->op = LOSS;
    l->in[0] = p->out;
    l->in[1] = h->y;
    mean_squared_error(l->n, l->in[0], l->in[1], l->out);
    return l;
}

static const float *backward(hand *h, const record *r)
{
    float *g = NULL;
    for (; r; r = r->previous) {
        const float *upstream = g;
        if (r->op == LOSS) {
            g = take(h, (size_t)r->n * sizeof(float));
            scaled_difference(r->n, 2 / (float)r->n, r->in[0], r->in[1], g);
        } else {
            g = take(h, 2 * sizeof(float));
            two_dots(r->n, r->in[0], r->in[1], upstream, g);
        }
    }
    return g;
}

void hand_five(void *data, long times)
{
    hand *h = data;
    while (times-- > 0) {
        h->used = 0;
        const record *loss = forward(h);
        update(h->w, backward(h, loss), h->lr);
        h->loss = *loss->out;
    }
}

/* ---- hand_nine: nine kernels. */

static float *results(long n)
{
    float *memory = malloc((size_t)n * sizeof *memory);
    if (!memory) abort();
    return memory;
}

static void forward_and_backward(hand *h, float *g_w)
{
    long n = h->n;
    float *yhat = results(n);
    predict(n, h->x0, h->x1, h->w, yhat);
    float *difference = results(n);
    subtract(n, yhat, h->y, difference);
    free(yhat);
    float *squares = results(n);
    square(n, difference, squares);
    float *loss = results(1);
    mean(n, squares, loss);
    free(squares);
    h->loss = *loss;
    free(loss);

    float *g_squares = results(n);
    fill(n, 1 / (float)n, g_squares);
    float *g_difference = results(n);
    square_backward(n, difference, g_squares, g_difference);
    free(difference);
    free(g_squares);
    float *g_yhat = results(n);
    copy(n, g_difference, g_yhat);
    free(g_difference);
    two_dots(n, h->x0, h->x1, g_yhat, g_w);
    free(g_yhat);
}

void hand_nine(void *data, long times)
{
    hand *h = data;
    while (times-- > 0) {
        float *g_w = results(2);
        forward_and_backward(h, g_w);
        update(h->w, g_w, h->lr);
        free(g_w);
    }
}
