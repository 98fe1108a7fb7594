/* Convolution, compared with PyTorch's values and gradients and with central
 * differences. tests/golden/conv.py says what the numbers of a case are. */
#include "golden.h"

static tg_tensor *convolve(trial *c)
{
    const int spatial = (c->numbers - 2) / 3;
    tg_conv_options o = tg_conv_defaults();
    if (c->i[0]) o.bias = c->x[2];
    o.groups = c->i[1];
    for (int d = 0; d < spatial; d++) {
        o.stride[d] = c->i[2 + d];
        o.padding[d] = c->i[2 + spatial + d];
        o.dilation[d] = c->i[2 + 2 * spatial + d];
    }
    return spatial == 1 ? tg_conv1d(c->x[0], c->x[1], &o) : tg_conv2d(c->x[0], c->x[1], &o);
}

/* The parameters of a layer that is made after a seed, and the next two numbers of the generator,
 * which show how many the layer has drawn. */
static tg_tensor *drawn(trial *c)
{
    const tg_bias bias = c->i[4] ? TG_BIAS : TG_NO_BIAS;
    tg_conv_options o = tg_conv_defaults();
    o.groups = c->i[3];
    tg_set_default_dtype(c->tg, TG_F32);
    tg_manual_seed(c->tg, (uint64_t)c->i[0]);
    tg_module *m = c->numbers == 6 ? tg_conv1d_layer(c->tg, c->i[1], c->i[2], rest(c, 5), bias, &o)
                                   : tg_conv2d_layer(c->tg, c->i[1], c->i[2], rest(c, 5), bias, &o);
    tg_tensor *all[3] = {NULL};
    const tg_list p = tg_parameters(m);
    for (int k = 0; k < p.n; k++) all[k] = tg_detach(tg_flatten(p.items[k], 0, -1));
    all[p.n] = tg_rand(c->tg, TG_F32, TG_SHAPE(2));
    return tg_cat((tg_list){p.n + 1, all}, 0);
}

#define OPS(OP)                                                                                    \
    OP(convolution, conv1d, convolve(c))                                                           \
    OP(convolution, conv2d, convolve(c))                                                           \
    OP(layers, conv_drawn, drawn(c))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("conv_golden.txt", operations, sizeof operations / sizeof *operations);
}
