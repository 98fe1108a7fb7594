/* Saturating arithmetic of sizes, which are not negative. A result that overflows becomes
 * INT64_MAX, which no tensor has and no allocator can serve. A sum of products is therefore exact
 * or too large, and one comparison after all of them tells which. */
#ifndef TG_SIZE_H
#define TG_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* The most elements of a tensor. With 8 bytes each, the distance between any two of them fits in
 * ptrdiff_t. */
#define TG_MOST_ELEMENTS ((int64_t)(PTRDIFF_MAX / 8))

static inline int64_t tg__plus(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* With 32-bit pointers, some compilers implement the builtin by a function of a library that is not
 * linked. */
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

/* The bytes of n objects, or PTRDIFF_MAX where that overflows; the size of a header can be added to
 * either without overflow. */
static inline size_t tg__bytes(int64_t n, size_t each)
{
    const int64_t bytes = tg__times(n, (int64_t)each);
    return bytes < PTRDIFF_MAX ? (size_t)bytes : (size_t)PTRDIFF_MAX;
}

#endif
