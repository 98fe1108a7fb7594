/* Modules and losses. */
#ifndef TINYGRAD_NN_H
#define TINYGRAD_NN_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A layer or a loss: parameters and a forward function. Belongs to the scope it was made in. */
typedef struct tg_module tg_module;

/* ---- Modules. */

typedef enum tg_bias { TG_NO_BIAS, TG_BIAS } tg_bias;

/* The dtype of the parameters of modules made from here on: TG_F32 unless set, or TG_F64. */
TG_API bool tg_set_default_dtype(tg_context *tg, tg_dtype dtype);

/* y = x weight^T + bias: x (*, in_features), y (*, out_features), weight (out_features,
 * in_features), bias (out_features). Drawn from the context's stream, weight first, both uniform on
 * +-1 / sqrt(in_features). Both sizes at least 1. */
TG_API tg_module *tg_linear(tg_context *tg, int64_t in_features, int64_t out_features,
                            tg_bias bias);

/* The output of a module for x. A loss module takes two tensors (tg_loss): TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_forward(tg_module *module, tg_tensor *x);

/* The parameters, in order; the array belongs to the module. Empty for NULL. */
TG_API tg_list tg_parameters(const tg_module *module);
/* By PyTorch's name, "weight" or "bias"; no such name is TG_ERR_ARGUMENT. Belongs to the module. */
TG_API tg_tensor *tg_param(const tg_module *module, const char *name);
/* The name of parameter i; NULL out of range. Belongs to the module. */
TG_API const char *tg_param_name(const tg_module *module, int i);

/* Each element is zeroed with probability p, the others multiplied by 1 / (1 - p), while training;
 * x itself otherwise. Draws from the context's stream. 0 <= p <= 1. */
TG_API tg_tensor *tg_dropout(tg_tensor *x, double p, bool training);

/* ---- Losses. Both sides must have one shape and one dtype: (n) against (n, 1) would broadcast to
 * (n, n) and be wrong, so it is TG_ERR_SHAPE, with the cure in the message. TG_BROADCAST, added
 * to the reduction, allows it. */
enum { TG_MEAN = 0, TG_SUM = 1, TG_NONE = 2, TG_BROADCAST = 4 };

/* (input - target)^2: its mean, its sum, or element by element. */
TG_API tg_tensor *tg_mse_loss(tg_tensor *input, tg_tensor *target, int reduction);
/* The same as a module without parameters, for tg_loss. */
TG_API tg_module *tg_mseloss(tg_context *tg, int reduction);
/* The output of a loss module. */
TG_API tg_tensor *tg_loss(tg_module *loss, tg_tensor *input, tg_tensor *target);

#ifdef __cplusplus
}
#endif

#endif
