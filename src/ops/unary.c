/* Elementwise functions of one tensor. For each function its gradient, its row and the public
 * function stand together. The formulas of the values are in kernels/elementwise.def. A gradient is
 * g times the derivative, expressed by y where that saves a function of x. */
#include "binary.h"

static loop unary_loop(const call *c, tg_dtype dtype)
{
    const unary_set *kernel = c->op->kernel;
    return (loop){.unary = kernel_at(kernel, c->tg->level, dtype)};
}

static bool unary_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], unary_loop(c, c->in[0]->dtype).unary) &&
           tg__same_shape(c, s);
}

static bool unary_forward(const call *c)
{
    tg__elementwise(unary_loop(c, c->out->dtype), c->out, 1, c->in);
    return true;
}

/* Defines a function `grad` that returns the gradient of y = f(x) for x, given the gradient g of
 * y. */
#define UNARY_GRADIENT(grad, formula)                                                              \
    static tg_tensor *grad(const record *r, int i, tg_tensor *g)                                   \
    {                                                                                              \
        tg_tensor *x = r->in[0].t, *y = r->out;                                                    \
        (void)i, (void)x, (void)y;                                                                 \
        return formula;                                                                            \
    }

#define LN_2           0.693147180559945309417232121458176568
#define LN_10          2.30258509299404568401799145468436421
#define TWO_BY_ROOT_PI 1.12837916709551257389615890312154517

static tg_tensor *one_minus_square(tg_tensor *x)
{
    return tg_add_scalar(tg_neg(tg_square(x)), 1);
}

/* The gradient of step functions, such as floor, whose derivative is 0. */
UNARY_GRADIENT(step_grad, tg_zeros_like(g))

/* clang-format off */

UNARY_GRADIENT(neg_grad, tg_neg(g))
static const op_row neg_op = {.name = "neg", .grad_name = "NegBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = neg_grad,
    .kernel = &tg__neg_kernel};
tg_tensor *tg_neg(tg_tensor *a) { return tg__apply(&neg_op, 1, &a, NULL); }

UNARY_GRADIENT(abs_grad, tg_mul(g, tg_sign(x)))
static const op_row abs_op = {.name = "abs", .grad_name = "AbsBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = abs_grad,
    .reads = {READS_0}, .kernel = &tg__abs_kernel};
tg_tensor *tg_abs(tg_tensor *a) { return tg__apply(&abs_op, 1, &a, NULL); }

static const op_row sign_op = {.name = "sign", .grad_name = "SignBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = step_grad,
    .kernel = &tg__sign_kernel};
tg_tensor *tg_sign(tg_tensor *a) { return tg__apply(&sign_op, 1, &a, NULL); }

UNARY_GRADIENT(square_grad, tg_mul(g, tg_mul_scalar(x, 2)))
static const op_row square_op = {.name = "square", .grad_name = "PowBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = square_grad,
    .reads = {READS_0}, .kernel = &tg__square_kernel};
tg_tensor *tg_square(tg_tensor *a) { return tg__apply(&square_op, 1, &a, NULL); }

UNARY_GRADIENT(sqrt_grad, tg_div(g, tg_mul_scalar(y, 2)))
static const op_row sqrt_op = {.name = "sqrt", .grad_name = "SqrtBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = sqrt_grad,
    .reads = {READS_OUT}, .kernel = &tg__sqrt_kernel};
tg_tensor *tg_sqrt(tg_tensor *a) { return tg__apply(&sqrt_op, 1, &a, NULL); }

UNARY_GRADIENT(exp_grad, tg_mul(g, y))
static const op_row exp_op = {.name = "exp", .grad_name = "ExpBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = exp_grad,
    .reads = {READS_OUT}, .kernel = &tg__exp_kernel};
tg_tensor *tg_exp(tg_tensor *a) { return tg__apply(&exp_op, 1, &a, NULL); }

UNARY_GRADIENT(log_grad, tg_div(g, x))
static const op_row log_op = {.name = "log", .grad_name = "LogBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = log_grad,
    .reads = {READS_0}, .kernel = &tg__log_kernel};
tg_tensor *tg_log(tg_tensor *a) { return tg__apply(&log_op, 1, &a, NULL); }

UNARY_GRADIENT(relu_grad, tg__relu_backward(g, y))
static bool relu_grad_into(const record *r, int i, tg_tensor *g, tg_tensor *out)
{
    (void)i;
    loop f = {.binary = pick(out->context->level, relu_backward, out->dtype)};
    tg__elementwise(f, out, 2, (tg_tensor *[]){g, r->out});
    return true;
}
static const op_row relu_op = {.name = "relu", .grad_name = "ReluBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = relu_grad,
    .grad_into = relu_grad_into, .reads = {READS_OUT}, .flags = OP_OVER,
    .kernel = &tg__relu_kernel};
tg_tensor *tg_relu(tg_tensor *a) { return tg__apply(&relu_op, 1, &a, NULL); }

UNARY_GRADIENT(sigmoid_grad, tg__sigmoid_backward(g, y))
static const op_row sigmoid_op = {.name = "sigmoid", .grad_name = "SigmoidBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = sigmoid_grad,
    .reads = {READS_OUT}, .kernel = &tg__sigmoid_kernel};
tg_tensor *tg_sigmoid(tg_tensor *a) { return tg__apply(&sigmoid_op, 1, &a, NULL); }

UNARY_GRADIENT(tanh_grad, tg__tanh_backward(g, y))
static const op_row tanh_op = {.name = "tanh", .grad_name = "TanhBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = tanh_grad,
    .reads = {READS_OUT}, .kernel = &tg__tanh_kernel};
tg_tensor *tg_tanh(tg_tensor *a) { return tg__apply(&tanh_op, 1, &a, NULL); }

UNARY_GRADIENT(reciprocal_grad, tg_neg(tg_mul(g, tg_square(y))))
static const op_row reciprocal_op = {.name = "reciprocal", .grad_name = "ReciprocalBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = reciprocal_grad,
    .reads = {READS_OUT}, .kernel = &tg__reciprocal_kernel};
tg_tensor *tg_reciprocal(tg_tensor *a) { return tg__apply(&reciprocal_op, 1, &a, NULL); }

UNARY_GRADIENT(rsqrt_grad, tg_mul(tg_mul_scalar(g, -0.5), tg_pow_scalar(y, 3)))
static const op_row rsqrt_op = {.name = "rsqrt", .grad_name = "RsqrtBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = rsqrt_grad,
    .reads = {READS_OUT}, .kernel = &tg__rsqrt_kernel};
tg_tensor *tg_rsqrt(tg_tensor *a) { return tg__apply(&rsqrt_op, 1, &a, NULL); }

UNARY_GRADIENT(expm1_grad, tg_mul(g, tg_add_scalar(y, 1)))
static const op_row expm1_op = {.name = "expm1", .grad_name = "Expm1Backward0",
    .shape = unary_shape, .forward = unary_forward, .grad = expm1_grad,
    .reads = {READS_OUT}, .kernel = &tg__expm1_kernel};
tg_tensor *tg_expm1(tg_tensor *a) { return tg__apply(&expm1_op, 1, &a, NULL); }

UNARY_GRADIENT(log1p_grad, tg_div(g, tg_add_scalar(x, 1)))
static const op_row log1p_op = {.name = "log1p", .grad_name = "Log1PBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = log1p_grad,
    .reads = {READS_0}, .kernel = &tg__log1p_kernel};
tg_tensor *tg_log1p(tg_tensor *a) { return tg__apply(&log1p_op, 1, &a, NULL); }

UNARY_GRADIENT(log2_grad, tg_div(g, tg_mul_scalar(x, LN_2)))
static const op_row log2_op = {.name = "log2", .grad_name = "Log2Backward0",
    .shape = unary_shape, .forward = unary_forward, .grad = log2_grad,
    .reads = {READS_0}, .kernel = &tg__log2_kernel};
tg_tensor *tg_log2(tg_tensor *a) { return tg__apply(&log2_op, 1, &a, NULL); }

UNARY_GRADIENT(log10_grad, tg_div(g, tg_mul_scalar(x, LN_10)))
static const op_row log10_op = {.name = "log10", .grad_name = "Log10Backward0",
    .shape = unary_shape, .forward = unary_forward, .grad = log10_grad,
    .reads = {READS_0}, .kernel = &tg__log10_kernel};
tg_tensor *tg_log10(tg_tensor *a) { return tg__apply(&log10_op, 1, &a, NULL); }

UNARY_GRADIENT(sin_grad, tg_mul(g, tg_cos(x)))
static const op_row sin_op = {.name = "sin", .grad_name = "SinBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = sin_grad,
    .reads = {READS_0}, .kernel = &tg__sin_kernel};
tg_tensor *tg_sin(tg_tensor *a) { return tg__apply(&sin_op, 1, &a, NULL); }

UNARY_GRADIENT(cos_grad, tg_neg(tg_mul(g, tg_sin(x))))
static const op_row cos_op = {.name = "cos", .grad_name = "CosBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = cos_grad,
    .reads = {READS_0}, .kernel = &tg__cos_kernel};
tg_tensor *tg_cos(tg_tensor *a) { return tg__apply(&cos_op, 1, &a, NULL); }

UNARY_GRADIENT(tan_grad, tg_mul(g, tg_add_scalar(tg_square(y), 1)))
static const op_row tan_op = {.name = "tan", .grad_name = "TanBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = tan_grad,
    .reads = {READS_OUT}, .kernel = &tg__tan_kernel};
tg_tensor *tg_tan(tg_tensor *a) { return tg__apply(&tan_op, 1, &a, NULL); }

UNARY_GRADIENT(asin_grad, tg_mul(g, tg_rsqrt(one_minus_square(x))))
static const op_row asin_op = {.name = "asin", .grad_name = "AsinBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = asin_grad,
    .reads = {READS_0}, .kernel = &tg__asin_kernel};
tg_tensor *tg_asin(tg_tensor *a) { return tg__apply(&asin_op, 1, &a, NULL); }

UNARY_GRADIENT(acos_grad, tg_neg(tg_mul(g, tg_rsqrt(one_minus_square(x)))))
static const op_row acos_op = {.name = "acos", .grad_name = "AcosBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = acos_grad,
    .reads = {READS_0}, .kernel = &tg__acos_kernel};
tg_tensor *tg_acos(tg_tensor *a) { return tg__apply(&acos_op, 1, &a, NULL); }

UNARY_GRADIENT(atan_grad, tg_div(g, tg_add_scalar(tg_square(x), 1)))
static const op_row atan_op = {.name = "atan", .grad_name = "AtanBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = atan_grad,
    .reads = {READS_0}, .kernel = &tg__atan_kernel};
tg_tensor *tg_atan(tg_tensor *a) { return tg__apply(&atan_op, 1, &a, NULL); }

UNARY_GRADIENT(sinh_grad, tg_mul(g, tg_cosh(x)))
static const op_row sinh_op = {.name = "sinh", .grad_name = "SinhBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = sinh_grad,
    .reads = {READS_0}, .kernel = &tg__sinh_kernel};
tg_tensor *tg_sinh(tg_tensor *a) { return tg__apply(&sinh_op, 1, &a, NULL); }

UNARY_GRADIENT(cosh_grad, tg_mul(g, tg_sinh(x)))
static const op_row cosh_op = {.name = "cosh", .grad_name = "CoshBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = cosh_grad,
    .reads = {READS_0}, .kernel = &tg__cosh_kernel};
tg_tensor *tg_cosh(tg_tensor *a) { return tg__apply(&cosh_op, 1, &a, NULL); }

UNARY_GRADIENT(erf_grad, tg_mul(tg_mul_scalar(g, TWO_BY_ROOT_PI), tg_exp(tg_neg(tg_square(x)))))
static const op_row erf_op = {.name = "erf", .grad_name = "ErfBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = erf_grad,
    .reads = {READS_0}, .kernel = &tg__erf_kernel};
tg_tensor *tg_erf(tg_tensor *a) { return tg__apply(&erf_op, 1, &a, NULL); }

static const op_row floor_op = {.name = "floor", .grad_name = "FloorBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = step_grad,
    .kernel = &tg__floor_kernel};
tg_tensor *tg_floor(tg_tensor *a) { return tg__apply(&floor_op, 1, &a, NULL); }

static const op_row ceil_op = {.name = "ceil", .grad_name = "CeilBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = step_grad,
    .kernel = &tg__ceil_kernel};
tg_tensor *tg_ceil(tg_tensor *a) { return tg__apply(&ceil_op, 1, &a, NULL); }

static const op_row round_op = {.name = "round", .grad_name = "RoundBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = step_grad,
    .kernel = &tg__round_kernel};
tg_tensor *tg_round(tg_tensor *a) { return tg__apply(&round_op, 1, &a, NULL); }

static const op_row trunc_op = {.name = "trunc", .grad_name = "TruncBackward0",
    .shape = unary_shape, .forward = unary_forward, .grad = step_grad,
    .kernel = &tg__trunc_kernel};
tg_tensor *tg_trunc(tg_tensor *a) { return tg__apply(&trunc_op, 1, &a, NULL); }

/* clang-format on */
