/* Losses of distributions: kl_div, gaussian_nll_loss and poisson_nll_loss. */
#include "loss.h"

#include <math.h>

tg_tensor *tg_kl_div(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    tg_loss_options o = options ? *options : tg_loss_defaults();
    const bool by_batch = (o.reduction & ~TG_BROADCAST) == TG_BATCHMEAN;
    const double batch = input && input->ndim ? (double)input->shape[0] : 1;
    if (by_batch) o.reduction = TG_SUM | (o.reduction & TG_BROADCAST);
    tg__enter_loss(&f, "kl_div", &input, &target, &o);
    tg_tensor *loss;
    if (o.log_target) {
        loss = tg_mul(tg_exp(target), tg_sub(target, input));
    } else {
        tg_tensor *zero = tg_eq_scalar(target, 0);
        tg_tensor *self = tg_masked_fill(tg_mul(target, tg_log(target)), zero, 0);
        loss = tg_sub(self, tg_mul(target, input));
    }
    loss = tg__reduce_loss(loss, o.reduction);
    if (by_batch) loss = tg__name_grad_fn(tg_div_scalar(loss, batch), tg__mean_of_batch);
    return tg__leave(&f, loss);
}

/* var in a shape that broadcasts to the input: the input's own, or one number for each row. */
static tg_tensor *fitted_var(const tg_tensor *input, tg_tensor *var)
{
    const int n = input->ndim, last = n - 1;
    if (tg__same_sizes(var->ndim, var->shape, n, input->shape)) return var;
    if (tg__same_sizes(var->ndim, var->shape, last, input->shape)) return tg_unsqueeze(var, -1);
    if (n > 0 && var->ndim == n && var->shape[last] == 1 &&
        tg__same_sizes(last, var->shape, last, input->shape))
        return var;
    return tg__fail(input->context, TG_ERR_SHAPE,
                    "gaussian_nll_loss: var %s is neither of the input's shape %s nor one number a "
                    "row",
                    SHOW(var), SHOW(input));
}

/* The greater of var and eps. As in PyTorch, the gradient of var is 1 also where it was raised. */
static tg_tensor *raised_var(tg_tensor *var, double eps)
{
    if (var && !(eps > 0))
        return tg__fail(var->context, TG_ERR_ARGUMENT,
                        "gaussian_nll_loss: eps is %g, but must be positive%s", eps,
                        eps == 0 ? "; TG_LOSS and tg_loss_defaults() set it to 1e-6" : "");
    tg_tensor *raise = tg_detach(tg_relu(tg_neg(tg_sub_scalar(var, eps))));
    if (raise && tg_item(tg_any(tg_lt_scalar(var, 0))) != 0)
        return tg__fail(var->context, TG_ERR_ARGUMENT,
                        "gaussian_nll_loss: var has a negative element");
    return tg_add(var, raise);
}

tg_tensor *tg_gaussian_nll_loss(tg_tensor *input, tg_tensor *target, tg_tensor *var,
                                const tg_loss_options *options)
{
    frame f;
    const double half_log_two_pi = 0.918938533204672741780329736405617640;
    if (!tg__check_inputs("gaussian_nll_loss", 3, (tg_tensor *[]){input, target, var})) return NULL;
    const tg_loss_options o = tg__enter_loss(&f, "gaussian_nll_loss", &input, &target, options);
    var = input ? raised_var(fitted_var(input, var), o.eps) : NULL;
    tg_tensor *distance = tg_div(tg_square(tg_sub(input, target)), var);
    tg_tensor *loss = tg_mul_scalar(tg_add(tg_log(var), distance), 0.5);
    if (o.full) loss = tg_add_scalar(loss, half_log_two_pi);
    return tg__leave(&f, tg__reduce_loss(loss, o.reduction));
}

/* Stirling's formula for log(count!), 0 where the count is 1 or less. There the formula is
 * evaluated at 2 instead: its gradient at 0 would be NaN, which the mask could not take out again.
 */
static tg_tensor *stirling(tg_tensor *count)
{
    const double two_pi = 6.283185307179586476925286766559005768;
    tg_tensor *few = tg_le_scalar(count, 1), *n = tg_masked_fill(count, few, 2);
    tg_tensor *half_log = tg_mul_scalar(tg_log(tg_mul_scalar(n, two_pi)), 0.5);
    tg_tensor *sum = tg_add(tg_sub(tg_mul(n, tg_log(n)), n), half_log);
    return tg_masked_fill(sum, few, 0);
}

tg_tensor *tg_poisson_nll_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = tg__enter_loss(&f, "poisson_nll_loss", &input, &target, options);
    if (input && !o.log_input && tg__without_defaults(&o))
        input = tg__fail(input->context, TG_ERR_ARGUMENT,
                         "poisson_nll_loss: these options take input for the mean, not for its "
                         "logarithm; begin with tg_loss_defaults()");
    tg_tensor *mean = o.log_input ? tg_exp(input) : input;
    tg_tensor *log = o.log_input ? input : tg_log(tg_add_scalar(input, o.log_eps));
    tg_tensor *loss = tg_sub(mean, tg_mul(target, log));
    if (o.full) loss = tg_add(loss, stirling(target));
    return tg__leave(&f, tg__reduce_loss(loss, o.reduction));
}
