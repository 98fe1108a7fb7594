/* Activations and other functions that are said with the operations there are: their gradients, and
 * the gradients' own, come with these. */
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

/* ---- x gate(x): the gate is the second input, which has no history. The gradient is that of the
 * result times the slope, which is finite where x is, so that an infinite gradient at 0 stays one.
 */

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

/* As it was kept; for a gradient that is to have one, with its history. */
static tg_tensor *gate_of(const record *r, function *gate)
{
    return r->out->context->no_grad ? r->in[1].t : gate(r->in[0].t);
}

static tg_tensor *silu_gate(tg_tensor *a)
{
    return tg_sigmoid(a);
}

static tg_tensor *silu_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *gate = gate_of(r, silu_gate);
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

static tg_tensor *mish_gate(tg_tensor *a)
{
    return tg_tanh(tg_softplus(a, 1, INFINITY));
}

static tg_tensor *mish_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *gate = gate_of(r, mish_gate);
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

static tg_tensor *hardswish_gate(tg_tensor *a)
{
    return tg_div_scalar(tg_clamp(tg_add_scalar(a, 3), 0, 6), 6);
}

/* 0 below -3 and that of the result above 3, as PyTorch has it. */
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

/* The normal distribution function, and its approximation by tanh. */

static tg_tensor *gelu_gate(tg_tensor *a)
{
    const double root_half = 0.707106781186547524400844362104849039;
    return tg_mul_scalar(tg_add_scalar(tg_erf(tg_mul_scalar(a, root_half)), 1), 0.5);
}

static tg_tensor *gelu_grad(const record *r, int i, tg_tensor *g)
{
    const double root_half_by_pi = 0.398942280401432677939946059934381868;
    tg_tensor *x = r->in[i].t, *bell = tg_exp(tg_mul_scalar(tg_square(x), -0.5));
    tg_tensor *growth = tg_mul(x, tg_mul_scalar(bell, root_half_by_pi));
    return tg_mul(g, tg_add(gate_of(r, gelu_gate), growth));
}

#define ROOT_TWO_BY_PI 0.797884560802865355879892119868763737
#define CUBIC          0.044715

static tg_tensor *gelu_tanh_gate(tg_tensor *a)
{
    tg_tensor *cube = tg_mul_scalar(tg_mul(tg_square(a), a), CUBIC);
    tg_tensor *share = tg_tanh(tg_mul_scalar(tg_add(a, cube), ROOT_TWO_BY_PI));
    return tg_mul_scalar(tg_add_scalar(share, 1), 0.5);
}

/* (1 + tanh(u)) / 2 is sigmoid(2 u), whose slope is 0 from |x| = 22 on. Bounds keep the slope of u
 * from an infinity there, which times 0 is NaN. */
static tg_tensor *gelu_tanh_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = tg_clamp(r->in[i].t, -100, 100), *gate = gate_of(r, gelu_tanh_gate);
    tg_tensor *slope = tg_add_scalar(tg_mul_scalar(tg_square(x), 3 * CUBIC), 1);
    tg_tensor *growth = tg_mul(x, tg_mul_scalar(slope, 2 * ROOT_TWO_BY_PI));
    return tg_mul(g, tg_add(gate, tg__sigmoid_backward(growth, gate)));
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

/* ---- elu. a[0]: alpha. */

/* alpha expm1(x) where x is not above 0. */
static bool elu_forward(const call *c)
{
    tg_tensor *x = c->in[0], *out = c->out;
    tg_tensor *below = tg__new(c->tg, TG_BOOL, x->ndim, x->shape);
    if (!below) return false;
    const tg_dtype d = out->dtype;
    const int level = c->tg->level;
    stack_tensor s[2];
    tg_tensor *zero = tg__scalar(&s[0], out, 0), *alpha = tg__scalar(&s[1], out, c->a[0].f);
    tg__elementwise((loop){.binary = pick(level, le, d)}, below, 2, (tg_tensor *[]){x, zero});
    tg__elementwise_number(pick(level, minimum, d), c->out, x, 0);
    tg__elementwise((loop){.unary = pick(level, expm1, d)}, out, 1, &out);
    tg__elementwise((loop){.binary = pick(level, mul, d)}, out, 2, (tg_tensor *[]){out, alpha});
    tg__elementwise((loop){.where = pick(level, where, d)}, out, 3, (tg_tensor *[]){below, out, x});
    return true;
}

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

/* ---- Said with others. Where a side is not taken its argument is kept from growing, so that its
 * gradient, times 0, is 0. */

tg_tensor *tg_leaky_relu(tg_tensor *a, double negative_slope)
{
    frame f;
    tg__enter(&f, "leaky_relu", a);
    return tg__leave(&f, tg_where(tg_gt_scalar(a, 0), a, tg_mul_scalar(a, negative_slope)));
}

tg_tensor *tg_selu(tg_tensor *a)
{
    const double alpha = 1.6732632423543772848170429916717;
    const double scale = 1.0507009873554804934193349852946;
    frame f;
    tg__enter(&f, "selu", a);
    return tg__leave(&f, tg_mul_scalar(tg_elu(a, alpha), scale));
}

/* log(sigmoid(a)) = min(a, 0) - log(1 + exp(-|a|)). */
tg_tensor *tg_logsigmoid(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "logsigmoid", a);
    return tg__leave(&f, tg_neg(tg_softplus(tg_neg(a), 1, INFINITY)));
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)). */
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
