/* The normalization layers: LayerNorm, BatchNorm1d and BatchNorm2d. */
#include "module.h"
#include "../context/printer.h"
#include "../ops/reduce.h"

#include <math.h>

typedef struct norm {
    tg_tensor *weight, *bias;
    tg_tensor *running_mean, *running_var, *num_batches_tracked;
    const char *name; /* the operation's name in messages */
    tg_norm_options o;
    state_change change; /* undoes the change of the statistics if the outermost forward fails */
    tg_tensor *saved[3]; /* copies of the three tensors above, from before the change */
    int least_ndim, most_ndim; /* BatchNorm: how many dimensions the input may have */
    int64_t num_features;      /* BatchNorm: the size of dimension 1 of the input */
    int normalized_ndim;       /* LayerNorm: the length of normalized_shape */
    int64_t normalized_shape[TG_MAX_DIMS];
} norm;

tg_norm_options tg_norm_defaults(void)
{
    return (tg_norm_options){TG_NORM_DEFAULTS};
}

/* Whether the layer is one operation: all that takes part has one dtype. */
static bool has_one_dtype(const norm *n, const tg_tensor *x)
{
    return n->weight && n->weight->dtype == x->dtype && n->bias->dtype == x->dtype;
}

/* centered * inverse_std * weight + bias, where weight and bias are viewed in the given shape.
 * Without a weight and a bias it is centered * inverse_std. */
static tg_tensor *scale_and_shift(const norm *n, tg_tensor *centered, tg_tensor *inverse_std,
                                  tg_shape shape)
{
    if (!n->weight || !centered) return tg_mul(centered, inverse_std);
    tg_tensor *weight = tg_view(n->weight, shape), *bias = tg_view(n->bias, shape);
    tg_tensor *y = shape.ndim < centered->ndim ? tg_mul(tg_mul(centered, inverse_std), weight)
                                               : tg_mul(centered, tg_mul(inverse_std, weight));
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
    m->pointers_end = offsetof(norm, name);
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
    const int k = n->normalized_ndim, first = x->ndim - k;
    if (first < 0 || !tg__same_sizes(k, x->shape + first, k, n->normalized_shape))
        return tg__fail(m->tg, TG_ERR_SHAPE, "layernorm: the input %s does not end in %s", SHOW(x),
                        tg__show_sizes(m->tg, k, n->normalized_shape));
    frame f;
    int64_t dims[TG_MAX_DIMS];
    tg__enter(&f, "layernorm", x);
    for (int d = 0; d < k; d++) dims[d] = first + d;
    const tg_shape over = {k, dims};
    tg_tensor *y;
    if (has_one_dtype(n, x) && first > 0 && n->weight->numel > 1) {
        y = tg__layer_norm(x, over, n->weight, n->bias, n->o.eps);
    } else {
        tg_tensor *centered = tg__center(x, over, NULL);
        y = scale_and_shift(n, centered, tg__inverse_deviation(centered, over, n->o.eps, NULL),
                            (tg_shape){k, n->normalized_shape});
    }
    return tg__leave(&f, tg__name_grad_fn(y, "NativeLayerNormBackward0"));
}

static void describe_layernorm(const tg_module *m, char text[TG_DESCRIPTION])
{
    const norm *n = m->data;
    char shape[TG_SIZES], eps[TG_NUMBER];
    sprintf(text, "%s, eps=%s, elementwise_affine=%s",
            tg__write_tuple(shape, n->normalized_ndim, n->normalized_shape),
            tg__write_real(eps, n->o.eps), tg__truth(n->o.affine));
}

tg_module *tg_layernorm(tg_context *tg, tg_shape normalized_shape, const tg_norm_options *options)
{
    const int k = normalized_shape.ndim;
    if (!tg || !tg__check_shape(tg, "layernorm", normalized_shape)) return NULL;
    if (k == 0) return tg__fail(tg, TG_ERR_SHAPE, "layernorm: normalized_shape is empty");
    tg_module *m = new_norm(tg, "layernorm", "LayerNorm", layernorm_forward, options);
    if (!m) return NULL;
    m->describe = describe_layernorm;
    norm *n = m->data;
    n->normalized_ndim = k;
    for (int d = 0; d < k; d++) n->normalized_shape[d] = normalized_shape.dims[d];
    return add_weight_and_bias(m, n, normalized_shape) ? m : NULL;
}

/* ---- BatchNorm. */

static bool check_batch(const tg_module *m, const norm *n, const tg_tensor *x, bool uses_batch)
{
    const int64_t features = n->num_features;
    if (x->ndim < n->least_ndim || x->ndim > n->most_ndim)
        return tg__fail(m->tg, TG_ERR_SHAPE, "%s: the input %s is not %s", n->name, SHOW(x),
                        n->least_ndim == 2 ? "(N, C) or (N, C, L)" : "(N, C, H, W)");
    if (x->shape[1] != features)
        return tg__fail(m->tg, TG_ERR_SHAPE,
                        "%s: the input %s has %lld channels in dimension 1, but num_features is "
                        "%lld",
                        n->name, SHOW(x), (long long)x->shape[1], (long long)features);
    return !uses_batch || x->numel != features ||
           tg__fail(m->tg, TG_ERR_SHAPE,
                    "%s: the input %s has one value for each channel, which is too few to train "
                    "with; use tg_eval, or a larger batch",
                    n->name, SHOW(x));
}

/* Refuses statistics that would be wrong or could not be kept: in a block of rows (rows.h) those of
 * the batch would be those of the block, not of all rows, and running statistics that are borrowed
 * are read-only. */
static bool check_statistics(const tg_module *m, const norm *n, bool uses_batch)
{
    if (uses_batch && m->tg->has_block)
        return tg__fail(m->tg, TG_ERR_ARGUMENT,
                        "%s: the statistics would be those of a block, not of all rows; use "
                        "tg_eval with running statistics, or tg_layernorm",
                        n->name);
    return !m->training || !n->running_mean || !priv(n->running_mean)->storage->lender ||
           tg__fail(
               m->tg, TG_ERR_ARGUMENT,
               "%s: the running statistics are borrowed and cannot be changed; use tg_eval, or "
               "make the module in this context",
               n->name);
}

/* running + momentum (of_batch - running), in PyTorch's order of rounding. */
static tg_tensor *moving_average(tg_tensor *running, tg_tensor *of_batch, double momentum)
{
    of_batch = tg_mul_scalar(tg_view(tg_detach(of_batch), TG_SHAPE(running->numel)), momentum);
    return tg_add(of_batch, tg_mul_scalar(running, 1 - momentum));
}

static void restore_statistics(state_change *c)
{
    norm *n = (norm *)(void *)((char *)c - offsetof(norm, change));
    tg_tensor *const statistics[] = {n->running_mean, n->running_var, n->num_batches_tracked};
    for (int i = 0; i < 3; i++) {
        tg__copy(statistics[i], n->saved[i]);
        tg__written(statistics[i], "forward");
    }
}

/* Saves the running statistics before they change, so that they are restored if the outermost
 * forward fails. Does nothing if that forward has saved them already, or if none is under way. */
static void save_statistics(tg_context *tg, norm *n)
{
    tg_tensor *const statistics[] = {n->running_mean, n->running_var, n->num_batches_tracked};
    if (!tg->undo || n->change.listed) return;
    for (int i = 0; i < 3; i++) tg__copy(n->saved[i], statistics[i]);
    n->change.put_back = restore_statistics;
    n->change.depth = priv(n->running_mean)->depth;
    tg__note_change(tg, &n->change);
}

/* Updates the running statistics from the mean and the (biased) variance of the batch x. With a
 * momentum of NaN, PyTorch's None, they become the averages over all batches so far. */
static bool update_statistics(norm *n, const tg_tensor *x, tg_tensor *mean, tg_tensor *var)
{
    tg_no_grad_begin(x->context);
    const double batches = tg_item(n->num_batches_tracked) + 1,
                 count = (double)(x->numel / var->numel);
    const double momentum = isnan(n->o.momentum) ? 1 / batches : n->o.momentum;
    var = tg_mul_scalar(var, count / (count - 1)); /* the unbiased one, as in PyTorch */
    mean = moving_average(n->running_mean, mean, momentum);
    var = var ? moving_average(n->running_var, var, momentum) : NULL;
    if (mean && var) save_statistics(x->context, n);
    bool done = mean && var && tg_copy_(n->running_mean, mean) && tg_copy_(n->running_var, var) &&
                tg_fill_(n->num_batches_tracked, batches);
    tg_no_grad_end(x->context);
    return done;
}

/* Normalizes by the running statistics; `channels` is the shape in which they broadcast to x. */
static tg_tensor *normalize_by_running(const norm *n, tg_tensor *x, tg_shape channels)
{
    tg_tensor *mean = tg_view(n->running_mean, channels);
    tg_tensor *inverse = tg_rsqrt(tg_add_scalar(tg_view(n->running_var, channels), n->o.eps));
    if (!has_one_dtype(n, x) || n->running_mean->dtype != x->dtype)
        return scale_and_shift(n, tg_sub(x, mean), inverse, channels);
    return tg__normalize_channels(x, mean, tg_mul(inverse, tg_view(n->weight, channels)),
                                  tg_view(n->bias, channels));
}

static tg_tensor *batchnorm_forward(tg_module *m, tg_tensor *x)
{
    norm *n = m->data;
    const bool uses_batch = m->training || !n->running_mean;
    if (!check_statistics(m, n, uses_batch) || !check_batch(m, n, x, uses_batch)) return NULL;
    int64_t dims[] = {0, 2, 3}, shape[TG_MAX_DIMS] = {1, n->num_features, 1, 1};
    const tg_shape channels = {x->ndim, shape}, over = {x->ndim - 1, dims};
    tg_tensor *mean = NULL, *var = NULL, *y;
    frame f;
    tg__enter(&f, n->name, x);
    if (!uses_batch) {
        y = normalize_by_running(n, x, channels);
    } else if (has_one_dtype(n, x)) {
        y = tg__batch_norm(x, over, n->weight, n->bias, n->o.eps, &mean, &var);
    } else {
        tg_tensor *centered = tg__center(x, over, &mean);
        y = scale_and_shift(n, centered, tg__inverse_deviation(centered, over, n->o.eps, &var),
                            channels);
    }
    tg__name_grad_fn(y, "NativeBatchNormBackward0");
    const bool tracks = m->training && n->running_mean && x->numel > 0;
    return tg__leave(&f, y && tracks && !update_statistics(n, x, mean, var) ? NULL : y);
}

static void describe_batchnorm(const tg_module *m, char text[TG_DESCRIPTION])
{
    const norm *n = m->data;
    char eps[TG_NUMBER], momentum[TG_NUMBER];
    const bool averages_all = isnan(n->o.momentum);
    sprintf(text, "%lld, eps=%s, momentum=%s, affine=%s, track_running_stats=%s",
            (long long)n->num_features, tg__write_real(eps, n->o.eps),
            averages_all ? "None" : tg__write_real(momentum, n->o.momentum), tg__truth(n->o.affine),
            tg__truth(n->o.track_running_stats));
}

static tg_module *batchnorm(tg_context *tg, const char *name, const char *class_name,
                            int64_t features, int least_ndim, int most_ndim,
                            const tg_norm_options *options)
{
    const tg_shape shape = TG_SHAPE(features);
    if (!tg || !tg__check_shape(tg, name, shape)) return NULL;
    tg_module *m = new_norm(tg, name, class_name, batchnorm_forward, options);
    if (!m) return NULL;
    m->describe = describe_batchnorm;
    norm *n = m->data;
    n->least_ndim = least_ndim;
    n->most_ndim = most_ndim;
    n->num_features = features;
    if (!add_weight_and_bias(m, n, shape)) return NULL;
    if (!n->o.track_running_stats) return m;
    const tg_dtype dtype = tg->default_dtype;
    n->running_mean = tg_register_buffer(m, "running_mean", tg_zeros(tg, dtype, shape));
    n->running_var = tg_register_buffer(m, "running_var", tg_ones(tg, dtype, shape));
    n->num_batches_tracked = tg_register_buffer(m, "num_batches_tracked", tg_scalar(tg, TG_I64, 0));
    if (!n->num_batches_tracked) return NULL;
    tg_tensor *const statistics[] = {n->running_mean, n->running_var, n->num_batches_tracked};
    for (int i = 0; i < 3; i++)
        if (!(n->saved[i] = tg_clone(statistics[i]))) return NULL;
    return m;
}

tg_module *tg_batchnorm1d(tg_context *tg, int64_t num_features, const tg_norm_options *options)
{
    return batchnorm(tg, "batchnorm1d", "BatchNorm1d", num_features, 2, 3, options);
}

tg_module *tg_batchnorm2d(tg_context *tg, int64_t num_features, const tg_norm_options *options)
{
    return batchnorm(tg, "batchnorm2d", "BatchNorm2d", num_features, 4, 4, options);
}
