/* The ranks of MPI. This page belongs to libtinygrad_mpi, which stands beside the library and is
 * built with -DTINYGRAD_MPI=ON; tinygrad.h does not include it.
 *
 *     MPI_Init(&argc, &argv);
 *     const tg_exchange *ranks = tg_mpi_open(MPI_COMM_WORLD, 60);
 *     ...
 *     tg_mpi_close(ranks);
 *     MPI_Finalize();
 *
 * A program that sets the number of threads of a context needs MPI_Init_thread with
 * MPI_THREAD_FUNNELED: only the thread that calls the library calls MPI. */
#ifndef TINYGRAD_MPI_H
#define TINYGRAD_MPI_H

#include <mpi.h>

#include "ranks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The ranks of a communicator of MPI 3, as an exchange. All ranks of comm call it, after MPI_Init.
 * The communicator is duplicated, so that other messages of the program do not disturb. A call that
 * has waited for `timeout` seconds for another rank fails, and so do all later calls, as those of
 * the other ranks do when their time is over; the time must be longer than one rank may be behind
 * another. It is a positive number, and finite. The result is never NULL: if it cannot be made, its
 * functions say why.
 *
 * MPI returns its errors to the exchange. Whether a job goes on when one of its processes has died
 * is decided by mpirun, which ends the others unless it is told otherwise (--enable-recovery of
 * Open MPI, -disable-auto-cleanup of MPICH). After a failure MPI_Finalize may wait for ever; a
 * program saves what it needs, and calls MPI_Abort. */
TG_API const tg_exchange *tg_mpi_open(MPI_Comm comm, double timeout);

/* Frees the exchange, before MPI_Finalize; all ranks call it. After a failure it frees nothing, as
 * a message that comes late may still be written to the memory of the exchange. NULL is ignored. */
TG_API void tg_mpi_close(const tg_exchange *exchange);

#ifdef __cplusplus
}
#endif

#endif
