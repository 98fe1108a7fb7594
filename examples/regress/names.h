/* Names in lists that are written as a row of a CSV file. */
#ifndef EXAMPLES_NAMES_H
#define EXAMPLES_NAMES_H

#include <stddef.h>
#include <stdio.h>

/* Cuts text into names at its commas, in place, and removes quotes and the spaces around each name.
 * Writes at most max names, and returns how many there are; 0 if a quote is not closed or is
 * followed by text. */
size_t names_cut(char *text, char **names, size_t max);

/* Writes a name, in quotes if a comma, quote or space in it needs them. */
void names_write(FILE *out, const char *name);

#endif
