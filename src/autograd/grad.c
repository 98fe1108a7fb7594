/* tg_grad, which returns gradients and leaves the grad of every leaf as it is. */
#include "sweep.h"

tg_grad_options tg_grad_defaults(void)
{
    return (tg_grad_options){TG_GRAD_DEFAULTS};
}

static tg_context *context_of(tg_list list)
{
    for (int i = 0; list.items && i < list.n; i++)
        if (list.items[i]) return list.items[i]->context;
    return NULL;
}

static bool check_tensors(tg_context *tg, tg_list list, const char *role)
{
    if (list.n < 1 || !list.items)
        return tg__fail(tg, TG_ERR_ARGUMENT, "grad: there are no %ss", role);
    for (int i = 0; i < list.n; i++) {
        if (!list.items[i])
            return tg__fail(tg, TG_ERR_ARGUMENT, "grad: %s %d is NULL", role, i + 1);
        if (list.items[i]->context != tg)
            return tg__fail(tg, TG_ERR_CONTEXT,
                            "grad: tensors of two contexts; tg_borrow makes an alias");
    }
    return tg__check_inputs("grad", list.n, list.items);
}

static bool check_grad(tg_context *tg, tg_list outputs, tg_list inputs, const tg_grad_options *o)
{
    if (!tg__ready(tg) || !check_tensors(tg, outputs, "output") ||
        !check_tensors(tg, inputs, "input") ||
        (o->grad_outputs.n && !check_tensors(tg, o->grad_outputs, "grad_output")))
        return false;
    if (o->grad_outputs.n && o->grad_outputs.n != outputs.n)
        return tg__fail(tg, TG_ERR_ARGUMENT, "grad: %d grad_outputs for %d outputs",
                        o->grad_outputs.n, outputs.n);
    for (int i = 0; i < outputs.n; i++) {
        tg_tensor *out = outputs.items[i];
        if (!tg__check_output(out, "grad")) return false;
        if (o->grad_outputs.n ? !tg__check_weight(out, o->grad_outputs.items[i], "grad")
                              : !tg__check_single(out, "grad", "give grad_outputs in the options"))
            return false;
    }
    for (int i = 0; i < inputs.n; i++) {
        tg_tensor *in = inputs.items[i];
        if (!tg__check_inputs("grad", 2, (tg_tensor *[]){outputs.items[0], in}) ||
            !tg__check_history("grad", 1, &in))
            return false;
        if (!in->requires_grad)
            return tg__fail(tg, TG_ERR_AUTOGRAD, "grad: input %d, %s, does not require grad", i + 1,
                            SHOW(in));
    }
    return true;
}

/* Stores the gradient of input i in grads[i], as a tensor of the caller's scope. No two of grads
 * are the same tensor, so that the caller can release each of them: without create_graph all are
 * copies, and with create_graph a gradient that is also that of an earlier input is cloned. */
static bool return_gradient(const sweep *s, int i, bool allow_unused, tg_tensor **grads)
{
    tg_tensor *t = s->inputs.items[i], *g = tg__gradient_of(s, priv(t));
    if (!g)
        return allow_unused ||
               tg__fail(s->tg, TG_ERR_AUTOGRAD,
                        "grad: the outputs do not depend on input %d, %s; allow_unused gives NULL",
                        i + 1, SHOW(t));
    if (!s->create_graph)
        g = tg_keep(g);
    else if (priv(g)->mark & MARK_HANDED_OUT)
        g = tg_clone(g);
    if (g) priv(g)->mark |= MARK_HANDED_OUT;
    grads[i] = g;
    return g != NULL;
}

bool tg_grad(tg_list outputs, tg_list inputs, tg_tensor **grads, const tg_grad_options *options)
{
    tg_grad_options o = options ? *options : tg_grad_defaults();
    for (int i = 0; grads && i < inputs.n; i++) grads[i] = NULL;
    tg_context *tg = context_of(outputs);
    if (!tg) tg = context_of(inputs);
    if (!tg || !check_grad(tg, outputs, inputs, &o)) return false;
    if (!grads) return tg__fail(tg, TG_ERR_ARGUMENT, "grad: grads is NULL");
    sweep s;
    s.tg = tg;
    s.create_graph = o.create_graph;
    s.inputs = inputs;
    int64_t no_grad = tg->no_grad;
    tg->no_grad = !o.create_graph;
    if (!o.create_graph) tg_scope_begin(tg);
    bool done = tg__sweep(&s, outputs, o.grad_outputs);
    for (int i = 0; i < inputs.n && done; i++) done = return_gradient(&s, i, o.allow_unused, grads);
    for (int i = 0; i < inputs.n; i++) {
        if (grads[i]) priv(grads[i])->mark &= (uint8_t)~MARK_HANDED_OUT;
        if (!done) grads[i] = NULL;
    }
    tg__end_sweep(&s);
    if (!o.create_graph) tg_scope_end(tg);
    tg->no_grad = no_grad;
    return done;
}
