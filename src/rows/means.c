/* Recognises losses that are means of the rows of a block, which are refused: the sum of these
 * means over the blocks would not be the mean of all rows. */
#include "../nn/loss.h"
#include "rows.h"

#include <math.h>
#include <string.h>

/* How many operations a search looks at. */
enum { MOST_STEPS = 256 };

/* The operation that gave t the values which the operation r has read; NULL if there is none. A
 * write in place may have given it others since. */
static const record *maker_of(const tg_tensor *t, const record *r)
{
    const record *m = priv(t)->record;
    if (!m || m->number < r->number) return m;
    for (m = r->prev; m && m->out != t; m = m->prev) continue;
    return m;
}

/* Whether what the operation has read is computed from rows, and not from shared tensors alone,
 * which are in the outermost scope. */
static bool reads_rows(const record *r, int *steps)
{
    for (int i = 0; i < r->n; i++) {
        const tg_tensor *t = r->in[i].t;
        const record *m = maker_of(t, r);
        if (--*steps < 0 || (m ? reads_rows(m, steps) : priv(t)->storage->depth > 0)) return true;
    }
    return false;
}

/* Whether the operation multiplies by a constant that is the number of rows, half of it, or a
 * multiple of the half. Such a product makes a sum of a mean, or half a sum. */
static bool multiplies_by_rows(const record *r, double rows)
{
    const char *name = r->op->name;
    if (strncmp(name, "mul_scalar", 10) == 0) return fmod(2 * r->a[0].f, rows) == 0;
    if (strcmp(name, "mul") != 0 && strcmp(name, "mul_") != 0) return false;
    for (int i = 0; i < 2; i++) {
        const tg_tensor *t = r->in[i].t; /* which the gradient of the other factor reads, too */
        if (!r->in[i].needs_grad && fmod(2 * tg__load(t->dtype, t->data, 0), rows) == 0)
            return true;
    }
    return false;
}

/* Whether the operation is a mean of rows. In a block of a single row, a mean that keeps a
 * dimension is not one: it is taken over the features of the row, gives an element for each row in
 * other blocks, and the loss is the sum of these elements. */
static bool is_mean_of_rows(const record *r, double rows)
{
    int steps = MOST_STEPS;
    return tg__is_mean(r) && !(rows == 1 && r->out->ndim > 0) && reads_rows(r, &steps);
}

static bool finds_mean(const record *r, double rows, int *steps)
{
    if (--*steps < 0 || multiplies_by_rows(r, rows)) return false;
    if (tg__is_mean(r)) return is_mean_of_rows(r, rows);
    for (int i = 0; i < r->n; i++) {
        const record *m = r->in[i].t->numel == 1 ? maker_of(r->in[i].t, r) : NULL;
        if (m && finds_mean(m, rows, steps)) return true;
    }
    return false;
}

bool tg__has_mean(const tg_tensor *loss, int64_t rows)
{
    int steps = MOST_STEPS;
    return priv(loss)->record && finds_mean(priv(loss)->record, (double)rows, &steps);
}
