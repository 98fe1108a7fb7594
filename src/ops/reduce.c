/* Reductions over dimensions: sum, mean, extremes and where they stand. */
#include "op.h"
#include "reduce.h"

#include <math.h>
#include <string.h>

/* a: a bit for each dimension reduced; keepdim. */
static tg_tensor *apply_reduction(const op_row *o, tg_tensor *t, uint64_t dims, bool keepdim)
{
    return tg__apply(o, 1, &t, (attr[TG_ATTRS]){{.i = (int64_t)dims}, {.i = keepdim}});
}

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

static bool reduced(const call *c, int d)
{
    return ((uint64_t)c->a[0].i >> d) & 1;
}

void tg__reduced_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    s->ndim = 0;
    for (int d = 0; d < t->ndim; d++) {
        if (!reduced(c, d))
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
            if (reduced(c, d) != (pass == 1)) continue;
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

tg_tensor *tg__over_dims(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim, attr last)
{
    uint64_t bits;
    if (!a || !tg__dim_bits(a, o->name, dims, &bits)) return NULL;
    if (!dims.ndim) bits = all_dims(a);
    return tg__apply(o, 1, &a, (attr[TG_ATTRS]){{.i = (int64_t)bits}, {.i = keepdim}, last});
}

static tg_tensor *over_all(const op_row *o, tg_tensor *a)
{
    return a ? apply_reduction(o, a, all_dims(a), false) : NULL;
}

static tg_tensor *over_dims(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim)
{
    return tg__over_dims(o, a, dims, keepdim, (attr){0});
}

/* ---- sum and mean. */

static bool sum_shape(const call *c, spec *s)
{
    tg_dtype dtype = c->in[0]->dtype;
    s->dtype = tg__is_float(dtype) ? dtype : TG_I64;
    tg__reduced_shape(c, s);
    return true;
}

static bool sum_forward(const call *c)
{
    return reduce_into(c, sums, c->out, NULL);
}

tg_tensor *tg__with_dims(const record *r, tg_tensor *t)
{
    const tg_tensor *x = r->in[0].t;
    int64_t shape[TG_MAX_DIMS];
    for (int d = 0; d < x->ndim; d++) shape[d] = ((uint64_t)r->a[0].i >> d) & 1 ? 1 : x->shape[d];
    return tg_reshape(t, (tg_shape){x->ndim, shape});
}

static tg_tensor *spread(const record *r, tg_tensor *g)
{
    const tg_tensor *x = r->in[0].t;
    return tg_expand(tg__with_dims(r, g), (tg_shape){x->ndim, x->shape});
}

static tg_tensor *sum_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return spread(r, g);
}

static const op_row sum_op = {
    .name = "sum",
    .grad_name = "SumBackward0",
    .shape = sum_shape,
    .forward = sum_forward,
    .grad = sum_grad,
};
static const op_row sum_dims_op = {
    .name = "sum",
    .grad_name = "SumBackward1",
    .shape = sum_shape,
    .forward = sum_forward,
    .grad = sum_grad,
};

tg_tensor *tg_sum(tg_tensor *a)
{
    return over_all(&sum_op, a);
}

tg_tensor *tg_sum_dims(tg_tensor *a, tg_shape dims, bool keepdim)
{
    return over_dims(&sum_dims_op, a, dims, keepdim);
}

static bool mean_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && sum_shape(c, s);
}

static bool mean_forward(const call *c)
{
    if (!reduce_into(c, sums, c->out, NULL)) return false;
    stack_tensor n;
    tg_tensor *in[] = {c->out, tg__scalar(&n, c->out, (double)tg__terms(c->in[0], c->a))};
    loop divide = {.binary = pick(c->tg->level, div, c->out->dtype)};
    tg__elementwise(divide, c->out, 2, in);
    return true;
}

static tg_tensor *mean_grad(const record *r, int i, tg_tensor *g)
{
    int64_t terms = tg__terms(r->in[i].t, r->a);
    return spread(r, terms > 0 ? tg_div_scalar(g, (double)terms) : g);
}

static const op_row mean_op = {
    .name = "mean",
    .grad_name = "MeanBackward0",
    .shape = mean_shape,
    .forward = mean_forward,
    .grad = mean_grad,
};
static const op_row mean_dims_op = {
    .name = "mean",
    .grad_name = "MeanBackward1",
    .shape = mean_shape,
    .forward = mean_forward,
    .grad = mean_grad,
};

tg_tensor *tg_mean(tg_tensor *a)
{
    return over_all(&mean_op, a);
}

tg_tensor *tg_mean_dims(tg_tensor *a, tg_shape dims, bool keepdim)
{
    return over_dims(&mean_dims_op, a, dims, keepdim);
}

/* ---- Extremes. */

static bool extreme_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    for (int d = 0; d < t->ndim; d++)
        if (reduced(c, d) && t->shape[d] == 0)
            return tg__fail(c->tg, TG_ERR_SHAPE,
                            "%s: dimension %d of %s has size 0, but must have an element",
                            c->op->name, d, SHOW(t));
    s->dtype = t->dtype;
    tg__reduced_shape(c, s);
    return true;
}

static bool arg_shape(const call *c, spec *s)
{
    if (!extreme_shape(c, s)) return false;
    s->dtype = TG_I64;
    return true;
}

/* The gradient g of an extreme over all of x, shared by the elements that are equal to it. If one
 * is NaN the extreme is NaN, and all that are NaN share. Inputs: g, x, the extreme. */
static bool share_forward(const call *c)
{
    tg_tensor *x = c->in[1], *chosen = tg__new(c->tg, TG_BOOL, x->ndim, x->shape);
    if (!chosen) return false;
    const int level = c->tg->level;
    const bool is_nan = isnan(tg_item(c->in[2]));
    const loop f = {.binary = is_nan ? pick(level, ne, x->dtype) : pick(level, eq, x->dtype)};
    tg__elementwise(f, chosen, 2, (tg_tensor *[]){x, is_nan ? x : c->in[2]});
    int64_t n;
    pick(level, sum, TG_BOOL)(1, x->numel, &n, chosen->data, x->numel);
    stack_tensor count, none, share;
    tg_tensor *in[] = {chosen, tg__scalar(&share, x, 0), tg__scalar(&none, x, 0)};
    tg_tensor *quotient[] = {c->in[0], tg__scalar(&count, x, (double)n)};
    tg__elementwise((loop){.binary = pick(level, div, x->dtype)}, in[1], 2, quotient);
    tg__elementwise((loop){.where = pick(level, where, x->dtype)}, c->out, 3, in);
    return true;
}

static tg_tensor *share_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[1].t, *zero = tg_scalar(g->context, g->dtype, 0);
    (void)i; /* only the first input has a history */
    tg_tensor *chosen = tg_logical_or(tg_eq(x, r->in[2].t), tg_isnan(x));
    return tg_div(tg_sum(tg_where(chosen, g, zero)), tg_cast(tg_sum(chosen), g->dtype));
}

static const op_row share_op = {
    .name = "evenly_distribute_backward",
    .grad_name = "EvenlyDistributeBackwardBackward0",
    .shape = tg__shape_of_second,
    .forward = share_forward,
    .grad = share_grad,
    .reads = {READS_1 | READS_2},
};

static tg_tensor *extreme_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *all[] = {g, tg_detach(r->in[i].t), tg_detach(r->out)};
    return tg__apply(&share_op, 3, all, NULL);
}

/* Over a dim: for the element that was taken, whose place the second input has kept. */
static tg_tensor *extreme_dim_grad(const record *r, int i, tg_tensor *g)
{
    const tg_tensor *x = r->in[i].t;
    int dim = 0;
    if (x->ndim == 0) return g;
    while (!((uint64_t)r->a[0].i >> dim & 1)) dim++;
    if (!r->a[1].i) g = tg_unsqueeze(g, dim);
    tg_tensor *zeros = tg_zeros(x->context, x->dtype, (tg_shape){x->ndim, x->shape});
    return tg_scatter_add(zeros, dim, r->in[1].t, g);
}

/* With the places that a gradient will want, which the same pass finds. */
static tg_tensor *extreme_over_dim(const op_row *o, tg_tensor *a, int dim, bool keepdim)
{
    if (!a || !a->requires_grad || a->context->no_grad)
        return over_dims(o, a, TG_DIMS(dim), keepdim);
    uint64_t bits;
    int64_t shape[TG_MAX_DIMS];
    if (!tg__dim_bits(a, o->name, TG_DIMS(dim), &bits)) return NULL;
    for (int d = 0; d < a->ndim; d++) shape[d] = bits >> d & 1 ? 1 : a->shape[d];
    tg_tensor *both[] = {a, tg__new(a->context, TG_I64, a->ndim, shape)};
    return both[1] ? tg__apply(o, 2, both, (attr[TG_ATTRS]){{.i = (int64_t)bits}, {.i = keepdim}})
                   : NULL;
}

/* Over dims: shared by the elements that are equal to the extreme of their output. */
static tg_tensor *extremes_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *chosen = tg_cast(tg_eq(x, spread(r, r->out)), x->dtype);
    tg_tensor *n = apply_reduction(&sum_dims_op, chosen, (uint64_t)r->a[0].i, true);
    return tg_mul(tg_div(spread(r, g), n), chosen);
}

static bool max_forward(const call *c)
{
    return reduce_into(c, greatest, c->out, c->n > 1 ? c->in[1]->data : NULL);
}

static bool argmax_forward(const call *c)
{
    return reduce_into(c, greatest, NULL, c->out->data);
}

static const op_row max_op = {
    .name = "max",
    .grad_name = "MaxBackward1",
    .shape = extreme_shape,
    .forward = max_forward,
    .grad = extreme_grad,
    .reads = {READS_0 | READS_OUT},
};
static const op_row max_dim_op = {
    .name = "max",
    .grad_name = "MaxBackward0",
    .shape = extreme_shape,
    .forward = max_forward,
    .grad = extreme_dim_grad,
    .reads = {READS_1},
};
static const op_row amax_op = {
    .name = "amax",
    .grad_name = "AmaxBackward0",
    .shape = extreme_shape,
    .forward = max_forward,
    .grad = extremes_grad,
    .reads = {READS_0 | READS_OUT},
};
static const op_row argmax_op = {.name = "argmax", .shape = arg_shape, .forward = argmax_forward};

static bool min_forward(const call *c)
{
    return reduce_into(c, least, c->out, c->n > 1 ? c->in[1]->data : NULL);
}

static bool argmin_forward(const call *c)
{
    return reduce_into(c, least, NULL, c->out->data);
}

static const op_row min_op = {
    .name = "min",
    .grad_name = "MinBackward1",
    .shape = extreme_shape,
    .forward = min_forward,
    .grad = extreme_grad,
    .reads = {READS_0 | READS_OUT},
};
static const op_row min_dim_op = {
    .name = "min",
    .grad_name = "MinBackward0",
    .shape = extreme_shape,
    .forward = min_forward,
    .grad = extreme_dim_grad,
    .reads = {READS_1},
};
static const op_row amin_op = {
    .name = "amin",
    .grad_name = "AminBackward0",
    .shape = extreme_shape,
    .forward = min_forward,
    .grad = extremes_grad,
    .reads = {READS_0 | READS_OUT},
};
static const op_row argmin_op = {.name = "argmin", .shape = arg_shape, .forward = argmin_forward};

tg_tensor *tg_max(tg_tensor *a)
{
    return over_all(&max_op, a);
}

tg_tensor *tg_max_dim(tg_tensor *a, int dim, bool keepdim)
{
    return extreme_over_dim(&max_dim_op, a, dim, keepdim);
}

tg_tensor *tg_amax(tg_tensor *a, tg_shape dims, bool keepdim)
{
    return over_dims(&amax_op, a, dims, keepdim);
}

tg_tensor *tg_argmax(tg_tensor *a)
{
    return over_all(&argmax_op, a);
}

tg_tensor *tg_argmax_dim(tg_tensor *a, int dim, bool keepdim)
{
    return over_dims(&argmax_op, a, TG_DIMS(dim), keepdim);
}

tg_tensor *tg_min(tg_tensor *a)
{
    return over_all(&min_op, a);
}

tg_tensor *tg_min_dim(tg_tensor *a, int dim, bool keepdim)
{
    return extreme_over_dim(&min_dim_op, a, dim, keepdim);
}

tg_tensor *tg_amin(tg_tensor *a, tg_shape dims, bool keepdim)
{
    return over_dims(&amin_op, a, dims, keepdim);
}

tg_tensor *tg_argmin(tg_tensor *a)
{
    return over_all(&argmin_op, a);
}

tg_tensor *tg_argmin_dim(tg_tensor *a, int dim, bool keepdim)
{
    return over_dims(&argmin_op, a, TG_DIMS(dim), keepdim);
}

tg_tensor *tg__sum_to(tg_tensor *g, const tg_tensor *like)
{
    if (!g || tg__same_sizes(g->ndim, g->shape, like->ndim, like->shape)) return g;
    int64_t dims[TG_MAX_DIMS];
    int n = 0, extra = g->ndim - like->ndim;
    for (int i = 0; i < g->ndim; i++)
        if (i < extra || (like->shape[i - extra] == 1 && g->shape[i] != 1)) dims[n++] = i;
    if (n > 0) g = tg_sum_dims(g, (tg_shape){n, dims}, TG_KEEPDIM);
    return extra > 0 ? tg_reshape(g, (tg_shape){like->ndim, like->shape}) : g;
}

/* ---- The greatest or the least, and its index. */

static tg_indexed extreme_indexed(const char *name, tg_tensor *a, int dim, bool keepdim,
                                  tg_tensor *(*where)(tg_tensor *, int, bool))
{
    frame f;
    tg__enter(&f, name, a);
    tg_tensor *places = where(a, dim, TG_KEEPDIM), *r[] = {NULL, places};
    if (places) r[0] = tg_gather(a, dim, places);
    for (int i = 0; i < 2 && !keepdim; i++) r[i] = tg_squeeze_dim(r[i], dim);
    tg__leave_with(&f, 2, r);
    return r[0] && r[1] ? (tg_indexed){r[0], r[1]} : (tg_indexed){NULL, NULL};
}

tg_indexed tg_max_indexed(tg_tensor *a, int dim, bool keepdim)
{
    return extreme_indexed("max", a, dim, keepdim, tg_argmax_dim);
}

tg_indexed tg_min_indexed(tg_tensor *a, int dim, bool keepdim)
{
    return extreme_indexed("min", a, dim, keepdim, tg_argmin_dim);
}
