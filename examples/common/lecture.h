/* What the lecture's programs share: the data, and printing as the notebook prints. */
#ifndef EXAMPLES_LECTURE_H
#define EXAMPLES_LECTURE_H

#include <tinygrad.h>

/* 100 points around a line: y = X W + noise, W = (2.5, 4). */
typedef struct lecture {
    tg_tensor *x;     /* (100), sorted */
    tg_tensor *X;     /* (100, 2): a column of ones, and x */
    tg_tensor *ytrue; /* (100): X W, the points without noise */
    tg_tensor *y;     /* (100) */
} lecture;

/* Seeds the random numbers of the context as the notebook does, and draws the data. */
lecture lecture_data(tg_context *tg);

/* Prints a heading. */
void lecture_section(const char *title);

/* Prints an expression of the notebook and its value, as the notebook shows it. A value of several
 * lines begins below the expression. */
void lecture_show(const char *expression, const tg_tensor *value);

/* Prints an expression of the notebook whose value is the shape of t. */
void lecture_show_shape(const char *expression, const tg_tensor *t);

/* Closes the context. Returns what main is to return: 1 if a call has failed, whose message it
 * prints on stderr, else 0. */
int lecture_close(tg_context *tg);

#endif
