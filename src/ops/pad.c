/* pad: elements of a constant value added around a tensor. */
#include "op.h"

#include <string.h>

/* The inputs are the tensor and one that has the sizes of the result, but no elements. The
 * attributes: how many elements to add before each dimension, and their value. */
enum { PAD_VALUE = TG_MAX_DIMS };

static bool pad_shape(const call *c, spec *s)
{
    return tg__any_dtype(c->op->name, c->in[0]) && tg__shape_of_second(c, s);
}

/* The part of a tensor that begins at element `start`. */
static tg_tensor *part_at(stack_tensor *part, const tg_tensor *t, int64_t start,
                          const int64_t *shape)
{
    char *data = (char *)t->data + start * (int64_t)tg__dtype_size(t->dtype);
    return tg__array(part, t, data, t->ndim, shape, t->strides);
}

/* Goes through the dimensions in order. Along each, it fills the elements before and after the
 * input, and leaves the part between them to the dimensions that follow. The input is copied to the
 * part that is left at the end. */
static bool pad_forward(const call *c)
{
    const tg_tensor *t = c->in[0], *out = c->out;
    stack_tensor part;
    int64_t start = 0, shape[TG_MAX_DIMS];
    if (out->numel == 0) return true;
    memcpy(shape, out->shape, sizeof shape);
    for (int d = 0; d < t->ndim; d++) {
        const int64_t before = c->a[d].i, after = out->shape[d] - t->shape[d] - before;
        const int64_t end = start + (before + t->shape[d]) * out->strides[d];
        shape[d] = before;
        if (before) tg__fill(part_at(&part, out, start, shape), c->a[PAD_VALUE].f);
        shape[d] = after;
        if (after) tg__fill(part_at(&part, out, end, shape), c->a[PAD_VALUE].f);
        shape[d] = t->shape[d];
        start += before * out->strides[d];
    }
    if (t->numel > 0) tg__copy(part_at(&part, out, start, shape), t);
    return true;
}

static tg_tensor *pad_grad(const record *r, int i, tg_tensor *g)
{
    const tg_tensor *t = r->in[i].t;
    for (int d = 0; g && d < t->ndim; d++)
        if (g->shape[d] != t->shape[d]) g = tg_narrow(g, d, r->a[d].i, t->shape[d]);
    return g;
}

static const op_row pad_op = {
    .name = "pad",
    .grad_name = "ConstantPadNdBackward0",
    .shape = pad_shape,
    .forward = pad_forward,
    .grad = pad_grad,
};

/* Checks the list of numbers: there are two for each padded dimension, no dimension becomes
 * negative, and the result is not too large. */
static bool check_pad(const tg_tensor *t, tg_shape pad)
{
    int64_t shape[TG_MAX_DIMS];
    if (pad.ndim % 2)
        return tg__fail(t->context, TG_ERR_SHAPE,
                        "pad: pad has length %d, but must hold two numbers for each padded "
                        "dimension of %s",
                        pad.ndim, SHOW(t));
    if (pad.ndim / 2 > t->ndim)
        return tg__fail(t->context, TG_ERR_SHAPE,
                        "pad: pad has length %d, but %s takes at most %d, two numbers a dimension",
                        pad.ndim, SHOW(t), 2 * t->ndim);
    memcpy(shape, t->shape, sizeof shape);
    for (int i = 0; i < pad.ndim; i++) {
        const int d = t->ndim - 1 - i / 2;
        const int64_t more = pad.dims[i];
        if (more < -t->shape[d] || (more < 0 && shape[d] < -more))
            return tg__fail(t->context, TG_ERR_SHAPE,
                            "pad: %lld and %lld leave less than nothing of dimension %d of %s",
                            (long long)pad.dims[i / 2 * 2], (long long)pad.dims[i / 2 * 2 + 1], d,
                            SHOW(t));
        shape[d] = more < 0 ? shape[d] + more : tg__plus(shape[d], more);
    }
    return tg__check_shape(t->context, "pad", (tg_shape){t->ndim, shape});
}

/* Removes as many elements from the ends of dimension d as the negative numbers say. */
static tg_tensor *crop_dim(tg_tensor *t, int d, int64_t before, int64_t after)
{
    const int64_t skip = before < 0 ? -before : 0, drop = after < 0 ? -after : 0;
    return skip || drop ? tg_narrow(t, d, skip, t->shape[d] - skip - drop) : t;
}

/* Adds as many elements to the ends of the dimensions as the positive numbers say. */
static tg_tensor *pad_dims(tg_tensor *t, tg_shape pad, double value)
{
    attr a[TG_ATTRS] = {[PAD_VALUE] = {.f = value}};
    int64_t shape[TG_MAX_DIMS];
    bool adds = false;
    memcpy(shape, t->shape, sizeof shape);
    for (int i = 0; i < pad.ndim / 2; i++) {
        const int64_t before = pad.dims[2 * i], after = pad.dims[2 * i + 1];
        const int d = t->ndim - 1 - i;
        a[d].i = before > 0 ? before : 0;
        shape[d] += a[d].i + (after > 0 ? after : 0);
        adds |= before > 0 || after > 0;
    }
    if (!adds) return t;
    static const int64_t strides[TG_MAX_DIMS] = {0};
    tg_context *tg = t->context;
    tg_tensor *sizes =
        tg__new_external(tg, tg->depth, t->dtype, (tg_shape){t->ndim, shape}, strides, NULL);
    return tg__apply(&pad_op, 2, (tg_tensor *[]){t, sizes}, a);
}

tg_tensor *tg_pad(tg_tensor *t, tg_shape pad, double value)
{
    frame f;
    if (!t || !tg__check_value(t->context, "pad", t->dtype, value) ||
        !tg__check_list(t->context, "pad", "numbers", pad) || !check_pad(t, pad))
        return NULL;
    tg__enter(&f, "pad", t);
    tg_tensor *out = t;
    /* All cuts come first; no intermediate result is then larger than the last one. */
    for (int i = 0; out && i < pad.ndim / 2; i++)
        out = crop_dim(out, t->ndim - 1 - i, pad.dims[2 * i], pad.dims[2 * i + 1]);
    if (out) out = pad_dims(out, pad, value);
    if (out == t || (out && priv(out)->is_view)) out = tg_clone(out);
    return tg__leave(&f, tg__name_grad_fn(out, pad_op.grad_name));
}
