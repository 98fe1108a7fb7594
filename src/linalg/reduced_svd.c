/* tg_svd: the reduced singular value decomposition, and its gradient; and tg_matrix_rank. The
 * operation has the factors in one result, u after u, s after s, and vh after vh. */
#include "qr.h"

#include <math.h>
#include <string.h>

static bool svd_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0];
    if (!tg__same_shape(c, s)) return false;
    const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
    s->ndim--;
    s->shape[s->ndim - 1] = tg__times(tg__plus(tg__plus(m, n), 1), m < n ? m : n);
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

/* The unit vector that is farthest from the span of the first `count` columns of u (n, n), which
 * are orthonormal. The squares in its row of u add up to the least sum. */
static int64_t farthest_unit_vector(int64_t n, int64_t count, const double *u)
{
    int64_t farthest = 0;
    double least = INFINITY;
    for (int64_t i = 0; i < n; i++) {
        const double sum = tg__inner(count, u + i * n, u + i * n);
        if (sum >= least) continue;
        least = sum;
        farthest = i;
    }
    return farthest;
}

/* Fills column j of u (n, n), which is 0, with a unit vector that is orthogonal to the columns
 * before it. Two rounds of Gram and Schmidt's method make it so to the last digits. */
static void complete_column(int64_t n, int64_t j, double *u)
{
    double sum = 0;
    u[farthest_unit_vector(n, j, u) * n + j] = 1;
    for (int64_t l = 0; l < 2 * j; l++) {
        double product = 0;
        for (int64_t i = 0; i < n; i++) product += u[i * n + l % j] * u[i * n + j];
        for (int64_t i = 0; i < n; i++) u[i * n + j] -= product * u[i * n + l % j];
    }
    for (int64_t i = 0; i < n; i++) sum += u[i * n + j] * u[i * n + j];
    for (int64_t i = 0; i < n; i++) u[i * n + j] /= sqrt(sum);
}

/* The matrix U of R = U S V^T, row-major. */
static double *left_vectors(tg_context *tg, const tall_svd *s)
{
    const int64_t n = s->n;
    double *u = tg__alloc(tg, tg__bytes(tg__times(n, n), sizeof *u));
    for (int64_t j = 0; j < n && u; j++) {
        for (int64_t i = 0; i < n; i++)
            u[i * n + j] = s->values[j] > 0 ? s->us[j * n + i] / s->values[j] : 0;
        if (s->values[j] == 0) complete_column(n, j, u);
    }
    return u;
}

/* Stores the factors of a, of which w and s are those of the tall matrix, a or its transpose:
 * Q U, of which blocks of rows are made from the last to the first, and V. */
static bool store_factors(const problem *p, const tall_qr *w, const tall_svd *s, bool tall)
{
    const int64_t k = w->n, of_u = p->m * k, of_vh = p->n * k;
    tg_tensor *out = p->c->out;
    const int64_t u = p->index * (of_u + k + of_vh), values = u + of_u, vh = values + k;
    double *top = left_vectors(w->tg, s);
    if (!top) return false;
    for (int64_t i = (w->m - 1) / w->rows * w->rows; i >= 0; i -= w->rows) {
        tg__qr_rows_of_q(w, i, top);
        for (int64_t l = i; l < i + w->rows && l < w->m; l++)
            for (int64_t j = 0; j < k; j++)
                tg__store(out->dtype, out->data, tall ? u + l * k + j : vh + j * w->m + l,
                          w->block[j * w->rows + l - i]);
    }
    for (int64_t j = 0; j < k; j++) {
        tg__store(out->dtype, out->data, values + j, ldexp(s->values[j], -s->power));
        for (int64_t i = 0; i < k; i++)
            tg__store(out->dtype, out->data, tall ? vh + j * k + i : u + i * k + j,
                      s->v[j * k + i]);
    }
    return true;
}

static bool decompose(const problem *p)
{
    const bool tall = p->m >= p->n;
    tall_qr w = tg__tall_matrix(p);
    tall_svd s;
    return tg__qr_begin(&w, true) && tg__qr_factorize_matrix(&w, p) && tg__svd(&s, &w) &&
           store_factors(p, &w, &s, tall);
}

static bool svd_forward(const call *c)
{
    return tg__for_each_index(c, decompose);
}

/* The factors in `all`, which is the result of the operation or its gradient. */
static tg_svd_factors factors_in(tg_tensor *all, int64_t m, int64_t n)
{
    const int64_t k = m < n ? m : n;
    return (tg_svd_factors){tg__factor(all, 0, m, k), tg_narrow(all, -1, m * k, k),
                            tg__factor(all, (m + 1) * k, k, n)};
}

/* With the gradients gu, gs and gv of u, s and v, and F[i][j] = s[j]^2 - s[i]^2, the gradient is
 * u (P / F diag(s) + diag(s) R / F + diag(gs)) v^T, where P = u^T gu - gu^T u and R = v^T gv - gv^T
 * v. For a tall a, the part of gu diag(1 / s) v^T that is orthogonal to u comes on top, and for a
 * wide one that of u diag(1 / s) gv^T (Townsend, Differentiating the singular value decomposition,
 * 2016). Where nothing depends on u and v, P, R, gu and gv are 0, and so are the quotients. */
static tg_tensor *svd_grad(const record *made, int i, tg_tensor *g)
{
    const tg_tensor *a = made->in[i].t;
    const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
    const tg_svd_factors f = factors_in(made->out, m, n), gf = factors_in(g, m, n);
    tg_tensor *row = tg_unsqueeze(f.s, -2), *column = tg_unsqueeze(f.s, -1);
    tg_tensor *squares = tg_mul(tg_sub(row, column), tg_add(row, column));
    tg_tensor *ut = tg__matrix_transpose(f.u), *v = tg__matrix_transpose(f.vh);
    tg_tensor *of_u = tg__quotient(tg__skew(tg_matmul(ut, gf.u)), squares);
    tg_tensor *of_v = tg__quotient(tg__skew(tg_matmul(f.vh, tg__matrix_transpose(gf.vh))), squares);
    tg_tensor *inner =
        tg_add(tg_add(tg_mul(of_u, row), tg_mul(column, of_v)), tg__diagonal_matrix(gf.s));
    tg_tensor *ga = tg_matmul(tg_matmul(f.u, inner), f.vh);
    if (m > n) {
        tg_tensor *rest = tg__quotient(gf.u, row);
        rest = tg_sub(rest, tg_matmul(f.u, tg_matmul(ut, rest)));
        return tg_add(ga, tg_matmul(rest, f.vh));
    }
    if (m < n) {
        tg_tensor *rest = tg__quotient(gf.vh, column);
        rest = tg_sub(rest, tg_matmul(tg_matmul(rest, v), f.vh));
        return tg_add(ga, tg_matmul(f.u, rest));
    }
    return ga;
}

static const op_row svd_op = {
    .name = "svd",
    .grad_name = "LinalgSvdBackward0",
    .shape = svd_shape,
    .forward = svd_forward,
    .grad = svd_grad,
    .reads = {READS_OUT},
};

tg_svd_factors tg_svd(tg_tensor *a)
{
    frame f;
    tg_svd_factors out = {NULL, NULL, NULL};
    if (!tg__check_to_factorize("svd", a)) return out;
    tg__enter(&f, "svd", a);
    tg_tensor *all = tg__apply(&svd_op, 1, &a, NULL);
    if (all) out = factors_in(all, a->shape[a->ndim - 2], a->shape[a->ndim - 1]);
    out.u = tg__name_grad_fn(out.u, svd_op.grad_name);
    out.s = tg__name_grad_fn(tg_clone(out.s), svd_op.grad_name);
    out.vh = tg__name_grad_fn(tg_clone(out.vh), svd_op.grad_name);
    if (!out.u || !out.s || !out.vh) out = (tg_svd_factors){NULL, NULL, NULL};
    tg__leave_with(&f, 3, (tg_tensor *[]){out.u, out.s, out.vh});
    return out;
}

tg_tensor *tg_matrix_rank(tg_tensor *a, double rcond)
{
    if (!tg__check_to_factorize("matrix_rank", a) || !tg__check_rcond("matrix_rank", a, rcond))
        return NULL;
    frame f;
    tg__enter(&f, "matrix_rank", a);
    const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
    if (rcond < 0) rcond = tg__rcond(a->dtype, m, n);
    tg_tensor *s = tg_svd(tg_detach(a)).s;
    tg_tensor *least = tg_mul_scalar(tg_narrow(s, -1, 0, m > 0 && n > 0), rcond);
    return tg__leave(&f, tg_sum_dims(tg_gt(s, least), TG_DIMS(-1), false));
}
