/* Logistic regression. From ten measurements of a patient it predicts whether the disease will
 * progress faster than in half of all patients. yhat is a logit and the loss binary cross-entropy;
 * all else is as in the lecture. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"
#include "common/table.h"

enum { FEATURES = 10, HELD_OUT = 100 };

static const char *const names[FEATURES] = {"age", "sex", "bmi", "bp", "s1",
                                            "s2",  "s3",  "s4",  "s5", "s6"};

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

    /* The labels: 1 for a progression above the median, else 0. */
    const int64_t n = table->shape[0];
    tg_tensor *progression = table_columns(table, FEATURES, 1);
    tg_tensor *sorted = tg_sort(progression, 0);
    const double median = tg_get(sorted, TG_INDEX(n / 2, 0));
    tg_tensor *labels = tg_cast(tg_gt_scalar(progression, median), TG_F64), *parts[4];
    tg_random_split(TG_LIST(table_columns(table, 0, FEATURES), labels),
                    TG_SHAPE(n - HELD_OUT, HELD_OUT), parts);
    tg_tensor *x = table_standardize(parts[0], parts[0]), *y = parts[1];
    tg_tensor *x_new = table_standardize(parts[2], parts[0]), *y_new = parts[3];

    tg_module *net = tg_linear(tg, FEATURES, 1, TG_BIAS);
    tg_module *loss_of = tg_criterion(tg, tg_binary_cross_entropy_with_logits, NULL);
    tg_optim *sgd = tg_sgd(net, TG_SGD(.lr = 0.5, .momentum = 0.9));
    for (int epoch = 0; epoch <= 500; epoch++) {
        tg_scope_begin(tg);
        tg_tensor *loss = tg_loss(loss_of, tg_forward(net, x), y);
        tg_zero_grad(sgd);
        tg_backward(loss);
        if (epoch % 100 == 0) printf("epoch %3d  loss %.6f\n", epoch, tg_item(loss));
        tg_step(sgd);
        tg_scope_end(tg);
    }

    printf("\nprogression above %g: what one standard deviation more of each adds to the logit\n",
           median);
    for (int i = 0; i < FEATURES; i++)
        printf("  %-4s %+8.4f\n", names[i], tg_get(tg_param(net, "weight"), TG_INDEX(0, i)));
    printf("\naccuracy: train %.4f, held out %.4f\n", accuracy(tg_forward(net, x), y),
           accuracy(tg_forward(net, x_new), y_new));
    return lecture_close(tg);
}
