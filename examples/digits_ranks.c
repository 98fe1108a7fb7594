/* The network of digits.c, whose batches are divided between the processes that mpirun starts, or
 * computed by one. The bits are the same, dropout included. */
#define _DEFAULT_SOURCE 1 /* declares sysconf */
#include <stdio.h>

#include <tinygrad.h>

#include "common/digits.h"
#include "common/lecture.h"
#include "common/ranks.h"

enum { EPOCHS = 30 };

static tg_tensor *loss_of_block(const tg_block *b, void *user)
{
    (void)user;
    return tg_cross_entropy(tg_forward(b->module, b->data.items[0]), b->data.items[1],
                            TG_LOSS(.reduction = TG_SUM));
}

static tg_tensor *right_ones(const tg_block *b, void *user)
{
    tg_tensor *guess = tg_argmax_dim(tg_forward(b->module, b->data.items[0]), 1, false);
    (void)user;
    return tg_sum(tg_cast(tg_eq(guess, b->data.items[1]), TG_I64));
}

/* All ranks read the same batches, of 128 images, and each takes its share of the blocks of 16. */
static void train(tg_module *net, tg_rows *rows, const digits *d, bool prints)
{
    tg_context *tg = d->train[0]->context;
    tg_optim *adam = tg_adam(net, NULL);
    tg_loader *loader = tg_data_loader(TG_LIST(d->train[0], d->train[1]),
                                       TG_LOADER(.batch_size = 128, .shuffle = true));
    tg_tensor *batch[2];
    for (int epoch = 0; epoch < EPOCHS && tg_ok(tg); epoch++) {
        double last = 0;
        while (tg_next_batch(loader, batch)) {
            tg_scope_begin(tg);
            tg_zero_grad(adam);
            tg_rows_set_data(rows, TG_LIST(batch[0], batch[1]));
            last = tg_item(tg_backward_rows(rows, loss_of_block, NULL));
            tg_step(adam);
            tg_scope_end(tg);
        }
        if (prints && epoch % 5 == 4)
            printf("epoch %2d  loss of the last batch %.9g\n", epoch, last);
    }
}

int main(int argc, char **argv)
{
    const tg_exchange *ranks = ranks_begin(&argc, &argv);
    const bool prints = ranks_prints(ranks);
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, 1);
    digits d;
    if (!digits_read(tg, argc > 1 ? argv[1] : EXAMPLES_DATA "/digits.csv", &d))
        return tg_close(tg), ranks_end(ranks, 1);

    tg_module *hidden = tg_linear(tg, DIGITS_PIXELS, 256, TG_BIAS);
    tg_module *top = tg_linear(tg, 256, DIGITS_CLASSES, TG_BIAS);
    tg_module *net =
        tg_sequential(TG_MODULES(hidden, tg_lambda(tg, tg_relu), tg_dropout_layer(tg, 0.4), top));
    const tg_rows_options *how = TG_ROWS(.module = net, .block_rows = 16, .reduction = TG_MEAN,
                                         .exchange = ranks, .share = true);
    tg_rows *rows = tg_rows_new(TG_LIST(d.train[0], d.train[1]), how);
    train(net, rows, &d, prints);

    tg_rows *held_out =
        tg_rows_new(TG_LIST(d.test[0], d.test[1]),
                    TG_ROWS(.module = tg_eval(net), .exchange = ranks, .share = true));
    const double right = tg_item(tg_sum_rows(held_out, right_ones, NULL));
    if (ranks) tg_state_agree(tg_state_dict(net), ranks);
    if (prints && tg_ok(tg))
        printf("accuracy, held out %.4f\n", right / (double)d.test[0]->shape[0]);
    return ranks_end(ranks, lecture_close(tg));
}
