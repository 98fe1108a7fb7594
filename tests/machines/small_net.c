/* Trains a network of 2,401 weights in as little memory as a microcontroller has. Prints the bits
 * of the losses, and to stderr how much memory the context held. */
#include <stdio.h>
#include <string.h>
#include <tinygrad.h>

enum { IN = 16, HIDDEN = 92, OUT = 9, BATCH = 1, STEPS = 30 };

int main(void)
{
    tg_options options = tg_defaults();
    options.page_bytes = 12288;
    options.max_bytes = SMALL_NET_BYTES;
    tg_context *tg = tg_open(&options);
    tg_module *hidden = tg_linear(tg, IN, HIDDEN, TG_BIAS),
              *top = tg_linear(tg, HIDDEN, OUT, TG_BIAS);
    tg_module *net = tg_sequential(TG_MODULES(hidden, tg_lambda(tg, tg_relu), top));
    tg_sgd_options how = tg_sgd_defaults();
    how.lr = 0.05;
    tg_optim *sgd = tg_sgd(net, &how);
    tg_tensor *x = tg_randn(tg, TG_F32, TG_SHAPE(BATCH, IN));
    tg_tensor *y = tg_randn(tg, TG_F32, TG_SHAPE(BATCH, OUT));
    for (int step = 0; step < STEPS; step++) {
        tg_scope_begin(tg);
        tg_tensor *loss = tg_mse_loss(tg_forward(net, x), y, TG_MEAN);
        tg_zero_grad(sgd);
        tg_backward(loss);
        tg_step(sgd);
        const float value = (float)tg_item(loss);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        printf("%08lx\n", (unsigned long)bits);
        tg_scope_end(tg);
    }
    long weights = 0;
    const tg_list parameters = tg_parameters(net);
    for (int i = 0; i < parameters.n; i++) weights += (long)parameters.items[i]->numel;
    fprintf(stderr, "%ld weights, %ld bytes\n", weights, (long)tg_get_stats(tg).held_bytes);
    const int failed = !tg_ok(tg);
    if (failed) puts(tg_error(tg));
    tg_close(tg);
    return failed;
}
