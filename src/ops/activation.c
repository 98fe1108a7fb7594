/* Activations, each of which reads memory once and writes it once, and so does its gradient. relu,
 * sigmoid and tanh are in unary.c, relu6 and hardtanh in clamp.c. */
#include "binary.h"
#include "passes.h"

#include <math.h>

static bool map_shape(const call *c, spec *s)
{
    return tg__check_map(c) && tg__same_shape(c, s);
}

static bool passes_shape(const call *c, spec *s)
{
    const tg_tensor *x = c->in[0];
    return tg__check_dtype(c, x, tg__is_float(x->dtype)) &&
           tg__check_value(c->tg, c->op->name, x->dtype, c->a[0].f) &&
           tg__check_value(c->tg, c->op->name, x->dtype, c->a[1].f) && tg__same_shape(c, s);
}

/* Defines the operation NAME_op, which PyTorch reports as `reported`. `way` is "map" if its value
 * and its gradient have kernels of these names, tg__NAME_kernel and tg__NAME_backward_kernel; it is
 * "passes" if they are functions of tiles, NAME_passes and NAME_backward_passes. `formula` is the
 * gradient for x, in terms of g and the numbers s and t, by operations that have gradients in turn.
 * It is used if the gradient is to have a gradient. */
#define ACTIVATION(name_, reported, way, formula)                                                  \
    static const op_row name_##_backward_op = {.name = #name_ "_backward",                         \
                                               .shape = tg__same_shape,                            \
                                               .forward = tg__##way##_forward,                     \
                                               .kernel = KERNEL_##way(name_##_backward)};          \
    static tg_tensor *name_##_grad(const record *r, int i, tg_tensor *g)                           \
    {                                                                                              \
        tg_tensor *x = r->in[0].t;                                                                 \
        const double s = r->a[0].f, t = r->a[1].f;                                                 \
        (void)i, (void)s, (void)t;                                                                 \
        if (x->context->no_grad)                                                                   \
            return tg__apply(&name_##_backward_op, 2, (tg_tensor *[]){g, x}, r->a);                \
        return formula;                                                                            \
    }                                                                                              \
    static const op_row name_##_op = {.name = #name_,                                              \
                                      .grad_name = reported,                                       \
                                      .shape = way##_shape,                                        \
                                      .forward = tg__##way##_forward,                              \
                                      .grad = name_##_grad,                                        \
                                      .reads = {READS_0},                                          \
                                      .kernel = KERNEL_##way(name_)};
#define KERNEL_map(name) &tg__##name##_kernel
#define KERNEL_passes(name)                                                                        \
    &(const passes_set)                                                                            \
    {                                                                                              \
        name##_passes                                                                              \
    }

static tg_tensor *activate(const op_row *o, tg_tensor *a, double s, double t)
{
    return tg__apply(o, 1, &a, (attr[TG_ATTRS]){{.f = s}, {.f = t}});
}

/* ---- Activations of the form x gate(x). The gradient multiplies g by gate(x) + x gate'(x), which
 * is finite for a finite x; the gradients of a product x * gate(x) would give 0 * infinity = NaN
 * for an infinite g at x = 0. */

/* silu: gate(x) = s with s = sigmoid(x). The derivative is s + x s (1 - s). */
static void silu_passes(const tile *b)
{
    tg__pass1(b, &tg__sigmoid_kernel, b->out, b->in[0]);
    tg__pass2(b, &tg__mul_kernel, b->out, b->in[0], b->out);
}

/* out = g (gate + slope). */
static void end_gate_gradient(const tile *b, const void *gate, const void *slope)
{
    tg__pass2(b, &tg__add_kernel, b->out, gate, slope);
    tg__pass2(b, &tg__mul_kernel, b->out, b->in[0], b->out);
}

static void silu_backward_passes(const tile *b)
{
    const void *x = b->in[1];
    void *gate = b->work[0];
    tg__pass1(b, &tg__sigmoid_kernel, gate, x);
    tg__map_pass(b, &tg__sigmoid_gate_backward_kernel, b->out, 0, 0, b->in[0], x, gate);
}

static tg_tensor *silu_gradient(tg_tensor *g, tg_tensor *x)
{
    tg_tensor *gate = tg_sigmoid(x);
    return tg_mul(g, tg_add(gate, tg__sigmoid_backward(x, gate)));
}
ACTIVATION(silu, "SiluBackward0", passes, silu_gradient(g, x))

tg_tensor *tg_silu(tg_tensor *a)
{
    return activate(&silu_op, a, 0, 0);
}

/* log(1 + exp(s x)) / s, or x where s x > t. The logarithm is computed as log(1 + exp(-|s x|)) +
 * max(s x, 0), where no exp overflows. */
static void softplus(const tile *b, double s, double t, void *to, const void *x)
{
    tg__map_pass(b, &tg__softplus_begin_kernel, to, s, t, x);
    tg__pass1(b, &tg__exp_kernel, to, to);
    tg__pass1(b, &tg__log1p_kernel, to, to);
    tg__map_pass(b, &tg__softplus_end_kernel, to, s, t, x, to);
}

/* mish: gate(x) = t with t = tanh(softplus(x)). The derivative is t + x sigmoid(x) (1 - t^2). */
static void mish_gate(const tile *b, void *to, const void *x)
{
    softplus(b, 1, INFINITY, to, x);
    tg__pass1(b, &tg__tanh_kernel, to, to);
}

static void mish_passes(const tile *b)
{
    mish_gate(b, b->out, b->in[0]);
    tg__pass2(b, &tg__mul_kernel, b->out, b->in[0], b->out);
}

static void mish_backward_passes(const tile *b)
{
    const void *x = b->in[1];
    void *gate = b->work[0];
    mish_gate(b, gate, x);
    tg__pass1(b, &tg__sigmoid_kernel, b->out, x);
    tg__pass2(b, &tg__mul_kernel, b->out, x, b->out);
    tg__pass2(b, &tg__tanh_backward_kernel, b->out, b->out, gate);
    end_gate_gradient(b, gate, b->out);
}

static tg_tensor *mish_gradient(tg_tensor *g, tg_tensor *x)
{
    tg_tensor *gate = tg_tanh(tg_softplus(x, 1, INFINITY));
    return tg_mul(g, tg_add(gate, tg__tanh_backward(tg_mul(x, tg_sigmoid(x)), gate)));
}
ACTIVATION(mish, "MishBackward0", passes, mish_gradient(g, x))

tg_tensor *tg_mish(tg_tensor *a)
{
    return activate(&mish_op, a, 0, 0);
}

/* hardswish: gate(x) = clamp(x + 3, 0, 6) / 6. The derivative is 0 below -3, 1 above 3, and (2 x +
 * 3) / 6 in between, as in PyTorch. */
static tg_tensor *hardswish_gradient(tg_tensor *g, tg_tensor *x)
{
    tg_tensor *inside = tg_mul(g, tg_add_scalar(tg_div_scalar(x, 3), 0.5));
    return tg_where(tg_lt_scalar(x, -3), tg__zero(g), tg_where(tg_gt_scalar(x, 3), g, inside));
}
ACTIVATION(hardswish, "HardswishBackward0", map, hardswish_gradient(g, x))

tg_tensor *tg_hardswish(tg_tensor *a)
{
    return activate(&hardswish_op, a, 0, 0);
}

#define ROOT_HALF       0.707106781186547524400844362104849039
#define ROOT_HALF_BY_PI 0.398942280401432677939946059934381868
#define ROOT_TWO_BY_PI  0.797884560802865355879892119868763737
#define CUBIC           0.044715

/* gelu: gate(x) is the cumulative distribution function of the standard normal, (1 + erf(x /
 * sqrt(2))) / 2. The derivative is gate(x) + x exp(-x^2 / 2) / sqrt(2 pi). */
static void gelu_gate(const tile *b, void *to, const void *x)
{
    tg__scale_pass(b, to, x, ROOT_HALF);
    tg__pass1(b, &tg__erf_kernel, to, to);
    tg__map_pass(b, &tg__scale_kernel, to, 0.5, 0.5, to);
}

static void gelu_passes(const tile *b)
{
    if (b->dtype == TG_F32) {
        tg__pass1(b, &tg__gelu_kernel, b->out, b->in[0]);
        return;
    }
    gelu_gate(b, b->out, b->in[0]);
    tg__pass2(b, &tg__mul_kernel, b->out, b->in[0], b->out);
}

static void gelu_backward_passes(const tile *b)
{
    const void *x = b->in[1];
    if (b->dtype == TG_F32) {
        tg__pass2(b, &tg__gelu_backward_kernel, b->out, b->in[0], x);
        return;
    }
    gelu_gate(b, b->work[0], x);
    tg__pass1(b, &tg__square_kernel, b->out, x);
    tg__scale_pass(b, b->out, b->out, -0.5);
    tg__pass1(b, &tg__exp_kernel, b->out, b->out);
    tg__scale_pass(b, b->out, b->out, ROOT_HALF_BY_PI);
    tg__pass2(b, &tg__mul_kernel, b->out, x, b->out);
    end_gate_gradient(b, b->work[0], b->out);
}

static tg_tensor *gelu_backward(tg_tensor *g, tg_tensor *x);

/* The second derivative of gelu is (2 - x^2) times the density, exp(-x^2 / 2) / sqrt(2 pi). The
 * density is multiplied by x twice, as 0 times an x^2 that has overflowed would be NaN. */
static tg_tensor *gelu_backward_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *first = r->in[0].t, *x = r->in[1].t;
    if (i == 0) return gelu_backward(g, x);
    tg_tensor *density = tg_mul_scalar(tg_exp(tg_mul_scalar(tg_square(x), -0.5)), ROOT_HALF_BY_PI);
    tg_tensor *second = tg_sub(tg_mul_scalar(density, 2), tg_mul(x, tg_mul(x, density)));
    return tg_mul(tg_mul(g, first), second);
}

static const op_row gelu_backward_op = {.name = "gelu_backward",
                                        .grad_name = "GeluBackwardBackward0",
                                        .shape = tg__same_shape,
                                        .forward = tg__passes_forward,
                                        .grad = gelu_backward_grad,
                                        .reads = {READS_1, READS_0 | READS_1},
                                        .kernel = KERNEL_passes(gelu_backward)};

static tg_tensor *gelu_backward(tg_tensor *g, tg_tensor *x)
{
    return tg__apply(&gelu_backward_op, 2, (tg_tensor *[]){g, x}, (attr[TG_ATTRS]){{0}});
}

static tg_tensor *gelu_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return gelu_backward(g, r->in[0].t);
}

static const op_row gelu_op = {.name = "gelu",
                               .grad_name = "GeluBackward0",
                               .shape = passes_shape,
                               .forward = tg__passes_forward,
                               .grad = gelu_grad,
                               .reads = {READS_0},
                               .kernel = KERNEL_passes(gelu)};

/* The approximation of gelu by tanh: gate(x) = (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x +
 * 0.044715 x^3), which is s = sigmoid(2 u). The derivative is s + x s (1 - s) 2 u' with u' = sqrt(2
 * / pi) (1 + 3 * 0.044715 x^2). s (1 - s) is 0 from |x| = 22 on. x is clamped, as an infinite u'
 * times 0 would be NaN. */
static void gelu_tanh_gate(const tile *b, void *to, const void *x)
{
    tg__pass1(b, &tg__square_kernel, to, x);
    tg__pass2(b, &tg__mul_kernel, to, to, x);
    tg__scale_pass(b, to, to, CUBIC);
    tg__pass2(b, &tg__add_kernel, to, x, to);
    tg__scale_pass(b, to, to, ROOT_TWO_BY_PI);
    tg__pass1(b, &tg__tanh_kernel, to, to);
    tg__map_pass(b, &tg__scale_kernel, to, 0.5, 0.5, to);
}

static void gelu_tanh_passes(const tile *b)
{
    gelu_tanh_gate(b, b->out, b->in[0]);
    tg__pass2(b, &tg__mul_kernel, b->out, b->in[0], b->out);
}

static void gelu_tanh_backward_passes(const tile *b)
{
    void *gate = b->work[0], *x = b->work[1];
    gelu_tanh_gate(b, gate, b->in[1]);
    tg__map_pass(b, &tg__clamp_kernel, x, -100, 100, b->in[1]);
    tg__pass1(b, &tg__square_kernel, b->out, x);
    tg__map_pass(b, &tg__scale_kernel, b->out, 3 * CUBIC, 1, b->out);
    tg__scale_pass(b, b->out, b->out, 2 * ROOT_TWO_BY_PI);
    tg__pass2(b, &tg__mul_kernel, b->out, x, b->out);
    tg__map_pass(b, &tg__sigmoid_gate_backward_kernel, b->out, 0, 0, b->in[0], b->out, gate);
}

static tg_tensor *gelu_tanh_gradient(tg_tensor *g, tg_tensor *a)
{
    tg_tensor *x = tg_clamp(a, -100, 100);
    tg_tensor *cube = tg_mul_scalar(tg_mul(tg_square(a), a), CUBIC);
    tg_tensor *tanh_u = tg_tanh(tg_mul_scalar(tg_add(a, cube), ROOT_TWO_BY_PI));
    tg_tensor *gate = tg_mul_scalar(tg_add_scalar(tanh_u, 1), 0.5);
    tg_tensor *slope = tg_add_scalar(tg_mul_scalar(tg_square(x), 3 * CUBIC), 1);
    tg_tensor *x_slope = tg_mul(x, tg_mul_scalar(slope, 2 * ROOT_TWO_BY_PI));
    return tg_mul(g, tg_add(gate, tg__sigmoid_backward(x_slope, gate)));
}
ACTIVATION(gelu_tanh, "GeluBackward0", passes, gelu_tanh_gradient(g, x))

tg_tensor *tg_gelu(tg_tensor *a, int approximate)
{
    frame f;
    if (!a) return NULL;
    if (approximate != TG_GELU_NONE && approximate != TG_GELU_TANH)
        return tg__fail(a->context, TG_ERR_ARGUMENT,
                        "gelu: there is no approximation %d; use TG_GELU_NONE or TG_GELU_TANH",
                        approximate);
    tg__enter(&f, "gelu", a);
    return tg__leave(&f, activate(approximate == TG_GELU_NONE ? &gelu_op : &gelu_tanh_op, a, 0, 0));
}

/* ---- elu: x for x > 0, else s (exp(x) - 1); then times t, which is 1 but for selu. The derivative
 * is 1 for x > 0, else s exp(x). Where x > 0, exp(x) is computed, too, but not used. */
static void elu_passes(const tile *b)
{
    tg__pass1(b, &tg__expm1_kernel, b->out, b->in[0]);
    tg__map_pass(b, &tg__elu_end_kernel, b->out, b->s, b->t, b->in[0], b->out);
}

static void elu_backward_passes(const tile *b)
{
    const void *x = b->in[1];
    tg__pass1(b, &tg__exp_kernel, b->out, x);
    tg__map_pass(b, &tg__elu_backward_end_kernel, b->out, b->s, b->t, b->in[0], x, b->out);
}

static tg_tensor *elu_gradient(tg_tensor *g, tg_tensor *x, double s, double t)
{
    if (t != 1) g = tg_mul_scalar(g, t);
    tg_tensor *below = tg_mul(tg_mul_scalar(g, s), tg_exp(tg_clamp(x, -INFINITY, 0)));
    return tg_where(tg_le_scalar(x, 0), below, g);
}
ACTIVATION(elu, "EluBackward0", passes, elu_gradient(g, x, s, t))

tg_tensor *tg_elu(tg_tensor *a, double alpha)
{
    return activate(&elu_op, a, alpha, 1);
}

tg_tensor *tg_selu(tg_tensor *a)
{
    const double alpha = 1.6732632423543772848170429916717;
    const double scale = 1.0507009873554804934193349852946;
    frame f;
    tg__enter(&f, "selu", a);
    return tg__leave(&f, activate(&elu_op, a, alpha, scale));
}

/* ---- Others. */

/* leaky_relu: x for x > 0, else s x. */
static tg_tensor *leaky_relu_gradient(tg_tensor *g, tg_tensor *x, double s)
{
    tg_tensor *above = tg_gt_scalar(x, 0), *zero = tg__zero(g);
    return tg_add(tg_where(above, g, zero), tg_mul_scalar(tg_where(above, zero, g), s));
}
ACTIVATION(leaky_relu, "LeakyReluBackward0", map, leaky_relu_gradient(g, x, s))

tg_tensor *tg_leaky_relu(tg_tensor *a, double negative_slope)
{
    return activate(&leaky_relu_op, a, negative_slope, 0);
}

/* softplus: log(1 + exp(s x)) / s, but x where s x is greater than t. The derivative is sigmoid(s
 * x) or 1. */
static void softplus_passes(const tile *b)
{
    softplus(b, b->s, b->t, b->out, b->in[0]);
}

static void softplus_backward_passes(const tile *b)
{
    const void *x = b->in[1];
    tg__scale_pass(b, b->out, x, b->s);
    tg__pass1(b, &tg__sigmoid_kernel, b->out, b->out);
    tg__map_pass(b, &tg__softplus_backward_end_kernel, b->out, b->s, b->t, b->in[0], x, b->out);
}

static tg_tensor *softplus_gradient(tg_tensor *g, tg_tensor *x, double s, double t)
{
    tg_tensor *y = s == 1 ? x : tg_mul_scalar(x, s), *linear = NULL;
    if (t < INFINITY) {
        tg_tensor *is_linear = tg_gt_scalar(y, t), *zero = tg__zero(g);
        linear = tg_where(is_linear, g, zero);
        g = tg_where(is_linear, zero, g);
    }
    g = tg_mul(s == 1 ? g : tg_div_scalar(g, s), tg_sigmoid(y));
    if (s != 1) g = tg_mul_scalar(g, s);
    return linear ? tg_add(linear, g) : g;
}
ACTIVATION(softplus, "SoftplusBackward0", passes, softplus_gradient(g, x, s, t))

tg_tensor *tg_softplus(tg_tensor *a, double beta, double threshold)
{
    return activate(&softplus_op, a, beta, threshold);
}

/* logsigmoid: log(sigmoid(x)) = -log(1 + exp(-x)), which is softplus with s = -1. */
#define logsigmoid_passes          softplus_passes
#define logsigmoid_backward_passes softplus_backward_passes
ACTIVATION(logsigmoid, "LogSigmoidBackward0", passes, softplus_gradient(g, x, s, t))

tg_tensor *tg_logsigmoid(tg_tensor *a)
{
    return activate(&logsigmoid_op, a, -1, INFINITY);
}

/* softsign: x / (|x| + 1). */
static tg_tensor *softsign_gradient(tg_tensor *g, tg_tensor *x)
{
    tg_tensor *y = tg_add_scalar(tg_abs(x), 1), *by_x = tg_div(g, y);
    tg_tensor *by_y = tg_neg(tg_div(tg_mul(g, tg_div(x, y)), y));
    return tg_add(by_x, tg_mul(by_y, tg_sign(x)));
}
ACTIVATION(softsign, "DivBackward0", map, softsign_gradient(g, x))

tg_tensor *tg_softsign(tg_tensor *a)
{
    return activate(&softsign_op, a, 0, 0);
}

/* hardsigmoid: relu6(x + 3) / 6. PyTorch gives a gradient of 0 at NaN here, but not in relu6. */
static tg_tensor *hardsigmoid_gradient(tg_tensor *g, tg_tensor *x)
{
    tg_tensor *y = tg_add_scalar(x, 3);
    tg_tensor *inside = tg_logical_and(tg_gt_scalar(y, 0), tg_lt_scalar(y, 6));
    return tg_where(inside, tg_div_scalar(g, 6), tg__zero(g));
}
ACTIVATION(hardsigmoid, "HardsigmoidBackward0", map, hardsigmoid_gradient(g, x))

tg_tensor *tg_hardsigmoid(tg_tensor *a)
{
    return activate(&hardsigmoid_op, a, 0, 0);
}
