/* Step 2 of 4: the loss. Six ways to compute the mean squared error, and a trap: shapes that
 * broadcast. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"

int main(void)
{
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    tg_tensor *x = d.x, *X = d.X, *y = d.y, *loss;

    /* The predictions of step 1. */
    tg_tensor *What = tg_from_f32(tg, TG_SHAPE(2), (float[]){-5.0f, 10.0f});
    tg_requires_grad_(What, true);
    tg_tensor *yhat1 = tg_matmul(X, What);

    tg_module *net2 = tg_linear(tg, 2, 1, TG_NO_BIAS);
    tg_copy_from_f32(tg_param(net2, "weight"), (float[]){-5.0f, 10.0f});
    tg_tensor *yhat2 = tg_forward(net2, X);

    tg_module *net3 = tg_linear(tg, 1, 1, TG_BIAS);
    tg_copy_from_f32(tg_param(net3, "weight"), (float[]){10.0f});
    tg_copy_from_f32(tg_param(net3, "bias"), (float[]){-5.0f});
    tg_tensor *yhat3 = tg_forward(net3, tg_reshape(x, TG_SHAPE(100, 1)));

    lecture_section("step 2, loss: by hand");
    loss = tg_mean(tg_square(tg_sub(y, yhat1)));
    lecture_show("torch.mean((y-yhat1)**2)", loss);

    /* y is (100) and yhat2 is (100, 1). Broadcasting pairs every element of y with every element of
     * yhat2: 10,000 differences, whose mean looks like a loss and is none. */
    lecture_section("step 2, loss: the trap");
    loss = tg_mean(tg_square(tg_sub(y, yhat2)));
    lecture_show("torch.mean((y-yhat2)**2)", loss);
    lecture_show_shape("(y-yhat2).shape", tg_sub(y, yhat2));

    lecture_section("step 2, loss: two cures");
    loss = tg_mean(tg_square(tg_sub(y, tg_flatten(yhat2, 0, -1))));
    lecture_show("torch.mean((y-yhat2.flatten())**2)", loss);
    tg_tensor *column = tg_reshape(y, TG_SHAPE(100, 1));
    loss = tg_mean(tg_square(tg_sub(column, yhat2)));
    lecture_show("torch.mean((column-yhat2)**2)", loss);

    lecture_section("step 2, loss: MSELoss");
    tg_module *lossfn = tg_mseloss(tg, TG_MEAN);
    lecture_show("lossfn(y,yhat1)", tg_loss(lossfn, y, yhat1));
    lecture_show("lossfn(column,yhat2)", tg_loss(lossfn, column, yhat2));
    lecture_show("lossfn(column,yhat3)", tg_loss(lossfn, column, yhat3));

    /* PyTorch warns and goes on. This library returns an error that says which reshape cures it. */
    lecture_section("lossfn(y,yhat2) is refused");
    if (tg_ok(tg) && !tg_loss(lossfn, y, yhat2)) {
        printf("%s\n", tg_error(tg));
        tg_clear_error(tg);
    }
    return lecture_close(tg);
}
