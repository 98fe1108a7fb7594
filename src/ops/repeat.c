/* repeat and tile: copies that repeat a tensor along its dimensions. They are composed of other
 * operations, which give their gradients. */
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

/* Repeats t n times along dimension d. The result may be a view of t. */
static tg_tensor *repeat_dim(tg_tensor *t, int64_t n, int d)
{
    int64_t shape[TG_MAX_DIMS];
    const tg_shape repeated = {t->ndim, shape};
    memcpy(shape, t->shape, sizeof shape);
    shape[d] *= n;
    if (t->shape[d] == 1) return tg_expand(t, repeated);
    /* [before, after] becomes [before, 1, after], then [before, n, after], whose last two
     * dimensions or first two are then joined in row-major order. */
    const int64_t before = tg__numel(d, t->shape), after = tg__numel(t->ndim - d, t->shape + d);
    t = tg_expand(tg_reshape(t, TG_SHAPE(before, 1, after)), TG_SHAPE(before, n, after));
    return tg_reshape(t, repeated);
}

tg_tensor *tg_repeat(tg_tensor *t, tg_shape repeats)
{
    frame f;
    if (!t || !tg__check_list(t->context, "repeat", "repeats", repeats) ||
        !check_repeats(t, repeats))
        return NULL;
    tg__enter(&f, "repeat", t);
    const tg_tensor *last = NULL;
    while (t && t->ndim < repeats.ndim) t = tg_unsqueeze(t, 0);
    for (int d = 0; t && d < repeats.ndim; d++)
        if (repeats.dims[d] != 1) last = t = repeat_dim(t, repeats.dims[d], d);
    t = t == last ? tg_contiguous(t) : tg_clone(t);
    return tg__leave(&f, tg__name_grad_fn(t, "RepeatBackward0"));
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
