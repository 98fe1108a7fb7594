/* Losses, compared with PyTorch's values and gradients and with central differences. Each case has
 * the reduction as its first number; tests/golden/losses.py makes them. */
#include "golden.h"

static tg_loss_options reduced(const trial *c)
{
    tg_loss_options o = tg_loss_defaults();
    o.reduction = (int)c->i[0];
    return o;
}

/* A loss of an input and a target, with a number that may be beta or delta. */
static tg_tensor *distance(trial *c, tg_loss_function loss)
{
    tg_loss_options o = reduced(c);
    if (c->numbers > 1) o.beta = o.delta = c->f[1];
    /* cppcheck-suppress returnDanglingLifetime; it is a tensor, not the options */
    return loss(c->x[0], c->x[1], &o);
}

/* A loss that may have weights, a label to ignore and label smoothing. The second number of the
 * case says which weights follow the target: 1 is weight, 2 is pos_weight. */
static tg_tensor *weighted(trial *c, tg_loss_function loss)
{
    tg_loss_options o = reduced(c);
    int next = 2;
    if (c->i[1] & 1) o.weight = c->x[next++];
    if (c->i[1] & 2) o.pos_weight = c->x[next++];
    if (c->numbers > 2) o.ignore_index = c->i[2];
    if (c->numbers > 3) o.label_smoothing = c->f[3];
    /* cppcheck-suppress returnDanglingLifetime; it is a tensor, not the options */
    return loss(c->x[0], c->x[1], &o);
}

static tg_tensor *kl_div(trial *c)
{
    tg_loss_options o = reduced(c);
    o.log_target = c->i[1];
    return tg_kl_div(c->x[0], c->x[1], &o);
}

static tg_tensor *gaussian_nll(trial *c)
{
    tg_loss_options o = reduced(c);
    o.full = c->i[1];
    o.eps = c->f[2];
    return tg_gaussian_nll_loss(c->x[0], c->x[1], c->x[2], &o);
}

static tg_tensor *poisson_nll(trial *c)
{
    tg_loss_options o = reduced(c);
    o.log_input = c->i[1];
    o.full = c->i[2];
    o.log_eps = c->f[3];
    return tg_poisson_nll_loss(c->x[0], c->x[1], &o);
}

#define OPS(OP)                                                                                    \
    OP(distances, mse_loss, tg_mse_loss(c->x[0], c->x[1], (int)c->i[0]))                           \
    OP(distances, l1_loss, distance(c, tg_l1_loss))                                                \
    OP(distances, smooth_l1_loss, distance(c, tg_smooth_l1_loss))                                  \
    OP(distances, huber_loss, distance(c, tg_huber_loss))                                          \
    OP(probabilities, bce, weighted(c, tg_binary_cross_entropy))                                   \
    OP(probabilities, bce_with_logits, weighted(c, tg_binary_cross_entropy_with_logits))           \
    OP(probabilities, kl_div, kl_div(c))                                                           \
    OP(probabilities, gaussian_nll, gaussian_nll(c))                                               \
    OP(probabilities, poisson_nll, poisson_nll(c))                                                 \
    OP(classes, nll_loss, weighted(c, tg_nll_loss))                                                \
    OP(classes, cross_entropy, weighted(c, tg_cross_entropy))

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("losses_golden.txt", operations, sizeof operations / sizeof *operations);
}
