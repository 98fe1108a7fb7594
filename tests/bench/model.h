/* The models that are trained: the lecture's, and perceptrons with ReLU between their layers. */
#ifndef BENCH_MODEL_H
#define BENCH_MODEL_H

#include <tinygrad.h>

#define MODEL_MAX_LAYERS 9

typedef struct model {
    tg_context *tg;
    tg_tensor *x, *y;
    int n;
    tg_module *layers[MODEL_MAX_LAYERS];
    tg_optim *sgd;
} model;

/* Two weights, n rows: y on a column of ones and one of random numbers, which are the columns of a
 * transposed matrix as in the lecture. */
model model_lecture(tg_context *tg, int64_t n);

/* widths are the sizes before, between and after the layers, and the last is the number of classes
 * that are told apart by cross-entropy. */
model model_perceptron(tg_context *tg, int64_t batch, int layers, const int64_t *widths);

/* Forward, loss, backward, update, so many times; data is a model. */
void model_train(void *data, long times);

#endif
