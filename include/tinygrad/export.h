/* A trained module as one file of C. */
#ifndef TINYGRAD_EXPORT_H
#define TINYGRAD_EXPORT_H

#include <stdio.h>

#include "nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The options of tg_export_c. */
typedef struct tg_export_options {
    const char *name; /* "model": what the names in the file begin with, an identifier of C */
} tg_export_options;

/* Internal: the defaults with which TG_EXPORT begins in C; see options.h. */
#define TG_EXPORT_DEFAULTS .name = "model"
/* A pointer to options of tg_export_c, of which these are changed: TG_EXPORT(.name = "digits"). */
#define TG_EXPORT(...)                                                                             \
    TG_BEGIN_OPTIONS(tg_export_options, tg_export_defaults(), TG_EXPORT_DEFAULTS, __VA_ARGS__)
/* The default options of tg_export_c. */
TG_API tg_export_options tg_export_defaults(void);

/* Writes a C99 program text that computes what tg_forward(module, x) computes for each x of the
 * shape of example_input: one row if that has one row. With NAME for the name in the options, the
 * text defines
 *
 *     void NAME_predict(const float *in, float *out);
 *
 * where in and out point to NAME_INPUT and NAME_OUTPUT floats, which do not overlap. Compiled with
 * NAME_DECLARE defined, or included with it, the text only declares the function and these macros,
 * in C++, too. The weights are constant arrays. The function allocates nothing: it works in a
 * static array of NAME_WORK_BYTES, and may therefore run only once at a time. Of the C library it
 * needs memcpy and a few functions of <math.h>, such as sqrt; exp, tanh and the like are its own.
 *
 * Where the target has fused multiply-add in float, the results have the bits of tg_forward, apart
 * from the bits of NaN; elsewhere they differ by rounding. expm1, log1p and erf, and with them elu,
 * selu, softplus, mish, logsigmoid and gelu, are computed in double and need it in double, too, or
 * may differ in rare last bits. Normalizations are not folded into the layer before them, since
 * that would change bits; they share one loop with the activation that follows.
 *
 * The forward is run twice, and the operations that lead from the input to the output are written
 * down: those of the layers of nn.h but Embedding; arithmetic, comparisons, where, clamp, lerp,
 * roundings, sqrt, exp, log, expm1, log1p, erf and activations; powers with the exponents 1, 2, 3,
 * -1, -2, 0.5 and -0.5; views, cat, stack, products, convolution, pooling, softmax, sums and means
 * over the last dimensions, and copy_, fill_ and zero_ of all elements of a tensor that the forward
 * has made. Another operation is TG_ERR_ARGUMENT, and the message names it and the module. So is a
 * forward that draws random numbers or changes statistics, as Dropout and BatchNorm do until
 * tg_eval, or one that computes with numbers which the program has read from the input. A decision
 * that the program takes in a forward is written down as it was taken for the example.
 *
 * The example and the output are float32. NULL for the options means the defaults. On failure
 * nothing in the context changes, and nothing is written, unless it is the write that fails: that
 * is TG_ERR_IO, and what the stream still buffers is seen to fail by fflush or fclose. */
TG_API bool tg_export_c(tg_module *module, tg_tensor *example_input, FILE *file,
                        const tg_export_options *options);

#ifdef __cplusplus
}
#endif

#endif
