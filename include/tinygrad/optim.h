/* Optimisers. */
#ifndef TINYGRAD_OPTIM_H
#define TINYGRAD_OPTIM_H

#include "nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Updates parameters from their gradients. Belongs, with its state, to the scope it was made in. */
typedef struct tg_optim tg_optim;

/* As torch.optim.SGD. With g the gradient (its negative if maximize):
 *     g += weight_decay * p;  buf = g at first, then momentum * buf + (1 - dampening) * g;
 *     g = nesterov ? g + momentum * buf : buf  (momentum 0: no buf);  p -= lr * g */
typedef struct tg_sgd_options {
    double lr;       /* > = 0, finite */
    double momentum; /* >= 0 */
    double dampening;
    double weight_decay; /* >= 0 */
    bool nesterov;       /* needs momentum > 0 and dampening 0 */
    bool maximize;
} tg_sgd_options;

/* lr 0.01, all else 0 or false. */
TG_API tg_sgd_options tg_sgd_defaults(void);

/* For all parameters of a module, or for leaves that require grad. options NULL: tg_sgd_defaults().
 * All memory the optimiser will need is taken here. */
TG_API tg_optim *tg_sgd(tg_module *module, const tg_sgd_options *options);
TG_API tg_optim *tg_sgd_list(tg_list parameters, const tg_sgd_options *options);

/* One update of every parameter that has a gradient; not recorded by autograd. Does nothing, and
 * returns false, while an error is pending. */
TG_API bool tg_step(tg_optim *optim);
/* The gradient of every parameter becomes none. */
TG_API bool tg_zero_grad(tg_optim *optim);

/* The learning rate; NaN for NULL. Setting: >= 0 and finite. */
TG_API double tg_lr(const tg_optim *optim);
TG_API bool tg_set_lr(tg_optim *optim, double lr);

#ifdef __cplusplus
}
#endif

#endif
