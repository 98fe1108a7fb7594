/* A feed-forward network with one hidden layer. It is trained on mini-batches to recognise
 * handwritten digits of 8 by 8 pixels. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/digits.h"
#include "common/lecture.h"

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, 1);
    digits d;
    if (!digits_read(tg, argc > 1 ? argv[1] : EXAMPLES_DATA "/digits.csv", &d))
        return tg_close(tg), 1;

    tg_module *hidden = tg_linear(tg, DIGITS_PIXELS, 256, TG_BIAS);
    tg_module *top = tg_linear(tg, 256, DIGITS_CLASSES, TG_BIAS);
    tg_module *net =
        tg_sequential(TG_MODULES(hidden, tg_lambda(tg, tg_relu), tg_dropout_layer(tg, 0.4), top));
    digits_train(net, &d, 60);
    digits_print_confusion(net, d.test[0], d.test[1]);
    printf("\naccuracy: train %.4f, held out %.4f\n", digits_accuracy(net, d.train[0], d.train[1]),
           digits_accuracy(net, d.test[0], d.test[1]));
    return lecture_close(tg);
}
