/* tg_qr: the reduced QR factorization, and its gradient. The operation has both factors in one
 * result, q after q, and r after r; the factors are parts of it. */
#include "qr.h"

#include <math.h>
#include <string.h>

static bool qr_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0];
    if (!tg__same_shape(c, s)) return false;
    const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
    s->ndim--;
    s->shape[s->ndim - 1] = tg__times(tg__plus(m, n), n);
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

/* Stores the rows of Q, from the last block to the first. Column j of Q and row j of R change their
 * signs where R[j][j] is negative. */
static bool store_q(const tall_qr *w, tg_tensor *out, int64_t at)
{
    const int64_t n = w->n;
    double *top = tg__alloc(w->tg, tg__bytes(tg__times(n, n), sizeof *top));
    if (!top) return false;
    memset(top, 0, (size_t)(n * n) * sizeof *top);
    for (int64_t j = 0; j < n; j++) top[j * n + j] = w->r[j * n + j] < 0 ? -1 : 1;
    for (int64_t i = (w->m - 1) / w->rows * w->rows; i >= 0; i -= w->rows) {
        tg__qr_rows_of_q(w, i, top);
        for (int64_t l = 0; l < w->rows && i + l < w->m; l++)
            for (int64_t j = 0; j < n; j++)
                tg__store(out->dtype, out->data, at + (i + l) * n + j, w->block[j * w->rows + l]);
    }
    return true;
}

static bool factorize_one(const problem *p)
{
    tg_tensor *out = p->c->out;
    tall_qr w = tg__tall_matrix(p);
    const int64_t at = p->index * (w.m + w.n) * w.n;
    if (!tg__qr_begin(&w, true) || !tg__qr_factorize_matrix(&w, p) || !store_q(&w, out, at))
        return false;
    for (int64_t i = 0; i < w.n; i++)
        for (int64_t j = 0; j < w.n; j++)
            tg__store(out->dtype, out->data, at + (w.m + i) * w.n + j, tg__qr_entry(&w, i, j));
    return true;
}

static bool qr_forward(const call *c)
{
    return tg__for_each_index(c, factorize_one);
}

/* With the gradients gq and gr, and M = r gr^T - gq^T q, of which C is the symmetric matrix with
 * the lower triangle of M, the gradient is (gq + q C) r^-T (Walter and Lehmann, Algorithmic
 * differentiation of linear algebra functions, 2010). */
static tg_tensor *qr_grad(const record *made, int i, tg_tensor *g)
{
    const tg_tensor *a = made->in[i].t;
    const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
    tg_tensor *q = tg__factor(made->out, 0, m, n), *r = tg__factor(made->out, m * n, n, n),
              *gq = tg__factor(g, 0, m, n), *gr = tg__factor(g, m * n, n, n);
    tg_tensor *product =
        tg_sub(tg_matmul(r, tg__matrix_transpose(gr)), tg_matmul(tg__matrix_transpose(gq), q));
    tg_tensor *c = tg_add(tg_tril(product, 0), tg__matrix_transpose(tg_tril(product, -1)));
    return tg_solve_triangular(tg__matrix_transpose(r), tg_add(gq, tg_matmul(q, c)),
                               TG_LOWER | TG_RIGHT);
}

static const op_row qr_op = {
    .name = "qr",
    .grad_name = "LinalgQrBackward0",
    .shape = qr_shape,
    .forward = qr_forward,
    .grad = qr_grad,
    .reads = {READS_OUT},
};

static tg_qr_factors factorize_tall_matrix(tg_tensor *a)
{
    tg_tensor *both = a ? tg__apply(&qr_op, 1, &a, NULL) : NULL;
    if (!both) return (tg_qr_factors){NULL, NULL};
    const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
    return (tg_qr_factors){tg__factor(both, 0, m, n), tg_clone(tg__factor(both, m * n, n, n))};
}

/* A wide a = [x y] has the q of x, and r = [r of x, q^T y]. */
static tg_qr_factors factorize_wide_matrix(tg_tensor *a)
{
    const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
    tg_qr_factors f = factorize_tall_matrix(tg_narrow(a, -1, 0, m));
    tg_tensor *rest = tg_matmul(tg__matrix_transpose(f.q), tg_narrow(a, -1, m, n - m));
    f.r = tg_cat(TG_LIST(f.r, rest), -1);
    return f;
}

tg_qr_factors tg_qr(tg_tensor *a)
{
    frame f;
    tg_qr_factors factors = {NULL, NULL};
    if (!tg__check_to_factorize("qr", a)) return factors;
    tg__enter(&f, "qr", a);
    const bool tall = a->shape[a->ndim - 2] >= a->shape[a->ndim - 1];
    factors = tall ? factorize_tall_matrix(a) : factorize_wide_matrix(a);
    factors.q = tg__name_grad_fn(factors.q, qr_op.grad_name);
    factors.r = tg__name_grad_fn(factors.r, qr_op.grad_name);
    if (!factors.q || !factors.r) factors = (tg_qr_factors){NULL, NULL};
    tg__leave_with(&f, 2, (tg_tensor *[]){factors.q, factors.r});
    return factors;
}
