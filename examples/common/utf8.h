/* Text that may come from any file. */
#ifndef EXAMPLES_UTF8_H
#define EXAMPLES_UTF8_H

#include <stddef.h>

/* The number of bytes of the UTF-8 character at s. 0 if there is none, or if it is a control
 * character or one that XML does not allow. */
size_t utf8_length(const char *s);

/* Copies text to `shown`, which has `size` bytes, with ? in place of each control character: one
 * would break a line, or command a terminal. What is too long is cut before a letter. Returns
 * shown, which may be text itself. */
const char *utf8_show(const char *text, char *shown, size_t size);

#endif
