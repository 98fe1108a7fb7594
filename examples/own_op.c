/* A user-defined operation: the quantile loss, also called pinball loss. A line that is fitted with
 * it has a given share of the points below it, where one that is fitted with squares runs through
 * their middle. The library has no such loss. A forward and a backward function define it. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"
#include "common/table.h"

enum { BMI = 2, PROGRESSION = 10 };

/* ---- The operation. With d = target - input, the loss of a point is share * d if it lies above
 * the line and (share - 1) * d if it lies below. */

static tg_tensor *pinball_forward(tg_list inputs, const void *attributes)
{
    const double share = *(const double *)attributes;
    tg_tensor *d = tg_sub(inputs.items[1], inputs.items[0]);
    return tg_maximum(tg_mul_scalar(d, share), tg_mul_scalar(d, share - 1));
}

/* The gradient of input i: the derivative with respect to it, times the gradient of the result. */
static tg_tensor *pinball_backward(tg_list inputs, tg_tensor *output, tg_tensor *grad, int i,
                                   const void *attributes)
{
    const double share = *(const double *)attributes;
    tg_tensor *above = tg_cast(tg_gt(inputs.items[1], inputs.items[0]), grad->dtype);
    tg_tensor *slope = tg_add_scalar(above, share - 1); /* share above, share - 1 below */
    (void)output;
    return tg_mul(grad, i == 0 ? tg_neg(slope) : slope);
}

static const tg_autograd_function pinball = {"pinball", pinball_forward, pinball_backward};

static tg_tensor *pinball_loss(tg_list inputs, void *user)
{
    const double *share = user;
    return tg_mean(tg_apply(&pinball, inputs, share, sizeof *share));
}

/* ---- A fit. */

/* Prints the line, beside the one of R: rq(progression ~ z, share) of the package quantreg. The
 * loss has kinks, where its gradient jumps. The steps therefore must become small, but not before
 * the line has arrived. */
static void fit(tg_context *tg, tg_tensor *z, tg_tensor *y, double share, const char *in_r)
{
    tg_module *line = tg_linear(tg, 1, 1, TG_BIAS);
    tg_optim *adam = tg_adam(line, TG_ADAM(.lr = 3));
    tg_scheduler *slower = tg_exponential_lr(adam, 0.999);
    for (int epoch = 0; epoch < 10000; epoch++) {
        tg_scope_begin(tg);
        tg_zero_grad(adam);
        tg_backward(pinball_loss(TG_LIST(tg_forward(line, z), y), &share));
        tg_step(adam);
        tg_scheduler_step(slower);
        tg_scope_end(tg);
    }
    tg_tensor *below = tg_cast(tg_le(y, tg_forward(line, z)), TG_F64);
    printf("share %.2f  line %7.2f %+7.2f z  in R %s  points below %.2f\n", share,
           tg_item(tg_param(line, "bias")), tg_item(tg_param(line, "weight")), in_r,
           tg_item(tg_mean(below)));
}

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    tg_set_default_dtype(tg, TG_F64);
    tg_manual_seed(tg, 1);
    tg_tensor *table = table_read(tg, argc > 1 ? argv[1] : EXAMPLES_DATA "/diabetes.csv");
    if (!table) return tg_close(tg), 1;
    tg_tensor *bmi = table_columns(table, BMI, 1), *y = table_columns(table, PROGRESSION, 1);
    tg_tensor *z = table_standardize(bmi, bmi);

    /* Checks the backward function by central differences. */
    double share = 0.3;
    tg_tensor *a = tg_requires_grad_(tg_randn(tg, TG_F64, TG_SHAPE(5)), true);
    tg_tensor *b = tg_requires_grad_(tg_randn(tg, TG_F64, TG_SHAPE(5)), true);
    const bool right = tg_gradcheck(pinball_loss, TG_LIST(a, b), &share, NULL);
    printf("gradcheck: %s\n\n", right ? "passed" : tg_error(tg));

    printf("progression by standardised body mass index\n");
    fit(tg, z, y, 0.1, " 70.02  +23.79 z");
    fit(tg, z, y, 0.5, "146.34  +52.70 z");
    fit(tg, z, y, 0.9, "237.37  +48.91 z");
    return lecture_close(tg);
}
