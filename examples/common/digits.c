#include "digits.h"

#include <stdio.h>
#include <time.h>

#include "table.h"

bool digits_read(tg_context *tg, const char *path, digits *d)
{
    tg_tensor *table = table_read(tg, path), *parts[4];
    if (!table) return false;
    const int64_t n = table->shape[0], held_out = n / 5;
    tg_tensor *images = tg_cast(tg_div_scalar(table_columns(table, 0, DIGITS_PIXELS), 16), TG_F32);
    tg_tensor *labels = tg_cast(table_column(table, DIGITS_PIXELS), TG_I64);
    if (!tg_random_split(TG_LIST(images, labels), TG_SHAPE(n - held_out, held_out), parts))
        return false;
    for (int i = 0; i < 2; i++) {
        d->train[i] = parts[i];
        d->test[i] = parts[2 + i];
    }
    return true;
}

/* The class with the greatest score, for each image. */
static tg_tensor *guess(tg_module *net, tg_tensor *images)
{
    const bool training = tg_is_training(net);
    tg_no_grad_begin(images->context);
    tg_tensor *best = tg_argmax_dim(tg_forward(tg_eval(net), images), 1, false);
    tg_no_grad_end(images->context);
    if (training) tg_train(net);
    return best;
}

double digits_accuracy(tg_module *net, tg_tensor *images, tg_tensor *labels)
{
    tg_tensor *right = tg_eq(guess(net, images), labels);
    return tg_item(tg_mean(tg_cast(right, TG_F64)));
}

void digits_print_confusion(tg_module *net, tg_tensor *images, tg_tensor *labels)
{
    int64_t counts[DIGITS_CLASSES][DIGITS_CLASSES] = {{0}};
    const tg_tensor *guesses = guess(net, images);
    const int64_t *g = tg_data_i64(guesses), *l = tg_data_i64(labels);
    for (int64_t i = 0; g && l && i < labels->numel; i++) counts[l[i]][g[i]]++;
    printf("\n         taken for\n         ");
    for (int j = 0; j < DIGITS_CLASSES; j++) printf("%4d", j);
    for (int i = 0; i < DIGITS_CLASSES; i++) {
        printf("\n%s %d  ", i ? "     " : "digit", i);
        for (int j = 0; j < DIGITS_CLASSES; j++)
            counts[i][j] ? printf("%4lld", (long long)counts[i][j]) : printf("   .");
    }
    printf("\n");
}

void digits_train(tg_module *net, const digits *d, int epochs)
{
    tg_context *tg = d->train[0]->context;
    tg_optim *adam = tg_adam(net, NULL);
    tg_tensor *batch[2];
    const clock_t start = clock();
    double seconds = 0;
    tg_loader *loader =
        tg_data_loader((tg_list){2, d->train}, TG_LOADER(.batch_size = 32, .shuffle = true));
    for (int epoch = 1; epoch <= epochs && tg_ok(tg); epoch++) {
        double total = 0;
        tg_train(net);
        while (tg_next_batch(loader, batch)) {
            tg_scope_begin(tg);
            tg_tensor *loss = tg_cross_entropy(tg_forward(net, batch[0]), batch[1], NULL);
            tg_zero_grad(adam);
            tg_backward(loss);
            tg_step(adam);
            total += tg_item(loss);
            tg_scope_end(tg);
        }
        tg_scope_begin(tg);
        seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (epoch % ((epochs + 5) / 6) == 0 || epoch == epochs)
            printf("epoch %2d of %d  loss %.4f  held out %.2f %%  %.1f s\n", epoch, epochs,
                   total / (double)tg_batches(loader),
                   100 * digits_accuracy(net, d->test[0], d->test[1]), seconds);
        tg_scope_end(tg);
    }
}
