/* Convolution with one channel in each group, by the kernel plane_product. Each position of the
 * result sees one element of the image for each element of the kernel, a tap. If the lines of the
 * result are as long as those of the image, these elements are neighbours in memory, across the
 * ends of lines, too; masks tell which positions see the padding instead. The kernel also reads
 * what the masks hide, so planes near the ends of the tensor are copied to scratch memory first.
 *
 * With a stride, this holds for the phases of the image: the lines and columns that have the same
 * remainder modulo the stride. A copy of each phase is a small image of its own. */
#include "conv_work.h"
#include "../kernels/product.h"

#include <string.h>

enum {
    MOST_STRIDE = 2,
    MOST_PHASES = MOST_STRIDE * MOST_STRIDE,
    PHASES_BYTES = 1 << 13 /* bytes of the phases of small planes that are copied together */
};

struct plane_reading {
    int64_t rows, n;                      /* the lines of a phase, and its positions */
    int64_t read;                         /* the positions that the kernel reads */
    int64_t least_line, mask_step, masks; /* the drawing at "Preparing" explains these three */
    bool whole;                           /* the stride is 1, and the image is its only phase */
    int64_t least, end; /* the kernel reads the elements from `least`, which may be negative, to
                           before `end` of a plane */
    int64_t results, first[MOST_PHASES + 1]; /* the phases of the result, and their taps */
    plane_tap *tap;
    char *mask;
};

/* The lines or columns that phase number i has along dimension d. */
static int64_t phase_size(const conv_work *w, int d, int64_t i)
{
    return ((d ? w->s.w : w->s.h) + conv_stride(w, d) - 1 - i) / conv_stride(w, d);
}

/* Where a phase of plane number i is among those that are copied together. The planes of one phase
 * follow those of the other. */
static char *phase_of_plane(const conv_work *w, char *phases, int64_t phase, int64_t i)
{
    return phases + (size_t)((phase * w->groups + i) * w->planes->n) * w->size;
}

/* Copies plane number i of x to its phases. */
static void copy_to_phases(const conv_work *w, int64_t i, const char *plane, char *phases)
{
    const int64_t s0 = conv_stride(w, 0), s1 = conv_stride(w, 1);
    for (int64_t y = 0; y < s0; y++)
        for (int64_t x = 0; x < s1; x++)
            pick(w->c->tg->level, copy, w->c->out->dtype)(
                phase_size(w, 0, y), phase_size(w, 1, x), phase_of_plane(w, phases, y * s1 + x, i),
                w->s.ow, 1, plane + (size_t)(y * w->s.w + x) * w->size, s0 * w->s.w, s1);
}

/* The reverse: joins the phases of plane number i of x. */
static void join_phases(const conv_work *w, int64_t i, char *plane, char *phases)
{
    const int64_t s0 = conv_stride(w, 0), s1 = conv_stride(w, 1), pairs = s1 == 2 ? w->s.w / 2 : 0;
    const size_t paired = (size_t)pairs * w->size, line = (size_t)w->s.w * w->size;
    binary_kernel *interleave = pick(w->c->tg->level, interleave, w->c->out->dtype);
    for (int64_t y = 0; y < s0; y++) {
        const char *first = phase_of_plane(w, phases, y * s1, i);
        const char *last = phase_of_plane(w, phases, y * s1 + s1 - 1, i);
        char *to = plane + (size_t)y * line;
        for (int64_t n = phase_size(w, 0, y); n > 0; n--) {
            interleave(pairs, to, first, last);
            memcpy(to + 2 * paired, first + paired, line - 2 * paired);
            to += (size_t)s0 * line;
            first += (size_t)w->s.ow * w->size, last += (size_t)w->s.ow * w->size;
        }
    }
}

/* Multiplies planes of x or y in their place. They begin with plane number `first` of the tensor.
 */
static void multiply_in_place(const conv_work *w, plane_product p, int64_t first, char *scratch)
{
    const plane_reading *r = w->planes;
    const int64_t size = p.image_step;
    int64_t left = p.planes, behind = (w->s.images * w->s.groups - first) * size;
    const char *image = p.image;
    for (int64_t before = first * size; left > 0; left -= p.planes) {
        if (before + r->least >= 0 && behind >= r->end) {
            p.planes = (behind - r->end) / size + 1;
            if (p.planes > left) p.planes = left;
            p.image = image;
        } else {
            p.planes = 1;
            p.image = memcpy(scratch - r->least * (int64_t)w->size, image, (size_t)size * w->size);
        }
        pick(w->c->tg->level, plane_product, w->c->out->dtype)(&p);
        image += (size_t)(p.planes * size) * w->size;
        p.other = (const char *)p.other + (size_t)(p.planes * p.other_step) * w->size;
        p.c = (char *)p.c + (size_t)(p.planes * p.c_step) * w->size;
        before += p.planes * size, behind -= p.planes * size;
    }
}

/* The elements that hold n elements of planes and what the kernel reads around them. */
static int64_t with_margins(const conv_work *w, int64_t n)
{
    return conv_lines(w, n + w->planes->end - w->planes->least);
}

/* The elements of a plane of x or y that the taps see. */
static int64_t plane_size(const conv_work *w)
{
    return w->part == CONV_INPUT ? w->s.oh * w->s.ow : w->s.h * w->s.w;
}

/* The product for groups of an image, without the taps and c. `phases` has the planes of x. */
static plane_product planes_product(const conv_work *w, int64_t image, int64_t group,
                                    int64_t groups, const char *phases)
{
    const int64_t n = w->planes->n, plane = w->s.oh * w->s.ow;
    const char *y = conv_y(w, image, group, 0);
    plane_product p = {.kind = PLANE_CHAIN, .planes = groups, .n = plane, .mask = w->planes->mask};
    p.image = phases, p.image_step = n;
    p.other = w->w + (size_t)(group * w->k) * w->size, p.other_step = w->k;
    p.c_step = plane;
    if (w->part == CONV_WEIGHT)
        p.kind = PLANE_DOTS, p.mask_step = w->planes->mask_step, p.other = y, p.other_step = plane,
        p.c_step = w->k;
    if (w->part == CONV_INPUT)
        p.kind = PLANE_SUMS, p.n = p.c_step = n, p.image = y, p.image_step = plane;
    return p;
}

void tg__convolve_planes(const conv_work *w, int64_t image, int64_t group, int64_t groups)
{
    const plane_reading *r = w->planes;
    const int64_t image_block = image / w->images_per_block, area = w->s.h * w->s.w;
    const int64_t margin = with_margins(w, plane_size(w)) - r->least;
    char *x = conv_x(w, image, group), *scratch = conv_scratch(w, image_block, w->own_at);
    char *phases = r->whole ? x : scratch + (size_t)margin * w->size;
    plane_product p = planes_product(w, image, group, groups, phases);
    for (int64_t g = 0; g < groups && !r->whole && w->part != CONV_INPUT; g++)
        copy_to_phases(w, g, x + (size_t)(g * area) * w->size, phases);
    for (int64_t i = 0; i < r->results; i++) {
        p.c = w->part == CONV_FORWARD  ? conv_y(w, image, group, 0)
              : w->part == CONV_WEIGHT ? conv_scratch(w, image_block, group * w->k)
                                       : phase_of_plane(w, phases, i, 0);
        p.tap = r->tap + r->first[i], p.taps = r->first[i + 1] - r->first[i];
        if (r->whole || w->part == CONV_INPUT)
            multiply_in_place(w, p, image * w->s.groups + group, scratch);
        else
            pick(w->c->tg->level, plane_product, w->c->out->dtype)(&p);
    }
    for (int64_t g = 0; g < groups && !r->whole && w->part == CONV_INPUT; g++)
        join_phases(w, g, x + (size_t)(g * area) * w->size, phases);
    for (int64_t g = group; g < group + groups && w->part == CONV_WEIGHT; g++)
        tg__panel_is_added(w, image_block, g, image % w->images_per_block);
}

int64_t tg__lay_out_planes(const conv_work *w)
{
    const int64_t phases = conv_stride(w, 0) * conv_stride(w, 1) * w->groups * w->planes->n;
    return with_margins(w, plane_size(w)) + (w->planes->whole ? 0 : with_margins(w, phases));
}

/* ---- Preparing.
 *
 * The masks of taps in one column of the kernel differ only by whole lines. They are therefore
 * parts of one array, in which the taps of other lines of the kernel begin some lines earlier or
 * later:
 *
 *     line -1 of the phase    | 0 0 0 0 |  <- the mask of a tap that sees line -1 first
 *     line 0                  | 0 1 1 1 |
 *     line 1                  | 0 1 1 1 |  <- the mask of a tap that sees line 1 first
 *     :
 *
 * There are `masks` such arrays, which are mask_step elements long and begin with line least_line,
 * and after them the mask of the taps that see nothing. For CONV_WEIGHT each tap has an array of
 * its own, since its mask must hide what lies behind the last position. */

/* The lines of x or y from which on the taps see it are within this range, as far as they see
 * anything. It is [from, to]. */
static range lines_of_taps(const conv_work *w)
{
    const int64_t s0 = conv_stride(w, 0), padding = w->s.a[CONV_PADDING].i;
    const int64_t span = tg__dilated_size(w->s.kh, w->s.a[CONV_DILATION].i) - 1;
    const bool input = w->part == CONV_INPUT;
    const int64_t rows = input ? phase_size(w, 0, 0) : w->s.oh;
    const int64_t lines = input ? w->s.oh : phase_size(w, 0, 0);
    const int64_t from = conv_floor(input ? padding - span : -padding, s0);
    const int64_t to = conv_floor(input ? padding + s0 - 1 : span - padding, s0);
    const range r = {from > -rows ? from : -rows, to < lines ? to : lines};
    return w->part != CONV_WEIGHT && r.from <= r.to ? r : (range){0, 0};
}

/* The lengths of an array of masks and of the mask that it ends with. */
static int64_t read_positions(const conv_work *w)
{
    const int64_t rows = w->part == CONV_INPUT ? phase_size(w, 0, 0) : w->s.oh;
    return (rows * w->s.ow + PLANE_STEP - 1) / PLANE_STEP * PLANE_STEP;
}

static int64_t mask_array(const conv_work *w)
{
    const range lines = lines_of_taps(w);
    return conv_lines(w, (lines.to - lines.from) * w->s.ow + read_positions(w));
}

/* How many arrays there are. */
static int64_t mask_arrays(const conv_work *w)
{
    if (w->part == CONV_WEIGHT) return w->k;
    return w->s.kw * (w->part == CONV_INPUT ? 1 : conv_stride(w, 0));
}

/* Adds tap number t, whose masks are in that array. Its position (0, 0) sees the element (line,
 * column) of a plane, or of a phase, which has `lines` lines and `columns` columns and begins at
 * `start`. */
static void add_plane_tap(plane_reading *r, const conv_work *w, int64_t t, int64_t weight,
                          int64_t array, int64_t start, int64_t line, int64_t column, int64_t lines,
                          int64_t columns)
{
    const int64_t ow = w->s.ow, at = line * ow + column;
    const range rows = conv_range(r->rows, line, 1, lines), c = conv_range(ow, column, 1, columns);
    const bool shared = w->part != CONV_WEIGHT;
    r->tap[t] = (plane_tap){start, weight, (shared ? r->masks : t) * r->mask_step};
    if (rows.from == rows.to || c.from == c.to) return;
    r->tap[t].offset += at;
    if (shared) r->tap[t].mask = array * r->mask_step + (line - r->least_line) * ow;
    if (at < r->least) r->least = at;
    if (at + r->read > r->end) r->end = at + r->read;
    for (int64_t y = rows.from; y < rows.to; y++)
        memset(r->mask + (size_t)(r->tap[t].mask + y * ow + c.from) * w->size, -1,
               (size_t)(c.to - c.from) * w->size);
}

/* Adds the taps in x that a plane of y sees. */
static void add_taps_in_x(plane_reading *r, const conv_work *w)
{
    const int64_t s0 = conv_stride(w, 0), s1 = conv_stride(w, 1);
    r->results = 1, r->first[1] = w->k;
    for (int64_t t = 0; t < w->k; t++) {
        const int64_t y = t / w->s.kw * w->s.a[CONV_DILATION].i - w->s.a[CONV_PADDING].i;
        const int64_t x = t % w->s.kw * w->s.a[CONV_DILATION + 1].i - w->s.a[CONV_PADDING + 1].i;
        const int64_t line = conv_floor(y, s0), column = conv_floor(x, s1);
        const int64_t i = y - line * s0, j = x - column * s1;
        add_plane_tap(r, w, t, t, i * w->s.kw + t % w->s.kw, (i * s1 + j) * w->groups * r->n, line,
                      column, phase_size(w, 0, i), phase_size(w, 1, j));
    }
}

/* Adds the taps in y that each phase of x sees. */
static void add_taps_in_y(plane_reading *r, const conv_work *w)
{
    int64_t line, column, taps = 0;
    for (int64_t i = 0; i < conv_stride(w, 0); i++)
        for (int64_t j = 0; j < conv_stride(w, 1); j++) {
            for (int64_t t = 0; t < w->k; t++)
                if (conv_sees(w, 0, i, t / w->s.kw, &line) &&
                    conv_sees(w, 1, j, t % w->s.kw, &column))
                    add_plane_tap(r, w, taps++, t, t % w->s.kw, 0, line, column, w->s.oh, w->s.ow);
            r->first[++r->results] = taps;
        }
}

/* Whether the masks take few enough bytes. For CONV_FORWARD with a large kernel, patches are faster
 * unless the planes are small. */
static bool has_small_masks(const conv_work *w)
{
    enum { MOST = 1 << 18, FEW_TAPS = 25, SMALL = 1 << 12 };
    const int64_t most = w->part == CONV_FORWARD && w->k > FEW_TAPS ? SMALL : MOST;
    return tg__times(mask_array(w), mask_arrays(w) * (int64_t)w->size) <= most;
}

bool tg__serves_planes(const conv_work *w)
{
    const geometry *s = &w->s;
    return s->channels == 1 && s->out_channels == 1 && w->k <= MATMUL_WHOLE &&
           (w->part != CONV_WEIGHT || (w->panels == 1 && s->oh * s->ow <= PLANE_MOST)) &&
           conv_stride(w, 0) <= MOST_STRIDE && conv_stride(w, 1) <= MOST_STRIDE &&
           phase_size(w, 1, 0) == s->ow && has_small_masks(w);
}

bool tg__read_planes(conv_work *w)
{
    const int64_t phases = conv_stride(w, 0) * conv_stride(w, 1), lines = phase_size(w, 0, 0);
    const int64_t read = read_positions(w), masks = mask_arrays(w), mask_step = mask_array(w);
    const size_t head = tg__round_up(sizeof(plane_reading) + (size_t)w->k * sizeof(plane_tap));
    const size_t bytes = head + (size_t)(masks * mask_step + read) * w->size;
    plane_reading *r = w->planes = tg__alloc(w->c->tg, bytes);
    if (!r) return false;
    memset(r, 0, bytes);
    r->rows = w->part == CONV_INPUT ? lines : w->s.oh;
    r->n = lines * w->s.ow;
    r->read = r->end = read;
    r->masks = masks, r->mask_step = mask_step, r->least_line = lines_of_taps(w).from;
    r->whole = phases == 1;
    r->tap = (plane_tap *)(r + 1);
    r->mask = (char *)r + head;
    w->groups = r->whole ? w->s.groups : PHASES_BYTES / (phases * r->n * (int64_t)w->size);
    if (w->groups < 1) w->groups = 1;
    if (w->groups > w->s.groups) w->groups = w->s.groups;
    (w->part == CONV_INPUT ? add_taps_in_y : add_taps_in_x)(r, w);
    return true;
}
