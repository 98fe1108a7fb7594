/* clamp, hardtanh, relu6 and clamp_tensors: values limited to an interval whose bounds are numbers,
 * or tensors that broadcast. */
#include "passes.h"

#include <math.h>

/* ---- clamp, hardtanh and relu6: bounds that are numbers. */

/* The attributes. */
enum { CLAMP_MIN, CLAMP_MAX };

static bool clamp_shape(const call *c, spec *s)
{
    static const double none[] = {-INFINITY, INFINITY};
    const tg_tensor *x = c->in[0];
    for (int i = CLAMP_MIN; i <= CLAMP_MAX; i++)
        if (c->a[i].f != none[i] && !tg__check_value(c->tg, c->op->name, x->dtype, c->a[i].f))
            return false;
    return tg__check_dtype(c, x, tg__is_number(x->dtype)) && tg__same_shape(c, s);
}

/* The kernel would let a bound that is NaN have no effect. */
static bool clamp_forward(const call *c)
{
    if (!isnan(c->a[CLAMP_MIN].f) && !isnan(c->a[CLAMP_MAX].f)) return tg__map_forward(c);
    tg__fill(c->out, NAN);
    return true;
}

static const op_row clamp_backward_op = {.name = "clamp_backward",
                                         .shape = tg__same_shape,
                                         .forward = tg__map_forward,
                                         .kernel = &tg__clamp_backward_kernel};
static const op_row hardtanh_backward_op = {.name = "hardtanh_backward",
                                            .shape = tg__same_shape,
                                            .forward = tg__map_forward,
                                            .kernel = &tg__hardtanh_backward_kernel};

/* The same by operations, for a gradient that is to have a gradient. As PyTorch has it, a value
 * that is equal to a bound gets a gradient from clamp, but not from hardtanh. */
static tg_tensor *clamp_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t;
    const double low = r->a[CLAMP_MIN].f, high = r->a[CLAMP_MAX].f;
    if (x->context->no_grad) return tg__apply(&clamp_backward_op, 2, (tg_tensor *[]){g, x}, r->a);
    tg_tensor *zero = tg__zero(g);
    return tg_where(tg_ge_scalar(x, low), tg_where(tg_le_scalar(x, high), g, zero), zero);
}

static tg_tensor *hardtanh_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t;
    const double low = r->a[CLAMP_MIN].f, high = r->a[CLAMP_MAX].f;
    if (x->context->no_grad)
        return tg__apply(&hardtanh_backward_op, 2, (tg_tensor *[]){g, x}, r->a);
    tg_tensor *zero = tg__zero(g);
    return tg_where(tg_le_scalar(x, low), zero, tg_where(tg_ge_scalar(x, high), zero, g));
}

static const op_row clamp_op = {
    .name = "clamp",
    .grad_name = "ClampBackward1",
    .shape = clamp_shape,
    .forward = clamp_forward,
    .grad = clamp_grad,
    .reads = {READS_0},
    .kernel = &tg__clamp_kernel,
};
static const op_row hardtanh_op = {
    .name = "hardtanh",
    .grad_name = "HardtanhBackward0",
    .shape = clamp_shape,
    .forward = clamp_forward,
    .grad = hardtanh_grad,
    .reads = {READS_0},
    .kernel = &tg__clamp_kernel,
};

static tg_tensor *apply_clamp(const op_row *o, tg_tensor *a, double min, double max)
{
    return tg__apply(o, 1, &a,
                     (attr[TG_ATTRS]){[CLAMP_MIN] = {.f = min}, [CLAMP_MAX] = {.f = max}});
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

/* ---- clamp_tensors: bounds that are tensors. */

static bool clamp_tensors_shape(const call *c, spec *s)
{
    const tg_dtype d = c->in[0]->dtype;
    return tg__check_dtype(c, c->in[0], tg__is_number(d) || d == TG_BOOL) &&
           tg__broadcast_three(c, s);
}

/* min(max(x, lower bound), upper bound). The result is NaN where any of the three is NaN, as in
 * maximum. Bools have no such kernels: max(a, b) is a or b, and min(a, b) is a and b, both by
 * where. */
static bool clamp_tensors_forward(const call *c)
{
    tg_tensor *x = c->in[0], *min = c->in[1], *max = c->in[2], *out = c->out;
    const int level = c->tg->level;
    const tg_dtype d = out->dtype;
    if (tg__is_float(d)) {
        const loop f = {.map = pick(level, clamp_tensors, d), .with = (const double[2]){0}};
        tg__elementwise(f, out, 3, c->in);
    } else if (d == TG_BOOL) {
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

/* The gradient goes to x where x lies between the bounds, else to the bound that is the result. No
 * comparison with NaN holds. */
static tg_tensor *clamp_tensors_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *min = r->in[1].t, *max = r->in[2].t, *passes;
    if (i == 0)
        passes = tg_logical_and(tg_ge(x, min), tg_le(x, max));
    else if (i == 1)
        passes = tg_logical_and(tg_lt(x, min), tg_le(min, max));
    else
        passes = tg_logical_or(tg_gt(x, max), tg_lt(max, min));
    return tg_where(passes, g, tg__zero(g));
}

static const op_row clamp_tensors_op = {
    .name = "clamp_tensors",
    .grad_name = "ClampBackward0",
    .shape = clamp_tensors_shape,
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
