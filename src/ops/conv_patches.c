/* Convolution as products with patches that are read in place: the kernel patch_product packs them
 * straight from the image. What it reads is an image with its padding, in which neighbours in a row
 * of the result see neighbours in memory:
 *
 *     line 0    | column 0, 2, 4 ... | column 1, 3, 5 ... |      for a stride of 2
 *     line 1    | column 0, 2, 4 ... | column 1, 3, 5 ... |
 *     :         :                    :                    :
 *
 * The columns of a line are sorted by their remainder modulo the stride, its phase. Each element of
 * the kernel sees the columns of one phase from some place on, in their order.
 *
 * The gradient of the image is a product with patches of y. A row and a column of the image belong
 * to a phase, too, as they see only those elements of the kernel that are a multiple of the stride
 * away; each pair of phases is a product of its own. For each element of the kernel, the terms of
 * all output channels are summed from 0, and these sums are added in the order of the elements of
 * the kernel.
 *
 * The gradient of the weight is the product of the patches of x and y, transposed; or, for one
 * input channel and few output channels, the product of y and the transposed patches. */
#include "conv_work.h"
#include "matmul.h"
#include "../kernels/product.h"

#include <string.h>

enum {
    CHUNK_BYTES = 1 << 19,   /* bytes of a layout, unless a single row of the result needs more */
    GROUPS_BYTES = 1 << 13,  /* bytes of the layouts of small groups that are made together */
    MOST_ELEMENTS = 1 << 22, /* elements of the largest layout that is made */
};

/* The image with its padding is (channels, lines, phases * width). It begins at line `top` and
 * column `left` of the image, which are negative in the padding. */
struct reading {
    int64_t channels, h, w; /* of the image, which is y for CONV_INPUT */
    int64_t rows;           /* of the result, or of each phase of x, that one layout is for */
    int64_t groups;         /* whose channels one layout holds */
    int64_t lines, phases, width, top, left;
    int64_t step;        /* between the columns of a phase */
    int64_t pitch;       /* between what neighbours in a column of the result see */
    bool dense;          /* the layout has a copy for each column of the kernel */
    bool transposed;     /* CONV_WEIGHT: the patches are the second matrix, transposed */
    bool in_place;       /* the image has no padding, and is its own layout */
    int64_t *offset;     /* of the rows of the patches */
    const char *weights; /* CONV_INPUT: the weight as (groups, channels, taps, outputs) */
    int64_t taps;        /* the elements of the kernel in it */
};

/* How many elements the kernel spans along dimension d. */
static int64_t kernel_span(const conv_work *w, int d)
{
    return tg__dilated_size(d ? w->s.kw : w->s.kh, w->s.a[CONV_DILATION + d].i);
}

/* CONV_INPUT: element number i of a phase sees, through an element of the kernel, element i + d of
 * the result. This is the range of d. */
typedef struct tap_range {
    int64_t least, most;
} tap_range;

static tap_range range_of_taps(const conv_work *w, int d)
{
    const int64_t step = conv_stride(w, d), padding = w->s.a[CONV_PADDING + d].i;
    return (tap_range){conv_floor(padding - kernel_span(w, d) + 1, step),
                       conv_floor(padding + step - 1, step)};
}

/* The phases that the image has along dimension d, and the elements of one of them. */
static int64_t phases_of(const conv_work *w, int d)
{
    const int64_t size = d ? w->s.w : w->s.h, step = conv_stride(w, d);
    return size < step ? size : step;
}
static int64_t size_of_phase(const conv_work *w, int d, int64_t phase)
{
    return ((d ? w->s.w : w->s.h) - phase - 1) / conv_stride(w, d) + 1;
}

/* ---- The layout. */

/* The bytes that the kernel may read, with its last vector, behind the end of an image. */
enum { READ_BEHIND = 64 };

/* Whether fewer than READ_BEHIND bytes follow in memory behind the part of an image that a group
 * sees. */
static bool is_near_end(const conv_work *w, int64_t image, int64_t group)
{
    const reading *r = w->patches;
    const int64_t behind = w->s.images * w->s.groups - 1 - (image * w->s.groups + group);
    return behind * r->channels * r->h * r->w * (int64_t)w->size < READ_BEHIND;
}

/* The elements that the layout of a group takes. */
static int64_t size_of_group(const reading *r)
{
    return tg__times(tg__times(r->channels, r->lines), tg__times(r->phases, r->width));
}

/* The elements that a layout takes, and what may be read behind it. */
static int64_t size_of_layout(const conv_work *w, const reading *r)
{
    return conv_lines(
        w, tg__plus(tg__times(r->groups, size_of_group(r)), READ_BEHIND / (int64_t)w->size));
}

/* Where a block lays out the image, and what it works in after that. */
static char *own_scratch(const conv_work *w, int64_t image, bool work)
{
    return conv_scratch(w, image / w->images_per_block,
                        w->own_at + (work ? size_of_layout(w, w->patches) : 0));
}

/* Copies a part of the layout of so many channels: lines `row_step` apart, the first of which is
 * line y of the image, and columns, the first of which is column x. The lines of the layout are
 * `pitch` apart. */
static void copy_part(const conv_work *w, int64_t channels, const char *image, int64_t y,
                      int64_t row_step, int64_t x, char *to, int64_t pitch)
{
    const reading *r = w->patches;
    const range l = conv_range(r->lines, y, row_step, r->h);
    const range c = conv_range(r->width, x, r->step, r->w);
    copy_kernel *copy = pick(w->c->tg->level, copy, w->c->out->dtype);
    if (l.from == l.to || c.from == c.to) return;
    to += (size_t)(l.from * pitch + c.from) * w->size;
    image += (size_t)((y + l.from * row_step) * r->w + x + c.from * r->step) * w->size;
    for (; channels > 0; channels--, image += (size_t)(r->h * r->w) * w->size,
                         to += (size_t)(r->lines * r->phases * r->width) * w->size)
        copy(l.to - l.from, c.to - c.from, to, pitch, 1, image, row_step * r->w, r->step);
}

/* Writes the layout for the rows of the result from `first` on to the scratch memory, unless the
 * image serves as it is. `data` is what the groups see of the image with that number. */
static const char *lay_out(const conv_work *w, const char *data, int64_t image, int64_t group,
                           int64_t groups, int64_t first)
{
    const reading *r = w->patches;
    const int64_t top = r->top + first * (w->part == CONV_INPUT ? 1 : conv_stride(w, 0));
    if (r->in_place && !is_near_end(w, image, group)) return data;
    char *to = own_scratch(w, image, false);
    memset(to, 0, (size_t)(groups * size_of_group(r)) * w->size);
    for (int64_t p = 0; p < r->phases; p++)
        if (r->dense)
            copy_part(w, groups * r->channels, data, top + p / w->s.kw, conv_stride(w, 0),
                      r->left + p % w->s.kw * w->s.a[CONV_DILATION + 1].i,
                      to + (size_t)(p * r->lines * r->width) * w->size, r->width);
        else
            copy_part(w, groups * r->channels, data, top, 1, r->left + p,
                      to + (size_t)(p * r->width) * w->size, r->phases * r->width);
    return to;
}

/* ---- The three products. */

/* The part of a layout that group number g of those in it sees. */
static const char *patches_of_group(const conv_work *w, const char *layout, int64_t g)
{
    return layout + (size_t)(g * size_of_group(w->patches)) * w->size;
}

static void multiply_patches(const conv_work *w, const patch_product *p)
{
    pick(w->c->tg->level, patch_product, w->c->out->dtype)(p);
}

static void compute_result(const conv_work *w, int64_t image, int64_t group, int64_t groups)
{
    const geometry *s = &w->s;
    const reading *r = w->patches;
    for (int64_t first = 0; first < s->oh; first += r->rows) {
        const int64_t rows = s->oh - first < r->rows ? s->oh - first : r->rows;
        const char *x = lay_out(w, conv_x(w, image, group), image, group, groups, first);
        for (int64_t g = 0; g < groups; g++)
            multiply_patches(
                w,
                &(patch_product){.patches = {patches_of_group(w, x, g), r->offset, s->ow, r->pitch},
                                 .m = s->out_channels,
                                 .n = rows * s->ow,
                                 .k = w->k,
                                 .c = conv_y(w, image, group + g, first),
                                 .c0 = s->oh * s->ow,
                                 .other = w->w + (size_t)((group + g) * conv_weights(w)) * w->size,
                                 .s0 = w->k,
                                 .s1 = 1,
                                 .scratch = own_scratch(w, image, true)});
    }
}

/* The terms of a panel that are summed from 0 before they are added to the sum of a group; 0 if
 * they are too many for that. */
static int64_t length_of_panel(const conv_work *w, int64_t rows)
{
    return rows * w->s.ow <= MATMUL_WHOLE ? rows * w->s.ow : 0;
}

/* Adds the product of a panel of rows from row `first` on, with the patches x, to the sum of a
 * group. */
static void add_panel(const conv_work *w, int64_t image, int64_t group, int64_t first,
                      const char *x)
{
    const geometry *s = &w->s;
    const reading *r = w->patches;
    const int64_t rows = s->oh - first < w->rows ? s->oh - first : w->rows;
    const int64_t n = conv_weights(w), plane = s->oh * s->ow;
    char *sum = conv_scratch(w, image / w->images_per_block, group * n);
    char *product = own_scratch(w, image, true);
    patch_product p = {.patches_first = !r->transposed,
                       .patches = {x, r->offset, s->ow, r->pitch},
                       .m = w->k,
                       .n = s->out_channels,
                       .k = rows * s->ow,
                       .length = length_of_panel(w, rows),
                       .other = conv_y(w, image, group, first),
                       .s0 = 1,
                       .s1 = plane,
                       .scratch = product + (size_t)conv_lines(w, n) * w->size};
    if (r->transposed) {
        p.patches.width = s->kw;
        p.patches.pitch = s->a[CONV_DILATION].i * r->width;
        p.m = s->out_channels, p.n = w->k;
        p.s0 = plane, p.s1 = 1;
    }
    p.c = p.length ? sum : product;
    p.c0 = p.n;
    multiply_patches(w, &p);
    if (!p.length) pick(w->c->tg->level, add, w->c->out->dtype)(n, sum, sum, product);
}

static void add_to_weight(const conv_work *w, int64_t image, int64_t group, int64_t groups)
{
    const int64_t b = image / w->images_per_block, number = image % w->images_per_block * w->panels;
    for (int64_t panel = 0; panel < w->panels; panel++) {
        const int64_t first = panel * w->rows;
        const char *x = lay_out(w, conv_x(w, image, group), image, group, groups, first);
        for (int64_t g = 0; g < groups; g++) {
            add_panel(w, image, group + g, first, patches_of_group(w, x, g));
            tg__panel_is_added(w, b, group + g, number + panel);
        }
    }
}

/* Computes the rows from `first` on of a pair of phases of the gradient of an image. These phases
 * see `taps` elements of the kernel, from number `tap` on. */
static void compute_phases(const conv_work *w, int64_t image, int64_t group, const char *y,
                           int64_t first, int64_t y_phase, int64_t x_phase, int64_t tap,
                           int64_t taps)
{
    const geometry *s = &w->s;
    const reading *r = w->patches;
    const int64_t left = size_of_phase(w, 0, y_phase) - first, o = s->out_channels;
    const int64_t rows = left < r->rows ? left : r->rows, width = size_of_phase(w, 1, x_phase);
    const bool whole = conv_stride(w, 0) == 1 && conv_stride(w, 1) == 1;
    char *x = conv_x(w, image, group) +
              (size_t)((first * conv_stride(w, 0) + y_phase) * s->w + x_phase) * w->size;
    char *sums = own_scratch(w, image, true), *work = sums;
    if (rows <= 0 || taps == 0) return;
    if (!whole) {
        const size_t bytes = (size_t)conv_lines(w, s->channels * rows * width) * w->size;
        memset(sums, 0, bytes);
        work += bytes;
    }
    multiply_patches(
        w, &(patch_product){.patches = {y, r->offset + tap * o, width, r->pitch},
                            .m = s->channels,
                            .n = rows * width,
                            .k = taps * o,
                            .length = o,
                            .c = whole ? x : sums,
                            .c0 = whole ? s->h * s->w : rows * width,
                            .other = r->weights +
                                     (size_t)((group * s->channels * r->taps + tap) * o) * w->size,
                            .s0 = r->taps * o,
                            .s1 = 1,
                            .scratch = work});
    copy_kernel *copy = pick(w->c->tg->level, copy, w->c->out->dtype);
    for (int64_t c = 0; c < s->channels && !whole; c++)
        copy(rows, width, x + (size_t)(c * s->h * s->w) * w->size, conv_stride(w, 0) * s->w,
             conv_stride(w, 1), sums + (size_t)(c * rows * width) * w->size, width, 1);
}

/* How many elements of the kernel the elements of a phase see along dimension d. */
static int64_t count_taps(const conv_work *w, int d, int64_t phase)
{
    int64_t n = 0, seen;
    for (int64_t k = 0; k < (d ? w->s.kw : w->s.kh); k++) n += conv_sees(w, d, phase, k, &seen);
    return n;
}

static void compute_image(const conv_work *w, int64_t image, int64_t group, int64_t groups)
{
    const reading *r = w->patches;
    for (int64_t first = 0; first < size_of_phase(w, 0, 0); first += r->rows) {
        const char *y = lay_out(w, conv_y(w, image, group, 0), image, group, groups, first);
        int64_t tap = 0;
        for (int64_t i = 0; i < phases_of(w, 0); i++)
            for (int64_t j = 0; j < phases_of(w, 1); j++) {
                const int64_t taps = count_taps(w, 0, i) * count_taps(w, 1, j);
                for (int64_t g = 0; g < groups; g++)
                    compute_phases(w, image, group + g, patches_of_group(w, y, g), first, i, j, tap,
                                   taps);
                tap += taps;
            }
    }
}

void tg__convolve_patches(const conv_work *w, int64_t image, int64_t group, int64_t groups)
{
    switch (w->part) {
    case CONV_FORWARD: compute_result(w, image, group, groups); break;
    case CONV_INPUT: compute_image(w, image, group, groups); break;
    case CONV_WEIGHT: add_to_weight(w, image, group, groups);
    }
}

int64_t tg__lay_out_patches(const conv_work *w)
{
    const geometry *s = &w->s;
    const reading *r = w->patches;
    const int64_t o = s->out_channels, n = r->rows * s->ow;
    int64_t more = 0, work = 0;
    switch (w->part) {
    case CONV_FORWARD: work = tg__patch_scratch(w->size, o, n, w->k, 0); break;
    case CONV_WEIGHT: { /* the last panel may have a length where the others have none */
        const int64_t m = r->transposed ? o : w->k, columns = r->transposed ? w->k : o;
        const int64_t sum = tg__patch_scratch(w->size, m, columns, n, 0);
        more = conv_weights(w);
        work = tg__patch_scratch(w->size, m, columns, n, n < MATMUL_WHOLE ? n : MATMUL_WHOLE);
        if (work < sum) work = sum;
        break;
    }
    case CONV_INPUT:
        more = s->channels * r->rows * size_of_phase(w, 1, 0);
        work = tg__patch_scratch(w->size, s->channels, more / s->channels, r->taps * o, o);
    }
    return size_of_layout(w, r) + conv_lines(w, more) + work;
}

/* ---- Preparing. */

/* The offsets of the elements of x that the patches see, for CONV_FORWARD and CONV_WEIGHT. */
static void offsets_in_x(const conv_work *w, int64_t *offset)
{
    const reading *r = w->patches;
    for (int64_t i = 0; i < r->rows * w->s.ow && r->transposed; i++)
        offset[i] = i / w->s.ow * r->pitch + i % w->s.ow;
    if (r->transposed) return;
    const int64_t pitch = r->phases * r->width, step = conv_stride(w, 1), rows = conv_stride(w, 0);
    const int64_t phases = r->phases / w->s.kw;
    for (int64_t c = 0; c < r->channels; c++)
        for (int64_t i = 0; i < w->s.kh; i++)
            for (int64_t j = 0; j < w->s.kw; j++) {
                const int64_t line = i * w->s.a[CONV_DILATION].i;
                const int64_t column = j * w->s.a[CONV_DILATION + 1].i;
                if (r->dense)
                    *offset++ =
                        (((c * phases + line % rows) * w->s.kw + j) * r->lines + line / rows) *
                        r->width;
                else
                    *offset++ =
                        (c * r->lines + line) * pitch + column % step * r->width + column / step;
            }
}

/* Adds the element (i, j) of the kernel as number tap: the offsets of what it sees in the layout of
 * y, and its weights. */
static void add_tap(const conv_work *w, int64_t tap, int64_t i, int64_t j, int64_t line,
                    int64_t column, char *weights)
{
    const geometry *s = &w->s;
    const reading *r = w->patches;
    const int64_t o = s->out_channels, area = s->kh * s->kw, k = w->k;
    copy_kernel *copy = pick(w->c->tg->level, copy, w->c->out->dtype);
    for (int64_t c = 0; c < o; c++)
        r->offset[tap * o + c] = (c * r->lines + line) * r->width + column;
    for (int64_t g = 0; g < s->groups; g++)
        copy(s->channels, o, weights + (size_t)((g * s->channels * r->taps + tap) * o) * w->size,
             r->taps * o, 1, w->w + (size_t)(g * o * k + i * s->kw + j) * w->size, area, k);
}

/* Sorts the elements of the kernel by the pair of phases that sees them. */
static void sort_taps(const conv_work *w, char *weights)
{
    const tap_range lines = range_of_taps(w, 0), columns = range_of_taps(w, 1);
    int64_t tap = 0, line, column;
    for (int64_t y = 0; y < phases_of(w, 0); y++)
        for (int64_t x = 0; x < phases_of(w, 1); x++)
            for (int64_t i = 0; i < w->s.kh; i++)
                for (int64_t j = 0; j < w->s.kw; j++)
                    if (conv_sees(w, 0, y, i, &line) && conv_sees(w, 1, x, j, &column))
                        add_tap(w, tap++, i, j, line - lines.least, column - columns.least,
                                weights);
}

/* Whether patch_product gives the elements the bits that the matrix products of conv_columns.c give
 * them, which sum some products of few positions in lanes. */
static bool has_same_sums(const conv_work *w)
{
    enum { FEW = 8, LONG = 16 };
    const geometry *s = &w->s;
    const int64_t positions = (s->oh - (w->panels - 1) * w->rows) * s->ow; /* of the last panel */
    const int64_t rows = w->part == CONV_FORWARD ? s->out_channels : w->k;
    if (w->part == CONV_WEIGHT)
        return w->k > 1 &&
               (s->out_channels > 1 || (positions >= LONG && w->rows * s->ow <= PATCH_DOTS));
    return positions > 1 && (rows > 1 || positions > FEW);
}

/* Whether the gradient of the image can be made of such products: its sums are short enough to need
 * no compensation, and all weights are finite. patch_product multiplies weights by the zeros of the
 * padding, and an infinite weight would make NaN of elements that do not see this weight. */
static bool has_same_image(const conv_work *w)
{
    const geometry *s = &w->s;
    const int64_t taps = s->kh * s->kw;
    union {
        double f64;
        float f32;
    } distance = {0};
    if (s->out_channels > MATMUL_WHOLE || taps > MATMUL_WHOLE ||
        tg__times(phases_of(w, 0) * phases_of(w, 1), taps) > MOST_ELEMENTS)
        return false;
    pick(w->c->tg->level, squared_distance, w->c->out->dtype)(s->groups * conv_weights(w),
                                                              &distance, w->w, w->w);
    return distance.f64 == 0; /* w - w is NaN if an element is not finite */
}

/* Whether adding columns to the image is faster. This is the case for few channels. It is also the
 * case where many of the products are with zeros, because the image is larger than y. */
static bool is_slow(const conv_work *w)
{
    const geometry *s = &w->s;
    const double products = (double)(s->h * s->w) / (double)(conv_stride(w, 0) * conv_stride(w, 1));
    return (s->channels < 4 && s->out_channels > 1) || 2 * products > 3 * (double)(s->oh * s->ow);
}

/* Fills the layout for `rows` rows of the result. */
static void describe_layout(const conv_work *w, reading *r, int64_t rows)
{
    const geometry *s = &w->s;
    const bool is_input = w->part == CONV_INPUT;
    *r = (reading){.channels = is_input ? s->out_channels : s->channels,
                   .h = is_input ? s->oh : s->h,
                   .w = is_input ? s->ow : s->w,
                   .rows = rows,
                   .groups = 1,
                   .phases = 1,
                   .step = 1};
    if (is_input) {
        const tap_range lines = range_of_taps(w, 0), columns = range_of_taps(w, 1);
        r->top = lines.least;
        r->left = columns.least;
        r->lines = tg__plus(rows, lines.most - lines.least);
        r->pitch = r->width = tg__plus(size_of_phase(w, 1, 0), columns.most - columns.least);
    } else {
        const int64_t step = conv_stride(w, 1), span = kernel_span(w, 1);
        const int64_t row_step = conv_stride(w, 0), row_span = kernel_span(w, 0);
        r->top = -s->a[CONV_PADDING].i;
        r->left = -s->a[CONV_PADDING + 1].i;
        r->step = step;
        r->dense = w->part == CONV_WEIGHT && s->out_channels == 1;
        if (r->dense) {
            r->lines = tg__plus(rows, (row_span - 1) / row_step);
            r->phases = (row_step < row_span ? row_step : row_span) * s->kw;
            r->pitch = r->width = s->ow;
        } else {
            r->lines = tg__plus(tg__times(rows - 1, row_step), row_span);
            r->width = tg__plus(s->ow, (span - 1) / step);
            r->phases = step < span ? step : span;
            r->pitch = row_step * r->phases * r->width;
        }
    }
    r->in_place = r->phases == 1 && r->step == 1 && r->top == 0 && r->left == 0 &&
                  r->lines == r->h && r->width == r->w;
}

/* Chooses how many rows of the result see one layout. The sums of CONV_WEIGHT need panels. */
static void choose_rows(const conv_work *w, reading *r)
{
    const int64_t all = w->part == CONV_INPUT ? size_of_phase(w, 0, 0) : w->s.oh;
    int64_t rows = w->part == CONV_WEIGHT ? w->rows : all;
    describe_layout(w, r, rows);
    while (w->part != CONV_WEIGHT && rows > 1 && !r->in_place &&
           size_of_layout(w, r) > CHUNK_BYTES / (int64_t)w->size) {
        rows = (rows + 1) / 2;
        describe_layout(w, r, rows);
    }
}

/* Whether the gradient of the weight is made of transposed patches: the lanes of vectors are then
 * the elements of the kernel, which must be neighbours in memory, and not the output channels, of
 * which there are too few. */
static bool serves_transposed(const conv_work *w, const reading *r)
{
    enum { FEW = 8 };
    const geometry *s = &w->s;
    return w->part == CONV_WEIGHT && !r->dense && s->channels == 1 && s->out_channels <= FEW &&
           2 * s->out_channels < w->k && r->step == 1 && s->a[CONV_DILATION + 1].i == 1;
}

bool tg__read_patches(conv_work *w)
{
    reading layout;
    if (!tg__is_float(w->c->out->dtype) || !has_same_sums(w) ||
        (w->part == CONV_INPUT && (is_slow(w) || !has_same_image(w))))
        return true;
    choose_rows(w, &layout);
    if (size_of_layout(w, &layout) > MOST_ELEMENTS) return true;
    if (tg__serves_planes(w)) return tg__read_planes(w);
    if (!layout.in_place) layout.groups = GROUPS_BYTES / (int64_t)w->size / size_of_group(&layout);
    if (layout.groups < 1) layout.groups = 1;
    if (layout.groups > w->s.groups) layout.groups = w->s.groups;
    w->groups = layout.groups;
    for (int64_t i = 0; i < phases_of(w, 0) && w->part == CONV_INPUT; i++)
        for (int64_t j = 0; j < phases_of(w, 1); j++)
            layout.taps += count_taps(w, 0, i) * count_taps(w, 1, j);
    layout.transposed = serves_transposed(w, &layout);
    const int64_t rows = w->part == CONV_INPUT ? layout.taps * w->s.out_channels
                         : layout.transposed   ? layout.rows * w->s.ow
                                               : w->k;
    const int64_t weights = w->part == CONV_INPUT ? rows * w->s.channels * w->s.groups : 0;
    const size_t offsets = tg__bytes(rows, sizeof *layout.offset);
    char *memory = tg__alloc(w->c->tg, sizeof layout + offsets + tg__bytes(weights, w->size));
    if (!memory) return false;
    w->patches = (reading *)memory;
    *w->patches = layout;
    w->patches->offset = (int64_t *)(memory + sizeof layout);
    w->transposed = w->part == CONV_WEIGHT && !layout.transposed;
    w->patches->weights = memory + sizeof layout + offsets;
    if (w->part == CONV_INPUT)
        sort_taps(w, memory + sizeof layout + offsets);
    else
        offsets_in_x(w, w->patches->offset);
    return true;
}
