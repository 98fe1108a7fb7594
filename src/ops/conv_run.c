/* Dividing the work of a convolution into blocks of images, and adding up the gradient of the
 * weight, which is a sum over images. */
#include "conv_work.h"

#include <string.h>

void tg__panel_is_added(const conv_work *w, int64_t image_block, int64_t group, int64_t number)
{
    const int64_t n = conv_weights(w);
    if (!w->totals_at || (number + 1) % CONV_SUMMED) return;
    pick(w->c->tg->level, accumulate,
         w->c->out->dtype)(n, conv_scratch(w, image_block, group * n),
                           conv_scratch(w, image_block, w->totals_at + group * n));
}

/* Computes the blocks [from, to). */
static void compute_blocks(void *work, int64_t from, int64_t to)
{
    const conv_work *w = work;
    for (int64_t b = from; b < to; b++) {
        if (w->part == CONV_WEIGHT) memset(conv_scratch(w, b, 0), 0, (size_t)w->own_at * w->size);
        for (int64_t i = b * w->images_per_block;
             i < (b + 1) * w->images_per_block && i < w->s.images; i++)
            for (int64_t g = 0; g < w->s.groups; g += w->groups)
                (w->planes    ? tg__convolve_planes
                 : w->patches ? tg__convolve_patches
                              : tg__convolve_columns)(
                    w, i, g, w->s.groups - g < w->groups ? w->s.groups - g : w->groups);
    }
}

/* Adds the sums of a block to the gradient of the weight, to which `sum` points. */
static void add_block(const conv_work *w, int64_t b, char *sum)
{
    const int64_t n = w->c->out->numel;
    binary_kernel *add = pick(w->c->tg->level, add, w->c->out->dtype);
    char *own = conv_scratch(w, b, 0);
    if (w->totals_at) add(n, own, own, conv_scratch(w, b, w->totals_at));
    add(n, sum, sum, own);
}

/* Computes all blocks, `blocks_at_a_time` of them together. `sum` is where the sums of CONV_WEIGHT
 * are added, and NULL for the other parts. */
static void compute(conv_work *w, char *sum)
{
    const bool small =
        w->s.images * w->s.groups *
            (w->s.channels * w->s.h * w->s.w + w->s.out_channels * w->s.oh * w->s.ow) <
        TG_GRAIN;
    for (int64_t b = 0; b < CONV_BLOCKS; b += w->blocks_at_a_time) {
        if (w->blocks_at_a_time == 1 || small)
            compute_blocks(w, b, b + w->blocks_at_a_time);
        else
            tg__split(w->c->tg, CONV_BLOCKS, 1, compute_blocks, w);
        for (int64_t i = b; sum && i < b + w->blocks_at_a_time; i++) add_block(w, i, sum);
    }
}

/* Writes the sums, which are transposed, to the gradient of the weight. */
static void transpose_sums(const conv_work *w, const char *sums)
{
    const int64_t n = conv_weights(w), o = w->s.out_channels;
    copy_kernel *copy = pick(w->c->tg->level, copy, w->c->out->dtype);
    for (int64_t g = 0; g < w->s.groups; g++)
        copy(o, w->k, w->w + (size_t)(g * n) * w->size, w->k, 1, sums + (size_t)(g * n) * w->size,
             1, o);
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

/* Sets the offsets in the scratch memory of a block, and its size. */
static void lay_out_block(conv_work *w)
{
    if (w->part == CONV_WEIGHT) {
        w->own_at = conv_lines(w, w->c->out->numel);
        if (tg__is_float(w->c->out->dtype) && w->images_per_block * w->panels > CONV_SUMMED) {
            w->totals_at = w->own_at;
            w->own_at = tg__times(w->own_at, 2);
        }
    }
    w->block_elements = conv_lines(w, tg__plus(w->own_at, w->planes    ? tg__lay_out_planes(w)
                                                          : w->patches ? tg__lay_out_patches(w)
                                                                       : tg__lay_out_columns(w)));
    w->blocks_at_a_time = w->c->tg->team ? CONV_BLOCKS : 1;
}

static bool compute_in_scratch(conv_work *w)
{
    const int64_t blocks = tg__times(w->blocks_at_a_time, w->block_elements);
    const size_t bytes = tg__bytes(tg__plus(blocks, w->transposed ? w->c->out->numel : 0), w->size);
    if (!(w->scratch = tg__alloc(w->c->tg, bytes))) return false;
    char *sums = w->scratch + (size_t)blocks * w->size;
    if (w->transposed) memset(sums, 0, (size_t)w->c->out->numel * w->size);
    compute(w, w->transposed ? sums : w->part == CONV_WEIGHT ? w->w : NULL);
    if (w->transposed) transpose_sums(w, sums);
    return true;
}

bool tg__run_conv(const call *c, conv_part part, const tg_tensor *x, const tg_tensor *w,
                  const tg_tensor *y)
{
    conv_work work = {.c = c, .part = part, .groups = 1, .size = tg__dtype_size(c->out->dtype)};
    if (!x || !w || !y || x->numel == 0 || y->numel == 0) {
        tg__fill(c->out, 0);
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
    if (!tg__read_patches(&work)) return false;
    if (part == CONV_WEIGHT || (part == CONV_INPUT && !work.planes)) tg__fill(c->out, 0);
    lay_out_block(&work);
    return compute_in_scratch(&work);
}
