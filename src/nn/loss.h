/* What the losses share. */
#ifndef TG_LOSS_H
#define TG_LOSS_H

#include "../ops/passes.h"
#include "module.h"

/* Checks the input and the target of a loss, which messages call `name`. Sides of different shape
 * are an error, unless the reduction has TG_BROADCAST: both are then broadcast. */
bool tg__loss_sides(const char *name, tg_tensor **input, tg_tensor **target, int reduction);
/* Whether the number is TG_MEAN, TG_SUM or TG_NONE, with or without TG_BROADCAST; else records the
 * error. */
bool tg__check_reduction(tg_context *tg, const char *name, int reduction);
/* Returns the mean or the sum of the losses of all elements, or `loss` itself for TG_NONE. */
tg_tensor *tg__reduce_loss(tg_tensor *loss, int reduction);
/* Whether the operation is a mean, or the last one of a loss that is reduced to its mean. */
bool tg__is_mean(const record *r);
/* The name of the grad_fn of a loss that divides by the number of rows, by whose address
 * tg__is_mean knows it. */
extern const char tg__mean_of_batch[];
/* Applies o, an operation of src/ops/passes.h with a loss for each element, to both sides, whose
 * shapes are equal. s and t are its numbers. */
tg_tensor *tg__apply_loss(const op_row *o, tg_tensor *input, tg_tensor *target, double s, double t,
                          int reduction);
/* The shape rule of o. */
bool tg__loss_shape(const call *c, spec *s);
/* The gradient of each element, given the gradient g of the loss. The result has one number for all
 * elements, or one for each element if the result is to have a gradient itself. */
tg_tensor *tg__gradient_of_terms(const record *r, tg_tensor *g);
/* Applies the operation of a gradient of a loss to that gradient and both sides. Its numbers are
 * those of the loss. */
tg_tensor *tg__apply_loss_backward(const op_row *o, const record *r, tg_tensor *g);
/* Whether both sides are of one shape and floating dtype, which most are. */
static inline bool tg__are_alike(const tg_tensor *input, const tg_tensor *target)
{
    return input->dtype == target->dtype && tg__is_float(input->dtype) &&
           tg__same_sizes(input->ndim, input->shape, target->ndim, target->shape);
}
/* The check in tg__loss_sides. If the sides differ in shape and may broadcast, s gets their common
 * shape; if they have the same shape, s is left as it is. */
bool tg__check_sides(const char *name, tg_tensor *input, tg_tensor *target, int reduction, spec *s);
/* Opens the frame of a loss, checks its sides and returns its options. If the check fails, it sets
 * *input and *target to NULL, and the operations of the loss then return NULL. */
tg_loss_options tg__enter_loss(frame *f, const char *name, tg_tensor **input, tg_tensor **target,
                               const tg_loss_options *options);
/* Whether all options whose default is not 0 are 0, as in a literal that was not begun with the
 * defaults. */
bool tg__without_defaults(const tg_loss_options *o);

#endif
