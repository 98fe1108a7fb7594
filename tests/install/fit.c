/* A user's program, built against the installed library, in C that is also C++. It fits a model and
 * prints the exact bits of the result. */
#include <stdio.h>
#include <tinygrad.h>

int main(void)
{
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, 1);

    const float line[] = {2.5f, 4.0f, -1.0f};
    tg_tensor *half = tg_randn(tg, TG_F32, TG_SHAPE(101, 3));
    tg_tensor *x = tg_vstack(TG_LIST(half, tg_tanh(half)));
    tg_tensor *w = tg_from_f32(tg, TG_SHAPE(3, 1), line);
    tg_tensor *y = tg_add(tg_matmul(x, w), tg_full(tg, TG_F32, TG_SHAPE(), 0.125));

    tg_module *net = tg_linear(tg, 3, 1, TG_BIAS);
    tg_optim *sgd = tg_sgd(net, TG_SGD(.lr = 0.1, .momentum = 0.5));
    for (int epoch = 0; epoch < 10; epoch++) {
        tg_scope_begin(tg);
        tg_tensor *loss = tg_mse_loss(tg_forward(net, x), y, TG_MEAN);
        tg_zero_grad(sgd);
        tg_backward(loss);
        tg_step(sgd);
        printf("%a\n", tg_item(loss));
        tg_scope_end(tg);
    }
    tg_tensor *weight = tg_param(net, "weight");
    printf("%a %a %a\n", tg_get(weight, TG_INDEX(0, 0)), tg_get(weight, TG_INDEX(0, 1)),
           tg_item(tg_mean(tg_sigmoid(tg_exp(weight)))));

    int failed = !tg_ok(tg);
    if (failed) fprintf(stderr, "%s\n", tg_error(tg));
    tg_close(tg);
    return failed;
}
