/* A network that one machine writes as C (tg_export_c) and another one runs. With WRITE defined,
 * this program writes model.c and prints the bits of tg_forward for a few inputs; without it, it
 * prints those of the program in model.c, and needs no library. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { INPUTS = 8, PIXELS = 100, OUTPUTS = 10 };

/* The pixels of input number i, between -1 and 1, from a generator that is the same everywhere. */
static void fill(int i, float *pixels)
{
    uint32_t state = (uint32_t)i * 2654435761u + 1;
    for (int p = 0; p < PIXELS; p++) {
        state = state * 1664525u + 1013904223u;
        pixels[p] = (float)(int32_t)(state >> 8) * 0x1p-23f - 1;
    }
}

static void print_bits(const float *values)
{
    for (int i = 0; i < OUTPUTS; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        printf("%08lx%c", (unsigned long)bits, i + 1 < OUTPUTS ? ' ' : '\n');
    }
}

#ifdef WRITE
#include <tinygrad.h>

static tg_tensor *halve(tg_tensor *x)
{
    return tg_max_pool2d(x, TG_POOL(.kernel = {2, 2}));
}

static tg_tensor *probabilities(tg_tensor *x)
{
    return tg_softmax(x, -1);
}

int main(void)
{
    tg_context *tg = tg_open(NULL);
    tg_module *conv = tg_conv2d_layer(tg, 1, 6, TG_SHAPE(3, 3), TG_BIAS, NULL);
    tg_module *hidden = tg_linear(tg, 96, 40, TG_BIAS), *middle = tg_linear(tg, 40, 12, TG_BIAS);
    tg_module *top = tg_linear(tg, 12, OUTPUTS, TG_BIAS);
    tg_module *net = tg_sequential(
        TG_MODULES(conv, tg_batchnorm2d(tg, 6, NULL), tg_lambda(tg, tg_relu), tg_lambda(tg, halve),
                   tg_flatten_layer(tg, 1, -1), hidden, tg_lambda(tg, tg_tanh),
                   tg_layernorm(tg, TG_SHAPE(40), NULL), middle, tg_lambda(tg, tg_sigmoid), top,
                   tg_lambda(tg, probabilities)));
    tg_uniform_(tg_buffer(net, "1.running_mean"), -1, 1);
    tg_uniform_(tg_buffer(net, "1.running_var"), 0.5, 2);
    tg_tensor *image = tg_empty(tg, TG_F32, TG_SHAPE(1, 1, 10, 10));
    FILE *file = fopen("model.c", "w");
    for (int i = 0; i < INPUTS; i++) {
        float pixels[PIXELS], values[OUTPUTS] = {0};
        fill(i, pixels);
        tg_copy_from_f32(image, pixels);
        tg_copy_to_f32(tg_forward(tg_eval(net), image), values);
        print_bits(values);
    }
    if (file) tg_export_c(net, image, file, NULL);
    const int failed = !tg_ok(tg) || !file || fclose(file);
    if (failed) fprintf(stderr, "%s\n", tg_error(tg));
    tg_close(tg);
    return failed;
}

#else
#include "model.c"

int main(void)
{
    for (int i = 0; i < INPUTS; i++) {
        float pixels[PIXELS], values[OUTPUTS];
        fill(i, pixels);
        model_predict(pixels, values);
        print_bits(values);
    }
    return 0;
}
#endif
