/* What modules are made of. */
#ifndef TG_MODULE_H
#define TG_MODULE_H

#include "../ops/op.h"

typedef enum part_kind { PARAMETER, BUFFER, CHILD } part_kind;

/* A named part of a module. */
typedef struct part {
    struct part *next;
    part_kind kind;
    tg_tensor *tensor;
    tg_module *child;
    char name[];
} part;

/* All tensors of a kind in a tree, and their paths, in the module's own memory. */
typedef struct named {
    tg_list list;
    const char **paths;
    int parts;    /* parts in the tree when the list was made; -1: there is no list yet */
    int64_t seen; /* parts in the context when the list was last found to be right */
} named;

struct tg_module {
    tg_context *tg;
    int64_t depth; /* of the scope it belongs to */
    const char *name;
    tg_tensor *(*forward)(tg_module *self, tg_tensor *x);                  /* of a layer */
    tg_tensor *(*loss)(tg_module *m, tg_tensor *input, tg_tensor *target); /* of a loss */
    part *parts, **end; /* in order of registration */
    bool training;
    bool is_part;    /* it is registered in another module */
    bool is_foreign; /* its forward runs a function of the program */
    named named[2];  /* parameters, buffers */
    void *data;
};

/* tg_module_new for a forward of the library. */
tg_module *tg__module_new(tg_context *tg, const char *name,
                          tg_tensor *(*forward)(tg_module *self, tg_tensor *x), size_t data_bytes);
/* A float leaf of the default dtype that requires grad, uninitialised, and registered. */
tg_tensor *tg__add_param(tg_module *m, const char *name, tg_shape shape);
/* tg_forward of a child whose name in its parent is known; a module that is registered under
 * several names needs it for the path in messages. */
tg_tensor *tg__forward(tg_module *module, const char *name, tg_tensor *x);
/* Lists a change, so that c->put_back is called if the forward under way fails. The caller has set
 * put_back and depth. */
void tg__note_change(tg_context *tg, state_change *c);
/* Registers a child whose name is a number, larger than those of the children so far; op is the
 * name of the caller's function in messages. */
bool tg__add_numbered(const char *op, tg_module *m, int number, tg_module *child);
/* The part of that kind and dotted path, or NULL. */
part *tg__find_part(const tg_module *m, part_kind kind, const char *path);
/* Whether bias is one of its two values; else the error. */
bool tg__check_bias(tg_context *tg, const char *op, tg_bias bias);
/* nn.Linear's and nn.Conv's: both uniform, weight first; bias may be NULL. */
bool tg__draw_weights(tg_tensor *weight, tg_tensor *bias, double fan_in);

#endif
