/* tg_apply: an operation that the program defines by a forward and a backward function. */
#include "../ops/op.h"

#include <string.h>

/* The row of one call, made at each call that is recorded. It lives as long as its record. */
typedef struct user_op {
    op_row row; /* its kernel points to this struct */
    const tg_autograd_function *function;
    char grad_name[64];
    tg_tensor *inputs[];
} user_op;

_Static_assert(TG_MAX_ATTRIBUTES <= sizeof(attr[TG_ATTRS]), "a record holds the attributes");

/* The gradient function of the row: calls the user's backward and checks what it returns. */
static tg_tensor *user_grad(const record *r, int i, tg_tensor *g)
{
    const user_op *o = r->op->kernel;
    const tg_autograd_function *f = o->function;
    tg_context *tg = g->context;
    const tg_tensor *x = r->in[i].t;
    tg_tensor *own = f->backward((tg_list){r->n, o->inputs}, r->out, g, i, r->a);
    if (!tg__ready(tg)) return NULL;
    if (!own) return tg_zeros_like(x);
    if (!tg__check_inputs(f->name, 2, (tg_tensor *[]){g, own})) return NULL;
    if (own->dtype != x->dtype || !tg__same_sizes(own->ndim, own->shape, x->ndim, x->shape))
        return tg__fail(tg, TG_ERR_AUTOGRAD,
                        "%s: the gradient of inputs.items[%d] is %s %s, the input is %s %s",
                        f->name, i, tg_dtype_name(own->dtype), SHOW(own), tg_dtype_name(x->dtype),
                        SHOW(x));
    /* The sweep will release what it gets, so a tensor of an outer scope must be cloned. */
    return priv(own)->depth < tg->depth ? tg_clone(own) : own;
}

static user_op *make_op(tg_context *tg, const tg_autograd_function *f, tg_list inputs)
{
    const size_t list = tg__bytes(inputs.n, sizeof inputs.items[0]);
    user_op *o = tg__alloc(tg, sizeof *o + list);
    if (!o) return NULL;
    const unsigned all = READS_0 | READS_1 | READS_2 | READS_3 | READS_OUT;
    o->function = f;
    memcpy(o->inputs, inputs.items, list);
    snprintf(o->grad_name, sizeof o->grad_name, "%sBackward", f->name);
    o->row = (op_row){.name = f->name,
                      .grad_name = o->grad_name,
                      .grad = f->backward ? user_grad : NULL,
                      .reads = {(uint8_t)all, (uint8_t)all, (uint8_t)all},
                      .flags = OP_OWN,
                      .kernel = o};
    return o;
}

/* Checks that the user's forward has returned a new tensor, which can get the record of this call
 * as its history. */
static bool check_result(const char *name, tg_tensor *out, tg_list inputs)
{
    tg_context *tg = inputs.items[0]->context;
    if (!out) return tg__fail(tg, TG_ERR_AUTOGRAD, "%s: forward returned NULL", name);
    if (out->context != tg)
        return tg__fail(tg, TG_ERR_AUTOGRAD, "%s: forward returned a tensor of another context",
                        name);
    for (int i = 0; i < inputs.n; i++)
        if (priv(out)->storage == priv(inputs.items[i])->storage)
            return tg__fail(tg, TG_ERR_AUTOGRAD,
                            "%s: forward returned inputs.items[%d] or a view of it; return a "
                            "tg_clone of that",
                            name, i);
    return (priv(out)->depth == tg->depth && !out->requires_grad) ||
           tg__fail(tg, TG_ERR_AUTOGRAD,
                    "%s: forward returned the tensor %s, which it has not made in the current "
                    "scope; return a tg_clone of it",
                    name, SHOW(out));
}

static bool check_function(tg_context *tg, const char *name, const tg_autograd_function *function,
                           const void *attributes, size_t bytes)
{
    if (!function || !function->name || !function->forward)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the %s is NULL", name,
                        !function         ? "function"
                        : !function->name ? "name of the function"
                                          : "forward of the function");
    if (bytes > TG_MAX_ATTRIBUTES)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "%s: the attributes have %zu bytes, but at most %d are "
                        "allowed",
                        name, bytes, TG_MAX_ATTRIBUTES);
    return attributes || !bytes ||
           tg__fail(tg, TG_ERR_ARGUMENT, "%s: attributes is NULL, but bytes is %zu", name, bytes);
}

static tg_tensor *run_function(tg_context *tg, const char *name,
                               const tg_autograd_function *function, tg_list inputs, const attr *a)
{
    watch *w = tg->watch;
    if (w && !w->begin(tg, WORK_OPERATION, name)) return NULL;
    tg_no_grad_begin(tg);
    tg_tensor *out = function->forward(inputs, a);
    tg_no_grad_end(tg);
    if (w) w->end(tg, 0);
    return out;
}

/* Whether the result is finite, or an input is not. */
static bool watch_result(tg_context *tg, const char *name, tg_list inputs, tg_tensor *out)
{
    const op_row row = {.name = name};
    return tg->watch->check_result(
        &(call){.op = &row, .tg = tg, .n = inputs.n, .in = inputs.items, .out = out});
}

tg_tensor *tg_apply(const tg_autograd_function *function, tg_list inputs, const void *attributes,
                    size_t bytes)
{
    attr a[TG_ATTRS] = {{0}};
    const char *name = function && function->name ? function->name : "apply";
    if (!tg__check_inputs(name, inputs.n, inputs.items)) return NULL;
    tg_context *tg = inputs.items[0]->context;
    const bool ready = tg__ready(tg);
    if (!check_function(tg, name, function, attributes, bytes)) return NULL;
    if (bytes) memcpy(a, attributes, bytes);
    if (!tg->no_grad && !tg__check_history(name, inputs.n, inputs.items)) return NULL;
    tg_tensor *out = run_function(tg, name, function, inputs, a);
    if (ready != tg__ready(tg) || !check_result(name, out, inputs)) return NULL;
    if (tg->watch && !watch_result(tg, name, inputs, out)) return NULL;
    if (!tg__is_recorded(tg, out->dtype, inputs.n, inputs.items)) return out;
    user_op *o = make_op(tg, function, inputs);
    call c = {
        .op = o ? &o->row : NULL, .tg = tg, .n = inputs.n, .in = inputs.items, .a = a, .out = out};
    return o && tg__record(&c) ? out : NULL;
}
