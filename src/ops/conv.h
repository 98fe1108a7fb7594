/* What convolutions, their layers, and the export of both share. */
#ifndef TG_CONV_H
#define TG_CONV_H

#include "op.h"

/* The attributes. The first three and CONV_SIZE have a number for each of the two spatial
 * dimensions. CONV_SIZE is the size of what a gradient operation computes, which its inputs do not
 * tell: of the image of x, or of the kernel. */
enum { CONV_STRIDE = 0, CONV_PADDING = 2, CONV_DILATION = 4, CONV_GROUPS = 6, CONV_SIZE = 7 };

/* The rows of the result, of oh rows and ow columns, that one matrix product computes. k is the
 * number of terms of an element. The matrix of their patches has about CONV_PANEL elements. */
static inline int64_t tg__conv_rows(int64_t k, int64_t oh, int64_t ow)
{
    enum { CONV_PANEL = 1 << 16 };
    const int64_t rows = CONV_PANEL / tg__times(k, ow) + 1;
    return rows < oh ? rows : oh;
}

/* Checks that all members of the options but the bias are in range. spatial is the number of
 * spatial dimensions, 1 or 2. Errors begin with `name`. */
bool tg__check_conv_options(tg_context *tg, const char *name, const tg_conv_options *o,
                            int spatial);

#endif
