/* Tensors: making them, views, reading and writing elements, and operations in place that record no
 * gradient. */
#include "check.h"
#include "tensor/dtype.h"

/* Checks the shape and strides of t, and its offset from base in elements. */
#define check_layout(t, shape, strides, offset, base)                                              \
    check_layout_at(t, shape, strides, offset, base, __FILE__, __LINE__)

static void check_layout_at(const tg_tensor *t, tg_shape shape, tg_shape strides, int64_t offset,
                            const tg_tensor *base, const char *file, int line)
{
    _assert_true(t != NULL, "a tensor", file, line);
    int64_t numel = 1;
    _assert_int_equal((uint64_t)t->ndim, (uint64_t)shape.ndim, file, line);
    for (int d = 0; d < shape.ndim; d++) {
        _assert_int_equal((uint64_t)t->shape[d], (uint64_t)shape.dims[d], file, line);
        _assert_int_equal((uint64_t)t->strides[d], (uint64_t)strides.dims[d], file, line);
        numel *= shape.dims[d];
    }
    _assert_int_equal((uint64_t)t->numel, (uint64_t)numel, file, line);
    _assert_int_equal(t->dtype, base->dtype, file, line);
    if (numel == 0)
        _assert_true(t->data == NULL, "no data", file, line);
    else
        _assert_true((const float *)t->data == (const float *)base->data + offset, "offset", file,
                     line);
}

/* ---- Making. */

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(tg_dtype_name(TG_F32), "float32");
    assert_string_equal(tg_dtype_name(TG_F64), "float64");
    assert_string_equal(tg_dtype_name(TG_I64), "int64");
    assert_string_equal(tg_dtype_name(TG_BOOL), "bool");
    assert_string_equal(tg_dtype_name((tg_dtype)TG_DTYPES), "?");
    assert_string_equal(tg_dtype_name((tg_dtype)-1), "?");
}

static void test_constants(void **state)
{
    tg_context *tg = *state;
    for (tg_dtype d = TG_F32; d < (tg_dtype)TG_DTYPES; d++) {
        tg_tensor *t = tg_zeros(tg, d, TG_SHAPE(2, 3));
        assert_ptr_equal(t->context, tg);
        assert_int_equal(t->dtype, d);
        assert_false(t->requires_grad);
        assert_null(t->grad);
        assert_true(tg_is_contiguous(t));
        check_values(t, 0, 0, 0, 0, 0, 0);
        check_values(tg_ones(tg, d, TG_SHAPE(2)), 1, 1);
        check_values(tg_full(tg, d, TG_SHAPE(2, 1), 1), 1, 1);
        check_values(tg_scalar(tg, d, 1), 1);
        assert_int_equal(tg_scalar(tg, d, 1)->ndim, 0);
        assert_int_equal(tg_empty(tg, d, TG_SHAPE(3, 5))->numel, 15);
        check_values(tg_zeros_like(t), 0, 0, 0, 0, 0, 0);
        check_values(tg_ones_like(t), 1, 1, 1, 1, 1, 1);
        check_values(tg_full_like(t, 1), 1, 1, 1, 1, 1, 1);
        tg_tensor *like = tg_empty_like(tg_t(t));
        check_layout(like, TG_SHAPE(3, 2), TG_STRIDES(2, 1), 0, like);
        check_values(tg_eye(tg, d, 2, 3), 1, 0, 0, 0, 1, 0);
    }
    check_values(tg_full(tg, TG_F32, TG_SHAPE(1), 0.1), (double)0.1f);
    check_values(tg_full(tg, TG_F64, TG_SHAPE(1), 0.1), 0.1);
    check_values(tg_full(tg, TG_BOOL, TG_SHAPE(1), -0.5), 1);
    check_values(tg_full(tg, TG_BOOL, TG_SHAPE(1), NAN), 1);
    check_values(tg_full(tg, TG_F32, TG_SHAPE(2), INFINITY), INFINITY, INFINITY);
    assert_true(*tg_data_i64(tg_full(tg, TG_I64, TG_SHAPE(), -0x1p63)) == INT64_MIN);
    assert_int_equal(tg_eye(tg, TG_F32, 0, 3)->numel, 0);
    check_values(tg_eye(tg, TG_I64, 3, 1), 1, 0, 0);
    check_ok(tg);
}

static void test_from(void **state)
{
    tg_context *tg = *state;
    float f32[] = {1.5f, -2.5f};
    double f64[] = {0.1, 1e300};
    int64_t i64[] = {INT64_MIN, INT64_MAX};
    bool flags[] = {true, false};
    tg_tensor *t = tg_from_f32(tg, TG_SHAPE(2), f32);
    f32[0] = 9;
    check_values(t, 1.5, -2.5);
    check_values(tg_from_f64(tg, TG_SHAPE(1, 2), f64), 0.1, 1e300);
    t = tg_from_i64(tg, TG_SHAPE(2, 1), i64);
    assert_memory_equal(tg_data_i64(t), i64, sizeof i64);
    check_values(tg_from_bool(tg, TG_SHAPE(2), flags), 1, 0);
    check_values(tg_from_f32(tg, TG_SHAPE(), (float[]){7}), 7);
    assert_int_equal(tg_from_f32(tg, TG_SHAPE(3, 0), NULL)->numel, 0);
    check_ok(tg);
}

static void test_ranges(void **state)
{
    tg_context *tg = *state;
    check_values(tg_arange(tg, TG_F32, 0, 2, 0.5), 0, 0.5, 1, 1.5);
    check_values(tg_arange(tg, TG_F64, 0, 2.1, 1), 0, 1, 2);
    check_values(tg_arange(tg, TG_I64, 5, -2, -3), 5, 2, -1);
    check_values(tg_arange(tg, TG_I64, 0, 3, 1), 0, 1, 2);
    assert_int_equal(tg_arange(tg, TG_F32, 0, 1, INFINITY)->numel, 0);
    assert_int_equal(tg_arange(tg, TG_F32, 3, 3, 1)->numel, 0);
    check_values(tg_arange(tg, TG_I64, -0x1p63, 0x1p63, 0x1p62), -0x1p63, -0x1p62, 0, 0x1p62);
    check_values(tg_linspace(tg, TG_F64, 0, 1, 5), 0, 0.25, 0.5, 0.75, 1);
    check_values(tg_linspace(tg, TG_F32, 3, -3, 4), 3, 1, -1, -3);
    check_values(tg_linspace(tg, TG_F32, 3, 5, 1), 3);
    assert_int_equal(tg_linspace(tg, TG_F32, 3, 5, 0)->numel, 0);
    check_ok(tg);
}

static void test_shape_lists(void **state)
{
    tg_context *tg = *state;
    tg_shape none = TG_SHAPE(), three = TG_DIMS(4, 5, 6);
    assert_int_equal(none.ndim, 0);
    assert_int_equal(three.ndim, 3);
    assert_int_equal(three.dims[2], 6);
    tg_tensor *t = tg_scalar(tg, TG_F32, 1);
    tg_list list = TG_LIST(t, NULL, t), empty = TG_LIST();
    assert_int_equal(list.n, 3);
    assert_null(list.items[1]);
    assert_ptr_equal(list.items[2], t);
    assert_int_equal(empty.n, 0);
    int n = 3;
    assert_int_equal(tg_zeros(tg, TG_F32, TG_SHAPE(n++, 5, (char)2))->ndim, 3);
    assert_int_equal(n, 4); /* counting the list does not evaluate it */
}

static void test_dimensions(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(1, 2, 1, 2, 1, 2, 1, 2));
    check_layout(t, TG_SHAPE(1, 2, 1, 2, 1, 2, 1, 2), TG_STRIDES(16, 8, 8, 4, 4, 2, 2, 1), 0, t);
    assert_true(tg_item(tg_sum(tg_mul(t, tg_permute(t, TG_DIMS(6, 5, 4, 3, 2, 1, 0, 7))))) == 16);
    assert_true(tg_get(t, TG_INDEX(0, 1, 0, 1, 0, 1, 0, -1)) == 1);
    assert_null(tg_zeros(tg, TG_F32, TG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1)));
    check_error(tg, TG_ERR_SHAPE, "zeros: 9 dimensions; 0 to 8 are allowed");
    assert_null(tg_unsqueeze(t, 0));
    check_error(tg, TG_ERR_SHAPE,
                "unsqueeze: [1, 2, 1, 2, 1, 2, 1, 2] has 8 dimensions, the most allowed");
    assert_null(tg_expand(t, TG_SHAPE(2, 1, 2, 1, 2, 1, 2, 1, 2)));
    check_error(tg, TG_ERR_SHAPE, "expand: 9 dimensions; 0 to 8 are allowed");
    assert_null(tg_stack(TG_LIST(t, t), 0));
    check_error(tg, TG_ERR_SHAPE,
                "stack: [1, 2, 1, 2, 1, 2, 1, 2] has 8 dimensions, the most allowed");
}

/* ---- The caller's memory. */

static void test_wrap(void **state)
{
    tg_context *tg = *state;
    float data[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    tg_tensor *t = tg_wrap_f32(tg, TG_SHAPE(3, 4), TG_CONTIGUOUS, data);
    assert_ptr_equal(t->data, data);
    check_layout(t, TG_SHAPE(3, 4), TG_STRIDES(4, 1), 0, t);
    tg_tensor *sparse = tg_wrap_f32(tg, TG_SHAPE(2, 3), TG_STRIDES(1, 4), data + 1);
    check_values(sparse, 1, 5, 9, 2, 6, 10);
    assert_false(tg_is_contiguous(sparse));
    assert_non_null(tg_mul_(sparse, tg_full(tg, TG_F32, TG_SHAPE(), 10)));
    assert_true(data[1] == 10 && data[10] == 100 && data[0] == 0 && data[3] == 3);
    assert_true(tg_set(sparse, TG_INDEX(1, -1), -1));
    assert_true(data[10] == -1);
    data[0] = 42;
    assert_true(tg_get(t, TG_INDEX(0, 0)) == 42);
    tg_release(t);
    assert_true(data[0] == 42);
    tg_scope_begin(tg);
    assert_non_null(tg_fill_(tg_wrap_f32(tg, TG_SHAPE(12), TG_CONTIGUOUS, data), 1));
    tg_scope_end(tg);
    assert_true(data[11] == 1);

    double f64[] = {0.5};
    int64_t i64[] = {INT64_MAX, 0, 5};
    bool flags[] = {true, false, true};
    check_values(tg_wrap_f64(tg, TG_SHAPE(), TG_STRIDES(), f64), 0.5);
    tg_tensor *numbers = tg_wrap_i64(tg, TG_SHAPE(2), TG_STRIDES(2), i64);
    assert_true(tg_get_i64(numbers, TG_INDEX(0)) == INT64_MAX);
    assert_true(tg_get_i64(numbers, TG_INDEX(-1)) == 5);
    check_values(tg_wrap_bool(tg, TG_SHAPE(3), TG_CONTIGUOUS, flags), 1, 0, 1);
    assert_int_equal(tg_wrap_f32(tg, TG_SHAPE(0), TG_CONTIGUOUS, NULL)->numel, 0);
    assert_null(tg_data_f32(tg_wrap_f32(tg, TG_SHAPE(0), TG_CONTIGUOUS, data)));
    check_ok(tg);
}

/* A tensor whose elements overlap can be read, but not written to. */
static void test_wrap_overlap(void **state)
{
    tg_context *tg = *state;
    float data[] = {1, 2, 3, 4};
    tg_tensor *windows = tg_wrap_f32(tg, TG_SHAPE(3, 2), TG_STRIDES(1, 1), data);
    check_values(windows, 1, 2, 2, 3, 3, 4);
    assert_null(tg_zero_(windows));
    check_error(tg, TG_ERR_ARGUMENT,
                "zero_: elements of the tensor [3, 2] share memory, so it cannot be written to; "
                "use tg_clone first");
    tg_tensor *same = tg_wrap_f32(tg, TG_SHAPE(2, 2), TG_STRIDES(0, 1), data);
    check_values(same, 1, 2, 1, 2);
    assert_false(tg_set(same, TG_INDEX(0, 0), 1));
    check_error(tg, TG_ERR_ARGUMENT,
                "set: elements of the tensor [2, 2] share memory, so it cannot be written to; use "
                "tg_clone first");
    assert_null(tg_uniform_(same, 0, 1));
    tg_clear_error(tg);
    assert_non_null(tg_fill_(tg_select(same, 0, 1), 7)); /* one row by itself is sound */
    check_values(same, 7, 7, 7, 7);
    tg_tensor *one = tg_wrap_f32(tg, TG_SHAPE(1, 4), TG_STRIDES(0, 1), data);
    assert_non_null(tg_fill_(one, 2));
    check_ok(tg);
}

/* A write whose two sides are tensors over the same memory, in different order. */
static void test_wrap_twice(void **state)
{
    tg_context *tg = *state;
    enum { N = 50 };
    static float data[N * N];
    for (int i = 0; i < N * N; i++) data[i] = (float)i;
    tg_tensor *a = tg_wrap_f32(tg, TG_SHAPE(N, N), TG_CONTIGUOUS, data);
    tg_tensor *b = tg_wrap_f32(tg, TG_SHAPE(N, N), TG_STRIDES(1, N), data);
    assert_non_null(tg_copy_(a, b));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) assert_true(data[i * N + j] == (float)(j * N + i));
}

/* With the largest strides that are accepted, the offset of no view overflows. */
static void test_wrap_far_strides(void **state)
{
    tg_context *tg = *state;
    float value = 3;
    int64_t far = PTRDIFF_MAX / 8;
    tg_tensor *t = tg_wrap_f32(tg, TG_SHAPE(1, 1), TG_STRIDES(far, far), &value);
    check_values(t, 3);
    check_values(tg_diagonal(t, 0, 0, 1), 3);
    check_values(tg_unsqueeze(t, 0), 3);
    check_values(tg_slice(t, 0, 0, TG_END, INT64_MAX), 3);
    assert_int_equal(tg_slice(t, 0, 1, TG_END, 1)->numel, 0);
    assert_int_equal(tg_narrow(t, 1, 1, 0)->numel, 0);
    check_values(tg_contiguous(tg_reshape(t, TG_SHAPE(1))), 3);
    check_ok(tg);
}

/* ---- Views. base is 2 x 3 x 4, row-major, holding 0 to 23. */

static tg_tensor *counting(tg_context *tg)
{
    return tg_view(tg_arange(tg, TG_F32, 0, 24, 1), TG_SHAPE(2, 3, 4));
}

static void test_view_layouts(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = counting(tg), *s = tg_scalar(tg, TG_F32, 5);
    check_layout(t, TG_SHAPE(2, 3, 4), TG_STRIDES(12, 4, 1), 0, t);
    check_layout(tg_view(t, TG_SHAPE(6, 4)), TG_SHAPE(6, 4), TG_STRIDES(4, 1), 0, t);
    check_layout(tg_view(t, TG_SHAPE(-1)), TG_SHAPE(24), TG_STRIDES(1), 0, t);
    check_layout(tg_view(t, TG_SHAPE(2, -1, 2)), TG_SHAPE(2, 6, 2), TG_STRIDES(12, 2, 1), 0, t);
    check_layout(tg_view(s, TG_SHAPE(1, 1)), TG_SHAPE(1, 1), TG_STRIDES(1, 1), 0, s);
    check_layout(tg_view(tg_view(s, TG_SHAPE(1)), TG_SHAPE()), TG_SHAPE(), TG_STRIDES(), 0, s);
    check_layout(tg_flatten(t, 0, -1), TG_SHAPE(24), TG_STRIDES(1), 0, t);
    check_layout(tg_flatten(t, 1, 2), TG_SHAPE(2, 12), TG_STRIDES(12, 1), 0, t);
    check_layout(tg_flatten(t, 1, 1), TG_SHAPE(2, 3, 4), TG_STRIDES(12, 4, 1), 0, t);
    check_layout(tg_flatten(s, 0, 0), TG_SHAPE(1), TG_STRIDES(1), 0, s);
    check_layout(tg_transpose(t, 0, -1), TG_SHAPE(4, 3, 2), TG_STRIDES(1, 4, 12), 0, t);
    check_layout(tg_transpose(t, 1, 1), TG_SHAPE(2, 3, 4), TG_STRIDES(12, 4, 1), 0, t);
    check_layout(tg_transpose(s, 0, -1), TG_SHAPE(), TG_STRIDES(), 0, s);
    check_layout(tg_t(tg_select(t, 0, 1)), TG_SHAPE(4, 3), TG_STRIDES(1, 4), 12, t);
    assert_ptr_equal(tg_t(s), s);
    check_layout(tg_permute(t, TG_DIMS(-1, 0, 1)), TG_SHAPE(4, 2, 3), TG_STRIDES(1, 12, 4), 0, t);
    check_layout(tg_permute(s, TG_DIMS()), TG_SHAPE(), TG_STRIDES(), 0, s);
    check_layout(tg_expand(tg_select(t, 0, 1), TG_SHAPE(5, 3, -1)), TG_SHAPE(5, 3, 4),
                 TG_STRIDES(0, 4, 1), 12, t);
    check_layout(tg_expand(s, TG_SHAPE(2, 3)), TG_SHAPE(2, 3), TG_STRIDES(0, 0), 0, s);
    check_layout(tg_expand(tg_narrow(t, 2, 1, 1), TG_SHAPE(2, 3, 6)), TG_SHAPE(2, 3, 6),
                 TG_STRIDES(12, 4, 0), 1, t);
    check_layout(tg_expand(tg_narrow(t, 2, 1, 1), TG_SHAPE(2, 3, 0)), TG_SHAPE(2, 3, 0),
                 TG_STRIDES(12, 4, 0), 0, t);
    check_ok(tg);
}

static void test_size_one_layouts(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = counting(tg), *wide = tg_view(t, TG_SHAPE(1, 6, 1, 4, 1));
    check_layout(tg_squeeze(wide), TG_SHAPE(6, 4), TG_STRIDES(4, 1), 0, t);
    check_layout(tg_squeeze_dim(wide, 0), TG_SHAPE(6, 1, 4, 1), TG_STRIDES(4, 4, 1, 1), 0, t);
    check_layout(tg_squeeze_dim(wide, -1), TG_SHAPE(1, 6, 1, 4), TG_STRIDES(24, 4, 4, 1), 0, t);
    check_layout(tg_squeeze_dim(t, 1), TG_SHAPE(2, 3, 4), TG_STRIDES(12, 4, 1), 0, t);
    tg_tensor *one = tg_ones(tg, TG_F32, TG_SHAPE(1, 1));
    check_layout(tg_squeeze(one), TG_SHAPE(), TG_STRIDES(), 0, one);
    check_layout(tg_squeeze_dim(tg_squeeze(one), 0), TG_SHAPE(), TG_STRIDES(), 0, one);
    check_layout(tg_unsqueeze(t, 0), TG_SHAPE(1, 2, 3, 4), TG_STRIDES(24, 12, 4, 1), 0, t);
    check_layout(tg_unsqueeze(t, 2), TG_SHAPE(2, 3, 1, 4), TG_STRIDES(12, 4, 4, 1), 0, t);
    check_layout(tg_unsqueeze(t, -1), TG_SHAPE(2, 3, 4, 1), TG_STRIDES(12, 4, 1, 1), 0, t);
    check_layout(tg_unsqueeze(tg_squeeze(one), -1), TG_SHAPE(1), TG_STRIDES(1), 0, one);
    check_ok(tg);
}

static void test_part_layouts(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = counting(tg);
    check_layout(tg_select(t, 1, -1), TG_SHAPE(2, 4), TG_STRIDES(12, 1), 8, t);
    check_layout(tg_select(tg_select(tg_select(t, 0, 1), 0, 2), 0, 3), TG_SHAPE(), TG_STRIDES(), 23,
                 t);
    check_layout(tg_narrow(t, 2, 1, 2), TG_SHAPE(2, 3, 2), TG_STRIDES(12, 4, 1), 1, t);
    check_layout(tg_narrow(t, 1, -2, 2), TG_SHAPE(2, 2, 4), TG_STRIDES(12, 4, 1), 4, t);
    check_layout(tg_narrow(t, 1, 3, 0), TG_SHAPE(2, 0, 4), TG_STRIDES(12, 4, 1), 0, t);
    check_layout(tg_slice(t, 2, 1, TG_END, 2), TG_SHAPE(2, 3, 2), TG_STRIDES(12, 4, 2), 1, t);
    check_layout(tg_slice(t, 2, -3, -1, 1), TG_SHAPE(2, 3, 2), TG_STRIDES(12, 4, 1), 1, t);
    check_layout(tg_slice(t, 1, -9, 9, 3), TG_SHAPE(2, 1, 4), TG_STRIDES(12, 12, 1), 0, t);
    check_layout(tg_slice(t, 0, INT64_MIN, INT64_MAX, 1), TG_SHAPE(2, 3, 4), TG_STRIDES(12, 4, 1),
                 0, t);
    assert_int_equal(tg_slice(t, 0, 1, 0, 1)->numel, 0);
    assert_int_equal(tg_slice(t, 0, 2, TG_END, 1)->numel, 0);
    assert_int_equal(tg_slice(t, 0, INT64_MAX, INT64_MIN, 1)->numel, 0);
    tg_tensor *far = tg_slice(t, 2, 2, TG_END, INT64_MAX);
    assert_int_equal(far->shape[2], 1);
    check_values(far, 2, 6, 10, 14, 18, 22);
    check_layout(tg_slice(tg_slice(t, 2, 0, TG_END, 2), 2, 1, TG_END, 2), TG_SHAPE(2, 3, 1),
                 TG_STRIDES(12, 4, 4), 2, t);
    check_layout(tg_diagonal(t, 0, 1, 2), TG_SHAPE(2, 3), TG_STRIDES(12, 5), 0, t);
    check_layout(tg_diagonal(t, 1, 1, 2), TG_SHAPE(2, 3), TG_STRIDES(12, 5), 1, t);
    check_layout(tg_diagonal(t, -2, -2, -1), TG_SHAPE(2, 1), TG_STRIDES(12, 5), 8, t);
    check_layout(tg_diagonal(t, 0, 2, 0), TG_SHAPE(3, 2), TG_STRIDES(4, 13), 0, t);
    check_layout(tg_diagonal(t, 4, 1, 2), TG_SHAPE(2, 0), TG_STRIDES(12, 5), 0, t);
    check_layout(tg_diagonal(t, INT_MIN, 1, 2), TG_SHAPE(2, 0), TG_STRIDES(12, 5), 0, t);
    check_layout(tg_diagonal(t, INT_MAX, 1, 2), TG_SHAPE(2, 0), TG_STRIDES(12, 5), 0, t);
    check_layout(tg_detach(tg_select(t, 0, 1)), TG_SHAPE(3, 4), TG_STRIDES(4, 1), 12, t);
    check_ok(tg);
}

/* reshape makes no copy where the strides allow a view. */
static void test_reshape(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = counting(tg), *swapped = tg_transpose(t, 0, 1); /* 3 x 2 x 4: 4, 12, 1 */
    check_layout(tg_reshape(t, TG_SHAPE(4, 3, 2)), TG_SHAPE(4, 3, 2), TG_STRIDES(6, 2, 1), 0, t);
    check_layout(tg_reshape(swapped, TG_SHAPE(3, 2, 2, 2)), TG_SHAPE(3, 2, 2, 2),
                 TG_STRIDES(4, 12, 2, 1), 0, t);
    check_layout(tg_reshape(tg_narrow(t, 2, 0, 2), TG_SHAPE(6, 2)), TG_SHAPE(6, 2),
                 TG_STRIDES(4, 1), 0, t);
    check_layout(tg_reshape(tg_slice(t, 2, 0, TG_END, 2), TG_SHAPE(-1)), TG_SHAPE(12),
                 TG_STRIDES(2), 0, t);
    check_layout(tg_reshape(tg_expand(tg_select(t, 0, 0), TG_SHAPE(5, 3, 4)), TG_SHAPE(5, 12)),
                 TG_SHAPE(5, 12), TG_STRIDES(0, 1), 0, t);
    tg_tensor *copy = tg_reshape(swapped, TG_SHAPE(6, 4));
    check_layout(copy, TG_SHAPE(6, 4), TG_STRIDES(4, 1), 0, copy);
    assert_ptr_not_equal(copy->data, t->data);
    check_values(tg_select(copy, 1, 0), 0, 12, 4, 16, 8, 20);
    assert_null(tg_view(swapped, TG_SHAPE(6, 4)));
    check_error(tg, TG_ERR_SHAPE,
                "view: [3, 2, 4] with strides [4, 12, 1] cannot be seen as [6, 4] without a copy; "
                "use tg_reshape");
    copy = tg_reshape(tg_slice(t, 2, 0, 3, 1), TG_SHAPE(18));
    assert_ptr_not_equal(copy->data, t->data);
    check_values(tg_narrow(copy, 0, 0, 7), 0, 1, 2, 4, 5, 6, 8);
    copy = tg_flatten(tg_expand(tg_select(t, 0, 0), TG_SHAPE(5, 3, 4)), 0, -1);
    assert_ptr_not_equal(copy->data, t->data);
    assert_int_equal(copy->shape[0], 60);
    check_ok(tg);
}

static void test_zero_size(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_zeros(tg, TG_F32, TG_SHAPE(2, 0, 3));
    assert_null(t->data);
    check_layout(t, TG_SHAPE(2, 0, 3), TG_STRIDES(3, 3, 1), 0, t);
    assert_true(tg_is_contiguous(t) && tg_is_contiguous(tg_t(tg_select(t, 2, 0))));
    check_layout(tg_view(t, TG_SHAPE(0)), TG_SHAPE(0), TG_STRIDES(1), 0, t);
    assert_int_equal(tg_view(t, TG_SHAPE(5, 0, 7))->ndim, 3);
    assert_int_equal(tg_view(t, TG_SHAPE(2, -1))->shape[1], 0);
    assert_int_equal(tg_flatten(t, 0, -1)->shape[0], 0);
    assert_int_equal(tg_permute(t, TG_DIMS(2, 1, 0))->shape[0], 3);
    assert_int_equal(tg_unsqueeze(t, 1)->ndim, 4);
    assert_int_equal(tg_squeeze(t)->ndim, 3);
    assert_int_equal(tg_select(t, 0, 1)->ndim, 2);
    assert_int_equal(tg_narrow(t, 1, 0, 0)->numel, 0);
    assert_int_equal(tg_slice(t, 1, 0, TG_END, INT64_MAX)->numel, 0);
    assert_int_equal(tg_diagonal(t, 0, 0, 1)->numel, 0);
    assert_int_equal(tg_expand(t, TG_SHAPE(4, 2, 0, 3))->numel, 0);
    assert_int_equal(tg_clone(t)->numel, 0);
    assert_ptr_equal(tg_contiguous(t), t);
    assert_int_equal(tg_cast(t, TG_I64)->dtype, TG_I64);
    assert_true(tg_copy_from_f32(t, NULL));
    assert_true(tg_copy_to_f32(t, NULL));
    assert_null(tg_data_f32(t));
    assert_null(tg_data_f32(tg_narrow(tg_ones(tg, TG_F32, TG_SHAPE(4)), 0, 2, 0)));
    assert_ptr_equal(tg_zero_(t), t);
    assert_ptr_equal(tg_add_(t, tg_ones(tg, TG_F32, TG_SHAPE(3))), t);
    assert_ptr_equal(tg_copy_(t, t), t);
    check_ok(tg);
    assert_true(isnan(tg_item(t)) != 0);
    check_error(tg, TG_ERR_SHAPE, "item: [2, 0, 3] has 0 elements, not one");
}

/* Sizes whose product would overflow are refused even beside a size of 0. */
static void test_zero_size_overflow(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_zeros(tg, TG_F32, TG_SHAPE(0));
    assert_null(tg_view(t, TG_SHAPE(0, 4, INT64_MAX)));
    check_error(tg, TG_ERR_SHAPE,
                "view: [0, 4, 9223372036854775807] has more elements than memory can hold");
    assert_null(tg_reshape(t, TG_SHAPE(INT64_MAX, 0, 4)));
    tg_clear_error(tg);
    assert_null(tg_zeros(tg, TG_F32, TG_SHAPE(0, INT64_MAX)));
    check_error(tg, TG_ERR_SHAPE,
                "zeros: [0, 9223372036854775807] has more elements than memory can hold");
    int64_t root = (int64_t)1 << 32;
    assert_null(tg_zeros(tg, TG_F32, TG_SHAPE(root, root)));
    check_error(tg, TG_ERR_SHAPE,
                "zeros: [4294967296, 4294967296] has more elements than memory can hold");
    assert_null(tg_expand(tg_scalar(tg, TG_F32, 1), TG_SHAPE(root, root)));
    check_error(tg, TG_ERR_SHAPE,
                "expand: [4294967296, 4294967296] has more elements than memory can hold");
    const int64_t half = PTRDIFF_MAX / 8 / 2 / 1024; /* the half of the elements that fit */
    char text[100];
    tg_tensor *wide = tg_expand(tg_scalar(tg, TG_F32, 1), TG_SHAPE(half, 1024));
    assert_non_null(wide);
    assert_null(tg_add(tg_unsqueeze(wide, 2), tg_ones(tg, TG_F32, TG_SHAPE(64))));
    snprintf(text, sizeof text, "add: [%lld, 1024, 64] has more elements than memory can hold",
             (long long)half);
    check_error(tg, TG_ERR_SHAPE, text);
    assert_int_equal(tg_mul(wide, tg_zeros(tg, TG_F32, TG_SHAPE(0, 1, 1)))->numel, 0);
}

/* ---- Copies. */

static void test_copies(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_from_f32(tg, TG_SHAPE(2, 2), (float[]){1.9f, -1.9f, 0, NAN}),
              *turned = tg_t(t);
    assert_ptr_equal(tg_contiguous(t), t);
    tg_tensor *row_major = tg_contiguous(turned);
    check_layout(row_major, TG_SHAPE(2, 2), TG_STRIDES(2, 1), 0, row_major);
    check_values(row_major, (double)1.9f, 0, (double)-1.9f, NAN);
    tg_tensor *clone = tg_clone(t);
    assert_ptr_not_equal(clone->data, t->data);
    assert_ptr_equal(tg_cast(t, TG_F32), t);
    check_values(tg_cast(t, TG_I64), 1, -1, 0, -0x1p63);
    check_values(tg_cast(t, TG_BOOL), 1, 1, 0, 1);
    check_values(tg_cast(turned, TG_F64), (double)1.9f, 0, (double)-1.9f, NAN);
    check_values(tg_cast(tg_full(tg, TG_F64, TG_SHAPE(2), 1e30), TG_I64), -0x1p63, -0x1p63);
    check_values(tg_cast(tg_full(tg, TG_F64, TG_SHAPE(1), -INFINITY), TG_I64), -0x1p63);
    check_values(tg_cast(tg_full(tg, TG_F64, TG_SHAPE(1), 1e300), TG_F32), INFINITY);
    check_values(tg_cast(tg_ones(tg, TG_BOOL, TG_SHAPE(1)), TG_F32), 1);
    check_ok(tg);
}

/* ---- Reading and writing. */

static void test_read(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = counting(tg), *turned = tg_permute(t, TG_DIMS(2, 0, 1));
    assert_true(tg_item(tg_full(tg, TG_I64, TG_SHAPE(1, 1, 1), -7)) == -7);
    assert_true(tg_item(tg_select(tg_flatten(t, 0, -1), 0, 9)) == 9);
    assert_true(tg_get(t, TG_INDEX(1, 2, 3)) == 23 && tg_get(t, TG_INDEX(-2, -3, -4)) == 0);
    assert_true(tg_get(turned, TG_INDEX(3, 0, 1)) == 7);
    assert_true(tg_get(tg_scalar(tg, TG_BOOL, 1), TG_INDEX()) == 1);
    float values[24];
    assert_true(tg_copy_to_f32(turned, values));
    assert_true(values[0] == 0 && values[1] == 4 && values[3] == 12 && values[23] == 23);
    assert_ptr_equal(tg_data_f32(t), t->data);
    check_ok(tg);
    assert_null(tg_data_f64(t));
    check_error(tg, TG_ERR_DTYPE, "data_f64: the tensor [2, 3, 4] is float32");
}

static void test_write(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_zeros(tg, TG_F64, TG_SHAPE(2, 3)), *turned = tg_t(t);
    assert_true(tg_set(turned, TG_INDEX(2, -1), 0.1));
    check_values(t, 0, 0, 0, 0, 0, 0.1);
    assert_true(tg_copy_from_f64(turned, (double[]){1, 2, 3, 4, 5, 6}));
    check_values(t, 1, 3, 5, 2, 4, 6);
    tg_tensor *i = tg_zeros(tg, TG_I64, TG_SHAPE(2)), *b = tg_zeros(tg, TG_BOOL, TG_SHAPE(2));
    assert_true(tg_copy_from_i64(i, (int64_t[]){INT64_MIN, 3}));
    assert_true(tg_copy_from_bool(b, (bool[]){true, false}));
    assert_true(tg_set(b, TG_INDEX(1), 0.25) && tg_set(i, TG_INDEX(1), -1));
    int64_t wide[2];
    bool flags[2];
    assert_true(tg_copy_to_i64(i, wide) && tg_copy_to_bool(b, flags));
    assert_true(wide[0] == INT64_MIN && wide[1] == -1 && flags[0] && flags[1]);
    assert_false(tg_set(i, TG_INDEX(0), 0.5));
    check_error(tg, TG_ERR_ARGUMENT, "set: 0.5 is not a value of int64");
    assert_false(tg_set(tg_expand(t, TG_SHAPE(2, 2, 3)), TG_INDEX(0, 0, 0), 1));
    check_error(tg, TG_ERR_ARGUMENT,
                "set: elements of the tensor [2, 2, 3] share memory, so it cannot be written to; "
                "use tg_clone first");
    tg_tensor *leaf = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true);
    assert_true(tg_set(leaf, TG_INDEX(0), 5) && tg_copy_from_f32(leaf, (float[]){8, 9}));
    check_values(leaf, 8, 9);
    check_ok(tg);
}

/* ---- In place. */

static void test_in_place(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = counting(tg), *row = tg_from_f32(tg, TG_SHAPE(4), (float[]){1, 2, 3, 4});
    assert_ptr_equal(tg_add_(t, row), t);
    check_values(tg_select(tg_select(t, 0, 1), 0, 2), 21, 23, 25, 27);
    assert_ptr_equal(tg_sub_(t, row), t);
    tg_tensor *column = tg_select(t, 2, 1);
    assert_ptr_equal(tg_mul_(column, tg_full(tg, TG_F32, TG_SHAPE(1), -1)), column);
    check_values(tg_select(t, 0, 0), 0, -1, 2, 3, 4, -5, 6, 7, 8, -9, 10, 11);
    assert_ptr_equal(tg_copy_(tg_narrow(t, 2, 0, 2), tg_narrow(t, 2, 2, 2))->context, tg);
    check_values(tg_select(t, 0, 0), 2, 3, 2, 3, 6, 7, 6, 7, 10, 11, 10, 11);
    assert_non_null(tg_zero_(tg_diagonal(tg_select(t, 0, 0), 0, 0, 1)));
    check_values(tg_select(t, 0, 0), 0, 3, 2, 3, 6, 0, 6, 7, 10, 11, 0, 11);
    check_values(tg_fill_(tg_zeros(tg, TG_BOOL, TG_SHAPE(2)), 3), 1, 1);
    tg_tensor *i = tg_full(tg, TG_I64, TG_SHAPE(1), 0x1p62);
    check_values(tg_add_(i, i), -0x1p63); /* int64 wraps */
    assert_ptr_equal(tg_fill_(tg_scalar(tg, TG_F64, 1), 0.1)->context, tg);
    check_ok(tg);
}

/* Writes to t whose other side is a view of t. */
static void test_in_place_on_itself(void **state)
{
    tg_context *tg = *state;
    enum { N = 70 };
    tg_tensor *t = tg_view(tg_arange(tg, TG_F64, 0, N * N, 1), TG_SHAPE(N, N));
    assert_non_null(tg_add_(t, tg_t(t)));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) assert_true(tg_get(t, TG_INDEX(i, j)) == (N + 1) * (i + j));
    assert_non_null(tg_copy_(t, t));
    assert_non_null(tg_sub_(t, t));
    assert_true(tg_item(tg_sum(t)) == 0);
    t = tg_arange(tg, TG_F32, 0, 1000, 1);
    assert_non_null(tg_copy_(tg_narrow(t, 0, 1, 999), tg_narrow(t, 0, 0, 999)));
    for (int i = 0; i < 1000; i++) assert_true(element_of(t, i) == (i ? i - 1 : 0));
    assert_non_null(tg_mul_(t, tg_select(t, 0, 3))); /* a single element of itself: 2 */
    for (int i = 1; i < 1000; i++) assert_true(element_of(t, i) == 2 * (i - 1));
    tg_tensor *square = tg_view(tg_arange(tg, TG_F32, 0, 9, 1), TG_SHAPE(3, 3));
    assert_non_null(tg_add_(square, tg_select(square, 0, 1)));
    check_values(square, 3, 5, 7, 6, 8, 10, 9, 11, 13);
    assert_non_null(tg_copy_(square, tg_expand(tg_select(square, 1, 0), TG_SHAPE(3, 3))));
    check_values(square, 3, 6, 9, 3, 6, 9, 3, 6, 9);
    check_ok(tg);
}

static void test_in_place_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_zeros(tg, TG_F32, TG_SHAPE(2, 3));
    assert_null(tg_add_(t, tg_ones(tg, TG_F32, TG_SHAPE(2))));
    check_error(tg, TG_ERR_SHAPE, "add_: shapes [2, 3] and [2] do not broadcast");
    assert_null(tg_copy_(t, tg_ones(tg, TG_F32, TG_SHAPE(4, 2, 3))));
    check_error(tg, TG_ERR_SHAPE, "copy_: [4, 2, 3] does not broadcast to [2, 3]");
    assert_null(tg_mul_(tg_select(t, 0, 0), t));
    check_error(tg, TG_ERR_SHAPE, "mul_: [2, 3] does not broadcast to [3]");
    assert_null(tg_copy_(t, tg_ones(tg, TG_F64, TG_SHAPE(2, 3))));
    check_error(tg, TG_ERR_DTYPE,
                "copy_: float32 [2, 3] and float64 [2, 3]: dtypes differ; use tg_cast");
    tg_tensor *flags = tg_ones(tg, TG_BOOL, TG_SHAPE(2));
    assert_null(tg_add_(flags, flags));
    check_error(tg, TG_ERR_DTYPE, "add_: not for bool; use tg_cast");
    assert_null(tg_fill_(tg_zeros(tg, TG_I64, TG_SHAPE(1)), 0x1p63));
    check_error(tg, TG_ERR_ARGUMENT, "fill_: 9.22337e+18 is not a value of int64");
    check_values(t, 0, 0, 0, 0, 0, 0);
    check_values(flags, 1, 1);
}

#define IN_CONTEXT(test) cmocka_unit_test_setup_teardown(test, open_context, close_context)

/* ---- Any dtype. */

static void test_sizes_of_dtypes(void **state)
{
    (void)state;
    assert_int_equal(tg_dtype_size(TG_F32), sizeof(float));
    assert_int_equal(tg_dtype_size(TG_F64), sizeof(double));
    assert_int_equal(tg_dtype_size(TG_I64), sizeof(int64_t));
    assert_int_equal(tg_dtype_size(TG_BOOL), sizeof(bool));
    assert_int_equal(tg_dtype_size((tg_dtype)9), 0);
}

static void test_copies_of_any_dtype(void **state)
{
    for (tg_dtype d = TG_F32; d < (tg_dtype)TG_DTYPES; d++) {
        _Alignas(8) char bytes[6 * 8], back[6 * 8];
        const size_t size = 6 * tg_dtype_size(d);
        tg_tensor *t = tg_cast(tg_arange(*state, TG_F64, 0, 6, 1), d);
        assert_true(tg_copy_to(tg_t(tg_reshape(t, TG_SHAPE(2, 3))), bytes, size));
        tg_tensor *u = tg_zeros(*state, d, TG_SHAPE(2, 3));
        assert_true(tg_copy_from(tg_t(u), bytes, size));
        assert_true(tg_copy_to(u, back, size));
        assert_memory_equal(back, t->data, size);
    }
    double value = 1;
    tg_tensor *t = tg_zeros(*state, TG_F64, TG_SHAPE(2)),
              *none = tg_zeros(*state, TG_F64, TG_SHAPE(0));
    assert_false(tg_copy_from(t, &value, sizeof value));
    check_error(*state, TG_ERR_ARGUMENT, "copy_from: 8 bytes for float64 [2], which has 16");
    assert_false(tg_copy_to(t, &value, 0));
    check_error(*state, TG_ERR_ARGUMENT, "copy_to: 0 bytes for float64 [2], which has 16");
    assert_false(tg_copy_to(t, NULL, 16));
    check_error(*state, TG_ERR_ARGUMENT, "copy_to: values is NULL");
    assert_false(tg_copy_from(t, NULL, 16));
    check_error(*state, TG_ERR_ARGUMENT, "copy_from: values is NULL");
    assert_false(tg_copy_from(t, (char *)&value + 1, 16));
    check_error(*state, TG_ERR_ARGUMENT, "copy_from: values is not aligned for float64");
    assert_true(tg_copy_from(none, NULL, 0) && tg_copy_to(none, NULL, 0));
    assert_false(tg_copy_from(NULL, &value, 8) || tg_copy_to(NULL, &value, 8));
    check_values(t, 0, 0);
}

/* Data in read-only memory, as in the flash of a microcontroller. */
static const float weights[] = {1, 2, 3, 4, 5, 6};

static void test_const_memory(void **state)
{
    tg_context *tg = *state;
    tg_tensor *w = tg_wrap_const(tg, TG_F32, TG_SHAPE(2, 3), TG_CONTIGUOUS, weights);
    assert_ptr_equal(w->data, weights);
    check_values(tg_wrap_const(tg, TG_F32, TG_SHAPE(2), TG_STRIDES(3), weights), 1, 4);
    assert_null(tg_add_scalar_(w, 1));
    check_error(tg, TG_ERR_ARGUMENT,
                "add_scalar_: the tensor [2, 3] is const memory and read-only");
    assert_null(tg_zero_(tg_select(w, 0, 1)));
    check_error(tg, TG_ERR_ARGUMENT, "zero_: the tensor [3] is const memory and read-only");
    assert_false(tg_set(tg_detach(w), TG_INDEX(0, 0), 9));
    check_error(tg, TG_ERR_ARGUMENT, "set: the tensor [2, 3] is const memory and read-only");
    assert_null(tg_zero_(tg_borrow(tg, w)));
    check_error(tg, TG_ERR_ARGUMENT, "zero_: the tensor [2, 3] is borrowed and read-only");
    assert_true(tg_requires_grad_(w, true) && tg_backward(tg_sum(tg_mul(w, w))));
    check_values(w->grad, 2, 4, 6, 8, 10, 12);
    assert_null(tg_sgd_list(TG_LIST(w), NULL));
    check_error(tg, TG_ERR_ARGUMENT, "sgd: the tensor [2, 3] is const memory and read-only");
    check_values(tg_add_(tg_clone(w), w), 2, 4, 6, 8, 10, 12);
    assert_null(tg_wrap_const(tg, (tg_dtype)7, TG_SHAPE(2), TG_CONTIGUOUS, weights));
    check_error(tg, TG_ERR_DTYPE, "wrap_const: there is no dtype 7");
    assert_null(tg_wrap_const(tg, TG_F32, TG_SHAPE(2), TG_CONTIGUOUS, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "wrap_const: data is NULL");
    assert_null(
        tg_wrap_const(tg, TG_F64, TG_SHAPE(2), TG_CONTIGUOUS, (const char *)weights + 4 + 1));
    check_error(tg, TG_ERR_ARGUMENT, "wrap_const: data is not aligned for float64");
    assert_null(tg_wrap_const(NULL, TG_F32, TG_SHAPE(2), TG_CONTIGUOUS, weights));
}

/* Rows around the lengths that are computed in one piece, whose last piece may be one element. */
static void test_long_rows_with_columns(void **state)
{
    tg_context *tg = *state;
    const int64_t lengths[] = {224, 256, 257, 1025, 4097};
    const tg_dtype dtypes[] = {TG_F32, TG_F64, TG_I64};
    for (int k = 0; k < 15; k++) {
        const int64_t n = lengths[k / 3];
        tg_tensor *row = tg_arange(tg, dtypes[k % 3], 0, (double)n, 1);
        tg_tensor *column = tg_arange(tg, dtypes[k % 3], 0, 3, 1);
        tg_tensor *sum = tg_add(tg_unsqueeze(tg_mul_scalar(column, 5000), 1), row);
        tg_tensor *past = tg_logical_not(tg_lt(row, tg_unsqueeze(column, 1)));
        assert_non_null(sum);
        assert_non_null(past);
        for (int64_t i = 0; i < 3 * n; i++) {
            assert_true(element_of(sum, i) == (double)(i / n * 5000 + i % n));
            assert_true(element_of(past, i) == (i % n >= i / n));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_CONTEXT(test_sizes_of_dtypes),
        IN_CONTEXT(test_copies_of_any_dtype),
        IN_CONTEXT(test_const_memory),
        IN_CONTEXT(test_names),
        IN_CONTEXT(test_constants),
        IN_CONTEXT(test_from),
        IN_CONTEXT(test_ranges),
        IN_CONTEXT(test_shape_lists),
        IN_CONTEXT(test_dimensions),
        IN_CONTEXT(test_wrap),
        IN_CONTEXT(test_wrap_overlap),
        IN_CONTEXT(test_wrap_twice),
        IN_CONTEXT(test_wrap_far_strides),
        IN_CONTEXT(test_view_layouts),
        IN_CONTEXT(test_size_one_layouts),
        IN_CONTEXT(test_part_layouts),
        IN_CONTEXT(test_reshape),
        IN_CONTEXT(test_zero_size),
        IN_CONTEXT(test_zero_size_overflow),
        IN_CONTEXT(test_copies),
        IN_CONTEXT(test_read),
        IN_CONTEXT(test_write),
        IN_CONTEXT(test_in_place),
        IN_CONTEXT(test_long_rows_with_columns),
        IN_CONTEXT(test_in_place_on_itself),
        IN_CONTEXT(test_in_place_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
