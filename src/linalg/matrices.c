/* What the operations on batches of matrices share: see linalg.h. Gaussian elimination is in
 * solve.c. */
#include "../context/long_sum.h"
#include "../kernels/product.h"
#include "linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

const char *tg__name_matrix(const problem *p, char *text)
{
    const tg_tensor *a = p->c->in[0];
    const bool expanded = p->c->n > 1;
    const int n = expanded ? (int)p->c->a[GIVEN_NDIM].i : a->ndim;
    const int64_t ones = expanded ? p->c->a[GIVEN_ONES].i : 0;
    int64_t shape[TG_MAX_DIMS], number = 0, step = 1, index = p->index;
    for (int d = n - 1; d >= 0; d--) {
        const int64_t size = a->shape[a->ndim - n + d];
        shape[d] = ones >> d & 1 ? 1 : size;
        if (d >= n - 2) continue;
        number += index % size % shape[d] * step;
        index /= size;
        step *= shape[d];
    }
    snprintf(text, MATRIX_NAME, "matrix %lld of %s", (long long)number,
             tg__show_sizes(p->c->tg, n, shape));
    return text;
}

int tg__power(double most, double limit)
{
    const bool fits = most < limit && most > 1 / limit;
    return fits || most == 0 || !(most <= DBL_MAX) ? 0 : -ilogb(most);
}

bool tg__fail_matrix(const problem *p, const char *what)
{
    char name[MATRIX_NAME];
    return tg__fail(p->c->tg, TG_ERR_ARGUMENT, "%s: %s %s", p->c->op->name,
                    tg__name_matrix(p, name), what);
}

double tg__precision(tg_dtype dtype, int64_t terms)
{
    double rounding = DBL_EPSILON;
    switch (dtype) {
    case TG_F32: rounding = FLT_EPSILON / 2; break;
    case TG_F64:
    case TG_I64:
    case TG_BOOL: break;
    }
    return fmax(rounding, (double)terms * DBL_EPSILON);
}

double tg__rcond(tg_dtype dtype, int64_t m, int64_t n)
{
    return (dtype == TG_F32 ? FLT_EPSILON : DBL_EPSILON) * fmax((double)m, (double)n);
}

bool tg__check_rcond(const char *name, const tg_tensor *a, double rcond)
{
    return rcond < 1 || tg__fail(a->context, TG_ERR_ARGUMENT,
                                 "%s: rcond is %g, but must be less than 1", name, rcond);
}

bool tg__fail_entry(const problem *p, double entry, int64_t i, int64_t j)
{
    char name[MATRIX_NAME];
    return tg__fail(p->c->tg, TG_ERR_ARGUMENT, "%s: %s has %s at [%lld, %lld]", p->c->op->name,
                    tg__name_matrix(p, name), isnan(entry) ? "NaN" : "an infinity", (long long)i,
                    (long long)j);
}

bool tg__check_finite(const problem *p, bool lower)
{
    for (int64_t i = 0; i < p->m; i++) {
        const double *row = p->a + i * p->n;
        const int64_t n = lower ? i + 1 : p->n;
        int bad = 0;
        for (int64_t j = 0; j < n; j++) bad |= !(fabs(row[j]) <= DBL_MAX);
        for (int64_t j = 0; j < n && bad; j++)
            if (!isfinite(row[j])) return tg__fail_entry(p, row[j], i, j);
    }
    return true;
}

/* Converts matrix number index of t to double. Returns the address behind it, where the next matrix
 * can go. */
static double *load_matrix(const tg_tensor *t, int64_t index, int64_t numel, double *to)
{
    if (numel == 0) return to;
    const char *from = (const char *)t->data + (size_t)(index * numel) * tg__dtype_size(t->dtype);
    pick(0, to_f64, t->dtype)(numel, to, from);
    return to + numel;
}

bool tg__for_each_matrix(const call *c, bool (*solve)(problem *p), int64_t scratch)
{
    tg_tensor *a = tg__contiguous(c->in[0]), *b = c->n > 1 && a ? tg__contiguous(c->in[1]) : a;
    if (!a || !b) return false;
    if (c->out->numel == 0) return true;
    problem p = {.c = c, .m = a->shape[a->ndim - 2], .n = a->shape[a->ndim - 1]};
    if (c->n > 1) p.k = b->shape[b->ndim - 1];
    const int64_t batch = tg__numel(a->ndim - 2, a->shape);
    const int64_t of_x = batch ? c->out->numel / batch : 0, of_a = p.m * p.n, of_b = p.m * p.k;
    const int64_t doubles = tg__plus(tg__plus(of_a, of_b), tg__plus(of_x, scratch));
    p.a = tg__alloc(c->tg, tg__bytes(doubles, sizeof(double)));
    if (!p.a) return false;
    for (; p.index < batch; p.index++) {
        p.b = load_matrix(a, p.index, of_a, p.a);
        p.x = c->n > 1 ? load_matrix(b, p.index, of_b, p.b) : p.b;
        p.scratch = p.x + of_x;
        if (!solve(&p)) return false;
        const tg_dtype d = c->out->dtype;
        char *out = (char *)c->out->data + (size_t)(p.index * of_x) * tg__dtype_size(d);
        switch (d) {
        case TG_F32: pick(0, to_f32, TG_F64)(of_x, out, p.x); break;
        case TG_F64: memcpy(out, p.x, (size_t)of_x * sizeof(double)); break;
        case TG_I64:
        case TG_BOOL: break;
        }
    }
    return true;
}

bool tg__for_each_index(const call *c, bool (*f)(const problem *p))
{
    const tg_tensor *a = c->in[0];
    problem p = {.c = c, .m = a->shape[a->ndim - 2], .n = a->shape[a->ndim - 1]};
    const int64_t batch = c->out->numel > 0 ? tg__numel(a->ndim - 2, a->shape) : 0;
    bool done = true;
    for (; p.index < batch && done; p.index++) {
        tg_scope_begin(c->tg);
        done = f(&p);
        tg_scope_end(c->tg);
    }
    return done;
}

/* The inner product of a block; a long one is a compensated sum of such blocks. */
static double inner_in_order(int64_t n, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static double inner_in_blocks(int64_t n, const double *a, const double *b)
{
    long_sum sum = {0, 0};
    for (; n > 0; n -= SUM_BLOCK, a += SUM_BLOCK, b += SUM_BLOCK)
        tg__add_term(&sum, inner_in_order(n < SUM_BLOCK ? n : SUM_BLOCK, a, b));
    return tg__value_of_sum(sum);
}

double tg__inner(int64_t n, const double *a, const double *b)
{
    return n > MATMUL_WHOLE ? inner_in_blocks(n, a, b) : inner_in_order(n, a, b);
}

void tg__add_multiple(int64_t n, double *restrict y, double a, const double *restrict x)
{
    for (int64_t i = 0; i < n; i++) y[i] += a * x[i];
}

/* The square root of 1 + x^2, whose square may be out of range. The hypot of libm differs from
 * machine to machine. */
static double root_of_one_and_square(double x)
{
    return fabs(x) < 0x1p500 ? sqrt(TG_FMA64(x, x, 1)) : fabs(x);
}

double tg__tangent(double zeta)
{
    return copysign(1, zeta) / (fabs(zeta) + root_of_one_and_square(zeta));
}

void tg__rotate(int level, int64_t n, double *a, double *b, double tangent)
{
    const double cosine = 1 / root_of_one_and_square(tangent);
    pick(level, rotate, TG_F64)(n, a, b, cosine, cosine * tangent);
}

bool tg__check_matrices(const char *name, const char *which, const tg_tensor *t)
{
    return t->ndim >= 2 || tg__fail(t->context, TG_ERR_SHAPE,
                                    "%s: %s is %s, which is neither a matrix nor a batch of them",
                                    name, which, SHOW(t));
}

bool tg__check_to_factorize(const char *name, tg_tensor *a)
{
    return tg__check_inputs(name, 1, &a) && (tg__is_float(a->dtype) || tg__refuse_dtype(name, a)) &&
           tg__check_matrices(name, "a", a);
}

bool tg__check_square(const char *name, const tg_tensor *a)
{
    return tg__check_matrices(name, "a", a) &&
           (a->shape[a->ndim - 1] == a->shape[a->ndim - 2] ||
            tg__fail(a->context, TG_ERR_SHAPE, "%s: a is %s, but its matrices must be square", name,
                     SHOW(a)));
}

bool tg__square_shape(const call *c, spec *s)
{
    return tg__check_square(c->op->name, c->in[0]) &&
           tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && tg__same_shape(c, s);
}

/* x has as many rows as a has columns, and otherwise the shape of b. tg__check_system has passed a
 * and b, and both are expanded to one batch. */
bool tg__solved_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0];
    tg__shape_of_second(c, s);
    s->shape[s->ndim - 2] = a->shape[a->ndim - 1];
    return tg__check_dtype(c, a, tg__is_float(a->dtype)) &&
           tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

bool tg__check_system(const char *name, const tg_tensor *a, const tg_tensor *b,
                      const tg_tensor *given, bool right)
{
    tg_context *tg = a->context;
    int64_t shape[TG_MAX_DIMS];
    int n;
    if (!tg__check_matrices(name, "a", a) || !tg__check_matrices(name, "b", b)) return false;
    if (a->dtype != b->dtype) return tg__fail_dtypes(name, a, given);
    const int64_t of_a = a->shape[a->ndim - 2], of_b = b->shape[b->ndim - (right ? 1 : 2)];
    if (of_a != of_b)
        return tg__fail(tg, TG_ERR_SHAPE,
                        "%s: a is %s and b is %s, but b must have %lld %s, not %lld", name, SHOW(a),
                        SHOW(given), (long long)of_a, right ? "columns" : "rows", (long long)of_b);
    return tg__broadcast(a->ndim - 2, a->shape, b->ndim - 2, b->shape, &n, shape) ||
           tg__fail(tg, TG_ERR_SHAPE, "%s: the batches of a %s and b %s do not broadcast", name,
                    SHOW(a), SHOW(given));
}

tg_tensor *tg__apply_expanded(const op_row *o, tg_tensor *a, tg_tensor *b, attr how)
{
    attr attrs[TG_ATTRS] = {[SOLVE_FLAGS] = how, [GIVEN_NDIM] = {.i = a->ndim}};
    spec s;
    int n = 0;
    for (int d = 0; d < a->ndim; d++) attrs[GIVEN_ONES].i |= (int64_t)(a->shape[d] == 1) << d;
    tg__broadcast(a->ndim - 2, a->shape, b->ndim - 2, b->shape, &n, s.shape);
    tg_tensor *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        for (int d = 0; d < 2; d++) s.shape[n + d] = both[i]->shape[both[i]->ndim - 2 + d];
        both[i] = tg_expand(both[i], (tg_shape){n + 2, s.shape});
        if (!both[i]) return NULL;
    }
    return tg__apply(o, 2, both, attrs);
}

tg_tensor *tg__apply_expanded_in_frame(const op_row *o, tg_tensor *a, tg_tensor *b, int flags)
{
    frame f;
    tg__enter(&f, o->name, a);
    return tg__leave(&f, tg__apply_expanded(o, a, b, (attr){.i = flags}));
}

/* Whether b is a vector or a batch of vectors rather than of matrices. The rule is that of
 * torch.linalg.solve: b is 1-d, or has the shape of a without its last dimension. */
static bool holds_vectors(const tg_tensor *a, const tg_tensor *b)
{
    return b->ndim == 1 ||
           (a->ndim - 1 == b->ndim && tg__same_sizes(b->ndim, a->shape, b->ndim, b->shape));
}

tg_tensor *tg__apply_to_system(const op_row *o, tg_tensor *a, tg_tensor *b, attr how)
{
    frame f;
    const bool vector = holds_vectors(a, b);
    tg_tensor *x = NULL, *columns = b;
    tg__enter(&f, o->name, a);
    if (vector) columns = tg_unsqueeze(b, -1);
    if (columns && tg__check_system(o->name, a, columns, b, false))
        x = tg__apply_expanded(o, a, columns, how);
    return tg__leave(&f, vector ? tg_squeeze_dim(x, -1) : x);
}

tg_tensor *tg__factor(tg_tensor *all, int64_t from, int64_t rows, int64_t n)
{
    int64_t shape[TG_MAX_DIMS];
    if (!all) return NULL;
    for (int d = 0; d < all->ndim - 1; d++) shape[d] = all->shape[d];
    shape[all->ndim - 1] = rows;
    shape[all->ndim] = n;
    return tg_reshape(tg_narrow(all, -1, from, rows * n), (tg_shape){all->ndim + 1, shape});
}

tg_tensor *tg__skew(tg_tensor *t)
{
    return tg_sub(t, tg__matrix_transpose(t));
}

tg_tensor *tg__quotient(tg_tensor *a, tg_tensor *b)
{
    b = a ? tg_expand(b, (tg_shape){a->ndim, a->shape}) : NULL;
    tg_tensor *both = tg_logical_and(tg_eq_scalar(a, 0), tg_eq_scalar(b, 0));
    return tg_div(a, tg_masked_fill(b, both, 1));
}

tg_tensor *tg__diagonal_matrix(tg_tensor *t)
{
    if (!t) return NULL;
    const int64_t n = t->shape[t->ndim - 1];
    return tg_mul(tg_unsqueeze(t, -1), tg_eye(t->context, t->dtype, n, n));
}
