/* What the optimisers share: their state, and what one of them has to define. */
#ifndef TG_OPTIM_H
#define TG_OPTIM_H

#include "../nn/module.h"

enum {
    OPTIM_STATES = 3,  /* the most state vectors of a parameter */
    OPTIM_NUMBERS = 8, /* the most options that are doubles */
    OPTIM_FLAGS = 2    /* the most options that are bools */
};

/* State vectors of a slot, as a set: bit k stands for state[k]. */
enum { STATE_0 = 1, STATE_1 = 2, STATE_2 = 4 };

/* A parameter and the optimiser's state for it. The state of SGD is the momentum in state[0]. The
 * others have an average of gradients in state[0] and one of squared gradients in state[1];
 * state[2] is the greatest of these (amsgrad) or the momentum (RMSprop). */
typedef struct slot {
    tg_tensor *param;
    tg_tensor *contiguous;          /* a copy to update, if the parameter is not contiguous */
    tg_tensor *state[OPTIM_STATES]; /* contiguous and of the parameter's size; NULL: not needed */
    int64_t steps;                  /* how many updates the parameter had; for SGD, those with a
                                       momentum */
    bool filled; /* contiguous and state were made; false for a parameter that is frozen from the
                    start */
} slot;

/* The options of any optimiser. All begin with doubles, of which lr is the first, so that `number`
 * reads and writes them by index. */
typedef union any_options {
    double number[OPTIM_NUMBERS];
    tg_sgd_options sgd;
    tg_adam_options adam;
    tg_adamw_options adamw;
    tg_rmsprop_options rmsprop;
    tg_adagrad_options adagrad;
    tg_lbfgs_options lbfgs;
} any_options;

/* Parameters that are updated with the same options. */
typedef struct group {
    struct group *next;
    any_options o;
    double initial_lr; /* the rate before the first schedule; NaN: there was no schedule yet */
    const char *const *names; /* the paths of the parameters in their module, or NULL */
    int n;
    slot slots[];
} group;

/* The name of an option, and what its value must be. */
typedef struct number_rule {
    const char *name;
    enum { NOT_NEGATIVE, FINITE, BELOW_ONE } must;
} number_rule;

/* An option that is a bool: its name and where it lies in the struct of options. */
typedef struct flag_rule {
    const char *name;
    size_t offset;
} flag_rule;

/* What an optimiser consists of. */
typedef struct optim_kind {
    const char *name;
    any_options defaults;
    size_t size; /* the size of its options struct */
    /* A rule for each of its leading doubles, in their order; a rule without a name ends them. */
    number_rule rules[OPTIM_NUMBERS];
    flag_rule flags[OPTIM_FLAGS];          /* one without a name ends them */
    const char *state_names[OPTIM_STATES]; /* PyTorch's, in a state dict; NULL: not in use */
    bool counts_steps; /* PyTorch's state of a parameter has the number of its steps */
    int momentum; /* the index in `number` of what one_cycle_lr cycles, momentum or beta1; 0: none
                   */
    /* Checks what the rules cannot say; may be NULL. */
    bool (*check)(tg_context *tg, const char *name, const any_options *o);
    /* Which state vectors a parameter needs: STATE_0, STATE_1 and STATE_2, joined by |. */
    unsigned (*states)(const any_options *o);
    /* Updates one parameter from its gradient, and its state vectors, which are 0 before the first
     * update. It cannot fail, and therefore takes no memory: a kernel makes the step in place. */
    void (*update)(const tg_context *tg, slot *s, const any_options *o);
    /* Only LBFGS sets these two, and has no update: prepare makes its vectors when the optimiser is
     * made, and minimize makes a step of tg_step_closure. */
    bool (*prepare)(tg_optim *optim);
    double (*minimize)(tg_optim *optim, tg_tensor *(*closure)(void *user), void *user);
} optim_kind;

struct tg_optim {
    tg_context *tg;
    int64_t depth; /* of the scope in which the optimiser was made */
    const optim_kind *kind;
    group *groups, **end;
    void *extra; /* what prepare has made */
};

/* These make an optimiser of that kind for the parameters of a module or for a list, or add a group
 * to an optimiser. `options` are of the kind's struct; NULL means the defaults. */
tg_optim *tg__optim(const optim_kind *kind, tg_module *module, const void *options);
tg_optim *tg__optim_list(const optim_kind *kind, tg_list parameters, const void *options);
bool tg__optim_group(const optim_kind *kind, tg_optim *optim, tg_list parameters,
                     const void *options);
/* Takes the memory that the steps of a parameter need and do not have yet. */
bool tg__fill_slot(const tg_optim *optim, slot *s, unsigned states);
/* Whether the options are valid; else records the error, which begins with `name`. */
bool tg__check_options(tg_context *tg, const char *name, const optim_kind *kind,
                       const any_options *o);
/* Runs closure in a scope of its own and returns the loss as a number; NaN on failure. */
double tg__evaluate(tg_optim *optim, tg_tensor *(*closure)(void *user), void *user);

#endif
