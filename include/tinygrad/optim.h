/* Optimisers, clipping and schedules, as torch.optim, and the fit of a curve.
 *
 * In the formulas p is a parameter, g its gradient, or -g if maximize is true, and t the number of
 * the step, from 1. They hold element by element; v and the like begin as 0. Where v overflows the
 * dtype, as for g = 1e30 in float32, p does not move, as in PyTorch. All numbers among the options
 * of an optimiser must be finite and, where nothing else is said, not negative; else
 * TG_ERR_ARGUMENT. */
#ifndef TINYGRAD_OPTIM_H
#define TINYGRAD_OPTIM_H

#include "autograd.h"
#include "nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Updates parameters from their gradients. It belongs, with its state, to the scope it was made in,
 * and its parameters must live as long as it does. The memory that steps need is taken when it is
 * made. A frozen parameter (tg_requires_grad_ with false) is skipped by steps; if it was frozen
 * when the optimiser was made, its memory is taken by the first step after it requires grad again.
 */
typedef struct tg_optim tg_optim;

/* ---- The optimisers' options. */

/* The options of tg_sgd. A step computes
 *     g = g + weight_decay p
 *     buf = g in the first step, then momentum buf + (1 - dampening) g
 *     g = g + momentum buf if nesterov, else buf (without momentum there is no buf)
 *     p = p - lr g */
typedef struct tg_sgd_options {
    double lr;           /* 0.01: the learning rate */
    double momentum;     /* 0 */
    double dampening;    /* 0; may be negative */
    double weight_decay; /* 0 */
    bool nesterov;       /* false; needs a dampening of 0, and a momentum that is not 0 */
    bool maximize;       /* false; true: the loss is to grow */
} tg_sgd_options;

/* Internal: the defaults with which TG_SGD begins in C; see options.h. All such lists end with the
 * last member of the struct, so that the compiler warns of a value without a name. */
#define TG_SGD_DEFAULTS .lr = 0.01, .maximize = false
/* A pointer to options of tg_sgd, of which these are changed: TG_SGD(.momentum = 0.9), where lr is
 * 0.01; in the plain literal &(tg_sgd_options){.momentum = 0.9} it is 0. */
#define TG_SGD(...)                                                                                \
    TG_BEGIN_OPTIONS(tg_sgd_options, tg_sgd_defaults(), TG_SGD_DEFAULTS, __VA_ARGS__)
/* The default options of tg_sgd, which stand beside the members. */
TG_API tg_sgd_options tg_sgd_defaults(void);

/* The options of tg_adam and tg_adamw. A step of Adam computes
 *     g = g + weight_decay p
 *     m = beta1 m + (1 - beta1) g
 *     v = beta2 v + (1 - beta2) g^2
 *     p = p - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
 * With amsgrad, the last line has the greatest v so far in the place of v. AdamW leaves the first
 * line out and begins with p = (1 - lr weight_decay) p. Both read all options. It is
 * TG_ERR_ARGUMENT if beta1, beta2 and eps are all 0, as in a plain literal that leaves them out. */
typedef struct tg_adam_options {
    double lr;           /* 0.001: the learning rate */
    double beta1, beta2; /* 0.9, 0.999; less than 1 */
    double eps;          /* 1e-8 */
    double weight_decay; /* 0; for AdamW 0.01 */
    bool amsgrad;        /* false */
    bool maximize;       /* false; true: the loss is to grow */
} tg_adam_options;

/* The options of tg_adamw: those of tg_adam, with a default weight_decay of 0.01. */
typedef tg_adam_options tg_adamw_options;

/* The options of tg_rmsprop. A step computes
 *     g = g + weight_decay p
 *     v = alpha v + (1 - alpha) g^2
 *     p = p - lr g / (sqrt(v) + eps)
 * If centered is true, v - m^2 stands in the place of v in the last line, with
 *     m = alpha m + (1 - alpha) g
 * With a momentum the last line is
 *     buf = momentum buf + g / (sqrt(v) + eps),  p = p - lr buf
 *
 * It is TG_ERR_ARGUMENT if alpha and eps are both 0, as in a plain literal that leaves them out. */
typedef struct tg_rmsprop_options {
    double lr;           /* 0.01: the learning rate */
    double momentum;     /* 0 */
    double alpha;        /* 0.99 */
    double eps;          /* 1e-8 */
    double weight_decay; /* 0 */
    bool centered;       /* false */
    bool maximize;       /* false; true: the loss is to grow */
} tg_rmsprop_options;

/* The options of tg_adagrad. A step computes
 *     g = g + weight_decay p
 *     v = v + g^2, where v begins as initial_accumulator_value
 *     p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps) */
typedef struct tg_adagrad_options {
    double lr;                        /* 0.01: the learning rate */
    double lr_decay;                  /* 0 */
    double weight_decay;              /* 0 */
    double initial_accumulator_value; /* 0 */
    double eps;                       /* 1e-10 */
    bool maximize;                    /* false; true: the loss is to grow */
} tg_adagrad_options;

/* Internal: the defaults with which TG_ADAM begins in C; see options.h. */
#define TG_ADAM_DEFAULTS .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .maximize = false
/* Internal: the defaults with which TG_ADAMW begins in C; see options.h. */
#define TG_ADAMW_DEFAULTS                                                                          \
    .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01, .maximize = false
/* Internal: the defaults with which TG_RMSPROP begins in C; see options.h. */
#define TG_RMSPROP_DEFAULTS .lr = 0.01, .alpha = 0.99, .eps = 1e-8, .maximize = false
/* Internal: the defaults with which TG_ADAGRAD begins in C; see options.h. */
#define TG_ADAGRAD_DEFAULTS .lr = 0.01, .eps = 1e-10, .maximize = false
/* A pointer to options of tg_adam, of which these are changed: TG_ADAM(.lr = 0.01). */
#define TG_ADAM(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_adam_options, tg_adam_defaults(), TG_ADAM_DEFAULTS, __VA_ARGS__)
/* A pointer to options of tg_adamw, of which these are changed: TG_ADAMW(.lr = 0.01). */
#define TG_ADAMW(...)                                                                              \
    TG_BEGIN_OPTIONS(tg_adamw_options, tg_adamw_defaults(), TG_ADAMW_DEFAULTS, __VA_ARGS__)
/* A pointer to options of tg_rmsprop, of which these are changed: TG_RMSPROP(.centered = true). */
#define TG_RMSPROP(...)                                                                            \
    TG_BEGIN_OPTIONS(tg_rmsprop_options, tg_rmsprop_defaults(), TG_RMSPROP_DEFAULTS, __VA_ARGS__)
/* A pointer to options of tg_adagrad, of which these are changed: TG_ADAGRAD(.lr = 0.1). */
#define TG_ADAGRAD(...)                                                                            \
    TG_BEGIN_OPTIONS(tg_adagrad_options, tg_adagrad_defaults(), TG_ADAGRAD_DEFAULTS, __VA_ARGS__)
/* The default options of tg_adam, which stand beside the members. */
TG_API tg_adam_options tg_adam_defaults(void);
/* The default options of tg_adamw, which stand beside the members. */
TG_API tg_adamw_options tg_adamw_defaults(void);
/* The default options of tg_rmsprop, which stand beside the members. */
TG_API tg_rmsprop_options tg_rmsprop_defaults(void);
/* The default options of tg_adagrad, which stand beside the members. */
TG_API tg_adagrad_options tg_adagrad_defaults(void);

/* ---- Making optimisers. */

/* torch.optim.SGD for all parameters of a module, in one group. A module without parameters is
 * TG_ERR_ARGUMENT. */
TG_API tg_optim *tg_sgd(tg_module *module, const tg_sgd_options *options);

/* torch.optim.SGD for these parameters, in one group. Each must be a leaf that requires grad, or
 * one that is frozen, and stand there once, else TG_ERR_ARGUMENT; its scope must not end before the
 * optimiser's, else TG_ERR_CONTEXT. An empty list, such as a failed call returns, makes the call
 * fail without a further message. */
TG_API tg_optim *tg_sgd_list(tg_list parameters, const tg_sgd_options *options);

/* torch.optim.Adam for all parameters of a module, in one group. A module without parameters is
 * TG_ERR_ARGUMENT. */
TG_API tg_optim *tg_adam(tg_module *module, const tg_adam_options *options);

/* torch.optim.Adam for these parameters, in one group, by the rules of tg_sgd_list. */
TG_API tg_optim *tg_adam_list(tg_list parameters, const tg_adam_options *options);

/* torch.optim.AdamW for all parameters of a module, in one group. A module without parameters is
 * TG_ERR_ARGUMENT. */
TG_API tg_optim *tg_adamw(tg_module *module, const tg_adamw_options *options);

/* torch.optim.AdamW for these parameters, in one group, by the rules of tg_sgd_list. */
TG_API tg_optim *tg_adamw_list(tg_list parameters, const tg_adamw_options *options);

/* torch.optim.RMSprop for all parameters of a module, in one group. A module without parameters is
 * TG_ERR_ARGUMENT. */
TG_API tg_optim *tg_rmsprop(tg_module *module, const tg_rmsprop_options *options);

/* torch.optim.RMSprop for these parameters, in one group, by the rules of tg_sgd_list. */
TG_API tg_optim *tg_rmsprop_list(tg_list parameters, const tg_rmsprop_options *options);

/* torch.optim.Adagrad for all parameters of a module, in one group. A module without parameters is
 * TG_ERR_ARGUMENT. */
TG_API tg_optim *tg_adagrad(tg_module *module, const tg_adagrad_options *options);

/* torch.optim.Adagrad for these parameters, in one group, by the rules of tg_sgd_list. */
TG_API tg_optim *tg_adagrad_list(tg_list parameters, const tg_adagrad_options *options);

/* Adds a group of parameters, with options of its own, to an optimiser that tg_sgd or tg_sgd_list
 * has made. The parameters are as in tg_sgd_list, and none may be in a group of it already.
 * PyTorch: optim.add_param_group. */
TG_API bool tg_sgd_group(tg_optim *optim, tg_list parameters, const tg_sgd_options *options);

/* Adds a group of parameters, with options of its own, to an optimiser that tg_adam or tg_adam_list
 * has made, by the rules of tg_sgd_group. */
TG_API bool tg_adam_group(tg_optim *optim, tg_list parameters, const tg_adam_options *options);

/* Adds a group of parameters, with options of its own, to an optimiser that tg_adamw or
 * tg_adamw_list has made, by the rules of tg_sgd_group. */
TG_API bool tg_adamw_group(tg_optim *optim, tg_list parameters, const tg_adamw_options *options);

/* Adds a group of parameters, with options of its own, to an optimiser that tg_rmsprop or
 * tg_rmsprop_list has made, by the rules of tg_sgd_group. */
TG_API bool tg_rmsprop_group(tg_optim *optim, tg_list parameters,
                             const tg_rmsprop_options *options);

/* Adds a group of parameters, with options of its own, to an optimiser that tg_adagrad or
 * tg_adagrad_list has made, by the rules of tg_sgd_group. Unlike in PyTorch, it begins with its own
 * initial_accumulator_value. */
TG_API bool tg_adagrad_group(tg_optim *optim, tg_list parameters,
                             const tg_adagrad_options *options);

/* What the callback of tg_lbfgs is told. */
typedef struct tg_lbfgs_progress {
    int64_t iteration;   /* how many iterations the step has made; 0: it has just begun */
    int64_t evaluations; /* how often the step has evaluated the loss */
    double loss;         /* the loss for the parameters as they are */
    double max_grad;     /* the greatest |element| of its gradient */
} tg_lbfgs_progress;

/* The options of tg_lbfgs. max_iter and history_size are at most 2^31 - 1. */
typedef struct tg_lbfgs_options {
    double lr; /* 1: the factor of the direction; of the first trial, if there is a line search */
    double tolerance_grad;   /* 1e-7: the step ends when no element of the gradient is larger */
    double tolerance_change; /* 1e-9: the step ends when no parameter changes by more, or the loss
                                does not */
    int64_t max_iter;        /* 20: iterations in one step, at least 1 */
    int64_t max_eval;     /* 0, which means max_iter * 5 / 4: evaluations of the loss in one step */
    int64_t history_size; /* 100, at least 1: changes of the gradient that make the direction.
                             Memory is taken for twice history_size + min(max_iter - 1,
                             history_size) vectors of all parameters */
    bool strong_wolfe;    /* false; true: a line search, by the strong Wolfe conditions */
    /* NULL; called with the user of tg_step_closure where a step begins and after each iteration,
     * in a scope of its own. It may read the parameters, which are where the iteration has led, but
     * must not change them. Where it returns false the step ends, which is no error, and the
     * parameters stay there. Without a line search the last of max_iter iterations does not
     * evaluate the loss where it ends, and the callback is not called after it. */
    bool (*callback)(const tg_lbfgs_progress *progress, void *user);
} tg_lbfgs_options;

/* Internal: the defaults with which TG_LBFGS begins in C; see options.h. */
#define TG_LBFGS_DEFAULTS                                                                          \
    .lr = 1, .tolerance_grad = 1e-7, .tolerance_change = 1e-9, .max_iter = 20,                     \
    .history_size = 100, .strong_wolfe = false, .callback = NULL
/* A pointer to options of tg_lbfgs, of which these are changed: TG_LBFGS(.strong_wolfe = true). */
#define TG_LBFGS(...)                                                                              \
    TG_BEGIN_OPTIONS(tg_lbfgs_options, tg_lbfgs_defaults(), TG_LBFGS_DEFAULTS, __VA_ARGS__)
/* The default options of tg_lbfgs, which stand beside the members. */
TG_API tg_lbfgs_options tg_lbfgs_defaults(void);

/* torch.optim.LBFGS for all parameters of a module: the direction comes from the last history_size
 * changes of the gradient; the step length is lr, or what a line search finds that meets the strong
 * Wolfe conditions. It is stepped by tg_step_closure, works in float64 whatever the parameters are,
 * and has one group. A parameter that is frozen when the optimiser is made is never updated by it.
 *
 * A loss or a gradient that is infinite or NaN ends the step with TG_ERR_ARGUMENT, and the
 * parameters go back to the last point where both were finite; if the caller had set them to a bad
 * point, they stay there. A line search treats such a trial as a step that was too long, and fails
 * only if it finds no finite one. PyTorch goes on from the bad point. */
TG_API tg_optim *tg_lbfgs(tg_module *module, const tg_lbfgs_options *options);

/* tg_lbfgs for these parameters, by the rules of tg_sgd_list. */
TG_API tg_optim *tg_lbfgs_list(tg_list parameters, const tg_lbfgs_options *options);

/* ---- Steps. */

/* Updates every parameter that has a gradient and is not frozen; autograd does not record that. If
 * it fails, no parameter has changed. LBFGS is TG_ERR_ARGUMENT: it needs tg_step_closure. */
TG_API bool tg_step(tg_optim *optim);

/* Calls closure(user), in a scope of its own, and then makes the step that tg_step makes; LBFGS
 * calls the closure several times. The closure zeroes the gradients, computes the loss, calls
 * tg_backward and returns the loss. Returns the first loss; NaN on failure. When the closure fails,
 * or leaves an error in the callback of LBFGS, the parameters and the optimiser are as they were
 * before the step. */
TG_API double tg_step_closure(tg_optim *optim, tg_tensor *(*closure)(void *user), void *user);

/* Makes the gradient of every parameter none: grad becomes NULL. */
TG_API bool tg_zero_grad(tg_optim *optim);

/* ---- Groups and their learning rates. Group 0 is the one that the optimiser was made with. */

/* The number of groups. 0 for NULL. */
TG_API int tg_groups(const tg_optim *optim);

/* The learning rate of a group; NaN if there is no such group, and for NULL. */
TG_API double tg_group_lr(const tg_optim *optim, int group);

/* Sets the learning rate of a group. One that does not exist is TG_ERR_INDEX. */
TG_API bool tg_set_group_lr(tg_optim *optim, int group, double lr);

/* The learning rate of group 0; NaN for NULL. */
TG_API double tg_lr(const tg_optim *optim);

/* Sets the learning rate of all groups. */
TG_API bool tg_set_lr(tg_optim *optim, double lr);

/* ---- State, to keep or to go on with. */

/* The state of an optimiser, as PyTorch's optimizer.state_dict(): "state.0.exp_avg",
 * "state.0.step", "param_groups.0.lr", "param_groups.0.betas.0" and so on. Parameters are numbered
 * from 0 through all groups; one that was never updated has no state. Numbers are scalars, float64,
 * int64 or bool. If the optimiser was made of a module, the texts "param_groups.0.param_names.0"
 * and so on name the parameters. The averages are the optimiser's own tensors, which steps change;
 * tg_state_clone copies them. */
TG_API tg_state *tg_optim_state_dict(const tg_optim *optim);

/* Sets an optimiser to a state of one of the same kind, with as many groups and parameters: its
 * averages, numbers of steps and options, learning rates included. All is set or nothing: one
 * message names all that is missing, has no place, or is of another shape, dtype or range; names of
 * parameters that differ are an error. A state from PyTorch may come from a file; its options that
 * mean nothing here are passed over. */
TG_API bool tg_optim_load_state_dict(tg_optim *optim, const tg_state *state);

/* ---- Clipping, between backward and step, as torch.nn.utils. Parameters without a gradient are
 * skipped. */

/* Scales all gradients by min(1, max_norm / (norm + 1e-6)), where norm is their norm as one vector.
 * norm_type is 2, another positive order, or INFINITY; max_norm is not negative. Returns the norm
 * before scaling, 0 for an empty list; NaN on failure. A norm that is infinite or NaN makes the
 * gradients 0 or NaN, as in PyTorch; with error_if_nonfinite it is TG_ERR_ARGUMENT, and the
 * gradients stay as they are. */
TG_API double tg_clip_grad_norm_(tg_list parameters, double max_norm, double norm_type,
                                 bool error_if_nonfinite);

/* Cuts every element of every gradient to [-clip_value, clip_value]; clip_value is not negative.
 * True for an empty list. */
TG_API bool tg_clip_grad_value_(tg_list parameters, double clip_value);

/* ---- Schedules of the learning rate, as torch.optim.lr_scheduler. */

/* Changes the learning rate of all groups of an optimiser, step by step. It belongs to the scope it
 * was made in, and its optimiser must outlive it. A step changes the rate that it finds, so that
 * several schedules of one optimiser multiply their factors; only one_cycle_lr sets the rate
 * itself. */
typedef struct tg_scheduler tg_scheduler;

/* StepLR: multiplies the rate by gamma after every step_size steps; step_size is at least 1. */
TG_API tg_scheduler *tg_step_lr(tg_optim *optim, int64_t step_size, double gamma);

/* ExponentialLR: multiplies the rate by gamma every step. */
TG_API tg_scheduler *tg_exponential_lr(tg_optim *optim, double gamma);

/* CosineAnnealingLR: from the rate down to eta_min along a cosine in T_max steps, then up again to
 * the rate that the optimiser had before its first schedule, and so on. If the rate is eta_min when
 * the schedule is made, because another one has ended there, it is set to that first rate
 * (PyTorch 1.13 stays at eta_min). */
TG_API tg_scheduler *tg_cosine_annealing_lr(tg_optim *optim, int64_t T_max, double eta_min);

/* The options of tg_one_cycle_lr. max_lr, total_steps and both factors must be positive; pct_start
 * is at most 1, and both momenta are less than 1. */
typedef struct tg_one_cycle_options {
    double max_lr;           /* the greatest rate; it has no default */
    int64_t total_steps;     /* of the whole cycle; it has no default */
    double pct_start;        /* 0.3: the share of the steps in which the rate goes up */
    bool linear;             /* false: along a cosine; true: along straight lines */
    bool cycle_momentum;     /* true: the momentum goes the other way */
    double base_momentum;    /* 0.85: the least momentum */
    double max_momentum;     /* 0.95: the greatest momentum, at the beginning and at the end */
    double div_factor;       /* 25: the first rate is max_lr / div_factor */
    double final_div_factor; /* 1e4: the last rate is max_lr / div_factor / final_div_factor */
    bool three_phase; /* false; true: down to the first rate as it went up, then to the last */
} tg_one_cycle_options;

/* Internal: the defaults with which TG_ONE_CYCLE begins in C; see options.h. */
#define TG_ONE_CYCLE_DEFAULTS                                                                      \
    .pct_start = 0.3, .cycle_momentum = true, .base_momentum = 0.85, .max_momentum = 0.95,         \
    .div_factor = 25, .final_div_factor = 1e4, .three_phase = false
/* A pointer to options of tg_one_cycle_lr, of which these are set: TG_ONE_CYCLE(.max_lr = 0.1,
 * .total_steps = 500). These two have no default. */
#define TG_ONE_CYCLE(...)                                                                          \
    TG_BEGIN_OPTIONS(tg_one_cycle_options, tg_one_cycle_defaults(0, 0), TG_ONE_CYCLE_DEFAULTS,     \
                     __VA_ARGS__)
/* The options of tg_one_cycle_lr with this max_lr and total_steps, and the defaults that stand
 * beside the other members. */
TG_API tg_one_cycle_options tg_one_cycle_defaults(double max_lr, int64_t total_steps);

/* OneCycleLR: the rate goes from max_lr / div_factor up to max_lr, then down to max_lr / div_factor
 * / final_div_factor. The momentum (Adam's beta1) goes from max_momentum down to base_momentum and
 * up again; an optimiser without momentum is TG_ERR_ARGUMENT unless cycle_momentum is false. The
 * first rate and momentum are set here. A way up of less than one step, where pct_start *
 * total_steps is less than 1, is skipped, as in PyTorch: the rate is then on its way down from the
 * beginning. More than total_steps steps are TG_ERR_ARGUMENT, and so are options that are NULL, as
 * max_lr and total_steps have no default. */
TG_API tg_scheduler *tg_one_cycle_lr(tg_optim *optim, const tg_one_cycle_options *options);

/* The options of tg_reduce_lr_on_plateau. */
typedef struct tg_plateau_options {
    bool max;         /* false: a smaller metric is better; true: a greater one */
    double factor;    /* 0.1: by which the rate is multiplied; in [0, 1) */
    int64_t patience; /* 10: how many steps in a row may pass without a better metric */
    double threshold; /* 1e-4: a metric is better if it beats the best by more than this */
    bool absolute; /* false: threshold is a share of the best metric; true: a difference from it */
    int64_t cooldown; /* 0: how many steps after a change of the rate are not counted */
    double min_lr;    /* 0: the least rate */
    double eps;       /* 1e-8: a change of the rate that is not larger is not made */
} tg_plateau_options;

/* Internal: the defaults with which TG_PLATEAU begins in C; see options.h. */
#define TG_PLATEAU_DEFAULTS .factor = 0.1, .patience = 10, .threshold = 1e-4, .eps = 1e-8
/* A pointer to options of tg_reduce_lr_on_plateau, of which these are changed: TG_PLATEAU(.patience
 * = 5). */
#define TG_PLATEAU(...)                                                                            \
    TG_BEGIN_OPTIONS(tg_plateau_options, tg_plateau_defaults(), TG_PLATEAU_DEFAULTS, __VA_ARGS__)
/* The default options of tg_reduce_lr_on_plateau, which stand beside the members. */
TG_API tg_plateau_options tg_plateau_defaults(void);

/* ReduceLROnPlateau: multiplies the rate by factor when the metric that tg_scheduler_step_metric is
 * given has not become better for more than patience steps. */
TG_API tg_scheduler *tg_reduce_lr_on_plateau(tg_optim *optim, const tg_plateau_options *options);

/* Makes a step of any schedule but reduce_lr_on_plateau, which is TG_ERR_ARGUMENT: the program
 * calls it after each tg_step, or after each epoch, whichever the numbers of the schedule count. */
TG_API bool tg_scheduler_step(tg_scheduler *scheduler);

/* Makes a step of reduce_lr_on_plateau with this metric, such as the loss of an epoch. Another
 * schedule is TG_ERR_ARGUMENT. */
TG_API bool tg_scheduler_step_metric(tg_scheduler *scheduler, double metric);

/* What a schedule must remember, and its options, under PyTorch's names: "last_epoch",
 * "base_lrs.0", "gamma" and so on. Of one_cycle_lr only total_steps is among them; it is to be made
 * with the same options again. The rates themselves belong to the state of the optimiser. */
TG_API tg_state *tg_scheduler_state_dict(const tg_scheduler *scheduler);

/* Sets a schedule to a state of one of the same kind, with as many groups; all is set or nothing,
 * and one message names all that is wrong. The optimiser is not changed: its rates come back with
 * its own state, which is to be loaded after the schedule was made, as making one may set them. */
TG_API bool tg_scheduler_load_state_dict(tg_scheduler *scheduler, const tg_state *state);

/* ---- Fitting a curve. */

/* Why tg_curve_fit has stopped. */
typedef enum tg_fit_reason {
    TG_FIT_FAILED,      /* there was an error */
    TG_FIT_CONVERGED,   /* the parameters are at a minimum, as far as the tolerance says */
    TG_FIT_MAX_NFEV,    /* f was evaluated max_nfev times */
    TG_FIT_STOPPED,     /* the callback returned false */
    TG_FIT_NO_PROGRESS, /* no step makes the sum of squares less, though this is not a minimum: f
                           has a kink, or more rounding than its dtype explains */
    TG_FIT_SADDLE,      /* the gradient is 0, but the Hessian is not that of a minimum */
    TG_FIT_UNDETERMINED /* no step makes the sum less, where columns of the Jacobian are dependent:
                           the data do not determine all parameters, or a parameter went too far */
} tg_fit_reason;

/* What the callback of tg_curve_fit is told. */
typedef struct tg_curve_fit_progress {
    int64_t iteration;        /* how many steps were made; 0: the parameters are p0 */
    int64_t nfev;             /* how often f was evaluated */
    double sum_of_squares;    /* of (f - y) / sigma */
    double distance;          /* as in tg_curve_fit_result, by the Gauss-Newton step */
    int64_t n;                /* the number of parameters */
    const double *parameters; /* these, until the callback returns */
} tg_curve_fit_progress;

/* The options of tg_curve_fit. */
typedef struct tg_curve_fit_options {
    tg_tensor *sigma; /* NULL: all are 1; the standard errors of y, of y's shape and dtype:
                         residuals are (f - y) / sigma. All must be positive. */
    tg_tensor *lower; /* NULL: none; the least values of the parameters, of p0's shape and dtype */
    tg_tensor *upper; /* NULL: none; the greatest ones. Both may have infinities. */
    bool absolute_sigma; /* false: only the ratios of sigma matter, and the covariance is scaled by
                            the variance of the residuals; true: sigma is taken as it is */
    /* NULL; called with the user of tg_curve_fit at p0 and after each step, in a scope of its own.
     * Where it returns false the fit stops. */
    bool (*callback)(const tg_curve_fit_progress *progress, void *user);
    double tolerance; /* 1e-8: how far from the minimum a parameter may be, in standard errors */
    int64_t max_nfev; /* 1000: how often f may be evaluated, Jacobians not counted */
} tg_curve_fit_options;

/* Internal: the defaults with which TG_CURVE_FIT begins in C; see options.h. */
#define TG_CURVE_FIT_DEFAULTS .tolerance = 1e-8, .max_nfev = 1000
/* A pointer to options of tg_curve_fit, of which these are changed: TG_CURVE_FIT(.sigma = sigma).
 */
#define TG_CURVE_FIT(...)                                                                          \
    TG_BEGIN_OPTIONS(tg_curve_fit_options, tg_curve_fit_defaults(), TG_CURVE_FIT_DEFAULTS,         \
                     __VA_ARGS__)
/* The default options of tg_curve_fit, which stand beside the members. */
TG_API tg_curve_fit_options tg_curve_fit_defaults(void);

/* A fitted curve. After a failure the tensors are NULL, and all else is 0 but reason and message.
 */
typedef struct tg_curve_fit_result {
    tg_tensor *parameters; /* (n), the best that were found */
    tg_tensor *covariance; /* (n, n); infinities where the data do not determine the parameters */
    tg_tensor *std_errors; /* (n), the standard errors: the roots of the covariance's diagonal */
    double sum_of_squares; /* of (f - y) / sigma, for the parameters */
    double residual_std;   /* the root of sum_of_squares / (y's elements - n) */
    double distance;       /* from the minimum, of the parameter that is farthest, in its standard
                              error: the length of Newton's step there. It is infinite where there
                              are no more data than parameters */
    bool converged;        /* whether reason is TG_FIT_CONVERGED */
    tg_fit_reason reason;  /* why the fit has stopped */
    const char *message;   /* the same in words */
    int64_t nfev;          /* how often f was evaluated */
    int64_t njev;          /* how many Jacobians were computed */
    int64_t iterations;    /* how many steps were made */
} tg_curve_fit_result;

/* Fits the parameters p of a curve by least squares: finds a minimum of the sum of ((f(x, p) - y) /
 * sigma)^2 near p0, which is (n). f is called with x and p as inputs and must return a tensor of
 * the shape and dtype of y. x may be any tensor; it is only handed to f.
 *
 * The method is Levenberg and Marquardt's with a scaled trust region (More, 1978), as in MINPACK.
 * The Jacobian is that of tg_jacobian: the operations in f should be differentiable twice. A trial
 * where f or its derivatives are not finite counts as a step that was too long; at p0 that is
 * TG_ERR_ARGUMENT. The three tensors of the result are new, and have the dtype of p0. Use float64:
 * float32 works, but as few digits are known as its rounding leaves.
 *
 * A fit that ends early is no error, and has the best parameters so far: look at `converged`. It is
 * true only if the Hessian is positive definite and the step of Newton's method, which tells how
 * far the minimum is, is less than the tolerance, or than what rounding in f can make of it. A
 * minimum need not be the least one: begin at several p0 where in doubt.
 *
 * The Jacobian of all rows is in memory. README.md says under "Any number of rows" how to fit a
 * curve to more rows than that.
 *
 * The covariance is the inverse of J^T J of the weighted residuals, times their variance unless
 * absolute_sigma; it takes no account of bounds. SciPy: scipy.optimize.curve_fit. */
TG_API tg_curve_fit_result tg_curve_fit(tg_function f, tg_tensor *x, tg_tensor *y, tg_tensor *p0,
                                        void *user, const tg_curve_fit_options *options);

#ifdef __cplusplus
}
#endif

#endif
