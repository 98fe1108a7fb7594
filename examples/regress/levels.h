/* The levels of a factor: the different texts of a column, or its different numbers. */
#ifndef EXAMPLES_LEVELS_H
#define EXAMPLES_LEVELS_H

#include <stdbool.h>
#include <stddef.h>

/* The most levels of a factor. Each one costs a column of the matrix, and what has more is rather a
 * name of the row. */
#define MAX_LEVELS 256

typedef struct level {
    char *name;
    double number; /* of a factor of numbers, whose name says the same */
    size_t code;   /* how many levels were added before this one */
} level;

typedef struct levels {
    level *sorted; /* by number, or by the bytes of the name, as in the C locale */
    size_t n;
    bool numbers;
} levels;

/* Finds a level by its name, or by its number if the levels are numbers. Returns its place in
 * `sorted`, or n if there is no such level. */
size_t levels_find(const levels *all, const char *name, double number);

/* Adds a level that is not there yet, for which there must be room. Returns false if memory fails.
 */
bool levels_add(levels *all, const char *name, double number);

void levels_free(levels *all);

#endif
