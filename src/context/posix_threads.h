/* POSIX threads, where the system has them, for the files that start threads. They define
 * _DEFAULT_SOURCE before any header. */
#ifndef TG_POSIX_THREADS_H
#define TG_POSIX_THREADS_H

#include "compiler.h"

#if defined(__unix__) || defined(__APPLE__) || defined(__MINGW32__)
#include <unistd.h>
#endif
/* Without atomics or POSIX threads the library runs everything on the caller's thread. */
#if !defined(__STDC_NO_ATOMICS__) && defined(_POSIX_THREADS) && _POSIX_THREADS > 0
#define TG_THREADS 1
#include <pthread.h>
#include <stdatomic.h>

/* Starts n threads that run f(work), on small stacks and with all signals blocked, so that the
 * system delivers signals to the threads of the program. Returns how many of them started. */
int tg__start_threads(int n, pthread_t *threads, void *(*f)(void *work), void *work);
#endif

#endif
