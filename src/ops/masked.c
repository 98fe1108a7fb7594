/* Elements chosen by a mask: masked_fill, masked_select and nonzero. masked_fill is composed of
 * other operations, which give its gradient. */
#include "index.h"
#include "op.h"

static bool check_mask(const char *name, const tg_tensor *mask)
{
    return mask->dtype == TG_BOOL ||
           tg__fail(mask->context, TG_ERR_DTYPE, "%s: the mask is %s, not bool", name,
                    tg_dtype_name(mask->dtype));
}

tg_tensor *tg_masked_fill(tg_tensor *a, tg_tensor *mask, double value)
{
    if (!tg__check_inputs("masked_fill", 2, (tg_tensor *[]){a, mask}) ||
        !tg__check_value(a->context, "masked_fill", a->dtype, value) ||
        !check_mask("masked_fill", mask))
        return NULL;
    frame f;
    tg__enter(&f, "masked_fill", a);
    tg_tensor *filled = tg_where(mask, tg_scalar(a->context, a->dtype, value), a);
    return tg__leave(&f, tg__name_grad_fn(filled, "MaskedFillBackward0"));
}

/* The input is contiguous and bool. The result has a row for each true element, with its index
 * along every dimension. */
static bool nonzero_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    s->dtype = TG_I64;
    s->ndim = 2;
    s->shape[1] = t->ndim;
    s->shape[0] = 0;
    if (t->numel) pick(c->tg->level, sum, TG_BOOL)(1, t->numel, s->shape, t->data, t->numel);
    return tg__check_shape(c->tg, "nonzero", (tg_shape){2, s->shape});
}

/* Finds which of n elements are true, and returns how many. No branch depends on an element, as a
 * processor cannot predict it. */
static int64_t find_true(int64_t n, const uint8_t *v, int64_t *found)
{
    int64_t many = 0;
    for (int64_t i = 0; i < n; i++) {
        found[many] = i;
        many += v[i] != 0;
    }
    return many;
}

/* Goes through a part of a line along the last dimension at a time. */
static bool nonzero_forward(const call *c)
{
    enum { PART = 512 };
    const tg_tensor *t = c->in[0];
    const int ndim = t->ndim, last = ndim - 1;
    const int64_t n = ndim ? t->shape[last] : 1;
    const uint8_t *v = t->data;
    int64_t *to = c->out->data, at[TG_MAX_DIMS] = {0}, found[PART];
    if (c->out->numel == 0) return true;
    for (int64_t line = 0; line < t->numel / n; line++) {
        for (int64_t j = 0, some; j < n; j += some, v += some) {
            some = n - j < PART ? n - j : PART;
            const int64_t many = find_true(some, v, found);
            for (int d = 0; d < last; d++)
                for (int64_t k = 0; k < many; k++) to[k * ndim + d] = at[d];
            for (int64_t k = 0; k < many; k++, to += ndim) to[last] = j + found[k];
        }
        for (int d = last - 1; d >= 0 && ++at[d] == t->shape[d]; d--) at[d] = 0;
    }
    return true;
}

static const op_row nonzero_op = {
    .name = "nonzero", .shape = nonzero_shape, .forward = nonzero_forward};

tg_tensor *tg_nonzero(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "nonzero", a);
    tg_tensor *as_bool = tg_contiguous(tg_ne_scalar(a, 0));
    return tg__leave(&f, tg__apply(&nonzero_op, 1, &as_bool, NULL));
}

tg_tensor *tg_masked_select(tg_tensor *a, tg_tensor *mask)
{
    if (!tg__check_inputs("masked_select", 2, (tg_tensor *[]){a, mask}) ||
        !check_mask("masked_select", mask))
        return NULL;
    frame f;
    tg__enter(&f, "masked_select", a);
    tg_tensor *whole = tg_flatten(tg__expand_except("masked_select", a, mask, -1), 0, -1);
    tg_tensor *chosen = tg_flatten(tg__expand_except("masked_select", mask, a, -1), 0, -1);
    tg_tensor *selected = tg_index_select(whole, 0, tg_flatten(tg_nonzero(chosen), 0, -1));
    return tg__leave(&f, tg__name_grad_fn(selected, "MaskedSelectBackward0"));
}
