/* Saturating arithmetic of sizes, which are not negative. A result that overflows becomes
 * INT64_MAX, which is more than a tensor may have or an allocator can give. A sum of products is
 * therefore either exact or too large, and one comparison at its end tells which. */
#ifndef TG_SIZE_H
#define TG_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most elements of a tensor. With 8 bytes each, the distance between any two of them fits in
 * ptrdiff_t. */
#define TG_MOST_ELEMENTS ((int64_t)(PTRDIFF_MAX / 8))

static inline int64_t tg__plus(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* The builtin is used with 64-bit pointers only: with 32-bit ones, some compilers call a function
 * for it from a library that is not linked. */
static inline int64_t tg__times(int64_t a, int64_t b)
{
#if defined(__GNUC__) && UINTPTR_MAX > UINT32_MAX
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
#else
    if ((a | b) <= INT32_MAX) return a * b; /* saves the division */
    return b > 0 && a > INT64_MAX / b ? INT64_MAX : a * b;
#endif
}

/* Whether a tensor may have these sizes, which are not negative. Sizes of 0 do not hide others that
 * are too large, because the strides, too, must not overflow. */
static inline bool tg__sizes_fit(int ndim, const int64_t *shape)
{
    int64_t most = 1;
    for (int i = 0; i < ndim; i++)
        if (shape[i] > 0) most = tg__times(most, shape[i]);
    return most <= TG_MOST_ELEMENTS;
}

/* The bytes of n objects, or PTRDIFF_MAX if these are more. The size of a header can be added to
 * the result without overflow. */
static inline size_t tg__bytes(int64_t n, size_t each)
{
    const int64_t bytes = tg__times(n, (int64_t)each);
    return bytes < PTRDIFF_MAX ? (size_t)bytes : (size_t)PTRDIFF_MAX;
}

#endif
