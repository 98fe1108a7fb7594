/* The linear layer, whose product and bias are one operation, and the initialisation of weights. */
#include "module.h"
#include "../context/printer.h"
#include "../ops/matmul.h"
#include "../ops/reduce.h"

#include <math.h>

/* The inputs of the operation: x (n, in) or (in), weight (out, in), and bias (out) or none. */
static bool linear_shape(const call *c, spec *s)
{
    const tg_tensor *x = c->in[0], *w = c->in[1];
    if (x->dtype != w->dtype)
        return tg__fail(c->tg, TG_ERR_DTYPE, "linear: the input is %s, the weight %s; use tg_cast",
                        tg_dtype_name(x->dtype), tg_dtype_name(w->dtype));
    if (x->ndim == 0 || x->shape[x->ndim - 1] != w->shape[1])
        return tg__fail(
            c->tg, TG_ERR_SHAPE,
            "linear: input %s, weight %s: the last size of the input must be in_features, %lld",
            SHOW(x), SHOW(w), (long long)w->shape[1]);
    s->dtype = x->dtype;
    s->ndim = x->ndim;
    for (int d = 0; d < x->ndim - 1; d++) s->shape[d] = x->shape[d];
    s->shape[x->ndim - 1] = w->shape[0];
    return w->shape[0] <= w->shape[1] || /* a result no larger than the input needs no check */
           tg__check_shape(c->tg, "linear", (tg_shape){s->ndim, s->shape});
}

static TG_NOINLINE void add_linear_bias(const call *c)
{
    loop add = {.binary = pick(c->tg->level, add, c->out->dtype)};
    tg__elementwise(add, c->out, 2, (tg_tensor *[]){c->out, c->in[2]});
}

static bool linear_forward(const call *c)
{
    const tg_tensor *x = c->in[0], *w = c->in[1];
    if (c->out->numel == 0) return true;
    const bool vector = x->ndim == 1;
    const matrix row = {x->data, 0, x->strides[0]};
    if (!tg__product(c->tg, x->dtype, vector ? 1 : x->shape[0], w->shape[0], w->shape[1],
                     c->out->data, vector ? row : tg__matrix(x), tg__transposed(w)))
        return false;
    if (c->n == 3) add_linear_bias(c);
    return true;
}

/* The gradient of the weight is the operation g^T x on g (n, out) and x (n, in). */
static bool weight_grad_shape(const call *c, spec *s)
{
    s->dtype = c->in[0]->dtype;
    s->ndim = 2;
    s->shape[0] = c->in[0]->shape[1];
    s->shape[1] = c->in[1]->shape[1];
    return true;
}

static bool weight_grad_forward(const call *c)
{
    const tg_tensor *g = c->in[0], *x = c->in[1];
    return tg__product_into(c->out, x->shape[0], tg__transposed(g), tg__matrix(x));
}

static tg_tensor *weight_grad_grad(const record *r, int i, tg_tensor *g)
{
    return i == 0 ? tg_matmul(r->in[1].t, tg_t(g)) : tg_matmul(r->in[0].t, g);
}

static const op_row weight_grad_op = {
    .name = "linear_backward",
    .grad_name = "MmBackward0",
    .shape = weight_grad_shape,
    .forward = weight_grad_forward,
    .grad = weight_grad_grad,
    .reads = {READS_1, READS_0},
};

static tg_tensor *linear_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *w = r->in[1].t;
    if (i == 0) return tg_matmul(g, w);
    if (i == 2) return g; /* OP_BROADCAST sums it over the rows */
    return x->ndim == 1 ? tg_outer(g, x)
                        : tg__apply(&weight_grad_op, 2, (tg_tensor *[]){g, x}, NULL);
}

/* out = the sum of g over its rows. */
static bool sum_rows(tg_tensor *g, tg_tensor *out)
{
    static const attr rows[TG_ATTRS] = {[REDUCE_BITS] = {.i = 1}};
    const call c = {.tg = g->context, .n = 1, .in = &g, .a = rows};
    return tg__sum_into(&c, out);
}

static bool linear_grad_into(const record *r, int i, tg_tensor *g, tg_tensor *out)
{
    const tg_tensor *x = r->in[0].t, *w = r->in[1].t;
    if (i == 2) return sum_rows(g, out);
    const matrix left = i == 0 ? tg__matrix(g) : tg__transposed(g);
    return tg__product_into(out, i == 0 ? w->shape[0] : x->shape[0], left,
                            tg__matrix(i == 0 ? w : x));
}

static const op_row linear_op = {
    .name = "linear",
    .grad_name = "MmBackward0",
    .shape = linear_shape,
    .forward = linear_forward,
    .grad = linear_grad,
    .grad_into = linear_grad_into,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};
static const op_row linear_bias_op = {
    .name = "linear",
    .grad_name = "AddmmBackward0",
    .shape = linear_shape,
    .forward = linear_forward,
    .grad = linear_grad,
    .grad_into = linear_grad_into,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};
/* The product of a vector, which PyTorch composes of others. */
static const op_row linear_vector_op = {
    .name = "linear",
    .grad_name = "SqueezeBackward3",
    .shape = linear_shape,
    .forward = linear_forward,
    .grad = linear_grad,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};
static const op_row linear_vector_bias_op = {
    .name = "linear",
    .grad_name = "AddBackward0",
    .shape = linear_shape,
    .forward = linear_forward,
    .grad = linear_grad,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};

typedef struct linear {
    tg_tensor *weight, *bias;
} linear;

static tg_tensor *linear_layer_forward(tg_module *m, tg_tensor *x)
{
    const linear *l = m->data;
    if (x->ndim > 2 && x->dtype == l->weight->dtype &&
        x->shape[x->ndim - 1] == l->weight->shape[1]) {
        frame f;
        int64_t shape[TG_MAX_DIMS];
        tg__enter(&f, "linear", x);
        for (int d = 0; d < x->ndim; d++) shape[d] = x->shape[d];
        shape[x->ndim - 1] = l->weight->shape[0];
        tg_tensor *rows = tg_flatten(x, 0, -2), *y = rows ? linear_layer_forward(m, rows) : NULL;
        y = tg_reshape(y, (tg_shape){x->ndim, shape});
        return tg__leave(&f,
                         tg__name_grad_fn(y, l->bias ? "ViewBackward0" : "UnsafeViewBackward0"));
    }
    const bool vector = x->ndim < 2;
    const op_row *o = l->bias  ? vector ? &linear_vector_bias_op : &linear_bias_op
                      : vector ? &linear_vector_op
                               : &linear_op;
    return tg__apply(o, l->bias ? 3 : 2, (tg_tensor *[]){x, l->weight, l->bias}, NULL);
}

static void describe_linear(const tg_module *m, char text[TG_DESCRIPTION])
{
    const linear *l = m->data;
    const int64_t *size = l->weight->shape;
    snprintf(text, TG_DESCRIPTION, "in_features=%lld, out_features=%lld, bias=%s",
             (long long)size[1], (long long)size[0], tg__truth(l->bias));
}

bool tg__check_bias(tg_context *tg, const char *op, tg_bias bias)
{
    return bias == TG_BIAS || bias == TG_NO_BIAS ||
           tg__fail(tg, TG_ERR_ARGUMENT, "%s: bias is %d, but must be TG_BIAS or TG_NO_BIAS", op,
                    (int)bias);
}

bool tg__draw_weights(tg_tensor *weight, tg_tensor *bias, double fan_in)
{
    /* The bounds of PyTorch's kaiming_uniform_(a=sqrt(5)), computed with its roundings. */
    double root5 = sqrt(5.0), gain = sqrt(2.0 / (1 + root5 * root5));
    double bound = sqrt(3.0) * (gain / sqrt(fan_in));
    return tg_uniform_(weight, -bound, bound) &&
           (!bias || tg_uniform_(bias, -1 / sqrt(fan_in), 1 / sqrt(fan_in)));
}

tg_module *tg_linear(tg_context *tg, int64_t in_features, int64_t out_features, tg_bias bias)
{
    if (!tg || !tg__ready(tg)) return NULL;
    if (!tg__check_size(tg, "linear", "in_features", in_features) ||
        !tg__check_size(tg, "linear", "out_features", out_features) ||
        !tg__check_bias(tg, "linear", bias) ||
        !tg__check_shape(tg, "linear", TG_SHAPE(out_features, in_features)))
        return NULL;
    tg_module *m = tg__module_new(tg, "Linear", linear_layer_forward, sizeof(linear));
    if (!m) return NULL;
    m->describe = describe_linear;
    linear *l = m->data;
    l->weight = tg__add_param(m, "weight", TG_SHAPE(out_features, in_features));
    if (bias == TG_BIAS) l->bias = tg__add_param(m, "bias", TG_SHAPE(out_features));
    bool made = l->weight && (l->bias || bias != TG_BIAS);
    return made && tg__draw_weights(l->weight, l->bias, (double)in_features) ? m : NULL;
}
