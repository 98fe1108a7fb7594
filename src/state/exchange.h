/* How an object tells its state as a list of named tensors, and takes one back.
 *
 * An object has one function, its walk, that goes over all it must remember and calls
 * tg__exchange_* for each thing with its name. The walk runs in three phases:
 *
 *   TELLING    each thing is added to the list;
 *   CHECKING   each thing is looked for in a list that was given, and what is wrong is collected
 *              for one message; nothing of the object may change, but memory may be taken;
 *   TAKING     each thing is set from the list, which cannot fail: the walk takes no memory.
 *
 * Numbers are exchanged by pointers to variables of the walk, which are also written while
 * checking: the walk itself copies them to the object when it is taking. */
#ifndef TG_EXCHANGE_H
#define TG_EXCHANGE_H

#include "../tensor/loops.h"
#include "state.h"

/* Things of a kind that are wrong: how many, and as much of their description as there is room
 * for. */
typedef struct findings {
    int64_t n;
    int64_t shown;
    char text[300];
} findings;
enum { WRONG, MISSING, UNEXPECTED, FINDINGS };

typedef struct exchange {
    tg_context *tg;
    const char *op; /* in messages */
    enum { TELLING, CHECKING, TAKING } phase;
    tg_state *state; /* the list that is made, or that was given */
    bool *seen;      /* while checking, for each of its tensors: the walk has named it */
    findings found[FINDINGS];
    char name[128]; /* of tg__exchange_name */
} exchange;

typedef void exchange_walk(exchange *x, void *object);

/* Runs the walk to make the list of an object; NULL after an error. */
tg_state *tg__tell_state(tg_context *tg, const char *op, exchange_walk *walk, const void *object);

/* What a list that is taken must have. */
enum { TAKE_NONE, TAKE_ALL = 1, TAKE_ONLY = 2, TAKE_EXACTLY = TAKE_ALL | TAKE_ONLY };
/* Runs the walk to set the object from a list, all of it or nothing. The error names all that is
 * wrong: of another dtype or shape, out of range, missing (with TAKE_ALL), or in the list but not
 * in the object (with TAKE_ONLY). */
bool tg__take_state(tg_context *tg, const char *op, exchange_walk *walk, void *object,
                    const tg_state *from, unsigned must);

/* Copies the elements of source to the tensors of s, as tg__take_state takes them. */
bool tg__copy_state(const char *op, tg_state *s, const tg_state *source, unsigned must);

/* Formats a name of less than 128 bytes, which is good until the next call. */
const char *tg__exchange_name(exchange *x, const char *format, ...) TG_PRINTF(2, 3);
/* Whether the list that was given has a tensor of that name. */
bool tg__exchange_has(const exchange *x, const char *name);
/* A tensor of that name may be in the list that was given, and is ignored. */
void tg__exchange_ignores(exchange *x, const char *name);
/* Adds a thing to x->found[kind] while checking. */
void tg__exchange_note(exchange *x, int kind, const char *format, ...) TG_PRINTF(3, 4);

/* A tensor whose elements are exchanged; those of another dtype or shape are refused. */
void tg__exchange_tensor(exchange *x, const char *name, tg_tensor *t);
/* n elements of float64, which may come back as float32, or of int64. The list gets a copy. */
void tg__exchange_vector(exchange *x, const char *name, tg_dtype dtype, int64_t n, void *v);
/* A number of that dtype, float64, int64 or bool, which may come back in any: from least to most,
 * both included, and not NaN. */
void tg__exchange_number(exchange *x, const char *name, tg_dtype dtype, void *v, double least,
                         double most);
/* A text under this key; NULL: none. A list that was given may lack it, but another text is wrong.
 */
void tg__exchange_text(exchange *x, const char *key, const char *value);

#endif
