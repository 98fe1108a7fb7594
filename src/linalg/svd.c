/* Singular values, by Jacobi's method on the triangle of a QR factorization; and cond. */
#include "qr.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Turns two vectors of n numbers until they are orthogonal, and two of `others` with them. False if
 * they were. */
static bool turn_pair(int64_t n, double *p, double *q, int64_t others, double *v_p, double *v_q)
{
    double pp = 0, qq = 0, pq = 0;
    for (int64_t i = 0; i < n; i++) {
        pp += p[i] * p[i];
        qq += q[i] * q[i];
        pq += p[i] * q[i];
    }
    if (!(fabs(pq) > fmax(4, (double)n) * DBL_EPSILON * sqrt(pp) * sqrt(qq))) return false;
    const double zeta = (qq - pp) / (2 * pq);
    const double tangent = copysign(1, zeta) / (fabs(zeta) + hypot(1, zeta));
    const double cosine = 1 / hypot(1, tangent), sine = cosine * tangent;
    for (int64_t i = 0; i < n + others; i++) {
        double *a = i < n ? p + i : v_p + i - n, *b = i < n ? q + i : v_q + i - n, old = *a;
        *a = cosine * old - sine * *b;
        *b = sine * old + cosine * *b;
    }
    return true;
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

bool tg__svd(tall_svd *s, const tall_qr *w)
{
    enum { MOST_SWEEPS = 60 };
    if (!begin_svd(s, w)) return false;
    const int64_t n = s->n;
    bool moving = true;
    s->most = 0;
    for (int sweep = 0; sweep < MOST_SWEEPS && moving; sweep++) {
        moving = false;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++)
                moving |= turn_pair(n, s->us + p * n, s->us + q * n, n, s->v + p * n, s->v + q * n);
    }
    for (int64_t j = 0; j < n; j++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += s->us[j * n + i] * s->us[j * n + i];
        s->values[j] = sqrt(sum);
        s->most = fmax(s->most, s->values[j]);
    }
    return true;
}

/* ---- cond. */

static bool cond_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0];
    if (a->ndim < 2)
        return tg__fail(c->tg, TG_ERR_SHAPE,
                        "%s: a is %s, which is neither a matrix nor a batch of them", c->op->name,
                        SHOW(a));
    if (!tg__check_dtype(c, a, tg__is_float(a->dtype)) || !tg__same_shape(c, s)) return false;
    s->ndim -= 2;
    return true;
}

static bool compute_cond(const problem *p, double *condition)
{
    const bool tall = p->m >= p->n;
    const qr_source a = tg__qr_source(p->c->in[0], p->index);
    tall_qr w = {.tg = p->c->tg,
                 .a = tall ? a : tg__qr_transposed(a),
                 .m = tall ? p->m : p->n,
                 .n = tall ? p->n : p->m};
    tall_svd s;
    double least = INFINITY;
    if (!tg__qr_begin(&w, false) || !tg__qr_factorize_matrix(&w, p, tall) || !tg__svd(&s, &w))
        return false;
    for (int64_t j = 0; j < s.n; j++) least = fmin(least, s.values[j]);
    *condition = s.n == 0 ? 0 : s.most == 0 ? INFINITY : s.most / least;
    return true;
}

static bool cond_forward(const call *c)
{
    const tg_tensor *a = c->in[0];
    problem p = {.c = c, .m = a->shape[a->ndim - 2], .n = a->shape[a->ndim - 1]};
    bool done = true;
    for (; p.index < c->out->numel && done; p.index++) {
        double condition;
        tg_scope_begin(c->tg);
        done = compute_cond(&p, &condition);
        if (done) tg__store(c->out->dtype, c->out->data, p.index, condition);
        tg_scope_end(c->tg);
    }
    return done;
}

static const op_row cond_op = {.name = "cond", .shape = cond_shape, .forward = cond_forward};

tg_tensor *tg_cond(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "cond", a);
    a = tg_detach(a);
    return tg__leave(&f, a ? tg__apply(&cond_op, 1, &a, NULL) : NULL);
}
