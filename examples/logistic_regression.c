/* Logistic regression. From ten measurements of a patient it predicts whether the disease will
 * progress faster than in half of all patients. yhat is a logit and the loss binary cross-entropy;
 * all else is as in the lecture. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"
#include "common/table.h"

enum { FEATURES = 10, HELD_OUT = 100, EPOCHS = 2000 };

static const char *const names[FEATURES] = {"age", "sex", "bmi", "bp", "s1",
                                            "s2",  "s3",  "s4",  "s5", "s6"};

/* What R's glm(above ~ ., binomial) finds for the same rows. */
static const double in_r[FEATURES] = {-0.00796327, -0.48993123, 0.55761903,  0.44573214,
                                      1.56481324,  -1.52273329, -1.33344196, -0.16697767,
                                      0.42557842,  0.09734997};

/* The share of rows whose logit has the right sign: positive for label 1. */
static double accuracy(tg_tensor *logits, tg_tensor *labels)
{
    tg_tensor *right = tg_eq(tg_gt_scalar(logits, 0), tg_gt_scalar(labels, 0.5));
    return tg_item(tg_mean(tg_cast(right, TG_F64)));
}

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    tg_set_default_dtype(tg, TG_F64);
    tg_manual_seed(tg, 1);
    tg_tensor *table = table_read(tg, argc > 1 ? argv[1] : EXAMPLES_DATA "/diabetes.csv");
    if (!table) return tg_close(tg), 1;

    /* The labels: 1 for a progression above the median, else 0. The rows are in no order, so that
     * the last ones can be held out. */
    const int64_t n = table->shape[0], n_train = n - HELD_OUT;
    tg_tensor *features = table_columns(table, 0, FEATURES);
    tg_tensor *progression = table_columns(table, FEATURES, 1);
    const double median = tg_get(tg_sort(progression, 0), TG_INDEX(n / 2, 0));
    tg_tensor *labels = tg_cast(tg_gt_scalar(progression, median), TG_F64);
    tg_tensor *like = tg_narrow(features, 0, 0, n_train);
    tg_tensor *x = table_standardize(like, like), *y = tg_narrow(labels, 0, 0, n_train);
    tg_tensor *x_new = table_standardize(tg_narrow(features, 0, n_train, HELD_OUT), like);
    tg_tensor *y_new = tg_narrow(labels, 0, n_train, HELD_OUT);

    tg_module *net = tg_linear(tg, FEATURES, 1, TG_BIAS);
    tg_module *lossfn = tg_criterion(tg, tg_binary_cross_entropy_with_logits, NULL);
    tg_optim *sgd = tg_sgd(net, TG_SGD(.lr = 1, .momentum = 0.95));
    for (int epoch = 0; epoch <= EPOCHS; epoch++) {
        tg_scope_begin(tg);
        tg_tensor *loss = tg_loss(lossfn, tg_forward(net, x), y);
        tg_zero_grad(sgd);
        tg_backward(loss);
        if (epoch % 500 == 0) printf("epoch %4d  loss %.8f\n", epoch, tg_item(loss));
        tg_step(sgd);
        tg_scope_end(tg);
    }

    printf("\nprogression above %g: what one standard deviation more of each adds to the logit\n",
           median);
    printf("            here    R's glm\n");
    for (int i = 0; i < FEATURES; i++)
        printf("  %-4s %+10.6f %+10.6f\n", names[i],
               tg_get(tg_param(net, "weight"), TG_INDEX(0, i)), in_r[i]);
    printf("\naccuracy: train %.4f, held out %.4f\n", accuracy(tg_forward(net, x), y),
           accuracy(tg_forward(net, x_new), y_new));
    return lecture_close(tg);
}
