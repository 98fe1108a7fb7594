/* Making tensors, the rules of shapes and strides, and the checks of what a caller gave. */
#include "lifetime.h"

#include <math.h>
#include <string.h>

#define ROW(dtype, name, type, is, to_double, from_double, least, most) {name, least, most},
const dtype_row tg__dtypes[TG_DTYPES] = {TG_EACH_DTYPE(ROW)};
#undef ROW

_Static_assert((int)TG_F32 == K_F32 && (int)TG_F64 == K_F64 && (int)TG_I64 == K_I64 &&
                   (int)TG_BOOL == K_BOOL && (int)TG_DTYPES == K_TYPES,
               "a dtype is an index of kernels");

const char *tg_dtype_name(tg_dtype dtype)
{
    return tg__is_dtype(dtype) ? tg__dtypes[dtype].name : "?";
}

size_t tg_dtype_size(tg_dtype dtype)
{
    return tg__is_dtype(dtype) ? tg__dtype_size(dtype) : 0;
}

/* Whether the dtype has the value, which floating dtypes may round. */
static bool dtype_holds(tg_dtype dtype, double value)
{
    switch (dtype) {
    case TG_F32:
    case TG_F64: return !isfinite(value) || fabs(value) <= tg__dtypes[dtype].most;
    case TG_I64:
        return value == trunc(value) && value >= (double)INT64_MIN && value < -(double)INT64_MIN;
    case TG_BOOL: return true;
    }
    return false;
}

void *tg__refuse_dtype(const char *op, const tg_tensor *t)
{
    return tg__fail(t->context, TG_ERR_DTYPE, "%s: not for %s; use tg_cast", op,
                    tg_dtype_name(t->dtype));
}

bool tg__check_value(tg_context *tg, const char *op, tg_dtype dtype, double value)
{
    return dtype_holds(dtype, value) || tg__fail(tg, TG_ERR_ARGUMENT, "%s: %g is not a value of %s",
                                                 op, value, tg_dtype_name(dtype));
}

bool tg__check_list(tg_context *tg, const char *op, const char *what, tg_shape list)
{
    return list.ndim == 0 || (list.ndim > 0 && list.dims) ||
           tg__fail(tg, TG_ERR_ARGUMENT, "%s: the list of %s is NULL", op, what);
}

bool tg__check_shape(tg_context *tg, const char *op, tg_shape shape)
{
    if (shape.ndim < 0 || shape.ndim > TG_MAX_DIMS)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: %d dimensions; 0 to %d are allowed", op, shape.ndim,
                        TG_MAX_DIMS);
    if (!tg__check_list(tg, op, "sizes", shape)) return false;
    for (int i = 0; i < shape.ndim; i++)
        if (shape.dims[i] < 0)
            return tg__fail(tg, TG_ERR_SHAPE, "%s: size %lld of dimension %d is negative", op,
                            (long long)shape.dims[i], i);
    return tg__sizes_fit(shape.ndim, shape.dims) ||
           tg__fail(tg, TG_ERR_SHAPE, "%s: %s has more elements than memory can hold", op,
                    tg__show_sizes(tg, shape.ndim, shape.dims));
}

bool tg__check_number(tg_context *tg, const char *op, const char *what, int64_t number,
                      int64_t least, int64_t most, const char *cure)
{
    if (number >= least && number <= most) return true;
    const bool low = number < least;
    return tg__fail(tg, TG_ERR_ARGUMENT, "%s: %s is %lld, but must be at %s %lld%s%s", op, what,
                    (long long)number, low ? "least" : "most", (long long)(low ? least : most),
                    cure && number == 0 ? "; " : "", cure && number == 0 ? cure : "");
}

bool tg__check_size(tg_context *tg, const char *op, const char *what, int64_t size)
{
    return size >= 1 || tg__fail(tg, TG_ERR_SHAPE, "%s: %s is %lld, but must be at least 1", op,
                                 what, (long long)size);
}

void tg__strides(int ndim, const int64_t *shape, int64_t *strides)
{
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        strides[i] = step;
        step *= shape[i] > 1 ? shape[i] : 1;
    }
}

bool tg_is_contiguous(const tg_tensor *t)
{
    return t && t->contiguous;
}

/* Makes p an intermediate of the open frame, unless that is of another scope. Returns p. */
TG_NOINLINE static tg_tensor *add_intermediate(tensor_priv *p)
{
    frame *f = p->pub.context->frame;
    if (f->depth != p->depth) return &p->pub;
    TG_CHECK(!p->is_intermediate);
    p->is_intermediate = true;
    p->next_in_list = f->intermediates;
    f->intermediates = p;
    return &p->pub;
}

/* Sets all members but data, shape, strides, numel, contiguous and storage. Setting them one by one
 * takes less time than clearing the whole struct. */
static inline void init_tensor(tensor_priv *p, tg_context *tg, int64_t depth, tg_dtype dtype,
                               int ndim)
{
    p->pub.context = tg;
    p->pub.grad = NULL;
    p->pub.dtype = dtype;
    p->pub.ndim = ndim;
    p->pub.requires_grad = false;
    p->record = NULL;
    p->grad_slot = p->pending = p->captured = NULL;
    p->depth = depth;
    p->birth = tg->records;
    p->rewrites = 0;
    p->sweep = 0;
    p->is_view = p->detached = p->is_grad = p->is_batch = p->released = false;
    p->is_intermediate = false;
    p->wanted = p->mark = 0;
}

/* The last step of making a tensor: adds it to the open frame. */
static inline tg_tensor *finish_tensor(tensor_priv *p)
{
    return p->pub.context->frame ? add_intermediate(p) : &p->pub;
}

static inline tg_tensor *finish_storage(tensor_priv *p, void *data, block *b)
{
    p->pub.data = data;
    p->own = (storage){.data = data, .block = b, .depth = p->depth, .claims = 1};
    p->storage = &p->own;
    return finish_tensor(p);
}

void tg__lay_out(tg_tensor *t, const int64_t *shape, const int64_t *strides)
{
    int64_t numel = 1, step = 1;
    bool contiguous = true;
    for (int d = t->ndim - 1; d >= 0; d--) {
        int64_t n = shape[d], stride = strides[d];
        t->shape[d] = n;
        t->strides[d] = stride;
        contiguous &= n == 1 || stride == step;
        step *= n > 1 ? n : 1;
        numel *= n;
    }
    t->numel = numel;
    t->contiguous = contiguous || numel == 0;
}

tg_tensor *tg__new_external(tg_context *tg, int64_t depth, tg_dtype dtype, tg_shape shape,
                            const int64_t *strides, void *data)
{
    int64_t row_major[TG_MAX_DIMS];
    tensor_priv *p = tg__alloc_at(tg, depth, sizeof *p);
    if (!p) return NULL;
    if (!strides) tg__strides(shape.ndim, shape.dims, row_major);
    init_tensor(p, tg, depth, dtype, shape.ndim);
    tg__lay_out(&p->pub, shape.dims, strides ? strides : row_major);
    return finish_storage(p, p->pub.numel > 0 ? data : NULL, NULL);
}

tg_tensor *tg__sizes_of(const tg_tensor *t)
{
    static const int64_t strides[TG_MAX_DIMS] = {0};
    tg_context *tg = t->context;
    return tg__new_external(tg, tg->depth, t->dtype, (tg_shape){t->ndim, t->shape}, strides, NULL);
}

/* Does what tg__new_at does, for any size and any scope. */
TG_NOINLINE static tg_tensor *new_slowly(tg_context *tg, int64_t depth, tg_dtype dtype, int ndim,
                                         const int64_t *shape)
{
    int64_t strides[TG_MAX_DIMS];
    const size_t bytes = tg__bytes(tg__numel(ndim, shape), tg__dtype_size(dtype));
    const bool has_block = bytes && !tg__lies_behind(bytes);
    tensor_priv *p = tg__alloc_at(tg, depth, has_block ? sizeof *p : TG_TENSOR + bytes);
    if (!p) return NULL;
    void *data = has_block ? tg__alloc_block(tg, depth, bytes) : (char *)p + TG_TENSOR;
    if (!data) return NULL;
    init_tensor(p, tg, depth, dtype, ndim);
    tg__strides(ndim, shape, strides);
    tg__lay_out(&p->pub, shape, strides);
    return finish_storage(p, bytes ? data : NULL, has_block ? tg__block_of(data) : NULL);
}

/* Completes tg__new_at where the elements need a block: the tensor is carved from the page of s, at
 * whose top its sizes have been written. */
TG_NOINLINE static tg_tensor *new_with_block(tg_context *tg, scope *s, tg_dtype dtype, int ndim,
                                             int64_t numel)
{
    tensor_priv *p = (tensor_priv *)(void *)s->top;
    s->top += TG_TENSOR;
    void *data = tg__alloc_block(tg, s->depth, tg__bytes(numel, tg__dtype_size(dtype)));
    if (!data) return NULL;
    init_tensor(p, tg, s->depth, dtype, ndim);
    p->pub.numel = numel;
    p->pub.contiguous = true;
    return finish_storage(p, data, tg__block_of(data));
}

/* The tensor, with its elements behind it if they are few, is usually carved from the page at hand:
 * the sizes are then written there while they are multiplied. */
tg_tensor *tg__new_at(tg_context *tg, int64_t depth, tg_dtype dtype, int ndim, const int64_t *shape)
{
    TG_CHECK(tg__is_dtype(dtype) && ndim >= 0 && ndim <= TG_MAX_DIMS && depth <= tg->depth);
    scope *s = tg->scope;
    if (s && s->depth < depth) s = tg__scope_in_host(tg, depth);
    if (!s || s->depth != depth || s->spares) return new_slowly(tg, depth, dtype, ndim, shape);
    const size_t room = tg__room_in(s);
    if (!TG_SMALL || room < TG_TENSOR) return new_slowly(tg, depth, dtype, ndim, shape);
    tensor_priv *p = (tensor_priv *)(void *)s->top;
    int64_t numel = 1;
    for (int d = ndim - 1; d >= 0; d--) {
        p->pub.shape[d] = shape[d];
        p->pub.strides[d] = numel;
        numel = tg__times(numel, shape[d]);
    }
    if (numel == 0) return new_slowly(tg, depth, dtype, ndim, shape);
    const size_t bytes = (size_t)numel * tg__dtype_size(dtype);
    if (numel > TG_SMALL || !tg__lies_behind(bytes))
        return new_with_block(tg, s, dtype, ndim, numel);
    const size_t size = tg__round_up(TG_TENSOR + bytes);
    if (room < size) return new_slowly(tg, depth, dtype, ndim, shape);
    s->top += size;
    init_tensor(p, tg, depth, dtype, ndim);
    p->pub.numel = numel;
    p->pub.contiguous = true;
    return finish_storage(p, (char *)p + TG_TENSOR, NULL);
}

tg_tensor *tg__new_view(tg_tensor *base, int ndim, const int64_t *shape, const int64_t *strides,
                        int64_t offset)
{
    tg_context *tg = base->context;
    storage *s = priv(base)->storage;
    tensor_priv *p = tg__alloc(tg, sizeof *p);
    if (!p) return NULL;
    tg_tensor *t = &p->pub;
    init_tensor(p, tg, tg->depth, base->dtype, ndim);
    tg__lay_out(t, shape, strides);
    /* An empty view may have an offset beyond the memory. */
    t->data = t->numel > 0 ? (char *)base->data + offset * (int64_t)tg__dtype_size(t->dtype) : NULL;
    tg__claim(tg, &p->claim, s);
    p->storage = s;
    p->is_view = true;
    p->detached = priv(base)->detached;
    p->rewrites = s->rewrites;
    return finish_tensor(p);
}

bool tg__broadcast(int na, const int64_t *a, int nb, const int64_t *b, int *n, int64_t *out)
{
    *n = na > nb ? na : nb;
    for (int i = 1; i <= *n; i++) {
        int64_t x = i <= na ? a[na - i] : 1, y = i <= nb ? b[nb - i] : 1;
        if (x != y && x != 1 && y != 1) return false;
        out[*n - i] = x == 1 ? y : x;
    }
    return true;
}

int tg__dim(const tg_tensor *t, const char *op, int64_t dim, int ndim)
{
    int range = ndim > 0 ? ndim : 1;
    if (dim >= -range && dim < range) return (int)(dim < 0 ? dim + range : dim);
    tg__fail(t->context, TG_ERR_INDEX, "%s: dim %lld is out of range for %s: %d to %d", op,
             (long long)dim, SHOW(t), -range, range - 1);
    return -1;
}

bool tg__dim_bits(const tg_tensor *t, const char *op, tg_shape dims, uint64_t *bits)
{
    *bits = 0;
    if (!tg__check_list(t->context, op, "dims", dims)) return false;
    for (int i = 0; i < dims.ndim; i++) {
        int d = tg__dim(t, op, dims.dims[i], t->ndim);
        if (d < 0) return false;
        if (*bits & (1u << d))
            return tg__fail(t->context, TG_ERR_INDEX, "%s: dim %d appears twice", op, d);
        *bits |= 1u << d;
    }
    if (t->ndim == 0) *bits = 0;
    return true;
}

bool tg__check_parts(tg_context *tg, const char *op, const char *what, tg_shape sizes)
{
    if (sizes.ndim != 0 && (sizes.ndim < 0 || !sizes.dims))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the list of %ss is NULL", op, what);
    for (int i = 0; i < sizes.ndim; i++)
        if (sizes.dims[i] < 0)
            return tg__fail(tg, TG_ERR_ARGUMENT, "%s: %s %d is %lld, but must not be negative", op,
                            what, i, (long long)sizes.dims[i]);
    return true;
}

bool tg__adds_up(tg_shape sizes, int64_t n)
{
    for (int i = 0; i < sizes.ndim && n >= 0; i++)
        n = sizes.dims[i] >= 0 && sizes.dims[i] <= n ? n - sizes.dims[i] : -1;
    return n == 0;
}

bool tg__is_gone(const tg_tensor *t)
{
    return priv(t)->released && !(t->context->sweep && priv(t)->storage->claims > 0);
}

/* Writes the name of argument i of an operation, as the public header calls it. An argument in a
 * list has its number as a name. */
static void name_argument(const char *op, int i, char *text, size_t size)
{
    static const struct {
        const char *names[3], *ops;
    } arguments[] = {
        {{"a", "b"},
         " add sub mul div add_alpha sub_alpha pow maximum minimum atan2 remainder "
         "eq ne lt le gt ge logical_and logical_or logical_xor "
         "matmul dot mm bmm mv outer solve_triangular solve lstsq "
         "lstsq_rcond "},
        {{"a", "index", "source"}, " gather scatter_add index_select take_along_dim "},
        {{"a", "mask"}, " masked_fill masked_select "},
        {{"a", "min", "max"}, " clamp_tensors "},
        {{"condition", "a", "b"}, " where "},
        {{"start", "end", "weight"}, " lerp lerp_scalar "},
        {{"input", "a", "b"}, " addmm "},
        {{"input", "weight", "bias"}, " conv1d conv2d embedding "},
        {{"input", "target", "var"},
         " mse_loss l1_loss huber_loss smooth_l1_loss binary_cross_entropy "
         "binary_cross_entropy_with_logits kl_div gaussian_nll_loss poisson_nll_loss nll_loss "
         "cross_entropy "},
        {{"t", "source"}, " copy_ "},
        {{"r", "rows"}, " qr_add_rows_ "},
        {{"t", "other"}, " add_ sub_ mul_ div_ "},
        {{"output", "gradient"}, " backward "},
        {{"x", "y", "p0"}, " curve_fit "},
        {{"x", "y", "weights"}, " least_squares "},
    };
    char word[64];
    snprintf(word, sizeof word, " %s ", op);
    snprintf(text, size, "tensor %d", i + 1);
    for (size_t k = 0; k < sizeof arguments / sizeof *arguments && i < 3; k++)
        if (strstr(arguments[k].ops, word) && arguments[k].names[i])
            snprintf(text, size, "%s", arguments[k].names[i]);
}

static bool fail_null(tg_context *tg, const char *op, int i)
{
    char name[32];
    name_argument(op, i, name, sizeof name);
    return tg__fail(tg, TG_ERR_ARGUMENT, "%s: %s is NULL", op, name);
}

bool tg__check_inputs(const char *op, int n, tg_tensor *const *in)
{
    bool needs_grad;
    if (in && n > 0 && tg__are_plain(n, in, &needs_grad)) return true;
    tg_context *tg = NULL;
    for (int i = 0; in && i < n && !tg; i++)
        if (in[i]) tg = in[i]->context;
    if (!tg) return false;
    for (int i = 0; i < n; i++) {
        if (!in[i]) return fail_null(tg, op, i);
        /* The error is recorded in tg, as another thread may use the other context. */
        if (in[i]->context != tg)
            return tg__fail(tg, TG_ERR_CONTEXT,
                            "%s: tensors of two contexts; tg_borrow makes an alias", op);
        if (tg__is_gone(in[i]))
            return tg__fail(tg, TG_ERR_CONTEXT, "%s: the tensor %s was released", op, SHOW(in[i]));
    }
    return true;
}

bool tg__check_rows(const char *op, tg_list tensors, int i)
{
    const tg_tensor *t = tensors.items[i], *first = tensors.items[0];
    if (t->ndim == 0)
        return tg__fail(t->context, TG_ERR_SHAPE, "%s: tensor %d is [], which has no rows", op,
                        i + 1);
    return t->shape[0] == first->shape[0] ||
           tg__fail(t->context, TG_ERR_SHAPE,
                    "%s: tensors %s and %s have not the same number of rows", op, SHOW(first),
                    SHOW(t));
}

/* A view that was made before a recorded write to its storage has the values after the write but
 * the history before it. */
bool tg__check_history(const char *op, int n, tg_tensor *const *in)
{
    for (int i = 0; i < n; i++) {
        const tensor_priv *p = priv(in[i]);
        if (p->rewrites != p->storage->rewrites && !p->detached)
            return tg__fail(in[i]->context, TG_ERR_AUTOGRAD,
                            "%s: the tensor %s is a view whose base was changed by %s since: make "
                            "the view again",
                            op, SHOW(in[i]), p->storage->writer);
    }
    return true;
}

/* Whether two elements of t may have the same address, as after tg_expand. The answer is exact for
 * all strides that views can have; for others it may be true without need. */
static bool overlaps_itself(const tg_tensor *t)
{
    int order[TG_MAX_DIMS], n = 0;
    if (t->numel < 2 || t->contiguous) return false;
    for (int i = 0; i < t->ndim; i++) {
        if (t->shape[i] == 1) continue;
        int at = n++;
        for (; at > 0 && t->strides[order[at - 1]] > t->strides[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    int64_t span = 0; /* the largest offset that the dimensions so far reach */
    for (int i = 0; i < n; i++) {
        if (t->strides[order[i]] <= span) return true;
        span += t->strides[order[i]] * (t->shape[order[i]] - 1);
    }
    return false;
}

bool tg__writable(tg_tensor *t, const char *op)
{
    if (!tg__ready(t->context)) return false;
    if (priv(t)->released)
        return tg__fail(t->context, TG_ERR_CONTEXT, "%s: the tensor %s was released", op, SHOW(t));
    const storage *s = priv(t)->storage;
    if (s->lender)
        return tg__fail(t->context, TG_ERR_ARGUMENT, "%s: the tensor %s %s and read-only", op,
                        SHOW(t), s->lender == s ? "is const memory" : "is borrowed");
    if (overlaps_itself(t))
        return tg__fail(
            t->context, TG_ERR_ARGUMENT,
            "%s: elements of the tensor %s share memory, so it cannot be written to; use "
            "tg_clone first",
            op, SHOW(t));
    return true;
}
