#include "model.h"

static void add_optimiser(model *m, double lr)
{
    tg_tensor *parameters[2 * MODEL_MAX_LAYERS];
    int n = 0;
    for (int i = 0; i < m->n; i++) {
        tg_list of = tg_parameters(m->layers[i]);
        for (int k = 0; k < of.n; k++) parameters[n++] = of.items[k];
    }
    tg_sgd_options how = tg_sgd_defaults();
    how.lr = lr;
    m->sgd = tg_sgd_list((tg_list){n, parameters}, &how);
}

/* Draws the data in place, so that no tensor that led to them stays in memory. */
model model_lecture(tg_context *tg, int64_t n)
{
    model m = {.tg = tg, .n = 1};
    tg_tensor *columns = tg_ones(tg, TG_F32, TG_SHAPE(2, n));
    tg_tensor *x = tg_normal_(tg_select(columns, 0, 1), 0, 1);
    m.x = tg_t(columns);
    m.y = tg_randn(tg, TG_F32, TG_SHAPE(n, 1));
    tg_add_(tg_view(m.y, TG_SHAPE(n)), x);
    m.layers[0] = tg_linear(tg, 2, 1, TG_NO_BIAS);
    add_optimiser(&m, 0.1);
    return m;
}

model model_perceptron(tg_context *tg, int64_t batch, int layers, const int64_t *widths)
{
    model m = {.tg = tg, .n = layers};
    m.x = tg_randn(tg, TG_F32, TG_SHAPE(batch, widths[0]));
    m.y = tg_zeros(tg, TG_I64, TG_SHAPE(batch));
    for (int64_t i = 0; i < batch; i++) tg_set(m.y, TG_INDEX(i), (double)(i % widths[layers]));
    for (int i = 0; i < layers; i++) m.layers[i] = tg_linear(tg, widths[i], widths[i + 1], TG_BIAS);
    add_optimiser(&m, 0.01);
    return m;
}

void model_train(void *data, long times)
{
    model *m = data;
    while (times-- > 0) {
        tg_scope_begin(m->tg);
        tg_tensor *yhat = tg_forward(m->layers[0], m->x);
        for (int i = 1; i < m->n; i++) {
            tg_tensor *h = tg_relu(yhat);
            tg_release(yhat); /* PyTorch frees it, too, when the variable gets another value */
            yhat = tg_forward(m->layers[i], h);
        }
        tg_tensor *loss = m->y->dtype == TG_I64 ? tg_cross_entropy(yhat, m->y, NULL)
                                                : tg_mse_loss(yhat, m->y, TG_MEAN);
        tg_zero_grad(m->sgd);
        tg_backward(loss);
        tg_step(m->sgd);
        tg_scope_end(m->tg);
    }
}
