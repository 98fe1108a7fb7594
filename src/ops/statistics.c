/* Reductions that are said with others: their gradients come with these. */
#include "../internal.h"

#include <float.h>
#include <math.h>

/* t where it is not 0, else a 0 through which no gradient goes: roots and powers have none there.
 */
static tg_tensor *stopped_at_zero(tg_tensor *t)
{
    return t ? tg_where(tg_eq_scalar(t, 0), tg_scalar(t->context, t->dtype, 0), t) : NULL;
}

/* How many terms an output has. */
static double terms(const tg_tensor *whole, const tg_tensor *reduced)
{
    return reduced->numel > 0 ? (double)whole->numel / (double)reduced->numel : 0;
}

/* In float64, where float32 has the digits and the range for the squares. */
static tg_tensor *wide_var(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim)
{
    if (a && a->dtype == TG_F32) a = tg_cast(a, TG_F64);
    tg_tensor *mean = tg_mean_dims(a, dims, TG_KEEPDIM);
    if (!mean) return NULL;
    double n = terms(a, mean) - (double)correction;
    return tg_div_scalar(tg_sum_dims(tg_square(tg_sub(a, mean)), dims, keepdim), n > 0 ? n : 0);
}

tg_tensor *tg_var_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim)
{
    frame f;
    if (!a) return NULL;
    tg__enter(&f, "var", a);
    return tg__leave(&f, tg_cast(wide_var(a, dims, correction, keepdim), a->dtype));
}

tg_tensor *tg_var(tg_tensor *a, int64_t correction)
{
    return tg_var_dims(a, TG_DIMS(), correction, false);
}

tg_tensor *tg_std_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim)
{
    frame f;
    if (!a) return NULL;
    tg__enter(&f, "std", a);
    tg_tensor *root = tg_sqrt(stopped_at_zero(wide_var(a, dims, correction, keepdim)));
    return tg__leave(&f, tg_cast(root, a->dtype));
}

tg_tensor *tg_std(tg_tensor *a, int64_t correction)
{
    return tg_std_dims(a, TG_DIMS(), correction, false);
}

static tg_tensor *norm_of(tg_tensor *a, double p, tg_shape dims, bool keepdim)
{
    if (!tg__is_float(a->dtype) || isnan(p))
        return tg__fail(a->context, tg__is_float(a->dtype) ? TG_ERR_ARGUMENT : TG_ERR_DTYPE,
                        "norm: not for %s and p %g", tg_dtype_name(a->dtype), p);
    if (p == INFINITY) return tg_amax(tg_abs(a), dims, keepdim);
    if (p == -INFINITY) return tg_amin(tg_abs(a), dims, keepdim);
    if (p == 0) /* NaN is not 0 either */
        return tg_sum_dims(tg_abs(tg_sign(tg_masked_fill(a, tg_isnan(a), 1))), dims, keepdim);
    if (p == 1) return tg_sum_dims(tg_abs(a), dims, keepdim);
    if (p == 2) return tg_sqrt(stopped_at_zero(tg_sum_dims(tg_square(a), dims, keepdim)));
    tg_tensor *powers = tg_pow_scalar(stopped_at_zero(tg_abs(a)), p);
    return tg_pow_scalar(stopped_at_zero(tg_sum_dims(powers, dims, keepdim)), 1 / p);
}

tg_tensor *tg_norm_dims(tg_tensor *a, double p, tg_shape dims, bool keepdim)
{
    frame f;
    if (!a) return NULL;
    tg__enter(&f, "norm", a);
    return tg__leave(&f, norm_of(a, p, dims, keepdim));
}

tg_tensor *tg_norm(tg_tensor *a, double p)
{
    return tg_norm_dims(a, p, TG_DIMS(), false);
}

/* log sum exp(a - m) + m, with the greatest m, or what is finite and nearest to it. */
static tg_tensor *logsumexp_of(tg_tensor *a, tg_shape dims, bool keepdim)
{
    if (!tg__is_float(a->dtype)) return tg__refuse_dtype("logsumexp", a);
    if (a->numel == 0) return tg_log(tg_sum_dims(tg_exp(a), dims, keepdim));
    tg_tensor *most = tg_amax(tg_detach(a), dims, TG_KEEPDIM);
    if (!most) return NULL;
    const double bound = a->dtype == TG_F32 ? FLT_MAX : DBL_MAX;
    most = tg_clamp(most, -bound, bound);
    tg_tensor *sum = tg_sum_dims(tg_exp(tg_sub(a, most)), dims, keepdim);
    return sum ? tg_add(tg_log(sum), tg_reshape(most, (tg_shape){sum->ndim, sum->shape})) : NULL;
}

tg_tensor *tg_logsumexp(tg_tensor *a, tg_shape dims, bool keepdim)
{
    frame f;
    if (!a) return NULL;
    tg__enter(&f, "logsumexp", a);
    return tg__leave(&f, logsumexp_of(a, dims, keepdim));
}

/* ---- Truths: sums of those that are, or are not, 0. */

tg_tensor *tg_any(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "any", a);
    return tg__leave(&f, tg_ne_scalar(tg_sum(tg_ne_scalar(a, 0)), 0));
}

tg_tensor *tg_any_dim(tg_tensor *a, int dim, bool keepdim)
{
    frame f;
    tg__enter(&f, "any", a);
    return tg__leave(&f, tg_ne_scalar(tg_sum_dims(tg_ne_scalar(a, 0), TG_DIMS(dim), keepdim), 0));
}

tg_tensor *tg_all(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "all", a);
    return tg__leave(&f, tg_eq_scalar(tg_sum(tg_eq_scalar(a, 0)), 0));
}

tg_tensor *tg_all_dim(tg_tensor *a, int dim, bool keepdim)
{
    frame f;
    tg__enter(&f, "all", a);
    return tg__leave(&f, tg_eq_scalar(tg_sum_dims(tg_eq_scalar(a, 0), TG_DIMS(dim), keepdim), 0));
}

static tg_indexed extreme_indexed(const char *name, tg_tensor *a, int dim, bool keepdim,
                                  tg_tensor *(*where)(tg_tensor *, int, bool))
{
    frame f;
    tg__enter(&f, name, a);
    tg_tensor *places = where(a, dim, TG_KEEPDIM), *r[] = {NULL, places};
    if (places) r[0] = tg_gather(a, dim, places);
    for (int i = 0; i < 2 && !keepdim; i++) r[i] = tg_squeeze_dim(r[i], dim);
    tg__leave_with(&f, 2, r);
    return r[0] && r[1] ? (tg_indexed){r[0], r[1]} : (tg_indexed){NULL, NULL};
}

tg_indexed tg_max_indexed(tg_tensor *a, int dim, bool keepdim)
{
    return extreme_indexed("max", a, dim, keepdim, tg_argmax_dim);
}

tg_indexed tg_min_indexed(tg_tensor *a, int dim, bool keepdim)
{
    return extreme_indexed("min", a, dim, keepdim, tg_argmin_dim);
}
