#include "module.h"
#include "../ops/reduce.h"

#include <math.h>

typedef struct norm {
    tg_norm_options o;
    const char *name; /* of the operation, in messages */
    tg_tensor *weight, *bias;
    tg_tensor *running_mean, *running_var, *num_batches_tracked;
    state_change change;
    tg_tensor *before[3]; /* copies of these three from before the change */
    int ndim[2];          /* least and most of the input; LayerNorm: [0] of normalized_shape */
    int64_t shape[TG_MAX_DIMS];
} norm;

tg_norm_options tg_norm_defaults(void)
{
    return (tg_norm_options){TG_NORM_DEFAULTS};
}

/* centered * by * weight + bias, with weight and bias seen in that shape; centered * by if there
 * are none. */
static tg_tensor *scale(const norm *n, tg_tensor *centered, tg_tensor *by, tg_shape shape)
{
    if (!n->weight || !centered) return tg_mul(centered, by);
    tg_tensor *weight = tg_view(n->weight, shape), *bias = tg_view(n->bias, shape);
    tg_tensor *y = shape.ndim < centered->ndim ? tg_mul(tg_mul(centered, by), weight)
                                               : tg_mul(centered, tg_mul(by, weight));
    return tg_add(y, bias);
}

static bool add_weight_and_bias(tg_module *m, norm *n, tg_shape shape)
{
    if (!n->o.affine) return true;
    n->weight = tg__add_param(m, "weight", shape);
    n->bias = tg__add_param(m, "bias", shape);
    tg_no_grad_begin(m->tg);
    bool made = tg_fill_(n->weight, 1) && tg_zero_(n->bias);
    tg_no_grad_end(m->tg);
    return made;
}

static tg_module *new_norm(tg_context *tg, const char *name, const char *class_name,
                           tg_tensor *(*forward)(tg_module *m, tg_tensor *x),
                           const tg_norm_options *options)
{
    tg_module *m = tg__module_new(tg, class_name, forward, sizeof(norm));
    if (!m) return NULL;
    norm *n = m->data;
    n->name = name;
    n->o = options ? *options : tg_norm_defaults();
    if (!(n->o.eps >= 0))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: eps %g must not be negative", name, n->o.eps);
    return m;
}

/* ---- LayerNorm. */

static tg_tensor *layernorm_forward(tg_module *m, tg_tensor *x)
{
    const norm *n = m->data;
    const int k = n->ndim[0], first = x->ndim - k;
    if (first < 0 || !tg__same_sizes(k, x->shape + first, k, n->shape))
        return tg__fail(m->tg, TG_ERR_SHAPE, "layernorm: the input %s does not end in %s", SHOW(x),
                        tg__show_sizes(m->tg, k, n->shape));
    frame f;
    int64_t dims[TG_MAX_DIMS];
    tg__enter(&f, "layernorm", x);
    for (int d = 0; d < k; d++) dims[d] = first + d;
    tg_tensor *centered = tg__center(x, (tg_shape){k, dims}, NULL);
    tg_tensor *by = tg__inverse_deviation(centered, (tg_shape){k, dims}, n->o.eps, NULL);
    return tg__leave(&f, scale(n, centered, by, (tg_shape){k, n->shape}));
}

tg_module *tg_layernorm(tg_context *tg, tg_shape normalized_shape, const tg_norm_options *options)
{
    const int k = normalized_shape.ndim;
    if (!tg || !tg__check_shape(tg, "layernorm", normalized_shape)) return NULL;
    if (k == 0) return tg__fail(tg, TG_ERR_SHAPE, "layernorm: normalized_shape is empty");
    tg_module *m = new_norm(tg, "layernorm", "LayerNorm", layernorm_forward, options);
    if (!m) return NULL;
    norm *n = m->data;
    n->ndim[0] = k;
    for (int d = 0; d < k; d++) n->shape[d] = normalized_shape.dims[d];
    return add_weight_and_bias(m, n, normalized_shape) ? m : NULL;
}

/* ---- BatchNorm. */

static bool check_batch(const tg_module *m, const norm *n, const tg_tensor *x, bool over_batch)
{
    const int64_t features = n->shape[1];
    if (x->ndim < n->ndim[0] || x->ndim > n->ndim[1])
        return tg__fail(m->tg, TG_ERR_SHAPE, "%s: the input %s is not %s", n->name, SHOW(x),
                        n->ndim[0] == 2 ? "(N, C) or (N, C, L)" : "(N, C, H, W)");
    if (x->shape[1] != features)
        return tg__fail(m->tg, TG_ERR_SHAPE,
                        "%s: the input %s has %lld channels in dimension 1, but num_features is "
                        "%lld",
                        n->name, SHOW(x), (long long)x->shape[1], (long long)features);
    return !over_batch || x->numel != features ||
           tg__fail(m->tg, TG_ERR_SHAPE,
                    "%s: the input %s has one value for each channel, which is too few to train "
                    "with; use tg_eval, or a larger batch",
                    n->name, SHOW(x));
}

/* running + momentum (seen - running), in PyTorch's order of rounding. */
static tg_tensor *moving_average(tg_tensor *running, tg_tensor *seen, double momentum)
{
    seen = tg_mul_scalar(tg_view(tg_detach(seen), TG_SHAPE(running->numel)), momentum);
    return tg_add(seen, tg_mul_scalar(running, 1 - momentum));
}

static void put_statistics_back(state_change *c)
{
    norm *n = (norm *)(void *)((char *)c - offsetof(norm, change));
    tg_tensor *const now[] = {n->running_mean, n->running_var, n->num_batches_tracked};
    for (int i = 0; i < 3; i++) {
        tg__copy(now[i], n->before[i]);
        tg__written(now[i], "forward");
    }
}

/* Saves the running statistics before they change, unless the forward under way has saved them
 * already. If no forward is under way, nothing can fail after the change. */
static void save_statistics(tg_context *tg, norm *n)
{
    tg_tensor *const now[] = {n->running_mean, n->running_var, n->num_batches_tracked};
    if (!tg->undo || n->change.listed) return;
    for (int i = 0; i < 3; i++) tg__copy(n->before[i], now[i]);
    n->change.put_back = put_statistics_back;
    n->change.depth = priv(n->running_mean)->depth;
    tg__note_change(tg, &n->change);
}

static bool track(norm *n, const tg_tensor *x, tg_tensor *mean, tg_tensor *var)
{
    tg_no_grad_begin(x->context);
    const double seen = tg_item(n->num_batches_tracked) + 1,
                 count = (double)(x->numel / var->numel);
    const double momentum = isnan(n->o.momentum) ? 1 / seen : n->o.momentum;
    var = tg_mul_scalar(var, count / (count - 1));
    mean = moving_average(n->running_mean, mean, momentum);
    var = var ? moving_average(n->running_var, var, momentum) : NULL;
    if (mean && var) save_statistics(x->context, n);
    bool done = mean && var && tg_copy_(n->running_mean, mean) && tg_copy_(n->running_var, var) &&
                tg_fill_(n->num_batches_tracked, seen);
    tg_no_grad_end(x->context);
    return done;
}

static tg_tensor *batchnorm_forward(tg_module *m, tg_tensor *x)
{
    norm *n = m->data;
    const bool over_batch = m->training || !n->running_mean;
    if (!check_batch(m, n, x, over_batch)) return NULL;
    int64_t dims[] = {0, 2, 3}, shape[TG_MAX_DIMS] = {1, n->shape[1], 1, 1};
    const tg_shape channels = {x->ndim, shape};
    tg_tensor *mean = NULL, *var = NULL, *centered, *by;
    frame f;
    tg__enter(&f, n->name, x);
    if (over_batch) {
        const tg_shape over = {x->ndim - 1, dims};
        centered = tg__center(x, over, &mean);
        by = tg__inverse_deviation(centered, over, n->o.eps, &var);
    } else {
        by = tg_rsqrt(tg_add_scalar(tg_view(n->running_var, channels), n->o.eps));
        centered = tg_sub(x, tg_view(n->running_mean, channels));
    }
    tg_tensor *y = scale(n, centered, by, channels);
    const bool tracks = m->training && n->running_mean && x->numel > 0;
    return tg__leave(&f, y && tracks && !track(n, x, mean, var) ? NULL : y);
}

static tg_module *batchnorm(tg_context *tg, const char *name, const char *class_name,
                            int64_t features, int ndim, const tg_norm_options *options)
{
    const tg_shape shape = TG_SHAPE(features);
    if (!tg || !tg__check_shape(tg, name, shape)) return NULL;
    tg_module *m = new_norm(tg, name, class_name, batchnorm_forward, options);
    if (!m) return NULL;
    norm *n = m->data;
    n->ndim[0] = ndim;
    n->ndim[1] = ndim == 2 ? 3 : 4;
    n->shape[1] = features;
    if (!add_weight_and_bias(m, n, shape)) return NULL;
    if (!n->o.track_running_stats) return m;
    const tg_dtype dtype = tg->default_dtype;
    n->running_mean = tg_register_buffer(m, "running_mean", tg_zeros(tg, dtype, shape));
    n->running_var = tg_register_buffer(m, "running_var", tg_ones(tg, dtype, shape));
    n->num_batches_tracked = tg_register_buffer(m, "num_batches_tracked", tg_scalar(tg, TG_I64, 0));
    if (!n->num_batches_tracked) return NULL;
    tg_tensor *const now[] = {n->running_mean, n->running_var, n->num_batches_tracked};
    for (int i = 0; i < 3; i++)
        if (!(n->before[i] = tg_clone(now[i]))) return NULL;
    return m;
}

tg_module *tg_batchnorm1d(tg_context *tg, int64_t num_features, const tg_norm_options *options)
{
    return batchnorm(tg, "batchnorm1d", "BatchNorm1d", num_features, 2, options);
}

tg_module *tg_batchnorm2d(tg_context *tg, int64_t num_features, const tg_norm_options *options)
{
    return batchnorm(tg, "batchnorm2d", "BatchNorm2d", num_features, 4, options);
}
