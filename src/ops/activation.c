/* Activations and other functions that are said with the operations there are: their gradients, and
 * the gradients' own, come with these. */
#include "../internal.h"

#include <math.h>

/* ---- clamp: between two numbers. a[0], a[1]: the bounds; a[2]: no gradient passes at a bound. */

static bool clamp_shape(const call *c, spec *s)
{
    static const double none[] = {-INFINITY, INFINITY};
    const tg_tensor *x = c->in[0];
    for (int i = 0; i < 2; i++)
        if (c->a[i].f != none[i] && !tg__check_value(c->tg, c->op->name, x->dtype, c->a[i].f))
            return false;
    return tg__check_dtype(c, x, x->dtype != TG_BOOL) && tg__same_shape(c, s);
}

static void bound(const call *c, binary_kernel *f, tg_tensor *x, double value)
{
    scalar s;
    tg_tensor limit = tg__as_tensor(c->out, &s, value);
    tg__elementwise((loop){.binary = f}, c->out, 2, (tg_tensor *[]){x, &limit});
}

static bool clamp_run(const call *c)
{
    tg_tensor *x = c->in[0];
    const double low = c->a[0].f, high = c->a[1].f;
    if (low > -INFINITY || isnan(low)) {
        bound(c, pick(c->tg->level, maximum, x->dtype), x, low);
        x = c->out;
    }
    if (high < INFINITY || isnan(high)) {
        bound(c, pick(c->tg->level, minimum, x->dtype), x, high);
        x = c->out;
    }
    if (x != c->out) tg__copy(c->out, x);
    return true;
}

static tg_tensor *clamp_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *zero = tg_scalar(g->context, g->dtype, 0);
    const double low = r->a[0].f, high = r->a[1].f;
    if (r->a[2].i != 0)
        return tg_where(tg_le_scalar(x, low), zero, tg_where(tg_ge_scalar(x, high), zero, g));
    return tg_where(tg_ge_scalar(x, low), tg_where(tg_le_scalar(x, high), g, zero), zero);
}

static const op_row clamp_op = {"clamp",    "ClampBackward1", clamp_shape, clamp_run,
                                clamp_grad, {READS_0},        0,           0};
static const op_row hardtanh_op = {"hardtanh", "HardtanhBackward0", clamp_shape, clamp_run,
                                   clamp_grad, {READS_0},           0,           0};

static tg_tensor *apply_clamp(const op_row *o, tg_tensor *a, double min, double max)
{
    bool open = o == &hardtanh_op;
    return tg__apply(o, 1, &a, (attr[TG_ATTRS]){{.f = min}, {.f = max}, {.i = open}});
}

tg_tensor *tg_clamp(tg_tensor *a, double min, double max)
{
    return apply_clamp(&clamp_op, a, min, max);
}

tg_tensor *tg_hardtanh(tg_tensor *a, double min_val, double max_val)
{
    return apply_clamp(&hardtanh_op, a, min_val, max_val);
}

tg_tensor *tg_relu6(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "relu6", a);
    return tg__leave(&f, tg_hardtanh(a, 0, 6));
}

/* NaN bounds and values win, as in maximum; where a bound is taken the other side has no gradient.
 */
tg_tensor *tg_clamp_tensors(tg_tensor *a, tg_tensor *min, tg_tensor *max)
{
    frame f;
    if (!tg__check_inputs("clamp_tensors", 3, (tg_tensor *[]){a, min, max})) return NULL;
    tg__enter(&f, "clamp_tensors", a);
    tg_tensor *low = tg_where(tg_logical_or(tg_lt(a, min), tg_isnan(min)), min, a);
    return tg__leave(&f, tg_where(tg_logical_or(tg_gt(low, max), tg_isnan(max)), max, low));
}

/* ---- Said with others. Where a side is not taken its argument is kept from growing, so that its
 * gradient, times 0, is 0. */

tg_tensor *tg_leaky_relu(tg_tensor *a, double negative_slope)
{
    frame f;
    tg__enter(&f, "leaky_relu", a);
    return tg__leave(&f, tg_where(tg_gt_scalar(a, 0), a, tg_mul_scalar(a, negative_slope)));
}

tg_tensor *tg_elu(tg_tensor *a, double alpha)
{
    frame f;
    tg__enter(&f, "elu", a);
    tg_tensor *below = tg_mul_scalar(tg_expm1(tg_clamp(a, -INFINITY, 0)), alpha);
    return tg__leave(&f, tg_where(tg_le_scalar(a, 0), below, a));
}

tg_tensor *tg_selu(tg_tensor *a)
{
    const double alpha = 1.6732632423543772848170429916717;
    const double scale = 1.0507009873554804934193349852946;
    frame f;
    tg__enter(&f, "selu", a);
    return tg__leave(&f, tg_mul_scalar(tg_elu(a, alpha), scale));
}

tg_tensor *tg_gelu(tg_tensor *a, int approximate)
{
    const double root_half = 0.707106781186547524400844362104849039;
    const double root_two_by_pi = 0.797884560802865355879892119868763737;
    if (!a) return NULL;
    if (approximate != TG_GELU_NONE && approximate != TG_GELU_TANH)
        return tg__fail(a->context, TG_ERR_ARGUMENT, "gelu: there is no approximation %d",
                        approximate);
    frame f;
    tg__enter(&f, "gelu", a);
    tg_tensor *share;
    if (approximate == TG_GELU_NONE) {
        share = tg_erf(tg_mul_scalar(a, root_half));
    } else {
        tg_tensor *cube = tg_mul_scalar(tg_mul(tg_square(a), a), 0.044715);
        share = tg_tanh(tg_mul_scalar(tg_add(a, cube), root_two_by_pi));
    }
    return tg__leave(&f, tg_mul(tg_mul_scalar(a, 0.5), tg_add_scalar(share, 1)));
}

tg_tensor *tg_silu(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "silu", a);
    return tg__leave(&f, tg_mul(a, tg_sigmoid(a)));
}

tg_tensor *tg_mish(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "mish", a);
    return tg__leave(&f, tg_mul(a, tg_tanh(tg_softplus(a, 1, INFINITY))));
}

/* log(sigmoid(a)) = min(a, 0) - log(1 + exp(-|a|)). */
tg_tensor *tg_logsigmoid(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "logsigmoid", a);
    return tg__leave(&f, tg_neg(tg_softplus(tg_neg(a), 1, INFINITY)));
}

static bool softplus_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && tg__same_shape(c, s);
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)). */
static bool softplus_run(const call *c)
{
    tg_tensor *x = c->in[0], *work = tg__new(c->tg, x->dtype, x->ndim, x->shape);
    if (!work) return false;
    const int level = c->tg->level;
    const tg_dtype d = x->dtype;
    tg__elementwise((loop){.unary = pick(level, abs, d)}, work, 1, &x);
    tg__elementwise((loop){.unary = pick(level, neg, d)}, work, 1, &work);
    tg__elementwise((loop){.unary = pick(level, exp, d)}, work, 1, &work);
    tg__elementwise((loop){.unary = pick(level, log1p, d)}, work, 1, &work);
    tg__elementwise((loop){.unary = pick(level, relu, d)}, c->out, 1, &x);
    tg__elementwise((loop){.binary = pick(level, add, d)}, c->out, 2,
                    (tg_tensor *[]){c->out, work});
    tg_release(work);
    return true;
}

static tg_tensor *softplus_grad(const record *r, int i, tg_tensor *g)
{
    return tg_mul(g, tg_sigmoid(r->in[i].t));
}

static const op_row softplus_op = {
    "softplus", "SoftplusBackward0", softplus_shape, softplus_run, softplus_grad, {READS_0}, 0, 0};

tg_tensor *tg_softplus(tg_tensor *a, double beta, double threshold)
{
    frame f;
    tg__enter(&f, "softplus", a);
    tg_tensor *x = beta == 1 ? a : tg_mul_scalar(a, beta);
    tg_tensor *y = tg__apply(&softplus_op, 1, &x, NULL);
    if (beta != 1) y = tg_div_scalar(y, beta);
    if (threshold < INFINITY) y = tg_where(tg_gt_scalar(x, threshold), a, y);
    return tg__leave(&f, y);
}

tg_tensor *tg_softsign(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "softsign", a);
    return tg__leave(&f, tg_div(a, tg_add_scalar(tg_abs(a), 1)));
}

/* NaN has a gradient of 0, unlike in relu6. */
tg_tensor *tg_hardsigmoid(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "hardsigmoid", a);
    tg_tensor *inside = tg_div_scalar(tg_relu6(tg_add_scalar(a, 3)), 6);
    return tg__leave(&f, tg_where(tg_isnan(a), tg_detach(a), inside));
}

/* x relu6(x + 3) / 6, with a gradient of 1 from 3 on and of 0 below -3, as PyTorch has it. */
tg_tensor *tg_hardswish(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "hardswish", a);
    tg_tensor *share = tg_div_scalar(tg_clamp(tg_add_scalar(a, 3), 0, 6), 6);
    return tg__leave(&f, tg_mul(a, share));
}

/* ---- Arithmetic and choice. */

tg_tensor *tg_add_alpha(tg_tensor *a, tg_tensor *b, double alpha)
{
    frame f;
    if (!tg__check_inputs("add_alpha", 2, (tg_tensor *[]){a, b})) return NULL;
    tg__enter(&f, "add_alpha", a);
    return tg__leave(&f, tg_add(a, tg_mul_scalar(b, alpha)));
}

tg_tensor *tg_sub_alpha(tg_tensor *a, tg_tensor *b, double alpha)
{
    frame f;
    if (!tg__check_inputs("sub_alpha", 2, (tg_tensor *[]){a, b})) return NULL;
    tg__enter(&f, "sub_alpha", a);
    return tg__leave(&f, tg_sub(a, tg_mul_scalar(b, alpha)));
}

tg_tensor *tg_masked_fill(tg_tensor *a, tg_tensor *mask, double value)
{
    if (!tg__check_inputs("masked_fill", 2, (tg_tensor *[]){a, mask}) ||
        !tg__check_value(a->context, "masked_fill", a->dtype, value))
        return NULL;
    if (mask->dtype != TG_BOOL)
        return tg__fail(a->context, TG_ERR_DTYPE, "masked_fill: the mask is %s, not bool",
                        tg_dtype_name(mask->dtype));
    frame f;
    tg__enter(&f, "masked_fill", a);
    return tg__leave(&f, tg_where(mask, tg_scalar(a->context, a->dtype, value), a));
}

/* From the end that is nearer, so that both ends are met. */
tg_tensor *tg_lerp(tg_tensor *start, tg_tensor *end, tg_tensor *weight)
{
    frame f;
    if (!tg__check_inputs("lerp", 3, (tg_tensor *[]){start, end, weight})) return NULL;
    tg__enter(&f, "lerp", start);
    tg_tensor *way = tg_sub(end, start), *from_start = tg_add(start, tg_mul(way, weight));
    tg_tensor *from_end = tg_sub(end, tg_mul(way, tg_add_scalar(tg_neg(weight), 1)));
    return tg__leave(&f, tg_where(tg_lt_scalar(tg_abs(weight), 0.5), from_start, from_end));
}

tg_tensor *tg_lerp_scalar(tg_tensor *start, tg_tensor *end, double weight)
{
    frame f;
    if (!tg__check_inputs("lerp_scalar", 2, (tg_tensor *[]){start, end})) return NULL;
    tg__enter(&f, "lerp_scalar", start);
    tg_tensor *way = tg_sub(end, start);
    return tg__leave(&f, fabs(weight) < 0.5 ? tg_add(start, tg_mul_scalar(way, weight))
                                            : tg_sub(end, tg_mul_scalar(way, 1 - weight)));
}
