/* Lists of named tensors: what a model, an optimiser, a loader or the random stream must remember.
 * Files hold such lists, and know nothing of where their tensors come from. */
#ifndef TINYGRAD_STATE_H
#define TINYGRAD_STATE_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A tensor under a name. */
typedef struct tg_named {
    const char *name;  /* UTF-8, such as "0.weight" */
    tg_tensor *tensor; /* itself, not a copy */
} tg_named;

/* A text under a key, as files have for a title, a date or a version. */
typedef struct tg_text {
    const char *key;   /* UTF-8, such as "title" */
    const char *value; /* UTF-8, of any length */
} tg_text;

/* A list of named tensors and of texts, each in the order in which they were added. No two tensors
 * have one name, and no two texts one key. Belongs to the scope it is made in. The members are for
 * reading; the two pointers change when something is added. */
typedef struct tg_state {
    tg_context *context;   /* to which it belongs */
    int64_t n;             /* how many tensors there are */
    const tg_named *items; /* the tensors */
    int64_t n_texts;       /* how many texts there are */
    const tg_text *texts;  /* the texts */
} tg_state;

/* An empty list in the current scope. */
TG_API tg_state *tg_state_new(tg_context *tg);

/* Adds a tensor at the end, under a copy of the name. The list holds the tensor itself, as a state
 * dict of PyTorch does: a later write to the tensor is seen through the list. The tensor must be of
 * the list's context and live at least as long as the list. A name is UTF-8 without control
 * characters, not empty, and not in the list yet; else TG_ERR_ARGUMENT. */
TG_API bool tg_state_add(tg_state *s, const char *name, tg_tensor *t);

/* Adds the tensors and texts of `part`, each name with prefix before it: "model." makes
 * "model.weight" of "weight". All or none are added. */
TG_API bool tg_state_add_all(tg_state *s, const char *prefix, const tg_state *part);

/* The tensors and texts whose names begin with prefix and go on after it, without the prefix, as a
 * list in the current scope. It is empty, which is no error, if there are none. */
TG_API tg_state *tg_state_part(const tg_state *s, const char *prefix);

/* The tensor of that name. One that is missing is TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_state_get(const tg_state *s, const char *name);

/* The tensor of that name; NULL, without an error, if it is missing. */
TG_API tg_tensor *tg_state_find(const tg_state *s, const char *name);

/* Copies of all tensors, row-major and without history, under the same names in a new list in the
 * current scope, with the texts. It keeps the weights of a model as they are at this moment:
 * tg_state_clone(tg_state_dict(net)). */
TG_API tg_state *tg_state_clone(const tg_state *s);

/* Copies the elements of source to the tensors of s that have the same names: all of them, or none
 * if the two lists differ in names, shapes or dtypes, which one message tells. The copies are not
 * recorded by autograd, and texts stay as they are. With tg_state_clone before a loop, it keeps the
 * best weights of the loop: tg_state_copy_(best, tg_state_dict(net)). */
TG_API bool tg_state_copy_(tg_state *s, const tg_state *source);

/* Adds a text, or replaces the one that has this key, by copies of key and value. Both are UTF-8,
 * and the key has what a name must have. */
TG_API bool tg_state_set_text(tg_state *s, const char *key, const char *value);

/* The text of that key, which lives as long as the list; NULL, without an error, if it is missing.
 */
TG_API const char *tg_state_text(const tg_state *s, const char *key);

#ifdef __cplusplus
}
#endif

#endif
