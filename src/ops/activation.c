/* Activations. Most of them are composed of other operations, from which their gradients follow.
 * relu, sigmoid and tanh, which have kernels of their own, are in unary.c. */
#include "op.h"
#include "binary.h"

#include <math.h>
#include <string.h>

tg_tensor *tg_relu6(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "relu6", a);
    return tg__leave(&f, tg_hardtanh(a, 0, 6));
}

/* ---- Activations of the form x gate(x). The gate is computed once and becomes the second input,
 * without a history. The gradient function multiplies g by the derivative gate(x) + x gate'(x),
 * which is finite for a finite x; the gradients of a composed x * gate(x) would give 0 * infinity =
 * NaN for an infinite g at x = 0. */

static bool float_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && tg__same_shape(c, s);
}

static bool gated_forward(const call *c)
{
    tg__elementwise((loop){.binary = pick(c->tg->level, mul, c->out->dtype)}, c->out, 2, c->in);
    return true;
}

typedef tg_tensor *function(tg_tensor *a);

static tg_tensor *apply_gate(const op_row *o, tg_tensor *a, function *gate)
{
    frame f;
    if (!a) return NULL;
    tg__enter(&f, o->name, a);
    tg_no_grad_begin(a->context);
    tg_tensor *both[] = {a, gate(a)};
    tg_no_grad_end(a->context);
    return tg__leave(&f, tg__apply(o, 2, both, NULL));
}

/* The gate that the forward has computed or, if the gradient itself is to have a gradient, the gate
 * computed again with its history. */
static tg_tensor *saved_gate(const record *r, function *gate)
{
    return r->out->context->no_grad ? r->in[1].t : gate(r->in[0].t);
}

/* silu: gate(x) = s with s = sigmoid(x). The derivative is s + x s (1 - s). */
static tg_tensor *silu_gate(tg_tensor *a)
{
    return tg_sigmoid(a);
}

static tg_tensor *silu_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *gate = saved_gate(r, silu_gate);
    return tg_mul(g, tg_add(gate, tg__sigmoid_backward(x, gate)));
}

static const op_row silu_op = {
    .name = "silu",
    .grad_name = "SiluBackward0",
    .shape = float_shape,
    .forward = gated_forward,
    .grad = silu_grad,
    .reads = {READS_0 | READS_1},
};

tg_tensor *tg_silu(tg_tensor *a)
{
    return apply_gate(&silu_op, a, silu_gate);
}

/* mish: gate(x) = t with t = tanh(softplus(x)). The derivative is t + x sigmoid(x) (1 - t^2). */
static tg_tensor *mish_gate(tg_tensor *a)
{
    return tg_tanh(tg_softplus(a, 1, INFINITY));
}

static tg_tensor *mish_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *gate = saved_gate(r, mish_gate);
    return tg_mul(g, tg_add(gate, tg__tanh_backward(tg_mul(x, tg_sigmoid(x)), gate)));
}

static const op_row mish_op = {
    .name = "mish",
    .grad_name = "MishBackward0",
    .shape = float_shape,
    .forward = gated_forward,
    .grad = mish_grad,
    .reads = {READS_0 | READS_1},
};

tg_tensor *tg_mish(tg_tensor *a)
{
    return apply_gate(&mish_op, a, mish_gate);
}

/* hardswish: gate(x) = clamp(x + 3, 0, 6) / 6. */
static tg_tensor *hardswish_gate(tg_tensor *a)
{
    return tg_div_scalar(tg_clamp(tg_add_scalar(a, 3), 0, 6), 6);
}

/* The derivative is 0 below -3, 1 above 3, and (2 x + 3) / 6 in between, as in PyTorch. */
static tg_tensor *hardswish_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *zero = tg_scalar(g->context, g->dtype, 0);
    tg_tensor *inside = tg_mul(g, tg_add_scalar(tg_div_scalar(x, 3), 0.5));
    return tg_where(tg_lt_scalar(x, -3), zero, tg_where(tg_gt_scalar(x, 3), g, inside));
}

static const op_row hardswish_op = {
    .name = "hardswish",
    .grad_name = "HardswishBackward0",
    .shape = float_shape,
    .forward = gated_forward,
    .grad = hardswish_grad,
    .reads = {READS_0},
};

tg_tensor *tg_hardswish(tg_tensor *a)
{
    return apply_gate(&hardswish_op, a, hardswish_gate);
}

/* gelu: gate(x) is the cumulative distribution function of the standard normal, (1 + erf(x /
 * sqrt(2))) / 2, or its approximation by tanh. The derivative of the exact form is gate(x) + x
 * exp(-x^2 / 2) / sqrt(2 pi). */

static tg_tensor *gelu_gate(tg_tensor *a)
{
    const double root_half = 0.707106781186547524400844362104849039;
    return tg_mul_scalar(tg_add_scalar(tg_erf(tg_mul_scalar(a, root_half)), 1), 0.5);
}

static tg_tensor *gelu_grad(const record *r, int i, tg_tensor *g)
{
    const double root_half_by_pi = 0.398942280401432677939946059934381868;
    tg_tensor *x = r->in[i].t, *density = tg_exp(tg_mul_scalar(tg_square(x), -0.5));
    tg_tensor *x_slope = tg_mul(x, tg_mul_scalar(density, root_half_by_pi));
    return tg_mul(g, tg_add(saved_gate(r, gelu_gate), x_slope));
}

#define ROOT_TWO_BY_PI 0.797884560802865355879892119868763737
#define CUBIC          0.044715

/* (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3). */
static tg_tensor *gelu_tanh_gate(tg_tensor *a)
{
    tg_tensor *cube = tg_mul_scalar(tg_mul(tg_square(a), a), CUBIC);
    tg_tensor *tanh_u = tg_tanh(tg_mul_scalar(tg_add(a, cube), ROOT_TWO_BY_PI));
    return tg_mul_scalar(tg_add_scalar(tanh_u, 1), 0.5);
}

/* (1 + tanh(u)) / 2 is s = sigmoid(2 u), and the derivative is s + x s (1 - s) 2 u' with u' =
 * sqrt(2 / pi) (1 + 3 * 0.044715 x^2). s (1 - s) is 0 from |x| = 22 on. x is clamped, as an
 * infinite u' times 0 would be NaN. */
static tg_tensor *gelu_tanh_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = tg_clamp(r->in[i].t, -100, 100), *gate = saved_gate(r, gelu_tanh_gate);
    tg_tensor *slope = tg_add_scalar(tg_mul_scalar(tg_square(x), 3 * CUBIC), 1);
    tg_tensor *x_slope = tg_mul(x, tg_mul_scalar(slope, 2 * ROOT_TWO_BY_PI));
    return tg_mul(g, tg_add(gate, tg__sigmoid_backward(x_slope, gate)));
}

static const op_row gelu_op = {
    .name = "gelu",
    .grad_name = "GeluBackward0",
    .shape = float_shape,
    .forward = gated_forward,
    .grad = gelu_grad,
    .reads = {READS_0 | READS_1},
};
static const op_row gelu_tanh_op = {
    .name = "gelu",
    .grad_name = "GeluBackward0",
    .shape = float_shape,
    .forward = gated_forward,
    .grad = gelu_tanh_grad,
    .reads = {READS_0 | READS_1},
};

tg_tensor *tg_gelu(tg_tensor *a, int approximate)
{
    if (!a) return NULL;
    if (approximate == TG_GELU_NONE) return apply_gate(&gelu_op, a, gelu_gate);
    if (approximate == TG_GELU_TANH) return apply_gate(&gelu_tanh_op, a, gelu_tanh_gate);
    return tg__fail(a->context, TG_ERR_ARGUMENT,
                    "gelu: there is no approximation %d; use TG_GELU_NONE or TG_GELU_TANH",
                    approximate);
}

/* ---- elu: x for x > 0, else alpha (exp(x) - 1). a[0] is alpha. */

/* Computes alpha expm1(min(x, 0)) everywhere, and then takes x where x > 0. */
static bool elu_forward(const call *c)
{
    tg_tensor *x = c->in[0], *out = c->out;
    tg_tensor *below = tg__new(c->tg, TG_BOOL, x->ndim, x->shape);
    if (!below) return false;
    const tg_dtype d = out->dtype;
    const int level = c->tg->level;
    stack_tensor zero;
    tg__elementwise((loop){.binary = pick(level, le, d)}, below, 2,
                    (tg_tensor *[]){x, tg__scalar(&zero, out, 0)});
    tg__elementwise_number(pick(level, minimum, d), out, x, 0);
    tg__elementwise((loop){.unary = pick(level, expm1, d)}, out, 1, &out);
    tg__elementwise_number(pick(level, mul, d), out, out, c->a[0].f);
    tg__elementwise((loop){.where = pick(level, where, d)}, out, 3, (tg_tensor *[]){below, out, x});
    return true;
}

/* The derivative is 1 for x > 0, else alpha exp(x). x is clamped first, since exp(x) could overflow
 * where it is not used. */
static tg_tensor *elu_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t;
    tg_tensor *below = tg_mul(tg_mul_scalar(g, r->a[0].f), tg_exp(tg_clamp(x, -INFINITY, 0)));
    return tg_where(tg_le_scalar(x, 0), below, g);
}

static bool elu_shape(const call *c, spec *s)
{
    return float_shape(c, s) && tg__check_value(c->tg, c->op->name, s->dtype, c->a[0].f);
}

static const op_row elu_op = {
    .name = "elu",
    .grad_name = "EluBackward0",
    .shape = elu_shape,
    .forward = elu_forward,
    .grad = elu_grad,
    .reads = {READS_0},
};

tg_tensor *tg_elu(tg_tensor *a, double alpha)
{
    return tg__apply(&elu_op, 1, &a, (attr[TG_ATTRS]){{.f = alpha}});
}

/* ---- Activations composed of other operations. */

tg_tensor *tg_leaky_relu(tg_tensor *a, double negative_slope)
{
    frame f;
    tg__enter(&f, "leaky_relu", a);
    tg_tensor *y = tg_where(tg_gt_scalar(a, 0), a, tg_mul_scalar(a, negative_slope));
    return tg__leave(&f, tg__name_grad_fn(y, "LeakyReluBackward0"));
}

tg_tensor *tg_selu(tg_tensor *a)
{
    const double alpha = 1.6732632423543772848170429916717;
    const double scale = 1.0507009873554804934193349852946;
    frame f;
    tg__enter(&f, "selu", a);
    tg_tensor *y = tg_mul_scalar(tg_elu(a, alpha), scale);
    return tg__leave(&f, tg__name_grad_fn(y, "EluBackward0")); /* PyTorch's selu is its elu */
}

/* log(sigmoid(a)) = min(a, 0) - log(1 + exp(-|a|)). */
tg_tensor *tg_logsigmoid(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "logsigmoid", a);
    tg_tensor *y = tg_neg(tg_softplus(tg_neg(a), 1, INFINITY));
    return tg__leave(&f, tg__name_grad_fn(y, "LogSigmoidBackward0"));
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), where no exp overflows. */
static bool softplus_forward(const call *c)
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

/* The derivative of log(1 + exp(x)) is sigmoid(x). */
static tg_tensor *softplus_grad(const record *r, int i, tg_tensor *g)
{
    return tg_mul(g, tg_sigmoid(r->in[i].t));
}

static const op_row softplus_op = {
    .name = "softplus",
    .grad_name = "SoftplusBackward0",
    .shape = float_shape,
    .forward = softplus_forward,
    .grad = softplus_grad,
    .reads = {READS_0},
};

tg_tensor *tg_softplus(tg_tensor *a, double beta, double threshold)
{
    frame f;
    tg__enter(&f, "softplus", a);
    tg_tensor *x = beta == 1 ? a : tg_mul_scalar(a, beta);
    tg_tensor *y = tg__apply(&softplus_op, 1, &x, NULL);
    if (beta != 1) y = tg_div_scalar(y, beta);
    if (threshold < INFINITY) y = tg_where(tg_gt_scalar(x, threshold), a, y);
    return tg__leave(&f, tg__name_grad_fn(y, softplus_op.grad_name));
}

tg_tensor *tg_softsign(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "softsign", a);
    return tg__leave(&f, tg_div(a, tg_add_scalar(tg_abs(a), 1)));
}

/* relu6(x + 3) / 6. PyTorch gives a gradient of 0 at NaN here, but not in relu6. */
tg_tensor *tg_hardsigmoid(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "hardsigmoid", a);
    tg_tensor *inside = tg_div_scalar(tg_relu6(tg_add_scalar(a, 3)), 6);
    tg_tensor *y = tg_where(tg_isnan(a), tg_detach(a), inside);
    return tg__leave(&f, tg__name_grad_fn(y, "HardsigmoidBackward0"));
}
