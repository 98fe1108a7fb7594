/* What a convolution and its layer share. */
#ifndef TG_CONV_H
#define TG_CONV_H

#include "op.h"

/* Whether all members of the options but the bias are in their range; else the error. */
bool tg__check_conv_options(tg_context *tg, const char *name, const tg_conv_options *o,
                            int spatial);

#endif
