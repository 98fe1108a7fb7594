/* prod: the product of terms, which a kernel multiplies in float64. */
#include "reduce.h"

static bool prod_shape(const call *c, spec *s)
{
    const tg_dtype d = c->in[0]->dtype;
    s->dtype = d;
    tg__reduced_shape(c, s);
    return tg__check_dtype(c, c->in[0], pick(c->tg->level, prod, d));
}

static bool prod_forward(const call *c)
{
    return tg__reduce_into(c, &tg__prod_kernel, &tg__prod_columns_kernel, c->out, 1);
}

/* ---- The gradient of a term is g times the product of the other terms. It is made of two running
 * products, one of the terms before it and one of g and the terms behind it. This needs no division
 * by the term, which may be 0. */

/* The n terms of one product, `step` elements apart, and the gradient of each. */
typedef struct factors {
    int64_t n, step;
    const void *terms;
    void *grad;
} factors;

/* The running products begin at both ends. Until they meet, each stores its value in the gradient;
 * from then on each is multiplied by what the other one has stored. They are products of doubles,
 * rounded to the dtype where they are used. The additions of 0 turn -0 into 0, as those of the
 * recurrence do by which tg__times_others makes the gradient that has a history. */
#define BACKWARD(name, type)                                                                       \
    static void name(const factors *f, double g)                                                   \
    {                                                                                              \
        const type *x = f->terms;                                                                  \
        type *grad = f->grad;                                                                      \
        double before = 1, behind = 0 + g;                                                         \
        for (int64_t i = 0, j = f->n - 1; j >= 0; i++, j--) {                                      \
            type *left = grad + i * f->step, *right = grad + j * f->step;                          \
            *left = i > j ? *left * (type)before : (type)before;                                   \
            *right = i >= j ? *right * (type)(0 + behind) : (type)(0 + behind);                    \
            before *= (double)x[i * f->step];                                                      \
            behind *= (double)x[j * f->step];                                                      \
        }                                                                                          \
        *grad = 0 + *grad; /* where it underflows to -0 */                                         \
    }
BACKWARD(prod_backward_f32, float)
BACKWARD(prod_backward_f64, double)
#undef BACKWARD

typedef struct prod_work {
    const tg_tensor *g, *x;
    char *grad;
    int64_t n, step; /* of the terms of a product */
} prod_work;

/* The gradients of the products [from, to). */
static void prod_lines(void *work, int64_t from, int64_t to)
{
    const prod_work *w = work;
    const size_t size = tg__dtype_size(w->x->dtype);
    for (int64_t i = from; i < to; i++) {
        const size_t at = (size_t)(i / w->step * w->step * w->n + i % w->step) * size;
        const factors f = {w->n, w->step, (const char *)w->x->data + at, w->grad + at};
        (w->x->dtype == TG_F32 ? prod_backward_f32
                               : prod_backward_f64)(&f, tg__load(w->g->dtype, w->g->data, i));
    }
}

/* The inputs are g, where a reduced dimension has size 1, and x. Either one dimension is reduced or
 * all are. */
static bool prod_backward_forward(const call *c)
{
    prod_work w = {
        .g = tg__contiguous(c->in[0]), .x = tg__contiguous(c->in[1]), .grad = c->out->data};
    if (!w.g || !w.x) return false;
    w.n = tg__count_terms(w.x, c->a);
    w.step = 1;
    for (int d = w.x->ndim - 1; d >= 0 && !tg__is_reduced(c->a, d); d--) w.step *= w.x->shape[d];
    if (c->out->numel > 0) tg__split(c->tg, w.g->numel, tg__grain_of(w.n * 8), prod_lines, &w);
    return true;
}

static const op_row prod_backward_op = {
    .name = "prod_backward",
    .shape = tg__shape_of_second,
    .forward = prod_backward_forward,
};

/* A gradient that is to have a gradient itself is made of operations that have one. */
static tg_tensor *prod_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t;
    g = tg__restore_dims(r, g);
    if (!g) return NULL;
    if (x->context->no_grad) return tg__apply(&prod_backward_op, 2, (tg_tensor *[]){g, x}, r->a);
    if (x->numel == 0) return tg_zeros_like(x);
    if (x->ndim == 0) return tg_clone(g);
    int dim = 0;
    const bool all = tg__count_terms(x, r->a) == x->numel;
    while (!all && !tg__is_reduced(r->a, dim)) dim++;
    tg_tensor *terms = all ? tg_flatten(x, 0, -1) : x;
    tg_tensor *grad = tg__times_others(all ? tg_reshape(g, TG_SHAPE(1)) : g, terms, dim);
    return tg_reshape(grad, (tg_shape){x->ndim, x->shape});
}

static const op_row prod_op = {
    .name = "prod",
    .grad_name = "ProdBackward0",
    .shape = prod_shape,
    .forward = prod_forward,
    .grad = prod_grad,
    .reads = {READS_0},
};
static const op_row prod_dim_op = {
    .name = "prod",
    .grad_name = "ProdBackward1",
    .shape = prod_shape,
    .forward = prod_forward,
    .grad = prod_grad,
    .reads = {READS_0},
};

tg_tensor *tg_prod_dim(tg_tensor *a, int dim, bool keepdim)
{
    frame f;
    tg__enter(&f, "prod", a);
    a = tg__bool_to_int64(a);
    return tg__leave(&f, tg__reduce_dims(&prod_dim_op, a, TG_DIMS(dim), keepdim));
}

tg_tensor *tg_prod(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "prod", a);
    a = tg__bool_to_int64(a);
    return tg__leave(&f, tg__reduce_all(&prod_op, a));
}
