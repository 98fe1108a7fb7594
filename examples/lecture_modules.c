/* The loop of lecture_loop.c with the modules and the optimiser of the library: Linear, MSELoss and
 * SGD. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"

static void print_epoch(int epoch, const tg_tensor *loss, const tg_tensor *weight)
{
    const tg_tensor *grad = weight->grad;
    printf("epoch %2d  loss %.6g  weight [%.6g, %.6g]  grad [%.4f, %.4f]\n", epoch, tg_item(loss),
           tg_get(weight, TG_INDEX(0, 0)), tg_get(weight, TG_INDEX(0, 1)),
           tg_get(grad, TG_INDEX(0, 0)), tg_get(grad, TG_INDEX(0, 1)));
}

int main(void)
{
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    tg_tensor *X = d.X, *y = d.y;

    tg_module *net = tg_linear(tg, 2, 1, TG_NO_BIAS);
    tg_tensor *weight = tg_param(net, "weight");
    tg_copy_from_f32(weight, (float[]){-5.0f, 10.0f});
    tg_module *lossfn = tg_mseloss(tg, TG_MEAN);
    /* MSELoss is the sum of lecture_loop.c divided by 100. 100 times its learning rate, 0.001,
     * therefore gives the same steps. */
    tg_optim *sgd = tg_sgd(net, TG_SGD(.lr = 0.1));
    if (!tg_ok(tg)) return lecture_close(tg); /* print_epoch reads a member of weight */

    lecture_section("the same with Linear, MSELoss and SGD");
    tg_tensor *column = tg_reshape(y, TG_SHAPE(100, 1)); /* the shape that Linear gives */
    for (int epoch = 0; epoch < 30; epoch++) {
        tg_scope_begin(tg);
        tg_tensor *yhat = tg_forward(net, X);            /* 1 yhat */
        tg_tensor *loss = tg_loss(lossfn, yhat, column); /* 2 loss */
        tg_zero_grad(sgd);
        tg_backward(loss); /* 3 backward */
        print_epoch(epoch, loss, weight);
        tg_step(sgd); /* 4 update */
        tg_scope_end(tg);
    }
    lecture_show("net.weight.data", tg_detach(weight));
    return lecture_close(tg);
}
