/* Activations and other functions that are said with the operations there are: their gradients, and
 * the gradients' own, come with these. */
#include "op.h"
#include "binary.h"

#include <math.h>
#include <string.h>

/* ---- clamp: between two numbers. a[0], a[1]: the bounds; a[2]: no gradient passes at a bound. */

static bool clamp_shape(const call *c, spec *s)
{
    static const double none[] = {-INFINITY, INFINITY};
    const tg_tensor *x = c->in[0];
    for (int i = 0; i < 2; i++)
        if (c->a[i].f != none[i] && !tg__check_value(c->tg, c->op->name, x->dtype, c->a[i].f))
            return false;
    return tg__check_dtype(c, x, tg__is_number(x->dtype)) && tg__same_shape(c, s);
}

static void bound(const call *c, binary_kernel *f, tg_tensor *x, double value)
{
    stack_tensor s;
    tg_tensor *in[] = {x, tg__scalar(&s, c->out, value)};
    tg__elementwise((loop){.binary = f}, c->out, 2, in);
}

static bool clamp_forward(const call *c)
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

static const op_row clamp_op = {
    .name = "clamp",
    .grad_name = "ClampBackward1",
    .shape = clamp_shape,
    .forward = clamp_forward,
    .grad = clamp_grad,
    .reads = {READS_0},
};
static const op_row hardtanh_op = {
    .name = "hardtanh",
    .grad_name = "HardtanhBackward0",
    .shape = clamp_shape,
    .forward = clamp_forward,
    .grad = clamp_grad,
    .reads = {READS_0},
};

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

/* ---- Functions of three tensors that broadcast. */

static bool three_shape(const call *c, spec *s)
{
    call pair = {c->op, c->tg, 2, c->in + 1, c->a, NULL};
    if (!tg__broadcast_shape(&pair, s)) return false;
    pair.in = c->in;
    if (!tg__broadcast_shape(&pair, s)) return false;
    const tg_tensor *last = c->in[2];
    int64_t two[TG_MAX_DIMS];
    const int n = s->ndim;
    memcpy(two, s->shape, sizeof two);
    return tg__broadcast(n, two, last->ndim, last->shape, &s->ndim, s->shape) ||
           tg__fail(c->tg, TG_ERR_SHAPE, "%s: shapes %s and %s do not broadcast", c->op->name,
                    tg__show_sizes(c->tg, n, two), SHOW(last));
}

/* NaN bounds and values win, as in maximum. Of bools the greater is a or b, the lesser a and b. */
static bool clamp_tensors_forward(const call *c)
{
    tg_tensor *x = c->in[0], *min = c->in[1], *max = c->in[2], *out = c->out;
    const int level = c->tg->level;
    const tg_dtype d = out->dtype;
    if (d == TG_BOOL) {
        const loop where = {.where = pick(level, where, d)};
        tg__elementwise(where, out, 3, (tg_tensor *[]){x, x, min});
        tg__elementwise(where, out, 3, (tg_tensor *[]){out, max, out});
    } else {
        const loop greater = {.binary = pick(level, maximum, d)};
        const loop lesser = {.binary = pick(level, minimum, d)};
        tg__elementwise(greater, out, 2, (tg_tensor *[]){x, min});
        tg__elementwise(lesser, out, 2, (tg_tensor *[]){out, max});
    }
    return true;
}

/* To the value between the bounds, or to the bound that was taken; NaN is neither. */
static tg_tensor *clamp_tensors_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *min = r->in[1].t, *max = r->in[2].t, *passes;
    if (i == 0)
        passes = tg_logical_and(tg_ge(x, min), tg_le(x, max));
    else if (i == 1)
        passes = tg_logical_and(tg_lt(x, min), tg_le(min, max));
    else
        passes = tg_logical_or(tg_gt(x, max), tg_lt(max, min));
    return tg_where(passes, g, tg_scalar(g->context, g->dtype, 0));
}

static const op_row clamp_tensors_op = {
    .name = "clamp_tensors",
    .grad_name = "ClampBackward0",
    .shape = three_shape,
    .forward = clamp_tensors_forward,
    .grad = clamp_tensors_grad,
    .reads = {READS_0 | READS_1 | READS_2, READS_0 | READS_1 | READS_2,
              READS_0 | READS_1 | READS_2},
    .flags = OP_BROADCAST,
};

tg_tensor *tg_clamp_tensors(tg_tensor *a, tg_tensor *min, tg_tensor *max)
{
    return tg__apply(&clamp_tensors_op, 3, (tg_tensor *[]){a, min, max}, NULL);
}

static bool lerp_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && three_shape(c, s);
}

/* From the start: start + way weight; or from the end: end - way (1 - weight). */
static void lerp_from(const call *c, bool from_start, tg_tensor *way, tg_tensor *to)
{
    tg_tensor *const *in = c->in;
    const tg_dtype d = to->dtype;
    const int level = c->tg->level;
    stack_tensor s;
    const loop add = {.binary = pick(level, add, d)}, sub = {.binary = pick(level, sub, d)};
    const loop mul = {.binary = pick(level, mul, d)};
    if (from_start) {
        tg__elementwise(mul, to, 2, (tg_tensor *[]){way, in[2]});
        tg__elementwise(add, to, 2, (tg_tensor *[]){in[0], to});
    } else {
        tg__elementwise(sub, to, 2, (tg_tensor *[]){tg__scalar(&s, to, 1), in[2]});
        tg__elementwise(mul, to, 2, (tg_tensor *[]){way, to});
        tg__elementwise(sub, to, 2, (tg_tensor *[]){in[1], to});
    }
}

/* From the start for a weight below a half, from the end for others, so that both ends are met. */
static bool lerp_forward(const call *c)
{
    tg_tensor *weight = c->in[2], *out = c->out;
    const tg_dtype d = out->dtype;
    const int level = c->tg->level;
    const loop sub = {.binary = pick(level, sub, d)}, lt = {.binary = pick(level, lt, d)};
    tg_tensor *way = tg__new(c->tg, d, out->ndim, out->shape);
    if (!way) return false;
    tg__elementwise(sub, way, 2, (tg_tensor *[]){c->in[1], c->in[0]});
    if (weight->numel == 1) {
        lerp_from(c, tg_item(weight) < 0.5, way, out);
        return true;
    }
    tg_tensor *near = tg__new(c->tg, TG_BOOL, weight->ndim, weight->shape);
    tg_tensor *from_end = tg__new(c->tg, d, out->ndim, out->shape);
    if (!near || !from_end) return false;
    stack_tensor half;
    tg__elementwise(lt, near, 2, (tg_tensor *[]){weight, tg__scalar(&half, out, 0.5)});
    lerp_from(c, true, way, out);
    lerp_from(c, false, way, from_end);
    tg__elementwise((loop){.where = pick(level, where, d)}, out, 3,
                    (tg_tensor *[]){near, out, from_end});
    return true;
}

static tg_tensor *lerp_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *start = r->in[0].t, *end = r->in[1].t, *weight = r->in[2].t;
    if (i == 2) return tg_mul(g, tg_sub(end, start));
    return tg_mul(g, i == 0 ? tg_add_scalar(tg_neg(weight), 1) : weight);
}

static const op_row lerp_op = {
    .name = "lerp",
    .grad_name = "LerpBackward1",
    .shape = lerp_shape,
    .forward = lerp_forward,
    .grad = lerp_grad,
    .reads = {READS_2, READS_2, READS_0 | READS_1},
    .flags = OP_BROADCAST,
};
static const op_row lerp_scalar_op = {
    .name = "lerp_scalar",
    .grad_name = "LerpBackward0",
    .shape = lerp_shape,
    .forward = lerp_forward,
    .grad = lerp_grad,
    .reads = {READS_2, READS_2, READS_0 | READS_1},
    .flags = OP_BROADCAST,
};

tg_tensor *tg_lerp(tg_tensor *start, tg_tensor *end, tg_tensor *weight)
{
    return tg__apply(&lerp_op, 3, (tg_tensor *[]){start, end, weight}, NULL);
}

tg_tensor *tg_lerp_scalar(tg_tensor *start, tg_tensor *end, double weight)
{
    frame f;
    if (!tg__check_inputs("lerp_scalar", 2, (tg_tensor *[]){start, end})) return NULL;
    tg__enter(&f, "lerp_scalar", start);
    tg_tensor *all[] = {start, end, tg_scalar(start->context, start->dtype, weight)};
    return tg__leave(&f, tg__apply(&lerp_scalar_op, 3, all, NULL));
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
    bound(c, pick(level, minimum, d), x, 0);
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
