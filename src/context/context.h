/* The handle: settings, the pending error, the random stream, and pointers to the calls under way.
 * The structures of higher layers (record, sweep) are opaque here. */
#ifndef TG_CONTEXT_H
#define TG_CONTEXT_H

#include "compiler.h"

#include <tinygrad.h>

#include "../kernels/kernels.h"
#include "generator.h"
#include "size.h"

/* The frame of a composed operation, which src/tensor/lifetime.h explains. The struct is defined
 * here because tg__fail begins a message with the name of the outermost frame. */
typedef struct frame {
    tg_context *tg; /* NULL if the frame was opened for no tensor; such a frame does nothing */
    struct frame *outer;
    const char *name; /* in messages; NULL: messages name the operations called in the frame */
    int64_t depth;    /* of the scope in which the frame was opened; it lists tensors of no other */
    bool ready;       /* no error was pending when the frame was opened */
    struct tensor_priv *intermediates; /* the tensors made in the frame, the newest first */
} frame;

/* The kinds of rows in a profile: an operation, the backward of an operation, and a step of an
 * optimiser. Operations that run inside such work are counted as a part of it. */
typedef enum work_kind { WORK_OPERATION, WORK_BACKWARD, WORK_STEP } work_kind;

struct call;
struct record;
/* What a context calls while it is asked to look at what runs: to count it (tg_profile), or to find
 * values that are not finite (tg_detect_anomaly). src/ops/watch.c has the functions; programs that
 * call neither do without their code. */
typedef struct watch {
    int64_t quiet; /* results are not checked while this is greater than 0 */
    /* Runs the forward of an operation, which is done where there is no watch by
     * tg__run_forward. */
    bool (*run)(const struct call *c);
    /* A frame closes with this result, which may be NULL. An error may be recorded. */
    void (*leave)(const frame *f, const tg_tensor *result);
    /* `begin` is called when work of this kind and name begins, and returns false if there is no
     * memory for its row. `end` is called at the end of the work, with the bytes that the work has
     * read and written besides those of the operations in it. */
    bool (*begin)(tg_context *tg, work_kind kind, const char *name);
    void (*end)(tg_context *tg, int64_t bytes);
    /* Both return false, after recording the error, if an operation has made a value that is not
     * finite from finite ones. check_result looks at the result of a call, and check_gradient at
     * `own`, the gradient of input i of r, which was computed from the gradient g of the result of
     * r. */
    bool (*check_result)(const struct call *c);
    bool (*check_gradient)(const struct record *r, int i, const tg_tensor *g, const tg_tensor *own);
    /* is_finite is called before an optimiser changes a parameter. It returns true if anomalies are
     * sought and the parameter and its gradient are finite. check_update is then called after the
     * change, and returns false, after recording the error, if the parameter is not finite any
     * more. */
    bool (*is_finite)(const tg_tensor *parameter);
    bool (*check_update)(const tg_tensor *parameter, const char *optimiser);
    /* The path of the module that is running, with ": " behind it; NULL if none is running. */
    const char *(*place)(tg_context *tg);
} watch;

/* A module whose forward is running, as a local variable of the call. Messages begin with the path
 * of the innermost one. */
typedef struct module_call {
    struct module_call *outer;
    const tg_module *module;
    const char *name;  /* under which the outer module has it; NULL if the caller does not know */
    const char *place; /* what watch.place has found; NULL: it was not asked */
    /* Writes the path, such as "1.0 (Conv2d): ", or "" for a module that is in no tree. */
    void (*write_path)(const struct module_call *p, char *text, size_t size);
} module_call;

/* A change that a forward has made in a module, such as one of running statistics. If the outermost
 * forward fails, put_back restores what was there before. */
typedef struct state_change {
    struct state_change *next;
    void (*put_back)(struct state_change *c);
    int64_t depth; /* of the scope of the module */
    bool listed;   /* the change is in the list of the forward under way */
} state_change;

/* What the outermost forward under way has to restore if it fails. */
typedef struct undo {
    state_change *changes;
    bool drew;        /* the forward has drawn random numbers */
    generator random; /* if it has, the random stream from before the first draw */
} undo;

enum {
    TG_MESSAGE = 1024,               /* the room for a message, in bytes */
    TG_SHOWN = 4,                    /* how many texts of tg__show one message can use */
    TG_SIZES = TG_MAX_DIMS * 22 + 8, /* the room for a text of tg__show, in bytes */
    TG_FREE_LISTS = ((int)sizeof(size_t) * 8 - 11) * 16 /* see free_list in memory.c */
};

struct tg_context {
    tg_options options;
    tg_stats stats;
    struct scope *scope; /* the innermost scope that has memory; NULL: none has */
    int64_t depth;       /* of the current scope; 0 is the outermost */
    struct block *free_blocks[TG_FREE_LISTS];
    struct loan *loans;  /* of memory in open scopes; see memory.h */
    struct record *tape; /* the newest record on the tape */
    int64_t newest;      /* the number of that record; -1 if the tape is empty */
    int64_t records;     /* how many records were made so far; the next one gets this number */
    int64_t parts;       /* how many parts were registered in modules so far */
    watch *watch;        /* NULL: nothing looks at what runs */
    int64_t no_grad;     /* how many tg_no_grad_begin are open */
    struct sweep *sweep; /* the innermost backward sweep under way, or NULL */
    frame *frame;        /* the innermost open frame, or NULL */
    int level;           /* the SIMD level of the kernels */
    tg_dtype default_dtype;
    bool has_block; /* the context computes blocks of rows (src/rows), and never sees all rows */
    struct watcher *watcher;  /* holds what `watch` points to, and stays when `watch` becomes NULL;
                                 NULL: none was made yet */
    module_call *running;     /* the innermost module whose forward is running, or NULL */
    struct summary *summary;  /* of the tg_summary whose forward is running, or NULL */
    int64_t foreign_forwards; /* how many forwards that the program wrote have run so far */
    undo *undo;               /* of the outermost forward under way, or NULL */
    tg_status status;
    char message[TG_MESSAGE];
    char shown[TG_SHOWN][TG_SIZES]; /* the texts of tg__show, used in turn */
    unsigned next_shown;
    generator random;
    struct team *team; /* NULL: the context has one thread */
};

/* ---- Errors. */

/* The list that a function returns when it fails. Its n is 0, and its items are not NULL but point
 * to TG_READABLE pointers that are NULL, for a program that reads them without a look at n. */
extern const tg_list tg__no_list;
/* Records the error if none is pending. Returns NULL, which is also false. */
void *tg__fail(tg_context *tg, tg_status code, const char *format, ...) TG_PRINTF(3, 4);
/* Whether no error is pending. */
static inline bool tg__ready(const tg_context *tg)
{
    return tg->status == TG_OK;
}
/* Makes "." the decimal point of a number that printf has written with the decimal point of the
 * locale, which may be several bytes long. */
void tg__use_point(char *number);
/* The sizes as text, "[100, 2]". The text lies in the context and stays until TG_SHOWN more texts
 * have been made. */
char *tg__show_sizes(tg_context *tg, int ndim, const int64_t *sizes);
char *tg__show(const tg_tensor *t);
#define SHOW(t) tg__show(t) /* short, as messages use it often */

/* Must be called before numbers are drawn from the context's random stream. It saves the stream the
 * first time, so that a forward that fails can restore it. */
static inline void tg__before_draw(tg_context *tg)
{
    if (!tg->undo || tg->undo->drew) return;
    tg->undo->random = tg->random;
    tg->undo->drew = true;
}

#endif
