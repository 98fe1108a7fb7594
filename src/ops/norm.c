/* Norms of vectors. */
#include "op.h"
#include "reduce.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- x g / y, the gradient of a norm y; 0 where y is 0, and without overflow in between. */

static bool over_norm_forward(const call *c)
{
    tg_tensor *x = c->in[0], *g = c->in[1], *y = tg__contiguous(c->in[2]), *out = c->out;
    tg_tensor *slope = y ? tg__new(c->tg, y->dtype, y->ndim, y->shape) : NULL;
    if (!slope) return false;
    const tg_dtype d = x->dtype;
    const double least = tg__dtypes[d].least;
    const loop div = {.binary = pick(c->tg->level, div, d)};
    const loop mul = {.binary = pick(c->tg->level, mul, d)};
    const bool alike = g->numel == y->numel && tg_is_contiguous(g);
    bool in_range = true;
    tg__elementwise(div, slope, 2, (tg_tensor *[]){g, y});
    for (int64_t i = 0; i < slope->numel && in_range; i++) {
        const double s = fabs(tg__load(d, slope->data, i));
        in_range =
            (s >= least && s < INFINITY) || (s == 0 && alike && tg__load(d, g->data, i) == 0);
    }
    if (in_range) {
        tg__elementwise(mul, out, 2, (tg_tensor *[]){x, slope});
        return true;
    }
    tg_no_grad_begin(c->tg);
    tg_tensor *is_zero = tg_eq_scalar(y, 0);
    g = tg_masked_fill(g, is_zero, 0);
    y = tg_masked_fill(y, is_zero, 1);
    tg_no_grad_end(c->tg);
    if (!g || !y) return false;
    tg__elementwise(div, out, 2, (tg_tensor *[]){x, y});
    tg__elementwise(mul, out, 2, (tg_tensor *[]){out, g});
    return true;
}

static tg_tensor *over_norm_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *weight = r->in[1].t, *y = r->in[2].t;
    tg_tensor *one = tg_scalar(g->context, g->dtype, 1);
    if (i == 0) return tg__over_norm(g, weight, y);
    tg_tensor *share = tg_mul(g, tg__over_norm(x, one, y));
    if (i == 1) return share;
    return tg_neg(tg_mul(share, tg_div(weight, tg_masked_fill(y, tg_eq_scalar(y, 0), 1))));
}

static const op_row over_norm_op = {
    .name = "norm_backward",
    .grad_name = "NormBackward1",
    .shape = tg__same_shape,
    .forward = over_norm_forward,
    .grad = over_norm_grad,
    .reads = {READS_1 | READS_2, READS_0 | READS_2, READS_0 | READS_1 | READS_2},
    .flags = OP_BROADCAST,
};

tg_tensor *tg__over_norm(tg_tensor *x, tg_tensor *g, tg_tensor *y)
{
    return tg__apply(&over_norm_op, 3, (tg_tensor *[]){x, g, y}, NULL);
}

/* ---- (sum |x|^p)^(1/p), for a p that is neither 0, 1 nor infinite; a[2] is p. */

static tg_tensor *power_sum(tg_tensor *x, double p, tg_shape dims)
{
    return tg_sum_dims(p == 2 ? tg_square(x) : tg_pow_scalar(tg_abs(x), p), dims, TG_KEEPDIM);
}

static tg_tensor *root_of(tg_tensor *sum, double p)
{
    return p == 2 ? tg_sqrt(sum) : tg_pow_scalar(sum, 1 / p);
}

/* Whether no power of a term has overflowed, and those that have underflowed are too small to
 * matter in the sum. */
static bool in_range(double sum, tg_dtype dtype, double terms)
{
    return sum >= terms * tg__dtypes[dtype].least && sum < INFINITY;
}

/* The norm by way of x / m, with m the greatest |x| or, for a negative p, the least. */
static tg_tensor *scaled_norm(tg_tensor *x, double p, tg_shape dims)
{
    tg_tensor *size = tg_abs(x),
              *most = p > 0 ? tg_amax(size, dims, TG_KEEPDIM) : tg_amin(size, dims, TG_KEEPDIM);
    tg_tensor *no_scale = tg_logical_or(tg_eq_scalar(most, 0), tg_logical_not(tg_isfinite(most)));
    most = tg_masked_fill(most, no_scale, 1);
    return tg_mul(root_of(power_sum(tg_div(x, most), p, dims), p), most);
}

static tg_tensor *norm_over(tg_tensor *x, double p, tg_shape dims, double terms)
{
    tg_tensor *sum = power_sum(x, p, dims), *y = root_of(sum, p), *scaled = NULL;
    const size_t size = tg__dtype_size(x->dtype);
    for (int64_t i = 0; y && x->numel > 0 && i < y->numel; i++) {
        if (in_range(tg__load(sum->dtype, sum->data, i), x->dtype, terms)) continue;
        if (!scaled && !(scaled = scaled_norm(x, p, dims))) return NULL;
        memcpy((char *)y->data + (size_t)i * size, (char *)scaled->data + (size_t)i * size, size);
    }
    return y;
}

static bool norm_forward(const call *c)
{
    tg_tensor *x = c->in[0];
    int64_t dims[TG_MAX_DIMS];
    int n = 0;
    for (int d = 0; d < x->ndim; d++)
        if ((uint64_t)c->a[0].i >> d & 1) dims[n++] = d;
    frame f;
    tg__enter(&f, NULL, x);
    tg_no_grad_begin(c->tg);
    const tg_tensor *y = norm_over(x, c->a[2].f, (tg_shape){n, dims}, (double)tg__terms(x, c->a));
    if (y) tg__copy(c->out, y);
    tg_no_grad_end(c->tg);
    tg__leave(&f, NULL);
    return y != NULL;
}

/* For p = 2: x / y g. Else: sign(x) (|x| / y)^(p - 1) g, and 0 where x or y is 0. */
static tg_tensor *norm_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *y = tg__with_dims(r, r->out);
    const double p = r->a[2].f;
    g = tg__with_dims(r, g);
    if (p == 2) return tg__over_norm(x, g, y);
    tg_tensor *share = tg__over_norm(x, tg_scalar(g->context, g->dtype, 1), y);
    tg_tensor *size = tg_masked_fill(tg_abs(share), tg_eq_scalar(x, 0), 1);
    tg_tensor *slope = tg_mul(tg_sign(x), tg_pow_scalar(size, p - 1));
    return tg_mul(slope, tg_masked_fill(g, tg_eq_scalar(y, 0), 0));
}

static bool norm_shape(const call *c, spec *s)
{
    s->dtype = c->in[0]->dtype;
    tg__reduced_shape(c, s);
    return true;
}

static const op_row norm_op = {
    .name = "norm",
    .grad_name = "NormBackward1",
    .shape = norm_shape,
    .forward = norm_forward,
    .grad = norm_grad,
    .reads = {READS_0 | READS_OUT},
    .flags = OP_BROADCAST,
};

static tg_tensor *norm_of(tg_tensor *a, double p, tg_shape dims, bool keepdim)
{
    if (!tg__is_float(a->dtype)) return tg__refuse_dtype("norm", a);
    if (isnan(p))
        return tg__fail(a->context, TG_ERR_ARGUMENT, "norm: p is %g, but must be a number", p);
    if (p == INFINITY) return tg_amax(tg_abs(a), dims, keepdim);
    if (p == -INFINITY) return tg_amin(tg_abs(a), dims, keepdim);
    if (p == 0) /* NaN is not 0 either */
        return tg_sum_dims(tg_abs(tg_sign(tg_masked_fill(a, tg_isnan(a), 1))), dims, keepdim);
    if (p == 1) return tg_sum_dims(tg_abs(a), dims, keepdim);
    return tg__over_dims_with(&norm_op, a, dims, keepdim, (attr){.f = p});
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
