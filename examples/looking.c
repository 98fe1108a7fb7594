/* Looking at a network and its training: its layers, the graph of its loss, where the time goes,
 * and the loss curve, which is drawn in looking.svg. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"
#include "common/plot.h"

enum { EPOCHS = 300 };

int main(void)
{
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, 1);
    tg_tensor *x = tg_reshape(tg_linspace(tg, TG_F32, -3, 3, 128), TG_SHAPE(128, 1));
    tg_tensor *y = tg_sin(tg_mul_scalar(x, 2));
    tg_module *hidden = tg_linear(tg, 1, 32, TG_BIAS);
    tg_module *top = tg_linear(tg, 32, 1, TG_BIAS);
    tg_module *net = tg_sequential(TG_MODULES(hidden, tg_lambda(tg, tg_tanh), top));
    tg_optim *adam = tg_adam(net, TG_ADAM(.lr = 0.02));

    tg_print_module(stdout, net);
    tg_summary(stdout, net, x);
    tg_tensor *first = tg_mse_loss(tg_forward(net, x), y, TG_MEAN);
    tg_graph(stdout, first, TG_GRAPH(.text = true, .names = tg_state_dict(net)));

    double epochs[EPOCHS], losses[EPOCHS];
    tg_detect_anomaly(tg, true); /* the first NaN or infinity is an error where it is made */
    tg_profile(tg, true);
    for (int i = 0; i < EPOCHS; i++) {
        tg_scope_begin(tg);
        tg_tensor *loss = tg_mse_loss(tg_forward(net, x), y, TG_MEAN);
        tg_zero_grad(adam);
        tg_backward(loss);
        tg_step(adam);
        epochs[i] = i + 1;
        losses[i] = tg_item(loss);
        tg_scope_end(tg);
    }
    tg_print_profile(stdout, tg);
    printf("loss %.4f, after %d epochs %.6f\n", losses[0], EPOCHS, losses[EPOCHS - 1]);

    plot *p = plot_new("Loss by epoch", "epoch", "mean squared error", true);
    plot_line(p, NULL, PLOT_BLUE, EPOCHS, epochs, losses);
    if (plot_save(p, "looking.svg")) printf("Drawn in looking.svg\n");
    return lecture_close(tg);
}
