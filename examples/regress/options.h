/* Reads a command line: options, as --name value or --name=value, in any order, and one file. */
#ifndef EXAMPLES_OPTIONS_H
#define EXAMPLES_OPTIONS_H

#include <stdbool.h>

typedef enum option_kind {
    OPTION_FLAG,  /* bool: takes no value */
    OPTION_TEXT,  /* const char * */
    OPTION_REAL,  /* double, in [low, high) */
    OPTION_WHOLE, /* double without a fraction, in [low, high) */
} option_kind;

/* An option that a program has, where its value is stored, and whether it was given. */
typedef struct option {
    const char *name; /* with its dashes */
    option_kind kind;
    void *value;
    double low, high;
    bool given;
} option;

/* Reads argv into options, and the file into *file, or NULL if none was given. If something is
 * wrong, prints a line on stderr, and returns false. */
bool options_read(option *options, int n, int argc, char **argv, const char **file);

#endif
