/* Convolution by columns: the patches that a few rows of the result see become the columns of a
 * matrix in memory. This way serves integers and the shapes that conv_patches.c leaves to it. */
#include "conv_work.h"
#include "matmul.h"

#include <string.h>

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
    const range r = conv_range(s->ow, start, step, s->w);
    return (output_span){r.from, r.to, r.from < r.to ? start + r.from * step : 0, step};
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

/* ---- The gradient of the image. An element has a term for each element of the kernel. If the
 * kernel has more than CONV_LARGE elements, the terms of CONV_ADDED of these are added before their
 * sum moves to a compensated total. */
enum { CONV_LARGE = 1024, CONV_ADDED = 128 };

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
    char *totals =
        w->image_totals_at ? conv_scratch(w, image_block, w->own_at + w->image_totals_at) : NULL;
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
    const int level = w->c->tg->level;
    matmul_kernel *multiply = pick(level, matmul, d);
    char *x = conv_x(w, image, group), *y = conv_y(w, image, group, first);
    const char *weight = w->w + (size_t)(group * o * k) * w->size;
    char *columns = conv_scratch(w, image_block, w->own_at);
    char *product = conv_scratch(w, image_block, w->own_at + w->product_at);
    char *sum = conv_scratch(w, image_block, group * o * k);
    char *work = conv_scratch(w, image_block, w->own_at + w->work_at);
    if (w->part != CONV_INPUT) move_patches(s, d, x, first, rows, 0, k, columns, NULL);
    switch (w->part) {
    case CONV_FORWARD: multiply(o, n, k, y, plane, weight, k, 1, columns, n, 1, work); break;
    case CONV_INPUT:
        multiply(k, n, o, columns, n, weight, 1, k, y, plane, 1, work);
        add_panel_to_image(w, image_block, panel, rows, x, columns);
        break;
    case CONV_WEIGHT:
        multiply(o, k, n, product, k, y, plane, 1, columns, 1, n, work);
        pick(level, add, d)(o * k, sum, sum, product);
        tg__panel_is_added(w, image_block, group, image % w->images_per_block * w->panels + panel);
    }
}

void tg__convolve_columns(const conv_work *w, int64_t image, int64_t group, int64_t groups)
{
    for (const int64_t end = group + groups; group < end; group++)
        for (int64_t panel = 0; panel < w->panels; panel++) compute_panel(w, image, group, panel);
}

int64_t tg__lay_out_columns(conv_work *w)
{
    const geometry *s = &w->s;
    const int64_t n = w->rows * s->ow, o = s->out_channels, k = w->k;
    const tg_dtype d = w->c->out->dtype;
    const size_t work = w->part == CONV_FORWARD ? tg__product_scratch(d, o, n, k, 1)
                        : w->part == CONV_INPUT ? tg__product_scratch(d, k, n, o, 1)
                                                : tg__product_scratch(d, o, k, n, n + 1);
    w->work_at = tg__times(n, k);
    if (w->part == CONV_WEIGHT) {
        w->product_at = w->work_at;
        w->work_at = tg__plus(w->product_at, o * k);
    }
    if (w->part == CONV_INPUT && tg__is_float(d) && s->kh * s->kw > CONV_LARGE) {
        w->image_totals_at = w->work_at;
        w->work_at = tg__plus(w->work_at, s->channels * s->h * s->w);
    }
    return tg__plus(w->work_at, (int64_t)(work / w->size));
}
