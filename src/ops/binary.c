/* Elementwise functions of two tensors, or of a tensor and a number, and their in-place forms. For
 * each function its gradient, its row and the public function stand together. The formulas of the
 * values are in kernels/elementwise.def. */
#include "binary.h"
#include "passes.h"

static loop binary_loop(const call *c, tg_dtype dtype)
{
    const binary_set *kernel = c->op->kernel;
    return (loop){.binary = kernel_at(kernel, c->tg->level, dtype)};
}

static bool binary_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], binary_loop(c, c->in[0]->dtype).binary) &&
           tg__broadcast_shape(c, s);
}

static bool binary_forward(const call *c)
{
    loop f = binary_loop(c, c->out->dtype);
    tg__elementwise(f, c->out, 2, c->in);
    return true;
}

static bool binary_linear_forward(const call *c, linear_form form)
{
    const tg_dtype d = c->out->dtype;
    const linear_map l = {pick(c->tg->level, scale, d), form};
    tg__elementwise_linear(l, binary_loop(c, d).binary, c->out, c->in);
    return true;
}

static bool binary_sum_forward(const call *c)
{
    return binary_linear_forward(c, LINEAR_SUM);
}

static bool binary_difference_forward(const call *c)
{
    return binary_linear_forward(c, LINEAR_DIFFERENCE);
}

static bool binary_product_forward(const call *c)
{
    return binary_linear_forward(c, LINEAR_PRODUCT);
}

/* Checks that no int64 is divided by zero, for which there is no value; a floating remainder is NaN
 * then. */
static bool check_divisor(const call *c, bool has_zero)
{
    return !has_zero || tg__is_float(c->out->dtype) ||
           tg__fail(c->tg, TG_ERR_ARGUMENT, "%s: division by zero", c->op->name);
}

static bool modulo_forward(const call *c)
{
    tg_tensor *b = c->in[1];
    bool has_zero = false;
    if (b->dtype == TG_I64 && c->out->numel > 0) {
        tg_scope_begin(c->tg);
        has_zero = tg_item(tg_sum(tg_eq_scalar(b, 0))) != 0;
        tg_scope_end(c->tg);
    }
    return check_divisor(c, has_zero) && binary_forward(c);
}

/* The gradient of maximum or minimum for x: g where x was chosen, half of g where both are equal,
 * and 0 where the other tensor was chosen. */
static tg_tensor *grad_of_chosen(tg_tensor *g, tg_tensor *x, tg_tensor *other_chosen,
                                 tg_tensor *other)
{
    g = tg_where(tg_eq(x, other), tg_mul_scalar(g, 0.5), g);
    return tg_where(other_chosen, tg__zero(x), g);
}

/* d a^b/da = b a^(b - 1). At b = 0 the gradient is 0 whatever the base, as in PyTorch; the formula
 * gives NaN for some. */
static tg_tensor *pow_grad_base(tg_tensor *g, tg_tensor *a, tg_tensor *b)
{
    tg_tensor *slope = tg_mul(b, tg_pow(a, tg_sub_scalar(b, 1)));
    return tg_where(tg_eq_scalar(b, 0), tg__zero(b), tg_mul(g, slope));
}

/* d a^b/db = a^b log(a). At a = 0, where the logarithm is infinite, the gradient is 0 if b is not
 * negative, as in PyTorch. */
static tg_tensor *pow_grad_exponent(tg_tensor *g, tg_tensor *a, tg_tensor *b)
{
    tg_tensor *slope = tg_mul(tg_pow(a, b), tg_log(a));
    tg_tensor *at_zero = tg_where(tg_ge_scalar(b, 0), tg__zero(b), slope);
    return tg_mul(g, tg_where(tg_eq_scalar(a, 0), at_zero, slope));
}

/* floor(a / b), found from the remainder because it is exact: remainder(a, b) = a - b floor(a /
 * b). */
static tg_tensor *floored_quotient(tg_tensor *a, tg_tensor *b)
{
    return tg_round(tg_div(tg_sub(a, tg_remainder(a, b)), b));
}

/* ---- A tensor and a number, which is a[0]. The kernel is that of two tensors; the second one is a
 * 0-d tensor on the stack. */

static bool scalar_shape(const call *c, spec *s)
{
    const tg_tensor *x = c->in[0];
    return tg__check_dtype(c, x, binary_loop(c, x->dtype).binary) &&
           tg__check_value(c->tg, c->op->name, x->dtype, c->a[0].f) && tg__same_shape(c, s);
}

static bool scalar_forward(const call *c)
{
    tg__elementwise_number(binary_loop(c, c->out->dtype).binary, c->out, c->in[0], c->a[0].f);
    return true;
}

/* For these exponents PyTorch calls no pow, whose values would be others: those of sqrt differ for
 * -infinity and -0, and x * x * x is rounded twice. */
static bool pow_scalar_forward(const call *c)
{
    static const struct {
        double exponent;
        const unary_set *kernel;
    } powers[] = {{2, &tg__square_kernel},      {3, &tg__cube_kernel},
                  {0.5, &tg__sqrt_kernel},      {-0.5, &tg__rsqrt_kernel},
                  {-1, &tg__reciprocal_kernel}, {-2, &tg__inverse_square_kernel}};
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
        if (c->a[0].f != powers[i].exponent) continue;
        loop f = {.unary = kernel_at(powers[i].kernel, c->tg->level, c->out->dtype)};
        tg__elementwise(f, c->out, 1, c->in);
        return true;
    }
    return scalar_forward(c);
}

static bool mul_scalar_grad_into(const record *r, int i, tg_tensor *g, tg_tensor *out)
{
    (void)i;
    tg__elementwise_number(pick(g->context->level, mul, g->dtype), out, g, r->a[0].f);
    return true;
}

static bool modulo_scalar_forward(const call *c)
{
    return check_divisor(c, c->a[0].f == 0) && scalar_forward(c);
}

/* Computes f(number, x), with the number as the first operand. */
static bool reversed_scalar_forward(const call *c)
{
    stack_tensor s;
    tg_tensor *in[] = {tg__scalar(&s, c->out, c->a[0].f), c->in[0]};
    tg__elementwise(binary_loop(c, c->out->dtype), c->out, 2, in);
    return true;
}

/* ---- Functions in place: the first operand is also the result, and the second broadcasts to
 * it. */

static bool binary_write_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], binary_loop(c, c->in[0]->dtype).binary) &&
           tg__write_shape(c, s);
}

/* ---- Gradients, rows and functions. */

/* Defines a function `grad` that returns the gradient of f(a, b) for a or that for b, given the
 * gradient g of the result. */
#define BINARY_GRADIENTS(grad, for_a, for_b)                                                       \
    static tg_tensor *grad(const record *r, int i, tg_tensor *g)                                   \
    {                                                                                              \
        tg_tensor *a = r->in[0].t, *b = r->in[1].t;                                                \
        (void)a, (void)b;                                                                          \
        return i == 0 ? for_a : for_b;                                                             \
    }

/* Defines a function `grad` that returns the gradient of f(x, s) for x, where s is a number. */
#define SCALAR_GRADIENT(grad, formula)                                                             \
    static tg_tensor *grad(const record *r, int i, tg_tensor *g)                                   \
    {                                                                                              \
        tg_tensor *x = r->in[0].t;                                                                 \
        double s = r->a[0].f;                                                                      \
        (void)i, (void)x, (void)s;                                                                 \
        return formula;                                                                            \
    }

static inline tg_tensor *apply_binary(const op_row *o, tg_tensor *a, tg_tensor *b)
{
    return tg__apply(o, 2, (tg_tensor *[]){a, b}, NULL);
}

static inline tg_tensor *write_binary(const op_row *o, tg_tensor *t, tg_tensor *other)
{
    return tg__apply_in_place(o, 2, (tg_tensor *[]){t, other}, NULL);
}

static inline tg_tensor *apply_scalar(const op_row *o, tg_tensor *a, double s)
{
    return tg__apply(o, 1, &a, (attr[TG_ATTRS]){{.f = s}});
}

static inline tg_tensor *write_scalar(const op_row *o, tg_tensor *t, double s)
{
    return tg__apply_in_place(o, 1, &t, (attr[TG_ATTRS]){{.f = s}});
}

/* clang-format off */

BINARY_GRADIENTS(add_grad, g, g)
static const op_row add_op = {.name = "add", .grad_name = "AddBackward0",
    .shape = binary_shape, .forward = binary_sum_forward, .grad = add_grad,
    .flags = OP_BROADCAST, .kernel = &tg__add_kernel};
static const op_row add_in_place_op = {.name = "add_", .grad_name = "AddBackward0",
    .shape = binary_write_shape, .forward = binary_sum_forward, .grad = add_grad,
    .flags = OP_BROADCAST, .kernel = &tg__add_kernel};
tg_tensor *tg_add(tg_tensor *a, tg_tensor *b) { return apply_binary(&add_op, a, b); }
tg_tensor *tg_add_(tg_tensor *t, tg_tensor *other) { return write_binary(&add_in_place_op, t, other); }

SCALAR_GRADIENT(add_scalar_grad, g)
static const op_row add_scalar_op = {.name = "add_scalar", .grad_name = "AddBackward0",
    .shape = scalar_shape, .forward = scalar_forward, .grad = add_scalar_grad,
    .kernel = &tg__add_kernel};
static const op_row add_scalar_in_place_op = {.name = "add_scalar_", .grad_name = "AddBackward0",
    .shape = scalar_shape, .forward = scalar_forward, .grad = add_scalar_grad,
    .kernel = &tg__add_kernel};
tg_tensor *tg_add_scalar(tg_tensor *a, double s) { return apply_scalar(&add_scalar_op, a, s); }
tg_tensor *tg_add_scalar_(tg_tensor *t, double s) { return write_scalar(&add_scalar_in_place_op, t, s); }

BINARY_GRADIENTS(sub_grad, g, tg_neg(g))
static const op_row sub_op = {.name = "sub", .grad_name = "SubBackward0",
    .shape = binary_shape, .forward = binary_difference_forward, .grad = sub_grad,
    .flags = OP_BROADCAST, .kernel = &tg__sub_kernel};
static const op_row sub_in_place_op = {.name = "sub_", .grad_name = "SubBackward0",
    .shape = binary_write_shape, .forward = binary_difference_forward, .grad = sub_grad,
    .flags = OP_BROADCAST, .kernel = &tg__sub_kernel};
tg_tensor *tg_sub(tg_tensor *a, tg_tensor *b) { return apply_binary(&sub_op, a, b); }
tg_tensor *tg_sub_(tg_tensor *t, tg_tensor *other) { return write_binary(&sub_in_place_op, t, other); }

SCALAR_GRADIENT(sub_scalar_grad, g)
static const op_row sub_scalar_op = {.name = "sub_scalar", .grad_name = "SubBackward0",
    .shape = scalar_shape, .forward = scalar_forward, .grad = sub_scalar_grad,
    .kernel = &tg__sub_kernel};
static const op_row sub_scalar_in_place_op = {.name = "sub_scalar_", .grad_name = "SubBackward0",
    .shape = scalar_shape, .forward = scalar_forward, .grad = sub_scalar_grad,
    .kernel = &tg__sub_kernel};
tg_tensor *tg_sub_scalar(tg_tensor *a, double s) { return apply_scalar(&sub_scalar_op, a, s); }
tg_tensor *tg_sub_scalar_(tg_tensor *t, double s) { return write_scalar(&sub_scalar_in_place_op, t, s); }

SCALAR_GRADIENT(rsub_scalar_grad, tg_neg(g))
static const op_row rsub_scalar_op = {.name = "rsub_scalar", .grad_name = "RsubBackward1",
    .shape = scalar_shape, .forward = reversed_scalar_forward, .grad = rsub_scalar_grad,
    .kernel = &tg__sub_kernel};
tg_tensor *tg_rsub_scalar(tg_tensor *a, double s) { return apply_scalar(&rsub_scalar_op, a, s); }

BINARY_GRADIENTS(mul_grad, tg_mul(g, b), tg_mul(g, a))
static const op_row mul_op = {.name = "mul", .grad_name = "MulBackward0",
    .shape = binary_shape, .forward = binary_product_forward, .grad = mul_grad,
    .reads = {READS_1, READS_0}, .flags = OP_BROADCAST, .kernel = &tg__mul_kernel};
static const op_row mul_in_place_op = {.name = "mul_", .grad_name = "MulBackward0",
    .shape = binary_write_shape, .forward = binary_product_forward, .grad = mul_grad,
    .reads = {READS_1, READS_0}, .flags = OP_BROADCAST, .kernel = &tg__mul_kernel};
tg_tensor *tg_mul(tg_tensor *a, tg_tensor *b) { return apply_binary(&mul_op, a, b); }
tg_tensor *tg_mul_(tg_tensor *t, tg_tensor *other) { return write_binary(&mul_in_place_op, t, other); }

SCALAR_GRADIENT(mul_scalar_grad, tg_mul_scalar(g, s))
static const op_row mul_scalar_op = {.name = "mul_scalar", .grad_name = "MulBackward0",
    .shape = scalar_shape, .forward = scalar_forward, .grad = mul_scalar_grad,
    .grad_into = mul_scalar_grad_into, .flags = OP_OVER, .kernel = &tg__mul_kernel};
static const op_row mul_scalar_in_place_op = {.name = "mul_scalar_", .grad_name = "MulBackward0",
    .shape = scalar_shape, .forward = scalar_forward, .grad = mul_scalar_grad,
    .kernel = &tg__mul_kernel};
tg_tensor *tg_mul_scalar(tg_tensor *a, double s) { return apply_scalar(&mul_scalar_op, a, s); }
tg_tensor *tg_mul_scalar_(tg_tensor *t, double s) { return write_scalar(&mul_scalar_in_place_op, t, s); }

BINARY_GRADIENTS(div_grad, tg_div(g, b), tg_neg(tg_div(tg_mul(g, tg_div(a, b)), b)))
static const op_row div_op = {.name = "div", .grad_name = "DivBackward0",
    .shape = binary_shape, .forward = binary_forward, .grad = div_grad,
    .reads = {READS_1, READS_0 | READS_1}, .flags = OP_BROADCAST, .kernel = &tg__div_kernel};
static const op_row div_in_place_op = {.name = "div_", .grad_name = "DivBackward0",
    .shape = binary_write_shape, .forward = binary_forward, .grad = div_grad,
    .reads = {READS_1, READS_0 | READS_1}, .flags = OP_BROADCAST, .kernel = &tg__div_kernel};
tg_tensor *tg_div(tg_tensor *a, tg_tensor *b) { return apply_binary(&div_op, a, b); }
tg_tensor *tg_div_(tg_tensor *t, tg_tensor *other) { return write_binary(&div_in_place_op, t, other); }

SCALAR_GRADIENT(div_scalar_grad, tg_div_scalar(g, s))
static const op_row div_scalar_op = {.name = "div_scalar", .grad_name = "DivBackward0",
    .shape = scalar_shape, .forward = scalar_forward, .grad = div_scalar_grad,
    .kernel = &tg__div_kernel};
static const op_row div_scalar_in_place_op = {.name = "div_scalar_", .grad_name = "DivBackward0",
    .shape = scalar_shape, .forward = scalar_forward, .grad = div_scalar_grad,
    .kernel = &tg__div_kernel};
tg_tensor *tg_div_scalar(tg_tensor *a, double s) { return apply_scalar(&div_scalar_op, a, s); }
tg_tensor *tg_div_scalar_(tg_tensor *t, double s) { return write_scalar(&div_scalar_in_place_op, t, s); }

BINARY_GRADIENTS(pow_grad, pow_grad_base(g, a, b), pow_grad_exponent(g, a, b))
static const op_row pow_op = {.name = "pow", .grad_name = "PowBackward1",
    .shape = binary_shape, .forward = binary_forward, .grad = pow_grad,
    .reads = {READS_0 | READS_1, READS_0 | READS_1}, .flags = OP_BROADCAST, .kernel = &tg__pow_kernel};
tg_tensor *tg_pow(tg_tensor *a, tg_tensor *b) { return apply_binary(&pow_op, a, b); }

SCALAR_GRADIENT(pow_scalar_grad,
    s == 0 ? tg_zeros_like(g) : tg_mul(g, tg_mul_scalar(s == 2 ? x : tg_pow_scalar(x, s - 1), s)))
static const op_row pow_scalar_op = {.name = "pow_scalar", .grad_name = "PowBackward0",
    .shape = scalar_shape, .forward = pow_scalar_forward, .grad = pow_scalar_grad,
    .reads = {READS_0}, .kernel = &tg__pow_kernel};
tg_tensor *tg_pow_scalar(tg_tensor *a, double s) { return apply_scalar(&pow_scalar_op, a, s); }

BINARY_GRADIENTS(maximum_grad, grad_of_chosen(g, a, tg_gt(b, a), b), grad_of_chosen(g, b, tg_gt(a, b), a))
static const op_row maximum_op = {.name = "maximum", .grad_name = "MaximumBackward0",
    .shape = binary_shape, .forward = binary_forward, .grad = maximum_grad,
    .reads = {READS_0 | READS_1, READS_0 | READS_1}, .flags = OP_BROADCAST, .kernel = &tg__maximum_kernel};
tg_tensor *tg_maximum(tg_tensor *a, tg_tensor *b) { return apply_binary(&maximum_op, a, b); }

BINARY_GRADIENTS(minimum_grad, grad_of_chosen(g, a, tg_lt(b, a), b), grad_of_chosen(g, b, tg_lt(a, b), a))
static const op_row minimum_op = {.name = "minimum", .grad_name = "MinimumBackward0",
    .shape = binary_shape, .forward = binary_forward, .grad = minimum_grad,
    .reads = {READS_0 | READS_1, READS_0 | READS_1}, .flags = OP_BROADCAST, .kernel = &tg__minimum_kernel};
tg_tensor *tg_minimum(tg_tensor *a, tg_tensor *b) { return apply_binary(&minimum_op, a, b); }

BINARY_GRADIENTS(atan2_grad,
    tg_mul(g, tg__atan2_backward(a, b)),
    tg_neg(tg_mul(g, tg__atan2_backward(b, a))))
static const op_row atan2_op = {.name = "atan2", .grad_name = "Atan2Backward0",
    .shape = binary_shape, .forward = binary_forward, .grad = atan2_grad,
    .reads = {READS_0 | READS_1, READS_0 | READS_1}, .flags = OP_BROADCAST, .kernel = &tg__atan2_kernel};
tg_tensor *tg_atan2(tg_tensor *a, tg_tensor *b) { return apply_binary(&atan2_op, a, b); }

BINARY_GRADIENTS(remainder_grad, g, tg_neg(tg_mul(g, floored_quotient(a, b))))
static const op_row remainder_op = {.name = "remainder", .grad_name = "RemainderBackward1",
    .shape = binary_shape, .forward = modulo_forward, .grad = remainder_grad,
    .reads = {READS_NOTHING, READS_0 | READS_1}, .flags = OP_BROADCAST, .kernel = &tg__remainder_kernel};
tg_tensor *tg_remainder(tg_tensor *a, tg_tensor *b) { return apply_binary(&remainder_op, a, b); }

SCALAR_GRADIENT(remainder_scalar_grad, g)
static const op_row remainder_scalar_op = {.name = "remainder_scalar", .grad_name = "RemainderBackward0",
    .shape = scalar_shape, .forward = modulo_scalar_forward, .grad = remainder_scalar_grad,
    .kernel = &tg__remainder_kernel};
tg_tensor *tg_remainder_scalar(tg_tensor *a, double s) { return apply_scalar(&remainder_scalar_op, a, s); }

/* Gradients of other functions as operations of two tensors, g and y, with kernels of their own.
 * They have no public function, but gradients in turn. Of sigmoid: s = g y (1 - y), ds/dg = y (1 -
 * y), ds/dy = g (1 - 2 y). Of tanh: t = g (1 - y^2), dt/dg = 1 - y^2, dt/dy = -2 g y. Of atan2:
 * with A = b / (a^2 + b^2) and B = a / (a^2 + b^2), dA/da = -2 A B and dA/db = B^2 - A^2. */

BINARY_GRADIENTS(relu_backward_grad, tg__relu_backward(g, b), tg_zeros_like(b))
static const op_row relu_backward_op = {.name = "relu_backward", .grad_name = "ThresholdBackwardBackward0",
    .shape = binary_shape, .forward = binary_forward, .grad = relu_backward_grad,
    .reads = {READS_1, READS_NOTHING}, .flags = OP_BROADCAST, .kernel = &tg__relu_backward_kernel};
tg_tensor *tg__relu_backward(tg_tensor *a, tg_tensor *b) { return apply_binary(&relu_backward_op, a, b); }

BINARY_GRADIENTS(sigmoid_backward_grad,
    tg__sigmoid_backward(g, b),
    tg_mul(tg_mul(g, a), tg_add_scalar(tg_mul_scalar(b, -2), 1)))
static const op_row sigmoid_backward_op = {.name = "sigmoid_backward", .grad_name = "SigmoidBackwardBackward0",
    .shape = binary_shape, .forward = binary_forward, .grad = sigmoid_backward_grad,
    .reads = {READS_1, READS_0 | READS_1}, .flags = OP_BROADCAST, .kernel = &tg__sigmoid_backward_kernel};
tg_tensor *tg__sigmoid_backward(tg_tensor *a, tg_tensor *b) { return apply_binary(&sigmoid_backward_op, a, b); }

BINARY_GRADIENTS(tanh_backward_grad,
    tg__tanh_backward(g, b),
    tg_mul(tg_mul(g, a), tg_mul_scalar(b, -2)))
static const op_row tanh_backward_op = {.name = "tanh_backward", .grad_name = "TanhBackwardBackward0",
    .shape = binary_shape, .forward = binary_forward, .grad = tanh_backward_grad,
    .reads = {READS_1, READS_0 | READS_1}, .flags = OP_BROADCAST, .kernel = &tg__tanh_backward_kernel};
tg_tensor *tg__tanh_backward(tg_tensor *a, tg_tensor *b) { return apply_binary(&tanh_backward_op, a, b); }

BINARY_GRADIENTS(atan2_backward_grad,
    tg_mul(g, tg_mul_scalar(tg_mul(tg__atan2_backward(a, b), tg__atan2_backward(b, a)), -2)),
    tg_mul(g, tg_sub(tg_square(tg__atan2_backward(b, a)), tg_square(tg__atan2_backward(a, b)))))
static const op_row atan2_backward_op = {.name = "atan2_backward", .grad_name = "Atan2BackwardBackward0",
    .shape = binary_shape, .forward = binary_forward, .grad = atan2_backward_grad,
    .reads = {READS_0 | READS_1, READS_0 | READS_1}, .flags = OP_BROADCAST, .kernel = &tg__atan2_backward_kernel};
tg_tensor *tg__atan2_backward(tg_tensor *a, tg_tensor *b) { return apply_binary(&atan2_backward_op, a, b); }

/* clang-format on */

/* ---- add and sub with a factor alpha for the second tensor: a + b alpha, and a + b -alpha. */

static bool add_alpha_shape(const call *c, spec *s)
{
    return tg__check_value(c->tg, c->op->name, c->in[1]->dtype, c->a[MAP_S].f) &&
           tg__check_dtype(c, c->in[0], tg__is_number(c->in[0]->dtype)) &&
           tg__broadcast_shape(c, s);
}

static tg_tensor *add_alpha_grad(const record *r, int i, tg_tensor *g)
{
    return i == 0 ? g : tg_mul_scalar(g, r->a[MAP_S].f);
}

static const op_row add_alpha_op = {.name = "add_alpha",
                                    .grad_name = "AddBackward0",
                                    .shape = add_alpha_shape,
                                    .forward = tg__map_forward,
                                    .grad = add_alpha_grad,
                                    .flags = OP_BROADCAST,
                                    .kernel = &tg__add_alpha_kernel};
static const op_row sub_alpha_op = {.name = "sub_alpha",
                                    .grad_name = "SubBackward0",
                                    .shape = add_alpha_shape,
                                    .forward = tg__map_forward,
                                    .grad = add_alpha_grad,
                                    .flags = OP_BROADCAST,
                                    .kernel = &tg__add_alpha_kernel};

/* The kernel serves floating dtypes. Integers take two operations. */
tg_tensor *tg_add_alpha(tg_tensor *a, tg_tensor *b, double alpha)
{
    frame f;
    if (!tg__check_inputs("add_alpha", 2, (tg_tensor *[]){a, b})) return NULL;
    if (tg__is_float(b->dtype))
        return tg__apply(&add_alpha_op, 2, (tg_tensor *[]){a, b}, (attr[TG_ATTRS]){{.f = alpha}});
    tg__enter(&f, "add_alpha", a);
    return tg__leave(&f, tg_add(a, tg_mul_scalar(b, alpha)));
}

tg_tensor *tg_sub_alpha(tg_tensor *a, tg_tensor *b, double alpha)
{
    frame f;
    if (!tg__check_inputs("sub_alpha", 2, (tg_tensor *[]){a, b})) return NULL;
    if (tg__is_float(b->dtype))
        return tg__apply(&sub_alpha_op, 2, (tg_tensor *[]){a, b}, (attr[TG_ATTRS]){{.f = -alpha}});
    tg__enter(&f, "sub_alpha", a);
    return tg__leave(&f, tg_sub(a, tg_mul_scalar(b, alpha)));
}
