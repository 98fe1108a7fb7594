/* Losses that grow with the distance: l1_loss, huber_loss and smooth_l1_loss. */
#include "loss.h"

tg_tensor *tg_l1_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = tg__enter_loss(&f, "l1_loss", &input, &target, options);
    return tg__leave(&f, tg__reduce_loss(tg_abs(tg_sub(input, target)), o.reduction));
}

/* Let d = input - target. Each element is d^2 / 2 where |d| <= delta, and delta (|d| - delta / 2)
 * elsewhere, divided by scale. Both are near (d - near / 2) with near = d clamped to +-delta. */
static tg_tensor *huber(tg_tensor *input, tg_tensor *target, double delta, double scale)
{
    tg_tensor *d = tg_sub(input, target), *near = tg_hardtanh(d, -delta, delta);
    tg_tensor *rest = tg_sub(d, tg_mul_scalar(near, 0.5));
    return tg_mul(scale == 1 ? near : tg_div_scalar(near, scale), rest);
}

tg_tensor *tg_huber_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = tg__enter_loss(&f, "huber_loss", &input, &target, options);
    if (input && !(o.delta > 0))
        input = tg__fail(input->context, TG_ERR_ARGUMENT,
                         "huber_loss: delta is %g, but must be positive%s", o.delta,
                         o.delta == 0 ? "; TG_LOSS and tg_loss_defaults() set it to 1" : "");
    tg_tensor *loss = input ? huber(input, target, tg__rounded(input->dtype, o.delta), 1) : NULL;
    loss = tg__reduce_loss(loss, o.reduction);
    return tg__leave(&f, tg__name_grad_fn(loss, "HuberLossBackward0"));
}

tg_tensor *tg_smooth_l1_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = tg__enter_loss(&f, "smooth_l1_loss", &input, &target, options);
    if (input && !(o.beta >= 0))
        input = tg__fail(input->context, TG_ERR_ARGUMENT,
                         "smooth_l1_loss: beta is %g, but must not be negative", o.beta);
    const double beta = input ? tg__rounded(input->dtype, o.beta) : 0;
    tg_tensor *loss = beta == 0 ? tg_abs(tg_sub(input, target)) : huber(input, target, beta, beta);
    loss = tg__reduce_loss(loss, o.reduction);
    return tg__leave(&f, tg__name_grad_fn(loss, "SmoothL1LossBackward0"));
}
