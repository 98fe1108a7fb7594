/* Two features, and thus three weights: nothing changes but the number of columns of X. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"

int main(void)
{
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, 202150754);
    tg_tensor *ones = tg_ones(tg, TG_F32, TG_SHAPE(100));
    tg_tensor *x1 = tg_sort(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0);
    tg_tensor *x2 = tg_sort(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0);
    tg_tensor *X = tg_t(tg_vstack(TG_LIST(ones, x1, x2)));
    tg_tensor *W = tg_from_f32(tg, TG_SHAPE(3), (float[]){2.5f, 4.0f, -2.0f});
    tg_tensor *eps = tg_mul_scalar(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0.5);
    tg_tensor *y = tg_add(tg_matmul(X, W), eps);

    lecture_section("three weights: y = 2.5 + 4 x1 - 2 x2 + eps");
    tg_module *net = tg_linear(tg, 3, 1, TG_NO_BIAS);
    tg_tensor *weight = tg_param(net, "weight");
    lecture_show("net.weight.data", tg_detach(weight));
    tg_copy_from_f32(weight, (float[]){2.5f, 5.0f, -2.0f});
    lecture_show("net.weight.data", tg_detach(weight));
    tg_tensor *yhat = tg_forward(net, X);

    /* TG_BROADCAST asks for the trap that the library would otherwise refuse. */
    tg_tensor *wrong = tg_mse_loss(y, yhat, TG_MEAN + TG_BROADCAST);
    lecture_show("lossfn(y,yhat)", wrong);
    tg_tensor *column = tg_reshape(y, TG_SHAPE(100, 1));
    tg_tensor *right = tg_mse_loss(column, yhat, TG_MEAN);
    lecture_show("lossfn(column,yhat)", right);
    return lecture_close(tg);
}
