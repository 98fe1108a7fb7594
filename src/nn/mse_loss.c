/* The mean squared error. Attribute a[0] of both operations is the reduction. */
#include "loss.h"
#include "../ops/reduce.h"

static bool mse_shape(const call *c, spec *s)
{
    if (!tg__check_sides(c->op->name, c->in[0], c->in[1], (int)c->a[0].i, s)) return false;
    tg__same_shape(c, s);
    if (c->a[0].i != TG_NONE) s->ndim = 0;
    return true;
}

static void elementwise_by(const call *c, const binary_set *kernel, tg_tensor *a, tg_tensor *b)
{
    loop f = {.binary = kernel_at(kernel, c->tg->level, c->out->dtype)};
    tg__elementwise(f, c->out, 2, (tg_tensor *[]){a, b});
}

static bool mse_forward(const call *c)
{
    if (c->a[0].i == TG_NONE) {
        elementwise_by(c, &tg__sub_kernel, c->in[0], c->in[1]);
        elementwise_by(c, &tg__mul_kernel, c->out, c->out);
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

/* The inputs are the gradient of the loss, the side that gets the gradient, and the other side. */
static bool mse_backward_forward(const call *c)
{
    double slope = mse_slope(c->a, c->out);
    tg_tensor *g = c->in[0];
    if (c->a[0].i != TG_NONE) {
        tg_tensor *a = tg__contiguous(c->in[1]), *b = a ? tg__contiguous(c->in[2]) : NULL;
        if (!b) return false;
        difference_work w = {pick(c->tg->level, scaled_difference, a->dtype),
                             tg__dtype_size(a->dtype),
                             c->out->data,
                             a->data,
                             b->data,
                             slope,
                             g->data};
        tg__split(c->tg, a->numel, TG_GRAIN, scale_differences, &w);
        return true;
    }
    elementwise_by(c, &tg__sub_kernel, c->in[1], c->in[2]);
    tg__elementwise_number(pick(c->tg->level, mul, c->out->dtype), c->out, c->out, slope);
    elementwise_by(c, &tg__mul_kernel, c->out, g);
    return true;
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

static const op_row mse_op = {
    .name = "mse_loss",
    .grad_name = "MseLossBackward0",
    .shape = mse_shape,
    .forward = mse_forward,
    .grad = mse_grad,
    .reads = {READS_0 | READS_1, READS_0 | READS_1},
};

tg_tensor *tg_mse_loss(tg_tensor *input, tg_tensor *target, int reduction)
{
    const attr kind[TG_ATTRS] = {{.i = reduction & ~TG_BROADCAST}};
    if (!(reduction & TG_BROADCAST))
        return tg__apply(&mse_op, 2, (tg_tensor *[]){input, target}, kind);
    frame f;
    tg__enter(&f, "mse_loss", input);
    const bool fit = tg__loss_sides("mse_loss", &input, &target, reduction);
    tg_tensor *loss = fit ? tg__apply(&mse_op, 2, (tg_tensor *[]){input, target}, kind) : NULL;
    return tg__leave(&f, loss);
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
