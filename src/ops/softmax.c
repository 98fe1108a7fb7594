/* softmax and log_softmax. The operations work over the last dimension; another one is transposed
 * to the end first. a[0] is whether the logarithm is taken. */
#include "op.h"
#include "reduce.h"

#include <math.h>
#include <string.h>

static bool softmax_shape(const call *c, spec *s)
{
    return tg__check_dtype(c, c->in[0], tg__is_float(c->in[0]->dtype)) && tg__same_shape(c, s);
}

/* The most rows, and about the most elements, that are worked on together, which keeps them in the
 * first-level cache. */
enum { BLOCK_ROWS = 64, BLOCK_ELEMENTS = 4096 };

/* A number for each row. */
typedef union row_values {
    float f32[BLOCK_ROWS];
    double f64[BLOCK_ROWS];
} row_values;

typedef struct softmax_work {
    const call *c;
    const char *x;
    char *y;
    int64_t n;
    bool logarithm;
} softmax_work;

/* y = exp(x - most) / sum, or x - most - log(sum), where most is the greatest element of the row,
 * without which exp could overflow. One call of exp takes all rows. */
static void softmax_rows(const softmax_work *w, int64_t first, int64_t rows)
{
    const tg_dtype d = w->c->out->dtype;
    const int level = w->c->tg->level;
    const size_t size = tg__dtype_size(d), row_bytes = (size_t)w->n * size;
    const char *x = w->x + (size_t)first * row_bytes;
    char *y = w->y + (size_t)first * row_bytes;
    row_values values, sum;
    double most[BLOCK_ROWS];
    deviations_kernel *subtract = pick(level, deviations, d);
    pick(level, extreme, d)(true, rows, w->n, &values, NULL, x, w->n);
    for (int64_t i = 0; i < rows; i++) most[i] = tg__load(d, &values, i);
    subtract(true, rows, w->n, y, x, w->n, most);
    pick(level, exp, d)(rows * w->n, y, y);
    pick(level, sum, d)(rows, w->n, &sum, y, w->n);
    if (w->logarithm) {
        pick(level, log, d)(rows, &sum, &sum);
        subtract(true, rows, w->n, y, x, w->n, most);
    }
    for (int64_t i = 0; i < rows; i++) {
        const double total = tg__load(d, &sum, i);
        pick(level, affine, d)(w->n, y + (size_t)i * row_bytes, w->logarithm ? -total : 0,
                               w->logarithm ? 1 : 1 / total);
    }
}

static void softmax_in_blocks(void *work, int64_t from, int64_t to)
{
    const softmax_work *w = work;
    int64_t most = BLOCK_ELEMENTS / w->n;
    most = most < 1 ? 1 : most > BLOCK_ROWS ? BLOCK_ROWS : most;
    for (int64_t i = from; i < to; i += most) softmax_rows(w, i, to - i < most ? to - i : most);
}

static bool softmax_forward(const call *c)
{
    const tg_tensor *x = tg__contiguous(c->in[0]);
    if (!x) return false;
    if (x->numel == 0) return true;
    const int64_t n = x->ndim ? x->shape[x->ndim - 1] : 1;
    softmax_work w = {c, x->data, c->out->data, n, c->a[0].i != 0};
    tg__split(c->tg, x->numel / n, tg__grain_of(n), softmax_in_blocks, &w);
    return true;
}

/* ---- The gradient, an operation of the gradient g of the result and the result y. For softmax
 * dy_i/dx_j = y_i (delta_ij - y_j), and the gradient is y (g - sum(g y)). For log_softmax dy_i/dx_j
 * = delta_ij - exp(y_j), and the gradient is g - exp(y) sum(g). The sums are over the row. */

static tg_tensor *row_sums(tg_tensor *t)
{
    return t && t->ndim ? tg_sum_dims(t, TG_DIMS(-1), TG_KEEPDIM) : t;
}

typedef struct backward_work {
    bool logarithm;
    int level;
    tg_dtype dtype;
    const char *g, *y;
    char *out, *rows; /* out may be g; rows: memory for a row of each block of `grain` rows */
    int64_t n, grain;
} backward_work;

static void backward_rows(void *work, int64_t from, int64_t to)
{
    const backward_work *w = work;
    const tg_dtype d = w->dtype;
    const int level = w->level;
    const size_t row_bytes = (size_t)w->n * tg__dtype_size(d);
    char *row = w->rows + (size_t)(from / w->grain) * row_bytes;
    binary_kernel *mul = pick(level, mul, d);
    affine_kernel *affine = pick(level, affine, d);
    for (int64_t i = from; i < to; i++) {
        const char *g = w->g + (size_t)i * row_bytes, *y = w->y + (size_t)i * row_bytes;
        char *out = w->out + (size_t)i * row_bytes;
        double sum;
        if (w->logarithm) {
            pick(level, sum, d)(1, w->n, &sum, g, w->n);
            pick(level, exp, d)(w->n, row, y);
            affine(w->n, row, 0, -tg__load(d, &sum, 0));
            pick(level, add, d)(w->n, out, row, g);
        } else {
            mul(w->n, row, g, y);
            pick(level, sum, d)(1, w->n, &sum, row, w->n);
            if (out != g) memcpy(out, g, row_bytes);
            affine(w->n, out, -tg__load(d, &sum, 0), 1);
            mul(w->n, out, out, y);
        }
    }
}

/* Writes the gradient to out, which is contiguous, and may be g if g is contiguous. */
static bool softmax_backward_into(bool logarithm, tg_tensor *g_given, tg_tensor *y_given,
                                  tg_tensor *out)
{
    const tg_tensor *g = tg__contiguous(g_given), *y = tg__contiguous(y_given);
    tg_context *tg = out->context;
    if (!g || !y) return false;
    if (y->numel == 0) return true;
    const int64_t n = y->ndim ? y->shape[y->ndim - 1] : 1, rows = y->numel / n;
    backward_work w = {.logarithm = logarithm,
                       .level = tg->level,
                       .dtype = y->dtype,
                       .g = g->data,
                       .y = y->data,
                       .out = out->data,
                       .n = n,
                       .grain = tg->team ? tg__grain_of(n) : rows};
    const int64_t blocks = (rows + w.grain - 1) / w.grain;
    tg_tensor *memory = tg__new(tg, y->dtype, 2, (int64_t[]){blocks, n});
    if (!memory) return false;
    w.rows = memory->data;
    tg__split(tg, rows, w.grain, backward_rows, &w);
    return true;
}

static bool softmax_backward_forward(const call *c)
{
    return softmax_backward_into(c->a[0].i != 0, c->in[0], c->in[1], c->out);
}

/* outer_g is the first input, the gradient g of the two formulas above; g is here the gradient of
 * their result. */
static tg_tensor *softmax_backward_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *outer_g = r->in[0].t, *y = r->in[1].t;
    if (r->a[0].i) {
        tg_tensor *p = tg_mul(tg_exp(y), g);
        return i == 0 ? tg_sub(g, row_sums(p)) : tg_neg(tg_mul(p, row_sums(outer_g)));
    }
    tg_tensor *gy = tg_mul(g, y);
    if (i == 0) return tg_sub(gy, tg_mul(y, row_sums(gy)));
    return tg_sub(tg_mul(g, tg_sub(outer_g, row_sums(tg_mul(outer_g, y)))),
                  tg_mul(outer_g, row_sums(gy)));
}

static const op_row softmax_backward_op = {
    .name = "softmax_backward",
    .grad_name = "SoftmaxBackwardDataBackward0",
    .shape = softmax_shape,
    .forward = softmax_backward_forward,
    .grad = softmax_backward_grad,
    .reads = {READS_1, READS_0 | READS_1},
};

static tg_tensor *softmax_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    tg_tensor *grad = tg__apply(&softmax_backward_op, 2, (tg_tensor *[]){g, r->out}, r->a);
    return r->a[0].i ? tg__name_grad_fn(grad, "LogSoftmaxBackwardDataBackward0") : grad;
}

static bool softmax_grad_into(const record *r, int i, tg_tensor *g, tg_tensor *out)
{
    (void)i;
    return softmax_backward_into(r->a[0].i != 0, g, r->out, out);
}

static const op_row softmax_op = {
    .name = "softmax",
    .grad_name = "SoftmaxBackward0",
    .shape = softmax_shape,
    .forward = softmax_forward,
    .grad = softmax_grad,
    .grad_into = softmax_grad_into,
    .reads = {READS_OUT},
    .flags = OP_OVER,
};
static const op_row log_softmax_op = {
    .name = "log_softmax",
    .grad_name = "LogSoftmaxBackward0",
    .shape = softmax_shape,
    .forward = softmax_forward,
    .grad = softmax_grad,
    .grad_into = softmax_grad_into,
    .reads = {READS_OUT},
    .flags = OP_OVER,
};

static tg_tensor *apply_over_dim(const op_row *o, tg_tensor *a, int dim)
{
    int d = a ? tg__dim(a, o->name, dim, a->ndim) : -1;
    if (d < 0) return NULL;
    const attr is_log[TG_ATTRS] = {{.i = o == &log_softmax_op}};
    if (d >= a->ndim - 1) return tg__apply(o, 1, &a, is_log);
    frame f;
    tg__enter(&f, o->name, a);
    tg_tensor *x = tg_transpose(a, d, -1), *y = tg__apply(o, 1, &x, is_log);
    y = tg_contiguous(tg_transpose(y, d, -1));
    return tg__leave(&f, tg__name_grad_fn(y, o->grad_name));
}

tg_tensor *tg_softmax(tg_tensor *a, int dim)
{
    return apply_over_dim(&softmax_op, a, dim);
}

tg_tensor *tg_log_softmax(tg_tensor *a, int dim)
{
    return apply_over_dim(&log_softmax_op, a, dim);
}
