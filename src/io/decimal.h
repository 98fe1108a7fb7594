/* Decimal numbers as text, in any locale. */
#ifndef TG_DECIMAL_H
#define TG_DECIMAL_H

#include "../context/context.h"

/* Reads the number at the beginning of text: a sign or none, digits with at most one decimal point,
 * which is the character `point`, and an exponent or none, as in "-12.5e-3". *value becomes the
 * nearest double, of two the even one; it is infinite if the number is too large. Returns where the
 * number ends, or NULL if there is none. */
const char *tg__read_decimal(const char *text, char point, double *value);

#endif
