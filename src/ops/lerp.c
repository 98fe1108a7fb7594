/* lerp: start + weight (end - start), for a weight that is a tensor or a number. */
#include "op.h"

#include <math.h>

static bool lerp_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && tg__broadcast_three(c, s);
}

/* Computes start + difference weight or, which is the same but for rounding, end - difference (1 -
 * weight), where difference = end - start. */
static void lerp_from(const call *c, bool from_start, tg_tensor *difference, tg_tensor *to)
{
    tg_tensor *const *in = c->in;
    const tg_dtype d = to->dtype;
    const int level = c->tg->level;
    stack_tensor s;
    const loop add = {.binary = pick(level, add, d)}, sub = {.binary = pick(level, sub, d)};
    const loop mul = {.binary = pick(level, mul, d)};
    if (from_start) {
        tg__elementwise(mul, to, 2, (tg_tensor *[]){difference, in[2]});
        tg__elementwise(add, to, 2, (tg_tensor *[]){in[0], to});
    } else {
        tg__elementwise(sub, to, 2, (tg_tensor *[]){tg__scalar(&s, to, 1), in[2]});
        tg__elementwise(mul, to, 2, (tg_tensor *[]){difference, to});
        tg__elementwise(sub, to, 2, (tg_tensor *[]){in[1], to});
    }
}

/* Uses the first form for weights below 0.5 and the second for others, as PyTorch does: weight 0
 * then gives exactly start, and weight 1 exactly end. */
static bool lerp_forward(const call *c)
{
    tg_tensor *weight = c->in[2], *out = c->out;
    const tg_dtype d = out->dtype;
    const int level = c->tg->level;
    const loop sub = {.binary = pick(level, sub, d)}, lt = {.binary = pick(level, lt, d)};
    tg_tensor *difference = tg__new(c->tg, d, out->ndim, out->shape);
    if (!difference) return false;
    tg__elementwise(sub, difference, 2, (tg_tensor *[]){c->in[1], c->in[0]});
    if (weight->numel == 1) {
        lerp_from(c, tg_item(weight) < 0.5, difference, out);
        return true;
    }
    tg_tensor *near_start = tg__new(c->tg, TG_BOOL, weight->ndim, weight->shape);
    tg_tensor *from_end = tg__new(c->tg, d, out->ndim, out->shape);
    if (!near_start || !from_end) return false;
    stack_tensor half;
    tg__elementwise(lt, near_start, 2, (tg_tensor *[]){weight, tg__scalar(&half, out, 0.5)});
    lerp_from(c, true, difference, out);
    lerp_from(c, false, difference, from_end);
    tg__elementwise((loop){.where = pick(level, where, d)}, out, 3,
                    (tg_tensor *[]){near_start, out, from_end});
    return true;
}

/* The derivatives by start, end and weight are 1 - weight, weight and end - start. */
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
