/* cumsum and cumprod. The first is a running sum along a dimension, y[i] = a[i] + y[i - 1], the
 * second a running product. The gradients are recurrences y[i] = a[i] + x[i] y[i - 1], in reverse.
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

/* Some runs of a recurrence, of n elements each. The pointers are to the first element of the first
 * run. step, which is negative in reverse, leads to the next element, and gap to the next run. In a
 * running sum x is NULL, and in a running product a is. */
typedef struct scan_lines {
    int64_t lines, gap, n, step;
    const void *a, *x;
    void *y;
} scan_lines;

/* An element of a run has to wait for the one before it, but runs do not wait for each other: four
 * at a time keep the CPU busy. Runs that lie side by side, such as columns, are computed row by
 * row. */
#define SCAN(name, type, wide, first, next)                                                        \
    static void name(const scan_lines *l)                                                          \
    {                                                                                              \
        enum { SIDE_BY_SIDE = 64 };                                                                \
        const type *a = l->a, *x = l->x;                                                           \
        type *restrict y = l->y;                                                                   \
        const int64_t n = l->n, step = l->step, gap = l->gap;                                      \
        int64_t line = 0;                                                                          \
        (void)a, (void)x;                                                                          \
        while (gap == 1 && line + 4 <= l->lines) {                                                 \
            wide total[SIDE_BY_SIDE];                                                              \
            const int64_t left = l->lines - line,                                                  \
                          some = left < SIDE_BY_SIDE ? left : SIDE_BY_SIDE;                        \
            for (int64_t j = 0; j < some; j++) total[j] = first;                                   \
            for (int64_t i = 0; i < n; i++)                                                        \
                for (int64_t j = 0; j < some; j++) {                                               \
                    const int64_t k = i * step + line + j;                                         \
                    total[j] = next(k, total[j]);                                                  \
                    y[k] = (type)total[j];                                                         \
                }                                                                                  \
            line += some;                                                                          \
        }                                                                                          \
        for (; line + 4 <= l->lines; line += 4) {                                                  \
            wide t0 = first, t1 = first, t2 = first, t3 = first;                                   \
            for (int64_t i = 0, k = line * gap; i < n; i++, k += step) {                           \
                t0 = next(k, t0), t1 = next(k + gap, t1);                                          \
                t2 = next(k + 2 * gap, t2), t3 = next(k + 3 * gap, t3);                            \
                y[k] = (type)t0, y[k + gap] = (type)t1;                                            \
                y[k + 2 * gap] = (type)t2, y[k + 3 * gap] = (type)t3;                              \
            }                                                                                      \
        }                                                                                          \
        for (; line < l->lines; line++) {                                                          \
            wide total = first;                                                                    \
            for (int64_t i = 0, k = line * gap; i < n; i++, k += step)                             \
                y[k] = (type)(total = next(k, total));                                             \
        }                                                                                          \
    }
#define SUM(k, total)            ((total) + (double)a[k])
#define SUM_I64(k, total)        ((total) + a[k])
#define TIMES(k, total)          ((double)x[k] * (total))
#define TIMES_I64(k, total)      (x[k] * (total))
#define RECURRENCE(k, total)     ((double)a[k] + (double)x[k] * (total))
#define RECURRENCE_I64(k, total) (a[k] + x[k] * (total))
SCAN(sum_f32, float, double, 0, SUM)
SCAN(sum_i64, uint64_t, uint64_t, 0, SUM_I64)
SCAN(product_f32, float, double, 1, TIMES)
SCAN(product_f64, double, double, 1, TIMES)
SCAN(product_i64, uint64_t, uint64_t, 1, TIMES_I64)
SCAN(recurrence_f32, float, double, 0, RECURRENCE)
SCAN(recurrence_f64, double, double, 0, RECURRENCE)
SCAN(recurrence_i64, uint64_t, uint64_t, 0, RECURRENCE_I64)
#undef SCAN
#undef SUM
#undef SUM_I64
#undef TIMES
#undef TIMES_I64
#undef RECURRENCE
#undef RECURRENCE_I64

/* Adds up blocks of terms, and each block to the compensated sum of those before. Once a block has
 * made this sum infinite or NaN, the compensation is NaN; from that block on every term is added to
 * the running sum itself. */
static void sum_line_f64(int64_t n, int64_t step, const double *a, double *y)
{
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

/* The same for EIGHT runs at a time. Returns false if a compensation is NaN. */
enum { EIGHT = 8 };
static bool sum_eight_f64(const scan_lines *l, const double *a, double *restrict y)
{
    double sum[EIGHT] = {0}, rest[EIGHT] = {0};
    for (int64_t from = 0; from < l->n; from += SUM_BLOCK) {
        double part[EIGHT] = {0}, odd = 0;
        for (int64_t i = from; i < l->n && i < from + SUM_BLOCK; i++)
            for (int j = 0; j < EIGHT; j++) {
                const int64_t k = i * l->step + j * l->gap;
                part[j] += a[k];
                y[k] = sum[j] + (rest[j] + part[j]);
            }
        for (int j = 0; j < EIGHT; j++) {
            long_sum before = {sum[j], rest[j]};
            tg__add_term(&before, part[j]);
            sum[j] = before.sum;
            rest[j] = before.rest;
            odd += 0 * rest[j];
        }
        if (isnan(odd)) return false;
    }
    return true;
}

static void sum_f64(const scan_lines *l)
{
    const double *a = l->a;
    double *y = l->y;
    for (int64_t i = 0, some; i < l->lines; i += some) {
        some = l->lines - i < EIGHT ? 1 : EIGHT;
        if (some == EIGHT && sum_eight_f64(l, a + i * l->gap, y + i * l->gap)) continue;
        for (int64_t j = i; j < i + some; j++)
            sum_line_f64(l->n, l->step, a + j * l->gap, y + j * l->gap);
    }
}

typedef void scan_function(const scan_lines *l);

/* Work that is split among threads: groups of runs that lie side by side, or rows. */
typedef struct scan_work {
    scan_function *scan;
    size_t size;
    int64_t n, step; /* of a run */
    bool reverse;
    const char *a, *x;
    char *y;
} scan_work;

/* Computes the runs [from, to). */
static void scan_some(void *work, int64_t from, int64_t to)
{
    const scan_work *w = work;
    for (int64_t i = from, end; i < to; i = end) {
        const int64_t side = w->step > 1 ? w->step : to; /* runs that lie side by side */
        end = w->step > 1 ? i - i % side + side : to;
        if (end > to) end = to;
        int64_t at = i / w->step * w->step * w->n + i % w->step;
        if (w->reverse) at += (w->n - 1) * w->step;
        const size_t first = (size_t)at * w->size;
        w->scan(&(scan_lines){.lines = end - i,
                              .gap = w->step > 1 ? 1 : w->n,
                              .n = w->n,
                              .step = w->reverse ? -w->step : w->step,
                              .a = w->a ? w->a + first : NULL,
                              .x = w->x ? w->x + first : NULL,
                              .y = w->y + first});
    }
}

/* Runs the function of the dtype over inputs a and x, of which one may be NULL. */
static bool scan(const call *c, scan_function *const by_dtype[K_TYPES], tg_tensor *a, tg_tensor *x)
{
    a = a ? tg__contiguous(a) : NULL;
    x = x ? tg__contiguous(x) : NULL;
    if ((!a && !x) || (c->n == 2 && !(a && x))) return false;
    const int dim = (int)c->a[SCAN_DIM].i;
    const tg_tensor *y = c->out;
    scan_work w = {.scan = by_dtype[y->dtype],
                   .size = tg__dtype_size(y->dtype),
                   .n = y->ndim ? y->shape[dim] : 1,
                   .step = y->ndim ? y->strides[dim] : 1,
                   .reverse = c->a[SCAN_REVERSE].i != 0,
                   .a = a ? a->data : NULL,
                   .x = x ? x->data : NULL,
                   .y = y->data};
    if (y->numel > 0) tg__split(c->tg, y->numel / w.n, tg__grain_of(w.n), scan_some, &w);
    return true;
}

static bool cumsum_forward(const call *c)
{
    static scan_function *const sums[K_TYPES] = {sum_f32, sum_f64, sum_i64};
    return scan(c, sums, c->in[0], NULL);
}

static bool cumprod_forward(const call *c)
{
    static scan_function *const products[K_TYPES] = {product_f32, product_f64, product_i64};
    return scan(c, products, NULL, c->in[0]);
}

static bool recurrence_forward(const call *c)
{
    static scan_function *const recurrences[K_TYPES] = {recurrence_f32, recurrence_f64,
                                                        recurrence_i64};
    return scan(c, recurrences, c->in[0], c->in[1]);
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

static tg_tensor *apply_scan(const op_row *o, tg_tensor *a, tg_tensor *x, int dim, bool reverse)
{
    return tg__apply(o, x ? 2 : 1, (tg_tensor *[]){a, x},
                     (attr[TG_ATTRS]){[SCAN_DIM] = {.i = dim}, [SCAN_REVERSE] = {.i = reverse}});
}

static tg_tensor *cumsum_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return apply_scan(r->op, g, NULL, (int)r->a[SCAN_DIM].i, !r->a[SCAN_REVERSE].i);
}

static const op_row cumsum_op = {
    .name = "cumsum",
    .grad_name = "CumsumBackward0",
    .shape = scan_shape,
    .forward = cumsum_forward,
    .grad = cumsum_grad,
};

/* y[i] = a[i] + x[i] y[i - 1]. The gradient of a[i] is that of y[i] and of all that follows from
 * it: G[i] = g[i] + x[i+1] G[i+1], which is the recurrence in the other direction with x shifted by
 * one. The gradient of x[i] is G[i] y[i-1]. */
static tg_tensor *recurrence_grad(const record *r, int i, tg_tensor *g)
{
    const int dim = (int)r->a[SCAN_DIM].i;
    const bool reverse = r->a[SCAN_REVERSE].i != 0;
    tg_tensor *x = shift_by_one(r->in[1].t, dim, !reverse, 0);
    tg_tensor *grad_a = x ? apply_scan(r->op, g, x, dim, !reverse) : NULL;
    return i == 0 ? grad_a : tg_mul(grad_a, shift_by_one(r->out, dim, reverse, 0));
}

static const op_row recurrence_op = {
    .name = "cumprod",
    .grad_name = "CumprodBackward0",
    .shape = scan_shape,
    .forward = recurrence_forward,
    .grad = recurrence_grad,
    .reads = {READS_1, READS_1 | READS_OUT},
};

/* The gradient that recurrence_grad gives to x[i], with y[-1] = 1 and a[i] = 0. */
static tg_tensor *cumprod_grad(const record *r, int i, tg_tensor *g)
{
    const int dim = (int)r->a[SCAN_DIM].i;
    tg_tensor *x = shift_by_one(r->in[i].t, dim, true, 0);
    return x ? tg_mul(apply_scan(&recurrence_op, g, x, dim, true),
                      shift_by_one(r->out, dim, false, 1))
             : NULL;
}

static const op_row cumprod_op = {
    .name = "cumprod",
    .grad_name = "CumprodBackward0",
    .shape = scan_shape,
    .forward = cumprod_forward,
    .grad = cumprod_grad,
    .reads = {READS_0 | READS_OUT},
};

static tg_tensor *running(const op_row *o, tg_tensor *a, int dim)
{
    frame f;
    tg__enter(&f, o->name, a);
    a = tg__bool_to_int64(a);
    const int d = a ? tg__dim(a, o->name, dim, a->ndim) : -1;
    return tg__leave(&f, d >= 0 ? apply_scan(o, a, NULL, d, false) : NULL);
}

tg_tensor *tg_cumsum(tg_tensor *a, int dim)
{
    return running(&cumsum_op, a, dim);
}

tg_tensor *tg_cumprod(tg_tensor *a, int dim)
{
    return running(&cumprod_op, a, dim);
}

tg_tensor *tg__times_others(tg_tensor *g, tg_tensor *x, int dim)
{
    tg_tensor *none = tg_zeros_like(tg_narrow(x, dim, 1, x->shape[dim] - 1));
    tg_tensor *before = shift_by_one(tg_cumprod(x, dim), dim, false, 1);
    tg_tensor *after = shift_by_one(x, dim, true, 0), *last = tg_cat(TG_LIST(none, g), dim);
    return last && after ? tg_mul(apply_scan(&recurrence_op, last, after, dim, true), before)
                         : NULL;
}
