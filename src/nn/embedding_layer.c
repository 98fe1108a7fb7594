/* The embedding layer, whose function tg_embedding is in src/ops/index.c. */
#include "module.h"
#include "../context/printer.h"

#include <string.h>

typedef struct embedding {
    tg_tensor *weight;
    int64_t padding_idx;
} embedding;

static tg_tensor *embedding_forward(tg_module *m, tg_tensor *x)
{
    const embedding *e = m->data;
    return tg_embedding(x, e->weight, e->padding_idx);
}

static void describe_embedding(const tg_module *m, char text[TG_DESCRIPTION])
{
    const embedding *e = m->data;
    const int64_t n = e->weight->shape[0], at = e->padding_idx;
    const int end = sprintf(text, "%lld, %lld", (long long)n, (long long)e->weight->shape[1]);
    if (at != TG_NO_INDEX)
        sprintf(text + end, ", padding_idx=%lld", (long long)(at < 0 ? at + n : at));
}

tg_module *tg_embedding_layer(tg_context *tg, int64_t num_embeddings, int64_t embedding_dim,
                              int64_t padding_idx)
{
    const int64_t n = num_embeddings;
    const bool pads = padding_idx != TG_NO_INDEX;
    if (!tg || !tg__ready(tg)) return NULL;
    if (!tg__check_shape(tg, "embedding_layer", TG_SHAPE(n, embedding_dim))) return NULL;
    if (pads && (padding_idx < -n || padding_idx >= n))
        return tg__fail(tg, TG_ERR_INDEX,
                        "embedding_layer: padding_idx %lld is out of range for %lld embeddings",
                        (long long)padding_idx, (long long)n);
    tg_module *m = tg__module_new(tg, "Embedding", embedding_forward, sizeof(embedding));
    if (!m) return NULL;
    m->describe = describe_embedding;
    embedding *e = m->data;
    e->padding_idx = padding_idx;
    e->weight = tg__add_param(m, "weight", TG_SHAPE(n, embedding_dim));
    if (!e->weight || !tg_normal_(e->weight, 0, 1)) return NULL;
    const size_t row = (size_t)embedding_dim * tg__dtype_size(e->weight->dtype);
    const int64_t at = padding_idx < 0 ? padding_idx + n : padding_idx;
    if (pads && row > 0) memset((char *)e->weight->data + (size_t)at * row, 0, row);
    return m;
}
