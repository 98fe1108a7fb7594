/* Printing, as PyTorch prints: 4 decimals, aligned columns, scientific form where the range asks
 * for it, a summary with "..." above 1000 elements, dtype where it is not the default
 * (tg_set_default_dtype), grad_fn or requires_grad. The decimal point is "." in every locale. */
#ifndef TINYGRAD_IO_H
#define TINYGRAD_IO_H

#include <stdio.h>

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes t, and a newline, to file. Works while an error is pending, and needs no memory. NULL for
 * file is TG_ERR_ARGUMENT. A failed write is TG_ERR_IO; what the stream still buffers is seen to
 * fail by fflush or fclose. */
TG_API bool tg_print(FILE *file, const tg_tensor *t);

/* Writes t, without a newline, to at most size bytes of buffer, the closing 0 included. Returns the
 * length of the whole text, as snprintf does, so that buffer NULL and size 0 measures. On failure
 * it returns 0, with "" in the buffer. Works while an error is pending, and needs no memory. */
TG_API size_t tg_snprint(char *buffer, size_t size, const tg_tensor *t);

#ifdef __cplusplus
}
#endif

#endif
