/* Losses of two sides of one shape, said with the operations there are. */
#include "module.h"

#include <math.h>

tg_loss_options tg_loss_defaults(void)
{
    return (tg_loss_options){TG_LOSS_DEFAULTS};
}

/* Opens the frame of a loss and checks its sides; where they do not fit they become NULL, which the
 * operations of the loss pass on. */
static tg_loss_options enter_loss(frame *f, const char *name, tg_tensor **input, tg_tensor **target,
                                  const tg_loss_options *options)
{
    const tg_loss_options o = options ? *options : tg_loss_defaults();
    tg__enter(f, name, *input);
    if (!tg__loss_sides(name, input, target, o.reduction)) *input = *target = NULL;
    return o;
}

tg_tensor *tg__reduce_loss(tg_tensor *loss, int reduction)
{
    const int kind = reduction & ~TG_BROADCAST;
    return kind == TG_NONE ? loss : kind == TG_SUM ? tg_sum(loss) : tg_mean(loss);
}

tg_tensor *tg_l1_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = enter_loss(&f, "l1_loss", &input, &target, options);
    return tg__leave(&f, tg__reduce_loss(tg_abs(tg_sub(input, target)), o.reduction));
}

/* With d = input - target: d^2 / 2 up to delta, and delta (|d| - delta / 2) from there on; divided
 * by scale. */
static tg_tensor *huber(tg_tensor *input, tg_tensor *target, double delta, double scale)
{
    tg_tensor *d = tg_sub(input, target), *near = tg_hardtanh(d, -delta, delta);
    tg_tensor *rest = tg_sub(d, tg_mul_scalar(near, 0.5));
    return tg_mul(scale == 1 ? near : tg_div_scalar(near, scale), rest);
}

tg_tensor *tg_huber_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = enter_loss(&f, "huber_loss", &input, &target, options);
    if (input && !(o.delta > 0))
        input = tg__fail(input->context, TG_ERR_ARGUMENT,
                         "huber_loss: delta is %g, but must be positive%s", o.delta,
                         o.delta == 0 ? "; TG_LOSS and tg_loss_defaults() set it to 1" : "");
    tg_tensor *loss = input ? huber(input, target, tg__rounded(input->dtype, o.delta), 1) : NULL;
    return tg__leave(&f, tg__reduce_loss(loss, o.reduction));
}

tg_tensor *tg_smooth_l1_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o = enter_loss(&f, "smooth_l1_loss", &input, &target, options);
    if (input && !(o.beta >= 0))
        input = tg__fail(input->context, TG_ERR_ARGUMENT,
                         "smooth_l1_loss: beta is %g, but must not be negative", o.beta);
    const double beta = input ? tg__rounded(input->dtype, o.beta) : 0;
    tg_tensor *loss = beta == 0 ? tg_abs(tg_sub(input, target)) : huber(input, target, beta, beta);
    return tg__leave(&f, tg__reduce_loss(loss, o.reduction));
}

/* ---- Probabilities of two classes. */

/* weight expanded to the shape of x. */
static tg_tensor *spread_to(tg_tensor *x, tg_tensor *weight)
{
    const bool right = x && tg__check_inputs("weight", 2, (tg_tensor *[]){x, weight});
    return right ? tg_expand(weight, (tg_shape){x->ndim, x->shape}) : NULL;
}

static tg_tensor *weighted(tg_tensor *loss, const tg_loss_options *o)
{
    if (loss && o->weight) loss = tg_mul(loss, spread_to(loss, o->weight));
    return tg__reduce_loss(loss, o->reduction);
}

static tg_tensor *log_or_least(tg_tensor *log)
{
    return tg_clamp(log, -100, INFINITY);
}

/* (t - 1) log(1 - x) - t log(x) */
static bool binary_cross_entropy_forward(const call *c)
{
    tg_tensor *x = c->in[0], *t = c->in[1];
    tg_no_grad_begin(c->tg);
    tg_tensor *terms[] = {tg_mul(tg_sub_scalar(t, 1), log_or_least(tg_log1p(tg_neg(x)))),
                          tg_mul(t, log_or_least(tg_log(x)))};
    tg_no_grad_end(c->tg);
    if (!terms[0] || !terms[1]) return false;
    tg__elementwise((loop){.binary = pick(c->tg->level, sub, c->out->dtype)}, c->out, 2, terms);
    return true;
}

/* Where x is 0 or 1 PyTorch divides by 1e-12, as a float; target's gradient has no bound there. */
static tg_tensor *binary_cross_entropy_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *t = r->in[1].t;
    if (i == 1) return tg_mul(g, tg_sub(tg_log1p(tg_neg(x)), tg_log(x)));
    tg_tensor *variance = tg_mul(tg_neg(tg_sub_scalar(x, 1)), x);
    return tg_div(tg_mul(g, tg_sub(x, t)), tg_clamp(variance, (double)1e-12f, INFINITY));
}

static const op_row binary_cross_entropy_op = {
    .name = "binary_cross_entropy",
    .grad_name = "binary_cross_entropyBackward",
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
    const tg_loss_options o = enter_loss(&f, "binary_cross_entropy", &input, &target, options);
    if (input && !is_between_0_and_1(input))
        input = tg__fail(input->context, TG_ERR_ARGUMENT,
                         "binary_cross_entropy: the input is not in [0, 1] everywhere; of logits "
                         "use tg_binary_cross_entropy_with_logits");
    tg_tensor *both[] = {input, target};
    tg_tensor *loss = input ? tg__apply(&binary_cross_entropy_op, 2, both, NULL) : NULL;
    return tg__leave(&f, weighted(loss, &o));
}

/* (1 - t) x + (1 + (pos_weight - 1) t) log(1 + exp(-x)) */
tg_tensor *tg_binary_cross_entropy_with_logits(tg_tensor *input, tg_tensor *target,
                                               const tg_loss_options *options)
{
    frame f;
    const tg_loss_options o =
        enter_loss(&f, "binary_cross_entropy_with_logits", &input, &target, options);
    tg_tensor *log = tg_logsigmoid(input), *more = o.pos_weight;
    if (more) {
        more = tg_sub_scalar(spread_to(input, more), 1);
        log = tg_mul(log, tg_add_scalar(tg_mul(more, target), 1));
    }
    tg_tensor *loss = tg_sub(tg_mul(tg_neg(tg_sub_scalar(target, 1)), input), log);
    return tg__leave(&f, weighted(loss, &o));
}

/* ---- Distributions. */

tg_tensor *tg_kl_div(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    tg_loss_options o = options ? *options : tg_loss_defaults();
    const bool by_batch = (o.reduction & ~TG_BROADCAST) == TG_BATCHMEAN;
    const double batch = input && input->ndim ? (double)input->shape[0] : 1;
    if (by_batch) o.reduction = TG_SUM | (o.reduction & TG_BROADCAST);
    enter_loss(&f, "kl_div", &input, &target, &o);
    tg_tensor *loss;
    if (o.log_target) {
        loss = tg_mul(tg_exp(target), tg_sub(target, input));
    } else {
        tg_tensor *zero = tg_eq_scalar(target, 0);
        tg_tensor *self = tg_masked_fill(tg_mul(target, tg_log(target)), zero, 0);
        loss = tg_sub(self, tg_mul(target, input));
    }
    loss = tg__reduce_loss(loss, o.reduction);
    return tg__leave(&f, by_batch ? tg_div_scalar(loss, batch) : loss);
}

/* var as it broadcasts to the input: of its shape, or one number a row. */
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

/* var, raised to eps where it is below, with its own gradient. */
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
    const tg_loss_options o = enter_loss(&f, "gaussian_nll_loss", &input, &target, options);
    var = input ? raised_var(fitted_var(input, var), o.eps) : NULL;
    tg_tensor *distance = tg_div(tg_square(tg_sub(input, target)), var);
    tg_tensor *loss = tg_mul_scalar(tg_add(tg_log(var), distance), 0.5);
    if (o.full) loss = tg_add_scalar(loss, half_log_two_pi);
    return tg__leave(&f, tg__reduce_loss(loss, o.reduction));
}

/* ---- Any of them as a module. */

typedef struct criterion {
    tg_loss_function function;
    tg_loss_options options;
} criterion;

static tg_tensor *criterion_loss(tg_module *m, tg_tensor *input, tg_tensor *target)
{
    const criterion *c = m->data;
    return c->function(input, target, &c->options);
}

tg_module *tg_criterion(tg_context *tg, tg_loss_function function, const tg_loss_options *options)
{
    if (tg && !function) return tg__fail(tg, TG_ERR_ARGUMENT, "criterion: the function is NULL");
    tg_module *m = tg_module_new(tg, "Criterion", NULL, sizeof(criterion));
    if (!m) return NULL;
    m->loss = criterion_loss;
    *(criterion *)m->data = (criterion){function, options ? *options : tg_loss_defaults()};
    return m;
}
