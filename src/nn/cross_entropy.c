/* nll_loss and cross_entropy, the negative log-probability of the right class. */
#include "../context/long_sum.h"
#include "loss.h"

#include <string.h>

/* ---- Two linear operations, of which each is the gradient of the other. With the label l of a
 * row, nll takes x (rows, classes) to the losses y (rows) by y[row] = -weight[l] x[row][l], and
 * nll_backward takes g (rows) to h (rows, classes), which is 0 but for h[row][l] = -weight[l]
 * g[row]. Rows whose label is ignored give 0. The inputs are x or g, the labels (rows), and
 * perhaps a weight (classes). */

enum { IGNORE_INDEX, CLASSES }; /* the indices of the attributes of both */

static double class_weight(tg_list in, int64_t label)
{
    return in.n < 3 ? 1 : tg_get(in.items[2], TG_INDEX(label));
}

/* The forward of both. For each row i that is not ignored, with the label l, element
 * i to_row + l to_label of the result is -weight[l] times the element of the first input that lies
 * l from_label elements after the beginning of row i. All other elements of the result are 0. */
static bool negate_labelled(const call *c, int64_t from_label, int64_t to_row, int64_t to_label)
{
    const tg_tensor *x = c->in[0], *labels = c->in[1];
    tg__fill(c->out, 0);
    for (int64_t i = 0; i < labels->numel; i++) {
        const int64_t label = ((const int64_t *)labels->data)[i * labels->strides[0]];
        if (label == c->a[IGNORE_INDEX].i) continue;
        const double weight = tg__rounded(x->dtype, class_weight((tg_list){c->n, c->in}, label));
        const double value = tg__load(x->dtype, x->data, i * x->strides[0] + label * from_label);
        tg__store(x->dtype, c->out->data, i * to_row + label * to_label, -value * weight);
    }
    return true;
}

static bool nll_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->ndim = 1;
    return true;
}

static bool nll_forward(const call *c)
{
    return negate_labelled(c, c->in[0]->strides[1], 1, 0);
}

static bool nll_backward_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->shape[s->ndim++] = c->a[CLASSES].i;
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

static bool nll_backward_forward(const call *c)
{
    return negate_labelled(c, 0, c->a[CLASSES].i, 1);
}

static const op_row nll_op, nll_backward_op;

/* Applies the other operation to g. Only the first input has a gradient: losses_of_rows passes no
 * weight that requires grad. */
static tg_tensor *apply_transposed(const op_row *o, const record *r, tg_tensor *g)
{
    return tg__apply(o, r->n, (tg_tensor *[]){g, r->in[1].t, r->in[r->n - 1].t}, r->a);
}

static tg_tensor *nll_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return apply_transposed(&nll_backward_op, r, g);
}

static tg_tensor *nll_backward_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return apply_transposed(&nll_op, r, g);
}

static const op_row nll_op = {
    .name = "nll_loss",
    .grad_name = "NllLossBackward0",
    .shape = nll_shape,
    .forward = nll_forward,
    .grad = nll_grad,
    .reads = {READS_1 | READS_2},
};
static const op_row nll_backward_op = {
    .name = "nll_loss_backward",
    .grad_name = "NllLossBackwardBackward0",
    .shape = nll_backward_shape,
    .forward = nll_backward_forward,
    .grad = nll_backward_grad,
    .reads = {READS_1 | READS_2},
};

/* ---- Checks. */

/* The dimension of the input that holds the classes: (C), (N, C) or (N, C, d1, ...). */
static int class_dim(const tg_tensor *input)
{
    return input->ndim > 1;
}

static bool check_labels(const char *name, const tg_tensor *input, tg_tensor *labels,
                         int64_t ignore_index)
{
    tg_context *tg = input->context;
    const int dim = class_dim(input);
    int64_t shape[TG_MAX_DIMS];
    int n = 0;
    for (int d = 0; d < input->ndim; d++)
        if (d != dim) shape[n++] = input->shape[d];
    if (!tg__same_sizes(n, shape, labels->ndim, labels->shape))
        return tg__fail(tg, TG_ERR_SHAPE, "%s: input %s wants labels %s, not %s%s", name,
                        SHOW(input), tg__show_sizes(tg, n, shape), SHOW(labels),
                        n == 1 && labels->numel == shape[0] ? "; use tg_flatten(target, 0, -1)"
                                                            : "");
    const tg_tensor *contiguous = tg__contiguous(labels);
    for (int64_t i = 0; contiguous && i < contiguous->numel; i++) {
        const int64_t label = ((const int64_t *)contiguous->data)[i];
        if (label != ignore_index && (label < 0 || label >= input->shape[dim]))
            return tg__fail(tg, TG_ERR_INDEX, "%s: label %lld is not one of %lld classes", name,
                            (long long)label, (long long)input->shape[dim]);
    }
    return contiguous != NULL;
}

static bool check_classes(const char *name, tg_tensor *input, tg_tensor *target,
                          const tg_loss_options *o)
{
    if (!tg__check_inputs(name, o->weight ? 3 : 2, (tg_tensor *[]){input, target, o->weight}))
        return false;
    tg_context *tg = input->context;
    if (!tg__check_reduction(tg, name, o->reduction)) return false;
    if (o->reduction & TG_BROADCAST)
        return tg__fail(
            tg, TG_ERR_ARGUMENT,
            "%s: the reduction has TG_BROADCAST, but this loss does not broadcast; leave "
            "it out",
            name);
    if (!tg__is_float(input->dtype)) return tg__refuse_dtype(name, input);
    if (input->ndim == 0)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: the input [] has no dimension of classes", name);
    const int64_t classes = input->shape[class_dim(input)];
    const tg_tensor *w = o->weight;
    if (w && (w->ndim != 1 || w->shape[0] != classes || w->dtype != input->dtype))
        return tg__fail(tg, w->dtype != input->dtype ? TG_ERR_DTYPE : TG_ERR_SHAPE,
                        "%s: the weight is %s %s, not %s [%lld]", name, tg_dtype_name(w->dtype),
                        SHOW(w), tg_dtype_name(input->dtype), (long long)classes);
    if (tg__without_defaults(o))
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "%s: these options would ignore label 0; begin with tg_loss_defaults()",
                        name);
    if (!(o->label_smoothing >= 0 && o->label_smoothing <= 1))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: label_smoothing %g must lie in [0, 1]", name,
                        o->label_smoothing);
    return true;
}

/* ---- Labels as the target. The list `in` has x (rows, classes), the labels (rows), and perhaps
 * the weight (classes). */

/* The sum of the weights of the labels that are not ignored. */
static double total_weight(tg_list in, const attr *p)
{
    long_sum sum = {0, 0};
    const tg_tensor *labels = in.items[1];
    for (int64_t i = 0; i < labels->numel; i++) {
        const int64_t label = ((const int64_t *)labels->data)[i * labels->strides[0]];
        if (label != p[IGNORE_INDEX].i) tg__add_term(&sum, class_weight(in, label));
    }
    return tg__value_of_sum(sum);
}

static tg_tensor *are_ignored(tg_list in, const attr *p)
{
    return tg_eq(in.items[1], tg_from_i64(in.items[1]->context, TG_SHAPE(), &p[IGNORE_INDEX].i));
}

/* The sum of -weight x over all classes for each row, for label smoothing. */
static tg_tensor *losses_of_all_classes(tg_list in, const attr *p)
{
    tg_tensor *x = in.items[0];
    tg_tensor *all = tg_neg(tg_sum_dims(in.n > 2 ? tg_mul(x, in.items[2]) : x, TG_DIMS(1), false));
    return tg_masked_fill(all, are_ignored(in, p), 0);
}

/* The weight of each label, and 0 where the label is ignored, computed by recorded operations. */
static tg_tensor *label_weights(tg_list in, const attr *p)
{
    tg_tensor *ignored = are_ignored(in, p);
    tg_tensor *labels = tg_masked_fill(in.items[1], ignored, 0);
    return tg_masked_fill(tg_index_select(in.items[2], 0, labels), ignored, 0);
}

/* The loss of each row. If the weight requires grad, *total becomes the sum of the label weights,
 * by which the mean divides, as a recorded tensor; else NULL. */
static tg_tensor *losses_of_rows(tg_list in, const attr *p, double smoothing, tg_tensor **total)
{
    const bool weight_has_grad = in.n > 2 && in.items[2]->requires_grad;
    tg_tensor *weights = weight_has_grad ? label_weights(in, p) : NULL;
    tg_tensor *loss = tg__apply(&nll_op, weights ? 2 : in.n, in.items, p);
    if (weight_has_grad) loss = tg_mul(loss, weights);
    *total = weight_has_grad ? tg_sum(weights) : NULL;
    if (!loss || smoothing == 0) return loss;
    return tg_add(tg_mul_scalar(loss, 1 - smoothing),
                  tg_mul_scalar(losses_of_all_classes(in, p), smoothing / (double)p[CLASSES].i));
}

static tg_tensor *loss_of_labels(tg_tensor *x, tg_tensor *target, const tg_loss_options *o)
{
    int64_t shape[TG_MAX_DIMS];
    const int n = target->ndim;
    const attr p[TG_ATTRS] = {{.i = o->ignore_index}, {.i = x->shape[class_dim(x)]}};
    for (int d = 0; d < n; d++) shape[d] = target->shape[d];
    if (x->ndim > 2) x = tg_movedim(x, TG_DIMS(1), TG_DIMS(-1));
    if (x && x->ndim != 2) x = tg_reshape(x, TG_SHAPE(target->numel, p[CLASSES].i));
    tg_tensor *inputs[] = {x, tg_flatten(target, 0, -1), o->weight}, *total;
    const tg_list in = {o->weight ? 3 : 2, inputs};
    tg_tensor *loss = losses_of_rows(in, p, o->label_smoothing, &total);
    if (!loss || o->reduction == TG_NONE) return tg_reshape(loss, (tg_shape){n, shape});
    loss = tg_sum(loss);
    if (o->reduction == TG_SUM) return loss;
    return total ? tg_div(loss, total) : tg_div_scalar(loss, total_weight(in, p));
}

/* Gives the loss PyTorch's grad_fn, which tells how PyTorch computes it: for inputs of neither 2
 * nor 4 dimensions as one of 4. */
static tg_tensor *named_loss(tg_tensor *loss, const tg_tensor *x, const tg_loss_options *o)
{
    if (o->label_smoothing != 0) return tg__name_grad_fn(loss, "AddBackward0");
    if (x->ndim <= 2) return tg__name_grad_fn(loss, nll_op.grad_name);
    const bool reshaped = o->reduction == TG_NONE && x->ndim != 4;
    return tg__name_grad_fn(loss, reshaped ? "ViewBackward0" : "NllLoss2DBackward0");
}

static tg_tensor *nll_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    tg_loss_options o = options ? *options : tg_loss_defaults();
    o.label_smoothing = 0;
    if (!check_classes("nll_loss", input, target, &o)) return NULL;
    if (target->dtype != TG_I64)
        return tg__fail(input->context, TG_ERR_DTYPE, "nll_loss: the target is %s, not int64",
                        tg_dtype_name(target->dtype));
    if (!check_labels("nll_loss", input, target, o.ignore_index)) return NULL;
    return named_loss(loss_of_labels(input, target, &o), input, &o);
}

tg_tensor *tg_nll_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    tg__enter(&f, "nll_loss", input);
    return tg__leave(&f, nll_loss(input, target, options));
}

/* ---- Probabilities of all classes as the target. */

static tg_tensor *loss_of_probabilities(tg_tensor *x, tg_tensor *target, const tg_loss_options *o)
{
    const int dim = class_dim(x);
    const double classes = (double)x->shape[dim], rows = (double)x->numel / classes;
    if (o->label_smoothing > 0)
        target = tg_add_scalar(tg_mul_scalar(target, 1 - o->label_smoothing),
                               o->label_smoothing / classes);
    tg_tensor *terms = tg_mul(x, target);
    if (o->weight) {
        int64_t shape[TG_MAX_DIMS];
        for (int d = 0; d < x->ndim; d++) shape[d] = d == dim ? x->shape[d] : 1;
        terms = tg_mul(terms, tg_reshape(o->weight, (tg_shape){x->ndim, shape}));
    }
    if (o->reduction == TG_NONE) return tg_neg(tg_sum_dims(terms, TG_DIMS(dim), false));
    tg_tensor *loss = tg_neg(tg_sum(terms));
    if (o->reduction == TG_SUM) return loss;
    return tg__name_grad_fn(tg_div_scalar(loss, rows), "DivBackward1");
}

static tg_tensor *cross_entropy(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    const tg_loss_options o = options ? *options : tg_loss_defaults();
    if (!check_classes("cross_entropy", input, target, &o)) return NULL;
    const bool labels = target->dtype == TG_I64;
    const bool alike = tg__same_sizes(input->ndim, input->shape, target->ndim, target->shape);
    if (!labels && (target->dtype != input->dtype || !alike))
        return tg__fail(input->context, TG_ERR_DTYPE,
                        "cross_entropy: the target, %s %s, is neither int64 labels nor %s "
                        "probabilities %s",
                        tg_dtype_name(target->dtype), SHOW(target), tg_dtype_name(input->dtype),
                        SHOW(input));
    if (!labels && o.ignore_index >= 0)
        return tg__fail(input->context, TG_ERR_ARGUMENT,
                        "cross_entropy: ignore_index %lld, but probabilities have no label to "
                        "ignore",
                        (long long)o.ignore_index);
    if (labels && !check_labels("cross_entropy", input, target, o.ignore_index)) return NULL;
    tg_tensor *x = tg_log_softmax(input, class_dim(input));
    if (!x) return NULL;
    return labels ? named_loss(loss_of_labels(x, target, &o), x, &o)
                  : loss_of_probabilities(x, target, &o);
}

tg_tensor *tg_cross_entropy(tg_tensor *input, tg_tensor *target, const tg_loss_options *options)
{
    frame f;
    tg__enter(&f, "cross_entropy", input);
    return tg__leave(&f, cross_entropy(input, target, options));
}
