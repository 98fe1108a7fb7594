/* How long tensors live: claims on their memory, the frames of composed operations, and the
 * gradients of leaves. */
#ifndef TG_LIFETIME_H
#define TG_LIFETIME_H

#include "tensor.h"

/* Lists a claim in the scope whose end gives it back. */
void tg__list_claim(scope *s, claim *c, storage *on);
/* Makes a claim on a storage, whose data then stays until the claim is given back. c is a member of
 * the view or record that needs the data and was just made in the current scope; the end of that
 * scope gives the claim back. */
static inline void tg__claim(tg_context *tg, claim *c, storage *on)
{
    TG_CHECK(on->claims > 0 && on->depth <= tg->depth);
    on->claims++;
    if (on->depth != tg->depth) tg__list_claim(tg->scope, c, on);
}
/* Gives back a claim that was made in the scope of that depth, before that scope ends. */
void tg__unclaim(tg_context *tg, int64_t depth, claim *c, storage *on);

/* Lends the elements of t, which tg__owns_elements, until tg__end_loan. The loan has a claim on
 * them, and their memory stays even if the scope of t ends or the context is closed. */
void tg__lend(tg_tensor *t, loan *l);
/* Ends a loan. If the context is open and the scope of the memory has not ended, this is a use of
 * the context. */
void tg__end_loan(loan *l);
/* Whether the elements of t lie in memory of the library, not in what the program wraps or another
 * context lends. True if there are none. */
bool tg__owns_elements(const tg_tensor *t);

/* An operation that is composed of others opens a frame around them and closes it on every path:
 *
 *     frame f;
 *     tg__enter(&f, "softsign", a);
 *     return tg__leave(&f, tg_div(a, tg_add_scalar(tg_abs(a), 1)));
 *
 * While a frame is open, errors name the outermost one. When the frame closes, it releases its
 * intermediates, which are the tensors made in it that are not among the results. A result that is
 * a view of an intermediate becomes the owner of that memory, and is a view no more. An operation
 * in which an error came up has no result. Frames nest; scopes begun in a frame end in it. */

/* Opens the frame f. `a` is any tensor of the context; if it is NULL, the frame does nothing. A
 * name of NULL leaves messages to the operations in the frame. */
void tg__enter(frame *f, const char *name, const tg_tensor *a);
/* Closes the frame and returns result, which may be NULL, an intermediate or any other tensor. */
tg_tensor *tg__leave(frame *f, tg_tensor *result);
/* The same for n results. */
void tg__leave_with(frame *f, int n, tg_tensor *const *results);

/* ---- The gradient of a leaf, in grad_slot.c. */

/* Makes the tensor for the gradient of t, in the scope of t, unless there is one. False if there is
 * no memory. */
bool tg__make_grad_slot(tg_tensor *t);
/* Sets t->grad to NULL. If the gradient has a block of its own, that goes back to the pool. */
void tg__clear_grad(tg_tensor *t);
/* Allocates what tg__set_grad(p, g) will need, which then cannot fail. False if there is no
 * memory. */
bool tg__prepare_grad(const tensor_priv *p, tg_tensor *g);
/* Makes g the gradient of p, which had none. If g has a block that nobody else uses, the gradient
 * takes over the block; else the elements are copied, unless g is the grad_slot itself. */
void tg__set_grad(tensor_priv *p, tg_tensor *g);

#endif
