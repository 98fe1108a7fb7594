/* gather, scatter_add, index_select, embedding and take_along_dim: elements or slices chosen by
 * index. a[0] is the dimension that the index is for. */
#include "../context/long_sum.h"
#include "index.h"
#include "op.h"

#include <string.h>

/* Checks that index is int64, has as many dimensions as a (a 0-d a takes a 1-d index, too), and is
 * not larger than a except along dim. */
static bool check_index(const call *c, const tg_tensor *a, const tg_tensor *index, int dim)
{
    if (index->dtype != TG_I64)
        return tg__fail(c->tg, TG_ERR_DTYPE, "%s: the index is %s, not int64", c->op->name,
                        tg_dtype_name(index->dtype));
    if (index->ndim != a->ndim && !(a->ndim == 0 && index->ndim == 1))
        return tg__fail(c->tg, TG_ERR_SHAPE,
                        "%s: the index %s is %d-d, but must be %d-d, as the tensor %s", c->op->name,
                        SHOW(index), index->ndim, a->ndim, SHOW(a));
    for (int d = 0; d < a->ndim; d++)
        if (d != dim && index->shape[d] > a->shape[d])
            return tg__fail(c->tg, TG_ERR_SHAPE,
                            "%s: the index %s is larger than the tensor %s in dimension %d, and "
                            "may be larger only along dim %d",
                            c->op->name, SHOW(index), SHOW(a), d, dim);
    return true;
}

/* A walk over the elements of index in row-major order, line by line. A line is the elements along
 * the last dimension that has more than one. The walk also goes over a third tensor with the shape
 * of index, which is the result of gather or the source of scatter_add; and over a, in which
 * dimension dim is left out, because its index is an element of index. */
enum { IN_A, IN_INDEX, IN_THIRD, WALKED };
typedef struct lines {
    chosen_line line;
    int64_t count;           /* the number of lines */
    int ndim;                /* the dimensions before that of the lines */
    int64_t n[TG_MAX_DIMS];  /* their sizes */
    int64_t at[TG_MAX_DIMS]; /* the place of the current line in them */
    int64_t stride[WALKED][TG_MAX_DIMS];
    int64_t offset[WALKED]; /* at which the current line begins, in elements */
} lines;

static lines lines_of(const tg_tensor *a, const tg_tensor *index, const tg_tensor *third, int dim)
{
    lines l = {.line = {.n = 1, .size = 1}, .count = index->numel};
    int last = index->ndim - 1;
    while (last > 0 && index->shape[last] == 1) last--;
    if (last < 0) return l;
    for (int d = 0; d <= last; d++) {
        l.n[d] = index->shape[d];
        l.stride[IN_A][d] = d == dim ? 0 : a->strides[d];
        l.stride[IN_INDEX][d] = index->strides[d];
        l.stride[IN_THIRD][d] = third->strides[d];
    }
    l.line = (chosen_line){.n = l.n[last],
                           .size = a->ndim ? a->shape[dim] : 1,
                           .step = a->ndim ? a->strides[dim] : 0,
                           .line_step = l.stride[IN_A][last],
                           .index_step = l.stride[IN_INDEX][last],
                           .other_step = l.stride[IN_THIRD][last]};
    l.ndim = last;
    l.count = index->numel ? index->numel / l.line.n : 0;
    return l;
}

static void next_line(lines *l)
{
    for (int d = l->ndim - 1; d >= 0; d--) {
        for (int t = 0; t < WALKED; t++) l->offset[t] += l->stride[t][d];
        if (++l->at[d] < l->n[d]) return;
        for (int t = 0; t < WALKED; t++) l->offset[t] -= l->n[d] * l->stride[t][d];
        l->at[d] = 0;
    }
}

static void go_to_line(lines *l, int64_t line)
{
    for (int d = l->ndim - 1; d >= 0; d--) {
        l->at[d] = line % l->n[d];
        line /= l->n[d];
        for (int t = 0; t < WALKED; t++) l->offset[t] += l->at[d] * l->stride[t][d];
    }
}

/* A walk that calls `each` for each line. `each` returns the number of elements that it has done
 * before an index out of range, as a take_kernel does. */
typedef struct index_walk {
    int64_t (*each)(const struct index_walk *w, void *a, void *third, const int64_t *index);
    const call *c;
    lines l;
    const int64_t *index;
    char *a, *third;
    int64_t a_size, third_size; /* of an element, in bytes */
    bool wide;                  /* of scatter_add: the sums are wide */
    int64_t block;              /* the lines that are done in one piece */
    int64_t *bad;               /* for each block, 1 + the offset of its first index that is out of
                                   range, or 0; `only`, if there is one block */
    int64_t only;
} index_walk;

/* The place so many bytes behind the first element; NULL if there is no element. */
static char *place(char *first, int64_t bytes)
{
    return first ? first + bytes : NULL;
}

/* Work that is split: the lines [from, to). */
static void walk_lines(void *work, int64_t from, int64_t to)
{
    const index_walk *w = work;
    lines l = w->l;
    go_to_line(&l, from);
    for (int64_t i = from; i < to; i++, next_line(&l)) {
        const int64_t done = w->each(w, place(w->a, l.offset[IN_A] * w->a_size),
                                     place(w->third, l.offset[IN_THIRD] * w->third_size),
                                     w->index + l.offset[IN_INDEX]);
        if (done == l.line.n) continue;
        w->bad[from / w->block] = 1 + l.offset[IN_INDEX] + done * l.line.index_step;
        return;
    }
}

/* Goes over all lines, on several threads if `apart` says that no two lines write to one place.
 * False: an index is out of range; the message names the first one. */
static bool walk_all(index_walk *w, const tg_tensor *a, int dim, bool apart)
{
    tg_context *tg = w->c->tg;
    const int64_t count = w->l.count, grain = tg__grain_of(w->l.line.n);
    int64_t first = 0;
    tg_tensor *of_blocks = NULL;
    w->block = count;
    w->bad = &w->only;
    if (count == 0) return true;
    if (apart && tg->team && count >= 2 * grain) {
        const int64_t blocks = (count + grain - 1) / grain;
        of_blocks = tg__new(tg, TG_I64, 1, &blocks);
        if (!of_blocks) return false;
        tg__fill(of_blocks, 0);
        w->block = grain;
        w->bad = of_blocks->data;
    }
    tg__split(tg, count, w->block, walk_lines, w);
    for (int64_t i = 0; i < count && !first; i += w->block) first = w->bad[i / w->block];
    tg_release(of_blocks);
    return !first ||
           tg__fail(tg, TG_ERR_INDEX, "%s: index %lld is out of range for dimension %d of %s",
                    w->c->op->name, (long long)w->index[first - 1], dim, SHOW(a));
}

static bool gather_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0], *index = c->in[1];
    if (!tg__any_dtype(c->op->name, a) || !check_index(c, a, index, (int)c->a[0].i)) return false;
    s->dtype = a->dtype;
    s->ndim = index->ndim;
    memcpy(s->shape, index->shape, sizeof s->shape);
    return true;
}

static int64_t take_line(const index_walk *w, void *a, void *third, const int64_t *index)
{
    return pick(0, take, w->c->out->dtype)(&w->l.line, third, a, index);
}

static bool gather_forward(const call *c)
{
    const tg_tensor *a = c->in[0], *index = c->in[1];
    const int dim = (int)c->a[0].i;
    const int64_t size = (int64_t)tg__dtype_size(a->dtype);
    index_walk w = {.each = take_line,
                    .c = c,
                    .l = lines_of(a, index, c->out, dim),
                    .index = index->data,
                    .a = a->data,
                    .third = c->out->data,
                    .a_size = size,
                    .third_size = size};
    return walk_all(&w, a, dim, true);
}

static const op_row gather_backward_op;

/* g, added to zeros of the shape of t at the places along dim that the index names. */
static tg_tensor *add_to_zeros(const tg_tensor *t, int dim, tg_tensor *index, tg_tensor *g)
{
    tg_tensor *in[] = {tg__sizes_of(t), index, g};
    return tg__apply(&gather_backward_op, 3, in, (attr[TG_ATTRS]){{.i = dim}});
}

static tg_tensor *gather_grad(const record *r, int i, tg_tensor *g)
{
    return add_to_zeros(r->in[i].t, (int)r->a[0].i, r->in[1].t, g);
}

static const op_row gather_op = {
    .name = "gather",
    .grad_name = "GatherBackward0",
    .shape = gather_shape,
    .forward = gather_forward,
    .grad = gather_grad,
    .reads = {READS_1},
};

tg_tensor *tg_gather(tg_tensor *a, int dim, tg_tensor *index)
{
    if (!tg__check_inputs("gather", 2, (tg_tensor *[]){a, index})) return NULL;
    int d = tg__dim(a, "gather", dim, a->ndim);
    if (d < 0) return NULL;
    return tg__apply(&gather_op, 2, (tg_tensor *[]){a, index}, (attr[TG_ATTRS]){{.i = d}});
}

static bool scatter_add_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0], *index = c->in[1], *source = c->in[2];
    if (!check_index(c, a, index, (int)c->a[0].i)) return false;
    if (!tg__check_dtype(c, a, tg__is_number(a->dtype))) return false;
    if (source->dtype != a->dtype)
        return tg__fail(c->tg, TG_ERR_DTYPE, "scatter_add: %s into %s: dtypes differ; use tg_cast",
                        tg_dtype_name(source->dtype), tg_dtype_name(a->dtype));
    return tg__same_shape(c, s);
}

/* add_chosen functions add a line of source to the sums that its indices choose. They return the
 * number of elements that were added before an index out of range. */
typedef int64_t add_chosen(const chosen_line *l, void *sums, const void *source,
                           const int64_t *index);
#define ADD_LINE(name, S, T, ADD)                                                                  \
    static int64_t name(const chosen_line *l, void *sums, const void *source,                      \
                        const int64_t *index)                                                      \
    {                                                                                              \
        const int64_t n = l->n, step = l->step, index_step = l->index_step;                        \
        const int64_t line_step = l->line_step, other_step = l->other_step;                        \
        const uint64_t size = (uint64_t)l->size;                                                   \
        S *to = sums;                                                                              \
        const T *x = source;                                                                       \
        if (step == 1 && line_step == 0 && index_step == 1 && other_step == 1) {                   \
            TG_UNROLLED_BY_4                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                      \
                if ((uint64_t)index[i] >= size) return i;                                          \
                S *const sum = to + index[i];                                                      \
                const T term = x[i];                                                               \
                ADD;                                                                               \
            }                                                                                      \
            return n;                                                                              \
        }                                                                                          \
        for (int64_t i = 0; i < n; i++, to += line_step, x += other_step, index += index_step) {   \
            if ((uint64_t)*index >= size) return i;                                                \
            S *const sum = to + *index * step;                                                     \
            const T term = *x;                                                                     \
            ADD;                                                                                   \
        }                                                                                          \
        return n;                                                                                  \
    }
ADD_LINE(add_chosen_f32, float, float, *sum += term)
ADD_LINE(add_chosen_f64, double, double, *sum += term)
ADD_LINE(add_chosen_i64, uint64_t, uint64_t, *sum += term)
ADD_LINE(add_chosen_f32_wide, double, float, *sum += (double)term)
ADD_LINE(add_chosen_f64_wide, long_sum, double, tg__add_term(sum, term))

/* Adds n elements of source to sums; both are contiguous. Wide sums are as in add_at_indices. */
static void add_row(const call *c, int64_t n, void *sums, const void *source, bool wide)
{
    enum { CHUNK = 256 };
    double terms[CHUNK], *to = sums;
    if (!wide) {
        pick(c->tg->level, add, c->out->dtype)(n, sums, sums, source);
        return;
    }
    if (c->out->dtype == TG_F64) {
        pick(c->tg->level, add_terms, TG_F64)(n, sums, source);
        return;
    }
    for (const float *from = source; n > 0; n -= CHUNK, from += CHUNK, to += CHUNK) {
        const int64_t some = n < CHUNK ? n : CHUNK;
        pick(c->tg->level, to_f64, TG_F32)(some, terms, from);
        pick(c->tg->level, add, TG_F64)(some, to, to, terms);
    }
}

/* Adds a line of source to the sums that its indices choose. */
static int64_t add_to_sums(const index_walk *w, void *a, void *third, const int64_t *index)
{
    static add_chosen *const adds[TG_DTYPES][2] = {
        [TG_F32] = {add_chosen_f32, add_chosen_f32_wide},
        [TG_F64] = {add_chosen_f64, add_chosen_f64_wide},
        [TG_I64] = {add_chosen_i64, NULL},
    };
    const chosen_line *l = &w->l.line;
    /* A line may have one index, which chooses neighbours to which neighbours are added. */
    if (l->index_step == 0 && l->line_step == 1 && l->other_step == 1 && *index >= 0 &&
        *index < l->size) {
        add_row(w->c, l->n, (char *)a + *index * l->step * w->a_size, third, w->wide);
        return l->n;
    }
    return adds[w->c->out->dtype][w->wide](l, a, third, index);
}

/* Adds each element of source to the sum that its index chooses. The sums are an array like the
 * result or, if they are wide, an array of double for float32 and of long_sum for float64. */
static bool add_at_indices(const call *c, void *sums, bool wide)
{
    const tg_tensor *index = c->in[1], *source = c->in[2];
    const int dim = (int)c->a[0].i;
    const int64_t size = (int64_t)tg__dtype_size(source->dtype);
    index_walk w = {.each = add_to_sums,
                    .c = c,
                    .l = lines_of(c->out, index, source, dim),
                    .index = index->data,
                    .a = sums,
                    .third = source->data,
                    .a_size = !wide                     ? size
                              : c->out->dtype == TG_F32 ? 8
                                                        : (int64_t)sizeof(long_sum),
                    .third_size = size,
                    .wide = wide};
    return walk_all(&w, c->out, dim, dim >= w.l.ndim);
}

static bool add_compensated(const call *c, long_sum *sums)
{
    double *out = c->out->data;
    for (int64_t i = 0; i < c->out->numel; i++) sums[i] = (long_sum){out[i], 0};
    if (!add_at_indices(c, sums, true)) return false;
    for (int64_t i = 0; i < c->out->numel; i++) out[i] = tg__value_of_sum(sums[i]);
    return true;
}

static bool add_in_double(const call *c, double *sums)
{
    const int64_t n = c->out->numel;
    pick(0, to_f64, TG_F32)(n, sums, c->out->data);
    if (!add_at_indices(c, sums, true)) return false;
    pick(0, to_f32, TG_F64)(n, c->out->data, sums);
    return true;
}

/* Adds the source to the result, which holds what it is added to. If many elements are added to
 * each sum, floating sums are wide and are rounded once at the end. The time and memory that wide
 * sums take is then small in comparison. */
static bool add_source(const call *c)
{
    enum { MANY = 4 }; /* elements of the source for each of the result */
    const int64_t n = c->out->numel;
    const bool compensates = c->out->dtype == TG_F64;
    if (!tg__is_float(c->out->dtype) || c->in[1]->numel / MANY < n)
        return add_at_indices(c, c->out->data, false);
    tg_tensor *sums = tg__new(c->tg, TG_F64, 2, (int64_t[]){n, compensates ? 2 : 1});
    const bool done =
        sums && (compensates ? add_compensated(c, sums->data) : add_in_double(c, sums->data));
    tg_release(sums);
    return done;
}

static bool scatter_add_forward(const call *c)
{
    tg__copy(c->out, c->in[0]);
    return add_source(c);
}

static tg_tensor *scatter_add_grad(const record *r, int i, tg_tensor *g)
{
    return i == 0 ? g : tg_gather(g, (int)r->a[0].i, r->in[1].t);
}

static const op_row scatter_add_op = {
    .name = "scatter_add",
    .grad_name = "ScatterAddBackward0",
    .shape = scatter_add_shape,
    .forward = scatter_add_forward,
    .grad = scatter_add_grad,
    .reads = {0, 0, READS_1},
};

/* Does what scatter_add_forward does, for a result that begins with zeros. Its first input tells
 * only the sizes of the result. */
static bool gather_backward_forward(const call *c)
{
    tg__fill(c->out, 0);
    return add_source(c);
}

static const op_row gather_backward_op = {
    .name = "gather_backward",
    .grad_name = "ScatterAddBackward0",
    .shape = tg__same_shape,
    .forward = gather_backward_forward,
    .grad = scatter_add_grad,
    .reads = {0, 0, READS_1},
};

/* Checks that the source has an element for each index. */
static bool check_source(const tg_tensor *index, const tg_tensor *source)
{
    if (source->ndim != index->ndim)
        return tg__fail(index->context, TG_ERR_SHAPE,
                        "scatter_add: the index %s is %d-d, but the source %s is %d-d", SHOW(index),
                        index->ndim, SHOW(source), source->ndim);
    for (int d = 0; d < index->ndim; d++)
        if (index->shape[d] > source->shape[d])
            return tg__fail(index->context, TG_ERR_SHAPE,
                            "scatter_add: the index %s is larger than the source %s in dimension "
                            "%d, and each index needs an element of the source",
                            SHOW(index), SHOW(source), d);
    return true;
}

tg_tensor *tg_scatter_add(tg_tensor *a, int dim, tg_tensor *index, tg_tensor *source)
{
    if (!tg__check_inputs("scatter_add", 3, (tg_tensor *[]){a, index, source})) return NULL;
    int d = tg__dim(a, "scatter_add", dim, a->ndim);
    if (d < 0) return NULL;
    if (!check_source(index, source)) return NULL;
    frame f;
    tg__enter(&f, "scatter_add", a);
    /* Elements of source for which there is no index are not used. */
    for (int i = 0; i < index->ndim; i++)
        if (source && index->shape[i] < source->shape[i])
            source = tg_narrow(source, i, 0, index->shape[i]);
    return tg__leave(&f, tg__apply(&scatter_add_op, 3, (tg_tensor *[]){a, index, source},
                                   (attr[TG_ATTRS]){{.i = d}}));
}

/* ---- index_select and embedding: an index for whole slices along dim. */

static bool index_select_shape(const call *c, spec *s)
{
    const tg_tensor *index = c->in[1];
    if (!tg__any_dtype(c->op->name, c->in[0])) return false;
    if (index->ndim > 1)
        return tg__fail(c->tg, TG_ERR_SHAPE, "%s: the index is %s, not 1-d; use tg_flatten",
                        c->op->name, SHOW(index));
    if (index->dtype != TG_I64)
        return tg__fail(c->tg, TG_ERR_DTYPE, "%s: the index is %s, not int64; use tg_cast",
                        c->op->name, tg_dtype_name(index->dtype));
    tg__same_shape(c, s);
    if (s->ndim == 0 && index->numel != 1)
        return tg__fail(c->tg, TG_ERR_SHAPE,
                        "%s: the index has %lld elements, but the tensor [] takes one", c->op->name,
                        (long long)index->numel);
    if (s->ndim) s->shape[c->a[0].i] = index->numel;
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

static bool index_select_forward(const call *c)
{
    const tg_tensor *a = tg__contiguous(c->in[0]), *index = tg__contiguous(c->in[1]);
    if (!a || !index) return false;
    const int dim = (int)c->a[0].i;
    const int64_t n = a->ndim ? a->shape[dim] : 1, *at = index->data;
    for (int64_t i = 0; i < index->numel; i++)
        if (at[i] < 0 || at[i] >= n)
            return tg__fail(c->tg, TG_ERR_INDEX,
                            "%s: index %lld is out of range for dimension %d of %s", c->op->name,
                            (long long)at[i], dim, SHOW(c->in[0]));
    if (c->out->numel == 0) return true;
    const size_t slice = (size_t)tg__numel(a->ndim - dim - (a->ndim > 0), a->shape + dim + 1) *
                         tg__dtype_size(a->dtype);
    const int64_t outer = a->ndim ? tg__numel(dim, a->shape) : 1;
    char *to = c->out->data;
    const chosen_line line = {index->numel, n, 1, 0, 1, 1};
    take_kernel *take =
        slice == tg__dtype_size(a->dtype) ? pick(c->tg->level, take, a->dtype) : NULL;
    for (int64_t o = 0; o < outer; o++) {
        const char *from = (const char *)a->data + (size_t)(o * n) * slice;
        if (take) {
            take(&line, to, from, at);
            to += (size_t)index->numel * slice;
            continue;
        }
        for (int64_t i = 0; i < index->numel; i++, to += slice)
            memcpy(to, from + (size_t)at[i] * slice, slice);
    }
    return true;
}

/* Expands a 1-d index along dim to the shape of t. */
static tg_tensor *expand_index(tg_tensor *index, const tg_tensor *t, int dim)
{
    int64_t shape[TG_MAX_DIMS];
    for (int d = 0; d < t->ndim; d++) shape[d] = d == dim ? index->numel : 1;
    return tg_expand(tg_reshape(index, (tg_shape){t->ndim, shape}), (tg_shape){t->ndim, t->shape});
}

/* The gradient of each slice is added to the slice of the input that was copied. */
static tg_tensor *index_select_grad(const record *r, int i, tg_tensor *g)
{
    const int dim = (int)r->a[0].i;
    return add_to_zeros(r->in[i].t, dim, expand_index(r->in[1].t, g, dim), g);
}

static const op_row index_select_op = {
    .name = "index_select",
    .grad_name = "IndexSelectBackward0",
    .shape = index_select_shape,
    .forward = index_select_forward,
    .grad = index_select_grad,
    .reads = {READS_1},
};
static const op_row embedding_op = {
    .name = "embedding",
    .grad_name = "EmbeddingBackward0",
    .shape = index_select_shape,
    .forward = index_select_forward,
    .grad = index_select_grad,
    .reads = {READS_1},
};

static tg_tensor *select_slices(const op_row *o, tg_tensor *a, int dim, tg_tensor *index)
{
    if (!tg__check_inputs(o->name, 2, (tg_tensor *[]){a, index})) return NULL;
    int d = tg__dim(a, o->name, dim, a->ndim);
    if (d < 0) return NULL;
    return tg__apply(o, 2, (tg_tensor *[]){a, index}, (attr[TG_ATTRS]){{.i = d}});
}

tg_tensor *tg_index_select(tg_tensor *a, int dim, tg_tensor *index)
{
    return select_slices(&index_select_op, a, dim, index);
}

static bool check_embedding(const tg_tensor *input, const tg_tensor *weight, int64_t padding_idx)
{
    tg_context *tg = weight->context;
    const int64_t n = weight->ndim ? weight->shape[0] : 0;
    if (weight->ndim != 2)
        return tg__fail(tg, TG_ERR_SHAPE, "embedding: the weight %s is not a matrix", SHOW(weight));
    if (padding_idx != TG_NO_INDEX && (padding_idx < -n || padding_idx >= n))
        return tg__fail(tg, TG_ERR_INDEX,
                        "embedding: padding_idx %lld is out of range for weight %s",
                        (long long)padding_idx, SHOW(weight));
    if (input->dtype != TG_I64)
        return tg__fail(tg, TG_ERR_DTYPE, "embedding: the input is %s %s, not int64",
                        tg_dtype_name(input->dtype), SHOW(input));
    return input->ndim < TG_MAX_DIMS ||
           tg__fail(tg, TG_ERR_SHAPE, "embedding: %s has %d dimensions already", SHOW(input),
                    TG_MAX_DIMS);
}

/* The rows of weight that the input chooses. The row padding_idx is detached, as it gets no
 * gradient. */
static tg_tensor *embedding_rows(tg_tensor *input, tg_tensor *weight, int64_t padding_idx)
{
    tg_tensor *flat = tg_flatten(input, 0, -1),
              *rows = select_slices(&embedding_op, weight, 0, flat);
    if (rows && padding_idx != TG_NO_INDEX && rows->requires_grad) {
        const int64_t at = padding_idx < 0 ? padding_idx + weight->shape[0] : padding_idx;
        tg_tensor *padded = tg_from_i64(input->context, TG_SHAPE(), &at);
        tg_tensor *padding = tg_unsqueeze(tg_eq(flat, padded), -1);
        rows = tg_where(padding, tg_detach(rows), rows);
    }
    if (!rows || input->ndim == 1) return rows;
    int64_t shape[TG_MAX_DIMS];
    memcpy(shape, input->shape, sizeof shape);
    shape[input->ndim] = weight->shape[1];
    return tg_reshape(rows, (tg_shape){input->ndim + 1, shape});
}

tg_tensor *tg_embedding(tg_tensor *input, tg_tensor *weight, int64_t padding_idx)
{
    frame f;
    if (!tg__check_inputs("embedding", 2, (tg_tensor *[]){input, weight}) ||
        !check_embedding(input, weight, padding_idx))
        return NULL;
    tg__enter(&f, "embedding", input);
    return tg__leave(&f, embedding_rows(input, weight, padding_idx));
}

/* ---- take_along_dim: gather with an index that broadcasts. */

tg_tensor *tg__expand_except(const char *name, tg_tensor *t, const tg_tensor *other, int dim)
{
    int64_t a[TG_MAX_DIMS], b[TG_MAX_DIMS], shape[TG_MAX_DIMS];
    int n;
    for (int d = 0; d < t->ndim; d++) a[d] = d == dim ? 1 : t->shape[d];
    for (int d = 0; d < other->ndim; d++) b[d] = d == dim ? 1 : other->shape[d];
    if (!tg__broadcast(t->ndim, a, other->ndim, b, &n, shape))
        return tg__fail(t->context, TG_ERR_SHAPE, "%s: %s and %s do not broadcast", name, SHOW(t),
                        SHOW(other));
    if (dim >= 0) shape[dim] = t->shape[dim];
    return tg_expand(t, (tg_shape){n, shape});
}

tg_tensor *tg_take_along_dim(tg_tensor *a, tg_tensor *index, int dim)
{
    if (!tg__check_inputs("take_along_dim", 2, (tg_tensor *[]){a, index})) return NULL;
    int d = tg__dim(a, "take_along_dim", dim, a->ndim);
    if (d < 0) return NULL;
    if (a->ndim != index->ndim)
        return tg__fail(a->context, TG_ERR_SHAPE,
                        "take_along_dim: %s and index %s differ in their number of dimensions",
                        SHOW(a), SHOW(index));
    frame f;
    tg__enter(&f, "take_along_dim", a);
    return tg__leave(&f, tg_gather(tg__expand_except("take_along_dim", a, index, d), d,
                                   tg__expand_except("take_along_dim", index, a, d)));
}
