/* Arithmetic of sizes, which are not negative. What does not fit becomes the greatest number, which
 * no tensor has and no allocator can serve: a sum of products is right or too large, and one
 * comparison at its end tells which. */
#ifndef TG_SIZE_H
#define TG_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* The most elements of a tensor: any two of them, of 8 bytes each, have a distance that ptrdiff_t
 * can hold. */
#define TG_MOST_ELEMENTS ((int64_t)(PTRDIFF_MAX / 8))

static inline int64_t tg__plus(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static inline int64_t tg__times_in_c(int64_t a, int64_t b)
{
    if ((a | b) <= INT32_MAX) return a * b; /* spares the division */
    return b > 0 && a > INT64_MAX / b ? INT64_MAX : a * b;
}

/* Where pointers have 32 bits, some compilers have the builtin in a library that is not linked. */
static inline int64_t tg__times(int64_t a, int64_t b)
{
#if defined(__GNUC__) && UINTPTR_MAX > UINT32_MAX
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
#else
    return tg__times_in_c(a, b);
#endif
}

/* The memory of n objects; PTRDIFF_MAX where it does not fit, to which the size of a header can be
 * added. */
static inline size_t tg__bytes(int64_t n, size_t each)
{
    const int64_t bytes = tg__times(n, (int64_t)each);
    return bytes < PTRDIFF_MAX ? (size_t)bytes : (size_t)PTRDIFF_MAX;
}

#endif
