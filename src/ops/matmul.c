/* matmul and the products that are cases of it: dot, mv, mm, bmm, outer and addmm. One forward
 * computes batches of matrix products. */
#include "op.h"
#include "matmul.h"
#include "reduce.h"
#include "../kernels/product.h"

#include <string.h>

/* The two inputs as batches of matrices, a of (m, k) and b of (k, n). A 1-d left input counts as a
 * row, a 1-d right input as a column. */
typedef struct product {
    int64_t m, n, k;
    int batch_dims; /* of the result */
    int64_t batch[TG_MAX_DIMS];
    int64_t a_batch[TG_MAX_DIMS], b_batch[TG_MAX_DIMS]; /* the strides; 0 where broadcast */
    int64_t a0, a1, b0, b1; /* the strides between rows and between columns */
} product;

static void batch_strides(const tg_tensor *t, const product *p, int64_t *strides)
{
    int own = t->ndim > 2 ? t->ndim - 2 : 0, extra = p->batch_dims - own;
    for (int d = 0; d < p->batch_dims; d++)
        strides[d] = d < extra || t->shape[d - extra] == 1 ? 0 : t->strides[d - extra];
}

/* Fills *p. False if the inner sizes differ or the batches do not broadcast. a_row and b_row are
 * the dimensions of the rows, negative for a 1-d input. */
static bool describe_product(const tg_tensor *a, const tg_tensor *b, product *p)
{
    int a_row = a->ndim - 2, b_row = b->ndim - 2;
    p->m = a_row >= 0 ? a->shape[a_row] : 1;
    p->k = a->shape[a->ndim - 1];
    p->n = b_row >= 0 ? b->shape[b_row + 1] : 1;
    p->a0 = a_row >= 0 ? a->strides[a_row] : 0;
    p->a1 = a->strides[a->ndim - 1];
    p->b0 = b->strides[b_row >= 0 ? b_row : 0];
    p->b1 = b_row >= 0 ? b->strides[b_row + 1] : 0;
    p->batch_dims = 0;
    if (p->k != b->shape[b_row >= 0 ? b_row : 0]) return false;
    if (a_row <= 0 && b_row <= 0) return true;
    if (!tg__broadcast(a_row > 0 ? a_row : 0, a->shape, b_row > 0 ? b_row : 0, b->shape,
                       &p->batch_dims, p->batch))
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
    if (!describe_product(a, b, &p)) {
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
    for (int d = 0; d < p.batch_dims; d++) s->shape[d] = p.batch[d];
    if (a->ndim > 1) s->shape[s->ndim++] = p.m;
    if (b->ndim > 1) s->shape[s->ndim++] = p.n;
    /* A product that is no larger than one of the matrices needs no check. */
    const bool small = p.batch_dims == 0 && (p.m <= p.k || p.n <= p.k);
    return small || tg__check_shape(c->tg, "matmul", (tg_shape){s->ndim, s->shape});
}

/* The multiplications that make it worth while to use a second thread. */
enum { LARGE_PRODUCT = 1 << 19 };

/* A product or a batch of products as work for threads. It consists of units (of rows, of columns,
 * or of products), and a part is `grain` of them. */
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

/* Multiplies a block of m rows of a and n columns of b. */
static void run_kernel(const product_work *w, char *scratch, int64_t m, int64_t n, char *c,
                       const void *a, const void *b)
{
    w->kernel(m, n, w->k, c, w->n, a, w->a.s0, w->a.s1, b, w->b.s0, w->b.s1, scratch);
}

/* The scratch memory of the part that begins with this unit. */
static char *scratch_at_unit(const product_work *w, int64_t first_unit)
{
    return w->scratch + (size_t)(first_unit / w->grain) * w->scratch_of_part;
}

/* The kernel needs memory for a packed block of b or for a block of c, and for the sums of long
 * products; product.h says when. Levels differ in the rows of their tiles, and
 * the answer covers all of them. */
size_t tg__product_scratch(tg_dtype dtype, int64_t m, int64_t n, int64_t k, int64_t b1)
{
    if (!tg__is_float(dtype) || tg__matmul_is_dots(m, n, k)) return 0;
    const size_t size = tg__dtype_size(dtype);
    const bool column = n == 1; /* the kernel computes a column as a row */
    const int64_t width = column ? m : n, most = MATMUL_ROW_BYTES / (int64_t)size;
    const int64_t packed = (k < MATMUL_ROWS ? k : MATMUL_ROWS) * (width < most ? width : most);
    const int64_t all = tg__times(m, n), together = all < MATMUL_SUMS ? all : MATMUL_SUMS;
    int64_t elements = 0;
    if (column || !tg__matmul_in_place(size, MATMUL_FEWEST_ROWS, m, n, k, b1)) elements = packed;
    if (k > MATMUL_WHOLE && (column || tg__matmul_in_place(size, MATMUL_MOST_ROWS, m, n, k, b1)))
        elements = elements > together ? elements : together;
    if (k > MATMUL_SUMMED) elements += together;
    return tg__round_up((size_t)elements * size);
}

/* Scratch memory for a kernel: an array on the stack of the caller if it is large enough, else a
 * block of the context, which free_scratch frees. NULL if there is no memory. */
enum { STACK_SCRATCH = 8192 };

static char *alloc_scratch(tg_context *tg, size_t bytes, void *on_stack)
{
    return bytes <= STACK_SCRATCH ? on_stack : tg__alloc(tg, bytes);
}

static void free_scratch(tg_context *tg, size_t bytes, char *scratch)
{
    if (bytes > STACK_SCRATCH) tg__block_free(tg, tg__block_of(scratch));
}

/* Splits the work among threads, with scratch memory for each part. False if there is no memory. */
static bool split_product(tg_context *tg, product_work *w, int64_t units, int64_t grain,
                          portion *run)
{
    const int64_t parts = tg->team && units >= 2 * grain ? (units + grain - 1) / grain : 1;
    const size_t bytes = (size_t)parts * w->scratch_of_part;
    double on_stack[STACK_SCRATCH / sizeof(double)];
    w->grain = grain;
    w->scratch = alloc_scratch(tg, bytes, on_stack);
    if (!w->scratch) return false;
    tg__split(tg, units, grain, run, w);
    free_scratch(tg, bytes, w->scratch);
    return true;
}

/* Rows or columns are handed out in units of UNIT; the last unit has those that remain, too. */
enum { UNIT = 16 };

/* Where the rows or columns of the units before unit `to` end. */
static int64_t end_of_unit(int64_t to, int64_t all)
{
    return to == all / UNIT ? all : to * UNIT;
}

/* The work is units of rows: computes the units [from, to). */
static void product_of_rows(void *work, int64_t from, int64_t to)
{
    const product_work *w = work;
    const int64_t first = from * UNIT, rows = end_of_unit(to, w->m) - first;
    run_kernel(w, scratch_at_unit(w, from), rows, w->n, w->c + first * w->n * w->size,
               (const char *)w->a.data + first * w->a.s0 * w->size, w->b.data);
}

/* The work is units of columns: computes the units [from, to). */
static void product_of_columns(void *work, int64_t from, int64_t to)
{
    const product_work *w = work;
    const int64_t first = from * UNIT, columns = end_of_unit(to, w->n) - first;
    run_kernel(w, scratch_at_unit(w, from), w->m, columns, w->c + first * w->size, w->a.data,
               (const char *)w->b.data + first * w->b.s1 * w->size);
}

/* Splits one large product among threads: by columns if there are many, because each block of b is
 * then packed by one thread only, else by rows. There are several parts for each thread, as one may
 * share its processor with another program; but a part is large enough to earn back the time of
 * packing the other matrix for it. The bits do not depend on the split. An element of
 * c is a sum in an order that does not depend on other elements, except that the kernel treats a
 * single row or column differently, and no part is one. */
static TG_NOINLINE bool split_large_product(tg_context *tg, product_work *w, tg_dtype dtype)
{
    enum { MOST_ROUNDS = 4 };
    const int64_t threads = tg->team->threads;
    const bool wide = w->n >= 96 * threads || w->n > w->m;
    const int64_t units = (wide ? w->n : w->m) / UNIT;
    const int64_t fewest = (!wide ? 128 : w->a.s1 == 1 ? 96 : 256) / UNIT;
    const int64_t rounds = units / (fewest * threads);
    const int64_t parts = threads * (rounds < 1 ? 1 : rounds < MOST_ROUNDS ? rounds : MOST_ROUNDS);
    const int64_t even = (units + parts - 1) / parts, half = units / 2; /* at least two parts */
    const int64_t grain = even < half ? even : half, most = (grain + 1) * UNIT;
    w->scratch_of_part = tg__product_scratch(dtype, wide || w->m < most ? w->m : most,
                                             wide && w->n > most ? most : w->n, w->k, w->b.s1);
    return split_product(tg, w, units, grain, wide ? product_of_columns : product_of_rows);
}

bool tg__product_of_any_size(tg_context *tg, tg_dtype dtype, int64_t m, int64_t n, int64_t k,
                             void *c, matrix a, matrix b)
{
    if (tg__shares_sum(tg, k) && m == 1 && n == 1 && a.s1 == 1 && b.s0 == 1 && tg__is_float(dtype))
        return tg__share_sum(tg, dtype, LANES_DOT, k, c, a.data, b.data);
    if (tg->team && (double)m * (double)n * (double)k >= LARGE_PRODUCT &&
        (m >= 2 * UNIT || n >= 2 * UNIT)) {
        const int64_t size = (int64_t)tg__dtype_size(dtype);
        product_work w = {pick(tg->level, matmul, dtype), m, n, k, size, c, a, b, NULL, 1, 0, NULL};
        return split_large_product(tg, &w, dtype);
    }
    double on_stack[STACK_SCRATCH / sizeof(double)];
    const size_t bytes = tg__product_scratch(dtype, m, n, k, b.s1);
    char *scratch = alloc_scratch(tg, bytes, on_stack);
    if (!scratch) return false;
    pick(tg->level, matmul, dtype)(m, n, k, c, n, a.data, a.s0, a.s1, b.data, b.s0, b.s1, scratch);
    free_scratch(tg, bytes, scratch);
    return true;
}

/* The work is a batch: computes the products [from, to). */
static void products_of_batch(void *work, int64_t from, int64_t to)
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
        run_kernel(w, scratch_at_unit(w, from), w->m, w->n, w->c + i * w->m * w->n * w->size,
                   (const char *)w->a.data + a * w->size, (const char *)w->b.data + b * w->size);
    }
}

static bool matmul_forward(const call *c)
{
    const tg_tensor *a = c->in[0], *b = c->in[1];
    product p;
    describe_product(a, b, &p);
    matrix left = {a->data, p.a0, p.a1}, right = {b->data, p.b0, p.b1};
    if (c->out->numel == 0) return true;
    if (p.k == 0) { /* all sums are empty, and the inputs have no memory to point to */
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
    if (c->tg->team && w.scratch_of_part > 0) {
        /* Each part has scratch memory; about four parts for each thread limit it. */
        const int64_t least = batch / (4 * c->tg->team->threads);
        grain = grain < least ? least : grain;
    }
    return split_product(c->tg, &w, batch, grain, products_of_batch);
}

/* C = A B has the gradients dC B^T for A and A^T dC for B. A 1-d input becomes the row or column
 * that it stands for, and its gradient 1-d again. */
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

/* The common case of two matrices. */
static bool mm_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0], *b = c->in[1];
    if (a->dtype != b->dtype || !tg__is_number(a->dtype) || a->shape[1] != b->shape[0] ||
        (a->shape[0] > a->shape[1] && b->shape[1] > b->shape[0]))
        return matmul_shape(c, s);
    s->dtype = a->dtype;
    s->ndim = 2;
    s->shape[0] = a->shape[0];
    s->shape[1] = b->shape[1];
    return true;
}

static bool mm_forward(const call *c)
{
    const tg_tensor *a = c->in[0];
    return tg__product_into(c->out, a->shape[1], tg__matrix(a), tg__matrix(c->in[1]));
}

static bool mm_grad_into(const record *r, int i, tg_tensor *g, tg_tensor *out)
{
    const tg_tensor *a = r->in[0].t, *b = r->in[1].t;
    const matrix left = i == 0 ? tg__matrix(g) : tg__transposed(a);
    const matrix right = i == 0 ? tg__transposed(b) : tg__matrix(g);
    return tg__product_into(out, i == 0 ? b->shape[1] : a->shape[0], left, right);
}

/* One row for each name that PyTorch gives the grad_fn of a product, by the dimensions of the
 * inputs: 1-d and 1-d, 1-d and 2-d, 2-d and 1-d, 2-d and 2-d, batches, which PyTorch reshapes. */
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
    .shape = mm_shape,
    .forward = mm_forward,
    .grad = matmul_grad,
    .grad_into = mm_grad_into,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};
static const op_row bmm_op = {
    .name = "matmul",
    .grad_name = "UnsafeViewBackward0",
    .shape = matmul_shape,
    .forward = matmul_forward,
    .grad = matmul_grad,
    .reads = {READS_1, READS_0},
    .flags = OP_BROADCAST,
};

/* A batch of matrices times one matrix or vector, computed as one product of all rows. The gradient
 * of b is then one product, too, instead of a sum over the batch. */
static tg_tensor *flat_product(tg_tensor *a, tg_tensor *b)
{
    frame f;
    int64_t shape[TG_MAX_DIMS];
    tg__enter(&f, "matmul", a);
    memcpy(shape, a->shape, sizeof shape);
    if (b->ndim == 2) shape[a->ndim - 1] = b->shape[1];
    tg_tensor *c = tg_matmul(tg_flatten(a, 0, -2), b);
    c = tg_reshape(c, (tg_shape){a->ndim + b->ndim - 2, shape});
    return tg__leave(&f, tg__name_grad_fn(c, bmm_op.grad_name));
}

tg_tensor *tg_matmul(tg_tensor *a, tg_tensor *b)
{
    tg_tensor *in[] = {a, b};
    if (a && b && a->ndim == 2 && b->ndim == 2) return tg__apply(&mm_op, 2, in, NULL);
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
    tg_tensor *c = tg__apply(o, 2, in, NULL);
    return batched && a->ndim == 2 ? tg__name_grad_fn(c, "CloneBackward0") : c;
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

/* matmul of an a and a b that must have na and nb dimensions and, for batches, one batch size.
 * PyTorch is as strict under these names. */
static tg_tensor *product_of_ndims(const char *name, tg_tensor *a, int na, tg_tensor *b, int nb)
{
    if (!tg__check_inputs(name, 2, (tg_tensor *[]){a, b})) return NULL;
    if (a->ndim != na || b->ndim != nb || (na == 3 && a->shape[0] != b->shape[0]))
        return tg__fail(a->context, TG_ERR_SHAPE,
                        "%s: %s and %s are not %d-d and %d-d%s; use tg_matmul", name, SHOW(a),
                        SHOW(b), na, nb, na == 3 ? ", of one batch size" : "");
    frame f;
    tg__enter(&f, name, a);
    tg_tensor *c = tg_matmul(a, b);
    return tg__leave(&f, na == 3 ? tg__name_grad_fn(c, "BmmBackward0") : c);
}

tg_tensor *tg_mm(tg_tensor *a, tg_tensor *b)
{
    return product_of_ndims("mm", a, 2, b, 2);
}

tg_tensor *tg_bmm(tg_tensor *a, tg_tensor *b)
{
    return product_of_ndims("bmm", a, 3, b, 3);
}

tg_tensor *tg_mv(tg_tensor *a, tg_tensor *b)
{
    return product_of_ndims("mv", a, 2, b, 1);
}

tg_tensor *tg_addmm(tg_tensor *input, tg_tensor *a, tg_tensor *b, double beta, double alpha)
{
    frame f;
    if (!tg__check_inputs("addmm", 3, (tg_tensor *[]){input, a, b})) return NULL;
    if (input->dtype != a->dtype) /* an error even if beta is 0 and input is not used */
        return tg__fail_dtypes("addmm", input, a);
    tg__enter(&f, "addmm", input);
    tg_tensor *ab = product_of_ndims("addmm", a, 2, b, 2);
    tg_tensor *added = ab ? tg_expand(input, (tg_shape){2, ab->shape}) : NULL;
    if (alpha != 1) ab = tg_mul_scalar(ab, alpha);
    if (beta != 0) ab = tg_add(beta == 1 ? added : tg_mul_scalar(added, beta), ab);
    return tg__leave(&f, added ? tg__name_grad_fn(ab, "AddmmBackward0") : NULL);
}
