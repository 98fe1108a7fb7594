/* Reading and writing elements from C: item, get and set, copies to and from arrays, and pointers
 * to the data. */
#include "loops.h"

#include <math.h>

/* Returns x as a double. It is an error if double, which does not have every integer beyond 2^53,
 * lacks this one. */
static double double_from_i64(tg_context *tg, const char *op, int64_t x)
{
    const double value = (double)x;
    if (value < 0x1p63 && (int64_t)value == x) return value;
    tg__fail(tg, TG_ERR_ARGUMENT, "%s: %lld is not a value of double; use tg_%s_i64", op,
             (long long)x, op);
    return NAN;
}

static double load_double(const tg_tensor *t, const char *op, int64_t at)
{
    if (t->dtype == TG_I64) return double_from_i64(t->context, op, ((const int64_t *)t->data)[at]);
    return tg__load(t->dtype, t->data, at);
}

/* Checks that t is not NULL and was not released. */
static bool check_readable(const tg_tensor *t, const char *op)
{
    if (!t) return false;
    return !tg__is_gone(t) ||
           tg__fail(t->context, TG_ERR_CONTEXT, "%s: the tensor %s was released", op, SHOW(t));
}

/* Checks that t is int64 or bool, as the functions that end in _i64 require. */
static bool check_whole(const tg_tensor *t, const char *op)
{
    return tg__is_whole(t->dtype) || tg__refuse_dtype(op, t);
}

static int64_t load_i64(const tg_tensor *t, int64_t at)
{
    switch (t->dtype) {
    case TG_I64: return ((const int64_t *)t->data)[at];
    case TG_BOOL: return ((const uint8_t *)t->data)[at] ? 1 : 0;
    case TG_F32:
    case TG_F64: break;
    }
    return 0;
}

static bool check_single(const tg_tensor *t, const char *op)
{
    return t->numel == 1 || tg__fail(t->context, TG_ERR_SHAPE, "%s: %s has %lld elements, not one",
                                     op, SHOW(t), (long long)t->numel);
}

double tg_item(const tg_tensor *t)
{
    return check_readable(t, "item") && check_single(t, "item") ? load_double(t, "item", 0) : NAN;
}

int64_t tg_item_i64(const tg_tensor *t)
{
    const char *op = "item_i64";
    return check_readable(t, op) && check_whole(t, op) && check_single(t, op) ? load_i64(t, 0) : 0;
}

/* Returns the offset of an element, counted in elements, or -1 after an error. */
static int64_t offset_of_element(const tg_tensor *t, const char *op, tg_shape index)
{
    if (!tg__check_list(t->context, op, "indices", index)) return -1;
    if (index.ndim != t->ndim) {
        tg__fail(t->context, TG_ERR_INDEX,
                 "%s: %s is %d-d and needs an index of that length, not of length %d", op, SHOW(t),
                 t->ndim, index.ndim);
        return -1;
    }
    int64_t at = 0;
    for (int d = 0; d < t->ndim; d++) {
        int64_t i = index.dims[d];
        if (i < -t->shape[d] || i >= t->shape[d]) {
            tg__fail(t->context, TG_ERR_INDEX,
                     "%s: index %lld of dimension %d is out of range for %s", op, (long long)i, d,
                     SHOW(t));
            return -1;
        }
        at += (i < 0 ? i + t->shape[d] : i) * t->strides[d];
    }
    return at;
}

double tg_get(const tg_tensor *t, tg_shape index)
{
    if (!check_readable(t, "get")) return NAN;
    int64_t at = offset_of_element(t, "get", index);
    return at < 0 ? NAN : load_double(t, "get", at);
}

int64_t tg_get_i64(const tg_tensor *t, tg_shape index)
{
    if (!check_readable(t, "get_i64") || !check_whole(t, "get_i64")) return 0;
    int64_t at = offset_of_element(t, "get_i64", index);
    return at < 0 ? 0 : load_i64(t, at);
}

bool tg_set(tg_tensor *t, tg_shape index, double value)
{
    if (!t || !tg__writable(t, "set")) return false;
    int64_t at = offset_of_element(t, "set", index);
    if (at < 0 || !tg__check_value(t->context, "set", t->dtype, value)) return false;
    tg__store(t->dtype, t->data, at, value);
    tg__written(t, "set");
    return true;
}

bool tg_set_i64(tg_tensor *t, tg_shape index, int64_t value)
{
    if (!t || !tg__writable(t, "set_i64") || !check_whole(t, "set_i64")) return false;
    int64_t at = offset_of_element(t, "set_i64", index);
    if (at < 0) return false;
    switch (t->dtype) {
    case TG_I64: ((int64_t *)t->data)[at] = value; break;
    case TG_BOOL: ((uint8_t *)t->data)[at] = value != 0; break;
    case TG_F32:
    case TG_F64: return false;
    }
    tg__written(t, "set_i64");
    return true;
}

static bool check_dtype(const tg_tensor *t, const char *op, tg_dtype dtype)
{
    if (!check_readable(t, op)) return false;
    return t->dtype == dtype || tg__fail(t->context, TG_ERR_DTYPE, "%s: the tensor %s is %s", op,
                                         SHOW(t), tg_dtype_name(t->dtype));
}

/* Makes *p a tensor for a row-major array of the caller, with the shape and dtype of t. */
static tg_tensor *array_like(stack_tensor *p, const tg_tensor *t, const void *values)
{
    int64_t strides[TG_MAX_DIMS];
    tg__strides(t->ndim, t->shape, strides);
    return tg__array(p, t, (void *)(uintptr_t)values, t->ndim, t->shape, strides);
}

static bool copy_values_in(tg_tensor *t, const char *op, const void *values)
{
    if (!tg__writable(t, op)) return false;
    if (t->numel == 0) return true;
    if (!values) return tg__fail(t->context, TG_ERR_ARGUMENT, "%s: values is NULL", op);
    stack_tensor array;
    tg__copy(t, array_like(&array, t, values));
    tg__written(t, op);
    return true;
}

static bool copy_values_out(const tg_tensor *t, const char *op, void *values)
{
    if (t->numel == 0) return true;
    if (!values) return tg__fail(t->context, TG_ERR_ARGUMENT, "%s: values is NULL", op);
    stack_tensor array;
    tg_tensor *out = array_like(&array, t, values), *in = &priv(t)->pub;
    if (t->dtype == TG_BOOL) /* true is any byte but 0 in a tensor, but must be 1 in a C bool */
        tg__elementwise((loop){.unary = pick(0, to_bool, TG_BOOL)}, out, 1, &in);
    else
        tg__copy(out, t);
    return true;
}

static bool check_bytes(const tg_tensor *t, const char *op, const void *values, size_t bytes)
{
    if (!check_readable(t, op)) return false;
    const size_t one = tg__dtype_size(t->dtype), all = (size_t)t->numel * one;
    if (bytes != all)
        return tg__fail(t->context, TG_ERR_ARGUMENT, "%s: %zu bytes for %s %s, which has %zu", op,
                        bytes, tg_dtype_name(t->dtype), SHOW(t), all);
    return (uintptr_t)values % one == 0 ||
           tg__fail(t->context, TG_ERR_ARGUMENT, "%s: values is not aligned for %s", op,
                    tg_dtype_name(t->dtype));
}

bool tg_copy_from(tg_tensor *t, const void *values, size_t bytes)
{
    return check_bytes(t, "copy_from", values, bytes) && copy_values_in(t, "copy_from", values);
}

bool tg_copy_to(const tg_tensor *t, void *values, size_t bytes)
{
    return check_bytes(t, "copy_to", values, bytes) && copy_values_out(t, "copy_to", values);
}

bool tg_copy_from_f32(tg_tensor *t, const float *values)
{
    return check_dtype(t, "copy_from_f32", TG_F32) && copy_values_in(t, "copy_from_f32", values);
}

bool tg_copy_to_f32(const tg_tensor *t, float *values)
{
    return check_dtype(t, "copy_to_f32", TG_F32) && copy_values_out(t, "copy_to_f32", values);
}

const float *tg_data_f32(const tg_tensor *t)
{
    return check_dtype(t, "data_f32", TG_F32) ? t->data : NULL;
}

bool tg_copy_from_f64(tg_tensor *t, const double *values)
{
    return check_dtype(t, "copy_from_f64", TG_F64) && copy_values_in(t, "copy_from_f64", values);
}

bool tg_copy_to_f64(const tg_tensor *t, double *values)
{
    return check_dtype(t, "copy_to_f64", TG_F64) && copy_values_out(t, "copy_to_f64", values);
}

const double *tg_data_f64(const tg_tensor *t)
{
    return check_dtype(t, "data_f64", TG_F64) ? t->data : NULL;
}

bool tg_copy_from_i64(tg_tensor *t, const int64_t *values)
{
    return check_dtype(t, "copy_from_i64", TG_I64) && copy_values_in(t, "copy_from_i64", values);
}

bool tg_copy_to_i64(const tg_tensor *t, int64_t *values)
{
    return check_dtype(t, "copy_to_i64", TG_I64) && copy_values_out(t, "copy_to_i64", values);
}

const int64_t *tg_data_i64(const tg_tensor *t)
{
    return check_dtype(t, "data_i64", TG_I64) ? t->data : NULL;
}

bool tg_copy_from_bool(tg_tensor *t, const bool *values)
{
    return check_dtype(t, "copy_from_bool", TG_BOOL) && copy_values_in(t, "copy_from_bool", values);
}

bool tg_copy_to_bool(const tg_tensor *t, bool *values)
{
    return check_dtype(t, "copy_to_bool", TG_BOOL) && copy_values_out(t, "copy_to_bool", values);
}

const bool *tg_data_bool(const tg_tensor *t)
{
    return check_dtype(t, "data_bool", TG_BOOL) ? t->data : NULL;
}
