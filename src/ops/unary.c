/* Functions of one tensor: the rows are in unary.def. */
#include "binary.h"

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

static bool unary_forward(const call *c)
{
    tg__elementwise(unary_loop(c, c->out->dtype), c->out, 1, c->in);
    return true;
}

#define LN_2           0.693147180559945309417232121458176568
#define LN_10          2.30258509299404568401799145468436421
#define TWO_BY_ROOT_PI 1.12837916709551257389615890312154517

static tg_tensor *one_less_square(tg_tensor *x)
{
    return tg_add_scalar(tg_neg(tg_square(x)), 1);
}

#define UNARY(name, grad_fn, types, reads_, value, gradient)                                       \
    static tg_tensor *name##_grad(const record *r, int i, tg_tensor *g)                            \
    {                                                                                              \
        tg_tensor *x = r->in[0].t, *y = r->out;                                                    \
        (void)i, (void)x, (void)y;                                                                 \
        return gradient;                                                                           \
    }                                                                                              \
    static const op_row name##_op = {#name,       grad_fn,  unary_shape, unary_forward,            \
                                     name##_grad, {reads_}, 0,           &tg__##name##_kernel};    \
    tg_tensor *tg_##name(tg_tensor *a)                                                             \
    {                                                                                              \
        return tg__apply(&name##_op, 1, &a, NULL);                                                 \
    }
#include "unary.def"
#undef UNARY
