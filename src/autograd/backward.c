/* The reverse sweep, which is one walk back along the tape, and the functions that add its
 * gradients to the leaves. */
#include "sweep.h"
#include "../ops/reduce.h"

/* Saves the state that an outer sweep has stored in p, for tg__end_sweep to restore. */
TG_NOINLINE static bool save_state(sweep *s, tensor_priv *p)
{
    saved_state *a = tg__alloc(s->tg, sizeof *a);
    if (!a) return false;
    *a = (saved_state){
        s->saved, p, p->pending, p->captured, p->next_touched, p->sweep, p->wanted & WANTED_HERE};
    s->saved = a;
    p->pending = p->captured = NULL;
    p->wanted &= WANTED_ALWAYS;
    return true;
}

/* Lists p for tg__end_sweep, which clears the state of this sweep in it. This must be called before
 * the sweep stores anything in p. */
static inline bool touch(sweep *s, tensor_priv *p)
{
    if (p->sweep == s->number) return true;
    if (p->sweep > 0 && !save_state(s, p)) return false;
    p->sweep = s->number;
    p->next_touched = s->touched;
    s->touched = p;
    return true;
}

static bool begin_sweep(sweep *s)
{
    s->outer = s->tg->sweep;
    s->number = s->outer ? s->outer->number + 1 : 1;
    s->path_bit = 0;
    s->oldest = s->waiting = 0;
    s->touched = s->whole = NULL;
    s->written = (part_range){0};
    s->saved = NULL;
    s->tg->sweep = s;
    for (int i = 0; i < s->inputs.n; i++) {
        tensor_priv *p = priv(s->inputs.items[i]);
        if (!touch(s, p)) return false;
        p->wanted |= WANTED_HERE;
    }
    return true;
}

void tg__end_sweep(sweep *s)
{
    for (tensor_priv *p = s->touched; p; p = p->next_touched) {
        if (p->pending) priv(p->pending)->mark &= (uint8_t)~MARK_SUM;
        p->pending = p->captured = NULL;
        p->sweep = 0;
        p->wanted &= WANTED_ALWAYS;
    }
    for (const saved_state *a = s->saved; a; a = a->next) {
        tensor_priv *p = a->p;
        p->pending = a->pending;
        p->captured = a->captured;
        p->next_touched = a->next_touched;
        p->sweep = a->sweep;
        if (a->wanted_here) p->wanted |= WANTED_HERE;
    }
    s->tg->sweep = s->outer;
}

/* Releases a gradient early, so that its memory serves for the next ones while it is in the cache.
 * Small ones wait for the end of the sweep's scope, which is cheaper. */
static inline void release_gradient(tg_tensor *g)
{
    enum { SMALL = 512 };
    const tg_tensor *owner = &tg__owner(priv(g)->storage)->pub;
    if ((size_t)owner->numel * tg__dtype_size(owner->dtype) >= SMALL) tg_release(g);
}

/* Whether the sweep may add to the gradient g in place, because nothing else refers to g. With
 * create_graph only a gradient with MARK_SUM is certain to be of this kind, as any other may be the
 * gradient of several tensors. */
static inline bool is_own(const sweep *s, const tg_tensor *g)
{
    const storage *memory = priv(g)->storage; /* that of g, or of what g was a view of */
    if (s->create_graph) return priv(g)->mark & MARK_SUM;
    return g->contiguous && memory->claims == 1 && memory->depth == s->tg->depth;
}

/* Notes, for is_own, that the sweep has made g and has not yet handed it to anything. */
static inline void mark_own(const sweep *s, tg_tensor *g)
{
    if (s->create_graph && g) priv(g)->mark |= MARK_SUM;
}

/* Adds g to the gradient that t has, as accumulate does. */
TG_NOINLINE static bool add_to_pending(sweep *s, tensor_priv *p, tg_tensor *g)
{
    if (!s->create_graph && !s->tg->watch && is_own(s, p->pending)) {
        loop add = {.binary = pick(s->tg->level, add, g->dtype)};
        tg__elementwise(add, p->pending, 2, (tg_tensor *[]){p->pending, g});
        release_gradient(g);
        return true;
    }
    tg_tensor *sum = tg_add(p->pending, g);
    if (!s->create_graph) {
        release_gradient(p->pending);
        release_gradient(g);
    }
    mark_own(s, sum);
    p->pending = sum;
    return sum != NULL;
}

/* Adds g to the pending gradient of t. The sweep owns g from here on and may release it. */
static inline bool accumulate(sweep *s, tg_tensor *t, tg_tensor *g)
{
    tensor_priv *p = priv(t);
    if (!touch(s, p)) return false;
    if (p->pending) return add_to_pending(s, p, g);
    p->pending = g;
    if (p->record) s->waiting++;
    return true;
}

/* Records the error that t, whose values the gradient of r reads, was changed in place. `what` and
 * `number` say which operand of r the tensor t is; the number of the result is 0. */
TG_NOINLINE static bool fail_changed(const record *r, const tg_tensor *t, const char *what,
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

/* Whether the sweep computes the gradient of this operand. */
static inline bool wants_gradient(const sweep *s, const operand *in)
{
    return s->path_bit ? in->on_path & s->path_bit : in->needs_grad;
}

/* Checks that the values that the gradient reads are still those of the forward. `reads` has
 * READS_* bits; the error names the input or the result and the operation that has changed it. */
static inline bool check_versions(const record *r, unsigned reads)
{
    unsigned bit = READS_0;
    for (int j = 0; j < r->n && bit <= reads; j++) {
        if (reads & bit && changed(r->in[j].t, r->in[j].version))
            return fail_changed(r, r->in[j].t, "input", j + 1);
        if (bit < READS_3) bit <<= 1;
    }
    if (reads & READS_OUT && changed(r->out, r->out_version))
        return fail_changed(r, r->out, "result", 0);
    return true;
}

/* If there is a gradient of which only some parts have been written, writes zeros to its rest. */
static void complete_parts(sweep *s)
{
    if (!s->whole) return;
    tg__fill_rest(s->whole->pending, s->written);
    s->whole = NULL;
}

/* Whether the sweep adds the gradient of a view of a part of t in place to the gradient of t. It
 * does if t has no gradient yet, which add_to_part then makes, or if the sweep owns the one that t
 * has. */
static inline bool takes_parts(const sweep *s, const tensor_priv *t)
{
    const bool first = t->sweep != s->number || !t->pending;
    return first ? !s->create_graph : is_own(s, t->pending);
}

/* Adds g, the gradient of the part of t that r has recorded, to the gradient of t. The work is in
 * proportion to the size of the part, not to that of t. If neighbouring parts come one after the
 * other, as those of a split do, each is written once, and no zeros are written before. */
static bool add_to_part(sweep *s, const record *r, tg_tensor *g)
{
    tg_tensor *t = r->in[0].t;
    tensor_priv *p = priv(t);
    if (s->create_graph) return tg__add_part_by_op(r, p->pending, g);
    const part_range part = tg__part_range(r);
    const bool first = p->sweep != s->number || !p->pending;
    if (first) {
        tg_tensor *whole = tg__new(s->tg, t->dtype, t->ndim, t->shape);
        if (!whole || !accumulate(s, t, whole)) return false;
        s->whole = p;
        s->written = (part_range){part.dim, part.from, part.from};
    }
    const bool extends = s->whole && tg__extend_range(&s->written, part);
    if (!extends) complete_parts(s);
    (extends || first ? tg__write_part : tg__add_part)(r, p->pending, g);
    return true;
}

/* The memory of the grad that operand i of r will have, if its gradient can be computed there: the
 * operand is a leaf that has no grad and no pending gradient, the memory is there and nobody else
 * has a claim on it, and no record is left, or waits for the gradient of a later operand, that may
 * call backward itself. Else NULL. */
static inline tg_tensor *empty_grad(const sweep *s, const record *r, int i)
{
    const tensor_priv *p = priv(r->in[i].t);
    if (!p->grad_slot || p->record || p->pending || p->pub.grad || !p->pub.requires_grad ||
        s->waiting || s->outer || s->inputs.n)
        return NULL;
    for (int k = i + 1; k < r->n; k++)
        if (priv(r->in[k].t)->record) return NULL;
    const tensor_priv *slot = priv(p->grad_slot);
    return slot->released || slot->own.claims != 1 ? NULL : p->grad_slot;
}

/* Computes the gradient of operand i of r from g, that of its result, and adds it to the pending
 * gradient of the operand. */
TG_NOINLINE static bool propagate(sweep *s, const record *r, int i, tg_tensor *g)
{
    tg_tensor *t = r->in[i].t;
    watch *w = s->tg->watch;
    if (!r->op->grad)
        return tg__fail(s->tg, TG_ERR_AUTOGRAD, "backward: %s has no gradient", r->op->name);
    if (r->op->flags & OP_PART && takes_parts(s, priv(t))) return add_to_part(s, r, g);
    const block *before = tg__newest_block(s->tg);
    if (w) w->quiet++;
    tg_tensor *own = r->op->grad(r, i, g);
    if (own && r->op->flags & OP_BROADCAST) own = tg__sum_to(own, t);
    if (w) w->quiet--;
    if (own && w && !w->check_gradient(r, i, g, own)) return false;
    const bool may_return = r->op->flags & OP_OWN;
    if (own && !s->create_graph && !may_return && tg__newest_block(s->tg) != before)
        tg__free_elements(s->tg, before, priv(own)->storage->block); /* of intermediate results */
    if (own && !s->create_graph && (may_return || own == g))
        own = tg_detach(own); /* a tensor for this operand alone, which will be released */
    if (r->op->flags & OP_PART) mark_own(s, own);
    return own && accumulate(s, t, own);
}

/* The same in a context that has a watch. */
TG_NOINLINE static bool propagate_watched(sweep *s, const record *r, int i, tg_tensor *g)
{
    watch *w = s->tg->watch;
    if (!w->begin(s->tg, WORK_BACKWARD, r->op->name)) return false;
    const bool done = propagate(s, r, i, g);
    w->end(s->tg, 0);
    return done;
}

/* Computes those of the gradients `wanted` that r->op->gradients can compute together. */
static bool compute_together(sweep *s, const record *r, tg_tensor *g, const bool *wanted,
                             tg_tensor **grads)
{
    watch *w = s->tg->watch;
    if (w && !w->begin(s->tg, WORK_BACKWARD, r->op->name)) return false;
    if (w) w->quiet++;
    bool done = r->op->gradients(r, g, grads);
    if (w) w->quiet--;
    for (int i = 0; w && done && i < TG_TOGETHER; i++)
        done = !wanted[i] || !grads[i] || w->check_gradient(r, i, g, grads[i]);
    if (w) w->end(s->tg, 0);
    return done;
}

/* The gradients of the operands of an operation that computes them together. */
TG_NOINLINE static bool propagate_together(sweep *s, const record *r, tg_tensor *g)
{
    tg_tensor *grads[TG_TOGETHER] = {NULL};
    bool wanted[TG_TOGETHER] = {false}, any = false;
    for (int i = 0; i < TG_TOGETHER; i++) {
        wanted[i] = wants_gradient(s, &r->in[i]);
        any |= wanted[i];
    }
    if (any && !compute_together(s, r, g, wanted, grads)) return false;
    for (int i = 0; i < TG_TOGETHER; i++) {
        if (!wanted[i]) {
            if (grads[i]) release_gradient(grads[i]);
        } else if (grads[i]       ? !accumulate(s, r->in[i].t, grads[i])
                   : s->tg->watch ? !propagate_watched(s, r, i, g)
                                  : !propagate(s, r, i, g)) {
            return false;
        }
    }
    return true;
}

/* The READS_* bits of the operands of r whose gradients the sweep computes. */
static inline unsigned reads_of(const sweep *s, const record *r)
{
    unsigned reads = 0;
    if (!s->path_bit) return r->reads;
    for (int i = 0; i < r->n; i++)
        if (wants_gradient(s, &r->in[i])) reads |= r->op->reads[i < 2 ? i : 2];
    return reads;
}

/* Computes the gradients of the operands of r from g by grad_into, without a history, and adds them
 * to theirs. An operation with OP_OVER, which has one operand, may write its gradient over g unless
 * g is kept. */
static inline bool run_directly(sweep *s, const record *r, tg_tensor *g, bool keep)
{
    const bool over = r->op->flags & OP_OVER && !keep && is_own(s, g);
    for (int i = 0; i < r->n; i++) {
        if (!wants_gradient(s, &r->in[i])) continue;
        tg_tensor *t = r->in[i].t, *own = over ? g : empty_grad(s, r, i);
        if (!own) own = tg__new(s->tg, t->dtype, t->ndim, t->shape);
        if (!own) return false;
        const block *before = s->tg->scope->blocks;
        if (!r->op->grad_into(r, i, g, own)) return false;
        if (s->tg->scope->blocks != before) tg__free_elements(s->tg, before, NULL);
        if (!accumulate(s, t, own)) return false;
    }
    if (!keep && !over) release_gradient(g);
    return true;
}

/* The same by the other functions of the operation. */
static bool run_by_operations(sweep *s, const record *r, tg_tensor *g, bool keep)
{
    const bool together = r->op->gradients && !s->create_graph;
    priv(g)->mark &= (uint8_t)~MARK_SUM;
    if (together && !propagate_together(s, r, g)) return false;
    for (int i = together ? TG_TOGETHER : 0; i < r->n; i++)
        if (wants_gradient(s, &r->in[i]) &&
            !(s->tg->watch ? propagate_watched : propagate)(s, r, i, g))
            return false;
    if (!keep && !s->create_graph) release_gradient(g);
    return true;
}

/* Whether the sweep computes the gradients of the operands of r by grad_into. */
static inline bool is_direct(const sweep *s, const record *r)
{
    return r->op->grad_into && !s->tg->watch && !s->create_graph;
}

/* Computes the gradients of the operands of r from g, that of its result, and adds them to theirs.
 * Then g is released, unless it is wanted or is the stack_tensor of tg__sweep. */
static inline bool run_record(sweep *s, const record *r, tg_tensor *g)
{
    const unsigned reads = reads_of(s, r);
    const bool keep = priv(r->out)->captured == g || g->grad == g;
    if (reads && !check_versions(r, reads)) return false;
    return is_direct(s, r) ? run_directly(s, r, g, keep) : run_by_operations(s, r, g, keep);
}

/* Takes the gradient that has reached the result of r; NULL if none has. */
static inline tg_tensor *take_pending(sweep *s, const record *r)
{
    tensor_priv *p = priv(r->out);
    tg_tensor *g = p->pending;
    if (!g || p->sweep != s->number) return NULL;
    if (s->whole && (s->whole != priv(r->in[0].t) || !(r->op->flags & OP_PART))) complete_parts(s);
    p->pending = NULL;
    /* The wanted gradient is that of the values which the result has now. If a write in place has
     * replaced the values that r made, the result has another record than r. */
    if (p->wanted && p->record == r) p->captured = g;
    return g;
}

/* The weight 1 for an output of one element. */
static tg_tensor *one_like(const tg_tensor *out)
{
    tg_tensor *g = tg__new(out->context, out->dtype, out->ndim, out->shape);
    if (g) tg__store(g->dtype, g->data, 0, 1);
    return g;
}

/* The newest record that made one of the outputs; NULL if all of them are leaves. */
static record *newest_of(tg_list outputs)
{
    record *newest = NULL;
    for (int i = 0; i < outputs.n; i++) {
        record *r = priv(outputs.items[i])->record;
        if (r && (!newest || r->number > newest->number)) newest = r;
    }
    return newest;
}

/* The gradient with which the sweep begins. A weight that lies in the memory of the grad of a leaf
 * is copied, because backward will add to this grad. With create_graph every weight is copied, by
 * an operation that gives the copy the history of the weight. */
static tg_tensor *first_gradient(const sweep *s, tg_tensor *weight)
{
    const bool copies = s->create_graph || tg__owner(priv(weight)->storage)->is_grad;
    return copies ? tg_clone(weight) : tg_detach(weight);
}

/* Whether no sweep has state in p, and none of its gradients is wanted. */
static inline bool is_untouched(const tensor_priv *p)
{
    return p->sweep == 0 && p->wanted == 0;
}

bool tg__sweep(sweep *s, tg_list outputs, tg_list weights)
{
    record *newest = newest_of(outputs);
    tg_tensor *first = NULL; /* of a single output, which then needs no state of the sweep */
    stack_tensor one;
    if (!begin_sweep(s)) return false;
    if (s->inputs.n) tg__mark_paths(s, outputs, newest);
    for (int i = 0; i < outputs.n; i++) {
        tg_tensor *out = outputs.items[i];
        const bool alone = outputs.n == 1 && newest && !s->inputs.n && is_untouched(priv(out));
        tg_tensor *g = weights.n ? first_gradient(s, weights.items[i])
                       : alone && out->ndim == 0 && is_direct(s, newest) ? tg__scalar(&one, out, 1)
                                                                         : one_like(out);
        if (!g) return false;
        if (alone) {
            first = g;
            s->waiting = 1;
        } else if (!accumulate(s, out, g)) {
            return false;
        }
    }
    for (const record *r = newest; r && s->waiting > 0 && r->number >= s->oldest; r = r->prev) {
        tg_tensor *g = first ? first : take_pending(s, r);
        TG_CHECK(!r->prev || r->prev->number < r->number);
        first = NULL;
        if (!g) continue;
        s->waiting--;
        if (!run_record(s, r, g)) return false;
    }
    complete_parts(s);
    return tg__ready(s->tg); /* the gradient of a user's operation may have recorded an error */
}

bool tg__check_output(tg_tensor *out, const char *op)
{
    if (!tg__ready(out->context)) return false;
    bool needs_grad;
    if (!tg__are_plain(1, &out, &needs_grad) &&
        (!tg__check_inputs(op, 1, &out) || !tg__check_history(op, 1, &out)))
        return false;
    return out->requires_grad ||
           tg__fail(out->context, TG_ERR_AUTOGRAD,
                    "%s: the tensor %s does not require grad: it depends on no leaf that does, or "
                    "was made after tg_no_grad_begin",
                    op, SHOW(out));
}

bool tg__check_weight(tg_tensor *out, tg_tensor *weight, const char *op)
{
    if (!tg__check_inputs(op, 2, (tg_tensor *[]){out, weight})) return false;
    bool fits = weight->dtype == out->dtype &&
                tg__same_sizes(weight->ndim, weight->shape, out->ndim, out->shape);
    return fits ||
           tg__fail(out->context, weight->dtype != out->dtype ? TG_ERR_DTYPE : TG_ERR_SHAPE,
                    "%s: the gradient is %s %s, the output %s %s", op, tg_dtype_name(weight->dtype),
                    SHOW(weight), tg_dtype_name(out->dtype), SHOW(out));
}

bool tg__check_single(tg_tensor *out, const char *op, const char *cure)
{
    return out->numel == 1 ||
           tg__fail(out->context, TG_ERR_SHAPE, "%s: the output %s has %lld elements, not one; %s",
                    op, SHOW(out), (long long)out->numel, cure);
}

/* The gradient that the sweep will add to the grad of p, which is in the list s->touched; NULL if
 * there is none. */
static inline tg_tensor *gradient_for(const sweep *s, const tensor_priv *p)
{
    if (!p->grad_slot || !p->pub.requires_grad || (s->inputs.n && !p->wanted)) return NULL;
    return p->record ? p->captured : p->pending;
}

static bool prepare_grads(const sweep *s)
{
    for (tensor_priv *p = s->touched; p; p = p->next_touched) {
        tg_tensor *g = gradient_for(s, p);
        if (g && !tg__prepare_grad(p, g)) return false;
    }
    return true;
}

/* Adds the gradients to the grads of the leaves. This cannot fail: prepare_grads has taken all
 * memory, so that a backward that fails changes no grad. */
static void commit_grads(const sweep *s)
{
    for (tensor_priv *p = s->touched; p; p = p->next_touched) {
        tg_tensor *g = gradient_for(s, p), *slot = p->grad_slot;
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

static const tg_list none = {0, NULL};

TG_INLINE bool begin_backward(sweep *s, tg_list outputs, tg_list weights)
{
    s->create_graph = false;
    s->tg->depth++; /* begins a scope */
    s->tg->no_grad++;
    return tg__sweep(s, outputs, weights) && prepare_grads(s);
}

void tg__end_backward(sweep *s, bool commit)
{
    if (commit) commit_grads(s);
    tg__end_sweep(s);
    s->tg->no_grad--;
    tg_scope_end(s->tg);
}

static bool backward(tg_list outputs, tg_list weights, tg_list inputs)
{
    sweep s;
    s.tg = outputs.items[0]->context;
    s.inputs = inputs;
    const bool done = begin_backward(&s, outputs, weights);
    tg__end_backward(&s, done);
    return done;
}

bool tg_backward(tg_tensor *loss)
{
    return loss && tg__check_output(loss, "backward") &&
           tg__check_single(loss, "backward", "use tg_backward_with, or a sum or mean") &&
           backward((tg_list){1, &loss}, none, none);
}

bool tg_backward_with(tg_tensor *output, tg_tensor *gradient)
{
    return tg__check_inputs("backward", 2, (tg_tensor *[]){output, gradient}) &&
           tg__check_output(output, "backward") && tg__check_weight(output, gradient, "backward") &&
           backward((tg_list){1, &output}, (tg_list){1, &gradient}, none);
}

bool tg__begin_backward(sweep *s, tg_context *tg, tg_list outputs, tg_list weights)
{
    s->tg = tg;
    s->inputs = none;
    return begin_backward(s, outputs, weights);
}

/* Checks the inputs of tg_backward_inputs, and takes the memory for the grad of each. */
static bool check_backward_inputs(tg_tensor *loss, tg_list inputs)
{
    tg_context *tg = loss->context;
    if (inputs.n < 1 || !inputs.items)
        return tg__fail(tg, TG_ERR_ARGUMENT, "backward: there are no inputs");
    for (int i = 0; i < inputs.n; i++) {
        tg_tensor *in = inputs.items[i];
        if (!in) return tg__fail(tg, TG_ERR_ARGUMENT, "backward: input %d is NULL", i + 1);
        if (!tg__check_inputs("backward", 2, (tg_tensor *[]){loss, in}) ||
            !tg__check_history("backward", 1, &in))
            return false;
        if (!in->requires_grad)
            return tg__fail(tg, TG_ERR_AUTOGRAD, "backward: input %d, %s, does not require grad",
                            i + 1, SHOW(in));
        if (!tg__make_grad_slot(in)) return false;
    }
    return true;
}

bool tg_backward_inputs(tg_tensor *loss, tg_list inputs)
{
    return loss && tg__check_output(loss, "backward") &&
           tg__check_single(loss, "backward", "use a sum or mean") &&
           check_backward_inputs(loss, inputs) && backward((tg_list){1, &loss}, none, inputs);
}
