/* Convolution as products: the patches of an image become the columns of a matrix.
 *
 * Three operations, each linear in both of its inputs, are each other's gradients: conv2d of x and
 * w, the gradient for x (of g and w), and that for w (of g and x). */
#include "conv.h"
#include "matmul.h"

#include <string.h>

/* Where stride, padding, dilation, groups, and the size of what is not an input stand: of x's
 * image, or of the kernel. */
enum { CONV_STRIDE = 0, CONV_PADDING = 2, CONV_DILATION = 4, CONV_GROUPS = 6, CONV_SIZE = 7 };

typedef enum conv_part { CONV_FORWARD, CONV_INPUT, CONV_WEIGHT } conv_part;

typedef struct geometry {
    int64_t images, channels, h, w; /* channels of a group */
    int64_t out_channels, kh, kw;   /* of a group */
    int64_t oh, ow, groups;
    const attr *a;
} geometry;

/* How many elements a dilated kernel of at least one element spans. */
static int64_t reach_of(int64_t kernel, int64_t dilation)
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

/* ---- Patches. columns: (channels kh kw, rows ow), for the output's rows from first on. */

/* What the columns of the output see through kernel column k1: those in [from, to) an element of
 * the image, the first of them number at of its line; the others the padding. */
typedef struct sight {
    int64_t from, to, at, step;
} sight;

static sight sight_of(const geometry *s, int64_t k1)
{
    const int64_t step = s->a[CONV_STRIDE + 1].i;
    const int64_t start = k1 * s->a[CONV_DILATION + 1].i - s->a[CONV_PADDING + 1].i;
    int64_t from = start < 0 ? (step - 1 - start) / step : 0;
    int64_t to = s->w > start ? (s->w - start - 1) / step + 1 : 0;
    if (to > s->ow) to = s->ow;
    if (from > to) from = to;
    return (sight){from, to, from < to ? start + from * step : 0, step};
}

static void copy_steps(size_t size, int64_t n, char *to, const char *from, int64_t step)
{
    if (size == 4)
        for (int64_t i = 0; i < n; i++) memcpy(to + 4 * i, from + 4 * i * step, 4);
    else if (size == 8)
        for (int64_t i = 0; i < n; i++) memcpy(to + 8 * i, from + 8 * i * step, 8);
    else
        for (; n > 0; n--, to += size, from += (int64_t)size * step) memcpy(to, from, size);
}

static void add_steps(tg_dtype dtype, int64_t n, void *to, int64_t step, const void *from)
{
    switch (dtype) {
    case TG_F32:
        for (int64_t i = 0; i < n; i++) ((float *)to)[i * step] += ((const float *)from)[i];
        break;
    case TG_F64:
        for (int64_t i = 0; i < n; i++) ((double *)to)[i * step] += ((const double *)from)[i];
        break;
    case TG_I64:
    case TG_BOOL: break; /* have no gradient */
    }
}

/* A line of the image, or NULL, to ow columns; and back. */
static void see_line(const sight *v, int64_t ow, size_t size, const char *line, char *columns)
{
    char *seen = columns + (size_t)v->from * size;
    if (!line || v->from > 0) memset(columns, 0, (size_t)(line ? v->from : ow) * size);
    if (!line) return;
    if (v->to < ow) memset(columns + (size_t)v->to * size, 0, (size_t)(ow - v->to) * size);
    if (v->step == 1)
        memcpy(seen, line + (size_t)v->at * size, (size_t)(v->to - v->from) * size);
    else
        copy_steps(size, v->to - v->from, seen, line + (size_t)v->at * size, v->step);
}

static void add_line(const sight *v, binary_kernel *add, tg_dtype dtype, char *line,
                     const char *columns)
{
    const size_t size = tg__dtype_size(dtype);
    const char *seen = columns + (size_t)v->from * size;
    char *to = line + (size_t)v->at * size;
    if (v->step == 1)
        add(v->to - v->from, to, to, seen);
    else
        add_steps(dtype, v->to - v->from, to, v->step, seen);
}

/* Copies what the columns see through the elements [from, to) of the kernel; or, with add, adds the
 * columns to where they belong in image. */
static void patches(const geometry *s, tg_dtype dtype, char *image, int64_t first, int64_t rows,
                    int64_t from, int64_t to, char *columns, binary_kernel *add)
{
    const size_t size = tg__dtype_size(dtype);
    int64_t k1 = from % s->kw, k0 = from / s->kw % s->kh;
    char *plane = image + (size_t)(from / s->kw / s->kh * s->h * s->w) * size;
    columns += (size_t)(from * rows * s->ow) * size;
    for (int64_t k = from; k < to; k++) {
        const sight v = sight_of(s, k1);
        int64_t y = first * s->a[CONV_STRIDE].i - s->a[CONV_PADDING].i + k0 * s->a[CONV_DILATION].i;
        for (int64_t r = 0; r < rows;
             r++, y += s->a[CONV_STRIDE].i, columns += (size_t)s->ow * size) {
            char *line = y < 0 || y >= s->h ? NULL : plane + (size_t)(y * s->w) * size;
            if (!add)
                see_line(&v, s->ow, size, line, columns);
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

/* ---- Running. The images are worked on in so many blocks, each with memory of its own, so that
 * threads do not change what the weight's gradient, a sum over images, is rounded to. */
enum {
    CONV_BLOCKS = 4,
    CONV_PANEL = 1 << 16, /* elements of columns at a time */
    CONV_SUMMED = 32,     /* panels whose products a block adds one after the other; after each so
                           * many the sum moves to a total, as in src/kernels/matmul.inc */
    CONV_LARGE = 1024,    /* elements of a kernel, of which the gradient of an element of the image
                           * has a term each; if they are more, the terms of CONV_ADDED elements of
                           * the kernel are added before their sum moves to a total */
    CONV_ADDED = 128
};

typedef struct conv_work {
    const call *c;
    geometry s;
    conv_part what;
    size_t size;
    int64_t rows, k; /* of a panel: rows of the output, and rows of the matrix of columns */
    int64_t panels;  /* of an image */
    int64_t each;    /* images of a block */
    char *x, *w, *y; /* the three tensors, of which one is the result */
    /* Scratch memory, of_block elements for each block of images. It begins with the columns of a
     * panel. For CONV_WEIGHT there follow the product of a panel, the sum of these products and, if
     * they are more than CONV_SUMMED, the totals of such sums; for CONV_INPUT with a kernel larger
     * than CONV_LARGE, the totals of one image and group. totals_at is 0 if there are none. Last
     * comes the scratch memory of a product. */
    char *scratch;
    int64_t product_at;
    int64_t sums_at, totals_at, work_at, of_block;
} conv_work;

static char *place_in_block(const conv_work *w, int64_t of, int64_t at)
{
    return w->scratch + (size_t)(of * w->of_block + at) * w->size;
}

/* Adds the product of a panel to the sums; number counts the panels of its block and group. */
static void add_panel(const conv_work *w, int64_t of, int64_t group, int64_t number)
{
    const int64_t n = w->s.out_channels * w->k;
    const tg_dtype d = w->c->out->dtype;
    const int level = w->c->tg->level;
    char *sum = place_in_block(w, of, w->sums_at + group * n);
    pick(level, add, d)(n, sum, sum, place_in_block(w, of, w->product_at));
    if (w->totals_at && (number + 1) % CONV_SUMMED == 0)
        pick(level, accumulate, d)(n, sum, place_in_block(w, of, w->totals_at + group * n));
}

/* The elements [from, to) of a dimension of the image. */
typedef struct range {
    int64_t from, to;
} range;

/* Those that count outputs from first on see through the elements k to last of the kernel. */
static range seen_through(const geometry *s, int d, int64_t k, int64_t last, int64_t first,
                          int64_t count)
{
    const int64_t step = s->a[CONV_STRIDE + d].i, dilation = s->a[CONV_DILATION + d].i;
    const int64_t padding = s->a[CONV_PADDING + d].i, size = d ? s->w : s->h;
    const int64_t from = first * step + k * dilation - padding;
    const int64_t to = (first + count - 1) * step + last * dilation - padding + 1;
    return (range){from < 0 ? 0 : from, to > size ? size : to};
}

/* Moves what the elements k to last of the kernel have added to image to the totals; both are those
 * of one channel. */
static void move_to_totals(const conv_work *w, int64_t k, int64_t last, int64_t first, int64_t rows,
                           char *image, char *totals)
{
    const geometry *s = &w->s;
    const int64_t k0 = k / s->kw, last0 = last / s->kw;
    const bool in_one_row = k0 == last0;
    const range y = seen_through(s, 0, k0, last0, first, rows);
    const range x = seen_through(s, 1, in_one_row ? k % s->kw : 0,
                                 in_one_row ? last % s->kw : s->kw - 1, 0, s->ow);
    accumulate_kernel *move = pick(w->c->tg->level, accumulate, w->c->out->dtype);
    for (int64_t line = y.from; line < y.to && x.from < x.to; line++) {
        const size_t at = (size_t)(line * s->w + x.from) * w->size;
        move(x.to - x.from, image + at, totals + at);
    }
}

/* Adds columns to where they belong in image. With totals, the elements of the kernel are taken in
 * groups of several rows of a channel, or of a part of one row. */
static void add_patches(const conv_work *w, char *image, char *totals, int64_t first, int64_t rows,
                        char *columns)
{
    const geometry *s = &w->s;
    const int64_t area = s->kh * s->kw, whole = s->kw > CONV_ADDED ? s->kw : area;
    const int64_t most = !totals              ? whole
                         : s->kw > CONV_ADDED ? CONV_ADDED
                                              : CONV_ADDED / s->kw * s->kw;
    binary_kernel *add = pick(w->c->tg->level, add, w->c->out->dtype);
    for (int64_t k = 0, end; k < s->channels * area; k = end) {
        end = (k / whole + 1) * whole;
        if (end > k + most) end = k + most;
        patches(s, w->c->out->dtype, image, first, rows, k, end, columns, add);
        const size_t plane = (size_t)(k / area * s->h * s->w) * w->size;
        if (totals)
            move_to_totals(w, k % area, (end - 1) % area, first, rows, image + plane,
                           totals + plane);
    }
}

static void image_panel(const conv_work *w, int64_t of, int64_t panel, int64_t rows, char *image,
                        char *columns)
{
    const int64_t n = w->s.channels * w->s.h * w->s.w;
    char *totals = w->totals_at ? place_in_block(w, of, w->totals_at) : NULL;
    if (totals && panel == 0) memset(totals, 0, (size_t)n * w->size);
    add_patches(w, image, totals, panel * w->rows, rows, columns);
    if (totals && panel == w->panels - 1)
        pick(w->c->tg->level, add, w->c->out->dtype)(n, image, image, totals);
}

static void one_panel(const conv_work *w, int64_t image, int64_t group, int64_t panel)
{
    const geometry *s = &w->s;
    const int64_t of = image / w->each, first = panel * w->rows;
    const int64_t rows = s->oh - first < w->rows ? s->oh - first : w->rows;
    const int64_t whole = s->oh * s->ow, n = rows * s->ow, o = s->out_channels, k = w->k;
    const tg_dtype d = w->c->out->dtype;
    matmul_kernel *multiply = pick(w->c->tg->level, matmul, d);
    char *x = w->x + (size_t)((image * s->groups + group) * s->channels * s->h * s->w) * w->size;
    char *y = w->y + (size_t)((image * s->groups + group) * o * whole + first * s->ow) * w->size;
    const char *weight = w->w + (size_t)(group * o * k) * w->size;
    char *columns = place_in_block(w, of, 0), *work = place_in_block(w, of, w->work_at);
    if (w->what != CONV_INPUT) patches(s, d, x, first, rows, 0, k, columns, NULL);
    switch (w->what) {
    case CONV_FORWARD: multiply(o, n, k, y, whole, weight, k, 1, columns, n, 1, work); break;
    case CONV_INPUT:
        multiply(k, n, o, columns, n, weight, 1, k, y, whole, 1, work);
        image_panel(w, of, panel, rows, x, columns);
        break;
    case CONV_WEIGHT:
        multiply(o, k, n, place_in_block(w, of, w->product_at), k, y, whole, 1, columns, 1, n,
                 work);
        add_panel(w, of, group, image % w->each * w->panels + panel);
    }
}

static void some_blocks(void *work, int64_t from, int64_t to)
{
    const conv_work *w = work;
    for (int64_t image = from * w->each; image < to * w->each && image < w->s.images; image++)
        for (int64_t group = 0; group < w->s.groups; group++)
            for (int64_t panel = 0; panel < w->panels; panel++) one_panel(w, image, group, panel);
}

/* The sums of the blocks, one after the other. */
static void add_blocks(const conv_work *w)
{
    const int64_t n = w->c->out->numel;
    binary_kernel *add = pick(w->c->tg->level, add, w->c->out->dtype);
    for (int64_t b = 0; b < CONV_BLOCKS; b++) {
        char *sum = place_in_block(w, b, w->sums_at);
        if (w->totals_at) add(n, sum, sum, place_in_block(w, b, w->totals_at));
        add(n, w->w, w->w, sum);
    }
}

/* Sets the offsets of what the scratch memory of a block holds. */
static void lay_out_block(conv_work *w)
{
    const geometry *s = &w->s;
    const int64_t n = w->rows * s->ow, o = s->out_channels, k = w->k, weights = o * k;
    const tg_dtype d = w->c->out->dtype;
    const size_t work = w->what == CONV_FORWARD ? tg__product_scratch(d, o, n, k, 1)
                        : w->what == CONV_INPUT ? tg__product_scratch(d, k, n, o, 1)
                                                : tg__product_scratch(d, o, k, n, n + 1);
    w->work_at = tg__times(n, k);
    if (w->what == CONV_WEIGHT) {
        w->product_at = w->work_at;
        w->sums_at = tg__plus(w->product_at, weights);
        w->work_at = tg__plus(w->sums_at, s->groups * weights);
        if (tg__is_float(d) && w->each * w->panels > CONV_SUMMED) {
            w->totals_at = w->work_at;
            w->work_at = tg__plus(w->work_at, s->groups * weights);
        }
    }
    if (w->what == CONV_INPUT && tg__is_float(d) && s->kh * s->kw > CONV_LARGE) {
        w->totals_at = w->work_at;
        w->work_at = tg__plus(w->work_at, s->channels * s->h * s->w);
    }
    w->of_block = tg__plus(w->work_at, (int64_t)(work / w->size));
}

static bool run_part(const call *c, conv_part what, const tg_tensor *x, const tg_tensor *w,
                     const tg_tensor *y)
{
    conv_work work = {.c = c, .what = what, .size = tg__dtype_size(c->out->dtype)};
    if (what != CONV_FORWARD) tg__fill(c->out, 0);
    if (!x || !w || !y || x->numel == 0 || y->numel == 0) {
        if (what == CONV_FORWARD) tg__fill(c->out, 0);
        return x && w && y;
    }
    const geometry s = work.s = geometry_of(x, w, y, c->a);
    work.x = x->data;
    work.w = w->data;
    work.y = y->data;
    work.k = s.channels * s.kh * s.kw;
    const int64_t of_row = tg__times(work.k, s.ow);
    work.rows = CONV_PANEL / of_row + 1;
    if (work.rows > s.oh) work.rows = s.oh;
    work.panels = (s.oh + work.rows - 1) / work.rows;
    work.each = (s.images + CONV_BLOCKS - 1) / CONV_BLOCKS;
    lay_out_block(&work);
    const size_t bytes = tg__bytes(tg__times(CONV_BLOCKS, work.of_block), work.size);
    if (!(work.scratch = tg__alloc(c->tg, bytes))) return false;
    if (what == CONV_WEIGHT) memset(work.scratch, 0, bytes);
    if (x->numel + y->numel < TG_GRAIN)
        some_blocks(&work, 0, CONV_BLOCKS);
    else
        tg__split(c->tg, CONV_BLOCKS, 1, some_blocks, &work);
    if (what == CONV_WEIGHT) add_blocks(&work);
    return true;
}

static bool conv2d_forward(const call *c)
{
    return run_part(c, CONV_FORWARD, tg__contiguous(c->in[0]), tg__contiguous(c->in[1]), c->out);
}

static bool input_forward(const call *c)
{
    return run_part(c, CONV_INPUT, c->out, tg__contiguous(c->in[1]), tg__contiguous(c->in[0]));
}

static bool weight_forward(const call *c)
{
    return run_part(c, CONV_WEIGHT, tg__contiguous(c->in[1]), c->out, tg__contiguous(c->in[0]));
}

/* ---- Shapes. */

static bool conv2d_shape(const call *c, spec *s)
{
    const tg_tensor *x = c->in[0], *w = c->in[1];
    tg__same_shape(c, s);
    s->shape[1] = w->shape[0];
    for (int d = 0; d < 2; d++) {
        const int64_t padded = x->shape[2 + d] + 2 * c->a[CONV_PADDING + d].i;
        const int64_t reach = reach_of(w->shape[2 + d], c->a[CONV_DILATION + d].i);
        s->shape[2 + d] = (padded - reach) / c->a[CONV_STRIDE + d].i + 1;
    }
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

/* x's, from g and w; and w's, from g and x. */
static bool input_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->shape[1] = c->in[1]->shape[1] * c->a[CONV_GROUPS].i;
    s->shape[2] = c->a[CONV_SIZE].i;
    s->shape[3] = c->a[CONV_SIZE + 1].i;
    return true;
}

static bool weight_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->shape[0] = c->in[0]->shape[1];
    s->shape[1] = c->in[1]->shape[1] / c->a[CONV_GROUPS].i;
    s->shape[2] = c->a[CONV_SIZE].i;
    s->shape[3] = c->a[CONV_SIZE + 1].i;
    return true;
}

/* ---- Gradients. */

static const op_row conv2d_op, input_op, weight_op;

/* o of two inputs, for a result whose image or kernel has the size of like's. */
static tg_tensor *apply_like(const op_row *o, tg_tensor *first, tg_tensor *second, const attr *a,
                             const tg_tensor *like)
{
    attr sized[TG_ATTRS];
    memcpy(sized, a, sizeof sized);
    sized[CONV_SIZE].i = like->shape[2];
    sized[CONV_SIZE + 1].i = like->shape[3];
    return tg__apply(o, 2, (tg_tensor *[]){first, second}, sized);
}

static tg_tensor *conv2d_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *x = r->in[0].t, *w = r->in[1].t;
    return i == 0 ? apply_like(&input_op, g, w, r->a, x) : apply_like(&weight_op, g, x, r->a, w);
}

static tg_tensor *input_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *y = r->in[0].t, *w = r->in[1].t;
    return i == 0 ? apply_like(&conv2d_op, g, w, r->a, g) : apply_like(&weight_op, y, g, r->a, w);
}

static tg_tensor *weight_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *y = r->in[0].t, *x = r->in[1].t;
    return i == 0 ? apply_like(&conv2d_op, x, g, r->a, g) : apply_like(&input_op, y, g, r->a, x);
}

static const op_row conv2d_op = {
    .name = "conv2d",
    .grad_name = "ConvolutionBackward0",
    .shape = conv2d_shape,
    .forward = conv2d_forward,
    .grad = conv2d_grad,
    .reads = {READS_1, READS_0},
};
static const op_row input_op = {
    .name = "conv2d_input",
    .grad_name = "ConvolutionBackwardBackward0",
    .shape = input_shape,
    .forward = input_forward,
    .grad = input_grad,
    .reads = {READS_1, READS_0},
};
static const op_row weight_op = {
    .name = "conv2d_weight",
    .grad_name = "ConvolutionBackwardBackward0",
    .shape = weight_shape,
    .forward = weight_forward,
    .grad = weight_grad,
    .reads = {READS_1, READS_0},
};

/* ---- What is called. */

tg_conv_options tg_conv_defaults(void)
{
    return (tg_conv_options){TG_CONV_DEFAULTS};
}

/* Checks that the kernel fits in the padded image. */
static bool check_reach(const char *name, const tg_tensor *x, const tg_tensor *w,
                        const tg_conv_options *o, int spatial)
{
    for (int d = 0; d < spatial; d++) {
        const int64_t padded = x->shape[x->ndim - spatial + d] + 2 * o->padding[d];
        const int64_t reach = reach_of(w->shape[2 + d], o->dilation[d]);
        if (padded < reach)
            return tg__fail(
                x->context, TG_ERR_SHAPE,
                "%s: the kernel of weight %s spans %lld elements of dimension %d of the input %s, "
                "which has only %lld with its padding",
                name, SHOW(w), (long long)reach, x->ndim - spatial + d, SHOW(x), (long long)padded);
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
           tg__fail(tg, TG_ERR_SHAPE, "%s: the bias is %s %s, not %s [%lld]", name,
                    tg_dtype_name(b->dtype), SHOW(b), tg_dtype_name(x->dtype),
                    (long long)w->shape[0]);
}

/* One spatial dimension is the second of two. */
static tg_tensor *convolve(const char *name, tg_tensor *x, tg_tensor *w,
                           const tg_conv_options *options, int spatial)
{
    const tg_conv_options o = options ? *options : tg_conv_defaults();
    if (!tg__check_inputs(name, o.bias ? 3 : 2, (tg_tensor *[]){x, w, o.bias}) ||
        !check_conv(name, x, w, &o, spatial) || !check_reach(name, x, w, &o, spatial))
        return NULL;
    attr a[TG_ATTRS] = {{.i = 1}, {.i = 1},        {0}, {0}, {.i = 1},
                        {.i = 1}, {.i = o.groups}, {0}, {0}};
    for (int d = 0; d < spatial; d++) {
        const int at = 2 - spatial + d;
        a[CONV_STRIDE + at].i = o.stride[d];
        a[CONV_PADDING + at].i = o.padding[d];
        a[CONV_DILATION + at].i = o.dilation[d];
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
