/* Numbers as programs read them. */
#ifndef EXAMPLES_NUMBERS_H
#define EXAMPLES_NUMBERS_H

/* Writes the fewest digits, at least 15 and at most 17, that read back as the same double. */
const char *number_text(double value, char text[32]);

#endif
