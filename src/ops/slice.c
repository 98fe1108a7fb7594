/* select, narrow, slice and diagonal: views of a part of a tensor; and split and chunk, which
 * return lists of such views. The gradient of the whole tensor is a tensor of zeros but for that
 * part, which is g. Backward seldom makes such a tensor: it writes g to that part of a gradient, or
 * adds g there. */
#include "view.h"

/* The attributes of each view. */
enum { SLICE_DIM, SLICE_START, SLICE_SIZE, SLICE_STEP };
enum { SELECT_DIM, SELECT_INDEX };
enum { DIAGONAL_OFFSET, DIAGONAL_DIM1, DIAGONAL_DIM2 };

static bool slice_shape(const call *c, spec *s)
{
    int d = (int)c->a[SLICE_DIM].i;
    tg__take_all(s, c->in[0]);
    s->offset = c->a[SLICE_START].i * s->strides[d];
    s->shape[d] = c->a[SLICE_SIZE].i;
    s->strides[d] *= c->a[SLICE_STEP].i;
    return true;
}

static bool select_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    int d = (int)c->a[SELECT_DIM].i;
    tg__take_all(s, t);
    s->offset = c->a[SELECT_INDEX].i * t->strides[d];
    for (int k = d + 1; k < t->ndim; k++) tg__take_dim(s, k - 1, t, k);
    s->ndim--;
    return true;
}

static bool diagonal_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    const int64_t shift = c->a[DIAGONAL_OFFSET].i;
    const int64_t d1 = c->a[DIAGONAL_DIM1].i, d2 = c->a[DIAGONAL_DIM2].i;
    int64_t rows = t->shape[d1] + (shift < 0 ? shift : 0),
            columns = t->shape[d2] - (shift > 0 ? shift : 0);
    int64_t n = rows < columns ? rows : columns;
    tg__take_all(s, t);
    s->ndim = 0;
    for (int d = 0; d < t->ndim; d++)
        if (d != d1 && d != d2) tg__take_dim(s, s->ndim++, t, d);
    s->shape[s->ndim] = n > 0 ? n : 0;
    s->strides[s->ndim++] = t->strides[d1] + t->strides[d2];
    if (n > 0) s->offset = shift > 0 ? shift * t->strides[d2] : -shift * t->strides[d1];
    return true;
}

/* Makes *part a tensor on the stack for the part of `whole` that the spec of a view describes. A
 * loop can write to it. */
static tg_tensor *part_of_whole(stack_tensor *part, const tg_tensor *whole, const spec *s)
{
    char *data = whole->data;
    if (tg__numel(s->ndim, s->shape) > 0) data += s->offset * (int64_t)tg__dtype_size(whole->dtype);
    return tg__array(part, whole, data, s->ndim, s->shape, s->strides);
}

/* The same for the part of `whole` that the view `op` with the attributes a shows. */
static tg_tensor *taken_part(stack_tensor *part, const op_row *op, const attr *a, tg_tensor *whole)
{
    const call inner = {.op = op, .tg = whole->context, .n = 1, .in = &whole, .a = a};
    spec s;
    op->shape(&inner, &s); /* this cannot fail, as the rule has passed in the forward */
    return part_of_whole(part, whole, &s);
}

static void add_to(tg_tensor *part, tg_tensor *g)
{
    loop add = {.binary = pick(g->context->level, add, g->dtype)};
    tg__elementwise(add, part, 2, (tg_tensor *[]){part, g});
}

void tg__write_part(const record *r, tg_tensor *whole, tg_tensor *g)
{
    stack_tensor part;
    tg__copy(taken_part(&part, r->op, r->a, whole), g);
}

void tg__add_part(const record *r, tg_tensor *whole, tg_tensor *g)
{
    stack_tensor part;
    add_to(taken_part(&part, r->op, r->a, whole), g);
}

/* The rows of the views. Two other arrays have, at the same index, the row of the operation that
 * makes the gradient of such a view, and of the one that adds this gradient to another gradient. */
enum { SLICE, SELECT, DIAGONAL, PARTS };
static const op_row part_ops[PARTS], part_backward_ops[PARTS], part_add_ops[PARTS];

part_range tg__part_range(const record *r)
{
    const attr *a = r->a;
    if (r->op == &part_ops[SELECT])
        return (part_range){(int)a[SELECT_DIM].i, a[SELECT_INDEX].i, a[SELECT_INDEX].i + 1};
    if (r->op == &part_ops[SLICE] && a[SLICE_STEP].i == 1)
        return (part_range){(int)a[SLICE_DIM].i, a[SLICE_START].i,
                            a[SLICE_START].i + a[SLICE_SIZE].i};
    return (part_range){-1, 0, 0};
}

bool tg__extend_range(part_range *range, part_range more)
{
    if (more.dim < 0 || more.dim != range->dim) return false;
    if (more.to == range->from)
        range->from = more.from;
    else if (more.from == range->to)
        range->to = more.to;
    else
        return false;
    return true;
}

void tg__fill_rest(tg_tensor *whole, part_range range)
{
    if (range.dim < 0) {
        tg__fill(whole, 0);
        return;
    }
    const int d = range.dim;
    const int64_t ends[] = {0, range.from, range.to, whole->shape[d]};
    for (int i = 0; i < 4; i += 2) {
        stack_tensor rest;
        spec s;
        tg__take_all(&s, whole);
        s.shape[d] = ends[i + 1] - ends[i];
        s.offset = ends[i] * s.strides[d];
        tg__fill(part_of_whole(&rest, whole, &s), 0);
    }
}

/* The gradient needs no values of the whole tensor, only its shape. */
static tg_tensor *part_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *both[] = {g, tg__sizes_of(r->in[i].t)};
    return tg__apply(&part_backward_ops[r->op - part_ops], 2, both, r->a);
}

/* Makes a tensor of zeros, except for the part. The inputs are the gradient of the part and a
 * tensor with the shape of the whole. */
static bool part_backward_forward(const call *c)
{
    stack_tensor part;
    tg__fill(c->out, 0);
    tg__copy(taken_part(&part, &part_ops[c->op - part_backward_ops], c->a, c->out), c->in[0]);
    return true;
}

static tg_tensor *part_backward_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return tg__apply(&part_ops[r->op - part_backward_ops], 1, &g, r->a);
}

/* Adds the second input to the part of the first, in place. */
static bool part_add_forward(const call *c)
{
    stack_tensor part;
    add_to(taken_part(&part, &part_ops[c->op - part_add_ops], c->a, c->out), c->in[1]);
    return true;
}

static tg_tensor *part_add_grad(const record *r, int i, tg_tensor *g)
{
    return i == 0 ? g : tg__apply(&part_ops[r->op - part_add_ops], 1, &g, r->a);
}

bool tg__add_part_by_op(const record *r, tg_tensor *whole, tg_tensor *g)
{
    tg_tensor *both[] = {whole, g};
    return tg__apply_in_place(&part_add_ops[r->op - part_ops], 2, both, r->a);
}

static const op_row part_ops[PARTS] = {
    [SLICE] = {.name = "slice",
               .grad_name = "SliceBackward0",
               .shape = slice_shape,
               .grad = part_grad,
               .flags = OP_VIEW | OP_PART},
    [SELECT] = {.name = "select",
                .grad_name = "SelectBackward0",
                .shape = select_shape,
                .grad = part_grad,
                .flags = OP_VIEW | OP_PART},
    [DIAGONAL] = {.name = "diagonal",
                  .grad_name = "DiagonalBackward0",
                  .shape = diagonal_shape,
                  .grad = part_grad,
                  .flags = OP_VIEW | OP_PART},
};
static const op_row part_backward_ops[PARTS] = {
    [SLICE] = {.name = "slice_backward",
               .grad_name = "SliceBackwardBackward0",
               .shape = tg__shape_of_second,
               .forward = part_backward_forward,
               .grad = part_backward_grad},
    [SELECT] = {.name = "select_backward",
                .grad_name = "SelectBackwardBackward0",
                .shape = tg__shape_of_second,
                .forward = part_backward_forward,
                .grad = part_backward_grad},
    [DIAGONAL] = {.name = "diagonal_backward",
                  .grad_name = "DiagonalBackwardBackward0",
                  .shape = tg__shape_of_second,
                  .forward = part_backward_forward,
                  .grad = part_backward_grad},
};

static const op_row part_add_ops[PARTS] = {
    [SLICE] = {.name = "slice_backward_",
               .grad_name = "SliceBackwardBackward0",
               .shape = tg__same_shape,
               .forward = part_add_forward,
               .grad = part_add_grad},
    [SELECT] = {.name = "select_backward_",
                .grad_name = "SelectBackwardBackward0",
                .shape = tg__same_shape,
                .forward = part_add_forward,
                .grad = part_add_grad},
    [DIAGONAL] = {.name = "diagonal_backward_",
                  .grad_name = "DiagonalBackwardBackward0",
                  .shape = tg__same_shape,
                  .forward = part_add_forward,
                  .grad = part_add_grad},
};

/* Returns dim as an index from 0, or -1 after an error. A 0-d tensor, of which no part can be
 * taken, is an error, too. */
static int part_dim(const tg_tensor *t, const char *name, int dim)
{
    if (t->ndim > 0) return tg__dim(t, name, dim, t->ndim);
    tg__fail(t->context, TG_ERR_INDEX, "%s: a 0-d tensor has no dimensions", name);
    return -1;
}

tg_tensor *tg_select(tg_tensor *t, int dim, int64_t index)
{
    int d = t ? part_dim(t, "select", dim) : -1;
    if (d < 0) return NULL;
    if (index < -t->shape[d] || index >= t->shape[d])
        return tg__fail(t->context, TG_ERR_INDEX,
                        "select: index %lld of dimension %d is out of range for %s",
                        (long long)index, d, SHOW(t));
    int64_t at = index < 0 ? index + t->shape[d] : index;
    return tg__apply(&part_ops[SELECT], 1, &t,
                     (attr[TG_ATTRS]){[SELECT_DIM] = {.i = d}, [SELECT_INDEX] = {.i = at}});
}

static tg_tensor *slice_dim(tg_tensor *t, int d, int64_t start, int64_t size, int64_t step)
{
    return tg__apply(&part_ops[SLICE], 1, &t,
                     (attr[TG_ATTRS]){[SLICE_DIM] = {.i = d},
                                      [SLICE_START] = {.i = start},
                                      [SLICE_SIZE] = {.i = size},
                                      [SLICE_STEP] = {.i = step}});
}

tg_tensor *tg_narrow(tg_tensor *t, int dim, int64_t start, int64_t length)
{
    int d = tg__check_inputs("narrow", 1, &t) ? part_dim(t, "narrow", dim) : -1;
    if (d < 0) return NULL;
    int64_t n = t->shape[d], first = start < 0 && start >= -n ? start + n : start;
    if (first < 0 || first > n || length < 0 || length > n - first)
        return tg__fail(
            t->context, TG_ERR_INDEX,
            "narrow: start %lld and length %lld are out of range for dimension %d of %s",
            (long long)start, (long long)length, d, SHOW(t));
    return slice_dim(t, d, first, length, 1);
}

static int64_t clip_index(int64_t i, int64_t n)
{
    if (i < 0) i = i < -n ? 0 : i + n;
    return i > n ? n : i;
}

tg_tensor *tg_slice(tg_tensor *t, int dim, int64_t start, int64_t end, int64_t step)
{
    int d = t ? part_dim(t, "slice", dim) : -1;
    if (d < 0) return NULL;
    if (step <= 0)
        return tg__fail(t->context, TG_ERR_ARGUMENT, "slice: step %lld is not positive",
                        (long long)step);
    int64_t n = t->shape[d], first = clip_index(start, n), last = clip_index(end, n);
    /* With a larger step, too, there is at most one element; this keeps the stride in range. */
    if (step > n) step = n > 0 ? n : 1;
    return slice_dim(t, d, first, last > first ? (last - first - 1) / step + 1 : 0, step);
}

tg_tensor *tg_diagonal(tg_tensor *t, int offset, int dim1, int dim2)
{
    int d1 = t ? part_dim(t, "diagonal", dim1) : -1, d2 = t ? part_dim(t, "diagonal", dim2) : -1;
    if (d1 < 0 || d2 < 0) return NULL;
    if (d1 == d2)
        return tg__fail(t->context, TG_ERR_INDEX, "diagonal: dim1 and dim2 are both %d", d1);
    return tg__apply(&part_ops[DIAGONAL], 1, &t,
                     (attr[TG_ATTRS]){[DIAGONAL_OFFSET] = {.i = offset},
                                      [DIAGONAL_DIM1] = {.i = d1},
                                      [DIAGONAL_DIM2] = {.i = d2}});
}

/* ---- split and chunk. */

/* The dimension along which op splits t; -1 with the error. */
static int dim_to_split(const char *op, tg_tensor *t, int dim)
{
    if (!tg__check_inputs(op, 1, &t)) return -1;
    if (!t->context->no_grad && !tg__check_history(op, 1, &t)) return -1;
    return tg__dim(t, op, dim, t->ndim);
}

static tg_list fail_without_dims(const char *op, const tg_tensor *t)
{
    tg__fail(t->context, TG_ERR_SHAPE, "%s: the tensor is %s, which has no dimension to cut", op,
             SHOW(t));
    return tg__no_list;
}

/* Splits dimension d into n parts: of these sizes or, if sizes is NULL, of size `each`, with
 * smaller parts at the end where the dimension is used up. */
static tg_list split_dim(tg_tensor *t, int d, int n, const int64_t *sizes, int64_t each)
{
    tg_tensor **parts = tg__alloc(t->context, tg__bytes(n, sizeof *parts));
    int64_t start = 0;
    for (int i = 0; parts && i < n; i++) {
        const int64_t left = t->shape[d] - start;
        const int64_t size = sizes ? sizes[i] : left < each ? left : each;
        if (!(parts[i] = tg_narrow(t, d, start, size))) return tg__no_list;
        tg__name_grad_fn(parts[i], sizes ? "SplitWithSizesBackward0" : "SplitBackward0");
        start += size;
    }
    return parts ? (tg_list){n, parts} : tg__no_list;
}

tg_list tg_split_sizes(tg_tensor *t, tg_shape sizes, int dim)
{
    int d = dim_to_split("split", t, dim);
    if (d < 0) return tg__no_list;
    if (t->ndim == 0) return fail_without_dims("split", t);
    if (!tg__check_parts(t->context, "split", "size", sizes)) return tg__no_list;
    if (!tg__adds_up(sizes, t->shape[d])) {
        tg__fail(t->context, TG_ERR_SHAPE,
                 "split: the sizes %s do not add up to %lld, the size of dimension %d of %s",
                 tg__show_sizes(t->context, sizes.ndim, sizes.dims), (long long)t->shape[d], d,
                 SHOW(t));
        return tg__no_list;
    }
    return split_dim(t, d, sizes.ndim, sizes.dims, 0);
}

tg_list tg_split(tg_tensor *t, int64_t split_size, int dim)
{
    int d = dim_to_split("split", t, dim);
    if (d < 0) return tg__no_list;
    const int64_t n = t->ndim ? t->shape[d] : 0;
    if (t->ndim == 0) return fail_without_dims("split", t);
    if (split_size < 0 || (split_size == 0 && n > 0)) {
        tg__fail(t->context, TG_ERR_ARGUMENT,
                 "split: split_size is %lld for %s, but must be at least 1", (long long)split_size,
                 SHOW(t));
        return tg__no_list;
    }
    const int64_t parts = n > 0 ? (n - 1) / split_size + 1 : 1;
    if (parts > INT32_MAX) {
        tg__fail(t->context, TG_ERR_ARGUMENT,
                 "split: split_size %lld cuts dimension %d of %s into %lld parts, but at most %d "
                 "are allowed",
                 (long long)split_size, d, SHOW(t), (long long)parts, (int)INT32_MAX);
        return tg__no_list;
    }
    return split_dim(t, d, (int)parts, NULL, split_size);
}

tg_list tg_chunk(tg_tensor *t, int64_t chunks, int dim)
{
    int d = dim_to_split("chunk", t, dim);
    if (d < 0) return tg__no_list;
    if (t->ndim == 0) return fail_without_dims("chunk", t);
    if (chunks < 1 || chunks > INT32_MAX) {
        tg__fail(t->context, TG_ERR_ARGUMENT, "chunk: chunks is %lld for %s, but must be at %s %d",
                 (long long)chunks, SHOW(t), chunks < 1 ? "least" : "most",
                 chunks < 1 ? 1 : (int)INT32_MAX);
        return tg__no_list;
    }
    const int64_t n = t->shape[d];
    return n > 0 ? tg_split(t, (n - 1) / chunks + 1, d) : split_dim(t, d, (int)chunks, NULL, 0);
}
