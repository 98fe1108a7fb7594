/* Losses that grow with the distance: l1_loss, huber_loss and smooth_l1_loss. */
#include "loss.h"

/* ---- l1_loss: |d| with d = input - target. */

static const op_row l1_backward_op = {.name = "l1_loss_backward",
                                      .shape = tg__shape_of_second,
                                      .forward = tg__map_forward,
                                      .kernel = &tg__l1_loss_backward_kernel};

/* The gradient of the target is that of the input, negated. To exchange the sides instead would
 * change the sign of a 0. */
static void l1_target_passes(const tile *b)
{
    tg__map_pass(b, &tg__l1_loss_backward_kernel, b->out, 0, 0, b->in[0], b->in[1], b->in[2]);
    tg__pass1(b, &tg__neg_kernel, b->out, b->out);
}
static const op_row l1_target_op = {.name = "l1_loss_backward",
                                    .shape = tg__shape_of_second,
                                    .forward = tg__passes_forward,
                                    .kernel = &(const passes_set){l1_target_passes}};

static tg_tensor *l1_grad(const record *r, int i, tg_tensor *g)
{
    g = tg__gradient_of_terms(r, g);
    if (r->out->context->no_grad)
        return tg__apply_loss_backward(i == 0 ? &l1_backward_op : &l1_target_op, r, g);
    g = tg_mul(g, tg_sign(tg_sub(r->in[0].t, r->in[1].t)));
    return i == 0 ? g : tg_neg(g);
}

static const op_row l1_op = {.name = "l1_loss",
                             .shape = tg__loss_shape,
                             .forward = tg__map_forward,
                             .grad = l1_grad,
                             .reads = {READS_0 | READS_1, READS_0 | READS_1},
                             .kernel = &tg__l1_loss_kernel};

/* PyTorch's l1_loss is made of several operations; the last one names the result. */
static tg_tensor *l1_loss(tg_tensor *input, tg_tensor *target, int reduction)
{
    static const char *const names[] = {"AbsBackward0", "SumBackward0", "MeanBackward0"};
    tg_tensor *loss = tg__apply_loss(&l1_op, input, target, 0, 0, reduction);
    const int kind = reduction & ~TG_BROADCAST;
    return tg__name_grad_fn(loss, names[kind == TG_NONE ? 0 : kind == TG_SUM ? 1 : 2]);
}

tg_tensor *tg_l1_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = tg__enter_loss(&f, "l1_loss", &input, &target, options);
    return tg__leave(&f, l1_loss(input, target, o.reduction));
}

/* ---- huber_loss and smooth_l1_loss: d^2 / 2 where |d| <= s, and s (|d| - s / 2) elsewhere,
 * divided by t. Both are near (d - near / 2) / t with near = d limited to +-s. */

/* Where t is 1, the kernels that do not divide are faster and give the same bits. */
static void huber_passes(const tile *b)
{
    const map_set *f = b->t == 1 ? &tg__huber_loss_kernel : &tg__smooth_l1_loss_kernel;
    tg__map_pass(b, f, b->out, b->s, b->t, b->in[0], b->in[1]);
}

static void huber_backward_passes(const tile *b)
{
    const map_set *f =
        b->t == 1 ? &tg__huber_loss_backward_kernel : &tg__smooth_l1_loss_backward_kernel;
    tg__map_pass(b, f, b->out, b->s, b->t, b->in[0], b->in[1], b->in[2]);
}
static const op_row huber_backward_op = {.name = "huber_loss_backward",
                                         .shape = tg__shape_of_second,
                                         .forward = tg__passes_forward,
                                         .kernel = &(const passes_set){huber_backward_passes}};

static void huber_target_passes(const tile *b)
{
    huber_backward_passes(b);
    tg__pass1(b, &tg__neg_kernel, b->out, b->out);
}
static const op_row huber_target_op = {.name = "huber_loss_backward",
                                       .shape = tg__shape_of_second,
                                       .forward = tg__passes_forward,
                                       .kernel = &(const passes_set){huber_target_passes}};

/* The derivative by input, near / t, is the sum of those by d and by near. */
static tg_tensor *huber_gradient(tg_tensor *g, tg_tensor *d, double s, double t)
{
    tg_tensor *near = tg_hardtanh(d, -s, s), *zero = tg_scalar(g->context, g->dtype, 0);
    tg_tensor *for_d = tg_mul(g, tg_div_scalar(near, t));
    tg_tensor *rest = tg_sub(d, tg_mul_scalar(near, 0.5));
    tg_tensor *for_near = tg_sub(tg_div_scalar(tg_mul(g, rest), t), tg_mul_scalar(for_d, 0.5));
    tg_tensor *limited = tg_logical_or(tg_le_scalar(d, -s), tg_ge_scalar(d, s));
    return tg_add(for_d, tg_where(limited, zero, for_near));
}

static tg_tensor *huber_grad(const record *r, int i, tg_tensor *g)
{
    const double s = r->a[MAP_S].f, t = r->a[MAP_T].f;
    g = tg__gradient_of_terms(r, g);
    if (r->out->context->no_grad)
        return tg__apply_loss_backward(i == 0 ? &huber_backward_op : &huber_target_op, r, g);
    if (g) g = huber_gradient(g, tg_sub(r->in[0].t, r->in[1].t), s, t);
    return i == 0 ? g : tg_neg(g);
}

static const op_row huber_op = {.name = "huber_loss",
                                .grad_name = "HuberLossBackward0",
                                .shape = tg__loss_shape,
                                .forward = tg__passes_forward,
                                .grad = huber_grad,
                                .reads = {READS_0 | READS_1, READS_0 | READS_1},
                                .kernel = &(const passes_set){huber_passes}};

tg_tensor *tg_huber_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = tg__enter_loss(&f, "huber_loss", &input, &target, options);
    if (input && !(o.delta > 0))
        input = tg__fail(input->context, TG_ERR_ARGUMENT,
                         "huber_loss: delta is %g, but must be positive%s", o.delta,
                         o.delta == 0 ? "; TG_LOSS and tg_loss_defaults() set it to 1" : "");
    return tg__leave(&f, tg__apply_loss(&huber_op, input, target, o.delta, 1, o.reduction));
}

tg_tensor *tg_smooth_l1_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = tg__enter_loss(&f, "smooth_l1_loss", &input, &target, options);
    if (input && !(o.beta >= 0))
        input = tg__fail(input->context, TG_ERR_ARGUMENT,
                         "smooth_l1_loss: beta is %g, but must not be negative", o.beta);
    const double beta = input ? tg__rounded(input->dtype, o.beta) : 0;
    tg_tensor *loss = beta == 0 ? l1_loss(input, target, o.reduction)
                                : tg__apply_loss(&huber_op, input, target, beta, beta, o.reduction);
    return tg__leave(&f, tg__name_grad_fn(loss, "SmoothL1LossBackward0"));
}
