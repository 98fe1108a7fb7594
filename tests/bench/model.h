/* The models that benchmarks train: the lecture's, and perceptrons with ReLU between their
 * layers. */
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

/* The lecture's model: n rows, and two weights for a column of ones and a column of random numbers.
 * As in the lecture, these are columns of a transposed matrix. */
model model_lecture(tg_context *tg, int64_t n);

/* A perceptron for classification, with cross-entropy as its loss. widths[0] is the number of
 * inputs, widths[i] that of the outputs of layer i, and widths[layers] the number of classes. */
model model_perceptron(tg_context *tg, int64_t batch, int layers, const int64_t *widths);

/* Makes so many training steps: forward, loss, backward, update. data is a model. */
void model_train(void *data, long times);

#endif
