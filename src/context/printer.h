/* Text for a file of the caller: the models, tables and graphs that a program prints. */
#ifndef TG_PRINTER_H
#define TG_PRINTER_H

#include "context.h"

#include <stdio.h>

/* A file that is being written, and whether a write has failed. What follows a failed write is not
 * written. */
typedef struct printer {
    FILE *file;
    bool failed;
} printer;

/* Whether the file is not NULL; else records the error of the function `op`. */
bool tg__check_file(tg_context *tg, const char *op, FILE *file);
/* Does what fprintf does. The format has no floating conversion, because fprintf would write the
 * decimal point of the locale; tg__write_real and tg__write_fixed write numbers to texts. */
void tg__put(printer *p, const char *format, ...) TG_PRINTF(2, 3);
/* Returns whether all was written; else records the error of the function `op`. */
bool tg__finish(tg_context *tg, const char *op, const printer *p);

/* "True" or "False", as Python writes them. */
static inline const char *tg__truth(bool truth)
{
    return truth ? "True" : "False";
}

enum { TG_NUMBER = 40 }; /* the room for a number as a text */
/* Writes the shortest decimal that reads back as x, in the form of Python's repr: 0.1, 1e-05, 2.0.
 */
const char *tg__write_real(char text[TG_NUMBER], double x);
/* Writes x with that many decimals. */
const char *tg__write_fixed(char text[TG_NUMBER], double x, int decimals);
/* Writes n numbers as Python writes a tuple: (3, 3) or (4,). The text has room for TG_SIZES bytes.
 */
const char *tg__write_tuple(char text[TG_SIZES], int n, const int64_t *numbers);
/* Writes n with a comma after each thousand. */
const char *tg__write_count(char text[TG_NUMBER], int64_t n);

#endif
