/* Pooling of windows of an image: the greatest element, said by its place, or the mean. */
#include "../context/long_sum.h"
#include "op.h"
#include "reduce.h"

#include <math.h>

enum { POOL_KERNEL = 0, POOL_STRIDE = 2, POOL_PADDING = 4, POOL_DILATION = 6, POOL_CEIL = 8 };
/* For means, in place of the dilation. */
enum { POOL_INCLUDES = 6, POOL_DIVISOR = 7 };

/* The elements first + i * step, n of them, within the image; and how many with the padding. */
typedef struct window {
    int64_t first, n, step, padded;
} window;

static inline window window_of(const attr *a, int64_t step, int64_t size, int64_t at, int d)
{
    const int64_t start = at * a[POOL_STRIDE + d].i - a[POOL_PADDING + d].i,
                  n = a[POOL_KERNEL + d].i;
    const int64_t end = start + (n - 1) * step + 1, most = size + a[POOL_PADDING + d].i;
    if (start >= 0 && end <= size) return (window){start, n, step, n};
    int64_t first = start, last = end < size ? end : size;
    if (first < 0) first = step == 1 ? 0 : (first % step + step) % step;
    return (window){first, last > first ? (last - first + step - 1) / step : 0, step,
                    (end < most ? end : most) - start};
}

typedef struct pool_work {
    const attr *a;
    bool wide; /* float64 */
    int level;
    int64_t h, w, oh, ow;
    void *image, *result;
    void *parts, *lines; /* scratch memory of add_parts */
} pool_work;

static int64_t divisor(const attr *a, window y, window x)
{
    if (a[POOL_DIVISOR].i) return a[POOL_DIVISOR].i;
    return a[POOL_INCLUDES].i ? y.padded * x.padded : y.n * x.n;
}

/* wide is a constant wherever the inline functions are called, which gives each element type loops
 * of its own. */

static inline double element_of(const void *array, bool wide, int64_t at)
{
    return wide ? ((const double *)array)[at] : (double)((const float *)array)[at];
}

/* The place in the plane of the greatest element: of several the first, of NaN the last. */
static inline int64_t greatest_f32(const float *plane, int64_t w, window y, window x)
{
    int64_t place = y.first * w + x.first;
    float most = -(float)INFINITY;
    for (int64_t i = 0; i < y.n; i++)
        for (int64_t j = 0; j < x.n; j++) {
            const int64_t at = (y.first + i * y.step) * w + x.first + j * x.step;
            const float value = plane[at];
            const bool better = (value > most) | (value != value);
            most = better ? value : most;
            place = better ? at : place;
        }
    return place;
}

static inline int64_t greatest_f64(const double *plane, int64_t w, window y, window x)
{
    int64_t place = y.first * w + x.first;
    double most = -(double)INFINITY;
    for (int64_t i = 0; i < y.n; i++)
        for (int64_t j = 0; j < x.n; j++) {
            const int64_t at = (y.first + i * y.step) * w + x.first + j * x.step;
            const double value = plane[at];
            const bool better = (value > most) | (value != value);
            most = better ? value : most;
            place = better ? at : place;
        }
    return place;
}

static inline double sum_of_window(const pool_work *p, bool wide, int64_t corner, window y,
                                   window x)
{
    const void *image = p->image;
    double sum = 0;
    for (int64_t i = 0; i < y.n; i++, corner += p->w)
        for (int64_t j = 0; j < x.n; j++) sum += element_of(image, wide, corner + j);
    return sum;
}

/* What each element of the window gets of the gradient of its mean. */
static inline double part_of(const pool_work *p, bool wide, window y, window x, int64_t o)
{
    const int64_t n = divisor(p->a, y, x);
    if (wide) return ((const double *)p->result)[o] / (double)n;
    return (double)(((const float *)p->result)[o] / (float)n);
}

static inline void add_to_window(const pool_work *p, bool wide, int64_t corner, window y, window x,
                                 double part)
{
    for (int64_t i = 0; i < y.n; i++)
        for (int64_t j = 0; j < x.n; j++) {
            const int64_t at = corner + i * p->w + j;
            if (wide)
                ((double *)p->image)[at] += part;
            else
                ((float *)p->image)[at] += (float)part;
        }
}

/* Work on a row of windows, seen through y, of the plane that begins there; o is the first of their
 * results. */
typedef void window_row(const pool_work *p, int64_t plane, window y, int64_t o);

static inline void each_row(const pool_work *p, window_row *f, int64_t dilation, int64_t from,
                            int64_t to)
{
    int64_t o = from * p->oh * p->ow;
    for (int64_t plane = from * p->h * p->w; plane < to * p->h * p->w; plane += p->h * p->w)
        for (int64_t r = 0; r < p->oh; r++, o += p->ow)
            f(p, plane, window_of(p->a, dilation, p->h, r, 0), o);
}

static inline void row_of_places(const pool_work *p, int64_t plane, window y, int64_t o)
{
    for (int64_t c = 0; c < p->ow; c++, o++) {
        const window x = window_of(p->a, p->a[POOL_DILATION + 1].i, p->w, c, 1);
        ((int64_t *)p->result)[o] = p->wide
                                        ? greatest_f64((const double *)p->image + plane, p->w, y, x)
                                        : greatest_f32((const float *)p->image + plane, p->w, y, x);
    }
}

static void find_places(void *work, int64_t from, int64_t to)
{
    const pool_work *p = work;
    each_row(p, row_of_places, p->a[POOL_DILATION].i, from, to);
}

static double sum_in_blocks(const pool_work *p, int64_t corner, window y, window x)
{
    long_sum sum = {0, 0};
    double part = 0;
    int64_t terms = 0;
    for (int64_t i = 0; i < y.n; i++)
        for (int64_t j = 0; j < x.n; j++) {
            part += element_of(p->image, true, corner + i * p->w + j);
            if (++terms % SUM_BLOCK) continue;
            tg__add_term(&sum, part);
            part = 0;
        }
    tg__add_term(&sum, part);
    return tg__value_of_sum(sum);
}

static inline void row_of_means(const pool_work *p, int64_t plane, window y, int64_t o)
{
    for (int64_t c = 0; c < p->ow; c++, o++) {
        const window x = window_of(p->a, 1, p->w, c, 1);
        const int64_t corner = plane + y.first * p->w + x.first;
        if (p->wide) {
            const double sum = y.n * x.n > SUM_BLOCK ? sum_in_blocks(p, corner, y, x)
                                                     : sum_of_window(p, true, corner, y, x);
            ((double *)p->result)[o] = sum / (double)divisor(p->a, y, x);
        } else {
            const double sum = sum_of_window(p, false, corner, y, x);
            ((float *)p->result)[o] = (float)sum / (float)divisor(p->a, y, x);
        }
    }
}

static void take_means(void *work, int64_t from, int64_t to)
{
    each_row(work, row_of_means, 1, from, to);
}

static inline void spread_row(const pool_work *p, int64_t plane, window y, int64_t o)
{
    for (int64_t c = 0; c < p->ow; c++, o++) {
        const window x = window_of(p->a, 1, p->w, c, 1);
        const int64_t corner = plane + y.first * p->w + x.first;
        if (p->wide)
            add_to_window(p, true, corner, y, x, part_of(p, true, y, x, o));
        else
            add_to_window(p, false, corner, y, x, part_of(p, false, y, x, o));
    }
}

static void spread_means(void *work, int64_t from, int64_t to)
{
    each_row(work, spread_row, 1, from, to);
}

/* The windows that hold element `at` of a dimension, of so many. */
static window holders(const attr *a, int64_t at, int64_t windows, int d)
{
    const int64_t n = a[POOL_KERNEL + d].i, step = a[POOL_STRIDE + d].i;
    const int64_t end = at + a[POOL_PADDING + d].i;
    const int64_t last = end / step + 1 < windows ? end / step + 1 : windows;
    const int64_t first = end < n ? 0 : (end - n) / step + 1;
    return (window){first < last ? first : last, first < last ? last - first : 0, 1, 0};
}

static inline void row_of_parts(const pool_work *p, int64_t plane, window y, int64_t o)
{
    (void)plane;
    for (int64_t c = 0; c < p->ow; c++, o++) {
        const window x = window_of(p->a, 1, p->w, c, 1);
        if (p->wide)
            ((double *)p->parts)[o] = part_of(p, true, y, x, o);
        else
            ((float *)p->parts)[o] = (float)part_of(p, false, y, x, o);
    }
}

/* Where many windows overlap: their parts are added up along the rows, which leaves a line of oh
 * sums for each column of the image, and then along the columns, each time in the order of a sum.
 */
static void add_parts(void *work, int64_t from, int64_t to)
{
    const pool_work *p = work;
    const size_t size = p->wide ? sizeof(double) : sizeof(float);
    reduce_kernel *sum = pick(p->level, sum, p->wide ? TG_F64 : TG_F32);
    each_row(p, row_of_parts, 1, from, to);
    for (int64_t plane = from; plane < to; plane++) {
        char *parts = (char *)p->parts + (size_t)(plane * p->oh * p->ow) * size;
        char *lines = (char *)p->lines + (size_t)(plane * p->w * p->oh) * size;
        char *image = (char *)p->image + (size_t)(plane * p->w * p->h) * size;
        for (int64_t j = 0; j < p->w; j++) {
            const window x = holders(p->a, j, p->ow, 1);
            sum(p->oh, x.n, lines + (size_t)(j * p->oh) * size, parts + (size_t)x.first * size,
                p->ow);
        }
        for (int64_t i = 0; i < p->h; i++) {
            const window y = holders(p->a, i, p->oh, 0);
            sum(p->w, y.n, image + (size_t)(i * p->w) * size, lines + (size_t)y.first * size,
                p->oh);
        }
    }
}

static bool is_wide(tg_dtype dtype)
{
    switch (dtype) {
    case TG_F64: return true;
    case TG_F32:
    case TG_I64:
    case TG_BOOL: break;
    }
    return false;
}

static pool_work work_of(const call *c, const tg_tensor *image, const tg_tensor *result)
{
    const int n = image->ndim;
    return (pool_work){.a = c->a,
                       .wide = is_wide(image->dtype),
                       .level = c->tg->level,
                       .h = image->shape[n - 2],
                       .w = image->shape[n - 1],
                       .oh = result->shape[n - 2],
                       .ow = result->shape[n - 1],
                       .image = image->data,
                       .result = result->data};
}

static void split_planes(const call *c, portion *f, pool_work *p, const tg_tensor *result)
{
    if (result->numel == 0) return;
    const int64_t of_plane = p->oh * p->ow;
    tg__split(c->tg, result->numel / of_plane, tg__grain_of(of_plane * 4), f, p);
}

static bool run_pool(const call *c, portion *f)
{
    const tg_tensor *image = tg__contiguous(c->in[0]);
    if (!image) return false;
    pool_work p = work_of(c, image, c->out);
    split_planes(c, f, &p, c->out);
    return true;
}

static bool pool_shape(const call *c, spec *s)
{
    const tg_tensor *x = c->in[0];
    tg__same_shape(c, s);
    for (int d = 0; d < 2; d++) {
        const int64_t step = c->a[POOL_STRIDE + d].i, pad = c->a[POOL_PADDING + d].i;
        const int64_t size = x->shape[x->ndim - 2 + d], up = c->a[POOL_CEIL].i ? step - 1 : 0;
        const int64_t dilation = c->op->grad ? 1 : c->a[POOL_DILATION + d].i;
        const int64_t reach = dilation * (c->a[POOL_KERNEL + d].i - 1) + 1,
                      over = size + 2 * pad - reach;
        int64_t out = over + up < 0 ? 0 : (over + up) / step + 1;
        if (up && (out - 1) * step >= size + pad) out--;
        if (out < 1)
            return tg__fail(c->tg, TG_ERR_SHAPE,
                            "%s: the window spans %lld elements of dimension %d of the input %s, "
                            "which has only %lld with its padding",
                            c->op->name, (long long)reach, x->ndim - 2 + d, SHOW(x),
                            (long long)(size + 2 * pad));
        s->shape[s->ndim - 2 + d] = out;
    }
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

/* ---- The places of maxima, within the last two dimensions. */

static bool places_shape(const call *c, spec *s)
{
    if (!pool_shape(c, s)) return false;
    for (int d = 0; d < 2; d++) { /* those that begin in the image see its element there */
        const int64_t step = c->a[POOL_STRIDE + d].i, pad = c->a[POOL_PADDING + d].i;
        const int k = s->ndim - 2 + d;
        for (int64_t at = 0; at < s->shape[k] && at * step < pad; at++)
            if (window_of(c->a, c->a[POOL_DILATION + d].i, c->in[0]->shape[k], at, d).n == 0)
                return tg__fail(c->tg, TG_ERR_SHAPE,
                                "%s: a window holds no element of the input %s but padding alone; "
                                "padding[%d] %lld or dilation[%d] %lld is too large",
                                c->op->name, SHOW(c->in[0]), d, (long long)pad, d,
                                (long long)c->a[POOL_DILATION + d].i);
    }
    s->dtype = TG_I64;
    return true;
}

static bool places_forward(const call *c)
{
    return run_pool(c, find_places);
}

static const op_row places_op = {
    .name = "max_pool2d", .shape = places_shape, .forward = places_forward};

/* ---- Means, and their gradient, of the result's and of the image, whose shape alone it needs. */

static bool avg_forward(const call *c)
{
    return run_pool(c, take_means);
}

/* In how many windows of a dimension an element may be. */
static int64_t overlap(const attr *a, int64_t windows, int d)
{
    const int64_t n = (a[POOL_KERNEL + d].i - 1) / a[POOL_STRIDE + d].i + 1;
    return n < windows ? n : windows;
}

static bool avg_back_forward(const call *c)
{
    const tg_tensor *g = tg__contiguous(c->in[0]);
    if (!g) return false;
    pool_work p = work_of(c, c->out, g);
    if (overlap(c->a, p.oh, 0) * overlap(c->a, p.ow, 1) <= SUM_BLOCK) {
        tg__fill(c->out, 0);
        split_planes(c, spread_means, &p, g);
        return true;
    }
    const size_t size = tg__dtype_size(g->dtype);
    p.parts = tg__alloc(c->tg, tg__bytes(g->numel, size));
    p.lines = tg__alloc(c->tg, tg__bytes(tg__times(g->numel / p.ow, p.w), size));
    if (p.parts && p.lines) split_planes(c, add_parts, &p, g);
    return p.parts && p.lines;
}

static const op_row avg_op, avg_back_op;

static tg_tensor *avg_grad(const record *r, int i, tg_tensor *g)
{
    return tg__apply(&avg_back_op, 2, (tg_tensor *[]){g, tg__sizes_of(r->in[i].t)}, r->a);
}

static tg_tensor *avg_back_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return tg__apply(&avg_op, 1, &g, r->a);
}

static const op_row avg_op = {
    .name = "avg_pool2d",
    .grad_name = "AvgPool2DBackward0",
    .shape = pool_shape,
    .forward = avg_forward,
    .grad = avg_grad,
};
static const op_row avg_back_op = {
    .name = "avg_pool2d_backward",
    .grad_name = "AvgPool2DBackwardBackward0",
    .shape = tg__shape_of_second,
    .forward = avg_back_forward,
    .grad = avg_back_grad,
};

/* ---- What is called. */

tg_pool_options tg_pool_defaults(int64_t kernel)
{
    return (tg_pool_options){TG_POOL_DEFAULTS, .kernel = {kernel, kernel}};
}

/* The numbers of spatial dimension d. */
static bool check_window(tg_context *tg, const char *name, const tg_pool_options *o, int d)
{
    static const char *const members[][2] = {{"kernel[0]", "kernel[1]"},
                                             {"stride[0]", "stride[1]"},
                                             {"padding[0]", "padding[1]"},
                                             {"dilation[0]", "dilation[1]"}};
    if (!tg__check_number(tg, name, members[0][d], o->kernel[d], 1, INT32_MAX,
                          "the kernel has no default, and TG_POOL(.kernel = {2, 2}) sets it") ||
        !tg__check_number(tg, name, members[1][d], o->stride[d], 0, INT32_MAX, NULL) ||
        !tg__check_number(tg, name, members[2][d], o->padding[d], 0, INT64_MAX, NULL) ||
        !tg__check_number(tg, name, members[3][d], o->dilation[d], 1, INT32_MAX,
                          "TG_POOL and tg_pool_defaults() set it to 1"))
        return false;
    return o->padding[d] <= o->kernel[d] / 2 ||
           tg__fail(tg, TG_ERR_ARGUMENT,
                    "%s: padding[%d] is %lld, but must be at most %lld, half of kernel[%d] %lld",
                    name, d, (long long)o->padding[d], (long long)(o->kernel[d] / 2), d,
                    (long long)o->kernel[d]);
}

static bool check_pool(const char *name, const tg_tensor *x, const tg_pool_options *o)
{
    tg_context *tg = x->context;
    if (!tg__is_float(x->dtype)) return tg__refuse_dtype(name, x);
    if (x->ndim != 3 && x->ndim != 4)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: the input %s is no image (C, H, W) or (N, C, H, W)",
                        name, SHOW(x));
    if (x->shape[x->ndim - 1] == 0 || x->shape[x->ndim - 2] == 0)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: the images of the input %s have no elements", name,
                        SHOW(x));
    return check_window(tg, name, o, 0) && check_window(tg, name, o, 1);
}

static tg_tensor *apply_pool(const op_row *op, tg_tensor *x, const tg_pool_options *o)
{
    if (!tg__check_inputs(op->name, 1, &x)) return NULL;
    if (!o)
        return tg__fail(x->context, TG_ERR_ARGUMENT,
                        "%s: the options are NULL, but the kernel has no default; give "
                        "TG_POOL(.kernel = {2, 2})",
                        op->name);
    if (!check_pool(op->name, x, o)) return NULL;
    attr a[TG_ATTRS] = {{0}};
    for (int d = 0; d < 2; d++) {
        a[POOL_KERNEL + d].i = o->kernel[d];
        a[POOL_STRIDE + d].i = o->stride[d] ? o->stride[d] : o->kernel[d];
        a[POOL_PADDING + d].i = o->padding[d];
        a[POOL_DILATION + d].i = o->dilation[d];
    }
    a[POOL_CEIL].i = o->ceil_mode;
    if (op == &avg_op) {
        a[POOL_INCLUDES].i = o->count_include_pad;
        a[POOL_DIVISOR].i = o->divisor_override;
    }
    return tg__apply(op, 1, &x, a);
}

tg_tensor *tg_max_pool2d(tg_tensor *input, const tg_pool_options *options)
{
    frame f;
    tg__enter(&f, "max_pool2d", input);
    tg_tensor *places = apply_pool(&places_op, input, options), *y = NULL;
    if (places) {
        y = tg_gather(tg_flatten(input, -2, -1), -1, tg_flatten(places, -2, -1));
        y = tg_reshape(y, (tg_shape){places->ndim, places->shape});
    }
    return tg__leave(&f, y);
}

tg_tensor *tg_avg_pool2d(tg_tensor *input, const tg_pool_options *options)
{
    return apply_pool(&avg_op, input, options);
}
