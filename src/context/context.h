/* The handle: settings, the pending error, the random stream, and pointers to what is under way.
 * Structures of the layers above are opaque here. */
#ifndef TG_CONTEXT_H
#define TG_CONTEXT_H

#include "compiler.h"

#include <tinygrad.h>

#include "../kernels/kernels.h"
#include "generator.h"
#include "size.h"

/* The frame of a composed operation, see src/tensor/lifetime.h. Here, since errors name the
 * outermost operation. */
typedef struct frame {
    tg_context *tg; /* NULL: the frame of no tensor, which does nothing */
    struct frame *outer;
    const char *name;          /* NULL: errors name the operations that are called in the frame */
    int64_t depth;             /* of the scope it was opened in, whose tensors it watches */
    bool ready;                /* no error was pending when it was opened */
    struct tensor_priv *steps; /* the tensors made in it, the newest first */
} frame;

/* A module whose forward runs. It lies on the stack of the call. Messages begin with its path. */
typedef struct module_call {
    const struct module_call *outer;
    const tg_module *module;
    const char *name; /* in the outer module, where that is known */
    /* Writes the path, "1.0 (Conv2d): ", or nothing for a module that is in no tree. */
    void (*tell)(const struct module_call *p, char *text, size_t size);
} module_call;

/* Something that the outermost forward under way has changed in a module, to be put back if that
 * forward fails. */
typedef struct state_change {
    struct state_change *next;
    void (*put_back)(struct state_change *c);
    int64_t depth; /* of the scope of the module */
    bool listed;   /* by the forward under way */
} state_change;

typedef struct undo {
    state_change *changes;
    bool drew;
    generator random; /* the random stream as it was, if numbers were drawn since */
} undo;

enum {
    TG_MESSAGE = 1024,                                  /* the longest message, in bytes */
    TG_SHOWN = 4,                                       /* texts of tg__show for one message */
    TG_SIZES = TG_MAX_DIMS * 22 + 8,                    /* the longest text of tg__show */
    TG_FREE_LISTS = ((int)sizeof(size_t) * 8 - 11) * 16 /* see free_list in memory.c */
};

struct tg_context {
    tg_options options;
    tg_stats stats;
    struct scope *scope; /* innermost one that has memory */
    int64_t depth;       /* scopes open; 0 is the outermost */
    struct block *free_blocks[TG_FREE_LISTS];
    struct record *tape; /* its newest record */
    int64_t newest;      /* number of that record; -1 if there is none */
    int64_t records;     /* made so far */
    int64_t parts;       /* of modules, registered so far */
    int64_t no_grad;     /* depth of tg_no_grad_begin */
    struct sweep *sweep; /* the innermost backward under way, or NULL */
    frame *frame;        /* innermost one that is open, or NULL */
    int level;           /* of the kernels */
    tg_dtype default_dtype;
    const module_call *running; /* the innermost, or NULL */
    int64_t foreign_forwards;   /* forwards that are the program's, run so far */
    undo *undo;                 /* of the outermost forward under way, or NULL */
    tg_status status;
    char message[TG_MESSAGE];
    char shown[TG_SHOWN][TG_SIZES]; /* texts for a message, in turn */
    unsigned next_shown;
    generator random;
    struct team *team; /* NULL: one thread */
};

/* ---- Errors. */

/* What a function returns in the place of a list when it fails: n is 0, and items can be read. */
extern const tg_list tg__no_list;
/* Records the error if none is pending. Returns NULL, which is also false. */
void *tg__fail(tg_context *tg, tg_status code, const char *format, ...) TG_PRINTF(3, 4);
/* Whether no error is pending. */
static inline bool tg__ready(const tg_context *tg)
{
    return tg->status == TG_OK;
}
/* Makes "." the decimal point of a number that printf wrote. The point is that of the locale, and
 * may be several bytes long. */
void tg__use_point(char *number);
/* "[100, 2]". The text lies in the context until TG_SHOWN more are made. */
char *tg__show_sizes(tg_context *tg, int ndim, const int64_t *sizes);
char *tg__show(const tg_tensor *t);
#define SHOW(t) tg__show(t) /* for messages */

/* Has to be called before numbers are drawn from the context's stream, which is put back if the
 * forward under way fails. */
static inline void tg__before_draw(tg_context *tg)
{
    if (!tg->undo || tg->undo->drew) return;
    tg->undo->random = tg->random;
    tg->undo->drew = true;
}

#endif
