/* Trains a small network on handwritten digits and writes it as C, for a microcontroller or for a
 * program that only predicts: digits_model.c needs no library but libm. digits_main.c is a program
 * that uses it, and digits_image.txt an image:
 *
 *     cc -O2 digits_main.c digits_model.c -o digits_main -lm
 *     ./digits_main < digits_image.txt */
#include <stdio.h>

#include <tinygrad.h>

#include "common/digits.h"
#include "common/lecture.h"

/* Reads the pixels of an image, numbers from 0 to 1, and prints what digit it shows. */
static const char program[] =
    "#include <stdio.h>\n"
    "\n"
    "#define digits_DECLARE\n"
    "#include \"digits_model.c\"\n"
    "\n"
    "int main(void)\n"
    "{\n"
    "    float pixels[digits_INPUT], scores[digits_OUTPUT];\n"
    "    int n = 0, best = 0;\n"
    "    while (n < digits_INPUT && scanf(\"%f\", &pixels[n]) == 1) n++;\n"
    "    if (n < digits_INPUT) return 1;\n"
    "    digits_predict(pixels, scores);\n"
    "    for (int i = 1; i < digits_OUTPUT; i++)\n"
    "        if (scores[i] > scores[best]) best = i;\n"
    "    printf(\"%d, with probability %.4f\\n\", best, (double)scores[best]);\n"
    "    return 0;\n"
    "}\n";

static tg_tensor *probabilities(tg_tensor *scores)
{
    return tg_softmax(scores, -1);
}

/* Closes the file. False, with a line on stderr, if it could not be opened or written. */
static bool finish(FILE *file, const char *name)
{
    if (file && !ferror(file) && fclose(file) == 0) return true;
    fprintf(stderr, "%s could not be written\n", name);
    return false;
}

/* Writes the three files. */
static bool write_files(tg_module *net, tg_tensor *image)
{
    FILE *model = fopen("digits_model.c", "w"), *use = fopen("digits_main.c", "w");
    FILE *pixels = fopen("digits_image.txt", "w");
    if (model) tg_export_c(net, image, model, TG_EXPORT(.name = "digits"));
    if (use) fputs(program, use);
    for (int i = 0; pixels && i < DIGITS_PIXELS; i++)
        fprintf(pixels, "%g\n", tg_get(image, TG_INDEX(0, i)));
    bool written = finish(model, "digits_model.c");
    written = finish(use, "digits_main.c") && written;
    return finish(pixels, "digits_image.txt") && written;
}

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, 1);
    digits d;
    if (!digits_read(tg, argc > 1 ? argv[1] : EXAMPLES_DATA "/digits.csv", &d))
        return tg_close(tg), 1;

    tg_module *hidden = tg_linear(tg, DIGITS_PIXELS, 32, TG_BIAS);
    tg_module *top = tg_linear(tg, 32, DIGITS_CLASSES, TG_BIAS);
    tg_module *net = tg_sequential(TG_MODULES(hidden, tg_lambda(tg, tg_relu), top));
    digits_train(net, &d, 30);
    printf("\naccuracy held out: %.4f\n", digits_accuracy(net, d.test[0], d.test[1]));

    /* The loss takes scores, but a program wants probabilities. */
    tg_module *whole = tg_sequential(TG_MODULES(net, tg_lambda(tg, probabilities)));
    tg_tensor *image = tg_narrow(d.test[0], 0, 0, 1);
    tg_tensor *p = tg_forward(tg_eval(whole), image);
    printf("the first image held out: %lld, with probability %.4f\n",
           (long long)tg_item_i64(tg_argmax(p)), tg_item(tg_max(p)));
    const bool written = write_files(whole, image);
    if (written) printf("written: digits_model.c, digits_main.c and digits_image.txt\n");
    return lecture_close(tg) || !written;
}
