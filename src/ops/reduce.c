/* The loop of reductions over dimensions, which finds for every output the memory of its terms and
 * calls a kernel; and what the calls and gradients of reductions share. */
#include "reduce.h"

#include <string.h>

static uint64_t all_dims(const tg_tensor *t)
{
    return (1u << t->ndim) - 1;
}

int64_t tg__count_terms(const tg_tensor *t, const attr *a)
{
    int64_t terms = 1;
    for (int d = 0; d < t->ndim; d++)
        if (tg__is_reduced(a, d)) terms *= t->shape[d];
    return terms;
}

void tg__reduced_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    s->ndim = 0;
    for (int d = 0; d < t->ndim; d++) {
        if (!tg__is_reduced(c->a, d))
            s->shape[s->ndim++] = t->shape[d];
        else if (c->a[REDUCE_KEEPDIM].i)
            s->shape[s->ndim++] = 1;
    }
}

/* ---- The loop over outputs. */

/* The input with its kept dimensions first and the reduced ones last. The terms of an output must
 * lie at one stride, term_stride. The last kept dimensions form a piece: the first terms of its
 * outputs lie at one stride, too, which is output_stride. One of the two strides must be 1, since a
 * kernel takes rows or columns of a matrix: with term_stride 1 each output is the reduction of a
 * row, with output_stride 1 that of a column. */
typedef struct reduction_layout {
    const char *data;
    tg_dtype dtype;
    int ndim, kept, outer; /* number of dimensions; of kept ones; of kept ones before the piece */
    int64_t shape[TG_MAX_DIMS], strides[TG_MAX_DIMS];
    int64_t outputs, terms;
    int64_t piece; /* number of outputs in a piece */
    int64_t output_stride, term_stride;
    int64_t run, run_stride; /* where the terms do not lie at one stride; see find_runs */
} reduction_layout;

bool tg__lie_at_one_stride(const int64_t *shape, const int64_t *strides, int first, int last,
                           int64_t *stride)
{
    int64_t step = 1, n = 1;
    for (int d = last - 1; d >= first; d--) {
        if (shape[d] == 1) continue;
        if (n == 1)
            step = strides[d];
        else if (strides[d] != step * n)
            return false;
        n *= shape[d];
    }
    *stride = step;
    return true;
}

/* Finds the largest piece. Returns false if the terms do not lie at one stride, or if neither
 * stride is 1; no kernel takes such a layout. */
static bool find_pieces(reduction_layout *f)
{
    if (!tg__lie_at_one_stride(f->shape, f->strides, f->kept, f->ndim, &f->term_stride))
        return false;
    f->outer = f->kept;
    f->piece = f->output_stride = 1;
    while (f->outer > 0 &&
           tg__lie_at_one_stride(f->shape, f->strides, f->outer - 1, f->kept, &f->output_stride))
        f->piece *= f->shape[--f->outer];
    return f->term_stride == 1 || f->output_stride == 1;
}

/* Describes terms that lie in runs of neighbours, which begin at one stride. Returns false if they
 * do not, or if the runs are short. Each output is then a piece of its own. */
static bool find_runs(reduction_layout *f)
{
    enum { LONG = 256 }; /* bytes of a run that take less time than to copy it */
    int64_t stride;
    int first = f->ndim;
    f->run = 1;
    while (first > f->kept &&
           tg__lie_at_one_stride(f->shape, f->strides, first - 1, f->ndim, &stride) && stride == 1)
        f->run *= f->shape[--first];
    f->outer = f->kept;
    f->piece = f->term_stride = 1;
    return f->run * (int64_t)tg__dtype_size(f->dtype) >= LONG &&
           tg__lie_at_one_stride(f->shape, f->strides, f->kept, first, &f->run_stride);
}

/* The layout of the input, apart from its piece. */
static reduction_layout layout_of(const call *c)
{
    const tg_tensor *t = c->in[0];
    reduction_layout f = {
        .data = t->data, .dtype = t->dtype, .ndim = t->ndim, .outputs = 1, .terms = 1};
    for (int pass = 0, at = 0; pass < 2; pass++)
        for (int d = 0; d < t->ndim; d++) {
            if (tg__is_reduced(c->a, d) != (pass == 1)) continue;
            f.shape[at] = t->shape[d];
            f.strides[at++] = t->strides[d];
            f.kept += !pass;
            *(pass ? &f.terms : &f.outputs) *= t->shape[d];
        }
    return f;
}

/* The address of the first term of an output. */
static const void *first_term(const reduction_layout *f, int64_t output)
{
    int64_t at = output % f->piece * f->output_stride;
    output /= f->piece;
    for (int d = f->outer - 1; d >= 0; d--) {
        at += output % f->shape[d] * f->strides[d];
        output /= f->shape[d];
    }
    return f->data + at * (int64_t)tg__dtype_size(f->dtype);
}

typedef struct reduce_work reduce_work;

/* Computes so many outputs from number `first` on, all of one piece. */
typedef void reduction(const reduce_work *w, int64_t first, int64_t outputs);

struct reduce_work {
    const reduction_layout *f;
    reduction *reduce;
    reduce_kernel *rows; /* the kernels of reduce_by_kernels, for the dtype */
    reduce_columns_kernel *columns;
    int what; /* the sum that these kernels compute, such as LANES_SUM; -1 if it is no sum */
    int level;
    char *values;     /* NULL if the values are not asked for */
    int64_t *indices; /* NULL if the indices are not asked for */
    size_t size;      /* of a value, in bytes */
};

static void reduce_by_kernels(const reduce_work *w, int64_t first, int64_t outputs)
{
    const reduction_layout *f = w->f;
    void *values = w->values + (size_t)first * w->size;
    if (f->term_stride == 1)
        w->rows(outputs, f->terms, values, first_term(f, first), f->output_stride);
    else
        w->columns(f->terms, outputs, values, first_term(f, first), f->term_stride);
}

static void reduce_runs(const reduce_work *w, int64_t first, int64_t outputs)
{
    const reduction_layout *f = w->f;
    for (int64_t i = first; i < first + outputs; i++)
        pick(w->level, sum_runs, f->dtype)(f->terms / f->run, f->run,
                                           w->values + (size_t)i * w->size, first_term(f, i),
                                           f->run_stride);
}

static void reduce_extremes(const reduce_work *w, bool greatest, int64_t first, int64_t outputs)
{
    const reduction_layout *f = w->f;
    void *values = w->values ? w->values + (size_t)first * w->size : NULL;
    int64_t *indices = w->indices ? w->indices + first : NULL;
    if (f->term_stride == 1)
        pick(w->level, extreme, f->dtype)(greatest, outputs, f->terms, values, indices,
                                          first_term(f, first), f->output_stride);
    else
        pick(w->level, extreme_columns, f->dtype)(greatest, f->terms, outputs, values, indices,
                                                  first_term(f, first), f->term_stride);
}

static void reduce_greatest(const reduce_work *w, int64_t first, int64_t outputs)
{
    reduce_extremes(w, true, first, outputs);
}

static void reduce_least(const reduce_work *w, int64_t first, int64_t outputs)
{
    reduce_extremes(w, false, first, outputs);
}

/* Computes the outputs [from, to), piece by piece. */
static void reduce_outputs(void *work, int64_t from, int64_t to)
{
    const reduce_work *w = work;
    const int64_t piece = w->f->piece;
    for (int64_t i = from, end; i < to; i = end) {
        end = (i / piece + 1) * piece < to ? (i / piece + 1) * piece : to;
        w->reduce(w, i, end - i);
    }
}

/* The number of outputs that are worth a block of their own when threads share the work. The kernel
 * of sums over columns takes STRIP columns of float32 at a time; narrower blocks would read parts
 * of cache lines. If there are few columns, the kernel adds in another order. A piece of few
 * columns is not cut, as the bits would then depend on the number of threads. */
static int64_t outputs_per_block(const reduction_layout *f)
{
    enum { STRIP = 128 };
    const int64_t grain = tg__grain_of(f->terms);
    const int64_t unit = f->term_stride == 1 ? 1 : f->piece <= SUM_WIDE ? f->piece : STRIP;
    return (grain + unit - 1) / unit * unit;
}

/* A sum that is cut into parts. The lanes of each part are computed. */
typedef struct sum_work {
    int what, level;
    tg_dtype dtype;
    int64_t n;
    char *lanes;
    const char *a, *b;
} sum_work;

static void lanes_of_parts(void *work, int64_t from, int64_t to)
{
    const sum_work *w = work;
    const size_t size = tg__dtype_size(w->dtype);
    for (int64_t i = from; i < to; i++) {
        const int64_t at = i * SUM_PART, n = w->n - at < SUM_PART ? w->n - at : SUM_PART;
        pick(w->level, lane_sums, w->dtype)(w->what, n, w->lanes + (size_t)(i * SUM_LANES) * size,
                                            w->a + (size_t)at * size, w->b + (size_t)at * size);
    }
}

bool tg__share_sum(tg_context *tg, tg_dtype dtype, int what, int64_t n, void *out, const void *a,
                   const void *b)
{
    const int64_t parts = (n - 1) / SUM_PART + 1;
    tg_tensor *lanes = tg__new(tg, dtype, 2, (int64_t[]){parts, SUM_LANES});
    if (!lanes) return false;
    sum_work w = {what, tg->level, dtype, n, lanes->data, a, b};
    tg__split(tg, parts, 1, lanes_of_parts, &w);
    pick(tg->level, join_lanes, dtype)(parts, out, lanes->data);
    tg_release(lanes);
    return true;
}

/* ---- Outputs that are too few for the threads, which share their terms in place of them. */

/* A reduction whose terms are cut into parts. Part i computes as many outputs as the whole has, and
 * stores them behind those of the parts before it. */
typedef struct parts_work {
    reduce_work w;
    int64_t terms; /* in each part; the last one may have fewer */
} parts_work;

static int64_t parts_of(const parts_work *p)
{
    return (p->w.f->terms - 1) / p->terms + 1;
}

/* Whether threads share the terms; if so, *terms becomes the number of terms in a part. It is
 * SUM_BLOCK_ROWS times a power of two, as sums over columns need it. */
static bool cut_terms(const tg_context *tg, const reduction_layout *f, int64_t *terms)
{
    enum { FEW_COLUMNS = 512 };
    if (!tg__shares_sum(tg, tg__times(f->terms, f->outputs))) return false;
    if (f->term_stride == 1 ? f->outputs >= tg->team->threads
                            : f->outputs > FEW_COLUMNS || f->outputs != f->piece)
        return false;
    *terms = SUM_PART;
    while (*terms * f->outputs > SUM_PART) *terms /= 2;
    return true;
}

/* Work that is split: the parts [from, to). */
static void reduce_parts(void *work, int64_t from, int64_t to)
{
    const parts_work *p = work;
    for (int64_t i = from; i < to; i++) {
        reduction_layout f = *p->w.f;
        reduce_work w = p->w;
        const int64_t before = i * p->terms, outputs = i * f.outputs;
        f.data += before * f.term_stride * (int64_t)tg__dtype_size(f.dtype);
        f.terms = f.terms - before < p->terms ? f.terms - before : p->terms;
        w.f = &f;
        w.values += (size_t)outputs * w.size;
        if (w.indices) w.indices += outputs;
        reduce_outputs(&w, 0, f.outputs);
    }
}

/* Computes the extremes of all parts, and then the extremes of these. The first of equal extremes
 * is in the first part that has one. */
static bool share_extremes(tg_context *tg, reduce_work w, int64_t terms)
{
    const reduction_layout *f = w.f;
    parts_work p = {w, terms};
    const int64_t parts = parts_of(&p);
    const int64_t shape[] = {parts, f->outputs};
    tg_tensor *values = tg__new(tg, f->dtype, 2, shape), *indices = NULL;
    if (!values || (w.indices && !(indices = tg__new(tg, TG_I64, 2, shape)))) return false;
    p.w.values = values->data;
    p.w.size = tg__dtype_size(f->dtype);
    p.w.indices = indices ? indices->data : NULL;
    tg__split(tg, parts, 1, reduce_parts, &p);
    const reduction_layout all = {.data = values->data,
                                  .dtype = f->dtype,
                                  .outputs = f->outputs,
                                  .terms = parts,
                                  .piece = f->outputs,
                                  .output_stride = 1,
                                  .term_stride = f->outputs};
    w.f = &all;
    w.reduce(&w, 0, f->outputs);
    for (int64_t i = 0; i < f->outputs && indices; i++) {
        const int64_t part = w.indices[i];
        w.indices[i] = part * terms + p.w.indices[part * f->outputs + i];
    }
    tg_release(indices);
    tg_release(values);
    return true;
}

void tg__join_sums(const tg_context *tg, tg_dtype dtype, int64_t parts, int64_t n, char *sums)
{
    binary_kernel *add = pick(tg->level, add, dtype);
    const int64_t row = n * (int64_t)tg__dtype_size(dtype);
    for (int64_t step = 1; step < parts; step *= 2)
        for (int64_t i = 0; i + step < parts; i += 2 * step)
            add(n, sums + i * row, sums + i * row, sums + (i + step) * row);
}

/* Sums columns in parts. As in the kernel, several rows that are narrow are treated as one; their
 * sums and the rows that are left over are then summed. */
static bool share_sum_of_columns(tg_context *tg, const reduce_work *w, int64_t terms)
{
    const tg_dtype d = w->f->dtype;
    const int64_t columns = w->f->outputs;
    const bool gaps = w->f->term_stride != columns;
    const int64_t together = gaps ? 1 : tg__rows_together(w->f->terms, columns);
    const int64_t rest = w->f->terms % together;
    reduction_layout wide = *w->f;
    parts_work p = {*w, terms};
    wide.terms /= together;
    wide.outputs = wide.piece = together * columns;
    if (together > 1) wide.term_stride = wide.outputs;
    p.w.f = &wide;
    while (p.terms * wide.outputs > SUM_PART) p.terms /= 2;
    const int64_t parts = parts_of(&p);
    tg_tensor *sums = tg__new(tg, d, 2, (int64_t[]){parts + 1, wide.outputs});
    if (!sums) return false;
    p.w.values = sums->data;
    tg__split(tg, parts, 1, reduce_parts, &p);
    tg__join_sums(tg, d, parts, wide.outputs, sums->data);
    char *left = (char *)sums->data + (size_t)wide.outputs * w->size;
    const char *rows = wide.data + wide.terms * wide.outputs * (int64_t)w->size;
    if (w->what == LANES_SQUARES)
        pick(tg->level, mul, d)(rest * columns, left, rows, rows);
    else
        memcpy(left, rows, (size_t)(rest * columns) * w->size);
    pick(tg->level, sum_columns, d)(together + rest, columns, w->values, sums->data, columns);
    tg_release(sums);
    return true;
}

/* Computes all outputs of a layout that has a piece. */
static bool reduce_layout(const call *c, reduce_work w, const reduction_layout *f)
{
    int64_t terms;
    w.f = f;
    if (cut_terms(c->tg, f, &terms)) {
        if (w.reduce != reduce_by_kernels) return share_extremes(c->tg, w, terms);
        const bool sums = w.what >= 0 && tg__is_float(f->dtype);
        if (sums && f->term_stride != 1) return share_sum_of_columns(c->tg, &w, terms);
        if (sums && f->outputs == 1) {
            const void *first = first_term(f, 0);
            return tg__share_sum(c->tg, f->dtype, w.what, f->terms, w.values, first, first);
        }
    }
    tg__split(c->tg, f->outputs, outputs_per_block(f), reduce_outputs, &w);
    return true;
}

/* Computes all outputs of a layout that no kernel takes: copies it to one that a kernel does. If it
 * is large, it is copied and reduced in parts, each of one index along the first dimension, as
 * their memory is small and stays in the cache. Threads share a copy of the whole. */
static bool reduce_copy(const call *c, reduce_work w, const reduction_layout *f)
{
    enum { LARGE = 1 << 14 }; /* elements of a part */
    const bool whole = c->tg->team || f->kept == 0 || f->outputs / f->shape[0] * f->terms < LARGE;
    const int64_t parts = whole ? 1 : f->shape[0], size = (int64_t)tg__dtype_size(f->dtype);
    reduction_layout part = *f;
    if (!whole) part.shape[0] = 1;
    part.outputs /= parts;
    tg_tensor *copy = tg__new(c->tg, f->dtype, f->ndim, part.shape);
    if (!copy) return false;
    for (int64_t i = 0; i < parts; i++) {
        stack_tensor order;
        tg_tensor *from = tg__array(&order, c->in[0], (void *)(f->data + i * f->strides[0] * size),
                                    f->ndim, part.shape, f->strides);
        tg__copy(copy, from);
        part.data = copy->data;
        tg__strides(f->ndim, part.shape, part.strides);
        if (!find_pieces(&part) || !reduce_layout(c, w, &part)) return false;
        if (w.values) w.values += (size_t)part.outputs * w.size;
        if (w.indices) w.indices += part.outputs;
    }
    tg_release(copy);
    return true;
}

/* Reduces as w says, to `values` and the indices of w, of which either may be NULL. Values of
 * outputs without terms become `none`. */
static bool reduce_into(const call *c, reduce_work w, tg_tensor *values, double none)
{
    reduction_layout f = layout_of(c);
    if (f.terms == 0 && values) tg__fill(values, none);
    if (f.terms == 0 || f.outputs == 0) return true;
    if (values) w.values = values->data;
    if (values) w.size = tg__dtype_size(values->dtype);
    if (find_pieces(&f)) return reduce_layout(c, w, &f);
    const bool alone = f.outputs == 1 && tg__shares_sum(c->tg, f.terms); /* threads share a copy */
    if (w.what != LANES_SUM || !tg__is_float(f.dtype) || alone || !find_runs(&f))
        return reduce_copy(c, w, &f);
    w.f = &f;
    w.reduce = reduce_runs;
    tg__split(c->tg, f.outputs, outputs_per_block(&f), reduce_outputs, &w);
    return true;
}

bool tg__reduce_into(const call *c, const reduce_set *rows, const reduce_columns_set *columns,
                     tg_tensor *out, double none)
{
    const tg_dtype d = c->in[0]->dtype;
    const reduce_work w = {.reduce = reduce_by_kernels,
                           .rows = rows->at[c->tg->level][d],
                           .columns = columns->at[c->tg->level][d],
                           .level = c->tg->level,
                           .what = rows == &tg__sum_kernel           ? LANES_SUM
                                   : rows == &tg__sum_squares_kernel ? LANES_SQUARES
                                                                     : -1};
    return reduce_into(c, w, out, none);
}

bool tg__sum_into(const call *c, tg_tensor *sum)
{
    return tg__reduce_into(c, &tg__sum_kernel, &tg__sum_columns_kernel, sum, 0);
}

bool tg__extreme_into(const call *c, bool greatest, tg_tensor *values, int64_t *indices)
{
    const reduce_work w = {.reduce = greatest ? reduce_greatest : reduce_least,
                           .what = -1,
                           .level = c->tg->level,
                           .indices = indices};
    return reduce_into(c, w, values, 0);
}

tg_tensor *tg__reduce_dims_with(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim,
                                attr own)
{
    uint64_t bits;
    if (!a || !tg__dim_bits(a, o->name, dims, &bits)) return NULL;
    if (!dims.ndim) bits = all_dims(a);
    return tg__apply(o, 1, &a,
                     (attr[TG_ATTRS]){[REDUCE_BITS] = {.i = (int64_t)bits},
                                      [REDUCE_KEEPDIM] = {.i = keepdim},
                                      [REDUCE_OWN] = own});
}

tg_tensor *tg__reduce_all(const op_row *o, tg_tensor *a)
{
    return a ? tg__apply(o, 1, &a, (attr[TG_ATTRS]){[REDUCE_BITS] = {.i = (int64_t)all_dims(a)}})
             : NULL;
}

tg_tensor *tg__reduce_dims(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim)
{
    return tg__reduce_dims_with(o, a, dims, keepdim, (attr){0});
}

tg_tensor *tg__restore_dims(const record *r, tg_tensor *t)
{
    const tg_tensor *x = r->in[0].t;
    int64_t shape[TG_MAX_DIMS];
    for (int d = 0; d < x->ndim; d++) shape[d] = tg__is_reduced(r->a, d) ? 1 : x->shape[d];
    return tg_reshape(t, (tg_shape){x->ndim, shape});
}

tg_tensor *tg__expand_to_input(const record *r, tg_tensor *g)
{
    const tg_tensor *x = r->in[0].t;
    if (g && g->ndim > 0) g = tg__restore_dims(r, g);
    return tg_expand(g, (tg_shape){x->ndim, x->shape});
}
