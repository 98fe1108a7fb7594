/* The tensor: what it is, making one, views of it, reading and writing it. */
#ifndef TINYGRAD_TENSOR_H
#define TINYGRAD_TENSOR_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TG_MAX_DIMS 8

typedef enum tg_dtype { TG_F32, TG_F64, TG_I64, TG_BOOL } tg_dtype;

/* Read-only for callers. Only the library makes tensors, because there is more in memory behind the
 * struct. Element [i, j, ...] is at data + i * strides[0] + j * strides[1] + ..., counted in
 * elements (a TG_BOOL is one byte, true if it is not 0). ndim 0 is a scalar; a size of 0 is an
 * empty tensor. A tensor from tg_empty may be filled through data, row-major, until it is passed to
 * another call. */
typedef struct tg_tensor tg_tensor;
struct tg_tensor {
    tg_context *context;
    void *data;
    tg_tensor *grad; /* NULL means none */
    tg_dtype dtype;
    int ndim;
    bool requires_grad;
    int64_t numel; /* number of elements */
    int64_t shape[TG_MAX_DIMS];
    int64_t strides[TG_MAX_DIMS];
};

/* Sizes, strides, dimensions or indices: ndim numbers that the callee copies. What TG_SHAPE makes
 * is meant to be written in the call: stored, its numbers live to the end of the enclosing block in
 * C, but only to the end of the expression in C++. The same holds for TG_LIST. */
typedef struct tg_shape {
    int ndim;
    const int64_t *dims;
} tg_shape;

/* Tensors: n pointers that the callee copies. A function that returns a list and fails returns one
 * with n = 0; its first TG_READABLE items can be read all the same, and are NULL. */
typedef struct tg_list {
    int n;
    tg_tensor *const *items;
} tg_list;

enum { TG_READABLE = 64 };

#ifdef __cplusplus
}

/* Items in braces are evaluated from left to right; arguments of a call are not. */
#include <initializer_list>
#include <type_traits>

namespace tg_detail
{
struct integer {
    int64_t value;
    template <class T> integer(T t) : value(static_cast<int64_t>(t))
    {
        static_assert(!std::is_floating_point<T>::value,
                      "TG_SHAPE, TG_DIMS, TG_INDEX and TG_STRIDES take integers, and a double or "
                      "float must be cast to int64_t");
    }
};
inline tg_shape shape_of(std::initializer_list<integer> l)
{
    return tg_shape{static_cast<int>(l.size()), l.size() ? &l.begin()->value : nullptr};
}
inline tg_list list_of(std::initializer_list<tg_tensor *> l)
{
    return tg_list{static_cast<int>(l.size()), l.begin()};
}
} // namespace tg_detail

#define TG_SHAPE(...) (tg_detail::shape_of({__VA_ARGS__}))
#define TG_LIST(...)  (tg_detail::list_of({__VA_ARGS__}))
#define TG_CONTIGUOUS (tg_shape{-1, nullptr})

extern "C" {
#else
/* TG_SHAPE(2, 3), TG_SHAPE() for a scalar; TG_LIST(a, b). C leaves open which of a and b is
 * evaluated first; C++ goes from left to right. The leading element, which is skipped, makes the
 * empty list valid C. The numbers are integers: C++ refuses TG_SHAPE(2.5), while C cuts 2.5 to 2,
 * of which compilers warn with -Wfloat-conversion. */
#define TG_SHAPE(...)                                                                              \
    ((tg_shape){(int)(sizeof((int64_t[]){0, __VA_ARGS__}) / sizeof(int64_t)) - 1,                  \
                (const int64_t[]){0, __VA_ARGS__} + 1})
#define TG_LIST(...)                                                                               \
    ((tg_list){(int)(sizeof((tg_tensor *[]){NULL, __VA_ARGS__}) / sizeof(tg_tensor *)) - 1,        \
               (tg_tensor *const[]){NULL, __VA_ARGS__} + 1})
/* As strides: row-major without gaps. */
#define TG_CONTIGUOUS ((tg_shape){-1, NULL})
#endif

/* The same list of numbers under the name that fits. */
#define TG_DIMS    TG_SHAPE
#define TG_INDEX   TG_SHAPE
#define TG_STRIDES TG_SHAPE

/* "float32", "float64", "int64", "bool"; "?" for no dtype. */
TG_API const char *tg_dtype_name(tg_dtype dtype);
/* Bytes of an element: 4, 8, 8, 1; 0 for no dtype. */
TG_API size_t tg_dtype_size(tg_dtype dtype);

/* ---- Making. Row-major, in the current scope, requires_grad false. A negative or overflowing
 * size, or more than TG_MAX_DIMS of them, is TG_ERR_SHAPE. A value that the dtype cannot hold (0.5
 * as int64, 1e300 as float32) is TG_ERR_ARGUMENT; as bool, all but 0 is true.
 *
 * Numbers are passed as double, which holds every integer up to 2^53 but not every one beyond. An
 * int64 that double cannot hold is passed to an operation as a 0-d tensor, tg_from_i64(tg,
 * TG_SHAPE(), &value), and read and written by the functions that end in _i64. */

/* The contents are undefined until written. */
TG_API tg_tensor *tg_empty(tg_context *tg, tg_dtype dtype, tg_shape shape);
TG_API tg_tensor *tg_zeros(tg_context *tg, tg_dtype dtype, tg_shape shape);
TG_API tg_tensor *tg_ones(tg_context *tg, tg_dtype dtype, tg_shape shape);
TG_API tg_tensor *tg_full(tg_context *tg, tg_dtype dtype, tg_shape shape, double value);
/* A 0-d tensor. */
TG_API tg_tensor *tg_scalar(tg_context *tg, tg_dtype dtype, double value);

/* Shape and dtype of t. */
TG_API tg_tensor *tg_empty_like(const tg_tensor *t);
TG_API tg_tensor *tg_zeros_like(const tg_tensor *t);
TG_API tg_tensor *tg_ones_like(const tg_tensor *t);
TG_API tg_tensor *tg_full_like(const tg_tensor *t, double value);

/* Copies as many values as the shape has elements, row-major. values may be NULL only when that is
 * 0. */
TG_API tg_tensor *tg_from_f32(tg_context *tg, tg_shape shape, const float *values);
TG_API tg_tensor *tg_from_f64(tg_context *tg, tg_shape shape, const double *values);
TG_API tg_tensor *tg_from_i64(tg_context *tg, tg_shape shape, const int64_t *values);
TG_API tg_tensor *tg_from_bool(tg_context *tg, tg_shape shape, const bool *values);

/* The caller's memory as a tensor, without a copy: it must outlive the tensor and all its views and
 * is never freed. strides are in elements, not negative, one a dimension, or TG_CONTIGUOUS.
 * In-place operations write to it; memory whose elements overlap (a stride of 0) can be read only.
 * data must be aligned for its type. */
TG_API tg_tensor *tg_wrap_f32(tg_context *tg, tg_shape shape, tg_shape strides, float *data);
TG_API tg_tensor *tg_wrap_f64(tg_context *tg, tg_shape shape, tg_shape strides, double *data);
TG_API tg_tensor *tg_wrap_i64(tg_context *tg, tg_shape shape, tg_shape strides, int64_t *data);
TG_API tg_tensor *tg_wrap_bool(tg_context *tg, tg_shape shape, tg_shape strides, bool *data);

/* The same, for any dtype, of memory that is not to be written to, such as weights in read-only
 * memory: a write through the tensor or a view of it is TG_ERR_ARGUMENT. The tensor may require
 * grad. */
TG_API tg_tensor *tg_wrap_const(tg_context *tg, tg_dtype dtype, tg_shape shape, tg_shape strides,
                                const void *data);

/* start, start + step, ... before end: ceil((end - start) / step) elements, none if start equals
 * end. A step that is 0 or leads away from end is TG_ERR_ARGUMENT, and so is bool. For int64,
 * start, end and step must be integers. */
TG_API tg_tensor *tg_arange(tg_context *tg, tg_dtype dtype, double start, double end, double step);
/* The same in int64, for integers that a double cannot hold. */
TG_API tg_tensor *tg_arange_i64(tg_context *tg, int64_t start, int64_t end, int64_t step);
/* steps values from start to end, both included. Floating dtypes, which must hold both ends. */
TG_API tg_tensor *tg_linspace(tg_context *tg, tg_dtype dtype, double start, double end,
                              int64_t steps);
/* (n, m), ones on the diagonal. */
TG_API tg_tensor *tg_eye(tg_context *tg, tg_dtype dtype, int64_t n, int64_t m);

/* ---- Lifetime. */

/* A detached copy of t in the scope around the current one; in the outermost scope, a copy there.
 * With tg_release, a loop can carry a state from step to step in no more memory than one step
 * takes:
 *
 *     tg_tensor *next = tg_keep(h_of_this_step);
 *     tg_scope_end(tg);
 *     tg_release(h);
 *     h = next; */
TG_API tg_tensor *tg_keep(tg_tensor *t);

/* Gives t up before its scope ends; the caller must not use t or its grad afterwards. The memory of
 * the elements returns to the context once no view and no recorded operation needs it; that of a
 * small tensor serves other tensors of its size in the same scope. A use of t after its release is
 * reported (TG_ERR_CONTEXT) as long as no other tensor has taken its memory; later it reads that
 * tensor's values. A build with AddressSanitizer stops at it. NULL is ignored, and so is a leaf's
 * grad, whose memory belongs to the leaf. */
TG_API void tg_release(tg_tensor *t);

/* A read-only alias, in context tg, of a tensor of any context; a leaf with a gradient of its own
 * when t requires grad. t must outlive the alias, must not be written to meanwhile from another
 * thread, and, if it is a grad, must not be cleared. Backward reports a write to t since the
 * forward that read the alias, as it does for any other tensor. The call only reads t: an error is
 * recorded in tg, never in t's context. */
TG_API tg_tensor *tg_borrow(tg_context *tg, const tg_tensor *t);

/* ---- Views: the same memory seen with another shape. dim counts from the end when negative. All
 * differentiable. */

/* One size may be -1: what is left. tg_view never copies (TG_ERR_SHAPE where it would have to);
 * tg_reshape copies where it must. */
TG_API tg_tensor *tg_view(tg_tensor *t, tg_shape shape);
TG_API tg_tensor *tg_reshape(tg_tensor *t, tg_shape shape);
/* Dimensions start_dim to end_dim, both included, as one: tg_flatten(t, 0, -1) is 1-d. */
TG_API tg_tensor *tg_flatten(tg_tensor *t, int start_dim, int end_dim);
TG_API tg_tensor *tg_transpose(tg_tensor *t, int dim0, int dim1);
/* Transposed matrix; a 0-d or 1-d tensor is returned as it is. */
TG_API tg_tensor *tg_t(tg_tensor *t);
TG_API tg_tensor *tg_permute(tg_tensor *t, tg_shape dims);
/* Without the dimensions of size 1, or without this one if its size is 1. */
TG_API tg_tensor *tg_squeeze(tg_tensor *t);
TG_API tg_tensor *tg_squeeze_dim(tg_tensor *t, int dim);
TG_API tg_tensor *tg_unsqueeze(tg_tensor *t, int dim);
/* Repeats dimensions of size 1, and adds leading ones, at stride 0; -1 keeps a size. */
TG_API tg_tensor *tg_expand(tg_tensor *t, tg_shape shape);
TG_API tg_tensor *tg_broadcast_to(tg_tensor *t, tg_shape shape);
/* Dimensions of source at the places of destination; the others keep their order. */
TG_API tg_tensor *tg_movedim(tg_tensor *t, tg_shape source, tg_shape destination);
/* Parts along dim: of split_size but for the last, of these sizes, or in so many chunks. The list
 * lives in the current scope. */
TG_API tg_list tg_split(tg_tensor *t, int64_t split_size, int dim);
TG_API tg_list tg_split_sizes(tg_tensor *t, tg_shape sizes, int dim);
TG_API tg_list tg_chunk(tg_tensor *t, int64_t chunks, int dim);
/* One index of dim, which goes; negative counts from the end. */
TG_API tg_tensor *tg_select(tg_tensor *t, int dim, int64_t index);
/* length elements of dim from start. Must lie inside. */
TG_API tg_tensor *tg_narrow(tg_tensor *t, int dim, int64_t start, int64_t length);
/* start, start + step, ... before end; Python's rules: negative counts from the end, and what is
 * out of range is clipped. step > 0. */
#define TG_END INT64_MAX
TG_API tg_tensor *tg_slice(tg_tensor *t, int dim, int64_t start, int64_t end, int64_t step);
/* Elements [i, i + offset] of dim1 and dim2, as a new last dimension. */
TG_API tg_tensor *tg_diagonal(tg_tensor *t, int offset, int dim1, int dim2);

/* ---- Copies. Differentiable. */

/* t itself when it is row-major without gaps, else such a copy. */
TG_API tg_tensor *tg_contiguous(tg_tensor *t);
TG_API tg_tensor *tg_clone(tg_tensor *t);
/* t itself when it has that dtype already. Floating to int64 truncates; what int64 cannot hold
 * becomes the smallest int64. Into bool: not 0. Only floating to floating carries a gradient. */
TG_API tg_tensor *tg_cast(tg_tensor *t, tg_dtype dtype);

/* ---- Reading and writing single values and whole tensors. */

TG_API bool tg_is_contiguous(const tg_tensor *t);

/* The one element of t, whatever its shape; any dtype. NaN on failure; works while an error is
 * pending. An int64 that a double cannot hold is TG_ERR_ARGUMENT. */
TG_API double tg_item(const tg_tensor *t);
/* The element at index, one number for each dimension; negative numbers count from the end. NaN on
 * failure; an int64 that a double cannot hold is a failure, as in tg_item. */
TG_API double tg_get(const tg_tensor *t, tg_shape index);
/* The same for int64, and for bool as 0 or 1. Floating dtypes are TG_ERR_DTYPE. 0 on failure; tg_ok
 * distinguishes that from an element that is 0. */
TG_API int64_t tg_item_i64(const tg_tensor *t);
TG_API int64_t tg_get_i64(const tg_tensor *t, tg_shape index);

/* The writes below are not recorded by autograd, as through PyTorch's .data: they are allowed on a
 * leaf that requires grad, and a backward that needs the old value notices. Refused while an error
 * is pending. */
TG_API bool tg_set(tg_tensor *t, tg_shape index, double value);
/* The same for int64, and for bool, where every value but 0 is true. Floating dtypes are
 * TG_ERR_DTYPE. */
TG_API bool tg_set_i64(tg_tensor *t, tg_shape index, int64_t value);

/* numel values, row-major, whatever the strides of t. The element types must agree. */
TG_API bool tg_copy_from_f32(tg_tensor *t, const float *values);
TG_API bool tg_copy_from_f64(tg_tensor *t, const double *values);
TG_API bool tg_copy_from_i64(tg_tensor *t, const int64_t *values);
TG_API bool tg_copy_from_bool(tg_tensor *t, const bool *values);
TG_API bool tg_copy_to_f32(const tg_tensor *t, float *values);
TG_API bool tg_copy_to_f64(const tg_tensor *t, double *values);
TG_API bool tg_copy_to_i64(const tg_tensor *t, int64_t *values);
TG_API bool tg_copy_to_bool(const tg_tensor *t, bool *values);

/* The same for any dtype. In place of the element types the sizes must agree: bytes must be numel *
 * tg_dtype_size(t->dtype), and values must be aligned for the dtype; else TG_ERR_ARGUMENT. */
TG_API bool tg_copy_from(tg_tensor *t, const void *values, size_t bytes);
TG_API bool tg_copy_to(const tg_tensor *t, void *values, size_t bytes);

/* data with its type, for reading; NULL with TG_ERR_DTYPE when t is of another, and NULL without an
 * error for an empty tensor. Elements stand at the tensor's strides. */
TG_API const float *tg_data_f32(const tg_tensor *t);
TG_API const double *tg_data_f64(const tg_tensor *t);
TG_API const int64_t *tg_data_i64(const tg_tensor *t);
TG_API const bool *tg_data_bool(const tg_tensor *t);

/* ---- In place: t changes and is returned. The other side broadcasts to t's shape and has its
 * dtype. Recorded by autograd when it needs a gradient. TG_ERR_AUTOGRAD for a leaf that requires
 * grad (outside tg_no_grad), for a view when a gradient is involved, and for a tensor of an outer
 * scope that would come to depend on this one's graph. */
TG_API tg_tensor *tg_copy_(tg_tensor *t, tg_tensor *source);
TG_API tg_tensor *tg_fill_(tg_tensor *t, double value);
TG_API tg_tensor *tg_zero_(tg_tensor *t);
TG_API tg_tensor *tg_add_(tg_tensor *t, tg_tensor *other);
TG_API tg_tensor *tg_sub_(tg_tensor *t, tg_tensor *other);
TG_API tg_tensor *tg_mul_(tg_tensor *t, tg_tensor *other);
TG_API tg_tensor *tg_div_(tg_tensor *t, tg_tensor *other);
/* t + s, t - s, t * s, t / s. The dtype of t must be able to hold s, else TG_ERR_ARGUMENT. Division
 * is for floating dtypes. */
TG_API tg_tensor *tg_add_scalar_(tg_tensor *t, double s);
TG_API tg_tensor *tg_sub_scalar_(tg_tensor *t, double s);
TG_API tg_tensor *tg_mul_scalar_(tg_tensor *t, double s);
TG_API tg_tensor *tg_div_scalar_(tg_tensor *t, double s);

#ifdef __cplusplus
}
#endif

#endif
