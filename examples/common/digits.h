/* The handwritten digits, and how well a network tells them apart. */
#ifndef EXAMPLES_DIGITS_H
#define EXAMPLES_DIGITS_H

#include <tinygrad.h>

enum { DIGITS_PIXELS = 64, DIGITS_CLASSES = 10 };

/* Images float32 (n, 64) in [0, 1], and labels int64 (n). */
typedef struct digits {
    tg_tensor *train[2], *test[2]; /* 80 % and the others, in random order */
} digits;

/* False, with a line on stderr, if the file cannot be read. */
bool digits_read(tg_context *tg, const char *path, digits *d);

/* Trains net by Adam on batches of 32, with six lines of progress. */
void digits_train(tg_module *net, const digits *d, int epochs);

/* The share of images that net names right, and how often it took which for which. */
double digits_accuracy(tg_module *net, tg_tensor *images, tg_tensor *labels);
void digits_print_confusion(tg_module *net, tg_tensor *images, tg_tensor *labels);

#endif
