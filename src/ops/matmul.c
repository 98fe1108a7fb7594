/* Products: one operation over batches of matrices, under the names PyTorch gives its cases. */
#include "../internal.h"

#include <string.h>

/* Inputs seen as batches of matrices: a 1-d left side is a row, a 1-d right side a column. */
typedef struct product {
    int64_t m, n, k;
    int batch_dims; /* of the result */
    int64_t batch[TG_MAX_DIMS];
    int64_t a_batch[TG_MAX_DIMS], b_batch[TG_MAX_DIMS]; /* strides; 0 where broadcast */
    int64_t a0, a1, b0, b1;
} product;

static void batch_strides(const tg_tensor *t, const product *p, int64_t *strides)
{
    int own = t->ndim > 2 ? t->ndim - 2 : 0, extra = p->batch_dims - own;
    for (int d = 0; d < p->batch_dims; d++)
        strides[d] = d < extra || t->shape[d - extra] == 1 ? 0 : t->strides[d - extra];
}

static bool fit_product(const tg_tensor *a, const tg_tensor *b, product *p)
{
    int ra = a->ndim - 2, rb = b->ndim - 2;
    p->m = ra >= 0 ? a->shape[ra] : 1;
    p->k = a->shape[a->ndim - 1];
    p->n = rb >= 0 ? b->shape[rb + 1] : 1;
    p->a0 = ra >= 0 ? a->strides[ra] : 0;
    p->a1 = a->strides[a->ndim - 1];
    p->b0 = b->strides[rb >= 0 ? rb : 0];
    p->b1 = rb >= 0 ? b->strides[rb + 1] : 0;
    if (p->k != b->shape[rb >= 0 ? rb : 0] ||
        !tg__broadcast(ra > 0 ? ra : 0, a->shape, rb > 0 ? rb : 0, b->shape, &p->batch_dims,
                       p->batch))
        return false;
    batch_strides(a, p, p->a_batch);
    batch_strides(b, p, p->b_batch);
    return true;
}

static bool matmul_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0], *b = c->in[1];
    product p;
    if (a->dtype != b->dtype)
        return tg__fail(c->tg, TG_ERR_DTYPE, "matmul: %s %s @ %s %s: dtypes differ; use tg_cast",
                        tg_dtype_name(a->dtype), SHOW(a), tg_dtype_name(b->dtype), SHOW(b));
    if (!tg__check_dtype(c, a, a->dtype != TG_BOOL)) return false;
    if (!fit_product(a, b, &p)) {
        int64_t inner = b->shape[b->ndim >= 2 ? b->ndim - 2 : 0];
        if (p.k != inner)
            return tg__fail(c->tg, TG_ERR_SHAPE,
                            "matmul: %s @ %s: inner sizes differ (%lld and %lld)", SHOW(a), SHOW(b),
                            (long long)p.k, (long long)inner);
        return tg__fail(c->tg, TG_ERR_SHAPE, "matmul: %s @ %s: batches do not broadcast", SHOW(a),
                        SHOW(b));
    }
    s->dtype = a->dtype;
    s->ndim = p.batch_dims;
    memcpy(s->shape, p.batch, sizeof s->shape);
    if (a->ndim > 1) s->shape[s->ndim++] = p.m;
    if (b->ndim > 1) s->shape[s->ndim++] = p.n;
    return tg__check_shape(c->tg, "matmul", (tg_shape){s->ndim, s->shape});
}

static bool matmul_run(const call *c)
{
    const tg_tensor *a = c->in[0], *b = c->in[1];
    product p;
    fit_product(a, b, &p);
    int64_t size = (int64_t)tg__dtype_size(a->dtype), at[TG_MAX_DIMS] = {0};
    const char *pa = a->data, *pb = b->data;
    char *out = c->out->data;
    int d = p.batch_dims - 1;
    if (c->out->numel == 0) return true;
    if (p.k == 0) { /* sums of nothing, and no memory behind the inputs */
        tg__fill(c->out, 0);
        return true;
    }
    do {
        pick(c->tg->level, matmul, a->dtype)(p.m, p.n, p.k, out, p.n, pa, p.a0, p.a1, pb, p.b0,
                                             p.b1);
        out += p.m * p.n * size;
        for (d = p.batch_dims - 1; d >= 0; d--) { /* the next matrix of the batch */
            pa += p.a_batch[d] * size;
            pb += p.b_batch[d] * size;
            if (++at[d] < p.batch[d]) break;
            pa -= at[d] * p.a_batch[d] * size;
            pb -= at[d] * p.b_batch[d] * size;
            at[d] = 0;
        }
    } while (d >= 0);
    return true;
}

static tg_tensor *turned(tg_tensor *t)
{
    return tg_transpose(t, -2, -1);
}

/* For C = A B: dA = dC B^T, dB = A^T dC, with 1-d sides seen as the row or column they stand for.
 */
static tg_tensor *matmul_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[0].t, *b = r->in[1].t;
    if (a->ndim == 1 && b->ndim == 1) return tg_mul(g, i == 0 ? b : a);
    if (b->ndim == 1) {
        if (i == 0) return tg_matmul(tg_unsqueeze(g, -1), tg_unsqueeze(b, 0));
        return a->ndim == 2 ? tg_matmul(turned(a), g)
                            : tg_squeeze_dim(tg_matmul(turned(a), tg_unsqueeze(g, -1)), -1);
    }
    if (a->ndim == 1) {
        if (i == 1) return tg_matmul(tg_unsqueeze(a, -1), tg_unsqueeze(g, -2));
        return b->ndim == 2 ? tg_matmul(b, g)
                            : tg_squeeze_dim(tg_matmul(tg_unsqueeze(g, -2), turned(b)), -2);
    }
    return i == 0 ? tg_matmul(g, turned(b)) : tg_matmul(turned(a), g);
}

#define PRODUCT(name, grad_fn)                                                                     \
    static const op_row name##_op = {                                                              \
        "matmul",     grad_fn, matmul_shape, matmul_run, matmul_grad, {READS_1, READS_0},          \
        OP_BROADCAST, 0};
PRODUCT(dot, "DotBackward0")
PRODUCT(mv, "MvBackward0")
PRODUCT(vm, "SqueezeBackward3")
PRODUCT(mm, "MmBackward0")
PRODUCT(bmm, "BmmBackward0")
#undef PRODUCT

tg_tensor *tg_matmul(tg_tensor *a, tg_tensor *b)
{
    tg_tensor *in[] = {a, b};
    if (!tg__check_inputs("matmul", 2, in)) return NULL;
    if (a->ndim == 0 || b->ndim == 0)
        return tg__fail(a->context, TG_ERR_SHAPE, "matmul: %s @ %s: both sides need a dimension",
                        SHOW(a), SHOW(b));
    bool fits =
        a->dtype == b->dtype && a->shape[a->ndim - 1] == b->shape[b->ndim >= 2 ? b->ndim - 2 : 0];
    if (fits && a->ndim > 2 && b->ndim <= 2 && a->numel > 0) { /* one product, one gradient for b */
        tg_tensor *c = tg_matmul(tg_flatten(a, 0, -2), b);
        int64_t shape[TG_MAX_DIMS];
        if (!c) return NULL;
        memcpy(shape, a->shape, sizeof shape);
        shape[a->ndim - 1] = c->shape[c->ndim - 1];
        return tg_reshape(c, (tg_shape){a->ndim + b->ndim - 2, shape});
    }
    bool batched = a->ndim > 2 || b->ndim > 2;
    const op_row *rows[] = {&dot_op, &vm_op, &mv_op, &mm_op};
    const op_row *o = batched ? &bmm_op : rows[(a->ndim > 1) * 2 + (b->ndim > 1)];
    return tg__apply(o, 2, in, NULL);
}

static bool check_vectors(const char *name, tg_tensor *a, tg_tensor *b)
{
    return tg__check_inputs(name, 2, (tg_tensor *[]){a, b}) &&
           ((a->ndim == 1 && b->ndim == 1) ||
            tg__fail(a->context, TG_ERR_SHAPE, "%s: %s and %s are not both 1-d", name, SHOW(a),
                     SHOW(b)));
}

tg_tensor *tg_dot(tg_tensor *a, tg_tensor *b)
{
    return check_vectors("dot", a, b) ? tg_matmul(a, b) : NULL;
}

tg_tensor *tg_outer(tg_tensor *a, tg_tensor *b)
{
    return check_vectors("outer", a, b) ? tg_mul(tg_unsqueeze(a, 1), b) : NULL;
}
