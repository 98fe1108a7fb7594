/* What the lecture's programs share: the data, and printing as the notebook prints. */
#ifndef EXAMPLES_LECTURE_H
#define EXAMPLES_LECTURE_H

#include <tinygrad.h>

/* The notebook's seed. */
#define LECTURE_SEED 202150754

/* 100 points around a line: y = X W + noise, W = (2.5, 4). */
typedef struct lecture {
    tg_tensor *x; /* (100), sorted */
    tg_tensor *X; /* (100, 2): a column of ones, and x */
    tg_tensor *y; /* (100) */
} lecture;

/* Seeds the stream and draws the data. */
lecture lecture_data(tg_context *tg);

/* A line with a heading over what follows. */
void lecture_section(const char *title);

/* The float32 values of t as they are, in hexadecimal, separated by blanks. */
void lecture_print_bits(const tg_tensor *t);

/* The values as Python prints a list: [-5, 10], or [[-5, 10]] for a matrix of one row; nine digits,
 * which is all of a float32. "none" for NULL. */
void lecture_print_list(const tg_tensor *t);

/* name, shape and values of t, on a line. */
void lecture_show(const char *name, const tg_tensor *t);

/* Closes the context; what main returns: 1, with the message on stderr, if anything has failed. */
int lecture_close(tg_context *tg);

#endif
