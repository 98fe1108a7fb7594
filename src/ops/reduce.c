/* The walk of reductions over dimensions. */
#include "reduce.h"

#include <string.h>

static uint64_t all_dims(const tg_tensor *t)
{
    return (1u << t->ndim) - 1;
}

int64_t tg__terms(const tg_tensor *t, const attr *a)
{
    int64_t terms = 1;
    for (int d = 0; d < t->ndim; d++)
        if ((uint64_t)a[0].i >> d & 1) terms *= t->shape[d];
    return terms;
}

void tg__reduced_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    s->ndim = 0;
    for (int d = 0; d < t->ndim; d++) {
        if (!tg__is_reduced(c, d))
            s->shape[s->ndim++] = t->shape[d];
        else if (c->a[1].i)
            s->shape[s->ndim++] = 1;
    }
}

/* ---- The walk: kept dimensions outside, reduced ones inside. */

/* The input with its reduced dimensions last, and how kernels take it: pieces of neighbouring
 * outputs that lie at one stride, as do the terms of each. One of the two strides is 1. */
typedef struct folded {
    const char *data;
    tg_dtype dtype;
    int ndim, kept, apart; /* dimensions; those kept; those of them that are outside a piece */
    int64_t shape[TG_MAX_DIMS], strides[TG_MAX_DIMS];
    int64_t outputs, terms;
    int64_t piece; /* outputs */
    int64_t output_stride, term_stride;
} folded;

/* Whether dimensions [first, last) lie as one array, and its stride. */
static bool one_stride(const folded *f, int first, int last, int64_t *stride)
{
    int64_t step = 0, n = 1;
    for (int d = last - 1; d >= first; d--) {
        if (f->shape[d] == 1) continue;
        if (n == 1)
            step = f->strides[d];
        else if (f->strides[d] != step * n)
            return false;
        n *= f->shape[d];
    }
    *stride = n == 1 ? 1 : step;
    return true;
}

static bool in_pieces(folded *f)
{
    if (!one_stride(f, f->kept, f->ndim, &f->term_stride)) return false;
    f->apart = f->kept;
    f->piece = f->output_stride = 1;
    while (f->apart > 0 && one_stride(f, f->apart - 1, f->kept, &f->output_stride))
        f->piece *= f->shape[--f->apart];
    return f->term_stride == 1 || f->output_stride == 1;
}

/* Terms that do not suit the kernels are copied; false without memory for it. */
static bool fold(const call *c, folded *f)
{
    const tg_tensor *t = c->in[0];
    f->data = t->data;
    f->dtype = t->dtype;
    f->ndim = t->ndim;
    f->kept = 0;
    f->outputs = f->terms = 1;
    for (int pass = 0, at = 0; pass < 2; pass++)
        for (int d = 0; d < t->ndim; d++) {
            if (tg__is_reduced(c, d) != (pass == 1)) continue;
            f->shape[at] = t->shape[d];
            f->strides[at++] = t->strides[d];
            f->kept += !pass;
            *(pass ? &f->terms : &f->outputs) *= t->shape[d];
        }
    if (f->outputs == 0 || f->terms == 0 || in_pieces(f)) return true;
    tg_tensor *copy = tg__new(c->tg, f->dtype, f->ndim, f->shape);
    if (!copy) return false;
    stack_tensor order;
    tg__copy(copy, tg__array(&order, t, t->data, f->ndim, f->shape, f->strides));
    f->data = copy->data;
    tg__strides(f->ndim, f->shape, f->strides);
    return in_pieces(f);
}

/* The first term of an output. */
static const void *term_of(const folded *f, int64_t output)
{
    int64_t at = output % f->piece * f->output_stride;
    output /= f->piece;
    for (int d = f->apart - 1; d >= 0; d--) {
        at += output % f->shape[d] * f->strides[d];
        output /= f->shape[d];
    }
    return f->data + at * (int64_t)tg__dtype_size(f->dtype);
}

typedef struct reduce_work reduce_work;

/* Outputs of one piece. */
typedef void reduction(const reduce_work *w, int64_t first, int64_t outputs);

struct reduce_work {
    const folded *f;
    reduction *reduce;
    int level;
    char *values;    /* NULL: not wanted */
    int64_t *places; /* the same */
    size_t size;     /* of a value */
};

static void sums(const reduce_work *w, int64_t first, int64_t outputs)
{
    const folded *f = w->f;
    void *values = w->values + (size_t)first * w->size;
    if (f->term_stride == 1)
        pick(w->level, sum, f->dtype)(outputs, f->terms, values, term_of(f, first),
                                      f->output_stride);
    else
        pick(w->level, sum_columns, f->dtype)(f->terms, outputs, values, term_of(f, first),
                                              f->term_stride);
}

static void extremes(const reduce_work *w, bool greatest, int64_t first, int64_t outputs)
{
    const folded *f = w->f;
    void *values = w->values ? w->values + (size_t)first * w->size : NULL;
    int64_t *places = w->places ? w->places + first : NULL;
    if (f->term_stride == 1)
        pick(w->level, extreme, f->dtype)(greatest, outputs, f->terms, values, places,
                                          term_of(f, first), f->output_stride);
    else
        pick(w->level, extreme_columns, f->dtype)(greatest, f->terms, outputs, values, places,
                                                  term_of(f, first), f->term_stride);
}

static void greatest(const reduce_work *w, int64_t first, int64_t outputs)
{
    extremes(w, true, first, outputs);
}

static void least(const reduce_work *w, int64_t first, int64_t outputs)
{
    extremes(w, false, first, outputs);
}

static void some_outputs(void *work, int64_t from, int64_t to)
{
    const reduce_work *w = work;
    const int64_t piece = w->f->piece;
    for (int64_t i = from, end; i < to; i = end) {
        end = (i / piece + 1) * piece < to ? (i / piece + 1) * piece : to;
        w->reduce(w, i, end - i);
    }
}

/* Sums of narrow columns have an order that depends on how many there are: such pieces stay whole.
 */
static int64_t grain_of_reduction(const folded *f)
{
    enum { NARROW = 64 };
    int64_t grain = tg__grain_of(f->terms);
    if (f->term_stride == 1) return grain;
    if (f->piece <= NARROW) return (grain + f->piece - 1) / f->piece * f->piece;
    return grain < NARROW ? NARROW : grain;
}

static bool reduce_into(const call *c, reduction *reduce, tg_tensor *values, int64_t *places)
{
    folded f;
    if (!fold(c, &f)) return false;
    if (f.terms == 0 && values) tg__fill(values, 0);
    if (f.terms == 0 || f.outputs == 0) return true;
    reduce_work w = {.f = &f, .reduce = reduce, .level = c->tg->level, .places = places};
    if (values) w.values = values->data;
    if (values) w.size = tg__dtype_size(values->dtype);
    tg__split(c->tg, f.outputs, grain_of_reduction(&f), some_outputs, &w);
    return true;
}

bool tg__sum_into(const call *c, tg_tensor *sum)
{
    return reduce_into(c, sums, sum, NULL);
}

bool tg__extreme_into(const call *c, bool want_greatest, tg_tensor *values, int64_t *places)
{
    return reduce_into(c, want_greatest ? greatest : least, values, places);
}

tg_tensor *tg__over_dims_with(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim, attr last)
{
    uint64_t bits;
    if (!a || !tg__dim_bits(a, o->name, dims, &bits)) return NULL;
    if (!dims.ndim) bits = all_dims(a);
    return tg__apply(o, 1, &a, (attr[TG_ATTRS]){{.i = (int64_t)bits}, {.i = keepdim}, last});
}

tg_tensor *tg__over_all(const op_row *o, tg_tensor *a)
{
    return a ? tg__apply(o, 1, &a, (attr[TG_ATTRS]){{.i = (int64_t)all_dims(a)}, {.i = false}})
             : NULL;
}

tg_tensor *tg__over_dims(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim)
{
    return tg__over_dims_with(o, a, dims, keepdim, (attr){0});
}

tg_tensor *tg__with_dims(const record *r, tg_tensor *t)
{
    const tg_tensor *x = r->in[0].t;
    int64_t shape[TG_MAX_DIMS];
    for (int d = 0; d < x->ndim; d++) shape[d] = ((uint64_t)r->a[0].i >> d) & 1 ? 1 : x->shape[d];
    return tg_reshape(t, (tg_shape){x->ndim, shape});
}

tg_tensor *tg__spread(const record *r, tg_tensor *g)
{
    const tg_tensor *x = r->in[0].t;
    return tg_expand(tg__with_dims(r, g), (tg_shape){x->ndim, x->shape});
}
