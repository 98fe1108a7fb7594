/* What the layers and losses share. */
#ifndef TG_MODULE_H
#define TG_MODULE_H

#include "../internal.h"

enum { TG_MODULE_PARAMS = 2 };

/* A kind of module: a layer has forward, a loss has loss. */
typedef struct module_kind {
    const char *name;
    tg_tensor *(*forward)(tg_module *m, tg_tensor *x);
    tg_tensor *(*loss)(tg_module *m, tg_tensor *input, tg_tensor *target);
} module_kind;

struct tg_module {
    tg_context *tg;
    const module_kind *kind;
    int n;
    tg_tensor *params[TG_MODULE_PARAMS];
    const char *names[TG_MODULE_PARAMS];
    int reduction; /* losses */
};

/* A module without parameters, in the current scope. */
tg_module *tg__new_module(tg_context *tg, const module_kind *kind);
/* Adds an uninitialised leaf of the default dtype that requires grad. */
bool tg__add_param(tg_module *m, const char *name, tg_shape shape);
/* Checks what every loss refuses, sides of different shape first; broadcasts them where that is
 * allowed. */
bool tg__loss_sides(const char *name, tg_tensor **input, tg_tensor **target, int reduction);

#endif
