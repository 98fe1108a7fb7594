/* Functions of one tensor: the rows are in unary.def. */
#include "../internal.h"

static loop unary_loop(const call *c, tg_dtype dtype)
{
    const unary_set *kernel = c->op->kernel;
    return (loop){.unary = kernel_at(kernel, c->tg->level, dtype)};
}

static bool unary_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], unary_loop(c, c->in[0]->dtype).unary) &&
           tg__same_shape(c, s);
}

static bool unary_run(const call *c)
{
    tg__elementwise(unary_loop(c, c->out->dtype), c->out, 1, c->in);
    return true;
}

#define UNARY(name, grad_fn, types, reads_, value, gradient)                                       \
    static tg_tensor *name##_grad(const record *r, int i, tg_tensor *g)                            \
    {                                                                                              \
        tg_tensor *x = r->in[0].t, *y = r->out;                                                    \
        (void)i, (void)x, (void)y;                                                                 \
        return gradient;                                                                           \
    }                                                                                              \
    static const op_row name##_op = {#name,       grad_fn,  unary_shape, unary_run,                \
                                     name##_grad, {reads_}, 0,           &tg__##name##_kernel};    \
    tg_tensor *tg_##name(tg_tensor *a)                                                             \
    {                                                                                              \
        return tg__apply(&name##_op, 1, &a, NULL);                                                 \
    }
#include "unary.def"
#undef UNARY
