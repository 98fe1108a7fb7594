/* The types that elements have in files, and their conversion to and from dtypes. */
#ifndef TG_CONVERT_H
#define TG_CONVERT_H

#include "../tensor/tensor.h"
#include "sink.h"
#include "source.h"

/* The type of an element in a file. The first are the dtypes, with the same numbers. */
typedef enum file_type {
    FILE_F32,
    FILE_F64,
    FILE_I64,
    FILE_BOOL,
    FILE_F16,
    FILE_BF16,
    FILE_U8,
    FILE_I8,
    FILE_U16,
    FILE_I16,
    FILE_U32,
    FILE_I32,
    FILE_U64,
    FILE_TYPES
} file_type;

/* The bytes of an element. */
size_t tg__type_size(file_type type);
/* The name in messages: "float32", "bfloat16", "uint8". */
const char *tg__type_name(file_type type);
/* The dtype whose elements are these, or the narrowest that holds all of them; of uint64, int64. */
tg_dtype tg__type_dtype(file_type type);
/* Whether the library has a dtype for these elements. */
static inline bool tg__type_is_dtype(file_type type)
{
    return type <= FILE_BOOL;
}

/* Converts n elements, which are aligned and have the byte order of this machine. Floating types
 * round to nearest even; what is finite does not become infinite, integers come only from integers
 * that they can hold, bools only from 0 and 1, and floating types do not take an int64 that a
 * double cannot hold. (A byte of a bool in a file counts as 1 unless it is 0.) Returns the number
 * of elements before the first that cannot be converted, else n. */
int64_t tg__convert(file_type from, const void *in, file_type to, void *out, int64_t n);
/* Converts n elements of a file to the dtype of their type, in place. `room` has room for n
 * elements of this dtype and is aligned for both types. The elements of the file lie at its end,
 * and those of the dtype are written from its beginning on. Returns what tg__convert does. */
int64_t tg__widen(file_type type, bool big_endian, void *room, int64_t n);
/* Reverses the bytes of each of n elements. */
void tg__swap_bytes(void *elements, size_t size, int64_t n);
/* Whether this machine stores the most significant byte first. */
bool tg__is_big_endian(void);

/* Whether a tensor of this type may be loaded, because the type is a dtype or is to be converted.
 * If not, the error, TG_ERR_DTYPE, names the tensor, unless `name` is NULL, and the cure. */
bool tg__check_type(source *s, const char *name, file_type type, const tg_load_options *o);
/* Reads the elements of t, which is contiguous, from the source, where they lie row-major from
 * offset on and have this type. An error names the tensor, if `name` is not NULL. */
bool tg__read_elements(source *s, const char *name, uint64_t offset, file_type type,
                       bool big_endian, tg_tensor *t);
/* Makes a tensor of elements that lie in the source in this way. With `map`, it shows the memory of
 * the source if there is one and the elements are aligned there. */
tg_tensor *tg__load_elements(source *s, const char *name, uint64_t offset, file_type type,
                             bool big_endian, tg_shape shape, bool map);

/* Checks the options of saving. */
bool tg__check_stored(tg_context *tg, const char *op, const tg_save_options *o);
/* The type as which the options want a dtype stored. */
file_type tg__stored_type(tg_dtype dtype, const tg_save_options *o);
/* Writes the elements of t, row-major whatever its strides, with the least significant byte
 * first. */
bool tg__write_elements(sink *s, const char *name, file_type type, tg_tensor *t);

#endif
