/* Elements picked by masks, by broadcast indices and by labels; said with gather and index_select.
 */
#include "op.h"

#include <math.h>

/* t broadcast to the common shape of both, but for dimension dim (none: -1). */
static tg_tensor *broadcast_but(const char *name, tg_tensor *t, const tg_tensor *other, int dim)
{
    int64_t a[TG_MAX_DIMS], b[TG_MAX_DIMS], shape[TG_MAX_DIMS];
    int n;
    for (int d = 0; d < t->ndim; d++) a[d] = d == dim ? 1 : t->shape[d];
    for (int d = 0; d < other->ndim; d++) b[d] = d == dim ? 1 : other->shape[d];
    if (!tg__broadcast(t->ndim, a, other->ndim, b, &n, shape))
        return tg__fail(t->context, TG_ERR_SHAPE, "%s: %s and %s do not broadcast", name, SHOW(t),
                        SHOW(other));
    if (dim >= 0) shape[dim] = t->shape[dim];
    return tg_expand(t, (tg_shape){n, shape});
}

tg_tensor *tg_take_along_dim(tg_tensor *a, tg_tensor *index, int dim)
{
    if (!tg__check_inputs("take_along_dim", 2, (tg_tensor *[]){a, index})) return NULL;
    int d = tg__dim(a, "take_along_dim", dim, a->ndim);
    if (d < 0) return NULL;
    if (a->ndim != index->ndim)
        return tg__fail(a->context, TG_ERR_SHAPE,
                        "take_along_dim: %s and index %s differ in their number of dimensions",
                        SHOW(a), SHOW(index));
    frame f;
    tg__enter(&f, "take_along_dim", a);
    return tg__leave(&f, tg_gather(broadcast_but("take_along_dim", a, index, d), d,
                                   broadcast_but("take_along_dim", index, a, d)));
}

/* ---- nonzero: the indices of what is not 0, row by row. */

static int64_t count_true(const tg_tensor *t)
{
    const uint8_t *v = t->data;
    int64_t n = 0;
    for (int64_t i = 0; i < t->numel; i++) n += v[i] != 0;
    return n;
}

/* The input is contiguous and bool; the last size of the result is its number of dimensions. */
static bool nonzero_shape(const call *c, spec *s)
{
    s->dtype = TG_I64;
    s->ndim = 2;
    s->shape[0] = count_true(c->in[0]);
    s->shape[1] = c->in[0]->ndim;
    return tg__check_shape(c->tg, "nonzero", (tg_shape){2, s->shape});
}

static bool nonzero_forward(const call *c)
{
    const tg_tensor *t = c->in[0];
    const uint8_t *v = t->data;
    int64_t *to = c->out->data;
    for (int64_t i = 0; i < t->numel && c->out->numel > 0; i++) {
        if (!v[i]) continue;
        int64_t rest = i;
        for (int d = t->ndim - 1; d >= 0; d--) {
            to[d] = rest % t->shape[d];
            rest /= t->shape[d];
        }
        to += t->ndim;
    }
    return true;
}

static const op_row nonzero_op = {
    .name = "nonzero", .shape = nonzero_shape, .forward = nonzero_forward};

tg_tensor *tg_nonzero(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "nonzero", a);
    tg_tensor *truth = tg_contiguous(tg_ne_scalar(a, 0));
    return tg__leave(&f, tg__apply(&nonzero_op, 1, &truth, NULL));
}

tg_tensor *tg_masked_select(tg_tensor *a, tg_tensor *mask)
{
    if (!tg__check_inputs("masked_select", 2, (tg_tensor *[]){a, mask})) return NULL;
    if (mask->dtype != TG_BOOL)
        return tg__fail(a->context, TG_ERR_DTYPE, "masked_select: the mask is %s, not bool",
                        tg_dtype_name(mask->dtype));
    frame f;
    tg__enter(&f, "masked_select", a);
    tg_tensor *whole = tg_flatten(broadcast_but("masked_select", a, mask, -1), 0, -1);
    tg_tensor *chosen = tg_flatten(broadcast_but("masked_select", mask, a, -1), 0, -1);
    return tg__leave(&f, tg_index_select(whole, 0, tg_flatten(tg_nonzero(chosen), 0, -1)));
}

/* ---- Labels. */

/* Whether there can be a result. */
static bool check_one_hot(const tg_tensor *index, int64_t num_classes)
{
    int64_t shape[TG_MAX_DIMS + 1];
    for (int d = 0; d < index->ndim; d++) shape[d] = index->shape[d];
    shape[index->ndim] = num_classes;
    return tg__check_shape(index->context, "one_hot", (tg_shape){index->ndim + 1, shape});
}

static tg_tensor *one_hot(tg_tensor *index, int64_t num_classes)
{
    tg_context *tg = index->context;
    if (index->dtype != TG_I64)
        return tg__fail(tg, TG_ERR_DTYPE, "one_hot: the labels are %s, not int64",
                        tg_dtype_name(index->dtype));
    if (num_classes < -1 || num_classes == 0)
        return tg__fail(
            tg, TG_ERR_ARGUMENT,
            "one_hot: num_classes is %lld, but must be at least 1, or -1 for as many as "
            "the labels %s need",
            (long long)num_classes, SHOW(index));
    if (num_classes < 0 && index->numel == 0)
        return tg__fail(
            tg, TG_ERR_ARGUMENT,
            "one_hot: num_classes is -1, but there are no labels in %s to tell how many "
            "are needed",
            SHOW(index));
    if (num_classes > 0 && !check_one_hot(index, num_classes)) return NULL;
    if (index->numel > 0) {
        const tg_tensor *min = tg_min(index), *max = tg_max(index);
        if (!min || !max) return NULL;
        const int64_t least = tg_item_i64(min), most = tg_item_i64(max);
        if (least < 0)
            return tg__fail(tg, TG_ERR_INDEX, "one_hot: label %lld is negative", (long long)least);
        if (num_classes > 0 && most >= num_classes)
            return tg__fail(tg, TG_ERR_INDEX, "one_hot: label %lld is not one of %lld classes",
                            (long long)most, (long long)num_classes);
        if (num_classes < 0) num_classes = tg__plus(most, 1);
    }
    if (!check_one_hot(index, num_classes)) return NULL;
    tg_tensor *classes = tg_arange_i64(tg, 0, num_classes, 1);
    return tg_cast(tg_eq(tg_unsqueeze(index, -1), classes), TG_I64);
}

tg_tensor *tg_one_hot(tg_tensor *index, int64_t num_classes)
{
    frame f;
    tg__enter(&f, "one_hot", index);
    return tg__leave(&f, index ? one_hot(index, num_classes) : NULL);
}
