/* Functions of two tensors, or of a tensor and a number: the rows are in binary.def and below. */
#include "binary.h"

#include <math.h>

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

/* Integers have no remainder of a division by 0. */
static bool check_divisor(const call *c, bool has_zero)
{
    return !has_zero || c->out->dtype != TG_I64 ||
           tg__fail(c->tg, TG_ERR_ARGUMENT, "%s: division by zero", c->op->name);
}

static bool modulo_forward(const call *c)
{
    tg_tensor *b = c->in[1];
    bool has_zero = false;
    if (b->dtype == TG_I64 && c->out->numel > 0) {
        tg_scope_begin(c->tg);
        has_zero = tg_item(tg_any(tg_eq_scalar(b, 0))) != 0;
        tg_scope_end(c->tg);
    }
    return check_divisor(c, has_zero) && binary_forward(c);
}

static tg_tensor *zero_like(const tg_tensor *t)
{
    return tg_scalar(t->context, t->dtype, 0);
}

/* g for the one that was chosen, half of it at equality. */
static tg_tensor *share(tg_tensor *g, tg_tensor *x, tg_tensor *other_chosen, tg_tensor *other)
{
    g = tg_where(tg_eq(x, other), tg_mul_scalar(g, 0.5), g);
    return tg_where(other_chosen, zero_like(x), g);
}

/* 0 at exponent 0, whatever the base. */
static tg_tensor *pow_grad_base(tg_tensor *g, tg_tensor *a, tg_tensor *b)
{
    tg_tensor *slope = tg_mul(b, tg_pow(a, tg_sub_scalar(b, 1)));
    return tg_where(tg_eq_scalar(b, 0), zero_like(b), tg_mul(g, slope));
}

/* 0 at base 0, where the logarithm is not finite, if the exponent is not negative. */
static tg_tensor *pow_grad_exponent(tg_tensor *g, tg_tensor *a, tg_tensor *b)
{
    tg_tensor *slope = tg_mul(tg_pow(a, b), tg_log(a));
    tg_tensor *at_zero = tg_where(tg_ge_scalar(b, 0), zero_like(b), slope);
    return tg_mul(g, tg_where(tg_eq_scalar(a, 0), at_zero, slope));
}

/* The whole number that remainder leaves out. */
static tg_tensor *floored_quotient(tg_tensor *a, tg_tensor *b)
{
    return tg_round(tg_div(tg_sub(a, tg_remainder(a, b)), b));
}

/* The gradients that one pass makes have no public function. */
#define tg_relu_backward    tg__relu_backward
#define tg_sigmoid_backward tg__sigmoid_backward
#define tg_tanh_backward    tg__tanh_backward
#define tg_atan2_backward   tg__atan2_backward

/* The forward of a row, by its element types. */
#define FORWARD_NUMBERS binary_forward
#define FORWARD_FLOATS  binary_forward
#define FORWARD_LIBM    binary_forward
#define FORWARD_WIDE    binary_forward
#define FORWARD_MODULO  modulo_forward

#define BINARY(name, grad_fn, types, reads_a, reads_b, value, gradient_a, gradient_b)              \
    static tg_tensor *name##_grad(const record *r, int i, tg_tensor *g)                            \
    {                                                                                              \
        tg_tensor *a = r->in[0].t, *b = r->in[1].t;                                                \
        (void)a, (void)b;                                                                          \
        return i == 0 ? gradient_a : gradient_b;                                                   \
    }                                                                                              \
    static const op_row name##_op = {#name,        grad_fn,                                        \
                                     binary_shape, FORWARD_##types,                                \
                                     name##_grad,  {reads_a, reads_b},                             \
                                     OP_BROADCAST, &tg__##name##_kernel};                          \
    tg_tensor *tg_##name(tg_tensor *a, tg_tensor *b)                                               \
    {                                                                                              \
        return tg__apply(&name##_op, 2, (tg_tensor *[]){a, b}, NULL);                              \
    }
#include "binary.def"
#undef BINARY

/* A tensor and a number: the kernel of two tensors with one value for the second. */

static bool scalar_shape(const call *c, spec *s)
{
    const tg_tensor *x = c->in[0];
    return tg__check_dtype(c, x, binary_loop(c, x->dtype).binary) &&
           tg__check_value(c->tg, c->op->name, x->dtype, c->a[0].f) && tg__same_shape(c, s);
}

static bool scalar_forward(const call *c)
{
    stack_tensor s;
    tg_tensor *in[] = {c->in[0], tg__scalar(&s, c->out, c->a[0].f)};
    loop f = binary_loop(c, c->out->dtype);
    tg__elementwise(f, c->out, 2, in);
    return true;
}

/* PyTorch takes roots where the exponent is a number, which shows in roots of -inf and -0. */
static bool pow_scalar_forward(const call *c)
{
    if (fabs(c->a[0].f) != 0.5) return scalar_forward(c);
    loop root = {.unary = pick(c->tg->level, sqrt, c->out->dtype)};
    tg__elementwise(root, c->out, 1, c->in);
    if (c->a[0].f > 0) return true;
    stack_tensor one;
    tg_tensor *in[] = {tg__scalar(&one, c->out, 1), c->out};
    loop divide = {.binary = pick(c->tg->level, div, c->out->dtype)};
    tg__elementwise(divide, c->out, 2, in);
    return true;
}

static bool modulo_scalar_forward(const call *c)
{
    return check_divisor(c, c->a[0].f == 0) && scalar_forward(c);
}

/* The number first. */
static bool reversed_scalar_forward(const call *c)
{
    stack_tensor s;
    tg_tensor *in[] = {tg__scalar(&s, c->out, c->a[0].f), c->in[0]};
    tg__elementwise(binary_loop(c, c->out->dtype), c->out, 2, in);
    return true;
}

/* SCALAR(name, kernel, forward, grad_fn, what the gradient reads, gradient from g, x and s) */
#define SCALAR(name, kernel_, forward_, grad_fn, reads_, gradient)                                 \
    static tg_tensor *name##_scalar_grad(const record *r, int i, tg_tensor *g)                     \
    {                                                                                              \
        tg_tensor *x = r->in[0].t;                                                                 \
        double s = r->a[0].f;                                                                      \
        (void)i, (void)x, (void)s;                                                                 \
        return gradient;                                                                           \
    }                                                                                              \
    static const op_row name##_scalar_op = {                                                       \
        #name "_scalar", grad_fn, scalar_shape,           forward_, name##_scalar_grad,            \
        {reads_},        0,       &tg__##kernel_##_kernel};                                        \
    tg_tensor *tg_##name##_scalar(tg_tensor *a, double s)                                          \
    {                                                                                              \
        return tg__apply(&name##_scalar_op, 1, &a, (attr[TG_ATTRS]){{.f = s}});                    \
    }

SCALAR(add, add, scalar_forward, "AddBackward0", READS_NOTHING, g)
SCALAR(sub, sub, scalar_forward, "SubBackward0", READS_NOTHING, g)
SCALAR(rsub, sub, reversed_scalar_forward, "RsubBackward1", READS_NOTHING, tg_neg(g))
SCALAR(mul, mul, scalar_forward, "MulBackward0", READS_NOTHING, tg_mul_scalar(g, s))
SCALAR(div, div, scalar_forward, "DivBackward0", READS_NOTHING, tg_div_scalar(g, s))
SCALAR(remainder, remainder, modulo_scalar_forward, "RemainderBackward0", READS_NOTHING, g)
SCALAR(pow, pow, pow_scalar_forward, "PowBackward0", READS_0,
       s == 0 ? tg_zeros_like(g) : tg_mul(g, tg_mul_scalar(tg_pow_scalar(x, s - 1), s)))
#undef SCALAR

/* In place: the first operand is the result. */

static bool write_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    if (!tg__broadcast_shape(c, s)) return false;
    if (tg__same_sizes(s->ndim, s->shape, t->ndim, t->shape)) return true;
    return tg__fail(c->tg, TG_ERR_SHAPE, "%s: %s does not broadcast to %s", c->op->name,
                    SHOW(c->in[1]), SHOW(t));
}

static bool binary_write_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], binary_loop(c, c->in[0]->dtype).binary) &&
           write_shape(c, s);
}

#define IN_PLACE(name, grad_fn, reads_a, reads_b)                                                  \
    static const op_row name##_in_place_op = {                                                     \
        #name "_",          grad_fn,      binary_write_shape,  binary_forward, name##_grad,        \
        {reads_a, reads_b}, OP_BROADCAST, &tg__##name##_kernel};                                   \
    tg_tensor *tg_##name##_(tg_tensor *t, tg_tensor *other)                                        \
    {                                                                                              \
        return tg__apply_in_place(&name##_in_place_op, 2, (tg_tensor *[]){t, other}, NULL);        \
    }

IN_PLACE(add, "AddBackward0", READS_NOTHING, READS_NOTHING)
IN_PLACE(sub, "SubBackward0", READS_NOTHING, READS_NOTHING)
IN_PLACE(mul, "MulBackward0", READS_1, READS_0)
IN_PLACE(div, "DivBackward0", READS_1, READS_0 | READS_1)
#undef IN_PLACE

#define SCALAR_IN_PLACE(name, grad_fn)                                                             \
    static const op_row name##_scalar_in_place_op = {                                              \
        #name "_scalar_", grad_fn, scalar_shape,        scalar_forward, name##_scalar_grad,        \
        {READS_NOTHING},  0,       &tg__##name##_kernel};                                          \
    tg_tensor *tg_##name##_scalar_(tg_tensor *t, double s)                                         \
    {                                                                                              \
        return tg__apply_in_place(&name##_scalar_in_place_op, 1, &t, (attr[TG_ATTRS]){{.f = s}});  \
    }

SCALAR_IN_PLACE(add, "AddBackward0")
SCALAR_IN_PLACE(sub, "SubBackward0")
SCALAR_IN_PLACE(mul, "MulBackward0")
SCALAR_IN_PLACE(div, "DivBackward0")
#undef SCALAR_IN_PLACE

static bool copy_in_forward(const call *c)
{
    tg__copy(c->out, c->in[1]);
    return true;
}

/* What was there before is gone, so nothing flows back to it. */
static tg_tensor *copy_in_grad(const record *r, int i, tg_tensor *g)
{
    (void)r;
    return i == 0 ? tg_zeros_like(g) : g;
}

static const op_row copy_in_op = {
    "copy_", "CopyBackwards", write_shape, copy_in_forward, copy_in_grad, {0}, OP_BROADCAST, 0};

tg_tensor *tg_copy_(tg_tensor *t, tg_tensor *source)
{
    return tg__apply_in_place(&copy_in_op, 2, (tg_tensor *[]){t, source}, NULL);
}

/* a[0]: the value. */
static bool fill_in_shape(const call *c, spec *s)
{
    return tg__check_value(c->tg, c->op->name, c->in[0]->dtype, c->a[0].f) && tg__same_shape(c, s);
}

static bool fill_in_forward(const call *c)
{
    tg__fill(c->out, c->a[0].f);
    return true;
}

static const op_row fill_in_op = {
    "fill_", "FillBackward0", fill_in_shape, fill_in_forward, copy_in_grad, {0}, 0, 0};
static const op_row zero_in_op = {
    "zero_", "ZeroBackward0", fill_in_shape, fill_in_forward, copy_in_grad, {0}, 0, 0};

static tg_tensor *fill_in(const op_row *o, tg_tensor *t, double value)
{
    return tg__apply_in_place(o, 1, &t, (attr[TG_ATTRS]){{.f = value}});
}

tg_tensor *tg_fill_(tg_tensor *t, double value)
{
    return fill_in(&fill_in_op, t, value);
}

tg_tensor *tg_zero_(tg_tensor *t)
{
    return fill_in(&zero_in_op, t, 0);
}
