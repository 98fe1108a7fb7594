/* Layers, compared with PyTorch and with central differences. */
#include "golden.h"

/* Gives m the inputs from the second on as its parameters, which so have a history. Returns m. */
static tg_module *adopt(trial *c, tg_module *m)
{
    const tg_list parameters = tg_parameters(m);
    assert_int_equal(parameters.n, c->n - 1);
    for (int k = 0; k < parameters.n; k++) {
        tg_requires_grad_(parameters.items[k], false);
        assert_non_null(tg_copy_(parameters.items[k], c->x[k + 1]));
    }
    return m;
}

static tg_norm_options norm_options(const trial *c)
{
    tg_norm_options o = tg_norm_defaults();
    tg_set_default_dtype(c->tg, c->x[0]->dtype);
    o.affine = c->i[0] & 1;
    o.track_running_stats = c->i[0] & 2;
    o.eps = c->f[1];
    if (c->numbers > 2) o.momentum = c->f[2] < 0 ? NAN : c->f[2];
    return o;
}

static tg_module *batchnorm(trial *c, int dims)
{
    const tg_norm_options o = norm_options(c);
    const int64_t channels = c->x[0]->ndim > 1 ? c->x[0]->shape[1] : 1;
    tg_module *m =
        dims == 1 ? tg_batchnorm1d(c->tg, channels, &o) : tg_batchnorm2d(c->tg, channels, &o);
    return adopt(c, m);
}

/* A BatchNorm that was trained on some batches, no two of which are alike. */
static tg_module *trained(trial *c, int dims)
{
    tg_module *m = batchnorm(c, dims);
    tg_no_grad_begin(c->tg);
    for (int64_t k = 0; k < c->i[3]; k++)
        tg_forward(m, tg_add_scalar(tg_mul_scalar(c->x[0], (double)(1 + k)), (double)k));
    tg_no_grad_end(c->tg);
    return m;
}

static tg_tensor *running(const tg_module *m)
{
    tg_tensor *mean = tg_buffer(m, "running_mean"), *count = tg_buffer(m, "num_batches_tracked");
    count = tg_cast(tg_view(count, TG_SHAPE(1)), mean->dtype);
    return tg_cat(TG_LIST(mean, tg_buffer(m, "running_var"), count), 0);
}

static tg_module *layernorm(trial *c)
{
    tg_norm_options o = norm_options(c);
    return adopt(c, tg_layernorm(c->tg, rest(c, 2), &o));
}

static int64_t padding(int64_t number)
{
    return number == INT64_MAX ? TG_NO_INDEX : number;
}

static tg_module *embedding(trial *c)
{
    const tg_tensor *w = c->x[1];
    tg_set_default_dtype(c->tg, w->dtype);
    return adopt(c, tg_embedding_layer(c->tg, w->shape[0], w->shape[1], padding(c->i[0])));
}

static tg_module *sequential(trial *c)
{
    tg_context *tg = c->tg;
    tg_set_default_dtype(tg, c->x[0]->dtype);
    tg_module *inner = tg_sequential(
        TG_MODULES(tg_layernorm(tg, TG_SHAPE(3), NULL), tg_linear(tg, 3, 2, TG_BIAS)));
    return adopt(c,
                 tg_sequential(TG_MODULES(tg_flatten_layer(tg, 1, -1), tg_linear(tg, 4, 3, TG_BIAS),
                                          tg_lambda(tg, tg_relu), inner)));
}

/* The parameters of a layer made after a seed, and what the stream gives next. */
static tg_tensor *drawn(trial *c, tg_module *(*make)(const trial *c))
{
    tg_set_default_dtype(c->tg, TG_F32);
    tg_manual_seed(c->tg, (uint64_t)c->i[0]);
    const tg_list p = tg_parameters(make(c));
    tg_tensor *all[3];
    for (int k = 0; k < p.n; k++) all[k] = tg_detach(tg_flatten(p.items[k], 0, -1));
    all[p.n] = tg_rand(c->tg, TG_F32, TG_SHAPE(2));
    return tg_cat((tg_list){p.n + 1, all}, 0);
}

static tg_module *make_linear(const trial *c)
{
    return tg_linear(c->tg, c->i[1], c->i[2], c->i[3] ? TG_BIAS : TG_NO_BIAS);
}

static tg_module *make_embedding(const trial *c)
{
    return tg_embedding_layer(c->tg, c->i[1], c->i[2], padding(c->i[3]));
}

/* A Linear with the inputs from the second on as its parameters. The gradients of the parameters
 * are compared, and take the place of those of the leaves that gave their values. */
static tg_tensor *linear_of(trial *c)
{
    static const char *const names[] = {NULL, "weight", "bias"};
    tg_set_default_dtype(c->tg, c->x[1]->dtype);
    tg_module *m =
        tg_linear(c->tg, c->x[1]->shape[1], c->x[1]->shape[0], c->n == 3 ? TG_BIAS : TG_NO_BIAS);
    tg_no_grad_begin(c->tg);
    for (int i = 1; i < c->n; i++) {
        c->leaf[i] = tg_param(m, names[i]);
        tg_copy_(c->leaf[i], c->x[i]);
    }
    tg_no_grad_end(c->tg);
    return tg_forward(m, c->x[0]);
}

#define OPS(OP)                                                                                    \
    OP(normalization, batchnorm1d, tg_forward(batchnorm(c, 1), x[0]))                              \
    OP(normalization, batchnorm2d, tg_forward(batchnorm(c, 2), x[0]))                              \
    OP(normalization, batchnorm1d_running, running(trained(c, 1)))                                 \
    OP(normalization, batchnorm2d_running, running(trained(c, 2)))                                 \
    OP(normalization, batchnorm1d_eval, tg_forward(tg_eval(trained(c, 1)), x[0]))                  \
    OP(normalization, batchnorm2d_eval, tg_forward(tg_eval(trained(c, 2)), x[0]))                  \
    OP(normalization, layernorm, tg_forward(layernorm(c), x[0]))                                   \
    OP(layers, embedding, tg_forward(embedding(c), x[0]))                                          \
    OP(layers, sequential, tg_forward(sequential(c), x[0]))                                        \
    OP(drawn, linear_drawn, drawn(c, make_linear))                                                 \
    OP(drawn, embedding_drawn, drawn(c, make_embedding))                                           \
    OP(linear, linear, linear_of(c))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("layers_golden.txt", operations, sizeof operations / sizeof *operations);
}
