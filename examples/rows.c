/* The lecture's regression on as many rows as memory holds, 10 million unless a number is given.
 * The rows are computed in blocks by all processors, or by several processes that mpirun starts:
 * the digits are the same. */
#define _DEFAULT_SOURCE 1 /* declares sysconf and clock_gettime */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <tinygrad.h>

#include "common/lecture.h"
#include "common/ranks.h"

enum { EPOCHS = 30, BLOCK_ROWS = 8192 };

/* A random number with mean 0 and variance 1, which is made from the number of a row, so that each
 * rank can make any row: the sum of four uniform numbers, which resembles a normal one. */
static float draw(uint64_t row, uint64_t stream)
{
    uint64_t z = (2 * row + stream) * 0x9e3779b97f4a7c15; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    const uint64_t sum = (z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48);
    return ((float)sum / 0x1p17f - 1) * 3.4641016f;
}

/* Fills this rank's rows: X with a column of ones and x, and y with 2.5 + 4 x + 0.4 e. */
static void make_rows(tg_share rows, tg_tensor *X, tg_tensor *y)
{
    float *to_X = X ? X->data : NULL, *to_y = y ? y->data : NULL;
    for (int64_t i = 0; to_X && to_y && i < rows.n; i++) {
        const uint64_t row = (uint64_t)(rows.first + i);
        const float x = draw(row, 0);
        to_X[2 * i] = 1;
        to_X[2 * i + 1] = x;
        to_y[i] = 2.5f + 4 * x + 0.4f * draw(row, 1);
    }
}

static tg_tensor *squared_error(const tg_block *b, void *user)
{
    (void)user;
    return tg_mse_loss(tg_forward(b->module, b->data.items[0]), b->data.items[1], TG_SUM);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    const tg_exchange *ranks = ranks_begin(&argc, &argv);
    const bool prints = ranks_prints(ranks);
    const int64_t all = argc > 1 ? atoll(argv[1]) : 10000000;
    const tg_share own = tg_share_rows(ranks, all, BLOCK_ROWS);
    tg_context *tg = tg_open(NULL);
    ranks_use_processors(tg, ranks);

    tg_tensor *X = tg_empty(tg, TG_F32, TG_SHAPE(own.n, 2));
    tg_tensor *y = tg_empty(tg, TG_F32, TG_SHAPE(own.n, 1));
    make_rows(own, X, y);
    tg_module *net = tg_linear(tg, 2, 1, TG_NO_BIAS);
    tg_tensor *weight = tg_param(net, "weight");
    tg_copy_from_f32(weight, (float[]){-5, 10});
    tg_optim *sgd = tg_sgd(net, TG_SGD(.lr = 0.1));
    tg_rows *rows = tg_rows_new(TG_LIST(X, y), TG_ROWS(.module = net, .block_rows = BLOCK_ROWS,
                                                       .reduction = TG_MEAN, .exchange = ranks));
    const double start = seconds();
    for (int epoch = 0; epoch < EPOCHS && tg_ok(tg); epoch++) {
        tg_scope_begin(tg);
        tg_zero_grad(sgd);
        const tg_tensor *loss = tg_backward_rows(rows, squared_error, NULL);
        tg_step(sgd);
        if (prints && tg_ok(tg))
            printf("epoch %2d  loss %.9g  weight [%.9g, %.9g]\n", epoch, tg_item(loss),
                   tg_get(weight, TG_INDEX(0, 0)), tg_get(weight, TG_INDEX(0, 1)));
        tg_scope_end(tg);
    }
    if (prints && tg_ok(tg))
        fprintf(stderr, "%.0f million rows a second\n",
                1e-6 * EPOCHS * (double)all / (seconds() - start));
    if (ranks) tg_state_agree(tg_state_dict(net), ranks);
    return ranks_end(ranks, lecture_close(tg));
}
