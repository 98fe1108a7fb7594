/* conv1d and conv2d as matrix products. Each element of the result sees a patch of the image
 * through the kernel. The patches become the columns of a matrix, and the result is the weight
 * times this matrix.
 *
 * There are three operations: conv2d computes y from x and w, conv2d_input the gradient for x from
 * that of y and w, and conv2d_weight the gradient for w from that of y and x. Each is linear in
 * both of its inputs, and its gradients are the other two.
 *
 * Shapes: x is (images, groups * channels, h, w), the weight w (groups * out_channels, channels,
 * kh, kw), and the result y (images, groups * out_channels, oh, ow). */
#include "conv.h"
#include "matmul.h"

#include <string.h>

/* Which of the three operations is run. */
typedef enum conv_part { CONV_FORWARD, CONV_INPUT, CONV_WEIGHT } conv_part;

typedef struct geometry {
    int64_t images, channels, h, w; /* input channels of a group */
    int64_t out_channels, kh, kw;   /* output channels of a group; the kernel */
    int64_t oh, ow, groups;         /* the image of the result */
    const attr *a;
} geometry;

/* How many elements a kernel of at least one element spans when it is dilated. */
static int64_t dilated_size(int64_t kernel, int64_t dilation)
{
    return tg__plus(tg__times(dilation, kernel - 1), 1);
}

static geometry geometry_of(const tg_tensor *x, const tg_tensor *w, const tg_tensor *y,
                            const attr *a)
{
    const int64_t groups = a[CONV_GROUPS].i;
    return (geometry){x->shape[0],
                      w->shape[1],
                      x->shape[2],
                      x->shape[3],
                      w->shape[0] / groups,
                      w->shape[2],
                      w->shape[3],
                      y->shape[2],
                      y->shape[3],
                      groups,
                      a};
}

/* ---- Patches. The matrix of columns is (channels * kh * kw, rows * ow), for `rows` rows of the
 * result from row `first` on. */

/* The columns [from, to) of the result see an element of the image through a given column of the
 * kernel; the other columns see the padding. In its line of the image, the first of these elements
 * has index `at`, and the next ones follow at distance `step`. */
typedef struct output_span {
    int64_t from, to, at, step;
} output_span;

static output_span span_of_kernel_column(const geometry *s, int64_t k1)
{
    const int64_t step = s->a[CONV_STRIDE + 1].i;
    const int64_t start = k1 * s->a[CONV_DILATION + 1].i - s->a[CONV_PADDING + 1].i;
    int64_t from = start < 0 ? (step - 1 - start) / step : 0;
    int64_t to = s->w > start ? (s->w - start - 1) / step + 1 : 0;
    if (to > s->ow) to = s->ow;
    if (from > to) from = to;
    return (output_span){from, to, from < to ? start + from * step : 0, step};
}

static void copy_strided(size_t size, int64_t n, char *to, const char *from, int64_t step)
{
    if (size == 4)
        for (int64_t i = 0; i < n; i++) memcpy(to + 4 * i, from + 4 * i * step, 4);
    else if (size == 8)
        for (int64_t i = 0; i < n; i++) memcpy(to + 8 * i, from + 8 * i * step, 8);
    else
        for (; n > 0; n--, to += size, from += (int64_t)size * step) memcpy(to, from, size);
}

static void add_strided(tg_dtype dtype, int64_t n, void *to, int64_t step, const void *from)
{
    switch (dtype) {
    case TG_F32:
        for (int64_t i = 0; i < n; i++) ((float *)to)[i * step] += ((const float *)from)[i];
        break;
    case TG_F64:
        for (int64_t i = 0; i < n; i++) ((double *)to)[i * step] += ((const double *)from)[i];
        break;
    case TG_I64:
    case TG_BOOL: break; /* these dtypes have no gradient */
    }
}

/* Copies what ow columns see of a line of the image. `line` is NULL for a line in the padding. */
static void copy_line(const output_span *v, int64_t ow, size_t size, const char *line,
                      char *columns)
{
    char *inside = columns + (size_t)v->from * size;
    if (!line || v->from > 0) memset(columns, 0, (size_t)(line ? v->from : ow) * size);
    if (!line) return;
    if (v->to < ow) memset(columns + (size_t)v->to * size, 0, (size_t)(ow - v->to) * size);
    if (v->step == 1)
        memcpy(inside, line + (size_t)v->at * size, (size_t)(v->to - v->from) * size);
    else
        copy_strided(size, v->to - v->from, inside, line + (size_t)v->at * size, v->step);
}

/* The reverse: adds the columns to the elements of the line that they see. */
static void add_line(const output_span *v, binary_kernel *add, tg_dtype dtype, char *line,
                     const char *columns)
{
    const size_t size = tg__dtype_size(dtype);
    const char *inside = columns + (size_t)v->from * size;
    char *to = line + (size_t)v->at * size;
    if (v->step == 1)
        add(v->to - v->from, to, to, inside);
    else
        add_strided(dtype, v->to - v->from, to, v->step, inside);
}

/* Copies what the columns see through the elements [from, to) of the kernel from image to columns.
 * With `add` it does the reverse and adds the columns to the elements of image that they see. */
static void move_patches(const geometry *s, tg_dtype dtype, char *image, int64_t first,
                         int64_t rows, int64_t from, int64_t to, char *columns, binary_kernel *add)
{
    const size_t size = tg__dtype_size(dtype);
    int64_t k1 = from % s->kw, k0 = from / s->kw % s->kh;
    char *plane = image + (size_t)(from / s->kw / s->kh * s->h * s->w) * size;
    columns += (size_t)(from * rows * s->ow) * size;
    for (int64_t k = from; k < to; k++) {
        const output_span v = span_of_kernel_column(s, k1);
        int64_t y = first * s->a[CONV_STRIDE].i - s->a[CONV_PADDING].i + k0 * s->a[CONV_DILATION].i;
        for (int64_t r = 0; r < rows;
             r++, y += s->a[CONV_STRIDE].i, columns += (size_t)s->ow * size) {
            char *line = y < 0 || y >= s->h ? NULL : plane + (size_t)(y * s->w) * size;
            if (!add)
                copy_line(&v, s->ow, size, line, columns);
            else if (line)
                add_line(&v, add, dtype, line, columns);
        }
        if (++k1 < s->kw) continue;
        k1 = 0;
        if (++k0 < s->kh) continue;
        k0 = 0;
        plane += (size_t)(s->h * s->w) * size;
    }
}

/* ---- Running. The images are divided into CONV_BLOCKS blocks, each with scratch memory of its
 * own. The gradient of the weight is a sum over images, whose rounding depends on the order of
 * additions; the number of blocks is fixed, and with it this order, whatever the number of
 * threads. */
enum {
    CONV_BLOCKS = 4,
    /* For the gradient of the weight, a block adds the products of this many panels one after the
     * other. Their sum then moves to a compensated total, as in src/kernels/matmul.inc. */
    CONV_SUMMED = 32,
    /* The gradient of an element of the image has a term for each element of the kernel. If the
     * kernel has more than CONV_LARGE, the terms of CONV_ADDED elements of the kernel are added
     * before their sum moves to a compensated total. */
    CONV_LARGE = 1024,
    CONV_ADDED = 128
};

typedef struct conv_work {
    const call *c;
    geometry s;
    conv_part part;
    size_t size;              /* of an element, in bytes */
    int64_t rows, k;          /* the rows of the result in a panel, and channels * kh * kw */
    int64_t panels;           /* of an image and group */
    int64_t images_per_block; /* the last block may have fewer */
    char *x, *w, *y;          /* the elements of the three tensors, one of which is computed */
    /* Scratch memory, block_elements for each block of images. The offsets are in elements:
     *
     *   0            the columns of a panel
     *   product_at   CONV_WEIGHT: the product of a panel
     *   sums_at      CONV_WEIGHT: for each group, the sum of such products
     *   totals_at    the compensated totals; 0 if there are none. CONV_WEIGHT has them for each
     *                group if there are more than CONV_SUMMED panels, CONV_INPUT for one image and
     *                group if the kernel is larger than CONV_LARGE.
     *   work_at      what a matrix product works in */
    char *scratch;
    int64_t product_at, sums_at, totals_at, work_at, block_elements;
} conv_work;

static char *scratch_at(const conv_work *w, int64_t image_block, int64_t at)
{
    return w->scratch + (size_t)(image_block * w->block_elements + at) * w->size;
}

/* Adds the product of a panel to the sum of its group. `number` counts the panels of a block and
 * group. */
static void add_panel_to_sum(const conv_work *w, int64_t image_block, int64_t group, int64_t number)
{
    const int64_t n = w->s.out_channels * w->k;
    const tg_dtype d = w->c->out->dtype;
    const int level = w->c->tg->level;
    char *sum = scratch_at(w, image_block, w->sums_at + group * n);
    pick(level, add, d)(n, sum, sum, scratch_at(w, image_block, w->product_at));
    if (w->totals_at && (number + 1) % CONV_SUMMED == 0)
        pick(level, accumulate, d)(n, sum, scratch_at(w, image_block, w->totals_at + group * n));
}

/* The elements [from, to) of a dimension of the image. */
typedef struct range {
    int64_t from, to;
} range;

/* The elements of the image, along spatial dimension d, that `count` outputs from number `first` on
 * see through the elements k to `last` of the kernel. */
static range image_range(const geometry *s, int d, int64_t k, int64_t last, int64_t first,
                         int64_t count)
{
    const int64_t step = s->a[CONV_STRIDE + d].i, dilation = s->a[CONV_DILATION + d].i;
    const int64_t padding = s->a[CONV_PADDING + d].i, size = d ? s->w : s->h;
    const int64_t from = first * step + k * dilation - padding;
    const int64_t to = (first + count - 1) * step + last * dilation - padding + 1;
    return (range){from < 0 ? 0 : from, to > size ? size : to};
}

/* Moves the sums that the elements k to `last` of the kernel have added to image to the totals.
 * Both are those of one channel. */
static void move_to_totals(const conv_work *w, int64_t k, int64_t last, int64_t first, int64_t rows,
                           char *image, char *totals)
{
    const geometry *s = &w->s;
    const int64_t k0 = k / s->kw, last0 = last / s->kw;
    const bool in_one_row = k0 == last0;
    const range y = image_range(s, 0, k0, last0, first, rows);
    const range x = image_range(s, 1, in_one_row ? k % s->kw : 0,
                                in_one_row ? last % s->kw : s->kw - 1, 0, s->ow);
    accumulate_kernel *move = pick(w->c->tg->level, accumulate, w->c->out->dtype);
    for (int64_t line = y.from; line < y.to && x.from < x.to; line++) {
        const size_t at = (size_t)(line * s->w + x.from) * w->size;
        move(x.to - x.from, image + at, totals + at);
    }
}

/* Adds columns to the elements of image that they see. With totals, it takes at most CONV_ADDED
 * elements of the kernel at a time, which are whole rows of one channel or a part of one row, and
 * then moves the sums to the totals. */
static void add_patches(const conv_work *w, char *image, char *totals, int64_t first, int64_t rows,
                        char *columns)
{
    const geometry *s = &w->s;
    const int64_t area = s->kh * s->kw, unit = s->kw > CONV_ADDED ? s->kw : area;
    const int64_t most = !totals              ? unit
                         : s->kw > CONV_ADDED ? CONV_ADDED
                                              : CONV_ADDED / s->kw * s->kw;
    binary_kernel *add = pick(w->c->tg->level, add, w->c->out->dtype);
    for (int64_t k = 0, end; k < s->channels * area; k = end) {
        end = (k / unit + 1) * unit;
        if (end > k + most) end = k + most;
        move_patches(s, w->c->out->dtype, image, first, rows, k, end, columns, add);
        const size_t channel = (size_t)(k / area * s->h * s->w) * w->size;
        if (totals)
            move_to_totals(w, k % area, (end - 1) % area, first, rows, image + channel,
                           totals + channel);
    }
}

/* Adds the columns of a panel to the gradient of an image. The first panel of an image clears the
 * totals, and the last one adds them to the image. */
static void add_panel_to_image(const conv_work *w, int64_t image_block, int64_t panel, int64_t rows,
                               char *image, char *columns)
{
    const int64_t n = w->s.channels * w->s.h * w->s.w;
    char *totals = w->totals_at ? scratch_at(w, image_block, w->totals_at) : NULL;
    if (totals && panel == 0) memset(totals, 0, (size_t)n * w->size);
    add_patches(w, image, totals, panel * w->rows, rows, columns);
    if (totals && panel == w->panels - 1)
        pick(w->c->tg->level, add, w->c->out->dtype)(n, image, image, totals);
}

/* Computes one panel of an image and group. The sizes of the product follow from which of the three
 * tensors is computed: y = w columns, columns = w^T y, or w = y columns^T. */
static void compute_panel(const conv_work *w, int64_t image, int64_t group, int64_t panel)
{
    const geometry *s = &w->s;
    const int64_t image_block = image / w->images_per_block, first = panel * w->rows;
    const int64_t rows = s->oh - first < w->rows ? s->oh - first : w->rows;
    const int64_t plane = s->oh * s->ow, n = rows * s->ow, o = s->out_channels, k = w->k;
    const tg_dtype d = w->c->out->dtype;
    matmul_kernel *multiply = pick(w->c->tg->level, matmul, d);
    char *x = w->x + (size_t)((image * s->groups + group) * s->channels * s->h * s->w) * w->size;
    char *y = w->y + (size_t)((image * s->groups + group) * o * plane + first * s->ow) * w->size;
    const char *weight = w->w + (size_t)(group * o * k) * w->size;
    char *columns = scratch_at(w, image_block, 0), *work = scratch_at(w, image_block, w->work_at);
    if (w->part != CONV_INPUT) move_patches(s, d, x, first, rows, 0, k, columns, NULL);
    switch (w->part) {
    case CONV_FORWARD: multiply(o, n, k, y, plane, weight, k, 1, columns, n, 1, work); break;
    case CONV_INPUT:
        multiply(k, n, o, columns, n, weight, 1, k, y, plane, 1, work);
        add_panel_to_image(w, image_block, panel, rows, x, columns);
        break;
    case CONV_WEIGHT:
        multiply(o, k, n, scratch_at(w, image_block, w->product_at), k, y, plane, 1, columns, 1, n,
                 work);
        add_panel_to_sum(w, image_block, group, image % w->images_per_block * w->panels + panel);
    }
}

/* Computes the blocks [from, to). */
static void compute_blocks(void *work, int64_t from, int64_t to)
{
    const conv_work *w = work;
    for (int64_t image = from * w->images_per_block;
         image < to * w->images_per_block && image < w->s.images; image++)
        for (int64_t group = 0; group < w->s.groups; group++)
            for (int64_t panel = 0; panel < w->panels; panel++)
                compute_panel(w, image, group, panel);
}

/* Adds the sums of all blocks to the gradient of the weight, one block after the other. */
static void add_blocks(const conv_work *w)
{
    const int64_t n = w->c->out->numel;
    binary_kernel *add = pick(w->c->tg->level, add, w->c->out->dtype);
    for (int64_t b = 0; b < CONV_BLOCKS; b++) {
        char *sum = scratch_at(w, b, w->sums_at);
        if (w->totals_at) add(n, sum, sum, scratch_at(w, b, w->totals_at));
        add(n, w->w, w->w, sum);
    }
}

/* Sets the offsets in the scratch memory of a block. */
static void lay_out_block(conv_work *w)
{
    const geometry *s = &w->s;
    const int64_t n = w->rows * s->ow, o = s->out_channels, k = w->k, weights = o * k;
    const tg_dtype d = w->c->out->dtype;
    const size_t work = w->part == CONV_FORWARD ? tg__product_scratch(d, o, n, k, 1)
                        : w->part == CONV_INPUT ? tg__product_scratch(d, k, n, o, 1)
                                                : tg__product_scratch(d, o, k, n, n + 1);
    w->work_at = tg__times(n, k);
    if (w->part == CONV_WEIGHT) {
        w->product_at = w->work_at;
        w->sums_at = tg__plus(w->product_at, weights);
        w->work_at = tg__plus(w->sums_at, s->groups * weights);
        if (tg__is_float(d) && w->images_per_block * w->panels > CONV_SUMMED) {
            w->totals_at = w->work_at;
            w->work_at = tg__plus(w->work_at, s->groups * weights);
        }
    }
    if (w->part == CONV_INPUT && tg__is_float(d) && s->kh * s->kw > CONV_LARGE) {
        w->totals_at = w->work_at;
        w->work_at = tg__plus(w->work_at, s->channels * s->h * s->w);
    }
    w->block_elements = tg__plus(w->work_at, (int64_t)(work / w->size));
}

/* Computes one of the three tensors from the other two. A NULL tensor means that there was no
 * memory for it. */
static bool run_conv(const call *c, conv_part part, const tg_tensor *x, const tg_tensor *w,
                     const tg_tensor *y)
{
    conv_work work = {.c = c, .part = part, .size = tg__dtype_size(c->out->dtype)};
    if (part != CONV_FORWARD) tg__fill(c->out, 0);
    if (!x || !w || !y || x->numel == 0 || y->numel == 0) {
        if (part == CONV_FORWARD) tg__fill(c->out, 0);
        return x && w && y;
    }
    const geometry s = work.s = geometry_of(x, w, y, c->a);
    work.x = x->data;
    work.w = w->data;
    work.y = y->data;
    work.k = s.channels * s.kh * s.kw;
    work.rows = tg__conv_rows(work.k, s.oh, s.ow);
    work.panels = (s.oh + work.rows - 1) / work.rows;
    work.images_per_block = (s.images + CONV_BLOCKS - 1) / CONV_BLOCKS;
    lay_out_block(&work);
    const size_t bytes = tg__bytes(tg__times(CONV_BLOCKS, work.block_elements), work.size);
    if (!(work.scratch = tg__alloc(c->tg, bytes))) return false;
    if (part == CONV_WEIGHT) memset(work.scratch, 0, bytes);
    if (x->numel + y->numel < TG_GRAIN)
        compute_blocks(&work, 0, CONV_BLOCKS);
    else
        tg__split(c->tg, CONV_BLOCKS, 1, compute_blocks, &work);
    if (part == CONV_WEIGHT) add_blocks(&work);
    return true;
}

static bool conv2d_forward(const call *c)
{
    return run_conv(c, CONV_FORWARD, tg__contiguous(c->in[0]), tg__contiguous(c->in[1]), c->out);
}

static bool conv2d_input_forward(const call *c)
{
    return run_conv(c, CONV_INPUT, c->out, tg__contiguous(c->in[1]), tg__contiguous(c->in[0]));
}

static bool conv2d_weight_forward(const call *c)
{
    return run_conv(c, CONV_WEIGHT, tg__contiguous(c->in[1]), c->out, tg__contiguous(c->in[0]));
}

/* ---- Shapes. */

static bool conv2d_shape(const call *c, spec *s)
{
    const tg_tensor *x = c->in[0], *w = c->in[1];
    tg__same_shape(c, s);
    s->shape[1] = w->shape[0];
    for (int d = 0; d < 2; d++) {
        const int64_t padded = x->shape[2 + d] + 2 * c->a[CONV_PADDING + d].i;
        const int64_t span = dilated_size(w->shape[2 + d], c->a[CONV_DILATION + d].i);
        s->shape[2 + d] = (padded - span) / c->a[CONV_STRIDE + d].i + 1;
    }
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

/* The shape rules of the gradients: that of x from g and w, and that of w from g and x. */
static bool conv2d_input_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->shape[1] = c->in[1]->shape[1] * c->a[CONV_GROUPS].i;
    s->shape[2] = c->a[CONV_SIZE].i;
    s->shape[3] = c->a[CONV_SIZE + 1].i;
    return true;
}

static bool conv2d_weight_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->shape[0] = c->in[0]->shape[1];
    s->shape[1] = c->in[1]->shape[1] / c->a[CONV_GROUPS].i;
    s->shape[2] = c->a[CONV_SIZE].i;
    s->shape[3] = c->a[CONV_SIZE + 1].i;
    return true;
}

/* ---- Gradients. */

static const op_row conv2d_op, conv2d_input_op, conv2d_weight_op;

/* Applies o to two inputs. The image or the kernel of the result gets the size that `like` has. */
static tg_tensor *apply_like(const op_row *o, tg_tensor *first, tg_tensor *second, const attr *a,
                             const tg_tensor *like)
{
    attr sized[TG_ATTRS];
    memcpy(sized, a, sizeof sized);
    sized[CONV_SIZE].i = like->shape[2];
    sized[CONV_SIZE + 1].i = like->shape[3];
    return tg__apply(o, 2, (tg_tensor *[]){first, second}, sized);
}

/* Each operation computes a tensor in the role of x, w or y from two tensors in the other two
 * roles. Its g has the role of its result. The gradient for an input is therefore the operation
 * that computes the role of this input from g and the other input. */
static tg_tensor *conv2d_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *w = r->in[1].t;
    return i == 0 ? apply_like(&conv2d_input_op, g, w, r->a, x)
                  : apply_like(&conv2d_weight_op, g, x, r->a, w);
}

static tg_tensor *conv2d_input_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *y = r->in[0].t, *w = r->in[1].t;
    return i == 0 ? apply_like(&conv2d_op, g, w, r->a, g)
                  : apply_like(&conv2d_weight_op, y, g, r->a, w);
}

static tg_tensor *conv2d_weight_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *y = r->in[0].t, *x = r->in[1].t;
    return i == 0 ? apply_like(&conv2d_op, x, g, r->a, g)
                  : apply_like(&conv2d_input_op, y, g, r->a, x);
}

static const op_row conv2d_op = {
    .name = "conv2d",
    .grad_name = "ConvolutionBackward0",
    .shape = conv2d_shape,
    .forward = conv2d_forward,
    .grad = conv2d_grad,
    .reads = {READS_1, READS_0},
};
static const op_row conv2d_input_op = {
    .name = "conv2d_input",
    .grad_name = "ConvolutionBackwardBackward0",
    .shape = conv2d_input_shape,
    .forward = conv2d_input_forward,
    .grad = conv2d_input_grad,
    .reads = {READS_1, READS_0},
};
static const op_row conv2d_weight_op = {
    .name = "conv2d_weight",
    .grad_name = "ConvolutionBackwardBackward0",
    .shape = conv2d_weight_shape,
    .forward = conv2d_weight_forward,
    .grad = conv2d_weight_grad,
    .reads = {READS_1, READS_0},
};

/* ---- The public functions. */

tg_conv_options tg_conv_defaults(void)
{
    return (tg_conv_options){TG_CONV_DEFAULTS};
}

/* Checks that the kernel fits in the padded image. */
static bool check_kernel_fits(const char *name, const tg_tensor *x, const tg_tensor *w,
                              const tg_conv_options *o, int spatial)
{
    for (int d = 0; d < spatial; d++) {
        const int64_t padded = x->shape[x->ndim - spatial + d] + 2 * o->padding[d];
        const int64_t span = dilated_size(w->shape[2 + d], o->dilation[d]);
        if (padded < span)
            return tg__fail(
                x->context, TG_ERR_SHAPE,
                "%s: the kernel of weight %s spans %lld elements of dimension %d of the input %s, "
                "which has only %lld with its padding",
                name, SHOW(w), (long long)span, x->ndim - spatial + d, SHOW(x), (long long)padded);
    }
    return true;
}

bool tg__check_conv_options(tg_context *tg, const char *name, const tg_conv_options *o, int spatial)
{
    static const char *const members[][2] = {
        {"stride[0]", "stride[1]"}, {"padding[0]", "padding[1]"}, {"dilation[0]", "dilation[1]"}};
    static const char ones[] = "TG_CONV and tg_conv_defaults() set it to 1";
    for (int d = 0; d < spatial; d++)
        if (!tg__check_number(tg, name, members[0][d], o->stride[d], 1, INT32_MAX, ones) ||
            !tg__check_number(tg, name, members[1][d], o->padding[d], 0, INT32_MAX, NULL) ||
            !tg__check_number(tg, name, members[2][d], o->dilation[d], 1, INT32_MAX, ones))
            return false;
    return tg__check_number(tg, name, "groups", o->groups, 1, INT64_MAX, ones);
}

static bool check_channels(const char *name, const tg_tensor *x, const tg_tensor *w, int64_t groups,
                           int spatial)
{
    tg_context *tg = x->context;
    const int64_t channels = x->shape[x->ndim - spatial - 1],
                  taken = tg__times(w->shape[1], groups);
    if (w->numel == 0)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: the weight %s has no elements", name, SHOW(w));
    if (w->shape[0] % groups)
        return tg__fail(tg, TG_ERR_SHAPE,
                        "%s: the weight %s has %lld out_channels, which is not a multiple of "
                        "groups %lld",
                        name, SHOW(w), (long long)w->shape[0], (long long)groups);
    return channels == taken ||
           tg__fail(tg, TG_ERR_SHAPE,
                    "%s: the input %s has %lld channels, but the weight %s with groups %lld takes "
                    "%lld",
                    name, SHOW(x), (long long)channels, SHOW(w), (long long)groups,
                    (long long)taken);
}

static bool check_conv(const char *name, const tg_tensor *x, const tg_tensor *w,
                       const tg_conv_options *o, int spatial)
{
    tg_context *tg = x->context;
    const tg_tensor *b = o->bias;
    if (!tg__is_number(x->dtype)) return tg__refuse_dtype(name, x);
    if (x->dtype != w->dtype)
        return tg__fail(tg, TG_ERR_DTYPE, "%s: the input is %s, the weight %s; use tg_cast", name,
                        tg_dtype_name(x->dtype), tg_dtype_name(w->dtype));
    if (!tg__check_conv_options(tg, name, o, spatial)) return false;
    if (x->ndim != spatial + 1 && x->ndim != spatial + 2)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: the input %s is not %s", name, SHOW(x),
                        spatial == 1 ? "(C, L) or (N, C, L)" : "(C, H, W) or (N, C, H, W)");
    if (w->ndim != spatial + 2)
        return tg__fail(tg, TG_ERR_SHAPE,
                        "%s: the weight %s is not (out_channels, in_channels / groups, kernel%s)",
                        name, SHOW(w), spatial == 1 ? "" : " height, kernel width");
    if (!check_channels(name, x, w, o->groups, spatial)) return false;
    return !b || (b->ndim == 1 && b->shape[0] == w->shape[0] && b->dtype == x->dtype) ||
           tg__fail(tg, b->dtype != x->dtype ? TG_ERR_DTYPE : TG_ERR_SHAPE,
                    "%s: the bias is %s %s, not %s [%lld]", name, tg_dtype_name(b->dtype), SHOW(b),
                    tg_dtype_name(x->dtype), (long long)w->shape[0]);
}

/* conv1d is a conv2d whose first spatial dimension has size 1. */
static tg_tensor *convolve(const char *name, tg_tensor *x, tg_tensor *w,
                           const tg_conv_options *options, int spatial)
{
    const tg_conv_options o = options ? *options : tg_conv_defaults();
    if (!tg__check_inputs(name, o.bias ? 3 : 2, (tg_tensor *[]){x, w, o.bias}) ||
        !check_conv(name, x, w, &o, spatial) || !check_kernel_fits(name, x, w, &o, spatial))
        return NULL;
    attr a[TG_ATTRS] = {[CONV_GROUPS] = {.i = o.groups}};
    for (int d = 0; d < 2; d++) {
        const int own = d - (2 - spatial); /* negative for the dimension that conv1d lacks */
        a[CONV_STRIDE + d].i = own < 0 ? 1 : o.stride[own];
        a[CONV_PADDING + d].i = own < 0 ? 0 : o.padding[own];
        a[CONV_DILATION + d].i = own < 0 ? 1 : o.dilation[own];
    }
    frame f;
    tg__enter(&f, name, x);
    const bool single = x->ndim == spatial + 1;
    if (single) x = tg_unsqueeze(x, 0);
    if (spatial == 1) {
        x = tg_unsqueeze(x, 2);
        w = tg_unsqueeze(w, 2);
    }
    tg_tensor *y = tg__apply(&conv2d_op, 2, (tg_tensor *[]){x, w}, a);
    if (y && o.bias) y = tg_add(y, tg_view(o.bias, TG_SHAPE(y->shape[1], 1, 1)));
    if (spatial == 1) y = tg_squeeze_dim(y, 2);
    tg__name_grad_fn(y, conv2d_op.grad_name);
    return tg__leave(&f, single ? tg_squeeze_dim(y, 0) : y);
}

tg_tensor *tg_conv1d(tg_tensor *input, tg_tensor *weight, const tg_conv_options *options)
{
    return convolve("conv1d", input, weight, options, 1);
}

tg_tensor *tg_conv2d(tg_tensor *input, tg_tensor *weight, const tg_conv_options *options)
{
    return convolve("conv2d", input, weight, options, 2);
}
