/* Two features, and thus three weights: nothing changes but the number of columns of X. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"

static void print_loss(const char *name, const tg_tensor *loss, const char *note)
{
    char text[80] = "";
    tg_snprint(text, sizeof text, loss);
    printf("%s %s%s\n", name, text, note);
}

int main(void)
{
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, LECTURE_SEED);

    tg_tensor *ones = tg_ones(tg, TG_F32, TG_SHAPE(100));
    tg_tensor *x1 = tg_sort(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0);
    tg_tensor *x2 = tg_sort(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0);
    tg_tensor *X = tg_t(tg_vstack(TG_LIST(ones, x1, x2)));
    tg_tensor *W = tg_from_f32(tg, TG_SHAPE(3), (float[]){2.5f, 4.0f, -2.0f});
    tg_tensor *noise = tg_mul_scalar(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0.5);
    tg_tensor *y = tg_add(tg_matmul(X, W), noise);

    lecture_section("three weights: y = 2.5 + 4 x1 - 2 x2 + eps");
    tg_module *net = tg_linear(tg, 3, 1, TG_NO_BIAS);
    tg_tensor *weight = tg_param(net, "weight");
    char text[64] = "";
    tg_snprint(text, sizeof text, tg_detach(weight));
    printf("Linear(3,1,bias=False).weight %s ", text);
    lecture_print_bits(weight);
    printf("\n");

    tg_copy_from_f32(weight, (float[]){2.5f, 5.0f, -2.0f});
    tg_tensor *yhat = tg_forward(net, X);

    /* TG_BROADCAST asks for the trap that the library would otherwise refuse. */
    tg_tensor *wrong = tg_mse_loss(y, yhat, TG_MEAN + TG_BROADCAST);
    tg_tensor *right = tg_mse_loss(tg_reshape(y, TG_SHAPE(100, 1)), yhat, TG_MEAN);
    print_loss("MSELoss(y, yhat)       WRONG       ", wrong, " (100) against (100, 1)");
    print_loss("MSELoss(y.reshape(100,1), yhat)    ", right, "");
    return lecture_close(tg);
}
