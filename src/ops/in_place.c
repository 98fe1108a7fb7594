/* tg__apply_in_place: runs an operation that writes its result over its first input. */
#include "record.h"

/* Checks that autograd can record a write to input 0: that tensor is no leaf that requires grad, no
 * view, and not of an outer scope. */
static bool check_recorded_write(const call *c)
{
    tg_tensor *t = c->in[0];
    const char *name = c->op->name;
    if (t->requires_grad && !priv(t)->record)
        return tg__fail(
            c->tg, TG_ERR_AUTOGRAD,
            "%s: the tensor %s is a leaf that requires grad; write to it after tg_no_grad_begin",
            name, SHOW(t));
    if (priv(t)->is_view)
        return tg__fail(c->tg, TG_ERR_AUTOGRAD,
                        "%s: the tensor %s is a view, and a gradient goes through the write; write "
                        "to its base or to a clone",
                        name, SHOW(t));
    if (priv(t)->depth < c->tg->depth)
        return tg__fail(c->tg, TG_ERR_AUTOGRAD,
                        "%s: the tensor %s is of an outer scope and would outlive the graph of "
                        "this one; tg_detach what is written, or use tg_no_grad_begin",
                        name, SHOW(t));
    return true;
}

/* The address after the last element of t, which has elements. */
static uintptr_t end_address(const tg_tensor *t)
{
    int64_t last = 0;
    for (int d = 0; d < t->ndim; d++) last += (t->shape[d] - 1) * t->strides[d];
    return (uintptr_t)t->data + (uintptr_t)(last + 1) * tg__dtype_size(t->dtype);
}

/* Whether the addresses of two tensors overlap. Tensors of two storages do so if they are borrowed
 * from the same tensor or wrap the same memory of the caller. */
static bool memory_overlaps(const tg_tensor *a, const tg_tensor *b)
{
    return a->numel > 0 && b->numel > 0 && (uintptr_t)a->data < end_address(b) &&
           (uintptr_t)b->data < end_address(a);
}

/* Returns source, or a copy of it if the write to t would change elements of source that are needed
 * later. An elementwise operation has read an element before it writes the one at the same address,
 * so that no copy is needed if both tensors have the same elements in the same order and no
 * gradient reads source. */
static tg_tensor *copy_if_overwritten(tg_tensor *t, tg_tensor *source, bool read_later)
{
    if (priv(t)->storage != priv(source)->storage && !memory_overlaps(t, source)) return source;
    bool same_elements = !read_later && t->data == source->data &&
                         tg__same_sizes(t->ndim, t->shape, source->ndim, source->shape) &&
                         tg__same_sizes(t->ndim, t->strides, source->ndim, source->strides);
    return same_elements ? source : tg_clone(source);
}

/* Replaces the inputs whose old values are needed after the write by copies: t if the gradient of
 * source reads it, and source if copy_if_overwritten makes a copy. */
static bool save_inputs(const call *c, bool recorded, tg_tensor **in)
{
    if (c->n == 1) return true;
    const uint8_t *reads = c->op->reads;
    tg_tensor *t = in[0], *source = in[1];
    bool reads_t = recorded && source->requires_grad && reads[1] & READS_0;
    bool reads_source = recorded && t->requires_grad && reads[0] & READS_1;
    if (reads_t) in[0] = tg_clone(t);
    in[1] = copy_if_overwritten(t, source, reads_source);
    return in[0] && in[1];
}

tg_tensor *tg__apply_in_place(const op_row *o, int n, tg_tensor *const *inputs, const attr *a)
{
    tg_tensor *t = inputs[0], *in[] = {t, inputs[n - 1]};
    if (!tg__check_inputs(o->name, n, in) || !tg__writable(t, o->name)) return NULL;
    call c = {.op = o, .tg = t->context, .n = n, .in_place = true, .in = in, .a = a, .out = t};
    spec s;
    if (!o->shape(&c, &s)) return NULL;
    bool recorded = !c.tg->no_grad && tg__needs_grad(n, in);
    if (recorded && !check_recorded_write(&c)) return NULL;
    if (!c.tg->no_grad && !tg__check_history(o->name, n, in)) return NULL;
    const bool saved = save_inputs(&c, recorded, in);
    record *r = saved && recorded ? tg__make_record(&c) : NULL;
    const bool done = saved && (r || !recorded) && tg__forward_in_own_scope(&c);
    if (done) tg__written(t, o->name);
    if (done && recorded) {
        priv(t)->storage->rewrites++;
        tg__put_on_tape(r, t);
    }
    for (int i = 0; i < n; i++) /* a copy, which the record has claimed if a gradient reads it */
        if (in[i] != inputs[i]) tg_release(in[i]);
    return done ? t : NULL;
}
