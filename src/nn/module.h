/* Modules and their parts, and what the layers share. */
#ifndef TG_MODULE_H
#define TG_MODULE_H

#include "../ops/op.h"

enum { TG_DESCRIPTION = 512 }; /* the room for the arguments of a module as text */

typedef enum part_kind { PARAMETER, BUFFER, CHILD } part_kind;

/* A named part of a module: a parameter, a buffer or a module in it. */
typedef struct part {
    struct part *next;
    part_kind kind;
    tg_tensor *tensor; /* of a parameter or a buffer; else NULL */
    tg_module *child;  /* of a module; else NULL */
    char name[];
} part;

/* The list of all parameters, or of all buffers, of a module and the modules in it. It is made when
 * it is first asked for, and lives as long as the module. */
typedef struct named {
    tg_list list;
    const char **paths;
    int parts;    /* how many parts the tree had when the list was made; -1: there is no list yet */
    int64_t seen; /* tg_context.parts when the list was last compared with the tree */
} named;

/* A list of modules and their names, as tg_children and tg_all_modules return it. It is made as a
 * list of tensors is. */
typedef struct module_list {
    tg_modules list;
    const char **names;
    int parts;    /* see struct named */
    int64_t seen; /* see struct named */
} module_list;

struct tg_module {
    tg_context *tg;
    int64_t depth;    /* of the scope in which the module was made */
    const char *name; /* the class, such as "Linear" */
    /* A layer has a forward, a loss has a loss; the other pointer is NULL. */
    tg_tensor *(*forward)(tg_module *self, tg_tensor *x);
    tg_tensor *(*loss)(tg_module *m, tg_tensor *input, tg_tensor *target);
    /* Writes the arguments that print shows in parentheses; NULL: there are none. */
    void (*describe)(const tg_module *m, char text[TG_DESCRIPTION]);
    part *parts, **end; /* the parts in the order of registration, and where the next is linked */
    bool training;
    bool is_part;          /* the module is registered in another one */
    bool is_foreign;       /* the forward is a function of the program, not of the library */
    bool is_listed;        /* the module is in the list that is being made */
    int row;               /* the row of the table that tg_summary is making, from 1 on; 0: none */
    named named[2];        /* by part_kind: PARAMETER, BUFFER */
    module_list *lists[2]; /* of the children, and of all modules of the tree; NULL: there is none
                              yet */
    size_t data_bytes;
    void *data; /* what the kind of module needs, such as a struct of its options */
    size_t pointers_at, pointers_end; /* the bytes of the data in which tg_borrow_module looks for
                                         pointers to tensors and modules: at first all */
};

/* Does what tg_module_new does, for a forward that is a function of the library. */
tg_module *tg__module_new(tg_context *tg, const char *name,
                          tg_tensor *(*forward)(tg_module *self, tg_tensor *x), size_t data_bytes);
/* Makes and registers a parameter of the default dtype. The caller sets its elements. */
tg_tensor *tg__add_param(tg_module *m, const char *name, tg_shape shape);
/* Does what tg_forward does, for a child that its parent has under `name`. A child that is
 * registered under several names needs this for the path in messages. */
tg_tensor *tg__forward(tg_module *module, const char *name, tg_tensor *x);
/* Runs a forward that leaves the statistics of modules and the random stream as they were. */
tg_tensor *tg__forward_and_undo(tg_module *module, tg_tensor *x);
/* Adds a change to the list of the outermost forward under way, which calls c->put_back if it
 * fails. The caller has set put_back and depth. */
void tg__note_change(tg_context *tg, state_change *c);
/* Registers a tensor or module of the same context under a name that has been checked. */
bool tg__append_part(tg_module *m, const part *p, const char *name);
/* Registers a child under a number as its name, which no part has yet. Messages begin with op. */
bool tg__add_numbered(const char *op, tg_module *m, int number, tg_module *child);
/* The function that a module of tg_lambda applies; NULL for another module. */
tg_tensor *(*tg__function_of(const tg_module *m))(tg_tensor *x);
/* What tg_summary has the forwards of its modules tell. A pointer to a function lets a program that
 * prints no summary do without the code. */
typedef struct summary {
    void (*note)(struct summary *s, const tg_module *m, const tg_tensor *output);
} summary;

/* How many parts the tree has. */
int tg__count_parts(const tg_module *m);
/* The two texts joined to one, which lives as long as m. NULL if there is no memory. */
char *tg__join_text(tg_module *m, const char *first, const char *then);
/* The part of that kind that has the dotted path, such as "0.weight"; NULL if there is none. */
part *tg__find_part(const tg_module *m, part_kind kind, const char *path);
/* Whether bias is TG_BIAS or TG_NO_BIAS; else records the error. */
bool tg__check_bias(tg_context *tg, const char *op, tg_bias bias);
/* Initialises weight and then bias, which may be NULL, with the uniform draws of PyTorch's Linear
 * and Conv layers. */
bool tg__draw_weights(tg_tensor *weight, tg_tensor *bias, double fan_in);

#endif
