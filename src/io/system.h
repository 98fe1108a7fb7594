/* What files need of the operating system besides stdio. */
#ifndef TG_SYSTEM_H
#define TG_SYSTEM_H

#include "../context/context.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#if defined(__unix__) || defined(__APPLE__)
#define TG_POSIX 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#elif defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#endif

/* The system's reason for the failure of the last call. */
static inline const char *tg__reason(void)
{
    return errno ? strerror(errno) : "the system gives no reason";
}

#endif
