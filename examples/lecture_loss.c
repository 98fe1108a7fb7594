/* Step 2 of 4: the loss. Six ways to compute the mean squared error, and a trap: shapes that
 * broadcast. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"

/* mean((a - b)^2), as the notebook writes it without a loss function. */
static tg_tensor *mean_square(tg_tensor *a, tg_tensor *b)
{
    return tg_mean(tg_square(tg_sub(a, b)));
}

static void print_loss(const char *name, const tg_tensor *loss)
{
    printf("%s ", name);
    tg_print(stdout, loss);
}

/* y is (100) and yhat2 is (100, 1). Broadcasting pairs every element of y with every element of
 * yhat2: 10,000 differences, whose mean looks like a loss and is none. */
static void print_trap(tg_tensor *y, tg_tensor *yhat2)
{
    char text[80] = "";
    tg_snprint(text, sizeof text, mean_square(y, yhat2));
    const tg_tensor *difference = tg_sub(y, yhat2);
    if (!difference) return;
    printf("mean((y-yhat2)**2)       WRONG      %s shape of y-yhat2 (%d, %d)\n", text,
           (int)difference->shape[0], (int)difference->shape[1]);
}

int main(void)
{
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    tg_tensor *y = d.y;
    tg_tensor *column = tg_reshape(y, TG_SHAPE(100, 1));

    /* The predictions of step 1. */
    tg_tensor *What = tg_from_f32(tg, TG_SHAPE(2), (float[]){-5.0f, 10.0f});
    tg_requires_grad_(What, true);
    tg_tensor *yhat1 = tg_matmul(d.X, What);

    tg_module *net2 = tg_linear(tg, 2, 1, TG_NO_BIAS);
    tg_copy_from_f32(tg_param(net2, "weight"), (float[]){-5.0f, 10.0f});
    tg_tensor *yhat2 = tg_forward(net2, d.X);

    tg_module *net3 = tg_linear(tg, 1, 1, TG_BIAS);
    tg_copy_from_f32(tg_param(net3, "weight"), (float[]){10.0f});
    tg_copy_from_f32(tg_param(net3, "bias"), (float[]){-5.0f});
    tg_tensor *yhat3 = tg_forward(net3, tg_reshape(d.x, TG_SHAPE(100, 1)));

    lecture_section("step 2, loss: the shape trap and its two cures");
    print_loss("mean((y-yhat1)**2)                 ", mean_square(y, yhat1));
    print_trap(y, yhat2);
    print_loss("mean((y-yhat2.flatten())**2)       ", mean_square(y, tg_flatten(yhat2, 0, -1)));
    print_loss("mean((y.reshape(100,1)-yhat2)**2)  ", mean_square(column, yhat2));

    tg_module *mse = tg_mseloss(tg, TG_MEAN);
    print_loss("MSELoss(y, yhat1)                  ", tg_loss(mse, y, yhat1));
    print_loss("MSELoss(y.reshape(100,1), yhat2)   ", tg_loss(mse, column, yhat2));
    print_loss("MSELoss(y.reshape(100,1), yhat3)   ", tg_loss(mse, column, yhat3));

    /* PyTorch warns and goes on. This library returns an error that says which reshape cures it. */
    lecture_section("MSELoss(y, yhat2) is refused");
    if (tg_ok(tg) && !tg_loss(mse, y, yhat2)) {
        printf("%s\n", tg_error(tg));
        tg_clear_error(tg);
    }
    return lecture_close(tg);
}
