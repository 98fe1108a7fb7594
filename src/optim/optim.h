/* What the optimisers share. */
#ifndef TG_OPTIM_H
#define TG_OPTIM_H

#include "../nn/module.h"

/* Vectors beside a parameter: sgd has the momentum in the first; the others an average of
 * gradients, one of squares, and the greatest of these or the momentum. */
enum { OPTIM_STATES = 3, OPTIM_NUMBERS = 8 };

typedef struct slot {
    tg_tensor *param;
    tg_tensor *contiguous;          /* to work in when the parameter is not contiguous */
    tg_tensor *state[OPTIM_STATES]; /* contiguous, or NULL */
    int64_t steps;                  /* taken */
    bool filled;                    /* whether the memory above was taken; not while frozen */
} slot;

/* The options of any kind: doubles, the learning rate first, and then switches. */
typedef union any_options {
    double number[OPTIM_NUMBERS];
    tg_sgd_options sgd;
    tg_adam_options adam;
    tg_adamw_options adamw;
    tg_rmsprop_options rmsprop;
    tg_adagrad_options adagrad;
    tg_lbfgs_options lbfgs;
} any_options;

typedef struct group {
    struct group *next;
    any_options o;
    double initial_lr; /* before the first schedule; NaN: there is none */
    int n;
    slot slots[];
} group;

/* What a number among the options must be. */
typedef struct number_rule {
    const char *name;
    enum { NOT_NEGATIVE, FINITE, BELOW_ONE } must;
} number_rule;

typedef struct optim_kind {
    const char *name;
    any_options defaults;
    size_t size;                      /* of its options */
    number_rule rules[OPTIM_NUMBERS]; /* of its leading numbers; the first without name ends them */
    int momentum;                     /* which number that is, or beta1; 0: there is none */
    bool (*check)(tg_context *tg, const char *name,
                  const any_options *o);      /* what the rules do not say; may be NULL */
    unsigned (*states)(const any_options *o); /* which a parameter needs, a bit each */
    void (*update)(const tg_context *tg, slot *s, const any_options *o);
    /* LBFGS alone, which is stepped by tg_step_closure: prepare makes its vectors when the
     * optimiser is made, and minimize makes a step in the place of update, which is NULL. Else both
     * are NULL.
     */
    bool (*prepare)(tg_optim *optim);
    double (*minimize)(tg_optim *optim, tg_tensor *(*closure)(void *user), void *user);
} optim_kind;

struct tg_optim {
    tg_context *tg;
    int64_t depth; /* of the scope it belongs to */
    const optim_kind *kind;
    group *groups, **end;
    void *extra; /* from prepare */
};

/* An optimiser of that kind for a module or a list; another group of one. options NULL: the
 * defaults.
 */
tg_optim *tg__optim(const optim_kind *kind, tg_module *module, const void *options);
tg_optim *tg__optim_list(const optim_kind *kind, tg_list parameters, const void *options);
bool tg__optim_group(const optim_kind *kind, tg_optim *optim, tg_list parameters,
                     const void *options);
/* Whether these options are right for its kind; else the error. */
bool tg__check_options(tg_context *tg, const char *name, const optim_kind *kind,
                       const any_options *o);
/* The loss, after closure has run in a scope of its own; NaN on failure. */
double tg__evaluate(tg_optim *optim, tg_tensor *(*closure)(void *user), void *user);

#endif
