/* How long tensors live: claims on their memory, and the frames of composed operations. */
#ifndef TG_LIFETIME_H
#define TG_LIFETIME_H

#include "tensor.h"

/* A claim by what c is part of, which was just made in the current scope. */
void tg__claim(tg_context *tg, claim *c, storage *on);
/* Gives such a claim, made in the scope of that depth, back before that scope ends. */
void tg__unclaim(tg_context *tg, int64_t depth, claim *c, storage *on);

/* An operation that is composed of others opens a frame around them and closes it on every path:
 *
 *     frame f;
 *     tg__enter(&f, "softsign", a);
 *     return tg__leave(&f, tg_div(a, tg_add_scalar(tg_abs(a), 1)));
 *
 * While a frame is open, errors name the outermost one. When it closes, the steps, which are the
 * tensors made in it and not handed out, are released, and a result that is a view of a step is the
 * only one to see that memory, and counts as no view. An operation in which an error came up has no
 * result. Frames nest; scopes begun in a frame end in it. */

/* a: any tensor of the context, or NULL. */
void tg__enter(frame *f, const char *name, const tg_tensor *a);
/* Returns result, which may be NULL, a step or any other tensor. */
tg_tensor *tg__leave(frame *f, tg_tensor *result);
/* The same for n results. */
void tg__leave_with(frame *f, int n, tg_tensor *const *results);

/* ---- The grad of a leaf. */

/* Sees to it that t has a tensor for its grad, in t's scope. */
bool tg__make_grad_slot(tg_tensor *t);
/* None: a block of its own goes back to the pool. */
void tg__clear_grad(tg_tensor *t);
/* Sees to it that the grad of p can become g without failing; false with the error. */
bool tg__prepare_grad(const tensor_priv *p, tg_tensor *g);
/* Makes g the grad, which was none. The memory of g changes hands where it can. */
void tg__set_grad(tensor_priv *p, tg_tensor *g);

#endif
