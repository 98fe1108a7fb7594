/* solve_triangular. The attribute SOLVE_FLAGS has TG_UPPER and TG_UNITRIANGULAR;
 * tg_solve_triangular turns TG_RIGHT into a transposed system. */
#include "linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

static bool solve_triangle(problem *p)
{
    const int64_t n = p->n, k = p->k, flags = p->c->a[SOLVE_FLAGS].i;
    memcpy(p->x, p->b, (size_t)(n * k) * sizeof(double));
    for (int64_t l = 0; l < n; l++) {
        const int64_t i = flags & TG_UPPER ? n - 1 - l : l;
        double *x = p->x + i * k;
        for (int64_t j = flags & TG_UPPER ? i + 1 : 0; j < (flags & TG_UPPER ? n : i); j++)
            tg__add_multiple(k, x, -p->a[i * n + j], p->x + j * k);
        for (int64_t j = 0; j < k && !(flags & TG_UNITRIANGULAR); j++) x[j] /= p->a[i * n + i];
    }
    return true;
}

static bool solve_triangular_forward(const call *c)
{
    return tg__for_each_matrix(c, solve_triangle, 0);
}

/* x = a^-1 b has the gradient a^-T g for b and -(a^-T g) x^T for a, of which only the triangle
 * counts that the forward reads. */
static tg_tensor *solve_triangular_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[0].t;
    const int flags = (int)r->a[SOLVE_FLAGS].i, diagonal = flags & TG_UNITRIANGULAR ? 1 : 0;
    tg_tensor *b = tg_solve_triangular(tg__matrix_transpose(a), g, flags ^ TG_UPPER);
    if (i == 1) return b;
    tg_tensor *full = tg_neg(tg_matmul(b, tg__matrix_transpose(r->out)));
    return flags & TG_UPPER ? tg_triu(full, diagonal) : tg_tril(full, -diagonal);
}

static const op_row solve_triangular_op = {
    .name = "solve_triangular",
    .grad_name = "LinalgSolveTriangularBackward0",
    .shape = tg__solved_shape,
    .forward = solve_triangular_forward,
    .grad = solve_triangular_grad,
    .reads = {READS_0 | READS_OUT, READS_0},
};

tg_tensor *tg_solve_triangular(tg_tensor *a, tg_tensor *b, int flags)
{
    if (a && flags & ~(TG_UPPER | TG_RIGHT | TG_UNITRIANGULAR))
        return tg__fail(a->context, TG_ERR_ARGUMENT,
                        "solve_triangular: there are no flags %d; use TG_LOWER or TG_UPPER, with "
                        "TG_RIGHT and TG_UNITRIANGULAR added as needed",
                        flags);
    if (!tg__check_inputs("solve_triangular", 2, (tg_tensor *[]){a, b}) ||
        !tg__check_square("solve_triangular", a) ||
        !tg__check_system("solve_triangular", a, b, b, flags & TG_RIGHT))
        return NULL;
    if (flags & TG_RIGHT) {
        frame f;
        tg__enter(&f, "solve_triangular", a);
        flags = (flags ^ TG_UPPER) & ~TG_RIGHT;
        tg_tensor *x = tg_solve_triangular(tg__matrix_transpose(a), tg__matrix_transpose(b), flags);
        return tg__leave(&f, tg__matrix_transpose(x));
    }
    return tg__apply_expanded_in_frame(&solve_triangular_op, a, b, flags);
}
