/* Writing a file that appears whole or not at all. */
#ifndef TG_SINK_H
#define TG_SINK_H

#include "../context/memory.h"

#include <stdio.h>

/* The bytes go to a temporary file in the folder of the target. Committing flushes this file to the
 * disk and renames it to the target, which replaces an older file in one step: whenever the process
 * is killed or the machine stops, the path names either the older file or the whole of this one. (A
 * system that cannot replace a file by renaming has, for a moment, none of that name.)
 *
 * A symbolic link is followed, and the file that it names is replaced; the permissions of an older
 * file stay. What is not a file, such as a pipe, is written to directly, and so is standard output,
 * for the paths "-" and "/dev/stdout". */
typedef struct sink {
    tg_context *tg;
    const char *op, *path; /* for messages */
    FILE *file;
    uint64_t at;     /* how many bytes were written */
    char *target;    /* the file to be replaced; NULL if `file` is written to directly */
    char *temporary; /* in the same piece of memory as target */
    size_t bytes;    /* of this piece */
    unsigned mode;   /* the type and permissions of the older file; 0 if there is none */
    /* If it is not NULL, the bytes go to this function, and there is no file. */
    void (*instead)(void *user, const void *bytes, size_t n);
    void *user;
} sink;

/* Begins a file. After each function that fails, there is nothing left to be abandoned or closed,
 * no temporary file, and the error is recorded. */
bool tg__sink_open(sink *s, tg_context *tg, const char *op, const char *path);
bool tg__sink_write(sink *s, const void *bytes, size_t n);
/* Ends the file. */
bool tg__sink_commit(sink *s);
/* Gives the file up. It may also be called after a failure, when it does nothing. */
void tg__sink_abandon(sink *s);

#endif
