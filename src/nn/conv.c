#include "module.h"

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

static tg_module *make_conv(tg_context *tg, const char *name, int spatial, int64_t in_channels,
                            int64_t out_channels, tg_shape kernel_size, tg_bias bias,
                            const tg_conv_options *options)
{
    const tg_conv_options o = options ? *options : tg_conv_defaults();
    int64_t shape[4] = {out_channels, o.groups > 0 ? in_channels / o.groups : 0};
    if (!tg || !tg__ready(tg) || !tg__check_list(tg, name, "sizes", kernel_size)) return NULL;
    bool right = kernel_size.ndim == spatial && out_channels > 0 && shape[1] > 0 &&
                 in_channels % o.groups == 0 && out_channels % o.groups == 0 && !o.bias;
    for (int d = 0; d < spatial && right; d++) {
        shape[2 + d] = kernel_size.dims[d];
        right = shape[2 + d] > 0;
    }
    if (!right)
        return tg__fail(
            tg, TG_ERR_SHAPE,
            "%s: %lld channels to %lld in %lld groups, kernel %s: the kernel has %d sizes, all are "
            "positive, the channels multiples of the groups, and the bias NULL",
            name, (long long)in_channels, (long long)out_channels, (long long)o.groups,
            tg__show_sizes(tg, kernel_size.ndim, kernel_size.dims), spatial);
    if (!tg__check_shape(tg, name, (tg_shape){spatial + 2, shape})) return NULL;
    tg_module *m = tg_module_new(tg, name, conv_forward, sizeof(conv));
    if (!m) return NULL;
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
    return make_conv(tg, "Conv1d", 1, in_channels, out_channels, kernel_size, bias, options);
}

tg_module *tg_conv2d_layer(tg_context *tg, int64_t in_channels, int64_t out_channels,
                           tg_shape kernel_size, tg_bias bias, const tg_conv_options *options)
{
    return make_conv(tg, "Conv2d", 2, in_channels, out_channels, kernel_size, bias, options);
}
