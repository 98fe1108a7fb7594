/* Runs the examples as a user does, by commands of the shell. */
#ifndef TEST_PROGRAM_H
#define TEST_PROGRAM_H

#include <stddef.h>

/* Setup and teardown of a group: the tests run in a new, empty directory. The examples are on the
 * PATH, and $DATA is the directory of their data. */
int program_setup(void **state);
int program_teardown(void **state);

/* Runs a shell command. text gets its standard output; add 2>&1 to the command for standard error.
 * Returns the exit status, or -1 if a signal ended the command. */
int program_run(char *text, size_t size, const char *command);

/* Writes a file of n bytes. */
void program_write(const char *path, const char *bytes, size_t n);

/* Reads a text file into text; at most size - 1 bytes of it. */
void program_read(const char *path, char *text, size_t size);

#endif
