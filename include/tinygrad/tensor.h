/* The tensor: what it is, making one, views of it, reading and writing it. */
#ifndef TINYGRAD_TENSOR_H
#define TINYGRAD_TENSOR_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The most dimensions that a tensor can have. */
#define TG_MAX_DIMS 8

/* The type of a tensor's elements. */
typedef enum tg_dtype {
    TG_F32, /* float */
    TG_F64, /* double */
    TG_I64, /* int64_t */
    TG_BOOL /* one byte, true if it is not 0 */
} tg_dtype;

/* An n-dimensional array of numbers, with its place in the graph of autograd. */
typedef struct tg_tensor tg_tensor;

/* What a program may read of a tensor. It writes to none of the members, and it makes no tensor
 * itself, because there is more in memory behind the struct. Element [i, j, ...] is at data + i *
 * strides[0] + j * strides[1] + ..., counted in elements. A tensor with ndim 0 is a scalar; one
 * with a size of 0 is empty. The elements of a tensor from tg_empty may be filled through data,
 * row-major, until the tensor is passed to another call. */
struct tg_tensor {
    tg_context *context;          /* to which it belongs */
    void *data;                   /* the first element; NULL for an empty tensor */
    tg_tensor *grad;              /* the gradient that backward has found; NULL means none */
    tg_dtype dtype;               /* of the elements */
    int ndim;                     /* number of dimensions */
    bool requires_grad;           /* whether a gradient goes to it */
    bool contiguous;              /* whether it is row-major without gaps */
    int64_t numel;                /* number of elements */
    int64_t shape[TG_MAX_DIMS];   /* the first ndim: sizes */
    int64_t strides[TG_MAX_DIMS]; /* the first ndim: steps between neighbours, in elements */
};

/* Sizes, strides, dimensions or indices: ndim numbers that the callee copies. TG_SHAPE makes one in
 * the call. Stored in a variable, the numbers of a TG_SHAPE live to the end of the enclosing block
 * in C, but only to the end of the expression in C++. */
typedef struct tg_shape {
    int ndim;            /* how many numbers */
    const int64_t *dims; /* the numbers; may be NULL if there are none */
} tg_shape;

/* Tensors: n pointers that the callee copies. TG_LIST makes one in the call, and what is said of
 * TG_SHAPE in a variable holds for it, too. A function that returns a list and fails returns one
 * with n = 0; its first TG_READABLE items can be read all the same, and are NULL. */
typedef struct tg_list {
    int n;                   /* how many tensors */
    tg_tensor *const *items; /* the tensors */
} tg_list;

/* How many items of a list that a failed function returned can be read, as NULL. */
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

/* A tg_shape of these integers: TG_SHAPE(2, 3); TG_SHAPE() is the shape of a scalar. TG_SHAPE(2.5)
 * does not compile. */
#define TG_SHAPE(...) (tg_detail::shape_of({__VA_ARGS__}))
/* A tg_list of these tensors: TG_LIST(a, b). They are evaluated from left to right. */
#define TG_LIST(...)  (tg_detail::list_of({__VA_ARGS__}))
/* In the place of strides: row-major without gaps. */
#define TG_CONTIGUOUS (tg_shape{-1, nullptr})

extern "C" {
#else
/* A tg_shape of these integers: TG_SHAPE(2, 3); TG_SHAPE() is the shape of a scalar. C cuts 2.5 to
 * 2, of which compilers warn with -Wfloat-conversion. The leading element, which is skipped, makes
 * the empty list valid C. */
#define TG_SHAPE(...)                                                                              \
    ((tg_shape){(int)(sizeof((int64_t[]){0, __VA_ARGS__}) / sizeof(int64_t)) - 1,                  \
                (const int64_t[]){0, __VA_ARGS__} + 1})
/* A tg_list of these tensors: TG_LIST(a, b). C leaves open which of them is evaluated first, so
 * that at most one may draw random numbers. */
#define TG_LIST(...)                                                                               \
    ((tg_list){(int)(sizeof((tg_tensor *[]){NULL, __VA_ARGS__}) / sizeof(tg_tensor *)) - 1,        \
               (tg_tensor *const[]){NULL, __VA_ARGS__} + 1})
/* In the place of strides: row-major without gaps. */
#define TG_CONTIGUOUS ((tg_shape){-1, NULL})
#endif

/* A list of dimensions: TG_DIMS(0, -1); TG_DIMS() is the empty list. */
#define TG_DIMS    TG_SHAPE
/* The indices of one element: TG_INDEX(2, -1). */
#define TG_INDEX   TG_SHAPE
/* Strides, in elements: TG_STRIDES(3, 1). */
#define TG_STRIDES TG_SHAPE

/* "float32", "float64", "int64", "bool"; "?" for what is no dtype. */
TG_API const char *tg_dtype_name(tg_dtype dtype);

/* The bytes of an element: 4, 8, 8, 1; 0 for what is no dtype. */
TG_API size_t tg_dtype_size(tg_dtype dtype);

/* ---- Making. A new tensor is row-major, in the current scope, with requires_grad false. A
 * negative or overflowing size, or more than TG_MAX_DIMS of them, is TG_ERR_SHAPE. A value that the
 * dtype cannot hold (0.5 as int64, 1e300 as float32) is TG_ERR_ARGUMENT; as bool, all but 0 is
 * true.
 *
 * Numbers are passed as double, which holds every integer up to 2^53 but not every one beyond. An
 * int64 that double cannot hold is passed to an operation as a 0-d tensor, tg_from_i64(tg,
 * TG_SHAPE(), &value), and read and written by the functions that end in _i64. */

/* A tensor whose elements are undefined until they are written. */
TG_API tg_tensor *tg_empty(tg_context *tg, tg_dtype dtype, tg_shape shape);

/* A tensor of zeros. */
TG_API tg_tensor *tg_zeros(tg_context *tg, tg_dtype dtype, tg_shape shape);

/* A tensor of ones. */
TG_API tg_tensor *tg_ones(tg_context *tg, tg_dtype dtype, tg_shape shape);

/* A tensor whose elements all have this value, which the dtype must be able to hold; as bool, all
 * but 0 is true. */
TG_API tg_tensor *tg_full(tg_context *tg, tg_dtype dtype, tg_shape shape, double value);

/* A 0-d tensor with this value, as torch.tensor(value). */
TG_API tg_tensor *tg_scalar(tg_context *tg, tg_dtype dtype, double value);

/* tg_empty with the shape and dtype of t. */
TG_API tg_tensor *tg_empty_like(const tg_tensor *t);

/* Zeros with the shape and dtype of t. */
TG_API tg_tensor *tg_zeros_like(const tg_tensor *t);

/* Ones with the shape and dtype of t. */
TG_API tg_tensor *tg_ones_like(const tg_tensor *t);

/* A tensor with the shape and dtype of t whose elements all have this value. */
TG_API tg_tensor *tg_full_like(const tg_tensor *t, double value);

/* A float32 tensor with a copy of the values, row-major, as many as the shape has elements. values
 * may be NULL only when that is 0. */
TG_API tg_tensor *tg_from_f32(tg_context *tg, tg_shape shape, const float *values);

/* A float64 tensor with a copy of the values, row-major. values may be NULL only when the shape has
 * no elements. */
TG_API tg_tensor *tg_from_f64(tg_context *tg, tg_shape shape, const double *values);

/* An int64 tensor with a copy of the values, row-major. values may be NULL only when the shape has
 * no elements. */
TG_API tg_tensor *tg_from_i64(tg_context *tg, tg_shape shape, const int64_t *values);

/* A bool tensor with a copy of the values, row-major. values may be NULL only when the shape has no
 * elements. */
TG_API tg_tensor *tg_from_bool(tg_context *tg, tg_shape shape, const bool *values);

/* The caller's memory as a float32 tensor, without a copy. The memory must outlive the tensor and
 * all its views, and is never freed. strides are in elements, not negative, one a dimension, or
 * TG_CONTIGUOUS. In-place operations write to the memory; if elements overlap (a stride of 0), it
 * can be read only. data must be aligned for its type. */
TG_API tg_tensor *tg_wrap_f32(tg_context *tg, tg_shape shape, tg_shape strides, float *data);

/* The caller's memory as a float64 tensor, without a copy, by the rules of tg_wrap_f32. */
TG_API tg_tensor *tg_wrap_f64(tg_context *tg, tg_shape shape, tg_shape strides, double *data);

/* The caller's memory as an int64 tensor, without a copy, by the rules of tg_wrap_f32. */
TG_API tg_tensor *tg_wrap_i64(tg_context *tg, tg_shape shape, tg_shape strides, int64_t *data);

/* The caller's memory as a bool tensor, without a copy, by the rules of tg_wrap_f32. */
TG_API tg_tensor *tg_wrap_bool(tg_context *tg, tg_shape shape, tg_shape strides, bool *data);

/* The caller's memory as a tensor of any dtype, by the rules of tg_wrap_f32, but never written to:
 * for weights in read-only memory, say. A write through the tensor or a view of it is
 * TG_ERR_ARGUMENT. The tensor may require grad. */
TG_API tg_tensor *tg_wrap_const(tg_context *tg, tg_dtype dtype, tg_shape shape, tg_shape strides,
                                const void *data);

/* The numbers start, start + step, ... before end: ceil((end - start) / step) of them, 1-d; none if
 * start equals end. Floating dtypes and int64, for which start, end and step must be integers. A
 * step that is 0 or leads away from end is TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_arange(tg_context *tg, tg_dtype dtype, double start, double end, double step);

/* The int64 numbers start, start + step, ... before end, 1-d, also where a double cannot hold them.
 * A step that is 0 or leads away from end is TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_arange_i64(tg_context *tg, int64_t start, int64_t end, int64_t step);

/* As many numbers as steps says, evenly spaced from start to end, both included, 1-d; start alone
 * for one step. A floating dtype, which must hold both ends. */
TG_API tg_tensor *tg_linspace(tg_context *tg, tg_dtype dtype, double start, double end,
                              int64_t steps);

/* An (n, m) matrix with ones on the diagonal and zeros elsewhere. Any dtype. */
TG_API tg_tensor *tg_eye(tg_context *tg, tg_dtype dtype, int64_t n, int64_t m);

/* ---- Lifetime. */

/* A copy of t, without its history, in the scope around the current one; in the outermost scope, a
 * copy there. With tg_release, a loop can carry a state from step to step in no more memory than
 * one step takes:
 *
 *     tg_tensor *next = tg_keep(h_of_this_step);
 *     tg_scope_end(tg);
 *     tg_release(h);
 *     h = next; */
TG_API tg_tensor *tg_keep(tg_tensor *t);

/* Gives t up before its scope ends; the caller must not use t or its grad afterwards. The memory of
 * the elements returns to the context once no view and no recorded operation needs it; that of a
 * small tensor serves other tensors of its size in the same scope. NULL is ignored, and so is a
 * leaf's grad, whose memory belongs to the leaf, and a batch of a loader.
 *
 * A use of t after its release is reported (TG_ERR_CONTEXT) as long as no other tensor has taken
 * its memory; later it reads that tensor's values. A build with AddressSanitizer stops at it. */
TG_API void tg_release(tg_tensor *t);

/* A read-only alias, in context tg, of a tensor of any context: the same memory, in the current
 * scope of tg, and a leaf with a gradient of its own when t requires grad. Worker threads see the
 * parameters of another thread's context in this way.
 *
 * t must outlive the alias, must not be written to meanwhile from another thread, and, if it is a
 * grad, must not be cleared. Backward reports a write to t since the forward that read the alias,
 * as it does for any other tensor. The call only reads t: an error is recorded in tg, never in t's
 * context. */
TG_API tg_tensor *tg_borrow(tg_context *tg, const tg_tensor *t);

/* ---- Views. They show the memory of t with another shape, are of any dtype, and live in the
 * current scope. A write to t or to one of its views is seen through all of them. */

/* t with another shape of as many elements; one size may be -1, for what is left. It never copies:
 * strides for which the view would need a copy are TG_ERR_SHAPE (tg_reshape copies). */
TG_API tg_tensor *tg_view(tg_tensor *t, tg_shape shape);

/* t with another shape of as many elements; one size may be -1, for what is left. A view where the
 * strides of t allow that, else a copy. */
TG_API tg_tensor *tg_reshape(tg_tensor *t, tg_shape shape);

/* t with its dimensions start_dim to end_dim, both included, as one: tg_flatten(t, 0, -1) is 1-d,
 * also for a scalar. A view where the strides of t allow that, else a copy. */
TG_API tg_tensor *tg_flatten(tg_tensor *t, int start_dim, int end_dim);

/* A view of t with two dimensions exchanged. */
TG_API tg_tensor *tg_transpose(tg_tensor *t, int dim0, int dim1);

/* The transposed matrix, a view (n, m) of t (m, n). A 0-d or 1-d tensor is returned itself; more
 * than two dimensions are TG_ERR_SHAPE. */
TG_API tg_tensor *tg_t(tg_tensor *t);

/* A view of t whose dimension i is dimension dims[i] of t. Each dimension must be named once, else
 * TG_ERR_INDEX. */
TG_API tg_tensor *tg_permute(tg_tensor *t, tg_shape dims);

/* A view of t without its dimensions of size 1. */
TG_API tg_tensor *tg_squeeze(tg_tensor *t);

/* A view of t without this dimension if its size is 1, else of the same shape. PyTorch:
 * torch.squeeze(t, dim). */
TG_API tg_tensor *tg_squeeze_dim(tg_tensor *t, int dim);

/* A view of t with a new dimension of size 1, which becomes dimension dim of the result. */
TG_API tg_tensor *tg_unsqueeze(tg_tensor *t, int dim);

/* A view of t that repeats its dimensions of size 1, and new leading ones, with a stride of 0; -1
 * keeps a size. Elements that are repeated cannot be written to. The gradient is summed over what
 * was repeated. */
TG_API tg_tensor *tg_expand(tg_tensor *t, tg_shape shape);

/* The same as tg_expand, under NumPy's name. */
TG_API tg_tensor *tg_broadcast_to(tg_tensor *t, tg_shape shape);

/* A view of t in which dimension source[i] stands at place destination[i]; the others keep their
 * order. */
TG_API tg_tensor *tg_movedim(tg_tensor *t, tg_shape source, tg_shape destination);

/* Views of t that split it along dim into pieces of split_size; the last has what is left. The list
 * lives in the current scope: its memory, a pointer for each piece, goes back when that ends. */
TG_API tg_list tg_split(tg_tensor *t, int64_t split_size, int dim);

/* Views of t that split it along dim into pieces of these sizes, which must add up to the size of
 * dim, else TG_ERR_SHAPE. The list lives in the current scope. PyTorch: torch.split(t, sizes). */
TG_API tg_list tg_split_sizes(tg_tensor *t, tg_shape sizes, int dim);

/* Views of t that split it along dim into pieces of ceil(size / chunks); the last has what is left.
 * There can be fewer than chunks of them. The list lives in the current scope. */
TG_API tg_list tg_chunk(tg_tensor *t, int64_t chunks, int dim);

/* A view of t at one index of dim, without this dimension: Python's t[index] for dim 0. A negative
 * index counts from the end; one out of range is TG_ERR_INDEX. */
TG_API tg_tensor *tg_select(tg_tensor *t, int dim, int64_t index);

/* A view of t with the elements start to start + length - 1 of dim. A negative start counts from
 * the end; what does not lie inside is TG_ERR_INDEX. */
TG_API tg_tensor *tg_narrow(tg_tensor *t, int dim, int64_t start, int64_t length);

/* As the end of tg_slice: to the end of the dimension. */
#define TG_END INT64_MAX

/* A view of t with the elements start, start + step, ... before end of dim: Python's
 * t[start:end:step] for dim 0, and by Python's rules: negative numbers count from the end, and what
 * is out of range is clipped. The step must be positive. */
TG_API tg_tensor *tg_slice(tg_tensor *t, int dim, int64_t start, int64_t end, int64_t step);

/* A view of t with its elements [i, i + offset] of dimensions dim1 and dim2 along a new last
 * dimension, which takes the place of these two. A negative offset is below the main diagonal. */
TG_API tg_tensor *tg_diagonal(tg_tensor *t, int offset, int dim1, int dim2);

/* ---- Copies. */

/* t itself when it is row-major without gaps, else such a copy. */
TG_API tg_tensor *tg_contiguous(tg_tensor *t);

/* A copy of t, row-major. Its gradient goes to t. */
TG_API tg_tensor *tg_clone(tg_tensor *t);

/* The elements of t as another dtype; t itself when it has that dtype already. Floating to int64
 * truncates, and what int64 cannot hold becomes the smallest int64. Into bool, all but 0 is true.
 * Only a cast from floating to floating carries a gradient. PyTorch: t.to(dtype). */
TG_API tg_tensor *tg_cast(tg_tensor *t, tg_dtype dtype);

/* ---- Reading and writing single values and whole tensors. Reading works while an error is
 * pending. What is written is not recorded by autograd, as through PyTorch's .data: it is allowed
 * on a leaf that requires grad, and a backward that needs the old value notices. */

/* Whether t is row-major without gaps. False for NULL. */
TG_API bool tg_is_contiguous(const tg_tensor *t);

/* The one element of t, whatever its shape; bool as 0 or 1. NaN on failure. An int64 that a double
 * cannot hold is TG_ERR_ARGUMENT: tg_item_i64 reads it. */
TG_API double tg_item(const tg_tensor *t);

/* The element of t at index, one number for each dimension; negative numbers count from the end.
 * NaN on failure. An int64 that a double cannot hold is TG_ERR_ARGUMENT: tg_get_i64 reads it. */
TG_API double tg_get(const tg_tensor *t, tg_shape index);

/* The one element of t, whatever its shape, which is int64, or bool as 0 or 1. 0 on failure; tg_ok
 * distinguishes that from an element that is 0. */
TG_API int64_t tg_item_i64(const tg_tensor *t);

/* The element of t, which is int64, or bool as 0 or 1, at index, where negative numbers count from
 * the end. 0 on failure; tg_ok distinguishes that from an element that is 0. */
TG_API int64_t tg_get_i64(const tg_tensor *t, tg_shape index);

/* Writes one element, at index, where negative numbers count from the end. Any dtype, which must be
 * able to hold the value. */
TG_API bool tg_set(tg_tensor *t, tg_shape index, double value);

/* Writes one element of an int64 tensor, or of a bool tensor, where every value but 0 is true. */
TG_API bool tg_set_i64(tg_tensor *t, tg_shape index, int64_t value);

/* Writes all elements of a float32 tensor: numel floats, row-major whatever the strides of t. */
TG_API bool tg_copy_from_f32(tg_tensor *t, const float *values);

/* Writes all elements of a float64 tensor: numel doubles, row-major whatever the strides of t. */
TG_API bool tg_copy_from_f64(tg_tensor *t, const double *values);

/* Writes all elements of an int64 tensor: numel numbers, row-major whatever the strides of t. */
TG_API bool tg_copy_from_i64(tg_tensor *t, const int64_t *values);

/* Writes all elements of a bool tensor: numel bools, row-major whatever the strides of t. */
TG_API bool tg_copy_from_bool(tg_tensor *t, const bool *values);

/* Reads all elements of a float32 tensor: numel floats, row-major whatever the strides of t. */
TG_API bool tg_copy_to_f32(const tg_tensor *t, float *values);

/* Reads all elements of a float64 tensor: numel doubles, row-major whatever the strides of t. */
TG_API bool tg_copy_to_f64(const tg_tensor *t, double *values);

/* Reads all elements of an int64 tensor: numel numbers, row-major whatever the strides of t. */
TG_API bool tg_copy_to_i64(const tg_tensor *t, int64_t *values);

/* Reads all elements of a bool tensor: numel bools, row-major whatever the strides of t. */
TG_API bool tg_copy_to_bool(const tg_tensor *t, bool *values);

/* Writes all elements of a tensor of any dtype, row-major whatever its strides. bytes must be numel
 * * tg_dtype_size(t->dtype), and values must be aligned for the dtype; else TG_ERR_ARGUMENT. */
TG_API bool tg_copy_from(tg_tensor *t, const void *values, size_t bytes);

/* Reads all elements of a tensor of any dtype, row-major whatever its strides. bytes must be numel
 * * tg_dtype_size(t->dtype), and values must be aligned for the dtype; else TG_ERR_ARGUMENT. */
TG_API bool tg_copy_to(const tg_tensor *t, void *values, size_t bytes);

/* The data of a float32 tensor, for reading: the elements stand at the strides of t. NULL with
 * TG_ERR_DTYPE when t is of another dtype, and NULL without an error for an empty tensor. */
TG_API const float *tg_data_f32(const tg_tensor *t);

/* The data of a float64 tensor, for reading: the elements stand at the strides of t. NULL with
 * TG_ERR_DTYPE when t is of another dtype, and NULL without an error for an empty tensor. */
TG_API const double *tg_data_f64(const tg_tensor *t);

/* The data of an int64 tensor, for reading: the elements stand at the strides of t. NULL with
 * TG_ERR_DTYPE when t is of another dtype, and NULL without an error for an empty tensor. */
TG_API const int64_t *tg_data_i64(const tg_tensor *t);

/* The data of a bool tensor, for reading: the elements stand at the strides of t. NULL with
 * TG_ERR_DTYPE when t is of another dtype, and NULL without an error for an empty tensor. */
TG_API const bool *tg_data_bool(const tg_tensor *t);

/* ---- In place: t changes and is returned; NULL on failure, which leaves t as it was. The other
 * side has t's dtype and broadcasts to t's shape. The write is recorded by autograd when it needs a
 * gradient. TG_ERR_AUTOGRAD for a leaf that requires grad (outside tg_no_grad_begin), for a view
 * when a gradient is involved, and for a tensor of an outer scope that would come to depend on this
 * one's graph. */

/* t = source. Any dtype. The gradient goes to source, and none to what t was before. */
TG_API tg_tensor *tg_copy_(tg_tensor *t, tg_tensor *source);

/* Every element of t becomes value, which the dtype of t must be able to hold. Any dtype. No
 * gradient goes to what t was before. */
TG_API tg_tensor *tg_fill_(tg_tensor *t, double value);

/* Every element of t becomes 0. Any dtype. No gradient goes to what t was before. */
TG_API tg_tensor *tg_zero_(tg_tensor *t);

/* t = t + other. Floating dtypes and int64. */
TG_API tg_tensor *tg_add_(tg_tensor *t, tg_tensor *other);

/* t = t - other. Floating dtypes and int64. */
TG_API tg_tensor *tg_sub_(tg_tensor *t, tg_tensor *other);

/* t = t * other, element by element. Floating dtypes and int64. */
TG_API tg_tensor *tg_mul_(tg_tensor *t, tg_tensor *other);

/* t = t / other, element by element. Floating dtypes. */
TG_API tg_tensor *tg_div_(tg_tensor *t, tg_tensor *other);

/* t = t + s. Floating dtypes and int64; t's dtype must be able to hold s. */
TG_API tg_tensor *tg_add_scalar_(tg_tensor *t, double s);

/* t = t - s. Floating dtypes and int64; t's dtype must be able to hold s. */
TG_API tg_tensor *tg_sub_scalar_(tg_tensor *t, double s);

/* t = t * s. Floating dtypes and int64; t's dtype must be able to hold s. */
TG_API tg_tensor *tg_mul_scalar_(tg_tensor *t, double s);

/* t = t / s. Floating dtypes; t's dtype must be able to hold s. */
TG_API tg_tensor *tg_div_scalar_(tg_tensor *t, double s);

#ifdef __cplusplus
}
#endif

#endif
