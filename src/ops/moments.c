/* Means, deviations from them, and variances, worked out in float64 without a copy of the input. */
#include "../internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A dense tensor whose neighbouring dimensions are taken as one where all are reduced or all are
 * kept: of the last two groups one is kept and the other reduced, and each piece of them is a
 * matrix that a kernel takes. */
typedef struct pieces {
    const tg_tensor *x;
    int level;
    int64_t kept, reduced; /* sizes of the last two groups */
    bool rows;             /* the reduced one is last: each row of a piece has an output */
    int groups;            /* before them */
    int64_t size[TG_MAX_DIMS];
    int64_t step[TG_MAX_DIMS]; /* of the outputs; 0: reduced */
    int64_t count;
} pieces;

static void cut_in_pieces(pieces *w, const tg_tensor *x, uint64_t bits)
{
    bool reduced[TG_MAX_DIMS + 1];
    int n = 0;
    for (int d = 0; d < x->ndim; d++) {
        const bool r = bits >> d & 1;
        if (x->shape[d] == 1) continue;
        if (n > 0 && reduced[n - 1] == r) {
            w->size[n - 1] *= x->shape[d];
            continue;
        }
        w->size[n] = x->shape[d];
        reduced[n++] = r;
    }
    w->rows = n == 0 || reduced[n - 1];
    const int64_t last = n > 0 ? w->size[--n] : 1, other = n > 0 ? w->size[--n] : 1;
    w->kept = w->rows ? other : last;
    w->reduced = w->rows ? last : other;
    w->groups = n;
    w->count = 1;
    for (int64_t step = w->kept; n-- > 0; w->count *= w->size[n]) {
        w->step[n] = reduced[n] ? 0 : step;
        if (!reduced[n]) step *= w->size[n];
    }
}

/* Of the first output of a piece. */
static int64_t output_of(const pieces *w, int64_t piece)
{
    int64_t at = 0;
    for (int g = w->groups - 1; g >= 0; piece /= w->size[g--])
        at += piece % w->size[g] * w->step[g];
    return at;
}

typedef struct moments_work {
    const pieces *w;
    int what;
    const double *mean;
    double scale, *sum, *rest;
    void *out; /* of deviations */
} moments_work;

/* Where the outputs from one on begin in a piece, in elements. */
static int64_t element_of_piece(const pieces *w, int64_t piece, int64_t from)
{
    return piece * w->kept * w->reduced + from * (w->rows ? w->reduced : 1);
}

/* The outputs [from, to) of each piece. */
static void some_moments(void *work, int64_t from, int64_t to)
{
    const moments_work *m = work;
    const pieces *w = m->w;
    const tg_dtype d = w->x->dtype;
    moments_kernel *f = w->rows ? pick(w->level, moments, d) : pick(w->level, moments_columns, d);
    const int64_t rows = w->rows ? to - from : w->reduced, n = w->rows ? w->reduced : to - from;
    const int64_t stride = w->rows ? w->reduced : w->kept;
    for (int64_t i = 0; i < w->count; i++) {
        const int64_t out = output_of(w, i) + from;
        const void *a =
            (const char *)w->x->data + (size_t)element_of_piece(w, i, from) * tg__dtype_size(d);
        f(m->what, rows, n, m->sum + out, m->rest + out, a, stride, m->mean ? m->mean + out : NULL,
          m->scale);
    }
}

static void some_deviations(void *work, int64_t from, int64_t to)
{
    const moments_work *m = work;
    const pieces *w = m->w;
    const tg_dtype d = w->x->dtype;
    const int64_t rows = w->rows ? to - from : w->reduced, n = w->rows ? w->reduced : to - from;
    const int64_t stride = w->rows ? w->reduced : w->kept;
    for (int64_t i = 0; i < w->count; i++) {
        const size_t at = (size_t)element_of_piece(w, i, from) * tg__dtype_size(d);
        pick(w->level, deviations, d)(w->rows, rows, n, (char *)m->out + at,
                                      (const char *)w->x->data + at, stride,
                                      m->mean + output_of(w, i) + from);
    }
}

/* On all threads; a thread has as many columns as are taken together, at least. */
static void over_pieces(const pieces *w, portion *run, moments_work *m)
{
    enum { TOGETHER = 64 };
    const int64_t grain = tg__grain_of(w->reduced * w->count);
    m->w = w;
    if (w->x->numel > 0)
        tg__split(w->x->context, w->kept, w->rows || grain > TOGETHER ? grain : TOGETHER, run, m);
}

/* sum[i] = the sum for output i. */
static void add_up(const pieces *w, int64_t outputs, moments_work m)
{
    memset(m.sum, 0, (size_t)outputs * sizeof(double));
    memset(m.rest, 0, (size_t)outputs * sizeof(double));
    over_pieces(w, some_moments, &m);
    for (int64_t i = 0; i < outputs; i++)
        if (isfinite(m.rest[i])) m.sum[i] += m.rest[i];
}

/* The means. Those of float64 once more, from what is left when they are taken away: what is the
 * same everywhere is its own mean. */
static void means_of(const pieces *w, int64_t outputs, double terms, double *mean, double *work)
{
    moments_work m = {.what = MOMENT_SUM, .sum = mean, .rest = work};
    add_up(w, outputs, m);
    for (int64_t i = 0; i < outputs; i++) mean[i] /= terms;
    if (w->x->dtype == TG_F32) return;
    m.what = MOMENT_DEVIATIONS;
    m.mean = mean;
    m.sum = work;
    m.rest = work + outputs;
    add_up(w, outputs, m);
    for (int64_t i = 0; i < outputs; i++)
        if (isfinite(work[i])) mean[i] += work[i] / terms;
}

/* ---- x less its mean. The second input is the mean, in float64; the gradient does the same. */

static tg_tensor *center(tg_tensor *x, uint64_t bits, tg_tensor **mean);

static bool center_run(const call *c)
{
    const tg_tensor *x = tg__dense(c->in[0]);
    if (!x) return false;
    pieces w = {.x = x, .level = c->tg->level};
    cut_in_pieces(&w, x, (uint64_t)c->a[0].i);
    over_pieces(&w, some_deviations, &(moments_work){.mean = c->in[1]->data, .out = c->out->data});
    return true;
}

static tg_tensor *center_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return center(g, (uint64_t)r->a[0].i, NULL);
}

static const op_row center_op = {
    "center", "SubBackward0", tg__same_shape, center_run, center_grad, {0}, 0, 0};

static tg_tensor *means(tg_tensor *x, uint64_t bits)
{
    int64_t shape[TG_MAX_DIMS];
    const attr a = {.i = (int64_t)bits};
    for (int d = 0; d < x->ndim; d++) shape[d] = bits >> d & 1 ? 1 : x->shape[d];
    tg_tensor *mean = tg__new(x->context, TG_F64, x->ndim, shape);
    tg_tensor *work = mean ? tg__new(x->context, TG_F64, 1, &(int64_t){2 * mean->numel}) : NULL;
    const tg_tensor *dense = work ? tg__dense(x) : NULL;
    if (!dense) return NULL;
    pieces w = {.x = dense, .level = x->context->level};
    cut_in_pieces(&w, dense, bits);
    means_of(&w, mean->numel, (double)tg__terms(x, &a), mean->data, work->data);
    return mean;
}

static tg_tensor *center(tg_tensor *x, uint64_t bits, tg_tensor **mean)
{
    frame f;
    if (!x) return NULL;
    tg__enter(&f, NULL, x);
    tg_tensor *both[] = {x, means(x, bits)};
    tg_tensor *y =
        both[1] ? tg__apply(&center_op, 2, both, (attr[TG_ATTRS]){{.i = (int64_t)bits}}) : NULL;
    if (mean) *mean = both[1];
    tg__leave_with(&f, 2, (tg_tensor *[]){y, mean ? both[1] : y});
    return y;
}

static const char *const center_name = "center";

tg_tensor *tg__center(tg_tensor *x, tg_shape dims, tg_tensor **mean)
{
    uint64_t bits;
    if (mean) *mean = NULL;
    if (!x || !tg__dim_bits(x, center_name, dims, &bits)) return NULL;
    return tg__is_float(x->dtype) ? center(x, bits, mean) : tg__refuse_dtype(center_name, x);
}

/* ---- The mean of squares. */

static bool float_reduction_shape(const call *c, spec *s)
{
    s->dtype = c->in[0]->dtype;
    tg__reduced_shape(c, s);
    return tg__check_dtype(c, c->in[0], tg__is_float(s->dtype));
}

static void store_moments(tg_tensor *out, const double *values)
{
    if (out->dtype == TG_F32)
        tg__to_f32_f64(out->numel, out->data, values);
    else
        memcpy(out->data, values, (size_t)out->numel * sizeof *values);
}

static bool mean_square_run(const call *c)
{
    const int64_t outputs = c->out->numel;
    const double terms = (double)tg__terms(c->in[0], c->a);
    const tg_tensor *x = tg__dense(c->in[0]);
    double *sum = tg__alloc(c->tg, 2 * (size_t)outputs * sizeof *sum);
    if (!x || !sum) return false;
    pieces w = {.x = x, .level = c->tg->level};
    cut_in_pieces(&w, x, (uint64_t)c->a[0].i);
    add_up(&w, outputs, (moments_work){.what = MOMENT_SQUARES, .sum = sum, .rest = sum + outputs});
    for (int64_t i = 0; i < outputs; i++) sum[i] /= terms;
    store_moments(c->out, sum);
    return true;
}

static tg_tensor *mean_square_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t;
    const int64_t terms = tg__terms(x, r->a);
    return tg_mul(x, tg_mul_scalar(g, terms > 0 ? 2 / (double)terms : 0));
}

static const op_row mean_square_op = {
    "mean_square",    "MeanBackward1", float_reduction_shape, mean_square_run,
    mean_square_grad, {READS_0},       OP_BROADCAST,          0};

tg_tensor *tg__mean_square(tg_tensor *x, tg_shape dims)
{
    return tg__over_dims(&mean_square_op, x, dims, TG_KEEPDIM, (attr){0});
}

/* ---- Variances, and their roots. a[2]: the correction. */

/* How many terms count. */
static double freedom(const tg_tensor *x, const attr *a)
{
    const double n = (double)tg__terms(x, a) - (double)a[2].i;
    return n > 0 ? n : 0;
}

/* Far outside of float64's range squares are those of numbers that are scaled. */
static double scale_for(double sum, double terms)
{
    return sum < terms * DBL_MIN ? 0x1p600 : sum > DBL_MAX ? 0x1p-600 : 1;
}

static void variances(const pieces *w, const call *c, bool root, double *out, double *work)
{
    const int64_t outputs = c->out->numel;
    const double n = freedom(c->in[0], c->a), terms = (double)tg__terms(c->in[0], c->a);
    double *mean = work, *plain = mean + outputs, *sum = plain + outputs;
    means_of(w, outputs, terms, mean, plain);
    moments_work m = {.what = MOMENT_VARIANCE, .mean = mean, .scale = 1};
    m.sum = plain;
    m.rest = sum;
    add_up(w, outputs, m);
    for (int64_t i = 0; i < outputs; i++) out[i] = root ? sqrt(plain[i] / n) : plain[i] / n;
    for (int k = 0; k < 2 && w->x->dtype == TG_F64; k++) {
        const double scale = k ? 0x1p600 : 0x1p-600;
        bool some = false;
        for (int64_t i = 0; i < outputs; i++) some |= scale_for(plain[i], terms) == scale;
        if (!some) continue;
        m.scale = scale;
        m.sum = sum;
        m.rest = sum + outputs;
        add_up(w, outputs, m);
        for (int64_t i = 0; i < outputs; i++)
            if (scale_for(plain[i], terms) == scale)
                out[i] = root ? sqrt(sum[i] / n) / scale : sum[i] / n / scale / scale;
    }
}

static bool run_variances(const call *c, bool root)
{
    const size_t outputs = (size_t)c->out->numel;
    const tg_tensor *x = tg__dense(c->in[0]);
    double *work = tg__alloc(c->tg, 5 * outputs * sizeof *work);
    if (!x || !work) return false;
    pieces w = {.x = x, .level = c->tg->level};
    cut_in_pieces(&w, x, (uint64_t)c->a[0].i);
    variances(&w, c, root, work, work + outputs);
    store_moments(c->out, work);
    return true;
}

static bool var_run(const call *c)
{
    return run_variances(c, false);
}

static bool std_run(const call *c)
{
    return run_variances(c, true);
}

/* 2 (x - mean) g / (n - correction). */
static tg_tensor *var_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *d = center(x, (uint64_t)r->a[0].i, NULL);
    g = tg_div_scalar(tg_mul_scalar(tg__with_dims(r, g), 2), freedom(x, r->a));
    return tg_mul(d, g);
}

/* (x - mean) g / (n - correction) / std. */
static tg_tensor *std_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[i].t, *d = center(x, (uint64_t)r->a[0].i, NULL);
    g = tg_div_scalar(tg__with_dims(r, g), freedom(x, r->a));
    return tg__over_norm(d, g, tg__with_dims(r, r->out));
}

static const op_row var_op = {"var",    "VarBackward0", float_reduction_shape, var_run,
                              var_grad, {READS_0},      OP_BROADCAST,          0};
static const op_row std_op = {"std",    "StdBackward0",        float_reduction_shape, std_run,
                              std_grad, {READS_0 | READS_OUT}, OP_BROADCAST,          0};

tg_tensor *tg_var_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim)
{
    return tg__over_dims(&var_op, a, dims, keepdim, (attr){.i = correction});
}

tg_tensor *tg_var(tg_tensor *a, int64_t correction)
{
    return tg_var_dims(a, TG_DIMS(), correction, false);
}

tg_tensor *tg_std_dims(tg_tensor *a, tg_shape dims, int64_t correction, bool keepdim)
{
    return tg__over_dims(&std_op, a, dims, keepdim, (attr){.i = correction});
}

tg_tensor *tg_std(tg_tensor *a, int64_t correction)
{
    return tg_std_dims(a, TG_DIMS(), correction, false);
}
