/* Losses of the probabilities of two classes. */
#include "loss.h"

#include <math.h>

/* Expands the weight to the shape of x. */
static tg_tensor *expand_to(tg_tensor *x, tg_tensor *weight)
{
    const bool right = x && tg__check_inputs("weight", 2, (tg_tensor *[]){x, weight});
    return right ? tg_expand(weight, (tg_shape){x->ndim, x->shape}) : NULL;
}

static tg_tensor *weigh_and_reduce(tg_tensor *loss, const tg_loss_options *o)
{
    if (loss && o->weight) loss = tg_mul(loss, expand_to(loss, o->weight));
    return tg__reduce_loss(loss, o->reduction);
}

static tg_tensor *clamp_log(tg_tensor *log)
{
    return tg_clamp(log, -100, INFINITY);
}

/* (t - 1) log(1 - x) - t log(x) for the probability x and the target t. As in PyTorch, a logarithm
 * is at least -100, so that the loss of x = 0 or 1 is finite. */
static bool binary_cross_entropy_forward(const call *c)
{
    tg_tensor *x = c->in[0], *t = c->in[1];
    tg_no_grad_begin(c->tg);
    tg_tensor *terms[] = {tg_mul(tg_sub_scalar(t, 1), clamp_log(tg_log1p(tg_neg(x)))),
                          tg_mul(t, clamp_log(tg_log(x)))};
    tg_no_grad_end(c->tg);
    if (!terms[0] || !terms[1]) return false;
    tg__elementwise((loop){.binary = pick(c->tg->level, sub, c->out->dtype)}, c->out, 2, terms);
    return true;
}

/* The gradient of x is g (x - t) / (x (1 - x)), where the divisor is at least 1e-12f, as in
 * PyTorch. The gradient of t, g (log(1 - x) - log(x)), is infinite where x is 0 or 1. */
static tg_tensor *binary_cross_entropy_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *t = r->in[1].t;
    if (i == 1) return tg_mul(g, tg_sub(tg_log1p(tg_neg(x)), tg_log(x)));
    tg_tensor *variance = tg_mul(tg_neg(tg_sub_scalar(x, 1)), x);
    return tg_div(tg_mul(g, tg_sub(x, t)), tg_clamp(variance, (double)1e-12f, INFINITY));
}

static const op_row binary_cross_entropy_op = {
    .name = "binary_cross_entropy",
    .grad_name = "BinaryCrossEntropyBackward0",
    .shape = tg__same_shape,
    .forward = binary_cross_entropy_forward,
    .grad = binary_cross_entropy_grad,
    .reads = {READS_0 | READS_1, READS_0},
};

static bool is_between_0_and_1(tg_tensor *t)
{
    tg_no_grad_begin(t->context);
    const double all = tg_item(tg_all(tg_logical_and(tg_ge_scalar(t, 0), tg_le_scalar(t, 1))));
    tg_no_grad_end(t->context);
    return all != 0;
}

tg_tensor *tg_binary_cross_entropy(tg_tensor *input, tg_tensor *target,
                                   const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = tg__enter_loss(&f, "binary_cross_entropy", &input, &target, options);
    if (input && !is_between_0_and_1(input))
        input = tg__fail(input->context, TG_ERR_ARGUMENT,
                         "binary_cross_entropy: the input is not in [0, 1] everywhere; of logits "
                         "use tg_binary_cross_entropy_with_logits");
    tg_tensor *both[] = {input, target};
    tg_tensor *loss = input ? tg__apply(&binary_cross_entropy_op, 2, both, NULL) : NULL;
    loss = weigh_and_reduce(loss, &o);
    return tg__leave(&f, tg__name_grad_fn(loss, binary_cross_entropy_op.grad_name));
}

/* The loss of a logit x is (1 - t) x + (1 + (pos_weight - 1) t) log(1 + exp(-x)). */
tg_tensor *tg_binary_cross_entropy_with_logits(tg_tensor *input, tg_tensor *target,
                                               const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o =
        tg__enter_loss(&f, "binary_cross_entropy_with_logits", &input, &target, options);
    tg_tensor *log = tg_logsigmoid(input), *more = o.pos_weight;
    if (more) {
        more = tg_sub_scalar(expand_to(input, more), 1);
        log = tg_mul(log, tg_add_scalar(tg_mul(more, target), 1));
    }
    tg_tensor *loss = tg_sub(tg_mul(tg_neg(tg_sub_scalar(target, 1)), input), log);
    loss = weigh_and_reduce(loss, &o);
    return tg__leave(&f, tg__name_grad_fn(loss, "BinaryCrossEntropyWithLogitsBackward0"));
}
