/* The ranks of a program that mpirun starts. Without libtinygrad_mpi (EXAMPLES_MPI is not defined
 * then) the program is alone. */
#ifndef EXAMPLES_RANKS_H
#define EXAMPLES_RANKS_H

#include <unistd.h>

#include <tinygrad.h>

#ifdef EXAMPLES_MPI
#include <tinygrad/mpi.h>
#endif

/* The other ranks, to be begun first; NULL: there are none. */
static inline const tg_exchange *ranks_begin(int *argc, char ***argv)
{
#ifdef EXAMPLES_MPI
    int given;
    MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &given);
    return tg_mpi_open(MPI_COMM_WORLD, 600);
#else
    (void)argc, (void)argv;
    return NULL;
#endif
}

/* Whether this rank prints for all. */
static inline bool ranks_prints(const tg_exchange *ranks)
{
    return !ranks || ranks->rank == 0;
}

/* Gives the context all processors that are there for this rank, if the ranks are on one machine.
 */
static inline void ranks_use_processors(tg_context *tg, const tg_exchange *ranks)
{
    long share = 1;
#ifdef _SC_NPROCESSORS_ONLN
    share = sysconf(_SC_NPROCESSORS_ONLN) / (ranks ? ranks->size : 1);
#endif
    (void)ranks;
    tg_set_num_threads(tg, share < 1 ? 1 : share > 256 ? 256 : (int)share);
}

/* Ends the ranks, and returns what main is to return. After an error they end at once, as one of
 * them may be lost. */
static inline int ranks_end(const tg_exchange *ranks, int failed)
{
#ifdef EXAMPLES_MPI
    if (failed) MPI_Abort(MPI_COMM_WORLD, failed);
    tg_mpi_close(ranks);
    MPI_Finalize();
#else
    (void)ranks;
#endif
    return failed;
}

#endif
