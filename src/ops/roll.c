/* roll and flip: copies with the elements in another order. roll is composed of other operations,
 * which give its gradient. */
#include "op.h"

static tg_tensor *roll_dim(tg_tensor *t, int64_t shift, int d)
{
    const int64_t n = t->shape[d], at = n ? (n - shift % n) % n : 0;
    if (at == 0) return tg_clone(t);
    return tg_cat(TG_LIST(tg_narrow(t, d, at, n - at), tg_narrow(t, d, 0, at)), d);
}

/* Rolls one dimension after the other. A single shift without dims rolls the flattened tensor. */
static tg_tensor *roll_dims(tg_tensor *t, tg_shape shifts, tg_shape dims)
{
    if (!t) return NULL;
    if (dims.ndim == 0 && shifts.ndim == 1)
        return tg_reshape(roll_dims(tg_flatten(t, 0, -1), shifts, TG_DIMS(0)),
                          (tg_shape){t->ndim, t->shape});
    if (shifts.ndim != dims.ndim || shifts.ndim < 1)
        return tg__fail(t->context, TG_ERR_ARGUMENT, "roll: %d shifts for %d dims", shifts.ndim,
                        dims.ndim);
    tg_tensor *rolled = t;
    for (int i = 0; rolled && i < dims.ndim; i++) {
        int d = tg__dim(t, "roll", dims.dims[i], t->ndim);
        if (d < 0) return NULL;
        if (t->ndim) rolled = roll_dim(rolled, shifts.dims[i], d);
    }
    return rolled == t ? tg_clone(t) : rolled;
}

tg_tensor *tg_roll(tg_tensor *t, tg_shape shifts, tg_shape dims)
{
    frame f;
    if (!t || !tg__check_list(t->context, "roll", "shifts", shifts) ||
        !tg__check_list(t->context, "roll", "dims", dims))
        return NULL;
    tg__enter(&f, "roll", t);
    return tg__leave(&f, tg__name_grad_fn(roll_dims(t, shifts, dims), "RollBackward0"));
}

/* ---- flip. a[0] has a bit set for each dimension that is reversed. */

static bool flip_shape(const call *c, spec *s)
{
    return tg__any_dtype(c->op->name, c->in[0]) && tg__same_shape(c, s);
}

/* Copies a view with negative strides that begins at the last element of each reversed
 * dimension. */
static bool flip_forward(const call *c)
{
    const tg_tensor *t = c->in[0];
    int64_t start = 0, strides[TG_MAX_DIMS];
    for (int d = 0; d < t->ndim; d++) {
        const bool reversed = (uint64_t)c->a[0].i >> d & 1;
        if (reversed) start += (t->shape[d] - 1) * t->strides[d];
        strides[d] = reversed ? -t->strides[d] : t->strides[d];
    }
    if (t->numel == 0) return true;
    stack_tensor view;
    char *data = (char *)t->data + start * (int64_t)tg__dtype_size(t->dtype);
    tg__copy(c->out, tg__array(&view, t, data, t->ndim, t->shape, strides));
    return true;
}

static tg_tensor *flip_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return tg__apply(r->op, 1, &g, r->a);
}

static const op_row flip_op = {
    .name = "flip",
    .grad_name = "FlipBackward0",
    .shape = flip_shape,
    .forward = flip_forward,
    .grad = flip_grad,
};

tg_tensor *tg_flip(tg_tensor *t, tg_shape dims)
{
    uint64_t bits = 0;
    if (!t) return NULL;
    if (!tg__dim_bits(t, "flip", dims, &bits)) return NULL;
    return tg__apply(&flip_op, 1, &t, (attr[TG_ATTRS]){{.i = (int64_t)bits}});
}
