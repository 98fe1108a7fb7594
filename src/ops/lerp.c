/* lerp: start + weight (end - start), for a weight that is a tensor or a number. */
#include "op.h"

static bool lerp_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && tg__broadcast_three(c, s);
}

/* For weights of 0.5 and more, the kernel computes end - (1 - weight) (end - start), which is the
 * same but for rounding, as PyTorch does: weight 0 then gives exactly start, and weight 1 exactly
 * end. */
static bool lerp_forward(const call *c)
{
    map_kernel *f = pick(c->tg->level, lerp, c->out->dtype);
    tg__elementwise((loop){.map = f, .with = (const double[2]){0}}, c->out, 3, c->in);
    return true;
}

/* The derivatives by start, end and weight are 1 - weight, weight and end - start. */
static tg_tensor *lerp_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *start = r->in[0].t, *end = r->in[1].t, *weight = r->in[2].t;
    if (i == 2) return tg_mul(g, tg_sub(end, start));
    return tg_mul(g, i == 0 ? tg_rsub_scalar(weight, 1) : weight);
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
