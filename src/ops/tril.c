/* tril and triu: copies in which one triangle of each matrix, of the last two dimensions, is 0. */
#include "op.h"

#include <string.h>

/* The attributes: the diagonal, and whether the upper triangle is the one that is kept. */
enum { TRIANGLE_DIAGONAL, TRIANGLE_UPPER };

static bool triangle_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    if (t->ndim < 2)
        return tg__fail(c->tg, TG_ERR_SHAPE, "%s: %s has less than 2 dimensions", c->op->name,
                        SHOW(t));
    return tg__any_dtype(c->op->name, t) && tg__same_shape(c, s);
}

static bool triangle_forward(const call *c)
{
    tg_tensor *t = c->out;
    const int64_t rows = t->shape[t->ndim - 2], n = t->shape[t->ndim - 1];
    const size_t size = tg__dtype_size(t->dtype);
    tg__copy(t, c->in[0]);
    for (int64_t i = 0; n > 0 && i < t->numel / n; i++) {
        /* The first column that is right of the lower triangle, or the first of the upper one. */
        int64_t cut = i % rows + c->a[TRIANGLE_DIAGONAL].i + !c->a[TRIANGLE_UPPER].i;
        cut = cut < 0 ? 0 : cut > n ? n : cut;
        const int64_t from = c->a[TRIANGLE_UPPER].i ? 0 : cut,
                      to = c->a[TRIANGLE_UPPER].i ? cut : n;
        memset((char *)t->data + (size_t)(i * n + from) * size, 0, (size_t)(to - from) * size);
    }
    return true;
}

/* The operation is a projection onto the triangle, and its own gradient. */
static tg_tensor *triangle_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return tg__apply(r->op, 1, &g, r->a);
}

static const op_row tril_op = {
    .name = "tril",
    .grad_name = "TrilBackward0",
    .shape = triangle_shape,
    .forward = triangle_forward,
    .grad = triangle_grad,
};
static const op_row triu_op = {
    .name = "triu",
    .grad_name = "TriuBackward0",
    .shape = triangle_shape,
    .forward = triangle_forward,
    .grad = triangle_grad,
};

static tg_tensor *triangle(const op_row *o, tg_tensor *t, int64_t diagonal)
{
    /* No matrix has a diagonal as far from the main one, and sums with this number do not
     * overflow. */
    const int64_t far = TG_MOST_ELEMENTS;
    diagonal = diagonal > far ? far : diagonal < -far ? -far : diagonal;
    return tg__apply(
        o, 1, &t,
        (attr[TG_ATTRS]){
            [TRIANGLE_DIAGONAL] = {.i = diagonal}, [TRIANGLE_UPPER] = {.i = o == &triu_op}});
}

tg_tensor *tg_tril(tg_tensor *t, int64_t diagonal)
{
    return triangle(&tril_op, t, diagonal);
}

tg_tensor *tg_triu(tg_tensor *t, int64_t diagonal)
{
    return triangle(&triu_op, t, diagonal);
}
