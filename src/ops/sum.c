/* sum and mean, and the sum of a gradient to the shape of an input that was broadcast. */
#include "reduce.h"

static bool sum_shape(const call *c, spec *s)
{
    tg_dtype dtype = c->in[0]->dtype;
    s->dtype = tg__is_float(dtype) ? dtype : TG_I64;
    tg__reduced_shape(c, s);
    return tg__check_dtype(c, c->in[0], pick(c->tg->level, sum, dtype));
}

static bool sum_forward(const call *c)
{
    return tg__sum_into(c, c->out);
}

/* Every term has the derivative 1. */
static tg_tensor *sum_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return tg__expand_to_input(r, g);
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
    return tg__reduce_all(&sum_op, a);
}

tg_tensor *tg_sum_dims(tg_tensor *a, tg_shape dims, bool keepdim)
{
    return tg__reduce_dims(&sum_dims_op, a, dims, keepdim);
}

tg_tensor *tg__sum_same_dims(const record *r, tg_tensor *t)
{
    return tg__apply(
        &sum_dims_op, 1, &t,
        (attr[TG_ATTRS]){[REDUCE_BITS] = r->a[REDUCE_BITS], [REDUCE_KEEPDIM] = {.i = TG_KEEPDIM}});
}

static bool mean_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && sum_shape(c, s);
}

static bool mean_forward(const call *c)
{
    if (!tg__sum_into(c, c->out)) return false;
    const double terms = (double)tg__count_terms(c->in[0], c->a);
    tg__elementwise_number(pick(c->tg->level, div, c->out->dtype), c->out, c->out, terms);
    return true;
}

/* Every one of the n terms has the derivative 1 / n. */
static tg_tensor *mean_grad(const record *r, int i, tg_tensor *g)
{
    int64_t terms = tg__count_terms(r->in[i].t, r->a);
    return tg__expand_to_input(r, terms > 0 ? tg_div_scalar(g, (double)terms) : g);
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
    return tg__reduce_all(&mean_op, a);
}

tg_tensor *tg_mean_dims(tg_tensor *a, tg_shape dims, bool keepdim)
{
    return tg__reduce_dims(&mean_dims_op, a, dims, keepdim);
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
