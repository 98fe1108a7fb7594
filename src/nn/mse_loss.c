/* The mean squared error. Attribute a[0] of both operations is the reduction. */
#include "loss.h"
#include "../ops/reduce.h"

static bool mse_shape(const call *c, spec *s)
{
    tg_tensor *x = c->in[0], *y = c->in[1];
    if (!tg__are_alike(x, y) && !tg__check_sides("mse_loss", x, y, TG_MEAN, s)) return false;
    if (c->a[0].i == TG_NONE) return tg__same_shape(c, s);
    s->dtype = x->dtype;
    s->ndim = 0;
    return true;
}

static void elementwise_by(tg_tensor *out, const binary_set *kernel, tg_tensor *a, tg_tensor *b)
{
    loop f = {.binary = kernel_at(kernel, out->context->level, out->dtype)};
    tg__elementwise(f, out, 2, (tg_tensor *[]){a, b});
}

static bool mse_forward(const call *c)
{
    if (c->a[0].i == TG_NONE) {
        elementwise_by(c->out, &tg__sub_kernel, c->in[0], c->in[1]);
        elementwise_by(c->out, &tg__mul_kernel, c->out, c->out);
        return true;
    }
    tg_tensor *a = tg__contiguous(c->in[0]), *b = a ? tg__contiguous(c->in[1]) : NULL;
    if (!b) return false;
    if (!tg__shares_sum(c->tg, a->numel))
        pick(c->tg->level, squared_distance, a->dtype)(a->numel, c->out->data, a->data, b->data);
    else if (!tg__share_sum(c->tg, a->dtype, LANES_DISTANCE, a->numel, c->out->data, a->data,
                            b->data))
        return false;
    if (c->a[0].i == TG_SUM) return true;
    const double sum = tg__load(a->dtype, c->out->data, 0);
    tg__store(a->dtype, c->out->data, 0, sum / tg__rounded(a->dtype, (double)a->numel));
    return true;
}

/* The derivative of the loss by an element of x is this number times x - y. */
static double mse_slope(const attr *a, const tg_tensor *x)
{
    return a[0].i == TG_MEAN ? 2 / (double)x->numel : 2;
}

typedef struct difference_work {
    difference_kernel *kernel;
    size_t size;
    char *out;
    const char *a, *b;
    double slope;
    const void *g;
} difference_work;

static void scale_differences(void *work, int64_t from, int64_t to)
{
    const difference_work *w = work;
    const size_t at = (size_t)from * w->size;
    w->kernel(to - from, w->out + at, w->a + at, w->b + at, w->slope, w->g);
}

/* Computes in `out` the gradient for the side x, given g, that of the loss; y is the other side. */
static bool mse_gradient(const attr *how, tg_tensor *out, tg_tensor *g, tg_tensor *x, tg_tensor *y)
{
    tg_context *tg = out->context;
    const double slope = mse_slope(how, out);
    if (how[0].i == TG_NONE) {
        elementwise_by(out, &tg__sub_kernel, x, y);
        tg__elementwise_number(pick(tg->level, mul, out->dtype), out, out, slope);
        elementwise_by(out, &tg__mul_kernel, out, g);
        return true;
    }
    x = tg__contiguous(x);
    y = x ? tg__contiguous(y) : NULL;
    if (!y) return false;
    difference_work w = {pick(tg->level, scaled_difference, out->dtype),
                         tg__dtype_size(out->dtype),
                         out->data,
                         x->data,
                         y->data,
                         slope,
                         g->data};
    tg__split(tg, out->numel, TG_GRAIN, scale_differences, &w);
    return true;
}

/* The inputs are the gradient of the loss, the side that gets the gradient, and the other side. */
static bool mse_backward_forward(const call *c)
{
    return mse_gradient(c->a, c->out, c->in[0], c->in[1], c->in[2]);
}

static tg_tensor *mse_backward_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[1].t, *y = r->in[2].t;
    g = tg_mul_scalar(g, mse_slope(r->a, x));
    if (i == 0) return tg_mul(g, tg_sub(x, y));
    g = tg_mul(g, r->in[0].t);
    return i == 1 ? g : tg_neg(g);
}

static const op_row mse_backward_op = {
    .name = "mse_loss_backward",
    .grad_name = "MseLossBackwardBackward0",
    .shape = tg__shape_of_second,
    .forward = mse_backward_forward,
    .grad = mse_backward_grad,
    .reads = {READS_1 | READS_2, READS_0, READS_0},
    .flags = OP_BROADCAST,
};

static tg_tensor *mse_grad(const record *r, int i, tg_tensor *g)
{
    return tg__apply(&mse_backward_op, 3, (tg_tensor *[]){g, r->in[i].t, r->in[1 - i].t}, r->a);
}

static bool mse_grad_into(const record *r, int i, tg_tensor *g, tg_tensor *out)
{
    return mse_gradient(r->a, out, g, r->in[i].t, r->in[1 - i].t);
}

static const op_row mse_op = {
    .name = "mse_loss",
    .grad_name = "MseLossBackward0",
    .shape = mse_shape,
    .forward = mse_forward,
    .grad = mse_grad,
    .grad_into = mse_grad_into,
    .reads = {READS_0 | READS_1, READS_0 | READS_1},
};

/* The attributes by reduction. */
static const attr mse_reductions[][TG_ATTRS] = {
    [TG_MEAN] = {{.i = TG_MEAN}}, [TG_SUM] = {{.i = TG_SUM}}, [TG_NONE] = {{.i = TG_NONE}}};

/* Sides that broadcast, and the error of a number that is no reduction. */
static TG_NOINLINE tg_tensor *mse_of_unlike(tg_tensor *input, tg_tensor *target, int reduction)
{
    frame f;
    tg__enter(&f, "mse_loss", input);
    const bool fit = tg__loss_sides("mse_loss", &input, &target, reduction);
    tg_tensor *loss = fit ? tg_mse_loss(input, target, reduction & ~TG_BROADCAST) : NULL;
    return tg__leave(&f, loss);
}

tg_tensor *tg_mse_loss(tg_tensor *input, tg_tensor *target, int reduction)
{
    if (reduction < TG_MEAN || reduction > TG_NONE) return mse_of_unlike(input, target, reduction);
    return tg__apply(&mse_op, 2, (tg_tensor *[]){input, target}, mse_reductions[reduction]);
}

static tg_tensor *mseloss_loss(tg_module *m, tg_tensor *input, tg_tensor *target)
{
    return tg_mse_loss(input, target, *(const int *)m->data);
}

tg_module *tg_mseloss(tg_context *tg, int reduction)
{
    if (!tg) return NULL;
    if (!tg__check_reduction(tg, "mseloss", reduction)) return NULL;
    tg_module *m = tg_module_new(tg, "MSELoss", NULL, sizeof(int));
    if (!m) return NULL;
    m->loss = mseloss_loss;
    *(int *)m->data = reduction;
    return m;
}
