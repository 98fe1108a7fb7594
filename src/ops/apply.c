/* Running an operation: checks, result, forward, record. */
#include "op.h"

#include <string.h>

/* Size by size: what was just written so is read back at once only if it is read so. */
static inline void take_shape(spec *s, const tg_tensor *t)
{
    s->dtype = t->dtype;
    s->ndim = t->ndim;
    for (int d = 0; d < t->ndim; d++) s->shape[d] = t->shape[d];
}

bool tg__same_shape(const call *c, spec *s)
{
    take_shape(s, c->in[0]);
    return true;
}

bool tg__shape_of_second(const call *c, spec *s)
{
    take_shape(s, c->in[1]);
    return true;
}

static TG_NOINLINE bool broadcast_unlike(const call *c, const tg_tensor *a, const tg_tensor *b,
                                         spec *s)
{
    if (a->dtype != b->dtype)
        return tg__fail(c->tg, TG_ERR_DTYPE, "%s: %s %s and %s %s: dtypes differ; use tg_cast",
                        c->op->name, tg_dtype_name(a->dtype), SHOW(a), tg_dtype_name(b->dtype),
                        SHOW(b));
    if (!tg__broadcast(a->ndim, a->shape, b->ndim, b->shape, &s->ndim, s->shape))
        return tg__fail(c->tg, TG_ERR_SHAPE, "%s: shapes %s and %s do not broadcast", c->op->name,
                        SHOW(a), SHOW(b));
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

bool tg__broadcast_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[c->n - 2], *b = c->in[c->n - 1];
    take_shape(s, a);
    bool alike = a->dtype == b->dtype && tg__same_sizes(a->ndim, a->shape, b->ndim, b->shape);
    return alike || broadcast_unlike(c, a, b, s);
}

bool tg__broadcast_three(const call *c, spec *s)
{
    call pair = {c->op, c->tg, 2, c->in + 1, c->a, NULL};
    if (!tg__broadcast_shape(&pair, s)) return false;
    pair.in = c->in;
    if (!tg__broadcast_shape(&pair, s)) return false;
    const tg_tensor *last = c->in[2];
    int64_t two[TG_MAX_DIMS];
    const int n = s->ndim;
    memcpy(two, s->shape, sizeof two);
    return tg__broadcast(n, two, last->ndim, last->shape, &s->ndim, s->shape) ||
           tg__fail(c->tg, TG_ERR_SHAPE, "%s: shapes %s and %s do not broadcast", c->op->name,
                    tg__show_sizes(c->tg, n, two), SHOW(last));
}

static inline bool needs_grad(int n, tg_tensor *const *in)
{
    for (int i = 0; i < n; i++)
        if (in[i]->requires_grad) return true;
    return false;
}

/* Keeps what the gradients will read from going back to the pool by an early release. */
static void claim_values(const call *c, record *r, unsigned reads)
{
    for (int i = 0; i < r->n; i++)
        if (reads & tg__reads_input(i))
            tg__claim(c->tg, &r->in[i].claim, priv(r->in[i].t)->storage);
    if (reads & READS_OUT) priv(c->out)->storage->claims++; /* which is of this scope */
}

/* The record, not yet on the tape. versions: of the inputs before the forward ran. */
static record *make_record(const call *c)
{
    record *r = tg__alloc(c->tg, sizeof *r + tg__bytes(c->n, sizeof r->in[0]));
    if (!r) return NULL;
    r->op = c->op;
    r->n = c->n;
    if (c->a) memcpy(r->a, c->a, sizeof r->a);
    unsigned reads = 0;
    for (int i = 0; i < c->n; i++) {
        tg_tensor *t = c->in[i];
        r->in[i].t = t;
        r->in[i].version = tg__version(t);
        r->in[i].needs_grad = t->requires_grad;
        r->in[i].on_way = 0;
        if (t->requires_grad) reads |= c->op->reads[i < 2 ? i : 2];
    }
    if (reads) claim_values(c, r, reads);
    return r;
}

static inline void put_on_tape(record *r, tg_tensor *out)
{
    tg_context *tg = out->context;
    r->out = out;
    r->out_version = tg__version(out);
    r->prev = tg->tape;
    r->number = tg->newest = tg->records++;
    tg->tape = r;
    out->requires_grad = true;
    priv(out)->record = r;
    priv(out)->rewrites = priv(out)->storage->rewrites;
}

static inline tg_tensor *make_result(const call *c, const spec *s)
{
    if (c->op->flags & OP_VIEW)
        return tg__new_view(c->in[0], s->ndim, s->shape, s->strides, s->offset);
    return tg__new_at(c->tg, c->tg->depth, s->dtype, s->ndim, s->shape);
}

bool tg__is_recorded(const tg_context *tg, tg_dtype result, int n, tg_tensor *const *in)
{
    return !tg->no_grad && tg__is_float(result) && needs_grad(n, in);
}

bool tg__record(const call *c)
{
    if (!tg__is_recorded(c->tg, c->out->dtype, c->n, c->in)) return true;
    record *r = make_record(c);
    if (r) put_on_tape(r, c->out);
    return r != NULL;
}

/* Runs the forward in a scope of its own, at whose end its work memory is freed. An op with an
 * elementwise kernel needs no such memory and gets no scope. */
static inline bool forward_in_own_scope(const call *c)
{
    tg_context *tg = c->tg;
    if (c->op->kernel) return c->op->forward(c);
    tg->depth++;
    const bool done = c->op->forward(c);
    if (tg->scope->depth == tg->depth)
        tg_scope_end(tg);
    else
        tg->depth--;
    return done;
}

/* Nothing refers to the result of an operation that failed. */
static TG_NOINLINE tg_tensor *give_back(tg_tensor *out)
{
    tg_release(out);
    return NULL;
}

tg_tensor *tg__apply(const op_row *o, int n, tg_tensor *const *in, const attr *a)
{
    bool plain = tg__are_plain(n, in);
    if (!plain && !tg__check_inputs(o->name, n, in)) return NULL;
    tg_context *tg = in[0]->context;
    call c = {.op = o, .tg = tg, .n = n, .in = in, .a = a};
    spec s;
    if (!o->shape(&c, &s)) return NULL;
    bool differentiable = !tg->no_grad && tg__is_float(s.dtype);
    if (differentiable && !plain && !tg__check_history(o->name, n, in)) return NULL;
    tg_tensor *out = c.out = make_result(&c, &s);
    if (!out || (o->forward && !forward_in_own_scope(&c))) return give_back(out);
    return !differentiable || tg__record(&c) ? out : give_back(out);
}

/* The rules that autograd sets for a write that it records. */
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

static uintptr_t end_of(const tg_tensor *t)
{
    int64_t last = 0;
    for (int d = 0; d < t->ndim; d++) last += (t->shape[d] - 1) * t->strides[d];
    return (uintptr_t)t->data + (uintptr_t)(last + 1) * tg__dtype_size(t->dtype);
}

/* Whether the memory of one may be that of the other: two may be borrowed from, or wrap, the same.
 */
static bool meet(const tg_tensor *a, const tg_tensor *b)
{
    return a->numel > 0 && b->numel > 0 && (uintptr_t)a->data < end_of(b) &&
           (uintptr_t)b->data < end_of(a);
}

/* An input that shares memory with the result is copied first: always when it is in other places
 * or when a gradient will read it. */
static tg_tensor *apart_from(tg_tensor *t, tg_tensor *source, bool read_later)
{
    if (priv(t)->storage != priv(source)->storage && !meet(t, source)) return source;
    bool same = !read_later && t->data == source->data &&
                tg__same_sizes(t->ndim, t->shape, source->ndim, source->shape) &&
                tg__same_sizes(t->ndim, t->strides, source->ndim, source->strides);
    return same ? source : tg_clone(source);
}

/* Puts copies in the place of inputs whose old values are needed beyond the write. */
static bool save_inputs(const call *c, bool recorded, tg_tensor **in)
{
    if (c->n == 1) return true;
    const uint8_t *reads = c->op->reads;
    tg_tensor *t = in[0], *source = in[1];
    bool reads_t = recorded && source->requires_grad && reads[1] & READS_0;
    bool reads_source = recorded && t->requires_grad && reads[0] & READS_1;
    if (reads_t) in[0] = tg_clone(t);
    in[1] = apart_from(t, source, reads_source);
    return in[0] && in[1];
}

tg_tensor *tg__apply_in_place(const op_row *o, int n, tg_tensor *const *inputs, const attr *a)
{
    tg_tensor *t = inputs[0], *in[] = {t, inputs[n - 1]};
    if (!tg__check_inputs(o->name, n, in) || !tg__writable(t, o->name)) return NULL;
    call c = {.op = o, .tg = t->context, .n = n, .in = in, .a = a, .out = t};
    spec s;
    if (!o->shape(&c, &s)) return NULL;
    bool recorded = !c.tg->no_grad && needs_grad(n, in);
    if (recorded && !check_recorded_write(&c)) return NULL;
    if (!c.tg->no_grad && !tg__check_history(o->name, n, in)) return NULL;
    const bool saved = save_inputs(&c, recorded, in);
    record *r = saved && recorded ? make_record(&c) : NULL;
    const bool done = saved && (r || !recorded) && forward_in_own_scope(&c);
    if (done) tg__written(t, o->name);
    if (done && recorded) {
        priv(t)->storage->rewrites++;
        put_on_tape(r, t);
    }
    for (int i = 0; i < n; i++) /* copies; the record holds what it reads */
        if (in[i] != inputs[i]) tg_release(in[i]);
    return done ? t : NULL;
}
