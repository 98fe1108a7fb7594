/* What mpirun runs to test training on rows that several ranks hold. Rank 0 trains alone, too, and
 * prints whether all ranks have found the same bits. */
#include <stdio.h>

#include <tinygrad.h>
#include <tinygrad/mpi.h>

#include "training_runs.h"

enum { MOST_RANKS = 16 };

int main(int argc, char **argv)
{
    int given;
    bool same = true;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &given);
    const tg_exchange *x = tg_mpi_open(MPI_COMM_WORLD, 60);
    for (int k = 0; k < OPTIMISERS; k++)
        for (int64_t width = 3; width <= 3000; width *= 1000) {
            const training how = {(optimiser)k, 1 + k % 2, 300, 16, width, k != BY_ADAM, 3, NULL};
            char error[300];
            uint64_t hashes[MOST_RANKS], alone = 0;
            const uint64_t own = hash_of_training(x, &how, error);
            if (*error) fprintf(stderr, "rank %d: %s\n", x->rank, error);
            if (x->rank == 0) alone = hash_of_training(NULL, &how, error);
            same &= !x->allgather(x->user, &own, sizeof own, hashes);
            for (int r = 0; r < x->size; r++) same &= x->rank > 0 || hashes[r] == alone;
        }
    if (x->rank == 0) printf("%d ranks train %s\n", x->size, same ? "as one" : "differently");
    tg_mpi_close(x);
    return MPI_Finalize();
}
