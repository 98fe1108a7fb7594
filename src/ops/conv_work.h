/* How a convolution is run: conv_run.c divides the work, conv_patches.c,
 * conv_planes.c and conv_columns.c do it. */
#ifndef TG_CONV_WORK_H
#define TG_CONV_WORK_H

#include "conv.h"

/* Which of the three tensors is computed. */
typedef enum conv_part { CONV_FORWARD, CONV_INPUT, CONV_WEIGHT } conv_part;

typedef struct geometry {
    int64_t images, channels, h, w; /* input channels of a group */
    int64_t out_channels, kh, kw;   /* output channels of a group; the kernel */
    int64_t oh, ow, groups;         /* the image of the result */
    const attr *a;
} geometry;

/* How the patches of an image, or the planes of an image with one channel in each group, are read
 * in place; conv_patches.c and conv_planes.c define the members. */
typedef struct reading reading;
typedef struct plane_reading plane_reading;

/* The images are divided into blocks, each with scratch memory of its own while it is computed. The
 * gradient of the weight is a sum over images, whose rounding depends on the order of additions;
 * the number of blocks is fixed, and with it this order, whatever the number of threads. */
enum {
    CONV_BLOCKS = 4,
    /* For the gradient of the weight, a block adds the products of this many panels one after the
     * other. Their sum then moves to a compensated total, as in src/kernels/matmul.inc. */
    CONV_SUMMED = 32
};

/* The elements [from, to) of a dimension. */
typedef struct range {
    int64_t from, to;
} range;

typedef struct conv_work {
    const call *c;
    geometry s;
    conv_part part;
    size_t size;              /* of an element, in bytes */
    int64_t rows, k;          /* the rows of the result in a panel, and channels * kh * kw */
    int64_t panels;           /* of an image and group */
    int64_t images_per_block; /* the last block may have fewer */
    int64_t groups;           /* that are computed together; the last ones may be fewer */
    char *x, *w, *y;          /* the elements of the three tensors, one of which is computed */
    reading *patches;         /* or NULL */
    plane_reading *planes;    /* or NULL; if both are, the patches are copied to columns */
    bool transposed;          /* the sums of CONV_WEIGHT are those of the transposed gradient */
    /* Scratch memory, block_elements for each block that is computed at a time. The offsets are in
     * elements:
     *
     *   0            CONV_WEIGHT: for each group, the sum of the products of panels
     *   totals_at    CONV_WEIGHT: for each group, the compensated totals of such sums; 0 if there
     *                are at most CONV_SUMMED panels
     *   own_at       what the file that computes the convolution works in */
    char *scratch;
    int64_t blocks_at_a_time, block_elements, totals_at, own_at;
    /* conv_columns.c, offsets from own_at on: the columns are at 0. */
    int64_t product_at;      /* CONV_WEIGHT: the product of a panel */
    int64_t image_totals_at; /* CONV_INPUT: the totals of an image and group, 0 if there are none */
    int64_t work_at;         /* what a matrix product works in */
} conv_work;

static inline char *conv_scratch(const conv_work *w, int64_t image_block, int64_t at)
{
    return w->scratch +
           (size_t)(image_block % w->blocks_at_a_time * w->block_elements + at) * w->size;
}

/* The elements of an image and group: of x, or of y from the row `first` on. */
static inline char *conv_x(const conv_work *w, int64_t image, int64_t group)
{
    const geometry *s = &w->s;
    return w->x + (size_t)((image * s->groups + group) * s->channels * s->h * s->w) * w->size;
}
static inline char *conv_y(const conv_work *w, int64_t image, int64_t group, int64_t first)
{
    const geometry *s = &w->s;
    return w->y +
           (size_t)((image * s->groups + group) * s->out_channels * s->oh * s->ow + first * s->ow) *
               w->size;
}

/* The elements of the kernel that a group has for each output channel. */
static inline int64_t conv_weights(const conv_work *w)
{
    return w->s.out_channels * w->k;
}

/* n elements, rounded up to whole cache lines. The parts of the scratch memory begin at lines, so
 * that vectors do not cross them. */
static inline int64_t conv_lines(const conv_work *w, int64_t n)
{
    const int64_t line = 64 / (int64_t)w->size;
    return tg__plus(n, line - 1) / line * line;
}

/* How many elements a kernel of at least one element spans when it is dilated. */
static inline int64_t tg__dilated_size(int64_t kernel, int64_t dilation)
{
    return tg__plus(tg__times(dilation, kernel - 1), 1);
}

static inline int64_t conv_stride(const conv_work *w, int d)
{
    return w->s.a[CONV_STRIDE + d].i;
}

static inline int64_t conv_floor(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/* For CONV_INPUT: whether the elements of x in that phase of dimension d see element k of the
 * kernel. If so, *seen becomes the element of y that the first of them sees through it. */
static inline bool conv_sees(const conv_work *w, int d, int64_t phase, int64_t k, int64_t *seen)
{
    const int64_t at = phase + w->s.a[CONV_PADDING + d].i - k * w->s.a[CONV_DILATION + d].i;
    *seen = conv_floor(at, conv_stride(w, d));
    return *seen * conv_stride(w, d) == at;
}

/* Which of n elements lie in an image of that size, if the first is number `start` of the image,
 * and the next ones follow at distance `step`. */
static inline range conv_range(int64_t n, int64_t start, int64_t step, int64_t size)
{
    const int64_t from = start < 0 ? (step - 1 - start) / step : 0;
    const int64_t to = size > start ? (size - start - 1) / step + 1 : 0;
    return from < to && from < n ? (range){from, to < n ? to : n} : (range){0, 0};
}

/* Computes one of the three tensors, c->out, from the other two. A NULL tensor means that there was
 * no memory for it. */
bool tg__run_conv(const call *c, conv_part part, const tg_tensor *x, const tg_tensor *w,
                  const tg_tensor *y);

/* ---- The three ways to compute a convolution: by columns, by patches, and by planes. */

/* Chooses the way. If the image can be read in place, makes w->patches or w->planes, in the current
 * scope; else leaves both NULL, for columns. False if there is no memory. */
bool tg__read_patches(conv_work *w);
/* Whether the way by planes serves, which takes one channel in each group. tg__read_planes then
 * makes w->planes; false if there is no memory. */
bool tg__serves_planes(const conv_work *w);
bool tg__read_planes(conv_work *w);

/* Each returns how many elements of scratch memory a block needs from own_at on. */
int64_t tg__lay_out_columns(conv_work *w);
int64_t tg__lay_out_patches(const conv_work *w);
int64_t tg__lay_out_planes(const conv_work *w);

/* Each computes some groups of an image. For CONV_WEIGHT it adds to the sums, which w->transposed
 * describes. */
void tg__convolve_columns(const conv_work *w, int64_t image, int64_t group, int64_t groups);
void tg__convolve_patches(const conv_work *w, int64_t image, int64_t group, int64_t groups);
void tg__convolve_planes(const conv_work *w, int64_t image, int64_t group, int64_t groups);

/* Is called when panel number `number` of a block and group has been added to the sum. After every
 * CONV_SUMMED panels it moves the sum to the totals. */
void tg__panel_is_added(const conv_work *w, int64_t image_block, int64_t group, int64_t number);

#endif
