/* Whole runs of training on rows that several ranks hold, and their hashes. The data and the
 * parameters are drawn with one seed on each rank. */
#ifndef TEST_TRAINING_RUNS_H
#define TEST_TRAINING_RUNS_H

#include <string.h>

#include <tinygrad.h>

typedef enum optimiser { BY_SGD, BY_ADAM, BY_LBFGS, OPTIMISERS } optimiser;

typedef struct training {
    optimiser optimiser;
    int threads;
    int64_t rows, block_rows, width; /* the width of the hidden layer */
    bool share;                      /* the ranks are given all rows, and take their shares */
    int steps;
    const char *simd_level; /* NULL: the usual one */
} training;

/* A classifier with one hidden layer. Rows with positive first features also go through a scale
 * that other rows do not reach, and an offset requires no grad. */
typedef struct trained {
    tg_context *tg;
    tg_tensor *x, *labels, *scale, *offset;
    tg_module *net;
    tg_optim *optim;
    tg_rows *rows;
} trained;

static inline tg_tensor *loss_of_rows(const tg_block *b, void *user)
{
    tg_tensor *scores = tg_forward(b->module, b->data.items[0]);
    (void)user;
    scores = tg_add(scores, b->tensors.items[1]);
    if (b->first < 100) scores = tg_mul(scores, b->tensors.items[0]);
    return tg_cross_entropy(scores, b->data.items[1], TG_LOSS(.reduction = TG_SUM));
}

static inline tg_tensor *right_labels(const tg_block *b, void *user)
{
    tg_tensor *guess = tg_argmax_dim(tg_forward(b->module, b->data.items[0]), 1, false);
    (void)user;
    return tg_sum(tg_cast(tg_eq(guess, b->data.items[1]), TG_I64));
}

/* No optimiser has the scale, whose gradient would grow with each step. */
static inline tg_tensor *closure_of_rows(void *user)
{
    const trained *t = user;
    tg_clear_grad(t->scale);
    return tg_backward_rows(t->rows, loss_of_rows, NULL);
}

/* Makes the rows of this rank, which are whole blocks, whatever their share is. */
static inline void make_training_rows(trained *t, const tg_exchange *x, const training *how)
{
    const tg_share share =
        how->share ? (tg_share){0, how->rows} : tg_share_rows(x, how->rows, how->block_rows);
    t->rows = tg_rows_new(TG_LIST(tg_narrow(t->x, 0, share.first, share.n),
                                  tg_narrow(t->labels, 0, share.first, share.n)),
                          TG_ROWS(.module = t->net, .tensors = TG_LIST(t->scale, t->offset),
                                  .block_rows = how->block_rows, .reduction = TG_MEAN,
                                  .exchange = x, .share = how->share));
}

static inline void begin_training(trained *t, const tg_exchange *x, const training *how)
{
    tg_options options = tg_defaults();
    options.simd_level = how->simd_level;
    tg_context *tg = t->tg = tg_open(&options);
    tg_set_num_threads(tg, how->threads);
    tg_manual_seed(tg, 7);
    t->x = tg_randn(tg, TG_F32, TG_SHAPE(how->rows, 5));
    t->labels = tg_randint(tg, 0, 3, TG_SHAPE(how->rows));
    tg_module *first = tg_linear(tg, 5, how->width, TG_BIAS);
    tg_module *last = tg_linear(tg, how->width, 3, TG_BIAS);
    t->net =
        tg_sequential(TG_MODULES(first, tg_lambda(tg, tg_relu), tg_dropout_layer(tg, 0.2), last));
    t->scale = tg_requires_grad_(tg_scalar(tg, TG_F32, 0.5), true);
    t->offset = tg_scalar(tg, TG_F32, 0.25);
    make_training_rows(t, x, how);
    switch (how->optimiser) {
    case BY_SGD: t->optim = tg_sgd(t->net, TG_SGD(.lr = 0.1, .momentum = 0.9)); break;
    case BY_ADAM: t->optim = tg_adam(t->net, TG_ADAM(.lr = 0.01)); break;
    default: t->optim = tg_lbfgs(t->net, TG_LBFGS(.max_iter = 3, .strong_wolfe = true)); break;
    }
}

/* One step; the loss. */
static inline double step_training(trained *t, const training *how)
{
    tg_zero_grad(t->optim);
    if (how->optimiser == BY_LBFGS) return tg_step_closure(t->optim, closure_of_rows, t);
    const double loss = tg_item(closure_of_rows(t));
    tg_step(t->optim);
    return loss;
}

/* FNV-1a of n bytes, which continues a hash. */
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *from = bytes;
    for (size_t i = 0; i < n; i++) hash = (hash ^ from[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The same of the elements of a tensor; 0 if it is NULL. */
static inline uint64_t hash_elements(uint64_t hash, const tg_tensor *t)
{
    return t ? hash_bytes(hash, t->data, (size_t)t->numel * tg_dtype_size(t->dtype)) : 0;
}

static inline uint64_t hash_parameters(uint64_t hash, const trained *t)
{
    const tg_list parameters = tg_parameters(t->net);
    for (int i = 0; i < parameters.n; i++) hash = hash_elements(hash, parameters.items[i]);
    return hash_elements(hash_elements(hash, t->scale->grad), t->scale);
}

/* The hash of all losses, and of what is there in the end. 0 after an error, which is in `error`.
 */
static inline uint64_t hash_of_training(const tg_exchange *x, const training *how, char error[300])
{
    trained t;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    begin_training(&t, x, how);
    for (int step = 0; step < how->steps && tg_ok(t.tg); step++)
        TG_SCOPE (t.tg) hash = hash_bytes(hash, &(double){step_training(&t, how)}, sizeof(double));
    if (tg_ok(t.tg)) hash = hash_parameters(hash, &t);
    tg_eval(t.net);
    tg_rows *sums = tg_rows_new(TG_LIST(t.x, t.labels), TG_ROWS(.module = t.net, .block_rows = 16,
                                                                .exchange = x, .share = true));
    hash = hash_elements(hash, tg_sum_rows(sums, right_labels, NULL));
    if (!tg_ok(t.tg)) hash = 0;
    snprintf(error, 300, "%s", tg_error(t.tg));
    tg_close(t.tg);
    return hash;
}

#endif
