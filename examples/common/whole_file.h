/* Writes files that appear whole or not at all: a reader never sees the first half of one, and if
 * the disk is full, the old file of that name stays. */
#ifndef EXAMPLES_WHOLE_FILE_H
#define EXAMPLES_WHOLE_FILE_H

#include <stdbool.h>
#include <stdio.h>

typedef struct whole_file whole_file;

/* Opens a file for writing under a temporary name beside path. "-" is standard output. What is no
 * regular file, such as /dev/stdout, is written directly; on Windows, everything is. NULL, with
 * errno set, on failure. */
whole_file *whole_file_open(const char *path);

/* Where to write. */
FILE *whole_file_stream(const whole_file *file);

/* Brings the file to the disk, gives it its name, and frees it. Returns false, with errno set, if
 * that or a write before has failed, or if file is NULL; no part of the file is then left. */
bool whole_file_close(whole_file *file);

#endif
