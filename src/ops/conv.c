/* conv1d and conv2d. Each element of the result sees a patch of the image through the kernel. The
 * patches are the columns of a matrix, and the result is the weight times this matrix. conv_run.c
 * and the files that its header names compute it.
 *
 * There are three operations: conv2d computes y from x and w, conv2d_input the gradient for x from
 * that of y and w, and conv2d_weight the gradient for w from that of y and x. Each is linear in
 * both of its inputs, and its gradients are the other two.
 *
 * Shapes: x is (images, groups * channels, h, w), the weight w (groups * out_channels, channels,
 * kh, kw), and the result y (images, groups * out_channels, oh, ow). */
#include "conv_work.h"

#include <string.h>

static bool conv2d_forward(const call *c)
{
    return tg__run_conv(c, CONV_FORWARD, tg__contiguous(c->in[0]), tg__contiguous(c->in[1]),
                        c->out);
}

static bool conv2d_input_forward(const call *c)
{
    return tg__run_conv(c, CONV_INPUT, c->out, tg__contiguous(c->in[1]), tg__contiguous(c->in[0]));
}

static bool conv2d_weight_forward(const call *c)
{
    return tg__run_conv(c, CONV_WEIGHT, tg__contiguous(c->in[1]), c->out, tg__contiguous(c->in[0]));
}

/* ---- Shapes. */

static bool conv2d_shape(const call *c, spec *s)
{
    const tg_tensor *x = c->in[0], *w = c->in[1];
    tg__same_shape(c, s);
    s->shape[1] = w->shape[0];
    for (int d = 0; d < 2; d++) {
        const int64_t padded = x->shape[2 + d] + 2 * c->a[CONV_PADDING + d].i;
        const int64_t span = tg__dilated_size(w->shape[2 + d], c->a[CONV_DILATION + d].i);
        s->shape[2 + d] = (padded - span) / c->a[CONV_STRIDE + d].i + 1;
    }
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

/* The shape rules of the gradients: that of x from g and w, and that of w from g and x. */
static bool conv2d_input_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->shape[1] = c->in[1]->shape[1] * c->a[CONV_GROUPS].i;
    s->shape[2] = c->a[CONV_SIZE].i;
    s->shape[3] = c->a[CONV_SIZE + 1].i;
    return true;
}

static bool conv2d_weight_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->shape[0] = c->in[0]->shape[1];
    s->shape[1] = c->in[1]->shape[1] / c->a[CONV_GROUPS].i;
    s->shape[2] = c->a[CONV_SIZE].i;
    s->shape[3] = c->a[CONV_SIZE + 1].i;
    return true;
}

/* ---- Gradients. */

static const op_row conv2d_op, conv2d_input_op, conv2d_weight_op;

/* Applies o to two inputs. The image or the kernel of the result gets the size that `like` has. */
static tg_tensor *apply_like(const op_row *o, tg_tensor *first, tg_tensor *second, const attr *a,
                             const tg_tensor *like)
{
    attr sized[TG_ATTRS];
    memcpy(sized, a, sizeof sized);
    sized[CONV_SIZE].i = like->shape[2];
    sized[CONV_SIZE + 1].i = like->shape[3];
    return tg__apply(o, 2, (tg_tensor *[]){first, second}, sized);
}

/* Each operation computes a tensor in the role of x, w or y from two tensors in the other two
 * roles. Its g has the role of its result. The gradient for an input is therefore the operation
 * that computes the role of this input from g and the other input. */
static tg_tensor *conv2d_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *w = r->in[1].t;
    return i == 0 ? apply_like(&conv2d_input_op, g, w, r->a, x)
                  : apply_like(&conv2d_weight_op, g, x, r->a, w);
}

static tg_tensor *conv2d_input_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *y = r->in[0].t, *w = r->in[1].t;
    return i == 0 ? apply_like(&conv2d_op, g, w, r->a, g)
                  : apply_like(&conv2d_weight_op, y, g, r->a, w);
}

static tg_tensor *conv2d_weight_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *y = r->in[0].t, *x = r->in[1].t;
    return i == 0 ? apply_like(&conv2d_op, x, g, r->a, g)
                  : apply_like(&conv2d_input_op, y, g, r->a, x);
}

static const op_row conv2d_op = {
    .name = "conv2d",
    .grad_name = "ConvolutionBackward0",
    .shape = conv2d_shape,
    .forward = conv2d_forward,
    .grad = conv2d_grad,
    .reads = {READS_1, READS_0},
};
static const op_row conv2d_input_op = {
    .name = "conv2d_input",
    .grad_name = "ConvolutionBackwardBackward0",
    .shape = conv2d_input_shape,
    .forward = conv2d_input_forward,
    .grad = conv2d_input_grad,
    .reads = {READS_1, READS_0},
};
static const op_row conv2d_weight_op = {
    .name = "conv2d_weight",
    .grad_name = "ConvolutionBackwardBackward0",
    .shape = conv2d_weight_shape,
    .forward = conv2d_weight_forward,
    .grad = conv2d_weight_grad,
    .reads = {READS_1, READS_0},
};

/* ---- The public functions. */

tg_conv_options tg_conv_defaults(void)
{
    return (tg_conv_options){TG_CONV_DEFAULTS};
}

/* Checks that the kernel fits in the padded image. */
static bool check_kernel_fits(const char *name, const tg_tensor *x, const tg_tensor *w,
                              const tg_conv_options *o, int spatial)
{
    for (int d = 0; d < spatial; d++) {
        const int64_t padded = x->shape[x->ndim - spatial + d] + 2 * o->padding[d];
        const int64_t span = tg__dilated_size(w->shape[2 + d], o->dilation[d]);
        if (padded < span)
            return tg__fail(
                x->context, TG_ERR_SHAPE,
                "%s: the kernel of weight %s spans %lld elements of dimension %d of the input %s, "
                "which has only %lld with its padding",
                name, SHOW(w), (long long)span, x->ndim - spatial + d, SHOW(x), (long long)padded);
    }
    return true;
}

bool tg__check_conv_options(tg_context *tg, const char *name, const tg_conv_options *o, int spatial)
{
    static const char *const members[][2] = {
        {"stride[0]", "stride[1]"}, {"padding[0]", "padding[1]"}, {"dilation[0]", "dilation[1]"}};
    static const char ones[] = "TG_CONV and tg_conv_defaults() set it to 1";
    for (int d = 0; d < spatial; d++)
        if (!tg__check_number(tg, name, members[0][d], o->stride[d], 1, INT32_MAX, ones) ||
            !tg__check_number(tg, name, members[1][d], o->padding[d], 0, INT32_MAX, NULL) ||
            !tg__check_number(tg, name, members[2][d], o->dilation[d], 1, INT32_MAX, ones))
            return false;
    return tg__check_number(tg, name, "groups", o->groups, 1, INT64_MAX, ones);
}

static bool check_channels(const char *name, const tg_tensor *x, const tg_tensor *w, int64_t groups,
                           int spatial)
{
    tg_context *tg = x->context;
    const int64_t channels = x->shape[x->ndim - spatial - 1],
                  taken = tg__times(w->shape[1], groups);
    if (w->numel == 0)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: the weight %s has no elements", name, SHOW(w));
    if (w->shape[0] % groups)
        return tg__fail(tg, TG_ERR_SHAPE,
                        "%s: the weight %s has %lld out_channels, which is not a multiple of "
                        "groups %lld",
                        name, SHOW(w), (long long)w->shape[0], (long long)groups);
    return channels == taken ||
           tg__fail(tg, TG_ERR_SHAPE,
                    "%s: the input %s has %lld channels, but the weight %s with groups %lld takes "
                    "%lld",
                    name, SHOW(x), (long long)channels, SHOW(w), (long long)groups,
                    (long long)taken);
}

static bool check_conv(const char *name, const tg_tensor *x, const tg_tensor *w,
                       const tg_conv_options *o, int spatial)
{
    tg_context *tg = x->context;
    const tg_tensor *b = o->bias;
    if (!tg__is_number(x->dtype)) return tg__refuse_dtype(name, x);
    if (x->dtype != w->dtype)
        return tg__fail(tg, TG_ERR_DTYPE, "%s: the input is %s, the weight %s; use tg_cast", name,
                        tg_dtype_name(x->dtype), tg_dtype_name(w->dtype));
    if (!tg__check_conv_options(tg, name, o, spatial)) return false;
    if (x->ndim != spatial + 1 && x->ndim != spatial + 2)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: the input %s is not %s", name, SHOW(x),
                        spatial == 1 ? "(C, L) or (N, C, L)" : "(C, H, W) or (N, C, H, W)");
    if (w->ndim != spatial + 2)
        return tg__fail(tg, TG_ERR_SHAPE,
                        "%s: the weight %s is not (out_channels, in_channels / groups, kernel%s)",
                        name, SHOW(w), spatial == 1 ? "" : " height, kernel width");
    if (!check_channels(name, x, w, o->groups, spatial)) return false;
    return !b || (b->ndim == 1 && b->shape[0] == w->shape[0] && b->dtype == x->dtype) ||
           tg__fail(tg, b->dtype != x->dtype ? TG_ERR_DTYPE : TG_ERR_SHAPE,
                    "%s: the bias is %s %s, not %s [%lld]", name, tg_dtype_name(b->dtype), SHOW(b),
                    tg_dtype_name(x->dtype), (long long)w->shape[0]);
}

/* conv1d is a conv2d whose first spatial dimension has size 1. */
static tg_tensor *convolve(const char *name, tg_tensor *x, tg_tensor *w,
                           const tg_conv_options *options, int spatial)
{
    const tg_conv_options o = options ? *options : tg_conv_defaults();
    if (!tg__check_inputs(name, o.bias ? 3 : 2, (tg_tensor *[]){x, w, o.bias}) ||
        !check_conv(name, x, w, &o, spatial) || !check_kernel_fits(name, x, w, &o, spatial))
        return NULL;
    attr a[TG_ATTRS] = {[CONV_GROUPS] = {.i = o.groups}};
    for (int d = 0; d < 2; d++) {
        const int own = d - (2 - spatial); /* negative for the dimension that conv1d lacks */
        a[CONV_STRIDE + d].i = own < 0 ? 1 : o.stride[own];
        a[CONV_PADDING + d].i = own < 0 ? 0 : o.padding[own];
        a[CONV_DILATION + d].i = own < 0 ? 1 : o.dilation[own];
    }
    frame f;
    tg__enter(&f, name, x);
    const bool single = x->ndim == spatial + 1;
    if (single) x = tg_unsqueeze(x, 0);
    if (spatial == 1) {
        x = tg_unsqueeze(x, 2);
        w = tg_unsqueeze(w, 2);
    }
    tg_tensor *y = tg__apply(&conv2d_op, 2, (tg_tensor *[]){x, w}, a);
    if (y && o.bias) y = tg_add(y, tg_view(o.bias, TG_SHAPE(y->shape[1], 1, 1)));
    if (spatial == 1) y = tg_squeeze_dim(y, 2);
    tg__name_grad_fn(y, conv2d_op.grad_name);
    return tg__leave(&f, single ? tg_squeeze_dim(y, 0) : y);
}

tg_tensor *tg_conv1d(tg_tensor *input, tg_tensor *weight, const tg_conv_options *options)
{
    return convolve("conv1d", input, weight, options, 1);
}

tg_tensor *tg_conv2d(tg_tensor *input, tg_tensor *weight, const tg_conv_options *options)
{
    return convolve("conv2d", input, weight, options, 2);
}
