/* Tensors of random numbers. Which numbers are drawn, in which order and from how many words, is
 * what PyTorch does on the CPU. */
#include "random.h"

#include <math.h>

enum { DRAWS = 256 }; /* how many numbers of a distribution are made at a time */

/* A function that draws n contiguous elements; a and b are the parameters of the distribution. */
typedef void draw(tg_context *tg, tg_dtype dtype, int64_t n, void *out, double a, double b);

/* Draws n uniform samples on [0, 1) of a floating dtype. */
static void draw_unit_interval(tg_context *tg, tg_dtype dtype, int64_t n, void *out)
{
    switch (dtype) {
    case TG_F32: tg__uniforms_f32(&tg->random, n, out); break;
    case TG_F64: tg__uniforms_f64(&tg->random, n, out); break;
    case TG_I64:
    case TG_BOOL: break;
    }
}

static void draw_uniform(tg_context *tg, tg_dtype dtype, int64_t n, void *out, double low,
                         double high)
{
    const double width = tg__rounded(dtype, high) - tg__rounded(dtype, low);
    draw_unit_interval(tg, dtype, n, out);
    pick(tg->level, affine, dtype)(n, out, low, tg__rounded(dtype, width));
}

static void draw_bernoulli(tg_context *tg, tg_dtype dtype, int64_t n, void *out, double p,
                           double unused)
{
    (void)unused;
    double u[DRAWS];
    for (int64_t from = 0; from < n; from += DRAWS) {
        const int64_t to = n - from < DRAWS ? n : from + DRAWS;
        tg__uniforms_f64(&tg->random, to - from, u);
        for (int64_t i = from; i < to; i++) tg__store(dtype, out, i, u[i - from] < p);
    }
}

static void draw_int64(tg_context *tg, tg_dtype dtype, int64_t n, void *out, double a, double b)
{
    (void)dtype, (void)a, (void)b;
    for (int64_t i = 0; i < n; i++)
        ((int64_t *)out)[i] = (int64_t)(tg__u64(&tg->random) & INT64_MAX);
}

/* Stores the sizes of t and its strides in bytes, ordered by falling stride. Returns ndim. */
static int sort_by_stride(const tg_tensor *t, int64_t *shape, int64_t *strides)
{
    int64_t size = (int64_t)tg__dtype_size(t->dtype);
    for (int d = 0; d < t->ndim; d++) {
        int at = d;
        for (; at > 0 && strides[at - 1] < t->strides[d] * size; at--) {
            shape[at] = shape[at - 1];
            strides[at] = strides[at - 1];
        }
        shape[at] = t->shape[d];
        strides[at] = t->strides[d] * size;
    }
    return t->ndim;
}

/* Draws the elements of a tensor that is not contiguous one by one, in the order in which they lie
 * in memory, as PyTorch does. */
static void draw_strided(tg_tensor *t, draw *f, double a, double b)
{
    int64_t shape[TG_MAX_DIMS], strides[TG_MAX_DIMS], index[TG_MAX_DIMS] = {0}, at = 0;
    int ndim = sort_by_stride(t, shape, strides);
    for (int64_t left = t->numel; left > 0; left--) {
        f(t->context, t->dtype, 1, (char *)t->data + at, a, b);
        for (int d = ndim - 1; d >= 0; d--) {
            at += strides[d];
            if (++index[d] < shape[d]) break;
            at -= strides[d] * shape[d];
            index[d] = 0;
        }
    }
}

/* Fills t with random numbers. t has been checked. */
static tg_tensor *draw_into(tg_tensor *t, const char *op, draw *f, double a, double b)
{
    watch *w = t->context->watch;
    if (w && !w->begin(t->context, WORK_OPERATION, op)) return NULL;
    tg__before_draw(t->context);
    if (tg_is_contiguous(t))
        f(t->context, t->dtype, t->numel, t->data, a, b);
    else
        draw_strided(t, f, a, b);
    if (w) w->end(t->context, t->numel * (int64_t)tg__dtype_size(t->dtype));
    tg__written(t, op);
    return t;
}

static bool check_floating(tg_context *tg, const char *op, tg_dtype dtype)
{
    return tg__is_float(dtype) ||
           tg__fail(tg, TG_ERR_DTYPE, "%s: not for %s", op, tg_dtype_name(dtype));
}

static bool check_probability(tg_context *tg, const char *op, double p)
{
    return (p >= 0 && p <= 1) ||
           tg__fail(tg, TG_ERR_ARGUMENT, "%s: p %g must lie in [0, 1]", op, p);
}

/* A tensor whose elements the caller will draw. */
static tg_tensor *make_empty(tg_context *tg, const char *op, tg_dtype dtype, tg_shape shape)
{
    if (!tg || !tg__ready(tg) || !tg__check_shape(tg, op, shape)) return NULL;
    return tg__new(tg, dtype, shape.ndim, shape.dims);
}

bool tg_manual_seed(tg_context *tg, uint64_t seed)
{
    if (!tg) return false;
    tg__before_draw(tg);
    tg__seed(&tg->random, seed);
    return true;
}

tg_tensor *tg_rand(tg_context *tg, tg_dtype dtype, tg_shape shape)
{
    if (!tg || !check_floating(tg, "rand", dtype)) return NULL;
    tg_tensor *t = make_empty(tg, "rand", dtype, shape);
    return t ? draw_into(t, "rand", draw_uniform, 0, 1) : NULL;
}

tg_tensor *tg_randn(tg_context *tg, tg_dtype dtype, tg_shape shape)
{
    if (!tg || !check_floating(tg, "randn", dtype)) return NULL;
    tg_tensor *t = make_empty(tg, "randn", dtype, shape);
    return t ? draw_into(t, "randn", tg__normals, 0, 1) : NULL;
}

/* word % range, for a range below 2^32, by multiplications instead of a division. Let inverse be
 * 2^64 / range, rounded up. The fractional part of word / range is that of word * inverse / 2^64,
 * and this part times the range is the remainder (Lemire, Kaser and Kurz, Softw. Pract. Exp. 49,
 * 2019, section 3). */
static uint64_t remainder_of(uint32_t word, uint64_t range, uint64_t inverse)
{
    const uint64_t fraction = inverse * word;
    return ((fraction >> 32) * range + ((fraction & UINT32_MAX) * range >> 32)) >> 32;
}

static void draw_integers(generator *g, int64_t n, int64_t *out, int64_t low, uint64_t range)
{
    /* For a range of 1 this wraps around to 0, which gives the remainder 0. */
    const uint64_t inverse = UINT64_MAX / range + 1;
    uint32_t word[DRAWS];
    for (int64_t i = 0; range > UINT32_MAX && i < n; i++)
        out[i] = (int64_t)(tg__u64(g) % range + (uint64_t)low);
    for (int64_t i = 0; range <= UINT32_MAX && i < n; i++) {
        if (i % DRAWS == 0) tg__words(g, n - i < DRAWS ? (int)(n - i) : DRAWS, word);
        out[i] = (int64_t)(remainder_of(word[i % DRAWS], range, inverse) + (uint64_t)low);
    }
}

/* An element is one word modulo the range, or two words if the range needs them. As in PyTorch,
 * some numbers are therefore slightly more probable than others. */
tg_tensor *tg_randint(tg_context *tg, int64_t low, int64_t high, tg_shape shape)
{
    if (!tg) return NULL;
    if (low >= high)
        return tg__fail(tg, TG_ERR_ARGUMENT, "randint: low %lld must be less than high %lld",
                        (long long)low, (long long)high);
    tg_tensor *t = make_empty(tg, "randint", TG_I64, shape);
    if (!t) return NULL;
    tg__before_draw(tg);
    draw_integers(&tg->random, t->numel, t->data, low, (uint64_t)high - (uint64_t)low);
    return t;
}

void tg__permute(generator *g, int64_t n, int64_t *out)
{
    uint32_t word[DRAWS];
    for (int64_t i = 0; i < n; i++) out[i] = i;
    for (int64_t i = 0; i < n - 1; i++) {
        const int64_t left = n - i, draws = left - 1 < DRAWS ? left - 1 : DRAWS;
        if (i % DRAWS == 0) tg__words(g, (int)draws, word);
        const uint32_t w = word[i % DRAWS]; /* a division of 32 bits takes less time */
        const int64_t other = i + (left > UINT32_MAX ? w : w % (uint32_t)left);
        const int64_t moved = out[i];
        out[i] = out[other];
        out[other] = moved;
    }
}

tg_tensor *tg_randperm(tg_context *tg, int64_t n)
{
    if (!tg) return NULL;
    if (n < 0)
        return tg__fail(tg, TG_ERR_ARGUMENT, "randperm: n %lld must not be negative", (long long)n);
    tg_tensor *t = make_empty(tg, "randperm", TG_I64, (tg_shape){1, &n});
    if (!t) return NULL;
    tg__before_draw(tg);
    tg__permute(&tg->random, n, t->data);
    return t;
}

/* Checks that all elements lie in [0, 1]. If the least or the greatest, or a NaN, does not, the
 * message names the first element that does not. */
static bool check_probabilities(const tg_tensor *p)
{
    extreme_kernel *extreme = pick(p->context->level, extreme, p->dtype);
    double least[1], most[1];
    if (p->numel == 0) return true;
    extreme(false, 1, p->numel, least, NULL, p->data, p->numel);
    extreme(true, 1, p->numel, most, NULL, p->data, p->numel);
    if (tg__load(p->dtype, least, 0) >= 0 && tg__load(p->dtype, most, 0) <= 1) return true;
    for (int64_t i = 0; i < p->numel; i++)
        if (!check_probability(p->context, "bernoulli", tg__load(p->dtype, p->data, i)))
            return false;
    return true;
}

static tg_tensor *bernoulli(tg_tensor *p)
{
    tg_context *tg = p->context;
    const tg_dtype d = p->dtype;
    const unary_set *to_dtype = d == TG_F32 ? &tg__to_f32_kernel : &tg__to_f64_kernel;
    p = tg__contiguous(p);
    tg_tensor *t = p && check_probabilities(p) ? tg__new(tg, d, p->ndim, p->shape) : NULL;
    if (!t) return NULL;
    tg__before_draw(tg);
    draw_unit_interval(tg, d, t->numel, t->data);
    const char *probability = p->data;
    char *draws = t->data;
    for (int64_t left = t->numel, some; left > 0; left -= some) {
        uint8_t is_below[DRAWS];
        some = left < DRAWS ? left : DRAWS;
        pick(tg->level, lt, d)(some, is_below, draws, probability);
        kernel_at(to_dtype, 0, K_BOOL)(some, draws, is_below);
        draws += some * (int64_t)tg__dtype_size(d);
        probability += some * (int64_t)tg__dtype_size(d);
    }
    return t;
}

tg_tensor *tg_bernoulli(tg_tensor *p)
{
    frame f;
    if (!tg__check_inputs("bernoulli", 1, &p) || !tg__ready(p->context)) return NULL;
    if (!tg__is_float(p->dtype)) return tg__refuse_dtype("bernoulli", p);
    tg__enter(&f, "bernoulli", p);
    return tg__leave(&f, bernoulli(p));
}

static bool check_range(const tg_tensor *t, double low, double high)
{
    const double most = tg__dtypes[t->dtype].most;
    if (!(fabs(low) <= most && fabs(high) <= most))
        return tg__fail(t->context, TG_ERR_ARGUMENT,
                        "uniform_: low %g and high %g must be finite in %s", low, high,
                        tg_dtype_name(t->dtype));
    if (low > high)
        return tg__fail(t->context, TG_ERR_ARGUMENT, "uniform_: low %g must not be above high %g",
                        low, high);
    return high - low <= most ||
           tg__fail(t->context, TG_ERR_ARGUMENT,
                    "uniform_: the distance from low %g to high %g is infinite in %s", low, high,
                    tg_dtype_name(t->dtype));
}

tg_tensor *tg_uniform_(tg_tensor *t, double low, double high)
{
    if (!t || !tg__writable(t, "uniform_") || !check_floating(t->context, "uniform_", t->dtype) ||
        !check_range(t, low, high))
        return NULL;
    return draw_into(t, "uniform_", draw_uniform, low, high);
}

tg_tensor *tg_normal_(tg_tensor *t, double mean, double std)
{
    if (!t || !tg__writable(t, "normal_") || !check_floating(t->context, "normal_", t->dtype))
        return NULL;
    if (!(std >= 0))
        return tg__fail(t->context, TG_ERR_ARGUMENT, "normal_: std %g must not be negative", std);
    return draw_into(t, "normal_", tg__normals, mean, std);
}

tg_tensor *tg_bernoulli_(tg_tensor *t, double p)
{
    if (!t || !tg__writable(t, "bernoulli_") || !tg__any_dtype("bernoulli_", t) ||
        !check_probability(t->context, "bernoulli_", p))
        return NULL;
    return draw_into(t, "bernoulli_", draw_bernoulli, p, 0);
}

tg_tensor *tg_random_(tg_tensor *t)
{
    if (!t || !tg__writable(t, "random_")) return NULL;
    if (t->dtype != TG_I64)
        return tg__fail(t->context, TG_ERR_DTYPE, "random_: not for %s", tg_dtype_name(t->dtype));
    return draw_into(t, "random_", draw_int64, 0, 0);
}
