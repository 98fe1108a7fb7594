/* Normalization: of the last dimensions (LayerNorm) and of each channel over a batch (BatchNorm).
 * Forward is one walk over x, which keeps the statistics. Backward computes all gradients together,
 * in one more walk.
 *
 * With c = x - mean(x), i = 1 / sqrt(mean(c^2) + eps) and the gradient h of c i, which is g times
 * the weight, the gradient of c is h i + c slope. slope, a number for each output of the walk, is
 * -i^3 sum(h c) / terms, as di/dc = -c i^3 / terms. The gradient of x is that of c minus its mean.
 */
#include "moments.h"

#include <math.h>
#include <string.h>

/* The inputs of the operations. The statistics are an array of rows that forward fills, with a
 * number for each mean: the mean, its rounding error, and i; for a batch, also i times the weight,
 * and the variance. They have no gradient. */
enum { INPUT, WEIGHT, BIAS, STATISTICS, INPUTS };
enum { MEAN, MEAN_REST, INVERSE, OF_LAYER, SCALE = OF_LAYER, VARIANCE, OF_BATCH };

static char *element(const tg_tensor *t, int64_t i)
{
    return (char *)t->data + (size_t)i * tg__dtype_size(t->dtype);
}

/* The numbers of a row of the statistics, from that of output `out` on. */
static char *statistic(const tg_tensor *statistics, int row, int64_t out)
{
    return element(statistics, row * statistics->shape[1] + out);
}

static bool is_of_layer(const tg_tensor *statistics)
{
    return statistics->shape[0] == OF_LAYER;
}

/* The numbers for outputs from `out` on, as kernels take them. */
static normalize_numbers numbers_of(const tg_tensor *statistics, const tg_tensor *weight,
                                    int64_t out)
{
    const bool layer = is_of_layer(statistics);
    return (normalize_numbers){.mean = statistic(statistics, MEAN, out),
                               .rest = statistic(statistics, MEAN_REST, out),
                               .scale = statistic(statistics, layer ? INVERSE : SCALE, out),
                               .weight = weight->data};
}

static int normalize_form(const moments_walk *w, const tg_tensor *statistics)
{
    return is_of_layer(statistics) ? NORMALIZE_LAYER : w->rows ? NORMALIZE_ROWS : NORMALIZE_COLUMNS;
}

/* ---- Forward. */

static bool normalize_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && tg__same_shape(c, s);
}

static void store_statistics(const tg_tensor *s, const tg_tensor *weight, int64_t i, double mean,
                             double inverse, double square)
{
    const tg_dtype d = s->dtype;
    tg__store(d, statistic(s, MEAN, i), 0, mean);
    tg__store(d, statistic(s, MEAN_REST, i), 0, mean - tg__rounded(d, mean));
    tg__store(d, statistic(s, INVERSE, i), 0, inverse);
    if (is_of_layer(s)) return;
    tg__store(d, statistic(s, SCALE, i), 0, tg__rounded(d, inverse) * tg__load(d, weight->data, i));
    tg__store(d, statistic(s, VARIANCE, i), 0, square);
}

static void normalize_outputs(const moments_walk *w, int64_t out, int64_t at, int64_t n)
{
    const call *c = w->c;
    tg_tensor *const *in = w->with; /* contiguous */
    const tg_tensor *statistics = in[STATISTICS], *bias = in[BIAS];
    double mean[AT_ONCE], square[AT_ONCE], inverse[AT_ONCE];
    tg__means(w, w->x->data, at, n, mean);
    tg__inverse_deviations(w, c->out->data, at, n, mean, c->a[REDUCE_OWN].f, square, inverse);
    for (int64_t i = 0; i < n; i++)
        store_statistics(statistics, in[WEIGHT], out + i, mean[i], inverse[i], square[i]);
    normalize_numbers numbers = numbers_of(statistics, in[WEIGHT], out);
    numbers.shift = is_of_layer(statistics) ? bias->data : element(bias, out);
    const matrix_view v = tg__matrix_of(w, n);
    for (int64_t i = 0; w->x->numel > 0 && i < w->outer[1].count; i++) {
        const int64_t first = at + tg__outer_offset(&w->outer[1], i);
        pick(c->tg->level, normalize, bias->dtype)(normalize_form(w, statistics), v.rows, v.columns,
                                                   v.stride, element(c->out, first),
                                                   element(w->x, first), &numbers);
    }
}

static bool normalize_forward(const call *c)
{
    tg_tensor *in[INPUTS];
    for (int i = 0; i < INPUTS; i++)
        if (!(in[i] = tg__contiguous(c->in[i]))) return false;
    moments_walk w = tg__moments_walk(c, in[INPUT]);
    tg__visit_outputs(&w, normalize_outputs, in);
    return true;
}

/* ---- The gradients, written by operations. They serve where a gradient of the gradient is wanted,
 * and where the walk of backward leaves something to them. */

/* The gradient of x, where dc is one part of that of c, and di is the gradient of i. */
static tg_tensor *input_grad(const record *r, tg_tensor *c, tg_tensor *i, tg_tensor *dc,
                             tg_tensor *di)
{
    const double terms = (double)tg__count_terms(r->in[INPUT].t, r->a);
    tg_tensor *slope = tg_mul_scalar(tg_mul(tg_mul(i, di), i), terms > 0 ? -1 / terms : 0);
    return tg__centered(tg_add(dc, tg__norm_backward(c, slope, tg_reciprocal(i))), r->a);
}

static tg_tensor *layer_norm_grad(const record *r, int input, tg_tensor *g)
{
    if (input == BIAS) return g;
    tg_tensor *c = tg__centered(r->in[INPUT].t, r->a), *i = tg__inverse_of(c, r->a);
    if (input == WEIGHT) return tg_mul(g, tg_mul(c, i));
    g = tg_mul(g, r->in[WEIGHT].t);
    return input_grad(r, c, i, tg_mul(g, i), tg__sum_same_dims(r, tg_mul(g, c)));
}

static tg_tensor *batch_norm_grad(const record *r, int input, tg_tensor *g)
{
    const tg_shape channels = TG_SHAPE(r->in[WEIGHT].t->numel);
    if (input == BIAS) return tg_reshape(tg__sum_same_dims(r, g), channels);
    tg_tensor *c = tg__centered(r->in[INPUT].t, r->a), *i = tg__inverse_of(c, r->a);
    tg_tensor *sum = tg__sum_same_dims(r, tg_mul(g, c));
    if (input == WEIGHT) /* the inverse deviation i of an empty batch is NaN, but the sum is 0 */
        return tg_reshape(r->in[INPUT].t->numel > 0 ? tg_mul(sum, i) : sum, channels);
    tg_tensor *weight = tg__restore_dims(r, r->in[WEIGHT].t);
    return input_grad(r, c, i, tg_mul(g, tg_mul(i, weight)), tg_mul(sum, weight));
}

/* ---- The gradients in one walk, with the bits of those above. */

/* The work of computing the gradients of one operation. */
typedef struct norm_backward {
    moments_walk walk;
    const tg_tensor *statistics, *weight, *g; /* contiguous, as all tensors here */
    tg_tensor *out, *slopes;                  /* the gradient of x; a slope for each mean */
    /* The sums of the terms of the gradient of the weight, and behind them those of g: of each
     * block, and of all blocks. */
    tg_tensor *sums, *totals;
    int64_t width; /* how many numbers one of the two has in a block */
} norm_backward;

/* The slope where the gradient of i is di. Returns NaN if tg__norm_backward would compute the
 * product of slope and c in another way, which is right if the slope leaves the normal range. */
static double slope_of(tg_dtype d, double i, double di, double terms)
{
    const double share = tg__rounded(d, -1 / terms), inverse = tg__rounded(d, 1 / i);
    const double squared = tg__rounded(d, tg__rounded(d, i * di) * i);
    const double g = tg__rounded(d, squared * share), slope = tg__rounded(d, g / inverse);
    const bool normal = fabs(slope) >= tg__dtypes[d].least && fabs(slope) < INFINITY;
    return normal || (slope == 0 && g == 0) ? slope : NAN;
}

/* ---- Sums over columns. They are added as the kernel sum_columns does: the rows of a block in
 * order, and then the sums of the blocks by tg__join_sums. */

static int64_t norm_blocks(int64_t rows)
{
    return (rows + SUM_BLOCK_ROWS - 1) / SUM_BLOCK_ROWS;
}

/* Adds the sums of all blocks to those of the first block. */
static void join_blocks(const norm_backward *b)
{
    tg__join_sums(b->walk.c->tg, b->g->dtype, b->sums->shape[0], 2 * b->width, b->sums->data);
}

/* ---- LayerNorm. */

/* Computes the gradient of x for some rows, and adds to the sums of their block. */
static void layer_rows(const norm_backward *b, int64_t row, int64_t rows, char *sums)
{
    enum { TOGETHER = SUM_BLOCK_ROWS };
    const moments_walk *w = &b->walk;
    const tg_dtype d = b->g->dtype;
    const int level = w->c->tg->level;
    const int64_t n = b->width, at = row * n;
    normalize_numbers numbers = numbers_of(b->statistics, b->weight, row);
    char *out = element(b->out, at), *slopes = element(b->slopes, row);
    const char *g = element(b->g, at), *x = element(w->x, at);
    double mean[TOGETHER];
    numbers.slope = slopes;
    pick(level, normalize_sums, d)(NORMALIZE_LAYER, rows, n, n, out, g, x, &numbers, sums,
                                   sums + (size_t)n * tg__dtype_size(d));
    pick(level, sum, d)(rows, n, slopes, out, n);
    for (int64_t i = 0; i < rows; i++)
        tg__store(d, slopes, i,
                  slope_of(d, tg__load(d, numbers.scale, i), tg__load(d, slopes, i), w->terms));
    pick(level, normalize_backward, d)(NORMALIZE_LAYER, rows, n, n, out, g, x, &numbers);
    tg__means(w, b->out->data, at, rows, mean);
    tg__deviations(w, b->out->data, b->out->data, at, rows, mean);
}

static void layer_blocks(void *work, int64_t from, int64_t to)
{
    enum { CACHED = 1 << 11 }; /* elements of the rows that are worked on together */
    const norm_backward *b = work;
    const int64_t most = b->width < CACHED ? CACHED / b->width : 1;
    const int64_t bytes = 2 * b->width * (int64_t)tg__dtype_size(b->g->dtype);
    for (int64_t k = from; k < to; k++) {
        const int64_t first = k * SUM_BLOCK_ROWS, left = b->walk.kept - first;
        const int64_t rows = left < SUM_BLOCK_ROWS ? left : SUM_BLOCK_ROWS;
        char *sums = (char *)b->sums->data + k * bytes;
        memset(sums, 0, (size_t)bytes);
        for (int64_t i = 0; i < rows; i += most)
            layer_rows(b, first + i, rows - i < most ? rows - i : most, sums);
    }
}

static bool layer_backward(norm_backward *b)
{
    const moments_walk *w = &b->walk;
    const int64_t blocks = norm_blocks(w->kept);
    b->sums = tg__new(w->c->tg, b->g->dtype, 2, (int64_t[]){blocks, 2 * b->width});
    if (!b->sums) return false;
    tg__split(w->c->tg, blocks, tg__grain_of(SUM_BLOCK_ROWS * b->width), layer_blocks, b);
    join_blocks(b);
    if (tg__rows_together(w->kept, b->width) == 1) b->totals = b->sums;
    return true;
}

/* ---- BatchNorm. */

/* Computes the slopes of n channels from their sums of g c, and replaces these sums by the gradient
 * of the weight. */
static void slopes_of_channels(const norm_backward *b, int64_t channel, int64_t n)
{
    const tg_dtype d = b->g->dtype;
    char *sums = element(b->totals, channel), *slopes = element(b->slopes, channel);
    for (int64_t k = 0; k < n; k++) {
        const double i = tg__load(d, statistic(b->statistics, INVERSE, channel), k);
        const double sum = tg__load(d, sums, k), weight = tg__load(d, b->weight->data, channel + k);
        tg__store(d, slopes, k, slope_of(d, i, tg__rounded(d, sum * weight), b->walk.terms));
        tg__store(d, sums, k, sum * i);
    }
}

/* Computes the gradient of x for n channels, whose slopes are known. */
static void channel_gradients(const moments_walk *w, int64_t channel, int64_t at, int64_t n)
{
    const norm_backward *b = w->with;
    const matrix_view v = tg__matrix_of(w, n);
    normalize_numbers numbers = numbers_of(b->statistics, b->weight, channel);
    double mean[AT_ONCE];
    numbers.slope = element(b->slopes, channel);
    for (int64_t i = 0; i < w->outer[1].count; i++) {
        const int64_t first = at + tg__outer_offset(&w->outer[1], i);
        pick(w->c->tg->level, normalize_backward, b->g->dtype)(
            normalize_form(w, b->statistics), v.rows, v.columns, v.stride, element(b->out, first),
            element(b->g, first), element(w->x, first), &numbers);
    }
    tg__means(w, b->out->data, at, n, mean);
    tg__deviations(w, b->out->data, b->out->data, at, n, mean);
}

/* Terms of a sum that is computed in lanes. */
typedef union terms_block {
    float f32[SUM_LEAST_PART];
    double f64[SUM_LEAST_PART];
} terms_block;

/* Sums g c and g over the terms of a channel whose rows lie apart. The terms are collected in
 * blocks first, since the blocks of a sum do not end where rows do. */
static void sum_channel(const norm_backward *b, int64_t channel, int64_t at)
{
    const moments_walk *w = &b->walk;
    const tg_dtype d = b->g->dtype;
    const int level = w->c->tg->level;
    const size_t size = tg__dtype_size(d);
    const normalize_numbers numbers = numbers_of(b->statistics, b->weight, channel);
    const int64_t terms = (int64_t)w->terms, parts = b->width / SUM_LANES;
    terms_block terms_of[2]; /* of g c, and of g */
    for (int64_t part = 0; part < parts; part++) {
        const int64_t first = part * SUM_LEAST_PART, left = terms - first;
        const int64_t count = left < SUM_LEAST_PART ? left : SUM_LEAST_PART;
        for (int64_t i = 0, n; i < count; i += n) {
            const int64_t row = (first + i) / w->reduced, column = (first + i) % w->reduced;
            const int64_t from = at + tg__outer_offset(&w->outer[1], row) + column;
            n = w->reduced - column < count - i ? w->reduced - column : count - i;
            const size_t to = (size_t)i * size;
            pick(level, normalize_sums, d)(NORMALIZE_ROWS, 1, n, n, (char *)&terms_of[0] + to,
                                           element(b->g, from), element(w->x, from), &numbers, NULL,
                                           NULL);
            memcpy((char *)&terms_of[1] + to, element(b->g, from), (size_t)n * size);
        }
        for (int k = 0; k < 2; k++)
            pick(level, lane_sums, d)(
                LANES_SUM, count, element(b->sums, (2 * channel + k) * b->width + part * SUM_LANES),
                &terms_of[k], &terms_of[k]);
    }
    for (int k = 0; k < 2; k++)
        pick(level, join_lanes, d)(parts, element(b->totals, k * w->kept + channel),
                                   element(b->sums, (2 * channel + k) * b->width));
}

static void row_channels(const moments_walk *w, int64_t channel, int64_t at, int64_t n)
{
    const norm_backward *b = w->with;
    for (int64_t k = 0; k < n; k++) sum_channel(b, channel + k, at + k * w->reduced);
    slopes_of_channels(b, channel, n);
    channel_gradients(w, channel, at, n);
}

/* The work of summing where the terms of a channel are a column. If the rows are narrow,
 * tg__rows_together of them are treated as one wide row, as by the kernel sum_columns; `numbers`
 * then has the means of all columns of such a row, and `rows` counts wide rows. */
typedef struct column_work {
    const norm_backward *b;
    normalize_numbers numbers;
    int64_t rows;
} column_work;

static void column_blocks(void *work, int64_t from, int64_t to)
{
    const column_work *c = work;
    const norm_backward *b = c->b;
    for (int64_t k = from; k < to; k++) {
        const int64_t first = k * SUM_BLOCK_ROWS, left = c->rows - first;
        char *sums = element(b->sums, 2 * k * b->width);
        memset(sums, 0, 2 * (size_t)b->width * tg__dtype_size(b->g->dtype));
        pick(b->walk.c->tg->level, normalize_sums, b->g->dtype)(
            NORMALIZE_COLUMNS, left < SUM_BLOCK_ROWS ? left : SUM_BLOCK_ROWS, b->width, b->width,
            NULL, element(b->g, first * b->width), element(b->walk.x, first * b->width),
            &c->numbers, sums, element(b->sums, (2 * k + 1) * b->width));
    }
}

/* Returns two rows: the means, repeated so many times, and their rounding errors, repeated as
 * often. */
static tg_tensor *repeated_means(const norm_backward *b, int64_t times)
{
    const int64_t n = b->walk.kept;
    tg_tensor *t = tg__new(b->walk.c->tg, b->g->dtype, 2, (int64_t[]){2, times * n});
    for (int64_t i = 0; t && i < 2 * times; i++)
        memcpy(element(t, i * n), statistic(b->statistics, i < times ? MEAN : MEAN_REST, 0),
               (size_t)n * tg__dtype_size(t->dtype));
    return t;
}

/* Computes the totals where `together` rows were treated as one: adds up the parts of the sums of
 * these wide rows, and the rows that were left over. */
static bool sum_rows_together(const norm_backward *b, int64_t together, int64_t rest)
{
    const tg_dtype d = b->g->dtype;
    const int level = b->walk.c->tg->level;
    const int64_t n = b->walk.kept, rows = together + rest;
    const normalize_numbers numbers = numbers_of(b->statistics, b->weight, 0);
    tg_tensor *parts = tg__new(b->walk.c->tg, d, 3, (int64_t[]){2, rows, n});
    if (!parts) return false;
    tg__fill(parts, 0);
    for (int k = 0; k < 2; k++)
        memcpy(element(parts, k * rows * n), element(b->sums, k * b->width),
               (size_t)b->width * tg__dtype_size(d));
    for (int64_t i = together; i < rows; i++) {
        const int64_t at = (b->walk.reduced - rows + i) * n;
        pick(level, normalize_sums, d)(NORMALIZE_COLUMNS, 1, n, n, NULL, element(b->g, at),
                                       element(b->walk.x, at), &numbers, element(parts, i * n),
                                       element(parts, (rows + i) * n));
    }
    for (int k = 0; k < 2; k++)
        pick(level, sum_columns, d)(rows, n, element(b->totals, k * n),
                                    element(parts, k * rows * n), n);
    return true;
}

static bool sum_columns(norm_backward *b)
{
    const moments_walk *w = &b->walk;
    const int64_t together = tg__rows_together(w->reduced, w->kept);
    column_work c = {b, numbers_of(b->statistics, b->weight, 0), w->reduced / together};
    b->width = together * w->kept;
    b->sums = tg__new(w->c->tg, b->g->dtype, 2, (int64_t[]){norm_blocks(c.rows), 2 * b->width});
    tg_tensor *means = together > 1 ? repeated_means(b, together) : NULL;
    if (!b->sums || (together > 1 && !means)) return false;
    if (means) c.numbers.mean = means->data;
    if (means) c.numbers.rest = element(means, b->width);
    tg__split(w->c->tg, norm_blocks(c.rows), tg__grain_of(SUM_BLOCK_ROWS * b->width), column_blocks,
              &c);
    join_blocks(b);
    if (together > 1) return sum_rows_together(b, together, w->reduced % together);
    memcpy(b->totals->data, b->sums->data, 2 * (size_t)b->width * tg__dtype_size(b->g->dtype));
    return true;
}

static bool batch_backward(norm_backward *b)
{
    moments_walk *w = &b->walk;
    const int64_t parts = ((int64_t)w->terms + SUM_LEAST_PART - 1) / SUM_LEAST_PART;
    b->totals = tg__new(w->c->tg, b->g->dtype, 2, (int64_t[]){2, w->kept});
    if (!b->totals) return false;
    if (!w->rows) {
        if (!sum_columns(b)) return false;
        slopes_of_channels(b, 0, w->kept);
        tg__visit_outputs(w, channel_gradients, b);
        return true;
    }
    b->width = parts * SUM_LANES;
    b->sums = tg__new(w->c->tg, b->g->dtype, 2, (int64_t[]){w->kept, 2 * b->width});
    if (b->sums) tg__visit_outputs(w, row_channels, b);
    return b->sums != NULL;
}

/* ---- Both kinds of normalization. */

static bool are_all_normal(const tg_tensor *slopes)
{
    for (int64_t i = 0; i < slopes->numel; i++)
        if (isnan(tg__load(slopes->dtype, slopes->data, i))) return false;
    return true;
}

static bool walk_back(const record *r, norm_backward *b)
{
    tg_context *tg = b->g->context;
    const call c = {.op = r->op, .tg = tg, .n = r->n, .a = r->a};
    const tg_tensor *x = tg__contiguous(r->in[INPUT].t);
    b->weight = tg__contiguous(r->in[WEIGHT].t);
    b->slopes = tg__new(tg, b->g->dtype, 1, &b->statistics->shape[1]);
    if (!x || !b->weight || !b->slopes) return false;
    b->walk = tg__moments_walk(&c, x);
    b->width = b->weight->numel;
    return is_of_layer(b->statistics) ? layer_backward(b) : batch_backward(b);
}

/* Leaves the gradient of x to operations if a slope is not normal, and all gradients if the walk
 * would add up terms in another order than they do, which is so if g is not contiguous. */
static bool normalize_gradients(const record *r, tg_tensor *g, tg_tensor **grads)
{
    tg_context *tg = g->context;
    const tg_tensor *weight = r->in[WEIGHT].t;
    norm_backward b = {.statistics = r->in[STATISTICS].t, .g = g};
    if (!tg_is_contiguous(g) || g->numel == 0) return true;
    b.out = tg__new(tg, g->dtype, g->ndim, g->shape);
    tg_tensor *sums[] = {tg__new(tg, g->dtype, weight->ndim, weight->shape),
                         tg__new(tg, g->dtype, weight->ndim, weight->shape)};
    if (!b.out || !sums[0] || !sums[1]) return false;
    tg_scope_begin(tg);
    const bool done = walk_back(r, &b);
    if (done && are_all_normal(b.slopes)) grads[INPUT] = b.out;
    for (int k = 0; k < 2 && done && b.totals; k++) {
        memcpy(sums[k]->data, element(b.totals, k * weight->numel),
               (size_t)weight->numel * tg__dtype_size(weight->dtype));
        grads[WEIGHT + k] = sums[k];
    }
    tg_scope_end(tg);
    return done;
}

static const op_row layer_norm_op = {
    .name = "layer_norm",
    .grad_name = "NativeLayerNormBackward0",
    .shape = normalize_shape,
    .forward = normalize_forward,
    .grad = layer_norm_grad,
    .gradients = normalize_gradients,
    .reads = {READS_0 | READS_1 | READS_3, READS_0 | READS_3, READS_NOTHING},
    .flags = OP_BROADCAST,
};
static const op_row batch_norm_op = {
    .name = "batch_norm",
    .grad_name = "NativeBatchNormBackward0",
    .shape = normalize_shape,
    .forward = normalize_forward,
    .grad = batch_norm_grad,
    .gradients = normalize_gradients,
    .reads = {READS_0 | READS_1 | READS_3, READS_0 | READS_3, READS_NOTHING},
};

/* Applies o, whose statistics have so many rows; returns them in *statistics. */
static tg_tensor *normalize(const op_row *o, tg_tensor *x, tg_shape dims, tg_tensor *weight,
                            tg_tensor *bias, double eps, int rows, tg_tensor **statistics)
{
    uint64_t bits;
    if (!x || !weight || !bias || !tg__dim_bits(x, o->name, dims, &bits)) return NULL;
    const attr a[TG_ATTRS] = {[REDUCE_BITS] = {.i = (int64_t)bits},
                              [REDUCE_KEEPDIM] = {.i = TG_KEEPDIM},
                              [REDUCE_OWN] = {.f = eps}};
    int64_t means = 1;
    for (int d = 0; d < x->ndim; d++)
        if (!tg__is_reduced(a, d)) means *= x->shape[d];
    *statistics = tg__new(x->context, x->dtype, 2, (int64_t[]){rows, means});
    return tg__apply(o, INPUTS, (tg_tensor *[]){x, weight, bias, *statistics}, a);
}

tg_tensor *tg__layer_norm(tg_tensor *x, tg_shape dims, tg_tensor *weight, tg_tensor *bias,
                          double eps)
{
    tg_tensor *statistics;
    return normalize(&layer_norm_op, x, dims, weight, bias, eps, OF_LAYER, &statistics);
}

tg_tensor *tg__batch_norm(tg_tensor *x, tg_shape dims, tg_tensor *weight, tg_tensor *bias,
                          double eps, tg_tensor **mean, tg_tensor **var)
{
    tg_tensor *statistics,
        *y = normalize(&batch_norm_op, x, dims, weight, bias, eps, OF_BATCH, &statistics);
    *mean = y ? tg_select(statistics, 0, MEAN) : NULL;
    *var = y ? tg_select(statistics, 0, VARIANCE) : NULL;
    return *var ? y : NULL;
}

/* ---- (x - center) scale + shift, with numbers for each channel, as BatchNorm computes it from its
 * running statistics. */

typedef struct channels_work {
    normalize_kernel *kernel;
    bool columns; /* whether the channels are the last dimension */
    int64_t n, channels;
    const tg_tensor *x, *center, *rest, *scale, *shift;
    tg_tensor *out;
} channels_work;

/* Computes the rows [from, to). A row belongs to a channel, or has an element of each. */
static void normalize_channels(void *work, int64_t from, int64_t to)
{
    const channels_work *w = work;
    for (int64_t i = from, end; i < to; i = end) {
        const int64_t channel = w->columns ? 0 : i % w->channels;
        const int64_t left = w->columns ? to - i : w->channels - channel;
        end = left < to - i ? i + left : to;
        const normalize_numbers numbers = {.mean = element(w->center, channel),
                                           .rest = element(w->rest, channel),
                                           .scale = element(w->scale, channel),
                                           .shift = element(w->shift, channel)};
        w->kernel(w->columns ? NORMALIZE_COLUMNS : NORMALIZE_ROWS, end - i, w->n, w->n,
                  element(w->out, i * w->n), element(w->x, i * w->n), &numbers);
    }
}

static bool by_channel_forward(const call *c)
{
    tg_tensor *in[4], *none = tg__new(c->tg, c->out->dtype, 1, &c->out->shape[1]);
    for (int i = 0; i < 4; i++)
        if (!(in[i] = tg__contiguous(c->in[i]))) return false;
    if (!none || in[0]->numel == 0) return none != NULL;
    tg__fill(none, 0);
    channels_work w = {.kernel = pick(c->tg->level, normalize, c->out->dtype),
                       .channels = none->numel,
                       .x = in[0],
                       .center = in[1],
                       .rest = none,
                       .scale = in[2],
                       .shift = in[3],
                       .out = c->out};
    w.n = in[0]->numel / in[0]->shape[0] / w.channels;
    w.columns = w.n == 1;
    if (w.columns) w.n = w.channels;
    tg__split(c->tg, in[0]->numel / w.n, tg__grain_of(w.n), normalize_channels, &w);
    return true;
}

static tg_tensor *by_channel_grad(const record *r, int i, tg_tensor *g)
{
    if (i == 3) return g;
    if (i == 2) return tg_mul(g, tg_sub(r->in[0].t, r->in[1].t));
    g = tg_mul(g, r->in[2].t);
    return i == 1 ? tg_neg(g) : g;
}

static const op_row by_channel_op = {
    .name = "normalize_channels",
    .grad_name = "NativeBatchNormBackward0",
    .shape = normalize_shape,
    .forward = by_channel_forward,
    .grad = by_channel_grad,
    .reads = {READS_2, READS_2, READS_0 | READS_1},
    .flags = OP_BROADCAST,
};

tg_tensor *tg__normalize_channels(tg_tensor *x, tg_tensor *center, tg_tensor *scale,
                                  tg_tensor *shift)
{
    return tg__apply(&by_channel_op, 4, (tg_tensor *[]){x, center, scale, shift}, NULL);
}
