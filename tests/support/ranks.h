/* Ranks on one machine, without MPI: threads that share memory, and processes that write to each
 * other through sockets. */
#ifndef TEST_RANKS_H
#define TEST_RANKS_H

#include <stdbool.h>

#include <tinygrad.h>

/* What a rank does. It asserts nothing, since it may run on a thread or in a process of its own,
 * but writes what it has found to `user`, which all ranks share. */
typedef void rank_function(const tg_exchange *x, void *user);

/* The ranks wait this long for each other, unless a rank has ended. */
enum { RANKS_SECONDS = 60, MOST_RANKS = 16 };

/* Runs f as each rank of `size` on a thread of its own, and returns when all have ended. */
void ranks_on_threads(int size, rank_function *f, void *user);

/* Runs f as each rank of `size` in a process of its own, which begins as a copy of this one, and
 * returns when all have ended. `user` comes from shared_memory. */
void ranks_in_processes(int size, rank_function *f, void *user);

/* Memory that processes share, filled with zeros. */
void *shared_memory(size_t bytes);
void free_shared_memory(void *memory, size_t bytes);

#endif
