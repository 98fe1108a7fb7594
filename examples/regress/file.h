/* The CSV files of regress, and what it says of them. */
#ifndef EXAMPLES_FILE_H
#define EXAMPLES_FILE_H

#include <tinygrad.h>

#include "settings.h"

/* Opens a file in the way that the settings say. NULL when it has printed what is wrong. */
tg_csv *file_open(tg_context *tg, const char *path, const settings *set, tg_missing missing);

/* Prints the error of a file that the context has, with the options of regress that may help, and
 * clears it. --missing drop is one of them if it may drop rows of that file. Returns FAILED. */
int file_complain(tg_context *tg, bool may_drop);

/* Prints an error in the row that was read last, without control characters. Returns false. */
bool file_refuse(const tg_csv *file, const char *format, ...);

#endif
