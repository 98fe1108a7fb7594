/* The last step of a normalization layer: one pass that scales and shifts values and, for a batch,
 * centers them before. */
#include "reduce.h"

typedef struct normalize_work {
    normalize_kernel *kernel;
    int form; /* NORMALIZE_* */
    size_t size;
    int64_t n, rows; /* the elements of a row; after so many rows the numbers repeat */
    char *out;
    const char *x, *center, *scale, *weight, *shift; /* center and weight may be NULL */
} normalize_work;

/* The numbers for a row and those that follow, where each row has one. */
static const char *from_row(const normalize_work *w, const char *numbers, int64_t row)
{
    return numbers && w->form != NORMALIZE_COLUMNS ? numbers + (size_t)row * w->size : numbers;
}

/* Computes the rows [from, to). */
static void normalize_rows(void *work, int64_t from, int64_t to)
{
    const normalize_work *w = work;
    for (int64_t i = from, end; i < to; i = end) {
        const int64_t row = i % w->rows;
        const size_t at = (size_t)(i * w->n) * w->size;
        end = i - row + w->rows < to ? i - row + w->rows : to;
        w->kernel(w->form, end - i, w->n, w->out + at, w->x + at, from_row(w, w->center, row),
                  from_row(w, w->scale, row), w->weight,
                  w->weight ? w->shift : from_row(w, w->shift, row));
    }
}

static bool normalize_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], pick(c->tg->level, normalize, c->in[0]->dtype)) &&
           tg__same_shape(c, s);
}

/* Inputs after x: an optional center, scale and shift, or scale, weight and shift if `layer`. */
static bool normalize(const call *c, bool layer)
{
    const char *data[4] = {NULL, NULL, NULL, NULL};
    for (int i = 0; i < c->n; i++) {
        const tg_tensor *t = tg__contiguous(c->in[i]);
        if (!t) return false;
        data[i] = t->data;
    }
    const tg_tensor *x = c->in[0];
    normalize_work w = {.kernel = pick(c->tg->level, normalize, x->dtype),
                        .form = layer ? NORMALIZE_LAYER : NORMALIZE_ROWS,
                        .size = tg__dtype_size(x->dtype),
                        .out = c->out->data,
                        .x = data[0],
                        .center = c->n == 4 && !layer ? data[1] : NULL,
                        .scale = data[c->n == 4 && !layer ? 2 : 1],
                        .weight = layer ? data[2] : NULL,
                        .shift = data[c->n - 1]};
    if (x->numel == 0) return true;
    if (layer) {
        w.n = c->in[3]->numel;
        w.rows = x->numel / w.n;
    } else {
        w.rows = x->shape[1];
        w.n = x->numel / x->shape[0] / w.rows;
        if (w.n == 1) { /* a row for each example, whose numbers are those of the channels */
            w.form = NORMALIZE_COLUMNS;
            w.n = w.rows;
            w.rows = x->shape[0];
        }
    }
    tg__split(c->tg, x->numel / w.n, tg__grain_of(w.n), normalize_rows, &w);
    return true;
}

static bool by_channel_forward(const call *c)
{
    return normalize(c, false);
}

static bool layer_forward(const call *c)
{
    return normalize(c, true);
}

/* Of y = x scale + shift. */
static tg_tensor *scale_shift_grad(const record *r, int i, tg_tensor *g)
{
    return i == 2 ? g : tg_mul(g, r->in[1 - i].t);
}

/* Of y = (x - center) scale + shift. */
static tg_tensor *batch_norm_grad(const record *r, int i, tg_tensor *g)
{
    if (i == 3) return g;
    if (i == 2) return tg_mul(g, tg_sub(r->in[0].t, r->in[1].t));
    g = tg_mul(g, r->in[2].t);
    return i == 1 ? tg_neg(g) : g;
}

/* Of y = x scale weight + shift. */
static tg_tensor *layer_norm_grad(const record *r, int i, tg_tensor *g)
{
    if (i == 3) return g;
    if (i == 2) return tg_mul(g, tg_mul(r->in[0].t, r->in[1].t));
    return tg_mul(tg_mul(g, r->in[2].t), r->in[1 - i].t);
}

static const op_row scale_shift_op = {
    .name = "scale_shift",
    .grad_name = "NativeBatchNormBackward0",
    .shape = normalize_shape,
    .forward = by_channel_forward,
    .grad = scale_shift_grad,
    .reads = {READS_1, READS_0, READS_NOTHING},
    .flags = OP_BROADCAST,
};
static const op_row batch_norm_op = {
    .name = "batch_norm",
    .grad_name = "NativeBatchNormBackward0",
    .shape = normalize_shape,
    .forward = by_channel_forward,
    .grad = batch_norm_grad,
    .reads = {READS_2, READS_2, READS_0 | READS_1},
    .flags = OP_BROADCAST,
};
static const op_row layer_norm_op = {
    .name = "layer_norm",
    .grad_name = "NativeLayerNormBackward0",
    .shape = normalize_shape,
    .forward = layer_forward,
    .grad = layer_norm_grad,
    .reads = {READS_1 | READS_2, READS_0 | READS_2, READS_0 | READS_1},
    .flags = OP_BROADCAST,
};

tg_tensor *tg__normalize_batch(tg_tensor *x, tg_tensor *center, tg_tensor *scale, tg_tensor *shift)
{
    return center ? tg__apply(&batch_norm_op, 4, (tg_tensor *[]){x, center, scale, shift}, NULL)
                  : tg__apply(&scale_shift_op, 3, (tg_tensor *[]){x, scale, shift}, NULL);
}

tg_tensor *tg__normalize_layer(tg_tensor *x, tg_tensor *scale, tg_tensor *weight, tg_tensor *shift)
{
    return tg__apply(&layer_norm_op, 4, (tg_tensor *[]){x, scale, weight, shift}, NULL);
}
