/* The dtypes: a table with a row for each, and functions that follow from the table. A dtype that
 * is added to tg_dtype needs
 *
 * - a row here, and a case in every `switch` over dtypes. No such switch has a default, and the
 *   compiler warns where a case is missing.
 * - what static assertions name: its K_ index in kernels/kernels.h, a cast to it in ops/cast.c, and
 *   a row of EACH_MOVER in loops.c if no other dtype has its size.
 * - kernels. In kernels/names.h, each FUNCTIONS_ lists the functions of all dtypes, and each OF_
 *   those that a word of a row chooses. The rows of kernels.def and elementwise.def say which
 *   dtypes a kernel takes; copy and the casts must take every dtype. kernels/shared.c has the loops
 *   that move and cast elements.
 * - a decision in tg__any_dtype, which operations ask that take every dtype there is. Operations
 *   that ask tg__is_float, tg__is_number or tg__is_whole follow the row.
 * - its name and size in the comments of include/tinygrad/tensor.h, and the table in README.md,
 *   which tests/test_supported.c compares with what the library takes.
 * - tests: the sizes and casts in tests/kernels/test_kernels.c, which static assertions name, and
 *   functions that end in the name of a dtype, such as tg_from_f32, if it gets them. Other tests go
 *   over all TG_DTYPES. */
#ifndef TG_DTYPE_H
#define TG_DTYPE_H

#include "../context/compiler.h"

#include <tinygrad.h>

#include <float.h>

/* What the elements of a dtype are. Only a floating dtype can have a gradient. */
enum { TG_TRUTH, TG_INTEGER, TG_FLOATING };

/* The rows, in the order of tg_dtype. The columns are the dtype, its name, the C type of an
 * element, what the elements are, an expression that converts an element x to double, one that
 * converts a double v to an element; and, for floating dtypes, the least normal and the greatest
 * finite number. */
#define TG_EACH_DTYPE(ROW)                                                                         \
    ROW(TG_F32, "float32", float, TG_FLOATING, (double)x, (float)v, FLT_MIN, FLT_MAX)              \
    ROW(TG_F64, "float64", double, TG_FLOATING, x, v, DBL_MIN, DBL_MAX)                            \
    ROW(TG_I64, "int64", int64_t, TG_INTEGER, (double)x, (int64_t)v, 0, 0)                         \
    ROW(TG_BOOL, "bool", uint8_t, TG_TRUTH, x != 0, v != 0, 0, 0)

#define COUNT(dtype, ...) +1
enum { TG_DTYPES = TG_EACH_DTYPE(COUNT) };
#undef COUNT

typedef struct dtype_row {
    const char *name;
    double least, most; /* the least normal and the greatest finite number; 0 if not floating */
} dtype_row;
extern const dtype_row tg__dtypes[TG_DTYPES];

static inline bool tg__is_dtype(tg_dtype dtype)
{
    return (unsigned)dtype < TG_DTYPES;
}

static inline size_t tg__dtype_size(tg_dtype dtype)
{
#define SIZE(dtype, name, type, ...) [dtype] = sizeof(type),
    static const uint8_t sizes[TG_DTYPES] = {TG_EACH_DTYPE(SIZE)};
#undef SIZE
    return sizes[dtype];
}

/* Whether the elements are floating; floating or integers; integers or bools. */
#define IS_FLOAT(dtype, name, type, is, ...)   | (unsigned)((is) == TG_FLOATING) << dtype
#define IS_INTEGER(dtype, name, type, is, ...) | (unsigned)((is) == TG_INTEGER) << dtype
#define IS_TRUTH(dtype, name, type, is, ...)   | (unsigned)((is) == TG_TRUTH) << dtype
static inline bool tg__is_float(tg_dtype dtype)
{
    return (0u TG_EACH_DTYPE(IS_FLOAT)) >> dtype & 1;
}
static inline bool tg__is_number(tg_dtype dtype)
{
    return (0u TG_EACH_DTYPE(IS_FLOAT) TG_EACH_DTYPE(IS_INTEGER)) >> dtype & 1;
}
static inline bool tg__is_whole(tg_dtype dtype)
{
    return (0u TG_EACH_DTYPE(IS_INTEGER) TG_EACH_DTYPE(IS_TRUTH)) >> dtype & 1;
}
#undef IS_FLOAT
#undef IS_INTEGER
#undef IS_TRUTH

/* Element i of an array, as a double; an int64 may be rounded. The floating dtypes, which stand
 * first, are found sooner by comparisons than by a switch. */
TG_INLINE double tg__load(tg_dtype dtype, const void *data, int64_t i)
{
#define LOAD(row, name, type, is, to_double, ...)                                                  \
    if (dtype == row) {                                                                            \
        const type x = ((const type *)data)[i];                                                    \
        return to_double;                                                                          \
    }
    TG_EACH_DTYPE(LOAD)
#undef LOAD
    return 0;
}

/* Stores v, which the dtype must be able to hold, as element i. It is rounded once. */
TG_INLINE void tg__store(tg_dtype dtype, void *data, int64_t i, double v)
{
#define STORE(row, name, type, is, to_double, from_double, ...)                                    \
    if (dtype == row) {                                                                            \
        ((type *)data)[i] = from_double;                                                           \
        return;                                                                                    \
    }
    TG_EACH_DTYPE(STORE)
#undef STORE
}

/* v rounded to the dtype. */
static inline double tg__rounded(tg_dtype dtype, double v)
{
#define ROUND(row, name, type, is, to_double, from_double, ...)                                    \
    if (dtype == row) {                                                                            \
        const type x = from_double;                                                                \
        return to_double;                                                                          \
    }
    TG_EACH_DTYPE(ROUND)
#undef ROUND
    return 0;
}

#endif
