/* repeat and tile: copies that repeat a tensor along its dimensions. */
#include "op.h"

#include <string.h>

static bool check_repeats(const tg_tensor *t, tg_shape repeats)
{
    const int extra = repeats.ndim - t->ndim;
    int64_t shape[TG_MAX_DIMS];
    if (extra < 0)
        return tg__fail(t->context, TG_ERR_SHAPE,
                        "repeat: %s needs %d repeats, one a dimension, not %d; tg_tile takes fewer",
                        SHOW(t), t->ndim, repeats.ndim);
    if (repeats.ndim > TG_MAX_DIMS)
        return tg__fail(t->context, TG_ERR_SHAPE,
                        "repeat: %s is given %d repeats, but at most %d are allowed", SHOW(t),
                        repeats.ndim, TG_MAX_DIMS);
    for (int d = 0; d < repeats.ndim; d++) {
        const int64_t n = repeats.dims[d];
        if (n < 0)
            return tg__fail(t->context, TG_ERR_SHAPE,
                            "repeat: %s is to be repeated %lld times along dimension %d, but the "
                            "number must not be negative",
                            SHOW(t), (long long)n, d);
        shape[d] = tg__times(d < extra ? 1 : t->shape[d - extra], n);
    }
    return tg__check_shape(t->context, "repeat", (tg_shape){repeats.ndim, shape});
}

/* The attributes are the numbers of dimensions and of repeats along each. */
enum { REPEAT_NDIM, REPEATS };

static bool repeat_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    s->dtype = t->dtype;
    s->ndim = (int)c->a[REPEAT_NDIM].i;
    for (int d = 0; d < s->ndim; d++) {
        const int own = d - (s->ndim - t->ndim);
        s->shape[d] = c->a[REPEATS + d].i * (own < 0 ? 1 : t->shape[own]);
    }
    return true;
}

/* Repeats the first n bytes until there are `total`. If n is small, only the first CACHED bytes are
 * read again and again, as they stay in the cache. */
static void repeat_bytes(char *at, size_t n, size_t total)
{
    enum { CACHED = 1 << 14 };
    const size_t most = n < CACHED ? CACHED / n * n : n;
    for (size_t done = n, some; done < total; done += some) {
        some = done < most ? done : most;
        if (some > total - done) some = total - done;
        memcpy(at + done, at, some);
    }
}

/* Copies the input to the first place, then repeats along one dimension after the other, beginning
 * with the last. n has the sizes of the input, with ones in front. */
static bool repeat_forward(const call *c)
{
    tg_tensor *out = c->out;
    const size_t size = tg__dtype_size(out->dtype);
    int64_t n[TG_MAX_DIMS];
    stack_tensor first;
    if (out->numel == 0) return true;
    for (int d = 0; d < out->ndim; d++) n[d] = out->shape[d] / c->a[REPEATS + d].i;
    tg__copy(tg__array(&first, out, out->data, out->ndim, n, out->strides), c->in[0]);
    for (int d = out->ndim - 1; d >= 0; d--) {
        if (c->a[REPEATS + d].i == 1) continue;
        const size_t bytes = (size_t)(n[d] * out->strides[d]) * size;
        int64_t at[TG_MAX_DIMS] = {0}, start = 0;
        for (int64_t left = tg__numel(d, n); left > 0; left--) {
            repeat_bytes((char *)out->data + (size_t)start * size, bytes,
                         bytes * (size_t)c->a[REPEATS + d].i);
            for (int k = d - 1; k >= 0; k--) {
                start += out->strides[k];
                if (++at[k] < n[k]) break;
                start -= at[k] * out->strides[k];
                at[k] = 0;
            }
        }
    }
    return true;
}

/* Sums over the repeats along one dimension after the other. */
static tg_tensor *repeat_grad(const record *r, int i, tg_tensor *g)
{
    const tg_tensor *t = r->in[i].t;
    for (int d = g->ndim - 1; g && d >= 0; d--) {
        const int64_t repeats = r->a[REPEATS + d].i;
        int64_t shape[TG_MAX_DIMS];
        if (repeats == 1) continue;
        memcpy(shape, g->shape, sizeof shape);
        const int own = d - (g->ndim - t->ndim);
        shape[d] = own < 0 ? 1 : t->shape[own];
        const int64_t before = tg__numel(d, shape), after = tg__numel(g->ndim - d, shape + d);
        tg_tensor *parts = tg_reshape(g, TG_SHAPE(before, repeats, after));
        g = tg_reshape(tg_sum_dims(parts, TG_DIMS(1), false), (tg_shape){g->ndim, shape});
    }
    return tg_reshape(g, (tg_shape){t->ndim, t->shape});
}

static const op_row repeat_op = {
    .name = "repeat",
    .grad_name = "RepeatBackward0",
    .shape = repeat_shape,
    .forward = repeat_forward,
    .grad = repeat_grad,
};

tg_tensor *tg_repeat(tg_tensor *t, tg_shape repeats)
{
    if (!t || !tg__check_list(t->context, "repeat", "repeats", repeats) ||
        !check_repeats(t, repeats))
        return NULL;
    attr a[TG_ATTRS] = {[REPEAT_NDIM] = {.i = repeats.ndim}};
    for (int d = 0; d < repeats.ndim; d++) a[REPEATS + d].i = repeats.dims[d];
    return tg__apply(&repeat_op, 1, &t, a);
}

tg_tensor *tg_tile(tg_tensor *t, tg_shape dims)
{
    int64_t repeats[TG_MAX_DIMS];
    frame f;
    if (!t || !tg__check_list(t->context, "tile", "dims", dims)) return NULL;
    for (int d = 0; d < t->ndim; d++) {
        int own = d - (t->ndim - dims.ndim);
        repeats[d] = own < 0 ? 1 : dims.dims[own];
    }
    tg__enter(&f, "tile", t);
    return tg__leave(&f, tg_repeat(t, dims.ndim >= t->ndim ? dims : (tg_shape){t->ndim, repeats}));
}
