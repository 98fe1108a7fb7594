/* The data of handwritten digits, and the training and evaluation of a network on them. */
#ifndef EXAMPLES_DIGITS_H
#define EXAMPLES_DIGITS_H

#include <tinygrad.h>

enum { DIGITS_PIXELS = 64, DIGITS_CLASSES = 10 };

/* Each pair is the images, float32 (n, 64) with values in [0, 1], and their labels, int64 (n). */
typedef struct digits {
    tg_tensor *train[2], *test[2]; /* 80 % of the images, and the others; in random order */
} digits;

/* Reads the file. Returns false, and prints a line on stderr, if that fails. */
bool digits_read(tg_context *tg, const char *path, digits *d);

/* Trains net by Adam on batches of 32 images. Prints six lines of progress. */
void digits_train(tg_module *net, const digits *d, int epochs);

/* The share of images that net classifies correctly; and below, a table of how often it took each
 * digit for each other. */
double digits_accuracy(tg_module *net, tg_tensor *images, tg_tensor *labels);
void digits_print_confusion(tg_module *net, tg_tensor *images, tg_tensor *labels);

#endif
