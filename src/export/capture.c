/* The capture of a forward: the hooks of the context see its operations, and those whose results
 * depend on the input are kept. */
#include "network.h"
#include "../nn/module.h"
#include "../ops/record.h"
#include "../ops/watch.h"

#include <limits.h>
#include <string.h>

/* The storage of a tensor that depends on the input, and the node whose result it holds. */
typedef struct traced {
    struct traced *older;
    const storage *storage;
    node *node; /* NULL: what was written there last does not depend on the input */
} traced;

typedef struct capture {
    watch hooks; /* the first member, by which the hooks find the capture */
    tg_context *tg;
    int64_t forwards; /* how many forwards are running: an operation may run others */
    int64_t depth;    /* of the scope in which the network lives; the forward runs in inner ones */
    traced *newest;   /* a storage may be given to another tensor or get another value: the newest
                         entry counts */
    node *first, *last;
} capture;

/* ---- Places. */

/* The node whose result the memory of t holds; NULL if t does not depend on the input. The owners
 * of memory that depends on it have a mark, since a new tensor, which has none, may lie where a
 * dead one in the list was. */
static node *node_of(const capture *k, const tg_tensor *t)
{
    storage *s = priv(t)->storage;
    if (!(tg__owner(s)->mark & MARK_TRACED)) return NULL;
    const traced *r = k->newest;
    while (r && r->storage != s) r = r->older;
    return r ? r->node : NULL;
}

/* Notes that the memory of t now holds the result of n, or, if n is NULL, what does not depend on
 * the input. False if there is no memory. */
static bool trace(capture *k, const tg_tensor *t, node *n)
{
    traced *r = tg__alloc_at(k->tg, k->depth, sizeof *r);
    if (!r) return false;
    storage *s = priv(t)->storage;
    *r = (traced){k->newest, s, n};
    tg__owner(s)->mark |= MARK_TRACED;
    k->newest = r;
    return true;
}

/* How many elements lie from the first one of p to the last. */
static int64_t span_of(const location *p)
{
    int64_t span = 1;
    for (int d = 0; d < p->ndim; d++) {
        if (p->shape[d] == 0) return 0;
        span += (p->shape[d] - 1) * p->strides[d];
    }
    return span;
}

/* Sets p->data to the elements of a constant. They are copied if the constant dies with the
 * forward, unless it has none in memory, as a tensor that only tells sizes. The copy has the same
 * strides, since they decide in which order a product is added up, and zeros in the gaps; a
 * dimension that is repeated, with stride 0, is copied once. False if there is no memory. */
static bool hold_constant(const capture *k, tg_tensor *t, location *p)
{
    p->data = t->data;
    if (!t->data || priv(t)->storage->depth <= k->depth) return true;
    int64_t shape[TG_MAX_DIMS], span = span_of(p);
    for (int d = 0; d < t->ndim; d++) shape[d] = t->strides[d] == 0 ? 1 : t->shape[d];
    tg_tensor *copy = tg__new_at(k->tg, k->depth, t->dtype, 1, &span);
    if (!copy) return false;
    stack_tensor from, to;
    tg__fill(copy, 0);
    tg__copy(tg__array(&to, t, copy->data, t->ndim, shape, t->strides),
             tg__array(&from, t, t->data, t->ndim, shape, t->strides));
    p->data = copy->data;
    p->copied = true;
    return true;
}

static bool find_place(const capture *k, tg_tensor *t, location *p)
{
    *p = (location){.node = node_of(k, t), .dtype = t->dtype, .ndim = t->ndim};
    memcpy(p->shape, t->shape, sizeof p->shape);
    memcpy(p->strides, t->strides, sizeof p->strides);
    if (!p->node) return hold_constant(k, t, p);
    const char *first = priv(t)->storage->data;
    p->offset = ((const char *)t->data - first) / (int64_t)tg__dtype_size(t->dtype);
    return true;
}

/* ---- What cannot be written. */

/* The name by which the program called the operation. */
static const char *called_name(const capture *k, const call *c)
{
    const frame *f = tg__composed(k->tg);
    return f ? f->name : c->op->name;
}

/* Records the error of a write to a tensor that the forward has not made. The write would outlast
 * the capture, which must change nothing. */
static bool refuse_write(const capture *k, const call *c)
{
    const char *name = called_name(k, c);
    frame *open = k->tg->frame;
    k->tg->frame = NULL; /* tg__fail would let the message begin with the name of the frame */
    tg__fail(k->tg, TG_ERR_ARGUMENT,
             "export_c: %s writes to a tensor that was there before the forward; tg_eval stops "
             "BatchNorm from changing its statistics",
             name);
    k->tg->frame = open;
    return false;
}

/* Whether t is all of the memory that it lies in. */
static bool is_whole(const tg_tensor *t)
{
    storage *s = priv(t)->storage;
    return t->contiguous && t->data == s->data && t->numel == tg__owner(s)->pub.numel;
}

static bool has_float_elements(const tg_tensor *t)
{
    switch (t->dtype) {
    case TG_F32:
    case TG_BOOL: return true;
    case TG_F64:
    case TG_I64: break;
    }
    return false;
}

/* Why a call that depends on the input cannot be written, or NULL. */
static const char *reason(const capture *k, const call *c, const c_form *form)
{
    if (k->tg->undo && k->tg->undo->drew)
        return "follows a draw of random numbers; tg_eval lets Dropout do nothing";
    if (!form) return "has no form in C";
    if (c->in_place && !is_whole(c->out)) return "writes to a part of a tensor";
    if (!c->out->numel || c->out->numel > INT32_MAX)
        return "has a result without elements, or one that is too large";
    for (int i = 0; i < c->n; i++)
        if (node_of(k, c->in[i]) && !has_float_elements(c->in[i]))
            return "takes a dtype that C programs do not have; tg_cast to float32";
    return form->refuse ? form->refuse(c) : NULL;
}

/* ---- Nodes. */

static const char *path_of_running(const capture *k)
{
    char path[TG_MESSAGE / 2] = "";
    if (k->tg->running) k->tg->running->write_path(k->tg->running, path, sizeof path);
    if (k->last && !strcmp(k->last->path, path)) return k->last->path;
    char *copy = tg__alloc_at(k->tg, k->depth, strlen(path) + 1);
    return copy ? strcpy(copy, path) : NULL;
}

/* Appends a node whose result has the shape of `like`. NULL if there is no memory. */
static node *append_node(capture *k, const char *op, const c_form *form, const tg_tensor *like,
                         int n)
{
    node *m = tg__alloc_at(k->tg, k->depth, sizeof *m + tg__bytes(n, sizeof m->in[0]));
    const char *path = path_of_running(k);
    if (!m || !path) return NULL;
    *m = (node){.before = k->last,
                .number = k->last ? k->last->number + 1 : 0,
                .op = op,
                .path = path,
                .form = form,
                .ndim = like->ndim,
                .numel = like->numel,
                .n = n};
    memcpy(m->shape, like->shape, sizeof m->shape);
    *(k->last ? &k->last->next : &k->first) = m;
    k->last = m;
    return m;
}

/* The message that a call cannot be written. NULL if there is no memory. */
static const char *refusal(const capture *k, const call *c, const char *path, const char *why)
{
    const char *const pieces[] = {path, "export_c: ", called_name(k, c), " ", why};
    size_t size = 1;
    for (int i = 0; i < 5; i++) size += strlen(pieces[i]);
    char *message = tg__alloc_at(k->tg, k->depth, size);
    if (message) *message = 0;
    for (int i = 0; i < 5 && message; i++) strcat(message, pieces[i]);
    return message;
}

/* Writes a call down, whose operands [first, end) count, and makes the result known. */
static bool write_down(capture *k, const call *c, int first, int end)
{
    const c_form *form = tg__c_form(c->op->name);
    node *m = append_node(k, c->op->name, form, c->out, end - first);
    if (!m) return false;
    const char *why = reason(k, c, form);
    if (why && !(m->refusal = refusal(k, c, m->path, why))) return false;
    if (c->a) memcpy(m->a, c->a, sizeof m->a);
    for (int i = first; i < end; i++)
        if (!find_place(k, c->in[i], &m->in[i - first])) return false;
    return trace(k, c->out, m);
}

/* The bias of linear is an addition of its own, which may share a loop with what follows it. */
static bool add_bias(capture *k, const call *c)
{
    node *m = append_node(k, "add", tg__c_form("add"), c->out, 2);
    return m && find_place(k, c->out, &m->in[0]) && find_place(k, c->in[2], &m->in[1]) &&
           trace(k, c->out, m);
}

/* Whether the call is the gather behind a max_pool2d. The library's max_pool2d finds the indices of
 * the maxima, and gather takes their values. In the program the node of max_pool2d makes the values
 * at once, so that the gather adds nothing. Nothing else reads such indices. */
static bool gathers_maxima(const capture *k, const call *c)
{
    const node *pool = c->n == 2 ? node_of(k, c->in[1]) : NULL;
    return pool && !strcmp(pool->op, "max_pool2d") && !strcmp(c->op->name, "gather");
}

/* Whether a call overwrites all of the memory of its first operand, which it does not read. */
static bool replaces_all(const call *c)
{
    static const char *const names[] = {"copy_", "fill_", "zero_"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(c->op->name, names[i])) return is_whole(c->out);
    return false;
}

/* Writes a call down if its result depends on the input. It is called before an operation in place
 * runs, and after any other one. */
static bool see(capture *k, const call *c)
{
    const int first = replaces_all(c);
    bool depends = false;
    for (int i = first; i < c->n; i++) depends |= node_of(k, c->in[i]) != NULL;
    if (c->in_place && priv(c->out)->storage->depth <= k->depth) return refuse_write(k, c);
    if (!depends) return !first || trace(k, c->out, NULL);
    if (gathers_maxima(k, c)) return trace(k, c->out, node_of(k, c->in[1]));
    const bool is_linear = !strcmp(c->op->name, "linear");
    const bool fills_last =
        !strcmp(c->op->name, "layer_norm"); /* its last input is a result, too */
    return write_down(k, c, first, is_linear ? 2 : c->n - fills_last) &&
           (!is_linear || c->n < 3 || add_bias(k, c));
}

/* ---- The hooks of the context while a forward is captured. Only `run` does something: it writes
 * down the calls of the program, but not those that an operation makes itself. The others neither
 * count nor check. */

static bool run_seen(const call *c)
{
    capture *k = (capture *)(void *)c->tg->watch;
    if (k->forwards > 0) return tg__run_forward(c);
    if (c->in_place && !see(k, c)) return false;
    k->forwards++;
    const bool done = tg__run_forward(c);
    k->forwards--;
    return done && (c->in_place || see(k, c));
}

static void leave_unseen(const frame *f, const tg_tensor *result)
{
    (void)f, (void)result;
}

static bool begin_uncounted(tg_context *tg, work_kind kind, const char *name)
{
    (void)tg, (void)kind, (void)name;
    return true;
}

static void end_uncounted(tg_context *tg, int64_t bytes)
{
    (void)tg, (void)bytes;
}

static bool pass_result(const call *c)
{
    (void)c;
    return true;
}

static bool pass_gradient(const record *r, int i, const tg_tensor *g, const tg_tensor *own)
{
    (void)r, (void)i, (void)g, (void)own;
    return true;
}

static bool pass_parameter(const tg_tensor *parameter)
{
    (void)parameter;
    return false;
}

static bool pass_update(const tg_tensor *parameter, const char *optimiser)
{
    (void)parameter, (void)optimiser;
    return true;
}

static const char *no_module_path(tg_context *tg)
{
    (void)tg;
    return NULL;
}

static const watch capture_hooks = {.run = run_seen,
                                    .leave = leave_unseen,
                                    .begin = begin_uncounted,
                                    .end = end_uncounted,
                                    .check_result = pass_result,
                                    .check_gradient = pass_gradient,
                                    .is_finite = pass_parameter,
                                    .check_update = pass_update,
                                    .place = no_module_path};

/* ---- The whole forward. */

/* Runs the forward, and finds the location of its result. */
static bool trace_forward(capture *k, tg_module *module, const tg_tensor *input, location *output)
{
    tg_context *tg = k->tg;
    tg_tensor *x = tg__new(tg, input->dtype, input->ndim, input->shape), *y;
    node *n = x ? append_node(k, "input", NULL, x, 0) : NULL;
    if (!n || !trace(k, x, n)) return false;
    tg__copy(x, input);
    watch *const outer = tg->watch;
    tg->watch = &k->hooks;
    y = tg_forward(module, x);
    tg->watch = outer;
    if (!y || !tg__ready(tg) || !tg__check_inputs("export_c", 1, &y) || !find_place(k, y, output))
        return false;
    if (!output->node)
        return tg__fail(tg, TG_ERR_ARGUMENT, "export_c: the output does not depend on the input");
    return output->dtype == TG_F32 ||
           tg__fail(tg, TG_ERR_ARGUMENT,
                    "export_c: the output is %s, but must be float32; use tg_cast",
                    tg_dtype_name(output->dtype));
}

/* Leaves out the nodes that the output does not need, and sets last_use in the others. False, with
 * the error recorded, if one of these cannot be written. */
static bool drop_unused(tg_context *tg, network *net)
{
    const char *refusal = NULL; /* of the first node */
    net->output.node->last_use = INT_MAX;
    for (node *n = net->last; n != net->first; n = n->before) {
        if (!n->last_use) {
            n->before->next = n->next;
            *(n->next ? &n->next->before : &net->last) = n->before;
            continue;
        }
        if (n->refusal) refusal = n->refusal;
        for (int i = 0; i < n->n; i++) {
            node *from = n->in[i].node;
            if (from && from->last_use < n->number) from->last_use = n->number;
        }
    }
    return !refusal || tg__fail(tg, TG_ERR_ARGUMENT, "%s", refusal);
}

bool tg__capture(tg_module *module, const tg_tensor *input, network *out)
{
    tg_context *tg = input->context;
    capture k = {.hooks = capture_hooks, .tg = tg, .depth = tg->depth};
    const generator before = tg->random;
    tg_scope_begin(tg);
    tg_no_grad_begin(tg);
    const bool done = trace_forward(&k, module, input, &out->output);
    tg_no_grad_end(tg);
    tg_scope_end(tg);
    tg->random = before;
    out->first = k.first;
    out->last = k.last;
    return done && drop_unused(tg, out);
}

static bool same_elements(const location *p, const location *q)
{
    if (p->node || p->data == q->data) return true;
    if (!p->copied || !q->copied) return false;
    return !memcmp(p->data, q->data, (size_t)span_of(p) * tg__dtype_size(p->dtype));
}

static bool same_place(const location *p, const location *q)
{
    const bool same_node =
        p->node && q->node ? p->node->number == q->node->number : !p->node && !q->node;
    return same_node && p->dtype == q->dtype && p->offset == q->offset &&
           tg__same_sizes(p->ndim, p->shape, q->ndim, q->shape) &&
           tg__same_sizes(p->ndim, p->strides, q->ndim, q->strides) && same_elements(p, q);
}

bool tg__same_network(const network *a, const network *b)
{
    const node *m = a->first, *n = b->first;
    for (; m && n; m = m->next, n = n->next) {
        if (strcmp(m->op, n->op) || m->n != n->n || memcmp(m->a, n->a, sizeof m->a)) return false;
        for (int i = 0; i < m->n; i++)
            if (!same_place(&m->in[i], &n->in[i])) return false;
    }
    return !m && !n && same_place(&a->output, &b->output);
}
