/* What an exchange costs on one machine: overhead, to be started by mpirun. Each rank has one block
 * of one row, so that next to nothing is computed. Rank 0 prints the least and the median time of a
 * call of tg_backward_rows in microseconds, without and with the other ranks. */
#include <stdio.h>
#include <stdlib.h>

#include <tinygrad.h>
#include <tinygrad/mpi.h>

enum { CALLS = 400 };

static tg_tensor *loss_of_block(const tg_block *b, void *user)
{
    (void)user;
    return tg_sum(tg_square(tg_forward(b->module, b->data.items[0])));
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The least and the median time of the calls, sorted into `times`. */
static void time_calls(tg_rows *rows, double *times)
{
    for (int i = -10; i < CALLS; i++) {
        const double start = MPI_Wtime();
        tg_release(tg_backward_rows(rows, loss_of_block, NULL));
        if (i >= 0) times[i] = 1e6 * (MPI_Wtime() - start);
    }
    qsort(times, CALLS, sizeof *times, compare);
}

/* A network of one hidden layer with that many weights or a few more. */
static void measure(const tg_exchange *x, int64_t weights)
{
    tg_context *tg = tg_open(NULL);
    double alone[CALLS], together[CALLS];
    tg_module *net = tg_linear(tg, 2, (weights + 1) / 2, TG_NO_BIAS);
    tg_tensor *row = tg_ones(tg, TG_F32, TG_SHAPE(1, 2));
    time_calls(tg_rows_new(TG_LIST(row), TG_ROWS(.module = net, .block_rows = 1)), alone);
    time_calls(tg_rows_new(TG_LIST(row), TG_ROWS(.module = net, .block_rows = 1, .exchange = x)),
               together);
    if (x->rank == 0)
        printf("%2d ranks %9lld weights: alone %8.1f %8.1f, together %8.1f %8.1f\n", x->size,
               (long long)weights, alone[0], alone[CALLS / 2], together[0], together[CALLS / 2]);
    if (!tg_ok(tg)) fprintf(stderr, "%s\n", tg_error(tg));
    tg_close(tg);
}

int main(int argc, char **argv)
{
    static const int64_t weights[] = {2, 4225, 61706, 1000000};
    MPI_Init(&argc, &argv);
    const tg_exchange *x = tg_mpi_open(MPI_COMM_WORLD, 60);
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) measure(x, weights[i]);
    tg_mpi_close(x);
    return MPI_Finalize();
}
