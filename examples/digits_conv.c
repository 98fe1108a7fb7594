/* A small convolutional network that recognises handwritten digits: two convolutions, each followed
 * by BatchNorm, ReLU and pooling. BatchNorm computes with the statistics of the batch while the
 * network is in training mode, and with running averages in evaluation mode. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/digits.h"
#include "common/lecture.h"

/* Any function of one tensor can be a layer: tg_lambda makes it a module. */
static tg_tensor *as_images(tg_tensor *x)
{
    return tg_view(x, TG_SHAPE(x->shape[0], 1, 8, 8));
}

static tg_tensor *halve(tg_tensor *x)
{
    const tg_pool_options two = tg_pool_defaults(2);
    return tg_max_pool2d(x, &two);
}

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, 1);
    digits d;
    if (!digits_read(tg, argc > 1 ? argv[1] : EXAMPLES_DATA "/digits.csv", &d))
        return tg_close(tg), 1;

    const tg_conv_options *same = TG_CONV(.padding = {1, 1}); /* keeps the size of the image */
    tg_module *conv0 = tg_conv2d_layer(tg, 1, 16, TG_SHAPE(3, 3), TG_NO_BIAS, same);
    tg_module *conv1 = tg_conv2d_layer(tg, 16, 32, TG_SHAPE(3, 3), TG_NO_BIAS, same);
    tg_module *top = tg_linear(tg, 128, DIGITS_CLASSES, TG_BIAS);
    tg_module *net = tg_sequential(
        TG_MODULES(tg_lambda(tg, as_images),                                    /* (n, 1, 8, 8) */
                   conv0, tg_batchnorm2d(tg, 16, NULL), tg_lambda(tg, tg_relu), /* (n, 16, 8, 8) */
                   tg_lambda(tg, halve),                                        /* (n, 16, 4, 4) */
                   conv1, tg_batchnorm2d(tg, 32, NULL), tg_lambda(tg, tg_relu), /* (n, 32, 4, 4) */
                   tg_lambda(tg, halve),                                        /* (n, 32, 2, 2) */
                   tg_flatten_layer(tg, 1, -1), top)); /* (n, 128), (n, 10) */
    const tg_list parameters = tg_parameters(net);
    for (int i = 0; i < parameters.n; i++)
        printf("%-12s %lld numbers\n", tg_param_name(net, i),
               (long long)parameters.items[i]->numel);
    digits_train(net, &d, 10);
    digits_print_confusion(net, d.test[0], d.test[1]);
    printf("\naccuracy: train %.4f, held out %.4f\n", digits_accuracy(net, d.train[0], d.train[1]),
           digits_accuracy(net, d.test[0], d.test[1]));
    return lecture_close(tg);
}
