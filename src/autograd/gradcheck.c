/* tg_gradcheck and tg_gradgradcheck, which compare gradients with central differences. */
#include "../ops/op.h"

#include <math.h>

tg_gradcheck_options tg_gradcheck_defaults(void)
{
    return (tg_gradcheck_options){TG_GRADCHECK_DEFAULTS};
}

typedef struct gradcheck {
    tg_context *tg;
    tg_function fn;
    tg_list inputs;
    void *user;
    tg_gradcheck_options o;
} gradcheck;

static bool check_gradcheck_inputs(const gradcheck *c, const char *name)
{
    bool any = false;
    for (int i = 0; i < c->inputs.n; i++) {
        tg_tensor *t = c->inputs.items[i];
        if (!t->requires_grad) continue;
        any = true;
        if (t->dtype != TG_F64 || priv(t)->record)
            return tg__fail(c->tg, t->dtype != TG_F64 ? TG_ERR_DTYPE : TG_ERR_ARGUMENT,
                            "%s: input %d, %s %s, is not a float64 leaf", name, i + 1,
                            tg_dtype_name(t->dtype), SHOW(t));
        if (!tg__writable(t, name)) return false;
    }
    return any || tg__fail(c->tg, TG_ERR_ARGUMENT, "%s: no input requires grad", name);
}

/* Element number i of t, counted in row-major order. */
static double *element_at(const tg_tensor *t, int64_t i)
{
    int64_t at = 0;
    for (int d = t->ndim - 1; d >= 0; d--) {
        at += i % t->shape[d] * t->strides[d];
        i /= t->shape[d];
    }
    return (double *)t->data + at;
}

static tg_tensor *call_function(const gradcheck *c)
{
    tg_tensor *y = c->fn(c->inputs, c->user);
    if (y && y->context == c->tg && tg__ready(c->tg)) return y;
    return tg__fail(c->tg, TG_ERR_ARGUMENT, "gradcheck: the function returned %s",
                    y ? "a tensor of another context" : "NULL");
}

/* The output of the function as numel contiguous doubles, computed without a graph. NULL with the
 * error if the function fails. */
static const double *output_values(const gradcheck *c, int64_t numel)
{
    tg_no_grad_begin(c->tg);
    tg_tensor *y = call_function(c);
    y = y ? tg_clone(y) : NULL; /* the function may return its input, which the caller changes */
    tg_no_grad_end(c->tg);
    if (y && (y->numel != numel || y->dtype != TG_F64))
        return tg__fail(c->tg, TG_ERR_ARGUMENT,
                        "gradcheck: the function's output changes its shape or dtype");
    return y ? y->data : NULL;
}

/* Computes d output[k] / d t[j] by central differences and stores them in `slopes`, which has a row
 * for each element j of the input t and a column for each element k of the output. */
static bool compute_slopes(const gradcheck *c, const tg_tensor *t, int64_t outputs, double *slopes)
{
    for (int64_t j = 0; j < t->numel; j++) {
        double *x = element_at(t, j), saved = *x;
        tg_scope_begin(c->tg);
        *x = saved + c->o.eps;
        const double *above = output_values(c, outputs);
        *x = saved - c->o.eps;
        const double *below = above ? output_values(c, outputs) : NULL;
        *x = saved;
        for (int64_t k = 0; below && k < outputs; k++)
            slopes[j * outputs + k] = (above[k] - below[k]) / (2 * c->o.eps);
        tg_scope_end(c->tg);
        if (!below) return false;
    }
    return true;
}

/* Compares a gradient that backward has computed, that of element k of the output with respect to
 * input i, with column k of the slopes of that input. A gradient of NULL counts as zeros. */
static bool compare_gradient(const gradcheck *c, const tg_tensor *gradient, int i, int64_t k,
                             int64_t outputs, const double *slopes)
{
    for (int64_t j = 0; j < c->inputs.items[i]->numel; j++) {
        double analytic = gradient ? *element_at(gradient, j) : 0, slope = slopes[j * outputs + k];
        if (isfinite(slope) && fabs(analytic - slope) <= c->o.atol + c->o.rtol * fabs(slope))
            continue;
        return tg__fail(
            c->tg, TG_ERR_AUTOGRAD,
            "gradcheck: d output[%lld] / d inputs.items[%d][%lld] is %.10g by backward, %.10g "
            "by differences "
            "(elements counted row-major)",
            (long long)k, i, (long long)j, analytic, slope);
    }
    return true;
}

static bool check_input(const gradcheck *c, tg_tensor *y, int i)
{
    tg_tensor *t = c->inputs.items[i];
    if (y->numel == 0) return true;
    tg_tensor *table = tg__new(c->tg, TG_F64, 2, (int64_t[]){t->numel, y->numel});
    if (!table || !compute_slopes(c, t, y->numel, table->data)) return false;
    bool same = true;
    for (int64_t k = 0; k < y->numel && same; k++) {
        tg_scope_begin(c->tg);
        tg_tensor *weight = tg_zeros_like(y), *gradient = NULL;
        tg_grad_options o = {.grad_outputs = {1, &weight}, .allow_unused = true};
        if (weight) ((double *)weight->data)[k] = 1;
        same = weight && tg_grad((tg_list){1, &y}, (tg_list){1, &t}, &gradient, &o) &&
               compare_gradient(c, gradient, i, k, y->numel, table->data);
        tg_scope_end(c->tg);
    }
    return same;
}

static bool run_gradcheck(const gradcheck *c)
{
    tg_tensor *y = call_function(c);
    if (!y) return false;
    if (!y->requires_grad || y->dtype != TG_F64)
        return tg__fail(c->tg, y->dtype != TG_F64 ? TG_ERR_DTYPE : TG_ERR_AUTOGRAD,
                        "gradcheck: the output is %s and %s grad", tg_dtype_name(y->dtype),
                        y->requires_grad ? "requires" : "does not require");
    for (int i = 0; i < c->inputs.n; i++)
        if (c->inputs.items[i]->requires_grad && !check_input(c, y, i)) return false;
    return true;
}

static bool begin_gradcheck(gradcheck *c, const char *name, tg_function fn, tg_list inputs,
                            void *user, const tg_gradcheck_options *options)
{
    if (inputs.n < 1 || !tg__check_inputs(name, inputs.n, inputs.items)) return false;
    tg_context *tg = inputs.items[0]->context;
    *c = (gradcheck){tg, fn, inputs, user, options ? *options : tg_gradcheck_defaults()};
    if (!fn) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the function is NULL", name);
    if (!(c->o.eps > 0))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: eps is %g, but must be positive", name, c->o.eps);
    if (!(c->o.atol >= 0))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: atol is %g, but must not be negative", name,
                        c->o.atol);
    if (!(c->o.rtol >= 0))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: rtol is %g, but must not be negative", name,
                        c->o.rtol);
    return tg__ready(tg) && check_gradcheck_inputs(c, name);
}

bool tg_gradcheck(tg_function fn, tg_list inputs, void *user, const tg_gradcheck_options *options)
{
    gradcheck c;
    if (!begin_gradcheck(&c, "gradcheck", fn, inputs, user, options)) return false;
    tg_scope_begin(c.tg);
    bool same = run_gradcheck(&c);
    tg_scope_end(c.tg);
    return same;
}

/* The function that tg_gradgradcheck differentiates. Its inputs are those of fn and a weight for
 * the output of fn; its output is the gradients of fn by its inputs, flattened and joined. */
static tg_tensor *gradients_of_function(tg_list inputs, void *user)
{
    const gradcheck *c = user;
    int n = inputs.n - 1, used = 0;
    tg_context *tg = c->tg;
    tg_tensor **by = tg__alloc(tg, tg__bytes(n, sizeof *by)),
              **grads = tg__alloc(tg, tg__bytes(n, sizeof *grads));
    if (!by || !grads) return NULL;
    for (int i = 0; i < n; i++)
        if (inputs.items[i]->requires_grad) by[used++] = inputs.items[i];
    /* output_values calls this function in no-grad mode, but tg_grad needs the graph of fn. */
    int64_t no_grad = tg->no_grad;
    tg->no_grad = 0;
    tg_tensor *y = c->fn((tg_list){n, inputs.items}, c->user);
    tg_grad_options o = {
        .grad_outputs = {1, &inputs.items[n]}, .create_graph = true, .allow_unused = true};
    bool done = y && tg_grad((tg_list){1, &y}, (tg_list){used, by}, grads, &o);
    tg->no_grad = no_grad;
    for (int i = 0; i < used && done; i++) {
        if (!grads[i]) grads[i] = tg_zeros_like(by[i]);
        grads[i] = tg_reshape(grads[i], TG_SHAPE(-1));
        done = grads[i] != NULL;
    }
    return done ? tg_cat((tg_list){used, grads}, 0) : NULL;
}

/* A weight for the output of fn. Its elements differ, so that a mistake in one element of a
 * gradient is not cancelled by another. */
static tg_tensor *make_weight(const gradcheck *c)
{
    tg_no_grad_begin(c->tg);
    tg_tensor *y = call_function(c), *weight = y ? tg_empty_like(y) : NULL;
    tg_no_grad_end(c->tg);
    if (!weight) return NULL;
    if (weight->dtype != TG_F64)
        return tg__fail(c->tg, TG_ERR_DTYPE, "gradgradcheck: the output is %s, not float64",
                        tg_dtype_name(weight->dtype));
    for (int64_t i = 0; i < weight->numel; i++)
        ((double *)weight->data)[i] = 1 + 0.5 * sin(3.0 * (double)i + 1);
    return tg_requires_grad_(weight, true);
}

bool tg_gradgradcheck(tg_function fn, tg_list inputs, void *user,
                      const tg_gradcheck_options *options)
{
    gradcheck c;
    if (!begin_gradcheck(&c, "gradgradcheck", fn, inputs, user, options)) return false;
    tg_scope_begin(c.tg);
    tg_tensor **all = tg__alloc(c.tg, tg__bytes((int64_t)inputs.n + 1, sizeof *all)),
              *weight = make_weight(&c);
    bool same = all && weight;
    if (same) {
        for (int i = 0; i < inputs.n; i++) all[i] = inputs.items[i];
        all[inputs.n] = weight;
        same = tg_gradcheck(gradients_of_function, (tg_list){inputs.n + 1, all}, &c, &c.o);
    }
    tg_scope_end(c.tg);
    return same;
}
