/* Runs a test in a locale whose decimal point is not ".". If none is installed, localedef makes
 * one. */
#ifndef TEST_FOREIGN_LOCALE_H
#define TEST_FOREIGN_LOCALE_H

#include <stdbool.h>

/* Sets the locale of the program to the one of that name, such as "de_DE" or "ps_AF", until
 * leave_locale is called. Returns false and prints the reason on stderr if there is no such
 * locale. */
bool enter_locale(const char *name);
void leave_locale(void);

#endif
