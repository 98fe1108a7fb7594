/* Products: one operation over batches of matrices, under the names PyTorch gives its cases. */
#include "op.h"
#include "matmul.h"
#include "../kernels/product.h"

#include <string.h>

/* Inputs seen as batches of matrices: a 1-d left side is a row, a 1-d right side a column. */
typedef struct product {
    int64_t m, n, k;
    int batch_dims; /* of the result */
    int64_t batch[TG_MAX_DIMS];
    int64_t a_batch[TG_MAX_DIMS], b_batch[TG_MAX_DIMS]; /* strides; 0 where broadcast */
    int64_t a0, a1, b0, b1;
} product;

static void batch_strides(const tg_tensor *t, const product *p, int64_t *strides)
{
    int own = t->ndim > 2 ? t->ndim - 2 : 0, extra = p->batch_dims - own;
    for (int d = 0; d < p->batch_dims; d++)
        strides[d] = d < extra || t->shape[d - extra] == 1 ? 0 : t->strides[d - extra];
}

static bool fit_product(const tg_tensor *a, const tg_tensor *b, product *p)
{
    int ra = a->ndim - 2, rb = b->ndim - 2;
    p->m = ra >= 0 ? a->shape[ra] : 1;
    p->k = a->shape[a->ndim - 1];
    p->n = rb >= 0 ? b->shape[rb + 1] : 1;
    p->a0 = ra >= 0 ? a->strides[ra] : 0;
    p->a1 = a->strides[a->ndim - 1];
    p->b0 = b->strides[rb >= 0 ? rb : 0];
    p->b1 = rb >= 0 ? b->strides[rb + 1] : 0;
    if (p->k != b->shape[rb >= 0 ? rb : 0] ||
        !tg__broadcast(ra > 0 ? ra : 0, a->shape, rb > 0 ? rb : 0, b->shape, &p->batch_dims,
                       p->batch))
        return false;
    batch_strides(a, p, p->a_batch);
    batch_strides(b, p, p->b_batch);
    return true;
}

static bool matmul_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0], *b = c->in[1];
    product p;
    if (a->dtype != b->dtype)
        return tg__fail(c->tg, TG_ERR_DTYPE, "matmul: %s %s @ %s %s: dtypes differ; use tg_cast",
                        tg_dtype_name(a->dtype), SHOW(a), tg_dtype_name(b->dtype), SHOW(b));
    if (!tg__check_dtype(c, a, tg__is_number(a->dtype))) return false;
    if (!fit_product(a, b, &p)) {
        int64_t inner = b->shape[b->ndim >= 2 ? b->ndim - 2 : 0];
        if (p.k != inner)
            return tg__fail(c->tg, TG_ERR_SHAPE,
                            "matmul: %s @ %s: inner sizes differ (%lld and %lld)", SHOW(a), SHOW(b),
                            (long long)p.k, (long long)inner);
        return tg__fail(c->tg, TG_ERR_SHAPE, "matmul: %s @ %s: batches do not broadcast", SHOW(a),
                        SHOW(b));
    }
    s->dtype = a->dtype;
    s->ndim = p.batch_dims;
    memcpy(s->shape, p.batch, sizeof s->shape);
    if (a->ndim > 1) s->shape[s->ndim++] = p.m;
    if (b->ndim > 1) s->shape[s->ndim++] = p.n;
    return tg__check_shape(c->tg, "matmul", (tg_shape){s->ndim, s->shape});
}

/* Multiplications and additions that are worth a thread. */
enum { LARGE_PRODUCT = 1 << 19 };

/* A product, or a batch of products, as work that is split in parts of `grain` units. */
typedef struct product_work {
    matmul_kernel *kernel;
    int64_t m, n, k, size;
    char *c;
    matrix a, b;
    const product *batch;
    int64_t grain;
    size_t scratch_of_part;
    char *scratch;
} product_work;

static void product_of(const product_work *w, char *scratch, int64_t m, int64_t n, char *c,
                       const void *a, const void *b)
{
    w->kernel(m, n, w->k, c, w->n, a, w->a.s0, w->a.s1, b, w->b.s0, w->b.s1, scratch);
}

static char *scratch_from(const product_work *w, int64_t first_unit)
{
    return w->scratch + (size_t)(first_unit / w->grain) * w->scratch_of_part;
}

/* The bytes of scratch memory that the kernel of any SIMD level needs: for a packed block of b or a
 * block of c, and for the sums of long products. */
size_t tg__product_scratch(tg_dtype dtype, int64_t m, int64_t n, int64_t k, int64_t b1)
{
    if (!tg__is_float(dtype) || tg__matmul_is_dots(m, n, k)) return 0;
    const size_t size = tg__dtype_size(dtype);
    const bool column = n == 1; /* the kernel computes it as a row */
    const int64_t width = column ? m : n, most = MATMUL_PANEL / (int64_t)size;
    const int64_t packed = (k < MATMUL_BLOCK ? k : MATMUL_BLOCK) * (width < most ? width : most);
    const int64_t all = tg__times(m, n), together = all < MATMUL_SUMS ? all : MATMUL_SUMS;
    int64_t elements = 0;
    if (column || !tg__matmul_in_place(size, MATMUL_FEWEST_ROWS, m, n, k, b1)) elements = packed;
    if (k > MATMUL_WHOLE && (column || tg__matmul_in_place(size, MATMUL_MOST_ROWS, m, n, k, b1)))
        elements = elements > together ? elements : together;
    if (k > MATMUL_SUMMED) elements += together;
    return tg__round_up((size_t)elements * size);
}

/* Scratch memory for a kernel: the array at_hand of the caller if that is large enough, else a
 * block of the context, which give_scratch frees; NULL if there is no memory. */
enum { AT_HAND = 8192 };

static char *take_scratch(tg_context *tg, size_t bytes, void *at_hand)
{
    return bytes <= AT_HAND ? at_hand : tg__alloc(tg, bytes);
}

static void give_scratch(tg_context *tg, size_t bytes, char *scratch)
{
    if (bytes > AT_HAND) tg__block_free(tg, tg__block_of(scratch));
}

/* Splits w among threads, with scratch memory for each part; false if there is no memory. */
static bool split_product(tg_context *tg, product_work *w, int64_t units, int64_t grain,
                          portion *run)
{
    const int64_t parts = tg->team && units >= 2 * grain ? (units + grain - 1) / grain : 1;
    const size_t bytes = (size_t)parts * w->scratch_of_part;
    double at_hand[AT_HAND / sizeof(double)];
    w->grain = grain;
    w->scratch = take_scratch(tg, bytes, at_hand);
    if (!w->scratch) return false;
    tg__split(tg, units, grain, run, w);
    give_scratch(tg, bytes, w->scratch);
    return true;
}

/* Rows or columns come in units, of which the last takes what is left as well. */
enum { UNIT = 16 };

static int64_t unit_end(int64_t to, int64_t all)
{
    return to == all / UNIT ? all : to * UNIT;
}

static void some_rows(void *work, int64_t from, int64_t to)
{
    const product_work *w = work;
    const int64_t first = from * UNIT, rows = unit_end(to, w->m) - first;
    product_of(w, scratch_from(w, from), rows, w->n, w->c + first * w->n * w->size,
               (const char *)w->a.data + first * w->a.s0 * w->size, w->b.data);
}

static void some_columns(void *work, int64_t from, int64_t to)
{
    const product_work *w = work;
    const int64_t first = from * UNIT, columns = unit_end(to, w->n) - first;
    product_of(w, scratch_from(w, from), w->m, columns, w->c + first * w->size, w->a.data,
               (const char *)w->b.data + first * w->b.s1 * w->size);
}

/* Columns where there are many, since each block of b is packed once then; else rows. Every output
 * has an order of its own, which no cut changes as long as no part is a single row or column. */
static TG_NOINLINE bool share_product(tg_context *tg, product_work *w, tg_dtype dtype)
{
    const int64_t threads = tg->team->threads;
    const bool wide = w->n >= 96 * threads || w->n > w->m;
    const int64_t units = (wide ? w->n : w->m) / UNIT;
    const int64_t parts = units >= 24 * threads ? 2 * threads : threads;
    const int64_t grain = units > parts ? units / parts : 1, most = (grain + 1) * UNIT;
    w->scratch_of_part = tg__product_scratch(dtype, wide || w->m < most ? w->m : most,
                                             wide && w->n > most ? most : w->n, w->k, w->b.s1);
    return split_product(tg, w, units, grain, wide ? some_columns : some_rows);
}

bool tg__product(tg_context *tg, tg_dtype dtype, int64_t m, int64_t n, int64_t k, void *c, matrix a,
                 matrix b)
{
    const int64_t size = (int64_t)tg__dtype_size(dtype);
    product_work w = {pick(tg->level, matmul, dtype), m, n, k, size, c, a, b, NULL, 1, 0, NULL};
    if (tg->team && (double)m * (double)n * (double)k >= LARGE_PRODUCT &&
        (m >= 2 * UNIT || n >= 2 * UNIT))
        return share_product(tg, &w, dtype);
    const size_t bytes = tg__product_scratch(dtype, m, n, k, b.s1);
    double at_hand[AT_HAND / sizeof(double)];
    char *scratch = take_scratch(tg, bytes, at_hand);
    if (!scratch) return false;
    product_of(&w, scratch, m, n, c, a.data, b.data);
    give_scratch(tg, bytes, scratch);
    return true;
}

static void some_of_batch(void *work, int64_t from, int64_t to)
{
    const product_work *w = work;
    const product *p = w->batch;
    for (int64_t i = from; i < to; i++) {
        int64_t at = i, a = 0, b = 0;
        for (int d = p->batch_dims - 1; d >= 0; d--) {
            a += at % p->batch[d] * p->a_batch[d];
            b += at % p->batch[d] * p->b_batch[d];
            at /= p->batch[d];
        }
        product_of(w, scratch_from(w, from), w->m, w->n, w->c + i * w->m * w->n * w->size,
                   (const char *)w->a.data + a * w->size, (const char *)w->b.data + b * w->size);
    }
}

static bool matmul_forward(const call *c)
{
    const tg_tensor *a = c->in[0], *b = c->in[1];
    product p;
    fit_product(a, b, &p);
    matrix left = {a->data, p.a0, p.a1}, right = {b->data, p.b0, p.b1};
    if (c->out->numel == 0) return true;
    if (p.k == 0) { /* sums of nothing, and no memory behind the inputs */
        tg__fill(c->out, 0);
        return true;
    }
    if (p.batch_dims == 0)
        return tg__product(c->tg, a->dtype, p.m, p.n, p.k, c->out->data, left, right);
    product_work w = {pick(c->tg->level, matmul, a->dtype),
                      p.m,
                      p.n,
                      p.k,
                      (int64_t)tg__dtype_size(a->dtype),
                      c->out->data,
                      left,
                      right,
                      &p,
                      .scratch_of_part = tg__product_scratch(a->dtype, p.m, p.n, p.k, p.b1)};
    const double each = (double)p.m * (double)p.n * (double)p.k;
    const int64_t batch = tg__numel(p.batch_dims, p.batch);
    int64_t grain = each < LARGE_PRODUCT ? (int64_t)(LARGE_PRODUCT / each) : 1;
    if (c->tg->team && w.scratch_of_part > 0) { /* about four parts a thread limit the memory */
        const int64_t least = batch / (4 * c->tg->team->threads);
        grain = grain < least ? least : grain;
    }
    return split_product(c->tg, &w, batch, grain, some_of_batch);
}

/* For C = A B: dA = dC B^T, dB = A^T dC, with 1-d sides seen as the row or column they stand for.
 */
static tg_tensor *matmul_grad(const record *r, int i, tg_tensor *g)
{
    tg_tensor *a = r->in[0].t, *b = r->in[1].t;
    if (a->ndim == 1 && b->ndim == 1) return tg_mul(g, i == 0 ? b : a);
    if (b->ndim == 1) {
        if (i == 0) return tg_matmul(tg_unsqueeze(g, -1), tg_unsqueeze(b, 0));
        return a->ndim == 2
                   ? tg_matmul(tg__matrix_transpose(a), g)
                   : tg_squeeze_dim(tg_matmul(tg__matrix_transpose(a), tg_unsqueeze(g, -1)), -1);
    }
    if (a->ndim == 1) {
        if (i == 1) return tg_matmul(tg_unsqueeze(a, -1), tg_unsqueeze(g, -2));
        return b->ndim == 2
                   ? tg_matmul(b, g)
                   : tg_squeeze_dim(tg_matmul(tg_unsqueeze(g, -2), tg__matrix_transpose(b)), -2);
    }
    return i == 0 ? tg_matmul(g, tg__matrix_transpose(b)) : tg_matmul(tg__matrix_transpose(a), g);
}

/* A vector or a matrix times either, and products of batches. */
static const op_row dot_op = {
    .name = "matmul",
    .grad_name = "DotBackward0",
    .shape = matmul_shape,
    .forward = matmul_forward,
    .grad = matmul_grad,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};
static const op_row vm_op = {
    .name = "matmul",
    .grad_name = "SqueezeBackward3",
    .shape = matmul_shape,
    .forward = matmul_forward,
    .grad = matmul_grad,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};
static const op_row mv_op = {
    .name = "matmul",
    .grad_name = "MvBackward0",
    .shape = matmul_shape,
    .forward = matmul_forward,
    .grad = matmul_grad,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};
static const op_row mm_op = {
    .name = "matmul",
    .grad_name = "MmBackward0",
    .shape = matmul_shape,
    .forward = matmul_forward,
    .grad = matmul_grad,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};
static const op_row bmm_op = {
    .name = "matmul",
    .grad_name = "BmmBackward0",
    .shape = matmul_shape,
    .forward = matmul_forward,
    .grad = matmul_grad,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};

/* A batch of matrices times one matrix or vector, as one product: the gradient of b is then one
 * product, too. */
static tg_tensor *flat_product(tg_tensor *a, tg_tensor *b)
{
    frame f;
    int64_t shape[TG_MAX_DIMS];
    tg__enter(&f, "matmul", a);
    memcpy(shape, a->shape, sizeof shape);
    if (b->ndim == 2) shape[a->ndim - 1] = b->shape[1];
    tg_tensor *c = tg_matmul(tg_flatten(a, 0, -2), b);
    return tg__leave(&f, tg_reshape(c, (tg_shape){a->ndim + b->ndim - 2, shape}));
}

tg_tensor *tg_matmul(tg_tensor *a, tg_tensor *b)
{
    tg_tensor *in[] = {a, b};
    if (!tg__check_inputs("matmul", 2, in)) return NULL;
    if (a->ndim == 0 || b->ndim == 0)
        return tg__fail(a->context, TG_ERR_SHAPE, "matmul: %s @ %s: both sides need a dimension",
                        SHOW(a), SHOW(b));
    bool fits =
        a->dtype == b->dtype && a->shape[a->ndim - 1] == b->shape[b->ndim >= 2 ? b->ndim - 2 : 0];
    if (fits && a->ndim > 2 && b->ndim <= 2 && a->numel > 0) return flat_product(a, b);
    bool batched = a->ndim > 2 || b->ndim > 2;
    const op_row *rows[] = {&dot_op, &vm_op, &mv_op, &mm_op};
    const op_row *o = batched ? &bmm_op : rows[(a->ndim > 1) * 2 + (b->ndim > 1)];
    return tg__apply(o, 2, in, NULL);
}

static bool check_vectors(const char *name, tg_tensor *a, tg_tensor *b)
{
    return tg__check_inputs(name, 2, (tg_tensor *[]){a, b}) &&
           ((a->ndim == 1 && b->ndim == 1) ||
            tg__fail(a->context, TG_ERR_SHAPE, "%s: %s and %s are not both 1-d", name, SHOW(a),
                     SHOW(b)));
}

tg_tensor *tg_dot(tg_tensor *a, tg_tensor *b)
{
    frame f;
    if (!check_vectors("dot", a, b)) return NULL;
    tg__enter(&f, "dot", a);
    return tg__leave(&f, tg_matmul(a, b));
}

tg_tensor *tg_outer(tg_tensor *a, tg_tensor *b)
{
    frame f;
    if (!check_vectors("outer", a, b)) return NULL;
    tg__enter(&f, "outer", a);
    return tg__leave(&f, tg_mul(tg_unsqueeze(a, 1), b));
}

/* a and b with that many dimensions, one dtype and fitting batches. */
static tg_tensor *strict_product(const char *name, tg_tensor *a, int na, tg_tensor *b, int nb)
{
    if (!tg__check_inputs(name, 2, (tg_tensor *[]){a, b})) return NULL;
    if (a->ndim != na || b->ndim != nb || (na == 3 && a->shape[0] != b->shape[0]))
        return tg__fail(a->context, TG_ERR_SHAPE,
                        "%s: %s and %s are not %d-d and %d-d%s; use tg_matmul", name, SHOW(a),
                        SHOW(b), na, nb, na == 3 ? ", of one batch size" : "");
    frame f;
    tg__enter(&f, name, a);
    return tg__leave(&f, tg_matmul(a, b));
}

tg_tensor *tg_mm(tg_tensor *a, tg_tensor *b)
{
    return strict_product("mm", a, 2, b, 2);
}

tg_tensor *tg_bmm(tg_tensor *a, tg_tensor *b)
{
    return strict_product("bmm", a, 3, b, 3);
}

tg_tensor *tg_mv(tg_tensor *a, tg_tensor *b)
{
    return strict_product("mv", a, 2, b, 1);
}

tg_tensor *tg_addmm(tg_tensor *input, tg_tensor *a, tg_tensor *b, double beta, double alpha)
{
    frame f;
    if (!tg__check_inputs("addmm", 3, (tg_tensor *[]){input, a, b})) return NULL;
    if (input->dtype != a->dtype) /* an error even if beta is 0 */
        return tg__fail(a->context, TG_ERR_DTYPE,
                        "addmm: %s %s and %s %s: dtypes differ; use tg_cast",
                        tg_dtype_name(input->dtype), SHOW(input), tg_dtype_name(a->dtype), SHOW(a));
    tg__enter(&f, "addmm", input);
    tg_tensor *ab = strict_product("addmm", a, 2, b, 2);
    tg_tensor *added = ab ? tg_expand(input, (tg_shape){2, ab->shape}) : NULL;
    if (alpha != 1) ab = tg_mul_scalar(ab, alpha);
    if (beta != 0) ab = tg_add(beta == 1 ? added : tg_mul_scalar(added, beta), ab);
    return tg__leave(&f, added ? ab : NULL);
}
