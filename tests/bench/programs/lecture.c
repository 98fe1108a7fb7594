/* The program of README.md: 30 epochs of the lecture. */
#include <stdio.h>
#include <tinygrad.h>

int main(void)
{
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, 202150754);

    tg_tensor *ones = tg_ones(tg, TG_F32, TG_SHAPE(100));
    tg_tensor *x = tg_sort(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0);
    tg_tensor *X = tg_t(tg_vstack(TG_LIST(ones, x)));
    tg_tensor *W = tg_from_f32(tg, TG_SHAPE(2), (float[]){2.5f, 4.0f});
    tg_tensor *e = tg_mul_scalar(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0.4);
    tg_tensor *y = tg_reshape(tg_add(tg_matmul(X, W), e), TG_SHAPE(100, 1));

    tg_module *net = tg_linear(tg, 2, 1, TG_NO_BIAS);
    tg_sgd_options how = tg_sgd_defaults();
    how.lr = 0.1;
    tg_optim *sgd = tg_sgd(net, &how);

    for (int epoch = 0; epoch < 30; epoch++) {
        tg_scope_begin(tg);
        tg_tensor *yhat = tg_forward(net, X);            /* 1 yhat     */
        tg_tensor *loss = tg_mse_loss(yhat, y, TG_MEAN); /* 2 loss     */
        tg_zero_grad(sgd);
        tg_backward(loss); /* 3 backward */
        tg_step(sgd);      /* 4 update   */
        printf("epoch %d loss %.4f\n", epoch, tg_item(loss));
        tg_scope_end(tg);
    }
    tg_print(stdout, tg_param(net, "weight"));

    int failed = !tg_ok(tg);
    if (failed) fprintf(stderr, "%s\n", tg_error(tg));
    tg_close(tg);
    return failed;
}
