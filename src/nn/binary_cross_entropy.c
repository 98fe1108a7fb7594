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

/* Applies the loss. If there is a weight, the loss of each element is multiplied by it before all
 * are reduced. */
static tg_tensor *apply_weighed(const op_row *op, tg_tensor *input, tg_tensor *target,
                                const tg_loss_options *o)
{
    if (!o->weight) return tg__apply_loss(op, input, target, 0, 0, o->reduction);
    tg_tensor *loss = tg__apply_loss(op, input, target, 0, 0, TG_NONE);
    return tg__name_grad_fn(weigh_and_reduce(loss, o), op->grad_name);
}

/* ---- Probabilities: (t - 1) log(1 - x) - t log(x) for the probability x and the target t. As in
 * PyTorch, a logarithm is at least -100, so that the loss of x = 0 or 1 is finite. */

static void bce_passes(const tile *b)
{
    const void *x = b->in[0], *t = b->in[1];
    tg__pass1(b, &tg__neg_kernel, b->out, x);
    tg__pass1(b, &tg__log1p_kernel, b->out, b->out);
    tg__pass1(b, &tg__log_kernel, b->work[0], x);
    tg__map_pass(b, &tg__bce_end_kernel, b->out, -100, 0, t, b->out, b->work[0]);
}

static void bce_backward_passes(const tile *b)
{
    tg__map_pass(b, &tg__bce_backward_kernel, b->out, (double)1e-12f, 0, b->in[0], b->in[1],
                 b->in[2]);
}

static const op_row bce_backward_op = {.name = "binary_cross_entropy_backward",
                                       .shape = tg__shape_of_second,
                                       .forward = tg__passes_forward,
                                       .kernel = &(const passes_set){bce_backward_passes}};

/* The gradient of x is g (x - t) / (x (1 - x)), where the divisor is at least 1e-12f, as in
 * PyTorch. The gradient of t, g (log(1 - x) - log(x)), is infinite where x is 0 or 1. */
static tg_tensor *bce_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *t = r->in[1].t;
    g = tg__gradient_of_terms(r, g);
    if (i == 1) return tg_mul(g, tg_sub(tg_log1p(tg_neg(x)), tg_log(x)));
    if (x->context->no_grad) return tg__apply_loss_backward(&bce_backward_op, r, g);
    tg_tensor *variance = tg_mul(tg_neg(tg_sub_scalar(x, 1)), x);
    return tg_div(tg_mul(g, tg_sub(x, t)), tg_clamp(variance, (double)1e-12f, INFINITY));
}

static const op_row bce_op = {.name = "binary_cross_entropy",
                              .grad_name = "BinaryCrossEntropyBackward0",
                              .shape = tg__loss_shape,
                              .forward = tg__passes_forward,
                              .grad = bce_grad,
                              .reads = {READS_0 | READS_1, READS_0},
                              .kernel = &(const passes_set){bce_passes}};

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
    return tg__leave(&f, input ? apply_weighed(&bce_op, input, target, &o) : NULL);
}

/* ---- Logits: (1 - t) x + (1 + (w - 1) t) log(1 + exp(-x)) for the logit x, the target t and
 * pos_weight w. */

static void logits_passes(const tile *b)
{
    const void *x = b->in[0], *t = b->in[1];
    tg__map_pass(b, &tg__softplus_begin_kernel, b->out, 1, 0, x);
    tg__pass1(b, &tg__exp_kernel, b->out, b->out);
    tg__pass1(b, &tg__log1p_kernel, b->out, b->out);
    tg__map_pass(b, &tg__logits_end_kernel, b->out, 0, 0, x, t, b->out);
}

static void logits_backward_passes(const tile *b)
{
    const void *g = b->in[0], *x = b->in[1], *t = b->in[2];
    tg__pass1(b, &tg__neg_kernel, b->out, x);
    tg__pass1(b, &tg__sigmoid_kernel, b->out, b->out);
    tg__map_pass(b, &tg__logits_backward_end_kernel, b->out, 0, 0, g, t, b->out);
}

static const op_row logits_backward_op = {.name = "binary_cross_entropy_with_logits_backward",
                                          .shape = tg__shape_of_second,
                                          .forward = tg__passes_forward,
                                          .kernel = &(const passes_set){logits_backward_passes}};

static tg_tensor *logits_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *t = r->in[1].t;
    g = tg__gradient_of_terms(r, g);
    if (i == 1) return tg_neg(tg_mul(g, x));
    if (x->context->no_grad) return tg__apply_loss_backward(&logits_backward_op, r, g);
    return tg_sub(tg_mul(g, tg_neg(tg_sub_scalar(t, 1))), tg_mul(g, tg_sigmoid(tg_neg(x))));
}

static const op_row logits_op = {.name = "binary_cross_entropy_with_logits",
                                 .grad_name = "BinaryCrossEntropyWithLogitsBackward0",
                                 .shape = tg__loss_shape,
                                 .forward = tg__passes_forward,
                                 .grad = logits_grad,
                                 .reads = {READS_0 | READS_1, READS_0},
                                 .kernel = &(const passes_set){logits_passes}};

static tg_tensor *loss_of_logits(tg_tensor *input, tg_tensor *target, const tg_loss_options *o)
{
    if (!o->pos_weight) return apply_weighed(&logits_op, input, target, o);
    tg_tensor *more = tg_sub_scalar(expand_to(input, o->pos_weight), 1);
    tg_tensor *log = tg_mul(tg_logsigmoid(input), tg_add_scalar(tg_mul(more, target), 1));
    tg_tensor *loss = tg_sub(tg_mul(tg_neg(tg_sub_scalar(target, 1)), input), log);
    return tg__name_grad_fn(weigh_and_reduce(loss, o), logits_op.grad_name);
}

tg_tensor *tg_binary_cross_entropy_with_logits(tg_tensor *input, tg_tensor *target,
                                               const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o =
        tg__enter_loss(&f, "binary_cross_entropy_with_logits", &input, &target, options);
    return tg__leave(&f, loss_of_logits(input, target, &o));
}
