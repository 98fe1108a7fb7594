/* Norms of vectors: (sum of |x|^p)^(1/p) over some dimensions. For p = 0 the norm is the number of
 * elements that are not 0, and for an infinite p the greatest or the least |x|. */
#include "op.h"
#include "reduce.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- tg__norm_backward: x g / y, and 0 where y is 0. */

/* Computes x (g / y), which is one division for each output, if no quotient g / y leaves the range
 * of normal numbers. Else computes (x / y) g, where |x / y| is at most 1; this is slower, as y must
 * first be cleared of zeros and each element is divided. */
static bool norm_backward_forward(const call *c)
{
    tg_tensor *x = c->in[0], *g = c->in[1], *y = tg__contiguous(c->in[2]), *out = c->out;
    tg_tensor *slope = y ? tg__new(c->tg, y->dtype, y->ndim, y->shape) : NULL;
    if (!slope) return false;
    const tg_dtype d = x->dtype;
    const double least = tg__dtypes[d].least;
    const loop div = {.binary = pick(c->tg->level, div, d)};
    const loop mul = {.binary = pick(c->tg->level, mul, d)};
    const bool alike = g->numel == y->numel && tg_is_contiguous(g);
    bool normal = true;
    tg__elementwise(div, slope, 2, (tg_tensor *[]){g, y});
    for (int64_t i = 0; i < slope->numel && normal; i++) {
        const double s = fabs(tg__load(d, slope->data, i));
        normal = (s >= least && s < INFINITY) || (s == 0 && alike && tg__load(d, g->data, i) == 0);
    }
    if (normal) {
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

/* Of f = x w / y: df/dx = w / y, df/dw = x / y, df/dy = -(x / y) (w / y). */
static tg_tensor *norm_backward_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *weight = r->in[1].t, *y = r->in[2].t;
    tg_tensor *one = tg_scalar(g->context, g->dtype, 1);
    if (i == 0) return tg__norm_backward(g, weight, y);
    tg_tensor *share = tg_mul(g, tg__norm_backward(x, one, y));
    if (i == 1) return share;
    return tg_neg(tg_mul(share, tg_div(weight, tg_masked_fill(y, tg_eq_scalar(y, 0), 1))));
}

static const op_row norm_backward_op = {
    .name = "norm_backward",
    .grad_name = "NormBackward1",
    .shape = tg__same_shape,
    .forward = norm_backward_forward,
    .grad = norm_backward_grad,
    .reads = {READS_1 | READS_2, READS_0 | READS_2, READS_0 | READS_1 | READS_2},
    .flags = OP_BROADCAST,
};

tg_tensor *tg__norm_backward(tg_tensor *x, tg_tensor *g, tg_tensor *y)
{
    return tg__apply(&norm_backward_op, 3, (tg_tensor *[]){x, g, y}, NULL);
}

/* ---- (sum of |x|^p)^(1/p), for a p that is neither 0, 1 nor infinite. REDUCE_OWN is p. */

/* The sum of squares over the dimensions that c reduces, in the order of additions of the sum of a
 * tensor of the squares. */
static tg_tensor *sum_of_squares(const call *c)
{
    call squares = *c;
    tg_tensor *x = tg__contiguous(c->in[0]), *sum = NULL;
    squares.in = &x;
    if (x) sum = tg__new(c->tg, x->dtype, c->out->ndim, c->out->shape);
    const bool done = sum && tg__reduce_into(&squares, &tg__sum_squares_kernel,
                                             &tg__sum_squares_columns_kernel, sum, 0);
    return done ? sum : NULL;
}

static tg_tensor *sum_of_powers(tg_tensor *x, double p, tg_shape dims)
{
    return tg_sum_dims(p == 2 ? tg_square(x) : tg_pow_scalar(tg_abs(x), p), dims, TG_KEEPDIM);
}

static tg_tensor *pth_root(tg_tensor *sum, double p)
{
    return p == 2 ? tg_sqrt(sum) : tg_pow_scalar(sum, 1 / p);
}

/* Whether a sum of powers is accurate: no power of a term has overflowed, and those that have
 * underflowed are too small to count in the sum. */
static bool is_accurate(double sum, tg_dtype dtype, double terms)
{
    return sum >= terms * tg__dtypes[dtype].least && sum < INFINITY;
}

/* The norm computed as m |x / m|_p, where m is the greatest |x| or, for a negative p, the least. No
 * power of x / m overflows, and those that underflow do not count. m is 1 where it would be 0,
 * infinite or NaN. */
static tg_tensor *scaled_norm(tg_tensor *x, double p, tg_shape dims)
{
    tg_tensor *size = tg_abs(x),
              *most = p > 0 ? tg_amax(size, dims, TG_KEEPDIM) : tg_amin(size, dims, TG_KEEPDIM);
    tg_tensor *unscalable = tg_logical_or(tg_eq_scalar(most, 0), tg_logical_not(tg_isfinite(most)));
    most = tg_masked_fill(most, unscalable, 1);
    return tg_mul(pth_root(sum_of_powers(tg_div(x, most), p, dims), p), most);
}

/* Computes the norms, and replaces those whose sum of powers is not accurate by scaled ones. */
static tg_tensor *norm_of_terms(const call *c, double p, tg_shape dims, double terms)
{
    tg_tensor *x = c->in[0], *sum = p == 2 ? sum_of_squares(c) : sum_of_powers(x, p, dims);
    tg_tensor *y = pth_root(sum, p), *scaled = NULL;
    const size_t size = tg__dtype_size(x->dtype);
    for (int64_t i = 0; y && x->numel > 0 && i < y->numel; i++) {
        if (is_accurate(tg__load(sum->dtype, sum->data, i), x->dtype, terms)) continue;
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
        if (tg__is_reduced(c->a, d)) dims[n++] = d;
    frame f;
    tg__enter(&f, NULL, x);
    tg_no_grad_begin(c->tg);
    const tg_tensor *y =
        norm_of_terms(c, c->a[REDUCE_OWN].f, (tg_shape){n, dims}, (double)tg__count_terms(x, c->a));
    if (y) tg__copy(c->out, y);
    tg_no_grad_end(c->tg);
    tg__leave(&f, NULL);
    return y != NULL;
}

/* dy/dx = sign(x) (|x| / y)^(p - 1), by the chain rule on (sum of |x|^p)^(1/p); for p = 2 this is x
 * / y. The gradient is 0 where x or y is 0, as in PyTorch. */
static tg_tensor *norm_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *y = tg__restore_dims(r, r->out);
    const double p = r->a[REDUCE_OWN].f;
    g = tg__restore_dims(r, g);
    if (p == 2) return tg__norm_backward(x, g, y);
    tg_tensor *share = tg__norm_backward(x, tg_scalar(g->context, g->dtype, 1), y);
    tg_tensor *size = tg_masked_fill(tg_abs(share), tg_eq_scalar(x, 0), 1);
    tg_tensor *is_zero = tg_eq_scalar(y, 0); /* with p < 0 where any x is 0 */
    tg_tensor *slope = tg_mul(tg_sign(x), tg_pow_scalar(tg_masked_fill(size, is_zero, 1), p - 1));
    return tg_mul(slope, tg_masked_fill(g, is_zero, 0));
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

/* Chooses how to compute the norm: some orders p need no powers. */
static tg_tensor *norm_by_order(tg_tensor *a, double p, tg_shape dims, bool keepdim)
{
    if (!tg__is_float(a->dtype)) return tg__refuse_dtype("norm", a);
    if (isnan(p))
        return tg__fail(a->context, TG_ERR_ARGUMENT, "norm: p is %g, but must be a number", p);
    if (p == INFINITY) return tg_amax(tg_abs(a), dims, keepdim);
    if (p == -INFINITY) return tg_amin(tg_abs(a), dims, keepdim);
    /* p = 0 counts the elements that are not 0, of which NaN is one. */
    if (p == 0)
        return tg_sum_dims(tg_abs(tg_sign(tg_masked_fill(a, tg_isnan(a), 1))), dims, keepdim);
    if (p == 1) return tg_sum_dims(tg_abs(a), dims, keepdim);
    return tg__reduce_dims_with(&norm_op, a, dims, keepdim, (attr){.f = p});
}

tg_tensor *tg_norm_dims(tg_tensor *a, double p, tg_shape dims, bool keepdim)
{
    frame f;
    if (!a) return NULL;
    tg__enter(&f, "norm", a);
    return tg__leave(&f, tg__name_grad_fn(norm_by_order(a, p, dims, keepdim), norm_op.grad_name));
}

tg_tensor *tg_norm(tg_tensor *a, double p)
{
    return tg_norm_dims(a, p, TG_DIMS(), false);
}
