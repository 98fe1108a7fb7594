/* What operations with an index or a mask share. */
#ifndef TG_INDEX_H
#define TG_INDEX_H

#include "op.h"

/* Expands t to the common shape of t and other. Dimension dim keeps its size; with -1 there is no
 * such dimension. Errors begin with `name`. */
tg_tensor *tg__expand_except(const char *name, tg_tensor *t, const tg_tensor *other, int dim);

#endif
