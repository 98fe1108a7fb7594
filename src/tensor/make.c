/* Functions that make tensors: filled with a value or a sequence, copied from memory of the caller,
 * or wrapping it. */
#include "loops.h"

#include <math.h>
#include <string.h>

/* Makes a tensor without values, of a dtype and a shape that the caller of the library gave. */
static tg_tensor *make(tg_context *tg, const char *op, tg_dtype dtype, tg_shape shape)
{
    if (!tg) return NULL;
    if (!tg__is_dtype(dtype))
        return tg__fail(tg, TG_ERR_DTYPE, "%s: there is no dtype %d", op, (int)dtype);
    if (!tg__check_shape(tg, op, shape)) return NULL;
    return tg__new(tg, dtype, shape.ndim, shape.dims);
}

static tg_tensor *make_full(tg_context *tg, const char *op, tg_dtype dtype, tg_shape shape,
                            double value)
{
    if (tg && tg__is_dtype(dtype) && !tg__check_value(tg, op, dtype, value)) return NULL;
    tg_tensor *t = make(tg, op, dtype, shape);
    if (t) tg__fill(t, value);
    return t;
}

tg_tensor *tg_empty(tg_context *tg, tg_dtype dtype, tg_shape shape)
{
    return make(tg, "empty", dtype, shape);
}

tg_tensor *tg_zeros(tg_context *tg, tg_dtype dtype, tg_shape shape)
{
    return make_full(tg, "zeros", dtype, shape, 0);
}

tg_tensor *tg_ones(tg_context *tg, tg_dtype dtype, tg_shape shape)
{
    return make_full(tg, "ones", dtype, shape, 1);
}

tg_tensor *tg_full(tg_context *tg, tg_dtype dtype, tg_shape shape, double value)
{
    return make_full(tg, "full", dtype, shape, value);
}

tg_tensor *tg_scalar(tg_context *tg, tg_dtype dtype, double value)
{
    return make_full(tg, "scalar", dtype, (tg_shape){0, NULL}, value);
}

tg_tensor *tg_empty_like(const tg_tensor *t)
{
    return t ? make(t->context, "empty_like", t->dtype, (tg_shape){t->ndim, t->shape}) : NULL;
}

static tg_tensor *make_full_like(const tg_tensor *t, const char *op, double value)
{
    return t ? make_full(t->context, op, t->dtype, (tg_shape){t->ndim, t->shape}, value) : NULL;
}

tg_tensor *tg_zeros_like(const tg_tensor *t)
{
    return make_full_like(t, "zeros_like", 0);
}

tg_tensor *tg_ones_like(const tg_tensor *t)
{
    return make_full_like(t, "ones_like", 1);
}

tg_tensor *tg_full_like(const tg_tensor *t, double value)
{
    return make_full_like(t, "full_like", value);
}

static tg_tensor *make_from(tg_context *tg, const char *op, tg_dtype dtype, tg_shape shape,
                            const void *values)
{
    tg_tensor *t = make(tg, op, dtype, shape);
    if (!t || t->numel == 0) return t;
    if (!values) {
        tg_release(t);
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: values is NULL", op);
    }
    memcpy(t->data, values, (size_t)t->numel * tg__dtype_size(dtype));
    return t;
}

tg_tensor *tg_from_f32(tg_context *tg, tg_shape shape, const float *values)
{
    return make_from(tg, "from_f32", TG_F32, shape, values);
}

tg_tensor *tg_from_f64(tg_context *tg, tg_shape shape, const double *values)
{
    return make_from(tg, "from_f64", TG_F64, shape, values);
}

tg_tensor *tg_from_i64(tg_context *tg, tg_shape shape, const int64_t *values)
{
    return make_from(tg, "from_i64", TG_I64, shape, values);
}

tg_tensor *tg_from_bool(tg_context *tg, tg_shape shape, const bool *values)
{
    return make_from(tg, "from_bool", TG_BOOL, shape, values);
}

/* Checks strides that the caller gave. */
static bool check_strides(tg_context *tg, const char *op, tg_shape shape, tg_shape strides)
{
    int64_t reach = 0; /* the distance of the last element from the first */
    if (strides.ndim != shape.ndim)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: %d strides for %d dimensions", op, strides.ndim,
                        shape.ndim);
    if (!tg__check_list(tg, op, "strides", strides)) return false;
    for (int i = 0; i < strides.ndim; i++) {
        int64_t step = strides.dims[i], last = shape.dims[i] - 1;
        if (step < 0)
            return tg__fail(tg, TG_ERR_ARGUMENT, "%s: stride %lld of dimension %d is negative", op,
                            (long long)step, i);
        if (last > 0) reach = tg__plus(reach, tg__times(step, last));
        if (step > TG_MOST_ELEMENTS || reach > TG_MOST_ELEMENTS)
            return tg__fail(tg, TG_ERR_SHAPE, "%s: strides %s reach beyond memory", op,
                            tg__show_sizes(tg, strides.ndim, strides.dims));
    }
    return true;
}

tg_tensor *tg__wrap(tg_context *tg, const char *op, tg_dtype dtype, tg_shape shape,
                    tg_shape strides, void *data, bool read_only)
{
    if (!tg || !tg__check_shape(tg, op, shape)) return NULL;
    bool contiguous = strides.ndim < 0;
    if (!contiguous && !check_strides(tg, op, shape, strides)) return NULL;
    if (!data && tg__numel(shape.ndim, shape.dims) > 0)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: data is NULL", op);
    if ((uintptr_t)data % tg__dtype_size(dtype))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: data is not aligned for %s", op,
                        tg_dtype_name(dtype));
    tg_tensor *t =
        tg__new_external(tg, tg->depth, dtype, shape, contiguous ? NULL : strides.dims, data);
    if (t && read_only) priv(t)->own.lender = &priv(t)->own;
    return t;
}

tg_tensor *tg_wrap_f32(tg_context *tg, tg_shape shape, tg_shape strides, float *data)
{
    return tg__wrap(tg, "wrap_f32", TG_F32, shape, strides, data, false);
}

tg_tensor *tg_wrap_f64(tg_context *tg, tg_shape shape, tg_shape strides, double *data)
{
    return tg__wrap(tg, "wrap_f64", TG_F64, shape, strides, data, false);
}

tg_tensor *tg_wrap_i64(tg_context *tg, tg_shape shape, tg_shape strides, int64_t *data)
{
    return tg__wrap(tg, "wrap_i64", TG_I64, shape, strides, data, false);
}

tg_tensor *tg_wrap_bool(tg_context *tg, tg_shape shape, tg_shape strides, bool *data)
{
    return tg__wrap(tg, "wrap_bool", TG_BOOL, shape, strides, data, false);
}

tg_tensor *tg_wrap_const(tg_context *tg, tg_dtype dtype, tg_shape shape, tg_shape strides,
                         const void *data)
{
    if (tg && !tg__is_dtype(dtype))
        return tg__fail(tg, TG_ERR_DTYPE, "wrap_const: there is no dtype %d", (int)dtype);
    return tg__wrap(tg, "wrap_const", dtype, shape, strides, (void *)(uintptr_t)data, true);
}

/* Stores a value that was computed in double, and is rounded to the dtype only here, as in
 * PyTorch. */
static void write_value(tg_tensor *t, int64_t i, double value)
{
    tg__store(t->dtype, t->data, i, value);
}

/* Makes start, start + step, ... up to and including last, if the steps meet it. The arithmetic is
 * unsigned, in which the difference of two int64 cannot overflow. */
static tg_tensor *count_i64(tg_context *tg, const char *op, int64_t start, int64_t last,
                            int64_t step)
{
    const bool ascending = step > 0;
    const uint64_t distance =
        ascending ? (uint64_t)last - (uint64_t)start : (uint64_t)start - (uint64_t)last;
    const uint64_t steps = distance / (ascending ? (uint64_t)step : 0 - (uint64_t)step);
    const int64_t count = steps < INT64_MAX ? (int64_t)steps + 1 : INT64_MAX;
    tg_tensor *t = make(tg, op, TG_I64, TG_SHAPE(count));
    int64_t *out = t ? t->data : NULL;
    for (int64_t i = 0; out && i < count; i++)
        out[i] = (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)step);
    return t;
}

tg_tensor *tg_arange_i64(tg_context *tg, int64_t start, int64_t end, int64_t step)
{
    if (!tg) return NULL;
    if (step == 0 || (step > 0 ? end < start : end > start))
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "arange_i64: no numbers go from %lld to %lld in steps of %lld",
                        (long long)start, (long long)end, (long long)step);
    if (start == end) return make(tg, "arange_i64", TG_I64, TG_SHAPE(0));
    return count_i64(tg, "arange_i64", start, step > 0 ? end - 1 : end + 1, step);
}

/* The same for bounds that are doubles and must be integers. end may be 2^63, which int64 cannot
 * hold. */
static tg_tensor *arange_i64_of_doubles(tg_context *tg, double start, double end, double step)
{
    if (!tg__check_value(tg, "arange", TG_I64, start) ||
        !tg__check_value(tg, "arange", TG_I64, step))
        return NULL;
    if (end != trunc(end)) /* PyTorch truncates such an end, and NumPy counts up to it */
        return tg__fail(tg, TG_ERR_ARGUMENT, "arange: the end %g is not an integer", end);
    if (end != 0x1p63 && !tg__check_value(tg, "arange", TG_I64, end)) return NULL;
    if (start == end) return make(tg, "arange", TG_I64, TG_SHAPE(0));
    const int64_t last = end == 0x1p63 ? INT64_MAX : (int64_t)end - (step > 0 ? 1 : -1);
    return count_i64(tg, "arange", (int64_t)start, last, (int64_t)step);
}

tg_tensor *tg_arange(tg_context *tg, tg_dtype dtype, double start, double end, double step)
{
    if (!tg) return NULL;
    if (tg__is_dtype(dtype) && !tg__is_number(dtype))
        return tg__fail(tg, TG_ERR_DTYPE, "arange: not for %s", tg_dtype_name(dtype));
    double count = ceil((end - start) / step), last = count > 0 ? start + (count - 1) * step : 0;
    if (!isfinite(start) || !isfinite(end) || !(count >= 0) ||
        !(step > 0 ? start <= end : step < 0 && start >= end))
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "arange: no %s numbers go from %g to %g in steps of %g",
                        tg_dtype_name(dtype), start, end, step);
    if (dtype == TG_I64) return arange_i64_of_doubles(tg, start, end, step);
    if (tg__is_dtype(dtype) && (!tg__check_value(tg, "arange", dtype, start) ||
                                !tg__check_value(tg, "arange", dtype, step) ||
                                !tg__check_value(tg, "arange", dtype, last)))
        return NULL;
    if (count >= 0x1p62) count = 0x1p62;
    tg_tensor *t = make(tg, "arange", dtype, TG_SHAPE((int64_t)count));
    if (t) pick(tg->level, sequence, dtype)(t->numel, t->data, start, step, 0, 1);
    return t;
}

/* (end - start) / parts, rounded to the dtype after each operation; also where end - start
 * overflows. */
static double step_between(tg_dtype dtype, double start, double end, int64_t parts)
{
    const double n = (double)parts, separate = end / n - start / n;
    const double span = tg__rounded(dtype, tg__rounded(dtype, end) - tg__rounded(dtype, start));
    const double step = tg__rounded(dtype, span / tg__rounded(dtype, n));
    return isfinite(step) ? step : separate;
}

/* As in PyTorch, the second half counts back from end. Both ends are thereby exact. */
tg_tensor *tg_linspace(tg_context *tg, tg_dtype dtype, double start, double end, int64_t steps)
{
    if (!tg) return NULL;
    if (tg__is_dtype(dtype) && !tg__is_float(dtype))
        return tg__fail(tg, TG_ERR_DTYPE, "linspace: %s is not a floating dtype",
                        tg_dtype_name(dtype));
    if (tg__is_dtype(dtype) && (!tg__check_value(tg, "linspace", dtype, start) ||
                                !tg__check_value(tg, "linspace", dtype, end)))
        return NULL;
    tg_tensor *t = make(tg, "linspace", dtype, TG_SHAPE(steps));
    if (!t || steps == 0) return t;
    const double step = steps > 1 ? step_between(dtype, start, end, steps - 1) : 0;
    start = tg__rounded(dtype, start);
    end = tg__rounded(dtype, end);
    const int64_t half = steps == 1 ? 1 : steps / 2;
    char *second = (char *)t->data + half * (int64_t)tg__dtype_size(dtype);
    sequence_kernel *write = pick(tg->level, sequence, dtype);
    write(half, t->data, start, step, 0, 1);
    write(steps - half, second, end, -step, (double)(steps - 1 - half), -1);
    return t;
}

tg_tensor *tg_eye(tg_context *tg, tg_dtype dtype, int64_t n, int64_t m)
{
    tg_tensor *t = make_full(tg, "eye", dtype, TG_SHAPE(n, m), 0);
    for (int64_t i = 0; t && i < n && i < m; i++) write_value(t, i * m + i, 1);
    return t;
}
