/* The list of named tensors, as other folders see it. */
#ifndef TG_STATE_H
#define TG_STATE_H

#include "../tensor/tensor.h"

/* The number of bytes of a text that is valid UTF-8, without surrogates and overlong forms; -1 if
 * it is not valid, or if a control character is in it and may not be. */
ptrdiff_t tg__utf8_length(const char *text, bool controls);
/* Does what tg_state_add does, with messages that begin with op. */
bool tg__state_add(const char *op, tg_state *s, const char *name, tg_tensor *t);
/* Does what tg_state_part does, with messages that begin with op. */
tg_state *tg__state_part(const char *op, const tg_state *s, const char *prefix);
/* Does what tg_state_clone does, with messages that begin with op. */
tg_state *tg__state_clone(const char *op, const tg_state *s);
/* The depth of the scope that the list belongs to. */
int64_t tg__state_depth(const tg_state *s);
/* The index of the tensor of that name in s->items; -1 if there is none. */
int64_t tg__state_index(const tg_state *s, const char *name);

#endif
