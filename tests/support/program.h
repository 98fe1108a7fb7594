/* Runs the examples as a user does. */
#ifndef TEST_PROGRAM_H
#define TEST_PROGRAM_H

#include <stddef.h>

/* Group setup and teardown: a new directory to work in, the examples on the PATH, and $DATA for
 * their data. */
int program_setup(void **state);
int program_teardown(void **state);

/* Runs a shell command. text gets what it wrote to standard output, and to standard error with
 * 2>&1. Returns the exit status; -1 when it was killed. */
int program_run(char *text, size_t size, const char *command);

/* Writes a file of n bytes. */
void program_write(const char *path, const char *bytes, size_t n);

/* Reads a whole text file; it is cut at size - 1 bytes. */
void program_read(const char *path, char *text, size_t size);

#endif
