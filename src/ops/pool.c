/* max_pool2d and avg_pool2d: the greatest element or the mean of each window of an image.
 * max_pool2d finds the indices of the greatest elements, and tg_gather takes these elements and has
 * the gradient. */
#include "../context/long_sum.h"
#include "op.h"
#include "pool.h"
#include "reduce.h"

#include <math.h>
#include <string.h>

/* A window along one dimension: it holds the n elements first, first + step, ... of the image.
 * `padded` counts the elements of the padding, too. */
typedef struct window {
    int64_t first, n, step, padded;
} window;

/* Window number `at` along dimension d of an image of that size, with the dilation `step`. */
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
    bool f64; /* the dtype is float64, not float32 */
    int level;
    int64_t h, w, oh, ow; /* of a plane of the image, and of one of the results */
    void *image, *result;
    void *shares, *lines; /* scratch memory of sum_shares */
} pool_work;

/* What the sum of a window is divided by. */
static int64_t divisor(const attr *a, window y, window x)
{
    if (a[POOL_DIVISOR].i) return a[POOL_DIVISOR].i;
    return a[POOL_COUNT_PAD].i ? y.padded * x.padded : y.n * x.n;
}

/* ---- The inline functions below are called with a constant f64, which gives each element type
 * loops of its own. */

static inline double element_of(const void *array, bool f64, int64_t at)
{
    return f64 ? ((const double *)array)[at] : (double)((const float *)array)[at];
}

/* The index, in the plane, of the greatest element of a window: the first one of equal elements,
 * but the last one of NaNs, as in PyTorch. */
static inline int64_t index_of_greatest(const void *plane, bool f64, int64_t w, window y, window x)
{
    int64_t index = y.first * w + x.first;
    double most = -INFINITY;
    for (int64_t i = 0; i < y.n; i++)
        for (int64_t j = 0; j < x.n; j++) {
            const int64_t at = (y.first + i * y.step) * w + x.first + j * x.step;
            const double value = element_of(plane, f64, at);
            if (!(value > most) && value == value) continue;
            most = value;
            index = at;
        }
    return index;
}

/* The same for `count` windows in a row that have as many elements as x, the first of them. The
 * windows take turns, and no branch depends on a value: in small windows, a CPU would predict such
 * a branch wrongly at every second element. */
static inline void find_greatest(const void *plane, bool f64, int64_t w, window y, window x,
                                 int64_t stride, int64_t count, int64_t *index)
{
    const int64_t corner = y.first * w + x.first;
    for (int64_t c = 0; c < count; c++) index[c] = corner + c * stride;
    for (int64_t i = 0; i < y.n; i++)
        for (int64_t j = 0; j < x.n; j++) {
            int64_t at = corner + i * y.step * w + j * x.step;
            for (int64_t c = 0; c < count; c++, at += stride) {
                const double value = element_of(plane, f64, at),
                             most = element_of(plane, f64, index[c]);
                const int better = (value > most) | (value != value);
                index[c] ^= (index[c] ^ at) & -(int64_t)better;
            }
        }
}

static inline double sum_of_window(const pool_work *p, bool f64, int64_t corner, window y, window x)
{
    const void *image = p->image;
    double sum = 0;
    for (int64_t i = 0; i < y.n; i++, corner += p->w)
        for (int64_t j = 0; j < x.n; j++) sum += element_of(image, f64, corner + j);
    return sum;
}

/* The gradient that each element of a window gets: that of the mean, divided by the divisor. */
static inline double mean_share(const pool_work *p, bool f64, window y, window x, int64_t o)
{
    const int64_t n = divisor(p->a, y, x);
    if (f64) return ((const double *)p->result)[o] / (double)n;
    return (double)(((const float *)p->result)[o] / (float)n);
}

/* Works on a row of windows, which have y in common. `plane` is the offset of the plane in the
 * image, and o the index of the first result. */
typedef void window_row(const pool_work *p, int64_t plane, window y, int64_t o);

static inline void for_each_row(const pool_work *p, window_row *f, int64_t dilation, int64_t from,
                                int64_t to)
{
    int64_t o = from * p->oh * p->ow;
    for (int64_t plane = from * p->h * p->w; plane < to * p->h * p->w; plane += p->h * p->w)
        for (int64_t r = 0; r < p->oh; r++, o += p->ow)
            f(p, plane, window_of(p->a, dilation, p->h, r, 0), o);
}

/* How many windows find_greatest is to take together from x on, which is number c: as many as lie
 * in the image like x, if the windows are small. */
static inline int64_t count_together(const pool_work *p, window y, window x, int64_t c)
{
    enum { MOST = 64, LARGE = 30 };
    const int64_t kernel = p->a[POOL_KERNEL + 1].i, stride = p->a[POOL_STRIDE + 1].i;
    if (x.n < kernel || x.n * y.n > LARGE) return 1;
    const int64_t inside = (p->w - 1 - (kernel - 1) * x.step - x.first) / stride + 1;
    const int64_t most = p->ow - c < MOST ? p->ow - c : MOST;
    return inside < most ? inside : most;
}

static inline void greatest_row(const pool_work *p, bool f64, const void *plane, window y,
                                int64_t *index)
{
    for (int64_t c = 0, count; c < p->ow; c += count) {
        const window x = window_of(p->a, p->a[POOL_DILATION + 1].i, p->w, c, 1);
        count = count_together(p, y, x, c);
        if (count == 1)
            index[c] = index_of_greatest(plane, f64, p->w, y, x);
        else
            find_greatest(plane, f64, p->w, y, x, p->a[POOL_STRIDE + 1].i, count, index + c);
    }
}

static inline void max_row(const pool_work *p, int64_t plane, window y, int64_t o)
{
    int64_t *index = (int64_t *)p->result + o;
    if (p->f64)
        greatest_row(p, true, (const double *)p->image + plane, y, index);
    else
        greatest_row(p, false, (const float *)p->image + plane, y, index);
}

static void find_indices(void *work, int64_t from, int64_t to)
{
    const pool_work *p = work;
    for_each_row(p, max_row, p->a[POOL_DILATION].i, from, to);
}

/* The sum of a large window of float64: blocks of SUM_BLOCK terms, added with compensation. */
static double sum_compensated(const pool_work *p, int64_t corner, window y, window x)
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

static inline void mean_row(const pool_work *p, int64_t plane, window y, int64_t o)
{
    for (int64_t c = 0; c < p->ow; c++, o++) {
        const window x = window_of(p->a, 1, p->w, c, 1);
        const int64_t corner = plane + y.first * p->w + x.first;
        if (p->f64) {
            const double sum = y.n * x.n > SUM_BLOCK ? sum_compensated(p, corner, y, x)
                                                     : sum_of_window(p, true, corner, y, x);
            ((double *)p->result)[o] = sum / (double)divisor(p->a, y, x);
        } else {
            const double sum = sum_of_window(p, false, corner, y, x);
            ((float *)p->result)[o] = (float)sum / (float)divisor(p->a, y, x);
        }
    }
}

static void average_windows(void *work, int64_t from, int64_t to)
{
    for_each_row(work, mean_row, 1, from, to);
}

/* Adds the shares of n windows, from number c on, to a line of the image. An element gets the
 * shares of its windows in their order: a later window holds it at an earlier place. */
static inline void add_shares(const pool_work *p, bool f64, int64_t c, int64_t n, void *line,
                              const void *shares)
{
    const int64_t stride = p->a[POOL_STRIDE + 1].i;
    for (int64_t j = p->a[POOL_KERNEL + 1].i - 1; j >= 0; j--) {
        const int64_t x = c * stride - p->a[POOL_PADDING + 1].i + j; /* in the first window */
        const int64_t from = x < 0 ? (stride - 1 - x) / stride : 0;
        const int64_t inside = p->w > x ? (p->w - x - 1) / stride + 1 : 0;
        const int64_t to = inside < n ? inside : n;
        if (f64)
            for (int64_t k = from; k < to; k++)
                ((double *)line)[x + k * stride] += ((const double *)shares)[k];
        else
            for (int64_t k = from; k < to; k++)
                ((float *)line)[x + k * stride] += ((const float *)shares)[k];
    }
}

/* Adds the shares of a row of windows to the lines of the image. If rows of windows do not overlap,
 * the lines of a row are equal, and the first one is copied. */
static inline void distribute_shares(const pool_work *p, bool f64, int64_t plane, window y,
                                     int64_t o)
{
    enum { AT_ONCE = 64 };
    const size_t size = f64 ? sizeof(double) : sizeof(float);
    const bool equal = p->a[POOL_KERNEL].i <= p->a[POOL_STRIDE].i && y.n > 0;
    char *first = (char *)p->image + (size_t)(plane + y.first * p->w) * size;
    double doubles[AT_ONCE];
    float floats[AT_ONCE];
    for (int64_t c = 0, n; c < p->ow; c += n) {
        n = p->ow - c < AT_ONCE ? p->ow - c : AT_ONCE;
        for (int64_t k = 0; k < n; k++) {
            const window x = window_of(p->a, 1, p->w, c + k, 1);
            const double share = mean_share(p, f64, y, x, o + c + k);
            if (f64)
                doubles[k] = share;
            else
                floats[k] = (float)share;
        }
        for (int64_t i = 0; i < (equal ? 1 : y.n); i++)
            add_shares(p, f64, c, n, first + (size_t)(i * p->w) * size,
                       f64 ? (void *)doubles : floats);
    }
    for (int64_t i = 1; i < y.n && equal; i++)
        memcpy(first + (size_t)(i * p->w) * size, first, (size_t)p->w * size);
}

static inline void distribute_mean_row(const pool_work *p, int64_t plane, window y, int64_t o)
{
    if (p->f64)
        distribute_shares(p, true, plane, y, o);
    else
        distribute_shares(p, false, plane, y, o);
}

static void distribute_means(void *work, int64_t from, int64_t to)
{
    for_each_row(work, distribute_mean_row, 1, from, to);
}

/* The range of windows, of so many along dimension d, that hold element `at`. */
static window windows_with(const attr *a, int64_t at, int64_t windows, int d)
{
    const int64_t n = a[POOL_KERNEL + d].i, step = a[POOL_STRIDE + d].i;
    const int64_t end = at + a[POOL_PADDING + d].i;
    const int64_t last = end / step + 1 < windows ? end / step + 1 : windows;
    const int64_t first = end < n ? 0 : (end - n) / step + 1;
    return (window){first < last ? first : last, first < last ? last - first : 0, 1, 0};
}

static inline void share_row(const pool_work *p, int64_t plane, window y, int64_t o)
{
    (void)plane;
    for (int64_t c = 0; c < p->ow; c++, o++) {
        const window x = window_of(p->a, 1, p->w, c, 1);
        if (p->f64)
            ((double *)p->shares)[o] = mean_share(p, true, y, x, o);
        else
            ((float *)p->shares)[o] = (float)mean_share(p, false, y, x, o);
    }
}

/* The gradient of means where many windows overlap: an element is then a sum of many shares, which
 * needs the accurate order of a sum. Sums along the rows of windows leave a line of oh sums for
 * each column of the image; sums along these lines are the elements. */
static void sum_shares(void *work, int64_t from, int64_t to)
{
    const pool_work *p = work;
    const size_t size = p->f64 ? sizeof(double) : sizeof(float);
    reduce_kernel *sum = pick(p->level, sum, p->f64 ? TG_F64 : TG_F32);
    for_each_row(p, share_row, 1, from, to);
    for (int64_t plane = from; plane < to; plane++) {
        char *shares = (char *)p->shares + (size_t)(plane * p->oh * p->ow) * size;
        char *lines = (char *)p->lines + (size_t)(plane * p->w * p->oh) * size;
        char *image = (char *)p->image + (size_t)(plane * p->w * p->h) * size;
        for (int64_t j = 0; j < p->w; j++) {
            const window x = windows_with(p->a, j, p->ow, 1);
            sum(p->oh, x.n, lines + (size_t)(j * p->oh) * size, shares + (size_t)x.first * size,
                p->ow);
        }
        for (int64_t i = 0; i < p->h; i++) {
            const window y = windows_with(p->a, i, p->oh, 0);
            sum(p->w, y.n, image + (size_t)(i * p->w) * size, lines + (size_t)y.first * size,
                p->oh);
        }
    }
}

static bool is_float64(tg_dtype dtype)
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
                       .f64 = is_float64(image->dtype),
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
        const int64_t span = dilation * (c->a[POOL_KERNEL + d].i - 1) + 1,
                      over = size + 2 * pad - span;
        int64_t out = over + up < 0 ? 0 : (over + up) / step + 1;
        if (up && (out - 1) * step >= size + pad) out--;
        if (out < 1)
            return tg__fail(c->tg, TG_ERR_SHAPE,
                            "%s: the window spans %lld elements of dimension %d of the input %s, "
                            "which has only %lld with its padding",
                            c->op->name, (long long)span, x->ndim - 2 + d, SHOW(x),
                            (long long)(size + 2 * pad));
        s->shape[s->ndim - 2 + d] = out;
    }
    return tg__check_shape(c->tg, c->op->name, (tg_shape){s->ndim, s->shape});
}

/* ---- The indices of maxima, counted within the last two dimensions. */

static bool max_pool_shape(const call *c, spec *s)
{
    if (!pool_shape(c, s)) return false;
    /* Only a window that begins in the padding can hold no element of the image. */
    for (int d = 0; d < 2; d++) {
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

static bool max_pool_forward(const call *c)
{
    return run_pool(c, find_indices);
}

static const op_row max_pool_op = {
    .name = "max_pool2d", .shape = max_pool_shape, .forward = max_pool_forward};

/* ---- Means and their gradient. The gradient is an operation of g and the image, of which it needs
 * the shape alone. Both are linear, and each other's gradients. */

static bool avg_forward(const call *c)
{
    return run_pool(c, average_windows);
}

/* The largest number of windows along dimension d that hold the same element. */
static int64_t largest_overlap(const attr *a, int64_t windows, int d)
{
    const int64_t n = (a[POOL_KERNEL + d].i - 1) / a[POOL_STRIDE + d].i + 1;
    return n < windows ? n : windows;
}

static bool avg_backward_forward(const call *c)
{
    const tg_tensor *g = tg__contiguous(c->in[0]);
    if (!g) return false;
    pool_work p = work_of(c, c->out, g);
    if (largest_overlap(c->a, p.oh, 0) * largest_overlap(c->a, p.ow, 1) <= SUM_BLOCK) {
        tg__fill(c->out, 0);
        split_planes(c, distribute_means, &p, g);
        return true;
    }
    const size_t size = tg__dtype_size(g->dtype);
    p.shares = tg__alloc(c->tg, tg__bytes(g->numel, size));
    p.lines = tg__alloc(c->tg, tg__bytes(tg__times(g->numel / p.ow, p.w), size));
    if (p.shares && p.lines) split_planes(c, sum_shares, &p, g);
    return p.shares && p.lines;
}

static const op_row avg_op, avg_backward_op;

static tg_tensor *avg_grad(const record *r, int i, tg_tensor *g)
{
    return tg__apply(&avg_backward_op, 2, (tg_tensor *[]){g, tg__sizes_of(r->in[i].t)}, r->a);
}

static tg_tensor *avg_backward_grad(const record *r, int i, tg_tensor *g)
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
static const op_row avg_backward_op = {
    .name = "avg_pool2d_backward",
    .grad_name = "AvgPool2DBackwardBackward0",
    .shape = tg__shape_of_second,
    .forward = avg_backward_forward,
    .grad = avg_backward_grad,
};

/* ---- The public functions. */

tg_pool_options tg_pool_defaults(int64_t kernel)
{
    return (tg_pool_options){TG_POOL_DEFAULTS, .kernel = {kernel, kernel}};
}

/* Checks the numbers of the options for spatial dimension d. */
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
        a[POOL_COUNT_PAD].i = o->count_include_pad;
        a[POOL_DIVISOR].i = o->divisor_override;
    }
    return tg__apply(op, 1, &x, a);
}

tg_tensor *tg_max_pool2d(tg_tensor *input, const tg_pool_options *options)
{
    frame f;
    tg__enter(&f, "max_pool2d", input);
    tg_tensor *indices = apply_pool(&max_pool_op, input, options), *y = NULL;
    if (indices) {
        y = tg_gather(tg_flatten(input, -2, -1), -1, tg_flatten(indices, -2, -1));
        y = tg_reshape(y, (tg_shape){indices->ndim, indices->shape});
        tg__name_grad_fn(y, "MaxPool2DWithIndicesBackward0");
    }
    return tg__leave(&f, y);
}

tg_tensor *tg_avg_pool2d(tg_tensor *input, const tg_pool_options *options)
{
    return apply_pool(&avg_op, input, options);
}
