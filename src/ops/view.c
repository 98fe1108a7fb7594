/* Views with another shape: view, reshape, flatten, transpose, t, permute, squeeze, unsqueeze,
 * expand, movedim and broadcast_to; and detach, a view without a history. Views of a part are in
 * slice.c. */
#include "view.h"

#include <string.h>

/* ---- Lists as attributes: the length, and then the items. */

enum { LIST_LENGTH, LIST_ITEMS };

static void store_list(attr *a, tg_shape list)
{
    a[LIST_LENGTH].i = list.ndim;
    for (int i = 0; i < list.ndim; i++) a[LIST_ITEMS + i].i = list.dims[i];
}

static tg_tensor *apply_list(const op_row *o, tg_tensor *t, tg_shape list)
{
    attr a[TG_ATTRS] = {{0}};
    store_list(a, list);
    return tg__apply(o, 1, &t, a);
}

static bool check_list(const tg_tensor *t, const char *name, tg_shape list)
{
    if (list.ndim < 0 || list.ndim > TG_MAX_DIMS)
        return tg__fail(t->context, TG_ERR_SHAPE, "%s: %d dimensions; 0 to %d are allowed", name,
                        list.ndim, TG_MAX_DIMS);
    return tg__check_list(t->context, name, "sizes", list);
}

/* ---- view and reshape. */

static tg_tensor *reshape_grad(const record *r, int i, tg_tensor *g)
{
    const tg_tensor *x = r->in[i].t;
    return tg_reshape(g, (tg_shape){x->ndim, x->shape});
}

/* Finds strides with which s, of as many elements as t, is a view of t; returns false if there are
 * none. From the last dimension on, the dimensions of t are joined to runs whose elements lie at
 * one stride. Each run must be the product of whole dimensions of s. */
static bool view_strides(const tg_tensor *t, spec *s)
{
    if (t->contiguous) {
        tg__strides(s->ndim, s->shape, s->strides);
        return true;
    }
    int64_t left = 1, step = 1; /* of the current run: how many elements are not yet given to a
                                   dimension of s, and their stride */
    for (int v = s->ndim - 1, d = t->ndim; v >= 0; v--) {
        if (left == 1 && s->shape[v] != 1) {
            while (t->shape[d - 1] == 1) d--;
            left = t->shape[--d];
            step = t->strides[d];
            for (; d > 0 && (t->shape[d - 1] == 1 || t->strides[d - 1] == step * left); d--)
                left *= t->shape[d - 1];
        }
        if (left % s->shape[v]) return false;
        s->strides[v] = step;
        step *= s->shape[v];
        left /= s->shape[v];
    }
    return true;
}

static bool view_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    s->ndim = (int)c->a[LIST_LENGTH].i;
    for (int i = 0; i < s->ndim; i++) s->shape[i] = c->a[LIST_ITEMS + i].i;
    s->dtype = t->dtype;
    s->offset = 0;
    return view_strides(t, s) ||
           tg__fail(c->tg, TG_ERR_SHAPE,
                    "%s: %s with strides %s cannot be seen as %s without a copy; use tg_reshape",
                    c->op->name, SHOW(t), tg__show_sizes(c->tg, t->ndim, t->strides),
                    tg__show_sizes(c->tg, s->ndim, s->shape));
}

static const op_row view_op = {
    .name = "view",
    .grad_name = "ViewBackward0",
    .shape = view_shape,
    .grad = reshape_grad,
    .flags = OP_VIEW,
};
static const op_row reshape_op = {
    .name = "reshape",
    .grad_name = "ReshapeAliasBackward0",
    .shape = view_shape,
    .grad = reshape_grad,
    .flags = OP_VIEW,
};
static const op_row copied_view_op = {
    .name = "reshape",
    .grad_name = "UnsafeViewBackward0",
    .shape = view_shape,
    .grad = reshape_grad,
    .flags = OP_VIEW,
};

/* Checks the sizes and replaces the one that is -1 by the size that the others leave for it. */
static bool resolve_sizes(const tg_tensor *t, const char *name, tg_shape shape, int64_t *sizes)
{
    if (!check_list(t, name, shape)) return false;
    int64_t rest = 1;
    int open = -1;
    bool fits = true;
    for (int i = 0; i < shape.ndim; i++) {
        sizes[i] = shape.dims[i];
        if (sizes[i] == -1 && open < 0)
            open = i;
        else if (sizes[i] < 0)
            fits = false;
        else
            rest = tg__times(rest, sizes[i]);
    }
    if (fits && open >= 0) {
        fits = rest > 0 && t->numel % rest == 0;
        if (fits) sizes[open] = t->numel / rest;
    } else if (rest != t->numel) {
        fits = false;
    }
    if (fits && t->numel > 0) return true; /* the result is no larger than t */
    if (fits) return tg__check_shape(t->context, name, (tg_shape){shape.ndim, sizes});
    return tg__fail(t->context, TG_ERR_SHAPE, "%s: %s has %lld elements and cannot become %s", name,
                    SHOW(t), (long long)t->numel,
                    tg__show_sizes(t->context, shape.ndim, shape.dims));
}

tg_tensor *tg_view(tg_tensor *t, tg_shape shape)
{
    int64_t sizes[TG_MAX_DIMS];
    if (!t || !resolve_sizes(t, "view", shape, sizes)) return NULL;
    return apply_list(&view_op, t, (tg_shape){shape.ndim, sizes});
}

tg_tensor *tg_reshape(tg_tensor *t, tg_shape shape)
{
    int64_t sizes[TG_MAX_DIMS];
    if (!t || !resolve_sizes(t, "reshape", shape, sizes)) return NULL;
    spec s = {.ndim = shape.ndim};
    memcpy(s.shape, sizes, (size_t)shape.ndim * sizeof *sizes);
    const tg_shape list = {shape.ndim, sizes};
    if (view_strides(t, &s)) return apply_list(&reshape_op, t, list);
    frame f;
    tg__enter(&f, "reshape", t);
    return tg__leave(&f, apply_list(&copied_view_op, tg_clone(t), list));
}

tg_tensor *tg_flatten(tg_tensor *t, int start_dim, int end_dim)
{
    if (!tg__check_inputs("flatten", 1, &t)) return NULL;
    int first = tg__dim(t, "flatten", start_dim, t->ndim),
        last = tg__dim(t, "flatten", end_dim, t->ndim);
    if (first < 0 || last < 0) return NULL;
    if (t->ndim == 0) return tg_reshape(t, TG_SHAPE(1));
    if (first > last)
        return tg__fail(t->context, TG_ERR_INDEX, "flatten: dim %d comes after dim %d", start_dim,
                        end_dim);
    int64_t sizes[TG_MAX_DIMS];
    int n = 0;
    for (int d = 0; d < t->ndim; d++) {
        if (d > first && d <= last)
            sizes[n - 1] *= t->shape[d];
        else
            sizes[n++] = t->shape[d];
    }
    return tg_reshape(t, (tg_shape){n, sizes});
}

/* ---- Dimensions exchanged, dropped and added. */

enum { TRANSPOSE_DIM0, TRANSPOSE_DIM1 };

static bool transpose_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    tg__take_all(s, t);
    if (t->ndim == 0) return true;
    tg__take_dim(s, (int)c->a[TRANSPOSE_DIM0].i, t, (int)c->a[TRANSPOSE_DIM1].i);
    tg__take_dim(s, (int)c->a[TRANSPOSE_DIM1].i, t, (int)c->a[TRANSPOSE_DIM0].i);
    return true;
}

static tg_tensor *transpose_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return tg_transpose(g, (int)r->a[TRANSPOSE_DIM0].i, (int)r->a[TRANSPOSE_DIM1].i);
}

static const op_row transpose_op = {
    .name = "transpose",
    .grad_name = "TransposeBackward0",
    .shape = transpose_shape,
    .grad = transpose_grad,
    .flags = OP_VIEW,
};
static const op_row t_op = {
    .name = "t",
    .grad_name = "TBackward0",
    .shape = transpose_shape,
    .grad = transpose_grad,
    .flags = OP_VIEW,
};

tg_tensor *tg_transpose(tg_tensor *t, int dim0, int dim1)
{
    if (!t) return NULL;
    int d0 = tg__dim(t, "transpose", dim0, t->ndim), d1 = tg__dim(t, "transpose", dim1, t->ndim);
    if (d0 < 0 || d1 < 0) return NULL;
    return tg__apply(&transpose_op, 1, &t,
                     (attr[TG_ATTRS]){[TRANSPOSE_DIM0] = {.i = d0}, [TRANSPOSE_DIM1] = {.i = d1}});
}

tg_tensor *tg__matrix_transpose(tg_tensor *t)
{
    return tg_transpose(t, -2, -1);
}

tg_tensor *tg_t(tg_tensor *t)
{
    if (!t || t->ndim < 2) return t;
    if (t->ndim > 2)
        return tg__fail(t->context, TG_ERR_SHAPE,
                        "t: %s has more than 2 dimensions; use tg_transpose", SHOW(t));
    return tg__apply(&t_op, 1, &t,
                     (attr[TG_ATTRS]){[TRANSPOSE_DIM0] = {.i = 0}, [TRANSPOSE_DIM1] = {.i = 1}});
}

static bool permute_shape(const call *c, spec *s)
{
    tg__take_all(s, c->in[0]);
    for (int d = 0; d < s->ndim; d++) tg__take_dim(s, d, c->in[0], (int)c->a[LIST_ITEMS + d].i);
    return true;
}

static tg_tensor *permute_grad(const record *r, int i, tg_tensor *g)
{
    int64_t inverse[TG_MAX_DIMS];
    (void)i;
    for (int d = 0; d < g->ndim; d++) inverse[r->a[LIST_ITEMS + d].i] = d;
    return tg_permute(g, (tg_shape){g->ndim, inverse});
}

static const op_row permute_op = {
    .name = "permute",
    .grad_name = "PermuteBackward0",
    .shape = permute_shape,
    .grad = permute_grad,
    .flags = OP_VIEW,
};

tg_tensor *tg_permute(tg_tensor *t, tg_shape dims)
{
    if (!t || !check_list(t, "permute", dims)) return NULL;
    int64_t order[TG_MAX_DIMS];
    unsigned seen = 0;
    for (int i = 0; i < dims.ndim && dims.ndim == t->ndim; i++) {
        order[i] = tg__dim(t, "permute", dims.dims[i], t->ndim);
        if (order[i] < 0) return NULL;
        seen |= 1u << order[i];
    }
    if (dims.ndim != t->ndim || seen != (1u << t->ndim) - 1)
        return tg__fail(t->context, TG_ERR_INDEX,
                        "permute: %s is not an order of the dimensions of %s",
                        tg__show_sizes(t->context, dims.ndim, dims.dims), SHOW(t));
    return apply_list(&permute_op, t, (tg_shape){dims.ndim, order});
}

/* a[0] is the dimension to drop if its size is 1, or -1 for all dimensions of size 1. */
static bool squeeze_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    tg__take_all(s, t);
    s->ndim = 0;
    for (int d = 0; d < t->ndim; d++)
        if (t->shape[d] != 1 || (c->a[0].i >= 0 && c->a[0].i != d))
            tg__take_dim(s, s->ndim++, t, d);
    return true;
}

static const op_row squeeze_op = {
    .name = "squeeze",
    .grad_name = "SqueezeBackward0",
    .shape = squeeze_shape,
    .grad = reshape_grad,
    .flags = OP_VIEW,
};
static const op_row squeeze_dim_op = {
    .name = "squeeze",
    .grad_name = "SqueezeBackward1",
    .shape = squeeze_shape,
    .grad = reshape_grad,
    .flags = OP_VIEW,
};

tg_tensor *tg_squeeze(tg_tensor *t)
{
    return tg__apply(&squeeze_op, 1, &t, (attr[TG_ATTRS]){{.i = -1}});
}

tg_tensor *tg_squeeze_dim(tg_tensor *t, int dim)
{
    int d = t ? tg__dim(t, "squeeze", dim, t->ndim) : -1;
    return d < 0 ? NULL : tg__apply(&squeeze_dim_op, 1, &t, (attr[TG_ATTRS]){{.i = d}});
}

/* a[0] is where the dimension of size 1 is inserted. */
static bool unsqueeze_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    int at = (int)c->a[0].i;
    tg__take_all(s, t);
    for (int d = at; d < t->ndim; d++) tg__take_dim(s, d + 1, t, d);
    s->shape[at] = 1;
    s->strides[at] = at < t->ndim ? t->shape[at] * t->strides[at] : 1;
    s->ndim++;
    return true;
}

static const op_row unsqueeze_op = {
    .name = "unsqueeze",
    .grad_name = "UnsqueezeBackward0",
    .shape = unsqueeze_shape,
    .grad = reshape_grad,
    .flags = OP_VIEW,
};

tg_tensor *tg_unsqueeze(tg_tensor *t, int dim)
{
    int d = t ? tg__dim(t, "unsqueeze", dim, t->ndim + 1) : -1;
    if (d < 0) return NULL;
    if (t->ndim == TG_MAX_DIMS)
        return tg__fail(t->context, TG_ERR_SHAPE,
                        "unsqueeze: %s has %d dimensions, the most allowed", SHOW(t), TG_MAX_DIMS);
    return tg__apply(&unsqueeze_op, 1, &t, (attr[TG_ATTRS]){{.i = d}});
}

static bool expand_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    s->dtype = t->dtype;
    s->ndim = (int)c->a[LIST_LENGTH].i;
    s->offset = 0;
    int extra = s->ndim - t->ndim;
    bool fits = extra >= 0;
    for (int d = 0; d < s->ndim && fits; d++) {
        int64_t own = d < extra ? 1 : t->shape[d - extra], want = c->a[LIST_ITEMS + d].i;
        if (want == -1 && d >= extra) want = own;
        fits = want >= 0 && (want == own || own == 1);
        s->shape[d] = want;
        s->strides[d] = d < extra || (own == 1 && want != 1) ? 0 : t->strides[d - extra];
    }
    if (fits) return tg__check_shape(c->tg, "expand", (tg_shape){s->ndim, s->shape});
    int64_t sizes[TG_MAX_DIMS];
    for (int d = 0; d < s->ndim; d++) sizes[d] = c->a[LIST_ITEMS + d].i;
    return tg__fail(c->tg, TG_ERR_SHAPE, "expand: %s does not broadcast to %s", SHOW(t),
                    tg__show_sizes(c->tg, s->ndim, sizes));
}

/* Backward sums g over the expanded dimensions, because of OP_BROADCAST. */
static tg_tensor *expand_grad(const record *r, int i, tg_tensor *g)
{
    (void)r, (void)i;
    return g;
}

static const op_row expand_op = {
    .name = "expand",
    .grad_name = "ExpandBackward0",
    .shape = expand_shape,
    .grad = expand_grad,
    .flags = OP_VIEW | OP_BROADCAST,
};

tg_tensor *tg_expand(tg_tensor *t, tg_shape shape)
{
    if (!t || !check_list(t, "expand", shape)) return NULL;
    return apply_list(&expand_op, t, shape);
}

tg_tensor *tg_movedim(tg_tensor *t, tg_shape source, tg_shape destination)
{
    int64_t order[TG_MAX_DIMS], from = 0;
    unsigned taken = 0, placed = 0;
    if (!t || !tg__check_list(t->context, "movedim", "dims", source) ||
        !tg__check_list(t->context, "movedim", "dims", destination))
        return NULL;
    if (source.ndim != destination.ndim)
        return tg__fail(t->context, TG_ERR_INDEX,
                        "movedim: source has length %d and destination %d for %s, but both must "
                        "have the same length",
                        source.ndim, destination.ndim, SHOW(t));
    for (int i = 0; i < source.ndim; i++) {
        int s = tg__dim(t, "movedim", source.dims[i], t->ndim),
            d = tg__dim(t, "movedim", destination.dims[i], t->ndim);
        if (s < 0 || d < 0) return NULL;
        if (taken >> s & 1 || placed >> d & 1)
            return tg__fail(t->context, TG_ERR_INDEX, "movedim: dim %d appears twice",
                            taken >> s & 1 ? s : d);
        taken |= 1u << s;
        placed |= 1u << d;
        order[d] = s;
    }
    for (int d = 0; d < t->ndim; d++) {
        if (placed >> d & 1) continue;
        while (taken >> from & 1) from++;
        order[d] = from++;
    }
    frame f;
    tg__enter(&f, "movedim", t);
    return tg__leave(&f, tg_permute(t, (tg_shape){t->ndim, order}));
}

tg_tensor *tg_broadcast_to(tg_tensor *t, tg_shape shape)
{
    frame f;
    tg__enter(&f, "broadcast_to", t);
    return tg__leave(&f, tg_expand(t, shape));
}

/* ---- detach: the same values without a history. */

tg_tensor *tg_detach(tg_tensor *t)
{
    if (!tg__check_inputs("detach", 1, &t)) return NULL;
    tg_tensor *view = tg__new_view(t, t->ndim, t->shape, t->strides, 0);
    if (view) priv(view)->detached = true;
    return view;
}
