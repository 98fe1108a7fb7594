/* Elementwise loops and copies over tensors of any strides. The kernels take contiguous arrays.
 * Tensors that are contiguous go to the kernel as they are; others are walked plane by plane, and
 * their elements are gathered in small arrays on the stack where needed. */
#include "loops.h"

#include <math.h>
#include <string.h>

enum {
    OPERANDS = 4,     /* the result and up to three inputs */
    CHUNK = 448,      /* 8-byte elements in a small array; four arrays stay within 16 KB of stack */
    ROW_CHUNK = 1024, /* bytes of a small array that are filled for a row */
    WIDE_ROW = 64,    /* elements that make a row worth a call of the kernel */
    COPY_GRAIN = 1 << 19, /* bytes of a copy that are worth a block of their own for threads */
};

/* A small array for elements of any dtype. A kernel writes and reads the member of its type. */
typedef union chunk {
    float f32[2 * CHUNK];
    double f64[CHUNK];
    int64_t i64[CHUNK];
    uint8_t b[8 * CHUNK];
} chunk;

/* A walk over the elements of up to four operands, the result first. Neighbouring dimensions are
 * merged where the strides of all operands allow it. The last two dimensions form a plane, of rows
 * and columns; the walk goes from plane to plane. It keeps offsets instead of moving the pointers,
 * because gcc 12 at -O2 wrongly takes pointers that walk_next moves for constants. */
typedef struct walk {
    int operands, ndim;
    linear_map linear; /* how the function is computed with a single value; see arrays */
    int64_t n[TG_MAX_DIMS];
    int64_t stride[OPERANDS][TG_MAX_DIMS];
    char *data[OPERANDS];
    int64_t offset[OPERANDS]; /* of the current plane, in bytes */
    int64_t size[OPERANDS];   /* of an element, in bytes */
} walk;

/* Whether dimension d of the walk and the next one, with these strides and n elements, lie at one
 * stride in each operand. */
static bool can_merge(const walk *w, int d, const int64_t *stride, int64_t n)
{
    for (int o = 0; o < w->operands; o++)
        if (w->stride[o][d] != stride[o] * n) return false;
    return true;
}

/* The stride of t along dimension d of the result, which has ndim: 0 where t is broadcast. */
static int64_t stride_along(const tg_tensor *t, int ndim, int d)
{
    int own = d - (ndim - t->ndim);
    return own < 0 || t->shape[own] == 1 ? 0 : t->strides[own];
}

static void walk_begin(walk *w, int operands, const tg_tensor *const *t)
{
    const tg_tensor *out = t[0];
    w->operands = operands;
    w->ndim = 0;
    for (int o = 0; o < operands; o++) {
        w->data[o] = t[o]->data;
        w->offset[o] = 0;
        w->size[o] = (int64_t)tg__dtype_size(t[o]->dtype);
    }
    for (int d = 0; d < out->ndim; d++) {
        if (out->shape[d] == 1) continue;
        int64_t stride[OPERANDS];
        for (int o = 0; o < operands; o++) stride[o] = stride_along(t[o], out->ndim, d);
        bool merge = w->ndim > 0 && can_merge(w, w->ndim - 1, stride, out->shape[d]);
        int at = merge ? w->ndim - 1 : w->ndim++;
        w->n[at] = merge ? w->n[at] * out->shape[d] : out->shape[d];
        for (int o = 0; o < operands; o++) w->stride[o][at] = stride[o];
    }
    for (; w->ndim < 2; w->ndim++) { /* a plane has rows and columns */
        for (int d = w->ndim; d > 0; d--) {
            w->n[d] = w->n[d - 1];
            for (int o = 0; o < operands; o++) w->stride[o][d] = w->stride[o][d - 1];
        }
        w->n[0] = 1;
        for (int o = 0; o < operands; o++) w->stride[o][0] = 0;
    }
}

/* Moves to the next plane; false after the last one. at has the index of the current plane. */
static bool walk_next(walk *w, int64_t *at)
{
    for (int d = w->ndim - 3; d >= 0; d--) {
        at[d]++;
        for (int o = 0; o < w->operands; o++) w->offset[o] += w->stride[o][d] * w->size[o];
        if (at[d] < w->n[d]) return true;
        for (int o = 0; o < w->operands; o++) w->offset[o] -= at[d] * w->stride[o][d] * w->size[o];
        at[d] = 0;
    }
    return false;
}

/* The address of element (row, column) of operand o in the current plane. */
static char *address_of(const walk *w, int o, int64_t row, int64_t column)
{
    int64_t at = row * w->stride[o][w->ndim - 2] + column * w->stride[o][w->ndim - 1];
    return w->data[o] + w->offset[o] + at * w->size[o];
}

/* The kernels that move elements: the size of an element, and a dtype that has this size. */
#define EACH_MOVER(ROW, x) ROW(x, 8, K_F64) ROW(x, 4, K_F32) ROW(x, 1, K_BOOL)

#define HAS_SIZE(type, bytes, index) || sizeof(type) == bytes
#define CHECK_SIZE(dtype, name, type, ...)                                                         \
    _Static_assert(0 EACH_MOVER(HAS_SIZE, type), "EACH_MOVER has no size of " name);
TG_EACH_DTYPE(CHECK_SIZE)
#undef CHECK_SIZE
#undef HAS_SIZE

/* The index of a dtype whose copy kernel moves elements of that size. */
static int type_of_size(int64_t size)
{
#define TYPE_OF_SIZE(size, bytes, index) (size) == bytes ? index:
    const int type = EACH_MOVER(TYPE_OF_SIZE, size) K_TYPES;
#undef TYPE_OF_SIZE
    TG_CHECK(type < K_TYPES);
    return type;
}

static inline void call_loop(loop f, int inputs, int64_t n, void *out, const void *const *in)
{
    if (f.with)
        f.map(n, out, in, f.with);
    else if (inputs == 1)
        f.unary(n, out, in[0]);
    else if (inputs == 2)
        f.binary(n, out, in[0], in[1]);
    else
        f.where(n, out, in[0], in[1], in[2]);
}

/* The operands of a kernel: a result, and inputs of which each is an array or a single value. */
typedef struct arrays {
    int inputs;
    void *out;
    const void *in[OPERANDS - 1];
    bool single[OPERANDS - 1]; /* this input is one value for all elements */
    bool row; /* whether this is one of several rows; the next one has other single values */
    int64_t size[OPERANDS]; /* of an element, the result first, in bytes */
    linear_map linear;      /* how the function is computed with a single value */
} arrays;

/* Makes the first n elements of an array, and up to three more, equal to the one at p. Four are
 * written at a time, which gcc 12 at -O2 does in vectors. */
static inline void fill_chunk(chunk *c, size_t size, int64_t n, const void *p)
{
    if (size == sizeof(float)) {
        const float x = *(const float *)p;
        for (int64_t i = 0; i < n; i += 4)
            for (int64_t j = i; j < i + 4; j++) c->f32[j] = x;
    } else if (size == sizeof(int64_t)) {
        int64_t x;
        memcpy(&x, p, sizeof x);
        for (int64_t i = 0; i < n; i += 4)
            for (int64_t j = i; j < i + 4; j++) c->i64[j] = x;
    } else {
        memset(c->b, *(const unsigned char *)p, (size_t)n);
    }
}
_Static_assert(CHUNK % 4 == 0, "fill_chunk may write up to three elements more than asked for");

/* Calls the kernel piece by piece. One small array for each single value is filled with it and
 * serves for all pieces. If the row is one of many, the array is smaller, as it must be filled
 * again for the next row. It is not much smaller, because each call of the kernel takes time, too.
 */
static void run_pieces(loop f, int64_t n, const arrays *r)
{
    chunk filled[OPERANDS - 1];
    const void *in[OPERANDS - 1] = {NULL};
    int64_t size = 1, most;
    for (int i = 0; i < r->inputs; i++)
        if (r->single[i] && r->size[i + 1] > size) size = r->size[i + 1];
    most = (r->row ? ROW_CHUNK : (int64_t)sizeof(chunk)) / size;
    if (n < most) most = n;
    for (int i = 0; i < r->inputs; i++) {
        if (!r->single[i]) continue;
        fill_chunk(&filled[i], (size_t)r->size[i + 1], most, r->in[i]);
        in[i] = &filled[i];
    }
    for (int64_t at = 0; at < n; at += most) {
        for (int i = 0; i < r->inputs; i++)
            if (!r->single[i]) in[i] = (const char *)r->in[i] + at * r->size[i + 1];
        call_loop(f, r->inputs, n - at < most ? n - at : most, (char *)r->out + at * r->size[0],
                  in);
    }
}

/* Computes a function of an array and a number, floats, as x s + t. To add -0 changes nothing. */
static void run_scaled(int64_t n, const arrays *r)
{
    const int number = r->single[1];
    const void *p = r->in[number], *x = r->in[1 - number];
    const double v = r->size[0] == sizeof(float) ? (double)*(const float *)p : *(const double *)p;
    double s = 1, t = v;
    if (r->linear.form == LINEAR_PRODUCT) s = v, t = -0.0;
    if (r->linear.form == LINEAR_DIFFERENCE && number == 0) s = -1;
    if (r->linear.form == LINEAR_DIFFERENCE && number == 1) t = -v;
    r->linear.scale(n, r->out, &x, (const double[]){s, t});
}

static void run_loop(loop f, int64_t n, const arrays *r)
{
    bool pieces = false;
    for (int i = 0; i < r->inputs; i++) pieces |= r->single[i];
    if (r->linear.scale && r->single[0] != r->single[1])
        run_scaled(n, r);
    else if (pieces)
        run_pieces(f, n, r);
    else
        call_loop(f, r->inputs, n, r->out, r->in);
}

/* Whether the rows of a plane go to the kernel as they are: each operand is contiguous along a row
 * or has one value in it, and rows are long enough to be worth a call each. */
static bool rows_suit_kernel(const walk *w)
{
    int64_t columns = w->n[w->ndim - 1], wide = WIDE_ROW;
    for (int o = 0; o < w->operands; o++) {
        int64_t s = w->stride[o][w->ndim - 1];
        bool one_value = s == 0 && o > 0;
        if (columns > 1 && s != 1 && !one_value) return false;
        if (one_value && !w->linear.scale) wide = CHUNK / 2;
    }
    return columns >= wide || w->n[w->ndim - 2] == 1;
}

static arrays arrays_of(const walk *w)
{
    arrays r = {.inputs = w->operands - 1, .linear = w->linear};
    memcpy(r.size, w->size, sizeof r.size);
    return r;
}

/* Calls the kernel for each of the rows [from, to) of the current plane. */
static void plane_by_rows(const walk *w, loop f, int64_t from, int64_t to)
{
    int rows = w->ndim - 2, columns = w->ndim - 1;
    arrays r = arrays_of(w);
    r.row = w->n[rows] > 1;
    for (int64_t i = from; i < to; i++) {
        r.out = address_of(w, 0, i, 0);
        for (int o = 1; o < w->operands; o++) {
            r.in[o - 1] = address_of(w, o, i, 0);
            r.single[o - 1] = w->stride[o][columns] == 0;
        }
        run_loop(f, w->n[columns], &r);
    }
}

/* The same for rows that are too short or not contiguous: gathers several rows, or a part of one,
 * in small arrays, calls the kernel, and scatters the result. Operands that are contiguous already
 * are not copied. */
static void plane_by_copies(const walk *w, loop f, int level, int64_t from, int64_t to)
{
    chunk buffer[OPERANDS];
    int r = w->ndim - 2, c = w->ndim - 1;
    /* How many elements the small arrays hold: fewer if an operand has 8-byte elements. */
    int64_t most = 2 * CHUNK;
    for (int o = 0; o < w->operands; o++)
        if (w->size[o] > 4) most = CHUNK;
    int64_t rows = w->n[c] < most ? most / w->n[c] : 1;
    int64_t columns = w->n[c] < most ? w->n[c] : most;
    for (int64_t i = from; i < to; i += rows) {
        int64_t h = to - i < rows ? to - i : rows;
        for (int64_t j = 0; j < w->n[c]; j += columns) {
            int64_t v = w->n[c] - j < columns ? w->n[c] - j : columns;
            arrays p = arrays_of(w);
            for (int o = 1; o < w->operands; o++) {
                int64_t s0 = w->stride[o][r], s1 = w->stride[o][c];
                const char *source = address_of(w, o, i, j);
                bool contiguous = s1 == 1 && (s0 == v || h == 1);
                p.single[o - 1] = s0 == 0 && s1 == 0;
                p.in[o - 1] = contiguous || p.single[o - 1] ? (const void *)source : &buffer[o];
                if (p.in[o - 1] == &buffer[o])
                    pick(level, copy, type_of_size(w->size[o]))(h, v, &buffer[o], v, 1, source, s0,
                                                                s1);
            }
            int64_t s0 = w->stride[0][r], s1 = w->stride[0][c];
            char *destination = address_of(w, 0, i, j);
            bool contiguous = s1 == 1 && (s0 == v || h == 1);
            p.out = contiguous ? (void *)destination : &buffer[0];
            run_loop(f, h * v, &p);
            if (!contiguous)
                pick(level, copy, type_of_size(w->size[0]))(h, v, destination, s0, s1, &buffer[0],
                                                            v, 1);
        }
    }
}

typedef struct plane_work {
    const walk *w;
    loop f;
    int level;
} plane_work;

/* Work that is split: the rows [from, to) of the current plane. */
static void rows_of_plane(void *work, int64_t from, int64_t to)
{
    const plane_work *p = work;
    if (rows_suit_kernel(p->w))
        plane_by_rows(p->w, p->f, from, to);
    else
        plane_by_copies(p->w, p->f, p->level, from, to);
}

/* The common case: all operands are contiguous and of one shape, and one thread does the work. */
static inline bool run_same_shape(loop f, tg_tensor *out, int inputs, tg_tensor *const *in)
{
    const void *data[OPERANDS - 1];
    if (!out->contiguous || (out->context->team && out->numel >= 2 * TG_GRAIN)) return false;
    for (int i = 0; i < inputs; i++) {
        if (in[i]->numel != out->numel || !in[i]->contiguous) return false;
        data[i] = in[i]->data;
    }
    call_loop(f, inputs, out->numel, out->data, data);
    return true;
}

typedef struct contiguous_work {
    loop f;
    const arrays *r;
} contiguous_work;

/* Work that is split: the elements [from, to). */
static void part_of_arrays(void *work, int64_t from, int64_t to)
{
    const contiguous_work *d = work;
    arrays r = *d->r;
    r.out = (char *)r.out + from * r.size[0];
    for (int i = 0; i < r.inputs; i++)
        if (!r.single[i]) r.in[i] = (const char *)r.in[i] + from * r.size[i + 1];
    run_loop(d->f, to - from, &r);
}

/* Whether all elements of t are one element in memory, as those of a scalar and of an expanded
 * scalar are. */
static inline bool is_single(const tg_tensor *t)
{
    bool single = true;
    for (int d = 0; d < t->ndim; d++) single &= t->shape[d] == 1 || t->strides[d] == 0;
    return single;
}

/* Computes a few elements of a contiguous result. Inputs that are single values, or matrices of any
 * strides, such as a row or a column that is broadcast, are copied to small arrays first. False if
 * an operand does not suit this. */
static TG_NOINLINE bool run_few(loop f, tg_tensor *out, int inputs, tg_tensor *const *in)
{
    chunk filled[OPERANDS - 1];
    const void *data[OPERANDS - 1] = {NULL};
    if (!out->contiguous) return false;
    for (int i = 0; i < inputs; i++) {
        const tg_tensor *t = in[i];
        const int64_t size = (int64_t)tg__dtype_size(t->dtype);
        data[i] = &filled[i];
        if (t->numel == out->numel && t->contiguous)
            data[i] = t->data;
        else if (is_single(t))
            fill_chunk(&filled[i], (size_t)size, out->numel, t->data);
        else if (out->ndim == 2)
            pick(out->context->level, copy,
                 type_of_size(size))(out->shape[0], out->shape[1], &filled[i], out->shape[1], 1,
                                     t->data, stride_along(t, 2, 0), stride_along(t, 2, 1));
        else
            return false;
    }
    call_loop(f, inputs, out->numel, out->data, data);
    return true;
}

/* Computes a contiguous result from inputs that are contiguous or single values, on several threads
 * if it is large. False if an operand does not suit this. */
static TG_NOINLINE bool run_contiguous(loop f, linear_map l, tg_tensor *out, int inputs,
                                       tg_tensor *const *in)
{
    arrays r = {.inputs = inputs, .out = out->data, .linear = l};
    if (!out->contiguous) return false;
    r.size[0] = (int64_t)tg__dtype_size(out->dtype);
    for (int i = 0; i < inputs; i++) {
        r.single[i] = out->numel > 1 && is_single(in[i]);
        if (!r.single[i] && (in[i]->numel != out->numel || !in[i]->contiguous)) return false;
        r.in[i] = in[i]->data;
        r.size[i + 1] = (int64_t)tg__dtype_size(in[i]->dtype);
    }
    contiguous_work work = {f, &r};
    tg__split(out->context, out->numel, TG_GRAIN, part_of_arrays, &work);
    return true;
}

/* Computes operands of any shapes and strides, plane by plane. */
static TG_NOINLINE void run_walk(loop f, linear_map l, tg_tensor *out, int inputs,
                                 tg_tensor *const *in)
{
    const tg_tensor *t[OPERANDS] = {out};
    for (int i = 0; i < inputs; i++) t[i + 1] = in[i];
    walk w;
    walk_begin(&w, inputs + 1, t);
    w.linear = l;
    int64_t at[TG_MAX_DIMS] = {0}, rows = w.n[w.ndim - 2], columns = w.n[w.ndim - 1];
    plane_work work = {&w, f, out->context->level};
    do tg__split(out->context, rows, tg__grain_of(columns), rows_of_plane, &work);
    while (walk_next(&w, at));
}

static TG_NOINLINE void run_other(loop f, linear_map l, tg_tensor *out, int inputs,
                                  tg_tensor *const *in)
{
    if (out->numel <= CHUNK && run_few(f, out, inputs, in)) return;
    if (!run_contiguous(f, l, out, inputs, in)) run_walk(f, l, out, inputs, in);
}

void tg__elementwise(loop f, tg_tensor *out, int inputs, tg_tensor *const *in)
{
    TG_CHECK(f.unary != NULL);
    if (out->numel == 0 || run_same_shape(f, out, inputs, in)) return;
    run_other(f, (linear_map){0}, out, inputs, in);
}

void tg__elementwise_linear(linear_map l, binary_kernel *kernel, tg_tensor *out,
                            tg_tensor *const *in)
{
    const loop f = {.binary = kernel};
    if (out->numel == 0 || run_same_shape(f, out, 2, in)) return;
    run_other(f, l, out, 2, in);
}

static void copy_rows_of_plane(void *work, int64_t from, int64_t to)
{
    const plane_work *p = work;
    const walk *w = p->w;
    int r = w->ndim - 2, c = w->ndim - 1;
    pick(p->level, copy, type_of_size(w->size[0]))(
        to - from, w->n[c], address_of(w, 0, from, 0), w->stride[0][r], w->stride[0][c],
        address_of(w, 1, from, 0), w->stride[1][r], w->stride[1][c]);
}

typedef struct copy_work {
    char *to;
    const char *from;
} copy_work;

/* Work that is split: the bytes [from, to). */
static void copy_bytes(void *work, int64_t from, int64_t to)
{
    const copy_work *w = work;
    memmove(w->to + from, w->from + from, (size_t)(to - from));
}

void tg__copy(tg_tensor *out, const tg_tensor *a)
{
    int64_t size = (int64_t)tg__dtype_size(out->dtype);
    if (out->numel == 0) return;
    if (out->numel == a->numel && tg_is_contiguous(out) && tg_is_contiguous(a)) {
        copy_work bytes = {out->data, a->data};
        tg__split(out->context, out->numel * size, COPY_GRAIN, copy_bytes, &bytes);
        return;
    }
    const tg_tensor *t[] = {out, a};
    walk w;
    walk_begin(&w, 2, t);
    int64_t at[TG_MAX_DIMS] = {0}, rows = w.n[w.ndim - 2], columns = w.n[w.ndim - 1];
    plane_work work = {.w = &w, .level = out->context->level};
    do tg__split(out->context, rows, tg__grain_of(columns), copy_rows_of_plane, &work);
    while (walk_next(&w, at));
}

void tg__fill(tg_tensor *t, double value)
{
    stack_tensor one;
    if (value == 0 && !signbit(value) && t->contiguous && t->numel > 0)
        memset(t->data, 0, (size_t)t->numel * tg__dtype_size(t->dtype));
    else
        tg__copy(t, tg__scalar(&one, t, value));
}

tg_tensor *tg__scalar(stack_tensor *s, const tg_tensor *like, double value)
{
    tg_tensor *t = &s->tensor; /* shape and strides of a 0-d tensor have no members to set */
    t->context = like->context;
    t->grad = t;
    t->data = &s->value;
    t->dtype = like->dtype;
    t->ndim = 0;
    t->numel = 1;
    t->contiguous = true;
    tg__store(like->dtype, &s->value, 0, value);
    return t;
}

tg_tensor *tg__array(stack_tensor *s, const tg_tensor *like, void *data, int ndim,
                     const int64_t *shape, const int64_t *strides)
{
    tg_tensor *t = &s->tensor;
    t->context = like->context;
    t->grad = t;
    t->data = data;
    t->dtype = like->dtype;
    t->ndim = ndim;
    tg__lay_out(t, shape, strides);
    return t;
}

tg_tensor *tg__contiguous_copy(const tg_tensor *t)
{
    tg_tensor *copy = tg__new(t->context, t->dtype, t->ndim, t->shape);
    if (copy) tg__copy(copy, t);
    return copy;
}

void tg__elementwise_number(binary_kernel *f, tg_tensor *out, tg_tensor *a, double value)
{
    stack_tensor number;
    tg_tensor *in[] = {a, tg__scalar(&number, out, value)};
    if (out->numel > CHUNK || out->numel != a->numel || !out->contiguous || !a->contiguous) {
        tg__elementwise((loop){.binary = f}, out, 2, in);
        return;
    }
    chunk filled; /* a shorter way for a few elements */
    fill_chunk(&filled, tg__dtype_size(out->dtype), out->numel, in[1]->data);
    f(out->numel, out->data, a->data, &filled);
}
