/* Mini-batches of data. Row i of a tensor, its element i along the first dimension, is one sample.
 */
#ifndef TINYGRAD_DATA_H
#define TINYGRAD_DATA_H

#include "state.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Gives the rows of some tensors in batches, as torch.utils.data.DataLoader. Belongs to the scope
 * it is made in. */
typedef struct tg_loader tg_loader;

/* The options of tg_data_loader. */
typedef struct tg_loader_options {
    int64_t batch_size; /* 1: rows of a batch */
    bool shuffle;       /* false; true: a new order in each epoch, PyTorch's for the same seed */
    bool drop_last;     /* false; true: a last batch that is smaller is left out */
} tg_loader_options;

/* Internal: the defaults with which TG_LOADER begins in C; see options.h. */
#define TG_LOADER_DEFAULTS .batch_size = 1, .drop_last = false
/* A pointer to options of a loader, of which these are changed: TG_LOADER(.batch_size = 32,
 * .shuffle = true). */
#define TG_LOADER(...)                                                                             \
    TG_BEGIN_OPTIONS(tg_loader_options, tg_loader_defaults(), TG_LOADER_DEFAULTS, __VA_ARGS__)
/* The default options of a loader, which stand beside the members. */
TG_API tg_loader_options tg_loader_defaults(void);

/* Makes a loader of tensors with the same number of rows and any dtypes, which must outlive it. An
 * empty list, such as a failed call returns, makes the call fail without a further message. */
TG_API tg_loader *tg_data_loader(tg_list tensors, const tg_loader_options *options);

/* Makes batch[i] the rows of tensors.items[i] that come next. False at the end of the epoch, after
 * which the next call begins another one. False also on failure, which tg_ok tells apart: then
 * nothing is drawn, and the next call tries the same rows again. An epoch that was left early goes
 * on where it stopped. Each epoch, shuffled or not, draws from the context's stream, as PyTorch's
 * does.
 *
 *     while (tg_next_batch(loader, batch)) {
 *         tg_scope_begin(tg);
 *         ...
 *         tg_scope_end(tg);
 *     }
 *
 * A batch is a copy. It belongs to the loader, in whatever scope the call is made, and lives until
 * the next call, which reuses its memory; from then on the batch counts as released. Until then
 * tg_release does nothing to it. tg_clone or tg_keep makes a copy that stays. A graph or a view
 * that needs the values of an earlier batch keeps them. Where tensors.items[i] requires grad,
 * batch[i] is the result of a recorded operation and belongs to the current scope. */
TG_API bool tg_next_batch(tg_loader *loader, tg_tensor **batch);

/* How many batches an epoch has; 0 for NULL. PyTorch: len(loader). */
TG_API int64_t tg_batches(const tg_loader *loader);

/* Where a loader is: "epoch", how many have begun; "order", the numbers of the rows in the order of
 * the epoch under way; and "position", how many of these were handed out, or -1 between two epochs.
 * The random stream, which shuffles the next epoch, has a state of its own (random.h). */
TG_API tg_state *tg_loader_state_dict(const tg_loader *loader);

/* Sets a loader, of as many rows, to a state: the next batches are those that were left. All is set
 * or nothing, and one message names all that is wrong. */
TG_API bool tg_loader_load_state_dict(tg_loader *loader, const tg_state *state);

/* Splits the rows of the tensors in random order: parts[i * tensors.n + j] is a copy of lengths[i]
 * rows of tensor j, in the current scope. The lengths must add up to the number of rows. On failure
 * the parts are NULL. An empty list of tensors fails without a further message, as in
 * tg_data_loader. PyTorch: torch.utils.data.random_split. */
TG_API bool tg_random_split(tg_list tensors, tg_shape lengths, tg_tensor **parts);

#ifdef __cplusplus
}
#endif

#endif
