/* What the losses share: the check of input and target, the reduction, and tg_criterion. */
#include "loss.h"

#include <string.h>

/* The room for the text that describe_cure writes, in bytes. */
enum { CURE = 256 };

/* Writes the call that makes target and input fit, tg_reshape or tg_flatten, for the message. If
 * they differ in the number of elements, no call does, and the numbers are written. */
static void describe_cure(char *text, const tg_tensor *input, const tg_tensor *target)
{
    char *sizes = SHOW(input) + 1;
    sizes[strlen(sizes) - 1] = 0;
    if (input->numel != target->numel)
        snprintf(text, CURE, "they have %lld and %lld elements", (long long)input->numel,
                 (long long)target->numel);
    else
        snprintf(text, CURE, "use %stg_reshape(target, TG_SHAPE(%s))",
                 target->ndim == 1 ? "tg_flatten(input, 0, -1), or " : "", sizes);
}

bool tg__check_reduction(tg_context *tg, const char *name, int reduction)
{
    static const char cure[] = "use TG_MEAN, TG_SUM or TG_NONE";
    const int kind = reduction & ~TG_BROADCAST;
    if (kind == TG_BATCHMEAN)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "%s: the reduction TG_BATCHMEAN is for kl_div alone; %s", name, cure);
    return (kind >= TG_MEAN && kind <= TG_NONE) ||
           tg__fail(tg, TG_ERR_ARGUMENT, "%s: there is no reduction %d; %s", name, reduction, cure);
}

bool tg__check_sides(const char *name, tg_tensor *input, tg_tensor *target, int reduction, spec *s)
{
    tg_context *tg = input->context;
    if (!tg__check_reduction(tg, name, reduction)) return false;
    if (input->dtype != target->dtype)
        return tg__fail(tg, TG_ERR_DTYPE, "%s: the input is %s, the target %s; use tg_cast", name,
                        tg_dtype_name(input->dtype), tg_dtype_name(target->dtype));
    if (!tg__is_float(input->dtype)) return tg__refuse_dtype(name, input);
    if (tg__same_sizes(input->ndim, input->shape, target->ndim, target->shape)) return true;
    bool broadcasts =
        tg__broadcast(input->ndim, input->shape, target->ndim, target->shape, &s->ndim, s->shape);
    if (broadcasts && reduction & TG_BROADCAST) return true;
    char cure[CURE];
    describe_cure(cure, input, target);
    return tg__fail(tg, TG_ERR_SHAPE,
                    "%s: input %s and target %s differ in shape and would %s%s: %s", name,
                    SHOW(input), SHOW(target), broadcasts ? "broadcast to " : "not even broadcast",
                    broadcasts ? tg__show_sizes(input->context, s->ndim, s->shape) : "", cure);
}

bool tg__loss_sides(const char *name, tg_tensor **input, tg_tensor **target, int reduction)
{
    spec s;
    s.ndim = -1; /* stays so if the sides have one shape */
    if (!tg__check_inputs(name, 2, (tg_tensor *[]){*input, *target}) ||
        !tg__check_sides(name, *input, *target, reduction, &s))
        return false;
    if (s.ndim < 0) return true;
    *input = tg_expand(*input, (tg_shape){s.ndim, s.shape});
    *target = tg_expand(*target, (tg_shape){s.ndim, s.shape});
    return *input && *target;
}

tg_loss_options tg_loss_defaults(void)
{
    return (tg_loss_options){TG_LOSS_DEFAULTS};
}

bool tg__without_defaults(const tg_loss_options *o)
{
    return o->ignore_index == 0 && o->beta == 0 && o->delta == 0 && o->eps == 0;
}

tg_loss_options tg__enter_loss(frame *f, const char *name, tg_tensor **input, tg_tensor **target,
                               const tg_loss_options *options)
{
    const tg_loss_options o = options ? *options : tg_loss_defaults();
    tg__enter(f, name, *input);
    if (!tg__loss_sides(name, input, target, o.reduction)) *input = *target = NULL;
    return o;
}

tg_tensor *tg__reduce_loss(tg_tensor *loss, int reduction)
{
    const int kind = reduction & ~TG_BROADCAST;
    return kind == TG_NONE ? loss : kind == TG_SUM ? tg_sum(loss) : tg_mean(loss);
}

const char tg__mean_of_batch[] = "DivBackward0";

bool tg__is_mean(const record *r)
{
    const char *name = r->op->name;
    if (r->grad_name == tg__mean_of_batch) return true;
    if (r->op->shape == tg__loss_shape) return r->a[MAP_RESULT].i == MAP_MEAN;
    if (strcmp(name, "mse_loss") == 0) return r->a[0].i == TG_MEAN;
    /* cross_entropy and nll_loss divide last, and give the result another grad_fn. */
    return strcmp(name, "mean") == 0 ||
           (strncmp(name, "div", 3) == 0 && strcmp(r->grad_name, r->op->grad_name) != 0);
}

tg_tensor *tg__apply_loss(const op_row *o, tg_tensor *input, tg_tensor *target, double s, double t,
                          int reduction)
{
    const int kind = reduction & ~TG_BROADCAST;
    const int result = kind == TG_NONE ? MAP_ELEMENTS : kind == TG_SUM ? MAP_SUM : MAP_MEAN;
    return tg__apply(o, 2, (tg_tensor *[]){input, target},
                     (attr[TG_ATTRS]){{.f = s}, {.f = t}, {.i = result}});
}

bool tg__loss_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    if (c->a[MAP_RESULT].i != MAP_ELEMENTS) s->ndim = 0;
    return true;
}

tg_tensor *tg__gradient_of_terms(const record *r, tg_tensor *g)
{
    const tg_tensor *x = r->in[0].t;
    if (r->a[MAP_RESULT].i == MAP_MEAN && x->numel > 0) g = tg_div_scalar(g, (double)x->numel);
    if (!g || g->context->no_grad) return g;
    return tg_expand(g, (tg_shape){x->ndim, x->shape});
}

tg_tensor *tg__apply_loss_backward(const op_row *o, const record *r, tg_tensor *g)
{
    return tg__apply(o, 3, (tg_tensor *[]){g, r->in[0].t, r->in[1].t},
                     (attr[TG_ATTRS]){r->a[MAP_S], r->a[MAP_T]});
}

/* ---- tg_criterion, which makes a module of any loss. */

typedef struct criterion {
    tg_loss_function function;
    tg_loss_options options;
} criterion;

static tg_tensor *criterion_loss(tg_module *m, tg_tensor *input, tg_tensor *target)
{
    const criterion *c = m->data;
    return c->function(input, target, &c->options);
}

tg_module *tg_criterion(tg_context *tg, tg_loss_function function, const tg_loss_options *options)
{
    if (tg && !function) return tg__fail(tg, TG_ERR_ARGUMENT, "criterion: the function is NULL");
    tg_module *m = tg_module_new(tg, "Criterion", NULL, sizeof(criterion));
    if (!m) return NULL;
    m->loss = criterion_loss;
    m->pointers_at = offsetof(criterion, options.weight);
    m->pointers_end = offsetof(criterion, options.pos_weight) + sizeof(tg_tensor *);
    criterion *c = m->data;
    *c = (criterion){function, options ? *options : tg_loss_defaults()};
    if (c->options.weight && !tg_register_buffer(m, "weight", c->options.weight)) return NULL;
    if (c->options.pos_weight && !tg_register_buffer(m, "pos_weight", c->options.pos_weight))
        return NULL;
    return m;
}
