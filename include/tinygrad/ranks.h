/* Several processes that train one model, on one machine or on many. Each runs the same program and
 * has a number, its rank. The library reaches the others through functions that the program gives
 * it; libtinygrad_mpi (mpi.h) has these for MPI. */
#ifndef TINYGRAD_RANKS_H
#define TINYGRAD_RANKS_H

#include "state.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a rank exchanges bytes with the others. The library calls the functions from the thread that
 * uses the context, and in the same order on all ranks. A function returns NULL, or after a failure
 * a message that is good until the next call. It must return within a time that it bounds itself,
 * even if another rank is dead or late; after a failure every later call should fail, too, since
 * the ranks may not be at the same call any more. */
typedef struct tg_exchange {
    void *user; /* the first argument of the functions */
    int rank;   /* of this process: from 0 to size - 1 */
    int size;   /* the number of ranks; at least 1 */
    /* Each rank gives `bytes` bytes, the same number on all ranks. `all` gets those of rank 0, of
     * rank 1 and of the others one after the other. */
    const char *(*allgather)(void *user, const void *own, size_t bytes, void *all);
    /* Sends out_bytes[r] bytes to each rank r, this one included, and receives in_bytes[r] from it.
     * What goes to rank 0, rank 1 and the others stands in `out` one after the other, and what
     * comes from them in `in`. NULL: done by allgather, which sends size times as much. */
    const char *(*alltoall)(void *user, const void *out, const size_t *out_bytes, void *in,
                            const size_t *in_bytes);
    /* Gives all ranks the n bytes that rank root has. NULL: done by allgather. */
    const char *(*broadcast)(void *user, void *bytes, size_t n, int root);
} tg_exchange;

/* Rows one after the other: how many come before them, and how many they are. */
typedef struct tg_share {
    int64_t first; /* the number of the first row, from 0 */
    int64_t n;     /* how many rows; may be 0 */
} tg_share;

/* The rows that this rank takes of n rows, in blocks of block_rows (rows.h): whole blocks, but for
 * the end of the last. The shares follow each other in the order of the ranks. A share differs from
 * n / size by less than a block and a sixteenth of n / size: within these bounds it begins at a
 * round number of blocks, such as a power of two, which leaves fewer sums to exchange. Where there
 * are fewer blocks than ranks, some ranks get no rows. All rows for an exchange that is NULL; none
 * if n is negative or block_rows less than 1. */
TG_API tg_share tg_share_rows(const tg_exchange *exchange, int64_t n, int64_t block_rows);

/* Gives the tensors of s on all ranks the elements that they have on rank root, as at the beginning
 * of training or after rank root has loaded a checkpoint. All ranks call it, with lists that have
 * the same names, shapes and dtypes; else TG_ERR_SHAPE on each. Texts stay as they are. If it fails
 * on one rank it fails on all, and no tensor is changed. */
TG_API bool tg_state_broadcast_(tg_state *s, const tg_exchange *exchange, int root);

/* Whether the tensors of s have the same bits on all ranks, as those of a model and of its
 * optimiser must after any number of steps. All ranks call it. If it is false, an error is pending
 * on each, which names a tensor and a rank. */
TG_API bool tg_state_agree(const tg_state *s, const tg_exchange *exchange);

#ifdef __cplusplus
}
#endif

#endif
