/* cat, stack, vstack and hstack: tensors joined along a dimension. */
#include "op.h"

#include <string.h>

/* The attributes of cat and stack: the dimension; and two that remember where an input begins. */
enum { CAT_DIM, CAT_INPUT, CAT_START };

/* PyTorch ignores 1-d tensors of size 0 in the list of any cat. */
static bool is_skipped(const tg_tensor *t)
{
    return t->ndim == 1 && t->shape[0] == 0;
}

/* Whether t can be joined to p along dim: all other sizes are equal. */
static bool can_join(const tg_tensor *t, const tg_tensor *p, int dim)
{
    bool fits = t->ndim == p->ndim;
    for (int d = 0; d < p->ndim && fits; d++) fits = d == dim || t->shape[d] == p->shape[d];
    return fits;
}

static bool fail_to_join(const char *name, int i, const tg_tensor *t, const tg_tensor *p, int dim)
{
    return tg__fail(t->context, TG_ERR_SHAPE,
                    "%s: tensor %d is %s, which does not fit %s: all sizes but that of dimension "
                    "%d must be equal",
                    name, i + 1, SHOW(t), SHOW(p), dim);
}

/* The first tensor that is not ignored, whose sizes the others must have. */
static const tg_tensor *first_joined(const call *c)
{
    for (int i = 0; i < c->n; i++)
        if (!is_skipped(c->in[i])) return c->in[i];
    return c->in[0];
}

static bool cat_shape(const call *c, spec *s)
{
    const tg_tensor *p = first_joined(c);
    int dim = (int)c->a[CAT_DIM].i;
    if (!tg__any_dtype(c->op->name, p)) return false;
    s->dtype = p->dtype;
    s->ndim = p->ndim;
    memcpy(s->shape, p->shape, sizeof s->shape);
    s->shape[dim] = 0;
    for (int i = 0; i < c->n; i++) {
        const tg_tensor *t = c->in[i];
        if (t->dtype != p->dtype)
            return tg__fail(c->tg, TG_ERR_DTYPE, "%s: %s and %s: dtypes differ; use tg_cast",
                            c->op->name, tg_dtype_name(p->dtype), tg_dtype_name(t->dtype));
        if (is_skipped(t)) continue;
        if (!can_join(t, p, dim)) return fail_to_join(c->op->name, i, t, p, dim);
        s->shape[dim] = tg__plus(s->shape[dim], t->shape[dim]);
    }
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

/* Copies t to the part of `whole` that begins at element `at` and has these strides. */
static void copy_to_part(tg_tensor *whole, int64_t at, const int64_t *strides, const tg_tensor *t)
{
    stack_tensor part;
    if (t->numel == 0) return;
    char *data = (char *)whole->data + at * (int64_t)tg__dtype_size(whole->dtype);
    tg__copy(tg__array(&part, whole, data, t->ndim, t->shape, strides), t);
}

static bool cat_forward(const call *c)
{
    int dim = (int)c->a[CAT_DIM].i;
    int64_t start = 0;
    for (int i = 0; i < c->n; i++) {
        const tg_tensor *t = c->in[i];
        if (is_skipped(t)) continue;
        copy_to_part(c->out, start * c->out->strides[dim], c->out->strides, t);
        start += t->shape[dim];
    }
    return true;
}

/* Returns where input i begins in the joined tensor. Backward asks for one input after the other.
 * The record remembers the last answer in its attributes, as adding up all sizes for each input
 * would take quadratic time. */
static int64_t start_of_input(const record *r, int i)
{
    attr *a = (attr *)(uintptr_t)r->a;
    if (i < a[CAT_INPUT].i) a[CAT_INPUT].i = a[CAT_START].i = 0;
    for (; a[CAT_INPUT].i < i; a[CAT_INPUT].i++) {
        const tg_tensor *t = r->in[a[CAT_INPUT].i].t;
        if (!is_skipped(t)) a[CAT_START].i += t->shape[a[CAT_DIM].i];
    }
    return a[CAT_START].i;
}

static tg_tensor *cat_grad(const record *r, int i, tg_tensor *g)
{
    int dim = (int)r->a[CAT_DIM].i;
    const tg_tensor *t = r->in[i].t;
    if (is_skipped(t)) return tg_zeros_like(t);
    return tg_narrow(g, dim, start_of_input(r, i), t->shape[dim]);
}

static const op_row cat_op = {
    .name = "cat",
    .grad_name = "CatBackward0",
    .shape = cat_shape,
    .forward = cat_forward,
    .grad = cat_grad,
};

static bool check_joined(const char *name, tg_list tensors)
{
    return tensors.n > 0 && tensors.items && tg__check_inputs(name, tensors.n, tensors.items);
}

tg_tensor *tg_cat(tg_list tensors, int dim)
{
    if (!check_joined("cat", tensors)) return NULL;
    call c = {.n = tensors.n, .in = tensors.items};
    const tg_tensor *p = first_joined(&c);
    if (p->ndim == 0)
        return tg__fail(p->context, TG_ERR_SHAPE,
                        "cat: a tensor is [], and 0-d tensors cannot be joined; use tg_stack");
    int d = tg__dim(p, "cat", dim, p->ndim);
    return d < 0 ? NULL
                 : tg__apply(&cat_op, tensors.n, tensors.items,
                             (attr[TG_ATTRS]){[CAT_DIM] = {.i = d}});
}

static bool stack_shape(const call *c, spec *s)
{
    const tg_tensor *p = c->in[0];
    int dim = (int)c->a[CAT_DIM].i;
    if (!tg__any_dtype(c->op->name, p)) return false;
    for (int i = 1; i < c->n; i++) {
        const tg_tensor *t = c->in[i];
        if (t->dtype != p->dtype)
            return tg__fail(c->tg, TG_ERR_DTYPE, "stack: %s and %s: dtypes differ; use tg_cast",
                            tg_dtype_name(p->dtype), tg_dtype_name(t->dtype));
        if (!tg__same_sizes(t->ndim, t->shape, p->ndim, p->shape))
            return tg__fail(c->tg, TG_ERR_SHAPE, "stack: tensor %d is %s, not %s as the first",
                            i + 1, SHOW(t), SHOW(p));
    }
    if (p->ndim == TG_MAX_DIMS)
        return tg__fail(c->tg, TG_ERR_SHAPE, "stack: %s has %d dimensions, the most allowed",
                        SHOW(p), TG_MAX_DIMS);
    s->dtype = p->dtype;
    s->ndim = p->ndim + 1;
    for (int d = 0, from = 0; d < s->ndim; d++) s->shape[d] = d == dim ? c->n : p->shape[from++];
    return tg__check_shape(c->tg, "stack", (tg_shape){s->ndim, s->shape});
}

static bool stack_forward(const call *c)
{
    int dim = (int)c->a[CAT_DIM].i;
    for (int i = 0; i < c->n; i++) {
        int64_t strides[TG_MAX_DIMS];
        for (int d = 0, n = 0; d < c->out->ndim; d++)
            if (d != dim) strides[n++] = c->out->strides[d];
        copy_to_part(c->out, i * c->out->strides[dim], strides, c->in[i]);
    }
    return true;
}

static tg_tensor *stack_grad(const record *r, int i, tg_tensor *g)
{
    return tg_select(g, (int)r->a[CAT_DIM].i, i);
}

static const op_row stack_op = {
    .name = "stack",
    .grad_name = "StackBackward0",
    .shape = stack_shape,
    .forward = stack_forward,
    .grad = stack_grad,
};

tg_tensor *tg_stack(tg_list tensors, int dim)
{
    if (!check_joined("stack", tensors)) return NULL;
    const tg_tensor *p = tensors.items[0];
    int d = tg__dim(p, "stack", dim, p->ndim + 1);
    return d < 0 ? NULL
                 : tg__apply(&stack_op, tensors.n, tensors.items,
                             (attr[TG_ATTRS]){[CAT_DIM] = {.i = d}});
}

/* cat of the tensors, each of which first gets leading dimensions until it has at least ndim. */
static tg_tensor *cat_unsqueezed(tg_list tensors, int ndim, int dim)
{
    tg_context *tg = tensors.items[0]->context;
    /* Memory for the list, as a tensor that the frame of the caller releases. */
    tg_tensor *list = tg__new(tg, TG_I64, 1, (int64_t[]){tensors.n});
    if (!list) return NULL;
    tg_tensor **items = list->data;
    for (int i = 0; i < tensors.n; i++) {
        items[i] = tensors.items[i];
        while (items[i] && items[i]->ndim < ndim) items[i] = tg_unsqueeze(items[i], 0);
        if (!items[i]) return NULL;
        if (ndim > 1 && !can_join(items[i], items[0], dim))
            return fail_to_join("cat", i, tensors.items[i], tensors.items[0], dim), NULL;
    }
    return tg_cat((tg_list){tensors.n, items}, dim);
}

static tg_tensor *cat_at_least(const char *name, tg_list tensors, int ndim, int dim)
{
    frame f;
    if (!check_joined(name, tensors)) return NULL;
    tg__enter(&f, name, tensors.items[0]);
    return tg__leave(&f, cat_unsqueezed(tensors, ndim, dim));
}

tg_tensor *tg_vstack(tg_list tensors)
{
    return cat_at_least("vstack", tensors, 2, 0);
}

tg_tensor *tg_hstack(tg_list tensors)
{
    if (!check_joined("hstack", tensors)) return NULL;
    return cat_at_least("hstack", tensors, 1, tensors.items[0]->ndim < 2 ? 0 : 1);
}
