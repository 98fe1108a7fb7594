/* Singular values, by Jacobi's method on the triangle of a QR factorization; and cond. */
#include "qr.h"

#include <float.h>
#include <math.h>
#include <string.h>

static double inner_of_rows(const tall_svd *s, int level, int64_t i, int64_t j)
{
    double sum;
    pick(level, dot, TG_F64)(s->n, &sum, s->us + i * s->n, s->us + j * s->n);
    return sum;
}

/* Rotates rows i and j of us, whose squared norms s->values has, until they are orthogonal, and
 * rows i and j of v by the same angle. False if they were orthogonal before. */
static bool turn_pair(const tall_svd *s, int level, int64_t i, int64_t j)
{
    const int64_t n = s->n;
    double *squares = s->values;
    const double product = inner_of_rows(s, level, i, j),
                 size = sqrt(squares[i]) * sqrt(squares[j]);
    if (!(fabs(product) > fmax(4, (double)n) * DBL_EPSILON * size)) return false;
    const double tangent = tg__tangent((squares[j] - squares[i]) / (2 * product));
    tg__rotate(level, n, s->us + i * n, s->us + j * n, tangent);
    tg__rotate(level, n, s->v + i * n, s->v + j * n, tangent);
    squares[i] -= tangent * product;
    squares[j] += tangent * product;
    return true;
}

/* One rotation of each pair. False if all pairs were orthogonal. */
static bool sweep_pairs(const tall_svd *s, int level)
{
    bool moving = false;
    for (int64_t j = 0; j < s->n; j++) s->values[j] = inner_of_rows(s, level, j, j);
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t j = i + 1; j < s->n; j++) moving |= turn_pair(s, level, i, j);
    return moving;
}

/* Makes the rows of us the columns of R. */
static bool begin_svd(tall_svd *s, const tall_qr *w)
{
    const int64_t n = s->n = w->n, columns = n + w->k, square = tg__times(n, n);
    s->us = tg__alloc(w->tg, tg__bytes(tg__plus(tg__times(square, 2), n), sizeof *s->us));
    if (!s->us) return false;
    s->v = s->us + square;
    s->values = s->v + square;
    s->power = 0;
    for (int64_t j = 0; j < n && w->powers; j++)
        s->power = j == 0 || w->powers[j] < s->power ? w->powers[j] : s->power;
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++) {
            const double entry = w->r[i * columns + j];
            s->us[j * n + i] = w->powers ? ldexp(entry, s->power - w->powers[j]) : entry;
            s->v[j * n + i] = i == j;
        }
    return true;
}

/* Computes the singular values, and sorts them and the rows of us and v from the largest value to
 * the smallest. */
static void sort_values(tall_svd *s, int level)
{
    const int64_t n = s->n;
    for (int64_t j = 0; j < n; j++) s->values[j] = sqrt(inner_of_rows(s, level, j, j));
    for (int64_t j = 0; j < n; j++) {
        int64_t most = j;
        for (int64_t l = j + 1; l < n; l++)
            if (s->values[l] > s->values[most]) most = l;
        if (most != j) {
            tg__swap_rows(1, s->values + j, s->values + most);
            tg__swap_rows(n, s->us + j * n, s->us + most * n);
            tg__swap_rows(n, s->v + j * n, s->v + most * n);
        }
        if (s->values[j] > s->values[0] * 0x1p-500) continue;
        s->values[j] = 0;
        memset(s->us + j * n, 0, (size_t)n * sizeof *s->us);
    }
}

bool tg__svd(tall_svd *s, const tall_qr *w)
{
    enum { MOST_SWEEPS = 60 };
    if (!begin_svd(s, w)) return false;
    for (int sweep = 0; sweep < MOST_SWEEPS && sweep_pairs(s, w->tg->level);) sweep++;
    sort_values(s, w->tg->level);
    return true;
}

/* ---- cond. */

static bool cond_shape(const call *c, spec *s)
{
    if (!tg__check_to_factorize(c->op->name, c->in[0]) || !tg__same_shape(c, s)) return false;
    s->ndim -= 2;
    return true;
}

static bool compute_cond(const problem *p)
{
    tall_qr w = tg__tall_matrix(p);
    tall_svd s;
    if (!tg__qr_begin(&w, false) || !tg__qr_factorize_matrix(&w, p) || !tg__svd(&s, &w))
        return false;
    const double most = s.n > 0 ? s.values[0] : 0, least = s.n > 0 ? s.values[s.n - 1] : 1;
    tg__store(p->c->out->dtype, p->c->out->data, p->index, least > 0 ? most / least : INFINITY);
    return true;
}

static bool cond_forward(const call *c)
{
    return tg__for_each_index(c, compute_cond);
}

static const op_row cond_op = {.name = "cond", .shape = cond_shape, .forward = cond_forward};

tg_tensor *tg_cond(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "cond", a);
    a = tg_detach(a);
    return tg__leave(&f, a ? tg__apply(&cond_op, 1, &a, NULL) : NULL);
}
