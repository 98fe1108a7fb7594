/* The check of options that convolutions and their layers share. */
#ifndef TG_CONV_H
#define TG_CONV_H

#include "op.h"

/* Checks that all members of the options but the bias are in range. spatial is the number of
 * spatial dimensions, 1 or 2. Errors begin with `name`. */
bool tg__check_conv_options(tg_context *tg, const char *name, const tg_conv_options *o,
                            int spatial);

#endif
