/* The rivals written by hand: the lecture's step for two weights, at three levels of care, and the
 * arithmetic peak of a core. Compiled for this very machine. */
#ifndef BENCH_HAND_WRITTEN_H
#define BENCH_HAND_WRITTEN_H

#include <stddef.h>

/* Least squares of y on the columns x0 and x1, n rows. */
typedef struct hand {
    long n;
    const float *x0, *x1, *y;
    float w[2], lr;
    float loss;
    char *arena; /* hand_arena_bytes(n), aligned to 64, for hand_five */
    size_t used;
} hand;

size_t hand_arena_bytes(long n);

/* One pass over the data, nothing stored. */
void hand_fused(void *hand, long times);
/* What an autograd needs at the least: prediction, loss, their two gradients and the update, with
 * the intermediates and a record of each call in memory that is used again. */
void hand_five(void *hand, long times);
/* An operation at a time, each result in memory of its own until its last use. */
void hand_nine(void *hand, long times);

/* GFLOP/s of fused multiply-adds on float32. */
double hand_peak(void);

#endif
