/* eigh: the eigenvalues and eigenvectors of symmetric matrices, by Jacobi's rotations (Golub and
 * Van Loan, Matrix Computations, 8.5). The operation has both in one result, the vectors before the
 * values. */
#include "linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

static bool eigh_shape(const call *c, spec *s)
{
    if (!tg__square_shape(c, s)) return false;
    const int64_t n = s->shape[s->ndim - 1];
    s->ndim--;
    s->shape[s->ndim - 1] = tg__times(tg__plus(n, 1), n);
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

/* Copies the lower triangle of a to the upper one. If squares of its entries would leave the range
 * of a double, a is multiplied by a power of two, which is returned. */
static int fill_upper_triangle(const problem *p)
{
    const int64_t n = p->n;
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) most = fmax(most, fabs(p->a[i * n + j]));
    const int power = tg__power(most, TG_SQUARES_FIT);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++)
            p->a[i * n + j] = p->a[j * n + i] = ldexp(p->a[i * n + j], power);
    return power;
}

/* Rotates rows and columns i and j of a until the entry [i, j] is 0, and rows i and j of v by the
 * same angle. False if the entry was so small that it counts as 0. */
static bool make_entry_zero(const problem *p, int64_t i, int64_t j, double *v)
{
    const int64_t n = p->n;
    double *row_i = p->a + i * n, *row_j = p->a + j * n;
    const double ii = row_i[i], jj = row_j[j], ij = row_i[j];
    if (!(fabs(ij) > DBL_EPSILON * sqrt(fabs(ii)) * sqrt(fabs(jj)))) return false;
    const double tangent = tg__tangent((jj - ii) / (2 * ij));
    tg__rotate(p->c->tg->level, n, row_i, row_j, tangent);
    tg__rotate(p->c->tg->level, n, v + i * n, v + j * n, tangent);
    row_i[i] = ii - tangent * ij;
    row_j[j] = jj + tangent * ij;
    row_i[j] = row_j[i] = 0;
    for (int64_t l = 0; l < n; l++) {
        p->a[l * n + i] = row_i[l];
        p->a[l * n + j] = row_j[l];
    }
    return true;
}

static bool find_eigenpairs(problem *p)
{
    enum { MOST_SWEEPS = 60 };
    const int64_t n = p->n;
    double *v = p->scratch, *values = p->x + n * n;
    if (!tg__check_finite(p, true)) return false;
    const int power = fill_upper_triangle(p);
    memset(v, 0, (size_t)(n * n) * sizeof *v);
    for (int64_t j = 0; j < n; j++) v[j * n + j] = 1;
    bool moving = true;
    for (int sweep = 0; sweep < MOST_SWEEPS && moving; sweep++) {
        moving = false;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = i + 1; j < n; j++) moving |= make_entry_zero(p, i, j, v);
    }
    for (int64_t j = 0; j < n; j++) values[j] = ldexp(p->a[j * n + j], -power);
    for (int64_t j = 0; j < n; j++) {
        int64_t least = j;
        for (int64_t l = j + 1; l < n; l++)
            if (values[l] < values[least]) least = l;
        tg__swap_rows(1, values + j, values + least);
        tg__swap_rows(n, v + j * n, v + least * n);
        for (int64_t i = 0; i < n; i++) p->x[i * n + j] = v[j * n + i];
    }
    return true;
}

static bool eigh_forward(const call *c)
{
    const int64_t n = c->in[0]->shape[c->in[0]->ndim - 1];
    return tg__for_each_matrix(c, find_eigenpairs, tg__times(n, n));
}

static tg_eigenpairs pairs_in(tg_tensor *all, int64_t n)
{
    return (tg_eigenpairs){tg_narrow(all, -1, n * n, n), tg__factor(all, 0, n, n)};
}

/* With the gradients gl and gv of the values l and of the vectors v, and F[i][j] = l[j] - l[i], the
 * gradient is v ((v^T gv - gv^T v) / 2 F + diag(gl)) v^T (Giles, Collected matrix derivative
 * results, 2008), in the form that is symmetric. */
static tg_tensor *eigh_grad(const record *made, int i, tg_tensor *g)
{
    const tg_tensor *a = made->in[i].t;
    const int64_t n = a->shape[a->ndim - 1];
    const tg_eigenpairs p = pairs_in(made->out, n), gp = pairs_in(g, n);
    tg_tensor *vt = tg__matrix_transpose(p.vectors);
    tg_tensor *gaps = tg_sub(tg_unsqueeze(p.values, -2), tg_unsqueeze(p.values, -1));
    tg_tensor *turned = tg__quotient(tg_mul_scalar(tg__skew(tg_matmul(vt, gp.vectors)), 0.5), gaps);
    tg_tensor *inner = tg_add(turned, tg__diagonal_matrix(gp.values));
    return tg_matmul(tg_matmul(p.vectors, inner), vt);
}

static const op_row eigh_op = {
    .name = "eigh",
    .grad_name = "LinalgEighBackward0",
    .shape = eigh_shape,
    .forward = eigh_forward,
    .grad = eigh_grad,
    .reads = {READS_OUT},
};

tg_eigenpairs tg_eigh(tg_tensor *a)
{
    frame f;
    tg_eigenpairs out = {NULL, NULL};
    if (!tg__check_inputs("eigh", 1, &a)) return out;
    tg__enter(&f, "eigh", a);
    tg_tensor *all = tg__apply(&eigh_op, 1, &a, NULL);
    if (all) out = pairs_in(all, a->shape[a->ndim - 1]);
    out.values = tg__name_grad_fn(tg_clone(out.values), eigh_op.grad_name);
    out.vectors = tg__name_grad_fn(out.vectors, eigh_op.grad_name);
    if (!out.values || !out.vectors) out = (tg_eigenpairs){NULL, NULL};
    tg__leave_with(&f, 2, (tg_tensor *[]){out.values, out.vectors});
    return out;
}
