/* The command line: --name value or --name=value, in any order, and one file. */
#ifndef EXAMPLES_OPTIONS_H
#define EXAMPLES_OPTIONS_H

#include <stdbool.h>

typedef enum option_kind {
    OPTION_FLAG,  /* bool: takes no value */
    OPTION_TEXT,  /* const char * */
    OPTION_REAL,  /* double, in [low, high) */
    OPTION_WHOLE, /* double without a fraction, in [low, high) */
} option_kind;

/* An option, where its value goes, and whether it was there. */
typedef struct option {
    const char *name; /* with its dashes */
    option_kind kind;
    void *value;
    double low, high;
    bool given;
} option;

/* Reads argv into options and *file (NULL when there is none). False when something is wrong, with
 * one line about it, that names the program, on stderr. */
bool options_read(option *options, int n, int argc, char **argv, const char **file);

#endif
