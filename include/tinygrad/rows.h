/* Losses, metrics and predictions of any number of rows. Row i of a tensor is its element i along
 * the first dimension. A loss over rows is a sum over blocks of rows: tg_backward_rows computes one
 * block after the other, or several at a time in the threads of the context, and adds up what they
 * give.
 *
 * Bits       They depend on the data and the functions alone, not on the number of threads: how the
 *            rows are cut into blocks follows from their number and from shapes, and the blocks
 *            are added in a binary tree whose form follows from the number of blocks.
 * Rounding   The sums of b blocks have rounding errors that grow as log2(b). They are rounded in
 *            the dtypes of the loss and of the parameters.
 * Memory     That of a block for each thread, and of log2(b) gradients; t threads keep at most
 *            2 t + 1 times as many. Later calls use this memory again, and do not call the
 *            allocator. If there are several threads, and the gradients that they may keep would
 *            take more than 16 MB, or more than the allocator gives, a later call may still take
 *            memory for some of them.
 * Draws      Each call draws one number from the stream of the context. A block has a stream of its
 *            own, which is made from this number and the number of the block: what dropout draws
 *            does not depend on the thread. A call that fails leaves the stream as it was.
 * BatchNorm  A block does not have the mean and variance of all rows. A BatchNorm that would
 * normalize over it is TG_ERR_ARGUMENT; with running statistics it may evaluate. Changes    The
 * functions see the parameters, buffers, tensors and modes (tg_train, tg_eval) as they are at the
 * call. What a function changes of the modes, or by tg_requires_grad_, holds for its block. If a
 * parameter, buffer or child is registered in the module, new rows must be made; a call with the
 * older ones is then TG_ERR_ARGUMENT. Looking    tg_detect_anomaly looks at the blocks, too;
 * tg_profile counts a call as one operation.
 */
#ifndef TINYGRAD_ROWS_H
#define TINYGRAD_ROWS_H

#include "nn.h"
#include "ranks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of data, cut into blocks, with the contexts in which the blocks are computed. Belongs to the
 * scope it is made in. */
typedef struct tg_rows tg_rows;

/* What a block function gets. All of it belongs to a context other than the caller's, which exists
 * for as long as the tg_rows does and computes other blocks before and after. */
typedef struct tg_block {
    tg_context *context; /* the context in which the block is computed, in a scope of its own */
    tg_module *module;   /* options.module as this context sees it (tg_borrow_module), or NULL */
    tg_list tensors;     /* options.tensors as this context sees them (tg_borrow) */
    tg_list data;        /* the block's rows of each tensor of the data, which are read-only */
    int64_t first;       /* the number of the first row of the block */
    int64_t n;           /* how many rows the block has; the last block may have fewer */
} tg_block;

/* Computes something of one block, with tensors of block->context alone, and returns it. It may
 * return NULL after an operation in it has failed. If the caller's context has several threads, it
 * runs in several at a time: it must not use the caller's context, nor write to what `user` points
 * to without a lock or an atomic operation. The threads beside the caller's have 256 KB of stack.
 */
typedef tg_tensor *(*tg_block_function)(const tg_block *block, void *user);

/* The options of tg_rows_new. */
typedef struct tg_rows_options {
    tg_module *module; /* NULL: none; the network that the functions use, which outlives the rows */
    /* None; further parameters and constants that the functions use, which outlive the rows. The
     * array must outlive the call (in C++ do not store a TG_LIST here). */
    tg_list tensors;
    int64_t block_rows; /* 0: chosen from the shapes of a row and of the parameters */
    /* TG_SUM; TG_MEAN divides the loss and its gradients, or a sum of tg_sum_rows, by the number of
     * all rows at the end. The functions return sums in both cases. */
    int reduction;
    const tg_exchange *exchange; /* NULL; the other ranks, if the rows are spread over several */
    bool share; /* false: the data are the rows of this rank, true: those of all ranks, of which
                   this one takes the share of tg_share_rows */
} tg_rows_options;

/* Internal: the defaults with which TG_ROWS begins in C; see options.h. */
#define TG_ROWS_DEFAULTS                                                                           \
    .module = NULL, .block_rows = 0, .reduction = TG_SUM, .exchange = NULL, .share = false
/* A pointer to options of rows, of which these are changed: TG_ROWS(.module = net). */
#define TG_ROWS(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_rows_options, tg_rows_defaults(), TG_ROWS_DEFAULTS, __VA_ARGS__)
/* The default options of rows, which stand beside the members. */
TG_API tg_rows_options tg_rows_defaults(void);

/* Makes rows of tensors with the same number of rows, one at least, and any dtypes and strides,
 * which must outlive them and do not require grad (TG_ERR_AUTOGRAD). No row is copied. Tensors with
 * different numbers of rows, or without rows, are TG_ERR_SHAPE; a block_rows that is negative is
 * TG_ERR_ARGUMENT. An empty list makes the call fail without a further message.
 *
 * Each thread that computes blocks has a context of its own, which is opened with the options of
 * tg_open, on_error excepted: an allocator must then be one that several threads may call at a
 * time, and max_bytes holds for each of these contexts.
 *
 * With an exchange, which outlives the rows, the rows of the ranks follow each other. The results
 * have the bits that one process gets for all rows, and all ranks get them: parameters that were
 * equal (tg_state_broadcast_) stay equal, and tg_state_agree checks it. All ranks make the same
 * calls of tg_backward_rows, tg_sum_rows and tg_map_rows in the same order, with the same options.
 * Each rank but the last has whole blocks, and a rank may have no rows. What fails on one rank
 * fails on all, and no grad changes; a rank on which an error is pending tells the others so by its
 * next call. */
TG_API tg_rows *tg_rows_new(tg_list data, const tg_rows_options *options);

/* Gives rows other tensors, such as the next batch of a loader: as many as before, with rows of the
 * same shapes and dtypes, and any number of rows, one at least. The size of a block stays. Rows of
 * a source (row_sources.h) are TG_ERR_ARGUMENT. */
TG_API bool tg_rows_set_data(tg_rows *rows, tg_list data);

/* How many rows there are in this process; 0 for NULL. */
TG_API int64_t tg_rows_count(const tg_rows *rows);

/* How many rows a block has, the last one excepted; 0 for NULL. */
TG_API int64_t tg_rows_per_block(const tg_rows *rows);

/* Adds the gradient of the sum of all blocks' losses to the grad of each leaf among the parameters
 * of options.module and options.tensors, and of the leaves that these were computed from, and
 * returns the loss, a scalar in the current scope. It requires no grad. The function returns the
 * sum of the losses of its rows, one element. A mean of its rows, by tg_mean or a loss function, is
 * TG_ERR_ARGUMENT, as it would be the mean of a block, and so is what is computed from the mean by
 * operations on one element, such as tg_add; multiplied by b->n, or by a half of it, it is a sum.
 * A mean over parameters and options.tensors alone, such as a penalty, is no mean of rows. But a
 * tensor that the function itself makes counts as rows: the zeros in a penalty that is the mse_loss
 * of a parameter and zeros must be among options.tensors.
 * A mean that the function makes in another way is not recognised, such as tg_mean_dims over the
 * rows and then tg_sum, or tg_sum divided by b->n. The loss of such a function depends on
 * block_rows, as a call with another block_rows shows; that of a sum differs by roundings alone.
 *
 *     static tg_tensor *loss(const tg_block *b, void *user)
 *     {
 *         return tg_mse_loss(tg_forward(b->module, b->data.items[0]), b->data.items[1], TG_SUM);
 *     }
 *     ...
 *     tg_rows *rows = tg_rows_new(TG_LIST(X, y), TG_ROWS(.module = net, .reduction = TG_MEAN));
 *     for (int epoch = 0; epoch < 30; epoch++) {
 *         TG_SCOPE(tg) {
 *             tg_zero_grad(sgd);
 *             tg_backward_rows(rows, loss, NULL);
 *             tg_step(sgd);
 *         }
 *     }
 *
 * The closure of tg_step_closure, as LBFGS needs one, may return what this call returns. Gradients
 * are recorded whatever tg_no_grad_begin says. If the function fails in a block, no grad changes,
 * and its error, that of the first such block, is that of the call: "backward_rows: rows 2048 to
 * 3071: matmul: ...". */
TG_API tg_tensor *tg_backward_rows(tg_rows *rows, tg_block_function loss, void *user);

/* The sum of what the function returns for all blocks: a tensor of its shape and dtype in the
 * current scope, which requires no grad. The function returns tensors of one shape and one dtype,
 * floating or int64, for all blocks; nothing is recorded in it. Metrics are sums of this kind, and
 * several of them can be the elements of one tensor (tg_stack). */
TG_API tg_tensor *tg_sum_rows(tg_rows *rows, tg_block_function function, void *user);

/* What the function returns for all blocks, one after the other: a tensor of all rows, as
 * predictions are, in the current scope, which requires no grad. For a block of n rows the function
 * returns a tensor of n rows, whose shapes and dtype, any, are the same in all blocks; nothing is
 * recorded in it. With an exchange these are the rows of this rank, and on a rank that has none the
 * call is TG_ERR_SHAPE. */
TG_API tg_tensor *tg_map_rows(tg_rows *rows, tg_block_function function, void *user);

#ifdef __cplusplus
}
#endif

#endif
