/* The little of JSON that a header of safetensors has: objects and arrays of texts and whole
 * numbers, read from a buffer in one pass, without recursion. */
#ifndef TG_JSON_H
#define TG_JSON_H

#include <stdbool.h>
#include <stdint.h>

typedef struct json {
    char *at;            /* the next byte; a 0 lies behind the last */
    const char *problem; /* what the function that failed has found at `at` */
} json;

/* Skips blanks, and then the character c, if it is the next. */
bool tg__json_skip(json *j, char c);
/* The same, but another character is a failure. */
bool tg__json_need(json *j, char c);
/* Reads a text in quotes. It is decoded in its place in the buffer, and ends with a 0 there. NULL
 * if there is none, if it has a zero byte, or if it is not UTF-8 or, unless they are allowed, has
 * control characters. */
const char *tg__json_text(json *j, bool controls);
/* Reads a whole number that is not negative. */
bool tg__json_number(json *j, uint64_t *number);

#endif
