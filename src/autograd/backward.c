/* One walk along the tape, from the outputs to the oldest record they reach. */
#include "../internal.h"

typedef struct sweep {
    tg_context *tg;
    bool create_graph;
    int64_t waiting;      /* pending gradients of tensors whose record is still to come */
    const record *last;   /* of the oldest tensor that is asked for: no further; NULL: to the end */
    tensor_priv *touched; /* all tensors that the sweep has written to */
    struct sweep *outer;  /* in which an operation of the user's own began this one */
    struct aside *aside;  /* what that had touched */
    int64_t n;
} sweep;

typedef struct aside {
    tensor_priv *p;
    tg_tensor *pending, *captured;
    bool wanted;
} aside;

static void touch(sweep *s, tensor_priv *p)
{
    if (p->touched) return;
    p->touched = true;
    p->next_touched = s->touched;
    s->touched = p;
}

static void forget(const sweep *s)
{
    for (tensor_priv *p = s->touched; p; p = p->next_touched) {
        p->pending = p->captured = NULL;
        p->touched = false;
        p->wanted = p->retains;
    }
}

static bool begin_sweep(sweep *s)
{
    s->outer = s->tg->sweep;
    s->tg->sweep = s;
    if (!s->outer) return true;
    int64_t n = 0;
    for (const tensor_priv *p = s->outer->touched; p; p = p->next_touched) n++;
    s->aside = tg__alloc(s->tg, (size_t)n * sizeof *s->aside);
    if (!s->aside) return false;
    for (tensor_priv *p = s->outer->touched; p; p = p->next_touched)
        s->aside[s->n++] = (aside){p, p->pending, p->captured, p->wanted};
    forget(s->outer);
    return true;
}

static void end_sweep(sweep *s)
{
    forget(s);
    s->tg->sweep = s->outer;
    if (s->n) s->outer->touched = NULL;
    for (int64_t i = 0; i < s->n; i++) {
        const aside *a = &s->aside[i];
        touch(s->outer, a->p);
        a->p->pending = a->pending;
        a->p->captured = a->captured;
        a->p->wanted = a->wanted;
    }
}

/* Adds g, which the sweep owns from here on, to what t has collected. */
static bool collect(sweep *s, tg_tensor *t, tg_tensor *g)
{
    tensor_priv *p = priv(t);
    touch(s, p);
    if (!p->pending) {
        p->pending = g;
        if (p->record) s->waiting++;
        return true;
    }
    tg_tensor *sum = tg_add(p->pending, g);
    if (!s->create_graph) {
        tg_release(p->pending);
        tg_release(g);
    }
    p->pending = sum;
    return sum != NULL;
}

TG_APART static bool complain_of_change(const record *r, const tg_tensor *t, const char *what,
                                        int number)
{
    char which[16] = "";
    if (number > 0) snprintf(which, sizeof which, " %d", number);
    return tg__fail(
        t->context, TG_ERR_AUTOGRAD,
        "backward: the gradient of %s needs its %s%s, a tensor %s, but %s changed it in place",
        r->op->name, what, which, SHOW(t), tg__origin(t)->writer);
}

static bool changed(const tg_tensor *t, uint32_t version)
{
    return tg__version(t) != version;
}

static bool check_versions(const record *r, int i)
{
    unsigned reads = r->op->reads[i < 2 ? i : 2];
    for (int j = 0; reads && j < r->n; j++)
        if (reads & tg__reads_input(j) && changed(r->in[j].t, r->in[j].version))
            return complain_of_change(r, r->in[j].t, "input", j + 1);
    if (reads & READS_OUT && changed(r->out, r->out_version))
        return complain_of_change(r, r->out, "result", 0);
    return true;
}

static bool send_back(sweep *s, const record *r, int i, tg_tensor *g)
{
    tg_tensor *t = r->in[i].t;
    if (!r->op->grad)
        return tg__fail(s->tg, TG_ERR_AUTOGRAD, "backward: %s has no gradient", r->op->name);
    if (!check_versions(r, i)) return false;
    const block *before = tg__newest_block(s->tg);
    tg_tensor *own = r->op->grad(r, i, g);
    if (own && r->op->flags & OP_BROADCAST) own = tg__sum_to(own, t);
    const bool may_return = r->op->flags & OP_OWN;
    if (own && !s->create_graph && !may_return) /* what the gradient was computed from */
        tg__free_elements(s->tg, before, priv(own)->storage->block);
    if (own && !s->create_graph && (may_return || own == g))
        own = tg_detach(own); /* each pending gradient is released by itself */
    return own && collect(s, t, own);
}

static bool run_record(sweep *s, const record *r)
{
    tensor_priv *p = priv(r->out);
    tg_tensor *g = p->pending;
    if (!g) return true;
    p->pending = NULL;
    s->waiting--;
    bool keep = p->wanted && p->record == r; /* an older record made values that are gone */
    if (keep) p->captured = g;
    for (int i = 0; i < r->n && r != s->last; i++)
        if (r->in[i].needs_grad && !send_back(s, r, i, g)) return false;
    if (!keep && !s->create_graph) tg_release(g);
    return true;
}

/* For an output of one element. */
static tg_tensor *one_like(const tg_tensor *out)
{
    tg_tensor *g = tg__new(out->context, out->dtype, out->ndim, out->shape);
    if (g && g->dtype == TG_F32)
        *(float *)g->data = 1;
    else if (g)
        *(double *)g->data = 1;
    return g;
}

/* Gradients of outputs, weighted, into pending (leaves) and captured (others that are wanted). */
static bool sweep_back(sweep *s, tg_list outputs, tg_list weights)
{
    record *from = outputs.n == 1 ? priv(outputs.items[0])->record : s->tg->tape;
    for (int i = 0; i < outputs.n; i++) {
        tg_tensor *out = outputs.items[i];
        /* A copy: the weight may be a grad that is about to be added to. */
        tg_tensor *g = weights.n ? tg_clone(weights.items[i]) : one_like(out);
        if (!g || !collect(s, out, g)) return false;
    }
    for (record *r = from; r && s->waiting > 0; r = r->prev) {
        if (!run_record(s, r)) return false;
        if (r == s->last) break;
    }
    return true;
}

static bool check_output(tg_tensor *out, const char *op)
{
    if (!tg__ready(out->context)) return false;
    if (!tg__are_plain(1, &out) &&
        (!tg__check_inputs(op, 1, &out) || !tg__check_history(op, 1, &out)))
        return false;
    return out->requires_grad ||
           tg__fail(out->context, TG_ERR_AUTOGRAD,
                    "%s: the tensor %s does not require grad: it depends on no leaf that does, or "
                    "was made after tg_no_grad_begin",
                    op, SHOW(out));
}

static bool check_weight(tg_tensor *out, tg_tensor *weight, const char *op)
{
    if (!tg__check_inputs(op, 2, (tg_tensor *[]){out, weight})) return false;
    bool fits = weight->dtype == out->dtype &&
                tg__same_sizes(weight->ndim, weight->shape, out->ndim, out->shape);
    return fits ||
           tg__fail(out->context, TG_ERR_SHAPE, "%s: the gradient is %s %s, the output %s %s", op,
                    tg_dtype_name(weight->dtype), SHOW(weight), tg_dtype_name(out->dtype),
                    SHOW(out));
}

static bool check_single(tg_tensor *out, const char *op, const char *cure)
{
    return out->numel == 1 ||
           tg__fail(out->context, TG_ERR_SHAPE, "%s: the output %s has %lld elements, not one; %s",
                    op, SHOW(out), (long long)out->numel, cure);
}

/* What the sweep found for the grad of p, if it is to have one. */
static tg_tensor *found_for(const tensor_priv *p)
{
    if (!p->grad_slot || !p->pub.requires_grad) return NULL;
    return p->record ? p->captured : p->pending;
}

static bool prepare(const sweep *s)
{
    for (tensor_priv *p = s->touched; p; p = p->next_touched) {
        tg_tensor *g = found_for(p);
        if (g && !tg__prepare_grad(p, g)) return false;
    }
    return true;
}

/* Writes what the sweep found into grad. Nothing in here can fail. */
static void commit(const sweep *s)
{
    for (tensor_priv *p = s->touched; p; p = p->next_touched) {
        tg_tensor *g = found_for(p), *slot = p->grad_slot;
        if (!g) continue;
        if (p->pub.grad) {
            loop add = {.binary = pick(s->tg->level, add, slot->dtype)};
            tg__elementwise(add, slot, 2, (tg_tensor *[]){slot, g});
        } else {
            tg__set_grad(p, g);
        }
        tg__written(slot, "backward");
    }
}

static bool backward(tg_tensor *out, tg_list weights)
{
    tg_context *tg = out->context;
    sweep s = {.tg = tg};
    tg_scope_begin(tg);
    tg_no_grad_begin(tg);
    bool done = begin_sweep(&s) && sweep_back(&s, (tg_list){1, &out}, weights) && prepare(&s);
    if (done) commit(&s);
    end_sweep(&s);
    tg_no_grad_end(tg);
    tg_scope_end(tg);
    return done;
}

bool tg_backward(tg_tensor *loss)
{
    return loss && check_output(loss, "backward") &&
           check_single(loss, "backward", "use tg_backward_with, or a sum or mean") &&
           backward(loss, (tg_list){0, NULL});
}

bool tg_backward_with(tg_tensor *output, tg_tensor *gradient)
{
    return tg__check_inputs("backward", 2, (tg_tensor *[]){output, gradient}) &&
           check_output(output, "backward") && check_weight(output, gradient, "backward") &&
           backward(output, (tg_list){1, &gradient});
}

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
    for (int i = 0; i < list.n; i++)
        if (!list.items[i])
            return tg__fail(tg, TG_ERR_ARGUMENT, "grad: %s %d is NULL", role, i + 1);
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
        if (!check_output(out, "grad")) return false;
        if (o->grad_outputs.n ? !check_weight(out, o->grad_outputs.items[i], "grad")
                              : !check_single(out, "grad", "give grad_outputs in the options"))
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

/* The record of the oldest of these tensors; NULL if one of them is a leaf. */
static const record *oldest_record(const tg_context *tg, tg_list inputs)
{
    int left = inputs.n;
    for (int i = 0; i < inputs.n; i++)
        if (!priv(inputs.items[i])->record) return NULL;
    for (const record *r = tg->tape; r; r = r->prev) {
        for (int i = 0; i < inputs.n; i++) left -= priv(inputs.items[i])->record == r;
        if (left == 0) return r;
    }
    return NULL;
}

/* The gradient found for input i, into the scope of the caller. */
static bool hand_out(const sweep *s, tg_tensor *t, int i, bool allow_unused, tg_tensor **grads)
{
    tensor_priv *p = priv(t);
    tg_tensor *g = p->record ? p->captured : p->pending;
    if (!g)
        return allow_unused ||
               tg__fail(s->tg, TG_ERR_AUTOGRAD,
                        "grad: the outputs do not depend on input %d, %s; allow_unused gives NULL",
                        i + 1, SHOW(t));
    if (!s->create_graph) g = tg_keep(g);
    for (int j = 0; j < i && s->create_graph; j++)
        if (grads[j] == g) g = tg_clone(g); /* each result can be released by itself */
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
    sweep s = {.tg = tg, .create_graph = o.create_graph, .last = oldest_record(tg, inputs)};
    int64_t no_grad = tg->no_grad;
    tg->no_grad = !o.create_graph;
    if (!o.create_graph) tg_scope_begin(tg);
    bool done = begin_sweep(&s);
    for (int i = 0; i < inputs.n && done; i++) {
        touch(&s, priv(inputs.items[i]));
        priv(inputs.items[i])->wanted = true;
    }
    done = done && sweep_back(&s, outputs, o.grad_outputs);
    for (int i = 0; i < inputs.n && done; i++)
        done = hand_out(&s, inputs.items[i], i, o.allow_unused, grads);
    for (int i = 0; i < inputs.n && !done; i++) grads[i] = NULL;
    end_sweep(&s);
    if (!o.create_graph) tg_scope_end(tg);
    tg->no_grad = no_grad;
    return done;
}
