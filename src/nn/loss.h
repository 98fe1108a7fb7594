/* What the losses share. */
#ifndef TG_LOSS_H
#define TG_LOSS_H

#include "module.h"

/* Checks what every loss refuses, sides of different shape first; broadcasts them where that is
 * allowed. */
bool tg__loss_sides(const char *name, tg_tensor **input, tg_tensor **target, int reduction);
/* Whether that is a reduction, with or without TG_BROADCAST; else the error. */
bool tg__check_reduction(tg_context *tg, const char *name, int reduction);
/* The mean or the sum of a loss, or itself. */
tg_tensor *tg__reduce_loss(tg_tensor *loss, int reduction);
/* Checks the sides of a loss. Where they broadcast, s gets the common shape; s->ndim stays as it is
 * if they are of one shape. */
bool tg__check_sides(const char *name, tg_tensor *input, tg_tensor *target, int reduction, spec *s);
/* Opens the frame of a loss and checks its sides; where they do not fit they become NULL, which the
 * operations of the loss pass on. */
tg_loss_options tg__enter_loss(frame *f, const char *name, tg_tensor **input, tg_tensor **target,
                               const tg_loss_options *options);

#endif
