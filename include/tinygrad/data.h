/* Mini-batches of data. */
#ifndef TINYGRAD_DATA_H
#define TINYGRAD_DATA_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Gives the rows of some tensors in batches: row i of each, its element along the first dimension,
 * is one sample. Belongs to the scope it is made in. */
typedef struct tg_loader tg_loader;

typedef struct tg_loader_options {
    int64_t batch_size; /* 1 */
    bool shuffle;   /* a new order in each epoch, torch.utils.data.DataLoader's for the same seed */
    bool drop_last; /* a last batch that is smaller is left out */
} tg_loader_options;

/* TG_LOADER(.batch_size = 32, .shuffle = true) */
#define TG_LOADER_DEFAULTS .batch_size = 1, .drop_last = false
#define TG_LOADER(...)                                                                             \
    TG_BEGIN_OPTIONS(tg_loader_options, tg_loader_defaults(), TG_LOADER_DEFAULTS, __VA_ARGS__)
TG_API tg_loader_options tg_loader_defaults(void);

/* tensors: of the same number of rows; they must outlive the loader. options NULL: the defaults. An
 * empty list, such as a failed call returns, makes the call fail without a further message. */
TG_API tg_loader *tg_data_loader(tg_list tensors, const tg_loader_options *options);
/* Copies of the rows of the next batch, batch[i] of tensors.items[i]. False at the end of the
 * epoch, after which the next call begins another one. False also on failure, which tg_ok tells
 * apart: then nothing is drawn, and the next call tries the same rows again. An epoch that was left
 * early goes on where it stopped. Each epoch draws from the context's stream.
 *
 *     while (tg_next_batch(loader, batch)) {
 *         tg_scope_begin(tg);
 *         ...
 *         tg_scope_end(tg);
 *     }
 *
 * A batch belongs to the loader, in whatever scope the call is made, and lives until the next call,
 * which reuses its memory; from then on the batch counts as released. Until then tg_release does
 * nothing to it. tg_clone or tg_keep makes a copy that stays. A graph or a view that needs the
 * values of an earlier batch keeps them. Where tensors.items[i] requires grad, batch[i] is the
 * result of a recorded operation and belongs to the current scope. */
TG_API bool tg_next_batch(tg_loader *loader, tg_tensor **batch);
/* How many batches an epoch has; 0 for NULL. */
TG_API int64_t tg_batches(const tg_loader *loader);

/* Copies of rows in random order, as torch.utils.data.random_split: parts[i * tensors.n + j] has
 * lengths[i] rows of tensor j. The lengths add up to the number of rows. On failure the parts are
 * NULL. An empty list of tensors fails without a further message, as in tg_data_loader. */
TG_API bool tg_random_split(tg_list tensors, tg_shape lengths, tg_tensor **parts);

#ifdef __cplusplus
}
#endif

#endif
