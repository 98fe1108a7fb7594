/* The greatest and the least element, and the index of it: max, min, amax, amin, argmax and argmin.
 * Both are called extremes here. */
#include "reduce.h"

#include <math.h>

static bool extreme_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    for (int d = 0; d < t->ndim; d++)
        if (tg__is_reduced(c->a, d) && t->shape[d] == 0)
            return tg__fail(c->tg, TG_ERR_SHAPE,
                            "%s: dimension %d of %s has size 0, but must have an element",
                            c->op->name, d, SHOW(t));
    s->dtype = t->dtype;
    tg__reduced_shape(c, s);
    return tg__check_dtype(c, t, pick(c->tg->level, extreme, t->dtype));
}

static bool arg_shape(const call *c, spec *s)
{
    if (!extreme_shape(c, s)) return false;
    s->dtype = TG_I64;
    return true;
}

/* The gradient of an extreme over all of x, as PyTorch defines it: the n elements that are equal to
 * the extreme get g / n each. If the extreme is NaN, these are the elements that are NaN. The
 * inputs are g, x and the extreme. */
static bool distribute_forward(const call *c)
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

/* The operation is linear in its first input, which alone has a history: the derivative is 1 / n
 * for each of the n chosen elements. */
static tg_tensor *distribute_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[1].t, *zero = tg__zero(g);
    (void)i;
    tg_tensor *chosen = tg_logical_or(tg_eq(x, r->in[2].t), tg_isnan(x));
    return tg_div(tg_sum(tg_where(chosen, g, zero)), tg_cast(tg_sum(chosen), g->dtype));
}

static const op_row distribute_op = {
    .name = "evenly_distribute_backward",
    .grad_name = "EvenlyDistributeBackwardBackward0",
    .shape = tg__shape_of_second,
    .forward = distribute_forward,
    .grad = distribute_grad,
    .reads = {READS_1 | READS_2},
};

static tg_tensor *extreme_all_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *all[] = {g, tg_detach(r->in[i].t), tg_detach(r->out)};
    return tg__apply(&distribute_op, 3, all, NULL);
}

/* Over one dimension the gradient goes to the chosen element alone, whose index the forward has
 * stored in the second input. */
static tg_tensor *extreme_dim_grad(const record *r, int i, tg_tensor *g)
{
    const tg_tensor *x = r->in[i].t;
    int dim = 0;
    if (x->ndim == 0) return g;
    while (!tg__is_reduced(r->a, dim)) dim++;
    if (!r->a[REDUCE_KEEPDIM].i) g = tg_unsqueeze(g, dim);
    tg_tensor *zeros = tg_zeros(x->context, x->dtype, (tg_shape){x->ndim, x->shape});
    return tg_scatter_add(zeros, dim, r->in[1].t, g);
}

/* Reduces one dimension. If there will be a gradient, a second input takes the indices that it
 * needs, which the forward finds in the same pass. */
static tg_tensor *reduce_dim_with_indices(const op_row *o, tg_tensor *a, int dim, bool keepdim)
{
    if (!a || !a->requires_grad || a->context->no_grad)
        return tg__reduce_dims(o, a, TG_DIMS(dim), keepdim);
    uint64_t bits;
    int64_t shape[TG_MAX_DIMS];
    if (!tg__dim_bits(a, o->name, TG_DIMS(dim), &bits)) return NULL;
    for (int d = 0; d < a->ndim; d++) shape[d] = bits >> d & 1 ? 1 : a->shape[d];
    tg_tensor *both[] = {a, tg__new(a->context, TG_I64, a->ndim, shape)};
    return both[1]
               ? tg__apply(
                     o, 2, both,
                     (attr[TG_ATTRS]){
                         [REDUCE_BITS] = {.i = (int64_t)bits}, [REDUCE_KEEPDIM] = {.i = keepdim}})
               : NULL;
}

/* Over several dimensions the n terms that are equal to the extreme of their output get g / n each,
 * as amax of PyTorch. */
static tg_tensor *extreme_dims_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t,
              *chosen = tg_cast(tg_eq(x, tg__expand_to_input(r, r->out)), x->dtype);
    tg_tensor *n = tg__sum_same_dims(r, chosen);
    return tg_mul(tg_div(tg__expand_to_input(r, g), n), chosen);
}

static bool max_forward(const call *c)
{
    return tg__extreme_into(c, true, c->out, c->n > 1 ? c->in[1]->data : NULL);
}

static bool argmax_forward(const call *c)
{
    return tg__extreme_into(c, true, NULL, c->out->data);
}

static const op_row max_op = {
    .name = "max",
    .grad_name = "MaxBackward1",
    .shape = extreme_shape,
    .forward = max_forward,
    .grad = extreme_all_grad,
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
    .grad = extreme_dims_grad,
    .reads = {READS_0 | READS_OUT},
};
static const op_row argmax_op = {.name = "argmax", .shape = arg_shape, .forward = argmax_forward};

static bool min_forward(const call *c)
{
    return tg__extreme_into(c, false, c->out, c->n > 1 ? c->in[1]->data : NULL);
}

static bool argmin_forward(const call *c)
{
    return tg__extreme_into(c, false, NULL, c->out->data);
}

static const op_row min_op = {
    .name = "min",
    .grad_name = "MinBackward1",
    .shape = extreme_shape,
    .forward = min_forward,
    .grad = extreme_all_grad,
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
    .grad = extreme_dims_grad,
    .reads = {READS_0 | READS_OUT},
};
static const op_row argmin_op = {.name = "argmin", .shape = arg_shape, .forward = argmin_forward};

tg_tensor *tg_max(tg_tensor *a)
{
    return tg__reduce_all(&max_op, a);
}

tg_tensor *tg_max_dim(tg_tensor *a, int dim, bool keepdim)
{
    return reduce_dim_with_indices(&max_dim_op, a, dim, keepdim);
}

tg_tensor *tg_amax(tg_tensor *a, tg_shape dims, bool keepdim)
{
    return tg__reduce_dims(&amax_op, a, dims, keepdim);
}

tg_tensor *tg_argmax(tg_tensor *a)
{
    return tg__reduce_all(&argmax_op, a);
}

tg_tensor *tg_argmax_dim(tg_tensor *a, int dim, bool keepdim)
{
    return tg__reduce_dims(&argmax_op, a, TG_DIMS(dim), keepdim);
}

tg_tensor *tg_min(tg_tensor *a)
{
    return tg__reduce_all(&min_op, a);
}

tg_tensor *tg_min_dim(tg_tensor *a, int dim, bool keepdim)
{
    return reduce_dim_with_indices(&min_dim_op, a, dim, keepdim);
}

tg_tensor *tg_amin(tg_tensor *a, tg_shape dims, bool keepdim)
{
    return tg__reduce_dims(&amin_op, a, dims, keepdim);
}

tg_tensor *tg_argmin(tg_tensor *a)
{
    return tg__reduce_all(&argmin_op, a);
}

tg_tensor *tg_argmin_dim(tg_tensor *a, int dim, bool keepdim)
{
    return tg__reduce_dims(&argmin_op, a, TG_DIMS(dim), keepdim);
}

/* ---- Values together with their indices. */

static tg_indexed extreme_indexed(const char *name, const char *grad_name, tg_tensor *a, int dim,
                                  bool keepdim, tg_tensor *(*arg)(tg_tensor *, int, bool))
{
    frame f;
    tg__enter(&f, name, a);
    tg_tensor *indices = arg(a, dim, TG_KEEPDIM), *r[] = {NULL, indices};
    if (indices) r[0] = tg_gather(a, dim, indices);
    for (int i = 0; i < 2 && !keepdim; i++) r[i] = tg_squeeze_dim(r[i], dim);
    tg__name_grad_fn(r[0], grad_name);
    tg__leave_with(&f, 2, r);
    return r[0] && r[1] ? (tg_indexed){r[0], r[1]} : (tg_indexed){NULL, NULL};
}

tg_indexed tg_max_indexed(tg_tensor *a, int dim, bool keepdim)
{
    return extreme_indexed("max", "MaxBackward0", a, dim, keepdim, tg_argmax_dim);
}

tg_indexed tg_min_indexed(tg_tensor *a, int dim, bool keepdim)
{
    return extreme_indexed("min", "MinBackward0", a, dim, keepdim, tg_argmin_dim);
}
