/* Trains a network on from a checkpoint of PyTorch: train_on CHECKPOINT.pt RESULT.safetensors
 * STEPS. train_on.py makes the checkpoint, and takes the result. */
#include <stdio.h>
#include <stdlib.h>

#include <tinygrad.h>

static tg_tensor *halved(tg_tensor *x)
{
    const tg_pool_options two = tg_pool_defaults(2);
    return tg_max_pool2d(x, &two);
}

static tg_module *make_perceptron(tg_context *tg)
{
    return tg_sequential(TG_MODULES(tg_linear(tg, 4, 8, TG_BIAS), tg_lambda(tg, tg_tanh),
                                    tg_linear(tg, 8, 3, TG_BIAS)));
}

/* The order in which C makes the layers of a list is open; all their parameters are loaded. */
static tg_module *make_convolutional(tg_context *tg)
{
    tg_module *conv = tg_conv2d_layer(tg, 1, 3, TG_SHAPE(3, 3), TG_NO_BIAS,
                                      TG_CONV(.padding[0] = 1, .padding[1] = 1));
    return tg_sequential(TG_MODULES(conv, tg_batchnorm2d(tg, 3, NULL), tg_lambda(tg, tg_relu),
                                    tg_lambda(tg, halved), tg_flatten_layer(tg, 1, -1),
                                    tg_linear(tg, 12, 3, TG_BIAS)));
}

static void train(tg_module *net, tg_optim *optim, const tg_state *data, long steps)
{
    tg_context *tg = data->context;
    for (; steps > 0; steps--) {
        tg_scope_begin(tg);
        tg_tensor *yhat = tg_forward(net, tg_state_get(data, "x"));
        tg_zero_grad(optim);
        tg_backward(tg_cross_entropy(yhat, tg_state_get(data, "y"), NULL));
        tg_step(optim);
        tg_scope_end(tg);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    tg_context *tg = tg_open(NULL);
    tg_set_default_dtype(tg, TG_F64);
    const tg_state *from = tg_load_pt(tg, argv[1], NULL);
    const tg_tensor *x = tg_state_get(from, "x");
    tg_module *net = x && x->ndim == 4 ? make_convolutional(tg) : make_perceptron(tg);
    tg_optim *adam = tg_adam(net, NULL);
    tg_load_state_dict(net, tg_state_part(from, "model."), TG_STRICT);
    tg_optim_load_state_dict(adam, tg_state_part(from, "optimizer."));
    train(net, adam, from, strtol(argv[3], NULL, 10));

    tg_state *result = tg_state_new(tg);
    tg_state_add_all(result, "model.", tg_state_dict(net));
    tg_state_add_all(result, "optimizer.", tg_optim_state_dict(adam));
    tg_save_safetensors(result, argv[2], NULL);
    const bool failed = !tg_ok(tg);
    if (failed) fprintf(stderr, "%s\n", tg_error(tg));
    tg_close(tg);
    return failed;
}
