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
    double lr;       /* >= 0, finite */
    double momentum; /* >= 0 */
    double dampening;
    double weight_decay; /* >= 0 */
    bool nesterov;       /* needs momentum > 0 and dampening 0 */
    bool maximize;
} tg_sgd_options;

/* lr 0.01, all else 0 or false. TG_SGD(.momentum = 0.9) keeps that lr; in the plain literal
 * &(tg_sgd_options){.momentum = 0.9} it is 0. */
#define TG_SGD_DEFAULTS .lr = 0.01, .maximize = false
#define TG_SGD(...)                                                                                \
    TG_BEGIN_OPTIONS(tg_sgd_options, tg_sgd_defaults(), TG_SGD_DEFAULTS, __VA_ARGS__)
TG_API tg_sgd_options tg_sgd_defaults(void);

/* As torch.optim.Adam:
 *     g += weight_decay * p;  m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g^2
 *     p -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
 * amsgrad: with the greatest v so far. adamw: as torch.optim.AdamW, no weight_decay in g, but first
 * p *= 1 - lr * weight_decay. Where v overflows the dtype, as for g = 1e30 in float32, p does not
 * move; RMSprop and Adagrad behave likewise, as in PyTorch. */
typedef struct tg_adam_options {
    double lr;           /* 0.001; >= 0, as all numbers here, and finite */
    double beta1, beta2; /* 0.9, 0.999; < 1, and not both 0 when eps is */
    double eps;          /* 1e-8 */
    double weight_decay; /* 0; adamw 0.01 */
    bool amsgrad;
    bool maximize;
} tg_adam_options;
typedef tg_adam_options tg_adamw_options;

/* As torch.optim.RMSprop:
 *     g += weight_decay * p;  v = alpha * v + (1 - alpha) * g^2;  p -= lr * g / (sqrt(v) + eps)
 * centered: v less the square of such an average of g. With momentum: buf = momentum * buf + g /
 * (sqrt(v) + eps);  p -= lr * buf */
typedef struct tg_rmsprop_options {
    double lr;       /* 0.01 */
    double momentum; /* 0 */
    double alpha;    /* 0.99; not 0 when eps is */
    double eps;      /* 1e-8 */
    double weight_decay;
    bool centered;
    bool maximize;
} tg_rmsprop_options;

/* As torch.optim.Adagrad, in step t:
 *     g += weight_decay * p;  v += g^2;  p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(v) + eps)
 */
typedef struct tg_adagrad_options {
    double lr; /* 0.01 */
    double lr_decay;
    double weight_decay;
    double initial_accumulator_value; /* of v */
    double eps;                       /* 1e-10 */
    bool maximize;
} tg_adagrad_options;

/* TG_ADAM(.lr = 0.01) and the like set the members they name; the others have the defaults noted
 * above. */
#define TG_ADAM_DEFAULTS .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .maximize = false
#define TG_ADAMW_DEFAULTS                                                                          \
    .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01, .maximize = false
#define TG_RMSPROP_DEFAULTS .lr = 0.01, .alpha = 0.99, .eps = 1e-8, .maximize = false
#define TG_ADAGRAD_DEFAULTS .lr = 0.01, .eps = 1e-10, .maximize = false
#define TG_ADAM(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_adam_options, tg_adam_defaults(), TG_ADAM_DEFAULTS, __VA_ARGS__)
#define TG_ADAMW(...)                                                                              \
    TG_BEGIN_OPTIONS(tg_adamw_options, tg_adamw_defaults(), TG_ADAMW_DEFAULTS, __VA_ARGS__)
#define TG_RMSPROP(...)                                                                            \
    TG_BEGIN_OPTIONS(tg_rmsprop_options, tg_rmsprop_defaults(), TG_RMSPROP_DEFAULTS, __VA_ARGS__)
#define TG_ADAGRAD(...)                                                                            \
    TG_BEGIN_OPTIONS(tg_adagrad_options, tg_adagrad_defaults(), TG_ADAGRAD_DEFAULTS, __VA_ARGS__)
TG_API tg_adam_options tg_adam_defaults(void);
TG_API tg_adamw_options tg_adamw_defaults(void);
TG_API tg_rmsprop_options tg_rmsprop_defaults(void);
TG_API tg_adagrad_options tg_adagrad_defaults(void);

/* For all parameters of a module, or for leaves that require grad. options NULL: the defaults. The
 * memory that steps need is taken here. A frozen parameter (tg_requires_grad_ with false) is
 * skipped by steps; if it was frozen here, its memory is taken by the first step after it requires
 * grad again. An empty list, such as a failed call returns, makes the call fail without a further
 * message. */
TG_API tg_optim *tg_sgd(tg_module *module, const tg_sgd_options *options);
TG_API tg_optim *tg_sgd_list(tg_list parameters, const tg_sgd_options *options);
TG_API tg_optim *tg_adam(tg_module *module, const tg_adam_options *options);
TG_API tg_optim *tg_adam_list(tg_list parameters, const tg_adam_options *options);
TG_API tg_optim *tg_adamw(tg_module *module, const tg_adamw_options *options);
TG_API tg_optim *tg_adamw_list(tg_list parameters, const tg_adamw_options *options);
TG_API tg_optim *tg_rmsprop(tg_module *module, const tg_rmsprop_options *options);
TG_API tg_optim *tg_rmsprop_list(tg_list parameters, const tg_rmsprop_options *options);
TG_API tg_optim *tg_adagrad(tg_module *module, const tg_adagrad_options *options);
TG_API tg_optim *tg_adagrad_list(tg_list parameters, const tg_adagrad_options *options);

/* Adds a group of parameters with options of their own. The optimiser is of that kind, and has none
 * of them yet; they live as long as it does. */
TG_API bool tg_sgd_group(tg_optim *optim, tg_list parameters, const tg_sgd_options *options);
TG_API bool tg_adam_group(tg_optim *optim, tg_list parameters, const tg_adam_options *options);
TG_API bool tg_adamw_group(tg_optim *optim, tg_list parameters, const tg_adamw_options *options);
TG_API bool tg_rmsprop_group(tg_optim *optim, tg_list parameters,
                             const tg_rmsprop_options *options);
TG_API bool tg_adagrad_group(tg_optim *optim, tg_list parameters,
                             const tg_adagrad_options *options);

/* As torch.optim.LBFGS: the direction comes from the last history_size changes of the gradient; the
 * step length is lr, or what a line search finds that meets the strong Wolfe conditions. Works in
 * float64 whatever the parameters are. A parameter that is frozen when the optimiser is made is
 * never updated by it.
 *
 * A loss or a gradient that is infinite or NaN ends the step with TG_ERR_ARGUMENT, and the
 * parameters go back to the last point where both were finite; if the caller had set them to a bad
 * point, they stay there. A line search treats such a trial as a step that was too long, and fails
 * only if it finds no finite one. PyTorch goes on from the bad point. */
typedef struct tg_lbfgs_options {
    double lr;               /* 1 */
    double tolerance_grad;   /* 1e-7: stops when no element of the gradient is larger, */
    double tolerance_change; /* 1e-9: or no element of the step, or the change of the loss */
    int64_t max_iter;        /* 20, in one step */
    int64_t max_eval;        /* of the loss, in one step; 0: max_iter * 5 / 4 */
    int64_t history_size;    /* 100. Memory is taken for twice history_size + min(max_iter - 1,
                                history_size) vectors of all parameters */
    bool strong_wolfe;       /* false: no line search */
} tg_lbfgs_options;

/* TG_LBFGS(.strong_wolfe = true) */
#define TG_LBFGS_DEFAULTS                                                                          \
    .lr = 1, .tolerance_grad = 1e-7, .tolerance_change = 1e-9, .max_iter = 20,                     \
    .history_size = 100, .strong_wolfe = false
#define TG_LBFGS(...)                                                                              \
    TG_BEGIN_OPTIONS(tg_lbfgs_options, tg_lbfgs_defaults(), TG_LBFGS_DEFAULTS, __VA_ARGS__)
TG_API tg_lbfgs_options tg_lbfgs_defaults(void);
TG_API tg_optim *tg_lbfgs(tg_module *module, const tg_lbfgs_options *options);
TG_API tg_optim *tg_lbfgs_list(tg_list parameters, const tg_lbfgs_options *options);

/* One update of every parameter that has a gradient; not recorded by autograd. Does nothing, and
 * returns false, while an error is pending. */
TG_API bool tg_step(tg_optim *optim);
/* The same after closure(user), which zeroes the gradients, computes the loss, calls tg_backward
 * and returns the loss; it runs in a scope of its own. LBFGS calls the closure several times, and
 * can be stepped only in this way. Returns the first loss; NaN on failure. When the closure fails,
 * the parameters and the optimiser are as they were before the step. */
TG_API double tg_step_closure(tg_optim *optim, tg_tensor *(*closure)(void *user), void *user);
/* The gradient of every parameter becomes none. */
TG_API bool tg_zero_grad(tg_optim *optim);

/* The number of groups; their learning rates, NaN where there is none; and setting them. tg_lr is
 * the first group's; tg_set_lr sets all. */
TG_API int tg_groups(const tg_optim *optim);
TG_API double tg_group_lr(const tg_optim *optim, int group);
TG_API bool tg_set_group_lr(tg_optim *optim, int group, double lr);
TG_API double tg_lr(const tg_optim *optim);
TG_API bool tg_set_lr(tg_optim *optim, double lr);

/* ---- Clipping, between backward and step. Parameters without a gradient are skipped. */

/* Scales all gradients so that their norm as one vector is max_norm at most. norm_type is 2,
 * another positive order, or INFINITY. Returns the norm before scaling, 0 for an empty list; NaN on
 * failure. A norm that is infinite or NaN makes the gradients 0 or NaN, as in PyTorch; with
 * error_if_nonfinite it is TG_ERR_ARGUMENT, and the gradients stay as they are. */
TG_API double tg_clip_grad_norm_(tg_list parameters, double max_norm, double norm_type,
                                 bool error_if_nonfinite);
/* Cuts every element to [-clip_value, clip_value]. True for an empty list. */
TG_API bool tg_clip_grad_value_(tg_list parameters, double clip_value);

/* ---- Schedules of the learning rate, of all groups, as torch.optim.lr_scheduler. Each belongs to
 * the scope it is made in, and its optimiser must outlive it. A step changes the rate that it
 * finds, so that several schedules of one optimiser multiply their factors; only one_cycle_lr sets
 * the rate itself. */
typedef struct tg_scheduler tg_scheduler;

/* step_lr multiplies the rate by gamma every step_size steps, exponential_lr every step. */
TG_API tg_scheduler *tg_step_lr(tg_optim *optim, int64_t step_size, double gamma);
TG_API tg_scheduler *tg_exponential_lr(tg_optim *optim, double gamma);
/* From lr down to eta_min along a cosine in T_max steps, then up again to the rate that the
 * optimiser had before its first schedule, and so on. If the rate is eta_min when the schedule is
 * made, because another one has ended there, it is set to that first rate (PyTorch 1.13 stays at
 * eta_min). */
TG_API tg_scheduler *tg_cosine_annealing_lr(tg_optim *optim, int64_t T_max, double eta_min);

/* Up from max_lr / div_factor to max_lr in the first pct_start of total_steps, then down to max_lr
 * / div_factor / final_div_factor; three_phase: down as it went up first. The momentum, or beta1,
 * goes the other way. */
typedef struct tg_one_cycle_options {
    double max_lr;
    int64_t total_steps;
    double pct_start;                    /* 0.3 */
    bool linear;                         /* false: along a cosine */
    bool cycle_momentum;                 /* true */
    double base_momentum, max_momentum;  /* 0.85, 0.95 */
    double div_factor, final_div_factor; /* 25, 1e4 */
    bool three_phase;
} tg_one_cycle_options;

/* TG_ONE_CYCLE(.max_lr = 0.1, .total_steps = 500): these two have no default, and tg_one_cycle_lr
 * therefore refuses NULL in place of the options. */
#define TG_ONE_CYCLE_DEFAULTS                                                                      \
    .pct_start = 0.3, .cycle_momentum = true, .base_momentum = 0.85, .max_momentum = 0.95,         \
    .div_factor = 25, .final_div_factor = 1e4, .three_phase = false
#define TG_ONE_CYCLE(...)                                                                          \
    TG_BEGIN_OPTIONS(tg_one_cycle_options, tg_one_cycle_defaults(0, 0), TG_ONE_CYCLE_DEFAULTS,     \
                     __VA_ARGS__)
TG_API tg_one_cycle_options tg_one_cycle_defaults(double max_lr, int64_t total_steps);
TG_API tg_scheduler *tg_one_cycle_lr(tg_optim *optim, const tg_one_cycle_options *options);

/* lr * factor when a metric has not become better for more than patience steps. */
typedef struct tg_plateau_options {
    bool max;         /* more is better */
    double factor;    /* 0.1 */
    int64_t patience; /* 10 */
    double threshold; /* 1e-4: better is by that share of the best, */
    bool absolute;    /* or by that much */
    int64_t cooldown; /* steps after a change in which none are counted */
    double min_lr;
    double eps; /* 1e-8: smaller changes are not made */
} tg_plateau_options;

/* TG_PLATEAU(.patience = 5) */
#define TG_PLATEAU_DEFAULTS .factor = 0.1, .patience = 10, .threshold = 1e-4, .eps = 1e-8
#define TG_PLATEAU(...)                                                                            \
    TG_BEGIN_OPTIONS(tg_plateau_options, tg_plateau_defaults(), TG_PLATEAU_DEFAULTS, __VA_ARGS__)
TG_API tg_plateau_options tg_plateau_defaults(void);
TG_API tg_scheduler *tg_reduce_lr_on_plateau(tg_optim *optim, const tg_plateau_options *options);

/* After each step or epoch, as you choose. reduce_lr_on_plateau takes the metric. */
TG_API bool tg_scheduler_step(tg_scheduler *scheduler);
TG_API bool tg_scheduler_step_metric(tg_scheduler *scheduler, double metric);

#ifdef __cplusplus
}
#endif

#endif
