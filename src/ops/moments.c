/* The mean and the variance of terms, and what normalization makes of them. Kernels add terms up in
 * float64 without a copy of the input. */
#include "moments.h"

#include <float.h>
#include <math.h>

/* ---- The walk over a contiguous tensor. Neighbouring dimensions are joined to one group where all
 * of them are reduced or all are kept. Groups of both kinds then alternate, and of the last two
 * groups one is kept and the other reduced: they form a matrix, which a kernel takes. There is such
 * a matrix for each index of the other, outer groups.
 *
 * The walk computes a few outputs completely before it goes on to the next ones, because the
 * variance takes a second pass over the terms, which are then still in a cache. */

/* Finds the groups of x, whose reduced dimensions have a bit set. Dimensions of size 1 belong to
 * none. */
static void find_groups(moments_walk *w, uint64_t bits)
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
    w->outer[0].count = w->outer[1].count = 1;
    for (int64_t step = w->kept * w->reduced; n-- > 0; step *= size[n]) {
        outer_dims *o = &w->outer[reduced[n]];
        o->size[o->groups] = size[n];
        o->step[o->groups++] = step;
        o->count *= size[n];
    }
}

int64_t tg__outer_offset(const outer_dims *o, int64_t i)
{
    int64_t at = 0;
    for (int g = 0; g < o->groups; i /= o->size[g++]) at += i % o->size[g] * o->step[g];
    return at;
}

/* A strip is the outputs of one matrix that are computed together. Visits the strips [from, to). */
static void visit_outputs(void *work, int64_t from, int64_t to)
{
    const moments_walk *w = work;
    const int64_t strips = (w->kept + w->at_once - 1) / w->at_once;
    for (int64_t i = from; i < to; i++) {
        const int64_t first = i % strips * w->at_once, left = w->kept - first;
        const int64_t at = tg__outer_offset(&w->outer[0], i / strips);
        w->visit(w, i / strips * w->kept + first, at + first * (w->rows ? w->reduced : 1),
                 left < w->at_once ? left : w->at_once);
    }
}

/* How many outputs are computed together. If they are made of rows, these rows fit in the
 * second-level cache, but they are not so few that a contiguous piece of their elements is short.
 * If they are made of columns, which lie side by side, they are as many as possible; half as many
 * if threads share the work. */
static int64_t outputs_at_once(const moments_walk *w)
{
    enum { CACHED = 1 << 15, PIECE = 1 << 8 }; /* elements */
    if (!w->rows) return w->c->tg->team ? AT_ONCE / 2 : AT_ONCE;
    const int64_t fit = CACHED / tg__times(w->reduced, w->outer[1].count);
    const int64_t least = w->outer[1].count > 1 ? PIECE / w->reduced : 1;
    const int64_t n = fit > least ? fit : least;
    return n < 1 ? 1 : n < AT_ONCE / 2 ? n : AT_ONCE / 2;
}

moments_walk tg__moments_walk(const call *c, const tg_tensor *x)
{
    moments_walk w = {.c = c, .x = x, .terms = (double)tg__count_terms(x, c->a)};
    find_groups(&w, (uint64_t)c->a[REDUCE_BITS].i);
    w.at_once = w.terms > 0 ? outputs_at_once(&w) : AT_ONCE;
    return w;
}

void tg__visit_outputs(moments_walk *w, output_visit *visit, const void *with)
{
    const int64_t strips = (w->kept + w->at_once - 1) / w->at_once * w->outer[0].count;
    const int64_t terms = tg__times(w->reduced, w->outer[1].count);
    w->visit = visit;
    w->with = with;
    if (strips > 0)
        tg__split(w->c->tg, strips, tg__grain_of(tg__times(w->at_once, terms)), visit_outputs, w);
}

/* Visits all outputs of an operation on its first input, which needs memory only if it is not
 * contiguous; false if there is none. */
static bool visit_all(const call *c, output_visit *visit)
{
    const tg_tensor *x = tg__contiguous(c->in[0]);
    if (!x) return false;
    moments_walk w = tg__moments_walk(c, x);
    tg__visit_outputs(&w, visit, NULL);
    return true;
}

matrix_view tg__matrix_of(const moments_walk *w, int64_t n)
{
    return w->rows ? (matrix_view){n, w->reduced, w->reduced}
                   : (matrix_view){w->reduced, n, w->kept};
}

void *tg__element_of(const moments_walk *w, const void *data, int64_t at)
{
    return (char *)(uintptr_t)data + (size_t)at * tg__dtype_size(w->x->dtype);
}

/* sum[i] becomes the sum of what MOMENT_* `what` makes of the terms of output i, for the n outputs
 * whose first term is element `at` of data. */
static void sum_terms(const moments_walk *w, const void *data, int what, int64_t at, int64_t n,
                      const double *mean, double scale, double *sum)
{
    const tg_dtype d = w->x->dtype;
    const int level = w->c->tg->level;
    const matrix_view v = tg__matrix_of(w, n);
    moments_kernel *f = w->rows ? pick(level, moments, d) : pick(level, moments_columns, d);
    double rest[AT_ONCE];
    for (int64_t i = 0; i < n; i++) sum[i] = rest[i] = 0;
    for (int64_t i = 0; w->x->numel > 0 && i < w->outer[1].count; i++)
        f(what, v.rows, v.columns, sum, rest,
          tg__element_of(w, data, at + tg__outer_offset(&w->outer[1], i)), v.stride, mean, scale);
    for (int64_t i = 0; i < n; i++)
        if (isfinite(rest[i])) sum[i] += rest[i];
}

/* In float64 the mean is corrected by the mean of the deviations from it, which is its rounding
 * error. The mean of equal numbers is thereby exactly that number. */
void tg__means(const moments_walk *w, const void *data, int64_t at, int64_t n, double *mean)
{
    sum_terms(w, data, MOMENT_SUM, at, n, NULL, 1, mean);
    for (int64_t i = 0; i < n; i++) mean[i] /= w->terms;
    if (w->x->dtype != TG_F64) return;
    double error[AT_ONCE];
    sum_terms(w, data, MOMENT_DEVIATIONS, at, n, mean, 1, error);
    for (int64_t i = 0; i < n; i++)
        if (isfinite(error[i])) mean[i] += error[i] / w->terms;
}

void tg__deviations(const moments_walk *w, void *out, const void *data, int64_t at, int64_t n,
                    const double *mean)
{
    const matrix_view v = tg__matrix_of(w, n);
    deviations_kernel *subtract = pick(w->c->tg->level, deviations, w->x->dtype);
    for (int64_t i = 0; i < w->outer[1].count; i++) {
        const int64_t first = at + tg__outer_offset(&w->outer[1], i);
        subtract(w->rows, v.rows, v.columns, tg__element_of(w, out, first),
                 tg__element_of(w, data, first), v.stride, mean);
    }
}

static void store_outputs(tg_tensor *t, int64_t at, int64_t n, const double *values)
{
    for (int64_t i = 0; i < n; i++) tg__store(t->dtype, t->data, at + i, values[i]);
}

/* ---- Operations with a second result, which autograd does not know. The caller passes a tensor
 * for it as the second input, which the forward fills and which gets no gradient. */
static bool float_reduction_shape(const call *c, spec *s)
{
    s->dtype = c->in[0]->dtype;
    tg__reduced_shape(c, s);
    return tg__check_dtype(c, c->in[0], tg__is_float(s->dtype));
}

static tg_tensor *apply_with_second_result(const op_row *o, tg_tensor *x, const attr *a,
                                           tg_tensor **filled)
{
    int64_t shape[TG_MAX_DIMS];
    for (int d = 0; d < x->ndim; d++) shape[d] = tg__is_reduced(a, d) ? 1 : x->shape[d];
    if (!filled) return tg__apply(o, 1, &x, a);
    *filled = tg__new(x->context, x->dtype, x->ndim, shape);
    return *filled ? tg__apply(o, 2, (tg_tensor *[]){x, *filled}, a) : NULL;
}

/* ---- center: x minus its mean. The operation is a symmetric projection, whose gradient is the
 * operation itself, applied to g. */

static void center_outputs(const moments_walk *w, int64_t out, int64_t at, int64_t n)
{
    double mean[AT_ONCE];
    tg__means(w, w->x->data, at, n, mean);
    if (w->c->n > 1) store_outputs(w->c->in[1], out, n, mean);
    tg__deviations(w, w->c->out->data, w->x->data, at, n, mean);
}

static bool center_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && tg__same_shape(c, s);
}

static bool center_forward(const call *c)
{
    return c->out->numel == 0 || visit_all(c, center_outputs);
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
    return tg__centered(g, r->a);
}

tg_tensor *tg__centered(tg_tensor *x, const attr *a)
{
    return tg__apply(&center_op, 1, &x, a);
}

tg_tensor *tg__center(tg_tensor *x, tg_shape dims, tg_tensor **mean)
{
    uint64_t bits;
    if (!x || !tg__dim_bits(x, center_op.name, dims, &bits)) return NULL;
    return apply_with_second_result(&center_op, x,
                                    (attr[TG_ATTRS]){[REDUCE_BITS] = {.i = (int64_t)bits}}, mean);
}

/* ---- Variances and standard deviations. REDUCE_OWN is the correction. */

/* n - correction, by which the sum of squares is divided, but not less than 0. */
static double degrees_of_freedom(const tg_tensor *x, const attr *a)
{
    const double n = (double)tg__count_terms(x, a) - (double)a[REDUCE_OWN].i;
    return n > 0 ? n : 0;
}

/* *sum is the sum of (x - mean)^2 for the output whose first term is element `at` of data. If it
 * has overflowed, or has lost digits to underflow, replaces it by the sum of (scale (x - mean))^2
 * for a scale that avoids this. Returns the scale, which is 1 if *sum was right. */
static double sum_in_range(const moments_walk *w, const void *data, int64_t at, const double *mean,
                           double *sum)
{
    const bool vanishes = *sum < w->terms * DBL_MIN;
    if (!vanishes && !(*sum > DBL_MAX)) return 1;
    const double scale = vanishes ? 0x1p600 : 0x1p-600;
    sum_terms(w, data, MOMENT_VARIANCE, at, 1, mean, scale, sum);
    return scale;
}

/* Computes the variances of n outputs, or their roots, which are the standard deviations. */
static void var_or_std_outputs(const moments_walk *w, bool root, int64_t out, int64_t at, int64_t n)
{
    const double count = degrees_of_freedom(w->c->in[0], w->c->a);
    double mean[AT_ONCE], sum[AT_ONCE];
    const void *data = w->x->data;
    tg__means(w, data, at, n, mean);
    sum_terms(w, data, MOMENT_VARIANCE, at, n, mean, 1, sum);
    for (int64_t i = 0; i < n; i++) {
        const int64_t first = at + i * (w->rows ? w->reduced : 1);
        const double scale =
            w->x->dtype == TG_F64 ? sum_in_range(w, data, first, mean + i, sum + i) : 1;
        sum[i] = root ? sqrt(sum[i] / count) / scale : sum[i] / count / scale / scale;
    }
    store_outputs(w->c->out, out, n, sum);
}

static void var_outputs(const moments_walk *w, int64_t out, int64_t at, int64_t n)
{
    var_or_std_outputs(w, false, out, at, n);
}

static void std_outputs(const moments_walk *w, int64_t out, int64_t at, int64_t n)
{
    var_or_std_outputs(w, true, out, at, n);
}

static bool var_forward(const call *c)
{
    return visit_all(c, var_outputs);
}

static bool std_forward(const call *c)
{
    return visit_all(c, std_outputs);
}

/* dvar/dx = 2 (x - mean) / (n - correction). The mean depends on x, too, but moves no sum of
 * squares to first order, as the deviations add up to 0. */
static tg_tensor *var_grad(const record *r, int i, tg_tensor *g)
{
    g = tg_mul_scalar(tg__restore_dims(r, g), 2);
    return tg_mul(tg__centered(r->in[0].t, r->a),
                  tg_div_scalar(g, degrees_of_freedom(r->in[i].t, r->a)));
}

/* dstd/dx = dvar/dx / (2 std) = (x - mean) / ((n - correction) std). */
static tg_tensor *std_grad(const record *r, int i, tg_tensor *g)
{
    g = tg_div_scalar(tg__restore_dims(r, g), degrees_of_freedom(r->in[i].t, r->a));
    return tg__norm_backward(tg__centered(r->in[0].t, r->a), g, tg__restore_dims(r, r->out));
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
    return tg__reduce_dims_with(&var_op, a, dims, keepdim, (attr){.i = correction});
}

tg_tensor *tg_var(tg_tensor *a, int64_t correction)
{
    return tg_var_dims(a, TG_DIMS(), correction, false);
}

tg_tensor *tg_std_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim)
{
    return tg__reduce_dims_with(&std_op, a, dims, keepdim, (attr){.i = correction});
}

tg_tensor *tg_std(tg_tensor *a, int64_t correction)
{
    return tg_std_dims(a, TG_DIMS(), correction, false);
}

/* ---- 1 / sqrt(mean of x^2 + eps), where REDUCE_OWN is eps. The second result is the mean of
 * x^2. */

/* Computes one output, and its mean of squares, when the sum of squares has overflowed or has lost
 * digits to underflow in the type in which the kernel added it up. */
static void inverse_in_range(const moments_walk *w, void *room, int64_t at, const double *mean,
                             double eps, double *square, double *inverse)
{
    const double none = 0;
    if (room != w->x->data) tg__deviations(w, room, w->x->data, at, 1, mean);
    sum_terms(w, room, MOMENT_VARIANCE, at, 1, &none, 1, square);
    const double scale = sum_in_range(w, room, at, &none, square), by_scale = *square / w->terms;
    *square = by_scale / scale / scale;
    *inverse = isinf(*square) || eps == 0 ? scale / sqrt(by_scale) : 1 / sqrt(*square + eps);
}

void tg__inverse_deviations(const moments_walk *w, void *room, int64_t at, int64_t n,
                            const double *mean, double eps, double *square, double *inverse)
{
    const dtype_row *type = &tg__dtypes[w->x->dtype];
    const double least = w->terms * type->least, most = type->most;
    sum_terms(w, w->x->data, MOMENT_SQUARES, at, n, mean, 1, square);
    for (int64_t i = 0; i < n; i++) {
        const double sum = square[i];
        square[i] = sum / w->terms;
        inverse[i] = 1 / sqrt(square[i] + eps);
        if (!(sum >= least && sum <= most))
            inverse_in_range(w, room, at + i * (w->rows ? w->reduced : 1), mean + i, eps,
                             square + i, inverse + i);
    }
}

static void inverse_outputs(const moments_walk *w, int64_t out, int64_t at, int64_t n)
{
    const call *c = w->c;
    double none[AT_ONCE], square[AT_ONCE], inverse[AT_ONCE];
    for (int64_t i = 0; i < n; i++) none[i] = 0;
    tg__inverse_deviations(w, w->x->data, at, n, none, c->a[REDUCE_OWN].f, square, inverse);
    store_outputs(c->out, out, n, inverse);
    if (c->n > 1) store_outputs(c->in[1], out, n, square);
}

static bool inverse_forward(const call *c)
{
    return visit_all(c, inverse_outputs);
}

/* y = (q + eps)^(-1/2) with q = mean of x^2, and dq/dx = 2 x / n; hence dy/dx = -x y^3 / n. The
 * product x y^3 g is computed as (x y) (y g y): x y is about 1, and with 1 / y in place of y
 * tg__norm_backward computes it without overflow. */
static tg_tensor *inverse_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *y = r->out;
    const int64_t terms = tg__count_terms(x, r->a);
    g = tg_mul_scalar(tg_mul(tg_mul(y, g), y), terms > 0 ? -1 / (double)terms : 0);
    return tg__norm_backward(x, g, tg_reciprocal(y));
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

tg_tensor *tg__inverse_of(tg_tensor *x, const attr *a)
{
    return tg__apply(&inverse_op, 1, &x, a);
}

tg_tensor *tg__inverse_deviation(tg_tensor *x, tg_shape dims, double eps, tg_tensor **var)
{
    uint64_t bits;
    if (!x || !tg__dim_bits(x, inverse_op.name, dims, &bits)) return NULL;
    const attr a[TG_ATTRS] = {[REDUCE_BITS] = {.i = (int64_t)bits},
                              [REDUCE_KEEPDIM] = {.i = TG_KEEPDIM},
                              [REDUCE_OWN] = {.f = eps}};
    return apply_with_second_result(&inverse_op, x, a, var);
}
