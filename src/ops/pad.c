/* pad: elements of a constant value added around a tensor. One operation pads one dimension,
 * because the numbers for all dimensions would not fit into the attributes of a record. */
#include "op.h"

#include <string.h>

/* The attributes: the dimension, how many elements to add before and after it, none of them
 * negative, and their value. */
enum { PAD_DIM, PAD_BEFORE, PAD_AFTER, PAD_VALUE };

static bool pad_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->shape[c->a[PAD_DIM].i] += c->a[PAD_BEFORE].i + c->a[PAD_AFTER].i;
    return tg__any_dtype(c->op->name, c->in[0]);
}

static bool pad_forward(const call *c)
{
    const tg_tensor *t = c->in[0], *out = c->out;
    tg__fill(c->out, c->a[PAD_VALUE].f);
    if (t->numel == 0) return true;
    stack_tensor inner;
    const int64_t at =
        c->a[PAD_BEFORE].i * out->strides[c->a[PAD_DIM].i] * (int64_t)tg__dtype_size(out->dtype);
    tg__copy(tg__array(&inner, out, (char *)out->data + at, t->ndim, t->shape, out->strides), t);
    return true;
}

static tg_tensor *pad_grad(const record *r, int i, tg_tensor *g)
{
    const int d = (int)r->a[PAD_DIM].i;
    return tg_narrow(g, d, r->a[PAD_BEFORE].i, r->in[i].t->shape[d]);
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

/* Adds as many elements to the ends of dimension d as the positive numbers say. */
static tg_tensor *pad_dim(tg_tensor *t, int d, int64_t before, int64_t after, double value)
{
    if (before <= 0 && after <= 0) return t;
    return tg__apply(&pad_op, 1, &t,
                     (attr[TG_ATTRS]){[PAD_DIM] = {.i = d},
                                      [PAD_BEFORE] = {.i = before > 0 ? before : 0},
                                      [PAD_AFTER] = {.i = after > 0 ? after : 0},
                                      [PAD_VALUE] = {.f = value}});
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
    for (int i = 0; out && i < pad.ndim / 2; i++)
        out = pad_dim(out, t->ndim - 1 - i, pad.dims[2 * i], pad.dims[2 * i + 1], value);
    if (out == t || (out && priv(out)->is_view)) out = tg_clone(out);
    return tg__leave(&f, tg__name_grad_fn(out, pad_op.grad_name));
}
