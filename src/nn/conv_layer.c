/* The convolution layers, whose functions are in src/ops/conv.c. */
#include "module.h"
#include "../context/printer.h"
#include "../ops/conv.h"

#include <string.h>

typedef struct conv {
    tg_tensor *(*function)(tg_tensor *input, tg_tensor *weight, const tg_conv_options *options);
    tg_tensor *weight;
    tg_conv_options o;
} conv;

static tg_tensor *conv_forward(tg_module *m, tg_tensor *x)
{
    const conv *c = m->data;
    return c->function(x, c->weight, &c->o);
}

static bool all_are(const int64_t *numbers, int n, int64_t number)
{
    bool same = true;
    for (int i = 0; i < n; i++) same = same && numbers[i] == number;
    return same;
}

/* Appends ", name=(...)". */
static void add_tuple(char *text, const char *name, int n, const int64_t *numbers)
{
    char tuple[TG_SIZES];
    sprintf(text + strlen(text), ", %s=%s", name, tg__write_tuple(tuple, n, numbers));
}

static void describe_conv(const tg_module *m, char text[TG_DESCRIPTION])
{
    const conv *c = m->data;
    const int64_t *size = c->weight->shape;
    const int spatial = c->weight->ndim - 2;
    sprintf(text, "%lld, %lld", (long long)(size[1] * c->o.groups), (long long)size[0]);
    add_tuple(text, "kernel_size", spatial, size + 2);
    add_tuple(text, "stride", spatial, c->o.stride);
    if (!all_are(c->o.padding, spatial, 0)) add_tuple(text, "padding", spatial, c->o.padding);
    if (!all_are(c->o.dilation, spatial, 1)) add_tuple(text, "dilation", spatial, c->o.dilation);
    if (c->o.groups != 1) sprintf(text + strlen(text), ", groups=%lld", (long long)c->o.groups);
    if (!c->o.bias) strcat(text, ", bias=False");
}

static bool check_multiple(tg_context *tg, const char *op, const char *what, int64_t channels,
                           int64_t groups)
{
    return tg__check_size(tg, op, what, channels) &&
           (channels % groups == 0 ||
            tg__fail(tg, TG_ERR_SHAPE, "%s: %s is %lld, but must be a multiple of groups %lld", op,
                     what, (long long)channels, (long long)groups));
}

static bool check_kernel(tg_context *tg, const char *op, int spatial, tg_shape size)
{
    static const char *const members[] = {"kernel_size[0]", "kernel_size[1]"};
    if (!tg__check_list(tg, op, "kernel sizes", size)) return false;
    if (size.ndim != spatial)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: kernel_size %s must have length %d, not %d", op,
                        tg__show_sizes(tg, size.ndim, size.dims), spatial, size.ndim);
    for (int d = 0; d < spatial; d++)
        if (!tg__check_size(tg, op, members[d], size.dims[d])) return false;
    return true;
}

static bool check_layer(tg_context *tg, const char *op, int spatial, int64_t in_channels,
                        int64_t out_channels, tg_shape kernel_size, const tg_conv_options *o)
{
    if (o->bias)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "%s: the bias in the options must be NULL, as a layer makes its own; give "
                        "TG_BIAS or TG_NO_BIAS",
                        op);
    return tg__check_conv_options(tg, op, o, spatial) &&
           check_multiple(tg, op, "in_channels", in_channels, o->groups) &&
           check_multiple(tg, op, "out_channels", out_channels, o->groups) &&
           check_kernel(tg, op, spatial, kernel_size);
}

static tg_module *make_conv(tg_context *tg, const char *name, const char *op, int spatial,
                            int64_t in_channels, int64_t out_channels, tg_shape kernel_size,
                            tg_bias bias, const tg_conv_options *options)
{
    const tg_conv_options o = options ? *options : tg_conv_defaults();
    int64_t shape[4] = {out_channels};
    if (!tg || !tg__ready(tg) || !tg__check_bias(tg, op, bias) ||
        !check_layer(tg, op, spatial, in_channels, out_channels, kernel_size, &o))
        return NULL;
    shape[1] = in_channels / o.groups;
    for (int d = 0; d < spatial; d++) shape[2 + d] = kernel_size.dims[d];
    if (!tg__check_shape(tg, op, (tg_shape){spatial + 2, shape})) return NULL;
    tg_module *m = tg__module_new(tg, name, conv_forward, sizeof(conv));
    if (!m) return NULL;
    m->describe = describe_conv;
    conv *c = m->data;
    c->o = o;
    c->function = spatial == 1 ? tg_conv1d : tg_conv2d;
    c->weight = tg__add_param(m, "weight", (tg_shape){spatial + 2, shape});
    if (bias == TG_BIAS) c->o.bias = tg__add_param(m, "bias", TG_SHAPE(out_channels));
    if (!c->weight || (!c->o.bias && bias == TG_BIAS)) return NULL;
    const double fan_in = (double)(c->weight->numel / out_channels);
    return tg__draw_weights(c->weight, c->o.bias, fan_in) ? m : NULL;
}

tg_module *tg_conv1d_layer(tg_context *tg, int64_t in_channels, int64_t out_channels,
                           tg_shape kernel_size, tg_bias bias, const tg_conv_options *options)
{
    return make_conv(tg, "Conv1d", "conv1d_layer", 1, in_channels, out_channels, kernel_size, bias,
                     options);
}

tg_module *tg_conv2d_layer(tg_context *tg, int64_t in_channels, int64_t out_channels,
                           tg_shape kernel_size, tg_bias bias, const tg_conv_options *options)
{
    return make_conv(tg, "Conv2d", "conv2d_layer", 2, in_channels, out_channels, kernel_size, bias,
                     options);
}
