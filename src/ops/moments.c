/* Means, deviations from them and variances, worked out in float64 without a copy of the input. */
#include "op.h"
#include "reduce.h"

#include <float.h>
#include <math.h>

/* ---- The walk over a contiguous tensor. Neighbouring dimensions are joined to one group where all
 * of them are reduced or all are kept, so that groups of both kinds alternate. The last two groups,
 * of which one is kept and the other reduced, form a matrix that a kernel takes; the walk visits
 * such a matrix for each index of the other groups. It computes a few outputs completely before it
 * goes on to the next ones, so that their terms are still in a cache when a second pass reads them.
 */

enum { AT_ONCE = 64 }; /* most outputs that are computed together */

typedef struct outer_groups {
    int groups;
    int64_t size[TG_MAX_DIMS], step[TG_MAX_DIMS]; /* in elements */
    int64_t count;
} outer_groups;

typedef struct walk_of_moments moments_walk;

/* Computes the n outputs from number `out` on, the first of whose terms is element `at` of x. It
 * may be called on any thread. */
typedef void output_visit(const moments_walk *w, int64_t out, int64_t at, int64_t n);

struct walk_of_moments {
    const call *c;
    const tg_tensor *x; /* contiguous */
    output_visit *each;
    int64_t kept, reduced;  /* sizes of the last two groups */
    bool rows;              /* the last group is reduced: a row has the terms of one output */
    outer_groups before[2]; /* [0]: the other groups that are kept; [1]: those that are reduced */
    int64_t at_once;
    double terms;
};

static void cut_in_groups(moments_walk *w, uint64_t bits)
{
    const tg_tensor *x = w->x;
    bool reduced[TG_MAX_DIMS] = {false};
    int64_t size[TG_MAX_DIMS] = {0};
    int n = 0;
    for (int d = 0; d < x->ndim; d++) {
        const bool r = bits >> d & 1;
        if (x->shape[d] == 1) continue;
        const bool joins = n > 0 && reduced[n - 1] == r;
        size[joins ? n - 1 : n] = joins ? size[n - 1] * x->shape[d] : x->shape[d];
        if (!joins) reduced[n++] = r;
    }
    w->rows = n == 0 || reduced[n - 1];
    const int64_t last = n > 0 ? size[--n] : 1, other = n > 0 ? size[--n] : 1;
    w->kept = w->rows ? other : last;
    w->reduced = w->rows ? last : other;
    w->before[0].count = w->before[1].count = 1;
    for (int64_t step = w->kept * w->reduced; n-- > 0; step *= size[n]) {
        outer_groups *o = &w->before[reduced[n]];
        o->size[o->groups] = size[n];
        o->step[o->groups++] = step;
        o->count *= size[n];
    }
}

static int64_t offset_of(const outer_groups *o, int64_t i)
{
    int64_t at = 0;
    for (int g = 0; g < o->groups; i /= o->size[g++]) at += i % o->size[g] * o->step[g];
    return at;
}

static void some_visits(void *work, int64_t from, int64_t to)
{
    const moments_walk *w = work;
    const int64_t strips = (w->kept + w->at_once - 1) / w->at_once;
    for (int64_t i = from; i < to; i++) {
        const int64_t first = i % strips * w->at_once, left = w->kept - first;
        const int64_t at = offset_of(&w->before[0], i / strips);
        w->each(w, i / strips * w->kept + first, at + first * (w->rows ? w->reduced : 1),
                left < w->at_once ? left : w->at_once);
    }
}

/* Visits all outputs of a reduction, or all elements of a tensor to be centered. */
static bool visit_all(const call *c, output_visit *each)
{
    enum { CACHED = 1 << 15 }; /* elements in the rows of the outputs computed together */
    moments_walk w = {.c = c, .x = tg__contiguous(c->in[0]), .each = each, .at_once = AT_ONCE};
    if (!w.x) return false;
    w.terms = (double)tg__terms(c->in[0], c->a);
    cut_in_groups(&w, (uint64_t)c->a[0].i);
    if (w.kept == 0 || w.before[0].count == 0) return true;
    if (w.rows && w.reduced > CACHED / AT_ONCE)
        w.at_once = w.reduced < CACHED ? CACHED / w.reduced : 1;
    const int64_t strips = (w.kept + w.at_once - 1) / w.at_once * w.before[0].count;
    const int64_t terms = w.reduced * w.before[1].count;
    tg__split(c->tg, strips, tg__grain_of(w.at_once * terms), some_visits, &w);
    return true;
}

/* The matrix as the kernels take it. */
typedef struct view_of_matrix {
    int64_t rows, columns, stride;
} matrix_view;

static matrix_view matrix_of(const moments_walk *w, int64_t n)
{
    return w->rows ? (matrix_view){n, w->reduced, w->reduced}
                   : (matrix_view){w->reduced, n, w->kept};
}

static void *element_of_moments(const moments_walk *w, const void *data, int64_t at)
{
    return (char *)(uintptr_t)data + (size_t)at * tg__dtype_size(w->x->dtype);
}

static void add_up_moments(const moments_walk *w, int what, int64_t at, int64_t n,
                           const double *mean, double scale, double *sum)
{
    const tg_dtype d = w->x->dtype;
    const int level = w->c->tg->level;
    const matrix_view v = matrix_of(w, n);
    moments_kernel *f = w->rows ? pick(level, moments, d) : pick(level, moments_columns, d);
    double rest[AT_ONCE] = {0};
    for (int64_t i = 0; i < n; i++) sum[i] = 0;
    for (int64_t i = 0; w->x->numel > 0 && i < w->before[1].count; i++)
        f(what, v.rows, v.columns, sum, rest,
          element_of_moments(w, w->x->data, at + offset_of(&w->before[1], i)), v.stride, mean,
          scale);
    for (int64_t i = 0; i < n; i++)
        if (isfinite(rest[i])) sum[i] += rest[i];
}

/* The means of n outputs. For float64 the mean of the deviations from it is added, which removes
 * its rounding error: the mean of equal numbers is then exactly that number. */
static void means_of(const moments_walk *w, int64_t at, int64_t n, double *mean)
{
    add_up_moments(w, MOMENT_SUM, at, n, NULL, 1, mean);
    for (int64_t i = 0; i < n; i++) mean[i] /= w->terms;
    if (w->x->dtype != TG_F64) return;
    double left[AT_ONCE];
    add_up_moments(w, MOMENT_DEVIATIONS, at, n, mean, 1, left);
    for (int64_t i = 0; i < n; i++)
        if (isfinite(left[i])) mean[i] += left[i] / w->terms;
}

static void store_outputs(tg_tensor *t, int64_t at, int64_t n, const double *values)
{
    for (int64_t i = 0; i < n; i++) tg__store(t->dtype, t->data, at + i, values[i]);
}

/* The shape of a reduction. Some reductions also fill a second tensor, which is passed as an input
 * and gets no gradient. */
static bool float_reduction_shape(const call *c, spec *s)
{
    s->dtype = c->in[0]->dtype;
    tg__reduced_shape(c, s);
    return tg__check_dtype(c, c->in[0], tg__is_float(s->dtype));
}

static tg_tensor *apply_filling(const op_row *o, tg_tensor *x, const attr *a, tg_tensor **filled)
{
    int64_t shape[TG_MAX_DIMS];
    for (int d = 0; d < x->ndim; d++) shape[d] = (uint64_t)a[0].i >> d & 1 ? 1 : x->shape[d];
    if (!filled) return tg__apply(o, 1, &x, a);
    *filled = tg__new(x->context, x->dtype, x->ndim, shape);
    return *filled ? tg__apply(o, 2, (tg_tensor *[]){x, *filled}, a) : NULL;
}

/* ---- x minus its mean. The gradient is the same operation on g. */

static void center_some(const moments_walk *w, int64_t out, int64_t at, int64_t n)
{
    const call *c = w->c;
    const matrix_view v = matrix_of(w, n);
    double mean[AT_ONCE];
    means_of(w, at, n, mean);
    if (c->n > 1) store_outputs(c->in[1], out, n, mean);
    for (int64_t i = 0; i < w->before[1].count; i++) {
        const int64_t place = at + offset_of(&w->before[1], i);
        pick(c->tg->level, deviations,
             w->x->dtype)(w->rows, v.rows, v.columns, element_of_moments(w, c->out->data, place),
                          element_of_moments(w, w->x->data, place), v.stride, mean);
    }
}

static bool center_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && tg__same_shape(c, s);
}

static bool center_forward(const call *c)
{
    return c->out->numel == 0 || visit_all(c, center_some);
}

static tg_tensor *center_grad(const record *r, int i, tg_tensor *g);

static const op_row center_op = {
    .name = "center",
    .grad_name = "SubBackward0",
    .shape = center_shape,
    .forward = center_forward,
    .grad = center_grad,
};

static tg_tensor *center_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return tg__apply(&center_op, 1, &g, r->a);
}

tg_tensor *tg__center(tg_tensor *x, tg_shape dims, tg_tensor **mean)
{
    uint64_t bits;
    if (!x || !tg__dim_bits(x, center_op.name, dims, &bits)) return NULL;
    return apply_filling(&center_op, x, (attr[TG_ATTRS]){{.i = (int64_t)bits}}, mean);
}

/* ---- Variances and standard deviations. a[2] is the correction. */

/* n - correction, by which a sum of squares is divided; 0 if that is negative. */
static double freedom(const tg_tensor *x, const attr *a)
{
    const double n = (double)tg__terms(x, a) - (double)a[2].i;
    return n > 0 ? n : 0;
}

/* For the one output whose first term is `at`: returns a scale, and makes *sum the sum of the
 * squares of scale (x - mean). *sum is given for scale 1, which stays unless that sum has
 * overflowed or has lost digits to underflow. */
static double brought_into_range(const moments_walk *w, int64_t at, const double *mean, double *sum)
{
    const bool vanishes = *sum < w->terms * DBL_MIN;
    if (!vanishes && !(*sum > DBL_MAX)) return 1;
    const double scale = vanishes ? 0x1p600 : 0x1p-600;
    add_up_moments(w, MOMENT_VARIANCE, at, 1, mean, scale, sum);
    return scale;
}

static void spread_of_some(const moments_walk *w, bool root, int64_t out, int64_t at, int64_t n)
{
    const double count = freedom(w->c->in[0], w->c->a);
    double mean[AT_ONCE], sum[AT_ONCE];
    means_of(w, at, n, mean);
    add_up_moments(w, MOMENT_VARIANCE, at, n, mean, 1, sum);
    for (int64_t i = 0; i < n; i++) {
        const int64_t first = at + i * (w->rows ? w->reduced : 1);
        const double scale =
            w->x->dtype == TG_F64 ? brought_into_range(w, first, mean + i, sum + i) : 1;
        sum[i] = root ? sqrt(sum[i] / count) / scale : sum[i] / count / scale / scale;
    }
    store_outputs(w->c->out, out, n, sum);
}

static void vary_some(const moments_walk *w, int64_t out, int64_t at, int64_t n)
{
    spread_of_some(w, false, out, at, n);
}

static void deviate_some(const moments_walk *w, int64_t out, int64_t at, int64_t n)
{
    spread_of_some(w, true, out, at, n);
}

static bool var_forward(const call *c)
{
    return visit_all(c, vary_some);
}

static bool std_forward(const call *c)
{
    return visit_all(c, deviate_some);
}

static tg_tensor *centered_input(const record *r)
{
    tg_tensor *x = r->in[0].t;
    return tg__apply(&center_op, 1, &x, r->a);
}

/* 2 (x - mean) g / (n - correction). */
static tg_tensor *var_grad(const record *r, int i, tg_tensor *g)
{
    g = tg_mul_scalar(tg__with_dims(r, g), 2);
    return tg_mul(centered_input(r), tg_div_scalar(g, freedom(r->in[i].t, r->a)));
}

/* (x - mean) g / (n - correction) / std. */
static tg_tensor *std_grad(const record *r, int i, tg_tensor *g)
{
    g = tg_div_scalar(tg__with_dims(r, g), freedom(r->in[i].t, r->a));
    return tg__over_norm(centered_input(r), g, tg__with_dims(r, r->out));
}

static const op_row var_op = {
    .name = "var",
    .grad_name = "VarBackward0",
    .shape = float_reduction_shape,
    .forward = var_forward,
    .grad = var_grad,
    .reads = {READS_0},
    .flags = OP_BROADCAST,
};
static const op_row std_op = {
    .name = "std",
    .grad_name = "StdBackward0",
    .shape = float_reduction_shape,
    .forward = std_forward,
    .grad = std_grad,
    .reads = {READS_0 | READS_OUT},
    .flags = OP_BROADCAST,
};

tg_tensor *tg_var_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim)
{
    return tg__over_dims_with(&var_op, a, dims, keepdim, (attr){.i = correction});
}

tg_tensor *tg_var(tg_tensor *a, int64_t correction)
{
    return tg_var_dims(a, TG_DIMS(), correction, false);
}

tg_tensor *tg_std_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim)
{
    return tg__over_dims_with(&std_op, a, dims, keepdim, (attr){.i = correction});
}

tg_tensor *tg_std(tg_tensor *a, int64_t correction)
{
    return tg_std_dims(a, TG_DIMS(), correction, false);
}

/* ---- 1 / sqrt(mean of x^2 + eps). The mean of x^2 is stored in the second input, if there is one.
 * a[2] is eps. */

/* The same for one output whose sum of squares has overflowed, or lost digits to underflow, in the
 * type in which it was added up. */
static void invert_one(const moments_walk *w, int64_t at, double eps, double *square,
                       double *inverse)
{
    const double none = 0;
    add_up_moments(w, MOMENT_VARIANCE, at, 1, &none, 1, square);
    const double scale = brought_into_range(w, at, &none, square), by_scale = *square / w->terms;
    *square = by_scale / scale / scale;
    *inverse = isinf(*square) || eps == 0 ? scale / sqrt(by_scale) : 1 / sqrt(*square + eps);
}

static void invert_some(const moments_walk *w, int64_t out, int64_t at, int64_t n)
{
    const call *c = w->c;
    const dtype_row *type = &tg__dtypes[w->x->dtype];
    const double eps = c->a[2].f, least = w->terms * type->least, most = type->most;
    double sum[AT_ONCE], square[AT_ONCE], inverse[AT_ONCE];
    add_up_moments(w, MOMENT_SQUARES, at, n, NULL, 1, sum);
    for (int64_t i = 0; i < n; i++) {
        square[i] = sum[i] / w->terms;
        inverse[i] = 1 / sqrt(square[i] + eps);
    }
    for (int64_t i = 0; i < n; i++)
        if (!(sum[i] >= least && sum[i] <= most))
            invert_one(w, at + i * (w->rows ? w->reduced : 1), eps, square + i, inverse + i);
    store_outputs(c->out, out, n, inverse);
    if (c->n > 1) store_outputs(c->in[1], out, n, square);
}

static bool inverse_forward(const call *c)
{
    return visit_all(c, invert_some);
}

/* -x y^3 g / n, in an order that keeps the factors x y and y g near 1. */
static tg_tensor *inverse_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *y = r->out;
    const int64_t terms = tg__terms(x, r->a);
    g = tg_mul_scalar(tg_mul(tg_mul(y, g), y), terms > 0 ? -1 / (double)terms : 0);
    return tg__over_norm(x, g, tg_reciprocal(y));
}

static const op_row inverse_op = {
    .name = "inverse_deviation",
    .grad_name = "RsqrtBackward0",
    .shape = float_reduction_shape,
    .forward = inverse_forward,
    .grad = inverse_grad,
    .reads = {READS_0 | READS_OUT},
    .flags = OP_BROADCAST,
};

tg_tensor *tg__inverse_deviation(tg_tensor *x, tg_shape dims, double eps, tg_tensor **var)
{
    uint64_t bits;
    if (!x || !tg__dim_bits(x, inverse_op.name, dims, &bits)) return NULL;
    const attr a[TG_ATTRS] = {{.i = (int64_t)bits}, {.i = TG_KEEPDIM}, {.f = eps}};
    return apply_filling(&inverse_op, x, a, var);
}
