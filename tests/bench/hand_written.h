/* Rivals in C written by hand and compiled for the CPU of this machine: the lecture's training step
 * for two weights, written in three ways. */
#ifndef BENCH_HAND_WRITTEN_H
#define BENCH_HAND_WRITTEN_H

#include <stddef.h>

/* The data of a least-squares fit of y to the columns x0 and x1, with n rows. */
typedef struct hand {
    long n;
    const float *x0, *x1, *y;
    float w[2], lr;
    float loss;
    char *arena; /* memory for hand_five: hand_arena_bytes(n) bytes, aligned to 64 */
    size_t used;
} hand;

size_t hand_arena_bytes(long n);

/* Training steps that pass over the data once and store no intermediate result. */
void hand_fused(void *hand, long times);
/* Training steps of five loops, the least that a library with autograd can do: prediction, loss,
 * the gradients of both, and the update. Intermediate results and a record of each call are stored
 * in an arena, which the next step uses again. */
void hand_five(void *hand, long times);
/* Training steps of nine loops, one for each operation. Each result is allocated, and freed after
 * its last use. */
void hand_nine(void *hand, long times);

#endif
