/* A table of text for a terminal: names at the left, numbers aligned at their decimal points. */
#ifndef EXAMPLES_COLUMNS_H
#define EXAMPLES_COLUMNS_H

#include <stddef.h>
#include <stdio.h>

typedef struct columns columns;

/* A table of so many columns, with the first line of headings. The headings must stay valid. NULL,
 * which the others ignore, when memory fails. */
columns *columns_new(size_t n, const char *const *headings);

/* Puts the next cell; they go from left to right, line by line. The text is copied. */
void columns_put(columns *table, const char *format, ...);

/* Writes all lines and frees the table. */
void columns_write(columns *table, FILE *out);

#endif
