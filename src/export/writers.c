/* The writers of operations that are not elementwise. Each follows the order of additions of the
 * operation. */
#include "program.h"
#include "../kernels/product.h"
#include "../ops/conv.h"
#include "../ops/pool.h"
#include "../ops/reduce.h"

#include <string.h>

/* ---- Products. */

/* The product c = a b of batches of matrices, a of (m, k) and b of (k, n), with strides in the
 * places of a and b. */
typedef struct c_product {
    const location *a, *b;
    int batch_dims;
    int64_t batch[TG_MAX_DIMS], a_batch[TG_MAX_DIMS], b_batch[TG_MAX_DIMS];
    int64_t m, n, k, a0, a1, b0, b1;
} c_product;

/* The transpose, b^T a^T. */
static c_product transposed(const c_product *p)
{
    c_product t = *p;
    t.a = p->b, t.b = p->a;
    memcpy(t.a_batch, p->b_batch, sizeof t.a_batch);
    memcpy(t.b_batch, p->a_batch, sizeof t.b_batch);
    t.m = p->n, t.n = p->m;
    t.a0 = p->b1, t.a1 = p->b0;
    t.b0 = p->a1, t.b1 = p->a0;
    return t;
}

/* Makes list the dimensions of the batch and two more. */
static void extend(int64_t *list, int dims, const int64_t *batch, int64_t first, int64_t second)
{
    memcpy(list, batch, (size_t)dims * sizeof *list);
    list[dims] = first;
    list[dims + 1] = second;
}

/* Whether src/kernels/matmul.inc adds up each element over 16 lanes; else one term after the other.
 */
static bool is_in_lanes(const c_product *p)
{
    enum { LONG = 16 };
    return p->m == 1 &&
           (tg__matmul_is_dots(p->m, p->n, p->k) || (p->k >= LONG && p->a1 == 1 && p->b0 == 1));
}

static const char *sums_name(int64_t k)
{
    return k > MATMUL_WHOLE ? "NAME_long_sums" : "NAME_sums";
}

static void write_product(program *g, node *n, c_product p)
{
    int64_t shape[TG_MAX_DIMS + 1], strides[TG_MAX_DIMS + 1];
    const int dims = p.batch_dims;
    if (p.n == 1 && p.m > 1) p = transposed(&p); /* as the kernel does; it has a single row */
    const bool lanes = is_in_lanes(&p);
    extend(shape, dims, p.batch, p.m, p.k);
    extend(strides, dims, p.a_batch, p.a0, p.a1);
    const ref x = tg__arranged(g, p.a, dims + 2, shape, strides, false);
    extend(shape, dims, p.batch, lanes ? p.n : p.k, lanes ? p.k : p.n);
    extend(strides, dims, p.b_batch, lanes ? p.b1 : p.b0, lanes ? p.b0 : p.b1);
    ref w = tg__arranged(g, p.b, dims + 2, shape, strides, false);
    const int64_t w0 = w.strides[dims];
    ref y = tg__result(g, n);
    extend(shape, dims, p.batch, p.m, p.n);
    tg__strides(dims + 2, shape, y.strides);
    w.strides[dims] = 0; /* all rows of a see all of b */
    loops l = tg__loops(dims + 1, shape);
    tg__take_strides(&l, x.strides);
    tg__take_strides(&l, w.strides);
    tg__take_strides(&l, y.strides);
    tg__open_loops(g, &l, false);
    const text to = tg__pointer(&l, &y, y.strides), a = tg__pointer(&l, &x, x.strides),
               b = tg__pointer(&l, &w, w.strides);
    tg__emit(g, "\t%s(%d, %d, %s, 1, %s, ", lanes ? "NAME_dots" : sums_name(p.k), (int)p.n,
             (int)p.k, to.s, a.s);
    if (!lanes) tg__emit(g, "%d, ", (int)x.strides[dims + 1]);
    tg__emit(g, "%s, %d);\n", b.s, (int)w0);
    tg__close_loops(g, &l, false);
}

void tg__write_linear(program *g, node *n)
{
    const location *x = &n->in[0], *w = &n->in[1];
    const int last = x->ndim - 1;
    write_product(g, n,
                  (c_product){.a = x,
                              .b = w,
                              .m = last ? x->shape[0] : 1,
                              .n = w->shape[0],
                              .k = w->shape[1],
                              .a0 = last ? x->strides[0] : 0,
                              .a1 = x->strides[last],
                              .b0 = w->strides[1],
                              .b1 = w->strides[0]});
}

static void find_batch_strides(const location *p, const c_product *c, int64_t *strides)
{
    const int own = p->ndim > 2 ? p->ndim - 2 : 0, extra = c->batch_dims - own;
    for (int d = 0; d < c->batch_dims; d++)
        strides[d] = d < extra || p->shape[d - extra] == 1 ? 0 : p->strides[d - extra];
}

/* A 1-d left operand counts as a row, and a 1-d right one as a column. */
void tg__write_matmul(program *g, node *n)
{
    const location *a = &n->in[0], *b = &n->in[1];
    const int row = a->ndim - 2, b_row = b->ndim - 2;
    c_product p = {.a = a,
                   .b = b,
                   .m = row >= 0 ? a->shape[row] : 1,
                   .n = b_row >= 0 ? b->shape[b_row + 1] : 1,
                   .k = a->shape[row + 1],
                   .a0 = row >= 0 ? a->strides[row] : 0,
                   .a1 = a->strides[row + 1],
                   .b0 = b->strides[b_row >= 0 ? b_row : 0],
                   .b1 = b_row >= 0 ? b->strides[b_row + 1] : 0};
    p.batch_dims = n->ndim - (row >= 0) - (b_row >= 0);
    memcpy(p.batch, n->shape, (size_t)p.batch_dims * sizeof *p.batch);
    find_batch_strides(a, &p, p.a_batch);
    find_batch_strides(b, &p, p.b_batch);
    write_product(g, n, p);
}

/* ---- Convolution: a product of the weight and the patches of the image, of which the program
 * copies one at a time. */

/* Writes loops for the rows [first, end) of the result. */
static void write_conv_rows(program *g, const node *n, const ref *x, const ref *y, bool lanes,
                            int64_t first, int64_t end)
{
    const attr *a = n->a;
    const location *image = &n->in[0], *w = &n->in[1];
    const int64_t groups = a[CONV_GROUPS].i, channels = w->shape[1], outputs = w->shape[0] / groups;
    const int64_t area = w->shape[2] * w->shape[3], k = channels * area;
    const int64_t plane = n->shape[2] * n->shape[3], size = image->shape[2] * image->shape[3];
    const int64_t c = w->strides[0], s1 = w->strides[1], s2 = w->strides[2], s3 = w->strides[3];
    /* By lanes: each row of the weight. Else: for each term, the weights of all outputs. */
    const int64_t by_row[] = {groups, outputs, channels, w->shape[2], w->shape[3]};
    const int64_t by_term[] = {groups, channels, w->shape[2], w->shape[3], outputs};
    const int64_t row_strides[] = {outputs * c, c, s1, s2, s3};
    const int64_t term_strides[] = {outputs * c, s1, s2, s3, c};
    const ref weight =
        tg__arranged(g, w, 5, lanes ? by_row : by_term, lanes ? row_strides : term_strides, true);
    const ref patch = tg__room(g, k);
    loops l = tg__loops(4, (int64_t[]){n->shape[0], groups, end - first, n->shape[3]});
    for (int d = 0; d < 4; d++) l.apart[d] = true;
    ref to = *y;
    to.offset += first * n->shape[3];
    const text in =
        tg__pointer(&l, x, (int64_t[]){groups * channels * size, channels * size, 0, 0});
    const text out = tg__pointer(
        &l, &to, (int64_t[]){groups * outputs * plane, outputs * plane, n->shape[3], 1});
    const text weights = tg__pointer(&l, &weight, (int64_t[]){0, outputs * k, 0, 0});
    const text room = tg__pointer(&l, &patch, (int64_t[]){0, 0, 0, 0});
    tg__open_loops(g, &l, true);
    tg__emit(g, "\tNAME_patch(%s, %s, %d, %d, %d, %d, %d, %d, %d, ", room.s, in.s, (int)channels,
             (int)image->shape[2], (int)image->shape[3], (int)w->shape[2], (int)w->shape[3],
             (int)a[CONV_DILATION].i, (int)a[CONV_DILATION + 1].i);
    tg__emit(g, "%s * %d - %d, %s * %d - %d);\n", tg__variable(&l, 2).s, (int)a[CONV_STRIDE].i,
             (int)(a[CONV_PADDING].i - first * a[CONV_STRIDE].i), tg__variable(&l, 3).s,
             (int)a[CONV_STRIDE + 1].i, (int)a[CONV_PADDING + 1].i);
    if (lanes)
        tg__emit(g, "\tNAME_dots(%d, %d, %s, %d, %s, %s, %d);\n", (int)outputs, (int)k, out.s,
                 (int)plane, room.s, weights.s, (int)k);
    else
        tg__emit(g, "\t%s(%d, %d, %s, %d, %s, 1, %s, %d);\n", sums_name(k), (int)outputs, (int)k,
                 out.s, (int)plane, room.s, weights.s, (int)outputs);
    tg__close_loops(g, &l, true);
}

/* Whether the product for so many rows of the result is computed in lanes. */
static bool conv_is_in_lanes(const node *n, int64_t k, int64_t rows)
{
    enum { FEW = 8, LONG = 16 };
    const int64_t columns = rows * n->shape[3], outputs = n->shape[1] / n->a[CONV_GROUPS].i;
    return k >= LONG && (columns == 1 || (outputs == 1 && columns <= FEW));
}

void tg__write_conv(program *g, node *n)
{
    const location *w = &n->in[1];
    const int64_t k = w->shape[1] * w->shape[2] * w->shape[3], all = n->shape[2];
    const int64_t rows = tg__conv_rows(k, all, n->shape[3]), whole = all / rows * rows;
    const bool lanes = conv_is_in_lanes(n, k, rows), then = conv_is_in_lanes(n, k, all - whole);
    const ref x = tg__contiguous_ref(g, &n->in[0]), y = tg__result(g, n);
    const bool differs = whole < all && then != lanes;
    write_conv_rows(g, n, &x, &y, lanes, 0, differs ? whole : all);
    if (differs) write_conv_rows(g, n, &x, &y, then, whole, all);
}

/* ---- Pooling. */

/* Writes the loops over the planes, rows and columns of the result, and in them a call of `helper`
 * for a window of the image; `more` are its arguments after the sizes of image and window. */
static void write_pool(program *g, node *n, const char *helper, const char *more)
{
    const attr *a = n->a;
    const location *p = &n->in[0];
    const int64_t oh = n->shape[n->ndim - 2], ow = n->shape[n->ndim - 1];
    const int64_t h = p->shape[p->ndim - 2], w = p->shape[p->ndim - 1];
    const ref x = tg__contiguous_ref(g, p), y = tg__result(g, n);
    loops l = tg__loops(3, (int64_t[]){n->numel / (oh * ow), oh, ow});
    l.apart[0] = l.apart[1] = true;
    const text to = tg__element(&l, &y, (int64_t[]){oh * ow, ow, 1});
    const text from = tg__pointer(&l, &x, (int64_t[]){h * w, 0, 0});
    tg__open_loops(g, &l, false);
    tg__emit(g, "\t%s = %s(%s, %d, %d, %d, %d, %s, ", to.s, helper, from.s, (int)h, (int)w,
             (int)a[POOL_KERNEL].i, (int)a[POOL_KERNEL + 1].i, more);
    tg__emit(g, "%s * %d - %d, %s * %d - %d);\n", tg__variable(&l, 1).s, (int)a[POOL_STRIDE].i,
             (int)a[POOL_PADDING].i, tg__variable(&l, 2).s, (int)a[POOL_STRIDE + 1].i,
             (int)a[POOL_PADDING + 1].i);
    tg__close_loops(g, &l, false);
}

void tg__write_max_pool(program *g, node *n)
{
    text dilation;
    snprintf(dilation.s, sizeof dilation.s, "%d, %d", (int)n->a[POOL_DILATION].i,
             (int)n->a[POOL_DILATION + 1].i);
    write_pool(g, n, "NAME_greatest", dilation.s);
}

void tg__write_avg_pool(program *g, node *n)
{
    text divisor;
    const bool counts = n->a[POOL_COUNT_PAD].i != 0; /* the padding counts as elements */
    snprintf(divisor.s, sizeof divisor.s, "%d, %d, %d", counts ? (int)n->a[POOL_PADDING].i : 0,
             counts ? (int)n->a[POOL_PADDING + 1].i : 0, (int)n->a[POOL_DIVISOR].i);
    write_pool(g, n, "NAME_average", divisor.s);
}

/* ---- Rows. */

static void write_rows(program *g, node *n, const char *helper, int64_t terms, const char *more)
{
    const location *p = &n->in[0];
    const ref x = tg__contiguous_ref(g, p), y = tg__result(g, n);
    const loops l = {.ndim = 0};
    tg__emit(g, "\t%s(%d, %d, %s, %s%s);\n", helper, (int)(tg__numel(p->ndim, p->shape) / terms),
             (int)terms, tg__pointer(&l, &y, NULL).s, tg__pointer(&l, &x, NULL).s, more);
}

void tg__write_softmax(program *g, node *n)
{
    const int64_t terms = n->ndim ? n->shape[n->ndim - 1] : 1;
    write_rows(g, n, strcmp(n->op, "softmax") ? "NAME_log_softmax" : "NAME_softmax", terms, "");
}

/* Whether no dimension that stays comes behind one that is reduced, dimensions of size 1 aside. */
static bool reduces_last_dims(const attr *a, int ndim, const int64_t *shape)
{
    bool seen = false;
    for (int d = 0; d < ndim; d++) {
        if (shape[d] == 1) continue;
        if (seen && !tg__is_reduced(a, d)) return false;
        seen |= tg__is_reduced(a, d);
    }
    return true;
}

const char *tg__refuse_center(const call *c)
{
    const tg_tensor *x = c->in[0];
    return c->n == 1 && reduces_last_dims(c->a, x->ndim, x->shape)
               ? NULL
               : "normalizes over the batch, as BatchNorm without running statistics does; that "
                 "has no "
                 "form in C";
}

/* eps as the last argument of a call. */
static text eps_argument(const node *n)
{
    text t = {", "};
    snprintf(t.s + 2, sizeof t.s - 2, "%.17g", n->a[REDUCE_OWN].f);
    tg__use_point(t.s + 2);
    return t;
}

static int64_t count_terms(const node *n)
{
    const location *p = &n->in[0];
    int64_t terms = 1;
    for (int d = 0; d < p->ndim; d++)
        if (tg__is_reduced(n->a, d)) terms *= p->shape[d];
    return terms;
}

void tg__write_center(program *g, node *n)
{
    if (strcmp(n->op, "center"))
        write_rows(g, n, "NAME_inverse_deviation", count_terms(n), eps_argument(n).s);
    else
        write_rows(g, n, "NAME_center", count_terms(n), "");
}

void tg__write_layer_norm(program *g, node *n)
{
    const ref weight = tg__contiguous_ref(g, &n->in[1]), bias = tg__contiguous_ref(g, &n->in[2]);
    const loops l = {.ndim = 0};
    char more[4 * sizeof(text)];
    sprintf(more, ", %s, %s%s", tg__pointer(&l, &weight, NULL).s, tg__pointer(&l, &bias, NULL).s,
            eps_argument(n).s);
    write_rows(g, n, "NAME_layer_norm", count_terms(n), more);
}

/* ---- Sums. The dimensions are sorted: the kept ones come first, and then those of the terms. */

typedef struct sorted_dims {
    int kept, ndim;
    int64_t shape[TG_MAX_DIMS], strides[TG_MAX_DIMS];
} sorted_dims;

static sorted_dims sort_dims(const attr *a, int ndim, const int64_t *shape, const int64_t *strides)
{
    sorted_dims s = {.ndim = 0};
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < ndim; d++) {
            if (tg__is_reduced(a, d) != (pass == 1)) continue;
            s.shape[s.ndim] = shape[d];
            s.strides[s.ndim++] = strides[d];
            s.kept += !pass;
        }
    return s;
}

/* Refuses sums of columns, whose terms lie at one stride which is not 1, and whose outputs lie side
 * by side: the kernel adds these in another order than rows (find_pieces in src/ops/reduce.c). */
const char *tg__refuse_sum(const call *c)
{
    const tg_tensor *x = c->in[0];
    const sorted_dims s = sort_dims(c->a, x->ndim, x->shape, x->strides);
    int64_t terms, outputs = 1;
    const bool is_column =
        tg__lie_at_one_stride(s.shape, s.strides, s.kept, s.ndim, &terms) && terms != 1;
    for (int d = s.kept - 1;
         d >= 0 && tg__lie_at_one_stride(s.shape, s.strides, d, s.kept, &outputs);)
        d--;
    return !is_column || outputs != 1
               ? NULL
               : "over elements that do not lie side by side has no form in C; sum over the last "
                 "dimensions, of a tg_contiguous tensor";
}

void tg__write_sum(program *g, node *n)
{
    const location *p = &n->in[0];
    const sorted_dims s = sort_dims(n->a, p->ndim, p->shape, p->strides);
    int64_t terms = 1, stride, strides[TG_MAX_DIMS];
    const bool in_place =
        tg__lie_at_one_stride(s.shape, s.strides, s.kept, s.ndim, &stride) && stride == 1;
    for (int d = s.kept; d < s.ndim; d++) terms *= s.shape[d];
    ref x = tg__ref(g, p);
    if (in_place)
        memcpy(x.strides, s.strides, sizeof x.strides);
    else
        x = tg__arranged(g, p, s.ndim, s.shape, s.strides, true);
    const ref y = tg__result(g, n);
    tg__strides(s.kept, s.shape, strides);
    loops l = tg__loops(s.kept, s.shape);
    tg__take_strides(&l, x.strides);
    tg__take_strides(&l, strides);
    tg__open_loops(g, &l, false);
    tg__emit(g, "\t%s = NAME_sum(%d, %s)", tg__element(&l, &y, strides).s, (int)terms,
             tg__pointer(&l, &x, x.strides).s);
    tg__emit(g, strcmp(n->op, "mean") ? ";\n" : " / %d;\n", (int)terms);
    tg__close_loops(g, &l, false);
}

/* ---- cat and stack. */

void tg__write_cat(program *g, node *n)
{
    const int dim = (int)n->a[0].i;
    const bool stacks = !strcmp(n->op, "stack");
    ref y = tg__result(g, n);
    for (int i = 0; i < n->n; i++) {
        const location *p = &n->in[i];
        int64_t strides[TG_MAX_DIMS];
        if (tg__numel(p->ndim, p->shape) == 0) continue;
        for (int d = 0; d < p->ndim; d++) strides[d] = y.strides[d + (stacks && d >= dim)];
        const ref x = tg__ref(g, p);
        tg__copy_elements(g, p->ndim, p->shape, &y, strides, &x, x.strides);
        y.offset += y.strides[dim] * (stacks ? 1 : p->shape[dim]);
    }
}
