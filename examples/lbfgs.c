/* Linear regression on all ten features of the diabetes data by LBFGS, whose line search needs no
 * learning rate, beside the closed form. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"
#include "common/table.h"

enum { FEATURES = 10 };

static const char *const names[FEATURES + 1] = {"age", "sex", "bmi", "bp", "s1",       "s2",
                                                "s3",  "s4",  "s5",  "s6", "intercept"};

typedef struct problem {
    tg_optim *optim;
    tg_module *net;
    tg_tensor *x, *y;
    int evaluations;
} problem;

/* The loss and its gradient. tg_step_closure calls this several times in a step. */
static tg_tensor *evaluate(void *user)
{
    problem *p = user;
    p->evaluations++;
    tg_zero_grad(p->optim);
    tg_tensor *loss = tg_mse_loss(tg_forward(p->net, p->x), p->y, TG_MEAN);
    tg_backward(loss);
    return loss;
}

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    tg_set_default_dtype(tg, TG_F64);
    tg_manual_seed(tg, 1);
    tg_tensor *table = table_read(tg, argc > 1 ? argv[1] : EXAMPLES_DATA "/diabetes.csv");
    if (!table) return tg_close(tg), 1;
    tg_tensor *features = table_columns(table, 0, FEATURES);
    problem p = {.x = table_standardize(features, features),
                 .y = table_columns(table, FEATURES, 1),
                 .net = tg_linear(tg, FEATURES, 1, TG_BIAS)};

    /* Without tolerances it goes on until the loss, in float64, no longer tells better weights from
     * worse ones. */
    p.optim =
        tg_lbfgs(p.net, TG_LBFGS(.strong_wolfe = true, .tolerance_grad = 0, .tolerance_change = 0));
    for (int step = 0; step < 3; step++) {
        const double loss = tg_step_closure(p.optim, evaluate, &p);
        printf("step %d from loss %.6f, %d evaluations in all\n", step, loss, p.evaluations);
    }

    tg_tensor *ones = tg_ones(tg, TG_F64, TG_SHAPE(table->shape[0], 1));
    tg_tensor *closed = tg_flatten(tg_lstsq(tg_cat(TG_LIST(p.x, ones), 1), p.y), 0, -1);
    tg_tensor *weight = tg_flatten(tg_param(p.net, "weight"), 0, -1);
    tg_tensor *found = tg_detach(tg_cat(TG_LIST(weight, tg_param(p.net, "bias")), 0));
    printf("\n               closed form          LBFGS\n");
    for (int i = 0; i <= FEATURES; i++)
        printf("%-10s %15.6f %15.6f\n", names[i], tg_get(closed, TG_INDEX(i)),
               tg_get(found, TG_INDEX(i)));
    printf("\nlargest difference %.1e\n", tg_item(tg_max(tg_abs(tg_sub(found, closed)))));
    return lecture_close(tg);
}
