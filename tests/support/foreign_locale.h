/* A locale whose decimal point is not ".", installed or made for the test with localedef. */
#ifndef TEST_FOREIGN_LOCALE_H
#define TEST_FOREIGN_LOCALE_H

#include <stdbool.h>

/* Runs the program in the locale of that name, "de_DE" or "ps_AF", until it is left. False, with
 * the reason on stderr, where it cannot be had. */
bool enter_locale(const char *name);
void leave_locale(void);

#endif
