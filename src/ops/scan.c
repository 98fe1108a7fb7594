/* cumsum and cumprod. They are one recurrence along a dimension, y[i] = a[i] + x[i] y[i - 1],
 * from the first element to the last or in reverse. Without x it is a running sum. Its gradients
 * are recurrences of the same kind.
 *
 * float32 accumulates in double. A running sum of float64 is compensated for what its additions
 * round away; products are not, because every multiplication rounds anyway. */
#include "../context/long_sum.h"
#include "op.h"
#include "reduce.h"

#include <math.h>

/* The attributes: the dimension, and whether the recurrence begins at its end. */
enum { SCAN_DIM, SCAN_REVERSE };

static bool scan_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    return tg__check_dtype(c, t, tg__is_number(t->dtype)) && tg__same_shape(c, s);
}

/* The n elements of one run of the recurrence. The pointers are to the first element of each array,
 * and step, which is negative in reverse, leads to the next one. x is NULL for a running sum. */
typedef struct scan_line {
    int64_t n, step;
    const void *a, *x;
    void *y;
} scan_line;

static void sum_f32(scan_line l)
{
    const float *a = l.a;
    float *y = l.y;
    double total = 0;
    for (int64_t i = 0; i < l.n; i++) {
        total += (double)a[i * l.step];
        y[i * l.step] = (float)total;
    }
}

/* Adds up blocks of terms, and each block to the compensated sum of those before. Once a block has
 * made this sum infinite or NaN, the compensation is NaN; from that block on every term is added to
 * the running sum itself. */
static void sum_f64(scan_line l)
{
    const double *a = l.a;
    double *y = l.y;
    const int64_t n = l.n, step = l.step;
    long_sum before = {0, 0};
    for (int64_t from = 0; from < n; from += SUM_BLOCK) {
        double part = 0;
        for (int64_t i = from; i < n && i < from + SUM_BLOCK; i++) {
            part += a[i * step];
            y[i * step] = before.sum + (before.rest + part);
        }
        tg__add_term(&before, part);
        if (!isnan(before.rest)) continue;
        double total = from > 0 ? y[(from - 1) * step] : 0;
        for (int64_t i = from; i < n; i++) y[i * step] = total += a[i * step];
        return;
    }
}

static void sum_i64(scan_line l)
{
    const uint64_t *a = l.a;
    uint64_t *y = l.y, total = 0;
    for (int64_t i = 0; i < l.n; i++) y[i * l.step] = total += a[i * l.step];
}

static void product_f32(scan_line l)
{
    const float *a = l.a, *x = l.x;
    float *y = l.y;
    double total = 0;
    for (int64_t i = 0; i < l.n; i++) {
        total = (double)a[i * l.step] + (double)x[i * l.step] * total;
        y[i * l.step] = (float)total;
    }
}

static void product_f64(scan_line l)
{
    const double *a = l.a, *x = l.x;
    double *y = l.y, total = 0;
    for (int64_t i = 0; i < l.n; i++) y[i * l.step] = total = a[i * l.step] + x[i * l.step] * total;
}

static void product_i64(scan_line l)
{
    const uint64_t *a = l.a, *x = l.x;
    uint64_t *y = l.y, total = 0;
    for (int64_t i = 0; i < l.n; i++) y[i * l.step] = total = a[i * l.step] + x[i * l.step] * total;
}

static void scan_one_line(tg_dtype dtype, scan_line l)
{
    switch (dtype) {
    case TG_F32: l.x ? product_f32(l) : sum_f32(l); break;
    case TG_F64: l.x ? product_f64(l) : sum_f64(l); break;
    case TG_I64: l.x ? product_i64(l) : sum_i64(l); break;
    case TG_BOOL: break;
    }
}

static bool scan_forward(const call *c)
{
    const tg_tensor *a = tg__contiguous(c->in[0]),
                    *x = c->n == 2 && a ? tg__contiguous(c->in[1]) : NULL;
    if (!a || (c->n == 2 && !x)) return false;
    const int dim = (int)c->a[SCAN_DIM].i;
    const int64_t n = a->ndim ? a->shape[dim] : 1, step = a->ndim ? c->out->strides[dim] : 1;
    const int64_t lines = n > 0 ? a->numel / n : 0;
    const size_t size = tg__dtype_size(a->dtype);
    for (int64_t i = 0; i < lines; i++) {
        int64_t at = i / step * step * n + i % step, by = step;
        if (c->a[SCAN_REVERSE].i) {
            at += (n - 1) * step;
            by = -step;
        }
        const size_t first = (size_t)at * size;
        scan_one_line(a->dtype, (scan_line){n, by, (const char *)a->data + first,
                                            x ? (const char *)x->data + first : NULL,
                                            (char *)c->out->data + first});
    }
    return true;
}

/* Shifts t by one element along dim, towards the start or the end. The element that becomes free
 * gets a value. */
static tg_tensor *shift_by_one(tg_tensor *t, int dim, bool to_start, double value)
{
    if (!t || t->ndim == 0 || t->shape[dim] == 0) return tg_full_like(t, value);
    tg_tensor *rest = tg_narrow(t, dim, to_start, t->shape[dim] - 1);
    tg_tensor *free = tg_full_like(tg_narrow(t, dim, 0, 1), value);
    return to_start ? tg_cat(TG_LIST(rest, free), dim) : tg_cat(TG_LIST(free, rest), dim);
}

static tg_tensor *running_sums(const char *name, tg_tensor *a, int dim, bool reverse);
static tg_tensor *running_products(const char *name, tg_tensor *a, tg_tensor *x, int dim,
                                   bool reverse);

/* The gradient of a[i] is that of y[i] and of all that follows from it: G[i] = g[i] + x[i+1]
 * G[i+1], which is the recurrence in the other direction with x shifted by one. The gradient of
 * x[i] is G[i] y[i-1]. */
static tg_tensor *scan_grad(const record *r, int i, tg_tensor *g)
{
    const int dim = (int)r->a[SCAN_DIM].i;
    const bool reverse = r->a[SCAN_REVERSE].i != 0;
    if (r->n == 1) return running_sums(r->op->name, g, dim, !reverse);
    tg_tensor *grad_a =
        running_products(r->op->name, g, shift_by_one(r->in[1].t, dim, !reverse, 0), dim, !reverse);
    return i == 0 ? grad_a : tg_mul(grad_a, shift_by_one(r->out, dim, reverse, 0));
}

static const op_row cumsum_op = {
    .name = "cumsum",
    .grad_name = "CumsumBackward0",
    .shape = scan_shape,
    .forward = scan_forward,
    .grad = scan_grad,
};
static const op_row cumprod_op = {
    .name = "cumprod",
    .grad_name = "CumprodBackward0",
    .shape = scan_shape,
    .forward = scan_forward,
    .grad = scan_grad,
    .reads = {READS_1, READS_1 | READS_OUT},
};

static tg_tensor *running_sums(const char *name, tg_tensor *a, int dim, bool reverse)
{
    int d = a ? tg__dim(a, name, dim, a->ndim) : -1;
    if (d < 0) return NULL;
    return tg__apply(&cumsum_op, 1, &a,
                     (attr[TG_ATTRS]){[SCAN_DIM] = {.i = d}, [SCAN_REVERSE] = {.i = reverse}});
}

static tg_tensor *running_products(const char *name, tg_tensor *a, tg_tensor *x, int dim,
                                   bool reverse)
{
    int d = a ? tg__dim(a, name, dim, a->ndim) : -1;
    if (d < 0) return NULL;
    return tg__apply(&cumprod_op, 2, (tg_tensor *[]){a, x},
                     (attr[TG_ATTRS]){[SCAN_DIM] = {.i = d}, [SCAN_REVERSE] = {.i = reverse}});
}

/* Sums and products of bool are int64, as in PyTorch. */
static tg_tensor *bool_to_int64(tg_tensor *a)
{
    return a && a->dtype == TG_BOOL ? tg_cast(a, TG_I64) : a;
}

tg_tensor *tg_cumsum(tg_tensor *a, int dim)
{
    frame f;
    tg__enter(&f, "cumsum", a);
    return tg__leave(&f, running_sums("cumsum", bool_to_int64(a), dim, false));
}

/* y[0] = a[0] and y[i] = a[i] y[i - 1]. This is the recurrence with (a[0], -0, -0, ...) for a and
 * (-0, a[1], a[2], ...) for x: adding -0 changes no number, not even the sign of a zero. */
static tg_tensor *cumprod(tg_tensor *a, int dim)
{
    a = bool_to_int64(a);
    if (!a || tg__dim(a, "cumprod", dim, a->ndim) < 0) return NULL;
    if (a->numel == 0 || a->ndim == 0) return tg_clone(a);
    tg_tensor *first = tg_narrow(a, dim, 0, 1);
    tg_tensor *rest = tg_narrow(a, dim, 1, a->shape[dim < 0 ? dim + a->ndim : dim] - 1);
    return running_products("cumprod", tg_cat(TG_LIST(first, tg_full_like(rest, -0.0)), dim),
                            tg_cat(TG_LIST(tg_full_like(first, -0.0), rest), dim), dim, false);
}

tg_tensor *tg_cumprod(tg_tensor *a, int dim)
{
    frame f;
    tg__enter(&f, "cumprod", a);
    return tg__leave(&f, cumprod(a, dim));
}

tg_tensor *tg__times_others(tg_tensor *g, tg_tensor *x, int dim)
{
    tg_tensor *none = tg_zeros_like(tg_narrow(x, dim, 1, x->shape[dim] - 1));
    tg_tensor *before = shift_by_one(tg_cumprod(x, dim), dim, false, 1);
    tg_tensor *behind = running_products("prod", tg_cat(TG_LIST(none, g), dim),
                                         shift_by_one(x, dim, true, 0), dim, true);
    return tg_mul(behind, before);
}
