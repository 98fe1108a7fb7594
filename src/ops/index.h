/* What operations that take an index or a mask share. */
#ifndef TG_INDEX_H
#define TG_INDEX_H

#include "op.h"

/* t expanded to the common shape of t and other, but for dimension dim, which stays; -1: all of
 * them. Errors name the operation. */
tg_tensor *tg__expand_but(const char *name, tg_tensor *t, const tg_tensor *other, int dim);

#endif
